"""Browser: opens the page without the token in the arguments of a process, which others see."""

from __future__ import annotations

import html
import tempfile
import threading
import webbrowser
from collections.abc import Callable

_PAGE = (
    '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={address}">'
)


def show(address: str, note: Callable[[str], None]) -> str:
    """Open a private file that leads to the address, and return its path.

    The caller removes it at the end.

    A browser in a terminal may not return, so nobody waits for it.

    Raises: OSError.
    """
    descriptor, path = tempfile.mkstemp(prefix="queuectl-", suffix=".html")  # mode 0600
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(_PAGE.format(address=html.escape(address)))

    def open_it() -> None:
        if not webbrowser.open(f"file://{path}"):
            note("no browser was found; open the address yourself")

    threading.Thread(target=open_it, daemon=True).start()
    return path
