"""Evaluation protocols: which rows a model learns from, is tuned on, and is tested on.

Every protocol is a small object in `PROTOCOLS`. It assigns rows to the subsets, and the result is checked here, once,
for all of them. `track` and `segment` deal any rows; `artist` and `fault-filtered` are published splits of GTZAN.
"""

from __future__ import annotations

import re
import warnings
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from audio_genre.datasets.grouped import SHARES, deal_together, group_column, spread_classes, together_of
from audio_genre.datasets.gtzan import CITATIONS, GENRES, Clip, find_clip, same_artist
from audio_genre.errors import ParameterError, ProtocolError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SUBSETS = ("train", "validation", "test")
_TRAIN, _VALIDATION, _TEST = range(3)
_LEFT_OUT = -1
_HELD_OUT_SHARE = 0.2
_SHARES = "60/20/20"
# One part for testing, one for validation, and one or more for training.
_FEWEST_FOLDS = 3


def _no_rows() -> NDArray[np.intp]:
    return np.empty(0, dtype=np.intp)


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
    """Row numbers of the three subsets, each sorted.

    Attributes
    ----------
    train, validation, test : np.ndarray of int, shape (n_subset,)
        Row numbers.
    fold : str
        Name of the fold, such as ``"fold-1"``; empty where the protocol makes one split.
    left_out : np.ndarray of int, shape (n_left_out,)
        Numbers of the rows that are in no subset, because the protocol's published list excludes them; usually none.
    """

    train: NDArray[np.intp]
    validation: NDArray[np.intp]
    test: NDArray[np.intp]
    fold: str = ""
    left_out: NDArray[np.intp] = field(default_factory=_no_rows)

    def subsets(self) -> dict[str, NDArray[np.intp]]:
        """Return the row numbers by the name of the subset.

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
        Whether segments of one track may be in two subsets, so that scores are too high.
    citation : str
        Who published the split; empty where the protocol makes its own.
    """

    name: str
    description: str
    leaky: bool = False
    citation: str = ""

    @property
    def artists_apart(self) -> bool:
        """Whether no known artist is in two subsets."""
        return self.published

    @property
    def published(self) -> bool:
        """Whether the test rows are those of a published split, so that scores compare with published ones."""
        return bool(self.citation)

    @property
    def leaves_out(self) -> bool:
        """Whether it may leave out rows: published lists do."""
        return self.published

    @property
    def identity(self) -> str:
        """What tells it from every other protocol."""
        return self.name

    @property
    def options(self) -> tuple[str, ...]:
        """Options of the command line that choose it."""
        return ("--protocol", self.name)

    def facts(self, rows: Rows) -> dict[str, Any]:  # noqa: ARG002
        """Return what a model card says of it beyond other protocols.

        Parameters
        ----------
        rows : Rows
            The rows that were split.

        Returns
        -------
        dict
            Plain data; usually none.
        """
        return {}

    def notes(self, rows: Rows) -> tuple[str, ...]:  # noqa: ARG002
        """Tell what a user should know of how it split rows.

        Parameters
        ----------
        rows : Rows
            The rows that were split.

        Returns
        -------
        tuple of str
            Sentences; usually none.
        """
        return ()

    def describe(self, folds: int | None = None) -> str:
        """Tell in one sentence what is dealt to where, for a number of folds.

        Parameters
        ----------
        folds : int, optional
            Number of folds that `splits` was asked for.

        Returns
        -------
        str
            The description; with a number of folds it names them in place of the shares of the single split.

        Examples
        --------
        >>> get_protocol("track").describe(5)
        'random tracks of each class, 5-fold cross-validation; all segments of a track stay in one subset'
        """
        return (
            self.description if folds is None else self.description.replace(_SHARES, f"{folds}-fold cross-validation")
        )

    def for_rows(self, rows: Rows) -> SplitProtocol:  # noqa: ARG002
        """Return the protocol in the form that fits rows: some say themselves what must not be torn apart.

        Parameters
        ----------
        rows : Rows
            The rows that are to be split.

        Returns
        -------
        SplitProtocol
            Usually itself.
        """
        return self

    @abstractmethod
    def _deal(self, rows: Rows, seed: int, folds: int | None) -> tuple[Split, ...]:
        """Assign every row to one subset of each split, or leave it out."""

    def splits(self, rows: Rows, *, seed: int = 0, folds: int | None = None, refit: bool = False) -> tuple[Split, ...]:
        """Split rows in train, validation and test.

        The result depends on the names of the rows and on the seed, not on the order in which they stand.

        Parameters
        ----------
        rows : Rows
            Labels, names and groups of the rows.
        seed : int
            Non-negative seed of the random choice.
        folds : int, optional
            Number of folds, 3 or more, for cross-validation: what the protocol deals is dealt in so many parts, and
            fold i tests on part i, tunes on the next one and learns from the rest, so that everything is tested once.
            By default what the protocol does by itself: one split, or the published ones.
        refit : bool
            Whether the rows for validation, of which there need be none, are to be learned from too.

        Returns
        -------
        tuple of Split
            One split, or one for each fold.

        Raises
        ------
        ParameterError
            If the seed is negative, there are too few folds, or the protocol has published folds of another number.
        ProtocolError
            If the rows cannot be split in this way.
        """
        if seed < 0:
            raise ParameterError(f"The seed must be 0 or more; got {seed}.")
        if not len(rows.labels):
            raise ProtocolError(
                f"The protocol {self.name!r} was given no rows to split; give it at least three tracks."
            )
        fitting = self.for_rows(rows)
        if fitting is not self:
            return fitting.splits(rows, seed=seed, folds=folds, refit=refit)
        splits = self._deal(rows, seed, folds)
        if refit:
            splits = tuple(
                replace(split, train=np.sort(np.concatenate([split.train, split.validation])), validation=_no_rows())
                for split in splits
            )
        for split in splits:
            self._check(split, rows, refit=refit)
        tested = np.concatenate([split.test for split in splits])
        if len(np.unique(tested)) != len(tested):
            raise ProtocolError(f"The protocol {self.name!r} tested a row in two folds.")
        return splits

    def validation_folds(
        self, rows: Rows, train: NDArray[np.intp], folds: int, seed: int = 0
    ) -> tuple[NDArray[np.intp], ...]:
        """Deal training rows in parts, each of which is for validation once while the others are learned from.

        Parameters
        ----------
        rows : Rows
            All rows.
        train : np.ndarray of int, shape (n_train,)
            Numbers of the rows to deal.
        folds : int
            Number of parts.
        seed : int
            Non-negative seed of the random choice.

        Returns
        -------
        tuple of np.ndarray of int
            Row numbers of each part, sorted; without any one part every class is left. What the protocol keeps in one
            subset is in one part, unless a class would be too: then tracks are.

        Raises
        ------
        ProtocolError
            If a class has one track.
        """
        from sklearn.model_selection import StratifiedGroupKFold

        labels, y = np.unique(rows.labels[train], return_inverse=True)
        totals, absent = np.bincount(y), _no_rows()
        kept = [units[train] for units in self._apart(rows)]
        for units in (_joined(kept), _joined(kept[:1])):
            count = min(folds, int(units.max()) + 1, int(totals.max()))
            absent = np.flatnonzero(totals < 2)
            if count < 2 or len(absent):
                continue
            with warnings.catch_warnings():
                # A class of few tracks is not in every part, which it need not be.
                warnings.filterwarnings("ignore", "The least populated class")
                dealt = StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(units, y, units)
                parts = [part for _, part in dealt]
            most = np.max([np.bincount(y[part], minlength=len(totals)) for part in parts], axis=0)
            absent = np.flatnonzero(most == totals)
            if not len(absent):
                return tuple(train[part] for part in parts)
        raise ProtocolError(
            f"The class {str(labels[absent[0] if len(absent) else 0])!r} has one track to learn from, and folds need "
            "two or more of each class; add more tracks of it, or leave it out."
        )

    def _apart(self, rows: Rows) -> list[NDArray[np.intp]]:
        """Return what must not be torn apart, as numbers for each row: tracks first, then what is larger."""
        kept = self._kept(rows)
        return kept or [np.unique(rows.items if self.leaky else rows.groups, return_inverse=True)[1]]

    def _lacks(self, label: str, subset: str, fold: str) -> ProtocolError:  # noqa: ARG002
        """Say that a subset has no row of a class."""
        return ProtocolError(
            f"The protocol {self.name!r} left no row of class {label!r} for {subset}; add more tracks of it, or leave "
            "it out."
        )

    def _check(self, split: Split, rows: Rows, *, refit: bool = False) -> None:
        subsets = split.subsets()
        everything = np.concatenate([*subsets.values(), split.left_out])
        if not np.array_equal(np.sort(everything), np.arange(len(rows.labels))):
            raise ProtocolError(f"The protocol {self.name!r} did not assign every row to exactly one subset.")
        if len(split.left_out) and not self.leaves_out:
            raise ProtocolError(f"The protocol {self.name!r} left out rows, and only a list of names may.")
        classes = set(np.unique(rows.labels).tolist())
        for subset in _SUBSETS:
            if subset == "validation" and refit:
                continue
            absent = sorted(classes - set(np.unique(rows.labels[subsets[subset]]).tolist()))
            if absent:
                raise self._lacks(absent[0], subset, split.fold)
        if not self.leaky:
            # What votes together is no larger than a song.
            kept: list[NDArray[Any]] = [*self._kept(rows)]
            for units in kept or [rows.groups]:
                owners = [np.unique(units[indices]) for indices in subsets.values()]
                if sum(map(len, owners)) != len(np.unique(np.concatenate(owners))):
                    raise ProtocolError(f"The protocol {self.name!r} put rows of one track in two subsets.")

    def _kept(self, rows: Rows) -> list[NDArray[np.intp]]:
        """Return what else must not be torn apart: songs, where the rows tell them."""
        songs = together_of(rows, "track")
        return [] if songs is None else [songs]


