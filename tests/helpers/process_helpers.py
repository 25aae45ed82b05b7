"""Processes and their workers, for tests that kill or stop them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

# Tests that run in the background may have inherited that Ctrl-C is ignored.
_HEAR_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


def start(code: str, *arguments: object, measured: bool = True) -> subprocess.Popen[str]:
    """Start Python on some code, in a session of its own; one that is not measured is left alone by coverage."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    if not measured:
        environment = {name: value for name, value in environment.items() if not name.startswith("COVERAGE_PROCESS_")}
    return subprocess.Popen(
        [sys.executable, "-c", _HEAR_CTRL_C + code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def workers_of(pid: int) -> list[int]:
    """Process ids of the worker processes of a process; Linux only."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            is_worker = b"audio_genre.jobs.worker" in (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == pid and is_worker:
            found.append(int(folder.name))
    return found


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until_gone(pids: list[int], seconds: float) -> None:
    end = time.monotonic() + seconds
    while any(map(is_running, pids)):
        assert time.monotonic() < end, f"still running after {seconds} s: {pids}"
        time.sleep(0.02)
