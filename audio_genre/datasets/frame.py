"""A table of any columns as a data frame: texts as they are written, numbers exactly, every fault with its line."""

from __future__ import annotations

import hashlib
import io
import re
import stat
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.datasets.delimited import (
    DECIMAL_COMMAS,
    Delimited,
    marked_encoding,
    number_reader,
    open_delimited,
    unchanged,
)
from audio_genre.errors import ParameterError, TableError
from audio_genre.extras import install_command

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_PARQUET_MAGIC = b"PAR1"
_HEAD_BYTES = 1 << 16
_BOM = "\ufeff"
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(eq=False)
class Frame:
    """The cells of a table.

    Attributes
    ----------
    path : Path
        The file.
    data : pandas.DataFrame
        One column for each column of the file, under its name without spaces around; texts, but those that were asked
        for as numbers are float64 where all cells are numbers or mean that there is none.
    sha256 : str
        Hash of the file, in hexadecimal digits.
    lines : np.ndarray of int, shape (n,)
        Line where each row begins, or its number in a Parquet table.
    notes : list of str
        Sentences on how the file was read.
    """

    path: Path
    data: pd.DataFrame
    sha256: str
    lines: NDArray[np.intp]
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.data)

    @property
    def header(self) -> list[str]:
        """Names of the columns."""
        return list(map(str, self.data.columns))


