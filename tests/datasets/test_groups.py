from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_genre.datasets import find_groups

SUFFIXES = st.sampled_from([".wav", ".mp3", ".flac", ".w64", ""])
# Names of tracks that are no number themselves, with dots, blanks and folders in them.
TRACKS = st.text("ab0. -/é", min_size=1, max_size=8).map(lambda text: f"t{text}x")


@given(st.lists(st.tuples(TRACKS, SUFFIXES), min_size=1, max_size=5, unique=True), st.integers(1, 12))
def test_segments_join_the_track_they_were_cut_from(tracks: list[tuple[str, str]], segments: int) -> None:
    items = [f"{stem}.{k}{suffix}" for stem, suffix in tracks for k in range(segments)]
    expected = [f"rock/{stem}{suffix}" for stem, suffix in tracks for _ in range(segments)]
    assert find_groups(items, ["rock"] * len(items)) == expected


@given(st.lists(st.tuples(TRACKS, SUFFIXES), min_size=1, max_size=8, unique=True))
def test_plain_names_are_a_track_each(tracks: list[tuple[str, str]]) -> None:
    items = [stem + suffix for stem, suffix in tracks]
    assert find_groups(items, ["rock"] * len(items)) == [f"rock/{item}" for item in items]


@given(st.permutations([f"{t}.{k}.wav" for t in "abc" for k in range(4)]))
def test_the_order_of_the_rows_does_not_matter(items: list[str]) -> None:
    assert find_groups(items, ["x"] * len(items)) == [f"x/{item[0]}.wav" for item in items]


@pytest.mark.parametrize(
    ("items", "groups"),
    [
        # A zero-padded number is part of the name.
        (["rock.00000.wav", "rock.00001.wav"], ["rock.00000.wav", "rock.00001.wav"]),
        (["rock.00000.0.wav", "rock.00000.1.wav"], ["rock.00000.wav"] * 2),
        (["x.00.wav", "x.01.wav"], ["x.00.wav", "x.01.wav"]),
        # A folder rock/ with files rock.0.wav, rock.1.wav, and something else in it.
        (["rock.0.wav", "rock.1.wav", "other.wav"], ["rock.0.wav", "rock.1.wav", "other.wav"]),
        (["cd1/rock.0.wav", "cd1/rock.1.wav"], ["cd1/rock.0.wav", "cd1/rock.1.wav"]),
        # Numbers that do not start at 0 number tracks.
        (["part.1.mp3", "part.2.mp3"], ["part.1.mp3", "part.2.mp3"]),
        # A removed row, or a file that is called like a part of another, tears no track apart.
        (["part.0.mp3", "part.2.mp3"], ["part.mp3"] * 2),
        (["a.0.wav", "a.0.wav", "a.1.wav", "a.2.wav"], ["a.wav"] * 4),
        # Folders keep equal names apart, and so do suffixes.
        (["a/01.0.mp3", "a/01.1.mp3", "b/01.0.mp3"], ["a/01.mp3", "a/01.mp3", "b/01.mp3"]),
        (["a.0.mp3", "a.0.wav", "a.1.mp3"], ["a.mp3", "a.wav", "a.mp3"]),
        # The name of a track may end in a number of its own.
        (["a.1.0.wav", "a.1.1.wav", "a.2.0.wav"], ["a.1.wav", "a.1.wav", "a.2.wav"]),
    ],
)
def test_clip_tables(items: list[str], groups: list[str]) -> None:
    assert find_groups(items, ["rock"] * len(items)) == [f"rock/{group}" for group in groups]


@pytest.mark.parametrize(
    ("items", "groups"),
    [
        (["a.1.wav", "a.7.wav"], ["a.wav", "a.wav"]),
        # The file rock.wav among others in the folder rock/ ...
        (["rock.0.wav", "rock.1.wav", "b.0.wav"], ["rock.wav", "rock.wav", "b.wav"]),
        # ... but if there are no others, 100 tracks are meant, not one.
        (["rock.0.wav", "rock.1.wav"], ["rock.0.wav", "rock.1.wav"]),
    ],
)
def test_segment_tables(items: list[str], groups: list[str]) -> None:
    assert find_groups(items, ["rock"] * len(items), segments=True) == [f"rock/{group}" for group in groups]


@pytest.mark.parametrize(
    ("rows", "groups"),
    [
        # Parts of one file: all but the last are exactly a clip long.
        ([("a.0.wav", 300), ("a.1.wav", 300), ("a.2.wav", 410)], ["a.wav"] * 3),
        # Beside it a short file that is called like its first part.
        ([("a.0.wav", 120), ("a.0.wav", 300), ("a.1.wav", 300)], ["a.0.wav", "a.wav", "a.wav"]),
        # Some rows were removed.
        ([("a.2.wav", 300), ("a.5.wav", 410), ("a.6.wav", 120)], ["a.wav"] * 3),
        # Files that are numbered: none is exactly a clip long.
        ([(f"a.{k}.wav", 120) for k in range(7)], [f"a.{k}.wav" for k in range(7)]),
        ([(f"a.{k}.wav", 301 + k) for k in range(7)], [f"a.{k}.wav" for k in range(7)]),
        # A length that is unknown may be any.
        ([("a.0.wav", np.nan), ("a.1.wav", 410)], ["a.wav"] * 2),
        ([("rock.0.wav", 300), ("rock.1.wav", 300)], ["rock.0.wav", "rock.1.wav"]),
    ],
)
def test_clip_tables_with_lengths(rows: list[tuple[str, float]], groups: list[str]) -> None:
    items, lengths = zip(*rows, strict=True)
    found = find_groups(items, ["rock"] * len(items), lengths=np.array(lengths, dtype=float), clip_samples=300)
    assert found == [f"rock/{group}" for group in groups]


@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=4).map(
        lambda extra: [300] * (len(extra)) + [300 + extra[0] % 300]
    ),
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 599)), max_size=5),
    st.randoms(use_true_random=False),
)
def test_parts_of_one_file_are_never_torn_apart(
    parts: list[int], others: list[tuple[int, int]], random: Random
) -> None:
    rows = [(f"x.{k}.wav", length, True) for k, length in enumerate(parts)]
    rows += [(f"x.{k}.wav", length, False) for k, length in others]
    random.shuffle(rows)
    rows = rows[: random.randint(1, len(rows))]
    groups = find_groups(
        [name for name, *_ in rows],
        ["rock"] * len(rows),
        lengths=np.array([length for _, length, _ in rows], dtype=float),
        clip_samples=300,
    )
    assert len({group for group, (*_, is_part) in zip(groups, rows, strict=True) if is_part}) <= 1


def test_segments_that_are_certain_are_one_track_even_if_called_like_the_label() -> None:
    assert find_groups(["rock.0.wav", "rock.1.wav"], ["rock"] * 2, segments=True, certain=True) == ["rock/rock.wav"] * 2


def test_equal_names_in_two_classes_are_two_tracks() -> None:
    assert find_groups(["1.0.wav", "1.0.wav"], ["jazz", "rock"]) == ["jazz/1.wav", "rock/1.wav"]
