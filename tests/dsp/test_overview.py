"""The mel spectrogram of a whole file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_genre.dsp.overview import mel_overview

SR = 22050


def write(path: Path, *frequencies: float, seconds: float = 1.0) -> Path:
    t = np.arange(round(seconds * SR)) / SR
    soundfile.write(path, np.concatenate([0.5 * np.sin(2 * np.pi * f * t) for f in frequencies]), SR)
    return path


@pytest.mark.parametrize("seconds", [1.0, 40.0])
def test_tones_are_where_they_are_heard(tmp_path: Path, seconds: float) -> None:
    """Low, high and low again, also where a file is read in several windows."""
    levels = mel_overview(write(tmp_path / "x.wav", 200, 4000, 200, seconds=seconds), 3 * seconds)
    loudest = levels.argmax(axis=0)
    thirds = [loudest[k * len(loudest) // 3 + 8 : (k + 1) * len(loudest) // 3 - 8] for k in range(3)]
    assert [len(set(third.tolist())) for third in thirds] == [1, 1, 1]
    assert thirds[0][0] == thirds[2][0] < thirds[1][0]
    assert levels.max() == 255


def test_a_short_file_has_few_columns_and_silence_is_black(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", np.r_[np.zeros(SR), 0.1 * np.ones(10), np.zeros(SR)], SR)
    levels = mel_overview(tmp_path / "x.wav", 2.0)
    assert levels.shape == (64, 87)
    assert (levels[:, :30] == 0).all()
    assert levels.max() == 255
