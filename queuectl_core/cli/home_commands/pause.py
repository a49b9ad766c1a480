"""`queuectl pause` and `resume`: a pause of all queues."""

from __future__ import annotations

from ...api import Queue
from ..fast_args import Arguments
from ..screen import Screen
from ..value_args import PAUSE_OPTIONS, pause_of, until_clause


class Pause:
    """A command that begins or ends the pause of all queues."""

    def __init__(self, paused: bool, said: str, summary: str, examples: list[str]) -> None:
        self._paused = paused
        self.OPTIONS = PAUSE_OPTIONS if paused else ()
        queue, job = ("pause", "suspend") if paused else ("resume", "continue")
        self.INSTEAD_OF = {"--queue": f"use `queuectl queue {queue} NAME`"}
        self.FOR_A_WORD = f"for one queue, use `queuectl queue {queue} {{0}}`; for a job, `queuectl {job} {{0}}`"
        self.FOR_A_WORD += "; for a time, use `--for {0}`" if paused else ""
        self._said = said
        self.SUMMARY = summary
        self.EXAMPLES = examples

    def run(self, queue: Queue, args: Arguments, screen: Screen) -> None:
        """Pause or resume all queues, and print what that means."""
        rules = pause_of(args) if self._paused else None
        queue.set_queue("*", **(rules or {"paused": False}))
        said = self._said
        if rules and "pause_for" in rules:
            end = until_clause(queue.status()["paused_until"])
            said = f"paused all queues{end}, or until `queuectl resume`; running jobs continue"
        screen.done({"paused": self._paused}, said)


COMMANDS = {
    "pause": Pause(
        True,
        "paused all queues; no job starts until `queuectl resume`",
        """Stops starting jobs of all queues until `queuectl resume`. Running jobs continue, and you can still add
        jobs.""",
        ["queuectl pause", "queuectl queue pause gpu      only one queue"],
    ),
    "resume": Pause(
        False,
        "resumed all queues except those that are paused by name",
        """Starts jobs again after `queuectl pause` or `queuectl drain`. Queues that you paused by name stay
        paused.""",
        ["queuectl resume", "queuectl queue resume gpu      only one queue"],
    ),
}
