"""Waiting: waits for jobs to finish, by ID or by filter.

Does not know what an outcome means, except that a completed job has not failed.

Warning: while a program waits, another supervisor may replace the one that it asked, or the supervisor may have no
place for one more waiting program. A job may move from one index to another between two pages of a listing.
"""

from __future__ import annotations

import os
import time

from .errors import Busy, InvalidInput, NoSupervisor, OutcomeUnknown, UnknownBatch, UnknownJob
from .model.states import COMPLETED, FINAL_STATES, OPEN_STATES, STATES
from .transport import Transport
from .wire.protocol import MAX_JOBS, WAIT_JOBS

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from .model.records import Ended
    from .wire.client import Client

_BRIEF: dict[str, object] = {"limit": 5000, "form": "brief", "numbered": True}
"""The fields of a request for the IDs of jobs, with the number that the next job gets."""

FIRST_PAUSE_S = 0.05
LAST_PAUSE_S = 10.0
"""The bounds of the pause between two tries, which doubles while a supervisor has no place for the wait."""

SUCCESSOR_WITHIN_S = 5.0
"""How long a wait allows for a new supervisor after the last one ended, as in a restart."""


AT_ONCE = 100_000
"""The most jobs that a wait names to a supervisor at a time, which has room for twice as many."""

MOST_WATCHED = 2 * AT_ONCE
"""The most unfinished jobs in a wait that ends with one of them, because the supervisor must know all."""

REPORT_EVERY_S = 0.2
"""The shortest time between two reports on a wait, in seconds."""

TICK_S = 0.5
"""How long a wait is silent, in seconds, before it repeats its last report for an estimate of the time left."""


