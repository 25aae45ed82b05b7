"""What a trained model's folder says about how it was measured: card, learning curve, predictions of its test rows."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.datasets.gtzan import find_clip
from audio_genre.errors import BundleError
from audio_genre.training.bundle import HISTORY, PREDICTIONS
from audio_genre.training.card import CARD, read_card
from audio_genre.training.scores import Scores, score

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

HISTORY_COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")
"""Columns of a learning curve."""

_ROUNDING = 1e-5
_TEXT_COLUMNS = ("item", "track", "label", "predicted")
_MEDIA_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3", ".au", ".aiff", ".aif", ".m4a", ".png", ".jpg", ".jpeg"})


@dataclass(frozen=True, eq=False)
class ModelResult:
    """What is known of one model, or of the models of several folds put together.

    Attributes
    ----------
    name : str
        Name of its folder.
    kind : str
        Kind of model: ``"tabular"``, ``"baseline"``, ``"cnn"``.
    variant : str
        Name of its variant.
    settings : str
        All settings of the variant, to tell whether two models were trained in the same way.
    data : str
        Name of the table or folder that it was trained on.
    data_sha256 : str
        Hash of that; empty if unknown.
    protocol : str
        Evaluation protocol.
    description : str
        What that protocol does.
    leaky : bool
        Whether rows of one track may have been learned from and tested on.
    fold : str
        Name of the fold; empty where there is none.
    seed : int
        Seed of split and training.
    interrupted : bool
        Whether the training was ended early.
    best_epoch : int
        The pass whose weights it has; 0 where it was not trained in passes.
    classes : tuple of str
        Classes, in the order of the probabilities.
    validation : float or None
        Accuracy over the validation tracks; None if unknown.
    scores : Scores
        Scores of the test rows and tracks, computed from the predictions.
    rows : pandas.DataFrame
        Test rows: item, track, label, predicted, and a column ``p(<class>)`` for each class.
    history : pandas.DataFrame or None
        The learning curve, with `HISTORY_COLUMNS`; None if there are no two passes to draw a line through.
    tracks : np.ndarray of str, shape (n_tracks,)
        Test tracks, sorted, in a spelling that tables and pictures share.
    labels, answers : np.ndarray of str, shape (n_tracks,)
        True class of each track, and the class with the highest mean probability over its rows.
    confidence : np.ndarray of float, shape (n_tracks,)
        That probability.
    row_tracks : np.ndarray of str, shape (n_rows,)
        Track of each row, spelled as in `tracks`.
    pooled : tuple of str
        Names of the models of the folds that this result puts together; empty for a single model.
    """

    name: str
    kind: str
    variant: str
    settings: str = field(repr=False)
    data: str
    data_sha256: str = field(repr=False)
    protocol: str
    description: str = field(repr=False)
    leaky: bool
    fold: str
    seed: int
    interrupted: bool
    best_epoch: int = field(repr=False)
    classes: tuple[str, ...] = field(repr=False)
    validation: float | None
    scores: Scores = field(repr=False)
    rows: pd.DataFrame = field(repr=False)
    history: pd.DataFrame | None = field(repr=False)
    tracks: NDArray[np.str_] = field(repr=False)
    labels: NDArray[np.str_] = field(repr=False)
    answers: NDArray[np.str_] = field(repr=False)
    confidence: NDArray[np.float64] = field(repr=False)
    row_tracks: NDArray[np.str_] = field(repr=False)
    pooled: tuple[str, ...] = ()

    @property
    def by_row(self) -> bool:
        """Whether tracks have several rows, so that scores by row say something else than scores by track."""
        return self.scores.rows.count != self.scores.tracks.count

    def confusion(self) -> NDArray[np.intp]:
        """Count how the test tracks were classified, each by the vote of its rows.

        Returns
        -------
        np.ndarray of int, shape (n_classes, n_classes)
            Rows are true classes, columns are answers, both in the order of `classes`.
        """
        from sklearn.metrics import confusion_matrix

        counts: NDArray[np.intp] = confusion_matrix(self.labels, self.answers, labels=list(self.classes))
        return counts

    def per_class(self) -> dict[str, dict[str, float]]:
        """Score every class over the test tracks.

        Returns
        -------
        dict of str to dict
            Precision, recall, f1 and support by class; 0 where a share of nothing is asked for.
        """
        from sklearn.metrics import precision_recall_fscore_support

        figures = precision_recall_fscore_support(
            self.labels, self.answers, labels=list(self.classes), zero_division=0.0
        )
        return {
            name: {"precision": float(p), "recall": float(r), "f1": float(f1), "support": int(support)}
            for name, p, r, f1, support in zip(self.classes, *figures, strict=True)
        }


def read_result(folder: Path) -> ModelResult:
    """Read how a model was measured, and score its predictions anew.

    Parameters
    ----------
    folder : Path
        Folder of a trained model.

    Returns
    -------
    ModelResult
        What it says.

    Raises
    ------
    BundleError
        If card, history or predictions are missing or malformed, or contradict each other.
    """
    card = read_card(folder)
    protocol = card["protocol"]
    for values, name, kind in (
        (protocol, "name", str),
        (protocol, "leaky", bool),
        (card, "variant", dict),
        (card, "seed", int),
        (card, "training", dict),
    ):
        if not isinstance(values.get(name), kind):
            raise BundleError(f"{folder / CARD} is malformed: the field {name!r} is missing or wrong; train again.")
    best_epoch, data = card["training"].get("best_epoch"), card["training_data"]
    result = measured(
        _read_predictions(folder, card["classes"]),
        name=folder.name,
        kind=card["kind"],
        variant=str(card["variant"].get("name", card["kind"])),
        settings=json.dumps(card["variant"], sort_keys=True),
        data=str(data.get("file", "")),
        data_sha256=str(data.get("sha256", "")),
        protocol=protocol["name"],
        description=str(protocol.get("description", "")),
        leaky=protocol["leaky"],
        fold=str(protocol.get("fold") or ""),
        seed=card["seed"],
        interrupted=card["training"].get("interrupted") is True,
        best_epoch=best_epoch if isinstance(best_epoch, int) else 0,
        classes=tuple(card["classes"]),
        validation=_accuracy_on_card(card, "validation"),
        history=read_history(folder),
    )
    on_card, found = _accuracy_on_card(card, "test"), result.scores.tracks
    # Probabilities are rounded in the file, which may turn the votes that were as good as tied, and no other.
    if on_card is not None and abs(on_card - found.accuracy.value) * found.count > _tied_votes(result) + 0.5:
        raise BundleError(
            f"{folder} contradicts itself: {PREDICTIONS} gives a test accuracy of {found.accuracy.value:.3f} and "
            f"{CARD} says {on_card:.3f}; train the model again."
        )
    return result


def measured(rows: pd.DataFrame, *, classes: tuple[str, ...], seed: int, **facts: Any) -> ModelResult:
    """Score test rows.

    Parameters
    ----------
    rows : pandas.DataFrame
        Test rows: item, track, label, predicted, and a column ``p(<class>)`` for each class.
    classes : tuple of str
        Classes, in the order in which ties are decided.
    seed : int
        Seed of the model, which is that of the resampling too.
    **facts : object
        The other attributes of a `ModelResult` that do not follow from the rows.

    Returns
    -------
    ModelResult
        The result.
    """
    probabilities = rows[[f"p({name})" for name in classes]].to_numpy(dtype=np.float64)
    number = {name: k for k, name in enumerate(classes)}
    y = np.array([number[label] for label in rows["label"]], dtype=np.intp)
    row_tracks = _shared_names(rows["track"].tolist(), rows["label"].tolist())
    tracks, first, track = np.unique(row_tracks, return_index=True, return_inverse=True)
    sums = np.zeros((len(tracks), len(classes)))
    np.add.at(sums, track, probabilities)
    winner = sums.argmax(axis=1)
    names = np.array(classes, dtype=np.str_)
    return ModelResult(
        classes=classes,
        seed=seed,
        scores=score(probabilities, y, row_tracks, seed=seed),
        rows=rows,
        tracks=tracks,
        labels=names[y[first]],
        answers=names[winner],
        confidence=sums.max(axis=1) / np.bincount(track),
        row_tracks=row_tracks,
        **facts,
    )


def read_history(folder: Path) -> pd.DataFrame | None:
    """Read a learning curve.

    Parameters
    ----------
    folder : Path
        Folder of a trained model.

    Returns
    -------
    pandas.DataFrame or None
        A row a pass, with `HISTORY_COLUMNS`; None if there are no two passes to draw a line through.

    Raises
    ------
    BundleError
        If it is missing or malformed.
    """
    import pandas as pd

    try:
        history = pd.read_csv(folder / HISTORY)[list(HISTORY_COLUMNS)].apply(pd.to_numeric)
    except pd.errors.EmptyDataError:
        return None
    except (OSError, ValueError, KeyError):
        raise BundleError(f"{folder} has no readable {HISTORY}; train the model again.") from None
    return history if len(history) > 1 else None


def _read_predictions(folder: Path, classes: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    file = folder / PREDICTIONS
    probabilities = [f"p({name})" for name in classes]
    try:
        # Genres and tracks are text, also those named 1980 or NA.
        table = pd.read_csv(file, dtype=dict.fromkeys(_TEXT_COLUMNS, str), keep_default_na=False, encoding="utf-8")
        rows = table[[*_TEXT_COLUMNS, *probabilities]]
        rows = rows.assign(**{name: pd.to_numeric(rows[name]) for name in probabilities})
    except (OSError, ValueError, KeyError, TypeError):
        raise BundleError(f"{folder} has no readable {PREDICTIONS}; train the model again.") from None
    values = rows[probabilities].to_numpy(dtype=np.float64)
    unknown = sorted(set(rows["label"]) - set(classes))
    if rows.empty:
        reason = "it has no row"
    elif not np.isfinite(values).all() or (values < 0).any() or (values > 1).any():
        reason = "a probability is outside 0 to 1"
    elif unknown:
        reason = f"the label {unknown[0]!r} is none of the model's classes"
    elif rows["item"].duplicated().any() and rows.duplicated(["item", "track"]).any():
        reason = f"{rows['item'][rows.duplicated(['item', 'track'])].iloc[0]!r} stands in it twice"
    elif (rows.groupby("track")["label"].nunique() > 1).any():
        reason = "the rows of one track have several labels"
    else:
        return rows
    raise BundleError(f"{file} is malformed: {reason}; train the model again.")


def _tied_votes(result: ModelResult) -> int:
    probabilities = result.rows[[f"p({name})" for name in result.classes]]
    means = probabilities.groupby(result.row_tracks).mean().to_numpy()
    second, first = np.sort(means, axis=1)[:, -2:].T
    return int(np.sum(first - second < _ROUNDING))


def _accuracy_on_card(card: dict[str, Any], side: str) -> float | None:
    """Return the accuracy by track that a card gives for one side; None if it gives none."""
    try:
        value = card["metrics"][side]["tracks"]["accuracy"]["value"]
    except (KeyError, TypeError):
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number and 0 <= value <= 1 else None


def _shared_names(tracks: Sequence[str], labels: Sequence[str]) -> NDArray[np.str_]:
    """Spell tracks alike for models of tables, ``blues/blues.00000.wav``, and of pictures, ``blues/blues00000.png``."""
    label_of = dict(zip(tracks, labels, strict=True))
    shared = {}
    for track, label in label_of.items():
        clip = find_clip(track)
        if clip is not None and clip.genre == label:
            shared[track] = f"{clip.genre}/{clip.name}"
        else:
            path = PurePosixPath(track)
            shared[track] = track[: -len(path.suffix)] if path.suffix.lower() in _MEDIA_SUFFIXES else track
    # Two tracks that differ in their suffix alone stay two.
    if len(set(shared.values())) < len(shared):
        shared = {track: track for track in label_of}
    return np.array([shared[track] for track in tracks], dtype=np.str_)
