"""Our features against librosa's, on files of the user's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.audio import iter_windows
from audio_genre.dsp.gtzan57 import GTZAN57, Gtzan57
from audio_genre.dsp.matrix import feature_matrix
from audio_genre.errors import AudioError, ExtractionError, ParameterError
from audio_genre.files.walk import find_clips, is_unread

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCE = 1e-5
"""Relative difference up to which two features are equal, beside the noise of single precision."""


@dataclass(frozen=True)
class FeatureDifference:
    """The clip in which a feature differs most.

    Attributes
    ----------
    feature : str
        Name of the feature.
    ours, librosa : float
        Both values.
    clip : str
        The clip's path below the folder.
    allowed : float
        Largest difference that counts as equal.
    """

    feature: str
    ours: float
    librosa: float
    clip: str
    allowed: float

    @property
    def relative(self) -> float:
        """Difference as a share of librosa's value; 0 where both are 0."""
        gap = abs(self.ours - self.librosa)
        return gap / abs(self.librosa) if self.librosa else gap

    @property
    def is_equal(self) -> bool:
        """Whether the difference is within what counts as equal."""
        return abs(self.ours - self.librosa) <= self.allowed


@dataclass(frozen=True)
class Verification:
    """What a comparison with librosa gave.

    Attributes
    ----------
    recipe : str
        Name of the recipe.
    clips : tuple of str
        The clips that were compared.
    failures : tuple of str
        A sentence for each file that could not be.
    differences : tuple of FeatureDifference
        One for each feature, in the recipe's order.
    librosa : str
        Version of librosa.
    """

    recipe: str
    clips: tuple[str, ...]
    failures: tuple[str, ...]
    differences: tuple[FeatureDifference, ...]
    librosa: str

    @property
    def is_equal(self) -> bool:
        """Whether every feature of every clip is equal."""
        return all(difference.is_equal for difference in self.differences)

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as plain data."""
        return {
            "recipe": self.recipe,
            "librosa": self.librosa,
            "equal": self.is_equal,
            "clips": list(self.clips),
            "failures": list(self.failures),
            "differences": [
                {
                    "feature": each.feature,
                    "ours": each.ours,
                    "librosa": each.librosa,
                    "relative": each.relative,
                    "clip": each.clip,
                    "equal": each.is_equal,
                }
                for each in self.differences
            ],
        }


def verify(
    audio_dir: str | os.PathLike[str],
    *,
    clips: int = 3,
    recipe: Gtzan57 = GTZAN57,
    progress: Callable[[int, int | None, str], None] | None = None,
) -> Verification:
    """Compare our features with those of plain librosa calls, on files of a folder.

    References
    ----------
    McFee et al., "librosa: Audio and music signal analysis in Python", SciPy 2015.

    Examples
    --------
    >>> import soundfile, tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> soundfile.write(folder / "hum.wav", np.sin(np.arange(66150) * 0.1), 22050)
    >>> found = verify(folder)
    >>> found.is_equal, len(found.differences)
    (True, 57)
    """
    if clips < 1:
        raise ParameterError(f"The number of clips must be at least 1; got {clips}.")
    folder = Path(audio_dir)
    tell = progress or (lambda done, total, what: None)  # noqa: ARG005
    paths = _paths(folder)
    if not paths:
        raise ExtractionError(f"No audio files that can be read were found in {folder} or its sub-folders.")
    order = _spread(len(paths), clips)
    total = min(clips, len(paths))
    tell(0, total, "loading librosa")
    from audio_genre.dsp.reference import float32_noise, reference_features

    worst: dict[str, FeatureDifference] = {}
    compared: list[str] = []
    failures: list[str] = []
    for number in order:
        if len(compared) == total:
            break
        path = paths[number]
        tell(len(compared), total, path)
        try:
            ours, y = _own(folder / path, recipe)
            plain = reference_features(y, recipe)
        except AudioError as error:
            failures.append(f"{path} {error.reason}.")
            continue
        allowed = TOLERANCE * np.abs(plain) + float32_noise(plain, recipe)
        for name, mine, theirs, most in zip(recipe.feature_names, ours, plain, allowed, strict=True):
            found = FeatureDifference(name, float(mine), float(theirs), path, float(most))
            if name not in worst or _rank(found) > _rank(worst[name]):
                worst[name] = found
        compared.append(path)
    if not compared:
        raise ExtractionError(f"None of the files of {folder} can be compared, the first being: {failures[0]}")
    tell(total, total, "")
    differences = tuple(worst[name] for name in recipe.feature_names)
    return Verification(recipe.name, tuple(compared), tuple(failures), differences, version("librosa"))


def _paths(folder: Path) -> list[str]:
    def refuse(name: str, error: OSError) -> None:
        if not name:
            raise ExtractionError(f"The audio folder {folder} cannot be read: {error.strerror}; check the path.")

    return [clip.path for clip in find_clips(folder, unreadable=refuse) if not is_unread(clip.path)]


def _spread(count: int, wanted: int) -> list[int]:
    """Return all numbers below `count`, the first `wanted` of them spread evenly."""
    first = np.unique(np.linspace(0, count - 1, min(wanted, count)).round().astype(int)).tolist()
    return [*first, *(number for number in range(count) if number not in set(first))]


def _own(path: Path, recipe: Gtzan57) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return our features of the first window of a file, and librosa's reading of the same window."""
    import warnings

    import librosa

    shortest = recipe.segment_seconds * recipe.sr - 1
    windows = iter_windows(path, sr=recipe.sr, seconds=recipe.clip_seconds, min_samples=shortest)
    window = next(islice(windows, 1))
    # A little more than the window, because a resampler needs what follows.
    seconds = len(window) / recipe.sr + 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            y, _ = librosa.load(path, sr=recipe.sr, duration=seconds)
    except Exception as error:
        raise AudioError(str(path), f"cannot be decoded by librosa ({type(error).__name__})") from None
    if len(y) < len(window):
        raise AudioError(str(path), f"has {len(y)} samples for librosa and at least {len(window)} for audio_genre")
    return feature_matrix(window[np.newaxis], recipe)[0], y[: len(window)]


def _rank(found: FeatureDifference) -> float:
    """Return how far a difference is beyond what is allowed."""
    return abs(found.ours - found.librosa) / found.allowed
