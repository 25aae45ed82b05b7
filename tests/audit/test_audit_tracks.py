"""The leak panel: planted leaks are found, and with labels shuffled the honest ways stay at chance."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from leaky_tracks import tracks_frame, write_tracks
from typer.testing import CliRunner

from audio_genre.audit import Audit, audit, ways
from audio_genre.audit.panel import Mistake, Panel, Way
from audio_genre.cli.audit import audit as audit_command
from audio_genre.cli.audit import panel_lines
from audio_genre.errors import ParameterError
from audio_genre.metrics import Interval

COUNTS = {"fado": 200, "jazz": 90, "rai": 50}


def planted() -> pd.DataFrame:
    """Return a table sorted by genre in which every leak is planted but for artists that tell more than their music."""
    frame = tracks_frame(COUNTS, telling=0.04)
    # A third of the songs comes again under another id, with another title and all values of sound the same.
    again = frame.iloc[::3].assign(track_id=lambda rows: rows["track_id"] + "-again", track_name="remastered")
    again["track_name"] += again["track_id"]
    # Rows of the export that are there several times.
    repeated = pd.concat([frame.iloc[1::4]] * 3)
    return pd.concat([frame, again, repeated]).sort_values("track_genre", kind="stable")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    return audit(write_tracks(tmp_path_factory.mktemp("audit") / "planted.csv", planted(), index=True), jobs=1)


def panel_of(found: Audit) -> Panel:
    assert found.panel is not None
    return found.panel


def mistake(found: Audit, title: str) -> Mistake:
    (each,) = [each for each in panel_of(found).mistakes if each.title == title]
    return each


@pytest.fixture(scope="module")
def unequal(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """Return what is found in a table whose only fault is that its genres are of very different sizes."""
    frame = tracks_frame({"fado": 400, "jazz": 90, "rai": 50}, telling=0.04)
    return audit(write_tracks(tmp_path_factory.mktemp("audit") / "unequal.csv", frame), jobs=1)


def way(accuracy: tuple[float, float, float], shuffled: tuple[float, float, float]) -> Way:
    """Return a way with so high an accuracy, and that with labels shuffled, where chance is a tenth."""
    return Way(
        "way", "forest", "subsets", 80, 20, 0.1, Interval(*accuracy), 0.5, None, None, None, Interval(*shuffled), 0.1
    )


def test_a_way_that_reaches_something_with_labels_shuffled_leaks_whatever_else_is_higher() -> None:
    honest, random = way((0.4, 0.3, 0.5), (0.1, 0.05, 0.15)), way((0.8, 0.7, 0.9), (0.15, 0.11, 0.2))
    wrong = way((0.85, 0.75, 0.95), (0.3, 0.25, 0.35))
    assert Mistake("balance", "oversampling", "balance later", wrong, honest, included=random).shows
    # What is included may be all that it reaches, with labels and with labels shuffled.
    same = way((0.85, 0.75, 0.95), (0.18, 0.12, 0.24))
    assert not Mistake("balance", "oversampling", "balance later", same, honest, included=random).shows
    # Where the honest way finds something too, the labels were not shuffled well.
    found = way((0.4, 0.3, 0.5), (0.3, 0.25, 0.35))
    assert not Mistake("balance", "oversampling", "balance later", wrong, found, included=random).shows


@pytest.mark.parametrize("name", ["oversampling", "SMOTE", "SMOTE and 1-NN"])
def test_balancing_before_the_split_is_found_even_with_labels_shuffled(unequal: Audit, name: str) -> None:
    if name.startswith("SMOTE"):
        pytest.importorskip("imblearn")
    each = mistake(unequal, f"{name} before the split")
    assert each.shows, (each.wrong.accuracy, each.honest.accuracy)
    assert each.wrong.shuffled is not None
    assert each.wrong.shuffled.low > each.wrong.shuffled_chance + 0.1
    assert each.honest.finds_nothing


@pytest.mark.parametrize(
    "title",
    [
        "row number as a feature",
        "row number as the only feature",
        "one song in two subsets",
        "artist as context, split by song",
        "repeated rows in two subsets",
    ],
)
def test_a_planted_leak_is_found(found: Audit, title: str) -> None:
    each = mistake(found, title)
    assert each.shows, (each.wrong.accuracy, each.honest.accuracy)
    assert any(finding.kind == each.kind for finding in found.of("warning"))


def test_what_is_not_planted_is_not_found(found: Audit) -> None:
    each = mistake(found, "artists in two subsets")
    assert not each.shows
    assert any(finding.kind == "leak" and "artists in two subsets" in finding.items for finding in found.of("note"))


def test_a_row_number_tells_everything_only_where_the_table_is_sorted(found: Audit, tmp_path: Path) -> None:
    assert mistake(found, "row number as the only feature").wrong.accuracy.value > 0.95
    # The rows are mixed, and the column that was exported with them still numbers them as they were.
    mixed = tracks_frame(COUNTS).sample(frac=1, random_state=0)
    mixed.insert(0, "Unnamed: 0", mixed.index)
    kept = audit(write_tracks(tmp_path / "kept.csv", mixed), jobs=1)
    assert mistake(kept, "row number as the only feature").wrong.accuracy.value > 0.95
    lost = audit(write_tracks(tmp_path / "lost.csv", mixed.drop(columns="Unnamed: 0")), jobs=1)
    assert not mistake(lost, "row number as a feature").shows


def test_with_labels_shuffled_every_honest_way_is_at_chance(found: Audit) -> None:
    honest = panel_of(found).honest
    assert {way.subsets for way in honest} == {"by song", "by artist"}
    assert len(honest) >= 4
    for way in honest:
        assert way.shuffled is not None
        assert way.finds_nothing
        assert way.shuffled.value < way.shuffled_chance + 0.1, way.name
    assert not found.serious
    wrong = mistake(found, "one song in two subsets").wrong
    assert wrong.shuffled is not None
    assert wrong.accuracy_seen > 0.9


def test_rows_that_have_a_copy_in_training_are_right_and_the_others_as_honest_rows_are(found: Audit) -> None:
    wrong = mistake(found, "one song in two subsets").wrong
    assert wrong.seen is not None
    assert 0.2 < wrong.seen < 0.7
    assert wrong.accuracy_seen > 0.9
    assert wrong.accuracy_unseen < wrong.accuracy_seen - 0.1


def test_what_reading_found_is_told(found: Audit) -> None:
    by_kind = {finding.kind: finding for finding in found.findings}
    assert by_kind["duplicate"].details == {"rows": 2 * len(tracks_frame(COUNTS).iloc[1::4]) + len(frame_repeats())}
    assert by_kind["same_name"].details["songs"] == len(tracks_frame(COUNTS).iloc[::3])
    assert by_kind["few_artists"].details["artists"]["rai"] == 13


def frame_repeats() -> pd.DataFrame:
    """Return the rows that are repeated a third time: `planted` adds each three times."""
    return tracks_frame(COUNTS).iloc[1::4]


def test_faults_are_told_with_their_numbers(tmp_path: Path) -> None:
    frame = tracks_frame(COUNTS)
    frame.loc[:4, "tempo"] = 0
    frame.loc[:2, "loudness"] = 3.0
    found = audit(write_tracks(tmp_path / "t.csv", frame), jobs=1)
    by_kind = {finding.kind: finding for finding in found.findings}
    assert by_kind["missing_values"].details["columns"]["tempo"]["zero, which means unknown"] == 5
    assert by_kind["faults"].details == {"loudness above 0 dB": 3}
    assert "duplicate" not in by_kind


def test_the_same_seed_gives_the_same_panel(found: Audit, tmp_path: Path) -> None:
    again = audit(write_tracks(tmp_path / "planted.csv", planted(), index=True), jobs=2)
    assert again.panel == found.panel


def test_a_large_table_is_sampled_by_artist_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "MAX_ROWS", 200)
    panel = panel_of(audit(write_tracks(tmp_path / "t.csv", tracks_frame(COUNTS)), jobs=1))
    assert 150 < panel.rows < 250
    assert panel.of_rows == 340
    assert "of 340, drawn by artist" in panel.headline()


def test_without_imbalanced_learn_smote_is_left_out_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imblearn", None)
    monkeypatch.setattr(ways.importlib.util, "find_spec", lambda name: None)
    panel = panel_of(audit(write_tracks(tmp_path / "t.csv", tracks_frame(COUNTS)), jobs=1))
    assert not any(each.title.startswith("SMOTE") for each in panel.mistakes)
    assert any("imbalanced-learn" in note for note in panel.notes)


def test_a_table_without_artists_is_split_by_song_and_says_so(tmp_path: Path) -> None:
    frame = tracks_frame(COUNTS).drop(columns="artists")
    found = audit(write_tracks(tmp_path / "t.csv", frame), jobs=1)
    assert {way.subsets for way in panel_of(found).honest} == {"by song"}
    assert any(finding.kind == "few_artists" for finding in found.of("warning"))


def test_a_genre_with_too_few_artists_is_left_out_by_name(tmp_path: Path) -> None:
    frame = tracks_frame({**COUNTS, "tango": 8})
    found = audit(write_tracks(tmp_path / "t.csv", frame), jobs=1)
    assert panel_of(found).left_out == ("tango",)
    assert any("tango" in finding.items for finding in found.of("warning") if finding.kind == "small_class")


def test_one_genre_gives_no_panel(tmp_path: Path) -> None:
    found = audit(write_tracks(tmp_path / "t.csv", tracks_frame({"fado": 30})), jobs=1)
    assert found.panel is None
    assert any(finding.kind == "single_class" for finding in found.findings)


def test_options_of_the_other_kind_are_refused_by_name(tmp_path: Path) -> None:
    table = write_tracks(tmp_path / "t.csv", tracks_frame(COUNTS))
    with pytest.raises(ParameterError, match="--rows is not for a table of tracks"):
        audit(table, rows="clips")
    other = tmp_path / "features.csv"
    other.write_text("filename,tempo,label\na.wav,1,jazz\n")
    with pytest.raises(ParameterError, match="--mapping is for a table of tracks"):
        audit(other, mapping="default")


def test_the_command_shows_both_ways_side_by_side_and_writes_a_page(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(audit_command)
    table = write_tracks(tmp_path / "t.csv", planted(), index=True)
    words: list[Any] = [table, "--report", tmp_path / "report", "--jobs", 1]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    saved = json.loads((tmp_path / "report" / "audit.json").read_text())
    first = saved["panel"]["mistakes"][0]
    line = next(line for line in result.stdout.splitlines() if line.startswith("row number as a feature"))
    assert f"{first['wrong']['accuracy']['value']:.3f}" in line
    assert f"{first['honest']['accuracy']['value']:.3f}" in line
    page = (tmp_path / "report" / "report.html").read_text()
    assert "Leak panel" in page
    assert "labels shuffled" in page
    assert (tmp_path / "report" / "leaks.pdf").read_bytes().startswith(b"%PDF")


def test_no_number_means_no_line_in_the_panel(found: Audit) -> None:
    lines = panel_lines(panel_of(found))
    assert len(lines) == 2 + len(panel_of(found).mistakes)
    assert sum("LEAK" in line for line in lines) == sum(each.shows for each in panel_of(found).mistakes)


def test_a_column_that_is_the_genre_is_called_out(tmp_path: Path) -> None:
    frame = tracks_frame(COUNTS)
    codes = pd.factorize(frame["track_genre"])[0]
    frame["energy"] = codes / 10
    frame["duration_ms"] = 200_000 + 1000 * codes + np.random.default_rng(0).integers(0, 300, len(frame))
    found = audit(write_tracks(tmp_path / "t.csv", frame), jobs=1)
    assert [finding.items for finding in found.of("serious") if finding.kind == "label_code"] == [("energy",)]
    assert [f.items for f in found.of("warning") if f.kind == "separating_feature"] == [("duration_ms",)]
