"""What the page reads: jobs with why they wait, groups of failures, output by ranges, and the stream of events."""

from __future__ import annotations

import http.client
import json
import os
import shutil
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.homes import CommandLine, until
from tests.web_server import Got, Web, web


@pytest.fixture
def page(queuectl: CommandLine) -> Iterator[Web]:
    """Yield a server of a home without a supervisor."""
    with web(queuectl) as running:
        yield running


def ranged(page: Web, path: str, asked: str) -> Got:
    return page.get(path, range=asked)


def test_a_waiting_job_says_why_and_who_is_ahead(queuectl: CommandLine, page: Web) -> None:
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    queuectl.ok("enqueue", "--id", "b", "--after", "a", "--", "true")
    queuectl.ok("enqueue", "--id", "c", "--", "true")
    why = {job["id"]: job["why"] for job in page.ok("api/jobs")["jobs"]}
    assert why["b"]["text"] == "waits for a"
    assert why["c"]["because"] == "waits for a worker" and "no supervisor is running" in why["c"]["text"]
    job = page.ok("api/jobs/c")
    assert (job["ahead"], job["why"]["ahead"]) == (["a"], 1)
    assert page.ok("api/jobs/b")["after"] [0]["state"] == "pending"
    assert page.ok("api/jobs/a")["dependants"] [0]["id"] == "b"


def test_pages_of_sorted_jobs_have_each_job_once(queuectl: CommandLine, page: Web) -> None:
    jobs = "".join(json.dumps({"id": f"j{n}", "command": "true", "priority": n % 3}) + "\n" for n in range(7))
    queuectl.ok("enqueue", "--file", "-", stdin=jobs.encode())
    for sort in ("priority", "-priority", "-duration"):
        ids, cursor = [], ""
        while cursor is not None:
            got = page.ok(f"api/jobs?sort={sort}&limit=2&cursor={cursor}")
            ids += [job["id"] for job in got["jobs"]]
            cursor = got["next"]
        assert sorted(ids) == [f"j{n}" for n in range(7)], sort
    command = page.ok("api/jobs?sort=-priority")["command"]
    assert command.endswith("list --sort priority --reverse")
    assert page.get("api/jobs?sort=colour").status == 400


def test_the_count_of_a_filter_is_that_of_a_counter_or_none(queuectl: CommandLine, page: Web) -> None:
    queuectl.ok("enqueue", "--array", "1-3", "--queue", "gpu", "--", "true")
    assert page.ok("api/jobs?state=pending")["count"] == 3
    assert page.ok("api/jobs?queue=gpu&state=pending,failed")["count"] == 3
    assert page.ok("api/jobs?queue=nobody")["count"] == 0
    assert page.ok("api/jobs?grep=true")["count"] is None


def test_failures_come_in_groups_and_a_group_is_a_filter(queuectl: CommandLine, page: Web) -> None:
    queuectl.ok("enqueue", "--array", "1-3", "--max-retries", "0", "--", "sh", "-c", "echo {}; exit 3")
    queuectl.ok("enqueue", "--id", "other", "--max-retries", "0", "--", "false")
    queuectl.ok("enqueue", "--id", "canceled", "--", "true")
    queuectl.ok("cancel", "canceled")
    queuectl("worker", "start", "--exit-when-empty")
    found = page.ok("api/failures")
    assert found["is_complete"] and [group["count"] for group in found["groups"]] == [3, 1]
    first = found["groups"][0]
    assert (first["reason"], first["exit_code"]) == ("exit code 3", 3) and "canceled" not in str(found)
    jobs = page.ok(f"api/jobs?group={first['key']}")["jobs"]
    assert {job["id"] for job in jobs} == set(first["sample_ids"]) and len(jobs) == 3


def test_history_is_in_words(queuectl: CommandLine, page: Web) -> None:
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    queuectl.ok("cancel", "a")
    texts = [event["text"] for event in page.ok("api/jobs/a/history")["events"]]
    assert texts == ["added: true", "moved to the dead letter queue: canceled by hand"]


def test_output_is_read_by_ranges(queuectl: CommandLine, page: Web) -> None:
    queuectl.ok("enqueue", "--id", "a", "--", "printf", "0123456789")
    queuectl("worker", "start", "--exit-when-empty")
    path = "api/jobs/a/output"
    whole = page.get(path)
    assert (whole.status, whole.body, whole.headers["X-Output-Ended"]) == (200, b"0123456789", "yes")
    assert whole.headers["Content-Type"] == "text/plain; charset=utf-8"
    for asked, body, said in (
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=8-", b"89", "bytes 8-9/10"),
        ("bytes=5-99", b"56789", "bytes 5-9/10"),
    ):
        got = ranged(page, path, asked)
        assert (got.status, got.body, got.headers["Content-Range"]) == (206, body, said)
    end = ranged(page, f"{path}?wait=20", "bytes=10-")
    assert (end.status, end.headers["Content-Range"], end.headers["X-Output-Ended"]) == (204, "bytes */10", "yes")
    assert ranged(page, path, "bytes=10-").status == 416
    assert page.get(f"{path}?download=1").headers["Content-Disposition"] == 'attachment; filename="a-attempt-1.log"'
    assert page.get(f"{path}?attempt=7").status == 404


