"""The files that docs/recipes.md shows: the unit of systemd, the container, and the completion of bash.

The console blocks of the page run with those of the other pages.
"""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys

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
    run_as_service(queuectl, json.loads(command[0]), ["unshare", "--pid", "--fork", "--mount-proc"])


def test_the_container_copies_existing_files() -> None:
    for source in re.findall(r"^COPY (\S+)", FILES["Dockerfile"], re.MULTILINE):
        assert os.path.exists(os.path.join(readme.ROOT, source))


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("sta", {"status"}),
        ("worker st", {"start", "stop"}),
        ("dlq retry jo", {"job-1", "job-2"}),
        ("show job-2", {"job-2"}),
        ("enqueue --max-r", {"--max-retries"}),
        ("worker start --cou", {"--count"}),
        ("dlq retry job-1 --with-d", {"--with-dependants"}),
        ("xyzzy a", set()),
    ],
)
def test_bash_completes_commands_actions_options_and_ids(queuectl: CommandLine, typed: str, offered: set[str]) -> None:
    for id in ("job-1", "job-2"):
        queuectl.ok("enqueue", "--id", id, "--", "true")
    folder = os.path.join(os.path.dirname(queuectl.home), "work")
    readme.prepare(readme.read("docs/recipes.md"), folder)
    words = typed.split(" ")
    script = f"""
        source ./queuectl.bash
        COMP_WORDS=(queuectl {typed}) COMP_CWORD={len(words)}
        _queuectl queuectl {shlex.quote(words[-1])} {words[-2] if len(words) > 1 else "queuectl"}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    seen = readme.run(f"bash -c {shlex.quote(script)}", queuectl.home, folder)
    assert set(seen.split()) == offered
