#!/usr/bin/env python3
"""Queuectl: the command line without an installation. Copy this file and the folder queuectl_core, and run it."""

import sys

if sys.version_info < (3, 9):  # older Pythons must be able to parse this file
    sys.exit("queuectl: Python 3.9 or later is required, but %s is %d.%d" % ((sys.executable,) + sys.version_info[:2]))

if __name__ == "__main__" and not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
    del sys.path[0]  # the folder of this file or of the caller, where a queue.py must not replace Python's own

try:
    import __future__  # import Python's own before the folder of this file is on the path
    import os

    FOLDER = os.path.dirname(os.path.realpath(__file__))
    sys.path.insert(0, FOLDER)
    try:
        import queuectl_core
    except ImportError as fault:
        sys.exit("queuectl: the folder queuectl_core must be beside %s (%s)" % (__file__, fault))
    sys.path.remove(FOLDER)

    from queuectl_core.cli.main import main

    if __name__ == "__main__":
        main()
except KeyboardInterrupt:  # `main` has no chance to handle it yet
    sys.exit(130)
except ImportError as fault:  # `main` has no chance here either
    sys.exit("queuectl: %s lacks a required module (%s); use a complete CPython 3.9 or later" % (sys.executable, fault))
