"""The life of a job, through the real command line: it runs, fails, is retried, dies, and is
retried by hand.
"""

from __future__ import annotations

import os
import re
import sys
from calendar import timegm
from time import strptime

import pytest

from tests.homes import CommandLine

FIELDS = ["id", "command", "state", "attempts", "max_retries", "created_at", "updated_at"]


def seconds(text: str) -> int:
    return timegm(strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


def test_a_job_goes_from_pending_to_completed(queuectl: CommandLine) -> None:
    assert queuectl.ok("enqueue", '{"id": "job1", "command": "echo hello"}') == "job1\n"
    job = queuectl.job("job1")
    assert list(job)[:7] == FIELDS
    assert (job["state"], job["attempts"], job["max_retries"], job["history"]) == ("pending", 0, 3, [])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", job["created_at"])
    queuectl.ok("worker", "start")
    job = queuectl.until_state("job1", "completed")
    (attempt,) = job["history"]
    assert (attempt["outcome"], attempt["exit_code"], attempt["output_bytes"]) == ("exit", 0, 6)
    assert queuectl.ok("logs", "job1") == "hello\n"


def test_a_failing_job_is_retried_with_growing_delays_and_dies(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", '{"id": "bad", "command": "echo no >&2; exit 3", "max_retries": 2, "backoff_base": 1.2}')
    queuectl.ok("worker", "start")
    job = queuectl.until_state("bad", "dead")
    assert job["attempts"] == 3 and job["reason"] == "exit code 3"
    assert [attempt["exit_code"] for attempt in job["history"]] == [3, 3, 3]
    assert queuectl.ok("logs", "bad", "--attempt", "1") == "no\n"
    assert queuectl.ok("dlq", "list").count("bad") == 1


def test_a_failed_job_shows_when_it_runs_again(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", '{"id": "bad", "command": "exit 1", "backoff_base": 100}')
    queuectl.ok("worker", "start")
    job = queuectl.until_state("bad", "failed")
    assert seconds(job["next_run_at"]) - seconds(job["updated_at"]) in (99, 100, 101)
    assert "retry in" in queuectl.ok("list", "--state", "failed")


def test_no_retries_means_one_run(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", '{"id": "bad", "command": "exit 1", "max_retries": 0}')
    queuectl.ok("worker", "start")
    assert queuectl.until_state("bad", "dead")["attempts"] == 1


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("no_such_command_at_all", "command not found (exit code 127)"),
        ("/etc/passwd", "not executable (exit code 126)"),
        ("kill -9 $$", "killed by SIGKILL"),
        ("kill -TERM $$", "killed by SIGTERM"),
        ("exit 7", "exit code 7"),
        ("sh -c 'kill -9 $$'; exit $?", "exit code 137 (SIGKILL)"),
    ],
)
def test_the_record_has_the_reason_of_the_failure(queuectl: CommandLine, command: str, reason: str) -> None:
    queuectl.ok("enqueue", "--id", "bad", "--max-retries", "0", "--command", command)
    queuectl.ok("worker", "start")
    assert queuectl.until_state("bad", "dead")["reason"] == reason


def test_a_missing_folder_fails_the_attempt_with_a_reason(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "lost", "--max-retries", "0", "--cwd", "/no/such/folder", "--command", "true")
    queuectl.ok("worker", "start")
    job = queuectl.until_state("lost", "dead")
    assert job["reason"] == "cannot enter its folder /no/such/folder: No such file or directory"
    assert job["history"][0]["outcome"] == "spawn-failed"


def test_dlq_retry_resets_attempts_and_keeps_the_history(queuectl: CommandLine) -> None:
    flag = os.path.join(os.path.dirname(queuectl.home), "flag")
    queuectl.ok("enqueue", "--id", "job1", "--max-retries", "0", "--command", f"test -e {flag}")
    queuectl.ok("worker", "start")
    queuectl.until_state("job1", "dead")
    with open(flag, "w"):
        pass
    assert queuectl.ok("dlq", "retry", "job1") == "retried 1 job\n"
    job = queuectl.until_state("job1", "completed")
    assert (job["attempts"], [attempt["exit_code"] for attempt in job["history"]]) == (1, [1, 0])


def test_dlq_retry_refuses_a_job_that_is_not_dead(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    assert "is pending, not in the dead letter queue" in queuectl.refused(1, "dlq", "retry", "a")


def test_dlq_changes_all_jobs_named_ones_or_none(queuectl: CommandLine) -> None:
    for id in ("a", "b", "c"):
        queuectl.ok("enqueue", "--id", id, "--max-retries", "0", "--command", "false")
    queuectl.ok("worker", "start")
    queuectl.until_done(dead=3)
    queuectl.ok("worker", "stop")
    queuectl.refused(1, "dlq", "retry", "a", "nope")
    assert queuectl.counts()["dead"] == 3
    assert queuectl.json("dlq", "retry", "a") == {"count": 1}
    assert queuectl.json("dlq", "purge", "b") == {"count": 1}
    queuectl.refused(1, "show", "b")
    assert queuectl.json("dlq", "purge", "--all") == {"count": 1}
    assert queuectl.counts() == {"pending": 1, "processing": 0, "completed": 0, "failed": 0, "dead": 0}


def test_an_id_can_be_used_again_after_a_purge(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--max-retries", "0", "--command", "false")
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "dead")
    queuectl.ok("dlq", "purge", "a")
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    assert len(queuectl.until_state("a", "completed")["history"]) == 1


def test_a_job_runs_in_the_folder_it_was_enqueued_from(queuectl: CommandLine) -> None:
    folder = os.path.realpath(os.path.dirname(queuectl.home))
    queuectl.ok("enqueue", "--id", "here", "--command", "pwd -P", cwd=folder)
    queuectl.ok("enqueue", "--id", "there", "--cwd", "/", "--command", "pwd -P", cwd=folder)
    queuectl.ok("worker", "start")
    queuectl.until_done(completed=2)
    assert queuectl.ok("logs", "here") == folder + "\n"
    assert queuectl.ok("logs", "there") == "/\n"


def test_a_job_has_its_id_its_attempt_and_an_empty_stdin(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "me", "--command", 'echo "$QUEUECTL_JOB_ID $QUEUECTL_ATTEMPT"; cat; umask')
    before = os.umask(0o027)
    try:
        queuectl.ok("worker", "start")
    finally:
        os.umask(before)
    queuectl.until_state("me", "completed")
    assert queuectl.ok("logs", "me") == "me 1\n0027\n"


def test_a_job_begins_with_default_signals(queuectl: CommandLine) -> None:
    """Python ignores SIGPIPE, and a worker some more signals; `yes | head` in a job must still end."""
    queuectl.ok(
        "enqueue", "--id", "pipe", "--command", "yes | head -1; grep -E '^Sig(Ign|Blk)' /proc/self/status || true"
    )
    queuectl.ok("worker", "start")
    queuectl.until_state("pipe", "completed")
    output = queuectl.ok("logs", "pipe").split("\n")
    assert output[0] == "y"
    glibc_own = 0x180000000  # signals 32 and 33, which its posix_spawn sets to ignored; no program can use them
    assert all(int(line.split()[1], 16) & ~glibc_own == 0 for line in output[1:] if line)


def test_words_reach_the_command_unchanged(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "words", "--", "printf", "%s|", "a b", "$HOME", "--json", "'")
    queuectl.ok("worker", "start")
    queuectl.until_state("words", "completed")
    assert queuectl.ok("logs", "words") == "a b|$HOME|--json|'|"


def test_one_word_is_a_command_line(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "line", "--", "echo one && echo two")
    queuectl.ok("worker", "start")
    queuectl.until_state("line", "completed")
    assert queuectl.ok("logs", "line") == "one\ntwo\n"


def test_jobs_start_in_the_order_of_their_arrival(queuectl: CommandLine) -> None:
    trace = os.path.join(os.path.dirname(queuectl.home), "trace")
    lines = "".join(f'{{"command": "echo {n} >> {trace}"}}\n' for n in range(60))
    queuectl.ok("enqueue", "--file", "-", stdin=lines.encode())
    queuectl.ok("worker", "start", "--count", "1")
    queuectl.until_done(completed=60)
    with open(trace) as file:
        assert [int(line) for line in file] == list(range(60))


def test_several_workers_run_at_once_and_no_job_runs_twice(queuectl: CommandLine) -> None:
    trace = os.path.join(os.path.dirname(queuectl.home), "trace")
    meet = os.path.join(os.path.dirname(queuectl.home), "meet")
    os.mkdir(meet)
    # Each of the first three waits until all three have started, so they complete only with three at once.
    together = f"touch {meet}/$QUEUECTL_JOB_ID; while [ $(ls {meet} | wc -l) -lt 3 ]; do sleep 0.02; done"
    for n in range(3):
        queuectl.ok("enqueue", "--id", f"together{n}", "--command", together)
    lines = "".join(f'{{"command": "echo {n} >> {trace}"}}\n' for n in range(200))
    queuectl.ok("enqueue", "--file", "-", stdin=lines.encode())
    queuectl.ok("worker", "start", "--count", "3")
    queuectl.until_done(completed=203)
    with open(trace) as file:
        assert sorted(int(line) for line in file) == list(range(200))


def test_no_job_waits_behind_a_long_one_while_a_worker_is_idle(queuectl: CommandLine) -> None:
    """Workers hold some short runs in advance; they must give back those behind a long run."""
    lines = ['{"command": "true"}' for _ in range(100)] + ['{"id": "long", "command": "sleep 30"}']
    lines += ['{"command": "true"}' for _ in range(100)]
    queuectl.ok("enqueue", "--file", "-", stdin="\n".join(lines).encode())
    queuectl.ok("worker", "start", "--count", "2")
    queuectl.until_done(completed=200)
    assert queuectl.job("long")["state"] == "processing"


def test_jobs_persist_across_restarts(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "echo first")
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")
    queuectl.ok("worker", "stop")
    queuectl.ok("enqueue", "--id", "b", "--command", "echo second")
    queuectl.ok("worker", "start")
    queuectl.until_state("b", "completed")
    assert queuectl.ok("logs", "a") == "first\n"
    assert queuectl.counts()["completed"] == 2


def test_leftover_processes_end_with_their_run(queuectl: CommandLine) -> None:
    """Leave processes in the background, in their own session, and detached with every descriptor
    closed.
    """
    daemon = f"{sys.executable} -S -c 'import os, time; os.fork() and os._exit(0); os.setsid(); os.closerange(0, 64); time.sleep(60)'"
    sleeps = f"sleep 1111 & setsid sleep 2222 & {daemon}; exit 0"
    queuectl.ok("enqueue", "--id", "messy", "--command", sleeps)
    queuectl.ok("worker", "start")
    queuectl.until_state("messy", "completed")
    from tests.homes import processes_of

    commands = []
    for pid in processes_of(queuectl.home):
        with open(f"/proc/{pid}/cmdline") as file:
            commands.append(file.read())
    assert not [command for command in commands if "sleep" in command], commands


def test_dlq_shows_what_it_would_change(queuectl: CommandLine) -> None:
    for id in ("a", "b"):
        queuectl.ok("enqueue", "--id", id, "--command", "true")
        queuectl.ok("cancel", id)
    for words in (["dlq", "retry", "--all", "--canceled"], ["dlq", "purge", "--all"]):
        answer = queuectl(*words, "--dry-run")
        assert answer.status == 0 and sorted(answer.out.split()) == ["a", "b"]
        assert answer.err.startswith("2 jobs would be ")
    assert queuectl.json("dlq", "purge", "a", "--dry-run") == {"ids": ["a"], "count": 1, "dry_run": True}
    assert queuectl.counts()["dead"] == 2
