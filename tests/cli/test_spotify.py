"""``audio-genre spotify``: what is printed and written, how it ends, and what a kill leaves behind."""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import process_helpers
import pytest
from fake_spotify import CLIENT_ID, FakeSpotify, limited, mounted, saved, serve, track
from spotify_helpers import new_account, uri
from typer.testing import CliRunner, Result

from audio_genre.cli import app
from audio_genre.spotify import account as account_module
from audio_genre.spotify import endpoints as addresses

pytest.importorskip("spotipy", reason="the extra spotify is not installed")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["spotify", *(str(argument) for argument in arguments)])


def done(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def refused(*arguments: object, status: int = 2) -> str:
    """Run a command that must end with one sentence and no traceback."""
    result = run(*arguments)
    assert result.exit_code == status, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


@pytest.fixture
def fake() -> FakeSpotify:
    return FakeSpotify(120)


@pytest.fixture
def connected(fake: FakeSpotify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSpotify]:
    """A Spotify that this user is logged in to."""
    monkeypatch.setattr(account_module, "default_folder", lambda: tmp_path / "state")
    with mounted(fake, monkeypatch) as endpoints:
        monkeypatch.setattr(addresses, "SPOTIFY", endpoints)
        new_account(fake, endpoints, tmp_path / "state")
        yield fake


@pytest.fixture
def genres(tmp_path: Path) -> Path:
    """A genre for two songs of three."""
    names = ("jazz", "a/b", "")
    path = tmp_path / "mine.csv"
    path.write_text("track_id,genre\n" + "".join(f"{k:022d},{names[k % 3]}\n" for k in range(120)))
    return path


def test_help_is_told_of_every_command() -> None:
    for command in ("login", "logout", "status", "liked", "playlists"):
        assert run(command, "--help").exit_code == 0
        assert command in run("--help").output


def test_nobody_is_logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_module, "default_folder", lambda: tmp_path / "state")
    assert "Nobody is logged in; log in with" in refused("status")
    assert "Nobody is logged in" in refused("liked")
    assert "--client-id ID" in refused("login")
    assert "A client id has 32 digits" in refused("login", "--client-id", "abc", "--no-browser")
    # Whoever only asks leaves nothing behind.
    assert json.loads(run("status", "--json").output)["connected"] is False


def test_status(connected: FakeSpotify) -> None:
    done("liked")
    told = done("status")
    assert "Logged in as Ada, for 182 more days." in told
    assert "120 liked songs kept, read " in told
    found = json.loads(done("status", "--json"))
    assert (found["name"], found["liked"], found["liked_complete"]) == ("Ada", 120, True)


def test_liked_songs_as_a_table(connected: FakeSpotify, tmp_path: Path) -> None:
    connected.liked[0:0] = [saved(None, 0), saved(track(500, name="=1+1\n☃", artists=[]), 1)]
    table = tmp_path / "liked.csv"
    told = done("liked", "--csv", table)
    assert "122 liked songs; 1 cannot go to playlists." in told
    assert "1 item: Spotify has no song here any more" in told
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["track_id", "isrc", "title", "artists", "album", "duration_ms", "added_at", "skipped"]
    # What a spreadsheet program would take for a formula is none.
    assert rows[1]["title"] == "'=1+1\n☃"
    assert rows[2] == {
        "track_id": f"{0:022d}",
        "isrc": "XX0000000000",
        "title": "Song 0",
        "artists": "Artist 0",
        "album": "Album 0",
        "duration_ms": "180000",
        "added_at": connected.liked[2]["added_at"],
        "skipped": "",
    }
    assert len(json.loads(done("liked", "--json"))["songs"]) == 122
    assert "there is no folder" in refused("liked", "--csv", tmp_path / "no" / "x.csv")


