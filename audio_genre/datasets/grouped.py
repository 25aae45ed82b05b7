"""Protocols for rows that say themselves what must not be torn apart: songs, artists, the values of any column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.errors import ParameterError, ProtocolError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARES = (0.6, 0.2, 0.2)
"""Shares of the rows that train, validation and test are to have."""

# What is larger is learned from: a test on hardly more than one set of linked artists says little.
_MAX_TESTED_SHARE = 0.1
# Classes that share units can take them from each other for ever.
_MAX_MOVES = 1000


def deal_together(
    units: NDArray[np.intp],
    y: NDArray[np.intp],
    shares: tuple[float, ...],
    rng: np.random.Generator,
    *,
    large: int | None,
) -> NDArray[np.intp]:
    """Return the part of each row: all rows of a unit in one, the classes as even as can be.

    Units are dealt from the largest to the smallest, each to where its classes are the furthest from their shares, as
    scikit-learn's StratifiedGroupKFold does it, but in time that grows with the number of units alone. A unit of more
    than a tenth of the rows goes to the part `large`, if there is one.

    Examples
    --------
    >>> part = deal_together(np.array([0, 0, 1, 2, 3]), np.array([0, 1, 0, 0, 1]), (0.6, 0.4),
    ...                      np.random.default_rng(0), large=0)
    >>> bool(part[0] == part[1])
    True
    """
    classes, count = int(y.max()) + 1, int(units.max()) + 1
    cells, amounts = np.unique(units * classes + y, return_counts=True)
    owner = cells // classes
    starts = np.searchsorted(owner, np.arange(count + 1))
    sizes = np.bincount(units, minlength=count)
    order = rng.permutation(count)
    order = order[np.argsort(-sizes[order], kind="stable")]
    totals = np.bincount(y, minlength=classes).astype(np.float64)
    weight = [[1 / (share * max(total, 1)) for total in totals.tolist()] for share in shares]
    have = [[0.0] * classes for _ in shares]
    kinds, numbers, bounds = (cells % classes).tolist(), amounts.tolist(), starts.tolist()
    part = np.empty(count, dtype=np.intp)
    parts = range(len(shares))
    limit = _MAX_TESTED_SHARE * len(units)
    for unit in order.tolist():
        mine = [(kinds[k], numbers[k]) for k in range(bounds[unit], bounds[unit + 1])]
        if large is not None and sizes[unit] > limit:
            chosen = large
        else:
            costs = [sum(n * (have[p][c] + n / 2) * weight[p][c] for c, n in mine) for p in parts]
            chosen = costs.index(min(costs))
        part[unit] = chosen
        for c, n in mine:
            have[chosen][c] += n
    return part[units]


def spread_classes(
    part: NDArray[np.intp], units: NDArray[np.intp], y: NDArray[np.intp], names: tuple[str, ...], parts: int, what: str
) -> NDArray[np.intp]:
    """Move units until every class is in every part, or tell which class has too few of them."""
    pairs = np.unique(units * len(names) + y)
    owner, kind = pairs // len(names), pairs % len(names)
    for number, fewest in enumerate(np.bincount(kind, minlength=len(names)).tolist()):
        if fewest < parts:
            raise ProtocolError(
                f"The class {names[number]!r} has too few {what} ({fewest}), and each of the {parts} subsets needs at "
                "least one; add more tracks of it, leave it out with --genres, or map it to a broader genre."
            )
    place = np.empty(int(units.max()) + 1, dtype=np.intp)
    place[units] = part
    sizes = np.bincount(units)
    # Number of units of each class in each part.
    have = np.zeros((len(names), parts), dtype=np.intp)
    np.add.at(have, (kind, place[owner]), 1)
    for _ in range(_MAX_MOVES):
        empty = np.argwhere(have == 0)
        if not len(empty):
            break
        number, absent = empty[0].tolist()
        movable = owner[kind == number]
        movable = movable[have[number, place[movable]] > 1]
        starts, ends = np.searchsorted(owner, movable), np.searchsorted(owner, movable, side="right")
        classes_of = {u: kind[a:b] for u, a, b in zip(movable.tolist(), starts, ends, strict=True)}
        # Rather a unit that takes the last one away from no other class, and a small one.
        unit = min(
            classes_of, key=lambda unit: (int((have[classes_of[unit], place[unit]] == 1).sum()), sizes[unit], unit)
        )
        have[classes_of[unit], place[unit]] -= 1
        have[classes_of[unit], absent] += 1
        place[unit] = absent
    return place[units]


def together_of(rows: Any, key: str) -> NDArray[np.intp] | None:
    """Return the numbers of what a protocol keeps together, where the rows tell them."""
    together: Mapping[str, NDArray[np.intp]] | None = getattr(rows, "together", None)
    return None if together is None else together.get(key)


def group_column(protocol: Any) -> str | None:
    """Return the column that a protocol ``group:<column>`` names.

    Examples
    --------
    >>> group_column("group:playlist_id"), group_column("track")
    ('playlist_id', None)
    """
    if not isinstance(protocol, str) or not protocol.startswith("group:"):
        return None
    column = protocol.removeprefix("group:")
    if not column:
        raise ParameterError("The protocol group needs a column, such as group:playlist_id; got none.")
    return column
