"""Colours back to values: which matplotlib colormap a set of pictures was drawn in, and its inverse."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from audio_genre.errors import ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

LUMINANCE = "luminance"
"""What pictures are read by that no colormap explains: the brightness of a pixel."""

# Where two maps explain the colours alike, the one that spectrograms are more often drawn in.
_PREFERRED = ("gray", "viridis", "magma", "inferno", "plasma", "jet", "hot", "turbo", "cool", "coolwarm", "seismic")
# A continuous map of matplotlib has at least this many entries, a qualitative one at most 20.
_MIN_ENTRIES = 256
# Euclidean distances of 8-bit colours. Further away, a pixel only counts as wrong.
_FAR = 63
# Rounding of another matplotlib version moves a colour by 1 at most.
_EXACT = 0.1
# JPEG at quality 75 moves the colours of real spectrograms by up to 25 on average, in jet and its like.
_BLENDED = 32.0
# Blended colours tell maps apart no finer than this.
_ALIKE = 0.5
# These repeat their colours many times, so that blended ones are near them whatever they were drawn in.
_SCRAMBLED = ("flag", "prism")
_UNKNOWN = np.int16(-1)


class ColormapReader:
    """The inverse of a colormap, or the brightness of colours.

    Examples
    --------
    >>> import numpy as np
    >>> levels, distance = ColormapReader("cool").read(np.array([[[0, 255, 255], [255, 0, 255]]], dtype=np.uint8))
    >>> levels.tolist(), distance
    ([[0, 255]], 0.0)
    """

    def __init__(self, name: str) -> None:
        self.name = name
        if name == LUMINANCE:
            return
        if name not in continuous_colormaps():
            raise ParameterError(f"matplotlib has no continuous colormap {name!r}; give one that it has.")
        from scipy.spatial import cKDTree

        self._colours, self._levels = _inverse(name)
        self._tree = cKDTree(self._colours)
        # Colours repeat, so each is looked for once: distance * 256 + level of every 24-bit colour seen.
        self._known = np.full(1 << 24, _UNKNOWN)

    def read(self, rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
        """Return the values of a picture; safe to call from several threads."""
        if self.name == LUMINANCE:
            from PIL import Image

            return np.asarray(Image.fromarray(rgb).convert("L")), 0.0
        codes = _codes(rgb)
        found = self._known[codes]
        is_new = found == _UNKNOWN
        if is_new.any():
            new = np.unique(codes[is_new])
            distances, nearest = self._tree.query(_colours(new))
            rounded = np.rint(np.minimum(distances, _FAR)).astype(np.int16)
            self._known[new] = (rounded << 8) + self._levels[nearest]
            found = self._known[codes]
        return (found & 255).astype(np.uint8), float((found >> 8).mean())


def find_colormap(samples: Sequence[NDArray[np.uint8]]) -> tuple[str, NDArray[np.float64]]:
    """Find the colormap that pictures were drawn in.

    Notes
    -----
    A picture does not tell a colormap from its reverse: the plain one is taken.
    """
    codes, where = np.unique(_codes(np.stack(samples)), return_inverse=True)
    colours = _colours(codes)
    where = where.reshape(len(samples), -1)
    names = continuous_colormaps()
    # One row per colormap, one column per picture.
    distances = np.stack([_distances(name, colours)[where].mean(axis=1) for name in names])
    typical = np.median(distances, axis=1)
    if typical.min() <= _EXACT:
        chosen = int(typical.argmin())
        return names[chosen], distances[chosen]
    typical[[names.index(name) for name in _SCRAMBLED]] = _FAR
    best = typical.min()
    if best > _BLENDED:
        return LUMINANCE, distances.min(axis=0)
    chosen = int(np.flatnonzero(typical <= best + _ALIKE)[0])
    return names[chosen], distances[chosen]


def nearest_colormap(sample: NDArray[np.uint8]) -> str:
    """Return the colormap that explains the pixels of one picture best."""
    colours = sample.astype(np.float64)
    return min(continuous_colormaps(), key=lambda name: float(_distances(name, colours).mean()))


@cache
def continuous_colormaps() -> tuple[str, ...]:
    """Return the names of matplotlib's continuous colormaps, in order of preference.

    Examples
    --------
    >>> "viridis" in continuous_colormaps(), "viridis_r" in continuous_colormaps(), "tab10" in continuous_colormaps()
    (True, False, False)
    """
    from matplotlib import colormaps

    names = dict.fromkeys((*_PREFERRED, *colormaps))
    found: dict[bytes, str] = {}
    for name in names:
        if name.endswith("_r") or colormaps[name].N < _MIN_ENTRIES:
            continue
        colours, _ = _inverse(name)
        is_grey = bool((colours == colours[:, :1]).all())
        found.setdefault(b"grey" if is_grey else colours.tobytes(), name)
    return tuple(found.values())


@cache
def _inverse(name: str) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
    """Return the different colours of a map, shape (n, 3), and the level of each, shape (n,)."""
    from matplotlib import colormaps

    colormap = colormaps[name]
    entries = colormap(np.arange(colormap.N), bytes=True)[:, :3]
    colours, where, counts = np.unique(entries, axis=0, return_inverse=True, return_counts=True)
    # Of several entries of one colour the middle one.
    entry = np.argsort(where.reshape(-1), kind="stable")[np.cumsum(counts) - 1 - counts // 2]
    return colours.astype(np.float64), np.rint(entry * (255 / (colormap.N - 1))).astype(np.int16)


def _distances(name: str, colours: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.spatial import cKDTree

    distances, _ = cKDTree(_inverse(name)[0]).query(colours)
    return np.minimum(np.asarray(distances, dtype=np.float64), _FAR)


def _codes(rgb: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Pack colours of shape (..., 3) in one number each."""
    red, green, blue = (rgb[..., channel].astype(np.int32) for channel in range(3))
    return (red << 16) | (green << 8) | blue


def _colours(codes: NDArray[np.int32]) -> NDArray[np.float64]:
    """Unpack numbers of shape (n,) to colours of shape (n, 3)."""
    return np.stack([codes >> 16, (codes >> 8) & 255, codes & 255], axis=1).astype(np.float64)
