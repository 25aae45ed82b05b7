"""Whatever happens to any single request, and whoever ends the run there: run again, it ends as it would have."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_spotify import (
    Answer,
    FakeSpotify,
    Fault,
    Playlist,
    Request,
    expired,
    fault_after,
    fault_before,
    limited,
    lost_after,
    lost_before,
    mounted,
    saved,
    small_track,
)
from spotify_helpers import Clock, by_number, new_account, uri

from audio_genre.errors import AccountError
from audio_genre.spotify import Account
from audio_genre.spotify.endpoints import Endpoints
from audio_genre.spotify.store import AccountStore

SONGS = 400


class KilledError(BaseException):
    """Ends a run as a kill does: nothing handles it."""


def killed_before(fake: FakeSpotify, request: Request, proceed: Callable[[], Answer]) -> Answer:
    raise KilledError


def killed_after(fake: FakeSpotify, request: Request, proceed: Callable[[], Answer]) -> Answer:
    proceed()
    raise KilledError


ENDING: tuple[Fault, ...] = (killed_before, killed_after, limited(7200), limited(None, quota=True))
"""What ends a run."""

PASSING: tuple[Fault, ...] = (lost_after, fault_after, lost_before, fault_before, limited(1), limited(None), expired)
"""What a run gets over by itself."""


def faults_of(number: int, request: Request) -> tuple[Fault, ...]:
    """Return what is to happen to a request: a read leaves nothing in doubt, so that one each will do, in turn."""
    every = (*ENDING, *PASSING)
    if not request.is_write:
        return (every[number % len(every)],)
    others = [fault for fault in every if fault not in (killed_after, lost_after, fault_after)]
    return (killed_after, (lost_after, fault_after)[number // 2 % 2], others[number // 2 % len(others)])


def shelf(fake: FakeSpotify) -> list[tuple[str, list[str]]]:
    """What is in the library, also where two playlists have one name."""
    return sorted((playlist.name, playlist.rows[:]) for playlist in fake.playlists.values() if playlist.is_in_library)


def unordered(fake: FakeSpotify) -> list[tuple[str, list[str]]]:
    """The same where order does not count: what was removed comes back at the end."""
    return [(name, sorted(rows)) for name, rows in shelf(fake)]


def run(account: Account) -> None:
    """Bring the playlists up to date with what is liked, as the genres are now."""
    opinions = by_number(account.read_liked(), "jazz", "rock", "a/b", "", "folk")
    account.apply(opinions, prune=True)


def first(fake: FakeSpotify, account: Account) -> None:
    """Nothing was there before."""


def later(fake: FakeSpotify, account: Account) -> None:
    """There is an earlier run, after which the user changed this and that."""
    account.apply(by_number(account.read_liked(), "jazz", "rock", "a/b", "blues"), prune=True)
    jazz = fake.named("jazz (liked)")
    # The user's own songs, one of ours taken out, one of ours added once more, a song that is gone.
    fake.change("jazz (liked)", [uri(9999), *jazz.rows[2:], jazz.rows[5], "", uri(9998)])
    fake.liked[:] = [saved(small_track(SONGS + k), -k - 1) for k in range(30)] + fake.liked
    fake.playlists["theirs"] = Playlist("theirs", "mine", "my own", False, jazz.owner, [uri(1)])


@pytest.fixture(autouse=True)
def _without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    # No power is lost here, and what a killed process wrote is there all the same.
    monkeypatch.setattr(AccountStore, "synchronous", "OFF")


class Stage:
    """A state of the account and of this machine, to begin a run from again and again."""

    def __init__(self, fake: FakeSpotify, folder: Path, endpoints: Endpoints) -> None:
        self._fake, self._folder, self._endpoints = fake, folder, endpoints
        self._kept = copy.deepcopy({name: getattr(fake, name) for name in ("playlists", "access", "refresh_tokens")})

    def begin(self, folder: Path) -> Account:
        for name, value in copy.deepcopy(self._kept).items():
            setattr(self._fake, name, value)
        self._fake.forget_calls()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._folder, folder)
        return Account(folder, endpoints=self._endpoints, sleep=Clock())


@pytest.mark.parametrize("before", [first, later])
def test_a_fault_at_any_request_changes_nothing_of_the_end(
    before: Callable[[FakeSpotify, Account], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeSpotify(SONGS, small_track)
    with mounted(fake, monkeypatch) as endpoints:
        before(fake, new_account(fake, endpoints, tmp_path / "start"))
        stage = Stage(fake, tmp_path / "start", endpoints)
        run(stage.begin(tmp_path / "run"))
        expected, requests = shelf(fake), fake.calls
        assert len(expected) >= 4
        for number, request in enumerate(requests):
            for fault in faults_of(number, request):
                account = stage.begin(tmp_path / "run")
                fake.faults = {number: fault}
                try:
                    run(account)
                    assert fault in PASSING
                except (KilledError, AccountError):
                    assert fault in ENDING
                    run(Account(tmp_path / "run", endpoints=endpoints, sleep=Clock()))
                assert shelf(fake) == expected, (number, fault)
        # And nothing is left to do.
        fake.forget_calls()
        run(Account(tmp_path / "run", endpoints=endpoints, sleep=Clock()))
        assert fake.writes == 0
        assert shelf(fake) == expected


def test_an_undo_that_ends_early_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeSpotify(SONGS, small_track)
    with mounted(fake, monkeypatch) as endpoints:
        account = new_account(fake, endpoints, tmp_path / "start")
        later(fake, account)
        before = unordered(fake)
        run(account)
        stage = Stage(fake, tmp_path / "start", endpoints)
        account = stage.begin(tmp_path / "run")
        account.undo(apply=True)
        requests = fake.calls
        assert unordered(fake) == before
        for number, request in enumerate(requests):
            for fault in faults_of(number, request)[:2]:
                account = stage.begin(tmp_path / "run")
                fake.faults = {number: fault}
                try:
                    account.undo(apply=True)
                except (KilledError, AccountError):
                    Account(tmp_path / "run", endpoints=endpoints, sleep=Clock()).undo(apply=True)
                assert unordered(fake) == before, (number, fault)
