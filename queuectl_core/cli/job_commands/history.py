"""`queuectl history`: the events of one job."""

from __future__ import annotations

from ..screen import Screen

TYPE_CHECKING = False  # argparse is imported by the calls that need it
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from ...storage.journal_reader import Fact

SUMMARY = """Shows the events of one job that the journal still keeps, with time and details: exit code, duration,
processor time, memory. `queuectl show` always has all attempts."""
EXAMPLES = ["queuectl history job1", "queuectl history job1 --json"]


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="ID of the job")


def run(args: Namespace, screen: Screen) -> int:
    """Print the events of the job, and return the exit status."""
    from ...api import Queue
    from ...storage import journal_reader

    with Queue(args.home, notice=screen.note) as queue:
        job = queue.get(args.id)
        first = journal_reader.first_known(queue.home.journal)
        facts = list(journal_reader.read(queue.home.journal, first - 1, args.id))
    if screen.json:
        screen.value(facts)
        return 0
    screen.table(["SEQ", "AT", "EVENT", "WHAT"], [[one["seq"], one["at"], one["event"], _what(one)] for one in facts])
    if not facts or facts[0]["event"] != "enqueued":
        screen.note(f"older events are no longer kept; `queuectl show {job['id']}` lists all attempts")
    return 0


def _what(one: Fact) -> str:
    parts = []
    for name, value in one.items():
        if name == "ending" and value is not None:
            parts.append(_ended(value))
        elif name in ("worker", "reason", "by", "signal", "fields", "command") and value:
            parts.append(f"{value}" if name in ("worker", "reason", "command") else f"{name} {value}")
        elif name == "wall_ms" and value or (name == "due_ms" and value and not one.get("wall_ms")):
            from ...timestamps import utc

            parts.append(f"due {utc(value)}")
    return ", ".join(parts)


def _ended(ending: Fact) -> str:
    from ...timestamps import format_span

    how = f"exit {ending['exit_code']}" if ending["outcome"] == "exit" else str(ending["outcome"])
    found = f"{how} after {format_span(ending['duration_ms'])}"
    if ending["cpu_ms"] is not None:
        found += f" (cpu {format_span(ending['cpu_ms'])}, {ending['peak_bytes'] / 2**20:.1f} MiB)"
    return found
