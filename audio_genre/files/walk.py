"""A folder of audio to an ordered stream of clips: labels, names in the tables, names of the pictures."""

from __future__ import annotations

import errno
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias, Union

_GTZAN_STEM = re.compile(r"([^.]+)\.([0-9]{5})")
_NUMBERED = re.compile(r"(.+)\.(?:0|[1-9][0-9]*)", re.DOTALL)

Unreadable = Callable[[str, OSError], None]
Empty = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Clip:
    """One audio file of a plan.

    Attributes
    ----------
    path : str
        Path below the audio folder, with forward slashes.
    label : str
        The genre: the first folder of `path`, empty for a file that lies in no folder.
    filename : str
        Path below the genre's folder: what the tables call the file.
    picture : str
        Path below the pictures' folder, without number and ``.png``.
    size : int
        Bytes, -1 where the file cannot be examined.
    mtime_ns : int
        Time of the last change in nanoseconds.
    """

    path: str
    label: str
    filename: str
    picture: str
    size: int
    mtime_ns: int


_Listing: TypeAlias = Iterator[Union[Clip, "_Listing"]]


def find_clips(
    audio_dir: Path,
    *,
    leave_out: Path | None = None,
    unreadable: Unreadable,
    empty: Empty | None = None,
    stay_inside: bool = False,
) -> Iterator[Clip]:
    """Walk a folder for audio files, without opening any; those in formats that are not read are among them.

    Names that begin with a dot are skipped, as are folders that lead back to themselves through links. The order is
    that of label and path, character by character, whatever the file system's own order is. No more is held in memory
    than the names of one folder on each level. Links that lead out of the folder can be refused as unreadable.
    """
    skipped = None if leave_out is None else _identity(leave_out)
    inside = Path(os.path.realpath(audio_dir)) if stay_inside else None
    levels = [_listing(audio_dir, "", frozenset({skipped, _identity(audio_dir)}), unreadable, empty, inside)]
    while levels:
        entry = next(levels[-1], None)
        if entry is None:
            levels.pop()
        elif isinstance(entry, Clip):
            yield entry
        else:
            levels.append(entry)


def picture_names(filenames: Iterable[str]) -> dict[str, str]:
    """Name the pictures of the audio files of one folder, so that no two files ever share a picture.

    Examples
    --------
    >>> picture_names(["blues.00000.wav", "My song.mp3"])
    {'blues.00000.wav': 'blues00000', 'My song.mp3': 'My song'}
    >>> picture_names(["song.mp3", "song.wav", "other.wav"])
    {'song.mp3': 'song.mp3', 'song.wav': 'song.wav', 'other.wav': 'other'}
    """
    names = list(filenames)
    wanted = {name: _wanted_name(name) for name in names}
    stems = Counter(map(_same_name, wanted.values()))
    roots = {_root(stem) for stem in stems}
    full_names = {_same_name(name) for name in names}

    def is_unique(stem: str) -> bool:
        key, root = _same_name(stem), _root(_same_name(stem))
        return stems[key] == 1 and key not in roots and not {key, root} & full_names and root not in stems

    return {name: stem if is_unique(stem) else name for name, stem in wanted.items()}


def picture_files(picture: str, count: int) -> tuple[str, ...]:
    """Name the picture files of one clip.

    Examples
    --------
    >>> picture_files("blues/blues00000", 1)
    ('blues/blues00000.png',)
    """
    if count == 1:
        return (f"{picture}.png",)
    return tuple(f"{picture}.{k}.png" for k in range(count))


def picture_owners(file: str) -> tuple[str, ...]:
    """Return which `Clip.picture` a picture file may belong to: the reverse of `picture_files`.

    Examples
    --------
    >>> picture_owners("live/song.7.png")
    ('live/song.7', 'live/song')
    """
    picture = file.removesuffix(".png")
    root = _root(picture)
    return (picture,) if root is None else (picture, root)


def numbered(filename: str, k: int) -> str:
    """Name part `k` of a file as the public tables do.

    Examples
    --------
    >>> numbered("blues.00000.wav", 3)
    'blues.00000.3.wav'
    """
    stem, _, suffix = filename.rpartition(".")
    return f"{stem}.{k}.{suffix}"


def is_unread(filename: str) -> bool:
    """Tell whether a name is that of an audio file that needs the extra ``formats``, which is not installed.

    Examples
    --------
    >>> from audio_genre.decoding import has_extra
    >>> is_unread("live/song.M4A") != has_extra(), is_unread("song.wav")
    (True, False)
    """
    from audio_genre.audio import UNREAD_SUFFIXES
    from audio_genre.decoding import has_extra

    return PurePosixPath(filename).suffix.lower() in UNREAD_SUFFIXES and not has_extra()


