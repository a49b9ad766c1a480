"""Waits: who is to be answered when jobs have ended, and that those who have gone are forgotten."""

from __future__ import annotations

import pytest

from queuectl_core.events import Died, Event, Purged, Started, Succeeded
from queuectl_core.waits import FIRST_LIMIT, Waits
from tests.builders import exited

ENDED = exited(0)


def some_waits() -> Waits[str]:
    return Waits(lambda client: client != "gone")


@pytest.mark.parametrize("event", [Succeeded("a", 1, ENDED), Died("a", 1, ENDED, "why"), Purged("a", 1)])
def test_client_hears_when_its_job_has_ended(event: Event) -> None:
    waits = some_waits()
    waits.add("client", {"a"})
    assert waits.over([Started("a", 1, "w1")]) == []
    assert waits.over([event]) == ["client"]
    assert waits.over([event]) == []


def test_client_hears_once_all_its_jobs_have_ended() -> None:
    waits = some_waits()
    waits.add("client", {"a", "b"})
    assert waits.over([Succeeded("b", 1, ENDED)]) == []
    assert waits.over([Succeeded("a", 1, ENDED), Succeeded("c", 1, ENDED)]) == ["client"]


def test_several_clients_may_wait_for_the_same_job() -> None:
    waits = some_waits()
    for client in ("one", "other"):
        waits.add(client, {"a"})
    assert waits.over([Succeeded("a", 1, ENDED)]) == ["one", "other"]


def test_waits_of_clients_that_have_gone_do_not_pile_up() -> None:
    waits = some_waits()
    for n in range(3 * FIRST_LIMIT):
        waits.add("gone", {f"job{n}"})
    waits.add("client", {"a"})
    assert len(waits._by_id) <= FIRST_LIMIT + 2
    assert waits.over([Succeeded("a", 1, ENDED)]) == ["client"]
