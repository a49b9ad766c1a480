"""`queuectl web`: its start and end, the files of the page, and what the page reads."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import zipapp

from tests.homes import ROOT, CommandLine
from tests.web_server import web


def test_the_address_is_the_first_line_alone_and_an_interrupt_ends_with_one_line(queuectl: CommandLine) -> None:
    with web(queuectl) as page:
        assert page.host.startswith("127.0.0.1:") and len(page.token) >= 32
        assert page.process.stderr is not None and page.process.stderr.readline() == b"Ctrl-C ends it\n"
        assert page.stop(signal.SIGINT) == (0, "", "stopped\n")
    assert not os.path.exists(os.path.join(queuectl.home, "web.token"))


def test_two_at_once_have_tokens_of_their_own(queuectl: CommandLine) -> None:
    with web(queuectl) as first, web(queuectl) as second:
        assert first.token != second.token and first.port != second.port
        assert first.get("api/session").status == second.get("api/session").status == 200
        first.stop()
        with open(os.path.join(queuectl.home, "web.token")) as file:
            assert file.read().strip() == second.token


def test_a_port_in_use_is_refused_in_one_line(queuectl: CommandLine) -> None:
    with web(queuectl) as page:
        assert "in use" in queuectl.refused(2, "web", "--port", str(page.port))


def test_a_home_that_vanishes_is_told(queuectl: CommandLine) -> None:
    with web(queuectl) as page:
        shutil.rmtree(queuectl.home)
        got = page.get("api/overview")
        assert (got.status, got.json()["error"]) == (503, "home_gone")
        assert page.get("").status == 200


def test_the_page_comes_from_a_zipapp_and_from_a_copied_folder(queuectl: CommandLine) -> None:
    folder = os.path.join(os.path.dirname(queuectl.home), "copy")
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(os.path.join(ROOT, "queuectl_core"), os.path.join(folder, "queuectl_core"), ignore=ignore)
    archive = os.path.join(os.path.dirname(queuectl.home), "queuectl.pyz")
    zipapp.create_archive(folder, archive, main="queuectl_core.cli.main:main")
    shutil.copy(os.path.join(ROOT, "queuectl.py"), folder)
    for program in (archive, os.path.join(folder, "queuectl.py")):
        start = [sys.executable, program, "web"]
        process = subprocess.Popen(start, env=queuectl.environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        copied = CommandLine(queuectl.home)
        copied.popen = lambda *words, running=process, **more: running  # type: ignore[method-assign]
        with web(copied) as page:
            got = page.get("", authorization=None)
            assert got.status == 200 and b"<title>queuectl</title>" in got.body


def test_a_page_file_has_its_type_and_nothing_else_is_served(queuectl: CommandLine) -> None:
    with web(queuectl) as page:
        assert page.get("").headers["Content-Type"] == "text/html; charset=utf-8"
        for path in ("page/../server.py", "page/%2e%2e%2fserver.py", "page/server.py", "page/", "../setup.cfg", "x"):
            assert page.get(path).status == 404, path


def test_jobs_come_in_pages_with_the_filters_of_the_command_line(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--array", "1-5", "--queue", "gpu", "--", "true")
    queuectl.ok("enqueue", "--id", "other", "--tag", "user=ann", "--", "echo", "it's")
    with web(queuectl) as page:
        first = page.ok("api/jobs?state=pending&queue=gpu&limit=3")
        assert first["command"].endswith(" list --state pending --queue gpu")
        second = page.ok(f"api/jobs?state=pending&queue=gpu&limit=3&cursor={first['next']}")
        ids = [job["id"] for part in (first, second) for job in part["jobs"]]
        assert ids == [job["id"] for job in queuectl.json("list", "--queue", "gpu")] and second["next"] is None
        assert [job["id"] for job in page.ok("api/jobs?tag=user%3Dann")["jobs"]] == ["other"]
        refusal = page.get("api/jobs?colour=red")
        assert (refusal.status, refusal.json()["error"]) == (400, "invalid_input")
        assert page.ok("api/jobs/other")["job"] == queuectl.job("other")
        assert page.get("api/jobs/nobody").status == 404
        assert page.get("api/jobs?cursor=x").status == 400


def test_the_reads_are_the_same_with_and_without_a_supervisor(queuectl: CommandLine) -> None:
    queuectl.ok("queue", "set", "gpu", "--limit", "1", "--create")
    queuectl.ok("schedule", "add", "nightly", "@daily", "--", "true")
    with web(queuectl) as page:
        paths = ("api/queues", "api/schedules", "api/config")
        alone = [page.ok(path) for path in paths]
        assert page.ok("api/overview")["supervisor"] is None
        queuectl.ok("worker", "start")
        assert page.ok("api/overview")["supervisor"] is not None
        assert [page.ok(path) for path in paths] == alone


def test_a_start_at_a_new_home_leaves_a_home_that_every_command_accepts(queuectl: CommandLine) -> None:
    with web(queuectl):
        assert queuectl.counts()["pending"] == 0
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    assert queuectl("doctor").status == 0