class _Stratified(SplitProtocol):
    """Deal the units of each class at random: 60 % to train, 20 % to validation, 20 % to test, at least one to each."""

    unit: str

    def _deal(self, rows: Rows, seed: int, folds: int | None) -> tuple[Split, ...]:
        if folds is not None and folds < _FEWEST_FOLDS:
            raise ParameterError(
                f"The number of folds must be {_FEWEST_FOLDS} or more, one part for testing, one for validation, the "
                f"rest for training; got {folds}."
            )
        rng = np.random.default_rng(seed)
        return self._deal_once(rows, rng) if folds is None else self._deal_folds(rows, rng, folds)

    def _deal_once(self, rows: Rows, rng: np.random.Generator) -> tuple[Split, ...]:
        subset = np.empty(len(rows.labels), dtype=np.intp)
        for label, mine, count, unit_of_row in self._classes(rows):
            if count < len(_SUBSETS):
                raise ProtocolError(
                    f"The class {label!r} has {_counted(count, self.unit)}, and the protocol {self.name!r} needs at "
                    f"least {len(_SUBSETS)} in each class: one each for training, validation and testing; add "
                    f"more or leave the class out.{_doubt(rows)}"
                )
            held_out = max(1, round(_HELD_OUT_SHARE * count))
            dealt = np.full(count, _TRAIN, dtype=np.intp)
            order = rng.permutation(count)
            dealt[order[:held_out]] = _TEST
            dealt[order[held_out : 2 * held_out]] = _VALIDATION
            subset[mine] = dealt[unit_of_row]
        return (_split(subset),)

    def _deal_folds(self, rows: Rows, rng: np.random.Generator, folds: int) -> tuple[Split, ...]:
        part = np.empty(len(rows.labels), dtype=np.intp)
        # Each class goes on where the one before it ended, so that the parts are of one size over all classes too.
        first = 0
        for label, mine, count, unit_of_row in self._classes(rows):
            if count < folds:
                raise ProtocolError(
                    f"The class {label!r} has {_counted(count, self.unit)}, and {folds} folds of the protocol "
                    f"{self.name!r} need at least {folds} in each class, one for each fold; "
                    f"{'ask for fewer folds, ' if count >= _FEWEST_FOLDS else ''}add more or leave the class out."
                    f"{_doubt(rows)}"
                )
            dealt = np.empty(count, dtype=np.intp)
            dealt[rng.permutation(count)] = (first + np.arange(count)) % folds
            first += count
            part[mine] = dealt[unit_of_row]
        splits = []
        for number in range(folds):
            subset = np.full(len(part), _TRAIN, dtype=np.intp)
            subset[part == number] = _TEST
            subset[part == (number + 1) % folds] = _VALIDATION
            splits.append(_split(subset, f"fold-{number + 1}"))
        return tuple(splits)

    def _classes(self, rows: Rows) -> Iterator[tuple[str, NDArray[np.intp], int, NDArray[np.intp]]]:
        """Yield for each class its name, its rows, the number of its units, and the unit of each of its rows."""
        units = self._units(rows)
        for label in np.unique(rows.labels):
            mine = np.flatnonzero(rows.labels == label)
            names, unit_of_row = np.unique(units[mine], return_inverse=True)
            yield str(label), mine, len(names), unit_of_row

    @abstractmethod
    def _units(self, rows: Rows) -> NDArray[np.str_] | NDArray[np.intp]:
        """Return for each row the unit that is dealt as a whole; units sort in an order that names alone decide."""


