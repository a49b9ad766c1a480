"""Progress on a terminal: one line that disappears, also on Ctrl-C, and nothing of it in a pipe."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from queuectl_core.system import lockfile
from tests.homes import DEADLINE_S, SCRIPT, CommandLine

CLEAR = "\r\x1b[K"


class Terminal:
    """A command whose stderr is a terminal, and what it has written there."""

    def __init__(self, queuectl: CommandLine, *words: str, **environ: str) -> None:
        self._master, slave = pty.openpty()
        env = {**queuectl.environ, "TERM": "xterm", **environ}
        self.process = subprocess.Popen(
            [sys.executable, SCRIPT, *words], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave
        )
        os.close(slave)
        self.seen = ""

    def read(self) -> bool:
        """Read more, and return False at the end."""
        try:
            piece = os.read(self._master, 65536)
        except OSError:  # Linux reports EIO after the other side closes
            piece = b""
        self.seen += piece.decode()
        return bool(piece)

    def until(self, text: str) -> None:
        while text not in self.seen:
            assert self.read(), self.seen

    def end(self) -> tuple[int, str, str]:
        """Return the exit status, stdout, and what was left on the terminal."""
        while self.read():
            pass
        os.close(self._master)
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            out = stdout.read().decode()
        return self.process.wait(DEADLINE_S), out, self.seen.rpartition(CLEAR)[2].replace("\r\n", "\n")


@pytest.fixture
def waiting(queuectl: CommandLine) -> Callable[..., Terminal]:
    """Return a function that starts a wait for a job that never begins, and returns when it shows that."""
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "done", "--command", "true")
    queuectl.ok("enqueue", "--id", "late", "--delay", "1h", "--command", "true")
    queuectl.until_state("done", "completed")

    def start(*words: str, **environ: str) -> Terminal:
        terminal = Terminal(queuectl, "wait", *words, **environ)
        terminal.until("1/2 jobs  50%" if words else "0/1 of all unfinished jobs")
        return terminal

    return start


def test_only_the_summary_is_left(queuectl: CommandLine, waiting: Callable[..., Terminal]) -> None:
    terminal = waiting("done", "late")
    queuectl.ok("cancel", "late")
    status, out, left = terminal.end()
    assert (status, out) == (1, "") and left.startswith("2 jobs: 1 completed, 1 dead; waited "), terminal.seen
    assert left.count("\n") == 1 and "\x1b]" not in terminal.seen


def test_ctrl_c_says_what_continues(waiting: Callable[..., Terminal]) -> None:
    terminal = waiting("done", "late", TERM_PROGRAM="ghostty")
    terminal.process.send_signal(signal.SIGINT)
    text = "\x1b]9;4;0;\x1b\\interrupted; 1 unfinished job continues; the same command waits again\n"
    assert terminal.end() == (130, "", text)
    assert "\x1b]9;4;1;50\x1b\\" in terminal.seen


def test_without_arguments_the_line_says_what_it_waits_for(
    queuectl: CommandLine, waiting: Callable[..., Terminal]
) -> None:
    terminal = waiting()
    queuectl.ok("retry", "late")
    assert terminal.end()[0] == 0


@pytest.mark.parametrize(("words", "environ"), [(["--quiet"], {}), ([], {"TERM": "dumb"}), (["--json"], {})])
def test_no_line_if_it_is_not_wanted(queuectl: CommandLine, words: list[str], environ: dict[str, str]) -> None:
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "a", "--command", "sleep 0.7")
    terminal = Terminal(queuectl, "wait", "a", *words, **environ)
    assert terminal.end()[0] == 0
    assert "\r\x1b" not in terminal.seen and "1/1" not in terminal.seen


def test_a_drain_counts_the_runs_that_end(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start", "--count", "2")
    for id in ("a", "b"):
        queuectl.ok("enqueue", "--id", id, "--max-retries", "1", "--backoff-base", "60", "--command", "sleep 60")
        queuectl.until_state(id, "processing")
    terminal = Terminal(queuectl, "drain")
    terminal.until("0/2 running jobs have ended")
    os.kill(run_pid(queuectl, "a"), signal.SIGKILL)
    terminal.until("1/2 running jobs have ended  50%  1 failed")
    queuectl.ok("cancel", "b")
    assert terminal.end()[:2] == (0, "drained all queues; no job starts until `queuectl resume`\n")


def run_pid(queuectl: CommandLine, id: str) -> int:
    """Return the PID of the process that a job runs."""
    worker = queuectl.worker_running(id)
    return int(subprocess.run(["pgrep", "-P", str(worker)], capture_output=True, text=True, check=True).stdout)


def test_ctrl_c_of_a_drain_says_what_continues(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "a", "--command", "sleep 60")
    queuectl.until_state("a", "processing")
    terminal = Terminal(queuectl, "drain")
    terminal.until("0/1 running jobs have ended")
    terminal.process.send_signal(signal.SIGINT)
    left = "interrupted; running jobs continue, and none starts until `queuectl resume`\n"
    assert terminal.end() == (130, "", left)


def test_a_stop_shows_the_jobs_that_it_waits_for(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "a", "--command", "sleep 60")
    queuectl.until_state("a", "processing")
    terminal = Terminal(queuectl, "worker", "stop")
    terminal.until("0/1 running jobs have ended")
    terminal.process.send_signal(signal.SIGINT)
    status, out, left = terminal.end()
    assert (status, out) == (130, "") and left.startswith("interrupted; the stop continues")
    other = Terminal(queuectl, "worker", "stop")
    other.until("0/1 running jobs have ended")
    queuectl.ok("cancel", "a")
    assert other.end() == (0, "stopped\n", "")


def test_run_tells_each_retry(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    answer = queuectl("run", "--id", "a", "--max-retries", "2", "--backoff-base", "1", "--", "echo out; exit 3")
    told = re.sub(r"[\d.]+ s$|\S+Z$", "T", answer.err, flags=re.MULTILINE)
    assert (answer.status, answer.out) == (3, "out\n" * 3)
    assert told == (
        "exit code 3; retry 1 of 2 in T\n==> attempt 2, started T\n"
        "exit code 3; retry 2 of 2 in T\n==> attempt 3, started T\njob a is dead: exit code 3\n"
    )
    quiet = queuectl("run", "--quiet", "--max-retries", "1", "--backoff-base", "1", "--", "exit 3")
    assert "retry" not in quiet.err


def test_run_says_that_it_or_its_job_timed_out(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    answer = queuectl("run", "--id", "a", "--wait-timeout", "0.3", "--", "sleep 60")
    assert answer.status == 124 and answer.err.startswith("timed out after 0.3 s; job a continues; "), answer
    assert queuectl.job("a")["state"] == "processing"
    queuectl.ok("cancel", "a")
    answer = queuectl("run", "--id", "b", "--timeout", "0.1", "--max-retries", "0", "--", "sleep 60")
    assert (answer.status, answer.err) == (128 + 15, "job b is dead: timed out after 0.1 s\n")


def test_run_shows_what_its_job_does_and_sums_it_up(queuectl: CommandLine) -> None:
    queuectl.ok("pause")
    queuectl.ok("worker", "start")
    gate = os.path.join(os.path.dirname(queuectl.home), "gate")
    os.mkfifo(gate)
    words = ["--id", "a", "--backoff-base", "1.5", "--", f"echo begun; read line < {gate}; [ $line = good ]"]
    terminal = Terminal(queuectl, "run", *words)
    terminal.until("s; `queuectl why a` says why")
    queuectl.ok("resume")
    terminal.until("job a runs ")
    for line in ("bad", "good"):
        with open(gate, "w") as file:
            file.write(f"{line}\n")
        if line == "bad":
            terminal.until("exit code 1; retry 1 of 3 in ")
            terminal.until("s for its retry")
    status, out, left = terminal.end()
    assert (status, out) == (0, "begun\nbegun\n")
    assert re.search(r"\njob a completed after \d+(\.\d)? s, at attempt 2\n\Z", left), left


def test_run_says_once_that_a_job_ended_badly(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    terminal = Terminal(queuectl, "run", "--id", "a", "--max-retries", "0", "--", "sleep 0.6; exit 3")
    status, _, left = terminal.end()
    assert status == 3 and re.fullmatch(r"job a is dead: exit code 3; ended after \d+\.\d s\n", left), left


def test_a_quiet_run_shows_no_line(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    terminal = Terminal(queuectl, "run", "--quiet", "--", "sleep 0.8")
    terminal.end()
    assert terminal.seen == ""


def test_a_busy_supervisor_is_noted(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    os.kill(queuectl.supervisor_pid(), signal.SIGSTOP)
    with queuectl.popen("enqueue", "--", "true", stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"the supervisor is busy; waiting up to 30 s")
        os.kill(queuectl.supervisor_pid(), signal.SIGCONT)
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_a_held_lock_is_noted(queuectl: CommandLine) -> None:
    queuectl.ok("status")
    queuectl.ok("enqueue", "--", "true")
    lock = lockfile.acquire(os.path.join(queuectl.home, "lock"))
    assert lock is not None
    with queuectl.popen("enqueue", "--", "true", stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"another process is writing; waiting up to 30 s")
        os.close(lock)
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_unused_piped_input_is_noted_unless_quiet(queuectl: CommandLine) -> None:
    for words, warns in ((["--", "true"], True), (["--quiet", "--", "true"], False), (["--stdin", "-", "--", "cat"], False)):
        readable, writable = os.pipe()
        os.write(writable, b"a\nb\n")
        os.close(writable)
        process = queuectl.popen("enqueue", *words, stdin=readable, stderr=subprocess.PIPE)
        os.close(readable)
        error = process.communicate()[1]
        assert error.startswith(b"warning: standard input was not read") is warns and error.count(b"\n") == warns
        assert process.returncode == 0


def test_many_jobs_are_counted_on_stderr(queuectl: CommandLine) -> None:
    answer = queuectl("enqueue", "--array", "1-3", "--", "true")
    assert answer.out.count("\n") == 3 and answer.err.startswith("added 3 jobs to batch ")
    assert queuectl("enqueue", "--array", "1-3", "--quiet", "--", "true").err == ""


def test_enqueue_at_a_terminal_says_that_no_supervisor_runs(queuectl: CommandLine) -> None:
    said = "no supervisor is running; start one with `queuectl worker start`\n"
    assert Terminal(queuectl, "enqueue", "--id", "a", "--", "true").end() == (0, "a\n", said)
    status, _, left = Terminal(queuectl, "enqueue", "--batch", "b", "--", "true", ":::", "1", "2").end()
    assert (status, left) == (0, f"added 2 jobs to batch b; first: true 1\n{said}")
    assert Terminal(queuectl, "enqueue", "--id", "d", "--quiet", "--", "true").end() == (0, "d\n", "")
    assert queuectl("enqueue", "--", "true").err == ""
    queuectl.ok("worker", "start")
    assert Terminal(queuectl, "enqueue", "--id", "e", "--", "true").end() == (0, "e\n", "")
