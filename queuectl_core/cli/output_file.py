"""Output file: lines that leave the home, to a new private file or to standard output.

It does not know jobs, whose variables and input may hold secrets.
Invariant: only the owner can read a file that this module creates.
Warning: the shell sets the permissions of a file to which it redirects standard output. This module
can only print a note about them.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable

from ..errors import InvalidInput
from ..system import file_io
from .screen import Screen, visible


def write_lines(path: str | None, lines: Iterable[str], screen: Screen) -> None:
    """Write each line to a new file, and say so, or to standard output if `path` is None or `-`.

    The file appears when it is complete, and then survives a power cut. A name that is taken and a
    file that cannot be written are errors.

    Raises: InvalidInput.
    """
    if path is None or path == "-":
        _warn_if_readable(screen)
        for line in lines:
            screen.line(line)
        return
    _check_new(path)
    draft = f"{path}.part"
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as fault:
        raise _refusal(draft, fault) from None
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
        _name(draft, path)
        file_io.fsync_folder(os.path.dirname(os.path.abspath(path)))
    except BaseException as fault:
        if os.path.lexists(draft):
            os.unlink(draft)
        if isinstance(fault, OSError):
            raise _refusal(draft, fault) from None
        raise
    if not screen.json:
        screen.done(None, f"wrote {visible(path)}")


def _name(draft: str, path: str) -> None:
    """Give the draft its name without replacing an existing file.

    Without hard links, it can replace a file that appears between the check and the rename.

    Raises: InvalidInput, OSError.
    """
    try:
        os.link(draft, path)
    except OSError:  # the name is taken, or the file system has no links
        _check_new(path)
        os.rename(draft, path)
    else:
        os.unlink(draft)


def _check_new(path: str) -> None:
    """Refuse a path that already is a file, a link, or a device.

    Raises: InvalidInput.
    """
    if os.path.lexists(path):
        raise InvalidInput(what=f"{path} already exists; name a new file, or remove it first")


def _refusal(draft: str, fault: OSError) -> InvalidInput:
    return InvalidInput(what=f"cannot write {fault.filename or draft}: {fault.strerror}")


def _warn_if_readable(screen: Screen) -> None:
    mode = os.fstat(sys.stdout.fileno()).st_mode
    if stat.S_ISREG(mode) and mode & 0o044:
        screen.note("other users can read this file, and jobs may hold secrets; name a file to make it private")
