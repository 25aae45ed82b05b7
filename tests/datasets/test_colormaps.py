from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from audio_genre.datasets.colormaps import LUMINANCE, ColormapReader, continuous_colormaps, find_colormap
from audio_genre.errors import ParameterError

ALL = sorted(name for name in mpl.colormaps if not name.endswith("_r") and mpl.colormaps[name].N >= 256)
GREY = {"gray", "grey", "gist_gray", "gist_grey", "binary", "gist_yarg", "gist_yerg", "Greys", "Grays"}
# These show the same colours at several levels, so that a colour does not tell the level.
REPEATING = {"flag", "prism"}
COMMON = ["viridis", "magma", "inferno", "plasma", "jet", "turbo"]


def spectrogram(seed: int, size: tuple[int, int] = (172, 173)) -> NDArray[np.uint8]:
    """Smooth partials on a falling slope, with some noise: every level occurs."""
    rng = np.random.default_rng(seed)
    height, width = np.linspace(1, 0, size[0])[:, None], np.arange(size[1])[None]
    smooth = 150 * (1 - height) + 90 * np.sin(width / 9 + 11 * height + seed) ** 2
    return np.clip(smooth + rng.normal(0, 8, size), 0, 255).astype(np.uint8)


def drawn(levels: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    return np.ascontiguousarray(mpl.colormaps[name](levels / 255, bytes=True)[..., :3])


def as_jpeg(rgb: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, format="JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def resized(values: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BILINEAR))


def samples(pictures: list[NDArray[np.uint8]], n: int = 100) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(1)
    return [rgb.reshape(-1, 3)[rng.integers(rgb.size // 3, size=n)] for rgb in pictures]


PICTURES = [spectrogram(seed) for seed in range(5)]


@pytest.mark.parametrize("name", ALL)
def test_every_colormap_is_found_and_inverted(name: str) -> None:
    pictures = [drawn(levels, name) for levels in PICTURES]
    found, distances = find_colormap(samples(pictures))
    assert distances.max() < 0.5
    read, distance = ColormapReader(found).read(pictures[0])
    assert distance < 0.5
    # Wherever a level is read that was not drawn, the map has the same colour at both, but for rounding.
    assert np.abs(drawn(read, found).astype(int) - pictures[0]).max() <= 3
    if name in GREY:
        assert found == "gray"
        order = np.argsort(pictures[0][..., 0], axis=None)
        assert (np.diff(read.reshape(-1)[order].astype(int)) >= 0).all()
    elif name not in REPEATING | {"twilight_shifted"}:
        assert found == name
        assert np.abs(read.astype(int) - PICTURES[0]).max() <= 2  # jet has one colour four times


def test_a_shifted_map_is_its_original() -> None:
    assert "twilight" in continuous_colormaps()
    assert "twilight_shifted" not in continuous_colormaps()


@pytest.mark.parametrize("name", [*COMMON, "gray", "hot", "coolwarm"])
@pytest.mark.parametrize("quality", [75, 95])
def test_jpeg_keeps_the_values_roughly(name: str, quality: int) -> None:
    pictures = [as_jpeg(drawn(levels, name), quality) for levels in PICTURES]
    found, _ = find_colormap(samples(pictures, 400))
    assert found == name
    read, _ = ColormapReader(found).read(pictures[0])
    assert np.abs(read.astype(int) - PICTURES[0]).mean() < 8


@pytest.mark.parametrize("name", COMMON)
@pytest.mark.parametrize("size", [(120, 110), (432, 288)])
def test_colours_blended_by_resizing_stay_sensible(name: str, size: tuple[int, int]) -> None:
    pictures = [resized(drawn(levels, name), size) for levels in PICTURES]
    found, _ = find_colormap(samples(pictures, 400))
    assert found == name
    read, _ = ColormapReader(found).read(pictures[0])
    error = np.abs(read.astype(int) - resized(PICTURES[0], size))
    assert error.mean() < 4
    assert np.median(error) <= 2


def test_colours_of_no_colormap_are_read_by_brightness() -> None:
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (5, 20, 20, 3), dtype=np.uint8)
    assert find_colormap(samples(list(rgb)))[0] == LUMINANCE
    read, distance = ColormapReader(LUMINANCE).read(rgb[0])
    assert distance == 0
    assert np.abs(read - rgb[0] @ [0.299, 0.587, 0.114]).max() <= 1


def test_pictures_of_another_map_are_far_away() -> None:
    pictures = [drawn(levels, "viridis") for levels in PICTURES]
    found, distances = find_colormap(samples([*pictures, drawn(PICTURES[0], "magma")]))
    assert found == "viridis"
    assert distances[:5].max() == 0
    assert distances[5] > 20


@pytest.mark.parametrize("name", ["no such map", "tab10", "viridis_r", ""])
def test_only_continuous_maps_are_known(name: str) -> None:
    with pytest.raises(ParameterError, match="no continuous colormap"):
        ColormapReader(name)
