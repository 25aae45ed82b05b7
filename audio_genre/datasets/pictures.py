"""Folders of spectrogram pictures to arrays and groups: our own exactly, foreign ones by their colours.

Every picture is kept as bytes in one canonical form: `BANDS` rows, the lowest frequency first, and a column for each
step of time.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
import warnings
from abc import ABC, abstractmethod
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from audio_genre.datasets.colormaps import LUMINANCE, ColormapReader, find_colormap, nearest_colormap
from audio_genre.datasets.tables import find_groups
from audio_genre.dsp import Recipe
from audio_genre.dsp.picture import OWN_PARAMETERS, REPRESENTATION, TEXT_KEY, has_palette, shared_parameters
from audio_genre.errors import ParameterError, PictureError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

BANDS = 128
"""Rows of a picture in canonical form."""

FRAMES_PER_COLUMN = 2
"""Frames that a column of our own pictures is the mean of: about 21.5 columns a second carry a genre as well as 43."""

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"})
"""What names of pictures end in, in lower case."""

FOREIGN = "foreign"
"""Name of the representation of pictures that this package did not write."""

RESAMPLED = f"{REPRESENTATION}-resampled"
"""Name of the representation of our own pictures in another size than one pixel a frame and band."""

DEFAULT_MEMORY_LIMIT = 1 << 30
"""Bytes of pixels that are kept in memory; more of them go to a temporary file."""

Progress = Callable[[int, int, str], None]
"""Called with the number of pictures done, of all pictures, and what is being done; counts twice from the start."""

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
_LOSSY_FORMATS = frozenset({"JPEG", "MPO", "WEBP"})
_MAX_PIXELS = 25_000_000
_MAX_COLUMNS = 1 << 16
_WIDEST = 650
# Pictures that the border and the colormap are found from.
_SAMPLED = 200
_SAMPLED_PIXELS = 100
# A border never takes more than this share of a side.
_MAX_BORDER = 0.75
# How far JPEG may move a colour that is the same in every picture.
_LOSSY_TOLERANCE = 32
_WHITE = 255
# A picture may be this much further from the colormap than the others are: one as JPEG among PNGs is.
_MISFIT = 12.0
# As near as this, a picture is drawn in a colormap and not merely like it.
_CRISP = 3.0

_T = TypeVar("_T")
_R = TypeVar("_R")
_Margins = tuple[int, int, int, int]


@dataclass(frozen=True)
class Representation:
    """What the pixels of a folder of pictures mean; models refuse pictures of another one.

    Attributes
    ----------
    name : str
        ``"mel-v1"`` for our own pictures, ``"mel-v1-resampled"`` for our own in another size, else ``"foreign"``.
    recipe : str or None
        Feature recipe of our own pictures.
    colormap : str or None
        Colormap that foreign pictures are read by, or ``"luminance"``.
    frames_per_column : int or None
        Frames that a column is the mean of; None if a pixel is no frame.
    seconds_per_column : float or None
        Time step of a column in seconds; None where it is unknown.
    parameters : mapping
        For our own pictures every parameter of the spectrogram; for others the height in pixels that time is scaled
        by, and how many pixels a column is the mean of.

    Examples
    --------
    >>> from audio_genre.dsp import GTZAN57
    >>> own = Representation.of_recipe(GTZAN57)
    >>> own.name, own.recipe, own.frames_per_column, round(1 / own.seconds_per_column, 2)
    ('mel-v1', 'gtzan57-v1', 2, 21.53)
    """

    name: str
    recipe: str | None = None
    colormap: str | None = None
    frames_per_column: int | None = None
    seconds_per_column: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def of_recipe(cls, recipe: Recipe) -> Representation:
        """Return the representation of our own pictures, and of spectrograms that go through `canonical`.

        Parameters
        ----------
        recipe : Recipe
            The recipe.

        Returns
        -------
        Representation
            Equal to that of a folder which the recipe's pictures are read from.
        """
        return cls._of_parameters(shared_parameters(recipe))

    @classmethod
    def _of_parameters(cls, parameters: Mapping[str, Any]) -> Representation:
        return cls(
            name=REPRESENTATION,
            recipe=str(parameters["recipe"]),
            frames_per_column=FRAMES_PER_COLUMN,
            seconds_per_column=FRAMES_PER_COLUMN * float(parameters["hop_length"]) / float(parameters["sr"]),
            parameters={key: value for key, value in parameters.items() if key not in ("representation", "recipe")},
        )

    def as_json(self) -> dict[str, Any]:
        """Return the representation as plain data, for model cards.

        Returns
        -------
        dict
            With the attributes' names as keys.
        """
        return {
            "name": self.name,
            "recipe": self.recipe,
            "colormap": self.colormap,
            "frames_per_column": self.frames_per_column,
            "seconds_per_column": self.seconds_per_column,
            "parameters": dict(self.parameters),
        }


@dataclass(eq=False)
class Pictures:
    """The pictures of a folder, in canonical form; close it, or use it in a ``with`` statement.

    Attributes
    ----------
    path : Path
        The folder.
    items : np.ndarray of str, shape (n,)
        Path of each picture below its genre's folder, with forward slashes: mostly just its file name.
    labels : np.ndarray of str, shape (n,)
        Class of each picture: the sub-folder that it lies in.
    groups : np.ndarray of str, shape (n,)
        Track of each picture, see `audio_genre.datasets.find_groups`.
    lengths : np.ndarray of int, shape (n,)
        Columns of each picture.
    sha256 : str
        Hash over the names and contents of all pictures, in hexadecimal digits.
    representation : Representation
        What the pixels mean.
    left_out : tuple of str
        A sentence for each file or folder that could not be used.
    """

    path: Path
    items: NDArray[np.str_]
    labels: NDArray[np.str_]
    groups: NDArray[np.str_]
    lengths: NDArray[np.intp]
    sha256: str
    representation: Representation
    left_out: tuple[str, ...]
    _store: NDArray[np.uint8] | None = field(repr=False)
    _starts: NDArray[np.intp] = field(repr=False)

    def __len__(self) -> int:
        return len(self.items)

    def __enter__(self) -> Pictures:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the memory or the temporary file back; `pixels` cannot be called afterwards."""
        self._store = None

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Every class, sorted."""
        return tuple(np.unique(self.labels).tolist())

    def pixels(self, i: int) -> NDArray[np.uint8]:
        """Return one picture without copying it.

        Parameters
        ----------
        i : int
            Number of the picture.

        Returns
        -------
        np.ndarray, shape (BANDS, columns), uint8
            Row 0 is the lowest frequency.

        Raises
        ------
        ParameterError
            If the pictures have been closed.
        """
        if self._store is None:
            raise ParameterError(f"The pictures of {self.path} have been closed; load them again.")
        start, length = self._starts[i], self.lengths[i]
        return self._store[start : start + BANDS * length].reshape(BANDS, length)

    def require_labels(self) -> None:
        """Refuse pictures that nothing can be learned from.

        Raises
        ------
        PictureError
            If all pictures have the same label.
        """
        _refuse_one_class(self.path, self.classes)


def canonical(levels: NDArray[np.uint8], frames_per_column: int = FRAMES_PER_COLUMN) -> NDArray[np.uint8]:
    """Bring the palette indices of one of our own pictures in the form that networks take.

    Pictures of a folder and freshly computed spectrograms both come this way, so that equal ones stay equal.

    Parameters
    ----------
    levels : np.ndarray, shape (BANDS, n_frames), uint8
        What `audio_genre.dsp.picture.quantise` returns: the lowest band first.
    frames_per_column : int
        Frames to average over.

    Returns
    -------
    np.ndarray, shape (BANDS, ceil(n_frames / frames_per_column)), uint8
        Means, halves rounded up; the last column may be the mean of fewer frames.

    Raises
    ------
    ParameterError
        If there are other than `BANDS` rows, or no frames, or `frames_per_column` is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> canonical(np.tile(np.array([[0, 10, 20, 25, 7]], dtype=np.uint8), (128, 1)))[0]
    array([ 5, 23,  7], dtype=uint8)
    """
    if levels.ndim != 2 or levels.shape[0] != BANDS or levels.shape[1] < 1 or frames_per_column < 1:
        raise ParameterError(
            f"A spectrogram must have {BANDS} bands and at least one frame, and a column be the mean of at least one; "
            f"got the shape {levels.shape} and {frames_per_column}."
        )
    n_columns = -(-levels.shape[1] // frames_per_column)
    sums = np.zeros((BANDS, n_columns), dtype=np.uint32)
    for offset in range(min(frames_per_column, levels.shape[1])):
        part = levels[:, offset::frames_per_column]
        sums[:, : part.shape[1]] += part
    means: NDArray[np.uint8] = ((sums + frames_per_column // 2) // frames_per_column).astype(np.uint8)
    rest = levels.shape[1] % frames_per_column
    if rest:
        means[:, -1] = (sums[:, -1] + rest // 2) // rest
    return means


def load_pictures(
    folder: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    memory_limit: int = DEFAULT_MEMORY_LIMIT,
) -> Pictures:
    r"""Read a folder with one sub-folder of spectrogram pictures per genre.

    Parameters
    ----------
    folder : str or os.PathLike
        Pictures that ``audio-genre extract`` wrote, or others: PNG, JPEG, WebP, BMP or GIF in grey or in any
        continuous colormap of matplotlib, with or without border and axes. Names that begin with a dot are skipped.
    progress : callable, optional
        See `Progress`.
    cache_dir : str or os.PathLike, optional
        Folder for the temporary file; by default the system's.
    memory_limit : int
        Bytes of pixels to keep in memory. More go to a temporary file that has no name where the system can do so, and
        is gone when the result is closed or the process ends in whatever way.

    Returns
    -------
    Pictures
        The pictures, sorted by label and name.

    Raises
    ------
    PictureError
        If the folder is missing or not laid out so, has fewer than two genres, a genre has no usable picture, pictures
        differ in what their pixels mean, or there is no room for them.

    Notes
    -----
    Values of our own pictures are exact. Foreign pictures are read in these steps, none of which looks at a label:

    - Transparency is laid on white. Of pictures of one size, up to 200 are compared: outer rows and columns that are
      the same in all of them are cut, which removes margins, axes and colorbars, as are titles that white rows separate
      from the rest. Outer rows or columns of one colour that the spectrograms have too, and that is not white, stay:
      a band that is silent in every picture is no border. Of a size that only one picture has, white margins are cut,
      for all such pictures of one height alike.
    - Colours become positions in the colormap that explains those of most pictures, or brightness if none does.
    - The height becomes `BANDS` by averaging, or by linear interpolation. A pixel in width stays a column, but beyond a
      median width of 650 pixels so many are averaged that it is not above. A picture of another height than most
      is taken for a scaled copy, and its width scaled with it.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from audio_genre.dsp import GTZAN57
    >>> from audio_genre.dsp.picture import encode_picture
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for genre in ("blues", "rock"):
    ...     (folder / genre).mkdir()
    ...     png = encode_picture(np.linspace(-80, 0, 128 * 9, dtype="f4").reshape(128, 9), recipe=GTZAN57)
    ...     _ = (folder / genre / f"{genre}00000.png").write_bytes(png)
    >>> with load_pictures(folder) as pictures:
    ...     pictures.classes, pictures.representation.name, pictures.pixels(0).shape
    (('blues', 'rock'), 'mel-v1', (128, 5))
    """
    from PIL import Image

    folder = Path(folder)
    report = progress or (lambda *_: None)
    Image.init()  # once, and not in every thread
    left_out: list[str] = []
    with warnings.catch_warnings():
        # Pillow warns of large pictures, which are refused here, and of harmless faults in metadata.
        warnings.simplefilter("ignore")
        names = _find(folder, left_out)
        files = _examined(folder, names, left_out, report)
        reading, representation = _reading(folder, files)
        kept: list[_File] = []
        for file in files:
            columns = reading.columns(file)
            if columns > _MAX_COLUMNS:
                left_out.append(
                    f"{file.name} is left out, because it would have {columns} columns; the longest that is read has "
                    f"{_MAX_COLUMNS}."
                )
            else:
                kept.append(file)
        _refuse_lost_classes(folder, names, kept, left_out)
        lengths = np.array([reading.columns(file) for file in kept], dtype=np.intp)
        starts = np.concatenate([[0], np.cumsum(BANDS * lengths)[:-1]]).astype(np.intp)
        store = _room(int(BANDS * lengths.sum()), cache_dir, memory_limit)

        def decode(row: int) -> bytes | str:
            data = _contents(folder / kept[row].name, kept[row].name)
            levels = data if isinstance(data, str) else reading.read(data, kept[row])
            if isinstance(data, str) or isinstance(levels, str):
                return str(data if isinstance(data, str) else levels)
            store[starts[row] : starts[row] + levels.size] = levels.reshape(-1)
            return hashlib.sha256(data).digest()

        rows: list[int] = []
        total = hashlib.sha256()
        with closing(_in_threads(decode, range(len(kept)))) as results:
            for row, digest in enumerate(results):
                if isinstance(digest, str):
                    left_out.append(digest)
                else:
                    rows.append(row)
                    name = kept[row].name.encode("utf-8", "surrogatepass")
                    total.update(b"%d " % len(name) + name + digest)
                report(row + 1, len(kept), "reading")
        used = [kept[row] for row in rows]
        _refuse_lost_classes(folder, names, used, left_out)
    labels, items = [file.label for file in used], [file.item for file in used]
    return Pictures(
        path=folder,
        items=np.array(items, dtype=np.str_),
        labels=np.array(labels, dtype=np.str_),
        groups=np.array(_groups(items, labels, used, representation), dtype=np.str_),
        lengths=lengths[rows],
        sha256=total.hexdigest(),
        representation=representation,
        left_out=tuple(left_out),
        _store=store,
        _starts=starts[rows],
    )


@dataclass(frozen=True, slots=True)
class _File:
    """What the header of a picture tells."""

    name: str
    """Path below the folder, with forward slashes."""
    width: int
    height: int
    is_lossy: bool
    own: Mapping[str, Any] | None
    """What our own pictures share, the same object for all that are equal; None for a foreign one."""
    n_frames: int = 0

    @property
    def label(self) -> str:
        return self.name.partition("/")[0]

    @property
    def item(self) -> str:
        return self.name.partition("/")[2]

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height

    @property
    def is_resampled(self) -> bool:
        return self.own is not None and self.size != (self.n_frames, self.own["n_mels"])


def _find(folder: Path, left_out: list[str]) -> list[str]:
    """List the pictures of a folder, sorted by label and name."""
    try:
        loose, genres = _listed(folder)
    except FileNotFoundError:
        raise PictureError(
            f"There is no folder {folder}; give one that has a sub-folder of pictures per genre."
        ) from None
    except NotADirectoryError:
        raise PictureError(f"{folder} is a file; give a folder that has a sub-folder of pictures per genre.") from None
    except OSError as error:
        raise PictureError(f"The folder {folder} cannot be read: {error.strerror}; make it readable.") from None
    if not genres:
        what = "pictures, but no sub-folders" if loose else "no sub-folders"
        raise PictureError(f"{folder} holds {what}; put the pictures of each genre in a sub-folder of its own.")
    seen = {_identity(folder)}
    names: dict[str, list[str]] = {}
    for genre in genres:
        names[genre] = sorted(_walk(folder, genre, seen, left_out))
        if not names[genre]:
            left_out.append(f"The folder {genre} is left out, because it holds no pictures.")
    found = {genre: paths for genre, paths in names.items() if paths}
    if not found:
        reason = f" ({left_out[0].rstrip('.')})" if left_out else ""
        raise PictureError(
            f"{folder} holds no pictures in its sub-folders{reason}; give a folder with PNG, JPEG, WebP, BMP or "
            "GIF files."
        )
    _refuse_one_level_too_high(folder, found)
    _refuse_one_class(folder, tuple(found))
    left_out += [f"{name} is left out, because it lies in no sub-folder, which would be its genre." for name in loose]
    return [name for genre in sorted(found) for name in found[genre]]


def _listed(folder: Path) -> tuple[list[str], list[str]]:
    """Return the names of the pictures and of the folders in a folder, each sorted."""
    files, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                is_folder = entry.is_dir()
            except OSError:  # a link to itself
                is_folder = False
            if is_folder:
                folders.append(entry.name)
            elif PurePosixPath(entry.name).suffix.lower() in PICTURE_SUFFIXES:
                files.append(entry.name)
    return sorted(files), sorted(folders)


def _walk(root: Path, top: str, seen: set[tuple[int, int]], left_out: list[str]) -> Iterator[str]:
    """List the pictures below a folder; enter each folder once, whatever links lead there."""
    waiting = [top]
    while waiting:
        below = waiting.pop()
        try:
            identity = _identity(root / below)
            if identity in seen:
                left_out.append(f"The folder {below} is left out, because a link leads from it to one that is read.")
                continue
            seen.add(identity)
            files, folders = _listed(root / below)
        except OSError as error:
            if below == top:
                raise PictureError(
                    f"The folder {root / top} cannot be read: {error.strerror}; make it readable, or take the class "
                    "out."
                ) from None
            left_out.append(f"The folder {below} is left out, because it cannot be read: {error.strerror}.")
            continue
        yield from (f"{below}/{name}" for name in files)
        waiting += [f"{below}/{name}" for name in reversed(folders)]


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _refuse_one_level_too_high(folder: Path, found: Mapping[str, Sequence[str]]) -> None:
    """Refuse folders of folders of genres; sub-folders inside a genre are fine."""
    inner: dict[str, set[str]] = {}
    for genre, paths in found.items():
        inner[genre] = {path.split("/")[1] if path.count("/") > 1 else "" for path in paths}
    if any("" in folders for folders in inner.values()):
        return
    counts = Counter(name for folders in inner.values() for name in folders)
    if len(inner) > 1 and max(counts.values()) == 1:
        return
    best = max(inner, key=lambda genre: len(inner[genre]))
    meant = folder / best
    if len(inner[best]) == 1:
        meant = folder / os.path.commonpath([path.rpartition("/")[0] for path in found[best]])
    raise PictureError(
        f"{folder} holds folders of folders, and its sub-folders must be the genres; did you mean {meant}?"
    )


def _refuse_one_class(folder: Path, classes: Sequence[str]) -> None:
    if len(classes) < 2:
        raise PictureError(
            f"{folder} has only the class {classes[0]!r}; a classifier needs at least two to tell apart, each in a "
            "sub-folder of its own."
        )


def _refuse_lost_classes(folder: Path, names: Iterable[str], used: Iterable[_File], left_out: list[str]) -> None:
    lost = sorted({name.partition("/")[0] for name in names} - {file.label for file in used})
    if lost:
        reason = next(text for text in left_out if text.startswith(f"{lost[0]}/")).rstrip(".")
        raise PictureError(
            f"No picture of the class {lost[0]!r} in {folder} can be used, such as: {reason}; make them again or take "
            "the class out."
        )


def _examined(folder: Path, names: list[str], left_out: list[str], report: Progress) -> list[_File]:
    files: list[_File] = []
    shared: dict[str, Mapping[str, Any]] = {}
    with closing(_in_threads(lambda name: _examine(folder, name), names)) as results:
        for done, result in enumerate(results, start=1):
            if isinstance(result, str):
                left_out.append(result)
            else:
                file, parameters = result
                if parameters is not None:
                    key = json.dumps(parameters, sort_keys=True)
                    own = shared.setdefault(key, parameters)
                    file = _File(file.name, file.width, file.height, file.is_lossy, own, file.n_frames)
                files.append(file)
            report(done, len(names), "looking at sizes")
    _refuse_lost_classes(folder, names, files, left_out)
    return files


def _examine(folder: Path, name: str) -> tuple[_File, Mapping[str, Any] | None] | str:
    """Return what a picture's header tells, or a sentence why it is left out."""
    from PIL import Image

    try:
        with Image.open(folder / name, formats=_FORMATS) as image:
            fault = _size_fault(image)
            if fault is None:
                parameters, n_frames = _own(image)
                is_lossy = image.format in _LOSSY_FORMATS
                return _File(name, *image.size, is_lossy, None, n_frames), parameters
    except MemoryError:
        raise
    except Exception as error:  # damage can make Pillow raise nearly anything
        fault = _fault(error)
    return f"{name} is left out, because it {fault}."


