from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from audio_genre.cli import app
from audio_genre.errors import ExtractionError, ParameterError
from audio_genre.extraction import verify as module
from audio_genre.extraction.verify import verify


def write(path: Path, sr: int, seconds: float = 3.5, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    t = np.arange(round(sr * seconds)) / sr
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 330 * t) + 0.05 * rng.standard_normal(len(t)), sr)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["verify", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("music")
    for number, sr in enumerate((22050, 44100, 8000, 48000)):
        write(path / "genre" / f"{number}.wav", sr, seed=number)
    return path


def test_all_features_are_equal_at_any_sampling_rate(folder: Path) -> None:
    found = verify(folder, clips=4)
    assert found.is_equal, [each for each in found.differences if not each.is_equal]
    assert sorted(found.clips) == [f"genre/{number}.wav" for number in range(4)]
    assert len(found.differences) == 57


def test_a_wrong_feature_is_found_and_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = module.feature_matrix

    def wrong(*arguments: object) -> np.ndarray:
        row = right(*arguments)  # type: ignore[arg-type]
        row[0, 5] *= 1.001
        return row

    monkeypatch.setattr(module, "feature_matrix", wrong)
    result = run(folder, "--clips", 1)
    assert result.exit_code == 1
    assert "1 of 57 features differ" in result.stdout
    assert [line.split()[0] for line in result.stdout.splitlines() if line.endswith("differs")] == [
        "spectral_centroid_var"
    ]


def test_a_bad_file_is_told_and_another_takes_its_place(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"no audio")
    write(tmp_path / "b.wav", 22050)
    result = run(tmp_path, "--clips", 1, "--json")
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content["clips"] == ["b.wav"]
    assert content["equal"] is True
    assert content["failures"][0].startswith("a.wav ")


def test_what_cannot_be_compared_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ExtractionError, match="No audio files"):
        verify(tmp_path)
    (tmp_path / "a.wav").write_bytes(b"no audio")
    with pytest.raises(ExtractionError, match="None of the files"):
        verify(tmp_path)
    with pytest.raises(ExtractionError, match="cannot be read"):
        verify(tmp_path / "missing")
    with pytest.raises(ParameterError, match="at least 1; got 0"):
        verify(tmp_path, clips=0)
    assert run(tmp_path).exit_code == 2
