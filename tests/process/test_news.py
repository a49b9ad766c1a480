"""News: a program hears of each event, with and without a supervisor, and costs nothing meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from queuectl_core import Queue
from queuectl_core.news import News
from tests.homes import CommandLine, until


@pytest.fixture
def news(queuectl: CommandLine) -> Iterator[News]:
    with Queue(queuectl.home) as queue:
        news = queue.news()
        yield news
        news.close()


def drained(news: News) -> None:
    """Take the news until there is none for a moment."""
    while news.wait(0.3):
        pass


def test_the_first_wait_returns_at_once_and_the_next_only_after_an_event(news: News, queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    assert news.wait()
    drained(news)
    assert news.fileno() is not None and news.look_within_s() is None  # nothing to do but to wait
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    assert news.wait(20)


def test_what_happens_between_two_waits_is_not_missed(news: News, queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    drained(news)
    queuectl.ok("worker", "scale", "0")
    assert news.wait(20)
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    queuectl.ok("cancel", "a")
    assert news.wait(20)


def test_without_a_supervisor_it_looks_at_the_journal(news: News, queuectl: CommandLine) -> None:
    assert news.wait()
    assert news.look_within_s()
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    assert news.wait(20)
    assert not news.wait(0)


def test_it_notices_the_start_and_the_death_of_a_supervisor(news: News, queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--delay", "1h", "--", "true")
    drained(news)
    queuectl.ok("worker", "start")
    until(lambda: news.wait(1) and news.fileno() is None and news.ask() is None and news.fileno(), lambda: "a watch")
    drained(news)
    queuectl.kill_supervisor()
    assert news.wait(20)
    news.ask()
    assert news.fileno() is None


def test_many_programs_hear_the_same_news(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    heard = []
    ready = threading.Barrier(5)

    def listen() -> None:
        with Queue(queuectl.home) as queue:
            own = queue.news()
            drained(own)
            ready.wait(20)
            heard.append(own.wait(20))
            own.close()

    threads = [threading.Thread(target=listen) for _ in range(4)]
    for thread in threads:
        thread.start()
    ready.wait(20)
    queuectl.ok("enqueue", "--", "true")
    for thread in threads:
        thread.join()
    assert heard == [True] * 4
