"""Loads: files of many jobs through the command line and the API, with and without a supervisor at
work.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator

import pytest

from queuectl_core import Queue
from queuectl_core.errors import DuplicateJob, InvalidJob, QueueError
from queuectl_core.transport import PART_JOBS
from tests.homes import CommandLine, until

MANY = 2 * PART_JOBS + 7
"""Three parts."""


@pytest.fixture(params=[True, False], ids=["supervisor", "no supervisor"])
def queue(request: pytest.FixtureRequest, queuectl: CommandLine) -> Iterator[CommandLine]:
    if request.param:
        queuectl.ok("worker", "start")
        queuectl.ok("worker", "scale", "0")
    yield queuectl


def lines(count: int, **changed: object) -> bytes:
    """Return lines of the jobs job0 …; `job7={…}` replaces the fields of that job."""
    jobs = [changed.get(f"job{n}", {"id": f"job{n}", "command": "true"}) for n in range(count)]
    return "".join(json.dumps(job) + "\n" for job in jobs).encode()


def test_file_of_many_parts_keeps_its_order(queue: CommandLine) -> None:
    assert queue.ok("enqueue", "--file", "-", stdin=lines(MANY)).split() == [f"job{n}" for n in range(MANY)]
    assert queue.counts()["pending"] == MANY
    assert [job["id"] for job in queue.json("list", "--limit", "3")] == ["job0", "job1", "job2"]
    assert queue.json("list", "--limit", "0")[-1]["id"] == f"job{MANY - 1}"


@pytest.mark.parametrize(
    "bad", [{"id": "job0", "command": "true"}, {"command": ""}, {"command": "true", "max_retries": -1}], ids=repr
)
def test_bad_job_in_the_last_part_is_named_and_nothing_is_enqueued(
    queue: CommandLine, bad: dict[str, object]
) -> None:
    answer = queue("enqueue", "--file", "-", stdin=lines(MANY, **{f"job{MANY - 1}": bad}))
    assert answer.status in (1, 2) and f"line {MANY}:" in answer.err and "nothing was enqueued" in answer.err
    assert queue.counts()["pending"] == 0
    queue.ok("enqueue", "--file", "-", stdin=lines(MANY))


def test_generated_ids_are_unique(queue: CommandLine) -> None:
    ids = queue.ok("enqueue", "--file", "-", stdin=b'{"command": "true"}\n' * MANY).split()
    assert len(set(ids)) == MANY and ids == sorted(ids)


def test_many_jobs_through_the_api_are_one_request(queue: CommandLine) -> None:
    with Queue(queue.home) as api:
        with pytest.raises(InvalidJob) as refused:
            api.enqueue_many([{"command": "true"}] * MANY + [{"command": "true", "cwd": "here"}])
        assert refused.value.fields["index"] == MANY
        with pytest.raises(QueueError):
            api.enqueue_many([{"id": f"a{n % (MANY - 1)}", "command": "true"} for n in range(MANY)])
        assert len(api.enqueue_many({"command": "true"} for _ in range(MANY))) == MANY
        assert queue.counts()["pending"] == MANY


def test_texts_that_grow_in_a_message_still_fit(queue: CommandLine) -> None:
    with Queue(queue.home) as api:
        assert len(api.enqueue_many([{"command": "\U0001f600" * 32_000}] * 40)) == 40


def test_load_of_a_killed_client_adds_nothing(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    client = queuectl.popen("enqueue", "--file", "-", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    with client:
        client.stdin.write(lines(MANY))  # type: ignore[union-attr]
        client.stdin.flush()  # type: ignore[union-attr]
        queuectl.ok("enqueue", "--id", "between", "--command", "true")
        client.kill()
    until(lambda: queuectl.counts()["completed"] == 1, lambda: f"the other job to be completed: {queuectl.counts()}")
    assert sum(queuectl.counts().values()) == 1
    queuectl.ok("enqueue", "--file", "-", stdin=lines(10))


def test_load_is_refused_when_its_id_is_taken_meanwhile(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    may_continue = threading.Event()

    def specs() -> Iterator[dict[str, object]]:
        for n in range(MANY):
            if n == 2 * PART_JOBS:
                assert may_continue.wait(20)
            yield {"id": f"job{n}", "command": "true"}

    with Queue(queuectl.home) as api:
        found: list[BaseException] = []

        def load() -> None:
            try:
                api.enqueue_many(specs())
            except QueueError as refusal:
                found.append(refusal)

        loading = threading.Thread(target=load)
        loading.start()
        queuectl.ok("enqueue", "--id", "job5", "--command", "true")
        may_continue.set()
        loading.join(20)
    assert [type(refusal) for refusal in found] == [DuplicateJob] and sum(queuectl.counts().values()) == 1


def test_slow_writer_of_a_file_does_not_block_the_queue(queuectl: CommandLine) -> None:
    client = queuectl.popen("enqueue", "--file", "-", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    with client:
        client.stdin.write(lines(MANY))  # type: ignore[union-attr]
        client.stdin.flush()  # type: ignore[union-attr]
        queuectl.ok("enqueue", "--id", "meanwhile", "--command", "true")
        assert queuectl.counts()["pending"] == 1
    assert client.returncode == 0
    assert queuectl.counts()["pending"] == MANY + 1


def test_client_continues_a_load_with_the_next_supervisor(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    with Queue(queuectl.home) as api:
        api.enqueue("true")
        queuectl.ok("worker", "restart")
        assert len(api.enqueue_many({"command": "true"} for _ in range(MANY))) == MANY


def test_purge_of_all_dead_jobs_works_page_by_page(queue: CommandLine) -> None:
    count = 1100
    queue.ok("enqueue", "--file", "-", stdin=b'{"command": "exit 1", "max_retries": 0}\n' * count)
    if queue.json("status")["supervisor"] is None:
        queue.ok("worker", "start", "--count", "2")
    else:
        queue.ok("worker", "scale", "2")
    until(lambda: queue.counts()["dead"] == count, lambda: f"all jobs to be dead: {queue.counts()}")
    queue.ok("worker", "scale", "0")
    assert f"retried {count} jobs" in queue.ok("dlq", "retry", "--all")
    assert queue.counts() == {**dict.fromkeys(queue.counts(), 0), "pending": count}
    assert "empty" in queue.refused(1, "dlq", "purge", "--all")
