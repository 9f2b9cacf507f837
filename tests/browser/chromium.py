"""Debian's chromium without a window, driven through its DevTools protocol over a pipe: nothing listens anywhere.

https://chromedevtools.github.io/devtools-protocol/: JSON messages that end with NUL, on file descriptors 3 and 4.
"""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = "chromium"
#: Seconds for one answer; a busy machine starts a browser slowly.
PATIENCE = 60.0

_ARGUMENTS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "about:blank",
)


class BrowserError(RuntimeError):
    """The browser is gone, silent, or refused a command."""


def program() -> str | None:
    """Path of chromium; None when it is not installed."""
    return shutil.which(PROGRAM)


class Browser:
    """One running chromium with a profile of its own below ``folder``. Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        commands, answers = os.pipe(), os.pipe()
        # Away from 3 and 4, which the child is to have.
        theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (commands[0], answers[1])]
        root = ["--no-sandbox"] if os.geteuid() == 0 else []

        def pass_pipes() -> None:
            os.dup2(theirs[0], 3)
            os.dup2(theirs[1], 4)

        with open(folder / "chromium.log", "wb") as log:
            self._process = subprocess.Popen(
                [program() or PROGRAM, f"--user-data-dir={folder / 'profile'}", *root, *_ARGUMENTS],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=pass_pipes,
                close_fds=False,
                env={**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder)},
            )
        for fd in (*theirs, commands[0], answers[1]):
            os.close(fd)
        self._commands, self._answers = commands[1], answers[0]
        self._numbers = itertools.count(1)
        self._buffer = b""
        self._events: list[dict[str, Any]] = []

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self.call("Browser.close")
            self._process.wait(10)
        except (BrowserError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """The result of one command. Raises BrowserError when it failed or nothing came."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._commands, data) :]
        answer = self._until(lambda one: one.get("id") == number, method)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']}")
        return dict(answer["result"])

    def events(self, session: str) -> list[dict[str, Any]]:
        """What the page ``session`` has said so far."""
        return [one for one in self._events if one.get("sessionId") == session]

    def _until(self, wanted: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while True:
            message = self._read(deadline, what)
            if "id" not in message:
                self._events.append(message)
            if wanted(message):
                return message

    def _read(self, deadline: float, what: str) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise BrowserError(f"{what}: no answer in {PATIENCE:.0f} s")
            data = os.read(self._answers, 1 << 20)
            if not data:
                raise BrowserError(f"{what}: the browser is gone (see chromium.log)")
            self._buffer += data
        message, self._buffer = self._buffer.split(b"\0", 1)
        return dict(json.loads(message))


@dataclass
class Tab:
    """A loaded page. ``complaints``: console errors, exceptions, broken policies; ``requests``: every address asked."""

    browser: Browser
    session: str
    target: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression, as JSON. Not subject to the page's policy. Raises BrowserError."""
        answer = self.browser.call(
            "Runtime.evaluate", self.session, expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise BrowserError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def comes_true(self, expression: str, seconds: float = 10.0) -> bool:
        """Whether the expression becomes true in so many seconds."""
        deadline = time.monotonic() + seconds
        while not self.ask(expression):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def screenshot(self, path: Path, whole: bool = True) -> None:
        """A PNG of the window, or of the whole page."""
        answer = self.browser.call(
            "Page.captureScreenshot", self.session, format="png", captureBeyondViewport=whole, **self._clip(whole)
        )
        path.write_bytes(base64.b64decode(answer["data"]))

    def _clip(self, whole: bool) -> dict[str, Any]:
        if not whole:
            return {}
        size = self.browser.call("Page.getLayoutMetrics", self.session)["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}

    def look_back(self) -> Tab:
        """Fill ``requests`` and ``complaints`` with what the page has said until now."""
        self.ask("new Promise(done => setTimeout(done, 50))")
        events = self.browser.events(self.session)
        self.requests = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        self.complaints = [str(e["params"]) for e in events if _is_complaint(e)]
        return self

    def close(self) -> None:
        self.browser.call("Target.closeTarget", targetId=self.target)


def open_page(browser: Browser, path: Path, width: int = 1280, scheme: str = "light") -> Tab:
    """Load the file ``path`` in a window of ``width`` CSS pixels. ``scheme``: light | dark, what the reader prefers."""
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
        browser.call(f"{domain}.enable", session)
    phone = width < 600
    browser.call(
        "Emulation.setDeviceMetricsOverride",
        session,
        width=width,
        height=740 if phone else 800,
        deviceScaleFactor=2 if phone else 1,
        mobile=phone,
    )
    preference = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.call("Emulation.setEmulatedMedia", session, features=preference)
    browser.call("Page.bringToFront", session)
    answer = browser.call("Page.navigate", session, url=path.resolve().as_uri())
    if answer.get("errorText"):
        raise BrowserError(f"{path}: {answer['errorText']}")
    tab = Tab(browser, session, target)
    tab.ask("new Promise(done => document.readyState == 'complete' ? done() : addEventListener('load', done))")
    return tab.look_back()


def _is_complaint(event: dict[str, Any]) -> bool:
    method, said = event["method"], event["params"]
    if method == "Log.entryAdded":
        return said["entry"]["level"] in ("error", "warning")
    return method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Audits.issueAdded")
