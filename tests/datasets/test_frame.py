"""Any CSV or Parquet table as a data frame: against what was written, and every fault with its line."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_genre.datasets.frame import Frame, read_frame, read_header
from audio_genre.errors import ParameterError, TableError

MISSING = frozenset({"", "nan", "na", "?"})


def read(path: Path, data: bytes | str, **options: str) -> Frame:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_frame(path, numeric=lambda name: name in ("tempo", "energy"), missing=MISSING, **options)  # type: ignore[arg-type]


TEXTS = st.text(st.sampled_from('ab "\n\r,;é雪\t'), max_size=6)
NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(-10, 10, allow_nan=False, allow_infinity=False).map(str),
    st.sampled_from(["", "nan", "NaN", "NA", "?", "1e-400", "5e-324", "0.1", " 7 ", "007"]),
)


def quoted(cell: str, *, always: bool) -> str:
    return '"' + cell.replace('"', '""') + '"' if always or set(cell) & set('",\n\r') else cell


@settings(max_examples=60)
@given(
    rows=st.lists(st.tuples(TEXTS, NUMBERS, TEXTS), min_size=1, max_size=6),
    blanks=st.lists(st.integers(0, 2), min_size=8, max_size=8),
    end=st.sampled_from(["\n", "\r\n"]),
    always=st.booleans(),
    mark=st.booleans(),
    broken_name=st.booleans(),
    last=st.booleans(),
)
def test_cells_and_lines_are_those_that_were_written(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str, str]],
    blanks: list[int],
    end: str,
    always: bool,
    mark: bool,
    broken_name: bool,
    last: bool,
) -> None:
    header = ["track id", "text", "tempo", "a\nnote" if broken_name else "note"]
    text, lines = end * blanks[0] + ",".join(quoted(name, always=always) for name in header) + end, []
    for number, (row, count) in enumerate(zip(rows, blanks[1:], strict=False)):
        text += end * count
        lines.append(len(text.replace("\r\n", "\n").replace("\r", "\n").split("\n")))
        text += ",".join(quoted(cell, always=always) for cell in (f"t{number}", *row)) + end
    text = text if last else text.removesuffix(end)
    found = read(tmp_path_factory.mktemp("frame") / "a.csv", ("\ufeff" * mark + text).encode())
    assert found.header == header
    assert found.data["text"].tolist() == [row[0].strip() for row in rows]
    assert found.data[header[3]].tolist() == [row[2].strip() for row in rows]
    assert found.data["tempo"].dtype == np.float64
    for value, (_, written, _) in zip(found.data["tempo"].tolist(), rows, strict=True):
        cell = written.strip()
        assert math.isnan(value) if cell.lower() in MISSING else value == float(cell), written
    assert found.lines.tolist() == lines


def test_pandas_reads_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"name": [f'a "{k}", b' for k in range(200)], "tempo": rng.normal(size=200) * 1e5})
    frame.loc[::7, "tempo"] = np.nan
    frame.to_csv(tmp_path / "a.csv", index=False)
    found = read(tmp_path / "a.csv", (tmp_path / "a.csv").read_bytes())
    pd.testing.assert_frame_equal(found.data, frame, check_dtype=False, check_exact=True)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_what_excel_writes_as_unicode_text(tmp_path: Path, encoding: str) -> None:
    text = "name\ttempo\nBjörk\t1,5\n雪\t2,25\n"
    found = read(tmp_path / "a.txt", text.encode(encoding))
    assert found.data["name"].tolist() == ["Björk", "雪"]
    assert found.data["tempo"].tolist() == [1.5, 2.25]
    assert read_header(tmp_path / "a.txt") == ["name", "tempo"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_the_header_of_a_long_utf_16_table(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.csv").write_bytes(("name,tempo\n" + "Björk,1\n" * 9001).encode(encoding))
    assert read_header(tmp_path / "a.csv") == ["name", "tempo"]


class TestNotUtf8:
    def test_the_line_and_the_byte_are_named_and_the_option_offered(self, tmp_path: Path) -> None:
        with pytest.raises(TableError, match=r"line 3 has the byte 0xb0; .*--encoding cp1252"):
            read(tmp_path / "a.csv", "name,tempo\na,1\n°,2\n".encode("cp1252"))

    def test_the_option_reads_it(self, tmp_path: Path) -> None:
        found = read(tmp_path / "a.csv", "name,tempo\na,1\n°,2\n".encode("cp1252"), encoding="cp1252")
        assert found.data["name"].tolist() == ["a", "°"]

    def test_a_mark_is_no_part_of_the_header(self, tmp_path: Path) -> None:
        assert read(tmp_path / "a.csv", "\ufeffname,tempo\na,1\n".encode(), encoding="utf-8").header[0] == "name"

    def test_another_encoding_is_contradicted_by_a_line(self, tmp_path: Path) -> None:
        with pytest.raises(TableError, match="not written in ascii: line 2 contradicts it"):
            read(tmp_path / "a.csv", "name,tempo\né,1\n", encoding="ascii")

    @pytest.mark.parametrize("encoding", ["nonsense", "rot13", "a\0b", "undefined", ""])
    def test_no_encoding_at_all(self, tmp_path: Path, encoding: str) -> None:
        with pytest.raises(ParameterError, match="is unknown; give one such as cp1252"):
            read(tmp_path / "a.csv", "name,tempo\na,1\n", encoding=encoding)


class TestNumbers:
    def test_decimal_commas(self, tmp_path: Path) -> None:
        found = read(tmp_path / "a.csv", "name;tempo;energy\na;120,5;0,25\nb;90;\n")
        assert found.data["tempo"].tolist() == [120.5, 90]
        assert found.data["energy"][0] == 0.25
        assert np.isnan(found.data["energy"][1])
        assert any("decimal commas" in note for note in found.notes)

    def test_commas_that_may_be_either(self, tmp_path: Path) -> None:
        with pytest.raises(TableError, match="cannot be told whether the comma is a decimal one"):
            read(tmp_path / "a.csv", "name;tempo\na;1,234\nb;2,345\n")

    def test_words_leave_a_column_as_texts(self, tmp_path: Path) -> None:
        found = read(tmp_path / "a.csv", "name,tempo\na,fast\nb,2\n")
        assert found.data["tempo"].tolist() == ["fast", "2"]

    def test_words_that_are_a_language_not_a_missing_value(self, tmp_path: Path) -> None:
        # Texts are never taken for missing: NA and None are names too.
        assert read(tmp_path / "a.csv", "name,tempo\nNA,1\nNone,2\n").data["name"].tolist() == ["NA", "None"]


class TestShape:
    @pytest.mark.parametrize("name", ["name", "tempo"], ids=["text last", "number last"])
    def test_a_row_that_is_cut(self, tmp_path: Path, name: str) -> None:
        first = "tempo" if name == "name" else "name"
        with pytest.raises(TableError, match=r"line 3 has 1 cells where the header has 2; the file may be cut"):
            read(tmp_path / "a.csv", f"{first},{name}\n1,2\n3\n")

    @pytest.mark.parametrize("rows", ["1,2,3\n4,5,6\n", "1,2\n4,5,6\n"], ids=["all rows", "one row"])
    def test_rows_that_are_longer_than_the_header(self, tmp_path: Path, rows: str) -> None:
        # R writes such tables: the names of the rows have no name of their own.
        with pytest.raises(TableError, match=r"line [23] has 3 cells where the header has 2; put quotation marks"):
            read(tmp_path / "a.csv", f"name,tempo\n{rows}")

    def test_an_open_quotation_mark(self, tmp_path: Path) -> None:
        with pytest.raises(TableError, match="is not a CSV table: line 3: a quotation mark is not closed"):
            read(tmp_path / "a.csv", 'name,tempo\n"a,1\nb,2\n')

    def test_a_repeated_name(self, tmp_path: Path) -> None:
        with pytest.raises(TableError, match="has two columns 'tempo'; rename or remove one"):
            read(tmp_path / "a.csv", "name,tempo,tempo\na,1,2\n")

    def test_names_that_are_missing_are_no_repeat(self, tmp_path: Path) -> None:
        assert len(read(tmp_path / "a.csv", ",,tempo\n0,a,1\n").header) == 3

    def test_a_header_alone(self, tmp_path: Path) -> None:
        for text in ("name,tempo\n", "name,tempo", "name,tempo\n\n,\n"):
            with pytest.raises(TableError, match="has a header and no rows"):
                read(tmp_path / "a.csv", text)

    def test_an_empty_file_and_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(TableError, match="is empty"):
            read(tmp_path / "a.csv", "\n")
        with pytest.raises(TableError, match="is a folder"):
            read_frame(tmp_path, numeric=bool, missing=MISSING)
        with pytest.raises(TableError, match="cannot be read: No such file"):
            read_frame(tmp_path / "none.csv", numeric=bool, missing=MISSING)

    @pytest.mark.parametrize("mark", ["", "\ufeff"])
    def test_joined_tables(self, tmp_path: Path, mark: str) -> None:
        part = f"{mark}name,tempo\na,1\n"
        found = read(tmp_path / "a.csv", part + part + part)
        assert found.data.to_dict("list") == {"name": ["a"] * 3, "tempo": [1.0] * 3}
        assert found.lines.tolist() == [2, 4, 6]
        assert any("stands again in 2 lines" in note for note in found.notes)

    def test_joined_tables_of_other_columns(self, tmp_path: Path) -> None:
        with pytest.raises(TableError, match="another header in line 3"):
            read(tmp_path / "a.csv", "name,tempo\na,1\ntempo,name\n2,b\n")


class TestParquet:
    def test_it_is_the_same_as_csv(self, tmp_path: Path) -> None:
        frame = pd.DataFrame({"name": ["a", None, "c "], "tempo": [1.5, np.nan, 3], "energy": [1, 2, 3]})
        frame.to_csv(tmp_path / "a.csv", index=False)
        frame.to_parquet(tmp_path / "a.parquet")
        one = read(tmp_path / "a.csv", (tmp_path / "a.csv").read_bytes())
        other = read(tmp_path / "a.parquet", (tmp_path / "a.parquet").read_bytes())
        pd.testing.assert_frame_equal(one.data, other.data, check_dtype=False)
        assert read_header(tmp_path / "a.parquet") == ["name", "tempo", "energy"]

    @pytest.mark.parametrize("kind", ["Int64", "Float64", "float32"])
    def test_types_of_numbers(self, tmp_path: Path, kind: str) -> None:
        pd.DataFrame({"tempo": pd.array([1, None], dtype=kind)}).to_parquet(tmp_path / "a.parquet")
        values = read(tmp_path / "a.parquet", (tmp_path / "a.parquet").read_bytes()).data["tempo"]
        assert values.dtype.kind == "f"
        assert values[0] == 1
        assert np.isnan(values[1])

    def test_dates_lists_and_categories(self, tmp_path: Path) -> None:
        frame = pd.DataFrame(
            {
                "released": pd.to_datetime(["2019-06-14", None]),
                "genres": [["dance pop", "pop"], []],
                "label": pd.Categorical(["a", None]),
            }
        )
        frame.to_parquet(tmp_path / "a.parquet")
        found = read(tmp_path / "a.parquet", (tmp_path / "a.parquet").read_bytes()).data
        assert found["released"][0].startswith("2019-06-14")
        assert found["released"][1] == ""
        assert found["genres"].tolist() == ["['dance pop', 'pop']", "[]"]
        assert found["label"].tolist() == ["a", ""]

    def test_an_index_with_a_name_is_a_column(self, tmp_path: Path) -> None:
        pd.DataFrame({"track_id": ["a"], "tempo": [1.0]}).set_index("track_id").to_parquet(tmp_path / "a.parquet")
        found = read(tmp_path / "a.parquet", (tmp_path / "a.parquet").read_bytes())
        assert found.data["track_id"].tolist() == ["a"]

    def test_damage(self, tmp_path: Path) -> None:
        pd.DataFrame({"tempo": [1.0]}).to_parquet(tmp_path / "a.parquet")
        whole = (tmp_path / "a.parquet").read_bytes()
        for data in (whole[:60], b"PAR1", whole[:30] + bytes(40) + whole[70:]):
            with pytest.raises(TableError, match="is damaged or not a Parquet table"):
                read(tmp_path / "b.parquet", data)
            assert read_header(tmp_path / "b.parquet") in ([], ["tempo"])
