from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audio_genre.errors import BundleError
from audio_genre.training import VARIANTS, EpochReport, FitSettings
from audio_genre.training import checkpoint as checkpoint_module
from audio_genre.training.checkpoint import Checkpoint
from audio_genre.training.fit import ArrayExamples, FitResult, fit, set_seed

SETTINGS = FitSettings(epochs=7, patience=7, batch_size=8)
IDENTITY = {"settings": "a", "seed": 0}


def data() -> tuple[ArrayExamples, ArrayExamples]:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    X = (rng.normal(size=(60, 5)) + y[:, np.newaxis]).astype(np.float32)
    return ArrayExamples(X[:40], y[:40], 3), ArrayExamples(X[40:], y[40:], 3)


def run(
    checkpoint: Checkpoint | None, *, stop_after: int | None = None, settings: FitSettings = SETTINGS
) -> tuple[Any, FitResult]:
    """Fit a network with dropout, and press Ctrl-C after a pass."""

    def stop(name: str, epochs: int, report: EpochReport) -> None:
        if report.epoch == stop_after:
            raise KeyboardInterrupt

    set_seed(0)
    model = dataclasses.replace(VARIANTS["adam-4"], units=(8, 8)).build(data()[0].X, 3)
    return model, fit(model, *data(), settings, seed=0, progress=stop, checkpoint=checkpoint)


def figures(result: FitResult) -> list[EpochReport]:
    return [dataclasses.replace(report, seconds=0) for report in result.history]


@pytest.mark.parametrize("stop_after", [1, 4])
def test_a_resumed_fit_gives_what_it_would_have_given_without_a_break(tmp_path: Path, stop_after: int) -> None:
    path = tmp_path / "state.npz"
    whole_model, whole = run(None)
    _, broken = run(Checkpoint(path, IDENTITY, resume=False), stop_after=stop_after)
    assert broken.interrupted
    again = Checkpoint(path, IDENTITY, resume=True)
    assert again.epochs() == stop_after
    model, resumed = run(again)
    assert figures(resumed) == figures(whole)
    assert resumed.best_epoch == whole.best_epoch
    assert not resumed.interrupted
    for ours, theirs in zip(model.get_weights(), whole_model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_early_stopping_counts_on_from_where_it_was(tmp_path: Path) -> None:
    settings = FitSettings(optimizer="sgd", learning_rate=50.0, epochs=50, patience=4)
    _, whole = run(None, settings=settings)
    path = tmp_path / "state.npz"
    run(Checkpoint(path, IDENTITY, resume=False), stop_after=whole.best_epoch + 2, settings=settings)
    _, resumed = run(Checkpoint(path, IDENTITY, resume=True), settings=settings)
    assert len(resumed.history) == len(whole.history) < 50
    # Stopped is stopped: resuming once more trains no further.
    _, once_more = run(Checkpoint(path, IDENTITY, resume=True), settings=settings)
    assert figures(once_more) == figures(whole)


def test_a_fit_goes_on_only_when_asked_to_and_only_from_the_same_settings(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    run(Checkpoint(path, IDENTITY, resume=False), stop_after=2)
    other = Checkpoint(path, {**IDENTITY, "seed": 1}, resume=True)
    assert other.epochs() == 0
    _, anew = run(other, stop_after=1)
    assert len(anew.history) == 1
    _, anew = run(Checkpoint(path, IDENTITY, resume=False), stop_after=1)
    assert len(anew.history) == 1


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"\x93NUMPY", bytes(2000)])
def test_a_damaged_file_is_no_state(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.npz"
    path.write_bytes(content)
    checkpoint = Checkpoint(path, IDENTITY, resume=True)
    assert checkpoint.epochs() == 0
    assert not run(checkpoint)[1].interrupted


def test_a_file_cut_short_is_no_state(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    run(Checkpoint(path, IDENTITY, resume=False), stop_after=1)
    path.write_bytes(path.read_bytes()[:-500])
    assert Checkpoint(path, IDENTITY, resume=True).epochs() == 0


def test_objects_that_could_run_code_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    np.savez(path, state=np.array([{"identity": IDENTITY}], dtype=object))
    assert Checkpoint(path, IDENTITY, resume=True).epochs() == 0


def test_a_folder_that_cannot_be_written_to_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"cannot be written: .*--resume"):
        run(Checkpoint(tmp_path / "absent" / "state.npz", IDENTITY, resume=False))


def test_removing_leaves_nothing(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "state.npz", IDENTITY, resume=False)
    run(checkpoint)
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]
    checkpoint.remove()
    checkpoint.remove()
    assert list(tmp_path.iterdir()) == []


class Variable:
    """What a checkpoint asks of a variable of Keras."""

    def __init__(self, value: Any) -> None:
        self.value = np.array(value, dtype=np.float32)
        self.shape = self.value.shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.value

    def numpy(self) -> np.ndarray:
        return self.value

    def assign(self, value: np.ndarray) -> None:
        self.value = np.array(value)


