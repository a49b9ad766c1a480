"""`queuectl status`: the whole queue on one screen."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace

from ..api import Queue
from ..timestamps import from_utc, span
from .render import Screen

SUMMARY = "Shows how many jobs are in which state, whether a supervisor runs, and what each worker does since when."
EXAMPLES = ["queuectl status", "queuectl status --json"]


def add_arguments(parser: ArgumentParser) -> None:
    pass


def run(args: Namespace, screen: Screen) -> int:
    with Queue(args.home) as queue:
        status = queue.status()
    if screen.json:
        status.pop("ok", None)
        screen.value(status)
        return 0
    screen.line(_supervisor_line(status["supervisor"]))
    screen.line()
    for state, count in status["counts"].items():
        screen.line(f"{screen.paint(f'{state:12}', state)}{count:>8}")
    if status["workers"]:
        screen.line()
        rows = [
            [w["worker"], w["pid"], w["state"], w["job"], w["attempt"], _span_since(w["since"])]
            for w in status["workers"]
        ]
        screen.table(["WORKER", "PID", "STATE", "JOB", "ATTEMPT", "SINCE"], rows)
    return 0


def _span_since(at: str | None) -> str | None:
    return None if at is None else span(time.time_ns() // 1_000_000 - from_utc(at))


def _supervisor_line(supervisor: dict[str, object] | None) -> str:
    if supervisor is None:
        return "no supervisor runs; start one with `queuectl worker start`"
    return f"supervisor {supervisor['state']}, pid {supervisor['pid']}, since {supervisor['started_at']}"
