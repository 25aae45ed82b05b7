"""Folders of trained models, written without training."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CLASSES = ("blues", "jazz", "rock")


def write_model(
    folder: Path,
    answers: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    *,
    classes: Sequence[str] = CLASSES,
    kind: str = "tabular",
    variant: str = "adam-4",
    protocol: str = "track",
    leaky: bool = False,
    fold: str = "",
    seed: int = 0,
    validation: float | None = 0.5,
    epochs: int = 3,
    interrupted: bool = False,
    data: str = "features_30_sec.csv",
    temperature: float | None = None,
    confidence: Sequence[float] = (0.8,),
    card: Mapping[str, Any] | None = None,
) -> Path:
    """Write a model; `answers` has the true class and the answers to the rows of each track.

    The probabilities of the answers are taken from `confidence`, over and over; the other classes share the rest.
    """
    answers = answers if answers is not None else tracks_of("".join(name[0] for name in classes), classes=classes)
    folder.mkdir(parents=True)
    lines, right, sure = [], 0, itertools.cycle(confidence)
    for track, (label, *given) in ((track, tuple(row)) for track, row in answers.items()):
        for k, answer in enumerate(given):
            item = f"{track}.{k}" if len(given) > 1 else track
            best = next(sure)
            p = [best if name == answer else (1 - best) / (len(classes) - 1) for name in classes]
            lines.append([item, track, label, answer, *p])
        right += max(classes, key=given.count) == label
    with (folder / "predictions.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [["item", "track", "label", "predicted", *(f"p({name})" for name in classes)], *lines]
        )
    curve = [
        [k + 1, 2.0 / (k + 1), 0.3 + 0.1 * min(k, 6), 2.1 / (k + 1), 0.2 + 0.1 * min(k, 6), 0.1] for k in range(epochs)
    ]
    with (folder / "history.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds"], *curve])
    metrics: dict[str, Any] = {"test": {"tracks": {"accuracy": {"value": right / len(answers)}}}}
    if validation is not None:
        metrics["validation"] = {"tracks": {"accuracy": {"value": validation}}}
    contents = {
        "format_version": 1,
        "name": folder.name,
        "kind": kind,
        "exported_sha256": hashlib.sha256(b"a model").hexdigest(),
        "classes": list(classes),
        "recipe": None,
        "features": ["a"],
        "pictures": {"name": "mel", "frames_per_column": None},
        "normalisation": "none",
        "window": None,
        "input_shape": [1],
        "training_data": {"file": data, "sha256": data},
        "protocol": {"name": protocol, "leaky": leaky, "description": f"what {protocol} does", "fold": fold},
        "metrics": metrics,
        "versions": {},
        "variant": {"name": variant},
        "seed": seed,
        "training": {"epochs": epochs, "best_epoch": min(2, epochs), "seconds": 1.0, "interrupted": interrupted},
    }
    if temperature is not None:
        contents["calibration"] = {
            "temperature": temperature, "window_temperature": 1.0,
            "min_confidence": 0.3, "max_distance": 1.2, "accepted": 0.92, "tracks": 200,
        }  # fmt: skip
        contents["novelty_sha256"] = "0"
    (folder / "model.tflite").write_bytes(b"a model")
    (folder / "card.json").write_text(json.dumps({**contents, **(card or {})}), encoding="utf-8")
    return folder


def tracks_of(
    answers: str, *, labels: str | None = None, classes: Sequence[str] = CLASSES, rows: int = 1, start: int = 0
) -> dict[str, tuple[str, ...]]:
    """Return tracks with their true class and answers, each class written by its first letter."""
    of_letter = {name[0]: name for name in classes}
    labels = labels or answers
    return {
        f"{of_letter[label]}/t{start + k:03d}.wav": (of_letter[label], *[of_letter[answer]] * rows)
        for k, (label, answer) in enumerate(zip(labels, answers, strict=True))
    }
