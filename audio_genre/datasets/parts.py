"""The file and number that a row's name tells: a careful road, one name at a time, and a fast one for usual names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUFFIX = r"(\.(?=\w*[A-Za-z])\w+)?"
"""Pattern of what a file's name may end in."""

# blues.00000.3.wav is segment 3 of blues.00000.wav; a zero-padded number is part of the track's name ...
_PART = re.compile(rf"(.*[^/.])\.(0|[1-9]\d{{0,8}}){SUFFIX}", re.DOTALL)
# ... unless the track has a number of its own: blues.00000.03.wav.
_PADDED_PART = re.compile(rf"(.+\.\d+)\.(0\d{{1,2}}){SUFFIX}", re.DOTALL)
# blues.00000.3.0-6.0.wav is the segment from second 3.0 to 6.0 of blues.00000.wav.
_SPAN = re.compile(rf"(.*[^/.])\.(\d{{1,6}}\.\d+)-(\d{{1,6}}\.\d+){SUFFIX}", re.DOTALL)
# Without leading zeros; then with them, as above.
_MAX_DIGITS, _MAX_PADDED = 9, 3
_NAMES_AT_A_TIME = 1 << 14

_DIGIT, _LETTER, _UNDERLINE, _SIGN, _BEYOND_ASCII = (1 << bit for bit in range(5))
# What kind each byte of UTF-8 is of; the two that separate are of none.
_KINDS = np.full(256, _BEYOND_ASCII, dtype=np.uint8)
_KINDS[:128] = [
    0 if sign in ".\n" else _DIGIT if sign.isdigit() else _LETTER if sign.isalpha() else _SIGN
    for sign in map(chr, range(128))
]
_KINDS[ord("_")] = _UNDERLINE


def cut_parts(items: Sequence[str], *, padded: bool = True) -> tuple[list[str], NDArray[np.int64]]:
    """Return the file of each row and its number there; the name itself and -1 where it is no part.

    The number of a part that is named by its seconds is its start in milliseconds.

    >>> cut_parts(["blues.00000.3.wav", "blues.00000.03.wav", "blues.00000.wav"])
    (['blues.00000.wav', 'blues.00000.wav', 'blues.00000.wav'], array([ 3,  3, -1]))
    """
    patterns = (_PART, _PADDED_PART) if padded else (_PART,)
    files: list[str] = []
    numbers = np.empty(len(items), dtype=np.int64)
    for first in range(0, len(items), _NAMES_AT_A_TIME):
        chunk = items[first : first + _NAMES_AT_A_TIME]
        found, k, is_unusual = _cut_usual(chunk)
        for row in np.flatnonzero(is_unusual).tolist():
            found[row], k[row] = _cut(chunk[row], patterns)
        files += found
        numbers[first : first + len(chunk)] = k
    return files, numbers


def cut_part(item: str) -> tuple[str, int]:
    """Return what `cut_parts` does for one name."""
    return _cut(item, (_PART, _PADDED_PART))


def cut_by(items: Sequence[str], pattern: re.Pattern[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Return what `cut_parts` does by another pattern, whose groups are the name, the number and the suffix."""
    found = [_cut(item, [pattern]) for item in items]
    return [file for file, _ in found], np.array([number for _, number in found], dtype=np.int64)


def _cut(item: str, patterns: Iterable[re.Pattern[str]]) -> tuple[str, int]:
    span = _SPAN.fullmatch(item) if "-" in item else None
    if span is not None and float(span[2]) < float(span[3]):
        return span[1] + (span[4] or ""), round(1000 * float(span[2]))
    for pattern in patterns:
        if match := pattern.fullmatch(item):
            stem, number, suffix = match.groups("")
            return stem + suffix, int(number)
    return item, -1


def _cut_usual(items: Sequence[str]) -> tuple[list[str], NDArray[np.int64], NDArray[np.bool_]]:
    """Do what `_cut` does for all names at once; return too which names it was not done for, as they are unusual.

    The number is the last cell between points or, where that is a suffix, the one before it; no pattern takes another.
    """
    raw = np.frombuffer("\n".join([*items, ""]).encode("utf-8", "surrogatepass"), dtype=np.uint8)
    ends = np.flatnonzero((raw == ord(".")) | (raw == ord("\n")))
    last = np.flatnonzero(raw[ends] == ord("\n"))
    k = np.full(len(items), -1)
    if len(last) != len(items):
        return list(items), k, np.ones(len(items), dtype=bool)
    starts = np.concatenate([[0], ends[:-1] + 1])
    kinds = np.bitwise_or.reduceat(_KINDS[raw], starts)
    sizes = ends - starts
    is_number = kinds == _DIGIT
    is_first = np.zeros(len(ends), dtype=bool)
    is_first[0] = True
    is_first[last[:-1] + 1] = True
    # A number needs a name before it, which is no folder.
    before = raw[np.maximum(starts - 2, 0)]
    can_follow = ~is_first & (before != ord(".")) & (before != ord("/")) & (before != ord("\n"))
    is_padded = is_number & (raw[starts] == ord("0")) & (sizes > 1)
    is_plain = is_number & can_follow & ~is_padded & (sizes <= _MAX_DIGITS)
    is_doubtful = is_number & ~can_follow | is_padded & (sizes <= _MAX_PADDED) | (kinds >= _BEYOND_ASCII)

    has_suffix = ((kinds[last] & _LETTER) > 0) & (kinds[last] <= (_DIGIT | _LETTER | _UNDERLINE))
    cell = last - (has_suffix & ~is_first[last])
    # The end of a span in seconds looks like a number too.
    may_span = is_number[cell] & ~is_first[cell] & (kinds[np.maximum(cell - 1, 0)] == (_DIGIT | _SIGN))
    is_part = is_plain[cell] & ~may_span
    is_unusual = may_span | ~is_part & ~is_first[cell] & is_doubtful[cell]

    rows = np.flatnonzero(is_part)
    starts, sizes = starts[cell[rows]], sizes[cell[rows]]
    is_kept = np.ones(len(raw), dtype=bool)
    is_kept[starts - 1] = False
    values = np.zeros(len(rows), dtype=np.int64)
    for place in range(int(sizes.max(initial=0))):
        longer = sizes > place
        at = starts[longer] + place
        is_kept[at] = False
        values[longer] = values[longer] * 10 + (raw[at] - ord("0"))
    k[rows] = values
    if not len(rows):
        return list(items), k, is_unusual
    files = raw[is_kept].tobytes().decode("utf-8", "surrogatepass").split("\n")
    files.pop()
    return files, k, is_unusual
