"""Liked songs: from what the API sends to what is kept of it, and to a table."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio_genre.files.csv_rows import CsvWriter
from audio_genre.files.spreadsheets import safe_cell
from audio_genre.files.storage import storage_error, whole_file

TRACK = "spotify:track:"
"""What the names of tracks begin with."""

COLUMNS = ("track_id", "isrc", "title", "artists", "album", "duration_ms", "added_at", "skipped")
"""Columns of the table of liked songs."""


@dataclass(frozen=True, slots=True)
class LikedSong:
    """A liked song.

    Attributes
    ----------
    key : str
        Its URI; a name of our own where it has none.
    track_id : str
        Spotify's id; empty where there is none.
    isrc, title, album : str
        As Spotify has them; empty where it does not say.
    artists : tuple of str
        Names of the artists.
    duration_ms : int
        Length in milliseconds; 0 where it is not known.
    added_at : str
        When it was liked, in UTC.
    skipped : str or None
        Why it cannot go to a playlist.
    """

    key: str
    track_id: str = ""
    isrc: str = ""
    title: str = ""
    artists: tuple[str, ...] = ()
    album: str = ""
    duration_ms: int = 0
    added_at: str = ""
    skipped: str | None = None

    @property
    def name(self) -> str:
        """Artists and title, for people."""
        return " - ".join(filter(None, (", ".join(self.artists), self.title))) or self.key


def song_of(item: Any, nameless: str) -> LikedSong:
    """Return what is kept of an entry of the list of liked songs; `nameless` begins its key if it has none.

    Examples
    --------
    >>> song_of({"added_at": "2026-01-01T00:00:00Z", "track": None}, "null:1").skipped
    'Spotify has no song here any more'
    """
    entry = item if isinstance(item, dict) else {}
    added_at = _text(entry.get("added_at"))
    nameless = f"{nameless}:{added_at}"
    track = entry.get("track") or entry.get("item")
    if not isinstance(track, dict):
        return LikedSong(nameless, added_at=added_at, skipped="Spotify has no song here any more")
    uri, track_id = _text(track.get("uri")), _text(track.get("id"))
    skipped = None
    if track.get("is_local") or uri.startswith("spotify:local:"):
        skipped = "is a local file, which the Web API cannot add to playlists"
    elif track.get("type", "track") != "track":
        skipped = "is an episode of a podcast" if track.get("type") == "episode" else "is no song"
    elif not track_id and not uri.startswith(TRACK):
        skipped = "has no Spotify id"
    artists, album, ids = track.get("artists"), track.get("album"), track.get("external_ids")
    length = track.get("duration_ms")
    return LikedSong(
        key=uri or (TRACK + track_id if track_id else nameless),
        track_id=track_id or (uri.removeprefix(TRACK) if skipped is None else ""),
        isrc=plain_isrc(_text(ids.get("isrc")) if isinstance(ids, dict) else ""),
        title=_text(track.get("name")),
        artists=tuple(
            filter(None, (_text(artist.get("name")) for artist in artists or () if isinstance(artist, dict)))
            if isinstance(artists, list)
            else ()
        ),
        album=_text(album.get("name")) if isinstance(album, dict) else "",
        duration_ms=length if isinstance(length, int) and length > 0 else 0,
        added_at=added_at,
        skipped=skipped,
    )


def plain_isrc(text: str) -> str:
    """Return an ISRC as it is compared.

    Examples
    --------
    >>> plain_isrc("us-rc1-76-07839")
    'USRC17607839'
    """
    return "".join(letter for letter in text.upper() if letter.isalnum())


def plain_id(text: str) -> str:
    """Return the id of a track that is given as id, URI or link.

    Examples
    --------
    >>> plain_id("https://open.spotify.com/track/4iV5W9?si=1"), plain_id("spotify:track:4iV5W9"), plain_id(" 4iV5W9 ")
    ('4iV5W9', '4iV5W9', '4iV5W9')
    """
    return text.strip().partition("?")[0].rstrip("/").rpartition("/")[2].rpartition(":")[2]


def cells_of(song: LikedSong) -> list[str]:
    """Return the cells of a song under `COLUMNS`."""
    length = str(song.duration_ms) if song.duration_ms else ""
    names = "; ".join(song.artists)
    return [song.track_id, song.isrc, song.title, names, song.album, length, song.added_at, song.skipped or ""]


def write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Write a table; cells that a spreadsheet program would take for a formula get an apostrophe."""
    try:
        with whole_file(path) as file:
            text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
            writer = CsvWriter(text)
            writer.writerow(header)
            writer.writerows([safe_cell(cell) for cell in row] for row in rows)
            text.detach()
    except OSError as error:
        raise storage_error(error, path) from None


def as_dict(song: LikedSong) -> Mapping[str, Any]:
    """Return a song for JSON."""
    return {
        "track_id": song.track_id,
        "isrc": song.isrc,
        "title": song.title,
        "artists": list(song.artists),
        "album": song.album,
        "duration_ms": song.duration_ms,
        "added_at": song.added_at,
        "skipped": song.skipped,
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
