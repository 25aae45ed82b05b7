"""``audio-genre extract``: exit codes, another try, labels of one's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from audio_genre.cli import app


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    folder = tmp_path / "audio"
    (folder / "hum").mkdir(parents=True)
    (folder / "hum/empty.wav").touch()
    return folder


def write_hum(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.5 * np.sin(np.arange(66150) * 0.1), 22050)


def test_exit_status_tells_all_from_some(audio: Path, tmp_path: Path) -> None:
    arguments = ("extract", audio, tmp_path / "out", "--jobs", 1, "--no-images")
    result = run(*arguments)
    assert result.exit_code == 2
    assert "empty.wav is empty (0 bytes)." in result.stderr
    assert "1 file could not be used" in result.stdout
    write_hum(audio / "hum/hum.wav")
    assert run(*arguments).exit_code == 1
    (audio / "hum/empty.wav").unlink()
    assert run(*arguments).exit_code == 0


def test_retry_failed(audio: Path, tmp_path: Path) -> None:
    write_hum(audio / "hum/hum.wav")
    arguments = ("extract", audio, tmp_path / "out", "--jobs", 1, "--no-images")
    run(*arguments)
    assert "is empty" not in run(*arguments).stderr
    result = run(*arguments, "--retry-failed")
    assert "hum/empty.wav is empty (0 bytes)." in result.stderr
    assert "a retry was requested" in result.stderr


def test_labels_of_a_table(audio: Path, tmp_path: Path) -> None:
    (audio / "hum/empty.wav").unlink()
    write_hum(audio / "hum/1.wav")
    write_hum(audio / "hum/2.wav")
    table = tmp_path / "labels.csv"
    table.write_text("track;mood;genre\n00001;calm;drone\n")
    arguments = ("extract", audio, tmp_path / "out", "--jobs", 1, "--labels", table)
    result = run(*arguments)
    assert result.exit_code == 0, result.stderr
    assert "Labels of 1 of 2 audio files are in" in result.stderr
    assert (tmp_path / "out/images_original/drone/hum/1.png").exists()
    assert "0 clips extracted" in run(*arguments, "--label-column", "mood").stdout
    assert (tmp_path / "out/images_original/calm/hum/1.png").exists()
    result = run(*arguments, "--label-column", "tempo")
    assert result.exit_code == 2
    assert "has no column 'tempo' besides the names; it has 'track', 'mood', 'genre'." in result.stderr
