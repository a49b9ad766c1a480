"""The output of jobs: stored byte for byte, found again, followed, and limited."""

from __future__ import annotations

import os
import signal
import subprocess

from tests.homes import CommandLine, until


def raw_logs(queuectl: CommandLine, *words: str) -> bytes:
    process = subprocess.run(
        [queuectl.python, "queuectl.py", "logs", *words],
        env=queuectl.environ,
        capture_output=True,
        check=True,
        cwd=root(),
    )
    return process.stdout


def root() -> str:
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def test_logs_print_the_bytes_unchanged(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "bytes", "--command", r"printf '\000\377\033[31m'; printf err >&2")
    queuectl.ok("worker", "start")
    queuectl.until_state("bytes", "completed")
    assert raw_logs(queuectl, "bytes") == b"\x00\xff\x1b[31merr"


def test_each_attempt_has_its_own_output(queuectl: CommandLine) -> None:
    queuectl.ok(
        "enqueue",
        '{"id": "x", "command": "echo this is $QUEUECTL_ATTEMPT; exit 1", "max_retries": 2, "backoff_base": 0.1}',
    )
    queuectl.ok("worker", "start")
    queuectl.until_state("x", "dead")
    assert queuectl.ok("logs", "x", "--attempt", "2") == "this is 2\n"
    assert queuectl.ok("logs", "x") == "this is 3\n"
    answer = queuectl("logs", "x", "--all")
    assert answer.out == "this is 1\nthis is 2\nthis is 3\n"
    assert answer.err.count("==> attempt") == 3
    queuectl.refused(1, "logs", "x", "--attempt", "9")
    queuectl.refused(2, "logs", "no-such-job", "--attempt", "x")


def test_logs_of_a_batch_are_in_the_order_of_its_jobs(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--batch", "b", "--max-retries", "0", "--command", "echo {}; exit {}", ":::", "0", "1", "2")
    queuectl.ok("enqueue", "--batch", "b", "--delay", "1h", "--", "echo", "x" * 200)
    queuectl.ok("worker", "start")
    queuectl.until_done(completed=1, dead=2)
    lines = queuectl("logs", "--batch", "b").out.splitlines()
    heads = [line.partition(" (")[2] for line in lines if line.startswith("==> ")]
    assert [head.partition(")")[0] for head in heads] == [
        "completed", "dead: exit code 1", "dead: exit code 2", "pending"
    ]  # fmt: skip
    assert heads[0] == "completed): echo 0; exit 0 <==" and heads[3].endswith("xxx… <==") and len(lines[-1]) == 80
    assert [line for line in lines if line and not line.startswith("==> ")] == ["0", "1", "2"]


def test_show_marks_a_retry_by_hand(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--max-retries", "0", "--", "false")
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "dead")
    queuectl.ok("dlq", "retry", "a")
    until(lambda: len(queuectl.job("a")["history"]) == 2, lambda: "the second attempt")
    numbers = [line[:12].strip() for line in queuectl.ok("show", "a").splitlines()[-2:]]
    assert numbers == ["1", "1 (retried)"]


def test_a_job_that_has_not_run_has_no_output(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "x", "--command", "true")
    assert "has not run yet" in queuectl.refused(1, "logs", "x")


def test_large_output_is_kept_whole(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "large", "--command", "head -c 20000000 /dev/zero; echo end")
    queuectl.ok("enqueue", "--id", "next", "--command", "echo next")
    queuectl.ok("worker", "start")
    queuectl.until_done(completed=2)
    assert raw_logs(queuectl, "large") == bytes(20_000_000) + b"end\n"
    assert raw_logs(queuectl, "next") == b"next\n"


def test_output_over_the_limit_is_dropped_and_reported(queuectl: CommandLine) -> None:
    queuectl.ok("config", "set", "max-output", "1000")
    queuectl.ok("enqueue", "--id", "much", "--command", "head -c 5000 /dev/zero | tr '\\0' x")
    queuectl.ok("worker", "start")
    job = queuectl.until_state("much", "completed")
    assert job["history"][0]["dropped_bytes"] == 4000
    assert queuectl.ok("logs", "much") == "x" * 1000 + "\n[queuectl: 4000 more bytes of output were dropped]\n"


def test_follow_shows_output_at_once_and_ends_with_the_job(queuectl: CommandLine) -> None:
    go = os.path.join(os.path.dirname(queuectl.home), "go")
    queuectl.ok("enqueue", "--id", "x", "--command", f"echo one; while ! test -e {go}; do sleep 0.02; done; echo two")
    queuectl.ok("worker", "start")
    follow = queuectl.popen("logs", "x", "--follow", stdout=subprocess.PIPE)
    assert follow.stdout is not None
    assert follow.stdout.readline() == b"one\n"
    with open(go, "w"):
        pass
    out, _ = follow.communicate(timeout=20)
    assert (out, follow.returncode) == (b"two\n", 0)


def test_follow_continues_through_retries_and_prints_everything_once(queuectl: CommandLine) -> None:
    go = os.path.join(os.path.dirname(queuectl.home), "go")
    command = f"while ! test -e {go}; do sleep 0.02; done; echo this is $QUEUECTL_ATTEMPT; exit 1"
    queuectl.ok("enqueue", "--id", "x", "--max-retries", "3", "--backoff-base", "0.9", "--command", command)
    queuectl.ok("worker", "start")
    until(lambda: queuectl.worker_running("x"), lambda: "x to run")
    follow = queuectl.popen("logs", "x", "--follow", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with open(go, "w"):
        pass
    out, _ = follow.communicate(timeout=20)
    assert follow.returncode == 0
    assert out in (b"this is 1\nthis is 2\nthis is 3\nthis is 4\n", b"this is 2\nthis is 3\nthis is 4\n")


def test_follow_of_a_waiting_job_needs_a_supervisor(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "x", "--command", "true")
    queuectl.refused(3, "logs", "x", "--follow")


def test_an_interrupt_ends_follow(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "x", "--command", "echo one; sleep 60")
    queuectl.ok("worker", "start")
    follow = queuectl.popen("logs", "x", "-f", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert follow.stdout is not None
    assert follow.stdout.readline() == b"one\n"
    follow.send_signal(signal.SIGINT)
    _, err = follow.communicate(timeout=20)
    assert (follow.returncode, err) == (130, b"interrupted; job x continues\n")


def test_output_survives_the_loss_of_the_worker(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", '{"id": "x", "command": "echo precious; sleep 60", "max_retries": 0}')
    queuectl.ok("worker", "start")
    until(lambda: queuectl("logs", "x").out == "precious\n", lambda: "the output")
    os.kill(queuectl.worker_running("x") or 0, signal.SIGKILL)
    queuectl.until_state("x", "dead")
    assert queuectl.ok("logs", "x") == "precious\n"
