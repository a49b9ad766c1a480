"""Forks: a lock that a fork of this process waits for.

Invariant: whoever imports a module late, or works on a home, holds `no_fork`. A child that is forked amid an import
would wait for a thread that it does not have.
"""

from __future__ import annotations

import _thread
import os

no_fork = _thread.RLock()

os.register_at_fork(before=no_fork.acquire, after_in_parent=no_fork.release, after_in_child=no_fork.release)
