"""Backends: the kinds of store that hold the checkpoint of the journal, one module each.

It does not know the content of the store.

    sqlite_store       the layout of dbm.sqlite3, through the standard sqlite3 module: one transaction carries a write
    generation_store   gnu, ndbm, or dumb, which do not survive a kill during a write: each sync writes a new file,
                       then switches to it
    memory_store       a dictionary, for tests and dry runs
    checksum_store     wraps each of those on disk: every value has a checksum

All of them meet the contract `store.Store`. `open_store` reads the kind of a home's store from store/CURRENT, or
chooses one for a new home.

Invariant: if this Python lacks the backend of a home, `open_store` raises an error that names it. A home outlives the
Python that made it.
"""

from __future__ import annotations

import os
import sys

from ..errors import Corrupt, InvalidInput, NoBackend
from ..system import file_io
from .checksum_store import ChecksumStore
from .memory_store import MemoryStore

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from ..table.store import Store

MODULES = {"sqlite": "_sqlite3", "gnu": "dbm.gnu", "ndbm": "dbm.ndbm", "dumb": "dbm.dumb"}
"""The backends in order of preference, and the module that each needs.

Of sqlite3, it is only the part in C: the other one imports datetime, which no store needs.
"""

CURRENT = "CURRENT"


def available() -> list[str]:
    """Return the backends that this Python can open, best first."""
    return [name for name, module in MODULES.items() if _is_there(module)]


def open_store(folder: str, wanted: str | None = None, read_only: bool = False) -> ChecksumStore:
    """Open the store of a home, or create it if there is none; `wanted` names the backend of a new one.

    `read_only` changes no file; without a store, the result is an empty one in memory. The error for an unknown backend
    name is InvalidInput.

    Raises: NoBackend, Corrupt, StorageFailed, InvalidInput.
    """
    chosen = current_backend(folder)
    if chosen is None and read_only:
        return ChecksumStore(MemoryStore(), folder)
    if chosen is None and wanted not in (None, *MODULES):
        raise InvalidInput(what=f"unknown store backend {wanted!r} (QUEUECTL_STORE); use one of {', '.join(MODULES)}")
    backend = chosen or wanted or available()[0]
    module = MODULES[backend]
    if not _is_there(module):
        raise NoBackend(backend=backend, module=module, python=".".join(map(str, sys.version_info[:3])))
    if chosen is None:
        file_io.replace_file(os.path.join(folder, CURRENT), backend.encode() + b"\n")
    inner: Store
    if backend == "sqlite":
        from .sqlite_store import SqliteStore

        inner = SqliteStore(os.path.join(folder, "jobs.db"), read_only)
    else:
        from .generation_store import GenerationStore

        inner = GenerationStore(folder, module, read_only)
    return ChecksumStore(inner, folder)


def current_backend(folder: str) -> str | None:
    """Return the backend of the home, or None for a new home.

    Raises: Corrupt.
    """
    path = os.path.join(folder, CURRENT)
    try:
        name = file_io.read(path, 64).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    if name not in MODULES:
        raise Corrupt(path=path, why=f"it must name a backend ({', '.join(MODULES)})")
    return name


def _is_there(module: str) -> bool:
    """Return whether the module can be imported. Python can find a module that lacks its C library."""
    try:
        __import__(module)  # importing importlib would take longer
        return True
    except ImportError:
        return False
