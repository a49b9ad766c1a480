"""Fixtures of the tests of the page: a browser, and visits of a page that end without a complaint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import pytest

from tests.browser import Browser, Page
from tests.homes import CommandLine
from tests.web_server import Web, web


class Visit(Protocol):
    """Opens the page of the home of the test at a route; the block ends without a complaint of the console."""

    def __call__(self, route: str = "/", *words: str) -> AbstractContextManager[tuple[Page, Web]]: ...


@pytest.fixture
def browser() -> Iterator[Browser]:
    with Browser() as found:
        yield found


@pytest.fixture
def visit(queuectl: CommandLine, browser: Browser) -> Visit:
    @contextmanager
    def opened(route: str = "/", *words: str) -> Iterator[tuple[Page, Web]]:
        with web(queuectl, *words) as server:
            page = browser.open(f"{server.address}{route}")
            page.until("document.querySelector('#main')?.getAttribute('aria-busy') === 'false'")
            yield page, server
            complaints = page.complaints()
            page.go("about:blank")
            assert not complaints, complaints

    return opened
