"""Outputs that are closed, full or broken off: the status is true, and there is one sentence where there can be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")

SHIPPED = Path(__file__).parents[2] / "models/shipped"
COMMANDS = ("extract", "audit", "explore", "train", "compare", "classify", "organize", "demo")
FULL = "cannot be written or read: No space left on device.\n"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("music") / "a clip.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(22050 * 5), 22050)
    return path


def run(redirections: str, *arguments: object) -> tuple[int, str, str]:
    """Run the command under a shell; return status, output and errors."""
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {redirections}', "sh", sys.executable, "-m", "audio_genre", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def run_into_a_broken_pipe(*arguments: object) -> tuple[int, str]:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "audio_genre", *map(str, arguments)],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            timeout=120,
            check=False,
        )
    finally:
        os.close(writing)
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", [*COMMANDS, "--version"])
def test_without_an_output_nothing_is_begun(command: str, clip: Path) -> None:
    arguments = [command] if command == "--version" else [command, clip]
    status, _, errors = run(">&-", *arguments)
    assert status == 2
    assert errors == (
        "audio-genre: the standard output is closed, so there is nowhere to print to; redirect it to a file, or to "
        "/dev/null.\n"
    )
    assert run(">&- 2>&-", *arguments) == (2, "", "")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"], ["train", "pictures", "--help"]])
def test_help_that_cannot_be_written(arguments: list[str]) -> None:
    status, _, errors = run("> /dev/full", *arguments)
    assert (status, errors) == (
        2,
        "audio-genre: the output cannot be written: No space left on device; redirect it to another file.\n",
    )
    assert run_into_a_broken_pipe(*arguments) == (1, "")
    assert run("2>&-", *arguments)[0] == 0
    assert run("2>/dev/full", *arguments)[0] == 0


@pytest.mark.parametrize("command", ["classify", "classify --json", "organize", "compare", "audit", "extract"])
def test_results_that_cannot_be_written(command: str, clip: Path, tmp_path: Path) -> None:
    name, *options = command.split()
    arguments = {
        "classify": [clip],
        "organize": [clip.parent, "--database", tmp_path / "library.db"],
        "compare": [SHIPPED, tmp_path / "report"],
        "audit": [clip.parent],
        "extract": [clip.parent, tmp_path / "out"],
    }[name]
    status, _, errors = run("> /dev/full", name, *arguments, *options)
    assert status == 2
    assert errors.endswith(FULL)
    assert "Traceback" not in errors
    if name == "compare":
        # Twice the same pictures would take long.
        return
    status, errors = run_into_a_broken_pipe(name, *arguments, *options)
    assert status == 1
    assert "Traceback" not in errors
    # Without the other stream, the answer and the status are those that they would have been.
    if name == "classify":
        plain = run("", name, *arguments, *options)
        assert plain[:2] != (0, "")
        assert run("2>&-", name, *arguments, *options)[:2] == plain[:2]
        assert run("2>/dev/full", name, *arguments, *options)[:2] == plain[:2]


def test_errors_that_cannot_be_written_leave_their_status(tmp_path: Path, clip: Path) -> None:
    for redirection in ("2>&-", "2>/dev/full"):
        assert run(redirection, "classify", tmp_path / "absent.wav")[0] == 2
        assert run(redirection, "classify", clip, tmp_path / "absent.wav")[0] == 1
        assert run(redirection, "classify", "--no-such-option")[0] == 2


def test_a_closed_output_is_no_file_of_ours(clip: Path, tmp_path: Path) -> None:
    """A file that is opened while the errors are closed must not get their number, and with it what is said."""
    status, _, _ = run("0<&- 2>&-", "organize", clip.parent, "--database", tmp_path / "library.db")
    assert status in (0, 1)
    assert (tmp_path / "library.db").read_bytes().startswith(b"SQLite format 3")
