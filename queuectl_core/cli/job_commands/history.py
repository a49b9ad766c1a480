"""`queuectl history`: the events of jobs."""

from __future__ import annotations

from ...api import Queue
from ...model.reasons import cause_of
from ...storage import journal_reader
from ...timestamps import format_span, utc
from ..fast_args import Arguments
from ..filters import FILTERS, STATE, chosen_ids
from ..screen import SECRET_FIELDS, Screen, shown

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...storage.journal_reader import Fact

SUMMARY = """Shows the events of jobs that the journal still keeps, each in words with its time. `queuectl show` always
has all attempts."""
EXAMPLES = ["queuectl history job1", "queuectl history job1 --json", "queuectl history --tag user=ann --ended-since 1h"]
OPTIONS = (("ids", "ID…", "IDs of the jobs"), STATE, *FILTERS)


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print the events of the jobs, oldest first.

    Raises: InvalidInput, NothingToDo, UnknownJob.
    """
    ids = chosen_ids(queue, args)
    for id in args.ids:
        queue.get(id)  # refuse an unknown job
    first = journal_reader.first_known(queue.home.journal)
    facts = list(journal_reader.read(queue.home.journal, first - 1, set(ids)))
    columns = {"SEQ": "seq", "AT": "at", "JOB": "id", "EVENT": event_name, "WHAT": event_words}
    if len(ids) == 1:
        del columns["JOB"]
    screen.records(columns, facts)
    firsts = {fact["id"]: fact["event"] for fact in reversed(facts)}
    lacking = [id for id in ids if firsts.get(id) != "enqueued"]
    if lacking and not screen.json:
        screen.note(f"older events are no longer kept; `queuectl show {lacking[0]}` lists all attempts")


def event_name(fact: Fact) -> str:
    """Return the name of an event. A job whose dependency ended died, although nobody canceled it."""
    is_dependant = fact["event"] == "canceled" and cause_of(fact["reason"]) != "canceled"
    return "died" if is_dependant else str(fact["event"])


def event_words(fact: Fact) -> str:
    """Return an event in words."""
    words = _WORDS.get(fact["event"])
    return "" if words is None else words(fact)


def _took(fact: Fact) -> str:
    """Return what a run took."""
    ending = fact["ending"]
    took = f"took {format_span(ending['duration_ms'])}"
    if ending["cpu_ms"] is not None:
        took += f", cpu {format_span(ending['cpu_ms'])}, {ending['peak_bytes'] / 2**20:.1f} MiB"
    return took


def _due(fact: Fact, sign: str = "; ") -> str:
    """Return when a job is due, if the event says so."""
    due_ms = fact.get("wall_ms") or fact.get("due_ms")
    return f"{sign}due {utc(due_ms)}" if due_ms else ""


def _waits(fact: Fact, sign: str = "; ") -> str:
    """Return which jobs a job waits for, if the event says so."""
    ids = fact.get("blockers") or fact.get("then")
    return f"{sign}waits for {', '.join(ids)}" if ids else ""


def _changed(fields: Mapping[str, object]) -> str:
    """Return the fields with their new values, apart from those that may hold secrets."""
    return " ".join(name if name in SECRET_FIELDS else f"{name}={shown(value)}" for name, value in fields.items())


_WORDS: dict[str, Callable[[Fact], str]] = {
    "enqueued": lambda fact: f"added: {fact['command']}{_waits(fact)}{_due(fact)}",
    "imported": lambda _: "added with its history from another home",
    "started": lambda fact: f"handed to worker {fact['worker']}",
    "located": lambda _: "runs longer than 20 ms; its output can be followed",
    "succeeded": lambda fact: f"completed; {_took(fact)}",
    "failed": lambda fact: f"attempt failed: {fact['reason']}; retry{_due(fact, ' ')}; {_took(fact)}",
    "died": lambda fact: f"failed for good: {fact['reason']}; {_took(fact)}",
    "snoozed": lambda fact: f"postponed itself: {fact['reason']}{_due(fact)}; {_took(fact)}",
    "released": lambda fact: f"pending again, attempt not counted: {fact['reason']}",
    "cancel-asked": lambda fact: f"canceled while it ran; its processes got signal {fact['signal']}",
    "canceled": lambda fact: f"moved to the dead letter queue: {fact['reason']}",
    "unblocked": lambda fact: f"no longer waits for {fact['by']}{_waits(fact)}",
    "hastened": lambda _: "made ready by `retry`, without the rest of its delay",
    "edited": lambda fact: f"changed: {_changed(fact['fields']) or 'its time'}{_due(fact)}",
    "moved": lambda _: "moved to another place in its queue",
    "suspended": lambda _: "suspended",
    "continued": lambda _: "continued",
    "retried": lambda fact: f"retried: its attempts count from 0 again{_waits(fact)}",
    "purged": lambda _: "removed for good",
}
"""Each event of a job in words."""
