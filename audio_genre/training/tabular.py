"""Dense networks on feature tables: split, fit, score, write one bundle a variant."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.datasets import DEFAULT_PROTOCOL, Split, SplitProtocol, Table, get_protocol, load_table
from audio_genre.dsp import get_recipe
from audio_genre.errors import BundleError, ParameterError
from audio_genre.training.bundle import write_bundle
from audio_genre.training.card import CARD
from audio_genre.training.fit import FitResult, Progress, fit, set_seed
from audio_genre.training.scores import Scores, score
from audio_genre.training.variants import NORMALISATION, DenseVariant, get_variants

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SEEDS = 2**32
# Rows of each class on which the compact export is compared with Keras.
_CHECKED_ROWS = 20
_PREDICTION_ROWS = 1024


@dataclass(frozen=True)
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
        Whether that protocol lets segments of one track sit on two sides.
    train, validation, test : Scores
        Scores of the three sides, by row and by track.
    epochs : int
        Passes over the training rows.
    best_epoch : int
        The pass whose weights the model has.
    seconds : float
        Time of the fit.
    interrupted : bool
        Whether a keyboard interrupt ended the fit early.
    """

    name: str
    path: Path
    variant: str
    protocol: str
    leaky: bool
    train: Scores = field(repr=False)
    validation: Scores = field(repr=False)
    test: Scores
    epochs: int
    best_epoch: int
    seconds: float
    interrupted: bool


@dataclass(frozen=True, eq=False)
class TabularPlan:
    """A training that was checked and has not begun; get one from `plan_tabular`.

    Attributes
    ----------
    table : Table
        The table.
    models_dir : Path
        Folder that receives the bundles.
    variants : tuple of str
        Variants to be trained, in this order, once on each fold of the protocol.
    """

    table: Table
    models_dir: Path
    variants: tuple[str, ...]
    _runs: tuple[_Run, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self._runs)

    def train(self, progress: Progress | None = None) -> list[TrainedModel]:
        """Load TensorFlow, train the models and write their bundles.

        Parameters
        ----------
        progress : callable, optional
            Called after each pass with the model's name, the most passes, and an `EpochReport`.

        Returns
        -------
        list of TrainedModel
            One for each bundle written, in the order of the plan. After a keyboard interrupt it is shorter than the
            plan, or its last model is marked as interrupted, or both; see `train_tabular`.

        Raises
        ------
        BundleError
            If a bundle cannot be written; the bundles before it stay.
        KeyboardInterrupt
            If it comes before any model is complete.
        """
        trained: list[TrainedModel] = []
        try:
            for run in self._runs:
                trained.append(run.train(self.models_dir, progress))
                if trained[-1].interrupted:
                    break
        except KeyboardInterrupt:
            if not trained:
                raise
        return trained


def plan_tabular(
    table: str | os.PathLike[str] | Table,
    models_dir: str | os.PathLike[str],
    *,
    variant: str = "all",
    protocol: str = DEFAULT_PROTOCOL,
    epochs: int | None = None,
    seed: int = 0,
) -> TabularPlan:
    """Check everything that a training needs, within a second and without TensorFlow.

    Parameters
    ----------
    table : str, os.PathLike or Table
        A feature table, such as the public ``features_30_sec.csv``, or its path.
    models_dir : str or os.PathLike
        Folder that receives the bundles; it is made if need be.
    variant : str
        Name of a variant, or ``"all"``.
    protocol : str
        Name of the evaluation protocol that splits the rows.
    epochs : int, optional
        Most passes over the training rows; by default what the variant says.
    seed : int
        Seed of the split and of the training, 0 or more.

    Returns
    -------
    TabularPlan
        What is to be trained; its method `train` does it.

    Raises
    ------
    ParameterError
        If variant, protocol, epochs or seed is out of range.
    TableError
        If the table cannot be read, has rows without a label or only one class.
    ProtocolError
        If the table cannot be split under the protocol.
    BundleError
        If the folder cannot be made or written to.
    """
    variants = get_variants(variant)
    rules = get_protocol(protocol)
    if epochs is not None:
        if epochs < 1:
            raise ParameterError(f"The number of epochs must be 1 or more; got {epochs}.")
        variants = tuple(
            dataclasses.replace(each, fit=dataclasses.replace(each.fit, epochs=epochs)) for each in variants
        )
    if not 0 <= seed < _SEEDS:
        raise ParameterError(f"The seed must be in the range 0 to {_SEEDS - 1}; got {seed}.")
    if not isinstance(table, Table):
        table = load_table(table)
    table.require_labels()
    splits = rules.splits(table, seed=seed)
    models = Path(models_dir)
    try:
        models.mkdir(parents=True, exist_ok=True)
        # Better now than after the training.
        with tempfile.TemporaryFile(dir=models):
            pass
    except OSError as error:
        raise BundleError(f"{models} cannot be made a folder for models: {error.strerror}; choose another.") from None
    runs = tuple(_Run(table, each, rules, split, seed) for split in splits for each in variants)
    return TabularPlan(table, models, tuple(each.name for each in variants), runs)


