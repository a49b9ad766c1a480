"""Wait: after a timeout, the count of unfinished jobs takes little time in any home."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import Any

import pytest

from queuectl_core.cli.job_commands import wait


class LargeHome:
    """A queue with unfinished jobs that never end."""

    deadline_s = 5.0

    def select(self, **wanted: object) -> Iterator[list[str]]:
        return repeat(["a"])

    def kept(self, ids: list[str]) -> Iterator[list[dict[str, Any]]]:
        return iter([[{"id": id, "state": "completed" if id == "done" else "pending"} for id in ids]])


def test_the_count_of_matching_jobs_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "ANSWER_WITHIN_S", 0.01)
    assert wait._unfinished(LargeHome(), [], {}) == "some jobs"  # type: ignore[arg-type]


def test_the_count_of_named_jobs_asks_for_these_only() -> None:
    assert wait._unfinished(LargeHome(), ["a", "done"], {}) == "1 job"  # type: ignore[arg-type]
