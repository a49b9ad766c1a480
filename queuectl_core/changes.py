"""Changes: what a program can do to jobs that exist: cancel, retry, edit, order, suspend, and remove them.

Does not know how a request gets its answer (`transport`).
"""

from __future__ import annotations

from .administration import Administration
from .wire.protocol import jobs_at_once

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Changes(Administration):
    """The part of `Queue` that changes jobs."""

    def retry_dead(
        self,
        ids: Sequence[str] | None = None,
        progress: Callable[[int], None] = lambda count: None,
        fields: Mapping[str, object] | None = None,
        dependants: bool = False,
        lenient: bool = False,
    ) -> int:
        """Take these jobs out of the dead letter queue, and return how many.

        Without `ids`, take out all dead jobs in batches, and call `progress` with the number so far.
        `fields` change the jobs. With `dependants`, the jobs that died because of them return too.
        With `lenient`, skip the jobs that are not dead.

        Raises: UnknownJob, NotDead, NothingToDo.
        """
        more = {"fields": fields, "dependants": dependants, "lenient": lenient}
        return self._change_dead("dlq-retry", ids, progress, **more)

    def retry_failed(
        self,
        progress: Callable[[int], None] = lambda count: None,
        fields: Mapping[str, object] | None = None,
        dependants: bool = False,
    ) -> int:
        """Take all jobs that nobody canceled out of the dead letter queue, and return how many.

        A job that waited for a canceled or removed job counts as canceled. The arguments are those of `retry_dead`.

        Raises: NothingToDo.
        """
        return self._change_dead("dlq-retry-failed", None, progress, fields=fields, dependants=dependants)

    def preview_retry(self, ids: Sequence[str], lenient: bool = False) -> list[str]:
        """Return the jobs that `retry_dead` with `dependants` would retry: these, and those that died because of them.

        With `lenient`, leave out jobs whose keys are taken. `ids` has at most 5000.

        Raises: UnknownJob, NotDead.
        """
        return list(self._entries("dlq-retry-preview", "ids", ids=list(ids), all=lenient))

    def purge_dead(
        self,
        ids: Sequence[str] | None = None,
        progress: Callable[[int], None] = lambda count: None,
        lenient: bool = False,
    ) -> int:
        """Remove these dead jobs for good, and return how many.

        Without `ids`, remove all dead jobs in batches, and call `progress` with the number so far.
        With `lenient`, skip the jobs that are not dead.

        Raises: UnknownJob, NotDead, NothingToDo.
        """
        return self._change_dead("dlq-purge", ids, progress, lenient=lenient)

    def cancel(
        self, ids: Sequence[str], signal: int = 15, lenient: bool = False, states: Sequence[str] | None = None
    ) -> list[str]:
        """Cancel jobs, and return the IDs of the canceled ones.

        A waiting job becomes dead at once; a running job receives `signal`.

        Raises: UnknownJob, WrongState.
        """
        return self._change("cancel", ids, lenient, states, signal=signal)

    def dependants(self, ids: Sequence[str]) -> list[str]:
        """Return the IDs of the waiting jobs that die if these die, at most 1000. `ids` has at most 500.

        Raises: InvalidInput.
        """
        found: list[str] = self._transport.ask("dependants", ids=list(ids))["ids"]
        return found

    def dead_dependants(self, ids: Sequence[str]) -> list[str]:
        """Return the IDs of the dead jobs that died because of these, at most 1000. `ids` has at most 500.

        Raises: InvalidInput.
        """
        found: list[str] = self._transport.ask("dead-dependants", ids=list(ids))["ids"]
        return found

    def remove(
        self, ids: Sequence[str], lenient: bool = False, states: Sequence[str] | None = None
    ) -> list[str]:
        """Remove jobs for good, except running ones, and return the IDs of the removed ones.

        Raises: UnknownJob, WrongState.
        """
        return self._change("remove", ids, lenient, states)

    def retry(
        self, ids: Sequence[str], lenient: bool = False, states: Sequence[str] | None = None
    ) -> list[str]:
        """Make jobs that wait for a time ready now, retry dead jobs, and return the IDs of these jobs.

        Raises: UnknownJob, WrongState.
        """
        return self._change("retry", ids, lenient, states)

    def edit(
        self,
        ids: Sequence[str],
        fields: Mapping[str, object],
        lenient: bool = False,
        states: Sequence[str] | None = None,
    ) -> list[str]:
        """Change fields of waiting or dead jobs, and return the IDs of the changed ones.

        The value None restores a default.

        Raises: UnknownJob, WrongState.
        """
        if not lenient:
            return self._change("edit", ids, False, states, fields=fields)
        size, ids = jobs_at_once(fields), list(ids)
        parts = [ids[start : start + size] for start in range(0, len(ids), size)]
        return [id for part in parts for id in self._change("edit", part, True, states, fields=fields)]

    def move(self, id: str, to: str | int) -> None:
        """Move a waiting job to `front`, to `back`, or to a place from 1, among those of its queue and priority.

        Raises: UnknownJob, WrongState, InvalidInput.
        """
        self._transport.ask("move", id=id, to=to)

    def switch(self, id: str, other: str) -> None:
        """Let two waiting jobs of one queue and priority take each other's place.

        Raises: UnknownJob, WrongState, InvalidInput, NothingToDo.
        """
        self._transport.ask("switch", id=id, other=other)

    def suspend(
        self, ids: Sequence[str], lenient: bool = False, states: Sequence[str] | None = None
    ) -> list[str]:
        """Stop running jobs with SIGSTOP until you continue them, and return the IDs of the stopped ones.

        Raises: UnknownJob, WrongState.
        """
        return self._change("suspend", ids, lenient, states)

    def continue_(
        self, ids: Sequence[str], lenient: bool = False, states: Sequence[str] | None = None
    ) -> list[str]:
        """Continue suspended jobs, and return the IDs of the continued ones.

        Raises: UnknownJob, WrongState.
        """
        return self._change("continue", ids, lenient, states)

    def _change(
        self, verb: str, ids: Sequence[str], lenient: bool, states: Sequence[str] | None, **more: object
    ) -> list[str]:
        if states is not None:
            more["states"] = list(states)
        changed: list[str] = self._transport.ask(verb, ids=list(ids), lenient=lenient, **more)["ids"]
        return changed

    def _change_dead(
        self, verb: str, ids: Sequence[str] | None, progress: Callable[[int], None], **fields: object
    ) -> int:
        which: dict[str, object] = {"all": True} if ids is None else {"ids": list(ids)}
        count = 0
        for reply in self._transport.pages(verb, **which, **fields):
            count += reply["count"]
            progress(count)
        return count
