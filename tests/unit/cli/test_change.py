"""Change: a job that no longer matches when the user has answered stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from queuectl_core.api import Queue
from queuectl_core.cli.arguments import parse
from queuectl_core.cli.job_commands import change, dlq
from queuectl_core.cli.screen import Screen
from queuectl_core.errors import NothingToDo


@pytest.mark.parametrize("words", [["--cause", "canceled"], ["--ended-since", "1h"]], ids=" ".join)
def test_job_that_a_retry_brought_back_is_not_removed(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Queue(tmp_path / "home") as queue:
        queue.enqueue("true", id="a")
        queue.cancel(["a"])
        monkeypatch.setattr(change, "confirm", lambda *_: queue.retry_dead(["a"]))
        args = parse("rm", change.COMMANDS["rm"], words, {"home": None, "json": False})
        with pytest.raises(NothingToDo):
            change.COMMANDS["rm"].run(queue, args, Screen(json=False))
        assert queue.get("a")["state"] == "pending"


@pytest.mark.parametrize("action", ["retry", "purge"])
def test_a_job_that_somebody_retried_meanwhile_keeps_no_other_from_its_change(
    action: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Queue(tmp_path / "home") as queue:
        for id in ("a", "b"):
            queue.enqueue("true", id=id, queue="q")
        queue.cancel(["a", "b"])
        monkeypatch.setattr(dlq, "confirm", lambda *_: queue.retry_dead(["a"]))
        args = parse("dlq", dlq, [action, "--queue", "q", "--cause", "canceled"], {"home": None, "json": True, "quiet": True})
        dlq.run(queue, args, Screen(json=True))
        assert '"count": 1' in capsys.readouterr().out
        assert queue.status()["counts"]["dead"] == 0
        assert queue.get("a")["state"] == "pending"
