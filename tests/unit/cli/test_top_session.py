"""What the keys of `top` do to a home: nothing without an answer, and then what the preview said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl_core import Queue
from queuectl_core.cli.top.filter_words import words_of
from queuectl_core.cli.top.listing import Listing
from queuectl_core.cli.top.loop import read
from queuectl_core.cli.top.session import Session
from queuectl_core.errors import InvalidInput
from queuectl_core.view.top.keys import KEYS
from queuectl_core.view.top.state import Top


class Desk:
    """A home and its `top`, without a terminal."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.session = Session(queue, Top(queue.home.path), lambda id, columns: [f"about {id}"])
        self.top = self.session.top
        self.look()

    def look(self) -> None:
        """Read the home."""
        read(self.queue, self.session)
        listing = Listing(self.queue, self.session.chosen_filter, 200, self.top.is_failed_first)
        while not listing.is_over:
            listing.step()
        self.top.is_searching = False
        self.top.take_jobs(listing.jobs)

    def press(self, *keys: str) -> None:
        """Press keys, and let each of them do its work."""
        for key in keys:
            self.session.press(key)
            while self.session.task is not None:
                self.session.work()

    def type(self, text: str) -> None:
        self.press(*text, "Enter")
        self.look()

    def states(self) -> dict[str, str]:
        return {job["id"]: job["state"] for job in self.queue.list()}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Queue(str(tmp_path / "home")) as queue:
        queue.enqueue_many([{"id": f"j{n}", "command": "true", "queue": "ab"[n % 2], "delay": "1h"} for n in range(6)])
        yield Desk(queue)


def test_an_action_asks_first_and_no_changes_nothing(desk: Desk) -> None:
    desk.press("c")
    question = desk.top.question
    assert question is not None and question.title == "cancel 1 job?" and question.command == "queuectl cancel j0"
    assert question.lines == ["  j0  pending  true"]
    desk.press("x")
    assert desk.top.question is not None
    desk.press("n")
    assert desk.top.question is None and set(desk.states().values()) == {"pending"}
    assert desk.top.message == "nothing was changed"


def test_marked_jobs_are_changed_and_others_are_not(desk: Desk) -> None:
    desk.press(" ", "Down", " ", "c", "y")
    assert desk.top.message == "canceled 2 jobs" and not desk.top.marks
    assert sorted(id for id, state in desk.states().items() if state == "dead") == ["j0", "j2"]


def test_a_marked_job_that_left_the_list_is_changed_too(desk: Desk) -> None:
    desk.press(" ")
    desk.top.has_more = True
    desk.top.take_jobs(desk.top.listed[1:])
    desk.press("c")
    assert desk.top.question is not None and desk.top.question.command == "queuectl cancel j0"
    desk.queue.remove(["j0"])
    desk.press("n", "c")
    assert desk.top.message == "no job here can be canceled"


def test_every_key_does_something() -> None:
    assert not [key.action for key in KEYS if not hasattr(Session, f"_do_{key.action}")]


def test_all_that_match_are_changed_with_the_filter_of_the_command_line(desk: Desk) -> None:
    desk.press("/")
    desk.type("--queue=b")
    assert [job["id"] for job in desk.top.jobs] == ["j1", "j3", "j5"]
    desk.press("*", "c")
    assert desk.top.question is not None and desk.top.question.command == "queuectl cancel --queue b"
    desk.press("y")
    assert [id for id, state in sorted(desk.states().items()) if state == "dead"] == ["j1", "j3", "j5"]


def test_a_change_meets_no_job_that_came_after_the_preview(desk: Desk) -> None:
    desk.press("*", "c")
    desk.queue.enqueue("true", id="late", delay="1h")
    desk.queue.cancel(["j0"])
    desk.press("y")
    assert desk.states()["late"] == "pending"
    assert desk.top.message == "canceled 5 jobs; 1 had changed meanwhile"


def test_a_long_count_and_a_long_change_can_be_stopped(desk: Desk) -> None:
    desk.queue.enqueue_many([{"command": "true", "delay": "1h"}] * 1200)
    desk.press("*")
    desk.session.press("c")
    desk.session.work()
    assert desk.top.message == "500 jobs so far; Esc stops the count"
    desk.session.press("Esc")
    assert desk.session.task is None and desk.top.message == "stopped; nothing was changed"
    desk.press("c")
    assert desk.top.question is not None and desk.top.question.title == "cancel 1206 jobs?"
    desk.session.press("y")
    desk.session.work()
    desk.session.press("Esc")
    assert desk.top.message == "stopped; what is changed stays changed"
    assert desk.queue.status()["counts"]["dead"] == 500


