from __future__ import annotations

import io
import json

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from audio_genre.dsp import GTZAN57
from audio_genre.dsp.picture import (
    OWN_PARAMETERS,
    TEXT_KEY,
    decode_picture,
    encode_picture,
    has_palette,
    quantise,
    shared_parameters,
)
from audio_genre.errors import ParameterError

MEL_DB = np.maximum(np.random.default_rng(0).normal(-40, 25, (128, 130)), -70).astype(np.float32)
MEL_DB = np.minimum(MEL_DB, 10)
MEL_DB[5, 7] = 10


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def test_one_pixel_a_frame_and_band_in_indexed_colour() -> None:
    image = opened(encode_picture(MEL_DB, recipe=GTZAN57))
    assert (image.format, image.mode, image.size) == ("PNG", "P", (130, 128))


def test_values_come_back_to_half_a_step() -> None:
    values, parameters = decode_picture(encode_picture(MEL_DB, recipe=GTZAN57))
    assert np.abs(values - MEL_DB).max() <= 80 / 255 / 2 + 1e-4
    assert (parameters["db_min"], parameters["db_max"]) == (-70, 10)


def test_the_lowest_band_is_at_the_bottom() -> None:
    rising = np.repeat(np.linspace(-80, 0, 128, dtype=np.float32)[:, None], 4, axis=1)
    pixels = np.asarray(opened(encode_picture(rising, recipe=GTZAN57)))
    assert pixels[-1, 0] == 0
    assert pixels[0, 0] == 255


def test_parameters_stand_in_the_text_chunk() -> None:
    parameters = json.loads(opened(encode_picture(MEL_DB, recipe=GTZAN57)).text[TEXT_KEY])
    assert parameters["recipe"] == "gtzan57-v1"
    assert {"sr", "n_fft", "hop_length", "n_mels", "top_db", "representation", "n_frames"} <= set(parameters)


def test_palette_is_the_colormap() -> None:
    palette = np.array(opened(encode_picture(MEL_DB, recipe=GTZAN57)).getpalette()).reshape(256, 3)
    assert np.array_equal(palette, mpl.colormaps["magma"](np.arange(256), bytes=True)[:, :3])


def test_other_sizes() -> None:
    assert opened(encode_picture(MEL_DB, recipe=GTZAN57, size=(432, 288))).size == (432, 288)
    with pytest.raises(ParameterError, match="got 0x288"):
        encode_picture(MEL_DB, recipe=GTZAN57, size=(0, 288))


def test_a_constant_spectrogram_is_a_picture_too() -> None:
    values, _ = decode_picture(encode_picture(np.full((128, 10), -100, np.float32), recipe=GTZAN57))
    assert np.all(values == -100)


def foreign(mode: str, text: str | None = None) -> bytes:
    file, info = io.BytesIO(), PngImagePlugin.PngInfo()
    if text is not None:
        info.add_text(TEXT_KEY, text)
    Image.new(mode, (4, 4)).save(file, format="PNG", pnginfo=info)
    return file.getvalue()


@pytest.mark.parametrize(
    "png",
    [b"", b"GIF89a", foreign("RGBA"), foreign("P"), foreign("P", "no json"), foreign("P", "{}"), foreign("P", "[]")],
    ids=["empty", "no png", "colours", "no text", "no json", "no values", "a list"],
)
def test_foreign_pictures_have_no_values(png: bytes) -> None:
    with pytest.raises(ParameterError, match="carries no values"):
        decode_picture(png)


def test_quantise_gives_the_indices_that_a_picture_holds() -> None:
    pixels = np.asarray(opened(encode_picture(MEL_DB, recipe=GTZAN57)))
    levels = quantise(MEL_DB, GTZAN57)
    assert levels.dtype == np.uint8
    assert np.array_equal(levels, pixels[::-1])


def test_what_pictures_of_a_recipe_share() -> None:
    own = json.loads(opened(encode_picture(MEL_DB, recipe=GTZAN57)).text[TEXT_KEY])
    assert shared_parameters(GTZAN57) == {key: value for key, value in own.items() if key not in OWN_PARAMETERS}
    assert set(OWN_PARAMETERS) < set(own)


def test_a_changed_palette_is_noticed() -> None:
    image = opened(encode_picture(MEL_DB, recipe=GTZAN57))
    palette = image.getpalette()
    assert has_palette(palette)
    assert not has_palette(palette[3:])
    assert not has_palette(None)
