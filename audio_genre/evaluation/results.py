"""What a trained model's folder says about how it was measured: card, learning curve, predictions of its test rows."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.bundles.bundle import DISTANCE, HISTORY, PREDICTIONS, VALIDATION, require_model
from audio_genre.bundles.calibration import BINS, apply_temperature, bins_of, calibration_error
from audio_genre.bundles.card import CARD, Card, read_bounded, read_card
from audio_genre.datasets.gtzan import find_clip
from audio_genre.errors import BundleError
from audio_genre.metrics import (
    ENDS,
    RESAMPLES,
    Interval,
    Scores,
    average_precision,
    bootstrap,
    confusion_of,
    mean_by_track,
    score,
    wilson,
)

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

HISTORY_COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")
"""Columns of a learning curve."""

KIND_NAMES = {
    "tabular": "dense network",
    "baseline": "baseline",
    "cnn": "convolutional network",
    "transformer": "transformer",
    "fusion": "fusion",
}
"""What the kinds of models are called; any other is called what it is."""

# What a file of figures may have: those of a hundred thousand tracks have less.
_MAX_BYTES = 2**27
_ROUNDING = 1e-5
_TEXT_COLUMNS = ("item", "track", "label", "predicted")
_MEDIA_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3", ".au", ".aiff", ".aif", ".m4a", ".png", ".jpg", ".jpeg"})


@dataclass(frozen=True)
class Bin:
    """Test tracks whose answers are about as confident.

    Attributes
    ----------
    low, high : float
        Confidences above `low` and up to `high`.
    count : int
        Number of tracks, at least one.
    confidence : float
        Mean confidence.
    accuracy : Interval
        Share of right answers, with the interval of Wilson (J. Am. Stat. Assoc. 22(158), 1927).
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: Interval


@dataclass(frozen=True)
class Reliability:
    """Whether a model is right as often as it says.

    Attributes
    ----------
    error : Interval
        Expected calibration error over `BINS` bins of confidence. Its interval takes off what resampling adds to the
        error, and so holds the figure itself at its upper end or near it.
    uncalibrated : float
        The same without temperatures.
    by_chance : Interval
        The error that would be found if every confidence were exactly the probability of being right: its mean and the
        range of 95 % of such findings. The fewer tracks, the higher.
    confidence, accuracy : float
        Mean confidence, and share of right answers.
    bins : tuple of Bin
        Bins that hold a track, the least confident first.
    """

    error: Interval
    uncalibrated: float
    by_chance: Interval
    confidence: float
    accuracy: float
    bins: tuple[Bin, ...]

    @property
    def beyond_chance(self) -> bool:
        """Whether the error is larger than that of perfect confidences would be by chance."""
        return self.error.value > self.by_chance.high


