"""Lost, damaged, or foreign files in a home: every command and `doctor` report them with the same
message.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl_core.errors import Corrupt, QueueError
from queuectl_core.home import Home
from queuectl_core.model import commands
from queuectl_core.repair import doctor, salvage
from queuectl_core.service.ledger import Ledger
from queuectl_core.storage.backends import available, open_store
from queuectl_core.supervisor import daemon
from queuectl_core.system import lockfile
from tests.builders import NOW_MS, state_of
from tests.homes import CommandLine

CALLS = (["status"], ["list"], ["show", "a"], ["enqueue", "--", "true"], ["queue", "list"], ["worker", "start"])
needs_sqlite = pytest.mark.skipif("sqlite" not in available(), reason="this Python has no sqlite3")


@pytest.fixture(params=available())
def each_backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("QUEUECTL_STORE", request.param)
    return str(request.param)


def a_home(path: Path, *ids: str, stored: bool = True) -> Home:
    """Make a home with these jobs; with `stored`, the store has them too."""
    home = Home(str(path))
    home.prepare()
    Path(home.lock).touch(0o600)
    opened = Ledger(home)
    specs: list[object] = [{"id": id, "command": f"echo {id}", "priority": 1} for id in ids]
    opened.decide(commands.Enqueue(specs, "/"), NOW_MS)
    opened.write()
    opened.sync()
    if stored:
        opened.checkpoint()
    opened.close()
    return home


@pytest.fixture
def used_home(queuectl: CommandLine) -> Iterator[CommandLine]:
    """Return a home without a supervisor, in which one job has run and another waits."""
    queuectl.ok("enqueue", "--id", "a", "--", "echo", "out")
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")
    queuectl.ok("worker", "stop")
    queuectl.ok("enqueue", "--id", "b", "--", "true")
    yield queuectl


def assert_all_refuse(queuectl: CommandLine, message: str) -> None:
    for words in CALLS:
        assert message in queuectl.refused(1, *words), words
    answer = queuectl("doctor")
    assert answer.status == 1 and message in answer.out, answer


# Lost


@pytest.mark.parametrize("lost", ["folder", "segments"])
def test_lost_journal_is_refused(used_home: CommandLine, lost: str) -> None:
    folder = Path(used_home.home, "journal")
    if lost == "folder":
        shutil.rmtree(folder)
    else:
        for path in folder.iterdir():
            path.unlink()
    assert_all_refuse(used_home, "it has no segments, but the store has events up to")


def test_lost_journal_of_jobs_outside_the_store_is_refused(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    shutil.rmtree(os.path.join(queuectl.home, "journal"))
    assert_all_refuse(queuectl, "it has no segments, but the store expects some")


def test_lost_journal_and_store_are_refused(used_home: CommandLine) -> None:
    for name in ("journal", "store"):
        shutil.rmtree(os.path.join(used_home.home, name))
    assert_all_refuse(used_home, "journal and store are missing")


@pytest.mark.parametrize("words", [["status"], ["list"], ["enqueue", "--id", "c", "--", "true"], ["worker", "start"]])
def test_first_command_rebuilds_a_lost_store(used_home: CommandLine, words: list[str]) -> None:
    shutil.rmtree(os.path.join(used_home.home, "store"))
    used_home.ok(*words)
    used_home.ok("worker", "stop") if words[0] == "worker" else None
    assert used_home.job("a")["state"] == "completed" and used_home.job("b")["command"] == "true"
    used_home.ok("doctor")


@pytest.mark.parametrize("opened_for", ["an instant", "a supervisor's life"])
def test_every_command_refuses_a_journal_without_its_last_segment(
    queuectl: CommandLine, opened_for: str
) -> None:
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    opened = Ledger(Home(queuectl.home))
    opened.journal.rotate()
    if opened_for == "an instant":
        opened.checkpoint_if_over(256)
    else:
        opened.maintain()
    opened.close()
    queuectl.ok("enqueue", "--id", "b", "--", "true")
    max(Path(queuectl.home, "journal").glob("*.log")).unlink()
    assert_all_refuse(queuectl, "segment 0000000002.log is missing")


def test_failed_start_frees_the_lock_before_it_reports(queuectl: CommandLine) -> None:
    """Otherwise the next `doctor` sees a home in use, and does not check it."""
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    shutil.rmtree(os.path.join(queuectl.home, "journal"))
    home = Home(queuectl.home)
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        daemon.run(home, 1, lambda _: os.write(writable, b"held" if lockfile.is_held(home.lock) else b"free"))
    os.close(writable)
    os.waitpid(child, 0)
    with open(readable, "rb") as pipe:
        assert pipe.read() == b"free"


def test_lost_segment_of_a_stop_is_noticed(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home", *(f"job-{n:04}" for n in range(1000)))
    segments = sorted(Path(home.journal).glob("*.log"))
    assert len(segments) == 2, "a checkpoint of a long journal must begin a segment"
    segments[-1].unlink()
    with pytest.raises(Corrupt, match="segment 0000000002.log is missing"):
        Ledger(home)


def test_every_command_refuses_a_lost_store_without_the_first_events(used_home: CommandLine) -> None:
    first = min(Path(used_home.home, "journal").glob("*.log"))
    opened = Ledger(Home(used_home.home))
    opened.journal.rotate()
    opened.close()
    first.unlink()
    shutil.rmtree(os.path.join(used_home.home, "store"))
    assert_all_refuse(used_home, "the segment with events 1 to")


# Mixed


@pytest.mark.parametrize("part", ["journal", "store"])
def test_every_command_refuses_parts_of_another_home(
    tmp_path: Path, queuectl: CommandLine, part: str, each_backend: str
) -> None:
    mine, other = a_home(Path(queuectl.home), "a"), a_home(tmp_path / "other", "b")
    shutil.rmtree(getattr(mine, part))
    shutil.copytree(getattr(other, part), getattr(mine, part))
    assert_all_refuse(queuectl, "it is not the journal of this home's store")


# Damaged


def test_changed_command_in_the_store_is_refused_and_not_run(queuectl: CommandLine) -> None:
    """Flip one bit that turns a slash into a hyphen or the reverse; the JSON stays valid."""
    home = a_home(Path(queuectl.home), "old-data", "b")
    (path,) = [path for path in Path(home.store).rglob("*") if path.is_file() and b"echo old-data" in path.read_bytes()]
    path.write_bytes(path.read_bytes().replace(b"echo old-data", b"echo old/data"))
    for words in (["show", "old-data"], ["list"]):
        assert "the checksum of its value of job/old-data is wrong" in queuectl.refused(1, *words)
    answer = queuectl("doctor")
    assert answer.status == 1 and "values are damaged: job/old-data" in answer.out
    assert "old-data" in queuectl.ok("doctor", "--repair", queuectl.home + "-new")
    assert queuectl.ok("--home", queuectl.home + "-new", "list", "--state", "pending", "--format", "{id}") == "b\n"


def test_value_under_the_wrong_key_is_refused(tmp_path: Path, each_backend: str) -> None:
    home = a_home(tmp_path / "home", "a", "b")
    store = open_store(home.store)
    raw = store.inner.get(b"job/a")
    assert raw is not None
    store.inner.write([(b"job/b", raw)], [])
    store.sync()
    store.close()
    opened = Ledger(home)
    with pytest.raises(Corrupt, match="job/b"):
        opened.table.get("b")
    opened.close()
    assert any(finding.sound is False and "job/b" in finding.text for finding in doctor.examine(home))


def test_doctor_finds_a_missing_index_entry(tmp_path: Path, each_backend: str) -> None:
    home = a_home(tmp_path / "home", "a", "b")
    store = open_store(home.store)
    (key, _), *_ = [pair for pair in store.readable() if pair[0].startswith(b"ready")]
    store.write([], [key])
    store.sync()
    store.close()
    assert any("its indexes do not match its jobs" in finding.text for finding in doctor.examine(home))


def test_repair_names_the_values_with_wrong_checksums(tmp_path: Path, each_backend: str) -> None:
    home = a_home(tmp_path / "home", "a", "b")
    for path in Path(home.journal).iterdir():
        path.unlink()
    store = open_store(home.store)
    store.inner.write([(b"job/a", (store.inner.get(b"job/a") or b"").replace(b"echo a", b"echo c"))], [])
    store.sync()
    store.close()
    target = Home(str(tmp_path / "new"))
    salvaged = salvage.salvage(home, target)
    assert salvaged.kept == 1 and "a" in salvaged.affected
    opened = Ledger(target)
    assert opened.table.get("b") is not None and opened.table.get("a") is None
    opened.close()
    assert all(finding.sound is not False for finding in doctor.examine(target))


def answer_of(home: Home) -> object:
    """Return the complete state of a home, or None when it is refused."""
    try:
        opened = Ledger(home, read_only=True)
        try:
            return state_of(opened.table)
        finally:
            opened.close()
    except (QueueError, AssertionError):
        return None


@pytest.mark.parametrize("flips", [150, pytest.param(3000, marks=pytest.mark.long)])
def test_flipped_bit_never_goes_unnoticed(
    tmp_path: Path, each_backend: str, flips: int, request: pytest.FixtureRequest
) -> None:
    """Flip a bit in each byte of the store: the state is unchanged, a read fails, or `doctor` finds
    it.
    """
    home = a_home(tmp_path / "home", *(f"job{n}" for n in range(30)))
    truth = answer_of(home)
    files = [path for path in Path(home.store).rglob("*") if path.is_file() and path.stat().st_size]
    source = random.Random(request.config.getoption("--seed") or 1)
    for _ in range(flips):
        path = source.choice(files)
        whole = path.read_bytes()
        place, bit = source.randrange(len(whole)), source.randrange(8)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        if answer_of(home) not in (truth, None):
            findings = doctor.examine(home)
            assert any(finding.sound is False for finding in findings), (path.name, place, bit)
        path.write_bytes(whole)


@needs_sqlite
def test_text_in_place_of_a_value_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUEUECTL_STORE", "sqlite")
    home = a_home(tmp_path / "home", "a")
    for value in ("'a text'", "7", "1.5"):
        database = sqlite3.connect(os.path.join(home.store, "jobs.db"))
        database.execute(f"UPDATE Dict SET value = {value} WHERE key = CAST('job/a' AS BLOB)")
        database.commit()
        database.close()
        opened = Ledger(home)
        with pytest.raises(Corrupt):
            opened.table.get("a")
        opened.close()
        assert any(finding.sound is False for finding in doctor.examine(home))
