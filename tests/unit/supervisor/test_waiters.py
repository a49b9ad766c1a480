"""Waiters: whom to answer when jobs finish, and the removal of disconnected clients."""

from __future__ import annotations

from typing import Any

import pytest

from queuectl_core.errors import InvalidInput, UnknownJob
from queuectl_core.model.events import Canceled, DeadLettered, Event, Failed, Purged, Released, Started, Succeeded
from queuectl_core.supervisor import waiters
from queuectl_core.supervisor.waiters import Waits
from tests.builders import exited

ENDED = exited(0)


class Table:
    """Jobs that are all pending, except those whose names say something else."""

    def state_of(self, id: str) -> str | None:
        return {"completed": "completed", "unknown": None}.get(id, "pending")


class RunningTable(Table):
    """Jobs that all run, except those whose names say something else."""

    def state_of(self, id: str) -> str | None:
        return "pending" if id == "pending" else "processing"


TABLE: Any = Table()
RUNNING: Any = RunningTable()


def ask(waits: Waits, client: str, *ids: str, more: bool = False) -> dict[str, object] | None:
    return waits.ask(client, {"ids": list(ids), "more": more}, TABLE)


def over(waits: Waits, *happened: Event) -> list[tuple[str, dict[str, int]]]:
    return [(wait.client, wait.ended) for wait in waits.finish(happened)]


@pytest.mark.parametrize(
    "event, how",
    [
        (Succeeded("a", 1, ENDED), "completed"),
        (DeadLettered("a", 1, ENDED, "why"), "dead"),
        (Canceled("a", 1, "by hand"), "dead"),
        (Purged("a", 1), "purged"),
    ],
)
def test_client_gets_the_result_of_its_job(event: Event, how: str) -> None:
    waits = Waits()
    assert ask(waits, "client", "a") is None
    assert over(waits, Started("a", 1, "w1")) == []
    assert over(waits, event) == [("client", {how: 1})]
    assert over(waits, event) == [] and len(waits) == 0


def test_client_gets_an_answer_once_all_its_jobs_finished() -> None:
    waits = Waits()
    ask(waits, "client", "a", "b")
    assert over(waits, Succeeded("b", 1, ENDED)) == []
    assert over(waits, Succeeded("a", 1, ENDED), Succeeded("c", 1, ENDED)) == [("client", {"completed": 2})]


def test_wait_stays_open_until_all_jobs_are_named() -> None:
    waits = Waits()
    assert ask(waits, "client", "a", more=True) == {}
    assert over(waits, Succeeded("a", 1, ENDED)) == []
    assert ask(waits, "client", "b") is None
    assert over(waits, Succeeded("b", 1, ENDED)) == [("client", {"completed": 2})]


def test_wait_for_jobs_that_have_ended_is_over_at_once() -> None:
    waits = Waits()
    assert ask(waits, "client", "completed") == {"ended": {"completed": 1}}
    assert len(waits) == 0


def test_job_named_twice_counts_once() -> None:
    waits = Waits()
    ask(waits, "client", "a", "a")
    assert over(waits, Succeeded("a", 1, ENDED)) == [("client", {"completed": 1})]


def test_several_clients_may_wait_for_the_same_job() -> None:
    waits = Waits()
    for client in ("one", "other"):
        ask(waits, client, "a")
    assert [client for client, _ in over(waits, Succeeded("a", 1, ENDED))] == ["one", "other"]


def test_unknown_job_ends_the_whole_wait() -> None:
    waits = Waits()
    ask(waits, "client", "a", more=True)
    with pytest.raises(UnknownJob):
        ask(waits, "client", "b", "unknown")
    assert len(waits) == 0 and waits._by_id == {}


def test_waits_of_disconnected_clients_do_not_accumulate() -> None:
    waits = Waits()
    ask(waits, "client", "a", "b")
    for n in range(3000):
        ask(waits, "gone", f"job{n}", "a")
        waits.forget("gone")
    assert {id: len(waiting) for id, waiting in waits._by_id.items()} == {"a": 1, "b": 1}
    assert over(waits, *(Succeeded(id, 1, ENDED) for id in "ab")) == [("client", {"completed": 2})]


def test_number_of_jobs_to_wait_for_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiters, "MAX_ENTRIES", 100)
    waits = Waits()
    for n in range(101):
        assert not waits.is_full
        ask(waits, "client", f"job{n}", more=True)
    assert waits.is_full
    waits.forget("client")
    assert not waits.is_full and waits._by_id == {}


def ask_next(waits: Waits, client: str, seen: int) -> dict[str, object] | None:
    return waits.ask_next(client, {"seen": seen})


def test_client_can_ask_for_the_next_end_again_and_again() -> None:
    waits = Waits()
    ask(waits, "client", "a", "b", "completed", more=True)
    assert ask_next(waits, "client", -1) == {
        "ended": {"completed": 1}, "open": 2, "first": ["completed", "completed"], "first_failure": None,
    }  # fmt: skip
    assert ask_next(waits, "client", 1) is None
    [wait] = waits.finish([Succeeded("a", 1, ENDED), DeadLettered("b", 1, ENDED, "why")])
    assert wait.reply()["ended"] == {"completed": 2, "dead": 1} and wait.reply()["first_failure"] == ["b", "dead"]


def test_an_end_between_two_questions_is_told_at_the_next_one() -> None:
    waits = Waits()
    ask(waits, "client", "a", "b", more=True)
    assert ask_next(waits, "client", 0) is None
    assert len(waits.finish([Succeeded("a", 1, ENDED)])) == 1
    assert waits.finish([Canceled("b", 1, "by hand")]) == []
    reply = ask_next(waits, "client", 1)
    assert reply is not None and reply["open"] == 0
    assert len(waits) == 0 and waits._by_id == {}


def test_a_wait_must_name_jobs_first() -> None:
    waits = Waits()
    with pytest.raises(InvalidInput):
        ask_next(waits, "client", 0)


@pytest.mark.parametrize("event", [Failed("a", 1, ENDED, "why", 5), Released("a", 1, "why", True, ENDED)])
def test_a_wait_for_runs_ends_when_the_job_waits_again(event: Event) -> None:
    waits = Waits()
    ask(waits, "job", "a")
    waits.ask("run", {"ids": ["a", "pending"], "more": True, "runs": True}, RUNNING)
    assert ask_next(waits, "run", 1) is None
    [wait] = waits.finish([event])
    assert (wait.client, wait.reply()["open"]) == ("run", 0)
    assert [wait.client for wait in waits.finish([Succeeded("a", 2, ENDED)])] == ["job"]
    assert len(waits) == 0 and waits._by_id == {}
