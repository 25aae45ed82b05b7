"""Fusions: several models in one bundle, which is classified with and compared like any other."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import picture_folders
import pytest
import soundfile
from small_networks import small_networks
from typer.testing import CliRunner

from audio_genre.bundles.arrays import FusionModel, read_model
from audio_genre.cli import app
from audio_genre.datasets import GTZAN57_TABLE
from audio_genre.dsp import GTZAN57
from audio_genre.dsp.matrix import feature_matrix, mel_spectrogram
from audio_genre.dsp.picture import encode_picture
from audio_genre.errors import BundleError, ParameterError
from audio_genre.evaluation.comparison import compare_models
from audio_genre.evaluation.results import read_votes
from audio_genre.inference import Classifier
from audio_genre.inputs import INPUT_KINDS, load_bundle, read_rows
from audio_genre.training import train_baseline, train_cnn, train_fusion
from audio_genre.training.fusion import fit_weights

SR = GTZAN57.sr
STYLES = {"blues": "hum", "metal": "hiss"}
TRACKS = 10


def signal(style: str, track: int, seconds: float = 4.0) -> np.ndarray:
    """A hum of a few partials, or a hiss."""
    return picture_folders.signal(STYLES[style], track, seconds)


def write_table(path: Path, *, segments: bool, tracks: int = TRACKS) -> Path:
    lines = [",".join(["filename", "length", *GTZAN57_TABLE.features, "label"])]
    for style in STYLES:
        X = feature_matrix(np.stack([signal(style, k)[:66149] for k in range(tracks)]))
        for k, row in enumerate(X):
            for name in [f"{style}.{k:05d}.{part}.wav" for part in range(2)] if segments else [f"{style}.{k:05d}.wav"]:
                lines.append(",".join([name, "66149" if segments else "661500", *map(repr, row.tolist()), style]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fusion")
    clips, parts = write_table(folder / "30.csv", segments=False), write_table(folder / "3.csv", segments=True)
    train_baseline(clips, folder / "models", variant="logistic-regression")
    train_baseline(parts, folder / "models", variant="discriminant-analysis")
    train_baseline(clips, folder / "models", variant="majority", seed=1)
    train_baseline(clips, folder / "models", variant="majority", protocol="segment")
    for style in STYLES:
        (folder / "images" / style).mkdir(parents=True)
        for k in range(TRACKS):
            content = encode_picture(mel_spectrogram(signal(style, k)), recipe=GTZAN57)
            (folder / "images" / style / f"{style}{k:05d}.png").write_bytes(content)
    with small_networks():
        train_cnn(folder / "images", folder / "models", epochs=2)
    return folder / "models"


TABLES = ("logistic-regression", "discriminant-analysis-3s")
ALL = (*TABLES, "cnn")


@pytest.fixture
def fused(models: Path, tmp_path: Path) -> Path:
    return train_fusion(models, ALL, tmp_path / "out").path


def test_it_answers_as_its_members_do_together(fused: Path, models: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", signal("metal", 99, 7.0), SR)
    answer = Classifier(fused, unknown=False).classify(tmp_path / "x.wav")
    assert answer.genre == "metal"
    bundle = load_bundle(fused)
    weights = [member["weight"] for member in bundle.card.facts["members"]]
    parts = [Classifier(calibrated_to_one(models / name, tmp_path), unknown=False) for name in ALL]
    found = [part.classify(tmp_path / "x.wav").probabilities for part in parts]
    logs = sum(w * np.log([p[s] for s in STYLES]) for w, p in zip(weights, found, strict=True))
    expected = np.exp(logs / bundle.calibration.temperature)
    assert [answer.probabilities[s] for s in STYLES] == pytest.approx(expected / expected.sum(), abs=1e-4)


def calibrated_to_one(model: Path, folder: Path) -> Path:
    """Copy a model without its temperature."""
    copy = shutil.copytree(model, folder / "plain" / model.name)
    card = json.loads((copy / "card.json").read_text())
    card["calibration"] |= {"temperature": 1.0, "window_temperature": 1.0}
    (copy / "card.json").write_text(json.dumps(card))
    return copy


def test_it_needs_none_of_the_folders_that_it_was_made_of(fused: Path, tmp_path: Path) -> None:
    moved = fused.rename(tmp_path / "moved")
    soundfile.write(tmp_path / "x.wav", signal("blues", 99, 45.0), SR)
    model = Classifier(moved, unknown=False)
    timeline = model.timeline(tmp_path / "x.wav")
    assert timeline.answer == model.classify(tmp_path / "x.wav")
    assert {point.genre for point in timeline.points} == {"blues"}
    assert not list(moved.rglob("*.keras"))
    soundfile.write(tmp_path / "s.wav", np.zeros(5 * SR), SR)
    assert model.classify(tmp_path / "s.wav").is_silent


def test_it_is_compared_and_made_again_in_its_place(models: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(models, tmp_path / "models")
    result = CliRunner().invoke(app, ["train", "fusion", str(copy), "--members", ",".join(TABLES)])
    assert result.exit_code == 0, result.output
    assert "weights fitted on 4 validation tracks" in result.output
    again = train_fusion(copy, TABLES)
    assert again.name == "fusion-" + "-".join(TABLES)
    assert again.path.parent == copy
    assert len(list(copy.glob("fusion*"))) == 1
    comparison, _ = compare_models(copy, tmp_path / "report")
    assert again.name in {model.name for section in comparison.sections for model in section.models}


def edit_card(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        card = json.loads((folder / "card.json").read_text())
        change(card)
        (folder / "card.json").write_text(json.dumps(card))

    return edit


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (shutil.rmtree, "is missing; a fusion needs each of its members"),
        (lambda folder: (folder / "validation.csv").unlink(), "has no validation.csv, as models of earlier versions"),
        (lambda folder: (folder / "validation.csv").write_text("item\n"), "has no readable validation.csv"),
        (lambda folder: (folder / "model.npz").write_bytes(b"x"), "is damaged"),
        (edit_card(lambda card: card.update(classes=["blues", "rock"])), "needs members of the same classes"),
        (edit_card(lambda card: card["protocol"].update(name="artist")), "under another protocol than"),
        (
            lambda folder: (folder / "predictions.csv").write_text(
                "".join((folder / "predictions.csv").read_text().splitlines(keepends=True)[:-1])
            ),
            "was tested on 3 tracks that are not the 4 of",
        ),
    ],
)
def test_members_that_do_not_go_together(
    models: Path, tmp_path: Path, spoil: Callable[[Path], Any], message: str
) -> None:
    for name in ("cnn", "logistic-regression"):
        shutil.copytree(models / name, tmp_path / name)
    spoil(tmp_path / "logistic-regression")
    with pytest.raises(BundleError, match=message):
        train_fusion(tmp_path, ["cnn", "logistic-regression"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pictures_are_named_without_the_dots_of_the_files(tmp_path: Path) -> None:
    lines = {}
    for name, tracks in (("table", ["my.song.00001.wav", "b.2.wav"]), ("pictures", ["mysong00001.png", "b2.png"])):
        (tmp_path / name).mkdir()
        text = [f"{track},{track},rock,rock,0.2,0.8" for track in tracks]
        (tmp_path / name / "predictions.csv").write_text(
            "\n".join(["item,track,label,predicted,p(pop),p(rock)", *text])
        )
        lines[name] = read_votes(tmp_path / name, ("pop", "rock"))
    assert lines["table"].keys.tolist() == lines["pictures"].keys.tolist()
    assert lines["table"].tracks.tolist() == ["rock/b.2", "rock/my.song.00001"]


def test_members_of_other_seeds_and_leaky_ones(models: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="validated on 4 tracks that are not the 4 of"):
        train_fusion(models, ["logistic-regression", "majority-seed1"], tmp_path)
    with pytest.raises(BundleError, match="under another protocol than"):
        train_fusion(models, ["logistic-regression", "majority-segment"], tmp_path)


@pytest.mark.parametrize(
    ("members", "message"), [([], "got 0, none"), (["cnn"], "got 1, cnn"), (["cnn", "cnn"], "each member once")]
)
def test_one_member_is_no_fusion(models: Path, members: list[str], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        train_fusion(models, members)


def test_a_fusion_of_a_fusion(fused: Path, models: Path) -> None:
    shutil.copytree(models / "cnn", fused.parent / "cnn")
    with pytest.raises(BundleError, match="is a fusion itself; name its members"):
        train_fusion(fused.parent, [fused.name, "cnn"])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: shutil.rmtree(folder / "members" / "cnn"), "is missing; a fusion needs each"),
        (
            lambda folder: edit_card(lambda card: card.update(seed=7))(folder / "members" / "cnn"),
            "its card has another SHA-256; make the fusion again",
        ),
        (edit_card(lambda card: card.update(members=["cnn"])), "must be a list of two or more objects"),
        (edit_card(lambda card: card["members"][0].update(name="../cnn")), "must be a list of two or more objects"),
        (edit_card(lambda card: card["members"].pop()), "2 members give 4 probabilities"),
    ],
)
def test_a_fusion_that_was_tampered_with(fused: Path, spoil: Callable[[Path], Any], message: str) -> None:
    spoil(fused)
    with pytest.raises(BundleError, match=message):
        Classifier(fused)


def test_tables_are_not_for_a_fusion(fused: Path, models: Path) -> None:
    with pytest.raises(BundleError, match="takes a vote of several models and no table"):
        read_rows(load_bundle(fused), models.parent / "30.csv")
    with pytest.raises(ParameterError, match="holds no votes; run `audio-genre train fusion"):
        INPUT_KINDS["fusion"].load(models)


def test_a_member_that_knows_nothing_counts_for_nothing() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    right = np.full((300, 3), 0.1)
    right[np.arange(300), np.where(rng.random(300) < 0.8, y, (y + 1) % 3)] = 0.8
    noise = rng.dirichlet([1, 1, 1], 300)
    weights = fit_weights(np.hstack([right, noise]), y, 2)
    assert weights[0] == pytest.approx(1, abs=0.2)
    assert weights[1] < 0.1


@pytest.mark.parametrize(
    ("weights", "outputs"), [([-1.0, 1.0], 2), ([np.nan], 2), ([1e9], 2), ([[1.0], [1.0]], 2), ([1.0], 0)]
)
def test_weights_that_are_none(weights: list[Any], outputs: int) -> None:
    with pytest.raises(ValueError, match="it"):
        FusionModel(np.array(weights), outputs)


def test_a_fusion_model_is_read_again() -> None:
    model = FusionModel(np.array([0.5, 2.0]), 3)
    X = np.random.default_rng(0).dirichlet([1, 1, 1], (4, 2)).reshape(4, 6).astype(np.float32)
    X[0, 0] = 0
    np.testing.assert_array_equal(read_model(model.to_bytes())(X), model(X))
