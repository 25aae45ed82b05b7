from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf
from sklearn.metrics import log_loss

from audio_genre.errors import BundleError
from audio_genre.training.calibration import Calibration, Familiarity, calibration_error, temper


def rows(n: int = 300, d: int = 6, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of three classes: half of the quantities signed, half positive over orders of magnitude."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    X = rng.normal(size=(n, d)) + y[:, np.newaxis]
    X[:, d // 2 :] = np.exp(2 * X[:, d // 2 :]) * 1e4
    return X, y


def test_distances_are_those_of_mahalanobis_to_the_nearest_class() -> None:
    X, y = rows()
    X = X[:, :3]
    familiarity = Familiarity.fit(X, y, 3)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    centres = np.stack([Z[y == k].mean(axis=0) for k in range(3)])
    model = LedoitWolf(assume_centered=True).fit(Z - centres[y])
    expected = np.min([model.mahalanobis(Z - centre) for centre in centres], axis=0)
    np.testing.assert_allclose(familiarity.distances(X) ** 2 * 3, expected, rtol=1e-6)


def test_what_is_like_training_is_near_and_what_is_not_is_far() -> None:
    X, y = rows()
    familiarity = Familiarity.fit(X, y, 3)
    others, _ = rows(seed=1)
    assert np.median(familiarity.distances(others)) == pytest.approx(1, abs=0.2)
    limit = np.quantile(familiarity.distances(others), 0.99)
    # Small by orders of magnitude, which a difference of values would not show.
    tiny = others.copy()
    tiny[:, -1] *= 1e-9
    huge = others.copy()
    huge[:, 0] += 50
    assert np.mean(familiarity.distances(tiny) > limit) > 0.98
    assert (familiarity.distances(huge) > limit).all()
    assert np.isfinite(familiarity.distances(np.zeros((1, 6)))).all()


def test_constant_quantities_and_copies_change_nothing() -> None:
    X, y = rows()
    plain = Familiarity.fit(X, y, 3).distances(X)
    more = np.column_stack([X, np.full(len(X), 7.0), np.zeros(len(X))])
    distances = Familiarity.fit(more, y, 3).distances(more)
    assert np.corrcoef(plain, distances)[0, 1] > 0.99
    assert np.isfinite(Familiarity.fit(np.ones((6, 3)), np.arange(6) % 2, 2).distances(np.ones((1, 3)))).all()


def test_arrays_make_the_same_again() -> None:
    X, y = rows()
    familiarity = Familiarity.fit(X, y, 3)
    again = Familiarity.from_arrays(familiarity.arrays(), classes=3, source="x")
    np.testing.assert_array_equal(again.distances(X), familiarity.distances(X))


@pytest.mark.parametrize("fault", ["missing", "shape", "type", "classes", "scalar"])
def test_arrays_that_do_not_fit_are_a_sentence(fault: str) -> None:
    arrays = Familiarity.fit(*rows(), 3).arrays()
    if fault == "missing":
        del arrays["precision"]
    elif fault == "shape":
        arrays["scale"] = arrays["scale"][:-1]
    elif fault == "type":
        arrays["mean"] = arrays["mean"].astype(np.float32)
    elif fault == "scalar":
        arrays["mean"] = np.array(1.0)
    with pytest.raises(BundleError, match="do not fit together"):
        Familiarity.from_arrays(arrays, classes=4 if fault == "classes" else 3, source="x")


@given(
    logits=st.lists(st.lists(st.floats(-8, 8), min_size=4, max_size=4), min_size=1, max_size=6),
    temperature=st.floats(0.1, 10),
)
def test_a_temperature_keeps_the_order_and_sums_to_one(logits: list[list[float]], temperature: float) -> None:
    p = np.exp(np.array(logits))
    p /= p.sum(axis=1, keepdims=True)
    scaled = temper(p, temperature)
    np.testing.assert_allclose(scaled.sum(axis=1), 1, rtol=1e-12)
    order = np.argsort(p, axis=1, kind="stable")
    assert (np.diff(np.take_along_axis(scaled, order, axis=1), axis=1) >= -1e-12).all()
    np.testing.assert_allclose(temper(p, 1.0), p, rtol=1e-9)


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
    seen = temper(p, 1 / spoiled)
    found = Calibration.fit(seen, y, np.ones(len(y)))
    assert found.temperature == pytest.approx(spoiled, rel=0.1)
    other, truth = votes(seed=1)
    mended = temper(temper(other, 1 / spoiled), found.temperature)
    assert calibration_error(mended, truth) < 0.02
    assert (
        log_loss(truth, mended, labels=range(5)) <= log_loss(truth, temper(other, 1 / spoiled), labels=range(5)) + 1e-3
    )


@given(seed=st.integers(0, 50), n=st.integers(5, 300), accepted=st.sampled_from([0.5, 0.9, 0.95]))
def test_the_limits_accept_the_share_asked_for(seed: int, n: int, accepted: float) -> None:
    p, y = votes(n, seed=seed)
    distances = np.random.default_rng(seed).gamma(5, size=n)
    limits = Calibration.fit(p, y, distances, accepted)
    best = temper(p, limits.temperature).max(axis=1)
    share = np.mean((distances <= limits.most_distance) & (best >= limits.least_confidence))
    assert share == pytest.approx(accepted, abs=1.5 / n + 0.01)


def test_the_error_is_zero_for_perfect_and_full_for_wrong_certainty() -> None:
    certain = np.eye(3)[[0, 1, 2, 0]]
    assert calibration_error(certain, np.array([0, 1, 2, 0])) == 0
    assert calibration_error(certain, np.array([1, 2, 0, 1])) == 1
