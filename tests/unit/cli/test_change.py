"""Change: a job that no longer matches when the user has answered stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from queuectl_core.api import Queue
from queuectl_core.cli.arguments import parse
from queuectl_core.cli.home_commands import prune
from queuectl_core.cli.job_commands import change, dlq
from queuectl_core.cli.screen import Screen
from queuectl_core.errors import DiskFull, NothingToDo


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


@pytest.mark.parametrize("words", ["rm --name n", "prune --state dead", "dlq purge --name n", "dlq purge --all"])
def test_refusal_says_what_the_same_call_has_changed_before(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full at the second request of the call."""
    with Queue(tmp_path / "home") as queue:
        ids = queue.enqueue_many({"command": "true", "name": "n"} for _ in range(600))
        queue.cancel(ids)
        verb = "dlq-purge" if words.startswith("dlq") else "remove"
        ask, seen = queue._transport.ask, []

        def answer(asked: str, **fields: object) -> object:
            if asked == verb:
                seen.append(asked)
                fields = {**fields, "all": False, "ids": ids[:500]} if fields.get("all") else fields
            if len(seen) > 1:
                raise DiskFull(path="/disk")
            reply = ask(asked, **fields)
            return {**reply, "next": 500} if asked == "dlq-purge" else reply

        monkeypatch.setattr(queue._transport, "ask", answer)
        name, *rest = words.split()
        command = {"dlq": dlq, "prune": prune}.get(name) or change.COMMANDS[name]
        args = parse(name, command, [*rest, "--yes"], {"home": None, "json": False, "quiet": True})
        with pytest.raises(DiskFull) as refused:
            command.run(queue, args, Screen(json=False))
        text = "removed 500 jobs, and then: the disk that holds /disk is full; nothing else was changed;"
        assert str(refused.value).startswith(text)
