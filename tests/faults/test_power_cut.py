"""Power cuts: an ext4 on a loop device is shut down during work, without a flush, and is mounted
again.

Acknowledged changes survive. The ioctl EXT4_IOC_SHUTDOWN drops everything that the file system has
not written to its device. Only root can mount, and the test needs loop devices. A quick run cuts
the power three times, --long 200 times.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import struct
import subprocess
import sys
import threading
import time

import pytest

from tests.homes import ROOT, SCRIPT, CommandLine, processes_of, until

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount"),
    pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="needs mkfs.ext4"),
]

EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2

CLIENT = """
import sys
sys.path.insert(0, sys.argv[1])
from queuectl_core import Queue
with Queue(sys.argv[2]) as queue:
    for n in range(100000):
        print(queue.enqueue("true", id=f"{sys.argv[3]}-{n}"), flush=True)
"""


class Disk:
    """An ext4 of 64 MB in a file, mounted at `folder`."""

    def __init__(self, image: str, folder: str) -> None:
        self.image = image
        self.folder = folder
        with open(image, "wb") as file:
            file.truncate(64 * 1024 * 1024)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        os.mkdir(folder)
        self.mount()

    def mount(self) -> None:
        done = subprocess.run(["mount", "-o", "loop", self.image, self.folder], capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"cannot mount a loop device here: {done.stderr.decode().strip()}")

    def cut(self) -> None:
        """Let nothing reach the device from now on; all later calls fail."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def unmount(self) -> None:
        until(
            lambda: subprocess.run(["umount", self.folder], capture_output=True, check=False).returncode == 0,
            lambda: "all processes to release the disk",
        )


@pytest.mark.timeout(3000)
def test_acknowledged_jobs_survive_power_cuts(queuectl: CommandLine, request: pytest.FixtureRequest) -> None:
    given = request.config.getoption("--seed")
    source = random.Random(given)
    folder = os.path.dirname(queuectl.home)
    disk = Disk(os.path.join(folder, "image"), os.path.join(folder, "disk"))
    home = queuectl.environ["QUEUECTL_HOME"] = queuectl.home = os.path.join(disk.folder, "home")
    acknowledged: set[str] = set()
    for cut in range(200 if request.config.getoption("--long") else 3):
        acknowledged |= one_cut(queuectl, disk, f"c{cut}", source)
        listed = {job["id"] for job in queuectl.json("list", "--limit", "0")}
        assert acknowledged <= listed, f"cut {cut}: lost {sorted(acknowledged - listed)[:5]}"
        assert queuectl("doctor").status == 0, f"cut {cut}"
        if len(listed) > 3000:  # keeps the listing short
            shutil.rmtree(home)
            acknowledged.clear()
    print(f"seed {given}: {len(acknowledged)} acknowledged at the end")
    disk.unmount()


def test_an_acknowledged_backup_survives_a_power_cut(queuectl: CommandLine) -> None:
    folder = os.path.dirname(queuectl.home)
    disk = Disk(os.path.join(folder, "image"), os.path.join(folder, "disk"))
    queuectl.ok("enqueue", "--id", "kept", "--", "true")
    backup, export = (os.path.join(disk.folder, name) for name in ("backup", "export"))
    queuectl.ok("backup", backup)
    queuectl.ok("export", "--output", export)
    disk.cut()
    disk.unmount()
    disk.mount()
    assert sorted(os.listdir(disk.folder)) == ["backup", "export", "lost+found"]
    queuectl.ok("--home", os.path.join(folder, "copy"), "restore", backup)
    disk.unmount()


def one_cut(queuectl: CommandLine, disk: Disk, name: str, source: random.Random) -> set[str]:
    """Work with or without a supervisor until the power fails, and return the acknowledged IDs."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    supervisor = None
    if source.random() < 0.7:
        words = [sys.executable, SCRIPT, "worker", "start", "--foreground", "--count", "2"]
        supervisor = subprocess.Popen(words, env=queuectl.environ, cwd="/", **quiet)
        until(lambda: queuectl.json("status")["supervisor"] is not None, lambda: "a supervisor")
    clients = [
        subprocess.Popen(
            [sys.executable, "-c", CLIENT, ROOT, queuectl.home, f"{name}-{n}"],
            cwd="/", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        for n in range(2)
    ]  # fmt: skip
    printed: list[str] = []
    readers = [threading.Thread(target=lambda client=client: printed.extend(client.stdout)) for client in clients]
    for reader in readers:
        reader.start()
    time.sleep(source.uniform(0.05, 0.6))  # a random moment
    before = list(printed)  # later acknowledgments may belong to the moment of the cut
    disk.cut()
    for pid in [
        *processes_of(queuectl.home),
        *(client.pid for client in clients),
        *([supervisor.pid] if supervisor else []),
    ]:
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            pass
    for process in [*clients, *([supervisor] if supervisor else [])]:
        process.wait(timeout=20)
    for reader in readers:
        reader.join()
    disk.unmount()
    disk.mount()
    return {line.strip() for line in before}
