"""What is known of a file of a library: its answer, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Acceptance:
    """When a file is unknown.

    Attributes
    ----------
    min_confidence : float
        Confidence below which it is.
    limits : bool
        Whether it also is where the model says so, by its own limits.
    """

    min_confidence: float = 0.0
    limits: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says of one file.

    Attributes
    ----------
    size, mtime_ns : int
        Size in bytes and time of change of the file that was listened to.
    genre : str
        The most probable genre, also where there is a reason not to believe it; ``"unknown"`` where nothing is heard.
    confidence : float
        Its probability.
    probabilities : mapping of str to float
        Probability of every genre that the model knows.
    reason : str or None
        Why the genre is unknown by the limits of the model; None where it is known.
    seconds : float or None
        Length of the audio in seconds, None where the file does not tell.
    title, artist, album : str or None
        What the file tells of itself; a title that an earlier version kept has the artist before it.
    """

    size: int
    mtime_ns: int
    genre: str
    confidence: float
    probabilities: Mapping[str, float]
    reason: str | None = None
    seconds: float | None = None
    title: str | None = None
    artist: str | None = None
    album: str | None = None

    @property
    def full_title(self) -> str | None:
        """Artist and title, as far as the file tells them."""
        return f"{self.artist} - {self.title}" if self.artist and self.title else self.title


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a file has no answer.

    Attributes
    ----------
    size, mtime_ns : int
        Size in bytes and time of change of the file; -1 and 0 where it could not be examined.
    reason : str
        What is wrong, to be read after the path: "is empty (0 bytes)".
    retry : bool
        Whether the next run tries again although the file did not change.
    """

    size: int
    mtime_ns: int
    reason: str
    retry: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a library, as an `Acceptance` leaves it.

    Attributes
    ----------
    path : str
        Path below the library's folder, with forward slashes.
    genre : str
        The genre, or ``"unknown"``; empty where there is no answer.
    answer : Answer or None
        What the model says.
    reason : str or None
        Why the genre is unknown.
    error : str or None
        Why there is no answer, or why the answer is one of an earlier run.
    by_hand : bool
        Whether the genre is one that somebody chose, see `audio_genre.library.correct`.
    """

    path: str
    genre: str
    answer: Answer | None = None
    reason: str | None = None
    error: str | None = None
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells one content of a file from another.

    Attributes
    ----------
    sha256 : str
        Hash of its bytes.
    size : int
        Bytes.
    mtime_ns : int
        Time of the last change in nanoseconds.
    """

    sha256: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class TagRecord:
    """One tag that was written, with what gives the file back as it was.

    Attributes
    ----------
    number : int
        Counts up in the order of writing.
    path : str
        Path of the file below the library's folder.
    genre : str
        The genre that was written.
    is_settled : bool
        Whether nothing was under way when the record was made.
    part : str
        Name of the file beside it that the new content is, or was, prepared in.
    before : FileState
        The file before the tag was written.
    after : FileState or None
        The file with the tag; None if it was not ready to take the file's place.
    delta : bytes
        What makes the former content out of the present one.
    """

    number: int
    path: str
    genre: str
    is_settled: bool
    part: str
    before: FileState
    after: FileState | None
    delta: bytes


@dataclass(frozen=True, slots=True)
class PlaylistRecord:
    """One playlist that was written or removed, with what it was before the first time.

    Attributes
    ----------
    name : str
        Its path below the library's folder, or its whole path where it is not below it.
    before : bytes or None
        Its content then; None where there was no such file.
    own_before : str or None
        What was noted then of which content is this program's own.
    after : tuple of str or None
        Hashes of the content that this program gave it, or was about to; None for no file.
    folders_made : int
        How many folders were made for it.
    """

    name: str
    before: bytes | None
    own_before: str | None
    after: tuple[str | None, ...]
    folders_made: int
