"""The cells of a CSV or Parquet table, good or bad: a fast road for plain files, and a careful one for all others."""

from __future__ import annotations

import codecs
import csv
import functools
import hashlib
import io
import itertools
import math
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from audio_genre.datasets.delimited import (
    SEP_LINE,
    delimiter_of,
    is_number,
    note_spellings,
    number,
    number_reader,
    numbers,
    open_delimited,
    unchanged,
)
from audio_genre.datasets.schema import TableSchema
from audio_genre.errors import TableError
from audio_genre.extras import install_command

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PARQUET_MAGIC = b"PAR1"
_BLOCK_BYTES = 1 << 22
_ROWS_AT_A_TIME = 4096
_SAMPLED_ROWS = 100
_MAX_THREADS = 4
_MAX_CELL = 131_072


@dataclass(eq=False)
class Sheet:
    """The cells of a table.

    Attributes
    ----------
    path : Path
        The file.
    header : list of str
        Names of the columns, without spaces around them.
    features : tuple of str
        Those features of the schema that the file has, in the schema's order.
    sha256 : str
        Hash of the file, in hexadecimal digits.
    delimiter : str
        What stands between the cells of a text file.
    texts : dict of int to np.ndarray of object
        Cells of the other columns that are kept by their numbers, as they are written.
    odd : dict of str to dict of int to str
        Row numbers and texts of those cells of each feature that are no finite numbers.
    ragged : list of tuple of int
        Line and number of cells of the lines that have another number of cells than the header; they are no rows here.
    fault : TableError or None
        What was met where no more rows could be read.
    spellings : dict of str to dict
        What `note_spellings` found in each column of numbers.
    notes : list of str
        Sentences on how the file was read.
    """

    path: Path
    header: list[str]
    features: tuple[str, ...]
    sha256: str
    delimiter: str = ""
    texts: dict[int, NDArray[np.object_]] = field(default_factory=dict)
    odd: dict[str, dict[int, str]] = field(default_factory=dict)
    ragged: list[tuple[int, int]] = field(default_factory=list)
    fault: TableError | None = None
    spellings: dict[str, dict[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    blocks: list[NDArray[np.float64]] = field(default_factory=list)
    """Values of the features, some rows at a time; NaN for a cell that is no number."""
    lines: Sequence[int] = ()
    """Line or number of each row in the file."""

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def values(self) -> NDArray[np.float64]:
        """Values of the features, shape (n, d)."""
        if len(self.blocks) != 1:
            self.blocks = [np.concatenate([np.empty((0, len(self.features))), *self.blocks])]
        return self.blocks[0]

    def place(self, row: int) -> str:
        """Tell where a row stands in the file, such as ``"line 2"``."""
        return f"{'line' if self.delimiter else 'row'} {self.lines[row]}"

    def cells(self, name: str) -> list[str]:
        """Return the cells of a kept column that is no feature, as they are written."""
        cells: list[str] = self.texts[self.header.index(name)].tolist()
        return cells

    def column(self, name: str | None) -> list[str]:
        """Return them without spaces around; empty ones where there is no such column."""
        if name is None or name not in self.header:
            return [""] * len(self)
        return [cell.strip() for cell in self.cells(name)]

    def number_reader(self, names: Sequence[str | None]) -> Callable[[str], str]:
        """Return how the numbers of these columns are to be read; refuse them if that cannot be told."""
        spellings = (self.spellings[name].values() for name in names if name is not None and name in self.spellings)
        return number_reader(self.path, self.delimiter, map(list, spellings))


def every(_: str) -> bool:
    """Keep the cells of all columns."""
    return True


def read_sheet(path: Path, file: BinaryIO, schema: TableSchema, *, is_kept: Callable[[str], bool] = every) -> Sheet:
    """Read an open file; `schema` tells which columns are features, and `is_kept` whose cells of the others to keep."""
    if not file.seekable():
        file = io.BytesIO(file.read())
    start = file.read(len(_PARQUET_MAGIC))
    file.seek(0)
    if start == _PARQUET_MAGIC or path.suffix.lower() == ".parquet":
        return _read_parquet(path, file, schema, is_kept)
    sheet = _read_plain(path, file, schema, is_kept)
    if sheet is None:
        file.seek(0)
        sheet = _read_carefully(path, file.read(), schema, is_kept)
    return sheet


def _positions(header: Sequence[str], schema: TableSchema) -> dict[str, int]:
    return {name: header.index(name) for name in schema.features if name in header}


def _others(header: Sequence[str], at: dict[str, int], is_kept: Callable[[str], bool]) -> list[int]:
    return [index for index, name in enumerate(header) if index not in at.values() and is_kept(name)]


# The careful road: every dialect, and the place of every fault.


def _read_carefully(path: Path, data: bytes, schema: TableSchema, is_kept: Callable[[str], bool] = every) -> Sheet:
    sha256 = hashlib.sha256(data).hexdigest()
    sheet, used = _read_rows(path, data, schema, is_kept, sha256, None)
    right = _conversion(sheet, schema)
    if right is not used:  # the first rows were not like all others
        sheet, _ = _read_rows(path, data, schema, is_kept, sha256, right)
    return sheet


def _conversion(sheet: Sheet, schema: TableSchema) -> Callable[[str], str]:
    """Return how numbers are read; they stay as they are where it cannot be told."""
    for names in ([*sheet.features, schema.length], sheet.features):
        with suppress(TableError):
            return sheet.number_reader(names)
    return unchanged


def _read_rows(
    path: Path,
    data: bytes,
    schema: TableSchema,
    is_kept: Callable[[str], bool],
    sha256: str,
    convert: Callable[[str], str] | None,
) -> tuple[Sheet, Callable[[str], str]]:
    """Read a text file row by row; without `convert`, the first rows tell how numbers are written."""
    table = open_delimited(path, data)
    at = _positions(table.header, schema)
    sheet = Sheet(path, table.header, tuple(at), sha256, table.delimiter)
    length = table.header.index(schema.length) if schema.length in table.header else None
    texts: dict[int, list[str]] = {index: [] for index in _others(table.header, at, is_kept)}
    numeric = at if length is None else {**at, str(schema.length): length}
    sheet.spellings = {name: {} for name in numeric}
    lines: list[int] = []
    rows = _whole_rows(table.rows(), sheet, lines)
    while batch := list(itertools.islice(rows, _ROWS_AT_A_TIME)):
        columns = list(zip(*batch, strict=True))
        for name, index in numeric.items():
            note_spellings(sheet.spellings[name], columns[index])
        if convert is None:
            convert = _conversion(sheet, schema)
        for index, cells in texts.items():
            cells.extend(map(convert, columns[index]) if index == length else columns[index])
        first = len(lines) - len(batch)
        values = np.empty((len(batch), len(at)))
        for k, (name, index) in enumerate(at.items()):
            found = columns[index] if convert is unchanged else list(map(convert, columns[index]))
            values[:, k] = _parsed(sheet, name, found, first)
        sheet.blocks.append(values)
    sheet.texts = {index: np.array(cells, dtype=object) for index, cells in texts.items()}
    sheet.lines, sheet.notes = lines, table.notes
    return sheet, convert or unchanged


def _whole_rows(rows: Iterator[tuple[int, list[str]]], sheet: Sheet, lines: list[int]) -> Iterator[list[str]]:
    try:
        for line, row in rows:
            if len(row) == len(sheet.header):
                lines.append(line)
                yield row
            else:
                sheet.ragged.append((line, len(row)))
    except TableError as error:
        sheet.fault = error


def _parsed(sheet: Sheet, name: str, cells: Sequence[str], first: int) -> NDArray[np.float64]:
    """Return a column of numbers, and note in the sheet which cells are no finite ones."""
    with suppress(ValueError):
        values = np.array(numbers(cells))
        if np.isfinite(values).all():
            return values
    values = np.full(len(cells), math.nan)
    for row, cell in enumerate(cells):
        with suppress(ValueError):
            values[row] = number(cell)
        if not math.isfinite(values[row]):
            sheet.odd.setdefault(name, {})[first + row] = cell
    return values


# Parquet: numbers as they are, all else as the texts of a CSV table.


def _read_parquet(path: Path, file: BinaryIO, schema: TableSchema, is_kept: Callable[[str], bool]) -> Sheet:
    if not file.read(_BLOCK_BYTES).strip():
        raise TableError(f"{path} is empty; give a table with a header line.")
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise TableError(
            f"{path} is a Parquet table, and reading it needs pyarrow; install it with: {install_command('parquet')}"
        ) from None
    file.seek(0)
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    try:
        table = parquet.ParquetFile(file)
        header = [name.strip() for name in table.schema_arrow.names]
        at = _positions(header, schema)
        sheet = Sheet(path, header, tuple(at), sha256, lines=range(1, table.metadata.num_rows + 1))
        texts: dict[int, list[str]] = {index: [] for index in _others(header, at, is_kept)}
        first = 0
        for batch in table.iter_batches():
            for index, cells in texts.items():
                cells.extend(_texts(batch.column(index)))
            values = np.empty((batch.num_rows, len(at)))
            for k, (name, index) in enumerate(at.items()):
                values[:, k] = _numbers_of_parquet(sheet, name, batch.column(index), first)
            sheet.blocks.append(values)
            first += batch.num_rows
    # Arrow's own errors are ValueError, OSError and others; damage can raise nearly any of them.
    except (pa.ArrowException, OSError, ValueError):
        raise TableError(f"{path} is damaged or not a Parquet table; save or extract it again.") from None
    sheet.texts = {index: np.array(cells, dtype=object) for index, cells in texts.items()}
    return sheet


def _numbers_of_parquet(sheet: Sheet, name: str, column: Any, first: int) -> NDArray[np.float64]:
    import pyarrow as pa

    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return _parsed(sheet, name, _texts(column), first)
    values: NDArray[np.float64] = column.to_numpy(zero_copy_only=False).astype(np.float64)
    for row in np.flatnonzero(~np.isfinite(values)).tolist():
        sheet.odd.setdefault(name, {})[first + row] = _text(column[row].as_py())
    return values


def _texts(column: Any) -> list[str]:
    return [_text(value) for value in column.to_pylist()]


def _text(value: Any) -> str:
    """Return a Parquet value as the cell of a CSV table would be."""
    if value is None:
        return ""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


# The fast road: plain tables in UTF-8, in blocks of whole lines; None as soon as anything is unusual.


@dataclass(frozen=True)
class _Form:
    """The form of a plain table."""

    header: list[str]
    delimiter: str
    numeric: list[int]
    texts: list[int]
    """The other columns that are kept."""
    length: int | None
    quoted: re.Pattern[bytes]
    """A cell in quotes without quotes and line ends in it."""

    @classmethod
    def of(cls, start: bytes, schema: TableSchema, is_kept: Callable[[str], bool]) -> _Form | None:
        """Return the form that the first lines show."""
        lines = [line.decode().rstrip("\r") for line in start.split(b"\n", _SAMPLED_ROWS + 1)[: _SAMPLED_ROWS + 1]]
        if not lines[0].strip() or SEP_LINE.fullmatch(lines[0]) or lines[0].lstrip().startswith("<"):
            return None
        delimiter = delimiter_of(lines[0])
        rows = [row for row in csv.reader(lines, strict=True, delimiter=delimiter) if row]
        header = [name.strip() for name in rows[0]]
        at = _positions(header, schema)
        # A repeated header is seen by its names in the columns of numbers.
        if not at or len(header) < 2 or any(map(is_number, header)):
            return None
        spellings: dict[str, str] = {}
        for index in at.values():
            note_spellings(spellings, [row[index] for row in rows[1:] if len(row) == len(header)])
        # One decimal point settles that points do not separate thousands.
        if delimiter != "," and "point" not in spellings:
            return None
        length = header.index(schema.length) if schema.length in header else None
        mark = re.escape(delimiter.encode())
        quoted = re.compile(rb'(?<![^%b\n])"[^"\r\n]*"(?=[%b\r\n])' % (mark, mark))
        return cls(header, delimiter, list(at.values()), _others(header, at, is_kept), length, quoted)

    @property
    def read(self) -> list[int]:
        """The columns whose cells are looked at, besides those of numbers."""
        return sorted(
            {*self.texts, *([] if self.length is None else [self.length]), *([0] if self.tells_header else [])}
        )

    @property
    def tells_header(self) -> bool:
        """Whether a row can be another header whatever its numbers, so that its first cell is looked at."""
        return 0 not in self.numeric and 2 * len(self.numeric) < len(self.header)

    def fits(self, block: bytes) -> bool:
        """Tell whether a block of lines has no blank or ragged lines, odd quotes and control signs."""
        raw = np.frombuffer(block, np.uint8)
        ends = np.flatnonzero(raw == ord("\n"))
        if not len(ends) or ends[-1] != len(raw) - 1:
            return False
        widths = np.diff(ends, prepend=-1)
        returns, tabs = (int(np.count_nonzero(raw == ord(sign))) for sign in "\r\t")
        controls = int(np.count_nonzero(raw < ord(" "))) - len(ends) - returns - tabs
        if controls or widths.min() <= 2 or widths.max() > _MAX_CELL or (returns and block.count(b"\r\n") != returns):
            return False
        if b'"' in block:
            block = self.quoted.sub(b"", block)
            if b'"' in block:
                return False
            raw = np.frombuffer(block, np.uint8)
            ends = np.flatnonzero(raw == ord("\n"))
        marks = np.flatnonzero(raw == ord(self.delimiter))
        # Each line end stands behind the last mark of its line and before the first one of the next.
        per_line = len(self.header) - 1
        if len(marks) != per_line * len(ends):
            return False
        return bool((marks[per_line - 1 :: per_line] < ends).all() and (marks[per_line::per_line] > ends[:-1]).all())

    def parsed(self, block: bytes) -> _Block | None:
        """Return the cells of a block; None if anything is unusual."""
        if not self.fits(block):
            return None
        try:
            cells = _by_pandas(self, block)
        except (ValueError, OverflowError):
            return None
        if cells is None or not np.isfinite(cells[0]).all():
            return None
        values, texts = cells
        if self.length is not None and "," in "".join(texts[self.length]):
            return None
        names = set(self.header)
        if self.tells_header and any(cell.lstrip("\ufeff").strip() in names for cell in texts[0]):
            return None
        return values, {index: texts[index] for index in self.texts}


_Block = tuple["NDArray[np.float64]", dict[int, "NDArray[np.object_]"]]


def _by_pandas(form: _Form, block: bytes) -> _Block | None:
    import pandas as pd

    is_exact = tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1)
    read: Any = functools.partial(
        pd.read_csv,
        sep=form.delimiter,
        header=None,
        names=range(len(form.header)),
        usecols=sorted((*form.numeric, *form.read)),
        index_col=False,
        na_filter=False,
        skip_blank_lines=False,
        low_memory=False,
        engine="c",
        float_precision=None if is_exact else "round_trip",
    )
    # Types for the numbers too would take twice the time, but are needed for whole numbers in which -0 loses its sign.
    types = dict.fromkeys(form.read, object)
    frame = read(io.BytesIO(block), dtype=types)
    kinds = {index: frame[index].dtype.kind for index in form.numeric}
    if not set(kinds.values()) <= set("fiu"):
        return None
    if b"-0" in block and any(kind == "i" and (frame[index] == 0).any() for index, kind in kinds.items()):
        frame = read(io.BytesIO(block), dtype=types | dict.fromkeys(form.numeric, float))
    return frame[form.numeric].to_numpy(np.float64), {index: frame[index].to_numpy() for index in types}


def _read_plain(
    path: Path, file: BinaryIO, schema: TableSchema, is_kept: Callable[[str], bool] = every
) -> Sheet | None:
    sha256 = hashlib.sha256()
    blocks = _blocks(file, sha256.update)
    start = next(blocks, b"").removeprefix(codecs.BOM_UTF8)
    try:
        form = _Form.of(start, schema, is_kept)
    except (ValueError, csv.Error):
        return None
    end = start.find(b"\n") + 1
    if form is None or not form.fits(start[:end]) or end == len(start):
        return None
    sheet = Sheet(path, form.header, tuple(form.header[index] for index in form.numeric), "", form.delimiter)
    parts: list[dict[int, NDArray[np.object_]]] = []
    for block in _in_threads(form.parsed, itertools.chain([start[end:]], blocks)):
        if block is None:
            return None
        sheet.blocks.append(block[0])
        parts.append(block[1])
    sheet.texts = {index: np.concatenate([texts[index] for texts in parts]) for index in parts[0]}
    sheet.lines = range(2, 2 + sum(map(len, sheet.blocks)))
    sheet.sha256 = sha256.hexdigest()
    return sheet


def _blocks(file: BinaryIO, read: Callable[[bytes], None]) -> Iterator[bytes]:
    """Yield whole lines; those that are left at the end are without the blank ones."""
    rest = b""
    while True:
        block = file.read(_BLOCK_BYTES)
        read(block)
        rest += block
        if len(block) < _BLOCK_BYTES:
            break
        # Blank lines stay with the next ones.
        stop = len(rest)
        while stop and rest[stop - 1] in b"\r\n":
            stop -= 1
        end = rest.rfind(b"\n", 0, stop) + 1
        if end or len(rest) > 2 * _BLOCK_BYTES:
            yield rest[:end]
            rest = rest[end:]
    if content := rest.rstrip(b"\r\n"):
        yield content + b"\n"


def _in_threads(function: Callable[[bytes], _Block | None], blocks: Iterable[bytes]) -> Iterator[_Block | None]:
    """Yield the results in order, with a few blocks in work at a time."""
    threads = min(os.cpu_count() or 1, _MAX_THREADS)
    waiting: deque[Future[_Block | None]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for block in blocks:
            waiting.append(pool.submit(function, block))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
