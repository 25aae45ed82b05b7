"""Trainings that are killed while they write a bundle: nothing is lost, and nothing is left lying about."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audio_genre.bundles.bundle import recover_bundles
from audio_genre.errors import BundleError
from audio_genre.evaluation.compare import compare
from audio_genre.evaluation.comparison import compare_models
from audio_genre.inputs import load_bundle
from audio_genre.training import plan as plan_training

SHIPPED = Path(__file__).parents[2] / "models/shipped/adam-5"

# Writes the model of one seed, and another in its place, in a process that dies at a step.
WRITE = """
import os, signal, sys, time
from pathlib import Path
import numpy as np
from audio_genre.datasets import load_table
from audio_genre.training import train_baseline
from audio_genre.bundles import bundle

table, models, step = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
train_baseline(table, models, variant="majority")
before = bundle._Replacement.put

def die():
    if step == "live":
        print("here", flush=True)
        time.sleep(60)
    os.kill(os.getpid(), signal.SIGKILL)

def put(self):
    if step == "before":
        die()
    if step in ("between", "live"):
        self.folder.rename(self.replaced)
        die()
    before(self)
    if step == "after":
        die()

bundle._Replacement.put = put
if step == "writing":
    bundle._write_csv = lambda *_: die()
train_baseline(table, models, variant="majority")
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from feature_tables import write_table

    return write_table(tmp_path_factory.mktemp("table") / "features_30_sec.csv", tracks=5)


def start(table: Path, models: Path, step: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITE, str(table), str(models), step],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("step", ["writing", "before", "between", "after"])
def test_the_next_start_restores_and_sweeps(table: Path, tmp_path: Path, step: str) -> None:
    models = tmp_path / "models"
    process = start(table, models, step)
    process.communicate(timeout=120)
    assert process.returncode == -9
    place = models / "majority"
    assert any(path.name.startswith(".majority.") for path in models.iterdir())
    if step == "between":
        with pytest.raises(BundleError, match="majority is missing: a training was killed while it replaced"):
            load_bundle(place)
        with pytest.raises(BundleError, match="majority is missing: a training was killed while it replaced"):
            compare(models, tmp_path / "report")
        shutil.copytree(SHIPPED, models / "other")
        found, _ = compare_models(models, tmp_path / "report")
        assert [sentence.partition(" is missing")[0] for sentence in found.broken] == [str(place)]
        assert [model.name for model in found.models] == ["other"]
    plan = plan_training(table, models, variant="majority", kind="baseline")
    told = [
        "A training was killed while it wrote a model: majority was completely trained, and has been put in its place."
    ]
    assert list(plan.recovered) == (told if step == "between" else [])
    assert load_bundle(place).name == "majority"
    assert {path.name for path in models.iterdir()} <= {"majority", "other"}
    assert recover_bundles(models) == []


def test_what_an_earlier_version_left_behind_is_restored(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path / ".adam-4.0123abcd.replaced")
    (tmp_path / ".adam-4.0123abcd.unfinished").mkdir()
    (tmp_path / ".cnn-2.checkpoint.npz").touch()
    (tmp_path / ".mine.replaced").mkdir()
    assert recover_bundles(tmp_path) == ["A training was killed while it wrote a model: adam-4 is restored."]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".cnn-2.checkpoint.npz", ".mine.replaced", "adam-4"]


@pytest.mark.skipif(sys.platform == "win32", reason="the process is killed at the end")
def test_a_training_that_goes_on_is_left_alone(table: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    process = start(table, models, "live")
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        before = sorted(path.name for path in models.iterdir())
        assert recover_bundles(models) == []
        assert sorted(path.name for path in models.iterdir()) == before
        assert len(before) == 3
    finally:
        process.kill()
        process.communicate()
    assert len(recover_bundles(models)) == 1
    assert [path.name for path in models.iterdir()] == ["majority"]


def test_a_lock_that_was_just_made_is_left_alone_and_an_old_one_is_swept(tmp_path: Path) -> None:
    lock = tmp_path / ".adam-4.0123abcd.lock"
    lock.touch()
    recover_bundles(tmp_path)
    assert lock.exists()
    os.utime(lock, (time.time() - 3600,) * 2)
    recover_bundles(tmp_path)
    assert not lock.exists()
