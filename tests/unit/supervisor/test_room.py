"""Room: a worker is listed by what it holds, and by nothing else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from queuectl_core.supervisor.room import Room


class Worker:
    """A worker without a process. Its runs take these places."""

    def __init__(self, *slots: int, limit: int = 1, draining: bool = False) -> None:
        self.runs = [SimpleNamespace(slots=number) for number in slots]
        self.prefetch_limit = limit
        self.draining = draining


def listed(room: Room) -> dict[int, list[Any]]:
    return {held: list(workers) for held, workers in enumerate(room.holding) if workers}


def room_of(*workers: Any) -> Room:
    room = Room()
    for worker in workers:
        room.note(worker)
    return room


def test_an_idle_worker_has_room_and_a_busy_one_has_none() -> None:
    idle, busy = Worker(), Worker(1)
    room = room_of(idle, busy)
    assert listed(room) == {0: [idle]}
    assert room.free_slots() == 1


def test_a_worker_of_short_runs_has_room_for_more_of_them() -> None:
    worker = Worker(1, 1, limit=3)
    assert listed(room_of(worker)) == {2: [worker]}
    full = Worker(1, 1, 1, limit=3)
    assert listed(room_of(full)) == {}


def test_a_draining_worker_has_no_room() -> None:
    room = room_of(Worker(draining=True))
    assert listed(room) == {}
    assert room.free_slots() == 0


def test_a_run_of_three_places_keeps_two_idle_workers_from_starting() -> None:
    assert room_of(Worker(3), Worker(), Worker(), Worker()).free_slots() == 1


def test_only_the_current_run_takes_places() -> None:
    assert room_of(Worker(1, 3, limit=4), Worker()).free_slots() == 1


def test_a_change_moves_a_worker() -> None:
    worker: Any = Worker()
    room = room_of(worker)
    worker.runs = [SimpleNamespace(slots=2)]
    room.note(worker)
    assert (listed(room), room.free_slots()) == ({}, -1)
    worker.runs = []
    room.note(worker)
    assert (listed(room), room.free_slots()) == ({0: [worker]}, 1)


def test_a_worker_that_has_ended_leaves_nothing() -> None:
    worker: Any = Worker(4, limit=2)
    room = room_of(worker)
    room.forget(worker)
    assert (listed(room), room.free_slots()) == ({}, 0)
