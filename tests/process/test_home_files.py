"""Files of a home: queuectl touches only its own, writes through no planted link, and lets no other
user read them.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl_core import home_files
from queuectl_core.errors import InvalidInput
from queuectl_core.home import Home
from queuectl_core.storage import output_log
from queuectl_core.storage.reserve import RESERVE_BYTES, Reserve
from queuectl_core.system import file_io
from tests.homes import ROOT, SCRIPT, CommandLine, until

SECRET = '{"id": "a", "command": "echo hi", "env": {"TOKEN": "secret"}}'
OLD_S = 1_000_000_000


def a_file(path: str, content: str = "mine", at_s: int = OLD_S) -> str:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Path(path).write_text(content)
    os.utime(path, (at_s, at_s))
    return path


def contents(folder: str) -> dict[str, bytes]:
    return {
        os.path.join(place, name): Path(place, name).read_bytes()
        for place, _, names in os.walk(folder)
        for name in names
    }


# Which folders become a home


@pytest.mark.parametrize(
    "name",
    ["logs/app.log", "logs/w1.txt", "README", "lock", "reserve", "journal/notes", "store/CURRENTLY", "run/web.pid", "supervisor.pid"],
)  # fmt: skip
def test_a_folder_of_other_files_does_not_become_a_home(queuectl: CommandLine, name: str) -> None:
    a_file(os.path.join(queuectl.home, name))
    before = contents(queuectl.home)
    for words in (["enqueue", "--command", "true"], ["worker", "start"], ["status"], ["doctor"], ["doctor", "--repair", queuectl.home + "-new"]):  # fmt: skip
        output = queuectl.refused(2, *words)
        assert name in output and "is not a home" in output
    assert contents(queuectl.home) == before and len(os.listdir(queuectl.home)) == 1


def test_an_interrupted_creation_of_a_home_is_completed(queuectl: CommandLine) -> None:
    """Interrupt a first call after each file that it creates."""
    names = ["supervisor.log", "journal", "store", "run", "logs", "lock", "run/w1-abc123.lock", "store/CURRENT.new",
             "journal/0000000001.log.new"]
    for count in range(len(names) + 1):
        shutil.rmtree(queuectl.home, ignore_errors=True)
        os.mkdir(queuectl.home, 0o700)
        for name in names[:count]:
            path = os.path.join(queuectl.home, name)
            os.mkdir(path, 0o700) if name in home_files.FOLDERS else a_file(path, "")
        assert queuectl.counts()["pending"] == 0
        queuectl.ok("enqueue", "--id", "a", "--command", "true")
        assert queuectl.counts()["pending"] == 1


@pytest.mark.parametrize("backend", ["sqlite", "dumb"])
def test_every_file_of_a_home_has_a_known_name(queuectl: CommandLine, backend: str) -> None:
    queuectl.environ["QUEUECTL_STORE"] = backend
    go = queuectl.home + "-go"
    queuectl.ok("enqueue", "--id", "a", "--command", f"echo hi; while ! test -e {go}; do sleep 0.02; done")
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "processing")
    assert "not queuectl's" not in queuectl.ok("doctor")
    queuectl.kill_supervisor()
    Path(go).touch()
    queuectl.until_state("a", "completed")
    queuectl.ok("worker", "start")
    queuectl.ok("worker", "stop")
    assert "not queuectl's" not in queuectl.ok("doctor")


def test_a_home_among_other_files_opens_and_leaves_them_alone(queuectl: CommandLine) -> None:
    """Use a home of a version that accepted such folders; the settings make retention remove all
    that it may.
    """
    queuectl.ok("enqueue", "--id", "a", "--command", "echo hi")
    names = ["logs/app.log", "logs/w1.app.log", "run/web.pid", "run/web.lock", "run/x.outcome", "journal/x.torn",
             "store/gen-old/data", "README"]  # fmt: skip
    mine = [a_file(os.path.join(queuectl.home, name)) for name in names]
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")
    queuectl.ok("worker", "stop")
    queuectl.ok("config", "set", "log-retention", "1")
    queuectl.ok("config", "set", "log-retention-bytes", "1")
    queuectl.ok("worker", "start")
    written = lambda: list(filter(home_files.is_output_file, os.listdir(queuectl.home + "/logs")))  # noqa: E731
    until(lambda: not written(), lambda: f"the removal of the log: {written()}")
    queuectl.ok("worker", "stop")
    assert [Path(path).read_text() for path in mine] == ["mine"] * len(mine)
    output = queuectl.ok("doctor")
    assert "8 files do not belong to queuectl and stay unchanged, like README" in output and "0 segments, 0 bytes" in output
    queuectl.ok("doctor", "--repair", queuectl.home + "-new")
    assert not list(filter(os.path.exists, (os.path.join(queuectl.home + "-new", name) for name in names)))
    shutil.rmtree(queuectl.home + "-new")


def test_foreign_generations_stay(tmp_path: Path) -> None:
    from queuectl_core.storage.backends import open_store

    for name in ("gen-old", "gen-"):
        a_file(str(tmp_path / name / "data"))
    store = open_store(str(tmp_path), "dumb")
    store.write([(b"k", b"v")], [])
    store.sync()
    store.close()
    open_store(str(tmp_path)).close()
    assert (tmp_path / "gen-old" / "data").exists() and (tmp_path / "gen-" / "data").exists()


def test_foreign_output_is_neither_counted_nor_removed(tmp_path: Path) -> None:
    a_file(str(tmp_path / "app.log"), "x" * 1000)
    assert output_log.prune(str(tmp_path), set(), OLD_S + 1.0, 10) == 0
    assert os.listdir(tmp_path) == ["app.log"]


# Missing folders


@pytest.mark.parametrize("folder", ["run", "logs"])
def test_doctor_and_repair_work_without_a_folder(queuectl: CommandLine, folder: str) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    shutil.rmtree(os.path.join(queuectl.home, folder))
    output = queuectl.ok("doctor")
    assert f"{folder}/ is missing" in output and "DAMAGED" not in output
    target = queuectl.home + "-new"
    queuectl.ok("doctor", "--repair", target)
    assert queuectl.ok("--home", target, "list", "--format", "{id}") == "a\n"
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")


# Permissions


@pytest.fixture
def umask_0() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def readable_by_others(folder: str) -> list[str]:
    found = []
    for place, _, names in os.walk(folder):
        for path in (place, *(os.path.join(place, name) for name in names)):
            if stat.S_IMODE(os.lstat(path).st_mode) & 0o077:
                found.append(path)
    return found


@pytest.mark.parametrize("backend", ["sqlite", "dumb"])
def test_home_is_private_under_every_umask(
    queuectl: CommandLine, umask_0: None, backend: str
) -> None:
    queuectl.environ["QUEUECTL_STORE"] = backend
    deep = CommandLine(os.path.join(queuectl.home, "some", "where", "home"))
    deep.environ["QUEUECTL_STORE"] = backend
    deep.ok("enqueue", SECRET)
    deep.ok("worker", "start")
    deep.until_state("a", "completed")
    assert readable_by_others(queuectl.home) == []
    deep.kill_supervisor()
    with open(sorted(Path(deep.home, "journal").glob("*.log"))[-1], "ab") as file:
        file.write(b"torn")
    deep.ok("worker", "start")
    deep.ok("worker", "stop")
    assert list(Path(deep.home, "journal").glob("*.torn"))
    deep.ok("doctor", "--repair", os.path.join(queuectl.home, "new"))
    assert readable_by_others(queuectl.home) == []


def test_repair_of_readable_files_writes_private_ones(queuectl: CommandLine, umask_0: None) -> None:
    """Readable output, as after a careless copy of a home, must not get readable copies."""
    queuectl.ok("enqueue", SECRET)
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")
    queuectl.ok("worker", "stop")
    for log in Path(queuectl.home, "logs").iterdir():
        log.chmod(0o644)
    target = queuectl.home + "-new"
    queuectl.ok("doctor", "--repair", target)
    assert readable_by_others(target) == []
    assert queuectl.ok("--home", target, "logs", "a") == "hi\n"


def mode_of(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_exported_files_are_private(queuectl: CommandLine, umask_0: None) -> None:
    queuectl.ok("enqueue", SECRET)
    queuectl.ok("enqueue", "--id", "b", "--command", "true")
    queuectl.ok("cancel", "b")
    folder = os.path.dirname(queuectl.home)
    backup, export, dead = (os.path.join(folder, name) for name in ("backup", "export", "dead"))
    queuectl.ok("backup", backup)
    assert queuectl.ok("export", "--output", export) == f"wrote {export}\n"
    queuectl.ok("dlq", "export", "--output", dead)
    assert [mode_of(path) for path in (backup, export, dead)] == [0o600] * 3
    assert "secret" in Path(export).read_text() and '"b"' in Path(dead).read_text()
    restored = os.path.join(folder, "restored")
    queuectl.ok("--home", restored, "restore", backup)
    assert readable_by_others(restored) == []


def test_export_warns_of_a_readable_output_file(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", SECRET)
    path = os.path.join(os.path.dirname(queuectl.home), "jobs")
    for words in (["export"], ["backup", "-"]):
        for mode, is_told in ((0o644, True), (0o600, False)):
            with open(path, "wb") as file:
                os.chmod(path, mode)
                done = subprocess.run(
                    [sys.executable, SCRIPT, *words], env=queuectl.environ, stdout=file, stderr=subprocess.PIPE
                )
            assert done.returncode == 0 and (b"other users can read" in done.stderr) is is_told, (words, done.stderr)


def test_export_replaces_no_link_and_leaves_no_partial_file(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    folder = os.path.dirname(queuectl.home)
    victim = a_file(os.path.join(folder, "victim"))
    os.symlink(victim, os.path.join(folder, "out.part"))
    queuectl.refused(2, "export", "--output", os.path.join(folder, "out"))
    queuectl.refused(2, "backup", os.path.join(folder, "out"))
    assert Path(victim).read_text() == "mine"


def test_killed_export_leaves_a_draft_that_the_next_one_names(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    path = Path(queuectl.home).parent / "out"
    code = "import os; from queuectl_core.cli import output_file, screen; "
    code += "lines = (os.kill(os.getpid(), 9) for _ in 'x'); "
    code += f"output_file.write_lines({str(path)!r}, lines, screen.Screen(json=False))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == -9
    draft = Path(f"{path}.part")
    assert draft.exists() and not path.exists()
    assert f"cannot write {draft}: File exists" in queuectl.refused(2, "backup", str(path))
    draft.unlink()
    queuectl.ok("backup", str(path))


@pytest.mark.parametrize("words", [["export", "--output"], ["dlq", "export", "--output"], ["backup"]])
@pytest.mark.parametrize("kind", ["file", "link", "fifo"])
def test_exports_replace_no_file(queuectl: CommandLine, words: list[str], kind: str) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    path = Path(queuectl.home).parent / "out"
    if kind == "file":
        path.write_text("mine")
    elif kind == "link":
        path.symlink_to("nowhere")
    else:
        os.mkfifo(path)
    before = os.lstat(path)
    assert "already exists" in queuectl.refused(2, *words, str(path))
    assert os.lstat(path) == before


def test_export_does_not_replace_a_file_that_appears_meanwhile(
    queuectl: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from queuectl_core.cli import output_file
    from queuectl_core.cli.screen import Screen

    path = Path(queuectl.home).parent / "out"
    check = output_file._check_new

    def check_and_lose_the_race(named: str) -> None:
        check(named)
        path.write_text("theirs")

    monkeypatch.setattr(output_file, "_check_new", check_and_lose_the_race)
    with pytest.raises(InvalidInput, match="already exists"):
        output_file.write_lines(str(path), ["mine"], Screen(json=False))
    assert path.read_text() == "theirs" and os.listdir(path.parent) == ["out"]


@pytest.mark.parametrize("file", ["/etc/passwd", "../journal/0000000001.log", "lock", "w1-3fa2b1.0001.log/../../lock", "w1\0", ""])
def test_an_imported_job_shows_only_output_files(queuectl: CommandLine, file: str) -> None:
    attempt = {"attempt": 1, "run": 1, "started_ms": 1, "worker": "w1", "outcome": "exit", "log_file": file,
               "log_offset": 0, "output_bytes": 9}  # fmt: skip
    job = {"id": "a", "command": "true", "max_retries": 0, "backoff_base": 2, "cwd": "/", "created_ms": 1,
           "updated_ms": 1, "state": "dead", "attempts": 1, "history": [attempt]}  # fmt: skip
    queuectl.ok("import", "-", stdin=json.dumps(job).encode())
    for words in (["logs", "a"], ["logs", "a", "--follow"], ["logs", "a", "--all"]):
        answer = queuectl(*words)
        assert answer.out == "" and "defect" not in answer.err, answer


def test_an_imported_run_without_an_output_position_is_refused(queuectl: CommandLine) -> None:
    attempt = {"attempt": 1, "run": 1, "started_ms": 1, "worker": "w1", "log_file": "w1-3fa2b1.0001.log"}
    job = {"id": "a", "command": "true", "max_retries": 0, "backoff_base": 2, "cwd": "/", "created_ms": 1,
           "updated_ms": 1, "state": "pending", "history": [attempt]}  # fmt: skip
    assert "has a log_offset" in queuectl.refused(2, "import", "-", stdin=json.dumps(job).encode())


# Planted files and links


@pytest.mark.parametrize("name", ["supervisor.pid.new", "reserve", "supervisor.log", "supervisor.log.old", "lock"])
@pytest.mark.parametrize("how", ["symlink", "link"])
def test_a_planted_link_is_not_written_through(queuectl: CommandLine, name: str, how: str) -> None:
    """The link was planted while the home was open to others; its permissions are correct again."""
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    victim = a_file(os.path.join(os.path.dirname(queuectl.home), "victim"), "precious" * 1000)
    path = os.path.join(queuectl.home, name)
    os.chmod(queuectl.home, 0o777)
    if os.path.exists(path):
        os.unlink(path)
    getattr(os, how)(victim, path)
    assert "chmod go-w" in queuectl.refused(2, "status")
    os.chmod(queuectl.home, 0o700)
    if how == "symlink":
        for words in (["status"], ["worker", "start"], ["enqueue", "--command", "true"]):
            assert name in queuectl.refused(2, *words)
    else:
        queuectl("worker", "start")
        queuectl("worker", "stop")
    assert Path(victim).read_text() == "precious" * 1000
    if os.path.lexists(path):
        os.unlink(path)
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "completed")


@pytest.mark.parametrize(
    "name", ["journal/0000000001.log", "store/jobs.db", "store/CURRENT", "run/w1-abc.outcome", "store/jobs.db-wal"]
)
def test_links_inside_the_folders_are_refused_in_one_line(queuectl: CommandLine, name: str) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    path = os.path.join(queuectl.home, name)
    victim = os.path.join(os.path.dirname(queuectl.home), "victim")
    os.rename(path, victim) if os.path.exists(path) else a_file(victim, "{}")
    before = Path(victim).read_bytes()
    os.symlink(victim, path)
    answer = queuectl("enqueue", "--command", "true")
    assert "Traceback" not in answer.err and answer.err.count("\n") <= 1, answer
    if not name.startswith("run"):
        assert answer.status != 0 and "link" in answer.err, answer
    assert Path(victim).read_bytes() == before


def test_wait_refuses_a_home_that_others_can_write_to_like_every_command(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    queuectl.ok("worker", "start")
    queuectl.ok("wait", "a")
    os.chmod(queuectl.home, 0o777)
    assert "other users can write to it" in queuectl.refused(2, "wait", "a")
    os.chmod(queuectl.home, 0o700)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owner of a folder")
def test_commands_on_a_home_of_another_user_only_refuse(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    os.chown(queuectl.home, 54321, -1)
    for words in (["logs", "a"], ["list"], ["backup", "-"], ["export"], ["events"], ["doctor"], ["worker", "stop"]):
        assert "belongs to UID 54321" in queuectl.refused(2, *words)
    os.chown(queuectl.home, os.geteuid(), -1)


@pytest.mark.parametrize("depth", [1, 2])
def test_a_home_that_others_may_replace_is_refused(queuectl: CommandLine, tmp_path: Path, depth: int) -> None:
    home = tmp_path / "a" / "b"
    queuectl.environ["QUEUECTL_HOME"] = str(home)
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    above = home.parents[depth - 1]
    above.chmod(0o777)
    for words in (["status"], ["enqueue", "--command", "true"], ["worker", "start"]):
        assert f"other users can write to {above} and replace" in queuectl.refused(2, *words)
    above.chmod(0o1777)
    assert queuectl.counts()["pending"] == 1
    (tmp_path / "link").symlink_to(home)
    queuectl.environ["QUEUECTL_HOME"] = str(tmp_path / "link")
    assert queuectl.counts()["pending"] == 1
    above.chmod(0o777)
    assert "and replace" in queuectl.refused(2, "status")


def test_a_refused_home_path_creates_no_folder(queuectl: CommandLine, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    for home in (shared / "new", shared / "new" / "deep"):
        words = ("--home", str(home), "enqueue", "--", "true")
        assert f"other users can write to {shared} and replace" in queuectl.refused(2, *words)
    assert list(shared.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")
@pytest.mark.parametrize("whose", ["the link", "the folder"])
def test_a_link_of_another_user_is_refused(queuectl: CommandLine, tmp_path: Path, whose: str) -> None:
    """Its owner may change its target at any time, and so may the owner of its folder."""
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    shared, link = tmp_path / "shared", tmp_path / "shared" / "link"
    shared.mkdir()
    shared.chmod(0o1777)
    link.symlink_to(queuectl.home)
    assert queuectl.ok("--home", str(link), "list", "--format", "{id}") == "a\n"
    os.chown(link if whose == "the link" else shared, 54321, -1, follow_symlinks=False)
    assert "and replace" in queuectl.refused(2, "--home", str(link), "status")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")
@pytest.mark.parametrize("name", ["supervisor.pid", "control.sock", "journal/0000000001.log", "run/w1-abc.outcome"])
def test_a_file_of_another_user_is_not_trusted(queuectl: CommandLine, name: str) -> None:
    queuectl.ok("enqueue", "--id", "a", "--command", "true")
    path = os.path.join(queuectl.home, name)
    if not os.path.exists(path):
        a_file(path, "1\n1\n")
    os.chown(path, 54321, -1)
    answer = queuectl("worker", "stop") if name == "supervisor.pid" else queuectl("status")
    if not name.startswith("run"):
        assert answer.status != 0 and name.rpartition("/")[2] in answer.err and answer.err.count("\n") == 1, answer


def test_a_fifo_in_place_of_a_file_blocks_no_command(tmp_path: Path) -> None:
    from queuectl_core.system import lockfile

    os.mkfifo(tmp_path / "fifo")
    assert lockfile.is_held(str(tmp_path / "fifo")) is False
    with pytest.raises(PermissionError):
        file_io.open_owned(str(tmp_path / "fifo"), os.O_RDONLY)
    with pytest.raises(PermissionError):
        file_io.open_owned(str(tmp_path / "fifo"), os.O_WRONLY)


def test_a_draft_that_is_a_link_is_replaced(tmp_path: Path) -> None:
    victim = a_file(str(tmp_path / "victim"))
    os.symlink(victim, tmp_path / "file.new")
    file_io.replace_file(str(tmp_path / "file"), b"new")
    assert Path(victim).read_text() == "mine" and (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.parametrize("how", ["symlink", "link"])
def test_a_reserve_that_is_a_link_is_replaced(tmp_path: Path, how: str) -> None:
    victim = a_file(str(tmp_path / "victim"), "x" * RESERVE_BYTES)
    getattr(os, how)(victim, tmp_path / "reserve")
    reserve = Reserve(str(tmp_path / "reserve"))
    assert not reserve.is_whole() and not reserve.give_up_some()
    assert reserve.make_whole() and reserve.is_whole()
    assert Path(victim).read_text() == "x" * RESERVE_BYTES
    assert not os.path.islink(tmp_path / "reserve") and os.stat(victim).st_nlink == 1


def test_a_partly_freed_reserve_is_refilled_and_keeps_the_rest(tmp_path: Path) -> None:
    reserve = Reserve(str(tmp_path / "reserve"))
    assert reserve.make_whole() and reserve.give_up_some()
    inode = os.stat(tmp_path / "reserve").st_ino
    assert reserve.make_whole() and reserve.is_whole()
    assert os.stat(tmp_path / "reserve").st_ino == inode


def test_known_file_names_are_recognized() -> None:
    assert all(map(home_files.is_journal_file, ("0000000001.log", "0000000001.log.new", "0000000001.log.123.torn")))
    assert not any(map(home_files.is_journal_file, ("app.log", "0000000001.log.torn", "1.log", "000000000x.log", "a.torn")))
    assert all(map(home_files.is_worker_file, ("w1.lock", "w12-3fa2b1.tree", "w1-3fa2b1.outcome.new")))
    assert not any(map(home_files.is_worker_file, ("w1", "web.lock", "w.lock", "w1-xyz.lock", "x1.lock", "W1.lock")))
    assert home_files.is_output_file("w1-3fa2b1.0001.log")
    assert not any(map(home_files.is_output_file, ("app.log", "w1.app.log", "w1.0001.txt", "web.0001.log")))
    assert Home("/h").lock == "/h/lock"
