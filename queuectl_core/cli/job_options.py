"""Job options: the command line options that describe a job, and the job fields that they set.

An option has the name of its field. This module knows how users write a value on a command line. It
does not know which values are allowed: `model.job_spec` checks them.
Invariant: the words of a command reach it exactly as the user gives them.
"""

from __future__ import annotations

import os
import sys

from ..errors import InvalidInput
from .fast_args import Arguments, path_of, spellings

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ..model.records import JobFields
    from .fast_args import Option

_FLAGS: tuple[Option, ...] = (
    ("--name", "TEXT", "label, for filters"),
    ("--queue", "NAME", "queue it waits in"),
    ("--priority", "N", "higher runs first"),
    ("--delay", "TIME", "start in 90s, 2h, 1d"),
    ("--at", "WHEN", "start at 18:30, date"),
    ("--slots", "N", "workers it uses (1)"),
    ("--timeout", "TIME", "time limit of a run"),
    ("--grace", "TIME", "from TERM to KILL"),
    ("--max-retries", "N", "retries, 0 to 1000"),
    ("--backoff-base", "S", "wait S^n s; 0-3600"),
    ("--backoff-max", "TIME", "longest wait"),
    ("--jitter", "SHARE", "0-1, shortens waits"),
    ("--retry-on", "CODES", "retry only 75,111"),
    ("--fail-on", "CODES", "never retry 2,64"),
    ("--snooze-on", "CODES", "run later, uncounted"),
    ("--snooze", "TIME", "delay (default 60s)"),
    ("--cwd", "DIR", "folder to run in"),
    ("--shell", "PATH", "instead of /bin/sh"),
    ("--nice", "N", "-20 to 19"),
    ("--limit-mem", "SIZE", "per process: 512M"),
    ("--limit-cpu", "TIME", "of each process"),
    ("--on-success", "CMD", "when it completes"),
    ("--on-failure", "CMD", "failed attempt"),
    ("--on-dead", "CMD", "when it dies"),
    ("--on-end", "CMD", "whatever its result"),
    ("--on-batch-end", "CMD", "end of its batch"),
)
_MORE_FLAGS: tuple[Option, ...] = (
    ("--tag", "K=V…", "tag, repeatable"),
    ("--env", "K=V…", "variable, repeatable"),
    ("--env-file", "FILE", "file of K=V lines"),
    ("--inherit-env", "", "copy your variables"),
    ("--stdin", "FILE", "input; - is stdin"),
)
JOB_FLAGS = (*_FLAGS, *_MORE_FLAGS)
"""Options that describe a job; docs/job-fields.md has the details."""

NEW_JOB_FLAGS = (
    ("--batch", "NAME", "batch it belongs to"),
    ("--after", "ID…", "after ID completes"),
    ("--after-batch", "B…", "after its jobs"),
    ("--after-any", "", "whatever its result"),
    ("--key", "K", "one unfinished job"),
    ("--on-conflict", "HOW", "refuse|skip|replace"),
    *JOB_FLAGS,
)
"""The options of a command that adds a job."""

_RARE = ("--grace", "--backoff-max", "--jitter", "--snooze-on", "--snooze", "--shell", "--nice", "--limit-cpu")
"""The options that a help only names."""

_BY_VARIABLE = (
    *("timeout", "grace", "max_retries", "backoff_base", "backoff_max", "jitter", "retry_on", "fail_on"),
    *("shell", "nice", "limit_mem", "env", "on_success", "on_failure", "on_dead", "on_end"),
)
"""The fields that have a setting, and so a variable."""

_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_")
"""A word of only these characters needs no quotes in a shell."""
_MAX_FILE_CHARACTERS = 1024 * 1024
"""The size limit of --env-file, because a device, for example, has no end."""


def two_columns(flags: Sequence[Option]) -> str:
    """Return the help of job options in two columns, which fit the screen, and the names of rare ones and hooks."""
    hooks = [flag for flag, _, _ in flags if flag.startswith("--on-") and flag != "--on-conflict"]
    rare = [flag for flag, _, _ in flags if flag in _RARE]
    shown = [(flag, metavar, help) for flag, metavar, help in flags if flag not in (*rare, *hooks)]
    cells = [f"{' '.join((*spellings(flag), metavar.rstrip('…?'))):19}{help}" for flag, metavar, help in shown]
    half = (len(cells) + 1) // 2
    right = [*cells[half:], ""]
    lines = [f"{left:40}{right[n]}".rstrip() for n, left in enumerate(cells[:half])]
    also = f"also: {' '.join(rare)}" if rare else ""
    if hooks:
        also += f"; hooks (see `queuectl help hooks`): {' '.join(hooks)}"
    return "\n".join([*lines, _wrapped(also)] if also else lines)


def names_of(flags: Sequence[Option]) -> str:
    """Return the names of options on lines that fit the screen."""
    return _wrapped(" ".join(flag for flag, _, _ in flags))


def _wrapped(text: str) -> str:
    import textwrap

    return textwrap.fill(text, 76, subsequent_indent="  ", break_on_hyphens=False)


