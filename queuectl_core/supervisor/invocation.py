"""Invocation: the words that start this copy of queuectl, or its supervisor in the foreground.

Programs, services, shells, and a supervisor itself start it so.

Knows where the package is. Does not start anything.
"""

from __future__ import annotations

import os

from ..home import Home
from ..system import interpreter

TYPE_CHECKING = False  # each new shell runs `completion`, which needs none of this
if TYPE_CHECKING:
    from .foreground import Foreground

_MAIN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "__main__.py")
_BOOT = """import sys, __future__
sys.path.insert(0, sys.argv.pop(1))
import queuectl_core
del sys.path[0]
from queuectl_core.cli.main import main
main()"""
"""Replaces `_MAIN` if that is not a file, for example in a zip archive."""


def program(python: str | None = None) -> list[str]:
    """Return the words that stand before those of a call. `python` is the interpreter, by default this one.

    Raises: InvalidInput.
    """
    package = os.path.dirname(os.path.dirname(_MAIN))
    return [*interpreter.command(python), *([_MAIN] if os.path.isfile(_MAIN) else ["-c", _BOOT, package])]


def words_of(home: Home, workers: int, foreground: Foreground, python: str | None = None) -> list[str]:
    """Return the command line of a supervisor.

    Raises: InvalidInput.
    """
    from ..model.log_lines import TEXT

    words = [*program(python), "--home", home.path, "worker", "start", "--foreground", "--count", str(workers)]
    words += ["--until-eof"] * foreground.until_eof + ["--quiet"] * (not foreground.log_jobs)
    words += ["--log-output"] * foreground.log_output
    return words + ["--log-format", foreground.log_format] * (foreground.log_format != TEXT)
