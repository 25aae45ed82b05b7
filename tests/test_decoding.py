"""Every kind of file that a folder of music may hold: decoded whole, or one true sentence."""

from __future__ import annotations

import re
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audio_genre import audio, decoding
from audio_genre.audit.listening import Fault, Heard, listen
from audio_genre.decoding import formats, joined, opening, sndfile
from audio_genre.dsp import GTZAN57
from audio_genre.errors import AudioError, UnreadableError
from audio_genre.extraction.clip import ClipSettings, ClipTask, Extracted, Failed, Unchanged, extract_clip

SR = 22050
HTML = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>gone</body></html>\n" * 10


def tone(seconds: float, sr: int = 8000, channels: int = 1, hertz: float = 300) -> np.ndarray:
    t = np.arange(round(seconds * sr)) / sr
    y = 0.3 * np.sin(2 * np.pi * hertz * t) + 0.02 * np.random.default_rng(0).standard_normal(len(t))
    return np.stack([y] * channels, axis=1).astype(np.float32)


def write(path: Path, seconds: float = 4.0, sr: int = 8000, channels: int = 1, **options: Any) -> Path:
    soundfile.write(path, tone(seconds, sr, channels), sr, **options)
    return path


def encode(path: Path, codec: str, container: str, *, seconds: float = 4.0, sr: int = 44100, channels: int = 2) -> Path:
    """Write a file as FFmpeg does."""
    av = pytest.importorskip("av")
    y = tone(seconds, sr, channels)
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=sr)
        stream.layout = "stereo" if channels == 2 else "mono"
        stream.bit_rate = 128_000
        resampler = av.AudioResampler(format=stream.codec_context.format, layout=stream.layout, rate=sr)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(y.reshape(1, -1)), format="flt", layout=stream.layout)
        frame.sample_rate, frame.pts = sr, 0
        fifo = av.AudioFifo()
        for part in resampler.resample(frame):
            fifo.write(part)
        while (block := fifo.read(stream.codec_context.frame_size or 1024, partial=True)) is not None:
            out.mux(stream.encode(block))
        out.mux(stream.encode(None))
    return path


@pytest.fixture
def without_extra(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "av", None)
    formats.has_extra.cache_clear()
    yield
    formats.has_extra.cache_clear()


@pytest.mark.parametrize(
    ("name", "subtype"),
    [("x.wav", "GSM610"), ("x.aiff", "GSM610"), ("x.w64", "GSM610"), ("x.wav", "G721_32"), ("x.au", "G721_32"),
     ("x.au", "G723_24"), ("x.au", "G723_40"), ("x.wav", "NMS_ADPCM_16"), ("x.wav", "NMS_ADPCM_24"),
     ("x.wav", "NMS_ADPCM_32")],
)  # fmt: skip
def test_codecs_that_cannot_seek_are_decoded(name: str, subtype: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, subtype=subtype)
    y = audio.load(path, sr=8000)
    # Whole blocks.
    assert 0 <= len(y) - 32000 <= 400
    assert np.corrcoef(y[:32000], tone(4)[:, 0])[0, 1] > 0.9
    assert sum(map(len, audio.iter_windows(path, sr=8000, seconds=1, min_samples=1))) == len(y)
    assert audio.read_header(path)[0] == len(y) / 8000
    assert isinstance(listen(str(path)), Heard)


def ogg(path: Path, seconds: float, sr: int = 44100, channels: int = 1) -> bytes:
    return write(path.with_name("part.ogg"), seconds, sr, channels).read_bytes()


def mp3(path: Path, seconds: float, sr: int = 44100, channels: int = 1) -> bytes:
    return write(path.with_name("part.mp3"), seconds, sr, channels).read_bytes()


def without_header(stream: bytes) -> bytes:
    """An MP3 file without the frame that says how long it is, as early encoders wrote it."""
    first = joined._frame(stream[:4])
    assert first is not None
    assert b"Xing" in stream[:64] or b"Info" in stream[:64]
    return stream[first.size :]


