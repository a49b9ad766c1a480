"""Health: whether a home accepts work."""

from __future__ import annotations

from typing import Any

import pytest

from queuectl_core.view import health

RUNNING = {"pid": 7, "state": "running"}


@pytest.mark.parametrize(
    ("fields", "is_healthy", "text"),
    [
        ({"supervisor": None}, False, "no supervisor is running in /home; start one with `queuectl worker start`"),
        ({"supervisor": {**RUNNING, "state": "stopping"}}, False, "the supervisor (pid 7) is stopping"),
        ({"short_of": "space"}, False, "the disk that holds /home is full: no job starts until there is room"),
        ({}, True, "supervisor running, pid 7, 2 workers"),
        ({"workers": [{}]}, True, "supervisor running, pid 7, 1 worker"),
        ({"paused_since": "2026"}, True, "supervisor running, pid 7, 2 workers; all queues are paused"),
    ],
)
def test_health(fields: dict[str, Any], is_healthy: bool, text: str) -> None:
    status: Any = {"supervisor": RUNNING, "short_of": None, "workers": [{}, {}], "paused_since": None, **fields}
    assert health.of(status, "/home") == (is_healthy, text)
