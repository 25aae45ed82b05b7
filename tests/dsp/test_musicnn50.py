"""The recipe musicnn50-v1 and joined recipes: columns, rows, what the network hears, what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import librosa
import numpy as np
import pytest
from extraction_helpers import signal_of

from audio_genre import features
from audio_genre.dsp import GTZAN57, MUSICNN50, difference, get_recipe
from audio_genre.dsp.matrix import feature_matrix, window_features
from audio_genre.dsp.musicnn50 import resampled
from audio_genre.encoders import ENCODERS, load, path_of
from audio_genre.errors import EncoderError, ParameterError

BOTH = get_recipe("gtzan57-v1+musicnn50-v1")


def test_columns() -> None:
    assert MUSICNN50.feature_names[:2] == ("rock_mean", "rock_std")
    assert len(set(MUSICNN50.feature_names)) == 100
    assert BOTH.feature_names == GTZAN57.feature_names + MUSICNN50.feature_names
    assert all(name.replace("_", "").isalnum() and name == name.lower() for name in MUSICNN50.feature_names)


def test_the_order_of_names_makes_no_other_recipe() -> None:
    assert get_recipe("musicnn50-v1+gtzan57-v1") == BOTH
    assert get_recipe("musicnn50-v1+gtzan57-v1[n_fft=4096]").name == "gtzan57-v1[n_fft=4096]+musicnn50-v1"
    assert BOTH.derive(n_fft=4096).name == "gtzan57-v1[n_fft=4096]+musicnn50-v1"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gtzan57-v1+gtzan57-v1", "has the feature 'chroma_stft_mean' twice"),
        ("gtzan57-v1[sr=16000,mel_fmax=8000.0]+musicnn50-v1", "cannot be joined: sr is 16000 in one and 22050"),
        ("gtzan57-v1[clip_seconds=10]+musicnn50-v1", "cannot be joined: clip_seconds is 10 in one and 30"),
        ("gtzan57-v1+", "is unknown"),
        ("+musicnn50-v1", "is unknown"),
        ("gtzan57-v1+musicnn50-v9", "is unknown; this version knows gtzan57-v1, musicnn50-v1"),
        ("musicnn50-v1[n_fft=4096]", "has no parameters that can be changed"),
    ],
)
def test_what_cannot_be_joined_is_one_sentence(name: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        get_recipe(name)


def test_no_parameter_can_be_changed() -> None:
    with pytest.raises(ParameterError, match="musicnn50-v1 has no parameter 'n_fft' that can be changed"):
        MUSICNN50.derive(n_fft=4096)
    assert MUSICNN50.derive() is MUSICNN50


def test_a_record_with_another_value_in_a_part_is_told() -> None:
    found = BOTH.parameters()
    assert difference(found, BOTH) is None
    found["parts"]["musicnn50-v1"]["n_mels"] = 64
    assert difference(found, BOTH) == "parts: musicnn50-v1: n_mels=64, and the recipe has 96"


@pytest.mark.usefixtures("tiny_encoder")
def test_joined_rows_are_those_of_the_parts_bit_for_bit() -> None:
    y = signal_of(10, seed=3)
    both, plain, tags = (window_features(y, recipe) for recipe in (BOTH, GTZAN57, MUSICNN50))
    np.testing.assert_array_equal(both.clip_row, np.concatenate([plain.clip_row, tags.clip_row]))
    np.testing.assert_array_equal(both.segment_rows, np.concatenate([plain.segment_rows, tags.segment_rows], axis=1))
    np.testing.assert_array_equal(both.mel_db, plain.mel_db)
    assert tags.mel_db is None
    assert len(both.segment_rows) == 3


@pytest.mark.usefixtures("tiny_encoder")
def test_a_window_has_the_tags_of_its_segments() -> None:
    y = signal_of(10, seed=4)
    found = window_features(y, MUSICNN50)
    np.testing.assert_allclose(feature_matrix(y[None], MUSICNN50)[0], found.clip_row, atol=1e-6)
    segments = np.stack([y[66150 * k : 66150 * k + 66149] for k in range(3)])
    np.testing.assert_allclose(feature_matrix(segments, MUSICNN50), found.segment_rows, atol=1e-6)
    np.testing.assert_allclose(found.clip_row[::2], found.segment_rows[:, ::2].mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.clip_row[1::2], found.segment_rows[:, ::2].std(axis=0), atol=1e-12)
    assert (found.segment_rows[:, 1::2] == 0).all()
    assert list(features(y, 22050, BOTH))[-1] == "happy_std"


@pytest.mark.usefixtures("tiny_encoder")
@pytest.mark.parametrize("recipe", [MUSICNN50, BOTH], ids=lambda recipe: recipe.name)
def test_a_signal_shorter_than_a_patch_is_refused(recipe) -> None:
    with pytest.raises(ParameterError, match="needs at least 66149 samples at 22050 Hz, got 66148"):
        features(signal_of(3)[:66148], 22050, recipe)
    assert np.isfinite(list(features(signal_of(3)[:66149], 22050, recipe).values())).all()


def test_without_the_network_each_way_in_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path)
    for call in (MUSICNN50.require, BOTH.require, lambda: features(signal_of(4), 22050, BOTH)):
        with pytest.raises(EncoderError, match="is not installed; `audio-genre encoder musicnn` fetches it"):
            call()
    GTZAN57.require()


def test_a_patch_is_what_librosa_computes() -> None:
    y = signal_of(3.2, sr=16000)
    expected = librosa.feature.melspectrogram(
        y=y, sr=16000, n_fft=512, hop_length=256, n_mels=96, pad_mode="reflect"
    ).T[:187]
    np.testing.assert_allclose(MUSICNN50.patches(y[None])[0], np.log10(10000 * expected + 1), atol=2e-4)


def test_the_resampler_keeps_what_fits_and_drops_what_does_not() -> None:
    t, t16 = np.arange(66149) / 22050, np.arange(48000) / 16000
    for hz, gain in ((100, 1.0), (5000, 1.0), (7000, 1.0), (8500, 0.0)):
        y = resampled(np.sin(2 * np.pi * hz * t).astype(np.float32)[None])[0]
        assert y.shape == (48000,)
        inner = slice(200, -200)
        np.testing.assert_allclose(y[inner], gain * np.sin(2 * np.pi * hz * t16)[inner], atol=4e-3)


def _tags(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The public tags of a clip, one patch each 61 frames, and ours of the same patches."""
    import soundfile

    network = load(ENCODERS["musicnn"])
    y, _ = soundfile.read(path, dtype="float32")
    whole = dataclasses.replace(MUSICNN50, n_frames=10**6).patches(resampled(y[None]))[0]
    ours = network(np.stack([whole[start : start + 187] for start in range(0, len(whole) - 186, 61)]))
    for file in (path.parents[2] / "musicnn").glob("*.npz"):
        with np.load(file) as public:
            rows = np.char.find(public["IDS"], path.stem) >= 0
            if rows.any():
                return public["X"][rows], ours
    return np.empty((0, 50)), ours


@pytest.mark.usefixtures("installed_encoders")
def test_the_published_network_gives_the_public_tags(shared_data: Path) -> None:
    if not path_of(ENCODERS["musicnn"]).exists():
        pytest.skip("the weights of MusiCNN are not installed; `audio-genre encoder musicnn` fetches them")
    compared = 0
    for path in sorted((shared_data / "gtzan" / "audio").glob("*/*.wav")):
        public, ours = _tags(path)
        if len(public) == 0:
            continue
        compared += 1
        # Those at the ends of a clip hear how it is continued beyond.
        assert np.abs(public - ours).max() < 2e-3
        assert np.abs(public - ours)[1:-1].max() < 1e-4
        assert np.abs(public.mean(axis=0) - ours.mean(axis=0)).max() < 1e-4
        assert np.corrcoef(public.ravel(), ours.ravel())[0, 1] > 0.99999
    assert compared >= 2
