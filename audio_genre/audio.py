"""Audio files to mono windows at the recipe's sampling rate: decode, mix down, resample, cut."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from audio_genre.decoding import EXTRA_SUFFIXES, SNDFILE_SUFFIXES, Part, cut_short, open_parts, refuse_unreadable
from audio_genre.errors import AudioError, ParameterError, SilentError, UnreadableError, apart

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

AUDIO_SUFFIXES = SNDFILE_SUFFIXES
"""Lower-case suffixes of the files that are taken for audio in a folder, and decoded by libsndfile."""

UNREAD_SUFFIXES = EXTRA_SUFFIXES
"""Lower-case suffixes of audio files that need the extra ``formats``."""

MIN_RATE, MAX_RATE = 2000, 1_500_000
"""Lowest and highest sampling rate in Hz of a file: below, hardly a melody is left; above is DSD at four times its
usual rate."""

MAX_SECONDS = 12 * 3600
"""Longest file in seconds."""

MIN_SECONDS = 2
"""Shortest clip in seconds that features are computed from; one shorter than a segment is padded by reflection."""

_BLOCK_SECONDS = 20
# Of a block, and of a file that is decoded at once: bounds on what a header can make be allocated.
_BLOCK_SAMPLES = 1 << 25
_WHOLE_SAMPLES = 1 << 28
# Twelve hours of stereo at 192 kHz: no more is decoded, whatever rate and number of channels a header says.
_MAX_SAMPLES = MAX_SECONDS * 192_000 * 2
# 50 dB. What coding leaves of channels that cancel each other: nothing (MP3), -69 dB (Opus), -53 dB (mu-law).
_CANCELLED = 1e-5
_SLOPPY_ESTIMATE_SECONDS = 1.0


def load(path: str | os.PathLike[str], *, sr: int) -> NDArray[np.float32]:
    """Decode a whole file to mono at a sampling rate, as ``librosa.load`` does.

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
    """
    blocks = _checked_blocks(path, sr, one_block_seconds=2 * seconds)
    return _cut_windows(blocks, os.fspath(path), sr * seconds, sr, min_samples)


def windows_of(y: NDArray[np.float32], *, sr: int, seconds: int, min_samples: int) -> Iterator[NDArray[np.float32]]:
    """Cut a signal in memory into the windows that `iter_windows` makes of a file."""
    if not y.any():
        raise SilentError("the signal", "is silent")
    return _cut_windows(iter([y]), "the signal", sr * seconds, sr, min_samples)


def as_signal(y: ArrayLike, sr: float) -> NDArray[np.float32]:
    """Check a mono signal that a user gave, and its sampling rate."""
    given = np.asarray(y)
    if given.dtype.kind not in "iuf":
        raise ParameterError(f"y must hold real numbers, got {given.dtype}; decode the audio to float samples.")
    with np.errstate(over="ignore"):
        signal = given.astype(np.float32)
    if signal.ndim != 1:
        raise ParameterError(
            f"y must be one mono signal of shape (n,), got shape {signal.shape}; average the channels."
        )
    if not (isinstance(sr, (int, float, np.integer, np.floating)) and sr > 0 and float(sr).is_integer()):
        raise ParameterError(f"sr must be a sampling rate in whole Hz above 0, got {sr!r}.")
    return signal


def _cut_windows(
    blocks: Iterator[NDArray[np.float32]], name: str, full: int, sr: int, min_samples: int
) -> Iterator[NDArray[np.float32]]:
    held: NDArray[np.float32] = np.empty(0, dtype=np.float32)
    split = False
    for block in blocks:
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
        raise AudioError(name, f"is {found} s long, and features need at least {needed} s")
    yield held


def continue_short(y: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Continue a clip that is shorter than a segment by its reflection, as far as a segment needs.

    Examples
    --------
    >>> import numpy as np
    >>> continue_short(np.array([1, 2, 3, 4]), 6)
    array([1, 2, 3, 4, 3, 2])
    """
    return y if len(y) >= length else np.pad(y, (0, length - len(y)), mode="reflect")


