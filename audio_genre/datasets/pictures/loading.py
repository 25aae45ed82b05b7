"""Folders of pictures to arrays and groups, in memory or in a temporary file."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from audio_genre.datasets.groups import Grouping, find_groups, torn_files
from audio_genre.datasets.pictures.files import PictureFile, Progress, examine_pictures, in_threads
from audio_genre.datasets.pictures.folder import find_pictures
from audio_genre.datasets.pictures.readings import find_reading
from audio_genre.datasets.pictures.representation import BANDS, FOREIGN, Representation
from audio_genre.errors import ParameterError, PictureError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audio_genre.dsp.parameters import SpectralParameters

DEFAULT_MEMORY_LIMIT = 1 << 30
"""Bytes of pixels that are kept in memory; more of them go to a temporary file."""

_MAX_COLUMNS = 1 << 16


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
    grouping : Grouping
        How the groups were found.
    options : tuple of str
        Options of the command line that give this reading, where it is not the default.
    """

    path: Path
    items: NDArray[np.str_]
    labels: NDArray[np.str_]
    groups: NDArray[np.str_]
    lengths: NDArray[np.intp]
    sha256: str
    representation: Representation
    left_out: tuple[str, ...]
    grouping: Grouping
    options: tuple[str, ...]
    _store: NDArray[np.uint8] | None = field(repr=False)
    _starts: NDArray[np.intp] = field(repr=False)
    input: ClassVar[str] = "pictures"

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