def _listing(
    folder: Path,
    prefix: str,
    above: frozenset[tuple[int, int] | None],
    unreadable: Unreadable,
    empty: Empty | None,
    inside: Path | None,
) -> _Listing:
    from audio_genre.audio import AUDIO_SUFFIXES, UNREAD_SUFFIXES

    try:
        files, folders, unclear = _scan(folder, AUDIO_SUFFIXES | UNREAD_SUFFIXES, inside)
    except OSError as error:
        unreadable(prefix, error)
        return
    if empty is not None and prefix and not (files or folders or unclear) and _is_empty(folder):
        empty(prefix)
    pictures = {name: name for name in files if is_unread(name)}  # none, and in nobody's way
    pictures |= picture_names(name for name in files if name not in pictures)
    for name in _ordered(files, sorted([*folders, *unclear]), is_root=not prefix):
        if name in pictures:
            yield _clip(folder, prefix, name, pictures[name])
            continue
        if name in unclear:
            unreadable(prefix + name, unclear[name])
            continue
        try:
            status = (folder / name).stat()
        except OSError as error:
            unreadable(f"{prefix}{name}/", error)
            continue
        identity = status.st_dev, status.st_ino
        if identity not in above:
            yield _listing(folder / name, f"{prefix}{name}/", above | {identity}, unreadable, empty, inside)


def list_folder(folder: Path, suffixes: Collection[str]) -> tuple[list[str], list[str]]:
    """List a folder, without what is hidden."""
    files, folders, _ = _scan(folder, suffixes)
    return files, folders


def _scan(
    folder: Path, suffixes: Collection[str], inside: Path | None = None
) -> tuple[list[str], list[str], dict[str, OSError]]:
    """List a folder as `list_folder` does, and with their errors the names of what may be folders as well."""
    files: list[str] = []
    folders: list[str] = []
    unclear: dict[str, OSError] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            is_folder = False
            fault: OSError | None = None
            try:
                is_folder = entry.is_dir()
                if not is_folder and entry.is_symlink():
                    entry.stat()  # of a link that leads nowhere `is_dir` says False
            except FileNotFoundError:
                fault = FileNotFoundError(errno.ENOENT, "it is a link that leads nowhere")
            except OSError as error:
                fault = None if error.errno == errno.ELOOP else error
            is_file = not is_folder and PurePosixPath(entry.name).suffix.lower() in suffixes
            if (is_folder or is_file) and inside is not None and _leaves(entry, inside):
                unclear[entry.name] = OSError(errno.EXDEV, "it is a link that leads out of the library")
            elif is_folder:
                folders.append(entry.name)
            elif is_file:
                files.append(entry.name)
            elif fault is not None:
                unclear[entry.name] = fault
    return sorted(files), sorted(folders), unclear


def _leaves(entry: os.DirEntry[str], inside: Path) -> bool:
    return entry.is_symlink() and not Path(os.path.realpath(entry.path)).is_relative_to(inside)


def _is_empty(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except OSError:
        return False


def _ordered(files: list[str], folders: list[str], *, is_root: bool) -> list[str]:
    if is_root:  # files without a label come first, then label by label
        return files + folders
    # With the slash that follows it, a folder's name sorts as the paths below it do.
    return [key.rstrip("/") for key in sorted(files + [f"{name}/" for name in folders])]


def _clip(folder: Path, prefix: str, name: str, picture: str) -> Clip:
    try:
        status = (folder / name).stat()
        size, mtime_ns = status.st_size, status.st_mtime_ns
    except OSError:
        size, mtime_ns = -1, 0
    path = prefix + name
    label, _, filename = path.partition("/") if prefix else ("", "", name)
    return Clip(path, label, filename, prefix + picture, size, mtime_ns)


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _wanted_name(filename: str) -> str:
    stem = filename.rpartition(".")[0]
    gtzan = _GTZAN_STEM.fullmatch(stem)
    return gtzan[1] + gtzan[2] if gtzan else stem


def _root(stem: str) -> str | None:
    """Return what a stem numbers, if it looks like the name of a part: "song" for "song.7"."""
    match = _NUMBERED.fullmatch(stem)
    return match[1] if match else None


def _same_name(name: str) -> str:
    """Map names that some file systems take for one to one key."""
    return unicodedata.normalize("NFC", name).casefold()
