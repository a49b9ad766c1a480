"""Run timer: a run becomes long, times out, ends by an order, and is killed, without a real clock."""

from __future__ import annotations

import math
from signal import SIGKILL, SIGTERM

from queuectl_core.worker.run_timer import KILLED, LONG_RUN_S, RUNNING, TERMINATING, RunTimer

BEGAN_S = 1000.0


def a_timer(timeout_s: float | None = None) -> RunTimer:
    return RunTimer(BEGAN_S, timeout_s, grace_s=5.0)


def a_long_timer(timeout_s: float | None = None) -> RunTimer:
    timer = a_timer(timeout_s)
    assert timer.becomes_long(BEGAN_S + LONG_RUN_S)
    return timer


def test_run_becomes_long_once() -> None:
    timer = a_timer()
    assert timer.next_deadline() == BEGAN_S + LONG_RUN_S
    assert not timer.becomes_long(BEGAN_S) and not timer.is_long
    assert timer.becomes_long(BEGAN_S + LONG_RUN_S) and timer.is_long
    assert not timer.becomes_long(BEGAN_S + 1)


def test_long_run_without_a_timeout_has_no_deadline() -> None:
    for none in (None, 0):
        timer = a_long_timer(none)
        assert timer.next_deadline() == math.inf
        assert timer.due_signal(BEGAN_S + 1e9) is None and timer.state == RUNNING


def test_timeout_comes_before_a_run_is_long() -> None:
    timer = a_timer(timeout_s=0.001)
    assert timer.next_deadline() == BEGAN_S + 0.001


def test_run_that_times_out_is_terminated_and_killed_after_the_grace_period() -> None:
    timer = a_long_timer(timeout_s=60)
    assert timer.next_deadline() == BEGAN_S + 60
    assert timer.due_signal(BEGAN_S + 59.9) is None
    assert timer.due_signal(BEGAN_S + 60) == SIGTERM
    assert timer.state == TERMINATING and timer.has_timed_out
    assert timer.next_deadline() == BEGAN_S + 65
    assert timer.due_signal(BEGAN_S + 64.9) is None
    assert timer.due_signal(BEGAN_S + 65) == SIGKILL
    assert timer.state == KILLED and timer.has_timed_out
    assert timer.next_deadline() == math.inf and timer.due_signal(BEGAN_S + 1e9) is None


def test_order_replaces_the_timeout() -> None:
    timer = a_long_timer(timeout_s=60)
    timer.terminate(BEGAN_S + 58, "canceled")
    assert timer.state == TERMINATING and timer.next_deadline() == BEGAN_S + 63
    assert timer.due_signal(BEGAN_S + 60) is None
    assert timer.due_signal(BEGAN_S + 63) == SIGKILL
    assert timer.reason == "canceled" and not timer.has_timed_out


def test_order_in_the_grace_period_of_a_timeout_starts_a_new_one() -> None:
    timer = a_long_timer(timeout_s=60)
    assert timer.due_signal(BEGAN_S + 60) == SIGTERM
    timer.terminate(BEGAN_S + 62, "canceled")
    assert timer.next_deadline() == BEGAN_S + 67 and not timer.has_timed_out


def test_second_order_neither_extends_the_grace_period_nor_replaces_the_reason() -> None:
    timer = a_long_timer()
    timer.terminate(BEGAN_S + 1, "canceled")
    timer.terminate(BEGAN_S + 3, "stopped by hand")
    assert timer.reason == "canceled" and timer.next_deadline() == BEGAN_S + 6


def test_attempt_counts_after_an_order_without_a_reason() -> None:
    timer = a_long_timer(timeout_s=60)
    timer.terminate(BEGAN_S + 1, None)
    assert timer.reason is None and timer.state == TERMINATING and not timer.has_timed_out
