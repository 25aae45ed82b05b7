"""One Spotify account: what the command line and the page ask of it, whatever the tool."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_genre.errors import AccountError, LoginNeededError, ParameterError
from audio_genre.library.plan import Change, Choice, Decision, Opinion, Plan, Song, accepted_genre, make_plan
from audio_genre.library.records import Acceptance
from audio_genre.library.spelling import genre_key
from audio_genre.spotify import endpoints as addresses
from audio_genre.spotify.authorization import (
    LIFE_SECONDS,
    PUBLIC_SCOPE,
    Authorization,
    PendingLogin,
    require_spotipy,
)
from audio_genre.spotify.endpoints import Endpoints
from audio_genre.spotify.liked import read_liked
from audio_genre.spotify.patience import AccountProgress, NoProgress, Patience
from audio_genre.spotify.songs import LikedSong
from audio_genre.spotify.state import StateFolder, default_folder
from audio_genre.spotify.store import AccountStore, BusyError
from audio_genre.spotify.target import AccountTarget, Naming

if TYPE_CHECKING:
    from audio_genre.spotify.client import Client
    from audio_genre.spotify.sources.source import Source

BY_HAND = "moved by hand"
"""What is said of a genre that the user gave to a song on the page."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where genres come from, in the order of trust.

    Attributes
    ----------
    corrections : Path or None
        The user's own table of genres.
    music : Path or None
        Folder of the user's audio files.
    audio_model : Path or None
        Model that hears them; None for the one that comes with the package.
    features : Path or None
        A table of track features.
    model : Path or None
        Model that was trained on tables of tracks, for `features` and `reccobeats`.
    reccobeats : bool
        Whether the ids of songs are sent to ReccoBeats for their features.
    stay_inside : bool
        Whether links that lead out of `music` are refused.
    """

    corrections: Path | None = None
    music: Path | None = None
    audio_model: Path | None = None
    features: Path | None = None
    model: Path | None = None
    reccobeats: bool = False
    stay_inside: bool = False

    def __post_init__(self) -> None:
        if self.model is None and (self.features is not None or self.reccobeats):
            asking = "--features" if self.features is not None else "--reccobeats"
            raise ParameterError(
                f"{asking} needs a model that was trained on tables of tracks; train one with `audio-genre train "
                "baseline TABLE MODELS_DIR`, and name it with --model."
            )
        if self.audio_model is not None and self.music is None:
            raise ParameterError("--audio-model says which model hears your files; name their folder with --music.")


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of the account.

    Attributes
    ----------
    connected : bool
        Whether somebody is logged in.
    name : str
        The name for people.
    days_left : int or None
        Days until the login ends, which renewing does not change.
    public : bool
        Whether the login allows public playlists.
    liked : int
        Liked songs that are kept on this machine.
    liked_read_at : float or None
        When they were last read, in seconds since 1970.
    liked_complete : bool
        Whether the reading came to its end.
    playlists : tuple of str
        Names of the playlists that this program keeps.
    unfinished : bool
        Whether a run ended early, and the next one goes on with it.
    undoable : bool
        Whether there is a run to take back.
    busy : bool
        Whether a run is at work, so that the rest is not known.
    folder : Path
        Where all of it is kept.
    """

    connected: bool
    folder: Path
    name: str = ""
    days_left: int | None = None
    public: bool = False
    liked: int = 0
    liked_read_at: float | None = None
    liked_complete: bool = False
    playlists: tuple[str, ...] = ()
    unfinished: bool = False
    undoable: bool = False
    busy: bool = False


@dataclass(frozen=True, slots=True)
class PlaylistChange:
    """What one playlist of the account needs.

    Attributes
    ----------
    genre, name : str
        Its genre, and its name in the account.
    playlist_id : str or None
        Spotify's id; None where it has yet to be made.
    is_new : bool
        Whether it is, or would be, made.
    change : Change
        Songs to add and to remove.
    """

    genre: str
    name: str
    playlist_id: str | None
    is_new: bool
    change: Change

    @property
    def url(self) -> str | None:
        """Where it can be opened."""
        return None if self.playlist_id is None else f"https://open.spotify.com/playlist/{self.playlist_id}"