def read_header(path: Path) -> list[str]:
    """Return the names of a table's columns, as far as they can be told from its beginning; nothing if they cannot."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            # A pipe can be read once, and would be waited for.
            return []
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if head.startswith(_PARQUET_MAGIC):
            from pyarrow import parquet

            return [name.strip() for name in parquet.ParquetFile(path).schema_arrow.names]
        if (encoding := marked_encoding(head)).startswith("utf-16"):
            head = head.decode(encoding, "ignore").removeprefix(_BOM).encode()
        head = head[: head.rfind(b"\n") + 1] or head
        return open_delimited(path, head).header
    except (OSError, TableError, ImportError, ValueError):
        return []


def read_frame(
    path: Path, *, numeric: Callable[[str], bool], missing: frozenset[str], encoding: str | None = None
) -> Frame:
    """Read a CSV or Parquet table whose columns may have any meaning.

    `numeric` tells by its name whether a column is wanted as numbers, in which the words `missing` (lower case) mean
    that there is no value; what else is no number leaves the column as texts.
    """
    try:
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise TableError(f"{path} is a pipe or a device; write the table to a file and give that.")
        data = path.read_bytes()
    except IsADirectoryError:
        raise TableError(f"{path} is a folder; give a table (CSV or Parquet).") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name is malformed"
        raise TableError(f"{path} cannot be read: {reason}; give a table (CSV or Parquet).") from None
    sha256 = hashlib.sha256(data).hexdigest()
    if data.startswith(_PARQUET_MAGIC) or path.suffix.lower() == ".parquet":
        frame = _read_parquet(path, data)
        return Frame(path, frame, sha256, np.arange(1, len(frame) + 1))
    text = _in_utf8(path, data, encoding)
    table = open_delimited(path, text)
    _refuse_repeated_names(path, table.header)
    return _read_text(path, text, table, sha256, numeric, missing)


def _in_utf8(path: Path, data: bytes, encoding: str | None) -> bytes:
    """Return a text in UTF-8; names are read from it, so no encoding is guessed."""
    if encoding is not None:
        try:
            return data.decode(encoding).removeprefix(_BOM).encode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise TableError(
                f"{path} is not written in {encoding}: line {line} contradicts it; name another."
            ) from None
        except (LookupError, ValueError):
            raise ParameterError(f"The encoding {encoding!r} is unknown; give one such as cp1252.") from None
    if (found := marked_encoding(data)).startswith("utf-16"):
        try:
            return data.decode(found).removeprefix(_BOM).encode()
        except UnicodeDecodeError:
            return data
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        # Binary data, archives and pages are told apart elsewhere.
        if 0 not in data[:_HEAD_BYTES] and not data.startswith((b"PK", b"\x1f\x8b", b"\xd0\xcf")):
            line = data.count(b"\n", 0, error.start) + 1
            raise TableError(
                f"{path} is not UTF-8: line {line} has the byte 0x{data[error.start]:02x}; say how it is written, such "
                "as --encoding cp1252."
            ) from None
    return data


def _refuse_repeated_names(path: Path, header: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in header:
        if name and name in seen:
            raise TableError(f"{path} has two columns {name!r}; rename or remove one of them.")
        seen.add(name)


def _read_text(
    path: Path, data: bytes, table: Delimited, sha256: str, numeric: Callable[[str], bool], missing: frozenset[str]
) -> Frame:
    import pandas as pd

    header = _distinct(table.header)
    first = table.reader.line_num
    wanted = [name for name in header if numeric(name)]
    words = forms_of(missing)
    try:
        with warnings.catch_warnings():
            # Rows that are longer than the header are cut with no more than a warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame: Any = pd.read_csv(
                io.BytesIO(data),
                sep=table.delimiter,
                header=None,
                names=header,
                index_col=False,
                # A line end inside a name ends no line for pandas.
                skiprows=first - sum(len(_LINE_END.findall(name)) for name in header),
                # Blank lines count, and are left out below.
                skip_blank_lines=False,
                dtype={name: str for name in header if name not in wanted},
                keep_default_na=False,
                na_values=dict.fromkeys(wanted, words),
                low_memory=False,
                engine="c",
                float_precision=None if _is_exact(pd) else "round_trip",
                encoding="utf-8",
            )
    except pd.errors.EmptyDataError:
        raise _no_rows(path) from None
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError):
        _refuse_ragged(path, data, len(header))
        raise TableError(f"{path} is damaged or not a CSV table; save it as CSV again.") from None
    notes: list[str] = []
    if not len(frame):
        raise _no_rows(path)
    last = frame[header[-1]]
    if (last.isna() | (last == "")).any():
        _refuse_ragged(path, data, len(header))
    lines = _lines(data, frame, first)
    for name in header:
        if name not in wanted:
            frame[name] = frame[name].fillna("").str.strip()
    # A file with a mark at its start may have been joined to another.
    if _BOM.encode() in data and frame[header[0]].dtype.kind not in "fiub":
        frame[header[0]] = frame[header[0]].str.removeprefix(_BOM)
    frame, lines = _without_headers(path, frame, header, lines, notes)
    _decimal_points(path, table.delimiter, frame, wanted, missing, notes)
    frame, lines = _without_blanks(frame, lines)
    if not len(frame):
        raise _no_rows(path)
    return Frame(path, frame, sha256, lines, [*table.notes, *notes])


def _no_rows(path: Path) -> TableError:
    return TableError(f"{path} has a header and no rows; give a table with tracks.")


def _lines(data: bytes, frame: Any, first: int) -> NDArray[np.intp]:
    """Return the line where each row begins, which line ends inside cells push down."""
    lines = np.arange(first + 1, first + 1 + len(frame), dtype=np.intp)
    if data.count(b"\n") > first + len(frame) or data.count(b"\r") != data.count(b"\r\n"):
        inside = np.zeros(len(frame), dtype=np.intp)
        for name in frame.columns:
            if frame[name].dtype.kind not in "fiub":
                inside += [len(_LINE_END.findall(cell)) if isinstance(cell, str) else 0 for cell in frame[name]]
        lines[1:] += np.cumsum(inside)[:-1]
    return lines


def forms_of(words: Iterable[str]) -> list[str]:
    """Return the ways in which words that mean nothing are written.

    >>> forms_of(["nan"])
    ['NAN', 'NaN', 'Nan', 'nan']
    """
    camel = {"nan": "NaN"}
    return sorted({form for word in words for form in (word, word.upper(), word.capitalize(), camel.get(word, word))})


def _is_exact(pd: Any) -> bool:
    return tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1)


def _distinct(header: Sequence[str]) -> list[str]:
    """Return names of which only empty ones were repeated, each once."""
    names: list[str] = []
    for name in header:
        candidate, number = name, 0
        while candidate in names:
            number += 1
            candidate = f"{name}.{number}"
        names.append(candidate)
    return names


def _refuse_ragged(path: Path, data: bytes, columns: int) -> None:
    """Find out whether a row is too long, or short, which looks as if its last cells were empty."""
    for line, row in open_delimited(path, data).rows():
        if len(row) != columns:
            advice = (
                "put quotation marks around cells with commas in them" if len(row) > columns else "the file may be cut"
            )
            raise TableError(
                f"{path} is damaged or not a CSV table: line {line} has {len(row)} cells where the header has "
                f"{columns}; {advice}; save it as CSV again."
            )


def _without_headers(
    path: Path, frame: Any, header: list[str], lines: NDArray[np.intp], notes: list[str]
) -> tuple[Any, NDArray[np.intp]]:
    """Leave out header lines inside the table, as where files were joined; refuse those of other tables."""
    texts = [name for name in header if frame[name].dtype.kind not in "fiub"]
    if not texts:
        return frame, lines
    names = {name for name in header if name}
    suspects = np.ones(len(frame), dtype=bool)
    known = frame[texts[0]].isin(names).to_numpy()
    suspects &= known
    repeated = []
    for row in np.flatnonzero(suspects).tolist():
        cells = [str(frame[name].iloc[row]).strip() for name in header]
        if cells == header:
            repeated.append(row)
        elif 2 * len(names.intersection(cells)) > len(header):
            raise TableError(
                f"{path} has another header in line {lines[row]}, as where tables with different columns were joined; "
                "bring the columns of all parts into one order, and join them again."
            )
    if not repeated:
        return frame, lines
    notes.append(
        f"The header line of {path.name} stands again in {len(repeated)} line{'' if len(repeated) == 1 else 's'} "
        "inside the table, as where tables were joined; left out."
    )
    keep = np.ones(len(frame), dtype=bool)
    keep[repeated] = False
    return frame[keep].reset_index(drop=True), lines[keep]


def _without_blanks(frame: Any, lines: NDArray[np.intp]) -> tuple[Any, NDArray[np.intp]]:
    is_blank = np.ones(len(frame), dtype=bool)
    for name in frame.columns:
        column = frame[name]
        is_blank &= (column.isna() if column.dtype.kind == "f" else column == "").to_numpy()
        if not is_blank.any():
            return frame, lines
    return frame[~is_blank].reset_index(drop=True), lines[~is_blank]


def _decimal_points(
    path: Path, delimiter: str, frame: Any, wanted: Sequence[str], missing: frozenset[str], notes: list[str]
) -> None:
    """Read as numbers what a wanted column holds as texts, where these are numbers written in another way."""
    import pandas as pd

    odd = [name for name in wanted if frame[name].dtype.kind not in "fiub"]
    if not odd:
        for name in wanted:
            frame[name] = frame[name].astype(float)
        return
    cells = {name: frame[name].fillna("").astype(str) for name in odd}
    distinct = {name: cells[name].unique().tolist() for name in odd}
    convert = number_reader(
        path, delimiter, [[c for c in found if any(map(str.isdigit, c))] for found in distinct.values()]
    )
    if convert is not unchanged:
        notes.append(DECIMAL_COMMAS)
    for name in odd:
        table = {cell: convert(cell.strip()) for cell in distinct[name]}
        texts = cells[name].map(table) if convert is not unchanged else cells[name].str.strip()
        values = pd.to_numeric(texts, errors="coerce")
        is_missing = texts.str.lower().isin(missing)
        frame[name] = values.astype(float) if (values.notna() | is_missing).all() else texts
    for name in wanted:
        if frame[name].dtype.kind in "iub":
            frame[name] = frame[name].astype(float)


def _read_parquet(path: Path, data: bytes) -> Any:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise TableError(
            f"{path} is a Parquet table, and reading it needs pyarrow; install it with: {install_command('parquet')}"
        ) from None
    try:
        frame: Any = parquet.read_table(pa.BufferReader(data)).to_pandas(ignore_metadata=True)
    # Arrow's own errors are ValueError, OSError and others; damage can raise nearly any of them.
    except (pa.ArrowException, OSError, ValueError):
        raise TableError(f"{path} is damaged or not a Parquet table; save it again.") from None
    if not len(frame):
        raise TableError(f"{path} has columns and no rows; give a table with tracks.")
    frame = frame.reset_index(drop=True)
    frame.columns = [str(name).strip() for name in frame.columns]
    _refuse_repeated_names(path, list(frame.columns))
    for name in frame.columns:
        if frame[name].dtype.kind in "iub":
            frame[name] = frame[name].astype(float)
        elif frame[name].dtype.kind != "f":
            frame[name] = frame[name].astype(object).map(_text, na_action=None).astype(str).str.strip()
    return frame


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray | list | tuple):
        return str(list(map(str, value)))
    import pandas as pd

    if pd.isna(value):
        return ""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
