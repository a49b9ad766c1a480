"""Journal format: frames, damage, and the scan of an incomplete segment."""

from __future__ import annotations

import pytest

from queuectl_core.storage.journal_format import (
    FRAME_HEADER_BYTES,
    MORE,
    SEGMENT_HEADER_BYTES,
    VERSION,
    Frame,
    SegmentHeader,
    decode_frame,
    decode_segment_header,
    encode_frame,
    encode_segment_header,
    find_frames,
    scan,
)

LOG_ID = 0x1122334455667788
HEADER = encode_segment_header(SegmentHeader(VERSION, LOG_ID, 3, 10))


def a_segment(*frames: bytes) -> bytes:
    return HEADER + b"".join(frames)


def three_frames(synced: tuple[int, int, int]) -> list[bytes]:
    """Return events 10, 11 and 12, and 13 as three frames, each with its synced mark."""
    return [
        encode_frame(LOG_ID, Frame(10, 1, 0, synced[0], b"[one]")),
        encode_frame(LOG_ID, Frame(11, 2, 0, synced[1], b"[two,three]")),
        encode_frame(LOG_ID, Frame(13, 1, 0, synced[2], b"[four]")),
    ]


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def payloads(frames: list[Frame]) -> list[bytes]:
    return [frame.payload for frame in frames]


@pytest.mark.parametrize("version, crc", [(1, "5599e95b"), (2, "e60dc498"), (3, "8881dfd9"), (4, "5a54995f")])
def test_segment_header_of_each_version_keeps_its_form(version: int, crc: str) -> None:
    words = ["5143544c4a524e4c", f"{version:04}", "0000", "1122334455667788", "0000000000000003", "000000000000000a", crc]
    assert encode_segment_header(SegmentHeader(version, LOG_ID, 3, 10)) == bytes.fromhex("".join(words))
    assert version <= VERSION == 4


def test_frame_of_version_1_keeps_its_form() -> None:
    frame = encode_frame(LOG_ID, Frame(10, 1, MORE, 9, b"[one]"))
    header = [
        "7146726d",
        "00000005",
        "00000001",
        "00000001",
        "000000000000000a",
        "0000000000000009",
        "5955c7e6",
        "7ecdfa78",
    ]
    assert frame == bytes.fromhex("".join(header)) + b"[one]"


def test_segment_header_round_trips() -> None:
    assert decode_segment_header(HEADER + b"frames") == SegmentHeader(VERSION, LOG_ID, 3, 10)


def test_header_of_a_newer_version_is_recognized() -> None:
    newer = encode_segment_header(SegmentHeader(VERSION + 1, LOG_ID, 3, 10))
    assert decode_segment_header(newer) == SegmentHeader(VERSION + 1, LOG_ID, 3, 10)


def test_cut_or_flipped_segment_header_is_refused() -> None:
    assert [cut for cut in range(len(HEADER)) if decode_segment_header(HEADER[:cut]) is not None] == []
    assert [bit for bit in range(len(HEADER) * 8) if decode_segment_header(flipped(HEADER, bit)) is not None] == []


def test_frame_round_trips_at_any_offset() -> None:
    frame = encode_frame(LOG_ID, Frame(11, 2, MORE, 7, b"payload"))
    found = decode_frame(LOG_ID, b"before" + frame + b"after", 6)
    assert found == Frame(11, 2, MORE, 7, b"payload", 6, 6 + len(frame))
    assert found.next_sequence == 13


def test_cut_or_flipped_frame_is_refused() -> None:
    frame = encode_frame(LOG_ID, Frame(11, 2, 0, 7, b"payload"))
    assert [cut for cut in range(len(frame)) if decode_frame(LOG_ID, frame[:cut], 0) is not None] == []
    assert [bit for bit in range(len(frame) * 8) if decode_frame(LOG_ID, flipped(frame, bit), 0) is not None] == []


def test_frame_of_another_journal_is_refused() -> None:
    assert decode_frame(LOG_ID, encode_frame(LOG_ID + 1, Frame(11, 2, 0, 7, b"payload")), 0) is None


def test_scan_finds_every_frame_of_a_complete_segment() -> None:
    data = a_segment(*three_frames((9, 10, 12)))
    found = scan(data, LOG_ID, 10)
    assert payloads(found.frames) == [b"[one]", b"[two,three]", b"[four]"]
    assert (found.good_end, found.bad_bytes, found.witness) == (len(data), 0, None)


def test_scan_of_a_segment_without_frames_finds_none() -> None:
    assert scan(HEADER, LOG_ID, 10) == ([], 10, SEGMENT_HEADER_BYTES, 0, None)


def test_scan_of_a_cut_segment_finds_exactly_the_frames_before_the_cut() -> None:
    frames = three_frames((9, 10, 12))
    data = a_segment(*frames)
    ends = [SEGMENT_HEADER_BYTES + sum(map(len, frames[:n])) for n in range(4)]
    for cut in range(SEGMENT_HEADER_BYTES, len(data)):
        whole = sum(end <= cut for end in ends) - 1
        found = scan(data[:cut], LOG_ID, 10)
        assert len(found.frames) == whole, f"cut at {cut}"
        assert (found.good_end, found.bad_bytes, found.witness) == (ends[whole], cut - ends[whole], None), (
            f"cut at {cut}"
        )


