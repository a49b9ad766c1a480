"""The files that docs/recipes.md shows: the unit of systemd, the container, and the hook for a webhook.

The console blocks of the page run with those of the other pages.
"""

from __future__ import annotations

import configparser
import http.server
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading

import pytest

from tests import readme
from tests.homes import SCRIPT, CommandLine, until

FILES = readme.files(readme.read("docs/recipes.md"))


def run_as_service(queuectl: CommandLine, words: list[str], prefix: list[str]) -> None:
    """Run a supervisor, let it run a job while TERM asks it to stop, and assert that both end well."""
    assert words[0].endswith("queuectl")
    process = subprocess.Popen([*prefix, sys.executable, SCRIPT, *words[1:]], env=queuectl.environ)
    try:
        until(lambda: len(queuectl.json("status")["workers"]) == 4, lambda: "four workers")
        flag = os.path.join(os.path.dirname(queuectl.home), "flag")
        queuectl.ok("enqueue", "--id", "a", "--", f"until [ -e {flag} ]; do sleep 0.05; done")
        queuectl.until_state("a", "processing")
        os.kill(queuectl.supervisor_pid() if not prefix else child_of(process.pid), signal.SIGTERM)
        with open(flag, "w"):
            pass
        assert process.wait(timeout=20) == 0
        assert queuectl.job("a")["state"] == "completed" and queuectl.job("a")["attempts"] == 1
    finally:
        process.kill()
        process.wait()


def child_of(pid: int) -> int:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return int(file.read())


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(FILES["queuectl.service"])
    return parser


def test_each_recipe_has_a_situation_something_to_type_and_a_trap() -> None:
    recipes = readme.read("docs/recipes.md").split("\n## ")[1:]
    assert len(recipes) == 17
    for recipe in recipes:
        lines = recipe.strip().split("\n")
        assert "```" in recipe and lines[-1].startswith("**Trap**: "), lines[0]


def test_the_service_of_systemd_stops_after_its_jobs(queuectl: CommandLine) -> None:
    assert unit()["Service"]["KillMode"] == "process"
    run_as_service(queuectl, shlex.split(unit()["Service"]["ExecStart"]), [])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_systemd_knows_all_keys_of_the_unit(queuectl: CommandLine) -> None:
    folder = os.path.dirname(queuectl.home)
    path = os.path.join(folder, "queuectl.service")
    with open(path, "w") as file:
        file.write(FILES["queuectl.service"].replace("%h/.local/bin/queuectl", "/bin/true"))
    environ = {**os.environ, "XDG_RUNTIME_DIR": folder}
    done = subprocess.run(["systemd-analyze", "--user", "verify", path], env=environ, capture_output=True, text=True)
    assert not re.findall(r".*queuectl\.service:.*", done.stderr)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root and unshare")  # fmt: skip
def test_the_command_of_the_container_is_its_first_process_and_stops_after_its_jobs(queuectl: CommandLine) -> None:
    command = re.findall(r"^CMD (.*)$", FILES["Dockerfile"], re.MULTILINE)
    [check] = re.findall(r"^HEALTHCHECK .*CMD (.*)$", FILES["Dockerfile"], re.MULTILINE)
    assert queuectl(*json.loads(check)[1:]).status == 1
    run_as_service(queuectl, json.loads(command[0]), ["unshare", "--pid", "--fork", "--mount-proc"])


def test_the_container_copies_existing_files() -> None:
    for source in re.findall(r"^COPY (\S+)", FILES["Dockerfile"], re.MULTILINE):
        assert os.path.exists(os.path.join(readme.ROOT, source))


def test_the_example_is_the_file_of_the_recipe() -> None:
    assert readme.read("examples/Dockerfile") == FILES["Dockerfile"]


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs sh")
def test_the_shell_accepts_the_commands_that_build_the_container() -> None:
    for words in re.findall(r"^RUN ((?:.*\\\n)*.*)$", FILES["Dockerfile"], re.MULTILINE):
        assert subprocess.run(["sh", "-n", "-c", words], check=False).returncode == 0
        programs = re.findall(r"(?:^|&& )(\S+)", words)
        assert programs == ["python3", "ln", "useradd", "install"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root and unshare")  # fmt: skip
def test_a_restart_keeps_the_first_process_of_a_container(queuectl: CommandLine) -> None:
    words = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, SCRIPT, "worker", "start", "--foreground", "-q"]
    process = subprocess.Popen(words, env=queuectl.environ)
    try:
        until(lambda: queuectl("health").status == 0, lambda: "the supervisor")
        flag = os.path.join(os.path.dirname(queuectl.home), "flag")
        queuectl.ok("enqueue", "--id", "a", "--", f"until [ -e {flag} ]; do sleep 0.05; done")
        queuectl.until_state("a", "processing")
        assert queuectl.ok("worker", "restart", "--count", "2") == "restarted the service with 2 workers, pid 1\n"
        assert process.poll() is None and queuectl.json("status")["supervisor"]["pid"] == 1
        with open(flag, "w"):
            pass
        assert queuectl.until_state("a", "completed")["attempts"] == 1
        os.kill(child_of(process.pid), signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()


class Webhook(http.server.BaseHTTPRequestHandler):
    """A chat server that keeps what it gets, and is not there at first."""

    got: list[object] = []
    refusals = 1

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if Webhook.refusals:
            Webhook.refusals -= 1
            self.send_error(503)
            return
        Webhook.got.append((self.path, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_webhook_hears_of_a_job_that_dies_even_if_it_is_down_at_first(queuectl: CommandLine) -> None:
    folder = os.path.join(os.path.dirname(queuectl.home), "work")
    readme.prepare(readme.read("docs/recipes.md"), folder)
    os.mkdir(os.path.join(folder, ".config"))
    queuectl.environ["HOME"] = folder
    commands = re.search(r"^```sh\nchmod \+x tell.py\n(.*?)^```", readme.read("docs/recipes.md"), re.MULTILINE | re.DOTALL)
    assert commands is not None
    with http.server.HTTPServer(("127.0.0.1", 0), Webhook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        script = commands[1].replace("https://chat.example.com", f"http://127.0.0.1:{server.server_port}")
        environ = {**queuectl.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}"}
        queuectl.ok("config", "set", "backoff-base", "0")
        queuectl.ok("worker", "start")
        done = subprocess.run(["sh", "-ec", script], env=environ, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done
        until(lambda: Webhook.got, lambda: queuectl.ok("list"))
        server.shutdown()
    assert Webhook.got == [("/hooks/secret", {"text": "backup is dead: exit code 3"})]