def job_fields(args: Arguments) -> JobFields:
    """Return the job fields that the options set.

    Raises: InvalidInput.
    """
    fields: Any = {}
    for flag, _, _ in _FLAGS:
        name = flag[2:].replace("-", "_")
        text = getattr(args, name, None)
        if text is not None:
            fields[name] = _VALUES.get(name, str)(text)
    if args.tag:
        fields["tags"] = "" if args.tag == [""] else _pairs(args.tag, "--tag")
    environment = "" if args.env == [""] else _environment(args)
    if environment or args.env:
        fields["env"] = environment
    if args.stdin is not None:
        fields.update(_input(args.stdin))
    given: JobFields = fields
    return given


def in_options(said: str, args: Arguments) -> str:
    """Return a message in which options of the call replace the names of the fields that they set.

    A field of a file, or of `edit --set`, keeps its name.
    """
    if getattr(args, "file", None) is not None or getattr(args, "set", None):
        return said
    import re

    for flag, _, _ in (("--id", "", ""), ("--command", "", ""), *NEW_JOB_FLAGS):
        name = flag[2:].replace("-", "_")
        if getattr(args, name, None) is not None:
            field = "tags" if name == "tag" else name
            said = re.sub(rf"(^|: |and ){field}(?=: | and [a-z]+ cannot be | cannot be used)", rf"\g<1>{flag}", said)
    if getattr(args, "key", None) is not None:
        said = said.replace("use on_conflict", "use --on-conflict")
    return said


def variable_fields() -> JobFields:
    """Return the job fields that variables like QUEUECTL_TIMEOUT set, for those that a call does not set itself.

    Raises: InvalidInput, InvalidSetting.
    """
    fields: Any = {}
    for name in _BY_VARIABLE:
        text = os.environ.get(f"QUEUECTL_{name.upper()}")
        if text is None:
            continue
        if name == "env":
            from ..model.settings import parse_setting

            fields[name] = parse_setting(name, text)
        else:
            fields[name] = _VALUES.get(name, str)(text)
    given: JobFields = fields
    return given


def join(words: list[str]) -> str:
    """Return the words as one command line.

    One word is already a command line. Several words reach the command exactly as they are.
    """
    if len(words) == 1:
        return words[0]
    if all(word and _SAFE.issuperset(word) for word in words):
        return " ".join(words)
    import shlex  # imports re, which few calls need

    return shlex.join(words)


def order_fields(args: Arguments) -> JobFields:
    """Return the job fields that only a new job accepts."""
    fields = {
        "batch": args.batch,
        "after": _listed(args.after),
        "after_batch": _listed(args.after_batch),
        "after_any": args.after_any or None,
        "key": args.key,
        "on_conflict": args.on_conflict,
    }
    given: Any = {name: value for name, value in fields.items() if value is not None}
    order: JobFields = given
    return order


def _listed(texts: list[str] | None) -> list[str] | None:
    """Return the names in options that may have several with commas, or None without an option."""
    return [name for text in texts or () for name in text.split(",")] or None


def number(text: str) -> object:
    """Return the number, or the text itself, which the check of the job then refuses by name."""
    for kind in (int, float) if text.isascii() and "_" not in text else ():
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _folder(text: str) -> str:
    """Return --cwd as an absolute path."""
    if not text:
        raise InvalidInput(what="--cwd needs a folder")
    return os.path.abspath(text)


def _path(text: str) -> str:
    return os.path.abspath(os.path.expanduser(text)) if text else text


def _at(text: str) -> str:
    from .value_args import instant

    return instant(text)


def _program(text: str) -> str:
    """Return the absolute path of a program; search PATH for a name without a slash."""
    if not text or "/" in text:
        return _path(text)
    import shutil

    return shutil.which(text) or text


_VALUES: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(("max_retries", "backoff_base", "priority", "slots", "nice", "jitter"), number),
    "at": _at,
    "cwd": _folder,
    "shell": _program,
}


def _pairs(texts: list[str], flag: str) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise InvalidInput(what=f"{flag} needs NAME=VALUE, not {text[:40]!r}")
        pairs[name] = value
    return pairs


def _environment(args: Arguments) -> dict[str, str]:
    variables: dict[str, str] = {}
    if args.inherit_env:
        from ..model.job_environment import without_own

        variables.update(without_own(os.environ))
    if args.env_file is not None:
        variables.update(_pairs(_lines(args.env_file), "a line of --env-file"))
    return {**variables, **_pairs(args.env or [], "--env")}


def _lines(path: str) -> list[str]:
    try:
        with open(path_of(path), encoding="utf-8") as file:
            text = file.read(_MAX_FILE_CHARACTERS + 1)
        if len(text) > _MAX_FILE_CHARACTERS:
            raise ValueError(f"it has more than {_MAX_FILE_CHARACTERS} characters")
    except (OSError, ValueError) as fault:
        raise InvalidInput(what=f"cannot read {path}: {getattr(fault, 'strerror', None) or fault}") from None
    lines = [line.strip() for line in text.split("\n")]
    return [line[7:] if line.startswith("export ") else line for line in lines if line and not line.startswith("#")]


def _input(path: str) -> dict[str, object]:
    if path != "-":
        return {"stdin": _path(path)}
    data = sys.stdin.buffer.read(64 * 1024 + 1)
    try:
        return {"input": data.decode()} if data else {}
    except UnicodeDecodeError:
        raise InvalidInput(what="--stdin - accepts only UTF-8 text; for other data use --stdin FILE") from None
