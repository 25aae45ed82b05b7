"""What libsndfile decodes, as parts; its errors put into words."""

from __future__ import annotations

import io
import os
import re
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from audio_genre.errors import AudioError

if TYPE_CHECKING:
    import numpy as np
    import soundfile
    from numpy.typing import NDArray

    from audio_genre.decoding.joined import Range

# libsndfile tells of audio data that run past the end of the file only in its log, in three forms.
_CUT_SHORT = re.compile(
    r"^\s*(?:data|SSND|Data Size|riff)\s*:\s*(?P<promised>\d+)\s*\(should be (?P<present>\d+)\)"
    r"|Calculated frame count (?P<frames>\d+) does not match value from 'ds64' chunk of (?P<ds64>\d+)",
    re.MULTILINE,
)
# Written by encoders that stream and do not know the length beforehand.
_UNKNOWN_LENGTHS = range(0x7FFFF000, 0x1_0000_0000)
# Sloppy headers are common; what is missing up to this length is taken for a sloppy header.
_SLOPPY_HEADER_SECONDS = 0.1
_ANY_LENGTH = 1 << 62

SYSTEM_ERROR = 2
"""libsndfile's error number of what the operating system reports."""

_UNKNOWN_FORMAT = "Format not recognised"
_UNKNOWN_CODING = "its coding is unknown"
_NO_MEMORY = 17
# By libsndfile's error numbers; its own sentences speak of its insides, and some are not true of the file.
_SENTENCES = {
    1: _UNKNOWN_FORMAT,
    4: _UNKNOWN_CODING,
    7: "it holds no MPEG audio",
    8: "it holds no audio",
    18: _UNKNOWN_CODING,
    32: "its header says that it has no channels",
    33: "its header says that it has more channels than can be decoded",
    34: "its header says an impossible number of channels",
    63: "its header lacks the chunk that tells its format",
    71: "it lacks the chunk that holds the audio",
    78: "it holds WavPack audio",
    90: "it holds no audio",
    92: _UNKNOWN_CODING,
    94: "its header does not say its length",
    100: _UNKNOWN_CODING,
    106: _UNKNOWN_CODING,
    110: _UNKNOWN_CODING,
    123: _UNKNOWN_CODING,
    158: "its FLAC data are damaged",
    159: "its FLAC data are damaged",
    160: "its number of channels changes in the middle",
    161: "its FLAC data are damaged",
}
_DAMAGED_HEADER = "its header is damaged"
_DAMAGED_DATA = "its data are damaged"

UNSUPPORTED = frozenset({1, 4, 7, 18, 29, 64, 78, 92})
"""Error numbers of files that may be good and only need another decoder."""

UNSUPPORTED_IN_OGG = frozenset({161})
"""Likewise of Ogg files: libsndfile does not open all FLAC in them."""


def sentence(code: int, *, opening: bool) -> str:
    """Put an error of libsndfile into words.

    Examples
    --------
    >>> sentence(39, opening=False), sentence(24, opening=True)
    ('its data are damaged', 'its header is damaged')
    """
    return _SENTENCES.get(code, _DAMAGED_HEADER if opening else _DAMAGED_DATA)


