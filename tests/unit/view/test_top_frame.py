"""The screen of `top`: what it shows in each state of a home, in every size, without a terminal."""

from __future__ import annotations

from typing import Any

import pytest

from queuectl_core.cells import width
from queuectl_core.timestamps import utc
from queuectl_core.view import overview
from queuectl_core.view.top import header
from queuectl_core.view.top.frame import changes_in_ms, frame, layout
from queuectl_core.view.top.keys import KEYS
from queuectl_core.view.top.spans import Span, fitted, plain, sparkline, wrapped
from queuectl_core.view.top.spells import age, age_changes_in_ms, clock, clock_changes_in_ms
from queuectl_core.view.top.state import OUTPUT, TEXT, Prompt, Question, Top
from tests.builders import NOW_MS
from tests.unit.view.test_overview import IDLE, a_queue, a_record, throughput

EVIL = "a\x00b\x1b[2Jc\x9bd\u202ee\tf\ng\u200b"


def an_attempt(**more: Any) -> dict[str, Any]:
    return {
        **{"attempt": 1, "worker": "w1", "started_at": utc(NOW_MS - 65_000), "ended_at": None, "outcome": None},
        **{"duration_ms": None, "exit_code": None, "output_file": None, "output_bytes": None, **more},
    }


def a_job(id: str, state: str = "pending", **more: Any) -> Any:
    return {
        **{"id": id, "state": state, "command": f"./{id}.sh", "queue": "default", "attempts": 1, "reason": None},
        **{"created_at": utc(NOW_MS), "updated_at": utc(NOW_MS - 5000), "next_run_at": None, "worker": "w1"},
        **{"history": [], **more},
    }


def a_top(jobs: list[Any] | None = None, counts: dict[str, int] | None = None, **more: Any) -> Top:
    top = Top("/home")
    top.take_view(overview.of(a_record(counts, **more), "/home"), NOW_MS)
    top.take_jobs(jobs or [])
    return top


def shown(top: Top, columns: int = 80, rows: int = 24) -> list[str]:
    lines = frame(top, columns, rows)
    assert len(lines) == rows
    assert all(sum(width(span.text) for span in line) <= columns for line in lines)
    assert all(span.text.isprintable() for line in lines for span in line)
    return [plain(line) for line in lines]


def text(top: Top, columns: int = 80, rows: int = 24) -> str:
    return "\n".join(shown(top, columns, rows))


def running(id: str, **more: Any) -> Any:
    return a_job(id, "processing", history=[an_attempt()], **more)


def test_an_empty_home_says_how_to_add_a_job() -> None:
    seen = text(a_top())
    assert "supervisor running, 0/1 workers busy" in seen
    assert "nothing left" in seen and "no jobs; queuectl enqueue adds one" in seen


def test_before_the_first_answer_it_says_so() -> None:
    top = Top("/home")
    assert "reading …" in text(top)
    top.problem = "the supervisor does not answer"
    assert "the supervisor does not answer" in text(top)


def test_a_running_job_shows_for_how_long() -> None:
    busy = {**IDLE, "state": "busy", "job": "a", "since": utc(NOW_MS)}
    seen = shown(a_top([running("a"), a_job("b")], {"processing": 1, "pending": 1}, workers=[busy, IDLE]))
    assert "1/2 workers busy" in seen[0]
    assert any("a" in line and "processing" in line and "1m05s" in line for line in seen)


def test_the_header_counts_and_tells_the_pace_and_the_time_left() -> None:
    queues = [a_queue(waiting={"worker": 300}, mean_run_ms=2000)]
    seen = text(a_top([], {"pending": 300, "completed": 45}, throughput=throughput({0: 10, 1: 35}), queues=queues))
    assert "300 pending" in seen and "ETA 10m00s" in seen and "45 completed" in seen


def test_states_without_jobs_are_left_out_where_there_is_little_room() -> None:
    top = a_top([], {"completed": 1234, "dead": 9, "processing": 1})
    assert "0 pending" in text(top, 80) and "0 pending" not in text(top, 60)
    assert "9 dead" in text(top, 60)


