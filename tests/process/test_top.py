"""`top` on a real terminal, which tmux is, and as text with --once."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.homes import SCRIPT, CommandLine, is_alive, until

NEEDS_TMUX = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
SLOW_OUTPUT = "n=0; while :; do n=$((n+1)); echo line-$n; echo other >&2; sleep 0.05; done"


class Tmux:
    """A terminal in which `queuectl top` runs."""

    def __init__(self, queuectl: CommandLine, *words: str, size: str = "80x24", environ: str = "") -> None:
        self._socket = os.path.join(os.path.dirname(queuectl.home), "tmux")
        columns, rows = size.split("x")
        command = shlex.join([sys.executable, SCRIPT, "top", *words])
        # The shell outlives `top`, so that the screen after its end can be read.
        shell = f"{environ} {command}; echo left with $?; exec sh -c 'read x'"
        environ_of_tmux = {**queuectl.environ, "TMUX": "", "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        subprocess.run(
            ["tmux", "-S", self._socket, "-f", "/dev/null", "new-session", "-d", "-x", columns, "-y", rows, shell],
            env=environ_of_tmux, check=True, timeout=20,
        )  # fmt: skip

    def _ask(self, *words: str) -> str:
        return subprocess.run(
            ["tmux", "-S", self._socket, *words], capture_output=True, text=True, check=True, timeout=20
        ).stdout

    def press(self, *keys: str) -> None:
        """Press keys by their names in tmux."""
        self._ask("send-keys", *keys)

    def type(self, text: str) -> None:
        self._ask("send-keys", "-l", "--", text)

    def screen(self) -> str:
        return self._ask("capture-pane", "-p")

    def until(self, *texts: str) -> str:
        """Wait until all these texts are on the screen, and return it."""

        def look() -> str:
            screen = self.screen()
            return screen if all(text in screen for text in texts) else ""

        return until(look, lambda: f"{texts} on\n{self.screen()}")

    def until_gone(self, text: str) -> str:
        return until(lambda: text not in self.screen() and self.screen(), lambda: f"no {text!r} on\n{self.screen()}")

    def resize(self, columns: int, rows: int) -> None:
        self._ask("resize-window", "-x", str(columns), "-y", str(rows))

    def pid(self) -> int:
        """Return the process of `top`."""
        shell = self._ask("list-panes", "-F", "#{pane_pid}").strip()
        children = subprocess.run(["pgrep", "-P", shell], capture_output=True, text=True, check=False).stdout.split()
        return int(children[0])

    def close(self) -> None:
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], capture_output=True, check=False, timeout=20)


@pytest.fixture
def jobs(queuectl: CommandLine) -> CommandLine:
    """Yield a home in which a job runs, one is dead, and some wait."""
    queuectl.ok("enqueue", "--id", "noisy", "--priority", "9", "--command", SLOW_OUTPUT)
    queuectl.ok("enqueue", "--id", "bad", "--priority", "10", "--max-retries", "0", "--", "echo no route; exit 7")
    for n in range(4):
        queuectl.ok("enqueue", "--id", f"mail-{n}", "--queue", "mail", "--delay", "1h", "--", "send", str(n))
    queuectl.ok("worker", "start", "--count", "1")
    queuectl.until_state("bad", "dead")
    queuectl.until_state("noisy", "processing")
    queuectl.environ["TMPDIR"] = os.path.dirname(queuectl.home)
    queuectl.environ["VISUAL"] = "sed -i.old 's/\"priority\": 0/\"priority\": 3/'"
    return queuectl


@pytest.fixture
def opened(jobs: CommandLine) -> Iterator[Tmux]:
    tmux = Tmux(jobs)
    try:
        tmux.until("> noisy", "line-")
        yield tmux
    finally:
        tmux.close()


@NEEDS_TMUX
def test_somebody_filters_marks_and_cancels_with_a_preview(opened: Tmux, jobs: CommandLine) -> None:
    opened.press("/")
    opened.type("--queue mail")
    opened.press("Enter")
    opened.until("jobs --queue mail", "> mail-0")
    opened.press("Space", "Down", "Space")
    opened.until("2 marked")
    opened.press("c")
    seen = opened.until("cancel 2 jobs?", "y yes  n no")
    assert "$ queuectl cancel mail-0 mail-2" in seen
    opened.press("n")
    opened.until("nothing was changed")
    assert jobs.job("mail-0")["state"] == "pending"
    opened.press("c")
    opened.until("cancel 2 jobs?")
    opened.press("y")
    opened.until("canceled 2 jobs")
    assert [jobs.job(f"mail-{n}")["state"] for n in range(4)] == ["dead", "pending", "dead", "pending"]
    opened.press("*", "d")
    opened.until("no job here can be retried")  # somebody canceled them, and a filter spares such jobs
    opened.press("e")
    opened.until("edit --set")
    opened.type("priority=5")
    opened.press("Enter")
    opened.until("change 4 jobs?", "$ queuectl edit --queue mail --set priority=5")
    opened.press("y")
    opened.until("changed 4 jobs")
    assert jobs.job("mail-1")["priority"] == 5
    opened.press("q")
    opened.until("left with 0")


@NEEDS_TMUX
def test_somebody_follows_output_filters_it_and_reads_details(opened: Tmux, jobs: CommandLine) -> None:
    opened.press("f")
    first = opened.until("output of noisy following", "other")
    number = max(int(word[5:]) for word in first.split() if word.startswith("line-"))
    opened.until(f"line-{number + 30}")  # more than fit, so that there is something to scroll
    opened.press("&")
    opened.type("LINE")
    opened.press("Enter")
    opened.until("& LINE")
    opened.until_gone("other")
    opened.press("Up")
    opened.until_gone("following")
    opened.press("Escape")
    opened.until("QUEUE ")
    opened.press("Enter")
    opened.until("details of noisy", "priority      9")
    opened.press("Escape", "w")
    opened.until("noisy is processing: running on w1")
    opened.press("?")
    opened.until("Keys of queuectl top", " cancel ID")
    opened.press("x", "!")
    opened.until("failed first", "> bad", "exit code 7", "no route")


@NEEDS_TMUX
def test_it_follows_the_size_and_the_end_of_the_supervisor(opened: Tmux, jobs: CommandLine) -> None:
    opened.resize(60, 16)
    seen = opened.until("COMMAND", "busy")
    assert all(len(line) <= 60 for line in seen.splitlines())
    opened.resize(140, 40)
    opened.until("AGE", "f follow")
    jobs.kill_supervisor()
    opened.until("no supervisor")
    jobs.ok("worker", "start")
    opened.until("supervisor running")
    jobs.ok("enqueue", "--id", "fresh", "--delay", "1h", "--", "true")
    opened.until("fresh")
    opened.press("p")
    opened.until("pause queue default?")
    opened.press("a")
    opened.until("paused all queues", "all queues are paused since")


@NEEDS_TMUX
@pytest.mark.parametrize("key", ["C-c", "q"])
def test_the_terminal_is_as_before_at_the_end(opened: Tmux, key: str) -> None:
    opened.press("C-z" if key == "q" else "?")
    opened.press("q")
    if key == "C-c":
        opened.until("> noisy")
    opened.press(key)
    opened.until("left with 0")


@NEEDS_TMUX
def test_one_job_is_edited_in_an_editor_and_the_screen_comes_back(opened: Tmux, jobs: CommandLine) -> None:
    opened.press("Down", "e")
    opened.until("changed priority of mail-0", "jobs ")
    assert jobs.job("mail-0")["priority"] == 3
    opened.press("Up", "e")
    opened.until("noisy", "processing")
    assert "Traceback" not in opened.screen()


@NEEDS_TMUX
def test_it_ends_with_its_terminal(opened: Tmux) -> None:
    pid = opened.pid()
    opened.close()
    until(lambda: not is_alive(pid), lambda: "top to end")


@NEEDS_TMUX
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_an_idle_top_makes_no_system_call(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    queuectl.until_state("a", "completed")
    tmux = Tmux(queuectl)
    try:
        tmux.until("> a", "completed")
        trace = os.path.join(os.path.dirname(queuectl.home), "trace")
        strace = subprocess.Popen(["strace", "-f", "-p", str(tmux.pid()), "-o", trace], stderr=subprocess.DEVNULL)
        until(lambda: is_quiet_for_s(5, strace, trace), lambda: open(trace).read(), deadline_s=40)
        queuectl.ok("enqueue", "--id", "b", "--delay", "1h", "--", "true")
        tmux.until("b ", "pending")
        strace.terminate()
        strace.wait(20)
    finally:
        tmux.close()
    if os.path.getsize(trace) == 0:
        pytest.skip("strace may not attach here")


def is_quiet_for_s(seconds: float, strace: subprocess.Popen[bytes], trace: str) -> bool:
    """Wait so many seconds, and return whether no system call has ended meanwhile."""
    before = os.path.exists(trace) and os.path.getsize(trace)
    with pytest.raises(subprocess.TimeoutExpired):
        strace.wait(seconds)
    return before is not False and os.path.getsize(trace) == before


def test_once_prints_a_screen_of_the_size_of_the_terminal(jobs: CommandLine) -> None:
    jobs.environ.update(COLUMNS="100", LINES="30")
    lines = jobs.ok("top", "--once").splitlines()
    assert len(lines) == 30 and max(map(len, lines)) <= 100
    assert "1/1 workers busy" in lines[0] and "4 pending" in lines[1] and "> noisy" in "\n".join(lines)
    only = jobs.ok("top", "--once", "--state", "dead")
    assert "jobs --state dead" in only and "> bad" in only and "no route" in only and "mail-1" not in only


def test_once_works_without_a_supervisor_and_without_a_home(queuectl: CommandLine) -> None:
    assert "no jobs; queuectl enqueue adds one" in queuectl.ok("top", "--once")
    assert not os.path.exists(queuectl.home)


def test_without_a_terminal_it_says_what_to_do(queuectl: CommandLine) -> None:
    assert "top needs a terminal; --once prints one screen" in queuectl.refused(2, "top")
    assert "unknown state" in queuectl.refused(2, "top", "--once", "--state", "deed")


@NEEDS_TMUX
@pytest.mark.parametrize("why", ["TERM=dumb", "TERM=nonsense", "no curses"])
def test_a_terminal_without_a_screen_gets_the_list(jobs: CommandLine, why: str, tmp_path: Path) -> None:
    if why == "no curses":
        (tmp_path / "curses.py").write_text("raise ImportError('No module named _curses')")
        why = f"PYTHONPATH={tmp_path}"
    tmux = Tmux(jobs, environ=f"export {why};")
    try:
        tmux.until("ID", "noisy", "mail-3")
        tmux.press("C-c")
    finally:
        tmux.close()
