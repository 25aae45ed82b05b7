"""What takes a plan: a kind of playlists that can be listed, added to and removed from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from audio_genre.library.plan import Change, Held, difference


class Target(ABC):
    """Playlists, one a genre.

    Attributes
    ----------
    name, title : str
        What the kind is called in code, and what it is.
    """

    name: ClassVar[str]
    title: ClassVar[str]

    @abstractmethod
    def held(self, genre: str) -> Held:
        """Return what the playlist of a genre has."""

    @abstractmethod
    def add(self, genre: str, keys: Sequence[str]) -> None:
        """Add songs to the playlist of a genre, which is made if it is not there."""

    @abstractmethod
    def remove(self, genre: str, keys: Sequence[str]) -> None:
        """Remove songs from the playlist of a genre."""

    def needs(self, genre: str, keys: Sequence[str], *, prune: bool) -> Change:
        """Return what has to change for the playlist of a genre to have these songs."""
        return difference(keys, self.held(genre), prune=prune)

    def change(self, genre: str, change: Change) -> None:
        """Make a change."""
        if change.add:
            self.add(genre, change.add)
        if change.remove:
            self.remove(genre, change.remove)


TARGETS: dict[str, type[Target]] = {}
"""Every kind of target by its name."""


def register(target: type[Target]) -> type[Target]:
    """Add a kind of target."""
    TARGETS[target.name] = target
    return target
