"""Selection: the filter of a request, with the words of the command line's filter options.

It does not know what a request does with the jobs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..cli.fast_args import Arguments
from ..cli.filters import FILTERS, STATE, chosen_by
from ..errors import InvalidInput
from ..model.states import DEAD
from .command_words import option

if TYPE_CHECKING:
    from ..model.records import Chosen

OPTIONS = tuple(flag[2:] for flag, _, _ in (STATE, *FILTERS))
"""The words of a filter."""

_REPEATABLE = "tag"
GROUP = "group"
"""The word that selects one group of failures, by the key in `failure_groups`.

The command line has no such filter.
"""


class Selection:
    """A filter, as the command line would read it.

    Raises: InvalidInput.
    """

    def __init__(self, given: Mapping[str, object]) -> None:
        """Check a filter. A value is text, or for `tag` several texts."""
        given = {**given}
        group = given.pop(GROUP, None)
        group = group[-1] if isinstance(group, list) and group else group
        self.group = str(group) if group else None
        values = {name: _texts(name, value) for name, value in given.items()}
        self._values = values
        given_texts = ((name, texts) for name, texts in values.items() if texts)
        fields = {
            name.replace("-", "_"): texts if name == _REPEATABLE else texts[0]
            for name, texts in given_texts
        }
        self.arguments = Arguments(
            **{**dict.fromkeys(name.replace("-", "_") for name in OPTIONS), **fields}
        )
        self.chosen: Chosen = chosen_by(self.arguments)
        if self.group is not None:
            self.chosen["state"] = DEAD

    @property
    def words(self) -> list[str]:
        """Return the options of the command line that select the same jobs."""
        return self.words_without("")

    def words_without(self, omitted: str) -> list[str]:
        """Return these options without one."""
        pairs = (
            (name, text)
            for name, texts in self._values.items()
            for text in texts
            if name != omitted
        )
        return [word for name, text in pairs for word in option(name, text)]


def _texts(name: str, value: object) -> list[str]:
    """Return the values of one word of a filter.

    Raises: InvalidInput.
    """
    if name not in OPTIONS:
        raise InvalidInput(
            what=f"unknown filter {name[:40]!r}; the filters are {', '.join(OPTIONS)}"
        )
    values = value if isinstance(value, list) else [value]
    texts = [text for text in values if isinstance(text, str)]
    if len(texts) < len(values):
        raise InvalidInput(what=f"{name} must be text")
    if len(texts) > 1 and name != _REPEATABLE:
        raise InvalidInput(what=f"{name} is given twice; give one value")
    return [text for text in texts if text != ""]
