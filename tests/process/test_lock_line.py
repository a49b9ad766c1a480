"""The line for the writer lock: each caller gets a turn, waiting costs nothing, and no fork or
abandoned wait keeps the lock.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from queuectl_core import Queue
from queuectl_core.errors import Busy
from queuectl_core.system import lockfile
from queuectl_core.system.lockfile import Line
from tests.homes import SCRIPT, CommandLine, until


def a_line(wait_s: float = 0.0) -> Line:
    line = Line()
    line.wait_s = wait_s
    return line


def taken(path: Path, wait_s: float = 0.0) -> int:
    descriptor = a_line(wait_s).take(str(path))
    assert descriptor is not None
    return descriptor


def is_free(path: Path) -> bool:
    return not lockfile.is_held(str(path))


def join(path: Path, lines: list[Line]) -> None:
    """Let callers join the line one after another."""
    for count, line in enumerate(lines, 1):
        assert line.take(str(path)) is None
        until(lambda count=count: waiting_callers(path) >= count, lambda: f"{count} callers to wait in line")


def waiting_callers(path: Path) -> int:
    if not os.path.exists("/proc/locks"):
        pytest.skip("needs /proc/locks")
    inode = f":{os.stat(path).st_ino} "
    with open("/proc/locks") as file:
        return sum("->" in entry and inode in entry for entry in file)


def start_thread(act: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread


def test_waiting_callers_get_the_lock_in_order(tmp_path: Path) -> None:
    path, order = tmp_path / "lock", list[int]()
    first = taken(path)
    lines = [a_line() for _ in range(8)]
    join(path, lines)

    def wait(number: int) -> None:
        lines[number].wait_s = 20.0
        descriptor = lines[number].take(str(path))
        order.append(number)
        assert descriptor is not None
        lockfile.release(descriptor)

    threads = [start_thread(lambda number=number: wait(number)) for number in reversed(range(8))]
    lockfile.release(first)
    for thread in threads:
        thread.join(20)
    assert order == list(range(8))


def test_a_caller_keeps_its_place_while_it_looks_for_a_supervisor(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = taken(path)
    line = a_line(0.01)
    assert line.take(str(path)) is None
    thread = line._waiting
    assert line.take(str(path)) is None and line._waiting is thread
    lockfile.release(first)
    line.wait_s = 20.0
    descriptor = line.take(str(path))
    assert descriptor is not None and not is_free(path)
    lockfile.release(descriptor)
    assert is_free(path)


def test_an_abandoned_place_keeps_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = taken(path)
    line = a_line(0.01)
    assert line.take(str(path)) is None
    line.leave()
    lockfile.release(first)
    until(lambda: is_free(path), lambda: "the lock to be free")


def test_a_lock_that_arrives_late_is_released_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = taken(path)
    line = a_line(0.01)
    assert line.take(str(path)) is None
    lockfile.release(first)
    until(lambda: line._waiting._is_over, lambda: "the lock to arrive")
    line.leave()
    assert is_free(path)


def test_repeated_abandoned_waits_leave_one_thread(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = taken(path)
    before = threads_of_this_process()
    for _ in range(20):
        line = a_line(0.001)
        assert line.take(str(path)) is None
        line.leave()
    assert threads_of_this_process() <= before + 1
    lockfile.release(first)
    until(lambda: threads_of_this_process() <= before, lambda: "the thread to end")
    lockfile.release(taken(path, 20.0))


def threads_of_this_process() -> int:
    if not os.path.isdir("/proc/self/task"):
        pytest.skip("needs /proc")
    return len(os.listdir("/proc/self/task"))


def test_a_forked_child_holds_neither_lock_nor_place(tmp_path: Path) -> None:
    """The child lives on when the parent releases the lock, and when the parent is killed."""
    path = tmp_path / "lock"
    first = taken(path)
    line = a_line(0.01)
    assert line.take(str(path)) is None
    readable, writable = os.pipe()
    begun, begins = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(begins, b"x")
        os.close(writable)
        os.read(readable, 1)
        os._exit(0)
    os.close(readable)
    try:
        assert os.read(begun, 1) == b"x"  # until then, the child has not closed its copies
        os.close(first)  # closes the descriptor, as a kill does
        lockfile._held.discard(first)
        line.wait_s = 20.0
        second = line.take(str(path))
        assert second is not None
        os.close(second)
        lockfile._held.discard(second)
        assert is_free(path)
    finally:
        for descriptor in (writable, begun, begins):
            os.close(descriptor)
        os.waitpid(pid, 0)


def test_the_lock_is_available_without_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process may have reached its limit of threads."""

    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    path = tmp_path / "lock"
    first = taken(path)
    monkeypatch.setattr(lockfile._thread, "start_new_thread", refuse)
    line = a_line(0.01)
    assert line.take(str(path)) is None
    lockfile.release(first)
    second = line.take(str(path))
    assert second is not None
    lockfile.release(second)


def test_no_caller_gives_up_while_the_line_moves(queuectl: CommandLine) -> None:
    """Let callers in front take short turns that together exceed the wait limit."""
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    path = Path(queuectl.home) / "lock"
    first = taken(path)
    lines = [a_line() for _ in range(16)]
    join(path, lines)

    def take_turns() -> None:
        descriptor: int | None = first
        for line in lines:
            time.sleep(0.12)  # the turn of another caller
            assert descriptor is not None
            lockfile.release(descriptor)
            line.wait_s = 20.0
            descriptor = line.take(str(path))
        lockfile.release(descriptor)

    with Queue(queuectl.home, deadline_s=1.0) as queue:
        thread = start_thread(take_turns)
        assert queue.enqueue("true", id="b") == "b"
        thread.join()


def test_a_caller_gives_up_when_the_line_does_not_move(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    held = taken(Path(queuectl.home) / "lock")
    with Queue(queuectl.home, deadline_s=0.3) as queue:
        started_s = time.monotonic()
        with pytest.raises(Busy, match="lock is held"):
            queue.enqueue("true", id="b")
        assert 0.2 < time.monotonic() - started_s < 5
        lockfile.release(held)
        assert queue.enqueue("true", id="c") == "c"
    assert queuectl.counts()["pending"] == 2


def test_a_supervisor_gets_its_turn_among_many_calls(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    calls = [queuectl.popen("enqueue", "--command", "true", stdout=subprocess.DEVNULL) for _ in range(20)]
    queuectl.ok("worker", "start")
    assert [call.wait(60) for call in calls] == [0] * 20
    queuectl.until_done(completed=21)


@pytest.mark.long
def test_two_hundred_calls_at_once_without_a_supervisor_all_succeed(queuectl: CommandLine) -> None:
    calls = [
        subprocess.Popen([sys.executable, SCRIPT, "enqueue", "--", "true"], env=queuectl.environ, stdout=-3, stderr=-1)
        for _ in range(200)
    ]
    errors = [call.communicate(timeout=300)[1] for call in calls]
    assert [(call.returncode, text) for call, text in zip(calls, errors) if call.returncode] == []
    assert queuectl.counts()["pending"] == 200


def test_the_lock_of_a_moved_home_does_not_block_a_new_home(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = lockfile.acquire(str(path))
    assert holder is not None
    line = lockfile.Line()
    assert line.take(str(path)) is None, "it is held"
    path.rename(tmp_path / "moved")
    path.touch(0o600)
    os.close(holder)
    line.wait_s = 20.0
    assert line.take(str(path)) is None, "the lock that came is that of the moved file"
    descriptor = line.take(str(path))
    assert descriptor is not None
    assert os.path.samestat(os.fstat(descriptor), path.stat())
    lockfile.release(descriptor)
