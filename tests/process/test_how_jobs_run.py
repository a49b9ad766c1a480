"""What a job can say of how it is to run, seen from inside the job, through the real command line."""

from __future__ import annotations

import json
import os

import pytest

from tests.homes import CommandLine, until


@pytest.fixture
def one(queuectl: CommandLine) -> CommandLine:
    """A home where one worker runs."""
    queuectl.ok("worker", "start")
    return queuectl


def said(queuectl: CommandLine, *words: str, **more: object) -> str:
    """What a job prints that is run to its end."""
    return queuectl.ok("run", *words, **more)


def test_variables_reach_the_job(one: CommandLine, tmp_path: object) -> None:
    path = os.path.join(str(tmp_path), "variables")
    with open(path, "w") as file:
        file.write("# a comment\nexport A=from the file\nB=too\n")
    assert said(one, "--env", "B=given", "--env-file", path, "--", "echo $A, $B") == "from the file, given\n"


def test_environment_of_the_submitter_goes_along_when_asked(one: CommandLine) -> None:
    one.environ["ONLY_HERE"] = "here"
    assert said(one, "--", "echo [$ONLY_HERE]") == "[]\n"
    assert said(one, "--inherit-env", "--", "echo [$ONLY_HERE]") == "[here]\n"


def test_job_knows_what_it_is(one: CommandLine) -> None:
    told = "echo $QUEUECTL_JOB_ID $QUEUECTL_ATTEMPT $QUEUECTL_QUEUE $QUEUECTL_JOB_NAME"
    assert said(one, "--id", "a", "--queue", "q", "--name", "me", "--", told) == "a 1 q me\n"


def test_job_reads_a_file_or_what_came_in(one: CommandLine, tmp_path: object) -> None:
    path = os.path.join(str(tmp_path), "in")
    with open(path, "w") as file:
        file.write("words\n")
    assert said(one, "--stdin", path, "--", "cat") == "words\n"
    assert said(one, "--stdin", "-", "--", "cat", stdin="ünï\n".encode()) == "ünï\n"
    assert said(one, "--", "cat") == ""


def test_missing_input_fails_the_attempt_and_is_named(one: CommandLine) -> None:
    one.ok("enqueue", "--id", "a", "--max-retries", "0", "--stdin", "/nowhere/x", "--command", "cat")
    assert "/nowhere/x: No such file" in one.until_state("a", "dead")["reason"]


def test_shell_niceness_and_limits_are_as_said(one: CommandLine) -> None:
    assert said(one, "--nice", "7", "--", "nice") == "7\n"
    assert said(one, "--limit-mem", "512M", "--limit-cpu", "90s", "--", "ulimit -v; ulimit -t") == "524288\n90\n"
    assert said(one, "--shell", "/bin/echo", "--", "a   b") == "-c a   b\n"
    assert said(one, "--shell", "/bin/echo", "--nice", "3", "--", "a   b") == "-c a   b\n"


def test_run_ends_when_its_time_is_over_and_has_failed(one: CommandLine) -> None:
    one.ok("enqueue", "--id", "a", "--timeout", "0.2s", "--max-retries", "0", "--command", "sleep 60")
    job = one.until_state("a", "dead")
    assert (job["reason"], job["history"][0]["outcome"]) == ("timed out after 0.2 s", "timeout")


def test_what_ignores_term_is_killed_after_its_grace(one: CommandLine) -> None:
    command = "trap '' TERM; sleep 60 & wait; wait; sleep 60"
    one.ok("enqueue", "--id", "a", "--timeout", "0.2s", "--grace", "0.2s", "--max-retries", "0", "--command", command)
    assert one.until_state("a", "dead")["history"][0]["signal"] == 9


def test_snoozing_job_comes_again_without_an_attempt(one: CommandLine) -> None:
    command = "test -e flag && echo done && exit 0; touch flag; exit 75"
    one.ok("enqueue", "--id", "a", "--snooze-on", "75", "--snooze", "0.1", "--max-retries", "0", "--command", command,
           cwd=os.path.dirname(one.home))  # fmt: skip
    job = one.until_state("a", "completed")
    assert (job["attempts"], len(job["history"])) == (1, 2)


