"""Torn and damaged journals: recovery returns an earlier state with every acknowledged change."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from queuectl_core.errors import Corrupt
from queuectl_core.home import Home
from queuectl_core.model import commands
from queuectl_core.model.attempt import AttemptResult
from queuectl_core.service.ledger import Ledger
from queuectl_core.storage import journal_format
from tests.builders import random_command, state_of

NOW_MS = 1_700_000_000_000


def random_states(home: Home, seed: int, steps: int) -> list[tuple[int, dict[str, object]]]:
    """Handle random commands without a flush; return the length of the journal and the state after
    each frame.
    """
    source = random.Random(seed)
    ledger = Ledger(home)
    states = [(journal_size(home), state_of(ledger.table))]
    for step in range(steps):
        try:
            ledger.decide(random_command(source, ledger.table, NOW_MS + step), NOW_MS + step)
        except Exception as refusal:
            assert hasattr(refusal, "exit_status"), refusal
        if ledger.write():
            ledger.sync()
            states.append((journal_size(home), state_of(ledger.table)))
    ledger.close()
    return states


def journal_path(home: Home) -> str:
    return os.path.join(home.journal, sorted(name for name in os.listdir(home.journal) if name.endswith(".log"))[-1])


def journal_size(home: Home) -> int:
    return os.path.getsize(journal_path(home))


def a_copy(home: Home, target: Path) -> Home:
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(home.path, target)
    return Home(str(target))


def recovered(home: Home) -> dict[str, object]:
    ledger = Ledger(home)
    try:
        return state_of(ledger.table)
    finally:
        ledger.close()


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    given = request.config.getoption("--seed")
    return random.randrange(10**9) if given is None else given


def test_every_prefix_of_a_journal_recovers_to_the_state_it_had(tmp_path: Path, seed: int) -> None:
    home = Home(str(tmp_path / "home"))
    home.prepare()
    states = random_states(home, seed, 40)
    whole = Path(journal_path(home)).read_bytes()
    for size in range(journal_format.SEGMENT_HEADER_BYTES, len(whole) + 1, 7):
        copy = a_copy(home, tmp_path / "copy")
        Path(journal_path(copy)).write_bytes(whole[:size])
        expected = next(state for length, state in reversed(states) if length <= size)
        assert recovered(copy) == expected, f"seed {seed}, cut at {size}"


@pytest.mark.parametrize("damage", ["zeroed", "garbage", "shuffled"])
def test_a_damaged_suffix_never_yields_another_record(tmp_path: Path, seed: int, damage: str) -> None:
    """Damage everything behind some byte: recovery returns an earlier state or refuses, and invents
    nothing.
    """
    home = Home(str(tmp_path / "home"))
    home.prepare()
    states = random_states(home, seed, 40)
    source = random.Random(seed)
    whole = Path(journal_path(home)).read_bytes()
    for _ in range(60):
        start = source.randrange(journal_format.SEGMENT_HEADER_BYTES, len(whole))
        copy = a_copy(home, tmp_path / "copy")
        Path(journal_path(copy)).write_bytes(whole[:start] + damaged(whole[start:], damage, source))
        try:
            assert recovered(copy) in [state for _, state in states], f"seed {seed}, from {start}"
        except Corrupt:
            pass


def damaged(data: bytes, how: str, source: random.Random) -> bytes:
    if how == "zeroed":
        return bytes(len(data))
    if how == "garbage":
        return source.randbytes(len(data)) if hasattr(source, "randbytes") else os.urandom(len(data))
    pages = [data[start : start + 512] for start in range(0, len(data), 512)]
    source.shuffle(pages)
    return b"".join(pages)


def test_every_flipped_bit_is_detected(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Flip a bit: a later frame proves that it was synced, so recovery refuses; in the last frame
    it is torn off.

    A quick run flips one bit of each byte, --long all.
    """
    home = Home(str(tmp_path / "home"))
    home.prepare()
    ledger = Ledger(home)
    states = [state_of(ledger.table)]
    for number in range(3):
        ledger.decide(commands.Enqueue([{"id": f"n{number}", "command": "true"}], "/"), NOW_MS)
        ledger.write()
        ledger.sync()
        states.append(state_of(ledger.table))
    ledger.close()
    whole = Path(journal_path(home)).read_bytes()
    refused = 0
    bits = range(len(whole) * 8)
    if not request.config.getoption("--long"):
        bits = [byte * 8 + byte % 8 for byte in range(len(whole))]
    for bit in bits:
        copy = a_copy(home, tmp_path / "copy")
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        Path(journal_path(copy)).write_bytes(flipped)
        try:
            assert recovered(copy) == states[2], f"bit {bit}: only the last frame may be taken for a torn one"
        except Corrupt:
            refused += 1
    last_frame = whole.rindex(b"qFrm")
    assert refused == sum(bit // 8 < last_frame for bit in bits)


@pytest.mark.parametrize("drop", ["all", "some"])
def test_unsynced_sectors_may_vanish_in_any_order(tmp_path: Path, seed: int, drop: str) -> None:
    """Simulate a power cut that keeps only some unsynced sectors: synced changes are always there."""
    source = random.Random(seed)
    home = Home(str(tmp_path / "home"))
    home.prepare()
    ledger = Ledger(home)
    for number in range(30):
        ledger.decide(commands.Enqueue([{"id": f"n{number}", "command": "true"}], "/"), NOW_MS)
        ledger.write()
    ledger.sync()
    synced, at_sync = journal_size(home), state_of(ledger.table)
    for _ in range(20):
        job = ledger.decide(commands.Dispatch("w1"), NOW_MS)
        ledger.write()
        ledger.decide(commands.Finish(job.id, job.running()["run"], AttemptResult("exit", 0, None, NOW_MS, 1)), NOW_MS)
        ledger.write()
    ledger.close()
    whole = Path(journal_path(home)).read_bytes()
    for _ in range(100):
        image = bytearray(whole)
        for start in range(synced - synced % 512 + 512, len(whole), 512):
            if drop == "all" or source.random() < 0.5:
                image[start : start + 512] = bytes(len(image[start : start + 512]))
        if source.random() < 0.5:
            del image[source.randrange(synced, len(whole)) :]
        copy = a_copy(home, tmp_path / "copy")
        Path(journal_path(copy)).write_bytes(image)
        state = recovered(copy)
        ids = {id for id, _ in at_sync["jobs"]}  # type: ignore[attr-defined]
        assert {id for id, _ in state["jobs"]} == ids, f"seed {seed}"  # type: ignore[attr-defined]
