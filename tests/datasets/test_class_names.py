from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_genre.datasets.class_names import codes, doubts, spelling_key, variants


@pytest.mark.parametrize(
    "names",
    [
        ("hip-hop", "HipHop", "Hip Hop", "hip_hop", " HIP HOP"),
        ("R&B", "r-n-b", "rnb", "R and B", "R & B"),
        ("Drum & Bass", "drum and bass", "drum'n'bass", "drum-n-bass"),
        ("chanson française", "Chanson Francaise"),
    ],
)
def test_spellings_of_one_genre_meet(names: tuple[str, ...]) -> None:
    assert len({spelling_key(name) for name in names}) == 1
    assert variants(names) == [names]


def test_different_genres_stay_apart() -> None:
    names = ("rock", "punk rock", "pop", "hip hop", "trip hop", "andes", "blues", "house", "80s", "90s", "&", "-")
    assert variants(names) == []


def test_numbers_are_codes() -> None:
    assert codes(["5", "12", "80s", "rock", "  7 ", "3.0", "-1", "1,0", "2 Step", "R&B", "."]) == [
        "5",
        "12",
        "  7 ",
        "3.0",
        "-1",
        "1,0",
    ]


def test_sentences_name_the_classes_with_their_counts() -> None:
    (first, second) = doubts({"hip-hop": 9, "HipHop": 4, "5": 2}, "files")
    assert "'hip-hop' (9 files) and 'HipHop' (4 files) are kept apart" in first
    assert second.startswith("Class '5' (2 files) is named by a number")
    assert doubts({"rock": 3, "jazz": 3}, "files") == ()


@given(st.text(min_size=1))
def test_a_name_is_a_spelling_of_itself_in_any_case(name: str) -> None:
    assert spelling_key(name) == spelling_key(name)
    assert spelling_key(name.lower()) == spelling_key(name.lower().upper().lower())
