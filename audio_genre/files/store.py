"""A SQLite database with one writer: opened alone, read row by row, its errors in a user's words."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal, Self
from weakref import WeakSet

from audio_genre.errors import AudioGenreError
from audio_genre.files.storage import NoSpaceError, is_there, why_no_space

_LOCK_TIMEOUT_SECONDS = 1.0


class Store(ABC):
    """A database, locked for as long as it is open.

    Attributes
    ----------
    schema, temporary_schema : str
        Statements that make the tables, each ending with ``;`` and a new line. They have a table ``notes`` with the
        columns ``name`` and ``value``. The temporary tables last while the database is open.
    application, version : int
        What the file is marked with: whose it is, and in which layout.
    migrations : mapping of int to sequence of str
        By version, the statements that bring a file in it to the next version, written like `schema`.
    """

    schema: ClassVar[str]
    temporary_schema: ClassVar[str]
    application: ClassVar[int] = 0
    version: ClassVar[int]
    migrations: ClassVar[Mapping[int, Sequence[str]]] = {}

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._cursors: WeakSet[sqlite3.Cursor] = WeakSet()
        with self._told():
            self._db = sqlite3.connect(path or ":memory:", timeout=_LOCK_TIMEOUT_SECONDS, isolation_level=None)
        try:
            with self._told():
                # Held alone, the database needs no shared memory, and so works on network file systems too.
                self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
                (application,) = self._db.execute("PRAGMA application_id").fetchone()
                (version,) = self._db.execute("PRAGMA user_version").fetchone()
                (tables,) = self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
                steps = range(version, self.version) if tables else range(0)
                is_known = application == self.application and version <= self.version
                if tables and not (is_known and all(step in self.migrations for step in steps)):
                    raise self._foreign(application, version)
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = NORMAL")
                self._db.execute("BEGIN IMMEDIATE")
                # All in one transaction: a file is of the one version or the other.
                scripts = [script for step in steps for script in self.migrations[step]]
                for statement in "".join([*scripts, self.schema]).split(";\n")[:-1]:
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA application_id = {self.application}")
                self._db.execute(f"PRAGMA user_version = {self.version}")
                self._db.execute("COMMIT")
                self._db.executescript(self.temporary_schema)
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database and let go of its lock."""
        # A statement that is still being read, by an iterator that some traceback holds, would keep the lock.
        for cursor in self._cursors:
            cursor.close()
        self._db.close()

    def read_note(self, name: str) -> str | None:
        """Return what was written under a name."""
        with self._told():
            row = self._db.execute("SELECT value FROM notes WHERE name = ?", (self._note_key(name),)).fetchone()
        return None if row is None else str(row[0])

    def write_note(self, name: str, value: str) -> None:
        """Write a value under a name."""
        with self._told():
            self._db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (self._note_key(name), value))

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Write all that is written within the context in one transaction."""
        with self._told():
            self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            # Some errors have rolled it back already.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        with self._told():
            self._db.execute("COMMIT")

    def _note_key(self, name: str) -> str | bytes:
        """Return the name of a note as it is stored."""
        return name

    @abstractmethod
    def _foreign(self, application: int, version: int) -> AudioGenreError:
        """Return the error for a database of another program or in another layout."""

    @abstractmethod
    def _failure(self, kind: Literal["held", "damaged", "other"], error: sqlite3.Error) -> AudioGenreError:
        """Return the error for what SQLite says."""

    def _rows(self, query: str, parameters: Mapping[str, Any] | None = None) -> Iterator[tuple[Any, ...]]:
        with self._told():
            cursor = self._db.execute(query, parameters or {})
            self._cursors.add(cursor)
        while True:
            with self._told():
                row = cursor.fetchone()
            if row is None:
                return
            yield row

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Put SQLite's errors into sentences."""
        try:
            yield
        except sqlite3.Error as error:
            # The low byte is the kind of error, the rest its details.
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise self._failure("held", error) from None
            if code == sqlite3.SQLITE_FULL:
                raise NoSpaceError(self._path or Path()) from None
            no_space = self._why_no_space() if code == sqlite3.SQLITE_IOERR else None
            if no_space is not None:
                raise NoSpaceError(self._path or Path(), no_space) from None
            is_damaged = code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
            raise self._failure("damaged" if is_damaged else "other", error) from None

    def _why_no_space(self) -> int | None:
        """Find out whether what SQLite calls an input or output error, such as an exhausted quota, is lack of space."""
        if self._path is None:
            return None
        files = (self._path, self._path.with_name(f"{self._path.name}-wal"))
        return why_no_space(self._path.parent, max(file.stat().st_size if is_there(file) else 0 for file in files))


def encoded_name(name: str) -> bytes:
    """Encode the name of a file, which need not be valid text; SQLite's text must."""
    return name.encode("utf-8", "surrogateescape")


def decoded_name(name: bytes) -> str:
    """Take `encoded_name` back."""
    return name.decode("utf-8", "surrogateescape")
