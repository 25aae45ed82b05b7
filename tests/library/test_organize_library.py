"""A library from its files to its answers, and what is made of them."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import library_helpers as helpers
import library_work
import numpy as np
import pandas as pd
import process_helpers
import pytest
import soundfile

from audio_genre.bundles.calibration import UNKNOWN
from audio_genre.errors import BundleError, ExtractionError, ParameterError
from audio_genre.inference import Classification, Classifier
from audio_genre.jobs import processes
from audio_genre.library import LibraryError, correct, default_database, run
from audio_genre.library.classify import as_answer

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc, or makes odd files")


# With the real classifier.


def test_a_library_is_listened_to(organize, bundle: Path, music: Path) -> None:
    for k in range(2):
        helpers.write(music / "a" / f"hum {k}.wav", "hum", 50 + k)
        helpers.write(music / f"hiss {k}.flac", "hiss", 50 + k)
    (music / "a" / "empty.wav").touch()
    helpers.write(music / "short.wav", seconds=1)
    (music / "song.m4a").write_bytes(b"x")
    recorder = helpers.Recorder()
    report = organize(jobs=2, progress=recorder, unknown=False)
    assert (report.found, report.classified, report.kept, report.failed) == (7, 4, 0, 3)
    assert {line.genre: (line.tracks, line.share) for line in report.genres} == {"hiss": (2, 0.5), "hum": (2, 0.5)}
    assert [line.seconds for line in report.genres] == pytest.approx([6.4, 6.4])
    assert recorder.failures == {
        "a/empty.wav": "is empty (0 bytes)",
        "short.wav": "is 1.00 s long, and features need at least 2.00 s",
        "song.m4a": "holds no audio of the format that its name says (.m4a)",
    }
    again = helpers.Recorder()
    report = organize(progress=again)
    assert (report.classified, report.kept, report.failed) == (0, 7, 3)
    assert (again.paths, again.failures) == ([], {})


def test_the_table_agrees_with_the_classifier(organize, bundle: Path, music: Path, tmp_path: Path) -> None:
    helpers.write(music / "hum.wav", "hum", 60)
    helpers.write(music / 'é, "quoted".wav', "hiss", 60)
    (music / "empty.wav").touch()
    organize(csv=tmp_path / "table.csv")
    table = pd.read_csv(tmp_path / "table.csv", index_col="path", keep_default_na=False)
    assert list(table.index) == ["empty.wav", "hum.wav", 'é, "quoted".wav']
    assert table.loc["empty.wav", "error"] == "is empty (0 bytes)"
    for name in table.index[1:]:
        answer = Classifier(bundle).classify(music / name)
        row = table.loc[name]
        # A worker has one core, and sums in another order than several threads do.
        assert row["genre"] == answer.genre
        assert float(row["confidence"]) == pytest.approx(answer.confidence, rel=1e-5)
        assert row["runner_up"] == next(genre for genre, _ in answer.top(2) if genre != answer.genre)
        found = {genre: float(row[f"p_{genre}"]) for genre in answer.probabilities}
        assert found == pytest.approx(answer.probabilities, rel=1e-5, abs=1e-7)


def test_a_title_comes_from_the_file(organize, music: Path) -> None:
    import soundfile

    with soundfile.SoundFile(music / "x.flac", "w", helpers.SR, 1) as file:
        file.title, file.artist = "Song", "Singer"
        file.write(helpers.make("hum", 1))
    organize(apply=True)
    (playlist,) = (music / "playlists").iterdir()
    assert playlist.read_text().splitlines() == ["#EXTM3U", "#EXTINF:3,Singer - Song", "../x.flac"]


def test_a_model_that_changes_on_the_way_is_told(organize, bundle: Path, music: Path, monkeypatch) -> None:
    helpers.write(music / "x.wav")
    monkeypatch.setattr(run, "model_identity", lambda card, **_: "another")
    with pytest.raises(BundleError, match="was changed while the library was organized"):
        organize()


@pytest.mark.parametrize(
    ("genre", "reason", "distance", "kept"),
    [
        ("jazz", None, 0.4, "jazz"),
        ("jazz", None, None, "jazz"),
        # Kept as what it would be without the model's limits.
        (UNKNOWN, "unlike anything", 2.0, "jazz"),
        (UNKNOWN, "is silent", None, UNKNOWN),
    ],
)
def test_what_is_kept_of_an_answer(genre: str, reason: str | None, distance: float | None, kept: str) -> None:
    probabilities = {"pop": 0.4, "jazz": 0.6}
    answer = as_answer(Classification("x", genre, 0.6, probabilities, "adam-4", reason, distance), size=1, mtime_ns=2)
    assert (answer.genre, answer.confidence, answer.probabilities, answer.reason) == (kept, 0.6, probabilities, reason)


def test_limits_of_the_model_count_unless_told_otherwise(organize, bundle: Path, music: Path, tmp_path: Path) -> None:
    helpers.write(music / "hiss.wav", "hiss", 70)
    t = np.arange(4 * helpers.SR) / helpers.SR
    soundfile.write(music / "tone.wav", 0.2 * np.sin(2 * np.pi * 1000 * t), helpers.SR)
    soundfile.write(music / "silence.wav", np.zeros(4 * helpers.SR), helpers.SR)
    # A model of few tracks has no limits of its own.
    limited = tmp_path / "limited"
    shutil.copytree(bundle, limited)
    card = json.loads((limited / "card.json").read_text(encoding="utf-8"))
    card["calibration"]["max_distance"] = 0.6
    (limited / "card.json").write_text(json.dumps(card), encoding="utf-8")
    report = organize(model=limited, csv=tmp_path / "table.csv")
    assert {line.genre: line.tracks for line in report.genres} == {"hiss": 1, UNKNOWN: 2}
    table = pd.read_csv(tmp_path / "table.csv", index_col="path", keep_default_na=False)
    assert table.loc["tone.wav", "reason"].startswith("unlike anything that the model was trained on (distance ")
    assert table.loc["silence.wav", "reason"] == "is silent: every sample is zero"
    assert table.loc["silence.wav", "runner_up"] == ""
    report = organize(model=limited, csv=tmp_path / "table.csv", unknown=False)
    assert report.classified == 0
    assert {line.genre: line.tracks for line in report.genres}[UNKNOWN] == 1
    table = pd.read_csv(tmp_path / "table.csv", index_col="path", keep_default_na=False)
    forced = Classifier(bundle, unknown=False).classify(music / "tone.wav")
    assert (table.loc["tone.wav", "genre"], table.loc["tone.wav", "reason"]) == (forced.genre, "")
    assert table.loc["silence.wav", "reason"] == "is silent: every sample is zero"


# With a stand-in for it, from here on.


@pytest.fixture
def small(faked: None, music: Path) -> Path:
    helpers.touch(*(music / f"{k % 3}" / f"{k}.wav" for k in range(12)))
    return music


def test_only_what_is_new_or_changed_is_listened_to(organize, small: Path) -> None:
    organize()
    helpers.touch(small / "new.mp3")
    (small / "0" / "0.wav").write_bytes(b"longer")
    os.utime(small / "1" / "1.wav", (1, 1))
    (small / "2" / "2.wav").unlink()
    recorder = helpers.Recorder()
    report = organize(progress=recorder)
    assert sorted(recorder.paths) == ["0/0.wav", "1/1.wav", "new.mp3"]
    assert (report.found, report.classified, report.kept) == (12, 3, 9)
    assert sum(line.tracks for line in report.genres) == 12


def test_another_model_listens_anew(organize, bundle: Path, small: Path, tmp_path: Path) -> None:
    organize()
    other = Path(shutil.copytree(bundle, tmp_path / "other"))
    card = json.loads((other / "card.json").read_text(encoding="utf-8"))
    (other / "card.json").write_text(json.dumps(card | {"exported_sha256": "0" * 64}), encoding="utf-8")
    assert organize(model=other).classified == 12
    assert organize(model=other).classified == 0


def test_a_file_that_kills_its_worker_is_tried_twice(organize, small: Path) -> None:
    helpers.touch(small / "1" / "dead.wav")
    recorder = helpers.Recorder()
    report = organize(progress=recorder)
    assert (report.classified, report.failed) == (12, 1)
    assert recorder.failures == {
        "1/dead.wav": "could not be finished: its worker process died (signal 9, SIGKILL); the next run tries once more"
    }
    recorder = helpers.Recorder()
    assert organize(progress=recorder).failed == 1
    assert "died 2 times (signal 9, SIGKILL); it is skipped until it changes" in recorder.failures["1/dead.wav"]
    recorder = helpers.Recorder()
    assert (organize(progress=recorder).failed, recorder.failures) == (1, {})
    (small / "1" / "dead.wav").write_bytes(b"changed")
    recorder = helpers.Recorder()
    organize(progress=recorder)
    assert "the next run tries once more" in recorder.failures["1/dead.wav"]


def test_many_killers_stop_a_run_but_not_for_ever(organize, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_MAX_LOST_IN_A_ROW", 4)
    helpers.touch(*(small / f"0 dead {k}.wav" for k in range(6)))
    # Four in a row stop a run. The first four do; then comes what is left, and those four again, for the last time.
    for _ in range(2):
        with pytest.raises(ExtractionError, match="worker processes died one after the other"):
            organize()
    assert organize().failed == 6
    report = organize()
    assert (report.found, report.kept, report.failed) == (18, 18, 6)


def test_failures_are_not_tried_again_but_for_unreadable_ones(organize, faked, music: Path) -> None:
    helpers.touch(music / "bad.wav", music / "good.wav")
    (music / "gone.wav").symlink_to("nowhere")
    assert organize().failed == 2
    recorder = helpers.Recorder()
    organize(progress=recorder)
    assert list(recorder.failures) == ["gone.wav"]
    helpers.touch(music / "nowhere")
    assert organize().failed == 1


@linux_only
def test_odd_files(organize, bundle: Path, music: Path, tmp_path: Path) -> None:
    helpers.write(music / "new\nline.wav", "hum", 1)
    shutil.copy(music / "new\nline.wav", music / os.fsdecode(b"latin \xe9.wav"))
    helpers.touch(music / ".hidden.wav", music / ".trash" / "x.wav")
    (music / "loop").symlink_to(music)
    (music / "round.wav").symlink_to("round.wav")
    (music / "folder.wav").mkdir()
    os.mkfifo(music / "pipe.wav")
    recorder = helpers.Recorder()
    report = organize(progress=recorder, csv=tmp_path / "table.csv", apply=True)
    assert (report.found, report.classified, report.failed, report.left_out) == (4, 2, 2, 2)
    assert recorder.failures["pipe.wav"] == "is not a regular file"
    assert recorder.failures["round.wav"].startswith("cannot be read")
    assert organize().classified == 0
    table = pd.read_csv(tmp_path / "table.csv", keep_default_na=False, encoding="utf-8")
    assert list(table["path"]) == ["latin \\udce9.wav", "new\nline.wav", "pipe.wav", "round.wav"]


@linux_only
def test_a_file_that_vanishes_or_changes_on_the_way(organize, bundle: Path, music: Path, monkeypatch) -> None:
    from audio_genre.library import classify
    from audio_genre.library.records import Failure

    helpers.write(music / "x.wav")
    settings = classify.ClassifySettings(music, bundle, classify.model_identity(Classifier(bundle).bundle.card))
    gone = classify.classify_file("gone.wav", settings)
    assert gone == Failure(-1, 0, "cannot be read: No such file or directory", retry=True)
    describe = classify._describe

    def change(file: Path) -> tuple[float | None, str | None]:
        os.utime(file, (1, 1))
        return describe(file)

    monkeypatch.setattr(classify, "_describe", change)
    changed = classify.classify_file("x.wav", settings)
    assert isinstance(changed, Failure)
    assert (changed.reason, changed.retry) == ("changed while it was classified", True)


@pytest.fixture
def ordinary_user() -> Iterator[Path]:
    """A folder of its own for a user whom permissions apply to, who is the one running the test."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    folder = Path(tempfile.mkdtemp(prefix="audio-genre-test-"))
    if is_root:
        shutil.chown(folder, 65534)
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        shutil.rmtree(folder)


