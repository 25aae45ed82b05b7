"""The API of a library: what it answers, writes and refuses."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra web is not installed")
pytest.importorskip("httpx2", reason="httpx2 is not installed")

import library_helpers as helpers
import library_work
from starlette.testclient import TestClient

from audio_genre.library import correct, organize, run
from audio_genre.web.app import create_app
from audio_genre.web.bodies import JsonRoute
from audio_genre.web.places import id_of
from audio_genre.web.routes import clips, library, models, report, session, spotify
from audio_genre.web.settings import Settings

BASE = "http://127.0.0.1:8000"
TOKEN = "x-audio-genre-token"
ROUTES = [
    ("GET", "/api/library/folders?folder={}"),
    ("GET", "/api/library/tracks?folder={}"),
    ("GET", "/api/library/audio?track={}"),
    ("GET", "/api/library/audio?folder={}&track=x.wav"),
    ("POST", "/api/library/task"),
    ("PUT", "/api/library/genres"),
]


async def _load_nothing(_: object) -> None:
    """No file is listened to here, so that no model need be loaded."""


@pytest.fixture
def music(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library that is answered for by the names of its files; 0xff is no text."""
    monkeypatch.setattr(run, "classify_file", library_work.fake)
    monkeypatch.setattr(run, "WorkerProcesses", library_work.InProcess)
    monkeypatch.setattr("audio_genre.web.app._load", _load_nothing)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    music = tmp_path / "music"
    helpers.touch(music / "a" / "x.wav", music / "a" / "odd.wav", music / "b" / "y\udcff.wav", music / "bad.wav")
    return music


@pytest.fixture
def client(music: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(8000, music=music, jobs=1)), base_url=BASE) as client:
        client.headers[TOKEN] = client.get("/api/session").json()["token"]
        yield client


def begun(client: TestClient, kind: str, **order: Any) -> dict[str, Any]:
    answer = client.post("/api/library/task", json={"kind": kind, **order})
    assert answer.status_code == 200, answer.text
    return answer.json()["task"]


def ended(client: TestClient) -> dict[str, Any]:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        task = client.get("/api/library/task").json()["task"]
        if task["state"] != "running":
            return task
        time.sleep(0.05)
    raise AssertionError(task)


@pytest.fixture
def work(client: TestClient) -> Callable[..., dict[str, Any]]:
    def work(kind: str, **order: Any) -> dict[str, Any]:
        begun(client, kind, **order)
        return ended(client)

    return work


def rows(client: TestClient, folder: str = "") -> dict[str, dict[str, Any]]:
    found = client.get("/api/library/tracks", params={"folder": folder})
    assert found.status_code == 200, found.text
    return {row["id"]: row for row in found.json()["rows"]}


def test_folders_are_listed(client: TestClient, music: Path) -> None:
    (music / "a" / "in ü%20").mkdir()
    (music / ".hidden").mkdir()
    assert client.get("/api/library/folders").json() == {
        "music": "music",
        "folder": "",
        "path": "",
        "folders": [{"id": "a", "name": "a"}, {"id": "b", "name": "b"}],
    }
    (inner,) = client.get("/api/library/folders?folder=a").json()["folders"]
    assert inner == {"id": "a/in%20%C3%BC%2520", "name": "in ü%20"}
    assert client.get("/api/library/folders", params={"folder": inner["id"]}).json()["path"] == "a/in ü%20"


def test_a_second_visit_starts_from_what_is_known(client: TestClient, work: Callable[..., dict[str, Any]]) -> None:
    first = client.get("/api/library/tracks").json()
    assert (first["found"], first["pending"], first["rows"]) == (4, 4, [])
    done = work("classify")
    assert (done["state"], done["result"]["classified"], done["result"]["failed"]) == ("done", 3, 1)
    assert done["notes"] == ["bad.wav is bad."]
    known = rows(client)
    assert list(known) == ["a/odd.wav", "a/x.wav", "b/y%FF.wav", "bad.wav"]
    assert known["b/y%FF.wav"]["path"] == "b/y\N{REPLACEMENT CHARACTER}.wav"
    assert (known["bad.wav"]["genre"], known["bad.wav"]["reason"]) == ("", "is bad")
    assert (known["a/odd.wav"]["genre"], known["a/odd.wav"]["reason"]) == ("unknown", "is like nothing known")
    again = work("classify")
    assert (again["todo"], again["result"]["classified"], rows(client)) == (0, 0, known)


