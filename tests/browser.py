"""A headless Chromium driven over a pipe (the DevTools protocol): log in by cookie, look, take a picture."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
"""The program; None where there is none."""

QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--virtual-time-budget=15000"),
)
"""Options to look at one page and end."""


def in_browser(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that looks at a page in Chromium, and is skipped where there is none."""
    reason = "no Chromium on this machine to look at the page with"
    marked: Callable[..., None] = pytest.mark.servers(pytest.mark.skipif(CHROMIUM is None, reason=reason)(test))
    return marked


_WITHIN = 60.0
"""Seconds that a page may take to show what is looked for."""

_LOOK_EVERY = 0.2

# Frames of the same server are looked into as well.
_FIND = """(selector => {
    const pages = [document, ...[...document.querySelectorAll("iframe")].map(frame => frame.contentDocument)];
    const found = pages.map(page => page && page.querySelector(selector)).find(Boolean);
    return found ? found.innerText : null;
})(%s)"""


class Browser:
    """One page of a browser."""

    def __init__(self, read: int, write: int) -> None:
        """Attach to the first page.

        Args:
            read, write: the pipe's ends.
        """
        self._answers = os.fdopen(read, "rb")
        self._write = write
        self._kept = b""
        self._number = 0
        self._session: str | None = None
        page = next(t for t in self._call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        attached = self._call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]

    def log_in(self, address: str, cookie: str, value: str) -> None:
        """Set a cookie for an address."""
        self._call("Network.setCookie", url=address, name=cookie, value=value)

    def open(self, address: str) -> None:
        """Go to an address."""
        self._call("Page.navigate", url=address)

    def await_text(self, selector: str) -> str:
        """The text of the first element that a CSS selector names, in the page or a frame of it, once it is there.

        Raises:
            TimeoutError: it does not come.
        """
        deadline = time.monotonic() + _WITHIN
        while True:
            expression = _FIND % json.dumps(selector)
            found = self._call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")
            if found is not None:
                return str(found)
            if time.monotonic() > deadline:
                shown = self._call("Runtime.evaluate", expression="document.body.innerText", returnByValue=True)
                raise TimeoutError(f"No {selector} within {_WITHIN:g} s, but: {shown['result'].get('value')}")
            time.sleep(_LOOK_EVERY)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page."""
        return self._call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def resize(self, width: int, height: int = 900) -> None:
        """Show the page as a screen of this size does."""
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def emulate_print(self, width: int = 703) -> None:
        """Lay the page out as for paper; 703 pixels are A4 within margins of 12 mm."""
        self._call("Emulation.setEmulatedMedia", media="print")
        self.resize(width)

    def pdf(self) -> bytes:
        """The page as it is printed."""
        printed = self._call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        return base64.b64decode(printed["data"])

    def picture(self, file: Path) -> None:
        """Write what is seen as PNG."""
        file.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"]))

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            pass  # events
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._kept:
            more = self._answers.read1()
            if not more:
                raise EOFError("The browser has ended.")
            self._kept += more
        text, self._kept = self._kept.split(b"\0", 1)
        message: dict[str, Any] = json.loads(text)
        return message

    def close(self) -> None:
        """Let go of the pipe."""
        self._answers.close()


@contextmanager
def browser(width: int = 1440, height: int = 900) -> Iterator[Browser]:
    """A browser with a profile of its own, ended at the end."""
    to_read, browser_write = os.pipe()
    browser_read, to_write = os.pipe()
    # Chromium reads its commands from file 3 and answers on file 4.
    redirected = f'exec "$@" 3<&{browser_read} 4>&{browser_write}'
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as profile:
        options = [
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
            *("--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe"),
            *(f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank"),
        ]
        program = subprocess.Popen(
            ["bash", "-c", redirected, "bash", str(CHROMIUM), *options],
            pass_fds=(browser_read, browser_write),
            stderr=subprocess.DEVNULL,
        )
        os.close(browser_read)
        os.close(browser_write)
        page = None
        try:
            page = Browser(to_read, to_write)
            yield page
        finally:
            program.terminate()
            program.wait()
            os.close(to_write)
            if page:
                page.close()
