"""Output log: what attempts print, in segments: growing files of one worker, in which its attempts follow one another.

A file for each attempt would cost a directory entry, an inode and a disk block a job (measured: dispatch loses up to
half its speed to the file system); a segment costs the bytes printed. Where an attempt's output lies is told with
its ending or, when it takes long, as soon as that is known, and journaled.

Knows nothing of jobs. The trap: bytes behind the end of an attempt's output may be another attempt's.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator

from .. import home_files
from ..system import durable_files

SEGMENT_BYTES = 16 * 1024 * 1024
"""No attempt begins in a segment that is longer than this."""

_READ_BYTES = 64 * 1024


class OutputWriter:
    """Writes the output of one attempt after the other; the one under way begins at `start` of `segment`.

    What is over the limit, or finds the disk full, is dropped and counted.
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
        """The next attempt's output begins here. Raises OSError."""
        if self._offset >= SEGMENT_BYTES or not os.fstat(self._descriptor).st_nlink:  # or somebody has removed it
            self._next_segment()
        self.start = self._offset
        self._left = max_bytes
        self.kept_bytes = self.dropped_bytes = 0
        self.found_full = False

    def _next_segment(self) -> None:
        descriptor = -1
        while descriptor < 0:
            self._number += 1
            self.segment = f"{self._worker}.{self._number:04}.log"
            try:
                descriptor = self._create(os.path.join(self._folder, self.segment))
            except FileExistsError:  # of an earlier worker that was given the same name
                pass
        self._close()
        self._descriptor = descriptor
        self._offset = 0

    def _close(self) -> None:
        """The next attempt begins in another segment."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._offset = -1, SEGMENT_BYTES

    def _create(self, path: str) -> int:
        """A new file; in a new folder, when somebody has removed the old one. Raises OSError."""
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
        self._keep(data[: self._left])
        self.dropped_bytes += max(0, len(data) - self._left)
        self._left = max(0, self._left - len(data))

    def finish(self) -> None:
        """Says in the log what was cut; not in part, where that finds no room either."""
        if self.dropped_bytes:
            kept_bytes, dropped_bytes, offset = self.kept_bytes, self.dropped_bytes, self._offset
            self._keep(_cut(dropped_bytes))
            if self.dropped_bytes > dropped_bytes:
                self.kept_bytes, self.dropped_bytes, self._offset = kept_bytes, dropped_bytes, offset
        if self.found_full:
            self._close()  # removed to make room, it must not take up room any more

    def _keep(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                written = os.pwrite(self._descriptor, view, self._offset)
            except OSError as fault:
                self.found_full |= fault.errno in durable_files.FULL
                self.dropped_bytes += len(view)
                return
            self._offset += written
            self.kept_bytes += written
            view = view[written:]


def _cut(dropped_bytes: int) -> bytes:
    return b"\n[queuectl: %d more bytes of output were dropped]\n" % dropped_bytes


def is_cut_told(folder: str, name: str, end: int, dropped_bytes: int) -> bool:
    """Whether an attempt's output, which ends at `end`, says itself that so much of it was dropped. Raises OSError."""
    line = _cut(dropped_bytes)
    return end >= len(line) and b"".join(read(folder, name, end - len(line), len(line))) == line


def read(folder: str, name: str, offset: int, size: int | None) -> Iterator[bytes]:
    """The bytes of one attempt, in pieces; to the end of the segment when `size` is None. Raises OSError
    (FileNotFoundError: pruned).
    """
    with open(_path_of(folder, name), "rb", opener=durable_files.owned) as file:
        file.seek(offset)
        left = size
        while left is None or left > 0:
            piece = file.read(_READ_BYTES if left is None else min(_READ_BYTES, left))
            if not piece:
                return
            left = None if left is None else left - len(piece)
            yield piece


def can_prune(folder: str, before_s: float, max_bytes: int) -> bool:
    """Whether `prune` may find something to remove. Raises OSError."""
    found = [os.lstat(path) for path in segment_paths(folder)]
    return any(one.st_mtime < before_s for one in found) or 0 < max_bytes < sum(one.st_size for one in found)


def prune(
    folder: str, writers: set[str], before_s: float, max_bytes: int, kept: Collection[str] = frozenset()
) -> int:
    """Removes segments last written before `before_s` (a wall time) and, the oldest first, what is over `max_bytes`
    (0: no limit). How many. Spared is the one that each of `writers` may be at, its last; those `kept` go by size
    alone, after all others. Raises OSError.
    """
    found: list[tuple[float, str, int]] = []
    last: dict[str, tuple[int, str]] = {}
    for entry in os.scandir(folder):
        if not home_files.is_output_file(entry.name):
            continue
        worker = entry.name.rsplit(".", 2)[0]
        if worker in writers:
            last[worker] = max(last.get(worker, (0, "")), (len(entry.name), entry.name))  # 9999, 10000
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # removed by hand
            continue
        found.append((status.st_mtime, entry.name, status.st_size))
    spared = {name for _, name in last.values()}
    total_bytes = sum(size for _, _, size in found)
    removed = 0
    for written_s, name, size in sorted(found, key=lambda one: (one[1] in kept, one)):
        is_old = written_s < before_s and name not in kept
        if (is_old or 0 < max_bytes < total_bytes) and name not in spared:
            try:
                os.unlink(os.path.join(folder, name))
            except FileNotFoundError:
                pass
            total_bytes -= size
            removed += 1
    return removed


def segment_paths(folder: str) -> list[str]:
    """The segments in a folder, in the order of their names; files of others are none. Raises OSError."""
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if home_files.is_output_file(name)]


def size_from(folder: str, name: str, offset: int) -> int:
    """How many bytes stand in the segment behind `offset`; 0 when there is none."""
    try:
        return max(0, os.path.getsize(_path_of(folder, name)) - offset)
    except FileNotFoundError:
        return 0


def _path_of(folder: str, name: str) -> str:
    """Raises FileNotFoundError where this is no name of a segment: an imported job may name any file."""
    if not home_files.is_output_file(name):
        raise FileNotFoundError(errno.ENOENT, "it is not an output segment", name)
    return os.path.join(folder, name)
