"""What makes an answer trustworthy: a temperature for its probabilities, and limits beyond which there is none.

All of it is fitted on validation tracks (temperature, limits) and training rows (what is familiar), never on test rows.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.errors import apart
from audio_genre.metrics import softmax, squash

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

UNKNOWN = "unknown"
"""The answer for what is none of a model's genres, or for which the model is too unsure."""

BINS = 10
"""Bins of confidence that the calibration error is taken over."""

ACCEPTED = 0.93
"""Share of validation tracks that the limits accept: a little above nine in ten, which new tracks are to be."""

MIN_TRACKS = 50
"""Validation tracks from which on limits are those of these tracks alone.

With so many or more, nine in ten new tracks are accepted on average; with 10, eight in ten, and with 3 every other one
(logistic regression and random forests on subsets of GTZAN's genres and tracks).
"""

NO_LIMIT = 1e9
"""A distance that nothing reaches, where there are too few tracks to set a limit: JSON has no infinity."""

# With fewer, a temperature makes the log loss of new tracks worse on average, whatever the test of chance says.
_MIN_FOR_TEMPERATURE = 10
_FOLDS = 10
# Of the tracks that are given up, this share is for being unlike anything seen, the rest for doubt between genres.
_UNFAMILIAR_SHARE = 0.5
_PROTOTYPES = 5
# Rows of a class that centres are found among: more change nothing but the time.
_MAX_OF_CLASS = 20_000
# The 95 % point of chi-squared with one degree of freedom.
_CLEAR = 3.841
# What a file may hold: beyond this is no fit of single precision, and what comes of it could overflow.
_LARGEST, _MIN_SCALE = 1e39, 1e-30
_MAX_PROTOTYPES = 100_000
_SMALLEST = 1e-12


@dataclass(frozen=True, eq=False)
class NoveltyDetector:
    """How far an input is from the training data: the distance to the nearest of a few prototypes of each class.

    Inputs are standardised and squashed, ``sign(z) log(1 + |z|)``, as the dense networks do, and the prototypes are the
    centres that k-means finds among the training rows of a class. The distance is the root of the mean squared
    difference; rows like those of training have about 0.5, whatever the number of quantities. It is the idea of Lee et
    al., "A simple unified framework for detecting out-of-distribution samples and adversarial attacks" (NeurIPS 2018),
    with several centres a class and no covariance, which on features of music tells more.

    Attributes
    ----------
    mean, scale : np.ndarray, shape (d,), float64
        Normalisation; infinite where a quantity is not counted, or never varied, so that it tells nothing about how far
        away something is.
    prototypes : np.ndarray, shape (n, d), float64
        Centres, after normalisation and squashing.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    prototypes: NDArray[np.float64]

    @classmethod
    def fit(cls, X: NDArray[Any], y: NDArray[np.intp], seed: int = 0) -> NoveltyDetector:
        """Learn what is familiar."""
        from sklearn.cluster import KMeans
        from threadpoolctl import threadpool_limits

        X = X.astype(np.float64)
        mean, scale = X.mean(axis=0), X.std(axis=0)
        # Rounding makes columns of equal numbers vary in their last digits.
        scale = np.where(scale > _SMALLEST * np.maximum(np.abs(mean), _SMALLEST), scale, np.inf)
        Z = squash((X - mean) / scale)
        centres = []
        # One thread: the order of sums does not depend on the machine.
        with threadpool_limits(limits=1):
            for number in np.unique(y):
                mine = np.flatnonzero(y == number)
                if len(mine) > _MAX_OF_CLASS:
                    mine = np.sort(np.random.default_rng(seed).choice(mine, _MAX_OF_CLASS, replace=False))
                rows = Z[mine]
                # More centres than distinct rows cannot be found.
                count = min(_PROTOTYPES, len(np.unique(rows, axis=0)))
                centres.append(KMeans(count, n_init=5, random_state=seed).fit(rows).cluster_centers_)
        return cls(mean, scale, np.concatenate(centres))

    @classmethod
    def cross_validate(
        cls, X: NDArray[Any], y: NDArray[np.intp], groups: NDArray[Any], seed: int = 0
    ) -> NDArray[np.float64]:
        """Measure how far each track is from the others: from what is familiar without it, in ten folds."""
        _, first, track = np.unique(groups, return_index=True, return_inverse=True)
        count = len(first)
        if count < 2:
            return np.empty(0)
        # Dealt class by class, so that every fold leaves most of each.
        order = np.lexsort((np.random.default_rng(seed).permutation(count), y[first]))
        fold = np.empty(count, dtype=np.intp)
        fold[order] = np.arange(count) % min(_FOLDS, count)
        sums = np.zeros(count)
        for number in range(fold.max() + 1):
            out = fold[track] == number
            np.add.at(sums, track[out], cls.fit(X[~out], y[~out], seed).distances(X[out]))
        distances: NDArray[np.float64] = sums / np.bincount(track)
        return distances

    @property
    def size(self) -> int:
        """Number of quantities."""
        return len(self.mean)

    def distances(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Measure how far rows are from the nearest prototype."""
        Z = squash((X.astype(np.float64) - self.mean) / self.scale)
        nearest = np.full(len(Z), np.inf)
        for prototype in self.prototypes:
            np.minimum(nearest, ((Z - prototype) ** 2).mean(axis=1), out=nearest)
        distances: NDArray[np.float64] = np.sqrt(nearest)
        return distances

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return what a file must hold."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> NoveltyDetector:
        """Check arrays from a file and make them one again."""
        names = [field.name for field in fields(cls)]
        if sorted(arrays) != sorted(names) or any(array.dtype != np.float64 for array in arrays.values()):
            raise ValueError("it has other arrays than it should have")
        found = cls(**arrays)
        n, d = len(found.prototypes), found.mean.size
        if not 1 <= n <= _MAX_PROTOTYPES or d == 0:
            raise ValueError("it holds nothing to compare with, or too many prototypes")
        if found.mean.shape != (d,) or found.scale.shape != (d,) or found.prototypes.shape != (n, d):
            raise ValueError("its arrays do not fit together")
        if not (
            all(bool((np.abs(array) <= _LARGEST).all()) for array in (found.mean, found.prototypes))
            and bool((found.scale >= _MIN_SCALE).all())
        ):
            raise ValueError("it has values out of range")
        return found


