#!/usr/bin/env python3
"""Measure queuectl, lower bounds and installed peers on the same work, in turns (A B A B), and print one table.

The table has the median, the spread, and the ratio to the reference. Absolute times drift on shared machines, so
compare the ratios.

    python3 tests/bench/run.py                        all measures but soak
    python3 tests/bench/run.py dispatch call          these
    python3 tests/bench/run.py --size full --with-peers --markdown measured.md
"""

from __future__ import annotations

import argparse
import importlib
import os
import shlex
import sys
import tempfile
from contextlib import closing

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT)

from tests.bench import machine, table  # noqa: E402
from tests.bench.contest import Bench, Row, run_contest  # noqa: E402
from tests.bench.peers import libraries, versions  # noqa: E402

MEASURES = {
    "dispatch": "jobs/s of `true`, from enqueue to last outcome, at 1, 2, 4 and 8 workers",
    "bulk": "jobs/s of a file of jobs",
    "call": "one call of the command line",
    "api": "one enqueue in a warm process",
    "latency": "from the enqueue to the command running, when idle",
    "flat": "everything with many jobs waiting or finished, against an empty home",
    "idle": "wake-ups and processor time of supervisor and workers",
    "responsive": "what others wait while a large file goes in",
    "checkpoint": "pauses between job starts while the store takes in a backlog",
    "soak": "very many jobs, with a restart and a kill -9; runs only when named",
}
ROUNDS = {"tiny": 1, "small": 3, "full": 5}


def main() -> int:
    args = parse_arguments()
    if args.list:
        print("\n".join(f"{name:12}{meaning}" for name, meaning in MEASURES.items()))
        return 0
    if args.with_peers:
        libraries.install(args.peers_folder)
    if machine.filesystem(args.folder) == "tmpfs":
        print(f"{args.folder} is memory, not a disk: nothing that syncs is measured truly there", file=sys.stderr)
    python = os.path.join(args.peers_folder, "bin", "python")
    bench = Bench(args.size, args.rounds or ROUNDS[args.size], os.path.abspath(args.folder), python, args.redis_fsync)
    rows = [row for name in args.names for row in measure(name, bench)]
    print(table.text(rows))
    if args.markdown:
        facts = [*machine.facts(bench.folder), *versions.facts(bench), ("command", command_line())]
        with open(args.markdown, "w", encoding="utf-8") as file:
            file.write(table.markdown(rows, [*facts, ("size", f"{bench.size}, {bench.rounds} rounds")]))
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to measure (default: all but soak; see --list)")
    parser.add_argument("--list", action="store_true", help="name the measures")
    parser.add_argument("--rounds", type=int, help="turns of each contender (default: 1, 3 or 5, by size)")
    parser.add_argument("--size", choices=ROUNDS, default="small", help="how much work a turn is (default small)")
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where the homes go; a real disk")
    parser.add_argument("--markdown", metavar="FILE", help="write the table there, with machine and versions")
    parser.add_argument("--with-peers", action="store_true", help="first install the peers' libraries, with pip")
    parser.add_argument("--peers-folder", default=os.path.join(ROOT, ".venv-peers"), help=argparse.SUPPRESS)
    parser.add_argument("--redis-fsync", choices=("everysec", "always"), default="everysec", help="when Redis syncs")
    args = parser.parse_args()
    unknown = [name for name in args.names if name not in MEASURES]
    if unknown:
        parser.error(f"there is no measure {unknown[0]!r}; the measures are {', '.join(MEASURES)}")
    args.names = args.names or [name for name in MEASURES if name != "soak"]
    return args


def measure(name: str, bench: Bench) -> list[Row]:
    """Return the rows of one measure; afterwards, its homes and processes are gone."""
    rounds = 1 if name == "soak" else bench.rounds
    with closing(importlib.import_module(f"tests.bench.{name}").contests(bench)) as contests:
        return [row for contest in contests for row in run_contest(contest, rounds)]


def command_line() -> str:
    """Return the command line as it was typed; a path of this machine becomes its last part."""
    words = [os.path.basename(word) if os.path.isabs(word) else word for word in sys.argv[1:]]
    return f"`python3 tests/bench/run.py {shlex.join(words)}`".replace(" `", "`")


if __name__ == "__main__":
    sys.exit(main())
