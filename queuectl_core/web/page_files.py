"""Page files: the HTML, CSS, and JavaScript of the page, from the package.

It reads no file but those of the package, also from a zip archive.
"""

from __future__ import annotations

import re
from importlib.resources import files

from .connection.refusal import Refusal
from .connection.replies import Reply

FOLDER = "page"
INDEX = "index.html"
TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "ico": "image/x-icon",
    "json": "application/json",
}
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\.([a-z]+)")


def page_file(name: str) -> Reply:
    """Return a file of the page.

    Raises: Refusal.
    """
    match = _NAME.fullmatch(name)
    if match is not None and match[1] in TYPES:
        file = files(__package__) / FOLDER / name
        if file.is_file():
            return Reply(file.read_bytes(), TYPES[match[1]])
    raise Refusal(404, "unknown_path", "the page has no such file")
