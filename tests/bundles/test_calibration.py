from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from feature_tables import write_table
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.metrics import log_loss
from typer.testing import CliRunner

from audio_genre.bundles.arrays import read_arrays, write_arrays
from audio_genre.bundles.calibration import (
    ACCEPTED,
    MIN_TRACKS,
    NO_LIMIT,
    Calibration,
    NoveltyDetector,
    apply_temperature,
    calibration_error,
    fit_temperature,
)
from audio_genre.cli import app
from audio_genre.datasets import load_table
from audio_genre.inputs import load_bundle


def rows(n: int = 300, d: int = 6, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of three classes: half of the quantities signed, half positive over orders of magnitude."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    X = rng.normal(size=(n, d)) + y[:, np.newaxis]
    X[:, d // 2 :] = np.exp(2 * X[:, d // 2 :]) * 1e4
    return X, y


def test_distances_are_those_to_the_nearest_centre() -> None:
    X, y = rows(n=30)
    novelty = NoveltyDetector.fit(X, y)
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    Z = np.sign(z) * np.log1p(np.abs(z))
    expected = cdist(Z, novelty.prototypes).min(axis=1) / np.sqrt(X.shape[1])
    np.testing.assert_allclose(novelty.distances(X), expected, rtol=1e-9)
    assert novelty.prototypes.shape == (15, 6)
    assert novelty.size == 6


def test_centres_are_those_of_k_means_within_each_class() -> None:
    X, y = rows(n=90)
    novelty = NoveltyDetector.fit(X, y)
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    Z = np.sign(z) * np.log1p(np.abs(z))
    for k in range(3):
        centres = novelty.prototypes[5 * k : 5 * k + 5]
        nearest = cdist(Z[y == k], centres).argmin(axis=1)
        for number, centre in enumerate(centres):
            np.testing.assert_allclose(Z[y == k][nearest == number].mean(axis=0), centre, rtol=1e-6, atol=1e-9)


def test_what_is_like_training_is_near_and_what_is_not_is_far() -> None:
    X, y = rows()
    novelty = NoveltyDetector.fit(X, y)
    others, _ = rows(seed=1)
    limit = np.quantile(novelty.distances(others), 0.99)
    huge = others.copy()
    huge[:, 0] += 50
    # Each quantity is usual, and together they are not.
    odd = np.tile(X.mean(axis=0), (1, 1)) + X.std(axis=0) * [[3, -3, 3, -3, 3, -3]]
    assert (novelty.distances(huge) > limit).all()
    assert (novelty.distances(odd) > limit).all()
    assert np.isfinite(novelty.distances(np.full((1, 6), 1e30))).all()


def test_constant_quantities_and_copies_change_nothing() -> None:
    X, y = rows()
    plain = NoveltyDetector.fit(X, y).distances(X)
    more = np.column_stack([X, np.full(len(X), 0.1), np.zeros(len(X))])
    distances = NoveltyDetector.fit(more, y).distances(more)
    np.testing.assert_allclose(distances, plain * np.sqrt(6 / 8), rtol=1e-9)
    assert NoveltyDetector.fit(np.ones((6, 3)), np.arange(6) % 2).distances(np.full((1, 3), 9.0)).tolist() == [0]


def test_the_same_rows_give_the_same() -> None:
    first, second = (NoveltyDetector.fit(*rows(), seed=3) for _ in range(2))
    for name, array in first.arrays().items():
        np.testing.assert_array_equal(array, second.arrays()[name])


@pytest.mark.parametrize("count", [1, 2, 4])
def test_few_rows_of_a_class_are_centres_themselves(count: int) -> None:
    X, y = rows(n=3 * count)
    novelty = NoveltyDetector.fit(X, y)
    assert len(novelty.prototypes) == 3 * count
    np.testing.assert_allclose(novelty.distances(X), 0, atol=1e-9)


def test_a_file_gives_the_same_again() -> None:
    X, y = rows()
    X = np.column_stack([X, np.zeros(len(X))])
    novelty = NoveltyDetector.fit(X, y)
    again = NoveltyDetector.from_arrays(read_arrays(write_arrays(novelty.arrays())))
    np.testing.assert_array_equal(again.distances(X), novelty.distances(X))


@pytest.mark.parametrize(
    ("name", "array", "reason"),
    [
        ("scale", None, "other arrays"),
        ("precision", np.ones(6), "other arrays"),
        ("mean", np.ones(6, dtype=np.float32), "other arrays"),
        ("scale", np.ones(5), "do not fit together"),
        ("mean", np.ones((6, 1)), "do not fit together"),
        ("prototypes", np.ones(6), "do not fit together"),
        ("prototypes", np.ones((3, 5)), "do not fit together"),
        ("prototypes", np.ones((0, 6)), "nothing to compare"),
        ("mean", np.full(6, np.nan), "out of range"),
        ("prototypes", np.full((2, 6), 1e200), "out of range"),
        ("scale", np.zeros(6), "out of range"),
        ("scale", np.full(6, 5e-324), "out of range"),
        ("prototypes", np.zeros((100_001, 6)), "or too many prototypes"),
        ("scale", np.full(6, np.nan), "out of range"),
    ],
)
def test_arrays_that_no_fit_gives_are_refused(name: str, array: np.ndarray | None, reason: str) -> None:
    arrays = NoveltyDetector.fit(*rows()).arrays()
    if array is None:
        del arrays[name]
    else:
        arrays[name] = array
    with pytest.raises(ValueError, match=reason):
        NoveltyDetector.from_arrays(arrays)


@given(
    logits=st.lists(st.lists(st.floats(-8, 8), min_size=4, max_size=4), min_size=1, max_size=6),
    temperature=st.floats(0.1, 10),
)
def test_a_temperature_keeps_the_order_and_sums_to_one(logits: list[list[float]], temperature: float) -> None:
    p = np.exp(np.array(logits))
    p /= p.sum(axis=1, keepdims=True)
    scaled = apply_temperature(p, temperature)
    np.testing.assert_allclose(scaled.sum(axis=1), 1, rtol=1e-12)
    order = np.argsort(p, axis=1, kind="stable")
    assert (np.diff(np.take_along_axis(scaled, order, axis=1), axis=1) >= -1e-12).all()
    np.testing.assert_allclose(apply_temperature(p, 1.0), p, rtol=1e-9)


def votes(n: int = 4000, sharpness: float = 3.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Votes that are right as often as they say, and their classes."""
    rng = np.random.default_rng(seed)
    p = np.exp(sharpness * rng.normal(size=(n, 5)))
    p /= p.sum(axis=1, keepdims=True)
    y = (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return p, y


@pytest.mark.parametrize("spoiled", [0.4, 1.0, 2.5])
def test_the_temperature_undoes_what_made_probabilities_wrong(spoiled: float) -> None:
    p, y = votes()
    seen = apply_temperature(p, 1 / spoiled)
    found = Calibration.fit(seen, y, np.ones(len(y)))
    assert found.temperature == pytest.approx(spoiled, rel=0.1)
    other, truth = votes(seed=1)
    mended = apply_temperature(apply_temperature(other, 1 / spoiled), found.temperature)
    assert calibration_error(mended.max(axis=1), mended.argmax(axis=1) == truth) < 0.02
    assert (
        log_loss(truth, mended, labels=range(5))
        <= log_loss(truth, apply_temperature(other, 1 / spoiled), labels=range(5)) + 1e-3
    )


@given(seed=st.integers(0, 50), n=st.integers(MIN_TRACKS, 300), accepted=st.sampled_from([0.5, 0.9, 0.95]))
def test_the_limits_accept_the_share_asked_for(seed: int, n: int, accepted: float) -> None:
    p, y = votes(n, seed=seed)
    distances = np.random.default_rng(seed).gamma(5, size=n)
    limits = Calibration.fit(p, y, distances, accepted=accepted)
    best = apply_temperature(p, limits.temperature).max(axis=1)
    share = np.mean((distances <= limits.max_distance) & (best >= limits.min_confidence))
    assert share == pytest.approx(accepted, abs=1.5 / n + 0.01)


@pytest.mark.parametrize(("n", "is_kept"), [(1, True), (4, True), (20, False), (200, False)])
def test_a_few_tracks_that_are_all_right_do_not_make_certain(n: int, is_kept: bool) -> None:
    p = np.full((n, 3), 0.1)
    p[:, 0] = 0.8
    found = Calibration.fit(p, np.zeros(n, dtype=int), np.ones(n))
    assert (found.temperature == 1) == is_kept
    if not is_kept:
        assert apply_temperature(p, found.temperature).max() == pytest.approx((n + 1) / (n + 2), abs=1e-4)
    assert (found.tracks, found.accepted) == (n, ACCEPTED)


def test_a_temperature_within_chance_is_left_alone() -> None:
    # Probabilities that are right as they are: the test at the level of 5 % keeps 1 in about 95 of 100.
    kept = [fit_temperature(*votes(100, seed=seed)) == 1 for seed in range(100)]
    assert 88 <= sum(kept) < 100
    assert fit_temperature(np.full((100, 5), 0.2), votes(100)[1]) == 1


def test_why_unknown_at_the_limits() -> None:
    limits = Calibration(min_confidence=0.3, max_distance=0.8)
    assert limits.unknown_reason(0.3, 0.8) is None
    assert "no genre is probable enough" in (limits.unknown_reason(0.2999, 0.8) or "")
    assert "unlike anything" in (limits.unknown_reason(0.1, 0.8001) or "")
    assert Calibration().unknown_reason(0.0, 1e300) is None


def test_the_error_is_zero_for_perfect_and_full_for_wrong_certainty() -> None:
    assert calibration_error(np.ones(4), np.ones(4, dtype=bool)) == 0
    assert calibration_error(np.ones(4), np.zeros(4, dtype=bool)) == 1


def test_windows_have_a_temperature_of_their_own() -> None:
    p, y = votes()
    windows, truth = votes(seed=1)
    found = Calibration.fit(p, y, np.ones(len(y)), (apply_temperature(windows, 1 / 2.5), truth))
    assert found.temperature == 1
    assert found.window_temperature == pytest.approx(2.5, rel=0.1)
    alone = Calibration.fit(apply_temperature(p, 1 / 2.5), y, np.ones(len(y)))
    assert alone.window_temperature == alone.temperature == pytest.approx(2.5, rel=0.1)


def test_more_too_far_than_may_be_given_up_leaves_no_limit_of_doubt() -> None:
    p, y = votes(100)
    found = Calibration.fit(p, y, np.arange(100.0), accepted=0.0)
    # Half of them are too far, and giving up all others for doubt would leave no limit to name.
    assert (found.max_distance, found.min_confidence) == (49.5, 0)


@pytest.mark.parametrize("n", [1, 3, 6, 10, 20, 27, 28, 40, 49])
def test_limits_of_few_tracks_turn_away_no_more_new_ones_than_they_may(n: int) -> None:
    """Whatever the number, new tracks are accepted as often as was asked for, on average over many trainings."""
    shares, old = [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        p, y = votes(n + 400, seed=seed)
        distances, new = rng.gamma(5, size=n), rng.gamma(5, size=400)
        limits = Calibration.fit(p[:n], y[:n], distances)
        best = apply_temperature(p[n:], limits.temperature).max(axis=1)
        shares.append(np.mean((new <= limits.max_distance) & (best >= limits.min_confidence)))
        old.append(np.mean(new <= np.quantile(distances, 0.965)))
        # 28 is the least number of which the furthest is far enough to be a limit.
        assert (limits.max_distance == NO_LIMIT) == (limits.min_confidence == 0) == (n < 28)
    assert np.mean(shares) >= ACCEPTED - 0.01
    if n <= 10:
        assert np.mean(old) < 0.9


def test_tracks_that_are_left_out_give_a_limit_where_validation_tracks_are_few() -> None:
    p, y = votes(6)
    left_out = np.arange(40.0)
    found = Calibration.fit(p, y, np.full(6, 0.5), left_out=left_out)
    # Of 46 tracks, only beyond the furthest is a new one seldom enough.
    assert (found.max_distance, found.min_confidence) == (39, 0)
    assert found.remark == (
        "6 validation tracks are too few to fit the limits for unknown (50 are needed): the limit of the distance was "
        "found by cross-validation on the training tracks, and there is none for the probability."
    )
    alone = Calibration.fit(p, y, np.full(6, 0.5), left_out=left_out[:5])
    assert alone.max_distance == NO_LIMIT
    assert "the model has no limits for unknown, so it answers a genre for everything except silence" in alone.remark
    assert alone.unknown_reason(0.01, 1e6) is None
    # Enough tracks need no others.
    many = votes(MIN_TRACKS)
    distances = np.linspace(0, 1, MIN_TRACKS)
    assert Calibration.fit(*many, distances, left_out=left_out) == Calibration.fit(*many, distances)
    assert Calibration.fit(*many, distances).remark == ""


def test_a_track_is_measured_by_what_is_familiar_without_it() -> None:
    X, y = rows(n=24)
    groups = np.array([f"track {k // 3 % 4} of {label}" for k, label in enumerate(y)])
    y = np.array([int(group[-1]) for group in groups])
    found = NoveltyDetector.cross_validate(X, y, groups)
    names = np.unique(groups)
    assert len(names) > 10
    assert len(found) == len(names)
    few = np.isin(groups, names[:9])
    by_name = dict(zip(names[:9], NoveltyDetector.cross_validate(X[few], y[few], groups[few]), strict=True))
    # Up to ten tracks, each is a fold of its own.
    for name, distance in by_name.items():
        mine, others = few & (groups == name), few & (groups != name)
        expected = NoveltyDetector.fit(X[others], y[others]).distances(X[mine]).mean()
        assert distance == pytest.approx(expected)
    assert (found > 0).all()
    assert len(NoveltyDetector.cross_validate(X[:3], y[:3], np.repeat("one", 3))) == 0


def test_few_validation_tracks_are_told_at_training_on_the_card_and_by_no_answer(tmp_path: Path) -> None:
    table = write_table(tmp_path / "features_30_sec.csv", tracks=6)
    command = ["train", "baseline", str(table), str(tmp_path / "models"), "--variant", "random-forest"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    bundle = load_bundle(tmp_path / "models" / "random-forest")
    remark = bundle.calibration.remark
    assert remark.startswith("3 validation tracks are too few to fit the limits for unknown (50 are needed)")
    assert result.stderr.count(remark) == 1
    assert remark in bundle.card.to_dict()["limits"]
    # With limits of three tracks, half of the clips of so small a set were unknown to its own model.
    rows = load_table(table)
    assert bundle.novelty is not None
    distances = bundle.novelty.distances(rows.X)
    confidence = apply_temperature(bundle.predict(rows.X), bundle.calibration.temperature).max(axis=1)
    reasons = [bundle.calibration.unknown_reason(p, far) for p, far in zip(confidence, distances, strict=True)]
    assert reasons == [None] * 18
