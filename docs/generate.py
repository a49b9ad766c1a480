#!/usr/bin/env python3
"""Rewrite the generated parts of the documentation from the code.

    python3 docs/generate.py            rewrite them
    python3 docs/generate.py --check    change nothing; exit 1 when a page is out of date

A page says `<!-- generated: NAME -->` where a part begins and `<!-- end -->` where it ends. PARTS has the names.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

DOCS = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(DOCS)
sys.path[:0] = [ROOT, DOCS]

import texts

from queuectl_core import errors
from queuectl_core.administration import Administration
from queuectl_core.api import Queue
from queuectl_core.changes import Changes
from queuectl_core.cli import arguments
from queuectl_core.cli.fast_args import SHORT
from queuectl_core.cli.guidance.aliases import ALIASES
from queuectl_core.cli.main import COMMANDS, command_of, definitions
from queuectl_core.cli.shell.parser_texts import (
    COMMON,
    actions_of,
    argument,
    examples_of,
    is_group,
    is_positional,
    options_of,
    spelled,
    usage_of,
)
from queuectl_core.cli.value_args import TIMED_OUT
from queuectl_core.model import attempt, events, job, job_spec, settings, states
from queuectl_core.view import metrics_text
from queuectl_core.view.top.keys import KEYS, NAMES

if TYPE_CHECKING:
    from queuectl_core.model.records import Attempt

MARKED = re.compile(r"(<!-- generated: ([\w -]+) -->\n).*?(<!-- end -->)", re.DOTALL)
SHARED = {
    arguments.FILTERS_TITLE: "[Filters](#choose-jobs)",
    arguments.JOB_TITLE: "Options of the job ([job fields](job-fields.md))",
}


# Commands


def parser_of(name: str) -> argparse.ArgumentParser:
    """Return the parser of a command."""
    return arguments.make_parser(name, command_of(name), {"home": None, "json": False})


def all_parsers() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of every command and action, by the words that lead to it."""
    found = {}
    for name in COMMANDS:
        found[name] = parser_of(name)
        found.update({f"{name} {word}": parser for word, parser in actions_of(found[name]).items()})
    return found


def commands() -> Iterator[str]:
    """Yield the commands and actions, each with what it does."""
    for words, action in definitions():
        yield f"- [`{words}`](#{words.replace(' ', '-')}): {line_of(words, action)}."


def line_of(words: str, definition: object) -> str:
    """Return what a command or an action does, in one line."""
    return COMMANDS[words][1] if words in COMMANDS else str(vars(definition)["help"])


def short_forms() -> Iterator[str]:
    """Yield the short forms, with the commands that have each."""
    parsers = {words: parser for words, parser in all_parsers().items() if not any(map(is_group, parser._actions))}
    for name, short in sorted(SHORT.items(), key=lambda pair: pair[1]):
        having = [f"`{words}`" for words, parser in parsers.items() if name in parser._option_string_actions]
        yield f"- `{short}`, `{name}`: {'every command' if len(having) == len(parsers) else ', '.join(having)}."


def other_names() -> Iterator[str]:
    """Yield the table of other names of commands."""
    names: dict[str, list[str]] = {}
    for other, meant in ALIASES.items():
        names.setdefault(meant, []).append(f"`{other}`")
    rows = [(f"`{meant}`", ", ".join(others)) for meant, others in names.items()]
    yield from table(("command", "other names"), rows)


def command(name: str) -> Iterator[str]:
    """Yield the reference of one command: its summary, arguments, options, and examples."""
    parser = parser_of(name)
    yield from reference(parser)
    for word, action in actions_of(parser).items():
        yield from ("", f"### {name} {word}", "")
        yield from reference(action)


