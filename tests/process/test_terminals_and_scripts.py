"""Habits of terminals and scripts: closed pipes, colors, wide characters, options on either side,
help.
"""

from __future__ import annotations

import os
import pty
import subprocess

import pytest

from queuectl_core.cli.main import COMMANDS
from tests.homes import SCRIPT, CommandLine


def on_terminal(queuectl: CommandLine, *words: str, **environ: str) -> str:
    """Return what a terminal of 80 columns shows."""
    master, slave = pty.openpty()
    env = {**queuectl.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24", **environ}
    if "NO_COLOR" not in environ:
        env.pop("NO_COLOR", None)
    process = subprocess.Popen([queuectl.python, SCRIPT, *words], env=env, stdout=slave, stderr=subprocess.STDOUT)
    os.close(slave)
    seen = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # Linux reports EIO after the other side closes
            break
        if not piece:
            break
        seen += piece
    os.close(master)
    assert process.wait(timeout=20) == 0
    return seen.decode()


def test_a_call_without_a_command_shows_the_status(queuectl: CommandLine) -> None:
    assert queuectl.ok() == queuectl.ok("status")
    assert "no supervisor is running" in queuectl.ok()


def test_commands_that_only_read_create_no_home(queuectl: CommandLine) -> None:
    for words in (["status"], ["list"], ["dlq", "list"], ["config", "list"]):
        queuectl.ok(*words)
    queuectl.refused(1, "show", "x")
    assert not os.path.exists(queuectl.home)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_that_fits_a_screen_and_shows_an_example(queuectl: CommandLine, command: str) -> None:
    output = queuectl.ok(command, "--help")
    assert "examples:\n  queuectl" in output
    assert len(output.splitlines()) <= 40


def test_options_work_on_either_side_of_the_command(queuectl: CommandLine) -> None:
    home = queuectl.environ.pop("QUEUECTL_HOME")
    queuectl.ok("--home", home, "enqueue", "--id", "a", "--command", "true")
    queuectl.ok("enqueue", "--id", "b", "--command", "true", "--home", home)
    queuectl.ok("--home=" + home, "config", "set", "max-retries", "1")
    assert queuectl.ok("--json", "--home", home, "list") == queuectl.ok("list", "--json", "--home", home)
    assert queuectl.ok("--json", "config", "get", "max-retries", "--home", home) == "1\n"
    queuectl.environ["QUEUECTL_HOME"] = home


def test_the_home_is_where_the_help_says(queuectl: CommandLine) -> None:
    folder = os.path.dirname(queuectl.home)
    for name, value, path in (
        ("XDG_STATE_HOME", folder, f"{folder}/queuectl"),
        ("HOME", folder, f"{folder}/.local/state/queuectl"),
    ):
        env = {**queuectl.environ, name: value}
        env.pop("QUEUECTL_HOME")
        if name == "HOME":
            env.pop("XDG_STATE_HOME", None)
        subprocess.run(
            [queuectl.python, SCRIPT, "enqueue", "--command", "true"], env=env, check=True, capture_output=True
        )
        assert os.path.isdir(os.path.join(path, "journal"))


def test_a_closed_pipe_is_no_error(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--file", "-", stdin=b'{"command": "true # %s"}\n' % (b"x" * 200) * 2000)
    process = queuectl.popen("list", "--limit", "0", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=20) == 141
    process.stderr.close()


def test_a_full_disk_behind_stdout_is_reported(queuectl: CommandLine) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with open("/dev/full", "wb") as full:
        process = queuectl.popen("status", stdout=full, stderr=subprocess.PIPE)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (1, b"queuectl: cannot write the output: No space left on device\n")


def test_colors_only_on_a_terminal_and_not_with_no_color(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    assert "\x1b[" not in queuectl.ok("list")
    assert "\x1b[36mpending" in on_terminal(queuectl, "list")
    assert "\x1b[" not in on_terminal(queuectl, "list", NO_COLOR="1")
    assert "\x1b[" not in on_terminal(queuectl, "list", TERM="dumb")


def test_many_jobs_show_their_first_command_on_a_terminal(queuectl: CommandLine) -> None:
    shown = on_terminal(queuectl, "enqueue", "--batch", "slow", "--", "sleep", "{}", ":::", "\x1b1", "2")
    assert "added 2 jobs to batch slow; first: sleep '\\x1b1'" in shown
    piped = queuectl("enqueue", "--batch", "slow", "--", "sleep", "{}", ":::", "1", "2")
    assert piped.err == "added 2 jobs to batch slow\n"


def test_a_table_fits_the_terminal_and_is_complete_in_a_pipe(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "echo " + "long " * 40)
    assert "long " * 39 in queuectl.ok("list")
    queuectl.ok("enqueue", "--id", "b", "--command", "no_such_command_at_all " + "long " * 40)
    queuectl.ok("worker", "start")
    queuectl.until_done(completed=1, failed=1)
    for columns in (80, 100, 132):
        lines = on_terminal(queuectl, "list", NO_COLOR="1", COLUMNS=str(columns)).splitlines()
        assert all(len(line) <= columns for line in lines) and lines[1].endswith("…")


def test_wide_characters_keep_the_columns_aligned(queuectl: CommandLine) -> None:
    from queuectl_core.cli.screen import cut, width

    assert [width(text) for text in ("abc", "日本", "e\u0301", "")] == [3, 4, 1, 0]
    assert cut("日本語", 5) == "日本…"
    queuectl.ok("enqueue", "--id", "wide", "--command", "echo 日本語")
    assert "echo 日本語" in queuectl.ok("list")
    assert "echo 日本語" in queuectl.ok("show", "wide")


def test_control_characters_of_a_command_are_escaped_in_tables(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "evil", "--command", "echo '\x1b]0;title\x07\x1b[2J'\n\techo two")
    for words in (["list"], ["show", "evil"]):
        output = queuectl.ok(*words)
        assert "\x1b" not in output and "\x07" not in output and "\\x1b]0;title\\x07" in output and "\\n\\techo two" in output


def test_works_in_a_locale_without_unicode(queuectl: CommandLine) -> None:
    queuectl.environ.update(LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii")
    queuectl.ok("enqueue", "--file", "-", stdin='{"id": "a", "command": "echo é 日"}'.encode())
    assert "echo \\xe9" in queuectl.ok("list")


def test_the_drop_in_script_runs_from_a_copied_folder_through_a_link(queuectl: CommandLine) -> None:
    import shutil

    folder = os.path.dirname(queuectl.home)
    root = os.path.dirname(SCRIPT)
    shutil.copy(SCRIPT, folder)
    shutil.copytree(os.path.join(root, "queuectl_core"), os.path.join(folder, "queuectl_core"))
    os.symlink(os.path.join(folder, "queuectl.py"), os.path.join(folder, "qc"))
    output = subprocess.run(
        [queuectl.python, os.path.join(folder, "qc"), "--version"], cwd="/", capture_output=True, text=True, check=True
    )
    assert output.stdout.startswith("queuectl ")


def test_an_interrupted_call_exits_with_130(queuectl: CommandLine) -> None:
    import signal

    from tests.homes import until

    queuectl.ok("enqueue", "--id", "slow", "--command", "sleep 60")
    queuectl.ok("worker", "start")
    until(lambda: queuectl.worker_running("slow"), lambda: "slow to run")
    stop = queuectl.popen("worker", "stop", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: queuectl.json("status")["supervisor"]["state"] == "stopping", lambda: "stopping")
    stop.send_signal(signal.SIGINT)
    _, err = stop.communicate(timeout=20)
    assert stop.returncode == 130 and err.endswith(b"interrupted; the stop continues, and ends after the running jobs (--now ends them)\n")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_works_with_closed_standard_streams(queuectl: CommandLine, closed: str) -> None:
    for words in ("enqueue --id a --command true", "worker start", "status"):
        line = f'"{queuectl.python}" "{SCRIPT}" {words} {closed}'
        assert (
            subprocess.run(["sh", "-c", line], env=queuectl.environ, stdout=subprocess.DEVNULL, check=False).returncode
            == 0
        )
    queuectl.until_state("a", "completed")


def test_help_shows_no_internals(queuectl: CommandLine) -> None:
    for command in COMMANDS:
        assert "SUPPRESS" not in queuectl.ok(command, "--help")
