"""A headless Chromium over its debugging pipe: open a page, ask it, press keys, photograph and print it."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
_OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--hide-scrollbars", "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--remote-debugging-pipe")  # fmt: skip
_PATIENCE = 60.0


class Browser:
    """One page of a browser, and what it asked the network for and complained of since it was opened."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write, self._number, self._session = read, write, 0, ""
        self._rest, self._seen = b"", list[dict[str, Any]]()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the DevTools protocol and its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        for answer in self._messages():
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self._seen.append(answer)
        raise AssertionError(f"{method}: no answer in {_PATIENCE} s")

    def open(self, page: Path, width: int = 1440, height: int = 1000) -> None:
        """Load a page at a width in CSS pixels and wait until it stands."""
        self._seen.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.call("Page.navigate", url=page.as_uri())
        if not any(each["method"] == "Page.loadEventFired" for each in self._seen):
            for message in self._messages():
                self._seen.append(message)
                if message.get("method") == "Page.loadEventFired":
                    break
        self.ask("document.fonts.ready.then(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))))")

    def look(self, scheme: Literal["light", "dark"] = "light", media: Literal["", "print"] = "") -> None:
        """See the page in light or dark, or as it prints."""
        self.call("Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}])

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression, waited for."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press and release a key where the focus is."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, text=text)

    def photograph(self, whole: bool = False) -> bytes:
        """What is seen, or the whole page, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    def print(self) -> bytes:
        """The page as PDF on A4."""
        return base64.b64decode(self.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, preferCSSPageSize=True)["data"])

    @property
    def fetched(self) -> list[str]:
        """Every address asked for since the page was opened, less what stands in the page itself."""
        asked = [each["params"]["request"]["url"] for each in self._seen if each.get("method") == "Network.requestWillBeSent"]
        return [address for address in asked if not address.startswith("data:")]

    @property
    def complaints(self) -> list[str]:
        """Everything said in the console, errors, refusals of the policy and exceptions among it."""
        kinds = {"Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"}
        return [json.dumps(each["params"]) for each in self._seen if each.get("method") in kinds]

    def _messages(self) -> Iterator[dict[str, Any]]:
        end = time.monotonic() + _PATIENCE
        while True:
            while b"\0" in self._rest:
                message, _, self._rest = self._rest.partition(b"\0")
                yield json.loads(message)
            if not select.select([self._read], [], [], max(0.0, end - time.monotonic()))[0]:
                return
            came = os.read(self._read, 1 << 20)
            assert came, "the browser is gone"
            self._rest += came


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with a profile of its own in `folder`; it reads file descriptor 3 and writes 4."""
    assert CHROMIUM is not None
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for pair in (os.pipe(), os.pipe()) for end in pair]
    theirs, ours = (ends[0], ends[3]), (ends[2], ends[1])
    command = [CHROMIUM, *_OPTIONS, f"--user-data-dir={folder / 'profile'}"]
    process = subprocess.Popen(
        ["bash", "-c", f'exec "$@" 3<&{theirs[0]} 4>&{theirs[1]}', "browser", *command],
        pass_fds=theirs, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    for end in theirs:
        os.close(end)
    try:
        yield Browser(*ours)
    finally:
        process.terminate()
        process.wait(10)
        for end in ours:
            os.close(end)
