"""Names of classes that are probably a mistake: codes, and one genre under several spellings."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping

_MAX_NAMES = 6
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
_AND = re.compile(r"\b(?:and|n)\b|&")


def spelling_key(name: str) -> str:
    """Map the spellings of one genre to one key.

    Examples
    --------
    >>> {spelling_key(name) for name in ("R&B", "r-n-b", "RnB", "R and B")}
    {'rnb'}
    >>> spelling_key("Hip Hop") == spelling_key("hip-hop") == spelling_key("HipHop")
    True
    """
    plain = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return "".join(letter for letter in _AND.sub("n", letters) if letter.isalnum()) or name.strip()


def variants(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Find names that are spellings of one genre.

    Examples
    --------
    >>> variants(["rock", "Rock ", "jazz"])
    [('rock', 'Rock ')]
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if name.strip():
            groups[spelling_key(name)].append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def codes(names: Iterable[str]) -> list[str]:
    """Find names that are numbers.

    Examples
    --------
    >>> codes(["5", "rock", "80s"])
    ['5']
    """
    return [name for name in names if _NUMBER.fullmatch(name.strip())]


def doubts(counts: Mapping[str, int], unit: str) -> tuple[str, ...]:
    """Say what is odd about the names of classes.

    Examples
    --------
    >>> doubts({"hip-hop": 9, "HipHop": 4, "rock": 8}, "rows")
    ("Classes 'hip-hop' (9 rows) and 'HipHop' (4 rows) are kept apart, though ...",)
    """
    sentences = []
    for names in variants(counts):
        listed = " and ".join(f"{name!r} ({counts[name]} {unit})" for name in names)
        sentences.append(
            f"Classes {listed} are kept apart, though they look like one genre in several spellings; rename one of "
            "them if they are the same."
        )
    numbers = codes(counts)
    if numbers:
        listed = ", ".join(f"{name!r} ({counts[name]} {unit})" for name in numbers[:_MAX_NAMES])
        more = f" and {len(numbers) - _MAX_NAMES} more" if len(numbers) > _MAX_NAMES else ""
        verb = "Class" if len(numbers) == 1 else "Classes"
        sentences.append(
            f"{verb} {listed}{more} {'is' if len(numbers) == 1 else 'are'} named by a number; if it is a code, write "
            "the genre's name in its place."
        )
    return tuple(sentences)
