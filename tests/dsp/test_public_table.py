"""The public GTZAN table, number for number, on genuine clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audio_genre.audio import load
from audio_genre.dsp import GTZAN57
from audio_genre.dsp.matrix import feature_matrix


def test_columns_are_those_of_the_public_table(shared_data: Path) -> None:
    assert tuple(pd.read_csv(shared_data / "gtzan/features_30_sec.csv", nrows=0)) == GTZAN57.columns


def test_every_feature_of_every_clip_equals_the_public_table(shared_data: Path) -> None:
    table = pd.read_csv(shared_data / "gtzan/features_30_sec.csv").set_index("filename")
    clips = sorted((shared_data / "gtzan/audio").glob("*/*.wav"))
    assert clips, "the real data hold no clips"
    for clip in clips:
        public = table.loc[clip.name]
        y = load(clip, sr=GTZAN57.sr)
        assert len(y) == public["length"]
        row = dict(zip(GTZAN57.feature_names, feature_matrix(y[None])[0], strict=True))
        for name, value in row.items():
            noise = 1e-7 if name in ("harmony_mean", "perceptr_mean") else 0
            rel = 1e-6 if name == "tempo" else 1e-4
            assert value == pytest.approx(float(public[name]), rel=rel, abs=noise), (clip.name, name)
        assert np.isfinite(list(row.values())).all()
