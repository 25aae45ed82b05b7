"""The demonstration data: every style keeps one contract, and each sounds as its name says."""

from __future__ import annotations

import math

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_genre.errors import AudioGenreError, ParameterError
from audio_genre.synthetic import music as synthesis
from audio_genre.synthetic.music import STYLES, synthesize, write_dataset

SR = 22050
styles = pytest.mark.parametrize("style", STYLES)


def rms(y):
    return float(np.sqrt(np.mean(np.square(y, dtype=np.float64))))


def average(measure, style, tracks=4):
    return float(np.mean([measure(synthesize(style, index=index, seconds=10)) for index in range(tracks)]))


def spectrogram(y, size=1024, hop=256):
    frames = np.lib.stride_tricks.sliding_window_view(y, size)[::hop]
    return np.abs(np.fft.rfft(frames * np.hanning(size), axis=1))


def onset_energy(y):
    """Mean rise of the level from frame to frame, as a share of the level."""
    level = spectrogram(y).sum(axis=1)
    return np.maximum(np.diff(level), 0).mean() / level.mean()


def centroid(y):
    S = spectrogram(y).mean(axis=0)
    return np.average(np.fft.rfftfreq(1024, 1 / SR), weights=S)


class TestStyles:
    def test_ten_plain_names_that_make_folder_names(self):
        assert len(STYLES) == 10
        assert all(style.isascii() and style.isalpha() and style.islower() for style in STYLES)
        assert list(STYLES) == sorted(STYLES)

    @styles
    def test_the_neighbour_is_another_style(self, style):
        neighbour = synthesis._TABLE[style].neighbour
        assert neighbour in STYLES
        assert neighbour != style

    @styles
    def test_patterns_use_the_notation_only(self, style):
        declared = synthesis._TABLE[style]
        assert all(set(part.steps) <= set("01234cpm-.") for part in declared.parts)
        assert all(set(steps) <= set("xo.") for steps in declared.drums.values())
        assert set(declared.drums) <= set(synthesis._DRUMS)
        assert all(len(steps) in (12, 16) for steps in [*declared.drums.values(), *(p.steps for p in declared.parts)])

    @styles
    def test_something_always_plays(self, style):
        assert any(part.essential for part in synthesis._TABLE[style].parts)


class TestSynthesize:
    @styles
    @pytest.mark.parametrize("index", range(3))
    def test_contract(self, style, index):
        y = synthesize(style, index=index, seconds=8)
        assert y.shape == (8 * SR,)
        assert y.dtype == np.float32
        assert np.isfinite(y).all()
        assert np.abs(y).max() <= 0.951
        assert abs(y.mean()) < 1e-3
        assert 0.02 < rms(y) < 0.2
        # No second is silent.
        assert min(rms(second) for second in y.reshape(8, SR)) > 1e-3

    @styles
    def test_starts_and_ends_gently(self, style):
        y = synthesize(style, seconds=5)
        assert y[0] == 0
        assert y[-1] == 0
        assert np.abs(y[:20]).max() < 0.05
        assert np.abs(y[-200:]).max() < 0.05

    @styles
    def test_same_arguments_give_the_same_samples_whatever_came_before(self, style):
        first = synthesize(style, index=2, seconds=3, seed=7)
        synthesize("blast", index=5, seconds=1)
        np.testing.assert_array_equal(first, synthesize(style, index=2, seconds=3, seed=7))

    @styles
    def test_another_index_or_seed_is_another_track(self, style):
        tracks = [synthesize(style, index=i, seconds=3, seed=s) for i, s in [(0, 0), (1, 0), (0, 1), (1, 1)]]
        for a in range(4):
            for b in range(a):
                likeness = np.corrcoef(tracks[a], tracks[b])[0, 1]
                assert abs(likeness) < 0.9

    def test_does_not_touch_the_global_generator(self):
        np.random.seed(3)
        expected = np.random.random()
        np.random.seed(3)
        synthesize("pluck", seconds=1)
        assert np.random.random() == expected

    @settings(max_examples=30, deadline=None)
    @given(
        style=st.sampled_from(STYLES),
        index=st.integers(0, 2**32 - 1),
        seconds=st.floats(1, 4),
        sr=st.integers(8000, 48000),
        seed=st.integers(0, 2**64 - 1),
    )
    def test_any_permitted_arguments_give_a_sound_track(self, style, index, seconds, sr, seed):
        y = synthesize(style, index=index, seconds=seconds, sr=sr, seed=seed)
        assert y.shape == (round(seconds * sr),)
        assert np.isfinite(y).all()
        assert np.abs(y).max() <= 0.951
        assert rms(y) > 5e-3

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"style": "jazz"}, r"The style 'jazz' is unknown; choose one of arpeggio, .*, sweep\."),
            ({"seconds": 0.5}, r"A track of 0.5 s is not possible; choose a length from 1 to 300 s\."),
            ({"seconds": 301}, "from 1 to 300 s"),
            ({"seconds": math.nan}, "A track of nan s"),
            ({"seconds": math.inf}, "A track of inf s"),
            ({"sr": 100}, r"The sampling rate in Hz cannot be 100; choose an integer from 8000 to 96000\."),
            ({"sr": 22050.0}, "sampling rate"),
            ({"index": -1}, "The track index cannot be -1"),
            ({"seed": -1}, "The seed cannot be -1"),
            ({"seed": True}, "The seed cannot be True"),
        ],
    )
    def test_refuses_with_a_sentence(self, arguments, message):
        with pytest.raises(ParameterError, match=message):
            synthesize(**{"style": "hum", **arguments})


