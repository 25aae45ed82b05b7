"""What a source of genres is, and how its entries are matched with songs."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

from audio_genre.datasets.tracks.linking import plain
from audio_genre.library.plan import Opinion
from audio_genre.spotify.patience import AccountProgress
from audio_genre.spotify.songs import LikedSong, plain_id, plain_isrc

_SECONDS_APART = 3.0
# What stands behind a title on one release of a recording and not on another.
_BESIDE = re.compile(
    r"\s*[(\[](?:feat|ft|with|remaster|\d{4} remaster)\b[^)\]]*[)\]]|\s+-\s+(?:\d{4}\s+)?remaster(?:ed)?\b.*$",
    re.IGNORECASE,
)
_ARTISTS = re.compile(r"\s*(?:;|,|/|&|\bfeat\.?|\bft\.?)\s*", re.IGNORECASE)


class Source(ABC):
    """Says what it knows of the genres of songs.

    Attributes
    ----------
    name : str
        What it is called in code.
    """

    name: ClassVar[str]

    @abstractmethod
    def opinions(self, songs: Sequence[LikedSong], progress: AccountProgress) -> dict[str, Opinion]:
        """Return what is known of songs, by their keys."""


class Matcher:
    """Finds the songs that an entry of a table or a file means: by id, by ISRC, or by title, artist and duration."""

    def __init__(self, songs: Sequence[LikedSong]) -> None:
        self._ids: dict[str, list[LikedSong]] = {}
        self._isrcs: dict[str, list[LikedSong]] = {}
        self._titles: dict[str, list[LikedSong]] = {}
        for song in songs:
            for index, key in (
                (self._ids, song.track_id),
                (self._isrcs, song.isrc),
                (self._titles, _title(song.title)),
            ):
                if key:
                    index.setdefault(key, []).append(song)

    def find(
        self, *, track_id: str = "", isrc: str = "", title: str = "", artists: str = "", seconds: float | None = None
    ) -> tuple[list[LikedSong], str]:
        """Return the songs that are meant, and by what they are known."""
        attempts: tuple[tuple[str, Callable[[], list[LikedSong]]], ...] = (
            ("id", lambda: self._ids.get(plain_id(track_id), []) if track_id.strip() else []),
            ("ISRC", lambda: self._isrcs.get(plain_isrc(isrc), []) if isrc.strip() else []),
            ("title and artist", lambda: self._named(title, artists, seconds)),
        )
        for how, attempt in attempts:
            if found := attempt():
                return found, how
        return [], ""

    def _named(self, title: str, artists: str, seconds: float | None) -> list[LikedSong]:
        names = _names(artists)
        return [
            song
            for song in self._titles.get(_title(title), [])
            if names & {name for artist in song.artists for name in _names(artist)}
            and (seconds is None or not song.duration_ms or abs(song.duration_ms / 1000 - seconds) <= _SECONDS_APART)
        ]


def _title(text: str) -> str:
    r"""Return a title as it is compared.

    Examples
    --------
    >>> _title("So What (feat. X)"), _title("So What - 2009 Remaster")
    ('so what', 'so what')
    """
    return plain(_BESIDE.sub("", text)) or plain(text)


def _names(text: str) -> set[str]:
    """Return the artists in a text, and the text itself: a name may have a comma in it."""
    return {plain(text), *map(plain, _ARTISTS.split(text))} - {""}
