"""Context: what everybody may ask is asked seldom."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from queuectl_core.web import context


class _Home:
    path = "/nowhere"
    journal = "/nowhere/journal"


class _Queue:
    home = _Home()
    asked = 0

    def status(self) -> dict[str, Any]:
        self.asked += 1
        return {}


def test_requests_without_a_token_that_come_close_together_share_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, queue = 100.0, _Queue()
    monkeypatch.setattr(context.health, "of", lambda status, path: (True, "ok"))
    monkeypatch.setattr(context.time, "monotonic", lambda: now_s)
    found = context.Context(queue, is_read_only=False)  # type: ignore[arg-type]
    assert all(found.is_ready() for _ in range(50)) and queue.asked == 1
    now_s += context.READY_S
    assert found.is_ready() and queue.asked == 2


def test_only_one_request_waits_for_a_supervisor_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    queue, is_asked, may_answer = _Queue(), threading.Event(), threading.Event()

    def hang() -> dict[str, Any]:
        is_asked.set()
        assert may_answer.wait(20)
        return {}

    monkeypatch.setattr(queue, "status", hang)
    monkeypatch.setattr(context.health, "of", lambda status, path: (True, "ok"))
    monkeypatch.setattr(context, "SHARED_S", 0.01)
    found = context.Context(queue, is_read_only=False)  # type: ignore[arg-type]
    first: list[bool] = []
    thread = threading.Thread(target=lambda: first.append(found.is_ready()))
    thread.start()
    assert is_asked.wait(20) and not found.is_ready()
    may_answer.set()
    thread.join()
    assert first == [True] and found.is_ready()
