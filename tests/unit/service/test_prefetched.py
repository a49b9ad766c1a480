"""A job whose run waits in a worker does not run yet, so every answer says that it is pending."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from queuectl_core.errors import QueueError
from queuectl_core.home import Home
from queuectl_core.model import commands
from queuectl_core.service.handlers import answer
from queuectl_core.service.ledger import Ledger
from tests.builders import NOW_MS


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Yield a ledger with a running job, two prefetched ones, and a pending one, all of one batch."""
    home = Home(str(tmp_path / "home"))
    home.prepare()
    opened = Ledger(home)
    fields = {"command": "true", "queue": "q", "batch": "b"}
    specs: list[object] = [{"id": id, **fields} for id in ("runs", "early", "next", "waits")]
    opened.decide(commands.Enqueue(specs, "/"), NOW_MS)
    for _ in range(3):
        opened.decide(commands.Dispatch("w1"), NOW_MS)
    opened.find_prefetched = lambda: {"early", "next"}
    yield opened
    opened.close()


def ask(ledger: Ledger, verb: str, **fields: object) -> dict[str, Any]:
    return answer(ledger, {"verb": verb, **fields}, NOW_MS)


def listed(ledger: Ledger, **fields: object) -> list[tuple[str, str]]:
    return [(job["id"], job["state"]) for job in ask(ledger, "list", **fields)["jobs"]]


PENDING = [("early", "pending"), ("next", "pending"), ("waits", "pending")]


@pytest.mark.parametrize("where", [{}, {"queue": "q"}, {"where": {"batch": "b"}}])
def test_a_list_shows_it_as_pending(ledger: Ledger, where: dict[str, object]) -> None:
    assert listed(ledger, **where) == [("runs", "processing"), *PENDING]
    assert listed(ledger, state="pending", **where) == PENDING
    assert listed(ledger, state=["processing"], **where) == [("runs", "processing")]
    assert ask(ledger, "list", form="brief", state="pending", **where)["jobs"] == ["early", "next", "waits"]
    assert ask(ledger, "list", form="brief", state="processing", **where)["jobs"] == ["runs"]


def test_a_list_of_pending_jobs_continues_behind_it(ledger: Ledger) -> None:
    first = ask(ledger, "list", state="pending", limit=1)
    rest = ask(ledger, "list", state="pending", next=first["next"])
    assert [job["id"] for job in first["jobs"] + rest["jobs"]] == ["early", "next", "waits"]


def test_its_record_has_no_attempt(ledger: Ledger) -> None:
    job = ask(ledger, "show", id="early")["job"]
    assert (job["state"], job["worker"], job["attempts"], job["history"]) == ("pending", None, 0, [])
    assert ask(ledger, "show", id="runs")["job"]["attempts"] == 1


def test_it_waits_for_a_worker(ledger: Ledger) -> None:
    why = ask(ledger, "why", id="early")["why"]
    assert (why["state"], why["because"], why["ahead"]) == ("pending", "waits for a worker", 0)
    assert ask(ledger, "why", id="runs")["why"]["because"] == "runs"


def test_all_counts_agree(ledger: Ledger) -> None:
    queue = ask(ledger, "queue-list", queue="q")["queues"][0]
    batch = ask(ledger, "batch", name="b")["batch"]
    for counts in (ask(ledger, "status")["counts"], queue["counts"], batch["counts"]):
        assert (counts["pending"], counts["processing"]) == (3, 1)


def test_a_change_of_pending_jobs_finds_it(ledger: Ledger) -> None:
    assert ask(ledger, "cancel", ids=["early", "runs"], states=["pending"], lenient=True)["ids"] == ["early"]


@pytest.mark.parametrize(
    "request_fields",
    [
        {"verb": "edit", "fields": {"priority": 3}},
        {"verb": "remove"},
        {"verb": "retry"},
        {"verb": "dlq-retry"},
        {"verb": "dlq-purge"},
        {"verb": "move", "id": "early", "to": "front"},
        {"verb": "switch", "id": "early", "other": "waits"},
    ],
)
def test_no_refusal_says_that_it_runs(ledger: Ledger, request_fields: dict[str, Any]) -> None:
    with pytest.raises(QueueError, match="^job early is already handed to a worker"):
        answer(ledger, {"ids": ["early"], **request_fields}, NOW_MS)
    with pytest.raises(QueueError, match="^job runs is processing"):
        answer(ledger, {"ids": ["runs"], **request_fields, "id": "runs"}, NOW_MS)


def test_once_it_runs_it_is_processing(ledger: Ledger) -> None:
    ledger.find_prefetched = lambda: {"next"}
    assert listed(ledger, state="processing") == [("runs", "processing"), ("early", "processing")]
