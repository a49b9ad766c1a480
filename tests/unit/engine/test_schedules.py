"""Schedules: they add jobs at their times, catch up once, and do not overlap."""

from __future__ import annotations

import datetime

import pytest

from queuectl_core.engine.engine import Engine
from queuectl_core.errors import InvalidInput, InvalidJob, UnknownSchedule
from queuectl_core.model import commands
from queuectl_core.model.job import PENDING
from queuectl_core.storage.memory_store import MemoryStore
from queuectl_core.table.job_table import JobTable
from tests.builders import NOW_MS, an_engine, enqueue, exited, run_job
from tests.homes import CommandLine, until

HOUR_MS = 3_600_000


def set_schedule(engine: Engine, name: str = "s", **wanted: object) -> None:
    fields = {"spec": {"command": "true"}, "cwd": "/", **wanted}
    engine.handle(commands.SetSchedule(name, fields), NOW_MS)


def tick(engine: Engine, now_ms: int) -> int:
    """Fire the due schedules, and return how many jobs that adds."""
    before = engine.table.counts[PENDING]
    engine.handle(commands.FireSchedules(), now_ms)
    return engine.table.counts[PENDING] - before


def test_schedule_adds_a_job_at_each_of_its_times() -> None:
    engine = an_engine()
    set_schedule(engine, every="1h")
    assert engine.schedules.next_ms() == NOW_MS + HOUR_MS
    assert tick(engine, NOW_MS + HOUR_MS - 1) == 0
    assert tick(engine, NOW_MS + HOUR_MS) == 1
    id = run_job(engine, exited(0), NOW_MS + HOUR_MS)
    assert id.startswith("s.") and engine.table.get(id).options == {"name": "s", "schedule": "s"}  # type: ignore[union-attr]
    assert engine.schedules.next_ms() == NOW_MS + 2 * HOUR_MS


def test_schedule_does_not_replace_a_job_with_its_id() -> None:
    """Otherwise an acknowledged job would be lost."""
    engine = an_engine()
    set_schedule(engine, every="1h")
    due_ms = NOW_MS + HOUR_MS
    taken = [f"s.{due_ms // 1000}.3", f"s.{due_ms // 1000}.3.2"]
    enqueue(engine, *taken)
    assert tick(engine, due_ms) == 1
    assert run_job(engine, exited(0), due_ms) == taken[0] and run_job(engine, exited(0), due_ms) == taken[1]
    assert run_job(engine, exited(0), due_ms) == f"{taken[0]}.3"


def test_missed_runs_catch_up_once_and_the_interval_stays() -> None:
    engine = an_engine()
    set_schedule(engine, every="1h")
    assert tick(engine, NOW_MS + 5 * HOUR_MS + 77) == 1
    assert engine.schedules.next_ms() == NOW_MS + 6 * HOUR_MS


@pytest.mark.parametrize("overlap, added", [(False, 0), (True, 1)])
def test_time_is_skipped_while_the_last_job_is_unfinished_unless_allowed(overlap: bool, added: int) -> None:
    engine = an_engine()
    set_schedule(engine, every="1h", overlap=overlap)
    assert tick(engine, NOW_MS + HOUR_MS) == 1
    assert tick(engine, NOW_MS + 2 * HOUR_MS) == added
    assert engine.schedules.next_ms() == NOW_MS + 3 * HOUR_MS


def test_all_schedules_due_at_once_add_jobs() -> None:
    engine = an_engine()
    for name in ("a", "b", "c"):
        set_schedule(engine, name, every="1h")
    assert tick(engine, NOW_MS + HOUR_MS) == 3


def test_pause_skips_times_without_catching_up() -> None:
    engine = an_engine()
    set_schedule(engine, every="1h")
    engine.handle(commands.PauseSchedule("s", True), NOW_MS)
    assert engine.schedules.next_ms() is None and tick(engine, NOW_MS + 3 * HOUR_MS) == 0
    engine.handle(commands.PauseSchedule("s", False), NOW_MS + 3 * HOUR_MS)
    assert engine.schedules.next_ms() == NOW_MS + 4 * HOUR_MS


def test_run_now_does_not_change_its_times() -> None:
    engine = an_engine()
    set_schedule(engine, every="1h")
    id = engine.handle(commands.RunSchedule("s"), NOW_MS).reply
    assert engine.table.get(str(id)) is not None
    assert engine.schedules.next_ms() == NOW_MS + HOUR_MS


def test_taken_key_skips_a_time() -> None:
    engine = an_engine()
    set_schedule(engine, every="1h", overlap=True, spec={"command": "true", "key": "k"})
    assert tick(engine, NOW_MS + HOUR_MS) == 1
    assert tick(engine, NOW_MS + 2 * HOUR_MS) == 0


