"""The command: it starts, says where, and stops."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

pytest.importorskip("uvicorn", reason="the extra web is not installed")

from process_helpers import wait_until_gone, workers_of
from typer.testing import CliRunner
from web_page import start

from audio_genre.cli import app


def test_it_stops_on_ctrl_c_with_its_workers() -> None:
    process, address = start("--port", 0)
    try:
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address) as page:
            assert b"Classify audio files" in page.read()
        # Loading the model has begun by then, and is not waited for.
        end = time.monotonic() + 10
        while not (workers := workers_of(process.pid)) and time.monotonic() < end:
            time.sleep(0.02)
        assert workers
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
        assert time.monotonic() - began < 2
        assert (process.returncode, out, err) == (130, "", "audio-genre: stopped.\n")
        wait_until_gone(workers, 1)
    finally:
        process.kill()


def test_a_taken_port_is_told() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = CliRunner().invoke(app, ["serve", "--port", str(port)])
    assert done.exit_code == 2
    assert done.output == f"audio-genre: The port {port} is taken; choose another with --port, or 0 for any.\n"


@pytest.mark.parametrize("option", ["--model", "--models"])
def test_a_folder_that_is_none_is_told(option: str) -> None:
    done = CliRunner().invoke(app, ["serve", option, "nowhere"])
    assert done.exit_code == 2
    assert done.output.startswith("audio-genre: nowhere is no ")


def test_without_the_extra_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['uvicorn'] = None; sys.argv[1:] = ['serve']; "
        "from audio_genre.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("audio-genre: The page needs uvicorn; run: pip install ")
