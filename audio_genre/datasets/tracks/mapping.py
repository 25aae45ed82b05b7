"""From the genres of a table to the genres that are asked for: a CSV file ``genre,broad_genre,aliases`` says how."""

from __future__ import annotations

import csv
import importlib.resources
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from audio_genre.datasets.class_names import spelling_key
from audio_genre.errors import ParameterError, TableError
from audio_genre.files.csv_rows import CsvWriter

HEADER = ("genre", "broad_genre", "aliases")
"""Columns of a mapping file; the last one may be left out."""

OTHER = "other"
"""Label of the genres outside a choice, where a model learns them as one class."""

LEFT_OUT = "-"
"""What stands in a mapping file in place of the broad genre of a genre that is left out."""

_MAX_LISTED = 12
_OLD_NAMES = MappingProxyType({"broad": "broad_genre", "alias": "aliases"})


@dataclass(frozen=True)
class GenreMapping:
    """Which broad genre each genre belongs to.

    Attributes
    ----------
    path : str
        Where it was read from, for messages.
    broad : mapping of str to str
        Broad genre of each genre; an empty one leaves the genre out.
    aliases : mapping of str to str
        Genre of each other spelling that the file names.
    """

    path: str
    broad: Mapping[str, str]
    aliases: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def canonical(self, genre: str) -> str | None:
        """Return the genre of the mapping that a name means.

        Parameters
        ----------
        genre : str
            A name, in any spelling.

        Returns
        -------
        str or None
            The genre; None if the mapping knows none of that name.

        Examples
        --------
        >>> GenreMapping("", {"r-n-b": "soul"}, {"rhythm and blues": "r-n-b"}).canonical("R&B")
        'r-n-b'
        """
        if genre in self.broad:
            return genre
        key = spelling_key(genre)
        return self._by_key().get(key)

    def _by_key(self) -> dict[str, str]:
        return {
            **{spelling_key(alias): genre for alias, genre in self.aliases.items()},
            **{spelling_key(genre): genre for genre in self.broad},
        }

    def of(self, genres: Iterable[str]) -> tuple[dict[str, str], list[str]]:
        """Return the broad genres of names.

        Parameters
        ----------
        genres : iterable of str
            Names, in any spelling.

        Returns
        -------
        found : dict of str to str
            Broad genre of each name that the mapping knows; empty for one that is left out.
        unknown : list of str
            The other names.
        """
        by_key, found, unknown = self._by_key(), {}, []
        for genre in genres:
            known = genre if genre in self.broad else by_key.get(spelling_key(genre))
            if known is None:
                unknown.append(genre)
            else:
                found[genre] = self.broad[known]
        return found, unknown


