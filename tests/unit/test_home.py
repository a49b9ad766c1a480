"""Home: its folder, and the checks that it is safe."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from queuectl_core.errors import BadHome
from queuectl_core.home import Home, default_path


def mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def a_home(tmp_path: Path) -> Home:
    home = Home(str(tmp_path / "home"))
    home.prepare()
    return home


def test_queuectl_home_comes_first() -> None:
    assert default_path({"QUEUECTL_HOME": "here", "XDG_STATE_HOME": "/state"}) == "here"


def test_tilde_in_the_variable_is_the_folder_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/users/me")
    assert default_path({"QUEUECTL_HOME": "~/jobs"}) == "/users/me/jobs"


def test_state_folder_of_the_user_comes_next() -> None:
    assert default_path({"XDG_STATE_HOME": "/state"}) == "/state/queuectl"
    assert default_path({"QUEUECTL_HOME": "", "XDG_STATE_HOME": "/state"}) == "/state/queuectl"


@pytest.mark.parametrize("environ", [{}, {"XDG_STATE_HOME": ""}, {"XDG_STATE_HOME": "not/absolute"}])
def test_default_is_in_the_folder_of_the_user(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/users/me")
    assert default_path(environ) == "/users/me/.local/state/queuectl"


def test_home_stays_the_same_when_the_working_folder_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home = Home("here")
    assert home.path == str(tmp_path / "here")
    assert home.journal == str(tmp_path / "here" / "journal")


def test_files_have_their_documented_names() -> None:
    home = Home("/h")
    assert [home.lock, home.pid_file, home.socket, home.supervisor_log, home.reserve] == [
        "/h/lock",
        "/h/supervisor.pid",
        "/h/control.sock",
        "/h/supervisor.log",
        "/h/reserve",
    ]
    assert [home.journal, home.store, home.run, home.logs] == ["/h/journal", "/h/store", "/h/run", "/h/logs"]
    of_a_worker = [home.worker_lock("w1"), home.tree_lock("w1"), home.outcome("w1")]
    assert of_a_worker == ["/h/run/w1.lock", "/h/run/w1.tree", "/h/run/w1.outcome"]


def test_naming_a_home_creates_nothing(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "home"))
    assert home.exists() is False
    assert list(tmp_path.iterdir()) == []
    assert Home(str(tmp_path / "not" / "there")).exists() is False


@pytest.mark.parametrize("umask", [0, 0o277])
def test_prepared_home_is_private_under_every_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        home = a_home(tmp_path)
    finally:
        os.umask(before)
    assert home.exists() is True
    for folder in (home.path, home.journal, home.store, home.run, home.logs):
        assert mode(folder) == 0o700, folder


def test_preparing_again_keeps_files_and_adds_missing_folders(tmp_path: Path) -> None:
    home = a_home(tmp_path)
    Path(home.logs, "w1.0001.log").write_bytes(b"output")
    os.rmdir(home.run)
    home.prepare()
    assert os.path.isdir(home.run)
    assert Path(home.logs, "w1.0001.log").read_bytes() == b"output"


def test_empty_folder_is_no_home_but_may_become_one(tmp_path: Path) -> None:
    home = Home(str(tmp_path))
    os.chmod(tmp_path, 0o755)
    assert home.exists() is False
    home.prepare()
    assert home.exists() is True


def refused(home: Home) -> str:
    """Return the reason why both a read and a preparation refuse this home."""
    with pytest.raises(BadHome) as asked:
        home.exists()
    with pytest.raises(BadHome) as prepared:
        home.prepare()
    assert str(asked.value) == str(prepared.value)
    return str(asked.value)


@pytest.mark.parametrize("open_to", [0o720, 0o702, 0o777])
def test_home_that_others_may_write_to_is_refused(tmp_path: Path, open_to: int) -> None:
    home = a_home(tmp_path)
    os.chmod(home.path, open_to)
    assert "other users can write to it" in refused(home)


def test_home_of_another_user_is_refused(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        home = a_home(tmp_path)
        os.chown(home.path, 54_321, -1)
    else:
        home = Home("/")
    assert "it belongs to UID" in refused(home)


def test_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_bytes(b"")
    with pytest.raises(BadHome, match="it is not a folder"):
        Home(str(tmp_path / "home")).exists()
    with pytest.raises(BadHome):
        Home(str(tmp_path / "home")).prepare()


def test_home_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    home = Home(str(tmp_path / "file" / "home"))
    with pytest.raises(BadHome, match="part of its path is a file, not a folder"):
        home.exists()
    with pytest.raises(BadHome, match="part of its path is a file, not a folder"):
        home.prepare()


def test_folders_above_a_home_are_created(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "some" / "where" / "home"))
    home.prepare()
    assert home.exists() is True


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_home_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    home = a_home(tmp_path)
    os.chmod(home.path, 0o300)
    assert "you have no read permission" in refused(home)


def test_refusal_names_the_folder_and_the_remedy(tmp_path: Path) -> None:
    home = a_home(tmp_path)
    os.chmod(home.path, 0o777)
    message = refused(home)
    assert home.path in message and "chmod" in message and "--home" in message
