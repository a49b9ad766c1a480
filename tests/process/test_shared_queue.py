"""One `Queue` in several threads, tasks, and forked children: each gets the answers to its own
requests.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from queuectl_core import Queue
from queuectl_core.errors import ProtocolError, UnknownJob
from queuectl_core.wire import client, protocol
from queuectl_core.wire.client import Client
from tests.homes import ROOT, CommandLine, until


@pytest.fixture(params=["served", "alone"])
def queue(request: pytest.FixtureRequest, queuectl: CommandLine) -> Iterator[Queue]:
    if request.param == "served":
        queuectl.ok("worker", "start")
        queuectl.ok("worker", "scale", "0")
    with Queue(queuectl.home) as queue:
        yield queue


def test_each_thread_gets_its_own_answers(queue: Queue) -> None:
    """Mix calls that succeed, that are refused, and that ask for something else."""
    served = queue.status()["supervisor"] is not None
    times = 100 if served else 5

    def use(number: int) -> int:
        for n in range(times):
            id = f"t{number}-{n}"
            assert queue.enqueue("true", id=id) == id
            assert queue.get(id)["id"] == id
            assert queue.why(id)["id"] == id
            with pytest.raises(UnknownJob, match=f"nobody-{id}"):
                queue.get(f"nobody-{id}")
        return times

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(use, range(8))) == 8 * times
    assert queue.status()["counts"]["pending"] == 8 * times


def test_tasks_in_threads_get_their_own_answers(queue: Queue) -> None:
    async def main() -> list[str]:
        ids = await asyncio.gather(*(asyncio.to_thread(queue.enqueue, "true", id=f"a{n}") for n in range(20)))
        jobs = await asyncio.gather(*(asyncio.to_thread(queue.get, id) for id in ids))
        return [job["id"] for job in jobs]

    assert asyncio.run(main()) == [f"a{n}" for n in range(20)]


def fork_one(act: Callable[[int], None], number: int) -> int:
    """Run `act` in a forked child, and return its PID; the child exits with 0 unless `act` raises."""
    pid = os.fork()
    if pid == 0:
        try:
            signal.alarm(60)
            act(number)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return pid


def in_children(count: int, act: Callable[[int], None]) -> list[int]:
    """Return the exit statuses of forked children that run `act`."""
    return [os.waitpid(pid, 0)[1] for pid in [fork_one(act, number) for number in range(count)]]


def test_a_forked_child_opens_its_own_connection(queue: Queue) -> None:
    queue.enqueue("true", id="before")  # opens a connection that the child inherits

    def use(number: int) -> None:
        for n in range(20):
            id = f"c{number}-{n}"
            assert queue.enqueue("true", id=id) == id
            assert queue.get(id)["id"] == id

    statuses = in_children(3, use)
    assert statuses == [0, 0, 0]
    assert queue.get("before")["id"] == "before"
    assert queue.status()["counts"]["pending"] == 61


def test_children_forked_during_calls_of_threads_hold_nothing_and_do_not_hang(queue: Queue) -> None:
    """No child may inherit a connection or a lock of the home that a thread holds at that moment."""
    finished = threading.Event()

    def hammer(number: int) -> int:
        n = 0
        while not finished.is_set():
            assert queue.enqueue("true", id=f"h{number}-{n}") == f"h{number}-{n}"
            n += 1
        return n

    readable, writable = os.pipe()

    def use(number: int) -> None:
        assert queue.enqueue("true", id=f"c{number}") == f"c{number}"
        os.close(writable)
        os.read(readable, 1)  # lives on with everything that it inherited

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(hammer, number) for number in range(4)]
        pids = [fork_one(use, number) for number in range(6)]
        until(lambda: queue.status()["counts"]["pending"] > 6, lambda: "some jobs to be added")
        finished.set()
        count = sum(future.result(60) for future in running)
    until(lambda: queue.status()["counts"]["pending"] == count + 6, lambda: f"{count} and 6 of the children")
    queue.close()
    os.close(writable)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 6
    os.close(readable)


def test_a_forked_child_has_no_connection_of_its_parent(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    asked = Client(ours, 5.0)
    statuses = in_children(1, lambda number: _expect(ours.fileno() == -1 and not client._open))
    assert statuses == [0]
    theirs.sendall(protocol.encode({"ok": True, "n": 1}))
    assert asked.receive(5.0) == {"n": 1}
    asked.close()
    theirs.close()


def _expect(fact: bool) -> None:
    assert fact


def test_a_copied_connection_is_not_used_after_a_fork_in_c(queuectl: CommandLine) -> None:
    """A fork in C calls none of Python's handlers; the process ID shows it."""
    queuectl.ok("worker", "start")
    with Queue(queuectl.home) as queue:
        queue.status()
        kept = queue._transport._idle[0]
        kept.pid -= 1
        queue.status()
        assert queue._transport._idle != [kept] and len(queue._transport._idle) == 1


