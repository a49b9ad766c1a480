"""Queue pages: no answer exceeds the size of a message, even with many or long items."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from queuectl_core.api import Queue
from queuectl_core.cli.job_export import portions
from queuectl_core.engine.engine import Engine
from queuectl_core.engine.schedules import MAX_SCHEDULES
from queuectl_core.errors import InvalidInput
from queuectl_core.model import commands
from queuectl_core.model.attempt import AttemptResult
from queuectl_core.model.job import MAX_HISTORY, MAX_REASON
from queuectl_core.model.retry_policy import MAX_RETRIES
from queuectl_core.service import handlers
from queuectl_core.storage.memory_store import MemoryStore
from queuectl_core.table.job_table import FLUSH_BYTES, READ_BYTES
from queuectl_core.transport import PART_JOBS, load_requests, parts_of
from queuectl_core.wire import protocol
from queuectl_core.wire.protocol import MAX_JOBS, jobs_at_once
from tests.builders import EVERYTHING, NOW_MS, an_engine, dispatch, enqueue, exited, finish
from tests.homes import CommandLine

ODD = "\x01"
"""A character of one byte, which takes six in JSON."""


def a_ledger(engine: Engine) -> SimpleNamespace:
    def decide(command: object, now_ms: int) -> object:
        return engine.handle(command, now_ms).reply  # type: ignore[arg-type]

    return SimpleNamespace(
        table=engine.table, engine=engine, decide=decide, shortage=lambda: None, prefetched=tuple
    )


def ask(engine: Engine, verb: str, **fields: object) -> dict[str, object]:
    """Return the answer to a request; both must fit a message."""
    protocol.encode({"v": 1, "verb": verb, **fields})
    reply = handlers.answer(a_ledger(engine), {"verb": verb, **fields}, NOW_MS)  # type: ignore[arg-type]
    protocol.encode({"ok": True, **reply})
    return reply


def pages(engine: Engine, verb: str, field: str, **fields: object) -> Iterator[list[object]]:
    cursor: object = None
    while True:
        reply = ask(engine, verb, next=cursor, **fields)
        yield reply[field]  # type: ignore[misc]
        cursor = reply["next"]
        if cursor is None:
            return


def everything(engine: Engine, verb: str, field: str, **fields: object) -> list[object]:
    return [one for page in pages(engine, verb, field, **fields) for one in page]


def longest(character: str = ODD) -> dict[str, object]:
    """Return a job with the maximum of every field."""
    size = len(character.encode())
    return {
        "command": character * (131_071 // size),
        "cwd": "/" + character * (4094 // size),
        "shell": "/" + character * (4094 // size),
        "env": {"A": character * (131_000 // size)},
        "input": character * (65_536 // size),
        "tags": {"a": character * (4000 // size)},
        "name": character * (200 // size),
        "queue": "q" * 128,
        "key": "k" * 128,
        "priority": 7,
    }


def longest_life(engine: Engine) -> None:
    """Return job `a`, which waits for the maximum of jobs and has the longest history."""
    ids = [f"{n:0128}" for n in range(100)]
    enqueue(engine, *ids)
    enqueue(engine, "a", **longest(), after=ids, max_retries=MAX_RETRIES, backoff_base=0)
    for id in ids:
        assert dispatch(engine) == id
        finish(engine, id, AttemptResult("exit", 0, None, NOW_MS, 1))
    for _ in range(MAX_HISTORY + 5):
        assert dispatch(engine) == "a"
        finish(engine, "a", AttemptResult("spawn-failed", None, None, NOW_MS, 1, detail=ODD * 20_000))


def test_longest_job_fits_every_answer() -> None:
    engine = an_engine()
    longest_life(engine)
    assert len(ask(engine, "show", id="a")["job"]["history"]) == MAX_HISTORY  # type: ignore[index]
    ask(engine, "kept", ids=["a"])
    ask(engine, "why", id="a")
    for form in ("record", "raw", "brief"):
        ask(engine, "list", state="failed", form=form)


@pytest.mark.parametrize("character", [ODD, "𝕏"])
def test_list_of_the_longest_jobs_has_each_once_in_pages_that_fit(character: str) -> None:
    engine = an_engine()
    job = longest(character)
    del job["key"]
    for n in range(9):
        enqueue(engine, f"a{n}", **job)
        enqueue(engine, *(f"b{n}.{m}" for m in range(7)), command=character * 9000)
    for form in ("record", "raw"):
        found = everything(engine, "list", "jobs", form=form)
        assert sorted(one["id"] for one in found) == sorted(f"{k}" for k in engine.table._dirty)  # type: ignore[index]


def test_list_reads_few_long_jobs_for_a_page_that_matches_none() -> None:
    engine = an_engine()
    enqueue(engine, *(f"a{n:03}" for n in range(200)), command="x" * 130_000)
    first = ask(engine, "list", name="nobody")
    assert first["jobs"] == [] and first["next"] is not None
    assert everything(engine, "list", "jobs", name="nobody") == []


def test_queues_come_in_pages_once_and_the_default_one_first() -> None:
    engine = an_engine()
    names = [f"{'q' * 120}{n:05}" for n in range(3000)]
    for start in range(0, 3000, 500):
        specs: list[object] = [{"command": "true", "queue": name} for name in names[start : start + 500]]
        engine.handle(commands.Enqueue(specs, "/"), NOW_MS)
        engine.table.flush(700, engine.sequence)
    engine.handle(commands.ChangeQueue("ruled", {"limit": 3}), NOW_MS)
    engine.handle(commands.ChangeQueue("*", {"paused": True}), NOW_MS)
    found = everything(engine, "queue-list", "queues")
    assert [one["queue"] for one in found] == ["default", *sorted([*names, "ruled"])]  # type: ignore[index]
    assert sum(one["counts"]["pending"] for one in found) == 3000  # type: ignore[index]
    assert dict(everything(engine, "queue-list", "queues", form="raw")).keys() == {"*", "ruled"}  # type: ignore[arg-type]
    assert ask(engine, "queue-list", queue=names[7])["queues"][0]["counts"]["pending"] == 1  # type: ignore[index]
    assert ask(engine, "queue-list", queue="nobody")["queues"] == ask(engine, "queue-list", queue="*")["queues"] == []
    assert len(ask(engine, "queue-list", queue="default")["queues"]) == 1  # type: ignore[arg-type]


def test_rules_of_many_queues_come_in_pages() -> None:
    engine = an_engine()
    for n in range(1200):
        engine.handle(commands.ChangeQueue(f"q{n}", {"limit": 1, "rate": [1, 60], "paused": True}), NOW_MS)
    assert dict(everything(engine, "queue-list", "queues", form="raw")) == engine.table.queues  # type: ignore[arg-type]
    assert len(everything(engine, "queue-list", "queues")) == 1201


def test_longest_schedules_come_in_pages_that_fit() -> None:
    engine = an_engine()
    job = {name: value for name, value in longest().items() if name != "cwd"}
    for n in range(12):
        wanted = {"spec": {**job, "key": f"k{n}"}, "cwd": "/" + ODD * 4094, "every": 60}
        protocol.encode({"v": 1, "verb": "schedule-set", "name": f"s{n}", "schedule": wanted})
        engine.handle(commands.SetSchedule(f"s{n}", wanted), NOW_MS)
    assert dict(everything(engine, "schedule-list", "schedules", form="raw")) == engine.table.schedules  # type: ignore[arg-type]
    found = everything(engine, "schedule-list", "schedules")
    assert [one["schedule"] for one in found] == sorted(engine.table.schedules)  # type: ignore[index]
    assert len(ask(engine, "schedule-list", name="s3")["schedules"]) == 1  # type: ignore[arg-type]
    ask(engine, "sequence")


def test_maximum_of_schedules_comes_in_pages() -> None:
    engine = an_engine()
    for n in range(MAX_SCHEDULES):
        engine.handle(commands.SetSchedule(f"s{n}", {"spec": {"command": "true"}, "cwd": "/", "every": 60}), NOW_MS)
    assert len(everything(engine, "schedule-list", "schedules")) == MAX_SCHEDULES


def test_longest_settings_fit_a_message() -> None:
    engine = an_engine()
    for key in ("on-success", "on-dead", "on-idle"):
        engine.handle(commands.ChangeSetting(key, ODD * 4096), NOW_MS)
    ask(engine, "config-list")
    ask(engine, "sequence")


@pytest.mark.parametrize("character", [ODD, "𝕏"])
def test_jobs_of_any_size_are_enqueued_in_parts_that_fit(character: str) -> None:
    longest_first = [longest(character), *({"command": "true", "env": {"A": character * 999}} for _ in range(3000))]
    mixed = [{"command": character * 2900}, longest(character)] * 30
    for jobs in (longest_first, mixed):
        requests = list(load_requests("jobs", parts_of(jobs), {"cwd": "/"}))
        for request in requests:
            protocol.encode({"v": 1, **request})
        assert [job for request in requests for job in request["jobs"]] == jobs  # type: ignore[attr-defined]
        lines = [json.dumps(job, ensure_ascii=ascii) for job in jobs for ascii in (False, True)]
        for request in load_requests("lines", parts_of(lines), {"cwd": "/"}):
            protocol.encode({"v": 1, **request})


def test_endless_jobs_are_refused_before_they_fill_the_memory() -> None:
    parts: Iterator[list[object]] = itertools.repeat(["{}"] * PART_JOBS)
    with pytest.raises(InvalidInput, match="too many jobs"):
        for _ in load_requests("lines", parts, {"cwd": "/"}):
            pass


def test_exported_jobs_of_any_size_are_imported_in_portions_that_fit() -> None:
    jobs = [longest(), {"command": "x" * 100}, longest("𝕏")] * 20
    found = list(portions(enumerate(jobs)))
    for portion in found:
        protocol.encode({"v": 1, "verb": "import", "jobs": [job for _, job in portion]})
    assert [job for portion in found for _, job in portion] == jobs


def test_imported_history_has_the_usual_maximum_length() -> None:
    engine = an_engine()
    attempt = {"attempt": 1, "run": 1, "started_ms": 1, "worker": "w", "reason": "r" * 50, "outcome": "exit"}
    job = {
        "id": "a", "command": "true", "cwd": "/", "max_retries": 1, "backoff_base": 1, "created_ms": 1,
        "state": "dead", "attempts": 1, "reason": "r" * 50_000,
        "history": [{**attempt, "run": n} for n in range(20_000)] + [{**attempt, "reason": "r" * 50_000}],
    }  # fmt: skip
    ask(engine, "import", jobs=[job])
    found = ask(engine, "show", id="a")["job"]
    assert len(found["history"]) == MAX_HISTORY and len(found["history"][-1]["reason"]) == MAX_REASON  # type: ignore[index]
    assert len(found["reason"]) == MAX_REASON  # type: ignore[index]


def test_preview_of_many_jobs_comes_in_pages() -> None:
    engine = an_engine()
    jobs = [{"command": "x" * 500, "cwd": "/" + ODD * 4000} for _ in range(150)]
    assert len(everything(engine, "preview", "jobs", jobs=jobs, cwd="/")) == 150


def test_one_change_of_many_jobs_writes_a_bounded_event_each() -> None:
    engine = an_engine()
    fields = {"command": ODD * 131_071}
    assert 1 < jobs_at_once(fields) < 100 and jobs_at_once(None) == jobs_at_once({"priority": 1}) == MAX_JOBS
    ids = [f"a{n:04}" for n in range(jobs_at_once(fields) + 1)]
    enqueue(engine, *ids)
    with pytest.raises(InvalidInput, match="at most"):
        ask(engine, "edit", ids=ids, fields=fields)
    ask(engine, "edit", ids=ids[1:], fields=fields)
    ask(engine, "cancel", ids=ids)
    with pytest.raises(InvalidInput, match="at most"):
        ask(engine, "dlq-retry", ids=ids, fields=fields)
    counts = [ask(engine, "dlq-retry", all=True, fields=fields)["count"]]
    assert counts[0] == jobs_at_once(fields)
    with pytest.raises(InvalidInput, match="at most"):
        ask(engine, "dlq-purge", ids=["a"] * (MAX_JOBS + 1))


def test_long_jobs_are_flushed_and_read_in_bounded_portions() -> None:
    store = MemoryStore()
    engine = an_engine(store)
    enqueue(engine, *(f"a{n:03}" for n in range(300)), command="x" * 130_000)
    left = engine.table.flush(250, engine.sequence)
    assert 300 - FLUSH_BYTES // 130_000 - 2 <= left < 300
    while engine.table.flush(EVERYTHING, engine.sequence):
        pass
    again = an_engine(store)
    for n in range(300):
        assert dispatch(again) == f"a{n:03}"
        assert sum(len(job.command) for job in again.table._read.values()) <= READ_BYTES


# With a supervisor and without one


@pytest.fixture(params=[True, False], ids=["supervisor", "none"])
def at_work(request: pytest.FixtureRequest, queuectl: CommandLine) -> CommandLine:
    if request.param:
        queuectl.ok("worker", "start")
    queuectl.ok("pause")
    return queuectl


def test_thousands_of_queues_are_listed(at_work: CommandLine) -> None:
    with Queue(at_work.home) as queue:
        queue.enqueue_many([{"command": "true", "queue": f"{'q' * 100}{n}"} for n in range(12_000)], "/")
        assert len(queue.queues()) == 12_001
    assert at_work.ok("queue", "list").count("\n") == 12_002
    assert len(at_work.json("list", "--limit", "600")) == 600


def test_schedules_of_megabytes_are_listed_and_backed_up(at_work: CommandLine, tmp_path: object) -> None:
    with Queue(at_work.home) as queue:
        for n in range(40):
            queue.set_schedule(f"s{n:02}", {"command": "x" * 122_880}, "/", every="1h")
    assert at_work.ok("schedule", "list").count("\n") == 41
    assert len(at_work.json("schedule", "list")) == 40
    at_work.ok("backup", f"{tmp_path}/backup.jsonl")
    with open(f"{tmp_path}/backup.jsonl", encoding="utf-8") as file:
        rest = [line["rest"] for line in map(json.loads, file) if "rest" in line]
    assert [len(one["schedules"]) for one in rest] == [40]


def test_edit_of_many_jobs_with_long_fields_works_in_parts(at_work: CommandLine) -> None:
    with Queue(at_work.home) as queue:
        queue.enqueue_many([{"command": "true"} for _ in range(200)], "/")
    assert at_work.ok("edit", "--all", "--command", "x" * 130_000, "--yes") == "changed 200 jobs\n"


@pytest.mark.parametrize("limit", [1, 3, 5000])
@pytest.mark.parametrize(
    "filter",
    [{}, {"queue": "default"}, {"queue": "q"}, {"name": "n"}, {"queue": "q", "name": "n"}, {"before": 9}, {"where": {"grep": "2"}}, {"where": {"batch": "b"}}, {"where": {"batch": "b"}, "queue": "q"}],
)  # fmt: skip
def test_a_page_of_ids_has_the_jobs_of_a_page_of_records(filter: dict[str, object], limit: int) -> None:
    engine = an_engine()
    for n in range(24):
        fields: dict[str, object] = {"queue": "q"} if n % 2 else {}
        fields.update({"name": "n"} if n % 3 else {}, **({"delay": "1h"} if n % 5 == 0 else {}))
        fields.update({"after": ["job0"]} if n == 7 else {}, **({"batch": "b"} if n % 4 else {}))
        enqueue(engine, f"job{n}", command=f"echo {n}", **fields)
    for n in range(6):
        id = dispatch(engine)
        if id is not None and n < 4:
            finish(engine, id, exited(n % 2))
    pages = {}
    for form in ("brief", "record"):
        pages[form] = list(every_page(engine, form=form, limit=limit, **filter))
    assert pages["brief"] == [job["id"] for job in pages["record"]] and pages["brief"]


def every_page(engine: Engine, **fields: object) -> Iterator[Any]:
    cursor: object = None
    while True:
        reply: Any = ask(engine, "list", next=cursor, **fields)
        yield from reply["jobs"]
        cursor = reply["next"]
        if cursor is None:
            return
