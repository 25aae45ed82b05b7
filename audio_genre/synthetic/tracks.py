"""A table of made-up tracks in the layout of the Kaggle table, seeded, with the faults that real tables have."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.errors import AudioGenreError, ParameterError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_SHARES = ("danceability", "energy", "speechiness", "acousticness", "instrumentalness", "liveness", "valence")
# Invented: typical values of the shares above, loudness in dB, tempo in BPM, popularity.
_TYPICAL: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "acoustic": (0.55, 0.40, 0.05, 0.65, 0.03, 0.14, 0.42, -9.5, 118, 45),
        "classical": (0.36, 0.22, 0.05, 0.85, 0.45, 0.14, 0.32, -17.0, 106, 20),
        "country": (0.56, 0.62, 0.05, 0.28, 0.02, 0.18, 0.52, -7.0, 124, 35),
        "death-metal": (0.32, 0.86, 0.11, 0.04, 0.40, 0.22, 0.26, -6.0, 126, 30),
        "edm": (0.62, 0.74, 0.09, 0.12, 0.10, 0.20, 0.40, -5.5, 126, 50),
        "folk": (0.50, 0.38, 0.05, 0.62, 0.06, 0.16, 0.40, -10.5, 117, 40),
        "hard-rock": (0.46, 0.76, 0.07, 0.09, 0.08, 0.22, 0.44, -6.5, 126, 45),
        "hip-hop": (0.70, 0.64, 0.16, 0.20, 0.03, 0.19, 0.52, -7.0, 112, 40),
        "jazz": (0.52, 0.34, 0.06, 0.66, 0.14, 0.16, 0.48, -12.0, 112, 25),
        "pop": (0.63, 0.62, 0.07, 0.28, 0.02, 0.18, 0.50, -6.5, 120, 62),
        "r-n-b": (0.66, 0.54, 0.10, 0.30, 0.02, 0.17, 0.50, -7.5, 114, 48),
        "reggae": (0.72, 0.58, 0.11, 0.18, 0.03, 0.17, 0.66, -7.5, 108, 38),
        "techno": (0.68, 0.70, 0.06, 0.10, 0.60, 0.15, 0.32, -8.0, 129, 33),
    }
)

GENRES = tuple(_TYPICAL)
"""Names of the genres, in alphabetical order; the values are invented and describe no music."""

FEW_ARTISTS = "reggae"
"""The genre that has only five artists, so that it can hardly be split by artist."""

_SPELT_TWICE = ("r-n-b", "R&B")
_ROWS = (200, 5_000_000)
_ROWS_PER_ARTIST = 10
_ARTISTS_OF_FEW = 5
# Spread of artists and of the songs of one artist; the first is larger, so that the artist tells more than the genre.
_OF_ARTIST, _OF_SONG = 0.75, 0.4


def make_tracks(n_rows: int = 3000, *, seed: int = 0, genres: Sequence[str] = GENRES) -> pd.DataFrame:
    """Make a table of tracks, which depends on the arguments alone.

    Its columns are those of the Kaggle table. Ids, artists, albums and titles say that they are synthetic. Rows are
    sorted by genre and numbered, and every fault that `FAULTS` names is there.

    Examples
    --------
    >>> frame = make_tracks(300, genres=["jazz", "pop"])
    >>> len(frame), frame["track_id"].iloc[0], sorted(set(frame["track_genre"]))
    (300, 'synthetic0000000', ['jazz', 'pop'])
    """
    _check(n_rows, seed, genres)
    rng = np.random.default_rng([seed, n_rows])
    counts = {name: max(2, round(share * n_rows)) for name, share in _COPIES.items()}
    frame = _songs(n_rows - sum(counts.values()), sorted(genres), rng)
    # Rows with a fault of their own, apart from those that are repeated.
    order = rng.permutation(len(frame))
    ends = np.cumsum(list(counts.values()))
    copied = dict(zip(counts, np.split(order[: ends[-1]], ends[:-1]), strict=True))
    rest = order[ends[-1] :]
    _spoil(frame, rest, n_rows, rng)
    parts = [frame, *(_copies(frame.iloc[rows], kind, genres, rng) for kind, rows in copied.items())]
    import pandas as pd

    table = pd.concat(parts, ignore_index=True)
    # Sorted by genre, as such tables are: the number of a row tells its genre.
    table = table.sort_values("track_genre", kind="stable", ignore_index=True)
    if _SPELT_TWICE[0] in genres:
        mine = np.flatnonzero(table["track_genre"] == _SPELT_TWICE[0])
        table.loc[mine[len(mine) // 2 :], "track_genre"] = _SPELT_TWICE[1]
    table.insert(0, "Unnamed: 0", np.arange(len(table)))
    return table


_COPIES: Mapping[str, float] = MappingProxyType(
    {"other genre": 0.04, "re-release": 0.03, "remaster": 0.02, "duplicate": 0.01}
)

FAULTS: Mapping[str, str] = MappingProxyType(
    {
        "index": "the column 'Unnamed: 0' numbers a table that is sorted by genre",
        "other genre": "an id is under two genres, with another popularity",
        "re-release": "a song is there again under another id and title, with the same values of sound",
        "remaster": "a song is there again under another id, with the same artist and title, louder",
        "duplicate": "a row is there twice",
        "tempo": "a tempo is 0",
        "time_signature": "a time signature is 0",
        "loudness": "a loudness is above 0 dB",
        "duration": "a duration is 0",
        "missing": "cells of numbers are empty",
        "nameless": "a row has neither artist nor album nor title",
        "artists": "cells have two artists with ; between them",
        "few artists": "reggae has five artists",
        "spelling": "the genre r-n-b is also spelt R&B",
    }
)
"""The faults that are planted."""


def write_tracks(
    path: str | os.PathLike[str], n_rows: int = 3000, *, seed: int = 0, genres: Sequence[str] = GENRES
) -> Path:
    """Write the table of `make_tracks` as a CSV file, which appears complete or not at all.

    Examples
    --------
    >>> import tempfile
    >>> write_tracks(Path(tempfile.mkdtemp()) / "tracks.csv", 200).name
    'tracks.csv'
    """
    path = Path(path)
    text = make_tracks(n_rows, seed=seed, genres=genres).to_csv(index=False, lineterminator="\n")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_text(text, encoding="utf-8", newline="")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise AudioGenreError(
            f"{path} cannot be written: {error.strerror}; choose a folder that can be written to and has space left."
        ) from error
    return path


def _check(n_rows: int, seed: int, genres: Sequence[str]) -> None:
    for what, value, (low, high) in (("number of rows", n_rows, _ROWS), ("seed", seed, (0, 2**64 - 1))):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
            raise ParameterError(f"The {what} cannot be {value!r}; choose an integer from {low} to {high}.")
    wrong = [name for name in genres if name not in GENRES]
    if wrong:
        raise ParameterError(f"The genre {wrong[0]!r} is unknown; choose among {', '.join(GENRES)}.")
    if len(set(genres)) < max(2, len(genres)):
        raise ParameterError(f"A table needs two or more genres, each named once; got {', '.join(genres) or 'none'}.")


def _logit(share: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log(share / (1 - share)), dtype=np.float64)


def _songs(count: int, genres: Sequence[str], rng: np.random.Generator) -> pd.DataFrame:
    """Make rows without a fault: genre, then artist, then song decide each value."""
    import pandas as pd

    genre = np.sort(np.arange(count) % len(genres))
    per_genre = np.bincount(genre)
    artists = [
        _ARTISTS_OF_FEW if name == FEW_ARTISTS else max(_ARTISTS_OF_FEW + 1, size // _ROWS_PER_ARTIST)
        for name, size in zip(genres, per_genre.tolist(), strict=True)
    ]
    first = np.cumsum(artists) - artists
    artist = first[genre] + (rng.random(count) * np.take(artists, genre)).astype(int)
    typical = np.array([_TYPICAL[name] for name in genres])
    shares, (loudness, tempo, popularity) = typical[:, : len(_SHARES)], typical[:, len(_SHARES) :].T
    width = len(_SHARES)

    def drawn(size: int) -> NDArray[np.float64]:
        """Draw an offset of each artist and of each song."""
        of_artist, of_song = rng.normal(0, _OF_ARTIST, (sum(artists), size)), rng.normal(0, _OF_SONG, (count, size))
        both: NDArray[np.float64] = of_artist[artist] + of_song
        return both

    offsets = drawn(width + 3)
    logits = _logit(shares)[genre] + offsets[:, :width]
    columns: dict[str, Any] = dict(zip(_SHARES, (1 / (1 + np.exp(-logits))).T, strict=True))
    # Nothing instrumental at all in many songs that are sung.
    columns["instrumentalness"] = np.where(columns["instrumentalness"] < 0.02, 0, columns["instrumentalness"])
    columns = {name: np.round(values, 4) for name, values in columns.items()}
    columns["loudness"] = np.round(np.minimum(loudness[genre] + 3 * offsets[:, width], -0.1), 3)
    columns["tempo"] = np.round(np.clip(tempo[genre] * np.exp(0.2 * offsets[:, width + 1]), 45, 240), 3)
    columns["popularity"] = np.clip(np.round(popularity[genre] + 8 * offsets[:, width + 2]), 0, 100).astype(int)
    columns["duration_ms"] = np.clip(rng.normal(215_000, 50_000, count), 30_000, 900_000).astype(int)
    columns["explicit"] = rng.random(count) < np.clip(3 * (columns["speechiness"] - 0.05), 0.01, 0.9)
    columns["key"] = rng.integers(0, 12, count)
    columns["mode"] = (rng.random(count) < 0.65).astype(int)
    columns["time_signature"] = rng.choice([3, 4, 5], count, p=[0.08, 0.9, 0.02])
    names = np.array([f"Synthetic Artist {number:05d}" for number in range(sum(artists))], dtype=object)
    # Duos are fixed, so that linked artists come in twos; the few artists of one genre stay apart.
    partner = np.where((artist - first[genre]) % 2 == 0, artist + 1, artist - 1)
    has_partner = (partner >= first[genre]) & (partner < (first + artists)[genre]) & (rng.random(count) < 0.12)
    has_partner &= np.array([name != FEW_ARTISTS for name in genres])[genre]
    with_partner = names[artist] + ";" + names[np.where(has_partner, partner, artist)]
    album = artist * 3 + rng.integers(0, 3, count)
    columns["track_id"] = [f"synthetic{number:07d}" for number in range(count)]
    columns["artists"] = np.where(has_partner, with_partner, names[artist])
    columns["album_name"] = [f"Synthetic Album {number:06d}" for number in album.tolist()]
    columns["track_name"] = [f"Synthetic Song {number:07d}" for number in range(count)]
    columns["track_genre"] = np.array(genres, dtype=object)[genre]
    whole = ("popularity", "duration_ms", "key", "mode", "time_signature")
    return pd.DataFrame({name: columns[name] for name in _COLUMNS}).astype(dict.fromkeys(whole, "Int64"))


_COLUMNS = (
    "track_id",
    "artists",
    "album_name",
    "track_name",
    "popularity",
    "duration_ms",
    "explicit",
    "danceability",
    "energy",
    "key",
    "loudness",
    "mode",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
    "tempo",
    "time_signature",
    "track_genre",
)


def _spoil(frame: pd.DataFrame, rows: NDArray[np.intp], n_rows: int, rng: np.random.Generator) -> None:
    """Plant what is wrong within a row."""
    few = max(2, n_rows // 1000)
    tempo, metre, loud, short, nameless, empty = np.split(rows, np.cumsum([few, few, few, 1, 1]))
    frame.loc[tempo, "tempo"] = 0.0
    frame.loc[metre, "time_signature"] = 0
    frame.loc[loud, "loudness"] = np.round(rng.uniform(0.2, 3, few), 3)
    frame.loc[[*short, *nameless], "duration_ms"] = 0
    frame.loc[nameless, ["artists", "album_name", "track_name"]] = ""
    numbers = [name for name in _COLUMNS if frame[name].dtype.kind in "fi" and name not in ("tempo", "loudness")]
    for place, name in enumerate(numbers):
        frame.loc[empty[place * few : (place + 1) * few], name] = np.nan


def _copies(found: pd.DataFrame, kind: str, genres: Sequence[str], rng: np.random.Generator) -> pd.DataFrame:
    """Return rows once more, as the fault says."""
    again = found.copy()
    if kind == "duplicate":
        return again
    other = again["popularity"].to_numpy(dtype=int, na_value=0)
    again["popularity"] = np.where(other > 50, other - rng.integers(1, 20, len(again)), other + 7)
    again["popularity"] = again["popularity"].astype("Int64")
    if kind == "other genre":
        elsewhere = {genre: [name for name in genres if name != genre] for genre in genres}
        again["track_genre"] = [rng.choice(elsewhere[genre]) for genre in again["track_genre"]]
        return again
    again["track_id"] = [f"synthetic{int(each[-7:]) + _ROWS[1]:07d}" for each in again["track_id"]]
    again["album_name"] += f" ({kind})"
    if kind == "re-release":
        again["track_name"] += " (re-release)"
    else:
        again["track_name"] = again["track_name"].str.upper()
        again["loudness"] = np.round(np.minimum(again["loudness"] + 1.5, -0.1), 3)
        again["energy"] = np.round(np.minimum(again["energy"] + 0.02, 1.0), 4)
    return again
