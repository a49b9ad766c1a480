"""Sweeps: many jobs from one command, one for each line, index, row of a table, or combination of values.

It turns the options of such a call into lines of JSON, which the queue adds like those of a file.

Invariant: nothing is held in memory but the lists of a combination, however many jobs there are.
"""

from __future__ import annotations

import itertools
import posixpath
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InvalidInput
from ..fast_json import encode
from ..model.command_template import CommandTemplate
from ..model.value_rows import array_indexes, combine, split_words
from ..wire.protocol import MAX_LOAD_JOBS
from .jsonl import MAX_LINE_BYTES, JobLines, name_of, opened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from io import BufferedReader
    from typing import TextIO

    from ..model.command_template import Row
    from .fast_args import Arguments

INDEX_VARIABLE = "QUEUECTL_ARRAY_INDEX"
_FOR_COMMANDS = "to run each line as a command, use: -- sh -c {}"
_CHUNK_BYTES = 64 * 1024
_SHELLS = frozenset(("ash", "bash", "dash", "ksh", "ksh93", "mksh", "oksh", "sh", "yash"))
"""The shells in which a value is one argument: they read quotes as POSIX says. zsh replaces an unquoted `=name`."""


class Values(NamedTuple):
    """The values of all jobs: `width` for each, with the `names` of the first ones."""

    rows: Iterator[Row]
    width: int
    names: Sequence[str] = ()


class SweepLines(JobLines):
    """The jobs of one call."""

    def __init__(self, args: Arguments, fields: Mapping[str, object]) -> None:
        """Read the options. `fields` are the job fields that all jobs share.

        Raises: InvalidInput.
        """
        words, lists = split_words([*args.job, *(args.words or ())])
        if args.command is not None and words:
            raise InvalidInput(what="--command and a command after -- cannot be used together")
        words = words if args.command is None else [args.command]
        if not words:
            advice = "" if args.each_line is None else f"; {_FOR_COMMANDS}"
            raise InvalidInput(what=f"put the command after --, like: -- gzip -k {{}}{advice}")
        if args.each_line is not None and [word.strip() for word in words] in (["{}"], ["{1}"]):
            raise InvalidInput(what=f"the line would be one word, not a command; {_FOR_COMMANDS}")
        self._is_array = args.array is not None
        if not self._is_array:
            _check_shell(fields.get("shell"))
        values = _values(args, lists)
        self._rows = values.rows
        self._template = CommandTemplate(words, values.width, values.names, appends=not self._is_array)
        self._fields = dict(fields)

    def __iter__(self) -> Iterator[str]:
        """Yield the JSON text of each job.

        Raises: InvalidInput.
        """
        environment = self._fields.pop("env", None)
        shared = "".join(f",{encode(name)}:{encode(value)}" for name, value in self._fields.items())
        if environment and not self._is_array:
            shared += f',"env":{encode(environment)}'
        number = 0
        for number, row in enumerate(self._rows, 1):
            own = self._index_variable(environment, row[0]) if self._is_array else ""
            command = self._template.fill(row, number)
            self.first_command = self.first_command or command
            yield f'{{"command":{encode(command)}{shared}{own}}}'
        if not number:
            raise InvalidInput(what="there are no values, so there is no job to add")

    def place_of(self, index: int) -> str:
        """Return the number of the job, as `{#}` counts."""
        return f"job {index + 1}"

    def _index_variable(self, environment: object, index: str) -> str:
        shared = environment if isinstance(environment, dict) else {}
        return f',"env":{encode({**shared, INDEX_VARIABLE: index})}'


def _check_shell(shell: object) -> None:
    """Refuse a program that may read a quoted value as part of its language, like fish or Python.

    Raises: InvalidInput.
    """
    if isinstance(shell, str) and posixpath.basename(shell) not in _SHELLS:
        name = posixpath.basename(shell)
        raise InvalidInput(
            what=f"values are quoted for sh, not for --shell {name[:40]}; use: -- {name[:40]} -c 'TEXT' {{}}"
        )


