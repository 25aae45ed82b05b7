"""Playlists taken back, libraries that were moved, and databases of an earlier version."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path

import library_helpers as helpers
import process_helpers
import pytest
import soundfile

from audio_genre.library import LibraryError, run
from audio_genre.library.database import VERSION

posix_only = pytest.mark.skipif(os.name != "posix", reason="kills a process")


def undo(library: Path, **options):
    return run.undo_tags(library, **{"database": library.parent / "library.sqlite", "apply": True} | options)


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")
    }


@pytest.fixture
def small(faked: None, music: Path) -> Path:
    helpers.touch(*(music / f"{k % 3}" / f"{k}.wav" for k in range(12)))
    return music


def test_playlists_are_taken_back_to_before_the_first_run(organize, small: Path) -> None:
    before = snapshot(small)
    organize(apply=True)
    helpers.touch(small / "odd.wav", *(small / f"new {k}.wav" for k in range(6)))
    organize(apply=True)
    after = snapshot(small)
    report = undo(small, apply=False)
    assert snapshot(small) == after
    assert {playlist.action for playlist in report.playlists} == {"remove"}
    report = undo(small)
    assert (report.restored, report.refused, len(report.playlists)) == (0, 0, 3)
    left = {name: data for name, data in snapshot(small).items() if name in before}
    assert left == before
    assert not (small / "playlists").exists()
    with pytest.raises(LibraryError, match="there is nothing to undo"):
        undo(small)
    # The next run writes them again, and is taken back again.
    organize(apply=True)
    assert (small / "playlists" / "unknown.m3u8").exists()
    undo(small)
    assert not (small / "playlists").exists()


def test_a_removed_playlist_comes_back(organize, small: Path) -> None:
    helpers.touch(small / "odd.wav")
    organize(apply=True)
    path = small / "playlists" / "unknown.m3u8"
    (small / "odd.wav").unlink()
    content = path.read_bytes()
    db = sqlite3.connect(small.parent / "library.sqlite")
    db.execute("DELETE FROM playlists")  # as if an earlier version had written it
    db.commit()
    db.close()
    organize(apply=True)
    assert not path.exists()
    assert {p.path.name: p.action for p in undo(small).playlists} == {"unknown.m3u8": "restore"}
    assert path.read_bytes() == content
    helpers.touch(small / "odd.wav")
    assert {p.action for p in organize(apply=True).playlists} == {"keep"}


def test_playlists_that_were_changed_or_are_others_stay(organize, small: Path) -> None:
    folder = small / "playlists"
    folder.mkdir()
    (folder / "hum.m3u8").write_text("mine")
    organize(apply=True)
    with (folder / "hiss.m3u8").open("a") as file:
        file.write("# my favourite\n")
    before = snapshot(small)
    recorder = helpers.Recorder()
    assert [p.action for p in undo(small, progress=recorder).playlists] == ["refuse"]
    assert recorder.notes == [
        f"{folder / 'hiss.m3u8'} is left as it is, because it was changed or removed after it was written."
    ]
    assert snapshot(small) == before


def test_playlists_may_stay(organize, small: Path) -> None:
    organize(apply=True)
    with pytest.raises(LibraryError, match="there is nothing to undo"):
        undo(small, playlists=False)


CRASH = """
import os, sys
from pathlib import Path
import library_work
from audio_genre.library import run
from audio_genre.library.targets import m3u8
from audio_genre.library.database import Database

music, bundle, database, action, name, when = sys.argv[1:]
owner = Database if hasattr(Database, name) else m3u8
real = getattr(owner, name)

def crash(*arguments, **options):
    if when == "after":
        real(*arguments, **options)
    os._exit(9)

setattr(owner, name, crash)
run.classify_file = library_work.fake
if action == "write":
    run.organize(music, model=bundle, database=database, jobs=1, apply=True)
else:
    run.undo_tags(music, database=database, apply=True)
