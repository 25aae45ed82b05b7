"""Which rows are one song, and which artists belong together: what must not be torn apart by a split."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What a sorted list of texts may take for a moment.
_MOST_BYTES = 1 << 28
_SPACES = re.compile(r"\s+")


def plain(text: str) -> str:
    """Return a name as it is compared: without differences of case, width and spaces.

    Examples
    --------
    >>> plain("  Björk  Guðmundsdóttir") == plain("björk guðmundsdóttir")
    True
    """
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def factorised(values: Sequence[Any] | NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Return the number of each value, and the values in sorted order."""
    import pandas as pd

    codes, found = pd.factorize(np.asarray(values, dtype=object))
    order = _sorting(found)
    rank = np.empty(len(order), dtype=np.intp)
    rank[order] = np.arange(len(order))
    return rank[codes], np.asarray(found[order], dtype=object)


def _sorting(names: NDArray[np.object_]) -> NDArray[np.intp]:
    """Return what sorts names; texts sort as their bytes in UTF-8 do, which takes a third of the time."""
    encoded = [name.encode("utf-8", "surrogatepass") for name in names.tolist()]
    longest = max(map(len, encoded), default=0)
    if longest * len(encoded) > _MOST_BYTES or any(name.endswith(b"\0") for name in encoded):
        return np.asarray(names.argsort(kind="stable"), dtype=np.intp)
    return np.array(encoded, dtype=f"S{longest + 1}").argsort(kind="stable")


def coded_exactly(texts: NDArray[np.object_]) -> NDArray[np.intp]:
    """Return numbers of texts in the order of their first rows, -1 for an empty one."""
    import pandas as pd

    series = pd.Series(texts, dtype=object)
    return pd.factorize(series.where(series != "", None))[0].astype(np.intp)


def coded_plain(values: Any) -> NDArray[np.intp]:
    """Return numbers of names as they are compared; -1 for an empty one."""
    import pandas as pd

    codes, names = pd.factorize(np.asarray(values, dtype=object))
    return coded_exactly(np.array([plain(name) for name in names.tolist()], dtype=object))[codes]


def components(links: Sequence[NDArray[np.intp]], count: int) -> NDArray[np.intp]:
    """Return the number of the component of each row: rows with one number, 0 or more, in any of `links` are linked.

    Examples
    --------
    >>> components([np.array([0, 0, 1, -1]), np.array([5, -1, -1, 5])], 4).tolist()
    [0, 0, 1, 0]
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    first, second, size = [], [], count
    for numbers in links:
        rows = np.flatnonzero(numbers >= 0)
        first.append(rows)
        second.append(numbers[rows] + size)
        size += int(numbers.max(initial=-1)) + 1
    rows, nodes = np.concatenate(first), np.concatenate(second)
    graph = coo_matrix((np.ones(len(rows), dtype=np.int8), (rows, nodes)), shape=(size, size))
    component = connected_components(graph, directed=False)[1][:count]
    # In the order of their first rows.
    _, start, number = np.unique(component, return_index=True, return_inverse=True)
    rank = np.empty(len(start), dtype=np.intp)
    rank[np.argsort(start)] = np.arange(len(start))
    return rank[number]


def songs(
    ids: NDArray[np.intp], artists: NDArray[np.intp], titles: NDArray[np.intp], sound: NDArray[np.float64] | None
) -> NDArray[np.intp]:
    """Return the number of each row's song: rows of one id, of one artist and title, or with equal values of sound.

    `ids`, `artists` (the first of each row) and `titles` are numbers, -1 where there is none; `sound` has the values
    that are computed from sound alone, shape (n, d), of which rows with a missing one are not compared.
    """
    count = len(ids)
    named = (artists >= 0) & (titles >= 0)
    titled = np.full(count, -1, dtype=np.intp)
    titled[named] = factorised_rows(np.column_stack([artists[named], titles[named]]))
    links = [ids, titled]
    if sound is not None:
        whole = np.isfinite(sound).all(axis=1)
        same = np.full(count, -1, dtype=np.intp)
        same[whole] = factorised_rows(sound[whole])
        links.append(same)
    return components(links, count)


def factorised_rows(rows: NDArray[Any]) -> NDArray[np.intp]:
    """Return a number for each distinct row."""
    if not len(rows):
        return np.empty(0, dtype=np.intp)
    import pandas as pd

    hashed = pd.util.hash_pandas_object(pd.DataFrame(rows + 0), index=False).to_numpy()  # -0.0 becomes 0.0
    return pd.factorize(hashed)[0].astype(np.intp)


def split_artists(
    cells: Sequence[str], separators: Sequence[str]
) -> tuple[NDArray[np.intp], NDArray[np.object_], NDArray[np.intp]]:
    """Return of cells with artists: the first one's number (-1: none), the names by number, and the linked set.

    Several artists in one cell are linked, and so are all that are linked with one of them.
    """
    codes, names = factorised(cells)
    mark = re.compile("|".join(map(re.escape, separators))) if separators else None
    parts = [[part for part in map(plain, mark.split(name) if mark else [name]) if part] for name in names.tolist()]
    numbers, artists = factorised([part for found in parts for part in found])
    lengths = np.array([len(found) for found in parts], dtype=np.intp)
    starts = np.cumsum(lengths) - lengths
    has = lengths > 0
    first = np.full(len(parts), -1, dtype=np.intp)
    first[has] = numbers[starts[has]]
    linked = np.full(len(parts), -1, dtype=np.intp)
    if len(artists):
        # Cells are the rows here: each is linked to all of its artists.
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        owner = np.repeat(np.arange(len(parts)), lengths)
        size = len(parts) + len(artists)
        graph = coo_matrix((np.ones(len(owner), dtype=np.int8), (owner, numbers + len(parts))), shape=(size, size))
        component = connected_components(graph, directed=False)[1]
        linked[has] = component[: len(parts)][has]
    return first[codes], artists, linked[codes]
