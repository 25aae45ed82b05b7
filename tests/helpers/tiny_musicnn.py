"""A network of MusiCNN's layout with random weights and few filters, in a package file like the published one."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from audio_genre.encoders.catalogue import MUSICNN, Encoder
from audio_genre.encoders.layout import MusicnnLayout

TINY = MusicnnLayout(timbral=3, temporal=2, context=4, hidden=5)


def random_arrays(layout: MusicnnLayout = TINY, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw weights that let something of the patch through every layer, factors of both signs among them."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for name, shape in layout.arrays():
        if name.endswith("variance"):
            array = rng.uniform(0.5, 2, shape)
        elif name.endswith("kernel"):
            array = rng.normal(0, 1 / np.sqrt(np.prod(shape[:-1])), shape)
        elif name.endswith("gamma"):
            array = rng.choice([-1, 1], shape) * rng.uniform(0.5, 1.5, shape)
        else:
            array = rng.normal(0, 0.3, shape)
        arrays[name] = array.astype(np.float32)
    return arrays


def _number(value: int) -> bytes:
    content = bytearray()
    while True:
        value, low = value >> 7, value & 127
        content.append(low | (128 if value else 0))
        if not value:
            return bytes(content)


def _block(entries: list[tuple[bytes, bytes]]) -> bytes:
    body = b"".join(_number(0) + _number(len(k)) + _number(len(v)) + k + v for k, v in entries)
    return body + struct.pack("<II", 0, 1)


def checkpoint(arrays: dict[str, np.ndarray]) -> tuple[bytes, bytes]:
    """Write index and data of a checkpoint of TensorFlow, two blocks of entries long."""
    data, entries = b"", [(b"", b"\x08\x01")]
    for name, array in sorted(arrays.items()):
        axes = b"".join(b"\x12" + _number(len(axis)) + axis for axis in (b"\x08" + _number(n) for n in array.shape))
        value = b"\x08\x01\x12" + _number(len(axes)) + axes + b"\x20" + _number(len(data)) + b"\x28"
        value += _number(array.nbytes) + b"\x35" + bytes(4)
        entries.append((name.encode(), value))
        data += array.tobytes()
    index, handles = b"", []
    for part in (entries[: len(entries) // 2], entries[len(entries) // 2 :]):
        block = _block(part)
        handles.append((part[-1][0], _number(len(index)) + _number(len(block))))
        index += block + bytes(5)
    last = _block(handles)
    footer = _number(0) + _number(0) + _number(len(index)) + _number(len(last))
    return index + last + bytes(5) + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57), data


def package(folder: Path, layout: MusicnnLayout = TINY, seed: int = 0) -> tuple[Path, Encoder]:
    """Write a package file with such a network; return it with its entry in the catalogue."""
    arrays = random_arrays(layout, seed)
    index, data = checkpoint(arrays)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{MUSICNN.checkpoint}/.index", index)
        archive.writestr(f"{MUSICNN.checkpoint}/.data-00000-of-00001", data)
    path = folder / MUSICNN.file
    path.write_bytes(file.getvalue())
    entry = dataclasses.replace(
        MUSICNN,
        file_bytes=len(file.getvalue()),
        file_sha256=hashlib.sha256(file.getvalue()).hexdigest(),
        layout=layout,
        weights_sha256=hashlib.sha256(layout.pack(arrays)).hexdigest(),
    )
    return path, entry


def use(monkeypatch: pytest.MonkeyPatch, folder: Path, entry: Encoder) -> None:
    """Have the recipe and the command take this network, kept in a folder."""
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: folder)
    monkeypatch.setattr("audio_genre.dsp.musicnn50.MUSICNN", entry)
    monkeypatch.setattr("audio_genre.encoders.ENCODERS", {entry.name: entry})
