"""What docs/tracks.md tells people to type works, on a made-up table."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from audio_genre.cli import app
from audio_genre.datasets.tracks import load_tracks, read_mapping
from audio_genre.synthetic.tracks import make_tracks, write_tracks

DOC = Path(__file__).parents[2] / "docs/tracks.md"
# Networks and reports have tests of their own, and take long.
NOT_RUN = ("train tabular", "compare", "explore")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOC.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_tracks("tracks.csv", 600)
    write_tracks("new.csv", 200, seed=1)
    frame = make_tracks(300, genres=["jazz", "pop"]).rename(
        columns={
            "track_id": "song",
            "artists": "performer",
            "track_name": "name",
            "track_genre": "style",
            "danceability": "dance",
            "energy": "power",
            "tempo": "beats per minute",
        }
    )
    frame["performer"] = frame["performer"].str.replace(";", " feat. ")
    frame.to_csv("catalogue.csv", index=False)
    return tmp_path


def test_commands_and_examples_run(folder: Path) -> None:
    (layout,) = blocks("toml")
    Path("my_layout.toml").write_text(layout, encoding="utf-8")
    lines = [line for block in blocks("") for line in block.splitlines() if line.startswith("audio-genre")]
    assert len(lines) >= 8
    for line in lines:
        words = shlex.split(line)[1:]
        if line.startswith(tuple(f"audio-genre {command}" for command in NOT_RUN)):
            continue
        if words[0] == "train" and "--variant" not in words:
            words += ["--variant", "majority"]
        result = CliRunner().invoke(app, words)
        # An audit that finds what was planted ends with 1.
        assert result.exit_code == (1 if words[0] == "audit" else 0), f"{line}\n{result.output}"
    assert Path("answers.csv").read_text().startswith("row,genre,confidence,reason\n")

    own = load_tracks("catalogue.csv", schema="my_layout.toml")
    assert own.layout == "my_layout"
    assert {"danceability", "energy", "tempo"} <= set(own.columns)
    assert own.report["largest_set_of_linked_artists"] > 10

    (mapping,) = blocks("csv")
    Path("mapping.csv").write_text(mapping, encoding="utf-8")
    assert read_mapping("mapping.csv").of(["R&B", "urban contemporary", "comedy"]) == (
        {"R&B": "r&b and soul", "urban contemporary": "r&b and soul", "comedy": ""},
        [],
    )

    (code,) = blocks("python")
    found: dict[str, object] = {}
    exec(code, found)
    assert found["model"].name == "random-forest-with-popularity-artist"  # type: ignore[attr-defined]
