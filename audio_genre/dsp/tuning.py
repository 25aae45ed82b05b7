"""Tuning of a signal from the peaks of its power spectrogram."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audio_genre.dsp.parameters import SpectralParameters


def estimate_tunings(P: NDArray[np.float32], recipe: SpectralParameters) -> list[float]:
    """Estimate the tuning of each of several signals, as ``librosa.estimate_tuning`` does.

    The arithmetic keeps librosa's precision step by step: a rounding of its own would move peaks between the
    cells of the histogram whose maximum is the answer.

    References
    ----------
    Smith, "Spectral audio signal processing": quadratic interpolation of spectral peaks.
    """
    hz_per_bin = recipe.sr / recipe.n_fft
    low = int(np.ceil(recipe.tuning_fmin / hz_per_bin))
    high = int(np.ceil(min(recipe.tuning_fmax, recipe.sr / 2) / hz_per_bin))
    floor = np.float32(recipe.tuning_threshold) * P.max(axis=2, keepdims=True)
    centre = P[:, :, low:high]
    peaks = centre > P[:, :, low - 1 : high - 1]
    peaks &= centre >= P[:, :, low + 1 : high + 1]
    peaks &= centre > floor
    tunings = []
    for power, is_peak in zip(P, peaks, strict=True):
        frames, bins = np.nonzero(is_peak)
        bins += low
        below, here, above = power[frames, bins - 1], power[frames, bins], power[frames, bins + 1]
        pitch, magnitude = _interpolate(below, here, above, bins, hz_per_bin)
        tunings.append(_histogram_peak(pitch, magnitude, recipe))
    return tunings


def _interpolate(
    below: NDArray[np.float32],
    here: NDArray[np.float32],
    above: NDArray[np.float32],
    bins: NDArray[np.intp],
    hz_per_bin: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return frequency (Hz) and height of each peak, by a parabola through it and its neighbours."""
    curvature = (above + below).astype(np.float64) - 2.0 * here
    slope = (above - below).astype(np.float64) / 2.0
    inside = np.abs(slope) < np.abs(curvature)
    shift = np.zeros(len(here), dtype=np.float32)
    np.divide(-slope, curvature, out=shift, where=inside, casting="same_kind")
    gradient = (above - below) / np.float32(2.0)
    return ((bins + shift) * hz_per_bin).astype(np.float32), here + np.float32(0.5) * gradient * shift


def _histogram_peak(pitch: NDArray[np.float32], magnitude: NDArray[np.float32], recipe: SpectralParameters) -> float:
    if len(pitch) == 0:
        return 0.0
    loud = pitch[magnitude >= np.median(magnitude)]
    residual = np.mod(recipe.n_chroma * np.log2(loud / (440.0 / 16)), 1.0)
    residual[residual >= 0.5] -= 1.0
    cells = np.linspace(-0.5, 0.5, int(np.ceil(1.0 / recipe.tuning_resolution)) + 1)
    counts, _ = np.histogram(residual, cells)
    return float(cells[np.argmax(counts)])
