"""The page in a real browser: what it shows, what it changes, and what it leaves alone."""

from __future__ import annotations

import os
import re

import pytest

from tests.browser import Browser, needs_browser
from tests.homes import CommandLine, until
from tests.page.conftest import Visit
from tests.web_server import web

pytestmark = needs_browser

ROUTES = ("/", "/failures", "/jobs", "/jobs/bad-1", "/queues", "/schedules", "/settings", "/new")
NAMED = {"button", "link", "textbox", "searchbox", "checkbox", "combobox", "spinbutton", "image", "DisclosureTriangle", "dialog", "region", "navigation"}


def fill(queuectl: CommandLine) -> None:
    """Fill a home with jobs of every kind; one of them runs until the file `go` is in its folder."""
    queuectl.ok("queue", "set", "gpu", "--create", "--limit", "1")
    queuectl.ok("schedule", "add", "nightly", "30 2 * * *", "--", "./backup.sh")
    for number in (1, 2, 3):
        command = f"echo looking at {number}; printf '\\033[31mno route\\033[0m to host\\n'; exit 7"
        queuectl.ok("enqueue", "--id", f"bad-{number}", "--max-retries", "0", "--command", command)
    queuectl.ok("enqueue", "--id", "good", "--command", "true")
    queuectl.ok("worker", "start", "--count", "2")
    queuectl.until_done(dead=3, completed=1)
    folder = os.path.dirname(queuectl.home)
    for number in (1, 2):
        command = f"echo step {number}; while [ ! -e go ]; do sleep 0.05; done; echo finished"
        queuectl.ok("enqueue", "--id", f"long-{number}", "--queue", "gpu", "--cwd", folder, "--command", command)
    queuectl.ok("enqueue", "--id", "next", "--after", "long-1", "--command", "true")
    queuectl.until_state("long-1", "processing")


def test_the_overview_shows_what_failed_runs_and_waits_and_why(queuectl: CommandLine, visit: Visit) -> None:
    fill(queuectl)
    with visit() as (page, server):
        page.until_text("no route to host", "[aria-label=Failures]")
        assert "3×" in page.text("[aria-label=Failures]") and "exit code 7" in page.text("[aria-label=Failures]")
        assert "long-1" in page.text("[aria-label=Running]")
        waiting = page.text("[aria-label='Waiting, and why']")
        assert "waits for long-1" in waiting and "queue gpu is at its limit of 1" in waiting
        assert server.token not in page.js("location.href + document.referrer + document.documentElement.outerHTML")


def test_a_group_of_failures_opens_with_its_output_and_is_retried(queuectl: CommandLine, visit: Visit) -> None:
    fill(queuectl)
    with visit() as (page, _):
        page.click(".disclose")
        page.until_text("looking at", ".glance")
        assert page.js("document.querySelector('.glance .fg-red').textContent") == "no route"
        queuectl.ok("pause")
        page.click(".group button", "Retry 3")
        page.until_text("3 jobs will be retried", "dialog")
        page.click("dialog button", "Retry 3 jobs")
        page.until_text("retried 3 jobs", "#said")
        page.until_text("No job has failed for good.")
        page.until_text("all queues are paused", ".notices")
        assert queuectl.counts()["dead"] == 0
        page.click(".notices button", "Resume all")  # they fail again, and the open group shows it
        page.until_text("3×", "[aria-label=Failures]")
        page.until_text("looking at", ".glance")
        assert not page.js("document.querySelectorAll('.gone').length")


def test_a_group_is_listed_and_a_removed_job_is_told(queuectl: CommandLine, visit: Visit) -> None:
    fill(queuectl)
    with visit("/failures") as (page, _):
        page.click(".disclose")
        page.click(".details a", "All 3 jobs")
        page.until("document.querySelectorAll('tbody tr').length === 3")
        assert "one group of failures" in page.text(".chips")
        page.click("tbody a", "bad-2")
        page.until_text("bad-2", "h1")
        page.click("button", "Delete")
        page.click("dialog button", "Delete 1 job")
        page.until("location.hash === '#/jobs'")
        page.until_text("long-1", "tbody")
        assert "bad-2" not in page.text("tbody")


