"""Small synthetic tables of tracks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SOUND = ("danceability", "energy", "speechiness", "acousticness", "instrumentalness", "liveness", "valence")


def tracks_frame(counts: dict[str, int], *, telling: float = 0.12, per_artist: int = 4, seed: int = 0) -> pd.DataFrame:
    """Return rows of each genre, sorted by genre: danceability and energy tell it by `telling`, nothing else does.

    Each artist is of one genre and has `per_artist` tracks.
    """
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for number, (genre, count) in enumerate(counts.items()):
        for k in range(count):
            values = {name: float(rng.uniform(0.2, 0.8)) for name in SOUND}
            for name, sign in (("danceability", 1), ("energy", -1)):
                values[name] = float(np.clip(0.5 + sign * telling * (number - 1) + 0.08 * rng.normal(), 0, 1))
            rows.append(
                {
                    "track_id": f"{genre}-{k}",
                    "artists": f"{genre} artist {k // per_artist}",
                    "track_name": f"title {number} {k}",
                    **values,
                    "loudness": float(-10 + rng.normal()),
                    "tempo": float(rng.uniform(60, 180)),
                    "key": int(rng.integers(12)),
                    "mode": int(rng.integers(2)),
                    "track_genre": genre,
                }
            )
    return pd.DataFrame(rows)


def write_tracks(path: Path, frame: pd.DataFrame, *, index: bool = False) -> Path:
    """Write a table of tracks, with the nameless column that pandas puts first if `index` is asked for."""
    frame.reset_index(drop=True).to_csv(path, index=index)
    return path
