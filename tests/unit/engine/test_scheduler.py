"""Scheduler: the next job by priority and age, among queues with limits, rates and pauses."""

from __future__ import annotations

import random

import pytest

from queuectl_core.engine.engine import Engine
from queuectl_core.engine.index_window import FIRST_SIZE
from queuectl_core.engine.queue_state import FEW
from queuectl_core.engine.scheduler import IDLE_QUEUES, Scheduler
from queuectl_core.errors import InvalidInput, QueueError
from queuectl_core.model import commands
from queuectl_core.model.job import FAILED, PENDING, PROCESSING, Job
from queuectl_core.storage.memory_store import MemoryStore
from queuectl_core.table.index_keys import indexes_of
from tests.builders import (
    EVERYTHING,
    NOW_MS,
    an_engine,
    dispatch,
    enqueue,
    exited,
    finish,
    job_of,
    random_command,
    run_job,
)


def order(engine: Engine, now_ms: int = NOW_MS) -> list[str]:
    found = []
    while (id := dispatch(engine, now_ms)) is not None:
        found.append(id)
    return found


def rule(engine: Engine, queue: str, **fields: object) -> None:
    engine.handle(commands.ChangeQueue(queue, fields), NOW_MS)


def test_higher_priority_runs_first_and_the_older_of_equals() -> None:
    engine = an_engine()
    enqueue(engine, "low", priority=-1)
    enqueue(engine, "a")
    enqueue(engine, "high", priority=7)
    enqueue(engine, "b")
    enqueue(engine, "higher", priority=999)
    enqueue(engine, "high2", priority=7)
    enqueue(engine, "lowest", priority=-999)
    assert order(engine) == ["higher", "high", "high2", "a", "b", "low", "lowest"]


@pytest.mark.parametrize("flushed", [0, 100, 10_000])
def test_order_holds_for_many_jobs_in_memory_and_store(flushed: int) -> None:
    engine = an_engine()
    enqueue(engine, *(f"low{n:04}" for n in range(FEW + 200)), priority=-5)
    enqueue(engine, *(f"high{n:04}" for n in range(FEW + 200)), priority=5)
    enqueue(engine, *(f"none{n:04}" for n in range(FEW + 200)))
    if flushed:
        engine.table.flush(flushed, engine.sequence)
    ids = order(engine)
    assert ids == [f"{kind}{n:04}" for kind in ("high", "none", "low") for n in range(FEW + 200)]


def test_priority_counts_across_queues() -> None:
    engine = an_engine()
    enqueue(engine, "a", queue="gpu")
    enqueue(engine, "b")
    enqueue(engine, "c", queue="mail", priority=1)
    assert order(engine) == ["c", "a", "b"]


def test_failed_job_keeps_its_rank_when_it_is_due() -> None:
    engine = an_engine()
    enqueue(engine, "a", priority=1, backoff_base=1)
    run_job(engine, exited(1))
    enqueue(engine, "b", "c")
    assert dispatch(engine, NOW_MS + 1000) == "a"


def test_limit_of_a_queue_bounds_its_running_jobs() -> None:
    engine = an_engine()
    rule(engine, "gpu", limit=2)
    enqueue(engine, "a", "b", "c", queue="gpu")
    enqueue(engine, "d")
    assert order(engine) == ["a", "b", "d"]
    finish(engine, "a", exited(0))
    assert order(engine) == ["c"]


def test_limit_of_the_default_queue_counts_only_its_jobs() -> None:
    engine = an_engine()
    rule(engine, "default", limit=1)
    enqueue(engine, "x", queue="gpu")
    enqueue(engine, "a", "b")
    assert order(engine) == ["x", "a"]
    finish(engine, "x", exited(0))
    assert order(engine) == []
    finish(engine, "a", exited(0))
    assert order(engine) == ["b"]


