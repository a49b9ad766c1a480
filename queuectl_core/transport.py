"""Transport: asks the supervisor if one runs, else does the work in this process under the writer lock.

Knows how a request reaches an answer, not what it asks. Any number of threads, and a forked child, may use it: each
request has a connection of its own.

Warning: while a supervisor starts or stops, for a moment neither way works. So `ask` tries again.
Invariant: a request that may have been carried out is never sent again.
"""

from __future__ import annotations

import os
import time

from .errors import Busy, InvalidInput, NoSupervisor, OutcomeUnknown, ProtocolError, QueueError
from .home import Home
from .system.forks import no_fork
from .wire.client import SLOW_AFTER_S, Client, NotSent, connect
from .wire.protocol import FILTERS, NEEDS_SUPERVISOR, READ_ONLY, check_load

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeVar

    from .service.in_process import InProcess
    from .system.lockfile import Line

    Item = TypeVar("Item")

PART_JOBS = 1000
PART_CHARACTERS = 256 * 1024
"""The maximum size of a part. A character takes up to twelve bytes in a message, and a message has at most 4 MiB."""

FIRST_LOOK_S = 0.005
LOOK_EVERY_S = 0.1
"""The bounds of the time between two looks for a supervisor while a call waits for the writer lock."""

KEPT_CONNECTIONS = 4
"""The number of connections that stay open for the next requests."""


