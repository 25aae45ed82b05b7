"""What every training shares: splits, seeds, folders, cards, scores. What is trained, and on what, is a `Learner`."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
import shlex
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from audio_genre.bundles.bundle import DISTANCE, recover_bundles, write_bundle
from audio_genre.bundles.calibration import MIN_TRACKS, UNKNOWN, Calibration, NoveltyDetector, apply_temperature
from audio_genre.bundles.card import CARD, SEEDS, Card
from audio_genre.datasets import DEFAULT_PROTOCOL, PROTOCOLS, Split, SplitProtocol, get_protocol
from audio_genre.datasets.class_names import doubts
from audio_genre.datasets.grouped import group_column
from audio_genre.errors import BundleError, ParameterError, ProtocolError
from audio_genre.inputs import INPUT_KINDS, Dataset, InputKind
from audio_genre.metrics import Scores, mean_by_track, score, votes
from audio_genre.training.checkpoint import Checkpoint
from audio_genre.training.fit import FitResult, Progress, set_seed

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

Report = Callable[[int], None]
"""Called with the number of rows that are done."""

VALIDATION_FOLDS = 5
"""Folds of the training rows that take the part of validation rows where there are none."""

_ALL = "all"
_FITTED_ON_WORDS = "all rows but those for testing"
_FOLDS_WORDS = (
    f"none apart: {VALIDATION_FOLDS} folds of the training rows, each predicted by a model that has not learned from "
    "it; figures, temperature and limits of validation are those of these predictions"
)
# Rows of each class on which the compact export is compared with the library that trained the model.
_CHECKED_ROWS = 20
_PREDICTION_ROWS = 1024


@dataclass(frozen=True)
class FitOptions:
    """How a fit is run, which changes nothing of what it gives.

    Attributes
    ----------
    progress : callable, optional
        Called after each epoch.
    checkpoint : Checkpoint, optional
        Where the state is kept after each epoch.
    tensorboard : Path, optional
        Folder that receives a log for TensorBoard.
    stage : callable
        Called with the model's name and what is done now, before and after the epochs.
    """

    progress: Progress | None = None
    checkpoint: Checkpoint | None = None
    tensorboard: Path | None = None
    stage: Callable[[str, str], None] = lambda name, what: None  # noqa: ARG005


class Learner(ABC):
    """A kind of model with its settings, on a dataset.

    Attributes
    ----------
    kind : str
        Kind of model, for cards.
    name : str
        Name of the variant.
    dataset : Dataset
        The rows.
    """

    kind: str
    name: str

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    @property
    def input(self) -> InputKind:
        """Kind of input of the rows."""
        return INPUT_KINDS[self.dataset.input]

    @property
    def command(self) -> str:
        """Word of ``audio-genre train`` that trains it."""
        return self.kind

    @property
    @abstractmethod
    def options(self) -> Sequence[str] | None:
        """Options of the command ``audio-genre train`` that give these settings; None if there are none that do."""

    @property
    @abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """Everything that decides how the model learns, as plain data."""

    @property
    @abstractmethod
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input of the model."""

    @abstractmethod
    def build(self, split: Split) -> Any:
        """Build the model, with what it takes from the training rows."""

    @abstractmethod
    def fit(self, model: Any, split: Split, y: NDArray[np.intp], seed: int, options: FitOptions) -> FitResult:
        """Train it; `y` has the class number of every row."""

    @abstractmethod
    def predict(self, model: Any, rows: NDArray[np.intp], report: Report | None = None) -> NDArray[np.float32]:
        """Return probabilities of all classes for rows, shape (n, classes); what takes long reports rows done."""

    def answer(self, model: Any, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities for inputs as the model takes them."""
        probabilities: NDArray[np.float32] = model.predict(X, batch_size=_PREDICTION_ROWS, verbose=0)
        return probabilities

    @abstractmethod
    def inputs(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return inputs of the model, one or more a row, on which the exported model is checked."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Return what the card of this kind of model says besides what every card does."""

    def describe(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Return what tells how novel rows are, shape (n, d): the classifier computes the same of a clip."""
        return self.input.describe(self.dataset, rows)

    def prepared(self, train: NDArray[np.intp], y: NDArray[np.intp], seed: int) -> Learner:
        """Return the learner on rows to which was applied what is fitted on the training rows."""
        dataset = self.input.prepared(self.dataset, train, y, seed)
        if dataset is self.dataset:
            return self
        learner = copy.copy(self)
        learner.dataset = dataset
        return learner

    def set_seed(self, seed: int) -> None:
        """Seed the global generators that `build` and `fit` draw from: those of Keras, unless a learner has others."""
        set_seed(seed)

    def check(self, model: Any, X: NDArray[np.float32]) -> NDArray[Any]:
        """Return what the library in which the model was trained answers to `inputs`, shape (n, classes)."""
        probabilities: NDArray[Any] = model.predict(X, batch_size=len(X), verbose=0)
        return probabilities

    def joined(self, models: Sequence[Any], split: Split, y: NDArray[np.intp], seed: int) -> Any:  # noqa: ARG002
        """Return what is learned from all training rows, given the models that left one fold of them out each.

        A network needs rows that tell it when to stop, so that it is the mean of these models.
        """
        from audio_genre.training.backend import import_keras

        keras = import_keras()
        inputs = keras.Input(models[0].input_shape[1:], name="inputs")
        for number, model in enumerate(models, start=1):
            model.name = f"without_fold_{number}"
        answers = [keras.ops.expand_dims(model(inputs), axis=1) for model in models]
        together = keras.layers.Concatenate(axis=1, name="answers")(answers)
        return keras.Model(inputs, keras.ops.mean(together, axis=1))

    def exported(self, model: Any) -> Any:
        """Return what is written: a Keras model as it is, any other as an `ArrayModel`."""
        return model

    def refusal(self, split: Split) -> str | None:  # noqa: ARG002
        """Say why scores on a split would mean nothing; None if they mean what they always do."""
        return None

    def leaks(self, split: Split) -> bool:  # noqa: ARG002
        """Tell whether it has learned from test tracks before."""
        return False

    def notes(self, split: Split) -> Sequence[str]:  # noqa: ARG002
        """Tell what a user should know before it is trained."""
        return ()

    def limits(self, split: Split) -> Sequence[str]:  # noqa: ARG002
        """Tell what a user of its model should know besides what holds for every model."""
        return ()

    def heard(self, split: Split) -> Sequence[Sequence[str]]:  # noqa: ARG002
        """Return item, track and subset of all rows that decide its weights, where a training can start from these."""
        return ()


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """What training one model gave.

    Attributes
    ----------
    name : str
        Name of the model and of its folder.
    path : Path
        Folder of the bundle.
    variant : str
        The variant.
    protocol : str
        The protocol.
    leaky : bool
        Whether that protocol lets segments of one track be in two subsets, or the model started from one that has, or
        may have, learned from test tracks.
    fold : str
        Name of the fold; empty where the protocol makes one split.
    seed : int
        Seed of split and training.
    train, validation, test : Scores
        Scores of the three subsets, by row and by track.
    tracks : np.ndarray of str, shape (n_tracks,)
        The test tracks.
    right : np.ndarray of bool, shape (n_tracks,)
        Whether the vote of its rows was right, for each of them.
    epochs : int
        Number of epochs.
    best_epoch : int
        The epoch whose weights the model has; 0 where a model is not trained in epochs.
    seconds : float
        Time of the fit.
    interrupted : bool
        Whether a keyboard interrupt ended the fit early.
    remark : str
        What few validation tracks mean for its answers; empty where there are enough.
    """

    name: str
    path: Path
    variant: str
    protocol: str
    leaky: bool
    fold: str
    seed: int
    train: Scores = field(repr=False)
    validation: Scores = field(repr=False)
    test: Scores
    tracks: NDArray[np.str_] = field(repr=False)
    right: NDArray[np.bool_] = field(repr=False)
    epochs: int
    best_epoch: int
    seconds: float
    interrupted: bool
    remark: str = ""


class TrainedModels(list[TrainedModel]):
    """The models that a training gave, in the order of its plan."""

    def to_frame(self) -> pd.DataFrame:
        """Return their figures as a data frame.

        Returns
        -------
        pandas.DataFrame
            One row per model: name, variant, protocol, leaky, fold, seed, epochs, seconds, interrupted, n_test, and by
            track the accuracy of each subset, with the 95 % interval of the test accuracy, and macro-F1.
        """
        import pandas as pd

        facts = ("name", "variant", "protocol", "leaky", "fold", "seed", "epochs", "seconds", "interrupted")
        return pd.DataFrame(
            {
                **{name: getattr(model, name) for name in facts},
                "n_test": model.test.tracks.count,
                "train_accuracy": model.train.tracks.accuracy.value,
                "validation_accuracy": model.validation.tracks.accuracy.value,
                "accuracy": model.test.tracks.accuracy.value,
                "accuracy_low": model.test.tracks.accuracy.low,
                "accuracy_high": model.test.tracks.accuracy.high,
                "macro_f1": model.test.tracks.macro_f1.value,
            }
            for model in self
        )


@dataclass(frozen=True, eq=False)
class TrainingPlan:
    """Trainings that were checked and have not begun; get one from `audio_genre.training.plan`.

    Attributes
    ----------
    dataset : Dataset
        The rows.
    models_dir : Path
        Folder that receives the bundles.
    runs : tuple of Run
        What is to be trained, in this order: every variant on every fold of every protocol with every seed.
    recovered : tuple of str
        A sentence for each model that an earlier training, which was killed, had left out of its place.
    """

    dataset: Dataset
    models_dir: Path
    runs: tuple[Run, ...] = field(repr=False)
    recovered: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.runs)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of the models, each once."""
        return tuple(dict.fromkeys(run.learner.kind for run in self.runs))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the models, before any number that keeps them apart from others."""
        return tuple(run.name for run in self.runs)

    def left_out(self) -> dict[str, int]:
        """Tell which protocols leave rows out: published lists do.

        Returns
        -------
        dict of str to int
            Name of the protocol, and the number of rows.
        """
        return {run.protocol.name: len(run.split.left_out) for run in self.runs if len(run.split.left_out)}

    def notes(self) -> tuple[str, ...]:
        """Tell what a user should know of how the rows were split.

        Returns
        -------
        tuple of str
            Sentences, each once.
        """
        notes = ((*run.protocol.notes(self.dataset), *run.learner.notes(run.split)) for run in self.runs)
        return tuple(dict.fromkeys(note for each in notes for note in each))

    def doubts(self) -> tuple[str, ...]:
        """Say what is odd about the names of the classes: codes, and one genre under several spellings.

        Returns
        -------
        tuple of str
            Sentences.
        """
        names, counts = np.unique(self.dataset.labels, return_counts=True)
        return doubts(dict(zip(names.tolist(), counts.tolist(), strict=True)), "rows")

    def resumable(self) -> dict[str, int]:
        """Tell which models have an interrupted training behind them.

        Returns
        -------
        dict of str to int
            Name of the model, and the number of its completed epochs.
        """
        epochs = {run.name: run.checkpoint(self.models_dir, resume=True).epochs() for run in self.runs}
        return {name: number for name, number in epochs.items() if number}

    def not_resumable(self) -> list[str]:
        """Tell which states of interrupted trainings cannot be gone on from.

        Returns
        -------
        list of str
            A sentence, without its point, for each.
        """
        faults = [run.checkpoint(self.models_dir, resume=True).fault() for run in self.runs]
        return [fault for fault in faults if fault is not None]

    def train(
        self,
        progress: Progress | None = None,
        *,
        resume: bool = False,
        tensorboard: Path | None = None,
        finished: Callable[[TrainedModel], None] | None = None,
        stage: Callable[[str, str], None] | None = None,
    ) -> TrainedModels:
        """Load what the models need, train them and write their bundles.

        Parameters
        ----------
        progress : callable, optional
            Called after each epoch with the model's name, the maximum number of epochs, and an `EpochReport`.
        resume : bool
            Whether to go on with what an interrupted training of the same settings has left.
        tensorboard : Path, optional
            Folder that receives a log for TensorBoard, in one folder per model.
        finished : callable, optional
            Called after each bundle with its model.
        stage : callable, optional
            Called with the model's name and what is done now, before and after its epochs.

        Returns
        -------
        TrainedModels
            One for each bundle written, in the order of the plan. After a keyboard interrupt it is shorter than the
            plan, or its last model is marked as interrupted, or both.

        Raises
        ------
        BundleError
            If a bundle cannot be written; the bundles before it stay.
        KeyboardInterrupt
            If it comes before any model is complete.
        """
        trained = TrainedModels()
        try:
            for run in self.runs:
                options = FitOptions(
                    progress,
                    run.checkpoint(self.models_dir, resume=resume),
                    None if tensorboard is None else tensorboard / run.name,
                    stage or (lambda name, what: None),  # noqa: ARG005
                )
                trained.append(run.train(self.models_dir, options))
                if finished is not None:
                    finished(trained[-1])
                if trained[-1].interrupted:
                    break
        except KeyboardInterrupt:
            if not trained:
                raise
        return trained


@dataclass(frozen=True)
class Trials:
    """How often a model is trained, and on which splits; checked when it is made.

    Attributes
    ----------
    protocol : str or SplitProtocol
        A protocol or its name, or ``"all"`` for every one that applies to the rows.
    seed, seeds : int
        The first seed, and the number of seeds that follow each other.
    folds : int, optional
        Number of folds of a cross-validation; by default what each protocol does by itself.
    refit : bool
        Whether the rows for validation are learned from too; what they are for is then done on folds of all these.
    """

    protocol: str | SplitProtocol = DEFAULT_PROTOCOL
    seed: int = 0
    seeds: int = 1
    folds: int | None = None
    refit: bool = False

    def __post_init__(self) -> None:
        if (
            isinstance(self.protocol, str)
            and self.protocol not in (*PROTOCOLS, _ALL)
            and not group_column(self.protocol)
        ):
            raise ParameterError(
                f"The protocol {self.protocol!r} is unknown; choose one of {', '.join(PROTOCOLS)}, group:COLUMN or "
                f"{_ALL}."
            )
        if self.seeds < 1:
            raise ParameterError(f"The number of seeds must be 1 or more; got {self.seeds}.")
        if not 0 <= self.seed <= SEEDS - self.seeds:
            raise ParameterError(f"The seed must be in the range 0 to {SEEDS - self.seeds}; got {self.seed}.")

    def splits(self, dataset: Dataset) -> list[tuple[SplitProtocol, int, Split]]:
        """Split rows for every trial."""
        protocols: tuple[SplitProtocol, ...]
        if isinstance(self.protocol, SplitProtocol):
            protocols = (self.protocol,)
        else:
            protocols = tuple(map(get_protocol, PROTOCOLS if self.protocol == _ALL else [self.protocol]))
        trials: list[tuple[SplitProtocol, int, Split]] = []
        refused: list[ProtocolError] = []
        for protocol in (each.for_rows(dataset) for each in protocols):
            # Published lists have their own folds; under "all" a number is meant for those that can choose.
            folds = None if self.protocol == _ALL and protocol.published else self.folds
            try:
                for seed in range(self.seed, self.seed + self.seeds):
                    splits = protocol.splits(dataset, seed=seed, folds=folds, refit=self.refit)
                    trials += [(protocol, seed, split) for split in splits]
            except ProtocolError as error:
                refused.append(error)
        if not trials:
            raise refused[0]
        return trials


def plan_runs(learners: Sequence[Learner], models_dir: str | os.PathLike[str], trials: Trials) -> TrainingPlan:
    """Split the rows for every training and make the folder of the models."""
    dataset = learners[0].dataset
    if UNKNOWN in dataset.classes:
        raise ParameterError(
            f"No genre can be named {UNKNOWN!r}, which is the answer for clips of no known genre; rename it "
            f"in {dataset.path.name}."
        )
    if trials.refit and type(learners[0].input).prepared is not InputKind.prepared:
        raise ParameterError(
            f"{dataset.path} is {learners[0].input.title}, whose rows depend on those that are learned from, so that "
            "models of folds cannot be joined; leave out --refit."
        )
    runs = tuple(
        Run(learner, protocol, split, seed, trials.folds, trials.refit)
        for protocol, seed, split in trials.splits(dataset)
        for learner in learners
    )
    for run in runs:
        if (sentence := run.learner.refusal(run.split)) is not None:
            raise ProtocolError(sentence)
    models = Path(models_dir)
    try:
        models.mkdir(parents=True, exist_ok=True)
        # Better now than after the training.
        with tempfile.TemporaryFile(dir=models):
            pass
    except OSError as error:
        raise BundleError(f"{models} cannot be used as a models folder: {error.strerror}; choose another.") from None
    return TrainingPlan(dataset, models, runs, tuple(recover_bundles(models)))


class _Validation(NamedTuple):
    """Rows for validation: their numbers, what a model says that has not learned from them, and how novel they are."""

    rows: NDArray[np.intp]
    probabilities: NDArray[np.float32]
    distances: NDArray[np.float64]


class _Fitted(NamedTuple):
    """A fitted model with its learner, and what calibration needs."""

    learner: Learner
    model: Any
    result: FitResult
    novelty: NoveltyDetector
    validation: _Validation


@dataclass(frozen=True, eq=False)
class Run:
    """One learner on one split with one seed.

    Attributes
    ----------
    learner : Learner
        What is trained.
    protocol : SplitProtocol
        How the rows were split.
    split : Split
        The rows of each subset.
    seed : int
        Seed of the split and of the training.
    folds : int or None
        Number of folds that were asked for.
    refit : bool
        Whether the split has no rows for validation, so that folds of the training rows take their part.
    """

    learner: Learner
    protocol: SplitProtocol
    split: Split
    seed: int
    folds: int | None = None
    refit: bool = False

    @property
    def name(self) -> str:
        """Name of the model: its variant and whatever is not the default."""
        parts = [self.learner.name, *self.learner.input.name_suffixes(self.learner.dataset)]
        if self.protocol.name != DEFAULT_PROTOCOL:
            # A folder of lists can be called anything, and a folder of models not.
            parts.append(re.sub(r"[^\w.-]+", "-", self.protocol.name))
        if self.split.fold:
            parts.append(self.split.fold)
        if self.refit:
            parts.append("refit")
        if self.seed:
            parts.append(f"seed{self.seed}")
        return "-".join(parts)

    @property
    def leaky(self) -> bool:
        """Whether the model learns, or has learned before, from test tracks."""
        return self.protocol.leaky or self.learner.leaks(self.split)

    def checkpoint(self, models: Path, *, resume: bool) -> Checkpoint:
        """Return where the state of the fit is kept while it goes on."""
        return Checkpoint(models / f".{self.name}.checkpoint.npz", self._identity(), resume=resume)

    def train(self, models: Path, options: FitOptions) -> TrainedModel:
        """Fit, score and write the bundle."""
        y = np.searchsorted(self.learner.dataset.classes, self.learner.dataset.labels)
        name = self._folder(models, interrupted=False).name
        fitted = self._fit_on_folds(name, y, options) if self.refit else self._fit(name, self.split, y, options)
        return replace(self, learner=fitted.learner)._write(models, fitted, y, options)

    def _fit(self, name: str, split: Split, y: NDArray[np.intp], options: FitOptions) -> _Fitted:
        """Fit on the training rows, and predict those for validation."""
        stage = partial(options.stage, self.name)
        stage("preparing the rows")
        learner = self.learner.prepared(split.train, y, self.seed)
        learner.set_seed(self.seed)
        stage("building the model")
        model = learner.build(split)
        model.name = name
        result = learner.fit(model, split, y, self.seed, options)
        words = f"predicting {len(split.validation)} validation rows"
        stage(words)
        predicted = learner.predict(model, split.validation, partial(_report_rows, stage, words))
        stage("fitting the novelty detector")
        novelty = NoveltyDetector.fit(learner.describe(split.train), y[split.train], self.seed)
        distances = novelty.distances(learner.describe(split.validation))
        return _Fitted(learner, model, result, novelty, _Validation(split.validation, predicted, distances))

    def _fit_on_folds(self, name: str, y: NDArray[np.intp], options: FitOptions) -> _Fitted:
        """Fit on all training rows, and predict each of them by a model that has not learned from its fold."""
        split, rows = self.split, self.learner.dataset
        parts = self.protocol.validation_folds(rows, split.train, VALIDATION_FOLDS, self.seed)
        fitted = []
        for number, part in enumerate(parts, start=1):
            options.stage(self.name, f"fold {number} of {len(parts)}")
            fold = replace(split, train=np.setdiff1d(split.train, part), validation=part)
            # Only a whole training can be gone on with.
            fitted.append(self._fit(name, fold, y, replace(options, checkpoint=None, tensorboard=None)))
            if fitted[-1].result.interrupted:
                raise KeyboardInterrupt
        options.stage(self.name, f"fitting on all {len(split.train)} rows")
        model = self.learner.joined([each.model for each in fitted], split, y, self.seed)
        model.name = name
        result = FitResult((), best_epoch=0, seconds=sum(each.result.seconds for each in fitted), interrupted=False)
        order = np.argsort(np.concatenate(parts))
        rows_of, predicted, distances = (
            np.concatenate([getattr(each.validation, name) for each in fitted])[order]
            for name in ("rows", "probabilities", "distances")
        )
        novelty = NoveltyDetector.fit(self.learner.describe(split.train), y[split.train], self.seed)
        return _Fitted(self.learner, model, result, novelty, _Validation(rows_of, predicted, distances))

    def _write(self, models: Path, fitted: _Fitted, y: NDArray[np.intp], options: FitOptions) -> TrainedModel:
        """Score and write the bundle."""
        learner, split, dataset = self.learner, self.split, self.learner.dataset
        model, result, novelty, validation = fitted.model, fitted.result, fitted.novelty, fitted.validation
        stage = partial(options.stage, self.name)
        # What was ended early never takes the place of what was trained to the end.
        folder = self._folder(models, interrupted=result.interrupted)
        model.name = folder.name
        subsets = {"train": split.train, "validation": validation.rows, "test": split.test}
        predicted = {"validation": validation.probabilities}
        for subset in ("train", "test"):
            words = f"predicting {len(subsets[subset])} {subset} rows"
            stage(words)
            predicted[subset] = learner.predict(model, subsets[subset], partial(_report_rows, stage, words))
        stage("computing scores and their intervals")
        scores = {
            subset: score(predicted[subset], y[rows], dataset.groups[rows], seed=self.seed)
            for subset, rows in subsets.items()
        }
        calibration = self._calibrate(validation, y)
        measured = self._measured(model, subsets, predicted, calibration.temperature)
        used = np.concatenate(list(split.subsets().values()))
        checked = np.concatenate([used[y[used] == number][:_CHECKED_ROWS] for number in range(len(dataset.classes))])
        stage("exporting the model")
        X = learner.inputs(checked)
        write_bundle(
            folder,
            learner.exported(model),
            self._card(folder.name, result, scores, calibration, measured),
            check=(X, learner.check(model, X)),
            novelty=novelty,
            history=result.history,
            predictions=_predictions(dataset, split.test, predicted["test"]),
            validation=_predictions(dataset, validation.rows, validation.probabilities, validation.distances),
            arrays=learner.input.arrays(dataset),
            heard=learner.heard(split),
        )
        if options.checkpoint is not None and not result.interrupted:
            options.checkpoint.remove()
        tracks, right = votes(predicted["test"], y[split.test], dataset.groups[split.test])
        return TrainedModel(
            name=folder.name,
            path=folder,
            variant=learner.name,
            protocol=self.protocol.name,
            leaky=self.leaky,
            fold=split.fold,
            seed=self.seed,
            train=scores["train"],
            validation=scores["validation"],
            test=scores["test"],
            tracks=tracks,
            right=right,
            epochs=len(result.history),
            best_epoch=result.best_epoch,
            seconds=result.seconds,
            interrupted=result.interrupted,
            remark=calibration.remark,
        )

    def _calibrate(self, validation: _Validation, y: NDArray[np.intp]) -> Calibration:
        """Fit temperature and limits to the votes of the validation tracks, and where these are few, to others too."""
        rows, groups = validation.rows, self.learner.dataset.groups
        # A track has one class, so that its mean is that.
        tracks = mean_by_track(y[rows][:, np.newaxis], groups[rows])[:, 0].astype(np.intp)
        distances = mean_by_track(validation.distances[:, np.newaxis], groups[rows])
        windows = (validation.probabilities, y[rows]) if len(tracks) < len(rows) else None
        left_out = None
        if len(tracks) < MIN_TRACKS:
            train = self.split.train
            left_out = NoveltyDetector.cross_validate(self.learner.describe(train), y[train], groups[train], self.seed)
        votes = mean_by_track(validation.probabilities, groups[rows])
        return Calibration.fit(votes, tracks, distances[:, 0], windows, left_out=left_out)

    def _identity(self) -> dict[str, Any]:
        """Return what makes this run the same as another."""
        settings = json.dumps(self.learner.settings, sort_keys=True)
        identity: dict[str, Any] = {
            "variant": self.learner.name,
            "protocol": self.protocol.identity,
            "fold": self.split.fold,
            "seed": self.seed,
            "settings": hashlib.sha256(settings.encode()).hexdigest(),
            "sha256": self.learner.dataset.sha256,
        }
        if self.refit:
            identity["refit"] = VALIDATION_FOLDS
        # The same file read in another way is other data.
        return identity | ({"reading": list(self.learner.dataset.options)} if self.learner.dataset.options else {})

    def _folder(self, models: Path, *, interrupted: bool) -> Path:
        return folder_for(models, self.name, self._identity(), interrupted=interrupted)

    def _measured(
        self,
        model: Any,
        subsets: Mapping[str, NDArray[np.intp]],
        predicted: Mapping[str, NDArray[Any]],
        temperature: float,
    ) -> dict[str, Any]:
        """Return what the kind of input says of a trained model."""
        learner = self.learner
        tempered = {subset: apply_temperature(found, temperature) for subset, found in predicted.items()}
        return learner.input.measured(
            learner.dataset, subsets, tempered, lambda X: apply_temperature(learner.answer(model, X), temperature)
        )

    def _card(
        self,
        name: str,
        result: FitResult,
        scores: dict[str, Scores],
        calibration: Calibration,
        measured: Mapping[str, Any],
    ) -> Card:
        learner, dataset = self.learner, self.learner.dataset
        part = learner.input.card(dataset)
        return Card(
            name=name,
            kind=learner.kind,
            input=dataset.input,
            classes=dataset.classes,
            recipe=part.recipe,
            window=part.window,
            input_shape=learner.input_shape,
            calibration=calibration,
            seed=self.seed,
            variant=learner.settings,
            protocol={
                "name": self.protocol.name,
                "leaky": self.leaky,
                "description": self.protocol.describe(self.folds),
                "citation": self.protocol.citation,
                "fold": self.split.fold,
                "left_out": len(self.split.left_out),
                **self.protocol.facts(dataset),
                **({"validation": _FOLDS_WORDS} if self.refit else {}),
                "sizes": {
                    subset: {"rows": len(rows), "tracks": len(np.unique(dataset.groups[rows]))}
                    for subset, rows in self.split.subsets().items()
                },
            },
            training_data={
                "file": dataset.path.name,
                "sha256": dataset.sha256,
                "rows": len(dataset),
                "tracks": len(np.unique(dataset.groups)),
                **part.training_data,
            },
            metrics={subset: measured.as_json() for subset, measured in scores.items()},
            training={
                "epochs": len(result.history),
                "best_epoch": result.best_epoch,
                "seconds": round(result.seconds, 2),
                "interrupted": result.interrupted,
            },
            facts={
                **part.facts,
                **learner.facts(),
                **measured,
                **({"fitted_on": _FITTED_ON_WORDS} if self.refit else {}),
                "limits": self._limits(calibration),
                "command": self._command(),
                "identity": self._identity(),
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
            },
        )

    def _limits(self, calibration: Calibration) -> list[str]:
        """Return what a user of the model should know, in sentences."""
        dataset = self.learner.dataset
        tracks = len(np.unique(dataset.groups[self.split.train]))
        fitted = "folds of the training" if self.refit else "the validation"
        limits = [
            f"It knows {len(dataset.classes)} genres from {tracks} tracks of {dataset.path.name}; music made or "
            "recorded in another way is more often unknown, or wrong.",
            f"Temperature and limits were fitted on {fitted} tracks, and hold for tracks like those: of a longer "
            "recording that changes its genre, no genre may be probable enough.",
        ]
        if calibration.remark:
            limits[-1] = calibration.remark
        if self.protocol.leaky:
            limits.append("It was trained on rows of its test tracks, so its scores are too high.")
        elif not self.protocol.artists_apart:
            limits.append("Artists are not kept apart in its scores; expect less for unseen artists.")
        limits += self.learner.limits(self.split)
        recipe = self.learner.input.card(dataset).recipe
        limits += recipe.limits if recipe is not None else ()
        if dataset.grouping.note:
            limits.append(f"It is a guess which rows are of one track. {dataset.grouping.note}")
        return limits

    def _command(self) -> str | None:
        """Return the command that makes this model again; None where its settings come from Python."""
        options = self.learner.options
        if options is None:
            return None
        words = ["audio-genre", "train", self.learner.command, self.learner.dataset.path.name, "models", *options]
        words += [*self.learner.dataset.options, *self.protocol.options, "--seed", str(self.seed)]
        if self.folds is not None:
            words += ["--folds", str(self.folds)]
        if self.refit:
            words.append("--refit")
        return shlex.join(words)


def _report_rows(stage: Callable[[str], None], words: str, done: int) -> None:
    stage(f"{words}, {done} done")


def _predictions(
    dataset: Dataset,
    rows: NDArray[np.intp],
    probabilities: NDArray[np.float32],
    distances: NDArray[np.float64] | None = None,
) -> list[list[Any]]:
    items, tracks, labels = dataset.items[rows], dataset.groups[rows], dataset.labels[rows]
    return prediction_lines(dataset.classes, items, tracks, labels, probabilities, distances)


def prediction_lines(
    classes: Sequence[str],
    items: NDArray[np.str_],
    tracks: NDArray[np.str_],
    labels: NDArray[np.str_],
    probabilities: NDArray[np.float32],
    distances: NDArray[np.float64] | None = None,
) -> list[list[Any]]:
    """Return what a file of predictions holds, line by line."""
    header = ["item", "track", "label", "predicted", *(f"p({name})" for name in classes)]
    values = np.column_stack([probabilities, *([] if distances is None else [distances])])
    lines: list[list[Any]] = [header if distances is None else [*header, DISTANCE]]
    for item, track, label, numbers in zip(items, tracks, labels, values, strict=True):
        predicted = classes[int(numbers[: len(classes)].argmax())]
        lines.append([str(item), str(track), str(label), predicted, *(f"{value:.9g}" for value in numbers)])
    return lines


def folder_for(models: Path, name: str, identity: Mapping[str, Any], *, interrupted: bool = False) -> Path:
    """Return the first folder of a model's name that is free, or holds the same training and is to be replaced."""
    folder, number = models / name, 1
    while folder.exists() and not _may_replace(folder, identity, interrupted=interrupted):
        number += 1
        folder = models / f"{name}-{number}"
    return folder


def _may_replace(folder: Path, identity: Mapping[str, Any], *, interrupted: bool) -> bool:
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        return bool(card["identity"] == identity and (card["training"]["interrupted"] or not interrupted))
    except (OSError, ValueError, KeyError, TypeError):
        return False
