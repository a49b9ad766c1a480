"""A home of a newer version: queuectl says so, never calls it damaged, and never advises
`--repair`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl_core.errors import NewerFormat
from queuectl_core.home import Home
from queuectl_core.model import commands
from queuectl_core.repair import doctor, salvage
from queuectl_core.service.ledger import Ledger
from queuectl_core.storage import journal_format, journal_reader
from queuectl_core.storage.backends import available
from queuectl_core.storage.journal_format import Frame, SegmentHeader
from queuectl_core.storage.journal_scanner import segment_paths
from tests.builders import NOW_MS

NEWER_ENDING = b'[["purged","a",1],["succeeded","a",1,["exit",0,null,1,1,null,0,0,0,null,null,null,1]]]'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(str(tmp_path / "home"))
    made.prepare()
    return made


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Home]:
    made = Home(str(tmp_path / "rescued"))
    yield made
    assert not os.path.exists(made.path), "a refused salvage leaves nothing"


def contents(home: Home) -> dict[str, bytes]:
    paths = (os.path.join(folder, name) for folder, _, names in os.walk(home.path) for name in names)
    return {path: Path(path).read_bytes() for path in paths}


def assert_all_refuse(home: Home, target: Home) -> None:
    before = contents(home)
    looks = [
        lambda: Ledger(home),
        lambda: Ledger(home, read_only=True),
        lambda: doctor.examine(home),
        lambda: salvage.salvage(home, target),
    ]
    for look in looks:
        with pytest.raises(NewerFormat) as refused:
            look()
        assert "repair" not in str(refused.value)
    kept = {path: data for path, data in contents(home).items() if path in before}
    assert kept == before


def begin(home: Home) -> int:
    """Make a home of the current version, and return its log ID."""
    opened = Ledger(home)
    opened.close()
    return opened.journal.log_id


def test_journal_of_a_newer_version_is_refused(home: Home, target: Home) -> None:
    newer = SegmentHeader(journal_format.VERSION + 1, 5, 1, 1)
    Path(home.journal, "0000000001.log").write_bytes(journal_format.encode_segment_header(newer))
    assert_all_refuse(home, target)
    with pytest.raises(NewerFormat):
        list(journal_reader.read(home.journal, 0))


@pytest.mark.parametrize("payload", [b'[["exploded","a",1]]', b'[["purged","a",1,2]]', NEWER_ENDING])
def test_unknown_event_or_field_belongs_to_a_newer_version(home: Home, payload: bytes) -> None:
    log_id = begin(home)
    with open(segment_paths(home.journal)[-1], "ab") as file:
        file.write(journal_format.encode_frame(log_id, Frame(1, 1, 0, 0, payload)))
    before = contents(home)
    looks = [lambda: Ledger(home), lambda: doctor.examine(home), lambda: list(journal_reader.read(home.journal, 0))]
    for look in looks:
        with pytest.raises(NewerFormat) as refused:
            look()
        assert "repair" not in str(refused.value)
    assert contents(home) == before


@pytest.mark.parametrize("backend", available())
def test_store_of_a_newer_version_is_refused(
    home: Home, target: Home, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUEUECTL_STORE", backend)
    opened = Ledger(home)
    opened.decide(commands.Enqueue([{"id": "a", "command": "true"}], "/"), NOW_MS)
    opened.write()
    opened.checkpoint()
    meta = json.loads(opened._store.get(b"meta") or b"")
    opened._store.write([(b"meta", json.dumps({**meta, "format": meta["format"] + 1}).encode())], [])
    opened._store.sync()
    opened.close()
    assert_all_refuse(home, target)
