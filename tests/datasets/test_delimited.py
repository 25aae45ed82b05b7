"""Tables as spreadsheets and people save them: the same numbers, or a sentence."""

from __future__ import annotations

import csv
import io
import subprocess
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from audio_genre.audit import audit
from audio_genre.datasets import GTZAN57_TABLE, TableSchema, load_table
from audio_genre.datasets.delimited import number_reader, open_delimited
from audio_genre.errors import TableError

RNG = np.random.default_rng(0)
HEADER = ["filename", "length", *GTZAN57_TABLE.features, "label"]
X = RNG.standard_normal((12, 57)) * 10.0 ** RNG.integers(-6, 4, 57)
ROWS = [
    [f"{genre}.{k:05d}.wav", "661794", *map(repr, X[3 * g + k].tolist()), genre]
    for g, genre in enumerate(("blues", "jazz", "rock", "pop"))
    for k in range(3)
]


def text(delimiter: str = ",", *, decimal: str = ".", header: list[str] | None = None) -> str:
    out = io.StringIO()
    rows = [[cell.replace(".", decimal) if 0 < k < 59 else cell for k, cell in enumerate(row)] for row in ROWS]
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows([header or HEADER, *rows])
    return out.getvalue()


FORMS = {
    "plain": text().encode(),
    "European Excel": text(";", decimal=",").encode("utf-8-sig"),
    "semicolons alone": text(";").encode(),
    "sep=,": b"sep=,\r\n" + text().encode(),
    "sep=;": b'"sep=;"\n' + text(";", decimal=",").encode(),
    "tabs": text("\t").encode(),
    "Excel's Unicode text": text("\t", decimal=",").encode("utf-16"),
    "bars": text("|").encode(),
    "Windows line ends": text(";", decimal=",").replace("\n", "\r\n").encode(),
    "blank rows of Excel": text().encode() + b"," * 59 + b"\n\n",
    "genre": text(header=[*HEADER[:-1], "genre"]).encode(),
    "Class": text(header=[*HEADER[:-1], "Class"]).encode(),
    "Label": text(header=[*HEADER[:-1], "Label"]).encode(),
    "file_name": text(header=["file_name", *HEADER[1:]]).encode(),
    "joined tables": (text() + text().partition("\n")[0] + "\n").encode(),
    "joined tables of Excel": ("\ufeff" + text(";", decimal=",") + "\ufeff" + text(";").partition("\n")[0]).encode(),
    "joined with sep=": b"sep=,\n" + (text() + "sep=,\n" + text().partition("\n")[0]).encode(),
    "quoted decimal commas": text(decimal=",").encode(),
    "old Macintosh": text(";", decimal=",").replace("\n", "\r").encode(),
    "UTF-16 without its mark": text("\t").encode("utf-16-le"),
    "UTF-16 of another order": text(";", decimal=",").encode("utf-16-be"),
}


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_numbers(tmp_path: Path, form: str) -> None:
    table = load_table(write(tmp_path / "a.csv", FORMS[form]))
    assert np.array_equal(table.X, X.astype(np.float32))
    assert table.labels.tolist() == [row[-1] for row in ROWS]
    assert table.items.tolist() == [row[0] for row in ROWS]
    # The audit reads the same file through the same dialects.
    found = {finding.kind for finding in audit(table.path).findings}
    assert not found & {"columns", "not_a_number", "refused", "ragged_rows"}, found


@pytest.mark.parametrize(
    ("form", "note"),
    [
        ("genre", "The label is taken from the column 'genre'."),
        ("file_name", "The file name is taken from the column 'file_name'."),
        ("European Excel", "Numbers have decimal commas and were read accordingly."),
        ("joined tables", "The header line of a.csv is repeated in 1 line inside"),
    ],
)
def test_what_was_found_out_is_said(tmp_path: Path, form: str, note: str) -> None:
    path = write(tmp_path / "a.csv", FORMS[form])
    assert any(each.startswith(note) for each in load_table(path).notes)
    assert any(finding.message.startswith(note) for finding in audit(path).findings)


def test_names_in_windows_1252_are_read_and_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", text().replace("blues.00000", "blüs").encode("cp1252"))
    table = load_table(path)
    assert table.items[0] == "blüs.wav"
    assert any("is not UTF-8" in note for note in table.notes)


def test_two_columns_that_could_be_the_label_are_refused(tmp_path: Path) -> None:
    both = text(header=[*HEADER[:-1], "genre"]).replace("\n", ",x\n").replace("genre,x", "genre,class", 1)
    path = write(tmp_path / "a.csv", both.encode())
    with pytest.raises(TableError, match=r"'genre' and 'class' could each hold the label; name .* with --label-column"):
        load_table(path)
    assert load_table(path, label_column="genre").labels[0] == "blues"


TOY = TableSchema("toy", recipe=None, features=("a", "b"), label="label", item="filename")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("x;1,234;5,678;rock\ny;2,345;1,000;jazz\n", "all commas stand before three digits"),
        ("x;1.5;2,5;rock\ny;1;2;jazz\n", "others have a decimal point"),
        ("x;1.234,5;2,5;rock\ny;1;2;jazz\n", "'1.234,5' in the column 'a'"),
        ("x;1.234;2,5;rock\ny;1;2;jazz\n", "others have a decimal point"),
        ("x;1,234,567;2,5;rock\ny;1;2;jazz\n", "'1,234,567' in the column 'a'"),
        ("x;1.234;5.678;rock\ny;2;1.000;jazz\n", "'1.234', all with a point before three digits"),
        ("x;1_000;2;rock\ny;1;2;jazz\n", "'1_000' in the column 'a'"),
    ],
)
def test_commas_that_could_mean_two_things_are_refused(tmp_path: Path, rows: str, message: str) -> None:
    path = write(tmp_path / "a.csv", f"filename;a;b;label\n{rows}".encode())
    with pytest.raises(TableError, match=message):
        load_table(path, TOY)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_decimal_commas_change_no_number_or_are_refused(values: list[float]) -> None:
    cells = [repr(value).replace(".", ",") for value in values]
    try:
        convert = number_reader(Path("a.csv"), ";", [cells])
    except TableError:
        # Three digits behind every comma could be thousands.
        assert all(len(cell.partition(",")[2]) in (0, 3) for cell in cells)
        return
    assert [float(convert(cell)) for cell in cells] == values


