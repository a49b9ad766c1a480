"""The rules of the architecture.

Folders are layers, and imports go only downwards. Pure modules do not touch the world. Only the
standard library is imported. Functions are short, and starting a command imports only what it
needs.
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

LAYERS = [
    "errors",
    "escapes",
    "cells",
    "fast_json",
    "light_types",
    "timestamps",
    "model",
    "table",
    "engine",
    "view",
    "view.top",
    "system",
    "home_files",
    "home",
    "storage",
    "wire",
    "worker",
    "service",
    "supervisor",
    "repair",
    "transport",
    "waiting",
    "news",
    "administration",
    "changes",
    "api",
    "__init__",
    "exposition",
    "terminal",
    "cli.guidance",
    "cli",
    "cli.shell",
    "cli.job_commands",
    "cli.top",
    "web.connection",
    "web",
    "cli.home_commands",
    "__main__",
]
"""The folders, and the modules outside folders, from the lowest layer up.

Imports go downwards, and have no cycles within a folder.
"""

PURE_LAYERS = (
    *("errors", "escapes", "cells", "fast_json", "light_types", "timestamps", "model", "table", "engine", "view"),
    "view.top",
)
PURE_BESIDE = ("storage.journal_format", "wire.protocol")
MOST_MODULES = 22
"""The limit for one folder."""

PURE_MAY_IMPORT = {
    "__future__", "_collections", "_functools", "_json", "bisect", "calendar", "codecs", "collections", "datetime", "difflib", "functools", "heapq", "itertools", "json", "math", "posixpath", "re", "shlex", "signal", "struct", "time", "typing", "unicodedata", "zlib",
}  # fmt: skip
"""`signal` is for the names of signals, and `time` for calendar arithmetic; `PURE_MAY_CALL` limits both."""

PURE_MAY_CALL = {
    "time": {"strftime", "gmtime"},
    "signal": {"Signals"},
    "posixpath": {"basename", "dirname", "splitext"},
    "shlex": {"quote"},
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
                    yield name, ast.parse(text.read())


TREES = dict(modules())


def layer_of(name: str) -> str:
    """Return the folder of a module, or the module itself outside folders."""
    return name.rpartition(".")[0] or name


PURE = {name for name in TREES if layer_of(name) in PURE_LAYERS or name in PURE_BESIDE}


def own_imports(name: str, tree: ast.Module) -> Iterator[str]:
    """Yield the modules of the package that a module imports, at its top or inside a function.

    Leave out imports that only type checkers read.
    """
    package = name.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1] + (node.module.split(".") if node.module else [])
            for alias in node.names:
                longer = ".".join([*base, alias.name])
                yield longer if longer in TREES else ".".join(base) or "__init__"


OWN = {name: set(own_imports(name, tree)) for name, tree in TREES.items()}


def outside_imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def test_every_folder_is_a_layer() -> None:
    assert {layer_of(name) for name in TREES} == set(LAYERS)


@pytest.mark.parametrize("layer", LAYERS)
def test_no_folder_has_too_many_modules(layer: str) -> None:
    assert sum(layer_of(name) == layer for name in TREES if not name.endswith("__init__")) <= MOST_MODULES


def test_packages_have_no_code() -> None:
    for name, tree in TREES.items():
        if name.endswith(".__init__"):
            assert [type(node) for node in tree.body] == [ast.Expr], f"{name} has code"


@pytest.mark.parametrize("name", sorted(TREES))
def test_imports_go_downwards(name: str) -> None:
    for imported in OWN[name]:
        assert LAYERS.index(layer_of(imported)) <= LAYERS.index(layer_of(name)), f"{name} imports {imported}"


def inner_imports(name: str) -> set[str]:
    return {imported for imported in OWN[name] if layer_of(imported) == layer_of(name)}


@pytest.mark.parametrize("layer", LAYERS)
def test_folders_have_no_import_cycles(layer: str) -> None:
    left = {name: inner_imports(name) for name in TREES if layer_of(name) == layer}
    while ground := {name for name, imported in left.items() if not imported & set(left)}:
        left = {name: imported for name, imported in left.items() if name not in ground}
    assert not left


@pytest.mark.parametrize("name", sorted(name for name in TREES if layer_of(name).endswith("_commands")))
def test_no_command_imports_another(name: str) -> None:
    assert not [imported for imported in OWN[name] if layer_of(imported).endswith("_commands")]


@pytest.mark.parametrize("name", sorted(PURE))
def test_pure_modules_do_not_touch_the_world(name: str) -> None:
    assert set(outside_imports(TREES[name])) <= PURE_MAY_IMPORT
    assert OWN[name] <= PURE
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in PURE_MAY_CALL:
            assert node.attr in PURE_MAY_CALL[node.value.id], f"{name} uses {node.value.id}.{node.attr}"
        assert not (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("open", "print", "input")
        )


@pytest.mark.skipif(sys.version_info < (3, 10), reason="sys.stdlib_module_names is new in 3.10")
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


def test_most_functions_have_fewer_than_fifteen_lines() -> None:
    lengths = [
        node.end_lineno - node.lineno + 1
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    ]
    assert sum(length < 15 for length in lengths) / len(lengths) > 0.8


@pytest.mark.parametrize("name", sorted(TREES))
def test_every_module_has_a_docstring(name: str) -> None:
    assert ast.get_docstring(TREES[name])


def test_the_transition_table_has_every_event() -> None:
    from queuectl_core.engine import transitions
    from queuectl_core.model import events

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
    *("sqlite3", "argparse", "typing", "re", "json", "collections", "struct", "queuectl_core.engine.engine"),
    *("queuectl_core.service.ledger", "queuectl_core.system.lockfile", "queuectl_core.escapes"),
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
            NEVER | {"sqlite3", "typing", "queuectl_core.engine.engine", "queuectl_core.service.ledger"},
        ),
        (["list"], NEVER | {"sqlite3"}),
        (["--help"], NEVER | {"argparse", "json", "queuectl_core.api"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_imports_only_what_it_needs(
    queuectl: object, words: list[str], never: set[str]
) -> None:
    queuectl.ok("worker", "start")
    assert modules_of(queuectl, words) & never == set()


@pytest.mark.parametrize("words", [["enqueue", "--", "true"], ["enqueue", '{"command": "true"}'], ["list"], ["status"]], ids=" ".join)
def test_a_command_without_a_supervisor_imports_only_what_it_needs(queuectl: object, words: list[str]) -> None:
    queuectl.ok("enqueue", "--", "true")
    others = {"sqlite3", "argparse", "typing", "json", "contextlib", "datetime", "signal", "enum", "importlib", "warnings"}
    rare = {"queuectl_core.engine.job_import", "queuectl_core.model.cron", "queuectl_core.service.orphans"}
    assert modules_of(queuectl, words) & (NEVER | others | rare) == set()


def modules_of(queuectl: object, words: list[str]) -> set[str]:
    """Return the modules that a command imports."""
    code = "import sys; from queuectl_core.cli.main import run; s = run(sys.argv[1:]); print('\\n' + ' '.join(sys.modules)); sys.exit(s)"
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {ROOT!r}); {code}", *words],
        env=queuectl.environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(result.stdout.splitlines()[-1].split())
