"""Queue rules: pauses that end, defaults of jobs, limits of load and memory, and the removal of a queue."""

from __future__ import annotations

import json
import math

import pytest

from queuectl_core.engine.engine import Engine
from queuectl_core.errors import InvalidInput, NothingToDo
from queuectl_core.model import commands
from queuectl_core.model.events import decode, encode
from queuectl_core.model.job_spec import OPTIONS, QUEUE_DEFAULTS
from queuectl_core.table.job_table import JobTable
from tests.builders import EVERYTHING, NOW_MS, an_engine, dispatch, enqueue, exited, finish, job_of, state_of


def rule(engine: Engine, name: str, now_ms: int = NOW_MS, **fields: object) -> list[object]:
    return list(engine.handle(commands.ChangeQueue(name, fields), now_ms).events)


def setting(engine: Engine, key: str, value: object) -> None:
    engine.handle(commands.ChangeSetting(key, value), NOW_MS)


# Pauses


@pytest.mark.parametrize("name", ["gpu", "*", "default"])
def test_pause_ends_at_its_time_without_an_event(name: str) -> None:
    engine = an_engine()
    enqueue(engine, "a", queue="default" if name == "default" else "gpu")
    rule(engine, name, paused=True, pause_for="2h")
    assert dispatch(engine) is None
    assert engine.next_due_ms(NOW_MS) == NOW_MS + 7_200_000
    assert dispatch(engine, NOW_MS + 7_199_999) is None
    assert dispatch(engine, NOW_MS + 7_200_000) == "a"


def test_pause_of_all_without_waiting_jobs_wakes_nobody() -> None:
    engine = an_engine()
    rule(engine, "*", paused=True, pause_for=60)
    assert engine.next_due_ms(NOW_MS) is None
    enqueue(engine, "a", delay=100)
    enqueue(engine, "b", delay=10)
    assert dispatch(engine) is None
    assert engine.next_due_ms(NOW_MS) == NOW_MS + 10_000, "then the look finds the pause"
    assert dispatch(engine, NOW_MS + 10_000) is None
    assert engine.next_due_ms(NOW_MS + 10_000) == NOW_MS + 60_000
    assert dispatch(engine, NOW_MS + 60_000) == "b"


def test_pause_of_a_queue_without_waiting_jobs_wakes_nobody() -> None:
    engine = an_engine()
    rule(engine, "gpu", paused=True, pause_for=60)
    assert dispatch(engine) is None
    assert engine.next_due_ms(NOW_MS) is None
    enqueue(engine, "a", queue="gpu", delay=10)
    assert engine.next_due_ms(NOW_MS) == NOW_MS + 60_000
    assert dispatch(engine, NOW_MS + 60_000) == "a"


def test_pause_keeps_its_length_when_the_clock_is_set_and_survives_a_restart() -> None:
    engine = an_engine()
    enqueue(engine, "a", queue="gpu")
    rule(engine, "gpu", paused=True, pause_for=60)
    engine.handle(commands.ShiftClock(3_600_000), NOW_MS + 3_600_000)
    now_ms = NOW_MS + 3_600_000
    assert dispatch(engine, now_ms + 59_999) is None
    engine.table.flush(EVERYTHING, engine.sequence)
    again = Engine(JobTable(engine.table._store))
    assert again.next_due_ms(now_ms) == now_ms + 60_000
    assert dispatch(again, now_ms + 60_000) == "a"


def test_pause_keeps_its_beginning_and_its_reason_until_it_ends() -> None:
    engine = an_engine()
    rule(engine, "gpu", paused=True, pause_reason="new driver", pause_for=60)
    rule(engine, "gpu", NOW_MS + 5000, paused=True)
    assert engine.table.queues["gpu"] == {"paused_ms": NOW_MS, "pause_reason": "new driver"}, "it has no end any more"
    rule(engine, "gpu", NOW_MS + 5000, paused=True, pause_for=1)
    rule(engine, "gpu", NOW_MS + 9000, paused=True)
    assert engine.table.queues["gpu"] == {"paused_ms": NOW_MS + 9000}, "the earlier pause was over"
    rule(engine, "gpu", paused=False)
    assert "gpu" not in engine.table.queues


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"pause_for": 60}, "need a pause"),
        ({"paused": False, "pause_reason": "x"}, "need a pause"),
        ({"paused": True, "pause_for": "soon"}, "must be seconds"),
        ({"paused": True, "pause_for": 0}, "must be from 1"),
        ({"paused": True, "pause_reason": "x" * 201}, "maximum is 200"),
        ({"limit_load": "high"}, "limit_load must be a number"),
        ({"min_free_mem": "4X"}, "must be a size"),
        ({"defaults": {"priority": 3}}, "no default for 'priority'"),
        ({"defaults": {"timeout": "soon"}}, "timeout: must be seconds"),
        ({"defaults": [1]}, "must be an object"),
        ({"unheard_of": 1}, "a queue has only"),
    ],
)
def test_invalid_rules_are_refused(fields: dict[str, object], words: str) -> None:
    engine = an_engine()
    with pytest.raises(InvalidInput, match=words):
        rule(engine, "gpu", **fields)
    assert not engine.table.queues


