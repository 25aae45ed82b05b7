"""Mel spectrograms as pictures that carry their data: indexed-colour PNG, the index is the quantised dB value."""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.errors import ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audio_genre.dsp.parameters import SpectralParameters

TEXT_KEY = "audio_genre"
"""Keyword of the PNG text chunk that holds the picture's parameters as JSON."""

REPRESENTATION = "mel-v1"
"""Name and version of what the pixels mean."""

OWN_PARAMETERS = ("n_frames", "db_min", "db_max")
"""Keys of the text chunk that belong to one picture; all others are the same in every picture of a recipe."""

# Matplotlib's magma, written out: importing matplotlib takes longer than making a dozen pictures.
_PALETTE = base64.b64decode(
    "AAADAAAEAAAGAQAHAQEJAQELAgINAgIPAwMRBAMTBAQVBQQXBgUZBwUbCAYdCQcfCgciCwgkDAkmDQooDgoqDwssEAwvEQwxEg0zFA01FQ44"
    "Fg46Fw88GA8/GhBBGxBEHBBGHhBJHxFLIBFNIhFQIxFSJRFVJhFXKBFZKhFcKxFeLRBgLxBiMBBlMhBnNBBoNQ9qNw9sOQ9uOw9vPA9xPg9y"
    "QA9zQg90Qw91RQ92Rw93SBB4ShB5SxB5TRF6TxF7UBJ7UhJ8UxN8VRN9VxR9WBV+WhV+WxZ+XRd+Xhd/YBh/YRh/Yxl/ZRqAZhqAaBuAaRyA"
    "axyAbB2Abh6Bbx6BcR+Bcx+BdCCBdiGBdyGBeSKBeiKBfCOBfiSBfySBgSWBgiWBhCaBhSaBhyeBiSiBiiiBjCmAjSmAjyqAkSqAkiuAlCuA"
    "lSyAlyx/mS1/mi1/nC5/ni5+ny9+oS9+ozB+pDB9pjF9pzF9qTJ8qzN8rDN7rjR7sDR7sTV6szV6tTZ5tjZ5uDd4uTd4uzh3vTl3vjl2wDp1"
    "wjp1wzt0xTx0xjxzyD1yyj5yyz5xzT9wzkBw0EFv0UJu00Jt1ENt1kRs10Vr2UZq2kdp3Ehp3Ulo3kpn4Etm4Uxm4k1l5E5k5VBj5lFi51Ji"
    "6FRh6lVg61Zg7Fhf7Vlf7lte7l1d715d8GBd8WFc8mNc82Vc82db9Ghb9Wpb9Wxb9m5b9nBb93Fb93Nc+HVc+Hdc+Xlc+Xtd+X1d+n9e+oBe"
    "+oJf+4Rg+4Zg+4hh+4pi/Ixj/I5j/JBk/JJl/JNm/ZVn/Zdo/Zlp/Ztq/Z1r/Z9s/aFu/aJv/aRw/qZx/qhz/qp0/qx1/q52/q94/rF5/rN7"
    "/rV8/rd9/rl//ruA/ryC/r6D/sCF/sKG/sSI/saJ/seL/smN/suO/c2Q/c+S/dGT/dKV/dSX/daY/dia/dqc/dyd/d2f/d+h/eGj/OOl/OWm"
    "/Oao/Oiq/Oqs/Oyu/O6w/PCx/PGz/PO1/PW3+/e5+/m7+/q9+/y/"
)
_LEVELS = 255
# Spectrograms hardly compress: higher levels were measured slower and no smaller.
_COMPRESS_LEVEL = 1


def encode_picture(
    mel_db: NDArray[np.float32], *, recipe: SpectralParameters, size: tuple[int, int] | None = None
) -> bytes:
    r"""Encode a mel spectrogram as a PNG file.

    Examples
    --------
    >>> import numpy as np
    >>> from audio_genre.dsp import GTZAN57
    >>> png = encode_picture(np.linspace(-80, 0, 128 * 9, dtype="f4").reshape(128, 9), recipe=GTZAN57)
    >>> png[:4]
    b'\x89PNG'
    """
    from PIL import Image, PngImagePlugin

    if size is not None and min(size) < 1:
        raise ParameterError(f"A picture must be at least 1x1 pixels, got {size[0]}x{size[1]}.")
    image = Image.fromarray(np.ascontiguousarray(quantise(mel_db, recipe)[::-1]))
    if size is not None:
        image = image.resize(size, Image.Resampling.BILINEAR)
    image.putpalette(_PALETTE)
    text = PngImagePlugin.PngInfo()
    text.add_text(TEXT_KEY, json.dumps(_parameters(mel_db, recipe), sort_keys=True))
    file = io.BytesIO()
    image.save(file, format="PNG", pnginfo=text, compress_level=_COMPRESS_LEVEL)
    return file.getvalue()


def quantise(mel_db: NDArray[np.float32], recipe: SpectralParameters) -> NDArray[np.uint8]:
    """Return the palette indices that a picture of a mel spectrogram holds.

    Examples
    --------
    >>> import numpy as np
    >>> from audio_genre.dsp import GTZAN57
    >>> quantise(np.array([[-90, -80, -40, 0]], dtype=np.float32), GTZAN57)
    array([[  0,   0, 128, 255]], dtype=uint8)
    """
    db_min, _ = _range(mel_db, recipe)
    levels = np.rint((mel_db - np.float32(db_min)) * np.float32(_LEVELS / recipe.top_db))
    indices: NDArray[np.uint8] = np.clip(levels, 0, _LEVELS).astype(np.uint8)
    return indices


def decode_picture(png: bytes) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Return the mel spectrogram and the parameters that `encode_picture` put into a PNG file."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            if image.mode != "P":
                raise ValueError(f"its mode is {image.mode}")
            parameters: dict[str, Any] = json.loads(getattr(image, "text", {})[TEXT_KEY])
            db_min, db_max = float(parameters["db_min"]), float(parameters["db_max"])
            levels = np.asarray(image, dtype=np.float32)[::-1]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ParameterError(
            f"The picture carries no values ({error}); only those that audio-genre extract wrote at their own size do."
        ) from None
    return levels * np.float32((db_max - db_min) / _LEVELS) + np.float32(db_min), parameters


def shared_parameters(recipe: SpectralParameters) -> dict[str, Any]:
    """Return what the text chunk says of every picture of a recipe."""
    names = ("sr", "n_fft", "hop_length", "window", "pad_mode", "n_mels", "mel_fmin", "mel_fmax", "top_db", "amin")
    parameters = recipe.parameters()
    return {"representation": REPRESENTATION, "recipe": recipe.name, **{name: parameters[name] for name in names}}


def has_palette(palette: list[int] | None) -> bool:
    """Tell whether a picture's indices still mean what `encode_picture` wrote."""
    return palette is not None and bytes(palette) == _PALETTE


def _parameters(mel_db: NDArray[np.float32], recipe: SpectralParameters) -> dict[str, Any]:
    db_min, db_max = _range(mel_db, recipe)
    own = dict(zip(OWN_PARAMETERS, (mel_db.shape[1], db_min, db_max), strict=True))
    return shared_parameters(recipe) | own


def _range(mel_db: NDArray[np.float32], recipe: SpectralParameters) -> tuple[float, float]:
    db_max = float(mel_db.max())
    return db_max - recipe.top_db, db_max
