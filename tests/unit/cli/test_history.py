"""`history`: each event of a job in words."""

from __future__ import annotations

from queuectl_core.cli.job_commands.history import _WORDS, event_name, event_words
from queuectl_core.model.events import EVENT_NAMES

ENDING = {"outcome": "exit", "exit_code": 0, "duration_ms": 1200, "cpu_ms": 30, "peak_bytes": 2**20}


def test_every_event_of_a_job_has_words() -> None:
    assert set(_WORDS) == {name for name, kind in EVENT_NAMES.items() if "id" in kind._fields}


def test_a_job_whose_dependency_ended_died() -> None:
    assert event_name({"event": "canceled", "reason": "canceled by hand"}) == "canceled"
    assert event_name({"event": "canceled", "reason": "job a, which it waited for, died"}) == "died"
    assert event_name({"event": "enqueued", "command": "true"}) == "enqueued"


def test_an_event_says_what_happened_and_what_follows() -> None:
    assert event_words({"event": "enqueued", "command": "true", "blockers": ["a"]}) == "added: true; waits for a"
    assert event_words({"event": "succeeded", "ending": ENDING}) == "completed; took 1.2 s, cpu 0.0 s, 1.0 MiB"
    failed = {"event": "failed", "ending": {**ENDING, "cpu_ms": None}, "reason": "exit code 3", "due_ms": 60_000}
    assert event_words(failed) == "attempt failed: exit code 3; retry due 1970-01-01T00:01:00Z; took 1.2 s"
    assert event_words({"event": "unblocked", "by": "a"}) == "no longer waits for a"
    assert event_words({"event": "edited", "fields": {"priority": 3, "env": {"K": "V"}}}) == "changed: priority=3 env"
    assert event_words({"event": "edited", "fields": {}, "due_ms": 60_000}) == "changed: its time; due 1970-01-01T00:01:00Z"
    assert event_words({"event": "of a newer version"}) == ""