def test_a_group_of_failures_is_retried_with_other_fields(queuectl: CommandLine, visit: Visit) -> None:
    fill(queuectl)
    queuectl.ok("pause")
    with visit("/failures") as (page, _):
        page.click(".disclose")
        page.click(".details button", "Edit and retry")
        page.focus("#field-retries")
        page.type("5")
        page.click("dialog button", "Go on")
        page.until_text("3 jobs will be retried", "dialog")
        page.click("dialog button", "Retry 3 jobs")
        page.until_text("retried 3 jobs", "#said")
    assert [queuectl.job(f"bad-{number}")["max_retries"] for number in (1, 2, 3)] == [5, 5, 5]


def test_one_job_is_edited_and_retried(queuectl: CommandLine, visit: Visit) -> None:
    fill(queuectl)
    with visit("/jobs/bad-1") as (page, _):
        assert "exit code 7" in page.text(".whyline")
        page.click("button", "Edit and retry")
        page.js("document.querySelector('dialog textarea').select()")
        page.type("echo repaired")
        page.click("dialog button", "Save and retry")
        page.until_text("completed", "h1")
        page.until_text("repaired", ".output")
        assert page.js("document.querySelectorAll('.tabs button').length") == 2
    assert queuectl.job("bad-1")["command"] == "echo repaired"


def test_output_follows_until_the_reader_scrolls_up(queuectl: CommandLine, visit: Visit) -> None:
    folder = os.path.dirname(queuectl.home)
    command = "seq 2000; while [ ! -e go ]; do sleep 0.05; done; seq 2001 4000; while [ ! -e end ]; do sleep 0.05; done; echo last"
    queuectl.ok("enqueue", "--id", "talker", "--cwd", folder, "--command", command)
    queuectl.ok("worker", "start")
    at_end = "(p => p.scrollHeight - p.scrollTop - p.clientHeight < 40)(document.querySelector('.pane'))"
    with visit("/jobs/talker") as (page, _):
        page.until_text("2000", ".pane")
        page.until(at_end)
        page.until_text("live", ".outputtools")
        with open(os.path.join(folder, "go"), "w"):
            page.until_text("4000", ".pane")
        page.until(at_end)
        page.js("document.querySelector('.pane').scrollTop = 500")
        page.until_text("not following", ".outputtools")
        with open(os.path.join(folder, "end"), "w"):
            queuectl.until_state("talker", "completed")
        page.until_text("completed", "h1")
        assert "last" not in page.text(".pane") and page.js("document.querySelector('.pane').scrollTop") == 500
        page.click(".outputtools button", "Follow")
        page.until_text("last", ".pane")


def test_a_large_log_costs_what_is_looked_at(queuectl: CommandLine, visit: Visit) -> None:
    queuectl.ok("enqueue", "--id", "huge", "--command", "seq -f 'this is line %.0f of a large log' 400000")
    queuectl.ok("worker", "start")
    queuectl.until_state("huge", "completed")
    with visit("/jobs/huge") as (page, _):
        page.until_text("this is line 400000 of", ".pane")
        assert page.js("document.querySelectorAll('.pane .line').length") < 4001
        assert re.search(r"KiB of 1\d MiB", page.text(".outputtools"))
        page.js("document.querySelector('.pane').scrollTop = 0")
        page.until("document.querySelectorAll('.pane .line').length > 2500")
        page.click(".outputtools button", "Start")
        page.until_text("this is line 1 of", ".pane")
        page.focus(".outputtools input")
        page.type("line 77 ")
        page.until("[...document.querySelectorAll('.pane .line')].filter(line => line.offsetHeight).length === 1")
        outputs = [address for address in page.requests() if "/output" in address]
        assert len(outputs) < 8


def test_output_without_a_line_end_is_shown_in_parts(queuectl: CommandLine, visit: Visit) -> None:
    queuectl.ok("enqueue", "--id", "wide", "--command", "head -c 300000 /dev/zero | tr '\\0' x")
    queuectl.ok("worker", "start")
    queuectl.until_state("wide", "completed")
    with visit("/jobs/wide") as (page, _):
        page.until("document.querySelectorAll('.pane .line').length")
        assert page.js("Math.max(...[...document.querySelectorAll('.pane .line')].map((line) => line.textContent.length))") <= 65536
        page.js("document.querySelector('.pane').scrollTop = 0")
        page.until_text("128 KiB of 293 KiB", ".outputtools")


