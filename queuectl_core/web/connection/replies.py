"""Replies: what the web server sends back, with the headers that every reply has.

Pure. It does not know connections.

Invariant: no reply has the value of a job's variable or its input, whatever the request.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import NamedTuple

from .refusal import Refusal

JSON, TEXT, LINES = "application/json", "text/plain; charset=utf-8", "application/x-ndjson"

SECURITY = (
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
"""The headers of every reply, also of refusals."""

_TAGS = "tags"


class Reply(NamedTuple):
    """A reply.

    The body is bytes, or pieces of bytes: of `size` bytes in all, or without an end that is known.
    """

    body: bytes | Iterator[bytes]
    type: str = JSON
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    size: int | None = None


def json_reply(value: object, status: int = 200) -> Reply:
    """Return a value as JSON, without secrets."""
    return Reply(to_json(value), status=status)


def lines_reply(lines: Iterator[bytes]) -> Reply:
    """Return lines of JSON as they come. The header tells a proxy to hold none back."""
    return Reply(lines, LINES, headers=(("X-Accel-Buffering", "no"),))


def to_json(value: object) -> bytes:
    """Return a value as JSON in ASCII on one line, without secrets."""
    return json.dumps(without_secrets(value), separators=(",", ":")).encode()


def head_of(reply: Reply, *framing: str) -> bytes:
    """Return the status line and the headers of a reply, with those that say where it ends."""
    lines = [
        f"HTTP/1.1 {reply.status} {http.client.responses.get(reply.status, '')}",
        f"Content-Type: {reply.type}",
    ]
    lines += [f"{name}: {value}" for name, value in (*SECURITY, *reply.headers)]
    return "\r\n".join([*lines, *framing, "", ""]).encode("ascii", "backslashreplace")


def refused(refusal: Refusal) -> Reply:
    """Return the reply to a refused request."""
    return json_reply({"error": refusal.code, "message": refusal.message}, refusal.status)


def without_secrets(value: object) -> object:
    """Return a value with None in place of possible secrets: variables, and a job's input."""
    if isinstance(value, dict):
        return {name: _shown(name, part) for name, part in value.items() if name != "environ"}
    if isinstance(value, list):
        return [without_secrets(part) for part in value]
    return value


def _shown(name: object, value: object) -> object:
    if name == _TAGS:
        return value
    if name == "env" and isinstance(value, dict):
        return dict.fromkeys(value)
    if name == "input" and isinstance(value, str):
        return None
    return without_secrets(value)
