"""Lost homes: commands report the loss, and never an empty queue."""

from __future__ import annotations

import os
import shutil

from tests.homes import CommandLine


def test_events_refuse_a_home_without_its_journal(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--command", "true")
    folder = os.path.join(queuectl.home, "journal")
    shutil.rmtree(folder)
    assert "journal" in queuectl.refused(1, "events", "--since", "0")
    os.mkdir(folder, 0o700)
    assert "it has no segments" in queuectl.refused(1, "events")


def test_events_refuse_an_unusable_home(queuectl: CommandLine) -> None:
    with open(queuectl.home, "w"):
        assert "not a folder" in queuectl.refused(2, "events")


def test_events_stop_at_damage_and_report_it(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "first", "--command", "true")
    for id in ("second", "third", "fourth"):
        queuectl.ok("enqueue", "--id", id, "--command", "true")
    path = segment_of(queuectl)
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(data.replace(b"second", b"sekond"))
    answer = queuectl("events", "--since", "0")
    assert answer.status == 1 and "are unreadable" in answer.err
    assert '"first"' in answer.out and '"third"' not in answer.out


def test_events_refuse_a_segment_without_its_header(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--command", "true")
    os.truncate(segment_of(queuectl), 10)
    assert "header" in queuectl.refused(1, "events", "--since", "0")


def segment_of(queuectl: CommandLine) -> str:
    folder = os.path.join(queuectl.home, "journal")
    (name,) = os.listdir(folder)
    return os.path.join(folder, name)


def test_a_home_that_is_a_dangling_link_is_refused(queuectl: CommandLine) -> None:
    """Its disk may not be mounted."""
    os.symlink(f"{queuectl.home}.gone", queuectl.home)
    assert "it is a broken link" in queuectl.refused(2, "status")
