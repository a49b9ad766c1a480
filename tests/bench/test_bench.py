"""The smallest run of the benchmark suite, as real processes: each measure has a row for each
contender.

The tests check only the shape of the output, and no times.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import machine, proc
from tests.bench.contest import CannotTakePart, Contest, Readings, Row, run_contest
from tests.bench.table import markdown, text
from tests.homes import ROOT

RUN = os.path.join(ROOT, "tests", "bench", "run.py")
QUEUECTL_AND_FLOORS = {
    "bulk": ["JSON read, written, synced", "queuectl, no supervisor", "queuectl, supervisor"],
    "call": ["python3 -I -c pass", "queuectl enqueue, no supervisor", "queuectl status, supervisor"],
    "api": ["one append, synced", "queuectl, no worker", "queuectl, 2 workers run them"],
    "latency": ["posix_spawn", "queuectl"],
    "flat": ["an empty home", "300 waiting", "300 finished"],
    "responsive": ["a stream of jobs alone", "the same while 500 are enqueued"],
    "checkpoint": ["no backlog", "a backlog of 3000"],
    "soak": ["queuectl"],
}
LINE = re.compile(r"(?P<measure>\S.*?)  +(?P<contender>\S.*?)  +(?P<median>[\d.]+)  +[\d.]+ to [\d.]+  +(-|[\d.]+)")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Return a folder with `bin`, which has only the programs that the suite needs, so that it
    finds no peer.
    """
    (tmp_path / "bin").mkdir()
    for program in ("sh", "xargs", "true"):
        found = shutil.which(program)
        if found is None:
            pytest.skip(f"no {program} here")
        os.symlink(found, tmp_path / "bin" / program)
    return str(tmp_path)


def bench(folder: str, *words: str) -> str:
    environ = {**os.environ, "PATH": os.path.join(folder, "bin")}
    command = [sys.executable, RUN, "--size", "tiny", "--peers-folder", os.path.join(folder, "none"), *words]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def medians(table: str) -> dict[str, list[float]]:
    """Return the positive numbers of each contender."""
    found: dict[str, list[float]] = {}
    for match in map(LINE.fullmatch, table.splitlines()):
        if match:
            found.setdefault(match["contender"], []).append(float(match["median"]))
    return found


@pytest.mark.parametrize("name", QUEUECTL_AND_FLOORS)
def test_each_measure_has_a_row_for_each_contender(folder: str, name: str) -> None:
    found = medians(bench(folder, name))
    for contender in QUEUECTL_AND_FLOORS[name]:
        assert max(found[contender]) > 0


def test_dispatch_measures_each_number_of_workers_and_names_absent_peers(folder: str) -> None:
    output = bench(folder, "dispatch")
    for workers in ("1 worker", "2 workers", "4 workers", "8 workers"):
        for contender in ("xargs -P", "posix_spawn loops", "queuectl"):
            assert re.search(rf"^dispatch, {workers}: jobs/s +{contender} +[1-9][\d.]* ", output, re.MULTILINE)
    for peer in ("task-spooler", "GNU parallel", "nq", "huey", "persist-queue", "litequeue", "rq", "celery"):
        assert re.search(rf"^dispatch, 2 workers: jobs/s +{peer}.* not installed$", output, re.MULTILINE)


@pytest.mark.skipif(not proc.IS_THERE, reason="needs /proc")
def test_idle_counts_wake_ups_and_processor_time(folder: str) -> None:
    output = bench(folder, "idle")
    assert re.search(r"wake-ups a minute +queuectl +\d", output) and re.search(r"time a minute, ms +queuectl +\d", output)


def test_the_document_names_machine_versions_date_and_command(folder: str) -> None:
    path = os.path.join(folder, "measured.md")
    bench(folder, "api", "--rounds", "2", "--markdown", path)
    with open(path, encoding="utf-8") as file:
        output = file.read()
    for fact in ("date: 20", "machine: ", "kernel: ", "file system of the homes: ", "Python: CPython 3.", "2 rounds"):
        assert f"- {fact}" in output or fact == "2 rounds" and fact in output
    for peer in ("huey", "persist-queue", "litequeue", "rq", "celery", "redis", "task-spooler", "nq", "GNU parallel"):
        assert f"- {peer}: not installed" in output
    assert "- command: `python3 tests/bench/run.py --size tiny" in output
    assert "| queuectl, no worker | " in output and "| huey | not installed |" in output
    assert folder not in output


def test_list_names_every_measure_and_an_unknown_one_is_refused(folder: str) -> None:
    output = bench(folder, "--list")
    assert [line.split()[0] for line in output.splitlines()][-1] == "soak" and "dispatch " in output
    refused = subprocess.run([sys.executable, RUN, "despatch"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and "the measures are dispatch" in refused.stderr


def test_turns_alternate_and_an_absent_contender_has_one() -> None:
    order: list[str] = []

    def turn(name: str, value: float) -> Readings:
        order.append(name)
        return {"ms": value + len(order)}

    def absent() -> Readings:
        order.append("c")
        raise CannotTakePart("not installed")

    turns = {"a": lambda: turn("a", 1), "c": absent, "b": lambda: turn("b", 10)}
    rows = run_contest(Contest("x", "a", turns), rounds=2)
    assert order == ["a", "c", "b", "a", "b"]
    assert rows[0] == Row("x: ms", "a", [2, 5], 1.0) and rows[2] == Row("x: ms", "b", [13, 15], 14 / 3.5)
    assert rows[1] == Row("x", "c", [], None, "not installed")


def test_absent_contenders_are_listed_in_their_contest() -> None:
    rows = [Row("x: ms", "a", [2.0], 1.0), Row("x: MiB", "a", [3.0], 1.0), Row("x", "c", [], None, "not installed")]
    lines = text(rows).splitlines()
    assert [line.split()[1:3] for line in lines[1:]] == [["ms", "a"], ["ms", "c"], ["MiB", "a"]]
    assert "| c | not installed |" in markdown(rows, [("date", "today")])


def test_file_system_is_that_of_the_nearest_mount() -> None:
    if not proc.IS_THERE:
        pytest.skip("needs /proc")
    assert machine.filesystem("/proc/self") == "proc" and machine.filesystem("/") not in ("proc", "unknown")


@pytest.mark.parametrize(("program", "contender"), [("tsp", "task-spooler"), ("nq", "nq enqueue")])
def test_peer_on_the_path_takes_part(folder: str, program: str, contender: str) -> None:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"no {program} here")
    os.symlink(found, os.path.join(folder, "bin", program))
    assert re.search(rf"^one call: ms +{contender}.* [\d.]+ to ", bench(folder, "call"), re.MULTILINE)
