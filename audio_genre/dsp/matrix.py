"""Signals to feature rows by a recipe, and to the mel spectrograms that pictures show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audio_genre.audio import as_signal, resample
from audio_genre.dsp import spectral
from audio_genre.dsp.gtzan57 import GTZAN57
from audio_genre.dsp.parameters import SpectralParameters
from audio_genre.dsp.recipe import Recipe, WindowFeatures
from audio_genre.errors import ParameterError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def features(y: ArrayLike, sr: int, recipe: Recipe = GTZAN57) -> dict[str, float]:
    """Compute the recipe's features of one signal.

    Parameters
    ----------
    y : array_like, shape (n,)
        Mono signal; full scale is 1. At least ``recipe.shortest`` samples at ``recipe.sr``.
    sr : int
        Its sampling rate in Hz; another one than ``recipe.sr`` is resampled.
    recipe : Recipe
        Which features, with every parameter.

    Returns
    -------
    dict of str to float
        Value of every feature by its name, in the order of ``recipe.feature_names``. Of the GTZAN features centroid,
        bandwidth and roll-off are in Hz, tempo in BPM, ``mfcc`` in dB, the rest without a unit.

    Raises
    ------
    ParameterError
        If `y` is not one-dimensional and real, too short, or holds NaN, infinite or absurdly large samples, or `sr` is
        not a whole number above 0.
    EncoderError
        If the recipe needs a pretrained network that is not installed.

    See Also
    --------
    audio_genre.dsp.reference.reference_features : The same by plain librosa calls.

    References
    ----------
    Tzanetakis and Cook, "Musical genre classification of audio signals", IEEE Transactions on Speech and Audio
    Processing 10(5), 2002, for the task; the numbers are those of the public GTZAN feature tables.

    Examples
    --------
    >>> import numpy as np
    >>> from audio_genre import features
    >>> row = features(np.sin(2 * np.pi * 440 * np.arange(66150) / 22050), 22050)
    >>> round(row["spectral_centroid_mean"])
    445
    """
    signal = as_signal(y, sr)
    row = recipe.rows(resample(signal, int(sr), recipe.sr)[None])[0]
    if not np.isfinite(row).all():
        raise ParameterError(
            f"The features are not finite, because samples reach {np.abs(signal).max():.3g}; scale full scale to 1."
        )
    return dict(zip(recipe.feature_names, row.tolist(), strict=True))


def feature_matrix(signals: NDArray[np.float32], recipe: Recipe = GTZAN57) -> NDArray[np.float64]:
    """Compute one row of features for each of several signals of one length.

    >>> import numpy as np
    >>> noise = np.random.default_rng(0).standard_normal((2, 66149)).astype(np.float32)
    >>> feature_matrix(noise).shape
    (2, 57)
    """
    return recipe.rows(signals)


def window_features(y: NDArray[np.float32], recipe: Recipe = GTZAN57) -> WindowFeatures:
    """Compute the features of a window of audio and of its segments, and its mel spectrogram."""
    return recipe.window_features(y)


def mel_spectrogram(y: NDArray[np.float32], recipe: SpectralParameters = GTZAN57) -> NDArray[np.float32]:
    """Compute the mel spectrogram of a window of audio, the same as `window_features` gives, and nothing else.

    >>> import numpy as np
    >>> mel_spectrogram(np.sin(np.arange(66149, dtype=np.float32))).shape
    (128, 130)
    """
    return spectral.mel_spectrogram(y, recipe)
