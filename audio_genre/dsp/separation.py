"""Harmonic-percussive separation by exact median filters, back to waveforms, in buffers that stay in the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audio_genre.dsp.filterbanks import hann_window
from audio_genre.dsp.median import running_median

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audio_genre.dsp.parameters import SpectralParameters
    from audio_genre.dsp.workspace import Workspace

_BLOCK_FRAMES = 32


def separate(
    signals: NDArray[np.float32],
    D: NDArray[np.complex64],
    S: NDArray[np.float32],
    recipe: SpectralParameters,
    workspace: Workspace,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Split signals into their harmonic and percussive waveforms, as librosa's ``hpss`` and ``istft`` do.

    Notes
    -----
    Both soft masks add up to one and the inverse transform is linear, so the percussive waveform is what the
    harmonic one leaves of the signal: one mask and one inverse transform are enough.

    References
    ----------
    Fitzgerald, "Harmonic/percussive separation using median filtering", DAFx 2010.
    """
    n_signals, n_frames, n_bins = S.shape
    steady = workspace.floats("steady", S.shape)
    for magnitude, out in zip(S, steady, strict=True):
        running_median(magnitude, recipe.hpss_kernel, out=out)
    sudden = workspace.floats("sudden", S.shape)
    running_median(S.reshape(-1, n_bins).T, recipe.hpss_kernel, out=sudden.reshape(-1, n_bins).T)

    hop = recipe.hop_length
    total = workspace.floats("harmonic", (n_signals, n_frames - 1 + recipe.n_fft // hop, hop))
    total[:] = 0
    window = hann_window(recipe.n_fft).astype(np.float32)
    for k in range(n_signals):
        for start in range(0, n_frames, _BLOCK_FRAMES):
            block = slice(start, start + _BLOCK_FRAMES)
            mask = _harmonic_mask(steady[k, block], sudden[k, block])
            _overlap_add(total[k, start:], D[k, block] * mask, window)

    _divide_by_window_sum(total, n_frames, recipe)
    start, length = recipe.n_fft // 2, hop * (n_frames - 1)
    flat = total.reshape(n_signals, -1)
    flat[:, start + length :] = 0
    harmonic = flat[:, start : start + signals.shape[1]]
    percussive = workspace.floats("percussive", signals.shape)
    np.subtract(signals[:, :length], harmonic[:, :length], out=percussive[:, :length])
    percussive[:, length:] = 0
    return harmonic, percussive


def _harmonic_mask(steady: NDArray[np.float32], sudden: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the soft mask of power 2, 0.5 where there is nothing to divide."""
    larger = np.maximum(steady, sudden)
    nothing = larger < np.finfo(np.float32).tiny
    larger[nothing] = 1
    # Scaled by the larger, so that squares of small values do not vanish.
    mask = np.divide(steady, larger, dtype=np.float32)
    np.square(mask, out=mask)
    rest = np.divide(sudden, larger, out=larger)
    np.square(rest, out=rest)
    rest += mask
    rest[nothing] = 1
    mask /= rest
    mask[nothing] = 0.5
    return mask


def _overlap_add(total: NDArray[np.float32], spectra: NDArray[np.complex64], window: NDArray[np.float32]) -> None:
    """Add the windowed inverse transforms to ``total``, shape (n_hops, hop_length), one hop apart."""
    frames = np.fft.irfft(spectra, n=len(window), axis=1)
    frames *= window
    hop = total.shape[1]
    for offset in range(len(window) // hop):
        total[offset : offset + len(frames)] += frames[:, offset * hop : (offset + 1) * hop]


def _divide_by_window_sum(total: NDArray[np.float32], n_frames: int, recipe: SpectralParameters) -> None:
    """Divide ``total``, shape (n_signals, n_hops, hop_length), by the sum of the squared windows over each hop."""
    squared = (hann_window(recipe.n_fft) ** 2).reshape(-1, recipe.hop_length)
    overlap, n_hops = len(squared), total.shape[1]
    first_whole, last_whole = overlap - 1, n_frames - 1
    total[:, first_whole : last_whole + 1] /= squared.sum(axis=0).astype(np.float32)
    for hop in (*range(first_whole), *range(max(first_whole, last_whole + 1), n_hops)):
        weight = squared[max(0, hop - last_whole) : hop + 1].sum(axis=0).astype(np.float32)
        weight[weight <= np.finfo(np.float32).tiny] = 1
        total[:, hop] /= weight
