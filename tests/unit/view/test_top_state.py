"""What the keys of `top` that only move around change."""

from __future__ import annotations

from typing import Any

from queuectl_core.view.top.output_text import lines_of
from queuectl_core.view.top.state import Top
from tests.unit.view.test_top_frame import a_job, a_top, an_attempt, running


def ids(top: Top) -> list[str]:
    return [job["id"] for job in top.jobs]


def chosen(top: Top) -> Any:
    job = top.chosen()
    return job and job["id"]


def test_a_cursor_that_was_moved_stays_on_its_job() -> None:
    top = a_top([a_job("a"), a_job("b"), a_job("c")])
    top.move(1)
    top.take_jobs([a_job("new"), a_job("c"), a_job("a"), a_job("b")])
    assert chosen(top) == "b"
    top.take_jobs([a_job("new"), a_job("c")])
    assert chosen(top) == "c"
    top.take_jobs([])
    assert chosen(top) is None


def test_a_cursor_at_the_start_shows_what_is_first() -> None:
    top = a_top([a_job("a")])
    top.take_jobs([a_job("new"), a_job("a")])
    assert chosen(top) == "new"


def test_marks_stay_when_the_list_changes_and_go_with_their_jobs() -> None:
    top = a_top([a_job("a"), a_job("b")])
    top.toggle_mark()
    assert top.is_marked("a") and chosen(top) == "b"
    top.has_more = True
    top.take_jobs([a_job("b")])
    assert top.is_marked("a")
    top.has_more = False
    top.take_jobs([a_job("b")])
    assert not top.marks


def test_all_marks_jobs_that_are_not_read_and_space_takes_one_out() -> None:
    top = a_top([a_job("a"), a_job("b")])
    top.toggle_all()
    assert top.is_marked("not read")
    top.toggle_mark()
    assert not top.marks_all and list(top.marks) == ["b"]
    top.toggle_all()
    assert not top.marks and not top.marks_all


def test_jobs_are_sorted_by_a_column_and_back() -> None:
    slow = a_job("slow", "completed", history=[an_attempt(outcome="exit", duration_ms=9000)])
    fast = a_job("fast", "completed", history=[an_attempt(outcome="exit", duration_ms=10)], attempts=4)
    top = a_top([fast, slow, running("now")])
    while top.sort != "time":
        top.sort_by_next(1)
    assert ids(top) == ["now", "slow", "fast"]
    top.reverse()
    assert ids(top) == ["fast", "slow", "now"]
    top.sort_by_next(-1)
    assert top.sort == "attempts" and ids(top)[0] == "fast"
    while top.sort:
        top.sort_by_next(1)
    assert ids(top) == ["fast", "slow", "now"]


def test_failed_jobs_come_first_on_request() -> None:
    top = a_top([running("a"), a_job("b"), a_job("c", "failed"), a_job("d", "dead")])
    top.toggle_failed_first()
    assert ids(top) == ["d", "c", "a", "b"]
    top.toggle_failed_first()
    assert ids(top) == ["a", "b", "c", "d"]


def test_the_list_moves_as_little_as_possible() -> None:
    top = a_top([a_job(f"j{n}") for n in range(20)])
    top.move(4)
    top.keep_in_sight(5)
    assert top.first == 0
    top.move(1)
    top.keep_in_sight(5)
    assert top.first == 1
    top.move(-1)
    top.keep_in_sight(5)
    assert top.first == 1
    top.move(100)
    top.keep_in_sight(5)
    assert (top.cursor, top.first) == (19, 15)


def test_output_becomes_lines_without_what_only_controls_a_terminal() -> None:
    assert lines_of(b"a\r\n\x1b[31mred\x1b[0m\n10%\r20%\r\n\x1b]0;title\x07end", False) == ["a", "red", "20%", "end"]
    assert lines_of(b"half\nwhole\n", True) == ["whole"]
    assert lines_of(b"\xff", False) == ["\\xff"]
    assert lines_of(b"", False) == []
