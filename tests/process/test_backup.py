"""Backup of a home at work, and restore: the restored home is the backed-up one at one instant."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from queuectl_core.api import Queue
from queuectl_core.cli.home_commands import backup, restore
from queuectl_core.engine.engine import Engine
from queuectl_core.engine.job_import import blockers_first, import_jobs
from queuectl_core.errors import Busy, DiskFull, EventsExpired, QueueError
from queuectl_core.model import commands
from queuectl_core.model.commands import Command
from queuectl_core.model.events import Event
from queuectl_core.model.job import PENDING, Job
from queuectl_core.repair.backup_image import Image
from queuectl_core.service import handlers, ledger, queries
from queuectl_core.service.ledger import Ledger
from queuectl_core.storage import journal_reader
from queuectl_core.storage.memory_store import MemoryStore
from queuectl_core.table.job_table import JobTable
from queuectl_core.transport import Transport
from tests.builders import NOW_MS, random_command
from tests.homes import ROOT, CommandLine, short_folder

KNOWN: dict[str, object] = {
    "command": "true", "cwd": "/", "max_retries": 3, "backoff_base": 2, "created_ms": 1,
    "state": "pending",
}  # fmt: skip


SMALL = ((backup, "SWEEP_JOBS", 3), (backup, "TOUCHED_JOBS", 2), (queries, "PAGE_JOBS", 2))
"""So low that a backup of a dozen jobs reads the journal often."""


class Home:
    """A home that this process holds, as a supervisor would, and the queue that uses it."""

    def __init__(self, path: Path) -> None:
        self.queue = Queue(path)
        self.queue.home.prepare()
        self.ledger = Ledger(self.queue.home)
        self.now_ms = NOW_MS
        self.events: list[Event] = []
        self.queue._transport = self  # type: ignore[assignment]

    def ask(self, verb: str, **fields: object) -> dict[str, Any]:
        reply = handlers.answer(self.ledger, {"verb": verb, **fields}, self.now_ms)
        self.events += self.ledger.write()
        self.ledger.sync()
        return json.loads(json.dumps(reply))

    pages, page = Transport.pages, Transport.page

    def close(self) -> None:
        self.ledger.close()

    def do(self, command: Command) -> None:
        """Handle a command, and ignore a refusal."""
        try:
            self.ledger.decide(command, self.now_ms)
        except QueueError:
            pass
        self.events += self.ledger.write()

    def live(self, source: random.Random, steps: int) -> None:
        for _ in range(steps):
            self.now_ms += source.choice([0, 1, 400, 30_000])
            self.do(random_command(source, self.ledger.table, self.now_ms))

    @property
    def jobs(self) -> dict[str, Job]:
        return {job["id"]: Job(**job) for page in self.queue.kept() for job in page}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    found = Home(tmp_path / "home")
    yield found
    found.close()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Home]:
    found = Home(tmp_path / "other")
    yield found
    found.close()


def image_of(lines: list[str]) -> Image:
    return restore._image_of(enumerate(map(json.loads, lines), 1), "-")


def restored(lines: list[str], other: Home, is_repeat: bool = False) -> dict[str, Job]:
    image = image_of(lines)
    restore._restore(other.queue, image, image.ids(), is_repeat)
    return other.jobs


def take_backup(home: Home, meanwhile: Any = lambda n: None) -> list[str]:
    """Return the lines of a backup, and call `meanwhile` after each."""
    lines: list[str] = []
    for line in backup._lines(home.queue):
        lines.append(json.dumps(line))
        meanwhile(len(lines))
    return lines


class ExpectedState(NamedTuple):
    """The state that the events of a home, up to one of them, lead to."""

    engine: Engine
    jobs: dict[str, dict[str, object]]


def expected_state(events: list[Event], lines: list[str]) -> ExpectedState:
    """Return the state at the instant of a backup, which is that of its last event."""
    found = [json.loads(line) for line in lines]
    start = max(n for n, line in enumerate(found) if "rest" in line)
    frames = [(line["sequence"], len(line["events"])) for line in found[start:] if "events" in line]
    last = frames[-1][0] + frames[-1][1] - 1 if frames else found[start]["rest"]["sequence"]
    engine = Engine(JobTable(MemoryStore()))
    engine.replay(events[:last], 1)
    ids = dict.fromkeys(one.id for one in events if hasattr(one, "id"))
    jobs = [job for job in map(engine.table.get, ids) if job is not None]
    return ExpectedState(engine, {job.id: job.fields() for job in jobs})


def checked_image(lines: list[str], truth: ExpectedState) -> Image:
    """Assert that a backup matches the state, and return its image."""
    image, table = image_of(lines), truth.engine.table
    known = {id: image.table.get(id) for id in image.ids()}
    assert {id: job and job.fields() for id, job in known.items()} == truth.jobs
    assert (image.table.settings, image.table.queues) == (table.settings, table.queues)
    assert image.table.schedules == table.schedules
    assert image.table.clock_shift_ms == table.clock_shift_ms
    return image


@pytest.mark.parametrize("seed", range(12))
def test_a_backup_is_the_home_at_one_instant(
    home: Home, other: Home, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, number in SMALL:
        monkeypatch.setattr(module, name, number)
    source = random.Random(seed)
    home.live(source, 60)
    lines = take_backup(home, lambda n: home.live(source, source.choice([0, 1, 2, 4])))
    truth = expected_state(home.events, lines)
    checked_image(lines, truth)
    table = truth.engine.table
    found = restored(lines, other)
    assert found.keys() == truth.jobs.keys()
    assert other.ledger.table.settings == table.settings
    for name, one in table.schedules.items():
        set_fields = {field: value for field, value in one.items() if value is not None}
        assert other.ledger.table.schedules[name] == set_fields
    for id, job in found.items():
        before = truth.engine.table.get(id)
        assert before is not None
        assert job.options == before.options
        assert job.blockers == before.blockers or job.state != PENDING
        at_rest = {"processing": "dead" if before.cancel else "pending"}
        assert job.state == at_rest.get(before.state, before.state)


@pytest.mark.parametrize("seed", range(8))
def test_backup_that_falls_behind_the_journal_starts_again_and_is_correct(
    home: Home, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = ((backup, "ATTEMPTS", 1000), (ledger, "KEPT_BYTES", 0), (ledger, "WORTH_A_SEGMENT", 0))
    for module, name, number in (*SMALL, *small):
        monkeypatch.setattr(module, name, number)
    source = random.Random(seed)

    def meanwhile(n: int) -> None:
        home.live(source, source.choice([0, 1, 2, 4]))
        if n == 2:
            home.queue.enqueue("true")
        if n == 2 or source.random() < 0.1:
            home.ledger.checkpoint()

    home.live(source, 60)
    lines = take_backup(home, meanwhile)
    assert sum("queuectl_backup" in line for line in lines) > 1
    checked_image(lines, expected_state(home.events, lines))


def test_jobs_keep_the_order_of_their_arrival(home: Home, other: Home) -> None:
    ids = [f"j{n}" for n in range(9)]
    home.queue.enqueue_many([{"id": id, "command": "true"} for id in ids], "/")

    def meanwhile(n: int) -> None:
        if n == 3:
            home.queue.edit(["j4"], {"priority": 1})
            home.queue.edit(["j4"], {"priority": None})

    found = restored(take_backup(home, meanwhile), other)
    assert sorted(ids, key=lambda id: found[id].number) == ids


def test_job_that_waits_for_a_batch_comes_back_behind_all_jobs_of_the_batch(home: Home, other: Home) -> None:
    home.queue.enqueue_many([{"id": id, "command": "true", "batch": "x"} for id in "abc"], "/")
    home.queue.enqueue("true", id="last", after_batch=["x"])
    home.queue.move("b", "back")
    home.queue.move("last", "front")
    found = restored(take_backup(home), other)
    assert max(found, key=lambda id: found[id].number) == "last"


def test_job_that_waits_for_a_batch_does_not_wait_for_jobs_that_joined_it_later(home: Home, other: Home) -> None:
    home.queue.enqueue_many([{"id": id, "command": "true", "batch": "x"} for id in "ab"], "/")
    home.queue.enqueue("true", id="last", after_batch=["x"])
    home.queue.enqueue_many([{"id": id, "command": "true", "batch": "x"} for id in "cd"], "/")
    home.queue.enqueue("true", id="behind", after=["a"], batch="x")
    home.queue.move("d", "front")
    home.queue.move("a", "back")
    found = restored(take_backup(home), other)
    assert sorted(found, key=lambda id: found[id].number) == ["a", "b", "last", "c", "d", "behind"]


def test_restored_home_has_no_setting_of_the_variables_of_the_call(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.queue.configure("jitter", 0)
    monkeypatch.setenv("QUEUECTL_TIMEOUT", "7")
    other = Home(tmp_path / "other")
    assert other.queue.settings() == {"timeout": 7}
    restored(take_backup(home), other)
    assert other.queue.settings() == {"jitter": 0}
    other.close()


def test_chain_survives_changes_during_the_backup(home: Home, other: Home) -> None:
    home.queue.enqueue("true", id="a", delay=3600)
    home.queue.enqueue("true", id="b", after=["a"])
    home.queue.enqueue("true", id="c", after=["b"])
    touch = {2: "b", 3: "a"}
    lines = take_backup(home, lambda n: n in touch and home.queue.edit([touch[n]], {"priority": 1}))
    found = restored(lines, other)
    assert (found["b"].blockers, found["c"].blockers) == (["a"], ["b"])


def test_job_removed_while_the_backup_starts_again_stays_removed(
    home: Home, other: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.queue.enqueue_many([{"id": id, "command": "true"} for id in "ab"], "/")
    read, asked = journal_reader.read, []

    def expire_events_once(folder: str, after: int) -> Any:
        asked.append(after)
        if len(asked) == 1:
            home.queue.remove(["a"])
            raise EventsExpired(after=after, first=after + 9)
        return read(folder, after)

    monkeypatch.setattr(journal_reader, "read", expire_events_once)
    assert list(restored(take_backup(home), other)) == ["b"]


def test_backup_gives_up_when_it_cannot_keep_up(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def expire_events(folder: str, after: int) -> None:
        raise EventsExpired(after=after, first=after + 9)

    monkeypatch.setattr(journal_reader, "read", expire_events)
    with pytest.raises(Busy):
        take_backup(home)


def test_restore_does_not_bring_back_a_job_that_was_being_canceled(home: Home, other: Home) -> None:
    home.queue.enqueue("true", id="a")
    home.queue.enqueue("true", id="b", after=["a"])
    home.do(commands.Dispatch("w1"))
    home.queue.cancel(["a"])
    found = restored(take_backup(home), other)
    assert [found[id].state for id in "ab"] == ["dead", "dead"]


def test_restored_schedule_continues_where_it_was(home: Home, other: Home) -> None:
    home.queue.set_schedule("s", {"command": "true"}, "/", every="1h")
    home.now_ms += 3_600_000 + 17
    home.do(commands.FireSchedules())
    other.now_ms = home.now_ms + 60_000
    lines = take_backup(home)
    restored(lines, other)
    assert other.ledger.table.schedules == home.ledger.table.schedules
    other.now_ms = home.now_ms + 3_600_000
    other.do(commands.FireSchedules())
    assert len(other.jobs) == 1  # the job of the last run is unfinished
    one = other.ledger.table.schedules["s"]
    assert one["next_ms"] == NOW_MS + 3 * 3_600_000


def test_restore_keeps_a_schedule_in_an_unknown_zone(home: Home, other: Home) -> None:
    home.ledger.engine.schedules._zone_of = lambda name: None  # type: ignore[assignment]
    home.queue.set_schedule("s", {"command": "true"}, "/", cron="0 3 * * *", zone="Nowhere/Land")
    home.queue.pause_schedule("s")
    restored(take_backup(home), other)
    assert other.ledger.table.schedules == home.ledger.table.schedules


def test_restore_applies_settings_before_it_adds_jobs(
    home: Home, other: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.queue.configure("retention", 0)
    home.queue.enqueue("true", id="a")
    order: list[str] = []
    ask = other.ask

    def noted(verb: str, **fields: object) -> dict[str, Any]:
        order.append(verb)
        return ask(verb, **fields)

    monkeypatch.setattr(other, "ask", noted)
    restored(take_backup(home), other)
    assert order.index("config-set") < order.index("import")


def test_interrupted_restore_continues(
    home: Home, other: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.queue.set_schedule("s", {"command": "true"}, "/", every="1h")
    home.queue.run_schedule("s")
    home.queue.enqueue_many([{"id": f"j{n:03}", "command": "true"} for n in range(700)], "/")
    lines = take_backup(home)
    image = image_of(lines)
    ask, left = other.ask, [1]

    def ask_on_a_disk(verb: str, **fields: object) -> dict[str, Any]:
        if verb == "import" and not left:
            raise DiskFull(path="/")
        if verb == "import":
            left.pop()
        return ask(verb, **fields)

    monkeypatch.setattr(other, "ask", ask_on_a_disk)
    with pytest.raises(DiskFull):
        restored(lines, other)
    assert 0 < len(other.jobs) < 701 and other.queue.status()["paused_since"] is not None
    other.do(commands.Dispatch("w1"))
    assert not any(job.state == "processing" for job in other.jobs.values())
    monkeypatch.setattr(other, "ask", ask)
    assert restore._is_repeat(other.queue, image, set(image.ids()))
    assert restored(lines, other, is_repeat=True).keys() == home.jobs.keys()
    assert other.queue.status()["paused_since"] is None
    with pytest.raises(QueueError, match="already has jobs"):
        restore._is_repeat(other.queue, image, set(image.ids()))


def test_restore_refuses_a_paused_home_with_other_jobs(home: Home, other: Home) -> None:
    image = image_of(take_backup(home))
    other.queue.enqueue("true")
    other.queue.set_queue("*", paused=True)
    with pytest.raises(QueueError, match="already has jobs"):
        restore._is_repeat(other.queue, image, set(image.ids()))


def test_a_backup_of_the_first_version_is_restored(other: Home) -> None:
    rest = {"settings": {"max-retries": 7}, "queues": {"q": {"limit": 2}}, "schedules": {}}
    after = [{"options": {"after": [id]}, "blockers": [id]} for id in "abx"]
    waiting = [{"id": id, **KNOWN, **after[n]} for id, n in (("d", 2), ("c", 1), ("b", 0))]
    jobs = [{"job": job} for job in (*waiting, {"id": "a", **KNOWN})]
    lines = [{"queuectl_backup": 1, **rest}, *jobs, {"end": 4}]
    found = restored([json.dumps(line) for line in lines], other)
    assert [found[id].blockers for id in "abcd"] == [[], ["a"], ["b"], []]
    assert other.ledger.table.settings == rest["settings"]
    assert other.ledger.table.queues == rest["queues"]


def test_imported_job_dies_when_it_waits_for_a_dead_job() -> None:
    jobs: list[object] = [
        {"id": "a", **KNOWN, "state": "dead"},
        {"id": "b", **KNOWN, "options": {"after": ["a"]}, "blockers": ["a"], "due_ms": 5},
        {"id": "c", **KNOWN, "options": {"after": ["b"], "after_any": True}, "blockers": ["b"]},
        {"id": "d", **KNOWN, "options": {"after": ["b"]}, "blockers": ["b"]},
    ]
    happened: Any = import_jobs(JobTable(MemoryStore()), commands.Import(jobs, False), NOW_MS)[0]
    found = {event.id: event.fields for event in happened}
    assert [found[id]["state"] for id in "abcd"] == ["dead", "dead", "pending", "dead"]
    assert found["c"]["blockers"] == [] and "due_ms" not in found["b"]
    assert found["b"]["reason"] == "job a, which it waited for, died"
    jobs[0] = {"id": "a", **KNOWN, "state": "dead", "reason": "canceled by hand"}
    canceled: Any = import_jobs(JobTable(MemoryStore()), commands.Import(jobs, False), NOW_MS)[0]
    assert [event.fields.get("reason") for event in canceled] == [
        "canceled by hand", "job a, which it waited for, was canceled", None, "job b, which it waited for, was canceled",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("waiting", "order"),
    [
        ({"a": ["b"], "b": ["c"], "c": []}, "cba"),
        ({"a": ["c", "b"], "b": ["c"], "c": ["x"]}, "cba"),
        ({"a": ["a"], "b": ["c"], "c": ["b"]}, "acb"),
        ({"a": ["b", 5, None], "b": 7, "c": None}, "bac"),
        ({"a": ["c", "c"], "b": ["a"], "c": []}, "cab"),
    ],
)
def test_import_adds_a_job_after_its_dependencies(waiting: dict[str, object], order: str) -> None:
    assert "".join(blockers_first(waiting, waiting.get)) == order


def test_import_accepts_a_chain_in_any_order(queuectl: CommandLine) -> None:
    before = {n: [f"j{n - 1}"] for n in range(9)}
    chain = [
        {"id": f"j{n}", **KNOWN, "options": {"after": before[n]}, "blockers": before[n]}
        for n in range(9)
    ]
    text = "\n".join(json.dumps(job) for job in reversed(chain))
    queuectl.ok("import", "-", stdin=text.encode())
    found = {n: queuectl.job(f"j{n}").get("waits_for") for n in range(9)}
    assert found == {**before, 0: None}


# On a real home


CHURN = """
import random, sys
from queuectl_core import Queue, QueueError
source = random.Random(int(sys.argv[2]))
with Queue(sys.argv[1]) as queue:
    n = 0
    while True:
        n += 1
        ids = [job["id"] for job in queue.list(limit=20)]
        some = source.sample(ids, min(3, len(ids)))
        try:
            what = source.randrange(9)
            if what < 5:
                more = {}
                if source.random() < 0.5:
                    more.update(after=some, after_any=source.random() < 0.3)
                if source.random() < 0.3:
                    more.update(key=f"k{source.randrange(3)}", on_conflict="replace")
                code = source.choice([0, 0, 1])
                queue.enqueue(f"exit {code}", id=f"n{n}", backoff_base=0, max_retries=1, **more)
            elif what == 5:
                queue.cancel(some, lenient=True)
            elif what == 6:
                queue.remove(some[:1], lenient=True)
            elif what == 7:
                queue.retry(some, lenient=True)
            else:
                queue.purge_dead()
        except QueueError:
            pass
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_backups_of_a_busy_home_are_correct(queuectl: CommandLine, seed: int) -> None:
    queuectl.ok("worker", "start", "--count", "2")
    queuectl.ok("schedule", "add", "often", "--every", "1s", "--overlap", "--", "true")
    with Queue(queuectl.home) as queue:
        jobs = [{"id": f"j{n:04}", "command": "true", "delay": 3600 * (n % 2)} for n in range(1200)]
        queue.enqueue_many(jobs, "/")
    churn = subprocess.Popen([queuectl.python, "-c", CHURN, queuectl.home, str(seed)], cwd=ROOT)
    try:
        backups = [queuectl.ok("backup", "-").splitlines() for _ in range(3)]
    finally:
        churn.kill()
        churn.wait()
    for lines in backups:
        compare_restored(queuectl, lines)


def compare_restored(queuectl: CommandLine, lines: list[str]) -> None:
    """Assert that a new home of this backup has the jobs of its instant with all their
    dependencies.
    """
    frames = journal_reader.read_frames(os.path.join(queuectl.home, "journal"), 0)
    truth = expected_state([event for _, events in frames for event in events], lines)
    checked_image(lines, truth)
    with short_folder() as folder:
        other = CommandLine(os.path.join(folder, "home"))
        other.ok("restore", "-", stdin="\n".join(lines).encode())
        with Queue(other.home) as queue:
            found = {str(job["id"]): job for job in queue.export()}
    assert found.keys() == truth.jobs.keys()
    for id, job in found.items():
        if job["state"] == "pending":
            assert job.get("blockers", []) == truth.jobs[id].get("blockers", [])

