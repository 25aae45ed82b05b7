"""A recipe with other parameters has another name, and every step that follows uses these parameters."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from audio_genre import synthesis
from audio_genre.audio import load
from audio_genre.cli import app
from audio_genre.datasets import load_pictures, load_table
from audio_genre.dsp import GTZAN57, get_recipe
from audio_genre.dsp.matrix import feature_matrix
from audio_genre.errors import BundleError, ParameterError, PictureError
from audio_genre.extraction import extract
from audio_genre.inference import Classifier
from audio_genre.training import train_baseline

NAME = "gtzan57-v1[n_fft=1024,hop_length=256,n_mfcc=13]"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    synthesis.write_dataset(folder, tracks_per_style=4, seconds=4.0, styles=synthesis.STYLES[:2])
    return folder


@pytest.fixture(scope="module")
def extracted(music: Path) -> Path:
    out = music.parent / "changed"
    result = run("extract", music, out, "-j", 1, "--n-fft", 1024, "--hop-length", 256, "--n-mfcc", 13)
    assert result.exit_code == 0, result.output
    return out


def test_the_side_car_has_its_name_and_every_parameter(extracted: Path) -> None:
    recipe = json.loads((extracted / "extraction.json").read_text())["recipe"]
    assert recipe["name"] == NAME
    assert recipe == get_recipe(NAME).parameters()


def test_a_model_classifies_with_the_parameters_that_it_learned_from(music: Path, extracted: Path) -> None:
    table = load_table(extracted / "features_30_sec.csv")
    assert table.schema.recipe == NAME
    (model,) = train_baseline(table, extracted / "models", variant="logistic-regression")
    clip = next(music.glob("*/*.wav"))
    classifier = Classifier(model.path)
    answer = classifier.classify(clip)
    y = load(clip, sr=22050)
    by_hand = classifier.bundle.predict(feature_matrix(y[None], get_recipe(NAME)).astype(np.float32))[0]
    standard = feature_matrix(y[None])[0]
    assert standard.shape != (len(table.schema.features),)
    temperature = classifier.bundle.calibration.temperature
    expected = by_hand.astype(float) ** (1 / temperature)
    np.testing.assert_allclose(list(answer.probabilities.values()), expected / expected.sum(), rtol=1e-4)


def test_a_forged_card_is_refused(extracted: Path) -> None:
    (model,) = train_baseline(extracted / "features_30_sec.csv", extracted / "forged", variant="majority")
    card = json.loads((model.path / "card.json").read_text())
    card["recipe"]["parameters"]["n_fft"] = 2048
    (model.path / "card.json").write_text(json.dumps(card))
    with pytest.raises(BundleError, match=r"other parameters .*n_fft=2048, and the recipe has 1024"):
        Classifier(model.path)


def test_released_names_stand_for_released_parameters() -> None:
    with pytest.raises(ParameterError, match=r"'gtzan57-v1' does not go with n_fft=4096; .*'gtzan57-v1\[n_fft=4096\]'"):
        type(GTZAN57)(name="gtzan57-v1", n_fft=4096)
    with pytest.raises(ParameterError, match="does not go with the released parameters"):
        type(GTZAN57)(name="gtzan57-v1[n_fft=4096]")


@pytest.mark.parametrize("name", ["gtzan57-v1[]", "gtzan57-v1[n_fft=2048]", "gtzan57-v1[n_mels=64,n_fft=1024]",
                                  "gtzan57-v1[n_fft]", "gtzan57-v1[n_fft=4096", "other[n_fft=4096]"])  # fmt: skip
def test_a_name_that_is_not_the_one_of_its_parameters_is_unknown(name: str) -> None:
    with pytest.raises(ParameterError, match="is unknown"):
        get_recipe(name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_fft": 1000}, "hop_length must divide half its n_fft"),
        ({"n_mels": 10}, "n_mfcc of 20 must not exceed its n_mels of 10"),
        ({"sr": 16000}, "change mel_fmax with sr"),
        ({"n_fft": 131072}, "n_fft must not exceed its segments of 66149 samples"),
        ({"n_fft": "big"}, "must be of type int; got 'big'"),
        ({"n_ftf": 1024}, "has no parameter 'n_ftf'"),
        ({"sr": -1}, "sr must be from 2000 to 192000; got -1"),
    ],
)
def test_what_cannot_be_computed_is_one_sentence(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        GTZAN57.derive(**changes)


def test_pictures_of_a_changed_recipe_say_so(extracted: Path, music: Path, tmp_path: Path) -> None:
    assert load_pictures(extracted / "images_original").representation.recipe == NAME
    extract(music, tmp_path / "other", jobs=1, recipe=GTZAN57.derive(n_mels=64))
    with pytest.raises(PictureError, match="has 64 mel bands, and 128 are needed"):
        load_pictures(tmp_path / "other" / "images_original")
