"""Job: one command and all current facts about it.

Pure. Knows no storage and no clock; times are milliseconds since 1970, UTC. `job_spec` checks the requests for jobs.

Invariant: only the engine changes a Job, and it does so in place. A caller that needs one longer than the current turn
keeps `job.record()`.
"""

from __future__ import annotations

from ..timestamps import utc, utc_or_none
from . import attempt
from .job_spec import DEFAULT_QUEUE, MAX_PRIORITY
from .reasons import cause_of
from .states import COMPLETED, DEAD, FAILED, FINAL_STATES, PENDING, PROCESSING, STATES

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from .records import Attempt, JobRecord, Options, State, StoredJob

__all__ = ["COMPLETED", "DEAD", "FAILED", "FINAL_STATES", "PENDING", "PROCESSING", "STATES", "Job"]

MAX_HISTORY = 100
"""The number of attempts in a record; older ones are dropped, so that a record stays small."""

MAX_REASON = 1000
"""The maximum number of characters of the reason why an attempt failed; longer text is cut."""

NO_OPTIONS: Options = {}


class Job:
    """A job as it is now. The names give the units; `number` counts the jobs of this home by arrival.

    `options` has the fields of the request beyond the basic ones, as `job_spec` keeps them; it never changes in
    place. `blockers` are the jobs that it still waits for. `cancel` is the number of the signal that ends its run,
    from the cancel request to the end of the run. `place` is the place that a move gave it (see `engine.places`).
    `revision` is the sequence of the last event applied: with it, replay skips the events that a record of the store
    already has. `history` has one dict per attempt, newest last (see `transitions`).
    """

    __slots__ = (
        "id", "number", "command", "cwd", "state", "attempts", "max_retries", "backoff_base", "created_ms",
        "updated_ms", "due_ms", "losses", "reason", "history", "revision", "options", "blockers", "cancel",
        "suspended", "wall_ms", "place",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913  # one for each field
        self,
        id: str,
        number: int,
        command: str,
        cwd: str,
        max_retries: int,
        backoff_base: float,
        created_ms: int,
        state: State = PENDING,
        attempts: int = 0,
        updated_ms: int | None = None,
        due_ms: int | None = None,
        losses: int = 0,
        reason: str | None = None,
        history: list[Attempt] | None = None,
        revision: int = 0,
        options: Options = NO_OPTIONS,
        blockers: list[str] | None = None,
        cancel: int | None = None,
        suspended: bool = False,
        wall_ms: int | None = None,
        place: str | None = None,
    ) -> None:
        self.id = id
        self.number = number
        self.command = command
        self.cwd = cwd
        self.max_retries = max_retries
        self.backoff_base = backoff_base
        self.created_ms = created_ms
        self.state = state
        self.attempts = attempts
        self.updated_ms = created_ms if updated_ms is None else updated_ms
        self.due_ms = due_ms
        self.losses = losses
        self.reason = reason
        self.history = [] if history is None else history
        self.revision = revision
        self.options = options
        self.blockers = blockers or []
        self.cancel = cancel
        self.suspended = suspended
        self.wall_ms = wall_ms
        self.place = place

    @property
    def queue(self) -> str:
        """Return the name of the queue that the job belongs to."""
        return self.options.get("queue", DEFAULT_QUEUE)

    @property
    def rank(self) -> str:
        """Return the place among the jobs that could run now: by priority, higher first, then by number.

        Ranks sort as text. Without a priority, a rank is only the number. A move gives a job another place.
        """
        rank = rank_of(self.number, self.options.get("priority", 0))
        return rank if self.place is None else rank[:-12] + self.place

    def fields(self) -> StoredJob:
        """Return the fields by name for the store, without those that have the value of a new job.

        `Job(**job.fields())` is an equal job.
        """
        known: StoredJob = {
            "id": self.id,
            "number": self.number,
            "command": self.command,
            "cwd": self.cwd,
            "max_retries": self.max_retries,
            "backoff_base": self.backoff_base,
            "created_ms": self.created_ms,
            "revision": self.revision,
            "state": self.state,
        }
        if self.updated_ms != self.created_ms:
            known["updated_ms"] = self.updated_ms
        if self.due_ms is not None:
            known["due_ms"] = self.due_ms
        if self.wall_ms is not None:
            known["wall_ms"] = self.wall_ms
        if self.place is not None:
            known["place"] = self.place
        if self.options:
            known["options"] = self.options
            if self.blockers:
                known["blockers"] = self.blockers
        if self.state != PENDING or self.attempts or self.history:
            known["attempts"], known["history"] = self.attempts, self.history
            for name in ("losses", "reason", "cancel", "suspended"):
                value = getattr(self, name)
                if value:
                    known[name] = value
        return known

    def next_run_ms(self, clock_shift_ms: int) -> int | None:
        """Return when the job may run next, in ms by the wall clock, or None if it waits for no time."""
        if self.wall_ms is not None or self.due_ms is None:
            return self.wall_ms
        return self.due_ms + clock_shift_ms

    def running(self) -> Attempt:
        """Return the attempt that is running; only a processing job has one."""
        return self.history[-1]

    def record(self, clock_shift_ms: int = 0) -> JobRecord:
        """Return the job in the form for users (`--json` and the embedding API), with times as RFC 3339 text.

        The record has the options that were given, and always `queue` and `priority`. `due_ms` is kept without the
        jumps of the wall clock, so this adds `clock_shift_ms`, their sum. A time that a request gave, `wall_ms`, is
        shown unchanged.
        """
        known: JobRecord = {
            "id": self.id,
            "command": self.command,
            "state": self.state,
            "attempts": self.attempts,
            "max_retries": self.max_retries,
            "created_at": utc(self.created_ms),
            "updated_at": utc(self.updated_ms),
            "backoff_base": self.backoff_base,
            "cwd": self.cwd,
            "queue": DEFAULT_QUEUE,
            "priority": 0,
            **self.options,  # type: ignore[typeddict-item]  # no option has the name of a field of the record
            "next_run_at": utc_or_none(self.next_run_ms(clock_shift_ms)),
            "reason": self.reason,
            "worker": self.running()["worker"] if self.state == PROCESSING else None,
            "history": list(map(attempt.record_of, self.history)),
        }
        if "environ" in self.options:  # it can hold secrets
            del known["environ"]
            known["environment"] = "submit"
        if self.blockers:
            known["waits_for"] = self.blockers
        if self.state == PROCESSING and (self.suspended or self.cancel):
            known["suspended"], known["canceled"] = self.suspended, bool(self.cancel)
        if self.state == DEAD:
            known["cause"] = cause_of(self.reason)
        return known


def rank_of(number: int, priority: int) -> str:
    """Return the rank of a job with this number and priority (`Job.rank`).

    The signs before the digits sort as `+` < `0` to `9` < `:`.
    """
    if not priority:
        return f"{number:012}"
    return f"+{MAX_PRIORITY - priority:03}/{number:012}" if priority > 0 else f":{-priority:03}/{number:012}"
