"""Damage: what a user can lose, break, replace, or forbid in a home, file by file and folder by folder.

The places come from the tree of a real home. `kinds_for` returns the kinds of damage for a place,
and `inflict` does it.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from typing import NamedTuple

STRANGER = 54321
"""A user ID that no account here has."""

FILE_KINDS = ("missing", "empty", "cut", "garbled", "folder", "fifo", "dangling", "link", "foreign")
FOLDER_KINDS = ("missing", "emptied", "file", "fifo", "dangling", "link", "foreign")
AS_OWNER_KINDS = ("stranger's", "unreadable", "read-only")
"""Kinds that only root can inflict, and that affect only processes without its privileges."""


class Damage(NamedTuple):
    """One kind of damage to one file or folder."""

    path: str
    """Relative to the home; `.` is the home itself."""

    kind: str

    def __str__(self) -> str:
        return f"{self.path} {self.kind}"


def tree_of(home: str) -> list[str]:
    """Return the paths of every file and folder of a home, itself included, relative to it."""
    found = ["."]
    for folder, folders, files in os.walk(home):
        found += [os.path.relpath(os.path.join(folder, name), home) for name in [*folders, *files]]
    return sorted(found)


def kinds_for(home: str, path: str) -> list[str]:
    """Return the kinds of damage that this file or folder can suffer."""
    mode = os.lstat(os.path.join(home, path)).st_mode
    if stat.S_ISDIR(mode):
        kinds = [kind for kind in FOLDER_KINDS if path != "." or kind not in ("missing", "emptied", "foreign")]
    elif stat.S_ISREG(mode):
        kinds = list(FILE_KINDS)
    else:
        kinds = ["missing", "folder", "fifo", "dangling"]
    return [*kinds, *AS_OWNER_KINDS] if can_be_bound() else kinds


def can_be_bound() -> bool:
    """Return whether we are root and can start programs without the privileges of root."""
    return os.geteuid() == 0 and shutil.which("setpriv") is not None


def bound() -> list[str]:
    """Return the first words of a command line that runs without the privileges of root."""
    caps = ["--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"]
    return ["setpriv", *caps] if can_be_bound() else []


def inflict(damage: Damage, home: str, other_home: str) -> None:
    """Damage `home`; foreign files come from `other_home`, which is sound."""
    target = os.path.normpath(os.path.join(home, damage.path))
    foreign = os.path.join(other_home, damage.path)
    if damage.kind in ("empty", "cut", "garbled"):
        _change_content(target, damage.kind)
    elif damage.kind == "stranger's":
        os.chown(target, STRANGER, STRANGER, follow_symlinks=False)
    elif damage.kind in ("unreadable", "read-only"):
        readable = 0o500 if os.path.isdir(target) else 0o400
        os.chmod(target, readable if damage.kind == "read-only" else 0)
    elif damage.kind == "link":
        os.rename(target, f"{home}.moved")
        os.symlink(f"{home}.moved", target)
    else:
        _remove(target)
        _put_in_place(damage.kind, target, foreign)


def _change_content(target: str, kind: str) -> None:
    size = os.path.getsize(target)
    if kind == "garbled":
        with open(target, "r+b") as file:
            file.seek(size // 2)
            file.write(bytes(byte ^ 0x55 for byte in file.read(8)) or b"?")
    else:
        os.truncate(target, 0 if kind == "empty" else size // 2)


def _put_in_place(kind: str, target: str, foreign: str) -> None:
    if kind in ("folder", "emptied"):
        os.mkdir(target, 0o700)
    elif kind == "fifo":
        os.mkfifo(target, 0o600)
    elif kind == "dangling":
        os.symlink(f"{target}.nowhere", target)
    elif kind == "file":
        with open(target, "wb"):
            os.chmod(target, 0o600)
    elif kind == "foreign":
        _copy(foreign, target)


def _copy(foreign: str, target: str) -> None:
    if os.path.isdir(foreign):
        shutil.copytree(foreign, target)
    elif os.path.isfile(foreign):
        shutil.copy2(foreign, target)


def _remove(target: str) -> None:
    if os.path.isdir(target) and not os.path.islink(target):
        shutil.rmtree(target)
    else:
        os.unlink(target)


def copy_home(home: str, to: str) -> None:
    """Copy a home as it is, with sockets and permissions."""
    subprocess.run(["cp", "-a", home, to], check=True)
