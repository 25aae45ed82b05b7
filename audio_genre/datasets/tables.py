"""Feature tables from CSV and Parquet files: checked, in the schema's column order, with the group of every row."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import shlex
import stat
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from audio_genre.datasets.delimited import (
    DECIMAL_COMMAS,
    ITEM_NAMES,
    LABEL_NAMES,
    find_column,
    is_number,
    open_delimited,
    unchanged,
)
from audio_genre.datasets.groups import (
    Grouping,
    RowNames,
    Window,
    are_short,
    distinct,
    doubt,
    factorized,
    find_groups,
    find_window,
    loose_note,
    loose_parts,
    torn_files,
)
from audio_genre.datasets.schema import GTZAN57_TABLE, TableSchema, table_schema
from audio_genre.datasets.sheet import Sheet, read_sheet
from audio_genre.dsp import difference, get_recipe
from audio_genre.errors import ParameterError, TableError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

SIDE_CAR = "extraction.json"
"""Name of the file beside an extracted table that tells its recipe."""

_MAX_NAMES = 8
# 7, 7.0 (as pandas writes a column with gaps) and 0007; 0.1 and 0.10 are two names.
_WHOLE = re.compile(r"0*(\d+)(?:\.0*)?", re.ASCII)
_MIN_SHARE_OF_FEATURES = 0.5

CONFLICTS = ("keep-first", "drop")
"""What can be done with a track that stands under several labels."""

ROWS = ("clips", "segments")
"""What the rows of a table can be said to be."""


_BY_NAMES = Grouping()

_Coded = tuple["NDArray[np.intp]", list[str]]
"""Numbers of the rows' texts, and the texts."""


@dataclass(frozen=True, eq=False)
class Table:
    """A feature table in memory.

    Attributes
    ----------
    path : Path
        The file that it was read from.
    schema : TableSchema
        What its columns mean.
    X : np.ndarray, shape (n, d), float32
        Features, in the order of ``schema.features``; all finite.
    labels : np.ndarray of str, shape (n,)
        Class of each row; an empty string where the table has none.
    items : np.ndarray of str, shape (n,)
        Name of each row.
    groups : np.ndarray of str, shape (n,)
        Track of each row: the value of the schema's group column, or the name of its file. It does not depend on the
        label, and no track has rows of several labels; but where the side-car of the extraction proves that rows are
        files in folders of genres, a file's name begins with its folder.
    window : Window or None
        The signal behind a row; None where the schema has no recipe.
    ignored : tuple of str
        Columns of the file that no one uses, in the file's order; `schema.length` is not among them.
    sha256 : str
        Hash of the file, in hexadecimal digits.
    grouping : Grouping
        How the groups were found.
    notes : tuple of str
        What a user should know of how the table was read, in sentences: guesses, and rows that were left out.
    options : tuple of str
        Options of the command line that give this reading, where it is not the default.
    """

    path: Path
    schema: TableSchema
    X: NDArray[np.float32]
    labels: NDArray[np.str_]
    items: NDArray[np.str_]
    groups: NDArray[np.str_]
    window: Window | None
    ignored: tuple[str, ...]
    sha256: str
    grouping: Grouping = _BY_NAMES
    notes: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    input: ClassVar[str] = "features"

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Every class found, sorted; without the empty one."""
        return tuple(label for label in np.unique(self.labels).tolist() if label)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of `matrix`."""
        return self.schema.features

    @property
    def matrix(self) -> NDArray[np.float32]:
        """Values that a person can look at."""
        return self.X

    @property
    def description(self) -> dict[str, Any]:
        """What a report says of how it was read."""
        return {
            "schema": self.schema.name,
            "recipe": self.schema.recipe,
            "window": asdict(self.window) if self.window else None,
            "grouping": asdict(self.grouping),
            "notes": list(self.notes),
        }

    def take(self, rows: NDArray[np.intp]) -> Table:
        """Return the table with some of its rows.

        Parameters
        ----------
        rows : np.ndarray of int, shape (m,)
            Row numbers.

        Returns
        -------
        Table
            The rows, in this order.
        """
        return replace(self, **{name: getattr(self, name)[rows] for name in ("X", "labels", "items", "groups")})

    def to_frame(self) -> pd.DataFrame:
        """Return the table as a data frame.

        Returns
        -------
        pandas.DataFrame
            One row per row: item, group, label, and a column for every feature.
        """
        import pandas as pd

        facts = {"item": self.items, "group": self.groups, "label": self.labels}
        features = pd.DataFrame(self.X, columns=list(self.schema.features))
        return pd.concat([pd.DataFrame(facts), features], axis=1)

    def require_labels(self) -> None:
        """Refuse a table that nothing can be learned from.

        Raises
        ------
        TableError
            If a row has no label, or all rows have the same one.
        """
        unlabelled = np.flatnonzero(self.labels == "")
        if len(unlabelled):
            raise TableError(
                f"{self.path} has no label in {len(unlabelled)} of {len(self)} rows, the first being "
                f"{str(self.items[unlabelled[0]])!r}; training needs one in every row, which extraction takes from one "
                "folder per genre."
            )
        if len(self.classes) < 2:
            raise TableError(
                f"{self.path} has only the class {self.classes[0]!r}; a classifier needs at least two to tell apart."
            )


