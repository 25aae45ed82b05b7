"""Small tables of tracks in the layout of the Kaggle data set, plainly synthetic."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

MEASURED = ("danceability", "energy", "loudness", "speechiness", "acousticness", "instrumentalness", "liveness")
HEADER = [
    *("track_id", "artists", "album_name", "track_name", "popularity", "duration_ms", "explicit", "danceability"),
    *("energy", "key", "loudness", "mode", "speechiness", "acousticness", "instrumentalness", "liveness", "valence"),
    *("tempo", "time_signature", "track_genre"),
]


def tracks_frame(
    count: int = 90,
    genres: tuple[str, ...] = ("jazz", "metal", "pop"),
    *,
    seed: int = 0,
    apart: float = 0.0,
    artists: int = 12,
) -> pd.DataFrame:
    """Return tracks whose sound tells their genre the better the larger `apart` is; each genre has its own artists."""
    rng = np.random.default_rng(seed)
    genre = np.arange(count) % len(genres)

    def share(direction: float) -> Any:
        return np.round(1 / (1 + np.exp(-rng.normal(size=count) - direction * apart * (genre - 1))), 4)

    frame = pd.DataFrame(
        {
            "track_id": [f"id{seed}x{k:05d}" for k in range(count)],
            "artists": [f"Artist {g}.{k}" for g, k in zip(genre, rng.integers(0, artists, count), strict=True)],
            "album_name": [f"Album {k}" for k in rng.integers(0, 40, count)],
            "track_name": [f"Title {k}" for k in range(count)],
            "popularity": rng.integers(0, 100, count),
            "duration_ms": rng.integers(100_000, 400_000, count),
            "explicit": rng.random(count) < 0.2,
            "danceability": share(1),
            "energy": share(-1),
            "key": rng.integers(0, 12, count),
            "loudness": np.round(rng.normal(-10, 4, count) + apart * genre, 3),
            "mode": rng.integers(0, 2, count),
            "speechiness": share(0.5),
            "acousticness": share(1),
            "instrumentalness": share(0),
            "liveness": share(0),
            "valence": share(-0.5),
            "tempo": np.round(rng.uniform(60, 200, count), 3),
            "time_signature": rng.choice([3, 4, 4, 4, 5], count),
            "track_genre": [genres[g] for g in genre],
        }
    )
    return frame[HEADER]


def write_tracks(path: Path, frame: pd.DataFrame | None = None, **options: Any) -> Path:
    """Write a table as CSV; options are those of `tracks_frame`."""
    frame = tracks_frame(**options) if frame is None else frame
    # pandas leaves a cell with a carriage return without quotation marks.
    frame.to_csv(path, index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    return path


def float32_rows(frame: pd.DataFrame, columns: tuple[str, ...]) -> dict[str, bytes]:
    """Return the bytes of each track's cells as single precision."""
    cells = frame[list(columns)].astype(float).to_numpy().astype(np.float32)
    return {name: row.tobytes() for name, row in zip(frame["track_id"], cells, strict=True)}
