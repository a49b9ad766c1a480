"""Queue: what programs embed and the command line is made of: one object for one home.

    with Queue("/var/lib/me") as queue:
        id = queue.enqueue("make -C /src", max_retries=5)
        with queue.supervisor(workers=2):
            queue.wait([id])
        print(queue.get(id)["state"])

Every call goes to the supervisor if one runs, else it takes the writer lock for an instant and does the work itself;
the answers are the same. Calls may come from several threads, not at once. Knows where to ask, not how it is
answered. The trap: between the two ways lies a moment (a supervisor that starts or stops) in which neither works;
hence `_ask` tries again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from . import lockfile
from .client import Client, NotSent, connect
from .clock import now_ms
from .errors import Busy, InvalidInput, NoSupervisor, QueueError
from .home import NOT_ALLOWED, Home, default_path

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from typing import Any

    from .ledger import Ledger

    Record = dict[str, Any]
    """A job as `Job.record` gives it: id, command, state, attempts, max_retries, created_at, updated_at, history,
    …
    """

ANSWER_WITHIN_S = 30.0
CHANGED_LIMIT = 256
"""A call without a supervisor moves changed jobs into the store when there are more; else every call would replay
them.
"""

PART_JOBS = 2000
PART_BYTES = 1024 * 1024
_READ_ONLY_VERBS = ("show", "list", "status", "config-list")


class Queue:
    """`home` None: the one that the command line would use. `deadline_s`: how long an answer may take, in seconds.
    `notice` is told what a person should know of the home beside the answer, such as a torn tail that was set aside.
    """

    def __init__(
        self,
        home: str | os.PathLike[str] | None = None,
        deadline_s: float = ANSWER_WITHIN_S,
        notice: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.home = Home(os.fspath(home) if home is not None else default_path(dict(os.environ)))
        self.deadline_s = deadline_s
        self._notice = notice
        self._client: Client | None = None

    def __enter__(self) -> Queue:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def enqueue(self, command: str, **fields: object) -> str:
        """Adds one job; returns its id once it is durable. Fields: id, max_retries, backoff_base, cwd.

        Raises InvalidJob, DuplicateJob, DiskFull, Busy.
        """
        return self.enqueue_many([{"command": command, **fields}])[0]

    def enqueue_many(self, specs: Iterable[dict[str, object]], cwd: str | None = None) -> list[str]:
        """Adds all of these jobs or, when one is refused, none; returns their ids. `cwd` (default: this process's)
        is for those that name none.

        The error's field `index` says which one was refused, counted from 0.
        """
        specs = list(specs)
        if not specs:
            raise InvalidInput(what="there is no job to enqueue")
        reply = self._ask("enqueue", jobs=specs, cwd=cwd or _working_folder())
        if "ids" in reply:
            return reply["ids"]
        from .engine import new_id

        return [spec.get("id") or new_id(reply["at_ms"], reply["number"] + n) for n, spec in enumerate(specs)]

    def get(self, id: str) -> Record:
        """The job's record. Raises UnknownJob."""
        return self._ask("show", id=id)["job"]

    def list(self, state: str | None = None, limit: int = 0) -> Iterator[Record]:
        """Records of the jobs in `state` (or all), at most `limit` (0: no limit), page by page: alive first, then
        what is over, newest first. Raises InvalidInput for an unknown state."""
        cursor, left = None, limit
        while True:
            page = self._ask("list", state=state, next=cursor, limit=min(left, 500) if limit else 500)
            yield from page["jobs"]
            left -= len(page["jobs"])
            cursor = page["next"]
            if cursor is None or (limit and left <= 0):
                return

    def status(self) -> dict[str, Any]:
        """`counts` by state, `supervisor` (None when none runs) and `workers`."""
        return self._ask("status")

    def wait(self, ids: Sequence[str], timeout_s: float | None = None) -> bool:
        """Until all these jobs are completed or dead; False when `timeout_s` is over first. Raises UnknownJob,
        NoSupervisor.
        """
        from .job import FINAL_STATES

        end_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            client = connect(self.home.socket, self.deadline_s)  # its own, for the answer may be long in coming
            if client is None:
                if all(self.get(id)["state"] in FINAL_STATES for id in ids):
                    return True
                raise NoSupervisor(home=self.home.path)
            left_s = None if end_s is None else max(0.001, end_s - time.monotonic())
            try:
                client.send("wait", ids=list(ids))
                client.receive(left_s)
                return True
            except Busy:
                return False
            except ConnectionError:  # the supervisor has ended: look again who answers now
                if end_s is not None and time.monotonic() >= end_s:
                    return False
                time.sleep(0.05)
            finally:
                client.close()

    def retry_dead(self, ids: Sequence[str] | None = None) -> int:
        """Takes these jobs (None: all) out of the dead letter queue; how many. Raises UnknownJob, NotDead,
        NothingToDo.
        """
        return self._ask("dlq-retry", **_which(ids))["count"]

    def purge_dead(self, ids: Sequence[str] | None = None) -> int:
        """Removes these dead jobs (None: all) for good; how many. Raises UnknownJob, NotDead, NothingToDo."""
        return self._ask("dlq-purge", **_which(ids))["count"]

    def settings(self) -> dict[str, int | float]:
        """The config values that are set."""
        return self._ask("config-list")["values"]

    def configure(self, key: str, value: int | float | None) -> None:
        """Sets a config value; None unsets it. Raises InvalidSetting."""
        self._ask("config-set", key=key, value=value)

    def scale(self, count: int, add: bool = False) -> dict[str, int]:
        """Sets (or adds to) the number of workers of the running supervisor. Raises NoSupervisor."""
        return self._ask_supervisor("scale", count=count, add=add)

    def stop(self, now: bool = False) -> int:
        """Asks the running supervisor to stop, and does not wait for it: running jobs finish first or, with `now`,
        are ended and go back to pending. Its pid. Raises NoSupervisor, Busy.
        """
        return self._ask_supervisor("stop", now=now)["pid"]

    def leave(self) -> tuple[int, int]:
        """Makes the running supervisor end at once; its workers finish what they run, and leave it to be harvested.

        The supervisor's pid, and how many workers it had. Raises NoSupervisor.
        """
        reply = self._ask_supervisor("stop", leave=True)
        self.close()
        return reply["pid"], reply["workers"]

    @contextmanager
    def supervisor(self, workers: int = 1) -> Iterator[int]:
        """Runs a supervisor as a child process within the block; its pid. At the end running jobs finish first."""
        from .child import start_child, stop_child

        process = start_child(self.home, workers)
        try:
            yield process.pid
        finally:
            self.close()
            stop_child(process)

    def _ask(self, verb: str, **fields: object) -> dict[str, Any]:
        deadline_s = time.monotonic() + self.deadline_s
        while True:
            client = self._connected()
            reply = self._answer_locally(verb, fields) if client is None else self._answer_from(client, verb, fields)
            if reply is not None:
                return reply
            if time.monotonic() > deadline_s:
                raise Busy(what=f"{self.home.lock} is held, but nobody answers on {self.home.socket}")
            time.sleep(0.005)

    def _ask_supervisor(self, verb: str, **fields: object) -> dict[str, Any]:
        """What only a running supervisor can answer."""
        client = self._connected()
        reply = None if client is None else self._answer_from(client, verb, fields)
        if reply is None:
            raise NoSupervisor(home=self.home.path)
        return reply

    def _answer_from(self, client: Client, verb: str, fields: dict[str, object]) -> dict[str, Any] | None:
        """The supervisor's answer; None when it has ended, and the question may be asked again."""
        answered = False
        try:
            reply = _ask_in_parts(client, verb, fields)
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

    def _answer_locally(self, verb: str, fields: dict[str, object]) -> dict[str, Any] | None:
        """The answer, or None while somebody else holds the writer lock."""
        reads = verb in _READ_ONLY_VERBS
        if reads and not self.home.exists():
            return _answer_from_nothing(verb, fields)
        try:
            if not reads:
                self.home.prepare()
            lock = lockfile.acquire(self.home.lock)
        except OSError as fault:
            if reads and fault.errno in NOT_ALLOWED:
                return _answer_reading(self.home, verb, fields)
            raise self.home.failure(fault) from fault
        if lock is None:
            return None
        try:
            return _answer_with_lock(self.home, verb, fields, self._notice)
        except OSError as fault:
            raise self.home.failure(fault) from fault
        finally:
            os.close(lock)


def _answer_with_lock(
    home: Home, verb: str, fields: dict[str, object], notice: Callable[[str], None]
) -> dict[str, Any]:
    from . import adoption, verbs
    from .ledger import Ledger

    ledger = Ledger(home)
    if ledger.torn is not None:
        notice(ledger.torn.told())
    try:
        _harvest(home, ledger)
        reply = verbs.answer(ledger, {"verb": verb, **fields}, now_ms())
        if ledger.write():
            ledger.sync()
    except BaseException:
        ledger.close()
        raise
    try:
        # It is done, and synced. What fails from here on is for the next to see, and no answer to this request.
        adoption.sweep(home, {run.instance for run in adoption.find(ledger.table)})
        ledger.relieve(CHANGED_LIMIT)
        ledger.close()
    except (QueueError, OSError) as fault:
        notice(str(fault))
    return reply


def _harvest(home: Home, ledger: Ledger) -> None:
    """Decides what became of runs that are over."""
    from . import adoption

    for run in adoption.find(ledger.table):
        if not adoption.is_under_way(home, run):
            command = adoption.conclude(home, ledger.table.get(run.job_id), spared=None)
            if command is not None:
                ledger.decide(command, now_ms())


def _answer_reading(home: Home, verb: str, fields: dict[str, object]) -> dict[str, Any]:
    """The answer from a home on a read-only disk. What workers have left there is not harvested."""
    from . import verbs
    from .ledger import Ledger

    ledger = Ledger(home, read_only=True)
    try:
        return verbs.answer(ledger, {"verb": verb, **fields}, now_ms())
    finally:
        ledger.close()


def _answer_from_nothing(verb: str, fields: dict[str, object]) -> dict[str, Any]:
    """The answer of a home that does not exist; asking makes none."""
    from types import SimpleNamespace

    from . import verbs
    from .jobtable import JobTable
    from .stores.memory_store import MemoryStore

    return verbs.answer(SimpleNamespace(table=JobTable(MemoryStore())), {"verb": verb, **fields}, 0)


def _ask_in_parts(client: Client, verb: str, fields: dict[str, object]) -> dict[str, Any]:
    """Asks; a list of jobs too long for one message goes in parts, which count as one request."""
    jobs = fields.get("jobs")
    if isinstance(jobs, list) and len(jobs) > 1:
        parts = list(_parts(jobs))
        for part in parts[:-1]:
            client.ask(verb, jobs=part, cwd=fields["cwd"], more=True)
        return client.ask(verb, **{**fields, "jobs": parts[-1]})
    return client.ask(verb, **fields)


def _parts(jobs: list[dict[str, object]]) -> Iterator[list[dict[str, object]]]:
    part: list[dict[str, object]] = []
    size = 0
    for job in jobs:
        part.append(job)
        size += len(str(job.get("command", ""))) + 100 if isinstance(job, dict) else 100
        if len(part) == PART_JOBS or size >= PART_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _working_folder() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise InvalidInput(what="the folder you are in no longer exists; say where the job is to run (cwd)") from None


def _which(ids: Sequence[str] | None) -> dict[str, object]:
    return {"all": True} if ids is None else {"ids": list(ids)}
