"""What worker processes do: everything that decodes, or reads a model that may come from anyone."""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_genre.errors import AudioGenreError, BundleError

if TYPE_CHECKING:
    from audio_genre.bundles.card import Card
    from audio_genre.inference.classifier import Classifier


def listen(path: str, name: str, model: Path | None, *, picture: bool = False) -> dict[str, Any]:
    """Classify a file as `audio-genre classify --timeline --json` does, and tell what the answer is worth."""
    from audio_genre.inference.strip import point_edges

    classifier = open_model(model)
    line = classifier.timeline(path)
    ends = [float(edge) for edge in point_edges(line)]
    points = [
        asdict(point) | {"from": begin, "to": end, "silent": point.is_silent}
        for point, begin, end in zip(line.points, ends[:-1], ends[1:], strict=True)
    ]
    return asdict(line.answer) | {
        "path": name,
        "silent": line.answer.is_silent,
        "seconds": ends[-1],
        "timeline": points,
        "worth": worth(classifier.bundle.card),
        "picture": draw_overview(path, ends[-1]) if picture else None,
    }


def draw_overview(path: str, seconds: float) -> dict[str, Any]:
    """Return a small mel spectrogram of a file: rows from the lowest band, a byte from 0 to 255 for a value."""
    from audio_genre.dsp.overview import RANGE_DB, mel_overview

    levels = mel_overview(path, seconds)
    return {
        "bands": levels.shape[0],
        "frames": levels.shape[1],
        "range_db": RANGE_DB,
        "levels": base64.b64encode(levels.tobytes()).decode(),
    }


def describe_model(model: Path | None) -> dict[str, Any]:
    """Load the model that classifies, and tell what it is worth."""
    classifier = open_model(model)
    return {"genres": list(classifier.genres), **worth(classifier.bundle.card)}


def worth(card: Card) -> dict[str, Any]:
    """Tell how a model was measured, from its card."""
    return {
        "model": card.name,
        "kind": card.kind,
        "protocol": card.protocol.get("name"),
        "description": card.protocol.get("description") or "",
        "leaky": card.protocol.get("leaky") is True,
        "fold": card.protocol.get("fold") or "",
        "data": card.training_data.get("file") or "",
        "accuracy": _interval(card, "accuracy"),
        "macro_f1": _interval(card, "macro_f1"),
        "tracks": _test_tracks(card).get("count"),
    }


def summarize(folders: dict[str, Path | None]) -> list[dict[str, Any]]:
    """Tell of each model what its card says, or why it cannot be read."""
    from audio_genre.bundles.card import read_card
    from audio_genre.inference.default import default_model

    found = []
    for name, folder in folders.items():
        try:
            path = default_model() if folder is None else folder
            facts: dict[str, Any] = worth(read_card(path, measured=True)) | {"error": None}
        except AudioGenreError as error:
            facts = {"model": name, "error": str(error)}
        found.append({"id": name, "ships": folder is None, **facts})
    return found


def table_models(folders: dict[str, Path | None]) -> list[str]:
    """Return the names of the models that were trained on tables of tracks."""
    from audio_genre.bundles.card import read_card

    found = []
    for name, folder in folders.items():
        # One that cannot be read is told of in the list of models.
        with suppress(AudioGenreError):
            if folder is not None and read_card(folder).input == "tracks":
                found.append(name)
    return found


def measure(model: Path | None) -> dict[str, Any]:
    """Score the predictions of a model anew, as `audio-genre compare` does, and tell whether it takes audio."""
    from audio_genre.evaluation.results import kind_name, read_result

    result = read_result(_folder(model))
    try:
        open_model(model)
        refusal = None
    except BundleError as error:
        refusal = str(error)
    tracks = result.scores.tracks
    return {
        "kind": kind_name(result.kind),
        "accuracy": asdict(tracks.accuracy),
        "macro_f1": asdict(tracks.macro_f1),
        "tracks": tracks.count,
        "calibration_error": asdict(result.reliability.error),
        "classes": list(result.classes),
        "confusion": result.confusion().tolist(),
        "per_class": result.per_class(),
        "cannot_classify": refusal,
        "history": _history(_folder(model)),
    }


def write_comparison(models: Path, report: Path) -> None:
    """Compare models and write the report, as `audio-genre compare` does."""
    from audio_genre.evaluation.compare import compare

    compare(models, report)


def draw_confusion(model: Path | None) -> bytes:
    """Draw the confusion matrix of a model as PNG."""
    from audio_genre.evaluation.charts import rendered
    from audio_genre.evaluation.plots import confusion_matrix

    return rendered(confusion_matrix(_folder(model)), ("png",))["png"]


def open_model(model: Path | None) -> Classifier:
    """Return the classifier of a model; one that has not changed is loaded once."""
    folder = _folder(model)
    try:
        changed = (folder / "card.json").stat().st_mtime_ns
    except OSError:
        # Loading it says what is wrong.
        changed = -1
    return _classifier(folder, changed)


@lru_cache(maxsize=2)
def _classifier(folder: Path, changed: int) -> Classifier:  # noqa: ARG001
    from audio_genre.inference.classifier import Classifier

    return Classifier(folder)


def _folder(model: Path | None) -> Path:
    from audio_genre.inference.default import default_model

    return default_model() if model is None else model


def _history(folder: Path) -> list[dict[str, float]] | None:
    """Return loss and accuracy by epoch; None where there were no epochs, or they cannot be read."""
    from audio_genre.evaluation.plots import thinned
    from audio_genre.evaluation.results import read_history

    try:
        history = read_history(folder)
    except BundleError:
        return None
    if history is None:
        return None
    shown = thinned(history, 300)[["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]]
    rows = [{str(name): float(value) for name, value in row.items()} for row in shown.to_dict("records")]
    return [row for row in rows if all(map(isfinite, row.values()))]


def _test_tracks(card: Card) -> dict[str, Any]:
    value = card.metrics.get("test")
    value = value.get("tracks") if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _interval(card: Card, name: str) -> dict[str, float | None] | None:
    value = _test_tracks(card).get(name)
    if not isinstance(value, dict) or not isinstance(value.get("value"), int | float):
        return None
    ends = {end: value.get(end) for end in ("low", "high")}
    return {"value": value["value"], **{k: v if isinstance(v, int | float) else None for k, v in ends.items()}}
