"""Genres chosen by hand: they win over the model, in every run, and can be taken back."""

from __future__ import annotations

import csv
import json
import sqlite3
import sys
from pathlib import Path

import library_helpers as helpers
import library_work
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from audio_genre.cli import app
from audio_genre.errors import LibraryError, ParameterError
from audio_genre.library import correct, corrections, run


@pytest.fixture(autouse=True)
def _own_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "data")


@pytest.fixture
def small(faked, music: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(run, "WorkerProcesses", library_work.InProcess)
    helpers.touch(music / "a" / "odd.wav", music / "a" / "x.wav", music / "ü b.wav")
    return music


def genres(report) -> dict[str, tuple[str, bool]]:
    return {file.path: (file.genre, file.by_hand) for file in report.files}


def test_a_choice_wins_over_the_model_and_can_be_taken_back(organize, small: Path) -> None:
    before = genres(organize(list_files=True))
    correct(small, {"a/odd.wav": "hum", "ü b.wav": "field  recording"})
    report = organize(list_files=True, min_confidence=1.0, apply=True)
    assert genres(report) == {
        "a/odd.wav": ("hum", True),
        "a/x.wav": ("unknown", False),
        "ü b.wav": ("field recording", True),
    }
    assert report.by_hand == 2
    assert {file.path: file.model_genre for file in report.files}["a/odd.wav"] in ("hiss", "hum")
    assert (small / "playlists" / "field recording.m3u8").read_text().endswith("../ü b.wav\n")
    correct(small, dict.fromkeys(before))
    assert genres(organize(list_files=True)) == before


def test_a_choice_has_no_confidence(small: Path, bundle: Path, tmp_path: Path) -> None:
    common = ["organize", str(small), "--model", str(bundle), "--database", str(tmp_path / "d.sqlite"), "--jobs", "1"]
    table = tmp_path / "o.csv"
    first = CliRunner().invoke(app, [*common, "--json"])
    before = {file["path"]: file["confidence"] for file in json.loads(first.stdout)["files"]}
    assert all(before.values())
    common += ["--known-only", "--csv", str(table)]
    done = CliRunner().invoke(app, [*common, "--correct", "a/x.wav=jazz", "--list"])
    lines = {line.split()[2]: line.split()[:2] for line in done.stdout.splitlines() if ".wav" in line}
    assert lines["a/x.wav"] == ["jazz", "-"]
    assert lines["a/odd.wav"][1] == f"{before['a/odd.wav']:.3f}"
    told = {
        file["path"]: file["confidence"]
        for file in json.loads(CliRunner().invoke(app, [*common, "--json"]).stdout)["files"]
    }
    assert told == before | {"a/x.wav": None}
    with table.open(encoding="utf-8", newline="") as file:
        written = {row["path"]: row["confidence"] for row in csv.DictReader(file)}
    assert written == {path: "" if path == "a/x.wav" else repr(value) for path, value in before.items()}
    [file] = [
        file
        for file in run.organize(
            small, model=bundle, known_only=True, list_files=True, database=tmp_path / "d.sqlite"
        ).files
        if file.by_hand
    ]
    assert (file.confidence, file.model_confidence) == (None, before["a/x.wav"])


def test_a_choice_holds_for_another_model_and_another_folder(organize, small: Path, tmp_path: Path) -> None:
    correct(small / "a", {"x.wav": "unknown"})
    report = organize(list_files=True, database=tmp_path / "other.sqlite")
    assert genres(report)["a/x.wav"] == ("unknown", True)


def test_a_choice_moves_with_the_library(small: Path, bundle: Path) -> None:
    run.organize(small, model=bundle, jobs=1)
    correct(small, {"a/x.wav": "jazz"})
    moved = small.rename(small.with_name("moved"))
    assert genres(run.organize(moved, model=bundle, jobs=1, list_files=True))["a/x.wav"] == ("jazz", True)
    assert corrections.corrections(small) == {}


def test_a_choice_is_written_over_a_tag_whatever_the_confidence(organize, music: Path) -> None:
    from mutagen.wave import WAVE

    file = helpers.write(music / "x.wav")
    for genre in ("jazz", "lullaby"):
        correct(music, {"x.wav": genre})
        organize(apply=True, write_tags=True, overwrite=True, overwrite_confidence=1.0, playlists=False)
        assert WAVE(file).tags["TCON"].text == [genre.title()]


@pytest.mark.parametrize("path", ["../x.wav", "/etc/passwd", "", "a/../../x", "a\0b"])
def test_a_path_that_leads_out_is_refused(small: Path, path: str) -> None:
    with pytest.raises(ParameterError, match="is no path below"):
        correct(small, {path: "jazz"})


def test_what_cannot_be_kept_is_told(small: Path, tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match=r"There is no file gone\.wav"):
        correct(small, {"gone.wav": "jazz"})
    for genre in ("", " ", "x" * 61, "a\x00b"):
        with pytest.raises(ParameterError, match="must be a line of 1 to 60 letters"):
            correct(small, {"a/x.wav": genre})
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "corrections.sqlite").write_bytes(b"no database" * 99)
    with pytest.raises(LibraryError, match="chosen by hand"):
        correct(small, {"a/x.wav": "jazz"})


