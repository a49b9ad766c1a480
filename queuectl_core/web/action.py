"""Action: one change of jobs, which a request names by their IDs or by a filter.

The meaning is that of the command of the same name, whose code selects and changes the jobs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..api import PAGE_JOBS
from ..cli.fast_args import Arguments
from ..cli.job_commands.change import COMMANDS, Change
from ..errors import InvalidInput
from ..model.states import DEAD
from ..wire.protocol import jobs_at_once
from . import command_words
from .context import Context
from .job_reads import count_of, matching
from .selection import Selection

if TYPE_CHECKING:
    from ..model.records import Chosen

RETRY_DEAD, MOVE = "dlq-retry", "move"
OPTIONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("retry", "rm", "suspend", "continue"), ()),
    "cancel": ("signal",),
    RETRY_DEAD: ("dependants", "fields"),
    MOVE: ("to",),
}
"""The verbs, and the options of each. There are no others."""

SAMPLE_IDS = 10
COUNTING_S = 2.0
"""How long a preview may count, in seconds."""

MAX_IDS = 5000


class Action:
    """One change of jobs.

    Raises: InvalidInput.
    """

    def __init__(self, context: Context, body: Mapping[str, Any]) -> None:
        self.context = context
        self.verb, self.options = verb_of(body)
        self.ids = None if body.get("ids") is None else ids_of(body["ids"])
        self._selection = Selection({} if self.ids else mapping(body.get("filter") or {}, "filter"))
        if not (self.ids or self._selection.words or self._selection.group or is_set(body, "all")):
            raise InvalidInput(what="name jobs by their IDs, use a filter, or set all")
        self._command: Change = COMMANDS["retry" if self.verb == RETRY_DEAD else self.verb]
        self._chosen: Chosen = {}
        self._states = [DEAD] if self.verb == RETRY_DEAD else list[str]()
        if self.ids is None:
            self._chosen = self._command.chosen(self._arguments())
            self._states = self._command.states_in(self._chosen)

    @property
    def said(self) -> str:
        """Return the change as a command line, for the log."""
        return self.command or f"{self.verb} of {len(self.ids or ())} jobs or one group of failures"

    @property
    def command(self) -> str | None:
        """Return the command line that does the same, or None if it would be too long."""
        return None if self._selection.group else self._command_for(self.ids)

    def _command_for(self, ids: list[str] | None) -> str | None:
        """Return the command line for jobs of these IDs, or for those of the filter."""
        if len(ids or ()) > command_words.MAX_IDS:
            return None
        verb, options = [self.verb], {**self.options}
        which = list(ids or self._selection.words or ["--all"])
        if self.verb == RETRY_DEAD:
            fields = options.pop("fields", None) or {}
            has_dependants = options.pop("dependants", None)
            verb = ["dlq", "retry", *(["--with-dependants"] if has_dependants else [])]
            options = fields
            which = list(ids or self._selection.words_without("state") or ["--all"])
        return self.context.command(command_words.for_jobs(verb, which, options))

    def preview(self) -> dict[str, Any]:
        """Return how many jobs the change would meet, and some of them."""
        if self.ids is not None:
            ids = self.ids
            if is_set(self.options, "dependants") and len(ids) <= PAGE_JOBS:
                ids = self.context.queue.preview_retry(ids, lenient=True)
            counted = {"count": len(ids), "sample": ids[:SAMPLE_IDS], "is_complete": True}
        elif self._selection.group:
            return self._group_preview()
        else:
            counted = self._counted()
        return {**counted, "command": self.command}

    def _group_preview(self) -> dict[str, Any]:
        """Return how many jobs a group has; the command line names them, unless they are too many."""
        ids, end_s, is_complete = list[str](), time.monotonic() + COUNTING_S, True
        for portion in self.portions():
            ids += portion
            if time.monotonic() > end_s:
                is_complete = False
                break
        command = self._command_for(ids) if ids and is_complete else None
        counted = {"count": len(ids), "sample": ids[:SAMPLE_IDS], "is_complete": is_complete}
        return {**counted, "command": command}

    def _counted(self) -> dict[str, Any]:
        """Return how many jobs the filter selects, as far as there is time, and some of them."""
        status = self.context.queue.status()
        known = count_of(self.context, self._wanted(), status)
        count, sample, end_s = 0, list[str](), time.monotonic() + COUNTING_S
        for portion in self.portions():
            count += len(portion)
            sample = sample or portion[:SAMPLE_IDS]
            if known is not None or time.monotonic() > end_s:
                return {
                    "count": count if known is None else known,
                    "sample": sample,
                    "is_complete": known is not None,
                }
        return {"count": count, "sample": sample, "is_complete": True}

    def portions(self) -> Iterator[list[str]]:
        """Yield the IDs of the jobs, in lists for one request each; named jobs in one list."""
        if self.ids is not None:
            yield self.ids
        elif self._states and self._selection.group is None:
            yield from self.context.queue.select(**self._wanted())
        elif self._states:
            yield from self._group()

    def apply(self, ids: list[str]) -> int:
        """Change these jobs, and return how many.

        One job that is named is refused if it is unsuitable.

        Raises: QueueError.
        """
        queue, is_lenient = self.context.queue, self.ids is None or len(ids) > 1
        if self.verb == RETRY_DEAD and (self.options or not is_lenient):
            size = jobs_at_once(self.options.get("fields"))
            parts = (ids[start : start + size] for start in range(0, len(ids), size))
            return sum(self._retry_dead(part, is_lenient) for part in parts)
        how: dict[str, Any] = {"lenient": is_lenient}
        if self._states:
            how["states"] = self._states
        if self.verb == "cancel":
            how.update(self._command.options(Arguments(signal=self.options.get("signal"))))
        return len(self._command.change(queue, ids, **how))

    def result(self, changed: int, of: int) -> dict[str, Any]:
        """Return what the change did in the end."""
        return {"changed": changed, "of": of, "is_done": True, "command": self.command}

    def _arguments(self) -> Arguments:
        arguments = self._selection.arguments
        is_dead = self.verb == RETRY_DEAD or self._selection.group is not None
        return arguments.replaced(state=DEAD) if is_dead else arguments

    def _wanted(self) -> Chosen:
        return {**self._chosen, "state": self._states}

    def _group(self) -> Iterator[list[str]]:
        """Yield the IDs of the jobs of a group of failures."""
        cursor = None
        while True:
            page = self.context.queue.page(cursor, **self._wanted())
            found = [job["id"] for job in matching(self._selection.group, page)]
            if found:
                yield found
            cursor = page["next"]
            if cursor is None:
                return

    def _retry_dead(self, ids: list[str], is_lenient: bool) -> int:
        """Retry these dead jobs; a lenient change leaves out those that are no longer dead."""
        fields, has_dependants = self.options.get("fields"), is_set(self.options, "dependants")
        return self.context.queue.retry_dead(
            ids, fields=fields, dependants=has_dependants, lenient=is_lenient
        )


def verb_of(body: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the verb of a request, and its options.

    Raises: InvalidInput.
    """
    verb, options = str(body.get("verb")), mapping(body.get("options") or {}, "options")
    if verb not in OPTIONS:
        raise InvalidInput(what=f"unknown verb {verb[:40]!r}; the verbs are {', '.join(OPTIONS)}")
    unknown = [name for name in options if name not in OPTIONS[verb]]
    if unknown:
        raise InvalidInput(what=f"{verb} has no option {unknown[0][:40]!r}")
    mapping(options.get("fields") or {}, "fields")
    if not isinstance(options.get("signal", ""), str):
        raise InvalidInput(what="signal must be text")
    return verb, options


def mapping(value: object, what: str) -> Mapping[str, Any]:
    """Return an object of a request.

    Raises: InvalidInput.
    """
    if not isinstance(value, dict):
        raise InvalidInput(what=f"{what} must be an object")
    return value


def is_set(body: Mapping[str, Any], name: str) -> bool:
    """Return whether a switch of a request is on."""
    return body.get(name) is True


def ids_of(value: object) -> list[str]:
    """Return the IDs in a request, each once.

    Raises: InvalidInput.
    """
    if (
        not isinstance(value, list)
        or not 0 < len(value) <= MAX_IDS
        or not all(isinstance(id, str) for id in value)
    ):
        raise InvalidInput(what=f"ids must be a list of 1 to {MAX_IDS} IDs")
    return list(dict.fromkeys(value))
