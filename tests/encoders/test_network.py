"""The network in NumPy against its definition in TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tiny_musicnn import TINY, random_arrays

from audio_genre.encoders.layout import BANDS, FRAMES, TEMPORAL, TIMBRAL, MusicnnLayout
from audio_genre.encoders.network import MusicnnNetwork


def patches(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2, 0.6, (n, FRAMES, BANDS)).astype(np.float32)


def defined(arrays: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """The network as its publication describes it, layer by layer."""
    tf = pytest.importorskip("tensorflow")

    def normalised(y: Any, number: int) -> Any:
        name = f"batch_normalization_{number}" if number else "batch_normalization"
        gamma, beta, mean, variance = (
            arrays[f"{name}/{part}"] for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return tf.nn.batch_normalization(y, mean, variance, beta, gamma, 1e-3)

    def convolved(y: Any, number: int, padding: str) -> Any:
        name = f"conv2d_{number}" if number else "conv2d"
        y = tf.nn.conv2d(y, arrays[f"{name}/kernel"], 1, padding) + arrays[f"{name}/bias"]
        return normalised(tf.nn.relu(y), number + 1)

    def padded(y: Any) -> Any:
        return tf.pad(y, [[0, 0], [3, 3], [0, 0], [0, 0]])

    y = normalised(x[..., None], 0)
    front = [tf.reduce_max(convolved(padded(y), k, "VALID"), 2) for k in range(len(TIMBRAL))]
    front += [tf.reduce_max(convolved(y, len(TIMBRAL) + k, "SAME"), 2) for k in range(len(TEMPORAL))]
    layers = [tf.concat(front, 2)[..., None]]
    for k in range(3):
        z = tf.transpose(convolved(padded(layers[-1]), 5 + k, "VALID"), [0, 1, 3, 2])
        layers.append(z + layers[-1] if k else z)
    over_time = tf.concat(layers, 2)
    pooled = tf.concat([tf.reduce_max(over_time, 1), tf.reduce_mean(over_time, 1)], 2)
    flat = normalised(tf.reshape(pooled, (len(x), -1)), 9)
    hidden = normalised(tf.nn.relu(flat @ arrays["dense/kernel"] + arrays["dense/bias"]), 10)
    return tf.sigmoid(hidden @ arrays["dense_1/kernel"] + arrays["dense_1/bias"]).numpy()


@pytest.mark.parametrize(("layout", "n"), [(TINY, 5), (MusicnnLayout(), 2)])
def test_it_gives_what_its_definition_gives(layout: MusicnnLayout, n: int) -> None:
    arrays = random_arrays(layout)
    x = patches(n)
    found = MusicnnNetwork(arrays)(x)
    assert found.shape == (n, 50)
    assert found.std(axis=0).max() > 1e-3, "the patches must make a difference"
    np.testing.assert_allclose(found, defined(arrays, x), atol=1e-5)


def test_patches_do_not_touch_each_other() -> None:
    network = MusicnnNetwork(random_arrays())
    x = patches(3)
    together = network(x)
    np.testing.assert_allclose(together, np.concatenate([network(x[k : k + 1]) for k in range(3)]), atol=1e-6)
    assert network(x[:0]).shape == (0, 50)