def test_all_queues_have_only_a_pause() -> None:
    engine = an_engine()
    for fields in ({"limit": 1}, {"defaults": {"nice": 1}}, {"limit_load": 1}):
        with pytest.raises(InvalidInput, match="a queue has only paused"):
            rule(engine, "*", **fields)


# Load and memory


@pytest.mark.parametrize(
    "rules, load, memory, starts",
    [
        ({"limit_load": 2}, 2.0, 0, True),
        ({"limit_load": 2}, 2.1, 0, False),
        ({"limit_load": 2}, None, 0, True),
        ({"min_free_mem": "1G"}, 99.0, 2**30, True),
        ({"min_free_mem": "1G"}, 0.0, 2**30 - 1, False),
        ({"min_free_mem": "1G"}, 0.0, None, True),
    ],
)
def test_load_and_memory_hold_a_queue_or_all(
    rules: dict[str, object], load: float | None, memory: int | None, starts: bool
) -> None:
    for is_setting in (False, True):
        engine = an_engine()
        enqueue(engine, "a", queue="gpu")
        engine.scheduler.measure_load, engine.scheduler.measure_memory = lambda: load, lambda: memory
        if is_setting:
            setting(engine, "limit-load", rules.get("limit_load"))
            setting(engine, "min-free-mem", 2**30 if "min_free_mem" in rules else None)
        else:
            rule(engine, "gpu", **rules)
        assert (dispatch(engine) == "a") is starts
        if not starts:
            assert engine.next_due_ms(NOW_MS) == NOW_MS + 1000
            engine.scheduler.measure_load, engine.scheduler.measure_memory = lambda: 0.0, lambda: 2**40
            assert dispatch(engine, NOW_MS + 1000) == "a"


def test_nothing_is_measured_without_a_limit_or_without_a_job() -> None:
    engine = an_engine()

    def never() -> float:
        raise AssertionError("measured")

    engine.scheduler.measure_load = never
    rule(engine, "gpu", limit=2)
    setting(engine, "max-retries", 5)
    enqueue(engine, "a", queue="gpu")
    assert dispatch(engine) == "a"
    rule(engine, "gpu", limit_load=3)
    assert dispatch(engine) is None and engine.next_due_ms(NOW_MS) is None
    engine.scheduler.measure_load = lambda: 99.0
    setting(engine, "limit-load", 3)
    assert dispatch(engine) is None and engine.next_due_ms(NOW_MS) is None, "no job waits, so nobody looks again"


def test_held_queue_lets_others_pass() -> None:
    engine = an_engine()
    engine.scheduler.measure_load = lambda: 99.0
    rule(engine, "gpu", limit_load=3)
    enqueue(engine, "a", queue="gpu", priority=5)
    enqueue(engine, "b")
    assert dispatch(engine) == "b" and dispatch(engine) is None


# Defaults


def test_job_takes_what_it_does_not_set_from_its_queue_and_then_from_the_settings() -> None:
    engine = an_engine()
    setting(engine, "timeout", 60)
    setting(engine, "nice", 5)
    setting(engine, "env", {"A": "config", "B": "config", "C": "config"})
    defaults = {"timeout": "1h", "max_retries": 0, "limit_mem": "8G", "env": {"B": "queue", "C": "queue"}}
    rule(engine, "gpu", defaults=defaults)
    enqueue(engine, "a", queue="gpu")
    enqueue(engine, "b", queue="gpu", timeout="5s", max_retries=2, env={"C": "job"}, nice=7)
    enqueue(engine, "c")
    a, b, c = (job_of(engine, id) for id in "abc")
    assert a.max_retries == 0 and a.options == {
        "queue": "gpu",
        "timeout": 3600,
        "limit_mem": 2**33,
        "nice": 5,
        "env": {"A": "config", "B": "queue", "C": "queue"},
        "defaults": {"timeout": "queue", "nice": "config", "env": "config, queue", "max_retries": "queue", "limit_mem": "queue"},
    }
    assert (b.max_retries, b.options["timeout"], b.options["nice"]) == (2, 5, 7)
    assert b.options["env"] == {"A": "config", "B": "queue", "C": "job"}
    assert b.options["defaults"] == {"limit_mem": "queue", "env": "config, queue, job"}  # type: ignore[typeddict-item]
    assert c.max_retries == 3 and c.options["timeout"] == 60 and "limit_mem" not in c.options


def test_defaults_of_the_default_queue_reach_plain_jobs_and_loads() -> None:
    engine = an_engine()
    rule(engine, "default", defaults={"max_retries": 7})
    enqueue(engine, "a")
    assert job_of(engine, "a").max_retries == 7
    assert job_of(engine, "a").options == {"defaults": {"max_retries": "queue"}}
    rule(engine, "default", defaults={"nice": 3})
    load = engine.begin_load()
    engine.add_to_load(load, [{"id": "b", "command": "true"}, {"id": "c", "command": "true", "queue": "x"}], "/", NOW_MS)
    engine.commit_load(load, NOW_MS, lambda follows: None)
    assert job_of(engine, "b").options["nice"] == 3 and job_of(engine, "b").max_retries == 7
    assert job_of(engine, "c").options == {"queue": "x"} and job_of(engine, "c").max_retries == 3


