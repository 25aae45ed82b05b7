from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_spotify import FakeSpotify, mounted
from spotify_helpers import new_account

from audio_genre.spotify import Account
from audio_genre.spotify.endpoints import Endpoints

pytest.importorskip("spotipy", reason="the extra spotify is not installed")


@pytest.fixture
def fake() -> FakeSpotify:
    """A Spotify with 120 liked songs."""
    return FakeSpotify(120)


@pytest.fixture
def endpoints(fake: FakeSpotify, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoints]:
    with mounted(fake, monkeypatch) as found:
        yield found


@pytest.fixture
def account(fake: FakeSpotify, endpoints: Endpoints, tmp_path: Path) -> Account:
    """Its account, logged in; whatever is waited for takes no time."""
    return new_account(fake, endpoints, tmp_path / "state")
