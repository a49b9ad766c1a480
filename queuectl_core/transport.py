"""Transport: asks whoever answers for a home: the supervisor if one runs, else this process, which takes the writer
lock for an instant and does the work itself.

Knows how an answer is come by, not what is asked. Any number of threads may use it, and a forked
child: each request has
a connection to itself. The trap: between the two ways lies a moment (a supervisor that starts or stops) in which
neither works; hence `ask` tries again, but never what may have been done already.
"""

from __future__ import annotations

import os
import time

from .errors import Busy, NoSupervisor, OutcomeUnknown, ProtocolError, QueueError
from .home import Home
from .system.forks import no_fork
from .wire.client import Client, NotSent, connect

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from .system.lockfile import Line

PART_JOBS = 1000
PART_CHARACTERS = 256 * 1024
"""Each takes up to twelve bytes in a message, and a message 4 MiB."""

FIRST_LOOK_S = 0.005
LOOK_EVERY_S = 0.1
"""How often to look for a supervisor while waiting for the writer lock: more rarely each time."""

_READ_ONLY_VERBS = (
    "show",
    "kept",
    "list",
    "status",
    "why",
    "preview",
    "queue-list",
    "schedule-list",
    "sequence",
    "config-list",
)


_UNLESS_BEGUN = "if it has not started this request, it never will"

KEPT_CONNECTIONS = 4
"""So many stay open for the next requests."""


class Caller:
    def __init__(self, home: Home, deadline_s: float, notice: Callable[[str], None]) -> None:
        """`deadline_s`: how long an answer may take; `notice` is told what a person should know beside it."""
        self.home = home
        self.deadline_s = deadline_s
        self._notice = notice
        self._idle: list[Client] = []
        """Connections that nobody uses now. Whoever takes one out has it to himself: no lock is needed, which a fork
        or a signal handler could find held for ever.
        """

    def close(self) -> None:
        """Ends the connections that are not in use."""
        while self._idle:
            client = self._pop_idle()
            if client is not None:
                client.close()

    def ask(self, verb: str, **fields: object) -> dict[str, Any]:
        """The answer of whoever there is. Raises what it was refused with; Busy when nobody answers in time."""
        reply = self._ask_supervisor(verb, fields)
        if reply is not None:  # the usual case, which needs no lock, and loads no code for one
            return reply
        for line in self._tries():
            reply = self._ask_supervisor(verb, fields)
            if reply is None:
                reply = self._answer_locally(line, verb, fields)
            if reply is not None:
                return reply
        raise self._unanswered()

    def ask_supervisor(self, verb: str, **fields: object) -> dict[str, Any]:
        """What only a running supervisor can answer."""
        reply = self._ask_supervisor(verb, fields)
        if reply is None:
            raise NoSupervisor(home=self.home.path)
        return reply

    def _ask_supervisor(self, verb: str, fields: dict[str, object]) -> dict[str, Any] | None:
        """Return the supervisor's answer; None when none runs, or it has ended without a trace."""
        client = self._connected()
        return None if client is None else self._answer_from(client, verb, fields)

    def load(self, requests: Iterator[dict[str, Any]], progress: Callable[[int], None]) -> list[str]:
        """Many jobs, as requests that count as one."""
        ids: list[str] = []

        def hear(reply: dict[str, Any]) -> None:
            ids.extend(reply["ids"])
            progress(len(ids))

        for line in self._tries():
            client = self._connect()  # a kept one may have ended unnoticed, and parts cannot be sent twice
            if client is not None:
                try:
                    self._load_through(client, requests, hear)
                finally:
                    client.close()  # a load that was not committed comes to nothing
                return ids
            with no_fork:
                from .service import in_process

            requests = iter(list(requests))  # all of it, before the lock is taken: whoever writes the file may be slow
            if in_process.converse(self.home, line, requests, self._notice, hear):
                return ids
        raise self._unanswered()

    def _load_through(
        self, client: Client, requests: Iterator[dict[str, Any]], hear: Callable[[dict[str, Any]], None]
    ) -> None:
        """The supervisor checks one part while the next is made."""
        request: dict[str, Any] = {"more": True}
        unanswered = 0
        try:
            for request in requests:
                client.send(deadline_ms=client.deadline_ms(), **request)
                unanswered += 1
                if unanswered > 1 or not request["more"]:
                    hear(client.receive(self.deadline_s))
                    unanswered -= 1
            while unanswered:
                hear(client.receive(self.deadline_s))
                unanswered -= 1
        except (ConnectionError, OutcomeUnknown) as fault:
            ended = "the supervisor ended before it received all jobs"
            what = fault.fields["what"] if isinstance(fault, QueueError) else ended
            if request["more"] or isinstance(fault, NotSent):
                raise Busy(what=f"{what}; nothing was enqueued") from None
            raise _unknown("enqueue", request, str(what)) from None

    def _tries(self) -> Iterator[Line]:
        """Until the deadline, which is put off while the line for the writer lock moves: each time our place in that
        line, and how long to stand there before the next look at the socket.
        """
        with no_fork:
            from .system.lockfile import Line

        line, end_s = Line(), time.monotonic() + self.deadline_s
        line.wait_s = FIRST_LOOK_S
        try:
            while True:
                yield line
                left_s = end_s - time.monotonic()
                if left_s <= 0:
                    if not line.has_moved():
                        return
                    left_s, end_s = self.deadline_s, time.monotonic() + self.deadline_s
                line.wait_s = min(2 * line.wait_s, LOOK_EVERY_S, left_s)
        finally:
            line.leave()

    def _unanswered(self) -> Busy:
        return Busy(what=f"{self.home.lock} is held, but nothing answers on {self.home.socket}")

    def _answer_from(self, client: Client, verb: str, fields: dict[str, object]) -> dict[str, Any] | None:
        """The supervisor's answer; None when it has ended, and the question may be asked again."""
        is_in_order = False
        try:
            reply = client.ask(verb, deadline_ms=client.deadline_ms(), **fields)
            is_in_order = True
            return reply
        except ConnectionError as fault:
            if not isinstance(fault, NotSent) and verb not in _READ_ONLY_VERBS:
                raise _unknown(verb, fields, "the supervisor ended before it answered") from None
            self.close()  # what was kept has ended with it
            time.sleep(FIRST_LOOK_S)
            return None
        except OutcomeUnknown as silence:
            if verb in _READ_ONLY_VERBS:
                raise Busy(**{"what": silence.fields["what"]}) from None
            raise _unknown(verb, fields, f"{silence.fields['what']}; {_UNLESS_BEGUN}") from None
        except QueueError as refusal:
            is_in_order = not isinstance(refusal, (Busy, ProtocolError))
            raise
        finally:
            self._give_back(client, is_in_order)

    def _connected(self) -> Client | None:
        while self._idle:
            client = self._pop_idle()
            if client is not None and client.pid == os.getpid():  # else a fork that told nobody has copied it
                client.deadline_s = self.deadline_s
                return client
        return self._connect()

    def _connect(self) -> Client | None:
        return connect(self.home.socket, self.deadline_s) if self.home.exists() else None

    def _pop_idle(self) -> Client | None:
        try:
            return self._idle.pop()
        except IndexError:  # another thread was faster
            return None

    def _give_back(self, client: Client, is_in_order: bool) -> None:
        if is_in_order and len(self._idle) < KEPT_CONNECTIONS:
            self._idle.append(client)
        else:
            client.close()

    def _answer_locally(self, line: Line, verb: str, fields: dict[str, object]) -> dict[str, Any] | None:
        with no_fork:
            from .service import in_process

        return in_process.answer(self.home, line, {"verb": verb, **fields}, verb in _READ_ONLY_VERBS, self._notice)


