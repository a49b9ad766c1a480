"""Attacks on the page: other pages, other names of this machine, and text of jobs that pretends to be more."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.browser import Browser, Page, needs_browser
from tests.homes import CommandLine
from tests.page.conftest import Visit
from tests.web_server import web

pytestmark = needs_browser

EVIL = "<script>window.stolen = 1</script><img src=x onerror='window.stolen = 1'>"


class Attacker:
    """A web server of somebody else on this machine: a page that may run anything, and cookies for every port."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        seen = self.requests

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                seen.append(str(self.headers))
                body = b"<!doctype html><title>evil</title><link rel=icon href='data:,'><h1>evil</h1>"
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Set-Cookie", "token=tossed; Path=/")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@contextmanager
def attacker() -> Iterator[Attacker]:
    found = Attacker()
    try:
        yield found
    finally:
        found.server.shutdown()
        found.server.server_close()


def outcome(page: Page, request: str) -> str:
    """Return what the script of a page gets from a request."""
    return str(page.js(f"{request}.then(async (r) => `${{r.type}} ${{r.status}} ${{await r.text()}}`, (e) => String(e))"))


def test_a_rebound_name_is_refused(queuectl: CommandLine) -> None:
    with web(queuectl) as server, Browser("--host-resolver-rules=MAP evil.test 127.0.0.1") as browser:
        page = browser.open(f"http://evil.test:{server.port}/")
        assert "queuectl</title>" not in page.js("document.documentElement.outerHTML")
        for path in ("", "page/app.js", "api/session", "livez"):
            assert outcome(page, f"fetch('/{path}')").startswith("basic 421 "), path
        with_token = json.dumps({"headers": {"Authorization": f"Bearer {server.token}"}})
        assert outcome(page, f"fetch('/api/jobs', {with_token})").startswith("basic 421 ")


def test_a_page_of_another_port_reads_and_changes_nothing(queuectl: CommandLine, browser: Browser) -> None:
    queuectl.ok("enqueue", "--id", "kept", "--", "true")
    with web(queuectl) as server, attacker() as other:
        page = browser.open(other.url)
        base = f"http://{server.host}/"
        assert "TypeError" in outcome(page, f"fetch('{base}api/session')")
        assert "TypeError" in outcome(page, f"fetch('{base}page/app.js')")
        body = json.dumps({"verb": "cancel", "ids": ["kept"], "options": {}, "preview": False})
        for kind in ("text/plain", "application/json", "application/x-www-form-urlencoded"):
            for headers in ({"Content-Type": kind}, {"Content-Type": kind, "Authorization": f"Bearer {server.token}"}):
                for mode in ("cors", "no-cors"):
                    options = json.dumps({"method": "POST", "mode": mode, "headers": headers, "body": body, "credentials": "include"})
                    assert "200" not in outcome(page, f"fetch('{base}api/act', {options})")
        form = (
            f"(() => {{ const form = document.createElement('form'); form.method = 'post'; form.action = '{base}api/act';"
            f" form.enctype = 'text/plain'; const input = document.createElement('input'); input.name = {json.dumps(body)};"
            " form.append(input); document.body.append(form); form.submit(); })()"
        )
        page.js(form)
        page.until(f"location.href === '{base}api/act'")
        assert queuectl.job("kept")["state"] == "pending"


def test_a_cookie_is_neither_needed_nor_enough(queuectl: CommandLine, browser: Browser) -> None:
    with web(queuectl) as server, attacker() as other:
        browser.open(other.url)
        browser.call("Target.createTarget", url="about:blank")
        page = browser.open(server.address)
        page.until_text("live", "#bar")
        assert page.js("document.cookie") == "token=tossed"  # cookies ignore ports: this is why the page uses none
        assert outcome(page, "fetch('api/session', {credentials: 'include'})").startswith("basic 401 ")
        assert server.token not in "".join(other.requests)
        page.go(other.url)
        page.until("document.title === 'evil'")
        assert server.token not in "".join(other.requests)


def test_no_other_page_frames_or_opens_it(queuectl: CommandLine, browser: Browser) -> None:
    with web(queuectl) as server, attacker() as other:
        page = browser.open(other.url)
        frame = "const frame = document.createElement('iframe'); frame.src = %s; document.body.append(frame);"
        page.js(f"new Promise((done) => {{ {frame % json.dumps(server.address)} frame.onload = done; }})")
        [child] = page.call("Page.getFrameTree")["frameTree"]["childFrames"]
        assert child["frame"]["url"].startswith("chrome-error:")
        assert any("frame-ancestors" in text for text in page.complaints())
        page.js(f"void (window.other = open({json.dumps(server.address)}))")
        page.until("window.other.closed || window.other === null")


