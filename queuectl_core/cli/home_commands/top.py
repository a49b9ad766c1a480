"""`queuectl top`: the home on the whole screen of a terminal, as it changes, with keys to act on jobs."""

from __future__ import annotations

from ...api import Queue
from ...errors import InvalidInput
from ..fast_args import Arguments
from ..filters import FILTERS, STATE
from ..screen import Screen

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from ..top.session import Session

HAS_JSON = False
SUMMARY = """Shows workers, queues, jobs and output on the whole screen, as they change, and acts on jobs. Press ? for
the keys. Without a suitable terminal, it is `list --watch`."""
EXAMPLES = ["queuectl top", "queuectl top --state dead,failed --queue mail", "COLUMNS=100 LINES=40 queuectl top --once"]
OPTIONS = (
    ("--once", "", "print one screen as text, and end"),
    STATE,
    *FILTERS,
)


def run(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Show the home until the user quits.

    Raises: QueueError.
    """
    if args.once:
        return _print_once(queue, args, screen)
    from ...terminal.painter import Painter, why_not
    from ..top.loop import Loop, can_show

    if not can_show():
        raise InvalidInput(what="top needs a terminal; --once prints one screen")
    lack = why_not()
    if lack:
        return _list_instead(queue, args, screen, lack)
    queue.deadline_s = ANSWER_WITHIN_S
    session = _session(queue, args)
    session.check()
    try:
        with Painter() as painter:
            Loop(queue, session, painter).run()
    except KeyboardInterrupt:
        pass


ANSWER_WITHIN_S = 3.0
"""How many seconds a key may wait for a supervisor that does not answer."""


def _session(queue: Queue, args: Arguments) -> Session:
    from ...view.top.state import Top
    from ..top.editing import details_of
    from ..top.filter_words import words_given
    from ..top.session import Session

    top = Top(queue.home.path)
    top.filter = words_given(args)
    return Session(queue, top, lambda id, columns: details_of(queue, id, columns))


def first_session(queue: Queue, args: Arguments) -> Session:
    """Return a session that has read what its first screen shows.

    Raises: QueueError.
    """
    from ..top.listing import FIRST_JOBS, Listing
    from ..top.loop import read, show_output
    from ..top.output import Output

    session = _session(queue, args)
    listing = Listing(queue, session.chosen_filter, FIRST_JOBS, False)
    read(queue, session)
    while not listing.is_over:
        listing.step()
    session.top.has_more = listing.has_more
    session.top.take_jobs(listing.jobs)
    show_output(Output(queue), session)
    return session


def _print_once(queue: Queue, args: Arguments, screen: Screen) -> None:
    """Print the first screen as text.

    Raises: QueueError.
    """
    import shutil

    from ...view.top.frame import frame
    from ...view.top.spans import plain

    size = shutil.get_terminal_size()
    for line in frame(first_session(queue, args).top, size.columns, size.lines):
        screen.line(plain(line))


def _list_instead(queue: Queue, args: Arguments, screen: Screen, lack: str) -> None:
    from ..main import command_of

    screen.note(f"{lack}, so this is `queuectl list --watch`")
    options = dict.fromkeys(("limit", "sort", "columns", "format"))
    switches = dict.fromkeys(("reverse", "csv", "markdown"), False)
    command_of("list").run(queue, args.replaced(**options, **switches, watch=True), screen)
