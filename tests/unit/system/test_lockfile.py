"""Locks on files: one holder at a time, identified by the open file and not by the process."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from queuectl_core.system import lockfile
from tests.builders import open_descriptors


def acquired(path: Path) -> int:
    descriptor = lockfile.acquire(str(path))
    assert descriptor is not None
    return descriptor


def test_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = acquired(path)
    assert lockfile.acquire(str(path)) is None
    os.close(first)
    os.close(acquired(path))


def test_is_held_is_true_only_while_a_lock_is_held(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    descriptor = acquired(path)
    assert lockfile.is_held(str(path))
    os.close(descriptor)
    assert not lockfile.is_held(str(path))


def test_is_held_changes_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    descriptor = acquired(path)
    assert lockfile.is_held(str(path)) is True and lockfile.acquire(str(path)) is None
    os.close(descriptor)
    assert lockfile.is_held(str(path)) is False
    os.close(acquired(path))


def test_missing_lock_file_is_not_held_and_not_created(tmp_path: Path) -> None:
    assert not lockfile.is_held(str(tmp_path / "lock"))
    assert list(tmp_path.iterdir()) == []


def test_lock_lasts_as_long_as_any_copy_of_its_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    descriptor = acquired(path)
    inherited = os.dup(descriptor)
    os.close(descriptor)
    assert lockfile.is_held(str(path))
    os.close(inherited)
    assert not lockfile.is_held(str(path))


def test_failed_lock_leaves_no_descriptor_open(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    descriptor = acquired(path)
    before = open_descriptors()
    for _ in range(3):
        lockfile.acquire(str(path))
        lockfile.is_held(str(path))
    assert open_descriptors() == before
    os.close(descriptor)


def test_lock_file_is_private_and_not_inherited(tmp_path: Path) -> None:
    descriptor = acquired(tmp_path / "lock")
    assert stat.S_IMODE(os.fstat(descriptor).st_mode) == 0o600
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


def test_content_of_a_lock_file_stays(tmp_path: Path) -> None:
    (tmp_path / "lock").write_bytes(b"4711\n")
    os.close(acquired(tmp_path / "lock"))
    assert (tmp_path / "lock").read_bytes() == b"4711\n"


def test_lock_without_a_file_is_an_error_and_not_a_held_lock(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        lockfile.acquire(str(tmp_path / "nowhere" / "lock"))
