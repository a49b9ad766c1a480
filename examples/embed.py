"""Embed: a program that uses queuectl_core from Python, without the command line.

It counts the words of a few files in the background, two at a time.
One file is missing at first, so its job fails, is retried, and ends in the dead letter queue.
The program then adds the file and retries the job.
Everything is in a temporary folder, which the program removes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # not needed if queuectl is installed

from queuectl_core import Queue

TEXTS = {"sea": "the sea is calm tonight", "rain": "rain again", "snow": "it snows and snows and snows"}


def enqueue(queue: Queue, folder: Path) -> list[str]:
    """Add one job for each text and one for a text that does not exist yet, and return their IDs."""
    ids = [queue.enqueue(f"wc -w < {name}.txt > {name}.count", id=f"count-{name}", cwd=str(folder)) for name in TEXTS]
    command = "wc -w < late.txt > late.count"
    return [*ids, queue.enqueue(command, id="count-late", cwd=str(folder), max_retries=1, backoff_base=0.3)]


def work(queue: Queue, ids: list[str], folder: Path) -> None:
    """Run the jobs, then add the missing file and retry its job."""
    with queue.supervisor(workers=2) as pid:
        print(f"a supervisor with 2 workers runs as process {pid}")
        queue.wait(ids, timeout_s=30)
        for job in queue.list():
            print(f"  {job['id']}: {job['state']} after {job['attempts']} attempt(s), reason: {job['reason']}")

        (folder / "late.txt").write_text("better late than never\n")
        print("late.txt is there now; jobs taken out of the dead letter queue:", queue.retry_dead(["count-late"]))
        queue.wait(["count-late"], timeout_s=30)
        print(f"  count-late: {queue.get('count-late')['state']}")


def main() -> None:
    """Run the example in a temporary folder. Exit with an error if a job is not completed."""
    with tempfile.TemporaryDirectory(prefix="qe-") as name:
        folder = Path(name)
        for text, words in TEXTS.items():
            (folder / f"{text}.txt").write_text(words + "\n")
        with Queue(folder / "home") as queue:
            ids = enqueue(queue, folder)
            print("enqueued:", ", ".join(ids))
            work(queue, ids, folder)
            status = queue.status()  # this also works after the supervisor has ended
        print("supervisor:", status["supervisor"], "- jobs:", status["counts"])
        print("words:", {file.stem: int(file.read_text()) for file in sorted(folder.glob("*.count"))})
        if status["counts"]["completed"] != len(ids):
            sys.exit("embed: not every job was completed")


if __name__ == "__main__":
    main()
