"""Each fault, put into a clean folder of audio, is found as what it is; a clean folder is called clean."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audio_genre.audio import load, resample
from audio_genre.audit import KINDS, Audit, audit
from audio_genre.audit.fingerprint import FRAMES_PER_SECOND, SR, Fingerprinter, find_overlaps
from audio_genre.audit.listening import Fault, Heard, listen
from audio_genre.errors import AudioGenreError, ParameterError
from audio_genre.synthetic import music as synthesis

RATE = 22050
SECONDS = 8
STYLES = ("bells", "pluck", "stomp")

Signal = NDArray[np.float32]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of four tracks, without a fault."""
    folder = tmp_path_factory.mktemp("clean")
    synthesis.write_dataset(folder, tracks_per_style=4, seconds=SECONDS, styles=STYLES)
    return folder


@pytest.fixture
def music(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "music"))


def summary(found: Audit) -> set[tuple[str, str]]:
    assert {finding.kind for finding in found.findings} <= set(KINDS)
    return {(finding.kind, finding.severity) for finding in found.findings}


def fingerprint(y: Signal) -> NDArray[np.uint32]:
    maker = Fingerprinter()
    maker.add(y)
    return maker.codes()


def track(name: str = "bells/bells.00001.wav") -> Signal:
    style, index = name.partition("/")[0], int(name[-9:-4])
    return synthesis.synthesize(style, index=index, seconds=SECONDS).astype(np.float32)


def write(path: Path, y: Signal, rate: int = RATE, **options: str) -> None:
    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, y, rate, **options)


def test_nothing_is_found_in_a_clean_folder(original: Path) -> None:
    found = audit(original, jobs=1)
    assert found.findings == ()
    assert (found.size, found.classes) == (12, dict.fromkeys(STYLES, 4))


def test_worker_processes_find_the_same(music: Path) -> None:
    copied_in_class(music)
    cut_short(music)
    assert audit(music, jobs=2).as_json() == audit(music, jobs=1).as_json()


def copied_in_class(music: Path) -> None:
    shutil.copy(music / "bells/bells.00001.wav", music / "bells/copy.wav")


def copied_across(music: Path) -> None:
    shutil.copy(music / "bells/bells.00001.wav", music / "pluck/copy.wav")


def copied_as_flac(music: Path) -> None:
    y, rate = soundfile.read(music / "bells/bells.00001.wav", dtype="int16")
    soundfile.write(music / "pluck/copy.flac", y, rate)


def quieter_copy(music: Path) -> None:
    write(music / "bells/quiet.wav", 0.3 * track())


def mp3_across(music: Path) -> None:
    write(music / "pluck/copy.mp3", 0.5 * track())


def resampled_and_cut_across(music: Path) -> None:
    write(music / "pluck/copy.wav", resample(track()[2 * 777 :], RATE, 16000), 16000)


