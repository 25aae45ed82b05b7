from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_genre.bundles.arrays import MOST_DEPTH, LinearModel, Tree, TreeModel, read_model
from audio_genre.datasets import PROTOCOLS, Table, TableSchema, get_protocol, load_table
from audio_genre.errors import BundleError, ParameterError, ProtocolError, TableError
from audio_genre.inference import Classifier
from audio_genre.inputs import load_bundle
from audio_genre.training import BASELINES as DECLARED
from audio_genre.training import TrainedModel, baselines, train, train_baseline
from audio_genre.training import plan as plan_training
from audio_genre.training.balance import Learned
from audio_genre.training.baselines import BaselineLearner, BaselineVariant, Fitted, Task
from audio_genre.training.fit import FitResult
from audio_genre.training.run import TrainingPlan

# A few trees are fitted and written as hundreds are.
FEW = {"random-forest": {"n_estimators": 30}, "gradient-boosting": {"max_iter": 30}}
BASELINES = {
    name: dataclasses.replace(variant, parameters={**variant.parameters, **FEW.get(name, {})})
    for name, variant in DECLARED.items()
}
INSTALLED = [name for name, variant in BASELINES.items() if variant.available]
HUGE = np.finfo(np.float32).max

FAKE_XGBOOST = '''
"""Two rounds of fixed trees of depth two, which go left below the threshold as XGBoost does."""
import json

import numpy as np

__version__ = "0.0"


class DMatrix:
    def __init__(self, X, label=None, weight=None):
        self.X, self.label = X, label


class Booster:
    def __init__(self, options, X, rounds):
        self.options, self.trees, self.classes = options, [], options["num_class"]
        self.base = BASE(self.classes)
        for round in range(rounds):
            for number in range(self.classes):
                row, feature = X[(3 * round + number) % len(X)], number % X.shape[1]
                self.trees.append({
                    "left_children": [2, 3, -1, -1, -1],
                    "right_children": [1, 4, -1, -1, -1],
                    "split_indices": [feature, (feature + 1) % X.shape[1], 0, 0, 0],
                    "split_conditions": [
                        float(row[feature]), float(row[(feature + 1) % X.shape[1]]), 0.5 + number, -0.25, 0.125 * round
                    ],
                })

    def predict(self, matrix):
        logits = np.tile(np.broadcast_to(self.base, self.classes), (len(matrix.X), 1)).astype(float)
        for row, sums in zip(matrix.X, logits):
            for number, tree in enumerate(self.trees):
                node = 0
                while tree["left_children"][node] >= 0:
                    below = row[tree["split_indices"][node]] < np.float32(tree["split_conditions"][node])
                    node = tree["left_children" if below else "right_children"][node]
                sums[number % self.classes] += tree["split_conditions"][node]
        p = np.exp(logits)
        return p / p.sum(axis=1, keepdims=True)

    def save_raw(self, raw_format):
        assert raw_format == "json"
        base = np.atleast_1d(self.base)
        text = ",".join(f"{value:E}" for value in base)
        return bytearray(json.dumps({"learner": {
            "gradient_booster": {"model": {
                "trees": self.trees, "tree_info": [k % self.classes for k in range(len(self.trees))],
            }},
            "learner_model_param": {"base_score": text if base.size == 1 else f"[{text}]"},
        }}).encode())


def train(options, matrix, num_boost_round):
    assert options["nthread"] == 1
    return Booster(options, matrix.X, min(num_boost_round, 2))
'''


@pytest.fixture(scope="module", autouse=True)
def _few_trees() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "BASELINES", BASELINES)
        yield


@pytest.fixture(params=["0.5", "np.arange(classes) / 8"], ids=["one base score", "a base score a class"])
def fake_xgboost(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with the interface and the file format of XGBoost, old and new."""
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake/xgboost.py").write_text(FAKE_XGBOOST + f"\n\ndef BASE(classes):\n    return {request.param}\n")
    real = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "xgboost"}
    monkeypatch.syspath_prepend(tmp_path / "fake")
    yield
    sys.modules.pop("xgboost", None)
    sys.modules.update(real)


def rows(count: int, features: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of all classes, which overlap, with features of very different size."""
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes), rng.integers(0, classes, count - classes)])
    X = (rng.normal(size=(count, features)) + y[:, np.newaxis] * 0.7) * np.logspace(-6, 7, features)
    return X.astype(np.float32), y


def fit(name: str, X: np.ndarray, y: np.ndarray, seed: int = 0, **parameters: Any) -> Fitted:
    variant = BASELINES[name]
    return variant.fit(Learned(X, y), Task(int(y.max()) + 1, {**variant.parameters, **parameters}, seed))


def assert_agreement(fitted: Fitted, X: np.ndarray) -> None:
    expected = fitted.check(X)
    for model in (fitted.exported, read_model(fitted.exported.to_bytes())):
        p = model(X)
        assert p.dtype == np.float32
        assert p.shape == (len(X), model.outputs)
        np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(p, expected, atol=1e-5)


