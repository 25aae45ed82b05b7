"""When two names mean one genre, and how a genre is usually spelt in a tag."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# Spellings that the rule of capital letters does not give, and the other names by which the genre goes.
_USUAL = {
    "Hip-Hop": ("hip hop", "hip & hop"),
    "R&B": ("rnb", "r n b", "r and b", "rhythm and blues"),
    "Drum & Bass": ("drum and bass", "drum n bass", "dnb", "d and b", "d n b"),
    "Rock & Roll": ("rock and roll", "rock n roll"),
    "Trip-Hop": ("trip hop",),
    "Lo-Fi": ("lo fi",),
    "K-Pop": ("k pop",),
    "J-Pop": ("j pop",),
    "EDM": (),
    "IDM": (),
    "UK Garage": (),
}
_SMALL = frozenset({"and", "of", "the", "n", "in"})


def _letters(genre: str) -> str:
    """Return the letters and digits of a name alone, without case, accents as they are."""
    folded = unicodedata.normalize("NFKC", genre).casefold().replace("&", " and ")
    letters = "".join(letter for letter in folded if letter.isalnum())
    return letters or folded.strip()


_BY_LETTERS = {_letters(name): usual for usual, others in _USUAL.items() for name in (usual, *others)}


def same_genre(first: str, second: str) -> bool:
    """Tell whether two names mean one genre, whatever their case, blanks, hyphens and usual short forms.

    Examples
    --------
    >>> same_genre("hip hop", "Hip-Hop"), same_genre("RnB", "r&b"), same_genre("rock", "pop")
    (True, True, False)
    """
    return genre_key(first) == genre_key(second)


@lru_cache(maxsize=4096)
def genre_key(genre: str) -> str:
    """Return what all names of one genre have in common.

    Examples
    --------
    >>> genre_key("Hip-Hop") == genre_key("hip hop"), genre_key("Jazz")
    (True, 'jazz')
    """
    return _letters(usual_spelling(genre))


def usual_spelling(genre: str) -> str:
    """Return how a genre is usually written in tags.

    A small table comes first. Otherwise a name with a capital letter in it stays as it is, because somebody chose it;
    any other gets capital initials, and blanks for underscores.

    Examples
    --------
    >>> [usual_spelling(genre) for genre in ("hiphop", "rnb", "drum and bass", "classical", "new_wave", "Old-Time")]
    ['Hip-Hop', 'R&B', 'Drum & Bass', 'Classical', 'New Wave', 'Old-Time']
    """
    usual = _BY_LETTERS.get(_letters(genre))
    if usual is not None:
        return usual
    if genre != genre.lower():
        return genre
    parts = re.split(r"([\s_\-/&,]+)", genre)
    return "".join(
        part.replace("_", " ") if k % 2 else part if k and part in _SMALL else part[:1].upper() + part[1:]
        for k, part in enumerate(parts)
    )
