"""A user's table of track features, and a model that was trained on such tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from audio_genre.datasets.tracks.layout import find_layout
from audio_genre.datasets.tracks.reading import read_cells
from audio_genre.library.plan import Opinion
from audio_genre.spotify.patience import AccountProgress
from audio_genre.spotify.songs import LikedSong
from audio_genre.spotify.sources.source import Matcher, Source
from audio_genre.spotify.sources.tables import classify_rows, open_model


class FeatureTable(Source):
    """Rows of a table, matched by id, ISRC, or title and artist, and what a model says of them."""

    name = "features"

    def __init__(self, path: Path, model: Path) -> None:
        self._path, self._model = path, model

    def opinions(self, songs: Sequence[LikedSong], progress: AccountProgress) -> dict[str, Opinion]:
        """Return what the model says of the rows that are among the songs."""
        bundle = open_model(self._model)
        progress(0, None, f"reading {self._path.name}")
        frame = read_cells(self._path, None, None)
        meaning = find_layout(frame.header).columns_of(self._path, frame.header)
        isrc = next((name for name in frame.header if name.lower() == "isrc"), None)
        columns = {
            "track_id": meaning.get("id"),
            "isrc": isrc,
            "title": meaning.get("title"),
            "artists": meaning.get("artists"),
        }
        texts = {
            role: frame.data[column].astype(str).tolist() if column is not None else [""] * len(frame)
            for role, column in columns.items()
        }
        matcher = Matcher(songs)
        row_of: dict[str, int] = {}
        for row, cells in enumerate(zip(*texts.values(), strict=True)):
            for song in matcher.find(**dict(zip(texts, cells, strict=True)))[0]:
                row_of.setdefault(song.key, row)
        if not row_of:
            return {}
        rows = sorted(set(row_of.values()))
        table = frame.data.iloc[rows]
        cells_of = [
            ["" if isinstance(cell, float) and np.isnan(cell) else cell for cell in line]
            for line in table.itertuples(index=False, name=None)
        ]
        answers = dict(zip(rows, classify_rows(self._path, frame.header, cells_of, bundle), strict=True))
        progress(len(row_of), len(songs), f"songs found in {self._path.name}")
        return {
            key: Opinion(
                answers[row].genre,
                answers[row].confidence,
                f"{self._path.name} line {frame.lines[row]}, {bundle.name}",
                answers[row].reason,
            )
            for key, row in row_of.items()
        }
