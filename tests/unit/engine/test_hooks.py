"""Hooks: commands that follow the end of a job, as separate jobs that do no harm."""

from __future__ import annotations

import json
import os

import pytest

from queuectl_core.engine.engine import Engine
from queuectl_core.errors import DuplicateJob, InvalidJob
from queuectl_core.model import commands, events
from queuectl_core.model.events import Canceled, Enqueued, Event
from queuectl_core.model.job import PENDING, Job
from queuectl_core.model.job_spec import HOOKS
from tests.builders import (
    EVERYTHING,
    NOW_MS,
    an_engine,
    dispatch,
    enqueue,
    exited,
    finish,
    job_of,
    run_job,
    state_of,
)
from tests.homes import CommandLine


def hook(engine: Engine, name: str, command: str = "notify") -> None:
    engine.handle(commands.ChangeSetting(name, command), NOW_MS)


def hooks_of(engine: Engine) -> list[str]:
    """Return the jobs in the queue of hooks: which hook, for which job."""
    jobs = [engine.table.get(id) for _, id in engine.table.scan("ready@hooks", EVERYTHING)]
    return [
        f"{json.loads(str(job.options['input']))['hook']} {job.id.split('.')[0]}" for job in jobs if job is not None
    ]


def test_each_result_starts_its_hook_with_the_record_on_stdin() -> None:
    engine = an_engine()
    hook(engine, "on-success")
    hook(engine, "on-dead")
    enqueue(engine, "good", "bad", max_retries=0)
    run_job(engine, exited(0))
    run_job(engine, exited(1))
    assert hooks_of(engine) == ["on-success good", "on-dead bad"]
    (first, _) = engine.table.scan("ready@hooks", 2)
    record = json.loads(str(engine.table.get(first[1]).options["input"]))  # type: ignore[union-attr]
    assert (record["id"], record["state"], record["history"][0]["exit_code"]) == ("good", "completed", 0)


def test_hooks_start_no_hooks_and_do_not_count_as_work() -> None:
    engine = an_engine()
    hook(engine, "on-success")
    hook(engine, "on-idle")
    enqueue(engine, "a", "b")
    run_job(engine, exited(0))
    assert hooks_of(engine) == ["on-success a"]
    run_job(engine, exited(0))
    assert hooks_of(engine) == ["on-success a", "on-success b", "on-idle b"]
    for _ in range(3):
        run_job(engine, exited(0))
    assert hooks_of(engine) == [] and engine.table.counts[PENDING] == 0


def all_hooks(engine: Engine) -> None:
    for name in HOOKS:
        hook(engine, name)


def test_canceled_jobs_and_their_dependants_only_end() -> None:
    engine = an_engine()
    all_hooks(engine)
    enqueue(engine, "a")
    enqueue(engine, "b", after=["a"])
    engine.handle(commands.Cancel(["a"], 15), NOW_MS)
    assert hooks_of(engine) == ["on-end a", "on-end b"]
    enqueue(engine, "c", priority=9)
    assert dispatch(engine) == "c"
    engine.handle(commands.Cancel(["c"], 15), NOW_MS)
    finish(engine, "c", exited(143))
    assert hooks_of(engine)[2:] == ["on-end c"]


def test_each_failed_attempt_and_each_death_start_their_hooks() -> None:
    engine = an_engine()
    all_hooks(engine)
    enqueue(engine, "a", max_retries=1, backoff_base=0, priority=9)
    enqueue(engine, "b", after=["a"])
    run_job(engine, exited(1))
    assert hooks_of(engine) == ["on-failure a"]
    run_job(engine, exited(1))
    assert hooks_of(engine)[1:] == ["on-failure a", "on-dead a", "on-end a", "on-dead b", "on-end b"]


def test_job_behind_a_dead_one_starts_its_hooks() -> None:
    engine = an_engine()
    enqueue(engine, "a", max_retries=0)
    run_job(engine, exited(1))
    enqueue(engine, "b", after=["a"], on_dead="mine", on_success="never")
    assert hooks_of(engine) == ["on-dead b"]


def test_own_hook_runs_beside_the_configured_one() -> None:
    engine = an_engine()
    hook(engine, "on-success", "ours")
    enqueue(engine, "a", "b", on_success="mine", on_dead="never")
    enqueue(engine, "plain")
    for _ in range(3):
        run_job(engine, exited(0))
    ids = [id for _, id in engine.table.scan("ready@hooks", EVERYTHING)]
    assert [job_of(engine, id).command for id in ids] == ["mine", "ours", "mine", "ours", "ours"]


def test_hooks_of_a_hook_never_run() -> None:
    engine = an_engine()
    enqueue(engine, "a", queue="hooks", on_success="again", on_end="again")
    run_job(engine, exited(0))
    assert hooks_of(engine) == []


