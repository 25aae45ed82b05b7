"""What is known of a library: a SQLite database with one writer, in which every answer is kept at once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from audio_genre.bundles.calibration import UNKNOWN
from audio_genre.errors import LibraryError
from audio_genre.files.store import Store, decoded_name, encoded_name
from audio_genre.files.walk import Clip
from audio_genre.library.plan import accepted_genre
from audio_genre.library.records import Acceptance, Answer, Entry, Failure, FileState, PlaylistRecord, TagRecord

APPLICATION = 0x61674C69
"""What the file is marked with."""

VERSION = 3
"""Version of the layout; an earlier one is brought to it in place."""

LIBRARY = "library"
"""Name of the note of where the library is."""

_TELL_EVERY = 1000
_MAX_LOSSES = 2
_DECODERS_NOTE = "decoders"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    path BLOB PRIMARY KEY,                 -- below the library's folder; names need not be valid text
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    model TEXT NOT NULL,
    genre BLOB,                            -- NULL where there is no answer
    confidence REAL,
    probabilities TEXT,
    reason TEXT,                           -- why the genre is unknown
    seconds REAL,
    title TEXT,
    error TEXT,                            -- why there is no answer
    retry INTEGER NOT NULL,
    losses INTEGER NOT NULL,               -- how often in a row its worker died
    artist TEXT,
    album TEXT
);
CREATE TABLE IF NOT EXISTS tags (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    path BLOB NOT NULL,
    genre BLOB NOT NULL,
    is_settled INTEGER NOT NULL,
    part BLOB NOT NULL,
    sha256_before TEXT NOT NULL,
    size_before INTEGER NOT NULL,
    mtime_ns_before INTEGER NOT NULL,
    sha256_after TEXT,
    size_after INTEGER,
    mtime_ns_after INTEGER,
    delta BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS tags_path ON tags (path);
CREATE TABLE IF NOT EXISTS notes (name BLOB PRIMARY KEY, value TEXT NOT NULL);
"""
# What playlists were before they were first written; came with version 2.
_PLAYLISTS_SCHEMA = """
CREATE TABLE IF NOT EXISTS playlists (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name BLOB NOT NULL UNIQUE,             -- below the library's folder, or the whole path
    before BLOB,                           -- NULL where there was no such file
    own_before TEXT,                       -- the note of it before
    after TEXT NOT NULL,                   -- JSON list: hashes that are this program's own doing, null for no file
    folders_made INTEGER NOT NULL          -- how many folders were made for it
);
"""
# Statements that bring a database of each version to the next one.
_MIGRATIONS = {
    1: [_PLAYLISTS_SCHEMA],
    2: ["ALTER TABLE answers ADD COLUMN artist TEXT;\n", "ALTER TABLE answers ADD COLUMN album TEXT;\n"],
}
# What is there lies in a temporary table, which SQLite moves to a file as it grows.
_SEEN_SCHEMA = """
CREATE TEMP TABLE seen (
    path BLOB PRIMARY KEY,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    losses INTEGER NOT NULL DEFAULT 0,
    todo INTEGER NOT NULL DEFAULT 1
);
CREATE TEMP TABLE by_hand (path BLOB PRIMARY KEY, genre BLOB NOT NULL);
"""
_RESULTS = (
    "SELECT path, a.size AS size, a.mtime_ns AS mtime_ns, a.genre AS genre, confidence, probabilities, reason, "
    "seconds, title, artist, album, error, h.genre IS NOT NULL AS is_by_hand, CASE WHEN a.genre IS NULL THEN NULL "
    "WHEN h.genre IS NOT NULL THEN h.genre ELSE accepted(a.genre, confidence, reason, :bar, :limits) END AS decided "
    "FROM seen JOIN answers AS a USING (path) LEFT JOIN by_hand AS h USING (path) WHERE model = :model"
)
_TAG_COLUMNS = (
    "number, path, genre, is_settled, part, sha256_before, size_before, mtime_ns_before, sha256_after, size_after, "
    "mtime_ns_after, delta"
)


