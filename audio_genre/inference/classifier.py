"""A bundle and a clip to an answer: the bundle's own features, its model, one distribution over the genres."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from audio_genre.audio import MIN_SECONDS, continue_short, cut_segments, cut_stretches, iter_windows, read_header
from audio_genre.bundles.bundle import Bundle, load_bundle
from audio_genre.bundles.calibration import UNKNOWN, apply_temperature
from audio_genre.datasets.pictures import canonical
from audio_genre.dsp.matrix import feature_matrix, mel_spectrogram
from audio_genre.dsp.picture import quantise
from audio_genre.errors import AudioError, AudioGenreError, BundleError, ParameterError, SilentError, UnreadableError
from audio_genre.inference.default import default_model
from audio_genre.inference.timeline import SILENT, Timeline, TimelinePoint, most_probable
from audio_genre.training.crops import DESCRIBED, cut_crops, describe_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audio_genre.dsp.recipe import Recipe

# Shorter than any window; no genre changes faster.
_MIN_HOP_SECONDS = 0.05


@dataclass(frozen=True)
class Classification:
    """The answer for one clip.

    Attributes
    ----------
    path : str
        The clip, as the caller named it.
    genre : str
        The most probable genre, or ``"unknown"`` where there is a reason to give none.
    confidence : float
        Probability of the most probable genre, also where the answer is ``"unknown"``.
    probabilities : dict of str to float
        Probability of every genre the model knows, in the model's order; they sum to 1. Where nothing is to be heard,
        all are equal.
    model : str
        Name of the model.
    reason : str or None
        Why the genre is unknown; None where it is known.
    distance : float or None
        How far the clip is from the training data, the mean over its windows; None where that is not known.
    """

    path: str
    genre: str
    confidence: float
    probabilities: dict[str, float]
    model: str
    reason: str | None = None
    distance: float | None = None

    @property
    def is_silent(self) -> bool:
        """Whether nothing was heard, so that no genre is more probable than another."""
        return self.reason is not None and self.distance is None

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
        return most_probable(self.probabilities, count)


class Classifier:
    """Tells the genre of audio files with a trained model; TensorFlow is not loaded.

    Parameters
    ----------
    bundle : str or os.PathLike, optional
        Folder of a model trained on a table of audio features, or on pictures that `extract` wrote; by default the
        model that comes with the package.
    unknown : bool
        Whether a clip unlike the training data, or without a genre that is probable enough, is answered
        ``"unknown"``. Without it the most probable genre is the answer, whatever the clip is; of silence there is none.

    Attributes
    ----------
    bundle : Bundle
        The model and its card.

    Raises
    ------
    BundleError
        If the bundle cannot be used, or its model takes something that cannot be computed from audio.
    """

    def __init__(self, bundle: str | os.PathLike[str] | None = None, *, unknown: bool = True) -> None:
        self.bundle = load_bundle(default_model() if bundle is None else bundle)
        self._unknown = unknown
        self._reader: _Reader = _READERS.get(self.bundle.kind, _FeatureReader)(self.bundle)
        self._calibration, self._novelty = self.bundle.calibration, self.bundle.novelty
        if self._novelty is not None and self._novelty.size != self._reader.described:
            raise BundleError(
                f"{self.bundle.path} contradicts itself: what is familiar has {self._novelty.size} quantities, and "
                f"an input of its model {self._reader.described}; train it again."
            )

    @property
    def genres(self) -> tuple[str, ...]:
        """Genres that the model knows, in the order of its probabilities."""
        return self.bundle.classes

    def classify(self, path: str | os.PathLike[str]) -> Classification:
        """Tell the genre of a clip.

        What the model takes is computed as for the data that it was trained on: features of each clip-long window or of
        each segment, or the mel spectrogram of each clip-long window, cut into crops. The probabilities of the windows,
        or segments, are averaged, and the temperature of the bundle is applied to the mean.

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
            If the file cannot be decoded, or is shorter than 2 s or than a longer segment that the model takes.
        """
        name = os.fspath(path)
        votes: dict[_Place, _Vote] = {}
        try:
            with _faults_of(name):
                for _ in self._listen(name, votes):
                    pass
                return self._verdict(name, votes.values())
        except SilentError as error:
            return self._equal(name, error.reason)

    def timeline(
        self,
        path: str | os.PathLike[str],
        hop_seconds: float | None = None,
        *,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> Timeline:
        """Tell how the genre of a file changes over time, in memory that hardly grows with its length.

        The file is decoded once, and what the answer and the points have in common is computed once.

        Parameters
        ----------
        path : str or os.PathLike
            An audio file of any sampling rate and channel count.
        hop_seconds : float, optional
            Seconds from one point's start to the next one's, up to the length of the model's windows. By default a
            third of that for windows of the length of a clip, and all of it for segments.
        progress : callable, optional
            Called with the seconds that were listened to, and the seconds of the file.

        Returns
        -------
        Timeline
            What `classify` answers, and a point for each window. The last one ends where the file ends, unless less
            than a tenth of a hop remains. A file shorter than a window has one point.

        Raises
        ------
        ParameterError
            If the hop is out of range.
        AudioError
            Where `classify` raises it.
        """
        reader, name = self._reader, os.fspath(path)
        hop = reader.hop_seconds if hop_seconds is None else float(hop_seconds)
        if not _MIN_HOP_SECONDS <= hop <= reader.window_seconds:
            raise ParameterError(
                f"The hop of a timeline must be from {_MIN_HOP_SECONDS:g} s to {reader.window_seconds:g} s, the "
                f"length of a window of {self.bundle.name}; got {hop:g} s."
            )
        with _faults_of(name):
            return self._timeline(name, hop, progress)

    def _timeline(self, name: str, hop: float, progress: Callable[[int, int | None], None] | None) -> Timeline:
        """Tell how the genre of a file changes over time."""
        reader = self._reader
        votes: dict[_Place, _Vote] = {}
        points = []
        total = None
        try:
            stretches = cut_stretches(
                self._listen(name, votes), length=reader.stretch_samples, hop=round(hop * reader.sr)
            )
            for start, y in stretches:
                points.append(self._point(name, start, y, votes))
                if progress is not None:
                    total = read_header(name)[0] if total is None else total
                    progress(round(points[-1].end), round(total))
        except SilentError as error:
            silence = self._equal(name, error.reason)
            points = [self._as_point(0.0, read_header(name)[0], self._equal(name, SILENT))]
            return Timeline(silence, tuple(points), reader.window_seconds, hop)
        return Timeline(self._verdict(name, votes.values()), tuple(points), reader.window_seconds, hop)

    def _listen(self, name: str, votes: dict[_Place, _Vote]) -> Iterator[NDArray[np.float32]]:
        """Pass a file on in windows, and put into `votes` how each of those votes for which it is classified."""
        begin = 0
        for window in self._reader.windows(name):
            signals = self._reader.signals(window)
            # A pause inside a track has no genre, and its features say nothing.
            heard = np.flatnonzero(signals.any(axis=1))
            if len(heard):
                places = [(begin + int(k) * self._reader.stride, signals.shape[1]) for k in heard]
                votes.update(zip(places, self._votes(name, signals[heard]), strict=True))
            yield window
            begin += len(window)

    def _votes(self, name: str, signals: NDArray[np.float32]) -> list[_Vote]:
        """Return the vote of each signal."""
        X, descriptions = self._reader.inputs(signals)
        if not np.isfinite(X).all():
            raise AudioError(name, "gives features that are not finite numbers")
        probabilities = self._reader.votes(self.probabilities(X))
        if self._novelty is None:
            return [_Vote(vote, None) for vote in probabilities]
        distances = self._novelty.distances(descriptions)
        return [_Vote(vote, float(distance)) for vote, distance in zip(probabilities, distances, strict=True)]

    def _point(self, name: str, start: int, y: NDArray[np.float32], votes: dict[_Place, _Vote]) -> TimelinePoint:
        """Tell the genre of a stretch."""
        sr, there = self._reader.sr, len(y)
        y = self._reader.stretch(y)
        begin, end = start / sr, (start + min(there, len(y))) / sr
        if not y.any():
            return self._as_point(begin, end, self._equal(name, SILENT))
        vote = votes.get((start, len(y)))
        if vote is None:
            (vote,) = self._votes(name, y[np.newaxis])
        temperature = self._calibration.window_temperature
        return self._as_point(begin, end, self._answer(name, vote.probabilities, vote.distance, temperature))

    @staticmethod
    def _as_point(start: float, end: float, answer: Classification) -> TimelinePoint:
        return TimelinePoint(
            # A segment lacks one sample of its length; to the millisecond it is whole.
            round(start, 3), round(end, 3), answer.genre, answer.confidence, answer.probabilities, answer.reason,
            answer.distance,
        )  # fmt: skip

    def _verdict(self, name: str, votes: Collection[_Vote]) -> Classification:
        """Turn the votes on a file into the answer."""
        if not votes:
            return self._equal(
                name, f"is silent but for its last seconds, and no {self._reader.unit} of it can be used"
            )
        distances = [vote.distance for vote in votes if vote.distance is not None]
        mean = np.mean([vote.probabilities for vote in votes], axis=0)
        distance = float(np.mean(distances)) if distances else None
        return self._answer(name, mean, distance, self._calibration.temperature)

    def _equal(self, name: str, reason: str) -> Classification:
        """Answer for what has no genre."""
        equal = dict.fromkeys(self.genres, 1 / len(self.genres))
        return Classification(name, UNKNOWN, 1 / len(self.genres), equal, self.bundle.name, reason)

    def _answer(
        self, name: str, vote: NDArray[np.float64], distance: float | None, temperature: float
    ) -> Classification:
        """Turn a vote into an answer."""
        calibrated = apply_temperature(vote[np.newaxis], temperature)[0]
        probabilities = dict(zip(self.genres, calibrated.tolist(), strict=True))
        genre = max(probabilities, key=probabilities.__getitem__)
        confidence = probabilities[genre]
        reason = None
        if self._unknown:
            reason = self._calibration.unknown_reason(confidence, 0.0 if distance is None else distance)
        answer = genre if reason is None else UNKNOWN
        return Classification(name, answer, confidence, probabilities, self.bundle.name, reason, distance)

    def probabilities(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Predict from inputs of the model.

        Parameters
        ----------
        X : np.ndarray, shape (n, *input_shape)
            Rows of features in the order of ``bundle.features``, or crops of pictures.

        Returns
        -------
        np.ndarray, shape (n, n_genres), float64
            Probabilities as the model gives them, before the temperature; each row sums to 1.

        Raises
        ------
        ParameterError
            If the shape is another, or a value is NaN or infinite.
        """
        predicted = self.bundle.predict(X).astype(np.float64)
        # Single precision leaves the sums off by 1e-7.
        predicted /= predicted.sum(axis=1, keepdims=True)
        return predicted


