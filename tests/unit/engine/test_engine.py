"""Engine: the transition table, refusals, the next job, and a replay that gives exactly the live
state.
"""

from __future__ import annotations

import random

import pytest

from queuectl_core.engine.engine import Engine
from queuectl_core.engine.named_queue import MAX_DUE
from queuectl_core.engine.queue_state import FEW
from queuectl_core.engine.run_outcome import describe
from queuectl_core.engine.transitions import TRANSITIONS
from queuectl_core.errors import (
    Corrupt,
    DamagedSetting,
    DuplicateJob,
    InvalidJob,
    InvalidSetting,
    NotDead,
    QueueError,
    RepeatedId,
    UnknownJob,
)
from queuectl_core.model import commands, events
from queuectl_core.model.attempt import AttemptResult
from queuectl_core.model.commands import Command
from queuectl_core.model.events import Event
from queuectl_core.model.job import (
    COMPLETED,
    DEAD,
    FAILED,
    MAX_HISTORY,
    PENDING,
    PROCESSING,
    STATES,
)
from queuectl_core.storage.memory_store import MemoryStore
from queuectl_core.table.index_keys import indexes_of
from queuectl_core.table.job_table import JobTable
from tests.builders import (
    EVERYTHING,
    NOW_MS,
    an_engine,
    dispatch,
    engine_with,
    enqueue,
    exited,
    finish,
    job_of,
    lost,
    random_command,
    run_job,
    run_of,
    state_of,
)

# The transition table


OF_EVERY_KIND: list[Event] = [
    events.Started("a", NOW_MS, "w1"),
    events.OutputLocated("a", NOW_MS, "w1.0001.log", 0),
    events.Succeeded("a", NOW_MS, exited(0)),
    events.Failed("a", NOW_MS, exited(1), "exit code 1", NOW_MS + 2000),
    events.DeadLettered("a", NOW_MS, exited(1), "exit code 1"),
    events.Released("a", NOW_MS, "stopped by hand", True),
    events.Snoozed("a", NOW_MS, exited(75), "exit code 75", NOW_MS + 60_000),
    events.CancelRequested("a", NOW_MS, 15),
    events.Canceled("a", NOW_MS, "canceled by hand"),
    events.Unblocked("a", NOW_MS, "b"),
    events.MadeReady("a", NOW_MS),
    events.Edited("a", NOW_MS, {"priority": 3}),
    events.Moved("a", NOW_MS, "000000000004i"),
    events.Suspended("a", NOW_MS),
    events.Continued("a", NOW_MS),
    events.Retried("a", NOW_MS),
    events.Purged("a", NOW_MS),
]

LEADS_TO = {
    (PENDING, "Started"): PROCESSING,
    (FAILED, "Started"): PROCESSING,
    (PROCESSING, "OutputLocated"): PROCESSING,
    (PROCESSING, "Succeeded"): COMPLETED,
    (PROCESSING, "Failed"): FAILED,
    (PROCESSING, "DeadLettered"): DEAD,
    (PROCESSING, "Released"): PENDING,
    (PROCESSING, "Snoozed"): PENDING,
    (PROCESSING, "CancelRequested"): PROCESSING,
    (PENDING, "Canceled"): DEAD,
    (FAILED, "Canceled"): DEAD,
    (PROCESSING, "Canceled"): DEAD,
    (PENDING, "Unblocked"): PENDING,
    (PENDING, "MadeReady"): PENDING,
    (FAILED, "MadeReady"): PENDING,
    (PENDING, "Edited"): PENDING,
    (FAILED, "Edited"): FAILED,
    (DEAD, "Edited"): DEAD,
    (PENDING, "Moved"): PENDING,
    (PROCESSING, "Suspended"): PROCESSING,
    (PROCESSING, "Continued"): PROCESSING,
    (PENDING, "Purged"): None,
    (FAILED, "Purged"): None,
    (DEAD, "Retried"): PENDING,
    (DEAD, "Purged"): None,
    (COMPLETED, "Purged"): None,
}
"""All allowed events of a job by state; any other event is impossible."""


def test_the_table_has_every_event_of_a_job() -> None:
    assert {type(event) for event in OF_EVERY_KIND} == set(TRANSITIONS)
    about_no_job_that_exists = {events.Enqueued, events.SettingChanged, events.QueueChanged, events.ClockShifted}
    about_no_job_that_exists |= {events.ScheduleChanged, events.ScheduleFired, events.Imported}
    assert set(TRANSITIONS) | about_no_job_that_exists == set(events.EVENT_NAMES.values())


