"""Pythons and systems: queuectl runs on the supported ones, and prints one clear line on others."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys

import pytest

from tests.homes import ROOT, SCRIPT, CommandLine

OLD_PYTHONS = sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin/python")))


def run_with(command: list[str], queuectl: CommandLine, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {**queuectl.environ, **environ}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 1, result
    assert result.stderr.count("\n") == 1 and result.stderr.startswith("queuectl: ") and not result.stdout, result
    return result.stderr


def pretending(queuectl: CommandLine, code: str) -> str:
    """Make a folder for PYTHONPATH whose sitecustomize makes this Python look like another."""
    folder = os.path.join(os.path.dirname(queuectl.home), "site")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "sitecustomize.py"), "w") as file:
        file.write(code)
    return folder


def lacking(*names: str) -> str:
    return f"""import sys
class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Lacking())
for name in {names!r}:
    sys.modules.pop(name, None)
"""


@pytest.mark.parametrize("option", ["-I", "-E", "-s", "-S", "-B", "-O"])
def test_every_option_of_python_works(queuectl: CommandLine, option: str) -> None:
    for words in (["--home", queuectl.home, "enqueue", "--id", f"a{option}", "--", "true"], ["--home", queuectl.home, "list"]):
        result = run_with([sys.executable, option, SCRIPT, *words], queuectl)
        assert (result.returncode, result.stderr) == (0, ""), result


@pytest.mark.parametrize("python", OLD_PYTHONS)
def test_too_old_python_is_reported_in_one_line(queuectl: CommandLine, python: str) -> None:
    version = run_with([python, "-c", "import sys; print(sys.version_info >= (3, 9))"], queuectl).stdout
    if version == "True\n":
        pytest.skip("this Python is not too old")
    for words in ([SCRIPT], [os.path.join(ROOT, "queuectl_core", "__main__.py")]):
        assert "Python 3.9 or later is required, but" in one_line(run_with([python, *words, "status"], queuectl))


@pytest.mark.parametrize("module", ["fcntl", "resource", "_socket", "multiprocessing", "selectors", "_sqlite3", "argparse"])
def test_missing_module_of_python_is_named_in_one_line(queuectl: CommandLine, module: str) -> None:
    """Remove a module, as Debian's python3-minimal does."""
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    site = pretending(queuectl, lacking(module))
    for words in (["enqueue", "--", "true"], ["list", "--limit=1"], ["worker", "start"], ["doctor"]):
        result = run_with([sys.executable, SCRIPT, *words], queuectl, PYTHONPATH=site)
        assert "Traceback" not in result.stderr, result
        assert result.returncode == 0 or result.stderr.count("\n") == 1, result
        if result.returncode == 0 or words == ["doctor"]:
            continue
        assert f"lacks the module {module}; use a complete CPython" in result.stderr or module == "_sqlite3", result


def test_other_python_than_cpython_is_reported_in_one_line(queuectl: CommandLine) -> None:
    site = pretending(queuectl, "import sys\nsys.implementation.name = 'pypy'\n")
    assert "CPython is required, but" in one_line(run_with([sys.executable, SCRIPT, "status"], queuectl, PYTHONPATH=site))
    code = f"import sys; sys.path.insert(0, {ROOT!r}); from queuectl_core import Queue"
    result = run_with([sys.executable, "-c", code], queuectl, PYTHONPATH=site)
    assert result.stderr.splitlines()[-1].startswith("queuectl_core.errors.UnfitPython: CPython is required")


def test_windows_is_reported_in_one_line(queuectl: CommandLine) -> None:
    posix = lacking("fcntl", "resource", "pwd", "grp", "termios")
    site = pretending(queuectl, posix + "sys.platform = 'win32'\n")
    for words in (["status"], ["worker", "start"], ["enqueue", "--", "true"], []):
        result = run_with([sys.executable, SCRIPT, *words], queuectl, PYTHONPATH=site)
        assert "Windows is not supported" in one_line(result)
    assert run_with([sys.executable, SCRIPT, "--version"], queuectl, PYTHONPATH=site).returncode == 0


def test_incomplete_package_is_reported_in_one_line(queuectl: CommandLine) -> None:
    folder = os.path.join(os.path.dirname(queuectl.home), "copy")
    os.mkdir(folder)
    shutil.copy(SCRIPT, folder)
    script = os.path.join(folder, "queuectl.py")
    assert "the folder queuectl_core must be beside" in one_line(run_with([sys.executable, script, "status"], queuectl))
    shutil.copytree(os.path.join(ROOT, "queuectl_core"), os.path.join(folder, "queuectl_core"))
    os.unlink(os.path.join(folder, "queuectl_core", "wire", "client.py"))
    result = one_line(run_with([sys.executable, script, "status"], queuectl))
    assert "the installation is incomplete: queuectl_core.wire.client is missing" in result


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_commands_are_utf8_in_every_locale(queuectl: CommandLine, locale: str) -> None:
    plain = {"LC_ALL": locale, "LANG": locale}
    python = [sys.executable, "-X", "utf8=0", SCRIPT]
    home = f"{queuectl.home}-ä"
    for id, command in (("a", "echo é ☃ 'ß'"), ("b", "printf '\\303\\244'")):
        result = run_with([*python, "--home", home, "enqueue", "--id", id, "--name", "Größe", "--", command], queuectl, **plain)
        assert (result.returncode, result.stderr) == (0, ""), result
        assert queuectl.json("show", id, "--home", home)["command"] == command
    assert queuectl.json("show", "a", "--home", home)["name"] == "Größe"
    result = run_with([*python, "--home", home, "list", "--name", "Größe", "--json"], queuectl, **plain)
    assert result.returncode == 0 and '"id": "a"' in result.stdout
    with open(f"{home}/ä.jsonl", "w", encoding="utf-8") as file:
        file.write('{"id": "c", "command": "echo ä"}')
    result = run_with([*python, "--home", home, "enqueue", "--file", f"{home}/ä.jsonl"], queuectl, **plain)
    assert (result.returncode, result.stdout) == (0, "c\n"), result
    result = run_with([*python, "backup", f"{home}/ä"], queuectl, **plain)
    assert "cannot be a path in this locale (ascii)" in one_line(result)
