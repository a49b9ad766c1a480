"""Engine: decides what becomes of every command, and is the only place that changes a job.

    command --> handle --> Step(events, reply)        live: decide, then apply what was decided
    journal --> replay                                recovery: apply what was decided before

Both ways lead through `_apply` and the one transition table, so replaying the events gives exactly the live state.
Pure: no clock, no file, no random, no process; the time is handed in, and the table with its store.
The trap: `handle` must check everything before the first event, for a refused command changes nothing.
"""

from __future__ import annotations

import heapq
import signal
from typing import NamedTuple, Optional

from . import commands, events, retry
from .commands import Command
from .errors import Corrupt, DuplicateJob, NotDead, NothingToDo, RepeatedId, UnknownJob
from .events import Ending, Event
from .job import COMPLETED, DEAD, FAILED, MAX_HISTORY, PENDING, PROCESSING, Job, check_spec
from .jobtable import DUE, READY, JobTable, index_key
from .schedule import Entry, Window
from .settings import Settings, check_key, check_setting

TRANSITIONS: dict[type, tuple[tuple[str, ...], Optional[str]]] = {
    events.Started: ((PENDING, FAILED), PROCESSING),
    events.Located: ((PROCESSING,), PROCESSING),
    events.Succeeded: ((PROCESSING,), COMPLETED),
    events.Failed: ((PROCESSING,), FAILED),
    events.Died: ((PROCESSING,), DEAD),
    events.Released: ((PROCESSING,), PENDING),
    events.Retried: ((DEAD,), PENDING),
    events.Purged: ((DEAD,), None),
}
"""What may happen to a job in which states, and the state that it leads to (None: the job is gone). Enqueued makes
one.
"""

MAX_RIPE = 2048
"""So many failed jobs whose time has come are held in memory at once; the rest wait in the index."""

_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"


class Step(NamedTuple):
    """What a command led to. `reply` is the answer: ids, a count, the job dispatched, or None."""

    events: list[Event]
    reply: object