def test_another_program_s_lock_is_told(small: Path, tmp_path: Path) -> None:
    correct(small, {"a/x.wav": "jazz"})
    other = sqlite3.connect(tmp_path / "data" / "corrections.sqlite")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LibraryError, match="Another program uses"):
        correct(small, {"a/x.wav": "pop"})
    other.close()


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=()), min_size=1, max_size=8).filter(
    lambda name: name not in (".", "..")
)


@given(st.dictionaries(NAMES, st.sampled_from(["jazz", "été"]), max_size=4), NAMES)
def test_what_is_kept_is_read_again(names: dict[str, str], other: str) -> None:
    """Names need not be valid text, and one folder's choices are no other's."""
    with corrections._Corrections(None) as store:
        store.keep({f"/music/{name}": genre for name, genre in names.items() if _is_storable(name)})
        store.keep({f"/music{other}/x": "pop"} if _is_storable(other) else {})
        assert store.below(Path("/music")) == {name: genre for name, genre in names.items() if _is_storable(name)}


def _is_storable(name: str) -> bool:
    try:
        name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def test_from_the_command_line(small: Path, bundle: Path, tmp_path: Path) -> None:
    common = ["organize", str(small), "--model", str(bundle), "--database", str(tmp_path / "d.sqlite"), "--jobs", "1"]
    done = CliRunner().invoke(app, [*common, "--correct", "a/x.wav=jazz", "--list"])
    assert "1 file has a genre that was chosen by hand." in done.output
    assert "a/x.wav (chosen by hand)" in done.output
    done = CliRunner().invoke(app, [*common, "--correct", "a/x.wav=", "--known-only", "--json"])
    assert json.loads(done.output)["by_hand"] == 0
    done = CliRunner().invoke(app, [*common, "--correct", "a/x.wav"])
    assert (done.exit_code, "needs FILE=GENRE" in done.output) == (2, True)


ODD_NAMES = ["\\back.wav", "new\nline.wav", "a\\nb.wav", "d\x08\r/\udcff x.wav", "=1\t.wav", "plain.wav"]


@pytest.mark.skipif(sys.platform != "linux", reason="makes files with odd names")
@pytest.mark.parametrize("way", ["--list", "--csv", "--excel-safe"])
def test_a_path_is_taken_as_it_is_shown(
    faked, music: Path, bundle: Path, tmp_path: Path, monkeypatch, way: str
) -> None:
    monkeypatch.setattr(run, "WorkerProcesses", library_work.InProcess)
    helpers.touch(*(music / name for name in ODD_NAMES))
    common = ["organize", str(music), "--model", str(bundle), "--database", str(tmp_path / "d.sqlite"), "--jobs", "1"]
    common.append("--no-playlists")
    table = tmp_path / "o.csv"
    safe = ["--excel-safe"] if way == "--excel-safe" else []
    done = CliRunner().invoke(app, [*common, "--list", "--csv", str(table), *safe])
    if way == "--list":
        shown = [line.split(maxsplit=2)[2] for line in done.stdout.splitlines() if line.endswith(".wav")]
    else:
        with table.open(encoding="utf-8", newline="") as file:
            shown = [row["path"] for row in csv.DictReader(file)]
    assert len(shown) == len(ODD_NAMES)
    for path in shown:
        done = CliRunner().invoke(app, [*common, "--known-only", "--correct", f"{path}=jazz"])
        assert done.exit_code == 0, done.output
    assert corrections.corrections(music) == dict.fromkeys(ODD_NAMES, "jazz")
    for name in ODD_NAMES:
        (music / name).unlink()
    for path in shown:
        CliRunner().invoke(app, [*common, "--known-only", "--correct", f"{path}="])
    assert corrections.corrections(music) == {}


@pytest.mark.skipif(sys.platform != "linux", reason="makes files with odd names")
def test_a_path_that_is_shown_for_two_files_is_refused(small: Path) -> None:
    helpers.touch(small / "a\t\\n.wav", small / "a\\t\n.wav")
    done = CliRunner().invoke(app, ["organize", str(small), "--correct", r"a\t\n.wav=jazz"])
    assert (done.exit_code, "may be any of" in done.output) == (2, True)


def test_only_what_is_known(organize, small: Path) -> None:
    assert organize(known_only=True, list_files=True).files == ()
    organize()
    helpers.touch(small / "new.wav")
    report = organize(known_only=True, list_files=True)
    assert (report.found, report.kept, report.classified, len(report.files)) == (4, 3, 0, 3)


def test_links_that_lead_out_are_refused(organize, small: Path, tmp_path: Path) -> None:
    helpers.touch(tmp_path / "outside" / "secret.wav")
    (small / "out").symlink_to(tmp_path / "outside")
    (small / "out.wav").symlink_to(tmp_path / "outside" / "secret.wav")
    (small / "in.wav").symlink_to(small / "a" / "x.wav")
    told = helpers.Recorder()
    report = organize(stay_inside=True, list_files=True, progress=told)
    assert [file.path for file in report.files] == ["a/odd.wav", "a/x.wav", "in.wav", "ü b.wav"]
    assert told.notes == [
        f"The {name} cannot be read: it is a link that leads out of the library."
        for name in ("folder out", "file out.wav")
    ]
    assert organize(list_files=True).found == 6