class Transport:
    """A client of one home, which asks the supervisor or does the work itself.

    `deadline_s` is how many seconds an answer may take. `notice` receives messages for people beside the answers.
    """

    def __init__(self, home: Home, deadline_s: float, notice: Callable[[str], None]) -> None:
        self.home = home
        self.deadline_s = deadline_s
        self.on_slow: Callable[[str], None] | None = None
        """Who hears, once, that an answer takes long."""
        self.is_alone = False
        """Whether the latest answer is from this process, because no supervisor runs."""
        self._notice = notice
        self._idle: list[Client] = []
        """The connections that no call uses now.

        A thread that takes one out of the list owns it, so there is no lock that a fork or a signal handler could
        find held.
        """

    def close(self) -> None:
        """Close the connections that are not in use."""
        for client in iter(self._pop_idle, None):
            client.close()

    def ask(self, verb: str, **fields: object) -> dict[str, Any]:
        """Ask the supervisor, or do the work in this process, and return the answer.

        Raises: Busy, NoSupervisor, and any error with which the request is refused.
        """
        self.is_alone = False
        reply = self._ask_supervisor(verb, fields)
        if reply is not None:  # the usual case, which needs neither a lock nor the code for one
            return reply
        if verb in NEEDS_SUPERVISOR:
            raise NoSupervisor(home=self.home.path)
        for line in self._tries():
            reply = self._ask_supervisor(verb, fields)
            if reply is None:
                reply = self._in_process(line).answer({"verb": verb, **fields})
                self.is_alone = reply is not None
            if reply is not None:
                return reply
        raise self._unanswered()

    def pages(self, verb: str, **fields: object) -> Iterator[dict[str, Any]]:
        """Yield the answers to a request, whose `next` asks for the page that follows.

        Raises: ProtocolError, and what `ask` raises.
        """
        cursor = None
        while True:
            page = self.page(verb, next=cursor, **fields)
            yield page
            cursor = page.get("next")  # an older supervisor may know no pages of this, and sends everything
            if cursor is None:
                return

    def page(self, verb: str, **fields: Any) -> dict[str, Any]:
        """Return one page of the answer to a request, whose `next` asks for the page that follows.

        Refuse an answer that does not confirm the conditions in `where`: an older supervisor ignores them. `batch` is
        one of them.

        Raises: InvalidInput, ProtocolError, and what `ask` raises.
        """
        if verb == "list":
            _check_filters(fields)
        if fields.get("batch") is not None:
            fields["where"] = {**(fields.get("where") or {}), "batch": fields.pop("batch")}
        page = self.ask(verb, **fields)
        if fields.get("where") and page.get("where") != sorted(fields["where"]):
            raise ProtocolError(what="the supervisor is too old for this filter; run `queuectl worker restart`")
        return page

    def load(self, requests: Iterator[dict[str, Any]], progress: Callable[[int], None]) -> list[str]:
        """Enqueue many jobs, in requests that are committed together, and return their IDs."""
        ids: list[str] = []
        self.is_alone = False

        def on_reply(reply: dict[str, Any]) -> None:
            ids.extend(reply["ids"])
            progress(len(ids))

        for line in self._tries():
            # Use a new connection: a kept one may be closed already, and parts cannot be sent twice.
            client = self.connect()
            if client is not None:
                try:
                    self._load_through(client, requests, on_reply)
                finally:
                    client.close()  # the supervisor drops a load that is not committed
                return ids
            # Read all before taking the lock: the source may be slow.
            requests = iter(list(requests))
            self.is_alone = self._in_process(line).converse(requests, on_reply)
            if self.is_alone:
                return ids
        raise self._unanswered()

    def _load_through(
        self, client: Client, requests: Iterator[dict[str, Any]], on_reply: Callable[[dict[str, Any]], None]
    ) -> None:
        """Send the requests of a load one ahead: the supervisor checks one part while the next is made."""
        request: dict[str, Any] = {"more": True}
        unanswered = 0
        try:
            for request in requests:
                client.send(deadline_ms=client.deadline_ms(), **request)
                unanswered += 1
                if unanswered > 1 or not request["more"]:
                    on_reply(client.receive(self.deadline_s))
                    unanswered -= 1
            for _ in range(unanswered):
                on_reply(client.receive(self.deadline_s))
        except (ConnectionError, OutcomeUnknown) as fault:
            ended = "the supervisor ended before it received all jobs"
            what = fault.fields["what"] if isinstance(fault, QueueError) else ended
            if request["more"] or isinstance(fault, NotSent):
                raise Busy(what=f"{what}; nothing was enqueued") from None
            raise _unknown("enqueue", request, str(what)) from None

    def _tries(self) -> Iterator[Line]:
        """Yield the place in the line for the writer lock, once for each try, until the deadline.

        The deadline moves on while the line moves. `wait_s` of the line is how long to wait before the next look at
        the socket.
        """
        with no_fork:
            from .system.lockfile import Line

        line, begun_s = Line(), time.monotonic()
        end_s = begun_s + self.deadline_s
        line.wait_s = FIRST_LOOK_S
        try:
            while True:
                yield line
                if self.on_slow is not None and time.monotonic() >= begun_s + SLOW_AFTER_S:
                    self._say_slow("another process is writing")
                left_s = end_s - time.monotonic()
                if left_s <= 0:
                    if not line.has_moved():
                        return
                    left_s, end_s = self.deadline_s, time.monotonic() + self.deadline_s
                line.wait_s = min(2 * line.wait_s, LOOK_EVERY_S, left_s)
        finally:
            line.leave()

    def _say_slow(self, why: str) -> None:
        """Say once why there is no answer yet."""
        on_slow, self.on_slow = self.on_slow, None
        if on_slow is not None:
            on_slow(f"{why}; waiting up to {self.deadline_s:g} s for {self.home.path}")

    def _unanswered(self) -> Busy:
        return Busy(what=f"{self.home.lock} is held, but nothing answers on {self.home.socket}")

    def _ask_supervisor(self, verb: str, fields: dict[str, object]) -> dict[str, Any] | None:
        """Return the supervisor's answer, or None if none runs, or if it ended and the request may be repeated."""
        client = self._connected()
        if client is None:
            return None
        is_in_order = False
        if self.on_slow is not None:
            client.on_slow = lambda: self._say_slow("the supervisor is busy")
        try:
            reply = client.ask(verb, deadline_ms=client.deadline_ms(), **fields)
            is_in_order = True
            return reply
        except ConnectionError as fault:
            if not isinstance(fault, NotSent) and verb not in READ_ONLY:
                raise _unknown(verb, fields, "the supervisor ended before it answered") from None
            self.close()  # the other open connections have ended too
            time.sleep(FIRST_LOOK_S)
            return None
        except OutcomeUnknown as silence:
            what = str(silence.fields["what"])
            raise (Busy(what=what) if verb in READ_ONLY else _unknown(verb, fields, what)) from None
        except QueueError as refusal:
            is_in_order = not isinstance(refusal, (Busy, ProtocolError))
            raise
        finally:
            if is_in_order and len(self._idle) < KEPT_CONNECTIONS:
                self._idle.append(client)
            else:
                client.close()

    def _connected(self) -> Client | None:
        for client in iter(self._pop_idle, None):
            # If the process differs, a fork without hooks has copied the connection.
            if client.pid == os.getpid():
                client.deadline_s = self.deadline_s
                return client
        return self.connect()

    def connect(self) -> Client | None:
        """Return a new connection to the supervisor, or None if none runs.

        Raises: BadHome, Busy.
        """
        return connect(self.home.socket, self.deadline_s) if self.home.exists() else None

    def _pop_idle(self) -> Client | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _in_process(self, line: Line) -> InProcess:
        with no_fork:
            from .service.in_process import InProcess

        return InProcess(self.home, line, self._notice)