@dataclass(frozen=True, eq=False)
class ModelResult:
    """What is known of one model, or of the models of several folds put together.

    Attributes
    ----------
    name : str
        Name of its folder.
    kind : str
        Kind of model: ``"tabular"``, ``"baseline"``, ``"cnn"``, ``"transformer"``.
    variant : str
        Name of its variant.
    settings : str
        All settings of the variant, to tell whether two models were trained in the same way.
    data : str
        Name of the table or folder that it was trained on.
    data_sha256 : str
        Hash of that, and how it was read where that is not the default; empty if unknown.
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
        The epoch whose weights it has; 0 where it was not trained in epochs.
    classes : tuple of str
        Classes, in the order of the probabilities.
    validation : float or None
        Accuracy over the validation tracks; None if unknown.
    scores : Scores
        Scores of the test rows and tracks, computed from the predictions.
    rows : pandas.DataFrame
        Test rows: item, track, label, predicted, and a column ``p(<class>)`` for each class.
    history : pandas.DataFrame or None
        The learning curve, with `HISTORY_COLUMNS`; None if there are no two epochs to draw a line through.
    tracks : np.ndarray of str, shape (n_tracks,)
        Test tracks, sorted, in a spelling that tables and pictures share.
    labels, answers : np.ndarray of str, shape (n_tracks,)
        True class of each track, and the class with the highest mean probability over its rows.
    confidence : np.ndarray of float, shape (n_tracks,)
        The probability of the answer that the model states, which is that mean after its temperature.
    temperatures : tuple of float or None
        Temperature of the model, or of each model that this result puts together; None where it is not calibrated,
        which counts as 1.
    reliability : Reliability
        Whether the answers are right as often as `confidence` says.
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
    temperatures: tuple[float | None, ...] = field(repr=False)
    reliability: Reliability = field(repr=False)
    row_tracks: NDArray[np.str_] = field(repr=False)
    pooled: tuple[str, ...] = ()

    @property
    def by_row(self) -> bool:
        """Whether tracks have several rows, so that scores by row say something else than scores by track."""
        return self.scores.rows.count != self.scores.tracks.count

    @property
    def is_calibrated(self) -> bool:
        """Whether the model, or each that this result puts together, has a temperature."""
        return None not in self.temperatures

    def confusion(self) -> NDArray[np.intp]:
        """Count how the test tracks were classified, each by the vote of its rows."""
        number = {name: k for k, name in enumerate(self.classes)}
        true, predicted = (
            np.array([number[name] for name in names.tolist()], dtype=np.intp) for names in (self.labels, self.answers)
        )
        return confusion_of(true, predicted, len(number))

    def probabilities(self) -> NDArray[np.float64]:
        """Return the mean probabilities of the rows of each test track, shape (n_tracks, n_classes)."""
        columns = self.rows[[f"p({name})" for name in self.classes]].to_numpy(dtype=np.float64)
        return mean_by_track(columns, self.row_tracks)

    def per_class(self) -> dict[str, dict[str, float]]:
        """Score every class over the test tracks; 0 where nothing is divided by nothing."""
        found = self.probabilities()
        counts = self.confusion()
        rights, trues, answers = counts.diagonal().tolist(), counts.sum(axis=1).tolist(), counts.sum(axis=0).tolist()
        return {
            name: {
                "precision": right / max(answered, 1),
                "recall": right / max(true, 1),
                "f1": 2 * right / max(true + answered, 1),
                "average_precision": average_precision(found[:, k], self.labels == name) if true else 0.0,
                "support": true,
            }
            for k, (name, right, true, answered) in enumerate(zip(self.classes, rights, trues, answers, strict=True))
        }


def kind_name(kind: str) -> str:
    """Return what a kind of model is called."""
    return KIND_NAMES.get(kind, kind)


def read_result(folder: Path) -> ModelResult:
    """Read how a model was measured, and score its predictions anew."""
    card = read_card(folder, measured=True)
    require_model(folder, card)
    protocol, data = card.protocol, card.training_data
    temperature = None if card.calibration is None else float(card.calibration.temperature)
    result = measured(
        [(_read_predictions(folder, card.classes), temperature)],
        name=folder.name,
        kind=card.kind,
        variant=card.variant.get("name") or card.kind,
        settings=json.dumps(dict(card.variant), sort_keys=True),
        data=data.get("file") or "",
        data_sha256=_data_identity(card),
        protocol=protocol["name"],
        description=protocol.get("description") or "",
        leaky=protocol["leaky"],
        fold=protocol.get("fold") or "",
        seed=card.seed or 0,
        interrupted=card.interrupted,
        best_epoch=card.best_epoch,
        classes=card.classes,
        validation=card.accuracy("validation"),
        history=read_history(folder),
    )
    on_card, found = card.accuracy("test"), result.scores.tracks
    # Nine digits tell a probability of single precision; files of format 1 have six, which may turn tied votes.
    may_turn = _tied_votes(result) if card.format_version == 1 else 0
    if on_card is not None and abs(on_card - found.accuracy.value) * found.count > may_turn + 0.5:
        raise BundleError(
            f"{folder} contradicts itself: {PREDICTIONS} gives a test accuracy of {found.accuracy.value:.3f} and "
            f"{CARD} says {on_card:.3f}; train the model again."
        )
    return result


def measured(
    parts: Sequence[tuple[pd.DataFrame, float | None]], *, classes: tuple[str, ...], seed: int, **facts: Any
) -> ModelResult:
    """Score test rows."""
    import pandas as pd

    rows = pd.concat([part for part, _ in parts], ignore_index=True)
    temperatures = tuple(temperature for _, temperature in parts)
    probabilities = rows[[f"p({name})" for name in classes]].to_numpy(dtype=np.float64)
    number = {name: k for k, name in enumerate(classes)}
    y = np.array([number[label] for label in rows["label"]], dtype=np.intp)
    row_tracks = _shared_names(rows["track"].tolist(), rows["label"].tolist())
    tracks, first, track = np.unique(row_tracks, return_index=True, return_inverse=True)
    winner = mean_by_track(probabilities, row_tracks).argmax(axis=1)
    confidence, uncalibrated = (
        _calibrated(probabilities, track, np.repeat(used, [len(part) for part, _ in parts]))[range(len(tracks)), winner]
        for used in ([1.0 if value is None else value for value in temperatures], [1.0 for _ in temperatures])
    )
    names = np.array(classes, dtype=np.str_)
    return ModelResult(
        classes=classes,
        seed=seed,
        scores=score(probabilities, y, row_tracks, seed=seed),
        rows=rows,
        tracks=tracks,
        labels=names[y[first]],
        answers=names[winner],
        confidence=confidence,
        temperatures=temperatures,
        reliability=reliability(confidence, winner == y[first], uncalibrated, seed=seed),
        row_tracks=row_tracks,
        **facts,
    )


def reliability(
    confidence: NDArray[np.float64],
    right: NDArray[np.bool_],
    uncalibrated: NDArray[np.float64],
    *,
    seed: int = 0,
) -> Reliability:
    """Measure whether answers are right as often as their confidences say.

    The expected calibration error is never below zero, so chance raises it, and resampling raises it once more: its
    percentile interval would lie too high (with 200 tracks and an error of 0.04, it missed the error in nine of ten
    simulations). The interval is therefore the basic one (Davison and Hinkley, "Bootstrap methods and their
    application", 1997, ch. 5.2), cut off at 0 and 1. What chance gives is found by drawing which answers are right with
    their confidences as probabilities (Bröcker and Smith, "Increasing the reliability of reliability diagrams", Weather
    and Forecasting 22(3), 2007).

    Examples
    --------
    >>> confidence, right = np.full(10, 0.95), np.arange(10) < 8
    >>> found = reliability(confidence, right, confidence)
    >>> round(found.error.value, 3), len(found.bins), found.bins[0].count
    (0.15, 1, 10)
    """
    count = len(confidence)
    error = calibration_error(confidence, right)
    rng = np.random.default_rng(seed)
    resampled = bootstrap(lambda drawn: calibration_error(confidence[drawn], right[drawn]), count, rng)
    low, high = map(float, np.quantile(resampled, ENDS))
    chance = [calibration_error(confidence, rng.random(count) < confidence) for _ in range(RESAMPLES)]
    # Resampling may raise the error so much that the basic interval ends below it.
    interval = Interval(error, max(0.0, 2 * error - max(high, error)), min(1.0, 2 * error - min(low, error)))
    place = bins_of(confidence)
    bins = []
    for k in np.unique(place).tolist():
        mine = place == k
        size = int(mine.sum())
        share = wilson(int(right[mine].sum()), size)
        bins.append(Bin(k / BINS, (k + 1) / BINS, size, float(confidence[mine].mean()), share))
    return Reliability(
        error=interval,
        uncalibrated=calibration_error(uncalibrated, right),
        by_chance=Interval(float(np.mean(chance)), *map(float, np.quantile(chance, ENDS))),
        confidence=float(confidence.mean()),
        accuracy=float(right.mean()),
        bins=tuple(bins),
    )


def read_history(folder: Path) -> pd.DataFrame | None:
    """Read a learning curve."""
    import pandas as pd

    try:
        content = io.BytesIO(read_bounded(folder / HISTORY, _MAX_BYTES))
        history = pd.read_csv(content)[list(HISTORY_COLUMNS)].apply(pd.to_numeric)
    except pd.errors.EmptyDataError:
        return None
    except (OSError, ValueError, KeyError):
        raise BundleError(f"{folder} has no readable {HISTORY}; train the model again.") from None
    return history if len(history) > 1 else None


@dataclass(frozen=True, eq=False)
class Votes:
    """What a model answers to tracks: one vote each.

    Attributes
    ----------
    keys : np.ndarray of str, shape (n,)
        What tells the tracks apart, sorted, and is the same for tables and pictures.
    tracks, labels : np.ndarray of str, shape (n,)
        The tracks, spelled as in reports, and their classes.
    probabilities : np.ndarray, shape (n, classes), float64
        The mean over the rows of each track, before the temperature.
    distances : np.ndarray, shape (n,), float64
        How novel each track is, the mean over its rows; 0 where the file does not tell.
    """

    keys: NDArray[np.str_]
    tracks: NDArray[np.str_]
    labels: NDArray[np.str_]
    probabilities: NDArray[np.float64]
    distances: NDArray[np.float64]


def read_votes(folder: Path, classes: Sequence[str], name: str = PREDICTIONS) -> Votes:
    """Read what a model answered to the tracks that it was tested or validated on."""
    rows = _read_predictions(folder, classes, name)
    spelled = _shared_names(rows["track"].tolist(), rows["label"].tolist())
    # Extraction names pictures without the dots of the file's name.
    keys = np.char.replace(spelled, ".", "")
    keys = keys if len(np.unique(keys)) == len(np.unique(spelled)) else spelled
    names, first = np.unique(keys, return_index=True)
    values = rows[[*(f"p({name})" for name in classes), *([DISTANCE] if DISTANCE in rows else [])]]
    means = mean_by_track(values.to_numpy(dtype=np.float64), keys)
    distances = means[:, len(classes)] if DISTANCE in rows else np.zeros(len(names))
    labels = rows["label"].to_numpy(dtype=np.str_)[first]
    return Votes(names, spelled[first], labels, means[:, : len(classes)], distances)


def _read_predictions(folder: Path, classes: Sequence[str], name: str = PREDICTIONS) -> pd.DataFrame:
    import pandas as pd

    file = folder / name
    probabilities = [f"p({name})" for name in classes]
    try:
        # Genres and tracks are text, also those named 1980 or NA.
        content = io.BytesIO(read_bounded(file, _MAX_BYTES))
        table = pd.read_csv(content, dtype=dict.fromkeys(_TEXT_COLUMNS, str), keep_default_na=False, encoding="utf-8")
        told = [DISTANCE] if name == VALIDATION else []
        rows = table[[*_TEXT_COLUMNS, *probabilities, *told]]
        rows = rows.assign(**{column: pd.to_numeric(rows[column]).astype(np.float64) for column in told})
        # Models answer in single precision, which nine digits give back exactly.
        rows = rows.assign(**{each: pd.to_numeric(rows[each]).astype(np.float32) for each in probabilities})
    except (OSError, ValueError, KeyError, TypeError):
        raise BundleError(f"{folder} has no readable {name}; train the model again.") from None
    values = rows[probabilities].to_numpy(dtype=np.float64)
    unknown = sorted(set(rows["label"]) - set(classes))
    if [name for name in table.columns if name in probabilities] != probabilities:
        reason = f"its columns of probabilities are not in the order of the classes of {CARD}"
    elif rows.empty:
        reason = "it has no row"
    elif told and not (rows[DISTANCE] >= 0).all():
        reason = "a distance is not 0 or more"
    elif not np.isfinite(values).all() or (values < 0).any() or (values > 1).any():
        reason = "a probability is outside 0 to 1"
    elif unknown:
        reason = f"the label {unknown[0]!r} is none of the model's classes"
    elif rows["item"].duplicated().any() and rows.duplicated(["item", "track"]).any():
        reason = f"{rows['item'][rows.duplicated(['item', 'track'])].iloc[0]!r} is in it twice"
    elif (rows.groupby("track")["label"].nunique() > 1).any():
        reason = "the rows of one track have several labels"
    else:
        return rows
    raise BundleError(f"{file} is malformed: {reason}; train the model again.")


def _calibrated(
    probabilities: NDArray[np.float64], track: NDArray[np.intp], temperatures: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the vote of each track after the temperature of its rows."""
    counts = np.bincount(track)
    votes = np.zeros((len(counts), probabilities.shape[1]))
    # Rows of one track may come from several models, each of which has a vote of its own.
    for temperature in np.unique(temperatures):
        mine = temperatures == temperature
        asked = np.bincount(track[mine], minlength=len(counts))
        voted = asked > 0
        means = mean_by_track(probabilities[mine], track[mine])
        votes[voted] += apply_temperature(means, float(temperature)) * asked[voted, None]
    shares: NDArray[np.float64] = votes / counts[:, None]
    return shares


def _tied_votes(result: ModelResult) -> int:
    probabilities = result.rows[[f"p({name})" for name in result.classes]]
    means = probabilities.groupby(result.row_tracks).mean().to_numpy()
    second, first = np.sort(means, axis=1)[:, -2:].T
    return int(np.sum(first - second < _ROUNDING))


def _data_identity(card: Card) -> str:
    """Return what tells the rows of a model from those of another: the same file can be read in another way."""
    identity = card.facts.get("identity")
    reading = identity.get("reading") if isinstance(identity, dict) else None
    parts = [card.training_data.get("sha256", ""), *(reading if isinstance(reading, list) else ())]
    return " ".join(str(part) for part in parts if part)


def _shared_names(tracks: Sequence[str], labels: Sequence[str]) -> NDArray[np.str_]:
    """Spell tracks alike for models of tables, ``blues.00000.wav``, and of pictures, ``blues/blues00000.png``.

    Models that were trained when a table's tracks began with the label are spelled like those of today.
    """
    label_of = dict(zip(tracks, labels, strict=True))
    whole = {}
    for track, label in label_of.items():
        name = track
        while label and name.startswith(f"{label}/"):
            name = name.removeprefix(f"{label}/")
        whole[track] = f"{label}/{name}"
    shared = {}
    for track, label in label_of.items():
        clip = find_clip(track)
        name = whole[track]
        if clip is not None and clip.genre == label:
            shared[track] = f"{clip.genre}/{clip.name}"
        else:
            path = PurePosixPath(name)
            shared[track] = name[: -len(path.suffix)] if path.suffix.lower() in _MEDIA_SUFFIXES else name
    # Two tracks that differ in their suffix alone, or in folders alone, stay two.
    for spelled in (shared, whole):
        if len(set(spelled.values())) == len(label_of):
            return np.array([spelled[track] for track in tracks], dtype=np.str_)
    return np.array(tracks, dtype=np.str_)
