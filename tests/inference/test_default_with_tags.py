"""The model on both recipes that comes with the package: when it is taken, and that its card tells the truth."""

from __future__ import annotations

import importlib.util
import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from audio_genre.bundles.calibration import UNKNOWN
from audio_genre.cli import app
from audio_genre.datasets import Table, get_protocol, load_table
from audio_genre.dsp import get_recipe
from audio_genre.errors import BundleError, EncoderError, TableError
from audio_genre.inference import Classifier
from audio_genre.inference.default import PLAIN, WITH_ENCODER, default_model, shipped_model
from audio_genre.inputs import load_bundle, read_rows


@pytest.fixture(scope="module")
def transfer() -> Any:
    """The benchmark that makes the tables of the public taggrams."""
    path = Path(__file__).parents[2] / "benchmarks" / "transfer.py"
    spec = importlib.util.spec_from_file_location("transfer", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["transfer"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def table(transfer: Any, tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Path:
    return transfer.public_table(shared_data, tmp_path_factory.mktemp("both"), "gtzan57-v1+musicnn50-v1")


def test_it_is_the_default_where_the_network_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_model().name == PLAIN
    monkeypatch.setattr("audio_genre.inference.default.has_encoder", lambda: True)
    assert default_model().name == WITH_ENCODER


def test_without_the_network_a_sentence_tells_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path)
    with pytest.raises(EncoderError, match="is not installed; `audio-genre encoder musicnn` fetches it"):
        Classifier(shipped_model(WITH_ENCODER))
    (tmp_path / "encoders").mkdir()
    (tmp_path / "encoders" / "musicnn-0.1.0.weights").write_bytes(b"cut")
    monkeypatch.undo()
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path)
    with pytest.raises(EncoderError, match="are cut or of another version"):
        Classifier()


def test_tables_of_half_of_its_recipe(clips: Table, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"has no column 'rock_mean', which .* takes"):
        read_rows(load_bundle(shipped_model(WITH_ENCODER)), clips.path)
    # A side-car that says both, and a table that has one.
    shutil.copy(clips.path, tmp_path / "features_30_sec.csv")
    side = {
        "recipe": get_recipe("gtzan57-v1+musicnn50-v1").parameters(),
        "tables": {"features_30_sec.csv": len(clips)},
        "counts": {"clips": len(clips), "failed": 0},
    }
    (tmp_path / "extraction.json").write_text(json.dumps(side), encoding="utf-8")
    with pytest.raises(TableError, match="has 57 of 157, lacks the columns 'rock_mean'"):
        load_table(tmp_path / "features_30_sec.csv")


def test_the_card_tells_what_one_must_know() -> None:
    bundle = load_bundle(shipped_model(WITH_ENCODER))
    card = bundle.card
    assert bundle.recipe is not None
    assert bundle.recipe.name == "gtzan57-v1+musicnn50-v1"
    assert card.protocol["name"] == "fault-filtered"
    assert {subset: size["tracks"] for subset, size in card.protocol["sizes"].items()} == {
        "train": 443, "validation": 0, "test": 290,
    }  # fmt: skip
    assert card.calibration is not None
    assert card.calibration.tracks == 443
    assert any("ISC" in limit and "very likely holds the artists of GTZAN" in limit for limit in card.facts["limits"])
    assert (card.accuracy("test") or 0) > 0.81
    assert sum(path.stat().st_size for path in bundle.path.iterdir()) < 5e5
    assert bundle.novelty is not None
    # Prototypes are means of groups of rows, no rows.
    assert bundle.novelty.prototypes.shape == (50, 157)


def test_the_command_in_the_card_makes_it_again(table: Path, tmp_path: Path) -> None:
    shipped = load_bundle(shipped_model(WITH_ENCODER))
    _, *words = shlex.split(shipped.card.facts["command"])
    words[words.index("features_30_sec.csv")], words[words.index("models")] = str(table), str(tmp_path)
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    again, rows = load_bundle(tmp_path / WITH_ENCODER), load_table(table)
    np.testing.assert_allclose(again.predict(rows.X), shipped.predict(rows.X), atol=1e-3)
    assert again.card.facts["identity"] == shipped.card.facts["identity"]
    assert again.card.accuracy("test") == pytest.approx(shipped.card.accuracy("test"), abs=0.01)


def test_the_card_agrees_with_the_public_data(table: Path) -> None:
    bundle, rows = load_bundle(shipped_model(WITH_ENCODER)), load_table(table)
    (split,) = get_protocol("fault-filtered").splits(rows, refit=True)
    y = np.searchsorted(rows.classes, rows.labels)[split.test]
    assert np.mean(bundle.predict(rows.X[split.test]).argmax(axis=1) == y) == pytest.approx(
        bundle.card.accuracy("test"), abs=0.002
    )


@pytest.mark.usefixtures("installed_encoders")
def test_real_music_and_what_is_none(shared_data: Path) -> None:
    try:
        model = Classifier(shipped_model(WITH_ENCODER))
    except EncoderError as error:
        pytest.skip(str(error))
    audio = shared_data / "other_audio"
    assert model.classify(audio / "swing.mp3").genre == "jazz"
    assert model.classify(audio / "heavy_metal.mp3").tags[0] in ("metal", "heavy metal", "hard rock")
    assert model.classify(audio / "pibble.hq.ogg").genre == UNKNOWN