def _unknown(verb: str, fields: dict[str, Any], what: str) -> OutcomeUnknown:
    if verb != "enqueue":
        look = "check with `queuectl status` or `queuectl show` before you repeat it"
        return OutcomeUnknown(what=what, how=f"{verb} may have been done; {look}")
    jobs = [job for job in fields.get("jobs") or () if isinstance(job, dict)]
    id = jobs[0].get("id") if jobs else None
    look = f"`queuectl show {id}`" if id else "`queuectl list`"
    safe = "repeat it safely with --on-conflict skip"
    how = f"it may have been enqueued; check with {look}, or {safe if id else f'if jobs have IDs, {safe}'}"
    return OutcomeUnknown(what=what, how=how)


def load_requests(field: str, parts: Iterable[list[object]], fields: dict[str, object]) -> Iterator[dict[str, Any]]:
    """One request a part; all but the last say that there is more."""
    held = None
    for n, part in enumerate(parts):
        if held is not None:
            yield {**held, "more": True}
        held = {"verb": "enqueue", field: part, "part": n, **fields}
    if held is not None:
        yield {**held, "more": False}


def parts_of(jobs: Iterable[object]) -> Iterator[list[object]]:
    """As many at a time as the supervisor checks without anybody having to wait for it."""
    part: list[object] = []
    size = 0
    for job in jobs:
        more = sum(map(_characters, job.values() if isinstance(job, dict) else (job,)))
        if part and (len(part) == PART_JOBS or size + more > PART_CHARACTERS):
            yield part
            part, size = [], 0
        part.append(job)
        size += more
    if part:
        yield part


def _characters(value: object) -> int:
    """About as many as a field of a job has, if it may have many."""
    if isinstance(value, str):
        return len(value)
    return len(str(value)) if isinstance(value, (dict, list)) else 0
