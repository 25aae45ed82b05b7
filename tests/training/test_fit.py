from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from audio_genre.training import VARIANTS, EpochReport, FitSettings
from audio_genre.training.fit import ArrayExamples, fit, set_seed

SETTINGS = FitSettings(epochs=8, patience=8, batch_size=16)


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    X = (rng.normal(size=(60, 5)) + y[:, np.newaxis]).astype(np.float32)
    return {"train": ArrayExamples(X[:40], y[:40], 3), "validation": ArrayExamples(X[40:], y[40:], 3)}


def build(X: np.ndarray) -> Any:
    set_seed(0)
    return dataclasses.replace(VARIANTS["adam-4"], units=(8,)).build(X, 3)


def test_reports_every_pass_and_keeps_the_best_weights(data: dict[str, Any]) -> None:
    model = build(data["train"].X)
    seen: list[tuple[str, int, EpochReport]] = []
    result = fit(model, **data, settings=SETTINGS, progress=lambda *report: seen.append(report))
    assert [report.epoch for _, _, report in seen] == list(range(1, 9))
    assert {(name, epochs) for name, epochs, _ in seen} == {("adam-4", 8)}
    assert [report for _, _, report in seen] == list(result.history)
    losses = [report.val_loss for report in result.history]
    assert result.best_epoch == 1 + int(np.argmin(losses))
    loss, accuracy = model.evaluate(data["validation"].X, np.eye(3)[data["validation"].y], verbose=0)
    assert loss == pytest.approx(min(losses), rel=1e-5)
    assert accuracy == pytest.approx(result.history[result.best_epoch - 1].val_accuracy)
    assert not result.interrupted


def test_figures_are_means_over_all_rows_however_many_batches_they_take(data: dict[str, Any]) -> None:
    # Batches of 2 in training and of 16 in validation: the last of them hold other rows than the rest.
    model = build(data["train"].X)
    still = dataclasses.replace(SETTINGS, optimizer="sgd", learning_rate=1e-12, batch_size=2, epochs=1)
    (report,) = fit(model, **data, settings=still).history
    loss, accuracy = model.evaluate(data["validation"].X, np.eye(3)[data["validation"].y], verbose=0)
    assert report.val_loss == pytest.approx(loss, rel=1e-5)
    assert report.val_accuracy == pytest.approx(accuracy)
    # A mean over 40 rows is seldom a multiple of one half, as that of a last batch of 2 always is.
    assert report.accuracy == pytest.approx(round(report.accuracy * 40) / 40)
    assert (2 * report.accuracy) % 1 != 0


def test_the_same_seed_repeats_exactly(data: dict[str, Any]) -> None:
    first, second = (
        [
            dataclasses.replace(report, seconds=0)
            for report in fit(build(data["train"].X), **data, settings=SETTINGS).history
        ]
        for _ in range(2)
    )
    assert first == second


def test_stops_when_the_validation_loss_no_longer_falls(data: dict[str, Any]) -> None:
    # With such steps the loss explodes after the first passes.
    settings = FitSettings(optimizer="sgd", learning_rate=50.0, epochs=50, patience=3)
    result = fit(build(data["train"].X), **data, settings=settings)
    assert len(result.history) == result.best_epoch + 3 < 50


def test_an_interrupt_keeps_the_best_weights_so_far(data: dict[str, Any]) -> None:
    def stop_at_third(name: str, epochs: int, report: EpochReport) -> None:
        if report.epoch == 3:
            raise KeyboardInterrupt

    model = build(data["train"].X)
    result = fit(model, **data, settings=SETTINGS, progress=stop_at_third)
    assert result.interrupted
    assert len(result.history) == 3
    loss, _ = model.evaluate(data["validation"].X, np.eye(3)[data["validation"].y], verbose=0)
    assert loss == pytest.approx(min(report.val_loss for report in result.history), rel=1e-5)


def test_an_interrupt_before_the_first_pass_leaves_nothing_to_keep(
    data: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    model = build(data["train"].X)
    monkeypatch.setattr(model, "train_on_batch", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(model, **data, settings=SETTINGS)


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_every_optimizer_learns(data: dict[str, Any], optimizer: str) -> None:
    settings = FitSettings(optimizer=optimizer, learning_rate=0.02, weight_decay=0.01, label_smoothing=0.1, epochs=8)
    result = fit(build(data["train"].X), **data, settings=settings)
    assert result.history[-1].val_loss < result.history[0].val_loss
