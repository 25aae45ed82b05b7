"""A file to the parts that it is decoded in, one after the other; every error becomes an `AudioError`."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from audio_genre.decoding import joined
from audio_genre.decoding.ffmpeg import FfmpegPart
from audio_genre.decoding.formats import EXTRA_SUFFIXES, HEAD_BYTES, Format, has_extra, needs_extra, sniff
from audio_genre.decoding.sndfile import SYSTEM_ERROR, UNSUPPORTED, UNSUPPORTED_IN_OGG, SndfilePart, sentence
from audio_genre.errors import AudioError, AudioGenreError, UnreadableError
from audio_genre.extras import install_command

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MPEG_SUFFIXES = (".mp3", ".mp2", ".mp1")
_READ_BYTES = 1 << 20


class Part(Protocol):
    """What is decoded in one go: a file, or one of the streams in it."""

    sr: int
    channels: int
    frames: int | None
    estimate: float | None
    encoding: str
    texts: dict[str, str]

    def refuse_cut_short(self) -> None:
        """Raise an `AudioError` if the header promises more than the file holds."""

    def blocks(self, frames: int) -> Iterator[NDArray[np.float32]]:
        """Decode block by block."""

    def close(self) -> None:
        """Close the file."""


def open_parts(name: str) -> Iterator[Part]:
    """Open the streams of a file that stand one after the other; nearly always there is one."""
    refuse_unreadable(name)
    with _translated(name):
        found, ranges = _look(name)
    # A file that is one stream is left to the decoder as it is.
    for part in ranges if len(ranges) > 1 or any(part.prefix for part in ranges) else [None]:
        with closing(_open(name, found, part)) as opened:
            yield _Translated(name, opened)


def refuse_unreadable(name: str) -> None:
    """Raise an `AudioError` if a file is no regular one, or may not be opened."""
    try:
        mode = Path(name).stat().st_mode
        # Opening a pipe or a device could wait for ever.
        if stat.S_ISREG(mode):
            with Path(name).open("rb"):
                return
    except (OSError, ValueError) as error:
        raise _unreadable(name, error) from None
    raise AudioError(name, "is a folder, not an audio file" if stat.S_ISDIR(mode) else "is not a regular file")


class _Translated:
    """A part whose errors are put into words."""

    def __init__(self, name: str, part: Part) -> None:
        self._name, self._part = name, part
        self.sr, self.channels, self.frames = part.sr, part.channels, part.frames
        self.estimate, self.encoding, self.texts = part.estimate, part.encoding, part.texts

    def refuse_cut_short(self) -> None:
        self._part.refuse_cut_short()

    def blocks(self, frames: int) -> Iterator[NDArray[np.float32]]:
        blocks = self._part.blocks(frames)
        while True:
            with _translated(self._name):
                block = next(blocks, None)
            if block is None:
                return
            yield block

    def close(self) -> None:
        self._part.close()


def _look(name: str) -> tuple[Format | None, list[joined.Range]]:
    """Look at a file's beginning; and for the streams in it, where it is of a format that may have several."""
    with Path(name).open("rb") as file:
        reader = joined.Reader(file.fileno())
        if reader.size == 0:
            raise AudioError(name, "is empty (0 bytes)")
        start = joined.skip_tags(reader)
        found = sniff(reader.read(start, HEAD_BYTES))
        if found is not None and found.demuxer == "ogg":
            return found, joined.ogg_links(reader)
        is_mpeg = found is not None and found.demuxer == "mp3"
        if is_mpeg or (found is None and name.lower().endswith(_MPEG_SUFFIXES)):
            return found, joined.mpeg_streams(reader)
    return found, []


def _open(name: str, found: Format | None, part: joined.Range | None) -> Part:
    """Open a file, or a range of it, with the decoder that takes it."""
    import soundfile

    with _translated(name, opening=True):
        if found is not None and not found.by_sndfile:
            return _open_other(name, found)
        try:
            return SndfilePart(name, part)
        except soundfile.LibsndfileError as error:
            is_ogg = found is not None and found.demuxer == "ogg"
            if error.code not in UNSUPPORTED and not (is_ogg and error.code in UNSUPPORTED_IN_OGG):
                raise
            code = error.code
        except UnicodeError:
            # In what it says about itself; libsndfile has no objection.
            raise AudioError(name, "cannot be decoded: its header is damaged") from None
    return _open_unsupported(name, found, part, code)