class Database(Store):
    """The database of one library, locked for as long as it is open."""

    schema = _SCHEMA + _PLAYLISTS_SCHEMA.lstrip()
    migrations = _MIGRATIONS
    temporary_schema = _SEEN_SCHEMA
    application = APPLICATION
    version = VERSION

    def __init__(self, path: Path | None) -> None:
        super().__init__(path)
        # So that files are decided upon by the function that decides upon everything else.
        self._db.create_function("accepted", 5, _accepted, deterministic=True)

    def _note_key(self, name: str) -> bytes:
        return encoded_name(name)

    def _foreign(self, application: int, version: int) -> LibraryError:
        if application != APPLICATION:
            return LibraryError(f"{self._path} is another program's database; choose another --database.")
        return LibraryError(
            f"The database {self._path} was written by a newer version of audio-genre (format {version}, this is "
            f"{VERSION}); update audio-genre to use it."
        )

    def _failure(self, kind: Literal["held", "damaged", "other"], error: sqlite3.Error) -> LibraryError:
        if kind == "held":
            return LibraryError(
                f"Another run is organizing this library (it uses {self._path}); wait until it ends, then run the "
                "same command again."
            )
        if kind == "damaged":
            return LibraryError(
                f"{self._path} is not a database, or is damaged ({error}); choose another --database, or move it "
                "away to start again."
            )
        return LibraryError(
            f"The database {self._path} cannot be used ({error}); check the disk and the permissions of its "
            "folder, or choose another --database."
        )

    def retry_failures(self, decoders: str, *, always: bool) -> None:
        """Have the files that failed be tried again, in this run or whichever comes to them; what tags need stays."""
        if not always and self.read_note(_DECODERS_NOTE) == decoders:
            return
        with self.at_once():
            with self._told():
                self._db.execute("UPDATE answers SET retry = 1, losses = 0 WHERE error IS NOT NULL")
            self.write_note(_DECODERS_NOTE, decoders)

    def see(self, clips: Iterable[Clip], model: str) -> Iterator[tuple[int, int]]:
        """Take in which files are there, and find out which are to be listened to."""
        found = todo = 0
        with self.at_once():
            for clip in clips:
                path = encoded_name(clip.path)
                with self._told():
                    row = self._db.execute(
                        "SELECT size = ? AND mtime_ns = ?, model = ?, genre IS NOT NULL, retry, losses FROM answers "
                        "WHERE path = ?",
                        (clip.size, clip.mtime_ns, _valid(model), path),
                    ).fetchone()
                    is_same, is_by_model, is_answered, retry, losses = row or (False, False, False, False, 0)
                    is_todo = not (is_same and is_by_model) or bool(retry and not is_answered)
                    if retry and not is_todo:  # the file that could not be read is as it was
                        self._db.execute("UPDATE answers SET error = NULL, retry = 0 WHERE path = ?", (path,))
                    self._db.execute(
                        "INSERT INTO seen (path, size, mtime_ns, losses, todo) VALUES (?, ?, ?, ?, ?)",
                        (path, clip.size, clip.mtime_ns, losses if is_same else 0, is_todo),
                    )
                found += 1
                todo += is_todo
                if found % _TELL_EVERY == 0:
                    yield found, todo
        yield found, todo

    def take_by_hand(self, genres: Mapping[str, str]) -> None:
        """Let genres that somebody chose hold for files, in place of what a model says, while this is open."""
        rows = [(encoded_name(path), _encoded_genre(genre)) for path, genre in genres.items()]
        with self.at_once(), self._told():
            self._db.executemany("INSERT INTO by_hand VALUES (?, ?)", rows)

    def keep_below(self, folder: str, model: str) -> int:
        """Take the files that are known below a folder for seen, because it cannot be read."""
        start = encoded_name(folder.rstrip("/"))
        with self._told():
            cursor = self._db.execute(
                "INSERT OR IGNORE INTO seen (path, size, mtime_ns, todo) SELECT path, size, mtime_ns, 0 FROM answers "
                # A zero is what follows a slash.
                "WHERE path > ? AND path < ? AND model = ?",
                (start + b"/", start + b"0", _valid(model)),
            )
        return cursor.rowcount

    def todo(self) -> Iterator[str]:
        """Yield the files to be listened to; those that killed a worker come last."""
        for (path,) in self._rows("SELECT path FROM seen WHERE todo ORDER BY losses, path", {}):
            yield decoded_name(path)

    def record(self, path: str, model: str, result: Answer | Failure) -> None:
        """Keep a file's result instead of what was kept of it; a failure that may pass does not replace an answer."""
        values: tuple[object, ...]
        if isinstance(result, Answer):
            values = (
                _encoded_genre(result.genre),
                result.confidence,
                json.dumps(dict(result.probabilities)),
                _valid(result.reason),
                result.seconds,
                *map(_valid, (result.title, result.artist, result.album)),
                None,
                False,
                0,
            )
        else:
            if result.retry and self._keep_beside(path, model, result.reason):
                return
            values = (*[None] * 8, _valid(result.reason), result.retry, 0)
        self._keep(path, result.size, result.mtime_ns, model, values)

    def _keep_beside(self, path: str, model: str, reason: str) -> bool:
        """Keep a failure beside an answer that this model gave before, if it did."""
        with self._told():
            cursor = self._db.execute(
                "UPDATE answers SET error = ?, retry = 1, losses = 0 "
                "WHERE path = ? AND model = ? AND genre IS NOT NULL",
                (_valid(reason), encoded_name(path), _valid(model)),
            )
        return cursor.rowcount > 0

    def record_loss(self, path: str, model: str, how: str) -> str:
        """Keep that a worker died of a file; it is tried once more in the next run, and then no more."""
        with self._told():
            size, mtime_ns, losses = self._db.execute(
                "SELECT size, mtime_ns, losses FROM seen WHERE path = ?", (encoded_name(path),)
            ).fetchone()
        losses += 1
        again = losses < _MAX_LOSSES
        left = "the next run tries once more" if again else "it is skipped until it changes or --retry-failed is given"
        times = "" if again else f" {losses} times"
        reason = f"could not be finished: its worker process died{times} ({how}); {left}"
        self._keep(path, size, mtime_ns, model, (*[None] * 8, reason, again, losses))
        return reason

    def _keep(self, path: str, size: int, mtime_ns: int, model: str, values: tuple[object, ...]) -> None:
        with self._told():
            self._db.execute(
                "INSERT OR REPLACE INTO answers (path, size, mtime_ns, model, genre, confidence, probabilities, "
                "reason, seconds, title, artist, album, error, retry, losses) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (encoded_name(path), size, mtime_ns, _valid(model), *values),
            )

    def summary(self, model: str, accepted: Acceptance) -> list[tuple[str | None, int, float]]:
        """Count the files of each genre."""
        query = f"SELECT decided, count(*), total(seconds) FROM ({_RESULTS}) GROUP BY decided ORDER BY 2 DESC, 1"
        return [
            (None if genre is None else _decoded_genre(genre), count, seconds)
            for genre, count, seconds in self._rows(query, _parameters(model, accepted))
        ]

    def count_failures(self, model: str, accepted: Acceptance) -> int:
        """Count the files that failed, also those that an earlier answer is kept of."""
        query = f"SELECT count(*) FROM ({_RESULTS}) WHERE error IS NOT NULL"
        ((count,),) = self._rows(query, _parameters(model, accepted))
        return int(count)

    def count_by_hand(self, model: str, accepted: Acceptance) -> int:
        """Count the files whose genre somebody chose."""
        query = f"SELECT count(*) FROM ({_RESULTS}) WHERE is_by_hand AND genre IS NOT NULL"
        ((count,),) = self._rows(query, _parameters(model, accepted))
        return int(count)

    def entries(self, model: str, accepted: Acceptance, genre: str | None = None) -> Iterator[Entry]:
        """Yield files in the order of their paths."""
        parameters = _parameters(model, accepted)
        where = ""
        if genre is not None:
            # The first condition spares the second one most rows: it is decided in Python.
            where = " WHERE (genre = :genre OR is_by_hand OR :genre = :unknown) AND decided = :genre"
            parameters["unknown"] = _encoded_genre(UNKNOWN)
            parameters["genre"] = _encoded_genre(genre)
        for row in self._rows(f"SELECT * FROM ({_RESULTS}){where} ORDER BY path", parameters):
            yield _entry(row, accepted)

    def be_durable(self) -> None:
        """From now on have what is written survive a loss of power: users' files are about to change."""
        with self._told():
            self._db.execute("PRAGMA synchronous = FULL")

    def begin_tag(self, path: str, genre: str, part: str, before: FileState) -> int:
        """Keep that a tag is about to be written."""
        with self._told():
            cursor = self._db.execute(
                "INSERT INTO tags (path, genre, is_settled, part, sha256_before, size_before, mtime_ns_before, delta) "
                "VALUES (?, ?, 0, ?, ?, ?, ?, x'')",
                (
                    encoded_name(path),
                    _encoded_genre(genre),
                    encoded_name(part),
                    before.sha256,
                    before.size,
                    before.mtime_ns,
                ),
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def ready_tag(self, number: int, after: FileState, delta: bytes) -> None:
        """Keep what a file will be with its tag, and what gives the former content back."""
        with self._told():
            self._db.execute(
                "UPDATE tags SET sha256_after = ?, size_after = ?, mtime_ns_after = ?, delta = ? WHERE number = ?",
                (after.sha256, after.size, after.mtime_ns, delta, number),
            )

    def settle_tag(self, number: int) -> None:
        """Keep that a tag is in its file."""
        with self.at_once(), self._told():
            self._db.execute("UPDATE tags SET is_settled = 1 WHERE number = ?", (number,))
            path, *states = self._db.execute(
                "SELECT path, size_before, mtime_ns_before, size_after, mtime_ns_after FROM tags WHERE number = ?",
                (number,),
            ).fetchone()
            self._follow(path, *states)

    def begin_undo(self, number: int, part: str) -> None:
        """Keep that a tag is about to be taken back."""
        with self._told():
            self._db.execute("UPDATE tags SET is_settled = 0, part = ? WHERE number = ?", (encoded_name(part), number))

    def keep_tag(self, number: int) -> None:
        """Keep that a tag was not taken back after all."""
        with self._told():
            self._db.execute("UPDATE tags SET is_settled = 1 WHERE number = ?", (number,))

    def end_tag(self, number: int) -> None:
        """Forget a tag that was taken back, or never got into its file."""
        with self.at_once(), self._told():
            path, *states = self._db.execute(
                "SELECT path, size_after, mtime_ns_after, size_before, mtime_ns_before FROM tags WHERE number = ?",
                (number,),
            ).fetchone()
            self._db.execute("DELETE FROM tags WHERE number = ?", (number,))
            self._follow(path, *states)

    def tags(self, path: str) -> list[TagRecord]:
        """List the tags written to one file."""
        query = f"SELECT {_TAG_COLUMNS} FROM tags WHERE path = :path ORDER BY number DESC"
        return [_tag(row) for row in self._rows(query, {"path": encoded_name(path)})]

    def unsettled_tags(self) -> list[TagRecord]:
        """List the tags that were being written or taken back when a run ended early."""
        return [_tag(row) for row in self._rows(f"SELECT {_TAG_COLUMNS} FROM tags WHERE NOT is_settled", {})]

    def tagged_paths(self) -> list[str]:
        """List the files that tags were written to."""
        return [decoded_name(path) for (path,) in self._rows("SELECT DISTINCT path FROM tags ORDER BY path", {})]

    def playlists(self) -> list[PlaylistRecord]:
        """List the playlists that were written and not taken back."""
        query = "SELECT name, before, own_before, after, folders_made FROM playlists ORDER BY number DESC"
        return [
            PlaylistRecord(decoded_name(name), before, own_before, tuple(json.loads(after)), made)
            for name, before, own_before, after, made in self._rows(query)
        ]

    def begin_playlist(self, record: PlaylistRecord, note: str, value: str) -> None:
        """Keep that a playlist is about to be written or removed; what it was before the first time stays."""
        with self.at_once(), self._told():
            self._db.execute(
                "INSERT INTO playlists (name, before, own_before, after, folders_made) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET after = excluded.after",
                (
                    encoded_name(record.name),
                    record.before,
                    record.own_before,
                    json.dumps(record.after),
                    record.folders_made,
                ),
            )
            self.write_note(note, value)

    def settle_playlist(self, name: str, after: str | None, note: str, value: str) -> None:
        """Keep that a playlist was written or removed."""
        with self.at_once(), self._told():
            self._db.execute("UPDATE playlists SET after = ? WHERE name = ?", (json.dumps([after]), encoded_name(name)))
            self.write_note(note, value)

    def end_playlist(self, record: PlaylistRecord, note: str) -> None:
        """Forget a playlist that was taken back."""
        with self.at_once(), self._told():
            self._db.execute("DELETE FROM playlists WHERE name = ?", (encoded_name(record.name),))
            self.write_note(note, record.own_before or "[]")

    def _follow(
        self, path: bytes, size: int | None, mtime_ns: int | None, new_size: int | None, new_mtime_ns: int | None
    ) -> None:
        """Keep an answer for a file of which only the tag changed."""
        self._db.execute(
            "UPDATE answers SET size = ?, mtime_ns = ? WHERE path = ? AND size = ? AND mtime_ns = ?",
            (new_size, new_mtime_ns, path, size, mtime_ns),
        )


def _parameters(model: str, accepted: Acceptance) -> dict[str, Any]:
    return {
        "model": _valid(model),
        "bar": accepted.min_confidence,
        "limits": accepted.limits,
    }


def _entry(row: tuple[Any, ...], accepted: Acceptance) -> Entry:
    path, size, mtime_ns, genre, confidence, probabilities, reason, seconds, *texts, error, by_hand, decided = row
    if genre is None:
        return Entry(decoded_name(path), "", error=error)
    answer = Answer(
        size, mtime_ns, _decoded_genre(genre), confidence, json.loads(probabilities), reason, seconds, *texts
    )
    if by_hand:
        return Entry(decoded_name(path), _decoded_genre(decided), answer, error=error, by_hand=True)
    _, why = accepted_genre(answer.genre, confidence, reason, accepted)
    return Entry(decoded_name(path), _decoded_genre(decided), answer, why, error)


def _accepted(
    genre: bytes | None, confidence: float | None, reason: str | None, bar: float, limits: int
) -> bytes | None:
    if genre is None:
        return None
    decided, _ = accepted_genre(_decoded_genre(genre), confidence, reason, _acceptance(bar, limits))
    return None if decided is None else _encoded_genre(decided)


@lru_cache(maxsize=4)
def _acceptance(bar: float, limits: int) -> Acceptance:
    return Acceptance(bar, limits=bool(limits))


def _tag(row: tuple[Any, ...]) -> TagRecord:
    number, path, genre, is_settled, part, sha_before, size_before, mtime_before, sha, size, mtime_ns, delta = row
    return TagRecord(
        number,
        decoded_name(path),
        _decoded_genre(genre),
        bool(is_settled),
        decoded_name(part),
        FileState(sha_before, size_before, mtime_before),
        None if sha is None else FileState(sha, size, mtime_ns),
        delta,
    )


def _encoded_genre(genre: str) -> bytes:
    # JSON, and so a model's card, can hold half a pair of surrogates.
    return genre.encode("utf-8", "surrogatepass")


def _decoded_genre(genre: bytes) -> str:
    return genre.decode("utf-8", "surrogatepass")


def _valid(text: str | None) -> str | None:
    return None if text is None else text.encode("utf-8", "backslashreplace").decode("utf-8")
