"""Harmonic-percussive separation by exact median filters, back to waveforms, in buffers that stay in the cache."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from audio_genre.features.filterbanks import hann_window
from audio_genre.features.median import running_median

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audio_genre.features.recipe import Recipe
    from audio_genre.features.workspace import Workspace

_BLOCK_FRAMES = 32


def separate(
    D: NDArray[np.complex64], S: NDArray[np.float32], n_samples: int, recipe: Recipe, workspace: Workspace
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Split signals into their harmonic and percussive waveforms, as librosa's ``hpss`` and ``istft`` do.

    Parameters
    ----------
    D : np.ndarray, shape (n_signals, n_frames, n_fft // 2 + 1), complex64
        STFT of the signals.
    S : np.ndarray, shape (n_signals, n_frames, n_fft // 2 + 1), float32
        Its magnitude.
    n_samples : int
        Length of each signal; behind the last whole hop the waveforms are filled with zeros.
    recipe : Recipe
        Gives the kernel and the transform.
    workspace : Workspace
        Buffers to work in.

    Returns
    -------
    harmonic, percussive : np.ndarray, shape (n_signals, n_samples), float32
        The waveforms; views of workspace buffers, valid until its next use.

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
    shape = (n_signals, n_frames - 1 + recipe.n_fft // hop, hop)
    sums = workspace.floats("harmonic", shape), workspace.floats("percussive", shape)
    window = hann_window(recipe.n_fft).astype(np.float32)
    for k in range(n_signals):
        for total in sums:
            total[k] = 0
        for start in range(0, n_frames, _BLOCK_FRAMES):
            block = slice(start, start + _BLOCK_FRAMES)
            for total, mask in zip(sums, _soft_masks(steady[k, block], sudden[k, block]), strict=True):
                _overlap_add(total[k, start:], D[k, block] * mask, window)
    start = recipe.n_fft // 2
    end = start + hop * (n_frames - 1)
    norm = _window_sum(n_frames, recipe)[start:end]
    waveforms = []
    for total in sums:
        flat = total.reshape(n_signals, -1)
        flat[:, start:end] /= norm
        flat[:, end:] = 0
        waveforms.append(flat[:, start : start + n_samples])
    return waveforms[0], waveforms[1]


def _soft_masks(
    steady: NDArray[np.float32], sudden: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return both soft masks of power 2, each 0.5 where there is nothing to divide."""
    larger = np.maximum(steady, sudden)
    nothing = larger < np.finfo(np.float32).tiny
    any_nothing = nothing.any()
    if any_nothing:
        larger[nothing] = 1
    harmonic = np.divide(steady, larger, dtype=np.float32)
    harmonic *= harmonic
    percussive = np.divide(sudden, larger, dtype=np.float32)
    percussive *= percussive
    total = harmonic + percussive
    if any_nothing:
        total[nothing] = 1
    harmonic /= total
    percussive /= total
    if any_nothing:
        harmonic[nothing] = 0.5
        percussive[nothing] = 0.5
    return harmonic, percussive


def _overlap_add(total: NDArray[np.float32], spectra: NDArray[np.complex64], window: NDArray[np.float32]) -> None:
    """Add the windowed inverse transforms to ``total``, shape (n_hops, hop_length), one hop apart."""
    frames = np.fft.irfft(spectra, n=len(window), axis=1)
    frames *= window
    hop = total.shape[1]
    for offset in range(len(window) // hop):
        total[offset : offset + len(frames)] += frames[:, offset * hop : (offset + 1) * hop]


@lru_cache(maxsize=8)
def _window_sum(n_frames: int, recipe: Recipe) -> NDArray[np.float32]:
    """Return the sum of the squared windows over all frames; 1 where it is 0."""
    hop = recipe.hop_length
    squared = (hann_window(recipe.n_fft) ** 2).reshape(-1, hop)
    total = np.zeros((n_frames - 1 + len(squared), hop))
    for offset, part in enumerate(squared):
        total[offset : offset + n_frames] += part
    total[total <= np.finfo(np.float32).tiny] = 1
    return total.ravel().astype(np.float32)
