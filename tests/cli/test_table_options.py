"""What commands that read a table say of its rows, and the options that tell what they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from small_reports import small_exploration
from typer.testing import CliRunner, Result

from audio_genre.cli import app
from audio_genre.datasets import GTZAN57_TABLE


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_exploration(monkeypatch)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def write(path: Path, rows: Sequence[tuple[str, int, str]]) -> Path:
    """Write rows of name, length and label, with random features, the label again and the start of the name."""
    rng = np.random.default_rng(0)
    lines = [",".join(["filename", "length", *GTZAN57_TABLE.features, "label", "mood", "album"])]
    for name, length, label in rows:
        values = ",".join(f"{value:.3f}" for value in rng.normal(size=57))
        lines.append(f"{name},{length},{values},{label},{label},{name[:3]}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def numbered(length: int = 66150) -> list[tuple[str, int, str]]:
    return [(f"{g}{t:02d}.{k}.wav", length + k, g) for g in ("a", "b") for t in range(12) for k in range(3)]


def commands(table: Path) -> dict[str, list[object]]:
    folder = table.parent
    return {
        "baseline": ["train", "baseline", table, folder / "models", "--variant", "majority"],
        "explore": ["explore", table, folder / "report"],
        "audit": ["audit", table],
    }


@pytest.mark.parametrize("command", ["baseline", "explore", "audit"])
def test_a_guess_is_said_once_and_can_be_overruled(tmp_path: Path, command: str) -> None:
    table = write(tmp_path / "songs.csv", numbered())
    words = commands(table)[command]
    said = "72 rows are treated as parts of 24 tracks"
    result = run(*words)
    assert result.output.count(said) == 1, result.output
    assert "--rows clips" in result.output
    assert "--group-column" in result.output
    options = [["--rows", "segments"], ["--rows", "clips"], ["--group-column", "album"]]
    # A report takes its time.
    for option in options[:1] if command == "explore" else options:
        assert said not in run(*words, *option).output


def test_a_class_of_one_track_tells_the_way_out_and_it_works(tmp_path: Path) -> None:
    table = write(tmp_path / "songs.csv", [(f"{g}.{k}.wav", 661500 + k, g) for g in ("jazz", "rock") for k in range(9)])
    words = commands(table)["baseline"]
    result = run(*words)
    assert result.exit_code == 2
    assert "has 1 track" in result.stderr
    assert "--rows clips" in result.stderr.splitlines()[-1]
    assert run(*words, "--rows", "clips").exit_code == 0


@pytest.mark.parametrize(("command", "status"), [("baseline", 2), ("explore", 2), ("audit", 1)])
def test_a_track_under_two_labels_is_refused_or_settled(tmp_path: Path, command: str, status: int) -> None:
    rows = numbered()
    rows[1] = (*rows[1][:2], "b")
    words = commands(write(tmp_path / "songs.csv", rows))[command]
    result = run(*words)
    assert result.exit_code == status
    assert "--conflicts keep-first" in result.output
    if command == "audit":
        return
    assert "1 track under several labels (3 rows)" in result.output
    settled = run(*words, "--conflicts", "drop", "--json")
    assert settled.exit_code == 0, settled.output
    assert "1 track under several labels: 3 of 72 rows left out" in settled.stderr
    found = json.loads(settled.stdout.splitlines()[0])
    assert (found["training_data"]["rows"] if command == "baseline" else found["rows"]) == 69


def test_another_label_column(tmp_path: Path) -> None:
    table = write(tmp_path / "songs.csv", numbered())
    for command, words in commands(table).items():
        assert command == "explore" or run(*words, "--label-column", "mood").exit_code == 0
        assert "has no column 'style'" in run(*words, "--label-column", "style").output


def test_options_of_a_table_are_refused_for_a_folder(tmp_path: Path) -> None:
    result = run("audit", tmp_path, "--rows", "clips")
    assert result.exit_code == 2
    assert "is a folder, and --rows is for tables" in result.stderr


def test_splits_and_protocol_exclude_each_other(tmp_path: Path) -> None:
    words = commands(write(tmp_path / "songs.csv", numbered()))["baseline"]
    lists = tmp_path / "lists"
    lists.mkdir()
    for subset, tracks in (("train", range(6)), ("val", range(6, 8)), ("test", range(8, 10))):
        (lists / f"{subset}.txt").write_text("\n".join(f"{g}{t:02d}.wav" for g in "ab" for t in tracks) + "\nnone.wav")
        (lists / f"{subset}.txt").write_text((lists / f"{subset}.txt").read_text().replace("none", f"none {subset}"))
    result = run(*words, "--splits", lists)
    assert result.exit_code == 0, result.output
    assert "The protocol splits:lists leaves 12 rows of 72 out." in result.stderr
    assert "No row is named like 3 of the 23 names in the lists." in result.stderr
    assert "protocol: splits:lists" in result.stdout
    for options, message in (
        (["--splits", lists, "--protocol", "segment"], "both define the split"),
        (["--leaky"], "--leaky is for lists"),
        (["--splits", tmp_path / "none"], "cannot be read"),
        (["--splits", lists, "--folds", "3"], "one split and no folds"),
    ):
        refused = run(*words, *options)
        assert refused.exit_code == 2
        assert message in refused.stderr
