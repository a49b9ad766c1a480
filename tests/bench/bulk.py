"""Bulk: jobs a second when a file of them is enqueued, all or none, including the sync."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tests.bench import floors
from tests.bench.contest import Bench, Contest, Readings, Turn
from tests.bench.homes import jobs_file, new_home, scratch, taken_s
from tests.bench.peers import libraries

FLOOR = "JSON read, written, synced"
_EACH_LINE = ["--print", "batch", "--each-line"]
SLOW_PEERS_PART = 10
"""Peers that commit each job separately get a tenth of the jobs, because the result is a rate."""


def contests(bench: Bench) -> Iterator[Contest]:
    jobs = bench.pick(500, 20_000, 100_000)
    with scratch(bench.folder) as folder:
        path = jobs_file(folder, jobs)
        turns: dict[str, Turn] = {
            FLOOR: lambda: {"jobs/s": jobs / floors.parse_and_sync_s(path, folder)},
            "queuectl, no supervisor": partial(_queuectl, bench, ["--file", path], jobs, None),
            "queuectl, supervisor": partial(_queuectl, bench, ["--file", path], jobs, 0),
            "queuectl, supervisor, a batch": partial(_queuectl, bench, [*_EACH_LINE, path, "--", "true {#}"], jobs, 0),
        }
        for peer in libraries.NAMES:
            part = jobs if peer == "litequeue" else jobs // SLOW_PEERS_PART
            how = "one transaction" if peer == "litequeue" else f"{part} jobs"
            title = f"{libraries.title(bench, peer)} ({how})"
            turns[title] = partial(libraries.drive, bench, peer, "bulk", jobs=part)
        yield Contest(f"bulk enqueue of {jobs}", FLOOR, turns)


def _queuectl(bench: Bench, words: list[str], jobs: int, workers: int | None) -> Readings:
    """Measure a call of the command line; no worker runs, because only the enqueue counts."""
    with new_home(bench.folder, workers) as home:
        taken = taken_s(home.words("enqueue", *words), home.environ)
        assert home.counts()["pending"] == jobs
    return {"jobs/s": jobs / taken}
