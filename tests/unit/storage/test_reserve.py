"""Reserve: space that is held back, freed step by step, and filled again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from queuectl_core.storage import reserve
from queuectl_core.storage.reserve import RESERVE_BYTES, STEP_BYTES, Reserve
from tests.builders import file_size_limit, open_descriptors


def a_reserve(folder: Path) -> Reserve:
    held = Reserve(str(folder / "reserve"))
    assert held.make_whole() is True
    return held


def size(folder: Path) -> int:
    return (folder / "reserve").stat().st_size


def test_reserve_is_whole_only_after_it_is_filled(tmp_path: Path) -> None:
    held = Reserve(str(tmp_path / "reserve"))
    assert held.is_whole() is False
    assert held.make_whole() is True
    assert held.is_whole() is True
    assert size(tmp_path) == RESERVE_BYTES


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems may store zeros without blocks")
def test_reserve_takes_up_space_and_frees_it(tmp_path: Path) -> None:
    held = a_reserve(tmp_path)
    assert os.stat(tmp_path / "reserve").st_blocks * 512 >= RESERVE_BYTES
    held.give_up_some()
    assert os.stat(tmp_path / "reserve").st_blocks * 512 <= RESERVE_BYTES - STEP_BYTES + 4096
    held.make_whole()
    assert os.stat(tmp_path / "reserve").st_blocks * 512 >= RESERVE_BYTES


def test_reserve_is_freed_step_by_step(tmp_path: Path) -> None:
    held = a_reserve(tmp_path)
    steps = 0
    while held.give_up_some():
        steps += 1
        assert size(tmp_path) == RESERVE_BYTES - steps * STEP_BYTES
        assert not held.is_whole()
    assert (steps, size(tmp_path)) == (RESERVE_BYTES // STEP_BYTES, 0)
    assert held.make_whole() is True
    assert size(tmp_path) == RESERVE_BYTES


def test_last_step_may_be_smaller(tmp_path: Path) -> None:
    (tmp_path / "reserve").write_bytes(b"x")
    held = Reserve(str(tmp_path / "reserve"))
    assert [held.give_up_some(), held.give_up_some()] == [True, False]


def test_reserve_of_an_earlier_process_is_still_held(tmp_path: Path) -> None:
    a_reserve(tmp_path).give_up_some()
    later = Reserve(str(tmp_path / "reserve"))
    assert later.is_whole() is False
    assert later.make_whole() is True
    assert Reserve(str(tmp_path / "reserve")).is_whole() is True


def test_missing_reserve_cannot_be_freed(tmp_path: Path) -> None:
    assert Reserve(str(tmp_path / "reserve")).give_up_some() is False
    assert list(tmp_path.iterdir()) == []


def test_failed_fill_takes_no_space(tmp_path: Path) -> None:
    held = Reserve(str(tmp_path / "reserve"))
    with file_size_limit(RESERVE_BYTES // 2):
        assert held.make_whole() is False
    assert not held.is_whole()
    assert size(tmp_path) == 0
    assert held.make_whole() is True


def test_failed_fill_keeps_the_rest_of_the_reserve(tmp_path: Path) -> None:
    held = a_reserve(tmp_path)
    held.give_up_some()
    with file_size_limit(RESERVE_BYTES - STEP_BYTES // 2):
        assert held.make_whole() is False
    assert size(tmp_path) == RESERVE_BYTES - STEP_BYTES


def test_reserve_does_not_take_the_last_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = os.statvfs(tmp_path)
    monkeypatch.setattr(reserve, "RESERVE_BYTES", disk.f_bavail * disk.f_frsize * 3 // 4)
    assert Reserve(str(tmp_path / "reserve")).make_whole() is False
    assert list(tmp_path.iterdir()) == []


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    before = open_descriptors()
    a_reserve(tmp_path).give_up_some()
    assert open_descriptors() == before


def test_reserve_is_private(tmp_path: Path) -> None:
    a_reserve(tmp_path)
    assert (tmp_path / "reserve").stat().st_mode & 0o077 == 0


def test_room_depends_on_the_free_space_of_the_disk(tmp_path: Path) -> None:
    held = Reserve(str(tmp_path / "reserve"))
    disk = os.statvfs(tmp_path)
    assert held.has_room_for(1)
    assert not held.has_room_for((disk.f_blocks + 1) * disk.f_frsize)


@pytest.mark.parametrize("how", ["symlink", "link"])
def test_file_of_another_user_in_its_place_does_not_mean_a_full_disk(tmp_path: Path, how: str) -> None:
    (tmp_path / "other").write_text("x")
    getattr(os, how)(tmp_path / "other", tmp_path / "reserve")
    assert Reserve(str(tmp_path / "reserve")).shortage() is None
