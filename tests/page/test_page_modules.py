"""Modules of the page by themselves: output as spans, times as text, and the change from one description to the next."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.browser import Browser, Page, needs_browser
from tests.homes import CommandLine, short_folder
from tests.web_server import web

pytestmark = needs_browser


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with short_folder() as folder, web(CommandLine(os.path.join(folder, "home"))) as server, Browser() as browser:
        yield browser.open(f"{server.address.partition('#')[0]}page/icon.svg")


def call(page: Page, module: str, expression: str) -> object:
    """Return the value of an expression in which `m` is a module of the page."""
    return page.js(f"import('./{module}.js').then((m) => {expression})")


@pytest.mark.parametrize(
    ("line", "spans"),
    [
        ("plain", [["plain", ""]]),
        ("\x1b[1;31mred\x1b[0m rest", [["red", "bold fg-red"], [" rest", ""]]),
        ("\x1b[38;5;196mred\x1b[39m\x1b[48;2;1;2;3mx", [["red", "fg-red"], ["x", ""]]),
        ("\x1b[44mblue\x1b[49m", [["blue", "bg-blue"]]),
        ("10 %\r55 %\r100 %\r", [["100 %", ""]]),
        ("\x1b]8;;javascript:alert(1)\x1b\\click\x1b]8;;\x07 me", [["click", ""], [" me", ""]]),
        ("\x1b[?25l\x1b[2Ka\x1bPq#0\x1b\\b\x1b(Bc", [["a", ""], ["b", ""], ["c", ""]]),
        ("a\x00b\u202ec", [["a\ufffdb\ufffdc", ""]]),
        ("\x1b[", []),
        ("\x1b[999999999999m\x1b[38;5m\x1b[38mx", [["x", ""]]),
        ("<img src=x onerror=alert(1)>", [["<img src=x onerror=alert(1)>", ""]]),
    ],
)
def test_control_sequences_become_classes_or_disappear(page: Page, line: str, spans: list[list[str]]) -> None:
    got = call(page, "ansi", f"m.spans({json.dumps(line)}, m.plain()).map((span) => [span.text, span.classes])")
    assert got == spans


def test_a_style_goes_on_in_the_next_line(page: Page) -> None:
    two = "(style => [m.spans('\\x1b[32ma', style), m.spans('b', style)].flat().map((span) => span.classes))(m.plain())"
    assert call(page, "ansi", two) == ["fg-green", "fg-green"]


def test_text_that_could_hide_is_shown(page: Page) -> None:
    assert call(page, "dom", r"m.visible('rm \u202etxt\u202c\u0007 é 漢\n')") == "rm \\u202etxt\\u202c\\u0007 é 漢\n"


def test_times_and_sizes_are_short(page: Page) -> None:
    spans = "[0, 999, 1500, 61000, 3600000, 90061000].map(m.span)"
    assert call(page, "format", spans) == ["0 ms", "999 ms", "1.5 s", "1 min 1 s", "1 h", "1 d 1 h"]
    assert call(page, "format", "[0, 1023, 1024, 52428800].map(m.bytes)") == ["0 B", "1023 B", "1.0 KiB", "50 MiB"]


def test_a_query_leaves_out_what_is_empty(page: Page) -> None:
    assert call(page, "server", "m.query({state: 'dead', tag: ['a=b', 'c=d'], none: ''})") == "?state=dead&tag=a%3Db&tag=c%3Dd"
