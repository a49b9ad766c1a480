"""Job, and the rules for a request for one."""

from __future__ import annotations

import json

import pytest

from queuectl_core.errors import InvalidJob
from queuectl_core.model.attempt import record_of
from queuectl_core.model.job import PENDING, PROCESSING, Job
from queuectl_core.model.job_spec import MAX_COMMAND_BYTES, OWN_FIELDS, check_spec
from queuectl_core.model.validators import fault_in, job_id

STARTED: dict[str, object] = {"attempt": 1, "worker": "w1", "started_ms": 2_000}
ENDED: dict[str, object] = {
    "attempt": 1,
    "worker": "w1",
    "started_ms": 2_000,
    "ended_ms": 3_500,
    "duration_ms": 1_500,
    "outcome": "exit",
    "exit_code": 1,
    "signal": None,
    "reason": "exit code 1",
    "log_file": "w1.0001.log",
    "log_offset": 7,
    "output_bytes": 12,
    "dropped_bytes": 3,
}


def a_job(**fields: object) -> Job:
    return Job("a", 1, "true", "/somewhere", 3, 2, 1_000, **fields)  # type: ignore[arg-type]


def test_new_job_is_pending_and_has_not_run() -> None:
    job = a_job()
    assert (job.state, job.attempts, job.updated_ms, job.due_ms, job.history) == (PENDING, 0, 1_000, None, [])
    assert (job.losses, job.reason, job.revision) == (0, None, 0)


def test_jobs_do_not_share_their_history() -> None:
    first, second = a_job(), a_job()
    first.history.append(dict(STARTED))
    assert second.history == []


def test_job_survives_the_store_with_every_field() -> None:
    job = a_job(
        state="failed",
        attempts=2,
        updated_ms=9,
        due_ms=99,
        losses=1,
        reason="because",
        history=[ENDED],
        revision=7,
        options={"after": ["b"], "queue": "gpu"},
        blockers=["b"],
        cancel=15,
        suspended=True,
        wall_ms=98,
        place="000000000004i.000000000009",
    )
    again = Job(**json.loads(json.dumps(job.fields())))
    assert again.fields() == job.fields()
    assert set(job.fields()) == set(Job.__slots__)


def test_record_has_the_documented_fields() -> None:
    record = a_job(updated_ms=61_000).record()
    promised = {key: record[key] for key in list(record)[:7]}
    assert promised == {
        "id": "a",
        "command": "true",
        "state": "pending",
        "attempts": 0,
        "max_retries": 3,
        "created_at": "1970-01-01T00:00:01Z",
        "updated_at": "1970-01-01T00:01:01Z",
    }
    assert {"backoff_base", "cwd", "next_run_at", "reason", "worker", "history"} <= set(record)


def test_record_names_a_worker_only_while_the_job_runs() -> None:
    assert a_job(state=PROCESSING, history=[STARTED]).record()["worker"] == "w1"
    assert a_job(state="failed", history=[STARTED]).record()["worker"] is None
    assert a_job().record()["worker"] is None


def test_record_does_not_change_with_the_job() -> None:
    job = a_job(state=PROCESSING, history=[dict(STARTED)])
    record = job.record()
    before = json.dumps(record)
    job.history[-1]["outcome"] = "exit"
    job.history.append(dict(STARTED))
    job.state = "completed"
    assert json.dumps(record) == before


def test_running_attempt_has_all_fields() -> None:
    running, ended = record_of(STARTED), record_of(ENDED)
    assert a_job(state="failed", history=[ENDED, STARTED]).record()["history"] == [ended, running]
    assert list(running) == list(ended)
    assert running["outcome"] is None and running["ended_at"] is None and running["dropped_bytes"] == 0
    assert running["started_at"] == "1970-01-01T00:00:02Z"
    assert ended == {
        "attempt": 1,
        "worker": "w1",
        "started_at": "1970-01-01T00:00:02Z",
        "ended_at": "1970-01-01T00:00:03Z",
        "duration_ms": 1_500,
        "outcome": "exit",
        "exit_code": 1,
        "signal": None,
        "reason": "exit code 1",
        "output_file": "w1.0001.log",
        "output_offset": 7,
        "output_bytes": 12,
        "dropped_bytes": 3,
        "cpu_ms": None,
        "peak_bytes": None,
    }


def test_running_is_the_newest_attempt() -> None:
    job = a_job(state=PROCESSING, history=[ENDED, {**STARTED, "attempt": 2}])
    assert job.running()["attempt"] == 2


GOOD = [
    {"command": "true"},
    {"command": "echo 'ü' && exit 3", "id": "a", "max_retries": 0, "backoff_base": 0, "cwd": "/"},
    {"command": "x", "max_retries": 1000, "backoff_base": 3600},
    {"command": "x", "backoff_base": 0.25},
    {"command": "several\nlines\tof it"},
]


