"""What has been done: a SQLite database with one writer, in which every finished clip is kept at once."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from audio_genre.errors import ExtractionError
from audio_genre.extraction.clip import ClipTask, Extracted, Failed
from audio_genre.files.store import Store, decoded_name, encoded_name
from audio_genre.files.walk import Clip, numbered, picture_owners

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_VERSION = 2

_SCHEMA = """
CREATE TABLE IF NOT EXISTS clips (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- another one each time that a clip is done again
    path BLOB NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    content_hash TEXT,
    recipe TEXT NOT NULL,
    picture_settings TEXT,
    pictures TEXT NOT NULL,
    reason TEXT,                           -- NULL where the clip was extracted
    clip_rows BLOB,
    clip_lengths BLOB,
    segment_rows BLOB,
    libraries TEXT
);
CREATE TABLE IF NOT EXISTS troubles (      -- what was in the way the last time and may pass; it replaces no result
    path BLOB PRIMARY KEY,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    reason TEXT NOT NULL,
    losses INTEGER NOT NULL                -- how often in a row its worker died
);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
# The plan lies in a temporary table, which SQLite moves to a file as it grows.
_PLAN_SCHEMA = """
CREATE TEMP TABLE plan (
    position INTEGER PRIMARY KEY,
    path BLOB NOT NULL UNIQUE,
    label BLOB NOT NULL,
    filename BLOB NOT NULL,
    picture BLOB NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    todo INTEGER NOT NULL,
    known_hash TEXT,
    is_stale INTEGER NOT NULL,             -- kept, and of no use for the tables of this run
    clash TEXT                             -- another planned file that has the name of one of its rows
);
CREATE INDEX temp.plan_picture ON plan (picture);
CREATE TEMP TABLE closed (                 -- folders that cannot be read
    path BLOB PRIMARY KEY,
    reason TEXT NOT NULL
);
"""
MOST_LOSSES = 2
"""How often a worker process may die of a clip before it is skipped until it changes."""

_DECODERS_NOTE = "decoders"
_IN_TABLES = "plan JOIN clips USING (path) WHERE reason IS NULL AND clash IS NULL AND NOT is_stale"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a clip's results depend on besides its file.

    Attributes
    ----------
    recipe : str
        Name and hash of the recipe.
    pictures : str or None
        Settings of the pictures; None where none are made.
    """

    recipe: str
    pictures: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """What the journal says of a clip, but for the numbers.

    Attributes
    ----------
    size, mtime_ns : int
        Size in bytes and time of change of the file that was worked on.
    content_hash : str or None
        Hash of its bytes.
    identity : Identity
        What the results depend on besides the file.
    pictures : tuple of str
        Paths of its pictures.
    is_failure : bool
        Whether the clip failed.
    """

    size: int
    mtime_ns: int
    content_hash: str | None
    identity: Identity
    pictures: tuple[str, ...]
    is_failure: bool


@dataclass(frozen=True, slots=True)
class Trouble:
    """What was in the way of a clip the last time.

    Attributes
    ----------
    size, mtime_ns : int
        Size in bytes and time of change of its file then; -1 and 0 where it could not be examined.
    losses : int
        How often in a row its worker process died.
    """

    size: int
    mtime_ns: int
    losses: int


@dataclass(frozen=True, slots=True)
class Known:
    """A clip of an earlier run.

    Attributes
    ----------
    path : str
        Its path below the audio folder.
    pictures : tuple of str
        Paths of its pictures.
    is_extracted : bool
        Whether it gave rows.
    """

    path: str
    pictures: tuple[str, ...]
    is_extracted: bool


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The numbers of one clip.

    Attributes
    ----------
    filename, label : str
        What the tables call the file, and its genre.
    clip_rows : np.ndarray, shape (n_windows, n_features), float64
        Features of the windows.
    clip_lengths : np.ndarray, shape (n_windows,), int64
        Samples in each window.
    segment_rows : np.ndarray, shape (n_segments, n_features), float64
        Features of the segments.
    """

    filename: str
    label: str
    clip_rows: NDArray[np.float64]
    clip_lengths: NDArray[np.int64]
    segment_rows: NDArray[np.float64]


class DamagedJournalError(ExtractionError):
    """A journal cannot be read by this version of the package, and can only be begun anew."""


