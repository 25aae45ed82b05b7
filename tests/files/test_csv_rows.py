"""CSV is read back as it was written, by Python and by pandas."""

from __future__ import annotations

import csv
import io
import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_genre.files.csv_rows import CsvWriter, csv_text

CELLS = st.text(st.sampled_from("ab ,;\r\n\t'\"=\\é"), max_size=6)


def written(rows: list[list[object]]) -> str:
    out = io.StringIO()
    CsvWriter(out).writerows(rows)
    return out.getvalue()


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=5))
def test_cells_come_back(rows: list[list[str]]) -> None:
    text = written([["a", "b"], *rows])
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["a", "b"], *rows]
    assert (
        pd.read_csv(io.StringIO(text), keep_default_na=False, dtype=str, skip_blank_lines=False).to_numpy().tolist()
        == rows
    )
    frame = pd.DataFrame(rows, columns=["a", "b"])
    assert list(csv.reader(io.StringIO(csv_text(frame), newline=""))) == [["a", "b"], *rows]


@pytest.mark.parametrize("name", ["a.wav", "a\rb.wav"])
def test_numbers_stay_numbers(name: str) -> None:
    [row] = pd.read_csv(io.StringIO(written([["name", "x", "y"], iter([name, 1.5, math.nan])]))).to_numpy().tolist()
    assert (row[:2], math.isnan(row[2])) == ([name, 1.5], True)


def test_plain_rows_have_no_quotation_marks() -> None:
    assert written([["a", 1], ["b\r", 2]]) == 'a,1\n"b\r",2\n'
