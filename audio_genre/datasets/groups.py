"""Which rows come from one track, and what stretch of signal is behind a row.

Names decide: a row called ``<track>.<k><suffix>`` is taken for part `k` of a track, whatever its length. A track on two
sides of a split flatters a model in silence, and too few tracks are complained of aloud. Only the side-car of an
extraction proves more than names do, and only the user may overrule them.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from audio_genre.dsp import get_recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

# features_3_sec.csv: what the public tables and ours are called tells the length of a row's signal.
_TABLE_NAME = re.compile(r"features_(?P<seconds>\d+(?:\.\d+)?)_sec\.\w+")
_SUFFIX = r"(?P<suffix>\.(?=\w*[A-Za-z])\w+)?"
# blues.00000.3.wav is segment 3 of blues.00000.wav; a zero-padded number is part of the track's name ...
_PART = re.compile(rf"(?P<stem>.*[^/.])\.(?P<k>0|[1-9]\d{{0,8}}){_SUFFIX}", re.DOTALL)
# ... unless the track has a number of its own: blues.00000.03.wav.
_PADDED_PART = re.compile(rf"(?P<stem>.+\.\d+)\.(?P<k>0\d{{1,2}}){_SUFFIX}", re.DOTALL)
# blues_00001_3.wav, blues.00001 (3).wav, blues.00001/3.wav: numbers that may count parts, and may not.
_LOOSE_PART = re.compile(rf"(?P<stem>.*[^\s._/(-])[\s._/(-]+(?P<k>\d{{1,9}})\)?{_SUFFIX}", re.DOTALL)
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
    ``<track><suffix>``; every other row is a track of its own. Nothing but the names decides.

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
        return [part_of(item)[0] for item in items]
    files = [_exact_part(item) for item in items]
    numbered: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    files_of_folder: dict[str, set[str]] = defaultdict(set)
    for row, (folder, (file, k)) in enumerate(zip(folders, files, strict=True)):
        files_of_folder[folder].add(file)
        if k is not None:
            numbered[folder, file].append((row, k))
    is_full = None
    if lengths is not None and clip_samples is not None:
        is_full = (np.isnan(lengths) | (lengths == clip_samples)).tolist()
    parts: set[int] = set()
    for (folder, file), members in numbered.items():
        named_like_folder = re.sub(r"\.\w+$", "", file.rpartition("/")[2]) == folder
        if named_like_folder and (is_full is not None or len(files_of_folder[folder]) == 1):
            continue
        if is_full is None:
            parts.update(row for row, _ in members)
        else:
            first = min((k for row, k in members if is_full[row]), default=math.inf)
            parts.update(row for row, k in members if k > first or (k == first and is_full[row]))
    return [
        f"{folder}/{file if row in parts else item}"
        for row, (item, folder, (file, _)) in enumerate(zip(items, folders, files, strict=True))
    ]


def torn_files(files: Sequence[str], folders: Sequence[str], items: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Find files whose parts lie in several folders, so that a part was moved or its label changed.

    Different files of one name in several folders have parts of equal names, and are not among them.

    Parameters
    ----------
    files : sequence of str
        File of each row, without its folder.
    folders : sequence of str
        Folder of each row.
    items : sequence of str
        Name of each row.

    Returns
    -------
    dict of str to tuple of str
        The folders of each such file.

    Examples
    --------
    >>> torn_files(["a", "a", "b", "b"], ["jazz", "rock", "jazz", "rock"], ["a.0", "a.1", "b.0", "b.0"])
    {'a': ('jazz', 'rock')}
    """
    names: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for file, folder, item in zip(files, folders, items, strict=True):
        names[file][folder].add(item)
    return {
        file: tuple(by_folder)
        for file, by_folder in names.items()
        if len(by_folder) > 1 and len(set().union(*by_folder.values())) == sum(map(len, by_folder.values()))
    }