def hard_rows(fitted: Fitted, X: np.ndarray) -> np.ndarray:
    """Rows on which an inexact copy of a model would go another way."""
    rng = np.random.default_rng(1)
    choices = [X.ravel(), np.array([0.0, -0.0, HUGE, -HUGE, 1e-45, -1e-45], dtype=np.float32)]
    thresholds = fitted.exported.arrays().get("threshold", np.empty(0, dtype=np.float32))
    choices += [thresholds, *(np.nextafter(thresholds, np.float32(end)) for end in (-np.inf, np.inf))]
    columns = [rng.choice(np.concatenate(choices), 2000) for _ in range(X.shape[1])]
    scattered = (rng.normal(size=(200, X.shape[1])) * np.logspace(-9, 9, X.shape[1])).astype(np.float32)
    return np.concatenate([np.column_stack(columns), scattered, X])


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("name", INSTALLED)
def test_the_arrays_agree_with_the_library(name: str, classes: int) -> None:
    X, y = rows(150, 6, classes)
    fitted = fit(name, X, y)
    assert_agreement(fitted, hard_rows(fitted, X))


@pytest.mark.usefixtures("fake_xgboost")
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_xgboost_goes_left_below_and_not_at_the_threshold(classes: int) -> None:
    X, y = rows(40, 4, classes)
    fitted = fit("xgboost", X, y)
    # Rows that stand exactly at a threshold are among the training rows.
    assert_agreement(fitted, X)
    assert_agreement(fitted, hard_rows(fitted, X)[:400])


@pytest.mark.parametrize("name", INSTALLED)
@pytest.mark.parametrize(
    ("X", "y"),
    [
        (np.zeros((6, 3)), [0, 1, 2, 0, 1, 2]),
        (np.eye(3), [0, 1, 2]),
        (np.array([[1.0], [2.0]]), [0, 1]),
        (np.full((4, 2), HUGE), [0, 1, 0, 1]),
        (np.array([[-HUGE, 0], [HUGE, 0], [HUGE, 1e-40]]), [0, 1, 1]),
        (np.array([[1.0, 1.0], [np.nextafter(np.float32(1), np.float32(2)), 1.0]] * 20), [0, 1] * 20),
    ],
    ids=["constant", "one row a class", "one feature", "huge constant", "extremes", "neighbouring numbers"],
)
def test_degenerate_rows(name: str, X: np.ndarray, y: list[int]) -> None:
    X = X.astype(np.float32)
    fitted = fit(name, X, np.array(y))
    assert_agreement(fitted, np.concatenate([X, X * np.float32(0.5), np.zeros_like(X)]))


@pytest.mark.parametrize("name", ["random-forest", "gradient-boosting"])
@given(data=st.data())
def test_any_rows_go_the_same_way(name: str, data: st.DataObject) -> None:
    numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
    X = np.array(data.draw(st.lists(st.tuples(numbers, numbers), min_size=4, max_size=20)), dtype=np.float32)
    y = np.arange(len(X)) % data.draw(st.integers(2, 3))
    size = {"random-forest": {"n_estimators": 3}, "gradient-boosting": {"max_iter": 3}}[name]
    with warnings.catch_warnings():
        # scikit-learn squares what it bins, and takes means of neighbours that overflow.
        warnings.simplefilter("ignore", RuntimeWarning)
        fitted = fit(name, X, y, **size)
    assert_agreement(fitted, np.concatenate([X, -X, np.nextafter(X, np.float32(0))]))


def test_the_majority_is_the_majority() -> None:
    X, _ = rows(10, 2, 2)
    fitted = fit("majority", X, np.array([2, 1, 1, 0, 1, 2, 1, 1, 2, 1]))
    np.testing.assert_allclose(fitted.exported(-X), np.tile([0.1, 0.6, 0.3], (10, 1)), atol=1e-7)


def test_an_answer_does_not_depend_on_the_rows_beside_it() -> None:
    X, y = rows(3000, 6, 5)
    for name in ("random-forest", "gradient-boosting"):
        model = fit(name, X[:200], y[:200]).exported
        np.testing.assert_array_equal(model(X)[-3:], model(X[-3:]))
        np.testing.assert_array_equal(model(X[:1]), model(X)[:1])


@pytest.mark.parametrize("name", INSTALLED)
def test_the_seed_decides(name: str) -> None:
    X, y = rows(60, 5, 3)
    first, second, other = (fit(name, X, y, seed).exported.to_bytes() for seed in (3, 3, 4))
    assert first == second
    assert (first == other) == (name in ("majority", "logistic-regression", "discriminant-analysis"))


def test_what_is_plain_is_learned() -> None:
    X, y = rows(200, 4, 3)
    X[:, 1] = y * 10
    for name in INSTALLED:
        right = (fit(name, X, y).exported(X).argmax(axis=1) == y).mean()
        assert (right == 1) == (name != "majority")


