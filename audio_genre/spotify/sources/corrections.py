"""The user's own corrections: a table with a genre for each song."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from audio_genre.datasets.frame import read_frame
from audio_genre.errors import TableError
from audio_genre.files.spreadsheets import plain_cell
from audio_genre.library.plan import Opinion
from audio_genre.spotify.patience import AccountProgress
from audio_genre.spotify.songs import LikedSong
from audio_genre.spotify.sources.source import Matcher, Source

_ROLES = {
    "track_id": ("track_id", "id", "uri", "track uri", "spotify_id", "spotify id", "link", "url"),
    "isrc": ("isrc",),
    "title": ("title", "track_name", "track name", "name", "song"),
    "artists": ("artists", "artist", "artist_name", "artist name(s)"),
    "genre": ("genre",),
}


class Corrections(Source):
    """A table with the column genre, and track_id, isrc, or title and artists; rows without a genre say nothing."""

    name = "corrections"

    def __init__(self, path: Path) -> None:
        self._path = path

    def opinions(self, songs: Sequence[LikedSong], progress: AccountProgress) -> dict[str, Opinion]:
        """Return the genres that the user wrote down."""
        frame = read_frame(self._path, numeric=lambda _: False, missing=frozenset())
        lower = {name.strip().lower(): name for name in frame.header}
        columns = {role: next((lower[name] for name in names if name in lower), None) for role, names in _ROLES.items()}
        if columns["genre"] is None or not any((columns["track_id"], columns["isrc"], columns["title"])):
            raise TableError(
                f"{self._path} is no table of corrections: it needs the column genre, and track_id, isrc, or title and "
                f"artists; it has {', '.join(frame.header[:12])}."
            )
        cells = {
            role: [str(plain_cell(str(cell))).strip() for cell in frame.data[column]]
            if column is not None
            else [""] * len(frame)
            for role, column in columns.items()
        }
        matcher = Matcher(songs)
        found: dict[str, Opinion] = {}
        strangers = 0
        for row, genre in enumerate(cells["genre"]):
            if not genre:
                continue
            track_id, isrc, title, artists = (cells[role][row] for role in ("track_id", "isrc", "title", "artists"))
            meant, _ = matcher.find(track_id=track_id, isrc=isrc, title=title, artists=artists)
            strangers += not meant
            for song in meant:
                found[song.key] = Opinion(genre, 1.0, f"your corrections, {self._path.name} line {frame.lines[row]}")
        if strangers:
            rows = "1 row means" if strangers == 1 else f"{strangers} rows mean"
            progress.note(f"{self._path.name}: {rows} no liked song.")
        return found
