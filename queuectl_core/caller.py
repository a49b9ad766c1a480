"""Caller: asks whoever answers for a home: the supervisor if one runs, else this process, which takes the writer lock
for an instant and does the work itself.

Knows how an answer is come by, not what is asked. The trap: between the two ways lies a moment (a supervisor that
starts or stops) in which neither works; hence `ask` tries again, but never what may have been done already.
"""

from __future__ import annotations

import time

from .client import Client, NotSent, connect
from .errors import Busy, NoSupervisor, QueueError
from .home import Home
from .lockfile import Line

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

PART_JOBS = 1000
PART_CHARACTERS = 256 * 1024
"""Each takes up to twelve bytes in a message, and a message 4 MiB."""

FIRST_LOOK_S = 0.005
LOOK_EVERY_S = 0.1
"""How often to look for a supervisor while waiting for the writer lock: more rarely each time."""

_READ_ONLY_VERBS = (
    "show",
    "list",
    "status",
    "why",
    "preview",
    "queue-list",
    "schedule-list",
    "sequence",
    "config-list",
)


class Caller:
    def __init__(self, home: Home, deadline_s: float, notice: Callable[[str], None]) -> None:
        """`deadline_s`: how long an answer may take; `notice` is told what a person should know beside it."""
        self.home = home
        self.deadline_s = deadline_s
        self._notice = notice
        self._client: Client | None = None

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def ask(self, verb: str, **fields: object) -> dict[str, Any]:
        """The answer of whoever there is. Raises what it was refused with; Busy when nobody answers in time."""
        for line in self._tries():
            client = self._connected()
            if client is None:
                reply = self._answer_locally(line, verb, fields)
            else:
                reply = self._answer_from(client, verb, fields)
            if reply is not None:
                return reply
        raise self._unanswered()

    def ask_supervisor(self, verb: str, **fields: object) -> dict[str, Any]:
        """What only a running supervisor can answer."""
        client = self._connected()
        reply = None if client is None else self._answer_from(client, verb, fields)
        if reply is None:
            raise NoSupervisor(home=self.home.path)
        return reply

    def load(self, requests: Iterator[dict[str, object]], progress: Callable[[int], None]) -> list[str]:
        """Many jobs, as requests that count as one."""
        ids: list[str] = []

        def hear(reply: dict[str, Any]) -> None:
            ids.extend(reply["ids"])
            progress(len(ids))

        self.close()  # an old connection may have ended unnoticed, and parts cannot be sent twice
        for line in self._tries():
            client = self._connected()
            if client is not None:
                self._load_through(client, requests, hear)
                return ids
            from . import local

            requests = iter(list(requests))  # all of it, before the lock is taken: whoever writes the file may be slow
            if local.converse(self.home, line, requests, self._notice, hear):
                return ids
        raise self._unanswered()

    def _load_through(
        self, client: Client, requests: Iterator[dict[str, object]], hear: Callable[[dict[str, Any]], None]
    ) -> None:
        """The supervisor checks one part while the next is made."""
        committing, unanswered, done = False, 0, False
        try:
            for request in requests:
                committing = not request["more"]
                client.send(**request)
                unanswered += 1
                if unanswered > 1 or committing:
                    hear(client.receive(self.deadline_s))
                    unanswered -= 1
            while unanswered:
                hear(client.receive(self.deadline_s))
                unanswered -= 1
            done = True
        except ConnectionError:
            what = "whether they were enqueued is not known" if committing else "nothing was enqueued"
            raise Busy(what=f"the supervisor ended before it had all jobs; {what}") from None
        finally:
            if not done:
                self.close()  # what it has so far comes to nothing

    def _tries(self) -> Iterator[Line]:
        """Until the deadline, which is put off while the line for the writer lock moves: each time our place in that
        line, and how long to stand there before the next look at the socket.
        """
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
        return Busy(what=f"{self.home.lock} is held, but nobody answers on {self.home.socket}")

    def _answer_from(self, client: Client, verb: str, fields: dict[str, object]) -> dict[str, Any] | None:
        """The supervisor's answer; None when it has ended, and the question may be asked again."""
        answered = False
        try:
            reply = client.ask(verb, **fields)
            answered = True
            return reply
        except (NotSent, ConnectionError) as fault:
            if not isinstance(fault, NotSent) and verb not in _READ_ONLY_VERBS:
                what = f"the supervisor ended before it answered; whether {verb} was done is not known"
                raise Busy(what=what) from None
            return None
        except QueueError as refusal:
            answered = not isinstance(refusal, Busy)
            raise
        finally:
            if not answered:
                self.close()

    def _connected(self) -> Client | None:
        if self._client is None and self.home.exists():
            self._client = connect(self.home.socket, self.deadline_s)
        return self._client

    def _answer_locally(self, line: Line, verb: str, fields: dict[str, object]) -> dict[str, Any] | None:
        from . import local

        return local.answer(self.home, line, {"verb": verb, **fields}, verb in _READ_ONLY_VERBS, self._notice)


def load_requests(field: str, parts: Iterable[list[object]], fields: dict[str, object]) -> Iterator[dict[str, object]]:
    """One request a part; all but the last say that there is more."""
    held = None
    for n, part in enumerate(parts):
        if held is not None:
            yield {**held, "more": True}
        held = {"verb": "enqueue", field: part, "part": n, **fields}
    yield {**held, "more": False}


def parts_of(jobs: Iterable[object]) -> Iterator[list[object]]:
    """As many at a time as the supervisor checks without anybody having to wait for it."""
    part: list[object] = []
    size = 0
    for job in jobs:
        part.append(job)
        texts = job.values() if isinstance(job, dict) else (job,)
        size += sum(len(text) for text in texts if isinstance(text, str))
        if len(part) == PART_JOBS or size >= PART_CHARACTERS:
            yield part
            part, size = [], 0
    if part:
        yield part
