"""Descriptors: a signal handler that fails does not end the interrupted code."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.homes import ROOT

SCRIPT = """
import os, select, signal
from queuectl_core.system import descriptors

class Failing:
    def register(self, *words): pass
    def poll(self, *words): raise OSError(5, "Input/output error")

select.poll = Failing if {fails} else select.poll
reader = descriptors.signal_reader((signal.SIGUSR1,))
os.kill(os.getpid(), signal.SIGUSR1)
print(list(os.read(reader, 16)) == [signal.SIGUSR1])
"""


@pytest.mark.parametrize("fails", [False, True])
def test_failing_signal_handler_leaves_the_signal_readable_and_raises_nothing(fails: bool) -> None:
    words = [sys.executable, "-c", SCRIPT.format(fails=fails)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
