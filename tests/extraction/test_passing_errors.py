"""What may pass does not stick, and what cannot be read at the moment does not vanish."""

from __future__ import annotations

import csv
import errno
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import extraction_helpers as helpers
import extraction_work
import pytest
import soundfile

from audio_genre.errors import ExtractionError, UnreadableError
from audio_genre.extraction import clip, extract, run
from audio_genre.extraction.journal import Journal
from audio_genre.files.walk import find_clips

CODES = [errno.EIO, errno.EACCES, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ETIMEDOUT]


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    for name in ("a/x.wav", "b/y.wav"):
        helpers.write_clip(tmp_path / "audio" / name)
    return tmp_path / "audio"


def failures(out_dir: Path) -> dict[str, str]:
    with (out_dir / "failures.csv").open(newline="", encoding="utf-8") as file:
        return dict(list(csv.reader(file))[1:])


@contextmanager
def faulty(monkeypatch: pytest.MonkeyPatch, place: str, error: Exception) -> Iterator[list[str]]:
    """Have one step of extracting ``b/y.wav`` fail, once, and tell whether it came to that."""
    import audio_genre.audio
    import audio_genre.dsp.matrix
    import audio_genre.dsp.picture

    module, name = {
        "hash": (audio_genre.audio, "content_hash"),
        "open": (audio_genre.audio, "iter_windows"),
        "compute": (audio_genre.dsp.matrix, "window_features"),
        "draw": (audio_genre.dsp.picture, "encode_picture"),
    }[place]
    whole = getattr(module, name)
    met: list[str] = []
    calls = 0

    def fail(*arguments: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:  # the second clip
            met.append(name)
            raise error
        return whole(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, fail)
        yield met


def system_error(code: int) -> OSError:
    return OSError(code, os.strerror(code))


@pytest.mark.parametrize(
    ("place", "error"),
    [
        *(("open", system_error(code)) for code in CODES),
        *((place, system_error(errno.EIO)) for place in ("hash", "compute", "draw")),
        *((place, MemoryError()) for place in ("hash", "open", "compute", "draw")),
        ("open", UnreadableError("y", "cannot be read")),
        ("compute", RuntimeError("what no one foresaw")),
    ],
    ids=str,
)
def test_a_passing_error_is_tried_again(
    place: str, error: Exception, audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty(monkeypatch, place, error) as met:
        report = extract(audio, tmp_path / "out", jobs=1)
    assert met
    assert (report.extracted, report.failed) == (1, 1)
    assert set(failures(tmp_path / "out")) == {"b/y.wav"}
    report = extract(audio, tmp_path / "out", jobs=1)
    assert (report.already_done, report.extracted, report.failed) == (1, 1, 0)
    assert failures(tmp_path / "out") == {}


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_a_picture_that_cannot_be_opened_at_the_moment_is_one_clip_s(
    code: int, audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, data: bytes) -> int:
        monkeypatch.undo()
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "write_bytes", fail)
    report = extract(audio, tmp_path / "out", jobs=1)
    assert (report.extracted, report.failed) == (1, 1)
    assert failures(tmp_path / "out") == {
        "a/x.wav": f"could not be finished: no picture can be written ({os.strerror(code)})"
    }
    assert extract(audio, tmp_path / "out", jobs=1).extracted == 1


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_no_file_stays_open(tmp_path: Path) -> None:
    for k in range(3):
        helpers.write_clip(tmp_path / f"audio/good{k}.wav")
        (tmp_path / f"audio/bad{k}.wav").write_text("no audio " * 99)
        (tmp_path / f"audio/cut{k}.wav").write_bytes((tmp_path / f"audio/good{k}.wav").read_bytes()[:70000])
        (tmp_path / f"audio/none{k}.wav").touch()
    extract(tmp_path / "audio", tmp_path / "out", jobs=1, limit=1)
    before = len(list(Path("/proc/self/fd").iterdir()))
    extract(tmp_path / "audio", tmp_path / "out", jobs=1)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("kind", ["oserror", "memory", "odd", "system"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_errors_in_workers_pass_too(
    kind: str, jobs: int, audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / kind).touch()  # the work fails as long as it is there
    monkeypatch.setattr(run, "extract_clip", partial(extraction_work.fail_while, tmp_path / kind))
    report = extract(audio, tmp_path / "out", jobs=jobs, images=False)
    assert (report.extracted, report.failed) == (0, 2)
    (tmp_path / kind).unlink()
    report = extract(audio, tmp_path / "out", jobs=jobs, images=False)
    assert (report.extracted, report.failed) == (2, 0)


def test_rows_stay_while_their_file_cannot_be_read(
    audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    extract(audio, out, jobs=1)
    before = helpers.without_failures(out)
    whole = helpers.outputs(out)
    state = (audio / "b/y.wav").stat()
    for path in (audio / "a/x.wav", audio / "b/y.wav"):
        os.utime(path, ns=(1, 1))
    with faulty(monkeypatch, "hash", OSError(errno.ESTALE, "Stale file handle")):
        report = extract(audio, out, jobs=1)
    assert (report.planned, report.failed, report.dropped) == (2, 1, 0)
    assert failures(out) == {"b/y.wav": "cannot be read: Stale file handle"}
    assert helpers.without_failures(out) == before
    # As it was before, it need not be read at all.
    os.utime(audio / "b/y.wav", ns=(state.st_atime_ns, state.st_mtime_ns))
    recorder = helpers.Recorder()
    report = extract(audio, out, jobs=1, progress=recorder)
    assert (report.already_done, report.failed, recorder.paths) == (2, 0, [])
    assert helpers.outputs(out) == whole


def test_a_changed_file_that_is_bad_now_loses_its_rows(audio: Path, tmp_path: Path) -> None:
    extract(audio, tmp_path / "out", jobs=1)
    (audio / "b/y.wav").write_bytes(b"")
    report = extract(audio, tmp_path / "out", jobs=1)
    assert report.rows["features_30_sec.csv"] == 1
    assert failures(tmp_path / "out") == {"b/y.wav": "is empty (0 bytes)"}


def test_a_clip_that_kills_is_tried_twice(audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "extract_clip", extraction_work.die_of_y)
    reasons = []
    for _ in range(3):
        recorder = helpers.Recorder()
        report = extract(audio, tmp_path / "out", jobs=2, images=False, progress=recorder)
        reasons += recorder.failures.values()
        assert report.failed == 1
    assert reasons == [
        "could not be finished: its worker process died (signal 9, SIGKILL), for lack of memory perhaps; the next run "
        "tries again",
        "could not be finished: its worker process died (signal 9, SIGKILL), 2 times now; it is skipped until it "
        "changes or --retry-failed is given",
    ]
    assert failures(tmp_path / "out") == {"b/y.wav": reasons[1]}
    monkeypatch.undo()
    assert extract(audio, tmp_path / "out", jobs=2, images=False).extracted == 0
    assert extract(audio, tmp_path / "out", jobs=2, images=False, retry_failed=True).extracted == 1


def test_retry_failed_tries_what_did_not_change(audio: Path, tmp_path: Path) -> None:
    (audio / "b/z.wav").write_text("no audio")
    out = tmp_path / "out"
    extract(audio, out, jobs=1, images=False)
    recorder = helpers.Recorder()
    assert extract(audio, out, jobs=1, images=False, progress=recorder).todo == 0
    report = extract(audio, out, jobs=1, images=False, retry_failed=True, progress=recorder)
    assert (report.todo, report.already_done, set(recorder.failures)) == (1, 2, {"b/z.wav"})
    assert recorder.notes == ["Done again, because it failed and a retry was requested: 1 clip."]


def test_another_decoder_gets_its_try(audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (audio / "b/z.wav").write_text("no audio")
    (audio / "b/z.m4a").write_text("no audio")
    out = tmp_path / "out"
    extract(audio, out, jobs=1, images=False)
    monkeypatch.setattr(run, "decoder_versions", lambda: "another")
    recorder = helpers.Recorder()
    assert extract(audio, out, jobs=1, images=False, limit=1).todo == 0
    report = extract(audio, out, jobs=1, images=False, progress=recorder)
    assert (report.todo, set(recorder.failures)) == (2, {"b/z.wav", "b/z.m4a"})
    assert extract(audio, out, jobs=1, images=False).todo == 0


def test_versions_of_decoders_name_libsndfile() -> None:
    assert soundfile.__libsndfile_version__ in clip.decoder_versions()


def test_a_journal_of_the_version_before(audio: Path, tmp_path: Path) -> None:
    """Format 2 without the table of troubles, with errors that stuck."""
    out = tmp_path / "out"
    extract(audio, out, jobs=1)
    whole = helpers.outputs(out)
    journal = sqlite3.connect(out / ".audio-genre/journal.sqlite")
    with journal:
        journal.execute("DROP TABLE troubles")
        journal.execute("DELETE FROM notes WHERE name = 'decoders'")
        journal.execute(
            "UPDATE clips SET reason = 'cannot be decoded: System error', clip_rows = NULL, pictures = '[]' "
            "WHERE path = CAST('b/y.wav' AS BLOB)"
        )
    journal.close()
    recorder = helpers.Recorder()
    extract(audio, out, jobs=1, progress=recorder)
    assert recorder.paths == ["b/y.wav"]
    assert helpers.outputs(out) == whole


@pytest.mark.parametrize("how", ["stat", "list"])
@pytest.mark.parametrize("code", [*CODES, errno.ENAMETOOLONG, errno.ENOTCONN])
@pytest.mark.parametrize("folder", ["a", "b", "b/deep"])
def test_nothing_below_a_folder_that_fails_is_dropped(
    folder: str, code: int, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio, out = tmp_path / "audio", tmp_path / "out"
    for name in ("a/x.wav", "b/deep/y.wav", "b/gone.wav", "c/z.wav"):
        helpers.touch(audio / name)
    monkeypatch.setattr(run, "extract_clip", extraction_work.quick)
    extract(audio, out, jobs=1)
    before, whole = helpers.without_failures(out), helpers.outputs(out)
    recorder = helpers.Recorder()
    with helpers.hidden(audio / folder, code, how):
        report = extract(audio, out, jobs=1, progress=recorder)
    assert (report.planned, report.dropped, report.failed) == (4, 0, 1)
    below = 2 if folder == "b" else 1
    stay = "1 clip of an earlier run in it stays" if below == 1 else "2 clips of an earlier run in it stay"
    assert failures(out) == {f"{folder}/": f"cannot be read: {os.strerror(code)}; {stay}"}
    assert len(recorder.notes) == 1
    assert helpers.without_failures(out) == before
    assert extract(audio, out, jobs=1).already_done == 4
    assert helpers.outputs(out) == whole


def test_what_is_certainly_gone_is_dropped_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audio, out = tmp_path / "audio", tmp_path / "out"
    for name in ("a/x.wav", "b/y.wav", "b/z.wav"):
        helpers.touch(audio / name)
    monkeypatch.setattr(run, "extract_clip", extraction_work.quick)
    extract(audio, out, jobs=1)
    (audio / "b/z.wav").unlink()
    with helpers.hidden(audio / "a", errno.ESTALE):
        report = extract(audio, out, jobs=1)
    assert (report.planned, report.dropped, report.failed) == (2, 1, 1)


def test_a_folder_above_that_may_not_be_searched(ordinary_user: Path) -> None:
    """Mode 644: names can be listed, and nothing that they name can be looked at."""
    audio, out = ordinary_user / "audio", ordinary_user / "out"
    helpers.write_clip(audio / "up/a/x.wav")
    helpers.write_clip(audio / "up/y.wav")
    helpers.write_clip(audio / "z/z.wav")
    extract(audio, out, jobs=1)
    before, whole = helpers.without_failures(out), helpers.outputs(out)
    (audio / "up").chmod(0o644)
    report = extract(audio, out, jobs=1)
    (audio / "up").chmod(0o755)
    assert (report.planned, report.dropped) == (3, 0)
    assert failures(out) == {
        "up/a/": "cannot be read: Permission denied; 1 clip of an earlier run in it stays",
        "up/y.wav": "cannot be read: Permission denied",
    }
    assert helpers.without_failures(out) == before
    assert extract(audio, out, jobs=1).already_done == 3
    assert helpers.outputs(out) == whole


def test_a_path_that_is_too_long(tmp_path: Path) -> None:
    helpers.write_clip(tmp_path / "audio/a/x.wav")
    here = os.open(tmp_path / "audio/a", os.O_RDONLY)
    try:
        for _ in range(20):
            os.mkdir("d" * 240, dir_fd=here)
            below = os.open("d" * 240, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
    finally:
        os.close(here)
    report = extract(tmp_path / "audio", tmp_path / "out", jobs=1, images=False)
    assert (report.extracted, report.failed) == (1, 1)
    ((path, reason),) = failures(tmp_path / "out").items()
    assert path.startswith("a/ddd")
    assert reason == "cannot be read: File name too long"


def test_a_disk_that_is_not_mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that leads nowhere, or an empty folder, stands where clips were."""
    audio, out = tmp_path / "audio", tmp_path / "out"
    for name in ("link/x.wav", "mount/y.wav", "mount/z.wav", "here/z.wav"):
        helpers.touch(audio / name)
    (audio / "always_empty").mkdir()
    monkeypatch.setattr(run, "extract_clip", extraction_work.quick)
    extract(audio, out, jobs=1)
    before = helpers.without_failures(out)
    (audio / "link").rename(tmp_path / "elsewhere")
    (audio / "link").symlink_to(tmp_path / "nowhere")
    for name in ("y.wav", "z.wav"):
        (audio / "mount" / name).unlink()
    report = extract(audio, out, jobs=1)
    assert (report.planned, report.dropped, report.failed) == (4, 0, 2)
    assert failures(out) == {
        "link": "cannot be read: it is a link that leads nowhere; 1 clip of an earlier run in it stays",
        "mount/": "is empty; 2 clips of an earlier run in it stay, remove the folder if they are gone",
    }
    assert helpers.without_failures(out) == before
    (audio / "mount").rmdir()
    (audio / "link").unlink()
    report = extract(audio, out, jobs=1)
    assert (report.planned, report.dropped, report.failed) == (1, 3, 0)


def test_an_audio_folder_without_any_of_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audio, out = tmp_path / "audio", tmp_path / "out"
    for name in ("a/x.wav", "b/y.wav"):
        helpers.touch(audio / name)
    monkeypatch.setattr(run, "extract_clip", extraction_work.quick)
    extract(audio, out, jobs=1)
    before = helpers.outputs(out)
    audio.rename(tmp_path / "elsewhere")
    audio.mkdir()
    with pytest.raises(ExtractionError, match=r"what an earlier run extracted is kept"):
        extract(audio, out, jobs=1)
    helpers.touch(audio / "a/other.wav")
    with pytest.raises(ExtractionError, match=r"None of the 2 clips .* exists any more; check that all disks are"):
        extract(audio, out, jobs=1)
    assert helpers.outputs(out) == before
    report = extract(audio, out, jobs=1, restart=True)
    assert (report.planned, report.extracted) == (1, 1)


def test_a_file_that_never_worked_does_not_stand_for_those_that_are_gone(tmp_path: Path) -> None:
    audio, out = tmp_path / "audio", tmp_path / "out"
    helpers.write_clip(audio / "a/good.wav")
    (audio / "a/bad.wav").write_bytes(b"no audio")
    report = extract(audio, out, jobs=1)
    assert (report.extracted, report.failed) == (1, 1)
    before = helpers.outputs(out)
    (audio / "a/good.wav").unlink()
    with pytest.raises(ExtractionError, match=r"None of the 1 clip .* exists any more; check that all disks are"):
        extract(audio, out, jobs=1)
    assert helpers.outputs(out) == before
    report = extract(audio, out, jobs=1, restart=True)
    assert (report.extracted, report.failed) == (0, 1)


def test_an_audio_folder_that_nothing_can_be_read_of(tmp_path: Path) -> None:
    helpers.touch(tmp_path / "audio/a/x.wav")
    sentence = r"No audio files can be read in .*: a/ cannot be read: Input/output error; check the permissions"
    with helpers.hidden(tmp_path / "audio/a", errno.EIO), pytest.raises(ExtractionError, match=sentence):
        extract(tmp_path / "audio", tmp_path / "out", jobs=1)


def test_the_limit_counts_what_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audio, out = tmp_path / "audio", tmp_path / "out"
    for name in ("a/x.wav", "a/y.wav", "b/z.wav"):
        helpers.touch(audio / name)
    monkeypatch.setattr(run, "extract_clip", extraction_work.quick)
    extract(audio, out, jobs=1)
    with helpers.hidden(audio / "a", errno.EIO):
        assert extract(audio, out, jobs=1, limit=2).planned == 2


def test_swapped_picture_names_are_kept_apart(tmp_path: Path) -> None:
    """A clip whose picture gets another name is not done again, and no picture ends under another clip's name."""
    audio, out = tmp_path / "audio", tmp_path / "out"
    helpers.write_clip(audio / "a/x.wav", seed=1)
    extract(audio, out, jobs=1)
    picture = (out / "images_original/a/x.png").read_bytes()
    helpers.write_clip(audio / "a/x.flac", seed=2)
    recorder = helpers.Recorder()
    extract(audio, out, jobs=1, progress=recorder)
    assert recorder.paths == ["a/x.flac"]
    assert (out / "images_original/a/x.wav.png").read_bytes() == picture
    assert not (out / "images_original/a/x.png").exists()
    (audio / "a/x.wav").unlink()
    flac = (out / "images_original/a/x.flac.png").read_bytes()
    recorder = helpers.Recorder()
    extract(audio, out, jobs=1, progress=recorder)
    assert recorder.paths == []
    assert {path.name: path.read_bytes() for path in (out / "images_original/a").iterdir()} == {"x.png": flac}


def test_a_picture_that_two_clips_claim_is_made_again(tmp_path: Path) -> None:
    audio, out = tmp_path / "audio", tmp_path / "out"
    helpers.write_clip(audio / "a/x.wav", seed=1)
    helpers.write_clip(audio / "a/y.wav", seed=2)
    extract(audio, out, jobs=1)
    whole = helpers.outputs(out)
    db = sqlite3.connect(out / ".audio-genre/journal.sqlite")
    with db:
        db.execute("""UPDATE clips SET pictures = '["a/x.png"]'""")
    db.close()
    recorder = helpers.Recorder()
    extract(audio, out, jobs=1, progress=recorder)
    assert recorder.paths == ["a/y.wav"]
    assert helpers.outputs(out) == whole


def test_reasons_need_not_be_valid_text(tmp_path: Path) -> None:
    helpers.touch(tmp_path / "audio/a/x.wav")
    (planned,) = find_clips(tmp_path / "audio", unreadable=pytest.fail)
    with Journal(None) as journal:
        journal.add_to_plan(planned, todo=True)
        journal.record_trouble(planned, "cannot be processed: \udcff")
        assert list(journal.failures()) == [("a/x.wav", "cannot be processed: \\udcff")]


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.ESTALE, errno.EMFILE, errno.ENOMEM])
@pytest.mark.parametrize("nth", range(1, 6))
def test_an_open_that_fails_once_passes(code: int, nth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever opening of the file it is, by Python or by a decoder."""
    path = helpers.write_clip(tmp_path / "audio/a/x.wav")
    opened = count_opens(path, monkeypatch, fail_at=nth, error=OSError(code, os.strerror(code)))
    report = extract(tmp_path / "audio", tmp_path / "out", jobs=1, images=False)
    assert report.failed == (nth <= len(opened))
    assert report.failed or nth > 2
    monkeypatch.undo()
    report = extract(tmp_path / "audio", tmp_path / "out", jobs=1, images=False)
    assert (report.failed, report.rows["features_30_sec.csv"]) == (0, 1)


def count_opens(path: Path, monkeypatch: pytest.MonkeyPatch, *, fail_at: int, error: OSError) -> list[str]:
    """Have the so-manieth opening of a file fail; libsndfile says "System error" of it, without the number."""
    opened: list[str] = []
    python, decoder = Path.open, soundfile.SoundFile.__init__

    def by_python(self: Path, *arguments: object, **options: object) -> object:
        if self == path:
            opened.append("python")
            if len(opened) == fail_at:
                raise error
        return python(self, *arguments, **options)

    def by_decoder(self: soundfile.SoundFile, *arguments: object, **options: object) -> None:
        opened.append("decoder")
        if len(opened) == fail_at:
            raise soundfile.LibsndfileError(2)
        decoder(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", by_python)
    monkeypatch.setattr(soundfile.SoundFile, "__init__", by_decoder)
    return opened
