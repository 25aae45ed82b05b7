"""One clip's work: a file to rows and pictures, the same in any process on any machine."""

from __future__ import annotations

import json
import uuid
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeAlias

from audio_genre._version import __version__
from audio_genre.dsp.recipe import Recipe
from audio_genre.errors import AudioError, EncoderError, ExtractionError, UnreadableError
from audio_genre.files.storage import CLIP_CODES, PASSING_CODES, storage_error
from audio_genre.files.walk import is_unread, picture_files

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# What the numbers and pictures depend on; librosa is the definition, and not used.
_LIBRARIES = ("numpy", "scipy", "soundfile", "soxr", "pillow")
# Stands for the hash of a file that is not opened.
_UNREAD = "not opened"


@dataclass(frozen=True, slots=True)
class PictureSettings:
    """Where and how pictures are made.

    Attributes
    ----------
    folder : Path
        Folder of the finished pictures.
    staging : Path
        Folder on the same file system that they are written in.
    size : tuple of int or None
        Width and height in pixels; None is one pixel a frame and mel band.
    """

    folder: Path
    staging: Path
    size: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class ClipSettings:
    """What is the same for all clips of an extraction.

    Attributes
    ----------
    audio_dir : Path
        Folder that the clips' paths are relative to.
    recipe : Recipe
        Which features, with every parameter.
    pictures : PictureSettings or None
        None makes no pictures.
    """

    audio_dir: Path
    recipe: Recipe
    pictures: PictureSettings | None


@dataclass(frozen=True, slots=True)
class ClipTask:
    """One clip to be worked on.

    Attributes
    ----------
    path : str
        Path below the audio folder, with forward slashes.
    picture : str
        Path below the pictures' folder, without number and ``.png``.
    known_hash : str or None
        Content that is done already: a file that still has it is left as it is.
    """

    path: str
    picture: str
    known_hash: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Extracted:
    """What a clip gave.

    Attributes
    ----------
    content_hash : str
        Hash of the file's bytes.
    clip_rows : np.ndarray, shape (n_windows, n_features), float64
        Features of the windows.
    clip_lengths : np.ndarray, shape (n_windows,), int64
        Samples in each window.
    segment_rows : np.ndarray, shape (n_segments, n_features), float64
        Features of the segments.
    pictures : tuple of str
        Paths of the pictures below the pictures' folder.
    libraries : str
        Versions of the libraries that computed it, as a JSON object.
    """

    content_hash: str
    clip_rows: NDArray[np.float64]
    clip_lengths: NDArray[np.int64]
    segment_rows: NDArray[np.float64]
    pictures: tuple[str, ...]
    libraries: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a clip gave nothing.

    Attributes
    ----------
    content_hash : str or None
        Hash of the file's bytes, which would fail again; None where the cause may be another than these bytes, and
        may pass.
    reason : str
        What is wrong, to be read after the path: "is empty (0 bytes)".
    """

    content_hash: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The file still has the content that is done already."""


ClipResult: TypeAlias = Extracted | Failed | Unchanged


def extract_clip(task: ClipTask, settings: ClipSettings) -> ClipResult:
    """Compute a clip's rows and write its pictures.

    Whatever is wrong with the clip comes back as a result. Pictures appear complete and all together, once the whole
    file has been found good.
    """
    from audio_genre.audio import content_hash
    from audio_genre.decoding import needs_extra

    found_hash = None
    if is_unread(task.path):
        # Fails again, whatever it holds, until another version of a decoder is there.
        if task.known_hash == _UNREAD:
            return Unchanged()
        return Failed(_UNREAD, needs_extra(PurePosixPath(task.path).suffix))
    try:
        found_hash = content_hash(settings.audio_dir / task.path)
        if found_hash == task.known_hash:
            return Unchanged()
        return _extract(task, settings, found_hash)
    except UnreadableError as error:
        return Failed(None, error.reason)
    except AudioError as error:
        return Failed(found_hash, error.reason)
    except (ExtractionError, EncoderError):
        raise
    except Exception as error:
        return Failed(None, passing_reason(error))


