"""Waiting: a wait that no supervisor has room for, and one for a supervisor that is stopped."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from queuectl_core import waiting
from queuectl_core.errors import InvalidInput, OutcomeUnknown
from queuectl_core.home import Home
from queuectl_core.transport import Transport


class FullSupervisor:
    """A client of a supervisor that has no room for more jobs to wait for."""

    def send(self, verb: str, **fields: object) -> None:
        pass

    def receive(self, timeout_s: float | None) -> dict[str, object]:
        return {"ended": None}

    def close(self) -> None:
        pass


def test_wait_for_the_first_of_too_many_jobs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MOST_WATCHED", 2)
    monkeypatch.setattr(Transport, "connect", lambda self: FullSupervisor())
    transport = Transport(Home(tmp_path), 5.0, lambda text: None)
    wait = waiting.JobWait(transport, 30.0, waiting.Watch("first"))
    with pytest.raises(InvalidInput, match="at most 2"):
        wait.for_ids(["a", "b", "c"])


class StoppedSupervisor(FullSupervisor):
    """A client of a supervisor that does not reply."""

    def receive(self, timeout_s: float | None) -> dict[str, object]:
        assert timeout_s is not None and timeout_s < 1, "it must wait no longer than its own timeout"
        time.sleep(timeout_s)
        raise OutcomeUnknown(what="the supervisor did not answer")


def test_wait_for_a_stopped_supervisor_ends_at_its_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Transport, "connect", lambda self: StoppedSupervisor())
    transport = Transport(Home(tmp_path), 30.0, lambda text: None)
    assert waiting.JobWait(transport, 0.05, waiting.Watch("first")).for_ids(["a"]) is None
