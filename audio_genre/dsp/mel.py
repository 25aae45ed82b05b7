"""The mel filter bank of a recipe's numbers, in a file of its own because a recipe checks its bands with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Slaney's mel scale: linear up to 1 kHz, logarithmic above.
_HZ_PER_STEP = 200.0 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _HZ_PER_STEP
_LOG_STEP = np.log(6.4) / 27.0


def mel_filters(sr: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> NDArray[np.float32]:
    """Return triangular filters of equal area on Slaney's mel scale, shape (n_fft // 2 + 1, n_mels)."""
    edges = _mel_to_hz(np.linspace(_hz_to_mel(fmin), _hz_to_mel(fmax), n_mels + 2))
    ramps = edges[:, None] - np.asarray(np.fft.rfftfreq(n_fft, 1.0 / sr), dtype=np.float64)
    widths = np.diff(edges)[:, None]
    lower = -ramps[:-2] / widths[:-1]
    upper = ramps[2:] / widths[1:]
    filters = np.maximum(0, np.minimum(lower, upper)).astype(np.float32)
    filters *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return np.ascontiguousarray(filters.T)


def _hz_to_mel(hz: float) -> float:
    return hz / _HZ_PER_STEP if hz < _BREAK_HZ else float(_BREAK_MEL + np.log(hz / _BREAK_HZ) / _LOG_STEP)


def _mel_to_hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    logarithmic = _BREAK_HZ * np.exp(_LOG_STEP * (mels - _BREAK_MEL))
    return np.where(mels >= _BREAK_MEL, logarithmic, mels * _HZ_PER_STEP)
