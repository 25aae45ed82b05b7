from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_networks import small_variants

from audio_genre.bundles import bundle as bundle_module
from audio_genre.datasets import PROTOCOLS, Table, TableSchema, get_protocol, load_table
from audio_genre.errors import BundleError, ParameterError, ProtocolError, TableError
from audio_genre.inputs import load_bundle
from audio_genre.training import VARIANTS, EpochReport, TrainedModel, train_tabular
from audio_genre.training import fit as fit_module
from audio_genre.training import plan as plan_training
from audio_genre.training.run import Run, TrainingPlan
from audio_genre.training.tabular import DenseLearner


@pytest.fixture(scope="module")
def trained(segments: Table, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], TrainedModel]:
    folder = tmp_path_factory.mktemp("models")
    models = train_tabular(segments, folder, epochs=4)
    # Those made for thousands of tracks are none of all here.
    large = [variant for variant in VARIANTS.values() if variant.large]
    models += [train_tabular(segments, folder, settings=variant, epochs=4)[0] for variant in large]
    others = train_tabular(segments, folder, variant="adam-4", protocol="segment", epochs=4)
    return {(model.variant, model.protocol): model for model in [*models, *others]}


@pytest.fixture
def _small() -> Iterator[None]:
    with small_variants():
        yield


@pytest.mark.parametrize(
    ("variant", "protocol"), [*((variant, "track") for variant in VARIANTS), ("adam-4", "segment")]
)
def test_every_variant_and_a_leaky_protocol(
    trained: dict[tuple[str, str], TrainedModel], segments: Table, variant: str, protocol: str
) -> None:
    model = trained[variant, protocol]
    assert model.name == model.path.name == f"{variant}-3s" + ("" if protocol == "track" else f"-{protocol}")
    assert model.leaky == PROTOCOLS[protocol].leaky
    assert 1 <= model.best_epoch <= model.epochs <= 4
    assert model.test.rows.count == 24
    assert model.test.tracks.count <= 24
    assert not model.interrupted
    loaded = load_bundle(model.path)
    assert loaded.classes == segments.classes
    assert loaded.card.to_dict()["protocol"]["leaky"] == PROTOCOLS[protocol].leaky
    assert loaded.card.to_dict()["window"] == {"kind": "segment", "seconds": 3}
    # What the bundle predicts gives the accuracy on the card.
    (split,) = get_protocol(protocol).splits(segments, seed=0)
    predicted = np.array(loaded.classes)[loaded.predict(segments.X[split.test]).argmax(axis=1)]
    assert (predicted == segments.labels[split.test]).mean() == pytest.approx(model.test.rows.accuracy.value)


def test_classes_that_differ_plainly_are_learned(clips: Table, tmp_path: Path) -> None:
    (model,) = train_tabular(clips, tmp_path, variant="adam-4", epochs=40)
    assert model.test.rows.accuracy.value == 1.0


def test_the_normalisation_sees_training_rows_only(
    trained: dict[tuple[str, str], TrainedModel], segments: Table
) -> None:
    import keras

    (split,) = get_protocol("track").splits(segments, seed=0)
    layer = keras.saving.load_model(trained["adam-4", "track"].path / "model.keras").get_layer("normalisation")
    expected = segments.X[split.train].mean(axis=0, dtype=np.float64)
    np.testing.assert_allclose(np.asarray(layer.mean)[0], expected, rtol=1e-5)
    assert not np.allclose(expected, segments.X.mean(axis=0, dtype=np.float64), rtol=1e-3)


def test_names_tell_what_is_not_the_default(clips: Table, segments: Table, tmp_path: Path) -> None:
    def name(table: Table, protocol: str = "track", seed: int = 0, fold: str = "") -> str:
        (split,) = get_protocol(protocol).splits(table, seed=seed)
        split = dataclasses.replace(split, fold=fold)
        return Run(DenseLearner(table, VARIANTS["sgd-5"]), get_protocol(protocol), split, seed).name

    assert name(clips) == "sgd-5"
    assert name(clips, seed=7) == "sgd-5-seed7"
    assert name(segments) == "sgd-5-3s"
    assert name(segments, "segment", 7, "fold-2") == "sgd-5-3s-segment-fold-2-seed7"


