"""Summary: what ran lately, in a home with jobs of several queues and results."""

from __future__ import annotations

from tests.homes import CommandLine


def test_counts_jobs_by_queue_and_name(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--name", "ok", "--", "true", ":::", "1", "2", "3")
    queuectl.ok("enqueue", "--queue", "gpu", "--max-retries", "2", "--backoff-base", "0", "--id", "bad", "--", "false")
    queuectl.ok("enqueue", "--delay", "1h", "--", "true")
    queuectl.until_done(completed=3, dead=1)
    summary = queuectl.json("summary")
    totals = {(group["queue"], group["name"]): group for group in summary["groups"]}
    assert set(totals) == {("default", "ok"), ("gpu", None)}
    assert [totals["default", "ok"][what] for what in ("jobs", "completed", "dead", "retried", "attempts")] == [3, 3, 0, 0, 3]
    assert [totals["gpu", None][what] for what in ("jobs", "completed", "dead", "retried", "attempts")] == [1, 0, 1, 1, 3]
    assert summary["total"]["jobs"] == 4 and summary["total"]["run_ms"] >= 0
    assert summary["top"]["retries"] == [{"id": "bad", "retries": 2}]


def test_the_table_has_a_line_for_each_group_and_for_all(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--queue", "a", "--", "true")
    queuectl.ok("enqueue", "--queue", "b", "--", "true")
    queuectl.until_done(completed=2)
    lines = queuectl.ok("summary", "--since", "1h").splitlines()
    assert lines[1].split() == ["QUEUE", "NAME", "JOBS", "COMPLETED", "DEAD", "RETRIED", "ATTEMPTS", "RUN", "CPU"]
    assert sorted(line.split()[0] for line in lines[2:4]) == ["a", "b"]
    assert lines[4].split()[:3] == ["all", "-", "2"]
    assert lines[5].startswith(("longest attempts: ", "most memory: "))


def test_says_how_many_attempts_a_retry_by_hand_reset(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--max-retries", "1", "--backoff-base", "0", "--id", "bad", "--", "false")
    queuectl.until_done(dead=1)
    assert "ATTEMPTS:" not in queuectl.ok("summary")
    queuectl.ok("pause")
    queuectl.ok("dlq", "retry", "bad", "--command", "true")
    queuectl.ok("resume")
    queuectl.until_done(completed=1)
    assert "not in ATTEMPTS: 2 before a retry by hand, or that don't count\n" in queuectl.ok("summary")


def test_leaves_out_jobs_that_ended_earlier(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--", "true")
    queuectl.until_done(completed=1)
    assert queuectl.json("summary", "--since", "2999-01-01")["total"]["jobs"] == 0
    assert queuectl.json("summary", "--since", "2000-01-01")["total"]["jobs"] == 1


def test_refuses_a_time_that_it_does_not_understand(queuectl: CommandLine) -> None:
    assert "--since needs a time" in queuectl.refused(2, "summary", "--since", "soon")
