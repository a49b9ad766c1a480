"""Actions: the changes of jobs that keys make, first as a preview, then done.

The meaning is that of the command of the same name, whose code selects and changes the jobs. Each step is one request,
so that a key can stop a change of a million jobs.

Invariant: a change never meets more jobs than its preview counted, and only those still in a suitable state.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ...api import PAGE_JOBS, Queue
from ...errors import NothingToDo, UnknownJob
from ...model.states import DEAD, FAILED, PENDING, PROCESSING
from ...view.top.state import Top
from ..job_commands.change import COMMANDS
from ..screen import counted
from .filter_words import arguments_of

if TYPE_CHECKING:
    from ...model.records import JobRecord
    from ..job_commands.change import Change

DLQ = "dlq"
SAMPLE = 20
_MAX_SHOWN_IDS = 50

VERBS: dict[str, tuple[str, Sequence[str]]] = {
    "cancel": ("canceled", (PENDING, FAILED, PROCESSING)),
    "retry": ("retried", (PENDING, FAILED, DEAD)),
    DLQ: ("retried", (DEAD,)),
    "suspend": ("suspended", (PROCESSING,)),
    "continue": ("continued", (PROCESSING,)),
    "edit": ("changed", (PENDING, FAILED, DEAD)),
}
"""The changes: the participle of each, and the states of the jobs that it can change when they are named."""


class Plan(NamedTuple):
    """A change of these jobs, ready to be asked for and done."""

    verb: str
    ids: Sequence[str]
    states: Sequence[str]
    options: dict[str, Any]
    sample: Sequence[str]
    command: str

    @property
    def done(self) -> str:
        """Return the participle of the change."""
        return VERBS[self.verb][0]

    @property
    def title(self) -> str:
        """Return the question."""
        verb = {DLQ: "retry", "edit": "change"}.get(self.verb, self.verb)
        behind = " and their dead dependants" if self.verb == DLQ else ""
        return f"{verb} {counted(len(self.ids))}{behind}?"


class Preview:
    """Finds the jobs of a change. Iterate over it, which gives the number so far; then it has a `plan`.

    Raises: QueueError.
    """

    def __init__(self, queue: Queue, top: Top, verb: str, extra: Sequence[str] = ()) -> None:
        """Prepare the change of the marked jobs, or of the one under the cursor. `extra` are options of the command.

        Raises: InvalidInput.
        """
        self._queue = queue
        self._top = top
        self._verb = verb
        self._extra = list(extra)
        self._command: Change = COMMANDS["retry" if verb == DLQ else verb]
        self.plan: Plan | None = None
        words = top.filter if top.marks_all else ()
        self._arguments = arguments_of([*words, *self._extra], self._command)
        self._options = dict(self._command.options(self._arguments))

    def __iter__(self) -> Iterator[int]:
        ids: list[str] = []
        if self._top.marks_all:
            states: Sequence[str] = self._states()
            for portion in self._matching(states):
                ids += portion
                yield len(ids)
        else:
            ids, states = self._named()
        if not ids:
            raise NothingToDo(what=f"no job here can be {VERBS[self._verb][0]}")
        line = self._line(ids)
        if self._verb == DLQ:
            ids = self._with_dependants(ids)
        self.plan = Plan(self._verb, ids, states, self._options, self._sample(ids), line)

    def _chosen(self) -> Any:
        arguments = self._arguments
        return self._command.chosen(arguments.replaced(state=DEAD) if self._verb == DLQ else arguments)

    def _states(self) -> list[str]:
        if self._verb == DLQ and DEAD not in (self._arguments.state or DEAD).split(","):
            return []
        return self._command.states_in(self._chosen())

    def _matching(self, states: Sequence[str]) -> Iterator[list[str]]:
        return self._queue.select(**{**self._chosen(), "state": list(states)}) if states else iter(())

    def _named(self) -> tuple[list[str], Sequence[str]]:
        """Return the marked jobs in a suitable state, or the job under the cursor."""
        chosen, states = self._top.chosen(), VERBS[self._verb][1]
        jobs = list(self._marked()) or ([chosen] if chosen is not None and not self._top.marks else [])
        return [job["id"] for job in jobs if job["state"] in states and self._can_change(job)], states

    def _marked(self) -> Iterator[JobRecord]:
        """Yield the marked jobs, also those that are too far down in the list to be read."""
        listed = {job["id"]: job for job in self._top.jobs}
        for id in self._top.marks:
            try:
                yield listed.get(id) or self._queue.get(id)
            except UnknownJob:  # it was removed meanwhile
                pass

    def _can_change(self, job: JobRecord) -> bool:
        if self._verb == "retry" and job["state"] == PENDING:
            return job["next_run_at"] is not None
        if self._verb in ("suspend", "continue"):
            return bool(job.get("suspended")) == (self._verb == "continue")
        return True

    def _with_dependants(self, ids: list[str]) -> list[str]:
        portions = (ids[start : start + PAGE_JOBS] for start in range(0, len(ids), PAGE_JOBS))
        return list(dict.fromkeys(id for part in portions for id in self._queue.preview_retry(part, lenient=True)))

    def _sample(self, ids: Sequence[str]) -> list[str]:
        known = {job["id"]: job for job in self._top.jobs}
        return [_said(id, known.get(id)) for id in ids[:SAMPLE]]

    def _line(self, ids: Sequence[str]) -> str:
        """Return the command line that does the same."""
        words = ["dlq", "retry", "--with-dependants"] if self._verb == DLQ else [self._verb]
        which: Sequence[str] = list(self._top.filter) or ["--all"]
        if self._verb == DLQ and "--state" in which:
            which = _without_state(which)
        if not self._top.marks_all:
            which = [*ids[:_MAX_SHOWN_IDS], *(["…"] if len(ids) > _MAX_SHOWN_IDS else [])]
        return "queuectl " + shlex.join([*words, *which, *self._extra]).replace("'…'", "…")


def _without_state(words: Sequence[str]) -> list[str]:
    at = words.index("--state")
    return [*words[:at], *words[at + 2 :]] or ["--all"]


def _said(id: str, job: JobRecord | None) -> str:
    return f"  {id}" if job is None else f"  {id}  {job['state']}  {job['command']}"


class Doing:
    """Makes a change. Iterate over it, which gives the number of jobs so far.

    Raises: QueueError.
    """

    def __init__(self, queue: Queue, plan: Plan) -> None:
        self._queue = queue
        self.plan = plan
        self.count = 0

    def __iter__(self) -> Iterator[int]:
        ids = list(self.plan.ids)
        for start in range(0, len(ids), PAGE_JOBS):
            self.count += self._change(ids[start : start + PAGE_JOBS])
            yield self.count

    def _change(self, ids: list[str]) -> int:
        plan = self.plan
        if plan.verb == DLQ:
            return self._queue.retry_dead(ids, lenient=True)
        return len(COMMANDS[plan.verb].change(self._queue, ids, lenient=True, states=plan.states, **plan.options))
