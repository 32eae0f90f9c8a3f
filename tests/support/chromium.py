"""Headless Chromium over its DevTools pipe, with the standard library alone: open a page, ask it, hear it complain."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Message = dict[str, Any]
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic", "--disable-dev-shm-usage", "--disable-extensions",
    "--no-first-run", "--no-default-browser-check", "--hide-scrollbars", "--mute-audio",
)  # fmt: skip
# Chromium reads commands from descriptor 3 and writes to 4; they are put there between fork and exec of a fresh Python.
_LAUNCH = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execvp(sys.argv[3], sys.argv[3:])"
)


def program() -> str | None:
    """The browser's path, or None."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


class Browser:
    """One page of one browser. Every event that came in is kept in `events`."""

    def __init__(self, commands: int, answers: int, patience_s: float) -> None:
        self.events: list[Message] = []
        self._commands, self._answers, self._patience_s = commands, answers, patience_s
        self._buffer, self._last, self._session = b"", 0, ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> Message:
        """The result of one command; RuntimeError with the browser's text when it refuses."""
        self._last += 1
        message: Message = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        answer = self._until(lambda found: found.get("id") == message["id"])
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        result: Message = answer["result"]
        return result

    def open(self, url: str) -> None:
        """Load a page and wait for its load event."""
        before = len(self.events)
        self.call("Page.navigate", url=url)
        self.event(lambda found: found["method"] == "Page.loadEventFired", before)

    def event(self, wanted: Callable[[Message], bool], since: int) -> Message:
        """The first wanted event after the first `since` ones; it may have come while a command was answered."""
        known = (found for found in self.events[since:] if wanted(found))
        return next(known, None) or self._until(lambda found: "method" in found and wanted(found))

    def evaluate(self, expression: str) -> Any:
        """The JSON value of an expression, awaited if it is a promise."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def complaints(self) -> list[str]:
        """What the page put on the console as a warning or worse, its exceptions, and the browser's own log."""
        found = []
        for event in self.events:
            method, values = event["method"], event.get("params", {})
            if method == "Runtime.exceptionThrown":
                found.append(json.dumps(values["exceptionDetails"]))
            elif method == "Log.entryAdded" and values["entry"]["level"] in ("warning", "error"):
                found.append(values["entry"]["text"])
            elif method == "Runtime.consoleAPICalled" and values["type"] in ("warning", "error", "assert"):
                found.append(json.dumps(values["args"]))
        return found

    def requests(self) -> list[str]:
        """Addresses asked for so far, the page's own included."""
        sent = [event["params"] for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return [one["request"]["url"] for one in sent]

    def _until(self, wanted: Callable[[Message], bool]) -> Message:
        end = time.monotonic() + self._patience_s
        while True:
            while b"\0" in self._buffer:
                text, _, self._buffer = self._buffer.partition(b"\0")
                message: Message = json.loads(text)
                if "method" in message:
                    self.events.append(message)
                if wanted(message):
                    return message
            if not select.select([self._answers], [], [], max(end - time.monotonic(), 0))[0]:
                raise TimeoutError(f"the browser was silent for {self._patience_s:g} s")
            received = os.read(self._answers, 1 << 16)
            if not received:
                raise RuntimeError("the browser went away")
            self._buffer += received


@contextmanager
def browser(path: str, *flags: str, patience_s: float = 60.0) -> Iterator[Browser]:
    """A fresh browser with an empty profile; gone, with its profile, when the block ends."""
    from_us, commands = os.pipe()
    answers, to_us = os.pipe()
    # High numbers, so that putting them at 3 and 4 overwrites neither.
    child = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (from_us, to_us)]
    os.close(from_us)
    os.close(to_us)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        launch = [sys.executable, "-c", _LAUNCH, *map(str, child), path, *_FLAGS, *flags, f"--user-data-dir={profile}"]
        process = subprocess.Popen(
            launch, pass_fds=child, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for end in child:
            os.close(end)
        try:
            yield Browser(commands, answers, patience_s)
        finally:
            os.close(commands)  # the browser leaves when its pipe closes
            os.close(answers)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
