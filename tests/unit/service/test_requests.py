"""Requests: each has one handler, and the client knows which of them only read or need a supervisor."""

from __future__ import annotations

import ast
import contextlib
import os
from pathlib import Path

import pytest

from queuectl_core.api import Queue
from queuectl_core.errors import InvalidInput, QueueError
from queuectl_core.model import records
from queuectl_core.service.fields import Fields
from queuectl_core.service.handlers import HANDLERS
from queuectl_core.service.in_process import EmptyLedger
from queuectl_core.wire.protocol import FILTERS, NEEDS_SUPERVISOR, READ_ONLY
from tests.homes import ROOT


def verbs_of(module: str) -> set[str]:
    """Return the first arguments of the calls of `ask`, `pages` and their wrappers in a module."""
    with open(os.path.join(ROOT, "queuectl_core", module), encoding="utf-8") as file:
        calls = [node for node in ast.walk(ast.parse(file.read())) if isinstance(node, ast.Call) and node.args]
    asks = ("ask", "pages", "_entries", "_change", "_change_dead")
    first = [call.args[0] for call in calls if getattr(call.func, "attr", "") in asks]
    return {node.value for node in first if isinstance(node, ast.Constant)}


def test_every_request_has_exactly_one_place_that_answers_it() -> None:
    assert not READ_ONLY - set(HANDLERS)
    assert not NEEDS_SUPERVISOR & set(HANDLERS)


@pytest.mark.parametrize("verb", sorted(READ_ONLY))
def test_every_request_that_reads_finds_its_handler(verb: str) -> None:
    request: Fields = {"verb": verb, "id": "a", "ids": [], "words": [], "batch": "b", "jobs": [], "cwd": "/"}
    with contextlib.suppress(QueueError):  # an empty home has no such job
        assert isinstance(HANDLERS[verb](EmptyLedger(), request, 0), dict)


def test_the_api_makes_every_known_request_and_no_other() -> None:
    asked = verbs_of("api.py") | verbs_of("changes.py") | verbs_of("administration.py") | verbs_of("waiting.py")
    assert asked | {"wait", "watch"} == set(HANDLERS) | NEEDS_SUPERVISOR


@pytest.mark.parametrize("ask", ["list", "select", "export", "wait_for", "page"])
def test_a_misspelled_filter_is_refused_instead_of_selecting_all_jobs(ask: str, tmp_path: Path) -> None:
    with Queue(tmp_path / "home") as queue:
        queue.enqueue("true")
        with pytest.raises(InvalidInput, match="unknown filter 'tag'; the filters are batch, before,"):
            list(getattr(queue, ask)(tag={"user": "ann"}))


def test_the_known_filters_are_those_of_the_types() -> None:
    assert records.Chosen.__annotations__.keys() | records.Filter.__annotations__.keys() == FILTERS
