from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_genre.inputs.pictures import crops_of, cut_crops
from audio_genre.training.crops import Augmentation, CropExamples

PLAIN = Augmentation()
ALL = Augmentation(
    band_shift=4, level=6.0, time_masks=2, time_mask_columns=8, band_masks=2, band_mask_bands=8, mixup=0.3
)


class Pictures:
    """Pictures whose every pixel tells the picture, the band and the column."""

    classes = ("a", "b")

    def __init__(self, *widths: int) -> None:
        self.widths = widths

    def pixels(self, i: int) -> np.ndarray:
        return (100 * i + 10 * np.arange(4)[:, np.newaxis] + np.arange(self.widths[i]) % 10).astype(np.uint8)


@given(width=st.integers(1, 200), columns=st.integers(1, 64), overlap=st.booleans())
def test_crops_cover_every_column_evenly(width: int, columns: int, overlap: bool) -> None:
    pixels = np.arange(width, dtype=np.uint8)[np.newaxis]
    crops = cut_crops(pixels, columns, overlap=overlap)
    assert crops.shape[1:] == (1, columns)
    assert set(crops.ravel().tolist()) == set(range(width))
    if width >= columns:
        starts = crops[:, 0, 0].astype(int)
        steps = np.diff(starts)
        assert starts[0] == 0
        assert starts[-1] == width - columns
        assert np.ptp(steps) <= 1 if len(steps) else len(starts) == 1
        assert (steps <= max(columns // 2, 1) if overlap else steps <= columns).all()


@given(seed=st.integers(0, 100), width=st.integers(1, 40), columns=st.integers(1, 40))
def test_a_plain_crop_is_a_stretch_of_the_looped_picture(seed: int, width: int, columns: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (4, width), dtype=np.uint8)
    crop = PLAIN.crop(pixels, columns, np.random.default_rng(seed))
    loops = np.tile(pixels, (1, 2 + columns // width))
    assert any(np.array_equal(crop, loops[:, start : start + columns]) for start in range(width))


def test_every_start_is_as_likely_as_another() -> None:
    pixels = np.arange(20, dtype=np.uint8)[np.newaxis]
    rng = np.random.default_rng(0)
    starts = [int(PLAIN.crop(pixels, 8, rng)[0, 0]) for _ in range(4000)]
    counts = np.bincount(starts, minlength=20)
    # Four standard deviations of a count around 200.
    assert (abs(counts - 200) < 4 * np.sqrt(200)).all()


def test_bands_move_and_the_outermost_comes_in() -> None:
    pixels = np.repeat(np.arange(10, 20, dtype=np.uint8)[:, np.newaxis], 3, axis=1)
    shift = replace(PLAIN, band_shift=2)
    rng = np.random.default_rng(0)
    seen = {tuple(shift.crop(pixels, 2, rng)[:, 0].astype(int).tolist()) for _ in range(100)}
    bands = np.arange(10)
    assert seen == {tuple((10 + np.clip(bands - k, 0, 9)).tolist()) for k in range(-2, 3)}


@pytest.mark.parametrize("axis", ["time", "band"])
def test_masks_are_filled_with_the_mean_and_not_wider_than_they_may_be(axis: str) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 200, (30, 30), dtype=np.uint8)
    settings: dict[str, Any] = (
        {"time_masks": 1, "time_mask_columns": 5} if axis == "time" else {"band_masks": 1, "band_mask_bands": 5}
    )
    widths = set()
    for seed in range(200):
        plain = PLAIN.crop(pixels, 30, np.random.default_rng(seed))
        masked = replace(PLAIN, **settings).crop(pixels, 30, np.random.default_rng(seed))
        changed = (masked != plain).any(axis=0 if axis == "time" else 1)
        widths.add(int(changed.sum()))
        where = np.flatnonzero(changed)
        assert len(where) == 0 or np.ptp(where) == len(where) - 1
        inside = masked[:, changed] if axis == "time" else masked[changed]
        np.testing.assert_allclose(inside, plain.mean(), rtol=1e-5)
    assert widths == set(range(6))


def test_the_level_moves_all_values_alike() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    moves = []
    for seed in range(300):
        plain = PLAIN.crop(pixels, 4, np.random.default_rng(seed))
        difference = replace(PLAIN, level=6.0).crop(pixels, 4, np.random.default_rng(seed)) - plain
        assert np.ptp(difference) < 1e-4
        moves.append(float(difference.mean()))
    assert np.std(moves) == pytest.approx(6.0, rel=0.15)


def test_mixing_keeps_the_targets_a_distribution_in_which_the_first_weighs_most() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(64, 3, 4)).astype(np.float32)
    targets = np.eye(64, dtype=np.float32)
    mixed, mixed_targets = replace(PLAIN, mixup=0.3).mix(X, targets, rng)
    np.testing.assert_allclose(mixed_targets.sum(axis=1), 1, rtol=1e-6)
    assert (np.diag(mixed_targets) >= 0.5 - 1e-6).all()
    assert (np.diag(mixed_targets) < 1).any()
    # Inputs are mixed with the same shares and partners as targets.
    np.testing.assert_allclose(mixed, np.tensordot(mixed_targets, X, axes=1), atol=1e-5)
    assert PLAIN.mix(X, targets, rng) == (X, targets)


def test_shuffled_examples_take_every_picture_once_a_pass() -> None:
    pictures = Pictures(20, 30, 5)
    examples = CropExamples(pictures, np.array([0, 1, 2, 1]), np.array([0, 1, 0, 1]), 8, PLAIN, crops_per_picture=2)  # type: ignore[arg-type]
    batches = list(examples.batches(3, np.random.default_rng(0)))
    assert len(examples) == 8
    assert [len(X) for X, _, _ in batches] == [3, 3, 2]
    assert all(weights is None for _, _, weights in batches)
    X, targets = (np.concatenate([batch[k] for batch in batches]) for k in range(2))
    assert X.shape == (8, 4, 8)
    assert X.dtype == targets.dtype == np.float32
    assert targets.shape == (8, 1, 2)
    owners = (X[:, 0, 0] // 100).astype(int)
    assert sorted(owners.tolist()) == [0, 0, 1, 1, 1, 1, 2, 2]
    assert targets[:, 0].argmax(axis=1).tolist() == [1 if owner == 1 else 0 for owner in owners]


def test_examples_in_order_are_untouched_whatever_the_augmentation() -> None:
    pictures = Pictures(20, 30, 5)
    examples = CropExamples(pictures, np.array([2, 0, 1]), np.array([0, 0, 1]), 8, ALL)  # type: ignore[arg-type]
    batches = list(examples.batches(2, None))
    X, targets = (np.concatenate([batch[k] for batch in batches]) for k in range(2))
    expected = [cut_crops(pictures.pixels(k), 8, overlap=False) for k in (2, 0, 1)]
    np.testing.assert_array_equal(X, np.concatenate(expected))
    assert targets[:, 0].argmax(axis=1).tolist() == [0] * (len(expected[0]) + len(expected[1])) + [1] * len(expected[2])


def test_the_same_seed_gives_the_same_batches() -> None:
    examples = CropExamples(Pictures(20, 30), np.array([0, 1] * 5), np.array([0, 1] * 5), 8, ALL)  # type: ignore[arg-type]
    first, second = (list(examples.batches(4, np.random.default_rng(3))) for _ in range(2))
    for (X, targets, _), (again, targets_again, _) in zip(first, second, strict=True):
        np.testing.assert_array_equal(X, again)
        np.testing.assert_array_equal(targets, targets_again)


@given(size=st.integers(1, 50))
def test_blocks_never_divide_a_picture_and_stay_near_their_size(size: int) -> None:
    pictures = Pictures(20, 30, 5, 8)
    rows = np.array([3, 0, 1, 2])
    blocks = list(crops_of(pictures, rows, 8, size))  # type: ignore[arg-type]
    most = max(len(cut_crops(pictures.pixels(k), 8)) for k in rows)
    assert all(len(X) == len(owners) < size + most for X, owners in blocks)
    owners = np.concatenate([owners for _, owners in blocks])
    assert owners.tolist() == [
        place for place, k in enumerate(rows) for _ in range(len(cut_crops(pictures.pixels(k), 8)))
    ]
    for (_, one), (_, other) in itertools.pairwise(blocks):
        assert not set(one.tolist()) & set(other.tolist())
