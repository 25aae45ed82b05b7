"""What makes an answer trustworthy: a temperature for its probabilities, and limits beyond which there is none.

All of it is fitted on validation tracks (temperature, limits) and training rows (what is familiar), never on test rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

ACCEPTED = 0.90
"""Share of validation tracks that the limits accept."""

# Of the tracks that are given up, this share is for being unlike anything seen, the rest for doubt between genres.
_UNFAMILIAR_SHARE = 0.5
# Below the smallest value seen by this factor, a logarithm tells no more.
_FLOOR = 1e-3
_SMALLEST = 1e-12


@dataclass(frozen=True, eq=False)
class Familiarity:
    """How far an input is from the training data: the Mahalanobis distance to the nearest class.

    Each class is a Gaussian, all with one covariance, which is shrunk as Ledoit and Wolf propose (J. Multivariate Anal.
    88(2), 2004); the distance to the nearest is the measure of Lee et al., "A simple unified framework for detecting
    out-of-distribution samples and adversarial attacks" (NeurIPS 2018), divided by the square root of the number of
    quantities, so that 1 is usual. Quantities that are always positive in training are taken as logarithms: variances
    of hum and noise are not just small but smaller by orders of magnitude than those of music.

    Attributes
    ----------
    floor : np.ndarray, shape (d,)
        What a quantity that is taken as logarithm is raised to at least; NaN for those that are not.
    mean, scale : np.ndarray, shape (d,)
        Normalisation.
    centres : np.ndarray, shape (classes, d)
        Means of the classes.
    precision : np.ndarray, shape (d, d)
        Inverse of the covariance.
    """

    floor: NDArray[np.float64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    centres: NDArray[np.float64]
    precision: NDArray[np.float64]

    @classmethod
    def fit(cls, X: NDArray[Any], y: NDArray[np.intp], classes: int) -> Familiarity:
        """Learn what is familiar.

        Parameters
        ----------
        X : np.ndarray, shape (n, d)
            Training rows.
        y : np.ndarray of int, shape (n,)
            Their class numbers; every class occurs.
        classes : int
            Number of classes.

        Returns
        -------
        Familiarity
            Of these rows.
        """
        from sklearn.covariance import ledoit_wolf

        X = X.astype(np.float64)
        least = X.min(axis=0)
        floor = np.where(least > _SMALLEST, least * _FLOOR, np.nan)
        logarithms = _logarithms(X, floor)
        mean, scale = logarithms.mean(axis=0), logarithms.std(axis=0)
        # A quantity that never varied tells nothing about how far away it is.
        scale = np.where(scale > _SMALLEST, scale, np.inf)
        Z = (logarithms - mean) / scale
        centres = np.stack([Z[y == number].mean(axis=0) for number in range(classes)])
        covariance, _ = ledoit_wolf(Z - centres[y], assume_centered=True)
        # Rows that all equal their centres would leave nothing to invert.
        covariance = covariance + _SMALLEST * np.eye(len(mean))
        return cls(floor, mean, scale, centres, np.linalg.inv(covariance))

    def distances(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Measure how far rows are from the nearest class.

        Parameters
        ----------
        X : np.ndarray, shape (n, d)
            Rows.

        Returns
        -------
        np.ndarray, shape (n,), float64
            Distances; about 1 for rows like those of training.
        """
        Z = (_logarithms(X.astype(np.float64), self.floor) - self.mean) / self.scale
        squares = []
        for centre in self.centres:
            offset = Z - centre
            squares.append(np.einsum("ij,jk,ik->i", offset, self.precision, offset))
        nearest: NDArray[np.float64] = np.sqrt(np.maximum(np.min(squares, axis=0), 0) / Z.shape[1])
        return nearest

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return what a file must hold.

        Returns
        -------
        dict of str to np.ndarray
            By the names of the attributes.
        """
        return {name: getattr(self, name) for name in ("floor", "mean", "scale", "centres", "precision")}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], *, classes: int, source: object) -> Familiarity:
        """Check arrays from a file and make them one again.

        Parameters
        ----------
        arrays : mapping of str to np.ndarray
            What `arrays` gave.
        classes : int
            Number of classes there must be.
        source : object
            The file, for messages.

        Returns
        -------
        Familiarity
            Of the arrays.

        Raises
        ------
        BundleError
            If one is missing or has another shape or type.
        """
        try:
            d = arrays["mean"].shape[0]
            shapes = {"floor": (d,), "mean": (d,), "scale": (d,), "centres": (classes, d), "precision": (d, d)}
            if any(arrays[name].shape != shape or arrays[name].dtype != np.float64 for name, shape in shapes.items()):
                raise ValueError
        except (KeyError, IndexError, ValueError):
            raise BundleError(f"{source} is damaged: its arrays do not fit together; train the model again.") from None
        return cls(**{name: arrays[name] for name in shapes})


@dataclass(frozen=True)
class Calibration:
    """Temperature of the probabilities, and the limits of an answer.

    Attributes
    ----------
    temperature : float
        Probabilities of a vote are raised to 1 / temperature and normalised (Guo et al., "On calibration of modern
        neural networks", ICML 2017).
    least_confidence : float
        An answer whose best genre is less probable than this is ``unknown``.
    most_distance : float
        An answer for something that is further than this from the training data is ``unknown``.
    """

    temperature: float = 1.0
    least_confidence: float = 0.0
    most_distance: float = float("inf")

    @classmethod
    def fit(
        cls,
        probabilities: NDArray[Any],
        y: NDArray[np.intp],
        distances: NDArray[np.float64],
        accepted: float = ACCEPTED,
    ) -> Calibration:
        """Fit temperature and limits to validation tracks.

        Parameters
        ----------
        probabilities : np.ndarray, shape (n, classes)
            Votes of the tracks.
        y : np.ndarray of int, shape (n,)
            Their class numbers.
        distances : np.ndarray, shape (n,)
            How far the tracks are from the training data.
        accepted : float
            Share of the tracks that get an answer.

        Returns
        -------
        Calibration
            Temperature with the least log loss; limits that accept this share.
        """
        from scipy.optimize import minimize_scalar

        def loss(log_temperature: float) -> float:
            scaled = temper(probabilities, float(np.exp(log_temperature)))
            return float(-np.log(np.maximum(scaled[np.arange(len(y)), y], _SMALLEST)).mean())

        found = minimize_scalar(loss, bounds=(-2.5, 2.5), method="bounded")
        temperature = float(np.exp(found.x))
        most = float(np.quantile(distances, 1 - _UNFAMILIAR_SHARE * (1 - accepted)))
        best = temper(probabilities, temperature).max(axis=1)
        near = np.sort(best[distances <= most])
        # So many may still be given up that the share of all is what it should be.
        given_up = max(round(len(y) * (1 - accepted)) - (len(y) - len(near)), 0)
        least = float(near[given_up]) if given_up < len(near) else 0.0
        return cls(temperature, least, most)


def temper(probabilities: NDArray[Any], temperature: float) -> NDArray[np.float64]:
    """Sharpen or soften probabilities.

    Parameters
    ----------
    probabilities : np.ndarray, shape (n, classes)
        Rows that sum to 1.
    temperature : float
        Below 1 sharpens, above 1 softens; 1 changes nothing.

    Returns
    -------
    np.ndarray, shape (n, classes), float64
        Rows that sum to 1; what was most probable still is.

    Examples
    --------
    >>> temper(np.array([[0.8, 0.2]]), 0.5).round(3).tolist()
    [[0.941, 0.059]]
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), _SMALLEST)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    scaled: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return scaled


