"""`queuectl metrics`: the metrics of a home in the text format of Prometheus."""

from __future__ import annotations

import os

from ...api import Queue
from ...errors import InvalidInput
from ...exposition import metrics_text
from ..fast_args import Arguments
from ..screen import Screen, visible

SUMMARY = """Prints counters, histograms and gauges in the text format of Prometheus, with or without a supervisor.
With --textfile, writes them to a file for node_exporter."""
EXAMPLES = ["queuectl metrics", "queuectl metrics --textfile /var/lib/node_exporter/queuectl.prom"]
OPTIONS = (("--textfile", "FILE", "replace FILE in one step; other users can read it"),)


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print the metrics, or write them.

    Raises: InvalidInput.
    """
    text = metrics_text(queue)
    if args.textfile is None:
        if screen.json:
            return screen.value({"metrics": text})
        for line in text.splitlines():
            screen.line(line)
        return
    _write(args.textfile, text)
    screen.done({"file": args.textfile}, f"wrote {visible(args.textfile)}")


def _write(path: str, text: str) -> None:
    """Write a file in one step, so that its readers never see a part of it. Other users can read it.

    Raises: InvalidInput.
    """
    draft = f"{path}.{os.getpid()}.tmp"
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o644)
        os.replace(draft, path)
    except OSError as fault:
        if os.path.lexists(draft):
            os.unlink(draft)
        raise InvalidInput(what=f"cannot write {path}: {fault.strerror}") from None
