"""Context: what the answers of the web server share: the home, and how a command line names it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from ..api import Queue
from ..home import default_path


class Context:
    """One home, as the web server sees it."""

    def __init__(self, queue: Queue, is_read_only: bool) -> None:
        self.queue = queue
        self.is_read_only = is_read_only
        path = queue.home.path
        is_default = os.path.abspath(default_path(dict(os.environ))) == path
        self._start = ["queuectl"] if is_default else ["queuectl", "--home", path]

    def command(self, words: Sequence[str]) -> str:
        """Return the command line that does what a request does, quoted for a shell."""
        return shlex.join([*self._start, *words])
