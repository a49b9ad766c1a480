"""Failure groups: dead jobs that failed in the same way belong together, and others do not."""

from __future__ import annotations

from typing import Any

import pytest

from queuectl_core.view.failure_groups import MAX_SAMPLES, groups_of, key_of, shape_of


def a_dead_job(id: str, command: str, reason: str = "exit code 1", **fields: object) -> Any:
    job = {"id": id, "command": command, "reason": reason, "queue": "default", "updated_at": "2026-01-02T03:04:05Z"}
    return {**job, "cause": "failed", **fields}


@pytest.mark.parametrize(
    ("command", "shape"),
    [
        ("./train.py --seed 17 --out '/data/a b'", "train.py --seed # --out '…'"),
        ("/usr/bin/python3 /home/me/train.py --lr=0.01", "python3 train.py --lr=#"),
        ("gzip /data/run-17/part.0001", "gzip /…"),
        ("cp a/b/c ~/x ../y", "cp /… /… /…"),
        ("fetch 9f86d081884c7d659a2feaa0 0xFF", "fetch # #"),
        ("fetch 123e4567-e89b-12d3-a456-426614174000", "fetch #"),
        ("sleep 2024-01-31", "sleep #"),
        ('echo "say \\"hi\\" 3 times" x', "echo '…' x"),
        ("curl https://example.org/a?b=1", "curl https://…"),
        ("deadbeef facade", "deadbeef facade"),
        ("exit 3", "exit #"),
        ("  a   b  ", "a b"),
        ("", ""),
        ("/", "/"),
    ],
)
def test_the_shape_of_a_command(command: str, shape: str) -> None:
    assert shape_of(command) == shape


def test_a_long_command_has_a_short_shape() -> None:
    assert len(shape_of("x" * 100_000)) <= 200
    assert len(shape_of("1 " * 100_000)) <= 200


def test_jobs_of_one_shape_and_reason_are_one_group_and_the_largest_comes_first() -> None:
    jobs = [
        a_dead_job("a", "run 1", queue="gpu"),
        a_dead_job("b", "run 2"),
        a_dead_job("c", "run 3", "killed by signal 9"),
    ]
    one, two = groups_of(jobs)
    assert (one["shape"], one["reason"], one["count"], one["sample_ids"]) == ("run #", "exit code 1", 2, ["a", "b"])
    assert one["queues"] == ["gpu", "default"]
    assert (two["reason"], two["count"]) == ("killed by signal 9", 1)
    assert one["key"] == key_of(jobs[0]) == key_of(jobs[1]) != two["key"] == key_of(jobs[2])


def test_dependants_are_one_group_whatever_they_waited_for() -> None:
    jobs = [
        a_dead_job(str(n), "run", f"job j{n}, which it waited for, died", cause="dependency_failed") for n in range(3)
    ]
    assert [(group["reason"], group["count"]) for group in groups_of(jobs)] == [("a job that it waited for died", 3)]


def test_a_group_names_few_jobs() -> None:
    (group,) = groups_of(a_dead_job(str(n), f"run {n}") for n in range(1000))
    assert (group["count"], len(group["sample_ids"])) == (1000, MAX_SAMPLES)


def test_reasons_that_differ_only_in_paths_or_quoted_words_are_the_same() -> None:
    one = a_dead_job("a", "run", "cannot start: no folder '/x/1'")
    two = a_dead_job("b", "run", "cannot start: no folder '/y/2'")
    assert key_of(one) == key_of(two)
