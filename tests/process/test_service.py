"""`service`: the files for systemd and launchd, and the calls of their programs, which stand-ins answer."""

from __future__ import annotations

import os
import plistlib
import re
import shlex
import shutil
import signal
import subprocess
import sys

import pytest

from queuectl_core.cli.shell.service_files import Service, is_for, property_list, unit
from tests.homes import CommandLine, until

HARD_HOME = '/tmp/a b/100%/$HOME/"q"/\\x'


def keys_of(text: str) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


def as_systemd_reads(words: str) -> list[str]:
    """Return a command line as systemd splits it."""
    return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(words)]


def service_of(home: str) -> Service:
    return Service("queuectl", home, ["/usr/bin/python3", "-m", "queuectl_core", "--home", home], "/bin:/100%", "/tmp/log")


@pytest.mark.parametrize("home", ["/home/me/queue", HARD_HOME, "/tmp/two\nlines"])
def test_a_home_with_any_name_reaches_the_command(home: str) -> None:
    text = unit(service_of(home))
    assert text.count("\n") == unit(service_of("/x")).count("\n")
    if "\n" not in home:
        assert as_systemd_reads(keys_of(text)["ExecStart"]) == service_of(home).words
        assert keys_of(text)["Environment"] == '"PATH=/bin:/100%%"'
    read = plistlib.loads(property_list(service_of(home)))
    assert read["ProgramArguments"] == service_of(home).words
    assert read["KeepAlive"] == {"SuccessfulExit": False} and read["RunAtLoad"] is True and read["ExitTimeOut"] == 0
    assert is_for(text, home)
    if "\n" not in home:
        assert is_for(property_list(service_of(home)).decode(), home)
    assert not is_for(text, "/home") and not is_for(property_list(service_of(home)).decode(), "/home")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_unit(queuectl: CommandLine) -> None:
    folder = os.path.dirname(queuectl.home)
    queuectl.environ["QUEUECTL_HOME"] = os.path.join(folder, 'a 100% "home" $x')
    path = os.path.join(folder, "queuectl.service")
    with open(path, "w", encoding="utf-8") as file:
        file.write(queuectl.ok("service", "print", "--count", "3", "--for", "systemd"))
    environ = {**queuectl.environ, "XDG_RUNTIME_DIR": folder}
    done = subprocess.run(["systemd-analyze", "--user", "verify", path], env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, re.findall(r".*queuectl\.service.*", done.stderr)) == (0, [])


def test_the_printed_command_runs_a_supervisor(queuectl: CommandLine) -> None:
    keys = keys_of(queuectl.ok("service", "print", "--count", "2", "--for", "systemd"))
    words = as_systemd_reads(keys["ExecStart"])
    assert os.path.isabs(words[0]) and keys["Type"] == "notify" and keys["KillMode"] == "process"
    environ = {name: value for name, value in queuectl.environ.items() if name != "QUEUECTL_HOME"}
    mark = {"QUEUECTL_HOME": queuectl.home}  # by which the test finds processes that are left
    process = subprocess.Popen(words, env={**environ, **mark}, cwd="/", stderr=subprocess.DEVNULL)
    try:
        until(lambda: len(queuectl.json("status")["workers"]) == 2, lambda: "two workers")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def system(queuectl: CommandLine) -> CommandLine:
    """Return a home whose user has a `systemctl` that notes its calls, and fails if a file says so."""
    folder = os.path.dirname(queuectl.home)
    path = os.path.join(folder, "systemctl")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\necho "$*" >> {folder}/calls\ntest ! -e {folder}/broken || {{ echo "no bus" >&2; exit 1; }}\n')
    os.chmod(path, 0o755)
    queuectl.environ.update(HOME=folder, PATH=f"{folder}:{os.environ['PATH']}")
    queuectl.environ.pop("XDG_CONFIG_HOME", None)
    return queuectl


def calls(system: CommandLine) -> list[str]:
    path = os.path.join(os.path.dirname(system.home), "calls")
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    os.unlink(path)
    return lines


linux = pytest.mark.skipif(sys.platform == "darwin", reason="macOS has launchd")


@linux
def test_install_status_and_uninstall(system: CommandLine) -> None:
    path = os.path.join(os.path.dirname(system.home), ".config", "systemd", "user", "queuectl.service")
    assert system("service", "status").status == 1
    answer = system("service", "install", "--count", "2")
    assert (answer.status, answer.out) == (0, f"installed and started {path}\n")
    assert "loginctl enable-linger" in answer.err
    assert calls(system) == ["--user daemon-reload", "--user enable --now queuectl.service"]
    with open(path, encoding="utf-8") as file:
        assert file.read() == system.ok("service", "print", "--count", "2")
    assert system.ok("service", "status") == f"queuectl runs; {path}\n"
    assert system.json("service", "status") == {"name": "queuectl", "path": path, "installed": True, "active": True}
    assert system.ok("service", "uninstall") == f"removed {path}\n"
    assert calls(system)[-2:] == ["--user disable --now queuectl.service", "--user daemon-reload"]
    assert not os.path.exists(path)
    system.refused(1, "service", "uninstall")


@linux
def test_a_service_of_another_home_is_left_alone(system: CommandLine) -> None:
    system.ok("service", "install", "--quiet")
    calls(system)
    other = os.path.join(os.path.dirname(system.home), "other")
    for action in ("install", "uninstall", "status"):
        assert "--name" in system.refused(1, "--home", other, "service", action)
    system.ok("--home", other, "service", "install", "--name", "queuectl-other", "--quiet")
    assert calls(system) == ["--user daemon-reload", "--user enable --now queuectl-other.service"]


@linux
def test_a_manager_that_refuses_is_told(system: CommandLine) -> None:
    with open(os.path.join(os.path.dirname(system.home), "broken"), "w"):
        pass
    answer = system("service", "install")
    assert (answer.status, answer.out) == (1, "") and answer.err.endswith("could not start it: no bus\n")
    assert "no bus" in system.refused(1, "service", "uninstall")
    answer = system("service", "status")
    assert answer.status == 1 and "does not run (no bus)" in answer.out


@linux
def test_a_running_supervisor_is_no_second_service(system: CommandLine) -> None:
    system.ok("worker", "start")
    assert "worker stop" in system.refused(1, "service", "install")


@pytest.mark.parametrize(
    "words",
    [["print", "--name", "../x"], ["print", "--name", "cron"], ["print", "--for", "upstart"], ["print", "--count", "0"], ["print", "--count", "x"]],
)
def test_options_that_do_not_fit_are_refused(queuectl: CommandLine, words: list[str]) -> None:
    queuectl.refused(2, "service", *words)
    assert not os.path.exists(queuectl.home)
