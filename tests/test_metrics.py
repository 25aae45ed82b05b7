from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from audio_genre.metrics import (
    _accuracy_and_macro_f1,
    auroc,
    average_precision,
    precision_recall,
    score,
    sign_test,
    wilson,
)


def noisy(rng: np.random.Generator, y: np.ndarray, classes: int, weight: float) -> np.ndarray:
    p = rng.dirichlet(np.ones(classes), len(y)) * (1 - weight)
    p[np.arange(len(y)), y] += weight
    return p


@given(st.integers(0, 10_000), st.integers(2, 6))
def test_the_figures_of_a_confusion_matrix_equal_scikit_learns(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    y, predicted = rng.integers(0, classes, (2, 15))
    confusion = np.bincount(y * classes + predicted, minlength=classes**2).reshape(classes, classes)
    accuracy, macro_f1 = _accuracy_and_macro_f1(confusion)
    assert accuracy == pytest.approx(accuracy_score(y, predicted))
    assert macro_f1 == pytest.approx(f1_score(y, predicted, average="macro", zero_division=0))


def test_a_track_is_decided_by_the_mean_of_its_rows() -> None:
    p = np.array([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6], [0.3, 0.7], [0.45, 0.55], [0.6, 0.4]])
    scores = score(p, np.array([0, 0, 0, 1, 1, 1]), np.array(list("aaabbb")))
    assert (scores.rows.count, scores.tracks.count) == (6, 2)
    assert scores.rows.accuracy.value == pytest.approx(0.5)
    assert scores.tracks.accuracy.value == 1.0


def test_one_row_a_track_gives_one_result_for_both() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 60)
    scores = score(noisy(rng, y, 3, 0.3), y, np.array([f"t{k:02d}" for k in range(60)]))
    assert scores.rows == scores.tracks
    assert scores.rows.accuracy.low < scores.rows.accuracy.value < scores.rows.accuracy.high


def test_the_interval_has_the_width_of_the_binomial_one() -> None:
    rng = np.random.default_rng(1)
    y = np.repeat(np.arange(10), 29)
    p = noisy(rng, y, 10, 0.15)
    accuracy = score(p, y, np.arange(290).astype(str)).rows.accuracy
    half_width = 1.96 * np.sqrt(accuracy.value * (1 - accuracy.value) / 290)
    assert (accuracy.high - accuracy.low) / 2 == pytest.approx(half_width, rel=0.15)


def test_segments_of_one_track_do_not_narrow_the_interval() -> None:
    rng = np.random.default_rng(2)
    y = rng.integers(0, 4, 50)
    p = noisy(rng, y, 4, 0.3)
    tracks = np.arange(50).astype(str)
    once = score(p, y, tracks).rows.accuracy
    ten_times = score(np.repeat(p, 10, axis=0), np.repeat(y, 10), np.repeat(tracks, 10)).rows.accuracy
    assert (ten_times.value, ten_times.low, ten_times.high) == pytest.approx((once.value, once.low, once.high))


def test_the_same_seed_gives_the_same_interval() -> None:
    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, 40)
    p, tracks = noisy(rng, y, 3, 0.2), np.arange(40).astype(str)
    assert score(p, y, tracks, seed=4) == score(p, y, tracks, seed=4)
    assert score(p, y, tracks, seed=4) != score(p, y, tracks, seed=5)


def test_plain_data_and_text() -> None:
    scores = score(np.eye(2), np.array([0, 1]), np.array(["a", "b"]))
    assert scores.as_json()["tracks"]["accuracy"] == {"value": 1.0, "low": pytest.approx(0.1581, abs=1e-4), "high": 1.0}
    assert str(scores.rows.accuracy) == "1.000 [0.158, 1.000]"


@pytest.mark.parametrize("tracks", [5, 20, 300])
def test_faultless_and_hopeless_models_are_not_certain(tracks: int) -> None:
    y = np.arange(tracks) % 2
    groups = np.arange(tracks).astype(str)
    exact = scipy.stats.binomtest(tracks, tracks).proportion_ci(method="exact")
    right = score(np.eye(2)[y], y, groups).tracks.accuracy
    assert (right.value, right.low, right.high) == (1.0, pytest.approx(exact.low), 1.0)
    wrong = score(np.eye(2)[1 - y], y, groups).tracks.accuracy
    assert (wrong.value, wrong.low, wrong.high) == (0.0, 0.0, pytest.approx(1 - exact.low))


@pytest.mark.parametrize("count", [1, 2, 3, 10, 57, 1000])
def test_shares_and_paired_tests_are_those_of_scipy(count: int) -> None:
    for right in sorted({0, 1, count // 3, count // 2, count - 1, count}):
        expected = scipy.stats.binomtest(right, count)
        assert sign_test(right, count - right) == pytest.approx(expected.pvalue, rel=1e-10)
        found, ends = wilson(right, count), expected.proportion_ci(0.95, method="wilson")
        assert (found.value, found.low, found.high) == pytest.approx((right / count, ends.low, ends.high), abs=1e-12)


def test_models_that_never_differ_show_no_difference() -> None:
    assert sign_test(0, 0) == 1.0


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), st.booleans()), min_size=1, max_size=60
    ).filter(lambda pairs: any(is_class for _, is_class in pairs))
)
def test_precision_recall_are_those_of_scikit_learn(pairs: list[tuple[float, bool]]) -> None:
    from sklearn.metrics import average_precision_score, precision_recall_curve

    probability, is_class = (np.array(column) for column in zip(*pairs, strict=True))
    precision, recall = precision_recall(probability, is_class)
    expected = precision_recall_curve(is_class, probability)
    # From the lowest limit up there, with a last point that stands for no answer at all.
    np.testing.assert_allclose(precision[::-1], expected[0][:-1])
    np.testing.assert_allclose(recall[::-1], expected[1][:-1])
    assert average_precision(probability, is_class) == pytest.approx(average_precision_score(is_class, probability))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_auroc_is_that_of_scikit_learn(low: list[int], high: list[int]) -> None:
    from sklearn.metrics import roc_auc_score

    found = auroc(np.array(low, dtype=float), np.array(high, dtype=float))
    assert found.value == pytest.approx(roc_auc_score([0] * len(low) + [1] * len(high), low + high))
    assert found.low <= found.value <= found.high or len({*low, *high}) == 1
