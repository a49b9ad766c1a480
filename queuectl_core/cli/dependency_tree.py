"""Dependency trees: jobs and the jobs that wait for them, as a text tree or as a Graphviz graph.

Pure. It knows what is kept of jobs, but neither a queue nor a terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..escapes import visible

if TYPE_CHECKING:
    from ..model.records import State

Jobs = dict[str, dict[str, Any]]
"""Jobs by ID, as `Queue.kept` yields them."""

_COLORS = {"completed": "palegreen", "dead": "salmon", "failed": "gold", "processing": "lightblue"}
"""The Graphviz color of each state; the others are white."""

BATCH = "batch "
"""What stands before the name of a batch in place of an ID, which has no space."""


def linked(jobs: Iterable[dict[str, Any]], fetch: Callable[[list[str]], Iterable[dict[str, Any]]]) -> Jobs:
    """Return the jobs that wait for others or that others wait for, in the order in which they were added.

    `jobs` yields all jobs, and `fetch` those with some IDs. Jobs without links, and long fields, need no memory.
    """
    found = {job["id"]: _brief(job) for job in jobs if after(job)}
    needed = dict.fromkeys(other for job in found.values() for other in after(job) if other not in found)
    found.update((job["id"], _brief(job)) for job in fetch(list(needed)))
    return {job["id"]: job for job in sorted(found.values(), key=lambda job: job["number"])}


def _brief(job: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a job that a tree or a graph needs."""
    given = job.get("options", {})
    options = {name: given[name] for name in ("name", "after", "after_batch") if name in given}
    kept = {name: job[name] for name in ("id", "number", "state")}
    return {**kept, "command": job["command"][:200], "options": options}


def after(job: dict[str, Any]) -> list[str]:
    """Return the IDs of the jobs, and the batches, that a job waits for or waited for."""
    options = job.get("options", {})
    return [*options.get("after", ()), *(BATCH + name for name in options.get("after_batch", ()))]


def as_job(name: str, counts: dict[State, int]) -> dict[str, Any]:
    """Return a batch as a job of a tree, with the state of its least finished jobs, and its counts as the command."""
    order: tuple[State, ...] = ("processing", "failed", "pending", "dead", "completed")
    states = [state for state in order if counts[state]]
    shown = ", ".join(f"{counts[state]} {state}" for state in states)
    return {"id": BATCH + name, "number": -1, "state": (states or ["completed"])[0], "command": shown}


def component(jobs: Jobs, *ids: str) -> Jobs:
    """Return the jobs that are linked to some jobs, in both directions and over any number of steps."""
    neighbors = _dependants(jobs)
    for job in jobs.values():
        neighbors.setdefault(job["id"], []).extend(_prerequisites(jobs, job["id"]))
    found, left = set(ids), list(ids)
    while left:
        new = [other for other in neighbors.get(left.pop(), ()) if other not in found]
        found.update(new)
        left += new
    return {other: job for other, job in jobs.items() if other in found}


def tree_lines(jobs: Jobs) -> Iterator[tuple[str, str, bool]]:
    """Yield the lines of the tree: its branches, the ID of a job, and whether the job is repeated.

    A job stands below each job that it waits for. What waits for it follows only the first time.
    """
    dependants = _dependants(jobs)
    seen: set[str] = set()
    # IDs that were used again can form a circle, which has no first job.
    starts = sorted(jobs, key=lambda id: bool(_prerequisites(jobs, id)))
    stack = [("", "", id) for id in reversed(starts)]
    while stack:
        branch, indent, id = stack.pop()
        if not branch and id in seen:
            continue
        yield branch, id, id in seen
        children = dependants.get(id, []) if id not in seen else []
        seen.add(id)
        for n, child in enumerate(reversed(children)):
            here, below = ("└── ", "    ") if n == 0 else ("├── ", "│   ")
            stack.append((indent + here, indent + below, child))


def dot_lines(jobs: Jobs) -> Iterator[str]:
    """Yield the lines of a graph in the DOT language of Graphviz."""
    yield "digraph queuectl {"
    yield "  node [shape=box, style=filled];"
    for id, job in jobs.items():
        label = _quoted(id, title_of(job)[:40], job["state"])
        yield f"  {_quoted(id)} [label={label}, fillcolor={_COLORS.get(job['state'], 'white')}];"
    for id in jobs:
        for other in _prerequisites(jobs, id):
            yield f"  {_quoted(other)} -> {_quoted(id)};"
    yield "}"


def title_of(job: dict[str, Any]) -> str:
    """Return the name of a job, or its command if it has none."""
    return str(job.get("options", {}).get("name") or job["command"])


def _prerequisites(jobs: Jobs, id: str) -> list[str]:
    """Return the jobs that a job waits for or waited for, without those that no longer exist."""
    return [other for other in after(jobs[id]) if other in jobs]


def _dependants(jobs: Jobs) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for id in jobs:
        for other in _prerequisites(jobs, id):
            found.setdefault(other, []).append(id)
    return found


def _quoted(*lines: str) -> str:
    """Return lines of text as one string of the DOT language."""
    shown = (visible(line.replace("\n", " ")) for line in lines)
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"') for line in shown)
    return '"' + "\\n".join(escaped) + '"'
