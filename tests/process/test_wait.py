"""`wait`: failures count, a filter without matches is an error, and neither a restart nor a moving
page loses a job.
"""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from queuectl_core import Queue, waiting
from queuectl_core.errors import InvalidInput, NoSupervisor
from queuectl_core.home import Home
from queuectl_core.transport import Transport
from queuectl_core.waiting import JobWait, Watch
from queuectl_core.wire.client import Client
from tests.homes import CommandLine, until


@pytest.fixture
def ended(queuectl: CommandLine) -> CommandLine:
    """Return a home with finished jobs: one of each result in queue `mixed`, a completed one in
    `good`.
    """
    queuectl.ok("worker", "start")
    for id, queue, command in (("a", "mixed", "true"), ("b", "mixed", "false"), ("c", "good", "true")):
        name = ["--name", f"name-{id}", "--tag", f"of={queue}"]
        queuectl.ok("enqueue", "--id", id, "--queue", queue, *name, "--max-retries", "0", "--command", command)
    queuectl.until_done(completed=2, dead=1)
    return queuectl


@pytest.mark.parametrize(
    "words", [["--queue", "mixed"], ["--tag", "of=mixed"], ["--name", "name-b"], ["--state", "dead"], ["--since", "1h"]]
)
@pytest.mark.parametrize("running", [True, False], ids=["served", "alone"])
def test_earlier_failures_count(ended: CommandLine, words: list[str], running: bool) -> None:
    if not running:
        ended.ok("worker", "stop")
    answer = ended("wait", *words)
    assert answer.status == 1 and "1 dead" in answer.err, answer


def test_a_filter_whose_jobs_all_completed_exits_with_0(ended: CommandLine) -> None:
    ended.ok("wait", "--queue", "good")
    assert ended.json("wait", "--tag", "of=good") == {"ended": {"completed": 1}, "timed_out": False}


@pytest.mark.parametrize("words", [["--queue", "mix"], ["--tag", "of=mix"], ["--name", "x"], ["--state", "failed"]])
def test_a_filter_without_matches_is_an_error_unless_allowed(ended: CommandLine, words: list[str]) -> None:
    assert "no job matches" in ended.refused(1, "wait", *words)
    ended.ok("wait", *words, "--allow-empty")


def test_without_a_filter_only_unfinished_jobs_count(ended: CommandLine) -> None:
    ended.ok("wait")


def test_finished_and_unfinished_jobs_count_together(ended: CommandLine) -> None:
    ended.ok("enqueue", "--id", "d", "--queue", "mixed", "--command", "sleep 0.3")
    with Queue(ended.home) as queue:
        assert queue.wait_for(queue="mixed") == {"completed": 2, "dead": 1}
        assert queue.wait_for(queue="mix") == {}


def test_wait_can_time_out(ended: CommandLine) -> None:
    ended.ok("enqueue", "--id", "d", "--queue", "mixed", "--command", "sleep 30")
    assert ended("wait", "--queue", "mixed", "--timeout", "0.2s").status == 124


@pytest.mark.parametrize("words", [["export"], ["dlq", "export"]])
def test_an_export_without_matches_is_an_error_unless_allowed(ended: CommandLine, words: list[str]) -> None:
    assert "no job matches" in ended.refused(1, *words, "--queue", "mix")
    assert ended.ok(*words, "--queue", "mix", "--allow-empty") == ""
    assert ended.ok(*words, "--queue", "mixed").count("\n") == (2 if words == ["export"] else 1)
    file = ended.home + "-export"
    ended.refused(1, *words, "--queue", "mix", "--output", file)
    assert not os.path.exists(file)


def test_a_list_without_matches_says_so(ended: CommandLine) -> None:
    for words in (["list", "--queue", "mix"], ["list", "--tag", "of=mix", "--json"], ["dlq", "list", "--name", "x"]):
        answer = ended(*words)
        assert (answer.status, answer.err) == (0, "no job matches\n"), answer
    assert ended("list", "--state", "pending").err == "", "a state cannot be misspelt"


