"""What one audio file tells: whether it can be used, how it was recorded, and its fingerprint."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audio_genre.audio import iter_channels, iter_windows, read_facts, resample
from audio_genre.audit.fingerprint import SR, Fingerprinter
from audio_genre.dsp import GTZAN57
from audio_genre.errors import AudioError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WINDOW_SECONDS = 30
_CEILING = 0.99
_MIN_RUN = 3
# How the reasons of `audio_genre.audio` begin.
_KINDS = (
    ("is empty", "empty_file"),
    ("holds no samples", "empty_file"),
    ("is silent", "silent"),
    ("is cut short", "truncated"),
    ("cannot be used: its channels cancel", "cancelling"),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a file cannot be used.

    Attributes
    ----------
    kind : str
        Kind of the finding.
    reason : str
        What is wrong, to be read after the file's name.
    """

    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What a file that can be used tells.

    Attributes
    ----------
    seconds : float
        Length.
    sr : int
        Sampling rate in Hz.
    channels : int
        Number of channels.
    encoding : str
        Container and coding, such as ``"WAV PCM_16"``.
    sha256 : str
        Hash of the decoded samples, mixed to mono, and the sampling rate.
    clipped : float
        Share of samples in runs of three or more at the peak, where that is near full scale; of the mono mix.
    dc : float
        Mean of the samples.
    rms : float
        Root of their mean square.
    equal_channels : bool
        Whether there are several channels and all are the same.
    codes : np.ndarray of uint32
        Fingerprint.
    """

    seconds: float
    sr: int
    channels: int
    encoding: str
    sha256: str
    clipped: float
    dc: float
    rms: float
    equal_channels: bool
    codes: NDArray[np.uint32]


def listen(path: str) -> Heard | Fault:
    """Decode a file, in memory that does not grow with its length, and tell what it is."""
    try:
        return _heard(path)
    except AudioError as error:
        kind = next((kind for start, kind in _KINDS if error.reason.startswith(start)), "unreadable")
        return Fault(kind, error.reason)
    except Exception as error:
        # One file must never spoil a run, whatever it makes a library do.
        return Fault("unreadable", f"cannot be processed ({type(error).__name__})")


def _heard(path: str) -> Heard | Fault:
    header = read_facts(path)
    sr, channels = header.sr, header.channels
    digest = hashlib.sha256(str(sr).encode())
    fingerprinter = Fingerprinter()
    count = clipped = 0
    total = squares = 0.0
    for y in iter_windows(path, sr=sr, seconds=_WINDOW_SECONDS, min_samples=1):
        digest.update(np.ascontiguousarray(y).data)
        count += len(y)
        total += float(y.sum(dtype=np.float64))
        squares += float(np.einsum("i,i->", y, y, dtype=np.float64))
        clipped += _clipped(y)
        fingerprinter.add(resample(y, sr, SR))
    if count < GTZAN57.n_fft * sr / GTZAN57.sr:
        return Fault(
            "too_short", f"is {count / sr:.2f} s long, and features need at least {GTZAN57.n_fft / GTZAN57.sr:.2f} s"
        )
    return Heard(
        seconds=count / sr,
        sr=sr,
        channels=channels,
        encoding=header.encoding,
        sha256=digest.hexdigest(),
        clipped=clipped / count,
        dc=total / count,
        rms=math.sqrt(squares / count),
        equal_channels=channels > 1 and _has_equal_channels(path),
        codes=fingerprinter.codes(),
    )


def _has_equal_channels(path: str) -> bool:
    return all((block == block[:, :1]).all() for block in iter_channels(path))


def _clipped(y: NDArray[np.float32]) -> int:
    """Count the samples in runs at the peak, of either sign."""
    peak = float(np.abs(y).max(initial=0))
    if peak < _CEILING:
        return 0
    # One step of 16 bits, because the negative peak may be one larger.
    high = np.abs(y) >= peak - 2**-14
    edges = np.flatnonzero(np.diff(high, prepend=False, append=False))
    runs = edges[1::2] - edges[::2]
    return int(runs[runs >= _MIN_RUN].sum())