class Engine:
    def __init__(self, table: JobTable) -> None:
        self.table = table
        self.sequence = table.position
        """The sequence of the last event applied."""
        self._ready = Window(lambda size: table.scan(READY, size))
        self._due = Window(lambda size: table.scan(DUE, size))
        self._ripe: list[Entry] = []

    @property
    def settings(self) -> Settings:
        return Settings(self.table.settings)

    def handle(self, command: Command, now_ms: int) -> Step:
        """Decides, applies, and says what happened. Raises QueueError, with nothing changed, when it is refused."""
        happened, reply = _HANDLERS[type(command)](self, command, now_ms)
        for event in happened:
            self.sequence += 1
            self._apply(event)
        return Step(happened, reply)

    def replay(self, happened: list[Event], first_sequence: int) -> None:
        """Applies events of the journal; those that the table has already are skipped. Raises Corrupt for an
        impossible one.
        """
        for sequence, event in enumerate(happened, first_sequence):
            if sequence > self.sequence:
                self.sequence = sequence
                self._apply(event)

    def next_due_ms(self) -> int | None:
        """When, by the wall clock, the next failed job is to run again; None when none waits for a time."""
        due_ms = self._first_due_ms()
        return None if due_ms is None else due_ms + self.table.clock_shift_ms

    # Deciding

    def _enqueue(self, command: commands.Enqueue, now_ms: int) -> tuple[list[Event], object]:
        settings = self.settings
        max_retries, backoff_base = settings["max-retries"], settings["backoff-base"]
        number = self.table.next_number
        seen: set[str] = set()
        happened: list[Event] = []
        for index, raw in enumerate(command.specs):
            spec = check_spec(raw, index)
            id = spec.get("id") or new_id(now_ms, number)
            if id in seen:
                raise RepeatedId(id=id, index=index)
            if self.table.get(id) is not None:
                raise DuplicateJob(id=id, index=index)
            seen.add(id)
            happened.append(
                events.Enqueued(
                    id,
                    number,
                    now_ms,
                    spec["command"],
                    spec.get("cwd", command.cwd),
                    spec.get("max_retries", max_retries),
                    spec.get("backoff_base", backoff_base),
                )
            )
            number += 1
        return happened, [event.id for event in happened]

    def _retry_dead(self, command: commands.RetryDead, now_ms: int) -> tuple[list[Event], object]:
        ids = self._dead_ids(command.ids)
        return [events.Retried(id, now_ms) for id in ids], ids

    def _purge_dead(self, command: commands.PurgeDead, now_ms: int) -> tuple[list[Event], object]:
        ids = self._dead_ids(command.ids)
        return [events.Purged(id, now_ms) for id in ids], ids

    def _change_setting(self, command: commands.ChangeSetting, now_ms: int) -> tuple[list[Event], object]:
        check_key(command.key)
        if command.value is not None:
            check_setting(command.key, command.value)
        elif command.key not in self.table.settings:
            return [], None
        return [events.SettingChanged(command.key, command.value, now_ms)], None

    def lag_ms(self, now_ms: int) -> int:
        """By how much the wall clock is behind what it has been: it was set back while nobody looked, or has started
        anew with the machine. 0 when it is not.
        """
        return max(0, self.table.latest_ms - (now_ms - self.table.clock_shift_ms))

    def _shift_clock(self, command: commands.ShiftClock, now_ms: int) -> tuple[list[Event], object]:
        return [events.ClockShifted(self.table.clock_shift_ms + command.jump_ms, now_ms)], None

    def _dispatch(self, command: commands.Dispatch, now_ms: int) -> tuple[list[Event], object]:
        id = self._take_next(now_ms)
        if id is None:
            return [], None
        return [events.Started(id, now_ms, command.worker)], self.table.get(id)

    def _locate(self, command: commands.Locate, now_ms: int) -> tuple[list[Event], object]:
        job = self._run_of(command.id, command.run)
        if job is None:
            return [], None
        return [events.Located(job.id, command.began_ms, command.log_file, command.log_offset)], None

    def _finish(self, command: commands.Finish, now_ms: int) -> tuple[list[Event], object]:
        job = self._run_of(command.id, command.run)
        if job is None:
            return [], None
        ending = command.ending
        at_ms = min(now_ms, ending.ended_ms)  # it may have ended while nobody was there to note it
        if ending.outcome == "exit" and ending.exit_code == 0:
            return [events.Succeeded(job.id, at_ms, ending)], None
        if ending.outcome == "worker-lost" and job.losses + 1 >= retry.MAX_LOSSES:
            reason = f"its worker was lost {retry.MAX_LOSSES} times"
            return [events.Died(job.id, at_ms, ending, reason)], None
        if retry.is_spent(job.attempts, job.max_retries):
            return [events.Died(job.id, at_ms, ending, describe(ending))], None
        due_ms = now_ms - self.table.clock_shift_ms + retry.delay_ms(job.backoff_base, job.attempts)
        return [events.Failed(job.id, at_ms, ending, describe(ending), due_ms)], None

    def _release(self, command: commands.Release, now_ms: int) -> tuple[list[Event], object]:
        job = self._run_of(command.id, command.run)
        return ([] if job is None else [events.Released(job.id, now_ms, command.reason, command.begun)]), None

    def _run_of(self, id: str, run: int) -> Job | None:
        """The job, if this run of it is under way; a report that comes twice, or late, finds None."""
        job = self.table.get(id)
        return job if job is not None and job.state == PROCESSING and job.running()["run"] == run else None

    def _dead_ids(self, ids: list[str] | None) -> list[str]:
        """`ids`, each known to be dead and named once; all that are dead when None. Raises QueueError for the first
        that is not.
        """
        if ids is None:
            ids = [id for _, id in self.table.scan(DEAD, self.table.counts[DEAD])]
            if not ids:
                raise NothingToDo(what="the dead letter queue is empty")
            return ids
        ids = list(dict.fromkeys(ids))
        for id in ids:
            job = self.table.get(id)
            if job is None:
                raise UnknownJob(id=id)
            if job.state != DEAD:
                raise NotDead(id=id, state=job.state)
        return ids

    # Choosing what runs next

    def _take_next(self, now_ms: int) -> str | None:
        """The id of the oldest job that may run now, taken out of the windows."""
        self._ripen(now_ms - self.table.clock_shift_ms)
        ready = self._first_ready()
        ripe = self._ripe[0] if self._ripe else None
        if ripe is not None and (ready is None or ripe < ready):
            return heapq.heappop(self._ripe)[1]
        if ready is None:
            return None
        return self._ready.take()[1]

    def _first_due_ms(self) -> int | None:
        """As `Job.due_ms`: without the shifts of the clock."""
        while (entry := self._due.first()) is not None:
            if self._is_fresh(entry):
                return int(entry[0].split("/")[1])
            self._due.take()
        return None

    def _ripen(self, now_ms: int) -> None:
        """Moves failed jobs whose time has come among those that may run, where their age decides."""
        while self._ripe and not self._is_ripe(self._ripe[0], now_ms):
            _, id = heapq.heappop(self._ripe)
            job = self.table.get(id)
            if job is not None and job.state == FAILED:  # the clock went back a little
                self._due.add((index_key(job), id))
        while len(self._ripe) < MAX_RIPE:
            due_ms = self._first_due_ms()
            if due_ms is None or due_ms > now_ms:
                break
            key, id = self._due.take()
            heapq.heappush(self._ripe, (f"{READY}/{key.split('/')[2]}", id))

    def _first_ready(self) -> Entry | None:
        while (entry := self._ready.first()) is not None:
            if self._is_fresh(entry):
                return entry
            self._ready.take()
        return None

    def _is_fresh(self, entry: Entry) -> bool:
        job = self.table.get(entry[1])
        return job is not None and index_key(job) == entry[0]

    def _is_ripe(self, entry: Entry, now_ms: int) -> bool:
        job = self.table.get(entry[1])
        return (
            job is not None and job.state == FAILED and f"{READY}/{job.number:012}" == entry[0] and job.due_ms <= now_ms
        )

    # Applying

    def _apply(self, event: Event) -> None:
        kind = type(event)
        self.table.note_time(event.at_ms)
        if kind is events.SettingChanged:
            self._apply_setting(event)
        elif kind is events.ClockShifted:
            self.table.clock_shift_ms = event.shift_ms
        elif kind is events.Enqueued:
            self._apply_enqueued(event)
        else:
            self._apply_transition(event, kind)

    def _apply_setting(self, event: events.SettingChanged) -> None:
        if event.value is None:
            self.table.settings.pop(event.key, None)
        else:
            self.table.settings[event.key] = event.value

    def _apply_enqueued(self, event: events.Enqueued) -> None:
        if self.sequence <= self.table.ahead and self.table.get(event.id) is not None:
            return
        id, number, at_ms, command, cwd, max_retries, backoff_base = event
        job = Job(id, number, command, cwd, max_retries, backoff_base, at_ms, revision=self.sequence)
        self.table.add(job)
        self._ready.add(self.table.settle(job))

    def _apply_transition(self, event: Event, kind: type) -> None:
        sequence = self.sequence
        job = self.table.change(event.id, sequence) if sequence > self.table.ahead else self._stale_change(event.id)
        if job is None:
            if sequence <= self.table.ahead:
                return  # the store is past this event: the job has it already, or was purged later
            raise Corrupt(path=f"event {sequence}", why=f"{kind.__name__} for job {event.id}, which does not exist")
        allowed, state = TRANSITIONS[kind]
        if job.state not in allowed:
            raise Corrupt(path=f"event {sequence}", why=f"{kind.__name__} for job {event.id}, which is {job.state}")
        if state is None:
            self.table.remove(job.id, sequence)
            return
        job.revision = sequence
        _CHANGES[kind](job, event)
        job.state = state
        job.updated_ms = event.at_ms
        entry = self.table.settle(job)
        if state == PENDING:
            self._ready.add(entry)
        elif state == FAILED:
            self._due.add(entry)

    def _stale_change(self, id: str) -> Job | None:
        """While replay is behind what the store has: the job, unless its record has this event already."""
        job = self.table.get(id)
        return None if job is None or job.revision >= self.sequence else self.table.change(id, self.sequence)


