"""Changed recipes: what is offered equals librosa, what has nothing behind it is refused, a name is its parameters."""

from __future__ import annotations

from contextlib import suppress

import librosa
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from audio_genre.dsp import GTZAN57, Gtzan57, difference, get_recipe
from audio_genre.dsp.filterbanks import mel_filterbank
from audio_genre.dsp.matrix import feature_matrix, mel_spectrogram
from audio_genre.dsp.parameters import _LIMITS, DEFAULTS
from audio_genre.dsp.reference import float32_noise, reference_features
from audio_genre.dsp.tempo import _onset_strength
from audio_genre.errors import ParameterError

# What `audio-genre extract` offers.
OFFERED = st.fixed_dictionaries(
    {
        "sr": st.sampled_from([8000, 16000, 22050, 44100]),
        "n_fft": st.sampled_from([400, 512, 1000, 1024, 2048, 4096]),
        "hop_length": st.sampled_from([2, 4, 8]),
        "n_mels": st.integers(13, 90),
        "n_mfcc": st.integers(1, 13),
        "mel_fmin": st.sampled_from([0.0, 20.0, 300.0]),
        "mel_fmax": st.sampled_from([1.0, 0.9, 0.5]),
    }
)


def derived(values: dict[str, float]) -> Gtzan57:
    n_fft, nyquist = int(values["n_fft"]), values["sr"] / 2
    hop = n_fft // int(values["hop_length"])
    return GTZAN57.derive(**{**values, "hop_length": hop, "mel_fmax": values["mel_fmax"] * nyquist})


def tune(sr: int, seed: int) -> np.ndarray:
    """Two seconds of decaying chords over noise and a beat."""
    rng = np.random.default_rng(seed)
    t = np.arange(2 * sr) / sr
    since = t % rng.uniform(0.3, 0.6)
    y = 0.02 * rng.standard_normal(len(t)) + 0.3 * rng.standard_normal(len(t)) * np.exp(-60 * since)
    for semitone in rng.choice(30, size=3, replace=False):
        y += 0.2 * np.exp(-2 * since) * np.sin(2 * np.pi * 110 * 2 ** ((semitone + rng.uniform(-0.4, 0.4)) / 12) * t)
    return (0.5 * y / np.abs(y).max()).astype(np.float32)


@settings(max_examples=10)
@given(OFFERED, st.integers(0, 9))
def test_any_parameters_together_equal_librosa_or_are_refused(values: dict[str, float], seed: int) -> None:
    recipe = None
    with suppress(ParameterError):
        recipe = derived(values)
    assume(recipe is not None)
    y = tune(recipe.sr, seed)
    fast, plain = feature_matrix(y[None], recipe)[0], reference_features(y, recipe)
    np.testing.assert_array_less(np.abs(fast - plain), 1e-5 * np.abs(plain) + float32_noise(plain, recipe))


@pytest.mark.parametrize("n_mels", [1, 2, 39, 40, 65, 128])
def test_onset_strength_is_the_median_over_any_number_of_bands(n_mels: int) -> None:
    recipe = GTZAN57.derive(n_mels=n_mels, n_mfcc=1)
    mel = mel_spectrogram(tune(recipe.sr, 3), recipe)
    expected = librosa.onset.onset_strength(S=mel, sr=recipe.sr, aggregate=np.median)
    np.testing.assert_allclose(_onset_strength(mel.T[None], recipe)[0], expected, rtol=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {"n_mels": 1000},
        {"n_mels": 128, "n_fft": 256, "hop_length": 64},
        {"mel_fmin": 20.0, "mel_fmax": 300.0},
        {"n_mels": 5000},
    ],
)
def test_bands_without_a_bin_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(
        ParameterError, match=r"n_mels of \d+ would leave bands without a single bin .*take fewer bands"
    ):
        GTZAN57.derive(**changes)


def test_no_band_of_the_standard_is_empty() -> None:
    assert (mel_filterbank(GTZAN57).max(axis=0) > 0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_fft": 16384, "hop_length": 1}, "at most 33 million values; .* give 5419 million, so take a longer"),
        ({"clip_seconds": 2}, "segment_seconds must not exceed its clip_seconds of 2; got 3"),
        ({"hpss_kernel": 30}, r"hpss_kernel must be 3, 7, 15, 31 or so \(2\*\*k - 1\); got 30"),
        ({"top_db": float("nan")}, "top_db must be from 1 to 1000; got nan"),
        ({"amin": 0}, "amin must be from 1e-30 to 1; got 0.0"),
        ({"n_fft": True}, "n_fft must be of type int; got True"),
        ({"n_fft": 4096.5}, "n_fft must be of type int; got 4096.5"),
        ({"mel_fmax": float("inf")}, "mel bands must lie within"),
    ],
)
def test_what_nothing_can_be_heard_by_is_one_sentence(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        GTZAN57.derive(**changes)


def test_every_parameter_has_limits() -> None:
    free = {"window", "pad_mode", "hpss_power", "hpss_margin", "mel_fmin", "mel_fmax"}
    assert set(_LIMITS) | free == set(DEFAULTS)


def test_numpy_numbers_are_numbers() -> None:
    assert GTZAN57.derive(n_fft=np.int64(4096), mel_fmax=np.float32(8000)).name == (
        "gtzan57-v1[n_fft=4096,mel_fmax=8000.0]"
    )


@pytest.mark.parametrize("name", ["mine", "", "gtzan57-v2", "mine[n_fft=4096]", None])
def test_a_name_that_does_not_tell_the_parameters_is_refused(name: str) -> None:
    with pytest.raises(ParameterError, match=r"No recipe can be called .*'gtzan57-v1\[n_fft=4096\]'"):
        Gtzan57(name=name, n_fft=4096)


@given(OFFERED)
def test_a_name_gives_its_recipe_back(values: dict[str, float]) -> None:
    recipe = derived({**values, "n_mels": 13, "n_fft": 4096})
    assert get_recipe(recipe.name) == recipe
    assert difference(recipe.parameters(), get_recipe(recipe.name)) is None


@given(st.text(alphabet="abn_fthopmels0123456789=,.+-()'\\ e", max_size=60))
def test_any_changes_in_a_name_are_a_recipe_of_that_name_or_one_sentence(changes: str) -> None:
    with suppress(ParameterError):
        assert get_recipe(f"gtzan57-v1[{changes}]").name == f"gtzan57-v1[{changes}]"


@pytest.mark.parametrize("value", ["-" * 100_000 + "1", "(" * 500 + "1", "9" * 6000, "1e999", "nan", "0x1for", "1_024"])
def test_forged_values_in_a_name_are_refused(value: str) -> None:
    with pytest.raises(ParameterError):
        get_recipe(f"gtzan57-v1[n_fft={value}]")
    with pytest.raises(ParameterError):
        get_recipe(f"gtzan57-v1[top_db={value}]")