def english(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}"


def german(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}".translate(str.maketrans(",.", ".,"))


FORMATS = {
    "shortest": lambda value, digits: repr(round(value, digits)),
    "shortest, German": lambda value, digits: repr(round(value, digits)).replace(".", ","),
    "thousands": english,
    "thousands, German": german,
}


@given(
    st.lists(st.tuples(st.floats(-2e6, 2e6), st.floats(-2, 2000)), min_size=1, max_size=6),
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
    st.sampled_from(sorted(FORMATS)),
    st.sampled_from([";", ",", "\t", "|"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
)
def test_no_way_of_writing_numbers_changes_one(
    tmp_path_factory: pytest.TempPathFactory,
    values: list[tuple[float, float]],
    digits: tuple[int, int],
    form: str,
    delimiter: str,
    encoding: str,
    line_end: str,
    joined: bool,
) -> None:
    # Commas between cells are not written where points separate thousands.
    assume(not (form == "thousands, German" and delimiter == ","))
    form_of = FORMATS[form]
    rows = [[f"{k}.wav", *map(form_of, row, digits), "rock"] for k, row in enumerate(values)]
    out = io.StringIO(newline="")
    header = ["filename", "a", "b", "label"]
    csv.writer(out, delimiter=delimiter, lineterminator=line_end).writerows([header, *rows, *([header] * joined)])
    path = write(tmp_path_factory.getbasetemp() / "numbers.csv", out.getvalue().encode(encoding))
    expected = [[float(f"{value:.{n}f}") for value, n in zip(row, digits, strict=True)] for row in values]
    # English thousands between semicolons, tabs or bars look like decimal commas where a column has no others.
    try:
        table = load_table(path, TOY)
    except TableError:
        assert form != "shortest" or delimiter != ","
        return
    assert np.array_equal(table.X, np.array(expected, dtype=np.float32)), path.read_bytes()


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_joined_tables_with_other_columns_are_refused(tmp_path: Path, delimiter: str) -> None:
    rows = list(csv.reader(io.StringIO(text())))
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows([*rows, *(row[::-1] for row in rows)])
    path = write(tmp_path / "a.csv", out.getvalue().encode())
    for read in (load_table, audit):
        with pytest.raises(TableError, match=r"has another header in line 14, .* bring the columns of all parts"):
            read(path)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("label", "lacks the column 'label'; name the column of the genre with --label-column, or add one"),
        ("filename", "lacks the column 'filename'; add one with the name of each row's audio file"),
        ("mfcc20_var", r"lacks the column 'mfcc20_var'; extract it again with .* put the extraction\.json"),
    ],
)
def test_each_missing_column_has_its_own_remedy(tmp_path: Path, column: str, message: str) -> None:
    path = write(tmp_path / "a.csv", text(header=["other" if name == column else name for name in HEADER]).encode())
    with pytest.raises(TableError, match=message):
        load_table(path)
    (finding,) = [found for found in audit(path).findings if found.kind == "columns"]
    assert finding.items == (column,)
    remedy = message.partition("; ")[2].partition(" .*")[0]
    assert remedy in finding.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html>\n<html>a,b</html>\n", "is a web page or XML, not a table; download the table itself"),
        (b"\x1f\x8b\x08" + bytes(50), "is compressed; unpack it"),
        (b"\xd0\xcf\x11\xe0" + bytes(50), "is an Excel workbook or an archive, not text; save it as CSV"),
    ],
)
def test_what_is_no_text_is_told_what_it_is(tmp_path: Path, content: bytes, message: str) -> None:
    path = write(tmp_path / "a.csv", content)
    for read in (load_table, audit):
        with pytest.raises(TableError, match=message):
            read(path)


def test_advice_on_a_folder_of_tables_of_genres_can_be_followed(tmp_path: Path) -> None:
    folder = tmp_path / "my genres"
    folder.mkdir()
    for genre in ("blues", "jazz"):
        write(folder / f"{genre}.csv", text(header=[*HEADER[:-1], "other"]).encode())
    with pytest.raises(
        TableError, match="give each a column 'label' with its genre if only its name tells it, then join"
    ):
        load_table(folder)
    for genre in ("blues", "jazz"):
        part = [row for row in ROWS if row[-1] == genre]
        out = io.StringIO()
        csv.writer(out).writerows([HEADER, *part])
        write(folder / f"{genre}.csv", ("\ufeff" + out.getvalue()).encode())
    with pytest.raises(TableError) as caught:
        load_table(folder)
    with pytest.raises(TableError, match="is a folder of 2 tables"):
        audit(folder)
    command = str(caught.value).split("`")[1]
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    assert load_table(tmp_path / "all.csv").items.tolist() == [row[0] for row in ROWS if row[-1] in ("blues", "jazz")]


@given(st.binary(max_size=300))
def test_any_bytes_are_a_table_or_one_sentence(content: bytes) -> None:
    with suppress(TableError):
        list(open_delimited(Path("a.csv"), content).rows())
