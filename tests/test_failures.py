"""docs/guarantees.md: each case that it lists is held by tests that are there."""

from __future__ import annotations

import ast
import os
import re

from tests.homes import ROOT

DOCUMENT = os.path.join(ROOT, "docs", "guarantees.md")


def named_tests() -> dict[str, list[str]]:
    """Return the tests that the table of cases names, by case."""
    with open(DOCUMENT, encoding="utf-8") as file:
        table = file.read().partition("| case | tests |")[2]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:] if line]
    return {case: re.findall(r"`([\w/]+\.py::\w+)`", tests) for case, tests in rows}


def functions_in(path: str) -> set[str]:
    """Return the names of the test functions in a file below `tests/`."""
    with open(os.path.join(ROOT, "tests", path), encoding="utf-8") as file:
        tree = ast.parse(file.read())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_case_names_tests_that_are_there() -> None:
    cases = named_tests()
    assert len(cases) > 30
    for case, names in cases.items():
        assert names, f"no test is named for {case!r}"
        for name in names:
            path, test = name.split("::")
            assert test in functions_in(path), f"{name} is not there"


def test_no_case_of_the_failures_stands_twice() -> None:
    with open(DOCUMENT, encoding="utf-8") as file:
        rows = [line.split(" | ")[0] for line in file if line.startswith("| ")]
    assert len(rows) == len(set(rows))
