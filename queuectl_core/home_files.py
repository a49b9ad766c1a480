"""Home files: which names in a home belong to queuectl, and whether a folder may become a home.

A home may lie in a folder that holds other files. queuectl touches, counts, and removes only the names listed here.
Knows names, not contents. Uses no regular expression: every call of the command line imports this module, and `re` is
slow to import.

Warning: a new kind of file in a home needs a line here. Otherwise queuectl refuses a home that has lost its journal.
"""

from __future__ import annotations

import os

FILES = frozenset(
    ("lock", "clock", "clock.new", "supervisor.pid", "supervisor.pid.new", "control.sock", "supervisor.log",
     "supervisor.log.old", "reserve", "web.token", "web.token.new", "metrics.token", "metrics.token.new")
)  # fmt: skip
FOLDERS = ("journal", "store", "run", "logs")
_STORE_FILES = frozenset(
    ("CURRENT", "CURRENT.new", "GENERATION", "GENERATION.new", "jobs.db", "jobs.db-wal", "jobs.db-shm",
     "jobs.db-journal")
)  # fmt: skip
_HEX = frozenset("0123456789abcdef")


def is_segment(name: str) -> bool:
    """Return whether this is the name of a segment of the journal, like `0000000001.log`."""
    return len(name) == 14 and name.endswith(".log") and _is_number(name[:10])


def is_journal_file(name: str) -> bool:
    """Return whether this is the name of a segment, its draft, or a torn tail that recovery set aside."""
    if is_segment(name[:14]) and name[14:] in ("", ".new"):
        return True
    number, _, kind = name[15:].partition(".")
    return is_segment(name[:14]) and _is_number(number) and kind in ("torn", "torn.new")


def is_store_file(name: str) -> bool:
    """Return whether this is the name of a file of a store, or of the folder of a generation."""
    return name in _STORE_FILES or is_generation(name)


def is_generation(name: str) -> bool:
    """Return whether this is the name of the folder of a generation, like `gen-12`."""
    return name.startswith("gen-") and _is_number(name[4:])


def is_worker_file(name: str) -> bool:
    """Return whether this file name begins with the name of a worker, like `w1-3fa2b1.lock`."""
    instance, dot, _ = name.partition(".")
    slot, dash, random = instance[1:].partition("-")
    return bool(dot) and name.startswith("w") and _is_number(slot) and (not dash or _HEX.issuperset(random))


def is_set_aside(name: str) -> bool:
    """Return whether this was set aside as a damaged outcome: it may be of any type, and belong to any user."""
    return name.endswith(".outcome.damaged")


def is_output_file(name: str) -> bool:
    """Return whether this is the name of a segment of output, like `w1-3fa2b1.0001.log`."""
    parts = name.split(".")
    return len(parts) == 3 and parts[2] == "log" and _is_number(parts[1]) and is_worker_file(name)


def is_ours(folder: str, name: str) -> bool:
    """Return whether a file of this name in this folder of a home belongs to queuectl."""
    return _IS_OURS[folder](name)


def has_begun(path: str) -> bool:
    """Return whether the home may have data; an interrupted creation leaves only folders."""
    if _has_segment(os.path.join(path, "journal")) or os.path.lexists(os.path.join(path, "store", "CURRENT")):
        return True
    try:
        return any(map(is_output_file, os.listdir(os.path.join(path, "logs"))))
    except (FileNotFoundError, NotADirectoryError):
        return False


def first_foreign(path: str) -> str | None:
    """Return the first name that shows that a folder is not a home and cannot become one, or None.

    A folder with a segment of a journal is a home, whatever else it holds. Without a segment, as after an interrupted
    creation, every name must belong to queuectl.

    Raises: OSError.
    """
    if _has_segment(os.path.join(path, "journal")):
        return None
    names = sorted(os.listdir(path))
    allowed = FILES if _is_empty(os.path.join(path, "lock")) else _FILES_BEFORE_LOCK
    for name in names:
        if name not in FOLDERS and (name not in allowed or (name == "lock" and allowed is not FILES)):
            return name
    inside = (_foreign_in(path, name) for name in names if name in FOLDERS)
    return next((name for name in inside if name is not None), None)


_FILES_BEFORE_LOCK = frozenset(("supervisor.log", "supervisor.log.old"))
_IS_OURS = {"journal": is_journal_file, "store": is_store_file, "run": is_worker_file, "logs": is_output_file}


def _foreign_in(path: str, folder: str) -> str | None:
    try:
        names = sorted(os.listdir(os.path.join(path, folder)))
    except NotADirectoryError:
        return folder
    return next((f"{folder}/{name}" for name in names if not is_ours(folder, name)), None)


def _has_segment(folder: str) -> bool:
    try:
        return any(map(is_segment, os.listdir(folder)))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _is_empty(path: str) -> bool:
    """Return whether this is an empty file: the writer lock is always empty."""
    try:
        return os.lstat(path).st_size == 0
    except FileNotFoundError:
        return False


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
