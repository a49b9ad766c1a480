"""Filters: the options that select jobs by their fields.

It knows how users name jobs on a command line, but not what a command does to them.
"""

from __future__ import annotations

from ..errors import InvalidInput
from .fast_args import Arguments

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from typing import Any

    from ..model.records import Chosen

_FIELDS = ("state", "queue", "name", "tag", "since", "until")

STATE = ("--state", "STATE", "pending, processing, completed, failed or dead; separate several with commas")
FILTERS = (
    ("--queue", "NAME", "only jobs in this queue"),
    ("--name", "TEXT", "only jobs with this name"),
    ("--tag", "K=V…", "only jobs with this tag; repeatable"),
    ("--since", "WHEN", "only jobs added since: 2h (ago), 18:30 or 2026-12-24"),
    ("--until", "WHEN", "only jobs added before"),
)
"""The options that select jobs by their fields other than the state."""


def where_filter(pairs: list[str]) -> Chosen:
    """Return the filter that `--where FIELD=VALUE` makes.

    A command has --where if its options, like --queue, set new values.

    Raises: InvalidInput.
    """
    fields: dict[str, Any] = dict.fromkeys(_FIELDS)
    for text in pairs:
        name, sign, value = text.partition("=")
        if name.startswith("tag.") and sign:
            fields["tag"] = [*(fields["tag"] or []), f"{name[4:]}={value}"]
        elif name in fields and name != "tag" and sign:
            fields[name] = value
        else:
            known = "state=, queue=, name=, tag.KEY=, since= or until="
            raise InvalidInput(what=f"--where needs {known}, not {text[:40]!r}")
    return chosen_by(Arguments(**fields))


def chosen_by(args: Arguments) -> Chosen:
    """Return the filter that the options make, which is empty without options.

    Raises: InvalidInput.
    """
    given = {name: value for name in _FIELDS if (value := getattr(args, name, None)) is not None}
    chosen: Any = {name: given[name] for name in ("state", "queue", "name") if name in given}
    if "," in given.get("state", ""):
        chosen["state"] = given["state"].split(",")
    if "tag" in given:
        pairs = [text.partition("=") for text in given["tag"]]
        if not all(sign for _, sign, _ in pairs):
            raise InvalidInput(what="--tag needs NAME=VALUE")
        chosen["tags"] = {name: value for name, _, value in pairs}
    for name in ("since", "until"):
        if name in given:
            chosen[f"{name}_ms"] = instant_ms(given[name], f"--{name}")
    checked: Chosen = chosen
    return checked


def instant_ms(text: str, flag: str) -> int:
    """Return a time in the past as ms since 1970. `text` says how long ago, the time of day, or the date.

    Raises: InvalidInput.
    """
    from ..system.clock import now_ms
    from ..timestamps import parse_duration_s, parse_rfc3339
    from .value_args import instant

    ago_s = parse_duration_s(text)
    if ago_s is not None:
        return now_ms() - round(ago_s * 1000)
    at_ms = parse_rfc3339(instant(text))
    if at_ms is None:
        raise InvalidInput(what=f"{flag} needs a time like 2h (ago), 18:30 or 2026-12-24T18:00, not {text[:40]!r}")
    if len(text) <= 8 and at_ms > now_ms():  # a filter means the last occurrence of a time of day
        at_ms -= 86_400_000
    return at_ms