def test_dead_jobs_are_retried_with_their_dependants(desk: Desk) -> None:
    desk.queue.enqueue("true", id="after", after=["j0"])
    desk.queue.cancel(["j0"])
    desk.press("/")
    desk.type("--id j0")
    desk.press("d")
    assert desk.top.question is not None and desk.top.question.title == "retry 2 jobs and their dead dependants?"
    assert desk.top.question.command == "queuectl dlq retry --with-dependants j0"
    desk.press("y")
    assert desk.states()["j0"] == desk.states()["after"] == "pending"


def test_a_job_in_an_unsuitable_state_is_refused_in_words(desk: Desk) -> None:
    for key, done in (("s", "suspended"), ("d", "retried")):
        desk.press(key)
        assert desk.top.message == f"no job here can be {done}" and desk.top.is_refusal


def test_retry_runs_a_waiting_job_now(desk: Desk) -> None:
    desk.press("r", "y")
    assert desk.top.message == "retried 1 job"
    assert desk.queue.get("j0")["next_run_at"] is None


def test_several_jobs_are_edited_by_values(desk: Desk) -> None:
    desk.press("*", "e")
    assert desk.top.prompt is not None
    desk.press(*"priority", "Enter")
    assert desk.top.is_refusal and desk.top.prompt is not None  # the line stays for a correction
    desk.press(*"=7 queue=c", "Enter", "y")
    assert {(job["priority"], job["queue"]) for job in desk.queue.list()} == {(7, "c")}


def test_one_job_is_edited_in_an_editor(desk: Desk) -> None:
    desk.press("e")
    assert desk.session.editing == "j0"


def test_a_queue_or_all_queues_are_paused_and_resumed(desk: Desk) -> None:
    desk.press("p")
    assert desk.top.question is not None and desk.top.question.command == "queuectl queue pause a"
    desk.press("y")
    desk.look()
    assert next(each for each in desk.queue.queues() if each["queue"] == "a")["paused_since"]
    desk.press("p", "y")
    assert not next(each for each in desk.queue.queues() if each["queue"] == "a")["paused_since"]
    desk.press("p", "a")
    desk.look()
    assert desk.queue.status()["paused_since"]
    desk.press("p", "a")
    assert not desk.queue.status()["paused_since"]


def test_a_mistaken_filter_says_why_and_can_be_corrected(desk: Desk) -> None:
    desk.press("/")
    desk.type("--stat dead")
    assert "unknown option --stat" in desk.top.message and desk.top.prompt is not None
    desk.press("Clear", *"--state deed", "Enter")
    assert "did you mean dead?" in desk.top.message and list(desk.top.filter) == []
    desk.press("Esc")
    assert desk.top.prompt is None


def test_escape_closes_one_thing_at_a_time(desk: Desk) -> None:
    desk.press("/")
    desk.type("tru")
    assert list(desk.top.filter) == ["--grep", "tru"] and len(desk.top.jobs) == 6
    desk.press("*", "w")
    assert "j0 is pending" in desk.top.pane.lines[0]
    desk.press("Esc")
    assert desk.top.pane.kind == "output" and desk.top.marks_all
    desk.press("Esc")
    assert not desk.top.marks_all and desk.top.filter
    desk.press("Esc")
    assert not desk.top.filter
    desk.press("Esc", "?", "q")
    assert not desk.session.is_over
    desk.press("q")
    assert desk.session.is_over


def test_the_list_reads_as_much_as_it_shows_and_failed_jobs_first(desk: Desk) -> None:
    desk.queue.cancel(["j5"])
    listing = Listing(desk.queue, {}, 3, True)
    while not listing.is_over:
        listing.step()
    assert [job["id"] for job in listing.jobs] == ["j5", "j0", "j1"] and listing.has_more
    named = Listing(desk.queue, {"state": ["dead"]}, 3, True)
    while not named.is_over:
        named.step()
    assert [job["id"] for job in named.jobs] == ["j5"] and not named.has_more


def test_an_older_supervisor_that_knows_no_overview_still_shows_jobs(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise InvalidInput(what="unknown request 'overview'")

    monkeypatch.setattr(desk.queue, "overview", refuse)
    desk.look()
    assert "queuectl worker restart" in desk.top.problem and not desk.session.is_stale
    assert len(desk.top.jobs) == 6


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("make -j8", ["--grep", "make -j8"]),
        ("--tag a=b --state dead,failed", ["--tag", "a=b", "--state", "dead,failed"]),
        ("--tag=a=b -s dead", ["--tag", "a=b", "-s", "dead"]),
    ],
)
def test_a_line_becomes_words_of_the_command_line(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_a_line_with_an_open_quote_is_refused() -> None:
    with pytest.raises(InvalidInput):
        words_of("--grep 'a")
