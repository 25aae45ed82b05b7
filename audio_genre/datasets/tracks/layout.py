"""Layouts of tables of tracks, one TOML file each: which column is the label, who made the track, what it is called."""

from __future__ import annotations

import dataclasses
import importlib.resources
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from audio_genre.datasets.tracks.columns import COLUMNS, NEVER, ROLES, SOUND
from audio_genre.errors import ParameterError, TableError

_FEWEST_OF_SOUND = 3
_KEYS = ("title", "header", "separators", "columns")


@dataclass(frozen=True)
class Layout:
    """What the columns of a table of tracks mean.

    Attributes
    ----------
    name : str
        Name of the layout, for messages and model cards.
    title : str
        Where such tables come from.
    header : tuple of str
        Columns by which the layout is recognised.
    separators : tuple of str
        What stands between several artists in one cell.
    columns : mapping of str to str
        Column of each role (id, artists, title, album, label) and of each quantity whose name is not a usual one.
    own : bool
        Whether a user has written it; then each column that it names must be there.
    """

    name: str
    title: str
    header: tuple[str, ...] = ()
    separators: tuple[str, ...] = (";",)
    columns: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    own: bool = False

    def columns_of(self, path: Path, header: Sequence[str], *, label_column: str | None = None) -> dict[str, str]:
        """Return which column of a table has which meaning: roles and quantities, to names in its header."""
        lower: dict[str, str] = {}
        for name in header:
            lower.setdefault(name.lower(), name)
        found: dict[str, str] = {}
        wanted = {**ROLES, **{name: (name, *column.aliases) for name, column in COLUMNS.items()}}
        for meaning, names in wanted.items():
            own = self.columns.get(meaning)
            # A column that the layout names for one thing, such as the label, is not taken for another.
            usual = (lower[name] for name in names if name in lower and lower[name] not in self.columns.values())
            column = own if own in header else next(usual, None)
            if self.own and own is not None and own not in header:
                raise TableError(
                    f"{path} has no column {own!r}, which {self.name} names as its {meaning}; it has "
                    f"{', '.join(header[:12])}{', ...' if len(header) > 12 else ''}."
                )
            if column is not None:
                found[meaning] = column
        if label_column is not None:
            if label_column not in header:
                raise ParameterError(
                    f"{path} has no column {label_column!r} for the genre; its columns are {', '.join(header)}."
                )
            found = {meaning: column for meaning, column in found.items() if column != label_column}
            found["label"] = label_column
        return found


def _parse(name: str, text: str, where: str) -> Layout:
    try:
        data: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ParameterError(f"{where} is no TOML file: {error}; see docs/tracks.md for an example.") from None
    unknown = [key for key in data if key not in _KEYS]
    columns = data.get("columns", {})
    names = (*ROLES, *COLUMNS)
    if unknown:
        raise ParameterError(f"{where} has the key {unknown[0]!r}, and a schema has only {', '.join(_KEYS)}.")
    if not isinstance(columns, dict) or not all(isinstance(value, str) for value in columns.values()):
        raise ParameterError(f'{where} must say under [columns] which column is what, such as label = "genre".')
    twice = [column for column in columns.values() if not column or list(columns.values()).count(column) > 1]
    if twice:
        raise ParameterError(f"{where} names the column {twice[0]!r} for two things or for none; name each once.")
    wrong = [key for key in columns if key not in names]
    if wrong:
        raise ParameterError(f"{where} names the column of {wrong[0]!r}, and a schema knows only {', '.join(names)}.")
    for key in ("header", "separators"):
        if not (
            isinstance(data.get(key, []), list) and all(isinstance(each, str) and each for each in data.get(key, []))
        ):
            raise ParameterError(f"{where} must have a list of texts as {key!r}.")
    return Layout(
        name,
        str(data.get("title", name)),
        tuple(data.get("header", ())),
        tuple(data.get("separators", (";",))),
        MappingProxyType(dict(columns)),
    )


@cache
def layouts() -> Mapping[str, Layout]:
    """Return every layout that ships, by its name."""
    folder = importlib.resources.files("audio_genre.datasets.tracks") / "layouts"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return MappingProxyType(
        {
            file.name.removesuffix(".toml"): _parse(
                file.name.removesuffix(".toml"), file.read_text(encoding="utf-8"), file.name
            )
            for file in files
        }
    )


GENERIC = Layout("generic", "table of tracks with usual names of columns", separators=(";", ", "))
"""What is taken for a table that has no layout of its own."""


def read_layout(path: str | os.PathLike[str]) -> Layout:
    """Read a layout of a user's own from a TOML file.

    Parameters
    ----------
    path : str or os.PathLike
        A file with ``title``, ``separators`` and a table ``[columns]``; all may be left out.

    Returns
    -------
    Layout
        The layout; its name is that of the file.

    Raises
    ------
    ParameterError
        If the file cannot be read, or says what no layout can.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ParameterError(f"The schema {path} cannot be read: {reason}; give a TOML file.") from None
    return dataclasses.replace(_parse(path.stem, text, str(path)), own=True)


def find_layout(header: Sequence[str]) -> Layout:
    """Return the layout that a header belongs to: of those whose columns are all there, the one that asks for most."""
    names = set(header)
    fitting = [layout for layout in layouts().values() if layout.header and names.issuperset(layout.header)]
    return max(fitting, key=lambda layout: len(layout.header), default=GENERIC)


def is_tracks_header(header: Sequence[str]) -> bool:
    """Tell whether a header is that of a table of tracks: it has at least three of the quantities of sound.

    Examples
    --------
    >>> is_tracks_header(["track_id", "danceability", "energy", "tempo"]), is_tracks_header(["filename", "tempo"])
    (True, False)
    """
    names = {name.strip().lower() for name in header}
    return len(names.intersection(SOUND)) >= _FEWEST_OF_SOUND


def index_columns(header: Sequence[str]) -> list[str]:
    """Return the columns that number the rows."""
    return [name for name in header if name.strip().lower() in NEVER]
