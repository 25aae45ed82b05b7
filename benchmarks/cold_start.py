"""What a first answer costs: fresh processes of the command line, beside the bare import of TensorFlow, in one run.

    python benchmarks/cold_start.py [CLIP] [--model models/adam-5] [--repeats 7]

Every figure is the median over fresh processes that take turns, so that whatever else the machine does falls on all of
them alike; a first round, which reads files from the disk, is not counted. Without TensorFlow the ratios are left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from audio_genre.synthetic.music import STYLES, write_dataset

IMPORT = "import tensorflow"
HELP = "audio-genre --help"
CLASSIFY = "audio-genre classify, one clip"
STAGES = ("Classifier: imports and model", "Classifier: first clip", "Classifier: second clip")

IN_ONE_PROCESS = """
import json, sys, time
times = [time.perf_counter()]
from audio_genre import AudioGenreError, Classifier
try:
    classifier = Classifier(*sys.argv[2:])
    times.append(time.perf_counter())
    for _ in range(2):
        classifier.classify(sys.argv[1])
        times.append(time.perf_counter())
except AudioGenreError as error:
    sys.exit(str(error))
print(json.dumps([after - before for before, after in zip(times, times[1:])]))
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", nargs="?", type=Path, help="an audio file; 30 s of synthetic music without it")
    parser.add_argument("--model", type=Path, help="folder of a model; the one that comes with the package without it")
    parser.add_argument("--repeats", type=int, default=7, help="how many processes of each kind are timed")
    arguments = parser.parse_args()
    if arguments.repeats < 1:
        parser.error(f"--repeats must be 1 or more, got {arguments.repeats}")
    print(f"{machine()}, medians of {arguments.repeats} processes")
    with tempfile.TemporaryDirectory() as folder:
        clip = arguments.clip or write_dataset(folder, tracks_per_style=1, seconds=30.0, styles=STYLES[:1])[0]
        seconds = measure(clip, arguments.model, arguments.repeats)
    print_table(seconds)


def machine() -> str:
    """Return the processor and the versions that the figures depend on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, Python {platform.python_version()}"


def measure(clip: Path, model: Path | None, repeats: int) -> dict[str, list[float]]:
    """Return the seconds of every repeat by name."""
    option = [] if model is None else ["--model", str(model)]
    measures: dict[tuple[str, ...], Callable[[], list[float]]] = {
        (HELP,): lambda: [timed("-m", "audio_genre", "--help")],
        (CLASSIFY,): lambda: [timed("-m", "audio_genre", "classify", str(clip), *option)],
        STAGES: lambda: json.loads(python("-c", IN_ONE_PROCESS, str(clip), *option[1:])),
    }
    if importlib.util.find_spec("tensorflow") is not None:
        measures = {(IMPORT,): lambda: [timed("-c", IMPORT)], **measures}
    seconds: dict[str, list[float]] = {name: [] for names in measures for name in names}
    for turn in range(1 + repeats):
        for names, taken in measures.items():
            for name, value in zip(names, taken(), strict=True):
                if turn > 0:
                    seconds[name].append(value)
    return seconds


def timed(*arguments: str) -> float:
    """Return how many seconds a fresh interpreter takes, its start and its end included."""
    started = time.perf_counter()
    python(*arguments)
    return time.perf_counter() - started


def python(*arguments: str) -> str:
    """Run a fresh interpreter and return what it printed."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.strip())
    return done.stdout


def print_table(seconds: dict[str, list[float]]) -> None:
    """Print medians, extremes, and ratios to the import of TensorFlow where it was measured."""
    reference = statistics.median(seconds[IMPORT]) if IMPORT in seconds else None
    heading = "" if reference is None else f"{'of the import':>15}"
    print(f"\n{'':32}{'ms':>8}{'least':>8}{'most':>8}{heading}")
    for name, values in seconds.items():
        median = statistics.median(values)
        ratio = "" if reference is None else f"{median / reference:15.3f}"
        print(f"{name:32}{1000 * median:8.0f}{1000 * min(values):8.0f}{1000 * max(values):8.0f}{ratio}")


if __name__ == "__main__":
    main()