def test_a_preview_an_apply_and_an_undo(connected: FakeSpotify, genres: Path, tmp_path: Path) -> None:
    told = done("playlists", "--corrections", genres)
    words = " ".join(told.split())
    assert "a/b (liked) 40 +40 -0 new jazz (liked) 40 +40 -0 new" in words
    assert "120 liked songs: 80 in playlists, 0 unknown, 40 without features, 0 skipped." in words
    assert "40: no source knows this song" in words
    assert "Nothing was changed in Spotify; run with --apply to do it." in words
    assert connected.writes == 0
    told = done("playlists", "--corrections", genres, "--apply")
    assert "80 songs added, 0 removed; --undo takes it back." in told
    assert "https://open.spotify.com/playlist/" in told
    assert {name: len(rows) for name, rows in connected.library().items()} == {"a/b (liked)": 40, "jazz (liked)": 40}
    assert "There is nothing to change." in done("playlists", "--corrections", genres)
    assert "There is nothing to change." in done("playlists", "--corrections", genres, "--apply")
    assert "Would take back" in done("playlists", "--undo")
    assert len(connected.library()) == 2
    assert "Took back" in done("playlists", "--undo", "--apply")
    assert connected.library() == {}
    assert "There is no run to take back" in refused("playlists", "--undo", "--apply")


def test_every_song_and_its_reason(connected: FakeSpotify, genres: Path, tmp_path: Path) -> None:
    table = tmp_path / "plan.csv"
    told = done("playlists", "--corrections", genres, "--list", "--csv", table, "--genres", "jazz")
    assert "jazz 1.000  Artist 0 - Song 0 (your corrections, mine.csv line 2)" in told
    assert "no features  Artist 2 - Song 2 (no source knows this song)" in told
    assert "skipped 1.000  Artist 1 - Song 1 (your corrections, mine.csv line 3; the genre a/b was not chosen)" in told
    # The table is itself one of corrections.
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["genre"] for row in rows[:3]] == ["jazz", "", ""]
    assert {row["place"] for row in rows} == {"playlist", "skipped", "no features"}
    assert "120 liked songs: 40 in playlists" in done("playlists", "--corrections", table)


def test_as_json(connected: FakeSpotify, genres: Path) -> None:
    found = json.loads(done("playlists", "--corrections", genres, "--json"))
    assert found["counts"] == {"playlist": 80, "unknown": 0, "no features": 40, "skipped": 0}
    assert [(item["genre"], item["new"], len(item["add"])) for item in found["playlists"]] == [
        ("a/b", True, 40),
        ("jazz", True, 40),
    ]
    assert found["songs"][0]["uri"] == uri(0)
    assert not found["applied"]


def test_what_cannot_be_done_is_told(connected: FakeSpotify, genres: Path, tmp_path: Path) -> None:
    assert "No source of genres was named" in refused("playlists")
    assert "--features needs a model" in refused("playlists", "--features", genres)
    assert "must contain {genre}" in refused("playlists", "--corrections", genres, "--name", "liked")
    assert "No genre was chosen" in refused("playlists", "--corrections", genres, "--genres", " , ")
    assert "leave out --corrections" in refused("playlists", "--undo", "--corrections", genres)
    assert "login --public" in refused("playlists", "--corrections", genres, "--public", "--apply")
    assert "cannot be read" in refused("playlists", "--corrections", tmp_path / "nowhere.csv")
    assert "No liked song has the genre jaz." in refused("playlists", "--corrections", genres, "--genres", "jaz")
    # Nothing comes together: nothing could be done.
    assert "has 40 of the 41 songs" in refused("playlists", "--corrections", genres, "--min-tracks", "41")
    assert connected.writes == 0


def test_a_quota_that_is_used_up(connected: FakeSpotify, genres: Path) -> None:
    connected.faults = {4: limited(86236, quota=True)}
    told = refused("playlists", "--corrections", genres, "--apply")
    assert "The quota of your Spotify app is used up; what was done is kept, so start again" in told
    assert "(in 23 h 57 min)" in told
    done("playlists", "--corrections", genres, "--apply")
    assert {name: len(rows) for name, rows in connected.library().items()} == {"a/b (liked)": 40, "jazz (liked)": 40}


