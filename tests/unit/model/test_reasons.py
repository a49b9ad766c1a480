"""The cause that the reason of a dead job tells. Stores of every version have these texts."""

from __future__ import annotations

import pytest

from queuectl_core.model.reasons import cause_of, dependency_ended


@pytest.mark.parametrize(
    "reason, cause",
    [
        ("exit code 1", "failed"),
        ("killed by SIGKILL", "failed"),
        ("could not be started: job x, which it waited for, died", "failed"),
        ("", "failed"),
        (None, "failed"),
        ("canceled by hand", "canceled"),
        ("canceled", "canceled"),
        ("canceled; exit code 143 (SIGTERM)", "canceled"),
        ("canceled while it ran (SIGTERM)", "canceled"),
        ("replaced", "canceled"),
        ("replaced by job b", "canceled"),
        ("job a, which it waited for, died", "dependency_failed"),
        ("job a, which it waited for, was canceled", "dependency_canceled"),
        ("job a, which it waited for, was removed", "dependency_canceled"),
    ],
)
def test_reason_tells_the_cause(reason: str | None, cause: str) -> None:
    assert cause_of(reason) == cause


def test_dependant_says_how_its_dependency_ended() -> None:
    assert dependency_ended("a", "exit code 1") == "job a, which it waited for, died"
    assert dependency_ended("a", "replaced by job b") == "job a, which it waited for, was canceled"
    assert dependency_ended("b", dependency_ended("a", "exit code 1")) == "job b, which it waited for, died"
    assert dependency_ended("b", dependency_ended("a", None)) == "job b, which it waited for, was canceled"