def read_mapping(path: str | os.PathLike[str]) -> GenreMapping:
    """Read a mapping of genres.

    Parameters
    ----------
    path : str or os.PathLike
        A CSV file with the columns ``genre`` and ``broad_genre``, and ``aliases`` with ``;`` between them if there are
        any. The broad genre ``-`` leaves a genre out.

    Returns
    -------
    GenreMapping
        The mapping.

    Raises
    ------
    TableError
        If it cannot be read, has another header, or names a genre twice.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise TableError(
            f"The mapping {path} cannot be read: {reason}; give a CSV file with {','.join(HEADER)}."
        ) from None
    return _parse(text, str(path))


def default_mapping() -> GenreMapping:
    """Return the mapping to 13 broad genres that comes with the package.

    Returns
    -------
    GenreMapping
        It knows the genres of the layouts of `audio_genre`.

    Examples
    --------
    >>> default_mapping().broad["death-metal"]
    'metal'
    """
    file = importlib.resources.files("audio_genre.datasets.tracks") / "genre_mapping.csv"
    return _parse(file.read_text(encoding="utf-8"), "the default mapping")


def _parse(text: str, where: str) -> GenreMapping:
    first = text.split("\n", 1)[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise TableError(f"{where} is no CSV file: line {reader.line_num}: {error}; save it as CSV again.") from None
    header = [cell.strip().lower() for cell in rows[0][1]] if rows else []
    header = [_OLD_NAMES.get(name, name) for name in header]
    if tuple(header[:2]) != HEADER[:2] or (len(header) > 2 and header[2] != HEADER[2]):
        raise TableError(
            f"{where} is no mapping of genres: its first line must be {','.join(HEADER)}, the last of which may be "
            f"left out; got {','.join(header) or 'nothing'}."
        )
    broad: dict[str, str] = {}
    aliases: dict[str, str] = {}
    lines: dict[str, int] = {}
    meant: dict[str, str] = {}
    for number, row in rows[1:]:
        if len(row) > len(header) and any(cell.strip() for cell in row[len(header) :]):
            raise TableError(
                f"{where} has {len(row)} cells in line {number} where the header has {len(header)}; put ; between "
                "aliases, and quotation marks around names with commas."
            )
        cells = [cell.strip() for cell in row] + [""] * (3 - len(row))
        genre = cells[0]
        if not genre:
            raise TableError(f"{where} has no genre in line {number}; write it or remove the line.")
        key = spelling_key(genre)
        if key in lines:
            raise TableError(
                f"{where} names the genre {genre!r} in line {number} and in line {lines[key]}; keep one of them."
            )
        if not cells[1]:
            raise TableError(
                f"{where} has no broad genre for {genre!r} in line {number}; write one, or {LEFT_OUT} to leave it out."
            )
        lines[key] = number
        broad[genre] = "" if cells[1] == LEFT_OUT else cells[1]
        for alias in filter(None, map(str.strip, cells[2].split(";"))):
            other = meant.setdefault(spelling_key(alias), genre)
            if other != genre:
                raise TableError(
                    f"{where} gives the alias {alias!r} to {other!r} and in line {number} to {genre!r}; keep one."
                )
            aliases[alias] = genre
    if not broad:
        raise TableError(f"{where} has a header and no genres; write one line for each genre.")
    for alias, genre in aliases.items():
        line = lines.get(spelling_key(alias))
        if line is not None and line != lines[spelling_key(genre)]:
            raise TableError(
                f"{where} has {alias!r} as an alias of {genre!r} and as a genre of its own in line {line}; keep one."
            )
    return GenreMapping(where, MappingProxyType(broad), MappingProxyType(aliases))


def mapping_text(rows: Iterable[Sequence[str]]) -> str:
    """Return a mapping file with these lines of genre, broad genre and aliases."""
    out = io.StringIO()
    writer = CsvWriter(out)
    writer.writerow(HEADER)
    writer.writerows(rows)
    return out.getvalue()


def unknown_genres(where: str, unknown: Sequence[str], counts: Mapping[str, int]) -> TableError:
    """Return the error for genres that a mapping does not know, with their counts."""
    listed = ", ".join(f"{genre!r} ({counts[genre]} rows)" for genre in unknown[:_MAX_LISTED])
    more = f" and {len(unknown) - _MAX_LISTED} more" if len(unknown) > _MAX_LISTED else ""
    return TableError(f"{where} does not know {len(unknown)} genre{'' if len(unknown) == 1 else 's'}: {listed}{more}.")


def choose(genres: Sequence[str], present: Sequence[str]) -> dict[str, str]:
    """Return which of the genres that are present a choice means, under the names of the choice."""
    by_key: dict[str, str] = {}
    for genre in genres:
        key = spelling_key(genre)
        if key in by_key:
            raise ParameterError(f"The genres {by_key[key]!r} and {genre!r} are one; name each once.")
        by_key[key] = genre
    found = {name: by_key[spelling_key(name)] for name in present if spelling_key(name) in by_key}
    absent = [genre for key, genre in by_key.items() if genre not in found.values()]
    if absent:
        raise ParameterError(
            f"The table has no genre {absent[0]!r}; it has {', '.join(sorted(present)[:40])}"
            f"{', ...' if len(present) > 40 else ''}."
        )
    return found