# Bundles


@pytest.fixture(scope="module")
def trained(segments: Table, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], TrainedModel]:
    folder = tmp_path_factory.mktemp("models")
    return {(model.variant, model.protocol): model for model in train_baseline(segments, folder, protocol="all")}


@pytest.mark.parametrize("protocol", [name for name, protocol in PROTOCOLS.items() if not protocol.published])
@pytest.mark.parametrize("variant", INSTALLED)
def test_every_baseline_under_every_protocol(
    trained: dict[tuple[str, str], TrainedModel], segments: Table, variant: str, protocol: str
) -> None:
    model = trained[variant, protocol]
    assert model.name == model.path.name == f"{variant}-3s" + ("" if protocol == "track" else f"-{protocol}")
    assert {path.name for path in model.path.iterdir()} == {
        "model.npz",
        "novelty.npz",
        "card.json",
        "history.csv",
        "predictions.csv",
        "validation.csv",
    }
    assert (model.epochs, model.best_epoch, model.interrupted) == (0, 0, False)
    loaded = load_bundle(model.path)
    assert (loaded.kind, loaded.classes, loaded.features) == ("baseline", segments.classes, segments.schema.features)
    card = loaded.card.to_dict()
    assert card["format"] == "numpy"
    assert card["variant"] == {"name": variant, "parameters": dict(BASELINES[variant].parameters)}
    assert "training rows only" in card["fitted_on"]
    assert card["window"] == {"kind": "segment", "seconds": 3}
    assert card["training"]["epochs"] == 0
    assert "scikit-learn" in card["versions"]
    # What the bundle predicts gives the accuracy on the card, and the file of predictions.
    (split,) = get_protocol(protocol).splits(segments, seed=0)
    p = loaded.predict(segments.X[split.test])
    predicted = np.array(loaded.classes)[p.argmax(axis=1)]
    assert (predicted == segments.labels[split.test]).mean() == pytest.approx(model.test.rows.accuracy.value)
    with (model.path / "predictions.csv").open(newline="", encoding="utf-8") as file:
        assert [row["predicted"] for row in csv.DictReader(file)] == predicted.tolist()
    header = "epoch,loss,accuracy,val_loss,val_accuracy,seconds\n"
    assert (model.path / "history.csv").read_text(encoding="utf-8") == header


def test_baselines_learn_from_training_rows_only(clips: Table, tmp_path: Path) -> None:
    (split,) = get_protocol("track").splits(clips, seed=0)
    hidden = np.concatenate([split.validation, split.test])
    lines = clips.path.read_text(encoding="utf-8").splitlines()
    for row in hidden:
        name, length, *_, label = lines[1 + row].split(",")
        lines[1 + row] = ",".join([name, length, *["1"] * 57, label])
    (tmp_path / "features_30_sec.csv").write_text("\n".join(lines), encoding="utf-8")
    bytes_of = [
        {model.variant: (model.path / "model.npz").read_bytes() for model in train_baseline(table, tmp_path / name)}
        for name, table in (("a", clips), ("b", tmp_path / "features_30_sec.csv"))
    ]
    assert bytes_of[0] == bytes_of[1]


