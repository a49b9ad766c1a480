"""The overview request: what each queue does now, at a cost that no number of jobs changes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from queuectl_core.api import Queue
from queuectl_core.engine.engine import Engine
from queuectl_core.model import commands
from queuectl_core.service import handlers, overview
from queuectl_core.storage.memory_store import MemoryStore
from queuectl_core.table.job_table import JobTable
from queuectl_core.wire import protocol
from tests.builders import NOW_MS, an_engine, dispatch, enqueue, exited, finish
from tests.homes import CommandLine, until


def a_ledger(engine: Engine, lack: str | None = None, *prefetched: str) -> Any:
    facts = {"shortage": lambda: lack, "prefetched": lambda: prefetched}
    return SimpleNamespace(table=engine.table, engine=engine, **facts)


def overview_of(engine: Engine, now_ms: int = NOW_MS, lack: str | None = None) -> Any:
    reply = handlers.answer(a_ledger(engine, lack), {"verb": "overview"}, now_ms)
    protocol.encode({"ok": True, **reply})
    return reply["overview"]


def queue_of(engine: Engine, name: str = "default", now_ms: int = NOW_MS) -> Any:
    return next(queue for queue in overview_of(engine, now_ms)["queues"] if queue["queue"] == name)


def test_an_empty_home_has_the_default_queue() -> None:
    (queue,) = overview_of(an_engine())["queues"]
    assert (queue["queue"], queue["waiting"], queue["latency_ms"], queue["hold"]) == ("default", {}, 0, None)


def test_the_latency_is_the_age_of_the_oldest_job_that_could_begin() -> None:
    engine = an_engine()
    enqueue(engine, "low", priority=-3, now_ms=NOW_MS)
    enqueue(engine, "high", priority=9, now_ms=NOW_MS + 5000)
    enqueue(engine, "plain", now_ms=NOW_MS + 7000)
    assert queue_of(engine, now_ms=NOW_MS + 10_000)["latency_ms"] == 10_000
    for n in range(20):
        enqueue(engine, f"more{n}", priority=9, now_ms=NOW_MS + 9000)
    assert queue_of(engine, now_ms=NOW_MS + 10_000)["latency_ms"] == 10_000
    engine.table.flush(1000, engine.sequence)
    assert queue_of(engine, now_ms=NOW_MS + 10_000)["latency_ms"] == 10_000


def test_a_job_that_waits_for_a_time_has_a_latency_only_once_the_time_has_come() -> None:
    engine = an_engine()
    enqueue(engine, "later", delay=60)
    enqueue(engine, "blocked", after=["later"])
    queue = queue_of(engine, now_ms=NOW_MS + 59_999)
    assert (queue["waiting"], queue["latency_ms"]) == ({"after": 1, "time": 1}, 0)
    queue = queue_of(engine, now_ms=NOW_MS + 61_000)
    assert (queue["waiting"], queue["latency_ms"]) == ({"worker": 1, "after": 1}, 1000)


def test_a_retry_waits_for_its_time() -> None:
    engine = an_engine()
    enqueue(engine, "a", backoff_base=10)
    id = dispatch(engine)
    finish(engine, str(id), exited(1))
    assert queue_of(engine)["waiting"] == {"time": 1}


def test_the_longest_run_and_the_counts_leave_out_runs_that_wait_in_workers() -> None:
    engine = an_engine()
    enqueue(engine, "a", "b", "c")
    dispatch(engine, NOW_MS + 1000)
    dispatch(engine, NOW_MS + 2000)
    ledger = a_ledger(engine, None, "a")
    status = handlers.answer(ledger, {"verb": "status"}, NOW_MS + 3000)
    (queue,) = overview.of(ledger, status, NOW_MS + 3000)["queues"]  # type: ignore[misc]
    assert queue["longest_running_ms"] == 1000  # type: ignore[index]
    assert queue["counts"] == {"pending": 2, "processing": 1, "completed": 0, "failed": 0, "dead": 0}  # type: ignore[index]


def test_what_holds_a_queue_back_is_the_reason_of_its_ready_jobs() -> None:
    engine = an_engine()
    for name, rules in {"p": {"paused": True}, "l": {"limit": 1}, "r": {"rate": [1, 3600]}}.items():
        engine.handle(commands.ChangeQueue(name, rules), NOW_MS)
        enqueue(engine, f"{name}1", f"{name}2", f"{name}3", queue=name)
    while dispatch(engine) is not None:
        pass
    waiting = {queue["queue"]: queue["waiting"] for queue in overview_of(engine)["queues"]}
    assert waiting == {"default": {}, "p": {"paused": 3}, "l": {"limit": 2}, "r": {"rate": 2}}
    assert queue_of(engine, "l")["hold"] == {"because": "its queue is full", "queue": "l", "limit": 1}


def test_a_full_disk_holds_all_jobs_back() -> None:
    engine = an_engine()
    enqueue(engine, "a")
    (queue,) = overview_of(engine, lack="space")["queues"]
    assert queue["waiting"] == {"system": 1}


def test_a_job_of_many_slots_waits_for_them() -> None:
    engine = an_engine()
    enqueue(engine, "a", slots=3)
    ledger = a_ledger(engine)
    status = handlers.answer(ledger, {"verb": "status"}, NOW_MS)
    for used, reason in ((1, "slots"), (3, "worker"), (0, "worker")):
        (queue,) = overview.of(ledger, {**status, "slots": {"total": 3, "used": used}}, NOW_MS)["queues"]  # type: ignore[misc]
        assert queue["waiting"] == {reason: 1}, used  # type: ignore[index]


def test_queues_beyond_a_hundred_have_one_entry() -> None:
    engine = an_engine()
    for n in range(150):
        enqueue(engine, f"job{n}", queue=f"q{n:03}")
    enqueue(engine, "later", queue="q149", delay=60)
    enqueue(engine, "blocked", queue="q149", after=["later"])
    enqueue(engine, "shown", queue="q001", after=["later"])
    enqueue(engine, "first", queue="q149", priority=9)
    dispatch(engine, NOW_MS + 500)
    enqueue(engine, "second", queue="q149", priority=9)
    queues = overview_of(engine, NOW_MS + 2000)["queues"]
    assert len(queues) == 101
    assert (queues[-1]["latency_ms"], queues[-1]["longest_running_ms"]) == (2000, 1500)
    assert queues[-1]["queue"] == "(other)"
    assert (queues[-1]["counts"]["pending"], queues[-1]["waiting"]) == (54, {"worker": 52, "after": 1, "time": 1})


def test_the_cost_does_not_depend_on_the_number_of_jobs() -> None:
    class Counting(MemoryStore):
        looks = 0

        def get(self, key: bytes) -> bytes | None:
            self.looks += 1
            return super().get(key)

        def scan(self, *given: Any, **more: Any) -> Any:
            page = super().scan(*given, **more)
            self.looks += 1 + len(page)
            return page

    looks = []
    for count in (500, 5000):
        store = Counting()
        engine = Engine(JobTable(store))
        enqueue(engine, *(f"a{n}" for n in range(count)), priority=1)
        enqueue(engine, *(f"b{n}" for n in range(count)), delay=60)
        engine.table.flush(10**6, engine.sequence)
        store.looks = 0
        overview_of(engine)
        looks.append(store.looks)
    assert looks[0] == looks[1]


def test_it_is_the_same_with_and_without_a_supervisor(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--name", "nap", "--queue", "gpu", "--", "exec sleep 60")
    queue = Queue(queuectl.home)
    alone = queue.overview()
    assert (alone["supervisor"], alone["slots"], alone["workers"]) == (None, None, [])
    assert [each["waiting"] for each in alone["queues"]] == [{}, {"worker": 1}]
    queuectl.ok("worker", "start")
    record = until(lambda: (now := queue.overview())["workers"][0]["job"] and now, lambda: "the job to run")
    (worker,) = record["workers"]
    assert (worker["job"], worker["queue"], worker["name"], worker["command"]) == ("a", "gpu", "nap", "exec sleep 60")
    assert record["slots"] == {"total": 1, "used": 1}
    assert record["queues"][1]["counts"]["processing"] == 1
    assert set(alone) == set(record)


def test_a_queue_knows_how_long_its_latest_attempts_took_on_average() -> None:
    engine = an_engine()
    assert queue_of(engine)["mean_run_ms"] is None
    for took_ms in [100] * 50 + [1000] * 100:
        enqueue(engine, "a")
        dispatch(engine)
        finish(engine, "a", exited(0)._replace(duration_ms=took_ms))
        engine.handle(commands.Remove(["a"]), NOW_MS)
    mean_ms = queue_of(engine)["mean_run_ms"]
    assert 950 < mean_ms < 1000
    engine.table.flush(1000, engine.sequence)
    assert queue_of(an_engine(engine.table._store))["mean_run_ms"] == mean_ms
