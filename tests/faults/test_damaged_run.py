"""A damaged file in `run/` costs only the run that it belongs to: queuectl sets it aside and
reports it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl_core.home import Home
from queuectl_core.model.attempt import AttemptResult
from queuectl_core.service import orphans
from queuectl_core.worker import messages
from queuectl_core.worker.messages import Result
from tests.golden import unpack_home
from tests.homes import CommandLine, short_folder

RESULT = Result("long", 12, AttemptResult("exit", 0, None, 1_800_000_000_000, 5))
WHOLE = messages.encode_report(None, [RESULT])
DAMAGED = [
    b"",
    b"\x00" * 40,
    b"\xff\xfe garbage",
    b"{}",
    b"[]",
    b"7",
    b'{"running": null, "results": [[1]]}',
    b'{"running": null, "results": 7}',
    WHOLE[:-30],
    WHOLE.replace(b'"exit", 0', b'"exit", 1'),
    b"[" * 100_000,
]


@pytest.fixture
def interrupted() -> Iterator[CommandLine]:
    """Return a home whose supervisor and worker were killed while the job `long` ran."""
    with short_folder() as folder:
        command_line = CommandLine(unpack_home("v1-sqlite", folder))
        yield command_line
        command_line.end()


def file_in_run(queuectl: CommandLine, ending: str) -> Path:
    (lock,) = Path(queuectl.home, "run").glob("*.lock")
    return lock.with_name(lock.name.replace(".lock", ending))


def assert_reported(queuectl: CommandLine) -> None:
    attempt = queuectl.job("long")["history"][-1]
    assert attempt["outcome"] == "worker-lost" and "its result is damaged" in attempt["reason"], attempt
    aside = file_names(queuectl, ".outcome.damaged")
    assert len(aside) == 1 and aside[0] in attempt["reason"]
    answer = queuectl("doctor")
    assert answer.status == 0 and aside[0] in answer.out, answer


def file_names(queuectl: CommandLine, ending: str) -> list[str]:
    return [name for name in os.listdir(os.path.join(queuectl.home, "run")) if name.endswith(ending)]


@pytest.mark.parametrize("content", DAMAGED, ids=range(len(DAMAGED)))
def test_damaged_result_is_set_aside_and_its_run_is_lost(interrupted: CommandLine, content: bytes) -> None:
    path = file_in_run(interrupted, ".outcome")
    path.write_bytes(content)
    path.chmod(0o600)
    answer = interrupted("doctor")
    assert answer.status == 1 and f"{path.name} is damaged" in answer.out, answer
    answer = interrupted("status")
    assert answer.status == 0 and answer.err.count("\n") == 1 and "its result is damaged" in answer.err, answer
    assert_reported(interrupted)
    assert interrupted("status").err == ""


def test_folder_in_place_of_a_result_is_set_aside(interrupted: CommandLine) -> None:
    path = file_in_run(interrupted, ".outcome")
    path.mkdir(0o700)
    Path(path, "inside").touch(0o600)
    interrupted.ok("list")
    assert_reported(interrupted)


def test_supervisor_starts_with_a_damaged_result_and_logs_it(interrupted: CommandLine) -> None:
    file_in_run(interrupted, ".outcome").write_bytes(b"garbage")
    interrupted.ok("worker", "start")
    interrupted.until_state("long", "completed")
    interrupted.ok("worker", "stop")
    log = Path(interrupted.home, "supervisor.log").read_text()
    assert "long: its worker was lost and its result is damaged" in log and "Traceback" not in log
    assert [attempt["outcome"] for attempt in interrupted.job("long")["history"]] == ["worker-lost", "exit"]


@pytest.mark.parametrize("ending", [".lock", ".tree", ".outcome", ".outcome.new", ".outcome.damaged", ".other"])
@pytest.mark.parametrize("kind", ["garbage", "folder", "minus one"])
def test_no_file_in_run_stops_a_command(interrupted: CommandLine, ending: str, kind: str) -> None:
    path = file_in_run(interrupted, ending)
    if path.exists():
        path.unlink()
    if kind == "folder":
        path.mkdir(0o700)
    else:
        path.write_bytes(b"\xff\x00" if kind == "garbage" else b"-1\n")
        path.chmod(0o600)
    for words in (["status"], ["list"], ["enqueue", "--", "true"], ["worker", "start"], ["status"], ["worker", "stop"]):
        answer = interrupted(*words)
        assert answer.status == 0 and "Traceback" not in answer.err, (words, answer)
        assert "directory" not in answer.err, (words, answer)
    assert interrupted.counts()["processing"] == 0


def test_complete_results_of_both_formats_are_taken(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "home"))
    home.prepare()
    for content in (WHOLE, WHOLE.partition(b"\n")[0]):
        Path(home.outcome("w1-a")).write_bytes(content)
        report = messages.read_report(home, "w1-a")
        assert report is not None and report.results == [RESULT]


def test_flipped_bit_never_turns_a_result_into_another() -> None:
    source = random.Random(1)
    for _ in range(2000):
        place, bit = source.randrange(len(WHOLE)), source.randrange(8)
        data = WHOLE[:place] + bytes([WHOLE[place] ^ 1 << bit]) + WHOLE[place + 1 :]
        try:
            assert messages.decode_report(data) == messages.decode_report(WHOLE), (place, bit)
        except ValueError:
            pass


@pytest.mark.parametrize("content", [b"", b"-1\n", b"0\n", b"1\n", b"+7\n", b"7 8\n", b"\xff\n", b"9" * 5000])
def test_an_invalid_pid_is_never_signalled(tmp_path: Path, content: bytes) -> None:
    home = Home(str(tmp_path / "home"))
    home.prepare()
    Path(home.worker_lock("w1-a")).write_bytes(content)
    assert orphans.pid_of(home, "w1-a") == 0
