"""Margins, axes, titles and colorbars around spectrograms: where they end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audio_genre.datasets.pictures.files import PictureFile, colours_of, spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

Margins = tuple[int, int, int, int]
"""Width of a border at the top, bottom, left and right, in pixels."""

# A border never takes more than this share of a side.
_MAX_BORDER = 0.75
# How far JPEG may move a colour that is the same in every picture.
_LOSSY_TOLERANCE = 32
_WHITE = 255


def find_margins(folder: Path, files: Sequence[PictureFile]) -> dict[tuple[int, int], Margins]:
    """Find the borders of pictures, by comparing those of one size."""
    by_size: dict[tuple[int, int], list[PictureFile]] = defaultdict(list)
    for file in files:
        by_size[file.size].append(file)
    margins: dict[tuple[int, int], Margins] = {}
    alone: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for size, members in by_size.items():
        shared = _shared_margins(folder, members) if len(members) > 1 else None
        if shared is None:
            margins[size] = _white_margins(folder, members)
            alone[size[1]].append(size)
        else:
            margins[size] = shared
    for sizes in alone.values():
        # Cut alike, so that a row means the same frequency in all of them.
        smallest = np.min([margins[size] for size in sizes], axis=0).tolist()
        for size in sizes:
            margins[size] = tuple(smallest)
    return margins


def _shared_margins(folder: Path, files: Sequence[PictureFile]) -> Margins | None:
    """Return the border that is the same in pictures of one size; None if there are no two different ones."""
    low: NDArray[np.uint8] | None = None
    high: NDArray[np.uint8] | None = None
    examples: list[NDArray[np.uint8]] = []
    for _, rgb in colours_of(folder, spread(files)):
        low = rgb if low is None else np.minimum(low, rgb)
        high = rgb if high is None else np.maximum(high, rgb)
        if len(examples) < 3:
            examples.append(rgb)
    if low is None or high is None:
        return None
    tolerance = _LOSSY_TOLERANCE if any(file.is_lossy for file in files) else 0
    varies: NDArray[np.bool_] = np.any(high.astype(np.int16) - low > tolerance, axis=2)
    if not varies.any():
        return None
    is_white: NDArray[np.bool_] = np.all(low >= _WHITE - tolerance, axis=2)
    height, width = varies.shape
    top, bottom, left, right = 0, height, 0, width
    # Twice, because a title above may be separated only where no axis label stands beside it.
    for _ in range(2):
        top, bottom = _block(varies[:, left:right], is_white[:, left:right])
        left, right = _block(varies[top:bottom].T, is_white[top:bottom].T)
    colours = np.unique(np.concatenate([rgb[top:bottom, left:right].reshape(-1, 3) for rgb in examples]), axis=0)

    def is_silent(line: NDArray[np.uint8]) -> bool:
        """Tell whether an outer row or column has one colour that is not white and that spectrograms have too."""
        colour = line[0].astype(np.int16)
        is_uniform = bool((np.abs(line - colour) <= tolerance).all())
        return (
            is_uniform
            and not bool((colour >= _WHITE - tolerance).all())
            and bool((np.abs(colours - colour) <= tolerance).all(axis=1).any())
        )

    while top > 0 and is_silent(low[top - 1, left:right]):
        top -= 1
    while bottom < height and is_silent(low[bottom, left:right]):
        bottom += 1
    while left > 0 and is_silent(low[top:bottom, left - 1]):
        left -= 1
    while right < width and is_silent(low[top:bottom, right]):
        right += 1
    return _bounded((top, height - bottom, left, width - right), height, width)


def _block(varies: NDArray[np.bool_], is_white: NDArray[np.bool_]) -> tuple[int, int]:
    """Return where the rows that vary begin and end, without smaller parts that white rows separate from the rest."""
    lines = np.flatnonzero(np.any(varies, axis=1))
    blanks = np.cumsum(np.all(is_white, axis=1))[lines]
    values, counts = np.unique(blanks, return_counts=True)
    largest = lines[blanks == values[counts.argmax()]]
    if 2 * len(largest) >= len(lines):
        lines = largest
    return int(lines[0]), int(lines[-1]) + 1


def _white_margins(folder: Path, files: Sequence[PictureFile]) -> Margins:
    """Return the white margin of a picture that nothing can be compared with."""
    rgb = next((rgb for _, rgb in colours_of(folder, files)), None)
    if rgb is None:
        return 0, 0, 0, 0
    tolerance = _LOSSY_TOLERANCE if any(file.is_lossy for file in files) else 0
    is_drawn: NDArray[np.bool_] = np.any(rgb < _WHITE - tolerance, axis=2)
    if not is_drawn.any():
        return 0, 0, 0, 0
    height, width = is_drawn.shape
    rows, columns = (np.flatnonzero(is_drawn.any(axis=axis)) for axis in (1, 0))
    margins = (int(rows[0]), int(height - 1 - rows[-1]), int(columns[0]), int(width - 1 - columns[-1]))
    return _bounded(margins, height, width)


def _bounded(margins: Margins, height: int, width: int) -> Margins:
    """Return no border at all where it would be most of the picture."""
    top, bottom, left, right = margins
    if top + bottom > _MAX_BORDER * height or left + right > _MAX_BORDER * width:
        return 0, 0, 0, 0
    return margins


def inside(rgb: NDArray[np.uint8], margins: Margins) -> NDArray[np.uint8]:
    """Cut the border off a picture.

    Examples
    --------
    >>> inside(np.zeros((10, 20, 3), dtype=np.uint8), (1, 2, 3, 4)).shape
    (7, 13, 3)
    """
    top, bottom, left, right = margins
    return np.ascontiguousarray(rgb[top : rgb.shape[0] - bottom, left : rgb.shape[1] - right])