class Report:
    """How far a wait is: how many of `total` jobs have `ended` in which way.

    `first` is the first job that ended, with how it ended. `first_failure` is the first that did not complete.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.ended: Ended = {}
        self.first: Sequence[str] | None = None
        self.first_failure: Sequence[str] | None = None

    def add(self, ids: Iterable[str], how: str) -> None:
        """Count jobs that have ended in this way."""
        for id in ids:
            self.ended[how] = self.ended.get(how, 0) + 1
            self.first = self.first or (id, how)
            if how != COMPLETED:
                self.first_failure = self.first_failure or (id, how)

    def with_reply(self, reply: Mapping[str, Any]) -> Report:
        """Return this report and the reply of a supervisor on other jobs together."""
        both = Report(self.total)
        both.ended = dict(self.ended)
        for how, count in reply["ended"].items():
            both.ended[how] = both.ended.get(how, 0) + count
        both.first = self.first or reply.get("first")
        both.first_failure = self.first_failure or reply.get("first_failure")
        return both


class Watch:
    """When a wait ends, and what it tells meanwhile.

    `until` is `all`, `first` for the first job that ends, or `failure` for the first that does not complete.
    `on_report` gets a report at the start, when jobs have ended, and from time to time.
    """

    def __init__(self, until: str = "all", on_report: Callable[[Report], None] | None = None) -> None:
        self.until = until
        self.is_needed = until != "all" or on_report is not None
        """Whether the wait needs more than one answer."""
        self.report = Report(0)
        self._on_report = on_report

    def note(self, report: Report) -> bool:
        """Take a report, and return whether the wait ends before all jobs have ended."""
        self.report = report
        self.tick()
        return {"first": report.first, "failure": report.first_failure}.get(self.until) is not None

    def tick(self) -> None:
        """Repeat the last report."""
        if self._on_report is not None:
            self._on_report(self.report)


class JobWait:
    """A wait for jobs. The timeout starts when you create the object."""

    def __init__(self, transport: Transport, timeout_s: float | None, watch: Watch | None = None) -> None:
        self._transport = transport
        self._end_s = None if timeout_s is None else time.monotonic() + timeout_s
        self._watch = watch or Watch()
        self._own_id = transport.home.job_inside(os.environ)
        """The job that this process belongs to: a wait for it would never end."""
        self._of_runs = False
        self._earlier = Report(0)
        """How jobs ended that the supervisor does not watch now."""

    def for_ids(self, ids: Sequence[str], lenient: bool = False) -> Ended | None:
        """Wait until these jobs finish, and return how many ended in which way, or None at the timeout.

        With `lenient`, count a job that does not exist as purged.

        Raises: InvalidInput, UnknownJob, NoSupervisor, Busy.
        """
        if self._own_id in ids:
            raise InvalidInput(what=f"job {self._own_id} cannot wait for itself")
        self._earlier.total += len(ids)
        is_over = self._watch.note(self._earlier)
        # A supervisor can find the first of all jobs only if it knows all of them.
        size = AT_ONCE if self._watch.until == "all" else max(1, len(ids))
        for start in range(0, len(ids), size):
            if is_over:
                break
            reply = self._for_portion(ids[start : start + size], lenient)
            if reply is None:
                return None
            self._earlier = self._earlier.with_reply(reply)
            is_over = self._watch.note(self._earlier)
        return self._earlier.ended

    def for_runs(self, ids: Sequence[str]) -> bool:
        """Wait until none of these jobs runs, and return whether the supervisor has said so.

        Otherwise no supervisor runs, it ended or is of an older version, or the timeout has passed.

        Raises: Busy.
        """
        self._of_runs = self._watch.is_needed = True
        self._earlier.total = len(ids)
        client = self._transport.connect()
        return client is not None and self._ended_with(client, ids, lenient=True)[0] is not None

    def _for_portion(self, ids: Sequence[str], lenient: bool) -> dict[str, Any] | None:
        """Return the last reply on these jobs, or None at the timeout.

        Raises: InvalidInput, UnknownJob, NoSupervisor, Busy.
        """
        pause_s, alone_from_s = FIRST_PAUSE_S, 0.0
        while True:
            client = self._transport.connect()
            if client is not None:
                reply, is_heard = self._ended_with(client, ids, lenient)
                alone_from_s = time.monotonic() + SUCCESSOR_WITHIN_S
                pause_s = pause_s if is_heard else FIRST_PAUSE_S
                if reply is None and is_heard and len(ids) > MOST_WATCHED and not self._is_late():
                    raise InvalidInput(what=f"a wait for one of many jobs can name at most {MOST_WATCHED}")
            else:
                reply = self._ended_alone(ids, lenient) if time.monotonic() >= alone_from_s else None
            if reply is not None or self._is_late():
                return reply
            left_s = self._left_s()
            time.sleep(pause_s if left_s is None else min(pause_s, left_s))
            pause_s = min(LAST_PAUSE_S, 2 * pause_s) if client is not None else FIRST_PAUSE_S

    def for_filter(self, state: str | Sequence[str] | None, wanted: Mapping[str, object]) -> Ended | None:
        """Wait for the jobs that match now, and return how many ended in which way, or None at the timeout.

        The result counts jobs that finished earlier, but not the job that this process belongs to. It is empty when
        no job matches.

        Raises: InvalidInput, UnknownJob, NoSupervisor, Busy.
        """
        if state is None and wanted.keys() == {"batch"} and self._watch.until == "all":
            return self._for_batch(wanted)
        states = STATES if state is None else state
        states = [states] if isinstance(states, str) else list(states)
        open_ids = self._open_ids([state for state in states if state not in FINAL_STATES], wanted)
        open_ids.pop(self._own_id or "", None)
        for final in (state for state in FINAL_STATES if state in states):
            for page in self._pages({"state": final, **wanted}):
                self._earlier.add((id for id in page["jobs"] if id not in open_ids), final)
        if self._is_late():
            return None
        self._earlier.total = sum(self._earlier.ended.values())
        return self.for_ids(list(open_ids), lenient=True)

    def _for_batch(self, wanted: Mapping[str, object]) -> Ended | None:
        """Wait for the jobs of a batch. Its counts have those that finished earlier, so that nobody lists them."""
        self._earlier.ended = self._ended_in(wanted)
        self._earlier.total = sum(self._earlier.ended.values())
        open_ids = self._open_ids(list(OPEN_STATES), wanted)
        open_ids.pop(self._own_id or "", None)
        seen = self.for_ids(list(open_ids), lenient=True)
        if seen is None:
            return None
        # A job may have ended between the counts and the list, and the queue may have forgotten another since.
        ended = self._ended_in(wanted)
        self._earlier.ended = {how: max(ended.get(how, 0), seen.get(how, 0)) for how in {**ended, **seen}}
        self._watch.note(self._earlier)
        return self._earlier.ended

    def _ended_in(self, wanted: Mapping[str, object]) -> Ended:
        """Return how many jobs of a batch have ended in which way, or nothing if there is no such batch."""
        try:
            counts = self._transport.ask("batch", name=wanted["batch"])["batch"]["counts"]
        except UnknownBatch:
            return {}
        return {state: counts[state] for state in FINAL_STATES if counts[state]}

    def _pages(self, wanted: Mapping[str, object]) -> Iterator[dict[str, Any]]:
        """Yield pages of the IDs of jobs that match, until the timeout."""
        for page in self._transport.pages("list", **{**_BRIEF, **wanted}):
            yield page
            if self._is_late():
                return

    def _open_ids(self, states: list[str], wanted: Mapping[str, object]) -> dict[str, None]:
        """Return the IDs of the jobs in these states that match.

        List them until a listing finds no new one: a job that moves between two pages can be missed.
        """
        ids: dict[str, None] = {}
        first_new: int | None = None
        while states and not self._is_late():
            found, pages = [], 0
            for page in self._pages({"state": states, **wanted}):
                found += [id for id in page["jobs"] if id not in ids]
                first_new = page.get("next_number") if first_new is None else first_new
                pages += 1
            found = self._older(found, first_new) if ids and first_new is not None else found
            ids.update(dict.fromkeys(found))
            if pages == 1 or not found:
                break
        return ids

    def _older(self, ids: list[str], number: int) -> list[str]:
        """Return those of these jobs that were added before the job of this number."""
        older = []
        for start in range(0, len(ids), MAX_JOBS):
            for page in self._transport.pages("kept", ids=ids[start : start + MAX_JOBS]):
                older += [job["id"] for job in page["jobs"] if job["number"] < number]
        return older

    def _ended_with(
        self, client: Client, ids: Sequence[str], lenient: bool
    ) -> tuple[dict[str, Any] | None, bool]:
        """Return the supervisor's answer or None, and False if the supervisor ended meanwhile.

        The answer is None when the supervisor ended, has no place for the wait, or the timeout passed.
        """
        is_watched = self._watch.is_needed
        try:
            for start in range(0, len(ids), WAIT_JOBS):
                portion, is_last = list(ids[start : start + WAIT_JOBS]), start + WAIT_JOBS >= len(ids)
                more = is_watched or not is_last
                client.send("wait", ids=portion, more=more, lenient=lenient, runs=self._of_runs)
                is_answer = is_last and not is_watched
                reply = client.receive(self._left_s() if is_answer else self._deadline_s())
                if "ended" in reply or self._is_late():
                    return _answered(reply), True
            return self._watched(client), True
        except Busy:
            if not self._is_late():
                raise
        except ConnectionError:
            return None, False
        except InvalidInput:
            if not is_watched or self._watch.until != "all":
                raise
            self._watch.is_needed = False  # the supervisor is of an older version, which tells only the end
            return None, False
        finally:
            client.close()
        return None, True

    def _deadline_s(self) -> float:
        """Return for how many seconds to wait for a reply that comes at once, unless the supervisor is stopped."""
        left_s = self._left_s()
        return self._transport.deadline_s if left_s is None else min(self._transport.deadline_s, left_s)

    def _watched(self, client: Client) -> dict[str, Any] | None:
        """Return the last report on the jobs that the supervisor knows now, or None as `_ended_with` does."""
        seen, next_s = -1, 0.0
        while True:
            time.sleep(max(0.0, min(next_s - time.monotonic(), self._left_s() or TICK_S)))
            client.send("wait-next", seen=seen)
            reply = self._next_report(client)
            if reply is None or self._watch.note(self._earlier.with_reply(reply)) or not reply["open"]:
                return reply
            next_s = time.monotonic() + REPORT_EVERY_S if seen >= 0 else 0.0
            seen = sum(reply["ended"].values())

    def _next_report(self, client: Client) -> dict[str, Any] | None:
        while True:
            left_s = self._left_s()
            try:
                return _answered(client.receive(TICK_S if left_s is None else min(TICK_S, left_s)))
            except OutcomeUnknown:  # no other job has ended
                if self._is_late():
                    return None
                self._watch.tick()

    def _ended_alone(self, ids: Sequence[str], lenient: bool) -> dict[str, Any] | None:
        """Return what a supervisor would answer, or None if one has started meanwhile.

        Raises: NoSupervisor.
        """
        report = Report(len(ids))
        for id in ids:
            state = self._state_of(id, lenient)
            if state not in OPEN_STATES:
                report.add((id,), state)
            elif self._watch.until == "all":
                break
        reply = {"ended": report.ended, "first": report.first, "first_failure": report.first_failure}
        is_over = self._watch.note(self._earlier.with_reply(reply))
        if is_over or sum(report.ended.values()) == len(ids):
            return reply
        if self._transport.ask("status")["supervisor"] is not None:
            return None
        raise NoSupervisor(home=self._transport.home.path)

    def _state_of(self, id: str, lenient: bool) -> str:
        try:
            return str(self._transport.ask("show", id=id)["job"]["state"])
        except UnknownJob:
            if not lenient:
                raise
            return "purged"

    def _is_late(self) -> bool:
        return self._end_s is not None and time.monotonic() >= self._end_s

    def _left_s(self) -> float | None:
        """Return the seconds until the timeout, at least 0.001, or None when there is no limit."""
        return None if self._end_s is None else max(0.001, self._end_s - time.monotonic())


def _answered(reply: dict[str, Any]) -> dict[str, Any] | None:
    """Return a reply, or None if the supervisor had no place for the wait, or has not heard all of it."""
    return None if reply.get("ended") is None else reply
