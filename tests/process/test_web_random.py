"""Random requests to `queuectl web`: no request, however odd, finds a defect or ends the server."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import quote

import pytest

from queuectl_core.web.site import ROUTES
from tests.homes import CommandLine
from tests.web_server import web

WORDS = ["verb", "ids", "filter", "options", "preview", "id", "changes", "job", "dry_run", "queue", "set", "rm", "schedule", "do", "key", "value", "unset", "is_paused", "for", "reason", "all", "group", "state", "tag", "grep", "exit-code", "since", "cause", "signal", "fields", "dependants", "to", "limit", "rate", "paused", "defaults", "env", "command", "tags", "after", "retry_on", "at", "delay", "pause_for", "name", "batch", "cursor", "sort", "attempt", "run"]
VALUES = [
    "a", "dead", "pending,failed", "cancel", "retry", "rm", "dlq-retry", "move", "front", "-1", "2h", "", "\ud800",
    "\0", "x" * 300, "*", "../..", "bytes=5-2", None, True, False, 0, -1, 1e308, 2**70, [], {}, ["a", "b"], [None],
]  # fmt: skip


def value(chance: random.Random, depth: int = 0) -> Any:
    """Return a value of JSON that may be part of a request."""
    kind = chance.random()
    if depth < 3 and kind < 0.3:
        return {chance.choice(WORDS): value(chance, depth + 1) for _ in range(chance.randrange(4))}
    if depth < 3 and kind < 0.4:
        return [value(chance, depth + 1) for _ in range(chance.randrange(4))]
    return chance.choice(VALUES)


def query(chance: random.Random) -> str:
    """Return a query of a few words."""
    texts = (str(chance.choice(VALUES)).encode("utf-8", "surrogatepass") for _ in range(chance.randrange(4)))
    return "&".join(f"{chance.choice(WORDS)}={quote(text)}" for text in texts)


@pytest.mark.parametrize("seed", range(3))
def test_no_random_request_finds_a_defect(queuectl: CommandLine, seed: int) -> None:
    chance = random.Random(seed)
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    routes = [route for route in ROUTES if route[1] != "api/events"]  # which has no end
    with web(queuectl) as page:
        for _ in range(150):
            method, path = chance.choice(routes)
            path = path.replace("*", quote(chance.choice(["a", "zz", "\0", ".."]), safe=""))
            if method == "GET":
                got = page.get(f"{path}?{query(chance)}", range=chance.choice(["bytes=0-", "bytes=-", "x"]))
            else:
                got = page.post(path, {chance.choice(WORDS): value(chance) for _ in range(chance.randrange(9))})
            assert got.status in (200, 206, 400, 404, 405, 409, 416, 503), (method, path, got)
        assert page.process.poll() is None