def load_table(
    path: str | os.PathLike[str],
    schema: TableSchema | None = None,
    *,
    label_column: str | None = None,
    group_column: str | None = None,
    rows: Literal["clips", "segments"] | None = None,
    conflicts: Literal["keep-first", "drop"] | None = None,
) -> Table:
    r"""Read a feature table and check every cell that a model would see.

    Parameters
    ----------
    path : str or os.PathLike
        A text file with a header line and commas, semicolons, tabs or bars between its cells, or a Parquet file, which
        needs the extra ``parquet``. The columns may stand in any order, and others may be among them.
    schema : TableSchema, optional
        What the columns mean; by default the features of the recipe that ``extraction.json`` beside the table names,
        and without that file those of the public GTZAN tables.
    label_column : str, optional
        Column of the class; by default the schema's, or the one that is called genre, class and the like.
    group_column : str, optional
        Column whose equal values belong together and are never split; a row with an empty cell is grouped by its name.
    rows : {"clips", "segments"}, optional
        What the rows are: each a track of its own, or those named ``<track>.<k><suffix>`` parts of a track. By default
        it is told from side-car, names and lengths.
    conflicts : {"keep-first", "drop"}, optional
        What to do with tracks that stand under several labels: keep the rows with the label of their first row, or drop
        them. By default the table is refused.

    Returns
    -------
    Table
        Its rows, in the file's order.

    Raises
    ------
    TableError
        If the file is missing or no table, pyarrow is needed and missing, a column is missing or doubled, a feature is
        no finite number, a length is neither empty nor a positive number, the side-car ``extraction.json`` beside it
        names another recipe or other parameters of it, or contradicts `rows`, or a track stands under several labels.
    ParameterError
        If a column cannot have the meaning that it is given, or `rows` or `conflicts` has another value.

    Notes
    -----
    Which rows are of one track is told by the side-car that `extract` writes beside its tables. Without one the names
    decide: rows named ``<track>.<k><suffix>`` are parts of one track, whatever their lengths, see `find_groups`. Where
    something speaks against that, `Table.notes` has a sentence that says what was decided and how to overrule it.

    How long a row's signal is, is told by the side-car, or by the lengths if most rows are numbered parts.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> schema = TableSchema("toy", recipe=None, features=("a", "b"), label="label", item="filename")
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "toy.csv"
    >>> _ = path.write_text("b,filename,a,label\n1,x.0.wav,2,rock\n3,x.1.wav,4,rock\n")
    >>> table = load_table(path, schema)
    >>> table.X.tolist(), table.groups.tolist()
    ([[2.0, 1.0], [4.0, 3.0]], ['x.wav', 'x.wav'])
    """
    table, groups, labels = _read(Path(path), schema, label_column, group_column, rows, None)
    return _settled(table, groups, labels, conflicts)


def read_table(
    path: str | os.PathLike[str],
    schema: TableSchema | None,
    *,
    label_column: str | None = None,
    group_column: str | None = None,
    rows: Literal["clips", "segments"] | None = None,
    sheet: Sheet | None = None,
) -> Table:
    """Read a table as `load_table` does, or take its cells from `sheet`, but leave tracks under several labels."""
    return _read(Path(path), schema, label_column, group_column, rows, sheet)[0]


