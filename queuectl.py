#!/usr/bin/env python3
"""queuectl without an install: copy this file and the folder queuectl_core, and run it."""

import sys

try:
    from queuectl_core.cli.main import main

    if __name__ == "__main__":
        main()
except KeyboardInterrupt:  # before `main` could say so itself
    sys.exit(130)
