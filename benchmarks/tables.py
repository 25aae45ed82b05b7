"""How fast and in how much memory a large feature table loads, beside `pandas.read_csv` alone, in one run.

    python benchmarks/tables.py [--rows 1000000] [--columns 20] [--repeats 3]

The table is written to a temporary folder: segments of random tracks, with numbers of full precision. Every figure is
taken in a fresh process, and the processes take turns, so that whatever else the machine does falls on all of them
alike; the least of the repeats counts. Imports are not timed; the memory is all that the process ever held.
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

PANDAS = "pandas.read_csv"
WAYS = {
    PANDAS: "import pandas; read = pandas.read_csv",
    "load_table, CSV": "from audio_genre.datasets import load_table; read = lambda path: load_table(path, schema)",
}
MEASURE = """
import json, resource, sys, time
import pandas
from audio_genre.datasets import TableSchema
features = tuple(f"feature{{k}}" for k in range(int(sys.argv[2])))
schema = TableSchema("large", recipe="gtzan57-v1", features=features, label="label", item="filename", length="length")
{way}
started = time.perf_counter()
table = read(sys.argv[1])
seconds = time.perf_counter() - started
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""
TRACK_SEGMENTS = 10
ROWS_AT_A_TIME = 10_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the table")
    parser.add_argument("--columns", type=int, default=20, help="columns: features, and the name, length and label")
    parser.add_argument("--repeats", type=int, default=3, help="how many processes of each kind are timed")
    arguments = parser.parse_args()
    if arguments.rows < 1 or arguments.columns < 4 or arguments.repeats < 1:
        parser.error("--rows and --repeats must be 1 or more, and --columns 4 or more")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "segments.csv"
        write(path, arguments.rows, arguments.columns - 3)
        print(f"{arguments.rows} rows, {arguments.columns} columns, {path.stat().st_size / 2**20:.0f} MiB of CSV")
        ways = {name: (way, path) for name, way in WAYS.items()}
        if importlib.util.find_spec("pyarrow") is not None:
            ways["load_table, Parquet"] = WAYS["load_table, CSV"], as_parquet(path)
        figures: dict[str, list[list[float]]] = {name: [] for name in ways}
        for _ in range(arguments.repeats):
            for name, (way, file) in ways.items():
                figures[name].append(measured(way, file, arguments.columns - 3))
    least = {name: np.min(values, axis=0) for name, values in figures.items()}
    print(f"{'':22}{'s':>8}{'MiB':>8}{'times the seconds of ' + PANDAS:>40}")
    for name, (seconds, peak) in least.items():
        print(f"{name:22}{seconds:8.2f}{peak:8.0f}{seconds / least[PANDAS][0]:40.2f}")


def write(path: Path, rows: int, features: int) -> None:
    """Write a table of segments as an extraction does."""
    rng = np.random.default_rng(0)
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(["filename", "length", *(f"feature{k}" for k in range(features)), "label"]) + "\n")
        for start in range(0, rows, ROWS_AT_A_TIME):
            block = rng.normal(size=(min(ROWS_AT_A_TIME, rows - start), features))
            for row, values in enumerate(block.tolist(), start):
                track, segment = divmod(row, TRACK_SEGMENTS)
                genre = f"genre{track % 10}"
                numbers = ",".join(map(repr, values))
                file.write(f"{genre}.{track:06d}.{segment}.wav,66149,{numbers},{genre}\n")


def as_parquet(path: Path) -> Path:
    """Copy the table to Parquet in a process of its own."""
    copy = path.with_suffix(".parquet")
    code = "import sys, pandas; pandas.read_csv(sys.argv[1]).to_parquet(sys.argv[2], engine='pyarrow')"
    subprocess.run([sys.executable, "-c", code, str(path), str(copy)], check=True)
    return copy


def measured(way: str, path: Path, features: int) -> list[float]:
    """Return the seconds and the peak memory in MiB of a fresh process."""
    command = [sys.executable, "-c", MEASURE.format(way=way), str(path), str(features)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.strip())
    figures: list[float] = json.loads(done.stdout)
    return figures


if __name__ == "__main__":
    main()
