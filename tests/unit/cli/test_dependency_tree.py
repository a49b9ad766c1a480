"""Dependency trees: the order of the lines, repeated jobs, missing jobs, and the quoting for Graphviz."""

from __future__ import annotations

from typing import Any

from queuectl_core.cli.dependency_tree import component, dot_lines, linked, tree_lines


def jobs(**after: str) -> dict[str, Any]:
    """Return records of jobs; each name has the names of the jobs that it waits for."""
    return {
        id: {"id": id, "number": n, "state": "pending", "command": f"make {id}", "options": {"after": others.split()}}
        for n, (id, others) in enumerate(after.items())
    }


def tree(records: dict[str, Any]) -> list[str]:
    return [branch + id + (" *" if is_repeated else "") for branch, id, is_repeated in tree_lines(records)]


def test_a_job_stands_below_the_job_that_it_waits_for() -> None:
    assert tree(jobs(a="", b="a", c="b", d="a", e="")) == ["a", "├── b", "│   └── c", "└── d", "e"]


def test_a_job_that_waits_for_two_stands_below_both_and_is_expanded_once() -> None:
    assert tree(jobs(a="", b="a", c="a", merge="b c", mail="merge")) == [
        "a", "├── b", "│   └── merge", "│       └── mail", "└── c", "    └── merge *",
    ]  # fmt: skip


def test_a_job_whose_prerequisite_was_removed_is_a_root() -> None:
    assert tree(jobs(b="gone", c="b")) == ["b", "└── c"]


def test_only_jobs_with_dependencies_are_linked() -> None:
    known = jobs(a="", b="a", alone="")
    assert list(linked(known.values(), lambda ids: [known[id] for id in ids])) == ["a", "b"]


def test_a_component_has_everything_before_and_after_a_job() -> None:
    records = jobs(a="", b="a", c="b", x="", y="x", d="a")
    assert list(component(records, "b")) == ["a", "b", "c", "d"]
    assert list(component(records, "y")) == ["x", "y"]


def test_a_long_chain_needs_no_recursion() -> None:
    records = jobs(j0="", **{f"j{n}": f"j{n - 1}" for n in range(1, 3000)})
    assert len(tree(records)) == len(component(records, "j1500")) == 3000


def test_text_of_jobs_cannot_leave_its_string_in_a_graph() -> None:
    records = jobs(a="", b="a")
    records["a"]["command"] = 'echo "x\\" ]; evil\n'
    lines = list(dot_lines(records))
    assert lines[2] == '  "a" [label="a\\necho \\"x\\\\\\" ]; evil \\npending", fillcolor=white];'
    assert '  "a" -> "b";' in lines
    assert lines[0] == "digraph queuectl {" and lines[-1] == "}"


def test_a_circle_of_ids_that_were_used_again_is_shown() -> None:
    assert tree(jobs(a="b", b="a", c="", d="c")) == ["c", "└── d", "a", "└── b", "    └── a *"]


def test_control_characters_of_jobs_are_escaped_in_a_graph() -> None:
    records = jobs(a="", b="a")
    records["a"]["command"] = "echo \x1b]0;title\x07"
    assert "echo \\\\x1b]0;title\\\\x07" in list(dot_lines(records))[2]
