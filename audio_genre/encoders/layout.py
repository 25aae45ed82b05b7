"""The layers of MusiCNN: names in the checkpoint, shapes, and the one file that the weights are kept in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FRAMES, BANDS = 187, 96
"""Frames and mel bands of a patch."""

TIMBRAL = ((7, 38), (7, 67))
"""Frames and bands of the filters that listen to timbre: 0.4 and 0.7 of the bands."""

TEMPORAL = (128, 64, 32)
"""Frames of the filters that listen to rhythm."""

CONTEXT = 7
"""Frames of the filters of the dense layers."""


@dataclass(frozen=True)
class MusicnnLayout:
    """Size of each layer; the defaults are those of the published network.

    Weights are kept as one file: little-endian single precision, every array of `arrays` in turn, in C order. It has
    one length and one SHA-256, which is all that has to be checked.

    Attributes
    ----------
    timbral, temporal : int
        Number of filters of each timbral and of each temporal convolution.
    context : int
        Number of filters of each dense layer.
    hidden : int
        Size of the last hidden layer.
    outputs : int
        Number of tags.
    """

    timbral: int = 204
    temporal: int = 51
    context: int = 64
    hidden: int = 200
    outputs: int = 50

    def arrays(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield name and shape of every array, in the order of the file."""
        front = len(TIMBRAL) * self.timbral + len(TEMPORAL) * self.temporal
        pooled = 2 * (front + 3 * self.context)
        kernels = (
            *((frames, bands, 1, self.timbral) for frames, bands in TIMBRAL),
            *((frames, 1, 1, self.temporal) for frames in TEMPORAL),
            (CONTEXT, front, 1, self.context),
            (CONTEXT, self.context, 1, self.context),
            (CONTEXT, self.context, 1, self.context),
        )
        yield from _normalisation(0, 1)
        for number, kernel in enumerate(kernels):
            yield from _weights("conv2d", number, kernel)
            yield from _normalisation(number + 1, kernel[-1])
        yield from _normalisation(len(kernels) + 1, pooled)
        yield from _weights("dense", 0, (pooled, self.hidden))
        yield from _normalisation(len(kernels) + 2, self.hidden)
        yield from _weights("dense", 1, (self.hidden, self.outputs))

    @property
    def n_bytes(self) -> int:
        """Size of the file."""
        return 4 * sum(prod(shape) for _, shape in self.arrays())

    def pack(self, arrays: Mapping[str, NDArray[np.float32]]) -> bytes:
        """Return the content of the file."""
        import numpy as np

        parts = []
        for name, shape in self.arrays():
            if arrays[name].shape != shape:
                raise ValueError(f"{name} has the shape {arrays[name].shape} and not {shape}")
            parts.append(np.ascontiguousarray(arrays[name], dtype="<f4").tobytes())
        return b"".join(parts)

    def unpack(self, content: bytes) -> dict[str, NDArray[np.float32]]:
        """Return the arrays of a file of the right size."""
        import numpy as np

        numbers = np.frombuffer(content, dtype="<f4")
        arrays, start = {}, 0
        for name, shape in self.arrays():
            arrays[name] = numbers[start : start + prod(shape)].reshape(shape)
            start += prod(shape)
        return arrays


def _named(base: str, number: int) -> str:
    return f"{base}_{number}" if number else base


def _weights(base: str, number: int, shape: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    name = _named(base, number)
    yield f"{name}/kernel", shape
    yield f"{name}/bias", shape[-1:]


def _normalisation(number: int, size: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    name = _named("batch_normalization", number)
    for part in ("gamma", "beta", "moving_mean", "moving_variance"):
        yield f"{name}/{part}", (size,)
