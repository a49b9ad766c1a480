"""What `events` says of a home whose journal is lost: not that nothing has happened."""

from __future__ import annotations

import os
import shutil

from tests.homes import CommandLine


def test_events_of_a_home_that_has_lost_its_journal_are_refused(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--command", "true")
    folder = os.path.join(queuectl.home, "journal")
    shutil.rmtree(folder)
    assert "journal" in queuectl.refused(1, "events", "--since", "0")
    os.mkdir(folder, 0o700)
    assert "it has no segment" in queuectl.refused(1, "events")


def test_events_of_a_home_that_cannot_be_used_are_refused(queuectl: CommandLine) -> None:
    with open(queuectl.home, "w"):
        assert "not a folder" in queuectl.refused(2, "events")
