"""`queuectl history`: the events of jobs."""

from __future__ import annotations

from ...api import Queue
from ...storage import journal_reader
from ...timestamps import format_span, utc
from ..fast_args import Arguments
from ..filters import FILTERS, STATE, chosen_ids
from ..screen import Screen

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from ...storage.journal_reader import Fact

SUMMARY = """Shows the events of jobs that the journal still keeps, with time and details: exit code, duration,
processor time, memory. `queuectl show` always has all attempts."""
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
    columns = {"SEQ": "seq", "AT": "at", "JOB": "id", "EVENT": "event", "WHAT": _what}
    if len(ids) == 1:
        del columns["JOB"]
    screen.records(columns, facts)
    firsts = {fact["id"]: fact["event"] for fact in reversed(facts)}
    lacking = [id for id in ids if firsts.get(id) != "enqueued"]
    if lacking and not screen.json:
        screen.note(f"older events are no longer kept; `queuectl show {lacking[0]}` lists all attempts")


def _what(fact: Fact) -> str:
    parts = []
    for name, value in fact.items():
        if not value:
            continue
        if name == "ending":
            parts.append(_ended(value))
        elif name in ("worker", "reason", "command"):
            parts.append(f"{value}")
        elif name in ("by", "signal", "fields"):
            parts.append(f"{name} {value}")
        elif name == "wall_ms" or (name == "due_ms" and not fact.get("wall_ms")):
            parts.append(f"due {utc(value)}")
    return ", ".join(parts)


def _ended(ending: Fact) -> str:
    how = f"exit {ending['exit_code']}" if ending["outcome"] == "exit" else str(ending["outcome"])
    ended = f"{how} after {format_span(ending['duration_ms'])}"
    if ending["cpu_ms"] is not None:
        ended += f" (cpu {format_span(ending['cpu_ms'])}, {ending['peak_bytes'] / 2**20:.1f} MiB)"
    return ended
