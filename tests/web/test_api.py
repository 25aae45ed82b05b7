"""The JSON API: what it answers, and what it refuses."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import time
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra web is not installed")
pytest.importorskip("httpx2", reason="httpx2 is not installed")

from model_folders import write_model
from process_helpers import is_running, workers_of
from starlette.testclient import TestClient

from audio_genre import Classifier
from audio_genre.synthetic import music as synthesis
from audio_genre.web import worker as workers
from audio_genre.web.app import create_app
from audio_genre.web.listening import listen
from audio_genre.web.settings import Settings

BASE = "http://127.0.0.1:8000"
LIMIT = 4 * 2**20
TOKEN = "x-audio-genre-token"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_model(folder / "leaky-one", protocol="segment", leaky=True)
    write_model(folder / "jazz ü <b>")
    (folder / "broken").mkdir()
    (folder / "broken" / "card.json").write_text("{")
    (folder / ".unfinished").mkdir()
    return folder


@pytest.fixture(scope="module")
def client(models: Path) -> Iterator[TestClient]:
    app = create_app(Settings(8000, models=models, max_bytes=LIMIT, jobs=2))
    with TestClient(app, base_url=BASE, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def token(client: TestClient) -> dict[str, str]:
    return {TOKEN: client.get("/api/session").json()["token"]}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (path,) = synthesis.write_dataset(
        tmp_path_factory.mktemp("clips"), tracks_per_style=1, seconds=45, styles=synthesis.STYLES[:1]
    )
    return path


def uploads(client: TestClient) -> list[Path]:
    return list(client.app.state.shared.uploads.iterdir())


def test_an_answer_is_that_of_the_command_line(client: TestClient, token: dict[str, str], clip: Path) -> None:
    answer = client.post("/api/clips?name=song.wav", content=clip.read_bytes(), headers=token)
    assert answer.status_code == 200, answer.text
    found, line = answer.json(), Classifier().timeline(clip)
    assert (found["path"], found["genre"], found["reason"]) == ("song.wav", line.answer.genre, line.answer.reason)
    assert found["probabilities"] == pytest.approx(line.answer.probabilities)
    assert [(p["start"], p["end"], p["genre"]) for p in found["timeline"]] == [
        (p.start, p.end, p.genre) for p in line.points
    ]
    # The stretches that are shown follow each other, and cover the file.
    assert found["timeline"][0]["from"] == 0
    assert all(a["to"] == b["from"] for a, b in zip(found["timeline"], found["timeline"][1:], strict=False))
    assert found["timeline"][-1]["to"] == found["seconds"] == pytest.approx(45, abs=0.1)
    assert found["worth"]["accuracy"] == {"value": 0.74, "low": 0.675, "high": 0.8}
    assert found["worth"]["protocol"] == "track"
    assert uploads(client) == []


def wav(samples: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 22050, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()


def test_silence_is_told(client: TestClient, token: dict[str, str]) -> None:
    found = client.post("/api/clips?name=quiet.wav", content=wav(np.zeros(5 * 22050)), headers=token).json()
    assert (found["genre"], found["silent"]) == ("unknown", True)
    assert found["timeline"][0]["silent"]


@pytest.mark.parametrize(
    ("name", "content", "status", "sentence"),
    [
        ("notes.mp3", b"no audio at all" * 99, 422, "notes.mp3 holds no MPEG audio."),
        ("empty.wav", b"", 422, "empty.wav is empty (0 bytes)."),
        ("short.wav", wav(np.arange(11025) % 99 * 99), 422, "short.wav is 0.50 s long"),
        ("big.wav", bytes(LIMIT + 1), 413, "big.wav is larger than the 4 MB"),
    ],
)
def test_a_file_that_cannot_be_used_gets_a_sentence(
    client: TestClient, token: dict[str, str], name: str, content: bytes, status: int, sentence: str
) -> None:
    answer = client.post("/api/clips", params={"name": name}, content=content, headers=token)
    assert (answer.status_code, answer.json()["error"][: len(sentence)]) == (status, sentence)
    assert uploads(client) == []


def test_a_stream_without_a_length_is_cut_at_the_limit(client: TestClient, token: dict[str, str]) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(2048):
            sent += 2**20
            yield bytes(2**20)

    answer = client.post("/api/clips?name=2gb.wav", content=chunks(), headers=token)
    assert (answer.status_code, answer.json()["error"][:17]) == (413, "2gb.wav is larger")
    assert uploads(client) == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("<img src=x onerror=alert(1)>.wav", "<img src=x onerror=alert(1)>.wav"),
        ("a\x00\nb.wav", "a??b.wav"),
        ("..", "file"),
        ("", "file"),
        ("ü" * 400, "ü" * 255),
    ],
)
def test_a_name_is_shown_and_never_a_path(client: TestClient, token: dict[str, str], name: str, shown: str) -> None:
    answer = client.post("/api/clips", params={"name": name}, content=b"junk", headers=token)
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(f"{shown} ")
    assert str(client.app.state.shared.uploads) not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1:8001"},
        {"host": "127.0.0.1"},
        {"host": "127.0.0.1:8000.evil.example"},
        {"origin": "http://evil.example"},
        {"origin": "https://127.0.0.1:8000"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
    ],
    ids=str,
)
def test_others_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.get("/api/session", headers=headers)
    assert answer.status_code == 403
    assert "token" not in answer.json()
    assert answer.json()["error"].endswith("open the address that it printed.") or "server printed" in answer.text


def test_localhost_and_its_own_origin_are_served(client: TestClient) -> None:
    headers = {"host": "localhost:8000", "origin": "http://localhost:8000"}
    answer = client.get("/api/session", headers=headers)
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("headers", [{}, {TOKEN: "guess"}, {TOKEN: ""}], ids=str)
@pytest.mark.parametrize(("method", "path"), [("POST", "/api/clips"), ("PUT", "/api/model")])
def test_what_changes_something_needs_the_token(
    client: TestClient, headers: dict[str, str], method: str, path: str
) -> None:
    answer = client.request(method, path, json={"id": "leaky-one"}, headers=headers)
    assert answer.status_code == 403
    assert client.get("/api/session").json()["chosen"] == "default"


@pytest.mark.parametrize("path", ["/", "/static/style.css", "/api/session", "/api/docs", "/api/none", "/none"])
def test_every_answer_is_strict(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    rules = headers["content-security-policy"].split("; ")
    assert rules[0] == "default-src 'self'"
    assert not [rule for rule in rules if "unsafe" in rule or "http" in rule or "*" in rule]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static//etc/passwd",
        "/api/models/..%2f..%2fetc",
        "/api/models/%2e%2e/confusion.png",
        "/api/models/.unfinished",
    ],
)
def test_no_path_leads_out(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (404, 409)
    assert "root:" not in answer.text
    assert "def create_app" not in answer.text


def test_a_killed_worker_is_one_failed_card(client: TestClient, token: dict[str, str], clip: Path) -> None:
    """Every worker dies while it has a file; the next file is answered by a new one."""
    content = clip.read_bytes()
    with ThreadPoolExecutor(1) as threads:
        sent = threads.submit(client.post, "/api/clips?name=killer.wav", content=content, headers=token)
        end = time.monotonic() + 20
        while not sent.done() and time.monotonic() < end:
            if uploads(client):
                for pid in workers_of(os.getpid()):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.002)
        answer = sent.result()
    assert answer.status_code == 422
    assert answer.json()["error"] == "killer.wav ended the process that decoded it (signal 9, SIGKILL)."
    assert client.post("/api/clips?name=next.wav", content=content, headers=token).status_code == 200
    assert uploads(client) == []


def test_time_and_memory_of_a_call_are_limited() -> None:
    pool = workers.Pool(max_seconds=1.0, max_memory=2**32, jobs=1)
    try:
        with pytest.raises(workers.LostError, match="took longer than the 1 s"):
            asyncio.run(pool.call(time.sleep, 60))
        with pytest.raises(workers.LostError, match="more memory"):
            asyncio.run(pool.call(bytearray, 2**34))
        assert asyncio.run(pool.call(abs, -3)) == 3
    finally:
        pool.close()


def memory_of(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="/proc tells the memory of a process")
def test_a_worker_that_rests_gives_memory_back_and_others_end(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = set(workers_of(os.getpid()))
    pool = workers.Pool(max_seconds=60.0, max_memory=2**32, jobs=2)

    async def work() -> list[dict[str, Any]]:
        return await asyncio.gather(*[pool.call(listen, str(clip), str(k), None) for k in range(2)])

    try:
        before = asyncio.run(work())
        mine = set(workers_of(os.getpid())) - others
        used = max(map(memory_of, mine))
        monkeypatch.setattr(workers, "_IDLE_SECONDS", 0.0)
        monkeypatch.setattr(workers, "_REST_SECONDS", 0.0)
        pool.trim()
        (left,) = filter(is_running, mine)
        assert memory_of(left) < used
        assert asyncio.run(work()) == before
    finally:
        pool.close()


def test_models_are_listed_with_what_they_are_worth(client: TestClient) -> None:
    found = client.get("/api/models").json()
    listed = {model["id"]: model for model in found["models"]}
    assert (found["chosen"], list(listed)) == ("default", ["broken", "jazz ü <b>", "leaky-one", "default"])
    assert "is malformed" in listed["broken"]["error"]
    assert listed["leaky-one"]["leaky"]
    assert listed["leaky-one"]["protocol"] == "segment"
    assert listed["default"]["accuracy"] == {"value": 0.74, "low": 0.675, "high": 0.8}


def test_a_model_is_measured_and_drawn(client: TestClient) -> None:
    found = client.get("/api/models/leaky-one").json()
    assert found["confusion"] == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert found["accuracy"]["value"] == 1.0
    assert "is no model" in found["cannot_classify"] or found["cannot_classify"]
    picture = client.get("/api/models/leaky-one/confusion.png")
    assert (picture.status_code, picture.content[:4]) == (200, b"\x89PNG")


def test_a_model_that_cannot_classify_is_not_chosen(client: TestClient, token: dict[str, str]) -> None:
    for name, status in (("leaky-one", 409), ("nothing", 409), ("default", 200)):
        assert client.put("/api/model", json={"id": name}, headers=token).status_code == status
    assert client.get("/api/model").json()["id"] == "default"
    assert client.put("/api/model", json={"name": 1}, headers=token).json()["error"].startswith("The request is malf")
