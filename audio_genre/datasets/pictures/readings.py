"""How the files of a folder become pixels: our own exactly, resampled ones by their indices, foreign ones by colour."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.datasets.colormaps import LUMINANCE, ColormapReader, find_colormap, nearest_colormap
from audio_genre.datasets.pictures.borders import find_margins, inside
from audio_genre.datasets.pictures.files import PictureFile, as_rgb, colours_of, decode, spread
from audio_genre.datasets.pictures.representation import (
    BANDS,
    FOREIGN,
    FRAMES_PER_COLUMN,
    RESAMPLED,
    Representation,
    canonical,
)
from audio_genre.dsp.picture import REPRESENTATION
from audio_genre.errors import PictureError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

# Columns that pictures of median width have at most.
_WIDEST = 650
# Pixels of a picture that its colormap is found from.
_SAMPLED_PIXELS = 100
# A picture may be this much further from the colormap than the others are: one as JPEG among PNGs is.
_MISFIT = 12.0
# As near as this, a picture is drawn in a colormap and not merely like it.
_CRISP = 3.0


class _OtherColormapError(PictureError):
    """A picture is drawn in another colormap than the rest of its folder."""


class Reading(ABC):
    """How the files of one folder become pixels in canonical form."""

    @abstractmethod
    def columns(self, file: PictureFile) -> int:
        """Return how many columns a file will have."""

    def read(self, data: bytes, file: PictureFile) -> NDArray[np.uint8] | str:
        """Return the pixels of a file."""
        try:
            return decode(data, file, self._levels)
        except _OtherColormapError as error:
            raise PictureError(
                f"{file.name} is drawn in another colormap than the rest ({error}); draw it in the same, or take it "
                "out of the folder."
            ) from None

    @abstractmethod
    def _levels(self, image: Image) -> NDArray[np.uint8]:
        """Return the pixels of an open file."""


class _OwnReading(Reading):
    """One pixel a frame and band, exact."""

    def columns(self, file: PictureFile) -> int:
        return -(-file.width // FRAMES_PER_COLUMN)

    def _levels(self, image: Image) -> NDArray[np.uint8]:
        return canonical(np.asarray(image)[::-1])


class _ScaledReading(Reading):
    """Pictures of any size."""

    def __init__(self, heights_and_widths: Iterable[tuple[int, int]]) -> None:
        sizes = list(heights_and_widths)
        self.height = Counter(height for height, _ in sizes).most_common(1)[0][0]
        median = float(np.median([self._width(height, width) for height, width in sizes]))
        self.pixels_per_column = max(1, -(-int(median) // _WIDEST))

    def _width(self, height: int, width: int) -> int:
        """Return the width of a scaled copy at the common height."""
        return max(1, round(width * self.height / height))

    def _columns(self, height: int, width: int) -> int:
        return -(-self._width(height, width) // self.pixels_per_column)

    def _fit(self, levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        from PIL import Image

        height, width = levels.shape
        scaled = Image.fromarray(np.ascontiguousarray(levels))
        for size in ((self._width(height, width), height), (self._width(height, width), BANDS)):
            shrinks = size[0] < scaled.width or size[1] < scaled.height
            scaled = scaled.resize(size, Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR)
        return canonical(np.asarray(scaled)[::-1], self.pixels_per_column)


class _ResampledReading(_ScaledReading):
    """Our own pictures in a size of the user's: indices are values, but a pixel is no frame."""

    def __init__(self, files: Sequence[PictureFile]) -> None:
        super().__init__((file.height, file.width) for file in files)

    def columns(self, file: PictureFile) -> int:
        return self._columns(file.height, file.width)

    def _levels(self, image: Image) -> NDArray[np.uint8]:
        return self._fit(np.asarray(image))


