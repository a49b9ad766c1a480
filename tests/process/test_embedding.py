"""A supervisor inside a program: its imports, signals, lifetime, and messages."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
import zipfile

import pytest

from queuectl_core import Queue
from queuectl_core.errors import InvalidInput, SupervisorFailed
from tests.homes import ROOT, SCRIPT, CommandLine, is_alive, until

SHADOWS = ("__future__", "queue", "selectors", "json", "socket", "multiprocessing", "resource", "struct", "sqlite3", "tempfile", "ctypes")
"""Standard modules; a file with such a name in a user's folder belongs to the user."""


def a_folder_of_shadows(queuectl: CommandLine) -> str:
    """Make files that each print their name to `imported` when something imports them."""
    folder = os.path.join(os.path.dirname(queuectl.home), "project")
    os.mkdir(folder)
    for name in SHADOWS:
        with open(os.path.join(folder, f"{name}.py"), "w") as file:
            file.write(f"import os\nos.close(os.open({folder!r} + '/imported', os.O_CREAT | os.O_WRONLY))\n")
            file.write("raise SystemExit('imported from the folder of a user')\n")
    return folder


def program(queuectl: CommandLine, code: str, *options: str) -> list[str]:
    """Return the command line of a program that embeds a queue."""
    head = f"import os, sys, time; sys.path.insert(0, {ROOT!r}); from queuectl_core import Queue; q = Queue({queuectl.home!r})"
    return [sys.executable, *options, "-c", f"{head}\n{code}"]


def until_supervisor_ended(queuectl: CommandLine) -> None:
    until(lambda: queuectl.json("status")["supervisor"] is None, lambda: "the supervisor to stop")


@pytest.mark.parametrize("options", [[], ["-I"], ["-E", "-s"], ["-X", "dev"], ["-O"]], ids=" ".join)
def test_a_supervisor_imports_nothing_from_the_folder_of_the_program(queuectl: CommandLine, options: list[str]) -> None:
    folder = a_folder_of_shadows(queuectl)
    code = (
        "sys.path = [p for p in sys.path if p]; q.enqueue('true', id='a')\n"  # the program itself must import the standard modules
        "import queue, selectors, json, socket, multiprocessing, resource, struct, sqlite3, tempfile, subprocess\n"
        "with q.supervisor() as pid: q.wait(['a'], 20); print(open(f'/proc/{pid}/cmdline').read().split('\\0')[1:-1])"
    )
    head = "import sys; sys.path = [p for p in sys.path if p]\n"
    words = program(queuectl, code, *options)
    words[-1] = head + words[-1]
    result = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=40, check=False)
    assert result.returncode == 0, result
    assert not os.path.exists(os.path.join(folder, "imported"))
    for option in options:
        assert repr(option) in result.stdout or f"-X{option}" in options or "dev" in result.stdout


@pytest.mark.parametrize("words", [[SCRIPT], ["-m", "queuectl_core"], ["-m", "queuectl"], [os.path.join(ROOT, "queuectl_core", "__main__.py")]])
def test_a_supervisor_in_the_foreground_imports_nothing_from_the_working_folder(
    queuectl: CommandLine, words: list[str]
) -> None:
    folder = a_folder_of_shadows(queuectl)
    env = {**queuectl.environ, "PYTHONPATH": ROOT}
    command = [sys.executable, *words, "worker", "start", "--foreground", "--until-eof"]
    process = subprocess.Popen(command, env=env, cwd=folder, stdin=subprocess.PIPE)
    try:
        until(lambda: queuectl.json("status")["supervisor"], lambda: "a supervisor")
        queuectl.ok("enqueue", "--id", "a", "--command", "true")
        queuectl.until_state("a", "completed")
    finally:
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert not os.path.exists(os.path.join(folder, "imported"))


def test_a_copied_queuectl_imports_no_module_beside_it(queuectl: CommandLine) -> None:
    folder = a_folder_of_shadows(queuectl)
    os.symlink(os.path.join(ROOT, "queuectl_core"), os.path.join(folder, "queuectl_core"))
    with open(SCRIPT, "rb") as file, open(os.path.join(folder, "queuectl.py"), "wb") as copy:
        copy.write(file.read())
    for words in (["worker", "start"], ["enqueue", "--id", "a", "--", "true"], ["status", "--json"], ["worker", "stop"]):
        result = subprocess.run(
            [sys.executable, "queuectl.py", *words], cwd=folder, env=queuectl.environ, capture_output=True, timeout=30
        )
        assert result.returncode == 0, result
    assert not os.path.exists(os.path.join(folder, "imported"))


