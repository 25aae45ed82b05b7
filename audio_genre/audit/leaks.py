"""Whether one column alone tells the label: cross-validated, against chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.audit.findings import Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FOLDS = 5
_MAX_ROWS = 20_000
_MIN_ROWS = 20
_MAX_CLASSES = 1_000
_MIN_PER_LEAF = 5
_LEAVES_PER_CLASS = 4
_SEPARATES_FROM = 0.95
_CODES_FROM = 0.99
_CODES_PER_CLASS = 2


@dataclass(frozen=True)
class Telling:
    """How well a column alone tells the label.

    Attributes
    ----------
    accuracy : float
        Share of held-out rows whose label it tells.
    chance : float
        Share of the largest class, which a guess would get.
    best_told : str
        The class that it tells best from all others.
    kappa : float
        Cohen's kappa of that class against all others: 0 is chance, 1 is certainty.
    p_value : float
        Probability of as much by chance: the smaller one of a binomial test of all classes and of hypergeometric
        tests of each class, times the number of tests.
    """

    accuracy: float
    chance: float
    best_told: str
    kappa: float
    p_value: float

    @property
    def gain(self) -> float:
        """The accuracy's place between chance, which is 0, and certainty, which is 1."""
        return (self.accuracy - self.chance) / (1 - self.chance)

    @property
    def strength(self) -> float:
        """The larger one of gain and kappa: a column may tell one class and mix up all others."""
        return max(self.gain, self.kappa)

    def as_json(self) -> dict[str, float | str]:
        """Return the numbers as plain data, rounded."""
        return {
            "accuracy": round(self.accuracy, 4),
            "chance": round(self.chance, 4),
            "gain": round(self.gain, 4),
            "best_told": self.best_told,
            "kappa": round(self.kappa, 4),
            "p_value": float(f"{self.p_value:.3g}"),
        }


def first_of_each(groups: NDArray[np.str_], labels: NDArray[np.str_]) -> NDArray[np.intp]:
    """Choose the rows to test columns on: one of each track, because rows of a track share more than the music."""
    _, first = np.unique(groups, return_index=True)
    first = first[labels[first] != ""]
    if len(first) > _MAX_ROWS:
        first = np.random.default_rng(0).choice(first, _MAX_ROWS, replace=False)
    names, counts = np.unique(labels[first], return_counts=True)
    chosen: NDArray[np.intp] = np.sort(first[np.isin(labels[first], names[counts > 1])])
    return chosen


def of_feature(name: str, values: NDArray[Any], labels: NDArray[np.str_]) -> Finding | None:
    """Tell whether a feature is the label in other signs, or all but tells it."""
    told = tell_label(values, labels, at_least=_SEPARATES_FROM)
    if told is None or told.gain < _SEPARATES_FROM:
        return None
    if told.gain >= _CODES_FROM and len(np.unique(values)) <= _CODES_PER_CLASS * len(np.unique(labels)):
        message = f"The feature {name!r} encodes the label; remove it, or make the table again."
        return Finding("label_code", "serious", message, (name,), told.as_json())
    message = (
        f"The feature {name!r} alone predicts the label of {told.accuracy:.0%} of held-out tracks; check whether the "
        "classes differ in how they were recorded or measured instead of in their music."
    )
    return Finding("separating_feature", "warning", message, (name,), told.as_json())