def test_a_signal_handler_may_use_the_queue_during_a_call(queue: Queue) -> None:
    """The interrupted call holds no lock."""
    asked: list[str] = []

    def jobs() -> Iterator[dict[str, object]]:
        for n in range(1500):
            if n == 1200:
                signal.raise_signal(signal.SIGUSR1)
            yield {"command": "true"}

    before = signal.signal(signal.SIGUSR1, lambda *_: asked.append(queue.enqueue("true", id="from-handler")))
    try:
        assert len(queue.enqueue_many(jobs())) == 1500
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert asked == ["from-handler"] and queue.status()["counts"]["pending"] == 1501


def test_the_notice_function_may_use_the_queue(queuectl: CommandLine) -> None:
    """The notice of a torn tail comes after the writer lock is free again."""
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    with open(os.path.join(queuectl.home, "journal", "0000000001.log"), "ab") as journal:
        journal.write(b"\x01\x02\x03")
    notices: list[str] = []
    queue = Queue(queuectl.home, deadline_s=5, notice=lambda text: notices.append(f"{text} {queue.get('a')['id']}"))
    assert queue.enqueue("true", id="b") == "b"
    assert len(notices) == 1 and notices[0].endswith(" a")
    queue.close()


def test_few_connections_stay_open(queuectl: CommandLine) -> None:
    from queuectl_core.transport import KEPT_CONNECTIONS

    queuectl.ok("worker", "start")
    with Queue(queuectl.home) as queue, ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda n: queue.status(), range(200)))
        assert 1 <= len(queue._transport._idle) <= KEPT_CONNECTIONS
        queue.close()
        assert queue._transport._idle == []
        queue.status()


@pytest.mark.parametrize("number", [2, "1", None])
def test_an_answer_with_another_number_is_refused(number: object) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        asking = Client(ours, 5.0)
        theirs.sendall(protocol.encode({"ok": True, "number": number}))
        if number is None:  # a supervisor of an earlier version, which answers in order
            assert asking.ask("status") == {}
        else:
            with pytest.raises(ProtocolError, match="a reply to an unknown request"):
                asking.ask("status")


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_an_unclosed_queue_leaves_no_descriptor(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        Queue(queuectl.home).status()
    assert len(os.listdir("/proc/self/fd")) <= before + 1, sys.version


FORKED_AMID_THE_FIRST_CALL = """
import os, sys, threading, time
from queuectl_core import Queue
queue = Queue(sys.argv[1])
threading.Thread(target=queue.enqueue, args=("true",)).start()
children = []
for n in range(12):
    time.sleep(0.002)  # spreads the forks over the imports of the first call
    pid = os.fork()
    if pid == 0:
        queue.enqueue("true", id=f"c{n}")
        os._exit(0)
    children.append(pid)
print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children])
"""


def test_a_child_forked_during_the_first_call_of_a_thread_does_not_hang(queuectl: CommandLine) -> None:
    words = [sys.executable, "-c", FORKED_AMID_THE_FIRST_CALL, queuectl.home]
    finished = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)
    assert finished.stdout == f"{[0] * 12}\n", finished.stderr
    assert {f"c{n}" for n in range(12)} <= {job["id"] for job in queuectl.json("list")}