class _ForeignReading(_ScaledReading):
    """Pictures whose values are told by their colours, without their borders."""

    def __init__(self, folder: Path, files: Sequence[PictureFile]) -> None:
        self._margins = find_margins(folder, files)
        super().__init__(map(self._inner, files))
        self.bits = next((file.bits for file in files if file.is_deep), None)
        self.reader = ColormapReader(self._find_colormap(folder, files))

    def _inner(self, file: PictureFile) -> tuple[int, int]:
        top, bottom, left, right = self._margins[file.size]
        return file.height - top - bottom, file.width - left - right

    def columns(self, file: PictureFile) -> int:
        return self._columns(*self._inner(file))

    def _levels(self, image: Image) -> NDArray[np.uint8]:
        levels, distance = self.reader.read(inside(as_rgb(image, self.bits or 8), self._margins[image.size]))
        if distance > self._farthest:
            raise _OtherColormapError(self.reader.name)
        return self._fit(levels)

    def _find_colormap(self, folder: Path, files: Sequence[PictureFile]) -> str:
        rng = np.random.default_rng(0)
        names, samples = [], []
        for file, rgb in colours_of(folder, spread(files)):
            colours = inside(rgb, self._margins[file.size]).reshape(-1, 3)
            names.append(file.name)
            samples.append(colours[rng.integers(len(colours), size=_SAMPLED_PIXELS)])
        if not samples:
            raise PictureError(
                f"No picture in {folder} can be decoded, such as {files[0].name}, although they begin as pictures do; "
                "make them again."
            )
        name, distances = find_colormap(samples)
        if name == LUMINANCE and (distances <= _CRISP).mean() > 0.9:
            first = nearest_colormap(samples[0])
            for other, sample in zip(names, samples, strict=True):
                if nearest_colormap(sample) != first:
                    raise PictureError(
                        f"{names[0]} is drawn in the colormap {first} and {other} in {nearest_colormap(sample)}; all "
                        "pictures of a folder must be drawn in the same."
                    )
        self._farthest = 2 * float(np.median(distances)) + _MISFIT
        return name


def find_reading(folder: Path, files: Sequence[PictureFile]) -> tuple[Reading, Representation]:
    """Find out what the pixels of all files mean."""
    first = files[0]
    for file in files[1:]:
        if (file.own is None) != (first.own is None):
            ours, other = (file, first) if first.own is None else (first, file)
            raise PictureError(
                f"{folder} mixes pictures of audio-genre extract, such as {ours.name}, with others, such as "
                f"{other.name}; keep them in different folders."
            )
    if first.own is None:
        foreign = _ForeignReading(folder, files)
        depth = {} if foreign.bits is None else {"bits": foreign.bits}
        return foreign, Representation(FOREIGN, colormap=foreign.reader.name, parameters=_scale(foreign) | depth)

    if first.own["representation"] != REPRESENTATION:
        raise PictureError(
            f"{first.name} holds the representation {first.own['representation']!r}, and this version reads "
            f"{REPRESENTATION!r}; extract the pictures again."
        )
    for file in files[1:]:
        difference = _difference(first, file)
        if difference is not None:
            key, one, other = difference
            raise PictureError(
                f"{first.name} and {file.name} differ in {key}: {one} and {other}; extract all pictures with the same "
                "settings."
            )
    if first.own["n_mels"] != BANDS:
        raise PictureError(
            f"{first.name} has {first.own['n_mels']} mel bands, and {BANDS} are needed; extract the pictures with a "
            "recipe that has so many."
        )
    exact = Representation.of_parameters(first.own)
    if not first.is_resampled:
        return _OwnReading(), exact
    resampled = _ResampledReading(files)
    parameters = {**exact.parameters, "width": first.width, **_scale(resampled)}
    return resampled, Representation(RESAMPLED, recipe=exact.recipe, parameters=parameters)


def _scale(reading: _ScaledReading) -> dict[str, int]:
    return {"height": reading.height, "pixels_per_column": reading.pixels_per_column}


def _difference(first: PictureFile, other: PictureFile) -> tuple[str, Any, Any] | None:
    """Return what two of our own pictures differ in, and the two values."""
    one, two = first.own or {}, other.own or {}
    if one is not two:
        key = next(key for key in sorted({*one, *two}) if one.get(key) != two.get(key))
        return key, one.get(key), two.get(key)
    if (first.is_resampled or other.is_resampled) and first.size != other.size:
        return "size", f"{first.width}x{first.height} pixels", f"{other.width}x{other.height} pixels"
    return None
