"""Which rows come from one track, and what stretch of signal is behind a row.

Names decide: a row called ``<track>.<k><suffix>`` is taken for part `k` of a track, whatever its length. A track in two
subsets of a split raises scores unnoticed, while too few tracks give an error. Only the side-car of an extraction
proves more than names do, and only the user may overrule them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from audio_genre.datasets.parts import SUFFIX, cut_by, cut_part, cut_parts
from audio_genre.dsp import get_recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

# features_3_sec.csv: what the public tables and ours are called tells the length of a row's signal.
_TABLE_NAME = re.compile(r"features_(?P<seconds>\d+(?:\.\d+)?)_sec\.\w+")
# blues_00001_3.wav, blues.00001 (3).wav, blues.00001/3.wav: numbers that may count parts, and may not.
_LOOSE_PART = re.compile(rf"(.*[^\s._/(-])[\s._/(-]+(\d{{1,9}})\)?{SUFFIX}", re.DOTALL)
_PADDED_NUMBER = re.compile(rf"[\s._/(-]0\d{{1,8}}\)?{SUFFIX}\Z", re.DOTALL)
_WORD = re.compile(r"\w+")
_MORE_THAN_PARTS = 10**9
_MOSTLY, _NEARLY_ALL = 0.6, 0.8
# A length within this share of another one is the same, cut by other means: mp3 frames, resampling.
_SAME_LENGTH = 0.05
_ROUND_LENGTH = 0.01
# Rows that are shorter than this share of a clip are parts of one, or very short clips.
_SHORT = 0.75
_MIN_SEGMENT_SECONDS = 1.0


@dataclass(frozen=True)
class Window:
    """The stretch of signal behind one row of a table.

    Attributes
    ----------
    kind : {"clip", "segment"}
        A whole clip (a file of up to twice `seconds`, or a stretch of a longer one), or one of its many equal segments.
    seconds : float
        Length of a full window in seconds.

    Examples
    --------
    >>> Window("segment", 3.0).label
    '3s'
    """

    kind: Literal["clip", "segment"]
    seconds: float

    @property
    def label(self) -> str:
        """Short name, such as ``"30s"``."""
        return f"{self.seconds:g}s"


@dataclass(frozen=True)
class Grouping:
    """How the track of each row was found.

    Attributes
    ----------
    by : {"extraction", "column", "names", "option"}
        The side-car of the extraction, a column of the table, the rows' names, or the user's word that each row is a
        track or a segment.
    note : str
        One sentence about what was decided and how to overrule it, where it was a guess; else empty.
    """

    by: Literal["extraction", "column", "names", "option"] = "names"
    note: str = ""

    @property
    def certain(self) -> bool:
        """Whether it was no guess."""
        return not self.note


def find_groups(
    items: Sequence[str],
    *,
    folders: Sequence[str] | None = None,
    lengths: NDArray[np.float64] | None = None,
    clip_samples: int | None = None,
) -> list[str]:
    """Tell from the rows' names which rows come from one track.

    A row named ``<track>.<k><suffix>``, with `k` written without leading zeros, is part `k` of the file
    ``<track><suffix>``, and so is a row named ``<track>.<start>-<end><suffix>``, with both in seconds and a decimal
    point, such as ``x.3.0-6.0.wav``; every other row is a track of its own. Nothing but the names decides.

    More is known of files that lie in folders of genres. Those called after their folder, such as ``rock.0.wav`` to
    ``rock.99.wav`` in ``rock/``, are tracks if nothing else is in the folder. And if a file longer than two clips was
    cut by this package, each of its parts but the last is exactly one clip long: so the first part of that length and
    all with greater numbers are one track, and files ``clip.0.wav`` .. ``clip.6.wav`` of other lengths are seven.

    Parameters
    ----------
    items : sequence of str
        Names of the rows; folders in them are part of the name.
    folders : sequence of str, optional
        Folder of each row, if every row is a file that lies in one, or was made of one.
    lengths : np.ndarray, shape (n,), optional
        Length of each row's signal, if this package has cut the files; NaN where it is unknown.
    clip_samples : int, optional
        Length of a clip; needed for `lengths` to count.

    Returns
    -------
    list of str
        The file of each row; after its folder and a slash, if there is one.

    Examples
    --------
    >>> find_groups(["blues.00000.0.wav", "blues.00000.1.wav", "blues.00001.wav"])
    ['blues.00000.wav', 'blues.00000.wav', 'blues.00001.wav']
    >>> find_groups(["rock.0.wav", "rock.1.wav"], folders=["rock"] * 2)
    ['rock/rock.0.wav', 'rock/rock.1.wav']
    """
    if folders is None:
        return cut_parts(items)[0]
    cut, k = cut_parts(items, padded=False)
    files, file_names = factorized(cut)
    places, place_names = factorized(folders)
    pairs, pair = np.unique(places * len(file_names) + files, return_inverse=True)
    place_of, file_of = np.divmod(pairs, max(len(file_names), 1))
    is_alone = np.bincount(place_of, minlength=len(place_names)) == 1
    known = lengths is not None and clip_samples is not None
    is_track = np.zeros(len(pairs), dtype=bool)
    for number in np.unique(pair[k >= 0]).tolist():
        stem = _without_suffix(file_names[file_of[number]])
        is_track[number] = stem == place_names[place_of[number]] and (known or is_alone[place_of[number]])
    is_part = (k >= 0) & ~is_track[pair]
    if lengths is not None and clip_samples is not None:
        is_full = np.isnan(lengths) | (lengths == clip_samples)
        first = np.full(len(pairs), _MORE_THAN_PARTS)
        np.minimum.at(first, pair[is_part & is_full], k[is_part & is_full])
        is_part &= (k > first[pair]) | ((k == first[pair]) & is_full)
    return [
        f"{folder}/{file if part else item}"
        for item, folder, file, part in zip(items, folders, cut, is_part.tolist(), strict=True)
    ]


def torn_files(files: Sequence[str], folders: Sequence[str], items: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the folders of each file whose parts lie in several, so that a part was moved or its label changed.

    Different files of one name in several folders have parts of equal names, and are not among them.

    >>> torn_files(["a", "a", "b", "b"], ["jazz", "rock", "jazz", "rock"], ["a.0", "a.1", "b.0", "b.0"])
    {'a': ('jazz', 'rock')}
    """
    codes, _ = factorized(files)
    places, place_names = factorized(folders)
    pairs = distinct(codes * max(len(place_names), 1) + places)
    rows = np.flatnonzero(np.bincount(pairs // max(len(place_names), 1))[codes] > 1) if len(pairs) else pairs
    names: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in rows.tolist():
        names[files[row]][folders[row]].add(items[row])
    return {
        file: tuple(by_folder)
        for file, by_folder in names.items()
        if len(set().union(*by_folder.values())) == sum(map(len, by_folder.values()))
    }


class RowNames:
    """The names of rows, each looked at once, as `find_groups` takes them."""

    def __init__(self, items: Sequence[str]) -> None:
        self.items = items
        files, self.k = cut_parts(items)
        """Number of each row in its file; -1 where it was not cut."""
        self.codes, self.files = factorized(files)
        """Number of each row's file, and the files."""

    @classmethod
    def of(cls, items: Sequence[str] | RowNames) -> RowNames:
        """Return the names themselves if they are looked at already."""
        return items if isinstance(items, RowNames) else cls(items)

    def listed(self, codes: NDArray[np.intp]) -> list[str]:
        """Return the names of files by their numbers."""
        return list(map(self.files.__getitem__, codes.tolist()))

    @cached_property
    def are_tracks(self) -> bool:
        """Whether each name is a track of its own; two rows may have one name."""
        # Counting the names takes longest, and parts of one track have different ones.
        is_cut = self.n_tracks < max(len(self.files), len(self._parts))
        return not is_cut and (self.n_tracks == len(self.items) or self.n_tracks == len(set(self.items)))

    @cached_property
    def n_tracks(self) -> int:
        """How many tracks there are."""
        return len(distinct(self.tracks))

    @cached_property
    def tracks(self) -> NDArray[np.intp]:
        """Number of each row's track in `files`: its file, or another one that has the parts which this one lacks."""
        file_of, number = np.divmod(self._parts, _MORE_THAN_PARTS)
        files = distinct(file_of).tolist()
        alike: dict[str, list[int]] = defaultdict(list)
        for code in files:
            alike[_without_suffix(self.files[code]).casefold()].append(code)
        track_of = np.arange(len(self.files))
        for codes in alike.values() if len(alike) < len(files) else ():
            if len(codes) > 1:
                bounds = np.searchsorted(file_of, np.add.outer(codes, [0, 1]))
                together = np.concatenate([number[start:end] for start, end in bounds])
                is_whole = len(distinct(together)) == np.ptp(together) + 1 == len(together)
                if is_whole:
                    track_of[codes] = min(codes, key=self.files.__getitem__)
        tracks: NDArray[np.intp] = np.where(self.k >= 0, track_of[self.codes], self.codes)
        return tracks

    @cached_property
    def _parts(self) -> NDArray[np.int64]:
        """Each file and number of a part once, sorted."""
        is_part = self.k >= 0
        return distinct(self.codes[is_part] * _MORE_THAN_PARTS + self.k[is_part])


def factorized(texts: Iterable[str]) -> tuple[NDArray[np.intp], list[str]]:
    """Give the different texts numbers in order of appearance; return the number of each text, and the different ones.

    >>> factorized(["b", "a", "b"])
    (array([0, 1, 0]), ['b', 'a'])
    """
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    return np.fromiter(map(numbers.__getitem__, texts), dtype=np.intp), list(numbers)


def _without_suffix(file: str) -> str:
    stem, dot, suffix = file.rpartition("/")[2].rpartition(".")
    return stem if dot and _WORD.fullmatch(suffix) else stem + dot + suffix


def joined_parts(items: Sequence[str] | RowNames) -> list[str]:
    """Put rows together by their names as `find_groups` does, and tracks whose parts were named unequally too.

    Where the parts of one track differ in suffix, case or folder, such as ``a.0.WAV`` and ``a.1.wav``, the numbers of
    one group are just those that another lacks.

    >>> joined_parts(["a.0.WAV", "a.1.wav", "b/c.0.wav", "d/c.0.wav"])
    ['a.WAV', 'a.WAV', 'b/c.wav', 'd/c.wav']
    """
    names = RowNames.of(items)
    return names.listed(names.tracks)


def loose_parts(items: Sequence[str], labels: Sequence[str], *, short: bool) -> list[str] | None:
    """Return tracks by numbers that stand in the names in other ways: ``a_3.wav``, ``a (3).wav``, ``a/3.wav``.

    Such numbers often count tracks, so they count parts only where more speaks for it: `short` rows, which are known to
    be much shorter than a clip, or else tracks that mostly have equally many parts, numbered one after the other
    without zeros in front. It never leaves a class with one track, and never joins rows of several labels, which
    numbers of parts do not. None is returned where the numbers count something else.

    >>> loose_parts(["a_0.wav", "a_1.wav", "b_0.wav", "b_1.wav"], ["x"] * 4, short=False)
    ['a.wav', 'a.wav', 'b.wav', 'b.wav']
    >>> loose_parts(["rock_1.wav", "rock_2.wav"], ["rock"] * 2, short=True) is None
    True
    """
    tracks, k = cut_by(items, _LOOSE_PART)
    if not len(items) or (k >= 0).sum() < _NEARLY_ALL * len(items):
        return None
    if not short and any(_PADDED_NUMBER.search(item) for item, number in zip(items, k, strict=True) if number >= 0):
        return None  # blues.00012.wav is a track
    codes, names = factorized(tracks)
    label_codes, label_names = factorized(labels)
    # Each pair of a track and a label once.
    track_of, label_of = np.divmod(distinct(codes * len(label_names) + label_codes), len(label_names))
    numbered = codes[k >= 0]
    sizes = np.bincount(numbered)
    if (
        np.bincount(label_of).min() < 2
        or (np.bincount(track_of) > 1).sum() > (1 - _NEARLY_ALL) * len(names)
        or sizes.max() < 2
    ):
        return None
    if not short:
        size, total = _usual(sizes), int((sizes > 0).sum())
        parts = np.sort(numbered * _MORE_THAN_PARTS + k[k >= 0])
        is_within = np.diff(parts // _MORE_THAN_PARTS) == 0
        with_gaps = distinct(parts[1:][is_within & (np.diff(parts) != 1)] // _MORE_THAN_PARTS)
        if size < 2 or (sizes == size).sum() < _MOSTLY * total or total - len(with_gaps) < _NEARLY_ALL * total:
            return None
    return tracks


def part_of(item: str) -> tuple[str, int | None]:
    """Tell by its name alone which file a row was cut from, and its number there; None if it was not cut.

    >>> part_of("blues.00000.3.wav"), part_of("blues.00000.03.wav"), part_of("blues.00000.wav")
    (('blues.00000.wav', 3), ('blues.00000.wav', 3), ('blues.00000.wav', None))
    """
    file, k = cut_part(item)
    return file, None if k < 0 else k


def distinct(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what `numpy.unique` does, which takes ten times as long for a million numbers that are nearly sorted."""
    values = np.sort(values)
    return values[np.concatenate([[True], values[1:] != values[:-1]])] if len(values) else values


def find_window(
    items: Sequence[str] | RowNames,
    lengths: NDArray[np.float64] | None,
    recipe: str,
    table_name: str = "",
    *,
    rows: Literal["clips", "segments"] | None = None,
) -> Window:
    """Tell from names and lengths what stretch of signal each row of a table describes.

    The median of the lengths counts; without any the length of a segment is estimated from how many a track has, or
    taken from the table's name ``features_<seconds>_sec`` where the lengths do not contradict.

    >>> names = ["a.0.wav", "a.1.wav"]
    >>> find_window(names, np.array([66149.0, 66149.0]), "gtzan57-v1")
    Window(kind='segment', seconds=3.0)
    >>> find_window(names, np.array([66150.0, 66510.0]), "gtzan57-v1")
    Window(kind='segment', seconds=3.0)
    >>> find_window(names, np.array([661500.0, 790000.0]), "gtzan57-v1")
    Window(kind='clip', seconds=30.0)
    """
    known = get_recipe(recipe)
    clip = Window("clip", float(known.clip_seconds))
    if rows == "clips":
        return clip
    names = RowNames.of(items)
    parts = names.codes[names.k >= 0]
    is_numbered = rows == "segments" or 2 * len(parts) > len(names.k)
    measured = _typical_seconds(lengths, known.sr)
    match = _TABLE_NAME.fullmatch(table_name)
    named = float(match["seconds"]) if match else None
    if named and measured and abs(measured - named) > _SAME_LENGTH * named:
        named = None
    if named is None or not 0 < named <= known.clip_seconds:
        named = None
    elif named < known.clip_seconds and (measured or is_numbered):
        return Window("segment", named)
    if not is_numbered or (named == known.clip_seconds and rows is None):
        return clip
    if measured:
        seconds = measured
    elif len(parts):
        seconds = known.clip_seconds / _usual(np.bincount(parts))
    else:
        seconds = float(known.segment_seconds)
    if rows is None and not _MIN_SEGMENT_SECONDS <= seconds < (1 - _SAME_LENGTH) * known.clip_seconds:
        return clip
    return Window("segment", min(max(round(seconds, 3), 0.001), float(known.clip_seconds)))


def _usual(sizes: NDArray[np.intp]) -> int:
    """Return the most frequent size above 0; of several the largest."""
    counts = np.bincount(sizes[sizes > 0])
    return int(np.flatnonzero(counts == counts.max())[-1])


def _typical_seconds(lengths: NDArray[np.float64] | None, sr: int) -> float | None:
    """Return the length that most rows have, rounded as much as they differ; None where none is known."""
    values = np.empty(0) if lengths is None else lengths[~np.isnan(lengths)]
    if not len(values):
        return None
    # A segment is one sample shorter than its stride in some tables and as long in others.
    if np.ptp(values) <= 1:
        return round((float(values.max()) + 1) / sr, 3)
    seconds = float(np.median(values)) / sr
    for step in (1.0, 0.5, 0.1):
        near = round(round(seconds / step) * step, 3)
        if abs(near - seconds) <= _ROUND_LENGTH * seconds:
            return near
    return round(seconds, 3)


def are_short(lengths: NDArray[np.float64] | None, recipe: str) -> bool:
    """Tell whether most rows are known to be much shorter than a clip; False if no length is known."""
    known = get_recipe(recipe)
    values = np.empty(0) if lengths is None else lengths[~np.isnan(lengths)]
    return bool(len(values) and np.median(values) < _SHORT * known.clip_seconds * known.sr)


def loose_note(items: Sequence[str], tracks: Sequence[str]) -> str:
    """Say in a sentence that rows were put together by numbers in their names."""
    return (
        f"The {len(items)} rows are treated as parts of {len(set(tracks))} tracks because of the number in names such "
        f"as {items[0]!r}; if each row is a separate track, use --rows clips, or name the column of the track with "
        "--group-column."
    )


def doubt(
    names: RowNames,
    lengths: NDArray[np.float64] | None,
    recipe: str | None,
    table_name: str,
    window: Window | None,
) -> str:
    """Tell what was made of the rows by their names, where something speaks against it; empty if nothing does."""
    items, tracks = names.items, names.n_tracks
    is_cut = names.k >= 0
    values = np.empty(0) if lengths is None else lengths[~np.isnan(lengths)]
    known = None if recipe is None else get_recipe(recipe)
    if names.are_tracks:
        if known is None or not are_short(lengths, known.name):
            return ""
        return (
            f"Each of the {tracks} names is treated as a separate track, because none has the number of a part, "
            f"although a row lasts {np.median(values) / known.sr:.3g} s; if these are segments, name the column of the "
            "track with --group-column."
        )
    all_cut = bool(is_cut.all())
    whole = all_cut and len(values) == len(items)
    if known is None:
        agree = all_cut
    elif whole:
        agree = bool(np.ptp(values) <= 1 and values.max() < _SHORT * known.clip_seconds * known.sr)
    else:
        # The name of a public table tells what its lengths would.
        match = _TABLE_NAME.fullmatch(table_name) if not len(values) and all_cut else None
        agree = match is not None and float(match["seconds"]) < known.clip_seconds
    if agree:
        return ""
    what = "" if window is None else f" (a row is a {window.kind} of {window.seconds:g} s)"
    example = items[int(np.argmax(is_cut))]
    return (
        f"The {len(items)} rows are treated as parts of {tracks} tracks because of the number at the end of names such "
        f"as {example!r}{what}; if each row is a separate track, use --rows clips, or name the column of the track "
        "with --group-column."
    )
