"""The one way to train: check everything, then train, whatever the kind of model and of input."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from audio_genre.datasets import DEFAULT_PROTOCOL, SplitProtocol
from audio_genre.errors import ParameterError
from audio_genre.inputs import Dataset, load_dataset
from audio_genre.progress import Bar
from audio_genre.training.backend import require_keras
from audio_genre.training.baselines import LARGE_TRACKS, BaselineLearner, BaselineVariant, get_baselines
from audio_genre.training.cnn import CnnSettings
from audio_genre.training.fit import Progress
from audio_genre.training.networks import get_networks
from audio_genre.training.picture_learner import PictureLearner, require_pictures
from audio_genre.training.picture_network import PictureNetwork
from audio_genre.training.run import Learner, TrainedModels, TrainingPlan, Trials, plan_runs
from audio_genre.training.start import Start, read_start
from audio_genre.training.tabular import DenseLearner
from audio_genre.training.transformer import TransformerSettings
from audio_genre.training.variants import DenseVariant, get_variants
from audio_genre.training.vector_learner import require_vectors

_ALL = "all"
# What the kind of networks on pictures was called when there was one.
_OLD_NAME, _NEW_NAME = "cnn", "pictures"
Settings = DenseVariant | PictureNetwork | BaselineVariant


@dataclass(frozen=True)
class _ModelKind:
    """A kind of model: the settings that a variant's name stands for, and its learner."""

    settings: Callable[[str], Sequence[Settings]]
    types: tuple[type[Any], ...]
    learner: Callable[..., Learner]
    takes: Callable[[Dataset], Any]
    keras: bool = True
    vectors: bool = True
    starts: bool = False
    suits: Callable[[Any, Dataset], bool] = lambda settings, dataset: True  # noqa: ARG005


MODEL_KINDS = MappingProxyType(
    {
        "tabular": _ModelKind(
            get_variants,
            (DenseVariant,),
            DenseLearner,
            lambda dataset: require_vectors(dataset, "Dense networks"),
            suits=lambda variant, dataset: variant.large == (len(np.unique(dataset.groups)) >= LARGE_TRACKS),
        ),
        _NEW_NAME: _ModelKind(
            get_networks,
            (CnnSettings, TransformerSettings),
            PictureLearner,
            require_pictures,
            vectors=False,
            starts=True,
        ),
        "baseline": _ModelKind(
            get_baselines,
            (BaselineVariant,),
            BaselineLearner,
            lambda dataset: require_vectors(dataset, "Baselines"),
            keras=False,
        ),
    }
)
"""Every kind of model by its name."""


def plan(
    data: str | os.PathLike[str] | Dataset,
    models_dir: str | os.PathLike[str],
    *,
    kind: str = "tabular",
    variant: str = "all",
    settings: Settings | None = None,
    protocol: str | SplitProtocol = DEFAULT_PROTOCOL,
    epochs: int | None = None,
    seed: int = 0,
    seeds: int = 1,
    folds: int | None = None,
    balance: str = "none",
    start_from: str | os.PathLike[str] | None = None,
    leaky: bool = False,
    refit: bool = False,
    **reading: Any,
) -> TrainingPlan:
    """Check everything that a training needs, within a second and without TensorFlow.

    Parameters and errors are those of `train`; see `train`.

    Returns
    -------
    TrainingPlan
        What is to be trained; its method `train` does it.
    """
    if kind == _OLD_NAME:
        kind, variant = _NEW_NAME, _OLD_NAME if variant == _ALL else variant
    if kind not in MODEL_KINDS:
        raise ParameterError(f"The kind of model {kind!r} is unknown; choose one of {', '.join(MODEL_KINDS)}.")
    model = MODEL_KINDS[kind]
    if model.keras:
        require_keras()
    if settings is not None and not isinstance(settings, model.types):
        wanted = " or a ".join(each.__name__ for each in model.types)
        raise ParameterError(f"The settings of the kind {kind} must be a {wanted}; got a {type(settings).__name__}.")
    start = _start(kind, start_from, leaky=leaky)
    chosen: Sequence[Any] = (settings,)
    if settings is None:
        chosen = model.settings(variant) if start is None else start.networks(variant)
    if epochs is not None:
        if not model.keras:
            raise ParameterError("Baselines are not trained in epochs; leave epochs out.")
        if epochs < 1:
            raise ParameterError(f"The number of epochs must be 1 or more; got {epochs}.")
        chosen = [dataclasses.replace(each, fit=dataclasses.replace(each.fit, epochs=epochs)) for each in chosen]
    trials = Trials(protocol, seed, seeds, folds, refit)
    dataset = load_dataset(data, protocol=protocol, **reading) if isinstance(data, str | os.PathLike) else data
    dataset.require_labels()
    rows = model.takes(dataset)
    if settings is None and variant == _ALL:
        chosen = [each for each in chosen if model.suits(each, dataset)]
    options: dict[str, Any] = {"balance": balance} if model.vectors else {}
    if start is not None:
        options = {"start": start, "leaky": leaky}
    if balance != "none" and not model.vectors:
        raise ParameterError(f"The kind {kind} has no balance; leave it out.")
    return plan_runs([model.learner(rows, each, **options) for each in chosen], models_dir, trials)