@pytest.mark.parametrize("basic", ["max_retries", "backoff_base"])
def test_a_basic_field_has_an_origin_unless_the_job_sets_it(basic: str) -> None:
    engine = an_engine()
    engine.handle(commands.ChangeSetting("max-retries", 7), NOW_MS)
    rule(engine, "default", defaults={"backoff_base": 5})
    origins = {"max_retries": "config", "backoff_base": "queue"}
    for more in ({}, {"batch": "x"}, {"nice": 2}):
        id, own = f"a{len(more)}{basic}{'nice' in more}", f"b{len(more)}{basic}{'nice' in more}"
        enqueue(engine, id, **more)
        enqueue(engine, own, **{**more, basic: 2})
        assert job_of(engine, id).options["defaults"] == origins  # type: ignore[typeddict-item]
        assert basic not in job_of(engine, own).options["defaults"]  # type: ignore[typeddict-item]
        assert len(job_of(engine, own).options["defaults"]) == 1  # type: ignore[typeddict-item]


def test_job_without_defaults_has_no_options() -> None:
    engine = an_engine()
    rule(engine, "gpu", defaults={"nice": 3})
    happened = enqueue(engine, "a")
    assert json.loads(encode(happened)) == [["enqueued", "a", 1, NOW_MS, "true", "/somewhere", 3, 2]]


def test_defaults_change_one_by_one_and_waiting_jobs_keep_theirs() -> None:
    engine = an_engine()
    happened = rule(engine, "gpu", defaults={"nice": 3, "timeout": 5})
    enqueue(engine, "a", queue="gpu")
    happened = rule(engine, "gpu", defaults={"nice": None, "jitter": 0.5})
    assert engine.table.queues["gpu"]["defaults"] == {"timeout": 5, "jitter": 0.5}
    assert job_of(engine, "a").options["nice"] == 3
    engine.handle(commands.Edit(["a"], {"nice": 4}), NOW_MS)
    assert job_of(engine, "a").options["defaults"] == {"timeout": "queue"}
    engine.handle(commands.Edit(["a"], {"timeout": None}), NOW_MS)
    assert "defaults" not in job_of(engine, "a").options
    rule(engine, "gpu", defaults={"timeout": None, "jitter": None})
    assert "gpu" not in engine.table.queues
    assert decode(encode(happened)) == happened  # type: ignore[arg-type]


def test_every_default_is_a_field() -> None:
    assert set(QUEUE_DEFAULTS) <= {*OPTIONS, "max_retries", "backoff_base"}


# Removal


def test_queue_without_unfinished_jobs_loses_its_rules() -> None:
    engine = an_engine()
    rule(engine, "gpu", limit=2, paused=True, defaults={"nice": 3})
    enqueue(engine, "a", queue="gpu", max_retries=0)
    with pytest.raises(InvalidInput, match="unfinished jobs: 1"):
        engine.handle(commands.RemoveQueue("gpu"), NOW_MS)
    rule(engine, "gpu", paused=False)
    assert dispatch(engine) == "a"
    with pytest.raises(InvalidInput, match="unfinished jobs: 1"):
        engine.handle(commands.RemoveQueue("gpu"), NOW_MS)
    finish(engine, "a", exited(1))
    happened = engine.handle(commands.RemoveQueue("gpu"), NOW_MS).events
    assert "gpu" not in engine.table.queues and len(happened) == 1
    assert not engine.handle(commands.RemoveQueue("gpu"), NOW_MS).events, "its dead job still names it"
    for name in ("none", "*", "bad name"):
        with pytest.raises(NothingToDo):
            engine.handle(commands.RemoveQueue(name), NOW_MS)


def test_rules_survive_a_replay() -> None:
    engine = an_engine()
    happened = rule(engine, "gpu", limit_load=3.5, min_free_mem="1G", defaults={"nice": 1}, paused=True, pause_for=5)
    again = an_engine()
    again.replay(decode(encode(happened)), 1)  # type: ignore[arg-type]
    assert state_of(again.table) == state_of(engine.table)
    assert again.scheduler.queue("gpu").paused_until_ms(NOW_MS + 4999) == NOW_MS + 5000
    assert again.scheduler.queue("gpu").paused_until_ms(NOW_MS + 5000) is None
    rule(engine, "gpu", paused=True)
    assert engine.scheduler.queue("gpu").paused_until_ms(NOW_MS) == math.inf


def test_damaged_limit_of_the_system_holds_nothing_back() -> None:
    engine = an_engine()
    engine.table.settings["limit-load"] = "high"
    engine.scheduler.measure_load = lambda: 99.0
    enqueue(engine, "a")
    assert dispatch(engine) == "a"
