"""`python3 -m queuectl_core` is the command line. So is this file by its path, which is how a program that embeds
queuectl starts a supervisor.

The trap: Python puts the working folder, or the folder of this file, first on `sys.path`. A `queue.py` there must not
stand in for Python's.
"""

import sys

if sys.version_info < (3, 9):  # such a Python must still be able to read this file
    sys.exit("queuectl: Python 3.9 or later is required, but %s is %d.%d" % ((sys.executable,) + sys.version_info[:2]))

if __name__ == "__main__":
    if not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
        del sys.path[0]
    if not __package__:  # run by its path
        import __future__  # Python's own, before the folder of the package counts
        import os

        sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
        import queuectl_core

        del sys.path[0]
    from queuectl_core.cli.main import main

    main()
