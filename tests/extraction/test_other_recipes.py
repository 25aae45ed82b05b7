"""Tables of other recipes than the default go through extraction, training and classification like any other."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from extraction_helpers import outputs, write_clip

from audio_genre import Classifier, extract, features, load_table, train_baseline
from audio_genre.audio import load
from audio_genre.datasets import GTZAN57_TABLE, table_schema
from audio_genre.dsp import GTZAN57, MUSICNN50, get_recipe
from audio_genre.encoders import ENCODERS, path_of
from audio_genre.encoders.install import _loaded
from audio_genre.errors import AudioError, BundleError, EncoderError, TableError
from audio_genre.inputs import load_bundle

BOTH = get_recipe("gtzan57-v1+musicnn50-v1")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two genres of five clips of 6.5 s."""
    folder = tmp_path_factory.mktemp("clips")
    t = np.arange(int(6.5 * 22050)) / 22050
    for k in range(5):
        rng = np.random.default_rng(k)
        calm = 0.3 * np.sin(2 * np.pi * (200 + 20 * k) * t) + 0.01 * rng.standard_normal(len(t))
        loud = 0.3 * rng.standard_normal(len(t)) * (1 + np.sin(2 * np.pi * (2 + 0.1 * k) * t))
        for genre, y in (("calm", calm), ("loud", loud)):
            (folder / genre).mkdir(exist_ok=True)
            soundfile.write(folder / genre / f"{genre}.{k:05d}.wav", 0.5 * y, 22050)
    return folder


@pytest.mark.usefixtures("tiny_encoder")
def test_from_audio_to_answers(clips: Path, tmp_path: Path) -> None:
    report = extract(clips, tmp_path / "both", recipe=BOTH.name, jobs=1)
    assert not report.failed
    assert dict(report.rows) == {"features_30_sec.csv": 10, "features_3_sec.csv": 20}
    assert len(list((tmp_path / "both" / "images_original").rglob("*.png"))) == 10
    side_car = json.loads((tmp_path / "both" / "extraction.json").read_text())
    assert side_car["recipe"] == BOTH.parameters()

    table = load_table(tmp_path / "both" / "features_30_sec.csv")
    assert table.schema.features == BOTH.feature_names
    y = load(clips / "loud" / "loud.00000.wav", sr=BOTH.sr)
    row = table.X[table.items.tolist().index("loud.00000.wav")]
    np.testing.assert_allclose(row, list(features(y, BOTH.sr, BOTH).values()), rtol=1e-5, atol=1e-6)

    for name in ("features_30_sec.csv", "features_3_sec.csv"):
        (model,) = train_baseline(tmp_path / "both" / name, tmp_path / "models" / name, variant="logistic-regression")
        bundle = load_bundle(model.path)
        assert bundle.recipe == BOTH
        classifier = Classifier(model.path, unknown=False)
        answers = classifier.classify_many(sorted((clips / "loud").iterdir()))
        assert not answers.failed
        assert {answer.genre for answer in answers} == {"loud"}
        assert all(answer.tags and set(answer.tags) <= set(MUSICNN50.tags) for answer in answers)
        points = classifier.timeline(clips / "calm" / "calm.00000.wav").points
        assert {point.genre for point in points} == {"calm"}
        assert all(point.tags for point in points)

    # The same numbers stand in the table of either recipe alone.
    for recipe in (GTZAN57, MUSICNN50):
        extract(clips, tmp_path / recipe.name, recipe=recipe, jobs=1)
        alone = load_table(tmp_path / recipe.name / "features_3_sec.csv")
        both = load_table(tmp_path / "both" / "features_3_sec.csv")
        np.testing.assert_array_equal(alone.X, both.X[:, [BOTH.feature_names.index(f) for f in recipe.feature_names]])
    assert not (tmp_path / MUSICNN50.name / "images_original").exists()


@pytest.mark.usefixtures("tiny_encoder")
def test_another_recipe_into_the_same_folder_is_extracted_anew(clips: Path, tmp_path: Path) -> None:
    extract(clips, tmp_path / "out", jobs=1, limit=2, images=False)
    report = extract(clips, tmp_path / "out", jobs=1, limit=2, images=False, recipe=MUSICNN50)
    assert report.extracted == 2
    assert load_table(tmp_path / "out" / "features_30_sec.csv").schema == table_schema(MUSICNN50)