def _values(args: Arguments, lists: list[tuple[str, list[str]]]) -> Values:
    """Return the values that an option or the lists give.

    Raises: InvalidInput.
    """
    if args.each_line is not None:
        lines = read_values(args.each_line, args.quiet, b"\0" if args.null else b"\n")
        return Values(((line,) for line in lines), 1)
    if args.array is not None:
        return Values(((str(index),) for index in array_indexes(args.array)), 1)
    if args.csv is not None:
        return _table(args.csv, args.header, args.quiet)
    # A longer list makes too many jobs, unless it is paired with a shorter one.
    width, rows = combine(lists, lambda path: itertools.islice(read_values(path, args.quiet), MAX_LOAD_JOBS + 1))
    return Values(rows, width)


def read_values(path: str, quiet: bool, separator: bytes = b"\n") -> Iterator[str]:
    """Yield the values in a file, without empty ones. `-` is standard input. `quiet` is as for `opened`.

    Raises: InvalidInput.
    """
    with opened(path, quiet) as file:
        for number, value in enumerate(_split(file, separator, path), 1):
            if value:
                yield _text(value, path, number)


def _split(file: BufferedReader, separator: bytes, path: str) -> Iterator[bytes]:
    rest = b""
    try:
        while chunk := file.read1(_CHUNK_BYTES):
            *values, rest = (rest + chunk).split(separator)
            yield from values
            if len(rest) > MAX_LINE_BYTES:
                raise InvalidInput(what=f"a line of {name_of(path)} has more than {MAX_LINE_BYTES} bytes")
    except OSError as fault:
        raise InvalidInput(what=f"cannot read {name_of(path)}: {fault.strerror}") from None
    yield rest


def _text(value: bytes, path: str, number: int) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise _refusal(path, number, "not valid UTF-8") from None


def _table(path: str, has_header: bool, quiet: bool) -> Values:
    """Return the rows of a CSV file, in which each row must have as many values as the first.

    Raises: InvalidInput.
    """
    rows = _rows(path, quiet)
    first = next(rows, None)
    if first is None:
        raise InvalidInput(what=f"{name_of(path)} has no rows")
    names = [name.strip() for name in first] if has_header else []
    if len(set(filter(None, names))) < sum(map(bool, names)):
        raise InvalidInput(what=f"two columns of {name_of(path)} have the same name")
    return Values(_checked(itertools.chain([] if has_header else [first], rows), len(first), path), len(first), names)


def _rows(path: str, quiet: bool) -> Iterator[list[str]]:
    """Yield the rows of a CSV file, without empty ones.

    Raises: InvalidInput.
    """
    import csv
    import io

    with opened(path, quiet) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        rows = csv.reader(_bounded(text, path), strict=True)
        try:
            yield from filter(None, rows)
        except UnicodeDecodeError:
            raise _refusal(path, rows.line_num + 1, "not valid UTF-8") from None
        except csv.Error as fault:
            raise _refusal(path, rows.line_num, str(fault)) from None
        except OSError as fault:
            raise InvalidInput(what=f"cannot read {name_of(path)}: {fault.strerror}") from None


def _bounded(text: TextIO, path: str) -> Iterator[str]:
    """Yield the lines of a table.

    Raises: InvalidInput.
    """
    while line := text.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise InvalidInput(what=f"a line of {name_of(path)} has more than {MAX_LINE_BYTES} characters")
        yield line


def _checked(rows: Iterable[list[str]], width: int, path: str) -> Iterator[Row]:
    for number, row in enumerate(rows, 1):
        if len(row) != width:
            place = f"row {number} of {name_of(path)}"
            raise InvalidInput(what=f"{place} has {len(row)} values, but the first row has {width}")
        yield row


def _refusal(path: str, line: int, why: str) -> InvalidInput:
    return InvalidInput(what=f"{name_of(path)} line {line}: {why}; nothing was enqueued")
