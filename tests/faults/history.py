"""History: what must hold for the history of a queue, whatever a test kills meanwhile.

The checks read `events`, `export`, and the marks that the jobs themselves leave, and nothing else.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

Event = dict[str, Any]

STEPS = {
    ("none", "enqueued"): "pending",
    ("pending", "started"): "processing",
    ("failed", "started"): "processing",
    ("processing", "succeeded"): "completed",
    ("processing", "failed"): "failed",
    ("processing", "died"): "dead",
    ("processing", "released"): "pending",
    ("processing", "canceled"): "dead",
    ("pending", "canceled"): "dead",
    ("failed", "canceled"): "dead",
    ("failed", "hastened"): "pending",
    ("dead", "retried"): "pending",
}
"""The state after each event. Any other event must not change the state."""

STAY = frozenset(("located", "edited", "hastened", "suspended", "continued", "cancel-asked", "unblocked"))


class Mark(NamedTuple):
    """One line of a job: `begin`, `end`, or `two` if the job already ran at that time."""

    what: str
    id: str
    version: str


def work(folder: str, version: str, body: str) -> str:
    """Return a command that leaves marks with `version` in `folder`."""
    marks, id = os.path.join(folder, "marks"), "$QUEUECTL_JOB_ID"
    guard = f"exec 8>>{folder}/held-{id}; flock -n -E 42 8; got=$?"
    meet = f'[ "$got" != 42 ] || {{ echo two {id} {version} >>{marks}; exit 0; }}; [ "$got" = 0 ] || exit 1'
    return f"{guard}; {meet}; echo begin {id} {version} >>{marks}; {body}; echo end {id} {version} >>{marks}"


def marks_in(folder: str) -> list[Mark]:
    with open(os.path.join(folder, "marks")) as file:
        return [Mark(*line.split()) for line in file]


def faults_of(
    events: Sequence[Event],
    exported: Sequence[Event],
    marks: Sequence[Mark],
    acknowledged: Iterable[str],
    seen: Sequence[Event],
) -> list[str]:
    """Return every contradiction in this history, or nothing if it can be right.

    `seen` holds the events that a reader saw at once. `acknowledged` holds the IDs
    whose enqueue succeeded.
    """
    states = {str(job["id"]): str(job["state"]) for job in exported}
    return [
        *(f"{id} was acknowledged and is missing" for id in acknowledged if id not in states),
        *gaps(events),
        *changed_since(events, seen),
        *wrong_states(events, states),
        *started_while_paused(events),
        *wrong_marks(events, marks),
    ]


def gaps(events: Sequence[Event]) -> list[str]:
    """Return the places where the sequence numbers do not increase by one."""
    pairs = zip(events, events[1:])
    return [f"{a['seq']} is followed by {b['seq']}" for a, b in pairs if b["seq"] != a["seq"] + 1]


def changed_since(events: Sequence[Event], seen: Sequence[Event]) -> list[str]:
    """Return the events that a reader saw and that have changed or disappeared since."""
    known = {event["seq"]: event for event in events}
    return [f"saw {one}, and now it is {known.get(one['seq'])}" for one in seen if known.get(one["seq"]) != one]


def wrong_states(events: Sequence[Event], states: dict[str, str]) -> list[str]:
    """Return the jobs with an invalid event, or with a last state that the export contradicts."""
    found, now = [], dict.fromkeys((str(event["id"]) for event in events if "id" in event), "none")
    for event in events:
        if "id" not in event:
            continue
        id, kind = str(event["id"]), str(event["event"])
        after = STEPS.get((now[id], kind))
        if after is None and (kind not in STAY or now[id] == "none"):
            found.append(f"{id} was {now[id]} at {kind} ({event['seq']})")
        now[id] = after or now[id]
    return [*found, *(f"{id} is {states.get(id)}, by its events {now[id]}" for id in now if now[id] != states.get(id))]


def started_while_paused(events: Sequence[Event]) -> list[str]:
    """Return the jobs that started while their queue was paused."""
    queues: dict[str, str] = {}
    paused: set[str] = set()
    found = []
    for event in events:
        if event["event"] == "queue-changed" and "paused_ms" in event["fields"]:
            (paused.add if event["fields"]["paused_ms"] else paused.discard)(event["name"])
        elif event["event"] == "enqueued":
            queues[event["id"]] = event["options"].get("queue", "default")
        elif event["event"] == "edited":
            queues[event["id"]] = event["fields"].get("queue", queues[event["id"]])
        elif event["event"] == "started" and paused & {"*", queues[event["id"]]}:
            found.append(f"{event['id']} started while {paused} was paused ({event['seq']})")
    return found


def wrong_marks(events: Sequence[Event], marks: Sequence[Mark]) -> list[str]:
    """Return the contradictions between events and marks.

    No job runs twice at once, or begins more often than it was started. Every success has an end mark,
    and every edit takes effect.
    """
    starts = Counter(event["id"] for event in events if event["event"] == "started")
    successes = Counter(event["id"] for event in events if event["event"] == "succeeded")
    begins = Counter(mark.id for mark in marks if mark.what == "begin")
    ends = Counter(mark.id for mark in marks if mark.what == "end")
    found = [f"{mark.id} ran twice at once" for mark in marks if mark.what == "two"]
    found += [f"{id} began {begins[id]} times, of {starts[id]} starts" for id in begins if begins[id] > starts[id]]
    found += [f"{id} ended {ends[id]} times, of {n} successes" for id, n in successes.items() if ends[id] < n]
    return found + _old_versions(events, marks)


def _old_versions(events: Sequence[Event], marks: Sequence[Mark]) -> list[str]:
    """Return the edited jobs whose last end mark does not have the version of the last edit."""
    wanted: dict[str, str] = {}
    for event in events:
        if event["event"] == "edited" and "command" in event["fields"]:
            wanted[event["id"]] = _version_of(event["fields"]["command"])
    last = {mark.id: mark.version for mark in marks if mark.what == "end"}
    return [f"{id} ran as {last.get(id)}, and was edited to {to}" for id, to in wanted.items() if last.get(id) != to]


def _version_of(command: str) -> str:
    """Return the version in the first mark that the command leaves."""
    words = command.split()
    return words[words.index("begin") + 2]