@pytest.mark.parametrize("event", OF_EVERY_KIND, ids=lambda event: type(event).__name__)
@pytest.mark.parametrize("state", STATES)
def test_job_takes_only_the_transitions_of_the_table(state: str, event: Event) -> None:
    engine = engine_with(state)
    wanted = LEADS_TO.get((state, type(event).__name__), "impossible")
    if wanted == "impossible":
        with pytest.raises(Corrupt, match=f"{type(event).__name__} for job a, which is {state}"):
            engine.replay([event], engine.sequence + 1)
        return
    engine.replay([event], engine.sequence + 1)
    job = engine.table.get("a")
    assert (None if job is None else job.state) == wanted
    delayed = {"delayed": 1} if isinstance(event, events.Snoozed) else {}
    assert engine.table.counts == {**dict.fromkeys(STATES, 0), **({} if wanted is None else {wanted: 1}), **delayed}


@pytest.mark.parametrize("event", OF_EVERY_KIND, ids=lambda event: type(event).__name__)
def test_event_of_a_missing_job_is_impossible(event: Event) -> None:
    with pytest.raises(Corrupt, match="for job a, which does not exist"):
        an_engine().replay([event], 1)


# Enqueueing


def test_enqueued_job_is_pending_with_its_fields() -> None:
    engine = an_engine()
    spec = {"id": "a", "command": "make", "max_retries": 7, "backoff_base": 1.5, "cwd": "/src"}
    step = engine.handle(commands.Enqueue([spec], "/elsewhere"), NOW_MS)
    assert step.reply == ["a"]
    job = job_of(engine, "a")
    assert (job.state, job.attempts, job.created_ms, job.updated_ms) == (PENDING, 0, NOW_MS, NOW_MS)
    assert (job.command, job.max_retries, job.backoff_base, job.cwd) == ("make", 7, 1.5, "/src")


def test_job_has_the_settings_of_its_enqueue_as_defaults() -> None:
    engine = an_engine()
    engine.handle(commands.ChangeSetting("max-retries", 9), NOW_MS)
    engine.handle(commands.Enqueue([{"command": "make"}], "/here"), NOW_MS)
    engine.handle(commands.ChangeSetting("max-retries", 1), NOW_MS)
    (id,) = state_ids(engine, PENDING)
    job = job_of(engine, id)
    assert (job.max_retries, job.backoff_base, job.cwd) == (9, 2, "/here")


def state_ids(engine: Engine, state: str) -> list[str]:
    return [id for name in indexes_of(state) for _, id in engine.table.in_order(name, EVERYTHING)]


def test_generated_ids_sort_by_time_then_by_arrival() -> None:
    engine = an_engine()
    spec = {"command": "true"}
    first = engine.handle(commands.Enqueue([spec, spec], "/"), NOW_MS).reply
    later = engine.handle(commands.Enqueue([spec], "/"), NOW_MS + 1).reply
    ids = [*first, *later]  # type: ignore[misc]
    assert ids == sorted(set(ids)) and len(ids) == 3
    assert len({len(id) for id in ids}) == 1


def new_id(now_ms: int, number: int) -> str:
    engine = an_engine()
    engine.table.next_number = number
    return engine.handle(commands.Enqueue([{"command": "true"}], "/"), now_ms).reply[0]  # type: ignore[index]


def test_generated_ids_keep_their_order_over_centuries() -> None:
    times = [0, 31, 32, NOW_MS, NOW_MS + 1, NOW_MS * 19]
    assert [new_id(at_ms, 5) for at_ms in times] == sorted(new_id(at_ms, 5) for at_ms in times)
    assert new_id(NOW_MS, 31) < new_id(NOW_MS, 32) < new_id(NOW_MS, 32**5 - 1)


def test_existing_id_is_refused_with_its_index() -> None:
    engine = engine_with(COMPLETED)
    with pytest.raises(DuplicateJob) as refusal:
        enqueue(engine, "b", "c", "a")
    assert refusal.value.fields == {"id": "a", "index": 2}


def test_repeated_id_in_one_request_is_refused() -> None:
    with pytest.raises(RepeatedId) as refusal:
        enqueue(an_engine(), "b", "c", "b")
    assert refusal.value.fields == {"id": "b", "index": 2}


def test_invalid_job_is_refused_with_its_index() -> None:
    with pytest.raises(InvalidJob) as refusal:
        an_engine().handle(commands.Enqueue([{"command": "x"}, {"command": ""}], "/"), NOW_MS)
    assert refusal.value.fields["index"] == 1


