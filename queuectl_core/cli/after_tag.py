"""After tag: the jobs with some tags that a new job waits for.

Warning: it reads all unfinished and dead jobs, because there is no index of tags.
"""

from __future__ import annotations

from ..api import Queue
from ..errors import InvalidInput
from ..model.job_spec import MAX_AFTER
from ..model.states import COMPLETED, STATES
from .filters import tags_of


def tagged(queue: Queue, texts: list[str]) -> list[str]:
    """Return the IDs of all jobs with these tags that have not completed.

    Raises: InvalidInput.
    """
    tags = tags_of(texts, "--after-tag")
    states = [state for state in STATES if state != COMPLETED]
    ids = [id for page in queue.select(state=states, tags=tags) for id in page]
    if not ids and not any(queue.select(state=COMPLETED, tags=tags)):
        raise InvalidInput(what=f"no job has the tag {' and '.join(texts)[:200]}")
    if len(ids) > MAX_AFTER:
        what = f"{len(ids)} jobs have this tag, and a job can wait for {MAX_AFTER}; give them a --batch instead"
        raise InvalidInput(what=what)
    return ids
