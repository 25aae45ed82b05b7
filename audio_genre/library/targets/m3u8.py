"""Answers to m3u8 playlists: names, lines, and what may be written over."""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Literal

from audio_genre.errors import LibraryError
from audio_genre.files.storage import atomic_file, storage_error
from audio_genre.library.database import Database
from audio_genre.library.plan import Change, Held
from audio_genre.library.records import Entry, PlaylistRecord
from audio_genre.library.report import PlaylistReport
from audio_genre.library.targets.target import Target, register

SUFFIX = ".m3u8"

_HEADER = "#EXTM3U"
_STAGING = ".audio-genre"
_MAX_BYTES = 100
_NOT_IN_NAMES = frozenset('<>:"/\\|?*')
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{k}" for port in ("com", "lpt") for k in "0123456789¹²³")})


def playlist_names(genres: Iterable[str]) -> dict[str, str]:
    """Name the playlists of genres, in a way that all file systems take and that no two share.

    Examples
    --------
    >>> playlist_names(["jazz", "drum & bass"])
    {'jazz': 'jazz.m3u8', 'drum & bass': 'drum & bass.m3u8'}
    >>> playlist_names(["R/B"])
    {'R/B': 'R_B-653b4051.m3u8'}
    """
    plain = {genre: _plain(genre) for genre in genres}
    shared = Counter(_same_name(name) for name in plain.values())
    names = {}
    for genre, name in plain.items():
        is_own = name == genre and shared[_same_name(name)] == 1
        digest = hashlib.sha256(genre.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        names[genre] = f"{name}{'' if is_own else f'-{digest}'}{SUFFIX}"
    return names


def playlist_text(entries: Iterable[Entry], music_dir: Path, folder: Path) -> tuple[str, int, list[str]]:
    r"""Write down a playlist.

    Examples
    --------
    >>> playlist_text([Entry("a/x.wav", "jazz")], Path("/music"), Path("/music/playlists"))
    ('#EXTM3U\n#EXTINF:-1,x\n../a/x.wav\n', 1, [])
    """
    rows = []
    left_out = []
    try:
        # Found out once: a library may have a million files.
        base = os.path.relpath(music_dir, folder).replace(os.sep, "/")
    except ValueError:  # on another drive of Windows
        base = music_dir.as_posix()
    base = "" if base == "." else f"{base}/"
    for entry in entries:
        if not _is_line(entry.path):
            left_out.append(entry.path)
            continue
        location = base + entry.path
        # A comment, a blank that players strip, or what they take for an address.
        if location[0] in "#" or location[0].isspace() or ":" in location.partition("/")[0]:
            location = location if Path(location).is_absolute() else f"./{location}"
        seconds = None if entry.answer is None else entry.answer.seconds
        title = (entry.answer and entry.answer.full_title) or PurePosixPath(entry.path).stem
        rows.append(f"#EXTINF:{-1 if seconds is None else round(seconds)},{_one_line(title)}\n{location}")
    return _text(rows), len(rows), left_out


@register
class FolderTarget(Target):
    """Playlists in one folder; what else lies there is never written over.

    What it calls a song is its lines in a playlist, so that a new title is a change too.
    """

    name = "m3u8"
    title = "m3u8 playlists in a folder"

    def __init__(self, folder: Path, music_dir: Path, database: Database, *, apply: bool) -> None:
        self._folder, self._music_dir, self._database, self._apply = folder, music_dir, database, apply

    def held(self, genre: str) -> Held:
        """Return what the playlist of a genre has; all of one that this program wrote is its own."""
        path = self._path(genre)
        there = _digest(path)
        if there is None or there not in self._own(path):
            return Held()
        rows = _rows(path.read_text(encoding="utf-8"))
        return Held(rows, frozenset(rows))

    def add(self, genre: str, keys: Sequence[str]) -> None:
        """Add songs at the end of the playlist of a genre."""
        self._put(genre, (*self.held(genre).rows, *keys))

    def remove(self, genre: str, keys: Sequence[str]) -> None:
        """Remove songs from the playlist of a genre; one without songs is removed."""
        self._put(genre, [key for key in self.held(genre).rows if key not in keys])

    def name_them(self, genres: Iterable[str]) -> list[str]:
        """Say which genres there are, because their names must differ; returns them in the order of their files."""
        self._names = playlist_names(dict.fromkeys(genres))
        return sorted(self._names, key=lambda genre: self._names[genre])

    def write(self, genre: str, entries: Iterator[Entry]) -> tuple[PlaylistReport, list[str]]:
        """Bring the playlist of a genre up to date, in the order of the entries; one without tracks is removed."""
        path = self._path(genre)
        text, count, left_out = playlist_text(entries, self._music_dir, self._folder)
        keys, digest = _rows(text), _hash(text)
        there, own = _digest(path), self._own(path)
        if there is not None and there not in own and (there != digest or not count):
            return PlaylistReport(path, count, "refuse"), left_out
        # A file as it would be written is kept, whoever wrote it.
        change = Change() if there == digest else self.needs(genre, keys, prune=True)
        action: Literal["write", "keep", "remove"] = (
            "keep" if there == digest or (there is None and not count) else "write" if count else "remove"
        )
        if self._apply and action != "keep":
            self._put(genre, keys)
        elif self._apply and count and own != [digest]:
            self._database.write_note(_note(_name(path, self._music_dir)), json.dumps([digest]))
        return PlaylistReport(path, count, action, len(change.add), len(change.remove)), left_out

    def _path(self, genre: str) -> Path:
        return self._folder / self._names[genre]

    def _own(self, path: Path) -> list[str]:
        """Return the hashes of the contents that this program may have given a file."""
        own: list[str] = json.loads(_noted(self._database, self._music_dir, path) or "[]")
        return own

    def _put(self, genre: str, keys: Sequence[str]) -> None:
        """Write a playlist, so that this program knows it again wherever it ends."""
        path = self._path(genre)
        there, own = _digest(path), self._own(path)
        if not keys:
            self._begin(path, own, None, there)
            _remove(path)
            self._settle(path, None, own)
            return
        text = _text(keys)
        digest = _hash(text)
        # Both are known for one's own, so that nothing is taken for a stranger's if this ends between two lines.
        self._begin(path, [digest, *([there] if there else [])], digest, there)
        _put(path, text.encode())
        self._settle(path, digest, [digest])

    def _begin(self, path: Path, own: list[str], after: str | None, there: str | None) -> None:
        made = sum(not os.path.lexists(folder) for folder in path.parents)
        try:
            before = None if there is None else path.read_bytes()
        except OSError as error:
            raise storage_error(error, path) from None
        noted = _noted(self._database, self._music_dir, path)
        record = PlaylistRecord(_name(path, self._music_dir), before, noted, (after, there), made)
        self._database.begin_playlist(record, _note(record.name), json.dumps(own))

    def _settle(self, path: Path, after: str | None, own: list[str]) -> None:
        name = _name(path, self._music_dir)
        self._database.settle_playlist(name, after, _note(name), json.dumps(own))


def _rows(text: str) -> tuple[str, ...]:
    """Return what a playlist has of each song: the line about it, and where it is."""
    lines = text.split("\n")[1:-1]
    return tuple(map("\n".join, zip(lines[::2], lines[1::2], strict=False)))


def _text(rows: Iterable[str]) -> str:
    return "\n".join([_HEADER, *rows, ""])


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def undo_playlist(record: PlaylistRecord, music_dir: Path, database: Database, *, apply: bool) -> PlaylistReport:
    """Give a playlist back as it was before it was first written."""
    path = music_dir / record.name
    there = _digest(path)
    before = None if record.before is None else hashlib.sha256(record.before).hexdigest()
    if there != before and there not in record.after:
        return PlaylistReport(path, 0, "refuse")
    action: Literal["keep", "remove", "restore"] = (
        "keep" if there == before else "remove" if record.before is None else "restore"
    )
    if apply:
        note = _note(record.name)
        if record.before is None:
            _remove(path)
            _sweep(path.parent / _STAGING)
        elif there != before:
            # Known for one's own, also if this ends between two lines.
            database.write_note(note, json.dumps([before, *(digest for digest in record.after if digest)]))
            _put(path, record.before)
        for folder in list(path.parents)[: record.folders_made]:
            with suppress(OSError):
                folder.rmdir()
        database.end_playlist(record, note)
    return PlaylistReport(path, 0, action)


def _put(path: Path, content: bytes) -> None:
    staging = path.parent / _STAGING
    try:
        staging.mkdir(parents=True, exist_ok=True)
        for left_over in staging.glob("*.part"):
            left_over.unlink()
    except OSError as error:
        raise storage_error(error, path.parent) from None
    with atomic_file(path, staging) as file:
        file.write(content)
    _sweep(staging)


def _sweep(staging: Path) -> None:
    with suppress(OSError):
        for left_over in staging.glob("*.part"):
            left_over.unlink()
        staging.rmdir()


def real_folder(folder: Path) -> Path:
    """Return where a folder of playlists is, without links."""
    real = Path(os.path.realpath(folder))
    above = next(path for path in (real, *real.parents) if os.path.lexists(path))
    if not above.is_dir():
        raise LibraryError(f"The folder for playlists, {folder}, is a file or in one; choose another --playlists.")
    return real


def _name(path: Path, music_dir: Path) -> str:
    """Return what a playlist is known by: it goes on being known where the library with it is moved."""
    return path.relative_to(music_dir).as_posix() if path.is_relative_to(music_dir) else str(path)


def _note(name: str) -> str:
    return f"playlist {name}"


def _noted(database: Database, music_dir: Path, path: Path) -> str | None:
    # Version 1 noted whole paths.
    return database.read_note(_note(_name(path, music_dir))) or database.read_note(_note(str(path)))


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None
    except OSError:
        return "unreadable"


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(error, path) from None


def _is_line(text: str) -> bool:
    return not any(letter in "\n\r\0" or "\ud800" <= letter <= "\udfff" for letter in text)


def _one_line(text: str) -> str:
    return "".join("_" if "\ud800" <= c <= "\udfff" else c if c.isprintable() else " " for c in text).strip()


def _plain(genre: str) -> str:
    letters = unicodedata.normalize("NFC", genre)
    name = "".join(
        "_" if letter in _NOT_IN_NAMES or (unicodedata.category(letter)[0] in "CZ" and letter != " ") else letter
        for letter in letters
    )
    name = name.encode("utf-8", "replace")[:_MAX_BYTES].decode("utf-8", "ignore").strip(" .-")
    return f"_{name}" if not name or name.split(".")[0].strip().lower() in _DEVICES else name


def _same_name(name: str) -> str:
    """Map names that some file systems take for one to one key."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
