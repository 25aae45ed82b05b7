"""Bytes of a table as people save it to cells: delimiter, encoding and decimal mark, never guessed in doubt."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio_genre.errors import TableError

_DELIMITERS = (",", ";", "\t", "|")
SEP_LINE = re.compile(r"\s*\"?sep=(?P<delimiter>[^\r\n])\"?\s*")
_BOMS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+(?:[eE][+-]?\d+)?\s*")
# 1,234 is one thousand or one and a bit; nothing but the rest of the column can tell.
_THOUSANDS = re.compile(r"\s*[+-]?[1-9]\d{0,2}(?:,\d{3})+\s*")
_POINTED_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+")

_PIECE = 1 << 20

DECIMAL_COMMAS = "Numbers have decimal commas and were read accordingly."
"""What is said where `number_reader` finds them."""

LABEL_NAMES = frozenset({"label", "labels", "genre", "genres", "class", "genre_top", "track_genre", "music_genre"})
"""Lower-case names that a column of labels has in other people's tables."""

ITEM_NAMES = frozenset({"filename", "file_name", "file", "filepath", "path"})
"""Lower-case names that a column of file names has in other people's tables."""


@dataclass
class Delimited:
    """A delimited text file: its header without spaces around the names, and its rows one by one."""

    path: Path
    header: list[str]
    delimiter: str
    notes: list[str]
    """What was found out or left out, in sentences; complete when all rows were read."""
    reader: Any
    """The `csv.reader` behind the header."""

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the line of each row and its cells, but no blank rows and no repeated headers."""
        known, repeated = set(self.header), 0
        try:
            for row in self.reader:
                if not any(cell.strip() for cell in row):
                    continue
                # A joined file begins as a file does.
                start = row[0].lstrip("\ufeff")
                if start.lower().startswith("sep=") and not any(row[1:]):
                    continue
                # A header begins with a column's name, whatever the order of its columns.
                names = [start.strip(), *(cell.strip() for cell in row[1:])] if start.strip() in known else []
                if names == self.header:
                    repeated += 1
                    continue
                if 2 * len(known.intersection(names)) > len(self.header):
                    raise TableError(
                        f"{self.path} has another header in line {self.reader.line_num}, as where tables with "
                        "different columns were joined; bring the columns of all parts into one order, and join them "
                        "again."
                    )
                yield self.reader.line_num, row
        except csv.Error as error:
            raise _no_csv(self.path, self.reader.line_num, error) from None
        if repeated:
            self.notes.append(
                f"The header line of {self.path.name} is repeated in {repeated} line"
                f"{'' if repeated == 1 else 's'} inside the table, as where tables were joined; left out."
            )


def open_delimited(path: Path, data: bytes) -> Delimited:
    r"""Find out how a text file is delimited, and read its header.

    >>> found = open_delimited(Path("a.csv"), b"sep=;\nname;tempo\nx;1,5\n")
    >>> found.header, list(found.rows())
    (['name', 'tempo'], [(3, ['x', '1,5'])])
    """
    if not data.strip():
        raise TableError(f"{path} is empty; give a table with a header line.")
    encoding, errors, notes = _encoding(path, data)
    text = io.TextIOWrapper(io.BytesIO(data), encoding, errors, newline="")
    lines = [text.readline()]
    given = SEP_LINE.fullmatch(lines[0].rstrip("\r\n"))
    if given is not None:
        lines = ["\n", text.readline()]  # the line numbers stay those of the file
    while lines[-1] and not lines[-1].strip("\r\n"):
        lines.append(text.readline())
    delimiter = given["delimiter"] if given else delimiter_of(lines[-1])
    reader = csv.reader(itertools.chain(lines, text), strict=True, delimiter=delimiter)
    try:
        header = next((row for row in reader if any(cell.strip() for cell in row)), [])
    except csv.Error as error:
        raise _no_csv(path, reader.line_num, error) from None
    return Delimited(path, [name.strip() for name in header], delimiter, notes, reader)


def delimiter_of(line: str) -> str:
    """Return the delimiter that gives a header line the most cells."""
    line = line.rstrip("\r\n")
    return max(_DELIMITERS, key=lambda delimiter: _cells(line, delimiter))


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


def marked_encoding(data: bytes) -> str:
    r"""Return the encoding that the first bytes of a text show; UTF-8 if they show none.

    >>> marked_encoding("genre".encode("utf-16-be"))
    'utf-16-be'
    """
    for bom, name in _BOMS:
        if data.startswith(bom):
            return name
    if 0 in data[:2]:
        # UTF-16 without its mark: each letter of a header has a byte 0 beside it.
        for name, letters, rest in (
            ("utf-16-le", data[0:32:2], data[1:32:2]),
            ("utf-16-be", data[1:32:2], data[0:32:2]),
        ):
            header = letters.partition(b"\n")[0]
            if header and not any(rest[: len(header)]) and all(header) and header.isascii():
                return name
    return "utf-8"


def _encoding(path: Path, data: bytes) -> tuple[str, str, list[str]]:
    """Return the encoding of a text and how to treat errors of it, with what is to be said; refuse what is no text."""
    if data.startswith(b"PK\x03\x04") or data.startswith(b"\xd0\xcf\x11\xe0"):
        raise TableError(f"{path} is an Excel workbook or an archive, not text; save it as CSV and give that file.")
    if data.startswith(b"\x1f\x8b"):
        raise TableError(f"{path} is compressed; unpack it, for instance with gunzip, and give that file.")
    encoding = marked_encoding(data)
    errors, notes = "strict", []
    try:
        fault = _fault_of_text(data, encoding, errors)
    except UnicodeDecodeError:
        fault = "binary"
        if encoding == "utf-8":
            # What Excel writes in Western Europe; numbers are the same in all of these encodings.
            encoding, errors = "cp1252", "replace"
            notes.append(f"{path.name} is not UTF-8, so its names were read as Windows-1252.")
            fault = _fault_of_text(data, encoding, errors)
    if fault == "markup":
        raise TableError(f"{path} is a web page or XML, not a table; download the table itself.")
    if fault == "binary":
        raise TableError(
            f"{path} is not a CSV table but binary data, or text in an unknown encoding; save it as CSV in UTF-8."
        )
    return encoding, errors, notes


def _fault_of_text(data: bytes, encoding: str, errors: str) -> str | None:
    """Decode a text piece by piece, and tell whether it is markup or binary."""
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    is_start, is_binary, is_markup = True, False, False
    for start in range(0, len(data), _PIECE):
        text = decoder.decode(data[start : start + _PIECE], start + _PIECE >= len(data))
        if is_start and (content := text.lstrip()):
            is_start, is_markup = False, content.startswith("<")
        is_binary = is_binary or _CONTROL.search(text) is not None
    return "markup" if is_markup else "binary" if is_binary else None


def number_reader(path: Path, delimiter: str, columns: Iterable[Sequence[str]]) -> Callable[[str], str]:
    """Find out how numbers are written, and return what gives a cell a decimal point; refuse what can mean two things.

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
            elif "." in cell and is_number(cell):
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


