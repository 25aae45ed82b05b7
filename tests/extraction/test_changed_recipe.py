"""A recipe with other parameters has another name, and every step that follows uses these parameters."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from audio_genre.audio import load
from audio_genre.cli import app
from audio_genre.datasets import load_pictures, load_table
from audio_genre.datasets.pictures import canonical
from audio_genre.dsp import GTZAN57, get_recipe
from audio_genre.dsp.matrix import feature_matrix, mel_spectrogram
from audio_genre.dsp.picture import quantise
from audio_genre.errors import BundleError, ParameterError, PictureError
from audio_genre.extraction import extract
from audio_genre.inference import Classifier
from audio_genre.synthetic import music as synthesis
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


def test_segments_at_another_sampling_rate_are_classified_as_they_were_learned(music: Path, tmp_path: Path) -> None:
    recipe = GTZAN57.derive(sr=16000, n_fft=1024, hop_length=256, n_mels=40, mel_fmin=50.0, mel_fmax=8000.0)
    report = extract(music, tmp_path / "out", jobs=1, images=False, recipe=recipe)
    (model,) = train_baseline(report.out_dir / "features_3_sec.csv", tmp_path / "models", variant="logistic-regression")
    classifier = Classifier(model.path)
    assert classifier.bundle.recipe == recipe
    clip = next(music.glob("*/*.wav"))
    y = load(clip, sr=16000)[: recipe.segment_samples]
    vote = classifier.bundle.predict(feature_matrix(y[None], recipe).astype(np.float32)).astype(float)[0]
    expected = vote ** (1 / classifier.bundle.calibration.temperature)
    answer = classifier.classify(clip)
    np.testing.assert_allclose(list(answer.probabilities.values()), expected / expected.sum(), rtol=1e-4)
    # The same numbers at the standard rate would be others.
    standard = feature_matrix(load(clip, sr=22050)[None])[0]
    assert not np.allclose(standard[:17], feature_matrix(y[None], recipe)[0][:17], rtol=0.01)


def test_pictures_at_another_hop_are_what_the_classifier_computes(music: Path, tmp_path: Path) -> None:
    recipe = GTZAN57.derive(hop_length=256)
    extract(music, tmp_path / "out", jobs=1, recipe=recipe)
    with load_pictures(tmp_path / "out" / "images_original") as pictures:
        assert pictures.representation.seconds_per_column == 2 * 256 / 22050
        clips = sorted(music.glob("*/*.wav"))
        assert len(clips) == len(pictures)
        for row, clip in enumerate(clips):
            levels = quantise(mel_spectrogram(load(clip, sr=22050), recipe), recipe)
            assert np.array_equal(pictures.pixels(row), canonical(levels))


def test_extract_says_what_a_changed_recipe_means(music: Path, tmp_path: Path) -> None:
    result = run("extract", music, tmp_path / "out", "-j", 1, "--limit", 1, "--n-mels", 64)
    assert "The recipe is gtzan57-v1[n_mels=64]: its features are not those" in result.stderr
    assert "Pictures of 64 mel bands cannot train `audio-genre train pictures`, which takes 128" in result.stderr
    plain = run("extract", music, tmp_path / "plain", "-j", 1, "--limit", 1)
    assert "recipe" not in plain.stderr


def test_another_recipe_takes_the_place_of_all_rows(music: Path, extracted: Path, tmp_path: Path) -> None:
    extract(music, tmp_path / "out", jobs=1, images=False)
    report = extract(music, tmp_path / "out", jobs=1, images=False, recipe=get_recipe(NAME))
    assert report.redone == {"another recipe was requested": 8}
    for name in ("features_30_sec.csv", "features_3_sec.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (extracted / name).read_bytes()


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
        ({"n_fft": 1000}, r"hop_length must divide half its n_fft of 1000; got 512, so set it to 250 \(--hop-length\)"),
        ({"n_fft": 1001}, "n_fft must be even; got 1001"),
        ({"n_mels": 10}, "n_mfcc of 20 must not exceed its n_mels of 10"),
        ({"sr": 16000}, r"set mel_fmin and mel_fmax \(--fmin, --fmax\) with sr"),
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