def _read(
    path: Path,
    schema: TableSchema | None,
    label_column: str | None,
    group_column: str | None,
    rows: Literal["clips", "segments"] | None,
    sheet: Sheet | None,
) -> tuple[Table, _Coded, _Coded]:
    """Return the table, and its groups and labels by number."""
    if rows not in (None, *ROWS):
        raise ParameterError(f"The rows of a table can be {' or '.join(ROWS)}; got {rows!r}.")
    if sheet is None:
        sheet = _sheet(path, schema, label_column, group_column)
    side_car, schema = _SideCar.read(path), find_schema(path, schema)
    if sheet.ragged:
        line, cells = sheet.ragged[0]
        raise TableError(
            f"{path} is damaged or not a CSV table: line {line} has {cells} cells where the header has "
            f"{len(sheet.header)}; save or extract it again."
        )
    if sheet.fault is not None:
        raise sheet.fault
    folder_column = schema.label
    refuse_unknown_columns(path, sheet.header, schema, label_column, group_column)
    schema, remarks = with_names(path, sheet.header, with_columns(schema, label_column, group_column), label_column)
    _refuse_columns(path, sheet.header, schema)
    origin = _Origin() if side_car is None or schema.recipe is None else side_car.origin(path)
    if not len(sheet):
        raise TableError(f"{path} has a header and no rows; extract it again from a folder with audio files.")

    convert = sheet.number_reader([*schema.features, schema.length])
    items, labels = sheet.column(schema.item), factorized(sheet.column(schema.label))
    _refuse_odd_cells(sheet, schema, items)
    lengths = _lengths(sheet, items, schema.length) if schema.length in sheet.header else None
    names = RowNames(items)

    if origin.window is not None and rows is not None and not rows.startswith(origin.window.kind):
        raise TableError(
            f"{SIDE_CAR} beside {path} proves that its rows are {origin.window.kind}s, and --rows {rows} contradicts "
            "it; leave --rows out."
        )
    window = origin.window
    if window is None and schema.recipe is not None:
        # Several short rows of one group are parts of it, whatever they are called.
        is_cut = schema.group is not None and len(set(sheet.column(schema.group))) < len(items)
        told = "segments" if rows is None and is_cut and are_short(lengths, schema.recipe) else rows
        window = find_window(names, lengths, schema.recipe, path.name, rows=told)
    files = None
    if folder_column in sheet.header and schema.recipe is not None:
        files = _files(items, sheet.column(folder_column), lengths, origin, schema.recipe)
    notes = (*sheet.notes, *(() if convert is unchanged else (DECIMAL_COMMAS,)), *remarks)
    groups: _Coded = names.tracks, names.files
    if files is not None:
        groups, grouping = factorized(files), Grouping("extraction")
    elif rows is not None:
        groups, grouping = factorized(items) if rows == "clips" else groups, Grouping("option")
    else:
        grouping = Grouping(note=doubt(names, lengths, schema.recipe, path.name, window))
    if grouping.by != "extraction" and rows != "clips" and names.are_tracks:
        is_short = rows == "segments" or (schema.recipe is not None and are_short(lengths, schema.recipe))
        is_long = not is_short and lengths is not None and not np.isnan(lengths).all()
        loose = None if is_long else loose_parts(items, list(map(labels[1].__getitem__, labels[0])), short=is_short)
        if loose is not None:
            groups, grouping = factorized(loose), Grouping(note="" if rows else loose_note(items, loose))
            if window is not None and schema.recipe is not None:
                window = find_window(names, lengths, schema.recipe, path.name, rows="segments")
        elif rows == "segments" and schema.group is None:
            raise TableError(
                f"{path} has names such as {items[0]!r}, which do not tell which segments are of one track; name the "
                "column that tells it with --group-column."
            )
    if schema.group is not None:
        groups, grouping = _values(sheet, items, schema.group), Grouping("column")
        if len(groups[1]) == len(items):
            notes += (f"Each row has a value of its own in the column {schema.group!r}, so it groups nothing.",)
    if grouping.note:
        notes += (grouping.note,)
    options = (("--label-column", label_column), ("--group-column", group_column), ("--rows", rows))
    used = {*schema.features, schema.item, schema.label, schema.group, schema.length}
    table = Table(
        path=path,
        schema=schema,
        X=_as_float32(sheet, items),
        labels=np.array(labels[1], dtype=np.str_)[labels[0]],
        items=np.array(items, dtype=object).astype(np.str_),  # a third of the time of one step
        groups=np.array(groups[1], dtype=np.str_)[groups[0]],
        window=window,
        ignored=tuple(name for name in sheet.header if name not in used),
        sha256=sheet.sha256,
        grouping=grouping,
        notes=notes,
        options=tuple(word for name, value in options if value is not None for word in (name, value)),
    )
    return table, groups, labels


