"""Which song goes to which playlist, and what has to change for it: pure functions, for files and accounts alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Literal, TypeAlias

from audio_genre.bundles.calibration import UNKNOWN
from audio_genre.errors import ParameterError
from audio_genre.library.records import Acceptance
from audio_genre.library.spelling import genre_key

Place: TypeAlias = Literal["playlist", "unknown", "no features", "skipped"]

PLACES: tuple[Place, ...] = ("playlist", "unknown", "no features", "skipped")
"""Where a song can go; every song goes to one of them."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a source says of a song's genre.

    Attributes
    ----------
    genre : str
        The most probable genre, or ``"unknown"``.
    confidence : float
        Its probability; 1 where a person says so.
    source : str
        Where it comes from, for people.
    reason : str or None
        Why the source does not believe it.
    """

    genre: str
    confidence: float = 1.0
    source: str = ""
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Song:
    """What a plan needs to know of a song.

    Attributes
    ----------
    key : str
        What targets call it.
    opinion : Opinion or None
        What is known of its genre.
    skipped : str or None
        Why it cannot go to any playlist.
    """

    key: str
    opinion: Opinion | None = None
    skipped: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What a user wants playlists of.

    Attributes
    ----------
    genres : tuple of str or None
        Genres that get a playlist; None for all.
    accepted : Acceptance
        When a genre is believed.
    min_tracks : int
        Songs that a genre needs for a playlist.
    """

    genres: tuple[str, ...] | None = None
    accepted: Acceptance = field(default_factory=Acceptance)
    min_tracks: int = 1

    def __post_init__(self) -> None:
        if self.genres is not None and not any(genre.strip() for genre in self.genres):
            raise ParameterError("No genre was chosen; name at least one, or leave the genres out for all.")
        if not 0 <= self.accepted.min_confidence <= 1:
            raise ParameterError(f"The minimum confidence must be from 0 to 1, got {self.accepted.min_confidence:g}.")
        if self.min_tracks < 1:
            raise ParameterError(f"The minimum number of tracks must be at least 1, got {self.min_tracks}.")


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a song goes, and why.

    Attributes
    ----------
    key : str
        What targets call the song.
    place : {"playlist", "unknown", "no features", "skipped"}
        Where it goes.
    genre : str
        Its genre, ``"unknown"``, or nothing where nothing is known of it.
    confidence : float or None
        Probability of the most probable genre.
    source : str
        Where that comes from.
    reason : str or None
        Why it goes to no playlist.
    """

    key: str
    place: Place
    genre: str = ""
    confidence: float | None = None
    source: str = ""
    reason: str | None = None


@dataclass(frozen=True)
class Plan:
    """Where every song goes.

    Attributes
    ----------
    decisions : tuple of Decision
        One for each song, in the order of the songs.
    """

    decisions: tuple[Decision, ...]

    @cached_property
    def playlists(self) -> Mapping[str, tuple[str, ...]]:
        """The songs of each playlist, by genre; the genre with most songs first."""
        found: dict[str, list[str]] = {}
        for decision in self.decisions:
            if decision.place == "playlist":
                found.setdefault(decision.genre, []).append(decision.key)
        ranked = sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0]))
        return MappingProxyType({genre: tuple(keys) for genre, keys in ranked})

    @cached_property
    def counts(self) -> Mapping[Place, int]:
        """How many songs go to each place."""
        counted = Counter(decision.place for decision in self.decisions)
        return MappingProxyType({place: counted[place] for place in PLACES})


def accepted_genre(
    genre: str | None, confidence: float | None, reason: str | None, accepted: Acceptance
) -> tuple[str | None, str | None]:
    """Return the genre as it is believed, and why it is unknown if it is: the one place where that is decided.

    Examples
    --------
    >>> accepted_genre("jazz", 0.4, None, Acceptance(0.5))
    ('unknown', 'the confidence 0.400 is below 0.5')
    >>> accepted_genre("jazz", 0.9, "is like no training data", Acceptance(limits=False))
    ('jazz', None)
    """
    if genre is None or confidence is None:
        return genre, reason
    if genre != UNKNOWN and not accepted.limits:
        reason = None
    if reason is None and confidence < accepted.min_confidence:
        reason = f"the confidence {confidence:.3f} is below {accepted.min_confidence:g}"
    return (genre if reason is None else UNKNOWN), reason


def make_plan(songs: Iterable[Song], choice: Choice | None = None) -> Plan:
    """Decide where every song goes; a song that comes twice goes where it goes the first time.

    Names that mean one genre are one playlist, called as the user calls it, or as most songs do.

    Examples
    --------
    >>> plan = make_plan([Song("a", Opinion("jazz")), Song("b", Opinion("Jazz")), Song("c"), Song("a")])
    >>> plan.playlists["Jazz"], plan.counts["no features"]
    (('a', 'b'), 1)
    """
    choice = choice or Choice()
    first: dict[str, Song] = {}
    for song in songs:
        first.setdefault(song.key, song)
    decisions = [_decide(song, choice.accepted) for song in first.values()]
    spellings: dict[str, Counter[str]] = {}
    for decision in decisions:
        if decision.place == "playlist":
            spellings.setdefault(genre_key(decision.genre), Counter())[decision.genre] += 1
    names = {key: min(found, key=lambda name: (-found[name], name)) for key, found in spellings.items()}
    chosen = None if choice.genres is None else {genre_key(genre): genre for genre in choice.genres}
    names |= {key: name for key, name in (chosen or {}).items() if key in names}
    return Plan(
        tuple(
            _placed(decision, names, chosen, spellings, choice.min_tracks) if decision.place == "playlist" else decision
            for decision in decisions
        )
    )


def _decide(song: Song, accepted: Acceptance) -> Decision:
    if song.skipped is not None:
        return Decision(song.key, "skipped", reason=song.skipped)
    opinion = song.opinion
    if opinion is None:
        return Decision(song.key, "no features", reason="no source knows this song")
    genre, reason = accepted_genre(opinion.genre, opinion.confidence, opinion.reason, accepted)
    if genre is None or genre_key(genre) in ("", UNKNOWN):
        reason = reason or "the source does not know its genre"
        return Decision(song.key, "unknown", UNKNOWN, opinion.confidence, opinion.source, reason)
    return Decision(song.key, "playlist", genre, opinion.confidence, opinion.source)


def _placed(
    decision: Decision,
    names: Mapping[str, str],
    chosen: Mapping[str, str] | None,
    spellings: Mapping[str, Counter[str]],
    min_tracks: int,
) -> Decision:
    """Name a song's playlist, or leave the song out because its genre gets none."""
    key = genre_key(decision.genre)
    count = spellings[key].total()
    reason = None
    if chosen is not None and key not in chosen:
        reason = f"the genre {names[key]} was not chosen"
    elif count < min_tracks:
        reason = f"the genre {names[key]} has {count} of the {min_tracks} songs that a playlist needs"
    place: Place = "playlist" if reason is None else "skipped"
    return Decision(decision.key, place, names[key], decision.confidence, decision.source, reason)