def test_hook_knows_the_end_of_its_job() -> None:
    engine = an_engine()
    enqueue(engine, "a", on_failure="tell", on_end="tell")
    run_job(engine, exited(7))
    engine.handle(commands.Cancel(["a"], 15), NOW_MS)
    ran, canceled = (job_of(engine, id).options for _, id in engine.table.scan("ready@hooks", EVERYTHING))
    output = {"log_file": "w1.0001.log", "log_offset": 7, "output_bytes": 12}
    known = {"job_id": "a", "attempt": 1, "exit_code": 7, **output, "batch": None, "completed": 0, "dead": 0}
    assert ran["hook"] == {**known, "state": "failed", "reason": "exit code 7"}
    assert canceled["hook"] == {**known, "state": "dead", "reason": "canceled by hand"}
    assert str(ran["input"]).endswith("}\n") and json.loads(ran["input"])["hook"] == "on-failure"


def ends_of_batches(engine: Engine) -> list[tuple[object, ...]]:
    """Return what the hooks of batches tell: the command, the batch, and its counts."""
    jobs = [job_of(engine, id) for _, id in engine.table.scan("ready@hooks", EVERYTHING)]
    hooks = [(job.command, job.options["hook"]) for job in jobs if job.options.get("name") == "on-batch-end"]
    return [(command, hook["batch"], hook["completed"], hook["dead"]) for command, hook in hooks]


def test_hook_of_a_batch_runs_once_when_its_last_job_has_ended() -> None:
    engine = an_engine()
    enqueue(engine, "other", batch="other", on_batch_end="never", delay=60)
    enqueue(engine, "a", "b", "c", batch="night", on_batch_end="tell", max_retries=0)
    run_job(engine, exited(0))
    run_job(engine, exited(1))
    assert ends_of_batches(engine) == []
    run_job(engine, exited(0))
    assert ends_of_batches(engine) == [("tell", "night", 2, 1)]
    ((_, id),) = engine.table.scan("ready@hooks", EVERYTHING)
    record = json.loads(job_of(engine, id).options["input"])
    assert (record["id"], record["hook"], record["batch_counts"]) == ("c", "on-batch-end", {"completed": 2, "dead": 1})


def test_hook_of_a_batch_runs_once_when_several_jobs_end_together() -> None:
    engine = an_engine()
    hook(engine, "on-batch-end", "ours")
    enqueue(engine, "a", batch="night", on_batch_end="tell")
    enqueue(engine, "b", "c", batch="night", after=["a"])
    engine.handle(commands.Cancel(["a"], 15), NOW_MS)
    assert ends_of_batches(engine) == [("tell", "night", 0, 3), ("ours", "night", 0, 3)]
    engine.handle(commands.RetryDead(["a"]), NOW_MS)
    run_job(engine, exited(0))
    assert ends_of_batches(engine)[2:] == [("tell", "night", 1, 2), ("ours", "night", 1, 2)]


