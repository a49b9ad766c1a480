"""Status: what holds jobs back, and jobs that wait in a worker."""

from __future__ import annotations

from tests.homes import CommandLine, until


def test_status_says_what_holds_jobs_back(queuectl: CommandLine) -> None:
    for id, queue in (("a", "gpu"), ("b", "gpu"), ("c", "mail"), ("d", "mail")):
        queuectl.ok("enqueue", "--id", id, "--queue", queue, "--command", "sleep 60")
    queuectl.ok("queue", "pause", "gpu")
    queuectl.ok("queue", "pause", "empty", "--create")
    queuectl.ok("queue", "set", "mail", "--limit", "1")
    assert [hold["queue"] for hold in queuectl.json("status")["holds"]] == ["gpu"]
    queuectl.ok("worker", "start")
    queuectl.until_state("c", "processing")
    queuectl.ok("suspend", "c")
    queuectl.ok("pause")
    holds = {(hold["because"], hold.get("queue")): hold["waiting"] for hold in queuectl.json("status")["holds"]}
    assert holds == {
        ("everything is paused", None): 3,
        ("suspended", None): 1,
        ("its queue is paused", "gpu"): 2,
        ("its queue is full", "mail"): 1,
    }
    text = queuectl.ok("status")
    assert "all queues are paused since 2" in text and "1 job suspended" in text
    assert "queue gpu is paused since 2" in text and "queue mail is at its limit of 1 (1 job waiting)" in text
    queuectl.ok("resume")
    queuectl.ok("cancel", "c", "d")
    queuectl.until_state("c", "dead")
    queuectl.ok("worker", "scale", "0")
    until(lambda: not queuectl.json("status")["workers"], lambda: "no worker to be left")
    assert "no worker is running; start one with `queuectl worker scale 1`" in queuectl.ok("status")


def test_why_names_the_output_of_a_job_that_failed(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--max-retries", "0", "--command", "exit 1")
    queuectl.ok("enqueue", "--id", "b", "--backoff-base", "60", "--command", "exit 1")
    queuectl.ok("worker", "start")
    queuectl.until_done(dead=1, failed=1)
    assert "run `queuectl logs a`" in queuectl.ok("why", "a")
    assert "run `queuectl logs b`" in queuectl.ok("why", "b")


def test_jobs_that_wait_in_a_worker_count_as_pending(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--array", "1-1500", "--", "true")
    queuectl.ok("worker", "start", "--count", "2")
    seen: list[dict[str, int]] = []

    def look() -> bool:
        seen.append(queuectl.counts())
        assert len(queuectl.json("list", "--state", "processing")) <= 2
        return seen[-1]["completed"] == 1500

    until(look, lambda: f"all to be completed: {seen[-1:]}", deadline_s=60)
    assert max(counts["processing"] for counts in seen) <= 2
    assert {sum(counts.values()) for counts in seen} == {1500}


def test_watched_status_refreshes_until_it_is_interrupted(queuectl: CommandLine) -> None:
    process = queuectl.popen("status", "--watch", stdout=-1)
    try:
        assert process.stdout is not None and process.stdout.readline().startswith(b"no supervisor")
        process.send_signal(2)
        assert process.wait(timeout=20) == 130
    finally:
        process.kill()
        process.communicate()


def test_watched_status_shows_each_queue_and_what_is_stuck(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--queue", "gpu", "--command", "sleep 60")
    queuectl.ok("enqueue", "--id", "b", "--queue", "gpu", "--command", "true")
    queuectl.ok("worker", "start")
    queuectl.until_state("a", "processing")
    queuectl.ok("queue", "pause", "gpu", "--reason", "upgrade")
    process = queuectl.popen("status", "--watch", stdout=-1)
    try:
        assert process.stdout is not None
        page = [process.stdout.readline().decode() for _ in range(15)]
    finally:
        process.kill()
        process.communicate()
    assert page[0].startswith("supervisor running") and "(upgrade)" in page[1] and "(1 job waiting)" in page[1], page
    queue = next(line for line in page if line.startswith("gpu"))
    assert queue.split() == ["gpu", "1", "1", "-", "-"], page
    worker = next(line for line in page if line.startswith("w1-"))
    assert worker.split()[1:3] == ["busy", "a"] and worker.endswith("sleep 60\n"), page
