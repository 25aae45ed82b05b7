"""Paths as the API names them, and where they are: below a folder, or nowhere."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote_to_bytes

from audio_genre.errors import LibraryError


class OutsideError(LibraryError):
    """A path leads out of the folder that it is to be in."""


def id_of(path: str) -> str:
    """Return the name of a path in the API: percent-encoded, because a path need not be valid text.

    Examples
    --------
    >>> id_of("a b/ü.wav")
    'a%20b/%C3%BC.wav'
    """
    return quote(os.fsencode(path))


def shown(path: str) -> str:
    """Return a path as valid text."""
    return os.fsencode(path).decode("utf-8", "replace")


def path_of(name: str) -> str:
    """Take `id_of` back."""
    path = os.fsdecode(unquote_to_bytes(name))
    if "\0" in path:
        raise OutsideError("A path cannot hold a zero byte; take paths from the server's answers.")
    return path


def below(root: Path, name: str) -> Path:
    """Return where a path below a folder is, free of links."""
    path = _plain(name)
    real, home = Path(os.path.realpath(root / path)), Path(os.path.realpath(root))
    if not real.is_relative_to(home):
        raise OutsideError(f"{shown(path)} leads out of the folder of --music, which is refused.")
    return real


def audio_file(root: Path, folder: str, track: str) -> Path:
    """Return where an audio file of a folder is, which is below another one."""
    from audio_genre.audio import AUDIO_SUFFIXES, UNREAD_SUFFIXES

    file = below(root, id_of(str(Path(_plain(folder), _plain(track)))))
    if file.suffix.lower() not in AUDIO_SUFFIXES | UNREAD_SUFFIXES or not os.path.isfile(file):  # noqa: PTH113 (a name may be too long)
        raise LibraryError(f"There is no audio file {shown(path_of(track))}; load the library again.")
    return file


def _plain(name: str) -> str:
    path = path_of(name)
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts:
        raise OutsideError(f"{shown(path)} is no path below the music folder; take paths from the server's answers.")
    return path


def folders(folder: Path, root: Path) -> list[str]:
    """List the folders in a folder, without those that are hidden, cannot be read, or lead out of another folder."""
    home = Path(os.path.realpath(root))
    try:
        with os.scandir(folder) as entries:
            return sorted(
                entry.name
                for entry in entries
                if not entry.name.startswith(".")
                and entry.is_dir()
                and Path(os.path.realpath(entry.path)).is_relative_to(home)
            )
    except OSError as error:
        raise LibraryError(f"The folder {shown(folder.name)} cannot be read: {error.strerror}.") from None
