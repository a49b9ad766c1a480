"""Options of a job that control how it runs, observed from inside the job through the real command
line.
"""

from __future__ import annotations

import json
import os

import pytest

from tests.homes import CommandLine, until


@pytest.fixture
def one_worker(queuectl: CommandLine) -> CommandLine:
    """Return a command line on a home with one worker."""
    queuectl.ok("worker", "start")
    return queuectl


def output_of(queuectl: CommandLine, *words: str, **more: object) -> str:
    """Run a job to its end, and return its output."""
    return queuectl.ok("run", *words, **more)


def test_variables_reach_the_job(one_worker: CommandLine, tmp_path: object) -> None:
    path = os.path.join(str(tmp_path), "variables")
    with open(path, "w") as file:
        file.write("# a comment\nexport A=from the file\nB=too\n")
    assert output_of(one_worker, "--env", "B=given", "--env-file", path, "--", "echo $A, $B") == "from the file, given\n"


def test_inherit_env_passes_the_environment_of_the_submitter(one_worker: CommandLine) -> None:
    one_worker.environ["ONLY_HERE"] = "here"
    assert output_of(one_worker, "--", "echo [$ONLY_HERE]") == "[]\n"
    assert output_of(one_worker, "--inherit-env", "--", "echo [$ONLY_HERE]") == "[here]\n"


def test_job_knows_its_id_attempt_queue_and_name(one_worker: CommandLine) -> None:
    command = "echo $QUEUECTL_JOB_ID $QUEUECTL_ATTEMPT $QUEUECTL_QUEUE $QUEUECTL_JOB_NAME"
    assert output_of(one_worker, "--id", "a", "--queue", "q", "--name", "me", "--", command) == "a 1 q me\n"


def test_job_reads_a_file_or_standard_input(one_worker: CommandLine, tmp_path: object) -> None:
    path = os.path.join(str(tmp_path), "in")
    with open(path, "w") as file:
        file.write("words\n")
    assert output_of(one_worker, "--stdin", path, "--", "cat") == "words\n"
    assert output_of(one_worker, "--stdin", "-", "--", "cat", stdin="ünï\n".encode()) == "ünï\n"
    assert output_of(one_worker, "--", "cat") == ""


def test_missing_input_fails_the_attempt_with_its_name(one_worker: CommandLine) -> None:
    one_worker.ok("enqueue", "--id", "a", "--max-retries", "0", "--stdin", "/nowhere/x", "--command", "cat")
    assert "/nowhere/x: No such file" in one_worker.until_state("a", "dead")["reason"]


def test_shell_niceness_and_limits_apply(one_worker: CommandLine) -> None:
    expected = min(19, os.nice(0) + 7)  # it adds to that of the worker, which has that of this test
    assert output_of(one_worker, "--nice", "7", "--", "nice") == f"{expected}\n"
    assert output_of(one_worker, "--limit-mem", "512M", "--limit-cpu", "90s", "--", "ulimit -v; ulimit -t") == "524288\n90\n"
    assert output_of(one_worker, "--shell", "/bin/echo", "--", "a   b") == "-c a   b\n"
    assert output_of(one_worker, "--shell", "/bin/echo", "--nice", "3", "--", "a   b") == "-c a   b\n"


def test_run_fails_at_its_timeout(one_worker: CommandLine) -> None:
    one_worker.ok("enqueue", "--id", "a", "--timeout", "0.2s", "--max-retries", "0", "--command", "sleep 60")
    job = one_worker.until_state("a", "dead")
    assert (job["reason"], job["history"][0]["outcome"]) == ("timed out after 0.2 s", "timeout")


def test_run_that_ignores_term_is_killed_after_its_grace(one_worker: CommandLine) -> None:
    command = "trap '' TERM; sleep 60 & wait; wait; sleep 60"
    one_worker.ok("enqueue", "--id", "a", "--timeout", "0.2s", "--grace", "0.2s", "--max-retries", "0", "--command", command)
    assert one_worker.until_state("a", "dead")["history"][0]["signal"] == 9


def test_snoozed_job_runs_again_without_counting_an_attempt(one_worker: CommandLine) -> None:
    command = "test -e flag && echo done && exit 0; touch flag; exit 75"
    one_worker.ok("enqueue", "--id", "a", "--snooze-on", "75", "--snooze", "0.1", "--max-retries", "0", "--command", command,
           cwd=os.path.dirname(one_worker.home))  # fmt: skip
    job = one_worker.until_state("a", "completed")
    assert (job["attempts"], len(job["history"])) == (1, 2)


