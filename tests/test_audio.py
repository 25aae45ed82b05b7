from __future__ import annotations

import hashlib
import os
import re
import struct
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from audio_genre import audio
from audio_genre.decoding.sndfile import QUIET
from audio_genre.errors import AudioError

SR = 22050


def noise(seconds: float, sr: int = SR, channels: int = 1) -> np.ndarray:
    rng = np.random.default_rng(0)
    y = 0.2 * rng.standard_normal((round(seconds * sr), channels))
    return y.clip(-1, 1).astype(np.float32)


def write(path: Path, seconds: float = 1.0, sr: int = SR, channels: int = 1, **options: str) -> Path:
    soundfile.write(path, noise(seconds, sr, channels), sr, **options)
    return path


def windows(path: Path, *, seconds: int = 30, min_samples: int = 66149) -> list[np.ndarray]:
    return list(audio.iter_windows(path, sr=SR, seconds=seconds, min_samples=min_samples))


# What librosa imports is deprecated in places.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "sr", "channels", "subtype"),
    [
        ("x.wav", 22050, 1, "PCM_16"),
        ("x.wav", 44100, 2, "PCM_16"),
        ("x.wav", 96000, 2, "PCM_24"),
        ("x.wav", 8000, 1, "PCM_U8"),
        ("x.wav", 48000, 6, "FLOAT"),
        ("x.flac", 48000, 1, "PCM_24"),
        ("x.ogg", 44100, 2, "VORBIS"),
        ("x.mp3", 44100, 2, "MPEG_LAYER_III"),
        ("x.au", 11025, 1, "ULAW"),
        ("x.aiff", 32000, 1, "PCM_16"),
    ],
)
def test_load_equals_librosa(name: str, sr: int, channels: int, subtype: str, tmp_path: Path) -> None:
    import librosa

    path = write(tmp_path / name, 1.3, sr, channels, subtype=subtype)
    expected, _ = librosa.load(path, sr=SR)
    y = audio.load(path, sr=SR)
    assert y.dtype == np.float32
    assert y.shape == expected.shape
    # Channels may be summed in another order.
    np.testing.assert_allclose(y, expected, rtol=0, atol=0 if channels <= 2 else 1e-6)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (4, [4]),
        (60, [60]),
        (61, [30, 31]),
        (89, [30, 59]),
        (90, [30, 30, 30]),
        (90.5, [30, 30, 30.5]),
        (120, [30, 30, 30, 30]),
    ],
)
def test_windows_and_joined_remainder(seconds: float, expected: list[float], tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav", seconds, subtype="FLOAT")
    found = windows(path)
    assert [len(window) for window in found] == [round(SR * length) for length in expected]
    np.testing.assert_array_equal(np.concatenate(found), noise(seconds)[:, 0])


def test_one_sample_more_than_two_windows_is_split(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", noise(61)[: 60 * SR + 1], SR)
    assert [len(window) for window in windows(tmp_path / "x.wav")] == [30 * SR, 30 * SR + 1]


@pytest.mark.parametrize(("sr", "channels"), [(44100, 2), (48000, 1), (8000, 1)])
def test_streamed_resampling_equals_resampling_at_once(sr: int, channels: int, tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav", 180.1, sr, channels)
    found = windows(path)
    whole = audio.load(path, sr=SR)
    assert [len(window) for window in found[:-1]] == [30 * SR] * 5
    assert abs(sum(map(len, found)) - len(whole)) <= 1
    joined = np.concatenate(found)[: len(whole)]
    np.testing.assert_allclose(joined, whole[: len(joined)], rtol=0, atol=1e-6)


def test_windows_of_a_compressed_file_equal_the_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "x.mp3", 70, 44100)
    whole = audio.load(path, sr=SR)
    joined = np.concatenate(windows(path))
    assert abs(len(joined) - len(whole)) <= 1
    np.testing.assert_allclose(joined[: len(whole)], whole[: len(joined)], rtol=0, atol=1e-6)


def test_shortest_file(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", noise(4)[:66149], SR)
    assert [len(window) for window in windows(tmp_path / "x.wav")] == [66149]
    soundfile.write(tmp_path / "x.wav", noise(4)[:66000], SR)
    with pytest.raises(AudioError, match=r"x\.wav is 2\.99 s long, and features need at least 3\.00 s\."):
        windows(tmp_path / "x.wav")


@given(st.integers(0, 200), st.integers(2, 40))
def test_segments(n: int, stride: int) -> None:
    y = np.arange(n, dtype=np.float32)
    segments = audio.cut_segments(y, stride=stride)
    expected = [y[start : start + stride - 1] for start in range(0, n, stride)]
    expected = [segment for segment in expected if len(segment) == stride - 1]
    assert segments.shape == (len(expected), stride - 1)
    assert all(np.array_equal(found, wanted) for found, wanted in zip(segments, expected, strict=True))
    assert not segments.flags.writeable or n < stride - 1


@pytest.mark.parametrize(("samples", "count"), [(661500, 10), (661504, 10), (661794, 10), (660000, 9), (66149, 1)])
def test_segments_of_clips(samples: int, count: int) -> None:
    assert audio.cut_segments(np.zeros(samples, dtype=np.float32), stride=66150).shape == (count, 66149)


def test_segments_of_a_strided_signal() -> None:
    y = np.arange(20, dtype=np.float32)[::2]
    np.testing.assert_array_equal(audio.cut_segments(y, stride=4), [[0, 2, 4], [8, 10, 12]])


@given(
    st.integers(0, 300),
    st.integers(2, 40).flatmap(lambda length: st.tuples(st.just(length), st.integers(1, length))),
    st.lists(st.integers(0, 300), max_size=6),
)
def test_stretches_of_blocks_are_those_of_the_whole(n: int, sizes: tuple[int, int], cuts: list[int]) -> None:
    length, hop = sizes
    y = np.arange(n, dtype=np.float32)
    starts = [start for start in range(0, n, hop) if start + length <= n]
    expected = [(start, y[start : start + length]) for start in starts]
    if n and not starts:
        expected = [(0, y)]
    elif n and 10 * (n - starts[-1] - length) <= hop:
        expected[-1] = (starts[-1], y[starts[-1] :])
    elif n:
        expected.append((n - length, y[n - length :]))
    found = list(audio.cut_stretches(np.split(y, sorted(cut for cut in cuts if cut < n)), length=length, hop=hop))
    assert [(start, stretch.tolist()) for start, stretch in found] == [
        (start, part.tolist()) for start, part in expected
    ]


def test_stretches_come_while_blocks_do_and_forget_them() -> None:
    asked = 0

    def blocks() -> Iterator[np.ndarray]:
        nonlocal asked
        for asked in range(1, 501):  # noqa: B007
            yield np.zeros(10_000, dtype=np.float32)

    tracemalloc.start()
    try:
        for count, (start, _) in enumerate(audio.cut_stretches(blocks(), length=15_000, hop=5_000)):
            assert start == 5_000 * count
            assert 10_000 * asked <= start + 30_000
        # All of it would be 20 MB.
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert asked == 500


@pytest.mark.parametrize(("sr", "channels"), [(22050, 1), (44100, 2)])
def test_streamed_stretches_equal_those_of_the_whole_file(sr: int, channels: int, tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav", 130.0, sr, channels)
    whole = audio.load(path, sr=SR)
    stretches = audio.cut_stretches(
        audio.iter_windows(path, sr=SR, seconds=30, min_samples=SR), length=30 * SR, hop=20 * SR
    )
    found = list(stretches)
    assert [start for start, _ in found] == [20 * SR * k for k in range(6)]
    for start, y in found:
        np.testing.assert_allclose(y, whole[start : start + len(y)], rtol=0, atol=1e-6)


def zero_bytes(path: Path) -> None:
    path.touch()


def text(path: Path) -> None:
    path.write_text("no audio at all, whatever the name says")


def cut_header(path: Path) -> None:
    write(path)
    path.write_bytes(path.read_bytes()[:30])


def cut_data(path: Path) -> None:
    write(path, 4)
    path.write_bytes(path.read_bytes()[:-44100])


def no_samples(path: Path) -> None:
    soundfile.write(path, noise(1)[:0], SR)


def silence(path: Path) -> None:
    soundfile.write(path, np.zeros(SR), SR)


def with_nan(path: Path) -> None:
    y = noise(1)
    y[500] = np.nan
    soundfile.write(path, y, SR, subtype="FLOAT")


def with_infinity(path: Path) -> None:
    y = noise(1).astype(np.float64)
    y[-1] = -np.inf
    soundfile.write(path, y, SR, subtype="DOUBLE")


def folder(path: Path) -> None:
    path.mkdir()


def nothing(path: Path) -> None:
    pass


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.skipif(sys.platform == "win32", reason="makes pipes and links")
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (zero_bytes, r"is empty \(0 bytes\)"),
        (text, r"cannot be decoded: Format not recognised"),
        (cut_header, r"cannot be decoded: .*[^.]"),
        (cut_data, r"is cut short: its header says 4\.00 s, but only 3\.00 s are there"),
        (no_samples, r"holds no samples"),
        (silence, r"is silent: every sample is zero"),
        (with_nan, r"holds samples that are NaN or infinite"),
        (with_infinity, r"holds samples that are NaN or infinite"),
        (folder, r"is a folder, not an audio file"),
        (nothing, r"cannot be read: No such file or directory"),
        (link_to_itself, r"cannot be read: Too many levels of symbolic links"),
        (pipe, r"is not a regular file"),
    ],
)
def test_bad_input(make: Callable[[Path], None], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    make(path)
    for read in (lambda: audio.load(path, sr=SR), lambda: windows(path, min_samples=100)):
        with pytest.raises(AudioError) as error:
            read()
        assert re.fullmatch(reason, error.value.reason)
        assert str(error.value) == f"{path} {error.value.reason}."


def test_what_is_wrong_at_the_end_of_a_long_file_is_told(tmp_path: Path) -> None:
    y = noise(95)
    y[-1] = np.nan
    soundfile.write(tmp_path / "x.wav", y, SR, subtype="FLOAT")
    found = audio.iter_windows(tmp_path / "x.wav", sr=SR, seconds=30, min_samples=100)
    assert len(next(found)) == 30 * SR
    with pytest.raises(AudioError, match=r"NaN or infinite"):
        list(found)


def test_silence_within_a_long_file_is_no_fault(tmp_path: Path) -> None:
    y = noise(95)
    y[: 40 * SR] = 0
    soundfile.write(tmp_path / "x.wav", y, SR)
    assert len(windows(tmp_path / "x.wav")) == 3


def test_header_of_a_stream_that_did_not_know_its_length(tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav")
    content = bytearray(path.read_bytes())
    position = content.index(b"data") + 4
    content[4:8] = content[position : position + 4] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(content)
    assert len(audio.load(path, sr=SR)) == SR


def test_sloppy_header_is_accepted(tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav")
    path.write_bytes(path.read_bytes()[:-100])
    assert len(audio.load(path, sr=SR)) == SR - 50


def test_au_with_an_odd_header_offset(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.au")
    content = plain.read_bytes()
    odd = tmp_path / "odd.au"
    odd.write_bytes(content[:4] + struct.pack(">I", 31) + content[8:24] + b"comment" + content[24:])
    np.testing.assert_array_equal(audio.load(odd, sr=SR), audio.load(plain, sr=SR))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_name_that_is_no_valid_text(tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav").rename(tmp_path / os.fsdecode(b"caf\xe9.wav"))
    assert len(audio.load(path, sr=SR)) == SR


def test_content_hash(tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav")
    assert audio.content_hash(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    (tmp_path / "empty").touch()
    assert audio.content_hash(tmp_path / "empty") == hashlib.sha256(b"").hexdigest()
    with pytest.raises(AudioError, match=r"cannot be read: No such file or directory\."):
        audio.content_hash(tmp_path / "nowhere")


def test_stderr_is_quiet_while_any_thread_decodes(capfd: pytest.CaptureFixture[str]) -> None:
    inside, outside = threading.Event(), threading.Event()

    def decode() -> None:
        with QUIET:
            inside.set()
            outside.wait(10)
            os.write(2, b"second")

    thread = threading.Thread(target=decode)
    with QUIET:
        thread.start()
        inside.wait(10)
        os.write(2, b"first")
    outside.set()
    thread.join()
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_a_program_without_stderr_decodes(tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav")
    code = "import sys; from audio_genre import audio; print(len(audio.load(sys.argv[1], sr=22050)))"
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-c", code, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout == "22050\n"