class TrackProtocol(_Stratified):
    """Random tracks of each class, 60/20/20: every segment of a track stays in one subset."""

    name = "track"
    description = f"random tracks of each class, {_SHARES}; all segments of a track stay in one subset"
    unit = "track"

    def for_rows(self, rows: Rows) -> SplitProtocol:
        """Return the form that keeps songs together where one has several labels."""
        songs = together_of(rows, "track")
        if songs is None:
            return self
        y = np.unique(rows.labels, return_inverse=True)[1]
        pure = len(np.unique(songs * (int(y.max(initial=0)) + 1) + y)) == len(np.unique(songs))
        return _SongProtocol() if pure else TogetherProtocol(self.name, "track", "songs")

    def _units(self, rows: Rows) -> NDArray[np.str_] | NDArray[np.intp]:
        songs = together_of(rows, "track")
        return rows.groups if songs is None else songs


class _SongProtocol(TrackProtocol):
    """The same where rows are versions of songs, and not segments of tracks."""

    description = f"random songs of each class, {_SHARES}; all versions of a song stay in one subset"

    def for_rows(self, rows: Rows) -> SplitProtocol:  # noqa: ARG002
        """Return itself."""
        return self


class TogetherProtocol(SplitProtocol):
    """Rows of each class, 60/20/20, with what the rows say must not be torn apart in one subset."""

    def __init__(self, name: str, key: str, unit: str) -> None:
        self.name, self._key, self._unit = name, key, unit
        self.description = (
            _SongProtocol.description
            if key == "track"
            else f"random {unit} of each class, {_SHARES}; none of these and no version of a song is in two subsets"
        )

    @property
    def artists_apart(self) -> bool:
        """Whether no known artist is in two subsets."""
        return self._key == "artist"

    def _kept(self, rows: Rows) -> list[NDArray[np.intp]]:
        units = together_of(rows, self._key)
        return super()._kept(rows) if units is None else [*super()._kept(rows), units]

    def _deal(self, rows: Rows, seed: int, folds: int | None) -> tuple[Split, ...]:
        if folds is not None and folds < _FEWEST_FOLDS:
            raise ParameterError(
                f"The number of folds must be {_FEWEST_FOLDS} or more, one part for testing, one for validation, the "
                f"rest for training; got {folds}."
            )
        units = together_of(rows, self._key)
        if units is None:
            raise ProtocolError(
                f"The protocol {self.name!r} needs a table that tells the {self._unit}; use the protocol "
                f"{DEFAULT_PROTOCOL!r}."
            )
        names, y = np.unique(rows.labels, return_inverse=True)
        labels = tuple(map(str, names.tolist()))
        rng = np.random.default_rng(seed)
        if folds is None:
            part = deal_together(units, y, SHARES, rng, large=_TRAIN)
            return (_split(spread_classes(part, units, y, labels, len(SHARES), self._unit)),)
        part = deal_together(units, y, (1 / folds,) * folds, rng, large=None)
        part = spread_classes(part, units, y, labels, folds, self._unit)
        splits = []
        for number in range(folds):
            subset = np.full(len(part), _TRAIN, dtype=np.intp)
            subset[part == number] = _TEST
            subset[part == (number + 1) % folds] = _VALIDATION
            splits.append(_split(subset, f"fold-{number + 1}"))
        return tuple(splits)


