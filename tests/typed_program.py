"""A program that embeds queuectl, as a type checker sees it. Nothing runs it: `.ci/run` checks it with mypy.

Each ignore comment names the one error that its line must cause; mypy reports an ignore comment without an error.
"""

from __future__ import annotations

from queuectl_core import AttemptRecord, JobRecord, JobSpec, Queue, State


def adds_jobs(queue: Queue) -> list[str]:
    queue.enqueue("true", max_retires=5)  # type: ignore[call-arg]
    queue.enqueue("true", max_retries="5")  # type: ignore[arg-type]
    spec: JobSpec = {"command": "true", "tags": {"team": "web"}, "timeout": "90s"}
    return [queue.enqueue("true", max_retries=5, delay="10m"), *queue.enqueue_many([spec])]


def reads_jobs(queue: Queue, id: str) -> int | None:
    job: JobRecord = queue.get(id)
    print(job["stat"])  # type: ignore[typeddict-item]
    state: State = job["state"]
    if state == "finished":  # type: ignore[comparison-overlap]
        return None
    attempts: list[AttemptRecord] = job["history"]
    return attempts[-1]["exit_code"] if attempts else None


def chooses_jobs(queue: Queue) -> list[str]:
    names = [job["id"] for job in queue.list("dead", limit=10, queue="mail", tags={"team": "web"})]
    list(queue.list(quue="mail"))  # type: ignore[call-arg]
    return [*names, queue.cancel(names)[0]]


def reads_the_rest(queue: Queue) -> list[str | None]:
    supervisor = queue.status()["supervisor"]
    pid = None if supervisor is None else supervisor["pid"]
    queue.set_queue("mail", limit=2, rate=[10, 60])
    queue.set_schedule("nightly", {"command": "true"}, cron="@daily")
    print(pid, [one["limit"] for one in queue.queues()], queue.wait(["a"], timeout_s=1.0))
    return [one["next_run_at"] for one in queue.schedules()]
