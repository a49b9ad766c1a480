"""What a newcomer of the page relies on: numbers that agree, what is hidden, pauses, and where the focus is."""

from __future__ import annotations

import pytest

from tests.browser import needs_browser
from tests.homes import CommandLine
from tests.page.conftest import Visit

pytestmark = needs_browser

FOCUSED = "document.activeElement.textContent.trim() || document.activeElement.id"


def fill_dead(queuectl: CommandLine, failed: int, canceled: int) -> None:
    """Add jobs that fail for good, and jobs that a person cancels."""
    queuectl.ok("enqueue", "--array", f"1-{canceled}", "--batch", "unwanted", "--", "true")
    queuectl.ok("cancel", "--batch", "unwanted")
    queuectl.ok("enqueue", "--array", f"1-{failed}", "--max-retries", "0", "--", "sh", "-c", "exit {}")
    queuectl("worker", "start", "--exit-when-empty")


def test_delete_all_takes_the_failures_and_no_canceled_job(queuectl: CommandLine, visit: Visit) -> None:
    fill_dead(queuectl, 3, 20)
    with visit("/failures") as (page, _):
        page.until_text("3", "#bar .bubble")
        assert "Retry all 3" in page.text("main .tools")
        page.click("main .tools button", "Delete all 3…")
        page.until_text("3 jobs will be deleted", "dialog")
        assert "rm --state dead --cause failed,dependency_failed" in page.text("dialog .equal")
        page.click("dialog button", "Delete 3 jobs")
        page.until_text("deleted 3 jobs", "#said")
        page.until_text("No job has failed for good.")
        assert not page.js("document.querySelector('#bar .bubble')")
    assert queuectl.counts()["dead"] == 20


def test_a_held_key_confirms_nothing(queuectl: CommandLine, visit: Visit) -> None:
    fill_dead(queuectl, 1, 1)
    with visit("/failures") as (page, _):
        page.click("main .tools button", "Delete all 1…")
        page.until(f"({FOCUSED}) === 'Delete 1 job'")
        held = {"key": "Enter", "text": "\r", "windowsVirtualKeyCode": 13, "autoRepeat": True}
        page.call("Input.dispatchKeyEvent", type="keyDown", **held)
        assert page.text("dialog button.grave") == "Delete 1 job"
        page.press("Enter")
        page.until_text("deleted 1 job", "#said")


def test_canceled_jobs_are_no_failures(queuectl: CommandLine, visit: Visit) -> None:
    fill_dead(queuectl, 2, 5)
    with visit("/jobs") as (page, _):
        page.until("document.querySelector('#bar .bubble')?.textContent === '2'")
        page.js("location.hash = '#/'")
        page.until_text("2 failed, 5 canceled", ".numbers .dead")
        queuectl.ok("rm", "--state", "dead", "--cause", "failed")
        page.until_text("5 canceled", ".numbers li")
        page.until("!document.querySelector('#bar .bubble, .numbers .dead')")


def test_a_group_has_an_equal_command_line(queuectl: CommandLine, visit: Visit) -> None:
    fill_dead(queuectl, 1, 1)
    with visit("/failures") as (page, _):
        page.click(".group button", "Retry")
        page.until_text("dlq retry", "dialog .equal")
        assert page.js(FOCUSED) == "Retry 1 job"


@pytest.mark.parametrize("size", [(1280, 800), (360, 700)])
def test_the_newest_lines_are_not_covered(queuectl: CommandLine, visit: Visit, size: tuple[int, int]) -> None:
    queuectl.ok("enqueue", "--id", "talker", "--command", "seq 900")
    queuectl.ok("worker", "start")
    queuectl.until_state("talker", "completed")
    with visit("/jobs/talker") as (page, _):
        page.resize(*size)
        page.until_text("900", ".pane")
        free = "(innerHeight - (getComputedStyle(foot).position === 'sticky' ? foot.offsetHeight : 0))"
        page.until(f"document.querySelector('.pane').getBoundingClientRect().bottom <= {free}")
        page.until("(p => p.scrollHeight - p.scrollTop - p.clientHeight < 40)(document.querySelector('.pane'))")


def test_a_pause_has_a_length_and_a_reason(queuectl: CommandLine, visit: Visit) -> None:
    queuectl.ok("queue", "set", "gpu", "--create", "--limit", "1")
    with visit("/queues") as (page, _):
        page.click("[aria-label='Pause gpu']")
        page.until("document.activeElement.id === 'field-for'")
        page.type("2h")
        page.focus("#field-reason")
        page.type("new card")
        page.press("Enter")
        page.until_text("queue gpu is paused", "#said")
        page.until("/paused.*until .*: new card/s.test(document.querySelector('tbody').innerText)")
        page.click("button", "Pause all…")
        page.click("dialog button", "Pause all queues")
        page.until_text("all queues are paused", "main .notice")
        page.click("button", "Resume all")
        page.until_text("all queues continue, but gpu stays paused", "#said")


def test_a_filter_of_two_states_can_be_seen_and_removed(queuectl: CommandLine, visit: Visit) -> None:
    queuectl.ok("enqueue", "--id", "waits", "--", "true")
    with visit("/jobs?state=pending,failed") as (page, _):
        page.click(".chip", "state pending or retrying")
        page.until("location.hash === '#/jobs' && !document.querySelector('.chip')")


def test_held_jobs_are_at_most_the_waiting_ones(queuectl: CommandLine, visit: Visit) -> None:
    """The pause of all and the one of a queue hold the same jobs."""
    queuectl.ok("worker", "start")
    queuectl.ok("enqueue", "--id", "first", "--", "sh", "-c", "exit 0")
    queuectl.until_state("first", "completed")
    queuectl.ok("enqueue", "--id", "blocks", "--", "sleep", "60")
    queuectl.until_state("blocks", "processing")
    queuectl.ok("queue", "pause", "thumbs", "--create")
    queuectl.ok("enqueue", "--array", "1-3", "--queue", "thumbs", "--", "true")
    queuectl.ok("pause")
    with visit() as (page, _):
        page.until_text("but 3 are held", ".numbers")


def test_the_focus_is_where_a_keyboard_needs_it(queuectl: CommandLine, visit: Visit) -> None:
    with visit() as (page, _):
        page.press("n")
        page.until("document.activeElement.id === 'field-command'")
        page.type("true")
        page.click("button", "Try without adding")
        page.until_text("It would wait", ".tried")
        page.until(f"({FOCUSED}) === 'Add the job'")
        page.press("Enter")
        page.until("location.hash.startsWith('#/jobs/')")
    assert len(queuectl.json("list")) == 1
