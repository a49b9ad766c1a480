"""Journal format: the conversion of segments and frames to and from bytes, and the scan of a segment.

It is pure: bytes in, values out. It knows no files, and not the meaning of payloads. All integers are big-endian.

    segment  magic "QCTLJRNL" | version u16 | flags u16 (0) | log id u64 | number u64 | first sequence u64
             | CRC-32 of the above
    frame    magic "qFrm" | payload bytes u32 | events u32 | flags u32 | first sequence u64 | synced u64
             | CRC-32 of the payload | CRC-32 of the header so far | payload

Every event has a sequence, from 1, without a gap. A frame holds events of one group commit, and its sequence is that of
its first event. Both CRCs of a frame start from the log ID. Therefore a frame of another home, or from an earlier use
of a disk block, does not count as a frame of this journal.

`synced` is the highest sequence known to be on the disk when the frame was written. If a later frame says that a bad
frame was synced, the bad frame is damage. Without such a witness, it is a torn tail, and was never acknowledged. The
block log with checksums comes from LevelDB, but the synced mark does not.

Invariant: a frame with the flag MORE counts only after the last frame of its group commit has arrived.
"""

from __future__ import annotations

import struct
import zlib

from ..light_types import NamedTuple

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = 4
"""The version of the format. Increase it for a new event, a new field of an event, or a new option of a job."""

MORE = 1
"""Frame flag: the group commit continues in the next frame."""

_SEGMENT_MAGIC = b"QCTLJRNL"
_FRAME_MAGIC = b"qFrm"
_SEGMENT = struct.Struct(">8sHHQQQ")
_FRAME = struct.Struct(">4sIIIQQI")
_CRC = struct.Struct(">I")
SEGMENT_HEADER_BYTES = _SEGMENT.size + _CRC.size
FRAME_HEADER_BYTES = _FRAME.size + _CRC.size


class SegmentHeader(NamedTuple):
    """The header of a segment, with the sequence of its first event."""

    version: int
    log_id: int
    number: int
    first_sequence: int


class Frame(NamedTuple):
    """One frame as it was found: `start` and `end` are byte offsets in its segment."""

    sequence: int
    events: int
    flags: int
    synced: int
    payload: bytes
    start: int = 0
    end: int = 0

    @property
    def next_sequence(self) -> int:
        """Return the sequence of the first event behind this frame."""
        return self.sequence + self.events


class Scan(NamedTuple):
    """The content of one segment; the unbroken run of frames ends at byte `good_end`, before event `next_sequence`.

    `bad_bytes` counts the bytes behind it. `witness` is the first undamaged frame in these bytes that says that event
    `next_sequence` was synced, or None. Its offsets count from `good_end`.
    """

    frames: list[Frame]
    next_sequence: int
    good_end: int
    bad_bytes: int
    witness: Frame | None


def encode_segment_header(header: SegmentHeader) -> bytes:
    """Return the bytes of a segment header."""
    packed = _SEGMENT.pack(_SEGMENT_MAGIC, header.version, 0, header.log_id, header.number, header.first_sequence)
    return packed + _CRC.pack(zlib.crc32(packed))


def decode_segment_header(data: bytes) -> SegmentHeader | None:
    """Return the header at the start of these bytes, of any version; None if it is damaged or incomplete."""
    if len(data) < SEGMENT_HEADER_BYTES:
        return None
    magic, version, _, log_id, number, first = _SEGMENT.unpack_from(data)
    (crc,) = _CRC.unpack_from(data, _SEGMENT.size)
    if magic != _SEGMENT_MAGIC or crc != zlib.crc32(data[: _SEGMENT.size]):
        return None
    return SegmentHeader(version, log_id, number, first)


def encode_frame(log_id: int, frame: Frame) -> bytes:
    """Return the bytes of one frame. Its `start` and `end` do not matter."""
    key = log_id & 0xFFFFFFFF
    sequence, events, flags, synced, payload, _, _ = frame
    header = _FRAME.pack(_FRAME_MAGIC, len(payload), events, flags, sequence, synced, zlib.crc32(payload, key))
    return b"".join((header, _CRC.pack(zlib.crc32(header, key)), payload))


def decode_frame(log_id: int, data: bytes, offset: int) -> Frame | None:
    """Return the frame at `offset`, or None if it is damaged or incomplete."""
    if offset + FRAME_HEADER_BYTES > len(data):
        return None
    key = log_id & 0xFFFFFFFF
    magic, size, events, flags, sequence, synced, payload_crc = _FRAME.unpack_from(data, offset)
    (header_crc,) = _CRC.unpack_from(data, offset + _FRAME.size)
    if magic != _FRAME_MAGIC or header_crc != zlib.crc32(data[offset : offset + _FRAME.size], key):
        return None
    start = offset + FRAME_HEADER_BYTES
    payload = data[start : start + size]
    if len(payload) != size or zlib.crc32(payload, key) != payload_crc:
        return None
    return Frame(sequence, events, flags, synced, payload, offset, start + size)


def scan(data: bytes, log_id: int, sequence: int) -> Scan:
    """Return the unbroken run of frames behind the segment header, and the bytes that follow it.

    `sequence` is the sequence of the first frame.
    """
    frames: list[Frame] = []
    offset = SEGMENT_HEADER_BYTES
    while (frame := decode_frame(log_id, data, offset)) is not None and frame.sequence == sequence:
        frames.append(frame)
        offset, sequence = frame.end, frame.next_sequence
    witness = next((frame for frame in find_frames(data[offset:], log_id) if frame.synced >= sequence), None)
    return Scan(frames, sequence, offset, len(data) - offset, witness)


def find_frames(data: bytes, log_id: int) -> Iterator[Frame]:
    """Yield every undamaged frame at any offset. For salvage and witnesses only: it ignores gaps."""
    offset = 0
    while (offset := data.find(_FRAME_MAGIC, offset)) >= 0:
        frame = decode_frame(log_id, data, offset)
        if frame is not None:
            yield frame
        offset = offset + 1 if frame is None else frame.end
