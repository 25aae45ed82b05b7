"""Genres into the tags of files, and out again so that every byte is as it was."""

from __future__ import annotations

import os
import random
import shutil
import struct
import sys
from pathlib import Path

import library_helpers as helpers
import numpy as np
import process_helpers
import pytest
import soundfile

from audio_genre.audio import load
from audio_genre.errors import ParameterError
from audio_genre.library import LibraryError, run, tags
from audio_genre.library.spelling import usual_spelling
from audio_genre.library.tags import TagError, read_genres, write_genre

mutagen = pytest.importorskip("mutagen", reason="mutagen is not installed; the extra is called tags")
posix_only = pytest.mark.skipif(os.name != "posix", reason="links and permissions of POSIX")


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content


def write_m4a(path: Path) -> None:
    """Write the boxes that an MP4 file with sound must have, and no sound."""
    hdlr = box(b"hdlr", bytes(8) + b"soun" + bytes(13))
    mdhd = box(b"mdhd", bytes(12) + struct.pack(">IIHH", 44100, 44100, 0, 0))
    stbl = box(b"stbl", box(b"stco", struct.pack(">III", 0, 1, 300)))
    trak = box(b"trak", box(b"mdia", mdhd + hdlr + box(b"minf", stbl)))
    path.write_bytes(box(b"ftyp", b"M4A \0\0\0\0") + box(b"moov", trak) + box(b"mdat", bytes(range(256)) * 8))


def write_audio(path: Path) -> Path:
    if path.suffix == ".m4a":
        write_m4a(path)
    elif path.suffix == ".mp3" and "MP3" not in soundfile.available_formats():
        pytest.skip("this libsndfile does not write mp3")
    elif path.suffix == ".opus":
        soundfile.write(path, np.resize(helpers.make("hum", 0), 48000), 48000, format="OGG", subtype="OPUS")
    else:
        soundfile.write(path, helpers.make("hum", 0), helpers.SR)
    return path


def tagged(path: Path, kind: str) -> Path:
    """Give a file the kind of tag that it is to have before."""
    from mutagen.id3 import APIC, ID3, TALB, TCON, TIT2, TXXX

    write_audio(path)
    if kind == "none":
        return path
    audio = mutagen.File(path)
    if audio.tags is None:
        audio.add_tags()
    if isinstance(audio.tags, ID3):
        # A cover before the texts: mutagen writes them the other way round.
        cover = APIC(encoding=0, mime="image/png", type=3, desc="", data=random.Random(1).randbytes(70_000))
        for frame in (cover, TIT2(encoding=1, text=["Song"]), TALB(encoding=3, text=["Ü"]), TXXX(desc="x", text=["y"])):
            audio.tags.add(frame)
        if kind == "blank":
            audio.tags.add(TCON(encoding=3, text=[" "]))
        options = {} if kind != "old" else {"v2_version": 3} | ({} if path.suffix == ".aiff" else {"v1": 2})
        audio.save(**options)
    else:
        audio["\xa9nam" if path.suffix == ".m4a" else "title"] = ["Song"]
        if kind == "blank":
            audio["\xa9gen" if path.suffix == ".m4a" else "genre"] = [""]
        audio.save()
    return path


SUFFIXES = (".mp3", ".flac", ".ogg", ".opus", ".wav", ".aiff", ".m4a")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", ["none", "plain", "blank", "old"])
def test_a_genre_is_written_and_nothing_else_changes(tmp_path: Path, suffix: str, kind: str) -> None:
    path = tagged(tmp_path / f"x{suffix}", kind)
    before = None if mutagen.File(path).tags is None else {k: str(v) for k, v in mutagen.File(path).tags.items()}
    if suffix != ".m4a":
        samples = load(path, sr=helpers.SR)
    assert read_genres(path) == []
    write_genre(path, "drum & bass")
    assert read_genres(path) == ["drum & bass"]
    after = {k: str(v) for k, v in mutagen.File(path).tags.items() if k.lower() not in ("tcon", "genre", "\xa9gen")}
    assert after == {k: v for k, v in (before or {}).items() if k.lower() not in ("tcon", "genre", "\xa9gen")}
    if suffix != ".m4a":
        np.testing.assert_array_equal(load(path, sr=helpers.SR), samples)
    if kind == "old" and suffix == ".mp3":
        assert mutagen.File(path).tags.version == (2, 3, 0)


@pytest.mark.parametrize("genre", ["<script>", "NA", "1980", "17", "(4)", "x" * 3000, "ジャズ", "a/b", "a;b"])
@pytest.mark.parametrize("suffix", [".mp3", ".flac", ".m4a"])
def test_any_genre_reads_back_as_it_is(tmp_path: Path, genre: str, suffix: str) -> None:
    path = write_audio(tmp_path / f"x{suffix}")
    if suffix == ".mp3" and genre in ("17", "(4)"):  # numbers of genres, in an ID3 tag
        with pytest.raises(TagError, match="cannot hold"):
            write_genre(path, genre)
    else:
        write_genre(path, genre)
        assert read_genres(path) == [genre]


