"""The checks of `test_mayhem` find each kind of impossible history; otherwise a run without
findings would prove nothing.
"""

from __future__ import annotations

import os
import subprocess
import time
from typing import Any

import pytest

from tests.faults import history
from tests.faults.history import Mark
from tests.faults.oracle import needs_flock
from tests.faults.wrong_clock import WrongClock, needs_wrong_clock

SOUND = [
    {"seq": 1, "event": "enqueued", "id": "a", "options": {}},
    {"seq": 2, "event": "started", "id": "a"},
    {"seq": 3, "event": "failed", "id": "a"},
    {"seq": 4, "event": "edited", "id": "a", "fields": {"command": "x; echo begin $QUEUECTL_JOB_ID v1 >>y"}},
    {"seq": 5, "event": "queue-changed", "name": "*", "fields": {"paused_ms": 7}},
    {"seq": 6, "event": "queue-changed", "name": "*", "fields": {"paused_ms": None}},
    {"seq": 7, "event": "started", "id": "a"},
    {"seq": 8, "event": "succeeded", "id": "a"},
]
EXPORTED = [{"id": "a", "state": "completed"}]
MARKS = [Mark("begin", "a", "v0"), Mark("begin", "a", "v1"), Mark("end", "a", "v1")]


def faults(events: Any = SOUND, exported: Any = EXPORTED, marks: Any = MARKS, seen: Any = SOUND) -> list[str]:
    return history.faults_of(events, exported, marks, {"a"}, seen)


def without(*numbers: int) -> list[history.Event]:
    return [event for event in SOUND if event["seq"] not in numbers]


def test_a_sound_history_has_no_faults() -> None:
    assert faults() == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda: faults(exported=[]), "a was acknowledged and is missing"),
        (lambda: faults(events=without(6), seen=[]), "5 is followed by 7"),
        (lambda: faults(events=SOUND[:-1]), "saw {'seq': 8"),
        (lambda: faults(events=without(3), seen=[]), "a was processing at started (7)"),
        (lambda: faults(exported=[{"id": "a", "state": "failed"}]), "a is failed, by its events completed"),
        (lambda: faults(events=without(6), seen=[]), "a started while {'*'} was paused (7)"),
        (lambda: faults(marks=[*MARKS, Mark("two", "a", "v1")]), "a ran twice at once"),
        (lambda: faults(marks=[*MARKS, *MARKS]), "a began 4 times, of 2 starts"),
        (lambda: faults(marks=MARKS[:2]), "a ended 0 times, of 1 successes"),
        (lambda: faults(marks=[*MARKS[:2], Mark("end", "a", "v0")]), "a ran as v0, and was edited to v1"),
    ],
)
def test_an_impossible_history_is_found(fault: Any, message: str) -> None:
    found = fault()
    assert any(one.startswith(message) for one in found), found


@needs_flock
def test_a_job_that_runs_twice_at_once_leaves_a_mark(tmp_path: Any) -> None:
    command = history.work(str(tmp_path), "v1", "sleep 0.3")
    env = {**os.environ, "QUEUECTL_JOB_ID": "a"}
    both = [subprocess.Popen(["sh", "-c", command], env=env) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert sorted(mark.what for mark in history.marks_in(str(tmp_path))) == ["begin", "end", "two"]


@needs_wrong_clock
def test_the_wrong_clock_affects_only_its_own_processes(tmp_path: Any) -> None:
    clock = WrongClock(str(tmp_path))
    clock.set(-7200.0)
    ask = ["date", "+%s"]
    wrong = int(subprocess.run(ask, env={**os.environ, **clock.environ}, capture_output=True).stdout)
    assert abs(time.time() - 7200 - wrong) < 60
    assert abs(time.time() - int(subprocess.run(ask, capture_output=True).stdout)) < 60
