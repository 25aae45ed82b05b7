"""``audio-genre demo --tracks``: the commands that it prints are those that it runs, and its story is counted."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from audio_genre.cli import app, demo_tracks
from audio_genre.errors import ParameterError

pytest.importorskip("pandas")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def answers(folder: Path, kept: bool) -> list[str]:
    """Return the answers for new tracks of the seven genres, or of the others."""
    with (folder / "new.csv").open() as table, (folder / "answers.csv").open() as found:
        rows = zip(csv.DictReader(table), csv.DictReader(found), strict=True)
        return [a["genre"] for row, a in rows if (row["track_genre"] in (*demo_tracks._SEVEN, "R&B")) == kept]


def test_it_goes_all_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow, of the extra train, is not installed")
    monkeypatch.setattr(demo_tracks, "_ROWS", 600)
    monkeypatch.setattr(demo_tracks, "_EPOCHS", 1)
    # Exploring takes long, and has tests of its own.
    steps = demo_tracks._steps
    monkeypatch.setattr(
        demo_tracks, "_steps", lambda folder, seed: [s for s in steps(folder, seed) if s.commands[0][0] != "explore"]
    )
    folder = tmp_path / "demo"
    result = run("demo", "--tracks", folder, "--seed", 1)
    assert result.exit_code == 0, result.output
    for command in ("tracks prepare", "train baseline", "train tabular", "audit", "compare", "tracks classify"):
        assert f"$ audio-genre {command}" in result.stdout
    for made in ("prepared/preparation.json", "models/mlp-256-128-artist-seed1/card.json", "report/report.html"):
        assert (folder / made).is_file()
    by_song, by_artist = re.findall(
        r"accuracy of (\d\.\d{3})|of (\d\.\d{3}) ", result.stdout[result.stdout.find("What") :]
    )
    assert float(by_song[0]) > float(by_artist[1]) + 0.05
    assert "AUROC" in result.stdout
    outside = answers(folder, kept=False)
    assert f"Of {len(outside)} new tracks of other genres {outside.count('unknown')} got none" in result.stdout
    inside = answers(folder, kept=True)
    assert f"Of {len(inside)} new tracks of the seven genres" in result.stdout
    assert f"and {inside.count('unknown')} none (unknown)" in result.stdout


def test_without_tensorflow_it_says_so_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise ParameterError("Training a network needs TensorFlow, which is not installed.")

    steps = [step for step in demo_tracks._steps(tmp_path, 0) if step.network]
    after = demo_tracks._Step("After it", (("tracks", "prepare", tmp_path / "tracks.csv", tmp_path / "out"),))
    monkeypatch.setattr("audio_genre.training.backend.require_keras", refuse)
    monkeypatch.setattr(demo_tracks, "_steps", lambda folder, seed: [*steps, after])
    monkeypatch.setattr(demo_tracks, "_story", lambda folder, seed: [])
    result = run("demo", "--tracks", tmp_path)
    assert result.exit_code == 0, result.output
    assert "Left out: Training a network needs TensorFlow" in result.stdout
    assert "$ audio-genre train tabular" not in result.stdout
    assert (tmp_path / "out" / "preparation.json").is_file()


def test_a_command_that_fails_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = demo_tracks._Step("Wrong", (("tracks", "prepare", tmp_path / "absent.csv", tmp_path / "out"),))
    monkeypatch.setattr(demo_tracks, "_steps", lambda folder, seed: [wrong])
    result = run("demo", "--tracks", tmp_path)
    assert result.exit_code == 2
    assert "absent.csv cannot be read" in result.stderr
    assert "What it shows" not in result.stdout


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("demo", "--tracks", tmp_path / "file" / "demo")
    assert result.exit_code == 2
    assert "cannot be made" in result.stderr
