"""Names cut at once are cut as one at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_genre.datasets import parts

CELLS = ["", "0", "1", "7", "00", "03", "012", "0123", "123456789", "1234567890", "²", "٣", "1٣"]
WORDS = [
    "a",
    "blues",
    "wav",
    "mp3",
    "3a",
    "_",
    "_1",
    "Ä",
    "wäv",
    "a b",
    "x-1",
    "(2)",
    "a/",
    "/",
    "b/c",
    "\n",
    "\r",
    "\x00",
]
NAMES = st.one_of(
    st.lists(st.sampled_from(CELLS + WORDS), min_size=1, max_size=5).map(".".join),
    st.text(st.sampled_from("./01aZ_ -é٣\n\ud800"), max_size=8),
    st.text(max_size=6),
)


@given(st.lists(NAMES, max_size=30), st.booleans())
def test_fast_road_cuts_as_the_careful_one(items: list[str], padded: bool) -> None:
    """Whatever the names are: the patterns decide, and only them."""
    patterns = (parts._PART, parts._PADDED_PART) if padded else (parts._PART,)
    files, numbers = parts.cut_parts(items, padded=padded)
    assert list(zip(files, numbers.tolist(), strict=True)) == [parts._cut(item, patterns) for item in items]


@pytest.mark.parametrize(
    "name",
    ["a.0001.3.wav", "a.00012.wav", "012345.mp3", "track.7.mp3", "track7.3", "5SuOikwiRyPMVoIQDJUgSV", "Ä - é.mp3"],
)
def test_usual_names_take_the_fast_road(name: str) -> None:
    """The careful road takes several times as long."""
    assert not parts._cut_usual([name, name])[2].any()


def test_many_names_are_cut_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also across the bounds of what is cut at once."""
    items = [f"{row // 3}.{'0' * (row % 2)}{row % 3}.wav" for row in range(100)]
    whole = parts.cut_parts(items)
    monkeypatch.setattr(parts, "_NAMES_AT_A_TIME", 7)
    files, numbers = parts.cut_parts(items)
    assert files == whole[0]
    np.testing.assert_array_equal(numbers, whole[1])
