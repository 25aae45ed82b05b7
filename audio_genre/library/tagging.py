"""Tags into users' files, so that a crash spoils none, and out of them again, so that every byte is as it was.

A file is never written to. Its copy gets the tag, is proven to give the former bytes back, and takes the file's place
in one step of the file system; the database knows before and after that step what to expect.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from audio_genre.errors import AudioGenreError
from audio_genre.files.storage import NO_SPACE_CODES, NoSpaceError
from audio_genre.library.database import Database
from audio_genre.library.delta import apply_delta, make_delta
from audio_genre.library.records import Entry, FileState, TagRecord
from audio_genre.library.spelling import same_genre, usual_spelling
from audio_genre.library.tags import TagError, read_genres, write_genre

_MAX_NEW_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Tagger:
    """Writes genres into the files of a library and takes them back.

    Attributes
    ----------
    music_dir : Path
        The library's folder, free of links.
    database : Database
        Keeps what each file had before.
    apply : bool
        Whether to write, and not only find out what would be written.
    """

    music_dir: Path
    database: Database
    apply: bool

    def write(
        self, entry: Entry, *, overwrite: bool, overwrite_confidence: float = 0.0
    ) -> Literal["written", "unchanged", "has_genre", "held_back"]:
        """Write a file's genre, in its usual spelling, into its tag."""
        assert entry.answer is not None
        file, status = self._writable(entry.path)
        if (status.st_size, status.st_mtime_ns) != (entry.answer.size, entry.answer.mtime_ns):
            raise TagError("was changed after it was classified; run the same command again")
        genre = usual_spelling(entry.genre)
        with _of_this_file():
            genres = read_genres(file)
            if genres and all(same_genre(found, genre) for found in genres):
                return "unchanged"
            if genres and not overwrite:
                return "has_genre"
            if genres and not entry.by_hand and entry.answer.confidence < overwrite_confidence:
                return "held_back"
            if self.apply:
                self._write(entry.path, genre, file, status)
        return "written"

    def undo(self, path: str) -> None:
        """Give a file back as it was before its first tag was written."""
        expected = None
        with _of_this_file():
            for record in self.database.tags(path):
                file, status = self._writable(path)
                present = expected or _state(file, status)
                if record.after is None or present.sha256 != record.after.sha256:
                    raise TagError("was changed after its tag was written, so it is left as it is")
                if self.apply:
                    self._undo(record, file, status)
                else:
                    expected = record.before

    def recover(self) -> None:
        """Bring to an end what was under way when a run ended early."""
        for record in self.database.unsettled_tags():
            self._settle(record)

    def _write(self, path: str, genre: str, file: Path, status: os.stat_result) -> None:
        before = _state(file, status)
        part = _part(file)
        number = self.database.begin_tag(path, genre, part.name, before)
        with _Settled(self, path, number, file):
            shutil.copyfile(file, part)
            write_genre(part, genre)
            _give_rights(file, status, part, mtime_ns=time.time_ns())
            _refuse_changed(file, status)
            delta = make_delta(file, part, most_new=_MAX_NEW_BYTES)
            if delta is None or _former_hash(part, delta) != before.sha256:
                raise TagError("could not be restored exactly after writing a tag")
            self.database.ready_tag(number, _state(part, part.stat()), delta)
            _replace(part, file, status)
            self.database.settle_tag(number)

    def _undo(self, record: TagRecord, file: Path, status: os.stat_result) -> None:
        part = _part(file)
        self.database.begin_undo(record.number, part.name)
        with _Settled(self, record.path, record.number, file):
            with part.open("wb") as target:
                apply_delta(file, record.delta, target.write)
            # What was restored is the former file, down to its time stamp.
            _give_rights(file, status, part, mtime_ns=record.before.mtime_ns)
            if _state(part, part.stat()).sha256 != record.before.sha256:
                raise TagError("cannot be restored, because the backup of its old tags is damaged")
            _replace(part, file, status)
            self.database.end_tag(record.number)

    def _settle(self, record: TagRecord) -> None:
        """Find out on which side of its one step a record's file is."""
        file = self.music_dir / record.path
        with suppress(OSError):
            file.with_name(record.part).unlink(missing_ok=True)
        try:
            present = _state(file, file.stat()).sha256
        except OSError:
            present = None
        if record.after is None or present == record.before.sha256:
            self.database.end_tag(record.number)
        elif present == record.after.sha256:
            self.database.settle_tag(record.number)
        else:
            self.database.keep_tag(record.number)

    def _writable(self, path: str) -> tuple[Path, os.stat_result]:
        """Return a file that may be replaced."""
        file = self.music_dir / path
        try:
            status = file.lstat()
        except OSError as error:
            raise TagError(f"cannot be read: {error.strerror}") from None
        if os.path.realpath(file) != str(file):
            raise TagError("is reached through a link; tags are written to files under their own names")
        if not stat.S_ISREG(status.st_mode):
            raise TagError("is not a regular file")
        if status.st_nlink > 1:
            raise TagError(f"has {status.st_nlink} names (hard links), which writing a tag would separate")
        if not status.st_mode & 0o222 or not os.access(file, os.W_OK):
            raise TagError("is read-only")
        if not os.access(file.parent, os.W_OK):
            raise TagError("lies in a folder that cannot be written to")
        return file, status


