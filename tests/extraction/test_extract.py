from __future__ import annotations

import csv
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import extraction_helpers as helpers
import numpy as np
import pandas as pd
import pytest
import soundfile
from threadpoolctl import threadpool_limits

from audio_genre import audio
from audio_genre.dsp import GTZAN57
from audio_genre.dsp.matrix import window_features
from audio_genre.errors import ExtractionError, ParameterError
from audio_genre.extraction import extract
from audio_genre.extraction.journal import Journal


@pytest.fixture
def own_music(tmp_path: Path) -> Path:
    """Three clips that a test may change."""
    folder = tmp_path / "audio"
    for k in range(3):
        helpers.write_clip(folder / "pop" / f"pop.{k:05d}.wav", seed=k)
    return folder


def test_tables(music: Path, tmp_path: Path) -> None:
    report = extract(music, tmp_path / "out", jobs=1)
    assert (report.planned, report.already_done, report.extracted, report.failed) == (12, 0, 12, 0)
    assert report.rows == {"features_30_sec.csv": 12, "features_3_sec.csv": 12}
    clips, segments = map(helpers.read_table, report.tables)
    assert tuple(clips.columns) == tuple(segments.columns) == GTZAN57.columns
    assert clips["filename"][:2].to_list() == ["blues.00000.wav", "blues.00001.wav"]
    assert segments["filename"][:2].to_list() == ["blues.00000.0.wav", "blues.00001.0.wav"]
    assert clips["label"].to_list() == ["blues"] * 6 + ["metal"] * 6
    assert set(clips["length"]) == {70560}
    assert set(segments["length"]) == {66149}
    y = audio.load(music / "metal" / "metal.00002.wav", sr=22050)
    with threadpool_limits(1):
        features = window_features(y, GTZAN57)
    names = list(GTZAN57.feature_names)
    assert np.array_equal(clips.loc[8, names].to_numpy(dtype=float), features.clip_row)
    assert np.array_equal(segments.loc[8, names].to_numpy(dtype=float), features.segment_rows[0])
    assert b"\r" not in report.tables[0].read_bytes()


def test_side_files(music: Path, expected: dict[str, bytes]) -> None:
    assert expected["failures.csv"] == b"path,reason\n"
    sidecar = json.loads(expected["extraction.json"])
    assert sidecar["recipe"] == GTZAN57.parameters()
    assert sidecar["tables"] == {"features_30_sec.csv": 12, "features_3_sec.csv": 12}
    assert sidecar["counts"] == {"clips": 12, "failed": 0}
    assert sidecar["pictures"] == {"representation": "mel-v1", "folder": "images_original", "size": None}
    assert sidecar["libraries"]["numpy"] == [np.__version__]
    assert sidecar["libraries"]["libsndfile"] == [soundfile.__libsndfile_version__]
    assert str(music) not in expected["extraction.json"].decode()
    pictures = [name for name in expected if name.endswith(".png")]
    assert pictures[:2] == ["images_original/blues/blues00000.png", "images_original/blues/blues00001.png"]
    assert len(pictures) == 12