def load_pictures(
    folder: str | os.PathLike[str],
    *,
    rows: Literal["clips", "segments"] | None = None,
    progress: Progress | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    memory_limit: int = DEFAULT_MEMORY_LIMIT,
) -> Pictures:
    r"""Read a folder with one folder of spectrogram pictures per genre.

    Parameters
    ----------
    folder : str or os.PathLike
        Pictures that ``audio-genre extract`` wrote, or others: PNG, JPEG, WebP, BMP or GIF in grey or in any
        continuous colormap of matplotlib, with or without border and axes. Names that begin with a dot are skipped.
    rows : {"clips", "segments"}, optional
        What the pictures are: each a track of its own, or those named ``<track>.<k><suffix>`` parts of a track. By
        default names decide, and where this package drew the pictures, their widths too.
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
        If the folder is missing or not laid out so, has fewer than two genres, a genre has no usable picture, all
        pictures are of one colour each, pictures differ in what their pixels mean, or there is no room for them.

    Notes
    -----
    Values of our own pictures are exact. Foreign pictures are read in these steps, none of which looks at a label:

    - Transparency is laid on white. Of pictures of one size, up to 200 are compared: outer rows and columns that are
      the same in all of them are cut, which removes margins, axes and colorbars, as are titles that white rows separate
      from the rest. Outer rows or columns of one colour that the spectrograms have too, and that is not white, stay:
      a band that is silent in every picture is no border. Of a size that only one picture has, white margins are cut,
      for all such pictures of one height alike.
    - Grey values of 16 bits are read by the range that those of the folder have: 0 to 255 if they were saved from 8
      bits, 0 to 4095 if from 12; 0 to 65535 where any reaches its upper half.
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
        names = find_pictures(folder, left_out)
        _refuse_one_class(folder, sorted({name.partition("/")[0] for name in names}))
        files = examine_pictures(folder, names, left_out, report)
        _refuse_lost_classes(folder, names, files, left_out)
        reading, representation = find_reading(folder, files)
        kept: list[PictureFile] = []
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
        flat = np.zeros(len(kept), dtype=np.bool_)
        store = _room(int(BANDS * lengths.sum()), cache_dir, memory_limit)

        def decode(row: int) -> bytes | str:
            data = _contents(folder / kept[row].name, kept[row].name)
            levels = data if isinstance(data, str) else reading.read(data, kept[row])
            if isinstance(data, str) or isinstance(levels, str):
                return str(data if isinstance(data, str) else levels)
            store[starts[row] : starts[row] + levels.size] = levels.reshape(-1)
            flat[row] = levels.min() == levels.max()
            return hashlib.sha256(data).digest()

        read: list[int] = []
        total = hashlib.sha256()
        with closing(in_threads(decode, range(len(kept)))) as results:
            for row, digest in enumerate(results):
                if isinstance(digest, str):
                    left_out.append(digest)
                else:
                    read.append(row)
                    name = kept[row].name.encode("utf-8", "surrogatepass")
                    total.update(b"%d " % len(name) + name + digest)
                report(row + 1, len(kept), "reading")
        used = [kept[row] for row in read]
        _refuse_lost_classes(folder, names, used, left_out)
        if flat[read].all():
            raise PictureError(
                f"All {len(used)} pictures in {folder} are of one colour each, such as {used[0].name}, so there is "
                "nothing to learn from them; make them again."
            )
    labels, items = [file.label for file in used], [file.item for file in used]
    groups, grouping = _groups(folder, items, labels, used, representation, rows)
    return Pictures(
        path=folder,
        items=np.array(items, dtype=np.str_),
        labels=np.array(labels, dtype=np.str_),
        groups=np.array(groups, dtype=np.str_),
        lengths=lengths[read],
        sha256=total.hexdigest(),
        representation=representation,
        left_out=tuple(left_out),
        grouping=grouping,
        options=() if rows is None else ("--rows", rows),
        _store=store,
        _starts=starts[read],
    )


def _refuse_one_class(folder: Path, classes: Sequence[str]) -> None:
    if len(classes) < 2:
        raise PictureError(
            f"{folder} has only the class {classes[0]!r}; a classifier needs at least two to tell apart, each in a "
            "sub-folder of its own."
        )


def _refuse_lost_classes(folder: Path, names: Iterable[str], used: Iterable[PictureFile], left_out: list[str]) -> None:
    lost = sorted({name.partition("/")[0] for name in names} - {file.label for file in used})
    if lost:
        reason = next(text for text in left_out if text.startswith(f"{lost[0]}/")).rstrip(".")
        raise PictureError(
            f"No picture of the class {lost[0]!r} in {folder} can be used, such as: {reason}; make them again or take "
            "the class out."
        )


def _contents(path: Path, name: str) -> bytes | str:
    try:
        return path.read_bytes()
    except OSError as error:
        return f"{name} is left out, because it cannot be read: {error.strerror}."


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


def _recipe(folder: Path, representation: Representation) -> SpectralParameters | None:
    """Return the recipe of our own pictures; refuse parameters that are not those of its name, and unknown names."""
    from audio_genre.dsp import get_recipe

    if representation.name == FOREIGN or representation.recipe is None:
        return None
    try:
        recipe = get_recipe(representation.recipe).pictures
    except ParameterError as error:
        raise PictureError(f"The pictures of {folder} cannot be used: {error}") from None
    if recipe is None or recipe.name != representation.recipe:
        raise PictureError(
            f"The pictures of {folder} say recipe {representation.recipe!r}, which has no pictures of its own; extract "
            "them again."
        )
    found = representation.parameters
    for name, known in Representation.of_recipe(recipe).parameters.items():
        if found.get(name) != known:
            raise PictureError(
                f"The pictures of {folder} say recipe {recipe.name!r} with {name}={found.get(name)!r}, and the recipe "
                f"has {known!r}, which its name does not stand for; extract them again."
            )
    return recipe


def _groups(
    folder: Path,
    items: Sequence[str],
    labels: Sequence[str],
    files: Sequence[PictureFile],
    representation: Representation,
    rows: str | None,
) -> tuple[list[str], Grouping]:
    """Tell which pictures are of one track, and how that was found."""
    suffixes = sorted({PurePosixPath(item).suffix for item in items})
    if len(suffixes) > 1:
        # The same stem as PNG and as JPEG is one track drawn twice.
        items = [str(PurePosixPath(item).with_suffix(suffixes[0])) for item in items]
    recipe = _recipe(folder, representation)
    if rows == "clips":
        return [f"{label}/{item}" for label, item in zip(labels, items, strict=True)], Grouping("option")
    if recipe is not None and rows is None:
        frames = np.array([file.n_frames for file in files], dtype=np.float64)
        clip_frames = 1 + recipe.clip_seconds * recipe.sr // recipe.hop_length
        groups = find_groups(items, folders=labels, lengths=frames, clip_samples=clip_frames)
    else:
        groups = find_groups(items, folders=labels)
    torn = torn_files([group.partition("/")[2] for group in groups], labels, items)
    if torn:
        name, folders = next(iter(torn.items()))
        raise PictureError(
            f"{folder} has {len(torn)} track{'' if len(torn) == 1 else 's'} with parts in several genres, such as "
            f"{name!r} in {' and '.join(map(repr, folders[:2]))}; put the parts of a track in one folder, or say "
            "--rows clips if each picture is a track of its own."
        )
    if rows is not None or recipe is not None:
        return groups, Grouping("names" if rows is None else "option")
    cut = [item for item, label, group in zip(items, labels, groups, strict=True) if group != f"{label}/{item}"]
    tracks = len(set(groups))
    if not cut or tracks == len(set(zip(labels, items, strict=True))):
        return groups, Grouping()
    note = (
        f"The {len(items)} pictures are treated as parts of {tracks} tracks because of the number at the end of names "
        f"such as {cut[0]!r}; if each picture is a separate track, use --rows clips."
    )
    return groups, Grouping(note=note)