def test_wide_job_keeps_other_workers_idle(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start", "--count", "3")
    queuectl.ok("enqueue", "--id", "wide", "--slots", "2", "--command", "sleep 60")
    queuectl.until_state("wide", "processing")
    queuectl.ok("enqueue", "--id", "a", "--command", "sleep 60")
    queuectl.ok("enqueue", "--id", "b", "--command", "sleep 60")
    queuectl.until_state("a", "processing")
    assert queuectl.job("b")["state"] == "pending"
    queuectl.ok("cancel", "wide")
    queuectl.until_state("b", "processing")


def test_wide_job_keeps_its_places_over_a_restart(queuectl: CommandLine) -> None:
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


def test_wide_job_waits_for_the_places_of_what_ran_before_a_restart(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start", "--count", "2")
    queuectl.ok("enqueue", "--id", "narrow", "--command", "sleep 60")
    queuectl.until_state("narrow", "processing")
    queuectl.ok("worker", "restart")
    queuectl.ok("enqueue", "--id", "wide", "--slots", "2", "--command", "sleep 60")
    queuectl.ok("cancel", "narrow")
    queuectl.until_state("wide", "processing")
    told = [json.loads(line) for line in queuectl.ok("events").splitlines()]
    happened = [(fact["event"], fact.get("id")) for fact in told]
    assert happened.index(("canceled", "narrow")) < happened.index(("started", "wide"))


@pytest.mark.parametrize(
    "words, status",
    [(["exit 0"], 0), (["exit 3"], 3), (["kill -TERM $$"], 143), (["/nowhere"], 127)],
)
def test_run_ends_as_its_job_does(one: CommandLine, words: list[str], status: int) -> None:
    assert one("run", "--max-retries", "0", "--", *words).status == status


def test_interrupted_run_leaves_its_job_running(one: CommandLine) -> None:
    process = one.popen("run", "--id", "a", "--", "sleep 60")
    until(lambda: one("show", "a").status == 0, lambda: "the job to be there")
    one.until_state("a", "processing")
    process.send_signal(2)
    assert process.wait(timeout=20) == 130
    assert one.job("a")["state"] == "processing"


def test_dry_run_shows_the_record_and_the_waits_and_adds_nothing(queuectl: CommandLine) -> None:
    shown = queuectl.json("enqueue", "--dry-run", "--priority", "3", "--backoff-max", "5", "--command", "true")
    assert (shown["priority"], shown["retries_after_s"], shown["state"]) == (3, [2.0, 4.0, 5.0], "pending")
    assert queuectl.counts()["pending"] == 0


def test_settings_are_what_a_job_takes_that_says_nothing(one: CommandLine) -> None:
    one.ok("config", "set", "timeout", "0.2s")
    one.ok("config", "set", "fail-on", "3,4")
    one.ok("enqueue", "--id", "a", "--max-retries", "0", "--command", "sleep 60")
    one.ok("enqueue", "--id", "b", "--command", "exit 3")
    assert one.until_state("a", "dead")["history"][0]["outcome"] == "timeout"
    assert one.until_state("b", "dead")["attempts"] == 1
    assert one.ok("config", "get", "fail-on") == "3,4\n"


def test_all_that_a_job_says_is_kept_over_a_kill(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    queuectl.ok("queue", "set", "q", "--limit", "1")
    queuectl.ok("queue", "pause", "q")
    queuectl.ok("enqueue", "--id", "a", "--queue", "q", "--priority", "4", "--tag", "k=v", "--env", "A=b", "--key", "x",
                "--timeout", "1h", "--retry-on", "75,111", "--limit-mem", "1G", "--command", "true")  # fmt: skip
    before = queuectl.job("a")
    queuectl.kill_supervisor()
    assert queuectl.job("a") == before
    assert (before["timeout"], before["limit_mem"], before["retry_on"]) == (3600, 2**30, [75, 111])
    (_, rules) = queuectl.json("queue", "list")
    assert (rules["limit"], rules["paused_since"] is not None) == (1, True)


def test_timeout_of_months_harms_nothing(one: CommandLine) -> None:
    assert said(one, "--timeout", "90d", "--", "sleep 0.1; echo done") == "done\n"


def test_timeout_reaches_a_job_that_reads_a_fifo_nobody_writes_to(one: CommandLine, tmp_path: object) -> None:
    path = os.path.join(str(tmp_path), "fifo")
    os.mkfifo(path)
    one.ok(
        "enqueue", "--id", "a", "--stdin", path, "--timeout", "0.3s", "--max-retries", "0", "--command", "cat; sleep 9"
    )
    assert one.until_state("a", "dead")["history"][0]["outcome"] == "timeout"


def test_home_with_named_queues_is_sound(one: CommandLine) -> None:
    said(one, "--queue", "q", "--priority", "3", "--key", "k", "--", "true")
    one.ok("worker", "stop")
    assert "DAMAGED" not in one.ok("doctor")
