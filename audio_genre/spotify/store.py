"""What is kept of one account: a SQLite database with one writer; `logout` deletes it."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from audio_genre.errors import AccountError
from audio_genre.files.store import Store
from audio_genre.library.plan import Held
from audio_genre.spotify.songs import LikedSong

KEPT_SECONDS = 30 * 86400
"""How long Spotify's and the third party's content is kept without being read again."""

Kind: TypeAlias = Literal["create", "add", "remove"]
State: TypeAlias = Literal["pending", "done", "undone"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS liked (
    position INTEGER PRIMARY KEY,          -- in the order of the account, newest first
    key TEXT NOT NULL UNIQUE,
    track_id TEXT NOT NULL,
    isrc TEXT NOT NULL,
    title TEXT NOT NULL,
    artists TEXT NOT NULL,
    album TEXT NOT NULL,
    duration_ms INTEGER NOT NULL,
    added_at TEXT NOT NULL,
    skipped TEXT
);
CREATE TABLE IF NOT EXISTS moved (key TEXT PRIMARY KEY, genre TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS playlists (
    genre TEXT PRIMARY KEY,                -- what all spellings of the genre have in common
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    snapshot TEXT NOT NULL,                -- as of our last look; empty where the rows are not known
    rows TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS own (
    playlist TEXT NOT NULL,
    key TEXT NOT NULL,
    is_out INTEGER NOT NULL DEFAULT 0,     -- whether the user took it out
    PRIMARY KEY (playlist, key)
);
CREATE TABLE IF NOT EXISTS runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    started REAL NOT NULL,
    state TEXT NOT NULL                    -- open, done, undoing or undone
);
CREATE TABLE IF NOT EXISTS writes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER NOT NULL,
    kind TEXT NOT NULL,
    genre TEXT NOT NULL,
    playlist TEXT NOT NULL,
    keys TEXT NOT NULL,                    -- the songs; of a creation the name
    state TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS features (id TEXT PRIMARY KEY, entry TEXT NOT NULL, fetched REAL NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Playlist:
    """A playlist of ours.

    Attributes
    ----------
    genre, id, name : str
        What all spellings of its genre have in common, Spotify's id, and its name.
    snapshot : str
        Version of the playlist in which `rows` were read; empty where they are not known.
    rows : tuple of str
        Its songs.
    """

    genre: str
    id: str
    name: str
    snapshot: str = ""
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Write:
    """A write to the account.

    Attributes
    ----------
    number, run : int
        Counts up in the order of writing; the run that it belongs to.
    kind : {"create", "add", "remove"}
        What it does.
    genre, playlist : str
        Key of the genre, and id of the playlist; empty while a new one is not there yet.
    keys : tuple of str
        The songs; of a creation the name.
    state : {"pending", "done", "undone"}
        Whether it is known to have been made.
    """

    number: int
    run: int
    kind: Kind
    genre: str
    playlist: str
    keys: tuple[str, ...]
    state: State


@dataclass(frozen=True, slots=True)
class Run:
    """A run that wrote to the account.

    Attributes
    ----------
    number : int
        Counts up.
    started : float
        When it began, in seconds since 1970.
    state : {"open", "done", "undoing", "undone"}
        How far it is.
    """

    number: int
    started: float
    state: Literal["open", "done", "undoing", "undone"]


class BusyError(AccountError):
    """Another run is at work on the account."""


class AccountStore(Store):
    """The database of one account, locked for as long as it is open."""

    schema = _SCHEMA
    temporary_schema = ""
    application = 0x61675350
    version = 1
    synchronous = "FULL"
    """What was sent must be known after a loss of power too."""

    def __init__(self, path: Path) -> None:
        # Before SQLite makes it; its other files get the same rights.
        with suppress(OSError):
            path.touch(0o600)
            path.chmod(0o600)
        super().__init__(path)
        with self._told():
            self._db.execute(f"PRAGMA synchronous = {self.synchronous}")
            self._db.execute("PRAGMA secure_delete = ON")

    def _foreign(self, application: int, version: int) -> AccountError:
        if application != self.application:
            return AccountError(f"{self._path} is another program's database; move it away and log in again.")
        return AccountError(
            f"The database {self._path} was written by a newer version of audio-genre (format {version}, this is "
            f"{self.version}); update audio-genre to use it."
        )

    def _failure(self, kind: Literal["held", "damaged", "other"], error: sqlite3.Error) -> AccountError:
        if kind == "held":
            return BusyError(
                f"Another run is at work on this account (it uses {self._path}); wait until it ends, then try again."
            )
        if kind == "damaged":
            return AccountError(
                f"{self._path} is damaged ({error}); delete it with `audio-genre spotify logout`, and log in again."
            )
        return AccountError(f"The database {self._path} cannot be used ({error}); check the disk and its permissions.")

    def note(self, name: str) -> Any:
        """Return the value of a note, None where there is none."""
        text = self.read_note(name)
        return None if text is None else json.loads(text)

    def set_note(self, name: str, value: Any) -> None:
        """Keep a value under a name."""
        self.write_note(name, json.dumps(value))

    def forget_old(self, now: float | None = None) -> None:
        """Delete content that was not read again for `KEPT_SECONDS`."""
        now = time.time() if now is None else now
        with self.at_once(), self._told():
            self._db.execute("DELETE FROM features WHERE fetched < ?", (now - KEPT_SECONDS,))
            liked = self.note("liked")
            if liked is not None and liked["read_at"] < now - KEPT_SECONDS:
                self._db.execute("DELETE FROM liked")
                self._db.execute("DELETE FROM notes WHERE name = 'liked'")

    # Liked songs

    def liked(self) -> Iterator[LikedSong]:
        """Yield the liked songs that are kept, the newest first."""
        query = (
            "SELECT key, track_id, isrc, title, artists, album, duration_ms, added_at, skipped FROM liked "
            "ORDER BY position"
        )
        for key, track_id, isrc, title, artists, album, duration_ms, added_at, skipped in self._rows(query):
            names = tuple(json.loads(artists))
            yield LikedSong(key, track_id, isrc, title, names, album, duration_ms, added_at, skipped)

    def count_liked(self) -> int:
        """Count the liked songs that are kept."""
        ((count,),) = self._rows("SELECT count(*) FROM liked")
        return int(count)

    def keep_liked(self, first: int, songs: Iterable[LikedSong], note: Mapping[str, Any]) -> None:
        """Keep songs from a position on, and how far the list is read; one that is there already stays."""
        with self.at_once(), self._told():
            self._db.executemany(
                "INSERT OR IGNORE INTO liked VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        first + place,
                        _valid(song.key),
                        _valid(song.track_id),
                        _valid(song.isrc),
                        _valid(song.title),
                        json.dumps(song.artists),
                        _valid(song.album),
                        min(song.duration_ms, 2**62),
                        _valid(song.added_at),
                        song.skipped,
                    )
                    for place, song in enumerate(songs)
                ],
            )
            self.set_note("liked", note)

    def shift_liked(self, by: int) -> None:
        """Make room for new songs before all that are kept."""
        with self._told():
            self._db.execute("UPDATE liked SET position = -position - 1")
            self._db.execute("UPDATE liked SET position = -position - 1 + ?", (by,))

    def clear_liked(self) -> None:
        """Forget the liked songs."""
        with self.at_once(), self._told():
            self._db.execute("DELETE FROM liked")
            self._db.execute("DELETE FROM notes WHERE name = 'liked'")

    def moved(self) -> dict[str, str]:
        """Return the genres that the user gave to songs by hand."""
        return dict(self._rows("SELECT key, genre FROM moved"))

    def move(self, genres: Mapping[str, str | None]) -> None:
        """Keep genres that the user gave; None takes one back."""
        with self.at_once(), self._told():
            for key, genre in genres.items():
                if genre is None:
                    self._db.execute("DELETE FROM moved WHERE key = ?", (key,))
                else:
                    self._db.execute("INSERT OR REPLACE INTO moved VALUES (?, ?)", (key, _valid(genre)))

    # Playlists

    def playlists(self) -> dict[str, Playlist]:
        """Return our playlists by the key of their genre."""
        rows = self._rows("SELECT genre, id, name, snapshot, rows FROM playlists ORDER BY genre")
        return {
            genre: Playlist(genre, number, name, snapshot, tuple(json.loads(text)))
            for genre, number, name, snapshot, text in rows
        }

    def keep_playlist(self, playlist: Playlist) -> None:
        """Keep a playlist of ours in place of what was kept of it."""
        with self._told():
            self._db.execute(
                "INSERT OR REPLACE INTO playlists VALUES (?, ?, ?, ?, ?)",
                (
                    playlist.genre,
                    playlist.id,
                    _valid(playlist.name),
                    playlist.snapshot,
                    json.dumps(playlist.rows),
                ),
            )

    def see_rows(self, playlist: Playlist) -> None:
        """Keep the rows of a playlist as they were read, and which of ours the user took out."""
        there = set(playlist.rows)
        with self.at_once(), self._told():
            self.keep_playlist(playlist)
            for (key,) in list(self._rows("SELECT key FROM own WHERE playlist = :id", {"id": playlist.id})):
                if key not in there:
                    self._db.execute("UPDATE own SET is_out = 1 WHERE playlist = ? AND key = ?", (playlist.id, key))

    def forget_playlist(self, number: str) -> None:
        """Forget a playlist that is no longer in the account."""
        with self.at_once(), self._told():
            self._db.execute("DELETE FROM playlists WHERE id = ?", (number,))
            self._db.execute("DELETE FROM own WHERE playlist = ?", (number,))

    def held(self, playlist: Playlist) -> Held:
        """Return what a playlist has, and what of it is ours."""
        rows = self._rows("SELECT key, is_out FROM own WHERE playlist = :id", {"id": playlist.id})
        own = {key: bool(is_out) for key, is_out in rows}
        return Held(
            playlist.rows,
            frozenset(key for key, is_out in own.items() if not is_out),
            frozenset(key for key, is_out in own.items() if is_out),
        )

    # Runs and writes

    def open_run(self) -> Run:
        """Begin a run, or go on with the one that did not end."""
        for run in self.runs():
            if run.state == "open":
                return run
        with self._told():
            cursor = self._db.execute("INSERT INTO runs (started, state) VALUES (?, 'open')", (time.time(),))
        assert cursor.lastrowid is not None
        return self._run(cursor.lastrowid)

    def runs(self) -> list[Run]:
        """Return every run, the last one first."""
        return [Run(*row) for row in self._rows("SELECT number, started, state FROM runs ORDER BY number DESC")]

    def _run(self, number: int) -> Run:
        return next(run for run in self.runs() if run.number == number)

    def set_run(self, run: int, state: str) -> None:
        """Keep how far a run is; one that wrote nothing is forgotten."""
        with self.at_once(), self._told():
            self._db.execute("UPDATE runs SET state = ? WHERE number = ?", (state, run))
            if not self.writes(run):
                self._db.execute("DELETE FROM runs WHERE number = ?", (run,))

    def begin(self, run: int, kind: Kind, genre: str, playlist: str, keys: Sequence[str]) -> Write:
        """Keep that a write is about to be sent."""
        with self._told():
            cursor = self._db.execute(
                "INSERT INTO writes (run, kind, genre, playlist, keys, state) VALUES (?, ?, ?, ?, ?, 'pending')",
                (run, kind, genre, playlist, json.dumps(list(keys))),
            )
        assert cursor.lastrowid is not None
        return Write(cursor.lastrowid, run, kind, genre, playlist, tuple(keys), "pending")

    def writes(self, run: int | None = None) -> list[Write]:
        """Return the writes of a run, or those of all runs, in their order."""
        query = "SELECT number, run, kind, genre, playlist, keys, state FROM writes"
        where = "" if run is None else " WHERE run = :run"
        rows = self._rows(f"{query}{where} ORDER BY number", {"run": run})
        return [
            Write(number, of, kind, genre, playlist, tuple(json.loads(keys)), state)
            for number, of, kind, genre, playlist, keys, state in rows
        ]

    def created(self, write: Write, playlist: Playlist) -> None:
        """Keep that a playlist was made."""
        with self.at_once(), self._told():
            self.keep_playlist(playlist)
            self._db.execute(
                "UPDATE writes SET state = 'done', playlist = ? WHERE number = ?", (playlist.id, write.number)
            )

    def changed(self, write: Write, playlist: Playlist, *, undo: bool = False) -> None:
        """Keep that songs were added or removed, and whose they are now."""
        is_added = (write.kind == "add") != undo
        with self.at_once(), self._told():
            self.keep_playlist(playlist)
            for key in write.keys:
                if is_added:
                    self._db.execute("INSERT OR REPLACE INTO own VALUES (?, ?, 0)", (write.playlist, key))
                else:
                    self._db.execute("DELETE FROM own WHERE playlist = ? AND key = ?", (write.playlist, key))
            self._set_write(write.number, "undone" if undo else "done")

    def drop(self, write: Write) -> None:
        """Keep that a write was never made, or is taken back."""
        with self._told():
            self._set_write(write.number, "undone")

    def _set_write(self, number: int, state: State) -> None:
        self._db.execute("UPDATE writes SET state = ? WHERE number = ?", (state, number))

    # Features of a third party

    def features(self, ids: Iterable[str]) -> dict[str, dict[str, float] | None]:
        """Return what is kept of the features of songs; None for one that is known to have none."""
        found: dict[str, dict[str, float] | None] = {}
        for number in ids:
            for (text,) in self._rows("SELECT entry FROM features WHERE id = :id", {"id": number}):
                found[number] = json.loads(text)
        return found

    def keep_features(self, entries: Mapping[str, Mapping[str, float] | None]) -> None:
        """Keep features, and of which songs there are none."""
        now = time.time()
        with self.at_once(), self._told():
            self._db.executemany(
                "INSERT OR REPLACE INTO features VALUES (?, ?, ?)",
                [(number, json.dumps(entry), now) for number, entry in entries.items()],
            )


def _valid(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
