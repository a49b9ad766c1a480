"""Sweeps: one call that adds a job for each line, index, row, or combination of values."""

from __future__ import annotations

import json
import os
import pty
from pathlib import Path

import pytest

from tests.homes import CommandLine


def commands(queuectl: CommandLine) -> list[str]:
    """Return the commands of all jobs, in the order in which they were added."""
    return [job["command"] for job in queuectl.json("list", "--limit", "0")]


def test_each_line_of_standard_input_becomes_a_job(queuectl: CommandLine) -> None:
    ids = queuectl.ok("enqueue", "--each-line", "--", "gzip", "-k", "{}", stdin=b"a.txt\nb c.txt\n\nd").split()
    assert [queuectl.job(id)["command"] for id in ids] == ["gzip -k a.txt", "gzip -k 'b c.txt'", "gzip -k d"]


def test_each_line_of_a_file_becomes_a_job(queuectl: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "names").write_text("x/a.txt\n")
    queuectl.ok("enqueue", "--each-line", str(tmp_path / "names"), "--", "cp", "{}", "{/.}.bak")
    assert commands(queuectl) == ["cp x/a.txt a.bak"]


def test_values_that_end_with_nul_may_contain_newlines(queuectl: CommandLine, tmp_path: Path) -> None:
    queuectl.ok("worker", "start")
    ids = queuectl.ok("enqueue", "--each-line", "-0", "--", "printf", "%s", stdin=b"a\nb\0'c'\0").split()
    queuectl.ok("wait", *ids)
    assert [queuectl.ok("logs", id) for id in ids] == ["a\nb", "'c'"]


def test_lists_give_a_job_for_each_combination(queuectl: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "seeds").write_text("7\n8\n")
    queuectl.ok("enqueue", "--", "train", "{1}", "{2}", ":::", "s", "l", "::::", str(tmp_path / "seeds"))
    assert commands(queuectl) == ["train s 7", "train s 8", "train l 7", "train l 8"]


