"""Rows of a table of tracks in memory, and their encoding by what training rows tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audio_genre.datasets.groups import Grouping
from audio_genre.datasets.tracks.columns import COLUMNS
from audio_genre.datasets.tracks.encoder import Encoder
from audio_genre.datasets.tracks.mapping import (
    OTHER,
)
from audio_genre.errors import TableError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_UNSEEN_SHARE = 0.2

SONG, LINKED = "song", "linked_artists"
"""Columns of a prepared table that tell what must not be torn apart, also where the row that linked it is left out."""

OWN_COLUMNS = (SONG, LINKED, "genre", "broad_genre", "track_id", "artists", "track_name", "album_name")
"""Columns that a prepared table has besides quantities; those of the same name in a table give way."""


@dataclass(frozen=True, eq=False)
class Tracks:
    """A table of tracks in memory.

    Attributes
    ----------
    path : Path
        The file that it was read from.
    layout : str
        Name of its layout.
    columns : tuple of str
        The quantities that are used, in the order of the columns of `raw`.
    raw : np.ndarray, shape (n, d), float32
        Cleaned values in their own units; NaN where there is none.
    labels : np.ndarray of str, shape (n,)
        Genre of each row, mapped; an empty string where the table has none.
    genres : np.ndarray of str, shape (n,)
        Genre of each row as the table has it.
    items : np.ndarray of str, shape (n,)
        Track id of each row, or its line where it has none.
    groups : np.ndarray of str, shape (n,)
        Song of each row, which has one label: what votes together.
    together : mapping of str to np.ndarray of int, shape (n,)
        For each protocol that it has something for, numbers of what no split tears apart: ``"track"`` (songs),
        ``"artist"`` (songs and linked artists), ``"group"`` (songs and the values of a column).
    context : mapping of str to np.ndarray of str, shape (n,)
        Texts that an encoder may learn from, by name.
    frame : pandas.DataFrame
        Id, song, artists (``;`` between them), title and album of each row, and every column that has no meaning here.
    beside : mapping of str to np.ndarray, shape (n,), float32
        Quantities that stand beside the music and are not used.
    sha256 : str
        Hash of the file, in hexadecimal digits.
    report : mapping
        What was done to how many rows and cells.
    notes : tuple of str
        What a user should know of how the table was read, in sentences.
    options : tuple of str
        Options of the command line that give this reading, where it is not the default.
    other : bool
        Whether the genres outside a choice are one class.
    unseen : Tracks or None
        Where they are: rows of a fifth of those genres, which no model sees, to measure how well it tells them.
    encoder : Encoder or None
        What was fitted on training rows; only there in what `encoded` returns.
    X, learning : np.ndarray, shape (n, d) and (n_train, d), float32
        Encoded rows, and the training rows as they are learned from; only there in what `encoded` returns.
    lines : np.ndarray of int, shape (n,)
        Line or row number of each row in the file.
    copies : np.ndarray of int, shape (n,)
        How many rows of the file have the id and genre of each row, of which only this one is kept.
    """

    path: Path
    layout: str
    columns: tuple[str, ...]
    raw: NDArray[np.float32]
    labels: NDArray[np.str_]
    genres: NDArray[np.str_]
    items: NDArray[np.str_]
    groups: NDArray[np.str_]
    together: Mapping[str, NDArray[np.intp]]
    context: Mapping[str, NDArray[Any]]
    frame: pd.DataFrame
    beside: Mapping[str, NDArray[np.float32]]
    sha256: str
    report: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    other: bool = False
    unseen: Tracks | None = None
    encoder: Encoder | None = None
    X: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32), repr=False)
    learning: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32), repr=False)
    lines: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, dtype=np.intp), repr=False)
    copies: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, dtype=np.intp), repr=False)
    input: ClassVar[str] = "tracks"
    grouping: ClassVar[Grouping] = Grouping("column")

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Every genre found, sorted; without the empty one."""
        return tuple(str(label) for label in np.unique(self.labels).tolist() if label)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of `matrix`."""
        return self.columns

    @property
    def matrix(self) -> NDArray[np.float32]:
        """Values that a person can look at; NaN where there is none."""
        return self.raw

    @property
    def description(self) -> dict[str, Any]:
        """What a report says of how it was read."""
        return {"layout": self.layout, "preparation": dict(self.report), "notes": list(self.notes)}

    def take(self, rows: NDArray[np.intp]) -> Tracks:
        """Return the table with some of its rows, which are not encoded.

        Parameters
        ----------
        rows : np.ndarray of int, shape (m,)
            Row numbers.

        Returns
        -------
        Tracks
            The rows, in this order.
        """
        numbered = {key: np.unique(units[rows], return_inverse=True)[1] for key, units in self.together.items()}
        return replace(
            self,
            **{name: getattr(self, name)[rows] for name in ("raw", "labels", "genres", "items", "groups")},
            **{name: getattr(self, name)[rows] for name in ("lines", "copies") if len(getattr(self, name))},
            together=MappingProxyType({key: units.astype(np.intp) for key, units in numbered.items()}),
            context=MappingProxyType({name: texts[rows] for name, texts in self.context.items()}),
            frame=self.frame.iloc[rows].reset_index(drop=True),
            beside=MappingProxyType({name: values[rows] for name, values in self.beside.items()}),
            encoder=None,
            X=np.empty((0, 0), dtype=np.float32),
            learning=np.empty((0, 0), dtype=np.float32),
        )

    def require_labels(self) -> None:
        """Refuse a table that nothing can be learned from.

        Raises
        ------
        TableError
            If a row has no genre, or all rows have the same one.
        """
        if not len(self) or (self.labels == "").any():
            raise TableError(f"{self.path} has no column of genres that is recognised; name it with --label-column.")
        if len(self.classes) < 2:
            raise TableError(
                f"{self.path} has only the genre {self.classes[0]!r}; a classifier needs at least two to tell apart"
                f"{', so choose more with --genres, or add --other' if 'genres_outside' in self.report else ''}."
            )

    def encoded(self, train: NDArray[np.intp], y: NDArray[np.intp], seed: int) -> Tracks:
        """Return the table with every row encoded by what is fitted on the training rows alone.

        Parameters
        ----------
        train : np.ndarray of int, shape (n_train,)
            The training rows.
        y : np.ndarray of int, shape (n,)
            Class number of each row.
        seed : int
            Seed of what is drawn at random.

        Returns
        -------
        Tracks
            With `encoder`, `X` and `learning`.
        """
        kinds = tuple(COLUMNS[name].kind for name in self.columns)
        rows = {name: texts[train] for name, texts in self.context.items()}
        encoder, learning = Encoder.fit(
            self.columns, kinds, self.raw[train], rows, y[train], len(self.classes), seed=seed
        )
        return replace(self, encoder=encoder, X=encoder.transform(self.raw, self.context), learning=learning)

    def _rows(self, rows: NDArray[np.intp]) -> Tracks:
        """Return some of the rows."""

        def some(values: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
            return MappingProxyType({name: column[rows] for name, column in values.items()})

        return replace(
            self,
            raw=self.raw[rows],
            labels=self.labels[rows],
            genres=self.genres[rows],
            items=self.items[rows],
            groups=self.groups[rows],
            together=some(self.together),
            context=some(self.context),
            beside=some(self.beside),
            frame=self.frame.iloc[rows].reset_index(drop=True),
        )

    def _with_unseen(self) -> Tracks:
        """Take a fifth of the other genres out, and of the rest as many rows as there are of all chosen genres."""
        is_other = self.labels == OTHER
        outside = np.unique(self.genres[is_other])
        rng = np.random.default_rng(0)
        # One genre alone is needed to learn from.
        number = min(max(1, round(len(outside) * _UNSEEN_SHARE)), len(outside) - 1)
        unseen = rng.permutation(outside)[:number]
        hidden = is_other & np.isin(self.genres, unseen)
        # Drawn by the songs' names, so that the order of the rows does not matter.
        songs = np.unique(self.groups[is_other & ~hidden])
        drawn = rng.permutation(songs)
        kept = self._some(is_other & ~hidden, drawn, int((~is_other).sum()))
        rows = np.flatnonzero(~is_other | kept)
        report = {
            **self.report,
            "other": {"rows": int(kept.sum()), "unseen_genres": sorted(map(str, unseen)), "unseen": int(hidden.sum())},
        }
        return replace(
            self._rows(rows),
            report=MappingProxyType(report),
            unseen=self._rows(np.flatnonzero(hidden)) if number else None,
        )

    def _some(self, among: NDArray[np.bool_], songs: NDArray[np.str_], most: int) -> NDArray[np.bool_]:
        """Return rows of the first of these songs, as many as are asked for."""
        rank = np.full(len(self), len(self), dtype=np.intp)
        order = np.argsort(songs)
        rank[among] = order[np.searchsorted(songs[order], self.groups[among])]
        chosen = np.argsort(rank, kind="stable")[: min(most, int(among.sum()))]
        last = rank[chosen].max(initial=-1)
        kept: NDArray[np.bool_] = among & (rank <= last)
        return kept

    def to_frame(self) -> pd.DataFrame:
        """Return the table as a data frame.

        Returns
        -------
        pandas.DataFrame
            One row per row: id, song, set of linked artists, artists, title, album, genre, broad_genre, and a column
            for every quantity.
        """
        import pandas as pd

        first = {"track_id": self.items, SONG: self.frame[SONG]}
        if "artist" in self.together:
            first[LINKED] = self.together["artist"]
        rest = self.frame.drop(columns=["track_id", SONG]).assign(genre=self.genres, broad_genre=self.labels)
        facts = pd.concat([pd.DataFrame(first), rest], axis=1)
        values = {**dict(zip(self.columns, self.raw.T, strict=True)), **self.beside}
        return pd.concat([facts, pd.DataFrame({name: values[name] for name in COLUMNS if name in values})], axis=1)
