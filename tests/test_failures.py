"""docs/guarantees.md: tests exist for each case that it lists."""

from __future__ import annotations

import ast
import os
import re

from tests.homes import ROOT

DOCUMENT = os.path.join(ROOT, "docs", "guarantees.md")


def named_tests() -> dict[str, list[str]]:
    """Return the tests that the list of cases names, by case."""
    with open(DOCUMENT, encoding="utf-8") as file:
        cases = file.read().partition("## Where each case is tested")[2].split("\n- ")[1:]
    return {case.partition(":\n")[0]: re.findall(r"`([\w/]+\.py::\w+)`", case) for case in cases}


def functions_in(path: str) -> set[str]:
    """Return the names of the test functions in a file below `tests/`."""
    with open(os.path.join(ROOT, "tests", path), encoding="utf-8") as file:
        tree = ast.parse(file.read())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_case_names_existing_tests() -> None:
    cases = named_tests()
    assert len(cases) > 30
    for case, names in cases.items():
        assert names, f"no test is named for {case!r}"
        for name in names:
            path, test = name.split("::")
            assert test in functions_in(path), f"{name} does not exist"


def test_no_case_appears_twice() -> None:
    with open(DOCUMENT, encoding="utf-8") as file:
        cases = [line for line in file if line.startswith("### ") or line.endswith(":\n")]
    assert len(cases) > 90
    assert len(cases) == len(set(cases))
