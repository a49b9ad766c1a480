"""The overview: what a person sees of a home now."""

from __future__ import annotations

from typing import Any

import pytest

from queuectl_core.model.states import STATES
from queuectl_core.timestamps import utc
from queuectl_core.view import overview
from tests.builders import NOW_MS

SUPERVISOR = {"pid": 7, "state": "running", "started_at": utc(NOW_MS), "workers_wanted": 1}
IDLE = {
    **{"worker": "w1", "pid": 8, "state": "idle", "job": None, "attempt": None, "since": None},
    **dict.fromkeys(("queue", "name", "command")),
}


def throughput(ended: dict[int, int] | None = None, **more: Any) -> dict[str, Any]:
    """Return a throughput in which so many jobs completed so many minutes ago."""
    completed = [(ended or {}).get(59 - n, 0) for n in range(60)]
    return {"elapsed_ms": 30_000, "completed": completed, "failed": [0] * 60, "dead": [0] * 60, **more}


def a_queue(name: str = "default", **more: Any) -> dict[str, Any]:
    return {
        **{"queue": name, "counts": dict.fromkeys(STATES, 0), "limit": None, "rate": None, "defaults": {}},
        **{"paused_since": None, "paused_until": None, "pause_reason": None, "waiting": {}, "latency_ms": 0},
        **{"longest_running_ms": 0, "hold": None, "throughput": throughput(), "limit_load": None, "mean_run_ms": None},
        **{"min_free_mem": None, **more},
    }


def a_record(counts: dict[str, int] | None = None, **more: Any) -> Any:
    return {
        **{"counts": {**dict.fromkeys(STATES, 0), **(counts or {})}, "short_of": None, "holds": []},
        **{"paused_since": None, "paused_until": None, "pause_reason": None, "supervisor": SUPERVISOR},
        **{"workers": [IDLE], "now_ms": NOW_MS, "slots": {"total": 1, "used": 0}, "queues": [a_queue()]},
        **{"throughput": throughput(), **more},
    }


def view_of(counts: dict[str, int] | None = None, **more: Any) -> overview.View:
    return overview.of(a_record(counts, **more), "/home")


def test_an_idle_home_moves_and_has_nothing_left() -> None:
    view = view_of()
    assert (view["is_moving"], view["stuck"], view["eta_s"]) == (True, [], 0.0)
    assert view["queues"][0]["running"] == view["queues"][0]["waiting"] == 0


def test_busy_workers_come_first_and_the_longest_run_is_the_first_of_them() -> None:
    def busy(name: str, for_s: int) -> dict[str, Any]:
        return {**IDLE, "worker": name, "state": "busy", "job": name, "since": utc(NOW_MS - for_s * 1000)}

    view = view_of(workers=[IDLE, busy("w2", 5), busy("w3", 60)])
    assert [(each["worker"], each["for_s"]) for each in view["workers"]] == [("w3", 60), ("w2", 5), ("w1", None)]


def a_busy_queue(name: str, running: int, mean_run_ms: float | None, **waiting: int) -> dict[str, Any]:
    counts = {**dict.fromkeys(STATES, 0), "processing": running, "pending": sum(waiting.values())}
    return a_queue(name, counts=counts, mean_run_ms=mean_run_ms, waiting=waiting)


def times_left(slots: int, *queues: dict[str, Any]) -> tuple[float | None, ...]:
    """Return the time left of the home, and that of each queue."""
    view = view_of(queues=list(queues), slots={"total": slots, "used": 0})
    return (view["eta_s"], *(queue["eta_s"] for queue in view["queues"]))


def test_the_workers_share_the_time_left_which_is_at_least_that_of_each_queue() -> None:
    short, long = a_busy_queue("short", 1, 100, worker=299), a_busy_queue("long", 1, 10_000, worker=5)
    assert times_left(2, short, long) == (pytest.approx(60), pytest.approx(30), pytest.approx(60))
    limited = {**a_busy_queue("limited", 1, 1500, limit=199), "limit": 1}
    assert times_left(4, short, limited) == (pytest.approx(300), pytest.approx(30), pytest.approx(300))


def test_a_queue_that_runs_nothing_now_will_get_the_workers_that_it_may_have() -> None:
    assert times_left(4, a_busy_queue("q", 0, 1000, worker=8)) == (pytest.approx(2), pytest.approx(2))


def test_a_rate_bounds_the_time_left() -> None:
    queue = {**a_busy_queue("q", 1, 10, rate=60), "rate": {"jobs": 10, "per_s": 60}}
    assert times_left(4, queue)[0] == pytest.approx(360)


def test_jobs_that_wait_for_a_time_for_others_or_for_the_end_of_a_pause_have_no_time_left() -> None:
    assert times_left(2, a_busy_queue("q", 0, 1000, time=5, after=9, paused=7)) == (0.0, 0.0)


def test_the_time_left_is_unknown_until_an_attempt_of_each_queue_has_ended() -> None:
    known, new = a_busy_queue("known", 1, 100, worker=9), a_busy_queue("new", 1, None, worker=9)
    assert times_left(2, known, new) == (None, pytest.approx(1), None)
    assert times_left(0, a_busy_queue("q", 0, 100, worker=9)) == (None, None)


def test_without_a_supervisor_or_a_worker_waiting_jobs_are_stuck() -> None:
    view = view_of({"pending": 3}, supervisor=None, workers=[], slots=None)
    assert not view["is_moving"]
    assert [(each["because"], each["waiting"]) for each in view["stuck"]] == [("no supervisor runs", 3)]
    view = view_of({"failed": 3}, workers=[])
    assert not view["is_moving"]
    assert "`queuectl worker scale 1`" in view["stuck"][0]["text"]
    assert view_of({}, supervisor=None, workers=[])["stuck"] == []


def test_holds_are_named_with_the_most_waiting_first() -> None:
    holds = [
        {"because": "its queue is full", "queue": "gpu", "limit": 2, "waiting": 3},
        {"because": "suspended", "waiting": 1},
        {"because": "its queue is paused", "queue": "mail", "since": "2026", "waiting": 9},
    ]
    stuck = view_of({"pending": 12}, holds=holds)["stuck"]
    assert [(each["queue"], each["waiting"]) for each in stuck] == [("mail", 9), ("gpu", 3), (None, 1)]
    assert stuck[1]["text"] == "queue gpu is at its limit of 2"


def test_a_full_disk_and_slots_are_named() -> None:
    queues = [a_queue(waiting={"slots": 4})]
    stuck = view_of({"pending": 4}, short_of="space", queues=queues)["stuck"]
    assert [each["because"] for each in stuck] == ["the disk is full", "waits for slots"]
    assert "/home" in stuck[0]["text"]


@pytest.mark.parametrize(
    ("waiting", "is_moving"),
    [({"worker": 1}, True), ({"time": 1}, True), ({"paused": 2, "after": 1}, False), ({"paused": 1, "time": 1}, True)],
)
def test_a_home_moves_if_a_job_can_begin_or_waits_for_a_time(waiting: dict[str, int], is_moving: bool) -> None:
    assert view_of({"pending": 2}, queues=[a_queue(waiting=waiting)])["is_moving"] is is_moving


def test_a_hold_of_a_queue_is_a_sentence() -> None:
    queue = a_queue(hold={"because": "the disk is full", "short_of": "inodes"})
    assert view_of(queues=[queue])["queues"][0]["held"] == (
        "the disk that holds /home has no free inodes: no job starts until there is room"
    )
    queue = a_queue(rate={"jobs": 10, "per_s": 60})
    assert view_of(queues=[queue])["queues"][0]["rate"] == "10 in 60 s"
