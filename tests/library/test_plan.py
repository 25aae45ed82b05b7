"""The plan and the difference: what holds for any songs, any playlist, and any user between two runs."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_genre.errors import ParameterError
from audio_genre.library.plan import PLACES, Choice, Held, Opinion, Song, accepted_genre, difference, make_plan
from audio_genre.library.records import Acceptance
from audio_genre.library.spelling import genre_key

KEYS = st.sampled_from("abcdefghij")
GENRES = st.sampled_from(["jazz", "Jazz", "rock", "hip hop", "Hip-Hop", "a/b", "🎷", "unknown", "Unknown", ""])
OPINIONS = st.builds(
    Opinion,
    GENRES,
    st.floats(0, 1),
    st.just("a model"),
    st.one_of(st.none(), st.just("is like no training data")),
)
SONGS = st.lists(
    st.builds(Song, KEYS, st.one_of(st.none(), OPINIONS), st.one_of(st.none(), st.just("is a local file"))), max_size=20
)
CHOICES = st.builds(
    Choice,
    st.one_of(st.none(), st.lists(GENRES.filter(str.strip), min_size=1, max_size=3).map(tuple)),
    st.builds(Acceptance, st.floats(0, 1), st.booleans()),
    st.integers(1, 4),
)
ROWS = st.lists(KEYS, max_size=12)


@given(SONGS, CHOICES)
def test_every_song_goes_to_exactly_one_place(songs: list[Song], choice: Choice) -> None:
    plan = make_plan(songs, choice)
    assert [decision.key for decision in plan.decisions] == list(dict.fromkeys(song.key for song in songs))
    assert sum(plan.counts.values()) == len(plan.decisions)
    assert set(plan.counts) == set(PLACES)
    there = Counter(key for keys in plan.playlists.values() for key in keys)
    for decision in plan.decisions:
        assert there[decision.key] == (decision.place == "playlist")
        # Whatever does not go to a playlist says why.
        assert (decision.reason is None) == (decision.place == "playlist")


@given(SONGS, CHOICES)
def test_a_playlist_has_what_was_asked_for(songs: list[Song], choice: Choice) -> None:
    plan = make_plan(songs, choice)
    first = {song.key: song for song in reversed(songs)}
    names = [genre_key(genre) for genre in plan.playlists]
    assert len(set(names)) == len(names)
    for genre, keys in plan.playlists.items():
        assert len(keys) >= choice.min_tracks
        assert genre_key(genre) not in ("unknown", "")
        assert choice.genres is None or genre in choice.genres
        for key in keys:
            opinion = first[key].opinion
            assert first[key].skipped is None
            assert opinion is not None
            assert genre_key(opinion.genre) == genre_key(genre)
            assert opinion.confidence >= choice.accepted.min_confidence
            assert opinion.reason is None or not choice.accepted.limits


def test_what_nobody_knows_never_goes_to_a_genre() -> None:
    songs = [Song("a", Opinion("jazz")), Song("b"), Song("c", Opinion("unknown", 0.4, reason="is too far away"))]
    plan = make_plan(songs)
    assert [(decision.place, decision.genre) for decision in plan.decisions] == [
        ("playlist", "jazz"),
        ("no features", ""),
        ("unknown", "unknown"),
    ]


def test_a_playlist_is_called_as_the_user_calls_it() -> None:
    songs = [Song("a", Opinion("hip hop")), Song("b", Opinion("hip hop")), Song("c", Opinion("Hip-Hop"))]
    assert list(make_plan(songs).playlists) == ["hip hop"]
    assert list(make_plan(songs, Choice(genres=("HIP HOP",))).playlists) == ["HIP HOP"]


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ({"genres": ("", " ")}, "No genre was chosen"),
        ({"min_tracks": 0}, "must be at least 1, got 0"),
        ({"accepted": Acceptance(1.5)}, "must be from 0 to 1, got 1.5"),
    ],
)
def test_choices_that_cannot_be_are_refused(choice: dict[str, object], told: str) -> None:
    with pytest.raises(ParameterError, match=told):
        Choice(**choice)


@given(st.one_of(st.none(), GENRES), st.one_of(st.none(), st.floats(0, 1)), st.booleans(), st.floats(0, 1))
def test_doubt_is_never_a_genre(genre: str | None, confidence: float | None, limits: bool, bar: float) -> None:
    decided, reason = accepted_genre(genre, confidence, "in doubt", Acceptance(bar, limits))
    if genre is None or confidence is None:
        assert decided == genre
    else:
        assert (decided == "unknown") == (reason is not None or genre == "unknown")
        assert decided in (genre, "unknown")


def carried_out(wanted: list[str], held: Held, *, prune: bool) -> Held:
    """Return what a target has after a change, which it makes as Spotify does: removing takes all that stand there."""
    change = difference(wanted, held, prune=prune)
    rows = tuple(key for key in (*held.rows, *change.add) if key not in change.remove)
    own = (held.own | set(change.add)) - set(change.remove)
    return Held(rows, frozenset(own), held.taken_out)


@st.composite
def holdings(draw: st.DrawFn) -> Held:
    rows = draw(ROWS)
    own = frozenset(draw(st.lists(st.sampled_from(rows or ["z"])))) & set(rows)
    return Held(tuple(rows), own, frozenset(draw(st.lists(KEYS, max_size=3))) - own)


@given(ROWS, holdings(), st.booleans())
def test_a_second_run_changes_nothing(wanted: list[str], held: Held, prune: bool) -> None:
    after = carried_out(wanted, held, prune=prune)
    assert not difference(wanted, after, prune=prune)
    assert carried_out(wanted, after, prune=prune) == after


@given(ROWS, holdings(), st.booleans())
def test_no_row_of_the_user_is_removed(wanted: list[str], held: Held, prune: bool) -> None:
    before, after = Counter(held.rows), Counter(carried_out(wanted, held, prune=prune).rows)
    for key, count in before.items():
        # Of a song of ours that stands there twice, one is the user's.
        mine = key in held.own and count == 1
        assert mine or after[key] == count
    change = difference(wanted, held, prune=prune)
    assert prune or not change.remove
    assert set(change.stale) | set(change.remove) == (held.own & set(held.rows)) - set(wanted)


@given(ROWS, holdings(), st.booleans())
def test_all_that_is_wanted_is_there_but_what_the_user_took_out(wanted: list[str], held: Held, prune: bool) -> None:
    after = carried_out(wanted, held, prune=prune)
    change = difference(wanted, held, prune=prune)
    assert set(wanted) - set(after.rows) == set(change.taken_out) <= held.taken_out
    assert not set(change.add) & held.taken_out
    assert change.kept + len(change.add) + len(change.taken_out) == len(set(wanted))
    # No song comes twice by our doing.
    assert all(count == 1 or Counter(held.rows)[key] == count for key, count in Counter(after.rows).items())


@given(ROWS, holdings(), st.booleans(), st.integers(0, 12))
def test_interrupted_and_run_again_ends_like_one_run(wanted: list[str], held: Held, prune: bool, done: int) -> None:
    """Songs are added one by one, then removed one by one; the run ends after any of them."""
    change = difference(wanted, held, prune=prune)
    added = change.add[:done]
    removed = change.remove[: max(0, done - len(change.add))]
    half = Held(
        tuple(key for key in (*held.rows, *added) if key not in removed),
        (held.own | set(added)) - set(removed),
        held.taken_out,
    )
    assert carried_out(wanted, half, prune=prune) == carried_out(wanted, held, prune=prune)
