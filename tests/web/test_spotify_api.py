"""The API of a Spotify account: what it answers, writes and refuses, with a stand-in for Spotify in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

pytest.importorskip("fastapi", reason="the extra web is not installed")
pytest.importorskip("spotipy", reason="the extra spotify is not installed")
pytest.importorskip("httpx2", reason="httpx2 is not installed")

from fake_spotify import CLIENT_ID, FakeSpotify, limited, mounted, saved, track
from spotify_helpers import uri
from starlette.testclient import TestClient

from audio_genre.web.app import create_app
from audio_genre.web.settings import Settings

BASE = "http://127.0.0.1:8000"
TOKEN = "x-audio-genre-token"
CORRECTIONS = b"title,artists,genre\nSong 0,Artist 0,jazz\nSong 1,Artist 1,rock\nSong 2,Artist 2,jazz\n"
CHANGES = [
    ("POST", "/api/spotify/login"),
    ("DELETE", "/api/spotify"),
    ("PUT", "/api/spotify/genres"),
    ("PUT", "/api/spotify/tables/corrections"),
    ("POST", "/api/spotify/task"),
    ("DELETE", "/api/spotify/task"),
]


async def _load_nothing(_: object) -> None:
    """No file is listened to here, so that no model need be loaded."""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSpotify]:
    fake = FakeSpotify(5)
    fake.liked.append(saved(track(5, is_local=True, id=None, uri="spotify:local:x"), 5))
    monkeypatch.setattr("audio_genre.web.app._load", _load_nothing)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with mounted(fake, monkeypatch) as endpoints:
        monkeypatch.setattr("audio_genre.spotify.endpoints.SPOTIFY", endpoints)
        yield fake


@pytest.fixture
def client(fake: FakeSpotify) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(8000, jobs=1)), base_url=BASE, follow_redirects=False) as client:
        client.headers[TOKEN] = client.get("/api/session").json()["token"]
        yield client


def told(client: TestClient, method: str, path: str, status: int = 200, **sent: Any) -> Any:
    answer = client.request(method, path, **sent)
    assert answer.status_code == status, answer.text
    assert not any(secret in answer.text for secret in ("access-", "refresh-", "code-"))
    return answer.json()


def come_back(client: TestClient, address: str) -> str:
    """Come back from Spotify as a browser does, from another site; returns where the page is loaded."""
    parts = urlsplit(address)
    answer = client.get(f"{parts.path}?{parts.query}", headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 303
    return answer.headers["location"]


def connect(client: TestClient, fake: FakeSpotify, **more: Any) -> None:
    address = told(client, "POST", "/api/spotify/login", json={"client_id": CLIENT_ID, **more})["address"]
    assert come_back(client, fake.agree(address)) == "/#spotify"


def ended(client: TestClient) -> dict[str, Any]:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        task = told(client, "GET", "/api/spotify/task")["task"]
        if task["state"] != "running":
            return task
        time.sleep(0.02)
    raise AssertionError(task)


def work(client: TestClient, kind: str, **order: Any) -> dict[str, Any]:
    told(client, "POST", "/api/spotify/task", json={"kind": kind, **order})
    return ended(client)


def sort(client: TestClient) -> None:
    """Read the songs, and have the user's table tell their genres."""
    assert work(client, "liked")["result"] == {"songs": 6, "skipped": 1}
    told(client, "PUT", "/api/spotify/tables/corrections?name=../mine.csv", content=CORRECTIONS)
    assert work(client, "find", sources={"corrections": True})["result"] == {"songs": 3}


def rows(client: TestClient) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in told(client, "GET", "/api/spotify/songs")["rows"]}