"""
STEPS = [
    *[("write", name) for name in ("begin_playlist", "_put", "settle_playlist", "_remove")],
    *[("undo", name) for name in ("_put", "_remove", "end_playlist")],
]


@posix_only
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("action", "name"), STEPS)
def test_a_crash_at_any_step(organize, small: Path, bundle: Path, action: str, name: str, when: str) -> None:
    database = small.parent / "library.sqlite"
    helpers.touch(small / "odd.wav")
    organize(apply=True)
    db = sqlite3.connect(database)
    db.execute("DELETE FROM playlists WHERE name != ?", (b"playlists/hiss.m3u8",))
    db.commit()
    db.close()
    # One to be made anew, one to be written over, and one to be removed.
    (small / "odd.wav").unlink()
    (small / "playlists" / "hiss.m3u8").unlink()
    helpers.touch(*(small / f"new {k}.wav" for k in range(6)))
    before = snapshot(small)
    if action == "undo":
        organize(apply=True)
    with process_helpers.start(CRASH, small, bundle, database, action, name, when) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 9, errors
    again = shutil.copytree(small.parent, small.parent.parent / f"{small.parent.name} again")
    # A crash and then undo end as undo alone would, and so do a crash, another run and undo.
    if action == "undo":
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(again)
            run.organize(again / "music", model=bundle, database=again / "library.sqlite", jobs=1, apply=True)
        assert (again / "music" / "playlists" / "hum.m3u8").read_bytes() != before["playlists/hum.m3u8"]
        undo(again / "music")
        assert snapshot(again / "music") == before
    with suppress(LibraryError):  # nothing was begun, or all was done
        undo(small)
    assert snapshot(small) == before


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of its own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def tagged(organize, faked, music: Path, home: Path) -> Path:
    """A library with tags and playlists, whose database is in its usual place."""
    pytest.importorskip("mutagen", reason="mutagen is not installed; the extra is called tags")
    for k in range(3):
        soundfile.write(music / f"{k}.wav", helpers.make("hum", k, 0.2), helpers.SR)
    organize(database=None, write_tags=True, apply=True)
    return music


def test_a_moved_library_is_known(tagged: Path, bundle: Path) -> None:
    moved = tagged.rename(tagged.with_name("renamed"))
    recorder = helpers.Recorder()
    report = run.organize(moved, model=bundle, jobs=1, progress=recorder, apply=True)
    assert (report.classified, report.kept) == (0, 3)
    assert report.database == run.default_database(tagged)
    assert recorder.notes == [f"{moved} was moved from {tagged}; it uses the database {report.database}."]
    assert {p.action for p in report.playlists} <= {"keep", "write"}
    undone = run.undo_tags(moved, apply=True)
    assert (undone.restored, undone.refused, undone.database) == (3, 0, report.database)
    assert not (moved / "playlists").exists()


def test_what_is_no_move_for_sure_is_named(tagged: Path, bundle: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tagged, tmp_path / "a copy"))
    before = snapshot(copy)
    command = f"audio-genre organize '{copy}' --undo --database {run.default_database(tagged)}"
    with pytest.raises(LibraryError) as caught:
        run.undo_tags(copy, apply=True)
    assert str(caught.value).endswith(f"if the library was moved, undo with: {command}")
    assert f"from when they were in {tagged};" in str(caught.value)
    assert snapshot(copy) == before
    recorder = helpers.Recorder()
    assert run.organize(copy, model=bundle, jobs=1, progress=recorder).classified == 3
    assert "to use them instead of classifying again" in recorder.notes[0]
    # A database of its own that records nothing does not hide the other one.
    with pytest.raises(LibraryError, match="if the library was moved"):
        run.undo_tags(copy)
    assert run.undo_tags(copy, database=run.default_database(tagged), apply=True).restored == 3


def test_a_drive_that_is_out_is_no_move(tagged: Path, tmp_path: Path) -> None:
    drive = tmp_path / "drive"
    drive.mkdir()
    music = tagged.rename(drive / "music")
    run.undo_tags(music, apply=False)  # it lives there now
    shutil.copytree(music, tmp_path / "copy")
    drive.rename(tmp_path / "elsewhere")
    with pytest.raises(LibraryError, match="if the library was moved"):
        run.undo_tags(tmp_path / "copy", apply=True)


def test_an_unlike_library_has_nothing_to_take_back(tagged: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    soundfile.write(other / "0.wav", helpers.make("hiss", 9, 0.2), helpers.SR)
    with pytest.raises(LibraryError, match="there is nothing to undo"):
        run.undo_tags(other)


def to_version_1(database: Path) -> None:
    """Make of a database what version 1 wrote."""
    db = sqlite3.connect(database)
    db.executescript("ALTER TABLE answers DROP COLUMN artist; ALTER TABLE answers DROP COLUMN album;")
    db.executescript("DROP TABLE playlists; DELETE FROM notes WHERE CAST(name AS TEXT) = 'library';")
    db.execute("PRAGMA user_version = 1")
    db.commit()
    db.close()


def test_a_database_of_version_1_is_brought_up_in_place(tagged: Path, bundle: Path) -> None:
    database = run.default_database(tagged)
    to_version_1(database)
    known = helpers.answers(database)
    renamed = tagged.rename(tagged.with_name("renamed"))
    with pytest.raises(LibraryError, match="if the library was moved, undo with"):
        run.undo_tags(renamed)
    renamed.rename(tagged)
    assert run.organize(tagged, model=bundle, jobs=1).classified == 0
    assert helpers.answers(database) == [(*row, None, None) for row in known]
    db = sqlite3.connect(database)
    assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)
    db.close()
    assert run.undo_tags(tagged, apply=True).restored == 3


def test_a_database_of_a_later_version_is_left_alone(tagged: Path, bundle: Path) -> None:
    database = run.default_database(tagged)
    db = sqlite3.connect(database)
    db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.commit()
    db.close()
    with pytest.raises(LibraryError, match=f"format {VERSION + 1}, this is {VERSION}"):
        run.organize(tagged, model=bundle, jobs=1)


def test_the_table_on_request_without_formulas(organize, faked, music: Path, tmp_path: Path) -> None:
    helpers.touch(music / "=1+1.wav", music / "@bad.wav", music / "plain.wav")
    organize(csv=tmp_path / "raw.csv")
    assert "\n=1+1.wav," in (tmp_path / "raw.csv").read_text()
    organize(csv=tmp_path / "safe.csv", excel_safe=True)
    raw, safe = (tmp_path / name for name in ("raw.csv", "safe.csv"))
    assert safe.read_text() == raw.read_text().replace("\n=1", "\n'=1").replace("\n@", "\n'@")
    organize(csv=safe)
    assert safe.read_text() == raw.read_text()
