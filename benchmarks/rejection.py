"""What a model answers and what it calls unknown: its own test tracks, sounds that are no music, unheard genres.

    python benchmarks/rejection.py features_30_sec.csv [--model models/adam-5 ...] [--sounds 10] [--folder DIR ...]

The table is the one that the model was trained on; its test rows are those of the protocol, fold and seed in the
card. A folder of audio, such as one of a genre that the model does not know, is told apart from the test tracks by how
near it is to its limits: AUROC 1 is always, .5 is chance.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from sklearn.metrics import roc_auc_score

from audio_genre.audio import AUDIO_SUFFIXES
from audio_genre.bundles.calibration import UNKNOWN, apply_temperature
from audio_genre.datasets import Table, get_protocol, load_table
from audio_genre.errors import AudioError, AudioGenreError
from audio_genre.evaluation.results import reliability
from audio_genre.inference import Classification, Classifier
from audio_genre.metrics import mean_by_track
from audio_genre.synthetic.sounds import NO_MUSIC, SR, no_music

LENGTHS = (30.0, 10.0, 5.0)
FOLDS = re.compile(r"--folds (\d+)")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="the table that the models were trained on")
    parser.add_argument(
        "--model", type=Path, action="append", help="folder of a model; may be repeated; without it the shipped one"
    )
    parser.add_argument("--sounds", type=int, default=10, help="sounds of each kind, of 30, 10 and 5 s in turn")
    parser.add_argument("--folder", type=Path, action="append", default=[], help="a folder of audio; may be repeated")
    arguments = parser.parse_args()
    if arguments.sounds < 1:
        parser.error(f"--sounds must be 1 or more, got {arguments.sounds}")
    try:
        table = load_table(arguments.table)
        rows = [measure(Classifier(model), table, arguments) for model in arguments.model or [None]]
    except AudioGenreError as error:
        sys.exit(f"rejection.py: {error}")
    if len(rows) > 1:
        print(f"mean of {len(rows)} models")
        for name in rows[0]:
            print(f"  {name:32s} {np.mean([row[name] for row in rows]):.3f}")


def measure(classifier: Classifier, table: Table, arguments: argparse.Namespace) -> dict[str, float]:
    """Print what a model answers; return the figures by name."""
    figures, inside = measure_test_side(classifier, table)
    figures["sounds unknown"] = measure_sounds(classifier, arguments.sounds)
    for folder in arguments.folder:
        figures[f"AUROC of {folder.name}"] = measure_folder(classifier, folder, inside)
    return figures


def measure_test_side(classifier: Classifier, table: Table) -> tuple[dict[str, float], np.ndarray]:
    """Print what becomes of the test tracks; return figures, and how near to its limits each track is."""
    bundle = classifier.bundle
    if bundle.novelty is None or table.sha256 != bundle.card.to_dict()["training_data"]["sha256"]:
        sys.exit(f"rejection.py: {bundle.path} was not calibrated, or trained on another table than {table.path}.")
    protocol, seed = bundle.card.to_dict()["protocol"], bundle.card.to_dict()["seed"]
    folds = FOLDS.search(bundle.card.to_dict()["command"] or "")
    refit = "--refit" in (bundle.card.to_dict()["command"] or "").split()
    splits = get_protocol(protocol["name"]).splits(
        table, seed=seed, folds=int(folds[1]) if folds else None, refit=refit
    )
    rows = next(split.test for split in splits if split.fold == protocol["fold"])
    groups, y = table.groups[rows], np.searchsorted(table.classes, table.labels[rows])
    truth = mean_by_track(y[:, np.newaxis], groups)[:, 0].astype(int)
    votes = mean_by_track(classifier.probabilities(table.X[rows]), groups)
    distance = mean_by_track(bundle.novelty.distances(table.X[rows])[:, np.newaxis], groups)[:, 0]
    limits = bundle.calibration
    confidence = apply_temperature(votes, limits.temperature).max(axis=1)
    right = votes.argmax(axis=1) == truth
    known = np.array([limits.unknown_reason(*pair) is None for pair in zip(confidence, distance, strict=True)])
    found = reliability(confidence, right, votes.max(axis=1))
    print(f"{bundle.name}: {len(known)} test tracks of the protocol {protocol['name']}, seed {seed}")
    print(f"  accuracy {right.mean():.3f}; {known.mean():.3f} are answered, with accuracy {right[known].mean():.3f}")
    print(f"  calibration error {found.error}; by chance {found.by_chance}")
    figures = {
        "accuracy": float(right.mean()),
        "test tracks answered": float(known.mean()),
        "accuracy of these": float(right[known].mean()),
    }
    return figures, np.array([nearness(classifier, *pair) for pair in zip(confidence, distance, strict=True)])


def measure_sounds(classifier: Classifier, count: int) -> float:
    """Print the share of sounds of each kind that are unknown; return that of all."""
    shares = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound.wav"
        for kind in NO_MUSIC:
            unknown = []
            for seed in range(count):
                soundfile.write(path, no_music(kind, seconds=LENGTHS[seed % len(LENGTHS)], seed=seed), SR)
                unknown.append(classifier.classify(path).genre == UNKNOWN)
            shares.append(float(np.mean(unknown)))
            print(f"  {kind:15s} unknown {shares[-1]:.2f} of {count}")
    print(f"  {'all of them':15s} unknown {np.mean(shares):.3f}, the worst kind {min(shares):.2f}")
    return float(np.mean(shares))


def measure_folder(classifier: Classifier, folder: Path, inside: np.ndarray) -> float:
    """Print how the files of a folder are told from the test tracks; return the AUROC."""
    outside, unknown = [], 0
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES):
        try:
            answer = classifier.classify(path)
        except AudioError as error:
            print(f"  {error}")
            continue
        unknown += answer.genre == UNKNOWN
        outside.append(nearness_of(classifier, answer))
    if not outside:
        sys.exit(f"rejection.py: {folder} holds no audio that can be classified.")
    area = roc_auc_score([False] * len(inside) + [True] * len(outside), [*inside, *outside])
    print(f"  {folder}: {unknown} of {len(outside)} unknown, AUROC against the test tracks {area:.3f}")
    return float(area)


def nearness(classifier: Classifier, confidence: float, distance: float) -> float:
    """Return how near an answer is to being unknown: at 1 it is."""
    limits = classifier.bundle.calibration
    doubt = (1 - confidence) / max(1 - limits.min_confidence, 1e-9)
    return max(distance / limits.max_distance, doubt)


def nearness_of(classifier: Classifier, answer: Classification) -> float:
    """Return that of an answer; silence is beyond any limit."""
    if answer.distance is None:
        return float("inf")
    return nearness(classifier, answer.confidence, answer.distance)


if __name__ == "__main__":
    main()
