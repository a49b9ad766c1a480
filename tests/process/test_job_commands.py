"""Commands on jobs and queues: cancel, suspend, filters, wait, why."""

from __future__ import annotations

import os
import pty
import subprocess

import pytest

from queuectl_core import Queue
from tests.homes import CommandLine, until

STAYS = "1 dependant stays dead: `queuectl dlq retry after-canceled`"


def start_of(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(") ")[2][0]


def test_cancel_sends_the_named_signal(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    queuectl.ok(
        "enqueue", "--id", "a", "--command", "trap 'echo interrupted; exit 1' INT; while :; do sleep 0.05; done"
    )
    queuectl.until_state("a", "processing")
    until(lambda: queuectl.json("status")["workers"][0]["job"] == "a", lambda: "it to run")
    queuectl.ok("cancel", "a", "--signal", "INT")
    job = queuectl.until_state("a", "dead")
    assert job["reason"] == "canceled while it ran (SIGINT)"
    assert queuectl.json("status")["counts"]["processing"] == 0


def test_next_supervisor_completes_a_cancel(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "a", "--command", "sleep 60")
    queuectl.until_state("a", "processing")
    queuectl.kill_supervisor()
    queuectl.ok("cancel", "a")
    assert queuectl.job("a")["canceled"] is True
    queuectl.ok("worker", "start")
    assert queuectl.until_state("a", "dead")["reason"].startswith("canceled while it ran")


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc to see that a process is stopped")
def test_suspended_job_stops_until_it_is_continued(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    pid_file = os.path.join(os.path.dirname(queuectl.home), "pid")
    queuectl.ok(
        "enqueue", "--id", "a", "--command", f"echo $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; exec sleep 60"
    )
    until(lambda: os.path.exists(pid_file), lambda: "the job to run")
    with open(pid_file) as file:
        pid = int(file.read())
    queuectl.ok("suspend", "a")
    until(lambda: start_of(pid) == "T", lambda: f"it to stop; it is {start_of(pid)}")
    assert "suspended on w" in queuectl.ok("why", "a")
    queuectl.ok("continue", "--all")
    until(lambda: start_of(pid) == "S", lambda: f"it to continue; it is {start_of(pid)}")
    queuectl.ok("suspend", "a")
    queuectl.ok("cancel", "a")  # a suspended job receives it too
    queuectl.until_state("a", "dead")


def test_filters_select_jobs(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--queue", "q", "--tag", "u=ann", "--command", "true")
    queuectl.ok("enqueue", "--id", "b", "--queue", "q", "--tag", "u=bob", "--tag", "x=y", "--command", "true")
    queuectl.ok("enqueue", "--id", "c", "--name", "some name", "--command", "true")

    def chosen(*words: str) -> list[str]:
        return queuectl.json("cancel", "--dry-run", *words)["ids"]

    assert chosen("--queue", "q") == ["a", "b"]
    assert chosen("--tag", "u=bob", "--tag", "x=y") == ["b"]
    assert chosen("--name", "some name") == ["c"]
    assert chosen("--since", "1h") == ["a", "b", "c"]
    assert chosen("--all", "--state", "pending,failed") == ["a", "b", "c"]
    queuectl.refused(1, "cancel", "--until", "1h")
    queuectl.refused(2, "cancel")
    queuectl.refused(2, "cancel", "a", "--all")
    queuectl.refused(2, "cancel", "--tag", "x")
    queuectl.refused(2, "cancel", "--state", "odd")
    assert queuectl.ok("rm", "--queue", "q") == "removed 2 jobs (2 pending)\n"
    assert [job["id"] for job in queuectl.json("list")] == ["c"]


def test_named_jobs_are_changed_together_or_not_at_all(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    queuectl.refused(1, "cancel", "a", "nobody")
    assert queuectl.job("a")["state"] == "pending"


def test_edited_job_shows_its_new_fields(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--queue", "q", "--tag", "u=ann", "--command", "true")
    queuectl.ok(
        "edit", "a", "--command", "false", "--priority", "3", "--queue", "", "--max-retries", "1", "--delay", "1h"
    )
    job = queuectl.job("a")
    assert (job["command"], job["priority"], job["queue"], job["max_retries"]) == ("false", 3, "default", 1)
    assert job["next_run_at"] is not None and job["tags"] == {"u": "ann"}


def test_filters_select_jobs_to_edit(queuectl: CommandLine) -> None:
    for id, queue in (("a", "q"), ("b", "q"), ("c", "default")):
        queuectl.ok("enqueue", "--id", id, "--queue", queue, "--tag", f"k={id}", "--command", "true")
    assert queuectl.json("edit", "--where", "queue=q", "--priority", "5", "--dry-run")["ids"] == ["a", "b"]
    assert queuectl.ok("edit", "--where", "queue=q", "--where", "tag.k=b", "--queue", "other") == "changed 1 job\n"
    assert queuectl.job("b")["queue"] == "other" and queuectl.job("a")["queue"] == "q"
    assert queuectl.ok("edit", "--all", "--priority", "2") == "changed 3 jobs\n"
    queuectl.refused(2, "edit", "--where", "colour=red", "--priority", "1")
    queuectl.refused(2, "edit", "--priority", "1")
    queuectl.refused(2, "edit", "a")


@pytest.mark.parametrize("typed, is_done", [(b"y\n", True), (b"\n", False)])
@pytest.mark.parametrize("words", ["rm --all", "dlq purge --all", "dlq purge --queue default", "prune --state dead"])
def test_terminal_asks_before_a_change_of_many_jobs(
    queuectl: CommandLine, words: str, typed: bytes, is_done: bool
) -> None:
    for id in ("a", "b"):
        queuectl.ok("enqueue", "--id", id, "--command", "true")
    queuectl.ok("cancel", "--all")
    master, slave = pty.openpty()
    try:
        process = queuectl.popen(*words.split(), stdin=slave, stdout=-3, stderr=slave)
        os.write(master, typed)
        assert process.wait(timeout=20) == (0 if is_done else 1)
    finally:
        os.close(master)
        os.close(slave)
    assert len(queuectl.json("list")) == (0 if is_done else 2)


def test_a_change_of_what_a_filter_selects_leaves_alone_what_changes_meanwhile(queuectl: CommandLine) -> None:
    """Else `rm --state dead` would lose jobs that somebody retries while it asks."""
    for id in ("a", "b"):
        queuectl.ok("enqueue", "--id", id, "--command", "true")
    queuectl.ok("cancel", "--all")
    master, slave = pty.openpty()
    try:
        process = queuectl.popen("rm", "--state", "dead", stdin=slave, stdout=-3, stderr=slave)
        asked = b""
        while b"[y/N]" not in asked:
            asked += os.read(master, 1000)
        queuectl.ok("dlq", "retry", "a")
        os.write(master, b"y\n")
        assert process.wait(timeout=20) == 0
    finally:
        os.close(master)
        os.close(slave)
    assert [(job["id"], job["state"]) for job in queuectl.json("list")] == [("a", "pending")]


@pytest.mark.parametrize("change", ["cancel", "remove", "retry", "suspend", "continue_"])
def test_a_change_skips_jobs_in_none_of_its_states(queuectl: CommandLine, change: str) -> None:
    queuectl.ok("enqueue", "--id", "a", "--delay", "1h", "--command", "true")
    with Queue(queuectl.home) as queue:
        assert getattr(queue, change)(["a"], states=["failed", "dead"]) == []
        assert queue.edit(["a"], {"delay": 0}, states=["dead"]) == []
        assert queue.get("a")["state"] == "pending" and queue.get("a")["next_run_at"] is not None
        assert queue.remove(["a"], states=["pending"]) == ["a"]


def test_run_says_when_its_job_is_removed_before_it_has_the_result(queuectl: CommandLine) -> None:
    """It knew the job, so that the job does not exist would be no answer."""
    queuectl.ok("pause")
    queuectl.ok("worker", "start")
    with queuectl.popen("run", "--id", "a", "--", "true", stderr=subprocess.PIPE) as process:
        until(lambda: queuectl("rm", "a").status == 0, lambda: "the job to be there")
        assert process.stderr is not None
        assert b"job a was removed before its result was read" in process.stderr.read()
    assert process.returncode == 1


def test_wait_reports_results_by_its_exit_status(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start", "--count", "2")
    queuectl.ok("enqueue", "--id", "good", "--command", "true")
    queuectl.ok("enqueue", "--id", "bad", "--max-retries", "0", "--command", "exit 1")
    queuectl.ok("enqueue", "--id", "long", "--queue", "q", "--command", "sleep 60")
    queuectl.ok("wait", "good", "--timeout", "20s")
    assert queuectl("wait", "good", "bad", "--timeout", "20s").status == 1
    assert queuectl("wait", "--queue", "q", "--timeout", "0.1s").status == 124
    waiting = queuectl.popen("wait", "long")
    queuectl.ok("cancel", "long")
    assert waiting.wait(timeout=20) == 1
    queuectl.ok("wait")
    queuectl.refused(1, "wait", "nobody")


def test_drain_waits_for_running_jobs_and_starts_none(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "a", "--command", "sleep 60")
    queuectl.until_state("a", "processing")
    queuectl.ok("enqueue", "--id", "b", "--command", "true")
    assert queuectl("drain", "--timeout", "0.1s").status == 124
    queuectl.ok("cancel", "a")
    queuectl.ok("drain")
    assert queuectl.job("b")["state"] == "pending"
    assert "all queues are paused" in queuectl.ok("why", "b")
    queuectl.ok("resume")
    queuectl.until_state("b", "completed")


def test_why_explains_every_reason_to_wait(queuectl: CommandLine) -> None:
    def why(id: str) -> str:
        return queuectl.ok("why", id).partition(": ")[2].strip()

    for words in (
        ["--id", "first", "--priority", "1"],
        ["--id", "second"],
        ["--id", "later", "--delay", "2h"],
        ["--id", "after", "--after", "first", "--after", "second"],
        ["--id", "paused", "--queue", "gpu"],
    ):
        queuectl.ok("enqueue", *words, "--command", "sleep 60")
    queuectl.ok("queue", "pause", "gpu")
    assert why("first") == "no supervisor is running; start one with `queuectl worker start`"
    queuectl.ok("worker", "start")
    queuectl.until_state("first", "processing")
    assert why("first").startswith("running on w1-")
    assert why("second") == "next to run; 1 of 1 workers busy"
    assert why("later").startswith("waits until 2")
    assert why("after") == "waits for first, second"
    assert why("paused").startswith("queue gpu is paused since 2")
    queuectl.ok("queue", "resume", "gpu")
    assert why("paused") == "behind 1 job; 1 of 1 workers busy"
    queuectl.ok("queue", "set", "default", "--limit", "1")
    assert why("second") == "queue default is at its limit of 1"
    queuectl.ok("cancel", "second")
    assert why("second").startswith("canceled by hand, at 2")
    assert why("after").startswith("job second, which it waited for, was canceled, at 2")


@pytest.mark.parametrize("has_supervisor", [False, True])
def test_job_behind_a_dead_one_is_recorded_and_dies(queuectl: CommandLine, has_supervisor: bool) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    queuectl.ok("cancel", "a")
    if has_supervisor:
        queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "free", "--delay", "1h", "--command", "true")
    assert queuectl.ok("enqueue", "--id", "b", "--after", "free,a", "--command", "true") == "b\n"
    file = b'{"id": "c", "command": "true", "after": ["b"]}\n{"id": "d", "command": "true", "after": ["c", "a"]}\n'
    assert queuectl.ok("enqueue", "--file", "-", stdin=file) == "c\nd\n"
    with Queue(queuectl.home) as queue:
        queue.enqueue("true", id="e", after=["d"])
        dead = {id: queue.get(id) for id in "bcde"}
    assert {job["state"] for job in dead.values()} == {"dead"}
    assert {job["cause"] for job in dead.values()} == {"dependency_canceled"}
    assert dead["b"]["reason"] == "job a, which it waited for, was canceled"
    assert queuectl.json("enqueue", "--after", "a", "--dry-run", "--command", "true")["state"] == "dead"
    assert queuectl.refused(1, "enqueue", "--after", "nobody", "--command", "true").startswith("queuectl: ")
    if has_supervisor:
        ran = queuectl("run", "--after", "a", "--", "true")
        assert (ran.status, ran.out) == (1, "") and "job a, which it waited for, was canceled" in ran.err
        assert queuectl("wait", "b").status == 1


@pytest.mark.parametrize("has_supervisor", [False, True])
def test_retry_says_which_dependants_stay_dead(queuectl: CommandLine, has_supervisor: bool) -> None:
    if has_supervisor:
        queuectl.ok("pause")
        queuectl.ok("worker", "start")
    for id, *options in (["a"], ["b", "--after", "a"], ["c", "--after", "b"]):
        queuectl.ok("enqueue", "--id", id, *options, "--command", "true")
    stay = "2 dependants stay dead: `queuectl dlq retry b c`"
    for retry in ("retry a", "dlq retry a", "dlq retry --id a --canceled"):
        queuectl.ok("cancel", "a")
        assert queuectl.ok(*retry.split()) == f"retried 1 job; {stay}\n"
    refused = queuectl.refused(1, "dlq", "retry", "--with-dependants", "a")
    assert f"job a is pending, not in the dead letter queue; {stay}" in refused
    assert queuectl.ok("dlq", "retry", "b", "c") == "retried 2 jobs\n"
    assert queuectl.ok("cancel", "a") == "canceled 1 job; 2 dependants die too\n"  # they wait for each other again
    assert queuectl.ok("dlq", "retry", "a", "--with-dependants") == "retried 3 jobs\n"
    for number in range(4):
        queuectl.ok("enqueue", "--id", f"d{number}", "--after", "a", "--command", "true")
    queuectl.ok("cancel", "a")
    assert "6 dependants stay dead: `queuectl dlq list --cause" in queuectl.ok("retry", "a")


@pytest.mark.parametrize("has_supervisor", [False, True])
def test_cancel_says_how_many_dependants_die(queuectl: CommandLine, has_supervisor: bool) -> None:
    if has_supervisor:
        queuectl.ok("pause")
        queuectl.ok("worker", "start")
    for id, *options in (["a"], ["b", "--after", "a"], ["c", "--after", "b"], ["d", "--after", "a", "--after-any"]):
        queuectl.ok("enqueue", "--id", id, *options, "--command", "true")
    assert queuectl.ok("cancel", "c") == "canceled 1 job\n"
    queuectl.ok("dlq", "retry", "c")
    queuectl.ok("enqueue", "--id", "e", "--after", "b,c", "--command", "true")
    assert queuectl.ok("cancel", "a", "e") == "canceled 2 jobs; 2 dependants die too\n"
    for chosen in (["a"], ["--id", "a", "--canceled"]):
        dry_run = ["dlq", "retry", *chosen, "--with-dependants", "--dry-run"]
        seen = queuectl(*dry_run)
        assert (seen.out, seen.err) == ("a\nb\nc\n", "3 jobs would be retried\n")
        assert queuectl.json(*dry_run) == {"ids": ["a", "b", "c"], "count": 3, "dry_run": True}
    assert queuectl.ok("dlq", "retry", "a", "--with-dependants") == "retried 3 jobs\n"  # not the canceled one
    assert queuectl.ok("cancel", "c") == "canceled 1 job\n"
    changed = queuectl.json("cancel", "--id", "a")
    assert (changed["ids"], changed["count"], changed["dependants"]) == (["a"], 1, 1)
    assert queuectl.counts() == {"pending": 1, "processing": 0, "completed": 0, "failed": 0, "dead": 4}


@pytest.fixture
def dead_and_canceled(queuectl: CommandLine) -> CommandLine:
    """Return a command line on a home with a failed and a canceled job, and one that waited for each."""
    queuectl.ok("config", "set", "max-retries", "0")
    for id in ("bad", "canceled"):
        queuectl.ok("enqueue", "--id", id, "--queue", id, "--tag", "kind=x", "--command", "exit 1")
        queuectl.ok("enqueue", "--id", f"after-{id}", "--after", id, "--queue", id, "--command", "true")
    queuectl.ok("cancel", "canceled")
    queuectl.ok("worker", "start")
    queuectl.until_done(dead=4)
    queuectl.ok("pause")
    return queuectl


def states(queuectl: CommandLine) -> dict[str, str]:
    return {job["id"]: job["state"] for job in queuectl.json("list")}


def test_dlq_retry_all_spares_canceled_jobs(dead_and_canceled: CommandLine) -> None:
    queuectl = dead_and_canceled
    dry = queuectl.json("dlq", "retry", "--all", "--dry-run")
    assert (sorted(dry["ids"]), dry["count"]) == (["after-bad", "bad"], 2)
    answer = queuectl("dlq", "retry", "--all")
    assert (answer.status, answer.out) == (0, "retried 2 jobs\n")
    assert answer.err == "2 dead jobs left; --canceled retries canceled jobs too\n"
    assert states(queuectl) == {
        "bad": "pending", "after-bad": "pending", "canceled": "dead", "after-canceled": "dead"
    }  # fmt: skip
    assert queuectl.job("after-bad")["waits_for"] == ["bad"]
    assert queuectl.ok("dlq", "retry", "--all", "--canceled") == "retried 2 jobs\n"
    assert set(states(queuectl).values()) == {"pending"}


def test_dlq_retry_with_a_filter_spares_canceled_jobs(dead_and_canceled: CommandLine) -> None:
    queuectl = dead_and_canceled
    line = queuectl.refused(1, "dlq", "retry", "--queue", "canceled")
    assert "no dead job matches; --canceled retries canceled jobs too" in line
    assert queuectl.ok("dlq", "retry", "--queue", "canceled", "--canceled") == "retried 2 jobs\n"
    assert queuectl.ok("dlq", "retry", "--tag", "kind=x", "--with-dependants") == "retried 2 jobs\n"
    queuectl.ok("cancel", "canceled")
    assert queuectl.ok("dlq", "retry", "canceled") == f"retried 1 job; {STAYS}\n"


def test_cause_selects_dead_jobs(dead_and_canceled: CommandLine) -> None:
    queuectl = dead_and_canceled
    listed = queuectl.json("dlq", "list", "--cause", "canceled,dependency_canceled")
    assert {job["id"]: job["cause"] for job in listed} == {
        "canceled": "canceled", "after-canceled": "dependency_canceled"
    }  # fmt: skip
    assert "cause must be some of failed, canceled" in queuectl.refused(2, "dlq", "list", "--cause", "x")
    assert queuectl.ok("dlq", "retry", "--cause", "canceled") == f"retried 1 job; {STAYS}\n"


def test_retry_names_dlq_retry_when_only_dead_jobs_match(dead_and_canceled: CommandLine) -> None:
    queuectl = dead_and_canceled
    for filter in (["--tag", "kind=x"], ["--all"], ["--state", "failed,dead"]):
        line = queuectl.refused(1, "retry", *filter)
        assert "only dead jobs match; use `queuectl dlq retry` with the same filter, or add --state dead" in line
    assert "no matching job can be retried" in queuectl.refused(1, "retry", "--tag", "kind=y")


def test_retry_with_state_dead_retries_all_but_canceled_jobs(dead_and_canceled: CommandLine) -> None:
    queuectl = dead_and_canceled
    line = queuectl.refused(1, "retry", "--queue", "canceled", "--state", "dead")
    assert "no dead job matches; 2 canceled jobs left (see `queuectl dlq retry --canceled`)" in line
    assert queuectl.json("retry", "--state", "dead", "--dry-run")["count"] == 2
    assert queuectl.ok("retry", "--all", "--state", "dead").startswith("retried 2 jobs; 2 canceled jobs left (see")
    assert states(queuectl) == {
        "bad": "pending", "after-bad": "pending", "canceled": "dead", "after-canceled": "dead"
    }  # fmt: skip
    assert queuectl.ok("retry", "--state", "dead", "--cause", "canceled") == "retried 1 job\n"


def test_dlq_retry_with_a_filter_counts_the_canceled_jobs_that_it_leaves(dead_and_canceled: CommandLine) -> None:
    queuectl = dead_and_canceled
    queuectl.ok("dlq", "purge", "after-canceled")
    answer = queuectl("dlq", "retry", "--since", "1h")
    assert (answer.out, answer.err) == ("retried 2 jobs\n", "1 canceled job left; --canceled retries it too\n")
    queuectl.ok("cancel", "bad", "after-bad")
    answer = queuectl("dlq", "retry", "--since", "1h", "--canceled")
    assert (answer.out, answer.err) == ("retried 3 jobs\n", "")


def test_why_says_how_to_avoid_retries_of_a_command_that_cannot_start(queuectl: CommandLine) -> None:
    advice = "`queuectl config set fail-on 126,127` lets new jobs fail at once in this case"
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "waits", "--backoff-base", "600", "--", "no-such-command")
    queuectl.ok("enqueue", "--id", "dead", "--backoff-base", "0", "--max-retries", "1", "--", "/dev/null")
    queuectl.ok("enqueue", "--id", "once", "--fail-on", "126,127", "--", "no-such-command")
    queuectl.until_done(failed=1, dead=2)
    assert advice in queuectl.ok("why", "waits") and advice in queuectl.ok("why", "dead")
    assert advice not in queuectl.ok("why", "once")


def test_dlq_retry_changes_fields_and_retries_dependants(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "exit 1")
    queuectl.ok("enqueue", "--id", "b", "--after", "a", "--command", "true")
    queuectl.ok("cancel", "a")
    assert queuectl.ok("dlq", "retry", "a", "--command", "true", "--with-dependants") == "retried 2 jobs\n"
    assert (queuectl.job("a")["command"], queuectl.job("b")["waits_for"]) == ("true", ["a"])
    queuectl.ok("worker", "start")
    queuectl.until_state("b", "completed")


def test_output_of_a_canceled_run_contains_no_other_output(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "a", "--command", "echo mine; sleep 60")
    queuectl.until_state("a", "processing")
    until(lambda: queuectl("logs", "a").out == "mine\n", lambda: "its output")
    queuectl.ok("cancel", "a")
    job = queuectl.until_state("a", "dead")
    queuectl.ok("run", "--", "echo secret")
    assert queuectl.ok("logs", "a") == "mine\n"
    assert (job["history"][0]["outcome"], job["history"][0]["output_bytes"]) == ("canceled", 5)


def test_second_cancel_sends_its_own_signal(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "a", "--grace", "1h", "--command", "trap '' INT; sleep 60 & while :; do wait; done")
    queuectl.until_state("a", "processing")
    queuectl.ok("cancel", "a", "--signal", "INT")
    queuectl.ok("cancel", "a", "--signal", "KILL")
    assert queuectl.until_state("a", "dead")["reason"] == "canceled while it ran (SIGKILL)"


def test_suspended_run_continues_after_a_kill_of_its_supervisor(queuectl: CommandLine) -> None:
    go = os.path.join(os.path.dirname(queuectl.home), "go")
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "a", "--command", f"until [ -e {go} ]; do sleep 0.02; done")
    queuectl.until_state("a", "processing")
    queuectl.ok("suspend", "a")
    queuectl.kill_supervisor()
    queuectl.ok("worker", "start")
    with open(go, "w"):
        pass
    queuectl.until_state("a", "completed")


def test_dry_run_is_refused_like_the_real_command(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    queuectl.refused(1, "rm", "--dry-run", "nobody")
    queuectl.refused(1, "suspend", "--dry-run", "a")
    queuectl.refused(1, "cancel", "--state", "completed", "--dry-run")
    assert queuectl.json("rm", "a", "a", "--dry-run")["ids"] == ["a"]


def test_run_without_a_supervisor_adds_nothing(queuectl: CommandLine) -> None:
    queuectl.refused(3, "run", "--", "true")
    assert queuectl.json("list") == []