def test_limit_counts_jobs_that_ran_before_a_restart() -> None:
    store = MemoryStore()
    engine = an_engine(store)
    rule(engine, "gpu", limit=1)
    enqueue(engine, "a", "b", queue="gpu")
    assert order(engine) == ["a"]
    engine.table.flush(EVERYTHING, engine.sequence)
    again = an_engine(store)
    assert order(again) == []
    finish(again, "a", exited(0))
    assert order(again) == ["b"]


def test_paused_queue_is_skipped_until_it_is_resumed() -> None:
    engine = an_engine()
    rule(engine, "gpu", paused=True)
    enqueue(engine, "a", queue="gpu", priority=9)
    enqueue(engine, "b")
    assert order(engine) == ["b"]
    rule(engine, "gpu", paused=False)
    assert order(engine) == ["a"]


def test_pause_of_all_queues_keeps_the_pauses_of_single_queues() -> None:
    engine = an_engine()
    enqueue(engine, "a", queue="gpu")
    enqueue(engine, "b")
    rule(engine, "gpu", paused=True)
    rule(engine, "*", paused=True)
    assert order(engine) == []
    rule(engine, "*", paused=False)
    assert order(engine) == ["b"]


def test_rate_spreads_starts_and_gives_the_next_due_time() -> None:
    engine = an_engine()
    rule(engine, "mail", rate=[10, 60])
    enqueue(engine, "a", "b", "c", queue="mail")
    assert order(engine) == ["a"]
    assert engine.next_due_ms(NOW_MS) == NOW_MS + 6000
    assert order(engine, NOW_MS + 5999) == []
    assert order(engine, NOW_MS + 6000) == ["b"]


@pytest.mark.parametrize("flushed", [0, 1, EVERYTHING])
def test_rate_survives_a_restart_and_counts_each_start_once(flushed: int) -> None:
    store = MemoryStore()
    engine = an_engine(store)
    steps = [engine.handle(commands.ChangeQueue("mail", {"rate": [1, s]}), NOW_MS) for s in (60, 3600)]
    emitted = [event for step in steps for event in step.events]
    emitted += enqueue(engine, "a", "b", queue="mail")
    emitted += engine.handle(commands.Dispatch("w1"), NOW_MS).events
    engine.table.flush(flushed, engine.sequence)
    again = an_engine(store)
    again.replay(emitted[again.table.position :], again.table.position + 1)
    assert order(again, NOW_MS + 3_599_999) == []
    assert again.next_due_ms(NOW_MS) == NOW_MS + 3_600_000
    assert order(again, NOW_MS + 3_600_000) == ["b"]


def test_paused_and_full_queues_have_no_due_time() -> None:
    engine = an_engine()
    rule(engine, "gpu", limit=1)
    enqueue(engine, "runs", queue="gpu")
    assert order(engine) == ["runs"]
    enqueue(engine, "a", queue="gpu", delay=5)
    assert engine.next_due_ms(NOW_MS) is None
    finish(engine, "runs", exited(0))
    assert engine.next_due_ms(NOW_MS) == NOW_MS + 5000
    rule(engine, "gpu", paused=True)
    assert engine.next_due_ms(NOW_MS) is None


def test_delayed_job_is_pending_and_runs_at_its_time() -> None:
    engine = an_engine()
    enqueue(engine, "later", delay="2h")
    enqueue(engine, "now")
    assert order(engine) == ["now"]
    assert engine.next_due_ms(NOW_MS) == NOW_MS + 7_200_000
    assert dispatch(engine, NOW_MS + 7_199_999) is None
    assert dispatch(engine, NOW_MS + 7_200_000) == "later"
    assert job_of(engine, "later").due_ms is None


def test_job_with_slots_waits_for_idle_workers_and_is_not_overtaken() -> None:
    engine = an_engine()
    enqueue(engine, "wide", slots=3)
    enqueue(engine, "narrow")
    assert engine.handle(commands.Dispatch("w1", room=2, workers=4), NOW_MS).reply is None
    assert engine.handle(commands.Dispatch("w1", room=3, workers=4), NOW_MS).reply.id == "wide"  # type: ignore[attr-defined]