def _size_fault(image: Image) -> str | None:
    width, height = image.size
    if width * height > _MAX_PIXELS:
        return f"has {width}x{height} pixels, and {_MAX_PIXELS // 1_000_000} million are the most that is read"
    if image.mode not in _MODES:
        return f"has the colour mode {image.mode}, which is none of a picture"
    return None


_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "I", "I;16", "I;16B", "I;16L"})


def _fault(error: Exception) -> str:
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "is empty, damaged or no PNG, JPEG, WebP, BMP or GIF file"
    if isinstance(error, Image.DecompressionBombError):
        return f"has too many pixels, and {_MAX_PIXELS // 1_000_000} million are the most that is read"
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


class _OtherColormapError(Exception):
    """A picture is drawn in another colormap than the rest of its folder."""


class _Reading(ABC):
    """How the files of one folder become pixels in canonical form."""

    @abstractmethod
    def columns(self, file: _File) -> int:
        """Return how many columns a file will have."""

    @abstractmethod
    def levels(self, image: Image) -> NDArray[np.uint8]:
        """Return the pixels of a file."""

    def read(self, data: bytes, file: _File) -> NDArray[np.uint8] | str:
        """Return the pixels of a file, or a sentence why it is left out."""
        from PIL import Image

        try:
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                if image.size != file.size:
                    raise ValueError("it was replaced while it was read")
                return self.levels(image)
        except _OtherColormapError as error:
            raise PictureError(
                f"{file.name} is drawn in another colormap than the rest ({error}); draw it in the same, or take it "
                "out of the folder."
            ) from None
        except MemoryError:
            raise
        except Exception as error:  # damage can make Pillow raise nearly anything
            return f"{file.name} is left out, because it {_fault(error)}."