@linux_only
def test_folders_that_cannot_be_read(ordinary_user: Path) -> None:
    from audio_genre.library.run import _clips

    helpers.touch(ordinary_user / "a" / "x.wav", ordinary_user / "b" / "y.wav")
    helpers.touch(ordinary_user / "up" / "c" / "z.wav")
    (ordinary_user / "a").chmod(0)
    (ordinary_user / "up").chmod(0o644)
    closed = []
    try:
        assert [clip.path for clip in _clips(ordinary_user, closed)] == ["b/y.wav"]
    finally:
        (ordinary_user / "a").chmod(0o700)
        (ordinary_user / "up").chmod(0o700)
    assert [(folder, error.strerror) for folder, error in closed] == [
        ("a/", "Permission denied"),
        ("up/c/", "Permission denied"),
    ]


def test_below_the_bar_is_unknown(organize, small: Path, tmp_path: Path) -> None:
    helpers.touch(small / "odd.wav")
    everything = organize()
    report = organize(min_confidence=0.8, csv=tmp_path / "table.csv")
    assert report.classified == 0
    assert everything.genres[-1].tracks == 1
    table = pd.read_csv(tmp_path / "table.csv", index_col="path", keep_default_na=False)
    unknown = table[table["genre"] == UNKNOWN]
    assert report.genres[-1].genre == UNKNOWN
    assert report.genres[-1].tracks == len(unknown) > 1
    assert unknown.loc["odd.wav", "reason"] == "is like nothing known"
    others = unknown.drop("odd.wav")
    assert (others["confidence"].astype(float) < 0.8).all()
    assert others["reason"].str.endswith("is below 0.8").all()
    best = table[["p_hiss", "p_hum"]].astype(float).idxmax(axis=1).str.removeprefix("p_")
    assert (unknown["runner_up"] == best[unknown.index]).all()
    known = table[table["genre"] != UNKNOWN]
    assert (known["confidence"].astype(float) >= 0.8).all()
    assert (known["reason"] == "").all()