REFUSED: list[tuple[Command, type[QueueError]]] = [
    (commands.Enqueue([{"command": "x"}, {"command": ""}], "/"), InvalidJob),
    (commands.Enqueue([{"id": "n", "command": "x"}, {"id": "dead", "command": "x"}], "/"), DuplicateJob),
    (commands.Enqueue([{"id": "n", "command": "x"}, {"id": "n", "command": "x"}], "/"), RepeatedId),
    (commands.RetryDead(["dead", "nobody"]), UnknownJob),
    (commands.RetryDead(["dead", "pending"]), NotDead),
    (commands.PurgeDead(["dead", "nobody"]), UnknownJob),
    (commands.PurgeDead(["dead", "pending"]), NotDead),
    (commands.ChangeSetting("colour", 3), InvalidSetting),
    (commands.ChangeSetting("colour", None), InvalidSetting),
    (commands.ChangeSetting("max-retries", 1001), InvalidSetting),
    (commands.ChangeSetting("max-retries", "3"), InvalidSetting),
]


@pytest.mark.parametrize("command, refusal", REFUSED, ids=lambda value: getattr(value, "__name__", None))
def test_refused_command_changes_nothing(command: Command, refusal: type[QueueError]) -> None:
    engine = an_engine()
    enqueue(engine, "dead", max_retries=0)
    run_job(engine, exited(1))
    enqueue(engine, "pending")
    before, sequence = state_of(engine.table), engine.sequence
    with pytest.raises(refusal):
        engine.handle(command, NOW_MS)
    assert (state_of(engine.table), engine.sequence) == (before, sequence)
    assert dispatch(engine) == "pending" and dispatch(engine) is None


def test_damaged_setting_refuses_new_jobs_until_it_is_set_again() -> None:
    table = JobTable(MemoryStore())
    table.settings["max-retries"] = "many"
    engine = Engine(table)
    with pytest.raises(DamagedSetting):
        enqueue(engine, "a")
    engine.handle(commands.ChangeSetting("max-retries", 5), NOW_MS)
    enqueue(engine, "a")
    assert job_of(engine, "a").max_retries == 5


# Running


def test_oldest_job_runs_first_with_any_id() -> None:
    engine = an_engine()
    enqueue(engine, "z")
    enqueue(engine, "b", "c")
    enqueue(engine, "a")
    assert [dispatch(engine) for _ in range(5)] == ["z", "b", "c", "a", None]


def test_dispatched_job_is_processing_in_its_next_attempt() -> None:
    engine = engine_with(PENDING)
    step = engine.handle(commands.Dispatch("w7"), NOW_MS + 5)
    assert step.events == [events.Started("a", NOW_MS + 5, "w7")]
    job = job_of(engine, "a")
    assert step.reply is job
    assert (job.state, job.attempts, job.updated_ms) == (PROCESSING, 1, NOW_MS + 5)
    assert job.running() == {"attempt": 1, "run": 2, "worker": "w7", "started_ms": NOW_MS + 5}


@pytest.mark.parametrize("state", [PROCESSING, COMPLETED, FAILED, DEAD])
def test_nothing_is_dispatched_without_waiting_jobs(state: str) -> None:
    engine = engine_with(state)
    assert engine.handle(commands.Dispatch("w2"), NOW_MS) == ([], None)


def test_job_that_exits_with_0_is_completed() -> None:
    engine = engine_with(PROCESSING)
    assert finish(engine, "a", exited(0)) == [events.Succeeded("a", NOW_MS, exited(0))]
    job = job_of(engine, "a")
    assert (job.state, job.reason) == (COMPLETED, None)
    assert job.history[-1]["outcome"] == "exit" and job.history[-1]["exit_code"] == 0


@pytest.mark.parametrize(
    "ending",
    [
        exited(1),
        exited(127),
        AttemptResult("signal", None, 9, NOW_MS, 5),
        AttemptResult("signal", 0, 9, NOW_MS, 5),
        AttemptResult("spawn-failed", None, None, NOW_MS, 5, detail="no such folder"),
        AttemptResult("spawn-failed", 0, None, NOW_MS, 5, detail="no such folder"),
        lost(),
    ],
    ids=lambda ending: f"{ending.outcome}-{ending.exit_code}",
)
def test_any_other_result_is_a_failure(ending: AttemptResult) -> None:
    engine = engine_with(PROCESSING)
    finish(engine, "a", ending)
    job = job_of(engine, "a")
    assert job.state == FAILED
    assert job.reason == job.history[-1]["reason"] == describe(ending)


