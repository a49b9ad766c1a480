"""The order of waiting jobs on the command line, with and without a supervisor."""

from __future__ import annotations

from tests.homes import CommandLine


def order(queuectl: CommandLine) -> list[str]:
    return queuectl.ok("list", "--format", "{id}").split()


def test_move_and_switch_order_jobs_with_and_without_a_supervisor(queuectl: CommandLine) -> None:
    queuectl.ok("pause")
    for id in "abcd":
        queuectl.ok("enqueue", "--id", id, "--", "true")
    assert queuectl.ok("move", "d") == "moved d to front\n"
    queuectl.ok("worker", "start", "--count", "1")
    assert queuectl.ok("switch", "a", "c") == "switched a and c\n"
    assert queuectl.json("move", "b", "--to", "2") == {"id": "b", "to": 2}
    assert order(queuectl) == ["d", "b", "c", "a"]
    queuectl.ok("worker", "stop")
    assert order(queuectl) == ["d", "b", "c", "a"]
    assert queuectl.ok("move", "b", "2") == "moved b to place 2\n"
    assert "not both" in queuectl.refused(2, "move", "b", "2", "--to", "3")
    assert "place" not in queuectl.job("b")
    assert "moved" in queuectl.ok("history", "b")
    queuectl.ok("doctor")
    assert "place from 1 to 1000" in queuectl.refused(2, "move", "b", "--to", "fron")
    assert "high" in queuectl.ok("enqueue", "--id", "high", "--priority", "1", "--", "true")
    assert "high has 1" in queuectl.refused(1, "switch", "b", "high")
    queuectl.ok("resume")
    queuectl.ok("worker", "start", "--count", "1")
    queuectl.until_done(completed=5)
    assert "completed" in queuectl.refused(1, "move", "b")


def test_backup_and_export_keep_the_order(queuectl: CommandLine) -> None:
    queuectl.ok("pause")
    for id in "abc":
        queuectl.ok("enqueue", "--id", id, "--", "true")
    queuectl.ok("move", "c")
    queuectl.ok("backup", f"{queuectl.home}.backup")
    exported = queuectl.ok("export").encode()
    queuectl.home += "2"
    queuectl.environ["QUEUECTL_HOME"] = queuectl.home
    queuectl.ok("restore", f"{queuectl.home[:-1]}.backup")
    assert order(queuectl) == ["c", "a", "b"]
    queuectl.home += "3"
    queuectl.environ["QUEUECTL_HOME"] = queuectl.home
    queuectl.ok("import", "-", stdin=exported)
    assert order(queuectl) == ["c", "a", "b"]
