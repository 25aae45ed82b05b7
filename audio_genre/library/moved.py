"""Which database is that of a library that was moved or renamed, told by the files that are in it."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from audio_genre.files.store import decoded_name
from audio_genre.library.database import APPLICATION, LIBRARY, VERSION

_MAX_HASHED = 20
_MAX_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Fitting:
    """A database that knows files of a library.

    Attributes
    ----------
    file : Path
        The database.
    library : Path or None
        Where the library was when it was last opened; None where the database does not say.
    is_certain : bool
        Whether the library was surely moved from there, and is not a copy of one that is there still.
    """

    file: Path
    library: Path | None
    is_certain: bool

    def command(self, music_dir: Path, option: str = "") -> str:
        """Return the command that uses this database."""
        words = ["audio-genre", "organize", str(music_dir), *([option] if option else []), "--database", str(self.file)]
        return shlex.join(words)


def fitting_database(music_dir: Path, own: Path, folder: Path, *, for_undo: bool) -> Fitting | None:
    """Look for the database of a library among those of this user."""
    found = []
    for file in sorted(folder.glob("*.sqlite")):
        if file != own:
            # Another run's, another program's or a damaged one is none that fits.
            try:
                with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=0.1)) as db:
                    match = _match(db, music_dir, for_undo=for_undo)
            except (sqlite3.Error, OSError, ValueError):
                continue
            if match is not None:
                found.append((match[0], Fitting(file, *match[1:])))
    if not found:
        return None
    at_home = [fitting for _, fitting in found if fitting.library == music_dir]
    if len(at_home) == 1:
        return at_home[0]
    _, best = max(found, key=lambda pair: pair[0])
    return best if len(found) == 1 else Fitting(best.file, best.library, is_certain=False)


def _match(db: sqlite3.Connection, music_dir: Path, *, for_undo: bool) -> tuple[int, Path | None, bool] | None:
    """Return how many files fit, where the library was, and whether it was surely moved; None where nothing fits."""
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION or version > VERSION:
        return None
    note = db.execute("SELECT value FROM notes WHERE name = ?", (LIBRARY.encode(),)).fetchone()
    library = None if note is None else Path(json.loads(note[0]))
    tags = db.execute(
        "SELECT path, size_after, sha256_after FROM tags WHERE number IN (SELECT max(number) FROM tags GROUP BY path) "
        "ORDER BY path LIMIT ?",
        (_MAX_HASHED,),
    ).fetchall()
    if for_undo and tags:
        paths = [decoded_name(path) for path, *_ in tags]
        fits = sum(_is_same(music_dir / path, size, sha) for path, (_, size, sha) in zip(paths, tags, strict=True))
    else:
        if for_undo and (version == 1 or not db.execute("SELECT count(*) FROM playlists").fetchone()[0]):
            return None
        (count,) = db.execute("SELECT count(*) FROM answers").fetchone()
        rows = db.execute(
            "SELECT path, size, mtime_ns FROM answers WHERE size >= 0 AND rowid % ? = 0 LIMIT ?",
            (1 + count // _MAX_LOOKED_AT, _MAX_LOOKED_AT),
        ).fetchall()
        paths = [decoded_name(path) for path, *_ in rows]
        fits = sum(
            _stamp(music_dir / path) == (size, mtime) for path, (_, size, mtime) in zip(paths, rows, strict=True)
        )
    if not fits:
        return None
    was_moved = library is not None and (
        library == music_dir
        # Where the folder above is gone too, a drive may only be out; and a copy is no move.
        or (library.parent.is_dir() and not any(os.path.lexists(library / path) for path in paths))
    )
    return fits, library, was_moved and 2 * fits > len(paths)


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns


def _is_same(file: Path, size: int | None, sha256: str | None) -> bool:
    stamp = _stamp(file)
    if stamp is None or stamp[0] != size:
        return False
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == sha256