def test_job_with_slots_keeps_other_workers_idle(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start", "--count", "3")
    queuectl.ok("enqueue", "--id", "wide", "--slots", "2", "--command", "sleep 60")
    queuectl.until_state("wide", "processing")
    queuectl.ok("enqueue", "--id", "a", "--command", "sleep 60")
    queuectl.ok("enqueue", "--id", "b", "--command", "sleep 60")
    queuectl.until_state("a", "processing")
    assert queuectl.job("b")["state"] == "pending"
    queuectl.ok("cancel", "wide")
    queuectl.until_state("b", "processing")


def test_job_keeps_its_slots_over_a_restart(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start", "--count", "2")
    queuectl.ok("enqueue", "--id", "wide", "--slots", "2", "--command", "sleep 60")
    queuectl.until_state("wide", "processing")
    queuectl.ok("worker", "restart")
    for id in ("a", "b"):
        queuectl.ok("enqueue", "--id", id, "--command", "sleep 60")
    queuectl.ok("worker", "scale", "3")
    queuectl.until_state("a", "processing")
    assert queuectl.job("b")["state"] == "pending"
    queuectl.ok("cancel", "wide")
    queuectl.until_state("b", "processing")


def test_job_waits_for_the_slots_of_adopted_jobs(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start", "--count", "2")
    queuectl.ok("enqueue", "--id", "narrow", "--command", "sleep 60")
    queuectl.until_state("narrow", "processing")
    queuectl.ok("worker", "restart")
    queuectl.ok("enqueue", "--id", "wide", "--slots", "2", "--command", "sleep 60")
    queuectl.ok("cancel", "narrow")
    queuectl.until_state("wide", "processing")
    facts = [json.loads(line) for line in queuectl.ok("events").splitlines()]
    events = [(fact["event"], fact.get("id")) for fact in facts]
    assert events.index(("canceled", "narrow")) < events.index(("started", "wide"))


@pytest.mark.parametrize(
    "words, status",
    [(["exit 0"], 0), (["exit 3"], 3), (["kill -TERM $$"], 143), (["/nowhere"], 127)],
)
def test_run_exits_like_its_job(one_worker: CommandLine, words: list[str], status: int) -> None:
    assert one_worker("run", "--max-retries", "0", "--", *words).status == status


def test_interrupted_run_leaves_its_job_running(one_worker: CommandLine) -> None:
    process = one_worker.popen("run", "--id", "a", "--", "sleep 60")
    until(lambda: one_worker("show", "a").status == 0, lambda: "the job to appear")
    one_worker.until_state("a", "processing")
    process.send_signal(2)
    assert process.wait(timeout=20) == 130
    assert one_worker.job("a")["state"] == "processing"


def test_dry_run_shows_the_record_and_the_waits_but_adds_nothing(queuectl: CommandLine) -> None:
    shown = queuectl.json("enqueue", "--dry-run", "--priority", "3", "--backoff-max", "5", "--command", "true")
    assert (shown["priority"], shown["retries_after_s"], shown["state"]) == (3, [2.0, 4.0, 5.0], "pending")
    assert queuectl.counts()["pending"] == 0


def test_settings_are_the_defaults_of_jobs(one_worker: CommandLine) -> None:
    one_worker.ok("config", "set", "timeout", "0.2s")
    one_worker.ok("config", "set", "fail-on", "3,4")
    one_worker.ok("enqueue", "--id", "a", "--max-retries", "0", "--command", "sleep 60")
    one_worker.ok("enqueue", "--id", "b", "--command", "exit 3")
    assert one_worker.until_state("a", "dead")["history"][0]["outcome"] == "timeout"
    assert one_worker.until_state("b", "dead")["attempts"] == 1
    assert one_worker.ok("config", "get", "fail-on") == "3,4\n"


def test_options_of_a_job_survive_a_kill(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    queuectl.ok("queue", "set", "q", "--create", "--limit", "1")
    queuectl.ok("queue", "pause", "q")
    queuectl.ok("enqueue", "--id", "a", "--queue", "q", "--priority", "4", "--tag", "k=v", "--env", "A=b", "--key", "x",
                "--timeout", "1h", "--retry-on", "75,111", "--limit-mem", "1G", "--command", "true")  # fmt: skip
    before = queuectl.job("a")
    queuectl.kill_supervisor()
    assert queuectl.job("a") == before
    assert (before["timeout"], before["limit_mem"], before["retry_on"]) == (3600, 2**30, [75, 111])
    (_, rules) = queuectl.json("queue", "list")
    assert (rules["limit"], rules["paused_since"] is not None) == (1, True)


def test_timeout_of_months_works(one_worker: CommandLine) -> None:
    assert output_of(one_worker, "--timeout", "90d", "--", "sleep 0.1; echo done") == "done\n"


def test_timeout_ends_a_job_that_reads_a_fifo_without_writers(one_worker: CommandLine, tmp_path: object) -> None:
    path = os.path.join(str(tmp_path), "fifo")
    os.mkfifo(path)
    one_worker.ok(
        "enqueue", "--id", "a", "--stdin", path, "--timeout", "0.3s", "--max-retries", "0", "--command", "cat; sleep 9"
    )
    assert one_worker.until_state("a", "dead")["history"][0]["outcome"] == "timeout"


def test_home_with_named_queues_is_sound(one_worker: CommandLine) -> None:
    output_of(one_worker, "--queue", "q", "--priority", "3", "--key", "k", "--", "true")
    one_worker.ok("worker", "stop")
    assert "DAMAGED" not in one_worker.ok("doctor")
