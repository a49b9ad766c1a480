"""Libraries: queues that are Python packages, in their own environment.

This module installs them on request, and runs them with their own Python; this process imports none
of them. It knows how to drive a library, but not what the library does.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.contest import Bench, CannotTakePart, Readings
from tests.bench.homes import environment, scratch
from tests.homes import ROOT

NAMES = {"huey": "huey", "persist-queue": "persistqueue", "litequeue": "litequeue", "rq": "rq", "celery": "celery"}
"""The package to install, and the module to import."""

BESIDE = ("redis", "packaging")
"""Further needs of rq and celery, which not all packages declare."""

ON_REDIS = ("rq", "celery")
DRIVER = "tests.bench.peers.driver"
WITHIN_S = 600


def install(folder: str) -> None:
    """Create the environment, or add missing packages. This needs a package index."""
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(python):
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *NAMES, *BESIDE]
    subprocess.run(command, check=True)


def title(bench: Bench, peer: str) -> str:
    return f"{peer} (Redis, fsync {bench.fsync})" if peer in ON_REDIS else peer


def drive(bench: Bench, peer: str, verb: str, **numbers: float) -> Readings:
    """Return the readings of the driver.

    Raises:
        CannotTakePart: The library is not installed, or failed.
    """
    if not _is_installed(bench.peers_python, NAMES[peer]):
        raise CannotTakePart("not installed")
    with scratch(bench.folder) as folder:
        if peer not in ON_REDIS:
            return _run_driver(bench, peer, verb, {**numbers, "folder": folder})
        with _redis(folder, bench.fsync) as port:
            return _run_driver(bench, peer, verb, {**numbers, "folder": folder, "port": port})


def _is_installed(python: str, module: str) -> bool:
    if not os.path.exists(python):
        return False
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


def _run_driver(bench: Bench, peer: str, verb: str, arguments: dict[str, object]) -> Readings:
    command = [bench.peers_python, "-m", DRIVER, NAMES[peer], verb, json.dumps(arguments)]
    environ = {**environment(), "PYTHONPATH": ROOT}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    driver = subprocess.Popen(command, env=environ, cwd=ROOT, text=True, start_new_session=True, **pipes)
    try:
        output, complaint = driver.communicate(timeout=WITHIN_S)
    except subprocess.TimeoutExpired:
        raise CannotTakePart(f"not done within {WITHIN_S} s") from None
    finally:
        _end_session(driver)
    if driver.returncode:
        raise CannotTakePart(f"failed: {(complaint.strip().splitlines() or ['without a word'])[-1][:80]}")
    return json.loads(output.splitlines()[-1])


def _end_session(driver: subprocess.Popen[str]) -> None:
    """Kill the driver and everything that it left running."""
    try:
        os.killpg(driver.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    driver.wait()


@contextmanager
def _redis(folder: str, fsync: str) -> Iterator[int]:
    """Start a Redis server on a free port of the loopback interface."""
    if shutil.which("redis-server") is None:
        raise CannotTakePart("not installed (redis-server)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", folder, "--save", ""]
    command += ["--appendonly", "yes", "--appendfsync", fsync]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield port
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise CannotTakePart("failed: redis-server does not answer")
