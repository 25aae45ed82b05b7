from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_genre.dsp import median
from audio_genre.dsp.median import running_median
from audio_genre.errors import ParameterError


def expected(x: np.ndarray, size: int) -> np.ndarray:
    return scipy.ndimage.median_filter(x, size=(size, 1), mode="reflect")


@settings(max_examples=60)
@given(
    n=st.integers(1, 120),
    m=st.integers(1, 40),
    taps=st.sampled_from([3, 7, 15, 31]),
    distinct=st.integers(1, 50),
    seed=st.integers(0, 2**16),
)
def test_equals_scipy(n: int, m: int, taps: int, distinct: int, seed: int) -> None:
    # Few distinct values make many ties.
    values = np.concatenate(([0.0, np.inf, 1e-45], np.random.default_rng(seed).standard_normal(distinct)))
    x = np.random.default_rng(seed + 1).choice(values, size=(n, m)).astype(np.float32)
    assert np.array_equal(running_median(x, taps), expected(x, taps))


@pytest.mark.parametrize("n", [15, 16, 17, 31, 32, 33, 47, 48, 49, 130, 1025])
def test_every_remainder_of_a_group(n: int) -> None:
    x = np.random.default_rng(n).random((n, 5), dtype=np.float32)
    assert np.array_equal(running_median(x), expected(x, 31))


def test_chunks_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).random((64, 333), dtype=np.float32)
    monkeypatch.setattr(median, "_NETWORK_ELEMENTS", 100)
    assert np.array_equal(running_median(x), expected(x, 31))


def test_filters_along_the_other_axis_through_transposed_views() -> None:
    x = np.random.default_rng(0).random((50, 70), dtype=np.float32)
    out = np.empty_like(x)
    running_median(x.T, out=out.T)
    assert np.array_equal(out, scipy.ndimage.median_filter(x, size=(1, 31), mode="reflect"))


@pytest.mark.parametrize("size", [1, 2, 5, 16, 30, 33])
def test_refuses_sizes_it_has_no_network_for(size: int) -> None:
    with pytest.raises(ParameterError, match=f"got {size}"):
        running_median(np.zeros((100, 2), dtype=np.float32), size)
