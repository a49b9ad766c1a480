"""Browser: a real Chromium, driven over two pipes by the standard library.

With `--remote-debugging-pipe`, Chromium reads commands from descriptor 3 and writes answers and events to
descriptor 4. Each is one JSON object that a NUL byte ends.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.homes import until

PROGRAM = next(
    filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"))), None
)
needs_browser = pytest.mark.skipif(PROGRAM is None, reason="needs Chromium: apt-get install chromium-headless-shell")

FLAGS = (
    *("--headless", "--remote-debugging-pipe", "--no-first-run", "--no-default-browser-check", "--disable-gpu"),
    *("--disable-dev-shm-usage", "--disable-extensions", "--disable-sync", "--disable-background-networking"),
    *("--disable-component-update", "--hide-scrollbars", "--password-store=basic", "--font-render-hinting=none"),
)
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowUp": 38, "ArrowDown": 40, "Home": 36, "End": 35}
"""The virtual key codes of keys that are no letters. Without its code, Tab moves no focus."""

_STANDS_STILL = """(async () => {
  const place = () => {
    const element = %s;
    element?.scrollIntoView({block: "center"});
    const r = element?.getBoundingClientRect();
    return r && [r.x + r.width / 2, r.y + r.height / 2];
  };
  const before = place();
  await new Promise((done) => setTimeout(done, 100));
  const after = place();
  return before && after && String(before) === String(after) ? after : null;
})()"""
"""The place of an element, or null if it has moved in 100 ms: content above it may still arrive."""

_TEXTS = {"Enter": "\r", " ": " "}
_COMPLAINTS = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")


class Browser:
    """One Chromium with a profile of its own; use it as a context manager."""

    def __init__(self, *flags: str, size: tuple[int, int] = (1280, 800)) -> None:
        assert PROGRAM is not None
        self.profile = tempfile.mkdtemp(prefix="browser-")
        words = [PROGRAM, *FLAGS, *flags, f"--user-data-dir={self.profile}", f"--window-size={size[0]},{size[1]}"]
        if os.geteuid() == 0:
            words.append("--no-sandbox")  # Chromium's own sandbox refuses to run as root
        self._events: list[dict[str, Any]] = []
        self._buffer = b""
        self._last = 0
        self._spawn([*words, "about:blank"])

    def _spawn(self, words: list[str]) -> None:
        commands, self._write = os.pipe()
        self._read, answers = os.pipe()
        # Above 9, so that no dup2 below replaces the source of the other.
        high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10) for descriptor in (commands, answers)]
        self._log = os.path.join(self.profile, "stderr")
        actions = [
            (os.POSIX_SPAWN_DUP2, high[0], 3),
            (os.POSIX_SPAWN_DUP2, high[1], 4),
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, self._log, os.O_WRONLY | os.O_CREAT, 0o600),
        ]
        environ = {**os.environ, "HOME": self.profile, "DBUS_SESSION_BUS_ADDRESS": "disabled:", "TZ": "UTC"}
        self.pid = os.posix_spawn(words[0], words, environ, file_actions=actions, setpgroup=0)
        for descriptor in (commands, answers, *high):
            os.close(descriptor)

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Send one command, and return its result; keep the events that come before it."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        end_s = time.monotonic() + 20
        while True:
            answer = self._receive(end_s, method)
            if answer.get("id") == self._last:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self._events.append(answer)

    def events(self, session: str, *methods: str) -> list[dict[str, Any]]:
        """Return the parameters of all events with these names that a page has sent so far."""
        return [
            event["params"]
            for event in self._events
            if event.get("sessionId") == session and event["method"] in methods
        ]

    def _receive(self, end_s: float, what: str) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._read], [], [], max(0, end_s - time.monotonic()))[0]:
                raise AssertionError(f"Chromium did not answer {what}")
            piece = os.read(self._read, 1 << 20)
            if not piece:
                with open(self._log, encoding="utf-8", errors="replace") as log:
                    raise AssertionError(f"Chromium ended: {log.read()[-2000:]}")
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def open(self, url: str) -> Page:
        """Open a page in a new tab, and wait until it is loaded."""
        return Page(self, url)

    def close(self) -> None:
        """End Chromium, and remove its profile."""
        try:
            self.call("Browser.close")
            until(lambda: os.waitpid(self.pid, os.WNOHANG)[0], lambda: "Chromium to end")
        except (AssertionError, OSError):
            os.killpg(self.pid, signal.SIGKILL)  # a group of its own
            os.waitpid(self.pid, 0)
        os.close(self._write)
        os.close(self._read)
        shutil.rmtree(self.profile, ignore_errors=True)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Page:
    """One tab."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.go(url)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command for this tab, and return its result."""
        return self._browser.call(method, self._session, **params)

    def go(self, url: str) -> None:
        """Go to an address, and wait until the page is loaded."""
        answer = self.call("Page.navigate", url=url)
        if "loaderId" in answer and "errorText" not in answer:  # otherwise only the fragment changes
            self.until("document.readyState === 'complete'")

    def js(self, expression: str) -> Any:
        """Return the value of an expression, or of its promise."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, json.dumps(answer["exceptionDetails"])[:800]
        return answer["result"].get("value")

    def until(self, expression: str, deadline_s: float = 20) -> Any:
        """Wait until an expression is true, and return its value."""
        looked = f"(found => found instanceof Node || found)({expression})"
        return until(lambda: self.js(looked), lambda: f"{expression}; the page says {self.text()!r}", deadline_s)

    def until_text(self, text: str, selector: str = "body") -> None:
        """Wait until the text of an element contains this text."""
        self.until(f"document.querySelector({json.dumps(selector)})?.innerText.includes({json.dumps(text)})")

    def text(self, selector: str = "body") -> str:
        """Return the visible text of an element."""
        return str(self.js(f"document.querySelector({json.dumps(selector)})?.innerText"))

    def click(self, selector: str, text: str = "") -> None:
        """Click on the first element that matches and contains this text, once it stands still on the screen.

        The click is a real one, so that an element that another one covers, or that is disabled, gets none.
        """
        found = f"[...document.querySelectorAll({json.dumps(selector)})].find(e => e.textContent.includes({json.dumps(text)}))"
        self.until(f"{found} && true")
        x, y = self.until(_STANDS_STILL % found)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def focus(self, selector: str) -> None:
        """Give an element the focus, once it is there."""
        found = f"document.querySelector({json.dumps(selector)})"
        self.until(f"{found} && ({found}.focus(), true)")

    def press(self, key: str, times: int = 1, shift: bool = False) -> None:
        """Press and release a key, such as "Tab" or "j"."""
        code = KEYS.get(key) or ord(key.upper())
        text = _TEXTS.get(key, key if len(key) == 1 else "")
        named = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        for _ in range(times):
            self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **named)
            self.call("Input.dispatchKeyEvent", type="keyUp", **named)

    def type(self, text: str) -> None:
        """Insert text where the focus is, as an input method does."""
        self.call("Input.insertText", text=text)

    def resize(self, width: int, height: int, scale: float = 1) -> None:
        """Change the size of the viewport; below 600 pixels it is a phone."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=width < 600
        )

    def color_scheme(self, name: str) -> None:
        """Prefer "dark" or "light"."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def screenshot(self, path: str) -> None:
        """Write what the viewport shows as a PNG file."""
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def controls(self) -> list[tuple[str, str]]:
        """Return the role and the name of each node that a screen reader announces."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")
        ]

    def requests(self) -> list[str]:
        """Return the addresses of all requests of this tab so far."""
        self.call("Runtime.evaluate", expression="0")  # collects the events that wait in the pipe
        return [event["request"]["url"] for event in self._browser.events(self._session, "Network.requestWillBeSent")]

    def unanswered(self) -> list[str]:
        """Return the addresses of the requests that are still in progress, such as streams."""
        begun = self._browser.events(self._session, "Network.requestWillBeSent")
        self.requests()
        ended = self._browser.events(self._session, "Network.loadingFinished", "Network.loadingFailed")
        done = {event["requestId"] for event in ended}
        return [event["request"]["url"] for event in begun if event["requestId"] not in done]

    def complaints(self, is_expected: Callable[[str], bool] = lambda text: False) -> list[str]:
        """Return what the console has: errors, exceptions, failed requests, and violations of the policy."""
        self.call("Runtime.evaluate", expression="0")
        found = map(json.dumps, self._browser.events(self._session, *_COMPLAINTS))
        return [text for text in found if not is_expected(text)]
