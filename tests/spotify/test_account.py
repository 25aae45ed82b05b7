"""What a user sees of an account: what is read, what is written, what is left alone, and what is taken back."""

from __future__ import annotations

import stat
import tracemalloc
from pathlib import Path

import pytest
from fake_spotify import FakeSpotify, mounted, saved, small_track, track
from spotify_helpers import Told, by_number, new_account, number_of, uri

from audio_genre.errors import AccountError, LoginNeededError, ParameterError
from audio_genre.library.plan import Choice, Opinion
from audio_genre.spotify import Account, Naming, Preview
from audio_genre.spotify.endpoints import Endpoints
from audio_genre.spotify.store import KEPT_SECONDS, AccountStore, BusyError


def opinions_of(account: Account, *genres: str) -> dict[str, Opinion]:
    return by_number(account.read_liked(), *genres)


def synced(account: Account, *genres: str, prune: bool = False) -> Preview:
    return account.apply(opinions_of(account, *genres), prune=prune)


def test_a_preview_writes_nothing_and_tells_what_an_apply_does(account: Account, fake: FakeSpotify) -> None:
    opinions = opinions_of(account, "jazz", "rock", "")
    preview = account.preview(opinions)
    assert fake.writes == 0
    assert (preview.made, preview.added, preview.removed, preview.applied) == (2, 80, 0, False)
    assert preview.plan.counts == {"playlist": 80, "unknown": 0, "no features": 40, "skipped": 0}
    applied = account.apply(opinions)
    assert (applied.made, applied.added, applied.plan) == (2, 80, preview.plan)
    assert all(item.url for item in applied.playlists)
    library = fake.library()
    assert {name: len(rows) for name, rows in library.items()} == {"jazz (liked)": 40, "rock (liked)": 40}
    # What was liked first stands first, so that new songs come at the end.
    numbers = [number_of(key) for key in library["jazz (liked)"]]
    assert numbers == sorted(numbers, reverse=True)
    assert not any(playlist.public for playlist in fake.playlists.values())


def test_a_second_run_writes_nothing_and_reads_twice(account: Account, fake: FakeSpotify) -> None:
    synced(account, "jazz", "rock")
    fake.forget_calls()
    synced(account, "jazz", "rock")
    assert (fake.writes, fake.reads) == (0, 2)


def test_only_what_is_new_is_read_and_added(account: Account, fake: FakeSpotify) -> None:
    synced(account, "jazz")
    fake.liked[:0] = [saved(track(500 + k), -9 - k) for k in range(3)]
    fake.forget_calls()
    preview = synced(account, "jazz")
    assert (fake.reads, fake.writes, preview.added) == (2, 1, 3)
    assert fake.library()["jazz (liked)"][-3:] == [uri(502), uri(501), uri(500)]


@pytest.mark.parametrize("gone", [0, 7, 119])
def test_a_song_that_is_no_longer_liked_is_noticed(account: Account, fake: FakeSpotify, gone: int) -> None:
    account.read_liked()
    del fake.liked[gone]
    assert [song.key for song in account.read_liked()] == [entry["track"]["uri"] for entry in fake.liked]
    # One less and one more is as many as before.
    del fake.liked[50]
    fake.liked.insert(0, saved(track(700), -1))
    assert [song.key for song in account.read_liked()] == [entry["track"]["uri"] for entry in fake.liked]


def test_a_list_that_shifts_while_it_is_read_is_read_again(account: Account, fake: FakeSpotify) -> None:
    def shift(fake: FakeSpotify, request: object, proceed):  # type: ignore[no-untyped-def]
        answer = proceed()
        del fake.liked[:10]
        return answer

    fake.faults = {0: shift}
    assert [song.key for song in account.read_liked()] == [entry["track"]["uri"] for entry in fake.liked]


def test_what_is_no_song_is_skipped_with_a_reason(account: Account, fake: FakeSpotify) -> None:
    episode = track(2) | {"type": "episode", "uri": "spotify:episode:2"}
    local = track(3) | {"is_local": True, "id": None, "uri": "spotify:local:A:B:C:100", "external_ids": {}}
    bare = {"type": "track", "id": "x" * 22, "uri": "spotify:track:" + "x" * 22, "name": None, "artists": None}
    fake.liked[:] = [saved(item, k) for k, item in enumerate([None, track(1), episode, local, None, bare])]
    fake.liked.append("odd")  # type: ignore[arg-type]
    songs = account.read_liked()
    assert len(songs) == 7
    reasons = [song.skipped or "" for song in songs]
    assert [reason.split()[0] if reason else "" for reason in reasons] == [
        "Spotify", "", "is", "is", "Spotify", "", "Spotify",
    ]  # fmt: skip
    preview = account.apply({song.key: Opinion("jazz") for song in songs})
    assert preview.plan.counts == {"playlist": 2, "unknown": 0, "no features": 0, "skipped": 5}
    assert fake.library() == {"jazz (liked)": ["spotify:track:" + "x" * 22, uri(1)]}
    # Entries without a name shift when something new is liked, and are known all the same.
    fake.liked.insert(0, saved(track(9), -5))
    fake.forget_calls()
    assert len(account.read_liked()) == 8
    assert fake.reads == 1


