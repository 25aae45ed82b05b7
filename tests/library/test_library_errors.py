"""What may pass does not stick to a library, and what cannot be read at the moment keeps its answer."""

from __future__ import annotations

import csv
import errno
import os
import sqlite3
from functools import partial
from pathlib import Path

import library_helpers as helpers
import library_work
import pytest

from audio_genre.errors import LibraryError
from audio_genre.library import classify, run
from audio_genre.library.database import Database
from audio_genre.library.records import Failure


@pytest.fixture
def small(faked: None, music: Path) -> Path:
    helpers.touch(*(music / f"{k % 3}" / f"{k}.wav" for k in range(6)))
    return music


def playlists(music: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted((music / "playlists").glob("*.m3u8"))}


def table(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize("kind", list(library_work.ERRORS))
def test_a_passing_error_is_tried_again(organize, small: Path, tmp_path: Path, monkeypatch, kind: str) -> None:
    (tmp_path / kind).touch()
    monkeypatch.setattr(run, "classify_file", partial(library_work.fail_while, tmp_path / kind))
    report = organize()
    assert (report.classified, report.failed, report.answered) == (0, 6, 0)
    (tmp_path / kind).unlink()
    report = organize()
    assert (report.classified, report.failed, report.answered) == (6, 0, 6)


def test_what_a_failure_says(bundle: Path, music: Path, monkeypatch) -> None:
    helpers.write(music / "x.wav")
    settings = classify.ClassifySettings(music, bundle, "any")

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(classify, "_classifier", fail)
    failure = classify.classify_file("x.wav", settings)
    assert isinstance(failure, Failure)
    assert failure.retry
    assert failure.reason == "could not be finished: there was not enough memory; the next run tries again"


def test_an_answer_stays_while_its_file_cannot_be_read(organize, small: Path, tmp_path: Path, monkeypatch) -> None:
    organize(apply=True)
    before = playlists(small)
    state = (small / "0/0.wav").stat()
    os.utime(small / "0/0.wav", (1, 1))
    (tmp_path / "oserror").touch()
    monkeypatch.setattr(run, "classify_file", partial(library_work.fail_while, tmp_path / "oserror"))
    report = organize(apply=True, csv=tmp_path / "table.csv")
    assert (report.found, report.classified, report.failed, report.answered) == (6, 0, 1, 6)
    assert playlists(small) == before
    row = table(tmp_path / "table.csv")["0/0.wav"]
    assert row["genre"] in library_work.GENRES
    assert row["error"] == "cannot be read: Input/output error"
    # As it was before, it need not be listened to.
    os.utime(small / "0/0.wav", ns=(state.st_atime_ns, state.st_mtime_ns))
    report = organize(csv=tmp_path / "table.csv")
    assert (report.kept, report.failed) == (6, 0)
    assert table(tmp_path / "table.csv")["0/0.wav"]["error"] == ""


def test_retry_failed_tries_what_did_not_change(organize, small: Path) -> None:
    helpers.touch(small / "bad.wav", small / "dead.wav")
    for _ in range(2):
        organize()
    recorder = helpers.Recorder()
    organize(progress=recorder)
    assert recorder.failures == {}
    report = organize(progress=recorder, retry_failed=True)
    assert (report.classified, report.failed, report.kept) == (0, 2, 6)
    assert set(recorder.failures) == {"bad.wav", "dead.wav"}
    assert "the next run tries once more" in recorder.failures["dead.wav"]


def test_retry_failed_keeps_what_undo_needs(organize, music: Path, bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("mutagen")
    whole = helpers.write(music / "x.wav").read_bytes()
    (music / "y.wav").touch()
    organize(write_tags=True, unknown=False, apply=True)
    assert (music / "x.wav").read_bytes() != whole
    assert organize(retry_failed=True).failed == 1
    assert run.undo_tags(music, database=tmp_path / "library.sqlite", apply=True).restored == 1
    assert (music / "x.wav").read_bytes() == whole


def test_another_decoder_gets_its_try(organize, small: Path, monkeypatch) -> None:
    helpers.touch(small / "bad.wav")
    organize()
    monkeypatch.setattr(run, "decoder_versions", lambda: "another")
    recorder = helpers.Recorder()
    organize(progress=recorder)
    assert set(recorder.failures) == {"bad.wav"}
    recorder = helpers.Recorder()
    organize(progress=recorder)
    assert recorder.failures == {}


def test_a_database_of_the_version_before(organize, small: Path, tmp_path: Path) -> None:
    """As it was written, an error of memory stuck; answers and tags are as good as ever."""
    organize()
    db = sqlite3.connect(tmp_path / "library.sqlite")
    with db:
        db.execute("DELETE FROM notes WHERE name = CAST('decoders' AS BLOB)")
        db.execute(
            "UPDATE answers SET genre = NULL, error = 'cannot be processed: MemoryError: ', retry = 0 "
            "WHERE path = CAST('1/1.wav' AS BLOB)"
        )
    db.close()
    report = organize()
    assert (report.classified, report.kept, report.failed) == (1, 5, 0)


def test_a_database_of_a_version_to_come_is_not_to_be_given_up(organize, small: Path, tmp_path: Path) -> None:
    organize()
    db = sqlite3.connect(tmp_path / "library.sqlite")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(LibraryError, match=r"newer version of audio-genre \(format 99, this is \d\); update") as error:
        organize()
    assert "choose another" not in str(error.value)


@pytest.mark.parametrize("code", [errno.EACCES, errno.ESTALE, errno.EIO, errno.ENAMETOOLONG])
def test_files_in_a_folder_that_cannot_be_read_keep_their_places(
    organize, small: Path, tmp_path: Path, monkeypatch, code: int
) -> None:
    organize(apply=True)
    before = playlists(small)
    stat = Path.stat
    folder = small / "1"

    def no_stat(path: Path, **options: bool) -> os.stat_result:
        if path == folder or folder in path.parents:
            raise OSError(code, os.strerror(code))
        return stat(path, **options)

    recorder = helpers.Recorder()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", no_stat)
        report = organize(apply=True, csv=tmp_path / "table.csv", progress=recorder)
    reason = f"cannot be read: {os.strerror(code)}; 2 files known in it stay"
    assert (report.found, report.kept, report.failed, report.answered) == (6, 6, 1, 6)
    assert recorder.notes == [f"The folder 1/ {reason}."]
    assert playlists(small) == before
    rows = table(tmp_path / "table.csv")
    assert rows["1/"]["error"] == reason
    assert rows["1/4.wav"]["genre"]
    assert organize().kept == 6


def test_a_disk_that_is_not_mounted(organize, small: Path) -> None:
    organize(apply=True)
    before = playlists(small)
    for path in (small / "1").iterdir():
        path.unlink()
    (small / "0").rename(small.parent / "elsewhere")
    (small / "0").symlink_to("nowhere")
    recorder = helpers.Recorder()
    report = organize(apply=True, progress=recorder)
    assert (report.found, report.failed) == (6, 2)
    assert sorted(recorder.notes) == [
        "The folder 0 cannot be read: it is a link that leads nowhere; 2 files known in it stay.",
        "The folder 1/ is empty; 2 files known in it stay, remove the folder if they are gone.",
    ]
    assert playlists(small) == before
    (small / "1").rmdir()
    (small / "0").unlink()
    assert organize(apply=True).found == 2


def test_nothing_can_be_read(organize, small: Path, monkeypatch) -> None:
    scandir = os.scandir

    def no_list(path: Path) -> object:
        if Path(path).parent == small:
            raise OSError(errno.EIO, "Input/output error")
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", no_list)
        with pytest.raises(LibraryError, match=r"No audio files can be read in .*: 0/ cannot be read: Input/output er"):
            organize()


def test_versions_are_kept_with_the_database(organize, small: Path, tmp_path: Path) -> None:
    organize()
    with Database(tmp_path / "library.sqlite") as database:
        assert database.read_note("decoders") == run.decoder_versions()
