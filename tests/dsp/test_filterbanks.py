from __future__ import annotations

import librosa
import numpy as np
import pytest
import scipy.fft

from audio_genre.dsp import GTZAN57
from audio_genre.dsp.filterbanks import (
    bin_frequencies,
    chroma_filterbank,
    dct_matrix,
    hann_window,
    mel_filterbank,
)


def test_mel_filters_are_librosas() -> None:
    assert np.array_equal(mel_filterbank(GTZAN57).T, librosa.filters.mel(sr=22050, n_fft=2048, n_mels=128))


@pytest.mark.parametrize("tuning", [-0.5, -0.13, 0.0, 0.02, 0.49])
def test_chroma_filters_are_librosas(tuning: float) -> None:
    expected = librosa.filters.chroma(sr=22050, n_fft=2048, tuning=tuning)
    np.testing.assert_allclose(chroma_filterbank(GTZAN57, tuning).T, expected, rtol=1e-6, atol=1e-9)


def test_dct_is_scipys() -> None:
    bands = np.random.default_rng(0).standard_normal((7, 128))
    expected = scipy.fft.dct(bands, type=2, norm="ortho", axis=1)[:, :20]
    np.testing.assert_allclose(bands @ dct_matrix(GTZAN57), expected, atol=1e-12)


def test_window_and_frequencies_are_librosas() -> None:
    np.testing.assert_allclose(hann_window(2048), librosa.filters.get_window("hann", 2048), atol=1e-15)
    assert np.array_equal(bin_frequencies(GTZAN57), librosa.fft_frequencies(sr=22050, n_fft=2048))


@pytest.mark.parametrize("bank", [hann_window(2048), mel_filterbank(GTZAN57), chroma_filterbank(GTZAN57, 0.0)])
def test_shared_banks_cannot_be_changed(bank: np.ndarray) -> None:
    with pytest.raises(ValueError, match="read-only"):
        bank[0] = 1
