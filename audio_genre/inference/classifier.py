"""A bundle and a clip to an answer: the bundle's own features, its model, one distribution over the genres."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.audio import cut_segments, iter_windows
from audio_genre.datasets.pictures import canonical
from audio_genre.dsp.matrix import feature_matrix, mel_spectrogram
from audio_genre.dsp.picture import quantise
from audio_genre.errors import AudioError, BundleError
from audio_genre.training.bundle import Bundle, load_bundle
from audio_genre.training.crops import cut_crops

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
        Folder of a model trained on a table of audio features, or on pictures that `extract` wrote.

    Attributes
    ----------
    bundle : Bundle
        The model and its card.

    Raises
    ------
    BundleError
        If the bundle cannot be used, or its model takes something that cannot be computed from audio.
    """

    def __init__(self, bundle: str | os.PathLike[str]) -> None:
        self.bundle = load_bundle(bundle)
        self._reader: _Reader = _READERS.get(self.bundle.kind, _FeatureReader)(self.bundle)

    @property
    def genres(self) -> tuple[str, ...]:
        """Genres that the model knows, in the order of its probabilities."""
        return self.bundle.classes

    def classify(self, path: str | os.PathLike[str]) -> Classification:
        """Tell the genre of a clip.

        What the model takes is computed as for the data that it was trained on: features of each clip-long window or of
        each segment, or the mel spectrogram of each clip-long window, cut into crops. The probabilities of the windows,
        or segments, are averaged.

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
        votes = []
        for X in self._reader.inputs(name):
            if not np.isfinite(X).all():
                raise AudioError(name, "gives features that are not finite numbers")
            votes.append(self._reader.votes(self.probabilities(X)))
        if not votes:
            what = self._reader.unit
            raise AudioError(name, f"is silent but for its last seconds, and no {what} of it can be used")
        mean = np.concatenate(votes).mean(axis=0)
        probabilities = dict(zip(self.genres, mean.tolist(), strict=True))
        genre = max(probabilities, key=probabilities.__getitem__)
        return Classification(name, genre, probabilities[genre], probabilities, self.bundle.name)

    def probabilities(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Predict from inputs of the model.

        Parameters
        ----------
        X : np.ndarray, shape (n, *input_shape)
            Rows of features in the order of ``bundle.features``, or crops of pictures.

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


class _Reader(ABC):
    """From an audio file to what a kind of model takes.

    Attributes
    ----------
    unit : str
        What of a file votes, for messages.
    """

    unit: str

    @abstractmethod
    def inputs(self, name: str) -> Iterator[NDArray[Any]]:
        """Yield inputs of the model, block by block."""

    @abstractmethod
    def votes(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the votes that the probabilities of a block amount to, all of equal weight."""


class _FeatureReader(_Reader):
    """Features of each clip-long window, or of each segment; each is a vote."""

    def __init__(self, bundle: Bundle) -> None:
        recipe, window = bundle.recipe, bundle.window
        if recipe is None or window is None or bundle.features != recipe.feature_names:
            raise BundleError(
                f"{bundle.path} holds a {bundle.kind} model that does not take the features of a recipe, so it cannot "
                "classify audio; choose a model trained on a table of audio features."
            )
        if not recipe.n_fft < round(window.seconds * recipe.sr):
            raise BundleError(
                f"{bundle.path} takes windows of {window.label}, which are shorter than a frame of the recipe "
                f"{recipe.name}, so it cannot classify audio; train it on another table."
            )
        self.unit = window.label
        self._recipe, self._window = recipe, window
        shortest = recipe.segment_seconds if window.kind == "clip" else window.seconds
        self._stride = round(window.seconds * recipe.sr)
        self._min_samples = round(shortest * recipe.sr) - 1

    def inputs(self, name: str) -> Iterator[NDArray[Any]]:
        windows = iter_windows(
            name, sr=self._recipe.sr, seconds=self._recipe.clip_seconds, min_samples=self._min_samples
        )
        for window in windows:
            signals = window[np.newaxis] if self._window.kind == "clip" else cut_segments(window, stride=self._stride)
            # A pause inside a track has no genre, and its features say nothing.
            heard = signals[signals.any(axis=1)]
            if len(heard):
                yield feature_matrix(heard, self._recipe)

    def votes(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        return probabilities


class _PictureReader(_Reader):
    """The mel spectrogram of each clip-long window, as a picture file would hold it; the crops of one are one vote."""

    def __init__(self, bundle: Bundle) -> None:
        recipe, frames = bundle.recipe, bundle.card["pictures"].get("frames_per_column")
        if recipe is None or frames is None:
            raise BundleError(
                f"{bundle.path} was trained on pictures that audio-genre did not make at one pixel a frame, and how to "
                "make such from audio is not known, so it cannot classify audio; train a network on the pictures of "
                "`audio-genre extract`."
            )
        if len(bundle.input_shape) != _PICTURE_AXES or bundle.input_shape[0] != recipe.n_mels:
            raise BundleError(
                f"{bundle.path} contradicts itself: pictures of the recipe {recipe.name} have {recipe.n_mels} bands, "
                f"and the model takes inputs of shape {bundle.input_shape}; train it again."
            )
        self.unit = f"{recipe.segment_seconds:g}s"
        self._recipe, self._frames_per_column, self._columns = recipe, frames, bundle.input_shape[1]

    def inputs(self, name: str) -> Iterator[NDArray[Any]]:
        recipe = self._recipe
        shortest = round(recipe.segment_seconds * recipe.sr) - 1
        for window in iter_windows(name, sr=recipe.sr, seconds=recipe.clip_seconds, min_samples=shortest):
            if window.any():
                levels = quantise(mel_spectrogram(window, recipe), recipe)
                yield cut_crops(canonical(levels, self._frames_per_column), self._columns)

    def votes(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        mean: NDArray[np.float64] = probabilities.mean(axis=0, keepdims=True)
        return mean


_PICTURE_AXES = 2
_READERS: dict[str, type[_FeatureReader] | type[_PictureReader]] = {"tabular": _FeatureReader, "cnn": _PictureReader}
