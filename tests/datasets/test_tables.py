from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from audio_genre.datasets import GTZAN57_TABLE, TableSchema, Window, load_table
from audio_genre.dsp import GTZAN57
from audio_genre.errors import TableError
from audio_genre.extraction.writers import write_table

COLUMNS = ["filename", "length", *GTZAN57_TABLE.features, "label"]
TOY = TableSchema("toy", recipe=None, features=("energy", "speech"), label="genre", item="id", group="artist")


def write(path: Path, rows: list[dict[str, object]], columns: list[str] | None = None) -> Path:
    columns = columns or COLUMNS
    lines = [",".join(columns)] + [",".join(str(row.get(name, 0.5)) for name in columns) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def rows(count: int = 4, **cells: object) -> list[dict[str, object]]:
    return [
        {"filename": f"rock.{k:05d}.wav", "length": 661500, "label": "rock", "tempo": k, **cells} for k in range(count)
    ]


def test_reads_features_in_schema_order_whatever_the_order_of_the_file(tmp_path: Path) -> None:
    table = load_table(write(tmp_path / "a.csv", rows(3)))
    reversed_ = load_table(write(tmp_path / "b.csv", rows(3), COLUMNS[::-1]))
    assert table.X.shape == (3, 57)
    assert table.X.dtype == np.float32
    assert table.X[:, GTZAN57_TABLE.features.index("tempo")].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(table.X, reversed_.X)
    assert table.items.tolist() == reversed_.items.tolist()
    assert table.classes == ("rock",)
    assert table.sha256 == hashlib.sha256((tmp_path / "a.csv").read_bytes()).hexdigest()


def test_extra_columns_are_named_and_ignored(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", rows(3), ["Unnamed: 0", "", *COLUMNS, "mood", "mood"])
    assert load_table(path).ignored == ("Unnamed: 0", "", "mood", "mood")


def test_no_column_but_the_features_reaches_the_matrix(tmp_path: Path) -> None:
    plain = load_table(write(tmp_path / "a.csv", rows(3)))
    other = load_table(write(tmp_path / "b.csv", rows(3, length=7, mood=9), ["index", *COLUMNS, "mood"]))
    np.testing.assert_array_equal(plain.X, other.X)


def test_byte_order_mark_blank_lines_and_windows_line_ends_do_not_matter(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", rows(3))
    expected = load_table(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n\r\n")
    np.testing.assert_array_equal(load_table(path).X, expected.X)


def test_another_schema_with_a_group_column(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        [{"id": f"t{k}", "genre": "jazz", "artist": f"a{k // 2}", "energy": k} for k in range(4)],
        ["id", "artist", "speech", "energy", "genre", "playlist"],
    )
    table = load_table(path, TOY)
    assert table.X.tolist() == [[0, 0.5], [1, 0.5], [2, 0.5], [3, 0.5]]
    assert table.groups.tolist() == ["a0", "a0", "a1", "a1"]
    assert table.grouping.by == "column"
    assert table.window is None
    assert table.ignored == ("playlist",)


@pytest.mark.parametrize(
    ("names", "length", "kind", "seconds"),
    [
        (["a.0.wav", "a.1.wav", "b.0.wav", "b.1.wav"], 66149, "segment", 3),
        (["a.0.wav", "a.1.wav", "b.0.wav", "b.1.wav"], 220500, "segment", 10),
        (["a.00000.wav", "a.00001.wav", "a.00002.wav", "a.00003.wav"], 661794, "clip", 30),
        # Files of 20 s each are clips, although they are of one short length.
        (["a.wav", "b.wav", "c.wav", "d.wav"], 441000, "clip", 30),
        # A file of two minutes, cut in windows.
        (["a.0.mp3", "a.1.mp3", "a.2.mp3", "a.3.mp3"], 661500, "clip", 30),
    ],
)
def test_window_from_names_and_lengths(
    tmp_path: Path, names: list[str], length: int, kind: str, seconds: float
) -> None:
    table = load_table(write(tmp_path / "a.csv", [{"filename": n, "length": length, "label": "x"} for n in names]))
    assert table.window is not None
    assert (table.window.kind, table.window.seconds) == (kind, seconds)


@pytest.mark.parametrize(("segments", "seconds"), [(10, 3), (3, 10)])
def test_window_without_a_length_column_comes_from_how_many_segments_a_track_has(
    tmp_path: Path, segments: int, seconds: float
) -> None:
    cells: list[dict[str, object]] = [
        {"filename": f"{track}.{k}.wav", "label": "x"} for track in "abc" for k in range(segments)
    ]
    table = load_table(write(tmp_path / "a.csv", cells[:-1], [name for name in COLUMNS if name != "length"]))
    assert table.window is not None
    assert (table.window.kind, table.window.seconds) == ("segment", seconds)


def test_segments_of_a_track_stay_together_when_some_were_removed(tmp_path: Path) -> None:
    names = [f"rock.{track:05d}.{k}.wav" for track in range(3) for k in (0, 1, 4, 9)]
    table = load_table(write(tmp_path / "a.csv", [{"filename": n, "length": 66149, "label": "rock"} for n in names]))
    assert len(set(table.groups)) == 3


FAULTS = {
    "missing": (None, "cannot be read: No such file"),
    "empty": (b"", "is empty"),
    "blank": (b"\n \n", "is empty"),
    "binary": (b"\x89PNG\r\n\x1a\n\x00\x00", "is not a CSV table but binary data"),
    "latin-1": ("größe,label\n".encode("latin-1"), "is not a table of the features of recipe gtzan57-v1"),
    "prose": (b"This is a letter, not a table.\n", "it has 0 of 57, lacks the columns 'filename'"),
    "one word": (b"hello\n", "has one column, 'hello'"),
    "a workbook": (b"PK\x03\x04 xl/workbook.xml", "is an Excel workbook or an archive, not text; save it as CSV"),
    "tracks": (
        b"track_id,danceability,energy,track_genre\n1,0.1,0.2,pop\n",
        "its columns are 'track_id', 'danceability'",
    ),
    "semicolons": (";".join(COLUMNS).encode(), "has a header and no rows"),
    "header only": (",".join(COLUMNS).encode(), "has a header and no rows"),
    "ragged": (",".join(COLUMNS).encode() + b"\na.wav,1\n", "line 2 has 2 cells where the header has 60"),
    "open quote": (b'filename,label\n"a', "is not a CSV table: line 2"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_is_no_table_is_refused_in_one_sentence(tmp_path: Path, fault: str) -> None:
    content, message = FAULTS[fault]
    path = tmp_path / "table.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TableError, match=message) as caught:
        load_table(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_parquet_tables_cannot_be_joined_as_texts(tmp_path: Path) -> None:
    for name in ("a.parquet", "b.parquet"):
        (tmp_path / name).touch()
    with pytest.raises(TableError, match=r"give one of them: 'a\.parquet', 'b\.parquet'\.$"):
        load_table(tmp_path)


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="is a folder without tables"):
        load_table(tmp_path)
    write(tmp_path / "blues.csv", rows(3))
    with pytest.raises(TableError, match=r"give the table in it: 'blues\.csv'"):
        load_table(tmp_path)
    write(tmp_path / "jazz.csv", rows(3))
    with pytest.raises(
        TableError, match=r"folder of 2 tables \('blues.csv', 'jazz.csv'\); join .*`cat .*/\*.csv > all.csv`"
    ):
        load_table(tmp_path)
    write(tmp_path / "features_30_sec.csv", rows(3))
    with pytest.raises(TableError, match=r"one of the tables in it: 'features_30_sec.csv'\.$"):
        load_table(tmp_path)


@pytest.mark.parametrize(
    ("removed", "message"),
    [
        (["tempo"], "lacks the column 'tempo'; extract it again with recipe gtzan57-v1"),
        (["label", "tempo"], "lacks the columns 'tempo', 'label'"),
        (
            ["mfcc1_mean", "mfcc2_mean", "mfcc3_mean", "mfcc4_mean"],
            "'mfcc1_mean', 'mfcc2_mean', 'mfcc3_mean' and 1 more",
        ),
    ],
)
def test_missing_columns_are_named(tmp_path: Path, removed: list[str], message: str) -> None:
    path = write(tmp_path / "a.csv", rows(3), [name for name in COLUMNS if name not in removed])
    with pytest.raises(TableError, match=message):
        load_table(path)


def test_a_doubled_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="has the column 'tempo' twice"):
        load_table(write(tmp_path / "a.csv", rows(3), [*COLUMNS, "tempo"]))


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("nan", "'nan'"),
        ("inf", "'inf'"),
        ("-inf", "'-inf'"),
        ("fast", "'fast'"),
        ("", "an empty cell"),
        ("1e39", "1e\\+39"),
    ],
)
def test_a_cell_that_is_no_finite_number_is_named_with_row_and_column(tmp_path: Path, cell: str, message: str) -> None:
    cells = rows(4)
    cells[2]["tempo"] = cell
    with pytest.raises(TableError, match=rf"has {message} in the column 'tempo' of line 4 \(rock.00002.wav\)"):
        load_table(write(tmp_path / "a.csv", cells))


def test_a_table_without_labels_loads_and_cannot_be_trained_on(tmp_path: Path) -> None:
    table = load_table(write(tmp_path / "a.csv", rows(3, label="")))
    assert table.classes == ()
    with pytest.raises(TableError, match=r"no label in 3 of 3 rows, the first being 'rock.00000.wav'"):
        table.require_labels()


def test_one_class_cannot_be_trained_on(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="only the class 'rock'"):
        load_table(write(tmp_path / "a.csv", rows(3))).require_labels()


def test_the_side_car_tells_the_recipe(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", rows(3))
    side_car = tmp_path / "extraction.json"
    side_car.write_text(json.dumps({"recipe": GTZAN57.parameters()}))
    assert len(load_table(path)) == 3
    side_car.write_text(json.dumps({"recipe": {"name": "gtzan57-v9"}}))
    with pytest.raises(TableError, match="'gtzan57-v9' is unknown"):
        load_table(path)
    side_car.write_text(json.dumps({"recipe": GTZAN57.derive(n_fft=4096).parameters()}))
    assert load_table(path).schema.recipe == "gtzan57-v1[n_fft=4096]"
    with pytest.raises(TableError, match=r"recipe 'gtzan57-v1\[n_fft=4096\]' and 'gtzan57-v1' is needed"):
        load_table(path, GTZAN57_TABLE)


@pytest.mark.parametrize("parameter", [name for name in GTZAN57.parameters() if name != "name"])
@pytest.mark.parametrize("change", ["another", "missing"])
def test_parameters_of_the_side_car_are_compared_in_full(tmp_path: Path, parameter: str, change: str) -> None:
    path = write(tmp_path / "a.csv", rows(3))
    recipe = GTZAN57.parameters()
    if change == "missing":
        del recipe[parameter]
    else:
        recipe[parameter] = "other" if isinstance(recipe[parameter], str) else recipe[parameter] * 2 + 1
    (tmp_path / "extraction.json").write_text(json.dumps({"recipe": recipe}))
    with pytest.raises(
        TableError, match=rf"says recipe 'gtzan57-v1' with .*{parameter}.*the recipe has .*extract it again"
    ):
        load_table(path)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"recipe": "gtzan57-v1"}'])
def test_a_side_car_that_tells_nothing_is_refused(tmp_path: Path, content: str) -> None:
    path = write(tmp_path / "a.csv", rows(3))
    (tmp_path / "extraction.json").write_text(content)
    with pytest.raises(TableError, match=r"does not tell the recipe of a\.csv"):
        load_table(path)


SEVEN = [f"clip.{k}.wav" for k in range(7)]


def describe(folder: Path, rows_of: dict[str, int], *, clips: int, failed: int = 0) -> None:
    content = {"recipe": GTZAN57.parameters(), "tables": rows_of, "counts": {"clips": clips, "failed": failed}}
    (folder / "extraction.json").write_text(json.dumps(content))


def kind_and_groups(path: Path) -> tuple[str, float, list[str]]:
    table = load_table(path)
    assert table.window is not None
    return table.window.kind, table.window.seconds, [str(group) for group in table.groups]


def rows_of(names: list[str], length: object) -> list[dict[str, object]]:
    return [{"filename": name, "length": length, "label": "rock"} for name in names]


@pytest.mark.parametrize("length", [110250, 661500, 661794, ""])
def test_numbered_files_of_an_extraction_are_clips_and_tracks(tmp_path: Path, length: object) -> None:
    path = write(tmp_path / "features_30_sec.csv", rows_of(SEVEN, length))
    describe(tmp_path, {path.name: 7}, clips=8, failed=1)
    assert kind_and_groups(path) == ("clip", 30, [f"rock/{name}" for name in SEVEN])


def test_windows_of_long_files_of_an_extraction_stay_together(tmp_path: Path) -> None:
    path = write(tmp_path / "features_30_sec.csv", rows_of(["a.0.wav", "a.1.wav", "b.wav"], 661500))
    describe(tmp_path, {path.name: 3}, clips=2)
    assert kind_and_groups(path) == ("clip", 30, ["rock/a.wav", "rock/a.wav", "rock/b.wav"])
    # If the table has grown since, the counts of the extraction tell nothing, and names decide.
    describe(tmp_path, {path.name: 2}, clips=2)
    assert kind_and_groups(path) == ("clip", 30, ["a.wav", "a.wav", "b.wav"])


def test_segments_of_an_extraction_are_segments_whatever_they_are_called(tmp_path: Path) -> None:
    path = write(tmp_path / "features_3_sec.csv", rows_of(["rock.0.wav", "rock.1.wav"], 66149))
    describe(tmp_path, {path.name: 2}, clips=1)
    assert kind_and_groups(path) == ("segment", 3, ["rock/rock.wav"] * 2)


def test_files_of_one_name_in_two_folders_are_two_tracks_where_the_side_car_proves_it(tmp_path: Path) -> None:
    cells = [
        {"filename": f"01.{k}.wav", "length": 66149, "label": label} for label in ("jazz", "rock") for k in range(3)
    ]
    path = write(tmp_path / "features_3_sec.csv", cells)
    with pytest.raises(TableError, match=r"has 1 track under several labels \(6 rows\), such as '01.wav'"):
        load_table(path)
    describe(tmp_path, {path.name: 6}, clips=2)
    assert kind_and_groups(path) == ("segment", 3, ["jazz/01.wav"] * 3 + ["rock/01.wav"] * 3)
    assert load_table(path).grouping.by == "extraction"
    # What the side-car proves cannot be talked away.
    with pytest.raises(TableError, match="proves that its rows are segments, and --rows clips contradicts it"):
        load_table(path, rows="clips")
    assert load_table(path, rows="segments").grouping.by == "extraction"


def test_a_segment_whose_label_was_changed_is_found_beside_the_side_car(tmp_path: Path) -> None:
    cells = rows_of([f"{track}.{k}.wav" for track in "ab" for k in range(3)], 66149)
    cells[1]["label"] = "jazz"
    path = write(tmp_path / "features_3_sec.csv", cells)
    describe(tmp_path, {path.name: 6}, clips=2)
    with pytest.raises(TableError, match=r"has 1 track under several labels \(3 rows\), such as 'a.wav'"):
        load_table(path)
    assert len(load_table(path, conflicts="drop")) == 3


def test_another_label_does_not_tear_the_files_of_an_extraction(tmp_path: Path) -> None:
    cells = rows_of([f"{track}.{k}.wav" for track in "ab" for k in range(3)], 66149)
    path = write(tmp_path / "features_3_sec.csv", [{**row, "mood": "calm"} for row in cells], [*COLUMNS, "mood"])
    describe(tmp_path, {path.name: 6}, clips=2)
    table = load_table(path, label_column="mood")
    assert table.classes == ("calm",)
    assert table.groups.tolist() == ["rock/a.wav"] * 3 + ["rock/b.wav"] * 3


@pytest.mark.parametrize(
    "tables",
    [{"other.csv": 7}, {}, [], None, {"features_30_sec.csv": "7"}, {"features_30_sec.csv": None}],
)
def test_a_side_car_that_does_not_list_the_table_decides_nothing_more(tmp_path: Path, tables: object) -> None:
    path = write(tmp_path / "features_30_sec.csv", rows_of(["a.wav", "b.wav"], 661794))
    describe(tmp_path, tables, clips=7)  # type: ignore[arg-type]
    assert kind_and_groups(path) == ("clip", 30, ["a.wav", "b.wav"])


@pytest.mark.parametrize(
    ("name", "length", "kind", "seconds"),
    [
        ("features_30_sec.csv", 66149, "segment", 3),
        ("features_30_sec.csv", "", "clip", 30),
        ("features_3_sec.csv", 66149, "segment", 3),
        ("features_3_sec.csv", "", "segment", 3),
        ("features_10_sec.parquet.csv", 220500, "segment", 10),
        ("features_10_sec.csv", 220500, "segment", 10),
        # The lengths contradict the name.
        ("features_3_sec.csv", 220500, "segment", 10),
        ("features_60_sec.csv", 220500, "segment", 10),
        ("features_3_sec.csv", 661500, "clip", 30),
    ],
)
def test_the_name_of_the_table_is_a_hint(tmp_path: Path, name: str, length: object, kind: str, seconds: float) -> None:
    names = [f"{track}.{k}.wav" for track in "ab" for k in range(4)]
    found = kind_and_groups(write(tmp_path / name, rows_of(names, length)))
    # Whatever it is taken for: nothing is torn apart.
    assert found == (kind, seconds, ["a.wav"] * 4 + ["b.wav"] * 4)


def test_an_empty_length_is_no_fault(tmp_path: Path) -> None:
    cells = rows_of([f"{track}.{k}.wav" for track in "ab" for k in range(3)], 66149)
    cells[1]["length"] = ""
    cells[2]["length"] = " "
    table = load_table(write(tmp_path / "a.csv", cells))
    assert table.window is not None
    assert (table.window.kind, table.window.seconds) == ("segment", 3)


@pytest.mark.parametrize("cell", ["long", "nan", "inf", "0", "-1"])
def test_a_length_that_is_none_is_refused(tmp_path: Path, cell: str) -> None:
    with pytest.raises(TableError, match=rf"has '{cell}' in the column 'length' of line 2 .*above 0, or empty"):
        load_table(write(tmp_path / "a.csv", rows_of(["a.wav"], cell)))


def as_parquet(path: Path, **columns: list[object]) -> Path:
    """Copy a CSV table, with some columns replaced."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import csv as pa_csv
    from pyarrow import parquet

    table = pa_csv.read_csv(path, convert_options=pa_csv.ConvertOptions(column_types={"label": pa.string()}))
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    parquet.write_table(table, path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ""])
def test_parquet_gives_what_csv_gives(tmp_path: Path, suffix: str) -> None:
    names = [f"{track}.{k}.wav" for track in "ab" for k in range(3)]
    path = write(
        tmp_path / "table.csv",
        [row | {"tempo": 1 / 3, "mood": 2} for row in rows_of(names, 66149)],
        [*COLUMNS[::-1], "mood"],
    )
    expected = load_table(path)
    found = load_table(as_parquet(path).rename(tmp_path / f"other{suffix}"))
    np.testing.assert_array_equal(found.X, expected.X)
    for name in ("items", "labels", "groups"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert (found.window, found.ignored) == (expected.window, expected.ignored)
    assert found.sha256 == hashlib.sha256(found.path.read_bytes()).hexdigest()


def test_the_parquet_table_of_an_extraction(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    tables = {}
    for suffix in ("csv", "parquet"):
        (tmp_path / suffix).mkdir()
        path = tmp_path / suffix / f"features_3_sec.{suffix}"
        numbers = np.random.default_rng(0).normal(size=(4, 57)).tolist()
        lines = [(f"pop.{k}.wav", 66149, *row, "pop") for k, row in enumerate(numbers)]
        write_table(path, path.parent, GTZAN57, lines)
        describe(path.parent, {path.name: 4}, clips=1)
        tables[suffix] = load_table(path)
    np.testing.assert_array_equal(tables["csv"].X, tables["parquet"].X)
    assert tables["parquet"].groups.tolist() == tables["csv"].groups.tolist() == ["pop/pop.wav"] * 4
    assert tables["parquet"].window == tables["csv"].window == Window("segment", 3.0)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"tempo": [1.0, None, 3.0]}, r"an empty cell in the column 'tempo' of row 2 \(rock\.00001\.wav\)"),
        ({"tempo": [1.0, 2.0, float("inf")]}, "'inf' in the column 'tempo' of row 3"),
        ({"tempo": [True, False, True]}, "'True' in the column 'tempo' of row 1"),
        ({"tempo": ["1", "2", "fast"]}, "'fast' in the column 'tempo' of row 3"),
        ({"tempo": [[1], [2], [3]]}, r"'\[1\]' in the column 'tempo' of row 1"),
        ({"tempo": [1.0, 2.0, 1e39]}, "1e\\+39 in the column 'tempo' of row 3"),
        ({"length": [1, 0, None]}, "'0' in the column 'length' of row 2"),
    ],
)
def test_cells_of_parquet_are_checked(tmp_path: Path, columns: dict[str, list[object]], message: str) -> None:
    path = as_parquet(write(tmp_path / "a.csv", rows(3)), **columns)
    with pytest.raises(TableError, match=message):
        load_table(path)


def test_parquet_cells_of_other_types_that_mean_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", rows(3))
    changed = as_parquet(
        path, tempo=["0", " 1 ", "2"], filename=[row["filename"].encode() for row in rows(3)], length=[None] * 3
    )  # type: ignore[attr-defined]
    np.testing.assert_array_equal(load_table(changed).X, load_table(path).X)
    assert load_table(changed).items.tolist() == load_table(path).items.tolist()


def test_what_is_no_parquet_table_is_refused(tmp_path: Path) -> None:
    whole = as_parquet(write(tmp_path / "a.csv", rows(3))).read_bytes()
    path = tmp_path / "b.parquet"
    middle = len(whole) // 2
    for content in (
        b"PAR1",
        whole[:middle],
        whole[:-1],
        b"filename,label",
        whole[:4] + bytes(middle) + whole[4 + middle :],
    ):
        path.write_bytes(content)
        with pytest.raises(TableError, match="damaged or not a Parquet table") as caught:
            load_table(path)
        assert "\n" not in str(caught.value)
    path.write_bytes(b"")
    with pytest.raises(TableError, match="is empty"):
        load_table(path)


def test_parquet_without_pyarrow_tells_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(TableError, match=r'needs pyarrow; install it with: pip install "pyarrow>=15"'):
        load_table(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("name", "count", "kind", "seconds"),
    [("features_30_sec.csv", 1000, "clip", 30), ("features_10_sec.csv", 2991, "segment", 10)],
)
def test_the_real_tables(shared_data: Path, name: str, count: int, kind: str, seconds: float) -> None:
    table = load_table(shared_data / "gtzan" / name)
    assert table.X.shape == (count, 57)
    assert len(set(table.groups)) == 1000
    assert len(table.classes) == 10
    assert table.window is not None
    assert (table.window.kind, table.window.seconds) == (kind, seconds)
    assert table.ignored == ()


def segments(form: str, count: int = 4, length: object = 66150) -> list[dict[str, object]]:
    return [
        {"filename": form.format(t=f"{label}{t}", k=k), "length": length, "label": label, "tempo": k}
        for label in ("jazz", "rock")
        for t in range(count)
        for k in range(3)
    ]


@pytest.mark.parametrize("form", ["{t}_{k}.wav", "{t}/{k}.wav", "{t} ({k}).wav"])
@pytest.mark.parametrize("length", [66150, ""])
def test_segments_under_other_names_stay_together_and_it_is_said(tmp_path: Path, form: str, length: object) -> None:
    table = load_table(write(tmp_path / "a.csv", segments(form, length=length)))
    assert len(set(table.groups)) == 8
    assert table.window is not None
    assert table.window.kind == "segment"
    assert any("treated as parts of 8 tracks because of the number in names such as" in note for note in table.notes)
    assert len(set(load_table(table.path, rows="clips").groups)) == 24


def test_segments_whose_names_tell_no_track_need_a_column(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [row | {"filename": f"x{k}.wav"} for k, row in enumerate(segments("{t}{k}"))])
    with pytest.raises(TableError, match="do not tell which segments are of one track; name the column"):
        load_table(path, rows="segments")


def test_values_of_the_group_column_that_mean_the_same_are_one_track(tmp_path: Path) -> None:
    columns = [*COLUMNS, "track"]
    values = ["7", "7.0", "0007", "Abba", "ABBA", "Caf\u00e9", "Cafe\u0301", "8"]
    path = write(tmp_path / "a.csv", [row | {"track": v} for row, v in zip(rows(8), values, strict=True)], columns)
    table = load_table(path, group_column="track")
    assert table.groups.tolist() == ["0007", "0007", "0007", "ABBA", "ABBA", "Cafe\u0301", "Cafe\u0301", "8"]
    write(path, [row | {"track": v} for row, v in zip(rows(8), ["", *values[1:]], strict=True)], columns)
    with pytest.raises(TableError, match="1 empty cells in the column 'track', the first in line 2"):
        load_table(path, group_column="track")
    write(path, [row | {"track": str(k)} for k, row in enumerate(rows(8))], columns)
    assert any("Each row has a value of its own" in note for note in load_table(path, group_column="track").notes)


def test_a_length_with_a_fraction_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"'66\.15' in the column 'length' of line 2 .*a whole number of samples"):
        load_table(write(tmp_path / "a.csv", rows(3, length=66.15)))


def test_clips_that_are_numbered_are_tracks_whatever_the_label(tmp_path: Path) -> None:
    numbered = [
        {"filename": f"{genre}.{k:05d}.wav", "length": length, "label": "calm" if k % 2 else "loud", "tempo": k}
        for genre, length in (("blues", 661500), ("jazz", 661794))
        for k in range(8)
    ]
    assert len(set(load_table(write(tmp_path / "a.csv", numbered)).groups)) == 16
    unknown = [row | {"length": ""} for row in numbered]
    assert len(set(load_table(write(tmp_path / "b.csv", unknown)).groups)) == 16


def test_a_table_is_a_data_frame(tmp_path: Path) -> None:
    path = tmp_path / "features_30_sec.csv"
    names = GTZAN57_TABLE.features
    lines = [",".join(["filename", *names, "label"])]
    lines += [",".join([f"{k}.wav", *(str(k + j) for j in range(len(names))), "ab"[k % 2]]) for k in range(4)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    frame = load_table(path).to_frame()
    assert frame.columns.tolist() == ["item", "group", "label", *names]
    assert frame["label"].tolist() == ["a", "b", "a", "b"]
    assert frame[names[3]].tolist() == [3, 4, 5, 6]