@pytest.mark.parametrize("columns", [20, 40, 60, 72, 80, 109, 110, 200])
@pytest.mark.parametrize("rows", [6, 10, 14, 24, 50])
def test_every_size_is_filled_and_nothing_is_wider(columns: int, rows: int) -> None:
    jobs = [running("long" * 20), *(a_job(f"j{n}", queue="q" * n) for n in range(1, 40))]
    queues = [a_queue(f"queue{n}", latency_ms=n * 1000) for n in range(120)]
    top = a_top(jobs, {"pending": 39, "processing": 1}, queues=queues)
    shown(top, columns, rows)
    top.pane.is_large = True
    shown(top, columns, rows)
    top.has_help = True
    shown(top, columns, rows)


def test_a_tiny_terminal_says_so() -> None:
    assert "too small" in text(a_top(), 19, 5)


def test_text_of_jobs_controls_no_terminal() -> None:
    top = a_top([a_job("a", command=EVIL, reason=EVIL, state="dead", history=[an_attempt(outcome="exit")])])
    top.pane.show(OUTPUT, f"output of {EVIL}", [EVIL])
    top.say(EVIL)
    assert "\\x1b[2J" in text(top, 200)
    top.question = Question(EVIL, [EVIL], EVIL)
    assert "\\u202e" in text(top, 200)
    top.prompt = Prompt("filter", "/", EVIL)
    shown(top)


def test_a_job_that_waits_for_a_retry_says_when_it_comes_and_why() -> None:
    reason = "not found (exit code 127)"
    jobs = [
        a_job("again", "failed", next_run_at=utc(NOW_MS + 25_000), reason=reason),
        a_job("later", next_run_at=utc(NOW_MS + 7_200_000)),
    ]
    seen = text(a_top(jobs), 130)
    assert "in 25s; exit code 127 (not found)" in seen and "in 2h" in seen


def test_wide_characters_stay_in_their_columns() -> None:
    seen = shown(a_top([a_job("a", command="日本語" * 40, name="é" * 90)]), 80)
    assert any("日本語" in line and line.endswith("…") for line in seen)


def test_without_a_supervisor_or_while_nothing_moves_it_says_why() -> None:
    seen = text(a_top([a_job("a")], {"pending": 1}, supervisor=None, workers=[]), 100)
    assert "no supervisor" in seen and "! 1 job: no supervisor runs; start one with `queuectl worker start`" in seen


def test_a_queue_has_its_limit_latency_chart_and_what_its_jobs_wait_for() -> None:
    queue = a_queue("gpu", limit=2, latency_ms=65_000, waiting={"limit": 3}, throughput=throughput({0: 4}))
    line = next(line for line in shown(a_top([], {}, queues=[queue])) if line.startswith("gpu"))
    assert "0/2" in line and "1m" in line and "█" in line and "3 at the limit" in line


def test_queues_that_do_not_fit_are_counted() -> None:
    seen = text(a_top(queues=[a_queue(f"q{n}", latency_ms=n) for n in range(50)]))
    assert "more queues: queuectl queue list" in seen


def test_marks_the_filter_and_the_order_are_shown() -> None:
    top = a_top([a_job("a"), a_job("b")])
    top.filter = ["--state", "pending"]
    top.toggle_mark()
    assert "── jobs --state pending ─" in text(top) and "1 marked, 2" in text(top)
    top.toggle_all()
    top.toggle_all()
    assert "all marked" in text(top)
    top.sort_by_next(1)
    assert "ID▲" in text(top)


def test_a_question_shows_the_command_and_some_jobs() -> None:
    top = a_top([a_job("a")])
    top.question = Question("cancel 40 jobs?", [f"  j{n}" for n in range(40)], "queuectl cancel --all")
    seen = text(top)
    assert "cancel 40 jobs?" in seen and "$ queuectl cancel --all" in seen and "  j0" in seen and "…" in seen
    assert seen.splitlines()[-1] == "y yes  n no"


def test_the_output_sticks_to_its_end_until_somebody_scrolls() -> None:
    top = a_top([a_job("a")])
    top.pane.show(OUTPUT, "output of a", [f"line {n}" for n in range(100)])
    rows = layout(top, 80, 24).pane
    assert "line 99" in text(top)
    top.pane.scroll(-3, rows)
    assert "line 99" not in text(top) and "line 96" in text(top)
    top.pane.lines.append("line 100")
    assert "line 100" not in text(top)
    top.pane.scroll(50, rows)
    assert "line 100" in text(top)


