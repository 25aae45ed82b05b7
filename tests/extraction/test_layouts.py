"""Data sets that are not one folder per genre: tables of labels, folders for the subsets of a split."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path

import extraction_helpers as helpers
import extraction_work
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_genre.errors import ExtractionError, ParameterError
from audio_genre.extraction import extract, run
from audio_genre.extraction.labels import LabelTable, read_labels
from audio_genre.extraction.layout import Layout
from audio_genre.files.walk import Clip

FMA = (
    ",album,album,track,track\n"
    ",comments,tags,bit_rate,genre_top\n"
    "track_id,,,,\n"
    "2,0,[],256000,Hip-Hop\n"
    '3,0,"[""x"", ""y""]",256000,Old-Time / Historic\n'
    "5,0,[],256000,\n"
    "10,0,[],192000,Pop\n"
)


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_text(text, encoding=encoding, newline="")
    return path


def rows_of(out: Path) -> dict[str, str]:
    table = helpers.read_table(out / "features_30_sec.csv")
    return dict(zip(table["filename"], table["label"], strict=True))


def pictures_of(out: Path) -> set[str]:
    folder = out / "images_original"
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "extract_clip", extraction_work.quick)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("path,label\nx.wav,jazz\ny.wav,rock\n", "utf-8"),
        ("filename;genre\nx.wav;jazz\ny.wav;rock\n", "utf-8-sig"),
        ("sep=;\r\nName;Tempo;Genre\r\nx.wav;1,5;jazz\r\ny.wav;2,5;rock\r\n", "utf-8"),
        ("file\tgenre_top\nx.wav\tjazz\n\ny.wav\trock\n", "utf-8"),
        ("x.wav,jazz\ny.wav,rock\n", "utf-8"),
        ('"jazz","a, b","album","track","1","x.wav"\n"rock","c","album","track","2","y.wav"\n', "utf-8"),
        ("filename,length,label\nx.wav,1,jazz\ny.wav,1,rock\n", "utf-8"),
        ("note,path,label\ncafé,x.wav,jazz\n,y.wav,rock\n", "cp1252"),
    ],
)
def test_tables_of_labels(text: str, encoding: str, tmp_path: Path) -> None:
    table = read_labels(write(tmp_path / "labels.csv", text, encoding))
    assert table.rows == (("x.wav", "jazz"), ("y.wav", "rock"))


def test_the_column_of_labels_can_be_chosen(tmp_path: Path) -> None:
    path = write(tmp_path / "labels.csv", "path,label,mood\nx.wav,jazz,calm\n")
    assert read_labels(path, "Mood").rows == (("x.wav", "calm"),)
    with pytest.raises(ExtractionError, match=r"no column 'moods' besides the names; it has 'path', 'label', 'mood'"):
        read_labels(path, "moods")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", r"is empty; give one with a path and a label"),
        ("path,mood\nx.wav,calm\n", r"no column of labels that is known by its name; .* --label-column; it has 'path'"),
        ("a,b\n1,2\n", r"no column of file names that is known by its name"),
    ],
)
def test_tables_that_are_none(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ExtractionError, match=sentence):
        read_labels(write(tmp_path / "labels.csv", text))


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ExtractionError, match=r"cannot be read: No such file or directory; check the path given with"):
        read_labels(tmp_path / "none.csv")
    with pytest.raises(ParameterError, match=r"'mood' is one of a table of labels; give the table with --labels"):
        extract(tmp_path, tmp_path / "out", label_column="mood")


def test_fma(quick: None, tmp_path: Path) -> None:
    for number in (2, 3, 5, 134):
        helpers.touch(tmp_path / f"audio/{number // 1000:03d}/{number:06d}.mp3")
    recorder = helpers.Recorder()
    labels = write(tmp_path / "tracks.csv", FMA)
    extract(tmp_path / "audio", tmp_path / "out", jobs=1, labels=labels, progress=recorder)
    assert recorder.notes == [
        "The label 'Old-Time / Historic' is written 'Old-Time - Historic', because it names a folder of pictures.",
        f"Labels of 2 of 4 audio files are in {labels}; 2 without one, such as 000/000005.mp3, have an empty "
        "label in the tables; 1 row of it, such as '10', match no audio file.",
    ]
    assert rows_of(tmp_path / "out") == {
        "000/000002.mp3": "Hip-Hop",
        "000/000003.mp3": "Old-Time - Historic",
        "000/000005.mp3": "",
        "000/000134.mp3": "",
    }
    pictures = pictures_of(tmp_path / "out")
    assert {"Hip-Hop/000/000002.png", "Old-Time - Historic/000/000003.png"} <= pictures
    assert {name.partition("-")[0] for name in pictures if "/" not in name} == {"000005", "000134"}


@pytest.mark.parametrize(
    ("row", "meant"),
    [
        ("a/01.wav", "a/01.wav"),
        ("./a\\01.wav", "a/01.wav"),
        ("/home/x/data/b/01.wav", "b/01.wav"),
        ("A/01.wav", "a/01.wav"),
        ("unique.wav", "b/deep/unique.wav"),
        ("elsewhere/unique.wav", "b/deep/unique.wav"),
        ("unique", "b/deep/unique.wav"),
        ("unique.mp3", "b/deep/unique.wav"),
        ("7", "b/000007.ogg"),
        ("007", "b/000007.ogg"),
        ("7.0", "b/000007.ogg"),
        ("7.5", None),
        ("missing.wav", None),
        ("", None),
    ],
)
def test_what_a_row_means(row: str, meant: str | None) -> None:
    paths = ["a/01.wav", "b/01.wav", "b/000007.ogg", "b/deep/unique.wav", "c/other.wav"]
    table = LabelTable(Path("t.csv"), "", ((row, "jazz"), ("c/other.wav", "rock")))
    labels, sentence = table.match(paths)
    assert labels == {"c/other.wav": "rock"} | ({meant: "jazz"} if meant else {})
    assert ("match no audio file" in sentence) == (meant is None)


def test_whole_paths_below_the_audio_folder(tmp_path: Path) -> None:
    audio = tmp_path / "audio"
    audio.mkdir()
    (tmp_path / "link").symlink_to(audio)
    # Without the folder, each row could be several files.
    paths = ["01.wav", "rock/01.wav", "rock/rock/01.wav", "12.wav", "12.0.wav"]
    for folder in (audio, tmp_path / "link"):
        rows = [(str(folder / path), f"label of {path}") for path in paths]
        table = LabelTable(Path("t.csv"), "", tuple(rows))
        assert table.match(paths, folder)[0] == {path: f"label of {path}" for path in paths}
    # A link is another name of the folder.
    table = LabelTable(Path("t.csv"), "", ((str(audio / "01.wav"), "jazz"),))
    assert table.match(paths, tmp_path / "link")[0] == {"01.wav": "jazz"}
    with pytest.raises(ExtractionError, match="could mean several files"):
        table.match(paths)


def test_a_name_that_could_be_several_files_is_refused() -> None:
    table = LabelTable(Path("t.csv"), "", (("01.wav", "jazz"), ("c/01.wav", "rock")))
    with pytest.raises(
        ExtractionError, match=r"1 name in t.csv could mean several files, such as '01.wav': a/01.wav or"
    ):
        table.match(["a/01.wav", "b/01.wav", "c/01.wav"])


def test_a_file_with_two_labels_is_refused_unless_one_row_is_surer() -> None:
    rows = (("a/x.wav", "jazz"), ("a/x.wav", "rock"))
    with pytest.raises(ExtractionError, match=r"two labels for 1 file, such as a/x.wav: 'jazz' and 'rock'; leave one"):
        LabelTable(Path("t.csv"), "", rows).match(["a/x.wav"])
    assert LabelTable(Path("t.csv"), "", (("x", "rock"), *rows[:1])).match(["a/x.wav"])[0] == {"a/x.wav": "jazz"}


def test_a_row_of_a_missing_file_does_not_label_another_one() -> None:
    rows = (("a/01.wav", "jazz"), ("b/01.wav", "rock"), ("c/02.wav", "pop"))
    assert LabelTable(Path("t.csv"), "", rows).match(["d/01.wav", "c/02.wav"])[0] == {"c/02.wav": "pop"}


def test_a_table_of_other_files_is_refused() -> None:
    with pytest.raises(ExtractionError, match=r"None of the 1 row of t.csv matches one of the 1 audio files; give a"):
        LabelTable(Path("t.csv"), "", (("y.wav", "jazz"),)).match(["x.wav"])


NAMES = st.text("ab01/", min_size=1, max_size=6).map(lambda name: name.strip("/") or "x")


@given(st.dictionaries(NAMES.map(lambda name: f"{name}.wav"), st.sampled_from(["jazz", "rock"]), min_size=1))
def test_rows_with_whole_paths_are_never_mistaken(labels: dict[str, str]) -> None:
    plain = {path: label for path, label in labels.items() if "//" not in path}
    if plain:
        table = LabelTable(Path("t.csv"), "", tuple(plain.items()))
        assert table.match(list(plain))[0] == plain


def test_other_labels_are_not_computed_again(tmp_path: Path) -> None:
    """Two labels are swapped, and pictures of one name in two folders with them."""
    audio, out = tmp_path / "audio", tmp_path / "out"
    for k, name in enumerate(("x.wav", "y.wav", "z.wav")):
        helpers.write_clip(audio / name, seed=k)
    table = write(tmp_path / "labels.csv", "path,label\nx.wav,jazz\ny.wav,rock\nz.wav,rock\n")
    extract(audio, out, jobs=1, labels=table)
    assert pictures_of(out) == {"jazz/x.png", "rock/y.png", "rock/z.png"}
    before = {path.stem: path.read_bytes() for path in (out / "images_original").rglob("*.png")}
    write(table, "path,label\nx.wav,rock\ny.wav,pop\nz.wav,rock\n")
    recorder = helpers.Recorder()
    report = extract(audio, out, jobs=1, labels=table, progress=recorder)
    assert (report.todo, recorder.paths) == (0, [])
    assert rows_of(out) == {"x.wav": "rock", "y.wav": "pop", "z.wav": "rock"}
    assert pictures_of(out) == {"rock/x.png", "pop/y.png", "rock/z.png"}
    assert not (out / "images_original/jazz").exists()
    assert {path.stem: path.read_bytes() for path in (out / "images_original").rglob("*.png")} == before
    relabelled = helpers.outputs(out)
    fresh = extract(audio, tmp_path / "fresh", jobs=1, labels=table)
    assert helpers.outputs(fresh.out_dir) == relabelled
    sidecar = json.loads((out / "extraction.json").read_text())
    assert sidecar["layout"]["labels"]["file"] == "labels.csv"


def test_clips_in_a_folder_that_cannot_be_read_get_other_labels_too(quick: None, tmp_path: Path) -> None:
    audio, out = tmp_path / "audio", tmp_path / "out"
    for name in ("a/x.wav", "a/y.wav", "a/z.wav", "b/v.wav"):
        helpers.touch(audio / name)
    table = write(tmp_path / "labels.csv", "path,label\nx.wav,jazz\ny.wav,rock\nv.wav,rock\n")
    extract(audio, out, jobs=1, labels=table)
    for text in ("path,label\nx.wav,rock\nz.wav,pop\nv.wav,rock\n", "path,label\nx.wav,rock\nv.wav,pop\n", None):
        if text is not None:
            write(table, text)
        labels = None if text is None else table
        with helpers.hidden(audio / "a", errno.ESTALE):
            assert extract(audio, out, jobs=1, labels=labels).failed == 1
        rows = helpers.without_failures(out)
        assert extract(audio, out, jobs=1, labels=labels).todo == 0
        assert helpers.without_failures(out) == rows
        fresh = extract(audio, tmp_path / "fresh", jobs=1, labels=labels, restart=True)
        assert helpers.without_failures(fresh.out_dir) == rows


def test_without_its_table_labels_are_those_of_folders_again(quick: None, tmp_path: Path) -> None:
    helpers.touch(tmp_path / "audio/a/x.wav")
    table = write(tmp_path / "labels.csv", "path,label\nx.wav,jazz\n")
    extract(tmp_path / "audio", tmp_path / "out", jobs=1, labels=table)
    assert (rows_of(tmp_path / "out"), pictures_of(tmp_path / "out")) == ({"a/x.wav": "jazz"}, {"jazz/a/x.png"})
    assert extract(tmp_path / "audio", tmp_path / "out", jobs=1).todo == 0
    assert (rows_of(tmp_path / "out"), pictures_of(tmp_path / "out")) == ({"x.wav": "a"}, {"a/x.png"})


@pytest.mark.parametrize("names", [("train", "test"), ("Training", "valid", "Test"), ("train", "val", "eval")])
def test_folders_for_the_subsets_of_a_split(names: tuple[str, ...], quick: None, tmp_path: Path) -> None:
    for name in names:
        for file in ("jazz/x.wav", "rock/deep/y.wav"):
            helpers.touch(tmp_path / "audio" / name / file)
    recorder = helpers.Recorder()
    report = extract(tmp_path / "audio", tmp_path / "out", jobs=1, progress=recorder)
    assert recorder.notes == [
        f"The folders {', '.join(sorted(names))} are treated as the subsets of a split, and those in them for genres; "
        "splits lists the clips of each subset."
    ]
    assert rows_of(report.out_dir) == {
        f"{name}/{file}": label for name in names for file, label in (("x.wav", "jazz"), ("deep/y.wav", "rock"))
    }
    assert pictures_of(report.out_dir) == {
        f"{label}/{name}/{file}.png" for name in names for file, label in (("x", "jazz"), ("deep/y", "rock"))
    }
    lists = {path.stem: path.read_text().split() for path in (report.out_dir / "splits").iterdir()}
    assert set(lists) == ({"train", "test"} if len(names) == 2 else {"train", "validation", "test"})
    assert lists["train"] == [f"jazz/{names[0]}/x.wav", f"rock/{names[0]}/deep/y.wav"]
    assert extract(tmp_path / "audio", tmp_path / "out", jobs=1).todo == 0
    before = helpers.outputs(report.out_dir)
    (report.out_dir / "splits/test.txt").unlink()
    extract(tmp_path / "audio", tmp_path / "out", jobs=1)
    assert helpers.outputs(report.out_dir) == before


def test_lists_go_with_their_folders(quick: None, tmp_path: Path) -> None:
    for file in ("train/jazz/x.wav", "test/jazz/y.wav"):
        helpers.touch(tmp_path / "audio" / file)
    extract(tmp_path / "audio", tmp_path / "out", jobs=1)
    helpers.touch(tmp_path / "audio/other/z.wav")
    # A subset would pass for a genre.
    with pytest.raises(ExtractionError, match="beside others, such as 'other', so it cannot be told which are genres"):
        extract(tmp_path / "audio", tmp_path / "out", jobs=1)
    (tmp_path / "audio/test").rename(tmp_path / "audio/jazz")
    extract(tmp_path / "audio", tmp_path / "out", jobs=1)
    assert not (tmp_path / "out/splits").exists()
    assert set(rows_of(tmp_path / "out").values()) == {"train", "jazz", "other"}


def test_labels_and_subsets_go_together(quick: None, tmp_path: Path) -> None:
    for file in ("train/x.wav", "test/y.wav"):
        helpers.touch(tmp_path / "audio" / file)
    table = write(tmp_path / "labels.csv", "path,label\nx.wav,jazz\ny.wav,rock\n")
    extract(tmp_path / "audio", tmp_path / "out", jobs=1, labels=table)
    assert rows_of(tmp_path / "out") == {"train/x.wav": "jazz", "test/y.wav": "rock"}
    assert (tmp_path / "out/splits/test.txt").read_text() == "rock/test/y.wav\n"


def test_lists_of_others_are_not_replaced(quick: None, tmp_path: Path) -> None:
    for file in ("train/jazz/x.wav", "test/jazz/y.wav"):
        helpers.touch(tmp_path / "audio" / file)
    (tmp_path / "out/splits").mkdir(parents=True)
    write(tmp_path / "out/splits/test.txt", "mine")
    with pytest.raises(
        ExtractionError, match=r"splits/test.txt was not written by an extraction and would be replaced"
    ):
        extract(tmp_path / "audio", tmp_path / "out", jobs=1)


@pytest.mark.parametrize("names", [("train",), ("train", "rock"), ("test", "valid"), ("jazz", "test")])
def test_genres_are_not_taken_for_subsets(names: tuple[str, ...], quick: None, tmp_path: Path) -> None:
    for name in names:
        helpers.touch(tmp_path / "audio" / name / "x.wav")
    extract(tmp_path / "audio", tmp_path / "out", jobs=1)
    assert set(helpers.read_table(tmp_path / "out/features_30_sec.csv")["label"]) == set(names)
    assert not (tmp_path / "out/splits").exists()


PATHS = st.lists(st.text("ab", min_size=1, max_size=2), min_size=1, max_size=4)


@pytest.mark.parametrize(
    "layout_of",
    [
        lambda labels: Layout(),
        lambda labels: Layout({"a": "train", "b": "test"}),
        lambda labels: Layout(labels=labels),
    ],
    ids=["folders", "subsets", "labels"],
)
@given(st.dictionaries(PATHS.map("/".join), st.sampled_from(["", "a", "b"]), min_size=1))
def test_no_two_clips_have_one_name(layout_of: Callable[[dict[str, str]], Layout], labels: dict[str, str]) -> None:
    layout = layout_of(labels)
    placed = []
    for path in labels:
        label, slash, name = path.partition("/")
        # Where there are subsets, all folders are.
        if not (layout.subsets and slash) or label in layout.subsets:
            placed.append(layout.place(Clip(path, label if slash else "", name or path, path, 1, 0)))
    assert len({(clip.label, clip.filename) for clip in placed}) == len(placed)
    assert len({clip.picture for clip in placed}) == len(placed)
    assert all(clip.picture.startswith(f"{clip.label}/") for clip in placed if clip.label)
    if layout.labels or layout.subsets:
        assert all(clip.label or "/" not in clip.picture for clip in placed)
