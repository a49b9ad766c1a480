"""Job filters: what each condition of `where` matches, and what is refused."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

import pytest

from queuectl_core.errors import InvalidInput
from queuectl_core.model.job import Job
from queuectl_core.model.records import State
from queuectl_core.service.job_filter import MAX_TEXT, Filter
from queuectl_core.service.queries import listing
from tests.builders import NOW_MS, an_engine, enqueue, exited, run_job


def a_job(id: str = "web-1", state: State = "dead", **more: Any) -> Job:
    history: Any = [{"exit_code": 1}, {"exit_code": 3}]
    job = Job(id, 1, "make -C /src all", "/", 3, 2, NOW_MS, state, updated_ms=NOW_MS + 5000, history=history)
    job.reason, job.options = "exit code 3", more
    return job


@pytest.mark.parametrize(
    "where, is_match",
    [
        ({"id": "web-*"}, True),
        ({"id": "web-?"}, True),
        ({"id": "[vw]eb-[0-9]"}, True),
        ({"id": "web"}, False),
        ({"id": "WEB-*"}, False),
        ({"name": "night*"}, True),
        ({"name": "day*"}, False),
        ({"name": "nightly [a]"}, True),
        ({"grep": "-C /src"}, True),
        ({"grep": "make*"}, False),
        ({"reason": "code 3"}, True),
        ({"reason": "timed out"}, False),
        ({"exit_code": [3, 4]}, True),
        ({"exit_code": [1]}, False),
        ({"ended_since_ms": NOW_MS + 5000}, True),
        ({"ended_since_ms": NOW_MS + 5001}, False),
        ({"id": "web-*", "grep": "make", "exit_code": [3]}, True),
        ({"id": "web-*", "grep": "cmake"}, False),
    ],
)
def test_conditions_select_jobs(where: dict[str, object], is_match: bool) -> None:
    assert Filter({"where": where}).takes(a_job(name="nightly [a]")) == is_match


def test_conditions_of_unfinished_and_nameless_jobs() -> None:
    job = Job("a", 1, "true", "/", 3, 2, NOW_MS)
    wheres: list[object] = [{"ended_since_ms": 0}, {"exit_code": [0]}, {"reason": "e"}, {"name": "*"}]
    assert [Filter({"where": where}).takes(job) for where in wheres] == [False] * 4
    assert not Filter({"where": {"ended_since_ms": 0}}).takes(a_job(state="failed"))


@pytest.mark.parametrize(
    "where",
    [
        {"colour": "red"},
        {"id": 1},
        {"id": "a" * (MAX_TEXT + 1)},
        {"id": ""},
        {"grep": None},
        {"grep": ""},
        {"reason": ""},
        {"exit_code": 3},
        {"exit_code": []},
        {"ended_since_ms": "now"},
        {"ended_since_ms": True},
        ["id"],
    ],
)
def test_conditions_that_are_unknown_or_not_valid_are_refused(where: object) -> None:
    with pytest.raises(InvalidInput):
        Filter({"where": where})


def test_a_pattern_with_a_reversed_range_matches_nothing() -> None:
    with contextlib.suppress(InvalidInput):  # Python 3.9 has no form for it
        assert not Filter({"where": {"id": "[z-a]*"}}).takes(a_job())


def test_a_pattern_with_many_stars_takes_no_time() -> None:
    assert not Filter({"where": {"id": "*a" * 400 + "b"}}).takes(a_job("a" * 128))


@pytest.mark.parametrize("oldest_first", [False, True])
def test_jobs_that_ended_before_are_not_read(oldest_first: bool) -> None:
    engine = an_engine()
    enqueue(engine, *(f"a{n}" for n in range(8)), "waits", max_retries=0)
    for n in range(8):
        run_job(engine, exited(n % 2), NOW_MS + n)
    read: list[str] = []
    get = engine.table.get

    def noted(id: str) -> Job | None:
        read.append(id)
        return get(id)

    engine.table.get = noted  # type: ignore[method-assign]
    where = {"ended_since_ms": NOW_MS + 6}
    request: Any = {"where": where, "form": "brief", "oldest_first": oldest_first}
    reply = listing(SimpleNamespace(table=engine.table, prefetched=tuple), request, NOW_MS)  # type: ignore[arg-type]
    assert sorted(reply["jobs"]) == ["a6", "a7"] == sorted(set(read))  # type: ignore[call-overload]
    assert (reply["next"], reply["where"]) == (None, ["ended_since_ms"])


def test_a_small_page_reads_many_entries_at_once_behind_jobs_that_do_not_match() -> None:
    engine = an_engine()
    enqueue(engine, *(f"a{n:03}" for n in range(900)), "b1", "b2", "b3")
    scans: list[int] = []
    in_order = engine.table.in_order

    def noted(index: str, limit: int, *more: Any) -> Any:
        scans.append(limit)
        return in_order(index, limit, *more)

    engine.table.in_order = noted  # type: ignore[method-assign]
    request: Any = {"where": {"id": "b*"}, "form": "brief", "limit": 2, "state": "pending"}
    ledger: Any = SimpleNamespace(table=engine.table, prefetched=tuple)
    reply: Any = listing(ledger, request, NOW_MS)
    assert reply["jobs"] == ["b1", "b2"] and len(scans) <= 4
    reply = listing(ledger, {**request, "next": reply["next"]}, NOW_MS)
    assert (reply["jobs"], reply["next"]) == (["b3"], None)
