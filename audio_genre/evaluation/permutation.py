"""Permutation importance as scikit-learn has it, to the digit, with many shuffled columns in one prediction."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A forest gives the probability 0 to what none of its leaves holds; its logarithm must stay finite.
_MIN_PROBABILITY = 1e-3
_ROWS_AT_A_TIME = 1 << 16


def bits_lost(
    model: Any,
    X: NDArray[Any],
    y: NDArray[np.intp],
    *,
    repeats: int,
    seed: int,
    done: Callable[[], None] = lambda: None,
) -> NDArray[np.float64]:
    """Return by how many bits the true class is less probable with each column shuffled, shape (columns, repeats).

    `done` is called after each column. Classes that the model does not know are left out.
    """
    known = np.flatnonzero(np.isin(y, model.classes_))
    true = np.searchsorted(model.classes_, y[known])

    def bits(asked: NDArray[Any]) -> list[float]:
        # Scikit-learn adds all numbers up to see whether they are finite, and so many may not be.
        with np.errstate(over="ignore", invalid="ignore"):
            probability = model.predict_proba(asked.reshape(-1, X.shape[1])).reshape(len(asked), len(y), -1)
        return [float(np.log2(np.maximum(p[known, true], _MIN_PROBABILITY)).mean()) for p in probability]

    (baseline,) = bits(X[np.newaxis])
    orders = _orders(len(y), repeats, seed)
    columns = max(1, _ROWS_AT_A_TIME // (len(y) * repeats))
    lost = np.empty((X.shape[1], repeats))
    for first in range(0, X.shape[1], columns):
        last = min(first + columns, X.shape[1])
        asked = np.tile(X, (last - first, repeats, 1, 1))
        for column in range(first, last):
            asked[column - first, :, :, column] = X[orders, column]
        scores = bits(asked.reshape(-1, *X.shape))
        lost[first:last] = baseline - np.reshape(scores, (last - first, repeats))
        for _ in range(first, last):
            done()
    return lost


def _orders(rows: int, repeats: int, seed: int) -> NDArray[np.intp]:
    """Return the orders into which scikit-learn shuffles each column, one after the other, shape (repeats, rows)."""
    source = np.random.RandomState(np.random.RandomState(seed).randint(np.iinfo(np.int32).max + 1))
    shuffled, order = np.arange(rows), np.arange(rows)
    orders = np.empty((repeats, rows), dtype=np.intp)
    for repeat in range(repeats):
        source.shuffle(shuffled)
        orders[repeat] = order = order[shuffled]
    return orders
