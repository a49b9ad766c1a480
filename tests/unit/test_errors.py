"""Errors: codes and exit statuses that scripts rely on, and the transfer of an error over the
control socket.
"""

from __future__ import annotations

import concurrent.futures
import copy
import json
import pickle
from string import Formatter

import pytest

from queuectl_core import errors
from queuectl_core.errors import QueueError, from_wire, to_wire

RELEASED = {
    "invalid_input": 2,
    "invalid_job": 2,
    "invalid_setting": 2,
    "damaged_setting": 1,
    "duplicate_job": 1,
    "repeated_id": 1,
    "unknown_job": 1,
    "not_dead": 1,
    "nothing_to_do": 1,
    "no_output": 1,
    "no_supervisor": 3,
    "supervisor_failed": 1,
    "busy": 75,
    "disk_full": 75,
    "storage_failed": 1,
    "bad_home": 2,
    "newer_format": 1,
    "corrupt": 1,
    "no_backend": 1,
    "protocol": 2,
}


def an_error(kind: type[QueueError]) -> QueueError:
    """Return an error of this kind with every field that its message needs."""
    names = {name for _, name, _, _ in Formatter().parse(kind.text + kind.hint) if name}
    return kind(**{name: f"<{name}>" for name in names})


def test_released_codes_keep_their_name_and_exit_status() -> None:
    known = {kind.code: kind.exit_status for kind in errors.every_error()}
    assert {code: known.get(code) for code in RELEASED} == RELEASED


def test_no_two_errors_share_a_code() -> None:
    codes = [kind.code for kind in errors.every_error()]
    assert sorted(codes) == sorted(set(codes))
    assert QueueError.code not in codes


@pytest.mark.parametrize("kind", errors.every_error(), ids=lambda kind: kind.code)
def test_error_is_the_same_on_both_ends_of_the_socket(kind: type[QueueError]) -> None:
    sent = an_error(kind)
    received = from_wire(json.loads(json.dumps(to_wire(sent))))
    assert type(received) is kind
    assert str(received) == str(sent)
    assert received.fields == sent.fields


@pytest.mark.parametrize("kind", errors.every_error(), ids=lambda kind: kind.code)
def test_error_has_all_its_facts_in_one_line(kind: type[QueueError]) -> None:
    error = an_error(kind)
    assert "\n" not in str(error)
    assert [str(fact) for fact in error.fields.values() if str(fact) not in str(error)] == []


@pytest.mark.parametrize("kind", [QueueError, *errors.every_error()], ids=lambda kind: kind.code)
def test_error_survives_pickle_and_copy(kind: type[QueueError]) -> None:
    error = an_error(kind)
    error.__cause__ = OSError("why")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert (type(again), again.fields, str(again)) == (kind, error.fields, str(error))


def raise_a_refusal() -> None:
    raise errors.DuplicateJob(id="a")


def test_error_passes_through_a_pool_of_processes() -> None:
    with concurrent.futures.ProcessPoolExecutor(1) as pool:
        with pytest.raises(errors.DuplicateJob, match="job a already exists"):
            pool.submit(raise_a_refusal).result(timeout=20)
        assert pool.submit(abs, -1).result(timeout=20) == 1


def test_hint_follows_the_message() -> None:
    text = str(errors.DuplicateJob(id="a"))
    assert text == "job a already exists; choose another ID, or run `queuectl show a` to see that job"


def test_a_completed_job_that_cannot_be_retried_can_be_added_again() -> None:
    text = str(from_wire(to_wire(errors.WrongState(id="a", state="completed", what="retried"))))
    assert text.endswith("cannot be retried; to run it again, add it again with `queuectl enqueue`")
    assert "again" not in str(errors.WrongState(id="a", state="completed", what="canceled"))


def test_braces_in_a_fact_stay_unchanged() -> None:
    assert str(errors.NothingToDo(what="{id} {0} {}")) == "{id} {0} {}"


def test_error_of_a_newer_supervisor_has_a_text() -> None:
    error = from_wire({"code": "moon_is_full", "fields": {"phase": 3}})
    assert "does not know" in str(error) and "moon_is_full" in str(error)
    assert error.exit_status == 1


@pytest.mark.parametrize("wire", [{}, {"code": "unknown_job"}, {"code": "unknown_job", "fields": [1]}, {"fields": {}}])
def test_incomplete_error_from_the_socket_has_a_text(wire: dict[str, object]) -> None:
    assert "does not know" in str(from_wire(wire))
