"""Forks: a lock that delays a fork of this process while another thread holds it.

It does not know why a thread holds the lock.

Invariant: code that imports a module late, or works on a home, holds `no_fork`. A child forked during an import would
wait forever for a thread that it does not have.
"""

from __future__ import annotations

import _thread
import os

no_fork = _thread.RLock()

os.register_at_fork(before=no_fork.acquire, after_in_parent=no_fork.release, after_in_child=no_fork.release)
