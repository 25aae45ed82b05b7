"""Feature tables from CSV and Parquet files: checked, in the schema's column order, with the group of every row."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import math
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from audio_genre.datasets.groups import Grouping, Window, are_short, doubt, find_groups, find_window, torn_files
from audio_genre.datasets.schema import GTZAN57_TABLE, TableSchema
from audio_genre.dsp import get_recipe
from audio_genre.errors import ParameterError, TableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE_CAR = "extraction.json"
"""Name of the file beside an extracted table that tells its recipe."""

_PARQUET_MAGIC = b"PAR1"
CONFLICTS = ("keep-first", "drop")
"""What can be done with a track that stands under several labels."""

ROWS = ("clips", "segments")
"""What the rows of a table can be said to be."""


_BY_NAMES = Grouping()


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

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Every class found, sorted; without the empty one."""
        return tuple(label for label in np.unique(self.labels).tolist() if label)

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
                "sub-folder per genre."
            )
        if len(self.classes) < 2:
            raise TableError(
                f"{self.path} has only the class {self.classes[0]!r}; a classifier needs at least two to tell apart."
            )


def load_table(
    path: str | os.PathLike[str],
    schema: TableSchema = GTZAN57_TABLE,
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
        A comma-separated file with a header line, or a Parquet file, which needs the extra ``parquet``. The columns may
        stand in any order, and others may be among them.
    schema : TableSchema
        What the columns mean.
    label_column : str, optional
        Column of the class, in place of the schema's.
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
        names another recipe or contradicts `rows`, or a track stands under several labels.
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
    table = read_table(path, schema, label_column=label_column, group_column=group_column, rows=rows)
    return _settled(table, conflicts)


def read_table(
    path: str | os.PathLike[str],
    schema: TableSchema,
    *,
    label_column: str | None = None,
    group_column: str | None = None,
    rows: Literal["clips", "segments"] | None = None,
) -> Table:
    """Read a table as `load_table` does, but leave tracks that stand under several labels as they are.

    Parameters
    ----------
    path : str or os.PathLike
        A CSV or Parquet file.
    schema : TableSchema
        What the columns mean.
    label_column, group_column, rows : str, optional
        See `load_table`.

    Returns
    -------
    Table
        Its rows, in the file's order.

    Raises
    ------
    TableError
        As `load_table` does, but not for tracks under several labels.
    ParameterError
        If a column cannot have the meaning that it is given, or `rows` has another value.
    """
    path = Path(path)
    if rows not in (None, *ROWS):
        raise ParameterError(f"The rows of a table can be {' or '.join(ROWS)}; got {rows!r}.")
    folder_column, schema = schema.label, with_columns(schema, label_column, group_column)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TableError(
            f"{path} cannot be read: {error.strerror}; give the path of a feature table (CSV or Parquet)."
        ) from None
    is_parquet = data.startswith(_PARQUET_MAGIC) or path.suffix.lower() == ".parquet"
    sheet = _read_parquet(path, data) if is_parquet else _read_csv(path, data)
    refuse_unknown_columns(path, sheet.header, schema, label_column, group_column)
    _refuse_columns(path, sheet.header, schema)
    origin = _Origin() if schema.recipe is None else _read_side_car(path, schema.recipe)
    if not sheet.places:
        raise TableError(f"{path} has a header and no rows; extract it again from a folder with audio files.")

    items, labels = sheet.texts(schema.item), sheet.texts(schema.label)
    X = np.column_stack([_numbers(path, sheet, items, name) for name in schema.features])
    lengths = None
    if schema.length in sheet.header:
        lengths = _lengths(path, sheet, items, schema.length)

    if origin.window is not None and rows is not None and not rows.startswith(origin.window.kind):
        raise TableError(
            f"{SIDE_CAR} beside {path} proves that its rows are {origin.window.kind}s, and --rows {rows} contradicts "
            "it; leave --rows out."
        )
    window = origin.window
    if window is None and schema.recipe is not None:
        # Several short rows of one group are parts of it, whatever they are called.
        is_cut = schema.group is not None and len(set(sheet.texts(schema.group))) < len(items)
        told = "segments" if rows is None and is_cut and are_short(lengths, schema.recipe) else rows
        window = find_window(items, lengths, schema.recipe, path.name, rows=told)
    files = None
    if folder_column in sheet.header and schema.recipe is not None:
        files = _files(items, sheet.texts(folder_column), lengths, origin, schema.recipe)
    notes: tuple[str, ...] = ()
    if files is not None:
        grouping = Grouping("extraction")
    elif rows is not None:
        files, grouping = items if rows == "clips" else find_groups(items), Grouping("option")
    else:
        files, grouping = find_groups(items), Grouping(note=doubt(items, lengths, schema.recipe, path.name, window))
    groups = files
    if schema.group is not None:
        values, grouping = sheet.texts(schema.group), Grouping("column")
        groups = [value or file for value, file in zip(values, files, strict=True)]
        if empty := values.count(""):
            what = f"an empty cell in the column {schema.group!r}"
            notes = (f"{empty} of {len(values)} rows have {what} and are grouped by name.",)
    if grouping.note:
        notes = (grouping.note,)
    options = (("--label-column", label_column), ("--group-column", group_column), ("--rows", rows))
    used = {*schema.features, schema.item, schema.label, schema.group, schema.length}
    return Table(
        path=path,
        schema=schema,
        X=_as_float32(path, X, sheet.places, items, schema.features),
        labels=np.array(labels, dtype=np.str_),
        items=np.array(items, dtype=np.str_),
        groups=np.array(groups, dtype=np.str_),
        window=window,
        ignored=tuple(name for name in sheet.header if name not in used),
        sha256=hashlib.sha256(data).hexdigest(),
        grouping=grouping,
        notes=notes,
        options=tuple(word for name, value in options if value is not None for word in (name, value)),
    )


def with_columns(schema: TableSchema, label_column: str | None, group_column: str | None) -> TableSchema:
    """Return a schema with other columns of label and group.

    Parameters
    ----------
    schema : TableSchema
        The schema.
    label_column, group_column : str or None
        The columns; None leaves that of the schema.

    Returns
    -------
    TableSchema
        The other schema.
    """
    label = schema.label if label_column is None else label_column
    return dataclasses.replace(schema, label=label, group=schema.group if group_column is None else group_column)


def refuse_unknown_columns(
    path: Path, header: Sequence[str], schema: TableSchema, label_column: str | None, group_column: str | None
) -> None:
    """Refuse columns that a user has named and the table lacks.

    Parameters
    ----------
    path : Path
        The table.
    header : sequence of str
        Columns that it has.
    schema : TableSchema
        What they mean.
    label_column, group_column : str or None
        Columns that were named.

    Raises
    ------
    TableError
        If it lacks one of them.
    """
    for option, column in (("label-column", label_column), ("group-column", group_column)):
        if column is not None and column not in header:
            others = [name for name in header if name and name not in schema.features] or header
            raise TableError(
                f"{path} has no column {column!r} for --{option}; name one that it has, such as "
                f"{', '.join(map(repr, others[:5]))}."
            )


def _conflicting(table: Table) -> dict[str, tuple[str, ...]]:
    """Return the tracks that stand under several labels, with these."""
    labels: dict[str, dict[str, None]] = defaultdict(dict)
    for group, label in zip(table.groups.tolist(), table.labels.tolist(), strict=True):
        if label:
            labels[group][label] = None
    return {group: tuple(found) for group, found in labels.items() if len(found) > 1}


def _settled(table: Table, rule: str | None) -> Table:
    """Refuse a table in which a track stands under several labels, or leave rows out until none does."""
    if rule not in (None, *CONFLICTS):
        raise ParameterError(
            f"What is done with tracks under several labels can be {' or '.join(CONFLICTS)}; got {rule!r}."
        )
    found = _conflicting(table)
    if rule is not None:
        table = dataclasses.replace(table, options=(*table.options, "--conflicts", rule))
    if not found:
        return table
    is_theirs = np.array([group in found for group in table.groups.tolist()])
    group, labels = next(iter(found.items()))
    tracks = f"{len(found)} track{'' if len(found) == 1 else 's'}"
    if rule is None:
        raise TableError(
            f"{table.path} has {tracks} under several labels ({int(is_theirs.sum())} rows), such as {group!r} under "
            f"{' and '.join(map(repr, labels[:2]))}; correct the labels, or choose --conflicts keep-first (keep the "
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
        raise TableError(f"{table.path} has no track that stands under one label alone; correct the labels.")
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
class _Sheet:
    """The cells of a file: empty text for an empty cell."""

    header: list[str]
    places: list[str]
    """Where each row stands in the file, such as ``"line 2"``."""
    cells: Callable[[int], list[Any]]
    """From the number of a column to its cells, as texts or numbers."""

    def column(self, name: str) -> list[Any]:
        return self.cells(self.header.index(name))

    def texts(self, name: str) -> list[str]:
        return [str(cell).strip() for cell in self.column(name)]


def _read_csv(path: Path, data: bytes) -> _Sheet:
    if not data.strip():
        raise TableError(f"{path} is empty; extract it again.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise TableError(f"{path} is not a CSV table but binary data or text that is not UTF-8; give a feature table.")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for row in reader:
            if row:
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise TableError(f"{path} is not a CSV table: line {reader.line_num}: {error}.") from None
    header = [name.strip() for name in rows[0]]
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(header):
            raise TableError(
                f"{path} is damaged or not a CSV table: line {line} has {len(row)} cells where the header has "
                f"{len(header)}; extract it again."
            )
    return _Sheet(header, [f"line {line}" for line in lines[1:]], lambda index: [row[index] for row in rows[1:]])


def _read_parquet(path: Path, data: bytes) -> _Sheet:
    if not data.strip():
        raise TableError(f"{path} is empty; extract it again.")
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise TableError(
            f"{path} is a Parquet table, and reading it needs pyarrow; install it with: "
            'pip install "audio-genre[parquet]"'
        ) from None
    try:
        table = parquet.ParquetFile(pa.BufferReader(data)).read()
    # Arrow's own errors are ValueError, OSError and others; damage can raise nearly any of them.
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise TableError(f"{path} is damaged or not a Parquet table ({reason}); extract it again.") from None
    header = [name.strip() for name in table.column_names]
    places = [f"row {number}" for number in range(1, table.num_rows + 1)]
    return _Sheet(header, places, lambda index: [_cell(value) for value in table.column(index).to_pylist()])


def _cell(value: Any) -> str | float:
    """Return a Parquet value as the cell of a CSV table would be, but numbers as they are."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


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
    named = ", ".join(map(repr, missing[:3])) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    column = "column" if len(missing) == 1 else "columns"
    if len(missing) == len(needed):
        raise TableError(
            f"{path} is not a {schema.name} table: it has none of the {len(needed)} columns, such as {named}; give a "
            "comma-separated table with a header line, or a Parquet table."
        )
    source = "extract it again" + (f" with recipe {schema.recipe}" if schema.recipe else "")
    raise TableError(f"{path} lacks the {column} {named}; {source}.")


def _read_side_car(path: Path, recipe: str) -> _Origin:
    """Refuse another recipe; return what the extraction knew of the table."""
    side_car = path.with_name(SIDE_CAR)
    if not side_car.is_file():
        return _Origin()
    try:
        content = json.loads(side_car.read_text(encoding="utf-8"))
        name = content["recipe"]["name"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise TableError(f"{side_car} does not tell the recipe of {path.name}; extract the table again.") from None
    if name != recipe:
        raise TableError(f"{path} was extracted with recipe {name!r} and {recipe!r} is needed; extract it again.")
    try:
        rows = content["tables"][path.name]
        counts = content["counts"]
        files = counts["clips"] - counts["failed"]
        clip, segment = (float(content["recipe"][f"{kind}_seconds"]) for kind in ("clip", "segment"))
    except (KeyError, TypeError, ValueError, OverflowError):
        return _Origin()
    if not 0 < segment <= clip:
        return _Origin()
    if path.stem == f"features_{clip:g}_sec":
        return _Origin(Window("clip", clip), rows if isinstance(rows, int) else None, rows == files)
    if path.stem == f"features_{segment:g}_sec":
        return _Origin(Window("segment", segment), rows if isinstance(rows, int) else None)
    return _Origin()


def _numbers(path: Path, sheet: _Sheet, items: list[str], name: str) -> NDArray[np.float64]:
    """Return the cells of a feature, shape (n,); refuse what is not finite."""
    cells = sheet.column(name)
    try:
        values = np.array([float(cell) for cell in cells])
    except ValueError:
        values = None
    if values is not None and np.isfinite(values).all():
        return values
    place, item, fault = next(
        (place, item, fault)
        for cell, place, item in zip(cells, sheet.places, items, strict=True)
        if (fault := _fault(cell)) is not None
    )
    raise TableError(
        f"{path} has {fault} in the column {name!r} of {place} ({item}); every feature must be a finite number, so "
        "extract that file again or remove the row."
    )


def _lengths(path: Path, sheet: _Sheet, items: list[str], name: str) -> NDArray[np.float64]:
    """Return the lengths, shape (n,); NaN for an empty cell, because a length is never a feature."""
    values = np.full(len(items), np.nan)
    for row, cell in enumerate(sheet.column(name)):
        fault = _fault(cell)
        if fault is None and float(cell) > 0:
            values[row] = float(cell)
        elif fault != _EMPTY:
            raise TableError(
                f"{path} has {fault or repr(str(cell))} in the column {name!r} of {sheet.places[row]} ({items[row]}); "
                "a length must be a number of samples above 0, or empty."
            )
    return values


_EMPTY = "an empty cell"


def _fault(cell: str | float) -> str | None:
    if isinstance(cell, str) and not cell.strip():
        return _EMPTY
    try:
        value = float(cell)
    except ValueError:
        return repr(str(cell)[:40])
    return None if math.isfinite(value) else repr(str(cell).strip())


def _as_float32(
    path: Path, values: NDArray[np.float64], places: list[str], items: list[str], names: Sequence[str]
) -> NDArray[np.float32]:
    too_large = np.argwhere(np.abs(values) > np.finfo(np.float32).max)
    if len(too_large):
        row, column = too_large[0]
        raise TableError(
            f"{path} has {values[row, column]:g} in the column {names[column]!r} of {places[row]} ({items[row]}); "
            "that is beyond single precision, so extract that file again or remove the row."
        )
    return values.astype(np.float32)
