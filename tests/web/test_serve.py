"""The command: it starts, says where, and stops."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="the extra web is not installed")

from model_folders import write_model
from process_helpers import wait_until_gone, workers_of
from typer.testing import CliRunner
from web_page import start

from audio_genre.cli import app
from audio_genre.synthetic import music as synthesis


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


def ask(address: str, path: str, content: bytes | None = None, token: str = "") -> dict[str, Any]:
    headers = {"x-audio-genre-token": token, "content-type": "application/octet-stream"}
    with urllib.request.urlopen(urllib.request.Request(address + path, content, headers), timeout=60) as answer:
        return json.load(answer)


def test_many_uploads_at_once_and_clients_that_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred files at once, a few of them cut off: the others are answered, and nothing is left behind."""
    (clip,) = synthesis.write_dataset(tmp_path / "clips", tracks_per_style=1, seconds=2.5, styles=synthesis.STYLES[:1])
    content, temporary = clip.read_bytes(), tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    process, address = start("--port", 0)
    try:
        token = ask(address, "api/session")["token"]
        port = int(address.rstrip("/").rpartition(":")[2])
        head = (
            f"POST /api/clips?name=cut.wav HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nx-audio-genre-token: {token}\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        leaving = []
        for _ in range(5):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(head.encode() + content[: len(content) // 2])
            leaving.append(connection)
        with ThreadPoolExecutor(200) as threads:
            answers = [threads.submit(ask, address, f"api/clips?name={k}.wav", content, token) for k in range(200)]
            for connection in leaving:
                connection.close()
            slowest = 0.0
            while not all(answer.done() for answer in answers):
                began = time.monotonic()
                ask(address, "api/session")
                slowest = max(slowest, time.monotonic() - began)
        assert [answer.result()["path"] for answer in answers] == [f"{k}.wav" for k in range(200)]
        assert slowest < 2
        (folder,) = temporary.glob("audio-genre-*")
        assert list(folder.iterdir()) == []
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
        assert err == "audio-genre: stopped.\n"
        assert list(temporary.glob("audio-genre-*")) == []
    finally:
        process.kill()


ENCODING = {
    "columns": ["tempo"], "kinds": ["number"], "missing": [0.0], "categories": {}, "indicators": [], "contexts": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("card", "sentence"),
    [
        (
            {"input": "tracks", "features": ["tempo"], "encoding": ENCODING, "other_class": None},
            "was trained on a table of tracks and takes the columns tempo",
        ),
        ({"input": "features", "features": ["tempo"]}, "does not take the features of a recipe"),
        ({"input": "pictures", "pictures": {"name": "own", "frames_per_column": None}}, "was trained on pictures that"),
        ({"input": "smells"}, "takes the kind of input 'smells'"),
    ],
)
def test_a_model_that_cannot_hear_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, card: dict[str, Any], sentence: str
) -> None:
    monkeypatch.setattr("audio_genre.web.server.serve", lambda *_, **__: pytest.fail("it was started"))
    model = write_model(tmp_path / "model", card={"recipe": None, "window": None, **card})
    done = CliRunner().invoke(app, ["serve", "--model", str(model), "--port", "0"])
    assert (done.exit_code, sentence in done.output) == (2, True), done.output
