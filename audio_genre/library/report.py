"""What organizing a library tells: while it runs, and at its end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from audio_genre.extraction import report as extraction_report

if TYPE_CHECKING:
    import pandas as pd


class LibraryProgress(Protocol):
    """Is told how a run goes; all calls come from the thread that called `organize`."""

    def planned(self, found: int, todo: int) -> None:
        """Hear how many audio files were found and how many of them are to be listened to.

        Parameters
        ----------
        found : int
            Audio files found.
        todo : int
            Those without an answer that still holds.
        """

    def done(self, path: str) -> None:
        """Hear that a file has an answer.

        Parameters
        ----------
        path : str
            Its path below the library's folder.
        """

    def failed(self, path: str, reason: str) -> None:
        """Hear that a file cannot be used, or that its tag cannot be written.

        Parameters
        ----------
        path : str
            Its path below the library's folder.
        reason : str
            What is wrong, to be read after the path: "is empty (0 bytes)".
        """

    def note(self, sentence: str) -> None:
        """Hear something worth knowing.

        Parameters
        ----------
        sentence : str
            A whole sentence.
        """

    def tagged(self, done: int, total: int) -> None:
        """Hear how many files' tags were looked at, written or taken back.

        Parameters
        ----------
        done, total : int
            Files done and files in all.
        """


class NoProgress(extraction_report.NoProgress):
    """Takes note of nothing."""

    def tagged(self, done: int, total: int) -> None:  # noqa: D102
        pass


@dataclass(frozen=True)
class GenreSummary:
    """One line of the summary.

    Attributes
    ----------
    genre : str
        The genre, or "unknown".
    tracks : int
        Files of that genre.
    share : float
        Their share of all files with an answer, from 0 to 1.
    seconds : float
        Playing time of those whose length is known.
    """

    genre: str
    tracks: int
    share: float
    seconds: float


@dataclass(frozen=True)
class PlaylistReport:
    """What became, or would become, of one playlist.

    Attributes
    ----------
    path : Path
        The playlist.
    tracks : int
        Entries in it.
    action : {"write", "keep", "remove", "refuse", "restore"}
        Written, left because it stands there as it would be written, removed because its genre has no tracks any more
        or it was not there before, left alone because it is not one that this program wrote, or given back as it was.
    added, removed : int
        Entries that were, or would be, added and removed.
    """

    path: Path
    tracks: int
    action: Literal["write", "keep", "remove", "refuse", "restore"]
    added: int = 0
    removed: int = 0


@dataclass(frozen=True)
class TagReport:
    """What became, or would become, of the tags.

    Attributes
    ----------
    written : int
        Files that the genre was, or would be, written to.
    unchanged : int
        Files that have this genre, in whatever spelling.
    has_genre : int
        Files left alone because they have another genre.
    refused : int
        Files whose tag cannot be written; each was told as it was met.
    held_back : int
        Files that keep another genre because the confidence is too low to write over it.
    """

    written: int = 0
    unchanged: int = 0
    has_genre: int = 0
    refused: int = 0
    held_back: int = 0


@dataclass(frozen=True)
class FileGenre:
    """The answer for one file.

    Attributes
    ----------
    path : str
        Its path below the library's folder.
    genre : str
        The genre, or "unknown"; empty where there is no answer.
    confidence : float or None
        Probability of the genre, or of the most probable one where the answer is "unknown"; None where there is no
        answer, or the genre was chosen with `correct`.
    reason : str or None
        Why the genre is unknown, or why there is no answer.
    by_hand : bool
        Whether the genre was chosen with `correct`.
    model_genre : str
        The most probable genre by the model, also where the answer is another; empty where there is no answer.
    model_confidence : float or None
        Its probability by the model.
    title, artist, album : str or None
        What the file tells of itself.
    seconds : float or None
        Playing time.
    """

    path: str
    genre: str
    confidence: float | None
    reason: str | None
    by_hand: bool = False
    model_genre: str = ""
    model_confidence: float | None = None
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class OrganizeReport:
    """What a run did.

    Attributes
    ----------
    music_dir, database : Path
        The library, and where its answers are kept.
    model : str
        Name of the model.
    found : int
        Audio files found.
    classified : int
        Those that got an answer in this run.
    kept : int
        Those with an answer or a failure from an earlier run that still holds.
    failed : int
        Files without an answer or with one of an earlier run because they cannot be read now, and folders that cannot.
    genres : tuple of GenreSummary
        The summary; the genre with most tracks first, "unknown" last.
    playlists : tuple of PlaylistReport
        Playlists, in the order of their names.
    left_out : int
        Tracks whose names cannot stand in a playlist.
    csv : Path or None
        The table.
    csv_written : bool
        Whether it was written, and not only would be.
    tags : TagReport or None
        What became of the tags, if they were asked for.
    applied : bool
        Whether playlists and tags were written, and not only would be.
    seconds : float
        Duration of the run.
    trust : str
        How far the model's answers can be trusted, in one sentence.
    excerpt : bool
        Whether one window of each file was heard in place of all of it.
    files : tuple of FileGenre
        The answer of every file, in the order of their paths, if it was asked for.
    by_hand : int
        Files whose genre was chosen with `correct`.
    """

    music_dir: Path
    database: Path
    model: str
    found: int
    classified: int
    kept: int
    failed: int
    genres: tuple[GenreSummary, ...]
    playlists: tuple[PlaylistReport, ...]
    left_out: int
    csv: Path | None
    csv_written: bool
    tags: TagReport | None
    applied: bool
    seconds: float
    trust: str = ""
    excerpt: bool = False
    files: tuple[FileGenre, ...] = ()
    by_hand: int = 0

    def to_frame(self) -> pd.DataFrame:
        """Return the answers as a data frame.

        Returns
        -------
        pandas.DataFrame
            One row per file: path below the library's folder, genre, confidence, reason, by_hand.
        """
        import pandas as pd

        columns = ["path", "genre", "confidence", "reason", "by_hand"]
        return pd.DataFrame([[getattr(file, name) for name in columns] for file in self.files], columns=columns)

    @property
    def answered(self) -> int:
        """Number of files that have an answer."""
        return sum(line.tracks for line in self.genres)


@dataclass(frozen=True)
class UndoReport:
    """What taking tags and playlists back did.

    Attributes
    ----------
    music_dir, database : Path
        The library, and where what its files had before is kept.
    restored : int
        Files that were, or would be, given back as they were.
    refused : int
        Files that cannot be; each was told as it was met.
    applied : bool
        Whether files were written, and not only would be.
    playlists : tuple of PlaylistReport
        What became, or would become, of the playlists that were written; their tracks are not counted.
    """

    music_dir: Path
    database: Path
    restored: int
    refused: int
    applied: bool
    playlists: tuple[PlaylistReport, ...] = ()
