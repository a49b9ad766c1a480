"""Sessions: what the supervisor's clients have asked, and the replies that they are owed.

    take     a request: most are answered by `handlers`, some by the supervisor itself (`own`), one when jobs have ended
    note     what has been written: waits that are over with it
    send     all replies; to be called when what they speak of is on the disk, and not before

Knows requests and replies, not how anything is decided. The trap: a refusal has changed nothing, and is a reply; after
a failure of the journal the engine is ahead of it, and nobody must be answered any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..errors import Busy, Corrupt, InvalidInput, QueueError, StorageFailed
from ..model.events import Event
from ..service import handlers
from ..service.ledger import Ledger
from ..system.clock import now_ms, steady_ms
from ..wire import protocol, server
from ..wire.server import Connection, Request
from .waiters import Wait, Waits

ASK_LATER: Request = {"ended": None}
TURNED_AWAY = 16
"""So many at a time."""


class Sessions:
    def __init__(
        self,
        ledger: Ledger,
        own: Mapping[str, Callable[[Request], Request]],
        max_waiting: int = 1000,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """`max_waiting`: how many clients may wait for jobs; more are told to ask again later.

        `clock`: gives the time of what is decided.
        """
        self._now_ms = clock
        self._max_waiting = max_waiting
        self._ledger = ledger
        self._own = own
        self._conversations: dict[Connection, handlers.Conversation] = {}
        self._waits: Waits[Connection] = Waits(lambda connection: connection.is_open)
        self._replies: list[tuple[Connection, bytes]] = []

    def take(self, connection: Connection, request: Request) -> None:
        """Raises StorageFailed, Corrupt."""
        number = protocol.number_of(request)
        try:
            reply = self._reply_to(connection, request)
            if reply is not None:
                self._replies.append((connection, server.answer(reply, number)))
        except (StorageFailed, Corrupt):
            raise
        except QueueError as refusal:
            self._replies.append((connection, server.refusal(refusal, number)))

    def refuse(self, connection: Connection, request: Request, refusal: QueueError) -> None:
        """Without a look at what was asked."""
        self._replies.append((connection, server.refusal(refusal, protocol.number_of(request))))

    def _reply_to(self, connection: Connection, request: Request) -> Request | None:
        """None: it comes later. Raises QueueError."""
        if request.get("v") != protocol.VERSION:
            what = f"the supervisor speaks protocol {protocol.VERSION}, not {str(request.get('v'))[:20]}"
            raise InvalidInput(what=what)
        if protocol.is_void(request, steady_ms()):
            raise Busy(what="the supervisor read the request too late and did nothing")
        verb = str(request.get("verb"))
        if verb == "wait":
            return self._wait(connection, request)
        if verb in self._own:
            return self._own[verb](request)
        if connection not in self._conversations:
            self._conversations[connection] = handlers.Conversation(self._ledger)
        return self._conversations[connection].answer(request, self._now_ms())

    def _wait(self, connection: Connection, request: Request) -> Request | None:
        reply = self._waits.ask(connection, request, self._ledger.table)
        if not reply and (self._waits.is_full or len(self._waits) > self._max_waiting):
            self._waits.forget(connection)
            return dict(ASK_LATER)
        connection.is_waiting = reply is None
        return reply

    def turn_away(self) -> None:
        """Tells some that wait to ask again later: descriptors are wanted for others."""
        for _ in range(TURNED_AWAY):
            wait = self._waits.latest()
            if wait is not None:
                self._waits.forget(wait.client)
                self._answer(wait, ASK_LATER)

    def note(self, happened: Sequence[Event]) -> None:
        for wait in self._waits.over(happened):
            self._answer(wait, {"ended": wait.ended})

    def _answer(self, wait: Wait[Connection], reply: Request) -> None:
        wait.client.is_waiting = False
        self._replies.append((wait.client, server.answer(reply, wait.number)))

    def owe(self) -> bool:
        return bool(self._replies)

    def send(self) -> None:
        replies, self._replies = self._replies, []
        for connection, reply in replies:
            connection.send(reply)

    def end(self, connection: Connection) -> None:
        """The client has gone."""
        self._waits.forget(connection)
        conversation = self._conversations.pop(connection, None)
        if conversation is not None:
            conversation.end()