class MovingPages:
    """A fake caller: a job is on the second page at first, and on the first page later."""

    def __init__(self) -> None:
        self.home = Home("/nowhere")
        self.asked: list[dict[str, Any]] = []
        self.scans = 0

    def ask(self, verb: str, **fields: Any) -> dict[str, Any]:
        if verb == "kept":
            numbers = {"moved": 3, "added": 9}
            return {"jobs": [{"id": id, "number": numbers[id]} for id in fields["ids"]], "next": None}
        assert verb == "list"
        self.asked.append(fields)
        if fields["state"] == ["completed"]:
            return {"jobs": [], "next": None, "next_number": 9}
        if fields["next"] is None:
            self.scans += 1
            return {"jobs": ["a"] if self.scans == 1 else ["a", "moved", "added"], "next": ["pending", "x"], "next_number": 9}
        return {"jobs": ["z"], "next": None, "next_number": 11}

    page, pages = Transport.page, Transport.pages


def test_a_job_that_moves_between_two_pages_is_found() -> None:
    """Jobs that are added meanwhile are not found; otherwise the wait could never end."""
    caller = MovingPages()
    found = JobWait(caller, None)._open_ids(["pending"], {})  # type: ignore[arg-type]
    assert sorted(found) == ["a", "moved", "z"]
    assert caller.scans == 3


def test_a_filter_can_match_many_jobs(queuectl: CommandLine) -> None:
    with Queue(queuectl.home) as queue:
        queue.enqueue_many({"command": "true", "queue": "many"} for _ in range(1300))
        queue.set_queue("many", paused=True)
        with queue.supervisor():
            got: list[object] = []
            thread = threading.Thread(target=lambda: got.append(queue.wait_for(queue="many")))
            thread.start()
            ids = [job["id"] for job in queue.list(queue="many")]
            for start in range(0, 1300, 100):
                queue.cancel(ids[start : start + 100], lenient=True)
            thread.join(30)
            assert got == [{"dead": 1300}]


