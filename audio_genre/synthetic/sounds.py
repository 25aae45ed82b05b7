"""Sounds that are no music: noise, tones, machines, animals, syllables. To hear what a classifier says of them."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Sound = Callable[[np.random.Generator, NDArray[np.float64]], NDArray[np.float64]]

SR = 22050
"""Sampling rate of the sounds in Hz."""


def no_music(kind: str, *, seconds: float = 30.0, seed: int = 0) -> NDArray[np.float32]:
    """Synthesise a sound that is no music.

    Examples
    --------
    >>> no_music("tone", seconds=1).shape
    (22050,)
    """
    rng = np.random.default_rng([list(NO_MUSIC).index(kind), seed])
    y = NO_MUSIC[kind](rng, np.arange(round(seconds * SR)) / SR)
    signal: NDArray[np.float32] = (y / np.abs(y).max() * rng.uniform(0.05, 0.9)).astype(np.float32)
    return signal


def _noise(rng: np.random.Generator, n: int, exponent: float) -> NDArray[np.float64]:
    """Return noise whose power falls with frequency to the power of -exponent: 0 is white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(rng.normal(size=n))
    y = np.fft.irfft(spectrum / np.maximum(np.fft.rfftfreq(n, 1 / SR), 20) ** (exponent / 2), n)
    noise: NDArray[np.float64] = y / np.abs(y).max()
    return noise


def _band(y: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    from scipy.signal import butter, lfilter

    filtered: NDArray[np.float64] = lfilter(*butter(2, [low, high], "band", fs=SR), y)
    return filtered


def _glide(rng: np.random.Generator, t: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Return the phase of a pitch that moves between five frequencies."""
    f = np.interp(t, np.linspace(0, t[-1], 5), rng.uniform(low, high, 5))
    phase: NDArray[np.float64] = 2 * np.pi * np.cumsum(f) / SR
    return phase


def _calls(
    rng: np.random.Generator,
    t: NDArray[np.float64],
    length: tuple[float, float],
    pause: tuple[float, float],
    call: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Return calls with pauses between them, before a faint background."""
    y = 0.01 * _noise(rng, len(t), 1)
    start = round(rng.uniform(0, 0.5) * SR)
    while True:
        n = round(rng.uniform(*length) * SR)
        if start + n > len(y):
            return y
        y[start : start + n] += np.hanning(n) ** 0.5 * call(t[:n]) * rng.uniform(0.3, 1)
        start += n + round(rng.uniform(*pause) * SR)


def _tone(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sin(2 * np.pi * rng.uniform(100, 4000) * t)


def _two_tones(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sin(2 * np.pi * rng.uniform(100, 1000) * t) + np.sin(2 * np.pi * rng.uniform(1000, 5000) * t)


def _square_wave(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sign(np.sin(2 * np.pi * rng.uniform(50, 800) * t))


def _sweep(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    f = np.linspace(rng.uniform(50, 200), rng.uniform(3000, 9000), len(t))
    return np.sin(2 * np.pi * np.cumsum(f) / SR)


def _mains_hum(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    partials = sum(np.sin(2 * np.pi * 50 * k * t) / k for k in range(1, 8))
    hum: NDArray[np.float64] = partials + rng.uniform(0.01, 0.1) * _noise(rng, len(t), 0)
    return hum


def _engine(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    f = rng.uniform(25, 40)
    partials = sum(np.sin(2 * np.pi * f * k * t + rng.uniform(0, 6)) / k for k in range(1, 30))
    engine: NDArray[np.float64] = partials * (1 + 0.3 * rng.normal(size=len(t)))
    return engine


def _clicks(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    y = np.zeros(len(t))
    y[rng.integers(0, len(t), max(round(rng.uniform(2, 20) * t[-1]), 1))] = 1
    return y


def _rain(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    drops = np.zeros(len(t))
    places = rng.integers(0, len(t), max(round(400 * t[-1]), 1))
    drops[places] = rng.normal(size=len(places))
    return _band(drops, 500, 8000) + 0.02 * _noise(rng, len(t), 0)


def _waves(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    return _noise(rng, len(t), 1) * (1.1 + np.sin(2 * np.pi * rng.uniform(0.1, 0.5) * t))


def _birds(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    return _calls(rng, t, (0.03, 0.25), (0.02, 0.6), lambda t: np.sin(_glide(rng, t, 1800, 6000)))


def _dogs(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    def bark(t: NDArray[np.float64]) -> NDArray[np.float64]:
        phase = 2 * np.pi * np.cumsum(rng.uniform(200, 700) * np.linspace(1.2, 0.8, len(t))) / SR
        voice = sum(np.sin(k * phase) / k**0.7 for k in range(1, 12)) + 0.8 * rng.normal(size=len(t))
        barked: NDArray[np.float64] = voice * np.exp(-np.linspace(0, 4, len(t)))
        return barked

    return _calls(rng, t, (0.1, 0.35), (0.1, 1.2), bark)


def _whales(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    def song(t: NDArray[np.float64]) -> NDArray[np.float64]:
        phase = _glide(rng, t, 100, 1200)
        return np.sin(phase) + 0.4 * np.sin(2 * phase) + 0.2 * np.sin(3 * phase)

    return _calls(rng, t, (0.5, 2), (0.1, 1.5), song)


def _crickets(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    pulses = np.sin(2 * np.pi * rng.uniform(20, 60) * t) > 0
    verses = np.sin(2 * np.pi * rng.uniform(0.5, 3) * t) > -0.3
    return np.sin(2 * np.pi * rng.uniform(3000, 6000) * t) * pulses * verses + 0.02 * _noise(rng, len(t), 1)


def _syllables(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a buzz through the formants of vowels, a few syllables a second."""
    from scipy.signal import iirpeak, lfilter

    pitch = rng.uniform(90, 220)

    def syllable(t: NDArray[np.float64]) -> NDArray[np.float64]:
        phase = np.cumsum(pitch * (1 + 0.1 * np.sin(2 * np.pi * 3 * t + rng.uniform(0, 6)))) / SR
        buzz = 2 * (phase % 1) - 1
        formants = rng.uniform([300, 900, 2300], [800, 2000, 3000])
        spoken: NDArray[np.float64] = np.sum(
            [lfilter(*iirpeak(formant, 8, fs=SR), buzz) for formant in formants], axis=0
        )
        return spoken

    return _calls(rng, t, (0.08, 0.25), (0.02, 0.2), syllable)


NO_MUSIC = MappingProxyType(
    {
        "white noise": lambda rng, t: _noise(rng, len(t), 0),
        "pink noise": lambda rng, t: _noise(rng, len(t), 1),
        "brown noise": lambda rng, t: _noise(rng, len(t), 2),
        "band of noise": lambda rng, t: _band(_noise(rng, len(t), 0), rng.uniform(100, 1000), rng.uniform(2000, 8000)),
        "tone": _tone,
        "two tones": _two_tones,
        "square wave": _square_wave,
        "sweep": _sweep,
        "mains hum": _mains_hum,
        "engine": _engine,
        "clicks": _clicks,
        "rain": _rain,
        "waves": _waves,
        "birds": _birds,
        "dogs": _dogs,
        "whales": _whales,
        "crickets": _crickets,
        "syllables": _syllables,
    }
)
"""Functions of a random generator and of time in seconds, by kind of sound."""