def test_the_address_is_the_filter(queuectl: CommandLine, visit: Visit) -> None:
    fill(queuectl)
    rows = "[...document.querySelectorAll('tbody tr a.id')].map(link => link.textContent).sort().join()"
    with visit("/jobs?state=dead&id=bad-*") as (page, _):
        page.until(f"{rows} === 'bad-1,bad-2,bad-3'")
        assert "list --state dead --id 'bad-*'" in page.text("#foot")
        page.click(".states a", "completed")
        page.until_text("No job matches.")
        page.click(".chip", "id bad-*")
        page.until(f"{rows} === 'good'")
        assert page.js("location.hash") == "#/jobs?state=completed"
        page.js("history.back()")
        page.until_text("No job matches.")
        page.focus("#find")
        page.type("finished")
        page.press("Enter")
        page.click(".chip", "grep finished")
        page.until("!document.querySelector('.chips').innerText.includes('grep')")
        assert page.js("location.hash") == "#/jobs?id=bad-*&state=completed"
        page.click(".chip", "id bad-*")
        page.until(f"{rows} === 'good'")
        page.focus("#find")
        page.type("finished")
        page.press("Enter")
        page.until_text("No job matches.")
        page.click(".states a", "all")
        page.until(f"{rows} === 'long-1,long-2'")
        assert page.js("location.hash") == "#/jobs?grep=finished"


def test_all_jobs_that_match_are_changed_after_a_preview(queuectl: CommandLine, visit: Visit) -> None:
    queuectl.ok("enqueue", "--array", "1-1200", "--queue", "bulk", "--", "true")
    queuectl.ok("enqueue", "--id", "other", "--", "true")
    with visit("/jobs?queue=bulk") as (page, _):
        page.click(".actions button", "Cancel")
        page.until_text("1,200 jobs will be canceled", "dialog")
        assert "cancel --queue bulk" in page.text("dialog .equal")
        page.click("dialog button", "Cancel jobs")
        page.until_text("canceled 1,200 jobs", "#said")
        page.click(".states a", "dead")
        page.click("input[aria-label='Select all on this page']")
        page.until_text("100 jobs selected", ".actions")
        page.click(".actions button", "Delete")
        page.until_text("gone for good", "dialog")
        page.press("Escape")
        page.until("!document.querySelector('dialog')")
    assert queuectl.counts() == {"pending": 1, "processing": 0, "completed": 0, "failed": 0, "dead": 1200}


def test_the_keyboard_alone_is_enough(queuectl: CommandLine, visit: Visit) -> None:
    fill(queuectl)
    focused = "document.activeElement.textContent"
    with visit() as (page, _):
        page.press("?")
        page.until_text("next and previous row", "dialog")
        page.press("Escape")
        page.until("!document.querySelector('dialog')")
        page.press("j")
        page.press("Enter")
        page.until_text("looking at", ".glance")
        page.press("g")
        page.press("j")
        page.until("location.hash === '#/jobs'")
        page.press("/")
        page.until("document.activeElement.id === 'find'")
        page.type("no route")
        page.press("Enter")
        page.until("document.querySelectorAll('tbody tr').length === 3")
        page.press("Escape")
        page.press("j", times=2)
        chosen = page.until(f"/^bad-/.test({focused}) && {focused}")
        page.press("x")
        page.until_text("1 job selected", ".actions")
        page.press("Enter")
        page.until_text(chosen, "h1")
        for _ in range(40):
            if page.js(focused) == "Retry":
                break
            page.press("Tab")
        queuectl.ok("pause")
        page.press("Enter")
        page.until_text("pending", "h1")
        page.press("p")
        page.until_text("paused", "#bar")


