"""A supervisor as a service: what it tells its service manager, and a restart that keeps its process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from queuectl_core.system.service_manager import ServiceManager
from tests.homes import CommandLine, until


class Manager:
    """A stand-in of systemd, which receives the messages of its service."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address[0] == "@" else address)
        self._socket.setblocking(False)

    def listen(self) -> list[str]:
        """Return all lines of the messages so far."""
        while True:
            try:
                self.heard += self._socket.recv(65536).decode().split("\n")
            except BlockingIOError:
                return self.heard

    def until(self, line: str, count: int = 1) -> None:
        until(lambda: self.listen().count(line) >= count, lambda: f"{line}; heard {self.heard}")

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(queuectl: CommandLine) -> Iterator[Manager]:
    manager = Manager(os.path.join(os.path.dirname(queuectl.home), "notify"))
    queuectl.environ["NOTIFY_SOCKET"] = manager.address
    yield manager
    manager.close()


def start(queuectl: CommandLine, *words: str) -> subprocess.Popen[bytes]:
    """Start a supervisor as a service; later calls are not from the service."""
    process = queuectl.popen("worker", "start", "--foreground", "--quiet", *words, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    queuectl.environ.pop("NOTIFY_SOCKET", None)
    return process


def test_a_service_says_when_it_is_ready_and_when_it_stops(queuectl: CommandLine, manager: Manager) -> None:
    process = start(queuectl, "--count", "2")
    manager.until("READY=1")
    assert f"MAINPID={process.pid}" in manager.heard
    assert f"STATUS=ready: pid {process.pid}, 2 workers, home {queuectl.home}" in manager.heard
    queuectl.ok("worker", "scale", "3")
    manager.until("STATUS=scaled to 3 workers (was 2)")
    assert "STOPPING=1" not in manager.heard
    process.send_signal(signal.SIGTERM)
    manager.until("STOPPING=1")
    assert process.wait(timeout=20) == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has abstract names")
def test_the_address_can_be_an_abstract_name() -> None:
    manager = Manager(f"@queuectl-test-{os.getpid()}")
    environ = {"NOTIFY_SOCKET": manager.address}
    mine = ServiceManager(environ)
    mine.tell("two\nlines", "READY=1")
    assert manager.listen() == ["READY=1", "STATUS=two\\nlines"]
    assert environ == {} and mine.is_there and mine.environ({"A": "b"}) == {"A": "b", "NOTIFY_SOCKET": manager.address}
    manager.close()
    mine.tell("nobody listens")


def test_a_manager_that_does_not_read_delays_no_status(queuectl: CommandLine) -> None:
    manager = Manager(os.path.join(os.path.dirname(queuectl.home), "notify"))
    mine = ServiceManager({"NOTIFY_SOCKET": manager.address})
    for n in range(5000):  # more than the kernel keeps
        mine.tell(f"message {n}")
    assert manager.listen()[0] == "STATUS=message 0" and len(manager.heard) < 5000
    manager.close()


def test_without_a_manager_nothing_is_told() -> None:
    for address in ("", "vsock:2:3", "relative"):
        mine = ServiceManager({"NOTIFY_SOCKET": address})
        mine.tell("x", "READY=1")
        assert not mine.is_there
    assert ServiceManager({"XPC_SERVICE_NAME": "queuectl.night"}).is_there
    assert not ServiceManager({"XPC_SERVICE_NAME": "application.com.apple.Terminal"}).is_there


def test_no_job_can_speak_for_the_service(queuectl: CommandLine, manager: Manager) -> None:
    process = start(queuectl)
    manager.until("READY=1")
    assert "NOTIFY_SOCKET" not in queuectl.ok("run", "--", "env")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0


def test_a_restart_keeps_the_process_of_the_service_and_its_jobs(queuectl: CommandLine, manager: Manager) -> None:
    process = start(queuectl, "--count", "2")
    manager.until("READY=1")
    flag = os.path.join(os.path.dirname(queuectl.home), "flag")
    queuectl.ok("enqueue", "--id", "long", "--", f"until [ -e {flag} ]; do sleep 0.05; done")
    queuectl.until_state("long", "processing")
    for count in (2, 3):
        done = queuectl.ok("worker", "restart", *(["--count", "3"] if count == 3 else []))
        assert done == f"restarted the service with {count} workers, pid {process.pid}\n"
        manager.until("READY=1", count)
        assert queuectl.json("status")["supervisor"] | {"started_at": ""} == {
            "pid": process.pid, "state": "running", "started_at": "", "workers_wanted": count,
        }  # fmt: skip
    assert "STOPPING=1" not in manager.heard and process.poll() is None
    queuectl.ok("run", "--", "true")
    with open(flag, "w"):
        pass
    job = queuectl.until_state("long", "completed")
    assert job["attempts"] == 1 and len(job["history"]) == 1
    assert "NOTIFY_SOCKET" not in queuectl.ok("run", "--", "env")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    manager.until("STOPPING=1")


@pytest.mark.skipif(not os.path.exists("/proc/net/unix"), reason="only Linux shows connections")
def test_a_stop_during_a_restart_wins(queuectl: CommandLine, manager: Manager) -> None:
    process = start(queuectl)
    manager.until("READY=1")
    os.kill(process.pid, signal.SIGSTOP)  # the request and the signal then come in one turn
    restart = queuectl.popen("worker", "restart", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: has_asked(queuectl), lambda: "the request of the restart")
    restart.kill()  # it would start a supervisor of its own if the signal came first
    restart.wait()
    process.send_signal(signal.SIGTERM)
    os.kill(process.pid, signal.SIGCONT)
    assert process.wait(timeout=20) == 0
    assert manager.listen().count("READY=1") == 1


def has_asked(queuectl: CommandLine) -> bool:
    """Return whether a client is connected to the control socket."""
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
        lines = [line.split() for line in file if line.rstrip().endswith(f"{queuectl.home}/control.sock")]
    return any(line[5] in ("02", "03") and line[3] != "00010000" for line in lines)


def test_a_restart_keeps_no_rights_and_limits_of_the_supervisor(queuectl: CommandLine, manager: Manager) -> None:
    process = start(queuectl)
    manager.until("READY=1")
    before = queuectl.ok("run", "--", "umask; ulimit -n")
    queuectl.ok("worker", "restart")
    assert queuectl.ok("run", "--", "umask; ulimit -n") == before
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0


def test_a_restart_of_a_supervisor_at_a_terminal_ends_it(queuectl: CommandLine) -> None:
    process = start(queuectl)
    until(lambda: queuectl.json("status")["supervisor"], lambda: "the supervisor")
    queuectl.ok("worker", "restart")
    assert process.wait(timeout=20) == 0
    assert queuectl.supervisor_pid() != process.pid
