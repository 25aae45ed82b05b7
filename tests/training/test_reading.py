"""What a card says of how a table was read and its rows were put together to tracks."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from feature_tables import write_table

from audio_genre.datasets import Table, load_table, read_splits
from audio_genre.training import train_baseline


def card_of(table: Table, models: Path, **options: Any) -> dict[str, Any]:
    (model,) = train_baseline(table, models, variant="majority", **options)
    found: dict[str, Any] = json.loads((model.path / "card.json").read_text())
    return found


@pytest.fixture
def jittered(tmp_path: Path) -> Path:
    """A table of segments whose lengths differ, so that it is a guess that they are segments."""
    path = write_table(tmp_path / "songs.csv", segments=3)
    path.write_text(path.read_text().replace(".0.wav,66149,", ".0.wav,66400,"))
    return path


def test_a_guess_stands_in_the_card_and_among_the_limits(jittered: Path, tmp_path: Path, segments: Table) -> None:
    card = card_of(load_table(jittered), tmp_path / "models")
    assert card["window"] == {"kind": "segment", "seconds": 3.0}
    assert card["training_data"]["tracks"] == 30
    assert card["training_data"]["grouping"] == {"by": "names", "certain": False}
    assert "--rows clips" in card["training_data"]["notes"][0]
    assert any(limit.startswith("It is a guess which rows are of one track.") for limit in card["limits"])
    assert "reading" not in card["identity"]
    sure = card_of(segments, tmp_path / "models")
    assert sure["training_data"]["grouping"] == {"by": "names", "certain": True}
    assert not any("guess" in limit for limit in sure["limits"])


def test_the_same_file_read_in_another_way_is_another_model(jittered: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    one = card_of(load_table(jittered), models)
    other = card_of(load_table(jittered, rows="clips"), models)
    assert other["training_data"]["tracks"] == 90
    assert other["window"]["kind"] == "clip"
    assert other["training_data"]["grouping"] == {"by": "option", "certain": True}
    assert other["identity"] != one["identity"]
    words = shlex.split(other["command"])
    assert words[words.index("--rows") + 1] == "clips"
    third = card_of(load_table(jittered, rows="segments"), models)
    assert len({card["name"] for card in (one, other, third)}) == 3


def test_lists_stand_in_card_command_and_name(clips: Table, tmp_path: Path) -> None:
    folder = tmp_path / "my lists"
    folder.mkdir()
    for subset, tracks in (("train", range(5)), ("val", range(5, 7)), ("test", range(7, 9))):
        names = [f"{style}/{style}.{k:05d}.wav" for style in clips.classes for k in tracks]
        (folder / f"{subset}.txt").write_text("\n".join(names))
    protocol = read_splits(folder)
    card = card_of(clips, tmp_path / "models", protocol=protocol)
    assert card["name"] == "majority-splits-my-lists"
    found = card["protocol"]
    assert (found["name"], found["sha256"], found["left_out"], found["unmatched"]) == (
        "splits:my lists",
        protocol.sha256,
        3,
        0,
    )
    assert found["sizes"]["test"] == {"rows": 6, "tracks": 6}
    assert card["identity"]["protocol"] == f"splits:my lists {protocol.sha256}"
    assert shlex.split(card["command"])[-4:] == ["--splits", "my lists", "--seed", "0"]
