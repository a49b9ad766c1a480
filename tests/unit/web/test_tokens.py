"""Tokens: the files of the secrets."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from queuectl_core.home import Home
from queuectl_core.system import file_io
from queuectl_core.web import tokens


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(str(tmp_path))


def test_the_file_of_a_page_is_removed_only_by_its_own_server(home: Home) -> None:
    first, second = tokens.new_tokens(home), tokens.new_tokens(home)
    assert first.page != second.page and first.metrics == second.metrics
    tokens.forget(home, first)
    assert os.path.exists(home.web_token)
    tokens.forget(home, second)
    assert not os.path.exists(home.web_token)


def test_a_damaged_token_for_metrics_is_replaced(home: Home) -> None:
    Path(home.metrics_token).write_text("")
    assert len(tokens.new_tokens(home).metrics) == 43


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_nobody_can_write_to_keeps_no_page_away(
    code: int, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(code, "no")

    monkeypatch.setattr(file_io, "replace_file", fail)
    assert tokens.new_tokens(home).page
