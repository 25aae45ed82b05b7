from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audio_genre.bundles import bundle as bundle_module
from audio_genre.bundles.calibration import Calibration, NoveltyDetector
from audio_genre.datasets import Table, Window, get_protocol
from audio_genre.dsp import GTZAN57
from audio_genre.errors import BundleError, ParameterError
from audio_genre.inference import Classifier
from audio_genre.inputs import load_bundle
from audio_genre.training import train_tabular

FILES = {"model.keras", "model.tflite", "novelty.npz", "card.json", "history.csv", "predictions.csv", "validation.csv"}


@pytest.fixture(scope="module")
def trained(clips: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    (model,) = train_tabular(clips, tmp_path_factory.mktemp("models"), variant="adam-4", epochs=3)
    return model.path


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def test_files(trained: Path) -> None:
    assert {path.name for path in trained.iterdir()} == FILES
    assert [path.name for path in trained.parent.iterdir()] == [trained.name]


def test_the_card_tells_everything(trained: Path, clips: Table) -> None:
    card = json.loads((trained / "card.json").read_text(encoding="utf-8"))
    assert card["format_version"] == 2
    assert (card["name"], card["kind"], card["format"]) == ("adam-4", "tabular", "litert")
    assert card["classes"] == ["calm", "loud", "odd"]
    assert card["recipe"] == {"name": "gtzan57-v1", "parameters": GTZAN57.parameters()}
    assert card["features"] == list(GTZAN57.feature_names)
    assert card["window"] == {"kind": "clip", "seconds": 30}
    assert card["input_shape"] == [57]
    assert card["training_data"] == {
        "file": "features_30_sec.csv",
        "sha256": clips.sha256,
        "schema": "gtzan57",
        "rows": 30,
        "tracks": 30,
        "ignored_columns": [],
        "grouping": {"by": "names", "certain": True},
        "notes": [],
    }
    assert (card["protocol"]["name"], card["protocol"]["leaky"]) == ("track", False)
    assert card["protocol"]["sizes"]["train"] == {"rows": 18, "tracks": 18}
    for subset, count in {"train": 18, "validation": 6, "test": 6}.items():
        for unit in ("rows", "tracks"):
            measured = card["metrics"][subset][unit]
            assert measured["count"] == count
            assert (
                0 <= measured["accuracy"]["low"] <= measured["accuracy"]["value"] <= measured["accuracy"]["high"] <= 1
            )
    assert card["variant"]["units"] == [256, 128, 64]
    assert card["variant"]["fit"]["epochs"] == 3
    assert (card["training"]["epochs"], card["training"]["interrupted"], card["seed"]) == (3, False, 0)
    for package in ("python", "keras", "tensorflow", "numpy", "librosa", "audio-genre"):
        assert card["versions"][package][0].isdigit()
    assert card["created"].endswith("+00:00")
    assert card["command"] == (
        "audio-genre train tabular features_30_sec.csv models --variant adam-4 --epochs 3 --protocol track --seed 0"
    )
    assert card["vote"].startswith("mean of the probabilities")
    assert all(sentence.endswith(".") for sentence in card["limits"])
    assert card["calibration"]["tracks"] == 6
    assert card["limits"][1].startswith("6 validation tracks are too few to fit the limits for unknown (50 are needed)")


def test_limits_and_familiarity_are_those_of_validation_and_training_rows(trained: Path, clips: Table) -> None:
    loaded = load_bundle(trained)
    split = get_protocol("track").splits(clips, seed=0)[0]
    y = np.searchsorted(clips.classes, clips.labels)
    novelty = NoveltyDetector.fit(clips.X[split.train], y[split.train])
    assert loaded.novelty is not None
    np.testing.assert_array_equal(loaded.novelty.prototypes, novelty.prototypes)
    # One row a track here, so that rows are votes; their order does not matter.
    expected = Calibration.fit(
        loaded.predict(clips.X[split.validation]),
        y[split.validation],
        novelty.distances(clips.X[split.validation]),
        # Six validation tracks are too few for limits of their own.
        left_out=NoveltyDetector.cross_validate(clips.X[split.train], y[split.train], clips.groups[split.train]),
    )
    found = loaded.calibration
    assert (found.accepted, found.tracks) == (expected.accepted, 6)
    assert found.temperature == pytest.approx(expected.temperature, rel=1e-3)
    assert found.max_distance == pytest.approx(expected.max_distance)
    assert found.min_confidence == pytest.approx(expected.min_confidence, rel=1e-3)


def test_cards_from_before_models_were_calibrated(copy: Path) -> None:
    card = json.loads((copy / "card.json").read_text(encoding="utf-8"))
    del card["calibration"], card["novelty_sha256"]
    (copy / "card.json").write_text(json.dumps(card), encoding="utf-8")
    (copy / "novelty.npz").unlink()
    loaded = load_bundle(copy)
    assert loaded.novelty is None
    assert loaded.calibration == Calibration()


def test_history_and_predictions(trained: Path) -> None:
    with (trained / "history.csv").open(newline="") as file:
        history = list(csv.DictReader(file))
    assert [row["epoch"] for row in history] == ["1", "2", "3"]
    assert set(history[0]) == {"epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds"}
    with (trained / "predictions.csv").open(newline="") as file:
        predictions = list(csv.DictReader(file))
    assert len(predictions) == 6
    for row in predictions:
        p = {name: float(row[f"p({name})"]) for name in ("calm", "loud", "odd")}
        assert sum(p.values()) == pytest.approx(1, abs=1e-5)
        assert row["predicted"] == max(p, key=p.__getitem__)
        assert row["track"] == row["item"]
    right = sum(row["label"] == row["predicted"] for row in predictions) / 6
    card = json.loads((trained / "card.json").read_text(encoding="utf-8"))
    assert card["metrics"]["test"]["rows"]["accuracy"]["value"] == pytest.approx(right)


def test_the_compact_export_equals_keras(trained: Path, clips: Table) -> None:
    import keras

    expected = keras.saving.load_model(trained / "model.keras").predict(clips.X, verbose=0)
    loaded = load_bundle(trained)
    np.testing.assert_allclose(loaded.predict(clips.X), expected, atol=1e-5)
    np.testing.assert_allclose(loaded.predict(clips.X[:1]), expected[:1], atol=1e-5)
    assert loaded.predict(clips.X[:0]).shape == (0, 3)
    # The features differ by 13 orders of magnitude: without the normalisation inside, this could not hold.
    assert len(set(loaded.predict(clips.X).argmax(axis=1))) > 1


def test_properties(trained: Path) -> None:
    loaded = load_bundle(str(trained))
    assert (loaded.name, loaded.kind, loaded.classes) == ("adam-4", "tabular", ("calm", "loud", "odd"))
    assert loaded.recipe is GTZAN57
    assert loaded.features == GTZAN57.feature_names
    assert loaded.window == Window("clip", 30.0)
    assert repr(loaded) == f"Bundle({str(trained)!r}, 3 classes)"


def test_cards_from_before_there_was_a_choice_of_formats(copy: Path, clips: Table) -> None:
    expected = load_bundle(copy).predict(clips.X)
    card = json.loads((copy / "card.json").read_text(encoding="utf-8"))
    del card["format"]
    (copy / "card.json").write_text(json.dumps(card), encoding="utf-8")
    np.testing.assert_array_equal(load_bundle(copy).predict(clips.X), expected)


def test_threads_take_turns(trained: Path, clips: Table) -> None:
    loaded = load_bundle(trained)
    expected = loaded.predict(clips.X)
    wrong: list[int] = []

    def work(size: int) -> None:
        for _ in range(50):
            if not np.allclose(loaded.predict(clips.X[:size]), expected[:size], atol=1e-6):
                wrong.append(size)

    threads = [threading.Thread(target=work, args=(size,)) for size in (1, 7, 20, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((2, 56)), r"must have the shape \(n, 57\); got \(2, 56\)"),
        (np.zeros(57), r"got \(57\)"),
        (np.full((1, 57), np.nan), "must be finite"),
        (np.full((1, 57), np.inf), "must be finite"),
    ],
)
def test_inputs_of_another_kind_are_refused(trained: Path, X: np.ndarray, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        load_bundle(trained).predict(X)


def change(**fields: Any) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8")) | fields
        (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")

    return apply


def put(name: str, content: bytes | None) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink() if content is None else (folder / name).write_bytes(content)  # type: ignore[return-value]


def calibrate(**fields: Any) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        change(calibration=card["calibration"] | fields)(folder)

    return apply


def make_pipe(name: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return apply


def make_folder(name: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return apply


def make_long(name: str, size: int) -> Callable[[Path], None]:
    # Sparse: it takes no room.
    return lambda folder: os.truncate(folder / name, size)


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no folder": (shutil.rmtree, "there is no such folder"),
    "no card": (put("card.json", None), "card.json cannot be read"),
    "no model": (put("model.tflite", None), "model.tflite cannot be read"),
    "card of zeros": (put("card.json", b"\xff\xfe\x00"), "is malformed: it is not JSON"),
    "half a card": (put("card.json", b'{"format_version": 1, "na'), "is malformed: it is not JSON"),
    "a list": (put("card.json", b"[]"), "must be an object with named fields"),
    "nothing": (put("card.json", b"{}"), "the field 'format_version' must be a whole number from 1"),
    "nothing but depth": (put("card.json", b"[" * 100_000), "is malformed: it is not JSON"),
    "no version": (change(format_version=True), "the field 'format_version' must be a whole number from 1"),
    "the future": (change(format_version=3), "has format version 3 and this version of audio-genre reads up to 2"),
    "another format": (change(format="pickle"), "the field 'format' must be litert or numpy"),
    "no format": (change(format=None), "the field 'format' must be litert or numpy"),
    "a list of formats": (change(format=["numpy"]), "the field 'format' must be litert or numpy"),
    "a format without its file": (change(format="numpy"), "model.npz cannot be read"),
    "a baseline without features": (
        change(kind="baseline", features=[]),
        "the field 'features' must be a list of one or more texts",
    ),
    "classes of another type": (change(classes="rock"), "the field 'classes' must be a list of two or more texts"),
    "no metrics": (change(metrics=None), "the field 'metrics' must be an object"),
    "one class too many": (
        change(classes=["a", "b", "c", "d"]),
        r"the output .* has the shape \(4\), but it is \(3\)",
    ),
    "classes that are numbers": (change(classes=[1, 2, 3]), "the field 'classes' must be a list of two or more texts"),
    "a class that is an answer": (change(classes=["a", "b", "unknown"]), "each once and none of them 'unknown'"),
    "one class twice": (change(classes=["a", "b", "b"]), "two or more texts, each once and none of them 'unknown'"),
    "no class": (change(classes=[]), "two or more texts, each once and none of them 'unknown'"),
    "another input": (change(input_shape=[56]), r"the input .* has the shape \(56\), but it is \(57\)"),
    "unknown recipe": (change(recipe={"name": "gtzan57-v9", "parameters": {}}), "made for the recipe 'gtzan57-v9'"),
    "recipe with other numbers": (
        change(recipe={"name": "gtzan57-v1", "parameters": GTZAN57.parameters() | {"hop_length": 256}}),
        "made with other parameters of the recipe 'gtzan57-v1'",
    ),
    "no window": (change(window=None), "the field 'window' must be an object with a kind and at most 30 seconds"),
    "a window of another kind": (
        change(window={"kind": "bar", "seconds": 2}),
        "the field 'window' must be null or an object",
    ),
    **{
        f"window {seconds!r}": (
            change(window={"kind": "clip", "seconds": seconds}),
            "the field 'window' must be null or an object with a kind .* and seconds above 0",
        )
        for seconds in (0, -3, float("nan"), float("inf"), True, "3", None, 10**400)
    },
    "a window of 31 s": (change(window={"kind": "segment", "seconds": 31}), "kind and at most 30 seconds"),
    "a window with more": (change(window={"kind": "clip", "seconds": 30, "hop": 1}), "the field 'window' must be"),
    "a recipe with a list for a name": (change(recipe={"name": ["x"]}), "the field 'recipe' must be null or"),
    "a recipe without numbers": (change(recipe={"name": "gtzan57-v1"}), "the field 'recipe' must be null or"),
    "a recipe that is a text": (change(recipe="gtzan57-v1"), "the field 'recipe' must be null or"),
    "one feature twice": (change(features=["a", "a"]), "the field 'features' must be a list of one or more texts"),
    "half a character": (change(name="\ud800"), "the field 'name' must be a text"),
    "a shape of fractions": (change(input_shape=[57.0]), "the field 'input_shape' must be a list of whole"),
    "no novelty": (put("novelty.npz", None), "novelty.npz cannot be read"),
    "another novelty": (put("novelty.npz", b"PK"), "is not the file that its card was written for"),
    "no hash of it": (change(novelty_sha256=None), "the field 'novelty_sha256' must be a text"),
    "a calibration of text": (change(calibration="good"), "the field 'calibration' must be an object"),
    **{
        f"{field} {value!r}": (
            calibrate(**{field: value}),
            "the field 'calibration' must be an object with temperature",
        )
        for field, value in [
            *(("temperature", value) for value in (0, -1, 1e9, float("nan"), True, "1", None)),
            *(("min_confidence", value) for value in (-0.1, 1.1, float("nan"), "1")),
            *(("max_distance", value) for value in (-1, float("inf"), None, 10**400)),
            *(("tracks", value) for value in (0, 1.5, True)),
            ("more", 1),
        ]
    },
    "a pipe for a card": (make_pipe("card.json"), "card.json is not a regular file"),
    "a folder for a model": (make_folder("model.tflite"), "model.tflite is not a regular file"),
    "an endless card": (make_long("card.json", 2**26 + 1), "has 67108865 bytes, and at most 67108864 are read"),
    "an endless model": (make_long("model.tflite", 2**30 + 1), "at most 1073741824 are read"),
    "empty model": (put("model.tflite", b""), "is damaged"),
    "text for a model": (put("model.tflite", b"not a model at all" * 10), "is damaged"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_told_in_one_sentence(copy: Path, name: str) -> None:
    damage, message = DAMAGE[name]
    damage(copy)
    with pytest.raises(BundleError, match=message) as caught:
        load_bundle(copy)
    assert "\n" not in str(caught.value)
    assert str(copy) in str(caught.value)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["clip", "gtzan57-v1"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "parameters", "kind", "seconds"]) | st.text(max_size=5), inner, max_size=4
        )
    ),
    max_leaves=8,
)


def bundle_or_none(read: Callable[[Path], Any], folder: Path) -> Any:
    sentences = []
    try:
        return read(folder)
    except BundleError as error:
        sentences = str(error).splitlines()
    assert len(sentences) == 1
    return None


CARD_FIELDS = (
    "format_version",
    "format",
    "name",
    "kind",
    "classes",
    "recipe",
    "features",
    "window",
    "input_shape",
    "protocol",
    "calibration",
    "novelty_sha256",
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(
    st.dictionaries(st.sampled_from(CARD_FIELDS), JSON, min_size=1, max_size=3),
    st.sets(st.sampled_from(CARD_FIELDS), max_size=1),
)
def test_any_card_gives_a_bundle_or_one_sentence(
    trained: Path, copy: Path, fields: dict[str, Any], removed: set[str]
) -> None:
    card = json.loads((trained / "card.json").read_text(encoding="utf-8")) | fields
    (copy / "card.json").write_text(json.dumps({k: v for k, v in card.items() if k not in removed}), encoding="utf-8")
    loaded = bundle_or_none(load_bundle, copy)
    if loaded is None:
        return
    assert loaded.predict(np.zeros((2, *loaded.input_shape))).shape == (2, len(loaded.classes))
    assert loaded.window is None or loaded.window.label
    assert (loaded.recipe is None) or loaded.window is not None
    assert all(text.encode() for text in (loaded.name, loaded.kind, *loaded.classes, *loaded.features))
    bundle_or_none(Classifier, copy)


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from audio_genre.errors import BundleError
from audio_genre.training import VARIANTS, EpochReport
from audio_genre.bundles import bundle
from audio_genre.bundles.calibration import NoveltyDetector
from audio_genre.bundles.card import Card

folder = Path(sys.argv[1])
CARD = Card("a", "tabular", "features", ("a", "b", "c"), None, None, (57,), None, 0, {}, {}, {}, {}, {}, {})
X = np.random.default_rng(0).normal(size=(9, 57)).astype("float32")
model = VARIANTS["adam-4"].build(X, 3)
report = EpochReport(1, 1, 1, 1, 1, 1)
familiar = NoveltyDetector.fit(X, np.arange(9) % 3)

def write(most_bytes_in_a_file):
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes_in_a_file, resource.RLIM_INFINITY))
    check = X, model.predict(X, verbose=0)
    try:
        bundle.write_bundle(
            folder, model, CARD, check=check, novelty=familiar, history=[report], predictions=[["item"]]
        )
    except BundleError as error:
        print(error)
    assert not list(folder.parent.iterdir())

