"""After tag: the jobs with some tags that a new job waits for.

Warning: it reads all unfinished and dead jobs, because there is no index of tags.
"""

from __future__ import annotations

from ..api import Queue
from ..errors import InvalidInput
from ..model.job_spec import MAX_AFTER
from ..model.states import COMPLETED, STATES
from .filters import tags_of

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from ..model.records import State


def tagged(queue: Queue, texts: list[str]) -> list[str]:
    """Return the IDs of all jobs with these tags that have not completed.

    Raises: InvalidInput.
    """
    tags = tags_of(texts, "--after-tag")
    states = [state for state in STATES if state != COMPLETED]
    ids = _selected(queue, states, tags)
    if not ids and not any(queue.select(state=COMPLETED, tags=tags)):
        raise InvalidInput(what=f"no job has the tag {' and '.join(texts)[:200]}")
    if len(ids) > MAX_AFTER:
        what = f"{len(ids)} jobs have this tag, and a job can wait for {MAX_AFTER}; give them a --batch instead"
        raise InvalidInput(what=what)
    return ids


def _selected(queue: Queue, states: list[State], tags: dict[str, str]) -> list[str]:
    """Return the jobs with these tags.

    List them until a listing finds no new one: a job that starts between two pages can be missed.
    """
    ids: dict[str, None] = {}
    known = -1
    while len(ids) > known:
        known = len(ids)
        ids.update(dict.fromkeys(id for page in queue.select(state=states, tags=tags) for id in page))
    return list(ids)
