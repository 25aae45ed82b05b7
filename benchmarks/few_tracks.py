"""How many new tracks of its own genres a model answers, by the number of validation tracks that its limits are from.

    python benchmarks/few_tracks.py features_30_sec.csv [--variant logistic-regression] [--trials 40]

In each trial a few tracks of a few genres are divided three to one to one into training, validation and test, a
baseline is fitted, and its limits are tried on tracks that took no part. "quantile" are limits from the validation
tracks alone, "fitted" those that `Calibration.fit` gives, with training tracks in cross-validation where these are few;
"others" is the share of tracks of other genres that get an answer, which should be low and never can be zero. The last
columns are the log loss of new tracks without a temperature, and with one from however few tracks.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from audio_genre.bundles.calibration import ACCEPTED, Calibration, NoveltyDetector, apply_temperature, fit_temperature
from audio_genre.datasets import Table, load_table
from audio_genre.errors import AudioGenreError
from audio_genre.training.baselines import BASELINES

SIZES = ((3, 6), (3, 10), (3, 20), (3, 30), (3, 50), (5, 6), (5, 10), (5, 20), (5, 40), (10, 10), (10, 25), (10, 50))
COLUMNS = ("quantile", "fitted", "others, quantile", "others, fitted", "loss", "loss, temperature")
MOST_NEW = 60


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="a table with one row a track, such as features_30_sec.csv")
    parser.add_argument("--variant", default="logistic-regression", choices=sorted(BASELINES))
    parser.add_argument("--trials", type=int, default=40, help="trials of each size")
    arguments = parser.parse_args()
    try:
        table = load_table(arguments.table)
    except AudioGenreError as error:
        sys.exit(f"few_tracks.py: {error}")
    print("genres  tracks each  validation  " + "  ".join(COLUMNS))
    for genres, each in SIZES:
        if genres > len(table.classes):
            continue
        rows = [trial(table, arguments.variant, genres, each, seed) for seed in range(arguments.trials)]
        means = [f"{mean:>{len(name)}.3f}" for name, mean in zip(COLUMNS, np.mean(rows, axis=0), strict=True)]
        print(f"{genres:6d}  {each:11d}  {genres * max(1, each // 5):10d}  " + "  ".join(means), flush=True)


def trial(table: Table, variant: str, genres: int, each: int, seed: int) -> list[float]:
    """Fit one baseline on a few tracks; return the figures in the order of `COLUMNS`."""
    rng = np.random.default_rng([genres, each, seed])
    chosen = rng.choice(table.classes, genres, replace=False)
    subsets: dict[str, list[np.ndarray]] = {"train": [], "validation": [], "new": []}
    aside = max(1, each // 5)
    for genre in chosen:
        rows = rng.permutation(np.flatnonzero(table.labels == genre))
        subsets["validation"].append(rows[:aside])
        subsets["train"].append(rows[2 * aside : each])
        subsets["new"].append(rows[each : each + MOST_NEW])
    train, validation, new = (np.concatenate(subsets[subset]) for subset in subsets)
    number = {genre: k for k, genre in enumerate(chosen)}
    y = {name: np.array([number[label] for label in table.labels[rows]]) for name, rows in
         (("train", train), ("validation", validation), ("new", new))}  # fmt: skip
    others = np.flatnonzero(~np.isin(table.labels, chosen))
    X, baseline = table.X, BASELINES[variant]
    predict = baseline.fit(X[train], y["train"], genres, baseline.parameters, seed).exported
    novelty = NoveltyDetector.fit(X[train], y["train"], seed)

    def answered(limits: Calibration, rows: np.ndarray) -> float:
        if not len(rows):
            return np.nan
        confidence = apply_temperature(predict(X[rows]), limits.temperature).max(axis=1)
        near = novelty.distances(X[rows]) <= limits.max_distance
        return float(np.mean(near & (confidence >= limits.min_confidence)))

    votes, distances = predict(X[validation]), novelty.distances(X[validation])
    left_out = NoveltyDetector.cross_validate(X[train], y["train"], train, seed)
    fitted = Calibration.fit(votes, y["validation"], distances, left_out=left_out)
    temperature = fit_temperature(votes, y["validation"])
    half = 0.5 * (1 - ACCEPTED)
    quantile = Calibration(
        temperature,
        temperature,
        float(np.quantile(apply_temperature(votes, temperature).max(axis=1), half)),
        float(np.quantile(distances, 1 - half)),
    )
    losses = [
        float(-np.log(np.maximum(apply_temperature(predict(X[new]), t)[np.arange(len(new)), y["new"]], 1e-12)).mean())
        for t in (1.0, temperature)
    ]
    return [answered(limits, rows) for rows in (new, others) for limits in (quantile, fitted)] + losses


if __name__ == "__main__":
    main()
