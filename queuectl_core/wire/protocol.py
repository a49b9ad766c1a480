"""Protocol: the conversion of control socket messages to and from bytes, and which requests only read.

It is pure, and does not know the socket.

A message is a length (u32, big-endian) and then a JSON object of that many bytes, in UTF-8. A request has `v` (the
version), `verb`, and the fields of the verb. A reply has `ok` true and its fields, or `ok` false and `error` (see
`errors.to_wire`). A request can have a `number`, which its reply repeats. It can have a `deadline_ms` on the clock of
`clock.steady_ms`, and is void after that time.

Invariant: `feed` rejects a length above the limit before it buffers the message, because anybody can send any length.
"""

from __future__ import annotations

from .. import fast_json
from ..errors import InvalidInput, ProtocolError

VERSION = 1

READ_ONLY = frozenset(
    ("show", "find", "kept", "list", "status", "overview", "metrics", "batch", "why", "preview")
    + ("queue-list", "schedule-list", "sequence", "config-list", "dependants", "dead-dependants")
    + ("dlq-retry-preview",)
)
"""The verbs of requests that change nothing, so they can be repeated, and need no home."""

NEEDS_SUPERVISOR = frozenset(("wait", "watch", "scale", "stop"))
"""The verbs that only a supervisor can answer. `service.handlers` answers all others."""

FILTERS = frozenset(
    ("batch", "before", "ended_until_ms", "key", "name", "queue", "since_ms", "state", "tags", "until_ms", "where")
)
"""The fields with which a request for a list filters jobs. A request ignores other names, so nobody may send them."""

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
WAIT_JOBS = 1000
"""The most jobs that one request of a `wait` can name. A check of each takes a few microseconds."""

MAX_DEPENDANTS = 1000
"""The most dependants that one request finds."""

MAX_JOBS = 5000
"""The most jobs in one request. A larger number comes as a load, in parts."""

MAX_LOAD_JOBS = 5_000_000
MAX_LOAD_BYTES = 1_000_000_000
"""The most jobs in one load, and the most bytes that they write."""

CHANGE_BYTES = 16 * 1024 * 1024
"""The most bytes that a change of several jobs writes. It writes the new fields once for each job."""

_LENGTH_BYTES = 4


def jobs_at_once(fields: object) -> int:
    """Return how many jobs one request can give these new fields to, from 1 to MAX_JOBS."""
    return max(1, min(MAX_JOBS, CHANGE_BYTES // (len(fast_json.encode(fields)) if fields else 1)))


def check_load(jobs: int, size: int = 0) -> None:
    """Check that a load of so many jobs, which write `size` bytes, is not too large.

    Raises: InvalidInput.
    """
    if jobs > MAX_LOAD_JOBS or size > MAX_LOAD_BYTES:
        raise InvalidInput(what="too many jobs at once; split them into several calls")


def encode(message: dict[str, object]) -> bytes:
    """Return the message as bytes. The error means that it exceeds the limit of the other side.

    Raises: ProtocolError.
    """
    body = fast_json.encode(message).encode()
    if len(body) > MAX_MESSAGE_BYTES:
        raise ProtocolError(what=f"a message of {len(body)} bytes exceeds the limit of {MAX_MESSAGE_BYTES}")
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def number_of(request: dict[str, object]) -> int | None:
    """Return the number that the reply to this request repeats, or None."""
    number = request.get("number")
    return number if type(number) is int else None


def is_void(request: dict[str, object], steady_ms: int) -> bool:
    """Return whether the request's deadline has passed. The supervisor must not do it then."""
    deadline_ms = request.get("deadline_ms")
    return type(deadline_ms) is int and deadline_ms < steady_ms


class Decoder:
    """A buffer that splits a stream of bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[dict[str, object]]:
        """Add bytes and return the messages that are complete now. After an error, the stream is unusable.

        Raises: ProtocolError.
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