@pytest.mark.parametrize("route", ROUTES)
def test_a_phone_has_no_horizontal_scroll_and_every_control_has_a_name(queuectl: CommandLine, visit: Visit, route: str) -> None:
    fill(queuectl)
    with visit(route) as (page, _):
        assert page.js("document.querySelectorAll('h1').length") == 1
        names = page.controls()
        assert not [role for role, name in names if role in NAMED and not name.strip()], names
        assert [role for role, _ in names].count("status") == 1
        page.color_scheme("dark")
        page.resize(360, 700)
        assert page.js("document.documentElement.scrollWidth <= 360")
        assert page.js("getComputedStyle(document.body).backgroundColor") == "rgb(18, 22, 28)"


def test_long_names_fit_every_width(queuectl: CommandLine, visit: Visit) -> None:
    words = ("--name", "a long name " * 8, "--queue", "q" * 60, "--tag", f"tag={'t' * 60}")
    queuectl.ok("enqueue", "--id", "x" * 120, *words, "--", "echo", "w" * 3000)
    with visit() as (page, _):
        for route in ("/", "/jobs", f"/jobs/{'x' * 120}", "/queues"):
            page.js(f"location.hash = '#{route}'")
            page.until("document.querySelector('#main h1') && document.querySelector('#main').getAttribute('aria-busy') === 'false'")
            for width in (360, 768, 1280):
                page.resize(width, 800)
                assert page.js("document.documentElement.scrollWidth <= innerWidth"), (route, width)


