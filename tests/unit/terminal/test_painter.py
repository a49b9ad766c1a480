"""The painter without a screen: which terminals can show one, and text for a locale without UTF-8."""

from __future__ import annotations

import pytest

from queuectl_core.terminal import painter


@pytest.mark.parametrize(("term", "why"), [("dumb", "TERM is dumb"), ("", "TERM is dumb"), ("no-such", "'no-such'")])
def test_a_terminal_that_cannot_show_a_screen_is_named(monkeypatch: pytest.MonkeyPatch, term: str, why: str) -> None:
    monkeypatch.setenv("TERM", term)
    assert why in painter.why_not()


def test_lines_and_charts_have_an_ascii_form() -> None:
    assert "── a … ·▁▄█ ▲".translate(painter._PLAIN) == "-- a ~ ._=# ^"
