"""Every model under every protocol: the README's table of scores, from public tables and pictures of GTZAN.

    python benchmarks/scoreboard.py features_30_sec.csv MODELS_DIR
        [--segments features_10_sec.csv] [--images IMAGES_DIR]

The models stay in MODELS_DIR; ``audio-genre compare MODELS_DIR REPORT_DIR`` makes the report of them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from audio_genre.datasets import load_pictures
from audio_genre.metrics import repeated
from audio_genre.training import TrainedModel
from audio_genre.training import plan as plan_training
from audio_genre.training.run import TrainingPlan


def main() -> None:
    """Train everything and print one Markdown table for each kind of data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("models_dir", type=Path)
    parser.add_argument("--segments", type=Path, help="a table of segments, for what leaks")
    parser.add_argument("--images", type=Path, help="a folder of pictures; takes longest")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    models, seeds = arguments.models_dir, arguments.seeds

    trained: list[TrainedModel] = []
    # Not segment: with one row a track it is the same as track.
    for protocol in ("track", "artist", "fault-filtered"):
        trained += _train(
            plan_training(arguments.table, models / "clips", protocol=protocol, seeds=seeds, kind="baseline")
        )
        trained += _train(
            plan_training(arguments.table, models / "clips", protocol=protocol, seeds=seeds, kind="tabular")
        )
    if arguments.images is not None:
        with load_pictures(arguments.images) as pictures:
            for protocol in ("track", "fault-filtered"):
                trained += _train(
                    plan_training(pictures, models / "clips", protocol=protocol, seeds=seeds, kind="pictures")
                )
    _print_table("accuracy by track", trained, by_row=False)
    if arguments.segments is not None:
        folder = models / "segments"
        trained = _train(
            plan_training(
                arguments.segments, folder, variant="gradient-boosting", protocol="track", seeds=seeds, kind="baseline"
            )
        )
        trained += _train(
            plan_training(
                arguments.segments,
                folder,
                variant="gradient-boosting",
                protocol="segment",
                seeds=seeds,
                kind="baseline",
            )
        )
        for protocol in ("track", "segment"):
            trained += _train(
                plan_training(
                    arguments.segments, folder, variant="adam-5", protocol=protocol, seeds=seeds, kind="tabular"
                )
            )
        _print_table("accuracy by segment", trained, by_row=True)
        _print_table("accuracy by vote of the segments of a track", trained, by_row=False)


def _train(plan: TrainingPlan) -> list[TrainedModel]:
    done: list[TrainedModel] = []

    def show(model: TrainedModel) -> None:
        done.append(model)
        print(f"{len(done)}/{len(plan)} {model.name} {model.test.tracks.accuracy}", file=sys.stderr)

    return plan.train(finished=show)


def _print_table(title: str, trained: Sequence[TrainedModel], *, by_row: bool) -> None:
    protocols = list(dict.fromkeys(model.protocol for model in trained))
    leaky = {model.protocol for model in trained if model.leaky}
    print(f"| {title} | " + " | ".join(f"`{name}`{' (leaky)' * (name in leaky)}" for name in protocols) + " |")
    print("|---" * (1 + len(protocols)) + "|")
    for variant in dict.fromkeys(model.variant for model in trained):
        cells = []
        for protocol in protocols:
            runs = [model for model in trained if (model.variant, model.protocol) == (variant, protocol)]
            if not runs:
                cells.append("")
            elif by_row:
                cells.append(_short(sum(run.test.rows.accuracy.value for run in runs) / len(runs)))
            else:
                found = repeated([run.tracks for run in runs], [run.right for run in runs])
                interval = found.accuracy
                cells.append(f"{_short(interval.value)} [{_short(interval.low)}, {_short(interval.high)}]")
        print(f"| `{variant}` | " + " | ".join(cells) + " |")
    print()


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


if __name__ == "__main__":
    main()