class _Settled:
    """Leaves a file and its record in agreement, however the context ends."""

    def __init__(self, tagger: Tagger, path: str, number: int, file: Path) -> None:
        self._tagger, self._path, self._number, self._file = tagger, path, number, file

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if error is None:
            return
        for record in self._tagger.database.tags(self._path):
            if record.number == self._number:
                self._tagger._settle(record)
        if isinstance(error, OSError):
            if error.errno in NO_SPACE_CODES:
                raise NoSpaceError(self._file, error.errno or errno.ENOSPC) from None
            raise TagError(f"cannot be written: {error.strerror or error}") from None


@contextmanager
def _of_this_file() -> Iterator[None]:
    """Have any error that is not the whole run's be the error of this file alone."""
    try:
        yield
    except (TagError, AudioGenreError):
        raise
    except OSError as error:
        raise TagError(f"cannot be read or written: {error.strerror or type(error).__name__}") from None
    except Exception as error:
        raise TagError(f"cannot be tagged because of an unexpected error ({type(error).__name__})") from None


def _part(file: Path) -> Path:
    # Hidden, so that no player takes it for music; the suffix tells mutagen the format.
    return file.with_name(f".audio-genre-{uuid.uuid4().hex[:16]}.part{file.suffix}")


def _state(file: Path, status: os.stat_result) -> FileState:
    with file.open("rb") as opened:
        return FileState(hashlib.file_digest(opened, "sha256").hexdigest(), status.st_size, status.st_mtime_ns)


def _former_hash(present: Path, delta: bytes) -> str:
    digest = hashlib.sha256()
    apply_delta(present, delta, digest.update)
    return digest.hexdigest()


def _give_rights(file: Path, status: os.stat_result, part: Path, *, mtime_ns: int) -> None:
    """Give a copy the owner, permissions and attributes of the file, and have it on the disk."""
    if hasattr(os, "chown"):
        mine = part.stat()
        if (mine.st_uid, mine.st_gid) != (status.st_uid, status.st_gid):
            try:
                os.chown(part, status.st_uid, status.st_gid)
            except PermissionError:
                raise TagError("belongs to another user or group, which a copy would not") from None
    shutil.copystat(file, part)
    os.utime(part, ns=(status.st_atime_ns, mtime_ns))
    with part.open("rb+") as opened:
        os.fsync(opened.fileno())


def _refuse_changed(file: Path, status: os.stat_result) -> None:
    now = file.lstat()
    if (now.st_ino, now.st_size, now.st_mtime_ns) != (status.st_ino, status.st_size, status.st_mtime_ns):
        raise TagError("was changed by another program in the meantime; run the same command again")


def _replace(part: Path, file: Path, status: os.stat_result) -> None:
    _refuse_changed(file, status)
    part.replace(file)
    if os.name == "posix":
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
