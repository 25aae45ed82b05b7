"""A bundle and a clip to an answer: the bundle's own features, its model, one distribution over the genres."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.audio import cut_segments, iter_windows
from audio_genre.dsp.matrix import feature_matrix
from audio_genre.errors import AudioError, BundleError
from audio_genre.training.bundle import load_bundle

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Classification:
    """The answer for one clip.

    Attributes
    ----------
    path : str
        The clip, as the caller named it.
    genre : str
        The most probable genre.
    confidence : float
        Its probability.
    probabilities : dict of str to float
        Probability of every genre the model knows, in the model's order; they sum to 1.
    model : str
        Name of the model.
    """

    path: str
    genre: str
    confidence: float
    probabilities: dict[str, float]
    model: str

    def top(self, count: int) -> list[tuple[str, float]]:
        """Return the most probable genres with their probabilities, the best first.

        Parameters
        ----------
        count : int
            How many; fewer if the model knows fewer.

        Returns
        -------
        list of tuple of str and float
            Genre and probability.

        Examples
        --------
        >>> Classification("x.wav", "jazz", 0.7, {"blues": 0.3, "jazz": 0.7}, "adam-4").top(1)
        [('jazz', 0.7)]
        """
        return sorted(self.probabilities.items(), key=lambda pair: -pair[1])[:count]


class Classifier:
    """Tells the genre of audio files with a trained model; TensorFlow is not loaded.

    Parameters
    ----------
    bundle : str or os.PathLike
        Folder of a model trained on a table of audio features.

    Attributes
    ----------
    bundle : Bundle
        The model and its card.

    Raises
    ------
    BundleError
        If the bundle cannot be used, or its model takes something else than features of audio.
    """

    def __init__(self, bundle: str | os.PathLike[str]) -> None:
        self.bundle = load_bundle(bundle)
        recipe, window = self.bundle.recipe, self.bundle.window
        if recipe is None or window is None or self.bundle.features != recipe.feature_names:
            raise BundleError(
                f"{os.fspath(bundle)} holds a {self.bundle.kind} model that does not take the features of a recipe, so "
                "it cannot classify audio; choose a model trained on a table of audio features."
            )
        if not recipe.n_fft < round(window.seconds * recipe.sr):
            raise BundleError(
                f"{os.fspath(bundle)} takes windows of {window.label}, which are shorter than a frame of the recipe "
                f"{recipe.name}, so it cannot classify audio; train it on another table."
            )
        self._recipe, self._window = recipe, window
        shortest = recipe.segment_seconds if window.kind == "clip" else window.seconds
        self._stride = round(window.seconds * recipe.sr)
        self._min_samples = round(shortest * recipe.sr) - 1

    @property
    def genres(self) -> tuple[str, ...]:
        """Genres that the model knows, in the order of its probabilities."""
        return self.bundle.classes

    def classify(self, path: str | os.PathLike[str]) -> Classification:
        """Tell the genre of a clip.

        Features are computed as for the table that the model was trained on: one row for each clip-long window, or
        one for each segment. The probabilities of the rows are averaged.

        Parameters
        ----------
        path : str or os.PathLike
            An audio file of any sampling rate and channel count.

        Returns
        -------
        Classification
            Genre, confidence, all probabilities.

        Raises
        ------
        AudioError
            If the file cannot be decoded, is silent, or is shorter than one segment.
        """
        name = os.fspath(path)
        rows = [feature_matrix(signals, self._recipe) for signals in self._signals(name)]
        if not rows:
            raise AudioError(name, f"is silent but for its last seconds, and no {self._window.label} of it can be used")
        X = np.concatenate(rows)
        if not np.isfinite(X).all():
            raise AudioError(name, "gives features that are not finite numbers")
        mean = self.probabilities(X).mean(axis=0)
        probabilities = dict(zip(self.genres, mean.tolist(), strict=True))
        genre = max(probabilities, key=probabilities.__getitem__)
        return Classification(name, genre, probabilities[genre], probabilities, self.bundle.name)

    def probabilities(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Predict from rows of features.

        Parameters
        ----------
        X : np.ndarray, shape (n, d)
            Features in the order of ``bundle.features``.

        Returns
        -------
        np.ndarray, shape (n, n_genres), float64
            Probabilities; each row sums to 1.

        Raises
        ------
        ParameterError
            If the shape is another, or a value is NaN or infinite.
        """
        predicted = self.bundle.predict(X).astype(np.float64)
        # Single precision leaves the sums off by 1e-7.
        predicted /= predicted.sum(axis=1, keepdims=True)
        return predicted

    def _signals(self, name: str) -> Iterator[NDArray[np.float32]]:
        """Yield blocks of signals of one length, shape (n, samples), one signal a row of the table."""
        windows = iter_windows(
            name, sr=self._recipe.sr, seconds=self._recipe.clip_seconds, min_samples=self._min_samples
        )
        for window in windows:
            signals = window[np.newaxis] if self._window.kind == "clip" else cut_segments(window, stride=self._stride)
            # A pause inside a track has no genre, and its features say nothing.
            heard = signals[signals.any(axis=1)]
            if len(heard):
                yield heard
