"""How long and in how much memory a large table of tracks is prepared and learned from, in one run.

    python benchmarks/tracks.py [--rows 1160000] [--table dataset.csv] [--models]

The table is made up, or made of a real one: its rows again and again with a little noise, under new ids, titles and
artists, until there are as many as asked for. Such copies make scores meaningless, so that none is shown. Every figure
is taken in a fresh process: its time from start to end, and the most memory that it held. `pandas.read_csv` alone is
the measure of the machine.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

MEASURE = """
import json, resource, time
started = time.perf_counter()
{body}
seconds = time.perf_counter() - started
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, {inner}]))
"""
READ = "import pandas; pandas.read_csv({table!r})"
PREPARE = """
from pathlib import Path
from audio_genre.datasets.tracks.preparing import prepare, write_preparation
write_preparation(prepare({table!r}), Path({folder!r}))
"""
TRAIN = """
from audio_genre.training import train
(model,) = train({folder!r}, {models!r}, kind={kind!r}, variant={variant!r}, protocol="track", **{options!r})
"""
SHARES = ("danceability", "energy", "speechiness", "acousticness", "instrumentalness", "liveness", "valence")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_160_000, help="rows of the table")
    parser.add_argument("--table", type=Path, help="a table in the Kaggle layout to make them of")
    parser.add_argument("--models", action="store_true", help="train too: trees, and epochs of a network")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        table, folder, models = (str(Path(place) / name) for name in ("dataset.csv", "prepared", "models"))
        write(Path(table), arguments.rows, arguments.table)
        print(f"{arguments.rows} rows, {Path(table).stat().st_size / 2**20:.0f} MiB of CSV")
        reference, *_ = show("pandas.read_csv", READ.format(table=table))
        show("tracks prepare", PREPARE.format(table=table, folder=folder), reference)
        if not arguments.models:
            return
        for variant, package in (("xgboost", "xgboost"), ("gradient-boosting", "sklearn")):
            if importlib.util.find_spec(package) is not None:
                body = TRAIN.format(folder=folder, models=models, kind="baseline", variant=variant, options={})
                show(f"train baseline {variant}", body, reference, "model.seconds")
        if importlib.util.find_spec("tensorflow") is not None:
            for epochs in (1, 3):
                body = TRAIN.format(
                    folder=folder, models=models, kind="tabular", variant="mlp-256-128", options={"epochs": epochs}
                )
                show(f"train tabular mlp-256-128, {epochs} epochs", body, reference, "model.seconds")


def show(name: str, body: str, reference: float | None = None, inner: str = "None") -> list[float]:
    """Run in a fresh process and print what it took."""
    command = [sys.executable, "-c", MEASURE.format(body=body, inner=inner)]
    figures: list[float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    seconds, memory, fit = figures
    ratio = "" if reference is None else f", {seconds / reference:.1f} times pandas.read_csv"
    of_fit = "" if fit is None else f", of which the fit {fit:.1f} s"
    print(f"{name}: {seconds:.1f} s{of_fit}{ratio}, {memory:.0f} MiB", flush=True)
    return figures


def write(path: Path, rows: int, table: Path | None) -> None:
    """Write a table with so many rows."""
    if table is None:
        from audio_genre.synthetic.tracks import make_tracks

        make_tracks(rows).to_csv(path)
        return
    frame = pd.read_csv(table, index_col=0)
    rng = np.random.default_rng(0)
    parts, count = [], 0
    while count < rows:
        part = frame.head(rows - count).copy()
        for name in SHARES:
            part[name] = (part[name] * (1 + 0.02 * rng.standard_normal(len(part)))).clip(0, 1).round(4)
        part["loudness"] = (part["loudness"] + 0.2 * rng.standard_normal(len(part))).round(3)
        part["tempo"] = (part["tempo"] * (1 + 0.01 * rng.standard_normal(len(part)))).round(3)
        mark = f" {len(parts)}"
        part["track_id"] = part["track_id"].str[:-3] + f"{len(parts):03d}"
        part["track_name"] = part["track_name"].fillna("") + mark
        part["artists"] = part["artists"].fillna("").str.replace(";", f"{mark};", regex=False) + mark
        parts.append(part)
        count += len(part)
    pd.concat(parts, ignore_index=True).to_csv(path)


if __name__ == "__main__":
    main()
