"""Filters of the command line: what they select, and that no supervisor changes jobs that they do not select."""

from __future__ import annotations

import subprocess
import sys

import pytest

from queuectl_core import Queue
from queuectl_core.errors import NotDead
from tests.homes import ROOT, CommandLine, until

OLDER_SUPERVISOR = """
from queuectl_core.service import handlers, queries

def listing(ledger, request, now_ms):
    return queries.listing(ledger, {name: value for name, value in request.items() if name != "where"}, now_ms)

def whole(verb):
    answer = handlers.HANDLERS[verb]
    return lambda *args: {name: value for name, value in answer(*args).items() if name != "next"}

handlers.HANDLERS["list"] = listing
handlers.HANDLERS.update({verb: whole(verb) for verb in ("queue-list", "schedule-list")})
del handlers.HANDLERS["find"]
from queuectl_core.cli.main import run
run(["worker", "start", "--foreground", "--count", "1"])
"""
"""A supervisor that ignores `where`, like those before this field, finds no short IDs, and sends no pages of queues."""


@pytest.fixture
def four(queuectl: CommandLine) -> CommandLine:
    """Return a home with two dead jobs, a completed one, and one that waits."""
    queuectl.ok("enqueue", "--id", "web-1", "--name", "nightly a", "--max-retries", "0", "--", "exit 3")
    queuectl.ok("enqueue", "--id", "web-2", "--max-retries", "0", "--", "exit 4")
    queuectl.ok("enqueue", "--id", "db-1", "--name", "nightly [a]", "--command", "echo make")
    queuectl.ok("worker", "start")
    queuectl.until_done(dead=2, completed=1)
    queuectl.ok("worker", "stop")
    queuectl.ok("enqueue", "--id", "later", "--delay", "1h", "--", "make all")
    return queuectl


@pytest.mark.parametrize("with_supervisor", [False, True])
def test_filters_select_jobs_however_the_home_is_read(four: CommandLine, with_supervisor: bool) -> None:
    if with_supervisor:
        four.ok("worker", "start")

    def chosen(*words: str) -> set[str]:
        return {job["id"] for job in four.json("list", *words)}

    assert chosen("--id", "web-*") == {"web-1", "web-2"}
    assert chosen("--name", "nightly*") == {"web-1", "db-1"}
    assert chosen("--name", "nightly [a]") == {"web-1", "db-1"}
    assert chosen("--name", "nightly a") == {"web-1"}
    assert chosen("--grep", "make") == {"db-1", "later"}
    assert chosen("--exit-code", "3") == {"web-1"}
    assert chosen("--exit-code", "3,4", "--id", "*-2") == {"web-2"}
    assert chosen("--reason", "exit code") == {"web-1", "web-2"}
    assert chosen("--ended-since", "1h") == {"web-1", "web-2", "db-1"}
    assert chosen("--ended-since", "1h", "--state", "dead") == {"web-1", "web-2"}
    assert four.refused(2, "list", "--exit-code", "256") and four.refused(2, "list", "--ended-since", "odd")


def test_a_repeated_filter_changes_nothing(four: CommandLine) -> None:
    for words in (
        ["cancel", "--id", "later", "--id", "x"],
        ["rm", "--tag", "a=1", "--tag", "a=2"],
        ["edit", "--where", "queue=a", "--where", "queue=b", "--priority", "1"],
        ["edit", "--where", "state=dead", "--state", "pending", "--priority", "1"],
    ):
        assert "is given twice" in four.refused(2, *words)
    assert four.job("later")["state"] == "pending"


def test_filters_select_jobs_to_change(four: CommandLine) -> None:
    assert four.json("dlq", "retry", "--exit-code", "4", "--dry-run")["ids"] == ["web-2"]
    assert four.ok("dlq", "export", "--grep", "exit 3").startswith('{"id":"web-1"')
    assert four.ok("edit", "--where", "grep=make", "--priority", "3") == "changed 1 job\n"
    assert four.json("edit", "--where", "exit-code=3", "--priority", "3", "--dry-run")["ids"] == ["web-1"]
    four.refused(1, "retry", "--id", "la*", "--dry-run")
    assert four.ok("cancel", "--grep", "make") == "canceled 1 job\n"
    assert four.ok("rm", "--reason", "exit code", "--dry-run").splitlines() == ["web-2", "web-1"]
    assert four.ok("rm", "--id", "web-*", "--yes") == "removed 2 jobs (2 dead)\n"


@pytest.mark.parametrize("option", ["--id", "--batch", "--grep", "--reason", "--exit-code"])
def test_an_empty_value_selects_no_job_to_change(four: CommandLine, option: str) -> None:
    before = four.ok("list", "--json")
    four.refused(2, "rm", option, "", "--yes")
    assert four.ok("list", "--json") == before


