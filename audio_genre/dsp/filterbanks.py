"""Filter banks and transforms as matrices, equal to librosa's, computed once and kept."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from audio_genre.dsp.mel import mel_filters

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audio_genre.dsp.parameters import SpectralParameters

_ArrayT = TypeVar("_ArrayT", bound="NDArray[Any]")


@lru_cache(maxsize=4)
def hann_window(n_fft: int) -> NDArray[np.float64]:
    """Return the periodic Hann window."""
    phase = 2 * np.pi / n_fft * np.arange(n_fft, dtype=np.float64)
    return _frozen(np.asarray(0.5 - 0.5 * np.cos(phase), dtype=np.float64))


@lru_cache(maxsize=4)
def bin_frequencies(recipe: SpectralParameters) -> NDArray[np.float64]:
    """Return the centre frequency of every bin of the STFT."""
    frequencies: NDArray[np.float64] = np.asarray(np.fft.rfftfreq(recipe.n_fft, 1.0 / recipe.sr), dtype=np.float64)
    return _frozen(frequencies)


@lru_cache(maxsize=4)
def mel_filterbank(recipe: SpectralParameters) -> NDArray[np.float32]:
    """Return triangular filters of equal area on Slaney's mel scale, as ``librosa.filters.mel`` does.

    References
    ----------
    Slaney, "Auditory Toolbox", version 2, 1998.
    """
    return _frozen(mel_filters(recipe.sr, recipe.n_fft, recipe.n_mels, recipe.mel_fmin, recipe.mel_fmax))


@lru_cache(maxsize=128)
def chroma_filterbank(recipe: SpectralParameters, tuning: float) -> NDArray[np.float32]:
    """Return the projection of bins onto pitch classes, as ``librosa.filters.chroma`` does.

    References
    ----------
    Ellis, "Chroma feature analysis and synthesis", 2007.
    """
    n_chroma = recipe.n_chroma
    a0 = 440.0 * 2.0 ** (tuning / n_chroma) / 16
    frequencies = np.linspace(0, recipe.sr, recipe.n_fft, endpoint=False)[1:]
    pitches = n_chroma * np.log2(frequencies / a0)
    # Bin 0 has no pitch; it is put 1.5 octaves below bin 1.
    pitches = np.concatenate(([pitches[0] - 1.5 * n_chroma], pitches))
    widths = np.concatenate((np.maximum(np.diff(pitches), 1.0), [1.0]))
    half = np.round(n_chroma / 2)
    distance = np.remainder(pitches[:, None] - np.arange(n_chroma) + half + 10 * n_chroma, n_chroma) - half
    weights = np.exp(-0.5 * (2 * distance / widths[:, None]) ** 2)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    octaves = (pitches / n_chroma - recipe.chroma_centre_octave) / recipe.chroma_octave_width
    weights *= np.exp(-0.5 * octaves**2)[:, None]
    from_c = np.roll(weights, -3 * (n_chroma // 12), axis=1)
    return _frozen(np.ascontiguousarray(from_c[: recipe.n_fft // 2 + 1], dtype=np.float32))


@lru_cache(maxsize=4)
def dct_matrix(recipe: SpectralParameters) -> NDArray[np.float64]:
    """Return the orthonormal discrete cosine transform of type II that turns mel bands into MFCC."""
    n = recipe.n_mels
    angles = np.pi / n * (np.arange(n)[:, None] + 0.5) * np.arange(recipe.n_mfcc)
    matrix = np.sqrt(2.0 / n) * np.cos(angles)
    matrix[:, 0] /= np.sqrt(2.0)
    return _frozen(matrix)


def _frozen(array: _ArrayT) -> _ArrayT:
    array.setflags(write=False)
    return array
