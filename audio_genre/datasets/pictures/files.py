"""Files of pictures: what their headers tell, their decoding, and why one is left out."""

from __future__ import annotations

import io
import json
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from audio_genre.dsp.picture import OWN_PARAMETERS, TEXT_KEY, has_palette
from audio_genre.errors import PictureError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

Progress = Callable[[int, int, str], None]
"""Called with the number of pictures done, of all pictures, and what is being done; counts twice from the start."""

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
_LOSSY_FORMATS = frozenset({"JPEG", "MPO", "WEBP"})
_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "I", "I;16", "I;16B", "I;16L"})
_MAX_PIXELS = 25_000_000
# Pictures that the border and the colormap are found from.
_SAMPLED = 200

_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class PictureFile:
    """What the header of a picture tells.

    Attributes
    ----------
    name : str
        Path below the folder, with forward slashes.
    width, height : int
        Size in pixels.
    is_lossy : bool
        Whether its format changes colours.
    own : mapping or None
        What our own pictures share, the same object for all that are equal; None for a foreign one.
    n_frames : int
        Frames of the spectrogram that one of our own pictures was made from; 0 for a foreign one.
    bits : int
        Bits that its values take; all of a folder that may have 16 take as many.
    is_deep : bool
        Whether its values may have 16 bits.
    """

    name: str
    width: int
    height: int
    is_lossy: bool
    own: Mapping[str, Any] | None
    n_frames: int = 0
    bits: int = 8
    is_deep: bool = False

    @property
    def label(self) -> str:
        """Class of the picture: the sub-folder that it lies in."""
        return self.name.partition("/")[0]

    @property
    def item(self) -> str:
        """Path below that sub-folder."""
        return self.name.partition("/")[2]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as Pillow orders them."""
        return self.width, self.height

    @property
    def is_resampled(self) -> bool:
        """Whether it is one of our own in another size than one pixel a frame and band."""
        return self.own is not None and self.size != (self.n_frames, self.own["n_mels"])


def examine_pictures(folder: Path, names: Sequence[str], left_out: list[str], report: Progress) -> list[PictureFile]:
    """Read the headers of pictures."""
    files: list[PictureFile] = []
    shared: dict[str, Mapping[str, Any]] = {}
    with closing(in_threads(lambda name: _examine(folder, name), names)) as results:
        for done, result in enumerate(results, start=1):
            if isinstance(result, str):
                left_out.append(result)
            else:
                file, parameters = result
                if parameters is not None:
                    key = json.dumps(parameters, sort_keys=True)
                    file = replace(file, own=shared.setdefault(key, parameters))
                files.append(file)
            report(done, len(names), "looking at sizes")
    # Saved from 8, 10 or 12 bits, values fill the lower end of 16, and are read by the range that the folder has.
    bits = max((file.bits for file in files), default=8)
    return [replace(file, bits=bits) if file.is_deep else file for file in files]


def _examine(folder: Path, name: str) -> tuple[PictureFile, Mapping[str, Any] | None] | str:
    """Return what a picture's header tells, or a sentence why it is left out."""
    from PIL import Image

    try:
        with Image.open(folder / name, formats=_FORMATS) as image:
            fault = _size_fault(image)
            if fault is None:
                parameters, n_frames = _own(image)
                is_lossy, is_deep = image.format in _LOSSY_FORMATS, image.mode.startswith("I")
                bits = _bits(image) if is_deep else 8
                return PictureFile(name, *image.size, is_lossy, None, n_frames, bits, is_deep), parameters
    except MemoryError:
        raise
    except Exception as error:  # damage can make Pillow raise nearly anything
        fault = _fault(error)
    return f"{name} is left out, because it {fault}."


def _bits(image: Image) -> int:
    """Return how many bits the largest value of a picture takes, from 8 to 16."""
    return min(max(int(np.asarray(image).max()).bit_length(), 8), 16)


def _size_fault(image: Image) -> str | None:
    width, height = image.size
    if width * height > _MAX_PIXELS:
        return f"has {width}x{height} pixels, and {_MAX_PIXELS // 1_000_000} million is the limit"
    if image.mode not in _MODES:
        return f"has the colour mode {image.mode}, which is not supported"
    return None


def _fault(error: Exception) -> str:
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "is empty, damaged or no PNG, JPEG, WebP, BMP or GIF file"
    if isinstance(error, Image.DecompressionBombError):
        return f"has too many pixels, and {_MAX_PIXELS // 1_000_000} million is the limit"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    reason = str(error).partition("\n")[0].strip().rstrip(".") or type(error).__name__
    return f"is damaged ({reason})"


def _own(image: Image) -> tuple[Mapping[str, Any] | None, int]:
    """Return what our own pictures share and this one's number of frames; None for a foreign picture."""
    if image.format != "PNG" or TEXT_KEY not in image.info:
        return None, 0
    try:
        parameters = json.loads(image.info[TEXT_KEY])
        n_frames = int(parameters["n_frames"])
        shared = {key: value for key, value in parameters.items() if key not in OWN_PARAMETERS}
        ok = shared["sr"] > 0 and shared["hop_length"] > 0 and shared["n_mels"] > 0 and str(shared["recipe"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        ok = False
    if not ok:
        raise ValueError("its own parameters cannot be read")
    if image.mode != "P" or not has_palette(image.getpalette()):
        raise ValueError("another program changed its palette, and with it the values")
    return shared, n_frames


def decode(data: bytes, file: PictureFile, levels: Callable[[Image], NDArray[np.uint8]]) -> NDArray[np.uint8] | str:
    """Decode a picture."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.size != file.size:
                raise ValueError("it was replaced while it was read")
            return levels(image)
    except (MemoryError, PictureError):
        raise
    except Exception as error:  # damage can make Pillow raise nearly anything
        return f"{file.name} is left out, because it {_fault(error)}."


def spread(files: Sequence[PictureFile]) -> list[PictureFile]:
    """Choose up to 200 files evenly, and so from all genres."""
    rows = np.unique(np.linspace(0, len(files) - 1, min(len(files), _SAMPLED)).round().astype(int))
    return [files[row] for row in rows]


def colours_of(folder: Path, files: Iterable[PictureFile]) -> Iterator[tuple[PictureFile, NDArray[np.uint8]]]:
    """Decode files one after the other, without those that cannot be decoded, which is told later."""
    from PIL import Image

    for file in files:
        try:
            with Image.open(folder / file.name, formats=_FORMATS) as image:
                rgb = as_rgb(image, file.bits)
        except MemoryError:
            raise
        except Exception:  # damage can make Pillow raise nearly anything
            continue
        if rgb.shape[:2] == (file.height, file.width):
            yield file, rgb


def as_rgb(image: Image, bits: int = 16) -> NDArray[np.uint8]:
    """Return the colours of a picture on white."""
    from PIL import Image

    if image.mode.startswith("I"):
        # 16 bits, which Pillow would clip instead of scaling.
        grey = (np.clip(np.asarray(image), 0, 2**bits - 1).astype(np.uint16) >> (bits - 8)).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


def in_threads(function: Callable[[_T], _R], arguments: Iterable[_T]) -> Generator[_R, None, None]:
    """Call a function in a few threads; close the generator to cancel what has not begun."""
    jobs = min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(jobs, thread_name_prefix="pictures") as pool:
        running: deque[Any] = deque()
        try:
            for argument in arguments:
                running.append(pool.submit(function, argument))
                if len(running) > 4 * jobs:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()
