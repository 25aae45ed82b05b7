"""A bundle and a clip to an answer: the bundle's own features, its model, one distribution over the genres."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from audio_genre.audio import as_signal, cut_stretches, read_header, resample
from audio_genre.bundles.calibration import UNKNOWN, apply_temperature
from audio_genre.errors import AudioError, AudioGenreError, ParameterError, SilentError, UnreadableError
from audio_genre.inference.answer import Classification, Classifications
from audio_genre.inference.default import default_model
from audio_genre.inference.reasons import TagReasons
from audio_genre.inference.timeline import SILENT, Timeline, TimelinePoint
from audio_genre.inputs import load_bundle, open_reader
from audio_genre.progress import shows_progress

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Shorter than any window; no genre changes faster.
_MIN_HOP_SECONDS = 0.05


class Classifier:
    """Tells the genre of audio files with a trained model; TensorFlow is not loaded.

    Parameters
    ----------
    bundle : str or os.PathLike, optional
        Folder of a model trained on a table of audio features, or on pictures that `extract` wrote; by default a model
        that comes with the package: where MusiCNN is installed, the one that takes its tags.
    unknown : bool
        Whether a clip unlike the training data, or without a genre that is probable enough, is answered
        ``"unknown"``. Without it the most probable genre is the answer, whatever the clip is; of silence there is none.
    excerpt : bool
        Whether `classify` hears one clip-long window in the middle of a file in place of all of it.

    Attributes
    ----------
    bundle : Bundle
        The model and its card.

    Raises
    ------
    BundleError
        If the bundle cannot be used, or its model takes something that cannot be computed from audio.
    """

    def __init__(
        self, bundle: str | os.PathLike[str] | None = None, *, unknown: bool = True, excerpt: bool = False
    ) -> None:
        self.bundle = load_bundle(default_model() if bundle is None else bundle)
        self._unknown, self._excerpt = unknown, excerpt
        self._reader = open_reader(self.bundle)
        self._calibration, self._novelty = self.bundle.calibration, self.bundle.novelty
        self._tags: TagReasons | None = None
        recipe, novelty = self.bundle.recipe, self._novelty
        if recipe is not None and recipe.tags and novelty is not None and self.bundle.features == recipe.feature_names:
            self._tags = TagReasons(recipe.tags, recipe.feature_names, novelty.mean)

    @property
    def genres(self) -> tuple[str, ...]:
        """Genres that the model knows, in the order of its probabilities."""
        return self.bundle.classes

    def classify(self, clip: str | os.PathLike[str] | ArrayLike, *, sr: int | None = None) -> Classification:
        """Tell the genre of a clip.

        What the model takes is computed as for the data that it was trained on: features of each clip-long window or of
        each segment, or the mel spectrogram of each clip-long window, cut into crops. The probabilities of the windows,
        or segments, are averaged, and the temperature of the bundle is applied to the mean.

        Parameters
        ----------
        clip : str, os.PathLike or array_like, shape (n,)
            An audio file of any sampling rate and channel count, or a mono signal whose full scale is 1.
        sr : int, optional
            Sampling rate of a signal in Hz; a file tells its own.

        Returns
        -------
        Classification
            Genre, confidence, all probabilities.

        Raises
        ------
        AudioError
            If the file cannot be decoded, or the clip is shorter than 2 s or than a longer segment that the model
            takes.
        ParameterError
            If a signal is not one-dimensional and real, or `sr` is missing or given for a file.
        """
        if isinstance(clip, str | os.PathLike):
            if sr is not None:
                raise ParameterError(f"sr is for signals, and {os.fspath(clip)!r} is a file; leave it out.")
            name = os.fspath(clip)
            windows = self._reader.windows(name)
            return self._classify(name, self._middle(name, windows) if self._excerpt else windows)
        if sr is None:
            raise ParameterError("A signal needs its sampling rate; give it as sr.")
        y = as_signal(clip, sr)
        if not np.isfinite(y).all():
            raise ParameterError("y must be finite, and it holds NaN or infinite samples.")
        try:
            windows = self._reader.windows_of(resample(y, int(sr), self._reader.sr))
        except SilentError as error:
            return self._equal("signal", error.reason)
        return self._classify("signal", windows)

    @shows_progress("classifying")
    def classify_many(
        self, paths: Iterable[str | os.PathLike[str]], *, progress: bool | Callable[[int, int], None] = False
    ) -> Classifications:
        """Tell the genre of many files; one that cannot be read does not end it.

        Parameters
        ----------
        paths : iterable of str or os.PathLike
            Audio files.
        progress : bool or callable
            True shows a progress bar; a function is called with the number of files that are done and of all.

        Returns
        -------
        Classifications
            The answers, and why files could not be classified.
        """
        files = [os.fspath(path) for path in paths]
        answers: list[Classification] = []
        failed: dict[str, str] = {}
        for done, file in enumerate(files, start=1):
            try:
                answers.append(self.classify(file))
            except AudioError as error:
                failed[file] = str(error)
            if callable(progress):
                progress(done, len(files))
        return Classifications(tuple(answers), failed)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Classifier, unknown=self._unknown, excerpt=self._excerpt), (os.fspath(self.bundle.path),)

    def _middle(self, name: str, windows: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Pass on one window: that in the middle of the file, or the first after it that is not silent."""
        middle = int(read_header(name)[0] / self._reader.window_of[1]) // 2
        window = None
        for number, window in enumerate(windows):
            if number >= middle and window.any():
                break
        if window is not None:
            yield window

    def _classify(self, name: str, windows: Iterator[NDArray[np.float32]]) -> Classification:
        votes: dict[_Place, _Vote] = {}
        try:
            with _faults_of(name):
                for _ in self._listen(name, windows, votes):
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
            heard = self._listen(name, reader.windows(name), votes)
            stretches = cut_stretches(heard, length=reader.stretch_samples, hop=round(hop * reader.sr))
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

    def _listen(
        self, name: str, windows: Iterator[NDArray[np.float32]], votes: dict[_Place, _Vote]
    ) -> Iterator[NDArray[np.float32]]:
        """Pass windows of a clip on, and put into `votes` how each of those votes for which it is classified."""
        begin = 0
        for window in windows:
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
            return [_Vote(vote, None, None) for vote in probabilities]
        distances = self._novelty.distances(descriptions)
        rows = [None] * len(probabilities) if self._tags is None else descriptions
        return [
            _Vote(vote, float(distance), row)
            for vote, distance, row in zip(probabilities, distances, rows, strict=True)
        ]

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
        return self._as_point(begin, end, self._answer(name, vote.probabilities, vote.distance, temperature, vote.row))

    @staticmethod
    def _as_point(start: float, end: float, answer: Classification) -> TimelinePoint:
        return TimelinePoint(
            # A segment lacks one sample of its length; to the millisecond it is whole.
            round(start, 3), round(end, 3), answer.genre, answer.confidence, answer.probabilities, answer.reason,
            answer.distance, answer.tags,
        )  # fmt: skip

    def _verdict(self, name: str, votes: Collection[_Vote]) -> Classification:
        """Turn the votes on a file into the answer."""
        if not votes:
            return self._equal(
                name, f"is silent except for its last seconds, so no {self._reader.unit} of it can be used"
            )
        distances = [vote.distance for vote in votes if vote.distance is not None]
        mean = np.mean([vote.probabilities for vote in votes], axis=0)
        distance = float(np.mean(distances)) if distances else None
        rows = [vote.row for vote in votes if vote.row is not None]
        row = np.mean(rows, axis=0) if rows else None
        return self._answer(name, mean, distance, self._calibration.temperature, row)

    def _equal(self, name: str, reason: str) -> Classification:
        """Answer for what has no genre."""
        equal = dict.fromkeys(self.genres, 1 / len(self.genres))
        return Classification(name, UNKNOWN, 1 / len(self.genres), equal, self.bundle.name, reason)

    def _answer(
        self,
        name: str,
        vote: NDArray[np.float64],
        distance: float | None,
        temperature: float,
        row: NDArray[Any] | None,
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
        tags: tuple[str, ...] = ()
        if reason is None and self._tags is not None and row is not None:
            tags = self._tags(row, self.genres.index(genre), self.probabilities)
        return Classification(name, answer, confidence, probabilities, self.bundle.name, reason, distance, tags)

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
    """What a stretch of a file says: probabilities, how far it is from the training data, and by what."""

    probabilities: NDArray[np.float64]
    distance: float | None
    row: NDArray[Any] | None
    """Its features, where tags are among them."""


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