def reference(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the reference of one parser."""
    yield from sentences(parser.description or "")
    if any(map(is_group, parser._actions)):
        return
    yield from ("", "```text", usage_of(parser), "```")
    bullets = list(bullets_of(parser))
    yield from ("", *bullets) if bullets else ()
    yield from ("", "```sh", *examples_of(parser), "```")


def bullets_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the lines of the arguments of a parser; the filters share one, and so do the options of the job."""
    yield from (bullet(action) for action in parser._actions if is_positional(action) or is_shown(action))
    for group in parser._action_groups:
        if group.title in SHARED:
            names = ", ".join(f"`{spelled(action)}`" for action in group._group_actions)
            yield f"- {SHARED[group.title]}: {names}."


def is_shown(action: argparse.Action) -> bool:
    """Return whether an option has a help text of its own."""
    return bool(action.option_strings) and action.option_strings[0] not in COMMON and action.help != argparse.SUPPRESS


def bullet(action: argparse.Action) -> str:
    """Return the line of one argument: its name, help, and default."""
    name = spelled(action) if action.option_strings else argument(action)
    says = "" if action.help == argparse.SUPPRESS else (action.help or "").rstrip(".")
    known = action.default in (None, False, argparse.SUPPRESS) or "default" in says
    default = "" if known else f" (default: {action.default})"
    return f"- `{name}`: {says}{default}." if says else f"- `{name}`{default}"


# Settings and fields


def settings_table() -> Iterator[str]:
    """Yield the table of settings."""
    rows = ((f"`{key}`", shown_default(one.default), one.help) for key, one in settings.SETTINGS.items())
    yield from table(("key", "default", "meaning"), rows)


def shown_default(default: object) -> str:
    """Return a default as a person writes it."""
    return "–" if default in ("", []) else str(default)


def job_fields() -> Iterator[str]:
    """Yield the tables of the fields that a request for a job may have."""
    wanted = {*job_spec.BASIC_FIELDS, *job_spec.OPTIONS}
    agree("JOB_FIELDS", wanted, [field for group in texts.JOB_FIELDS.values() for field in group])
    flags = {action.dest: spelled(action) for action in options_of(parser_of("enqueue"))}
    for title, group in texts.JOB_FIELDS.items():
        yield from (f"### {title}", "")
        yield from table(
            ("field", "flag", "meaning", "default"),
            ((f"`{field}`", flag_of(field, flags), *row) for field, row in with_settings(group)),
        )
        yield ""


def with_settings(group: Mapping[str, tuple[str, str]]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield fields with meaning and default; the default is a setting where there is one of the same name."""
    for field, (meaning, default) in group.items():
        key = field.replace("_", "-")
        is_default = key in settings.SETTINGS and key not in job_spec.HOOKS  # a hook runs beside that of the setting
        yield field, (meaning, f"setting `{key}`" if is_default else default)


OTHER_FLAGS = {"tags": "--tag K=V", "input": "--stdin -"}


def flag_of(field: str, flags: Mapping[str, str]) -> str:
    """Return the flag that gives a field."""
    return f"`{OTHER_FLAGS.get(field) or flags[field]}`"


def record_fields() -> Iterator[str]:
    """Yield the table of the fields that a record has beside those of the request."""
    sample = job.Job("a", 1, "true", "/", 3, 2, 0, state="processing", history=[SAMPLE_ATTEMPT], blockers=["b"])
    sample.suspended = True
    dead = job.Job("a", 1, "true", "/", 3, 2, 0, state="dead")
    own = {*sample.record(), *dead.record()} - job_spec.BASIC_FIELDS - set(job_spec.OPTIONS)
    agree("RECORD_FIELDS", own, texts.RECORD_FIELDS)
    yield from described("field", texts.RECORD_FIELDS)


SAMPLE_ATTEMPT: Attempt = {"attempt": 1, "worker": "w1", "started_ms": 0, "run": 1, "slot": 1}


def attempt_fields() -> Iterator[str]:
    """Yield the table of the fields of an attempt."""
    agree("ATTEMPT_FIELDS", attempt.record_of(SAMPLE_ATTEMPT), texts.ATTEMPT_FIELDS)
    yield from described("field", texts.ATTEMPT_FIELDS)


def states_table() -> Iterator[str]:
    """Yield the table of states."""
    agree("STATES", states.STATES, texts.STATES)
    yield from described("state", texts.STATES)


def events_table() -> Iterator[str]:
    """Yield the table of events."""
    agree("EVENTS", events.EVENT_NAMES, texts.EVENTS)
    yield from described("event", texts.EVENTS)


# Errors


def exit_statuses() -> Iterator[str]:
    """Yield the list of exit statuses."""
    known = {error.exit_status for error in errors.every_error()} | {0, TIMED_OUT, 130, 141}
    agree("EXIT_STATUSES", {*map(str, known), "128+n"}, texts.EXIT_STATUSES)
    for status, says in texts.EXIT_STATUSES.items():
        first, *rest = sentences(says)
        yield from (f"- `{status}`: {first}", *(f"  {line}" for line in rest))


def error_codes() -> Iterator[str]:
    """Yield the section of each error: its code, exit status, and message."""
    kinds: list[type[errors.QueueError]] = [errors.QueueError, *errors.every_error()]
    every = {error.code: error for error in kinds}
    agree("ERRORS", every, texts.ERRORS)
    for code, error in sorted(every.items()):
        yield from (f"### {code}", "", *sentences(texts.ERRORS[code]), "", f"- Exit status: {error.exit_status}")
        if error.text not in ("{what}", "{why}"):
            yield f"- Message: `` {'; '.join(filter(None, (error.text, error.hint)))} ``"
        yield ""


# Code


def methods() -> Iterator[str]:
    """Yield the methods of `Queue`, each with its docstring."""
    for name, method in {**vars(Queue), **vars(Changes), **vars(Administration)}.items():
        if not name.startswith("_") and callable(method):
            names = ", ".join(map(parameter, list(inspect.signature(method).parameters.values())[1:]))
            paragraphs = (inspect.getdoc(method) or "").split("\n\n")
            first, *rest = (line for paragraph in paragraphs for line in sentences(paragraph))
            yield from (f"- `{name}({names})`: {first}".rstrip(), *(f"  {line}" for line in rest))


def parameter(one: inspect.Parameter) -> str:
    """Return a parameter with its default; a function as a default is left out."""
    default = one.empty if callable(one.default) else one.default
    return str(one.replace(annotation=one.empty, default=default))


def codemap() -> Iterator[str]:
    """Yield the modules of the package by folder, each with the first sentence of its docstring."""
    package = os.path.join(ROOT, "queuectl_core")
    for folder, folders, files in os.walk(package):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        modules = sorted(file for file in files if file.endswith(".py") and not file.startswith("__"))
        if not modules:
            continue
        yield from (f"### {os.path.relpath(folder, ROOT)}", "", docstring(folder, "__init__.py"), "")
        for file in modules:
            yield f"- `{file[:-3]}`: {first_sentence(docstring(folder, file))}"
        yield ""


def docstring(folder: str, file: str) -> str:
    """Return the first paragraph of the docstring of a module, on one line."""
    with open(os.path.join(folder, file), encoding="utf-8") as text:
        whole = ast.get_docstring(ast.parse(text.read())) or ""
    return " ".join(whole.split("\n\n")[0].split())


def first_sentence(text: str) -> str:
    """Return the first sentence of a docstring, without the name of its module."""
    first = re.split(r"(?<=[.:]) (?=[A-Z`])", re.sub(r"^[\w ]+: ", "", text))[0]
    return first.rstrip(".:") + "."


# Pages


def keys() -> Iterator[str]:
    """Yield the keys of `top`, with the command that does the same."""
    names = (" ".join(f"`{NAMES.get(name, name)}`" for name in key.names) for key in KEYS)
    commands = (key.command and f"`{key.command}`".replace("|", "\\|") for key in KEYS)
    yield from table(("key", "does", "as a command"), zip(names, (key.said for key in KEYS), commands))


def metrics_table() -> Iterator[str]:
    """Yield the metrics with their types, labels and meanings."""
    rows = (
        (f"`{family.full_name}`", family.kind, ", ".join(f"`{label}`" for label in family.labels), family.help)
        for family in metrics_text.FAMILIES
    )
    yield from table(("name", "type", "labels", "meaning"), rows)
    bounds = [*(f"{bound:g}" for bound in metrics_text.BOUNDS_S)]
    syncs = [f"{bound / 1000:g}" for bound in metrics_text.SYNC_BOUNDS_MS]
    yield ""
    yield f"Buckets of histograms, in seconds: {', '.join(bounds)}; of syncs: {', '.join(syncs)}."


PARTS: dict[str, Callable[[], Iterable[str]]] = {
    "commands": commands,
    "short forms": short_forms,
    "other names": other_names,
    **{f"command {name}": lambda name=name: command(name) for name in COMMANDS},  # type: ignore[misc]
    "settings": settings_table,
    "job fields": job_fields,
    "record fields": record_fields,
    "attempt fields": attempt_fields,
    "states": states_table,
    "events": events_table,
    "exit statuses": exit_statuses,
    "errors": error_codes,
    "methods": methods,
    "metrics": metrics_table,
    "codemap": codemap,
    "keys": keys,
}


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, which stand on a line each."""
    return re.split(r"(?<=[.!?]) (?=[A-Z`])", " ".join(text.split()))


def described(title: str, meanings: Mapping[str, str]) -> Iterator[str]:
    """Yield a table of names and their meanings."""
    yield from table((title, "meaning"), ((f"`{name}`", says) for name, says in meanings.items()))


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield a Markdown table."""
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    yield from (f"| {' | '.join(row)} |" for row in rows)


def agree(name: str, known: Iterable[str], described: Iterable[str]) -> None:
    """Raise SystemExit unless texts.py describes exactly the names that the code knows."""
    missing, gone = sorted({*known} - {*described}), sorted({*described} - {*known})
    if missing or gone:
        raise SystemExit(f"docs/texts.py: {name} lacks {missing} and describes {gone}, which the code lacks")


def generated(text: str) -> str:
    """Return a page with its generated parts as the code has them now."""
    return MARKED.sub(lambda found: found[1] + "\n".join(PARTS[found[2]]()).rstrip() + "\n" + found[3], text)


def pages() -> list[str]:
    """Return the paths of all pages."""
    return sorted(os.path.join(DOCS, name) for name in os.listdir(DOCS) if name.endswith(".md"))


def main() -> int:
    """Rewrite the pages, or only say which are out of date; return the exit status."""
    parser = argparse.ArgumentParser(description="Rewrite the generated parts of the documentation.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a page is out of date")
    check = parser.parse_args().check
    stale = 0
    for path in pages():
        with open(path, encoding="utf-8") as file:
            before = file.read()
        after = generated(before)
        if after != before:
            stale += 1
            print(f"{os.path.relpath(path, ROOT)} is out of date" if check else f"wrote {os.path.relpath(path, ROOT)}")
            if not check:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(after)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