def test_output_of_a_running_attempt_is_followed_and_has_no_bytes_of_others(
    queuectl: CommandLine, page: Web
) -> None:
    queuectl.ok("enqueue", "--id", "a", "--", "sh", "-c", "echo one; exec sleep 60")
    queuectl.ok("worker", "start")
    path = "api/jobs/a/output"
    until(lambda: page.get(path).body == b"one\n", lambda: f"the first line; found {page.get(path)}")
    waiting = page.connect()
    headers = dict(page.headers(range="bytes=4-"))
    waiting.request("GET", f"/{path}?wait=20", headers=headers)
    queuectl.ok("cancel", "a")
    got = Got(waiting.getresponse())
    waiting.close()
    assert (got.status, got.headers["X-Output-Ended"], got.headers["Content-Range"]) == (204, "yes", "bytes */4")


def test_pruned_output_is_refused(queuectl: CommandLine, page: Web) -> None:
    queuectl.ok("enqueue", "--id", "a", "--", "echo", "x")
    queuectl("worker", "start", "--exit-when-empty")
    shutil.rmtree(os.path.join(queuectl.home, "logs"))
    got = page.get("api/jobs/a/output")
    assert (got.status, got.json()["error"]) == (404, "no_output")


def test_schedules_have_their_times_in_words(queuectl: CommandLine, page: Web) -> None:
    queuectl.ok("schedule", "add", "nightly", "30 2 * * 1-5", "--tz", "UTC", "--", "true")
    schedule = page.ok("api/schedules")[0]
    assert schedule["last"] == []
    id = page.done("api/schedule", {"schedule": "nightly", "do": "run"})["id"]
    assert [run["id"] for run in page.ok("api/schedules")[0]["last"]] == [id]
    assert schedule["words"] == "Monday to Friday at 02:30, UTC" and len(schedule["next"]) == 5


def test_ready_says_why_not(queuectl: CommandLine, page: Web) -> None:
    assert page.get("livez", authorization=None).body == b"ok\n"
    not_ready = page.get("readyz", authorization=None)
    assert (not_ready.status, not_ready.body) == (503, b"not ready\n")
    queuectl.ok("worker", "start")
    assert page.get("readyz", authorization=None).status == 200


def test_metrics_have_a_token_of_their_own_which_opens_nothing_else(queuectl: CommandLine, page: Web) -> None:
    with open(os.path.join(queuectl.home, "metrics.token")) as file:
        token = f"Bearer {file.read().strip()}"
    got = page.get("metrics", authorization=token)
    assert got.status == 200 and got.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b"# TYPE queuectl_jobs gauge" in got.body
    assert page.get("metrics").status == 200
    assert page.get("metrics", authorization=None).status == 401
    for path in ("api/session", "api/jobs", "api/events"):
        assert page.get(path, authorization=token).status == 401
    assert page.post("api/pause", {"is_paused": True}, authorization=token).status == 401


def test_the_token_for_metrics_stays_the_same(queuectl: CommandLine, page: Web) -> None:
    path = os.path.join(queuectl.home, "metrics.token")
    with open(path) as file:
        token = file.read()
    page.stop()
    with web(queuectl) as again, open(path) as file:
        assert file.read() == token and again.get("metrics", authorization=f"Bearer {token.strip()}").status == 200


def stream(page: Web, path: str) -> http.client.HTTPResponse:
    connection = page.connect()
    connection.request("GET", f"/{path}", headers=dict(page.headers()))
    return connection.getresponse()


def test_events_are_a_stream_of_lines(queuectl: CommandLine, page: Web) -> None:
    queuectl.ok("enqueue", "--id", "a", "--", "true")
    first = stream(page, "api/events")
    begins = json.loads(first.readline())
    assert list(begins) == ["seq"] and first.getheader("Transfer-Encoding") == "chunked"
    queuectl.ok("enqueue", "--id", "b", "--env", "TOKEN=secret", "--", "true")
    event = json.loads(first.readline())
    assert (event["event"], event["id"], event["seq"]) == ("enqueued", "b", begins["seq"] + 1)
    second = stream(page, f"api/events?after={begins['seq']}")
    assert json.loads(second.readline()) == begins and json.loads(second.readline()) == event
    first.close()
    second.close()


def test_a_flood_of_events_is_one_line(queuectl: CommandLine, page: Web) -> None:
    lines = stream(page, "api/events")
    lines.readline()
    queuectl.ok("enqueue", "--array", "1-1000", "--", "true")
    event = json.loads(lines.readline())
    assert event["skipped"] > 500
    lines.close()


def test_text_of_a_job_is_never_part_of_a_header(queuectl: CommandLine, page: Web) -> None:
    got = page.get(f"api/jobs/{quote('x' + chr(13) + chr(10) + 'Set-Cookie: a')}")
    assert got.status == 404 and got.headers["Set-Cookie"] is None