class QuietStderr:
    """Keeps what decoders write to file descriptor 2 from the terminal, while at least one thread decodes.

    mpg123 inside libsndfile warns there, of stream sizes and tags, and has no switch that reaches it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads = 0
        self._kept = -1

    def __enter__(self) -> None:
        with self._lock:
            if self._threads == 0:
                self._kept = self._silence()
            self._threads += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._threads -= 1
            if self._threads == 0 and self._kept >= 0:
                os.dup2(self._kept, 2)
                os.close(self._kept)

    @staticmethod
    def _silence() -> int:
        # Without a stderr, descriptor 2 may be any file that the program opened.
        if sys.__stderr__ is None:
            return -1
        kept = os.dup(2)
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
        except OSError:
            os.close(kept)
            raise
        os.dup2(nowhere, 2)
        os.close(nowhere)
        return kept


QUIET = QuietStderr()
"""The one of this process."""


class FileRange(io.RawIOBase):
    """A range of a file's bytes, as a file of its own, with what is to be put before it.

    Attributes
    ----------
    failed : OSError or None
        What the system reported: a decoder that asks through a callback is told only that the file ends.
    """

    def __init__(self, name: str, part: Range | None = None) -> None:
        self._file = open(name, "rb")  # noqa: SIM115, PTH123
        self._begin, self._end, self._prefix = part or (0, os.fstat(self._file.fileno()).st_size, b"")
        self._size = len(self._prefix) + self._end - self._begin
        self._position = 0
        self.failed: OSError | None = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in the range."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position in the range, and return it."""
        base = (0, self._position, self._size)[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read into a buffer, and return how many bytes."""
        count = min(len(buffer), max(0, self._size - self._position))
        if self._position < len(self._prefix):
            head = self._prefix[self._position :][:count]
            memoryview(buffer)[: len(head)] = head
            self._position += len(head)
            return len(head)
        try:
            self._file.seek(self._begin + self._position - len(self._prefix))
            found = self._file.readinto(memoryview(buffer)[:count])
        except OSError as error:
            self.failed = error
            return 0
        self._position += found
        return found

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


class SndfilePart:
    """A file, or a range of one, that libsndfile decodes.

    Attributes
    ----------
    sr, channels : int
        Sampling rate in Hz and number of channels.
    frames : int or None
        Number of frames by the header; None if it does not say.
    estimate : float or None
        Length in seconds.
    encoding : str
        Container and coding.
    texts : dict of str to str
        What it says about itself.
    """

    def __init__(self, name: str, part: Range | None = None) -> None:
        import soundfile

        self._name = name
        self._range: FileRange | None = None
        # What is called .raw soundfile would open without looking at it.
        if part is not None or name.lower().endswith(".raw"):
            self._range = FileRange(name, part)
        try:
            with QUIET:
                self._file: soundfile.SoundFile = soundfile.SoundFile(self._range or _native(name))
        except BaseException:
            self.close()
            raise
        file = self._file
        self.sr, self.channels = int(file.samplerate), int(file.channels)
        self.frames = int(file.frames) if 0 <= file.frames < _ANY_LENGTH else None
        if self.frames is None:
            # soundfile goes to a place after each block, and there is none at the end of a file of unknown length.
            file.seekable = lambda: False
        self.estimate = None if self.frames is None or not self.sr else self.frames / self.sr
        self.encoding = f"{file.format} {file.subtype}"
        self.texts: dict[str, str] = file.copy_metadata()

    def refuse_cut_short(self) -> None:
        """Raise an `AudioError` if the header promises more than the file holds."""
        found = _CUT_SHORT.search(self._file.extra_info)
        if found is None or self.frames is None or not self.sr:
            return
        if found["ds64"]:
            share = int(found["frames"]) / max(1, int(found["ds64"]))
        elif int(found["promised"]) in _UNKNOWN_LENGTHS:
            return
        else:
            share = int(found["present"]) / max(1, int(found["promised"]))
        present = self.frames / self.sr
        promised = present / share if share else float("inf")
        if promised - present > _SLOPPY_HEADER_SECONDS:
            raise AudioError(self._name, cut_short(promised, present))

    def read(self, frames: int) -> NDArray[np.float32]:
        """Decode up to so many frames."""
        with QUIET:
            block: NDArray[np.float32] = self._file.read(frames, dtype="float32", always_2d=True)
        if self._range is not None and self._range.failed is not None:
            raise self._range.failed
        return block

    def blocks(self, frames: int) -> Iterator[NDArray[np.float32]]:
        """Decode block by block."""
        while len(block := self.read(frames)):
            yield block

    def close(self) -> None:
        """Close the file."""
        with QUIET:
            if hasattr(self, "_file"):
                self._file.close()
        if self._range is not None:
            self._range.close()


def cut_short(promised: float, present: float) -> str:
    """Tell that a file is cut short."""
    return f"is cut short: its header says {promised:.2f} s, but only {present:.2f} s are there"


def _native(name: str) -> str | bytes:
    # soundfile encodes a str strictly, and so fails on names that are not valid in the system's encoding.
    return os.fsencode(name) if os.name == "posix" else name
