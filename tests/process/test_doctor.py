"""doctor: reports a sound home and finds damage; repair keeps everything readable and changes
nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable

import pytest

from tests.homes import CommandLine


def journal_file(queuectl: CommandLine) -> str:
    folder = os.path.join(queuectl.home, "journal")
    return os.path.join(folder, sorted(name for name in os.listdir(folder) if name.endswith(".log"))[-1])


def damage_event_of(queuectl: CommandLine, id: str, name: str) -> None:
    """Flip a bit in the command or at the end of the event of this name and job."""
    path = journal_file(queuectl)
    with open(path, "rb") as file:
        data = bytearray(file.read())
    at = data.index(f'["{name}","{id}"'.encode()) + len(f'["{name}","{id}"') + 2
    data[at] ^= 1
    with open(path, "wb") as file:
        file.write(data)


def fingerprint(folder: str) -> dict[str, str]:
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(place, name), "rb") as file:
                found[os.path.join(place, name)] = hashlib.sha256(file.read()).hexdigest()
    return found


def jobs_in(queuectl: CommandLine, home: str) -> dict[str, str]:
    return {job["id"]: job["state"] for job in json.loads(queuectl.ok("list", "--json", "--home", home))}


@pytest.fixture
def target(queuectl: CommandLine) -> str:
    return queuectl.home + "-rescued"


def test_doctor_reports_a_sound_home(queuectl: CommandLine) -> None:
    assert "does not exist yet" in queuectl.ok("doctor")
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")
    assert "DAMAGED" not in queuectl.ok("doctor")
    queuectl.ok("worker", "stop")
    assert "1 jobs, complete up to event" in queuectl.ok("doctor")
    assert all(finding["sound"] is not False for finding in queuectl.json("doctor"))


def test_a_folder_that_others_may_list_is_a_sound_home(queuectl: CommandLine) -> None:
    """For example, a new volume of a container has these permissions. Everything in it is private."""
    os.mkdir(queuectl.home, 0o755)
    queuectl.ok("enqueue", "--", "true")
    assert "private to you" in queuectl.ok("doctor")


def test_damage_is_refused_with_its_events_and_jobs(queuectl: CommandLine) -> None:
    for id in ("a", "b", "c"):
        queuectl.ok("enqueue", "--id", id, "--command", "true")
    damage_event_of(queuectl, "b", "enqueued")
    for words in (["status"], ["enqueue", "--command", "true"], ["worker", "start"]):
        output = queuectl.refused(1, *words)
        assert "events 2 to 2, of jobs b" in output and "doctor --repair" in output
    answer = queuectl("doctor")
    assert answer.status == 1 and "DAMAGED" in answer.out


def test_repair_keeps_the_rest_names_the_lost_and_changes_nothing(queuectl: CommandLine, target: str) -> None:
    for id in ("a", "b", "c"):
        queuectl.ok("enqueue", "--id", id, "--command", "true")
    queuectl.ok("config", "set", "max-retries", "7")
    damage_event_of(queuectl, "b", "enqueued")
    before = fingerprint(queuectl.home)
    output = queuectl.ok("doctor", "--repair", target)
    assert "recovered 2 jobs into the new home" in output and "lost: events 2 to 2" in output and "affected: b" in output
    assert fingerprint(queuectl.home) == before
    assert jobs_in(queuectl, target) == {"a": "pending", "c": "pending"}
    assert queuectl.ok("--home", target, "config", "get", "max-retries") == "7\n"
    assert queuectl("--home", target, "doctor").status == 0
    queuectl.ok("--home", target, "enqueue", "--id", "d", "--command", "true")


def test_repair_keeps_the_counters(queuectl: CommandLine, target: str) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")
    queuectl.ok("worker", "stop")  # a checkpoint
    queuectl.ok("enqueue", "--command", "true")
    before = [line for line in queuectl.ok("metrics").splitlines() if "_total{" in line]
    queuectl.ok("doctor", "--repair", target)
    after = [line for line in queuectl.ok("metrics", "--home", target).splitlines() if "_total{" in line]
    assert after == before and 'queuectl_jobs_enqueued_total{queue="default"} 2' in after


def test_repair_keeps_when_a_batch_ran(queuectl: CommandLine, target: str) -> None:
    queuectl.ok("enqueue", "--batch", "x", "--command", "true")
    queuectl.ok("worker", "start", "--burst", "--quiet")
    queuectl.ok("enqueue", "--batch", "x", "--command", "true")
    before = queuectl.ok("--json", "status", "--batch", "x")
    queuectl.ok("doctor", "--repair", target)
    after = queuectl.ok("--json", "status", "--batch", "x", "--home", target)
    assert json.loads(after)["batch"] == json.loads(before)["batch"]
    assert json.loads(after)["batch"]["started_at"] is not None


def test_a_completed_job_does_not_run_again_when_its_start_is_lost(
    queuectl: CommandLine, target: str
) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "echo precious")
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")
    os.kill(queuectl.supervisor_pid(), 9)
    queuectl.ok("enqueue", "--id", "b", "--command", "true")
    damage_event_of(queuectl, "a", "started")
    output = queuectl.ok("doctor", "--repair", target)
    # A run of more than 20 ms has a `located` event before its last event.
    assert re.search(r"affected: a: (it was pending at event (located|succeeded)|one of its events is damaged)", output)
    assert jobs_in(queuectl, target) == {"a": "completed", "b": "pending"}
    assert queuectl.ok("--home", target, "logs", "a") == "precious\n"


def test_a_store_that_is_garbage_is_rebuilt_from_the_journal(queuectl: CommandLine, target: str) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    with open(os.path.join(queuectl.home, "store", "jobs.db"), "wb") as file:
        file.write(b"garbage " * 1000)
    assert "SQLite says" in queuectl.refused(1, "status")
    assert queuectl("doctor").status == 1
    assert "affected: (store): " in queuectl.ok("doctor", "--repair", target)
    assert jobs_in(queuectl, target) == {"a": "pending"}


def test_repair_needs_a_new_home_and_no_supervisor(queuectl: CommandLine, target: str) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    os.mkdir(target)
    assert "already exists" in queuectl.refused(2, "doctor", "--repair", target)
    queuectl.ok("worker", "start")
    assert "stop the workers first" in queuectl.refused(75, "doctor", "--repair", target + "2")


@pytest.mark.parametrize(
    "break_it",
    [
        lambda path: os.chmod(path, 0o400),
        lambda path: (os.unlink(path), os.mkdir(path, 0o700)),
        lambda path: (os.unlink(path), os.symlink("/dev/null", path)),
    ],
    ids=["read-only", "a folder", "a link"],
)
def test_doctor_names_unexpected_files(queuectl: CommandLine, break_it: Callable[[str], object]) -> None:
    queuectl.ok("enqueue", "--command", "true")
    break_it(os.path.join(queuectl.home, "reserve"))
    answer = queuectl("doctor")
    assert answer.status in (1, 2) and "reserve" in answer.out + answer.err
