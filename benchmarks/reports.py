"""How long a comparison of models takes beside its parts, all in one run.

    python benchmarks/reports.py MODELS_DIR [--repeats 3]

Fresh processes take turns: the imports of a report alone, reading and scoring the models, and the whole command, which
draws every picture as PNG, PDF and SVG. The median counts; the processor time includes that of the worker processes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WHOLE = "audio-genre compare"
WAYS = {
    "imports": "import matplotlib.figure, pandas, audio_genre.evaluation.compare",
    "reading and scoring": (
        "import pathlib, sys; from audio_genre.evaluation.comparison import compare_models; "
        "compare_models(*map(pathlib.Path, sys.argv[1:]))"
    ),
    WHOLE: "import sys; from audio_genre.evaluation.compare import compare; compare(*sys.argv[1:])",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, help="folder of trained models, as for audio-genre compare")
    parser.add_argument("--repeats", type=int, default=3, help="how many processes of each kind are timed")
    arguments = parser.parse_args()
    if arguments.repeats < 1:
        parser.error(f"--repeats must be 1 or more, got {arguments.repeats}")
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.repeats):
            for name, code in WAYS.items():
                figures[name].append(measured(code, arguments.models, Path(folder) / str(number)))
    found = {name: tuple(map(statistics.median, zip(*values, strict=True))) for name, values in figures.items()}
    print(f"{os.cpu_count()} cores, medians of {arguments.repeats} processes")
    print(f"{'':22}{'s':>8}{'processor s':>14}{'share of the whole, processor':>32}")
    for name, (seconds, cpu) in found.items():
        print(f"{name:22}{seconds:8.2f}{cpu:14.2f}{cpu / found[WHOLE][1]:32.2f}")


def measured(code: str, models: Path, report: Path) -> tuple[float, float]:
    """Return the seconds and the seconds of processor time of a fresh process and its children."""
    before, started = os.times(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, str(models), str(report)], capture_output=True, text=True, check=False
    )
    seconds, after = time.perf_counter() - started, os.times()
    if done.returncode:
        raise SystemExit(done.stderr.strip())
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return seconds, used


if __name__ == "__main__":
    main()
