"""The one fit loop: mini-batches, early stopping on the validation loss, the best weights restored."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.errors import ParameterError
from audio_genre.training.backend import import_keras

if TYPE_CHECKING:
    from numpy.typing import NDArray

_OPTIMIZERS = ("adam", "sgd", "rmsprop")


@dataclass(frozen=True)
class FitSettings:
    """How a model is trained.

    Attributes
    ----------
    optimizer : {"adam", "sgd", "rmsprop"}
        The optimiser.
    learning_rate : float
        Its learning rate at the start; it falls to zero over `epochs` along half a cosine.
    momentum : float
        Momentum of SGD and RMSProp; Adam has its own.
    weight_decay : float
        Decoupled weight decay (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019).
    label_smoothing : float
        Share of the target probability that is spread over all classes.
    batch_size : int
        Rows in a mini-batch.
    epochs : int
        Most passes over the training rows.
    patience : int
        Passes without a lower validation loss after which training stops.
    """

    optimizer: str = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.0
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    batch_size: int = 32
    epochs: int = 200
    patience: int = 30

    def __post_init__(self) -> None:
        if self.optimizer not in _OPTIMIZERS:
            raise ParameterError(f"The optimizer must be one of {', '.join(_OPTIMIZERS)}; got {self.optimizer!r}.")
        for name in ("epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise ParameterError(f"The number of {name} must be 1 or more; got {getattr(self, name)}.")


@dataclass(frozen=True)
class EpochReport:
    """One pass over the training rows, as it is reported and as it stands in ``history.csv``.

    Attributes
    ----------
    epoch : int
        Number of the pass, from 1.
    loss, accuracy : float
        On the training rows, with dropout and noise, averaged while the weights changed.
    val_loss, val_accuracy : float
        On the validation rows, after the pass.
    seconds : float
        Time that the pass took.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float


Progress = Callable[[str, int, EpochReport], None]
"""Called after each pass with the model's name, the most passes there will be, and the report."""


@dataclass(frozen=True)
class FitResult:
    """What a fit did; the model holds the weights of the best pass.

    Attributes
    ----------
    history : tuple of EpochReport
        Every pass.
    best_epoch : int
        The pass with the lowest validation loss.
    seconds : float
        Time of the whole fit.
    interrupted : bool
        Whether a keyboard interrupt ended it.
    """

    history: tuple[EpochReport, ...] = field(repr=False)
    best_epoch: int
    seconds: float
    interrupted: bool


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and TensorFlow, whose global generators Keras draws from.

    Call it before the model is built. On one machine with the same versions a fit then repeats exactly on the CPU;
    across machines, thread counts and on a GPU the order of floating-point sums differs, and so do the last digits,
    which training amplifies.

    Parameters
    ----------
    seed : int
        Seed in the range 0 .. 2**32 - 1.
    """
    import_keras().utils.set_random_seed(seed)


def fit(
    model: Any,
    train: tuple[NDArray[Any], NDArray[np.intp]],
    validation: tuple[NDArray[Any], NDArray[np.intp]],
    settings: FitSettings,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> FitResult:
    """Train a Keras classifier in place.

    Parameters
    ----------
    model : keras.Model
        Maps inputs (n, ...) to probabilities (n, classes).
    train, validation : tuple of np.ndarray, shapes (n, ...) and (n,)
        Inputs and class numbers.
    settings : FitSettings
        Optimiser, batches, stopping rule.
    seed : int
        Seed of the order of the mini-batches; initial weights, dropout and noise follow `set_seed`.
    progress : callable, optional
        Called after each pass, see `Progress`.

    Returns
    -------
    FitResult
        History, best pass, time. A keyboard interrupt after the first pass ends the fit early and is told here.

    Raises
    ------
    KeyboardInterrupt
        If it comes before the first pass is complete: then there is nothing to keep.
    """
    keras = import_keras()
    X, y = train
    classes = model.output_shape[-1]
    targets = keras.utils.to_categorical(y, classes)
    X_validation, validation_targets = validation[0], keras.utils.to_categorical(validation[1], classes)
    batches = -(-len(X) // settings.batch_size)
    model.compile(
        optimizer=_optimizer(keras, settings, steps=batches * settings.epochs),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        # Compiling with XLA takes longer than training these models does.
        jit_compile=False,
    )
    rng = np.random.default_rng(seed)
    history: list[EpochReport] = []
    best: EpochReport | None = None
    best_weights: list[NDArray[np.float32]] = []
    interrupted = False
    started = time.perf_counter()
    try:
        for epoch in range(1, settings.epochs + 1):
            epoch_started = time.perf_counter()
            fitted = _Means()
            # Not model.fit: it builds an input pipeline for each pass, which costs five times these small steps.
            for rows in np.array_split(rng.permutation(len(X)), batches):
                fitted.add(model.train_on_batch(X[rows], targets[rows], return_dict=True), len(rows))
            measured = _evaluate(model, X_validation, validation_targets, settings.batch_size)
            report = EpochReport(
                epoch=epoch,
                loss=fitted["loss"],
                accuracy=fitted["accuracy"],
                val_loss=measured["loss"],
                val_accuracy=measured["accuracy"],
                seconds=time.perf_counter() - epoch_started,
            )
            if best is None or report.val_loss < best.val_loss:
                best, best_weights = report, model.get_weights()
            history.append(report)
            if progress is not None:
                progress(model.name, settings.epochs, report)
            if epoch - best.epoch >= settings.patience:
                break
    except KeyboardInterrupt:
        if best is None:
            raise
        interrupted = True
    assert best is not None
    model.set_weights(best_weights)
    return FitResult(tuple(history), best.epoch, time.perf_counter() - started, interrupted)


def _evaluate(model: Any, X: NDArray[Any], targets: NDArray[Any], batch_size: int) -> _Means:
    means = _Means()
    # Larger batches than in training, because nothing is kept for gradients.
    size = 8 * batch_size
    for start in range(0, len(X), size):
        batch = X[start : start + size]
        means.add(model.test_on_batch(batch, targets[start : start + size], return_dict=True), len(batch))
    return means


class _Means:
    """Means over the rows of several batches; Keras tells each batch's own figures."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._rows = 0

    def add(self, figures: dict[str, Any], rows: int) -> None:
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + rows * float(value)
        self._rows += rows

    def __getitem__(self, name: str) -> float:
        return self._sums[name] / self._rows


def _optimizer(keras: Any, settings: FitSettings, steps: int) -> Any:
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)
    decay = settings.weight_decay or None
    if settings.optimizer == "adam":
        return keras.optimizers.Adam(rate, weight_decay=decay)
    if settings.optimizer == "sgd":
        return keras.optimizers.SGD(rate, momentum=settings.momentum, weight_decay=decay)
    return keras.optimizers.RMSprop(rate, momentum=settings.momentum, weight_decay=decay)
