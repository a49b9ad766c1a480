"""Graph: which jobs wait for which others, in a home with several pipelines."""

from __future__ import annotations

import json

from tests.homes import CommandLine


def add_pipelines(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "fetch", "--", "true")
    queuectl.ok("enqueue", "--id", "parse", "--after", "fetch", "--name", "the parser", "--", "true")
    queuectl.ok("enqueue", "--id", "merge", "--after", "parse,fetch", "--max-retries", "0", "--", "sort", "a b")
    queuectl.ok("enqueue", "--id", "other", "--", "true")
    queuectl.ok("enqueue", "--id", "later", "--after", "other", "--", "true")
    queuectl.ok("enqueue", "--id", "alone", "--", "true")


def test_shows_each_job_below_the_jobs_that_it_waits_for(queuectl: CommandLine) -> None:
    add_pipelines(queuectl)
    assert queuectl.ok("graph").splitlines() == [
        "fetch  pending  true",
        "├── parse  pending  the parser",
        "│   └── merge  pending  sort 'a b'",
        "└── merge  pending  (*)",
        "other  pending  true",
        "└── later  pending  true",
    ]


def test_shows_only_what_is_linked_to_a_job(queuectl: CommandLine) -> None:
    add_pipelines(queuectl)
    assert queuectl.ok("graph", "later").splitlines() == ["other  pending  true", "└── later  pending  true"]
    assert "no job waits" in queuectl.refused(1, "graph", "alone")
    assert [job["id"] for job in queuectl.json("graph", "merge")] == ["fetch", "parse", "merge"]
    assert "does not exist" in queuectl.refused(1, "graph", "nope")


def test_shows_only_what_is_linked_to_a_batch(queuectl: CommandLine) -> None:
    add_pipelines(queuectl)
    queuectl.ok("enqueue", "--batch", "parts", "--after", "other", "--", "true", ":::", "a", "b")
    queuectl.ok("enqueue", "--id", "sum", "--after-batch", "parts", "--", "true")
    shown = queuectl.ok("graph", "--batch", "parts")
    assert shown.splitlines()[:3] == ["batch parts  pending  2 pending", "└── sum  pending  true", "other  pending  true"]
    assert len(shown.splitlines()) == 6 and "merge" not in shown
    assert "\nfetch  pending" in queuectl.ok("graph", "fetch", "--batch", "parts")
    queuectl.ok("enqueue", "--batch", "lone", "--", "true", ":::", "a")
    assert "no job waits" in queuectl.refused(1, "graph", "--batch", "lone")
    assert "nope" in queuectl.refused(1, "graph", "--batch", "nope")


def test_says_what_marks_a_repeated_job(queuectl: CommandLine) -> None:
    add_pipelines(queuectl)
    assert queuectl("graph").err == "(*) also stands above, with the jobs that wait for it\n"
    assert queuectl("graph", "--quiet").err == queuectl("graph", "later").err == ""


def test_shows_the_states_of_jobs_that_have_ended(queuectl: CommandLine) -> None:
    add_pipelines(queuectl)
    queuectl.ok("worker", "start")
    queuectl.until_done(completed=5, dead=1)
    assert queuectl.json("graph", "parse") == [  # `sort` finds no such file
        {"id": "fetch", "state": "completed", "after": []},
        {"id": "parse", "state": "completed", "after": ["fetch"]},
        {"id": "merge", "state": "dead", "after": ["parse", "fetch"]},
    ]


def test_shows_the_batches_that_jobs_wait_for_with_their_counts(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--batch", "parts", "--", "true", ":::", "a", "b")
    queuectl.ok("enqueue", "--id", "merge", "--after-batch", "parts", "--", "true")
    queuectl.ok("enqueue", "--id", "mail", "--after", "merge", "--", "true")
    tree = ["batch parts  pending  2 pending", "└── merge  pending  true", "    └── mail  pending  true"]
    assert queuectl.ok("graph").splitlines() == queuectl.ok("graph", "mail").splitlines() == tree
    assert '  "batch parts" -> "merge";' in queuectl.ok("graph", "--dot").splitlines()
    assert queuectl.json("graph") == [
        {"id": "merge", "state": "pending", "after": [], "after_batch": ["parts"]},
        {"id": "mail", "state": "pending", "after": ["merge"]},
    ]
    queuectl.ok("cancel", "--batch", "parts")
    assert queuectl.ok("graph").splitlines()[0] == "batch parts  dead  2 dead"
    queuectl.ok("rm", "--batch", "parts")
    assert queuectl.ok("graph").splitlines()[0].startswith("merge  dead")


def test_writes_a_graph_for_graphviz(queuectl: CommandLine) -> None:
    add_pipelines(queuectl)
    lines = queuectl.ok("graph", "--dot", "later").splitlines()
    assert lines[0] == "digraph queuectl {" and lines[-1] == "}"
    assert '  "other" -> "later";' in lines


def test_says_so_when_no_job_waits_for_another(queuectl: CommandLine) -> None:
    assert "no job waits for another" in queuectl.refused(1, "graph")
    assert json.loads(queuectl.ok("graph", "--json")) == []