class SegmentProtocol(_Stratified):
    """Random rows of each class, 60/20/20, as in most published notebooks: leaky where tracks have several rows."""

    name = "segment"
    description = (
        f"LEAKY: random rows of each class, {_SHARES}; segments of one track are in several subsets, so scores are far "
        "too high for new music"
    )
    leaky = True
    unit = "row"

    def for_rows(self, rows: Rows) -> SplitProtocol:
        """Return the form that speaks of songs where rows are no segments."""
        return self if together_of(rows, "track") is None else _LooseSongProtocol()

    def _units(self, rows: Rows) -> NDArray[np.intp]:
        rank = np.empty(len(rows.items), dtype=np.intp)
        rank[np.lexsort((rows.items, rows.groups))] = np.arange(len(rows.items))
        return rank


class _LooseSongProtocol(SegmentProtocol):
    """The same where rows are versions of songs."""

    description = (
        f"LEAKY: random rows of each class, {_SHARES}; versions of one song are in several subsets, so scores are too "
        "high for new music"
    )

    def for_rows(self, rows: Rows) -> SplitProtocol:  # noqa: ARG002
        """Return itself."""
        return self


class _Published(SplitProtocol):
    """A published split of GTZAN: rows are recognised by the names of their tracks, and excluded clips are left out."""

    own_folds: int

    def _deal(self, rows: Rows, seed: int, folds: int | None) -> tuple[Split, ...]:
        if folds not in (None, self.own_folds):
            own = f"{self.own_folds} published folds" if self.own_folds > 1 else "one published split and no folds"
            raise ParameterError(
                f"The protocol {self.name!r} has {own}; got {folds} folds, so leave the number out or use the protocol "
                f"{DEFAULT_PROTOCOL!r}."
            )
        clips = self._recognise(rows)
        names = np.array([clip.name for clip in clips])
        present, clip_of_row = np.unique(names, return_inverse=True)
        by_name = {clip.name: clip for clip in clips}
        splits = []
        for fold, subsets in self._deal_clips([by_name[name] for name in present.tolist()], seed):
            subset = np.array([subsets.get(name, _LEFT_OUT) for name in present.tolist()], dtype=np.intp)[clip_of_row]
            splits.append(_split(subset, fold))
        return tuple(splits)

    @abstractmethod
    def _deal_clips(self, clips: list[Clip], seed: int) -> Iterator[tuple[str, dict[str, int]]]:
        """Yield for each fold its name and the subsets of the clips, of which some may be missing; clips are sorted."""

    def _recognise(self, rows: Rows) -> list[Clip]:
        """Return the clip of each row; complain unless every row is one of GTZAN's, under its own genre."""
        # A column that the user has named may tell the groups, and the names still tell the clips.
        clips = [
            find_clip(group) or find_clip(item)
            for group, item in zip(rows.groups.tolist(), rows.items.tolist(), strict=True)
        ]
        unknown = [row for row, clip in enumerate(clips) if clip is None]
        if len(unknown) == len(clips):
            raise ProtocolError(
                f"The protocol {self.name!r} needs the clips of GTZAN, and of {_counted(len(clips), 'row')} none is "
                f"named like one, such as blues.00029.wav; use the protocol {DEFAULT_PROTOCOL!r}."
            )
        strangers = [label for label in np.unique(rows.labels).tolist() if _genre(label) not in GENRES]
        if strangers:
            raise ProtocolError(
                f"The protocol {self.name!r} knows the ten genres of GTZAN, and the class {strangers[0]!r} is none of "
                f"them; leave the class out or use the protocol {DEFAULT_PROTOCOL!r}."
            )
        if unknown:
            raise ProtocolError(
                f"The protocol {self.name!r} splits only the clips of GTZAN, and {len(unknown)} of {len(clips)} rows "
                f"{'is' if len(unknown) == 1 else 'are'} named like none of them, such as "
                f"{min(rows.groups[unknown].tolist())!r}; take these out or use the protocol {DEFAULT_PROTOCOL!r}."
            )
        known = [clip for clip in clips if clip is not None]
        genre_of_label = {label: _genre(label) for label in np.unique(rows.labels).tolist()}
        wrong = [
            row
            for row, (label, clip) in enumerate(zip(rows.labels.tolist(), known, strict=True))
            if genre_of_label[label] != clip.genre
        ]
        if wrong:
            first = min(wrong, key=lambda row: (known[row].name, str(rows.labels[row])))
            raise ProtocolError(
                f"The protocol {self.name!r} found {_counted(len(wrong), 'row')} whose class contradicts the name, "
                f"such as {known[first].name} in the class {str(rows.labels[first])!r}; correct the labels, or use the "
                f"protocol {DEFAULT_PROTOCOL!r} if these are no clips of GTZAN."
            )
        return known

    def _apart(self, rows: Rows) -> list[NDArray[np.intp]]:
        artist_of = same_artist()
        artists = np.array([artist_of[clip.name] for clip in self._recognise(rows)], dtype=np.intp)
        return [*super()._apart(rows), artists]

    def _lacks(self, label: str, subset: str, fold: str) -> ProtocolError:
        why = dict(zip(_SUBSETS, ("for training", "for validation", "for testing"), strict=True))[subset]
        without = "" if subset != "validation" else ", or learn without a subset for validation (--refit)"
        return ProtocolError(
            f"The protocol {self.name!r} has no clip of the class {label!r} {why}{f' in {fold}' if fold else ''}, "
            f"because too many of GTZAN's clips are missing; add them, leave the class out, or use the protocol "
            f"{DEFAULT_PROTOCOL!r}{without}."
        )


