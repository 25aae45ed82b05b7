"""Which tags speak for an answer: those without which the model would believe it less."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_TAGS = 3
"""So many tags are named at most."""

_SMALLEST = 1e-12


class TagReasons:
    """Names tags by what a model says without them.

    The features of one tag at a time are set to the mean of the training data. A tag that the clip has more of than
    that mean, and without which the genre is less probable, speaks for the genre, the more the greater the ratio is.

    References
    ----------
    Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, for occlusion.
    """

    def __init__(
        self, tags: Mapping[str, tuple[str, ...]], features: Sequence[str], usual: NDArray[np.float64]
    ) -> None:
        place = {feature: k for k, feature in enumerate(features)}
        self._columns = {tag: [place[name] for name in names] for tag, names in tags.items()}
        self._usual = usual

    def __call__(
        self, row: NDArray[Any], genre: int, predict: Callable[[NDArray[Any]], NDArray[np.float64]]
    ) -> tuple[str, ...]:
        """Return the tags that speak most for a genre, the strongest first."""
        more = [tag for tag, columns in self._columns.items() if row[columns[0]] > self._usual[columns[0]]]
        rows = np.tile(row, (len(more) + 1, 1))
        for k, tag in enumerate(more, start=1):
            rows[k, self._columns[tag]] = self._usual[self._columns[tag]]
        logs = np.log(np.maximum(predict(rows)[:, genre], _SMALLEST))
        lost = logs[0] - logs[1:]
        order = np.argsort(-lost)[:MOST_TAGS]
        return tuple(more[k] for k in order if lost[k] > 0)
