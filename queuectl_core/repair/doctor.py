"""Doctor: the check of everything in a home, which changes nothing.

While a supervisor runs, the store is in use and the journal grows, so the check says less.
Knows how the parts must fit together. Does not know how to repair them; `salvage` does.

Invariant: the check creates nothing. Otherwise, it would hide that a file is missing.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from .. import home_files
from ..errors import Corrupt, NewerFormat, NoBackend, QueueError
from ..home import Home
from ..model.reasons import shortage_message
from ..service.ledger import Ledger
from ..storage import journal_format, output_log
from ..storage.backends import current_backend, open_store
from ..storage.journal_scanner import events_of, read_segment, segment_paths
from ..storage.reserve import Reserve
from ..supervisor.worker_handle import queue_failure
from ..system import file_io, lockfile, pidfile
from ..worker import messages
from . import store_check


class Finding(NamedTuple):
    """One result of the check. `sound` is None if the result is only information."""

    area: str
    sound: bool | None
    text: str


def examine(home: Home) -> list[Finding]:
    """Return everything that the check finds in the home.

    BadHome means that the home cannot be read. NewerFormat means that it needs a newer version of queuectl, and
    NoBackend that it needs another Python.

    Raises: BadHome, NewerFormat, NoBackend.
    """
    if not home.exists():
        return [Finding("home", None, f"{home.path} does not exist yet")]
    if not home.has_begun():
        return [Finding("home", None, f"{home.path} is still empty")]
    in_use = lockfile.is_held(home.lock)
    findings = [*_files(home), _supervisor(home, in_use), *_journal(home, in_use)]
    findings += [*_store(home, in_use), *_together(home, in_use), *_run(home, in_use)]
    why = queue_failure()
    if why is not None:
        findings.append(Finding("workers", None, f"cannot start workers: {why}"))
    return [*findings, _logs(home), _disk(home)]


def _files(home: Home) -> list[Finding]:
    """Report files of queuectl that others can access or nobody can use, and files that do not belong to it."""
    top = (*home_files.FILES, *home_files.FOLDERS)
    ours = [".", *top]
    foreign = [name for name in file_io.names_in(home.path) if name not in top]
    for folder in home_files.FOLDERS:
        for name in file_io.names_in(os.path.join(home.path, folder)):
            path = f"{folder}/{name}"
            if not home_files.is_ours(folder, name):
                foreign.append(path)
            elif not home_files.is_set_aside(name):
                ours.append(path)
            if folder == "store" and home_files.is_generation(name):
                ours += [f"{path}/{file}" for file in file_io.names_in(os.path.join(home.path, path))]
    findings = [_permissions(home, ours)]
    if foreign:  # queuectl never touches them
        text = f"{len(foreign)} files do not belong to queuectl and stay unchanged, like {foreign[0]}"
        findings.append(Finding("home", None, text))
    return findings


def _permissions(home: Home, names: list[str]) -> Finding:
    """Report files of queuectl that nobody can use or that others can access."""
    open_to_others, unusable = [], []
    for name in names:
        try:
            status = os.lstat(os.path.join(home.path, name))
        except FileNotFoundError:  # it is not there, or was removed since it was listed
            continue
        if _is_unusable(name, status):
            unusable.append(name)
        elif stat.S_IMODE(status.st_mode) & (0o022 if name == "." else 0o077):  # file names are no secret
            open_to_others.append(name)
    for fault, wrong in (("wrong type, owner or permissions:", unusable), ("other users can access", open_to_others)):
        if wrong:
            return Finding("home", False, f"{home.path}: {fault} {', '.join(sorted(wrong)[:5])}")
    return Finding("home", True, f"{home.path}, private to you")


def _is_unusable(name: str, status: os.stat_result) -> bool:
    """Return whether a file has a wrong type, a foreign owner, or permissions that keep its owner out."""
    if name == "." or name in home_files.FOLDERS or home_files.is_generation(os.path.basename(name)):
        is_valid, needed = stat.S_ISDIR(status.st_mode), 0o700
    else:
        is_valid, needed = stat.S_ISREG(status.st_mode) or stat.S_ISSOCK(status.st_mode), 0o600
    return not is_valid or status.st_uid != os.geteuid() or status.st_mode & needed != needed


def _supervisor(home: Home, in_use: bool) -> Finding:
    """Report whether a supervisor runs, or how the last one ended."""
    pid = pidfile.read(home.pid_file)
    if in_use and pid is not None:
        return Finding("supervisor", True, f"running, pid {pid}")
    text = "not running"
    if in_use:
        text = "the writer lock is held: a command is writing, or a supervisor is starting or stopping"
    elif os.path.exists(home.pid_file) or os.path.exists(home.socket):
        text = "not running; the last one was killed (its PID file or socket remains)"
    return Finding("supervisor", None, text)


def _journal(home: Home, in_use: bool) -> list[Finding]:
    """Check each segment, and whether it continues the one before it."""
    findings = []
    expected: int | None = None
    paths = segment_paths(home.journal)
    for path in paths:
        name = os.path.basename(path)
        header, data = read_segment(path)
        if header is None:
            findings.append(Finding("journal", False, f"{name}: its header is damaged"))
            continue
        first = header.first_sequence
        if expected not in (None, first):
            missing = f"events {expected} to {first - 1} are missing before it"
            findings.append(Finding("journal", False, f"{name}: {missing}"))
        scan = journal_format.scan(data, header.log_id, first)
        expected = scan.next_sequence
        findings += _invalid_frames(name, scan.frames)
        findings.append(_segment(name, first, scan, path == paths[-1], in_use))
    names = filter(home_files.is_journal_file, file_io.names_in(home.journal))
    torn = [name for name in names if name.endswith(".torn")]
    if torn:
        findings.append(Finding("journal", None, f"{len(torn)} torn tails of earlier crashes were set aside (*.torn)"))
    return findings or [Finding("journal", False, "no segments")]


def _invalid_frames(name: str, frames: list[journal_format.Frame]) -> list[Finding]:
    """Report the first frame whose checksum is right but whose content is not."""
    try:
        for frame in frames:
            events_of(frame, name)
    except Corrupt as fault:
        return [Finding("journal", False, f"{name}: {fault.fields['why']}")]
    return []


def _segment(name: str, first: int, scan: journal_format.Scan, is_last: bool, in_use: bool) -> Finding:
    """Report what a segment holds, and whether bytes behind its frames are damage."""
    text = f"{name}: empty"
    if scan.frames:
        text = f"{name}: {len(scan.frames)} frames, events {first} to {scan.next_sequence - 1}"
    if not scan.bad_bytes:
        return Finding("journal", True, text)
    bad = f"{text}; {scan.bad_bytes} bytes after them are not a frame"
    if scan.witness is not None or not is_last:
        return Finding("journal", False, f"{bad} but were synced: damaged")
    return Finding("journal", None, f"{bad}: {'being written' if in_use else 'a torn tail, never acknowledged'}")


def _store(home: Home, in_use: bool) -> list[Finding]:
    """Check the store, unless somebody writes to it."""
    try:
        backend = current_backend(home.store)
        if backend is None:
            return [Finding("store", None, "does not exist yet")]
        if in_use:
            return [Finding("store", None, f"{backend}; in use, so not checked")]
        report = store_check.check(open_store(home.store, read_only=True))
    except (NoBackend, NewerFormat):
        raise
    except QueueError as fault:
        return [Finding("store", False, str(fault))]
    if report.faults:
        return [Finding("store", False, f"{backend}; {fault}") for fault in report.faults]
    return [Finding("store", True, f"{backend}; {report.jobs} jobs, complete up to event {report.position}")]


def _together(home: Home, in_use: bool) -> list[Finding]:
    """Report what prevents commands from opening the home, even if each part is sound."""
    if in_use:
        return []
    try:
        Ledger(home, read_only=True).close()
    except (NoBackend, NewerFormat):
        raise
    except QueueError as fault:
        return [Finding("home", False, f"commands cannot open it: {fault}")]
    return []


def _run(home: Home, in_use: bool) -> list[Finding]:
    """Check the results that workers have left, and count the living workers."""
    if not os.path.isdir(home.run):
        return [Finding("workers", None, "run/ is missing; the next command that writes creates it")]
    names = list(filter(home_files.is_worker_file, os.listdir(home.run)))
    alive = [name for name in names if name.endswith(".lock") and lockfile.is_held(os.path.join(home.run, name))]
    left = [name for name in names if name.endswith(".outcome")]
    aside = [name for name in names if home_files.is_set_aside(name)]
    findings = [_damaged_result(home, name) for name in left]
    if aside:
        text = f"{len(aside)} damaged worker results were set aside and count as lost, like {aside[0]}"
        findings.append(Finding("workers", None, text))
    if not in_use and (alive or left):
        text = f"{len(alive)} workers are finishing jobs without a supervisor; {len(left)} results wait for one"
        findings.append(Finding("workers", None, text))
    elif not any(findings):
        findings.append(Finding("workers", True, f"{len(alive)} alive"))
    return [finding for finding in findings if finding is not None]


def _damaged_result(home: Home, name: str) -> Finding | None:
    """Report a result file that cannot be read, or return None."""
    try:
        messages.decode_report(file_io.read(os.path.join(home.run, name)))
    except FileNotFoundError:  # harvested since it was listed
        pass
    except (ValueError, OSError) as fault:
        text = f"{name} is damaged ({fault}); the next command sets it aside and counts the run as lost"
        return Finding("workers", False, text)
    return None


def _logs(home: Home) -> Finding:
    """Report the size of the output of all jobs."""
    if not os.path.isdir(home.logs):
        return Finding("logs", None, "logs/ is missing, with the output of the jobs")
    sizes = [size for _, _, size in output_log.segments(home.logs)]
    return Finding("logs", True, f"{len(sizes)} segments, {sum(sizes)} bytes")


def _disk(home: Home) -> Finding:
    """Report the free space, and whether the reserve is complete."""
    disk, reserve = os.statvfs(home.path), Reserve(home.reserve)
    free = f"{disk.f_bavail * disk.f_frsize // 2**20} MiB free"
    lack = reserve.lack() or reserve.shortage()
    if lack is not None:
        return Finding("disk", None, f"{free}; {shortage_message(home.path, lack)}")
    if reserve.is_whole():
        return Finding("disk", True, f"{free}; the reserve is complete")
    return Finding("disk", None, f"{free}; the reserve is incomplete: no job starts until there is room for it")