@pytest.mark.parametrize("words", [["{}/queuectl.py"], ["-m", "queuectl"], ["-m", "queuectl_core"], ["{}/queuectl_core/__main__.py"]], ids=" ".join)
def test_spawned_workers_import_nothing_from_the_folder_of_the_user(
    queuectl: CommandLine, words: list[str]
) -> None:
    """Spawn workers as on macOS, with the package in the folder of the user."""
    folder = a_folder_of_shadows(queuectl)
    shutil.copy(SCRIPT, folder)
    package = os.path.join(folder, "queuectl_core")
    shutil.copytree(os.path.join(ROOT, "queuectl_core"), package)
    with open(os.path.join(package, "supervisor", "worker_handle.py")) as file:
        text = file.read()
    assert '_START_METHOD = "fork" if' in text
    with open(os.path.join(package, "supervisor", "worker_handle.py"), "w") as file:
        file.write(text.replace('_START_METHOD = "fork" if', '_START_METHOD = "spawn" if'))
    command = [sys.executable, *(word.format(folder) for word in words), "worker", "start", "--foreground", "--until-eof"]
    process = subprocess.Popen(
        command, env=queuectl.environ, cwd=folder, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        until(lambda: queuectl.json("status")["supervisor"], lambda: "a supervisor")
        queuectl.ok("enqueue", "--id", "a", "--command", "true")
        assert queuectl.until_state("a", "completed")["attempts"] == 1
    finally:
        _, err = process.communicate(timeout=20)
    assert process.returncode == 0 and "Error" not in err, err
    assert not os.path.exists(os.path.join(folder, "imported"))


def test_an_installed_command_imports_nothing_from_its_folder(queuectl: CommandLine) -> None:
    folder = a_folder_of_shadows(queuectl)
    os.unlink(os.path.join(folder, "__future__.py"))  # which the script that pip writes could import
    command = os.path.join(folder, "queuectl")
    with open(command, "w") as file:
        file.write("import sys\nfrom queuectl_core.cli.main import main\nsys.exit(main())\n")
    env = {**queuectl.environ, "PYTHONPATH": ROOT}
    for words in (["worker", "start"], ["enqueue", "--id", "a", "--", "true"], ["wait", "a"], ["worker", "stop"]):
        result = subprocess.run([sys.executable, command, *words], env=env, cwd="/", capture_output=True, timeout=30)
        assert result.returncode == 0, result
    assert not os.path.exists(os.path.join(folder, "imported"))


def test_ctrl_c_in_the_program_does_not_stop_the_supervisor(queuectl: CommandLine) -> None:
    """A terminal sends SIGINT to the whole foreground group."""
    code = (
        "with q.supervisor():\n"
        "    try:\n        print('ready', flush=True); time.sleep(30)\n"
        "    except KeyboardInterrupt:\n        print(q.status()['supervisor']['state'], flush=True)\n"
        "        q.enqueue('true', id='after'); print(q.wait(['after'], 20))"
    )
    process = subprocess.Popen(program(queuectl, code), stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert out == "running\n{'completed': 1}\n"


def test_a_forked_child_does_not_keep_the_supervisor_alive(queuectl: CommandLine) -> None:
    code = (
        "with q.supervisor():\n"
        "    if os.fork() == 0: time.sleep(60); os._exit(0)\n"
        "    print('ready', flush=True)\n    os.kill(os.getpid(), 9)"
    )
    process = subprocess.Popen(program(queuectl, code), stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.wait(timeout=20)
        until_supervisor_ended(queuectl)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()


def test_leaving_the_block_in_a_forked_child_stops_nothing(queuectl: CommandLine) -> None:
    code = (
        "import traceback\n"
        "with q.supervisor():\n"
        "    child = os.fork()\n"
        "    if child: print(os.waitpid(child, 0)[1], q.status()['supervisor']['state'], flush=True)\n"
        "if not child: os._exit(0)"
    )
    result = subprocess.run(program(queuectl, code), capture_output=True, text=True, timeout=40, check=False)
    assert (result.stdout, result.stderr) == ("0 running\n", "")


def test_an_embedded_supervisor_writes_to_its_log(queuectl: CommandLine) -> None:
    with Queue(queuectl.home) as queue, queue.supervisor() as pid:
        pass
    with open(os.path.join(queuectl.home, "supervisor.log")) as file:
        result = file.read()
    assert f"ready: pid {pid}" in result and "stopped" in result


def test_warns_when_the_supervisor_fails(queuectl: CommandLine) -> None:
    with pytest.warns(RuntimeWarning, match="was killed by signal 9; see .*supervisor.log"):
        with Queue(queuectl.home) as queue, queue.supervisor() as pid:
            os.kill(pid, signal.SIGKILL)
            until(lambda: not is_alive(pid), lambda: "its death")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Queue(queuectl.home) as queue, queue.supervisor():
            pass


def test_warns_of_messages_about_the_home(queuectl: CommandLine) -> None:
    with Queue(queuectl.home) as queue:
        queue.enqueue("true")
        journal = os.path.join(queuectl.home, "journal")
        with open(os.path.join(journal, sorted(os.listdir(journal))[-1]), "ab") as file:
            file.write(b"torn")
        with pytest.warns(RuntimeWarning, match="4 bytes"):
            queue.enqueue("true")


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2", None, True, 10**9])
def test_a_wrong_number_of_workers_is_refused_before_the_start(queuectl: CommandLine, workers: object) -> None:
    with Queue(queuectl.home) as queue, pytest.raises(InvalidInput, match="workers must be a whole number from 1 to"):
        queue.supervisor(workers=workers)  # type: ignore[arg-type]
    assert not os.path.exists(queuectl.home)


def test_a_frozen_program_must_name_a_python(
    queuectl: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Queue(queuectl.home) as queue:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "frozen", True, raising=False)
            with pytest.raises(InvalidInput, match=r"is not a Python; name one with supervisor\(python="):
                queue.supervisor()
            with queue.supervisor(python=sys.executable):
                assert queue.status()["supervisor"]["state"] == "running"
        for name in ("/opt/app/app", "", None):
            with monkeypatch.context() as patch:
                patch.setattr(sys, "executable", name)
                with pytest.raises(InvalidInput, match="is not a Python"):
                    queue.supervisor()


def test_a_python_that_cannot_start_is_one_error(queuectl: CommandLine) -> None:
    before = len(os.listdir("/dev/fd"))
    with Queue(queuectl.home) as queue:
        with pytest.raises(InvalidInput, match="cannot start /no/such/python: No such file"):
            queue.supervisor(python="/no/such/python").__enter__()
        with pytest.raises(SupervisorFailed, match="ended without a message; see .*supervisor.log"):
            queue.supervisor(python="/bin/false").__enter__()
    assert len(os.listdir("/dev/fd")) == before


@pytest.mark.parametrize("free", range(1, 7))
def test_a_start_without_enough_descriptors_leaks_none(queuectl: CommandLine, free: int) -> None:
    code = (
        "import resource\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)); spare = [os.dup(0) for _ in range(40 - 3 - {free})]\n"
        "start = q.supervisor()\n"
        "def is_open(n):\n    try: return os.fstat(n)\n    except OSError: return None\n"
        "before = [n for n in range(40) if is_open(n)]\n"
        "try:\n    start.__enter__(); print('started', flush=True); start.__exit__(None, None, None)\n"
        "except Exception as error: print(error, flush=True)\n"
        "assert [n for n in range(40) if is_open(n)] == before"
    )
    result = subprocess.run(program(queuectl, code), capture_output=True, text=True, timeout=40, check=False)
    assert result.returncode == 0, result
    assert "Too many open files" in result.stdout, result


def test_a_supervisor_starts_from_a_zipped_program(queuectl: CommandLine) -> None:
    archive = os.path.join(os.path.dirname(queuectl.home), "app.zip")
    with zipfile.ZipFile(archive, "w") as file:
        for folder, _, names in os.walk(os.path.join(ROOT, "queuectl_core")):
            for name in (name for name in names if name.endswith(".py")):
                path = os.path.join(folder, name)
                file.write(path, os.path.relpath(path, ROOT))
        code = "import sys; from queuectl_core import Queue\nwith Queue(sys.argv[1]) as q, q.supervisor():\n"
        file.writestr("__main__.py", code + "    print(q.wait([q.enqueue('true')], 20))\n")
    result = subprocess.run([sys.executable, archive, queuectl.home], capture_output=True, text=True, timeout=40, check=False)
    assert (result.stdout, result.stderr) == ("{'completed': 1}\n", "")


def test_a_supervisor_leaves_the_folder_of_the_program(queuectl: CommandLine) -> None:
    with Queue(queuectl.home) as queue, queue.supervisor() as pid:
        assert os.readlink(f"/proc/{pid}/cwd") == "/"


def test_ctrl_c_during_a_start_leaves_no_supervisor(queuectl: CommandLine) -> None:
    code = (
        "import signal; from queuectl_core.supervisor import daemon\n"
        "heard = daemon.parse_answer\n"
        "def interrupted(*words): heard(*words); raise KeyboardInterrupt\n"
        "daemon.parse_answer = interrupted\n"
        "with q.supervisor(): pass"
    )
    started_s = time.monotonic()
    result = subprocess.run(program(queuectl, code), capture_output=True, text=True, timeout=40, check=False)
    assert "KeyboardInterrupt" in result.stderr and time.monotonic() - started_s < 30
    until_supervisor_ended(queuectl)
