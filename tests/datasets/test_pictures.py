from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from audio_genre.datasets import find_groups
from audio_genre.datasets.pictures import (
    BANDS,
    FRAMES_PER_COLUMN,
    Pictures,
    Representation,
    canonical,
    load_pictures,
)
from audio_genre.dsp import GTZAN57
from audio_genre.dsp.picture import TEXT_KEY, encode_picture, quantise
from audio_genre.errors import ParameterError, PictureError

GENRES = ("blues", "rock")


def mel(seed: int, n_frames: int = 40) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(-40, 15, (BANDS, n_frames)).astype(np.float32)


def spectrogram(seed: int, height: int = 60, width: int = 80) -> NDArray[np.uint8]:
    """Rows from the top of a picture; bright at the bottom, every picture another."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(20, 200, height)[:, None]
    return np.clip(slope + rng.normal(0, 20, (height, width)), 0, 255).astype(np.uint8)


def drawn(levels: NDArray[np.uint8], name: str = "viridis") -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(mpl.colormaps[name](levels / 255, bytes=True)[..., :3]))


def with_margin(image: Image.Image, margin: int = 10, colour: Any = "white") -> Image.Image:
    framed = Image.new(image.mode, (image.width + 2 * margin, image.height + 2 * margin), colour)
    framed.paste(image, (margin, margin))
    return framed


def write_own(folder: Path, per_genre: int = 3, n_frames: int = 41, **options: Any) -> None:
    for g, genre in enumerate(GENRES):
        (folder / genre).mkdir(parents=True, exist_ok=True)
        for k in range(per_genre):
            png = encode_picture(mel(10 * g + k, n_frames), recipe=GTZAN57, **options)
            (folder / genre / f"{genre}{k:05d}.png").write_bytes(png)


def write(folder: Path, make: Callable[[int], Image.Image], per_genre: int = 3, suffix: str = ".png") -> None:
    for g, genre in enumerate(GENRES):
        (folder / genre).mkdir(parents=True, exist_ok=True)
        for k in range(per_genre):
            make(10 * g + k).save(folder / genre / f"{genre}.{k:05d}{suffix}")


def seeds(per_genre: int = 3) -> list[int]:
    return [10 * g + k for g in range(len(GENRES)) for k in range(per_genre)]


def resized(levels: NDArray[np.uint8], size: tuple[int, int], how: Image.Resampling) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(np.ascontiguousarray(levels)).resize(size, how))


# Our own pictures


def test_own_pictures_hold_what_a_fresh_spectrogram_gives(tmp_path: Path) -> None:
    write_own(tmp_path)
    with load_pictures(tmp_path) as pictures:
        assert len(pictures) == 6
        assert pictures.classes == GENRES
        assert pictures.items.tolist()[:2] == ["blues00000.png", "blues00001.png"]
        assert pictures.lengths.tolist() == [21] * 6
        assert pictures.left_out == ()
        assert pictures.representation == Representation.of_recipe(GTZAN57)
        for row, seed in enumerate(seeds()):
            fresh = canonical(quantise(mel(seed, 41), GTZAN57), FRAMES_PER_COLUMN)
            assert np.array_equal(pictures.pixels(row), fresh)
        pictures.require_labels()


def test_representation_is_plain_data_without_what_differs_between_pictures(tmp_path: Path) -> None:
    write_own(tmp_path)
    with load_pictures(tmp_path) as pictures:
        content = json.loads(json.dumps(pictures.representation.as_json()))
    assert (content["name"], content["recipe"], content["frames_per_column"]) == ("mel-v1", "gtzan57-v1", 2)
    assert content["seconds_per_column"] == pytest.approx(2 * 512 / 22050)
    assert content["parameters"]["n_fft"] == 2048
    assert not {"db_min", "db_max", "n_frames"} & set(content["parameters"])
    assert hash(pictures.representation) == hash(Representation.of_recipe(GTZAN57))


def test_pictures_of_several_lengths(tmp_path: Path) -> None:
    write_own(tmp_path)
    (tmp_path / "rock/short.png").write_bytes(encode_picture(mel(5, 1), recipe=GTZAN57))
    with load_pictures(tmp_path) as pictures:
        assert pictures.lengths.tolist() == [21] * 6 + [1]
        assert np.array_equal(pictures.pixels(6), quantise(mel(5, 1), GTZAN57))


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 99))
def test_canonical_averages_over_time(n_frames: int, frames_per_column: int, seed: int) -> None:
    levels = np.random.default_rng(seed).integers(0, 256, (BANDS, n_frames), dtype=np.uint8)
    columns = canonical(levels, frames_per_column)
    expected = [
        np.floor(levels[:, start : start + frames_per_column].mean(axis=1) + 0.5)
        for start in range(0, n_frames, frames_per_column)
    ]
    assert columns.dtype == np.uint8
    assert np.array_equal(columns, np.stack(expected, axis=1))


@pytest.mark.parametrize(
    ("shape", "frames_per_column"), [((127, 4), 2), ((BANDS, 0), 2), ((BANDS, 4), 0), ((BANDS,), 2)]
)
def test_canonical_refuses_other_shapes(shape: tuple[int, ...], frames_per_column: int) -> None:
    with pytest.raises(ParameterError, match="128 bands"):
        canonical(np.zeros(shape, np.uint8), frames_per_column)


def test_own_pictures_in_another_size_are_another_representation(tmp_path: Path) -> None:
    write_own(tmp_path, size=(60, 64))
    with load_pictures(tmp_path) as pictures:
        assert pictures.representation.name == "mel-v1-resampled"
        assert pictures.representation.seconds_per_column is None
        assert pictures.representation.parameters["height"] == 64
        levels = resized(quantise(mel(0, 41), GTZAN57)[::-1], (60, 64), Image.Resampling.BILINEAR)
        expected = resized(levels, (60, BANDS), Image.Resampling.BILINEAR)[::-1]
        assert np.array_equal(pictures.pixels(0), expected)


def other_text(png: bytes, **changes: Any) -> bytes:
    image, file, text = Image.open(io.BytesIO(png)), io.BytesIO(), PngImagePlugin.PngInfo()
    text.add_text(TEXT_KEY, json.dumps(json.loads(image.info[TEXT_KEY]) | changes))
    image.save(file, format="PNG", pnginfo=text)
    return file.getvalue()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"top_db": 60.0}, r"blues/blues00000.png and rock/rock00001.png differ in top_db: 80.0 and 60.0;"),
        ({"recipe": "other-v1"}, "differ in recipe: gtzan57-v1 and other-v1;"),
        ({"representation": "mel-v2"}, "differ in representation: mel-v1 and mel-v2;"),
    ],
)
def test_own_pictures_must_share_their_parameters(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    write_own(tmp_path)
    path = tmp_path / "rock/rock00001.png"
    path.write_bytes(other_text(path.read_bytes(), **changes))
    with pytest.raises(PictureError, match=message):
        load_pictures(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"representation": "mel-v9"}, "'mel-v9', and this version reads 'mel-v1'"),
        ({"n_mels": 64}, "has 64 mel bands"),
        ({"recipe": "other-v1"}, "cannot be used: The recipe 'other-v1' is unknown"),
        ({"n_fft": 4096}, "say recipe 'gtzan57-v1' with n_fft=4096, and the recipe has 2048"),
        ({"amin": None}, "say recipe 'gtzan57-v1' with amin=None, and the recipe has 1e-10"),
    ],
)
@pytest.mark.parametrize("rows", [None, "clips"])
def test_unknown_pictures_of_our_own_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str, rows: Any
) -> None:
    write_own(tmp_path)
    for path in tmp_path.glob("*/*.png"):
        path.write_bytes(other_text(path.read_bytes(), **changes))
    with pytest.raises(PictureError, match=message):
        load_pictures(tmp_path, rows=rows)


def test_sizes_of_own_pictures_must_not_be_mixed(tmp_path: Path) -> None:
    write_own(tmp_path)
    (tmp_path / "rock/rock00009.png").write_bytes(encode_picture(mel(1), recipe=GTZAN57, size=(432, 288)))
    with pytest.raises(PictureError, match="differ in size: 41x128 pixels and 432x288 pixels"):
        load_pictures(tmp_path)


def test_own_and_foreign_pictures_must_not_be_mixed(tmp_path: Path) -> None:
    write_own(tmp_path)
    drawn(spectrogram(1)).save(tmp_path / "blues/aaa.png")
    with pytest.raises(PictureError, match=r"such as blues/blues00000.png, with others, such as blues/aaa.png"):
        load_pictures(tmp_path)


@pytest.mark.parametrize("text", ["no json", "{}", "[]", "null", '{"n_frames": null}', "[" * 100000])
def test_own_pictures_with_spoiled_parameters_are_left_out(tmp_path: Path, text: str) -> None:
    write_own(tmp_path)
    path = tmp_path / "rock/rock00001.png"
    image, info = Image.open(path), PngImagePlugin.PngInfo()
    image.load()
    info.add_text(TEXT_KEY, text)
    image.save(path, pnginfo=info)
    with load_pictures(tmp_path) as pictures:
        assert len(pictures) == 5
    assert pictures.left_out == (
        "rock/rock00001.png is left out, because it is damaged (its own parameters cannot be read).",
    )


def test_own_pictures_whose_palette_was_changed_are_left_out(tmp_path: Path) -> None:
    write_own(tmp_path)
    path = tmp_path / "rock/rock00001.png"
    image, info = Image.open(path), PngImagePlugin.PngInfo()
    info.add_text(TEXT_KEY, image.info[TEXT_KEY])
    image.convert("RGB").quantize(64).save(path, pnginfo=info)
    with load_pictures(tmp_path) as pictures:
        assert len(pictures) == 5
    assert "another program changed its palette" in pictures.left_out[0]


# Foreign pictures


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".PNG", ".gif"])
@pytest.mark.parametrize("name", ["viridis", "cool", "gray"])
def test_foreign_pictures_are_read_by_their_colours(tmp_path: Path, name: str, suffix: str) -> None:
    write(tmp_path, lambda seed: drawn(spectrogram(seed, BANDS), name), suffix=suffix)
    with load_pictures(tmp_path) as pictures:
        assert (pictures.representation.name, pictures.representation.colormap) == ("foreign", name)
        assert pictures.lengths.tolist() == [80] * 6
        assert set(pictures.groups) == {f"{genre}/{genre}.{k:05d}{suffix}" for genre in GENRES for k in range(3)}
        for row, seed in enumerate(seeds()):
            difference = pictures.pixels(row).astype(int) - spectrogram(seed, BANDS)[::-1]
            assert np.abs(difference).max() <= 1


@pytest.mark.parametrize(("suffix", "tolerance"), [(".jpg", 6), (".webp", 6)])
def test_lossy_pictures_are_read_roughly(tmp_path: Path, suffix: str, tolerance: float) -> None:
    smooth = [resized(spectrogram(seed, 16, 10), (80, BANDS), Image.Resampling.BILINEAR) for seed in range(20)]
    write(tmp_path, lambda seed: with_margin(drawn(smooth[seed]), 16), suffix=suffix)
    with load_pictures(tmp_path) as pictures:
        assert pictures.representation.colormap == "viridis"
        # The colour of an edge bleeds a pixel far.
        assert abs(pictures.lengths - 80).max() <= 2
        for row, seed in enumerate(seeds()):
            expected = resized(smooth[seed], (int(pictures.lengths[row]), BANDS), Image.Resampling.BILINEAR)
            assert np.abs(pictures.pixels(row).astype(int) - expected[::-1]).mean() < tolerance


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "I;16", "1"])
def test_every_colour_mode_is_read(tmp_path: Path, mode: str) -> None:
    def make(seed: int) -> Image.Image:
        levels = spectrogram(seed, BANDS)
        if mode == "I;16":
            return Image.fromarray(levels.astype(np.uint16) * 257)
        return Image.fromarray(levels).convert(mode)

    write(tmp_path, make)
    with load_pictures(tmp_path) as pictures:
        assert pictures.representation.colormap == "gray"
        expected = np.asarray(make(0).convert("L") if mode == "1" else Image.fromarray(spectrogram(0, BANDS)))[::-1]
        assert np.abs(pictures.pixels(0).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("per_genre", [1, 3])
@pytest.mark.parametrize("colour", [(255, 255, 255, 255), (0, 0, 0, 0)])
def test_white_and_transparent_margins_are_cut(tmp_path: Path, per_genre: int, colour: tuple[int, ...]) -> None:
    write(tmp_path, lambda seed: with_margin(drawn(spectrogram(seed, BANDS)).convert("RGBA"), 7, colour), per_genre)
    with load_pictures(tmp_path) as pictures:
        for row, seed in enumerate(seeds(per_genre)):
            assert np.abs(pictures.pixels(row).astype(int) - spectrogram(seed, BANDS)[::-1]).max() <= 1


def test_margins_of_pictures_of_a_size_of_their_own_are_cut_alike(tmp_path: Path) -> None:
    def make(seed: int) -> Image.Image:
        levels = spectrogram(seed, BANDS, 60 + seed)
        if seed == 1:
            levels[:20] = 255
        return with_margin(drawn(levels, "gray"))

    write(tmp_path, make)
    with load_pictures(tmp_path) as pictures:
        for row, seed in enumerate(seeds()):
            expected = spectrogram(seed, BANDS, 60 + seed)
            if seed == 1:
                expected[:20] = 255
            assert np.abs(pictures.pixels(row).astype(int) - expected[::-1]).max() <= 1


@pytest.mark.parametrize("title", [False, True])
@pytest.mark.parametrize("colormap", ["magma", "viridis", "jet"])
def test_axes_colorbar_and_title_are_cut(tmp_path: Path, colormap: str, title: bool) -> None:
    boxes = []

    def make(seed: int) -> Image.Image:
        figure = Figure(figsize=(5, 3.5), dpi=80)
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        image = axes.imshow(
            np.ma.asarray(spectrogram(seed, BANDS, 200)), cmap=colormap, vmin=0, vmax=255, aspect="auto",
            interpolation="nearest", extent=(0, 30, 0, 11025),
        )  # fmt: skip
        axes.set_xlabel("Time")
        axes.set_ylabel("Hz")
        if title:
            axes.set_title(f"song number {seed}")
        figure.colorbar(image, format="%+2.0f dB")
        canvas.draw()
        boxes.append(axes.get_window_extent())
        return Image.fromarray(np.asarray(canvas.buffer_rgba()))

    write(tmp_path, make, per_genre=4)
    with load_pictures(tmp_path) as pictures:
        assert pictures.representation.colormap == colormap
        assert abs(pictures.lengths[0] - boxes[0].width) <= 2
        assert abs(pictures.representation.parameters["height"] - boxes[0].height) <= 2
        expected = resized(spectrogram(0, BANDS, 200), (int(pictures.lengths[0]), BANDS), Image.Resampling.BOX)[::-1]
        error = np.abs(pictures.pixels(0).astype(int) - expected)[2:-2, 2:-2]
        assert error.mean() < 12
        assert np.corrcoef(pictures.pixels(0).mean(axis=1), expected.mean(axis=1))[0, 1] > 0.99


@pytest.mark.parametrize("colormap", ["viridis", "gray", "magma"])
def test_a_band_that_is_silent_in_every_picture_is_no_border(tmp_path: Path, colormap: str) -> None:
    def levels(seed: int) -> NDArray[np.uint8]:
        silent = spectrogram(seed, BANDS)
        silent[:9] = 0
        silent[:, :4] = 0
        silent[20, 20] = 0
        return silent

    for margin, folder in ((0, tmp_path / "plain"), (12, tmp_path / "framed")):
        write(folder, lambda seed, margin=margin: with_margin(drawn(levels(seed), colormap), margin))
        with load_pictures(folder) as pictures:
            assert pictures.lengths.tolist() == [80] * 6
            assert np.abs(pictures.pixels(0).astype(int) - levels(0)[::-1]).max() <= 1


def test_equal_or_blank_pictures_are_not_cut_away(tmp_path: Path) -> None:

    def blank(seed: int) -> Image.Image:
        image = Image.new("L", (30, BANDS), 255)
        # A folder of nothing else is refused.
        image.putpixel((15, 60), 255 if seed else 0)
        return image

    write(tmp_path / "blank", blank)
    with load_pictures(tmp_path / "blank") as pictures:
        assert pictures.lengths.tolist() == [30] * 6
    write(tmp_path / "equal", lambda seed: drawn(spectrogram(0, BANDS)))
    with load_pictures(tmp_path / "equal") as pictures:
        assert np.abs(pictures.pixels(5).astype(int) - spectrogram(0, BANDS)[::-1]).max() <= 1

    def dot(seed: int) -> Image.Image:
        image = drawn(spectrogram(0, BANDS))
        image.putpixel((40, 60), (0, seed, 0))
        return image

    write(tmp_path / "one pixel", dot)
    with load_pictures(tmp_path / "one pixel") as pictures:
        assert pictures.lengths.tolist() == [80] * 6


@pytest.mark.parametrize("shade", [lambda seed: 0, lambda seed: 255, lambda seed: 10 * seed])
@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_a_folder_of_pictures_of_one_colour_each_is_refused(
    tmp_path: Path, mode: str, shade: Callable[[int], int]
) -> None:
    write(
        tmp_path,
        lambda seed: Image.new(
            "RGB" if mode == "RGB" else mode, (30, 60), 3 * (shade(seed),) if mode == "RGB" else shade(seed)
        ),
    )
    with pytest.raises(PictureError, match=r"All 6 pictures in .* are of one colour each, such as blues/blues\.00000"):
        load_pictures(tmp_path)


@pytest.mark.parametrize("bits", [8, 10, 12, 15, 16])
def test_grey_values_of_16_bits_are_read_by_the_range_of_the_folder(tmp_path: Path, bits: int) -> None:
    def levels(seed: int) -> NDArray[np.uint8]:
        # One picture of all takes the whole range; the others are no darker for it.
        return np.maximum(spectrogram(seed, BANDS), 255 * (seed == 12) * np.eye(BANDS, 80, dtype=np.uint8)) // (
            1 + (seed < 5)
        )

    write(tmp_path, lambda seed: Image.fromarray(levels(seed).astype(np.uint16) << (bits - 8)))
    with load_pictures(tmp_path) as pictures:
        assert pictures.representation.parameters["bits"] == bits
        for number, seed in enumerate(seeds()):
            assert np.abs(pictures.pixels(number).astype(int) - levels(seed)[::-1]).max() <= 1


def test_deep_and_plain_pictures_of_one_folder_are_of_one_range(tmp_path: Path) -> None:
    def picture(seed: int) -> Image.Image:
        levels = spectrogram(seed, BANDS)
        return Image.fromarray(levels if seed < 10 else levels.astype(np.uint16))

    write(tmp_path, picture)
    with load_pictures(tmp_path) as pictures:
        for number, seed in enumerate(seeds()):
            assert np.abs(pictures.pixels(number).astype(int) - spectrogram(seed, BANDS)[::-1]).max() <= 1


@pytest.mark.parametrize(
    ("height", "how"), [(300, Image.Resampling.BOX), (50, Image.Resampling.BILINEAR), (256, Image.Resampling.BOX)]
)
def test_any_height_becomes_the_number_of_bands(tmp_path: Path, height: int, how: Image.Resampling) -> None:
    write(tmp_path, lambda seed: Image.fromarray(spectrogram(seed, height)))
    with load_pictures(tmp_path) as pictures:
        expected = resized(spectrogram(0, height), (80, BANDS), how)[::-1]
        assert np.abs(pictures.pixels(0).astype(int) - expected).max() <= 2


def test_wide_pictures_are_averaged_over_time(tmp_path: Path) -> None:
    write(tmp_path, lambda seed: Image.fromarray(spectrogram(seed, BANDS, 1400)))
    Image.fromarray(spectrogram(99, BANDS, 90)).save(tmp_path / "rock/short.png")
    with load_pictures(tmp_path) as pictures:
        assert pictures.representation.parameters["pixels_per_column"] == 3
        assert pictures.lengths.tolist() == [467] * 6 + [30]
        assert np.abs(pictures.pixels(6).astype(int) - canonical(spectrogram(99, BANDS, 90)[::-1], 3)).max() <= 1


def test_a_picture_of_another_height_is_a_scaled_copy(tmp_path: Path) -> None:
    write(tmp_path, lambda seed: drawn(spectrogram(seed, BANDS)))
    smooth = resized(spectrogram(50, 16, 10), (80, BANDS), Image.Resampling.BILINEAR)
    copy = drawn(smooth).resize((160, 2 * BANDS), Image.Resampling.BILINEAR)
    copy.save(tmp_path / "rock/zoomed.png")
    with load_pictures(tmp_path) as pictures:
        assert pictures.lengths.tolist() == [80] * 7
        assert np.abs(pictures.pixels(6).astype(int) - smooth[::-1]).mean() < 3


def test_a_picture_in_another_colormap_is_named(tmp_path: Path) -> None:
    write(tmp_path, lambda seed: drawn(spectrogram(seed)))
    drawn(spectrogram(5), "plasma").save(tmp_path / "rock/other.png")
    with pytest.raises(PictureError, match=r"rock/other.png is drawn in another colormap than the rest \(viridis\)"):
        load_pictures(tmp_path)


def test_pictures_of_many_colormaps_are_no_folder(tmp_path: Path) -> None:
    names = ["viridis", "jet", "cool", "hot", "magma", "coolwarm"]
    write(tmp_path, lambda seed: drawn(spectrogram(seed), names[seeds().index(seed)]))
    with pytest.raises(PictureError, match=r"blues.00000.png is drawn in the colormap viridis and blues/blues.00001"):
        load_pictures(tmp_path)


def test_pictures_of_no_colormap_are_read_by_brightness(tmp_path: Path) -> None:
    def make(seed: int) -> Image.Image:
        return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (BANDS, 80, 3), dtype=np.uint8))

    write(tmp_path, make)
    with load_pictures(tmp_path) as pictures:
        assert pictures.representation.colormap == "luminance"
        assert np.array_equal(pictures.pixels(0), np.asarray(make(0).convert("L"))[::-1])


def test_a_jpeg_among_png_files_fits(tmp_path: Path) -> None:
    smooth = resized(spectrogram(50, 16, 10), (80, BANDS), Image.Resampling.BILINEAR)
    write(tmp_path, lambda seed: drawn(spectrogram(seed, BANDS)))
    drawn(smooth).save(tmp_path / "rock/rock.00001.jpg", quality=90)
    with load_pictures(tmp_path) as pictures:
        assert len(pictures) == 7
        same_stem = pictures.groups[pictures.items == "rock.00001.jpg"]
        assert same_stem.tolist() == pictures.groups[pictures.items == "rock.00001.png"].tolist()


# Tracks


def test_numbered_pictures_are_segments_of_a_track(tmp_path: Path) -> None:
    write(tmp_path, lambda seed: drawn(spectrogram(seed)), per_genre=0)
    for genre in GENRES:
        for track in range(4):
            for k in range(track // 3, 4):  # the first segment of the last track was taken out
                drawn(spectrogram(9 * track + k)).save(tmp_path / genre / f"{genre}.{track:05d}.{k}.png")
    with load_pictures(tmp_path) as pictures:
        assert sorted(set(pictures.groups)) == [f"{genre}/{genre}.0000{k}.png" for genre in GENRES for k in range(4)]
        expected = find_groups(pictures.items.tolist(), folders=pictures.labels.tolist())
        assert pictures.groups.tolist() == expected


def test_numbered_pictures_that_are_tracks_can_be_called_so(tmp_path: Path) -> None:
    write(tmp_path, lambda seed: drawn(spectrogram(seed)), per_genre=0)
    for genre in GENRES:
        for k in range(4):
            drawn(spectrogram(k)).save(tmp_path / genre / f"take.{k}.png")
    with load_pictures(tmp_path) as pictures:
        assert set(pictures.groups) == {f"{genre}/take.png" for genre in GENRES}
        assert "--rows clips" in pictures.grouping.note
        assert pictures.options == ()
    with load_pictures(tmp_path, rows="clips") as pictures:
        assert len(set(pictures.groups)) == len(pictures)
        assert pictures.grouping.certain
        assert pictures.options == ("--rows", "clips")


def test_parts_of_a_track_in_two_folders_are_refused(tmp_path: Path) -> None:
    write(tmp_path, lambda seed: drawn(spectrogram(seed)), per_genre=2)
    for genre, k in zip(GENRES, range(2), strict=False):
        drawn(spectrogram(k)).save(tmp_path / genre / f"song.{k}.png")
    with pytest.raises(
        PictureError, match=r"has 1 track with parts in several genres, such as 'song.png'.*--rows clips"
    ):
        load_pictures(tmp_path)
    with load_pictures(tmp_path, rows="clips") as pictures:
        assert len(set(pictures.groups)) == len(pictures)


def test_windows_of_a_long_file_are_one_track_and_numbered_clips_are_not(tmp_path: Path) -> None:
    write_own(tmp_path, per_genre=1)
    clip = 1 + 30 * 22050 // 512
    for name, n_frames in (
        ("live.0.png", clip),
        ("live.1.png", clip),
        ("live.2.png", 300),
        ("take.0.png", 70),
        ("take.1.png", 90),
    ):
        (tmp_path / "rock" / name).write_bytes(encode_picture(mel(3, n_frames), recipe=GTZAN57))
    with load_pictures(tmp_path) as pictures:
        assert pictures.groups.tolist() == [
            "blues/blues00000.png",
            *["rock/live.png"] * 3,
            "rock/rock00000.png",
            "rock/take.0.png",
            "rock/take.1.png",
        ]


# Folders


def test_only_pictures_are_read_and_the_hash_is_theirs(tmp_path: Path) -> None:
    write_own(tmp_path / "a")
    write_own(tmp_path / "b")
    for name in (".DS_Store", "Thumbs.db", "notes.txt", "._blues00000.png", ".hidden.png"):
        (tmp_path / "b/blues" / name).write_bytes(b"no picture")
    (tmp_path / "b/.git").mkdir()
    with load_pictures(tmp_path / "a") as one, load_pictures(tmp_path / "b") as other:
        assert one.items.tolist() == other.items.tolist()
        assert one.sha256 == other.sha256
        assert other.left_out == ()
    (tmp_path / "b/blues/blues00000.png").rename(tmp_path / "b/blues/other.png")
    with load_pictures(tmp_path / "b") as renamed:
        assert renamed.sha256 != one.sha256
    (tmp_path / "b/blues/other.png").rename(tmp_path / "b/blues/blues00000.png")
    (tmp_path / "b/blues/blues00000.png").write_bytes((tmp_path / "b/blues/blues00001.png").read_bytes())
    with load_pictures(tmp_path / "b") as changed:
        assert changed.sha256 != one.sha256


def png_with_size(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (1, 1)).save(file, format="PNG")
    data = bytearray(file.getvalue())
    data[16:24] = width.to_bytes(4) + height.to_bytes(4)
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4)
    return bytes(data)


GOOD = encode_picture(mel(1), recipe=GTZAN57)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty, damaged or no PNG, JPEG, WebP, BMP or GIF file"),
        (b"hello", "is empty, damaged or no PNG"),
        (GOOD[:20], "is damaged|is empty, damaged"),
        (GOOD[:1500], "is damaged"),
        (GOOD[: len(GOOD) // 2], "is damaged"),
        (GOOD[:2000] + b"\0" * 500 + GOOD[2500:], "is damaged"),
        (png_with_size(9000, 9000), "has 9000x9000 pixels, and 25 million is the limit"),
        (png_with_size(60000, 60000), "has too many pixels"),
        (png_with_size(0, 0), "is empty, damaged|is damaged"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "is damaged|is empty, damaged"),
    ],
    ids=["empty", "text", "header", "palette", "half", "spoiled", "large", "bomb", "no pixels", "signature"],
)
def test_broken_files_are_left_out_with_a_sentence(tmp_path: Path, content: bytes, reason: str) -> None:
    write_own(tmp_path)
    (tmp_path / "rock/broken.png").write_bytes(content)
    with load_pictures(tmp_path) as pictures:
        assert len(pictures) == 6
    assert len(pictures.left_out) == 1
    start, _, rest = pictures.left_out[0].partition(", because it ")
    assert start == "rock/broken.png is left out"
    assert re.match(reason, rest)
    assert rest.endswith(".")
    for path in (tmp_path / "rock").glob("rock*.png"):
        path.write_bytes(content)
    with pytest.raises(PictureError, match=r"No picture of the class 'rock' in .* can be used, such as: rock/"):
        load_pictures(tmp_path)


def test_a_picture_longer_than_a_day_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, lambda seed: drawn(spectrogram(seed)))
    drawn(spectrogram(3, 1, 5000)).save(tmp_path / "rock/line.png")
    with load_pictures(tmp_path) as pictures:
        assert len(pictures) == 6
    assert "it would have 300000 columns" in pictures.left_out[0]


def make_nothing(folder: Path) -> Path:
    return folder / "missing"


def make_file(folder: Path) -> Path:
    (folder / "file.png").write_bytes(GOOD)
    return folder / "file.png"


def make_empty(folder: Path) -> Path:
    return folder


def make_loose(folder: Path) -> Path:
    (folder / "a.png").write_bytes(GOOD)
    return folder


def make_no_pictures(folder: Path) -> Path:
    for genre in GENRES:
        (folder / genre).mkdir()
        (folder / genre / "a.wav").write_bytes(b"")
    return folder


def make_one_class(folder: Path) -> Path:
    write_own(folder)
    for path in (folder / "rock").iterdir():
        path.unlink()
    return folder


def make_one_level_too_high(folder: Path) -> Path:
    write_own(folder / "images_original")
    (folder / "extraction.json").write_text("{}")
    return folder


def make_two_levels_too_high(folder: Path) -> Path:
    write_own(folder / "out/images_original")
    return folder


def make_two_subsets(folder: Path) -> Path:
    write_own(folder / "test")
    write_own(folder / "train")
    return folder


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (make_nothing, r"There is no folder .*missing; give one"),
        (make_file, r"file.png is a file; give a folder"),
        (make_empty, r"holds no sub-folders; put the pictures of each genre in a sub-folder"),
        (make_loose, r"holds pictures, but no sub-folders; put the pictures of each genre in a sub-folder"),
        (make_no_pictures, r"holds no pictures in its sub-folders"),
        (make_one_class, r"has only the class 'blues'; a classifier needs at least two"),
        (make_one_level_too_high, r"holds folders of folders, .*; did you mean \S*/images_original\?"),
        (make_two_levels_too_high, r"holds folders of folders, .*; did you mean \S*/out/images_original\?"),
        (make_two_subsets, r"holds folders of folders, .*; did you mean \S*/test\?"),
    ],
)
def test_bad_folders_get_a_clear_sentence(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    with pytest.raises(PictureError, match=message) as caught:
        load_pictures(make(tmp_path))
    assert str(caught.value).count(". ") == 0


def test_folders_inside_a_genre_belong_to_it(tmp_path: Path) -> None:
    for genre, artist in (("blues", "king"), ("rock", "queen")):
        (tmp_path / genre / artist).mkdir(parents=True)
        (tmp_path / genre / artist / "song.png").write_bytes(GOOD)
    (tmp_path / "notes").mkdir()
    (tmp_path / "cover.png").write_bytes(GOOD)
    with load_pictures(tmp_path) as pictures:
        assert pictures.labels.tolist() == ["blues", "rock"]
        assert pictures.items.tolist() == ["king/song.png", "queen/song.png"]
    assert pictures.left_out == (
        "The folder notes is left out, because it holds no pictures.",
        "cover.png is left out, because it lies in no sub-folder, which would be its genre.",
    )


def test_links_that_lead_in_circles(tmp_path: Path) -> None:
    write_own(tmp_path)
    (tmp_path / "blues/again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "blues/self.png").symlink_to("self.png")
    (tmp_path / "same").symlink_to(tmp_path / "rock", target_is_directory=True)
    with load_pictures(tmp_path) as pictures:
        assert len(pictures) == 6
    assert any(text.startswith("The folder blues/again is left out, because a link") for text in pictures.left_out)
    assert any(text.startswith("blues/self.png is left out, because it cannot be read") for text in pictures.left_out)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_folders_and_files_are_told(tmp_path: Path) -> None:
    write_own(tmp_path)
    (tmp_path / "rock/secret").mkdir(mode=0)
    (tmp_path / "rock/rock00000.png").chmod(0)
    with load_pictures(tmp_path) as pictures:
        assert len(pictures) == 5
    assert [text for text in pictures.left_out if "Permission denied" in text] == list(pictures.left_out)
    (tmp_path / "rock").chmod(0)
    try:
        with pytest.raises(PictureError, match="rock cannot be read: Permission denied; make it readable"):
            load_pictures(tmp_path)
    finally:
        (tmp_path / "rock").chmod(0o755)


def test_odd_names(tmp_path: Path) -> None:
    names = ["<script>.png", "new\nline.png", "é ü.PNG", "a.b.c.png", "🎵.png", os.fsdecode(b"\xff\xfe.png"), "'\".png"]
    for genre in ("NA", "1980", "<b>"):
        (tmp_path / genre).mkdir()
        for name in names:
            (tmp_path / genre / name).write_bytes(GOOD)
    with load_pictures(tmp_path) as pictures:
        assert pictures.classes == ("1980", "<b>", "NA")
        assert sorted(set(pictures.items)) == sorted(names)
        assert len(set(pictures.groups)) == len(pictures) == 21


# Memory, files and interruption


def test_many_pixels_go_to_a_file_without_a_name(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    write_own(tmp_path / "own")
    with (
        load_pictures(tmp_path / "own") as in_memory,
        load_pictures(tmp_path / "own", cache_dir=cache, memory_limit=0) as in_file,
    ):
        assert isinstance(in_file._store, np.memmap)
        assert list(cache.iterdir()) == []
        assert in_file.sha256 == in_memory.sha256
        for row in range(len(in_memory)):
            assert np.array_equal(in_file.pixels(row), in_memory.pixels(row))
    with pytest.raises(ParameterError, match="have been closed"):
        in_file.pixels(0)


def test_no_room_for_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_own(tmp_path / "own")
    with pytest.raises(PictureError, match=r"missing cannot hold them: No such file or directory"):
        load_pictures(tmp_path / "own", cache_dir=tmp_path / "missing", memory_limit=0)
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(PictureError, match=r"has 0.0 GB left; give a folder for temporary files with more room"):
        load_pictures(tmp_path / "own", cache_dir=tmp_path, memory_limit=0)


def test_progress_counts_every_picture_twice(tmp_path: Path) -> None:
    write_own(tmp_path)
    calls: list[tuple[int, int, str]] = []
    load_pictures(tmp_path, progress=lambda *call: calls.append(call)).close()
    assert [done for done, _, _ in calls] == [*range(1, 7), *range(1, 7)]
    assert {total for _, total, _ in calls} == {6}


def test_an_interruption_leaves_nothing_behind(tmp_path: Path) -> None:
    write_own(tmp_path / "own")
    cache = tmp_path / "cache"
    cache.mkdir()

    def interrupt(done: int, total: int, what: str) -> None:
        if what == "reading" and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_pictures(tmp_path / "own", progress=interrupt, cache_dir=cache, memory_limit=0)
    assert list(cache.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_killed_process_leaves_nothing_behind(tmp_path: Path) -> None:
    write_own(tmp_path / "own")
    cache = tmp_path / "cache"
    cache.mkdir()
    code = (
        "import os, signal, sys\n"
        "from audio_genre.datasets.pictures import load_pictures\n"
        "load_pictures(sys.argv[1], cache_dir=sys.argv[2], memory_limit=0, progress=lambda done, total, what:\n"
        "    os.kill(os.getpid(), signal.SIGKILL) if what == 'reading' else None)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "own", cache], check=False)
    assert done.returncode == -signal.SIGKILL
    assert list(cache.iterdir()) == []


def test_one_class_cannot_be_learned_from(tmp_path: Path) -> None:
    write_own(tmp_path)
    pictures = load_pictures(tmp_path)
    values = {name: getattr(pictures, name) for name in (field.name for field in fields(Pictures))}
    with pytest.raises(PictureError, match="has only the class 'rock'"):
        Pictures(**values | {"labels": np.full(6, "rock")}).require_labels()


# Real pictures


def test_real_foreign_pictures(shared_data: Path) -> None:
    folder = shared_data / "gtzan/mel_images"
    with load_pictures(folder) as pictures:
        assert len(pictures) == 1000
        assert len(pictures.classes) == 10
        assert pictures.left_out == ()
        assert pictures.representation.colormap == "cool"
        assert set(pictures.lengths.tolist()) == {173}
        assert len(set(pictures.groups.tolist())) == 1000
        # Music is louder in the lower half of the mel bands.
        means = np.mean([pictures.pixels(row).mean(axis=1) for row in range(0, 1000, 50)], axis=0)
        assert means[: BANDS // 2].mean() > means[BANDS // 2 :].mean()
