"""Time of the pretrained network on one core, and its agreement with the public tags.

    python benchmarks/encoder.py [SHARED_DATA]

SHARED_DATA holds ``gtzan/audio`` and ``gtzan/musicnn`` (the taggrams of jordipons/sklearn-audio-transfer-learning).
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from threadpoolctl import threadpool_limits

from audio_genre.dsp import GTZAN57, MUSICNN50, get_recipe
from audio_genre.dsp.matrix import window_features
from audio_genre.dsp.musicnn50 import resampled
from audio_genre.encoders import ENCODERS, load
from audio_genre.synthetic import music

_REPEATS = 7


def measured(work: Callable[[], Any]) -> str:
    """Return the median time, and the least processor time, which other programs disturb less."""
    walls, processor = [], []
    for _ in range(_REPEATS):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        processor.append(time.process_time() - cpu)
    return f"{1000 * np.median(walls):7.0f} ms, processor {1000 * min(processor):5.0f} ms"


def agreement(path: Path, public: np.ndarray) -> str:
    """Compare the tags of patches that begin each 61 frames, as the public ones do."""
    y, _ = soundfile.read(path, dtype="float32")
    frames = dataclasses.replace(MUSICNN50, n_frames=10**6).patches(resampled(y[np.newaxis]))[0]
    patches = np.stack([frames[start : start + 187] for start in range(0, len(frames) - 186, 61)])
    tags = load(ENCODERS["musicnn"])(patches)
    gap = np.abs(tags - public)
    return (
        f"{path.stem}: largest difference {gap.max():.1e}, without the first and last patch {gap[1:-1].max():.1e}, "
        f"of the means {np.abs(tags.mean(axis=0) - public.mean(axis=0)).max():.1e}"
    )


def main() -> None:
    """Print what was measured."""
    y = music.synthesize("bells", seconds=30.0).astype(np.float32)
    segments = np.stack([y[66150 * k : 66150 * k + 66149] for k in range(10)])
    heard = resampled(segments)
    patches = MUSICNN50.patches(heard)
    network = load(ENCODERS["musicnn"])
    with threadpool_limits(1):
        print("one core, ten patches of a 30-s clip")
        print(f"  resampling         {measured(lambda: resampled(segments))}")
        print(f"  log mel patches    {measured(lambda: MUSICNN50.patches(heard))}")
        print(f"  network            {measured(lambda: network(patches))}")
        print("both tables of a 30-s clip")
        for recipe in (GTZAN57, MUSICNN50, get_recipe("gtzan57-v1+musicnn50-v1")):
            print(f"  {recipe.name:24s} {measured(lambda recipe=recipe: window_features(y, recipe))}")
    if len(sys.argv) < 2:
        return
    data = Path(sys.argv[1]) / "gtzan"
    print("agreement with the public tags")
    for file in sorted((data / "musicnn").glob("*.npz")):
        with np.load(file) as public:
            tags, names = public["X"], public["IDS"]
        for path in sorted((data / "audio").glob("*/*.wav")):
            rows = np.char.find(names, path.stem) >= 0
            if rows.any():
                print(f"  {agreement(path, tags[rows])}")


if __name__ == "__main__":
    main()
