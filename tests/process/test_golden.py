"""Homes of earlier versions list and run their jobs, and the previous version refuses a current
home.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.golden import FOLDER, unpack, unpack_home
from tests.homes import ROOT, CommandLine, short_folder

GOLDEN = sorted(path.name.partition(".")[0] for path in Path(FOLDER).glob("*.tar.gz"))
STATES = {
    "done": "completed",
    "dead": "dead",
    "failed": "failed",
    "long": "failed",
    "later": "pending",
    "after": "pending",
    "waits": "pending",
}


@pytest.fixture(params=GOLDEN)
def golden(request: pytest.FixtureRequest) -> Iterator[CommandLine]:
    """Return a command line of this version on a copy of a golden home."""
    with short_folder() as folder:
        command_line = CommandLine(unpack_home(request.param, folder))
        yield command_line
        command_line.end()


def test_there_are_golden_homes_of_every_format() -> None:
    assert set(GOLDEN) >= {"v1-sqlite", "v1-dumb", "v2-sqlite", "v2-dumb", "v3-sqlite", "v3-dumb"}


def test_golden_home_is_sound_and_complete(golden: CommandLine) -> None:
    golden.ok("doctor")
    assert {job["id"]: job["state"] for job in golden.json("list")} == STATES
    assert golden.job("long")["history"][-1]["reason"] == "its worker was lost"
    assert golden.job("after")["command"] == "echo 'ä€'"
    assert golden.job("later")["queue"] == "mail" and golden.job("later")["priority"] == 4
    assert golden.ok("logs", "done") == "the output of done\n"
    assert golden.ok("config", "get", "max-retries") == "2\n"
    (mail,) = [one for one in golden.json("queue", "list") if one["queue"] == "mail"]
    assert mail["limit"] == 3
    assert [one["schedule"] for one in golden.json("schedule", "list")] == ["nightly"]
    assert golden.ok("events", "--since", "0").count("\n") >= 19
    golden.ok("doctor")


def test_golden_home_runs_its_jobs(golden: CommandLine) -> None:
    golden.ok("worker", "start")
    golden.ok("enqueue", "--id", "new", "--", "echo", "new")
    for id in ("waits", "long", "new"):
        golden.until_state(id, "completed")
    golden.ok("worker", "stop")
    assert golden.ok("logs", "waits") == "waited\n"
    golden.ok("doctor")


# The previous version


@pytest.fixture(scope="module")
def previous_version() -> Iterator[str]:
    """Return the script of the last version that wrote the previous format, from the history."""
    folders = ("queuectl_core", os.path.join("queuectl_core", "storage"))
    paths = [os.path.join(folder, "journal_format.py") for folder in folders]
    log = ["git", "log", "-1", "-M", "-G^VERSION = [0-9]", "--format=%P", "--", *paths]
    try:
        parent = subprocess.run(log, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
        archive = ["git", "archive", parent, "queuectl.py", "queuectl_core"]
        packed = subprocess.run(archive, cwd=ROOT, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this checkout has no history with the previous version")
    with short_folder() as folder:
        unpack(packed, folder)
        yield os.path.join(folder, "queuectl.py")


def refused_by(script: str, home: str, *words: str) -> None:
    command = [sys.executable, script, "--home", home, *words]
    answer = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
    assert answer.returncode == 1 and answer.stdout == "", answer
    assert "a newer queuectl wrote" in answer.stderr and answer.stderr.count("\n") == 1, answer
    assert "damaged" not in answer.stderr and "repair" not in answer.stderr, answer


def assert_previous_version_refuses(script: str, home: str) -> None:
    for words in (["status"], ["list"], ["enqueue", "--", "true"], ["worker", "start"]):
        refused_by(script, home, *words)


@pytest.mark.parametrize("backend", ["sqlite", "dumb"])
def test_previous_version_refuses_a_current_home(queuectl: CommandLine, previous_version: str, backend: str) -> None:
    queuectl.environ["QUEUECTL_STORE"] = backend
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    assert_previous_version_refuses(previous_version, queuectl.home)
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")
    queuectl.ok("worker", "stop")
    assert_previous_version_refuses(previous_version, queuectl.home)
    assert queuectl.job("a")["state"] == "completed"


def test_previous_version_refuses_its_own_home_after_an_upgrade(
    golden: CommandLine, previous_version: str
) -> None:
    golden.ok("status")
    assert_previous_version_refuses(previous_version, golden.home)
