"""Hooks: commands that follow the end of a job, as separate jobs that do no harm."""

from __future__ import annotations

import json
import os

import pytest

from queuectl_core.engine.engine import Engine
from queuectl_core.errors import DuplicateJob
from queuectl_core.model import commands
from queuectl_core.model.events import Canceled, Enqueued, Event
from queuectl_core.model.job import PENDING
from tests.builders import EVERYTHING, NOW_MS, an_engine, enqueue, exited, run_job
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


def test_canceled_jobs_and_their_dependants_start_the_hook() -> None:
    engine = an_engine()
    hook(engine, "on-dead")
    enqueue(engine, "a")
    enqueue(engine, "b", after=["a"])
    engine.handle(commands.Cancel(["a"], 15), NOW_MS)
    assert hooks_of(engine) == ["on-dead a", "on-dead b"]


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
    hook(engine, "on-dead")
    enqueue(engine, "old", key="k")
    load = engine.begin_load()
    engine.add_to_load(load, [{"id": "new", "command": "true", "key": "k", "on_conflict": "replace"}], "/", NOW_MS)
    written: list[Event] = []
    engine.commit_load(load, NOW_MS, written.extend)
    assert hooks_of(engine) == ["on-dead old"]
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
    hook(engine, "on-dead")
    enqueue(engine, "old", key="k")
    other, load = engine.begin_load(), engine.begin_load()
    engine.add_to_load(load, [{"command": "true", "key": "k", "on_conflict": "replace"}], "/", NOW_MS)
    engine.add_to_load(other, [{"id": f"old.on-dead.{n}", "command": "true"} for n in range(100, 300)], "/", NOW_MS)
    engine.commit_load(load, NOW_MS, lambda events: None)
    with pytest.raises(DuplicateJob):
        engine.commit_load(other, NOW_MS, lambda events: None)


def test_hook_after_a_load_is_journaled(queuectl: CommandLine) -> None:
    queuectl.ok("config", "set", "on-dead", "true")
    queuectl.ok("enqueue", "--id", "old", "--key", "k", "--command", "true")
    job = {"command": "true", "key": "k", "on_conflict": "replace"}
    lines = [json.dumps({**job, "id": "new"})] + [json.dumps({"command": "true"})] * 2000
    queuectl.ok("enqueue", "--file", "-", stdin="\n".join(lines).encode())
    assert queuectl.job("old")["state"] == "dead"
    assert [job["id"].split(".")[0] for job in queuectl.json("list", "--queue", "hooks")] == ["old"]
