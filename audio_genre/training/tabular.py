"""Dense networks on feature tables."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from audio_genre.datasets import DEFAULT_PROTOCOL, Split, SplitProtocol, Table, load_table
from audio_genre.errors import ParameterError
from audio_genre.training.backend import require_keras
from audio_genre.training.fit import ArrayExamples, FitResult, Progress, epochs_option, fit
from audio_genre.training.run import FitOptions, TrainedModel, TrainingPlan, Trials, plan
from audio_genre.training.table_learner import TableLearner
from audio_genre.training.variants import NORMALISATION, VARIANTS, DenseVariant, get_variants

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PREDICTION_ROWS = 1024


class DenseLearner(TableLearner):
    """A dense variant on a feature table.

    Parameters
    ----------
    table : Table
        The table.
    variant : DenseVariant
        The network and how it is trained.
    """

    kind = "tabular"

    def __init__(self, table: Table, variant: DenseVariant) -> None:
        super().__init__(table, variant.name, NORMALISATION)
        self.variant = variant

    @property
    def options(self) -> tuple[str, ...] | None:
        """Options of ``audio-genre train tabular`` that give these settings."""
        epochs = epochs_option(self.variant, VARIANTS[self.name]) if self.name in VARIANTS else None
        return None if epochs is None else ("--variant", self.name, *epochs)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Everything that decides how the network learns."""
        return asdict(self.variant)

    def build(self, split: Split) -> Any:
        """Build the network; its normalisation is that of the training rows.

        Parameters
        ----------
        split : Split
            The rows.

        Returns
        -------
        keras.Model
            Not yet compiled.
        """
        return self.variant.build(self.dataset.X[split.train], len(self.dataset.classes))

    def fit(self, model: Any, split: Split, y: NDArray[np.intp], seed: int, options: FitOptions) -> FitResult:
        """Train the network.

        Parameters
        ----------
        model : keras.Model
            What `build` gave.
        split : Split
            The rows.
        y : np.ndarray of int, shape (n,)
            Class number of every row.
        seed : int
            Seed of the order of the rows.
        options : FitOptions
            Progress and state.

        Returns
        -------
        FitResult
            History and best pass.
        """
        X, classes = self.dataset.X, len(self.dataset.classes)
        return fit(
            model,
            ArrayExamples(X[split.train], y[split.train], classes),
            ArrayExamples(X[split.validation], y[split.validation], classes),
            self.variant.fit,
            seed=seed,
            progress=options.progress,
            checkpoint=options.checkpoint,
        )

    def predict(self, model: Any, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Predict rows of the table.

        Parameters
        ----------
        model : keras.Model
            The trained network.
        rows : np.ndarray of int, shape (n,)
            Row numbers.

        Returns
        -------
        np.ndarray, shape (n, classes), float32
            Probabilities.
        """
        probabilities: NDArray[np.float32] = model.predict(self.dataset.X[rows], batch_size=_PREDICTION_ROWS, verbose=0)
        return probabilities


def plan_tabular(
    table: str | os.PathLike[str] | Table,
    models_dir: str | os.PathLike[str],
    *,
    variant: str = "all",
    protocol: str | SplitProtocol = DEFAULT_PROTOCOL,
    epochs: int | None = None,
    seed: int = 0,
    seeds: int = 1,
    folds: int | None = None,
) -> TrainingPlan:
    """Check everything that a training needs, within a second and without TensorFlow.

    Parameters
    ----------
    table : str, os.PathLike or Table
        A feature table, such as the public ``features_30_sec.csv``, or its path.
    models_dir : str or os.PathLike
        Folder that receives the bundles; it is made if need be.
    variant : str
        Name of a variant, or ``"all"``.
    protocol : str or SplitProtocol
        The evaluation protocol that splits the rows, or its name, or ``"all"`` for every one that applies;
        `audio_genre.datasets.read_splits` makes one of your own lists.
    epochs : int, optional
        Most passes over the training rows; by default what the variant says.
    seed : int
        Seed of the split and of the training, 0 or more.
    seeds : int
        Number of seeds; each repeats everything with the next one.
    folds : int, optional
        Number of folds of a cross-validation; by default what the protocol does by itself.

    Returns
    -------
    TrainingPlan
        What is to be trained; its method `train` does it.

    Raises
    ------
    ParameterError
        If variant, protocol, epochs, a seed or the number of folds is out of range.
    TableError
        If the table cannot be read, has rows without a label or only one class.
    ProtocolError
        If the table cannot be split under the protocol.
    BundleError
        If the folder cannot be made or written to.
    """
    require_keras()
    variants = get_variants(variant)
    if epochs is not None:
        if epochs < 1:
            raise ParameterError(f"The number of epochs must be 1 or more; got {epochs}.")
        variants = tuple(
            dataclasses.replace(each, fit=dataclasses.replace(each.fit, epochs=epochs)) for each in variants
        )
    trials = Trials(protocol, seed, seeds, folds)
    if not isinstance(table, Table):
        table = load_table(table)
    table.require_labels()
    learners = [DenseLearner(table, each) for each in variants]
    return plan(learners, models_dir, trials)


def train_tabular(
    table: str | os.PathLike[str] | Table,
    models_dir: str | os.PathLike[str],
    *,
    variant: str = "all",
    protocol: str | SplitProtocol = DEFAULT_PROTOCOL,
    epochs: int | None = None,
    seed: int = 0,
    seeds: int = 1,
    folds: int | None = None,
    progress: Progress | None = None,
    resume: bool = False,
) -> list[TrainedModel]:
    """Train dense networks on a feature table and write a bundle for each.

    The same as ``plan_tabular(...).train(progress, resume=resume)``: whatever can be checked is, before TensorFlow is
    loaded.

    Parameters
    ----------
    table : str, os.PathLike or Table
        A feature table, such as the public ``features_30_sec.csv``, or its path.
    models_dir : str or os.PathLike
        Folder that receives the bundles; it is made if need be.
    variant : str
        Name of a variant, or ``"all"``.
    protocol : str or SplitProtocol
        The evaluation protocol that splits the rows, or its name, or ``"all"`` for every one that applies;
        `audio_genre.datasets.read_splits` makes one of your own lists.
    epochs : int, optional
        Most passes over the training rows; by default what the variant says. Early stopping may end sooner.
    seed : int
        Seed of the split and of the training, 0 or more.
    seeds : int
        Number of seeds; each repeats everything with the next one.
    folds : int, optional
        Number of folds of a cross-validation; by default what the protocol does by itself.
    progress : callable, optional
        Called after each pass with the model's name, the most passes, and an `EpochReport`.
    resume : bool
        Whether to go on with what an interrupted training of the same settings has left.

    Returns
    -------
    list of TrainedModel
        One for each bundle written: for each protocol, seed and fold every variant.

    Raises
    ------
    ParameterError
        If variant, protocol, epochs, a seed or the number of folds is out of range.
    TableError
        If the table cannot be read, has rows without a label or only one class.
    ProtocolError
        If the table cannot be split under the protocol.
    BundleError
        If a bundle cannot be written; the bundles before it stay.
    KeyboardInterrupt
        If it comes before any model is complete.

    Notes
    -----
    A keyboard interrupt ends the training early, and the models so far are returned. One that comes after a model's
    first pass makes that model the last: it is written with the best weights so far and marked as interrupted. One that
    comes earlier, or while a bundle is written, leaves that model out.

    The state after a complete pass stands in ``.<model>.checkpoint.npz`` in `models_dir` until the training is
    complete; it is written every two seconds, and when the training is interrupted.

    A bundle is named after its variant and whatever is not the default: ``adam-4`` for clips, ``adam-4-3s`` for 3-s
    segments, ``adam-4-3s-segment-seed7`` under the leaky protocol and seed 7. Training the same with the same settings
    on the same table again replaces it, unless it was interrupted this time; a name that anything else has taken gets a
    number: ``adam-4-2``.
    """
    return plan_tabular(
        table, models_dir, variant=variant, protocol=protocol, epochs=epochs, seed=seed, seeds=seeds, folds=folds
    ).train(progress, resume=resume)
