"""Tokens: the secrets that a request to the web server must have, in private files of the home."""

from __future__ import annotations

import re
import secrets

from ..home import NOT_ALLOWED, Home
from ..system import file_io
from .connection.gate import Tokens

TOKEN_BYTES = 32
_IS_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def new_tokens(home: Home) -> Tokens:
    """Return a new token of the page, and the token for metrics, which stays the same.

    Keep both in files.

    Raises: OSError.
    """
    page = secrets.token_urlsafe(TOKEN_BYTES)
    _keep(home.web_token, page)
    return Tokens(page, _metrics_token(home))


def forget(home: Home, tokens: Tokens) -> None:
    """Remove the file of the page's token, unless it has that of another server by now."""
    try:
        if file_io.read(home.web_token, 100).decode("ascii", "replace").strip() == tokens.page:
            file_io.remove(home.web_token)
    except OSError:
        pass


def _metrics_token(home: Home) -> str:
    """Return the token for metrics, which a monitoring program can keep.

    Raises: OSError.
    """
    try:
        kept = file_io.read(home.metrics_token, 100).decode("ascii", "replace").strip()
    except FileNotFoundError:
        kept = ""
    if _IS_TOKEN.fullmatch(kept):
        return kept
    token = secrets.token_urlsafe(TOKEN_BYTES)
    _keep(home.metrics_token, token)
    return token


def _keep(path: str, token: str) -> None:
    """Write a token to its file, unless nobody can write to the disk: then the page still works.

    Raises: OSError.
    """
    try:
        file_io.replace_file(path, f"{token}\n".encode(), synced=False)
    except OSError as fault:
        if fault.errno not in (*file_io.FULL, *NOT_ALLOWED):
            raise