def test_commands_about_single_jobs_take_several_and_filters(four: CommandLine) -> None:
    assert [job["id"] for job in four.json("show", "--exit-code", "3")] == ["web-1"]
    assert [job["id"] for job in four.json("show", "db-1", "web-1", "db-1")] == ["db-1", "web-1"]
    assert four.json("show", "db-1")["id"] == "db-1"
    assert four.ok("show", "web-1", "web-2").count("command ") == 2
    assert [why["because"] for why in four.json("why", "--state", "dead,completed")] == ["dead", "dead", "completed"]
    assert four.ok("why", "db-1", "web-2").splitlines()[1].startswith("web-2 is dead: exit code 4")
    assert four.ok("history", "--id", "web-*").splitlines()[0].split() == ["SEQ", "AT", "JOB", "EVENT", "WHAT"]
    assert {fact["id"] for fact in four.json("history", "web-1", "later")} == {"web-1", "later"}
    assert four.json("status", "--id", "web-*")["counts"]["dead"] == 2
    assert sum(four.json("status", "--grep", "make", "--state", "pending")["counts"].values()) == 1
    four.refused(2, "status", "--state", "odd")
    for command in ("show", "why", "history", "logs"):
        four.refused(2, command)
        four.refused(2, command, "web-1", "--grep", "x")
        four.refused(1, command, "web-1", "nobody")
        four.refused(1, command, "--grep", "nothing like it")


def test_logs_of_a_filter_name_each_job(four: CommandLine) -> None:
    answer = four("logs", "--grep", "make")
    assert answer.status == 0
    assert answer.out == "==> later (pending): make all <==\n\n==> db-1 (completed): echo make <==\nmake\n"
    assert "later has not run yet" in answer.err
    assert four.ok("logs", "--follow", "--id", "db-*") == "db-1| make\n"


def test_edit_takes_filters_and_new_values(queuectl: CommandLine) -> None:
    for id, queue in (("a", "q"), ("b", "q"), ("c", "default")):
        queuectl.ok("enqueue", "--id", id, "--queue", queue, "--tag", f"k={id}", "--command", f"echo {id}")

    def edited(*words: str) -> list[str]:
        return queuectl.json("edit", "--dry-run", *words)["ids"]

    assert edited("--grep", "echo", "--priority", "3") == ["a", "b", "c"]
    assert edited("--queue", "q", "--set", "queue=other") == ["a", "b"]
    assert edited("--tag", "k=b", "--set", "priority=3") == ["b"]
    assert edited("--where", "queue=q", "--id", "a*", "--queue", "other") == ["a"]
    queuectl.ok("edit", "--queue", "q", "--set", "queue=other", "--set", "tag.k=v", "--set", "command=true", "--yes")
    job = queuectl.job("b")
    assert (job["queue"], job["tags"], job["command"]) == ("other", {"k": "v"}, "true")
    assert queuectl.ok("edit", "a", "--set", "priority=7", "--max-retries", "9") == "changed 1 job\n"
    assert (queuectl.job("a")["priority"], queuectl.job("a")["max_retries"]) == (7, 9)
    for value in ("colour=red", "priority", "tag=x", "inherit-env=yes", "id=z"):
        queuectl.refused(2, "edit", "a", "--set", value)
    queuectl.refused(2, "edit", "--queue", "q", "--priority", "3")
    queuectl.refused(2, "edit", "a", "--queue", "other", "--set", "priority=3")


def test_a_wait_reports_what_failed_before(four: CommandLine) -> None:
    assert four("wait", "--id", "web-*").status == 1
    assert four("wait", "--grep", "echo").status == 0
    assert four("wait", "--ended-since", "1h").status == 1
    four.refused(1, "wait", "--grep", "nothing like it")
    assert four("wait", "--grep", "nothing like it", "--allow-empty").status == 0


def test_a_supervisor_that_does_not_know_a_condition_changes_nothing(four: CommandLine) -> None:
    process = subprocess.Popen([sys.executable, "-c", OLDER_SUPERVISOR], env=four.environ, cwd=ROOT, stderr=-3)
    try:
        until(lambda: four.json("status")["supervisor"], lambda: "it to be ready")
        for words in ("rm --id web-*", "dlq purge --grep exit", "cancel --grep make", "wait --reason x", "list --id w*"):
            assert "worker restart" in four.refused(2, *words.split())
        assert len(four.json("list")) == 4
        assert "does not exist" in four.refused(1, "show", "nobody")
        assert four.json("rm", "--name", "nightly a", "--dry-run")["ids"] == ["web-1"]
        four.ok("schedule", "add", "s", "--every", "1h", "--", "true")
        assert len(four.json("queue", "list")) == len(four.json("schedule", "list")) == 1
    finally:
        four.ok("worker", "stop")
        process.wait(timeout=20)


def test_a_lenient_change_of_dead_jobs_skips_the_others(four: CommandLine) -> None:
    with Queue(four.home) as queue:
        assert queue.retry_dead(["web-1", "later", "gone"], lenient=True) == 1
        assert queue.purge_dead(["web-1", "web-2"], lenient=True) == 1
        assert queue.purge_dead(["web-1", "web-2"], lenient=True) == 0
        with pytest.raises(NotDead):
            queue.retry_dead(["web-1"])