def test_ends_of_many_batches_need_few_looks_at_each_job(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, looks = an_engine(), 0
    ids = [f"j{n}" for n in range(100)]
    specs: list[object] = [{"id": id, "command": "true", "batch": id, "on_batch_end": "tell"} for id in ids]
    engine.handle(commands.Enqueue(specs, "/"), NOW_MS)
    get = engine.table.get

    def counted(id: str) -> Job | None:
        nonlocal looks
        looks += 1
        return get(id)

    monkeypatch.setattr(engine.table, "get", counted)
    engine.handle(commands.Cancel(ids, 15), NOW_MS, lambda events: None)
    assert len(ends_of_batches(engine)) == 100
    assert looks < 20 * len(ids)


@pytest.mark.parametrize("is_load", [True, False])
def test_hook_of_a_batch_runs_when_all_its_jobs_die_at_once(is_load: bool) -> None:
    engine = an_engine()
    enqueue(engine, "dead", max_retries=0)
    run_job(engine, exited(1))
    job = {"command": "true", "batch": "night", "on_batch_end": "tell"}
    specs: list[object] = [{**job, "id": "a", "after": ["dead"]}, {**job, "id": "b", "after": ["a"]}]
    for more in ([], [{**job, "id": "c", "priority": 9}]):
        if is_load:
            load = engine.begin_load()
            engine.add_to_load(load, [*specs, *more], "/", NOW_MS)
            engine.commit_load(load, NOW_MS, lambda events: None)
        else:
            engine.handle(commands.Enqueue([*specs, *more], "/"), NOW_MS)
        assert ends_of_batches(engine) == [("tell", "night", 0, 2)]
        specs = []
    run_job(engine, exited(0))
    assert ends_of_batches(engine)[1:] == [("tell", "night", 1, 2)]


def test_hooks_of_a_schedule_follow_its_jobs() -> None:
    engine = an_engine()
    spec = {"command": "true", "on_dead": "tell"}
    engine.handle(commands.SetSchedule("beat", {"every": 60, "spec": spec, "cwd": "/"}), NOW_MS)
    engine.handle(commands.RunSchedule("beat"), NOW_MS)
    ((_, id),) = engine.table.scan("ready", EVERYTHING)
    assert job_of(engine, id).options["on_dead"] == "tell"


def test_hooks_are_replayed_and_imported() -> None:
    engine, again = an_engine(), an_engine()
    happened = [*enqueue(engine, "a", on_end="tell"), *engine.handle(commands.Dispatch("w1"), NOW_MS).events]
    happened += finish(engine, "a", exited(0))
    again.replay(events.decode(events.encode(happened)), 1)
    assert state_of(again.table) == state_of(engine.table)
    ((_, id),) = engine.table.scan("ready@hooks", EVERYTHING)
    exported = job_of(engine, id).fields()
    other = an_engine()
    other.handle(commands.Import([exported], False), NOW_MS)
    assert job_of(other, id).options == job_of(engine, id).options
    for damaged in ({}, "a", {**exported["options"]["hook"], "log_offset": None}):
        with pytest.raises(InvalidJob):
            bad = {**exported, "id": "bad", "options": {**exported["options"], "hook": damaged}}
            other.handle(commands.Import([bad], False), NOW_MS)


def test_failing_hook_does_no_harm(queuectl: CommandLine) -> None:
    path = os.path.join(os.path.dirname(queuectl.home), "told")
    queuectl.ok("config", "set", "on-success", f"cat > {path}; exit 1")
    queuectl.ok("config", "set", "max-retries", "0")
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    queuectl.until_done(completed=1, dead=1)
    with open(path) as file:
        assert json.load(file)["id"] == "a"
    assert queuectl.job("a")["state"] == "completed"
    queuectl.ok("config", "unset", "on-success")


def test_jobs_replaced_by_a_load_start_the_hook() -> None:
    engine = an_engine()
    hook(engine, "on-end")
    enqueue(engine, "old", key="k")
    load = engine.begin_load()
    engine.add_to_load(load, [{"id": "new", "command": "true", "key": "k", "on_conflict": "replace"}], "/", NOW_MS)
    written: list[Event] = []
    engine.commit_load(load, NOW_MS, written.extend)
    assert hooks_of(engine) == ["on-end old"]
    assert [type(event) for event in written] == [Canceled, Enqueued]
    ((_, hook_id),) = engine.table.scan("ready@hooks", 2)
    record = json.loads(str(engine.table.get(hook_id).options["input"]))  # type: ignore[union-attr]
    assert (record["id"], record["state"], record["reason"]) == ("old", "dead", "replaced")


def test_jobs_of_a_load_that_die_with_a_dependency_start_the_hook() -> None:
    engine = an_engine()
    enqueue(engine, "a", max_retries=0)
    load = engine.begin_load()
    engine.add_to_load(load, [{"id": "b", "command": "true", "after": ["a"]}], "/", NOW_MS)
    engine.add_to_load(load, [{"id": "c", "command": "true"}], "/", NOW_MS)
    run_job(engine, exited(1))
    hook(engine, "on-dead")
    hook(engine, "on-idle")
    engine.commit_load(load, NOW_MS, lambda events: None)
    assert hooks_of(engine) == ["on-dead b"]


def test_hook_starts_despite_ids_that_users_chose() -> None:
    engine = an_engine()
    hook(engine, "on-success")
    enqueue(engine, "a")
    enqueue(engine, "a.on-success.3")
    run_job(engine, exited(0))
    assert hooks_of(engine) == ["on-success a"]


def test_id_taken_by_a_hook_refuses_a_load() -> None:
    engine = an_engine()
    hook(engine, "on-end")
    enqueue(engine, "old", key="k")
    other, load = engine.begin_load(), engine.begin_load()
    engine.add_to_load(load, [{"command": "true", "key": "k", "on_conflict": "replace"}], "/", NOW_MS)
    engine.add_to_load(other, [{"id": f"old.on-end.{n}", "command": "true"} for n in range(100, 300)], "/", NOW_MS)
    engine.commit_load(load, NOW_MS, lambda events: None)
    with pytest.raises(DuplicateJob):
        engine.commit_load(other, NOW_MS, lambda events: None)


def test_hook_after_a_load_is_journaled(queuectl: CommandLine) -> None:
    queuectl.ok("config", "set", "on-end", "true")
    queuectl.ok("enqueue", "--id", "old", "--key", "k", "--command", "true")
    job = {"command": "true", "key": "k", "on_conflict": "replace"}
    lines = [json.dumps({**job, "id": "new"})] + [json.dumps({"command": "true"})] * 2000
    queuectl.ok("enqueue", "--file", "-", stdin="\n".join(lines).encode())
    assert queuectl.job("old")["state"] == "dead"
    assert [job["id"].split(".")[0] for job in queuectl.json("list", "--queue", "hooks")] == ["old"]
