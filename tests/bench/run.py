#!/usr/bin/env python3
"""Measures queuectl against floors on the same work, in turns (A B A B), and prints one table: median, spread, and
the ratio to what it is compared with. Absolute times drift on shared machines; the ratios are what counts.

    python3 tests/bench/run.py [--rounds N] [--jobs N] [--workers N]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from tests.bench import dispatch  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default 5)")
    parser.add_argument("--jobs", type=int, default=2000, help="jobs a round (default 2000)")
    parser.add_argument("--workers", type=int, default=2, help="workers (default 2)")
    args = parser.parse_args()
    contenders = {"xargs -P": dispatch.xargs, "posix_spawn loops": dispatch.spawn_loops, "queuectl": dispatch.queuectl}
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(args.rounds):
        for name, measure in contenders.items():
            rates[name].append(args.jobs / measure(args.jobs, args.workers))
    base = statistics.median(rates["xargs -P"])
    print(f"dispatch of `true`, {args.workers} workers, {args.jobs} jobs, {args.rounds} rounds in turns")
    for name, values in rates.items():
        median = statistics.median(values)
        spread = f"{min(values):.0f} to {max(values):.0f}"
        print(f"{name:20} {median:8.0f} jobs/s   {spread:>14}   {median / base:5.2f} of xargs -P")


if __name__ == "__main__":
    main()
