"""Folders of mel-spectrogram pictures: a row is a picture, which votes by its crops."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.bundles import Bundle
from audio_genre.bundles.card import Card, is_text, is_whole
from audio_genre.datasets import Pictures, Window, load_pictures
from audio_genre.datasets.pictures import canonical
from audio_genre.dsp import get_recipe
from audio_genre.dsp.matrix import mel_spectrogram
from audio_genre.dsp.picture import quantise
from audio_genre.errors import BundleError
from audio_genre.inputs.kind import AudioReader, CardPart, InputKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RANGES = 32
DESCRIBED = 3 * _RANGES
"""Number of quantities that `describe_picture` gives."""

_PICTURE_AXES = 2
_VOTE = (
    "mean of the probabilities of evenly spaced crops, each overlapping the next by half or more, then of the "
    "clip-long windows of a file, without silent ones; then the temperature"
)


class PictureInput(InputKind):
    """Folders of mel-spectrogram pictures."""

    name = "pictures"
    title = "a folder of mel-spectrogram pictures"
    options = frozenset({"rows", "progress"})

    def recognises(self, path: Path) -> bool:
        """Tell whether a path is a folder."""
        return path.is_dir()

    def load(self, path: Path, **options: Any) -> Pictures:
        """Read the pictures of a folder, see `load_pictures`."""
        return load_pictures(path, **options)

    def describe(self, dataset: Pictures, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return levels and movement of the bands of pictures."""
        return np.stack([describe_picture(dataset.pixels(row)) for row in rows])

    def card(self, dataset: Pictures) -> CardPart:
        """Return the recipe and what the pixels mean."""
        representation = dataset.representation
        recipe = None
        if representation.recipe is not None and representation.frames_per_column is not None:
            recipe = get_recipe(representation.recipe)
        return CardPart(
            recipe=recipe,
            window=None if recipe is None else Window("clip", float(recipe.clip_seconds)),
            facts={"pictures": representation.as_json(), "vote": _VOTE},
            training_data={"left_out": list(dataset.left_out)},
        )

    def check(self, folder: Path, card: Card) -> None:
        """Refuse a card that does not say what pixels mean."""
        card.require(folder, "pictures", _is_representation, "an object with a name and frames_per_column")

    def check_audio(self, folder: Path, card: Card) -> None:
        """Refuse pictures that audio-genre cannot draw."""
        recipe = None if card.recipe is None else card.recipe.pictures
        if recipe is None or card.facts["pictures"].get("frames_per_column") is None:
            raise _deaf(folder)

    def reader(self, bundle: Bundle) -> AudioReader:
        """Return what draws the pictures of audio."""
        return PictureReader(bundle)


class PictureReader(AudioReader):
    """The mel spectrogram of each clip-long window, as a picture file would hold it; the crops of one are one vote."""

    def __init__(self, bundle: Bundle) -> None:
        heard = bundle.recipe
        recipe = None if heard is None else heard.pictures
        frames = bundle.card.facts["pictures"].get("frames_per_column")
        if heard is None or recipe is None or frames is None:
            raise _deaf(bundle.path)
        if len(bundle.input_shape) != _PICTURE_AXES or bundle.input_shape[0] != recipe.n_mels:
            raise BundleError(
                f"{bundle.path} contradicts itself: pictures of the recipe {recipe.name} have {recipe.n_mels} bands, "
                f"and the model takes inputs of shape {bundle.input_shape}; train it again."
            )
        self.unit, self.described = f"{recipe.segment_seconds:g}s", DESCRIBED
        self._recipe, self._frames_per_column, self._columns = recipe, frames, bundle.input_shape[1]
        super().__init__(heard, round(recipe.segment_seconds * recipe.sr) - 1, recipe.clip_seconds, whole=True)

    def inputs(self, signals: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the crops of one signal, and what tells how novel it is."""
        (signal,) = signals
        levels = quantise(mel_spectrogram(signal, self._recipe), self._recipe)
        pixels = canonical(levels, self._frames_per_column)
        return cut_crops(pixels, self._columns), describe_picture(pixels)[np.newaxis]

    def votes(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean over the crops."""
        mean: NDArray[np.float64] = probabilities.mean(axis=0, keepdims=True)
        return mean


def _is_representation(value: Any) -> bool:
    if not isinstance(value, dict) or not is_text(value.get("name")):
        return False
    frames = value.get("frames_per_column")
    return frames is None or is_whole(frames)


def cut_crops(pixels: NDArray[np.uint8], columns: int, *, overlap: bool = True) -> NDArray[np.uint8]:
    """Cut a picture into crops that are evenly spaced and cover all of it: those that vote on it.

    Examples
    --------
    >>> cut_crops(np.arange(8, dtype=np.uint8)[np.newaxis], 4)[:, 0].tolist()
    [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7]]
    """
    width = pixels.shape[1]
    if width < columns:
        return pixels[np.newaxis, :, np.arange(columns) % width]
    hop = max(columns // 2, 1) if overlap else columns
    crops = 1 + -(-(width - columns) // hop)
    starts = np.rint(np.linspace(0, width - columns, crops)).astype(np.intp)
    return np.stack([pixels[:, start : start + columns] for start in starts])


def describe_picture(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return what tells how familiar a picture is: level and movement in each of 32 ranges of bands.

    Examples
    --------
    >>> describe_picture(np.full((128, 10), 7, dtype=np.uint8))[[0, 32, 64]].tolist()
    [7.0, 0.0, 0.0]
    """
    ranges = pixels.reshape(_RANGES, -1, pixels.shape[1]).mean(axis=1)
    steps = np.abs(np.diff(ranges, axis=1)).mean(axis=1) if pixels.shape[1] > 1 else np.zeros(_RANGES)
    return np.concatenate([ranges.mean(axis=1), ranges.std(axis=1), steps])


def crops_of(
    pictures: Pictures, rows: NDArray[np.intp], columns: int, size: int, *, overlap: bool = True
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.intp]]]:
    """Yield the crops of pictures, see `cut_crops`, a bounded number at a time."""
    crops: list[NDArray[np.uint8]] = []
    owners: list[int] = []
    for place, row in enumerate(rows):
        cut = cut_crops(pictures.pixels(row), columns, overlap=overlap)
        crops.append(cut)
        owners += [place] * len(cut)
        if len(owners) >= size or place == len(rows) - 1:
            yield np.concatenate(crops).astype(np.float32), np.array(owners, dtype=np.intp)
            crops, owners = [], []


def _deaf(folder: Path) -> BundleError:
    return BundleError(
        f"{folder} was trained on pictures that audio-genre did not make at one pixel a frame, and how to make "
        "such from audio is not known, so it cannot classify audio; train a network on the pictures of "
        "`audio-genre extract`."
    )
