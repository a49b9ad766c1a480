"""Workers and supervisors as processes: start, stop, scale, foreground, and kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

from tests.homes import ROOT, CommandLine, is_alive, processes_of, until


def test_start_returns_when_ready_and_closes_what_it_inherited(queuectl: CommandLine) -> None:
    """`$(queuectl worker start)` returns: `communicate` waits until every copy of the pipe is
    closed.
    """
    extra, kept = os.pipe()
    process = queuectl.popen(
        "worker", "start", "--count", "2", stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=[kept]
    )
    os.close(kept)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, b"")
    assert out.startswith(b"started 2 workers, supervisor pid ")
    assert os.read(extra, 1) == b""
    os.close(extra)
    status = queuectl.json("status")
    assert status["supervisor"]["state"] == "running"
    assert [worker["state"] for worker in status["workers"]] == ["idle", "idle"]


def test_start_where_a_supervisor_runs_adds_workers(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start", "--count", "1")
    assert "added 2 workers to the running supervisor; 3 in total" in queuectl.ok("worker", "start", "--count", "2")
    assert len(queuectl.json("status")["workers"]) == 3


def test_two_starts_at_once_make_one_supervisor(queuectl: CommandLine) -> None:
    starts = [queuectl.popen("worker", "start", stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [start.wait(timeout=30) for start in starts] == [0, 0, 0, 0]
    assert len(queuectl.json("status")["workers"]) == 4


def test_scale_goes_up_and_down(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start", "--count", "1")
    queuectl.ok("worker", "scale", "4")
    assert len(queuectl.json("status")["workers"]) == 4
    queuectl.ok("worker", "scale", "1")
    until(lambda: len(queuectl.json("status")["workers"]) == 1, lambda: "one worker")


def test_scaling_down_lets_running_jobs_finish(queuectl: CommandLine) -> None:
    go = os.path.join(os.path.dirname(queuectl.home), "go")
    for id in ("a", "b"):
        queuectl.ok(
            "enqueue", "--id", id, "--max-retries", "0", "--command", f"while ! test -e {go}; do sleep 0.02; done"
        )
    queuectl.ok("worker", "start", "--count", "2")
    queuectl.until_done(processing=2)
    queuectl.ok("worker", "scale", "0")
    assert queuectl.counts()["processing"] == 2
    with open(go, "w"):
        pass
    queuectl.until_done(completed=2)
    until(lambda: not queuectl.json("status")["workers"], lambda: "no workers")


def test_stop_waits_for_the_running_job_and_names_it(queuectl: CommandLine) -> None:
    go = os.path.join(os.path.dirname(queuectl.home), "go")
    queuectl.ok("enqueue", "--id", "slow", "--command", f"while ! test -e {go}; do sleep 0.02; done; echo finished")
    queuectl.ok("enqueue", "--id", "later", "--command", "true")
    queuectl.ok("worker", "start")
    until(lambda: queuectl.worker_running("slow"), lambda: "slow to run")
    stop = queuectl.popen("worker", "stop", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: queuectl.json("status")["supervisor"]["state"] == "stopping", lambda: "stopping")
    assert stop.poll() is None
    with open(go, "w"):
        pass
    out, err = stop.communicate(timeout=20)
    assert (stop.returncode, out, err) == (0, "stopped\n", "waiting for running job: slow\n")
    assert queuectl.ok("logs", "slow") == "finished\n"
    assert (queuectl.job("slow")["state"], queuectl.job("later")["state"]) == ("completed", "pending")
    assert processes_of(queuectl.home) == []


def test_stop_now_makes_the_job_pending_and_counts_no_attempt(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "slow", "--command", "echo begun; sleep 60")
    queuectl.ok("worker", "start")
    until(lambda: queuectl.worker_running("slow"), lambda: "slow to run")
    assert "ending running job: slow" in queuectl("worker", "stop", "--now").err
    job = queuectl.job("slow")
    assert (job["state"], job["attempts"]) == ("pending", 0)
    assert (job["history"][0]["outcome"], job["history"][0]["reason"]) == ("released", "stopped by hand")
    assert processes_of(queuectl.home) == []


def test_a_second_signal_means_now(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "slow", "--command", "sleep 60")
    queuectl.ok("worker", "start")
    until(lambda: queuectl.worker_running("slow"), lambda: "slow to run")
    pid = queuectl.supervisor_pid()
    os.kill(pid, signal.SIGTERM)
    until(lambda: queuectl.json("status")["supervisor"]["state"] == "stopping", lambda: "stopping")
    os.kill(pid, signal.SIGTERM)
    until(lambda: not is_alive(pid), lambda: "the supervisor to end")
    assert queuectl.job("slow")["state"] == "pending"


def test_a_job_that_ignores_term_is_killed_after_the_grace_period(queuectl: CommandLine) -> None:
    queuectl.ok("config", "set", "grace", "0.2")
    queuectl.ok("enqueue", "--id", "stubborn", "--command", "trap '' TERM; echo ready; while :; do sleep 1; done")
    queuectl.ok("worker", "start")
    until(lambda: queuectl("logs", "stubborn").out == "ready\n", lambda: "the job to be ready")
    queuectl.ok("worker", "stop", "--now")
    assert queuectl.job("stubborn")["state"] == "pending"
    assert processes_of(queuectl.home) == []


def test_stop_needs_no_pid_file(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    pid = queuectl.supervisor_pid()
    os.unlink(os.path.join(queuectl.home, "supervisor.pid"))
    queuectl.ok("worker", "stop")
    assert not is_alive(pid)


def test_stop_with_a_timeout_ends_the_wait_but_not_the_stop(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "slow", "--command", "sleep 60")
    queuectl.ok("worker", "start")
    until(lambda: queuectl.worker_running("slow"), lambda: "slow to run")
    answer = queuectl("worker", "stop", "--timeout", "0.2")
    assert answer.status == 75 and "still stopping after 0.2 s; the stop continues; run `queuectl" in answer.err
    assert "try again" not in answer.err
    assert queuectl.json("status")["supervisor"]["state"] == "stopping"
    queuectl.ok("worker", "stop", "--now")


def test_foreground_runs_until_it_is_interrupted(queuectl: CommandLine) -> None:
    process = queuectl.popen("worker", "start", "--foreground", stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "ready: pid" in process.stderr.readline()
    assert "already running" in queuectl.refused(1, "worker", "start", "--foreground")
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    queuectl.until_state("a", "completed")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0
    process.stderr.close()


def test_ready_fd_reports_readiness(queuectl: CommandLine) -> None:
    readable, writable = os.pipe()
    process = queuectl.popen(
        "worker", "start", "--foreground", "--ready-fd", str(writable), stderr=subprocess.DEVNULL, pass_fds=[writable]
    )
    os.close(writable)
    with open(readable, "rb") as pipe:
        assert json.loads(pipe.read()) == {"pid": process.pid}
    process.terminate()
    assert process.wait(timeout=20) == 0


def test_a_killed_worker_is_replaced_and_its_job_counts_as_failed(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", '{"id": "slow", "command": "echo begun; sleep 60", "backoff_base": 0.1}')
    queuectl.ok("worker", "start")
    until(lambda: queuectl("logs", "slow").out == "begun\n", lambda: "the job to start")
    first = queuectl.worker_running("slow")
    os.kill(first, signal.SIGKILL)
    second = until(
        lambda: queuectl.worker_running("slow") != first and queuectl.worker_running("slow"), lambda: "a second run"
    )
    assert second != first
    job = queuectl.job("slow")
    assert (job["attempts"], job["history"][0]["outcome"], job["history"][0]["output_bytes"]) == (2, "worker-lost", 6)
    sleeps = [pid for pid in processes_of(queuectl.home) if open(f"/proc/{pid}/cmdline").read().startswith("sleep")]
    assert len(sleeps) == 1


def test_a_killed_idle_worker_is_replaced(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start", "--count", "2")
    pids = {worker["pid"] for worker in queuectl.json("status")["workers"]}
    os.kill(min(pids), signal.SIGKILL)
    until(
        lambda: len({worker["pid"] for worker in queuectl.json("status")["workers"]} - pids) == 1,
        lambda: "a new worker",
    )
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    queuectl.until_state("a", "completed")


def test_a_killed_supervisor_interrupts_no_job(queuectl: CommandLine) -> None:
    go = os.path.join(os.path.dirname(queuectl.home), "go")
    queuectl.ok(
        "enqueue", "--id", "slow", "--command", f"echo begun; while ! test -e {go}; do sleep 0.02; done; echo done"
    )
    queuectl.ok("worker", "start")
    until(lambda: queuectl("logs", "slow").out == "begun\n", lambda: "the job to start")
    os.kill(queuectl.supervisor_pid(), signal.SIGKILL)
    assert queuectl.job("slow")["state"] == "processing"
    queuectl.ok("worker", "start")
    assert [worker["state"] for worker in queuectl.json("status")["workers"]] == ["adopted"]
    with open(go, "w"):
        pass
    job = queuectl.until_state("slow", "completed")
    assert (job["attempts"], len(job["history"])) == (1, 1)
    assert queuectl.ok("logs", "slow") == "begun\ndone\n"
    until(
        lambda: [worker["state"] for worker in queuectl.json("status")["workers"]] == ["idle"],
        lambda: "a new worker",
    )


def test_any_command_takes_results_that_wait_for_a_supervisor(queuectl: CommandLine) -> None:
    go = os.path.join(os.path.dirname(queuectl.home), "go")
    queuectl.ok(
        "enqueue", "--id", "slow", "--command", f"echo begun; while ! test -e {go}; do sleep 0.02; done; exit 4"
    )
    queuectl.ok("worker", "start")
    until(lambda: queuectl("logs", "slow").out == "begun\n", lambda: "the job to start")
    os.kill(queuectl.supervisor_pid(), signal.SIGKILL)
    with open(go, "w"):
        pass
    job = queuectl.until_state("slow", "failed")
    assert (job["attempts"], job["reason"]) == (1, "exit code 4")
    until(lambda: not processes_of(queuectl.home), lambda: "the worker to end")
    queuectl.ok("status")
    assert os.listdir(os.path.join(queuectl.home, "run")) == []


def test_stop_now_ends_adopted_jobs(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "slow", "--command", "echo begun; sleep 60")
    queuectl.ok("worker", "start")
    until(lambda: queuectl("logs", "slow").out == "begun\n", lambda: "the job to start")
    os.kill(queuectl.supervisor_pid(), signal.SIGKILL)
    queuectl.ok("worker", "start")
    queuectl.ok("worker", "stop", "--now")
    assert (queuectl.job("slow")["state"], queuectl.job("slow")["attempts"]) == ("pending", 0)
    assert processes_of(queuectl.home) == []


def test_a_stopped_supervisor_differs_from_none(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    pid = queuectl.supervisor_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        from queuectl_core import Queue
        from queuectl_core.errors import Busy

        with Queue(queuectl.home, deadline_s=0.3) as queue:
            try:
                queue.status()
            except Busy as refusal:
                assert "did not answer within 0.3 s" in str(refusal)
            else:
                raise AssertionError("a stopped supervisor has answered")
    finally:
        os.kill(pid, signal.SIGCONT)


def test_an_idle_supervisor_and_its_workers_do_not_wake(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    queuectl.ok("worker", "start", "--count", "2")
    queuectl.until_state("a", "completed")
    pids = processes_of(queuectl.home)
    # The supervisor syncs within a second of the last event; after that, nothing is due.
    until(lambda: wakeups(pids) == (time.sleep(0.5), wakeups(pids))[1], lambda: "half a second without a wake-up")


def wakeups(pids: list[int]) -> int:
    count = 0
    for pid in pids:
        with open(f"/proc/{pid}/status") as file:
            count += sum(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt_switches"))
    return count


def test_a_start_spares_the_files_of_its_own_workers(queuectl: CommandLine) -> None:
    """A worker that is spawned takes its lock a moment after it has made the file."""
    queuectl.ok("status")
    code = f"""
import os, sys
sys.path.insert(0, {ROOT!r})
from queuectl_core.home import Home
from queuectl_core.service import orphans
from queuectl_core.supervisor import supervisor
from queuectl_core.supervisor.foreground import Foreground
from queuectl_core.system import lockfile
home = Home({queuectl.home!r})
home.prepare()
def sweep(home, kept):
    print(len(set(kept)), flush=True)
    os._exit(0)
orphans.sweep = sweep
supervisor.Supervisor(home, lockfile.acquire(home.lock), 2, 0o077, Foreground())
"""
    done = subprocess.run([sys.executable, "-c", code], env=queuectl.environ, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "2\n", done