def note_spellings(found: dict[str, str], cells: Sequence[str]) -> None:
    """Add the first cell of each way of writing numbers that `number_reader` tells apart: enough for its answer."""
    text = "".join(cells)
    if "," in text and "decimal" not in found:
        for cell in cells:
            if "," in cell:
                is_decimal, is_thousands = _DECIMAL_COMMA.fullmatch(cell), _THOUSANDS.fullmatch(cell)
                kind = ("either" if is_thousands else "decimal") if is_decimal else "thousands" if is_thousands else ""
                found.setdefault(kind, cell)
    if "." in text and "point" not in found:
        for cell in cells:
            if "." in cell and "," not in cell:
                is_thousands = _POINTED_THOUSANDS.fullmatch(cell.strip())
                kind = "pointed thousands" if is_thousands else "point" if is_number(cell) else "pointed word"
                found.setdefault(kind, cell)
                if kind == "point":
                    break


def number(cell: str) -> float:
    """Return the number in a cell, NaN and infinity too; ``1_000``, which Python alone takes for one, is none."""
    if "_" in cell:
        raise ValueError(cell)
    return float(cell)


def numbers(cells: Sequence[str]) -> list[float]:
    """Return the numbers in the cells of a column, as `number` does."""
    found = list(map(float, cells))
    if "_" in "".join(cells):
        raise ValueError("_")
    return found


def is_number(cell: str) -> bool:
    """Tell whether a cell holds a number."""
    try:
        number(cell)
    except ValueError:
        return False
    return True


def unchanged(cell: str) -> str:
    """Return a cell as it is: what `number_reader` returns where numbers have decimal points."""
    return cell


def _with_point(cell: str) -> str:
    return cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell


def find_column(
    path: Path, header: Sequence[str], wanted: str, others: frozenset[str], what: str, option: str | None
) -> str:
    """Return the name of the column `wanted`, or of one that it has in other people's tables, such as `others`."""
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
