"""What gives a file's former bytes back out of its present ones: small where one is nearly the other.

A tag that is written moves or rewrites a few bytes of a file and leaves its audio, and mostly its cover, as they are.
The difference is a list of copies out of the present file and of bytes that stand there no more.
"""

from __future__ import annotations

import json
import mmap
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

_BLOCK = 32
_STEP = 16
_NEAR = 1 << 16
_FAR_SEARCHES = 64
_CHUNK = 1 << 20


def make_delta(former: Path, present: Path, *, most_new: int) -> bytes | None:
    """Find out what gives one file out of another."""
    with ExitStack() as stack:
        old, new = (
            stack.enter_context(mmap.mmap(stack.enter_context(file.open("rb")).fileno(), 0, access=mmap.ACCESS_READ))
            for file in (former, present)
        )
        steps: list[tuple[int, int]] = []
        literals = bytearray()
        for start, length in _matches(old, new):
            if start >= 0:
                steps.append((start, length))
                continue
            at = -1 - start
            literals += old[at : at + length]
            if len(literals) > most_new:
                return None
            if steps and steps[-1][0] < 0:
                steps[-1] = (-1, steps[-1][1] + length)
            else:
                steps.append((-1, length))
    return zlib.compress(json.dumps(steps).encode() + b"\n" + bytes(literals), 9)


def apply_delta(present: Path, delta: bytes, write: Callable[[bytes], object]) -> None:
    """Give out the former content of a file."""
    head, _, literals = zlib.decompress(delta).partition(b"\n")
    at = 0
    with present.open("rb") as file:
        for start, length in json.loads(head):
            if start < 0:
                write(literals[at : at + length])
                at += length
                continue
            file.seek(start)
            left = length
            while left and (chunk := file.read(min(left, _CHUNK))):
                write(chunk)
                left -= len(chunk)


def _matches(old: mmap.mmap, new: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Yield stretches of `old` in order: (start in `new`, length), or (-1 - start in `old`, length) if not there."""
    at = shift = 0
    far_searches = _FAR_SEARCHES
    while at < len(old):
        length = _common(old, at, new, at + shift)
        if length < min(_BLOCK, len(old) - at):
            block = old[at : at + _BLOCK]
            near = at + shift
            found = -1
            # Where bytes were only overwritten, what follows stands where it would.
            if old[at + _STEP : at + _STEP + _BLOCK] != _slice(new, near + _STEP, _BLOCK):
                found = new.find(block, max(0, near - _NEAR), max(0, near + _NEAR))
                if found < 0 and far_searches:
                    far_searches -= 1
                    found = new.find(block)
            if found < 0:
                length = min(_STEP, len(old) - at)
                yield -1 - at, length
                at += length
                continue
            shift = found - at
            length = _common(old, at, new, found)
        yield at + shift, length
        at += length


def _slice(data: mmap.mmap, start: int, length: int) -> bytes:
    return data[start : start + length] if start >= 0 else b""


def _common(old: mmap.mmap, at: int, new: mmap.mmap, start: int) -> int:
    """Return how many bytes are the same from two places on."""
    if start < 0:
        return 0
    longest = max(0, min(len(old) - at, len(new) - start))
    length = 0
    size = _BLOCK
    while length < longest:
        size = min(size, longest - length)
        a, b = old[at + length : at + length + size], new[start + length : start + length + size]
        if a != b:
            return length + next(k for k in range(size) if a[k] != b[k])
        length += size
        size = min(2 * size, _CHUNK)
    return length