def joined_parts(items: Sequence[str]) -> list[str]:
    """Put rows together by their names as `find_groups` does, and tracks whose parts were named unequally too.

    Where the parts of one track differ in suffix, case or folder, such as ``a.0.WAV`` and ``a.1.wav``, the numbers of
    one group are just those that another lacks.

    Parameters
    ----------
    items : sequence of str
        Names of the rows.

    Returns
    -------
    list of str
        Track of each row.

    Examples
    --------
    >>> joined_parts(["a.0.WAV", "a.1.wav", "b/c.0.wav", "d/c.0.wav"])
    ['a.WAV', 'a.WAV', 'b/c.wav', 'd/c.wav']
    """
    parts = [part_of(item) for item in items]
    numbers: dict[str, set[int]] = defaultdict(set)
    for file, k in parts:
        if k is not None:
            numbers[file].add(k)
    alike: dict[str, list[str]] = defaultdict(list)
    for file in numbers:
        alike[re.sub(r"\.\w+$", "", file.rpartition("/")[2]).casefold()].append(file)
    name_of: dict[str, str] = {}
    for files in alike.values():
        union = set().union(*(numbers[file] for file in files))
        is_whole = len(union) == max(union) - min(union) + 1 == sum(len(numbers[file]) for file in files)
        if len(files) > 1 and is_whole:
            name_of.update(dict.fromkeys(files, min(files)))
    return [file if k is None else name_of.get(file, file) for file, k in parts]


def loose_parts(items: Sequence[str], labels: Sequence[str], *, short: bool) -> list[str] | None:
    """Put rows together by numbers that stand in their names in other ways: ``a_3.wav``, ``a (3).wav``, ``a/3.wav``.

    Such numbers often count tracks, so they count parts only where more speaks for it: rows much shorter than a clip,
    or else tracks that mostly have equally many parts, numbered one after the other without zeros in front. It never
    leaves a class with one track, and never joins rows of several labels, which numbers of parts do not.

    Parameters
    ----------
    items, labels : sequence of str
        Names and classes of the rows.
    short : bool
        Whether rows are known to be much shorter than a clip.

    Returns
    -------
    list of str or None
        Track of each row; None where the numbers count something else.

    Examples
    --------
    >>> loose_parts(["a_0.wav", "a_1.wav", "b_0.wav", "b_1.wav"], ["x"] * 4, short=False)
    ['a.wav', 'a.wav', 'b.wav', 'b.wav']
    >>> loose_parts(["rock_1.wav", "rock_2.wav"], ["rock"] * 2, short=True) is None
    True
    """
    matches = [_LOOSE_PART.fullmatch(item) for item in items]
    if sum(match is not None for match in matches) < _NEARLY_ALL * len(items):
        return None
    tracks = [
        item if match is None else match["stem"] + (match["suffix"] or "")
        for item, match in zip(items, matches, strict=True)
    ]
    numbers: dict[str, list[int]] = defaultdict(list)
    labels_of: dict[str, set[str]] = defaultdict(set)
    tracks_of: dict[str, set[str]] = defaultdict(set)
    for track, label, match in zip(tracks, labels, matches, strict=True):
        labels_of[track].add(label)
        tracks_of[label].add(track)
        if match is not None:
            numbers[track].append(int(match["k"]))
    several = [found for found in labels_of.values() if len(found) > 1]
    if (
        len(tracks_of) == 0
        or min(map(len, tracks_of.values())) < 2
        or len(several) > (1 - _NEARLY_ALL) * len(labels_of)
        or max(map(len, numbers.values())) < 2
    ):
        return None
    if not short:
        if any(match is not None and len(match["k"]) > 1 and match["k"].startswith("0") for match in matches):
            return None  # blues.00012.wav is a track
        sizes = Counter(map(len, numbers.values()))
        size = max(sizes, key=lambda found: (sizes[found], found))
        count = sizes[size]
        whole = sum(sorted(found) == list(range(min(found), min(found) + len(found))) for found in numbers.values())
        if size < 2 or count < _MOSTLY * len(numbers) or whole < _NEARLY_ALL * len(numbers):
            return None
    return tracks


def part_of(item: str) -> tuple[str, int | None]:
    """Tell by its name alone which file a row was cut from.

    Parameters
    ----------
    item : str
        Name of the row.

    Returns
    -------
    tuple of str and int or None
        The file and the number of the row there; the name itself and None if it was not cut.

    Examples
    --------
    >>> part_of("blues.00000.3.wav"), part_of("blues.00000.03.wav"), part_of("blues.00000.wav")
    (('blues.00000.wav', 3), ('blues.00000.wav', 3), ('blues.00000.wav', None))
    """
    file, k = _exact_part(item)
    if k is None and (match := _PADDED_PART.fullmatch(item)):
        return match["stem"] + (match["suffix"] or ""), int(match["k"])
    return file, k


def _exact_part(item: str) -> tuple[str, int | None]:
    """Do the same with numbers as this package writes them."""
    match = _PART.fullmatch(item)
    return (item, None) if match is None else (match["stem"] + (match["suffix"] or ""), int(match["k"]))


