from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_genre.datasets import PROTOCOLS, Split, SplitProtocol, get_protocol, load_table
from audio_genre.errors import ParameterError, ProtocolError


def make_rows(segments: Sequence[Sequence[int]]) -> Any:
    """Rows of classes whose tracks have the given numbers of segments."""
    names = [
        (f"c{c}", f"c{c}/t{t}", f"t{t}.{k}.wav")
        for c, ts in enumerate(segments)
        for t, n in enumerate(ts)
        for k in range(n)
    ]
    labels, groups, items = (np.array(column) for column in zip(*names, strict=True))
    return SimpleNamespace(labels=labels, groups=groups, items=items)


def shuffled(rows: Any, order: np.ndarray) -> Any:
    return SimpleNamespace(labels=rows.labels[order], groups=rows.groups[order], items=rows.items[order])


TABLES = st.lists(st.lists(st.integers(1, 4), min_size=3, max_size=12), min_size=1, max_size=4).map(make_rows)
SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("name", PROTOCOLS)
@given(rows=TABLES, seed=SEEDS)
def test_every_protocol_keeps_its_promises(name: str, rows: Any, seed: int) -> None:
    protocol = PROTOCOLS[name]
    for split in protocol.splits(rows, seed=seed):
        sides = split.sides()
        assert list(sides) == ["train", "validation", "test"]
        assert sorted(np.concatenate(list(sides.values())).tolist()) == list(range(len(rows.labels)))
        for indices in sides.values():
            assert set(rows.labels[indices]) == set(rows.labels)
            assert np.all(np.diff(indices) > 0)
        if not protocol.leaky:
            owners = [set(rows.groups[indices]) for indices in sides.values()]
            assert len(set.union(*owners)) == sum(map(len, owners))


@pytest.mark.parametrize("name", PROTOCOLS)
@given(rows=TABLES, seed=SEEDS, data=st.data())
def test_the_order_of_the_rows_does_not_matter(name: str, rows: Any, seed: int, data: st.DataObject) -> None:
    order = np.array(data.draw(st.permutations(range(len(rows.labels)))))
    for split, again in zip(
        PROTOCOLS[name].splits(rows, seed=seed), PROTOCOLS[name].splits(shuffled(rows, order), seed=seed), strict=True
    ):
        for side, indices in split.sides().items():
            assert sorted(order[again.sides()[side]].tolist()) == indices.tolist()


@pytest.mark.parametrize("name", PROTOCOLS)
def test_shares_and_seeds(name: str) -> None:
    rows = make_rows([[1] * 100] * 3)
    (split,) = PROTOCOLS[name].splits(rows, seed=5)
    (same,) = PROTOCOLS[name].splits(rows, seed=5)
    (other,) = PROTOCOLS[name].splits(rows, seed=6)
    for side, count in {"train": 60, "validation": 20, "test": 20}.items():
        assert np.unique(rows.labels[split.sides()[side]], return_counts=True)[1].tolist() == [count] * 3
        np.testing.assert_array_equal(split.sides()[side], same.sides()[side])
    assert split.test.tolist() != other.test.tolist()


def test_only_the_segment_protocol_leaks_and_says_so() -> None:
    assert [name for name, protocol in PROTOCOLS.items() if protocol.leaky] == ["segment"]
    assert "LEAKY" in get_protocol("segment").description
    rows = make_rows([[10] * 10] * 2)
    (split,) = get_protocol("segment").splits(rows)
    assert set(rows.groups[split.train]) & set(rows.groups[split.test])


@pytest.mark.parametrize(
    ("name", "segments", "message"),
    [
        ("track", [[3, 3, 3], [9, 9]], "The class 'c1' has 2 tracks, and the protocol 'track' needs at least 3"),
        ("track", [[10]], "The class 'c0' has 1 track,"),
        ("segment", [[1, 1]], "The class 'c0' has 2 rows, and the protocol 'segment' needs at least 3"),
    ],
)
def test_too_few_tracks_are_refused(name: str, segments: list[list[int]], message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        get_protocol(name).splits(make_rows(segments))


def test_a_protocol_that_deals_badly_is_caught() -> None:
    class Dealt(SplitProtocol):
        name = "dealt"
        description = "as told"

        def __init__(self, *sides: list[int]) -> None:
            self.sides = [np.array(side, dtype=np.intp) for side in sides]

        def _deal(self, rows: Any, seed: int) -> tuple[Split, ...]:
            return (Split(*self.sides),)

    rows = make_rows([[1, 1, 1, 2]])
    Dealt([0], [1], [2, 3, 4]).splits(rows)
    for sides, message in (
        (([0], [1], [2, 3]), "did not deal every row"),
        (([0], [1], [1, 2, 3, 4]), "did not deal every row"),
        (([0, 1], [], [2, 3, 4]), "left no row of class 'c0' for validation"),
        (([0, 3], [1], [2, 4]), "put rows of one track on two sides"),
    ):
        with pytest.raises(ProtocolError, match=message):
            Dealt(*sides).splits(rows)


def test_unknown_protocols_and_seeds_are_refused() -> None:
    with pytest.raises(ParameterError, match="'artists' is unknown; choose one of track, segment"):
        get_protocol("artists")
    with pytest.raises(ParameterError, match="got -1"):
        get_protocol("track").splits(make_rows([[1, 1, 1]]), seed=-1)


def test_one_seed_gives_the_same_tracks_for_clips_and_for_segments(shared_data: Path) -> None:
    clips, segments = (load_table(shared_data / "gtzan" / f"features_{seconds}_sec.csv") for seconds in (30, 10))
    (a,), (b,) = (get_protocol("track").splits(table, seed=3) for table in (clips, segments))
    assert set(clips.groups[a.test]) == set(segments.groups[b.test])
