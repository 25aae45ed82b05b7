"""Signals to feature rows: one STFT a signal, every feature from it, signals of one length together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from audio_genre.audio import cut_segments
from audio_genre.dsp.filterbanks import (
    bin_frequencies,
    chroma_filterbank,
    dct_matrix,
    hann_window,
    mel_filterbank,
)
from audio_genre.dsp.recipe import WindowFeatures, check_signals
from audio_genre.dsp.separation import separate
from audio_genre.dsp.tempo import estimate_tempos
from audio_genre.dsp.tuning import estimate_tunings
from audio_genre.dsp.workspace import Workspace, thread_workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audio_genre.dsp.parameters import SpectralParameters

_Scalar = TypeVar("_Scalar", bound=np.generic)

# Signals of up to about three minutes share buffers.
_KEPT_SAMPLES = 1 << 22
# Frames transformed at a time: their float64 spectra stay in the L2 cache.
_BLOCK_FRAMES = 16


def feature_matrix(signals: NDArray[np.float32], recipe: SpectralParameters) -> NDArray[np.float64]:
    """Compute one row of features for each of several signals of one length."""
    return _rows_and_mel(signals, recipe)[0]


def window_features(y: NDArray[np.float32], recipe: SpectralParameters) -> WindowFeatures:
    """Compute the features of a window of audio and of its segments, and its mel spectrogram."""
    segments = cut_segments(y, stride=recipe.segment_seconds * recipe.sr)
    segment_rows = np.empty((0, len(recipe.feature_names)))
    if len(segments):
        segment_rows = feature_matrix(segments, recipe)
    rows, M = _rows_and_mel(y[None], recipe)
    return WindowFeatures(rows[0], segment_rows, M[0].T)


@np.errstate(all="ignore")
def mel_spectrogram(y: NDArray[np.float32], recipe: SpectralParameters) -> NDArray[np.float32]:
    """Compute the mel spectrogram of a window of audio, the same as `window_features` gives, and nothing else."""
    padded, workspace = _prepare(y[np.newaxis], recipe)
    mel: NDArray[np.float32] = _mel_db(_spectra(padded, recipe, workspace).P, recipe)[0].T
    return mel


class _Spectra(NamedTuple):
    D: NDArray[np.complex64]
    S: NDArray[np.float32]
    P: NDArray[np.float32]
    centroid: NDArray[np.float64]
    bandwidth: NDArray[np.float64]
    rolloff: NDArray[np.float64]


@np.errstate(all="ignore")
def _rows_and_mel(
    signals: NDArray[np.float32], recipe: SpectralParameters
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    padded, workspace = _prepare(signals, recipe)
    spectra = _spectra(padded, recipe, workspace)
    M = _mel_db(spectra.P, recipe)
    rows: dict[str, NDArray[np.float64]] = {}

    def pool(stem: str, values: NDArray[np.floating[Any]]) -> None:
        rows[f"{stem}_mean"] = values.mean(axis=1)
        rows[f"{stem}_var"] = values.var(axis=1)

    pool("chroma_stft", _chroma(spectra.P, recipe))
    pool("rms", _rms(padded, recipe))
    pool("spectral_centroid", spectra.centroid)
    pool("spectral_bandwidth", spectra.bandwidth)
    pool("rolloff", spectra.rolloff)
    pool("zero_crossing_rate", _zero_crossing_rate(signals, recipe))
    harmonic, percussive = separate(signals, spectra.D, spectra.S, recipe, workspace)
    pool("harmony", harmonic)
    pool("perceptr", percussive)
    rows["tempo"] = estimate_tempos(M, recipe)
    mfcc = M.astype(np.float64) @ dct_matrix(recipe)
    for i, (mean, variance) in enumerate(zip(mfcc.mean(axis=1).T, mfcc.var(axis=1).T, strict=True), start=1):
        rows[f"mfcc{i}_mean"], rows[f"mfcc{i}_var"] = mean, variance
    return np.stack([rows[name] for name in recipe.feature_names], axis=1).astype(np.float64), M


def _prepare(signals: NDArray[np.float32], recipe: SpectralParameters) -> tuple[NDArray[np.float32], Workspace]:
    """Check signals, and return them padded, with buffers for their spectra."""
    check_signals(signals, recipe.sr, recipe.shortest)
    # Buffers for a signal of many minutes would be held for good.
    workspace = thread_workspace() if signals.size <= _KEPT_SAMPLES else Workspace()
    return np.pad(signals, ((0, 0), (recipe.n_fft // 2,) * 2), mode="reflect"), workspace


def _spectra(padded: NDArray[np.float32], recipe: SpectralParameters, workspace: Workspace) -> _Spectra:
    """Transform all signals and compute what needs each frame once while it is in the cache."""
    all_frames = np.lib.stride_tricks.sliding_window_view(padded, recipe.n_fft, axis=1)[:, :: recipe.hop_length]
    n_signals, n_frames = all_frames.shape[:2]
    shape = (n_signals, n_frames, recipe.n_fft // 2 + 1)
    D = workspace.complexes("D", shape)
    S = workspace.floats("S", shape)
    P = workspace.floats("P", shape)
    moments = np.empty((n_signals, n_frames, 3))
    bins_below = np.empty((n_signals, n_frames), dtype=np.intp)
    window = hann_window(recipe.n_fft)
    frequencies = bin_frequencies(recipe)
    powers = np.stack([np.ones_like(frequencies), frequencies, frequencies**2], axis=1)
    for k, frames in enumerate(all_frames):
        for start in range(0, n_frames, _BLOCK_FRAMES):
            block = (k, slice(start, start + _BLOCK_FRAMES))
            D[block] = np.fft.rfft(frames[block[1]] * window, axis=1)
            magnitude = np.abs(D[block], out=S[block])
            np.square(magnitude, out=P[block])
            moments[block] = magnitude.astype(np.float64) @ powers
            # In float32, as librosa does: a rounding of its own would move the roll-off by a bin now and then.
            cumulated = np.cumsum(magnitude, axis=1)
            threshold = np.float32(recipe.roll_percent) * cumulated[:, -1:]
            bins_below[block] = np.count_nonzero(cumulated < threshold, axis=1)
    total = moments[:, :, 0]
    total[total < np.finfo(np.float32).tiny] = 1
    centroid = moments[:, :, 1] / total
    variance = moments[:, :, 2] / total - centroid**2
    return _Spectra(D, S, P, centroid, np.sqrt(np.maximum(variance, 0)), frequencies[bins_below])


def _mel_db(P: NDArray[np.float32], recipe: SpectralParameters) -> NDArray[np.float32]:
    M = P @ mel_filterbank(recipe)
    np.maximum(M, np.float32(recipe.amin), out=M)
    np.log10(M, out=M)
    M *= 10
    np.maximum(M, M.max(axis=(1, 2), keepdims=True) - np.float32(recipe.top_db), out=M)
    return M


def _chroma(P: NDArray[np.float32], recipe: SpectralParameters) -> NDArray[np.float32]:
    chroma = np.stack(
        [
            power @ chroma_filterbank(recipe, tuning)
            for power, tuning in zip(P, estimate_tunings(P, recipe), strict=True)
        ]
    )
    largest = chroma.max(axis=2, keepdims=True)
    largest[largest < np.finfo(np.float32).tiny] = 1
    chroma /= largest
    return chroma.reshape(len(P), -1)


def _rms(padded: NDArray[np.float32], recipe: SpectralParameters) -> NDArray[np.float64]:
    hops = _hops(padded, recipe)
    # In double precision: the variance of a steady level is all rounding otherwise.
    power = _frame_sums(np.einsum("ijk,ijk->ij", hops, hops, dtype=np.float64), recipe) / recipe.n_fft
    return np.sqrt(power)


def _zero_crossing_rate(signals: NDArray[np.float32], recipe: SpectralParameters) -> NDArray[np.float64]:
    negative = np.pad(signals < -recipe.zero_threshold, ((0, 0), (recipe.n_fft // 2,) * 2), mode="edge")
    crossings = np.zeros(negative.shape, dtype=bool)
    np.not_equal(negative[:, 1:], negative[:, :-1], out=crossings[:, 1:])
    counts = _frame_sums(np.count_nonzero(_hops(crossings, recipe), axis=2), recipe)
    # A crossing into a frame's first sample is not within the frame.
    counts -= crossings[:, : counts.shape[1] * recipe.hop_length : recipe.hop_length]
    return counts / recipe.n_fft


def _hops(padded: NDArray[_Scalar], recipe: SpectralParameters) -> NDArray[_Scalar]:
    """View padded signals as whole hops, shape (n_signals, n_hops, hop_length)."""
    n_hops = padded.shape[1] // recipe.hop_length
    return padded[:, : n_hops * recipe.hop_length].reshape(len(padded), n_hops, recipe.hop_length)


def _frame_sums(per_hop: NDArray[_Scalar], recipe: SpectralParameters) -> NDArray[_Scalar]:
    """Sum over each frame what was summed over each hop."""
    per_frame = np.lib.stride_tricks.sliding_window_view(per_hop, recipe.n_fft // recipe.hop_length, axis=1)
    sums: NDArray[_Scalar] = per_frame.sum(axis=2)
    return sums
