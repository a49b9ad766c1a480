"""Overview: what a person sees of a home now, from the records that `Queue.overview` returns.

    record = queue.overview()
    view = overview.of(record, queue.home.path)

`top`, the web page and `status --watch` paint it. Times of events are RFC 3339 text, and durations are seconds.

Pure. Knows no terminal and no page.

Warning: texts of jobs and queues come from users. The painter makes them safe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from ..model.states import COMPLETED, DEAD, FAILED, PENDING, PROCESSING
from ..timestamps import from_utc, utc
from .sentences import explained

if TYPE_CHECKING:
    from typing import Any

    from ..model.overview_records import OverviewRecord, QueueNow, Reason, Slots, Throughput, WorkerNow
    from ..model.records import State, SupervisorRecord


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
    """The seconds until no job of the queue is left that can run: 0 if none is, None if unknown."""


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
    """The seconds until no job is left that can run: 0 if none is, None if unknown."""


def of(record: OverviewRecord, home: str) -> View:
    """Return the view of a home, whose path is `home`."""
    slots = record["slots"]["total"] if record["slots"] else 0
    return {
        "now": utc(record["now_ms"]),
        "supervisor": record["supervisor"],
        "is_moving": _is_moving(record),
        "counts": record["counts"],
        "unfinished": _unfinished(record["counts"]),
        "slots": record["slots"],
        "workers": sorted((_worker(each, record["now_ms"]) for each in record["workers"]), key=_worker_order),
        "queues": [_queue(each, home, slots) for each in record["queues"]],
        "stuck": _stuck(record, home),
        "throughput": _minutes(record["throughput"]),
        "eta_s": _eta_s(record, slots),
    }


def _worker(worker: WorkerNow, now_ms: int) -> WorkerView:
    since = worker["since"]
    for_s = None if since is None else max(0, now_ms - from_utc(since)) / 1000
    return {**worker, "for_s": for_s}


def _worker_order(worker: WorkerView) -> tuple[bool, float]:
    return worker["job"] is None, -(worker["for_s"] or 0.0)


def _queue(record: QueueNow, home: str, slots: int) -> QueueView:
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
        "eta_s": _queue_eta_s(record, slots),
    }


def _minutes(throughput: Throughput) -> Minutes:
    return {"completed": throughput["completed"], "failed": throughput["failed"]}


def _unfinished(counts: dict[State, int]) -> int:
    return sum(number for state, number in counts.items() if state not in (COMPLETED, DEAD))


# The time left


def _eta_s(record: OverviewRecord, slots: int) -> float | None:
    """Return the seconds until no job is left that can run, or None while no attempt of one of the queues has ended.

    All workers share the work, but each queue needs at least its own time.
    """
    own = [_queue_eta_s(queue, slots) for queue in record["queues"]]
    if None in own:
        return None
    work_s = sum(filter(None, map(_work_s, record["queues"])))
    return max(work_s / max(1, slots), *filter(None, own), 0.0)


def _queue_eta_s(queue: QueueNow, slots: int) -> float | None:
    """Return the seconds until no job of a queue is left that can run, if other queues leave it as many workers as now.

    Return None while no attempt of it has ended.
    """
    work_s, running = _work_s(queue), queue["counts"][PROCESSING]
    at_once = min(slots, queue["limit"] or slots)
    if work_s is None or (work_s and not at_once):
        return None
    eta_s = work_s / (running or at_once) if work_s else 0.0
    rate = queue["rate"]
    starts_s = _ready(queue) * rate["per_s"] / rate["jobs"] if rate else 0.0
    return max(eta_s, starts_s)


def _work_s(queue: QueueNow) -> float | None:
    """Return how long the jobs that run or can begin would take one after another, or None if that is unknown.

    They are expected to take as long as the latest ones did.
    """
    jobs, mean_ms = queue["counts"][PROCESSING] + _ready(queue), queue["mean_run_ms"]
    if not jobs:
        return 0.0
    return None if mean_ms is None else jobs * mean_ms / 1000


def _ready(queue: QueueNow) -> int:
    """Return how many jobs wait neither for a time, nor for other jobs, nor for the end of a pause."""
    return sum(count for reason, count in queue["waiting"].items() if reason not in ("time", "after", "paused"))


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