class Journal(Store):
    """The journal of one output folder, locked for as long as it is open."""

    schema = _SCHEMA
    temporary_schema = _PLAN_SCHEMA
    version = _VERSION

    def _foreign(self, application: int, version: int) -> ExtractionError:  # noqa: ARG002
        return DamagedJournalError(
            f"The journal {self._path} was written by another version of audio_genre (format {version}, this is "
            f"{_VERSION}); run with --restart to start again."
        )

    def _failure(self, kind: Literal["held", "damaged", "other"], error: sqlite3.Error) -> ExtractionError:
        if kind == "held":
            return ExtractionError(
                f"Another extraction is writing to the folder of {self._path}; wait until it ends, or choose another "
                "output folder."
            )
        if kind == "damaged":
            return DamagedJournalError(
                f"The journal {self._path} is damaged ({error}); run with --restart to start again."
            )
        return ExtractionError(
            f"The journal {self._path} cannot be used ({error}); check the disk and the permissions of its "
            "folder, and run the same command again."
        )

    @property
    def kept(self) -> int:
        """Number of clips that the journal keeps."""
        with self._told():
            return self._number("SELECT count(*) FROM clips")

    def find(self, path: str) -> Entry | None:
        """Look up a clip."""
        with self._told():
            row = self._db.execute(
                "SELECT size, mtime_ns, content_hash, recipe, picture_settings, pictures, reason IS NOT NULL "
                "FROM clips WHERE path = ?",
                (encoded_name(path),),
            ).fetchone()
        if row is None:
            return None
        size, mtime_ns, content_hash, recipe, settings, pictures, is_failure = row
        return Entry(
            size,
            mtime_ns,
            content_hash,
            Identity(recipe, settings),
            tuple(json.loads(pictures)),
            bool(is_failure),
        )

    def record(self, clip: Clip, identity: Identity, result: Extracted | Failed) -> None:
        """Keep a clip's result, instead of what was kept of it."""
        outcome: tuple[str | bytes | None, ...]
        if isinstance(result, Extracted):
            outcome = (
                json.dumps(result.pictures),
                None,
                result.clip_rows.astype("<f8").tobytes(),
                result.clip_lengths.astype("<i8").tobytes(),
                result.segment_rows.astype("<f8").tobytes(),
                result.libraries,
            )
        else:
            outcome = ("[]", _valid(result.reason), None, None, None, None)
        with self._told():
            self._db.execute(
                "INSERT OR REPLACE INTO clips (path, size, mtime_ns, content_hash, recipe, picture_settings, pictures, "
                "reason, clip_rows, clip_lengths, segment_rows, libraries) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    encoded_name(clip.path),
                    clip.size,
                    clip.mtime_ns,
                    result.content_hash,
                    identity.recipe,
                    identity.pictures,
                    *outcome,
                ),
            )
        self.clear_trouble(clip.path)

    def find_trouble(self, path: str) -> Trouble | None:
        """Look up what was in the way of a clip the last time."""
        with self._told():
            row = self._db.execute(
                "SELECT size, mtime_ns, losses FROM troubles WHERE path = ?", (encoded_name(path),)
            ).fetchone()
        return None if row is None else Trouble(*row)

    def record_trouble(self, clip: Clip, reason: str) -> None:
        """Keep what was in the way of a clip and may pass; what an earlier run made of it stays."""
        self._keep_trouble(clip, reason, 0)

    def record_loss(self, clip: Clip, how: str) -> str:
        """Keep that a worker process died of a clip; it is tried once more in the next run, and then no more."""
        before = self.find_trouble(clip.path)
        is_same = before is not None and (before.size, before.mtime_ns) == (clip.size, clip.mtime_ns)
        losses = before.losses + 1 if before is not None and is_same else 1
        left = (
            "for lack of memory perhaps; the next run tries again"
            if losses < MOST_LOSSES
            else f"{losses} times now; it is skipped until it changes or --retry-failed is given"
        )
        reason = f"could not be finished: its worker process died ({how}), {left}"
        self._keep_trouble(clip, reason, losses)
        return reason

    def _keep_trouble(self, clip: Clip, reason: str, losses: int) -> None:
        with self._told():
            self._db.execute(
                "INSERT OR REPLACE INTO troubles (path, size, mtime_ns, reason, losses) VALUES (?, ?, ?, ?, ?)",
                (encoded_name(clip.path), clip.size, clip.mtime_ns, _valid(reason), losses),
            )

    def clear_trouble(self, path: str) -> None:
        """Keep that nothing is in the way of a clip any more."""
        with self._told():
            self._db.execute("DELETE FROM troubles WHERE path = ?", (encoded_name(path),))

    def has_decoders(self, versions: str) -> bool:
        """Tell whether failures are those of these decoders."""
        return self.read_note(_DECODERS_NOTE) == versions

    def retry_failures(self, versions: str) -> None:
        """Have all clips that failed be tried again, in this run or whichever comes to it."""
        with self._told():
            self._db.execute("UPDATE clips SET content_hash = NULL WHERE reason IS NOT NULL")
            self._db.execute("UPDATE troubles SET losses = 0")
        self.write_note(_DECODERS_NOTE, versions)

    def touch(self, clip: Clip) -> None:
        """Note the present time stamp of a file that has the same content as before."""
        with self._told():
            self._db.execute("UPDATE clips SET mtime_ns = ? WHERE path = ?", (clip.mtime_ns, encoded_name(clip.path)))
        self.clear_trouble(clip.path)

    def forget(self, path: str) -> None:
        """Drop what is kept of a clip, but for what was in its way."""
        with self._told():
            self._db.execute("DELETE FROM clips WHERE path = ?", (encoded_name(path),))

    def add_to_plan(self, clip: Clip, *, todo: bool, known_hash: str | None = None, is_stale: bool = False) -> None:
        """Append a clip to this run's plan."""
        with self._told():
            self._db.execute(
                "INSERT INTO plan (path, label, filename, picture, size, mtime_ns, todo, known_hash, is_stale) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    encoded_name(clip.path),
                    encoded_name(clip.label),
                    encoded_name(clip.filename),
                    encoded_name(clip.picture),
                    clip.size,
                    clip.mtime_ns,
                    todo,
                    known_hash,
                    is_stale,
                ),
            )

    def planned(self, path: str) -> Clip:
        """Return a clip of the plan."""
        with self._told():
            label, filename, picture, size, mtime_ns = self._db.execute(
                "SELECT label, filename, picture, size, mtime_ns FROM plan WHERE path = ?", (encoded_name(path),)
            ).fetchone()
        return Clip(path, decoded_name(label), decoded_name(filename), decoded_name(picture), size, mtime_ns)

    def tasks(self) -> Iterator[ClipTask]:
        """Yield what is to be done, in the plan's order; clips that killed a worker process come last."""
        for path, picture, known_hash in self._rows(
            "SELECT path, picture, known_hash FROM plan LEFT JOIN troubles USING (path) WHERE todo "
            "ORDER BY coalesce(losses, 0), position"
        ):
            yield ClipTask(decoded_name(path), decoded_name(picture), known_hash)

    def outside_plan(self) -> list[Known]:
        """List clips that are kept and not planned."""
        return self._known("path NOT IN (SELECT path FROM plan)", {})

    def below(self, folder: str) -> list[Known]:
        """List clips that are kept and lie below a folder."""
        start = encoded_name(folder.rstrip("/"))
        # A zero is what follows a slash.
        found = self._known("path > :first AND path < :behind", {"first": start + b"/", "behind": start + b"0"})
        return sorted(found, key=lambda known: known.path)

    def _known(self, condition: str, parameters: Mapping[str, Any]) -> list[Known]:
        return [
            Known(decoded_name(path), tuple(json.loads(pictures or "[]")), bool(is_extracted))
            for path, pictures, is_extracted in self._rows(
                "SELECT path, pictures, clip_rows IS NOT NULL "
                # The condition stands where the keys of both tables serve it.
                f"FROM (SELECT path FROM clips WHERE {condition} UNION SELECT path FROM troubles WHERE {condition}) "
                "LEFT JOIN clips USING (path)",
                parameters,
            )
        ]

    def close_folder(self, folder: str, reason: str) -> None:
        """Keep for this run that a folder cannot be read."""
        with self._told():
            self._db.execute("INSERT OR REPLACE INTO closed VALUES (?, ?)", (encoded_name(folder), _valid(reason)))

    def doubly_owned(self) -> set[str]:
        """Find pictures that two clips are kept with: runs of a part of the files can leave such."""
        counts: Counter[str] = Counter()
        for (pictures,) in self._rows("SELECT pictures FROM clips WHERE pictures != '[]'"):
            counts.update(json.loads(pictures))
        return {name for name, count in counts.items() if count > 1}

    def rename_pictures(self, path: str, pictures: Sequence[str]) -> None:
        """Keep other names of a clip's pictures."""
        with self._told():
            self._db.execute(
                "UPDATE clips SET pictures = ? WHERE path = ?", (json.dumps(list(pictures)), encoded_name(path))
            )

    def do_again(self, path: str) -> None:
        """Have a planned clip be done again, and drop what is kept of it."""
        self.forget(path)
        with self._told():
            self._db.execute("UPDATE plan SET todo = 1, known_hash = NULL WHERE path = ?", (encoded_name(path),))

    def find_clash(self, path: str, count: int) -> str | None:
        """Find out whether a row of a file has the name of another file."""
        # Numbers are all that tells the rows of the table of segments apart, and so these cannot clash.
        names = (numbered(path, k) for k in range(count if count > 1 else 0))
        with self._told():
            return next((name for name in names if self._is_planned(name)), None)

    def mark_clashes(self) -> None:
        """Find out which planned clips must stay out of the tables, because others have their rows' names."""
        for path, size in self._rows(
            "SELECT path, length(clip_lengths) FROM plan JOIN clips USING (path) WHERE length(clip_lengths) > 8"
        ):
            clash = self.find_clash(decoded_name(path), size // 8)
            if clash is not None:
                with self._told():
                    self._db.execute("UPDATE plan SET clash = ? WHERE path = ?", (encoded_name(clash), path))

    def libraries(self) -> dict[str, list[str]]:
        """List what computed the rows."""
        found: dict[str, set[str]] = {}
        for (versions,) in self._rows(f"SELECT DISTINCT libraries FROM {_IN_TABLES}"):
            for name, version in json.loads(versions).items():
                found.setdefault(name, set()).add(version)
        return {name: sorted(versions) for name, versions in sorted(found.items())}

    def rows(self) -> Iterator[Rows]:
        """Yield the numbers of the planned clips that were extracted, in the plan's order.

        Clips that `mark_clashes` found are left out.
        """
        import numpy as np

        for filename, label, clip_rows, clip_lengths, segment_rows in self._rows(
            f"SELECT filename, label, clip_rows, clip_lengths, segment_rows FROM {_IN_TABLES} ORDER BY position"
        ):
            lengths = np.frombuffer(clip_lengths, dtype="<i8")
            rows = np.frombuffer(clip_rows, dtype="<f8").reshape(len(lengths), -1)
            segments = np.frombuffer(segment_rows, dtype="<f8").reshape(-1, rows.shape[1])
            yield Rows(decoded_name(filename), decoded_name(label), rows, lengths, segments)

    def is_picture_planned(self, name: str) -> bool:
        """Tell whether a picture file may be one of a planned clip."""
        with self._told():
            return any(
                self._db.execute("SELECT 1 FROM plan WHERE picture = ?", (encoded_name(picture),)).fetchone()
                for picture in picture_owners(name)
            )

    def failures(self) -> Iterator[tuple[str, str]]:
        """Yield the planned clips that failed, that something is in the way of, or that `mark_clashes` found."""
        for path, trouble, reason, clash in self._rows(
            "SELECT path, troubles.reason, clips.reason, clash "
            "FROM plan LEFT JOIN clips USING (path) LEFT JOIN troubles USING (path) "
            "WHERE troubles.reason IS NOT NULL OR clips.reason IS NOT NULL OR clash IS NOT NULL "
            "UNION ALL SELECT path, reason, NULL, NULL FROM closed ORDER BY path"
        ):
            yield decoded_name(path), trouble or reason or clash_reason(decoded_name(clash))

    def in_tables(self) -> Iterator[tuple[str, str, str]]:
        """Yield what the rows of the tables are called, in the plan's order."""
        for path, filename, label in self._rows(f"SELECT path, filename, label FROM {_IN_TABLES} ORDER BY position"):
            yield decoded_name(path), decoded_name(filename), decoded_name(label)

    def fingerprints(self) -> Iterator[bytes]:
        """Yield what tells the present results of the plan from any other."""
        for parts in self._rows(
            "SELECT path, label, filename, coalesce(id, ''), coalesce(troubles.reason, '') "
            "FROM plan LEFT JOIN clips USING (path) LEFT JOIN troubles USING (path) ORDER BY position"
        ):
            yield b"\0".join(part if isinstance(part, bytes) else str(part).encode() for part in parts) + b"\0"
        for path, reason in self._rows("SELECT path, reason FROM closed ORDER BY path"):
            yield path + b"\0" + reason.encode() + b"\0"

    def _is_planned(self, path: str) -> bool:
        return self._db.execute("SELECT 1 FROM plan WHERE path = ?", (encoded_name(path),)).fetchone() is not None

    def _number(self, query: str) -> int:
        (number,) = self._db.execute(query).fetchone()
        return int(number)


def _valid(reason: str) -> str:
    """Write names in a reason that are no valid text, which SQLite refuses, with escapes."""
    return reason.encode("utf-8", "backslashreplace").decode("utf-8")


def clash_reason(other: str) -> str:
    """Put into words why a clip stays out of the tables."""
    name = PurePosixPath(other).name
    return f"would give a row named {name}, which is another file's name; rename one of the two"
