"""The embedding API: Queue, with its own supervisor and without one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from queuectl_core import Queue, QueueError
from queuectl_core.errors import DuplicateJob, InvalidJob, NoSupervisor, NotDead, UnknownJob
from tests.homes import ROOT, CommandLine, processes_of, until


def test_enqueue_wait_and_get(queuectl: CommandLine) -> None:
    with Queue(queuectl.home) as queue:
        id = queue.enqueue("echo hi", max_retries=0)
        with queue.supervisor(workers=2):
            assert queue.wait([id], timeout_s=20) == {"completed": 1}
        job = queue.get(id)
    assert (job["state"], job["command"], job["max_retries"]) == ("completed", "echo hi", 0)
    assert processes_of(queuectl.home) == []


def test_a_supervisor_lets_running_jobs_finish_at_the_end_of_the_block(queuectl: CommandLine) -> None:
    with Queue(queuectl.home) as queue:
        with queue.supervisor():
            id = queue.enqueue("sleep 0.3; echo done")
            while queue.get(id)["state"] == "pending":
                pass
        assert queue.get(id)["state"] == "completed"


def test_wait_returns_none_on_timeout(queuectl: CommandLine) -> None:
    with Queue(queuectl.home) as queue, queue.supervisor():
        id = queue.enqueue("sleep 60", id="slow")
        assert queue.wait([id], timeout_s=0.2) is None
        subprocess.run(
            [sys.executable, "queuectl.py", "worker", "stop", "--now"], cwd=ROOT, env=queuectl.environ, check=True
        )


def test_wait_needs_a_supervisor_unless_all_jobs_are_finished(queuectl: CommandLine) -> None:
    with Queue(queuectl.home) as queue:
        queue.enqueue("true", id="a")
        with pytest.raises(NoSupervisor):
            queue.wait(["a"])
        with queue.supervisor():
            queue.wait(["a"])
        assert queue.wait(["a"]) == {"completed": 1}
        with pytest.raises(UnknownJob):
            queue.wait(["b"])
        assert queue.wait([]) == {}


def test_wait_ends_when_the_job_dies(queuectl: CommandLine) -> None:
    with Queue(queuectl.home) as queue, queue.supervisor():
        id = queue.enqueue("false", max_retries=1, backoff_base=0.1)
        assert queue.wait([id], timeout_s=20)
        assert queue.get(id)["state"] == "dead"


def test_errors_are_typed_and_name_the_job(queuectl: CommandLine) -> None:
    with Queue(queuectl.home) as queue:
        with pytest.raises(InvalidJob) as caught:
            queue.enqueue_many([{"command": "true"}, {"command": ""}])
        assert caught.value.fields["index"] == 1
        queue.enqueue("true", id="a")
        with pytest.raises(DuplicateJob):
            queue.enqueue("true", id="a")
        with pytest.raises(NotDead):
            queue.retry_dead(["a"])
        assert issubclass(DuplicateJob, QueueError)
        assert list(queue.list()) == [queue.get("a")]


def test_list_yields_all_pages(queuectl: CommandLine) -> None:
    with Queue(queuectl.home) as queue:
        ids = queue.enqueue_many({"command": "true"} for _ in range(1200))
        assert [job["id"] for job in queue.list()] == ids
        assert [job["id"] for job in queue.list(state="pending", limit=700)] == ids[:700]
        assert list(queue.list(state="dead")) == []


def test_a_supervisor_ends_with_the_program_that_embeds_it(queuectl: CommandLine) -> None:
    """Kill the program: it leaves no supervisor and no copy of its stdout behind."""
    code = "import os, sys; from queuectl_core import Queue; q = Queue(sys.argv[1]); q.supervisor().__enter__(); os.kill(os.getpid(), 9)"
    process = subprocess.Popen([sys.executable, "-c", code, queuectl.home], cwd=ROOT, stdout=subprocess.PIPE)
    process.communicate(timeout=20)
    until(lambda: queuectl.json("status")["supervisor"] is None, lambda: "the supervisor to stop")


def test_each_thread_can_have_its_own_queue(queuectl: CommandLine) -> None:
    def add(number: int) -> None:
        with Queue(queuectl.home) as queue:
            for n in range(20):
                queue.enqueue("true", id=f"t{number}-{n}")

    with Queue(queuectl.home) as queue:
        threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert queue.status()["counts"]["pending"] == 80


def test_a_home_too_deep_for_a_socket_address_works(queuectl: CommandLine) -> None:
    deep = os.path.join(os.path.dirname(queuectl.home), "d" * 60, "e" * 60, "home")
    with Queue(deep) as queue, queue.supervisor():
        id = queue.enqueue("true")
        assert queue.wait([id], timeout_s=20)


def test_import_of_the_package_loads_no_other_module_of_it() -> None:
    code = "import sys, queuectl_core; print([m for m in sys.modules if m.startswith('queuectl_core.')])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_the_embedding_example_runs() -> None:
    result = subprocess.run(
        [sys.executable, "examples/embed.py"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result