class FaultFilteredProtocol(_Published):
    """The published split of GTZAN without its faulty clips: 443 for training, 197 for validation, 290 for testing.

    No known artist is in two subsets [1]_, so scores are far lower than on random tracks, and nearer to those on new
    music. The seed has no effect.

    References
    ----------
    .. [1] Kereliuk, C., Sturm, B. L. and Larsen, J. (2015): Deep learning and music adversaries. IEEE Transactions on
       Multimedia 17(11).
    """

    name = "fault-filtered"
    description = (
        "GTZAN only: the published split of 443/197/290 clips without faulty ones, with no known artist in two subsets "
        "(Kereliuk, Sturm and Larsen 2015)"
    )
    citation = CITATIONS["fault-filtered"]
    own_folds = 1

    def _deal_clips(self, clips: list[Clip], seed: int) -> Iterator[tuple[str, dict[str, int]]]:  # noqa: ARG002
        yield "", {clip.name: _SUBSETS.index(clip.subset) for clip in clips if clip.subset is not None}


class ArtistProtocol(_Published):
    """The three published artist-filtered folds of 948 clips of GTZAN: each tests on one fold and trains on two.

    About 20 % of the clips of each class in the other two folds, drawn with the seed, are for validation, and no artist
    that is known is there and in train. The folds are as they were published [1]_: by the index of artists [2]_, which
    they do not follow everywhere, 147 of the 948 clips have their artist in another fold too.

    References
    ----------
    .. [1] Foleis, J. H. and Tavares, T. F. (2020): Texture selection for automatic music genre classification. Applied
       Soft Computing 89.
    .. [2] Sturm, B. L. (2012): An analysis of the GTZAN music genre dataset. Proc. ACM Workshop MIRUM.
    """

    name = "artist"
    description = (
        "GTZAN only: the three published folds of 948 clips, filtered by artist (Foleis and Tavares 2020), though 147 "
        "clips still have their artist in another fold; validation by artist from the other two folds"
    )
    citation = CITATIONS["artist"]
    own_folds = 3

    def for_rows(self, rows: Rows) -> SplitProtocol:
        """Return the form for rows that tell their artists themselves, where they do."""
        if getattr(rows, "together", None) is None:
            return self
        return TogetherProtocol(self.name, "artist", "sets of artists who play together")

    def _deal_clips(self, clips: list[Clip], seed: int) -> Iterator[tuple[str, dict[str, int]]]:
        for fold in range(1, self.own_folds + 1):
            pool = [clip for clip in clips if clip.fold not in (None, fold)]
            subsets = {clip.name: _TEST for clip in clips if clip.fold == fold}
            subsets.update((clip.name, _TRAIN) for clip in pool)
            subsets.update((name, _VALIDATION) for name in _draw_by_artist(pool, np.random.default_rng([seed, fold])))
            yield f"fold-{fold}", subsets


