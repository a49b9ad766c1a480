"""Job filter: the conditions of a request, all of which a job must meet.

Knows jobs. Does not know tables or pages.

An older supervisor ignores a field that it does not know, and would then match more jobs. So newer conditions share
the field `where`, and the reply names those that were applied. `Transport.pages` refuses a reply that names others.
To add a condition, add it to `CONDITIONS` and to `records.Where`.
"""

from __future__ import annotations

from ..errors import InvalidInput
from ..model.job import DEAD, FINAL_STATES, Job
from ..model.reasons import CAUSES, cause_of
from ..model.validators import is_id
from . import fields
from .fields import Fields

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable

    Test = Callable[[Job], bool]

MAX_TEXT = 1000
"""The most characters of a text in a condition."""

MAX_EXIT_CODES = 256



class Filter:
    """The conditions of a request. `where` has the names of those that an older supervisor does not know.

    Raises: InvalidInput.
    """

    def __init__(self, request: Fields) -> None:
        self.queue = fields.text(request, "queue")
        self.name = fields.text(request, "name")
        self.key = fields.text(request, "key")
        self.since_ms = fields.number(request, "since_ms")
        self.until_ms = fields.number(request, "until_ms")
        self.ended_until_ms = fields.number(request, "ended_until_ms")
        self.before = fields.number(request, "before")
        self.tags = fields.mapping(request, "tags") if request.get("tags") else {}
        where = fields.mapping(request, "where") if request.get("where") else {}
        self.where = sorted(where)
        self.batch = where.get("batch")
        """The batch of all jobs that match, so that only its indexes have to be read."""
        self.ended_since_ms = where.get("ended_since_ms")
        """No job that matches ended before, so that the older ones need not be read."""
        self._tests = [_test_of(name, value) for name, value in where.items()]

    def takes_all_in(self, index: str) -> bool:
        """Return whether all jobs of an index meet all conditions, so that none has to be read.

        The index is one that a list with these conditions reads.
        """
        others = (self.name, self.key, self.since_ms, self.until_ms, self.ended_until_ms, self.before)
        if any(value is not None for value in others) or self.tags or self.where not in ([], ["batch"]):
            return False
        return self.queue is None or (self.batch is None and index.endswith(f"@{self.queue}"))

    def takes(self, job: Job) -> bool:
        """Return whether a job meets all conditions."""
        options = job.options
        return (
            (self.queue is None or job.queue == self.queue)
            and (self.name is None or options.get("name") == self.name)
            and (self.key is None or options.get("key") == self.key)
            and (self.since_ms is None or job.created_ms >= self.since_ms)
            and (self.until_ms is None or job.created_ms < self.until_ms)
            and (self.ended_until_ms is None or job.updated_ms < self.ended_until_ms)
            and (self.before is None or job.number < self.before)
            and (not self.tags or self.tags.items() <= options.get("tags", {}).items())
            and all(test(job) for test in self._tests)
        )


def _test_of(name: str, value: object) -> Test:
    """Return the test of one condition.

    Raises: InvalidInput.
    """
    make = CONDITIONS.get(name)
    if make is None:
        advice = "the supervisor may be another version, so run `queuectl worker restart`"
        raise InvalidInput(what=f"unknown filter {name[:40]!r}; {advice}")
    try:
        return make(value)
    except ValueError as fault:
        raise InvalidInput(what=f"{name} must be {fault}") from None


def _id(value: object) -> Test:
    matches = _glob(value)
    return lambda job: matches(job.id)


def _name(value: object) -> Test:
    matches = _glob(value)
    return lambda job: "name" in job.options and matches(job.options["name"])


def _ended_since(value: object) -> Test:
    if type(value) is not int:
        raise ValueError("a time in milliseconds")
    since_ms = value
    return lambda job: job.state in FINAL_STATES and job.updated_ms >= since_ms


def _exit_code(value: object) -> Test:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_EXIT_CODES:
        raise ValueError("a list of exit codes")
    return lambda job: bool(job.history) and job.history[-1].get("exit_code") in value


def _reason(value: object) -> Test:
    wanted = _text(value)
    return lambda job: job.reason is not None and wanted in job.reason


def _grep(value: object) -> Test:
    wanted = _text(value)
    return lambda job: wanted in job.command


def _glob(value: object) -> Callable[[str], bool]:
    """Return a function that says whether a text is this pattern, or matches it."""
    import re  # takes longer than most filters
    from fnmatch import translate

    pattern = _text(value)
    try:
        matches = re.compile(translate(pattern)).match
    except re.error:  # Python 3.9 does not translate [z-a], which matches nothing
        raise ValueError("a valid pattern") from None
    return lambda text: text == pattern or matches(text) is not None


def _text(value: object) -> str:
    """Accept text, but not the empty text of an unset variable, which is a part of each command."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
        raise ValueError(f"text of 1 to {MAX_TEXT} characters")
    return value


def _batch(value: object) -> Test:
    if not is_id(value):
        raise ValueError("the name of a batch")
    return lambda job: job.options.get("batch") == value


def _cause(value: object) -> Test:
    if not isinstance(value, list) or not value or not set(map(str, value)) <= set(CAUSES):
        raise ValueError(f"some of {', '.join(CAUSES)}")
    return lambda job: job.state == DEAD and cause_of(job.reason) in value


CONDITIONS: dict[str, Callable[[object], Test]] = {
    "id": _id,
    "name": _name,
    "ended_since_ms": _ended_since,
    "exit_code": _exit_code,
    "reason": _reason,
    "grep": _grep,
    "batch": _batch,
    "cause": _cause,
}