def describe(ending: Ending) -> str:
    """Why an attempt counts as failed, in a clause: what `show` and `dlq list` say."""
    if ending.detail:
        return ending.detail
    if ending.outcome == "signal":
        return f"killed by {_signal_name(ending.signal)}"
    code = ending.exit_code
    if code == 127:
        return "command not found (exit code 127)"
    if code == 126:
        return "not executable (exit code 126)"
    if code is not None and code > 128 and _signal_name(code - 128) != f"signal {code - 128}":
        return f"exit code {code} ({_signal_name(code - 128)})"
    return f"exit code {code}"


def new_id(now_ms: int, number: int) -> str:
    """An id that sorts by time: the time (9 characters) and the job's number, in Crockford's base 32."""
    return _base32(now_ms, 9) + _base32(number, 5)


def _base32(value: int, width: int) -> str:
    digits = ""
    while value or len(digits) < width:
        value, digit = divmod(value, 32)
        digits = _BASE32[digit] + digits
    return digits


def _signal_name(number: int | None) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _start(job: Job, event: events.Started) -> None:
    job.attempts += 1
    job.due_ms = job.reason = None
    job.history = job.history[1 - MAX_HISTORY :]
    job.history.append(
        {
            "attempt": job.attempts,
            "run": job.revision,
            "worker": event.worker,
            "started_ms": event.at_ms,
        }
    )


