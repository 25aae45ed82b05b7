"""Each fault, put into a clean table, is found as what it is; a clean table is called clean."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audio_genre.audit import KINDS, Audit, audit
from audio_genre.audit.leaks import _telling, first_of_each, tell_label
from audio_genre.audit.neighbours import close_rows, components, equal_by_chance, equal_rows
from audio_genre.datasets import GTZAN57_TABLE, TableSchema
from audio_genre.dsp import GTZAN57
from audio_genre.errors import TableError

COLUMNS = ["filename", "length", *GTZAN57_TABLE.features, "label"]
LABELS = ("fado", "rai", "salsa")
DUPLICATES = (
    *("disco 98 99", "hiphop 39 45", "hiphop 76 78", "metal 34 94", "metal 40 61", "metal 41 62", "metal 42 63"),
    *("metal 43 64", "metal 44 65", "metal 45 66", "pop 54 60", "pop 67 71", "reggae 81 82"),
)

Rows = list[dict[str, object]]


def clean(per_class: int = 12, *, segments: int = 1, seed: int = 0) -> Rows:
    """Rows of overlapping classes; segments of a track are alike but not equal."""
    rng = np.random.default_rng(seed)
    rows: Rows = []
    for number, label in enumerate(LABELS):
        for k in range(per_class):
            track = rng.standard_normal(57) + 0.5 * number
            for segment in range(segments):
                name = f"{label}.{k:05d}.{segment}.wav" if segments > 1 else f"{label}.{k:05d}.wav"
                values = track if segments == 1 else track + 0.5 * rng.standard_normal(57)
                cells = dict(zip(GTZAN57_TABLE.features, values.tolist(), strict=True))
                rows.append({"filename": name, "length": 66149 if segments > 1 else 661500, **cells, "label": label})
    return rows


def write(path: Path, rows: Rows, columns: list[str] | None = None) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns or list(rows[0]), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def kinds(found: Audit) -> set[str]:
    assert {finding.kind for finding in found.findings} <= set(KINDS)
    return {finding.kind for finding in found.findings}


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), per_class=st.integers(3, 40), segments=st.sampled_from([1, 4]))
def test_nothing_is_found_in_a_clean_table(tmp_path: Path, seed: int, per_class: int, segments: int) -> None:
    assert audit(write(tmp_path / "t.csv", clean(per_class, segments=segments, seed=seed))).findings == ()


@pytest.mark.parametrize("per_class", [1, 2])
def test_a_tiny_table_is_no_more_than_tiny(tmp_path: Path, per_class: int) -> None:
    assert kinds(audit(write(tmp_path / "t.csv", clean(per_class)))) == {"small_class"}


def copy_features(rows: Rows, source: int, target: int, noise: float = 0.0) -> None:
    for name in GTZAN57_TABLE.features:
        rows[target][name] = rows[source][name] * (1 + noise)  # type: ignore[operator]


def same_class(rows: Rows) -> None:
    copy_features(rows, 2, 5)


def across_classes(rows: Rows) -> None:
    copy_features(rows, 2, 20)


def nearly_same_class(rows: Rows) -> None:
    copy_features(rows, 2, 5, 0.02)


def nearly_across_classes(rows: Rows) -> None:
    copy_features(rows, 2, 20, 0.02)


def leaking_length(rows: Rows) -> None:
    for k, row in enumerate(rows):
        row["length"] = 661504 if row["label"] == "rai" else 661794 + 10 * (k % 7)


def leaking_number(rows: Rows) -> None:
    rng = np.random.default_rng(1)
    for row in rows:
        row["bitrate"] = LABELS.index(str(row["label"])) + rng.uniform(-0.4, 0.4)


def leaking_text(rows: Rows) -> None:
    for k, row in enumerate(rows):
        row["source"] = f"{row['label']} collection {k % 2}"


def unnamed_index(rows: Rows) -> None:
    for k, row in enumerate(rows):
        row["Unnamed: 0"] = k


def named_rows(rows: Rows) -> None:
    for k, row in enumerate(rows):
        row["track_id"] = f"id{k * 7919 % 1000:04d}"


def index_feature(rows: Rows) -> None:
    for k, row in enumerate(rows):
        row["tempo"] = k


def label_as_feature(rows: Rows) -> None:
    for row in rows:
        row["tempo"] = LABELS.index(str(row["label"]))


def separating_feature(rows: Rows) -> None:
    for k, row in enumerate(rows):
        row["tempo"] = 10 * LABELS.index(str(row["label"])) + k * 7919 % 100 / 100


def constant_feature(rows: Rows) -> None:
    for row in rows:
        row["tempo"] = 120.0


def constant_features(rows: Rows) -> None:
    for k in range(len(rows)):
        copy_features(rows, 0, k)


def empty_cell(rows: Rows) -> None:
    rows[3]["tempo"] = ""


def nan_cell(rows: Rows) -> None:
    rows[3]["tempo"] = "nan"


def infinite_cell(rows: Rows) -> None:
    rows[3]["tempo"] = "-inf"


def beyond_single_precision(rows: Rows) -> None:
    rows[3]["tempo"] = 1e300


def word_in_cell(rows: Rows) -> None:
    rows[3]["tempo"] = "[123.05]"


def bad_length(rows: Rows) -> None:
    rows[3]["length"] = -1


def doubled_name(rows: Rows) -> None:
    rows[3]["filename"] = rows[4]["filename"]


def name_in_two_classes(rows: Rows) -> None:
    rows[3]["filename"] = rows[20]["filename"] = "01 Intro.wav"


def missing_label(rows: Rows) -> None:
    rows[3]["label"] = " "


def label_in_capitals(rows: Rows) -> None:
    for row in rows:
        row["label"] = "FADO" if row["label"] == "rai" else row["label"]


def label_with_spaces(rows: Rows) -> None:
    for k in range(5):
        rows[k]["label"] = "fado "


def small_class(rows: Rows) -> None:
    del rows[14:24]


FAULTS: list[tuple[Callable[[Rows], None], str, str]] = [
    (same_class, "duplicate", "warning"),
    (across_classes, "duplicate_across_classes", "serious"),
    (nearly_same_class, "near_duplicate", "warning"),
    (nearly_across_classes, "near_duplicate_across_classes", "serious"),
    (leaking_length, "leak", "serious"),
    (leaking_number, "leak", "serious"),
    (leaking_text, "leak", "warning"),
    (unnamed_index, "index", "warning"),
    (named_rows, "index", "note"),
    (index_feature, "index", "serious"),
    (label_as_feature, "label_code", "serious"),
    (separating_feature, "separating_feature", "warning"),
    (constant_feature, "constant", "warning"),
    (constant_features, "constant", "serious"),
    (empty_cell, "missing_values", "serious"),
    (nan_cell, "missing_values", "serious"),
    (infinite_cell, "infinite_values", "serious"),
    (beyond_single_precision, "infinite_values", "serious"),
    (word_in_cell, "not_a_number", "serious"),
    (bad_length, "bad_length", "serious"),
    (doubled_name, "doubled_name", "warning"),
    (name_in_two_classes, "same_name", "serious"),
    (missing_label, "missing_labels", "serious"),
    (label_in_capitals, "label_variants", "serious"),
    (label_with_spaces, "label_variants", "warning"),
]


@pytest.mark.parametrize(("spoil", "kind", "severity"), FAULTS, ids=lambda value: getattr(value, "__name__", value))
def test_a_fault_is_found_as_what_it_is_and_as_nothing_else(
    tmp_path: Path, spoil: Callable[[Rows], None], kind: str, severity: str
) -> None:
    rows = clean(14)
    spoil(rows)
    found = audit(write(tmp_path / "t.csv", rows))
    assert [(finding.kind, finding.severity) for finding in found.findings] == [(kind, severity)]
    assert found.findings[0].message.endswith(".")


def test_classes_of_unlike_size(tmp_path: Path) -> None:
    rows = clean(30)
    notes = audit(write(tmp_path / "a.csv", rows[:30] + rows[30:42]))
    warnings = audit(write(tmp_path / "b.csv", rows[:30] + rows[30:33]))
    assert [(found.kind, found.severity) for found in notes.findings] == [("imbalance", "note")]
    assert [(found.kind, found.severity) for found in warnings.findings] == [("imbalance", "warning")]
    assert warnings.findings[0].details["tracks"] == {"fado": 30, "rai": 3}


def test_one_class_alone(tmp_path: Path) -> None:
    assert kinds(audit(write(tmp_path / "t.csv", clean()[:12]))) == {"single_class"}


def test_a_table_without_any_label_is_examined_without_labels(tmp_path: Path) -> None:
    rows = [row | {"label": ""} for row in clean()]
    copy_features(rows, 2, 5)
    assert kinds(audit(write(tmp_path / "t.csv", rows))) == {"missing_labels", "duplicate"}


def test_many_copies_are_serious_even_in_one_class(tmp_path: Path) -> None:
    rows = clean()
    for k in range(6):
        copy_features(rows, k, k + 6)
    (found,) = audit(write(tmp_path / "t.csv", rows)).findings
    assert (found.kind, found.severity, len(found.items)) == ("duplicate", "serious", 6)


def test_copies_form_groups(tmp_path: Path) -> None:
    rows = clean(60)
    copy_features(rows, 2, 5)
    copy_features(rows, 2, 7)
    (found,) = audit(write(tmp_path / "t.csv", rows)).findings
    assert found.items == ("fado.00002.wav = fado.00005.wav = fado.00007.wav",)
    assert found.details["groups"][0]["tracks"] == [f"fado.{k:05d}.wav" for k in (2, 5, 7)]


def test_every_bad_cell_is_counted_by_column(tmp_path: Path) -> None:
    rows = clean()
    for k in (1, 2, 3):
        rows[k]["tempo"] = ""
    rows[2]["mfcc3_var"] = "NA"
    rows[5]["mfcc3_var"] = "oops"
    found = {finding.kind: finding for finding in audit(write(tmp_path / "t.csv", rows)).findings}
    assert found["missing_values"].details["cells"] == {"tempo": 3, "mfcc3_var": 1}
    assert found["missing_values"].details["rows"] == ["line 3", "line 4", "line 5"]
    assert found["not_a_number"].details["texts"] == {"mfcc3_var": ["oops"]}
    assert set(found) == {"missing_values", "not_a_number"}


class TestSegments:
    def test_copies_are_told_by_track(self, tmp_path: Path) -> None:
        rows = clean(segments=3)
        for k in range(3):
            copy_features(rows, 6 + k, 60 + k)
        (found,) = audit(write(tmp_path / "t.csv", rows)).findings
        assert found.kind == "duplicate_across_classes"
        assert found.items == ("fado.00002.wav = rai.00008.wav",)

    def test_nearly_equal_segments_of_a_track_are_no_matter(self, tmp_path: Path) -> None:
        rows = clean(segments=3)
        copy_features(rows, 6, 7, 1e-6)
        assert audit(write(tmp_path / "t.csv", rows)).findings == ()

    def test_equal_segments_of_a_track_are_noted(self, tmp_path: Path) -> None:
        rows = clean(segments=3)
        copy_features(rows, 6, 7)
        assert kinds(audit(write(tmp_path / "t.csv", rows))) == {"repeated_segment"}

    def test_a_track_with_two_labels(self, tmp_path: Path) -> None:
        rows = clean(segments=3)
        rows[6]["label"] = "rai"
        (found,) = audit(write(tmp_path / "t.csv", rows)).findings
        assert (found.kind, found.severity, found.items) == ("split_track", "serious", ("fado.00002.wav: fado, rai",))

    def test_two_tracks_of_one_name_are_not_one_track_with_two_labels(self, tmp_path: Path) -> None:
        rows = clean(segments=3)
        for k in range(3):
            rows[6 + k]["filename"] = rows[60 + k]["filename"] = f"intro.{k}.wav"
        assert kinds(found := audit(write(tmp_path / "t.csv", rows))) == {"same_name"}
        assert "--conflicts keep-first or drop" in found.findings[0].message

    def test_columns_are_tested_on_tracks_because_segments_share_them(self, tmp_path: Path) -> None:
        rows = clean(segments=4)
        rng = np.random.default_rng(3)
        numbers = dict.fromkeys(str(row["filename"]).rpartition(".")[0][:-2] for row in rows)
        for name in numbers:
            numbers[name] = rng.integers(10**9)
        for row in rows:
            row["track_number"] = numbers[str(row["filename"]).rpartition(".")[0][:-2]]
        assert audit(write(tmp_path / "t.csv", rows)).findings == ()


class TestColumns:
    def test_missing_ones_are_named_and_the_rest_is_examined(self, tmp_path: Path) -> None:
        rows = clean()
        copy_features(rows, 2, 20)
        path = write(tmp_path / "t.csv", rows, [name for name in COLUMNS if name not in {"tempo", "rms_var"}])
        found = {finding.kind: finding for finding in audit(path).findings}
        assert set(found) == {"columns", "duplicate_across_classes"}
        assert found["columns"].items == ("rms_var", "tempo")

    @pytest.mark.parametrize(("name", "severity"), [("tempo", "serious"), ("mood", "warning")])
    def test_doubled_ones(self, tmp_path: Path, name: str, severity: str) -> None:
        path = write(tmp_path / "t.csv", [row | {"mood": hash(str(row["filename"])) % 5} for row in clean()])
        lines = path.read_text().splitlines()
        at = lines[0].split(",").index(name)
        path.write_text("".join(f"{line},{line.split(',')[at]}\n" for line in lines))
        found = [finding for finding in audit(path).findings if finding.kind == "columns"]
        assert [(finding.severity, finding.items) for finding in found] == [(severity, (name,))]

    def test_no_name_and_no_label(self, tmp_path: Path) -> None:
        found = audit(write(tmp_path / "t.csv", clean(), list(GTZAN57_TABLE.features)))
        assert kinds(found) == {"columns"}
        assert found.findings[0].items == ("filename", "label")
        assert found.classes == {"": 36}

    def test_order_does_not_matter(self, tmp_path: Path) -> None:
        rows = clean()
        same_class(rows)
        a = audit(write(tmp_path / "t.csv", rows))
        b = audit(write(tmp_path / "t.csv", rows, COLUMNS[::-1]))
        assert a.as_json() == b.as_json()

    def test_lines_of_another_length(self, tmp_path: Path) -> None:
        path = write(tmp_path / "t.csv", clean())
        path.write_text(path.read_text() + "fado.00099.wav,1,2\n")
        (found,) = audit(path).findings
        assert (found.kind, found.severity, found.items) == ("ragged_rows", "serious", ("line 38",))

    def test_what_load_table_refuses_for_another_reason_is_told(self, tmp_path: Path) -> None:
        path = write(tmp_path / "features_30_sec.csv", clean())
        (tmp_path / "extraction.json").write_text('{"recipe": {"name": "other-v1"}}')
        (found,) = audit(path).findings
        assert (found.kind, found.severity) == ("refused", "serious")
        assert "other-v1" in found.message


def test_another_schema_with_its_groups(tmp_path: Path) -> None:
    features = tuple(f"f{k}" for k in range(12))
    schema = TableSchema("spotify", recipe=None, features=features, label="genre", item="id", group="artist")
    rng = np.random.default_rng(0)
    rows: Rows = [
        {
            "id": f"{k:x}",
            "artist": f"a{k // 2}",
            "genre": LABELS[k % 120 // 40],
            **dict(zip(features, values, strict=True)),
        }
        for k, values in enumerate(rng.random((240, 12)).tolist())
    ]
    assert audit(write(tmp_path / "a.csv", rows), schema=schema).findings == ()
    for name in features:
        rows[200][name] = rows[3][name]
        rows[81][name] = rows[80][name]
    found = audit(write(tmp_path / "b.csv", rows), schema=schema)
    assert kinds(found) == {"duplicate_across_classes", "repeated_segment"}


def test_few_coarse_features_are_not_called_copies(tmp_path: Path) -> None:
    schema = TableSchema("coarse", recipe=None, features=("key", "mode"), label="genre", item="id")
    rng = np.random.default_rng(0)
    rows: Rows = [
        {"id": f"t{k}", "key": int(rng.integers(12)), "mode": int(rng.integers(2)), "genre": LABELS[k % 3]}
        for k in range(300)
    ]
    (found,) = audit(write(tmp_path / "t.csv", rows), schema=schema).findings
    assert (found.kind, found.severity) == ("crowded", "note")


def test_parquet_tables_give_the_same(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    rows = clean()
    across_classes(rows)
    rows[3]["tempo"] = None
    expected = audit(write(tmp_path / "t.csv", rows)).as_json()["findings"]
    pandas.DataFrame(rows).to_parquet(tmp_path / "t.parquet")
    found = audit(tmp_path / "t.parquet").as_json()["findings"]
    assert [finding["kind"] for finding in found] == ["duplicate_across_classes", "missing_values"]
    assert [finding["items"] for finding in found] == [finding["items"] for finding in expected]


@pytest.mark.parametrize(
    "label", ["<script>alert(1)</script>", "NA", "1980", "nan", "None", "é" * 3000, "a\nb", '"', "+", "Ŝ🎵"]
)
def test_labels_may_be_any_text(tmp_path: Path, label: str) -> None:
    rows = [row | {"label": label} if row["label"] == "rai" else row for row in clean()]
    found = audit(write(tmp_path / "t.csv", rows))
    assert [finding.kind for finding in found.findings] == (["label_number"] if label == "1980" else [])
    assert found.classes[label] == 12


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"a,b\n1,2\n", "has none of the 57 features"),
        (b"filename,tempo,label\n1,2,3\n", "has 1 of the 57 features"),
        (b"\x00\xff" * 50, "is not a CSV table"),
        (b"PAR1" + bytes(100), "is damaged or not a Parquet table"),
        (",".join(COLUMNS).encode(), "has a header and no rows"),
        (b"\r\n\n", "is empty"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(TableError, match=sentence):
        audit(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="cannot be read: No such file"):
        audit(tmp_path / "absent.csv")
    with pytest.raises(TableError, match="cannot be read"):
        audit("x" * 5000)
    with pytest.raises(TableError, match="cannot be read"):
        audit("a\0b")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.csv")
        with pytest.raises(TableError, match="is not a regular file"):
            audit(tmp_path / "pipe.csv")


def test_gtzan_is_known_by_its_names(tmp_path: Path) -> None:
    rows = clean(60)
    for k, row in enumerate(rows):
        row["label"] = ("jazz", "rock")[k % 2]
        row["filename"] = f"{row['label']}.{k // 2:05d}.wav"
    (found,) = audit(write(tmp_path / "t.csv", rows)).findings
    assert (found.kind, found.severity) == ("gtzan_fault", "warning")
    assert "jazz.00033" in found.items
    assert "rock.00017" not in found.items
    rows[0]["label"] = "rock"
    wrong = audit(write(tmp_path / "t.csv", rows)).serious
    assert [(finding.kind, finding.items) for finding in wrong] == [("gtzan_label", ("jazz.00000 as 'rock'",))]


@pytest.fixture(scope="module")
def clips(shared_data: Path) -> Audit:
    return audit(shared_data / "gtzan" / "features_30_sec.csv")


class TestRealTables:
    def test_all_known_duplicates_are_found_and_no_others(self, clips: Audit) -> None:
        found = {finding.kind: finding for finding in clips.findings}
        expected = {
            f"{genre}.{int(a):05d}.wav = {genre}.{int(b):05d}.wav"
            for genre, a, b in (pair.split() for pair in DUPLICATES)
        }
        assert set(found["duplicate"].items) == expected
        assert found["duplicate_across_classes"].items == ("metal.00058.wav = rock.00016.wav",)

    def test_the_length_is_a_leak(self, clips: Audit) -> None:
        assert [finding.items for finding in clips.serious if finding.kind == "leak"] == [("length",)]

    def test_the_clips_that_are_left_out_are_told(self, clips: Audit) -> None:
        (found,) = [finding for finding in clips.findings if finding.kind == "gtzan_fault"]
        assert len(found.items) == 70

    @pytest.mark.parametrize("name", ["features_30_sec.csv", "features_10_sec.csv"])
    def test_near_duplicates_have_one_title(self, shared_data: Path, name: str) -> None:
        titles = {}
        index = shared_data / "gtzan" / "splits" / "GTZANindex.txt"
        for line in index.read_text(encoding="latin-1").splitlines():
            clip, *rest = line.split(" ::: ")
            titles[clip] = "".join(filter(str.isalnum, "".join(rest).lower()))
        found = audit(shared_data / "gtzan" / name)
        (near,) = [finding for finding in found.findings if finding.kind.startswith("near_duplicate")]
        assert 5 < len(near.items) < 15
        for item in near.items:
            a, b = (titles[track.rpartition("/")[2]] for track in item.split(" = "))
            # The index writes a few titles in two ways.
            assert a.startswith(b) or b.startswith(a)


def test_a_column_tells_what_it_tells() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice(["a", "b", "c", "d"], 400)
    assert tell_label(rng.random(400), labels).gain < 0.1
    told = tell_label((labels == "a") + 0.001 * rng.random(400), labels)
    # A quarter is told for sure, and of the rest a third by guessing.
    assert 0.4 < told.accuracy < 0.6
    assert told.p_value < 1e-6
    assert tell_label(np.char.add(labels, "x"), labels).accuracy == 1
    assert tell_label(np.ones(400), labels) is None
    assert tell_label(rng.random(400), labels, at_least=0.95) is None


def test_a_column_that_tells_one_class_alone_is_found_by_it() -> None:
    labels = np.repeat(["a", "b", "c", "d"], 100)
    # What is no "a" is dealt so evenly that whoever learns from a part of it is wrong on the rest.
    told = tell_label(np.where(labels == "a", -1.0, np.arange(400) % 10), labels)
    assert (told.best_told, told.kappa) == ("a", 1)
    assert told.gain < 0.2
    assert told.p_value < 1e-6


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), n=st.integers(20, 400), classes=st.integers(2, 10), coarse=st.booleans())
def test_noise_tells_nothing(seed: int, n: int, classes: int, coarse: bool) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 4, n).astype(float) if coarse else rng.standard_normal(n)
    told = tell_label(values, rng.integers(0, classes, n).astype(np.str_))
    assert told is None or told.p_value > 1e-4


def test_kappa_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    y, told = rng.integers(0, 3, (2, 200))
    told[:120] = y[:120]
    found = _telling(y, told, np.array(["a", "b", "c"]))
    kappas = [metrics.cohen_kappa_score(y == k, told == k) for k in range(3)]
    assert found.kappa == pytest.approx(max(kappas))
    assert found.accuracy == metrics.accuracy_score(y, told)


def test_far_numbers_are_told_apart() -> None:
    labels = np.repeat(["a", "b"], 50)
    assert tell_label(1e17 + 1000 * np.arange(100), labels).accuracy > 0.9


def test_one_row_of_each_track_is_tested() -> None:
    groups = np.array(["a/1", "a/1", "a/2", "b/1", "b/2", "c/1", "/x"])
    labels = np.array(["a", "a", "a", "b", "b", "c", ""])
    assert first_of_each(groups, labels).tolist() == [0, 2, 3, 4]


@given(st.lists(st.lists(st.sampled_from([0.0, -0.0, 1.0, np.nan, np.inf]), min_size=2, max_size=2), min_size=1))
def test_equal_rows_are_those_that_pandas_calls_equal(values: list[list[float]]) -> None:
    X = np.array(values)
    first = [
        next(k for k in range(len(X)) if k == row or (np.isfinite(X[row]).all() and (X[k] == X[row]).all()))
        for row in range(len(X))
    ]
    assert equal_rows(X).tolist() == first


def test_a_dense_class_is_not_taken_for_copies() -> None:
    rng = np.random.default_rng(0)
    wide, dense = rng.standard_normal((300, 20)), 5 + 0.02 * rng.standard_normal((60, 20))
    close = close_rows(np.concatenate([wide, dense]), np.arange(360))
    assert close is not None
    assert len(close.pairs) <= 1


def test_a_crowd_does_not_cost_its_square() -> None:
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.standard_normal((6_000, 8)), 1e-7 * rng.standard_normal((5_000, 8))])
    close = close_rows(X, np.arange(11_000))
    assert close is not None
    assert not close.complete


def test_wild_values_do_not_hide_copies() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 57))
    X[:, 3] = rng.standard_cauchy(200) ** 3
    X[:, 4] = 0
    X[9] = X[4] * 1.001
    close = close_rows(X, np.arange(200))
    assert close is not None
    assert close.pairs.tolist() == [[4, 9]]


def test_what_pairs_connect_gets_one_number() -> None:
    numbers = components(np.array([[0, 1], [1, 2], [4, 5]]), 6)
    assert len(set(numbers[:3])) == 1
    assert numbers[4] == numbers[5]
    assert len(set(numbers.tolist())) == 3


def test_equality_by_chance_needs_few_values() -> None:
    rng = np.random.default_rng(0)
    assert equal_by_chance(rng.standard_normal((500, 3))) < 0.01
    assert equal_by_chance(rng.integers(0, 2, (500, 3)).astype(float)) > 1000


def test_progress_ends_where_it_said(tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    audit(write(tmp_path / "t.csv", clean(4)), progress=lambda done, total, what: seen.append((done, total)))
    assert seen[-1] == (4, 4)
    assert seen == sorted(seen)


def test_the_recipe_of_the_tests_is_the_schema() -> None:
    assert GTZAN57.columns == tuple(COLUMNS)
