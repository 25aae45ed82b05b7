"""Fingerprints of audio, and sections of one recording in several files, at any offset.

After Haitsma and Kalker [1]_: 32 bits every 46 ms tell whether the difference of energy between neighbouring bands, 300
to 2000 Hz, grew since the frame before. Gain, format and sampling rate hardly change them; another recording has other
ones. Here frames are farther apart than in the paper and as long.

References
----------
.. [1] Haitsma and Kalker, "A highly robust audio fingerprinting system", ISMIR 2002.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SR = 11025
"""Sampling rate in Hz of the signals that fingerprints are made of."""

_N_FFT = 4096
_HOP = 512
_BITS = 32
_LOWEST_HZ, _HIGHEST_HZ = 300.0, 2000.0
_BLOCK_FRAMES = 64

FRAMES_PER_SECOND = SR / _HOP
"""Codes of a fingerprint for each second of audio."""

_MIN_FRAMES = round(5 * FRAMES_PER_SECOND)
# Shorter files must be the same nearly as a whole.
_MIN_FRAMES_OF_SHORT = 40
_NEARLY_ALL = 0.8
# Copies through MP3, Ogg and half a hop of offset have 0 to 0.14 wrong bits; unrelated music 0.38 and more.
_MAX_WRONG_BITS = 0.18
# In parts, and in a few seconds all the more, music of equal loops can come closer by chance.
_MAX_WRONG_BITS_OF_PART = 0.15
_MAX_WRONG_BITS_OF_SHORT = 0.1
_BORDER = 0.27
_MIN_VOTES = 2
_MAX_EQUAL_CODES = 64
_BIT_COUNTS = np.array([value.bit_count() for value in range(256)], dtype=np.uint8)


@dataclass(frozen=True)
class Overlap:
    """A stretch that two files share.

    Attributes
    ----------
    a, b : int
        Numbers of the files, the smaller first.
    frames : int
        Codes that the stretch has, without those that say nothing.
    offset : float
        Seconds from its start in `a` to its start in `b`.
    wrong_bits : float
        Share of the fingerprints' bits that differ in it.
    """

    a: int
    b: int
    frames: int
    offset: float
    wrong_bits: float

    @property
    def seconds(self) -> float:
        """Length of the stretch in seconds."""
        return self.frames / FRAMES_PER_SECOND


class Fingerprinter:
    """Makes the fingerprint of a signal that comes in pieces."""

    def __init__(self) -> None:
        self._held = np.empty(0, dtype=np.float32)
        self._last: NDArray[np.float32] | None = None
        self._codes: list[NDArray[np.uint32]] = []

    def add(self, y: NDArray[np.float32]) -> None:
        """Go on with the next piece."""
        held = np.concatenate((self._held, y))
        count = max(0, (len(held) - _N_FFT) // _HOP + 1)
        if count:
            frames = np.lib.stride_tricks.sliding_window_view(held, _N_FFT)[::_HOP]
            for start in range(0, count, _BLOCK_FRAMES):
                self._append(frames[start : start + _BLOCK_FRAMES])
        self._held = held[count * _HOP :]

    def _append(self, frames: NDArray[np.float32]) -> None:
        spectra = np.fft.rfft(frames * np.hanning(_N_FFT).astype(np.float32), axis=1)
        energy = (spectra.real**2 + spectra.imag**2).astype(np.float32) @ _bands()
        slope = energy[:, :-1] - energy[:, 1:]
        if self._last is not None:
            slope = np.concatenate((self._last, slope))
        self._last = slope[-1:]
        bits = np.packbits(np.diff(slope, axis=0) > 0, axis=1)
        self._codes.append(np.ascontiguousarray(bits).view(np.uint32)[:, 0])

    def codes(self) -> NDArray[np.uint32]:
        """Return the fingerprint."""
        return np.concatenate([np.empty(0, dtype=np.uint32), *self._codes])


@lru_cache(maxsize=1)
def _bands() -> NDArray[np.float32]:
    edges = np.geomspace(_LOWEST_HZ, _HIGHEST_HZ, _BITS + 2)
    frequencies = np.fft.rfftfreq(_N_FFT, 1 / SR)
    return np.stack([(frequencies >= low) & (frequencies < high) for low, high in pairwise(edges)]).T.astype(np.float32)


def find_overlaps(fingerprints: Sequence[NDArray[np.uint32]]) -> list[Overlap]:
    """Find stretches of at least five seconds that files share, or nearly all of a shorter file."""
    candidates: dict[tuple[int, int], set[int]] = defaultdict(set)
    for a, b, offset in _candidates(fingerprints):
        candidates[a, b].update(range(offset - 2, offset + 3))
    found = []
    for (a, b), offsets in sorted(candidates.items()):
        shorter = min(len(fingerprints[a]), len(fingerprints[b]))
        compared = [(*_shared_stretch(fingerprints[a], fingerprints[b], k), k) for k in sorted(offsets)]
        good = [(frames, -wrong, k) for frames, wrong, k in compared if wrong <= _most_wrong(frames, shorter)]
        if good:
            # Among neighbouring offsets of about equal length the one with the fewest wrong bits is the right one.
            longest = max(frames for frames, _, _ in good)
            frames, wrong, offset = max((g for g in good if g[0] >= longest - 4), key=lambda g: g[1])
            found.append(Overlap(a, b, frames, offset / FRAMES_PER_SECOND, -wrong))
    return found


def _candidates(fingerprints: Sequence[NDArray[np.uint32]]) -> Iterator[tuple[int, int, int]]:
    """Yield pairs of files with the offset at which several of their codes are equal."""
    lengths = [len(codes) for codes in fingerprints]
    if not sum(lengths):
        return
    codes = np.concatenate(list(fingerprints))
    order = np.argsort(codes, kind="stable")
    order = order[np.searchsorted(codes[order], 1) :]  # 0 says nothing
    codes = codes[order]
    starts = np.concatenate(([0], np.cumsum(lengths)))
    file = (np.searchsorted(starts, order, side="right") - 1).astype(np.int32)
    frame = (order - starts[file]).astype(np.int32)
    # A code that many files share, such as that of a click, tells nothing of which is which.
    rank = np.flatnonzero(np.diff(codes, prepend=0))
    sizes = np.diff(rank, append=len(codes))
    rare = np.repeat(sizes <= _MAX_EQUAL_CODES, sizes)
    codes, file, frame = codes[rare], file[rare], frame[rare]
    # A vote in one number: both files, and the offset, made positive, in pairs that overlap by half.
    span = 2 * max(lengths) + 4
    votes = []
    for step in range(1, _MAX_EQUAL_CODES):
        equal = np.flatnonzero(codes[step:] == codes[:-step])
        if len(equal) == 0:
            break
        equal = equal[file[equal] != file[equal + step]]
        a, b = file[equal].astype(np.int64), file[equal + step]
        offset = frame[equal + step] - frame[equal] + max(lengths)
        votes += [(a * len(lengths) + b) * span + (offset + shift) // 2 * 2 + shift for shift in (0, 1)]
    if not votes:
        return
    kinds, counts = np.unique(np.concatenate(votes), return_counts=True)
    for kind in kinds[counts >= _MIN_VOTES].tolist():
        pair, offset = divmod(kind, span)
        yield *divmod(pair, len(lengths)), offset - max(lengths)


def _most_wrong(frames: int, shorter: int) -> float:
    """Return the largest share of wrong bits of a stretch that is shared; below zero if it is too short for any."""
    is_whole = frames >= _NEARLY_ALL * shorter
    if frames >= _MIN_FRAMES:
        return _MAX_WRONG_BITS if is_whole else _MAX_WRONG_BITS_OF_PART
    return _MAX_WRONG_BITS_OF_SHORT if is_whole and frames >= _MIN_FRAMES_OF_SHORT else -1.0


def _shared_stretch(a: NDArray[np.uint32], b: NDArray[np.uint32], offset: int) -> tuple[int, float]:
    """Return how many frames the stretch has that two files share best at an offset, and its share of wrong bits."""
    start, end = max(0, -offset), min(len(a), len(b) - offset)
    if end <= start:
        return 0, 1.0
    x, y = a[start:end], b[start + offset : end + offset]
    says = (x != 0) & (y != 0)
    if not says.any():
        return 0, 1.0
    wrong = _BIT_COUNTS[(x[says] ^ y[says]).view(np.uint8).reshape(-1, 4)].sum(axis=1) / _BITS
    # The stretch with the largest sum of what its frames are better than the border between shared and not shared.
    sums = np.concatenate(([0.0], np.cumsum(_BORDER - wrong)))
    lowest = np.minimum.accumulate(sums)
    last = int(np.argmax(sums - lowest))
    first = int(np.argmin(sums[: last + 1]))
    return last - first, float(wrong[first:last].mean()) if last > first else 1.0
