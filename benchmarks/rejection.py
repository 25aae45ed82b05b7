"""What a model answers and what it calls unknown: its own test tracks, sounds that are no music, unheard genres.

    python benchmarks/rejection.py features_30_sec.csv [--model models/adam-5] [--sounds 10] [--folder AUDIO_DIR ...]

The table is the one that the model was trained on; its test rows are those of the protocol, fold and seed in the
card. A folder of audio, such as one of a genre that the model does not know, is told apart from the test tracks by how
near it is to its limits: AUROC 1 is always, .5 is chance.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from sklearn.metrics import roc_auc_score

from audio_genre.audio import AUDIO_SUFFIXES
from audio_genre.datasets import get_protocol, load_table
from audio_genre.errors import AudioError, AudioGenreError
from audio_genre.inference import Classification, Classifier
from audio_genre.sounds import NO_MUSIC, SR, no_music
from audio_genre.training.calibration import UNKNOWN, calibration_error, temper
from audio_genre.training.scores import mean_by_track

LENGTHS = (30.0, 10.0, 5.0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="the table that the model was trained on")
    parser.add_argument("--model", type=Path, help="folder of a model; the one that comes with the package without it")
    parser.add_argument("--sounds", type=int, default=10, help="sounds of each kind, of 30, 10 and 5 s in turn")
    parser.add_argument("--folder", type=Path, action="append", default=[], help="a folder of audio; may be repeated")
    arguments = parser.parse_args()
    if arguments.sounds < 1:
        parser.error(f"--sounds must be 1 or more, got {arguments.sounds}")
    try:
        classifier = Classifier(arguments.model)
        inside = measure_test_side(classifier, arguments.table)
        measure_sounds(classifier, arguments.sounds)
        for folder in arguments.folder:
            measure_folder(classifier, folder, inside)
    except AudioGenreError as error:
        sys.exit(f"rejection.py: {error}")


def measure_test_side(classifier: Classifier, file: Path) -> np.ndarray:
    """Print what becomes of the test tracks; return how near to its limits each is."""
    bundle, table = classifier.bundle, load_table(file)
    if bundle.familiarity is None or table.sha256 != bundle.card["training_data"]["sha256"]:
        sys.exit(f"rejection.py: {bundle.path} was not calibrated, or trained on another table than {file}.")
    protocol, seed = bundle.card["protocol"], bundle.card["seed"]
    splits = get_protocol(protocol["name"]).splits(table, seed=seed)
    rows = next(split.test for split in splits if split.fold == protocol["fold"])
    groups, y = table.groups[rows], np.searchsorted(table.classes, table.labels[rows])
    truth = mean_by_track(y[:, np.newaxis], groups)[:, 0].astype(int)
    votes = mean_by_track(classifier.probabilities(table.X[rows]), groups)
    distance = mean_by_track(bundle.familiarity.distances(table.X[rows])[:, np.newaxis], groups)[:, 0]
    limits = bundle.calibration
    p = temper(votes, limits.temperature)
    known = np.array([limits.why_unknown(a, b) is None for a, b in zip(p.max(axis=1), distance, strict=True)])
    right = p.argmax(axis=1) == truth
    rng = np.random.default_rng(0)
    drawn = ((p.cumsum(axis=1) > rng.random((len(p), 1))).argmax(axis=1) for _ in range(200))
    by_chance = np.mean([calibration_error(p, labels) for labels in drawn])
    print(f"{classifier.bundle.name}: {len(known)} test tracks of the protocol {protocol['name']}, seed {seed}")
    print(f"  accuracy {right.mean():.3f}; {known.mean():.3f} are answered, with accuracy {right[known].mean():.3f}")
    print(
        f"  calibration error {calibration_error(p, truth):.3f}; perfect probabilities have {by_chance:.3f} by chance"
    )
    return np.array([nearness(classifier, a, b) for a, b in zip(p.max(axis=1), distance, strict=True)])


def measure_sounds(classifier: Classifier, count: int) -> None:
    """Print the share of sounds of each kind that are unknown."""
    shares = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound.wav"
        for kind in NO_MUSIC:
            unknown = []
            for seed in range(count):
                soundfile.write(path, no_music(kind, seconds=LENGTHS[seed % len(LENGTHS)], seed=seed), SR)
                unknown.append(classifier.classify(path).genre == UNKNOWN)
            shares.append(np.mean(unknown))
            print(f"  {kind:15s} unknown {shares[-1]:.2f} of {count}")
    print(f"  {'all of them':15s} unknown {np.mean(shares):.3f}, the worst kind {min(shares):.2f}")


def measure_folder(classifier: Classifier, folder: Path, inside: np.ndarray) -> None:
    """Print how the files of a folder are told from the test tracks."""
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
    print(f"{folder}: {unknown} of {len(outside)} unknown, AUROC against the test tracks {area:.3f}")


def nearness(classifier: Classifier, confidence: float, distance: float) -> float:
    """Return how near an answer is to being unknown: at 1 it is."""
    limits = classifier.bundle.calibration
    doubt = (1 - confidence) / max(1 - limits.least_confidence, 1e-9)
    return max(distance / limits.most_distance, doubt)


def nearness_of(classifier: Classifier, answer: Classification) -> float:
    """Return that of an answer; silence is beyond any limit."""
    if answer.distance is None:
        return float("inf")
    return nearness(classifier, answer.confidence, answer.distance)


if __name__ == "__main__":
    main()