def test_output_is_filtered_by_a_text() -> None:
    top = a_top([a_job("a")])
    top.pane.show(OUTPUT, "output of a", ["one", "two Error", "three"])
    top.pane.words = "error"
    assert "two Error" in text(top) and "three" not in text(top)
    top.pane.words = "nothing like it"
    assert "no line has this text" in text(top)


def test_a_sentence_is_wrapped() -> None:
    top = a_top([a_job("a")])
    top.pane.show(TEXT, "why a", ["a is pending: " + "word " * 30])
    assert text(top).count("word") == 30


def test_the_help_has_each_key_with_its_command() -> None:
    top = a_top()
    top.has_help = True
    seen = text(top, 120, 40)
    for key in KEYS:
        assert key.said in seen and key.command in seen


def test_the_last_line_has_whole_keys() -> None:
    assert shown(a_top(), 80)[-1].startswith("? help  q quit  / filter")
    assert "…" not in shown(a_top(), 80)[-1]


def test_an_old_view_says_why_nothing_newer_is_there() -> None:
    top = a_top()
    top.problem = "the supervisor did not answer"
    assert "! the supervisor did not answer; the rest is from before" in text(top)


# Clocks


def test_no_clock_runs_when_nothing_waits_or_runs() -> None:
    assert changes_in_ms(a_top([a_job("a", "completed")]), 80, 24) is None
    assert changes_in_ms(Top("/home"), 80, 24) is None


def test_a_running_job_on_the_screen_ticks_once_a_second_and_one_below_it_does_not() -> None:
    top = a_top([running("a"), *(a_job(f"c{n}", "completed") for n in range(40))])
    assert changes_in_ms(top, 80, 24) == 1000
    top.cursor = 40
    top.keep_in_sight(layout(top, 80, 24).jobs)
    assert changes_in_ms(top, 80, 24) is None


def test_a_job_that_waits_long_ticks_rarely() -> None:
    top = a_top([a_job("a", updated_at=utc(NOW_MS - 7_200_000))])
    assert changes_in_ms(top, 80, 24) == 3_600_000


@pytest.mark.parametrize(
    ("ms", "clock_text", "age_text"),
    [
        (-5, "0s", "0s"),
        (59_999, "59s", "59s"),
        (60_000, "1m00s", "1m"),
        (3_599_999, "59m59s", "59m"),
        (7_500_000, "2h05m", "2h"),
        (100_000_000, "1d03h", "1d"),
    ],
)
def test_durations_are_short_and_their_next_change_is_known(ms: int, clock_text: str, age_text: str) -> None:
    assert (clock(ms), age(ms)) == (clock_text, age_text)
    assert clock(max(0, ms) + clock_changes_in_ms(ms)) != clock_text
    assert age(max(0, ms) + age_changes_in_ms(ms)) != age_text


# Parts


def test_a_sparkline_has_the_newest_minute_at_its_right_and_marks_failures() -> None:
    chart = sparkline([0] * 58 + [4, 8], [0] * 59 + [1], 60)
    assert plain(chart).endswith("·▄█") and chart[-1].style == "failed"
    assert len(sparkline([1] * 60, [0] * 60, 13)) == 12
    assert plain(sparkline([0] * 60, [0] * 60, 10)) == "·" * 10


def test_a_line_is_cut_between_wide_characters_and_made_safe() -> None:
    assert plain(fitted([Span("日本"), Span("語x")], 6)) == "日本…"
    assert plain(fitted([Span("\x00")], 10)) == "\\x00"


def test_words_longer_than_a_line_are_broken() -> None:
    assert all(width(line) <= 10 for line in wrapped("x" * 35 + " a b " + "日" * 9, 10))


def test_the_time_left_is_said_in_words() -> None:
    assert header.eta(None, 3) == "ETA unknown" and header.eta(0.0, 0) == "nothing left"
    assert header.eta(0.0, 3) == "nothing can run now"


def test_the_help_of_a_usual_terminal_has_all_commands_too() -> None:
    top = a_top()
    top.has_help = True
    seen = text(top, 80, 24)
    assert "queuectl …" in seen
    assert all(key.said in seen and key.command.replace("queuectl ", "") in seen for key in KEYS)