@dataclass(frozen=True)
class Calibration:
    """Temperature of the probabilities, and the limits of an answer.

    Attributes
    ----------
    temperature : float
        Probabilities of a vote are raised to 1 / temperature and normalised (Guo et al., "On calibration of modern
        neural networks", ICML 2017).
    window_temperature : float
        The same for a single window of a track; equal where a track has one.
    min_confidence : float
        An answer whose best genre is less probable than this is ``unknown``.
    max_distance : float
        An answer for something that is further than this from the training data is ``unknown``.
    accepted : float
        Share of the validation tracks that the limits were to accept.
    tracks : int
        Number of validation tracks that all this was fitted to.
    """

    temperature: float = 1.0
    window_temperature: float = 1.0
    min_confidence: float = 0.0
    max_distance: float = float("inf")
    accepted: float = 1.0
    tracks: int = 0

    @classmethod
    def fit(
        cls,
        probabilities: NDArray[Any],
        y: NDArray[np.intp],
        distances: NDArray[np.float64],
        windows: tuple[NDArray[Any], NDArray[np.intp]] | None = None,
        accepted: float = ACCEPTED,
        left_out: NDArray[np.float64] | None = None,
    ) -> Calibration:
        """Fit temperature and limits to validation tracks.

        Notes
        -----
        A quantile of a few tracks is one of them, and a new track is beyond the furthest of n with a probability of
        1 / (n + 1). Limits for few tracks are therefore the order statistic beyond which a new track is with the
        probability that it may be (as in split conformal prediction: Vovk, Gammerman and Shafer, "Algorithmic learning
        in a random world", 2005); where even the furthest track is too near for that, there is no limit.
        """
        n = len(y)
        may_temper = n >= _MIN_FOR_TEMPERATURE
        temperature = fit_temperature(probabilities, y) if may_temper else 1.0
        window_temperature = temperature if windows is None or not may_temper else fit_temperature(*windows)
        best = apply_temperature(probabilities, temperature).max(axis=1)
        if n < MIN_TRACKS:
            known = distances if left_out is None else np.concatenate([distances, left_out])
            most = _upper_limit(known, _UNFAMILIAR_SHARE * (1 - accepted))
            least = _upper_limit(-best, (1 - _UNFAMILIAR_SHARE) * (1 - accepted))
            return cls(
                temperature,
                window_temperature,
                0.0 if least is None else -least,
                NO_LIMIT if most is None else most,
                accepted,
                n,
            )
        most = float(np.quantile(distances, 1 - _UNFAMILIAR_SHARE * (1 - accepted)))
        near = np.sort(best[distances <= most])
        # So many may still be given up that the share of all is what it should be.
        given_up = max(round(n * (1 - accepted)) - (n - len(near)), 0)
        least = float(near[given_up]) if given_up < len(near) else 0.0
        return cls(temperature, window_temperature, least, most, accepted, n)

    @property
    def remark(self) -> str:
        """A sentence on what few validation tracks mean for the answers; empty where there are enough."""
        if self.tracks >= MIN_TRACKS:
            return ""
        if self.max_distance >= NO_LIMIT and self.min_confidence == 0:
            limits = "the model has no limits for unknown, so it answers a genre for everything except silence"
        else:
            limits = "the limit of the distance was found by cross-validation on the training tracks" + (
                ", and there is none for the probability" if self.min_confidence == 0 else ""
            )
        counted = f"{self.tracks} validation track{' is' if self.tracks == 1 else 's are'}"
        return f"{counted} too few to fit the limits for unknown ({MIN_TRACKS} are needed): {limits}."

    def unknown_reason(self, confidence: float, distance: float) -> str | None:
        """Tell why something gets no answer.

        Examples
        --------
        >>> limits = Calibration(min_confidence=0.3, max_distance=0.8)
        >>> limits.unknown_reason(0.9, 1.234)
        'unlike anything that the model was trained on (distance 1.234, limit 0.800)'
        >>> limits.unknown_reason(0.25, 0.5)
        'no genre is probable enough (best 25.0 %, required 30.0 %)'
        """
        if distance > self.max_distance:
            far, most = apart(distance, self.max_distance, 3)
            return f"unlike anything that the model was trained on (distance {far}, limit {most})"
        if confidence < self.min_confidence:
            found, least = apart(100 * confidence, 100 * self.min_confidence, 1)
            return f"no genre is probable enough (best {found} %, required {least} %)"
        return None