CONTRAST = """(() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => { for (; e; e = e.parentElement) { const c = numbers(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3]) return c; } return [255, 255, 255]; };
  return [...document.querySelectorAll('body *')].filter((e) => e.offsetHeight && [...e.childNodes].some((n) => n.nodeType === 3 && n.nodeValue.trim()))
    .map((e) => { const [a, b] = [light(numbers(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x); return [(a + 0.05) / (b + 0.05), e.outerHTML.slice(0, 90)]; })
    .filter(([ratio]) => ratio < 4.5);
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_enough_contrast(queuectl: CommandLine, visit: Visit, scheme: str) -> None:
    fill(queuectl)
    with visit() as (page, _):
        page.color_scheme(scheme)
        for route in ("/", "/jobs", "/jobs/bad-1", "/queues", "/new"):
            page.go(page.js("location.href").partition("#")[0] + f"#{route}")
            page.until("document.querySelector('#main h1')")
            assert page.js(CONTRAST) == []


def test_a_hidden_page_asks_nothing(queuectl: CommandLine, visit: Visit) -> None:
    fill(queuectl)
    hide = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true}); document.dispatchEvent(new Event('visibilitychange'))"
    with visit("/jobs/long-1") as (page, _):
        page.until_text("step 1", ".pane")
        until(lambda: len(page.unanswered()) == 2, lambda: f"the events and the output to be followed: {page.unanswered()}")
        page.js(hide % "true")
        until(lambda: page.unanswered() == [], lambda: f"{page.unanswered()} to end")
        before = len(page.requests())
        queuectl.ok("enqueue", "--id", "more", "--", "true")
        queuectl.until_state("more", "completed")
        page.js("location.hash = '#/jobs?state=completed'")
        page.js("new Promise((done) => setTimeout(done, 1500))")
        assert len(page.requests()) == before
        page.js(hide % "false")
        page.until("[...document.querySelectorAll('tbody a.id')].some((link) => link.textContent === 'more')")


def test_nothing_is_redrawn_under_a_selection_or_the_focus(queuectl: CommandLine, visit: Visit) -> None:
    queuectl.ok("enqueue", "--id", "first", "--", "true")
    queuectl.ok("enqueue", "--id", "second", "--", "true")
    ids = "[...document.querySelectorAll('tbody a.id')].map((link) => link.textContent).join()"
    with visit("/jobs?state=pending") as (page, _):
        page.js("getSelection().selectAllChildren(document.querySelector('tbody code'))")
        queuectl.ok("enqueue", "--id", "third", "--", "true")
        page.until_text("held while you select", "#bar")
        assert page.js("String(getSelection())") == "true" and "third" not in page.js(ids)
        page.js("getSelection().removeAllRanges()")
        page.until(f"{ids} === 'first,second,third'")
        page.js("document.querySelectorAll('tbody a.id')[1].focus()")
        queuectl.ok("cancel", "second")
        page.until("document.querySelector('tr.gone')")
        assert page.js("document.activeElement.textContent") == "second"
        page.js("document.activeElement.blur()")
        page.until(f"{ids} === 'first,third'")


def test_a_page_without_a_valid_token_stops_asking(queuectl: CommandLine, browser: Browser) -> None:
    with web(queuectl) as server:
        page = browser.open(server.address)
        page.until_text("live", "#bar")
    page.until_text("no answer", "#bar")
    with web(queuectl, "--port", str(server.port)) as server:
        page.until_text("This tab has no access")
        asked = len(page.requests())
        queuectl.ok("enqueue", "--", "true")
        page.js("new Promise((done) => setTimeout(done, 1500))")
        page.press("r")
        assert len(page.requests()) == asked
        page.focus("input[name=address]")
        page.type(server.address)
        page.press("Enter")
        page.until_text("live", "#bar")
        page.until_text("Waiting, and why")
        page.go("about:blank")


def test_a_second_tab_gets_the_token_from_the_first(queuectl: CommandLine, visit: Visit, browser: Browser) -> None:
    with visit() as (page, server):
        second = browser.open(f"{server.address.partition('#')[0]}#/queues")
        second.until_text("live", "#bar")
        second.until("document.querySelector('h1')?.textContent === 'Queues'")
        second.go("about:blank")


def test_a_read_only_page_offers_no_change(queuectl: CommandLine, visit: Visit) -> None:
    fill(queuectl)
    with visit("/", "--read-only") as (page, _):
        page.until_text("read-only", "#bar")
        for route in ROUTES[:-1]:
            page.js(f"location.hash = '#{route}'")
            page.until("document.querySelector('#main h1') && document.querySelector('#main').getAttribute('aria-busy') === 'false'")
            assert not page.js("[...document.querySelectorAll('main button, #bar .main')].map((b) => b.textContent)"
                               ".filter((text) => /retry|cancel|delete|edit|pause|run|new|change|rules|suspend|move/i.test(text)).join()")
            assert not page.js("document.querySelectorAll('main input[type=checkbox]').length")


def test_a_job_is_tried_and_then_added(queuectl: CommandLine, visit: Visit) -> None:
    with visit("/new") as (page, _):
        page.focus("[name=command]")
        page.type("echo 'from the page'")
        page.focus("[name=max_retries]")
        page.type("2")
        page.click("button", "Try without adding")
        page.until_text("it runs again after 2.0 s, then 4.0 s", ".tried")
        assert queuectl.counts()["pending"] == 0
        assert "enqueue" in page.text("#foot")
        page.click("button", "Add the job")
        page.until("location.hash.startsWith('#/jobs/')")
        page.until_text("no supervisor is running", ".whyline")
    [job] = queuectl.json("list")
    assert (job["command"], job["max_retries"]) == ("echo 'from the page'", 2)


def test_queues_schedules_and_settings_are_changed(queuectl: CommandLine, visit: Visit) -> None:
    fill(queuectl)
    with visit("/queues") as (page, _):
        page.click("[aria-label='Pause gpu']")
        page.click("dialog button", "Pause")
        page.until_text("queue gpu is paused", "#said")
        page.until("document.querySelector('[aria-label=\"Resume gpu\"]')")
        page.click("[aria-label='Rules of gpu']")
        page.js("document.querySelector('dialog input').select()")
        page.type("4")
        page.press("Enter")
        page.until_text("at most 4 at once", "main")
        page.js("location.hash = '#/schedules'")
        page.until("document.querySelectorAll('.cards ol li').length === 5")
        page.click("[aria-label='Run nightly now']")
        page.until_text("added", "#said")
        page.js("location.hash = '#/settings'")
        page.click("[aria-label='Change max-retries']")
        page.js("document.querySelector('dialog input').select()")
        page.type("9")
        page.until_text("config set max-retries '9'", "dialog")
        page.press("Enter")
        page.until_text("changed max-retries", "#said")
    assert queuectl.json("config", "list")["max-retries"] == 9
    assert [queue["limit"] for queue in queuectl.json("queue", "list") if queue["queue"] == "gpu"] == [4]
    assert queuectl.json("schedule", "list")[0]["last_job"]
