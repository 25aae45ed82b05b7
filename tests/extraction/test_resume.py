"""Runs that end early, in whatever way, lose what was in flight and nothing else."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import extraction_helpers as helpers
import process_helpers
import pytest

from audio_genre.errors import ExtractionError
from audio_genre.extraction import extract
from audio_genre.files.storage import storage_error

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def test_killed_parent(music: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    with process_helpers.start(helpers.REPORTER, music, tmp_path, 2) as process:
        done = set(helpers.read_lines(process, 4))
        workers = process_helpers.workers_of(process.pid)
        process.kill()
    process_helpers.wait_until_gone(workers, seconds=2)
    assert helpers.outputs(tmp_path).keys() <= {name for name in expected if name.endswith(".png")}
    recorder = helpers.Recorder()
    report = extract(music, tmp_path, jobs=1, progress=recorder)
    assert not done & set(recorder.paths)
    assert 4 <= report.already_done < 12
    assert helpers.outputs(tmp_path) == expected
    assert list((tmp_path / ".audio-genre" / "unfinished").iterdir()) == []


def test_killed_worker(music: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    class Killer(helpers.Recorder):
        def done(self, path: str) -> None:
            super().done(path)
            if len(self.paths) == 2:
                helpers.kill(process_helpers.workers_of(os.getpid())[0])

    killer = Killer()
    report = extract(music, tmp_path, jobs=2, progress=killer)
    assert (report.extracted, report.failed) == (11, 1)
    ((path, reason),) = killer.failures.items()
    assert reason.startswith("could not be finished: its worker process died (signal 9, SIGKILL)")
    assert path in report.failures.read_text()

    recorder = helpers.Recorder()
    report = extract(music, tmp_path, jobs=2, progress=recorder)
    assert recorder.paths == [path]
    assert recorder.notes == ["Done again, because it could not be read or finished the last time: 1 clip."]
    assert (report.extracted, report.failed) == (1, 0)
    assert helpers.outputs(tmp_path) == expected


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c(jobs: int, music: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    with process_helpers.start(helpers.REPORTER, music, tmp_path, jobs) as process:
        helpers.read_lines(process, 2)
        workers = process_helpers.workers_of(process.pid)
        started = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=10) == 130
        assert time.monotonic() - started < 2
        assert process.stderr is not None
        assert process.stderr.read() == ""
    process_helpers.wait_until_gone(workers, seconds=1)
    report = extract(music, tmp_path, jobs=1)
    assert 2 <= report.already_done < 12
    assert helpers.outputs(tmp_path) == expected


def test_ctrl_c_leaves_the_old_tables(music: Path, tmp_path: Path) -> None:
    class Interrupter(helpers.Recorder):
        def done(self, path: str) -> None:
            raise KeyboardInterrupt

    extract(music, tmp_path, jobs=1, limit=2)
    before = helpers.outputs(tmp_path)
    # A notebook holds on to the traceback, and to all that hangs on it, while the next cell runs.
    with pytest.raises(KeyboardInterrupt) as interrupted:
        extract(music, tmp_path, jobs=1, limit=6, progress=Interrupter())
    after = helpers.outputs(tmp_path)
    assert {name: after[name] for name in before} == before
    assert extract(music, tmp_path, jobs=1, limit=6).already_done == 3
    assert interrupted.tb is not None


def test_an_interrupted_run_leaves_no_workers(music: Path, tmp_path: Path) -> None:
    class Interrupter(helpers.Recorder):
        def done(self, path: str) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as interrupted:
        extract(music, tmp_path, jobs=2, progress=Interrupter())
    assert process_helpers.workers_of(os.getpid()) == []
    assert interrupted.tb is not None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("images", [True, False])
def test_full_disk(jobs: int, images: bool, music: Path, small_disk: Path, tmp_path: Path) -> None:
    if not images:
        # What is left is enough to begin with.
        (small_disk / "ballast").write_bytes(bytes(270_000))
    out = small_disk / "out"
    with pytest.raises(
        ExtractionError, match=r"No space is left in .*clips? .* kept in the journal; free some"
    ) as error:
        extract(music, out, jobs=jobs, images=images)
    kept = int(str(error.value).split(": ")[1].split()[0])
    assert 0 < kept < 12
    assert not (out / "features_30_sec.csv").exists()
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    report = extract(music, out, jobs=jobs, images=images)
    assert report.already_done == kept
    undisturbed = extract(music, tmp_path / "undisturbed", jobs=1, images=images)
    assert helpers.outputs(out) == helpers.outputs(undisturbed.out_dir)


def test_disk_that_is_full_from_the_start(music: Path, small_disk: Path) -> None:
    (small_disk / "out").mkdir()
    with pytest.raises(OSError, match=r"No space"):
        (small_disk / "ballast").write_bytes(bytes(500_000))
    with pytest.raises(ExtractionError, match=r"No space is left") as error:
        extract(music, small_disk / "out", jobs=1)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("limit", [20_000, 50_000, 100_000])
def test_size_limit_of_files(limit: int, music: Path, tmp_path: Path) -> None:
    code = """
import resource, sys
from audio_genre.errors import ExtractionError
from audio_genre.extraction import extract
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
try:
    extract(sys.argv[1], sys.argv[2], jobs=1, images=False)
except ExtractionError as error:
    print(error)
"""
    # The limit would be in the way of coverage too.
    with process_helpers.start(code, music, tmp_path, limit, measured=False) as process:
        output, errors = process.communicate(timeout=60)
    assert errors == ""
    assert re.fullmatch(
        r"No space is left .* \(File too large\).*; raise the limit on the size of a file,? and run the same command "
        r"again\.\n",
        output,
    )
    assert extract(music, tmp_path, jobs=1, images=False).extracted <= 12


def test_an_error_of_the_disk_is_not_taken_for_lack_of_space(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
        raise error

    monkeypatch.setattr("audio_genre.extraction.journal.encoded_name", fail)
    with pytest.raises(ExtractionError, match=r"cannot be used \(disk I/O error\); check the disk"):
        extract(music, tmp_path, jobs=1)


def test_one_clip_is_kept(music: Path, tmp_path: Path) -> None:
    class Filler(helpers.Recorder):
        def done(self, path: str) -> None:
            raise storage_error(OSError(errno.ENOSPC, "No space left on device"), tmp_path)

    with pytest.raises(ExtractionError, match=r": 1 clip is kept in the journal; free some space and run the same"):
        extract(music, tmp_path, jobs=1, images=False, progress=Filler())