def seed(queuectl: CommandLine) -> None:
    """Fill a home in which every text that a user can choose tries to become a script."""
    text = EVIL.replace("'", '"')
    link = f"printf '\\033]8;;javascript:alert(1)\\033\\\\click\\033]8;;\\033\\\\ \\033[31m{text}\\n'"
    queuectl.ok("enqueue", "--id", "evil", "--name", EVIL, "--tag", f"{'x'}={EVIL}", "--max-retries", "0",
                "--command", f"{link}; exit 3 # {EVIL}")  # fmt: skip
    queuectl.ok("enqueue", "--id", "waits", "--name", EVIL, "--after", "evil", "--delay", "1h", "--command", f"true # {EVIL}")
    queuectl.ok("schedule", "add", "night", "@daily", "--name", EVIL, "--", "true", EVIL)
    queuectl.ok("queue", "pause", "default", "--reason", EVIL)
    queuectl.ok("queue", "resume", "default")
    queuectl.ok("worker", "start")
    queuectl.until_state("evil", "dead")
    queuectl.ok("pause", "--reason", EVIL)


def test_text_of_jobs_stays_text(queuectl: CommandLine, visit: Visit) -> None:
    seed(queuectl)
    with visit() as (page, _):
        for route in ("/", "/failures", "/jobs", "/jobs?grep=<script>window.stolen=1</script>", "/jobs/evil", "/jobs/waits", "/queues", "/schedules"):
            page.js(f"location.hash = {json.dumps('#' + route)}")
            page.until("document.querySelector('#main h1') && document.querySelector('#main').getAttribute('aria-busy') === 'false'")
            if route == "/":
                page.click(".disclose", "exit code 3")
                page.until_text("window.stolen", ".glance")
            assert page.js("window.stolen") is None
            assert page.js("document.querySelectorAll('main img, main script, main iframe, a[href^=javascript]').length") == 0
        page.js("location.hash = '#/jobs/evil'")
        page.until("document.querySelector('.commandline')")
        page.until_text("click", ".pane")
        assert EVIL.replace("'", '"') in page.text(".pane") and EVIL in page.text(".commandline")
        assert page.js("document.querySelectorAll('.pane a').length") == 0


def test_a_link_puts_no_control_character_into_a_copied_command_line(
    queuectl: CommandLine, browser: Browser
) -> None:
    with web(queuectl) as server:
        page = browser.open(f"{server.address}/jobs?grep=%1b[201~%03%0aid%e2%80%ae%0a")
        page.until_text("--grep", "#foot")
        page.js("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
        page.click("#foot button", "Copy")
        copied = page.until("window.copied")
        assert copied.endswith(r"list --grep $'\x1b[201~\x03\nid\u202e\n'"), copied
        page.js("location.hash = '#/jobs/%e2%80%aejob'")
        page.until("document.title.includes('job ')")
        assert page.js("document.title").isprintable()
        page.go("about:blank")


def test_a_route_of_no_view_is_the_overview(visit: Visit) -> None:
    for route in ("/constructor", "/__proto__", "/%E0%A4%A"):
        with visit(route) as (page, _):
            assert page.text("h1") == "Overview"


def test_the_policy_stops_a_script_that_got_in(queuectl: CommandLine, browser: Browser) -> None:
    with web(queuectl) as server:
        page = browser.open(server.address)
        page.until_text("live", "#bar")
        for attempt in (
            "document.body.innerHTML = '<b>x</b>'",
            "document.body.insertAdjacentHTML('beforeend', '<b>x</b>')",
            "document.write('<b>x</b>')",
            "setTimeout('window.stolen = 1')",
            "document.createElement('script').src = 'data:text/javascript,window.stolen=1'",
        ):
            assert "TypeError" in page.js(f"(() => {{ try {{ {attempt} }} catch (error) {{ return String(error); }} return 'done'; }})()")
        assert "TypeError" in outcome(page, "fetch('https://example.org/')")
        assert page.js("window.stolen") is None
        page.go("about:blank")
