"""Lists: filters, order, columns, templates, and pruning by age."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from queuectl_core.service.queries import listing
from tests.builders import NOW_MS, an_engine, dispatch, enqueue
from tests.homes import CommandLine


@pytest.fixture
def three(queuectl: CommandLine) -> CommandLine:
    queuectl.ok("enqueue", "--id", "a", "--priority", "1", "--command", "true")
    queuectl.ok("enqueue", "--id", "b", "--queue", "q", "--priority", "9", "--command", "echo '{}'")
    queuectl.ok("enqueue", "--id", "c", "--name", "x y", "--tag", "k=v", "--command", "true")
    return queuectl


def ids(queuectl: CommandLine, *words: str) -> list[str]:
    return [job["id"] for job in queuectl.json("list", *words)]


def test_jobs_are_filtered_and_sorted(three: CommandLine) -> None:
    assert ids(three, "--queue", "q") == ["b"]
    assert ids(three, "--tag", "k=v") == ["c"]
    assert ids(three, "--since", "1h", "--state", "pending,dead") == ["b", "a", "c"]
    assert ids(three, "--until", "1h") == []
    assert ids(three, "--sort", "priority", "--reverse") == ["b", "a", "c"]
    assert ids(three, "--sort", "priority", "--limit", "2") == ["c", "a"]
    assert ids(three, "--sort", "name") == ["c", "b", "a"]
    assert three.ok("list").split()[:6] == ["ID", "STATE", "ATTEMPTS", "SINCE", "NOTE", "COMMAND"]
    assert three.ok("list", "--sort", "exit-code").split()[4:7] == ["EXIT_CODE", "NOTE", "COMMAND"]
    assert three.ok("list", "--sort", "state").split()[:6] == three.ok("list").split()[:6]
    assert three.ok("list", "--sort", "name", "--columns", "id").split() == ["ID", "c", "b", "a"]


@pytest.mark.parametrize("flushed", [False, True])
def test_list_shows_jobs_of_several_queues_in_the_order_of_their_runs(flushed: bool) -> None:
    engine = an_engine()
    for n in range(60):
        enqueue(engine, f"a{n}", queue=["default", "mail", "gpu"][n % 3], priority=n % 5 - 2)
        enqueue(engine, f"d{n}", queue=["default", "mail", "gpu"][n % 3], delay=1 + n * 7 % 60)
    if flushed:
        engine.table.flush(70, engine.sequence)
    listed: list[object] = []
    cursor: object = []
    while cursor is not None:
        page = listing(SimpleNamespace(table=engine.table, prefetched=tuple), {"limit": 7, "next": cursor or None, "form": "brief"}, NOW_MS)
        listed += page["jobs"]  # type: ignore[arg-type]
        cursor = page["next"]
    runs = [dispatch(engine) for _ in range(60)]
    runs += [dispatch(engine, NOW_MS + 1000 * s) for s in range(1, 61)]
    assert listed == runs


def test_list_of_one_queue_reads_no_other_queue() -> None:
    engine = an_engine()
    enqueue(engine, *(f"a{n:04}" for n in range(1500)))
    enqueue(engine, "b", queue="mail")
    ledger = SimpleNamespace(table=engine.table, prefetched=tuple)
    assert listing(ledger, {"queue": "mail", "state": "pending", "form": "brief"}, NOW_MS) == {"jobs": ["b"], "next": None}


def test_columns_and_templates_select_fields(three: CommandLine) -> None:
    table = three.ok("list", "--columns", "id,queue,tags", "--sort", "id")
    assert [line.split() for line in table.splitlines()] == [
        ["ID", "QUEUE", "TAGS"], ["a", "default", "-"], ["b", "q", "-"], ["c", "default", "k=v"]
    ]  # fmt: skip
    assert three.ok("list", "--format", "{id}={name}{{}}", "--sort", "id") == "a={}\nb={}\nc=x y{}\n"
    assert three.ok("list", "--format", "{command}", "--queue", "q") == "echo '{}'\n"
    three.refused(2, "list", "--format", "{id")
    three.refused(2, "list", "--columns", "id,;")
    three.refused(2, "list", "--sort", "a b")
    three.refused(2, "list", "--state", "odd,pending")


def test_facts_of_attempts_are_columns_and_sort_keys(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--max-retries", "0", "--command", "echo '|'; exit 3")
    queuectl.ok("enqueue", "--id", "b", "--command", "echo x, y")
    queuectl.ok("enqueue", "--id", "c", "--delay", "1h", "--command", "true")
    queuectl.ok("worker", "start")
    queuectl.until_done(dead=1, completed=1)
    assert ids(queuectl, "--sort", "exit-code", "--reverse") == ["a", "b", "c"]
    table = queuectl.ok("list", "--columns", "id,exit_code,duration,wait,cpu,memory,ended", "--sort", "id")
    rows = [line.split() for line in table.splitlines()]
    assert rows[0] == ["ID", "EXIT_CODE", "DURATION", "WAIT", "CPU", "MEMORY", "ENDED"]
    assert rows[1][:2] == ["a", "3"] and "MiB" in rows[1] and rows[3][-1] == "-"
    assert queuectl.ok("list", "--format", "{id} {exit_code} {ended}", "--id", "c") == "c  \n"
    csv = queuectl.ok("list", "--csv", "--sort", "id", "--columns", "id,exit-code,command").splitlines()
    assert csv == ["id,exit-code,command", "a,3,echo '|'; exit 3", 'b,0,"echo x, y"', "c,,true"]
    assert queuectl.ok("list", "--csv").startswith("id,state,attempts,exit_code,created_at,ended,duration,reason,command\n")
    lines = queuectl.ok("list", "--markdown", "--columns", "id,command", "--id", "a").splitlines()
    assert lines == ["| id | command |", "| --- | --- |", "| a | echo '\\|'; exit 3 |"]


@pytest.mark.parametrize("words", ["--columns id,comand", "--sort comand", "--format {comand}"])
def test_unknown_fields_are_refused_with_a_suggestion(queuectl: CommandLine, words: str) -> None:
    assert "did you mean command?" in queuectl.refused(2, "list", *words.split())
    assert "some are" in queuectl.refused(2, "list", "--columns", "xyzzy")
    queuectl.refused(2, "list", "--csv", "--json")


def test_watched_list_refreshes_until_it_is_interrupted(three: CommandLine) -> None:
    process = three.popen("list", "--watch", stdout=-1)
    try:
        assert process.stdout.readline().startswith(b"ID")
        process.send_signal(2)
        assert process.wait(timeout=20) == 130
    finally:
        process.kill()
        process.stdout.close()


def test_prune_removes_finished_jobs_by_age(three: CommandLine) -> None:
    three.ok("cancel", "a")
    assert three.json("prune", "--older", "1h", "--state", "completed,dead")["count"] == 0
    assert three.ok("prune", "--state", "dead", "--dry-run") == "1 job would be removed\n"
    assert three.ok("prune", "--state", "dead") == "removed 1 job\n"
    assert ids(three) == ["b", "c"]
    three.refused(2, "prune", "--state", "pending")


def test_logs_of_several_jobs_prefix_each_line_with_the_id(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start", "--count", "2")
    queuectl.ok("enqueue", "--id", "a", "--command", "printf '1\\n2\\n3\\nend'")
    queuectl.ok("enqueue", "--id", "b", "--command", "echo x; sleep 0.3; echo y")
    followed = queuectl.ok("logs", "--follow", "a", "b")
    assert sorted(followed.splitlines()) == ["a| 1", "a| 2", "a| 3", "a| end", "b| x", "b| y"]
    assert queuectl.ok("logs", "a", "--tail", "2") == "3\nend"
    assert queuectl.ok("logs", "b", "a", "--tail", "1") == "b| y\na| end\n"
    queuectl.refused(2, "logs")
    queuectl.refused(2, "logs", "a", "--tail", "x")


def test_dead_jobs_are_filtered_shown_and_exported(three: CommandLine) -> None:
    three.ok("cancel", "--all")
    assert [job["id"] for job in three.json("dlq", "list", "--queue", "q")] == ["b"]
    assert three.json("dlq", "show", "b")["state"] == "dead"
    assert three.ok("dlq", "export", "--tag", "k=v").startswith('{"id":"c"')
    assert three.ok("dlq", "retry", "--queue", "q", "--canceled") == "retried 1 job\n"
    assert three.ok("dlq", "purge", "--since", "1h") == "removed 2 jobs\n"
    three.refused(1, "dlq", "purge", "--since", "1h")
    three.refused(1, "dlq", "show", "b")
    three.refused(2, "dlq", "retry", "--queue", "q", "--all")
