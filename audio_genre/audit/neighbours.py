"""Rows of a table that are the same music: equal features, and features far closer than is usual."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHARE_OF_USUAL = 0.25
_SHARE_OF_NEIGHBOURHOOD = 0.5
_NEIGHBOURHOOD = 6
_PAIRS_BY_CHANCE = 0.05
_MIN_TRACKS = 10
_SAMPLED_ROWS = 1_000
_MAX_PAIRS = 200_000
_BLOCK_ROWS, _BLOCK_COLUMNS = 512, 8_192
_CROWD = 512
_SQUASH = 3.0


@dataclass(frozen=True, eq=False)
class Closeness:
    """What is far closer than usual in a table.

    Attributes
    ----------
    usual : float
        Median distance from a row to the nearest row of another track.
    threshold : float
        Largest distance of what is taken for nearly the same.
    pairs : np.ndarray of int, shape (n_pairs, 2)
        Row numbers, the smaller first.
    distances : np.ndarray, shape (n_pairs,)
        Their distances.
    complete : bool
        Whether these are all; False if there were too many to list.
    """

    usual: float
    threshold: float
    pairs: NDArray[np.intp]
    distances: NDArray[np.float64]
    complete: bool


def equal_rows(X: NDArray[np.float64]) -> NDArray[np.intp]:
    """Give numbers to the distinct rows of a matrix.

    Examples
    --------
    >>> equal_rows(np.array([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0], [np.nan, 0.0], [np.nan, 0.0]])).tolist()
    [0, 1, 0, 3, 4]
    """
    # Adding zero makes -0.0 equal to 0.0, byte by byte.
    bytewise = np.ascontiguousarray(X + 0.0).view(np.dtype((np.void, X.dtype.itemsize * X.shape[1])))[:, 0]
    _, first, inverse = np.unique(bytewise, return_index=True, return_inverse=True)
    same: NDArray[np.intp] = first[inverse.reshape(-1)]
    return np.where(np.isfinite(X).all(axis=1), same, np.arange(len(X)))


def equal_by_chance(X: NDArray[np.float64]) -> float:
    """Estimate how many pairs of rows would be equal if columns had nothing to do with each other.

    Examples
    --------
    >>> equal_by_chance(np.array([[0.0], [1.0]] * 10))
    95.0
    """
    log_pairs = math.log(max(1, len(X) * (len(X) - 1) // 2))
    for column in X.T:
        counts = np.unique(column, return_counts=True)[1]
        log_pairs += math.log(float(np.sum((counts / len(X)) ** 2)))
    return round(math.exp(min(log_pairs, 700)), 3)


def close_rows(X: NDArray[np.float64], tracks: NDArray[np.intp]) -> Closeness | None:
    """Find pairs of rows of different tracks that are far closer to each other than is usual.

    Features are centred at their median, scaled by their interquartile range and squashed by ``3 tanh(z / 3)``, so
    that a few wild values do not decide. Two rows are nearly the same where their distance is

    - at most a quarter of the median distance to the nearest row of another track;
    - so small that rows of the same density would give fewer than 0.05 such rows in the whole table by chance, with the
      number of dimensions in which the rows spread estimated from the ratio of second to first nearest distances [1]_;
    - at most half of the distance to the sixth-nearest other track of either row, so that a dense class is not taken
      for copies.

    References
    ----------
    .. [1] Facco, d'Errico, Rodriguez and Laio, "Estimating the intrinsic dimension of datasets by a minimal
       neighborhood information", Scientific Reports 7, 2017; here by the median of the ratios.
    """
    names, tracks = np.unique(tracks, return_inverse=True)
    if len(names) < _MIN_TRACKS:
        return None
    Z = _squashed(X)
    if Z.shape[1] == 0:
        return None
    rng = np.random.default_rng(0)
    sample = np.sort(rng.choice(len(Z), min(_SAMPLED_ROWS, len(Z)), replace=False))
    nearest = _distances_to_tracks(Z, tracks, sample)
    first, second = nearest[:, 0], nearest[:, 1]
    usual = float(np.median(first))
    if usual == 0:
        return None
    apart = first > 0
    ratio = float(np.median(second[apart] / first[apart]))
    dimensions = math.log(2) / math.log(ratio) if ratio > 1 else math.inf
    by_chance = (_PAIRS_BY_CHANCE / (len(Z) * math.log(2))) ** (1 / dimensions)
    threshold = usual * min(_SHARE_OF_USUAL, by_chance)
    pairs, complete = _within(Z, tracks, threshold)
    if len(pairs):
        rows = np.unique(pairs)[: _SAMPLED_ROWS * 8]
        reach = np.zeros(len(Z))
        reach[rows] = _distances_to_tracks(Z, tracks, rows)[:, -1]
        distances = np.linalg.norm(Z[pairs[:, 0]] - Z[pairs[:, 1]], axis=1)
        pairs = pairs[distances <= _SHARE_OF_NEIGHBOURHOOD * reach[pairs].min(axis=1)]
    distances = np.linalg.norm(Z[pairs[:, 0]] - Z[pairs[:, 1]], axis=1)
    order = np.argsort(distances, kind="stable")
    return Closeness(usual, threshold, pairs[order], distances[order], complete)


def _squashed(X: NDArray[np.float64]) -> NDArray[np.float64]:
    low, middle, high = np.quantile(X, [0.25, 0.5, 0.75], axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        scale = (high - low) / 1.349
        scale = np.where(scale > 0, scale, X.std(axis=0))
        usable = np.isfinite(scale) & (scale > 0)
        z = (X[:, usable] - middle[usable]) / scale[usable]
    squashed: NDArray[np.float64] = _SQUASH * np.tanh(z / _SQUASH)
    return squashed


def _distances_to_tracks(
    Z: NDArray[np.float64], tracks: NDArray[np.intp], rows: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the distances of rows to the nearest other tracks, shape (n_rows, k), each track by its nearest row."""
    k = min(_NEIGHBOURHOOD, len(np.unique(tracks)) - 1)
    by_track = np.argsort(tracks, kind="stable")
    starts = np.flatnonzero(np.diff(tracks[by_track], prepend=-1))
    grouped = Z[by_track]
    squares = np.einsum("ij,ij->i", grouped, grouped)
    result = np.empty((len(rows), k))
    step = max(1, (1 << 24) // len(Z))
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        distance = squares - 2 * Z[block] @ grouped.T + np.einsum("ij,ij->i", Z[block], Z[block])[:, None]
        per_track = np.minimum.reduceat(distance, starts, axis=1)
        per_track[np.arange(len(block)), tracks[block]] = np.inf
        result[start : start + step] = np.sort(np.partition(per_track, k - 1, axis=1)[:, :k], axis=1)
    return np.sqrt(np.maximum(result, 0))


def _within(Z: NDArray[np.float64], tracks: NDArray[np.intp], radius: float) -> tuple[NDArray[np.intp], bool]:
    """Return the pairs of rows of different tracks within a radius, and whether these are all."""
    # Sorted along the direction of largest spread, rows farther apart in it than the radius need no look.
    centred = Z - Z.mean(axis=0)
    place = centred @ np.linalg.eigh(centred.T @ centred)[1][:, -1]
    order = np.argsort(place)
    place = place[order]
    # Single precision finds candidates, and its rounding is allowed for; double precision decides.
    points = centred[order].astype(np.float32)
    squares = np.einsum("ij,ij->i", points, points)
    reach = np.float32(radius**2 + 1e-5 * float(squares.max()))
    found = [np.empty((0, 2), dtype=np.intp)]
    total = 0
    is_complete = True
    for start in range(0, len(Z), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        end = int(np.searchsorted(place, place[rows][-1] + radius, side="right"))
        for left in range(start, end, _BLOCK_COLUMNS):
            columns = slice(left, min(left + _BLOCK_COLUMNS, end))
            distance = points[rows] @ points[columns].T
            distance *= -2
            distance += squares[rows, None]
            distance += squares[columns]
            near = distance <= reach
            crowded = np.count_nonzero(near, axis=1) > _CROWD
            # In a crowd of that size nobody is a copy, and the neighbourhood's rule would say so.
            near[crowded] = False
            is_complete = is_complete and not crowded.any()
            i, j = np.nonzero(near)
            i, j = i + start, j + left
            a, b = order[i[i < j]], order[j[i < j]]
            a, b = a[tracks[a] != tracks[b]], b[tracks[a] != tracks[b]]
            close = np.linalg.norm(Z[a] - Z[b], axis=1) <= radius
            pairs = np.sort(np.stack([a[close], b[close]], axis=1), axis=1)
            found.append(pairs)
            total += len(pairs)
            if total > _MAX_PAIRS:
                return np.concatenate(found)[:_MAX_PAIRS], False
    return np.concatenate(found), is_complete


def components(pairs: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Give equal numbers to what pairs connect.

    Examples
    --------
    >>> components(np.array([[0, 2], [2, 3]]), 4).tolist()
    [0, 1, 0, 0]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    numbers: NDArray[np.intp] = connected_components(graph, directed=False)[1].astype(np.intp)
    return numbers
