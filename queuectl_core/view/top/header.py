"""Header: the state of the home, what ended in the last hour, what is stuck and why, and a line for each queue.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .spans import Line, Span, apart, cell, sparkline, width_of
from .spells import age, clock
from .state import Top

if TYPE_CHECKING:
    from ..overview import QueueView, Stuck, View

_MIN_CHART = 12


def lines(top: Top, columns: int) -> list[Line]:
    """Return the lines above the queues."""
    view = top.view
    if view is None:
        return [[Span(f"queuectl  {top.home}", "head")], [Span(top.problem or "reading …", "warn")]]
    found: list[Line] = [_first(top, view, columns), _counts(view, columns), _throughput(view, columns)]
    if top.problem:
        found.append([Span(f"! {top.problem}; the rest is from before", "warn")])
    return [*found, *_stuck(view["stuck"], 2 if view["is_moving"] else 3)]


def _first(top: Top, view: View, columns: int) -> Line:
    supervisor = view["supervisor"]
    if supervisor is None:
        return apart([Span("queuectl", "head"), Span(f"  {top.home}")], [Span("no supervisor", "warn")], columns)
    workers = [worker for worker in view["workers"] if worker["state"] != "lost"]
    busy = sum(worker["job"] is not None for worker in workers)
    state = Span(supervisor["state"], "completed" if supervisor["state"] == "running" else "warn")
    right = [Span("supervisor "), state, Span(f", {busy}/{len(workers)} workers busy")]
    return apart([Span("queuectl", "head"), Span(f"  {top.home}")], right, columns)


def _counts(view: View, columns: int) -> Line:
    """Return the number of jobs in each state. Where there is little room, states without jobs are left out."""
    right = [Span(eta(view["eta_s"], view["unfinished"]), "head")]
    for is_short in (False, True):
        left: list[Span] = []
        for state, count in view["counts"].items():
            if count or not is_short:
                left += [Span(f"{count:,} "), Span(state, state if count else "dim"), Span("  ")]
        if width_of(left) + width_of(right) <= columns:
            break
    return apart(left[:-1], right, columns)


def eta(seconds: float | None, unfinished: int) -> str:
    """Return how long the rest takes."""
    if not unfinished:
        return "nothing left"
    if not seconds:
        return "ETA unknown" if seconds is None else "nothing can run now"
    return f"ETA {clock(round(seconds * 1000))}"


def _throughput(view: View, columns: int) -> Line:
    minutes = view["throughput"]
    completed, failed = sum(minutes["completed"]), sum(minutes["failed"])
    right = [Span(f"{completed:,} completed") if completed or failed else Span("no job has ended", "dim")]
    right += [Span(", "), Span(f"{failed:,} failed", "failed")] if failed else []
    left = [Span(f"hour to {view['now'][11:16]} ", "dim")]
    room = columns - width_of(left) - width_of(right) - 2
    if room < _MIN_CHART:
        return apart(left, right, columns)
    return apart([*left, *sparkline(minutes["completed"], minutes["failed"], room)], right, columns)


def _stuck(items: Sequence[Stuck], most: int) -> Iterator[Line]:
    for item in items[:most]:
        yield [Span(f"! {_jobs(item['waiting'])}: ", "head"), Span(item["text"], "warn")]
    if len(items) > most:
        yield [Span(f"  {len(items) - most} more reasons hold jobs back", "dim")]


# Queues


def queue_lines(top: Top, rows: int, columns: int) -> list[Line]:
    """Return the head and a line for each queue, those that wait longest first, in so many rows."""
    queues = _ordered(top.view["queues"] if top.view else [])
    if rows < 2 or not queues:
        return []
    most = rows - 1 if len(queues) < rows else rows - 2
    name = min(max(5, *(len(queue["queue"]) for queue in queues)), 14 if columns < 100 else 24)
    elapsed_ms = max(0, top.now_ms - top.view_ms)
    found: list[Line] = [[Span(_row(("QUEUE", "RUN", "WAIT", "LATENCY", "ETA"), name) + "  LAST HOUR", "head")]]
    found += [_queue(queue, name, elapsed_ms, columns) for queue in queues[:most]]
    if len(queues) > most:
        found.append([Span(f"  and {len(queues) - most} more queues: queuectl queue list", "dim")])
    return found


def _ordered(queues: Sequence[QueueView]) -> list[QueueView]:
    return sorted(queues, key=lambda queue: (-queue["latency_s"], -queue["running"], -queue["waiting"]))


def _row(cells: Sequence[str], name: int) -> str:
    widths = ((name, False), (7, True), (9, True), (7, True), (7, True))
    return "  ".join(cell(text, *width) for text, width in zip(cells, widths))


def _queue(queue: QueueView, name: int, elapsed_ms: int, columns: int) -> Line:
    limit = "" if queue["limit"] is None else f"/{queue['limit']}"
    latency_ms = round(queue["latency_s"] * 1000)
    latency = age(latency_ms + elapsed_ms) if latency_ms else "-"
    left = queue["eta_s"]
    unfinished = queue["running"] + queue["waiting"]
    rest = "-" if not unfinished or left is None else clock(round(left * 1000))
    texts = (queue["queue"], f"{queue['running']}{limit}", f"{queue['waiting']:,}", latency, rest)
    begin = [Span(_row(texts, name), "warn" if queue["is_paused"] else ""), Span("  ")]
    held = [Span("  " + _waits(queue), "warn" if queue["held"] else "dim")]
    minutes = queue["throughput"]
    room = columns - width_of(begin)
    chart = sparkline(minutes["completed"], minutes["failed"], max(10, min(30, room - 20)))
    return [*begin, *chart, *held] if room >= 10 else begin


def _waits(queue: QueueView) -> str:
    """Return what the waiting jobs of a queue wait for, apart from a worker."""
    parts = [f"{count:,} {_WAITS[why]}" for why, count in queue["waiting_by"].items() if why in _WAITS]
    return ", ".join(parts)


_WAITS: dict[str, str] = {
    "time": "later",
    "after": "after others",
    "limit": "at the limit",
    "rate": "at the rate",
    "paused": "paused",
    "slots": "for slots",
    "system": "for the system",
}


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count:,} jobs"
