"""Entries of the memtable: what a fresh job stores."""

from __future__ import annotations

import pytest

from queuectl_core.model.events import Enqueued
from queuectl_core.model.job import NO_OPTIONS, Job
from queuectl_core.table.memtable import FreshJob, FreshMember, NumberBlock

FULL = {"batch": "b", "timeout": 5, "tags": {"a": "ü"}, "environ": {"A": "1"}}


@pytest.mark.parametrize(("kind", "options"), [(FreshJob, NO_OPTIONS), (FreshJob, {"slots": 2}), (FreshMember, FULL)])
def test_fresh_job_stores_the_fields_of_its_job_in_their_order(kind: type[FreshJob], options: dict[str, object]) -> None:
    block = NumberBlock(3)
    block.first_sequence = 40
    fresh = kind((Enqueued("a", 5, 1000, "true", "/", 3, 2.5, options), block))
    assert list(fresh.fields().items()) == list(fresh.job.fields().items())
    assert Job(**fresh.fields()).fields() == fresh.fields() and fresh.fields()["revision"] == 42
