"""The architecture as a test: every module stands on a floor and imports downwards only, pure modules touch no world,
everything is in the standard library, functions are short, and starting a command imports no more than it needs.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.homes import ROOT

PACKAGE = os.path.join(ROOT, "queuectl_core")

FLOORS: list[set[str]] = [
    {"errors", "environment", "retry", "timestamps", "rawjson", "cron", "states", "agenda", "ours", "escapes", "records"},
    {"spec", "interpreter", "jobtext", "journal_format", "protocol", "schedule"},
    {"job", "settings", "lane"},
    {"events"},
    {"commands", "places", "transitions", "verdict"},
    {"entries"},
    {"tallies"},
    {"jobtable"},
    {"load", "lanes", "admission", "waits"},
    {"byhand", "recurring", "migration", "hooks"},
    {"engine", "stores.memory_store"},
    {"upgrade", "image"},
    {"clock", "descriptors", "durable", "forks", "lockfile"},
    {"home", "output", "presence", "socket_path"},
    {
        "journal",
        "process_tree",
        "reserve",
        "stores.sqlite_store",
        "stores.generation_store",
        "stores.sealed_store",
        "server",
        "client",
        "runs",
        "zones",
        "anchor",
    },
    {"stores", "pidfile", "launch"},
    {"worker"},
    {"ledger", "pool", "storecheck"},
    {"adoption", "inquiry", "rosters", "past", "salvage", "doctor", "retention"},
    {"verbs"},
    {"strays", "sessions"},
    {"supervisor", "local"},
    {"daemon"},
    {"child", "caller"},
    {"awaiting"},
    {"api"},
    {"__init__"},
    {"cli.render", "cli.plain"},
    {"cli.empty", "cli.outlet", "cli.sheet", "cli.outfile"},
    {"cli.parser", "cli.lines", "cli.progress", "cli.times", "cli.follower", "cli.exported"},
    {"cli.listing", "cli.selection", "cli.jobflags"},
    {
        "cli.enqueue",
        "cli.list",
        "cli.worker",
        "cli.status",
        "cli.show",
        "cli.logs",
        "cli.doctor",
        "cli.dlq",
        "cli.config",
        "cli.why",
        "cli.wait",
        "cli.cancel",
        "cli.retry",
        "cli.edit",
        "cli.rm",
        "cli.suspend",
        "cli.go_on",
        "cli.queue",
        "cli.schedule",
        "cli.export",
        "cli.import_",
        "cli.backup",
        "cli.restore",
        "cli.prune",
        "cli.events",
        "cli.history",
        "cli.run",
        "cli.drain",
        "cli.pause",
        "cli.resume",
    },
    {"cli.main"},
    {"cli", "__main__"},
]
"""From the ground up. A module imports from floors below its own only; `cli` is empty, and every module may name
it.
"""

PURE = {
    "errors",
    "escapes",
    "environment",
    "retry",
    "timestamps",
    "spec",
    "job",
    "lane",
    "lanes",
    "admission",
    "verdict",
    "states",
    "records",
    "agenda",
    "tallies",
    "places",
    "entries",
    "byhand",
    "hooks",
    "migration",
    "cron",
    "recurring",
    "settings",
    "events",
    "commands",
    "journal_format",
    "protocol",
    "schedule",
    "jobtable",
    "jobtext",
    "load",
    "rawjson",
    "transitions",
    "waits",
    "engine",
}
PURE_MAY_IMPORT = {
    "__future__", "_json", "bisect", "calendar", "codecs", "collections", "datetime", "difflib", "heapq", "itertools", "json", "math", "re", "signal", "struct", "time", "typing", "zlib",
}  # fmt: skip
"""`signal` for the names of signals, `time` for calendar arithmetic: what they may call of them is checked below."""

PURE_MAY_CALL = {
    "time": {"strftime", "gmtime"},
    "signal": {"Signals"},
    "datetime": {"datetime", "timedelta", "timezone", "tzinfo"},
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for folder, folders, files in os.walk(PACKAGE):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for file in files:
            if file.endswith(".py"):
                path = os.path.join(folder, file)
                name = os.path.relpath(path, PACKAGE)[:-3].replace(os.sep, ".")
                with open(path, encoding="utf-8") as text:
                    yield name[: -len(".__init__")] if name.endswith(".__init__") else name, ast.parse(text.read())


TREES = dict(modules())


def floor_of(name: str) -> int:
    return next(number for number, floor in enumerate(FLOORS) if name in floor)


def own_imports(name: str, tree: ast.Module) -> Iterator[str]:
    """The modules of the package that a module imports, at its top or inside a function; not what only type checkers
    read.
    """
    package = name.split(".") if name in ("cli", "stores") else name.split(".")[:-1]
    for_checkers = {id(node) for block in _for_type_checkers(tree) for node in ast.walk(block)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and id(node) not in for_checkers:
            base = package[: len(package) - node.level + 1] + (node.module.split(".") if node.module else [])
            for alias in node.names:
                longer = ".".join([*base, alias.name])
                yield longer if longer in TREES else ".".join(base) or "__init__"


def _for_type_checkers(tree: ast.Module) -> Iterator[ast.stmt]:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            yield from node.body


def outside_imports(tree: ast.Module) -> Iterator[str]:
    """The modules of others that a module imports; not what only type checkers read."""
    for_checkers = {id(node) for block in _for_type_checkers(tree) for node in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in for_checkers:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def test_every_module_stands_on_exactly_one_floor() -> None:
    placed = [name for floor in FLOORS for name in floor]
    assert sorted(placed) == sorted(TREES)


@pytest.mark.parametrize("name", sorted(TREES))
def test_imports_go_downwards(name: str) -> None:
    for imported in own_imports(name, TREES[name]):
        assert floor_of(imported) < floor_of(name), f"{name} imports {imported}"


@pytest.mark.parametrize("name", sorted(PURE))
def test_pure_modules_touch_no_world(name: str) -> None:
    assert set(outside_imports(TREES[name])) <= PURE_MAY_IMPORT
    assert set(own_imports(name, TREES[name])) <= PURE
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in PURE_MAY_CALL:
            assert node.attr in PURE_MAY_CALL[node.value.id], f"{name} uses {node.value.id}.{node.attr}"
        assert not (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("open", "print", "input")
        )


@pytest.mark.skipif(sys.version_info < (3, 10), reason="sys.stdlib_module_names came with 3.10")
@pytest.mark.parametrize("name", sorted(TREES))
def test_only_the_standard_library_is_imported(name: str) -> None:
    assert set(outside_imports(TREES[name])) - {"queuectl_core"} <= set(sys.stdlib_module_names) | {"_socket"}


@pytest.mark.parametrize("name", sorted(TREES))
def test_functions_are_short_and_everything_is_annotated(name: str) -> None:
    lengths = []
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.FunctionDef):
            assert node.returns is not None, f"{name}.{node.name} has no return annotation"
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            bare = [
                argument.arg
                for argument in arguments
                if argument.annotation is None and argument.arg not in ("self", "cls")
            ]
            assert not bare, f"{name}.{node.name}: {bare}"
            lengths.append(node.end_lineno - node.lineno + 1)
            assert lengths[-1] <= 70, f"{name}.{node.name} has {lengths[-1]} lines"


def test_most_functions_have_less_than_fifteen_lines() -> None:
    lengths = [
        node.end_lineno - node.lineno + 1
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    ]
    assert sum(length < 15 for length in lengths) / len(lengths) > 0.8


@pytest.mark.parametrize("name", sorted(TREES))
def test_every_module_says_what_it_is_for(name: str) -> None:
    assert ast.get_docstring(TREES[name])


def test_there_is_one_transition_table_and_every_event_has_its_place_in_it() -> None:
    from queuectl_core import events, transitions

    assert set(transitions.TRANSITIONS) == set(events.EVENT_NAMES.values()) - {
        events.Enqueued,
        events.SettingChanged,
        events.QueueChanged,
        events.Imported,
        events.ScheduleChanged,
        events.ScheduleFired,
        events.ClockShifted,
    }


NOT_FOR_A_PLAIN_CALL = {
    *("sqlite3", "argparse", "typing", "re", "json", "collections", "struct", "queuectl_core.engine"),
    *("queuectl_core.ledger", "queuectl_core.lockfile", "queuectl_core.escapes"),
}
NEVER = {
    "dataclasses",
    "inspect",
    "logging",
    "socket",
    "subprocess",
    "multiprocessing",
    "tempfile",
    "asyncio",
    "importlib.metadata",
    "ctypes",
}


@pytest.mark.parametrize(
    ("words", "never"),
    [
        (
            ["enqueue", "--", "true"],
            NEVER | NOT_FOR_A_PLAIN_CALL,
        ),
        (
            ["enqueue", '{"command": "true"}'],
            NEVER | NOT_FOR_A_PLAIN_CALL,
        ),
        (
            ["status"],
            NEVER | NOT_FOR_A_PLAIN_CALL,
        ),
        (
            ["enqueue", "--command", "true"],
            NEVER | {"sqlite3", "typing", "queuectl_core.engine", "queuectl_core.ledger"},
        ),
        (["list"], NEVER | {"sqlite3"}),
        (["--help"], NEVER | {"argparse", "json", "queuectl_core.api"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_with_a_supervisor_the_command_line_imports_only_what_it_needs(
    queuectl: object, words: list[str], never: set[str]
) -> None:
    queuectl.ok("worker", "start")
    code = "import sys; from queuectl_core.cli.main import run; s = run(sys.argv[1:]); print('\\n' + ' '.join(sys.modules)); sys.exit(s)"
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {ROOT!r}); {code}", *words],
        env=queuectl.environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert set(said.stdout.splitlines()[-1].split()) & never == set()
