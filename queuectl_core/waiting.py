"""Waiting: waits for jobs to finish, by ID or by filter.

Does not know what an outcome means.

Warning: while a program waits, another supervisor may replace the one that it asked, or the supervisor may have no
place for one more waiting program. A job may move from one index to another between two pages of a listing.
"""

from __future__ import annotations

import os
import time

from .errors import Busy, InvalidInput, NoSupervisor, UnknownJob
from .model.states import FINAL_STATES, STATES
from .transport import Transport
from .wire.client import Client, connect
from .wire.protocol import WAIT_JOBS

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .model.records import Ended

OPEN_STATES = tuple(state for state in STATES if state not in FINAL_STATES)
_BRIEF: dict[str, object] = {"limit": 500, "form": "brief", "numbered": True}
"""The fields of a request for the IDs of jobs, with the number that the next job gets."""

FIRST_PAUSE_S = 0.05
LAST_PAUSE_S = 10.0
"""The bounds of the pause between two tries, which doubles while a supervisor has no place for the wait."""

SUCCESSOR_WITHIN_S = 5.0
"""How long a wait allows for a new supervisor after the last one ended, as in a restart."""


class JobWait:
    """A wait for jobs. The timeout starts when you create the object."""

    def __init__(self, transport: Transport, timeout_s: float | None) -> None:
        self._transport = transport
        self._end_s = None if timeout_s is None else time.monotonic() + timeout_s
        self._own_id = transport.home.job_inside(os.environ)
        """The job that this process belongs to: a wait for it would never end."""

    def for_ids(self, ids: Sequence[str], lenient: bool = False) -> Ended | None:
        """Wait until these jobs finish, and return how many ended in which way, or None at the timeout.

        With `lenient`, count a job that does not exist as purged.

        Raises: InvalidInput, UnknownJob, NoSupervisor, Busy.
        """
        if self._own_id in ids:
            raise InvalidInput(what=f"job {self._own_id} cannot wait for itself")
        pause_s, alone_from_s = FIRST_PAUSE_S, 0.0
        while ids:
            client = connect(self._transport.home.socket, self._transport.deadline_s)
            if client is not None:
                ended, is_heard = self._ended_with(client, ids, lenient)
                alone_from_s = time.monotonic() + SUCCESSOR_WITHIN_S
                pause_s = pause_s if is_heard else FIRST_PAUSE_S
            else:
                ended = self._ended_alone(ids, lenient) if time.monotonic() >= alone_from_s else None
            if ended is not None or self._is_late():
                return ended
            left_s = self._left_s()
            time.sleep(pause_s if left_s is None else min(pause_s, left_s))
            pause_s = min(LAST_PAUSE_S, 2 * pause_s) if client is not None else FIRST_PAUSE_S
        return {}

    def for_filter(self, state: str | Sequence[str] | None, wanted: Mapping[str, object]) -> Ended | None:
        """Wait for the jobs that match now, and return how many ended in which way, or None at the timeout.

        The result counts jobs that finished earlier, but not the job that this process belongs to. It is empty when
        no job matches.

        Raises: InvalidInput, UnknownJob, NoSupervisor, Busy.
        """
        states = STATES if state is None else state
        states = [states] if isinstance(states, str) else list(states)
        open_ids = self._open_ids([state for state in states if state not in FINAL_STATES], wanted)
        open_ids.pop(self._own_id or "", None)
        ended: Ended = {state: 0 for state in FINAL_STATES if state in states}
        for final in ended:
            for page in self._transport.pages("list", **{**_BRIEF, "state": final, **wanted}):
                ended[final] += sum(id not in open_ids for id in page["jobs"])
        later = self.for_ids(list(open_ids), lenient=True)
        if later is None:
            return None
        counts = {how: ended.get(how, 0) + later.get(how, 0) for how in {**ended, **later}}
        return {how: count for how, count in counts.items() if count}

    def _open_ids(self, states: list[str], wanted: Mapping[str, object]) -> dict[str, None]:
        """Return the IDs of the jobs in these states that match.

        List them until a listing finds no new one: a job that moves between two pages can be missed.
        """
        ids: dict[str, None] = {}
        while states:
            known, pages = len(ids), 0
            for page in self._transport.pages("list", **{**_BRIEF, "state": states, **wanted}):
                ids.update(dict.fromkeys(page["jobs"]))
                wanted = {**wanted, "before": wanted.get("before", page.get("next_number"))}
                pages += 1
            if pages == 1 or len(ids) == known:
                break
        return ids

    def _ended_with(self, client: Client, ids: Sequence[str], lenient: bool) -> tuple[Ended | None, bool]:
        """Return the supervisor's answer or None, and False if the supervisor ended meanwhile.

        The answer is None when the supervisor ended, has no place for the wait, or the timeout passed.
        """
        try:
            for start in range(0, len(ids), WAIT_JOBS):
                portion, more = list(ids[start : start + WAIT_JOBS]), start + WAIT_JOBS < len(ids)
                client.send("wait", ids=portion, more=more, lenient=lenient)
                reply = client.receive(self._transport.deadline_s if more else self._left_s())
                if "ended" in reply:
                    return reply["ended"], True
        except Busy:
            if not self._is_late():
                raise
        except ConnectionError:
            return None, False
        finally:
            client.close()
        return None, True

    def _ended_alone(self, ids: Sequence[str], lenient: bool) -> Ended | None:
        """Return how many of these jobs ended in which way, or None if a supervisor has started meanwhile.

        Raises: NoSupervisor.
        """
        ended: Ended = {}
        for id in ids:
            state = self._state_of(id, lenient)
            if state in OPEN_STATES:
                if self._transport.ask("status")["supervisor"] is not None:
                    return None
                raise NoSupervisor(home=self._transport.home.path)
            ended[state] = ended.get(state, 0) + 1
        return ended

    def _state_of(self, id: str, lenient: bool) -> str:
        try:
            return str(self._transport.ask("show", id=id)["job"]["state"])
        except UnknownJob:
            if not lenient:
                raise
            return "purged"

    def _is_late(self) -> bool:
        return self._end_s is not None and time.monotonic() >= self._end_s

    def _left_s(self) -> float | None:
        """Return the seconds until the timeout, at least 0.001, or None when there is no limit."""
        return None if self._end_s is None else max(0.001, self._end_s - time.monotonic())
