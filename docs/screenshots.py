#!/usr/bin/env python3
"""Take the pictures of the web page in docs/: a browser at a home in which the jobs below really ran.

    python3 docs/screenshots.py            # a minute
    python3 docs/screenshots.py --minutes 60   # fills the chart of the last hour

It needs Chromium, like the tests of the page.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

DOCS = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(DOCS))

from tests.browser import Browser, Page  # noqa: E402
from tests.homes import CommandLine, short_folder, until  # noqa: E402
from tests.web_server import web  # noqa: E402

SCRIPTS = {
    "train.sh": """for epoch in $(seq 1 400); do
  printf '\\033[36mepoch %3d/400\\033[0m  loss \\033[1m0.%03d\\033[0m  accuracy \\033[32m0.%03d\\033[0m  24.8 s\\n' \\
    "$epoch" "$((900 - epoch * 2))" "$((600 + epoch))"
  sleep 0.5
done""",
    "fetch.sh": """echo "GET $1"
printf 'resolving data.example.org … '
printf '\\033[31mno route to host\\033[0m\\n'
exit 7""",
    "report.py": """import csv
import sys

print("reading", sys.argv[1])
csv.DictReader(open(sys.argv[1]))""",
    "publish.sh": "exit 0",
    "backup.sh": "exit 0",
}
SIZES = {"web-overview": (1280, 860), "web-job": (1280, 860), "web-phone": (390, 780)}


def fill(queuectl: CommandLine, folder: str) -> None:
    """Add jobs of which some fail, run, and wait."""

    def enqueue(*words: str) -> None:
        queuectl.ok("enqueue", *words, cwd=folder)

    queuectl.ok("queue", "set", "train", "--create", "--limit", "2")
    queuectl.ok("queue", "set", "fetch", "--create", "--rate", "90/1m")
    queuectl.ok("schedule", "add", "nightly", "30 2 * * *", "--", "./backup.sh", cwd=folder)
    queuectl.ok("schedule", "add", "sync", "--every", "20m", "--", "rsync -a data/ backup/", cwd=folder)
    for day in range(21, 28):
        words = ("--queue", "fetch", "--max-retries", "1", "--backoff-base", "1", "--", "./fetch.sh")
        enqueue(*words, f"https://data.example.org/2026-11-{day}.csv")
    for month in ("09", "10", "11"):
        enqueue("--name", "report", "--max-retries", "0", "--", "python3", "report.py", f"sales-2026-{month}.csv")
    enqueue("--id", "index", "--max-retries", "0", "--timeout", "1", "--command", "echo 'indexing pages'; sleep 30")
    enqueue("--id", "publish", "--after", "index", "--", "./publish.sh")
    for seed in (17, 18, 19, 20):
        words = ("--queue", "train", "--tag", "user=ann", "--", "./train.sh", "--seed", str(seed))
        enqueue("--id", f"train-{seed}", *words)
    enqueue("--id", "evaluate", "--after", "train-17,train-18", "--", "./evaluate.sh", "--best-of", "2")
    enqueue("--id", "cleanup", "--delay", "2h", "--", "./cleanup.sh", "--older-than", "7d")
    enqueue("--id", "mirror", "--max-retries", "6", "--backoff-base", "60", "--", "./fetch.sh", "https://mirror.example.org/index")


def work(queuectl: CommandLine, folder: str, minutes: float) -> None:
    """Start a supervisor, and let jobs complete for some minutes, now more and now fewer."""
    queuectl.ok("worker", "start", "--count", "4")
    end_s, turn = time.monotonic() + 60 * minutes, 0
    while time.monotonic() < end_s:
        count = 3 + (turn * 7) % 11
        failing = ["--max-retries", "1", "--backoff-base", "1"] if turn % 13 == 5 else []
        command = "test $QUEUECTL_ATTEMPT -gt 1 && echo page-{}" if failing else "echo page-{}"
        queuectl.ok("enqueue", "--array", f"1-{count}", *failing, "--", command, cwd=folder)
        turn += 1
        time.sleep(5)


def take(page: Page, name: str, address: str, ready: str) -> None:
    """Write the picture of one route once an expression is true."""
    width, height = SIZES[name]
    page.resize(width, height)
    page.color_scheme("dark" if name == "web-phone" else "light")
    page.js(f"location.hash = '#{address}'")
    page.until(ready)
    page.js("document.activeElement.blur()")
    page.screenshot(os.path.join(DOCS, f"{name}.png"))


def main() -> None:
    """Fill a home, and take the pictures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=1)
    minutes = parser.parse_args().minutes
    with short_folder() as parent:
        folder = os.path.join(parent, "work")
        os.mkdir(folder)
        for name, text in SCRIPTS.items():
            path = os.path.join(folder, name)
            with open(path, "w") as file:
                file.write(text if name.endswith(".py") else f"#!/bin/sh\n{text}\n")
            os.chmod(path, 0o755)
        queuectl = CommandLine(os.path.join(parent, "home"))
        try:
            work(queuectl, folder, minutes)
            fill(queuectl, folder)
            until(lambda: queuectl.counts()["dead"] >= 12, lambda: "jobs to fail for good")
            queuectl.ok("enqueue", "--array", "1-60", "--", "sleep 4; echo page-{}", cwd=folder)
            with web(queuectl) as server, Browser() as browser:
                page = browser.open(server.address)
                page.until("document.querySelector('.disclose')")
                page.click(".disclose")
                take(page, "web-overview", "/", "document.querySelector('.glance .line')")
                take(page, "web-job", "/jobs/train-18", "document.querySelectorAll('.line').length > 30")
                take(page, "web-phone", "/failures", "document.querySelector('.group')")
                page.go("about:blank")
        finally:
            queuectl.end()


if __name__ == "__main__":
    main()
