from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio_genre.errors import BundleError
from audio_genre.training import VARIANTS, EpochReport, FitSettings
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
