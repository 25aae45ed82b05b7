"""Bytes of a table as people save it to cells: delimiter, encoding and decimal mark, never guessed in doubt."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audio_genre.errors import TableError

_DELIMITERS = (",", ";", "\t", "|")
_SEP_LINE = re.compile(r"\s*\"?sep=(?P<delimiter>[^\r\n])\"?\s*")
_BOMS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))
_LINE_END = re.compile(r"\r\n|\r|\n")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+(?:[eE][+-]?\d+)?\s*")
# 1,234 is one thousand or one and a bit; nothing but the rest of the column can tell.
_THOUSANDS = re.compile(r"\s*[+-]?[1-9]\d{0,2}(?:,\d{3})+\s*")
_POINTED_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+")

DECIMAL_COMMAS = "Numbers are written with decimal commas, and read so."
"""What is said where `number_reader` finds them."""

LABEL_NAMES = frozenset({"label", "labels", "genre", "genres", "class", "genre_top", "track_genre", "music_genre"})
"""Lower-case names that a column of labels has in other people's tables."""

ITEM_NAMES = frozenset({"filename", "file_name", "file", "filepath", "path"})
"""Lower-case names that a column of file names has in other people's tables."""


@dataclass
class Delimited:
    """A delimited text file: its header, and its rows one by one.

    Attributes
    ----------
    header : list of str
        Names of the columns, without spaces around them.
    delimiter : str
        What stands between cells.
    notes : list of str
        Sentences on what was found out or left out; complete when all rows were read.
    """

    path: Path
    header: list[str]
    delimiter: str
    notes: list[str] = field(default_factory=list)
    _reader: Any = None
    _repeated: int = 0

    def __post_init__(self) -> None:
        self._names = set(self.header)

    def rows(self) -> Iterator[tuple[str, list[str]]]:
        """Yield the place of each row, such as ``"line 2"``, and its cells; blank rows and repeated headers are not."""
        try:
            for row in self._reader:
                if not any(cell.strip() for cell in row):
                    continue
                place = f"line {self._reader.line_num}"
                # A joined file begins as a file does.
                start = row[0].lstrip("\ufeff")
                if start.lower().startswith("sep=") and not any(row[1:]):
                    continue
                # A header begins with a column's name, whatever the order of its columns.
                names = [start.strip(), *(cell.strip() for cell in row[1:])] if start.strip() in self._names else []
                if names == self.header:
                    self._repeated += 1
                    continue
                if 2 * len(self._names.intersection(names)) > len(self.header):
                    raise TableError(
                        f"{self.path} has another header in {place}, as where tables with different columns were "
                        "joined; bring the columns of all parts into one order, and join them again."
                    )
                yield place, row
        except csv.Error as error:
            raise _no_csv(self.path, self._reader.line_num, error) from None
        if self._repeated:
            self.notes.append(
                f"The header line of {self.path.name} stands again in {self._repeated} line"
                f"{'' if self._repeated == 1 else 's'} inside the table, as where tables were joined; left out."
            )


def open_delimited(path: Path, data: bytes) -> Delimited:
    r"""Find out how a text file is delimited, and read its header.

    Parameters
    ----------
    path : Path
        The file, for messages.
    data : bytes
        Its content.

    Returns
    -------
    Delimited
        The header and the rows.

    Raises
    ------
    TableError
        If it is no text, or an Excel workbook, or has no header.

    Examples
    --------
    >>> found = open_delimited(Path("a.csv"), b"sep=;\nname;tempo\nx;1,5\n")
    >>> found.header, list(found.rows())
    (['name', 'tempo'], [('line 3', ['x', '1,5'])])
    """
    if not data.strip():
        raise TableError(f"{path} is empty; give a table with a header line.")
    text, notes = _decoded(path, data)
    first, rest = [*_LINE_END.split(text, maxsplit=1), ""][:2]
    given = _SEP_LINE.fullmatch(first)
    if given is not None:
        text = "\n" + rest  # the line numbers stay those of the file
    start = _LINE_END.split(text.lstrip("\r\n"), maxsplit=1)[0]
    counts = {delimiter: _cells(start, delimiter) for delimiter in _DELIMITERS}
    delimiter = given["delimiter"] if given else max(_DELIMITERS, key=lambda each: counts[each])
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    try:
        header = next((row for row in reader if any(cell.strip() for cell in row)), [])
    except csv.Error as error:
        raise _no_csv(path, reader.line_num, error) from None
    found = Delimited(path, [name.strip() for name in header], delimiter, notes)
    found._reader = reader
    return found


def _no_csv(path: Path, line: int, error: csv.Error) -> TableError:
    reason = str(error)
    if "quote" in reason or "expected after" in reason or "end of data" in reason:
        reason = "a quotation mark is not closed, or stands inside a cell"
    elif "field larger" in reason:
        reason = "a cell has more than 131072 characters"
    return TableError(f"{path} is not a CSV table: line {line}: {reason}; save it as CSV again.")


def _cells(line: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=delimiter), []))
    except csv.Error:
        return 0


