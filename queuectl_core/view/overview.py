"""Overview: what a person sees of a home now, from the records that `Queue.overview` returns.

    record = queue.overview()
    view = overview.of(record, queue.home.path)

`top`, the web page and the metrics paint it. Times of events are RFC 3339 text, and durations are seconds.

Pure. Knows no terminal and no page.

Warning: texts of jobs and queues come from users. The painter makes them safe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from ..model.states import COMPLETED, DEAD, FAILED, PENDING, PROCESSING
from ..timestamps import from_utc, utc
from .sentences import explained

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ..model.overview_records import OverviewRecord, QueueNow, Reason, Slots, Throughput, WorkerNow
    from ..model.records import State, SupervisorRecord

MINUTES = 60
"""The minutes of a history of the throughput."""

PACE_MINUTES = 10
"""The latest minutes from which the pace is estimated."""

SURE_MINUTES = 3
"""After how many minutes of work the pace is counted, and not expected."""


class WorkerView(TypedDict):
    """One worker, and the job that it runs."""

    worker: str
    pid: int | None
    state: str
    """idle, busy, draining, adopted or lost."""
    job: str | None
    attempt: int | None
    since: str | None
    for_s: float | None
    """How long the run takes so far; None for an idle worker."""
    queue: str | None
    name: str | None
    command: str | None


class Minutes(TypedDict):
    """What ended in each of the last 60 minutes; the last entry is the current minute."""

    completed: list[int]
    failed: list[int]


class QueueView(TypedDict):
    """One queue."""

    queue: str
    running: int
    waiting: int
    counts: dict[State, int]
    waiting_by: dict[Reason, int]
    """How many jobs wait for what: worker, time, after, limit, rate, paused, slots or system."""
    latency_s: float
    """The age of the oldest job that could begin; 0 if none could."""
    longest_running_s: float
    limit: int | None
    rate: str | None
    """The rate as text, like `10 in 60 s`."""
    is_paused: bool
    paused_since: str | None
    paused_until: str | None
    pause_reason: str | None
    held: str | None
    """Why no job of the queue may start now, as a sentence."""
    throughput: Minutes
    eta_s: float | None
    """The seconds until the queue is empty at the present pace: 0 if it is, None if unknown."""


class Stuck(TypedDict):
    """Something that lets no job start."""

    because: str
    """A code as in `Queue.why`, or `no supervisor runs` or `no worker runs`."""
    text: str
    """A sentence that says why, and what to do."""
    waiting: int
    """How many jobs wait because of it."""
    queue: str | None
    """The queue that it is about; None for all."""


class View(TypedDict):
    """Everything that a person sees of a home now."""

    now: str
    supervisor: SupervisorRecord | None
    is_moving: bool
    """Whether a job runs or can begin, or none waits. Otherwise `stuck` says why."""
    counts: dict[State, int]
    unfinished: int
    slots: Slots | None
    workers: list[WorkerView]
    """The busy ones first, and of these the longest run first."""
    queues: list[QueueView]
    stuck: list[Stuck]
    throughput: Minutes
    eta_s: float | None
    """The seconds until no job is left at this pace: 0 if none is, None if unknown."""


def of(record: OverviewRecord, home: str) -> View:
    """Return the view of a home, whose path is `home`."""
    counts = record["counts"]
    pace = _pace_per_s(record["throughput"], _sum_of(map(_expected_per_s, record["queues"])))
    unfinished = _unfinished(counts)
    stuck = _stuck(record, home)
    return {
        "now": utc(record["now_ms"]),
        "supervisor": record["supervisor"],
        "is_moving": _is_moving(record),
        "counts": counts,
        "unfinished": unfinished,
        "slots": record["slots"],
        "workers": sorted((_worker(each, record["now_ms"]) for each in record["workers"]), key=_worker_order),
        "queues": [_queue(each, home) for each in record["queues"]],
        "stuck": stuck,
        "throughput": _minutes(record["throughput"]),
        "eta_s": _eta_s(unfinished, pace),
    }


def _worker(worker: WorkerNow, now_ms: int) -> WorkerView:
    since = worker["since"]
    for_s = None if since is None else max(0, now_ms - from_utc(since)) / 1000
    return {**worker, "for_s": for_s}


def _worker_order(worker: WorkerView) -> tuple[bool, float]:
    return worker["job"] is None, -(worker["for_s"] or 0.0)


def _queue(record: QueueNow, home: str) -> QueueView:
    counts, rate, hold = record["counts"], record["rate"], record["hold"]
    return {
        "queue": record["queue"],
        "running": counts[PROCESSING],
        "waiting": counts[PENDING] + counts[FAILED],
        "counts": counts,
        "waiting_by": record["waiting"],
        "latency_s": record["latency_ms"] / 1000,
        "longest_running_s": record["longest_running_ms"] / 1000,
        "limit": record["limit"],
        "rate": f"{rate['jobs']:g} in {rate['per_s']:g} s" if rate else None,
        "is_paused": record["paused_since"] is not None,
        "paused_since": record["paused_since"],
        "paused_until": record["paused_until"],
        "pause_reason": record["pause_reason"],
        "held": None if hold is None else explained({"home": home, **hold}),
        "throughput": _minutes(record["throughput"]),
        "eta_s": _eta_s(_unfinished(counts), _pace_per_s(record["throughput"], _expected_per_s(record))),
    }


def _minutes(throughput: Throughput) -> Minutes:
    return {"completed": throughput["completed"], "failed": throughput["failed"]}


def _unfinished(counts: dict[State, int]) -> int:
    return sum(number for state, number in counts.items() if state not in (COMPLETED, DEAD))


# The pace


def _pace_per_s(throughput: Throughput, expected: float | None) -> float | None:
    """Return how many jobs end in a second, or None if that is unknown.

    The time counts from the first minute in which something ended: before it, there may have been nothing to do.
    What ended in a few minutes says little, because the work may have begun at any time in the first of them. Then
    the pace is the one that is `expected`, if there is one.
    """
    ended = [sum(both) for both in zip(throughput["completed"], throughput["dead"])][-PACE_MINUTES:]
    first = next((n for n, count in enumerate(ended) if count), len(ended))
    minutes = len(ended) - 1 - first
    if minutes < SURE_MINUTES and expected is not None:
        return expected
    return sum(ended) / (minutes * 60 + max(1.0, throughput["elapsed_ms"] / 1000)) if any(ended) else None


def _expected_per_s(queue: QueueNow) -> float | None:
    """Return at which rate the running jobs of a queue end, if they take as long as others did.

    Source: Little's law.
    """
    running, mean_ms = queue["counts"][PROCESSING], queue["mean_run_ms"]
    return running * 1000 / max(1.0, mean_ms) if running and mean_ms is not None else None


def _sum_of(numbers: Iterable[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _eta_s(unfinished: int, pace_per_s: float | None) -> float | None:
    if not unfinished:
        return 0.0
    return unfinished / pace_per_s if pace_per_s else None


# What is stuck


def _is_moving(record: OverviewRecord) -> bool:
    counts = record["counts"]
    if counts[PROCESSING] or not counts[PENDING] + counts[FAILED]:
        return True
    if not (record["supervisor"] and record["workers"]):
        return False
    return any({"worker", "time"} & set(queue["waiting"]) for queue in record["queues"])


def _stuck(record: OverviewRecord, home: str) -> list[Stuck]:
    """Return what lets no job start, and how many jobs wait because of it: the most first."""
    waiting = record["counts"][PENDING] + record["counts"][FAILED]
    stuck = []
    if waiting and not record["supervisor"]:
        stuck.append(_item("no supervisor runs", "no supervisor runs; start one with `queuectl worker start`", waiting))
    elif waiting and not record["workers"]:
        stuck.append(_item("no worker runs", "no worker runs; start one with `queuectl worker scale 1`", waiting))
    if waiting and record["short_of"]:
        hold = {"because": "the disk is full", "short_of": record["short_of"], "home": home}
        stuck.append(_item("the disk is full", explained(hold), waiting))
    holds = [_held(hold) for hold in record["holds"]]
    return [*stuck, *sorted(holds, key=lambda item: -item["waiting"]), *_for_slots(record)]


def _item(because: str, text: str, waiting: int, queue: str | None = None) -> Stuck:
    return {"because": because, "text": text, "waiting": waiting, "queue": queue}


def _held(hold: dict[str, Any]) -> Stuck:
    text = "a user suspended the run; continue it with `queuectl continue --all`"
    if hold["because"] != "suspended":
        text = explained(hold)
    return _item(hold["because"], text, hold["waiting"], hold.get("queue"))


def _for_slots(record: OverviewRecord) -> list[Stuck]:
    """Return the queues whose next job needs more free workers at once than there are."""
    text = "the next job needs several free workers at once, and others let it go first"
    waiting = {queue["queue"]: queue["waiting"].get("slots", 0) for queue in record["queues"]}
    return [_item("waits for slots", text, count, queue) for queue, count in waiting.items() if count]