_SHAPE_OF_LIST = ("next", "limit", "form", "numbered", "oldest_first", "explained")


def _check_filters(fields: Iterable[str]) -> None:
    """Refuse a list with a misspelled filter, which would otherwise have all jobs.

    Raises: InvalidInput.
    """
    unknown = next((name for name in fields if name not in FILTERS and name not in _SHAPE_OF_LIST), None)
    if unknown is not None:
        raise InvalidInput(what=f"unknown filter {unknown!r}; the filters are {', '.join(sorted(FILTERS))}")


def _unknown(verb: str, fields: dict[str, Any], what: str) -> OutcomeUnknown:
    done, look, more = "done", "`queuectl status` or `queuectl show`", ""
    if verb == "enqueue":
        jobs = [job for job in fields.get("jobs") or () if isinstance(job, dict)]
        id = jobs[0].get("id") if jobs else None
        done, look = "enqueued", "`queuectl list`"
        if id:
            look, more = f"`queuectl show {id}`", ", or repeat it safely with --on-conflict skip"
    return OutcomeUnknown(what=what, how=f"it was {done} or never will be; check with {look}{more}")


def load_requests(
    field: str, parts: Iterable[list[object]], fields: dict[str, object]
) -> Iterator[dict[str, Any]]:
    """Yield one request for each part; all but the last have `more` set.

    An endless source of jobs is refused before it fills the memory of a caller that keeps the requests.

    Raises: InvalidInput.
    """
    held = None
    count = 0
    for n, part in enumerate(parts):
        count += len(part)
        check_load(count)
        if held is not None:
            yield {**held, "more": True}
        held = {"verb": "enqueue", field: part, "part": n, **fields}
        for name in ("environ", "trace"):  # the first part has them
            fields.pop(name, None)
    if held is not None:
        yield {**held, "more": False}


def parts_of(jobs: Iterable[object]) -> Iterator[list[object]]:
    """Yield the jobs in parts that the supervisor checks fast enough to keep other clients from waiting."""
    return grouped(jobs, PART_JOBS, _characters_of)


def grouped(items: Iterable[Item], most: int, characters_of: Callable[[Item], int]) -> Iterator[list[Item]]:
    """Yield the items in groups of up to `most` items and PART_CHARACTERS characters, at least one item each."""
    group: list[Item] = []
    size = 0
    for item in items:
        more = characters_of(item)
        if group and (len(group) == most or size + more > PART_CHARACTERS):
            yield group
            group, size = [], 0
        group.append(item)
        size += more
    if group:
        yield group


def _characters_of(job: object) -> int:
    """Return about how many characters a job has, without its numbers."""
    return sum(map(_characters, job.values())) if isinstance(job, dict) else _characters(job)


def _characters(value: object) -> int:
    if isinstance(value, str):
        return len(value)
    return len(str(value)) if isinstance(value, (dict, list)) else 0
