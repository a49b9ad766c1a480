#!/usr/bin/env python3
"""Draw docs/picture.svg: a terminal in which the commands below really ran.

    python3 docs/picture.py
"""

from __future__ import annotations

import html
import os
import re
import sys

DOCS = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(DOCS))

from tests import readme  # noqa: E402
from tests.homes import CommandLine, short_folder  # noqa: E402

PICTURE = os.path.join(DOCS, "picture.svg")
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
WIDTH, LINE, MARGIN, TOP = 8.4, 20, 20, 48
FRAME = """<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" role="img"
 aria-label="A terminal session with queuectl">
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
    width = 2 * MARGIN + WIDTH * max(map(len, lines))
    return FRAME.format(width=width, height=TOP + LINE * len(lines), lines="\n".join(shown))


def line_of(line: str, y: int) -> str:
    """Return one line of the picture; commands are brighter than their output."""
    color = "#ffffff" if line.startswith("$ ") else "#a9b4c6"
    return f'<text x="{MARGIN}" y="{y}" fill="{color}">{html.escape(line, quote=False)}</text>'


def text_of(picture: str) -> str:
    """Return the session that a picture shows."""
    return "\n".join(map(html.unescape, re.findall(r"<text [^>]*>(.*?)</text>", picture))) + "\n"


def main() -> None:
    """Run the session, and write its picture."""
    with open(PICTURE, "w", encoding="utf-8") as file:
        file.write(drawn(session()))


if __name__ == "__main__":
    main()