def _start(kind: str, path: str | os.PathLike[str] | None, *, leaky: bool) -> Start | None:
    """Return what a training starts from, if anything."""
    if path is None:
        if leaky:
            raise ParameterError("leaky is for a training that starts from another model; name it with start_from.")
        return None
    if not MODEL_KINDS[kind].starts:
        raise ParameterError(f"Models of the kind {kind} start from no other model; leave --start-from out.")
    return read_start(path)


def train(
    data: str | os.PathLike[str] | Dataset,
    models_dir: str | os.PathLike[str],
    *,
    kind: str = "tabular",
    variant: str = "all",
    settings: Settings | None = None,
    protocol: str | SplitProtocol = DEFAULT_PROTOCOL,
    epochs: int | None = None,
    seed: int = 0,
    seeds: int = 1,
    folds: int | None = None,
    balance: str = "none",
    start_from: str | os.PathLike[str] | None = None,
    leaky: bool = False,
    refit: bool = False,
    progress: bool | Progress = False,
    resume: bool = False,
    **reading: Any,
) -> TrainedModels:
    """Train models and write a bundle for each.

    The same as ``plan(...).train(progress, resume=resume)``: whatever can be checked is, before TensorFlow is loaded.

    Parameters
    ----------
    data : str, os.PathLike, Table or Pictures
        A feature table, such as the public ``features_30_sec.csv``, or a folder of mel-spectrogram pictures with one
        folder per genre, or what `load_table` or `load_pictures` returned.
    models_dir : str or os.PathLike
        Folder that receives one folder per model; it is made if need be.
    kind : {"tabular", "pictures", "baseline"}
        Dense networks on a table, networks on pictures, or baselines on a table, which need no TensorFlow. ``"cnn"`` is
        the old name of the convolutional network on pictures.
    variant : str
        Name of a variant of that kind, such as ``"cnn"`` or ``"transformer"`` for pictures, or ``"all"`` that are made
        for so many tracks.
    settings : DenseVariant, CnnSettings, TransformerSettings or BaselineVariant, optional
        A model of your own in place of `variant`.
    protocol : str or SplitProtocol
        The evaluation protocol that splits the rows, or its name, or ``"all"`` for every one that applies;
        `audio_genre.datasets.read_splits` makes one of your own lists.
    epochs : int, optional
        Maximum number of epochs; by default that of the variant. Early stopping may end sooner.
    seed : int
        Seed of the split and of the training, 0 or more.
    seeds : int
        Number of seeds; each repeats everything with the next one.
    folds : int, optional
        Number of folds of a cross-validation; by default what the protocol does by itself.
    balance : {"none", "class-weight", "class-weight-sqrt", "smote", "oversample"}
        How rare classes are made to count for more among the training rows; networks on vectors and baselines only.
    start_from : str or os.PathLike, optional
        Bundle of a network on pictures whose weights a new one of the same kind starts from; it may know other genres.
        Its test tracks must not be among those that the bundle has learned from.
    leaky : bool
        Whether it may start from a bundle that has learned from test tracks, or of which that is not known; the scores
        are marked as leaky then.
    refit : bool
        Whether validation rows are learned from too, for small data: what they are for is done on five folds of all
        rows that are learned from, each predicted by a model that has not seen it. A baseline is then fitted on all of
        these rows, and a network is the mean of the five networks.
    progress : bool or callable
        True shows a progress bar over the models; a function is called after each epoch with the model's name, the
        maximum number of epochs, and an `EpochReport`.
    resume : bool
        Whether to go on with what an interrupted training of the same settings has left.
    **reading : object
        How the data are read, where `data` is a path: the options of `load_table`, `load_pictures` or `load_tracks`.

    Returns
    -------
    TrainedModels
        One `TrainedModel` for each bundle written: for each protocol, seed and fold every variant.

    Raises
    ------
    ParameterError
        If an argument is out of range, a package is missing, or the pictures do not fit the bundle to start from.
    TableError, PictureError
        If the data cannot be read, have rows without a label or only one class.
    ProtocolError
        If the rows cannot be split under the protocol, or the bundle to start from has learned from test tracks.
    BundleError
        If a bundle cannot be written; the bundles before it stay. If the bundle to start from cannot be read.
    KeyboardInterrupt
        If it comes before any model is complete.

    Notes
    -----
    A keyboard interrupt ends the training early, and the models so far are returned. One that comes after a network's
    first epoch makes that network the last: it is written with the best weights so far and marked as interrupted. One
    that comes earlier, or while a bundle is written, leaves that model out.

    The state after a complete epoch is in ``.<model>.checkpoint.npz`` in `models_dir` until the training is complete;
    it is written every two seconds, and when the training is interrupted.

    A bundle is named after its variant and whatever is not the default: ``adam-4`` for clips, ``adam-4-3s`` for 3-s
    segments, ``adam-4-3s-segment-seed7`` under the leaky protocol and seed 7. Training the same with the same settings
    on the same data again replaces it, unless it was interrupted this time; a name that anything else has taken gets a
    number: ``adam-4-2``.

    Baselines are fitted on the training rows alone, as the networks are, so that figures under one protocol and seed
    compare models on equal data; networks use the validation rows to stop early, and baselines do not use them.
    """
    planned = plan(
        data,
        models_dir,
        kind=kind,
        variant=variant,
        settings=settings,
        protocol=protocol,
        epochs=epochs,
        seed=seed,
        seeds=seeds,
        folds=folds,
        balance=balance,
        start_from=start_from,
        leaky=leaky,
        refit=refit,
        **reading,
    )
    if progress is not True:
        return planned.train(progress or None, resume=resume)
    with Bar("training") as bar:
        bar.planned(len(planned), len(planned))
        return planned.train(resume=resume, finished=lambda model: bar.done(model.name))