@pytest.mark.parametrize("spec", GOOD, ids=repr)
def test_valid_request_is_accepted(spec: dict[str, object]) -> None:
    assert check_spec(dict(spec)) == spec


REFUSED = [
    ("true", "must be a JSON object"),
    (None, "not null"),
    (["true"], "not a list"),
    (True, "not true"),
    (7, "not a number (7)"),
    ({}, 'needs a "command"'),
    ({"id": "a"}, 'needs a "command"'),
    ({"command": ""}, "command: must not be empty"),
    ({"command": " \n"}, "command: must not be empty"),
    ({"command": None}, "command: must be text, not null"),
    ({"command": ["true"]}, "command: must be text, not a list"),
    ({"command": "a\0b"}, "command: must not contain a NUL byte"),
    ({"command": "\ud800"}, "command: is not valid UTF-8"),
    ({"command": "x", "id": 5}, "id: must be text, not a number (5)"),
    ({"command": "x", "id": None}, "id: must be text, not null"),
    ({"command": "x", "id": ""}, "id: '' cannot be an ID"),
    ({"command": "x", "max_retries": -1}, "max_retries: must be from 0 to 1000, not -1"),
    ({"command": "x", "max_retries": 1001}, "max_retries: must be from 0 to 1000, not 1001"),
    ({"command": "x", "max_retries": 3.0}, "max_retries: must be a whole number"),
    ({"command": "x", "max_retries": True}, "max_retries: must be a whole number from 0 to 1000, not true"),
    ({"command": "x", "max_retries": "3"}, "max_retries: must be a whole number"),
    ({"command": "x", "max_retries": 10**5000}, "max_retries: must be from 0 to 1000"),
    ({"command": "x", "backoff_base": -0.1}, "backoff_base: must be from 0 to 3600"),
    ({"command": "x", "backoff_base": 3600.5}, "backoff_base: must be from 0 to 3600"),
    ({"command": "x", "backoff_base": float("nan")}, "backoff_base: must be a number of seconds"),
    ({"command": "x", "backoff_base": float("inf")}, "backoff_base: must be a number of seconds"),
    ({"command": "x", "backoff_base": False}, "backoff_base: must be a number of seconds from 0 to 3600, not false"),
    ({"command": "x", "backoff_base": 10**5000}, "backoff_base: must be from 0 to 3600"),
    ({"command": "x", "cwd": "here"}, "cwd: must be an absolute path"),
    ({"command": "x", "cwd": ""}, "cwd: must be an absolute path"),
    ({"command": "x", "cwd": 1}, "cwd: must be text"),
    ({"command": "x", "cwd": "/a\0"}, "cwd: must not contain a NUL byte"),
    ({"command": "x", "cwd": "/" + "d" * 4095}, "cwd: has 4096 bytes"),
    ({"command": "x", "comand": "y"}, "did you mean 'command'?"),
    ({"command": "x", "colour": "red"}, "unknown field 'colour'; see `queuectl enqueue --help`"),
]


@pytest.mark.parametrize("spec, why", REFUSED, ids=[f"{n}-{why}" for n, (_, why) in enumerate(REFUSED)])
def test_invalid_request_is_refused_with_its_index_and_reason(spec: object, why: str) -> None:
    with pytest.raises(InvalidJob) as refusal:
        check_spec(spec, 41)
    assert refusal.value.fields["index"] == 41
    assert why in str(refusal.value)


@pytest.mark.parametrize("field", OWN_FIELDS)
def test_field_that_queuectl_sets_is_refused(field: str) -> None:
    with pytest.raises(InvalidJob, match="is read-only; queuectl sets it"):
        check_spec({"command": "true", field: None})


def test_command_length_has_the_limit_of_the_system() -> None:
    longest = "ü" * (MAX_COMMAND_BYTES // 2) + "x"
    assert len(longest.encode()) == MAX_COMMAND_BYTES == 131_071
    check_spec({"command": longest})
    with pytest.raises(InvalidJob, match="has 131072 bytes; the maximum is 131071"):
        check_spec({"command": longest + "x"})


@pytest.mark.parametrize("id", ["a", "7", "job1", "A.b_c:d-e", "x" * 128])
def test_valid_id_is_accepted(id: str) -> None:
    assert fault_in(id, job_id) is None


@pytest.mark.parametrize("id", [".a", "-a", "_a", ":a", "a/b", "../a", "a b", "a\n", "a\0", "ä", "\u0661", "x" * 129])
def test_id_that_looks_like_a_path_or_an_option_is_refused(id: str) -> None:
    assert fault_in(id, job_id) is not None


def test_error_for_a_long_id_has_its_length_but_not_the_id() -> None:
    why = fault_in("x" * 3000, job_id)
    assert why is not None and why.startswith("has 3000 characters;") and "xx" not in why


def test_long_name_of_an_unknown_field_is_cut_in_the_message() -> None:
    with pytest.raises(InvalidJob) as refusal:
        check_spec({"command": "true", "x" * 3000: 1})
    assert len(str(refusal.value)) < 200
