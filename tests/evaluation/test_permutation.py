"""Permutation importance against scikit-learn's, to the last digit."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.inspection import permutation_importance

from audio_genre.evaluation import permutation


def bits(model: ExtraTreesClassifier, X: np.ndarray, y: np.ndarray) -> float:
    """Return the mean log2 of the probability of the true class, where the model knows it."""
    known = np.isin(y, model.classes_)
    column = np.searchsorted(model.classes_, y[known])
    return float(np.log2(np.maximum(model.predict_proba(X)[known, column], 1e-3)).mean())


@pytest.mark.parametrize("at_a_time", [1, 200, 1 << 16])
def test_it_is_scikit_learns(at_a_time: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permutation, "_ROWS_AT_A_TIME", at_a_time)
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = rng.normal(size=(90, 7)).astype(np.float32)
    X[:, 2] += y
    model = ExtraTreesClassifier(20, min_samples_leaf=2, random_state=0).fit(X[:60], y[:60])
    columns: list[int] = []
    ours = permutation.bits_lost(model, X[60:], y[60:], repeats=4, seed=5, done=lambda: columns.append(1))
    theirs = permutation_importance(model, X[60:], y[60:], scoring=bits, n_repeats=4, random_state=5)
    np.testing.assert_array_equal(ours, theirs.importances)
    assert ours.mean(axis=1).argmax() == 2
    assert len(columns) == 7


def test_a_class_that_the_model_never_saw_counts_for_nothing() -> None:
    X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    y = np.arange(40) % 2 * 2
    model = ExtraTreesClassifier(5, random_state=0).fit(X[:20], y[:20])
    y[25:30] = 1
    ours = permutation.bits_lost(model, X[20:], y[20:], repeats=2, seed=0)
    theirs = permutation_importance(model, X[20:], y[20:], scoring=bits, n_repeats=2, random_state=0)
    np.testing.assert_array_equal(ours, theirs.importances)