def find_window(
    items: Sequence[str],
    lengths: NDArray[np.float64] | None,
    recipe: str,
    table_name: str = "",
    *,
    rows: Literal["clips", "segments"] | None = None,
) -> Window:
    """Tell from names and lengths what stretch of signal each row of a table describes.

    Parameters
    ----------
    items : sequence of str
        Names of the rows.
    lengths : np.ndarray, shape (n,), or None
        Length of each row's signal in samples, where the table has it; NaN where a cell is empty. Their median counts.
        Without any the length of a segment is estimated from how many a track has.
    recipe : str
        Name of the recipe, which tells the sampling rate and the length of a clip.
    table_name : str
        Name of the table's file; ``features_<seconds>_sec`` counts where the lengths do not contradict.
    rows : {"clips", "segments"}, optional
        What the rows are, if the user has said so.

    Returns
    -------
    Window
        The window.

    Examples
    --------
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
    parts = [file for file, k in map(part_of, items) if k is not None]
    is_numbered = rows == "segments" or 2 * len(parts) > len(items)
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
    elif parts:
        sizes = Counter(Counter(parts).values())
        seconds = known.clip_seconds / max(sizes, key=lambda size: (sizes[size], size))
    else:
        seconds = float(known.segment_seconds)
    if rows is None and not _MIN_SEGMENT_SECONDS <= seconds < (1 - _SAME_LENGTH) * known.clip_seconds:
        return clip
    return Window("segment", min(max(round(seconds, 3), 0.001), float(known.clip_seconds)))


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
    """Tell whether most rows are known to be much shorter than a clip.

    Parameters
    ----------
    lengths : np.ndarray, shape (n,), or None
        Length of each row in samples; NaN where it is unknown.
    recipe : str
        Name of the recipe.

    Returns
    -------
    bool
        Whether they are; False if no length is known.
    """
    known = get_recipe(recipe)
    values = np.empty(0) if lengths is None else lengths[~np.isnan(lengths)]
    return bool(len(values) and np.median(values) < _SHORT * known.clip_seconds * known.sr)


def loose_note(items: Sequence[str], tracks: Sequence[str]) -> str:
    """Say that rows were put together by numbers in their names.

    Parameters
    ----------
    items, tracks : sequence of str
        Name and track of each row.

    Returns
    -------
    str
        One sentence.
    """
    return (
        f"The {len(items)} rows are taken for parts of {len(set(tracks))} tracks by the number in names such as "
        f"{items[0]!r}; if each row is a track of its own, say so with --rows clips, or name the column that tells the "
        "track with --group-column."
    )


def doubt(
    items: Sequence[str],
    lengths: NDArray[np.float64] | None,
    recipe: str | None,
    table_name: str,
    window: Window | None,
) -> str:
    """Tell what was made of the rows by their names, where something speaks against it, and how to overrule it.

    Parameters
    ----------
    items : sequence of str
        Names of the rows.
    lengths : np.ndarray, shape (n,), or None
        Length of each row in samples; NaN where it is unknown.
    recipe : str or None
        Name of the recipe.
    table_name : str
        Name of the table's file.
    window : Window or None
        What a row was taken for.

    Returns
    -------
    str
        One sentence; empty if names and lengths agree.
    """
    files = [part_of(item) for item in items]
    tracks = len(set(joined_parts(items)))
    cut = [row for row, (_, k) in enumerate(files) if k is not None]
    values = np.empty(0) if lengths is None else lengths[~np.isnan(lengths)]
    known = None if recipe is None else get_recipe(recipe)
    if tracks == len(set(items)):
        if known is None or not are_short(lengths, known.name):
            return ""
        return (
            f"Each of the {tracks} names is taken for a track of its own, because none says otherwise, though a row "
            f"has {np.median(values) / known.sr:.3g} s; if they are segments, name the column that tells their "
            "track with --group-column."
        )
    whole = len(cut) == len(items) and len(values) == len(items)
    if known is None:
        agree = len(cut) == len(items)
    elif whole:
        agree = bool(np.ptp(values) <= 1 and values.max() < _SHORT * known.clip_seconds * known.sr)
    else:
        # The name of a public table tells what its lengths would.
        match = _TABLE_NAME.fullmatch(table_name) if not len(values) and len(cut) == len(items) else None
        agree = match is not None and float(match["seconds"]) < known.clip_seconds
    if agree:
        return ""
    what = "" if window is None else f" (a row is a {window.kind} of {window.seconds:g} s)"
    example = next(items[row] for row in cut)
    return (
        f"The {len(items)} rows are taken for parts of {tracks} tracks by the number at the end of names such as "
        f"{example!r}{what}; if each row is a track of its own, say so with --rows clips, or name the column that "
        "tells the track with --group-column."
    )
