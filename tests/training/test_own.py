"""Networks of a user's own: what the command line sets, names tell, and cards give back."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from audio_genre.cli import app
from audio_genre.datasets import Table
from audio_genre.errors import ParameterError
from audio_genre.inputs import load_bundle
from audio_genre.training import NETWORKS, VARIANTS, CnnSettings, DenseVariant, FitSettings, train
from audio_genre.training.own import DENSE_OPTIONS, numbers, options_between, own_settings

VALUES = {
    "layers": st.lists(st.integers(1, 512), min_size=1, max_size=5).map(tuple),
    "filters": st.lists(st.integers(1, 64), min_size=1, max_size=7).map(tuple),
    "patch-size": st.tuples(st.sampled_from([1, 2, 4, 8, 16, 32, 64, 128]), st.integers(1, 64)),
    "width": st.just(0),
    "heads": st.integers(1, 16),
    "crop-seconds": st.floats(0.1, 30),
    "dropout": st.floats(0, 0.99),
    "learning-rate": st.floats(1e-6, 10),
    "batch-size": st.integers(1, 1024),
    "epochs": st.integers(1, 1000),
}


@pytest.mark.parametrize(
    ("base", "options"),
    [
        *((variant, DENSE_OPTIONS) for variant in VARIANTS.values()),
        *((network, network.options) for network in NETWORKS.values()),
    ],
)
@given(data=st.data())
def test_the_options_on_a_card_give_the_same_settings(
    base: object, options: dict[str, str], data: st.DataObject
) -> None:
    values = {name: VALUES[name] for name in options} | ({"layers": st.integers(1, 24)} if "heads" in options else {})
    chosen = data.draw(st.fixed_dictionaries({}, optional=values))
    if "width" in chosen or "heads" in chosen:
        # One must be a multiple of the other.
        chosen["heads"] = chosen.get("heads", 4)
        chosen["width"] = 4 * chosen["heads"]
    own = own_settings(base, options, chosen)
    words = options_between(base, own, options)
    assert words is not None
    typed = dict(zip((word.removeprefix("--") for word in words[::2]), words[1::2], strict=True))
    read = {
        name: numbers(text, name) if isinstance(chosen[name], tuple) else type(chosen[name])(text)
        for name, text in typed.items()
    }
    assert own_settings(base, options, read) == own


def test_settings_that_no_option_gives_have_none() -> None:
    own = dataclasses.replace(VARIANTS["adam-4"], noise=0.7)
    assert options_between(VARIANTS["adam-4"], own, DENSE_OPTIONS) is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DenseVariant("a", (), 0.1, 0.1), "one or more layers"),
        (lambda: DenseVariant("a", (0,), 0.1, 0.1), "a width from 1 to 16384"),
        (lambda: DenseVariant("a", (10,), 1.0, 0.1), "dropout must be 0 or more and below 1; got 1.0"),
        (lambda: FitSettings(learning_rate=0), "learning rate must be above 0"),
        (lambda: FitSettings(learning_rate=float("nan")), "learning rate must be above 0"),
        (lambda: FitSettings(batch_size=0), "batch size must be 1 or more; got 0"),
        (lambda: CnnSettings(filters=(8,) * 8), "at most 7 blocks; got 8"),
        (lambda: CnnSettings(convolutional=-1), "convolutional members must be 0 to 16; got -1"),
        (lambda: CnnSettings(convolutional=0, textures=0), "members must be 1 to 32; got 0"),
        (lambda: CnnSettings(coefficients=0), "cosine coefficients must be 1 to 128; got 0"),
        (lambda: CnnSettings(crop_seconds=31), "at most 30 s long; got 31 s"),
        (lambda: numbers("256;128", "--layers"), "--layers must be whole numbers with commas"),
    ],
)
def test_what_no_network_can_have_is_refused(make: object, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        make()  # type: ignore[operator]


def test_an_own_network_is_trained_and_its_command_makes_it_again(tmp_path: Path, clips: Table) -> None:
    own = own_settings(VARIANTS["adam-4"], DENSE_OPTIONS, {"layers": (24, 12), "epochs": 3})
    (model,) = train(clips, tmp_path / "models", settings=own)
    assert model.name == "adam-4-layers-24-12"
    bundle = load_bundle(model.path)
    words = shlex.split(bundle.card.facts["command"])[1:]
    words[2:4] = [str(clips.path), str(tmp_path / "again")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    again = load_bundle(tmp_path / "again" / model.name)
    assert again.card.facts["identity"] == bundle.card.facts["identity"]
    assert (again.path / "predictions.csv").read_bytes() == (bundle.path / "predictions.csv").read_bytes()


def test_trained_models_are_a_data_frame(tmp_path: Path, clips: Table) -> None:
    trained = train(clips, tmp_path, kind="baseline", variant="majority", seeds=2)
    frame = trained.to_frame()
    assert frame["name"].tolist() == ["majority", "majority-seed1"]
    assert frame["accuracy"].tolist() == [model.test.tracks.accuracy.value for model in trained]


def test_settings_of_another_kind_are_refused(tmp_path: Path, clips: Table) -> None:
    with pytest.raises(ParameterError, match="must be a DenseVariant; got a CnnSettings"):
        train(clips, tmp_path, settings=CnnSettings())