@pytest.mark.parametrize(
    "name, wanted, refusal",
    [
        ("s", {}, InvalidInput),
        ("s", {"every": "1h", "cron": "* * * * *"}, InvalidInput),
        ("s", {"every": "0s"}, InvalidInput),
        ("s", {"cron": "* * *"}, InvalidInput),
        ("s", {"cron": "0 0 30 2 *"}, InvalidInput),
        ("a/b", {"every": "1h"}, InvalidInput),
        ("x" * 65, {"every": "1h"}, InvalidInput),
        ("s", {"every": "1h", "spec": {"command": "true", "id": "a"}}, InvalidJob),
        ("s", {"every": "1h", "spec": {"command": ""}}, InvalidJob),
    ],
)
def test_invalid_schedule_is_refused(name: str, wanted: dict[str, object], refusal: type) -> None:
    engine = an_engine()
    with pytest.raises(refusal):
        set_schedule(engine, name, **wanted)
    assert engine.table.schedules == {}


def test_unknown_schedule_is_refused() -> None:
    for command in (commands.RemoveSchedule("s"), commands.PauseSchedule("s", True), commands.RunSchedule("s")):
        with pytest.raises(UnknownSchedule):
            an_engine().handle(command, NOW_MS)


def test_schedule_runs_with_a_supervisor_and_survives_restarts(queuectl: CommandLine) -> None:
    queuectl.ok("schedule", "add", "beat", "--every", "1s", "--tag", "a=b", "--", "echo $QUEUECTL_JOB_NAME")
    queuectl.environ["TZ"] = "UTC-2"  # two hours ahead, as POSIX writes it
    printed = queuectl.ok("schedule", "add", "never", "0 0 1 1 *", "--tz", "UTC", "--", "true")
    assert printed.startswith("added schedule never; next run: 20") and printed.endswith("-01-01 02:00:00 UTC\n")
    del queuectl.environ["TZ"]
    queuectl.ok("worker", "start")
    until(lambda: queuectl.counts()["completed"] >= 2, lambda: "two jobs of the schedule")
    job = queuectl.json("list", "--state", "completed")[0]
    assert (job["schedule"], job["name"], job["tags"]) == ("beat", "beat", {"a": "b"})
    assert queuectl.ok("logs", job["id"]) == "beat\n"
    queuectl.ok("schedule", "pause", "beat")
    queuectl.ok("worker", "restart")
    (beat, never) = queuectl.json("schedule", "list")
    assert (beat["every_s"], beat["next_run_at"], never["cron"], never["zone"]) == (1, None, "0 0 1 1 *", "UTC")
    assert queuectl.ok("schedule", "run-now", "never").startswith("never.")
    queuectl.ok("schedule", "remove", "never")
    queuectl.refused(1, "schedule", "remove", "never")
    queuectl.refused(2, "schedule", "add", "x", "* *", "--", "true")
    queuectl.refused(2, "schedule", "add", "x", "@daily", "--delay", "5m", "--", "true")
    queuectl.refused(2, "schedule", "add", "x", "* * * * *", "--tz", "Nowhere/Atall", "--", "true")
    queuectl.refused(2, "schedule", "add", "x", "--every", "10m")


def test_schedule_in_a_missing_zone_is_paused_with_a_reason() -> None:
    gone = False

    def zone_of(name: str) -> datetime.tzinfo:
        if gone:
            raise InvalidInput(what=f"no zone {name}")
        return datetime.timezone.utc

    engine = Engine(JobTable(MemoryStore()), zone_of)
    set_schedule(engine, cron="* * * * *", zone="Some/Where")
    gone = True
    assert tick(engine, NOW_MS + HOUR_MS) == 0
    assert engine.table.schedules["s"]["problem"] == "no zone Some/Where" and engine.schedules.next_ms() is None


def test_changed_schedule_stays_paused_and_keeps_its_last_job() -> None:
    engine = an_engine()
    set_schedule(engine, every="1h")
    tick(engine, NOW_MS + HOUR_MS)
    engine.handle(commands.PauseSchedule("s", True), NOW_MS)
    set_schedule(engine, every="2h")
    one = engine.table.schedules["s"]
    assert one["paused_ms"] is not None and str(one["last_id"]).startswith("s.")


def test_clock_set_back_moves_interval_schedules_with_it() -> None:
    engine = an_engine()
    set_schedule(engine, every="1h")
    engine.handle(commands.ShiftClock(-24 * HOUR_MS), NOW_MS - 24 * HOUR_MS)
    assert engine.schedules.next_ms() == NOW_MS - 23 * HOUR_MS


def test_replay_handles_a_schedule_that_fired_and_was_removed() -> None:
    store = MemoryStore()
    engine = an_engine(store)
    set_schedule(engine, every="1h")
    engine.table.flush(10, engine.sequence)
    emitted = engine.handle(commands.RunSchedule("s"), NOW_MS).events
    emitted += engine.handle(commands.RemoveSchedule("s"), NOW_MS).events
    engine.table.flush(0, engine.sequence)
    again = an_engine(store)
    again.replay(emitted, again.table.position + 1)
    assert again.table.schedules == {} and again.sequence == engine.sequence
