"""Past events: a cursor that survives restarts and kills, and the history of one job."""

from __future__ import annotations

import errno
import json
import os
import re
import select
from pathlib import Path

import pytest

from queuectl_core.errors import StorageFailed
from queuectl_core.home import Home
from queuectl_core.model.events import Purged
from queuectl_core.service.ledger import Ledger
from queuectl_core.storage import journal_reader
from queuectl_core.storage.journal import Journal, Known, recover
from queuectl_core.storage.journal_format import Frame
from queuectl_core.storage.journal_scanner import segment_paths
from queuectl_core.system import file_io
from tests.builders import Syncs
from tests.homes import CommandLine, until


def facts(queuectl: CommandLine, *words: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in queuectl.ok("events", *words).splitlines()]


def test_events_come_once_and_in_order_over_restarts_and_kills(queuectl: CommandLine) -> None:
    assert facts(queuectl) == []
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    seen = facts(queuectl, "--since", "0")
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")
    queuectl.kill_supervisor()
    queuectl.ok("worker", "start")
    queuectl.ok("worker", "stop")
    seen += facts(queuectl, "--since", str(seen[-1]["seq"]))
    assert [one["seq"] for one in seen] == list(range(1, len(seen) + 1))
    kinds = [one["event"] for one in seen if one["event"] != "located"]  # which happens only on a slow machine
    assert kinds == ["enqueued", "started", "succeeded"]
    assert seen[-1]["ending"]["exit_code"] == 0  # type: ignore[index]
    assert facts(queuectl, "--since", str(len(seen))) == []


def test_followed_events_appear_as_they_happen(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--command", "true")  # makes the home
    process = queuectl.popen("events", "--follow", stdout=-1, text=True)

    def follows() -> bool:
        queuectl.ok("enqueue", "--command", "true")  # again and again, until the follower has begun
        return bool(select.select([process.stdout], [], [], 0.2)[0])

    try:
        until(follows, lambda: "an event")
        line = json.loads(process.stdout.readline())
        assert line["event"] == "enqueued"
        queuectl.ok("worker", "start")
        assert json.loads(process.stdout.readline())["seq"] == line["seq"] + 1
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_cursor_of_removed_events_is_refused(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    folder = os.path.join(queuectl.home, "journal")
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")
    queuectl.ok("worker", "stop")
    opened = Ledger(Home(queuectl.home))
    opened.journal.rotate()
    opened.close()
    os.unlink(os.path.join(folder, sorted(os.listdir(folder))[0]))
    assert "no longer kept" in queuectl.refused(1, "events", "--since", "0")
    assert facts(queuectl) == []
    queuectl.refused(2, "events", "--since", "x")


def test_history_has_every_event_of_one_job(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--max-retries", "1", "--backoff-base", "0", "--command", "exit 1")
    queuectl.ok("enqueue", "--id", "other", "--command", "echo '\"a\"'")
    queuectl.ok("edit", "a", "--priority", "2")
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "dead")
    queuectl.ok("dlq", "retry", "a")
    queuectl.until_state("a", "dead")
    names = [one["event"] for one in queuectl.json("history", "a") if one["event"] != "located"]  # only of long runs
    lives = ["started", "failed", "started", "died"]
    assert names == ["enqueued", "edited", *lives, "retried", *lives]
    assert re.search(r"exit code 1; took \d+\.\d s, cpu ", queuectl.ok("history", "a"))
    queuectl.refused(1, "history", "nobody")


def test_attempts_record_processor_time_and_memory(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "a", "--command", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done")
    (attempt,) = queuectl.until_state("a", "completed")["history"]
    assert attempt["cpu_ms"] > 0 and attempt["peak_bytes"] > 100_000


def test_job_that_is_canceled_before_it_runs_has_a_history(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    queuectl.ok("cancel", "a")
    assert [one["event"] for one in queuectl.json("history", "a")] == ["enqueued", "canceled"]
    assert "canceled by hand" in queuectl.ok("history", "a")
    assert facts(queuectl)[-1]["ending"] is None


def test_gap_in_the_journal_is_reported(queuectl: CommandLine) -> None:
    from queuectl_core.errors import EventsExpired
    from queuectl_core.model.events import Purged
    folder = os.path.join(os.path.dirname(queuectl.home), "journal")
    os.mkdir(folder)
    opened = Journal.begin(folder, 1)
    for n in range(4):
        opened.append([Purged(f"job{n}", 1)])
        opened.rotate()
    opened.close()
    reader = journal_reader.read(folder, 0)
    assert next(reader)["seq"] == 1
    os.unlink(segment_paths(folder)[1])
    try:
        assert [one["seq"] for one in reader] == "refused"
    except EventsExpired as fault:
        assert fault.fields["after"] == 1


def a_journal(folder: Path, position: int = 0) -> Journal:
    frames: list[Frame] = []
    recovered = recover(str(folder), Known(position), frames.append)
    assert frames == []
    return Journal.open(recovered)


def test_events_are_printed_only_after_they_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a power cut could give its number to another event, which a reader would then miss."""
    opened = a_journal(tmp_path)
    segment = os.stat(segment_paths(str(tmp_path))[-1]).st_ino
    opened.append([Purged("a", 1)])
    syncs = Syncs(monkeypatch)
    facts = journal_reader.read(str(tmp_path), 0)
    assert next(facts)["id"] == "a" and syncs.inodes == [segment]
    opened.sync()
    opened.append([Purged("b", 2)])
    syncs.inodes.clear()
    assert [one["id"] for one in journal_reader.read(str(tmp_path), 0)] == ["a", "b"] and syncs.inodes == [segment]
    opened.sync()
    syncs.inodes.clear()
    assert list(journal_reader.read(str(tmp_path), 2)) == [] and syncs.inodes == []
    opened.close()


def test_event_that_cannot_be_synced_is_not_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = a_journal(tmp_path)
    opened.append([Purged("a", 1)])

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr(file_io, "fsync", fail)
    with pytest.raises(StorageFailed):
        list(journal_reader.read(str(tmp_path), 0))
    opened.close()


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list of the names of segments that are opened from now on."""
    seen: list[str] = []
    real = os.open

    def noted(path: str, *more: object, **named: object) -> int:
        if str(path).endswith(".log"):
            seen.append(os.path.basename(str(path)))
        return real(path, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", noted)
    return seen


def test_opening_and_reading_open_only_the_needed_segments(tmp_path: Path, opens: list[str]) -> None:
    opened = a_journal(tmp_path)
    for n in range(1, 41):
        opened.append([Purged(str(n), n)])
        opened.rotate()
    opened.close()
    opens.clear()
    assert len(list(journal_reader.read(str(tmp_path), 39))) == 1
    assert len(opens) <= 6, opens
    opens.clear()
    again = a_journal(tmp_path, 40)
    assert again.next_sequence == 41
    assert len(opens) <= 3, opens
    again.append([Purged("41", 41)])
    again.sync()
    again.free(41)
    again.close()
    assert len(segment_paths(str(tmp_path))) == 1


def test_a_stop_leaves_no_segment(queuectl: CommandLine) -> None:
    for _ in range(4):
        queuectl.ok("enqueue", "--", "true")
        queuectl.ok("worker", "start")
        queuectl.ok("worker", "stop")
    assert len(segment_paths(os.path.join(queuectl.home, "journal"))) == 1
