"""Checkpoints of TensorFlow are read without it, and whatever is not one is a ValueError."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_musicnn import TINY, checkpoint, random_arrays

from audio_genre.encoders.checkpoint import read_checkpoint

ARRAYS = random_arrays()
INDEX, DATA = checkpoint(ARRAYS)


def test_every_array_comes_back() -> None:
    found = read_checkpoint(INDEX, DATA)
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
    assert TINY.pack(found) == TINY.pack(ARRAYS)


def test_what_tensorflow_writes_is_read(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    arrays = {f"layer_{k}/kernel": np.random.default_rng(k).normal(size=(k + 1, 3)).astype("f4") for k in range(200)}
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "c"),
        tensor_names=[*arrays, "steps"],
        shape_and_slices=[""] * (len(arrays) + 1),
        tensors=[*map(tf.constant, arrays.values()), tf.constant(7)],
    )
    found = read_checkpoint((tmp_path / "c.index").read_bytes(), (tmp_path / "c.data-00000-of-00001").read_bytes())
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


@given(st.integers(0, len(INDEX) - 1))
def test_a_cut_index_is_a_value_error(end: int) -> None:
    with pytest.raises(ValueError, match=r"checkpoint|index|field|reshape|buffer"):
        read_checkpoint(INDEX[:end], DATA)


@given(st.integers(0, len(INDEX) - 1), st.integers(0, 255))
def test_an_altered_index_gives_arrays_or_a_value_error(place: int, value: int) -> None:
    with suppress(ValueError):
        read_checkpoint(INDEX[:place] + bytes([value]) + INDEX[place + 1 :], DATA)