def test_a_wait_survives_a_restart_of_the_supervisor(queuectl: CommandLine) -> None:
    """Restart it so that no supervisor answers for a moment."""
    go = queuectl.home + "-go"
    queuectl.ok("enqueue", "--id", "a", "--command", f"while ! test -e {go}; do sleep 0.02; done")
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "processing")
    with Queue(queuectl.home) as queue:
        got: list[object] = []

        def wait() -> None:
            try:
                got.append(queue.wait(["a"]))
            except Exception as fault:
                got.append(fault)

        threads = [threading.Thread(target=wait) for _ in range(5)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            queuectl.ok("worker", "restart")
        with open(go, "w"):
            pass
        for thread in threads:
            thread.join(30)
    assert got == [{"completed": 1}] * 5


def test_a_wait_ends_when_no_supervisor_comes_back(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--queue", "held", "--command", "true")
    queuectl.ok("queue", "pause", "held")
    queuectl.ok("worker", "start")
    waiting = queuectl.popen("wait", "a", stderr=-1)
    until(lambda: queuectl.json("status")["supervisor"] is not None, lambda: "the supervisor")
    queuectl.ok("worker", "stop")
    _, error = waiting.communicate(timeout=30)
    assert waiting.returncode == NoSupervisor.exit_status and b"no supervisor is running" in error


def test_a_job_that_is_removed_meanwhile_counts_as_purged(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")
    with Queue(queuectl.home) as queue:
        assert JobWait(queue._transport, 5).for_ids(["a", "gone"], lenient=True) == {"completed": 1, "purged": 1}
        queuectl.ok("worker", "stop")
        assert JobWait(queue._transport, 5).for_ids(["a", "gone"], lenient=True) == {"completed": 1, "purged": 1}


def test_any_prints_the_first_job_that_finishes(ended: CommandLine) -> None:
    ended.ok("enqueue", "--id", "long", "--command", "sleep 60")
    answer = ended("wait", "--any", "long", "a")
    assert (answer.status, answer.out, answer.err) == (0, "a\n", "job a is completed; 1 unfinished job continues\n")
    assert ended("wait", "--any", "b", "long").status == 1
    assert ended.json("wait", "--any", "long", "a")["first"] == {"id": "a", "how": "completed"}


def test_any_waits_for_a_job_that_runs(ended: CommandLine) -> None:
    ended.ok("enqueue", "--id", "long", "--delay", "1h", "--command", "true")
    ended.ok("enqueue", "--id", "short", "--command", "sleep 0.3")
    assert ended.ok("wait", "--any", "long", "short") == "short\n"


def test_fail_fast_ends_at_a_failure(ended: CommandLine) -> None:
    ended.ok("enqueue", "--id", "long", "--delay", "1h", "--command", "true")
    ended.ok("enqueue", "--id", "bad", "--max-retries", "0", "--command", "sleep 0.3; exit 3")
    answer = ended("wait", "--fail-fast", "a", "long", "bad")
    assert (answer.status, answer.err) == (1, "job bad is dead; 1 unfinished job continues\n"), answer
    assert ended("wait", "--fail-fast", "--queue", "mixed").status == 1
    ended.ok("wait", "--fail-fast", "a", "c")
    assert "cannot be used together" in ended.refused(2, "wait", "--any", "--fail-fast", "a")


@pytest.mark.parametrize("running", [True, False], ids=["served", "alone"])
def test_ids_can_come_from_a_file(ended: CommandLine, running: bool) -> None:
    if not running:
        ended.ok("worker", "stop")
    answer = ended("wait", "--file", "-", "c", stdin=b"a\n\n c \n")
    assert (answer.status, answer.err.partition(";")[0]) == (0, "2 jobs: 2 completed"), answer
    assert ended("wait", "--file", "-", stdin=b"a\nb\n").status == 1
    assert "has no job ID" in ended.refused(1, "wait", "--file", "-", stdin=b"\n")
    assert ended("wait", "--file", "-", "--allow-empty", "--quiet", stdin=b"").err == ""
    assert "cannot read" in ended.refused(2, "wait", "--file", "/nowhere/x")


def test_any_and_fail_fast_need_no_supervisor_if_they_are_over(ended: CommandLine) -> None:
    ended.ok("worker", "stop")
    ended.ok("enqueue", "--id", "long", "--command", "true")
    assert ended.ok("wait", "--any", "long", "a") == "a\n"
    assert ended("wait", "--fail-fast", "long", "b").status == 1
    ended.refused(3, "wait", "--fail-fast", "long", "a")


def test_the_summary_stays_and_quiet_silences_it(ended: CommandLine) -> None:
    assert ended("wait", "a", "c").err.startswith("2 jobs: 2 completed; waited ")
    assert ended("wait", "a", "c", "--quiet").err == ""
    assert ended("wait").err == "no job is unfinished\n"


def test_a_supervisor_of_an_older_version_tells_only_the_end(
    ended: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Client.send

    def send(self: Client, verb: str, **fields: object) -> int:
        return real(self, "unknown" if verb == "wait-next" else verb, **fields)

    monkeypatch.setattr(Client, "send", send)
    reports: list[int] = []
    watch = Watch(on_report=lambda report: reports.append(sum(report.ended.values())))
    with Queue(ended.home) as queue:
        assert queue.wait(["a", "b"], watch=watch) == {"completed": 1, "dead": 1}
        assert reports == [0, 2]
        with pytest.raises(InvalidInput, match="another version"):
            queue.wait(["a", "b"], watch=Watch("first"))


def test_a_wait_reports_each_end(ended: CommandLine) -> None:
    reports: list[tuple[int, int]] = []
    watch = Watch(on_report=lambda report: reports.append((sum(report.ended.values()), report.total)))
    with Queue(ended.home) as queue:
        ids = [queue.enqueue("sleep 0.2") for _ in range(3)]
        assert queue.wait([*ids, "a"], watch=watch) == {"completed": 4}
    assert reports[0] == (0, 4) and reports[-1] == (4, 4) and sorted(reports) == reports


def test_a_large_wait_names_its_jobs_in_portions(ended: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "AT_ONCE", 2)
    with Queue(ended.home) as queue:
        assert queue.wait(["a", "b", "c"]) == {"completed": 2, "dead": 1}
        assert queue.wait_for(state=["completed", "dead"]) == {"completed": 2, "dead": 1}


def test_the_timeout_counts_while_jobs_are_listed() -> None:
    class Endless(MovingPages):
        def ask(self, verb: str, **fields: Any) -> dict[str, Any]:
            return {"jobs": [f"job{len(self.asked)}"], "next": ["pending", "x"], "next_number": 9}

    caller = Endless()
    assert JobWait(caller, 0.05).for_filter(["pending"], {}) is None  # type: ignore[arg-type]