def _open_other(name: str, found: Format) -> Part:
    """Open what libsndfile does not decode."""
    if found.demuxer is None:
        raise AudioError(name, f"{_holds_none(name)}; it is {found.words}")
    if not has_extra():
        raise UnreadableError(name, _misnamed(name, found) or needs_extra(found.words))
    try:
        return FfmpegPart(name, found)
    except Exception as error:
        if not _is_by_ffmpeg(error):
            raise
    _refuse_failing_disk(name)
    raise AudioError(
        name,
        _misnamed(name, found) or f"cannot be decoded: it begins as {found.words} does, and is damaged or cut short",
    )


def _open_unsupported(name: str, found: Format | None, part: joined.Range | None, code: int) -> Part:
    """Try the other decoder on what libsndfile has no decoder for, or tell what it is."""
    suffix = Path(name).suffix.lower()
    if found is not None and code != 7:
        if not has_extra():
            raise UnreadableError(
                name, needs_extra(f"{found.words} of a coding or with a header that libsndfile does not know")
            )
        with _translated(name):
            try:
                return FfmpegPart(name, found, part)
            except Exception as error:
                if not (isinstance(error, AudioError) or _is_by_ffmpeg(error)):
                    raise
    elif suffix == ".raw":
        raise AudioError(
            name,
            "cannot be decoded: it is raw audio without a header, which does not say its sampling rate; convert it to "
            "wav, for instance with: ffmpeg -f s16le -ar 44100 -ac 2 -i FILE.raw FILE.wav",
        )
    elif suffix in EXTRA_SUFFIXES:
        raise AudioError(name, f"holds no audio of the format that its name says ({suffix})")
    elif code == 7 or suffix in _MPEG_SUFFIXES:
        raise AudioError(name, "holds no MPEG audio")
    raise AudioError(name, f"cannot be decoded: {sentence(code, opening=True)}")


def _holds_none(name: str) -> str:
    return "holds no MPEG audio" if name.lower().endswith(_MPEG_SUFFIXES) else "cannot be decoded"


def _misnamed(name: str, found: Format) -> str | None:
    """Tell that an MPEG suffix is wrong."""
    if not name.lower().endswith(_MPEG_SUFFIXES):
        return None
    extra = "" if has_extra() else f" and run: {install_command('formats')}"
    return f"holds no MPEG audio; it is {found.words}: rename it to {found.suffix}{extra}"


def _is_by_ffmpeg(error: Exception) -> bool:
    """Tell whether FFmpeg raised an error; PyAV gives them the types of Python's own."""
    return type(error).__module__.partition(".")[0] == "av"


def _unreadable(name: str, error: OSError | ValueError) -> AudioError:
    if isinstance(error, ValueError):
        return AudioError(name, "cannot be read: no file can have such a name")
    return UnreadableError(name, f"cannot be read: {error.strerror or 'the system reports an error'}")


def _refuse_failing_disk(name: str) -> None:
    """Read a file that cannot be decoded once more: where the system fails, that was the cause."""
    try:
        with Path(name).open("rb", buffering=0) as file:
            while file.read(_READ_BYTES):
                pass
    except OSError as error:
        raise _unreadable(name, error) from None


@contextmanager
def _translated(name: str, *, opening: bool = False) -> Iterator[None]:
    """Turn whatever a decoder raises into an `AudioError`."""
    import soundfile

    try:
        yield
    except AudioGenreError:
        raise
    except soundfile.LibsndfileError as error:
        _refuse_failing_disk(name)
        if error.code == SYSTEM_ERROR:
            raise UnreadableError(name, "cannot be read: the system reports an error; try again") from None
        raise AudioError(name, f"cannot be decoded: {sentence(error.code, opening=opening)}") from None
    except MemoryError:
        raise UnreadableError(name, "cannot be decoded: there is not enough memory at the moment") from None
    except Exception as error:
        if _is_by_ffmpeg(error):
            _refuse_failing_disk(name)
            raise AudioError(name, "cannot be decoded: its data are damaged") from None
        if isinstance(error, OSError):
            raise _unreadable(name, error) from None
        # A decoder's own fault, or one of what it was given; no other file is to suffer.
        raise AudioError(name, f"cannot be decoded: its decoder failed ({type(error).__name__})") from None
