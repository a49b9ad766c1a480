"""`queuectl doctor`: the examination of a home, and the repair of a damaged one."""

from __future__ import annotations

from ...api import Queue
from ...errors import InvalidInput
from ...home import Home
from ..fast_args import Arguments
from ..screen import Screen, visible

SUMMARY = """Checks the journal, store, logs, locks and processes of a home and changes nothing. With --repair, copies
what it can read into a new home and names each job that lost data."""
EXAMPLES = ["queuectl doctor", "queuectl doctor --repair /tmp/rescued", "queuectl --home /tmp/rescued list"]
OPTIONS = (("--repair", "DIR", "recover what can be read into a new home in DIR"),)


def run(queue: Queue, args: Arguments, screen: Screen) -> int:
    """Examine the home or repair it into a new one, and return the exit status."""
    if args.repair == "":
        raise InvalidInput(what="--repair needs a folder, which does not exist yet")
    return _examine(queue.home, screen) if args.repair is None else _repair(queue.home, args.repair, screen)


def _examine(home: Home, screen: Screen) -> int:
    from ...repair.doctor import examine

    findings = examine(home)
    if screen.json:
        screen.value([finding._asdict() for finding in findings])
    else:
        words = {
            True: screen.paint(f"{'sound':9}", "completed"),
            False: screen.paint(f"{'DAMAGED':9}", "dead"),
            None: f"{'note':9}",
        }
        for area, sound, text in findings:
            screen.line(f"{area:12}", words[sound], visible(text))
    return 1 if any(finding.sound is False for finding in findings) else 0


def _repair(home: Home, folder: str, screen: Screen) -> int:
    from ...repair.salvage import salvage

    kept, lost, affected = salvage(home, Home(folder))
    if screen.json:
        screen.value({"home": folder, "kept": kept, "lost_events": lost, "affected": affected})
        return 0
    screen.line(f"recovered {kept} jobs into the new home {folder}; the old home is unchanged")
    for first, last in lost:
        screen.line(f"lost: events {first} to {last}")
    for id, what in affected.items():
        screen.line(f"affected: {id}: {what}")
    return 0