def test_output_does_not_depend_on_jobs(music: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    extract(music, tmp_path, jobs=2)
    assert helpers.outputs(tmp_path) == expected


def test_pictures_carry_the_spectrogram(music: Path, expected: dict[str, bytes]) -> None:
    from audio_genre.dsp.picture import decode_picture

    y = audio.load(music / "blues" / "blues.00003.wav", sr=22050)
    decoded, parameters = decode_picture(expected["images_original/blues/blues00003.png"])
    assert np.abs(decoded - window_features(y, GTZAN57).mel_db).max() < 0.2
    assert parameters["recipe"] == GTZAN57.name


def test_picture_size_and_no_pictures(own_music: Path, tmp_path: Path) -> None:
    from PIL import Image

    report = extract(own_music, tmp_path / "sized", jobs=1, picture_size=(432, 288))
    with Image.open(report.pictures / "pop" / "pop00001.png") as image:
        assert image.size == (432, 288)
    report = extract(own_music, tmp_path / "none", jobs=1, images=False)
    assert not report.pictures.exists()
    assert json.loads(report.sidecar.read_text())["pictures"] is None


def test_long_file(tmp_path: Path) -> None:
    y = helpers.signal_of(190, sr=22050)
    (tmp_path / "audio/live").mkdir(parents=True)
    soundfile.write(tmp_path / "audio/live/live.00007.wav", y, 22050, subtype="FLOAT")
    report = extract(tmp_path / "audio", tmp_path / "out", jobs=1)
    clips, segments = map(helpers.read_table, report.tables)
    assert clips["filename"].to_list() == [f"live.00007.{k}.wav" for k in range(6)]
    assert clips["length"].to_list() == [661500] * 5 + [40 * 22050]
    assert segments["filename"].to_list() == [f"live.00007.{k}.wav" for k in range(63)]
    names = list(GTZAN57.feature_names)
    for k in (0, 10, 62):
        row = window_features(y[66150 * k : 66150 * k + 66149], GTZAN57).clip_row
        assert np.allclose(segments.loc[k, names].to_numpy(dtype=float), row, rtol=1e-6, atol=1e-9)
    pictures = sorted(path.name for path in report.pictures.rglob("*.png"))
    assert pictures == [f"live00007.{k}.png" for k in range(6)]


@pytest.mark.parametrize("label", ["", "live/"])
def test_a_long_file_whose_rows_would_have_the_name_of_another_file(label: str, tmp_path: Path) -> None:
    folder = tmp_path / "audio" / label
    helpers.write_clip(folder / "song.wav", seconds=95)
    helpers.write_clip(folder / "song.1.wav")
    helpers.write_clip(folder / "song.01.wav")
    helpers.write_clip(folder / "song.3.wav")
    helpers.write_clip(folder / "short.wav")
    helpers.write_clip(folder / "short.0.wav")
    helpers.write_clip(tmp_path / "audio/elsewhere/song.0.wav")
    reason = "would give a row named song.1.wav, which is another file's name; rename one of the two"
    recorder = helpers.Recorder()
    report = extract(tmp_path / "audio", tmp_path / "out", jobs=2, progress=recorder)
    assert recorder.failures == {f"{label}song.wav": reason}
    assert (report.planned, report.extracted, report.failed) == (7, 6, 1)
    assert f'"{label}song.wav",' not in report.failures.read_text()
    assert report.failures.read_text() == f'path,reason\n{label}song.wav,"{reason}"\n'
    for table in map(helpers.read_table, report.tables):
        assert not table.duplicated(["filename", "label"]).any()
    before = helpers.outputs(report.out_dir)
    assert (extract(tmp_path / "audio", report.out_dir, jobs=1).failed, helpers.outputs(report.out_dir)) == (1, before)

    # Renamed, both are there, and nothing need be computed again but for the renamed file and the picture's name.
    (folder / "song.1.wav").rename(folder / "encore.wav")
    report = extract(tmp_path / "audio", report.out_dir, jobs=1)
    assert report.failed == 0
    assert {f"song.{k}.wav" for k in range(3)} <= set(helpers.read_table(report.tables[0])["filename"])
    undisturbed = extract(tmp_path / "audio", tmp_path / "anew", jobs=1)
    assert helpers.outputs(report.out_dir) == helpers.outputs(undisturbed.out_dir)


def test_a_file_that_comes_to_clash_is_not_computed_again(tmp_path: Path) -> None:
    helpers.write_clip(tmp_path / "audio" / "song.wav", seconds=61)
    extract(tmp_path / "audio", tmp_path / "out", jobs=1, images=False)
    helpers.write_clip(tmp_path / "audio" / "song.0.wav")
    report = extract(tmp_path / "audio", tmp_path / "out", jobs=1, images=False)
    assert (report.already_done, report.extracted, report.failed) == (1, 1, 1)
    assert helpers.read_table(report.tables[0])["filename"].to_list() == ["song.0.wav"]
    (tmp_path / "audio" / "song.0.wav").unlink()
    report = extract(tmp_path / "audio", tmp_path / "out", jobs=1, images=False)
    assert (report.already_done, report.failed) == (1, 0)
    assert helpers.read_table(report.tables[0])["filename"].to_list() == ["song.0.wav", "song.1.wav"]


def test_a_failure_at_the_end_of_a_long_file_leaves_no_pictures(tmp_path: Path) -> None:
    y = helpers.signal_of(95)
    y[-100] = np.nan
    (tmp_path / "audio").mkdir()
    soundfile.write(tmp_path / "audio/x.wav", y, 22050, subtype="FLOAT")
    report = extract(tmp_path / "audio", tmp_path / "out", jobs=1)
    assert report.failed == 1
    assert list(report.pictures.rglob("*.png")) == []
    assert list((report.out_dir / ".audio-genre" / "unfinished").iterdir()) == []
    assert report.rows == {"features_30_sec.csv": 0, "features_3_sec.csv": 0}


def test_a_picture_that_cannot_have_its_name(own_music: Path, tmp_path: Path) -> None:
    helpers.write_clip(own_music / "pop" / f"{'x' * 251}.wav")
    helpers.write_clip(own_music / "pop" / "taken.wav")
    (tmp_path / "out/images_original/pop/taken.png").mkdir(parents=True)
    recorder = helpers.Recorder()
    report = extract(own_music, tmp_path / "out", jobs=1, progress=recorder)
    assert recorder.failures == {"pop/taken.wav": "has a name that no picture can have: Is a directory"}
    assert report.extracted == 4


def test_nothing_to_do_rewrites_nothing(own_music: Path, tmp_path: Path) -> None:
    first = extract(own_music, tmp_path / "out", jobs=1)
    stamps = {
        path: path.stat().st_mtime_ns for path in first.out_dir.rglob("*") if path.suffix in (".csv", ".json", ".png")
    }
    second = extract(own_music, tmp_path / "out", jobs=1)
    assert (second.already_done, second.extracted, second.rows) == (3, 0, first.rows)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


@pytest.mark.parametrize("name", ["features_3_sec.csv", "failures.csv", "extraction.json"])
def test_a_lost_output_is_written_again(name: str, own_music: Path, tmp_path: Path) -> None:
    report = extract(own_music, tmp_path / "out", jobs=1)
    before = helpers.outputs(report.out_dir)
    (report.out_dir / name).unlink()
    assert extract(own_music, tmp_path / "out", jobs=1).extracted == 0
    assert helpers.outputs(report.out_dir) == before


def change(path: Path) -> None:
    helpers.write_clip(path, seed=9)


def lengthen(path: Path) -> None:
    helpers.write_clip(path, seconds=3.6)


def ruin(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


BY_CONTENT = "Compared by content, found changed and extracted again: 1 clip."


@pytest.mark.parametrize(
    ("alter", "note"),
    [(change, BY_CONTENT), (lengthen, "Done again, because the file changed: 1 clip."), (ruin, BY_CONTENT)],
)
def test_a_changed_file_is_done_again(
    alter: Callable[[Path], None], note: str, own_music: Path, tmp_path: Path
) -> None:
    extract(own_music, tmp_path / "out", jobs=1)
    path = own_music / "pop" / "pop.00001.wav"
    before = path.stat()
    alter(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    recorder = helpers.Recorder()
    report = extract(own_music, tmp_path / "out", jobs=1, progress=recorder)
    assert (report.already_done, report.redone) == (2, {"the file changed": 1})
    assert recorder.notes[-1] == note
    undisturbed = extract(own_music, tmp_path / "anew", jobs=1)
    assert helpers.outputs(report.out_dir) == helpers.outputs(undisturbed.out_dir)


def test_every_cause_is_told_once(own_music: Path, tmp_path: Path) -> None:
    extract(own_music, tmp_path / "out", jobs=1)
    change(own_music / "pop" / "pop.00000.wav")
    lengthen(own_music / "pop" / "pop.00001.wav")
    dry, recorder = helpers.Recorder(), helpers.Recorder()
    report = extract(own_music, tmp_path / "out", dry_run=True, progress=dry)
    assert dry.notes == [
        "Would be done again, because the file changed: 1 clip.",
        "Would be compared by content, because the time stamp changed: 1 clip.",
    ]
    report = extract(own_music, tmp_path / "out", jobs=1, progress=recorder)
    assert recorder.notes == [
        "Done again, because the file changed: 1 clip.",
        "Compared by content, because the time stamp changed: 1 clip.",
        BY_CONTENT,
    ]
    assert report.redone == {"the file changed": 2}


def test_a_touched_file_is_kept(own_music: Path, tmp_path: Path) -> None:
    extract(own_music, tmp_path / "out", jobs=1)
    (own_music / "pop" / "pop.00001.wav").touch()
    recorder = helpers.Recorder()
    report = extract(own_music, tmp_path / "out", jobs=2, progress=recorder)
    assert (report.already_done, report.extracted, report.redone) == (3, 0, {})
    assert recorder.notes == ["Compared by content, because the time stamp changed: 1 clip."]
    assert extract(own_music, tmp_path / "out", jobs=1, dry_run=True).todo == 0


def test_a_shortened_file_loses_its_pictures(tmp_path: Path) -> None:
    path = helpers.write_clip(tmp_path / "audio" / "x.wav", seconds=61)
    report = extract(tmp_path / "audio", tmp_path / "out", jobs=1)
    assert sorted(file.name for file in report.pictures.iterdir()) == ["x.0.png", "x.1.png"]
    helpers.write_clip(path, seconds=4)
    extract(tmp_path / "audio", tmp_path / "out", jobs=1)
    assert sorted(file.name for file in report.pictures.iterdir()) == ["x.png"]


def test_a_vanished_file_is_dropped(own_music: Path, tmp_path: Path) -> None:
    extract(own_music, tmp_path / "out", jobs=1)
    (own_music / "pop" / "pop.00001.wav").unlink()
    recorder = helpers.Recorder()
    report = extract(own_music, tmp_path / "out", jobs=1, progress=recorder)
    assert (report.dropped, report.rows["features_30_sec.csv"]) == (1, 2)
    assert recorder.notes == ["Dropped, because the file is gone: 1 clip."]
    undisturbed = extract(own_music, tmp_path / "anew", jobs=1)
    assert helpers.outputs(report.out_dir) == helpers.outputs(undisturbed.out_dir)


def test_a_sibling_with_the_same_stem_renames_the_picture(own_music: Path, tmp_path: Path) -> None:
    report = extract(own_music, tmp_path / "out", jobs=1)
    helpers.write_clip(own_music / "pop" / "pop00001.flac")
    extract(own_music, tmp_path / "out", jobs=1)
    assert sorted(path.name for path in (report.pictures / "pop").iterdir()) == [
        "pop.00001.wav.png",
        "pop00000.png",
        "pop00001.flac.png",
        "pop00002.png",
    ]
    (own_music / "pop" / "pop.00001.wav").unlink()
    extract(own_music, tmp_path / "out", jobs=1)
    undisturbed = extract(own_music, tmp_path / "anew", jobs=1)
    assert helpers.outputs(report.out_dir) == helpers.outputs(undisturbed.out_dir)


def test_other_pictures_or_recipe_are_done_again(own_music: Path, tmp_path: Path) -> None:
    cause = "the pictures are missing or were made with other settings"
    report = extract(own_music, tmp_path / "out", jobs=1)
    (report.pictures / "pop" / "pop00002.png").unlink()
    assert extract(own_music, tmp_path / "out", jobs=1).redone == {cause: 1}
    assert extract(own_music, tmp_path / "out", jobs=1, picture_size=(64, 64)).redone == {cause: 3}
    assert extract(own_music, tmp_path / "out", jobs=1, images=False).redone == {}
    other = GTZAN57.derive(top_db=60.0)
    report = extract(own_music, tmp_path / "out", jobs=1, images=False, recipe=other)
    assert report.redone == {"another recipe was requested": 3}
    assert json.loads(report.sidecar.read_text())["recipe"]["top_db"] == 60.0


def test_restart(own_music: Path, tmp_path: Path) -> None:
    report = extract(own_music, tmp_path / "out", jobs=1)
    before = helpers.outputs(report.out_dir)
    again = extract(own_music, tmp_path / "out", jobs=1, restart=True)
    assert (again.already_done, again.extracted) == (0, 3)
    assert helpers.outputs(report.out_dir) == before


def test_restart_removes_what_an_earlier_run_wrote(own_music: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    first = extract(own_music, tmp_path / "out", jobs=1)
    (first.out_dir / "mine.csv").touch()
    recorder = helpers.Recorder()
    report = extract(
        own_music, first.out_dir, jobs=1, images=False, table_format="parquet", restart=True, progress=recorder
    )
    assert recorder.notes == [
        "Removed, as an earlier run's output: features_30_sec.csv, features_3_sec.csv, failures.csv, extraction.json, "
        "3 pictures."
    ]
    assert sorted(path.name for path in report.out_dir.iterdir()) == [
        ".audio-genre",
        "extraction.json",
        "failures.csv",
        "features_30_sec.parquet",
        "features_3_sec.parquet",
        "mine.csv",
    ]


def test_restart_leaves_what_is_not_its_own(own_music: Path, tmp_path: Path) -> None:
    report = extract(own_music, tmp_path / "out", jobs=1)
    (report.pictures / "pop" / "mine.png").touch()
    extract(own_music, tmp_path / "out", jobs=1, images=False, restart=True)
    assert [path.name for path in report.pictures.rglob("*")] == ["pop", "mine.png"]


def test_rows_of_several_versions(own_music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = extract(own_music, tmp_path / "out", jobs=1, limit=2)
    monkeypatch.setattr("audio_genre.extraction.clip._library_versions", lambda: '{"numpy": "99.1", "other": "1"}')
    extract(own_music, tmp_path / "out", jobs=1)
    libraries = json.loads(report.sidecar.read_text())["libraries"]
    assert libraries["numpy"] == sorted([np.__version__, "99.1"])
    assert libraries["other"] == ["1"]
    assert len(libraries["soxr"]) == 1
    extract(own_music, tmp_path / "out", jobs=1, restart=True)
    assert json.loads(report.sidecar.read_text())["libraries"] == {"numpy": ["99.1"], "other": ["1"]}


def test_dry_run_writes_nothing(own_music: Path, tmp_path: Path) -> None:
    report = extract(own_music, tmp_path / "out", dry_run=True)
    assert (report.planned, report.todo, report.dry_run, dict(report.rows)) == (3, 3, True, {})
    assert not (tmp_path / "out").exists()
    extract(own_music, tmp_path / "out", jobs=1, limit=2)
    before = helpers.outputs(tmp_path / "out")
    (own_music / "pop" / "pop.00000.wav").unlink()
    recorder = helpers.Recorder()
    report = extract(own_music, tmp_path / "out", dry_run=True, progress=recorder)
    assert recorder.notes == ["Would be dropped, because the file is gone: 1 clip."]
    assert (report.planned, report.todo, report.dropped) == (2, 1, 1)
    assert extract(own_music, tmp_path / "out", dry_run=True, restart=True).todo == 2
    assert helpers.outputs(tmp_path / "out") == before


def test_limit_takes_the_first_and_keeps_the_rest(own_music: Path, tmp_path: Path) -> None:
    extract(own_music, tmp_path / "out", jobs=1)
    report = extract(own_music, tmp_path / "out", jobs=1, limit=2)
    assert report.rows["features_30_sec.csv"] == 2
    assert extract(own_music, tmp_path / "out", jobs=1).already_done == 3


def test_progress(music: Path, tmp_path: Path) -> None:
    recorder = helpers.Recorder()
    extract(music, tmp_path / "out", jobs=1, limit=4, progress=recorder)
    assert recorder.plans[-1] == (4, 4)
    assert recorder.paths == [f"blues/blues.{k:05d}.wav" for k in range(4)]


def test_output_inside_the_input(own_music: Path) -> None:
    out = own_music / "features"
    extract(own_music, out, jobs=1)
    helpers.write_clip(out / "stray.wav")
    assert extract(own_music, out, jobs=1).planned == 3


def test_output_is_the_input(own_music: Path, tmp_path: Path) -> None:
    extract(own_music, own_music, jobs=1)
    assert extract(own_music, own_music, jobs=1).already_done == 3
    found = {name: content for name, content in helpers.outputs(own_music).items() if not name.endswith(".wav")}
    assert found == helpers.outputs(extract(own_music, tmp_path / "out", jobs=1).out_dir)


def test_parquet_holds_the_same(own_music: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    report = extract(own_music, tmp_path / "out", jobs=1, table_format="parquet")
    assert report.rows == {"features_30_sec.parquet": 3, "features_3_sec.parquet": 3}
    assert not (report.out_dir / "features_30_sec.csv").exists()
    before = {path: path.read_bytes() for path in report.tables}
    as_parquet = list(map(pd.read_parquet, report.tables))
    recorder = helpers.Recorder()
    as_csv = extract(own_music, tmp_path / "out", jobs=1, progress=recorder)
    assert as_csv.extracted == 0
    assert recorder.notes == ["Removed, as an earlier run's output: features_30_sec.parquet, features_3_sec.parquet."]
    assert not any(path.exists() for path in report.tables)
    for parquet, text in zip(as_parquet, as_csv.tables, strict=True):
        pd.testing.assert_frame_equal(parquet, helpers.read_table(text), check_exact=True)
    extract(own_music, tmp_path / "out", jobs=1, table_format="parquet")
    assert {path: path.read_bytes() for path in report.tables} == before


def test_a_table_that_someone_changed_is_not_removed(own_music: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    table = extract(own_music, tmp_path / "out", jobs=1).tables[0]
    table.write_text("mine")
    extract(own_music, tmp_path / "out", jobs=1, table_format="parquet")
    assert table.read_text() == "mine"
    assert not (tmp_path / "out" / "features_3_sec.csv").exists()


def test_parquet_without_pyarrow(own_music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ParameterError, match=r"need pyarrow; install it with: pip install .pyarrow"):
        extract(own_music, tmp_path / "out", table_format="parquet")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"jobs": 0}, "The number of jobs must be at least 1, got 0; leave it out to use all cores."),
        ({"limit": 0}, "The limit must be at least 1, got 0; leave it out to take all files."),
        ({"picture_size": (0, 5)}, "The picture size must be a width and a height from 1 to 16384 pixels, got 0x5."),
        ({"table_format": "xls"}, "The table format must be csv or parquet, got 'xls'."),
        (
            {"jobs": 2, "dask": "tcp://x:1"},
            "The number of jobs applies to this machine and the Dask address to a cluster; give only one of them.",
        ),
    ],
)
def test_parameters(arguments: dict[str, object], sentence: str, own_music: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError) as error:
        extract(own_music, tmp_path / "out", **arguments)  # type: ignore[arg-type]
    assert str(error.value) == sentence


def test_no_audio_folder(tmp_path: Path) -> None:
    with pytest.raises(ExtractionError, match=r"The audio folder .*/nowhere does not exist; check the"):
        extract(tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "file").touch()
    with pytest.raises(ExtractionError, match=r"file is a file; give the folder that holds the audio files."):
        extract(tmp_path / "file", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ExtractionError, match=r"No audio files were found in .*/empty or its sub-folders"):
        extract(tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_audio_folder_that_cannot_be_read(ordinary_user: Path) -> None:
    (ordinary_user / "audio").mkdir(mode=0)
    with pytest.raises(
        ExtractionError, match=r"The audio folder .* cannot be read: Permission denied; check its permissions."
    ):
        extract(ordinary_user / "audio", ordinary_user / "out")


def test_folders_out_of_reach(ordinary_user: Path) -> None:
    helpers.write_clip(ordinary_user / "audio/x.wav")
    (ordinary_user / "closed").mkdir(mode=0)
    with pytest.raises(
        ExtractionError, match=r"The audio folder .*/closed/in cannot be read: Permission denied; check"
    ):
        extract(ordinary_user / "closed/in", ordinary_user / "out", jobs=1)
    with pytest.raises(ExtractionError, match=r"/closed/out cannot be written: Permission denied"):
        extract(ordinary_user / "audio", ordinary_user / "closed/out", jobs=1)
    assert extract(ordinary_user / "audio", ordinary_user / "closed/out", dry_run=True).todo == 1


def test_output_folder_is_a_file(own_music: Path, tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(ExtractionError, match=r"The output folder .*/out is a file, or in one; choose another."):
        extract(own_music, tmp_path / "out", jobs=1)
    with pytest.raises(ExtractionError, match=r"The output folder .*/out/in is a file, or in one; choose another."):
        extract(own_music, tmp_path / "out/in", jobs=1)


@pytest.mark.parametrize("name", ["out", "out/deeper/still"])
def test_output_folder_cannot_be_written(name: str, ordinary_user: Path) -> None:
    helpers.write_clip(ordinary_user / "audio" / "x.wav")
    (ordinary_user / "out").mkdir(mode=0o500)
    with pytest.raises(ExtractionError, match=r"cannot be written: Permission denied; allow writing there, or choose"):
        extract(ordinary_user / "audio", ordinary_user / name, jobs=1)


def test_output_folder_that_may_no_longer_be_written(ordinary_user: Path) -> None:
    helpers.write_clip(ordinary_user / "audio" / "x.wav")
    report = extract(ordinary_user / "audio", ordinary_user / "out", jobs=1)
    helpers.write_clip(ordinary_user / "audio" / "y.wav")
    report.pictures.chmod(0o500)
    with pytest.raises(ExtractionError, match=r"cannot be written: Permission denied"):
        extract(ordinary_user / "audio", ordinary_user / "out", jobs=1)
    report.pictures.chmod(0o700)
    assert extract(ordinary_user / "audio", ordinary_user / "out", jobs=1).already_done == 1


def test_an_output_that_cannot_be_replaced(own_music: Path, tmp_path: Path) -> None:
    (tmp_path / "out/failures.csv").mkdir(parents=True)
    with pytest.raises(ExtractionError, match=r"out/failures.csv cannot be written: Is a directory; allow writing"):
        extract(own_music, tmp_path / "out", jobs=1)
    assert list((tmp_path / "out/.audio-genre/unfinished").iterdir()) == []
    (tmp_path / "out/failures.csv").rmdir()
    assert extract(own_music, tmp_path / "out").already_done == 3


def test_all_cores_by_default(own_music: Path, tmp_path: Path) -> None:
    assert extract(own_music, tmp_path / "out").extracted == 3


def test_tables_from_elsewhere_are_not_replaced(own_music: Path, tmp_path: Path) -> None:
    table = tmp_path / "features_30_sec.csv"
    table.write_text("public")
    with pytest.raises(ExtractionError, match=r"features_30_sec.csv was not written by an extraction"):
        extract(own_music, tmp_path, jobs=1)
    assert table.read_text() == "public"
    extract(own_music, tmp_path, jobs=1, restart=True)
    assert table.read_text() != "public"


def test_two_runs_at_once(own_music: Path, tmp_path: Path) -> None:
    class Second(helpers.Recorder):
        def done(self, path: str) -> None:
            with pytest.raises(ExtractionError, match=r"Another extraction is writing to .*; wait until it ends, or"):
                extract(own_music, tmp_path / "out", jobs=1)
            with pytest.raises(ExtractionError, match=r"Another extraction is writing to"):
                extract(own_music, tmp_path / "out", jobs=1, restart=True)
            super().done(path)

    second = Second()
    report = extract(own_music, tmp_path / "out", jobs=1, limit=1, progress=second)
    assert (report.extracted, second.paths) == (1, ["pop/pop.00000.wav"])


@pytest.mark.parametrize("damage", ["garbage", "middle", "version"])
def test_damaged_journal(damage: str, own_music: Path, tmp_path: Path) -> None:
    report = extract(own_music, tmp_path / "out", jobs=1)
    before = helpers.outputs(report.out_dir)
    path = report.out_dir / ".audio-genre" / "journal.sqlite"
    content = path.read_bytes()
    if damage == "garbage":
        path.write_bytes(b"no database" * 500)
    elif damage == "middle":
        path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    else:
        db = sqlite3.connect(path)
        db.execute("PRAGMA user_version = 99")
        db.close()
    with pytest.raises(ExtractionError, match=r"run with --restart to start again") as error:
        extract(own_music, tmp_path / "out", jobs=1)
    assert len(str(error.value).splitlines()) == 1
    assert extract(own_music, tmp_path / "out", jobs=1, restart=True).extracted == 3
    assert helpers.outputs(report.out_dir) == before


def test_a_clip_that_breaks_a_library_is_a_failure(
    own_music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> None:
        raise MemoryError("3 TB")

    monkeypatch.setattr("audio_genre.dsp.matrix.window_features", break_down)
    recorder = helpers.Recorder()
    extract(own_music, tmp_path / "out", jobs=1, limit=1, progress=recorder)
    assert recorder.failures == {
        "pop/pop.00000.wav": "could not be finished: there was not enough memory; the next run tries again"
    }
    monkeypatch.undo()
    assert extract(own_music, tmp_path / "out", jobs=1, limit=1).extracted == 1


def test_the_plan_does_not_stay_in_memory() -> None:
    from audio_genre.files.walk import Clip

    with Journal(None) as journal:
        for k in range(3):
            journal.add_to_plan(Clip(f"a/{k}.wav", "a", f"{k}.wav", f"a/{k}", k, k), todo=k != 1, known_hash=None)
        assert [task.path for task in journal.tasks()] == ["a/0.wav", "a/2.wav"]
        assert journal.planned("a/2.wav").size == 2


def test_import_is_light() -> None:
    heavy = ["numpy", "soundfile", "pandas", "matplotlib", "PIL", "librosa", "scipy", "dask", "distributed", "pyarrow"]
    code = f"import sys, audio_genre.extraction; print([name for name in {heavy} if name in sys.modules])"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "[]\n"


def test_csv_reads_as_it_was_computed(expected: dict[str, bytes]) -> None:
    rows = list(csv.reader(expected["features_3_sec.csv"].decode().splitlines()))
    assert all(repr(float(value)) == value for row in rows[1:] for value in row[2:-1])