def test_job_with_more_slots_than_workers_takes_all_workers() -> None:
    engine = an_engine()
    enqueue(engine, "wide", slots=100)
    assert engine.handle(commands.Dispatch("w1", room=1, workers=2), NOW_MS).reply is None
    assert engine.handle(commands.Dispatch("w1", room=2, workers=2), NOW_MS).reply is not None


@pytest.mark.parametrize(
    "queue, fields",
    [("gpu", {"limit": 0}), ("gpu", {"limit": True}), ("gpu", {"rate": [1]}), ("gpu", {"rate": [0, 5]}),
     ("gpu", {"colour": 1}), ("*", {"limit": 1}), ("a/b", {"limit": 1})],
)  # fmt: skip
def test_invalid_rule_is_refused(queue: str, fields: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        rule(an_engine(), queue, **fields)


def test_unchanged_rule_is_no_event() -> None:
    engine = an_engine()
    rule(engine, "gpu", limit=2)
    assert engine.handle(commands.ChangeQueue("gpu", {"limit": 2}), NOW_MS).events == []


def test_changed_rate_applies_at_once() -> None:
    engine = an_engine()
    rule(engine, "mail", rate=[1, 3600])
    enqueue(engine, "a", "b", queue="mail")
    assert order(engine) == ["a"]
    rule(engine, "mail", rate=None)
    assert order(engine) == ["b"]


def test_rate_ignores_clock_jumps() -> None:
    engine = an_engine()
    rule(engine, "mail", rate=[1, 1])
    enqueue(engine, "a", "b", queue="mail")
    assert order(engine) == ["a"]
    engine.handle(commands.ShiftClock(-86_400_000), NOW_MS - 86_400_000)
    assert engine.next_due_ms(NOW_MS - 86_400_000) == NOW_MS - 86_400_000 + 1000


def test_rate_with_fractional_milliseconds_is_due_when_a_job_may_start() -> None:
    engine = an_engine()
    rule(engine, "mail", rate=[7, 60])
    enqueue(engine, "a", "b", queue="mail")
    assert order(engine) == ["a"]
    due_ms = engine.next_due_ms(NOW_MS)
    assert due_ms is not None and order(engine, due_ms) == ["b"]


def test_time_zero_is_a_time() -> None:
    engine = an_engine()
    enqueue(engine, "a", at="1970-01-01T00:00:00Z")
    engine.table.flush(10, engine.sequence)
    assert order(engine) == ["a"]


def may_begin(engine: Engine, job: Job, now_ms: int) -> bool:
    """Return whether only other jobs keep a job from running, by a check of everything."""
    rules = engine.table.queues.get(job.queue, {})
    running = [engine.table.get(id) for _, id in engine.table.scan(PROCESSING, EVERYTHING)]
    of_queue = sum(other is not None and other.queue == job.queue for other in running)
    is_due = job.due_ms is None or job.due_ms + engine.table.clock_shift_ms <= now_ms
    is_held = engine.scheduler.held_until_ms(now_ms) is not None or rules.get("paused_ms") is not None
    return is_due and not job.blockers and not is_held and of_queue < rules.get("limit", EVERYTHING)  # type: ignore[operator]


def waiting(engine: Engine) -> list[Job]:
    ids = [id for state in (PENDING, FAILED) for name in indexes_of(state) for _, id in engine.table.in_order(name, EVERYTHING)]  # fmt: skip
    return [job_of(engine, id) for id in ids]


def test_choice_equals_a_check_of_every_job_in_random_runs() -> None:
    for seed in range(60):
        source = random.Random(seed)
        engine, now_ms = an_engine(), NOW_MS
        for step in range(150):
            label = f"seed {seed}, step {step}"
            now_ms += source.choice([0, 1, 500, 3000, -1])
            command = random_command(source, engine.table, now_ms)
            if isinstance(command, commands.ShiftClock):
                now_ms += command.jump_ms
            if isinstance(command, commands.Dispatch):
                fit = [job for job in waiting(engine) if may_begin(engine, job, now_ms)]
                expected = min((job.rank, job.id) for job in fit)[1] if fit else None
                assert dispatch(engine, now_ms) == expected, label
                continue
            try:
                engine.handle(command, now_ms)
            except QueueError:
                pass
            if source.random() < 0.2:
                engine.table.flush(source.randint(0, 5), engine.sequence)
            if source.random() < 0.1:
                check_next_due(engine, now_ms, label)


def check_next_due(engine: Engine, now_ms: int, label: str) -> None:
    """Check the next due time at a moment when no job can start, as for the supervisor."""
    while dispatch(engine, now_ms) is not None:
        pass
    shift_ms = engine.table.clock_shift_ms
    late = [(job, job.due_ms + shift_ms) for job in waiting(engine) if job.due_ms is not None]
    fit = [at_ms for job, at_ms in late if at_ms > now_ms and may_begin(engine, job, at_ms)]
    assert engine.next_due_ms(now_ms) == min(fit, default=None), label


@pytest.mark.parametrize("names", [3, IDLE_QUEUES + 200])
def test_queue_without_jobs_and_rules_is_removed(names: int) -> None:
    engine = an_engine()
    for n in range(names):
        enqueue(engine, f"a{n}", queue=f"q{n}")
        run_job(engine, exited(0))
        engine.handle(commands.Remove([f"a{n}"], False), NOW_MS)
    assert dispatch(engine) is None
    engine.table.flush(EVERYTHING, engine.sequence)
    assert len(engine.scheduler._queues) <= IDLE_QUEUES + 2
    assert engine.table.queue_names() == ["default"]
    assert {name for name, number in engine.table.counts.items() if number} == set()
    enqueue(engine, "b", queue="q1")
    assert dispatch(engine) == "b"


def test_choice_reads_few_of_many_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = an_engine()
    for n in range(0, 2000, 100):
        specs: list[object] = [{"command": "true", "queue": f"q{n + m}", "priority": -1} for m in range(100)]
        engine.handle(commands.Enqueue(specs, "/"), NOW_MS)
    enqueue(engine, *(f"a{n}" for n in range(20)))
    assert dispatch(engine) == "a0"
    looked_at = []
    look_at = Scheduler._look_at
    monkeypatch.setattr(Scheduler, "_look_at", lambda self, queue, at: looked_at.append(queue.name) or look_at(self, queue, at))
    for n in range(1, 20):
        assert dispatch(engine) == f"a{n}"
        assert engine.next_due_ms(NOW_MS) is None
        finish(engine, f"a{n}", exited(0))
    assert set(looked_at) == {"default"} and len(looked_at) < 60


def test_windows_of_many_queues_hold_few_jobs_each() -> None:
    engine = an_engine()
    for n in range(50):
        enqueue(engine, *(f"q{n}.{m:03}" for m in range(60)), queue=f"q{n}")
    assert dispatch(engine) == "q0.000"
    held = [len(engine.scheduler.queue(f"q{n}").ready._heap) for n in range(50)]
    assert max(held) <= 2 * FIRST_SIZE
    assert order(engine) == [f"q{n}.{m:03}" for n in range(50) for m in range(60)][1:]


def test_job_due_between_a_choice_and_the_next_due_time_is_not_missed() -> None:
    engine = an_engine()
    enqueue(engine, "a", delay=1)
    assert dispatch(engine) is None
    assert engine.next_due_ms(NOW_MS + 1500) == NOW_MS + 1000


def test_rate_that_allows_a_job_after_a_choice_is_not_missed() -> None:
    engine = an_engine()
    rule(engine, "mail", rate=[1, 1])
    enqueue(engine, "a", "b", queue="mail")
    assert order(engine) == ["a"]
    assert engine.next_due_ms(NOW_MS + 1500) == NOW_MS + 1000
