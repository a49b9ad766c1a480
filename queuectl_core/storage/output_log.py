"""Output log: the output of attempts, in segments that each belong to one worker.

It does not know about jobs.

The attempts of a worker follow one another in its segments. A file for each attempt would cost a directory entry, an
inode, and a disk block for each job. In measurements, it reduced the speed of dispatch by up to half. A segment costs
only the bytes of the output. The ending of an attempt says where its output is. For a long attempt, the worker says it
as soon as that is known. The journal has both.

Warning: the bytes behind the end of an attempt's output can belong to another attempt.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Collection, Iterator

from .. import home_files
from ..system import file_io

SEGMENT_BYTES = 16 * 1024 * 1024
"""An attempt never begins in a segment of this size or more."""

_READ_BYTES = 64 * 1024


class OutputWriter:
    """Write the output of one attempt after another; the current one begins at `start` of `segment`.

    The writer drops and counts the bytes that are over the limit, or that do not fit on the disk.
    """

    def __init__(self, folder: str, worker: str) -> None:
        self._folder = folder
        self._worker = worker
        self._number = 0
        self.segment = f"{worker}.0000.log"
        self._descriptor = -1
        self._offset = SEGMENT_BYTES
        self._left = 0
        self.start = 0
        self.kept_bytes = 0
        self.dropped_bytes = 0
        self.found_full = False

    def begin(self, max_bytes: int) -> None:
        """Begin the output of the next attempt, which can have up to `max_bytes`.

        Raises: OSError.
        """
        if self._offset >= SEGMENT_BYTES or not os.fstat(self._descriptor).st_nlink:  # no links: somebody removed it
            self._next_segment()
        self.start = self._offset
        self._left = max_bytes
        self.kept_bytes = self.dropped_bytes = 0
        self.found_full = False

    def _next_segment(self) -> None:
        """Begin a segment with a new name.

        Raises: OSError.
        """
        self._close()
        while self._descriptor < 0:
            self._number += 1
            self.segment = f"{self._worker}.{self._number:04}.log"
            try:
                self._descriptor = self._create(os.path.join(self._folder, self.segment))
            except FileExistsError:  # an earlier worker had the same name
                pass
        self._offset = 0

    def _close(self) -> None:
        """Close the segment, so that the next attempt begins in another one."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._offset = -1, SEGMENT_BYTES

    def _create(self, path: str) -> int:
        """Create a file, and its folder if somebody has removed it.

        Raises: OSError.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            return os.open(path, flags, 0o600)
        except FileNotFoundError:
            try:
                os.mkdir(self._folder, 0o700)
            except FileExistsError:  # another worker was faster
                pass
            return os.open(path, flags, 0o600)

    def write(self, data: bytes) -> None:
        """Write output of the current attempt, and drop the bytes over its limit."""
        self._keep(data[: self._left])
        self.dropped_bytes += max(0, len(data) - self._left)
        self._left = max(0, self._left - len(data))

    def finish(self) -> None:
        """Note in the log how many bytes were dropped; write nothing if the whole note does not fit."""
        if self.dropped_bytes:
            kept_bytes, dropped_bytes, offset = self.kept_bytes, self.dropped_bytes, self._offset
            self._keep(_cut(dropped_bytes))
            if self.dropped_bytes > dropped_bytes:
                self.kept_bytes, self.dropped_bytes, self._offset = kept_bytes, dropped_bytes, offset
        if self.found_full:
            self._close()  # an open descriptor would keep the room of a segment that is removed to make room

    def _keep(self, data: bytes) -> None:
        """Write bytes, and count those that do not fit on the disk."""
        view = memoryview(data)
        while view:
            try:
                written = os.pwrite(self._descriptor, view, self._offset)
            except OSError as fault:
                self.found_full |= fault.errno in file_io.FULL
                self.dropped_bytes += len(view)
                return
            self._offset += written
            self.kept_bytes += written
            view = view[written:]


def _cut(dropped_bytes: int) -> bytes:
    """Return the note about dropped bytes."""
    return b"\n[queuectl: %d more bytes of output were dropped]\n" % dropped_bytes


def says_dropped(folder: str, name: str, end: int, dropped_bytes: int) -> bool:
    """Return whether the output that ends at `end` itself says that `dropped_bytes` were dropped.

    Raises: OSError.
    """
    line = _cut(dropped_bytes)
    return end >= len(line) and b"".join(read(folder, name, end - len(line), len(line))) == line


def read(folder: str, name: str, offset: int, size: int | None) -> Iterator[bytes]:
    """Yield the bytes of one attempt in pieces, or up to the end of the segment if `size` is None.

    The error is FileNotFoundError if the segment was pruned.

    Raises: OSError.
    """
    with open(_path_of(folder, name), "rb", opener=file_io.open_owned) as file:
        file.seek(offset)
        left = sys.maxsize if size is None else size
        while left > 0 and (piece := file_io.read_from(file, min(_READ_BYTES, left))):
            left -= len(piece)
            yield piece


Segment = tuple[float, str, int]
"""The wall clock time of the last write to a segment in seconds since 1970, its name, and its size in bytes."""


def segments(folder: str) -> list[Segment]:
    """Return the output segments in a folder, in any order, and ignore other files.

    Raises: OSError.
    """
    existing = []
    for entry in os.scandir(folder):
        if home_files.is_output_file(entry.name):
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # removed by hand
                continue
            existing.append((status.st_mtime, entry.name, status.st_size))
    return existing


def can_prune(folder: str, before_s: float, max_bytes: int) -> bool:
    """Return whether `prune` can find something to remove.

    Raises: OSError.
    """
    existing = segments(folder)
    is_old = any(written_s < before_s for written_s, _, _ in existing)
    return is_old or 0 < max_bytes < sum(size for _, _, size in existing)


def prune(
    folder: str, writers: set[str], before_s: float, max_bytes: int, kept: Collection[str] = frozenset()
) -> int:
    """Remove segments last written before `before_s`, and the oldest ones until the rest fits `max_bytes`.

    `before_s` is a wall clock time in seconds, and 0 for `max_bytes` means no limit. The function spares the last
    segment of each of `writers`, where that worker can be writing. It removes those in `kept` only for size, after all
    others. It returns how many it removed.

    Raises: OSError.
    """
    existing = segments(folder)
    names = sorted((name for _, name, _ in existing), key=lambda name: (len(name), name))  # 10000 comes after 9999
    last = {name.rsplit(".", 2)[0]: name for name in names}
    spared = {last.get(worker) for worker in writers}
    total_bytes = sum(size for _, _, size in existing)
    removed = 0
    for written_s, name, size in sorted(existing, key=lambda segment: (segment[1] in kept, segment)):
        is_old = written_s < before_s and name not in kept
        if (is_old or 0 < max_bytes < total_bytes) and name not in spared:
            file_io.remove(os.path.join(folder, name))
            total_bytes -= size
            removed += 1
    return removed


def size_from(folder: str, name: str, offset: int) -> int:
    """Return how many bytes the segment has behind `offset`; 0 if it does not exist."""
    try:
        return max(0, os.path.getsize(_path_of(folder, name)) - offset)
    except FileNotFoundError:
        return 0


def _path_of(folder: str, name: str) -> str:
    """Return the path of a segment, and reject any other name: an imported job can name any file.

    Raises: FileNotFoundError.
    """
    if not home_files.is_output_file(name):
        raise FileNotFoundError(errno.ENOENT, "it is not an output segment", name)
    return os.path.join(folder, name)
