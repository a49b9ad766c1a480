"""Protocol: messages of the control socket to and from bytes, without any socket.

A message is its length (u32, big-endian, of what follows) and a JSON object in UTF-8. A request has `v` (the
version), `verb` and the verb's own fields; a reply has `ok` true and its fields, or `error` (see `errors.to_wire`).
A request may have a `number`, which its reply repeats, and a `deadline_ms` by `clock.steady_ms`,
after which it is void.
Pure; does not know verbs. The trap: lengths come from strangers; `feed` refuses one before it has buffered it.
"""

from __future__ import annotations

from .. import fast_json
from ..errors import ProtocolError

VERSION = 1
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
WAIT_JOBS = 1000
"""So many jobs may be named in one request of a `wait`: looking at each takes a few microseconds."""

MAX_JOBS = 5000
"""So many jobs come in one request at the most: more of them are a load, in parts."""

CHANGE_BYTES = 16 * 1024 * 1024
"""A change of several jobs writes their new fields once for each; no more than this in all."""

_LENGTH_BYTES = 4


def jobs_at_once(fields: object) -> int:
    """To so many jobs these new fields may be given in one request."""
    return max(1, min(MAX_JOBS, CHANGE_BYTES // (len(fast_json.encode(fields)) if fields else 1)))


def encode(message: dict[str, object]) -> bytes:
    """Raises ProtocolError when the message is larger than the other side would take."""
    body = fast_json.encode(message).encode()
    if len(body) > MAX_MESSAGE_BYTES:
        raise ProtocolError(what=f"a message of {len(body)} bytes exceeds the limit of {MAX_MESSAGE_BYTES}")
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def number_of(request: dict[str, object]) -> int | None:
    """What its reply repeats."""
    number = request.get("number")
    return number if type(number) is int else None


def is_void(request: dict[str, object], steady_ms: int) -> bool:
    """Whether its client has given it up by now, and it must not be done any more."""
    deadline_ms = request.get("deadline_ms")
    return type(deadline_ms) is int and deadline_ms < steady_ms


class Decoder:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[dict[str, object]]:
        """The messages that are complete now. Raises ProtocolError for what cannot be one; the stream is then
        useless.
        """
        self._buffer += data
        messages = []
        while len(self._buffer) >= _LENGTH_BYTES:
            size = int.from_bytes(self._buffer[:_LENGTH_BYTES], "big")
            if size > MAX_MESSAGE_BYTES:
                raise ProtocolError(what=f"a message of {size} bytes exceeds the limit of {MAX_MESSAGE_BYTES}")
            end = _LENGTH_BYTES + size
            if len(self._buffer) < end:
                break
            messages.append(_parse(bytes(self._buffer[_LENGTH_BYTES : end])))
            del self._buffer[:end]
        return messages


def _parse(body: bytes) -> dict[str, object]:
    try:
        message = fast_json.decode(body.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        raise ProtocolError(what="a message is not JSON") from None
    if not isinstance(message, dict):
        raise ProtocolError(what="a message is not a JSON object")
    return message
