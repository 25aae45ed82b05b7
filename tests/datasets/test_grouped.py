"""Dealing of units that span classes, against scikit-learn and by its promises."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from audio_genre.datasets.grouped import SHARES, deal_together, group_column, spread_classes
from audio_genre.datasets.protocols import get_protocol
from audio_genre.errors import ParameterError, ProtocolError


def random_units(seed: int, count: int, units: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return units of very different sizes, most of them with a favourite class."""
    rng = np.random.default_rng(seed)
    share = rng.pareto(1.5, units) + 0.05
    unit = np.concatenate([np.arange(units), rng.choice(units, count - units, p=share / share.sum())])
    favourite = rng.integers(0, classes, units)
    y = np.where(rng.random(count) < 0.7, favourite[unit], rng.integers(0, classes, count))
    y[:classes] = np.arange(classes)
    return unit.astype(np.intp), y.astype(np.intp)


def unevenness(part: np.ndarray, y: np.ndarray, shares: tuple[float, ...]) -> float:
    """Return the mean distance of the classes' shares of each part from what they are to be."""
    classes = int(y.max()) + 1
    counts = np.bincount(part * classes + y, minlength=len(shares) * classes).reshape(len(shares), classes)
    return float(np.abs(counts / counts.sum(axis=0) - np.array(shares)[:, np.newaxis]).mean())


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(5, 60), st.sampled_from([SHARES, (0.25,) * 4]))
def test_a_unit_is_never_torn_apart(seed: int, classes: int, units: int, shares: tuple[float, ...]) -> None:
    unit, y = random_units(seed, 200, units, classes)
    large = 0 if shares is SHARES else None
    part = deal_together(unit, y, shares, np.random.default_rng(0), large=large)
    assert len(np.unique(unit * 10 + part)) == units
    names = tuple(f"c{k}" for k in range(classes))
    fewest = min(len(np.unique(unit[y == k])) for k in range(classes))
    if fewest < len(shares):
        with pytest.raises(ProtocolError, match=r"has too few units \([123]\)"):
            spread_classes(part, unit, y, names, len(shares), "units")
        return
    spread = spread_classes(part, unit, y, names, len(shares), "units")
    assert len(np.unique(unit * 10 + spread)) == units
    if fewest >= 3 * len(shares):
        assert len(np.unique(spread * classes + y)) == len(shares) * classes


@pytest.mark.parametrize("seed", range(3))
def test_it_is_as_even_as_scikit_learn(seed: int) -> None:
    unit, y = random_units(seed, 6000, 900, 8)
    shares = (0.2,) * 5
    ours = deal_together(unit, y, shares, np.random.default_rng(seed), large=None)
    theirs = np.empty_like(ours)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    for number, (_, test) in enumerate(folds.split(unit, y, unit)):
        theirs[test] = number
    assert unevenness(ours, y, shares) <= unevenness(theirs, y, shares) + 0.01


def test_the_shares_are_met() -> None:
    unit, y = random_units(0, 20_000, 4000, 13)
    part = deal_together(unit, y, SHARES, np.random.default_rng(0), large=0)
    assert unevenness(part, y, SHARES) < 0.01


def test_what_is_larger_than_a_tenth_goes_where_it_is_told() -> None:
    unit, y = random_units(0, 1000, 300, 3)
    unit[100:350] = 299
    for large in (0, 1, 2):
        part = deal_together(unit, y, SHARES, np.random.default_rng(0), large=large)
        assert (part[unit == 299] == large).all()


def test_a_rare_class_is_in_every_part_and_takes_none_from_another() -> None:
    # Three units hold two rare classes each; a fourth unit has the first of them alone.
    unit = np.concatenate([np.arange(100), [0, 1, 2, 0, 1, 2, 3]])
    y = np.concatenate([np.zeros(100, dtype=np.intp), [1, 1, 1, 2, 2, 2, 1]])
    part = np.zeros(len(unit), dtype=np.intp)
    spread = spread_classes(part, unit, y, ("a", "b", "c"), 3, "units")
    for number in range(3):
        assert set(spread[y == number].tolist()) == {0, 1, 2}


def test_the_classes_with_too_few_units_are_named() -> None:
    with pytest.raises(
        ProtocolError, match=r"The class 'rare' has too few artists \(1\), and each of the 3 subsets needs at least"
    ):
        spread_classes(
            np.zeros(5, dtype=np.intp),
            np.array([0, 1, 2, 3, 3]),
            np.array([0, 0, 0, 1, 1]),
            ("a", "rare"),
            3,
            "artists",
        )


def test_hundreds_of_thousands_of_units_take_seconds() -> None:
    unit, y = random_units(0, 600_000, 300_000, 20)
    started = time.process_time()
    part = deal_together(unit, y, SHARES, np.random.default_rng(0), large=0)
    part = spread_classes(part, unit, y, tuple(f"c{k}" for k in range(20)), 3, "units")
    assert time.process_time() - started < 15
    assert unevenness(part, y, SHARES) < 0.001


def test_the_column_of_a_protocol() -> None:
    assert group_column("group:a:b") == "a:b"
    assert group_column("track") is group_column(None) is None
    with pytest.raises(ParameterError, match="needs a column"):
        group_column("group:")


def test_the_leaky_protocol_speaks_of_songs_where_rows_are_no_segments() -> None:
    labels = np.repeat(["jazz", "rock"], 30)
    items = np.array([f"id{k}" for k in range(60)])
    songs = np.arange(60) // 2
    rows = SimpleNamespace(labels=labels, groups=items, items=items, together={"track": songs})
    fitting = get_protocol("segment").for_rows(rows)
    assert fitting.leaky
    assert "versions of one song" in fitting.description
    assert "segments" not in fitting.description
    (split,) = fitting.for_rows(rows).splits(rows)
    assert set(songs[split.train]) & set(songs[split.test])
