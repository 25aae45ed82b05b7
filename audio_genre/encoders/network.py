"""MusiCNN in NumPy: patches of a log mel spectrogram to probabilities of tags.

Two kinds of filters see a patch: timbral ones span many bands and few frames, temporal ones one band and many frames;
each keeps its maximum over the bands. Three layers over time with shortcuts follow, then maximum and mean over time,
and two dense layers. Batch normalisation is a factor and an offset.

Nearly all work is in the timbral filters, so these take the fast algorithm for short convolutions of Toom and Cook
along time: ten products for each four outputs of a filter of seven frames, where the definition takes twenty-eight.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from audio_genre.encoders.layout import BANDS, CONTEXT, FRAMES, TEMPORAL, TIMBRAL

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EPSILON = 1e-3  # of batch normalisation, the default of TensorFlow
_TILE = 4
_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 1.5, -1.5)
# Patches worked on together: more would leave the cache.
_TOGETHER = 2


class _Scale(NamedTuple):
    """Batch normalisation: a factor and an offset for each filter."""

    factor: NDArray[np.float32]
    offset: NDArray[np.float32]

    def __call__(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        return x * self.factor + self.offset


class _Pooled(NamedTuple):
    """A convolution, ReLU and normalisation of which only the maximum over the bands is kept.

    The kernel has the sign of the factor, so that the maximum can be taken of what it gives.
    """

    kernel: NDArray[np.float32]
    sign: NDArray[np.float32]
    bias: NDArray[np.float32]
    scale: _Scale

    def finish(self, largest: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the maximum of the layer from that of the convolution."""
        return self.scale(np.maximum(largest * self.sign + self.bias, 0))


