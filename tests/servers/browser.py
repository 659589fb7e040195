"""A real headless Chromium, spoken to through its DevTools protocol.

https://chromedevtools.github.io/devtools-protocol/ : JSON messages that end with a zero byte, on
the file descriptors 3 and 4 of ``--remote-debugging-pipe``.
"""

import base64
import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servers.programs import needed

ANSWER_S = 60.0
"""Seconds until a browser that does not answer has failed."""


@dataclass
class Seen:
    """A page as the browser showed it.

    `width` is what the content needs, `screen` what there is, both in CSS pixels; `requests` are
    all addresses that were asked for; `problems` are what the console tells, and broken resources.
    """

    width: int
    screen: int
    text: str
    dark: bool
    requests: list[str]
    problems: list[str]
    screenshot: bytes = field(repr=False)


class LeftError(Exception):
    """The page was left before it could answer."""


class Tab:
    """One page in the browser."""

    def __init__(self, call: Callable[..., dict[str, Any]], events: list[dict[str, Any]]) -> None:
        self.call, self._events = call, events

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression on the page; a promise is awaited."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_until(self, condition: str) -> None:
        """Wait until a condition holds, although the page may load itself again meanwhile."""
        end = time.monotonic() + ANSWER_S
        while True:
            with suppress(LeftError):
                if self.evaluate(condition):
                    return
            assert time.monotonic() < end, f"still waiting until {condition}"
            time.sleep(0.05)

    def press(self, *keys: str) -> None:
        """Press keys one after the other, by their names in DOM events."""
        for key in keys:
            text = {"text": "\r"} if key == "Enter" else {}
            code = {"Tab": 9, "Enter": 13, "Escape": 27}.get(key, 0)
            for kind in ("keyDown", "keyUp"):
                self.call(
                    "Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code,
                    **(text if kind == "keyDown" else {}),
                )  # fmt: skip

    def seen(self, width: int) -> Seen:
        """Return what the page shows now."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        picture = self.call(
            "Page.captureScreenshot",
            captureBeyondViewport=True,
            clip={"x": 0, "y": 0, "width": width, "height": min(size["height"], 4000), "scale": 1},
        )
        return Seen(
            width=self.evaluate("document.documentElement.scrollWidth"),
            screen=self.evaluate("document.documentElement.clientWidth"),
            text=self.evaluate("document.body.innerText"),
            dark=self.evaluate("matchMedia('(prefers-color-scheme: dark)').matches"),
            requests=[
                event["params"]["request"]["url"]
                for event in self._events
                if event["method"] == "Network.requestWillBeSent"
            ],
            problems=[text for event in self._events if (text := _problem(event))],
            screenshot=base64.b64decode(picture["data"]),
        )


class Browser:
    """One browser with one tab at a time."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._buffer = b""
        self._number = 0
        self._events: list[dict[str, Any]] = []

    def look(self, page: Path, *, width: int, script: str = "", **how: Any) -> Seen:
        """Open a file in a new tab of this size, then run `script` there."""
        with self.open(page.absolute().as_uri(), width=width, **how) as tab:
            if script:
                tab.evaluate(script)
            return tab.seen(width)

    @contextmanager
    def open(
        self, address: str, *, width: int, height: int, mobile: bool = False, dark: bool = False
    ) -> Iterator[Tab]:
        """Open an address in a new tab of this size."""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

        def call(method: str, **parameters: Any) -> dict[str, Any]:
            return self._call(method, session, **parameters)

        self._events.clear()
        for domain in ("Page", "Network", "Runtime", "Log"):
            call(f"{domain}.enable")
        call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        call("Emulation.setEmulatedMedia", features=[scheme])
        call("Page.navigate", url=address)
        self._wait_for("Page.loadEventFired")
        yield Tab(call, self._events)
        self._call("Target.closeTarget", targetId=target)

    def _call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                if "navigated" in answer.get("error", {}).get("message", ""):
                    raise LeftError(answer)
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self._events.append(answer)

    def _wait_for(self, method: str) -> None:
        while not any(event.get("method") == method for event in self._events):
            self._events.append(self._read())

    def _read(self) -> dict[str, Any]:
        end = time.monotonic() + ANSWER_S
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], max(0.0, end - time.monotonic()))
            data = os.read(self._from, 1 << 16) if ready else b""
            assert data, "the browser does not answer"
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message


def _problem(event: dict[str, Any]) -> str:
    """Return what an event tells of trouble, empty where it tells of none."""
    method, about = event["method"], event.get("params", {})
    if method == "Runtime.exceptionThrown":
        return str(about["exceptionDetails"])
    if method == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
        return str(about["args"])
    if method == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
        return str(about["entry"]["text"])
    return str(about) if method == "Network.loadingFailed" else ""


@contextmanager
def running_browser(folder: Path) -> Iterator[Browser]:
    """Run a browser with its profile in `folder`; it finds no network."""
    program = needed("chromium", "chromium-headless-shell")
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    command = [
        program,
        "--headless",
        "--no-sandbox",  # as root it does not start with one
        "--disable-gpu",
        "--hide-scrollbars",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        f"--user-data-dir={folder / 'profile'}",
        "--remote-debugging-pipe",
    ]
    # The shell puts the pipes where the browser expects them.
    wrapper = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", wrapper, "bash", *command],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | {"HOME": str(folder)},
            start_new_session=True,
        )
    for descriptor in (theirs_in, theirs_out):
        os.close(descriptor)
    try:
        yield Browser(ours_out, ours_in)
    finally:
        for descriptor in (ours_in, ours_out):
            os.close(descriptor)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