def passing_reason(error: Exception) -> str:
    """Put an error that no one foresaw into words; it may be the machine's, and pass.

    Examples
    --------
    >>> passing_reason(MemoryError())
    'could not be finished: there was not enough memory; the next run tries again'
    """
    if isinstance(error, MemoryError):
        return "could not be finished: there was not enough memory; the next run tries again"
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or error}"
    # One file must never spoil a run, whatever it makes a library do.
    return f"cannot be processed: {type(error).__name__}: {error}"


def _extract(task: ClipTask, settings: ClipSettings, found_hash: str) -> Extracted:
    import numpy as np

    from audio_genre.audio import MIN_SECONDS, continue_short, iter_windows
    from audio_genre.dsp.matrix import window_features

    recipe = settings.recipe
    source = settings.audio_dir / task.path
    windows = iter_windows(
        source,
        sr=recipe.sr,
        seconds=recipe.clip_seconds,
        min_samples=MIN_SECONDS * recipe.sr,
    )
    clip_rows, clip_lengths, segment_rows = [], [], []
    with np.errstate(all="ignore"), _Pictures(settings, task.picture) as pictures:
        for window in windows:
            result = window_features(continue_short(window, recipe.segment_samples), recipe)
            if not (np.isfinite(result.clip_row).all() and np.isfinite(result.segment_rows).all()):
                peak = np.abs(window).max()
                raise AudioError(
                    str(source),
                    f"gives features that are not finite: its samples reach {peak:.3g}, and full scale is 1",
                )
            clip_rows.append(result.clip_row)
            clip_lengths.append(len(window))
            segment_rows.append(result.segment_rows)
            pictures.add(result.mel_db)
        return Extracted(
            found_hash,
            np.stack(clip_rows),
            np.array(clip_lengths, dtype=np.int64),
            np.concatenate(segment_rows),
            pictures.publish(),
            _library_versions(),
        )


@lru_cache(maxsize=1)
def _library_versions() -> str:
    return _versions(*_LIBRARIES)


def decoder_versions() -> str:
    """Return what decides which files can be decoded: where it is another, files that failed are worth another try."""
    from audio_genre.decoding.formats import has_extra

    # PyAV, which comes with an extra, brings FFmpeg.
    return _versions("soundfile", *(["av"] if has_extra() else []), audio_genre=__version__)


def _versions(*names: str, **others: str) -> str:
    from importlib import metadata

    import soundfile

    versions = {"libsndfile": soundfile.__libsndfile_version__} | others
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return json.dumps(versions, sort_keys=True)


class _Pictures:
    """The pictures of one clip: written aside as they come, and renamed all together."""

    def __init__(self, settings: ClipSettings, name: str) -> None:
        self._settings = settings.pictures
        self._recipe = settings.recipe
        self._name = name
        self._parts: list[Path] = []

    def __enter__(self) -> _Pictures:
        return self

    def __exit__(self, *_: object) -> None:
        for part in self._parts:
            part.unlink(missing_ok=True)

    def add(self, mel_db: NDArray[np.float32] | None) -> None:
        recipe = self._recipe.pictures
        if self._settings is None or mel_db is None or recipe is None:
            return
        from audio_genre.dsp.picture import encode_picture

        png = encode_picture(mel_db, recipe=recipe, size=self._settings.size)
        part = self._settings.staging / f"{uuid.uuid4().hex}.png"
        self._parts.append(part)
        try:
            part.write_bytes(png)
        except OSError as error:
            raise self._error(error, part) from None

    def publish(self) -> tuple[str, ...]:
        if self._settings is None:
            return ()
        names = picture_files(self._name, len(self._parts))
        for part, name in zip(self._parts, names, strict=True):
            path = self._settings.folder / name
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                part.replace(path)
            except OSError as error:
                for published in names[: names.index(name)]:
                    (self._settings.folder / published).unlink(missing_ok=True)
                raise self._error(error, path) from None
        return names

    def _error(self, error: OSError, path: Path) -> AudioError | ExtractionError:
        """Tell what is this clip's own trouble from what all share."""
        if error.errno in CLIP_CODES:
            return AudioError(self._name, f"has a name that no picture can have: {error.strerror}")
        if error.errno in PASSING_CODES:
            return UnreadableError(self._name, f"could not be finished: no picture can be written ({error.strerror})")
        return storage_error(error, path)
