"""Output text: bytes that a job printed, as lines for a pane.

Pure. It makes nothing safe (`spans` does), but drops what only moves a cursor or sets a color.
"""

from __future__ import annotations

import re

MAX_LINE = 2000
"""The most characters of a line that are kept."""

_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;:?]{0,40}[ -/]{0,4}[@-~]|\][^\x07\x1b]{0,400}(?:\x07|\x1b\\)|[()][0-9A-B])")


def lines_of(data: bytes, is_cut: bool) -> list[str]:
    """Return the lines of output. If its start `is_cut` off, the first line is incomplete and left out.

    A line that was printed over and over, like progress, appears as it was last.
    """
    lines = _SEQUENCE.sub("", data.decode("utf-8", "backslashreplace")).split("\n")
    if is_cut and len(lines) > 1:
        del lines[0]
    if lines and not lines[-1]:
        del lines[-1]
    return [line.rstrip("\r").rpartition("\r")[2].expandtabs()[:MAX_LINE] for line in lines]
