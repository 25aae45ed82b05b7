"""A feature table as it is: read with all its faults, which are kept for the findings."""

from __future__ import annotations

import math
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.datasets.delimited import (
    DECIMAL_COMMAS,
    Delimited,
    number,
    number_reader,
    numbers,
    open_delimited,
    unchanged,
)
from audio_genre.datasets.schema import TableSchema
from audio_genre.datasets.tables import advise_on_folder, read_parquet
from audio_genre.errors import TableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PARQUET_MAGIC = b"PAR1"
_MISSING = frozenset({"", "nan", "na", "n/a", "#n/a", "<na>", "null", "none", "nat", "-", "?"})
_ROWS_AT_A_TIME = 4096
_MIN_SHARE_OF_FEATURES = 0.5


@dataclass
class Sheet:
    """The cells of a table, good or bad.

    Attributes
    ----------
    header : list of str
        Names of the columns, without spaces around them.
    places : list of str
        Where each row stands in the file, such as ``"line 2"``.
    features : tuple of str
        Those features of the schema that the file has, in the schema's order.
    X : np.ndarray, shape (n, d), float64
        Their values; NaN for a cell that is no number.
    texts : dict of int to list of str
        Cells of every other column by its number, as they are written.
    words : dict of str to dict of int to str
        Row numbers and texts of those cells of each feature that are neither numbers nor empty.
    ragged : list of str
        Places of the lines that have another number of cells than the header; they are no rows here.
    notes : list of str
        Sentences on how the file was read.
    """

    header: list[str]
    places: list[str]
    features: tuple[str, ...]
    X: NDArray[np.float64]
    texts: dict[int, list[str]]
    words: dict[str, dict[int, str]] = field(default_factory=dict)
    ragged: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def column(self, name: str | None) -> list[str]:
        """Return a column that is no feature, without spaces around its cells.

        Parameters
        ----------
        name : str or None
            Name of the column.

        Returns
        -------
        list of str
            One text for each row; empty ones where there is no such column.
        """
        if name is None or name not in self.header:
            return [""] * len(self.places)
        return [cell.strip() for cell in self.texts[self.header.index(name)]]


def read_sheet(path: Path, schema: TableSchema) -> Sheet:
    """Read a table and keep its faults, as far as it is a table at all.

    Parameters
    ----------
    path : Path
        A CSV or Parquet file.
    schema : TableSchema
        Tells which columns are features.

    Returns
    -------
    Sheet
        Its cells.

    Raises
    ------
    TableError
        If the file cannot be read, is no table, has no rows, or has less than half of the schema's features.
    """
    what = "give a feature table (CSV or Parquet) or a folder of audio"
    try:
        if path.is_dir():
            raise TableError(advise_on_folder(path))
        # Reading a pipe could wait for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise TableError(f"{path} is not a regular file; {what}.")
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TableError(f"{path} cannot be read: {reason}; {what}.") from None
    if not data.strip():
        raise TableError(f"{path} is empty; extract it again.")
    if data.startswith(_PARQUET_MAGIC) or path.suffix.lower() == ".parquet":
        sheet = _from_parquet(path, data, schema)
    else:
        sheet = _from_csv(path, data, schema)
    if not sheet.places:
        raise TableError(f"{path} has a header and no rows; extract it again from a folder with audio files.")
    return sheet


def _from_csv(path: Path, data: bytes, schema: TableSchema) -> Sheet:
    table = open_delimited(path, data)
    at = _positions(path, table.header, schema)
    others = [index for index in range(len(table.header)) if index not in set(at.values())]
    sheet = Sheet(table.header, [], tuple(at), np.empty((0, len(at))), {index: [] for index in others})
    blocks = []
    convert = None
    decimals: list[str] = []
    for rows in _batches(table, sheet):
        if convert is None:
            convert = number_reader(path, table.delimiter, ([row[k] for row in rows] for k in at.values()))
            decimals = [] if convert is unchanged else [DECIMAL_COMMAS]
        for index in others:
            cells = [row[index] for row in rows]
            sheet.texts[index] += [convert(cell) for cell in cells] if table.header[index] == schema.length else cells
        start = len(sheet.places) - len(rows)
        blocks.append(
            np.column_stack([_parsed(sheet, name, [convert(r[k]) for r in rows], start) for name, k in at.items()])
        )
    sheet.X = np.concatenate(blocks) if blocks else sheet.X
    sheet.notes = [*table.notes, *decimals]
    return sheet


def _batches(table: Delimited, sheet: Sheet) -> Iterator[list[list[str]]]:
    """Yield whole rows, a few thousand at a time, and note where they stand."""
    rows: list[list[str]] = []
    for place, row in table.rows():
        if len(row) != len(sheet.header):
            sheet.ragged.append(place)
            continue
        rows.append(row)
        sheet.places.append(place)
        if len(rows) == _ROWS_AT_A_TIME:
            yield rows
            rows = []
    if rows:
        yield rows


def _from_parquet(path: Path, data: bytes, schema: TableSchema) -> Sheet:
    table = read_parquet(path, data)
    header = [name.strip() for name in table.column_names]
    at = _positions(path, header, schema)
    others = [index for index in range(len(header)) if index not in set(at.values())]
    sheet = Sheet(
        header,
        [f"row {number}" for number in range(1, table.num_rows + 1)],
        tuple(at),
        np.empty((table.num_rows, len(at))),
        {index: [_text(value) for value in table.column(index).to_pylist()] for index in others},
    )
    for k, (name, index) in enumerate(at.items()):
        sheet.X[:, k] = _parsed(sheet, name, table.column(index).to_pylist(), 0)
    return sheet


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _positions(path: Path, header: list[str], schema: TableSchema) -> dict[str, int]:
    """Return where each feature stands; refuse a file of another kind."""
    at = {name: header.index(name) for name in schema.features if name in header}
    if len(at) < _MIN_SHARE_OF_FEATURES * len(schema.features):
        missing = next(name for name in schema.features if name not in at)
        raise TableError(
            f"{path} is not a {schema.name} table: it has {len(at) or 'none'} of the {len(schema.features)} features "
            f"and lacks {missing!r}, among others; give a table that `audio-genre extract` wrote, or a public GTZAN "
            "table."
        )
    return at


def _parsed(sheet: Sheet, name: str, cells: Sequence[Any], start: int) -> NDArray[np.float64]:
    """Return a column of numbers, and note in the sheet which cells are words."""
    try:
        return np.array(numbers(cells))
    except (ValueError, TypeError, OverflowError):
        values = np.full(len(cells), math.nan)
    for row, cell in enumerate(cells):
        try:
            values[row] = number(cell)
        except (ValueError, TypeError, OverflowError):
            word = _text(cell).strip()
            if word.lower() not in _MISSING:
                sheet.words.setdefault(name, {})[start + row] = word
    return values


def doubled_columns(header: Sequence[str]) -> list[str]:
    """Return the names that several columns have.

    Parameters
    ----------
    header : sequence of str
        Names of the columns.

    Returns
    -------
    list of str
        The names, in the header's order; without the empty one.
    """
    return [name for name, count in Counter(header).items() if count > 1 and name]
