"""The clips of GTZAN by name, with what three publications say about each; `CITATIONS` names them.

The dataset itself is no part of this package. Its README tells how ``clips.csv`` was made.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Literal, cast

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
"""The ten genres, each with a hundred clips, named ``<genre>.00000`` to ``<genre>.00099``."""

CITATIONS = MappingProxyType(
    {
        "artist": (
            "Foleis, J. H. and Tavares, T. F. (2020): Texture selection for automatic music genre classification. "
            "Applied Soft Computing 89, 106127. doi:10.1016/j.asoc.2020.106127"
        ),
        "fault-filtered": (
            "Kereliuk, C., Sturm, B. L. and Larsen, J. (2015): Deep learning and music adversaries. "
            "IEEE Transactions on Multimedia 17(11), 2059-2071. doi:10.1109/TMM.2015.2478068"
        ),
        "index": (
            "Sturm, B. L. (2012): An analysis of the GTZAN music genre dataset. Proc. ACM Workshop MIRUM, Nara, Japan; "
            "and Sturm, B. L. (2013): The GTZAN dataset: its contents, its faults, their effects on evaluation, and "
            "its future use. arXiv:1306.1461"
        ),
    }
)
"""Who published the artist-filtered folds, the fault-filtered split, and the index of artists and faults."""

# blues.00029.wav, and what copies and pictures of GTZAN make of it: blues_00029.wav, blues00029.png, blues.00029.3.wav.
_NAME = re.compile(
    r"(?P<genre>[a-z]+)[._-]?(?P<number>[0-9]{5})(?:[._-][0-9]{1,3})?(?:\.[a-z]\w*)*", re.ASCII | re.IGNORECASE
)


@dataclass(frozen=True)
class Clip:
    """What is published about one clip.

    Attributes
    ----------
    name : str
        Name without a suffix, such as ``"blues.00029"``.
    genre : str
        One of `GENRES`.
    artist : int or None
        Number of the artist in Sturm's index; None where it names none. A collaboration counts as an artist of its own.
    subset : {"train", "validation", "test"} or None
        Subset in the fault-filtered split; None where the clip is excluded.
    fold : int or None
        Number of the artist-filtered fold that tests on the clip, 1 to 3; None where the clip is excluded.
    artist_group : int or None
        Number that the artist-filtered folds give the clip's artist; None where the clip is excluded.
    """

    name: str
    genre: str
    artist: int | None
    subset: Literal["train", "validation", "test"] | None
    fold: int | None
    artist_group: int | None


@lru_cache(maxsize=1)
def load_clips() -> Mapping[str, Clip]:
    """Return the thousand clips of GTZAN.

    References
    ----------
    `CITATIONS` has the sources.

    Examples
    --------
    >>> load_clips()["jazz.00054"]
    Clip(name='jazz.00054', genre='jazz', artist=None, subset='train', fold=2, artist_group=235)
    """
    text = resources.files("audio_genre.datasets.gtzan").joinpath("clips.csv").read_text(encoding="utf-8")
    clips = {}
    for line in csv.DictReader(text.splitlines()):
        name = line["clip"]
        clips[name] = Clip(
            name=name,
            genre=name.partition(".")[0],
            artist=_number(line["artist"]),
            subset=cast('Literal["train", "validation", "test"] | None', line["fault_filtered"] or None),
            fold=_number(line["artist_fold"]),
            artist_group=_number(line["artist_group"]),
        )
    return MappingProxyType(clips)


def find_clip(name: str) -> Clip | None:
    """Tell which clip of GTZAN a file, a picture, a segment or a track is, by its name alone.

    Examples
    --------
    >>> find_clip("blues/blues_00029.wav").name
    'blues.00029'
    >>> find_clip("blues/blues00029.png").name
    'blues.00029'
    >>> find_clip("blues/my blues.wav") is None
    True
    """
    match = _NAME.fullmatch(re.split(r"[/\\]", name)[-1])
    return None if match is None else load_clips().get(f"{match['genre'].lower()}.{match['number']}")


def excluded_clips() -> dict[str, frozenset[str]]:
    """Return the clips that each published split leaves out for their faults.

    A fault is a repetition, a distortion or a wrong label [1]_. Of two equal clips either split may keep another one.

    References
    ----------
    .. [1] Sturm, B. L. (2013): The GTZAN dataset: its contents, its faults, their effects on evaluation, and its future
       use. arXiv:1306.1461.

    Examples
    --------
    >>> {name: len(clips) for name, clips in excluded_clips().items()}
    {'artist': 52, 'fault-filtered': 70}
    """
    clips = load_clips().values()
    return {
        "artist": frozenset(clip.name for clip in clips if clip.fold is None),
        "fault-filtered": frozenset(clip.name for clip in clips if clip.subset is None),
    }


@lru_cache(maxsize=1)
def same_artist() -> Mapping[str, int]:
    """Join the clips of one artist, as far as anything is known.

    Two clips are joined if either the index or the artist-filtered folds give them the same artist, and so is whatever
    is joined to one of them: the two sources fail in different places. A clip of which nothing is known stands alone.

    Examples
    --------
    >>> joined = same_artist()
    >>> joined["metal.00059"] == joined["rock.00016"]  # both Queen
    True
    """
    clips = load_clips()
    joined = {name: number for number, name in enumerate(clips)}
    artists: dict[tuple[str, int], list[str]] = defaultdict(list)
    for clip in clips.values():
        if clip.artist is not None:
            artists["index", clip.artist].append(clip.name)
        if clip.artist_group is not None:
            artists["folds", clip.artist_group].append(clip.name)
    changed = True
    while changed:
        changed = False
        for names in artists.values():
            least = min(joined[name] for name in names)
            changed = changed or any(joined[name] != least for name in names)
            joined.update(dict.fromkeys(names, least))
    return MappingProxyType(joined)


def _number(text: str) -> int | None:
    return int(text) if text else None
