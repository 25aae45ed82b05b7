"""Audio files to mono windows at the recipe's sampling rate: decode, mix down, resample, cut."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audio_genre.errors import AudioError, SilentError, apart

if TYPE_CHECKING:
    import soundfile
    from numpy.typing import NDArray

AUDIO_SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".au", ".snd", ".aiff", ".aif", ".aifc", ".caf", ".w64"}
)
"""Lower-case suffixes of the files that are taken for audio in a folder."""

UNREAD_SUFFIXES = frozenset(
    {
        *(".aac", ".amr", ".ape", ".dsf", ".m4a", ".m4b", ".mka"),
        *(".mp4", ".mpc", ".ra", ".webm", ".wma", ".wv"),
    }
)
"""Lower-case suffixes of audio files in formats that libsndfile does not decode."""

_BLOCK_SECONDS = 20
# libsndfile tells of audio data that run past the end of the file only in its log, in three forms.
_CUT_SHORT = re.compile(
    r"^\s*(?:data|SSND|Data Size|riff)\s*:\s*(?P<promised>\d+)\s*\(should be (?P<present>\d+)\)"
    r"|Calculated frame count (?P<frames>\d+) does not match value from 'ds64' chunk of (?P<ds64>\d+)",
    re.MULTILINE,
)
# Written by encoders that stream and do not know the length beforehand.
_UNKNOWN_LENGTHS = range(0x7FFFF000, 0x1_0000_0000)
# Sloppy headers are common; what is missing up to these lengths is taken for a sloppy header.
_SLOPPY_HEADER_SECONDS = 0.1
_SLOPPY_ESTIMATE_SECONDS = 1.0


def load(path: str | os.PathLike[str], *, sr: int) -> NDArray[np.float32]:
    """Decode a whole file to mono at a sampling rate, as ``librosa.load`` does.

    Parameters
    ----------
    path : str or os.PathLike
        An audio file that libsndfile decodes.
    sr : int
        Sampling rate of the result in Hz.

    Returns
    -------
    np.ndarray, shape (n,), float32
        The signal; full scale is 1. Channels are averaged, resampling is soxr's "HQ".

    Raises
    ------
    AudioError
        If the file cannot be decoded, is cut short, silent, or holds NaN or infinite samples.

    Examples
    --------
    >>> import numpy as np, soundfile, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "tone.wav"
    >>> soundfile.write(path, np.sin(np.arange(44100) * 0.1), 44100)
    >>> load(path, sr=22050).shape
    (22050,)
    """
    return np.concatenate(list(_checked_blocks(path, sr, one_block_seconds=float("inf"))))


def iter_windows(
    path: str | os.PathLike[str], *, sr: int, seconds: int, min_samples: int
) -> Iterator[NDArray[np.float32]]:
    """Decode a file window by window, in memory that does not grow with its length.

    A file of up to twice `seconds` is one window. A longer one gives consecutive windows of `seconds`;
    what remains at the end is joined to the last of them.

    Parameters
    ----------
    path : str or os.PathLike
        An audio file that libsndfile decodes.
    sr : int
        Sampling rate of the result in Hz.
    seconds : int
        Length of a window in seconds.
    min_samples : int
        Fewest samples, at `sr`, that the whole file must give.

    Yields
    ------
    np.ndarray, shape (n,), float32
        Mono windows in their order in time.

    Raises
    ------
    AudioError
        If the file cannot be decoded, is cut short, silent, too short, or holds NaN or infinite samples.
        It may be raised after windows were yielded: what is wrong can stand at the end of a file.
    """
    full = sr * seconds
    held: NDArray[np.float32] = np.empty(0, dtype=np.float32)
    split = False
    for block in _checked_blocks(path, sr, one_block_seconds=2 * seconds):
        held = np.concatenate((held, block)) if len(held) else block
        while len(held) > 2 * full:
            split = True
            yield held[:full]
            held = held[full:]
    if split and len(held) == 2 * full:
        yield held[:full]
        held = held[full:]
    if not split and len(held) < min_samples:
        found, needed = apart(len(held) / sr, min_samples / sr, 2)
        raise AudioError(os.fspath(path), f"is {found} s long, and features need at least {needed} s")
    yield held


def cut_segments(y: NDArray[np.float32], *, stride: int) -> NDArray[np.float32]:
    """Cut a signal into the segments of the public tables, without a copy.

    Segment ``k`` is ``y[stride * k : stride * k + stride - 1]``; one that does not fit whole is dropped.

    Parameters
    ----------
    y : np.ndarray, shape (n,)
        A mono signal.
    stride : int
        Samples from one segment's start to the next one's: 66150 for 3 s at 22050 Hz.

    Returns
    -------
    np.ndarray, shape (n_segments, stride - 1)
        A read-only view of `y`; ``n_segments`` may be 0.

    Examples
    --------
    >>> import numpy as np
    >>> cut_segments(np.arange(8), stride=3)
    array([[0, 1],
           [3, 4],
           [6, 7]])
    """
    count = (len(y) + 1) // stride
    if count == 0:
        return np.empty((0, stride - 1), dtype=y.dtype)
    step = y.strides[0]
    return np.lib.stride_tricks.as_strided(y, (count, stride - 1), (step * stride, step), writeable=False)


def cut_stretches(
    blocks: Iterable[NDArray[np.float32]], *, length: int, hop: int
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Cut a signal that comes in blocks into stretches that may overlap, so that they cover all of it.

    Stretch ``k`` begins at sample ``hop * k``. What remains behind the last that fits whole is joined to it where it is
    shorter than a tenth of `hop`; otherwise one more stretch ends where the signal ends. No more is held in memory than
    a block and two stretches.

    Parameters
    ----------
    blocks : iterable of np.ndarray, shape (n,), float32
        Parts of a mono signal in their order in time, such as `iter_windows` gives.
    length : int
        Samples of a stretch; a shorter signal is one stretch.
    hop : int
        Samples from one stretch's start to the next one's, from 1; what is left out between two is beyond `length`.

    Yields
    ------
    start : int
        Where in the signal the stretch begins.
    y : np.ndarray, float32
        The stretch.

    Examples
    --------
    >>> import numpy as np
    >>> blocks = [np.arange(3), np.arange(3, 7)]
    >>> [(start, y.tolist()) for start, y in cut_stretches(blocks, length=4, hop=2)]
    [(0, [0, 1, 2, 3]), (2, [2, 3, 4, 5]), (3, [3, 4, 5, 6])]
    """
    joined = hop // 10
    held: NDArray[np.float32] = np.empty(0, dtype=np.float32)
    first = start = 0
    for block in blocks:
        held = np.concatenate((held, block)) if len(held) else block
        while first + len(held) > start + length + joined:
            yield start, held[start - first : start - first + length]
            start += hop
        # The last stretch may be the one that ends where the signal ends.
        done = max(min(start - first, len(held) - length), 0)
        first += done
        held = held[done:]
    end = first + len(held)
    if start + length > end:
        start = max(end - length, 0)
    if end:
        yield start, held[start - first :]


