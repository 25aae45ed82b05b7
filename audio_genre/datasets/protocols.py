"""Evaluation protocols: which rows a model learns from, is tuned on, and is tested on.

Every protocol is a small object in `PROTOCOLS`. It deals rows to the sides, and what it deals is checked here, once,
for all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import numpy as np

from audio_genre.errors import ParameterError, ProtocolError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIDES = ("train", "validation", "test")
_HELD_OUT_SHARE = 0.2


class Rows(Protocol):
    """What a protocol looks at; `audio_genre.datasets.Table` is one.

    Attributes
    ----------
    labels, items, groups : np.ndarray of str, shape (n,)
        Class, name and track of each row.
    """

    @property
    def labels(self) -> NDArray[np.str_]:
        """Class of each row."""

    @property
    def items(self) -> NDArray[np.str_]:
        """Name of each row."""

    @property
    def groups(self) -> NDArray[np.str_]:
        """Track of each row."""


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers of the three sides, each sorted.

    Attributes
    ----------
    train, validation, test : np.ndarray of int, shape (n_side,)
        Row numbers.
    fold : str
        Name of the fold, such as ``"fold-1"``; empty where the protocol makes one split.
    """

    train: NDArray[np.intp]
    validation: NDArray[np.intp]
    test: NDArray[np.intp]
    fold: str = ""

    def sides(self) -> dict[str, NDArray[np.intp]]:
        """Return the row numbers by the name of the side.

        Returns
        -------
        dict of str to np.ndarray of int
            With the keys train, validation, test, in this order.
        """
        return {"train": self.train, "validation": self.validation, "test": self.test}


class SplitProtocol(ABC):
    """Base of every protocol: it asks the protocol to deal, and checks what was dealt.

    Attributes
    ----------
    name : str
        Name on the command line and in model cards.
    description : str
        One sentence for people who choose, or read a result.
    leaky : bool
        Whether segments of one track may sit on two sides, so that scores flatter the model.
    """

    name: str
    description: str
    leaky: bool = False

    @abstractmethod
    def _deal(self, rows: Rows, seed: int) -> tuple[Split, ...]:
        """Deal every row to one side of each split."""

    def splits(self, rows: Rows, *, seed: int = 0) -> tuple[Split, ...]:
        """Split rows in train, validation and test.

        The result depends on the names of the rows and on the seed, not on the order in which they stand.

        Parameters
        ----------
        rows : Rows
            Labels, names and groups of the rows.
        seed : int
            Non-negative seed of the random choice.

        Returns
        -------
        tuple of Split
            One split, or one for each fold.

        Raises
        ------
        ParameterError
            If the seed is negative.
        ProtocolError
            If the rows cannot be split in this way.
        """
        if seed < 0:
            raise ParameterError(f"The seed must be 0 or more; got {seed}.")
        splits = self._deal(rows, seed)
        for split in splits:
            self._check(split, rows)
        return splits

    def _check(self, split: Split, rows: Rows) -> None:
        everything = np.concatenate(list(split.sides().values()))
        if not np.array_equal(np.sort(everything), np.arange(len(rows.labels))):
            raise ProtocolError(f"The protocol {self.name!r} did not deal every row to exactly one side.")
        classes = set(rows.labels.tolist())
        for side, indices in split.sides().items():
            absent = sorted(classes - set(rows.labels[indices].tolist()))
            if absent:
                raise ProtocolError(f"The protocol {self.name!r} left no row of class {absent[0]!r} for {side}.")
        if not self.leaky and sum(len(set(rows.groups[i].tolist())) for i in split.sides().values()) != len(
            set(rows.groups.tolist())
        ):
            raise ProtocolError(f"The protocol {self.name!r} put rows of one track on two sides.")


class _Stratified(SplitProtocol):
    """Deal the units of each class at random: 60 % to train, 20 % to validation, 20 % to test, at least one to each."""

    unit: str

    def _deal(self, rows: Rows, seed: int) -> tuple[Split, ...]:
        units = self._units(rows)
        rng = np.random.default_rng(seed)
        side = np.empty(len(rows.labels), dtype=np.intp)
        for label in np.unique(rows.labels):
            mine = np.flatnonzero(rows.labels == label)
            names, unit_of_row = np.unique(units[mine], return_inverse=True)
            if len(names) < len(_SIDES):
                raise ProtocolError(
                    f"The class {str(label)!r} has {len(names)} {self.unit}{'s' if len(names) != 1 else ''}, and the "
                    f"protocol {self.name!r} needs at least {len(_SIDES)} in each class: one to learn from, one to "
                    "tune on and one to test on; add more or leave the class out."
                )
            held_out = max(1, round(_HELD_OUT_SHARE * len(names)))
            dealt = np.zeros(len(names), dtype=np.intp)
            order = rng.permutation(len(names))
            dealt[order[:held_out]] = 2
            dealt[order[held_out : 2 * held_out]] = 1
            side[mine] = dealt[unit_of_row]
        train, validation, test = (np.flatnonzero(side == number) for number in range(len(_SIDES)))
        return (Split(train, validation, test),)

    @abstractmethod
    def _units(self, rows: Rows) -> NDArray[np.str_] | NDArray[np.intp]:
        """Return for each row the unit that is dealt as a whole; units sort in an order that names alone decide."""


class TrackProtocol(_Stratified):
    """Random tracks of each class, 60/20/20: every segment of a track stays on one side."""

    name = "track"
    description = "random tracks of each class, 60/20/20; all segments of a track stay on one side"
    unit = "track"

    def _units(self, rows: Rows) -> NDArray[np.str_]:
        return rows.groups


class SegmentProtocol(_Stratified):
    """Random rows of each class, 60/20/20, as in most published notebooks: leaky where tracks have several rows."""

    name = "segment"
    description = (
        "LEAKY: random rows of each class, 60/20/20; segments of one track are on several sides, so scores are far too "
        "high for new music"
    )
    leaky = True
    unit = "row"

    def _units(self, rows: Rows) -> NDArray[np.intp]:
        rank = np.empty(len(rows.items), dtype=np.intp)
        rank[np.lexsort((rows.items, rows.groups))] = np.arange(len(rows.items))
        return rank


PROTOCOLS = MappingProxyType({protocol.name: protocol for protocol in (TrackProtocol(), SegmentProtocol())})
"""Every protocol by its name."""

DEFAULT_PROTOCOL = TrackProtocol.name
"""Name of the protocol that is used where none is asked for."""


def get_protocol(name: str) -> SplitProtocol:
    """Return the protocol of a name.

    Parameters
    ----------
    name : str
        Name of the protocol.

    Returns
    -------
    SplitProtocol
        The protocol.

    Raises
    ------
    ParameterError
        If there is none of that name.

    Examples
    --------
    >>> get_protocol("segment").leaky
    True
    """
    try:
        return PROTOCOLS[name]
    except KeyError:
        raise ParameterError(f"The protocol {name!r} is unknown; choose one of {', '.join(PROTOCOLS)}.") from None