ID3V1 = b"TAG" + bytes(125)
ID3V2 = b"ID3\3\0\0" + bytes([0, 0, 1, 5]) + b"APIC \xff\xfb\x90\x44OggS" + bytes(120)


@pytest.mark.parametrize(
    ("name", "join"),
    [
        ("x.ogg", lambda path: ogg(path, 2) + ogg(path, 1, 32000, 2)),
        ("x.ogg", lambda path: ogg(path, 1) * 3),
        ("x.mp3", lambda path: mp3(path, 2) + mp3(path, 1)),
        ("x.mp3", lambda path: mp3(path, 2, 44100, 2) + mp3(path, 1, 16000)),
        ("x.mp3", lambda path: mp3(path, 2) + ID3V1 + ID3V2 + mp3(path, 1) + ID3V1),
        ("x.mp3", lambda path: ID3V2 + mp3(path, 1) * 3),
        ("x.mp3", lambda path: mp3(path, 1) + without_header(mp3(path, 2))),
        ("x.mp3", lambda path: without_header(mp3(path, 1)) + mp3(path, 2)),
        ("x.mp3", lambda path: without_header(mp3(path, 1)) + without_header(mp3(path, 2))),
    ],
)
def test_joined_streams_are_read_whole(name: str, join: Callable[[Path], bytes], tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(join(path))
    y = audio.load(path, sr=SR)
    # Without a header the encoder's delay stays.
    assert 3 * SR <= len(y) < 3.2 * SR
    assert audio.read_header(path)[0] == pytest.approx(len(y) / SR, abs=0.1)
    # The tone is in all of it.
    for k in range(5):
        part = y[k * SR // 2 + SR // 10 : (k + 1) * SR // 2 + SR // 10]
        assert np.abs(np.fft.rfft(part))[140:160].max() > 0.1 * len(part) / 2


@pytest.mark.parametrize("name", ["x.ogg", "x.mp3", "x.wav", "x.flac"])
def test_what_looks_like_another_stream_does_not_fool(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, 2, 44100)
    whole = path.read_bytes()
    expected = audio.load(path, sr=SR)
    if name == "x.mp3":
        path.write_bytes(ID3V2 + whole + ID3V1)
    else:
        path.write_bytes(whole + b"junk OggS \xff\xfb\x90\x44 behind")
    np.testing.assert_array_equal(audio.load(path, sr=SR), expected)


def test_a_second_stream_that_cannot_be_decoded_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.ogg"
    second = bytearray(ogg(path, 1))
    second[29:34] = b"xxxxx"
    path.write_bytes(ogg(path, 1) + second)
    with pytest.raises(AudioError):
        audio.load(path, sr=SR)


@given(st.binary(max_size=3000), st.sampled_from([b"", b"OggS\0\2", b"\xff\xfb\x90\x44", b"ID3\3\0\0\0\0\0\5", b"TAG"]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_looking_for_streams_ends(tmp_path: Path, content: bytes, start: bytes) -> None:
    path = tmp_path / "any"
    path.write_bytes(start + content)
    with path.open("rb") as file:
        reader = joined.Reader(file.fileno())
        for find in (joined.ogg_links, joined.mpeg_streams):
            ranges = find(reader)
            assert all(found.begin <= found.end <= reader.size for found in ranges)
            assert ranges == sorted(ranges)


def cancelling(noise: float) -> np.ndarray:
    y = tone(4)[:, 0]
    left = y + noise * np.random.default_rng(1).standard_normal(len(y)).astype(np.float32)
    return np.stack([left, -y], axis=1)


@pytest.mark.parametrize(("noise", "words"), [(0, r"it is silent"), (3e-5, r"it is \d\d dB below them")])
def test_channels_that_cancel_each_other(noise: float, words: str, tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    soundfile.write(path, cancelling(noise), 8000, subtype="FLOAT")
    expected = (
        rf"cannot be used: its channels cancel each other in the mix to mono \({words}\); swap the polarity of one "
        "channel, or extract one channel"
    )
    with pytest.raises(AudioError) as error:
        audio.load(path, sr=SR)
    assert re.fullmatch(expected, error.value.reason)
    assert not isinstance(error.value, UnreadableError)
    fault = listen(str(path))
    assert isinstance(fault, Fault)
    assert fault.kind == "cancelling"


@pytest.mark.parametrize("channels", [cancelling(1e-2), np.stack([tone(4)[:, 0], 0 * tone(4)[:, 0]], axis=1)])
def test_channels_that_leave_something_are_used(channels: np.ndarray, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", channels, 8000, subtype="FLOAT")
    np.testing.assert_array_equal(audio.load(tmp_path / "x.wav", sr=8000), channels.mean(axis=1))


@pytest.mark.parametrize("sr", [1, 100, 1999, 1_500_001])
def test_rates_at_which_there_is_nothing_to_hear(sr: int, tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav")
    content = bytearray(path.read_bytes())
    content[24:28] = struct.pack("<I", sr)
    path.write_bytes(content)
    for read in READERS.values():
        with pytest.raises(AudioError, match=f"has a sampling rate of {sr} Hz, and music needs one from 2000 to"):
            read(path)


def test_the_lowest_rate_is_read(tmp_path: Path) -> None:
    assert len(audio.load(write(tmp_path / "x.wav", 4, 2000), sr=2000)) == 8000


def test_a_header_that_promises_days_is_refused_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "x.flac")
    content = bytearray(path.read_bytes())
    content[21:26] = bytes([content[21] | 0x0F, *b"\xff\xff\xff\xff"])
    path.write_bytes(content)
    began = time.monotonic()
    for read in READERS.values():
        with pytest.raises(AudioError, match=r"is too long: a file may have 12 h"):
            read(path)
    assert time.monotonic() - began < 2


def test_a_stream_of_unknown_length_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.flac", 100)
    content = bytearray(path.read_bytes())
    content[21:26] = bytes([content[21] & 0xF0, 0, 0, 0, 0])
    path.write_bytes(content)
    assert len(audio.load(path, sr=8000)) == 800_000
    monkeypatch.setattr(audio, "MAX_SECONDS", 90)
    with pytest.raises(AudioError, match="is too long"):
        list(audio.iter_windows(path, sr=SR, seconds=30, min_samples=1))


FORMATS = [
    ("x.m4a", "aac", "mp4", 2), ("alac.m4a", "alac", "mp4", 2), ("x.aac", "aac", "adts", 1),
    ("x.wma", "wmav2", "asf", 2), ("x.wv", "wavpack", "wv", 2), ("x.tta", "tta", "tta", 2),
    ("x.mka", "flac", "matroska", 2), ("x.webm", "libopus", "webm", 2), ("x.mp4", "aac", "mp4", 1),
    ("x.wav", "ac3", "wav", 2), ("x.oga", "flac", "ogg", 2), ("renamed.mp3", "aac", "mp4", 2),
]  # fmt: skip


@pytest.mark.parametrize(("name", "codec", "container", "channels"), FORMATS)
def test_formats_of_the_extra(
    name: str, codec: str, container: str, channels: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sr = 48000 if codec == "libopus" else 44100
    path = encode(tmp_path / name, codec, container, seconds=70, sr=sr, channels=channels)
    y = audio.load(path, sr=SR)
    assert abs(len(y) / SR - 70) < 0.1
    expected = audio.resample(tone(70, sr)[:, 0], sr, SR)
    # The beginning is where it was: the delay of an encoder is left out, but for formats that do not tell it.
    if name != "x.aac" and codec not in {"ac3", "wmav2"}:
        n = min(len(y), len(expected))
        assert np.corrcoef(y[:n], expected[:n])[0, 1] > 0.99
    windows = list(audio.iter_windows(path, sr=SR, seconds=30, min_samples=1))
    assert len(windows) == 2
    joined_windows = np.concatenate(windows)[: len(y)]
    np.testing.assert_allclose(joined_windows, y[: len(joined_windows)], rtol=0, atol=1e-5)
    # ADTS has no header that tells a length.
    assert audio.read_header(path)[0] == pytest.approx(70, abs=7 if name == "x.aac" else 1.5)
    assert isinstance(listen(str(path)), Heard)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("name", "codec", "container", "channels"), FORMATS)
def test_decoding_equals_ffmpeg(name: str, codec: str, container: str, channels: int, tmp_path: Path) -> None:
    import shutil
    import subprocess

    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    sr = 48000 if codec == "libopus" else 44100
    path = encode(tmp_path / name, codec, container, sr=sr, channels=channels)
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:a:0", "-f", "f32le", "-"]
    raw = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    expected = audio.resample(np.frombuffer(raw, dtype="<f4").reshape(-1, channels).mean(axis=1), sr, SR)
    y = audio.load(path, sr=SR)
    assert len(y) == len(expected)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("name", "codec", "container", "channels"), FORMATS)
def test_without_the_extra_the_sentence_names_it(
    name: str, codec: str, container: str, channels: int, tmp_path: Path, without_extra: None
) -> None:
    sr = 48000 if codec == "libopus" else 44100
    # The file itself is written with the extra.
    sys.modules.pop("av", None)
    path = encode(tmp_path / name, codec, container, sr=sr, channels=channels)
    sys.modules["av"] = None  # type: ignore[assignment]
    task, settings_ = ClipTask(name, "x"), ClipSettings(tmp_path, GTZAN57, None)
    for read in READERS.values():
        with pytest.raises(UnreadableError, match=re.escape('pip install "av>=14"')):
            read(path)
    failed = extract_clip(task, settings_)
    assert isinstance(failed, Failed)
    if Path(name).suffix in audio.UNREAD_SUFFIXES:
        # Not tried again until a decoder is there that was not.
        assert extract_clip(ClipTask(name, "x", failed.content_hash), settings_) == Unchanged()


def test_a_format_of_the_extra_is_extracted_once_it_is_there(tmp_path: Path) -> None:
    from audio_genre.extraction import extract

    encode(tmp_path / "audio.m4a", "aac", "mp4")
    (tmp_path / "music").mkdir()
    (tmp_path / "audio.m4a").rename(tmp_path / "music/x.m4a")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "av", None)
        formats.has_extra.cache_clear()
        report = extract(tmp_path / "music", tmp_path / "out", jobs=1, images=False)
        assert (report.extracted, report.failed) == (0, 1)
        assert "av>=14" in (tmp_path / "out/failures.csv").read_text()
    formats.has_extra.cache_clear()
    report = extract(tmp_path / "music", tmp_path / "out", jobs=1, images=False)
    assert (report.extracted, report.failed) == (1, 0)


def test_a_video_gives_its_sound_and_one_without_says_so(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "mute.mp4"), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(10):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        out.mux(stream.encode(None))
    with pytest.raises(AudioError, match="holds no audio: it is MP4 without a sound track"):
        audio.load(tmp_path / "mute.mp4", sr=SR)


@pytest.mark.parametrize(
    ("codec", "container"), [("wmav2", "asf"), ("wavpack", "wv"), ("flac", "matroska"), ("tta", "tta")]
)
def test_what_ffmpeg_decodes_and_is_cut_short_is_told(codec: str, container: str, tmp_path: Path) -> None:
    path = encode(tmp_path / f"x.{container}", codec, container, seconds=20)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match=r"is cut short: its header says"):
        audio.load(path, sr=SR)


READERS: dict[str, Callable[[Path], object]] = {
    "load": lambda path: audio.load(path, sr=SR),
    "iter_windows": lambda path: list(audio.iter_windows(path, sr=SR, seconds=30, min_samples=1)),
    "read_header": audio.read_header,
}

# Name, content, sentence.
BROKEN: list[tuple[str, bytes, str]] = [
    ("tag_only.mp3", ID3V2, r"holds no MPEG audio"),
    ("html.mp3", HTML, r"holds no MPEG audio; it is an HTML page"),
    ("zeros.mp3", bytes(5000), r"holds no MPEG audio"),
    ("m4a.mp3", b"\0\0\0\x20ftypM4A " + bytes(2000), r"holds no MPEG audio; it is MP4 audio: rename it to \.m4a.*"),
    ("html.wav", HTML, r"cannot be decoded; it is an HTML page"),
    ("html.m4a", HTML, r"cannot be decoded; it is an HTML page"),
    ("text.wav", b"no audio at all " * 50, r"cannot be decoded: Format not recognised"),
    ("x.raw", np.arange(9000, dtype="<i2").tobytes(), r"cannot be decoded: it is raw audio without a header, .+"),
    ("short.wav", b"RIFF\x10\0\0\0WAVE", r"cannot be decoded: .+"),
    ("picture.flac", b"\x89PNG\r\n\x1a\n" + bytes(100), r"cannot be decoded; it is a PNG picture"),
    ("half.flac", b"fLaC\0\0\0\x22" + bytes(10), r"cannot be decoded: .+"),
    ("bad.ogg", b"OggS\0\2" + bytes(100), r"cannot be decoded: .+"),
    ("noise.aiff", b"FORM\0\0\1\0AIFF" + bytes(range(256)), r"cannot be decoded: .+"),
    ("empty.au", b"", r"is empty \(0 bytes\)"),
    ("fake.m4a", b"\0\0\0\x20ftypM4A " + bytes(900), r"cannot be decoded: it begins as MP4 audio does, .+"),
    ("fake.wma", bytes.fromhex("3026B2758E66CF11") + bytes(900), r"cannot be decoded: .+"),
    ("nothing.ape", b"not at all", r"holds no audio of the format that its name says \(\.ape\)"),
    ("list.m4a", b"#EXTM3U\nfile:///etc/passwd\n", r"cannot be decoded; it is a playlist"),
]


@pytest.mark.parametrize(("name", "content", "sentence"), BROKEN, ids=[name for name, _, _ in BROKEN])
def test_contract_of_whatever_reads_a_file(name: str, content: bytes, sentence: str, tmp_path: Path) -> None:
    pytest.importorskip("av")
    path = tmp_path / name
    path.write_bytes(content)
    for read in READERS.values():
        with pytest.raises(AudioError) as error:
            read(path)
        assert re.fullmatch(sentence, error.value.reason)
    assert len(audio.content_hash(path)) == 64
    assert isinstance(listen(str(path)), Fault)
    result = extract_clip(ClipTask(name, "x"), ClipSettings(tmp_path, GTZAN57, None))
    assert isinstance(result, Failed)
    assert re.fullmatch(sentence, result.reason)


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(5, "Input/output error"), TypeError("inside"), RuntimeError()]
)
def test_whatever_a_decoder_raises_is_that_files_error(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "x.wav")

    def fail(*_: object, **__: object) -> None:
        raise error

    may_pass = isinstance(error, (MemoryError, OSError))
    for method in ("read", "__init__"):
        with monkeypatch.context() as patch:
            patch.setattr(soundfile.SoundFile, method, fail)
            with pytest.raises(AudioError) as found:
                audio.load(path, sr=SR)
            assert isinstance(found.value, UnreadableError) == may_pass
            assert "inside" not in str(found.value)
            failed = extract_clip(ClipTask("x.wav", "x"), ClipSettings(tmp_path, GTZAN57, None))
            assert isinstance(failed, Failed)
            assert (failed.content_hash is None) == may_pass
            assert isinstance(listen(str(path)), Fault)


def test_no_sentence_of_libsndfile_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.wav")
    for code in range(1, 184):

        def fail(*_: object, code: int = code, **__: object) -> None:
            raise soundfile.LibsndfileError(code)

        monkeypatch.setattr(soundfile.SoundFile, "read", fail)
        with pytest.raises(AudioError) as error:
            audio.load(path, sr=SR)
        assert not re.search(r"Error|psf|SF_|Internal|malloc|pipe|\.$", error.value.reason)
        assert isinstance(error.value, UnreadableError) == (code == sndfile.SYSTEM_ERROR)


@pytest.mark.parametrize("name", ["x.wav", "x.flac", "x.ogg", "x.mp3", "x.aiff", "x.au", "x.caf"])
@given(data=st.data())
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_damaged_files_give_samples_or_one_sentence(name: str, tmp_path: Path, data: st.DataObject) -> None:
    good = tmp_path / f"good_{name}"
    if not good.exists():
        write(good, 2)
    content = bytearray(good.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / name
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    for read in READERS.values():
        try:
            read(path)
        except AudioError as error:
            assert "\n" not in error.reason  # noqa: PT017
            assert len(error.reason) < 250  # noqa: PT017


@pytest.mark.parametrize("seconds", [2.0, 2.5, 2.99])
def test_a_short_clip_is_one_segment(seconds: float, tmp_path: Path) -> None:
    n = round(seconds * SR)
    soundfile.write(tmp_path / "x.wav", tone(seconds, SR), SR)
    result = extract_clip(ClipTask("x.wav", "x"), ClipSettings(tmp_path, GTZAN57, None))
    assert isinstance(result, Extracted)
    assert result.clip_lengths.tolist() == [n]
    assert result.clip_rows.shape == result.segment_rows.shape == (1, 57)
    # One signal, so one row.
    np.testing.assert_allclose(result.clip_rows, result.segment_rows, rtol=1e-9)


def test_short_clips_stand_in_the_side_car(tmp_path: Path) -> None:
    import csv
    import json

    from audio_genre.extraction import extract

    (tmp_path / "music/a").mkdir(parents=True)
    soundfile.write(tmp_path / "music/a/long.wav", tone(3.5, SR), SR)
    soundfile.write(tmp_path / "music/a/short.wav", tone(2.5, SR), SR)
    soundfile.write(tmp_path / "music/a/too_short.wav", tone(1.99, SR), SR)
    report = extract(tmp_path / "music", tmp_path / "out", jobs=1)
    assert (report.extracted, report.failed) == (2, 1)
    side_car = json.loads((tmp_path / "out/extraction.json").read_text())
    assert side_car["short_clips"]["clips"] == 1
    assert "reflection" in side_car["short_clips"]["rule"]
    lengths = {}
    for table in report.tables:
        with table.open(newline="") as file:
            lengths[table.name] = [int(row["length"]) for row in csv.DictReader(file)]
    assert lengths == {"features_30_sec.csv": [77175, 55125], "features_3_sec.csv": [66149, 55125]}
    assert "is 1.99 s long, and features need at least 2.00 s" in (tmp_path / "out/failures.csv").read_text()


def test_every_suffix_is_of_one_kind() -> None:
    assert not decoding.SNDFILE_SUFFIXES & decoding.EXTRA_SUFFIXES


def test_looking_at_a_file_costs_little(tmp_path: Path) -> None:
    path = tmp_path / "x.mp3"
    path.write_bytes(without_header(mp3(path, 30)))
    began = time.perf_counter()
    opening._look(str(path))
    looked = time.perf_counter() - began
    began = time.perf_counter()
    audio.load(path, sr=SR)
    assert looked < 0.2 * (time.perf_counter() - began)


def test_audit_tells_what_needs_the_extra(tmp_path: Path, without_extra: None) -> None:
    from audio_genre.audit import audit

    write(tmp_path / "a.wav", 4, SR)
    (tmp_path / "b.m4a").write_bytes(b"not opened")
    (found,) = [finding for finding in audit(tmp_path, jobs=1).findings if finding.kind == "unread_format"]
    assert 'pip install "av>=14"' in found.message
    assert found.items == ("b.m4a",)