def test_failed_job_waits_powers_of_its_base_and_dies_without_retries() -> None:
    engine = an_engine()
    enqueue(engine, "a", max_retries=3, backoff_base=3)
    now_ms, waits = NOW_MS, []
    while True:
        run_job(engine, exited(1), now_ms)
        job = job_of(engine, "a")
        if job.state == DEAD:
            break
        assert job.due_ms is not None
        waits.append(job.due_ms - now_ms)
        now_ms = job.due_ms
    assert waits == [3000, 9000, 27000]
    assert (job.attempts, job.due_ms, job.reason) == (4, None, "exit code 1")
    assert [attempt["attempt"] for attempt in job.history] == [1, 2, 3, 4]


def test_late_result_keeps_its_end_and_its_wait_starts_when_it_is_recorded() -> None:
    engine = engine_with(PROCESSING)
    finish(engine, "a", exited(1)._replace(ended_ms=NOW_MS + 30), NOW_MS + 60_000)
    assert (job_of(engine, "a").updated_ms, engine.next_due_ms(0)) == (NOW_MS + 30, NOW_MS + 62_000)


def test_waits_survive_a_clock_that_restarts_at_boot() -> None:
    """A board without a battery boots in 1970 and gets the right time later, each time."""
    store = MemoryStore()
    engine = an_engine(store)
    enqueue(engine, "a", now_ms=1000, backoff_base=10)
    for boot in range(3):
        lag_ms = engine.lag_ms(1000)
        if lag_ms:
            engine.handle(commands.ShiftClock(-lag_ms), 1000)
        engine.handle(commands.ShiftClock(NOW_MS), NOW_MS + 2000)
        if boot == 0:
            run_job(engine, exited(1)._replace(ended_ms=NOW_MS + 2000), NOW_MS + 2000)
        due_ms = engine.next_due_ms(0)
        assert due_ms is not None and due_ms <= NOW_MS + 12_001, f"boot {boot}: the wait has grown"
        engine.table.flush(EVERYTHING, engine.sequence)
        engine = an_engine(store)


def test_result_from_the_future_counts_from_now() -> None:
    engine = engine_with(PROCESSING)
    finish(engine, "a", exited(1)._replace(ended_ms=NOW_MS + 3_600_000), NOW_MS)
    assert (job_of(engine, "a").updated_ms, engine.next_due_ms(0)) == (NOW_MS, NOW_MS + 2000)


def test_failed_job_is_not_dispatched_a_millisecond_too_early() -> None:
    engine = engine_with(FAILED)
    due_ms = job_of(engine, "a").due_ms
    assert due_ms == NOW_MS + 2000 == engine.next_due_ms(0)
    assert dispatch(engine, due_ms - 1) is None
    assert dispatch(engine, due_ms) == "a"
    assert engine.next_due_ms(0) is None


def test_due_job_returns_to_its_old_position() -> None:
    engine = an_engine()
    enqueue(engine, "first", backoff_base=0)
    enqueue(engine, "second", backoff_base=1)
    run_job(engine, exited(1))
    dispatch(engine)
    dispatch(engine)
    finish(engine, "first", exited(1))
    finish(engine, "second", exited(1))
    enqueue(engine, "third")
    assert [dispatch(engine, NOW_MS + 1000) for _ in range(4)] == ["first", "second", "third", None]


def test_next_due_time_is_the_earliest_of_waiting_jobs() -> None:
    engine = an_engine()
    enqueue(engine, "late", backoff_base=100)
    enqueue(engine, "soon", backoff_base=5)
    run_job(engine, exited(1))
    run_job(engine, exited(1))
    assert engine.next_due_ms(0) == NOW_MS + 5_000
    assert dispatch(engine, NOW_MS + 5_000) == "soon"
    assert engine.next_due_ms(0) == NOW_MS + 100_000


def test_job_that_kills_its_worker_three_times_is_dead() -> None:
    engine = an_engine()
    enqueue(engine, "a", max_retries=1000, backoff_base=0)
    for expected in (FAILED, FAILED, DEAD):
        run_job(engine, lost())
        assert job_of(engine, "a").state == expected
    assert job_of(engine, "a").reason == "its worker was lost 3 times"


def test_other_failures_do_not_count_as_lost_workers() -> None:
    engine = an_engine()
    enqueue(engine, "a", max_retries=1000, backoff_base=0)
    for ending in (lost(), exited(1), exited(1), lost(), exited(1)):
        run_job(engine, ending)
    assert job_of(engine, "a").state == FAILED


def test_lost_worker_counts_against_the_retries_like_any_failure() -> None:
    engine = an_engine()
    enqueue(engine, "a", max_retries=0)
    run_job(engine, lost())
    assert job_of(engine, "a").state == DEAD