def cut_segments(y: NDArray[np.float32], *, stride: int) -> NDArray[np.float32]:
    """Cut a signal into the segments of the public tables, without a copy.

    Segment ``k`` is ``y[stride * k : stride * k + stride - 1]``; one that does not fit whole is dropped.

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
    """Return the SHA-256 of a file's bytes, to tell whether its content changed."""
    name = os.fspath(path)
    refuse_unreadable(name)
    try:
        with Path(name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableError(name, f"cannot be read: {error.strerror}") from None


class _Channels:
    """Sums up how loud the channels of a file are, and their mix to mono."""

    def __init__(self) -> None:
        self.power = self.mixed = 0.0

    def mix(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mix to mono."""
        if frames.shape[1] == 1:
            return frames[:, 0]
        y: NDArray[np.float32] = frames.mean(axis=1)
        flat = frames.reshape(-1)
        self.power += float(np.dot(flat, flat)) / frames.shape[1]
        self.mixed += float(np.dot(y, y))
        return y

    def refuse_cancelled(self, name: str) -> None:
        """Raise where next to nothing is left in the mix."""
        if not 0 < self.power < float("inf") or self.mixed > _CANCELLED * self.power:
            return
        left = f"it is {10 * math.log10(self.power / self.mixed):.0f} dB below them" if self.mixed else "it is silent"
        raise AudioError(
            name,
            f"cannot be used: its channels cancel each other in the mix to mono ({left}); swap the polarity of one "
            "channel, or extract one channel",
        )


def _checked_blocks(path: str | os.PathLike[str], sr: int, one_block_seconds: float) -> Iterator[NDArray[np.float32]]:
    """Yield mono blocks at `sr`, in one block where the file is short enough; raise on unusable samples."""
    name = os.fspath(path)
    channels = _Channels()
    heard = False
    count = 0
    for block in _decoded_blocks(name, sr, one_block_seconds, channels):
        if not np.isfinite(block).all():
            raise AudioError(name, "holds samples that are NaN or infinite")
        heard = heard or bool(block.any())
        count += len(block)
        if count > MAX_SECONDS * sr:
            raise AudioError(name, _too_long())
        yield block
    if count == 0:
        raise AudioError(name, "holds no samples")
    channels.refuse_cancelled(name)
    if not heard:
        raise SilentError(name, "is silent: every sample is zero")


def iter_channels(path: str | os.PathLike[str]) -> Iterator[NDArray[np.float32]]:
    """Decode a file block by block as it is, neither mixed nor resampled."""
    for part in open_parts(os.fspath(path)):
        _refuse_rate(os.fspath(path), part.sr)
        yield from part.blocks(_block_frames(part))


class Header(NamedTuple):
    """What an audio file says before it is decoded.

    Attributes
    ----------
    seconds : float
        Length.
    sr : int
        Sampling rate in Hz, of the first stream where there are several.
    channels : int
        Number of channels, likewise.
    encoding : str
        Container and coding, such as ``"WAV PCM_16"``.
    texts : dict of str to str
        Such as ``"artist"`` and ``"title"``; empty where the file has none.
    """

    seconds: float
    sr: int
    channels: int
    encoding: str
    texts: dict[str, str]


def read_facts(path: str | os.PathLike[str]) -> Header:
    """Read what an audio file says about itself, without decoding it."""
    name = os.fspath(path)
    first: Part | None = None
    seconds = 0.0
    for part in open_parts(name):
        seconds += _promised_seconds(name, part, seconds) or 0.0
        first = first or part
    if first is None:
        raise AudioError(name, "holds no audio")
    return Header(seconds, first.sr, first.channels, first.encoding, first.texts)


def read_header(path: str | os.PathLike[str]) -> tuple[float, dict[str, str]]:
    """Read how long an audio file is and what it says about itself, without decoding it."""
    facts = read_facts(path)
    return facts.seconds, facts.texts


def _promised_seconds(name: str, part: Part, before: float) -> float | None:
    """Return the length of a part by its header; refuse a rate or a length beyond all music."""
    _refuse_rate(name, part.sr)
    if part.frames is None:
        return part.estimate
    if before + part.frames / part.sr > MAX_SECONDS or part.frames * part.channels > _MAX_SAMPLES:
        raise AudioError(name, _too_long())
    return part.frames / part.sr


def _refuse_rate(name: str, sr: int) -> None:
    if not MIN_RATE <= sr <= MAX_RATE:
        raise AudioError(
            name,
            f"has a sampling rate of {sr} Hz, and music needs one from {MIN_RATE} to {MAX_RATE} Hz; correct its header",
        )


def _too_long() -> str:
    return (
        f"is too long: a file may have {MAX_SECONDS // 3600} h, or as many samples as that is in stereo at 192 kHz; "
        "cut it into parts"
    )


def _decoded_blocks(name: str, sr: int, one_block_seconds: float, channels: _Channels) -> Iterator[NDArray[np.float32]]:
    before = 0.0
    for part in open_parts(name):
        seconds = _promised_seconds(name, part, before)
        part.refuse_cut_short()
        is_short = part.frames is not None and part.frames <= one_block_seconds * part.sr
        if is_short and part.frames * part.channels <= _WHOLE_SAMPLES:  # type: ignore[operator]
            y = _joined([channels.mix(frames) for frames in part.blocks(max(1, part.frames or 0))])
            _refuse_missing(name, part, len(y))
            yield resample(y, part.sr, sr)
        else:
            yield from _streamed_blocks(name, part, sr, channels)
        before += seconds or 0.0


def _joined(blocks: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return blocks[0] if len(blocks) == 1 else np.concatenate([np.empty(0, dtype=np.float32), *blocks])


def _block_frames(part: Part) -> int:
    return max(1, min(_BLOCK_SECONDS * part.sr, _BLOCK_SAMPLES // max(1, part.channels)))


def _streamed_blocks(name: str, part: Part, sr: int, channels: _Channels) -> Iterator[NDArray[np.float32]]:
    import soxr

    stream = None
    if part.sr != sr:
        stream = soxr.ResampleStream(part.sr, sr, 1, dtype="float32", quality="HQ")
    decoded = 0
    for frames in part.blocks(_block_frames(part)):
        decoded += len(frames)
        if decoded * part.channels > _MAX_SAMPLES:
            raise AudioError(name, _too_long())
        y = channels.mix(frames)
        yield y if stream is None else stream.resample_chunk(y)
    _refuse_missing(name, part, decoded)
    if stream is not None:
        yield stream.resample_chunk(np.empty(0, dtype=np.float32), last=True)


def _refuse_missing(name: str, part: Part, decoded: int) -> None:
    """Raise where decoding ended before what the header promises."""
    promised, present = (part.frames or 0) / part.sr, decoded / part.sr
    if promised - present > _SLOPPY_ESTIMATE_SECONDS:
        raise AudioError(name, cut_short(promised, present))


def resample(y: NDArray[np.float32], sr_in: int, sr_out: int) -> NDArray[np.float32]:
    """Resample a signal as ``librosa.resample(res_type="soxr_hq")`` does.

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
