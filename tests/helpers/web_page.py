"""A server in a process of its own, and a browser that is pointed at it."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = Path("/usr/bin/chromium")

# Tests that run in the background may have inherited that Ctrl-C is ignored.
_CODE = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from audio_genre.__main__ import main; main()"
)


def start(*arguments: object, first: str = "") -> tuple[subprocess.Popen[str], str]:
    """Start a server, after some code, and return it with its address; empty where it ended at once."""
    process = subprocess.Popen(
        [sys.executable, "-c", first + _CODE, "serve", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    assert process.stdout is not None
    words = process.stdout.readline().split()
    return process, words[2] if words else ""


@contextmanager
def served(*arguments: object, first: str = "") -> Iterator[str]:
    """Serve as long as the block lasts."""
    process, address = start("--port", 0, *arguments, first=first)
    try:
        assert address, process.stderr and process.stderr.read()
        yield address
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)


class Visit:
    """A page, with what it asked for and what it complained of."""

    def __init__(self, browser: Any, address: str, width: int) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 800})
        self.page = self.context.new_page()
        self.asked: list[str] = []
        self.said: list[str] = []
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.address = address
        self.page.goto(address)

    def check(self) -> None:
        assert self.said == []
        assert [url for url in self.asked if not url.startswith((self.address, f"blob:{self.address}"))] == []
        assert self.page.evaluate("document.documentElement.scrollWidth") == self.page.viewport_size["width"]


def drop(page: Any, *files: Path) -> None:
    """Drop files on the page, which sees what it would see of a person's."""
    contents = [[file.name, base64.b64encode(file.read_bytes()).decode()] for file in files]
    transfer = page.evaluate_handle(
        """(files) => {
            const transfer = new DataTransfer();
            for (const [name, content] of files) {
                transfer.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name));
            }
            return transfer;
        }""",
        contents,
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})
