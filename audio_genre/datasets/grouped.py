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
    part = part.copy()
    for number, name in enumerate(names):
        mine = np.unique(units[y == number])
        if len(mine) < parts:
            raise ProtocolError(
                f"The class {name!r} has {len(mine)} {what}, and each of the {parts} subsets needs at least one; add "
                "more tracks of it, leave it out with --genres, or map it to a broader genre."
            )
        rows_of = {unit: np.flatnonzero(units == unit) for unit in mine.tolist()} if len(mine) < 50 * parts else {}
        for absent in [p for p in range(parts) if not ((y == number) & (part == p)).any()]:
            rows_of = rows_of or {unit: np.flatnonzero(units == unit) for unit in mine.tolist()}
            places = {unit: int(part[rows[0]]) for unit, rows in rows_of.items()}
            counts = np.bincount(list(places.values()), minlength=parts)
            movable = [unit for unit, place in places.items() if counts[place] > 1]
            unit = min(movable, key=lambda unit: (len(rows_of[unit]), unit))
            part[rows_of[unit]] = absent
    return part


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