_Place = tuple[int, int]
"""First sample of what votes, and number of its samples."""


class _Vote(NamedTuple):
    """What a stretch of a file says: probabilities, and how far it is from the training data."""

    probabilities: NDArray[np.float64]
    distance: float | None


class _Reader(ABC):
    """From an audio file to what a kind of model takes.

    Attributes
    ----------
    unit : str
        What of a file votes, for messages.
    described : int
        Number of quantities that tell how familiar a vote is.
    sr : int
        Sampling rate in Hz.
    window_seconds, hop_seconds : float
        Length of what is behind a point of a timeline, and seconds from one to the next where nobody asks for others.
    stretch_samples : int
        Samples behind such a point.
    stride : int
        Samples from one vote of a clip-long window to the next.
    """

    unit: str
    described: int

    def __init__(self, recipe: Recipe, needed: int, window_seconds: float, *, whole: bool) -> None:
        self.sr, self._seconds, self._needed = recipe.sr, recipe.clip_seconds, needed
        # As in an extraction: what lacks little of a segment is continued.
        self._shortest = min(needed, MIN_SECONDS * recipe.sr) if needed <= recipe.segment_samples else needed
        self.window_seconds = window_seconds
        self.hop_seconds = window_seconds / _HOPS if whole else window_seconds
        self.stride = round(window_seconds * recipe.sr)
        self.stretch_samples = self.stride if whole else self.stride - 1

    def windows(self, name: str) -> Iterator[NDArray[np.float32]]:
        """Decode a file in clip-long windows."""
        return iter_windows(name, sr=self.sr, seconds=self._seconds, min_samples=self._shortest)

    def signals(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what votes of a window, shape (n, samples)."""
        return continue_short(window, self._needed)[np.newaxis]

    def stretch(self, y: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what of a stretch the model takes."""
        return continue_short(y, self._needed)

    @abstractmethod
    def inputs(self, signals: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return inputs of the model for signals that vote, and what tells how familiar each of those is."""

    @abstractmethod
    def votes(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the votes that the probabilities of inputs amount to, all of equal weight."""


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
        self._whole = window.kind == "clip"
        self.unit, self.described, self._recipe = window.label, len(bundle.features), recipe
        shortest = recipe.segment_seconds if self._whole else window.seconds
        super().__init__(
            recipe,
            round(shortest * recipe.sr) - 1,
            recipe.clip_seconds if self._whole else window.seconds,
            whole=self._whole,
        )

    def signals(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._whole:
            return super().signals(window)
        return cut_segments(continue_short(window, self._needed), stride=self.stride)

    def stretch(self, y: NDArray[np.float32]) -> NDArray[np.float32]:
        y = super().stretch(y)
        return y if self._whole else y[: self.stretch_samples]

    def inputs(self, signals: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
        X = feature_matrix(signals, self._recipe)
        return X, X

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
        self.unit, self.described = f"{recipe.segment_seconds:g}s", DESCRIBED
        self._recipe, self._frames_per_column, self._columns = recipe, frames, bundle.input_shape[1]
        super().__init__(recipe, round(recipe.segment_seconds * recipe.sr) - 1, recipe.clip_seconds, whole=True)

    def inputs(self, signals: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
        (signal,) = signals
        levels = quantise(mel_spectrogram(signal, self._recipe), self._recipe)
        pixels = canonical(levels, self._frames_per_column)
        return cut_crops(pixels, self._columns), describe_picture(pixels)[np.newaxis]

    def votes(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        mean: NDArray[np.float64] = probabilities.mean(axis=0, keepdims=True)
        return mean


@contextmanager
def _faults_of(name: str) -> Iterator[None]:
    """Turn whatever goes wrong with a file into an `AudioError`, so that the next file is answered."""
    try:
        yield
    except AudioGenreError:
        raise
    except MemoryError:
        raise UnreadableError(name, "cannot be classified: there is not enough memory at the moment") from None
    except Exception as error:
        raise AudioError(name, f"cannot be classified ({type(error).__name__})") from error


_PICTURE_AXES = 2
# Clip-long windows of a timeline begin so often in the time that one takes.
_HOPS = 3
_READERS: dict[str, type[_FeatureReader] | type[_PictureReader]] = {"tabular": _FeatureReader, "cnn": _PictureReader}