write(1000)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
compact = bundle._export(model, folder)
bundle._export = lambda *_: compact
for size in (0, 1000, 100_000):
    write(size)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
def test_a_full_disk_is_told_in_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "models/a")], stdout=subprocess.PIPE, text=True, check=True
    )
    first, *others = done.stdout.splitlines()
    assert first.startswith(f"{tmp_path / 'models/a'} cannot be written, because ")
    assert "cannot be used to export its model: File too large; free some space or set TMPDIR" in first
    assert others == [f"{tmp_path / 'models/a'} cannot be written: File too large; choose another folder."] * 3


def test_an_export_that_fails_for_another_reason_is_no_fault_of_the_disk(
    clips: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorflow import lite

    def fail(model: Any) -> Any:
        raise NotImplementedError("a layer")

    monkeypatch.setattr(lite.TFLiteConverter, "from_keras_model", fail)
    with pytest.raises(NotImplementedError, match="a layer"):
        train_tabular(clips, tmp_path, variant="adam-4", epochs=1)
    # What was trained is not lost: --resume goes on from it.
    assert [path.name for path in tmp_path.iterdir()] == [".adam-4.checkpoint.npz"]


def test_a_truncated_model_is_refused(copy: Path) -> None:
    model = copy / "model.tflite"
    model.write_bytes(model.read_bytes()[:2000])
    with pytest.raises(BundleError, match="is damaged"):
        load_bundle(copy)


@pytest.mark.parametrize(
    "outputs",
    [
        lambda p: p * np.nan,
        lambda p: p * 0,
        lambda p: p * np.inf,
        lambda p: p * 2,
        lambda p: np.tile([1.5, -0.5, 0], (len(p), 1)),
        lambda p: p[:, :2],
        lambda p: p[:1],
        lambda p: p[0],
    ],
)
def test_what_is_no_probability_is_refused(trained: Path, clips: Table, outputs: Callable[[Any], Any]) -> None:
    loaded = load_bundle(trained)
    run = loaded._runner
    loaded._runner = lambda X: outputs(run(X))
    with np.errstate(invalid="ignore"), pytest.raises(BundleError, match="gives outputs that are not probabilities"):
        loaded.predict(clips.X[:3])


def test_a_model_that_fails_when_it_runs_is_told(trained: Path, clips: Table) -> None:
    loaded = load_bundle(trained)

    def fail(X: np.ndarray) -> np.ndarray:
        raise RuntimeError("node 3 failed.\nat length")

    loaded._runner = fail
    with pytest.raises(BundleError, match=r"cannot predict \(node 3 failed\); choose another model\.$"):
        loaded.predict(clips.X[:3])


@pytest.mark.parametrize(("takes", "gives"), [("int32", "float32"), ("float32", "int32")])
def test_a_model_of_other_numbers_is_refused(copy: Path, takes: str, gives: str) -> None:
    import tensorflow as tf

    class Other(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 57], takes)])
        def serve(self, x: Any) -> Any:
            return tf.cast(tf.nn.softmax(tf.cast(x, "float32")[:, :3]), gives)

    module = Other()
    content = tf.lite.TFLiteConverter.from_concrete_functions([module.serve.get_concrete_function()], module).convert()
    (copy / "model.tflite").write_bytes(content)
    change(exported_sha256=hashlib.sha256(content).hexdigest())(copy)
    with pytest.raises(BundleError, match="other than numbers of single precision"):
        load_bundle(copy)