def a_report(kind: str, id: str, run: int) -> Command:
    reports: dict[str, Command] = {
        "finish": commands.Finish(id, run, exited(0)),
        "release": commands.Release(id, run, "stopped by hand", True),
        "locate": commands.Locate(id, run, NOW_MS, "w1.0001.log", 0),
    }
    return reports[kind]


@pytest.mark.parametrize("kind", ["finish", "release", "locate"])
@pytest.mark.parametrize("state", [PENDING, COMPLETED, FAILED, DEAD])
def test_report_of_a_finished_run_changes_nothing(state: str, kind: str) -> None:
    engine = engine_with(state)
    before = state_of(engine.table)
    assert engine.handle(a_report(kind, "a", run_of(engine.table, "a")), NOW_MS + 9).events == []
    assert state_of(engine.table) == before


@pytest.mark.parametrize("kind", ["finish", "release", "locate"])
def test_report_of_an_earlier_run_does_not_affect_the_current_one(kind: str) -> None:
    """The earlier run may have the same worker and attempt: it was released, and the job started
    again.
    """
    engine = engine_with(PROCESSING)
    earlier = run_of(engine.table, "a")
    engine.handle(a_report("release", "a", earlier), NOW_MS)
    assert dispatch(engine) == "a"
    before = state_of(engine.table)
    assert engine.handle(a_report(kind, "a", earlier), NOW_MS).events == []
    assert engine.handle(a_report(kind, "nobody", earlier), NOW_MS).events == []
    assert state_of(engine.table) == before
    assert run_of(engine.table, "a") > earlier


def test_result_of_an_attempt_has_its_times_and_output_position() -> None:
    engine = engine_with(PROCESSING)
    finish(engine, "a", exited(3), NOW_MS + 1000)
    assert job_of(engine, "a").history == [
        {
            "attempt": 1,
            "run": 2,
            "worker": "w1",
            "started_ms": NOW_MS + 10,
            "ended_ms": NOW_MS + 30,
            "duration_ms": 20,
            "outcome": "exit",
            "exit_code": 3,
            "signal": None,
            "reason": "exit code 3",
            "log_file": "w1.0001.log",
            "log_offset": 7,
            "output_bytes": 12,
            "dropped_bytes": 0,
            "cpu_ms": None,
            "peak_bytes": None,
        }
    ]


def test_long_run_has_an_output_position_while_it_runs() -> None:
    engine = engine_with(PROCESSING)
    engine.handle(commands.Locate("a", run_of(engine.table, "a"), NOW_MS + 3, "w1.0002.log", 55), NOW_MS + 99)
    running = job_of(engine, "a").running()
    assert (running["started_ms"], running["log_file"], running["log_offset"]) == (NOW_MS + 3, "w1.0002.log", 55)
    assert job_of(engine, "a").state == PROCESSING


def test_released_attempt_does_not_count_but_stays_in_the_history() -> None:
    engine = engine_with(PROCESSING)
    engine.handle(commands.Release("a", run_of(engine.table, "a"), "stopped by hand", True), NOW_MS + 4)
    job = job_of(engine, "a")
    assert (job.state, job.attempts, job.due_ms) == (PENDING, 0, None)
    assert (job.history[-1]["outcome"], job.history[-1]["reason"]) == ("released", "stopped by hand")


def test_attempt_that_never_started_leaves_no_trace() -> None:
    engine = engine_with(PENDING)
    before = job_of(engine, "a").fields()
    dispatch(engine)
    engine.handle(commands.Release("a", run_of(engine.table, "a"), "handed back", False), NOW_MS)
    after = job_of(engine, "a").fields()
    assert {**after, "revision": None} == {**before, "revision": None}


def test_released_job_is_next_again() -> None:
    engine = an_engine()
    enqueue(engine, "a", "b", "c")
    assert (dispatch(engine), dispatch(engine)) == ("a", "b")
    engine.handle(commands.Release("a", run_of(engine.table, "a"), "stopped by hand", True), NOW_MS)
    assert [dispatch(engine) for _ in range(3)] == ["a", "c", None]


def test_released_job_keeps_all_its_attempts() -> None:
    engine = an_engine()
    enqueue(engine, "a", max_retries=1, backoff_base=0)
    for _ in range(5):
        dispatch(engine)
        engine.handle(commands.Release("a", run_of(engine.table, "a"), "stopped by hand", True), NOW_MS)
    run_job(engine, exited(1))
    assert job_of(engine, "a").state == FAILED
    run_job(engine, exited(1))
    assert job_of(engine, "a").state == DEAD


