"""`metrics` and `health` as real commands, and the files in `examples/` that read the metrics."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
from typing import Any

import pytest

from queuectl_core.view.metrics_text import FAMILIES
from tests.homes import ROOT, CommandLine, until
from tests.web_server import web

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool, of the package prometheus")
EXAMPLES = os.path.join(ROOT, "examples")
SUFFIXES = ("_bucket", "_sum", "_count")


def promtool(*words: str, text: str | None = None) -> None:
    checked = subprocess.run(["promtool", *words], input=text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, ""), checked


def test_counters_survive_a_kill_and_a_restart(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--queue", "gpu", "--", "true")
    queuectl.ok("enqueue", "--id", "b", "--max-retries", "0", "--", "exit 3")
    queuectl.ok("worker", "start")
    queuectl.until_done(completed=1, dead=1)
    counters = [line for line in queuectl.ok("metrics").splitlines() if "_total{" in line]
    assert 'queuectl_jobs_finished_total{queue="gpu",state="completed"} 1' in counters
    assert 'queuectl_attempts_total{queue="default",outcome="failed"} 1' in counters
    queuectl.kill_supervisor()
    assert counters == [line for line in queuectl.ok("metrics").splitlines() if "_total{" in line]
    queuectl.ok("worker", "start")
    assert counters == [line for line in queuectl.ok("metrics").splitlines() if "_total{" in line]
    queuectl.ok("worker", "stop")
    assert counters == [line for line in queuectl.ok("metrics").splitlines() if "_total{" in line]
    queuectl.ok("doctor")


@needs_promtool
def test_promtool_accepts_the_metrics(queuectl: CommandLine) -> None:
    promtool("check", "metrics", text=queuectl.ok("metrics"))
    queuectl.ok("queue", "set", "gpu", "--create", "--limit", "2")
    queuectl.ok("schedule", "add", "s", "--every", "1h", "--", "true")
    queuectl.ok("schedule", "run-now", "s")
    queuectl.ok("worker", "start")
    queuectl.until_done(completed=1)
    page = queuectl.ok("metrics")
    promtool("check", "metrics", text=page)
    assert set(re.findall(r"^# TYPE (\w+)", page, re.MULTILINE)) == {family.full_name for family in FAMILIES}


@needs_promtool
def test_promtool_accepts_the_alert_rules() -> None:
    promtool("check", "rules", os.path.join(EXAMPLES, "alerts.yml"))


def expressions(value: Any) -> list[str]:
    """Return all texts in a board under the keys of expressions and queries."""
    if isinstance(value, list):
        return [text for each in value for text in expressions(each)]
    if not isinstance(value, dict):
        return []
    own = [str(text) for key, text in value.items() if key in ("expr", "query")]
    return own + [text for each in value.values() for text in expressions(each)]


def test_the_board_and_the_alerts_use_only_metrics_that_exist() -> None:
    with open(os.path.join(EXAMPLES, "grafana.json"), encoding="utf-8") as file:
        used = " ".join(expressions(json.load(file)))
    with open(os.path.join(EXAMPLES, "alerts.yml"), encoding="utf-8") as file:
        rules = "\n".join(line for line in file if not line.lstrip().startswith(("#", "description:", "- name:")))
    known = {family.full_name for family in FAMILIES}
    known |= {name + suffix for name in known for suffix in SUFFIXES}
    for text in (used, rules):
        names = set(re.findall(r"\b(?:queuectl_|process_)\w+", text))
        assert names and names <= known


def test_a_textfile_is_replaced_in_one_step_and_others_can_read_it(queuectl: CommandLine) -> None:
    folder = os.path.join(os.path.dirname(queuectl.home), "textfiles")
    os.mkdir(folder)
    path = os.path.join(folder, "queuectl.prom")
    for _ in range(2):
        assert queuectl.ok("metrics", "--textfile", path) == f"wrote {path}\n"
        with open(path) as file:
            assert "queuectl_supervisor_up 0\n" in file.read()
    assert os.listdir(folder) == ["queuectl.prom"]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644
    assert "cannot write" in queuectl.refused(2, "metrics", "--textfile", os.path.join(folder, "no", "x"))
    assert queuectl.json("metrics")["metrics"].startswith("# HELP")


def test_health_says_why_and_exits_with_it(queuectl: CommandLine) -> None:
    answer = queuectl("health")
    assert (answer.status, answer.out.count("\n"), answer.err) == (1, 1, "")
    assert "no supervisor is running" in answer.out
    queuectl.ok("worker", "start")
    assert queuectl.ok("health").startswith("supervisor running, pid ")
    assert queuectl("health", "--quiet").out == ""
    assert queuectl.json("health")["healthy"] is True
    queuectl.ok("enqueue", "--id", "long", "--", "exec sleep 60")
    queuectl.until_state("long", "processing")
    stop = queuectl.popen("worker", "stop", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: queuectl("health").status == 1, lambda: "the supervisor to stop")
    assert "is stopping" in queuectl("health").out
    queuectl("worker", "stop", "--now")
    stop.wait(timeout=20)


def test_the_web_server_serves_them_for_their_own_token(queuectl: CommandLine) -> None:
    with web(queuectl) as page:
        with open(os.path.join(queuectl.home, "metrics.token")) as file:
            token = file.read().strip()
        got = page.get("metrics", authorization=f"Bearer {token}")
        assert got.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert b"queuectl_supervisor_up 0\n" in got.body
        assert page.get("metrics").status == 200, "the token of the page can read them too"
        assert page.get("metrics", authorization=None).status == 401
        assert page.get("api/session", authorization=f"Bearer {token}").status in (401, 403)
