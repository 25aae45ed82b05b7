"""The fast features against plain librosa calls, one a feature, made here."""

from __future__ import annotations

import threading
from collections.abc import Callable

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import audio_genre
from audio_genre.audio import cut_segments
from audio_genre.dsp import GTZAN57, spectral
from audio_genre.dsp.matrix import feature_matrix, window_features
from audio_genre.dsp.reference import float32_noise, reference_features
from audio_genre.dsp.workspace import thread_workspace
from audio_genre.errors import ParameterError

SR, N_FFT, HOP = 22050, 2048, 512
N_SAMPLES = 66149


def stft(y: np.ndarray) -> np.ndarray:
    return librosa.stft(y, n_fft=N_FFT, hop_length=HOP, pad_mode="reflect")


def mel_db(y: np.ndarray) -> np.ndarray:
    return librosa.power_to_db(librosa.feature.melspectrogram(S=np.abs(stft(y)) ** 2, sr=SR), ref=1.0, top_db=80)


def separated(y: np.ndarray, part: int) -> np.ndarray:
    return librosa.util.fix_length(librosa.istft(librosa.decompose.hpss(stft(y))[part]), size=len(y))


def tempo(y: np.ndarray) -> float:
    onsets = librosa.onset.onset_strength(S=mel_db(y), sr=SR, aggregate=np.median)
    return np.asarray(librosa.beat.beat_track(onset_envelope=onsets, sr=SR)[0]).item()


LIBROSA: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "chroma_stft": lambda y: librosa.feature.chroma_stft(S=np.abs(stft(y)) ** 2, sr=SR),
    "rms": lambda y: librosa.feature.rms(y=y, pad_mode="reflect"),
    "spectral_centroid": lambda y: librosa.feature.spectral_centroid(S=np.abs(stft(y)), sr=SR),
    "spectral_bandwidth": lambda y: librosa.feature.spectral_bandwidth(S=np.abs(stft(y)), sr=SR),
    "rolloff": lambda y: librosa.feature.spectral_rolloff(S=np.abs(stft(y)), sr=SR),
    "zero_crossing_rate": librosa.feature.zero_crossing_rate,
    "harmony": lambda y: separated(y, 0),
    "perceptr": lambda y: separated(y, 1),
}


