"""Tempo of a signal from its mel spectrogram."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from audio_genre.dsp.filterbanks import hann_window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audio_genre.dsp.parameters import SpectralParameters

# Frames of the tempogram transformed at a time: they stay in the L2 cache.
_BLOCK_FRAMES = 64


def estimate_tempos(M: NDArray[np.float32], recipe: SpectralParameters) -> NDArray[np.float64]:
    """Estimate one tempo for each of several signals, as ``librosa.beat.beat_track`` does.

    The onset strength is the median over mel bands; the tempo is the most likely lag of its mean tempogram under
    a log-normal prior.

    References
    ----------
    Ellis, "Beat tracking by dynamic programming", Journal of New Music Research 36(1), 2007.
    """
    onsets = _onset_strength(M, recipe)
    n_lags = int(recipe.tempo_window_seconds * recipe.sr // recipe.hop_length)
    tempogram = np.stack([_mean_tempogram(envelope, n_lags) for envelope in onsets])
    bpm, log_prior = _tempo_prior(n_lags, recipe)
    best = np.argmax(np.log1p(1e6 * tempogram) + log_prior, axis=1)
    return np.where(onsets.any(axis=1), bpm[best], 0.0)


def _onset_strength(M: NDArray[np.float32], recipe: SpectralParameters) -> NDArray[np.float32]:
    """Return the median over bands of what rises from frame to frame, shape (n_signals, n_frames)."""
    rises = M[:, 1:] - M[:, :-1]
    np.maximum(rises, 0, out=rises)
    # A sort of whole rows is vectorised in numpy; its median is a partition, which is not.
    rises.sort(axis=2)
    n_mels = rises.shape[2]
    median = (rises[:, :, (n_mels - 1) // 2] + rises[:, :, n_mels // 2]) / np.float32(2.0)
    onsets = np.zeros(M.shape[:2], dtype=np.float32)
    # One frame for the difference, the rest because frames are centred.
    delay = 1 + recipe.n_fft // (2 * recipe.hop_length)
    onsets[:, delay:] = median[:, : M.shape[1] - delay]
    return onsets


def _mean_tempogram(onsets: NDArray[np.float32], n_lags: int) -> NDArray[np.float64]:
    """Return the windowed autocorrelation of the onsets, normalised in each frame and averaged, shape (n_lags,).

    The mean is taken of the power spectra: autocorrelation is linear in them, so one inverse transform is enough.
    """
    half = n_lags // 2
    padded = np.pad(onsets, half, mode="linear_ramp", end_values=0).astype(np.float64)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_lags)[: len(onsets)]
    window = hann_window(n_lags)
    n_fft = _fast_length(2 * n_lags - 1)
    spectrum = np.zeros(n_fft // 2 + 1)
    for start in range(0, len(frames), _BLOCK_FRAMES):
        block = frames[start : start + _BLOCK_FRAMES] * window
        # The autocorrelation is greatest at lag 0, where it is the energy.
        energy = np.einsum("ij,ij->i", block, block)
        weights = np.divide(1.0, energy, out=np.ones_like(energy), where=energy >= np.finfo(np.float64).tiny)
        transformed = np.fft.rfft(block, n_fft, axis=1)
        spectrum += weights @ (np.square(transformed.real) + np.square(transformed.imag))
    correlation: NDArray[np.float64] = np.fft.irfft(spectrum, n_fft)[:n_lags]
    return correlation / len(onsets)


@lru_cache(maxsize=4)
def _tempo_prior(n_lags: int, recipe: SpectralParameters) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the tempo (BPM) and the logarithm of the prior of every lag."""
    bpm = np.full(n_lags, np.inf)
    bpm[1:] = 60.0 * recipe.sr / (recipe.hop_length * np.arange(1.0, n_lags))
    distance = (np.log2(bpm) - np.log2(recipe.tempo_start_bpm)) / recipe.tempo_std_octaves
    log_prior = -0.5 * distance**2
    log_prior[: int(np.argmax(bpm < recipe.tempo_max_bpm))] = -np.inf
    return bpm, log_prior


def _fast_length(least: int) -> int:
    """Return the smallest length from `least` on whose only prime factors are 2, 3 and 5."""
    length = least
    while True:
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return length
        length += 1
