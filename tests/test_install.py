"""The package as a user gets it who only predicts: installed without extras, so without TensorFlow.

Slow, because it builds a virtual environment of its own: here every package of the tests is at hand, so only there an
import is noticed that the dependencies do not cover.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from audio_genre import Classifier
from audio_genre.inference.default import default_model
from audio_genre.synthetic import music as synthesis
from audio_genre.training import train_tabular

CHECKOUT = Path(__file__).parents[1]
STYLES = synthesis.STYLES[:3]
# What pip says without a registry. With one it lists the versions that there are.
NO_REGISTRY = re.compile(
    r"from versions: none|connection|name resolution|network is unreachable|max retries|timed out", re.IGNORECASE
)

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of programs of a fresh virtual environment that holds the package and what it requires."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
    pip = [programs / "python", "-m", "pip", "install", "--quiet", CHECKOUT]
    done = subprocess.run(pip, cwd=folder, env=bare_environment(), capture_output=True, text=True, check=False)
    hints = [line.strip() for line in done.stderr.splitlines() if NO_REGISTRY.search(line)]
    if done.returncode and hints:
        pytest.skip(f"pip reaches no registry: {hints[0]}")
    assert done.returncode == 0, done.stderr
    return programs


def bare_environment() -> dict[str, str]:
    """Return the environment variables without those that would let the tests' own packages in."""
    return {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder outside the checkout, with music in it."""
    folder = tmp_path_factory.mktemp("work")
    synthesis.write_dataset(folder / "audio", tracks_per_style=5, seconds=6.5, styles=STYLES)
    return folder


@pytest.fixture(scope="module")
def run(environment: Path, work: Path) -> Run:
    """Return a function that runs a program of the environment in the working folder."""

    def run(program: str, *arguments: object, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [environment / program, *map(str, arguments)],
            cwd=work,
            env=bare_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def table(run: Run, work: Path) -> Path:
    """Return a table of segments that the installed package extracted."""
    report = json.loads(run("audio-genre", "extract", "audio", "features", "--json").stdout)
    assert (report["extracted"], report["failed"]) == (15, 0)
    return work / "features" / "features_3_sec.csv"


def test_what_is_installed(run: Run, environment: Path) -> None:
    code = (
        "import importlib.util, json, audio_genre; print(json.dumps([audio_genre.__file__, "
        "*(name for name in ('tensorflow', 'keras', 'pytest') if importlib.util.find_spec(name))]))"
    )
    ((where, *extras),) = [json.loads(line) for line in run("python", "-c", code).stdout.splitlines()]
    assert Path(where).is_relative_to(environment.parent)
    assert extras == []


@pytest.fixture(scope="module")
def models(run: Run, work: Path, table: Path) -> Path:
    """Return a folder of a baseline trained there, and of a network trained here, where TensorFlow is."""
    run("audio-genre", "train", "baseline", table, "models", "--variant", "gradient-boosting")
    train_tabular(table, work / "models", variant="adam-4", epochs=8)
    return work / "models"


@pytest.mark.parametrize("name", ["gradient-boosting-3s", "adam-4-3s"])
def test_a_clip_gets_the_answer_that_it_gets_here(run: Run, work: Path, models: Path, name: str) -> None:
    (clip,) = synthesis.write_dataset(work / "unseen", tracks_per_style=1, seconds=6.5, seed=1, styles=STYLES[:1])
    answer = json.loads(run("audio-genre", "classify", clip, "--model", models / name, "--json").stdout)
    # Versions of NumPy may differ, and with them the last digits.
    assert answer["probabilities"] == pytest.approx(Classifier(models / name).classify(clip).probabilities, abs=0.01)


def test_the_model_that_comes_with_the_package(run: Run, work: Path, environment: Path) -> None:
    (clip,) = synthesis.write_dataset(work / "unheard", tracks_per_style=1, seconds=6.5, seed=2, styles=STYLES[:1])
    answer = json.loads(run("audio-genre", "classify", clip, "--json").stdout)
    here = Classifier().classify(clip)
    assert (answer["model"], answer["genre"]) == (here.model, here.genre)
    assert answer["probabilities"] == pytest.approx(here.probabilities, abs=0.01)
    # In the package itself, not in a copy of the repository.
    where = run("python", "-c", "from audio_genre.inference.default import default_model; print(default_model())")
    bundled = Path(where.stdout.strip())
    assert bundled.is_relative_to(environment.parent)
    assert {path.name for path in bundled.iterdir()} == {path.name for path in default_model().iterdir()}


@pytest.mark.parametrize(
    ("command", "said", "written"),
    [
        (["audit", "audio"], "15 audio files, 3 classes", None),
        (["compare", "models", "comparison"], "adam-4-3s", "comparison/report.html"),
        (["explore", "features/features_3_sec.csv", "exploration"], "30 rows of 15 tracks", "exploration/report.html"),
        (
            ["organize", "audio", "--model", "models/adam-4-3s", "--database", "answers.sqlite"],
            "by adam-4-3s",
            "answers.sqlite",
        ),
    ],
    ids=["audit", "compare", "explore", "organize"],
)
def test_other_commands_do_their_job(
    run: Run, work: Path, models: Path, command: list[str], said: str, written: str | None
) -> None:
    assert said in run("audio-genre", *command).stdout
    assert written is None or (work / written).is_file()


@pytest.mark.parametrize(
    "command",
    [
        ["train", "tabular", "features/features_3_sec.csv", "networks"],
        ["train", "pictures", "features/images_original", "networks"],
        ["demo", "demonstration"],
    ],
    ids=["tabular", "pictures", "demo"],
)
def test_networks_ask_for_their_extra_and_write_nothing(run: Run, work: Path, table: Path, command: list[str]) -> None:
    before = sorted(work.rglob("*"))
    done = run("audio-genre", *command, status=2)
    assert done.stdout == ""
    assert done.stderr == (
        "audio-genre: Training a network needs TensorFlow, which is not installed; run "
        '`pip install "tensorflow>=2.18"`.\n'
    )
    assert sorted(work.rglob("*")) == before