def test_the_number_of_epochs_makes_another_training(clips: Table, tmp_path: Path) -> None:
    one, same, two = (plan_training(clips, tmp_path, epochs=epochs, kind="tabular").runs[0] for epochs in (1, 1, 2))
    assert one._identity() == same._identity() != two._identity()


@pytest.mark.usefixtures("_small")
def test_an_interrupt_finishes_the_model_at_hand_and_ends_there(clips: Table, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []

    def progress(name: str, epochs: int, report: EpochReport) -> None:
        seen.append((name, epochs, report.epoch))
        if name == "adam-5-seed4" and report.epoch == 2:
            raise KeyboardInterrupt

    models = train_tabular(clips, tmp_path, epochs=3, seed=4, progress=progress)
    assert [(model.variant, model.epochs, model.interrupted) for model in models] == [
        ("adam-4", 3, False),
        ("adam-5", 2, True),
    ]
    assert seen == [("adam-4-seed4", 3, k) for k in (1, 2, 3)] + [("adam-5-seed4", 3, k) for k in (1, 2)]
    assert load_bundle(tmp_path / "adam-5-seed4").card.to_dict()["training"]["interrupted"] is True
    # What --resume goes on from.
    state = ".adam-5-seed4.checkpoint.npz"
    assert sorted(path.name for path in tmp_path.iterdir()) == [state, "adam-4-seed4", "adam-5-seed4"]


@pytest.mark.usefixtures("_small")
def test_an_interrupt_between_keeps_the_models_before(
    clips: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def interrupt_second(module: Any, name: str) -> None:
        original = getattr(module, name)

        def interrupt(model: Any, *rest: Any) -> Any:
            calls.append(model.name)
            if model.name == "adam-5":
                raise KeyboardInterrupt
            return original(model, *rest)

        monkeypatch.setattr(module, name, interrupt)

    interrupt_second(fit_module, "_evaluate")
    plan = plan_training(clips, tmp_path, epochs=1, kind="tabular")
    trained = plan.train()
    assert calls == ["adam-4", "adam-5"]
    assert [(model.variant, model.interrupted) for model in trained] == [("adam-4", False)]
    assert plan.names[len(trained) :] == ("adam-5", "sgd-5", "rmsprop-6")
    assert [path.name for path in tmp_path.iterdir()] == ["adam-4"]
    monkeypatch.undo()
    interrupt_second(bundle_module, "_export")
    with pytest.raises(KeyboardInterrupt):
        # Nothing is finished, so nothing is returned.
        TrainingPlan(plan.dataset, tmp_path, plan.runs[1:]).train()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".adam-5.checkpoint.npz", "adam-4"]


@pytest.mark.usefixtures("_small")
def test_a_resumed_training_ends_as_one_without_a_break(clips: Table, tmp_path: Path) -> None:
    options = {"variant": "adam-4", "epochs": 4}
    (whole,) = train_tabular(clips, tmp_path / "whole", **options)

    def stop(name: str, most: int, report: EpochReport) -> None:
        if report.epoch == 2:
            raise KeyboardInterrupt

    (broken,) = train_tabular(clips, tmp_path / "broken", progress=stop, **options)
    assert broken.interrupted
    plan = plan_training(clips, tmp_path / "broken", **options, kind="tabular")
    assert plan.resumable() == {"adam-4": 2}
    assert plan.not_resumable() == []
    (resumed,) = plan.train(resume=True)
    assert (resumed.path, resumed.epochs, resumed.interrupted) == (broken.path, 4, False)
    assert [path.name for path in (tmp_path / "broken").iterdir()] == ["adam-4"]
    for name in ("model.tflite", "predictions.csv", "novelty.npz"):
        assert (resumed.path / name).read_bytes() == (whole.path / name).read_bytes()


def test_a_plan_checks_without_tensorflow(clips: Table, tmp_path: Path) -> None:
    code = (
        "import sys; from audio_genre.training import plan;"
        f"plan = plan({str(clips.path)!r}, {str(tmp_path / 'models')!r}, epochs=3);"
        "print(len(plan), *plan.names);"
        "assert not {'tensorflow', 'keras', 'sklearn'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split(), done.stderr) == (
        0,
        ["4", *(name for name, each in VARIANTS.items() if not each.large)],
        "",
    )
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder in which even root can make no file")
def test_a_folder_that_cannot_be_written_to_is_refused_before_training(clips: Table) -> None:
    with pytest.raises(BundleError, match=r"/proc/self cannot be used as a models folder: .*; choose another\."):
        plan_training(clips, "/proc/self", kind="tabular")


def test_a_table_of_another_schema(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "tracks.csv"
    lines = ["id,artist,energy,speech,genre"]
    lines += [f"t{k},a{k // 2},{rng.normal(k % 4 // 2):.3f},{rng.random():.3f},{'ab'[k % 4 // 2]}" for k in range(40)]
    path.write_text("\n".join(lines), encoding="utf-8")
    schema = TableSchema("toy", recipe=None, features=("energy", "speech"), label="genre", item="id", group="artist")
    (model,) = train_tabular(load_table(path, schema), tmp_path / "models", variant="adam-4", epochs=1)
    loaded = load_bundle(model.path)
    assert (loaded.recipe, loaded.window, loaded.input_shape) == (None, None, (2,))
    assert loaded.predict(np.zeros((3, 2))).shape == (3, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "adam-9"}, "variant 'adam-9' is unknown"),
        ({"protocol": "album"}, "protocol 'album' is unknown"),
        ({"epochs": 0}, "number of epochs must be 1 or more; got 0"),
        ({"seed": -1}, "seed must be in the range 0 to 4294967295; got -1"),
        ({"seed": 2**32}, "seed must be in the range"),
    ],
)
def test_arguments_out_of_range_are_refused(
    clips: Table, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        train_tabular(clips, tmp_path / "models", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "models").exists()


def test_what_cannot_be_trained_on_is_refused_before_anything_is_written(clips: Table, tmp_path: Path) -> None:
    header, *rows = clips.path.read_text(encoding="utf-8").splitlines()
    models = tmp_path / "models"
    tables = {
        "few.csv": (rows[:2] + rows[10:20], ProtocolError, "has 2 tracks"),
        "one.csv": (rows[:10], TableError, "only the class 'calm'"),
        "none.csv": ([row.rpartition(",")[0] + "," for row in rows], TableError, "no label in 30 of 30 rows"),
    }
    for name, (chosen, error, message) in tables.items():
        (tmp_path / name).write_text("\n".join([header, *chosen]), encoding="utf-8")
        with pytest.raises(error, match=message):
            train_tabular(tmp_path / name, models)
    with pytest.raises(TableError, match="cannot be read"):
        train_tabular(tmp_path / "absent.csv", models)
    assert not models.exists()


def test_a_file_is_no_folder_for_models(clips: Table, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("")
    with pytest.raises(BundleError, match="cannot be used as a models folder"):
        train_tabular(clips, tmp_path / "models", epochs=1)


def test_training_prints_nothing(clips: Table, tmp_path: Path) -> None:
    code = (
        "import sys; from audio_genre.training import train_tabular;"
        "assert not {'tensorflow', 'keras', 'sklearn', 'pandas'} & set(sys.modules);"
        f"train_tabular({str(clips.path)!r}, {str(tmp_path)!r}, variant='adam-4', epochs=1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_real_clips_are_told_apart(shared_data: Path, tmp_path: Path) -> None:
    (model,) = train_tabular(shared_data / "gtzan/features_30_sec.csv", tmp_path, variant="adam-4")
    assert model.test.rows.count == 200
    # Three standard errors below what the variant reaches on average over seeds.
    assert model.test.rows.accuracy.value > 0.63
