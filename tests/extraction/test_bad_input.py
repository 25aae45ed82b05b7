"""Whatever lies in a folder of music: each file is extracted or gets its sentence, and none spoils the run."""

from __future__ import annotations

import csv
import os
import re
import struct
import sys
from pathlib import Path

import extraction_helpers as helpers
import numpy as np
import pandas as pd
import pytest
import soundfile

from audio_genre.extraction import ExtractionReport, extract

ODD_NAMES = ["two words.wav", "naïve 日本.wav", "a,b.wav", "=1+1.wav", '"quoted".wav', "it's.wav", "-x.wav"]
UNIX_NAMES = ["new\nline.wav", "carriage\rreturn.wav", os.fsdecode(b"caf\xe9.wav"), "tab\t.wav", "back\\slash.wav"]
if sys.platform == "linux":
    ODD_NAMES += UNIX_NAMES

EXTRACTED = {
    "good.wav",
    "hires.wav",
    "eight_bit.wav",
    "lossy.mp3",
    "lossy.ogg",
    "exact.flac",
    "sun.au",
    "odd_offset.au",
    "quiet_start.wav",
    "x.wav/inner.wav",
    "same.wav",
    "same.flac",
    *ODD_NAMES,
}

REASONS = {
    "zero.wav": r"is empty \(0 bytes\)",
    "header_cut.wav": r"cannot be decoded: .+",
    "data_cut.wav": r"is cut short: its header says 3\.20 s, but only 1\.\d\d s are there",
    "text.wav": r"cannot be decoded: Format not recognised",
    "nan.wav": r"holds samples that are NaN or infinite",
    "infinite.wav": r"holds samples that are NaN or infinite",
    "silence.wav": r"is silent: every sample is zero",
    "half_second.wav": r"is 0\.50 s long, and features need at least 2\.00 s",
    "no_samples.wav": r"holds no samples",
    "absurd.wav": r"gives features that are not finite: its samples reach 1e\+30, and full scale is 1",
    "loop.wav": r"cannot be read: Too many levels of symbolic links",
    "gone.wav": r"cannot be read: No such file or directory",
    "pipe.wav": r"is not a regular file",
    "apple.m4a": r"holds no audio of the format that its name says \(\.m4a\)",
    "Windows.WMA": r"is not a regular file",
    "film.mp4": r"is empty \(0 bytes\)",
}


