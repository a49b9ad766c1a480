"""Selection: the filter of a request, with the words and values of the command line's filter options.

It does not know what a request does with the jobs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..cli.fast_args import Arguments
from ..cli.filters import FILTERS, STATE, chosen_by
from ..errors import InvalidInput

if TYPE_CHECKING:
    from ..model.records import Chosen

OPTIONS = tuple(flag[2:] for flag, _, _ in (STATE, *FILTERS))
"""The words of a filter."""

_REPEATABLE = "tag"


class Selection:
    """A filter, as the command line would read it.

    Raises: InvalidInput.
    """

    def __init__(self, given: Mapping[str, object]) -> None:
        """Check a filter. A value is text, or for `tag` several texts."""
        values = {name: _texts(name, value) for name, value in given.items()}
        self.words = [word for name, texts in values.items() for text in texts for word in _option(name, text)]
        """The options of the command line that select the same jobs."""
        given_texts = ((name, texts) for name, texts in values.items() if texts)
        fields = {
            name.replace("-", "_"): texts if name == _REPEATABLE else texts[0] for name, texts in given_texts
        }
        self.arguments = Arguments(**fields)
        self.chosen: Chosen = chosen_by(self.arguments)


def _texts(name: str, value: object) -> list[str]:
    """Return the values of one word of a filter.

    Raises: InvalidInput.
    """
    if name not in OPTIONS:
        raise InvalidInput(what=f"unknown filter {name[:40]!r}; the filters are {', '.join(OPTIONS)}")
    values = value if isinstance(value, list) else [value]
    texts = [text for text in values if isinstance(text, str)]
    if len(texts) < len(values):
        raise InvalidInput(what=f"{name} must be text")
    if len(texts) > 1 and name != _REPEATABLE:
        raise InvalidInput(what=f"{name} is given twice; give one value")
    return [text for text in texts if text != ""]


def _option(name: str, text: str) -> list[str]:
    """Return a word of a filter as an option. One word keeps a value that begins with a dash."""
    return [f"--{name}={text}"] if text.startswith("-") else [f"--{name}", text]