def test_a_track_moved_by_hand_stays_there(
    client: TestClient, work: Callable[..., dict[str, Any]], music: Path
) -> None:
    work("classify")
    before = client.get("/api/library/task").json()["changes"]
    moved = client.put("/api/library/genres", json={"genres": {"b/y%FF.wav": "my own", "a/odd.wav": "hum"}})
    assert moved.json() == {"changes": before + 1}
    found = client.get("/api/library/tracks").json()
    assert {row["id"]: row["genre"] for row in found["rows"] if row["by_hand"]} == {
        "a/odd.wav": "hum",
        "b/y%FF.wav": "my own",
    }
    assert "my own" in found["choices"]
    odd = next(row for row in found["rows"] if row["id"] == "a/odd.wav")
    assert (odd["confidence"], odd["model_genre"] in ("hum", "hiss"), 0 < odd["model_confidence"] <= 1) == (
        None,
        True,
        True,
    )
    # The command line goes by it too, and the other way round.
    report = organize(music, known_only=True, list_files=True)
    assert {file.path for file in report.files if file.by_hand} == {"a/odd.wav", "b/y\udcff.wav"}
    correct(music, {"a/odd.wav": None})
    assert not rows(client)["a/odd.wav"]["by_hand"]
    # In a folder of the library too.
    helpers.touch(music / "b" / "z.wav")
    assert work("classify", folder="b")["state"] == "done"
    assert rows(client, "b")["y%FF.wav"]["genre"] == "my own"


def test_nothing_is_written_before_a_preview_and_all_is_taken_back(
    client: TestClient, work: Callable[..., dict[str, Any]], music: Path
) -> None:
    work("classify")
    client.put("/api/library/genres", json={"genres": {"a/x.wav": "hum"}})
    before = sorted(music.rglob("*"))
    order = {"genres": ["hum", "unknown"], "min_confidence": 1.0}
    preview = work("preview", **order)["result"]
    assert sorted(music.rglob("*")) == before
    assert preview["tracks"] == {"hum": ["a/x.wav"], "unknown": ["a/odd.wav", "b/y%FF.wav"]}
    assert [(each["path"], each["tracks"], each["action"]) for each in preview["playlists"]] == [
        ("playlists/hum.m3u8", 1, "write"),
        ("playlists/unknown.m3u8", 1, "write"),
    ]
    assert preview["left_out"] == 1
    assert work("apply", **order)["result"]["applied"]
    assert (music / "playlists" / "hum.m3u8").read_text().splitlines()[-1] == "../a/x.wav"
    assert [each["action"] for each in work("undo-preview")["result"]["playlists"]] == ["remove", "remove"]
    assert work("undo")["result"]["applied"]
    assert sorted(music.rglob("*")) == before
    nothing = work("undo")
    assert (nothing["state"], nothing["error"][-25:]) == ("failed", "there is nothing to undo.")


def test_what_is_done_is_kept_when_a_run_is_stopped(
    client: TestClient, work: Callable[..., dict[str, Any]], music: Path
) -> None:
    helpers.touch(*[music / "slow" / f"slow {k}.wav" for k in range(60)])
    begun(client, "classify", folder="slow")
    end = time.monotonic() + 20
    while (task := client.get("/api/library/task").json()["task"])["done"] < 3 and time.monotonic() < end:
        time.sleep(0.02)
    assert 0 < task["seconds_left"] < 100
    client.delete("/api/library/task")
    assert ended(client)["state"] == "stopped"
    kept = len(rows(client, "slow"))
    assert 3 <= kept < 60
    assert work("classify", folder="slow")["result"]["classified"] == 60 - kept


def test_two_tabs_at_work_on_one_library(client: TestClient, music: Path) -> None:
    helpers.touch(*[music / "slow" / f"{k}.wav" for k in range(30)])
    one = begun(client, "classify")
    # The second one that wants the same joins it; what differs is refused, and no file is harmed.
    assert begun(client, "classify")["number"] == one["number"]
    refused = client.post("/api/library/task", json={"kind": "apply"})
    assert (refused.status_code, refused.json()["error"][:24]) == (409, "Something else is under ")
    # A move does not wait for the end of it, and holds after it.
    assert client.put("/api/library/genres", json={"genres": {"a/x.wav": "other"}}).status_code == 200
    assert ended(client)["state"] == "done"
    with ThreadPoolExecutor(8) as threads:
        moves = [{"genres": {f"slow/{k}.wav": f"genre {k}"}} for k in range(8)]
        answers = list(threads.map(lambda body: client.put("/api/library/genres", json=body).status_code, moves))
        tables = list(threads.map(lambda _: rows(client), range(4)))
    assert set(answers) == {200}
    assert all(table == tables[0] for table in tables)
    assert {row["genre"] for row in tables[0].values() if row["by_hand"]} == {
        "other",
        *(f"genre {k}" for k in range(8)),
    }


def test_another_program_at_work_on_the_library_is_told(client: TestClient, music: Path) -> None:
    organize(music, jobs=1)
    with run._opened(music, run.default_database(music)):
        answer = client.get("/api/library/tracks")
    assert (answer.status_code, answer.json()["error"][:45]) == (409, "Another run is organizing this library (it us")