def train_tabular(
    table: str | os.PathLike[str] | Dataset, models_dir: str | os.PathLike[str], **options: Any
) -> TrainedModels:
    """Train dense networks on a table: ``train(table, models_dir, kind="tabular", **options)``, see `train`."""
    return train(table, models_dir, kind="tabular", **options)


def train_pictures(
    pictures: str | os.PathLike[str] | Dataset,
    models_dir: str | os.PathLike[str],
    network: str = "cnn",
    **options: Any,
) -> TrainedModels:
    """Train on pictures: ``train(pictures, models_dir, kind="pictures", variant=network, **options)``, see `train`."""
    return train(pictures, models_dir, kind=_NEW_NAME, variant=network, **options)


def train_cnn(
    pictures: str | os.PathLike[str] | Dataset, models_dir: str | os.PathLike[str], **options: Any
) -> TrainedModels:
    """Old name of ``train_pictures(pictures, models_dir, **options)``, see `train`."""
    return train(pictures, models_dir, kind=_OLD_NAME, **options)


def train_baseline(
    table: str | os.PathLike[str] | Dataset, models_dir: str | os.PathLike[str], **options: Any
) -> TrainedModels:
    """Fit baselines on a table: ``train(table, models_dir, kind="baseline", **options)``, see `train`."""
    return train(table, models_dir, kind="baseline", **options)
