"""Time of extraction, stage by stage, beside plain librosa and beside the usual script, in one run on one core.

    python benchmarks/extraction.py [AUDIO_DIR] [--clips 5] [--repeats 3]

"librosa" calls librosa once for each feature and separates once. "usual script" is what most GTZAN notebooks do: each
feature is computed for its mean and again for its variance, the harmonic and the percussive waveform separately; its
time is added up from the single calls.
Every figure is the median over clips of the best of the repeats, for one 30-s row and its ten 3-s rows.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

# Before numpy is imported: what is compared runs on one core.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import librosa
import numpy as np

from audio_genre.audio import AUDIO_SUFFIXES, cut_segments, load
from audio_genre.dsp import GTZAN57, matrix
from audio_genre.dsp.matrix import feature_matrix, window_features
from audio_genre.dsp.picture import encode_picture
from audio_genre.dsp.reference import reference_features
from audio_genre.synthetic.music import STYLES, synthesize

SR = GTZAN57.sr
Signal = np.ndarray

LIBROSA: dict[str, Callable[[Signal], object]] = {
    "chroma": lambda y: librosa.feature.chroma_stft(y=y, sr=SR, pad_mode="reflect"),
    "rms": lambda y: librosa.feature.rms(y=y, pad_mode="reflect"),
    "centroid": lambda y: librosa.feature.spectral_centroid(y=y, sr=SR, pad_mode="reflect"),
    "bandwidth": lambda y: librosa.feature.spectral_bandwidth(y=y, sr=SR, pad_mode="reflect"),
    "roll-off": lambda y: librosa.feature.spectral_rolloff(y=y, sr=SR, pad_mode="reflect"),
    "zero crossings": librosa.feature.zero_crossing_rate,
    "separation": lambda y: librosa.effects.hpss(y, pad_mode="reflect"),
    "tempo": lambda y: librosa.beat.beat_track(y=y, sr=SR),
    "mfcc": lambda y: librosa.feature.mfcc(y=y, sr=SR, pad_mode="reflect"),
}
OURS = {
    "_spectra": "STFT, centroid, bandwidth, roll-off",
    "_mel_db": "mel spectrogram",
    "_chroma": "chroma",
    "_rms": "rms",
    "_zero_crossing_rate": "zero crossings",
    "separate": "separation",
    "estimate_tempos": "tempo",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="folder of audio; synthetic clips without it")
    parser.add_argument("--clips", type=int, default=5, help="how many clips")
    parser.add_argument("--repeats", type=int, default=3, help="how often each is timed")
    arguments = parser.parse_args()
    signals = load_signals(arguments.folder, arguments.clips)
    print(f"{len(signals)} clips of {np.mean([len(y) for y in signals]) / SR:.1f} s, one core, {machine()}")

    agreement(signals[0])
    rows = [measure(y, arguments.repeats) for y in signals]
    table = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    ours = table["ours: both tables"]
    print(f"\n{'':48}{'ms a clip':>10}{'ratio':>8}")
    for name, seconds in table.items():
        ratio = f"{seconds / ours:8.1f}" if name.endswith("both tables") else ""
        print(f"{name:48}{1000 * seconds:10.1f}{ratio}")


def load_signals(folder: Path | None, count: int) -> list[Signal]:
    """Return the first clips of a folder at the recipe's rate, or synthetic ones, cut to 30 s."""
    if folder is None:
        return [synthesize(STYLES[k % len(STYLES)], index=k, seconds=30.0, sr=SR) for k in range(count)]
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file())
    if not paths:
        raise SystemExit(f"{folder} holds no audio; name a folder with wav, flac, ogg or mp3 files.")
    return [load(path, sr=SR)[: 30 * SR + 2048] for path in paths[:count]]


def machine() -> str:
    """Return the processor and the versions that the figures depend on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.processor()
    return f"{processor}, Python {platform.python_version()}, numpy {np.__version__}, librosa {librosa.__version__}"


def agreement(y: Signal) -> None:
    """Print how far our rows are from librosa's; it also compiles what librosa compiles."""
    plain, ours = reference_features(y), feature_matrix(y[None])[0]
    # Means of waveforms are float32 noise around zero.
    difference = np.abs(ours - plain) / np.maximum(np.abs(plain), 1e-3)
    worst = int(np.argmax(difference))
    print(f"largest relative difference from librosa: {difference[worst]:.1e} ({GTZAN57.feature_names[worst]})")


def measure(y: Signal, repeats: int) -> dict[str, float]:
    """Return seconds by name."""
    segments = [np.ascontiguousarray(segment) for segment in cut_segments(y, stride=3 * SR)]
    result: dict[str, float] = {}

    def both(function: Callable[[Signal], object]) -> float:
        return best(lambda: [function(signal) for signal in (y, *segments)], repeats)

    once = {name: both(call) for name, call in LIBROSA.items()}
    for name, seconds in once.items():
        result[f"librosa: {name}"] = seconds
    result["librosa: both tables"] = sum(once.values())
    # Each feature twice; harmonic and percussive by a separation each, twice.
    result["usual script: both tables"] = 2 * sum(once.values()) + 2 * once["separation"]
    for name, seconds in stages(y, repeats).items():
        result[f"ours: {name}"] = seconds
    result["ours: both tables"] = best(lambda: window_features(y), repeats)
    mel_db = window_features(y).mel_db
    result["ours: picture, besides"] = best(lambda: encode_picture(mel_db, recipe=GTZAN57), repeats)
    return result


def stages(y: Signal, repeats: int) -> dict[str, float]:
    """Time the stages of our own path where they happen."""
    seconds = dict.fromkeys(OURS, float("inf"))
    originals = {name: getattr(matrix, name) for name in OURS}
    spent: dict[str, float] = {}

    def timed(name: str) -> Callable[..., object]:
        def call(*args: object) -> object:
            start = time.perf_counter()
            value = originals[name](*args)
            spent[name] = spent.get(name, 0.0) + time.perf_counter() - start
            return value

        return call

    try:
        for name in OURS:
            setattr(matrix, name, timed(name))
        for _ in range(repeats):
            spent.clear()
            window_features(y)
            seconds = {name: min(seconds[name], spent[name]) for name in OURS}
    finally:
        for name, original in originals.items():
            setattr(matrix, name, original)
    return {OURS[name]: value for name, value in seconds.items()}


def best(function: Callable[[], object], repeats: int) -> float:
    """Return the shortest of several times, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main()
