"""A mel spectrogram of a whole file that is as wide as a screen, for the eye."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from audio_genre.audio import iter_windows
from audio_genre.dsp.filterbanks import hann_window
from audio_genre.dsp.mel import mel_filters

if TYPE_CHECKING:
    from numpy.typing import NDArray

RANGE_DB = 80.0
"""Decibels below the loudest value at which a level is 0."""

_SR, _N_FFT, _BANDS, _COLUMNS = 22050, 2048, 64, 640
_SECONDS = 30


def mel_overview(path: str | os.PathLike[str], seconds: float) -> NDArray[np.uint8]:
    """Return levels from 0 to 255, a row for each band from the lowest and a column for each stretch of the file.

    A column is what is heard in the middle of its stretch.
    """
    from scipy.fft import rfft

    total = max(1, round(seconds * _SR))
    columns = min(_COLUMNS, -(-total // (_N_FFT // 4)))
    middles = (np.arange(columns) + 0.5) * (total / columns)
    filters = mel_filters(_SR, _N_FFT, _BANDS, 0.0, _SR / 2)
    weights = hann_window(_N_FFT).astype(np.float32)
    power = np.zeros((columns, _BANDS), dtype=np.float32)
    begin = 0
    for window in iter_windows(path, sr=_SR, seconds=_SECONDS, min_samples=1):
        inside = np.flatnonzero((middles >= begin) & (middles < begin + len(window)))
        if len(inside):
            y = np.pad(window, _N_FFT // 2)
            starts = (middles[inside] - begin).astype(int)
            frames = np.lib.stride_tricks.sliding_window_view(y, _N_FFT)[starts] * weights
            spectrum = rfft(frames)
            power[inside] = (np.square(spectrum.real) + np.square(spectrum.imag)) @ filters
        begin += len(window)
    db = 10 * np.log10(np.maximum(power, 1e-10))
    levels = np.clip((db - db.max() + RANGE_DB) * (255 / RANGE_DB), 0, 255) if power.any() else np.zeros_like(power)
    return np.ascontiguousarray(np.rint(levels).astype(np.uint8).T)
