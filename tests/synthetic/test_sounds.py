from __future__ import annotations

import itertools

import numpy as np
import pytest

from audio_genre.synthetic.sounds import NO_MUSIC, SR, no_music


@pytest.mark.parametrize("kind", NO_MUSIC)
def test_every_kind_is_audible_and_repeatable(kind: str) -> None:
    y = no_music(kind, seconds=3, seed=1)
    assert y.shape == (3 * SR,)
    assert y.dtype == np.float32
    assert np.isfinite(y).all()
    assert 0.05 <= np.abs(y).max() <= 0.9 + 1e-6
    np.testing.assert_array_equal(y, no_music(kind, seconds=3, seed=1))
    assert not np.array_equal(y, no_music(kind, seconds=3, seed=2))


@pytest.mark.parametrize(("kind", "slope"), [("white noise", 0), ("pink noise", -1), ("brown noise", -2)])
def test_noise_falls_with_frequency_as_it_should(kind: str, slope: int) -> None:
    power = np.abs(np.fft.rfft(no_music(kind, seconds=20))) ** 2
    f = np.fft.rfftfreq(20 * SR, 1 / SR)
    edges = np.geomspace(50, 8000, 12)
    octaves = [power[(f >= low) & (f < high)].mean() for low, high in itertools.pairwise(edges)]
    found = np.polyfit(np.log(np.sqrt(edges[1:] * edges[:-1])), np.log(octaves), 1)[0]
    assert found == pytest.approx(slope, abs=0.1)
