"""`queuectl graph`: which jobs wait for which others, as a tree or for Graphviz."""

from __future__ import annotations

from ...api import PAGE_JOBS, Queue
from ...errors import NothingToDo, UnknownBatch
from ..dependency_tree import BATCH, Jobs, after, as_job, component, dot_lines, linked, title_of, tree_lines
from ..fast_args import Arguments
from ..screen import Screen, visible

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

SUMMARY = """Shows which jobs wait for which others, with their states. A job is below each job or batch that it waits
for. (*) marks a job whose dependants are listed above. With an ID or a batch, shows only the jobs that are linked
to it."""
EXAMPLES = [
    "queuectl graph",
    "queuectl graph merge",
    "queuectl graph --batch parts",
    "queuectl graph --dot | dot -Tsvg > jobs.svg",
]
OPTIONS = (
    ("ids", "ID…", "show only the jobs that are linked to these"),
    ("--batch", "NAME", "show only the jobs that are linked to those of this batch"),
    ("--dot", "", "print a graph in the DOT language of Graphviz"),
)
ONCE = ("--batch",)


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print the graph."""
    jobs = _selected(queue, args.ids, args.batch)
    if screen.json:
        return screen.value([_facts(job) for id, job in jobs.items() if not id.startswith(BATCH)])
    if not jobs:
        raise NothingToDo(what="no job waits for another")
    if args.dot:
        return screen.line("\n".join(dot_lines(jobs)))
    repeats = 0
    for branch, id, is_repeated in tree_lines(jobs):
        repeats += is_repeated
        title = "(*)" if is_repeated else visible(title_of(jobs[id]))[:60]
        screen.line(f"{branch}{id}  ", screen.paint(jobs[id]["state"], jobs[id]["state"]), f"  {title}")
    if repeats and not screen.quiet:
        screen.note("(*) also stands above, with the jobs that wait for it")


def _facts(job: dict[str, Any]) -> dict[str, Any]:
    facts = {"id": job["id"], "state": job["state"], "after": [id for id in after(job) if not id.startswith(BATCH)]}
    batches = job.get("options", {}).get("after_batch")
    return {**facts, "after_batch": batches} if batches else facts


def _kept(queue: Queue) -> Iterator[dict[str, Any]]:
    return (job for page in queue.kept() for job in page)


def _named(queue: Queue, names: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the jobs with these IDs, and the existing batches as jobs."""
    for name in names:
        if name.startswith(BATCH):
            try:
                yield as_job(name[len(BATCH) :], queue.batch(name[len(BATCH) :])["counts"])
            except UnknownBatch:  # its last job was removed
                pass
    ids = [name for name in names if not name.startswith(BATCH)]
    parts = (ids[start : start + PAGE_JOBS] for start in range(0, len(ids), PAGE_JOBS))
    yield from (job for part in parts for page in queue.kept(part) for job in page)


def _selected(queue: Queue, ids: list[str], batch: str | None) -> Jobs:
    """Return the jobs that are linked to these or to a batch, or all linked jobs without both.

    Raises: UnknownJob, UnknownBatch.
    """
    for id in ids:
        queue.get(id)
    starts = list(ids)
    if batch is not None:
        queue.batch(batch)
        starts += [BATCH + batch, *(id for page in queue.select(batch=batch) for id in page)]
    jobs = linked(_kept(queue), lambda names: _named(queue, names))
    return component(jobs, *starts) if starts else jobs
