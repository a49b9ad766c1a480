"""Sessions: the requests of the supervisor's clients, and the replies that it owes them.

    handle      handles a request: `handlers` answers most, the supervisor some (`own`)
    on_events   finds the waits that end with the events just written, and tells the watchers
    send        sends all replies; call it only after the events behind them are synced

Knows requests and replies. Does not know how anything is decided.

Invariant: a refusal is a reply, and has changed nothing.
Invariant: after a failure of the journal, no client gets a reply, because the engine is ahead of the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..errors import Busy, Corrupt, HomeGone, InvalidInput, QueueError, StorageFailed, unforeseen
from ..model.events import Event
from ..service import handlers
from ..service.ledger import Ledger
from ..system.clock import steady_ms
from ..wire import protocol, server
from ..wire.server import Connection, Request
from .log import log
from .waiters import Wait, Waits

Handler = Callable[[Request], Request]
ASK_LATER: Request = {"ended": None}
DEFERRED_AT_ONCE = 16
"""Clients that one call of `defer_waits` tells to ask again later."""

MAX_WATCHERS = 64
"""The most clients that hear of each change. Others look by themselves."""


class Sessions:
    """The sessions of all clients of one supervisor."""

    def __init__(
        self, ledger: Ledger, own: Mapping[str, Handler], max_waiting: int, now_ms: Callable[[], int]
    ) -> None:
        """Begin with no clients.

        `own` holds the requests that the supervisor answers.
        `max_waiting` is how many clients may wait for jobs. Others are told to ask again later.
        `now_ms` gives the time of decisions.
        """
        self.gone_path: str | None = None
        """The path of the home, if it is gone. Then all requests except `stop` are refused."""
        self._now_ms = now_ms
        self._max_waiting = max_waiting
        self._ledger = ledger
        self._own = own
        self._sessions: dict[Connection, handlers.Session] = {}
        self._waits = Waits()
        self._changes = 0
        """How often something has changed. It says nothing to another supervisor."""
        self._watchers: dict[Connection, int | None] = {}
        """The clients that hear of the next change, with the number of their request."""
        self._replies: list[tuple[Connection, bytes]] = []

    def handle(self, connection: Connection, request: Request) -> None:
        """Handle a request, and queue its reply for `send` unless the reply comes later.

        A defect in a request that changes nothing is a refusal, so that it ends no supervisor.

        Raises: StorageFailed, Corrupt.
        """
        number = protocol.number_of(request)
        try:
            reply = self._reply_to(connection, request)
            if reply is not None:
                self._replies.append((connection, server.answer(reply, number)))
        except (StorageFailed, Corrupt):
            raise
        except QueueError as refusal:
            self._replies.append((connection, server.refusal(refusal, number)))
        except Exception as fault:
            if request.get("verb") not in protocol.READ_ONLY:
                raise  # the state may be half changed, so recovery must decide
            defect = unforeseen(fault)
            log(f"a request failed and changed nothing: {defect}")
            self._replies.append((connection, server.refusal(defect, number)))

    def _reply_to(self, connection: Connection, request: Request) -> Request | None:
        """Return the reply to a request, or None if it comes later.

        Raises: QueueError.
        """
        if request.get("v") != protocol.VERSION:
            what = f"the supervisor speaks protocol {protocol.VERSION}, not {str(request.get('v'))[:20]}"
            raise InvalidInput(what=what)
        if protocol.is_void(request, steady_ms()):
            raise Busy(what="the supervisor read the request too late and did nothing")
        verb = str(request.get("verb"))
        if self.gone_path is not None and verb != "stop":
            raise HomeGone(path=self.gone_path)
        if verb in ("wait", "wait-next"):
            return self._wait(connection, request, verb == "wait-next")
        if verb == "watch":
            return self._watch(connection, request)
        if verb in self._own:
            if verb not in protocol.READ_ONLY:
                self.on_change()
            return self._own[verb](request)
        if connection not in self._sessions:
            self._sessions[connection] = handlers.Session(self._ledger)
        return self._sessions[connection].answer(request, self._now_ms())

    def _wait(self, connection: Connection, request: Request, is_next: bool) -> Request | None:
        if is_next:
            reply = self._waits.ask_next(connection, request)
        else:
            reply = self._waits.ask(connection, request, self._ledger.table)
        if not reply and (self._waits.is_full or len(self._waits) > self._max_waiting):
            self._waits.forget(connection)
            return dict(ASK_LATER)
        connection.is_waiting = reply is None
        return reply

    def _watch(self, connection: Connection, request: Request) -> Request | None:
        """Return the number of changes if the client has not `seen` them all, or None if it hears of the next one.

        Raises: Busy.
        """
        if request.get("seen") != self._changes:
            return {"seen": self._changes}
        if len(self._watchers) >= MAX_WATCHERS:
            raise Busy(what="too many programs watch this home")
        self._watchers[connection] = protocol.number_of(request)
        connection.is_waiting = True
        return None

    def on_change(self) -> None:
        """Tell the watchers that something has changed.

        This tells no fact, so it waits for no sync. A watcher asks for the facts.
        """
        self._changes += 1
        watchers, self._watchers = self._watchers, {}
        for connection, number in watchers.items():
            connection.is_waiting = False
            connection.send(server.answer({"seen": self._changes}, number))

    def defer_waits(self) -> None:
        """Tell some waiting clients to ask again later, to free descriptors for others."""
        for _ in range(DEFERRED_AT_ONCE):
            wait = self._waits.latest()
            if wait is not None:
                self._waits.forget(wait.client)
                self._answer(wait, ASK_LATER)

    def on_events(self, happened: Sequence[Event]) -> None:
        """Queue the replies to waits that are due with these events, and tell the watchers."""
        self.on_change()
        for wait in self._waits.finish(happened):
            self._answer(wait, wait.reply())

    def _answer(self, wait: Wait, reply: Request) -> None:
        wait.client.is_waiting = False
        self._replies.append((wait.client, server.answer(reply, wait.request_number)))

    def has_replies(self) -> bool:
        """Return whether replies wait to be sent."""
        return bool(self._replies)

    def send(self) -> None:
        """Send all queued replies."""
        replies, self._replies = self._replies, []
        for connection, reply in replies:
            connection.send(reply)

    def on_disconnect(self, connection: Connection) -> None:
        """Forget a client that has disconnected."""
        self._waits.forget(connection)
        self._watchers.pop(connection, None)
        session = self._sessions.pop(connection, None)
        if session is not None:
            session.end()