@dataclass(frozen=True)
class Preview:
    """A plan, and what it would change in the account; also what it did change.

    Attributes
    ----------
    plan : Plan
        Where every song goes, and why.
    playlists : tuple of PlaylistChange
        One for each playlist.
    applied : bool
        Whether the changes were made.
    notes : tuple of str
        What is worth knowing.
    songs : mapping of str to LikedSong
        The liked songs by their keys.
    """

    plan: Plan
    playlists: tuple[PlaylistChange, ...]
    applied: bool = False
    notes: tuple[str, ...] = ()
    songs: Mapping[str, LikedSong] = field(default_factory=dict, repr=False)

    @property
    def added(self) -> int:
        """Songs that are, or would be, added."""
        return sum(len(playlist.change.add) for playlist in self.playlists)

    @property
    def removed(self) -> int:
        """Songs that are, or would be, removed."""
        return sum(len(playlist.change.remove) for playlist in self.playlists)

    @property
    def made(self) -> int:
        """Playlists that are, or would be, made."""
        return sum(playlist.is_new for playlist in self.playlists)


@dataclass(frozen=True, slots=True)
class Undo:
    """What taking a run back changes.

    Attributes
    ----------
    started : float
        When the run began, in seconds since 1970.
    made : int
        Playlists that it made.
    added, removed : int
        Songs that it added and removed.
    applied : bool
        Whether it was taken back.
    left : tuple of str
        What could not be taken back, in sentences.
    """

    started: float
    made: int
    added: int
    removed: int
    applied: bool = False
    left: tuple[str, ...] = ()