def test_five_thousand_songs_take_a_hundred_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AccountStore, "synchronous", "OFF")
    fake = FakeSpotify(5000, small_track)
    with mounted(fake, monkeypatch) as endpoints:
        hundred_reads(new_account(fake, endpoints, tmp_path / "state"), fake)


def hundred_reads(account: Account, fake: FakeSpotify) -> None:
    preview = synced(account, "jazz", "rock", "pop", "folk", "soul")
    assert preview.added == 5000
    # 100 pages of 50; five playlists and 50 times 100 songs.
    assert (fake.reads, fake.writes) == (100, 55)
    fake.forget_calls()
    account.undo(apply=True)
    # One look at the playlists, and one at each of them.
    assert (fake.reads, fake.writes) == (1 + 5 * 20, 55)
    assert fake.library() == {}


def test_no_more_is_held_than_what_is_kept_of_each_song(account: Account, fake: FakeSpotify) -> None:
    fake.liked = [saved(track(k), k) for k in range(600)]
    tracemalloc.start()
    try:
        account.read_liked()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # As they come, they take 2 kB each, and more once they are read.
    assert peak < 600 * 2500


def test_what_the_user_changed_stays(account: Account, fake: FakeSpotify) -> None:
    synced(account, "jazz", "rock")
    jazz = fake.library()["jazz (liked)"]
    # The user takes one out, adds their own, and one of ours a second time.
    fake.change("jazz (liked)", [uri(9999), *jazz[1:], jazz[5]])
    fake.named("jazz (liked)").name = "Blue notes"
    # Now all songs are rock.
    preview = synced(account, "rock", prune=True)
    assert fake.library()["Blue notes"] == [uri(9999), jazz[5], jazz[5]]
    assert len(fake.library()["rock (liked)"]) == 120
    assert preview.removed == 58
    # The one that was taken out is not added again, though it is jazz again; if it comes back it is the user's.
    again = synced(account, "jazz", "rock")
    assert jazz[0] not in fake.library()["Blue notes"]
    assert [item.change.taken_out for item in again.playlists if item.name == "Blue notes"] == [(jazz[0],)]
    fake.change("Blue notes", [*fake.library()["Blue notes"], jazz[0]])
    synced(account, "rock", prune=True)
    assert jazz[0] in fake.library()["Blue notes"]


def test_nothing_is_removed_without_prune(account: Account, fake: FakeSpotify) -> None:
    synced(account, "jazz", "rock")
    before = fake.library()["jazz (liked)"]
    preview = synced(account, "rock")
    assert fake.library()["jazz (liked)"] == before
    assert preview.removed == 0


def test_a_source_that_was_not_asked_removes_nothing(account: Account, fake: FakeSpotify) -> None:
    synced(account, "jazz", "rock")
    before = fake.library()
    opinions = {key: opinion for key, opinion in opinions_of(account, "jazz", "").items() if number_of(key) < 10}
    account.apply(opinions, prune=True)
    assert fake.library() == before


def test_a_genre_that_was_not_chosen_is_left_alone(account: Account, fake: FakeSpotify) -> None:
    synced(account, "jazz", "rock")
    before = fake.library()["jazz (liked)"]
    account.apply(opinions_of(account, "rock"), Choice(genres=("rock",)), prune=True)
    assert fake.library()["jazz (liked)"] == before


def test_a_song_that_is_added_elsewhere_between_preview_and_apply_is_not_added_twice(
    account: Account, fake: FakeSpotify
) -> None:
    synced(account, "jazz")
    fake.liked.insert(0, saved(track(800), -3))
    opinions = opinions_of(account, "jazz")
    assert account.preview(opinions).added == 1
    fake.change("jazz (liked)", [*fake.library()["jazz (liked)"], uri(800)])
    assert account.apply(opinions).added == 0
    assert fake.library()["jazz (liked)"].count(uri(800)) == 1


def test_a_playlist_that_was_deleted_elsewhere_is_made_again(account: Account, fake: FakeSpotify) -> None:
    synced(account, "jazz")
    fake.named("jazz (liked)").is_in_library = False
    preview = synced(account, "jazz")
    assert preview.notes == ("jazz (liked) was deleted in Spotify; a new one is made where its genre is chosen.",)
    assert preview.made == 1
    assert len(fake.library()["jazz (liked)"]) == 120


