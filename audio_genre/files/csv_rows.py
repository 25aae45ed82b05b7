"""CSV that every reader reads back, whatever its cells hold."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from _typeshed import SupportsWrite


class CsvWriter:
    r"""Writes rows whose lines end in ``\n``; those with a carriage return in a cell have quotation marks."""

    def __init__(self, file: SupportsWrite[str]) -> None:
        self._plain = csv.writer(file, lineterminator="\n")
        # Python before 3.13 leaves a lone carriage return without quotes, and readers take it for a line's end.
        self._quoted = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)

    def writerow(self, row: Iterable[Any]) -> None:
        """Write one row."""
        cells = tuple(row)
        has_return = any(isinstance(cell, str) and "\r" in cell for cell in cells)
        (self._quoted if has_return else self._plain).writerow(cells)

    def writerows(self, rows: Iterable[Iterable[Any]]) -> None:
        """Write rows."""
        for row in rows:
            self.writerow(row)


def csv_text(frame: pd.DataFrame) -> str:
    """Return a data frame as CSV."""
    text = frame.to_csv(index=False, lineterminator="\n")
    if "\r" in text:
        text = frame.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    return str(text)