def _draw_by_artist(clips: list[Clip], rng: np.random.Generator) -> list[str]:
    """Draw about 20 % of the clips of each genre, artist by artist; an artist of two genres is never drawn."""
    artist_of = same_artist()
    names: dict[int, list[str]] = defaultdict(list)
    genres: dict[int, set[str]] = defaultdict(set)
    for clip in clips:
        names[artist_of[clip.name]].append(clip.name)
        genres[artist_of[clip.name]].add(clip.genre)
    drawn: list[str] = []
    for genre, count in sorted(Counter(clip.genre for clip in clips).items()):
        artists = sorted(artist for artist in names if genre in genres[artist])
        if len(artists) == 1:
            # One artist cannot be in two subsets, and there is nothing without train.
            continue
        order = rng.permutation([artist for artist in artists if len(genres[artist]) == 1]).tolist()
        target = _HELD_OUT_SHARE * count
        taken: list[int] = []
        total = 0
        for artist in order:
            if total + len(names[artist]) <= target:
                taken.append(artist)
                total += len(names[artist])
        # One more if that comes nearer, and one at any rate; the smallest of the rest overshoots least.
        rest = sorted((artist for artist in order if artist not in taken), key=lambda artist: len(names[artist]))
        if rest and (not taken or total + len(names[rest[0]]) - target < target - total):
            taken.append(rest[0])
        drawn += [name for artist in taken for name in names[artist]]
    return drawn