def fit_temperature(probabilities: NDArray[Any], y: NDArray[np.intp]) -> float:
    """Find the temperature with the least log loss.

    Notes
    -----
    No target probability is 1: of ``n`` rows each counts as ``(n + 1) / (n + 2)`` its own class, so that a few rows
    that are all right do not make the answers certain (Platt, "Probabilistic outputs for support vector machines",
    1999). A temperature that the rows do not clearly ask for stays at 1: by a likelihood ratio test at the level of
    5 %, for what is within chance would make other answers worse as often as better.
    """
    from scipy.optimize import minimize_scalar

    n, classes = probabilities.shape
    targets = smoothed(y, classes)

    def loss(log_temperature: float) -> float:
        scaled = apply_temperature(probabilities, float(np.exp(log_temperature)))
        return float(-(targets * np.log(np.maximum(scaled, _SMALLEST))).sum(axis=1).mean())

    found = minimize_scalar(loss, bounds=(-2.5, 2.5), method="bounded")
    return float(np.exp(found.x)) if 2 * n * (loss(0.0) - found.fun) > _CLEAR else 1.0


def smoothed(y: NDArray[np.intp], classes: int) -> NDArray[np.float64]:
    """Return target probabilities of which none is 1, see `fit_temperature`."""
    n = len(y)
    rest = 1 / (n + 2)
    targets = np.full((n, classes), rest / max(classes - 1, 1))
    targets[np.arange(n), y] = 1 - rest
    return targets


def apply_temperature(probabilities: NDArray[Any], temperature: float) -> NDArray[np.float64]:
    """Sharpen or soften probabilities.

    Examples
    --------
    >>> apply_temperature(np.array([[0.8, 0.2]]), 0.5).round(3).tolist()
    [[0.941, 0.059]]
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), _SMALLEST)) / temperature
    return softmax(logits)


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error of answers.

    Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning" (AAAI 2015), as Guo
    et al. (ICML 2017) use it: `BINS` bins of equal width, each weighed with its answers. With few answers it is above
    zero even for perfect probabilities.

    Examples
    --------
    >>> calibration_error(np.full(4, 0.75), np.array([True, True, True, False]))
    0.0
    """
    place = bins_of(confidence)
    gaps = np.bincount(place, weights=right, minlength=BINS) - np.bincount(place, weights=confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(right))


def bins_of(confidence: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the bin of each confidence."""
    return np.clip(np.ceil(confidence * BINS).astype(np.intp) - 1, 0, BINS - 1)


def _upper_limit(values: NDArray[np.float64], beyond: float) -> float | None:
    """Return what a new value is above with at most this probability; None where all values are too few to tell."""
    place = int(np.ceil((len(values) + 1) * (1 - beyond) - _SMALLEST))
    return float(np.sort(values)[place - 1]) if place <= len(values) else None
