"""Fields: the fields of a request from outside as typed values, or a refusal.

Pure. Does not know what a request means.
"""

from __future__ import annotations

from ..errors import InvalidInput, UnknownJob
from ..model.validators import is_id
from ..wire.protocol import MAX_JOBS, jobs_at_once

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from typing import Any, TypeVar

    Kind = TypeVar("Kind")

Fields = dict[str, object]



def optional(request: Fields, field: str, kind: type[Kind], what: str) -> Kind | None:
    """Return a field of exactly this type, or None if it is missing or None. `what` describes the type.

    Raises: InvalidInput.
    """
    value = request.get(field)
    if value is None or type(value) is kind:
        return value
    raise InvalidInput(what=f"{field} must be {what}")


def text(request: Fields, field: str) -> str | None:
    """Return a text that a store can look up, or None if it is missing.

    Raises: InvalidInput.
    """
    value = optional(request, field, str, "text")
    try:
        if value is not None:
            value.encode()
        return value
    except UnicodeEncodeError:
        raise InvalidInput(what=f"{field} is not valid UTF-8") from None


def number(request: Fields, field: str) -> int | None:
    """Return a whole number, or None if it is missing.

    Raises: InvalidInput.
    """
    return optional(request, field, int, "a whole number")


def mapping(request: Fields, field: str = "fields") -> Fields:
    """Return an object, which must be there.

    Raises: InvalidInput.
    """
    value = request.get(field)
    if not isinstance(value, dict):
        raise InvalidInput(what=f"{field} must be an object")
    return value


def jobs(request: Fields, field: str = "jobs") -> list[object]:
    """Return a list of 1 to MAX_JOBS jobs.

    Raises: InvalidInput.
    """
    value = request.get(field)
    if not isinstance(value, list) or not 0 < len(value) <= MAX_JOBS:
        raise InvalidInput(what=f"{request['verb']} needs a list of 1 to {MAX_JOBS} jobs")
    return value


def ids(request: Fields) -> list[str]:
    """Return the job IDs that a request names, as many as one request can change.

    Raises: InvalidInput, UnknownJob.
    """
    value, limit = request.get("ids"), jobs_at_once(request.get("fields"))
    if not isinstance(value, list) or not value:
        raise InvalidInput(what="name at least one job")
    if len(value) > limit:
        such = "" if limit == MAX_JOBS else " for such a change"
        raise InvalidInput(what=f"name at most {limit} jobs at a time{such}")
    for id in value:
        if not is_id(id):
            raise UnknownJob(id=str(id)[:140])
    return value


def is_set(request: Fields, field: str) -> bool:
    """Return whether a switch is on."""
    return request.get(field) is True


def index(request: Fields) -> int:
    """Return the number of the first entry of a page, from `next` of the earlier page.

    Raises: InvalidInput.
    """
    first = request.get("next") or 0
    if type(first) is not int or first < 0:
        raise bad_cursor()
    return first


def cursor(request: Fields) -> tuple[Any, Any] | None:
    """Return the two parts of `next` of the earlier page, or None for the first page.

    Raises: InvalidInput.
    """
    value = request.get("next")
    if not value:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise bad_cursor()
    return value[0], value[1]


def bad_cursor() -> InvalidInput:
    """Return the error for a page position that no earlier reply gave."""
    return InvalidInput(what="next must be the value from an earlier page")


def is_key(key: object, index: object) -> bool:
    """Return whether a value is a position in this index. An empty text is its beginning."""
    return isinstance(key, str) and (key == "" or (key.isascii() and key.startswith(f"{index}/")))
