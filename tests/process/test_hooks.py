"""Hooks on the command line: for one job, for a schedule, and in the settings."""

from __future__ import annotations

import json
import os

import pytest

from tests.homes import SCRIPT, CommandLine, until

TELL = (
    'printf "%s|" "$QUEUECTL_JOB_NAME" "$QUEUECTL_HOOK_JOB_ID" "$QUEUECTL_HOOK_STATE" "$QUEUECTL_HOOK_EXIT_CODE"'
    ' "$QUEUECTL_HOOK_REASON" "$QUEUECTL_HOOK_ATTEMPT" "$QUEUECTL_HOOK_OUTPUT_TAIL" >> told; echo >> told'
)


@pytest.fixture
def folder(queuectl: CommandLine) -> str:
    queuectl.ok("config", "set", "backoff-base", "0")
    queuectl.ok("worker", "start")
    return os.path.dirname(queuectl.home)


def told(queuectl: CommandLine, folder: str, count: int) -> list[str]:
    """Return the sorted lines that `count` hooks have written."""
    path = os.path.join(folder, "told")

    def lines() -> list[str]:
        if not os.path.exists(path):
            return []
        with open(path) as file:
            return file.read().splitlines()

    until(lambda: len(lines()) == count, lambda: f"{count} hooks, not {lines()}")
    queuectl.ok("wait", "--queue", "hooks")
    return sorted(lines())


def test_hooks_of_a_job_get_its_facts_and_its_output(queuectl: CommandLine, folder: str) -> None:
    hooks = [word for name in ("success", "failure", "dead", "end") for word in (f"--on-{name}", TELL)]
    once = ["--max-retries", "1", *hooks]
    queuectl.ok("enqueue", "--id", "bad", *once, "--", "printf %s '$(touch evil)'; exit 3", cwd=folder)
    assert told(queuectl, folder, 4) == [
        "on-dead|bad|dead|3|exit code 3|2|$(touch evil)|",
        "on-end|bad|dead|3|exit code 3|2|$(touch evil)|",
        "on-failure|bad|dead|3|exit code 3|2|$(touch evil)|",
        "on-failure|bad|failed|3|exit code 3|1|$(touch evil)|",
    ]
    assert not os.path.exists(os.path.join(folder, "evil"))


def test_hook_of_a_schedule_and_of_the_settings_run_both(queuectl: CommandLine, folder: str) -> None:
    queuectl.ok("config", "set", "on-end", TELL)
    queuectl.ok("schedule", "add", "beat", "--every", "1h", "--on-success", "cat >> record", "--", "true", cwd=folder)
    id = queuectl.json("schedule", "run-now", "beat")["id"]
    assert told(queuectl, folder, 1) == [f"on-end|{id}|completed|0||1||"]
    with open(os.path.join(folder, "record")) as file:
        text = file.read()
    assert text.endswith("}\n") and json.loads(text)["id"] == id


def test_hook_of_a_sweep_runs_when_all_its_jobs_have_ended(queuectl: CommandLine, folder: str) -> None:
    tell = 'echo "$QUEUECTL_HOOK_BATCH|$QUEUECTL_HOOK_BATCH_COMPLETED|$QUEUECTL_HOOK_BATCH_DEAD" >> told'
    sweep = ["--batch", "tests", "--max-retries", "0", "--on-batch-end", tell, "--", "exit {}", ":::", "0", "0", "1"]
    queuectl.ok("enqueue", *sweep, cwd=folder)
    assert told(queuectl, folder, 1) == ["tests|2|1"]


def test_hook_of_a_job_that_ends_without_a_supervisor_is_not_lost(queuectl: CommandLine, folder: str) -> None:
    wait = "while ! test -e go; do sleep 0.05; done; exit 3"
    queuectl.ok("enqueue", "--id", "a", "--max-retries", "0", "--on-dead", TELL, "--", wait, cwd=folder)
    queuectl.until_state("a", "processing")
    until(lambda: queuectl.worker_running("a"), lambda: "it to run")
    queuectl.kill_supervisor()
    open(os.path.join(folder, "go"), "w").close()
    queuectl.until_state("a", "dead")
    queuectl.ok("worker", "start")
    assert told(queuectl, folder, 1) == ["on-dead|a|dead|3|exit code 3|1||"]


def test_canceled_job_has_only_the_hook_of_its_end(queuectl: CommandLine, folder: str) -> None:
    queuectl.ok("config", "set", "on-dead", TELL)
    queuectl.ok("enqueue", "--id", "a", "--delay", "1h", "--on-end", TELL, "--", "true", cwd=folder)
    queuectl.ok("cancel", "a")
    assert told(queuectl, folder, 1) == ["on-end|a|dead||canceled by hand|0||"]


def test_hook_can_be_edited_and_removed(queuectl: CommandLine, folder: str) -> None:
    queuectl.ok("enqueue", "--id", "a", "--delay", "1h", "--on-end", "false", "--on-success", "false", "--", "true", cwd=folder)
    queuectl.ok("edit", "a", "--on-end", TELL, "--on-success", "", "--delay", "0")
    assert told(queuectl, folder, 1) == ["on-end|a|completed|0||1||"]
    assert len(queuectl.json("list", "--queue", "hooks")) == 1


def test_variables_of_a_hook_reach_no_other_job(queuectl: CommandLine, folder: str) -> None:
    add = f"exec {queuectl.python} {SCRIPT} enqueue --id second --inherit-env -- 'env | grep -c QUEUECTL_HOOK_; true'"
    queuectl.ok("enqueue", "--id", "first", "--on-success", add, "--", "true", cwd=folder)
    until(lambda: queuectl("show", "second").status == 0, lambda: "the second job to appear")
    queuectl.until_state("second", "completed")
    assert queuectl.ok("logs", "second") == "0\n"


def test_hook_must_be_a_command(queuectl: CommandLine) -> None:
    assert "--on-end: must not be empty" in queuectl.refused(2, "enqueue", "--on-end", "", "--", "true")
    assert "--on-dead" in queuectl.ok("enqueue", "--help")
