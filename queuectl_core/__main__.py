"""The command line, as `python3 -m queuectl_core` and as this file by its path.

A program that embeds queuectl starts its supervisor by the path of this file.

Warning: Python puts the working folder, or the folder of this file, first on `sys.path`. A `queue.py` there would
replace the standard module of that name.
"""

import sys

if sys.version_info < (3, 9):  # such a Python must still be able to read this file
    sys.exit("queuectl: Python 3.9 or later is required, but %s is %d.%d" % ((sys.executable,) + sys.version_info[:2]))

if __name__ == "__main__":
    if not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
        del sys.path[0]
    if not __package__:  # run by its path
        import __future__  # the standard module, before this path has the folder of the package
        import os

        sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
        import queuectl_core

        del sys.path[0]
    try:
        from queuectl_core.cli.main import main

        main()
    except KeyboardInterrupt:  # `main` has no chance to handle it yet
        sys.exit(130)