def test_a_login_that_ends_soon(connected: FakeSpotify, tmp_path: Path) -> None:
    file = tmp_path / "state" / "token.json"
    token = json.loads(file.read_text())
    file.write_text(json.dumps({**token, "authorized_at": token["authorized_at"] - 175 * 86400}))
    assert "This login ends in 7 days; log in again" in done("liked")


def test_logout(connected: FakeSpotify, genres: Path, tmp_path: Path) -> None:
    done("playlists", "--corrections", genres, "--apply")
    assert "can no longer be undone" in done("logout")
    assert not (tmp_path / "state").exists()
    assert "Nobody was logged in" in done("logout")


def test_logout_where_all_is_damaged(connected: FakeSpotify, tmp_path: Path) -> None:
    (tmp_path / "state" / "token.json").write_text("{")
    (tmp_path / "state" / "account.sqlite").write_bytes(b"no database" * 100)
    assert "Logged out: token and cached items are deleted." in done("logout")
    assert not (tmp_path / "state").exists()


def test_login_by_hand(connected: FakeSpotify, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the browser runs elsewhere, its address is pasted."""
    pasted: list[str] = []

    def prompt(_: str) -> str:
        return connected.agree(pasted[0])

    def echo(text: object = "", **_: object) -> None:
        pasted.extend(line for line in str(text).splitlines() if line.startswith("http"))

    monkeypatch.setattr("builtins.input", prompt)
    monkeypatch.setattr("audio_genre.cli.spotify.typer.echo", echo)
    assert run("login", "--paste").exit_code == 0
    assert "redirect_uri=http%3A%2F%2F127.0.0.1%3A8888%2Fcallback" in pasted[0]


PROGRAM = """
import sys
from pathlib import Path
from audio_genre.spotify import account, endpoints
base, folder, *arguments = sys.argv[1:]
endpoints.SPOTIFY = endpoints.Endpoints(f"{base}/v1/", f"{base}/authorize", f"{base}/api/token", f"{base}/reccobeats/")
account.default_folder = lambda: Path(folder)
from audio_genre.cli import app
app(arguments)
"""


def test_login_in_the_browser(tmp_path: Path) -> None:
    fake = FakeSpotify(3)
    with serve(fake) as endpoints:
        base = endpoints.token.removesuffix("/api/token")
        arguments = ("spotify", "login", "--client-id", CLIENT_ID, "--no-browser")
        with process_helpers.start(PROGRAM, base, tmp_path / "state", *arguments) as process:
            assert process.stdout is not None
            lines = []
            while not (lines and lines[-1].startswith("http")):
                lines.append(process.stdout.readline())
            with urllib.request.urlopen(lines[-1].strip(), timeout=20) as page:
                assert "You can close this page" in page.read().decode()
            told, errors = process.communicate(timeout=30)
        assert process.returncode == 0, errors
        assert "Logged in as Ada" in told


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
@pytest.mark.parametrize(("how", "status"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_run_that_is_stopped_in_the_middle_is_gone_on_with(
    how: signal.Signals, status: int, genres: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeSpotify(120)
    waits = threading.Event()

    def stop_here(fake: FakeSpotify, request: object, proceed):  # type: ignore[no-untyped-def]
        answer = proceed()
        waits.set()
        time.sleep(0.3)  # the songs are added, and nobody hears of it
        return answer

    with serve(fake) as endpoints:
        new_account(fake, endpoints, tmp_path / "state")
        base = endpoints.token.removesuffix("/api/token")
        arguments = ("spotify", "playlists", "--corrections", genres, "--apply")
        # Three reads, a playlist made, songs added to it.
        fake.faults = {4: stop_here}
        with process_helpers.start(PROGRAM, base, tmp_path / "state", *arguments) as process:
            assert waits.wait(60)
            os.kill(process.pid, how)
            _, errors = process.communicate(timeout=30)
        assert process.returncode == status, errors
        assert "Traceback" not in errors
        if how == signal.SIGINT:
            assert "stopped; what was done is kept, run the same command again to go on." in errors
        assert [len(rows) for rows in fake.library().values()] == [40]
        monkeypatch.setattr(account_module, "default_folder", lambda: tmp_path / "state")
        monkeypatch.setattr(addresses, "SPOTIFY", endpoints)
        done(*arguments[1:])
        assert {name: len(rows) for name, rows in fake.library().items()} == {"a/b (liked)": 40, "jazz (liked)": 40}
        assert all(len(set(rows)) == 40 for rows in fake.library().values())


@pytest.mark.parametrize(
    "damage",
    [
        {"authorized_at": "soon"},
        {"authorized_at": [1]},
        {"authorized_at": 1e300},
        {"authorized_at": float("nan")},
        {"expires_at": "soon"},
        {"account": "x"},
        {"account": {"account": 5}},
        {"access_token": "a\n"},
        {"client_id": ""},
        {"scope": 5},
    ],
)
def test_a_damaged_field_of_the_token(connected: FakeSpotify, tmp_path: Path, damage: dict[str, object]) -> None:
    file = tmp_path / "state" / "token.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | damage))
    for command in ("status", "liked"):
        assert "token.json is damaged; log in again" in refused(command)


def test_a_login_that_was_not_finished(connected: FakeSpotify, tmp_path: Path) -> None:
    file = tmp_path / "state" / "token.json"
    token = json.loads(file.read_text())
    file.write_text(json.dumps({name: token[name] for name in ("client_id", "access_token", "refresh_token")}))
    for command in ("status", "liked"):
        assert "The login was not finished" in refused(command)
    assert json.loads(run("status", "--json").stdout)["connected"] is False


@pytest.mark.parametrize(
    ("pasted", "told"), [("", "No address was pasted"), ("garbage\n", "begins with http://127.0.0.1")]
)
def test_a_paste_that_is_no_address(connected: FakeSpotify, pasted: str, told: str) -> None:
    arguments = ["spotify", "login", "--client-id", CLIENT_ID, "--paste", "--no-browser"]
    result = CliRunner().invoke(app, arguments, input=pasted)
    assert (result.exit_code, "Aborted" in result.output) == (2, False)
    assert told in " ".join(result.output.split())


def test_a_damaged_token_does_not_keep_from_logging_in(connected: FakeSpotify, tmp_path: Path) -> None:
    (tmp_path / "state" / "token.json").write_text("{")
    assert "No address was pasted" in refused("login", "--client-id", CLIENT_ID, "--paste")


def test_logout_where_nobody_was_logged_in(connected: FakeSpotify) -> None:
    done("logout")
    refused("liked")
    assert "Nobody was logged in" in done("logout")


def test_only_the_owner_reads_what_is_kept(connected: FakeSpotify, tmp_path: Path) -> None:
    files = [tmp_path / "state" / name for name in ("token.json", "account.sqlite")]
    for file in files:
        file.chmod(0o644)
    done("liked")
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]


def test_a_table_replaces_only_its_own_kind(connected: FakeSpotify, genres: Path, tmp_path: Path) -> None:
    mine, pipe, table = tmp_path / "notes.txt", tmp_path / "pipe", tmp_path / "liked.csv"
    mine.write_text("mine")
    os.mkfifo(pipe)
    for command in (("liked",), ("playlists", "--corrections", genres)):
        assert "would be replaced" in refused(*command, "--csv", mine)
        assert "not a regular file" in refused(*command, "--csv", pipe)
    assert mine.read_text() == "mine"
    for _ in range(2):
        done("liked", "--csv", table)
    assert "would be replaced" in refused("playlists", "--corrections", genres, "--csv", table)
