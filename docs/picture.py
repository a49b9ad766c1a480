#!/usr/bin/env python3
"""Draw docs/picture.svg, a terminal in which the commands below really ran, and docs/top.svg, a screen of `top`.

    python3 docs/picture.py
"""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from collections.abc import Sequence

DOCS = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(DOCS))

from queuectl_core import Queue  # noqa: E402
from queuectl_core.cells import width  # noqa: E402
from queuectl_core.cli.fast_args import Arguments  # noqa: E402
from queuectl_core.cli.filters import FILTERS, STATE  # noqa: E402
from queuectl_core.cli.home_commands import top  # noqa: E402
from queuectl_core.view.top.frame import frame  # noqa: E402
from queuectl_core.view.top.spans import Span  # noqa: E402
from tests import readme  # noqa: E402
from tests.homes import SCRIPT, CommandLine, short_folder, until  # noqa: E402

PICTURE = os.path.join(DOCS, "picture.svg")
SCREEN = os.path.join(DOCS, "top.svg")
COMMANDS = (
    "queuectl worker start --count 2",
    "queuectl enqueue --id build -- 'sleep 1; echo built'",
    "queuectl enqueue --id fetch --max-retries 1 --backoff-base 1 -- 'echo no route; exit 7'",
    "queuectl wait",
    "queuectl list",
    "queuectl why fetch",
    "queuectl logs fetch",
    "queuectl dlq retry fetch",
)
JOBS = """
enqueue --queue gpu --id train-small -- sh -c 'for n in 1 2 3 4 5; do echo "epoch $n: loss 0.$((9 - n))"; done; sleep 60'
enqueue --queue gpu --id train-large -- sh -c 'echo loading the data; sleep 60'
enqueue --queue gpu --id evaluate --after train-small --after train-large -- ./evaluate.sh
queue set mail --create --limit 1
enqueue --queue mail --max-retries 0 --each-line -- sh -c 'sleep 0.1; test {} -ne 7 || { echo no route to host; exit 7; }'
enqueue --id sync --backoff-base 90 -- sh -c 'echo host is down; exit 3'
enqueue --id backup --delay 2h -- ./backup.sh
enqueue --queue slow --id report -- ./report.sh --month 11
queue pause slow
worker start --count 3
"""
"""What runs on the screen of `top`. The first job of several gets the numbers from 1 to 40."""

WIDTH, LINE, MARGIN, TOP = 8.4, 20, 20, 48
FRAME = """<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" role="img"
 aria-label="{label}">
<rect width="100%" height="100%" rx="8" fill="#1e2430"/>
<circle cx="20" cy="18" r="6" fill="#ff5f57"/><circle cx="40" cy="18" r="6" fill="#febc2e"/>
<circle cx="60" cy="18" r="6" fill="#28c840"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14" xml:space="preserve" style="white-space:pre">
{lines}
</g>
</svg>
"""


def session() -> str:
    """Run the commands on a home of their own, and return what a terminal shows."""
    with short_folder() as parent:
        folder = os.path.join(parent, "work")
        readme.prepare("", folder)
        command_line = CommandLine(os.path.join(parent, "home"))
        try:
            shown = [f"$ {command}\n{readme.run(command, command_line.home, folder)}" for command in COMMANDS]
        finally:
            command_line.end()
    return "".join(shown)


def drawn(text: str) -> str:
    """Return the picture of a session."""
    lines = text.rstrip().split("\n")
    shown = [line_of(line, TOP + LINE * number) for number, line in enumerate(lines)]
    columns = 2 * MARGIN + WIDTH * max(map(len, lines))
    label = "A terminal session with queuectl"
    return FRAME.format(label=label, width=columns, height=TOP + LINE * len(lines), lines="\n".join(shown))


def line_of(line: str, y: int) -> str:
    """Return one line of the picture; commands are brighter than their output."""
    color = "#ffffff" if line.startswith("$ ") else "#a9b4c6"
    return f'<text x="{MARGIN}" y="{y}" fill="{color}">{html.escape(line, quote=False)}</text>'


# top


COLORS = {
    **{"pending": "#56b6c2", "processing": "#61afef", "completed": "#7ec97e", "failed": "#e5c07b", "dead": "#ef7680"},
    **{"warn": "#e5c07b", "marked": "#d58fe0", "key": "#56b6c2", "dim": "#6f7b8f", "head": "#ffffff"},
}
"""The color of each style on the screen of `top`."""


def screen(columns: int = 100, rows: int = 30) -> list[list[Span]]:
    """Run jobs on a home of their own, and return what `top` shows then."""
    with short_folder() as parent:
        command_line = CommandLine(os.path.join(parent, "home"))
        try:
            for line in JOBS.strip().splitlines():
                numbers = "\n".join(map(str, range(1, 41))).encode() if "--each-line" in line else None
                subprocess.run(
                    f"{sys.executable} {SCRIPT} {line}", shell=True, env=command_line.environ, cwd=parent,
                    input=numbers or b"", stdout=subprocess.DEVNULL, check=True,
                )  # fmt: skip
            until(lambda: command_line.counts()["completed"] > 24, lambda: "completed jobs")
            with Queue(command_line.home) as queue:
                return shown_by(queue, columns, rows)
        finally:
            command_line.end()


def shown_by(queue: Queue, columns: int, rows: int) -> list[list[Span]]:
    """Return the screen of `top` for a home, which it calls by the usual name of a home."""
    words = (names[2:].replace("-", "_") for names, _, _ in (STATE, *FILTERS))
    shown = top.first_session(queue, Arguments(**dict.fromkeys(words))).top
    shown.home = "~/.local/state/queuectl"
    return frame(shown, columns, rows)


def drawn_screen(lines: Sequence[Sequence[Span]], columns: int) -> str:
    """Return the picture of a screen."""
    shown = [_spans(line, TOP + LINE * number) for number, line in enumerate(lines)]
    size = {"width": 2 * MARGIN + WIDTH * columns, "height": TOP + LINE * len(lines)}
    return FRAME.format(label="The screen of queuectl top", lines="\n".join(filter(None, shown)), **size)


def _spans(line: Sequence[Span], y: int) -> str:
    """Return one line of the screen, with a bar behind the chosen job."""
    parts, x = [], 0
    for text, style in line:
        color = COLORS.get(style, "#c3ccda")
        if style == "chosen":
            parts.append(f'<rect x="{MARGIN}" y="{y - 15}" width="{WIDTH * width(text):.1f}" height="{LINE}" fill="#33475f"/>')
            color = "#ffffff"
        if text.strip():
            at = f'x="{MARGIN + WIDTH * x:.1f}" y="{y}" fill="{color}"'
            length = f'textLength="{WIDTH * width(text):.1f}" lengthAdjust="spacingAndGlyphs"'
            parts.append(f"<text {at} {length}>{html.escape(text, quote=False)}</text>")
        x += width(text)
    return "".join(parts)


def text_of(picture: str) -> str:
    """Return the session that a picture shows."""
    return "\n".join(map(html.unescape, re.findall(r"<text [^>]*>(.*?)</text>", picture))) + "\n"


def main() -> None:
    """Run the session and the jobs, and write their pictures."""
    with open(PICTURE, "w", encoding="utf-8") as file:
        file.write(drawn(session()))
    with open(SCREEN, "w", encoding="utf-8") as file:
        file.write(drawn_screen(screen(), 100))


if __name__ == "__main__":
    main()
