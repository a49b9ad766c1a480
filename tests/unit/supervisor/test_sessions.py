"""Sessions: replies leave when they are sent, refusals are replies, and nobody gets a reply after a
journal failure.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl_core.errors import Busy, StorageFailed
from queuectl_core.home import Home
from queuectl_core.model import commands
from queuectl_core.service.ledger import Ledger
from queuectl_core.supervisor.sessions import MAX_WATCHERS, Sessions
from queuectl_core.wire import protocol
from queuectl_core.wire.server import Request
from tests.builders import NOW_MS


class Client:
    """A fake connection, which keeps what it receives."""

    def __init__(self) -> None:
        self.is_open = True
        self.decoder = protocol.Decoder()
        self.got: list[dict[str, object]] = []

    def send(self, reply: bytes) -> None:
        self.got += self.decoder.feed(reply)


class Desk:
    """Sessions over their own ledger, with two verbs of the supervisor."""

    def __init__(self, home: Home) -> None:
        self.ledger = Ledger(home)
        own = {"greet": lambda request: {"hello": True}, "fail": self._fail}
        self.sessions = Sessions(self.ledger, own, 1000, lambda: NOW_MS)
        self.fault: Exception = Busy(what="later")

    def _fail(self, request: Request) -> Request:
        raise self.fault

    def ask(self, client: Client, verb: str, **fields: object) -> None:
        self.sessions.handle(client, {"v": protocol.VERSION, "verb": verb, **fields})  # type: ignore[arg-type]

    def enqueue(self, client: Client, id: str) -> None:
        self.ask(client, "enqueue", jobs=[{"id": id, "command": "true"}], cwd="/")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    home = Home(str(tmp_path / "home"))
    home.prepare()
    desk = Desk(home)
    yield desk
    desk.ledger.close()


def test_replies_leave_only_when_they_are_sent(desk: Desk) -> None:
    client = Client()
    desk.enqueue(client, "a")
    assert desk.sessions.has_replies() and not client.got
    desk.sessions.send()
    assert client.got == [{"ok": True, "ids": ["a"]}] and not desk.sessions.has_replies()


def test_verbs_of_the_supervisor_come_first(desk: Desk) -> None:
    client = Client()
    desk.ask(client, "greet")
    desk.sessions.send()
    assert client.got == [{"ok": True, "hello": True}]


@pytest.mark.parametrize(
    "request_", [{"v": 99, "verb": "status"}, {"verb": "status"}, {"v": 1, "verb": "fly"}, {"v": 1}]
)
def test_refusals_are_replies(desk: Desk, request_: Request) -> None:
    client = Client()
    desk.sessions.handle(client, request_)  # type: ignore[arg-type]
    desk.sessions.send()
    assert [reply["ok"] for reply in client.got] == [False]


def test_refusal_of_a_verb_of_the_supervisor_is_a_reply(desk: Desk) -> None:
    client = Client()
    desk.ask(client, "fail")
    desk.sessions.send()
    assert [reply["ok"] for reply in client.got] == [False]


def test_failure_of_the_journal_sends_no_reply(desk: Desk) -> None:
    desk.fault = StorageFailed(path="journal", why="gone")
    with pytest.raises(StorageFailed):
        desk.ask(Client(), "fail")
    assert not desk.sessions.has_replies()


def test_wait_is_answered_when_its_job_finishes(desk: Desk) -> None:
    client = Client()
    desk.enqueue(client, "a")
    desk.ask(client, "wait", ids=["a"])
    desk.sessions.send()
    assert len(client.got) == 1
    desk.ledger.decide(commands.Cancel(["a"], 15), NOW_MS)
    desk.sessions.on_events(desk.ledger.write())
    desk.sessions.send()
    assert client.got[1] == {"ok": True, "ended": {"dead": 1}}


def test_load_of_a_disconnected_client_adds_nothing(desk: Desk) -> None:
    client = Client()
    desk.ask(client, "enqueue", jobs=[{"id": "a", "command": "true"}], cwd="/", part=0, more=True)
    desk.sessions.on_disconnect(client)  # type: ignore[arg-type]
    desk.ask(client, "enqueue", jobs=[{"id": "b", "command": "true"}], cwd="/", part=1)
    desk.sessions.send()
    assert [reply["ok"] for reply in client.got] == [True, False]
    assert desk.ledger.table.get("a") is None


def test_requests_use_the_clock_of_the_supervisor(desk: Desk) -> None:
    desk.enqueue(Client(), "a")
    job = desk.ledger.table.get("a")
    assert job is not None and job.created_ms == NOW_MS


def test_a_defect_in_a_question_is_a_refusal_and_the_supervisor_lives(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(id: str) -> None:
        raise ZeroDivisionError("a test")

    client = Client()
    with monkeypatch.context() as patched:
        patched.setattr(desk.ledger.table, "get", fail)
        desk.ask(client, "show", id="a")
    desk.enqueue(client, "a")
    desk.ask(client, "show", id="a")
    desk.sessions.send()
    refusal, added, shown = client.got
    assert refusal["ok"] is False
    assert "ZeroDivisionError: a test" in str(refusal["error"])
    assert (added["ids"], shown["ok"]) == (["a"], True)
    assert "a request failed and changed nothing" in capfd.readouterr().err


def test_a_defect_in_a_change_ends_the_supervisor(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise ZeroDivisionError("a test")

    monkeypatch.setattr(desk.ledger, "decide", fail)
    with pytest.raises(ZeroDivisionError):
        desk.enqueue(Client(), "a")


def test_a_watcher_hears_of_the_next_change_without_a_sync(desk: Desk) -> None:
    client = Client()
    desk.ask(client, "watch", seen=None)
    desk.sessions.send()
    seen = client.got.pop()["seen"]
    desk.ask(client, "watch", seen=seen)
    desk.sessions.send()
    assert not client.got
    desk.sessions.on_events([])
    assert client.got.pop() == {"ok": True, "seen": seen + 1}
    desk.ask(client, "watch", seen=seen)
    desk.sessions.send()
    assert client.got.pop()["seen"] == seen + 1


def test_a_watcher_that_has_gone_is_forgotten_and_too_many_are_refused(desk: Desk) -> None:
    clients = [Client() for _ in range(MAX_WATCHERS + 1)]
    for client in clients:
        desk.ask(client, "watch", seen=0)
    desk.sessions.send()
    assert [client for client in clients if client.got] == clients[-1:]
    desk.sessions.on_disconnect(clients[0])
    desk.ask(clients[-1], "watch", seen=0)
    desk.sessions.on_change()
    assert not clients[0].got and clients[1].got and len(clients[-1].got) == 2