def test_history_keeps_only_the_newest_attempts() -> None:
    engine = an_engine()
    enqueue(engine, "a", max_retries=1000, backoff_base=0)
    for _ in range(MAX_HISTORY + 20):
        run_job(engine, exited(1))
    history = job_of(engine, "a").history
    assert [attempt["attempt"] for attempt in history] == list(range(21, MAX_HISTORY + 21))


# The dead letter queue, and settings


def test_retried_dead_job_has_all_its_retries() -> None:
    engine = an_engine()
    enqueue(engine, "a", max_retries=2, backoff_base=0)
    for _ in range(2):
        run_job(engine, lost())
    run_job(engine, lost())
    assert engine.handle(commands.RetryDead(["a"]), NOW_MS).reply == ["a"]
    job = job_of(engine, "a")
    assert (job.state, job.attempts, job.losses, job.reason, len(job.history)) == (PENDING, 0, 0, None, 3)
    states = []
    for _ in range(3):
        run_job(engine, lost())
        states.append(job_of(engine, "a").state)
    assert states == [FAILED, FAILED, DEAD]


@pytest.mark.parametrize("kind", [commands.RetryDead, commands.PurgeDead])
def test_dead_job_named_twice_counts_once(kind: type) -> None:
    step = engine_with(DEAD).handle(kind(["a", "a"]), NOW_MS)
    assert step.reply == ["a"] and len(step.events) == 1


def test_id_of_a_purged_job_is_free() -> None:
    engine = engine_with(DEAD)
    engine.handle(commands.PurgeDead(["a"]), NOW_MS)
    assert engine.table.get("a") is None
    enqueue(engine, "b")
    enqueue(engine, "a")
    assert (job_of(engine, "a").attempts, job_of(engine, "a").history) == (0, [])
    assert [dispatch(engine) for _ in range(3)] == ["b", "a", None]


def test_unset_setting_has_its_default_again() -> None:
    engine = an_engine()
    engine.handle(commands.ChangeSetting("max-retries", 9), NOW_MS)
    assert engine.settings["max-retries"] == 9
    engine.handle(commands.ChangeSetting("max-retries", None), NOW_MS)
    assert engine.settings["max-retries"] == 3
    assert engine.handle(commands.ChangeSetting("max-retries", None), NOW_MS).events == []


# A clock that is set


@pytest.mark.parametrize("jump_ms", [-3_600_000, 3_600_000])
@pytest.mark.parametrize("when", ["before", "while"])
def test_wait_keeps_its_length_when_the_clock_is_set(jump_ms: int, when: str) -> None:
    engine = an_engine()
    enqueue(engine, "a", backoff_base=10)
    now_ms = NOW_MS
    if when == "before":
        engine.handle(commands.ShiftClock(jump_ms), now_ms + jump_ms)
        now_ms += jump_ms
    run_job(engine, exited(1), now_ms)
    assert engine.next_due_ms(0) == now_ms + 10_000
    if when == "while":
        engine.handle(commands.ShiftClock(jump_ms), now_ms + jump_ms)
        now_ms += jump_ms
    assert engine.next_due_ms(0) == now_ms + 10_000
    assert dispatch(engine, now_ms + 9_999) is None
    assert dispatch(engine, now_ms + 10_000) == "a"


def test_due_job_is_not_lost_when_the_clock_goes_back_a_little() -> None:
    """The supervisor does not treat a step of less than a second as a jump, so the engine does not
    learn of it.
    """
    engine = an_engine()
    enqueue(engine, "a", "b", backoff_base=1)
    run_job(engine, exited(1))
    run_job(engine, exited(1))
    assert dispatch(engine, NOW_MS + 1000) == "a"
    assert dispatch(engine, NOW_MS + 999) is None
    assert engine.next_due_ms(0) == NOW_MS + 1000
    assert dispatch(engine, NOW_MS + 1000) == "b"


def test_shifts_of_the_clock_add_up() -> None:
    engine = an_engine()
    enqueue(engine, "a", backoff_base=10)
    run_job(engine, exited(1))
    engine.handle(commands.ShiftClock(5_000), NOW_MS)
    step = engine.handle(commands.ShiftClock(-2_000), NOW_MS)
    assert step.events == [events.ClockShifted(3_000, NOW_MS)]
    assert engine.next_due_ms(0) == NOW_MS + 13_000


# More jobs than the windows hold