def _decoded(path: Path, data: bytes) -> tuple[str, list[str]]:
    if data.startswith(b"PK\x03\x04") or data.startswith(b"\xd0\xcf\x11\xe0"):
        raise TableError(f"{path} is an Excel workbook or an archive, not text; save it as CSV and give that file.")
    if data.startswith(b"\x1f\x8b"):
        raise TableError(f"{path} is compressed; unpack it, for instance with gunzip, and give that file.")
    encoding = next((name for bom, name in _BOMS if data.startswith(bom)), "utf-8")
    if encoding == "utf-8" and 0 in data[:2]:
        # UTF-16 without its mark: each letter of a header has a byte 0 beside it.
        for name, letters, rest in (
            ("utf-16-le", data[0:32:2], data[1:32:2]),
            ("utf-16-be", data[1:32:2], data[0:32:2]),
        ):
            if not any(rest) and all(letters) and letters.isascii():
                encoding = name
    notes: list[str] = []
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        # What Excel writes in Western Europe; numbers are the same in all of these encodings.
        text = data.decode("cp1252", "replace") if encoding == "utf-8" else "\0"
        notes.append(f"{path.name} is not UTF-8, so its names were read as Windows-1252.")
    if text.lstrip().startswith("<"):
        raise TableError(f"{path} is a web page or XML, not a table; download the table itself.")
    if _CONTROL.search(text):
        raise TableError(
            f"{path} is not a CSV table but binary data, or text in an unknown encoding; save it as CSV in UTF-8."
        )
    return text, notes


def number_reader(path: Path, delimiter: str, columns: Iterable[Sequence[str]]) -> Callable[[str], str]:
    """Find out how numbers are written, and return what turns a cell into what Python reads.

    Parameters
    ----------
    path : Path
        The file, for messages.
    delimiter : str
        What stands between its cells.
    columns : iterable of sequences of str
        Cells of the columns that should be numbers.

    Returns
    -------
    callable
        From a cell to its text with a decimal point.

    Raises
    ------
    TableError
        If commas could be decimal or thousands separators, or commas and points are both in use, or all points
        could be thousands separators in a file that commas do not separate.

    Examples
    --------
    >>> number_reader(Path("a.csv"), ";", [["1,5", "-2,25e-05"]])("1,5")
    '1.5'
    """
    columns = list(columns)
    if not any("," in "".join(cells) for cells in columns):
        if delimiter != ",":
            _refuse_thousands(path, columns)
        return unchanged
    commas = certain = points = 0
    example = ""
    for cells in columns:
        for cell in cells:
            if "," in cell:
                if _DECIMAL_COMMA.fullmatch(cell):
                    commas += 1
                    certain += not _THOUSANDS.fullmatch(cell)
                    example = example or cell.strip()
                elif _THOUSANDS.fullmatch(cell):
                    commas += 1
                    example = example or cell.strip()
            elif "." in cell and _is_number(cell):
                points += 1
    if not commas:
        return unchanged
    if points or not certain:
        why = "others have a decimal point" if points else "all commas stand before three digits"
        raise TableError(
            f"{path} has numbers such as {example!r}, and {why}, so that it cannot be told whether the comma is a "
            "decimal one; write all numbers with a decimal point and no thousands separators."
        )
    return _with_point


def _refuse_thousands(path: Path, columns: Sequence[Sequence[str]]) -> None:
    """Refuse numbers whose points may all be thousands separators, as in countries with decimal commas."""
    pointed = (cell.strip() for cells in columns for cell in cells if "." in cell)
    first = next(pointed, "")
    if _POINTED_THOUSANDS.fullmatch(first) and all(map(_POINTED_THOUSANDS.fullmatch, pointed)):
        raise TableError(
            f"{path} has numbers such as {first!r}, all with a point before three digits, so that it cannot be told "
            "whether it separates thousands; write all numbers with a decimal point, and commas between cells."
        )


def number(cell: Any) -> float:
    """Return the number in a cell.

    Parameters
    ----------
    cell : object
        Text with a decimal point, or a number.

    Returns
    -------
    float
        The number; NaN and infinity too.

    Raises
    ------
    ValueError, TypeError
        If it is none. ``1_000``, which Python alone takes for a number, is none.
    """
    if isinstance(cell, str) and "_" in cell:
        raise ValueError(cell)
    return float(cell)


def numbers(cells: Sequence[Any]) -> list[float]:
    """Return the numbers in the cells of a column, as `number` does.

    Parameters
    ----------
    cells : sequence of object
        Texts with decimal points, or numbers.

    Returns
    -------
    list of float
        The numbers.

    Raises
    ------
    ValueError, TypeError
        If a cell is none.
    """
    found = [float(cell) for cell in cells]
    try:
        text = "".join(cells)
    except TypeError:  # not all are texts
        text = "".join(cell for cell in cells if isinstance(cell, str))
    if "_" in text:
        raise ValueError("_")
    return found


def unchanged(cell: str) -> str:
    """Return a cell as it is: what `number_reader` returns where numbers have decimal points.

    Parameters
    ----------
    cell : str
        The cell.

    Returns
    -------
    str
        The same.
    """
    return cell


def _with_point(cell: str) -> str:
    return cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell


def _is_number(cell: str) -> bool:
    try:
        number(cell)
    except ValueError:
        return False
    return True


def find_column(
    path: Path, header: Sequence[str], wanted: str, others: frozenset[str], what: str, option: str | None
) -> str:
    """Find a column under the name that is wanted, or under one that it has in other people's tables.

    Parameters
    ----------
    path : Path
        The file, for messages.
    header : sequence of str
        Names of the columns.
    wanted : str
        The name.
    others : frozenset of str
        Other names in lower case.
    what : str
        What the column holds, for messages.
    option : str or None
        The option that names it, for messages.

    Returns
    -------
    str
        Its name in the header; `wanted` where there is none.

    Raises
    ------
    TableError
        If several could be meant.
    """
    if wanted in header:
        return wanted
    found = [name for name in header if name.lower() in others]
    exact = [name for name in found if name.lower() == wanted]
    found = exact or found
    if len(found) > 1:
        raise TableError(
            f"{path} has no column {wanted!r}, and {' and '.join(map(repr, found))} could each hold {what}; "
            + (f"name the one that does with {option}." if option else "rename the one that does.")
        )
    return found[0] if found else wanted