def write_all(folder: Path) -> None:
    folder.mkdir()
    y = helpers.signal_of(3.2)
    helpers.write_clip(folder / "good.wav")
    soundfile.write(folder / "hires.wav", helpers.signal_of(3.2, sr=96000, channels=2), 96000, subtype="PCM_24")
    soundfile.write(folder / "eight_bit.wav", helpers.signal_of(3.2, sr=8000), 8000, subtype="PCM_U8")
    for name in ("lossy.mp3", "lossy.ogg", "exact.flac", "sun.au", "same.wav", "same.flac"):
        helpers.write_clip(folder / name, sr=44100)
    sun = (folder / "sun.au").read_bytes()
    (folder / "odd_offset.au").write_bytes(sun[:4] + struct.pack(">I", 24 + 7) + sun[8:24] + b"comment" + sun[24:])
    soundfile.write(folder / "quiet_start.wav", np.concatenate((np.zeros(66150, dtype="f4"), y)), 22050)
    helpers.write_clip(folder / "x.wav" / "inner.wav")
    for name in ODD_NAMES:
        helpers.write_clip(folder / name)

    whole = (folder / "good.wav").read_bytes()
    (folder / "zero.wav").touch()
    (folder / "header_cut.wav").write_bytes(whole[:20])
    (folder / "data_cut.wav").write_bytes(whole[: len(whole) // 2])
    (folder / "text.wav").write_text("I am a text file. " * 100)
    for name, value in (("nan.wav", np.nan), ("infinite.wav", np.inf)):
        spoiled = y.copy()
        spoiled[40000] = value
        soundfile.write(folder / name, spoiled, 22050, subtype="FLOAT")
    soundfile.write(folder / "silence.wav", np.zeros_like(y), 22050)
    soundfile.write(folder / "half_second.wav", y[:11025], 22050)
    soundfile.write(folder / "no_samples.wav", y[:0], 22050)
    soundfile.write(folder / "absurd.wav", y / np.abs(y).max() * np.float32(1e30), 22050, subtype="FLOAT")
    (folder / "._good.wav").write_bytes(b"\0\5\26\7AppleDouble")
    (folder / "notes.txt").write_text("no audio")
    (folder / "loop.wav").symlink_to("loop.wav")
    (folder / "gone.wav").symlink_to("nowhere.wav")
    (folder / "round").symlink_to(folder)
    os.mkfifo(folder / "pipe.wav")
    (folder / "apple.m4a").write_bytes(b"no such thing")
    os.mkfifo(folder / "Windows.WMA")  # opening it would take for ever
    (folder / "film.mp4").touch()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> ExtractionReport:
    folder = tmp_path_factory.mktemp("bad")
    write_all(folder / "audio")
    return extract(folder / "audio", folder / "out", jobs=1)


@pytest.fixture(scope="module")
def failures(report: ExtractionReport) -> dict[str, str]:
    with report.failures.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["path", "reason"]
    assert rows == sorted(rows)
    return dict(rows)


@pytest.fixture(scope="module")
def table(report: ExtractionReport) -> pd.DataFrame:
    return pd.read_csv(report.tables[0], keep_default_na=False)


def readable(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()


def row_name(path: str) -> str:
    return readable(path.removeprefix("x.wav/"))


@pytest.mark.parametrize("path", sorted(EXTRACTED), ids=ascii)
def test_good_file_is_extracted(path: str, failures: dict[str, str], table: pd.DataFrame) -> None:
    assert readable(path) not in failures
    rows = table[table["filename"] == row_name(path)]
    assert len(rows) == 1
    assert rows["label"].item() == ("x.wav" if path.startswith("x.wav/") else "")
    assert np.isfinite(rows.iloc[:, 1:-1].to_numpy(dtype=float)).all()


@pytest.mark.parametrize("path", sorted(REASONS))
def test_bad_file_has_a_reason(path: str, failures: dict[str, str], table: pd.DataFrame) -> None:
    assert re.fullmatch(REASONS[path], failures[path])
    assert path not in set(table["filename"])


def test_nothing_else_is_there(report: ExtractionReport, failures: dict[str, str], table: pd.DataFrame) -> None:
    assert set(failures) == set(REASONS)
    assert len(table) == len(EXTRACTED) == report.extracted
    assert report.failed == len(REASONS)
    assert report.planned == len(EXTRACTED) + len(REASONS)


def test_pictures(report: ExtractionReport) -> None:
    stems = {path.rpartition(".")[0] for path in EXTRACTED} - {"same", "lossy"}
    kept_suffixes = {"same.wav", "same.flac", "lossy.mp3", "lossy.ogg"}
    expected = {f"{stem}.png" for stem in stems | kept_suffixes}
    assert {path.relative_to(report.pictures).as_posix() for path in report.pictures.rglob("*.png")} == expected


def test_every_reader_reads_the_segment_table(report: ExtractionReport) -> None:
    with report.tables[1].open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(pd.read_csv(report.tables[1])) == len(rows)
    assert {row["length"] for row in rows} == {"66149"}


def test_only_what_could_not_be_read_is_tried_again(report: ExtractionReport) -> None:
    recorder = helpers.Recorder()
    before = helpers.outputs(report.out_dir)
    again = extract(report.out_dir.parent / "audio", report.out_dir, jobs=1, progress=recorder)
    assert set(recorder.failures) == {"loop.wav", "gone.wav", "pipe.wav", "Windows.WMA"}
    assert recorder.paths == []
    assert again.failed == len(REASONS)
    assert helpers.outputs(report.out_dir) == before


def test_a_file_that_was_converted_fails_no_more(tmp_path: Path) -> None:
    helpers.write_clip(tmp_path / "audio/a/x.wav")
    (tmp_path / "audio/a/y.m4a").write_bytes(b"m4a")
    recorder = helpers.Recorder()
    report = extract(tmp_path / "audio", tmp_path / "out", jobs=1, progress=recorder)
    assert (report.planned, report.extracted, report.failed) == (2, 1, 1)
    assert set(recorder.failures) == {"a/y.m4a"}
    (tmp_path / "audio/a/y.m4a").touch()
    recorder = helpers.Recorder()
    report = extract(tmp_path / "audio", tmp_path / "out", jobs=2, progress=recorder)
    assert (report.already_done, report.failed, recorder.failures) == (2, 1, {})
    (tmp_path / "audio/a/y.m4a").unlink()
    helpers.write_clip(tmp_path / "audio/a/y.flac")
    report = extract(tmp_path / "audio", tmp_path / "out", jobs=1)
    assert (report.already_done, report.extracted, report.failed, report.dropped) == (1, 1, 0, 1)


def test_a_file_that_may_not_be_read(ordinary_user: Path) -> None:
    helpers.write_clip(ordinary_user / "audio/a/x.wav")
    helpers.write_clip(ordinary_user / "audio/a/y.wav")
    (ordinary_user / "audio/a/x.wav").chmod(0)
    recorder = helpers.Recorder()
    report = extract(ordinary_user / "audio", ordinary_user / "out", jobs=1, images=False, progress=recorder)
    assert recorder.failures == {"a/x.wav": "cannot be read: Permission denied"}
    assert (report.extracted, report.failed) == (1, 1)
    (ordinary_user / "audio/a/x.wav").chmod(0o600)
    report = extract(ordinary_user / "audio", ordinary_user / "out", jobs=1, images=False)
    assert (report.extracted, report.failed) == (1, 0)


@pytest.mark.parametrize("mode", [0, 0o300])
def test_a_folder_that_may_not_be_read_is_not_gone(mode: int, ordinary_user: Path) -> None:
    helpers.write_clip(ordinary_user / "audio/a/x.wav")
    helpers.write_clip(ordinary_user / "audio/b/y.wav")
    extract(ordinary_user / "audio", ordinary_user / "out", jobs=1)
    before, whole = helpers.without_failures(ordinary_user / "out"), helpers.outputs(ordinary_user / "out")
    (ordinary_user / "audio/a").chmod(mode)
    recorder = helpers.Recorder()
    report = extract(ordinary_user / "audio", ordinary_user / "out", jobs=1, progress=recorder)
    (ordinary_user / "audio/a").chmod(0o700)
    reason = "cannot be read: Permission denied; 1 clip of an earlier run in it stays"
    assert recorder.notes == [f"The folder a/ {reason}."]
    assert (report.planned, report.dropped, report.failed) == (2, 0, 1)
    assert report.failures.read_text() == f"path,reason\na/,{reason}\n"
    assert helpers.without_failures(report.out_dir) == before
    assert extract(ordinary_user / "audio", ordinary_user / "out", jobs=1).already_done == 2
    assert helpers.outputs(report.out_dir) == whole


def test_decoders_do_not_write_to_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = helpers.write_clip(tmp_path / "audio" / "x.mp3", sr=44100)
    whole = path.read_bytes()
    # Damaged frames make mpg123 complain.
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes(200) + whole[middle + 150 :])
    extract(tmp_path / "audio", tmp_path / "out", jobs=1, images=False)
    extract(tmp_path / "audio", tmp_path / "out2", jobs=2, images=False)
    assert capfd.readouterr() == ("", "")
