"""The death of a worker or supervisor: runs that had started, runs that had not, process trees,
neighbors.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import pytest

from tests.faults.oracle import CLEAN, Oracle, needs_flock
from tests.homes import ROOT, CommandLine, is_alive, processes_of, until

SECONDS = f"8{os.getpid()}.25"
"""How long a process sleeps that is found by its words. Another run of the tests uses another number."""

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")


def until_started(queuectl: CommandLine, id: str) -> None:
    until(lambda: queuectl("logs", id).out.startswith("begun"), lambda: f"{id} to start")


@needs_flock
def test_death_of_a_supervisor_costs_no_attempt_of_short_jobs(queuectl: CommandLine) -> None:
    """A worker or its queue then holds some of them, started or not; a wrong loss would make them
    dead.
    """
    oracle = Oracle(os.path.dirname(queuectl.home))
    ids = [f"n{n}" for n in range(1500)]
    lines = [f'{{"id": "{id}", "max_retries": 0, "command": "{oracle.command()}"}}' for id in ids]
    queuectl.ok("enqueue", "--file", "-", stdin="\n".join(lines).encode())
    for round in range(1, 5):
        queuectl.ok("worker", "start", "--count", "2")
        until(lambda: queuectl.counts()["completed"] >= 200 * round, lambda: "some jobs to complete")
        queuectl.kill_supervisor()
    queuectl.ok("worker", "start", "--count", "2")
    queuectl.until_done(completed=1500)
    assert oracle.judge(set(ids), dict.fromkeys(ids, "completed")) == CLEAN


def test_a_retried_job_is_not_mistaken_for_its_earlier_attempt(queuectl: CommandLine) -> None:
    """When its supervisor is killed during the second attempt, the worker still remembers the first
    result.
    """
    trace, go = (os.path.join(os.path.dirname(queuectl.home), name) for name in ("trace", "go"))
    command = f"echo begun $QUEUECTL_ATTEMPT; echo x >> {trace}; test $QUEUECTL_ATTEMPT = 2 || exit 1; "
    command += f"while ! test -e {go}; do sleep 0.02; done; echo end"
    queuectl.ok("enqueue", "--id", "twice", "--backoff-base", "0.1", "--command", command)
    queuectl.ok("worker", "start")
    until(lambda: queuectl("logs", "twice").out == "begun 2\n", lambda: "the second attempt")
    queuectl.kill_supervisor()
    assert queuectl.job("twice")["state"] == "processing"
    queuectl.ok("worker", "start", "--count", "2")
    with open(go, "w"):
        pass
    job = queuectl.until_state("twice", "completed")
    assert [attempt["exit_code"] for attempt in job["history"]] == [1, 0]
    with open(trace) as file:
        assert file.read() == "x\nx\n"


def test_worker_restart_interrupts_nothing(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "slow", "--command", "echo begun; sleep 1; echo end")
    queuectl.ok("worker", "start", "--count", "2")
    until_started(queuectl, "slow")
    first = queuectl.supervisor_pid()
    assert "restarted with 2 workers" in queuectl.ok("worker", "restart")
    assert queuectl.supervisor_pid() != first
    job = queuectl.until_state("slow", "completed")
    assert (len(job["history"]), queuectl.ok("logs", "slow")) == (1, "begun\nend\n")
    until(lambda: len(queuectl.json("status")["workers"]) == 2, lambda: "two new workers")


def test_a_job_that_kills_its_worker_three_times_is_dead(queuectl: CommandLine) -> None:
    """Kill $PPID, which is the worker; `max_retries` does not matter."""
    queuectl.ok(
        "enqueue",
        "--id",
        "poison",
        "--max-retries",
        "100",
        "--backoff-base",
        "0.1",
        "--command",
        "kill -9 $PPID; sleep 9",
    )
    queuectl.ok("worker", "start")
    job = queuectl.until_state("poison", "dead")
    assert job["reason"] == "its worker was lost 3 times"
    assert [attempt["outcome"] for attempt in job["history"]] == ["worker-lost"] * 3
    queuectl.ok("enqueue", "--id", "after", "--command", "true")
    queuectl.until_state("after", "completed")


def test_workers_that_cannot_work_count_no_attempt_and_do_not_spin(queuectl: CommandLine) -> None:
    """Remove their folder for output: each dies at its first run, before it starts anything."""
    queuectl.ok("enqueue", "--id", "innocent", "--max-retries", "0", "--command", "true")
    queuectl.ok("worker", "start")
    queuectl.until_state("innocent", "completed")
    shutil.rmtree(os.path.join(queuectl.home, "run"))
    pid = queuectl.json("status")["workers"][0]["pid"]
    os.kill(pid, signal.SIGKILL)
    queuectl.ok("enqueue", "--id", "second", "--max-retries", "0", "--command", "true")
    log = os.path.join(queuectl.home, "supervisor.log")
    until(lambda: "cannot start a worker" in open(log).read(), lambda: "the log message")
    assert queuectl.job("second")["state"] == "pending"
    os.mkdir(os.path.join(queuectl.home, "run"), 0o700)
    queuectl.until_state("second", "completed")
    assert open(log).read().count("cannot start a worker") < 20


def test_a_killed_job_and_its_children_get_the_grace_period(queuectl: CommandLine) -> None:
    folder = os.path.dirname(queuectl.home)
    saver = f"trap 'sleep 0.3; echo saved > {folder}/saved; exit' TERM; echo begun; while :; do sleep 0.05; done"
    queuectl.ok("enqueue", "--id", "saver", "--command", f"({saver}) & wait")
    queuectl.ok("worker", "start")
    until_started(queuectl, "saver")
    queuectl.ok("worker", "stop", "--now")
    assert os.path.exists(f"{folder}/saved")
    assert processes_of(queuectl.home) == []


def test_stop_now_ends_escaped_processes_that_ignore_term(queuectl: CommandLine) -> None:
    queuectl.ok("config", "set", "grace", "0.2")
    stubborn = "trap '' TERM; echo begun; while :; do sleep 0.05; done"
    queuectl.ok("enqueue", "--id", "x", "--command", f'setsid sh -c "{stubborn}" & {stubborn}')
    queuectl.ok("worker", "start")
    until_started(queuectl, "x")
    queuectl.ok("worker", "stop", "--now")
    assert processes_of(queuectl.home) == []
    assert queuectl.job("x")["state"] == "pending"


def test_the_tree_of_a_lost_worker_ends_before_the_job_runs_again(queuectl: CommandLine) -> None:
    """The tree includes a process in its own session with everything closed."""
    folder = os.path.dirname(queuectl.home)
    escaped = daemon_writing_its_pid(f"{folder}/escaped")
    queuectl.ok("enqueue", "--id", "x", "--backoff-base", "0.1", "--command", f"{escaped}; echo begun; sleep 600")
    queuectl.ok("worker", "start")
    until_started(queuectl, "x")
    with open(f"{folder}/escaped") as file:
        escapee = int(file.read())
    os.kill(queuectl.worker_running("x") or 0, signal.SIGKILL)
    until(lambda: queuectl.job("x")["attempts"] == 2, lambda: "the second attempt")
    assert not is_alive(escapee)


def daemon_writing_its_pid(path: str) -> str:
    """Return a command that leaves a real daemon: another session, reparented, every descriptor
    closed.
    """
    code = "import os, time; os.fork() and os._exit(0); os.setsid(); os.closerange(0, 64); "
    code += f"open({path!r}, chr(119)).write(str(os.getpid())); time.sleep(600)"
    return f'{sys.executable} -S -c "{code}"; while ! test -s {path}; do sleep 0.02; done'


def test_a_kill_of_worker_and_supervisor_leaves_no_tree(queuectl: CommandLine) -> None:
    queuectl.ok(
        "enqueue",
        "--id",
        "x",
        "--backoff-base",
        "0.1",
        "--command",
        "echo begun; sleep 600 & setsid sleep 600 & sleep 600",
    )
    queuectl.ok("worker", "start")
    until_started(queuectl, "x")
    worker = queuectl.worker_running("x") or 0
    queuectl.kill_supervisor()
    os.kill(worker, signal.SIGKILL)
    until(lambda: queuectl.job("x")["state"] == "failed", lambda: "a command to notice the lost worker")
    assert processes_of(queuectl.home) == []


def test_a_child_with_a_clean_environment_ends_with_the_tree(queuectl: CommandLine) -> None:
    """It has neither mark nor lock, but its parents do. Both worker and supervisor are dead."""
    code = f"import subprocess; print('begun', flush=True); subprocess.run(['env', '-i', 'sleep', '{SECONDS}'])"
    queuectl.ok("enqueue", "--id", "x", "--backoff-base", "0.1", "--", sys.executable, "-c", code)
    queuectl.ok("worker", "start")
    until_started(queuectl, "x")
    until(lambda: sleepers(), lambda: "the child")
    worker = queuectl.worker_running("x") or 0
    queuectl.kill_supervisor()
    os.kill(worker, signal.SIGKILL)
    until(lambda: queuectl.job("x")["state"] == "failed", lambda: "a command to notice the lost worker")
    assert sleepers() == []


def sleepers() -> list[int]:
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline") as file:
                if file.read() == f"sleep\0{SECONDS}\0":
                    found.append(int(name))
        except OSError:
            pass
    return found


def test_stop_now_does_not_wait_for_a_stopped_adopted_worker(queuectl: CommandLine) -> None:
    queuectl.ok("config", "set", "grace", "0.1")
    queuectl.ok("enqueue", "--id", "x", "--command", "echo begun; sleep 600")
    queuectl.ok("worker", "start")
    until_started(queuectl, "x")
    os.kill(queuectl.worker_running("x") or 0, signal.SIGSTOP)
    queuectl.kill_supervisor()
    queuectl.ok("worker", "start")
    queuectl.ok("worker", "stop", "--now")
    until(lambda: queuectl.job("x")["state"] == "failed", lambda: "the run to be abandoned")


def stopped_adopted_worker(queuectl: CommandLine, id: str) -> int:
    """Return the PID of this job's worker, which was stopped while its supervisor ended; another
    runs now.
    """
    worker = until(lambda: queuectl.worker_running(id), lambda: f"{id} to run")
    os.kill(worker, signal.SIGSTOP)
    queuectl.kill_supervisor()
    queuectl.ok("worker", "start")
    return worker


def test_cancel_reaches_an_adopted_run_before_its_worker_notices(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "echo begun; sleep 600")
    queuectl.ok("worker", "start")
    until_started(queuectl, "a")
    worker = stopped_adopted_worker(queuectl, "a")
    queuectl.ok("cancel", "a")
    os.kill(worker, signal.SIGCONT)
    assert queuectl.until_state("a", "dead")["attempts"] == 1


def test_an_adopted_run_gets_term_once(queuectl: CommandLine) -> None:
    """It gets one TERM, even while it prints."""
    command = "trap 'echo term' TERM; echo begun; while :; do sleep 0.1; done"
    queuectl.ok("enqueue", "--id", "a", "--grace", "1", "--command", command)
    queuectl.ok("worker", "start")
    until_started(queuectl, "a")
    queuectl.kill_supervisor()
    queuectl.ok("worker", "start")
    queuectl.ok("cancel", "a")
    queuectl.until_state("a", "dead")
    assert queuectl.ok("logs", "a").splitlines().count("term") == 1


def test_stop_now_does_not_wait_for_an_unidentified_process(queuectl: CommandLine) -> None:
    """It has the lock and no mark: queuectl must not kill it, and the job does not run again while
    it lives.
    """
    queuectl.ok("enqueue", "--id", "x", "--command", f"echo begun; exec env -i sleep {SECONDS}")
    queuectl.ok("worker", "start")
    until(lambda: sleepers(), lambda: "the sleep process")
    worker = queuectl.worker_running("x") or 0
    queuectl.kill_supervisor()
    os.kill(worker, signal.SIGKILL)
    queuectl.ok("worker", "start")
    assert [worker["state"] for worker in queuectl.json("status")["workers"]] == ["lost", "idle"]
    queuectl.ok("worker", "stop", "--now", "--timeout", "10")
    assert queuectl.job("x")["state"] == "processing"
    (sleeper,) = sleepers()
    os.kill(sleeper, signal.SIGKILL)
    until(lambda: queuectl.job("x")["state"] == "failed", lambda: "the run to finish")


def test_death_of_a_worker_harms_no_other_child_of_the_supervisor(queuectl: CommandLine) -> None:
    """The entry point of a container may have started another process before it became the
    supervisor.
    """
    script = f"sleep 600 & echo $!; exec {sys.executable} {ROOT}/queuectl.py worker start --foreground"
    process = subprocess.Popen(
        ["sh", "-c", script], env=queuectl.environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    neighbour = int(process.stdout.readline())
    queuectl.ok("enqueue", "--id", "x", "--max-retries", "0", "--command", "echo begun; sleep 600")
    until_started(queuectl, "x")
    os.kill(queuectl.worker_running("x") or 0, signal.SIGKILL)
    queuectl.until_state("x", "dead")
    assert is_alive(neighbour)
    process.terminate()
    process.wait(timeout=20)
    os.kill(neighbour, signal.SIGKILL)
    process.stdout.close()


def test_a_call_harms_no_child_of_the_calling_program(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "x", "--max-retries", "0", "--command", "echo begun; sleep 600")
    queuectl.ok("worker", "start")
    until_started(queuectl, "x")
    worker = queuectl.worker_running("x") or 0
    queuectl.kill_supervisor()
    os.kill(worker, signal.SIGKILL)
    from queuectl_core import Queue

    child = subprocess.Popen(["sleep", "600"])
    with Queue(queuectl.home) as queue:
        until(lambda: queue.get("x")["state"] == "dead", lambda: "the command to finish the run")
    assert child.poll() is None
    child.kill()
    child.wait()


def test_a_stopped_worker_does_not_stop_the_supervisor(queuectl: CommandLine) -> None:
    """The same holds for a command that is longer than the capacity of a pipe."""
    queuectl.ok("config", "set", "grace", "0.1")
    queuectl.ok("worker", "start")
    pid = queuectl.json("status")["workers"][0]["pid"]
    os.kill(pid, signal.SIGSTOP)
    queuectl.ok("enqueue", "--file", "-", stdin=b'{"id": "long", "command": "true %s"}\n' % (b"x" * 120_000))
    until(lambda: queuectl.worker_running("long"), lambda: "the run to be sent")
    assert queuectl.counts()["processing"] == 1
    queuectl.ok("worker", "stop", "--now")  # the worker is killed after the grace period
    assert not is_alive(pid)


def test_a_second_stop_is_still_graceful(queuectl: CommandLine) -> None:
    go = os.path.join(os.path.dirname(queuectl.home), "go")
    queuectl.ok("enqueue", "--id", "x", "--command", f"echo begun; while ! test -e {go}; do sleep 0.02; done; echo end")
    queuectl.ok("worker", "start")
    until_started(queuectl, "x")
    assert queuectl("worker", "stop", "--timeout", "0.1").status == 75
    assert queuectl("worker", "stop", "--timeout", "0.1").status == 75
    with open(go, "w"):
        pass
    until(lambda: queuectl.json("status")["supervisor"] is None, lambda: "the stop to be complete")
    assert queuectl.ok("logs", "x") == "begun\nend\n"


def test_follow_does_not_show_the_output_of_the_next_job(queuectl: CommandLine) -> None:
    go = os.path.join(os.path.dirname(queuectl.home), "go")
    wait = f"while ! test -e {go}; do sleep 0.02; done"
    queuectl.ok("enqueue", "--id", "a", "--command", f"echo AAA; {wait}")
    queuectl.ok("enqueue", "--id", "b", "--command", "echo SECRET-OF-B; sleep 0.5")
    queuectl.ok("worker", "start", "--count", "1")
    follow = queuectl.popen("logs", "a", "--follow", stdout=subprocess.PIPE)
    assert follow.stdout is not None
    assert follow.stdout.readline() == b"AAA\n"
    with open(go, "w"):
        pass
    assert follow.communicate(timeout=20)[0] == b""


def test_a_retry_due_in_years_does_not_end_the_supervisor(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "far", "--backoff-base", "3600", "--max-retries", "9", "--command", "exit 1")
    queuectl.ok("worker", "start")
    queuectl.until_state("far", "failed")
    from queuectl_core.home import Home
    from queuectl_core.model import commands, events
    from queuectl_core.service.ledger import Ledger

    queuectl.ok("worker", "stop")
    ledger = Ledger(Home(queuectl.home))
    now_ms = 4_000_000_000_000
    run = ledger.decide(commands.Dispatch("w1"), now_ms).running()["run"]
    ledger.decide(commands.Finish("far", run, events.AttemptResult("exit", 1, None, now_ms, 1)), now_ms)
    ledger.write()
    ledger.close()
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "near", "--command", "true")
    queuectl.until_state("near", "completed")
    assert queuectl.job("far")["next_run_at"] > "2027"