def test_an_export_that_disagrees_is_not_written(clips: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_module, "_AGREEMENT", -1.0)
    with pytest.raises(BundleError, match="The exported model of adam-4 differs from Keras"):
        train_tabular(clips, tmp_path, variant="adam-4", epochs=1)
    # What was trained is not lost: --resume goes on from it.
    assert [path.name for path in tmp_path.iterdir()] == [".adam-4.checkpoint.npz"]


def test_a_bundle_stays_when_its_successor_cannot_be_written(
    trained: Path, clips: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "adam-4"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def no_space(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle_module, "_write_csv", no_space)
    with pytest.raises(BundleError, match="cannot be written: No space left on device"):
        train_tabular(clips, tmp_path, variant="adam-4", epochs=1)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [".adam-4.checkpoint.npz", "adam-4"]


def test_another_model_of_the_same_shape_is_not_taken_for_its_own(copy: Path) -> None:
    model = copy / "model.tflite"
    changed = bytearray(model.read_bytes())
    changed[len(changed) // 2] ^= 1
    model.write_bytes(bytes(changed))
    with pytest.raises(BundleError, match="not the file that its card was written for"):
        load_bundle(copy)


def test_cards_of_the_first_format_are_read(copy: Path) -> None:
    (copy / "novelty.npz").rename(copy / "familiarity.npz")
    change(
        format_version=1,
        calibration={
            "temperature": 1.5,
            "window_temperature": 1.2,
            "least_confidence": 0.25,
            "most_distance": 2.0,
            "accepted": 0.93,
            "tracks": 60,
        },
    )(copy)
    calibration = load_bundle(copy).calibration
    assert (calibration.min_confidence, calibration.max_distance) == (0.25, 2.0)