def test_paired_lists_give_a_job_for_each_pair(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--", "mv {1} {2}", ":::", "a b", "c", ":::+", "x", "y")
    assert commands(queuectl) == ["mv 'a b' x", "mv c y"]


def test_lists_fill_a_command_text_too(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--command", "echo {} > x", "--", ":::", "a", "b c")
    assert commands(queuectl) == ["echo a > x", "echo 'b c' > x"]


def test_other_words_with_colons_begin_no_list(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--id", "a", "--", "echo", ":::a", ":::::")
    assert commands(queuectl) == ["echo :::a :::::"]


def test_lists_may_follow_a_command_text(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--command", "echo {} | wc -c", ":::", "a", "b c")
    assert commands(queuectl) == ["echo a | wc -c", "echo 'b c' | wc -c"]


def test_an_array_tells_each_job_its_index(queuectl: CommandLine) -> None:
    queuectl.ok("worker", "start")
    text = 'echo "$A$QUEUECTL_ARRAY_INDEX"'
    ids = queuectl.ok("enqueue", "--array", "1-9:4", "--env", "A=n", "--command", text).split()
    queuectl.ok("wait", *ids)
    assert [queuectl.ok("logs", id) for id in ids] == ["n1\n", "n5\n", "n9\n"]


def test_each_row_of_a_table_becomes_a_job(queuectl: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('name,size\nx,3\n\n"y ""z""\n2",4\n')
    table = str(tmp_path / "t.csv")
    queuectl.ok("enqueue", "--csv", table, "--header", "--", "run", "{size}", "{name}")
    assert commands(queuectl) == ["run 3 x", "run 4 'y \"z\"\n2'"]
    queuectl.ok("enqueue", "--csv", table, "--queue", "all", "--", "run {2}")
    assert [job["command"] for job in queuectl.json("list", "--queue", "all")] == ["run size", "run 3", "run 4"]


def test_all_jobs_get_the_options(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--queue", "q", "--max-retries", "1", "--tag", "a=b", "--env", "K=V", "--", "true", ":::", "1", "2")
    for job in queuectl.json("list"):
        assert (job["queue"], job["max_retries"], job["tags"], job["env"]) == ("q", 1, {"a": "b"}, {"K": "V"})


def test_options_are_defaults_for_the_lines_of_a_file(queuectl: CommandLine) -> None:
    file = b'{"id": "a", "command": "true"}\n{"id": "b", "command": "true", "queue": "own"}\n'
    queuectl.ok("enqueue", "--file", "-", "--queue", "q", "--max-retries", "1", stdin=file)
    assert [(queuectl.job(id)["queue"], queuectl.job(id)["max_retries"]) for id in "ab"] == [("q", 1), ("own", 1)]


def test_values_never_run_as_shell_text(queuectl: CommandLine, tmp_path: Path) -> None:
    queuectl.ok("worker", "start")
    values = ["$(touch hacked)", "`touch hacked`", "; touch hacked;", "' ; touch hacked; '", "a\\' ; touch hacked"]
    folder = ["--cwd", str(tmp_path)]
    for command in (["printf", "%s", "{}"], ["printf %s {}"], ["printf", "%s"]):
        ids = queuectl.ok("enqueue", *folder, "--", *command, ":::", *values).split()
        queuectl.ok("wait", *ids)
        assert [queuectl.ok("logs", id) for id in ids] == values
    assert "hacked" not in os.listdir(tmp_path)


def test_numbers_of_an_array_reach_a_program_of_any_language(queuectl: CommandLine) -> None:
    queuectl.ok("enqueue", "--shell", "/usr/bin/python3", "--array", "1-2", "--command", "print({})")
    assert commands(queuectl) == ["print(1)", "print(2)"]


def test_a_dry_run_shows_the_first_commands_and_adds_nothing(queuectl: CommandLine) -> None:
    answer = queuectl("enqueue", "--dry-run", "--array", "1-100", "--", "step", "{}")
    assert answer.status == 0 and answer.out.splitlines() == [f"step {n}" for n in range(1, 6)]
    assert answer.err.strip() == "100 jobs would be added"
    shown = queuectl.ok("enqueue", "--json", "--dry-run", "--array", "1-2", "--", "step", "{}")
    assert json.loads(shown) == {"count": 2, "commands": ["step 1", "step 2"]}
    assert commands(queuectl) == []


def test_a_dry_run_checks_every_job(queuectl: CommandLine) -> None:
    file = b'{"command": "true"}\n' * 9 + b'{"command": ""}\n'
    assert "line 10" in queuectl.refused(2, "enqueue", "--dry-run", "--file", "-", stdin=file)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--each-line", "--array", "1-2", "--", "true"], "cannot be used together"),
        (["--array", "1-2", "--", "true", ":::", "a"], "cannot be used together"),
        (["--file", "-", "--", "true"], "cannot be used together; for a job per line, use --each-line"),
        (["gzip", "{}", ":::", "a"], "put the command after --"),
        (["--each-line", "-", "gzip"], "put the command after --"),
        (["--command", "echo {}", "--", "echo", ":::", "a"], "cannot be used together"),
        (["--", ":::", "a"], "put the command after --"),
        (["--", "echo", "::::", "-", "::::", "-"], "cannot be read twice"),
        (["--array", "1-2", "--null", "--", "true"], "--null needs --each-line"),
        (["--header", "--", "true"], "--header needs --csv"),
        (["--array", "1-2", '{"command": "true"}'], "cannot be used together"),
        (["--array", "1-2"], "put the command after --"),
        (["--array", "2-1", "--", "true"], "empty"),
        (["--array", "1-2", "--id", "a", "--", "true"], "--id names one job"),
        (["--each-line", "/nowhere", "--", "true"], "cannot read /nowhere"),
        (["--each-line", "/dev/null", "--", "true"], "no values"),
        (["--csv", "/dev/null", "--", "true"], "no rows"),
        (["--each-line", "/dev/zero", "--", "true"], "has more than"),
        (["--csv", "/dev/zero", "--", "true"], "has more than"),
        (["--shell", "/usr/bin/fish", "--", "echo", "{}", ":::", "a"], "quoted for sh"),
        (["--shell", "/usr/bin/python3", "--command", "print({})", ":::", "a"], "quoted for sh"),
        (["--", "echo", "{2}", ":::", "a"], "needs 2 values"),
        (["--", "echo '{}'", ":::", "a"], "inside quotes"),
        (["--", "true", ":::+", "a"], "the first"),
        (["--each-line"], "like: -- gzip -k {}; to run each line as a command, use: -- sh -c {}"),
        (["--each-line", "--", "{}"], "to run each line as a command, use: -- sh -c {}"),
        (["--each-line", "--command", " {} "], "to run each line as a command, use: -- sh -c {}"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_refuses_a_call_that_is_not_clear(queuectl: CommandLine, words: list[str], reason: str) -> None:
    assert reason in queuectl.refused(2, "enqueue", *words)
    assert commands(queuectl) == []


def test_one_bad_value_adds_no_job(queuectl: CommandLine) -> None:
    error = queuectl.refused(2, "enqueue", "--each-line", "--", "true", stdin=b"a\nb\xff\nc\n")
    assert "line 2: not valid UTF-8" in error
    error = queuectl.refused(2, "enqueue", "--csv", "-", "--", "true", stdin=b"a,b\nc\n")
    assert "has 1 values, but the first row has 2" in error
    assert commands(queuectl) == []


def test_a_name_that_no_column_has_adds_no_job(queuectl: CommandLine) -> None:
    words = ["--csv", "-", "--header", "--", "echo", "{nam}", "{size}"]
    assert "no column nam; columns: name, size" in queuectl.refused(2, "enqueue", *words, stdin=b"name,size\na,1\n")
    assert commands(queuectl) == []


@pytest.mark.parametrize("more", [[], ["--queue", "a"], ["--dry-run"]])
def test_a_file_of_commands_names_the_way_to_run_them(queuectl: CommandLine, tmp_path: Path, more: list[str]) -> None:
    path = tmp_path / "my cmds.txt"
    path.write_text("echo a b\ntrue\n")
    error = queuectl.refused(2, "enqueue", "--file", str(path), *more)
    assert f"to run each line as a command: enqueue --each-line '{path}' -- sh -c {{}}" in error
    queuectl.ok("enqueue", "--each-line", str(path), "--", "sh", "-c", "{}")
    assert commands(queuectl) == ["sh -c 'echo a b'", "sh -c true"]
    assert "--each-line" not in queuectl.refused(2, "enqueue", "--file", "-", *more, stdin=b'{"command": 1,}\n')


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        ("--each-line -- echo", "a\nb\n"),
        ("--csv - --header -- echo {name}", "name\na\nb\n"),
        ("--file -", '{"command": "echo a"}\n{"command": "echo b"}\n'),
        ("-- echo :::: -", "a\nb\n"),
    ],
)
@pytest.mark.parametrize("more", [[], ["--quiet"]])
def test_lines_typed_at_a_terminal_end_with_one_ctrl_d(
    queuectl: CommandLine, words: str, typed: str, more: list[str]
) -> None:
    master, slave = pty.openpty()
    try:
        os.write(master, typed.encode() + b"\x04")
        process = queuectl.popen("enqueue", *more, *words.split(), stdin=slave, stdout=-3, stderr=-1)
        _, said = process.communicate(timeout=20)
    finally:
        os.close(master)
        os.close(slave)
    assert (process.returncode, commands(queuectl)) == (0, ["echo a", "echo b"])
    assert said.count(b"reading lines from the terminal; end with Ctrl-D\n") == (0 if more else 1)


def test_null_is_an_option_beside_negative_numbers(queuectl: CommandLine) -> None:
    words = ["--priority", "-5", "--each-line", "-0", "--", "echo"]
    (id,) = queuectl.ok("enqueue", *words, stdin=b"a\nb\0").split()
    assert (queuectl.job(id)["priority"], queuectl.job(id)["command"]) == (-5, "echo 'a\nb'")
