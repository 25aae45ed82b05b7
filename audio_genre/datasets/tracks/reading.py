"""From the cells of a table to tracks: mapped, cleaned and told apart by song; nothing here looks at a split."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.datasets.frame import Frame, forms_of, read_frame
from audio_genre.datasets.tracks.columns import COLUMNS, MAX_MINUTES, MISSING, MS_PER_MINUTE, SOUND, Column
from audio_genre.datasets.tracks.layout import (
    GENERIC,
    Layout,
    find_layout,
    index_columns,
    is_tracks_header,
    layouts,
)
from audio_genre.datasets.tracks.linking import coded, coded_plain, components, factorised, plain, songs, split_artists
from audio_genre.datasets.tracks.mapping import (
    OTHER,
    GenreMapping,
    choose,
    default_mapping,
    read_mapping,
    unknown_genres,
)
from audio_genre.datasets.tracks.rows import LINKED, OWN_COLUMNS, SONG, Tracks
from audio_genre.errors import ParameterError, TableError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_FEWEST_FOR_SOUND = 6


def read_cells(path: Path, layout: Layout | None, encoding: str | None) -> Frame:
    """Read the cells of a table of tracks, its quantities as numbers; refuse one that has none of them."""
    named = {} if layout is None else {column: meaning for meaning, column in layout.columns.items()}
    aliases = {name for column in COLUMNS.values() for name in (column.name, *column.aliases)}

    def is_numeric(name: str) -> bool:
        return named.get(name, name) in COLUMNS or name.lower() in aliases

    frame = read_frame(path, numeric=is_numeric, missing=MISSING, encoding=encoding)
    known = [name for name in frame.header if is_numeric(name)]
    if layout is None and find_layout(frame.header) is GENERIC and not is_tracks_header(frame.header):
        raise TableError(
            f"{path} is no table of tracks: it has fewer than three of the columns {', '.join(SOUND)}; name its "
            "columns with --schema FILE.toml."
        )
    if not known:
        raise TableError(f"{path} has none of the columns {', '.join(COLUMNS)}; say with --schema FILE.toml which are.")
    return frame


class Reading:
    """A table on its way from cells to tracks."""

    def __init__(self, frame: Frame, layout: Layout, meaning: Mapping[str, str]) -> None:
        self.path, self.layout, self.meaning = frame.path, layout, meaning
        self.data, self.lines, self.sha256 = frame.data, frame.lines, frame.sha256
        self.notes = list(frame.notes)
        self.report: dict[str, Any] = {"file": frame.path.name, "layout": layout.name, "rows": {"read": len(frame)}}
        ignored = index_columns(frame.header)
        if ignored:
            self.report["index_columns"] = ignored
            self.notes.append(
                f"The column {ignored[0]!r} numbers the rows and is never used: in a sorted table it tells the genre."
            )
        self.copies = np.ones(len(self.data), dtype=np.intp)
        self.labels = np.full(len(self.data), "", dtype=object)
        self.genres = self.labels
        self.other = False
        self.exploded = False
        self.is_prepared = layout is layouts()["prepared"]

    def texts(self, role: str) -> NDArray[np.object_]:
        """Return the texts of a role, empty ones where there is no such column."""
        column = self.meaning.get(role)
        if column is None:
            return np.full(len(self.data), "", dtype=object)
        return self._cells(column)

    def names(self, role: str) -> NDArray[np.object_]:
        """Return the texts of a role, empty ones also where they say that there is no value."""
        import pandas as pd

        # What another program writes into empty cells would make one song, or one artist, of strangers.
        texts = self.texts(role).copy()
        texts[pd.Series(texts, dtype=object).isin(forms_of(MISSING)).to_numpy()] = ""
        return texts

    def keep(self, rows: NDArray[np.bool_], why: str) -> None:
        """Leave rows out, and note how many and why."""
        left_out = int(len(rows) - rows.sum())
        if not left_out:
            return
        self.report["rows"][why] = self.report["rows"].get(why, 0) + left_out
        self.data = self.data[rows].reset_index(drop=True)
        self.lines, self.labels, self.genres = self.lines[rows], self.labels[rows], self.genres[rows]
        self.copies = self.copies[rows]

    def label(
        self,
        mapping: str | os.PathLike[str] | GenreMapping | None,
        choice: Sequence[str],
        *,
        other: bool,
        multi_genre: str,
    ) -> None:
        """Find each row's genre, map it, and leave out rows without one."""
        if "label" not in self.meaning:
            raise TableError(
                f"{self.path} has no column of genres that is recognised among {', '.join(self.data.columns)}; name it "
                "with --label-column."
            )
        self.genres = self.texts("label")
        self._lists(multi_genre)
        self.labels = self.genres
        self.keep(np.array([bool(genre) and genre.lower() not in MISSING for genre in self.genres]), "without a genre")
        if not len(self.data):
            raise TableError(
                f"{self.path} has no genre in any row of the column {self.meaning['label']!r}; name another with "
                "--label-column."
            )
        codes, names = factorised(self.genres, sort=True)
        counts = dict(zip(names.tolist(), np.bincount(codes).tolist(), strict=True))
        broad = {name: name for name in names.tolist()}
        if mapping is not None:
            used = (
                mapping
                if isinstance(mapping, GenreMapping)
                else default_mapping()
                if str(mapping) == "default"
                else read_mapping(mapping)
            )
            broad, unknown = used.of(names.tolist())
            if unknown:
                raise UnknownGenresError(used, unknown, counts)
            left = [name for name in names.tolist() if not broad[name]]
            if left:
                self.report["genres_left_out"] = {name: counts[name] for name in left}
        self.report["mapping"] = {name: broad[name] for name in names.tolist()}
        if choice:
            present = sorted({label for label in broad.values() if label})
            chosen = choose(choice, present)
            outside = {name: counts[name] for name, label in broad.items() if label and label not in chosen}
            broad = {name: chosen.get(label, OTHER if other and label else "") for name, label in broad.items()}
            self.report["genres_outside"] = outside
            self.other = other and bool(outside)
            if other and not outside:
                raise ParameterError("The table has no genre outside the choice, so there is no other class to learn.")
        self.labels = np.array([broad[name] for name in names.tolist()], dtype=object)[codes]
        if self.is_prepared:
            self.genres = np.asarray(self.data["genre"], dtype=object)
        self.keep(np.asarray(self.labels != ""), "genre not asked for")

    def _lists(self, multi_genre: str) -> None:
        """Read cells such as ``['dance pop', 'pop']``."""
        codes, names = factorised(self.genres)
        lists = {name: _listed(name) for name in names.tolist() if name.startswith("[")}
        lists = {name: found for name, found in lists.items() if found is not None}
        if not lists:
            return
        self.report["lists_of_genres"] = int(np.isin(codes, [k for k, name in enumerate(names) if name in lists]).sum())
        parts = [lists.get(name, [name]) or [""] for name in names.tolist()]
        if multi_genre == "first":
            self.notes.append(
                "Cells with a list of genres count for the first one; --multi-genre explode makes a row of each."
            )
            self.genres = np.array([found[0] for found in parts], dtype=object)[codes]
            return
        self.exploded = True
        counts = np.array([len(found) for found in parts])[codes]
        rows = np.repeat(np.arange(len(codes)), counts)
        self.genres = np.array([genre for code in codes.tolist() for genre in parts[code]], dtype=object)
        self.data, self.lines = self.data.iloc[rows].reset_index(drop=True), self.lines[rows]
        self.copies = self.copies[rows]

    def tracks(
        self,
        *,
        duplicates: str,
        use: Sequence[str],
        context: Sequence[str],
        group_column: str | None,
        labelled: bool,
        options: tuple[str, ...],
    ) -> Tracks:
        """Clean the columns, tell the songs apart, and put the table together."""
        self._find_changes()
        if labelled:
            self._without_repeats()
        names = [name for name in COLUMNS if name in self.meaning]
        absent = [name for name in use if name not in names]
        if absent:
            raise AbsentColumnError(self.path, absent[0], "--with")
        values = {name: self._values(COLUMNS[name]) for name in names}
        ids, artists, linked, titles = self._identities()
        sound = [values[name] for name in SOUND if name in values]
        song = songs(ids, artists, titles, np.column_stack(sound) if len(sound) >= _FEWEST_FOR_SOUND else None)
        if self.is_prepared:
            # Rows that the preparation left out may have linked others.
            song = components([song, coded(self._cells(SONG))], len(song))
            if LINKED in self.data.columns:
                sets = coded(self._cells(LINKED))
                linked = np.where((linked >= 0) | (sets >= 0), components([linked, sets], len(song)), -1)
            # One song under several genres was asked for.
            pairs = len(np.unique(song * (len(self.data) + 1) + factorised(self.labels)[0]))
            self.exploded = labelled and pairs > len(np.unique(song))
        if labelled and not self.exploded:
            kept = self._one_genre(song, duplicates)
            values = {name: column[kept] for name, column in values.items()}
            ids, artists, linked, song = ids[kept], artists[kept], linked[kept], song[kept]
        if not len(self.data):
            left_out = ", ".join(
                f"{count} {word}" for word, count in self.report["rows"].items() if count and word != "read"
            )
            raise TableError(f"{self.path} has no row left ({left_out}); change the mapping or the choice of genres.")
        self._find_faults(values, ids)
        items = self._items()
        song, groups = self._songs(song, items)
        together = {"track": song}
        # Votes of a song under several genres are apart; the split keeps them together.
        votes = (
            groups
            if not self.exploded
            else np.array(
                [f"{group} ({label})" for group, label in zip(groups, self.labels, strict=True)], dtype=object
            )
        )
        if (linked >= 0).any():
            together["artist"] = _linked(song, linked)
            self._note_artists(together["artist"])
        if group_column is not None:
            if group_column not in self.data.columns:
                raise ParameterError(
                    f"{self.path} has no column {group_column!r} to group by; its columns are "
                    f"{', '.join(self.data.columns)}."
                )
            together["group"] = _linked(song, coded_plain(self._cells(group_column)))
        used = [name for name in names if not COLUMNS[name].beside or name in use]
        beside = [name for name in names if name not in used]
        if beside:
            self.report["columns_beside"] = beside
        self.report["rows"]["left"] = len(self.data)
        self.report["songs"] = int(song.max(initial=-1)) + 1
        for name in context:
            role = "artists" if name == "artist" else name
            if role not in self.meaning:
                raise AbsentColumnError(self.path, name, "--context")
        tracks = Tracks(
            path=self.path,
            layout=self.layout.name,
            columns=tuple(used),
            raw=np.column_stack([values[name] for name in used]).astype(np.float32),
            labels=_as_str(self.labels),
            genres=_as_str(self.genres),
            items=_as_str(items),
            groups=_as_str(votes),
            together=MappingProxyType(together),
            context=MappingProxyType({name: self._context(name) for name in context}),
            frame=self._facts(items, groups),
            beside=MappingProxyType({name: values[name].astype(np.float32) for name in beside}),
            sha256=self.sha256,
            report=MappingProxyType(self.report),
            notes=tuple(self.notes),
            options=options,
            other=self.other,
            lines=self.lines.astype(np.intp),
            copies=self.copies,
        )
        return tracks._with_unseen() if self.other else tracks

    def _without_repeats(self) -> None:
        """Keep the first of the rows with one id and one genre."""
        import pandas as pd

        pairs = pd.DataFrame({"item": self._items(), "label": self.labels})
        self.copies = pairs.groupby(["item", "label"], sort=False)["item"].transform("size").to_numpy(dtype=np.intp)
        self.keep(~pairs.duplicated().to_numpy(), "repeats of a track in its genre")

    def _values(self, column: Column) -> NDArray[np.float64]:
        """Return the values of a column, NaN where there is none, and note what was found."""
        cells = self.data[self.meaning[column.name]]
        found: dict[str, int] = {}
        if cells.dtype.kind == "f":
            values = cells.to_numpy(dtype=np.float64, copy=True)
        else:
            codes, texts = factorised(np.asarray(cells, dtype=object))
            read = np.array([_number(column, str(text)) for text in texts.tolist()])
            invalid = np.array(
                [
                    bool(np.isnan(value)) and str(text).strip().lower() not in MISSING
                    for value, text in zip(read, texts, strict=True)
                ],
                dtype=bool,
            )
            values = read[codes]
            if count := int(invalid[codes].sum()):
                found["no number"] = count
                example = texts[np.flatnonzero(invalid)[0]]
                self.notes.append(
                    f"The column {self.meaning[column.name]!r} has {count} cell{'' if count == 1 else 's'} that "
                    f"{'is' if count == 1 else 'are'} no number, such as {str(example)[:40]!r}; counted as missing."
                )
        values[~np.isfinite(values)] = np.nan
        if column.kind != "number":
            broken = np.isfinite(values) & (values != np.round(values))
            found["no whole number"] = int(broken.sum())
            values[broken] = np.nan
        if column.name == "duration_ms":
            minutes = (values > 0) & (values < MAX_MINUTES)
            if count := int(minutes.sum()):
                values[minutes] *= MS_PER_MINUTE
                found["minutes turned into milliseconds"] = count
        if column.zero_is_missing:
            zero = values == 0
            found["zero, which means unknown"] = int(zero.sum())
            values[zero] = np.nan
        with np.errstate(invalid="ignore"):
            outside = np.zeros(len(values), dtype=bool)
            if column.low is not None:
                outside |= values < column.low
            if column.high is not None:
                outside |= values > column.high
        found["out of range"] = int(outside.sum())
        values[outside] = np.nan
        found = {word: count for word, count in found.items() if count}
        self.report.setdefault("columns", {})[column.name] = {"missing": int(np.isnan(values).sum()), **found}
        return values

    def _identities(self) -> tuple[NDArray[np.intp], ...]:
        """Return numbers of ids, first artists, linked artists and titles; -1 where there is none."""
        ids = coded(self.names("id"))
        artists = self.names("artists")
        first, names, linked = split_artists(artists.tolist(), self.layout.separators)
        self._artists = first, names
        return ids, first, linked, coded_plain(self.names("title"))

    def _one_genre(self, song: NDArray[np.intp], duplicates: str) -> NDArray[np.bool_]:
        """Keep the rows of each song under one genre."""
        labels, names = factorised(self.labels)
        first_row = np.full(int(song.max(initial=-1)) + 1, -1, dtype=np.intp)
        order = np.arange(len(song))[::-1]
        first_row[song[order]] = order
        if duplicates == "majority":
            # The most frequent genre of each song; the one that stands first among equals.
            cells, start, number = np.unique(song * len(names) + labels, return_index=True, return_counts=True)
            rank = np.lexsort((start, -number, cells // len(names)))
            _, place = np.unique((cells // len(names))[rank], return_index=True)
            chosen = cells[rank][place] % len(names)
        else:
            chosen = labels[first_row]
        kept: NDArray[np.bool_] = labels == chosen[song]
        torn = np.zeros(len(first_row), dtype=bool)
        torn[song[~kept]] = True
        count = int(torn.sum())
        if duplicates == "drop":
            kept = ~torn[song]
        if count:
            self.report["songs_under_several_genres"] = count
            done = {
                "keep-first": "each counts for its first genre; --duplicates says otherwise",
                "drop": "all their rows are left out",
                "majority": "each counts for its most frequent genre",
            }[duplicates]
            self.notes.append(f"{count} song{' is' if count == 1 else 's are'} under several genres: {done}.")
        self._artists = self._artists[0][kept], self._artists[1]
        self.keep(kept, "other genres of a song")
        return kept

    def _find_faults(self, values: Mapping[str, NDArray[np.float64]], ids: NDArray[np.intp]) -> None:
        """Count what is odd and left as it is."""
        faults = self.report["faults"]
        if "loudness" in values:
            with np.errstate(invalid="ignore"):
                faults["loudness above 0 dB"] = int((values["loudness"] > 0).sum())
        if "id" in self.meaning:
            faults["tracks without an id"] = int((ids < 0).sum())
        self.report["faults"] = {word: count for word, count in faults.items() if count}

    def _find_changes(self) -> None:
        """Count the ids with several popularities: before repeats are left out, which would hide them."""
        self.report["faults"] = {}
        if "popularity" not in self.meaning or "id" not in self.meaning:
            return
        import pandas as pd

        values = pd.to_numeric(self.data[self.meaning["popularity"]], errors="coerce")
        codes = pd.Series(coded(self.names("id")))
        known = (codes >= 0) & values.notna()
        of_id = values[known].groupby(codes[known])
        self.report["faults"]["ids with several popularities"] = int((of_id.max() > of_id.min()).sum())

    def _items(self) -> NDArray[np.object_]:
        """Return the name of each row: its id, or the line where it stands."""
        ids = self.names("id")
        without = ids == ""
        ids[without] = [f"line {line}" for line in self.lines[without].tolist()]
        return ids

    def _songs(
        self, song: NDArray[np.intp], items: NDArray[np.object_]
    ) -> tuple[NDArray[np.intp], NDArray[np.object_]]:
        """Return number and name of each row's song: the first of its items' names, whatever the order of the rows."""
        codes, names = factorised(items, sort=True)
        least = np.full(int(song.max(initial=-1)) + 1, len(names), dtype=np.intp)
        np.minimum.at(least, song, codes)
        first = least[song]
        return np.unique(first, return_inverse=True)[1].astype(np.intp), names[first]

    def _note_artists(self, sets: NDArray[np.intp]) -> None:
        largest = int(np.bincount(sets).max())
        self.report["largest_set_of_linked_artists"] = largest

    def _cells(self, column: str) -> NDArray[np.object_]:
        cells = self.data[column]
        if cells.dtype.kind == "f":
            return np.asarray(cells.map(lambda value: "" if np.isnan(value) else f"{value:.15g}"), dtype=object)
        return np.asarray(cells, dtype=object)

    def _context(self, name: str) -> NDArray[np.object_]:
        """Return the first artist or the album of each row, as it is compared."""
        if name == "artist":
            first, names = self._artists
            texts: NDArray[np.object_] = np.append(names, "")[first]
            return texts
        codes, names = factorised(self.texts(name))
        return np.array([plain(each) for each in names], dtype=object)[codes]

    def _facts(self, items: NDArray[np.object_], groups: NDArray[np.object_]) -> pd.DataFrame:
        import pandas as pd

        codes, cells = factorised(self.texts("artists"))
        mark = re.compile("|".join(map(re.escape, self.layout.separators))) if self.layout.separators else None
        if ";" not in self.layout.separators:
            cells = np.array([cell.replace(";", ",") for cell in cells.tolist()], dtype=object)
        joined = [mark.sub(";", cell) if mark else cell for cell in cells.tolist()]
        artists = np.array(joined, dtype=object)[codes] if joined else cells
        facts = {"track_id": items, SONG: groups, "artists": artists, "track_name": self.texts("title")}
        used = {*self.meaning.values(), *index_columns(list(self.data.columns)), *OWN_COLUMNS}
        rest = {name: self.data[name] for name in self.data.columns if name not in used}
        return pd.DataFrame({**facts, "album_name": self.texts("album"), **rest})


class AbsentColumnError(ParameterError):
    """A column was asked for that a table does not have."""

    def __init__(self, path: Path, column: str, option: str) -> None:
        super().__init__(f"{path} has no column of {column}; leave it out of {option}.")
        self.column = column


class UnknownGenresError(TableError):
    """Genres of a table that its mapping does not know; the message lists them."""

    def __init__(self, mapping: GenreMapping, unknown: Sequence[str], counts: Mapping[str, int]) -> None:
        ranked = sorted(unknown, key=lambda genre: (-counts[genre], genre))
        super().__init__(str(unknown_genres(mapping.path, ranked, counts)))
        self.unknown = ranked
        self.known, _ = mapping.of(genre for genre in counts if genre not in unknown)


def _number(column: Column, text: str) -> float:
    value = column.text_value(text)
    if value is not None:
        return value
    try:
        return float(text) if "_" not in text else np.nan
    except ValueError:
        return np.nan


def _listed(text: str) -> list[str] | None:
    """Return the texts of a Python or JSON list; None if it is none."""
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if not isinstance(found, list):
        return None
    return [str(each).strip() for each in found if str(each).strip()]


def _linked(song: NDArray[np.intp], numbers: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return what no split tears apart: songs, linked by equal numbers; numbered in the order of the songs' numbers."""
    sets = components([song, numbers], len(song))
    least = np.full(int(sets.max(initial=-1)) + 1, np.iinfo(np.intp).max, dtype=np.intp)
    np.minimum.at(least, sets, song)
    return np.unique(least[sets], return_inverse=True)[1].astype(np.intp)


def _as_str(texts: NDArray[Any]) -> NDArray[np.str_]:
    return np.asarray(texts, dtype=object).astype(np.str_) if len(texts) else np.empty(0, dtype=np.str_)