def calibration_error(probabilities: NDArray[Any], y: NDArray[np.intp], bins: int = 10) -> float:
    """Return the expected calibration error of the best class.

    Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning" (AAAI 2015), as Guo
    et al. (ICML 2017) use it: bins of equal width, each weighed with its answers. With few answers it is above zero
    even for perfect probabilities.

    Parameters
    ----------
    probabilities : np.ndarray, shape (n, classes)
        Probabilities of the classes.
    y : np.ndarray of int, shape (n,)
        True class numbers.
    bins : int
        Number of bins.

    Returns
    -------
    float
        Mean difference of confidence and accuracy.

    Examples
    --------
    >>> calibration_error(np.array([[0.75, 0.25]] * 4), np.array([0, 0, 0, 1]))
    0.0
    """
    best = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == y
    place = np.clip(np.ceil(best * bins).astype(np.intp) - 1, 0, bins - 1)
    gaps = np.bincount(place, weights=right, minlength=bins) - np.bincount(place, weights=best, minlength=bins)
    return float(np.abs(gaps).sum() / len(y))


def _logarithms(X: NDArray[np.float64], floor: NDArray[np.float64]) -> NDArray[np.float64]:
    is_log = ~np.isnan(floor)
    safe = np.where(is_log, floor, 1.0)
    return np.where(is_log, np.log(np.maximum(X, safe)), X)
