"""Progress line: what a line says, what it leaves out when it is narrow, and how a rate follows the task."""

from __future__ import annotations

import pytest

from queuectl_core.terminal import progress
from queuectl_core.terminal.progress_line import Pace, Standing, line, sentence


def test_a_wide_line_says_everything() -> None:
    standing = Standing(1500, 6000, 2, 3.0)
    assert line("jobs", standing, 80) == "1,500/6,000 jobs  25%  2 failed  3.0/s  ETA 25 min 0 s"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (49, "1,500/6,000 jobs  2 failed  3.0/s  ETA 25 min 0 s"),
        (48, "1,500/6,000 jobs  2 failed  ETA 25 min 0 s"),
        (41, "1,500/6,000 jobs  2 failed"),
        (25, "1,500/6,000 jobs"),
        (7, "1,500/6"),
        (0, ""),
        (-1, ""),
    ],
)
def test_a_narrow_line_leaves_out_the_least_important(columns: int, expected: str) -> None:
    assert line("jobs", Standing(1500, 6000, 2, 3.0), columns) == expected


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        (Standing(0, 3, 0, None), "0/3 jobs  0%"),
        (Standing(3, 3, 0, 2.0), "3/3 jobs  100%  2.0/s"),
        (Standing(0, 0, 0, None), "0/0 jobs"),
        (Standing(2000, None, 0, 41000.4), "2,000 jobs  41,000/s"),
        (Standing(1, 2, 0, 0.05), "1/2 jobs  50%  3.0/min  ETA 20 s"),
        (Standing(1, 2, 1, 1 / 1800), "1/2 jobs  50%  1 failed  2.0/h  ETA 30 min 0 s"),
    ],
)
def test_a_line_says_only_what_is_known(standing: Standing, expected: str) -> None:
    assert line("jobs", standing, 80) == expected


def test_a_rate_needs_a_second_and_something_done() -> None:
    pace = Pace(0, 10.0)
    pace.note(5, 10.5)
    assert pace.per_second() is None
    pace.note(10, 11.0)
    assert pace.per_second() == pytest.approx(10.0, rel=0.02)
    assert Pace(7, 0.0).per_second() is None


def test_a_rate_does_not_count_what_was_done_before() -> None:
    pace = Pace(1000, 0.0)
    pace.note(1002, 2.0)
    assert pace.per_second() == pytest.approx(1.0)


def test_recent_progress_counts_more() -> None:
    pace = Pace(0, 0.0)
    pace.note(1000, 10.0)
    for n in range(1, 61):
        pace.note(1000 + n, 10.0 + n)
    rate = pace.per_second()
    assert rate is not None and 1.0 < rate < 10.0


def test_a_count_that_falls_starts_again() -> None:
    pace = Pace(100, 0.0)
    pace.note(0, 1.0)
    pace.note(10, 2.0)
    rate = pace.per_second()
    assert rate is not None and rate > 0


def test_the_sentence_at_the_end() -> None:
    assert sentence("jobs", {"completed": 297, "dead": 3}, 83.0) == "300 jobs: 297 completed, 3 dead; waited 1 min 23 s"
    assert sentence("jobs", {"dead": 3, "completed": 2}, 1.0).startswith("5 jobs: 2 completed, 3 dead; ")
    assert sentence("jobs", {"completed": 1, "purged": 0}, 0.04) == "1 job: 1 completed; waited 0.0 s"
    assert sentence("jobs", {}, 1.0) == "0 jobs"


@pytest.mark.parametrize(
    ("environ", "is_known"),
    [
        ({}, False),
        ({"TERM": "xterm-256color"}, False),
        ({"TERM_PROGRAM": "ghostty"}, True),
        ({"TERM_PROGRAM": "WezTerm"}, True),
        ({"TERM_PROGRAM": "WezTerm", "TMUX": "/tmp/x"}, False),
        ({"WT_SESSION": "x"}, True),
        ({"TERM_PROGRAM": "iTerm.app"}, False),
        ({"TERM_PROGRAM": "iTerm.app", "TERM_FEATURES": "T2P"}, True),
        ({"TERM": "xterm-kitty"}, False),
    ],
)
def test_only_known_terminals_get_the_progress_of_the_window(environ: dict[str, str], is_known: bool) -> None:
    assert progress.has_window_progress(environ) is is_known
