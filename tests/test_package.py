from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version

import pytest

import audio_genre
from audio_genre import errors

HEAVY = ["numpy", "scipy", "librosa", "pandas", "matplotlib", "tensorflow", "keras", "sklearn", "plotly", "soundfile"]


def loaded_by(code: str) -> list[str]:
    """Which heavy modules a fresh process has after running some code."""
    check = f"import sys, json; print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{check}"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def run_cli(*arguments: str) -> str:
    return f"""
import sys
from audio_genre.cli import main
sys.argv = ["audio-genre", *{list(arguments)!r}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""


HELP = (
    [],
    ["extract"],
    ["train", "tabular"],
    ["train", "baseline"],
    ["train", "pictures"],
    ["train", "cnn"],
    ["explore"],
    ["audit"],
    ["compare"],
    ["classify"],
    ["organize"],
    ["serve"],
    ["spotify"],
    ["spotify", "login"],
    ["spotify", "playlists"],
    ["verify"],
    ["demo"],
)


def test_import_and_help_load_nothing_heavy() -> None:
    """In one process, which tells after each command what heavy modules are loaded so far."""
    steps = {"import": "import audio_genre", "--version": run_cli("--version")}
    steps |= {f"{' '.join(command)} --help": run_cli(*command, "--help") for command in HELP}
    lines = ["import json, sys", "found = {}"]
    for name, step in steps.items():
        lines += [step, f"found[{name!r}] = [name for name in {HEAVY} if name in sys.modules]"]
    code = "\n".join([*lines, "print(json.dumps(found))"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {name: [] for name in steps}


def test_features_load_numpy_alone() -> None:
    assert loaded_by("import numpy; from audio_genre import features; features(numpy.ones(4096), 22050)") == ["numpy"]


@pytest.mark.parametrize("name", audio_genre.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert name in dir(audio_genre)
    assert getattr(audio_genre, name).__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'extrct'"):
        audio_genre.extrct  # noqa: B018


def test_features_stay_a_function_when_their_module_is_imported() -> None:
    code = "import numpy, audio_genre, audio_genre.dsp.matrix; assert audio_genre.features(numpy.ones(4096), 22050)"
    assert loaded_by(code) == ["numpy"]


def test_version_is_the_distributions() -> None:
    assert audio_genre.__version__ == version("audio-genre")


@pytest.mark.parametrize("name", [n for n in vars(errors) if n.endswith("Error")])
def test_every_error_is_of_the_one_tree(name: str) -> None:
    assert issubclass(getattr(errors, name), audio_genre.AudioGenreError)
