"""Fixtures of the whole suite: a home for each test that needs one, in which nothing keeps running."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# A suite in the background ignores SIGINT, and its children inherit that: tests could not try Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

from tests.homes import CommandLine, short_folder  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --long and --seed."""
    parser.addoption("--long", action="store_true", help="also run the tests that take minutes")
    parser.addoption(
        "--seed", type=int, default=None, help="the seed of the random long tests (default: a new one, printed)"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the long tests without --long."""
    if not config.getoption("--long"):
        skip = pytest.mark.skip(reason="runs only with --long")
        for item in items:
            if "long" in item.keywords:
                item.add_marker(skip)


@pytest.fixture
def queuectl() -> Iterator[CommandLine]:
    """Yield the command line on a new home; end its processes, and fail if one outlives the stop."""
    with short_folder() as folder:
        command_line = CommandLine(os.path.join(folder, "home"))
        yield command_line
        command_line.end()