def _sheet(path: Path, schema: TableSchema | None, label_column: str | None, group_column: str | None) -> Sheet:
    """Read those columns of a file that a table can need."""
    try:
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            # Reading a pipe could wait for ever.
            raise TableError(f"{path} is a pipe or a device; write the table to a file and give that.")
        file = path.open("rb")
    except IsADirectoryError:
        raise TableError(advise_on_folder(path)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name is malformed"
        raise TableError(
            f"{path} cannot be read: {reason}; give the path of a feature table (CSV or Parquet)."
        ) from None
    with file:
        schema = find_schema(path, schema)
        used = {schema.item, schema.label, schema.group, schema.length, label_column, group_column}
        others = LABEL_NAMES | ITEM_NAMES
        return read_sheet(path, file, schema, is_kept=lambda name: name in used or name.lower() in others)


def _values(sheet: Sheet, items: list[str], column: str) -> _Coded:
    """Return the values of the column that tells which rows belong together, spelled alike where they are alike."""
    codes, values = factorized(sheet.column(column))
    if "" in values:
        empty = np.flatnonzero(codes == values.index(""))
        raise TableError(
            f"{sheet.path} has {len(empty)} empty cells in the column {column!r}, the first in "
            f"{sheet.place(empty[0])} ({items[empty[0]]}), so it cannot be told which rows these belong to; fill them "
            "in."
        )
    # The name of a track must not depend on the order of the rows, because splits go by it.
    keys = list(map(_alike, values))
    name_of: dict[str, str] = {}
    for key, value in zip(keys, values, strict=True):
        name_of[key] = min(value, name_of.get(key, value))
    numbers, names = factorized(map(name_of.__getitem__, keys))
    return numbers[codes], names


def _alike(value: str) -> str:
    """Map 7, 7.0 and 0007, and spellings in other case or form of Unicode, to one key: apart they would leak."""
    number = _WHOLE.fullmatch(value)
    return number[1] if number else unicodedata.normalize("NFKC", value).casefold()


def with_columns(schema: TableSchema, label_column: str | None, group_column: str | None) -> TableSchema:
    """Return a schema with other columns of label and group; None leaves that of the schema."""
    label = schema.label if label_column is None else label_column
    return dataclasses.replace(schema, label=label, group=schema.group if group_column is None else group_column)


def refuse_unknown_columns(
    path: Path, header: Sequence[str], schema: TableSchema, label_column: str | None, group_column: str | None
) -> None:
    """Refuse columns that a user has named and the table lacks."""
    for option, column in (("label-column", label_column), ("group-column", group_column)):
        if column is not None and column not in header:
            others = [name for name in header if name and name not in schema.features] or header
            raise TableError(
                f"{path} has no column {column!r} for --{option}; name one that it has, such as "
                f"{', '.join(map(repr, others[:5]))}."
            )


def _conflicting(groups: _Coded, labels: _Coded) -> dict[str, tuple[str, ...]]:
    """Return the tracks that stand under several labels, with these."""
    (tracks, names), (classes, words) = groups, labels
    rows = np.flatnonzero(np.array([word != "" for word in words])[classes])
    pairs = distinct(tracks[rows] * len(words) + classes[rows])
    is_torn = np.bincount(pairs // len(words), minlength=len(names)) > 1
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for row in rows[is_torn[tracks[rows]]]:
        found[names[tracks[row]]][words[classes[row]]] = None
    return {group: tuple(labels) for group, labels in found.items()}


def _settled(table: Table, groups: _Coded, labels: _Coded, rule: str | None) -> Table:
    """Refuse a table in which a track stands under several labels, or leave rows out until none does."""
    if rule not in (None, *CONFLICTS):
        raise ParameterError(
            f"What is done with tracks under several labels can be {' or '.join(CONFLICTS)}; got {rule!r}."
        )
    found = _conflicting(groups, labels)
    if rule is not None:
        table = dataclasses.replace(table, options=(*table.options, "--conflicts", rule))
    if not found:
        return table
    is_theirs = np.array([name in found for name in groups[1]])[groups[0]]
    group, theirs = next(iter(found.items()))
    tracks = f"{len(found)} track{'' if len(found) == 1 else 's'}"
    if rule is None:
        raise TableError(
            f"{table.path} has {tracks} under several labels ({int(is_theirs.sum())} rows), such as {group!r} under "
            f"{' and '.join(map(repr, theirs[:2]))}; correct the labels, or choose --conflicts keep-first (keep the "
            "rows with the label of a track's first row) or --conflicts drop (leave these tracks out)"
            + (
                ", or name the column that tells tracks apart with --group-column."
                if table.grouping.by == "names"
                else "."
            )
        )
    if rule == "drop":
        kept = ~is_theirs
    else:
        pairs = zip(table.groups.tolist(), table.labels.tolist(), strict=True)
        kept = np.array([group not in found or label == found[group][0] for group, label in pairs])
    if not kept.any():
        raise TableError(f"{table.path} has no track with only one label; correct the labels.")
    note = f"{tracks} under several labels: {int(np.sum(~kept))} of {len(table)} rows left out, " + (
        "all of these tracks." if rule == "drop" else "those whose label is not that of the track's first row."
    )
    return dataclasses.replace(
        table,
        X=table.X[kept],
        labels=table.labels[kept],
        items=table.items[kept],
        groups=table.groups[kept],
        notes=(*table.notes, note),
    )


@dataclass(frozen=True)
class _Origin:
    """What the side-car tells of a table beyond its recipe; nothing if it does not list the table."""

    window: Window | None = None
    rows: int | None = None
    """Number of rows that were written."""
    uncut: bool = False
    """Whether each row is a file of its own."""


def _files(
    items: list[str],
    folders: list[str],
    lengths: NDArray[np.float64] | None,
    origin: _Origin,
    recipe: str,
) -> list[str] | None:
    """Return the file of every row, if the side-car proves it: the path below the folder that was extracted."""
    if origin.window is None or origin.rows is None or len(items) > origin.rows:
        return None
    if origin.uncut:
        files = items
    elif origin.window.kind == "segment":
        files = find_groups(items)
    else:
        known = get_recipe(recipe)
        cut = find_groups(items, folders=folders, lengths=lengths, clip_samples=known.clip_seconds * known.sr)
        files = [file.removeprefix(f"{folder}/") for file, folder in zip(cut, folders, strict=True)]
    torn = torn_files(files, folders, items)
    return [file if file in torn else f"{folder}/{file}" for file, folder in zip(files, folders, strict=True)]


@dataclass(frozen=True)
class _SideCar:
    """The record that an extraction left beside its tables."""

    recipe: str
    content: dict[str, Any]

    @classmethod
    def read(cls, table: Path) -> _SideCar | None:
        """Read the side-car of a table, if it has one; refuse parameters that are not those of its recipe's name."""
        side_car = table.with_name(SIDE_CAR)
        if not side_car.is_file():
            return None
        try:
            content = json.loads(side_car.read_text(encoding="utf-8"))
            name = content["recipe"]["name"]
            if not isinstance(name, str):
                raise TypeError
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            raise TableError(f"{side_car} does not tell the recipe of {table.name}; extract the table again.") from None
        try:
            other = difference(content["recipe"], get_recipe(name))
        except ParameterError as error:
            raise TableError(f"{table} cannot be used: {error}") from None
        if other is not None:
            raise TableError(
                f"{side_car} says recipe {name!r} with {other}, so {table.name} holds other features than its recipe's "
                "name stands for; extract it again."
            )
        return cls(name, content)

    def origin(self, table: Path) -> _Origin:
        """Return what it says of a table."""
        try:
            rows = self.content["tables"][table.name]
            counts = self.content["counts"]
            files = counts["clips"] - counts["failed"]
            clip, segment = (float(self.content["recipe"][f"{kind}_seconds"]) for kind in ("clip", "segment"))
        except (KeyError, TypeError, ValueError, OverflowError):
            return _Origin()
        if not 0 < segment <= clip or not isinstance(rows, int):
            return _Origin()
        if table.stem == f"features_{clip:g}_sec":
            return _Origin(Window("clip", clip), rows, rows == files)
        if table.stem == f"features_{segment:g}_sec":
            return _Origin(Window("segment", segment), rows)
        return _Origin()


def find_schema(path: Path, schema: TableSchema | None) -> TableSchema:
    """Return `schema`, or what the columns of a table mean by the recipe of its side-car; refuse another one."""
    if schema is not None and schema.recipe is None:
        return schema
    side_car = _SideCar.read(path)
    if side_car is None:
        return schema or GTZAN57_TABLE
    if schema is not None and side_car.recipe != schema.recipe:
        raise TableError(
            f"{path} was extracted with recipe {side_car.recipe!r} and {schema.recipe!r} is needed; extract it again."
        )
    return schema or table_schema(get_recipe(side_car.recipe))


def with_names(
    path: Path, header: Sequence[str], schema: TableSchema, label_column: str | None
) -> tuple[TableSchema, tuple[str, ...]]:
    """Find the columns of label and file name under other people's names; return a remark for each."""
    label = label_column or find_column(path, header, schema.label, LABEL_NAMES, "the label", "--label-column")
    item = find_column(path, header, schema.item, ITEM_NAMES, "the file name", None)
    remarks = []
    if label not in (schema.label, label_column):
        remarks.append(f"The label is taken from the column {label!r}.")
    if item != schema.item:
        remarks.append(f"The file name is taken from the column {item!r}.")
    return (dataclasses.replace(schema, label=label, item=item) if remarks else schema), tuple(remarks)


def tables_in(folder: Path) -> list[str]:
    """List the files of a folder that are tables by name, sorted."""
    return sorted(file.name for file in folder.iterdir() if file.suffix.lower() in (".csv", ".parquet", ".tsv"))


def advise_on_folder(folder: Path) -> str:
    """Say in a sentence which file of a folder could have been meant where a table is needed."""
    try:
        tables = tables_in(folder)
    except OSError as error:
        return f"{folder} is a folder that cannot be read: {error.strerror}; give a feature table (CSV or Parquet)."
    own = [name for name in tables if name.startswith("features_")]
    if own:
        return f"{folder} is a folder; give one of the tables in it: {_listed(own)}."
    texts = [name for name in tables if not name.lower().endswith(".parquet")]
    if len(tables) > 1 and len(texts) < 2:
        return f"{folder} is a folder of {len(tables)} tables; give one of them: {_listed(tables)}."
    if len(tables) > 1:
        first = ""
        if not _has_labels(folder / texts[0]):
            first = "give each a column 'label' with its genre if only its name tells it, then "
        pattern = f"{shlex.quote(str(folder))}/*{Path(texts[0]).suffix}"
        return (
            f"{folder} is a folder of {len(tables)} tables ({_listed(tables)}); {first}join those that belong "
            f"together, for example with `cat {pattern} > all.csv`, and give that file (repeated header lines are left "
            "out)."
        )
    if tables:
        return f"{folder} is a folder; give the table in it: {tables[0]!r}."
    return (
        f"{folder} is a folder without tables; give a feature table (CSV or Parquet), or make one with `audio-genre "
        "extract`."
    )


def _has_labels(path: Path) -> bool:
    """Tell whether a table has a column of labels, under whatever name; no if it cannot be read."""
    with suppress(OSError, TableError):
        header = {name.lower() for name in open_delimited(path, path.read_bytes()).header}
        return bool(header & LABEL_NAMES)
    return False


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(map(repr, names[:_MAX_NAMES])) + more


def _refuse_columns(path: Path, header: list[str], schema: TableSchema) -> None:
    needed = [schema.item, *schema.features, schema.label]
    if schema.group is not None:
        needed.append(schema.group)
    known = {*needed, schema.length}
    twice = [name for name, count in Counter(header).items() if count > 1 and name in known]
    if twice:
        raise TableError(f"{path} has the column {twice[0]!r} twice; remove one of them.")
    missing = [name for name in needed if name not in header]
    if not missing:
        return
    column = "column" if len(missing) == 1 else "columns"
    named = ", ".join(map(repr, missing[:3])) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    lacking = [name for name in schema.features if name not in header]
    kind = f"the {schema.name} features" if schema.recipe is None else f"the features of recipe {schema.recipe}"
    if len(header) == 1:
        raise TableError(
            f"{path} has one column, {header[0][:60]!r}, and is not a table of {kind}; it needs a header line, and "
            "commas, semicolons or tabs between its cells."
        )
    if len(lacking) > (1 - _MIN_SHARE_OF_FEATURES) * len(schema.features):
        raise TableError(
            f"{path} is not a table of {kind}: it has {len(schema.features) - len(lacking)} of "
            f"{len(schema.features)}, lacks the {column} {named}, and its columns are {_listed(header)}; give a table "
            "that `audio-genre extract` wrote, or a public GTZAN table."
        )
    raise TableError(f"{path} lacks the {column} {named}; {remedy(missing, schema)}.")


def remedy(missing: Sequence[str], schema: TableSchema) -> str:
    """Say what to do where a table lacks columns: the end of a sentence."""
    if any(name in schema.features for name in missing):
        if schema.recipe is None:
            return "add what is missing"
        return (
            f"extract it again with recipe {schema.recipe}, or if it was made with other parameters, put the "
            f"{SIDE_CAR} of its extraction beside it"
        )
    if schema.label in missing:
        return "name the column of the genre with --label-column, or add one"
    return "add one with the name of each row's audio file, which tells the rows of a track"


def _refuse_odd_cells(sheet: Sheet, schema: TableSchema, items: list[str]) -> None:
    for name in schema.features:
        if name in sheet.odd:
            row, cell = next(iter(sheet.odd[name].items()))
            raise TableError(
                f"{sheet.path} has {_fault(cell)} in the column {name!r} of {sheet.place(row)} ({items[row]}); every "
                "feature must be a finite number, so extract that file again or remove the row."
            )


def _lengths(sheet: Sheet, items: list[str], name: str) -> NDArray[np.float64]:
    """Return the lengths, shape (n,); NaN for an empty cell, because a length is never a feature."""
    codes, cells = factorized(sheet.cells(name))
    values = np.full(len(cells), np.nan)
    for code, cell in enumerate(cells):
        fault = _fault(cell)
        if fault is None and float(cell) > 0 and float(cell).is_integer():
            values[code] = float(cell)
        elif fault != _EMPTY:
            row = int(np.argmax(codes == code))
            raise TableError(
                f"{sheet.path} has {fault or repr(cell)} in the column {name!r} of {sheet.place(row)} ({items[row]}); "
                "a length must be a whole number of samples above 0, or empty."
            )
    return values[codes]


_EMPTY = "an empty cell"


def _fault(cell: str) -> str | None:
    if not cell.strip():
        return _EMPTY
    if not is_number(cell):
        return repr(cell[:40])
    return None if math.isfinite(float(cell)) else repr(cell.strip())


def _as_float32(sheet: Sheet, items: list[str]) -> NDArray[np.float32]:
    first = 0
    for values in sheet.blocks:
        if max(values.max(), -values.min()) > np.finfo(np.float32).max:
            row, column = np.argwhere(np.abs(values) > np.finfo(np.float32).max)[0]
            raise TableError(
                f"{sheet.path} has {values[row, column]:g} in the column {sheet.features[column]!r} of "
                f"{sheet.place(first + row)} ({items[first + row]}); that is beyond single precision, so extract that "
                "file again or remove the row."
            )
        first += len(values)
    X: NDArray[np.float32] = np.concatenate(sheet.blocks, dtype=np.float32, casting="same_kind")
    return X
