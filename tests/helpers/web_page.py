"""A server in a process of its own, and a browser that is pointed at it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHROMIUM = Path("/usr/bin/chromium")

# Tests that run in the background may have inherited that Ctrl-C is ignored.
_CODE = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from audio_genre.__main__ import main; main()"
)


def start(*arguments: object) -> tuple[subprocess.Popen[str], str]:
    """Start a server and return it with its address; empty where it ended at once."""
    process = subprocess.Popen(
        [sys.executable, "-c", _CODE, "serve", *map(str, arguments)],
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
def served(*arguments: object) -> Iterator[str]:
    """Serve as long as the block lasts."""
    process, address = start("--port", 0, *arguments)
    try:
        assert address, process.stderr and process.stderr.read()
        yield address
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
