"""Abandoned requests are not carried out later, an unknown outcome is reported, and a repeat is
safe.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl_core import Queue
from queuectl_core.errors import Busy, DuplicateJob, OutcomeUnknown, RepeatedId
from queuectl_core.system.clock import steady_ms
from queuectl_core.wire import protocol
from queuectl_core.wire.client import Client
from tests.homes import CommandLine, until


@pytest.fixture
def served(queuectl: CommandLine) -> CommandLine:
    queuectl.ok("worker", "start")
    queuectl.ok("worker", "scale", "0")
    return queuectl


@pytest.fixture
def stopped(served: CommandLine) -> Iterator[int]:
    """Yield the PID of a stopped supervisor, as on a suspended machine; continue it at the end."""
    pid = served.supervisor_pid()
    os.kill(pid, signal.SIGSTOP)
    yield pid
    os.kill(pid, signal.SIGCONT)


def continue_process(queuectl: CommandLine, pid: int) -> None:
    """Continue the supervisor; once it answers this request, it has read all earlier ones."""
    os.kill(pid, signal.SIGCONT)
    queuectl.ok("enqueue", "--id", "last", "--command", "true")


CHANGES = {
    "enqueue": lambda queue: queue.enqueue("true", id="late"),
    "a load": lambda queue: queue.enqueue_many({"command": "true"} for _ in range(2500)),
    "config": lambda queue: queue.configure("max-retries", 9),
    "cancel": lambda queue: queue.cancel(["there"]),
    "scale": lambda queue: queue.scale(1),
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_abandoned_request_is_not_carried_out_later(served: CommandLine, name: str) -> None:
    served.ok("enqueue", "--id", "there", "--command", "true")
    pid = served.supervisor_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        with Queue(served.home, deadline_s=0.5) as queue, pytest.raises(Busy, match="did not answer within 0.5 s"):
            CHANGES[name](queue)
    finally:
        continue_process(served, pid)
    assert [job["id"] for job in served.json("list", "--state", "pending")] == ["there", "last"]
    assert served.json("config", "get", "max-retries") == 3
    assert served.json("status")["supervisor"]["workers_wanted"] == 0


@pytest.mark.long
def test_an_abandoned_command_is_not_carried_out_later(served: CommandLine, stopped: int) -> None:
    """Do the same with a real command, which waits longer."""
    call = served.popen("enqueue", "--id", "late", "--command", "true", stderr=-1, stdout=-1)
    _, output = call.communicate(timeout=60)
    assert call.returncode == 75
    assert b"did not answer within 30 s" in output and b"check with `queuectl show late`" in output
    assert b"--on-conflict skip" in output and output.count(b"\n") == 1
    continue_process(served, stopped)
    assert "job 'late' does not exist" in served.refused(1, "show", "late")


def test_a_request_carries_its_deadline(served: CommandLine) -> None:
    def answer_to(id: str, deadline_ms: int) -> dict[str, object]:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(os.path.join(served.home, "control.sock"))
            sock.settimeout(10)
            request = {"v": 1, "verb": "enqueue", "jobs": [{"id": id, "command": "true"}], "cwd": "/"}
            sock.sendall(protocol.encode({**request, "deadline_ms": deadline_ms}))
            decoder, replies = protocol.Decoder(), list[dict[str, object]]()
            while not replies:
                replies = decoder.feed(sock.recv(65536))
            return replies[0]

    late = answer_to("late", steady_ms() - 1)
    assert late["error"]["code"] == "busy" and "too late and did nothing" in str(late)
    assert answer_to("in-time", steady_ms() + 10_000)["ids"] == ["in-time"]
    assert [job["id"] for job in served.json("list")] == ["in-time"]


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="needs a clock that counts sleep")
def test_deadlines_follow_the_clock_that_counts_sleep() -> None:
    assert abs(steady_ms() - time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000) < 1000


class Supervisor:
    """A fake supervisor that takes one request and then does what the test says."""

    def __init__(self, home: str) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(home, "control.sock"))
        self.listener.listen(8)
        self.listener.settimeout(20)

    def take(self, size: int = 65536) -> tuple[socket.socket, bytes]:
        sock, _ = self.listener.accept()
        return sock, sock.recv(size)


@pytest.fixture
def played(queuectl: CommandLine) -> Iterator[tuple[Queue, Supervisor]]:
    queuectl.ok("config", "set", "grace", "10")
    supervisor = Supervisor(queuectl.home)
    with Queue(queuectl.home, deadline_s=5) as queue:
        yield queue, supervisor
    supervisor.listener.close()
    os.unlink(os.path.join(queuectl.home, "control.sock"))


def test_outcome_is_unknown_after_the_supervisor_read_the_request(played: tuple[Queue, Supervisor]) -> None:
    queue, supervisor = played

    def die() -> None:
        sock, _ = supervisor.take()
        sock.close()

    thread = threading.Thread(target=die)
    thread.start()
    with pytest.raises(OutcomeUnknown, match="check with `queuectl show a`, or repeat it safely with --on-conflict skip"):
        queue.enqueue("true", id="a")
    thread.join()


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="only Linux reports unread data of a peer")
def test_a_request_that_the_supervisor_did_not_read_is_repeated(played: tuple[Queue, Supervisor]) -> None:
    """The supervisor ended with part of the request unread in its socket, so it cannot have acted
    on it.
    """
    queue, supervisor = played
    asked = []

    def die_and_answer() -> None:
        sock, _ = supervisor.take(10)
        sock.close()
        sock, data = supervisor.take()
        request = protocol.Decoder().feed(data)[0]
        asked.append(request["jobs"])
        sock.sendall(protocol.encode({"ok": True, "number": request["number"], "ids": ["a"]}))
        sock.close()

    thread = threading.Thread(target=die_and_answer)
    thread.start()
    assert queue.enqueue("true", id="a") == "a"
    thread.join()
    assert asked == [[{"command": "true", "id": "a"}]]


def test_a_late_answer_is_not_taken_for_the_next(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        client = Client(ours, 0.05)
        with pytest.raises(Busy):
            client.ask("show", id="a")
        theirs.sendall(protocol.encode({"ok": True, "number": 1, "job": "a"}))
        theirs.sendall(protocol.encode({"ok": True, "number": 2, "job": "b"}))
        client.deadline_s = 5
        assert client.ask("show", id="b") == {"job": "b"}


# A repeat


@pytest.fixture(params=["served", "alone"])
def home(request: pytest.FixtureRequest, queuectl: CommandLine) -> CommandLine:
    return request.getfixturevalue("served") if request.param == "served" else queuectl


def test_a_repeat_with_skip_counts_as_success_and_prints_the_id(home: CommandLine) -> None:
    words = ["enqueue", "--id", "a", "--on-conflict", "skip", "--command", "true"]
    assert home.ok(*words) == home.ok(*words) == "a\n"
    assert home.ok("enqueue", '{"id": "a", "command": "true", "on_conflict": "skip"}') == "a\n"
    assert home.json(*words) == {"ids": ["a"]}
    assert home.counts()["pending"] == 1
    assert "job a already exists" in home.refused(1, "enqueue", "--id", "a", "--command", "true")


def test_a_repeat_is_safe_after_the_job_finished(queuectl: CommandLine) -> None:
    with Queue(queuectl.home) as queue, queue.supervisor():
        queue.enqueue("true", id="good")
        queue.enqueue("false", id="bad", max_retries=0)
        queue.wait(["good", "bad"], timeout_s=20)
        for id in ("good", "bad"):
            assert queue.enqueue("true", id=id, on_conflict="skip", key="k") == id
        assert queue.status()["counts"] == {"pending": 0, "processing": 0, "completed": 1, "failed": 0, "dead": 1}


def test_a_file_can_be_repeated(home: CommandLine) -> None:
    """Use a file larger than one part, of which another command added some jobs meanwhile."""
    ids = [f"n{n}" for n in range(2300)]
    lines = "".join(json.dumps({"id": id, "command": "true", "on_conflict": "skip"}) + "\n" for id in ids).encode()
    home.ok("enqueue", "--id", "n7", "--command", "true")
    assert home.ok("enqueue", "--file", "-", stdin=lines).split() == ids
    assert home.ok("enqueue", "--file", "-", stdin=lines).split() == ids
    assert home.counts()["pending"] == 2300


def test_a_request_that_skips_may_have_an_id_twice(queuectl: CommandLine) -> None:
    twice = [{"id": "a", "command": "true"}, {"id": "a", "command": "true", "on_conflict": "skip"}]
    with Queue(queuectl.home) as queue:
        assert queue.enqueue_many(twice) == ["a", "a"]
        with pytest.raises(DuplicateJob) as caught:
            queue.enqueue_many([twice[1], twice[0]])
        assert caught.value.fields["index"] == 1
        with pytest.raises(RepeatedId):
            queue.enqueue_many([{"id": "b", "command": "true"}] * 2)
        assert queue.status()["counts"]["pending"] == 1


def test_a_file_whose_job_is_added_meanwhile_asks_to_try_again(served: CommandLine) -> None:
    """Add the job between a part and the commit; a repeat skips it."""
    go = threading.Event()

    def specs() -> Iterator[dict[str, object]]:
        for n in range(3000):
            if n == 2500:
                assert go.wait(20)
            yield {"id": f"n{n}", "command": "true", "on_conflict": "skip"}

    with Queue(served.home) as queue, Queue(served.home) as other:
        caught: list[Exception] = []

        def add() -> None:
            try:
                queue.enqueue_many(specs())
            except Busy as busy:
                caught.append(busy)

        thread = threading.Thread(target=add)
        thread.start()
        until(lambda: is_sent(served), lambda: "the first part to arrive")
        other.enqueue("true", id="n5")
        go.set()
        thread.join(30)
        assert "another request added job n5 meanwhile; nothing was enqueued; try again" in str(caught[0])
        assert len(queue.enqueue_many(specs())) == 3000
        assert queue.status()["counts"]["pending"] == 3000


def is_sent(queuectl: CommandLine) -> bool:
    """Return whether a part has arrived: it gets numbers then, which a generated ID shows."""
    with Queue(queuectl.home) as queue:
        return queue.preview([{"command": "true"}])[0]["id"][-5:] >= "000z8"