class _OwnReading(_Reading):
    """One pixel a frame and band, exact."""

    def columns(self, file: _File) -> int:
        return -(-file.width // FRAMES_PER_COLUMN)

    def levels(self, image: Image) -> NDArray[np.uint8]:
        return canonical(np.asarray(image)[::-1])


class _ScaledReading(_Reading):
    """Pictures of any size."""

    def __init__(self, heights_and_widths: Iterable[tuple[int, int]]) -> None:
        sizes = list(heights_and_widths)
        self.height = Counter(height for height, _ in sizes).most_common(1)[0][0]
        median = float(np.median([self._width(height, width) for height, width in sizes]))
        self.pixels_per_column = max(1, -(-int(median) // _WIDEST))

    def _width(self, height: int, width: int) -> int:
        """Return the width of a scaled copy at the common height."""
        return max(1, round(width * self.height / height))

    def _columns(self, height: int, width: int) -> int:
        return -(-self._width(height, width) // self.pixels_per_column)

    def _fit(self, levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        from PIL import Image

        height, width = levels.shape
        scaled = Image.fromarray(np.ascontiguousarray(levels))
        for size in ((self._width(height, width), height), (self._width(height, width), BANDS)):
            shrinks = size[0] < scaled.width or size[1] < scaled.height
            scaled = scaled.resize(size, Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR)
        return canonical(np.asarray(scaled)[::-1], self.pixels_per_column)


class _ResampledReading(_ScaledReading):
    """Our own pictures in a size of the user's: indices are values, but a pixel is no frame."""

    def __init__(self, files: Sequence[_File]) -> None:
        super().__init__((file.height, file.width) for file in files)

    def columns(self, file: _File) -> int:
        return self._columns(file.height, file.width)

    def levels(self, image: Image) -> NDArray[np.uint8]:
        return self._fit(np.asarray(image))


class _ForeignReading(_ScaledReading):
    """Pictures whose values are told by their colours, without their borders."""

    def __init__(self, folder: Path, files: Sequence[_File]) -> None:
        self._margins = _find_margins(folder, files)
        super().__init__(map(self._inner, files))
        self.reader = ColormapReader(self._find_colormap(folder, files))

    def _inner(self, file: _File) -> tuple[int, int]:
        top, bottom, left, right = self._margins[file.size]
        return file.height - top - bottom, file.width - left - right

    def columns(self, file: _File) -> int:
        return self._columns(*self._inner(file))

    def levels(self, image: Image) -> NDArray[np.uint8]:
        levels, distance = self.reader.read(_inside(_rgb(image), self._margins[image.size]))
        if distance > self._farthest:
            raise _OtherColormapError(self.reader.name)
        return self._fit(levels)

    def _find_colormap(self, folder: Path, files: Sequence[_File]) -> str:
        rng = np.random.default_rng(0)
        names, samples = [], []
        for file in _spread(files):
            rgb = _colours_of(folder, file)
            if rgb is not None:
                inside = _inside(rgb, self._margins[file.size]).reshape(-1, 3)
                names.append(file.name)
                samples.append(inside[rng.integers(len(inside), size=_SAMPLED_PIXELS)])
        if not samples:
            raise PictureError(
                f"No picture in {folder} can be decoded, such as {files[0].name}, although they begin as pictures do; "
                "make them again."
            )
        name, distances = find_colormap(samples)
        if name == LUMINANCE and (distances <= _CRISP).mean() > 0.9:
            first = nearest_colormap(samples[0])
            for other, sample in zip(names, samples, strict=True):
                if nearest_colormap(sample) != first:
                    raise PictureError(
                        f"{names[0]} is drawn in the colormap {first} and {other} in {nearest_colormap(sample)}; all "
                        "pictures of a folder must be drawn in the same."
                    )
        self._farthest = 2 * float(np.median(distances)) + _MISFIT
        return name


def _reading(folder: Path, files: Sequence[_File]) -> tuple[_Reading, Representation]:
    """Find out what the pixels of all files mean; refuse files that differ in it."""
    first = files[0]
    for file in files[1:]:
        if (file.own is None) != (first.own is None):
            ours, other = (file, first) if first.own is None else (first, file)
            raise PictureError(
                f"{folder} mixes pictures of audio-genre extract, such as {ours.name}, with others, such as "
                f"{other.name}; keep them in different folders."
            )
    if first.own is None:
        foreign = _ForeignReading(folder, files)
        return foreign, Representation(FOREIGN, colormap=foreign.reader.name, parameters=_scale(foreign))

    if first.own["representation"] != REPRESENTATION:
        raise PictureError(
            f"{first.name} holds the representation {first.own['representation']!r}, and this version reads "
            f"{REPRESENTATION!r}; extract the pictures again."
        )
    for file in files[1:]:
        difference = _difference(first, file)
        if difference is not None:
            key, one, other = difference
            raise PictureError(
                f"{first.name} and {file.name} differ in {key}: {one} and {other}; extract all pictures with the same "
                "settings."
            )
    if first.own["n_mels"] != BANDS:
        raise PictureError(
            f"{first.name} has {first.own['n_mels']} mel bands, and {BANDS} are needed; extract the pictures with a "
            "recipe that has so many."
        )
    exact = Representation._of_parameters(first.own)
    if not first.is_resampled:
        return _OwnReading(), exact
    resampled = _ResampledReading(files)
    parameters = {**exact.parameters, "width": first.width, **_scale(resampled)}
    return resampled, Representation(RESAMPLED, recipe=exact.recipe, parameters=parameters)


def _scale(reading: _ScaledReading) -> dict[str, int]:
    return {"height": reading.height, "pixels_per_column": reading.pixels_per_column}


def _difference(first: _File, other: _File) -> tuple[str, Any, Any] | None:
    """Return what two of our own pictures differ in, and the two values."""
    one, two = first.own or {}, other.own or {}
    if one is not two:
        key = next(key for key in sorted({*one, *two}) if one.get(key) != two.get(key))
        return key, one.get(key), two.get(key)
    if (first.is_resampled or other.is_resampled) and first.size != other.size:
        return "size", f"{first.width}x{first.height} pixels", f"{other.width}x{other.height} pixels"
    return None


def _find_margins(folder: Path, files: Sequence[_File]) -> dict[tuple[int, int], _Margins]:
    """Return the border's width at top, bottom, left and right for each size of picture."""
    by_size: dict[tuple[int, int], list[_File]] = defaultdict(list)
    for file in files:
        by_size[file.size].append(file)
    margins: dict[tuple[int, int], _Margins] = {}
    alone: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for size, members in by_size.items():
        shared = _shared_margins(folder, members) if len(members) > 1 else None
        if shared is None:
            margins[size] = _white_margins(folder, members)
            alone[size[1]].append(size)
        else:
            margins[size] = shared
    for sizes in alone.values():
        # Cut alike, so that a row means the same frequency in all of them.
        smallest = np.min([margins[size] for size in sizes], axis=0).tolist()
        for size in sizes:
            margins[size] = tuple(smallest)
    return margins


def _shared_margins(folder: Path, files: Sequence[_File]) -> _Margins | None:
    """Return the border that is the same in pictures of one size; None if there are no two different ones."""
    low: NDArray[np.uint8] | None = None
    high: NDArray[np.uint8] | None = None
    examples: list[NDArray[np.uint8]] = []
    for file in _spread(files):
        rgb = _colours_of(folder, file)
        if rgb is None:
            continue
        low = rgb if low is None else np.minimum(low, rgb)
        high = rgb if high is None else np.maximum(high, rgb)
        if len(examples) < 3:
            examples.append(rgb)
    if low is None or high is None:
        return None
    tolerance = _LOSSY_TOLERANCE if any(file.is_lossy for file in files) else 0
    varies: NDArray[np.bool_] = np.any(high.astype(np.int16) - low > tolerance, axis=2)
    if not varies.any():
        return None
    is_white: NDArray[np.bool_] = np.all(low >= _WHITE - tolerance, axis=2)
    height, width = varies.shape
    top, bottom, left, right = 0, height, 0, width
    # Twice, because a title above may be separated only where no axis label stands beside it.
    for _ in range(2):
        top, bottom = _block(varies[:, left:right], is_white[:, left:right])
        left, right = _block(varies[top:bottom].T, is_white[top:bottom].T)
    colours = np.unique(np.concatenate([rgb[top:bottom, left:right].reshape(-1, 3) for rgb in examples]), axis=0)

    def is_silent(line: NDArray[np.uint8]) -> bool:
        """Tell whether an outer row or column has one colour that is not white and that spectrograms have too."""
        colour = line[0].astype(np.int16)
        is_uniform = bool((np.abs(line - colour) <= tolerance).all())
        return (
            is_uniform
            and not bool((colour >= _WHITE - tolerance).all())
            and bool((np.abs(colours - colour) <= tolerance).all(axis=1).any())
        )

    while top > 0 and is_silent(low[top - 1, left:right]):
        top -= 1
    while bottom < height and is_silent(low[bottom, left:right]):
        bottom += 1
    while left > 0 and is_silent(low[top:bottom, left - 1]):
        left -= 1
    while right < width and is_silent(low[top:bottom, right]):
        right += 1
    return _bounded((top, height - bottom, left, width - right), height, width)


def _block(varies: NDArray[np.bool_], is_white: NDArray[np.bool_]) -> tuple[int, int]:
    """Return where the rows that vary begin and end, without smaller parts that white rows separate from the rest."""
    lines = np.flatnonzero(np.any(varies, axis=1))
    blanks = np.cumsum(np.all(is_white, axis=1))[lines]
    values, counts = np.unique(blanks, return_counts=True)
    largest = lines[blanks == values[counts.argmax()]]
    if 2 * len(largest) >= len(lines):
        lines = largest
    return int(lines[0]), int(lines[-1]) + 1


def _white_margins(folder: Path, files: Sequence[_File]) -> _Margins:
    """Return the white margin of a picture that nothing can be compared with."""
    rgb = next((rgb for file in files if (rgb := _colours_of(folder, file)) is not None), None)
    if rgb is None:
        return 0, 0, 0, 0
    tolerance = _LOSSY_TOLERANCE if any(file.is_lossy for file in files) else 0
    is_drawn: NDArray[np.bool_] = np.any(rgb < _WHITE - tolerance, axis=2)
    if not is_drawn.any():
        return 0, 0, 0, 0
    height, width = is_drawn.shape
    rows, columns = (np.flatnonzero(is_drawn.any(axis=axis)) for axis in (1, 0))
    margins = (int(rows[0]), int(height - 1 - rows[-1]), int(columns[0]), int(width - 1 - columns[-1]))
    return _bounded(margins, height, width)


def _bounded(margins: _Margins, height: int, width: int) -> _Margins:
    """Return no border at all where it would be most of the picture."""
    top, bottom, left, right = margins
    if top + bottom > _MAX_BORDER * height or left + right > _MAX_BORDER * width:
        return 0, 0, 0, 0
    return margins


def _inside(rgb: NDArray[np.uint8], margins: _Margins) -> NDArray[np.uint8]:
    top, bottom, left, right = margins
    return np.ascontiguousarray(rgb[top : rgb.shape[0] - bottom, left : rgb.shape[1] - right])


def _colours_of(folder: Path, file: _File) -> NDArray[np.uint8] | None:
    """Return the colours of a file, shape (height, width, 3); None if it cannot be decoded, which is told later."""
    from PIL import Image

    try:
        with Image.open(folder / file.name, formats=_FORMATS) as image:
            rgb = _rgb(image)
    except MemoryError:
        raise
    except Exception:  # damage can make Pillow raise nearly anything
        return None
    return rgb if rgb.shape[:2] == (file.height, file.width) else None


def _rgb(image: Image) -> NDArray[np.uint8]:
    """Return the colours of a picture on white, shape (height, width, 3)."""
    from PIL import Image

    if image.mode.startswith("I"):
        # 16 bits, which Pillow would clip instead of scaling.
        grey = (np.clip(np.asarray(image), 0, 65535).astype(np.uint16) >> 8).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


def _contents(path: Path, name: str) -> bytes | str:
    try:
        return path.read_bytes()
    except OSError as error:
        return f"{name} is left out, because it cannot be read: {error.strerror}."


def _spread(files: Sequence[_File]) -> list[_File]:
    """Choose up to `_SAMPLED` files evenly, and so from all genres."""
    rows = np.unique(np.linspace(0, len(files) - 1, min(len(files), _SAMPLED)).round().astype(int))
    return [files[row] for row in rows]


def _in_threads(function: Callable[[_T], _R], arguments: Iterable[_T]) -> Generator[_R, None, None]:
    """Call a function in a few threads; yield its results in order, a few at a time."""
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


def _room(size: int, cache_dir: str | os.PathLike[str] | None, memory_limit: int) -> NDArray[np.uint8]:
    """Return room for pixels, in memory or in a temporary file that vanishes with it."""
    if size <= memory_limit:
        return np.empty(size, dtype=np.uint8)
    folder = Path(tempfile.gettempdir() if cache_dir is None else cache_dir)
    try:
        free = shutil.disk_usage(folder).free
        if free < size:
            raise PictureError(
                f"The pixels take {size / 1e9:.1f} GB, and {folder} has {free / 1e9:.1f} GB left; give a folder for "
                "temporary files with more room."
            )
        # On POSIX it has no name from the start.
        with tempfile.TemporaryFile(dir=folder, prefix="audio-genre-") as file:
            if hasattr(os, "posix_fallocate"):
                # Writing to a mapped file on a full disk would end the process.
                os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, dtype=np.uint8, mode="r+", shape=(size,))
    except OSError as error:
        raise PictureError(
            f"The pixels take {size / 1e9:.1f} GB, and {folder} cannot hold them: {error.strerror}; give another "
            "folder for temporary files."
        ) from None


def _groups(
    items: Sequence[str], labels: Sequence[str], files: Sequence[_File], representation: Representation
) -> list[str]:
    """Tell which pictures are of one track."""
    suffixes = sorted({PurePosixPath(item).suffix for item in items})
    if len(suffixes) > 1:
        # The same stem as PNG and as JPEG is one track drawn twice.
        items = [str(PurePosixPath(item).with_suffix(suffixes[0])) for item in items]
    if representation.name != FOREIGN:
        from audio_genre.dsp import RECIPES

        recipe = RECIPES.get(representation.recipe or "")
        if recipe is not None:
            frames = np.array([file.n_frames for file in files], dtype=np.float64)
            clip_frames = 1 + recipe.clip_seconds * recipe.sr // recipe.hop_length
            return find_groups(items, labels, lengths=frames, clip_samples=clip_frames)
    groups = find_groups(items, labels)
    # Where most are segments, numbers that do not start at 0 are segments too: the others were taken out.
    return find_groups(items, labels, segments=True) if 2 * len(set(groups)) <= len(groups) else groups