def train_tabular(
    table: str | os.PathLike[str] | Table,
    models_dir: str | os.PathLike[str],
    *,
    variant: str = "all",
    protocol: str = DEFAULT_PROTOCOL,
    epochs: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[TrainedModel]:
    """Train dense networks on a feature table and write a bundle for each.

    The same as ``plan_tabular(...).train(progress)``: whatever can be checked is, before TensorFlow is loaded.

    Parameters
    ----------
    table : str, os.PathLike or Table
        A feature table, such as the public ``features_30_sec.csv``, or its path.
    models_dir : str or os.PathLike
        Folder that receives the bundles; it is made if need be.
    variant : str
        Name of a variant, or ``"all"``.
    protocol : str
        Name of the evaluation protocol that splits the rows.
    epochs : int, optional
        Most passes over the training rows; by default what the variant says. Early stopping may end sooner.
    seed : int
        Seed of the split and of the training, 0 or more.
    progress : callable, optional
        Called after each pass with the model's name, the most passes, and an `EpochReport`.

    Returns
    -------
    list of TrainedModel
        One for each bundle written, in the order of the variants.

    Raises
    ------
    ParameterError
        If variant, protocol, epochs or seed is out of range.
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

    A bundle is named after its variant and whatever is not the default: ``adam-4`` for clips, ``adam-4-3s`` for 3-s
    segments, ``adam-4-3s-segment-seed7`` under the leaky protocol and seed 7. Training the same with the same settings
    on the same table again replaces it, unless it was interrupted this time; a name that anything else has taken gets a
    number: ``adam-4-2``.
    """
    plan = plan_tabular(table, models_dir, variant=variant, protocol=protocol, epochs=epochs, seed=seed)
    return plan.train(progress)


@dataclass(frozen=True)
class _Run:
    """One variant on one split of a table."""

    table: Table
    variant: DenseVariant
    protocol: SplitProtocol
    split: Split
    seed: int

    def train(self, models: Path, progress: Progress | None) -> TrainedModel:
        """Fit, score and write the bundle."""
        table, split = self.table, self.split
        y = np.searchsorted(table.classes, table.labels)

        set_seed(self.seed)
        model = self.variant.build(table.X[split.train], len(table.classes))
        model.name = self._folder(models, interrupted=False).name
        result = fit(
            model,
            (table.X[split.train], y[split.train]),
            (table.X[split.validation], y[split.validation]),
            self.variant.fit,
            seed=self.seed,
            progress=progress,
        )
        # What was ended early never takes the place of what was trained to the end.
        folder = self._folder(models, interrupted=result.interrupted)
        model.name = folder.name
        probabilities = model.predict(table.X, batch_size=_PREDICTION_ROWS, verbose=0)
        scores = {
            side: score(probabilities[rows], y[rows], table.groups[rows], seed=self.seed)
            for side, rows in split.sides().items()
        }
        checked = np.concatenate([np.flatnonzero(y == number)[:_CHECKED_ROWS] for number in range(len(table.classes))])
        write_bundle(
            folder,
            model,
            self._card(folder.name, result, scores),
            check=(table.X[checked], probabilities[checked]),
            history=result.history,
            predictions=_predictions(table, split.test, probabilities),
        )
        return TrainedModel(
            name=folder.name,
            path=folder,
            variant=self.variant.name,
            protocol=self.protocol.name,
            leaky=self.protocol.leaky,
            train=scores["train"],
            validation=scores["validation"],
            test=scores["test"],
            epochs=len(result.history),
            best_epoch=result.best_epoch,
            seconds=result.seconds,
            interrupted=result.interrupted,
        )

    def _identity(self) -> dict[str, Any]:
        """Return what makes this run the same as another."""
        return {
            "variant": self.variant.name,
            "protocol": self.protocol.name,
            "fold": self.split.fold,
            "seed": self.seed,
            "settings": hashlib.sha256(json.dumps(asdict(self.variant), sort_keys=True).encode()).hexdigest(),
            "sha256": self.table.sha256,
        }

    def _folder(self, models: Path, *, interrupted: bool) -> Path:
        """Return the first folder of the model's name that is free, or holds the same run and is to be replaced."""
        parts = [self.variant.name]
        if self.table.window is not None and self.table.window.kind == "segment":
            parts.append(self.table.window.label)
        if self.protocol.name != DEFAULT_PROTOCOL:
            parts.append(self.protocol.name)
        if self.split.fold:
            parts.append(self.split.fold)
        if self.seed:
            parts.append(f"seed{self.seed}")
        name = "-".join(parts)
        folder, number = models / name, 1
        while folder.exists() and not self._may_replace(folder, interrupted=interrupted):
            number += 1
            folder = models / f"{name}-{number}"
        return folder

    def _may_replace(self, folder: Path, *, interrupted: bool) -> bool:
        try:
            card = json.loads((folder / CARD).read_text(encoding="utf-8"))
            return bool(card["identity"] == self._identity() and (card["training"]["interrupted"] or not interrupted))
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _card(self, name: str, result: FitResult, scores: dict[str, Scores]) -> dict[str, Any]:
        table, schema = self.table, self.table.schema
        recipe = None if schema.recipe is None else get_recipe(schema.recipe)
        return {
            "name": name,
            "kind": "tabular",
            "classes": list(table.classes),
            "recipe": None if recipe is None else {"name": recipe.name, "parameters": recipe.parameters()},
            "features": list(schema.features),
            "window": None if table.window is None else asdict(table.window),
            "input_shape": [len(schema.features)],
            "normalisation": NORMALISATION,
            "training_data": {
                "file": table.path.name,
                "sha256": table.sha256,
                "schema": schema.name,
                "rows": len(table),
                "tracks": len(np.unique(table.groups)),
                "ignored_columns": list(table.ignored),
            },
            "protocol": {
                "name": self.protocol.name,
                "leaky": self.protocol.leaky,
                "description": self.protocol.description,
                "fold": self.split.fold,
                "sizes": {
                    side: {"rows": len(rows), "tracks": len(np.unique(table.groups[rows]))}
                    for side, rows in self.split.sides().items()
                },
            },
            "metrics": {side: measured.as_json() for side, measured in scores.items()},
            "variant": asdict(self.variant),
            "seed": self.seed,
            "training": {
                "epochs": len(result.history),
                "best_epoch": result.best_epoch,
                "seconds": round(result.seconds, 2),
                "interrupted": result.interrupted,
            },
            "identity": self._identity(),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }


def _predictions(table: Table, rows: NDArray[np.intp], probabilities: NDArray[np.float32]) -> list[list[Any]]:
    header = ["item", "track", "label", "predicted", *(f"p({name})" for name in table.classes)]
    lines: list[list[Any]] = [header]
    for row in rows:
        predicted = table.classes[int(probabilities[row].argmax())]
        names = [str(table.items[row]), str(table.groups[row]), str(table.labels[row]), predicted]
        lines.append(names + [f"{p:.6g}" for p in probabilities[row]])
    return lines
