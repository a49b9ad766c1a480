"""Worker: a process that can't begin its work says why."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from queuectl_core.home import Home
from queuectl_core.worker import worker


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_worker_that_cannot_begin_says_why_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(SystemExit):
            worker.main("w1-0a", worker.Conditions(Home(str(tmp_path)), 0o077, 64), lock, None, None)  # type: ignore[arg-type]
    finally:
        os.close(lock)
    assert capsys.readouterr().err == "queuectl: worker w1-0a cannot continue: No space left on device\n"
