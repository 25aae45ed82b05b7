"""Exact running median of odd length, vectorised across rows: minima and maxima of whole arrays, nothing else.

Neighbouring windows share most of their elements. For ``2 * group - 1`` taps, ``group`` consecutive windows share
``group`` elements; these are sorted once, by a sorting network whose comparators act on whole arrays. The windows are
then halved again and again: each half adds its own sorted block, and what can no longer be the median is dropped.
A 31-tap median costs 28 minima or maxima an output, and each of them is one SIMD instruction for 8 or 16 outputs.

The sharing of sorted cores is that of Adams, "Fast median filters using separable sorting networks",
ACM Transactions on Graphics 40(4), 2021, in one dimension.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audio_genre.errors import ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Sorted = list[Floats]

# Elements in one network array: large enough to hide the cost of a call, small enough to stay in the L2 cache.
_NETWORK_ELEMENTS = 24576


def running_median(x: Floats, size: int = 31, *, out: Floats | None = None) -> Floats:
    """Median filter along the first axis, equal to ``scipy.ndimage.median_filter(mode="reflect")``.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1], [9], [2], [3], [8]], dtype=np.float32)
    >>> running_median(x, size=3).ravel()
    array([1., 2., 3., 3., 8.], dtype=float32)
    """
    group = (size + 1) // 2
    if size < 3 or group * 2 - 1 != size or group & (group - 1):
        raise ParameterError(f"The size of a running median must be 3, 7, 15, 31 or so (2**k - 1); got {size}.")
    n, m = x.shape
    if out is None:
        out = np.empty((n, m), dtype=np.float32)
    if n < group - 1:
        # Too short to be mirrored once: mirrored more often beforehand.
        margin = group - 1
        out[:] = running_median(np.pad(x, ((margin, margin), (0, 0)), mode="symmetric"), size)[margin : margin + n]
        return out
    groups = -(-n // group)
    width = max(16, _NETWORK_ELEMENTS // groups)
    slots = np.zeros((group, groups + 2, min(width, m)), dtype=np.float32)
    for start in range(0, m, width):
        stop = min(start + width, m)
        chunk = slots[:, :, : stop - start]
        _fill_slots(chunk, x[:, start:stop])
        _spread(_network(chunk), out[:, start:stop])
    return out


def _fill_slots(slots: Floats, x: Floats) -> None:
    """Put row ``group * g + j`` of the mirrored signal into ``slots[j, g]``; row ``group`` is the first of `x`."""
    group, width = len(slots), slots.shape[2]
    whole, rest = divmod(len(x), group)
    slots[:, 1 : whole + 1] = x[: whole * group].reshape(whole, group, width).transpose(1, 0, 2)
    slots[:rest, whole + 1] = x[whole * group :]
    slots[1:, 0] = x[: group - 1][::-1]
    mirrored = x[-1:-group:-1]
    here = min(group - rest, group - 1)
    slots[rest : rest + here, whole + 1] = mirrored[:here]
    if here < group - 1:
        slots[: group - 1 - here, whole + 2] = mirrored[here:]


def _spread(medians: Sorted, out: Floats) -> None:
    """Put array ``t`` of the network into rows ``t, t + group, ...``."""
    group = len(medians)
    for t, values in enumerate(medians):
        rows = out[t::group]
        rows[:] = values[: len(rows)]


def _network(slots: Floats) -> Sorted:
    """Compute the medians of all windows; array ``t`` holds those that start ``t + 1`` rows into a group."""
    group = len(slots)
    # blocks[size][k]: the slots k * size to (k + 1) * size - 1, sorted.
    blocks: dict[int, list[Sorted]] = {1: [[slot] for slot in slots]}
    size = 1
    while size < group:
        halves = blocks[size]
        blocks[2 * size] = [_merge(halves[k], halves[k + 1]) for k in range(0, len(halves), 2)]
        size *= 2
    medians: Sorted = []

    def halve(candidates: Sorted, first: int, count: int) -> None:
        if count == 1:
            medians.append(candidates[0])
            return
        half = count // 2
        before = [value[:-2] for value in blocks[half][(first + half) // half]]
        halve(_middle(candidates, before), first, half)
        behind = [value[2:] for value in blocks[half][first // half]]
        halve(_middle(candidates, behind), first + half, half)

    halve([value[1:-1] for value in blocks[group][0]], 0, group)
    return medians


def _merge(a: Sorted, b: Sorted) -> Sorted:
    """Merge two sorted lists of one length, a power of two (Batcher's odd-even merge)."""
    if len(a) == 1:
        return [np.minimum(a[0], b[0]), np.maximum(a[0], b[0])]
    even, odd = _merge(a[::2], b[::2]), _merge(a[1::2], b[1::2])
    merged = [even[0]]
    for low, high in zip(odd[:-1], even[1:], strict=True):
        merged += [np.minimum(low, high), np.maximum(low, high)]
    return [*merged, odd[-1]]


def _middle(a: Sorted, b: Sorted) -> Sorted:
    """Return the middle third, sorted, of a sorted list of ``2 * n`` and one of ``n``."""
    n = len(b)
    without_lowest = _sort_bitonic([np.maximum(x, y) for x, y in zip(a[:n], reversed(b), strict=True)])
    return _sort_bitonic([np.minimum(x, y) for x, y in zip(without_lowest, reversed(a[n:]), strict=True)])


def _sort_bitonic(values: Sorted) -> Sorted:
    """Sort a list that rises and then falls (or the reverse), of a length that is a power of two."""
    if len(values) == 1:
        return values
    half = len(values) // 2
    pairs = list(zip(values[:half], values[half:], strict=True))
    return _sort_bitonic([np.minimum(x, y) for x, y in pairs]) + _sort_bitonic([np.maximum(x, y) for x, y in pairs])