def music(seed: int, n: int = N_SAMPLES) -> np.ndarray:
    """Mistuned decaying chords over a beat, with noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) / SR
    beat = 60 / rng.uniform(70, 170)
    since_beat = t % beat
    y = 0.02 * rng.standard_normal(n) + 0.5 * rng.standard_normal(n) * np.exp(-60 * since_beat)
    for semitone in rng.choice(36, size=4, replace=False):
        f = 110 * 2 ** ((semitone + rng.uniform(-0.4, 0.4)) / 12)
        y += 0.2 * np.exp(-2 * since_beat) * sum(np.sin(2 * np.pi * f * k * t) / k for k in range(1, 6))
    return (0.5 * y / np.abs(y).max()).astype(np.float32)


def clicks(n: int = N_SAMPLES) -> np.ndarray:
    y = 1e-4 * np.random.default_rng(3).standard_normal(n)
    y[:: SR // 2] = 0.8
    return y.astype(np.float32)


def half_silent(n: int = N_SAMPLES) -> np.ndarray:
    y = music(5, n)
    y[: n // 2] = 0
    return y


SIGNALS: dict[str, np.ndarray] = {
    "music": music(0),
    "other music": music(1),
    "music, ragged length": music(2, 70001),
    "whole hops": music(3, 130 * HOP),
    "noise": (0.1 * np.random.default_rng(0).standard_normal(N_SAMPLES)).astype(np.float32),
    "quiet": 1e-3 * music(4),
    "sine": np.sin(2 * np.pi * 440 * np.arange(N_SAMPLES) / SR).astype(np.float32),
    "clicks": clicks(),
    "half silent": half_silent(),
    "two frames": music(6, N_FFT),
}


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, float]]:
    return {
        name: dict(zip(GTZAN57.feature_names, feature_matrix(y[None])[0], strict=True)) for name, y in SIGNALS.items()
    }


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("stem", LIBROSA)
def test_pooled_feature_equals_librosa(rows: dict[str, dict[str, float]], signal: str, stem: str) -> None:
    values = LIBROSA[stem](SIGNALS[signal])
    # The mean of a waveform is float32 noise around its constant component.
    noise = 1e-7 if stem in ("harmony", "perceptr") else 0
    assert rows[signal][f"{stem}_mean"] == pytest.approx(np.mean(values), rel=1e-5, abs=noise)
    assert rows[signal][f"{stem}_var"] == pytest.approx(np.var(values), rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("signal", SIGNALS)
def test_mfcc_equal_librosa(rows: dict[str, dict[str, float]], signal: str) -> None:
    coefficients = librosa.feature.mfcc(S=mel_db(SIGNALS[signal]), n_mfcc=20)
    means = [rows[signal][f"mfcc{i}_mean"] for i in range(1, 21)]
    variances = [rows[signal][f"mfcc{i}_var"] for i in range(1, 21)]
    # Coefficients are differences of dB values: their float32 noise goes with the largest of them.
    noise = 2e-7 * np.abs(coefficients).max()
    np.testing.assert_allclose(means, coefficients.mean(axis=1), rtol=1e-5, atol=noise)
    np.testing.assert_allclose(variances, coefficients.var(axis=1), rtol=1e-5, atol=noise * np.sqrt(coefficients.var()))


@pytest.mark.parametrize("signal", SIGNALS)
def test_tempo_equals_librosa(rows: dict[str, dict[str, float]], signal: str) -> None:
    assert rows[signal]["tempo"] == pytest.approx(tempo(SIGNALS[signal]), rel=1e-12)


def test_reference_is_what_the_plain_calls_give() -> None:
    y = SIGNALS["music"]
    row = dict(zip(GTZAN57.feature_names, reference_features(y), strict=True))
    for stem, call in LIBROSA.items():
        assert row[f"{stem}_mean"] == np.mean(call(y))
        assert row[f"{stem}_var"] == np.var(call(y))
    assert row["tempo"] == tempo(y)
    assert [row[f"mfcc{i}_mean"] for i in range(1, 21)] == list(librosa.feature.mfcc(S=mel_db(y)).mean(axis=1))


def test_signals_do_not_touch_each_other() -> None:
    batch = np.stack([SIGNALS[name] for name in ("music", "noise", "sine", "half silent")])
    together = feature_matrix(batch)
    alone = np.concatenate([feature_matrix(y[None]) for y in batch])
    np.testing.assert_allclose(together, alone, rtol=1e-6, atol=1e-9)


def test_buffers_left_by_a_longer_signal_do_not_leak_into_a_shorter_one() -> None:
    short = SIGNALS["two frames"]
    feature_matrix(music(9, 200_000)[None])
    after_long = feature_matrix(short[None])
    fresh = []
    thread = threading.Thread(target=lambda: fresh.append(feature_matrix(short[None])))
    thread.start()
    thread.join()
    assert np.array_equal(after_long, fresh[0])


def test_silence_gives_finite_numbers() -> None:
    row = dict(zip(GTZAN57.feature_names, feature_matrix(np.zeros((1, N_SAMPLES), np.float32))[0], strict=True))
    assert all(np.isfinite(list(row.values())))
    assert row["tempo"] == row["spectral_centroid_mean"] == row["chroma_stft_mean"] == 0
    assert row["mfcc1_mean"] == pytest.approx(-100 * np.sqrt(128))


@settings(max_examples=15)
@given(n=st.integers(N_FFT, 30_000), seed=st.integers(0, 99), exponent=st.floats(-4, 0))
def test_any_length_and_level_equals_the_reference(n: int, seed: int, exponent: float) -> None:
    y = (10**exponent * music(seed, n)).astype(np.float32)
    fast, plain = feature_matrix(y[None])[0], reference_features(y)
    np.testing.assert_array_less(np.abs(fast - plain), 1e-5 * np.abs(plain) + float32_noise(plain))


def test_window_features_are_the_rows_of_window_and_segments() -> None:
    y = music(7, 3 * 66150 + 1000)
    window = window_features(y)
    assert np.array_equal(window.clip_row, feature_matrix(y[None])[0])
    assert np.array_equal(window.segment_rows, feature_matrix(cut_segments(y, stride=66150)))
    assert window.segment_rows.shape == (3, 57)
    np.testing.assert_allclose(window.mel_db, mel_db(y), atol=1e-4)


def test_window_shorter_than_a_segment_has_no_segment_rows() -> None:
    assert window_features(music(8, 60_000)).segment_rows.shape == (0, 57)


@pytest.mark.parametrize("sr", [44100, 44100.0, np.int16(8000), np.uint32(96000)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
def test_any_kind_of_number_is_taken(sr: float, dtype: type) -> None:
    y = (1000 * music(0, 40_000)).astype(dtype)
    assert np.isfinite(list(audio_genre.features(y, sr).values())).all()


OTHER_PARAMETERS = {
    "sr": 16000,
    "n_fft": 1024,
    "hop_length": 256,
    "n_mels": 64,
    "mel_fmax": 8000.0,
    "top_db": 60.0,
    "roll_percent": 0.5,
    "hpss_kernel": 15,
    "chroma_centre_octave": 4.0,
    "chroma_octave_width": 1.0,
    "tuning_resolution": 0.05,
    "tuning_fmin": 300.0,
    "tuning_fmax": 330.0,
    "tuning_threshold": 0.3,
    "zero_threshold": 1e-3,
    "tempo_start_bpm": 60.0,
    "tempo_std_octaves": 0.02,
    "tempo_max_bpm": 100.0,
    "tempo_window_seconds": 0.3,
}


@pytest.mark.parametrize("name", OTHER_PARAMETERS)
def test_every_parameter_means_the_same_to_librosa_and_to_the_fast_path(name: str) -> None:
    changed = {"mel_fmax": 8000.0, "sr": 16000} if name == "sr" else {name: OTHER_PARAMETERS[name]}
    recipe = GTZAN57.derive(**changed)
    fast, plain = feature_matrix(SIGNALS["music"][None], recipe)[0], reference_features(SIGNALS["music"], recipe)
    np.testing.assert_array_less(np.abs(fast - plain), 1e-5 * np.abs(plain) + float32_noise(plain))
    assert not np.array_equal(fast, feature_matrix(SIGNALS["music"][None])[0])


def test_long_signals_leave_no_buffers_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    y = music(1, 120_000)
    kept = []

    def run() -> None:
        rows = feature_matrix(y[None])
        kept.append((rows, len(thread_workspace()._buffers)))

    for limit in (1 << 22, 100_000):
        monkeypatch.setattr(spectral, "_KEPT_SAMPLES", limit)
        # A thread of its own has buffers of its own.
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert np.array_equal(kept[0][0], kept[1][0])
    assert kept[0][1] > 0
    assert kept[1][1] == 0


def test_features_are_named_and_resampled() -> None:
    y = music(0, 2 * N_SAMPLES)
    row = audio_genre.features(y, 44100)
    assert tuple(row) == GTZAN57.feature_names
    expected = feature_matrix(librosa.resample(y, orig_sr=44100, target_sr=SR)[None])[0]
    assert np.array_equal(list(row.values()), expected)


@pytest.mark.parametrize(
    ("y", "sr", "sentence"),
    [
        (np.zeros((2, 5000)), SR, r"got shape \(2, 5000\); average the channels"),
        (np.zeros(2047), SR, "at least 2048 samples at 22050 Hz, got 2047"),
        (np.full(5000, np.nan), SR, "NaN or infinite samples"),
        (np.zeros(5000), 0, "above 0, got 0"),
        (np.zeros(5000), 44100.5, "whole Hz above 0, got 44100.5"),
        (np.zeros(5000), float("inf"), "whole Hz above 0, got inf"),
        (np.zeros(5000), "44100", "whole Hz above 0, got '44100'"),
        (np.ones(5000) + 1j, SR, "real numbers, got complex128"),
        (np.full(5000, 1e40), SR, "NaN or infinite samples"),
        (1e20 * music(0, 5000), SR, "not finite, because samples reach"),
    ],
)
def test_bad_signals_are_refused_in_one_sentence(y: np.ndarray, sr: int, sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        audio_genre.features(y, sr)