def test_more_waiting_jobs_than_a_window_holds_run_in_order_once() -> None:
    engine = an_engine()
    count = 2 * MAX_DUE + 100
    enqueue(engine, *(f"job{n}" for n in range(count)))
    engine.table.flush(count // 2, engine.sequence)
    assert [dispatch(engine) for _ in range(count + 1)] == [*(f"job{n}" for n in range(count)), None]


def test_more_failed_jobs_than_a_window_holds_run_again_once() -> None:
    engine = an_engine()
    count = MAX_DUE + 300
    enqueue(engine, *(f"job{n}" for n in range(count)), backoff_base=1)
    ending = exited(1)
    for _ in range(count):
        run_job(engine, ending)
    assert dispatch(engine, NOW_MS + 999) is None
    again = [dispatch(engine, NOW_MS + 1000) for _ in range(count)]
    assert dispatch(engine, NOW_MS + 1000) is None
    assert sorted(map(str, again)) == sorted(f"job{n}" for n in range(count))


# Replay


def test_replay_skips_events_that_the_table_includes() -> None:
    engine = an_engine()
    emitted = enqueue(engine, "a", "b")
    engine.replay(emitted, 1)
    assert engine.sequence == 2 and engine.table.counts[PENDING] == 2


def test_events_have_consecutive_sequences() -> None:
    engine = an_engine()
    enqueue(engine, "a", "b")
    assert engine.sequence == 2
    dispatch(engine)
    assert (engine.sequence, job_of(engine, "a").revision, job_of(engine, "b").revision) == (3, 3, 2)


class Life:
    """A random life of an engine: all its events, and the store after each partial flush."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(seed)
        self.store = MemoryStore()
        self.engine = an_engine(self.store)
        self.events: list[Event] = []
        self.images: list[dict[bytes, bytes]] = []
        self.now_ms = NOW_MS

    def step(self) -> None:
        self.now_ms += self.source.choice([0, 1, 500, 3000])
        command = random_command(self.source, self.engine.table, self.now_ms)
        if isinstance(command, commands.ShiftClock):
            self.now_ms += command.jump_ms
        try:
            self.events += self.engine.handle(command, self.now_ms).events
        except QueueError:
            pass
        if self.source.random() < 0.2:
            self.engine.table.flush(self.source.randint(0, 5), self.engine.sequence)
            self.images.append(dict(self.store.pairs))

    def recovered(self, image: dict[bytes, bytes]) -> Engine:
        """Return a new engine over that store, after a replay of the journal behind its position."""
        store = MemoryStore()
        store.pairs.update(image)
        engine = an_engine(store)
        position = engine.table.position
        engine.replay(self.events[position:], position + 1)
        return engine


def order_of_dispatch(engine: Engine, now_ms: int) -> list[str]:
    order = []
    while (id := dispatch(engine, now_ms)) is not None:
        order.append(id)
    return order


def test_replay_from_the_start_or_any_flush_gives_the_live_state() -> None:
    for seed in range(20):
        life = Life(seed)
        for _ in range(150):
            life.step()
        live = state_of(life.engine.table)
        in_order = order_of_dispatch(life.engine, life.now_ms + 10_000)
        for n, image in enumerate([{}, *life.images]):
            engine = life.recovered(image)
            assert state_of(engine.table) == live, f"seed {seed}, flush {n}"
            assert engine.sequence == len(life.events), f"seed {seed}, flush {n}"
            assert order_of_dispatch(engine, life.now_ms + 10_000) == in_order, f"seed {seed}, flush {n}"


def test_life_continues_unchanged_after_any_number_of_recoveries() -> None:
    for seed in range(1000, 1030):
        life = Life(seed)
        for step in range(150):
            life.step()
            if life.source.random() < 0.05:
                engine = life.recovered(life.store.pairs)
                assert state_of(engine.table) == state_of(life.engine.table), f"seed {seed}, step {step}"
                life.engine, life.store = engine, engine.table._store  # type: ignore[assignment]
        assert state_of(life.recovered({}).table) == state_of(life.engine.table), f"seed {seed}"


def test_random_lives_cover_every_event_and_state() -> None:
    seen: set[type] = set()
    states: set[str] = set()
    for seed in range(60):
        life = Life(seed)
        for _ in range(150):
            life.step()
        seen.update(map(type, life.events))
        states.update(state for state, count in life.engine.table.counts.items() if count)
    assert seen == set(events.EVENT_NAMES.values())
    assert set(STATES) <= states


# Why an attempt counts as failed


@pytest.mark.parametrize(
    "ending, text",
    [
        (AttemptResult("exit", 1, None, 0, 0), "exit code 1"),
        (AttemptResult("exit", 127, None, 0, 0), "command not found (exit code 127)"),
        (AttemptResult("exit", 126, None, 0, 0), "not executable (exit code 126)"),
        (AttemptResult("exit", 137, None, 0, 0), "exit code 137 (SIGKILL)"),
        (AttemptResult("exit", 255, None, 0, 0), "exit code 255"),
        (AttemptResult("exit", 128, None, 0, 0), "exit code 128"),
        (AttemptResult("signal", None, 15, 0, 0), "killed by SIGTERM"),
        (AttemptResult("signal", None, 250, 0, 0), "killed by signal 250"),
        (AttemptResult("spawn-failed", None, None, 0, 0, detail="cannot enter its folder"), "cannot enter its folder"),
    ],
)
def test_failure_has_a_readable_description(ending: AttemptResult, text: str) -> None:
    assert describe(ending) == text


def test_table_of_a_recovered_engine_can_be_flushed_at_once() -> None:
    life = Life(7)
    for _ in range(150):
        life.step()
    engine = life.recovered(life.images[-1])
    engine.table.flush(EVERYTHING, engine.sequence)
    again = JobTable(engine.table._store)
    assert state_of(again) == state_of(engine.table)
    assert again.position == len(life.events)


# Loads: many jobs in parts


def specs(*ids: str) -> list[object]:
    return [{"id": id, "command": "true"} for id in ids]


def test_load_counts_only_after_its_commit() -> None:
    engine = an_engine()
    load = engine.begin_load()
    engine.add_to_load(load, specs("a", "b"), "/", NOW_MS)
    assert engine.table.counts[PENDING] == 0 and engine.table.get("a") is None
    engine.commit_load(load, NOW_MS, lambda follows: None)
    assert [dispatch(engine), dispatch(engine), dispatch(engine)] == ["a", "b", None]


def test_ended_load_leaves_only_unused_numbers() -> None:
    engine = an_engine()
    load = engine.begin_load()
    engine.add_to_load(load, specs("a"), "/", NOW_MS)
    engine.end_load(load)
    enqueue(engine, "a")
    assert (job_of(engine, "a").number, engine.table.counts[PENDING]) == (2, 1)


def test_repeated_or_existing_id_in_a_load_is_refused_with_its_index() -> None:
    engine = an_engine()
    enqueue(engine, "there")
    for repeated, refusal in (("a", RepeatedId), ("there", DuplicateJob)):
        load = engine.begin_load()
        engine.add_to_load(load, specs("a", "b"), "/", NOW_MS)
        with pytest.raises(refusal) as caught:
            engine.add_to_load(load, specs("c", repeated), "/", NOW_MS)
        assert caught.value.fields["index"] == 3
        engine.end_load(load)


@pytest.mark.parametrize("by_load", [False, True])
def test_id_taken_meanwhile_refuses_the_load(by_load: bool) -> None:
    engine = an_engine()
    load = engine.begin_load()
    engine.add_to_load(load, specs("a", "b"), "/", NOW_MS)
    if by_load:
        other = engine.begin_load()
        engine.add_to_load(other, specs("b"), "/", NOW_MS)
        engine.commit_load(other, NOW_MS, lambda follows: None)
    else:
        enqueue(engine, "b")
    with pytest.raises(DuplicateJob):
        engine.commit_load(load, NOW_MS, lambda follows: None)
    assert engine.table.counts[PENDING] == 1


def test_jobs_of_loads_and_single_jobs_run_in_order_of_arrival() -> None:
    engine = an_engine()
    load = engine.begin_load()
    engine.add_to_load(load, specs("a"), "/", NOW_MS)
    enqueue(engine, "b")
    engine.add_to_load(load, specs(*(f"c{n}" for n in range(3000))), "/", NOW_MS)
    enqueue(engine, "d")
    engine.commit_load(load, NOW_MS, lambda follows: None)
    for _ in range(2):
        engine.table.flush(700, engine.sequence)
    assert [dispatch(engine) for _ in range(3003)] == ["a", "b", *(f"c{n}" for n in range(3000)), "d"]


def test_load_committed_after_later_jobs_runs_before_them() -> None:
    engine = an_engine()
    load = engine.begin_load()
    engine.add_to_load(load, specs(*(f"load{n}" for n in range(FEW + 1))), "/", NOW_MS)
    enqueue(engine, "later0", "later1")
    assert dispatch(engine) == "later0"
    engine.commit_load(load, NOW_MS, lambda follows: None)
    assert [dispatch(engine) for _ in range(FEW + 2)] == [*(f"load{n}" for n in range(FEW + 1)), "later1"]
