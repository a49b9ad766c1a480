"""Reserve: space that is really held back, given up once, and taken again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from queuectl_core import reserve
from queuectl_core.reserve import RESERVE_BYTES, Reserve
from tests.builders import file_size_limit


def test_reserve_is_taken_given_up_and_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "reserve"
    held = Reserve(str(path))
    assert (held.is_held, path.exists()) == (False, False)
    assert held.take() is True
    assert (held.is_held, path.exists()) == (True, True)
    assert held.give_up() is True
    assert (held.is_held, path.exists()) == (False, False)
    assert held.take() is True


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems may hold zeros back without blocks")
def test_reserve_really_takes_up_space(tmp_path: Path) -> None:
    Reserve(str(tmp_path / "reserve")).take()
    found = os.stat(tmp_path / "reserve")
    assert found.st_size == RESERVE_BYTES
    assert found.st_blocks * 512 >= RESERVE_BYTES


def test_reserve_of_an_earlier_process_is_still_held(tmp_path: Path) -> None:
    Reserve(str(tmp_path / "reserve")).take()
    later = Reserve(str(tmp_path / "reserve"))
    assert later.is_held
    assert later.give_up() is True


def test_what_is_not_held_cannot_be_given_up(tmp_path: Path) -> None:
    held = Reserve(str(tmp_path / "reserve"))
    assert held.give_up() is False
    held.take()
    held.give_up()
    assert held.give_up() is False


def test_reserve_that_cannot_be_had_is_not_held_and_leaves_nothing(tmp_path: Path) -> None:
    held = Reserve(str(tmp_path / "reserve"))
    with file_size_limit(RESERVE_BYTES // 2):
        assert held.take() is False
    assert not held.is_held
    assert list(tmp_path.iterdir()) == []
    assert held.take() is True


def test_reserve_is_not_taken_where_it_would_be_the_last_of_the_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = os.statvfs(tmp_path)
    monkeypatch.setattr(reserve, "RESERVE_BYTES", disk.f_bavail * disk.f_frsize * 3 // 4)
    assert Reserve(str(tmp_path / "reserve")).take() is False
    assert list(tmp_path.iterdir()) == []


def test_half_made_reserve_of_a_crash_is_none_and_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "reserve.new").write_bytes(b"half")
    held = Reserve(str(tmp_path / "reserve"))
    assert not held.is_held
    assert held.take() is True
    assert [path.name for path in tmp_path.iterdir()] == ["reserve"]


def test_room_is_judged_by_what_the_disk_has_free(tmp_path: Path) -> None:
    held = Reserve(str(tmp_path / "reserve"))
    disk = os.statvfs(tmp_path)
    assert held.has_room_for(1)
    assert not held.has_room_for((disk.f_blocks + 1) * disk.f_frsize)
