"""Folders of mel-spectrogram pictures of two styles that differ plainly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from audio_genre.dsp import GTZAN57
from audio_genre.dsp.matrix import mel_spectrogram
from audio_genre.dsp.picture import encode_picture

SR = GTZAN57.sr
STYLES = ("hiss", "hum")
TRACKS = 6


def signal(style: str, track: int, seconds: float = 7.0) -> np.ndarray:
    """A hiss of noise, or a hum of a few partials."""
    rng = np.random.default_rng([STYLES.index(style), track])
    t = np.arange(round(seconds * SR)) / SR
    if style == "hiss":
        return (0.1 * rng.normal(size=len(t))).astype(np.float32)
    f = rng.uniform(80, 120)
    return (0.2 * sum(np.sin(2 * np.pi * f * k * t) / k for k in range(1, 5))).astype(np.float32)


def write_pictures(
    folder: Path, *, foreign: bool = False, first: int = 0, genres: Mapping[str, str] | None = None
) -> Path:
    """Write pictures of every style, under the names of other genres if they are given."""
    from matplotlib import colormaps
    from PIL import Image

    for style in STYLES:
        genre = style if genres is None else genres[style]
        (folder / genre).mkdir(parents=True)
        for track in range(first, first + TRACKS):
            path = folder / genre / f"{style}{track:05d}.png"
            M = mel_spectrogram(signal(style, track))
            if foreign:
                shown = colormaps["viridis"]((M[::-1] - M.max() + 80) / 80, bytes=True)
                Image.fromarray(shown).resize((120, 90), Image.Resampling.BOX).save(path)
            else:
                path.write_bytes(encode_picture(M, recipe=GTZAN57))
    return folder
