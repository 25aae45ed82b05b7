from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from picture_folders import SR, STYLES, signal, write_pictures
from small_networks import SMALL_CNN, small_networks

from audio_genre.bundles.calibration import apply_temperature
from audio_genre.datasets import Pictures, get_protocol, load_pictures
from audio_genre.dsp import GTZAN57
from audio_genre.dsp.matrix import mel_spectrogram
from audio_genre.dsp.picture import encode_picture
from audio_genre.errors import BundleError, ParameterError, PictureError, ProtocolError
from audio_genre.inference import Classifier
from audio_genre.inputs import load_bundle
from audio_genre.inputs.pictures import crops_of, cut_crops
from audio_genre.training import CnnSettings, TrainedModel, train_pictures
from audio_genre.training import plan as plan_training
from audio_genre.training.picture_learner import PictureLearner


@pytest.fixture(scope="module")
def pictures(picture_folder: Path) -> Iterator[Pictures]:
    with load_pictures(picture_folder) as loaded:
        yield loaded


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with small_networks():
        yield


@pytest.fixture(scope="module")
def trained(pictures: Pictures, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    (model,) = train_pictures(pictures, tmp_path_factory.mktemp("models"), seed=1)
    return model


def test_what_differs_plainly_is_learned(trained: TrainedModel) -> None:
    assert trained.name == "cnn-seed1"
    assert trained.test.tracks.accuracy.value == 1.0
    assert trained.validation.tracks.accuracy.value == 1.0


def test_the_card_tells_how_pictures_were_made_varied_and_voted_on(trained: TrainedModel, pictures: Pictures) -> None:
    card = load_bundle(trained.path).card.to_dict()
    assert card["kind"] == "cnn"
    assert card["classes"] == list(STYLES)
    assert card["recipe"]["name"] == "gtzan57-v1"
    assert card["pictures"] == json.loads(json.dumps(pictures.representation.as_json()))
    # Six seconds are 129.2 columns of two frames; whole after one pooling is 130.
    assert card["input_shape"] == [128, 130]
    assert card["variant"]["augmentation"]["band_shift"] == 2
    assert "crops" in card["vote"]
    assert card["training_data"]["sha256"] == pictures.sha256
    assert card["training_data"]["rows"] == 12
    assert "normalisation" in card


def test_the_bundle_votes_as_the_predictions_file_says(trained: TrainedModel, pictures: Pictures) -> None:
    bundle = load_bundle(trained.path)
    lines = (trained.path / "predictions.csv").read_text().splitlines()[1:]
    assert len(lines) == trained.test.rows.count
    for line in lines:
        item, *_, first, second = line.split(",")
        row = int(np.flatnonzero(pictures.items == item)[0])
        voted = bundle.predict(cut_crops(pictures.pixels(row), 130)).mean(axis=0)
        np.testing.assert_allclose(voted, [float(first), float(second)], atol=2e-5)


def test_the_normalisation_sees_training_pictures_only(pictures: Pictures) -> None:
    (split,) = get_protocol("track").splits(pictures, seed=1)
    model = PictureLearner(pictures, SMALL_CNN).build(split)
    layer = model.get_layer("normalisation")
    together = np.concatenate([pictures.pixels(row) for row in split.train], axis=1).astype(np.float64)
    np.testing.assert_allclose(np.asarray(layer.mean).ravel(), together.mean(axis=1), rtol=1e-4)
    np.testing.assert_allclose(np.asarray(layer.variance).ravel(), np.maximum(together.var(axis=1), 16), rtol=1e-3)


@pytest.mark.parametrize(("style", "seconds"), [("hiss", 7.0), ("hum", 7.0), ("hum", 3.0), ("hiss", 65.0)])
def test_audio_is_classified_as_its_picture_is(
    trained: TrainedModel, tmp_path: Path, style: str, seconds: float
) -> None:
    path = tmp_path / "x.wav"
    y = signal(style, 50, seconds)
    soundfile.write(path, y, SR, subtype="FLOAT")
    answer = Classifier(trained.path, unknown=False).classify(path)
    assert answer.genre == style
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    if seconds < 60:
        # The same through a picture file.
        (tmp_path / "pictures" / style).mkdir(parents=True)
        (tmp_path / "pictures" / "z").mkdir()
        for name in (style, "z"):
            (tmp_path / "pictures" / name / "x.png").write_bytes(encode_picture(mel_spectrogram(y), recipe=GTZAN57))
        with load_pictures(tmp_path / "pictures") as loaded:
            crops, _ = next(crops_of(loaded, np.array([0]), 130, 999))
            described = PictureLearner(loaded, SMALL_CNN).describe(np.array([0]))
        bundle = load_bundle(trained.path)
        mean = bundle.predict(crops).mean(axis=0, keepdims=True)
        expected = apply_temperature(mean, bundle.calibration.temperature)[0]
        np.testing.assert_allclose(list(answer.probabilities.values()), expected, atol=1e-5)
        assert answer.distance == pytest.approx(bundle.novelty.distances(described)[0], rel=1e-9)


def test_folds_and_seeds_are_planned_one_by_one(pictures: Pictures, tmp_path: Path) -> None:
    plan = plan_training(pictures, tmp_path, epochs=1, folds=3, seeds=2, kind="pictures", variant="cnn")
    assert plan.names == tuple(f"cnn-fold-{fold}{suffix}" for suffix in ("", "-seed1") for fold in (1, 2, 3))
    for seed in (0, 1):
        tested = np.concatenate([pictures.groups[run.split.test] for run in plan.runs if run.seed == seed])
        assert sorted(tested.tolist()) == sorted(set(pictures.groups.tolist()))


def test_foreign_pictures_train_but_give_no_classifier_of_audio(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "foreign", foreign=True)
    (model,) = train_pictures(folder, tmp_path / "models")
    card = load_bundle(model.path).card.to_dict()
    assert card["input_shape"] == [128, SMALL_CNN.crop_columns]
    assert card["recipe"] is None
    assert card["pictures"]["colormap"] == "viridis"
    with pytest.raises(BundleError, match="cannot classify audio"):
        Classifier(model.path)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"protocol": "tracks"}, ParameterError, "'tracks'"),
        ({"epochs": 0}, ParameterError, "got 0"),
        ({"seed": -1}, ParameterError, "got -1"),
        ({"seeds": 0}, ParameterError, "got 0"),
        ({"folds": 7}, ProtocolError, "6 tracks"),
        ({"protocol": "fault-filtered"}, ProtocolError, "GTZAN"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_trained(
    pictures: Pictures, tmp_path: Path, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        plan_training(pictures, tmp_path, **options, kind="pictures", variant="cnn")


def test_a_folder_without_pictures_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(PictureError):
        plan_training(tmp_path, tmp_path / "models", kind="pictures", variant="cnn")
    assert list(tmp_path.iterdir()) == []


def test_a_class_with_one_track_is_a_sentence(picture_folder: Path, tmp_path: Path) -> None:
    for style in STYLES:
        (tmp_path / "pictures" / style).mkdir(parents=True)
        for path in sorted((picture_folder / style).iterdir())[: 1 if style == "hum" else 5]:
            (tmp_path / "pictures" / style / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ProtocolError, match="'hum' has 1 track"):
        plan_training(tmp_path / "pictures", tmp_path / "models", kind="pictures", variant="cnn")


@pytest.mark.parametrize("field", ["pictures", "input_shape"])
def test_a_malformed_card_is_a_sentence(trained: TrainedModel, tmp_path: Path, field: str) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(trained.path, copy)
    card = json.loads((copy / "card.json").read_text())
    card[field] = {"name": "mel-v1", "frames_per_column": "two"} if field == "pictures" else [64, 130]
    (copy / "card.json").write_text(json.dumps(card))
    with pytest.raises(BundleError, match=field if field == "pictures" else "contradicts itself"):
        Classifier(copy)


def test_the_default_network_is_small_and_its_settings_are_plain_data() -> None:
    settings = CnnSettings()
    model = settings.build(64, np.zeros(128), np.ones(128), 10)
    # Two members of 139,000 weights, and two of 242,000.
    assert 100_000 <= model.count_params() <= 800_000
    assert json.loads(json.dumps(dataclasses.asdict(settings)))["augmentation"]
    assert model.output_shape == (None, 10)
