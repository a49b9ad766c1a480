"""Queue pages: the queues and schedules of a home, page by page.

A page bounds the number of entries and their length, so that no reply grows with the number of queues.
`next`, the last name on a page, asks for the page that follows.
With `form` raw, a page has the entries as they are stored, which is the form in a backup.
Knows the table. Does not know sockets or files.

Invariant: names are in order, so an entry that exists throughout appears exactly once, even if others change.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter

from .. import fast_json
from ..engine.queue_rules import is_known, paused_until_ms
from ..model.job import STATES
from ..table.index_keys import ALL_QUEUES
from ..timestamps import utc, utc_or_none
from ..wire.protocol import MAX_MESSAGE_BYTES
from . import fields, prefetched
from .fields import Fields

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..model.queue_records import QueueRecord, ScheduleRecord
    from ..model.records import PauseRecord, Schedule
    from ..table.job_table import JobTable
    from .ledger import Ledger

PAGE_NAMES = 500
PAGE_BYTES = MAX_MESSAGE_BYTES // 4
"""The most bytes on a page, unless it has only one entry."""


def queues(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return the queues that have a job or a rule, the default queue first.

    If the request names a queue, return only that one. With `form` raw, return the rules by queue name.
    """
    table = ledger.table
    after = fields.text(request, "next")
    if request.get("form") == "raw":
        return _page(_names_behind(table.queues, after), lambda name: [name, table.queues[name]], "queues")
    only, early = fields.text(request, "queue"), Counter(job.queue for job in prefetched.jobs_of(ledger))
    if only:
        return {"queues": [record_of(table, only, early[only], now_ms)] if is_known(table, only) else [], "next": None}
    names = table.queue_names(after or "", PAGE_NAMES)
    page = _page(names, lambda name: record_of(table, name, early[name], now_ms), "queues")
    return {**page, **pause_of(table, ALL_QUEUES, now_ms)}


def schedules(ledger: Ledger, request: Fields, now_ms: int) -> Fields:
    """Return the schedules by name.

    If the request names a schedule, return only that one. With `form` raw, return each as it is stored.
    """
    kept = ledger.table.schedules
    only = fields.text(request, "name")
    names = _names_behind(kept, fields.text(request, "next"))
    if only:
        names = [only] if only in kept else []
    if request.get("form") == "raw":
        return _page(names, lambda name: [name, kept[name]], "schedules")
    return _page(names, lambda name: _schedule(name, kept[name]), "schedules")


def _page(names: list[str], shape: Callable[[str], object], field: str) -> Fields:
    """Return as many entries as fit on a page. `next` is None only if no names remain."""
    entries: list[object] = []
    size = 0
    for n, name in enumerate(names):
        entry = shape(name)
        size += len(fast_json.encode(entry))
        if entries and size > PAGE_BYTES:
            return {field: entries, "next": names[n - 1]}
        entries.append(entry)
    return {field: entries, "next": names[-1] if len(names) == PAGE_NAMES else None}


def _names_behind(names: Iterable[str], after: str | None) -> list[str]:
    return heapq.nsmallest(PAGE_NAMES, (name for name in names if name > (after or "")))


def pause_of(table: JobTable, name: str, now_ms: int) -> PauseRecord:
    """Return the pause of a queue, or of all (`*`). Its fields are None without one."""
    rules = table.queues.get(name, {})
    until_ms = paused_until_ms(rules, now_ms - table.clock_shift_ms)
    if until_ms is None:
        return {"paused_since": None, "paused_until": None, "pause_reason": None}
    end = None if until_ms == math.inf else utc(int(until_ms) + table.clock_shift_ms)
    return {
        "paused_since": utc_or_none(rules.get("paused_ms")),
        "paused_until": end,
        "pause_reason": rules.get("pause_reason"),
    }


def record_of(table: JobTable, name: str, early: int, now_ms: int) -> QueueRecord:
    """Return the record of one queue, of which workers hold so many prefetched jobs."""
    rules = table.queues.get(name, {})
    rate = rules.get("rate")
    return {
        "queue": name,
        "counts": prefetched.shown_counts({state: table.count_of(name, state) for state in STATES}, early),
        "limit": rules.get("limit"),
        "rate": {"jobs": rate[0], "per_s": rate[1]} if rate else None,
        "limit_load": rules.get("limit_load"),
        "min_free_mem": rules.get("min_free_mem"),
        "defaults": {**rules.get("defaults", {})},
        **pause_of(table, name, now_ms),
    }


def _schedule(name: str, stored: Schedule) -> ScheduleRecord:
    paused_ms, next_ms = stored.get("paused_ms"), stored.get("next_ms")
    return {
        "schedule": name,
        "cron": stored.get("cron"),
        "zone": stored.get("zone"),
        "every_s": stored.get("every_s"),
        "overlap": bool(stored.get("overlap")),
        "paused_since": utc_or_none(paused_ms),
        "next_run_at": None if paused_ms is not None else utc_or_none(next_ms),
        "last_job": stored.get("last_id"),
        "problem": stored.get("problem"),
        "job": {**stored["spec"], "cwd": stored["cwd"]},
    }
