"""Signals to feature rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audio_genre.features.recipe import GTZAN57, Recipe
from audio_genre.features.reference import reference_features

if TYPE_CHECKING:
    from numpy.typing import NDArray


def feature_matrix(signals: NDArray[np.float32], recipe: Recipe = GTZAN57) -> NDArray[np.float64]:
    """Compute one row of features for each of several signals of one length."""
    return np.stack([reference_features(np.ascontiguousarray(y), recipe) for y in signals])
