"""What the page changes: jobs by ID and by filter, new jobs, queues, schedules, settings, and pauses."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from tests.homes import CommandLine
from tests.web_server import Web, web


@pytest.fixture
def page(queuectl: CommandLine) -> Iterator[Web]:
    with web(queuectl) as running:
        yield running


def act(page: Web, verb: str, **more: Any) -> list[Any]:
    """Return the lines of the answer to a change."""
    got = page.post("api/act", {"verb": verb, **more})
    assert got.status == 200, got
    return [json.loads(line) for line in got.body.splitlines()]


def words_of(command: str) -> list[str]:
    """Return the words behind the name of the home."""
    words = shlex.split(command)
    return words[3:] if words[1] == "--home" else words[1:]


def failed_jobs(queuectl: CommandLine, count: int) -> None:
    queuectl.ok("enqueue", "--array", f"1-{count}", "--max-retries", "0", "--queue", "q", "--", "sh", "-c", "exit 3")
    queuectl("worker", "start", "--exit-when-empty")


def test_a_filter_is_previewed_and_then_changed_and_the_command_does_the_same(
    queuectl: CommandLine, page: Web
) -> None:
    queuectl.ok("enqueue", "--array", "1-3", "--queue", "gpu", "--", "true")
    queuectl.ok("enqueue", "--id", "other", "--", "true")
    asked = {"filter": {"queue": "gpu", "grep": "tr"}}
    preview = page.done("api/act", {"verb": "cancel", **asked, "preview": True})
    assert (preview["count"], len(preview["sample"]), preview["is_complete"]) == (3, 3, True)
    assert queuectl.counts()["pending"] == 4
    assert queuectl.json(*words_of(preview["command"]), "--dry-run")["count"] == 3
    assert act(page, "cancel", **asked)[-1] == {"changed": 3, "of": 3, "is_done": True, "command": preview["command"]}
    assert queuectl.counts()["pending"] == 1


def test_each_verb_does_what_its_command_does(queuectl: CommandLine, page: Web) -> None:
    failed_jobs(queuectl, 2)
    ids = [job["id"] for job in queuectl.json("dlq", "list")]
    assert act(page, "dlq-retry", ids=ids)[-1]["changed"] == 2
    assert act(page, "cancel", ids=ids[:1], options={"signal": "INT"})[-1]["command"].endswith("--signal INT")
    assert act(page, "rm", filter={"state": "dead"})[-1]["changed"] == 1
    queuectl.ok("enqueue", "--id", "slow", "--", "sleep", "60")
    queuectl.ok("enqueue", "--id", "last", "--delay", "1h", "--", "true")
    assert act(page, "retry", ids=["last"])[-1]["changed"] == 1
    assert act(page, "move", ids=["last"], options={"to": "front"})[-1]["command"].endswith(" move last --to front")
    queuectl.ok("worker", "start")
    queuectl.until_state("slow", "processing")
    assert act(page, "suspend", filter={"state": "processing"})[-1]["changed"] == 1
    assert queuectl.job("slow")["suspended"]
    assert act(page, "continue", ids=["slow"])[-1]["changed"] == 1
    act(page, "cancel", all=True)


def test_a_group_of_failures_is_retried_as_a_whole(queuectl: CommandLine, page: Web) -> None:
    failed_jobs(queuectl, 3)
    queuectl.ok("enqueue", "--id", "other", "--max-retries", "0", "--", "false")
    queuectl("worker", "start", "--exit-when-empty")
    group = page.ok("api/failures")["groups"][0]
    asked = {"filter": {"group": group["key"]}}
    preview = page.done("api/act", {"verb": "dlq-retry", **asked, "preview": True})
    assert preview["count"] == group["count"] == 3
    assert words_of(preview["command"]) == ["dlq", "retry", *group["sample_ids"]]
    assert act(page, "dlq-retry", **asked)[-1]["changed"] == 3
    assert queuectl.counts()["pending"] == 3 and queuectl.job("other")["state"] == "dead"


def test_dead_jobs_are_retried_with_changes_and_dependants(queuectl: CommandLine, page: Web) -> None:
    queuectl.ok("enqueue", "--id", "a", "--max-retries", "0", "--", "false")
    queuectl.ok("enqueue", "--id", "b", "--after", "a", "--", "true")
    queuectl("worker", "start", "--exit-when-empty")
    asked = {"ids": ["a"], "options": {"dependants": True}}
    assert page.done("api/act", {"verb": "dlq-retry", **asked, "preview": True})["count"] == 2
    done = act(page, "dlq-retry", ids=["a"], options={"dependants": True, "fields": {"command": "true"}})[-1]
    assert words_of(done["command"]) == ["dlq", "retry", "--with-dependants", "a", "--command", "true"]
    assert queuectl.job("b")["state"] == "pending" and queuectl.job("a")["command"] == "true"


def test_canceled_jobs_stay_when_a_filter_retries_dead_ones(queuectl: CommandLine, page: Web) -> None:
    failed_jobs(queuectl, 1)
    queuectl.ok("enqueue", "--id", "canceled", "--", "true")
    queuectl.ok("cancel", "canceled")
    assert act(page, "dlq-retry", filter={"state": "dead"})[-1]["changed"] == 1
    assert queuectl.job("canceled")["state"] == "dead"


def test_a_refusal_has_the_code_and_text_of_the_command_line(queuectl: CommandLine, page: Web) -> None:
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    for body, status, code in (
        ({"verb": "cancel", "ids": ["nobody"]}, 404, "unknown_job"),
        ({"verb": "suspend", "ids": ["a"]}, 409, "wrong_state"),
        ({"verb": "cancel", "filter": {"queue": "nothing"}}, 409, "nothing_to_do"),
        ({"verb": "cancel", "filter": {}}, 400, "invalid_input"),
        ({"verb": "cancel", "filter": {"state": "deed"}}, 400, "invalid_input"),
        ({"verb": "cancel", "filter": {"colour": "red"}}, 400, "invalid_input"),
        ({"verb": "cancel", "ids": ["a"], "options": {"force": True}}, 400, "invalid_input"),
        ({"verb": "cancel", "ids": ["a"], "options": {"signal": "NO"}}, 400, "invalid_input"),
        ({"verb": "move", "ids": ["a"]}, 400, "invalid_input"),
    ):
        got = page.post("api/act", body)
        assert (got.status, got.json()["error"]) == (status, code), (body, got)
    assert queuectl.job("a")["state"] == "pending"


def test_several_named_jobs_of_which_one_has_changed_are_not_refused(queuectl: CommandLine, page: Web) -> None:
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    queuectl.ok("enqueue", "--id", "b", "--", "true")
    queuectl.ok("cancel", "a")
    assert act(page, "cancel", ids=["a", "b", "gone"])[-1]["changed"] == 1


def test_a_retry_of_dead_jobs_leaves_one_that_waits_by_now(queuectl: CommandLine, page: Web) -> None:
    failed_jobs(queuectl, 1)
    queuectl.ok("enqueue", "--id", "later", "--delay", "1h", "--", "true")
    dead = queuectl.json("dlq", "list")[0]["id"]
    assert act(page, "dlq-retry", ids=[dead, "later"])[-1]["changed"] == 1
    assert queuectl.job("later")["next_run_at"] is not None
    act(page, "cancel", ids=[dead, "later"])
    fields = {"command": f"true {'x' * 100_000}"}
    assert act(page, "dlq-retry", ids=[dead, "later"], options={"fields": fields})[-1]["changed"] == 2


def test_many_jobs_are_changed_with_progress(queuectl: CommandLine, page: Web) -> None:
    queuectl.ok("enqueue", "--array", "1-1200", "--", "true")
    last = act(page, "cancel", filter={"state": "pending"})[-1]
    assert (last["changed"], last["of"]) == (1200, 1200)


def test_a_job_is_tried_and_added_and_the_command_adds_the_same(queuectl: CommandLine, page: Web) -> None:
    job = {"command": "echo 'it is'", "queue": "mail", "max_retries": 2, "tags": {"user": "ann b"}, "timeout": "1m",
           "priority": -5, "retry_on": [1, 2]}  # fmt: skip
    tried = page.done("api/enqueue", {"job": job, "dry_run": True})
    assert tried["timetable"] == [2, 4] and queuectl.counts()["pending"] == 0
    added = page.done("api/enqueue", {"job": job})
    assert added["command"] == tried["command"]
    ours = queuectl.job(added["id"])
    theirs = queuectl.job(queuectl.ok(*words_of(added["command"]), cwd=ours["cwd"]).strip())
    for name in ("id", "created_at", "updated_at"):
        assert ours.pop(name) and theirs.pop(name)
    assert ours == theirs
    for bad in ({}, {"command": ""}, {"command": "true", "colour": 1}, {"command": 3}):
        assert page.post("api/enqueue", {"job": bad}).status == 400, bad


def test_a_job_is_edited(queuectl: CommandLine, page: Web) -> None:
    queuectl.ok("enqueue", "--id", "a", "--priority", "3", "--", "true")
    changes = {"priority": None, "command": "echo 'x'", "tags": {"k": "v"}}
    done = page.done("api/edit", {"id": "a", "changes": changes})
    edited = queuectl.job("a")
    assert (edited["priority"], edited["command"], edited["tags"]) == (0, "echo 'x'", {"k": "v"})
    queuectl.ok(*words_of(done["command"]))
    assert {**queuectl.job("a"), "updated_at": ""} == {**edited, "updated_at": ""}
    assert page.post("api/edit", {"id": "a", "changes": {}}).status == 400


def test_queues_and_pauses(queuectl: CommandLine, page: Web) -> None:
    done = page.done("api/queue", {"queue": "gpu", "set": {"limit": 2, "rate": [10, 60], "defaults": {"timeout": 60}}})
    rules = queuectl.json("queue", "list")
    assert words_of(done["command"])[-1] == "--create"
    queuectl.ok(*words_of(done["command"]))
    assert queuectl.json("queue", "list") == rules
    done = page.done("api/queue", {"queue": "gpu", "set": {"paused": True, "pause_for": "2h", "pause_reason": "it's"}})
    assert words_of(done["command"]) == ["queue", "pause", "gpu", "--for", "2h", "--reason", "it's"]
    page.done("api/queue", {"queue": "gpu", "set": {"paused": False}})
    assert words_of(page.done("api/queue", {"queue": "gpu", "rm": True})["command"]) == ["queue", "rm", "gpu"]
    done = page.done("api/pause", {"is_paused": True, "for": "1h", "reason": "new disk"})
    assert words_of(done["command"]) == ["pause", "--for", "1h", "--reason", "new disk"]
    assert queuectl.json("status")["pause_reason"] == "new disk"
    assert words_of(page.done("api/pause", {"is_paused": False})["command"]) == ["resume"]
    assert page.post("api/queue", {"queue": "*", "set": {"paused": True}}).status == 400


def test_schedules_and_settings(queuectl: CommandLine, page: Web) -> None:
    queuectl.ok("schedule", "add", "nightly", "@daily", "--", "true")
    id = page.done("api/schedule", {"schedule": "nightly", "do": "run"})["id"]
    assert queuectl.job(id)["state"] == "pending"
    page.done("api/schedule", {"schedule": "nightly", "do": "pause"})
    assert page.ok("api/schedules")[0]["next"] == []
    page.done("api/schedule", {"schedule": "nightly", "do": "resume"})
    done = page.done("api/schedule", {"schedule": "nightly", "do": "rm"})
    assert words_of(done["command"]) == ["schedule", "remove", "nightly"] and page.ok("api/schedules") == []
    assert page.post("api/schedule", {"schedule": "nightly", "do": "run"}).status == 404
    done = page.done("api/config", {"key": "retry-on", "value": "75,111"})
    assert words_of(done["command"]) == ["config", "set", "retry-on", "75,111"]
    changed = {each["key"]: each for each in page.ok("api/config")}["retry-on"]
    assert (changed["value"], changed["is_set"]) == ([75, 111], True)
    page.done("api/config", {"key": "retry-on", "unset": True})
    assert not {each["key"]: each for each in page.ok("api/config")}["retry-on"]["is_set"]
    assert page.post("api/config", {"key": "no-such", "value": "1"}).status == 400
