"""Plain tables are read in blocks and all others row by row: the same cells, or the same sentence."""

from __future__ import annotations

import csv
import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_genre.datasets import TableSchema
from audio_genre.datasets import sheet as module
from audio_genre.datasets.sheet import Sheet, _read_carefully, _read_plain, read_sheet

TOY = TableSchema("toy", recipe=None, features=("a", "b"), label="label", item="filename", length="length")


def plain(path: Path, content: bytes, block: int = 1 << 22) -> Sheet | None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK_BYTES", block)
        return _read_plain(path, io.BytesIO(content), TOY)


def assert_same(found: Sheet, expected: Sheet) -> None:
    assert (found.header, found.features, found.delimiter, found.notes, found.sha256) == (
        expected.header,
        expected.features,
        expected.delimiter,
        expected.notes,
        expected.sha256,
    )
    assert np.array_equal(found.values.view(np.int64), expected.values.view(np.int64))
    assert {k: cells.tolist() for k, cells in found.texts.items()} == {
        k: cells.tolist() for k, cells in expected.texts.items()
    }
    assert list(found.lines) == list(expected.lines)
    assert not expected.ragged
    assert not expected.odd


PLAIN = (
    repr,
    "{:.3f}".format,
    "{:.17e}".format,
    "{:.25g}".format,
    "{:+.6G}".format,
    "{!r} ".format,
    lambda value: f" {value!r}",
    lambda value: f"00{value!r}",
    lambda value: repr(value).replace("0.", ".").replace(".e", ".0e"),
    lambda value: f"{value:.0f}" if abs(value) < 1e20 else repr(value),
)
OTHER = (
    lambda value: repr(value).replace(".", ","),
    lambda value: f"{value:_.2f}",
    lambda value: f"{value:,.2f}",
    lambda value: f"{value:.3e}".replace("e", "d"),
)
ODD = ["", " ", "nan", "inf", "-Infinity", "True", "false", "0x10", "1e", "1e999", "1_0", "２", "a", "--1", "1 2"]
NAMES = ["a.0.wav", " x ", "", "NA", "None", "é", "#", "1,5", "a;b", "True", "\ufeffa", "'"]
ODD_NAMES = ["label", "filename", "sep=;", "a\nb", "a\rb", "a\x00", "a\tb", '"', 'a"b', "<", "\u2028"]


def numbers(spellings: tuple[Callable[[float], str], ...]) -> st.SearchStrategy[str]:
    values = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-20, 20).map(float))
    return st.builds(lambda value, spell: spell(value), values, st.sampled_from(spellings))


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """Bytes of a table in any dialect: plain ones, and those with oddities."""
    is_plain = draw(st.booleans())
    names = NAMES if is_plain else NAMES + ODD_NAMES
    cells = numbers(PLAIN) if is_plain else st.one_of(numbers(PLAIN), numbers(PLAIN + OTHER), st.sampled_from(ODD))
    lengths = ["66149", "661500.0", ""] if is_plain else ["66149", "66,149", "1.234", "x"]
    kinds = {
        "filename": st.sampled_from(names),
        "label": st.sampled_from(names),
        "length": st.sampled_from(lengths),
        "a": cells,
        "b": cells,
    }
    columns = draw(st.permutations(list(kinds)))
    rows = draw(st.lists(st.tuples(*(kinds[name] for name in columns)), min_size=1, max_size=6))
    start, end, encoding, ends = "", "\n" * draw(st.integers(0, 2)), "utf-8", ["\n", "\r\n"]
    if not is_plain:
        extra = [(), ("",), tuple(columns), ("x",) * 4, ("1",) * 6, ("",) * 5]
        rows += draw(st.lists(st.sampled_from(extra), max_size=1))
        rows = draw(st.permutations(rows))
        start, end = draw(st.sampled_from(["", "sep=;\n", "\n"])), draw(st.sampled_from(["", " \n", '"']))
        encoding, ends = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"])), ["\n", "\r\n", "\r"]
    out = io.StringIO(newline="")
    csv.writer(
        out,
        delimiter=draw(st.sampled_from(",;\t|")),
        lineterminator=draw(st.sampled_from(ends)),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])),
    ).writerows([columns, *rows])
    return (start + out.getvalue() + end).encode(encoding, "replace")


@given(tables(), st.sampled_from([1 << 22, 200, 60]))
def test_both_roads_give_the_same_cells(content: bytes, block: int) -> None:
    path = Path("a.csv")
    found = plain(path, content, block)
    if found is not None:
        assert_same(found, _read_carefully(path, content, TOY))
        assert found.number_reader(["a", "b", "length"]) is module.unchanged
        # What the fast road takes is refused by nobody.
        assert _read_carefully(path, content, TOY).number_reader(["a", "b", "length"]) is module.unchanged


@given(tables(), st.sets(st.sampled_from(["filename", "label", "length", "a"])))
def test_columns_that_no_one_asks_for_are_left_out(content: bytes, kept: set[str]) -> None:
    """All else stays as it is, also whether the fast road is taken."""
    path = Path("a.csv")
    whole, found = plain(path, content), _read_plain(path, io.BytesIO(content), TOY, kept.__contains__)
    assert (whole is None) == (found is None)
    if whole is not None and found is not None:
        assert {found.header[index] for index in found.texts} == kept - {"a"}
        whole.texts = {index: whole.texts[index] for index in found.texts}
        assert_same(found, whole)
        assert_same(_read_carefully(path, content, TOY, kept.__contains__), whole)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_of_many_texts_keeps_those_asked_for(tmp_path: Path, ending: str) -> None:
    import pandas as pd

    if ending == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"tracks.{ending}"
    texts = ("track_id", "artists", "album", "title", "label")
    frame = pd.DataFrame({name: [f"{name}, {row}" for row in range(9)] for name in texts} | {"a": range(9), "b": 0.5})
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path, engine="pyarrow")
    with path.open("rb") as file:
        sheet = read_sheet(path, file, TOY, is_kept=lambda name: name in ("artists", "label"))
    assert sorted(sheet.texts) == [1, 4]
    assert sheet.cells("artists") == frame["artists"].tolist()
    assert sheet.values.tolist() == [[row, 0.5] for row in range(9)]


@given(
    st.lists(st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0]), min_size=1)
)
def test_the_fast_road_reads_every_number_as_python_does(values: list[float]) -> None:
    finite = [value for value in values if np.isfinite(value)]
    for spell in ("{!r}", "{:.17g}", "{:.16e}", "{:.30g}"):
        rows = "".join(f"x;{spell.format(value)};0.123456;y\n" for value in finite)
        found = plain(Path("a.csv"), f"filename;a;b;label\n{rows}".encode())
        if finite:
            assert found is not None
            expected = np.array([float(spell.format(value)) for value in finite])
            assert np.array_equal(found.values[:, 0].view(np.int64), expected.view(np.int64))
