"""Waiters: whom to answer when jobs finish, and the removal of disconnected clients."""

from __future__ import annotations

import pytest

from queuectl_core.model.events import Canceled, DeadLettered, Event, Purged, Started, Succeeded
from queuectl_core.supervisor.waiters import FIRST_LIMIT, Wait, Waits
from tests.builders import exited

ENDED = exited(0)


def some_waits() -> Waits[str]:
    return Waits(lambda client: client != "gone")


def ask(waits: Waits[str], client: str, *ids: str, whole: bool = True) -> Wait[str]:
    wait = Wait(client)
    for id in ids:
        waits.add(wait, id)
    wait.is_whole = whole
    return wait


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
    waits = some_waits()
    wait = ask(waits, "client", "a")
    assert waits.over([Started("a", 1, "w1")]) == []
    assert waits.over([event]) == [wait]
    assert wait.ended == {how: 1}
    assert waits.over([event]) == []


def test_client_gets_an_answer_once_all_its_jobs_finished() -> None:
    waits = some_waits()
    wait = ask(waits, "client", "a", "b")
    assert waits.over([Succeeded("b", 1, ENDED)]) == []
    assert waits.over([Succeeded("a", 1, ENDED), Succeeded("c", 1, ENDED)]) == [wait]
    assert wait.ended == {"completed": 2}


def test_wait_stays_open_until_all_jobs_are_named() -> None:
    waits = some_waits()
    wait = ask(waits, "client", "a", whole=False)
    assert waits.over([Succeeded("a", 1, ENDED)]) == []
    waits.add(wait, "b")
    wait.is_whole = True
    assert not wait.is_over
    assert waits.over([Succeeded("b", 1, ENDED)]) == [wait]


def test_job_named_twice_counts_once() -> None:
    waits = some_waits()
    wait = ask(waits, "client", "a", "a")
    assert waits.over([Succeeded("a", 1, ENDED)]) == [wait]
    assert wait.ended == {"completed": 1}


def test_several_clients_may_wait_for_the_same_job() -> None:
    waits = some_waits()
    both = [ask(waits, client, "a") for client in ("one", "other")]
    assert waits.over([Succeeded("a", 1, ENDED)]) == both


def test_waits_of_disconnected_clients_do_not_accumulate() -> None:
    waits = some_waits()
    for n in range(3 * FIRST_LIMIT):
        ask(waits, "gone", f"job{n}")
    wait = ask(waits, "client", "a")
    assert len(waits._by_id) <= FIRST_LIMIT + 2
    assert waits.over([Succeeded("a", 1, ENDED)]) == [wait]
