"""Protocol: messages of the control socket, in any pieces, and invalid messages."""

from __future__ import annotations

import json
import struct

import pytest

from queuectl_core.errors import ProtocolError
from queuectl_core.wire.protocol import MAX_MESSAGE_BYTES, Decoder, encode

REQUEST: dict[str, object] = {"v": 1, "verb": "show", "id": "ä", "more": [1, 2.5, None, True, {"deep": "\ud800"}]}


def framed(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


def test_message_round_trips() -> None:
    assert Decoder().feed(encode(REQUEST)) == [REQUEST]


def test_message_is_its_length_and_json() -> None:
    data = encode({"ok": True})
    assert data == b"\0\0\0\x0b" + b'{"ok":true}'


def test_message_that_arrives_byte_by_byte_is_complete_with_the_last_one() -> None:
    decoder = Decoder()
    data = encode(REQUEST)
    arrived = [decoder.feed(data[n : n + 1]) for n in range(len(data))]
    assert arrived == [[]] * (len(data) - 1) + [[REQUEST]]


def test_messages_cut_anywhere_arrive_in_order() -> None:
    messages: list[dict[str, object]] = [{"n": 1}, {}, {"n": "x" * 40}]
    data = b"".join(map(encode, messages))
    for cut in range(len(data) + 1):
        decoder = Decoder()
        assert decoder.feed(data[:cut]) + decoder.feed(data[cut:]) == messages, f"cut at {cut}"


def test_largest_message_passes_and_a_larger_one_is_not_sent() -> None:
    largest: dict[str, object] = {"x": "y" * (MAX_MESSAGE_BYTES - len('{"x":""}'))}
    data = encode(largest)
    assert len(data) == MAX_MESSAGE_BYTES + 4
    assert Decoder().feed(data) == [largest]
    with pytest.raises(ProtocolError, match="exceeds the limit"):
        encode({"x": f"{largest['x']}y"})


@pytest.mark.parametrize("size", [MAX_MESSAGE_BYTES + 1, 2**32 - 1])
def test_length_over_the_limit_is_refused_before_the_message_arrives(size: int) -> None:
    with pytest.raises(ProtocolError, match=f"{size} bytes exceeds the limit"):
        Decoder().feed(struct.pack(">I", size))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"{'a': 1}", b'{"a": "\xff"}', b"\0\0", b"[" * 200_000, b'{"a":' * 200_000]
)
def test_invalid_json_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="is not JSON"):
        Decoder().feed(framed(body))


@pytest.mark.parametrize("value", [[], [{"verb": "show"}], "show", 7, None, True])
def test_json_that_is_not_an_object_is_refused(value: object) -> None:
    with pytest.raises(ProtocolError, match="is not a JSON object"):
        Decoder().feed(framed(json.dumps(value).encode()))
