"""`queuectl move` and `switch`: the order of waiting jobs."""

from __future__ import annotations

from ...api import Queue
from ...errors import InvalidInput
from ..fast_args import Arguments
from ..screen import Screen

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..fast_args import Option


class Order:
    """A command that changes the order of waiting jobs. `change` does it, and returns the result and a message."""

    def __init__(
        self,
        change: Callable[[Queue, Arguments], tuple[object, str]],
        summary: str,
        examples: list[str],
        *options: Option,
    ) -> None:
        self._change = change
        self.SUMMARY = summary
        self.EXAMPLES = examples
        self.OPTIONS = options

    def run(self, queue: Queue, args: Arguments, screen: Screen) -> None:
        """Change the order, and print what changed.

        Raises: UnknownJob, WrongState, InvalidInput, NothingToDo.
        """
        screen.done(*self._change(queue, args))


def _move(queue: Queue, args: Arguments) -> tuple[object, str]:
    if args.where is not None and args.to is not None:
        raise InvalidInput(what="use WHERE or --to, not both")
    to = args.where or args.to or "front"
    place = to if to in ("front", "back") or not to.isdecimal() else int(to[:9])
    queue.move(args.id, place)
    return {"id": args.id, "to": place}, f"moved {args.id} to {'' if place == to else 'place '}{place}"


def _switch(queue: Queue, args: Arguments) -> tuple[object, str]:
    queue.switch(args.id, args.other)
    return {"ids": [args.id, args.other]}, f"switched {args.id} and {args.other}"


COMMANDS = {
    "move": Order(
        _move,
        """Moves a pending job among those of its queue and priority. A higher priority still runs first: to change
it, use `queuectl edit --priority`.""",
        ["queuectl move job1 front", "queuectl move job1 --to 3"],
        ("id", "ID", "ID of a pending job"),
        ("where", "WHERE?", "front (default), back, or a place from 1, which is the front"),
        ("--to", "WHERE", "the same"),
    ),
    "switch": Order(
        _switch,
        "Lets two pending jobs of one queue and one priority take each other's place.",
        ["queuectl switch job1 job2"],
        ("id", "ID", "ID of a pending job"),
        ("other", "ID", "ID of another one"),
    ),
}
