"""Schedules on the command line: what a new definition drops, and what `list` and `show` tell."""

from __future__ import annotations

from tests.homes import CommandLine

ADD = ("schedule", "add", "n", "30 2 * * *")


def test_a_new_definition_says_what_it_no_longer_sets(queuectl: CommandLine) -> None:
    queuectl.ok(*ADD, "--on-dead", "echo x", "-t", "k=v", "--queue", "gpu", "--overlap", "--", "true")
    said = queuectl.ok(*ADD, "--queue", "mail", "--", "false")
    assert said.startswith("changed schedule n (no longer set: on_dead, overlap, tags); next run: ")
    assert queuectl.json("schedule", "show", "n")["job"]["queue"] == "mail"
    assert queuectl.ok(*ADD, "--queue", "gpu", "--", "true").startswith("changed schedule n; next run: ")


def test_show_prints_one_schedule_whole_and_list_names_hooks(queuectl: CommandLine) -> None:
    queuectl.ok("schedule", "add", "plain", "@daily", "--", "true")
    assert "HOOKS" not in queuectl.ok("schedule", "list")
    queuectl.ok(*ADD, "--on-dead", "echo x", "--on-end", "echo y", "--env", "A=1", "--", "true")
    rows = [line.split() for line in queuectl.ok("schedule", "list").splitlines()]
    assert rows[0][-2:] == ["HOOKS", "COMMAND"] and rows[1][-3:] == ["dead,", "end", "true"]
    shown = dict(line.split(maxsplit=1) for line in queuectl.ok("schedule", "show", "n").splitlines())
    assert shown["on_dead"] == "echo x" and shown["on_end"] == "echo y"
    assert shown["command"] == "true" and shown["env"] == "A"  # values can be secrets
    assert queuectl.json("schedule", "show", "n") == queuectl.json("schedule", "list")[0]
    assert queuectl.ok("schedule", "show") == queuectl.ok("schedule", "list")
    assert "schedule 'm' does not exist" in queuectl.refused(1, "schedule", "show", "m")