def test_without_the_network_nothing_is_written(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "data")
    with pytest.raises(EncoderError, match="is not installed; `audio-genre encoder musicnn` fetches it"):
        extract(clips, tmp_path / "out", recipe=BOTH, jobs=1)
    assert not (tmp_path / "out").exists()
    assert extract(clips, tmp_path / "out", recipe=BOTH, jobs=1, dry_run=True).todo == 10


def test_a_network_that_goes_missing_ends_the_run_and_fails_no_clip(
    clips: Path, tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audio_genre.dsp.musicnn50.Musicnn50.require", lambda _: tiny_encoder.unlink())
    _loaded.cache_clear()
    with pytest.raises(EncoderError, match="is not installed"):
        extract(clips, tmp_path / "out", recipe=MUSICNN50, jobs=1)


def test_a_model_without_its_network_is_one_sentence(clips: Path, tmp_path: Path, tiny_encoder: Path) -> None:
    extract(clips, tmp_path / "out", recipe=MUSICNN50, jobs=1)
    (model,) = train_baseline(
        tmp_path / "out" / "features_30_sec.csv", tmp_path / "models", variant="logistic-regression"
    )
    tiny_encoder.rename(tiny_encoder.with_suffix(".away"))
    _loaded.cache_clear()
    with pytest.raises(EncoderError, match="is not installed; `audio-genre encoder musicnn` fetches it"):
        Classifier(model.path)
    tiny_encoder.with_suffix(".away").rename(tiny_encoder)
    with pytest.raises(AudioError, match=r"is 1\.50 s long, and features need at least 2\.00 s"):
        Classifier(model.path).classify(write_clip(tmp_path / "short.wav", seconds=1.5))
    # As everywhere: what lacks little of a segment is continued by its reflection.
    assert Classifier(model.path, unknown=False).classify(write_clip(tmp_path / "just.wav", seconds=2.1)).genre

    card = json.loads((model.path / "card.json").read_text())
    card["recipe"]["parameters"]["weights_sha256"] = "0" * 64
    (model.path / "card.json").write_text(json.dumps(card))
    with pytest.raises(BundleError, match=r"other parameters of the recipe 'musicnn50-v1' .*: weights_sha256="):
        Classifier(model.path)


@pytest.mark.usefixtures("tiny_encoder")
def test_tables_and_recipes_that_do_not_go_together(clips: Path, tmp_path: Path) -> None:
    extract(clips, tmp_path / "out", recipe=BOTH, jobs=1, images=False)
    table = tmp_path / "out" / "features_30_sec.csv"
    with pytest.raises(
        TableError, match=r"extracted with recipe 'gtzan57-v1\+musicnn50-v1' and 'gtzan57-v1' is needed"
    ):
        load_table(table, GTZAN57_TABLE)

    # Without the side-car the columns of the public table are found among the others.
    (tmp_path / "plain").mkdir()
    shutil.copy(table, tmp_path / "plain")
    assert load_table(tmp_path / "plain" / table.name).schema == GTZAN57_TABLE
    extract(clips, tmp_path / "old", jobs=1, images=False)
    with pytest.raises(
        TableError, match=r"extracted with recipe 'gtzan57-v1' and 'gtzan57-v1\+musicnn50-v1' is needed"
    ):
        load_table(tmp_path / "old" / table.name, table_schema(BOTH))

    # Half of a combined table.
    with table.open(newline="") as file:
        rows = list(csv.reader(file))
    keep = [k for k, name in enumerate(rows[0]) if name not in MUSICNN50.feature_names]
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([row[k] for k in keep] for row in rows)
    with pytest.raises(TableError, match=r"'rock_mean', 'rock_std', 'pop_mean' and 97 more"):
        load_table(table)


def test_outputs_do_not_depend_on_the_number_of_workers(clips: Path, tmp_path: Path) -> None:
    if not path_of(ENCODERS["musicnn"]).exists():
        pytest.skip("the weights of MusiCNN are not installed; `audio-genre encoder musicnn` fetches them")
    for jobs in (1, 2):
        extract(clips, tmp_path / str(jobs), recipe=BOTH, jobs=jobs, limit=4)
    assert outputs(tmp_path / "1") == outputs(tmp_path / "2")