def tell_label(values: NDArray[Any], labels: NDArray[np.str_], *, at_least: float = 0.0) -> Telling | None:
    """Measure by 5-fold cross-validation how well one column tells the label.

    Numbers are given to a small decision tree [1]_; of texts each value takes the label that it has most often
    elsewhere.

    References
    ----------
    .. [1] ``sklearn.tree.DecisionTreeClassifier``.

    Examples
    --------
    >>> labels = np.repeat(["jazz", "rock"], 50)
    >>> tell_label(np.repeat([661504.0, 661794.0], 50), labels).accuracy
    1.0
    """
    names, y = np.unique(labels, return_inverse=True)
    if not 2 <= len(names) <= _MAX_CLASSES or len(y) < _MIN_ROWS:
        return None
    is_text = values.dtype.kind == "U"
    if is_text:
        kinds, values = np.unique(values, return_inverse=True)
        if len(kinds) < 2:
            return None
    else:
        # Far below any number of a column; a tree needs no more than that NaN stands apart.
        values = np.where(np.isfinite(values), values, -1e300)
        if np.ptp(values) == 0:
            return None
        if at_least and np.mean(_told_by_tree(values, y, values, len(names)) == y) < at_least:
            return None
    folds = _folds(y)
    told = np.empty_like(y)
    for fold in range(_FOLDS):
        held_out = folds == fold
        tell = _told_by_value if is_text else _told_by_tree
        told[held_out] = tell(values[~held_out], y[~held_out], values[held_out], len(names))
    return _telling(y, told, names)


def _telling(y: NDArray[np.intp], told: NDArray[np.intp], names: NDArray[np.str_]) -> Telling:
    from scipy.stats import binomtest, hypergeom

    n = len(y)
    right = int(np.count_nonzero(told == y))
    actual, guessed = (np.bincount(values, minlength=len(names)) for values in (y, told))
    hits = np.bincount(y[told == y], minlength=len(names))
    chance = float(actual.max() / n)
    p_values = [float(binomtest(right, n, chance, alternative="greater").pvalue)]
    p_values += np.asarray(hypergeom.sf(hits - 1, n, actual, guessed)).tolist()
    # Agreement of two marks, "is of this class" and "is told to be", and what chance would give.
    agreement = 1 - (actual + guessed - 2 * hits) / n
    expected = (actual * guessed + (n - actual) * (n - guessed)) / n**2
    kappas = (agreement - expected) / np.maximum(1 - expected, np.finfo(float).tiny)
    best = int(np.argmax(kappas))
    return Telling(
        accuracy=right / n,
        chance=chance,
        best_told=str(names[best]),
        kappa=float(kappas[best]),
        p_value=min(1.0, min(p_values) * len(p_values)),
    )


def _folds(y: NDArray[np.intp]) -> NDArray[np.intp]:
    """Deal the rows of each class to folds in turn, in random order."""
    order = np.random.default_rng(0).permutation(len(y))
    order = order[np.argsort(y[order], kind="stable")]
    folds = np.empty(len(y), dtype=np.intp)
    folds[order] = np.arange(len(y)) % _FOLDS
    return folds


def _told_by_tree(
    values: NDArray[np.float64], y: NDArray[np.intp], asked: NDArray[np.float64], n_classes: int
) -> NDArray[np.intp]:
    from sklearn.tree import DecisionTreeClassifier

    # Ranks, because a tree takes float32, and long row numbers differ beyond it.
    steps = np.unique(values)
    ranks = np.arange(len(steps))
    tree = DecisionTreeClassifier(
        max_leaf_nodes=_LEAVES_PER_CLASS * n_classes, min_samples_leaf=_MIN_PER_LEAF, random_state=0
    )
    tree.fit(np.interp(values, steps, ranks)[:, None], y)
    told: NDArray[np.intp] = tree.predict(np.interp(asked, steps, ranks)[:, None])
    return told


def _told_by_value(
    values: NDArray[np.intp], y: NDArray[np.intp], asked: NDArray[np.intp], n_classes: int
) -> NDArray[np.intp]:
    counts = np.zeros((int(max(values.max(), asked.max())) + 1, n_classes), dtype=np.intp)
    np.add.at(counts, (values, y), 1)
    told: NDArray[np.intp] = counts.argmax(axis=1)
    told[counts.sum(axis=1) == 0] = np.bincount(y, minlength=n_classes).argmax()
    return told[asked]