def test_playlists_are_found_again_where_what_was_known_is_lost(
    account: Account, fake: FakeSpotify, endpoints: Endpoints, tmp_path: Path
) -> None:
    synced(account, "a/b", "🎷 & more")
    assert set(fake.library()) == {"a/b (liked)", "🎷 & more (liked)"}
    before = fake.library()
    other = new_account(fake, endpoints, tmp_path / "elsewhere")
    preview = other.apply(opinions_of(other, "a/b", "🎷 & more"))
    assert (preview.made, preview.added) == (0, 0)
    # Their songs may all be the user's own, as far as this machine knows.
    other.apply(opinions_of(other, "rock"), prune=True)
    assert {name: rows for name, rows in fake.library().items() if name in before} == before


def test_an_uncertain_creation_is_found_without_descriptions(account: Account, fake: FakeSpotify) -> None:
    from fake_spotify import lost_after

    fake.sends_descriptions = False
    opinions = opinions_of(account, "jazz")
    fake.faults = {len(fake.calls): lost_after}
    account.apply(opinions)
    assert list(fake.library()) == ["jazz (liked)"]
    assert len(fake.library()["jazz (liked)"]) == 120


def test_two_equal_songs_are_two_songs(account: Account, fake: FakeSpotify) -> None:
    twin = track(1) | {"id": "y" * 22, "uri": "spotify:track:" + "y" * 22}
    fake.liked[:] = [saved(track(1), 1), saved(twin, 2), saved(track(1), 3)]
    songs = account.read_liked()
    assert len(songs) == 2
    account.apply({song.key: Opinion("jazz") for song in songs})
    assert fake.library() == {"jazz (liked)": [twin["uri"], uri(1)]}


@pytest.mark.parametrize(
    ("genre", "name"),
    [
        ("a/b", "a/b (liked)"),
        ("👩‍🎤 \n pop", "👩‍🎤 pop (liked)"),
        ("x" * 200, "x" * 99 + "…"),
        ("<script>alert(1)</script>", "<script>alert(1)</script> (liked)"),
        ("{0.__class__}", "{0.__class__} (liked)"),
    ],
)
def test_odd_genres_get_a_playlist(account: Account, fake: FakeSpotify, genre: str, name: str) -> None:
    synced(account, genre)
    assert list(fake.library()) == [name]
    fake.forget_calls()
    synced(account, genre)
    assert fake.writes == 0


def test_undo_takes_one_run_after_the_other_back(account: Account, fake: FakeSpotify) -> None:
    synced(account, "jazz", "rock")
    first = {name: sorted(rows) for name, rows in fake.library().items()}
    synced(account, "rock", "folk", prune=True)
    assert set(fake.library()) == {"jazz (liked)", "rock (liked)", "folk (liked)"}
    would = account.undo()
    assert (would.made, would.added, would.removed, would.applied) == (1, 120, 120, False)
    assert account.undo(apply=True).left == ()
    assert {name: sorted(rows) for name, rows in fake.library().items()} == first
    account.undo(apply=True)
    assert fake.library() == {}
    with pytest.raises(AccountError, match="There is no run to take back"):
        account.undo(apply=True)
    # And all of it can be done again.
    synced(account, "jazz")
    assert len(fake.library()["jazz (liked)"]) == 120


def test_undo_leaves_what_is_the_users(account: Account, fake: FakeSpotify) -> None:
    synced(account, "jazz")
    jazz = fake.library()["jazz (liked)"]
    fake.change("jazz (liked)", [*jazz, uri(9999), jazz[3]])
    left = account.undo(apply=True).left
    assert fake.library()["jazz (liked)"] == [jazz[3], uri(9999), jazz[3]]
    assert left == (
        "1 song stays in jazz (liked), because you added it too.",
        "jazz (liked) stays, because it has songs that you added.",
    )


def test_undo_where_playlists_cannot_be_deleted(account: Account, fake: FakeSpotify) -> None:
    synced(account, "jazz")
    fake.can_delete_playlists = False
    (left,) = account.undo(apply=True).left
    assert left == "jazz (liked) is empty now and stays, because Spotify does not let it be deleted."
    assert fake.library() == {"jazz (liked)": []}


def test_genres_given_by_hand_stand_above_all(account: Account, tmp_path: Path) -> None:
    from audio_genre.spotify import Sources

    account.read_liked()
    (tmp_path / "mine.csv").write_text(f"track_id,genre\n{1:022d},rock\n{2:022d},rock\n")
    account.move({uri(1): "jazz", uri(3): "jazz"})
    account.move({uri(3): None})
    found = account.find_genres(Sources(corrections=tmp_path / "mine.csv"))
    assert {key: opinion.genre for key, opinion in found.items()} == {uri(1): "jazz", uri(2): "rock"}
    assert found[uri(1)].source == "moved by hand"
    assert account.moved() == {uri(1): "jazz"}


