"""The columns that tables of tracks have, under our names: what each means, how it is written, and what is no value."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

MISSING = frozenset({"", "nan", "null", "none", "na", "n/a", "?", "-"})
"""What stands in cells without a value, in lower case."""

_PITCHES = ("c", "c#", "d", "d#", "e", "f", "f#", "g", "g#", "a", "a#", "b")
_FLATS = MappingProxyType({"db": "c#", "eb": "d#", "gb": "f#", "ab": "g#", "bb": "a#"})
# Excel turns the time signature 4/4 into the fourth of April.
_METRE = re.compile(r"0?(\d)(?:/\d|-(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))", re.IGNORECASE)
MAX_MINUTES = 600.0
"""A duration below this is in minutes: no track is that short in milliseconds."""

MS_PER_MINUTE = 60_000.0
"""Milliseconds in a minute."""


@dataclass(frozen=True)
class Column:
    """A column of numbers that describe a track.

    Attributes
    ----------
    name : str
        Our name, which is also the most usual one.
    aliases : tuple of str
        Other names, in lower case.
    kind : {"number", "category", "flag"}
        A quantity, a number that only names something, or yes and no.
    low, high : float or None
        Values below `low` or above `high` are no values.
    zero_is_missing : bool
        Whether 0 says that the value is not known.
    words : mapping of str to float
        Texts in lower case that stand for numbers.
    beside : bool
        Whether it tells how the table was collected and not what the music is like; used only when it is named.
    """

    name: str
    aliases: tuple[str, ...] = ()
    kind: Literal["number", "category", "flag"] = "number"
    low: float | None = None
    high: float | None = None
    zero_is_missing: bool = False
    words: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    beside: bool = False

    def text_value(self, text: str) -> float | None:
        """Return what a text that is no number means here; None if it means nothing.

        Examples
        --------
        >>> COLUMNS["key"].text_value("Bb"), COLUMNS["time_signature"].text_value("04-Apr")
        (10.0, 4.0)
        """
        reader = _READERS.get(self.name)
        if (value := self.words.get(text.strip().lower())) is not None:
            return value
        return reader(text) if reader is not None else None


def _metre(text: str) -> float | None:
    found = _METRE.fullmatch(text.strip())
    return None if found is None else float(found[1])


def _year(text: str) -> float | None:
    found = re.match(r"((?:19|20)\d\d)(?:-|$)", text.strip())
    return None if found is None else float(found[1])


_READERS: Mapping[str, Callable[[str], float | None]] = MappingProxyType({"time_signature": _metre, "year": _year})

_TRUTH = MappingProxyType({"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0})
_KEYS = MappingProxyType(
    {
        **{name: float(number) for number, name in enumerate(_PITCHES)},
        **{flat: float(_PITCHES.index(sharp)) for flat, sharp in _FLATS.items()},
        **{name.replace("#", "♯"): float(number) for number, name in enumerate(_PITCHES)},
    }
)


def _share(name: str) -> Column:
    return Column(name, low=0.0, high=1.0)


COLUMNS: Mapping[str, Column] = MappingProxyType(
    {
        column.name: column
        for column in (
            _share("danceability"),
            _share("energy"),
            Column("key", kind="category", low=0.0, high=11.0, words=_KEYS),
            Column("loudness", low=-100.0, high=20.0),
            Column("mode", kind="flag", low=0.0, high=1.0, words=MappingProxyType({"major": 1.0, "minor": 0.0})),
            _share("speechiness"),
            _share("acousticness"),
            _share("instrumentalness"),
            _share("liveness"),
            _share("valence"),
            Column("tempo", aliases=("bpm",), low=0.0, high=1000.0, zero_is_missing=True),
            Column("time_signature", kind="category", low=0.0, high=20.0, zero_is_missing=True),
            Column(
                "duration_ms",
                aliases=("duration", "duration_in min/ms", "track duration (ms)", "duration (ms)", "length_ms"),
                low=0.0,
                zero_is_missing=True,
            ),
            Column("explicit", kind="flag", low=0.0, high=1.0, words=_TRUTH),
            Column("popularity", aliases=("track_popularity",), low=0.0, high=100.0, beside=True),
            Column(
                "year",
                aliases=(
                    "release_year",
                    "release_date",
                    "track_album_release_date",
                    "album_release_date",
                    "release date",
                ),
                low=1000.0,
                high=2999.0,
                beside=True,
            ),
        )
    }
)
"""Every such column by its name, in the order in which models take them."""

SOUND = (
    "danceability",
    "energy",
    "loudness",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
    "tempo",
)
"""The quantities that are computed from sound alone; equal ones mean the same recording."""

ROLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "id": ("track_id", "id", "spotify_id", "spotify id", "track id", "track uri", "uri"),
        "artists": (
            "artists",
            "artist_name",
            "track_artist",
            "artist",
            "artist name",
            "artist name(s)",
            "artist_names",
        ),
        "title": ("track_name", "title", "name", "track name", "song", "song_name"),
        "album": ("album_name", "track_album_name", "album", "album name"),
        "label": (
            "broad_genre",
            "track_genre",
            "playlist_genre",
            "genre",
            "genres",
            "artist_genres",
            "class",
            "label",
            "genre_top",
            "music_genre",
        ),
    }
)
"""What a column of text is, and the names that it has, in lower case; of several the first in this order is taken."""

NEVER = frozenset({"", "unnamed: 0", "unnamed: 0.1", "index", "level_0", "__index_level_0__"})
"""Columns that number the rows, in lower case: with a sorted table they tell the genre, and are never used."""
