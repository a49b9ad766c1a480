"""Bad input: one line on stderr, the right exit status, and no change."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from queuectl_core.errors import Busy
from tests.homes import ROOT, SCRIPT, CommandLine, is_alive, until

BAD_JOBS = {
    "text that is not JSON": ("hello", "invalid JSON"),
    "half an object": ('{"command": "true"', "invalid JSON"),
    "a list": ("[1, 2]", "must be a JSON object"),
    "a number": ("3", "must be a JSON object"),
    "an unknown field": ('{"command": "true", "colour": "red"}', "unknown field 'colour'"),
    "a misspelt field": ('{"comand": "true"}', "did you mean 'command'?"),
    "a field of ours": ('{"command": "true", "state": "dead"}', "is read-only; queuectl sets it"),
    "no command": ('{"id": "a"}', 'needs a "command"'),
    "an empty command": ('{"command": "  "}', "command: must not be empty"),
    "a command that is a number": ('{"command": 5}', "command: must be text"),
    "a command that is null": ('{"command": null}', "command: must be text"),
    "a NUL byte": ('{"command": "echo \\u0000"}', "NUL byte"),
    "half a character": ('{"command": "echo \\ud800"}', "not valid UTF-8"),
    "a path as id": ('{"id": "../../etc/passwd", "command": "true"}', "cannot be an ID"),
    "an option as id": ('{"id": "-rf", "command": "true"}', "cannot be an ID"),
    "a long id": (json.dumps({"id": "x" * 300, "command": "true"}), "300 characters"),
    "an empty id": ('{"id": "", "command": "true"}', "cannot be an ID"),
    "an id with a newline": ('{"id": "a\\nb", "command": "true"}', "cannot be an ID"),
    "negative retries": ('{"command": "true", "max_retries": -1}', "from 0 to 1000"),
    "boolean retries": ('{"command": "true", "max_retries": true}', "must be a whole number"),
    "huge retries": ('{"command": "true", "max_retries": 99999999999999999999}', "from 0 to 1000"),
    "half retries": ('{"command": "true", "max_retries": 1.5}', "must be a whole number"),
    "NaN": ('{"command": "true", "backoff_base": NaN}', "NaN is not a JSON number"),
    "infinity": ('{"command": "true", "backoff_base": 1e999}', "must be a number"),
    "a relative folder": ('{"command": "true", "cwd": "tmp"}', "absolute path"),
    "deep nesting": ("[" * 100_000, "nested too deeply"),
    "a number of ten thousand digits": ('{"command": "true", "max_retries": ' + "9" * 10_000 + "}", "a number has too many digits"),
    "more exit codes than there are": ('{"command": "true", "retry_on": "' + "1," * 5000 + '1"}', "has 5001 exit codes"),
}


@pytest.mark.parametrize("name", BAD_JOBS)
def test_a_bad_job_is_refused_and_changes_nothing(queuectl: CommandLine, name: str) -> None:
    text, clause = BAD_JOBS[name]
    assert clause in queuectl.refused(2, "enqueue", text)
    assert sum(queuectl.counts().values()) == 0


@pytest.mark.parametrize(
    "name", ["a misspelt field", "a path as id", "boolean retries", "NaN", "infinity", "half a character"]
)
def test_a_running_supervisor_refuses_with_the_same_message(queuectl: CommandLine, name: str) -> None:
    text, _ = BAD_JOBS[name]
    alone = queuectl.refused(2, "enqueue", text)
    queuectl.ok("worker", "start")
    assert queuectl.refused(2, "enqueue", text) == alone
    assert sum(queuectl.counts().values()) == 0


def test_a_command_longer_than_the_system_limit_is_refused(queuectl: CommandLine) -> None:
    longest = 131_071
    line = json.dumps({"command": ":" + "x" * longest}).encode()
    assert "the maximum is 131071" in queuectl.refused(2, "enqueue", "--file", "-", stdin=line)


def test_the_longest_command_runs(queuectl: CommandLine) -> None:
    command = "true " + "x" * (131_071 - 5)
    queuectl.ok("enqueue", "--file", "-", stdin=json.dumps({"id": "long", "command": command}).encode())
    queuectl.ok("worker", "start")
    queuectl.until_state("long", "completed")


def test_bytes_that_are_not_utf8_are_refused(queuectl: CommandLine) -> None:
    bad = os.fsdecode(b"echo \xff")
    assert "not valid UTF-8" in queuectl.refused(2, "enqueue", "--command", bad)
    assert "line 2" in queuectl.refused(
        2, "enqueue", "--file", "-", stdin=b'{"command": "true"}\n{"command": "\xff"}\n'
    )
    assert sum(queuectl.counts().values()) == 0


def test_a_duplicate_id_is_refused_with_status_1(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    assert "job a already exists" in queuectl.refused(1, "enqueue", "--id", "a", "--command", "false")
    assert queuectl.job("a")["command"] == "true"


def test_a_file_with_one_bad_line_enqueues_nothing_and_names_the_line(queuectl: CommandLine) -> None:
    lines = b'{"command": "true"}\n\n{"command": "true", "max_retries": -5}\n{"command": "true"}\n'
    result = queuectl.refused(2, "enqueue", "--file", "-", stdin=lines)
    assert "standard input line 3: max_retries" in result and "nothing was enqueued" in result
    assert sum(queuectl.counts().values()) == 0


def test_a_file_with_an_id_twice_enqueues_nothing(queuectl: CommandLine) -> None:
    lines = b'{"id": "a", "command": "true"}\n{"id": "a", "command": "true"}\n'
    assert "line 2: ID a appears more than once" in queuectl.refused(1, "enqueue", "--file", "-", stdin=lines)
    assert sum(queuectl.counts().values()) == 0


@pytest.mark.parametrize(
    "words",
    [
        ["enqueue"],
        ["enqueue", "sleep", "2"],
        ["enqueue", "{}", "{}"],
        ["enqueue", "--file", "/nonexistent/file"],
        ["enqueue", "--file", "/"],
        ["enqueue", "--file", "-", "--id", "x"],
        ["enqueue", '{"id": "a", "command": "true"}', "--id", "b"],
        ["enqueue", "--max-retries", "many", "--command", "true"],
        ["enqueue", "--no-such-option"],
        ["enqueu"],
        ["--nonsense"],
        ["--home"],
        ["--home=", "status"],
        ["list", "--state", "wating"],
        ["list", "--limit", "-1"],
        ["list", "--limit", "x"],
        ["list", "--", "x"],
        ["doctor", "--repair", ""],
        ["show"],
        ["logs", "x", "--follow", "--all"],
        ["worker"],
        ["worker", "strat"],
        ["worker", "start", "--count", "0"],
        ["worker", "start", "--count", "-3"],
        ["worker", "start", "--count", "99999"],
        ["worker", "start", "--count", "two"],
        ["worker", "stop", "--timeout", "nan"],
        ["dlq", "retry"],
        ["dlq", "retry", "a", "--all"],
        ["config", "set", "max-retries"],
        ["config", "set", "max-retries", "-1"],
        ["config", "set", "max-retries", "1.5"],
        ["config", "set", "max-retries", "1001"],
        ["config", "set", "backoff-base", "nan"],
        ["config", "set", "backoff-base", "1e999"],
        ["config", "set", "max_retrys", "3"],
        ["config", "get", "colour"],
        ["config", "unset", "colour"],
    ],
    ids=" ".join,
)
def test_wrong_usage_prints_one_line_and_exits_with_2(queuectl: CommandLine, words: list[str]) -> None:
    queuectl.refused(2, *words)
    assert not os.path.exists(queuectl.home) or sum(queuectl.counts().values()) == 0


@pytest.mark.parametrize(
    "words", [["show", "x"], ["logs", "x"], ["dlq", "retry", "x"], ["dlq", "purge", "../x"], ["dlq", "retry", "--all"]]
)
def test_unknown_names_exit_with_1(queuectl: CommandLine, words: list[str]) -> None:
    queuectl.refused(1, *words)


@pytest.mark.parametrize("words", [["worker", "stop"], ["worker", "scale", "3"]], ids=" ".join)
def test_commands_that_need_a_supervisor_exit_with_3_without_one(queuectl: CommandLine, words: list[str]) -> None:
    assert "queuectl worker start" in queuectl.refused(3, *words)


def test_a_typo_gets_a_suggestion(queuectl: CommandLine) -> None:
    assert "did you mean enqueue?" in queuectl.refused(2, "enqueu", "x")
    assert "did you mean --state?" in queuectl.refused(2, "list", "--sate", "pending")
    assert "did you mean max-retries?" in queuectl.refused(2, "config", "get", "max-retry")


def test_control_characters_in_a_message_are_escaped(queuectl: CommandLine) -> None:
    result = queuectl.refused(1, "show", "a\x1b[31mb")
    assert "\x1b" not in result and "\\x1b" in result


def test_a_home_that_is_a_file_is_refused(queuectl: CommandLine) -> None:
    with open(queuectl.home, "w"):
        pass
    for words in (["status"], ["enqueue", "--command", "true"], ["worker", "start"]):
        assert "not a folder" in queuectl.refused(2, *words)


def test_a_home_below_a_file_is_refused(queuectl: CommandLine) -> None:
    with open(queuectl.home, "w"):
        pass
    queuectl.environ["QUEUECTL_HOME"] = queuectl.home + "/below"
    queuectl.refused(2, "enqueue", "--command", "true")
    queuectl.environ["QUEUECTL_HOME"] = queuectl.home


def test_a_home_that_others_may_write_to_is_refused(queuectl: CommandLine) -> None:
    os.mkdir(queuectl.home)
    os.chmod(queuectl.home, 0o777)
    assert "other users can write" in queuectl.refused(2, "enqueue", "--command", "true")
    assert os.listdir(queuectl.home) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owner of a folder")
def test_a_home_of_another_user_is_refused(queuectl: CommandLine) -> None:
    os.mkdir(queuectl.home, 0o700)
    os.chown(queuectl.home, 12345, 12345)
    assert "belongs to UID 12345" in queuectl.refused(2, "status")


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_a_home_that_cannot_be_written_is_refused(queuectl: CommandLine) -> None:
    os.mkdir(queuectl.home, 0o500)
    assert "Permission denied" in queuectl.refused(2, "enqueue", "--command", "true")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owner of a folder")
@pytest.mark.parametrize("folder", ["journal", "store", "run", "logs"])
def test_a_home_with_files_of_another_user_is_refused(queuectl: CommandLine, folder: str) -> None:
    os.mkdir(queuectl.home, 0o700)
    os.mkdir(os.path.join(queuectl.home, folder), 0o755)
    os.chown(os.path.join(queuectl.home, folder), 12345, 12345)
    for words in (["enqueue", "--command", "true"], ["worker", "start"], ["status"]):
        assert "not a folder that only you can write to" in queuectl.refused(2, *words)


def test_files_planted_as_links_are_not_followed(queuectl: CommandLine) -> None:
    victim = os.path.join(os.path.dirname(queuectl.home), "victim")
    with open(victim, "w") as file:
        file.write("precious")
    os.mkdir(queuectl.home, 0o700)
    for name in ("reserve", "supervisor.log"):
        os.symlink(victim, os.path.join(queuectl.home, name))
    queuectl("enqueue", "--command", "true")
    queuectl("worker", "start")
    with open(victim) as file:
        assert file.read() == "precious"


def test_a_home_is_private_whatever_the_umask(queuectl: CommandLine) -> None:
    before = os.umask(0)
    try:
        queuectl.ok("enqueue", "--command", "true")
        queuectl.ok("worker", "start")
        queuectl.until_done(completed=1)
        queuectl.ok("worker", "stop")
    finally:
        os.umask(before)
    for folder, _, files in os.walk(queuectl.home):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700, folder
        for name in files:
            assert stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) & 0o077 == 0, name


def test_a_home_of_a_newer_format_is_refused(queuectl: CommandLine) -> None:
    from queuectl_core.storage import journal_format

    queuectl.ok("enqueue", "--command", "true")
    (name,) = os.listdir(os.path.join(queuectl.home, "journal"))
    path = os.path.join(queuectl.home, "journal", name)
    with open(path, "r+b") as file:
        header = journal_format.decode_segment_header(file.read(journal_format.SEGMENT_HEADER_BYTES))
        assert header is not None
        file.seek(0)
        file.write(journal_format.encode_segment_header(header._replace(version=99)))
    for words in (["enqueue", "--command", "true"], ["status"], ["worker", "start"]):
        result = queuectl.refused(1, *words)
        assert "a newer queuectl wrote" in result and "it has format 99" in result


def test_a_damaged_config_value_is_named_and_can_be_set_again(queuectl: CommandLine) -> None:
    from queuectl_core.home import Home
    from queuectl_core.service.ledger import Ledger

    queuectl.ok("config", "set", "max-retries", "5")
    ledger = Ledger(Home(queuectl.home))
    ledger.table.settings["max-retries"] = "many"
    ledger.checkpoint()
    ledger.close()
    assert "value of config max-retries is damaged" in queuectl.refused(1, "enqueue", "--command", "true")
    assert "damaged" in queuectl.ok("config", "list")
    queuectl.ok("config", "unset", "max-retries")
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    assert queuectl.job("a")["max_retries"] == 3


def test_worker_start_ignores_a_stale_pid_file_and_socket(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    os.kill(queuectl.supervisor_pid(), 9)
    assert os.path.exists(os.path.join(queuectl.home, "control.sock"))
    queuectl.refused(3, "worker", "stop")
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")


def test_a_reused_pid_is_never_signalled(queuectl: CommandLine) -> None:
    """Write the PID of this process into the PID file: the supervisor itself tells its PID."""
    queuectl.ok("worker", "start")
    pid = queuectl.supervisor_pid()
    with open(os.path.join(queuectl.home, "supervisor.pid"), "w") as file:
        file.write(f"{os.getpid()}\n1\n")
    queuectl.ok("worker", "stop")  # a signal would end this process
    assert not is_alive(pid)


@pytest.mark.parametrize("fd", ["3", "7", "1023", "-1", "x", "", "\u00b2", "9" * 30])
def test_ready_fd_must_be_open_in_the_caller(queuectl: CommandLine, fd: str) -> None:
    """Otherwise a file of the home, such as the lock, could get that number and be overwritten."""
    result = queuectl.refused(2, "worker", "start", "--foreground", f"--ready-fd={fd}")
    assert "--ready-fd needs the number of a descriptor open for writing" in result
    assert not os.path.exists(queuectl.home)


@pytest.mark.parametrize("fd", [1, 2])
def test_no_file_takes_the_number_of_a_standard_stream_after_readiness(queuectl: CommandLine, fd: int) -> None:
    """Later output must not go into the file that is opened next."""
    words = ["worker", "start", "--foreground", "--until-eof", "--ready-fd", str(fd)]
    with tempfile.TemporaryFile() as other:
        streams = {"stdout": other, "stderr": other, ("stdout", "stderr")[fd - 1]: subprocess.PIPE}
        process = queuectl.popen(*words, stdin=subprocess.PIPE, **streams)
        result = process.stdout if fd == 1 else process.stderr
        assert result is not None and json.loads(result.readline()) == {"pid": process.pid}
        if os.path.isdir("/proc/self"):
            link = f"/proc/{process.pid}/fd/{fd}"
            until(lambda: os.readlink(link) == os.devnull, lambda: f"{link} to have no target")
        process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.mark.parametrize("home", [None, "", "here"])
def test_no_command_creates_a_folder_named_tilde(queuectl: CommandLine, tmp_path: Path, home: str | None) -> None:
    """Unset HOME, or set it to no path, for a uid without an account."""
    queuectl.environ.pop("QUEUECTL_HOME")
    queuectl.environ.pop("XDG_STATE_HOME", None)
    queuectl.environ.pop("HOME", None)
    if home is not None:
        queuectl.environ["HOME"] = home
    code = "import pwd, sys; pwd.getpwuid = lambda uid: {}[uid]; sys.path.insert(0, sys.argv.pop(1)); "
    code += "from queuectl_core.cli.main import main; main()"
    for words in (["enqueue", "--", "true"], ["--home", "~/q", "enqueue", "--", "true"]):
        if home == "":  # then ~ is the root folder
            continue
        result = subprocess.run(
            [sys.executable, "-c", code, ROOT, *words], env=queuectl.environ, cwd=tmp_path, capture_output=True, text=True
        )
        assert result.returncode == 2 and "set HOME" in result.stderr and result.stderr.count("\n") == 1, result
    assert os.listdir(tmp_path) == []


NOT_JSON = [b"[" * 100_000, b'{"a":' * 100_000, b"1", b"[]", b'["job"]', b"null", b'"job"', b"\xff", b"NaN"]


@pytest.mark.parametrize("line", NOT_JSON, ids=[repr(line[:6]) for line in NOT_JSON])
def test_import_and_restore_refuse_other_files(queuectl: CommandLine, line: bytes) -> None:
    head = b'{"queuectl_backup":1,"settings":{},"queues":{},"schedules":{}}\n'
    for words, data in ((["import"], line), (["restore"], line), (["restore"], head + line + b'\n{"end":1}\n')):
        queuectl.refused(2, *words, "-", stdin=data)


@pytest.mark.parametrize("part", ["settings", "queues", "schedules"])
@pytest.mark.parametrize("value", [None, [], 5, {"x": None}, {"x": []}, {"x": {"queue": 1}}, {"*": 5}])
def test_restore_refuses_a_backup_with_a_wrong_header(queuectl: CommandLine, part: str, value: object) -> None:
    head = {"queuectl_backup": 1, "settings": {}, "queues": {}, "schedules": {}, part: value}
    answer = queuectl("restore", "-", stdin=f'{json.dumps(head)}\n{{"end":0}}\n'.encode())
    if (part, value) != ("queues", {"x": {"queue": 1}}):  # an invalid rule, which restore skips
        assert answer.status == 2 and answer.err.count("\n") == 1, answer


@pytest.mark.parametrize(
    "words",
    [
        ["cancel", "a", "--signal", "\u00b2"], ["cancel", "a", "--signal", "9" * 5000], ["list", "--format", "{id[x]}"],
        ["enqueue", "--retry-on", "\u00b2", "--", "true"], ["enqueue", "--retry-on", "9" * 5000, "--", "true"],
        ["schedule", "add", "s", "9" * 5000 + " * * * *", "--", "true"], ["list", "x" * 100_000],
    ],
    ids=lambda words: " ".join(words)[:40],
)  # fmt: skip
def test_invalid_digits_and_fields_are_refused_in_plain_words(queuectl: CommandLine, words: list[str]) -> None:
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    result = queuectl.refused(2, *words)
    assert "literal" not in result and "limit" not in result and len(result) < 400, result


def test_an_invalid_terminal_width_is_ignored(queuectl: CommandLine) -> None:
    for columns in ("\u00b2", "9" * 5000, "x", "-1"):
        queuectl.environ["COLUMNS"] = columns
        queuectl.ok("list", "--help")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_an_unwritable_message_changes_no_status(queuectl: CommandLine) -> None:
    with open("/dev/full", "w") as full:
        for words, status in ((["list", "--state", "bad"], 2), (["show", "a"], 1), (["worker", "stop"], 3)):
            assert queuectl.popen(*words, stderr=full).wait(timeout=20) == status
        queuectl.ok("enqueue", "--id", "a", "--", "true")
        assert queuectl.popen("list", "--limit", "1", stderr=full, stdout=subprocess.DEVNULL).wait(timeout=20) == 0
        queuectl.ok("enqueue", "--", "true")
        with open(os.path.join(queuectl.home, "journal", "0000000001.log"), "ab") as file:
            file.write(b"torn")  # the warning about the torn tail
        assert queuectl.popen("enqueue", "--id", "b", "--", "true", stderr=full).wait(timeout=20) == 0
    assert queuectl.job("b")["state"] == "pending"


def test_a_removed_working_folder_is_reported_in_one_line(queuectl: CommandLine, tmp_path: Path) -> None:
    gone = tmp_path / "gone"

    def run_there(words: str) -> subprocess.CompletedProcess[str]:
        gone.mkdir()
        command = ["/bin/sh", "-c", f'cd "$1"; rmdir "$1"; shift; exec "$@" {words}', "sh", str(gone), sys.executable, SCRIPT]
        return subprocess.run(command, env=queuectl.environ, capture_output=True, text=True, check=False)

    for words in ("--home here status", "enqueue --cwd . -- true", "enqueue -- true", "doctor --repair there"):
        result = run_there(words)
        assert result.returncode == 2 and "the current folder no longer exists" in result.stderr, result
        assert result.stderr.count("\n") == 1
    result = run_there("enqueue --id a --cwd / -- true")
    assert (result.returncode, result.stdout) == (0, "a\n") and queuectl.job("a")["cwd"] == "/"


def test_worker_start_reports_a_failed_fork(queuectl: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    from queuectl_core.home import Home
    from queuectl_core.supervisor import daemon

    def fork() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fork)
    with pytest.raises(Busy, match="cannot start a process: Resource temporarily unavailable"):
        daemon.start(Home(queuectl.home), 1)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_unwritable_help_is_reported_in_one_line(queuectl: CommandLine) -> None:
    with open("/dev/full", "w") as full:
        process = queuectl.popen("list", "--help", stdout=full, stderr=subprocess.PIPE)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (1, b"queuectl: cannot write the output: No space left on device\n")


@pytest.mark.parametrize("umask", [0o777, 0o277, 0o477])
def test_files_stay_usable_under_a_umask_that_removes_owner_permissions(queuectl: CommandLine, umask: int) -> None:
    before = os.umask(umask)
    try:
        queuectl.ok("enqueue", "--id", "a", "--", "umask")
        queuectl.ok("worker", "start")
        queuectl.until_state("a", "completed")
        queuectl.ok("worker", "stop")
    finally:
        os.umask(before)
    assert queuectl.ok("logs", "a") == "0077\n"
    for folder, _, files in os.walk(queuectl.home):
        for name in files:
            assert stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) == 0o600, name


def test_an_endless_file_of_variables_is_refused(queuectl: CommandLine) -> None:
    result = queuectl.refused(2, "enqueue", "--env-file", "/dev/zero", "--", "true")
    assert "cannot read /dev/zero: it has more than 1048576 characters" in result


@pytest.mark.parametrize("words", [["list"], ["wait"], ["export"], ["rm", "--yes"]], ids=" ".join)
def test_a_queue_that_is_not_utf_8_is_refused_and_ends_no_supervisor(queuectl: CommandLine, words: list[str]) -> None:
    queuectl.ok("worker", "start")
    assert queuectl.refused(2, *words, "--queue", os.fsdecode(b"a\xff")).strip().endswith("queue is not valid UTF-8")
    assert queuectl.json("status")["supervisor"]["state"] == "running"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("enqueue --max-retries 2000 -- ls", "queuectl: --max-retries: must be from 0 to 1000"),
        ("enqueue --after nope -- ls", "queuectl: --after: job nope does not exist"),
        ("enqueue --delay 1h --at 18:30 -- ls", "queuectl: --delay and --at cannot be used together"),
        ("enqueue --array 1-3 --timeout x -- ls", "queuectl: job 1: --timeout: must be"),
        ("enqueue --tag !=3 -- ls", "queuectl: --tag: '!'"),
        ("edit a --limit-mem x", "queuectl: --limit-mem: must be a size"),
        ("edit a --set limit_mem=x", "queuectl: limit_mem: must be a size"),
        ("queue set default --timeout x", "queuectl: --timeout: must be"),
        ("schedule add s 1h --retry-on x -- ls", "queuectl: --retry-on: must be"),
        ('enqueue {"command":"ls","limit_mem":"x"} --jitter 1', "queuectl: limit_mem: must be a size"),
        ("list --state deed", "queuectl: unknown state 'deed' (did you mean dead?); the states are pending"),
    ],
)
def test_a_refusal_names_what_the_user_typed(queuectl: CommandLine, words: str, said: str) -> None:
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    assert queuectl.refused(2 if "nope" not in words else 1, *words.split()).startswith(said)


def test_a_taken_key_tells_the_option_or_the_field(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--key", "k", "--", "true")
    assert "use --on-conflict skip" in queuectl.refused(1, "enqueue", "--key", "k", "--", "true")
    assert "use on_conflict skip" in queuectl.refused(1, "enqueue", '{"command": "true", "key": "k"}')