class TestSound:
    def test_rhythmic_styles_have_more_onsets_than_sustained_ones(self):
        sustained = max(average(onset_energy, style) for style in ("hum", "sweep"))
        for style in ("arpeggio", "offbeat", "pluck", "pulse", "shuffle", "stomp"):
            assert average(onset_energy, style) > 1.5 * sustained

    def test_hum_is_darker_than_the_bright_styles(self):
        hum = average(centroid, "hum")
        assert all(average(centroid, style) > 1.5 * hum for style in ("arpeggio", "bells", "blast", "pluck"))

    def test_the_band_of_sweep_rises_and_falls(self):
        wind = synthesis._TABLE["sweep"].parts[0].voice
        loudest = spectrogram(renderer()._note(wind, 60, 3 * SR)).argmax(axis=1)
        start, middle, end = (int(np.median(part)) for part in np.array_split(loudest, 9)[0::4])
        assert middle > 3 * max(start, end)

    @pytest.mark.parametrize("voice", ["_PAD", "_DRONE", "_WHISTLE", "_KEYS", "_BELL", "_STRING", "_SQUARE_LEAD"])
    @pytest.mark.parametrize("pitch", [52, 69, 81])
    def test_voices_are_in_tune(self, voice, pitch):
        expected = 440 * 2 ** ((pitch - 69) / 12)
        y = renderer()._note(getattr(synthesis, voice), pitch, SR)
        size = 2**18
        power = np.abs(np.fft.rfft(y * np.hanning(len(y)), size))
        f = np.fft.rfftfreq(size, 1 / SR)
        near = (f > expected * 0.8) & (f < expected * 1.25)
        cents = 1200 * np.log2(f[near][power[near].argmax()] / expected)
        assert abs(cents) < 9

    def test_an_echo_repeats_the_sound_more_softly(self):
        play = renderer("arpeggio")
        send = np.zeros(play.n, dtype=np.float32)
        send[0] = 1
        play._add_echo(send)
        heard = send[np.flatnonzero(send)]
        assert len(heard) == 4
        assert (np.diff(heard) < 0).all()


class TestWriteDataset:
    def test_layout_order_and_samples(self, tmp_path):
        done = []
        paths = write_dataset(
            tmp_path / "new" / "music",
            tracks_per_style=2,
            seconds=1,
            seed=4,
            styles=("pulse", "hum"),
            progress=lambda *counts: done.append(counts),
        )
        expected = ["pulse/pulse.00000.wav", "pulse/pulse.00001.wav", "hum/hum.00000.wav", "hum/hum.00001.wav"]
        assert [path.relative_to(tmp_path / "new" / "music").as_posix() for path in paths] == expected
        assert sorted(path for path in (tmp_path / "new").rglob("*") if path.is_file()) == sorted(paths)
        assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
        info = soundfile.info(paths[1])
        assert (info.samplerate, info.channels, info.subtype, info.frames) == (SR, 1, "PCM_16", SR)
        y, _ = soundfile.read(paths[1], dtype="float32")
        np.testing.assert_allclose(y, synthesize("pulse", index=1, seconds=1, seed=4), atol=2 / 32768)

    def test_the_same_seed_writes_the_same_bytes_and_replaces(self, tmp_path):
        (path,) = write_dataset(tmp_path, tracks_per_style=1, seconds=1, styles=["bells"])
        first = path.read_bytes()
        path.write_bytes(b"old")
        write_dataset(tmp_path, tracks_per_style=1, seconds=1, styles=["bells"])
        assert path.read_bytes() == first

    def test_all_styles_by_default(self, tmp_path):
        paths = write_dataset(tmp_path, tracks_per_style=1, seconds=1, sr=8000)
        assert [path.parent.name for path in paths] == list(STYLES)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"tracks_per_style": 0}, "The number of tracks per style cannot be 0; choose an integer from 1"),
            ({"styles": ["hum", "jazz"]}, "The style 'jazz' is unknown"),
            ({"seconds": 0}, "A track of 0 s"),
        ],
    )
    def test_wrong_arguments_write_nothing(self, tmp_path, arguments, message):
        with pytest.raises(ParameterError, match=message):
            write_dataset(tmp_path / "music", **arguments)
        assert not (tmp_path / "music").exists()

    def test_a_folder_that_is_a_file(self, tmp_path):
        (tmp_path / "music").touch()
        with pytest.raises(AudioGenreError, match=r"hum\.00000\.wav cannot be written: .*; choose a folder"):
            write_dataset(tmp_path / "music", tracks_per_style=1, seconds=1, styles=["hum"])

    def test_a_failed_write_leaves_no_file(self, tmp_path, monkeypatch):
        def fail(self, target):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("pathlib.Path.replace", fail)
        with pytest.raises(AudioGenreError, match="No space left on device"):
            write_dataset(tmp_path, tracks_per_style=1, seconds=1, styles=["hum"])
        assert list((tmp_path / "hum").iterdir()) == []


def renderer(style="pluck"):
    rng = np.random.default_rng(0)
    return synthesis._Renderer(synthesis._vary(style, rng), rng, 10 * SR, SR)