def test_neither_fit_nor_prediction_loads_more_than_they_need(clips: Table, tmp_path: Path) -> None:
    def run(code: str) -> None:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    table, models = str(clips.path), str(tmp_path / "models")
    run(
        "import sys; from audio_genre.training import plan;"
        f'plan = plan({table!r}, {models!r}, kind="baseline");'
        "assert not {'tensorflow', 'keras', 'sklearn', 'scipy', 'xgboost'} & set(sys.modules);"
        "plan.train();"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    names = sorted(path.name for path in (tmp_path / "models").iterdir())
    assert names == sorted(INSTALLED)
    run(
        "import sys; from pathlib import Path; import numpy as np; from audio_genre.inputs import load_bundle;"
        f"bundles = [load_bundle(path) for path in Path({models!r}).iterdir()];"
        "p = [bundle.predict(np.zeros((2, 57))) for bundle in bundles];"
        "assert all(np.allclose(each.sum(axis=1), 1) for each in p);"
        "assert not {'tensorflow', 'keras', 'sklearn', 'pandas', 'scipy', 'ai_edge_litert'}"
        " & set(sys.modules)"
    )


def test_audio_is_classified_with_a_baseline(
    trained: dict[tuple[str, str], TrainedModel], segments: Table, tmp_path: Path
) -> None:
    import soundfile

    path = tmp_path / "noise.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 4 * 22050), 22050)
    answer = Classifier(trained["random-forest", "track"].path).classify(path)
    assert set(answer.probabilities) == set(segments.classes)
    assert sum(answer.probabilities.values()) == pytest.approx(1)


def test_a_table_of_another_schema(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "tracks.csv"
    lines = ["id,artist,energy,speech,genre"]
    lines += [f"t{k},a{k // 2},{rng.normal(k % 4 // 2):.3f},{rng.random():.3f},{'ab'[k % 4 // 2]}" for k in range(40)]
    path.write_text("\n".join(lines), encoding="utf-8")
    schema = TableSchema("toy", recipe=None, features=("energy", "speech"), label="genre", item="id", group="artist")
    for model in train_baseline(load_table(path, schema), tmp_path / "models"):
        loaded = load_bundle(model.path)
        assert (loaded.recipe, loaded.window, loaded.input_shape) == (None, None, (2,))
        assert loaded.predict(np.zeros((3, 2))).shape == (3, 2)
        assert loaded.predict(np.zeros((0, 2))).shape == (0, 2)
        with pytest.raises(BundleError, match="holds a baseline model that does not take the features of a recipe"):
            Classifier(model.path)


# Plans


def test_a_plan_repeats_seeds_and_folds(clips: Table, tmp_path: Path) -> None:
    plan = plan_training(clips, tmp_path, variant="majority", seeds=2, folds=3, kind="baseline")
    assert plan.kinds == ("baseline",)
    assert plan.names == tuple(f"majority-fold-{k}{end}" for end in ("", "-seed1") for k in (1, 2, 3))
    assert plan.resumable() == {}
    told: list[str] = []
    models = plan.train(finished=lambda model: told.append(model.name))
    assert tuple(told) == tuple(model.name for model in models) == plan.names
    for seed in (0, 1):
        tested = np.concatenate([model.tracks for model in models if model.seed == seed])
        assert sorted(tested.tolist()) == sorted(set(clips.groups.tolist()))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(plan.names)


def test_nothing_is_overwritten_but_the_same_fit(clips: Table, tmp_path: Path) -> None:
    def train() -> str:
        (model,) = train_baseline(clips, tmp_path, variant="majority")
        return model.name

    (tmp_path / "majority").mkdir()
    (tmp_path / "majority/thesis.txt").write_text("mine")
    assert train() == "majority-2"
    path = tmp_path / "majority-2/card.json"
    created = path.stat().st_mtime_ns
    assert train() == "majority-2"
    assert path.stat().st_mtime_ns > created
    for number, (part, other) in enumerate([("settings", "other parameters"), ("sha256", "another table")], start=3):
        card = json.loads(path.read_text(encoding="utf-8"))
        card["identity"][part] = other
        path.write_text(json.dumps(card), encoding="utf-8")
        assert train() == f"majority-{number}"
        assert json.loads(path.read_text(encoding="utf-8")) == card
        path = tmp_path / f"majority-{number}/card.json"
    assert (tmp_path / "majority/thesis.txt").read_text() == "mine"


def test_a_shorter_or_interrupted_training_never_replaces_a_longer_one(
    clips: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = BaselineLearner.fit

    def trained(trees: int, *, interrupted: bool = False) -> str:
        def end(*arguments: Any) -> FitResult:
            return dataclasses.replace(fit(*arguments), interrupted=interrupted)

        monkeypatch.setattr(BaselineLearner, "fit", end)
        forest: BaselineVariant = BASELINES["random-forest"]
        settings = dataclasses.replace(forest, parameters={**forest.parameters, "n_estimators": trees})
        (model,) = train(clips, tmp_path, settings=settings, kind="baseline")
        assert model.interrupted == interrupted
        return model.name

    assert trained(2) == "random-forest"
    assert trained(1) == "random-forest-2"
    assert trained(2, interrupted=True) == "random-forest-3"
    assert trained(2) == "random-forest"
    # What was interrupted gives way.
    assert trained(2, interrupted=True) == "random-forest-3"


@pytest.mark.parametrize("stage", ["in the fit", "in the export", "between"])
def test_an_interrupt_keeps_the_models_before(
    clips: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    def interrupt(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    finished = None
    if stage == "in the fit":
        monkeypatch.setattr("sklearn.ensemble.RandomForestClassifier.fit", interrupt)
    elif stage == "in the export":
        monkeypatch.setattr(TreeModel, "to_bytes", interrupt)
    else:

        def finished(model: TrainedModel) -> None:
            if model.variant == "logistic-regression":
                raise KeyboardInterrupt

    plan = plan_training(clips, tmp_path, kind="baseline")
    # Without the majority, which is written as a tree as well, and one linear model in place of two.
    plan = TrainingPlan(plan.dataset, plan.models_dir, (plan.runs[1], *plan.runs[3:]))
    models = plan.train(finished=finished)
    assert [(model.variant, model.interrupted) for model in models] == [("logistic-regression", False)]
    assert [path.name for path in tmp_path.iterdir()] == ["logistic-regression"]
    load_bundle(tmp_path / "logistic-regression")
    if stage != "between":
        with pytest.raises(KeyboardInterrupt):
            TrainingPlan(plan.dataset, plan.models_dir, plan.runs[1:]).train()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "knn"}, "variant 'knn' is unknown; choose one of majority, .*, xgboost or all"),
        ({"protocol": "album"}, "protocol 'album' is unknown"),
        ({"seed": -1}, "seed must be in the range 0 to 4294967295; got -1"),
        ({"seeds": 0}, "number of seeds must be 1 or more; got 0"),
        ({"folds": 1}, "folds"),
    ],
)
def test_arguments_out_of_range_are_refused(
    clips: Table, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        train_baseline(clips, tmp_path / "models", **options)
    assert not (tmp_path / "models").exists()


def test_the_largest_seed(clips: Table, tmp_path: Path) -> None:
    models = train_baseline(clips, tmp_path, seed=2**32 - 1)
    assert [model.name for model in models] == [f"{name}-seed4294967295" for name in INSTALLED]


def test_what_cannot_be_learned_from_is_refused_before_anything_is_written(clips: Table, tmp_path: Path) -> None:
    header, *lines = clips.path.read_text(encoding="utf-8").splitlines()
    models = tmp_path / "models"
    for chosen, error, message in [
        (lines[:2] + lines[10:20], ProtocolError, "has 2 tracks"),
        (lines[:10], TableError, "only the class 'calm'"),
        ([line.rpartition(",")[0] + "," for line in lines], TableError, "no label in 30 of 30 rows"),
    ]:
        (tmp_path / "table.csv").write_text("\n".join([header, *chosen]), encoding="utf-8")
        with pytest.raises(error, match=message):
            train_baseline(tmp_path / "table.csv", models)
    assert not models.exists()


def test_xgboost_is_left_out_where_it_is_missing(clips: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xgboost", None)
    assert "xgboost" not in plan_training(clips, tmp_path / "models", kind="baseline").names
    with pytest.raises(
        ParameterError, match=r"needs the package xgboost, which is not installed; run `pip install \"xgboost"
    ):
        plan_training(clips, tmp_path / "other", variant="xgboost", kind="baseline")
    assert not (tmp_path / "other").exists()


@pytest.mark.usefixtures("fake_xgboost")
def test_xgboost_takes_part_where_it_is_installed(clips: Table, tmp_path: Path) -> None:
    assert plan_training(clips, tmp_path, kind="baseline").names[-1] == "xgboost"
    (model,) = train_baseline(clips, tmp_path, variant="xgboost")
    assert load_bundle(model.path).predict(clips.X).shape == (30, 3)


# Files that anyone may have made


def pack(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def unpack(content: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return dict(file)


def raw(name: str, data: bytes, content: bytes) -> bytes:
    """Put bytes in the place of an array."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.namelist():
            new.writestr(member, data if member == f"{name}.npy" else old.read(member))
    return file.getvalue()


def header_only(shape: str, descr: str = "'<f4'") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()


def with_arrays(**changed: Callable[[np.ndarray], Any]) -> Callable[[bytes], bytes]:
    return lambda content: pack(
        **{name: changed.get(name, lambda same: same)(array) for name, array in unpack(content).items()}
    )


def with_structure(**changed: Any) -> Callable[[bytes], bytes]:
    def apply(content: bytes) -> bytes:
        arrays = unpack(content)
        structure = json.loads(arrays["structure"].tobytes()) | changed
        arrays["structure"] = np.frombuffer(json.dumps(structure).encode(), np.uint8)
        return pack(**arrays)

    return apply


def at(place: int, value: Any) -> Callable[[np.ndarray], np.ndarray]:
    def apply(array: np.ndarray) -> np.ndarray:
        array = array.copy()
        array[place] = value
        return array

    return apply


def one_class_twice(content: bytes) -> bytes:
    """Split the only share of the first leaf in two."""
    arrays = unpack(content)
    assert arrays["entries"][0] == 1
    arrays["entries"][0] = 2
    arrays["entry_class"] = arrays["entry_class"][[0, *range(len(arrays["entry_class"]))]]
    arrays["entry_value"] = np.concatenate([np.full(2, 0.5, np.float32), arrays["entry_value"][1:]])
    return pack(**arrays)


def lying_size(content: bytes) -> bytes:
    """Say that a member unpacks to less than it does."""
    bomb = raw("threshold", header_only("(9,)") + bytes(2**26), content)
    with zipfile.ZipFile(io.BytesIO(bomb)) as archive:
        info = archive.getinfo("threshold.npy")
    return bomb.replace(info.file_size.to_bytes(4, "little"), (164).to_bytes(4, "little"))


def chain(depth: int) -> bytes:
    """A tree that decides on one feature again and again."""
    # Level by level: an inner node on the left of each level, a leaf on its right.
    feature = np.concatenate([[0], np.tile([0, -1], depth - 1), [-1, -1]])
    leaves = depth + 1
    structure = json.dumps({"model": "trees", "inputs": 57, "link": "mean"}).encode()
    return pack(
        structure=np.frombuffer(structure, np.uint8),
        base=np.zeros(3),
        sizes=np.array([len(feature)], np.int32),
        feature=feature.astype(np.int32),
        threshold=np.zeros(depth, np.float32),
        entries=np.ones(leaves, np.int32),
        entry_class=np.zeros(leaves, np.int32),
        entry_value=np.ones(leaves, np.float32),
    )


HOSTILE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "nothing": (lambda _: b"", "no file of arrays"),
    "no archive": (lambda _: b"x" * 1000, "no file of arrays"),
    "truncated": (lambda content: content[: len(content) // 2], "no file of arrays"),
    "an empty archive": (lambda _: pack(), "does not name a kind of model"),
    "a pickle": (lambda content: raw("base", b"\x80\x04K\x01.", content), "something other than arrays"),
    "objects": (with_arrays(base=lambda array: np.array([{}, {}, {}], dtype=object)), "arrays of another type"),
    "records": (with_arrays(base=lambda _: np.zeros(3, dtype="f8,f8")), "arrays of another type"),
    "texts": (with_arrays(base=lambda _: np.array(["a", "b", "c"])), "arrays of another type"),
    "complex numbers": (with_arrays(base=lambda array: array.astype(complex)), "arrays of another type"),
    "big-endian numbers": (with_arrays(base=lambda array: array.astype(">f8")), "arrays of another type"),
    "Fortran's order": (with_arrays(base=lambda _: np.asfortranarray(np.ones((3, 3)))), "arrays of another type"),
    "code in a header": (
        lambda content: raw("base", header_only("(__import__('os').abort(),)"), content),
        "arrays of another type",
    ),
    "a deep header": (lambda content: raw("base", header_only("(" * 5000), content), "arrays of another type"),
    "a huge shape": (lambda content: raw("base", header_only("(9999999999,)"), content), "another size than it says"),
    "a huge flat shape": (
        lambda content: raw("base", header_only("(9999999999, 9999999999)", "'<f8'"), content),
        "another size than it says",
    ),
    "an endless shape": (lambda content: raw("base", header_only(f"({'9' * 90},)"), content), "of another type"),
    "an array too short": (lambda content: raw("base", header_only("(3,)"), content), "another size than it says"),
    "another version of NumPy's format": (
        lambda content: raw("base", b"\x93NUMPY\x02\x00" + bytes(100), content),
        "something other than arrays",
    ),
    "more than it says": (lying_size, "no file of arrays"),
    "very many zeros": (
        lambda content: raw("base", header_only("(67108864,)") + bytes(2**28), content),
        "it is too large",
    ),
    "other floats": (with_arrays(threshold=lambda array: array.astype(np.float64)), "other arrays than its kind"),
    "one array more": (lambda content: pack(**unpack(content), more=np.zeros(3)), "other arrays than its kind"),
    "one array less": (
        lambda content: pack(**{k: v for k, v in unpack(content).items() if k != "base"}),
        "other arrays than its kind",
    ),
    "no structure": (
        lambda content: pack(**{k: v for k, v in unpack(content).items() if k != "structure"}),
        "does not name a kind of model",
    ),
    "half a structure": (with_arrays(structure=lambda array: array[:-3].copy()), "structure is malformed"),
    "a deep structure": (
        with_arrays(structure=lambda _: np.frombuffer(b"[" * 100_000, np.uint8)),
        "structure is malformed",
    ),
    "a list for a structure": (
        with_arrays(structure=lambda _: np.frombuffer(b"[1]", np.uint8)),
        "structure is malformed",
    ),
    "another kind of model": (with_structure(model="svm"), "does not name a kind of model"),
    "a list of models": (with_structure(model=["trees"]), "does not name a kind of model"),
    "a linear model of trees": (with_structure(model="linear"), "other arrays than its kind"),
    "another link": (with_structure(link="max"), "no known link function"),
    "no link": (with_structure(link=None), "structure is malformed"),
    "inputs that are no number": (with_structure(inputs=True), "structure is malformed"),
    "no inputs": (with_structure(inputs=0), "inputs and outputs are not each 1 to"),
    "very many inputs": (with_structure(inputs=10**30), "inputs and outputs are not each 1 to"),
    "something more": (with_structure(code="import os"), "structure is malformed"),
    "a matrix": (with_arrays(feature=lambda array: array[:, np.newaxis]), "arrays do not fit together"),
    "a feature that does not exist": (with_arrays(feature=at(0, 57)), "feature that does not exist"),
    "a feature below": (with_arrays(feature=at(0, -2)), "feature that does not exist"),
    "a leaf for a root": (with_arrays(feature=at(0, -1)), "do not"),
    "a node that decides for a leaf": (with_arrays(feature=at(-1, 0)), "do not"),
    "no trees": (with_arrays(sizes=lambda array: array[:0]), "trees are inconsistent"),
    "a tree without nodes": (with_arrays(sizes=at(0, 0)), "trees are inconsistent"),
    "a tree of fewer than no nodes": (with_arrays(sizes=at(0, -5)), "trees are inconsistent"),
    "sizes that overflow": (with_arrays(sizes=lambda array: np.full_like(array, 2**31 - 1)), "trees are inconsistent"),
    "a tree with its neighbour's node": (
        with_arrays(sizes=lambda sizes: np.concatenate([[sizes[0] + 2, sizes[1] - 2], sizes[2:]]).astype(np.int32)),
        "trees are inconsistent",
    ),
    "a tree whose root comes last": (
        with_arrays(feature=lambda feature: np.concatenate([feature[1:], feature[:1]])),
        "are inconsistent",
    ),
    "a tree that is a chain": (lambda _: chain(MOST_DEPTH + 1), "a tree is deeper than 64"),
    "a very long chain": (lambda _: chain(500_000), "a tree is deeper than 64"),
    "a threshold that is none": (with_arrays(threshold=at(0, np.nan)), "thresholds do not fit"),
    "a threshold too few": (with_arrays(threshold=lambda array: array[1:]), "thresholds do not fit"),
    "a class that is not there": (with_arrays(entry_class=at(0, 3)), "adds to a class that does not exist"),
    "a class below": (with_arrays(entry_class=at(0, -1)), "adds to a class that does not exist"),
    "one class twice": (one_class_twice, "adds to one class more than once"),
    "entries below zero": (with_arrays(entries=at(0, -1)), "leaves are inconsistent"),
    "too many entries": (with_arrays(entries=at(0, 2**31 - 1)), "leaves are inconsistent"),
    "a leaf that says nothing": (
        with_arrays(entry_value=np.zeros_like),
        "shares in a leaf do not sum to 1",
    ),
    "a leaf that says too much": (with_arrays(entry_value=at(0, 2)), "shares in a leaf do not sum to 1"),
    "a leaf that says less than nothing": (with_arrays(entry_value=at(0, -1)), "shares in a leaf do not sum to 1"),
    "a value that is none": (with_arrays(entry_value=at(0, np.nan)), "values out of range"),
    "a value without end": (with_arrays(entry_value=at(0, np.inf)), "values out of range"),
    "a base of a mean": (with_arrays(base=at(0, 1)), "shares in a leaf do not sum to 1"),
    "a base that is none": (with_arrays(base=at(0, np.nan)), "values out of range"),
    "a class more": (with_arrays(base=lambda array: np.append(array, 0)), r"the output .* but it is \(4\)"),
    "another number of features": (with_structure(inputs=58), r"the input .* but it is \(58\)"),
}

HOSTILE_LINEAR: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a scale of zero": (with_arrays(scale=at(0, 0)), "values out of range"),
    "a scale below zero": (with_arrays(scale=at(0, -1)), "values out of range"),
    "a tiny scale": (with_arrays(scale=at(0, 1e-300)), "values out of range"),
    "no weight": (with_arrays(weights=at(0, np.nan)), "values out of range"),
    "weight without end": (with_arrays(weights=at(0, np.inf)), "values out of range"),
    "turned weights": (with_arrays(weights=lambda array: array.T.copy()), "arrays do not fit together"),
    "scales of scales": (with_arrays(scale=lambda array: array[:, np.newaxis]), "arrays do not fit together"),
    "something more": (with_structure(inputs=57), "structure is malformed"),
}


def replace_model(bundle: Path, content: bytes) -> None:
    """Put a model into a bundle, and its hash into the card, as whoever means harm would."""
    (bundle / "model.npz").write_bytes(content)
    card = json.loads((bundle / "card.json").read_text(encoding="utf-8"))
    card["exported_sha256"] = hashlib.sha256(content).hexdigest()
    (bundle / "card.json").write_text(json.dumps(card), encoding="utf-8")


@pytest.mark.parametrize(
    ("variant", "name"),
    [("random-forest", name) for name in HOSTILE] + [("logistic-regression", name) for name in HOSTILE_LINEAR],
)
def test_a_hostile_file_is_refused_in_one_sentence(
    trained: dict[tuple[str, str], TrainedModel], tmp_path: Path, variant: str, name: str
) -> None:
    copy = Path(shutil.copytree(trained[variant, "track"].path, tmp_path / "copy"))
    change, message = (HOSTILE if variant == "random-forest" else HOSTILE_LINEAR)[name]
    replace_model(copy, change((copy / "model.npz").read_bytes()))
    with pytest.raises(BundleError, match=message) as caught:
        load_bundle(copy)
    assert str(caught.value).startswith(str(copy))
    assert "\n" not in str(caught.value)


def test_what_unpacks_to_more_than_it_says_is_not_unpacked(forest: bytes) -> None:
    content = lying_size(forest)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="no file of arrays"):
            read_model(content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**22


def test_the_deepest_tree_that_is_read(trained: dict[tuple[str, str], TrainedModel]) -> None:
    p = read_model(chain(MOST_DEPTH))(np.zeros((2, 57), np.float32))
    np.testing.assert_array_equal(p, [[1, 0, 0], [1, 0, 0]])


def test_a_file_that_is_not_the_cards_own_is_refused(
    trained: dict[tuple[str, str], TrainedModel], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(trained["majority", "track"].path, tmp_path / "copy"))
    shutil.copyfile(trained["random-forest", "track"].path / "model.npz", copy / "model.npz")
    with pytest.raises(BundleError, match=r"model\.npz is damaged: it is not the file that its card was written for"):
        load_bundle(copy)
    (copy / "model.npz").unlink()
    with pytest.raises(BundleError, match=r"model\.npz cannot be read"):
        load_bundle(copy)


@pytest.fixture(scope="module")
def forest() -> bytes:
    return fit("random-forest", *rows(40, 3, 3), n_estimators=4).exported.to_bytes()


def model_or_none(content: bytes) -> None:
    """Read a model; whatever is accepted has to answer with probabilities."""
    reason = ""
    try:
        model = read_model(content)
    except ValueError as error:
        reason = str(error)
    if reason:
        assert len(reason.splitlines()) == 1
        return
    X = np.array([[0.0], [1.0], [-HUGE], [HUGE]], dtype=np.float32).repeat(model.inputs, axis=1)
    p = model(X)
    assert p.shape == (4, model.outputs)
    assert np.isfinite(p).all()
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("packed", [True, False])
@given(
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
    end=st.none() | st.floats(0, 1),
)
def test_any_bytes_give_a_model_or_one_sentence(
    forest: bytes, packed: bool, changes: list[tuple[float, int]], end: float | None
) -> None:
    changed = bytearray(forest if packed else pack(**unpack(forest)))
    for place, value in changes:
        changed[int(place * len(changed))] = value
    model_or_none(bytes(changed if end is None else changed[: int(end * len(changed))]))


INTEGERS = st.integers(-2, 4) | st.integers(-(2**31), 2**31 - 1)


@given(
    feature=st.lists(st.integers(-1, 1), min_size=1, max_size=12),
    sizes=st.none() | st.lists(INTEGERS, max_size=4),
    entries=st.none() | st.lists(INTEGERS, max_size=8),
    link=st.sampled_from(["mean", "softmax"]),
    values=st.lists(st.floats(width=32), min_size=3, max_size=3),
)
def test_any_arrays_give_a_model_or_one_sentence(
    feature: list[int], sizes: list[int] | None, entries: list[int] | None, link: str, values: list[float]
) -> None:
    inner = sum(each >= 0 for each in feature)
    leaves = len(feature) - inner
    structure = json.dumps({"model": "trees", "inputs": 2, "link": link}).encode()
    entries = [1] * leaves if entries is None else entries
    count = min(max(sum(entries), 0), 20)
    model_or_none(
        pack(
            structure=np.frombuffer(structure, np.uint8),
            base=np.zeros(3) if link == "mean" else np.array(values),
            sizes=np.array([len(feature)] if sizes is None else sizes, np.int32),
            feature=np.array(feature, np.int32),
            threshold=np.full(inner, values[0], np.float32),
            entries=np.array(entries, np.int32),
            entry_class=(np.arange(count) % 3).astype(np.int32),
            entry_value=np.ones(count, np.float32) if link == "mean" else np.full(count, values[1], np.float32),
        )
    )


def test_trees_that_are_none_are_refused() -> None:
    leaf, zeros = np.array([-1]), np.zeros(1)
    circle = Tree(np.array([0]), np.array([0]), np.array([0]), zeros, np.ones((1, 2)))
    with pytest.raises(ValueError, match="trees are inconsistent"):
        TreeModel.from_trees([circle], inputs=1, outputs=2, link="mean")
    half = Tree(leaf, leaf, leaf, zeros, np.array([[0.5, 0.1]]))
    with pytest.raises(ValueError, match="shares in a leaf do not sum to 1"):
        TreeModel.from_trees([half], inputs=1, outputs=2, link="mean")


def test_extreme_weights_still_give_probabilities() -> None:
    model = LinearModel(np.array([-1e100]), np.array([1e-100]), np.array([[1e100, -1e100]]), np.array([1e100, 0.0]))
    np.testing.assert_array_equal(model(np.array([[HUGE], [-HUGE]])), [[1, 0], [1, 0]])


def test_real_clips_are_told_apart(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "BASELINES", DECLARED)
    models = train_baseline(shared_data / "gtzan/features_30_sec.csv", tmp_path)
    accuracy = {model.variant: model.test.rows.accuracy.value for model in models}
    # Every class has as many clips as another; the others stand three standard errors below their mean over seeds.
    assert accuracy.pop("majority") == pytest.approx(0.1)
    assert min(accuracy.values()) > 0.54
    for model in models:
        assert sum(path.stat().st_size for path in model.path.iterdir()) < 1e6
