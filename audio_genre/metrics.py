"""The arithmetic of answers and scores: squash, softmax, vote, accuracy and macro-F1 with bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 1000
"""Resamples of a bootstrap interval."""

LEVEL = 0.95
"""Level of every interval."""

_MANY_TRACKS = 20_000

ENDS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
"""The quantiles of a resampled figure that are the ends of its interval."""


def bootstrap(
    statistic: Callable[[NDArray[np.intp]], Any], count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return a statistic of units drawn with replacement, `RESAMPLES` times; it gets the numbers of the units."""
    return np.array([statistic(rng.integers(0, count, count)) for _ in range(RESAMPLES)])


def squash(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``sign(z) log(1 + |z|)``, which keeps what is usual and draws in what is far out."""
    squashed: NDArray[np.float64] = np.sign(z) * np.log1p(np.abs(z))
    return squashed


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probabilities of logits, shape (n, classes)."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % percentile bootstrap interval.

    Attributes
    ----------
    value, low, high : float
        The figure and the ends of its interval.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def precision_recall(
    probability: NDArray[np.float64], is_class: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return precision and recall of a class at every limit of its probability, from the highest limit down.

    Examples
    --------
    >>> precision, recall = precision_recall(np.array([0.9, 0.5, 0.4]), np.array([True, False, True]))
    >>> precision.round(2).tolist(), recall.tolist()
    ([1.0, 0.5, 0.67], [0.5, 0.5, 1.0])
    """
    order = np.argsort(-probability, kind="stable")
    right, ranked = np.cumsum(is_class[order]), probability[order]
    # Equal probabilities pass a limit together.
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    return right[last] / (last + 1), right[last] / max(int(right[-1]), 1)


def average_precision(probability: NDArray[np.float64], is_class: NDArray[np.bool_]) -> float:
    """Return the mean of the precisions at all limits, each weighed with the recall that it adds.

    Examples
    --------
    >>> round(average_precision(np.array([0.9, 0.5, 0.4]), np.array([True, False, True])), 3)
    0.833
    """
    precision, recall = precision_recall(probability, is_class)
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def auroc(low: NDArray[np.float64], high: NDArray[np.float64], *, seed: int = 0) -> Interval:
    """Return the area under the ROC curve of values that should be low for some units and high for others.

    The probability that one of the latter is above one of the former, ties counting half (Hanley and McNeil, Radiology
    143(1), 1982), with a bootstrap interval.

    Examples
    --------
    >>> auroc(np.array([0.1, 0.2]), np.array([0.2, 0.9])).value
    0.875
    """

    def area(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
        ordered = np.sort(first)
        below = np.searchsorted(ordered, second, "left") + np.searchsorted(ordered, second, "right")
        return float(below.mean() / 2 / len(ordered))

    rng = np.random.default_rng(seed)
    drawn = [area(rng.choice(low, len(low)), rng.choice(high, len(high))) for _ in range(RESAMPLES)]
    bottom, top = np.quantile(drawn, ENDS)
    return Interval(area(low, high), float(bottom), float(top))


@dataclass(frozen=True)
class Score:
    """How well some units, rows or tracks, were classified.

    Attributes
    ----------
    count : int
        Number of units.
    accuracy : Interval
        Share of right answers.
    macro_f1 : Interval
        F1 of each class, averaged with equal weight over the classes.
    """

    count: int
    accuracy: Interval
    macro_f1: Interval


@dataclass(frozen=True)
class Scores:
    """Scores of one subset of a split.

    Attributes
    ----------
    rows : Score
        Every row on its own.
    tracks : Score
        One answer a track: the class with the highest mean probability over its rows.
    """

    rows: Score
    tracks: Score

    def as_json(self) -> dict[str, Any]:
        """Return the scores as plain data.

        Returns
        -------
        dict
            By unit, figure, and value or end of the interval.
        """
        return asdict(self)


def score(probabilities: NDArray[Any], y: NDArray[np.intp], groups: NDArray[np.str_], *, seed: int = 0) -> Scores:
    """Score probabilities by row and by track.

    The intervals come from resampling whole tracks, because rows of one track are right or wrong together: resampled
    rows would promise more certainty than there is (Efron and Tibshirani, "An introduction to the bootstrap", 1993).
    Where every answer is right, or none is, they are those of Clopper and Pearson for as many tracks (Biometrika 26(4),
    1934).

    Examples
    --------
    >>> import numpy as np
    >>> p = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    >>> scores = score(p, np.array([0, 0, 1]), np.array(["a", "a", "b"]))
    >>> round(scores.rows.accuracy.value, 3), scores.tracks.accuracy.value
    (0.667, 1.0)
    """
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    voted = mean_by_track(probabilities, groups).argmax(axis=1)
    return Scores(
        rows=_score(probabilities.argmax(axis=1), y, group, probabilities.shape[1], seed),
        tracks=_score(voted, y[first], np.arange(len(first)), probabilities.shape[1], seed),
    )


def votes(
    probabilities: NDArray[Any], y: NDArray[np.intp], groups: NDArray[np.str_]
) -> tuple[NDArray[np.str_], NDArray[np.bool_]]:
    """Tell for each track whether the vote of its rows is right."""
    tracks, first = np.unique(groups, return_index=True)
    return tracks, mean_by_track(probabilities, groups).argmax(axis=1) == y[first]


def mean_by_track(values: NDArray[Any], groups: NDArray[np.str_]) -> NDArray[np.float64]:
    """Average the rows of each track.

    Examples
    --------
    >>> mean_by_track(np.array([[1.0], [2.0], [4.0]]), np.array(["b", "a", "a"])).tolist()
    [[3.0], [1.0]]
    """
    tracks, track = np.unique(groups, return_inverse=True)
    sums = np.zeros((len(tracks), values.shape[1]))
    np.add.at(sums, track, values)
    return sums / np.bincount(track)[:, np.newaxis]


@dataclass(frozen=True)
class Repeated:
    """Accuracy by track over several trainings of one variant: other seeds, other folds.

    Attributes
    ----------
    runs : int
        Number of trainings.
    accuracy : Interval
        Over all runs, with an interval from resampling tracks: it tells how much other tracks would change the figure.
    spread : float
        Standard deviation over the runs, which tells how much another seed or fold does.
    """

    runs: int
    accuracy: Interval
    spread: float


def repeated(tracks: Sequence[NDArray[np.str_]], right: Sequence[NDArray[np.bool_]], *, seed: int = 0) -> Repeated:
    """Summarise which test tracks several trainings got right.

    Examples
    --------
    >>> import numpy as np
    >>> folds = [np.array(["a", "b"]), np.array(["c", "d"])]
    >>> repeated(folds, [np.array([True, True]), np.array([True, False])]).accuracy.value
    0.75
    """
    _, track = np.unique(np.concatenate(list(tracks)), return_inverse=True)
    hits = np.concatenate(list(right)).astype(np.float64)
    # A track that was tested several times is drawn with all its answers.
    per_track = np.stack([np.bincount(track, weights=hits), np.bincount(track)], axis=1)

    def share(drawn: NDArray[np.intp]) -> float:
        got, asked = per_track[drawn].sum(axis=0)
        return float(got / asked)

    shares = bootstrap(share, len(per_track), np.random.default_rng(seed))
    low, high = np.quantile(shares, ENDS)
    of_run = [float(np.mean(hit)) for hit in right]
    spread = float(np.std(of_run, ddof=1)) if len(of_run) > 1 else 0.0
    return Repeated(len(of_run), Interval(float(hits.mean()), float(low), float(high)), spread)


def _score(predicted: NDArray[np.intp], y: NDArray[np.intp], group: NDArray[np.intp], classes: int, seed: int) -> Score:
    cells = y * classes + predicted
    tracks = int(group.max()) + 1

    def confusion(drawn: NDArray[np.intp]) -> NDArray[Any]:
        # How often each track was drawn weighs its rows in the confusion matrix.
        weights = np.bincount(drawn, minlength=tracks).astype(np.float64)
        return np.bincount(cells, weights=weights[group], minlength=classes**2)

    rng = np.random.default_rng(seed)
    resampled: NDArray[Any]
    if tracks == len(y) > _MANY_TRACKS:
        # Rows that are drawn one by one fill the cells as a multinomial does, and its time does not grow with them.
        drawn_cells = rng.multinomial(tracks, np.bincount(cells, minlength=classes**2) / tracks, size=RESAMPLES)
        resampled = drawn_cells.reshape(-1, classes, classes)
    else:
        resampled = bootstrap(confusion, tracks, rng).reshape(-1, classes, classes)
    low, high = np.quantile(_accuracy_and_macro_f1(resampled), ENDS, axis=1)
    # Resampling tracks that are all right, or all wrong, shows no spread at all; the exact binomial interval does.
    margin = 1 - ((1 - LEVEL) / 2) ** (1 / tracks)
    if np.array_equal(predicted, y):
        low = low - margin
    elif not np.any(predicted == y):
        high = high + margin
    accuracy, macro_f1 = _accuracy_and_macro_f1(confusion_of(y, predicted, classes))
    return Score(
        count=len(y),
        accuracy=Interval(float(accuracy), float(low[0]), float(high[0])),
        macro_f1=Interval(float(macro_f1), float(low[1]), float(high[1])),
    )


# Loading scikit-learn and scipy.stats takes longer than all that these compute; the tests compare with both.


def confusion_of(y: NDArray[np.intp], predicted: NDArray[np.intp], classes: int) -> NDArray[np.intp]:
    """Count the units by true class (rows) and predicted class (columns).

    >>> confusion_of(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    return np.bincount(y * classes + predicted, minlength=classes**2).reshape(classes, classes)


def _accuracy_and_macro_f1(confusion: NDArray[Any]) -> NDArray[np.float64]:
    """Return both figures of confusion matrices (..., true, predicted); F1 over the classes that occur in each."""
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    occurring = confusion.sum(axis=-2) + confusion.sum(axis=-1)
    f1 = 2 * right / np.maximum(occurring, 1)
    return np.array([right.sum(axis=-1) / confusion.sum(axis=(-2, -1)), f1.sum(axis=-1) / (occurring > 0).sum(axis=-1)])


def wilson(right: int, count: int) -> Interval:
    """Return a share with its interval by Wilson (Journal of the American Statistical Association 22(158), 1927).

    >>> str(wilson(8, 10))
    '0.800 [0.490, 0.943]'
    """
    z = NormalDist().inv_cdf(ENDS[1])
    share = right / count
    centre = (right + z**2 / 2) / (count + z**2)
    reach = z * math.sqrt(count * share * (1 - share) + z**2 / 4) / (count + z**2)
    return Interval(share, centre - reach if right else 0.0, centre + reach if right < count else 1.0)


def sign_test(only_first: int, only_second: int) -> float:
    """Return the p-value of the exact two-sided binomial test of equal chances, which the exact McNemar test is.

    >>> sign_test(1, 7)
    0.0703125
    """
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(only_first, only_second), only_first + only_second, 0.5)))
