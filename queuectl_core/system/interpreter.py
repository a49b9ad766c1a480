"""Interpreter: whether this Python can run queuectl, and how to start another one like it.

It does not know the programs that the interpreter runs.

Warning: in a frozen program, `sys.executable` is the program itself.
"""

from __future__ import annotations

import sys

from ..errors import InvalidInput, UnfitPython

_OTHER_SYSTEMS = {"win32": "Windows", "emscripten": "Emscripten", "wasi": "WASI"}


def check() -> None:
    """Check that the operating system and this Python are ones that queuectl supports.

    Raises: UnfitPython.
    """
    name = sys.implementation.name
    if name != "cpython":
        raise UnfitPython(what=f"CPython is required, but {sys.executable} is {name}")
    if sys.platform in _OTHER_SYSTEMS:
        raise UnfitPython(what=f"{_OTHER_SYSTEMS[sys.platform]} is not supported")


def lacks(fault: ImportError) -> UnfitPython:
    """Return the error for a failed import.

    The operating system is not supported, this Python lacks the module, or the installation of queuectl is incomplete.
    """
    if sys.platform in _OTHER_SYSTEMS:
        return UnfitPython(what=f"{_OTHER_SYSTEMS[sys.platform]} is not supported")
    name = fault.name or str(fault)
    if name.startswith("queuectl_core"):
        return UnfitPython(what=f"the installation is incomplete: {name} is missing")
    return UnfitPython(what=f"{sys.executable} lacks the module {name}")


def command(python: str | None) -> list[str]:
    """Return the command line that starts `python` with the interpreter options of this process.

    The default is this Python. If this program is not a Python, the caller must name one.

    Raises: InvalidInput.
    """
    import subprocess

    executable = sys.executable or ""
    is_python = "python" in executable.rpartition("/")[2].lower() and not getattr(sys, "frozen", False)
    if python is None and not is_python:
        raise InvalidInput(what=f"{executable or 'this program'} is not a Python; name one with supervisor(python=…)")
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # as multiprocessing does
    return [python or executable, *flags]