def tracks_of(playlist: Path) -> list[str]:
    return [line for line in playlist.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


def test_nothing_is_written_without_apply(organize, small: Path, tmp_path: Path) -> None:
    before = sorted(small.rglob("*"))
    report = organize(playlists=tmp_path / "lists", csv=small / "table.csv")
    assert sorted(small.rglob("*")) == before
    assert not (tmp_path / "lists").exists()
    assert {playlist.action for playlist in report.playlists} == {"write"}
    assert not report.csv_written
    assert organize(csv=small / "table.csv", apply=True).csv_written
    assert organize(csv=tmp_path / "table.csv").csv_written


def test_playlists_hold_every_track_once(organize, small: Path) -> None:
    helpers.touch(small / "odd.wav", small / "bad.wav")
    report = organize(apply=True)
    folder = small / "playlists"
    assert {path.name for path in folder.iterdir()} == {"hiss.m3u8", "hum.m3u8", "unknown.m3u8"}
    listed = [track for path in folder.iterdir() for track in tracks_of(path)]
    assert sorted(listed) == sorted(
        f"../{path.relative_to(small).as_posix()}" for path in small.rglob("*.wav") if path.name != "bad.wav"
    )
    assert all(tracks == sorted(tracks) for tracks in map(tracks_of, folder.iterdir()))
    assert sum(playlist.tracks for playlist in report.playlists) == len(listed)
    content = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    again = organize(apply=True)
    assert {playlist.action for playlist in again.playlists} == {"keep"}
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == content


def test_playlists_follow_the_library(organize, small: Path) -> None:
    helpers.touch(small / "odd.wav")
    organize(apply=True)
    (small / "odd.wav").unlink()
    assert {p.path.name: p.action for p in organize().playlists}["unknown.m3u8"] == "remove"
    assert (small / "playlists" / "unknown.m3u8").exists()
    organize(apply=True)
    assert not (small / "playlists" / "unknown.m3u8").exists()


def test_playlists_of_others_are_left_alone(organize, small: Path) -> None:
    folder = small / "playlists"
    folder.mkdir()
    (folder / "hum.m3u8").write_text("mine")
    (folder / "unknown.m3u8").write_text("mine too")
    recorder = helpers.Recorder()
    report = organize(apply=True, progress=recorder)
    assert {p.path.name: p.action for p in report.playlists} == {
        "hiss.m3u8": "write",
        "hum.m3u8": "refuse",
        "unknown.m3u8": "refuse",
    }
    assert (folder / "hum.m3u8").read_text() == "mine"
    assert (folder / "unknown.m3u8").read_text() == "mine too"
    assert "was not written by audio-genre" in recorder.notes[0]
    with (folder / "hiss.m3u8").open("a") as file:
        file.write("# my favourites\n")
    helpers.touch(*(small / f"new {k}.wav" for k in range(9)))
    assert {p.path.name: p.action for p in organize(apply=True).playlists}["hiss.m3u8"] == "refuse"


def test_chosen_genres(organize, small: Path) -> None:
    report = organize(genres=["hum"], apply=True)
    assert [path.name for path in (small / "playlists").iterdir()] == ["hum.m3u8"]
    assert len(report.genres) == 2
    with pytest.raises(ParameterError, match=r"'polka' is none of the model's genres; choose from hiss, hum, unknown"):
        organize(genres=["polka"])


def test_a_table_replaces_a_table_only(organize, small: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("path,label\n")
    with pytest.raises(LibraryError, match="is not a table that organize wrote and would be replaced"):
        organize(csv=table)
    assert table.read_text() == "path,label\n"
    table.unlink()
    organize(csv=table)
    organize(csv=table)
    with pytest.raises(LibraryError, match="does not exist; make it"):
        organize(csv=tmp_path / "absent" / "table.csv")
    with pytest.raises(LibraryError, match="is not a regular file"):
        organize(csv=small)


def test_a_second_run_at_the_same_time_is_told(organize, small: Path, tmp_path: Path) -> None:
    class Second(helpers.Recorder):
        def done(self, path: str) -> None:
            super().done(path)
            if len(self.paths) == 1:
                with pytest.raises(LibraryError, match="Another run is organizing this library"):
                    organize()

    second = Second()
    assert organize(progress=second).classified == len(second.paths) == 12


@pytest.mark.parametrize("kind", ["text", "sqlite"])
def test_a_foreign_database_is_left_alone(organize, small: Path, tmp_path: Path, kind: str) -> None:
    foreign = tmp_path / "foreign"
    if kind == "text":
        foreign.write_text("no database " * 100)
    else:
        db = sqlite3.connect(foreign)
        db.execute("CREATE TABLE places (url TEXT)")
        db.commit()
        db.close()
    before = foreign.read_bytes()
    with pytest.raises(LibraryError, match="choose another --database"):
        organize(database=foreign)
    assert foreign.read_bytes() == before


def test_the_database_lies_outside_the_library(
    organize, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "data"))
    report = organize(database=None)
    assert report.database == default_database(small)
    assert not report.database.is_relative_to(small)
    (tmp_path / "link").symlink_to(small)
    assert default_database(tmp_path / "link") == default_database(small) != default_database(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jobs": 0}, "number of jobs must be at least 1"),
        ({"min_confidence": 1.5}, "must be from 0 to 1, got 1.5"),
        ({"min_confidence": float("nan")}, "must be from 0 to 1, got nan"),
        ({"overwrite": True}, "add --write-tags"),
        ({"genres": []}, "No genre was chosen"),
        ({"csv": "library.sqlite", "database": "library.sqlite"}, "cannot be the same file"),
    ],
)
def test_bad_parameters(organize, small: Path, options, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        organize(**options)


def test_nothing_to_organize(bundle: Path, music: Path, tmp_path: Path) -> None:
    database = tmp_path / "x.sqlite"
    with pytest.raises(LibraryError, match="No audio files were found"):
        run.organize(music, model=bundle, database=database)
    with pytest.raises(LibraryError, match="cannot be read: No such file or directory; check the path"):
        run.organize(music / "absent", model=bundle, database=database)
    helpers.touch(music / "x.wav")
    with pytest.raises(LibraryError, match="is a file; give the folder"):
        run.organize(music / "x.wav", model=bundle, database=database)
    with pytest.raises(BundleError):
        run.organize(music, model=music, database=database)
    with pytest.raises(LibraryError, match="is a file or in one; choose another --playlists"):
        run.organize(music, model=bundle, database=database, playlists=music / "x.wav")
    assert not database.exists()


@linux_only
def test_killed_at_any_moment(faked, bundle: Path, music: Path, tmp_path: Path) -> None:
    import fcntl

    helpers.touch(*(music / f"{k % 7}" / f"{k}.wav" for k in range(1500)), music / "3" / "bad.wav")
    database = tmp_path / "killed.sqlite"
    told: set[str] = set()
    for count in (1, 150, 400):
        with process_helpers.start(helpers.RUN_FAKE, music, bundle, database) as process:
            assert process.stdout is not None
            # However slow this process is, the other must not run ahead to its end.
            fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
            lines = [process.stdout.readline().strip() for _ in range(count)]
            workers = process_helpers.workers_of(process.pid)
            process.kill()
        assert not told & set(lines), "something was done twice"
        told |= set(lines)
        process_helpers.wait_until_gone(workers, seconds=2)
    recorder = helpers.Recorder()
    report = run.organize(music, model=bundle, database=database, jobs=2, progress=recorder)
    assert report.kept >= len(told) == 551
    assert (report.found, report.failed) == (1501, 1)
    assert report.classified + report.kept + (recorder.failures != {}) == 1501
    run.organize(music, model=bundle, database=tmp_path / "undisturbed.sqlite", jobs=1)
    assert helpers.answers(database) == helpers.answers(tmp_path / "undisturbed.sqlite")


@linux_only
def test_ctrl_c_ends_the_workers(faked, bundle: Path, music: Path, tmp_path: Path) -> None:
    helpers.touch(music / "a.wav", music / "b stuck.wav", music / "c stuck.wav", music / "d.wav")
    database = tmp_path / "library.sqlite"
    with process_helpers.start(helpers.RUN_FAKE, music, bundle, database) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "'a.wav'"
        workers = process_helpers.workers_of(process.pid)
        assert len(workers) == 2
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 130
        assert time.monotonic() - started < 2
    process_helpers.wait_until_gone(workers, seconds=1)
    assert [row[0] for row in helpers.answers(database)] == [b"a.wav"]


def test_stand_in_knows_the_model_s_genres(bundle: Path) -> None:
    assert Classifier(bundle).genres == library_work.GENRES


@pytest.mark.usefixtures("faked")
def test_a_model_with_a_pretrained_network_hears_one_window_unless_all_is_asked_for(organize, music: Path) -> None:
    from audio_genre.inference.default import WITH_ENCODER, shipped_model

    helpers.write(music / "hum.wav", "hum")
    with_tags = shipped_model(WITH_ENCODER)
    first = organize(model=with_tags)
    assert (first.excerpt, first.classified) == (True, 1)
    assert organize(model=with_tags).classified == 0
    # All of a file is another answer than a window of it.
    whole = organize(model=with_tags, whole=True)
    assert (whole.excerpt, whole.classified) == (False, 1)
    assert not organize().excerpt


def test_some_files_are_listened_to_and_the_others_left(
    faked: None, bundle: Path, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "data")
    helpers.touch(music / "a.wav", music / "b" / "c.wav", music / "d.wav", music / "bad.wav")
    database = tmp_path / "library.sqlite"
    told = helpers.Recorder()
    wanted = {"a.wav", "b/c.wav", "bad.wav", "nowhere.wav"}
    name, heard = run.listen_to(music, wanted, model=bundle, jobs=1, database=database, progress=told)
    assert (name, set(heard), told.failures) == (
        Classifier(bundle).bundle.name,
        {"a.wav", "b/c.wav"},
        {"bad.wav": "is bad"},
    )
    # What is known is kept with the answers of `organize`.
    told = helpers.Recorder()
    assert run.listen_to(music, wanted, model=bundle, jobs=1, database=database, progress=told)[1] == heard
    assert told.paths == []
    correct(music, {"a.wav": "lullaby"})
    heard = run.listen_to(music, wanted, model=bundle, jobs=1, database=database, progress=told)[1]
    assert (heard["a.wav"].genre, heard["a.wav"].by_hand, heard["b/c.wav"].by_hand) == ("lullaby", True, False)


@pytest.mark.parametrize("excel_safe", [False, True])
def test_a_table_with_any_name_is_read_back(organize, faked, music: Path, tmp_path: Path, excel_safe: bool) -> None:
    names = {"a\rb.wav", "c\nd.wav", 'e"f,g.wav', "plain.wav"}
    helpers.touch(*(music / name for name in names))
    table = tmp_path / "table.csv"
    organize(csv=table, excel_safe=excel_safe)
    with table.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert {len(row) for row in rows} == {len(header)}
    assert {row[0] for row in rows} == names
    assert set(pd.read_csv(table, keep_default_na=False)["path"]) == names