@pytest.mark.parametrize("genre", ["a\0b", "\ud800"])
def test_a_genre_that_a_tag_cannot_hold_is_told(tmp_path: Path, genre: str) -> None:
    with pytest.raises(TagError, match="cannot"):
        write_genre(write_audio(tmp_path / "x.mp3"), genre)


def test_formats_without_known_tags(tmp_path: Path) -> None:
    with pytest.raises(TagError, match="is in a format whose tags are not known"):
        read_genres(write_audio(tmp_path / "x.au"))
    (tmp_path / "x.flac").write_bytes(b"fLaC damaged")
    with pytest.raises(TagError, match="has a tag that cannot be read"):
        read_genres(tmp_path / "x.flac")


def test_without_mutagen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ParameterError, match=r'needs mutagen; install it with: pip install "mutagen>=1\.47"'):
        tags.require_mutagen()


def snapshot(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Content, permissions and time of change of every file, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def library(faked: None, music: Path) -> Path:
    """Files in all formats, with and without tags, with time stamps and permissions of their own."""
    for number, suffix in enumerate((".mp3", ".flac", ".ogg", ".wav", ".aiff", ".m4a")):
        for kind in ("none", "plain", "blank", "old"):
            path = tagged(music / f"{kind}{suffix}", kind)
            os.utime(path, ns=(1_000_000_000, 1_000_000_123 + number))
            path.chmod(0o640)
    return music


@pytest.fixture
def tag(organize):
    return lambda **options: organize(
        **{"write_tags": True, "apply": True, "playlists": False, "overwrite_confidence": 0} | options
    )


def undo(library: Path, **options):
    return run.undo_tags(library, **{"database": library.parent / "library.sqlite", "apply": True} | options)


def test_written_and_taken_back(tag, library: Path) -> None:
    before = snapshot(library)
    report = tag(apply=False)
    assert (report.tags.written, report.tags.refused) == (24, 0)
    assert snapshot(library) == before
    assert tag().tags == report.tags
    wanted = {usual_spelling(entry.genre) for entry in report.genres}
    for name in before:
        (genre,) = read_genres(library / name)
        assert genre in wanted
    after = snapshot(library)
    assert after.keys() == before.keys()
    for name in before:
        assert after[name][0] != before[name][0]
        assert after[name][1] == before[name][1]
        assert after[name][2] > before[name][2]

    again = tag()
    assert (again.classified, again.tags.written, again.tags.unchanged) == (0, 0, 24)
    assert snapshot(library) == after

    assert undo(library, apply=False).restored == 24
    assert snapshot(library) == after
    report = undo(library)
    assert (report.restored, report.refused) == (24, 0)
    assert snapshot(library) == before
    assert tag(apply=False).classified == 0
    with pytest.raises(LibraryError, match="there is nothing to undo"):
        undo(library)


def test_the_database_stays_small(tag, library: Path) -> None:
    tag()
    assert (library.parent / "library.sqlite").stat().st_size < 500_000


@pytest.fixture
def song(faked: None, music: Path) -> Path:
    return write_audio(music / "song.flac")


def test_a_genre_that_is_there_is_kept_unless_told(tag, song: Path) -> None:
    write_genre(song, "polka")
    before = snapshot(song.parent)
    report = tag()
    assert (report.tags.written, report.tags.has_genre) == (0, 1)
    assert snapshot(song.parent) == before
    assert tag(overwrite=True).tags.written == 1
    assert read_genres(song) == [usual_spelling(report.genres[0].genre)]
    undo(song.parent)
    assert snapshot(song.parent) == before


def test_several_tags_are_taken_back_one_after_the_other(tag, song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(song.parent)
    tag()
    first = read_genres(song)
    monkeypatch.setattr(run, "classify_file", None)  # it is known, and not listened to
    answers = run._Run.write_tags

    def other(self, tagger, wanted, **options):
        self._database._db.execute("UPDATE answers SET genre = ?", (b"hiss" if first == ["Hum"] else b"hum",))
        return answers(self, tagger, self.summary()[0], **options)

    monkeypatch.setattr(run._Run, "write_tags", other)
    assert tag(overwrite=True).tags.written == 1
    assert read_genres(song) != first
    assert undo(song.parent, apply=False).restored == 1
    assert undo(song.parent).restored == 1
    assert snapshot(song.parent) == before


def test_unknown_and_other_genres_get_no_tag(tag, music: Path, faked) -> None:
    write_audio(music / "odd.flac")
    song = write_audio(music / "song.flac")
    (genre,) = [line.genre for line in tag(apply=False).genres if line.genre != "unknown"]
    before = snapshot(music)
    assert tag(genres=["unknown"]).tags.written == 0
    assert tag(genres=[{"hum": "hiss", "hiss": "hum"}[genre]]).tags.written == 0
    assert tag(min_confidence=1).tags.written == 0
    assert snapshot(music) == before
    assert tag(genres=[genre]).tags.written == 1
    assert read_genres(song) == [usual_spelling(genre)]


def test_a_file_changed_since_is_not_taken_back(tag, song: Path) -> None:
    tag()
    audio = mutagen.File(song)
    audio["title"] = ["Mine"]
    audio.save()
    before = snapshot(song.parent)
    recorder = helpers.Recorder()
    report = undo(song.parent, progress=recorder)
    assert (report.restored, report.refused) == (0, 1)
    assert recorder.failures == {"song.flac": "was changed after its tag was written, so it is left as it is"}
    assert snapshot(song.parent) == before
    song.unlink()
    assert undo(song.parent).refused == 1


@posix_only
def test_files_that_are_left_alone(tag, music: Path, faked, tmp_path: Path) -> None:
    write_audio(music / "twice.flac")
    os.link(music / "twice.flac", tmp_path / "other name.flac")
    (music / "link.flac").symlink_to(write_audio(tmp_path / "outside.flac"))
    (music / "folder").symlink_to(tmp_path / "far")
    (tmp_path / "far").mkdir()
    write_audio(tmp_path / "far" / "x.flac")
    write_audio(music / "read-only.flac").chmod(0o444)
    write_audio(music / "x.au")
    before = snapshot(tmp_path)
    before.pop("library.sqlite", None)
    recorder = helpers.Recorder()
    report = tag(progress=recorder)
    assert recorder.failures == {
        "twice.flac": "has 2 names (hard links), which writing a tag would separate",
        "link.flac": "is reached through a link; tags are written to files under their own names",
        "folder/x.flac": "is reached through a link; tags are written to files under their own names",
        "read-only.flac": "is read-only",
        "x.au": "is in a format whose tags are not known",
    }
    assert (report.tags.written, report.tags.refused) == (0, 5)
    after = snapshot(tmp_path)
    assert {name: value for name, value in after.items() if "sqlite" not in name} == before


def test_a_file_changed_on_the_way_is_left_alone(tag, song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from audio_genre.library import tagging

    def change(file: Path, genre: str) -> None:
        write_genre(file, genre)
        song.write_bytes(song.read_bytes() + b"more")

    monkeypatch.setattr(tagging, "write_genre", change)
    recorder = helpers.Recorder()
    assert tag(progress=recorder).tags.refused == 1
    assert "was changed by another program in the meantime" in recorder.failures["song.flac"]
    assert song.read_bytes().endswith(b"more")
    assert list(song.parent.iterdir()) == [song]


@posix_only
def test_a_full_disk_ends_the_run_and_leaves_the_file(tag, song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from audio_genre.errors import ExtractionError

    before = snapshot(song.parent)

    def full(source: Path, target: Path) -> None:
        Path(target).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(ExtractionError, match="No space is left to write"):
        tag()
    assert snapshot(song.parent) == before


CRASH = """
import os, sys
from pathlib import Path
import library_work
from audio_genre.library import run, tagging
from audio_genre.library.database import Database

music, bundle, database, action, name, when = sys.argv[1:]
owner = {"replace": Path}.get(name, Database if hasattr(Database, name) else tagging)
real = getattr(owner, name)

def crash(*arguments, **options):
    if when == "after":
        real(*arguments, **options)
    os._exit(9)

setattr(owner, name, crash)
run.classify_file = library_work.fake
if action == "write":
    run.organize(music, model=bundle, database=database, jobs=1, write_tags=True, apply=True, playlists=False)
else:
    run.undo_tags(music, database=database, apply=True)
"""
STEPS = [
    *[("write", name) for name in ("begin_tag", "write_genre", "_give_rights", "ready_tag", "replace", "settle_tag")],
    *[("undo", name) for name in ("begin_undo", "_give_rights", "replace", "end_tag")],
]


@posix_only
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("action", "name"), STEPS)
def test_a_crash_at_any_step(tag, song: Path, bundle: Path, action: str, name: str, when: str) -> None:
    os.utime(song, ns=(1, 1_000_000_123))
    plain = snapshot(song.parent)
    if action == "undo":
        tag()
    database = song.parent.parent / "library.sqlite"
    with process_helpers.start(CRASH, song.parent, bundle, database, action, name, when) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 9, errors
    if read_genres(song):
        assert [path for path in song.parent.iterdir() if not path.name.startswith(".")] == [song]
    else:
        assert (song.read_bytes(), song.stat().st_mtime_ns) == (plain["song.flac"][0], 1_000_000_123)
    report = tag()
    assert report.classified == 0
    assert report.tags.written + report.tags.unchanged == 1
    assert len(read_genres(song)) == 1
    assert list(song.parent.iterdir()) == [song]
    undo(song.parent)
    assert snapshot(song.parent) == plain


@pytest.mark.skipif(sys.platform != "linux", reason="extended attributes of Linux")
def test_extended_attributes_stay(tag, song: Path) -> None:
    try:
        os.setxattr(song, "user.mood", b"calm")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    tag()
    assert os.getxattr(song, "user.mood") == b"calm"
    undo(song.parent)
    assert os.getxattr(song, "user.mood") == b"calm"