@pytest.mark.parametrize(("method", "address"), ROUTES)
def test_no_path_leads_out(client: TestClient, music: Path, method: str, address: str) -> None:
    helpers.touch(music.parent / "outside" / "x.wav")
    (music / "out").symlink_to(music.parent / "outside")
    (music / "out.wav").symlink_to(music.parent / "outside" / "x.wav")
    kind = {"kind": "classify"} if method == "POST" else {"genres": {"x.wav": "jazz"}}
    for name in ("..", "../", "a/../..", "/etc", "%2e%2e", "a/%2e%2e/%2e%2e", "out", "x%00"):
        track = f"{name}/x.wav" if "track={}" in address else name
        body = None if method == "GET" else {"folder": name, **kind}
        answer = client.request(method, address.format(track.replace("%", "%25")), json=body)
        assert answer.status_code == 403, (name, answer.text)
        assert "outside" not in answer.text
    assert client.get("/api/library/audio?track=out.wav").status_code == 403


def test_links_that_lead_out_are_not_listened_to(
    client: TestClient, work: Callable[..., dict[str, Any]], music: Path
) -> None:
    helpers.touch(music.parent / "outside" / "x.wav")
    (music / "out").symlink_to(music.parent / "outside")
    done = work("classify")
    assert "The folder out cannot be read: it is a link that leads out of the library." in done["notes"]
    assert not [name for name in rows(client) if "out" in name]
    assert [folder["name"] for folder in client.get("/api/library/folders").json()["folders"]] == ["a", "b"]


def test_a_file_is_sent_in_parts(client: TestClient, music: Path) -> None:
    path = helpers.write(music / "Été 100%.wav")
    answer = client.get("/api/library/audio", params={"track": id_of(path.name)}, headers={"range": "bytes=4-7"})
    assert (answer.status_code, answer.content) == (206, path.read_bytes()[4:8])
    assert answer.headers["content-type"].startswith("audio/")
    (music / "notes.txt").write_text("secret")
    for name in ("notes.txt", "none.wav", "a", "a" * 3000 + ".wav"):
        assert client.get("/api/library/audio", params={"track": name}).status_code == 409


@pytest.mark.parametrize(("genre", "status"), [("", 422), ("x" * 61, 422), ("a\nb\x00", 422), (7, 422), ("pop", 200)])
def test_genres_are_checked(client: TestClient, genre: Any, status: int) -> None:
    assert client.put("/api/library/genres", json={"genres": {"a/x.wav": genre}}).status_code == status


def test_what_is_missing_is_told(client: TestClient, music: Path) -> None:
    (music / "empty").mkdir()
    answer = client.get("/api/library/tracks?folder=empty")
    assert (answer.status_code, answer.json()["error"][:24]) == (409, "No audio files were foun")
    assert client.get("/api/library/folders?folder=none").status_code == 409
    with TestClient(create_app(Settings(8000)), base_url=BASE) as other:
        assert other.get("/api/library/tracks").json()["error"].endswith("start it with --music DIR.")


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "task"), ("DELETE", "task"), ("PUT", "genres")], ids=["start", "stop", "move"]
)
def test_what_changes_something_needs_the_token(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, f"/api/library/{path}", json={"kind": "apply"}, headers={TOKEN: "guess"})
    assert answer.status_code == 403
    assert client.get("/api/library/task").json() == {"changes": 0, "task": None}


def test_a_fault_of_work_is_told_and_the_server_goes_on(
    client: TestClient, work: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("what no one foresaw")

    monkeypatch.setattr("audio_genre.library.organize", fail)
    task = work("classify")
    assert (task["state"], task["error"][:17]) == ("failed", "The server failed")
    assert "what no one foresaw" in capsys.readouterr().err


def test_ten_thousand_choices_fit_and_more_than_the_limit_is_refused(client: TestClient, music: Path) -> None:
    genres = dict.fromkeys((f"{k:05d}{'x' * 240}.mp3" for k in range(10_000)), "g" * 60)
    answer = client.put("/api/library/genres", json={"genres": genres})
    assert (answer.status_code, answer.json()["error"][:16]) == (409, "There is no file")
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(64):
            sent += 2**20
            yield b" " * 2**20

    sentence = "The body of the request is larger than 8 MB; send it in several requests; see /api/docs."
    for content in (bytes(9 * 2**20), chunks()):
        answer = client.put("/api/library/genres", content=content, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()) == (413, {"error": sentence})
    assert client.get("/api/library/tracks").status_code == 200


def test_every_route_that_takes_json_has_the_limit() -> None:
    routers = (session, clips, library, models, report, spotify)
    taking = [route for routes in routers for route in routes.router.routes if getattr(route, "body_field", None)]
    assert len(taking) >= 6
    assert {type(route) for route in taking} == {JsonRoute}