def test_scan_of_a_segment_with_a_flipped_bit_finds_the_frames_before_it_and_a_witness() -> None:
    frames = three_frames((9, 10, 12))
    data = a_segment(*frames)
    all_payloads = payloads(scan(data, LOG_ID, 10).frames)
    for bit in range(SEGMENT_HEADER_BYTES * 8, len(data) * 8):
        found = scan(flipped(data, bit), LOG_ID, 10)
        damaged = sum(SEGMENT_HEADER_BYTES + sum(map(len, frames[:n])) <= bit // 8 for n in (1, 2))
        assert payloads(found.frames) == all_payloads[:damaged], f"bit {bit}"
        assert (found.witness is not None) == (damaged < 2), f"bit {bit}"


def test_damage_that_a_later_frame_proves_synced_has_a_witness() -> None:
    first, second, third = three_frames((9, 10, 12))
    found = scan(a_segment(first, flipped(second, 300), third), LOG_ID, 10)
    assert found.witness is not None
    assert (found.witness.sequence, found.witness.synced) == (13, 12)
    assert found.good_end == SEGMENT_HEADER_BYTES + len(first)


def test_witness_need_not_be_the_next_frame() -> None:
    first, second, third = three_frames((9, 9, 12))
    found = scan(a_segment(flipped(first, 300), second, third), LOG_ID, 10)
    assert found.witness is not None and found.witness.sequence == 13


def test_damage_that_was_never_synced_has_no_witness() -> None:
    first, second, third = three_frames((9, 9, 9))
    found = scan(a_segment(flipped(first, 300), second, third), LOG_ID, 10)
    assert (found.frames, found.witness) == ([], None)
    assert found.bad_bytes == len(first + second + third)


def test_missing_frame_ends_the_sequence_even_if_the_others_are_valid() -> None:
    first, _, third = three_frames((9, 9, 9))
    found = scan(a_segment(first, third), LOG_ID, 10)
    assert payloads(found.frames) == [b"[one]"]
    assert found.bad_bytes == len(third)


def test_duplicate_frame_counts_once() -> None:
    first, second, _ = three_frames((9, 9, 9))
    assert payloads(scan(a_segment(first, first, second), LOG_ID, 10).frames) == [b"[one]"]


def test_frames_that_do_not_begin_with_the_expected_event_do_not_count() -> None:
    assert scan(a_segment(*three_frames((9, 9, 9))), LOG_ID, 9).frames == []


def test_zeros_after_the_last_frame_are_bad_bytes_without_a_witness() -> None:
    data = a_segment(*three_frames((9, 10, 12)))
    found = scan(data + bytes(5000), LOG_ID, 10)
    assert (len(found.frames), found.good_end, found.bad_bytes, found.witness) == (3, len(data), 5000, None)


def test_frame_of_another_journal_is_no_witness() -> None:
    first, _, _ = three_frames((9, 10, 12))
    foreign = encode_frame(LOG_ID + 1, Frame(13, 1, 0, 12, b"[four]"))
    assert scan(a_segment(flipped(first, 300), foreign), LOG_ID, 10).witness is None


def test_payload_that_looks_like_the_start_of_frames_does_not_confuse_the_search() -> None:
    bait = encode_frame(LOG_ID, Frame(10, 1, 0, 9, b"qFrm" * 50 + b"qFr"))
    witness = encode_frame(LOG_ID, Frame(11, 1, 0, 10, b"[two]"))
    found = scan(a_segment(flipped(bait, 300), b"qFrmqFrm", witness), LOG_ID, 10)
    assert found.witness is not None and found.witness.sequence == 11


def test_frame_without_payload_is_a_frame() -> None:
    frame = encode_frame(LOG_ID, Frame(10, 1, 0, 9, b""))
    assert len(frame) == FRAME_HEADER_BYTES
    assert payloads(scan(a_segment(frame), LOG_ID, 10).frames) == [b""]


def test_every_undamaged_frame_is_found_at_any_offset() -> None:
    first, second, third = three_frames((9, 10, 12))
    data = a_segment(b"junk", first, b"qFrm", flipped(second, 300), b"more junk", third, third[:-1])
    found = list(find_frames(data, LOG_ID))
    assert payloads(found) == [b"[one]", b"[four]"]
    assert [data[frame.start : frame.end] for frame in found] == [first, third]
    assert list(find_frames(data, LOG_ID + 1)) == []


@pytest.mark.parametrize("flags", [0, MORE])
def test_flags_round_trip(flags: int) -> None:
    (frame,) = scan(a_segment(encode_frame(LOG_ID, Frame(10, 1, flags, 9, b"x"))), LOG_ID, 10).frames
    assert frame.flags == flags
