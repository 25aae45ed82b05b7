"""What the tests of Spotify accounts share."""

from __future__ import annotations

from pathlib import Path

from fake_spotify import CLIENT_ID, FakeSpotify

from audio_genre.library.plan import Opinion
from audio_genre.spotify import Account
from audio_genre.spotify.endpoints import Endpoints
from audio_genre.spotify.songs import LikedSong

CALLBACK = "http://127.0.0.1:43210/callback"


class Told:
    """Remembers what a run tells."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int | None, str]] = []
        self.notes: list[str] = []

    def __call__(self, done: int, total: int | None, what: str = "") -> None:
        self.steps.append((done, total, what))

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)


class Clock:
    """Sleeps in no time, and counts."""

    def __init__(self) -> None:
        self.slept = 0.0

    def __call__(self, seconds: float) -> None:
        self.slept += seconds


def log_in(account: Account, fake: FakeSpotify, *, public: bool = False) -> None:
    account.finish_login(fake.agree(account.begin_login(CLIENT_ID, CALLBACK, public=public)))


def new_account(fake: FakeSpotify, endpoints: Endpoints, folder: Path, *, public: bool = False) -> Account:
    """Log in with a folder of its own."""
    account = Account(folder, endpoints=endpoints, sleep=Clock())
    log_in(account, fake, public=public)
    fake.forget_calls()
    return account


def uri(number: int) -> str:
    return f"spotify:track:{number:022d}"


def number_of(key: str) -> int:
    return int(key.rpartition(":")[2])


def by_number(songs: list[LikedSong], *genres: str) -> dict[str, Opinion]:
    """Give songs a genre by their number; an empty one leaves a song without."""
    found = {}
    for song in songs:
        if song.skipped is None and (genre := genres[number_of(song.key) % len(genres)]):
            found[song.key] = Opinion(genre, 0.9, "a model")
    return found