@dataclass(frozen=True, slots=True)
class Held:
    """What a target has in one playlist.

    Attributes
    ----------
    rows : tuple of str
        Its songs as they stand; one may stand there twice.
    own : frozenset of str
        Those that this program added.
    taken_out : frozenset of str
        Those that this program added and the user took out.
    """

    rows: tuple[str, ...] = ()
    own: frozenset[str] = frozenset()
    taken_out: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Change:
    """What one playlist needs.

    Attributes
    ----------
    add, remove : tuple of str
        Songs to add, in their order, and to remove.
    stale : tuple of str
        Songs that this program added, do not belong there any more, and stay: nothing is removed unless it is asked
        for, and nothing that stands there twice, because one of the two is the user's.
    taken_out : tuple of str
        Songs that belong there, and are not added again because the user took them out.
    kept : int
        Songs that belong there and are there.
    """

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    taken_out: tuple[str, ...] = ()
    kept: int = 0

    def __bool__(self) -> bool:
        return bool(self.add or self.remove)


def difference(wanted: Sequence[str], held: Held, *, prune: bool) -> Change:
    """Return what has to change for a playlist to have the songs that are wanted, and those that the user added.

    Examples
    --------
    >>> difference(["a", "b"], Held(("b", "c", "d"), own=frozenset("bc")), prune=True)
    Change(add=('a',), remove=('c',), stale=(), taken_out=(), kept=1)
    """
    there = Counter(held.rows)
    belongs = dict.fromkeys(wanted)
    absent = [key for key in belongs if key not in there]
    stale = [key for key in there if key in held.own and key not in belongs]
    remove = tuple(key for key in stale if prune and there[key] == 1)
    return Change(
        add=tuple(key for key in absent if key not in held.taken_out),
        remove=remove,
        stale=tuple(key for key in stale if key not in remove),
        taken_out=tuple(key for key in absent if key in held.taken_out),
        kept=len(belongs) - len(absent),
    )
