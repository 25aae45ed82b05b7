"""What holds for every network on pictures: it trains, is saved, exported, and resumed, and its seed decides."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_folders import SR, STYLES, signal
from small_networks import SMALL_NETWORKS, small_networks

from audio_genre.datasets import Pictures, load_pictures
from audio_genre.errors import ParameterError
from audio_genre.evaluation.results import kind_name
from audio_genre.inference import Classifier
from audio_genre.inputs import load_bundle
from audio_genre.training import NETWORKS, EpochReport, TransformerSettings, train_cnn, train_pictures
from audio_genre.training import plan as plan_training
from audio_genre.training.networks import get_networks, own_network
from audio_genre.training.transformer import positions


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with small_networks():
        yield


@pytest.fixture(scope="module")
def pictures(picture_folder: Path) -> Iterator[Pictures]:
    with load_pictures(picture_folder) as loaded:
        yield loaded


@pytest.fixture(scope="module", params=NETWORKS)
def whole(request: pytest.FixtureRequest, pictures: Pictures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "transformer":
        path: Path = request.getfixturevalue("small_transformer")
        return path
    (model,) = train_pictures(pictures, tmp_path_factory.mktemp(request.param), request.param, epochs=4)
    return model.path


def test_the_card_tells_which_network_it_is_and_the_command_that_makes_it(whole: Path) -> None:
    card = load_bundle(whole).card
    assert card.kind == card.facts["network"] == whole.name
    assert kind_name(card.kind) in ("convolutional network", "transformer")
    assert json.loads(json.dumps(dataclasses.asdict(SMALL_NETWORKS[card.kind])))["name"] == card.variant["name"]
    assert card.facts["command"].startswith(f"audio-genre train pictures images_original models --network {card.kind}")
    assert card.input_shape[0] == 128
    assert card.input_shape[1] % SMALL_NETWORKS[card.kind].multiple == 0


def test_what_differs_plainly_is_learned(whole: Path) -> None:
    assert load_bundle(whole).card.accuracy("train") == 1.0


def test_the_export_agrees_with_what_was_saved(whole: Path) -> None:
    from audio_genre.training.backend import import_keras

    bundle = load_bundle(whole)
    X = np.random.default_rng(0).uniform(0, 255, (5, *bundle.input_shape)).astype(np.float32)
    saved = import_keras().models.load_model(whole / "model.keras")
    np.testing.assert_allclose(bundle.predict(X), saved.predict(X, verbose=0), atol=1e-6)


def test_a_clip_is_classified(whole: Path) -> None:
    answer = Classifier(whole, unknown=False).classify(signal("hum", 77), sr=SR)
    assert answer.genre in STYLES
    assert sum(answer.probabilities.values()) == pytest.approx(1)


def test_an_interrupted_training_is_resumed_to_the_same_end(whole: Path, pictures: Pictures, tmp_path: Path) -> None:
    def stop(name: str, epochs: int, report: EpochReport) -> None:
        if report.epoch == 2:
            raise KeyboardInterrupt

    plan = plan_training(pictures, tmp_path, kind="pictures", variant=whole.name, epochs=4)
    (broken,) = plan.train(stop)
    assert broken.interrupted
    assert load_bundle(broken.path).card.training["epochs"] == 2
    assert plan.resumable() == {whole.name: 2}
    (resumed,) = plan.train(resume=True)
    assert resumed.path == broken.path
    assert not resumed.interrupted
    # The same seed gives the same weights, with a break or without.
    assert (resumed.path / "predictions.csv").read_bytes() == (whole / "predictions.csv").read_bytes()
    assert plan.resumable() == {}
    assert [path.name for path in tmp_path.iterdir()] == [whole.name]


def test_the_old_name_is_the_convolutional_network(pictures: Pictures, tmp_path: Path) -> None:
    (run,) = plan_training(pictures, tmp_path, kind="cnn").runs
    assert (run.name, run.learner.kind, run.learner.command) == ("cnn", "cnn", "pictures")
    with pytest.raises(ParameterError, match="got 0"):
        train_cnn(pictures, tmp_path, epochs=0)


def test_all_networks_are_planned_by_their_names(pictures: Pictures, tmp_path: Path) -> None:
    for names in ("all", "cnn, transformer"):
        plan = plan_training(pictures, tmp_path, kind="pictures", variant=names)
        assert plan.names == plan.kinds == ("cnn", "transformer")
    with pytest.raises(ParameterError, match="'rnn' is unknown; choose one of cnn, transformer or all"):
        get_networks("cnn,rnn")


def test_options_of_another_network_are_refused() -> None:
    with pytest.raises(ParameterError, match="--filters is not for the network transformer, which has --patch-size"):
        own_network(get_networks("transformer"), {"filters": (4,)})
    with pytest.raises(ParameterError, match="--dropout changes one network, and --network names 2"):
        own_network(get_networks("all"), {"dropout": 0.2})
    assert own_network(get_networks("all"), {"dropout": None}) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patch": (16,)}, "such as 16,16; got 16"),
        ({"patch": (48, 4)}, "a height that divides 128"),
        ({"patch": (16, 0)}, "columns of a patch must be 1 to 64; got 0"),
        ({"width": 30, "heads": 3}, "a multiple of 4 and of its 3 heads"),
        ({"width": 2048}, "at most 1024; got 2048"),
        ({"heads": 0}, "heads must be 1 to 16; got 0"),
        ({"layers": 0}, "layers must be 1 to 24; got 0"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_what_no_transformer_can_have_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        TransformerSettings(**settings)


def test_more_patches_than_can_be_attended_to_are_refused_before_training(pictures: Pictures, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="cannot look at the 16512 patches of a crop of 129 columns"):
        plan_training(pictures, tmp_path, kind="pictures", settings=TransformerSettings(patch=(1, 1)))


@given(rows=st.integers(1, 8), columns=st.integers(1, 40), more=st.integers(0, 40))
def test_positions_tell_places_apart_and_do_not_depend_on_the_length_of_a_crop(
    rows: int, columns: int, more: int
) -> None:
    short, long = positions(rows, columns, 16), positions(rows, columns + more, 16)
    assert len(np.unique(short.round(4), axis=0)) == rows * columns
    np.testing.assert_array_equal(short.reshape(rows, columns, 16), long.reshape(rows, columns + more, 16)[:, :columns])


@pytest.mark.parametrize("patch", [(16, 16), (128, 4), (2, 64)])
def test_the_same_weights_look_at_crops_of_any_width(patch: tuple[int, int]) -> None:
    settings = TransformerSettings(patch=patch, width=8, layers=1, heads=2)
    narrow, wide = (settings.build(columns, np.zeros(128), np.ones(128), 3) for columns in (64, 128))
    wide.set_weights(narrow.get_weights())
    assert wide.output_shape == (None, 3)


def test_the_default_transformer_is_small() -> None:
    assert 50_000 <= TransformerSettings().build(64, np.zeros(128), np.ones(128), 10).count_params() <= 300_000
