"""What a pretrained encoder adds on GTZAN: models on its tags, on our features, on both, and fusions of them.

    python benchmarks/transfer.py SHARED_DATA OUT [--seeds 3] [--networks]

SHARED_DATA holds ``gtzan/features_30_sec.csv`` and ``gtzan/musicnn`` (taggrams of the fault-filtered training and
test clips from jordipons/sklearn-audio-transfer-learning). Their validation clips have none, so that every model is
trained with ``refit``. OUT receives the tables and the models; the model that ships is OUT/models/both's
``discriminant-analysis-fault-filtered-refit``, made by

    audio-genre train baseline OUT/both/features_30_sec.csv models --variant discriminant-analysis \
        --protocol fault-filtered --seed 0 --refit
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np

from audio_genre.dsp import MUSICNN50, get_recipe
from audio_genre.metrics import repeated
from audio_genre.training import TrainedModel, train, train_fusion

NAMES = {"ours": "gtzan57-v1", "tags": "musicnn50-v1", "both": "gtzan57-v1+musicnn50-v1"}
_PATCHES = 10
# Patches of the public taggrams begin every 61 frames, and 3 s are 187.5 frames.
_STEP = 3


def public_table(shared: Path, folder: Path, recipe: str) -> Path:
    """Write a table of the clips that have public features and taggrams, as `audio-genre extract` would."""
    with (shared / "gtzan" / "features_30_sec.csv").open(newline="", encoding="utf-8") as file:
        ours = {row["filename"]: row for row in csv.DictReader(file)}
    chosen = get_recipe(recipe)
    lines = []
    for part in ("train_443", "test_290"):
        with np.load(shared / "gtzan" / "musicnn" / f"{part}_MSD_musicnn_taggram.npz") as public:
            tags, names = public["X"].astype(np.float64), public["IDS"]
        for name in np.unique(names):
            clip = Path(str(name)).with_suffix(".wav").name
            ten = tags[names == name][::_STEP][:_PATCHES]
            pooled = np.stack([ten.mean(axis=0), ten.std(axis=0)], axis=1).reshape(-1)
            values = dict(zip(MUSICNN50.feature_names, pooled.tolist(), strict=True)) | ours[clip]
            lines.append([values[column] for column in chosen.columns])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "features_30_sec.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([chosen.columns, *sorted(lines)])
    side = {
        "recipe": chosen.parameters(),
        "tables": {path.name: len(lines)},
        "counts": {"clips": len(lines), "failed": 0},
    }
    (folder / "extraction.json").write_text(json.dumps(side), encoding="utf-8")
    return path


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", action="store_true", help="train dense networks too, which takes minutes")
    arguments = parser.parse_args()
    kinds = [("baseline", "logistic-regression"), ("baseline", "discriminant-analysis")]
    kinds += [("tabular", "adam-4"), ("tabular", "adam-5")] if arguments.networks else []
    runs: dict[str, list[TrainedModel]] = {}
    for name, recipe in NAMES.items():
        table = public_table(arguments.shared, arguments.out / name, recipe)
        for kind, variant in kinds:
            models = train(
                table,
                arguments.out / "models" / name,
                kind=kind,
                variant=variant,
                protocol="fault-filtered",
                seeds=arguments.seeds,
                refit=True,
            )
            runs[f"{variant}, {name}"] = models
            show(f"{variant}, {name}", models)
    pairs = [("discriminant-analysis", "tags"), ("discriminant-analysis", "ours")]
    fuse("tags and ours, each with discriminant analysis", [runs[", ".join(pair)] for pair in pairs], arguments.out)
    if arguments.networks:
        pairs = [("discriminant-analysis", "both"), ("adam-4", "both")]
        fuse("discriminant analysis and adam-4, both recipes", [runs[", ".join(pair)] for pair in pairs], arguments.out)


def fuse(title: str, members: list[list[TrainedModel]], out: Path) -> None:
    """Fuse the models of each seed, and print what comes of it."""
    fused = []
    for of_seed in zip(*members, strict=True):
        folder = out / "models" / "members"
        folder.mkdir(parents=True, exist_ok=True)
        names = []
        for model in of_seed:
            names.append(f"{model.path.parent.name}-{model.name}")
            link = folder / names[-1]
            if not link.exists():
                link.symlink_to(model.path.resolve())
        fused.append(train_fusion(folder, names, out / "models" / "fused"))
    show(f"fusion: {title}", fused)


def show(title: str, models: list[TrainedModel]) -> None:
    """Print accuracies of each seed, and their mean with its interval."""
    summary = repeated([model.tracks for model in models], [model.right for model in models])
    each = ", ".join(str(model.test.tracks.accuracy) for model in models)
    folds = ", ".join(f"{model.validation.tracks.accuracy.value:.3f}" for model in models)
    print(f"{title}: mean {summary.accuracy}; seeds {each}; on folds {folds}", flush=True)


if __name__ == "__main__":
    main()
