"""What every target of a plan keeps to: it lists what it was given, and a change that was made is not needed again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fake_spotify import FakeSpotify
from spotify_helpers import uri

from audio_genre.library.database import Database
from audio_genre.library.targets.m3u8 import FolderTarget
from audio_genre.library.targets.target import TARGETS, Target
from audio_genre.spotify import Account
from audio_genre.spotify.target import AccountTarget

GENRES = ("jazz", "a/b", "🎷")


@contextmanager
def folder(tmp_path: Path, account: Account) -> Iterator[Target]:
    with Database(tmp_path / "library.sqlite") as database:
        target = FolderTarget(tmp_path / "playlists", tmp_path, database, apply=True)
        target.name_them(GENRES)
        yield target


@contextmanager
def in_account(tmp_path: Path, account: Account) -> Iterator[Target]:
    with account._connected(None) as (client, store, patience, user):
        target = AccountTarget(client, store, patience, user)
        target.run = store.open_run().number
        yield target


MADE = {"m3u8": folder, "spotify": in_account}


def keys_of(name: str, count: int) -> list[str]:
    return [f"#EXTINF:-1,Song {k}\nmusic/{k}.wav" if name == "m3u8" else uri(k) for k in range(count)]


def test_every_target_is_tested() -> None:
    assert set(TARGETS) == set(MADE)
    assert all(target.title for target in TARGETS.values())


@pytest.mark.parametrize("name", sorted(MADE))
def test_a_target_lists_adds_and_removes(name: str, account: Account, fake: FakeSpotify, tmp_path: Path) -> None:
    keys = keys_of(name, 250)
    with MADE[name](tmp_path, account) as target:
        for genre in GENRES:
            assert target.held(genre).rows == ()
            target.change(genre, target.needs(genre, keys[:240], prune=True))
            assert target.held(genre).rows == tuple(keys[:240])
            assert target.held(genre).own == frozenset(keys[:240])
            assert not target.needs(genre, keys[:240], prune=True)
            change = target.needs(genre, keys[120:], prune=True)
            assert (change.add, change.remove) == (tuple(keys[240:]), tuple(keys[:120]))
            target.change(genre, change)
            assert target.held(genre).rows == tuple(keys[120:])
            target.remove(genre, keys[120:])
            assert target.held(genre).rows == ()
