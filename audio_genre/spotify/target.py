"""Playlists of an account as a target: every write is recorded before it is sent; rows of the user's own stay."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from audio_genre.errors import AccountError, ParameterError
from audio_genre.library.plan import Held
from audio_genre.library.spelling import genre_key
from audio_genre.library.targets.target import Target, register
from audio_genre.spotify.client import CHUNK, Client
from audio_genre.spotify.patience import GoneError, Patience, RefusedError, ScopeError, UncertainError
from audio_genre.spotify.store import AccountStore, Playlist, Write

GENRE = "{genre}"
"""What stands for the genre in the name of a playlist."""

_NAME_LETTERS = 100
_MARK = re.compile(r"audio-genre-[0-9a-f]{12}")
_DESCRIPTION_LETTERS = 200
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Naming:
    """How new playlists are made.

    Attributes
    ----------
    template : str
        The name, with ``{genre}`` in it.
    public : bool
        Whether they are shown on the user's profile.
    """

    template: str = f"{GENRE} (liked)"
    public: bool = False

    def __post_init__(self) -> None:
        if GENRE not in self.template:
            raise ParameterError(
                f"The name of the playlists must contain {GENRE}, got {self.template!r}; for example '{GENRE} (liked)'."
            )

    def name(self, genre: str) -> str:
        """Return the name of the playlist of a genre.

        Parameters
        ----------
        genre : str
            The genre.

        Returns
        -------
        str
            A name of at most 100 letters, on one line.
        """
        name = " ".join(self.template.replace(GENRE, genre).split())
        name = "".join(letter for letter in name if letter.isprintable() or letter == "\u200d")
        return (name if len(name) <= _NAME_LETTERS else name[: _NAME_LETTERS - 1] + "…") or "genre"


def mark_of(key: str) -> str:
    """Return what tells the playlist of a genre in its description, in letters that Spotify leaves as they are."""
    return f"audio-genre-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


@register
class AccountTarget(Target):
    """The playlists of a Spotify account; what is written belongs to a run, which can be gone on with and undone."""

    name = "spotify"
    title = "playlists of a Spotify account"

    def __init__(
        self, client: Client, store: AccountStore, patience: Patience, user: str, naming: Naming | None = None
    ) -> None:
        self._client, self._store, self._patience, self._user = client, store, patience, user
        self._naming = naming or Naming()
        self.run: int | None = None
        self.gone: list[str] = []

    def refresh(self) -> None:
        """Look what became of our playlists: gone, changed elsewhere, or as they were left."""
        known = self._store.playlists()
        if not known and self._store.note("marks") is not None:
            return
        listed = {item.id: item for item in self._client.playlists(self._user)}
        for playlist in known.values():
            item = listed.pop(playlist.id, None)
            if item is None:
                # One that the user deleted; it would still be answered for, but nobody would see it.
                self._store.forget_playlist(playlist.id)
                self.gone.append(playlist.name)
            elif not item.snapshot or item.snapshot != playlist.snapshot or item.total != len(playlist.rows):
                self._read(replace(playlist, name=item.name, snapshot=item.snapshot))
            elif item.name != playlist.name:
                self._store.keep_playlist(replace(playlist, name=item.name))
        # Those that were made before what is known of them was lost.
        marked = ((item, _MARK.search(item.description)) for item in listed.values() if item.is_own)
        self._store.set_note("marks", {found[0]: [item.id, item.name] for item, found in marked if found})

    def playlist(self, genre: str) -> Playlist | None:
        """Return the playlist of a genre; of one that carries our mark and is not known the songs are the user's."""
        key = genre_key(genre)
        found = self._store.playlists().get(key)
        marked = (self._store.note("marks") or {}).get(mark_of(key))
        if found is None and marked is not None:
            with suppress(GoneError):
                found = self._read(Playlist(key, marked[0], marked[1]))
        return found

    def held(self, genre: str) -> Held:
        """Return what the playlist of a genre has."""
        playlist = self.playlist(genre)
        return Held() if playlist is None else self._store.held(playlist)

    def add(self, genre: str, keys: Sequence[str]) -> None:
        """Add songs at the end of the playlist of a genre."""
        playlist = self.playlist(genre) or self._create(genre)
        left, tried = list(keys), 0
        while left:
            write = self._store.begin(self._number, "add", playlist.genre, playlist.id, left[:CHUNK])
            try:
                snapshot = self._client.add(playlist.id, write.keys)
            except UncertainError as error:
                tried = self._again(tried, error)
                there = self.settle(write)
                left = [key for key in left if key not in there]
                playlist = self._known(playlist)
                continue
            except AccountError:
                self._store.drop(write)
                raise
            playlist = replace(playlist, snapshot=snapshot, rows=playlist.rows + write.keys)
            self._store.changed(write, playlist)
            left, tried = left[CHUNK:], 0

    def remove(self, genre: str, keys: Sequence[str]) -> None:
        """Remove songs of ours from the playlist of a genre."""
        playlist = self.playlist(genre)
        if playlist is None:
            return
        # The user may have added one of them since: all that stand there would go.
        playlist = self._read(playlist)
        removable = self._removable(playlist, keys)
        for start in range(0, len(removable), CHUNK):
            write = self._store.begin(
                self._number, "remove", playlist.genre, playlist.id, removable[start : start + CHUNK]
            )
            try:
                playlist = self._without(playlist, write.keys)
            except UncertainError:
                raise
            except AccountError:
                self._store.drop(write)
                raise
            self._store.changed(write, playlist)

    def settle(self, write: Write) -> Collection[str]:
        """Find out what became of a write of which nobody knows; returns the songs that are there."""
        if write.kind == "create":
            made = self._find(write)
            if made is None:
                self._store.drop(write)
            else:
                self._store.created(write, made)
            return ()
        playlist = next((found for found in self._store.playlists().values() if found.id == write.playlist), None)
        if playlist is None:
            self._store.drop(write)
            return ()
        try:
            rows = self._client.rows(playlist.id)
        except GoneError:
            self._store.forget_playlist(playlist.id)
            self._store.drop(write)
            return ()
        there = set(rows)
        done = [key for key in write.keys if (key in there) == (write.kind == "add")]
        self._store.changed(replace(write, keys=tuple(done)), replace(playlist, snapshot="", rows=rows))
        return there

    def settle_all(self) -> None:
        """Find out what became of every write that a run left behind when it ended early."""
        for write in self._store.writes():
            if write.state == "pending":
                self.settle(write)

    def undo(self, run: int) -> list[str]:
        """Take a run back, the last write first; returns what cannot be taken back, in sentences."""
        self._store.set_run(run, "undoing")
        left: list[str] = []
        read: set[str] = set()
        writes = [write for write in reversed(self._store.writes(run)) if write.state == "done"]
        for done, write in enumerate(writes):
            self._patience.show(done, len(writes), "writes taken back")
            playlist = next((found for found in self._store.playlists().values() if found.id == write.playlist), None)
            if playlist is None:
                self._store.drop(write)
                continue
            try:
                if playlist.id not in read:
                    read.add(playlist.id)
                    playlist = self._read(playlist)
                left += self._undo(write, playlist)
            except GoneError:
                self._store.forget_playlist(playlist.id)
                self._store.drop(write)
        self._store.set_run(run, "undone")
        return left

    def _undo(self, write: Write, playlist: Playlist) -> list[str]:
        if write.kind == "create":
            if playlist.rows:
                self._store.drop(write)
                return [f"{playlist.name} stays, because it has songs that you added."]
            try:
                self._client.unfollow(playlist.id)
            except (RefusedError, ScopeError):
                self._store.drop(write)
                return [f"{playlist.name} is empty now and stays, because Spotify does not let it be deleted."]
            self._store.forget_playlist(playlist.id)
            self._store.drop(write)
            return []
        if write.kind == "add":
            removable = self._removable(playlist, write.keys)
            if removable:
                playlist = self._without(playlist, removable)
            twice = sum(key in playlist.rows for key in write.keys)
            self._store.changed(write, playlist, undo=True)
            songs = "1 song stays" if twice == 1 else f"{twice} songs stay"
            return [f"{songs} in {playlist.name}, because you added {'it' if twice == 1 else 'them'} too."] * bool(
                twice
            )
        tried = 0
        while back := [key for key in write.keys if key not in playlist.rows]:
            try:
                snapshot = self._client.add(playlist.id, back)
            except UncertainError as error:
                tried = self._again(tried, error)
                playlist = self._read(playlist)
                continue
            playlist = replace(playlist, snapshot=snapshot, rows=playlist.rows + tuple(back))
        self._store.changed(write, playlist, undo=True)
        return []

    @property
    def _number(self) -> int:
        if self.run is None:
            raise ValueError("no run was begun")
        return self.run

    def _again(self, tried: int, error: UncertainError) -> int:
        """Wait before a write is looked after and sent again, or give up."""
        if tried + 1 >= _TRIES:
            raise error
        self._patience.wait(2.0**tried, str(error).partition(";")[0])
        return tried + 1

    def _create(self, genre: str) -> Playlist:
        key, name = genre_key(genre), self._naming.name(genre)
        plain = " ".join("".join(letter if letter.isprintable() else " " for letter in genre).split())
        description = f"Liked songs of the genre {plain[:_DESCRIPTION_LETTERS]}, sorted by {mark_of(key)}"
        tried = 0
        while True:
            write = self._store.begin(self._number, "create", key, "", [name])
            try:
                made = self._client.create(name, description, public=self._naming.public)
            except UncertainError as error:
                tried = self._again(tried, error)
                self.settle(write)
                found = self._store.playlists().get(key)
                if found is not None:
                    return found
                continue
            except AccountError:
                self._store.drop(write)
                raise
            playlist = Playlist(key, made.id, name, made.snapshot)
            self._store.created(write, playlist)
            return playlist

    def _find(self, write: Write) -> Playlist | None:
        """Look for a playlist of which nobody knows whether it was made."""
        known = {playlist.id for playlist in self._store.playlists().values()}
        for item in self._client.playlists(self._user):
            is_marked = mark_of(write.genre) in item.description
            # Spotify does not always send descriptions.
            is_nameless_copy = not item.description and not item.total and item.name == write.keys[0]
            if item.is_own and item.id not in known and (is_marked or is_nameless_copy):
                return Playlist(write.genre, item.id, item.name, "", self._client.rows(item.id))
        return None

    def _read(self, playlist: Playlist) -> Playlist:
        """Read the songs of a playlist, and keep them."""
        playlist = replace(playlist, rows=self._client.rows(playlist.id))
        self._store.see_rows(playlist)
        return playlist

    def _known(self, playlist: Playlist) -> Playlist:
        return self._store.playlists()[playlist.genre]

    def _removable(self, playlist: Playlist, keys: Sequence[str]) -> tuple[str, ...]:
        """Return those of some songs that are ours alone."""
        own = self._store.held(playlist).own
        return tuple(key for key in dict.fromkeys(keys) if key in own and playlist.rows.count(key) == 1)

    def _without(self, playlist: Playlist, keys: Sequence[str]) -> Playlist:
        snapshot = self._client.remove(playlist.id, keys)
        gone = set(keys)
        return replace(playlist, snapshot=snapshot, rows=tuple(key for key in playlist.rows if key not in gone))