class Network:
    def __init__(self, width: int = 3) -> None:
        self.variables = self.weights = [Variable(np.ones((2, width))), Variable(np.ones(width))]
        self.optimizer = type("Optimizer", (), {"variables": [Variable(np.zeros(width))]})()
        self.stop_training = False


class Stopping:
    best, best_epoch, wait = 0.5, 0, 0

    def __init__(self, network: Network) -> None:
        self.best_weights = [weight.value for weight in network.weights]


REPORT = {"epoch": 1, "loss": 1.0, "accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.5, "seconds": 0.1}


def saved(path: Path) -> Path:
    network = Network()
    Checkpoint(path, IDENTITY, resume=False).save(network, Stopping(network), np.random.default_rng(0), [REPORT])
    return path


def restored(path: Path, network: Network) -> list[dict[str, Any]]:
    return Checkpoint(path, IDENTITY, resume=True).restore(network, Stopping(network), np.random.default_rng(1))


def change_state(path: Path, change: Any) -> None:
    with np.load(path) as file:
        arrays = dict(file)
    state = json.loads(arrays["state"].tobytes())
    state = change(state)
    np.savez(path, **{**arrays, "state": np.frombuffer(json.dumps(state).encode(), dtype=np.uint8)})


@pytest.mark.parametrize(
    "change",
    [
        lambda state: [],
        lambda state: None,
        lambda state: state | {"rng": {}},
        lambda state: state | {"rng": {"bit_generator": "MT19937", "state": {}}},
        lambda state: state | {"history": 3},
        lambda state: state | {"history": []},
        lambda state: state | {"history": [{**REPORT, "epoch": 7}]},
        lambda state: state | {"history": [{**REPORT, "loss": "low"}]},
        lambda state: state | {"history": [{**REPORT, "more": 1}]},
        lambda state: state | {"best": "good"},
        lambda state: state | {"best_epoch": 9},
        lambda state: state | {"best_weights": 10**9},
        lambda state: state | {"best_weights": "two"},
        lambda state: state | {"wait": -1},
        lambda state: state | {"stopped": None},
        lambda state: {name: value for name, value in state.items() if name != "wait"},
    ],
)
def test_a_state_that_no_fit_writes_is_none_and_is_told(tmp_path: Path, change: Any) -> None:
    path = saved(tmp_path / "state.npz")
    change_state(path, change)
    checkpoint = Checkpoint(path, IDENTITY, resume=True)
    assert checkpoint.epochs() == 0
    assert checkpoint.fault() == f"{path} is damaged, or is of other settings or data, so the training starts again"
    assert restored(path, Network()) == []


def test_the_state_of_another_network_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    path = saved(tmp_path / "state.npz")
    other = Network(width=4)
    with pytest.raises(BundleError, match="the state of another network than this one; leave --resume out"):
        restored(path, other)
    assert all((weight.value == 1).all() for weight in other.weights)
    change_state(path, lambda state: state | {"best_weights": 1})
    with pytest.raises(BundleError, match="the state of another network"):
        restored(path, Network())
    assert Checkpoint(path, IDENTITY, resume=True).fault() is None
    assert Checkpoint(tmp_path / "absent.npz", IDENTITY, resume=True).fault() is None


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6), cut=st.floats(0, 1)
)
def test_any_bytes_are_a_state_none_or_a_sentence(tmp_path: Path, changes: list[tuple[int, int]], cut: float) -> None:
    path = tmp_path / "state.npz"
    content = bytearray(saved(path).read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    path.write_bytes(content[: int(len(content) * (1 - cut / 4))] if cut > 0.9 else content)
    network = Network()
    try:
        history = restored(path, network)
    except BundleError as error:
        history = []
        sentence = str(error)
        if "\n" in sentence:
            pytest.fail(sentence)
    assert history in ([], [REPORT])


def test_short_passes_are_written_at_intervals_and_the_last_when_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(checkpoint_module.time, "monotonic", lambda: now[0])
    path = tmp_path / "state.npz"
    checkpoint, network = Checkpoint(path, IDENTITY, resume=True), Network()
    reports: list[dict[str, Any]] = []

    def pass_by(seconds: float) -> int:
        now[0] += seconds
        reports.append({**REPORT, "epoch": len(reports) + 1})
        checkpoint.save(network, Stopping(network), np.random.default_rng(0), reports)
        return checkpoint.epochs()

    assert [pass_by(seconds) for seconds in (0, 0.5, 0.5, 1.5, 0.1)] == [1, 1, 1, 4, 4]
    # What stands there is the pass as it was, whatever became of the network since.
    network.weights[0].value += 1
    checkpoint.flush()
    assert checkpoint.epochs() == 5
    restored(path, again := Network())
    assert (again.weights[0].value == 1).all()