def _joined(kept: list[NDArray[np.intp]]) -> NDArray[np.intp]:
    """Return numbers of what hangs together by any of several numberings of the same rows."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    units = np.unique(kept[0], return_inverse=True)[1]
    for other in kept[1:]:
        count = len(units)
        links = np.unique(other, return_inverse=True)[1]
        nodes = units.max() + 1 + links
        size = int(nodes.max()) + 1
        graph = coo_array((np.ones(count), (units, nodes)), shape=(size, size))
        units = connected_components(graph, directed=False)[1][units]
    return np.unique(units, return_inverse=True)[1]


def _split(subset: NDArray[np.intp], fold: str = "") -> Split:
    """Turn the subset of each row into a split."""
    train, validation, test, left_out = (np.flatnonzero(subset == n) for n in (_TRAIN, _VALIDATION, _TEST, _LEFT_OUT))
    return Split(train, validation, test, fold, left_out)


def _genre(label: str) -> str:
    """Write a label as GTZAN does: Hip-Hop as hiphop."""
    return re.sub(r"[\s_-]", "", label.lower())


def _doubt(rows: Rows) -> str:
    """Return what is not certain of the rows' tracks, after a blank, where the rows tell it."""
    note = getattr(getattr(rows, "grouping", None), "note", "")
    return f" {note}" if note else ""


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


PROTOCOLS = MappingProxyType(
    {
        protocol.name: protocol
        for protocol in (TrackProtocol(), SegmentProtocol(), ArtistProtocol(), FaultFilteredProtocol())
    }
)
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
    if (column := group_column(name)) is not None:
        return TogetherProtocol(name, "group", f"values of {column}")
    try:
        return PROTOCOLS[name]
    except KeyError:
        raise ParameterError(
            f"The protocol {name!r} is unknown; choose one of {', '.join(PROTOCOLS)}, or group:COLUMN."
        ) from None


def applicable(rows: Rows, *, folds: int | None = None) -> dict[str, str | None]:
    """Tell which protocols can split rows, and why the others cannot.

    Parameters
    ----------
    rows : Rows
        Labels, names and groups of the rows.
    folds : int, optional
        Number of folds that every protocol is asked for; by default what each does by itself.

    Returns
    -------
    dict of str to str or None
        For each protocol by its name None, or one sentence why it cannot be used.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> names = np.array(["a", "b", "c"])
    >>> reasons = applicable(SimpleNamespace(labels=np.array(["rock"] * 3), items=names, groups=names))
    >>> [name for name, reason in reasons.items() if reason is None]
    ['track', 'segment']
    """
    reasons: dict[str, str | None] = {}
    for name, protocol in PROTOCOLS.items():
        try:
            protocol.splits(rows, folds=folds)
            reasons[name] = None
        except (ParameterError, ProtocolError) as error:
            reasons[name] = str(error)
    return reasons
