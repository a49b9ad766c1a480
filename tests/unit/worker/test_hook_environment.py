"""What a hook learns about its job from its environment."""

from __future__ import annotations

import os

import pytest

from queuectl_core.worker.hook_environment import TAIL_BYTES, hook_variables

KNOWN = {"job_id": "a", "state": "failed", "exit_code": 7, "reason": "exit code 7", "attempt": 2, "batch": None}
NAME = "w1-aaaaaa.0001.log"


def variables(folder: str, output: bytes, **other: object) -> dict[bytes, bytes]:
    """Return the variables for a job with this output, which lies between that of two others."""
    with open(os.open(os.path.join(folder, NAME), os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(b"before" + output + b"behind")
    place = {"log_file": NAME, "log_offset": 6, "output_bytes": len(output)}
    return hook_variables({**KNOWN, **place, **other}, folder)  # type: ignore[typeddict-item]  # it has all fields


def test_hook_gets_the_facts_of_its_job(tmp_path: object) -> None:
    found = variables(str(tmp_path), b"$(touch x)\n")
    assert found == {
        b"QUEUECTL_HOOK_JOB_ID": b"a",
        b"QUEUECTL_HOOK_STATE": b"failed",
        b"QUEUECTL_HOOK_EXIT_CODE": b"7",
        b"QUEUECTL_HOOK_REASON": b"exit code 7",
        b"QUEUECTL_HOOK_ATTEMPT": b"2",
        b"QUEUECTL_HOOK_OUTPUT_TAIL": b"$(touch x)\n",
    }


def test_hook_of_a_batch_gets_its_counts(tmp_path: object) -> None:
    found = variables(str(tmp_path), b"", batch="night", completed=2, dead=1)
    told = {name: value for name, value in found.items() if b"BATCH" in name}
    assert told == {
        b"QUEUECTL_HOOK_BATCH": b"night",
        b"QUEUECTL_HOOK_BATCH_COMPLETED": b"2",
        b"QUEUECTL_HOOK_BATCH_DEAD": b"1",
    }


def test_facts_that_a_job_lacks_are_empty(tmp_path: object) -> None:
    found = variables(str(tmp_path), b"", exit_code=None, reason=None, log_file=None)
    assert found[b"QUEUECTL_HOOK_EXIT_CODE"] == found[b"QUEUECTL_HOOK_REASON"] == b""
    assert found[b"QUEUECTL_HOOK_OUTPUT_TAIL"] == b""


@pytest.mark.parametrize("name", ["w1-aaaaaa.0002.log", "../a", "/etc/passwd"])
def test_missing_or_foreign_output_is_empty(tmp_path: object, name: str) -> None:
    assert variables(str(tmp_path), b"x", log_file=name)[b"QUEUECTL_HOOK_OUTPUT_TAIL"] == b""


def test_no_value_contains_nul(tmp_path: object) -> None:
    found = variables(str(tmp_path), b"a\0b\xff", reason="x\0y")
    assert (found[b"QUEUECTL_HOOK_OUTPUT_TAIL"], found[b"QUEUECTL_HOOK_REASON"]) == (b"ab\xff", b"xy")


def test_tail_is_bounded_and_begins_with_a_character(tmp_path: object) -> None:
    for output in ("é" * TAIL_BYTES + "!", "é" * TAIL_BYTES, "x" * TAIL_BYTES, "日本" * TAIL_BYTES):
        tail = variables(str(tmp_path), output.encode())[b"QUEUECTL_HOOK_OUTPUT_TAIL"]
        assert output.endswith(tail.decode()) and TAIL_BYTES - 3 <= len(tail) <= TAIL_BYTES
    assert variables(str(tmp_path), b"\x80" * 9000)[b"QUEUECTL_HOOK_OUTPUT_TAIL"] == b"\x80" * TAIL_BYTES
