"""Arrays out of a checkpoint of TensorFlow (format V2), without TensorFlow.

The index is a table of LevelDB: blocks of entries, each with a key that shares its beginning with the one before, and a
block that tells where the others are. A value is a protocol buffer that tells type, shape, and place in the data file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_FLOAT = 1
# Fields of the message that describes an array.
_TYPE, _SHAPE, _OFFSET, _SIZE = 1, 2, 4, 5


def read_checkpoint(index: bytes, data: bytes) -> dict[str, NDArray[np.float32]]:
    """Return every array of single precision by its name; `ValueError` where the bytes are no such checkpoint."""
    try:
        return dict(_arrays(index, data))
    except (IndexError, KeyError, OverflowError, TypeError, UnicodeDecodeError, struct.error) as error:
        raise ValueError(f"no checkpoint ({type(error).__name__})") from None


def _arrays(index: bytes, data: bytes) -> Iterator[tuple[str, NDArray[np.float32]]]:
    footer = index[-_FOOTER:]
    if struct.unpack("<Q", footer[-8:])[0] != _MAGIC:
        raise ValueError("no index of a checkpoint")
    place = 0
    _, place = _number(footer, place)
    _, place = _number(footer, place)
    start, place = _number(footer, place)
    size, _ = _number(footer, place)
    for _, handle in _entries(index, start, size):
        start, place = _number(handle, 0)
        size, _ = _number(handle, place)
        for key, value in _entries(index, start, size):
            fields = _message(value)
            # The entry without a name describes the checkpoint.
            if not key or fields.get(_TYPE) != _FLOAT:
                continue
            offset, length = fields.get(_OFFSET, 0), fields[_SIZE]
            shape = tuple(_lengths(fields.get(_SHAPE, b"")))
            yield key.decode(), np.frombuffer(data[offset : offset + length], dtype="<f4").reshape(shape)


def _entries(index: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of a block."""
    if index[start + size]:
        raise ValueError("an index that is compressed")
    block = index[start : start + size]
    end = size - 4 - 4 * struct.unpack("<I", block[-4:])[0]
    place, key = 0, b""
    while place < end:
        shared, place = _number(block, place)
        own, place = _number(block, place)
        length, place = _number(block, place)
        key = key[:shared] + block[place : place + own]
        place += own
        yield key, block[place : place + length]
        place += length


def _lengths(shape: bytes) -> Iterator[int]:
    """Yield the lengths of the axes that a shape has."""
    place = 0
    while place < len(shape):
        _, place = _number(shape, place)
        size, place = _number(shape, place)
        yield int(_message(shape[place : place + size]).get(1, 0))
        place += size


def _message(content: bytes) -> dict[int, Any]:
    """Return the fields of a protocol buffer by their numbers."""
    fields: dict[int, Any] = {}
    place = 0
    while place < len(content):
        tag, place = _number(content, place)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            fields[number], place = _number(content, place)
        elif kind == 2:
            size, place = _number(content, place)
            fields[number] = content[place : place + size]
            place += size
        elif kind == 5:
            place += 4
        else:
            raise ValueError("a field of an unknown kind")
    return fields


def _number(content: bytes, place: int) -> tuple[int, int]:
    """Return a number of variable length, and where it ends."""
    value = shift = 0
    while True:
        byte = content[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
