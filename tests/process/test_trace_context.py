"""Trace context: the variables of the call that adds a job reach the job, its record, its events, and its hooks."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.homes import ROOT, CommandLine

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = {"TRACEPARENT": PARENT, "TRACESTATE": "rojo=00f067aa0ba902b7", "BAGGAGE": "userId=alice"}
SEEN = 'echo "$TRACEPARENT $TRACESTATE $BAGGAGE"'
PRINTED = " ".join(TRACE.values()) + "\n"


@pytest.fixture
def traced(queuectl: CommandLine) -> CommandLine:
    """Return a home with a supervisor that another trace has started; later calls belong to `TRACE`."""
    queuectl.environ["TRACEPARENT"] = PARENT.replace("01", "00")
    queuectl.ok("worker", "start")
    queuectl.environ.update(TRACE)
    return queuectl


@pytest.mark.parametrize("words", [[], ["--queue", "mail"], ["--batch", "b"], ["--env", "A=b", "--tag", "k=v"]])
def test_a_job_belongs_to_the_trace_of_its_call(traced: CommandLine, words: list[str]) -> None:
    traced.ok("enqueue", "--id", "a", *words, "--command", SEEN)
    traced.until_state("a", "completed")
    assert traced.ok("logs", "a") == PRINTED
    assert traced.job("a")["env"] == {**TRACE, **({"A": "b"} if "--env" in words else {})}
    events = [json.loads(line) for line in traced.ok("events").splitlines()]
    [added] = [event for event in events if event["event"] == "enqueued"]
    assert added["options"]["env"]["TRACEPARENT"] == PARENT


def test_run_files_and_sweeps_belong_to_the_trace(traced: CommandLine) -> None:
    assert traced.ok("run", "--id", "r", "--", "sh", "-c", SEEN) == PRINTED
    lines = "".join(json.dumps({"id": f"f{n}", "command": SEEN}) + "\n" for n in range(1500))
    traced.ok("pause")
    traced.ok("enqueue", "--file", "-", "--quiet", stdin=lines.encode())
    assert traced.job("f0")["env"] == traced.job("f1499")["env"] == TRACE


def test_the_job_itself_decides(traced: CommandLine) -> None:
    own = PARENT.replace("b7ad", "beef")
    traced.ok("config", "set", "env", "LANG=C")
    traced.ok("enqueue", "--id", "a", "--env", f"TRACEPARENT={own}", "--command", SEEN)
    traced.ok("enqueue", "--id", "plain", "--command", SEEN)
    assert traced.job("a")["env"] == {"LANG": "C", **TRACE, "TRACEPARENT": own}
    assert traced.job("plain")["env"] == {"LANG": "C", **TRACE}


def test_a_job_without_a_trace_has_none(traced: CommandLine) -> None:
    for name in TRACE:
        del traced.environ[name]
    traced.ok("enqueue", "--id", "a", "--command", SEEN)
    traced.until_state("a", "completed")
    assert traced.ok("logs", "a") == "  \n" and "env" not in traced.job("a")
    traced.environ.update(TRACEPARENT="00-no-trace-01", BAGGAGE="\x1b[2J")
    traced.ok("enqueue", "--id", "b", "--command", SEEN)
    assert "env" not in traced.job("b")


def test_jobs_of_a_job_and_its_hooks_continue_the_trace(traced: CommandLine) -> None:
    script = os.path.join(ROOT, "queuectl.py")
    inner = f"{sys.executable} {script} enqueue --id inner --command true"
    traced.ok("enqueue", "--id", "outer", "--on-success", SEEN, "--command", inner)
    traced.until_state("outer", "completed")
    assert traced.until_state("inner", "completed")["env"] == TRACE
    [hook] = [job for job in traced.json("list") if job["id"].startswith("outer.")]
    traced.until_state(hook["id"], "completed")
    assert traced.ok("logs", hook["id"]) == PRINTED


def test_programs_pass_their_trace_on(traced: CommandLine) -> None:
    code = "from queuectl_core import Queue; q = Queue(); q.enqueue_many([{'id': 'a', 'command': 'true'}, {'id': 'b', 'command': 'true', 'priority': 3}])"
    subprocess.run([sys.executable, "-c", code], env=traced.environ, cwd=ROOT, check=True)
    assert traced.job("a")["env"] == traced.job("b")["env"] == TRACE


def test_it_works_without_a_supervisor_too(queuectl: CommandLine) -> None:
    queuectl.environ.update(TRACE)
    queuectl.ok("enqueue", "--id", "a", "--command", SEEN)
    assert queuectl.job("a")["env"] == TRACE
    assert "alice" not in queuectl.ok("show", "a")