def test_public_playlists_need_a_login_that_allows_them(
    account: Account, fake: FakeSpotify, endpoints: Endpoints, tmp_path: Path
) -> None:
    opinions = opinions_of(account, "jazz")
    with pytest.raises(LoginNeededError, match="login --public"):
        account.apply(opinions, naming=Naming(public=True))
    other = new_account(fake, endpoints, tmp_path / "public", public=True)
    other.apply(opinions_of(other, "jazz"), naming=Naming("mine: {genre}", public=True))
    assert fake.named("mine: jazz").public


def test_a_name_without_a_genre_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"must contain \{genre\}, got 'liked'"):
        Naming("liked")


def test_nothing_is_planned_of_a_list_that_is_half_read(account: Account) -> None:
    with pytest.raises(AccountError, match="not read yet"):
        account.preview({})


def test_two_runs_at_once_are_refused(account: Account, tmp_path: Path) -> None:
    account.read_liked()
    with AccountStore(tmp_path / "state" / "account.sqlite"):
        with pytest.raises(BusyError, match="Another run is at work"):
            account.read_liked()
        with pytest.raises(BusyError):
            account.logout()
        assert account.status().busy


def test_logout_deletes_everything(account: Account, tmp_path: Path, fake: FakeSpotify) -> None:
    synced(account, "jazz")
    account.logout()
    assert not (tmp_path / "state").exists()
    assert not account.status().connected
    assert fake.library()
    with pytest.raises(LoginNeededError, match="Nobody is logged in"):
        account.read_liked()


def test_logout_deletes_what_is_damaged_too(account: Account, tmp_path: Path) -> None:
    (tmp_path / "state" / "account.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(AccountError, match="spotify logout"):
        account.read_liked()
    account.logout()
    assert not (tmp_path / "state").exists()


def test_old_content_is_forgotten(account: Account, tmp_path: Path) -> None:
    account.read_liked()
    with AccountStore(tmp_path / "state" / "account.sqlite") as store:
        store.keep_features({"a": {"tempo": 1.0}})
        store.set_note("liked", {**store.note("liked"), "read_at": 0.0})
        import time

        store.forget_old(time.time() + KEPT_SECONDS + 60)
        assert store.count_liked() == 0
        assert store.features(["a"]) == {}


def test_files_are_for_their_owner_alone(account: Account, tmp_path: Path) -> None:
    account.read_liked()
    folder = tmp_path / "state"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "token.json").stat().st_mode) == 0o600


def test_another_account_finds_nothing_of_the_first(
    account: Account, fake: FakeSpotify, endpoints: Endpoints, tmp_path: Path
) -> None:
    from spotify_helpers import log_in

    synced(account, "jazz")
    log_in(account, fake)
    assert account.status().liked == 120
    fake.user = {**fake.user, "id": "user-2", "account_id": "other", "display_name": "Bob"}
    log_in(account, fake)
    status = account.status()
    assert (status.name, status.liked, status.playlists, status.undoable) == ("Bob", 0, (), False)


def test_progress_is_told(account: Account) -> None:
    told = Told()
    account.read_liked(told)
    assert told.steps[-1] == (120, 120, "liked songs")
    account.apply(opinions_of(account, "jazz"), progress=told)
    assert told.steps[-1][:2] == (120, 120)


def test_who_stops_a_run_by_an_error_of_their_own_can_go_on(account: Account, fake: FakeSpotify) -> None:
    class StopError(Exception):
        pass

    class Stopping(Told):
        def __call__(self, done: int, total: int | None, what: str = "") -> None:
            super().__call__(done, total, what)
            if what == "rock (liked)":
                raise StopError

    opinions = opinions_of(account, "jazz", "rock")
    with pytest.raises(StopError):
        account.apply(opinions, progress=Stopping())
    assert account.status().unfinished
    account.apply(opinions)
    assert {name: len(rows) for name, rows in fake.library().items()} == {"jazz (liked)": 60, "rock (liked)": 60}
    # It was one run.
    account.undo(apply=True)
    assert fake.library() == {}


def test_a_stranger_does_not_get_the_token(
    account: Account, fake: FakeSpotify, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every page names a next one at stranger.example, which is never asked; nor is any other address."""
    from audio_genre.spotify.door import Door

    synced(account, "jazz")
    assert all(request.path.startswith("/v1/") for request in fake.calls)
    with mounted(fake, monkeypatch) as endpoints, Door(endpoints) as door:
        for address in ("https://stranger.example/v1/me", endpoints.api.replace("/v1/", "/v2/"), endpoints.token + "x"):
            with pytest.raises(AccountError, match="was refused"):
                door.get(address)