def _locate(job: Job, event: events.Located) -> None:
    place = {"started_ms": event.at_ms, "log_file": event.log_file, "log_offset": event.log_offset}
    job.history[-1] = {**job.history[-1], **place}


def _end(job: Job, ending: Ending, reason: str | None) -> None:
    outcome, exit_code, number, ended_ms, duration_ms, log_file, log_offset, output_bytes, dropped_bytes, _ = ending
    job.history[-1] = {
        **job.history[-1],
        "started_ms": ended_ms - duration_ms,
        "outcome": outcome,
        "exit_code": exit_code,
        "signal": number,
        "ended_ms": ended_ms,
        "duration_ms": duration_ms,
        "log_file": log_file,
        "log_offset": log_offset,
        "output_bytes": output_bytes,
        "dropped_bytes": dropped_bytes,
        "reason": reason,
    }
    job.reason = reason


def _succeed(job: Job, event: events.Succeeded) -> None:
    _end(job, event.ending, None)


def _fail(job: Job, event: events.Failed) -> None:
    _end(job, event.ending, event.reason)
    job.losses += event.ending.outcome == "worker-lost"
    job.due_ms = event.due_ms


def _die(job: Job, event: events.Died) -> None:
    _end(job, event.ending, event.reason)


def _go_back(job: Job, event: events.Released) -> None:
    if event.begun:
        job.history[-1] = {**job.history[-1], "outcome": "released", "ended_ms": event.at_ms, "reason": event.reason}
    else:
        job.history = job.history[:-1]
    job.attempts -= 1


def _begin_again(job: Job, event: events.Retried) -> None:
    job.attempts = job.losses = 0
    job.reason = job.due_ms = None


_CHANGES = {
    events.Started: _start,
    events.Located: _locate,
    events.Succeeded: _succeed,
    events.Failed: _fail,
    events.Died: _die,
    events.Released: _go_back,
    events.Retried: _begin_again,
}

_HANDLERS = {
    commands.Enqueue: Engine._enqueue,
    commands.RetryDead: Engine._retry_dead,
    commands.PurgeDead: Engine._purge_dead,
    commands.ChangeSetting: Engine._change_setting,
    commands.ShiftClock: Engine._shift_clock,
    commands.Dispatch: Engine._dispatch,
    commands.Locate: Engine._locate,
    commands.Finish: Engine._finish,
    commands.Release: Engine._release,
}
