#!/usr/bin/env python3
"""Figures of a code base, counted with `ast`: `python3 tests/figures.py [FOLDER]...` prints a table.

Complexity is McCabe's, as ruff's C901 counts it: 1, and 1 more for each branch, loop, `except`,
comprehension, and inner function. Code lines are lines without blanks, comments, and docstrings.
"""

from __future__ import annotations

import ast
import os
import statistics
import sys
from collections.abc import Iterator
from typing import NamedTuple, Union

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.comprehension)
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try)
MAX_LINE = 100
MAX_COMPLEXITY = 10
MAX_PARAMETERS = 5
DEEP = 4


class Module(NamedTuple):
    lines: list[str]
    tree: ast.Module


def main() -> int:
    """Print one column for each folder."""
    folders = sys.argv[1:] or [os.path.join(ROOT, "queuectl_core")]
    columns = [dict(figures(list(modules(folder)))) for folder in folders]
    print("| | " + " | ".join(os.path.basename(os.path.abspath(folder)) for folder in folders) + " |")
    print("|---" * (len(folders) + 1) + "|")
    for name in columns[0]:
        print(f"| {name} | " + " | ".join(column[name] for column in columns) + " |")
    return 0


def modules(folder: str) -> Iterator[Module]:
    """Yield each Python module below a folder."""
    for place, _, files in os.walk(folder):
        for file in sorted(file for file in files if file.endswith(".py")):
            with open(os.path.join(place, file), encoding="utf-8") as text:
                source = text.read()
            yield Module(source.splitlines(), ast.parse(source))


def figures(found: list[Module]) -> Iterator[tuple[str, str]]:
    """Yield the name of each figure, and the figure as text."""
    code = [line for module in found for line in code_lines(module)]
    functions = [node for module in found for node in ast.walk(module.tree) if isinstance(node, FUNCTIONS)]
    lengths = sorted(length_of(node) for node in functions)
    parameters = [parameters_of(node) for node in functions]
    complexities = [complexity_of(node) for node in functions]
    conditionals = [node for module in found for node in ast.walk(module.tree) if isinstance(node, ast.IfExp)]
    documented = [ast.get_docstring(node) is not None for node in functions]
    public = [ast.get_docstring(node) is not None for node in functions if not node.name.startswith("_")]
    yield "code lines / files", f"{len(code)} / {len(found)}"
    yield "function length: median, p90, max", f"{statistics.median(lengths):g}, {p90(lengths)}, {lengths[-1]}"
    yield "parameters: most; functions over 5", f"{max(parameters)}; {count_over(parameters, MAX_PARAMETERS)}"
    yield "functions nested 4 deep and deeper", str(count_over([depth_of(node) for node in functions], DEEP - 1))
    yield "functions with a complexity over 10", str(count_over(complexities, MAX_COMPLEXITY))
    yield "conditional expressions in 1000 lines", f"{1000 * len(conditionals) / len(code):.1f}"
    yield "conditional expressions in others", str(sum(map(is_nested, conditionals)))
    yield "characters in a code line, mean", f"{statistics.mean(map(len, code)):.1f}"
    yield "code lines over 100 characters", str(count_over([len(line) for line in code], MAX_LINE))
    yield "functions with a docstring: all, public", f"{percent(documented)} %, {percent(public)} %"


def code_lines(module: Module) -> Iterator[str]:
    """Yield the lines that are code, without their newlines."""
    prose = {line for node in ast.walk(module.tree) if is_prose(node) for line in lines_of(node)}
    for number, line in enumerate(module.lines, 1):
        if line.strip() and not line.strip().startswith("#") and number not in prose:
            yield line


def is_prose(node: ast.AST) -> bool:
    """Return whether this is a docstring, or a text that describes a constant or a field."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def lines_of(node: ast.AST) -> range:
    """Return the numbers of the lines that a statement takes."""
    assert isinstance(node, ast.stmt) and node.end_lineno is not None
    return range(node.lineno, node.end_lineno + 1)


def length_of(function: Function) -> int:
    """Return the number of lines of a function, including its head and its docstring."""
    return len(lines_of(function))


def parameters_of(function: Function) -> int:
    """Return the number of parameters that a caller may pass, without `self` and `cls`."""
    names = [one.arg for one in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def complexity_of(function: Function) -> int:
    """Return McCabe's complexity of a function."""
    counted = (*BRANCHES, *FUNCTIONS)  # the function itself counts as 1
    return sum(isinstance(node, counted) for node in ast.walk(function))


def depth_of(node: ast.AST) -> int:
    """Return how deeply blocks are nested; an `elif` is as deep as its `if`."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        is_elif = isinstance(node, ast.If) and node.orelse == [child] and isinstance(child, ast.If)
        is_block = isinstance(child, BLOCKS) and not is_elif
        deepest = max(deepest, depth_of(child) + is_block)
    return deepest


def is_nested(conditional: ast.IfExp) -> bool:
    """Return whether a conditional expression has another one as a direct part."""
    return any(isinstance(part, ast.IfExp) for part in ast.iter_child_nodes(conditional))


def p90(values: list[int]) -> int:
    """Return the value that nine tenths of a sorted list do not exceed."""
    return values[min(len(values) - 1, len(values) * 9 // 10)]


def count_over(values: list[int], limit: int) -> int:
    """Return how many values exceed a limit."""
    return sum(value > limit for value in values)


def percent(facts: list[bool]) -> int:
    """Return the percentage of true values, rounded down."""
    return 100 * sum(facts) // len(facts)


if __name__ == "__main__":
    sys.exit(main())
