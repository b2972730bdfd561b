"""A headless Chromium that is told what to do over its DevTools protocol, by pipe: nothing but the standard library."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

DEADLINE = 60.0
"""Seconds after which something that should have happened has not."""

_Got = TypeVar("_Got")

_PLUMBING = """
import fcntl, os, sys
commands, answers = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(commands, 3)
os.dup2(answers, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Starts the browser, which reads commands from descriptor 3 and writes answers to 4."""


def executable() -> str | None:
    """Return the browser's path, None if there is none on this machine."""
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        if found := shutil.which(name):
            return found
    return None


class BrowserError(Exception):
    """The browser refused a command, or went away."""


class Tab:
    """One tab of its own profile. What the console and the security policy complain about is kept."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands = commands
        self._answers = answers
        self._received = b""
        self._number = 0
        self._session = ""
        self._events: list[dict[str, Any]] = []
        self.complaints: list[str] = []
        """Errors and warnings of the console, exceptions, and violations of the security policy."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Audits", "DOM", "Accessibility"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return the answer to a command. Raises BrowserError if the browser refuses."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") != self._number:
                self._note(answer)
            elif "error" in answer:
                raise BrowserError(f"{method}: {answer['error']}")
            else:
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._received:
            if not select.select([self._answers], [], [], DEADLINE)[0]:
                raise BrowserError("the browser says nothing")
            chunk = os.read(self._answers, 1 << 20)
            if not chunk:
                raise BrowserError("the browser has gone")
            self._received += chunk
        message, _, self._received = self._received.partition(b"\0")
        decoded: dict[str, Any] = json.loads(message)
        return decoded

    def _note(self, event: dict[str, Any]) -> None:
        method, what = event.get("method", ""), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(what["exceptionDetails"]["text"])
        elif method == "Log.entryAdded" and what["entry"]["level"] in ("error", "warning"):
            self.complaints.append(what["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and what["type"] in ("error", "warning", "assert"):
            self.complaints.append(str(what["args"]))
        elif method == "Audits.issueAdded":
            self.complaints.append(json.dumps(what["issue"]))
        self._events.append(event)

    def open(self, url: str) -> None:
        """Go to *url* and wait until it has loaded."""
        self.expecting_load(lambda: self.send("Page.navigate", url=url))

    def expecting_load(self, act: Callable[[], object]) -> None:
        """Do *act* and wait until the page that it leads to has loaded."""
        self._events.clear()
        act()
        while not any(event.get("method") == "Page.loadEventFired" for event in self._events):
            self._note(self._next())

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in the page. Raises BrowserError if it throws."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise BrowserError(json.dumps(found["exceptionDetails"]))
        return found["result"].get("value")

    def until(self, ask: Callable[[], _Got]) -> _Got:
        """Return the first answer that is true. Raises BrowserError if none comes in time."""
        deadline = time.monotonic() + DEADLINE
        while not (got := ask()):
            if time.monotonic() > deadline:
                raise BrowserError("it did not happen")
            time.sleep(0.02)
        return got

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press a key, as a person does."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27}
        pressed: dict[str, Any] = {
            "key": key,
            "code": key if key in codes else "",
            "windowsVirtualKeyCode": codes.get(key, ord(key[0].upper())),
            "modifiers": 8 if shift else 0,
        }
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        self.send("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **pressed)
        self.send("Input.dispatchKeyEvent", type="keyUp", **pressed)

    def type(self, text: str) -> None:
        """Type a text into what has the focus."""
        for character in text:
            self.press(character)

    def look(self, *, width: int, height: int = 900, dark: bool = False, scripts: bool = True, zone: str = "") -> None:
        """Set the size of the window, the scheme of colours, whether scripts run, and the time zone."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", media="screen", features=[scheme])
        self.send("Emulation.setScriptExecutionDisabled", value=not scripts)
        if zone:
            self.send("Emulation.setTimezoneOverride", timezoneId=zone)
        self.send("Emulation.setLocaleOverride", locale="en-GB")

    def picture(self, *, whole: bool = False, height: int | None = None) -> bytes:
        """Return the page as PNG: what the window shows, the *whole* of it, or its first *height* pixels."""
        parameters: dict[str, Any] = {}
        if whole or height:
            size = self.send("Page.getLayoutMetrics")["cssContentSize"]
            shown = min(height or size["height"], size["height"])
            parameters["clip"] = {"x": 0, "y": 0, "width": size["width"], "height": shown, "scale": 1}
        found = self.send("Page.captureScreenshot", captureBeyondViewport=bool(parameters), **parameters)
        return base64.b64decode(found["data"])


@contextlib.contextmanager
def browsing() -> Iterator[Tab]:
    """Give a tab of a browser that is started for it and ended with it; raises BrowserError if there is none."""
    found = executable()
    if found is None:
        raise BrowserError("no Chromium on this machine")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, contextlib.ExitStack() as stack:
        commands, answers = os.pipe(), os.pipe()
        for end in (commands[1], answers[0]):
            stack.callback(os.close, end)
        arguments = [
            *(found, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-extensions", "--disable-background-networking", "--hide-scrollbars"),
            f"--user-data-dir={profile}",
        ]
        log = stack.enter_context((Path(profile) / "log").open("wb"))
        process = subprocess.Popen(
            [sys.executable, "-c", _PLUMBING, str(commands[0]), str(answers[1]), *arguments],
            pass_fds=(commands[0], answers[1]),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        os.close(commands[0])
        os.close(answers[1])
        try:
            yield Tab(commands[1], answers[0])
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
