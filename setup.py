"""The part of the build that setup.cfg cannot say: it makes the manual pages from the commands."""

import os
import sys

from setuptools import setup

os.chdir(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.getcwd())

from queuectl_core.cli.shell.man_pages import write_pages  # noqa: E402

setup(data_files=[("share/man/man1", write_pages(os.path.join("build", "man")))])
