"""The one fit loop: mini-batches, early stopping on the validation loss, the best weights restored."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from audio_genre.bundles.history import EpochReport
from audio_genre.errors import ParameterError
from audio_genre.extras import install_command
from audio_genre.training.backend import import_keras
from audio_genre.training.checkpoint import Checkpoint

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_LEARNING_RATE = 1000.0
_MAX_WIDTH = 16384
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
        Number of rows in a mini-batch.
    epochs : int
        Maximum number of epochs.
    patience : int
        Epochs without a lower validation loss after which training stops.
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
        for name, words in (("epochs", "number of epochs"), ("batch_size", "batch size"), ("patience", "patience")):
            if getattr(self, name) < 1:
                raise ParameterError(f"The {words} must be 1 or more; got {getattr(self, name)}.")
        if not 0 < self.learning_rate <= _MAX_LEARNING_RATE:
            raise ParameterError(
                f"The learning rate must be above 0 and at most {_MAX_LEARNING_RATE:g}; got {self.learning_rate}."
            )


def require_network(units: Sequence[int], dropout: float) -> None:
    """Refuse widths and a dropout that no network can have."""
    if not units or not all(1 <= width <= _MAX_WIDTH for width in units):
        raise ParameterError(
            f"A network needs one or more layers, each of a width from 1 to {_MAX_WIDTH}; got {list(units)}."
        )
    if not 0 <= dropout < 1:
        raise ParameterError(f"The dropout must be 0 or more and below 1; got {dropout}.")


Progress = Callable[[str, int, EpochReport], None]
"""Called after each epoch with the model's name, the maximum number of epochs, and the report."""


@dataclass(frozen=True)
class FitResult:
    """What a fit did; the model holds the weights of the best epoch.

    Attributes
    ----------
    history : tuple of EpochReport
        Every epoch.
    best_epoch : int
        The epoch with the lowest validation loss.
    seconds : float
        Time of the whole fit.
    interrupted : bool
        Whether a keyboard interrupt ended it.
    """

    history: tuple[EpochReport, ...] = field(repr=False)
    best_epoch: int
    seconds: float
    interrupted: bool


class Examples(Protocol):
    """Where `fit` takes examples from; they need not fit into memory."""

    def __len__(self) -> int:
        """Return the number of examples in one epoch."""

    def batches(
        self, size: int, rng: np.random.Generator | None
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None]]:
        """Yield inputs, target probabilities and weights, if any, `size` examples at a time at most."""


@dataclass(frozen=True, eq=False)
class ArrayExamples:
    """Examples in memory.

    Attributes
    ----------
    X : np.ndarray, shape (n, ...), float32
        Inputs.
    y : np.ndarray of int, shape (n,)
        Class numbers.
    classes : int
        Number of classes.
    weights : np.ndarray, shape (n,), float32, or None
        What each example counts for.

    Examples
    --------
    >>> examples = ArrayExamples(np.eye(3, dtype=np.float32), np.array([0, 1, 1]), classes=2)
    >>> [targets.tolist() for _, targets, _ in examples.batches(2, None)]
    [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0]]]
    """

    X: NDArray[np.float32]
    y: NDArray[np.intp]
    classes: int
    weights: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.y)

    def batches(
        self, size: int, rng: np.random.Generator | None
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None]]:
        """Yield inputs, targets and weights; in batches of nearly equal size where they are shuffled."""
        targets = np.eye(self.classes, dtype=np.float32)
        shuffled = None if rng is None else np.array_split(rng.permutation(len(self)), -(-len(self) // size))
        places = [slice(start, start + size) for start in range(0, len(self), size)] if shuffled is None else shuffled
        for rows in places:
            yield self.X[rows], targets[self.y[rows]], None if self.weights is None else self.weights[rows]


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and TensorFlow, whose global generators Keras draws from.

    Call it before the model is built. On one machine with the same versions a fit then repeats exactly on the CPU;
    across machines, thread counts and on a GPU the order of floating-point sums differs, and so do the last digits,
    which training amplifies.
    """
    import_keras().utils.set_random_seed(seed)


def fit(
    model: Any,
    train: Examples,
    validation: Examples,
    settings: FitSettings,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
    tensorboard: Path | None = None,
) -> FitResult:
    """Train a Keras classifier in place."""
    keras = import_keras()
    steps = -(-len(train) // settings.batch_size)
    model.compile(
        optimizer=_optimizer(keras, settings, steps=steps * settings.epochs),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        # Compiling with XLA takes longer than training these models does.
        jit_compile=False,
    )
    model.optimizer.build(model.trainable_variables)
    stopping = keras.callbacks.EarlyStopping(
        monitor="val_loss", mode="min", patience=settings.patience, restore_best_weights=True
    )
    callbacks = keras.callbacks.CallbackList([stopping, *_tensorboard(keras, tensorboard)], model=model)
    rng = np.random.default_rng(seed)
    history: list[EpochReport] = []
    interrupted = False
    model.stop_training = False
    callbacks.on_train_begin()
    if checkpoint is not None:
        history += [EpochReport(**report) for report in checkpoint.restore(model, stopping, rng)]
    before = sum(report.seconds for report in history)
    started = time.perf_counter()
    try:
        while len(history) < settings.epochs and not model.stop_training:
            epoch = len(history) + 1
            epoch_started = time.perf_counter()
            callbacks.on_epoch_begin(epoch - 1)
            fitted = _Means()
            # Not model.fit: it builds an input pipeline for each epoch, which costs five times these small steps.
            for X, targets, weights in train.batches(settings.batch_size, rng):
                fitted.add(model.train_on_batch(X, targets, weights, return_dict=True), len(targets))
            measured = _evaluate(model, validation, settings.batch_size)
            report = EpochReport(
                epoch=epoch,
                loss=fitted["loss"],
                accuracy=fitted["accuracy"],
                val_loss=measured["loss"],
                val_accuracy=measured["accuracy"],
                seconds=time.perf_counter() - epoch_started,
            )
            figures = asdict(report)
            callbacks.on_epoch_end(
                epoch - 1, {name: figures[name] for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
            )
            history.append(report)
            if checkpoint is not None:
                checkpoint.save(model, stopping, rng, [asdict(each) for each in history])
            if progress is not None:
                progress(model.name, settings.epochs, report)
    except KeyboardInterrupt:
        if not history:
            raise
        interrupted = True
        if checkpoint is not None:
            checkpoint.flush()
    # Early stopping puts the best weights back here.
    callbacks.on_train_end()
    return FitResult(tuple(history), stopping.best_epoch + 1, before + time.perf_counter() - started, interrupted)


def _evaluate(model: Any, examples: Examples, batch_size: int) -> _Means:
    means = _Means()
    # Larger batches than in training, because nothing is kept for gradients.
    for X, targets, _ in examples.batches(8 * batch_size, None):
        means.add(model.test_on_batch(X, targets, return_dict=True), len(targets))
    return means


def _tensorboard(keras: Any, folder: Path | None) -> list[Any]:
    if folder is None:
        return []
    if importlib.util.find_spec("tensorboard") is None:
        raise ParameterError(
            "A log for TensorBoard needs the package tensorboard, which is not installed; run "
            f"`{install_command('tensorboard')}`."
        )
    return [keras.callbacks.TensorBoard(log_dir=str(folder), write_graph=False)]


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