def content_hash(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's bytes, to tell whether its content changed.

    Parameters
    ----------
    path : str or os.PathLike
        A file.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    AudioError
        If the file is missing, not a regular file, or may not be read.
    """
    name = os.fspath(path)
    _refuse_unreadable(name)
    with Path(name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checked_blocks(path: str | os.PathLike[str], sr: int, one_block_seconds: float) -> Iterator[NDArray[np.float32]]:
    """Yield mono blocks at `sr`, in one block where the file is short enough; raise on unusable samples."""
    name = os.fspath(path)
    heard = False
    empty = True
    for block in _decoded_blocks(name, sr, one_block_seconds):
        if not np.isfinite(block).all():
            raise AudioError(name, "holds samples that are NaN or infinite")
        heard = heard or bool(block.any())
        empty = empty and len(block) == 0
        yield block
    if empty:
        raise AudioError(name, "holds no samples")
    if not heard:
        raise SilentError(name, "is silent: every sample is zero")


def _refuse_unreadable(name: str) -> None:
    try:
        mode = Path(name).stat().st_mode
        # Opening a pipe or a device could wait for ever.
        if stat.S_ISREG(mode):
            with Path(name).open("rb"):
                return
    except OSError as error:
        raise AudioError(name, f"cannot be read: {error.strerror}") from None
    raise AudioError(name, "is a folder, not an audio file" if stat.S_ISDIR(mode) else "is not a regular file")


def _native(name: str) -> str | bytes:
    # soundfile encodes a str strictly, and so fails on names that are not valid in the system's encoding.
    return os.fsencode(name) if os.name == "posix" else name


class _QuietStderr:
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
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        return kept


_QUIET = _QuietStderr()


def read_header(path: str | os.PathLike[str]) -> tuple[float, dict[str, str]]:
    """Read how long an audio file is and what it says about itself, without decoding it.

    Parameters
    ----------
    path : str or os.PathLike
        The file.

    Returns
    -------
    seconds : float
        Length by its header.
    texts : dict of str to str
        Such as ``"artist"`` and ``"title"``; empty where the file has none.

    Raises
    ------
    AudioError
        If it cannot be read.
    """
    import soundfile

    name = os.fspath(path)
    _refuse_unreadable(name)
    try:
        with _QUIET, soundfile.SoundFile(_native(name)) as file:
            return file.frames / file.samplerate, file.copy_metadata()
    except soundfile.SoundFileError:
        raise AudioError(name, "is no audio that can be decoded") from None


def _decoded_blocks(name: str, sr: int, one_block_seconds: float) -> Iterator[NDArray[np.float32]]:
    import soundfile

    _refuse_unreadable(name)
    if Path(name).stat().st_size == 0:
        raise AudioError(name, "is empty (0 bytes)")
    try:
        with _QUIET:
            file = soundfile.SoundFile(_native(name))
        with file:
            _refuse_cut_short(name, file)
            if file.frames <= one_block_seconds * file.samplerate:
                y = _mono(_read(file))
                _refuse_missing_frames(name, file, len(y))
                yield resample(y, file.samplerate, sr)
            else:
                yield from _streamed_blocks(name, file, sr)
    except soundfile.LibsndfileError as error:
        # libsndfile's own sentence, such as "Format not recognised."
        raise AudioError(
            name, f"cannot be decoded: {error.error_string.rstrip('.') or 'its data are damaged'}"
        ) from None


def _streamed_blocks(name: str, file: soundfile.SoundFile, sr: int) -> Iterator[NDArray[np.float32]]:
    import soxr

    stream = None
    if file.samplerate != sr:
        stream = soxr.ResampleStream(file.samplerate, sr, 1, dtype="float32", quality="HQ")
    decoded = 0
    while len(frames := _read(file, _BLOCK_SECONDS * file.samplerate)):
        decoded += len(frames)
        y = _mono(frames)
        yield y if stream is None else stream.resample_chunk(y)
    _refuse_missing_frames(name, file, decoded)
    if stream is not None:
        yield stream.resample_chunk(np.empty(0, dtype=np.float32), last=True)


def _read(file: soundfile.SoundFile, frames: int = -1) -> NDArray[np.float32]:
    with _QUIET:
        block: NDArray[np.float32] = file.read(frames, dtype="float32", always_2d=True)
    return block


def _mono(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    return frames[:, 0] if frames.shape[1] == 1 else frames.mean(axis=1)


def resample(y: NDArray[np.float32], sr_in: int, sr_out: int) -> NDArray[np.float32]:
    """Resample a signal as ``librosa.resample(res_type="soxr_hq")`` does.

    Parameters
    ----------
    y : np.ndarray, shape (n,), float32
        A mono signal.
    sr_in, sr_out : int
        Its sampling rate and that of the result, in Hz.

    Returns
    -------
    np.ndarray, shape (ceil(n * sr_out / sr_in),), float32
        The signal at `sr_out`; `y` itself where the rates agree.

    Examples
    --------
    >>> import numpy as np
    >>> resample(np.zeros(441, dtype=np.float32), 44100, 22050).shape
    (221,)
    """
    if sr_in == sr_out or len(y) == 0:
        return np.ascontiguousarray(y)
    import soxr

    resampled: NDArray[np.float32] = soxr.resample(y, sr_in, sr_out, quality="HQ")
    # librosa.resample fixes the length to this, by cutting or by zeros.
    length = -(-len(y) * sr_out // sr_in)
    return np.pad(resampled[:length], (0, max(0, length - len(resampled))))


def _refuse_cut_short(name: str, file: soundfile.SoundFile) -> None:
    found = _CUT_SHORT.search(file.extra_info)
    if found is None:
        return
    if found["ds64"]:
        share = int(found["frames"]) / max(1, int(found["ds64"]))
    elif int(found["promised"]) in _UNKNOWN_LENGTHS:
        return
    else:
        share = int(found["present"]) / max(1, int(found["promised"]))
    present = file.frames / file.samplerate
    promised = present / share if share else float("inf")
    if promised - present > _SLOPPY_HEADER_SECONDS:
        raise AudioError(name, _cut_short(promised, present))


def _refuse_missing_frames(name: str, file: soundfile.SoundFile, decoded: int) -> None:
    promised, present = file.frames / file.samplerate, decoded / file.samplerate
    if promised - present > _SLOPPY_ESTIMATE_SECONDS:
        raise AudioError(name, _cut_short(promised, present))


def _cut_short(promised: float, present: float) -> str:
    return f"is cut short: its header promises {promised:.2f} s and {present:.2f} s are there"