def test_an_account_from_login_to_logout(client: TestClient, fake: FakeSpotify, tmp_path: Path) -> None:
    assert told(client, "GET", "/api/spotify")["connected"] is False
    connect(client, fake)
    status = told(client, "GET", "/api/spotify")
    assert (status["connected"], status["name"], status["liked_read_at"]) == (True, "Ada", None)
    sort(client)
    found = rows(client)
    assert (found[uri(0)]["genre"], found[uri(0)]["source"]) == ("jazz", "your corrections, corrections.csv line 2")
    assert found[uri(0)]["url"] == f"https://open.spotify.com/track/{0:022d}"
    assert [row["place"] for row in found.values()] == ["playlist"] * 3 + ["no features"] * 2 + ["skipped"]
    assert found["spotify:local:x"]["reason"] == "is a local file, which the Web API cannot add to playlists"

    # By hand: kept, known to be, taken back.
    told(client, "PUT", "/api/spotify/genres", json={"genres": {uri(3): " rock  'n' roll", uri(1): "jazz"}})
    assert (rows(client)[uri(3)]["genre"], rows(client)[uri(3)]["by_hand"]) == ("rock 'n' roll", True)
    told(client, "PUT", "/api/spotify/genres", json={"genres": {uri(1): None}})
    assert (rows(client)[uri(1)]["genre"], rows(client)[uri(1)]["by_hand"]) == ("rock", False)

    preview = work(client, "preview", name="{genre}!", genres=["jazz", "rock 'n' roll"])["result"]
    assert {each["name"]: each["add"] for each in preview["playlists"]} == {
        "jazz!": [uri(2), uri(0)],
        "rock 'n' roll!": [uri(3)],
    }
    assert (preview["made"], preview["added"], preview["applied"], fake.writes) == (2, 3, False, 0)
    assert preview["left_out"][0]["reason"] == "the genre rock was not chosen"
    assert work(client, "apply", name="{genre}!", genres=["jazz", "rock 'n' roll"])["result"]["applied"]
    assert fake.library() == {"jazz!": [uri(2), uri(0)], "rock 'n' roll!": [uri(3)]}
    assert not any(playlist.public for playlist in fake.playlists.values())
    again = work(client, "preview", genres=["jazz", "rock 'n' roll"])["result"]
    assert (again["added"], [each["kept"] for each in again["playlists"]]) == (0, [2, 1])

    assert work(client, "undo-preview")["result"]["made"] == 2
    assert work(client, "undo")["result"]["applied"]
    assert fake.library() == {}

    assert list((tmp_path / "state").rglob("token.json"))
    assert told(client, "DELETE", "/api/spotify")["connected"] is False
    assert not [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert told(client, "GET", "/api/spotify/songs")["rows"] == []
    assert told(client, "GET", "/api/spotify/sources")["tables"] == {}


def test_what_was_chosen_and_found_is_there_again(client: TestClient, fake: FakeSpotify) -> None:
    """For a page that is loaded again: the same server answers as before."""
    connect(client, fake)
    sort(client)
    before = told(client, "GET", "/api/spotify/songs")
    places = told(client, "GET", "/api/spotify/sources")
    assert (places["tables"], places["chosen"]["corrections"]) == ({"corrections": "mine.csv"}, True)
    # Reading again loses nothing of it.
    work(client, "liked")
    assert told(client, "GET", "/api/spotify/songs")["rows"] == before["rows"]
    brief = told(client, "GET", "/api/spotify/task?brief=true")
    assert (brief["task"]["kind"], brief["task"]["result"]) == ("liked", None)
    assert brief["changes"] > before["changes"]


def test_only_a_login_that_was_begun_here_is_finished(client: TestClient, fake: FakeSpotify) -> None:
    address = told(client, "POST", "/api/spotify/login", json={"client_id": CLIENT_ID})["address"]
    back = fake.agree(address)
    state = back.partition("state=")[2]
    for stranger in ("/callback", "/callback?code=x&state=x", back.replace(state, state[:-1])):
        assert come_back(client, stranger) == "/#spotify?login=failed"
        status = told(client, "GET", "/api/spotify")
        assert "does not belong to this login" in status["login_error"]
        assert not status["connected"]
    assert come_back(client, back) == "/#spotify"
    assert told(client, "GET", "/api/spotify")["login_error"] == ""
    # Once is enough.
    assert come_back(client, back) == "/#spotify?login=failed"
    assert told(client, "GET", "/api/spotify")["connected"]


def test_who_declines_is_told(client: TestClient, fake: FakeSpotify) -> None:
    fake.agrees = False
    address = told(client, "POST", "/api/spotify/login", json={"client_id": CLIENT_ID})["address"]
    assert come_back(client, fake.agree(address)) == "/#spotify?login=failed"
    assert "you declined" in told(client, "GET", "/api/spotify")["login_error"]
    refused = told(client, "POST", "/api/spotify/login", 422, json={"client_id": "my app"})
    assert "A client id has 32 digits and letters" in refused["error"]


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_whatever_changes_something_needs_the_token(client: TestClient, method: str, path: str) -> None:
    del client.headers[TOKEN]
    told(client, method, path, 403, json={})
    client.headers[TOKEN] = "old"
    told(client, method, path, 403, json={})


def test_other_pages_are_refused(client: TestClient) -> None:
    told(client, "GET", "/api/spotify", 403, headers={"sec-fetch-site": "cross-site"})
    told(client, "GET", "/api/spotify/songs", 403, headers={"origin": "https://evil.example"})
    told(client, "GET", "/callback?state=x", 403, headers={"host": "evil.example"})


@pytest.mark.parametrize(
    ("sources", "sentence"),
    [
        ({}, "No source of genres was chosen"),
        ({"corrections": True}, "no table of corrections on the server"),
        ({"music": True}, "start it with --music DIR"),
        ({"reccobeats": True}, "choose one"),
        ({"reccobeats": True, "model": "../../etc"}, "There is no model '../../etc'"),
        ({"reccobeats": True, "model": "default"}, "need a model that was trained on tables of tracks"),
    ],
    ids=str,
)
def test_sources_that_are_not_on_the_server_are_refused(
    client: TestClient, fake: FakeSpotify, sources: dict[str, Any], sentence: str
) -> None:
    connect(client, fake)
    work(client, "liked")
    answer = client.post("/api/spotify/task", json={"kind": "find", "sources": sources})
    error = answer.json()["error"] if answer.status_code != 200 else ended(client)["error"]
    assert sentence in error


def test_a_table_is_told_of_by_its_own_name(client: TestClient, fake: FakeSpotify) -> None:
    connect(client, fake)
    work(client, "liked")
    told(client, "PUT", "/api/spotify/tables/corrections?name=C:\\my table.csv", content=b"title,artist\na,b\n")
    done = work(client, "find", sources={"corrections": True})
    assert done["state"] == "failed"
    assert done["error"].startswith("my table.csv is no table of corrections: it needs the column genre")
    told(client, "PUT", "/api/spotify/tables/other", 422, content=b"x")


def test_a_short_pause_is_counted_down(client: TestClient, fake: FakeSpotify) -> None:
    connect(client, fake)
    fake.forget_calls()
    fake.faults[0] = limited(2)
    told(client, "POST", "/api/spotify/task", json={"kind": "liked"})
    seen = set()
    while (task := told(client, "GET", "/api/spotify/task")["task"])["state"] == "running":
        seen.add(task["remark"])
        time.sleep(0.02)
    assert task["state"] == "done"
    assert {"waiting as Spotify asks, 2 s left", "waiting as Spotify asks, 1 s left"} <= seen


def test_work_can_be_stopped_and_gone_on_with(client: TestClient, fake: FakeSpotify) -> None:
    connect(client, fake)
    sort(client)
    fake.forget_calls()
    fake.faults[2] = limited(50)
    told(client, "POST", "/api/spotify/task", json={"kind": "apply"})
    # The account is in use meanwhile, and says so.
    while not told(client, "GET", "/api/spotify/task")["task"]["remark"].startswith("waiting"):
        time.sleep(0.02)
    assert told(client, "GET", "/api/spotify")["task"]["kind"] == "apply"
    told(client, "POST", "/api/spotify/task", 409, json={"kind": "liked"})
    told(client, "DELETE", "/api/spotify/task")
    assert ended(client)["state"] == "stopped"
    assert told(client, "GET", "/api/spotify")["unfinished"]
    assert work(client, "apply")["state"] == "done"
    assert fake.library() == {"jazz (liked)": [uri(2), uri(0)], "rock (liked)": [uri(1)]}
    assert not told(client, "GET", "/api/spotify")["unfinished"]


def test_a_long_pause_ends_the_work_with_when_to_come_back(client: TestClient, fake: FakeSpotify) -> None:
    connect(client, fake)
    fake.forget_calls()
    fake.faults[0] = limited(7200, quota=True)
    done = work(client, "liked")
    assert done["state"] == "failed"
    assert "quota" in done["error"]
    assert "in 120 min" in done["error"] or "in 2 h" in done["error"]


def test_a_login_that_ended_elsewhere_is_noticed(client: TestClient, fake: FakeSpotify) -> None:
    connect(client, fake)
    sort(client)
    fake.access.clear()
    fake.refresh_tokens.clear()
    done = work(client, "liked")
    assert done["state"] == "failed"
    assert "log in again" in done["error"]
    assert told(client, "GET", "/api/spotify")["connected"] is False


@pytest.mark.parametrize("name", ["token.json", "account.sqlite"])
def test_an_account_that_is_damaged_can_be_disconnected(
    client: TestClient, fake: FakeSpotify, tmp_path: Path, name: str
) -> None:
    connect(client, fake)
    (file,) = (tmp_path / "state").rglob(name)
    file.write_bytes(b"damaged" * 999)
    status = told(client, "GET", "/api/spotify")
    assert "damaged" in status["problem"]
    assert not status["connected"]
    assert told(client, "DELETE", "/api/spotify")["problem"] is None
    connect(client, fake)


def test_moves_that_cannot_be_are_refused(client: TestClient, fake: FakeSpotify) -> None:
    connect(client, fake)
    sort(client)
    for key, genre, status in (
        ("spotify:local:x", "jazz", 409),
        ("nobody", "jazz", 409),
        (uri(0), " ", 422),
        (uri(0), "x" * 61, 422),
    ):
        told(client, "PUT", "/api/spotify/genres", status, json={"genres": {key: genre}})
    assert not any(row["by_hand"] for row in rows(client).values())


def test_without_the_extra_it_says_how_to_install_it(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audio_genre.spotify.authorization.importlib.util.find_spec", lambda _: None)
    assert "install it with: " in told(client, "GET", "/api/spotify")["missing"]
    assert "install it with: " in told(client, "POST", "/api/spotify/task", 409, json={"kind": "liked"})["error"]
