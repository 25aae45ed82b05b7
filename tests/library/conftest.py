from __future__ import annotations

from pathlib import Path

import library_helpers as helpers
import library_work
import numpy as np
import pytest

from audio_genre.datasets import GTZAN57_TABLE
from audio_genre.dsp.matrix import feature_matrix
from audio_genre.library import run
from audio_genre.training import train_baseline


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that tells a hum from a hiss."""
    folder = tmp_path_factory.mktemp("model")
    lines = [",".join(["filename", "length", *GTZAN57_TABLE.features, "label"])]
    for style in helpers.STYLES:
        X = feature_matrix(np.stack([helpers.make(style, seed, 3)[:-1] for seed in range(6)]))
        for k, row in enumerate(X):
            lines.append(",".join([f"{style}.{k:05d}.wav", "661500", *map(repr, row.tolist()), style]))
    table = folder / "table.csv"
    table.write_text("\n".join(lines), encoding="utf-8")
    (model,) = train_baseline(table, folder, variant="logistic-regression")
    return Path(model.path)


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """An empty library."""
    folder = tmp_path / "music"
    folder.mkdir()
    return folder


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have files not be listened to, but answered for by their names."""
    monkeypatch.setattr(run, "classify_file", library_work.fake)


@pytest.fixture
def organize(bundle: Path, music: Path, tmp_path: Path):
    """Organize the library with its model and a database beside it."""

    def organize(**options):
        options = {"model": bundle, "database": tmp_path / "library.sqlite", "jobs": 1} | options
        return run.organize(music, **options)

    return organize
