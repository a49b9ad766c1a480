"""`queuectl history`: the events of one job."""

from __future__ import annotations

from ...api import Queue
from ...storage import journal_reader
from ...timestamps import format_span, utc
from ..fast_args import Arguments
from ..screen import Screen

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from ...storage.journal_reader import Fact

SUMMARY = """Shows the events of one job that the journal still keeps, with time and details: exit code, duration,
processor time, memory. `queuectl show` always has all attempts."""
EXAMPLES = ["queuectl history job1", "queuectl history job1 --json"]
OPTIONS = (("id", "ID", "ID of the job"),)


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print the events of the job."""
    queue.get(args.id)  # refuse an unknown job
    first = journal_reader.first_known(queue.home.journal)
    facts = list(journal_reader.read(queue.home.journal, first - 1, args.id))
    screen.records({"SEQ": "seq", "AT": "at", "EVENT": "event", "WHAT": _what}, facts)
    if not screen.json and (not facts or facts[0]["event"] != "enqueued"):
        screen.note(f"older events are no longer kept; `queuectl show {args.id}` lists all attempts")


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