class Account:
    """The Spotify account of this user.

    Every method may be called from any thread; two at a time that read or write the account are refused, across
    processes too. The token stays in the state folder: no method returns it.

    Parameters
    ----------
    folder : Path, optional
        Where token and cached items are kept; by default in the user's own state folder.
    endpoints : Endpoints, optional
        The addresses of the services.
    sleep : callable
        Waits for so many seconds.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        endpoints: Endpoints | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._state = StateFolder(folder or default_folder())
        self._endpoints = endpoints or addresses.SPOTIFY
        self._sleep = sleep
        self._pending: dict[str, PendingLogin] = {}
        self._lock = threading.Lock()

    # Login

    def begin_login(self, client_id: str, redirect_uri: str, *, public: bool = False) -> str:
        """Begin a login.

        Parameters
        ----------
        client_id : str
            Id of the user's own Spotify app.
        redirect_uri : str
            Where the browser comes back to: ``http://127.0.0.1:PORT/callback``.
        public : bool
            Whether to ask for changing public playlists too.

        Returns
        -------
        str
            The page where the user agrees.
        """
        with self._door() as door:
            pending = Authorization(self._state, self._endpoints, door).begin(client_id, redirect_uri, public=public)
        with self._lock:
            self._pending = dict(list(self._pending.items())[-7:])
            self._pending[pending.state] = pending
        return pending.url

    def finish_login(self, callback: str) -> Status:
        """Finish a login.

        Parameters
        ----------
        callback : str
            The address, or its path and query, that the browser came back with.

        Returns
        -------
        Status
            Who is logged in.
        """
        from urllib.parse import parse_qs, urlsplit

        state = (parse_qs(urlsplit(callback).query).get("state") or [""])[0]
        with self._lock:
            pending = self._pending.pop(state, None)
        if pending is None:
            raise LoginNeededError(
                "The answer of the browser does not belong to this login; begin again with `audio-genre spotify login`."
            )
        with self._door() as door:
            authorization = Authorization(self._state, self._endpoints, door)
            authorization.finish(pending, callback)
            patience = Patience(authorization.refresh, self._sleep)
            client = _client(authorization, self._endpoints, door, patience)
            try:
                profile = client.me()
                old = self._account()
                if old is not None and old.get("account") != profile.account:
                    # Another account's songs are nobody's business here.
                    self._state.forget_items()
                token = dict(authorization.token())
                token["account"] = {"account": profile.account, "user": profile.user, "name": profile.name}
                self._state.write_token(token)
                with self._store() as store:
                    store.set_note("account", token["account"])
                    AccountTarget(client, store, patience, profile.user).refresh()
            except AccountError:
                if not isinstance(self._read_account(), dict):
                    self._state.forget_token()
                raise
        return self.status()

    def client_id(self) -> str | None:
        """Return the client id of the last login.

        Returns
        -------
        str or None
            The id; None where nobody is logged in.
        """
        try:
            token = self._state.read_token()
        except LoginNeededError:
            return None
        return None if token is None else str(token["client_id"])

    def logout(self) -> bool:
        """Delete the token and every cached item; what was written can no longer be undone.

        Returns
        -------
        bool
            Whether somebody was logged in.
        """
        was_there = self._state.token_file.exists()
        with self._lock:
            self._pending.clear()
        if self._state.database.exists():
            try:
                with AccountStore(self._state.database):
                    pass
            except BusyError:
                raise
            except AccountError:
                pass  # damaged, or another version's: it goes too
        self._state.clear()
        return was_there

    def status(self) -> Status:
        """Tell what is known of the account; sends nothing.

        Returns
        -------
        Status
            Who is logged in, and what is kept.
        """
        token = self._state.read_token()
        status: dict[str, Any] = {"connected": self._read_account() is not None, "folder": self._state.folder}
        if token is not None and status["connected"]:
            left = float(token.get("authorized_at", 0)) + LIFE_SECONDS - time.time()
            status |= {
                "name": str((token.get("account") or {}).get("name", "")),
                "days_left": int(min(max(0, left), LIFE_SECONDS) // 86400),
                "public": PUBLIC_SCOPE in str(token.get("scope", "")).split(),
            }
        if self._state.database.exists():
            try:
                with self._store() as store:
                    status |= _kept(store)
            except BusyError:
                status["busy"] = True
        return Status(**status)

    # Liked songs and their genres

    def read_liked(self, progress: AccountProgress | None = None) -> list[LikedSong]:
        """Read the liked songs: all of them the first time, later only as far as something changed.

        Parameters
        ----------
        progress : AccountProgress, optional
            Is told how far the reading is. What is read is kept, so that a reading that ended early is gone on with.

        Returns
        -------
        list of LikedSong
            The newest first.
        """
        with self._connected(progress) as (client, store, patience, _):
            read_liked(client, store, patience)
            return list(store.liked())

    def liked(self) -> list[LikedSong]:
        """Return the liked songs that are kept, without a request.

        Returns
        -------
        list of LikedSong
            The newest first.
        """
        if not self._state.database.exists():
            return []
        with self._store() as store:
            return list(store.liked())

    def move(self, genres: Mapping[str, str | None]) -> None:
        """Give songs a genre by hand, which stands above all sources and is kept until `logout`.

        Parameters
        ----------
        genres : mapping of str to str or None
            Genre by the key of the song; None takes one back.
        """
        with self._store() as store:
            store.move(genres)

    def moved(self) -> dict[str, str]:
        """Return the genres that were given by hand.

        Returns
        -------
        dict of str to str
            Genre by the key of the song.
        """
        if not self._state.database.exists():
            return {}
        with self._store() as store:
            return store.moved()

    def find_genres(
        self, sources: Sources, progress: AccountProgress | None = None, *, min_confidence: float = 0.0
    ) -> dict[str, Opinion]:
        """Ask the sources, in their order of trust, for the genres of the liked songs that are kept.

        A source is asked only for songs of which those before it know no genre.

        Parameters
        ----------
        sources : Sources
            Where genres come from.
        progress : AccountProgress, optional
            Is told how it goes.
        min_confidence : float
            Confidence below which a source does not know a genre.

        Returns
        -------
        dict of str to Opinion
            What is known, by the key of the song.
        """
        told = progress or NoProgress()
        accepted = Acceptance(min_confidence)
        with self._store() as store:
            songs = [song for song in store.liked() if song.skipped is None]
            found = {key: Opinion(genre, 1.0, BY_HAND) for key, genre in store.moved().items()}
        with self._door() as door:
            for source in self._sources(sources, door):
                asked = [song for song in songs if not _is_known(found.get(song.key), accepted)]
                if not asked:
                    break
                for key, opinion in source.opinions(asked, told).items():
                    if key not in found or _is_known(opinion, accepted):
                        found[key] = opinion
        return found

    def _sources(self, sources: Sources, door: Any) -> Iterator[Source]:
        """Yield the sources that are named, the most trusted first."""
        if sources.corrections is not None:
            from audio_genre.spotify.sources.corrections import Corrections

            yield Corrections(sources.corrections)
        if sources.music is not None:
            from audio_genre.spotify.sources.music import Music

            yield Music(sources.music, sources.audio_model, stay_inside=sources.stay_inside)
        if sources.features is not None and sources.model is not None:
            from audio_genre.spotify.sources.features import FeatureTable

            yield FeatureTable(sources.features, sources.model)
        if sources.reccobeats and sources.model is not None:
            from audio_genre.spotify.sources.reccobeats import ReccoBeats

            yield ReccoBeats(sources.model, self._store, door, self._endpoints, self._sleep)

    # Playlists

    def preview(
        self,
        opinions: Mapping[str, Opinion],
        choice: Choice | None = None,
        *,
        naming: Naming | None = None,
        prune: bool = False,
        progress: AccountProgress | None = None,
    ) -> Preview:
        """Decide where every liked song that is kept goes, and what that would change; nothing is written.

        Parameters
        ----------
        opinions : mapping of str to Opinion
            What `find_genres` returned.
        choice : Choice, optional
            What gets a playlist; by default every genre.
        naming : Naming, optional
            How new playlists are called, and whether they are public.
        prune : bool
            Whether songs that this program added and that do not belong there any more are removed.
        progress : AccountProgress, optional
            Is told how it goes.

        Returns
        -------
        Preview
            Every song's place, and every playlist's changes.
        """
        with self._connected(progress) as (client, store, patience, user):
            target = AccountTarget(client, store, patience, user, naming)
            return self._preview(store, target, opinions, choice, naming or Naming(), prune=prune)

    def apply(
        self,
        opinions: Mapping[str, Opinion],
        choice: Choice | None = None,
        *,
        naming: Naming | None = None,
        prune: bool = False,
        progress: AccountProgress | None = None,
    ) -> Preview:
        """Make the changes of `preview`, of the account as it is now.

        Every write is recorded before it is sent. A run that ends early, however it ends, is gone on with by the next
        call, which first finds out what became of the last write.

        Parameters
        ----------
        opinions : mapping of str to Opinion
            What `find_genres` returned.
        choice : Choice, optional
            What gets a playlist; by default every genre.
        naming : Naming, optional
            How new playlists are called, and whether they are public.
        prune : bool
            Whether songs that this program added and that do not belong there any more are removed.
        progress : AccountProgress, optional
            Is told how it goes.

        Returns
        -------
        Preview
            What was done.
        """
        naming = naming or Naming()
        if naming.public and not self.status().public:
            raise LoginNeededError(
                "This login does not allow public playlists; log in again with `audio-genre spotify login --public`."
            )
        with self._connected(progress) as (client, store, patience, user):
            target = AccountTarget(client, store, patience, user, naming)
            target.settle_all()
            preview = self._preview(store, target, opinions, choice, naming, prune=prune)
            run = store.open_run()
            target.run = run.number
            total = sum(len(item.change.add) + len(item.change.remove) for item in preview.playlists)
            done = 0
            for item in preview.playlists:
                patience.show(done, total, item.name)
                target.change(item.genre, item.change)
                done += len(item.change.add) + len(item.change.remove)
            patience.show(total, total)
            store.set_run(run.number, "done")
            made = tuple(replace(item, playlist_id=_id_of(target, item.genre)) for item in preview.playlists)
        return replace(preview, playlists=made, applied=True)

    def undo(self, *, apply: bool = False, progress: AccountProgress | None = None) -> Undo:
        """Take the last run back that is not taken back yet.

        Songs that it added are removed, but for those that the user added too; songs that it removed are added at the
        end; playlists that it made leave the library where nothing of the user's is in them.

        Parameters
        ----------
        apply : bool
            Whether to do it, and not only tell what would be done.
        progress : AccountProgress, optional
            Is told how it goes.

        Returns
        -------
        Undo
            What is, or would be, taken back.
        """
        with self._connected(progress) as (client, store, patience, user):
            target = AccountTarget(client, store, patience, user)
            if apply:
                target.settle_all()
                target.refresh()
            run = next((run for run in store.runs() if run.state != "undone"), None)
            writes = [] if run is None else [write for write in store.writes(run.number) if write.state != "undone"]
            if run is None:
                raise AccountError("There is no run to take back: nothing was written, or all of it is taken back.")
            left = tuple(target.undo(run.number)) if apply else ()
        counts = {kind: sum(len(write.keys) for write in writes if write.kind == kind) for kind in ("add", "remove")}
        made = sum(write.kind == "create" for write in writes)
        return Undo(run.started, made, counts["add"], counts["remove"], apply, left)

    def _preview(
        self,
        store: AccountStore,
        target: AccountTarget,
        opinions: Mapping[str, Opinion],
        choice: Choice | None,
        naming: Naming,
        *,
        prune: bool,
    ) -> Preview:
        note = store.note("liked")
        if note is None or note["next"] is not None:
            raise AccountError("The liked songs are not read yet; read them with `audio-genre spotify liked`.")
        songs = {song.key: song for song in store.liked()}
        plan = make_plan((Song(key, opinions.get(key), song.skipped) for key, song in songs.items()), choice)
        target.refresh()
        notes = [f"{name} was deleted in Spotify; a new one is made where its genre is chosen." for name in target.gone]
        notes += _unheard(plan, choice)
        # In the order in which they were liked, so that new ones come at the end.
        wanted: dict[str, tuple[str, ...]] = {genre: keys[::-1] for genre, keys in plan.playlists.items()}
        if prune:
            wanted |= dict.fromkeys(_emptied(plan, choice, store.playlists()), ())
        undecided = {decision.key for decision in plan.decisions if decision.place == "no features"}
        changes = []
        for genre, keys in wanted.items():
            # That no source was asked that knows a song is no reason to remove it.
            stay = tuple(key for key in target.held(genre).rows if key in undecided)
            change = target.needs(genre, keys + stay, prune=prune)
            playlist = target.playlist(genre)
            name = naming.name(genre) if playlist is None else playlist.name
            is_new = playlist is None and bool(change.add)
            if change or keys:
                changes.append(PlaylistChange(genre, name, playlist.id if playlist else None, is_new, change))
        return Preview(plan, tuple(changes), False, tuple(notes), songs)

    # What all of them need

    @contextmanager
    def _door(self) -> Iterator[Any]:
        require_spotipy()
        from audio_genre.spotify.door import Door

        with Door(self._endpoints) as door:
            yield door

    @contextmanager
    def _store(self) -> Iterator[AccountStore]:
        self._state.make()
        with AccountStore(self._state.database) as store:
            store.forget_old()
            yield store

    @contextmanager
    def _connected(self, progress: AccountProgress | None) -> Iterator[tuple[Client, AccountStore, Patience, str]]:
        """Open the database and the way to the account."""
        account = self._read_account()
        with self._door() as door, self._store() as store:
            authorization = Authorization(self._state, self._endpoints, door)
            authorization.token()
            if account is None:
                raise LoginNeededError(
                    "The login was not finished; log in again with `audio-genre spotify login --client-id ID`."
                )
            patience = Patience(authorization.refresh, self._sleep)
            patience.progress = progress or NoProgress()
            yield _client(authorization, self._endpoints, door, patience), store, patience, str(account["user"])

    def _read_account(self) -> dict[str, Any] | None:
        token = self._state.read_token()
        account = None if token is None else token.get("account")
        return account if isinstance(account, dict) else None

    def _account(self) -> dict[str, Any] | None:
        """Return whose items are cached."""
        if not self._state.database.exists():
            return None
        with self._store() as store:
            account = store.note("account")
        return account if isinstance(account, dict) else None


def _kept(store: AccountStore) -> dict[str, Any]:
    """Return what a status tells of the database."""
    note, runs = store.note("liked"), store.runs()
    return {
        "liked": store.count_liked(),
        "liked_read_at": None if note is None else note["read_at"],
        "liked_complete": note is not None and note["next"] is None,
        "playlists": tuple(playlist.name for playlist in store.playlists().values()),
        "unfinished": any(run.state in ("open", "undoing") for run in runs),
        "undoable": any(run.state != "undone" for run in runs),
    }


def _client(authorization: Authorization, endpoints: Endpoints, door: Any, patience: Patience) -> Client:
    from audio_genre.spotify.client import Client

    return Client(authorization, endpoints, door, patience)


def _is_known(opinion: Opinion | None, accepted: Acceptance) -> bool:
    if opinion is None:
        return False
    genre, reason = accepted_genre(opinion.genre, opinion.confidence, opinion.reason, accepted)
    return reason is None and genre is not None and genre_key(genre) != "unknown"


def _unheard(plan: Plan, choice: Choice | None) -> list[str]:
    """Say which of the chosen genres no song has, because one may be misspelt."""
    there = {genre_key(decision.genre) for decision in plan.decisions if decision.place in ("playlist", "skipped")}
    chosen = () if choice is None or choice.genres is None else choice.genres
    return [f"No liked song has the genre {genre}." for genre in chosen if genre_key(genre) not in there]


def _emptied(plan: Plan, choice: Choice | None, known: Collection[str]) -> list[str]:
    """Return the genres with a playlist that no song belongs to any more; those that were not chosen are left alone."""
    there = {genre_key(genre) for genre in plan.playlists}
    there |= {
        genre_key(decision.genre) for decision in plan.decisions if decision.place == "skipped" and decision.genre
    }
    chosen = None if choice is None or choice.genres is None else set(map(genre_key, choice.genres))
    return [key for key in known if key not in there and (chosen is None or key in chosen)]


def _id_of(target: AccountTarget, genre: str) -> str | None:
    playlist = target.playlist(genre)
    return None if playlist is None else playlist.id


def time_of(seconds: float) -> str:
    """Write a time as people read it.

    Examples
    --------
    >>> len(time_of(0))
    16
    """
    return f"{datetime.datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M}"


def place_of(decision: Decision) -> str:
    """Say where a song goes: a genre, or the list that it is on."""
    return decision.genre if decision.place == "playlist" else decision.place