class _Layer(NamedTuple):
    """Weights, bias and normalisation of a layer that is one matrix product."""

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    scale: _Scale

    def __call__(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        return self.scale(np.maximum(x @ self.kernel + self.bias, 0))


class MusicnnNetwork:
    """The network, made of the arrays of its checkpoint."""

    def __init__(self, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        def scale(number: int) -> _Scale:
            name = f"batch_normalization_{number}" if number else "batch_normalization"
            gamma, beta, mean, variance = (
                arrays[f"{name}/{part}"].astype(np.float64)
                for part in ("gamma", "beta", "moving_mean", "moving_variance")
            )
            factor = gamma / np.sqrt(variance + _EPSILON)
            return _Scale(factor.astype(np.float32), (beta - mean * factor).astype(np.float32))

        def kernel(number: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            name = f"conv2d_{number}" if number else "conv2d"
            return arrays[f"{name}/kernel"][:, :, 0], arrays[f"{name}/bias"]

        def pooled(number: int) -> _Pooled:
            weights, bias = kernel(number)
            normalised = scale(number + 1)
            sign = np.where(normalised.factor < 0, np.float32(-1), np.float32(1))
            return _Pooled(np.ascontiguousarray(weights * sign), sign, bias, normalised)

        def context(number: int) -> _Layer:
            weights, bias = kernel(number)
            return _Layer(weights.reshape(-1, weights.shape[-1]), bias, scale(number + 1))

        pools, last = len(TIMBRAL) + len(TEMPORAL), len(TIMBRAL) + len(TEMPORAL) + 3
        self._outputs, self._filter, self._inputs = _short_convolution(_TILE, TIMBRAL[0][0], _POINTS)
        self._normalise = scale(0)
        self._timbral = [
            each._replace(kernel=self._transformed(each.kernel)) for each in map(pooled, range(len(TIMBRAL)))
        ]
        self._temporal = [each._replace(kernel=each.kernel[:, 0]) for each in map(pooled, range(len(TIMBRAL), pools))]
        self._context = [context(number) for number in range(pools, last)]
        self._flat = scale(last + 1)
        self._dense = _Layer(arrays["dense/kernel"], arrays["dense/bias"], scale(last + 2))
        self._last = arrays["dense_1/kernel"], arrays["dense_1/bias"]

    def __call__(self, patches: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities of the tags of patches, shape (n, 187, 96), as shape (n, n_tags)."""
        normalised = self._normalise(patches)
        # Its products are small: threads would mostly wait for each other, and for long on a busy machine.
        with _blas().limit(limits=1, user_api="blas"):
            parts = [self._tags(normalised[k : k + _TOGETHER]) for k in range(0, len(patches), _TOGETHER)]
        return np.concatenate(parts) if parts else np.empty((0, len(self._last[1])), dtype=np.float32)

    def _tags(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        front = np.concatenate([*self._timbral_parts(x), *self._temporal_parts(x)], axis=2)
        features = [front]
        for k, layer in enumerate(self._context):
            y = layer(_around(features[-1], CONTEXT))
            features.append(y + features[-1] if k else y)
        over_time = np.concatenate(features, axis=2)
        pooled = np.stack([over_time.max(axis=1), over_time.mean(axis=1)], axis=2)
        weights, bias = self._last
        logits = self._dense(self._flat(pooled.reshape(len(x), -1))) @ weights + bias
        tags: NDArray[np.float32] = 1 / (1 + np.exp(-logits))
        return tags

    def _transformed(self, kernel: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.ascontiguousarray(np.einsum("pi,ijn->pjn", self._filter, kernel), dtype=np.float32)

    def _timbral_parts(self, x: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return the maxima over the bands of what the timbral filters give, shape (n, frames, filters) each."""
        taps, tiles = TIMBRAL[0][0], -(-FRAMES // _TILE)
        before = taps // 2
        padded = np.pad(x, ((0, 0), (before, tiles * _TILE + taps - 1 - FRAMES - before), (0, 0)))
        cut = np.lib.stride_tricks.sliding_window_view(padded, _TILE + taps - 1, axis=1)[:, ::_TILE]
        points = np.ascontiguousarray(np.moveaxis(cut @ self._inputs.T, 3, 0)).reshape(len(self._filter), -1, BANDS)
        parts = []
        for layer in self._timbral:
            bands, filters = layer.kernel.shape[1:]
            products = np.empty((*points.shape[:2], filters), dtype=np.float32)
            values = np.empty((_TILE, points.shape[1] * filters), dtype=np.float32)
            largest = np.full_like(values, -np.inf)
            for lowest in range(BANDS - bands + 1):
                np.matmul(points[:, :, lowest : lowest + bands], layer.kernel, out=products)
                np.matmul(self._outputs, products.reshape(len(products), -1), out=values)
                np.maximum(largest, values, out=largest)
            in_time = largest.reshape(_TILE, len(x), tiles, filters).transpose(1, 2, 0, 3)
            parts.append(layer.finish(in_time.reshape(len(x), -1, filters)[:, :FRAMES]))
        return parts

    def _temporal_parts(self, x: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return the maxima over the bands of what the temporal filters give, shape (n, frames, filters) each."""
        longest = max(TEMPORAL)
        before = (longest - 1) // 2
        padded = np.pad(x, ((0, 0), (before, longest - 1 - before), (0, 0)))
        cut = np.lib.stride_tricks.sliding_window_view(padded, longest, axis=1)
        largest = [np.full((len(x) * FRAMES, len(layer.bias)), -np.inf, dtype=np.float32) for layer in self._temporal]
        for band in range(BANDS):
            frames = cut[:, :, band].reshape(-1, longest)
            for layer, so_far in zip(self._temporal, largest, strict=True):
                taps = len(layer.kernel)
                first = before - (taps - 1) // 2
                np.maximum(so_far, frames[:, first : first + taps] @ layer.kernel, out=so_far)
        return [
            layer.finish(so_far.reshape(len(x), FRAMES, -1))
            for layer, so_far in zip(self._temporal, largest, strict=True)
        ]


@cache
def _blas() -> Any:
    """Return what sets the number of threads of NumPy's matrix products."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _around(x: NDArray[np.float32], taps: int) -> NDArray[np.float32]:
    """Return each frame with those around it, shape (n, frames, taps * filters)."""
    padded = np.pad(x, ((0, 0), (taps // 2, taps // 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, taps, axis=1)
    return windows.transpose(0, 1, 3, 2).reshape(*x.shape[:2], -1)


def _short_convolution(
    outputs: int, taps: int, points: tuple[float, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float32]]:
    """Return the matrices A, G, B of a fast correlation, whose outputs are ``A @ ((G @ filter) * (B @ inputs))``.

    Two polynomials are multiplied by their values at points, infinity being the last; a correlation is that transposed.

    References
    ----------
    Winograd, "Arithmetic Complexity of Computations", 1980.
    """

    def values(count: int) -> NDArray[np.float64]:
        return np.vstack([np.vander(points, count, increasing=True), np.eye(count)[-1]])

    back = np.linalg.inv(values(outputs + taps - 1))
    return values(outputs).T.astype(np.float32), values(taps), back.T.astype(np.float32)
