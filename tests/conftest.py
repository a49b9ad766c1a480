"""Fixtures of the whole suite: every test that needs a home has one of its own, with nothing left running in it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# A suite that is started in the background has SIGINT ignored, and so would all that it starts: Ctrl-C could not be tried.
signal.signal(signal.SIGINT, signal.default_int_handler)

from tests.homes import CommandLine, short_folder  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the tests that take minutes")
    parser.addoption(
        "--seed", type=int, default=None, help="the seed of the random long tests (default: a new one, printed)"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--long"):
        skip = pytest.mark.skip(reason="runs only with --long")
        for item in items:
            if "long" in item.keywords:
                item.add_marker(skip)


@pytest.fixture
def queuectl() -> Iterator[CommandLine]:
    """The command line, as a real process, on a home of its own; whatever it left running is ended, and that is a
    failure.
    """
    with short_folder() as folder:
        command_line = CommandLine(os.path.join(folder, "home"))
        yield command_line
        command_line.end()
