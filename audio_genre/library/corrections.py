"""Genres that somebody chose by hand: kept for each file in the user's data folder, and stronger than any model."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Literal

from audio_genre.errors import LibraryError, ParameterError
from audio_genre.files.storage import is_there, storage_error
from audio_genre.files.store import Store, decoded_name, encoded_name

_APPLICATION = 0x61674343
_MAX_GENRE = 60
_WAIT_SECONDS = 3.0
_PAUSE_SECONDS = 0.02


def correct(music_dir: str | os.PathLike[str], genres: Mapping[str, str | None]) -> None:
    """Choose the genres of files by hand; from then on `organize` takes these and not what a model says.

    They are kept outside the library, in the user's own data folder, by where a file is: whichever folder of the
    library is organized, and whichever model is asked, they hold. A library that was moved takes them with it when its
    answers are found again.

    Parameters
    ----------
    music_dir : str or os.PathLike
        The library's folder.
    genres : mapping of str to str or None
        Genre of files by their paths below the library's folder, with forward slashes; any name will do, also one that
        the model does not know, and "unknown". None forgets a choice.

    Raises
    ------
    LibraryError
        If a file is not there, or the choices cannot be kept.
    ParameterError
        If a path leads out of the library, or a genre is empty, too long or more than a line.

    Examples
    --------
    >>> from audio_genre.library import correct
    >>> correct("~/Music", {"Miles/So What.mp3": "jazz"})  # doctest: +SKIP
    """
    music = Path(os.path.realpath(music_dir))
    chosen = {_place(music, path, genre): _checked(genre) for path, genre in genres.items()}
    with _opened() as store:
        store.keep(chosen)


def corrections(music_dir: Path) -> dict[str, str]:
    """Return the genres that were chosen for files below a folder without links, by their paths below it."""
    if not is_there(store_file()):
        return {}
    with _opened() as store:
        return store.below(music_dir)


def move_corrections(old: Path, new: Path) -> None:
    """Let what was chosen for the files of a library hold where it was moved to."""
    moved = corrections(old)
    if moved:
        there = corrections(new)
        with _opened() as store:
            store.keep({str(old / path): None for path in moved})
            store.keep({str(new / path): genre for path, genre in moved.items() if path not in there})


def store_file() -> Path:
    """Return where the choices are kept."""
    import platformdirs

    return platformdirs.user_data_path("audio-genre", appauthor=False) / "corrections.sqlite"


class _HeldError(LibraryError):
    """Somebody else reads or writes the choices."""


class _Corrections(Store):
    """What was chosen, by whole path."""

    schema = (
        "CREATE TABLE IF NOT EXISTS corrections (path BLOB PRIMARY KEY, genre TEXT NOT NULL);\n"
        "CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);\n"
    )
    temporary_schema = ""
    application = _APPLICATION
    version = 1

    def below(self, folder: Path) -> dict[str, str]:
        start = encoded_name(str(folder).rstrip(os.sep) + os.sep)
        # A name that begins with the folder's comes before its name with the next letter at the end.
        end = start[:-1] + bytes([start[-1] + 1])
        query = "SELECT path, genre FROM corrections WHERE path >= :start AND path < :end ORDER BY path"
        rows = self._rows(query, {"start": start, "end": end})
        return {decoded_name(path[len(start) :]).replace(os.sep, "/"): genre for path, genre in rows}

    def keep(self, genres: Mapping[str, str | None]) -> None:
        with self.at_once(), self._told():
            for path, genre in genres.items():
                if genre is None:
                    self._db.execute("DELETE FROM corrections WHERE path = ?", (encoded_name(path),))
                else:
                    self._db.execute("INSERT OR REPLACE INTO corrections VALUES (?, ?)", (encoded_name(path), genre))

    def _foreign(self, application: int, version: int) -> LibraryError:  # noqa: ARG002
        return LibraryError(f"{self._path} was not written by this version of audio-genre; update it, or move it away.")

    def _failure(self, kind: Literal["held", "damaged", "other"], error: sqlite3.Error) -> LibraryError:
        if kind == "held":
            return _HeldError(f"Another program uses {self._path} at the moment; try again.")
        return LibraryError(
            f"The genres chosen by hand, in {self._path}, cannot be used ({error}); check the disk and its "
            "permissions, or move the file away to start again."
        )


def _opened() -> _Corrections:
    file = store_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, file.parent) from None
    end = time.monotonic() + _WAIT_SECONDS
    while True:
        # It is held for moments only.
        try:
            return _Corrections(file)
        except _HeldError:
            if time.monotonic() > end:
                raise
            time.sleep(_PAUSE_SECONDS)


def _place(music: Path, path: str, genre: str | None) -> str:
    below = PurePosixPath(path)
    if below.is_absolute() or ".." in below.parts or not below.parts or "\0" in path:
        raise ParameterError(f"{path!r} is no path below {music}; give the path of a file in the library.")
    file = music / below
    if genre is not None and not is_there(file):
        raise LibraryError(f"There is no file {path} in {music}; organize the library again.")
    return str(file)


def _checked(genre: str | None) -> str | None:
    if genre is None:
        return None
    name = " ".join(genre.split())
    if not name or len(name) > _MAX_GENRE or not name.isprintable():
        raise ParameterError(f"A genre must be a line of 1 to {_MAX_GENRE} letters, got {genre[:80]!r}.")
    return name
