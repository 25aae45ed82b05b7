"""Which files of a folder are pictures of which genre, and folders that are laid out in another way."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from audio_genre.errors import PictureError
from audio_genre.files.walk import list_folder

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"})
"""What names of pictures end in, in lower case."""


def find_pictures(folder: Path, left_out: list[str]) -> list[str]:
    """List the pictures of a folder with one folder per genre."""
    try:
        loose, genres = list_folder(folder, PICTURE_SUFFIXES)
    except FileNotFoundError:
        raise PictureError(
            f"There is no folder {folder}; give one that has one folder of pictures per genre."
        ) from None
    except NotADirectoryError:
        raise PictureError(f"{folder} is a file; give a folder that has one folder of pictures per genre.") from None
    except OSError as error:
        raise PictureError(f"The folder {folder} cannot be read: {error.strerror}; make it readable.") from None
    if not genres:
        what = "pictures, but no sub-folders" if loose else "no sub-folders"
        raise PictureError(f"{folder} holds {what}; put the pictures of each genre in a sub-folder of its own.")
    seen = {_identity(folder)}
    names: dict[str, list[str]] = {}
    for genre in genres:
        names[genre] = sorted(_walk(folder, genre, seen, left_out))
        if not names[genre]:
            left_out.append(f"The folder {genre} is left out, because it holds no pictures.")
    found = {genre: paths for genre, paths in names.items() if paths}
    if not found:
        reason = f" ({left_out[0].rstrip('.')})" if left_out else ""
        raise PictureError(
            f"{folder} holds no pictures in its sub-folders{reason}; give a folder with PNG, JPEG, WebP, BMP or "
            "GIF files."
        )
    _refuse_one_level_too_high(folder, found)
    left_out += [f"{name} is left out, because it lies in no sub-folder, which would be its genre." for name in loose]
    return [name for genre in sorted(found) for name in found[genre]]


def _walk(root: Path, top: str, seen: set[tuple[int, int]], left_out: list[str]) -> Iterator[str]:
    """List the pictures below a folder; enter each folder once, whatever links lead there."""
    waiting = [top]
    while waiting:
        below = waiting.pop()
        try:
            identity = _identity(root / below)
            if identity in seen:
                left_out.append(f"The folder {below} is left out, because a link leads from it to one that is read.")
                continue
            seen.add(identity)
            files, folders = list_folder(root / below, PICTURE_SUFFIXES)
        except OSError as error:
            if below == top:
                raise PictureError(
                    f"The folder {root / top} cannot be read: {error.strerror}; make it readable, or take the class "
                    "out."
                ) from None
            left_out.append(f"The folder {below} is left out, because it cannot be read: {error.strerror}.")
            continue
        yield from (f"{below}/{name}" for name in files)
        waiting += [f"{below}/{name}" for name in reversed(folders)]


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _refuse_one_level_too_high(folder: Path, found: Mapping[str, Sequence[str]]) -> None:
    """Refuse folders of folders of genres; sub-folders inside a genre are fine."""
    inner: dict[str, set[str]] = {}
    for genre, paths in found.items():
        inner[genre] = {path.split("/")[1] if path.count("/") > 1 else "" for path in paths}
    if any("" in folders for folders in inner.values()):
        return
    counts = Counter(name for folders in inner.values() for name in folders)
    if len(inner) > 1 and max(counts.values()) == 1:
        return
    best = max(inner, key=lambda genre: len(inner[genre]))
    meant = folder / best
    if len(inner[best]) == 1:
        meant = folder / os.path.commonpath([path.rpartition("/")[0] for path in found[best]])
    raise PictureError(
        f"{folder} holds folders of folders, and its sub-folders must be the genres; did you mean {meant}?"
    )