def excerpt_of_another_file(music: Path) -> None:
    y = np.concatenate([track("stomp/stomp.00007.wav")[: 3 * RATE], 0.8 * track()[RATE : RATE * 67 // 10]])
    write(music / "pluck/mix.wav", y)


def text_as_audio(music: Path) -> None:
    (music / "bells/bells.00009.wav").write_text("no audio")


def nothing_as_audio(music: Path) -> None:
    (music / "bells/bells.00009.wav").touch()


def header_alone(music: Path) -> None:
    write(music / "bells/bells.00009.wav", np.empty(0, dtype=np.float32))


def cut_short(music: Path) -> None:
    data = (music / "bells/bells.00002.wav").read_bytes()
    (music / "bells/bells.00002.wav").write_bytes(data[: len(data) // 2])


def silent(music: Path) -> None:
    write(music / "bells/bells.00009.wav", np.zeros(SECONDS * RATE, dtype=np.float32))


def tiny(music: Path) -> None:
    write(music / "bells/bells.00009.wav", track()[:1000])


def not_finite(music: Path) -> None:
    y = track("bells/bells.00009.wav")
    y[5] = np.nan
    write(music / "bells/bells.00009.wav", y, subtype="FLOAT")


def pipe(music: Path) -> None:
    os.mkfifo(music / "bells/bells.00009.wav")


def dangling_link(music: Path) -> None:
    (music / "bells/bells.00009.wav").symlink_to(music / "absent.wav")


def other_format(music: Path) -> None:
    (music / "bells/song.m4a").write_bytes(b"\0" * 99)


def cancelling_channels(music: Path) -> None:
    path = next((music / "bells").glob("*.wav"))
    y, sr = soundfile.read(path)
    soundfile.write(music / "bells/wide.wav", np.stack([y, -y], axis=1), sr, subtype="FLOAT")


def notes_beside(music: Path) -> None:
    (music / "bells/readme.txt").write_text("hello")
    (music / "bells/.hidden").write_text("hello")


def clipped(music: Path) -> None:
    y = track("bells/bells.00009.wav")
    write(music / "bells/bells.00009.wav", np.clip(y / np.abs(y).max() * 6, -1, 1))


def with_dc(music: Path) -> None:
    write(music / "bells/bells.00009.wav", 0.5 * track("bells/bells.00009.wav") + 0.2)


def mono_in_stereo(music: Path) -> None:
    y = track("bells/bells.00009.wav")
    write(music / "bells/bells.00009.wav", np.column_stack([y, y]))


def other_rate(music: Path) -> None:
    write(music / "bells/bells.00009.wav", resample(track("bells/bells.00009.wav"), RATE, 44100), 44100)


def far_longer(music: Path) -> None:
    write(music / "bells/bells.00009.wav", synthesis.synthesize("bells", index=9, seconds=40).astype(np.float32))


def one_name_in_two_classes(music: Path) -> None:
    write(music / "bells/01.wav", track("bells/bells.00009.wav"))
    write(music / "pluck/01.wav", track("pluck/pluck.00009.wav"))


def one_class_in_two_folders(music: Path) -> None:
    for k in range(4):
        write(music / f"Bells/b{k}.wav", track(f"bells/bells.{20 + k:05d}.wav"))


FAULTS: list[tuple[Callable[[Path], None], str, str]] = [
    (copied_in_class, "duplicate", "serious"),
    (copied_across, "duplicate_across_classes", "serious"),
    (copied_as_flac, "duplicate_across_classes", "serious"),
    (quieter_copy, "near_duplicate", "serious"),
    (mp3_across, "near_duplicate_across_classes", "serious"),
    (resampled_and_cut_across, "near_duplicate_across_classes", "serious"),
    (excerpt_of_another_file, "overlap_across_classes", "serious"),
    (text_as_audio, "unreadable", "serious"),
    (not_finite, "unreadable", "serious"),
    (pipe, "unreadable", "serious"),
    (dangling_link, "unreadable", "serious"),
    (nothing_as_audio, "empty_file", "serious"),
    (header_alone, "empty_file", "serious"),
    (cut_short, "truncated", "serious"),
    (silent, "silent", "serious"),
    (tiny, "too_short", "warning"),
    (other_format, "unreadable", "serious"),
    (cancelling_channels, "cancelling", "serious"),
    (notes_beside, "not_audio", "note"),
    (clipped, "clipped", "note"),
    (with_dc, "dc_offset", "note"),
    (mono_in_stereo, "mono_in_stereo", "note"),
    (other_rate, "odd_sampling_rate", "note"),
    (far_longer, "odd_length", "note"),
    (one_name_in_two_classes, "same_name", "note"),
    (one_class_in_two_folders, "label_variants", "serious"),
]


@pytest.mark.parametrize(("spoil", "kind", "severity"), FAULTS, ids=lambda value: getattr(value, "__name__", value))
def test_a_fault_is_found_as_what_it_is_and_as_nothing_else(
    music: Path, spoil: Callable[[Path], None], kind: str, severity: str
) -> None:
    spoil(music)
    found = summary(audit(music, jobs=1))
    # A copy at another sampling rate is at another sampling rate.
    expected = {(kind, severity)} | ({("odd_sampling_rate", "note")} if spoil is resampled_and_cut_across else set())
    assert found == expected


def test_one_copy_among_many_is_no_more_than_a_warning(tmp_path: Path) -> None:
    synthesis.write_dataset(tmp_path, tracks_per_style=12, seconds=6, styles=STYLES[:2])
    shutil.copy(tmp_path / "bells/bells.00001.wav", tmp_path / "bells/copy.wav")
    assert summary(audit(tmp_path, jobs=1)) == {("duplicate", "warning")}


def test_where_an_excerpt_lies_is_told(music: Path) -> None:
    excerpt_of_another_file(music)
    (found,) = audit(music, jobs=1).findings
    (pair,) = found.details["pairs"]
    assert (pair["a"], pair["b"]) == ("bells/bells.00001.wav", "pluck/mix.wav")
    assert pair["offset"] == pytest.approx(2, abs=0.1)
    assert pair["seconds"] == pytest.approx(5.7, abs=0.4)


def test_recordings_that_tell_the_class(tmp_path: Path) -> None:
    for style, rate in (("bells", 22050), ("pluck", 44100)):
        for k in range(12):
            y = resample(track(f"{style}/{style}.{k:05d}.wav")[: 3 * RATE], RATE, rate)
            write(tmp_path / style / f"{style}{k}x.wav", y, rate)
    found = {finding.kind: finding for finding in audit(tmp_path, jobs=1).findings}
    assert set(found) == {"leak", "odd_sampling_rate"}
    assert found["leak"].items == ("sampling rate",)
    assert found["leak"].details["accuracy"] == 1


def test_a_flat_folder_has_no_labels(tmp_path: Path) -> None:
    for k in range(3):
        write(tmp_path / f"{k}x.wav", track(f"bells/bells.{k:05d}.wav"))
    write(tmp_path / "copy.wav", 0.5 * track("bells/bells.00001.wav"))
    assert summary(audit(tmp_path, jobs=1)) == {("missing_labels", "note"), ("near_duplicate", "serious")}


def test_parts_of_one_track_may_repeat_each_other(tmp_path: Path) -> None:
    y = np.tile(track()[: 6 * RATE], 2)
    for k in range(2):
        write(tmp_path / "bells" / f"song.{k}.wav", (1 - 0.1 * k) * y[k * 6 * RATE :][: 6 * RATE])
        write(tmp_path / "pluck" / f"p{k}.wav", track(f"pluck/pluck.{k:05d}.wav"))
    assert summary(audit(tmp_path, jobs=1)) == {("small_class", "warning")}


@pytest.mark.parametrize("name", ["a\nb.wav", "<b>.wav", "-rf.wav", "🎵.wav", "x" * 240 + ".wav", b"\xff\xfe.wav"])
def test_files_may_have_any_name(music: Path, name: str | bytes) -> None:
    target = music / "bells" / os.fsdecode(name)
    try:
        shutil.copy(music / "pluck/pluck.00001.wav", target)
    except OSError:
        pytest.skip("the file system does not take the name")
    assert summary(audit(music, jobs=1)) == {("duplicate_across_classes", "serious")}


def test_what_cannot_be_examined_is_refused(tmp_path: Path, original: Path) -> None:
    with pytest.raises(AudioGenreError, match="holds no audio file"):
        audit(tmp_path)
    with pytest.raises(ParameterError, match="jobs must be 1 or more"):
        audit(original, jobs=0)


def test_what_cannot_be_looked_into_is_a_finding(original: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(original, tmp_path / "audio"))
    (folder / "mounted").symlink_to(tmp_path / "nowhere")
    (folder / "empty").mkdir()
    findings = {finding.kind: finding for finding in audit(folder, jobs=1).findings}
    assert findings["unreadable"].items == ("mounted cannot be listed: it is a link that leads nowhere",)


def test_progress_counts_the_files(original: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    audit(original, jobs=1, progress=lambda done, total, what: seen.append((done, total)))
    assert seen == [(k, 12) for k in range(13)]


def test_gtzan_is_known_by_its_names(tmp_path: Path) -> None:
    for k in (50, 51, 52, 99):
        write(tmp_path / "jazz" / f"jazz.{k:05d}.wav", track(f"bells/bells.{k:05d}.wav"))
        write(tmp_path / "hiphop" / f"hiphop.{k:05d}.wav", track(f"pluck/pluck.{k:05d}.wav"))
    (found,) = audit(tmp_path, jobs=1).findings
    assert (found.kind, found.items) == ("gtzan_fault", ("hiphop.00050",))


def test_real_clips_have_no_copies(shared_data: Path) -> None:
    for folder in ("gtzan/audio", "zouk", "other_audio"):
        found = {finding.kind for finding in audit(shared_data / folder, jobs=2).findings}
        assert not {kind for kind in found if "duplicate" in kind or "overlap" in kind}


def test_a_short_stretch_of_long_files_is_found() -> None:
    a = synthesis.synthesize("pluck", index=61, seconds=90).astype(np.float32)
    b = synthesis.synthesize("bells", index=62, seconds=90).astype(np.float32)
    b[40 * RATE : 50 * RATE] = 0.5 * a[15 * RATE + 99 : 25 * RATE + 99]
    (found,) = find_overlaps([fingerprint(resample(y, RATE, SR)) for y in (a, b)])
    assert found.offset == pytest.approx(25, abs=0.1)
    assert found.seconds == pytest.approx(10, abs=0.6)


class TestListening:
    def test_a_long_file_is_heard_as_its_windows_are(self, tmp_path: Path) -> None:
        y = synthesis.synthesize("pluck", index=3, seconds=100).astype(np.float32)
        write(tmp_path / "long.wav", y, subtype="FLOAT")
        heard = listen(str(tmp_path / "long.wav"))
        assert isinstance(heard, Heard)
        assert heard.seconds == 100
        assert heard.dc == pytest.approx(y.mean(dtype=np.float64))
        assert heard.rms == pytest.approx(np.sqrt(np.mean(y.astype(np.float64) ** 2)))
        whole = fingerprint(load(tmp_path / "long.wav", sr=SR))
        assert abs(len(heard.codes) - len(whole)) <= 1
        (same,) = find_overlaps([heard.codes, whole])
        assert same.wrong_bits < 0.01

    def test_what_is_no_path_is_a_fault(self, tmp_path: Path) -> None:
        assert listen(str(tmp_path)) == Fault("unreadable", "is a folder, not an audio file")
        assert listen(str(tmp_path / "absent.wav")).kind == "unreadable"  # type: ignore[union-attr]

    def test_clipping_is_told_by_flat_tops(self, tmp_path: Path) -> None:
        t = np.arange(3 * RATE) / RATE
        for name, gain in (("fair", 1.0), ("clipped", 4.0)):
            y = np.clip(gain * np.sin(2 * np.pi * 100 * t), -1, 1).astype(np.float32)
            write(tmp_path / f"{name}.wav", y)
        fair, clipped = (listen(str(tmp_path / f"{name}.wav")) for name in ("fair", "clipped"))
        assert fair.clipped < 0.05  # type: ignore[union-attr]
        # A sine of amplitude 4 is beyond 1 for all but 2/pi arcsin(1/4) of the time.
        assert clipped.clipped == pytest.approx(1 - 2 / np.pi * np.arcsin(0.25), abs=0.02)  # type: ignore[union-attr]


class TestFingerprint:
    def test_pieces_make_no_difference(self) -> None:
        y = resample(track(), RATE, SR)
        whole = fingerprint(y)
        maker = Fingerprinter()
        for piece in np.array_split(y, [1, 100, 5000, 5001, 30000]):
            maker.add(piece)
        np.testing.assert_array_equal(maker.codes(), whole)
        assert len(whole) == (len(y) - 4096) // 512

    def test_it_says_nothing_of_silence_and_nothing_of_nothing(self) -> None:
        assert not fingerprint(np.zeros(3 * SR, dtype=np.float32)).any()
        assert len(fingerprint(np.zeros(100, dtype=np.float32))) == 0
        assert find_overlaps([]) == []
        assert find_overlaps([fingerprint(np.zeros(9 * SR, dtype=np.float32))] * 2) == []

    @settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        style=st.sampled_from(synthesis.STYLES),
        gain=st.floats(0.05, 3),
        start=st.integers(0, 2 * SR),
        form=st.sampled_from(["WAV", "OGG", "MP3"]),
        rate=st.sampled_from([16000, 22050, 44100]),
    )
    def test_copies_are_found_at_any_gain_offset_format_and_rate(
        self, style: str, gain: float, start: int, form: str, rate: int
    ) -> None:
        y = synthesis.synthesize(style, index=1, seconds=12).astype(np.float32)
        copy = np.clip(gain * y / np.abs(y).max() * 0.3, -1, 1)[2 * start :]
        file = io.BytesIO()
        soundfile.write(file, resample(copy, RATE, rate), rate, format=form)
        file.seek(0)
        decoded, rate = soundfile.read(file, dtype="float32")
        (found,) = find_overlaps([fingerprint(resample(y, RATE, SR)), fingerprint(resample(decoded, rate, SR))])
        assert found.seconds > 9
        # Music of loops is also itself a few bars on.
        assert found.wrong_bits < 0.18
        assert len(fingerprint(y)) / FRAMES_PER_SECOND > 9

    def test_different_tracks_of_one_style_are_not_copies(self) -> None:
        signals = [synthesis.synthesize(style, index=k, seconds=8) for style in synthesis.STYLES for k in range(50, 54)]
        assert find_overlaps([fingerprint(resample(y.astype(np.float32), RATE, SR)) for y in signals]) == []
