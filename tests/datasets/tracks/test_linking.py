"""Songs and linked artists, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_genre.datasets.tracks.linking import components, factorised_rows, plain, songs, split_artists

NUMBERS = st.lists(st.integers(-1, 6), min_size=1, max_size=14)


def union_find(pairs: list[tuple[int, int]], count: int) -> list[int]:
    """Return the least row of each row's component."""
    root = list(range(count))

    def find(row: int) -> int:
        while root[row] != row:
            row = root[row]
        return row

    for pair in pairs:
        low, high = sorted(map(find, pair))
        root[high] = low
    return [find(row) for row in range(count)]


def numbered(least: list[int]) -> list[int]:
    """Number components in the order of their first rows."""
    return [sorted(set(least)).index(row) for row in least]


@settings(max_examples=100)
@given(st.lists(NUMBERS, min_size=1, max_size=3))
def test_components_are_those_of_a_union_find(links: list[list[int]]) -> None:
    count = min(map(len, links))
    links = [numbers[:count] for numbers in links]
    pairs = [
        (a, b)
        for numbers in links
        for a in range(count)
        for b in range(a)
        if numbers[a] == numbers[b] and numbers[a] >= 0
    ]
    found = components([np.array(numbers, dtype=np.intp) for numbers in links], count)
    assert found.tolist() == numbered(union_find(pairs, count))


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.sampled_from(["A", "b", " B ", "C", "", "D  E", "d e"]), max_size=3), min_size=1, max_size=9)
)
def test_artists_of_one_cell_are_linked(cells: list[list[str]]) -> None:
    first, names, linked = split_artists([";".join(cell) for cell in cells], [";"])
    parts = [[plain(name) for name in cell if plain(name)] for cell in cells]
    assert [names[k] if k >= 0 else "" for k in first] == [part[0] if part else "" for part in parts]
    assert (linked >= 0).tolist() == [bool(part) for part in parts]
    rows = [row for row, part in enumerate(parts) if part]
    pairs = [(a, b) for a in rows for b in rows if set(parts[a]) & set(parts[b])]
    least = union_find(pairs, len(cells))
    for a in rows:
        for b in rows:
            assert (linked[a] == linked[b]) == (least[a] == least[b])


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.integers(-1, 3), st.integers(-1, 2), st.integers(-1, 2), st.sampled_from([0.0, -0.0, 1.5, np.nan])
        ),
        min_size=1,
        max_size=10,
    )
)
def test_songs_are_rows_of_one_id_or_title_or_sound(rows: list[tuple[int, int, int, float]]) -> None:
    ids, artists, titles, sound = (np.array(column) for column in zip(*rows, strict=True))
    found = songs(ids, artists, titles, np.column_stack([sound, sound]))

    def same(a: tuple[int, int, int, float], b: tuple[int, int, int, float]) -> bool:
        return (a[0] == b[0] >= 0) or (a[1:3] == b[1:3] and min(a[1:3]) >= 0) or a[3] == b[3]

    pairs = [(a, b) for a in range(len(rows)) for b in range(a) if same(rows[a], rows[b])]
    assert found.tolist() == numbered(union_find(pairs, len(rows)))


@pytest.mark.parametrize("separators", [[], [";"], ["; ", ", "]])
def test_separators_are_the_layouts(separators: list[str]) -> None:
    _, names, linked = split_artists(["A;B", "B, C", "C"], separators)
    assert len(names) == {0: 3, 1: 4, 2: 3}[len(separators)]
    assert len(set(linked.tolist())) == (2 if len(separators) == 2 else 3)


def test_rows_that_are_equal_have_one_number() -> None:
    rows = np.random.default_rng(0).integers(0, 3, (500, 3)).astype(float)
    numbers = factorised_rows(rows)
    _, expected = np.unique(rows, axis=0, return_inverse=True)
    assert len(set(zip(numbers.tolist(), expected.tolist(), strict=True))) == len(set(expected.tolist())) == 27
    assert len(set(numbers.tolist())) == 27
