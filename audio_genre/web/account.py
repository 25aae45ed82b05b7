"""What the page asks of a Spotify account: the same calls as those of `audio-genre spotify`, in words for JSON."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from audio_genre.errors import AccountError, AudioGenreError, ParameterError
from audio_genre.web.tasks import Task

if TYPE_CHECKING:
    from audio_genre.library.plan import Choice, Decision, Opinion
    from audio_genre.spotify import Account, Naming, Preview, Sources
    from audio_genre.spotify.songs import LikedSong

_WAIT_SECONDS = 10.0
_MOST_LETTERS = 60
_TRACK_PAGE = "https://open.spotify.com/track/"


class PageAccount:
    """What the tabs of the page share: the account, what the sources said of its songs, how often anything changed."""

    def __init__(self) -> None:
        self.changes = 0
        self.login_error = ""
        self._lock = threading.Lock()
        self._found: dict[str, Opinion] = {}

    @cached_property
    def _account(self) -> Account:
        from audio_genre.spotify import Account

        return Account()

    def missing(self) -> str | None:
        """Say how to install what an account needs, where it is not there."""
        from audio_genre.spotify.authorization import require_spotipy

        try:
            require_spotipy()
        except ParameterError as error:
            return str(error)
        return None

    def status(self) -> dict[str, Any]:
        """Tell what is known of the account; sends nothing."""
        missing = self.missing()
        if missing is not None:
            return {"missing": missing, "connected": False, "changes": self.changes}
        # Whoever is at work keeps the account; what it then tells is the little that is known without it.
        is_free = self._lock.acquire(blocking=False)
        try:
            found = self._account.status()
        except AccountError as error:
            return {"missing": None, "connected": False, "problem": str(error), "changes": self.changes}
        else:
            if not found.connected and not found.busy:
                # Somebody logged out elsewhere.
                self._found = {}
        finally:
            if is_free:
                self._lock.release()
        return {
            "missing": None,
            "problem": None,
            "connected": found.connected,
            "name": found.name,
            "client_id": self._account.client_id() or "",
            "days_left": found.days_left,
            "public": found.public,
            "liked": found.liked,
            "liked_read_at": found.liked_read_at,
            "liked_complete": found.liked_complete,
            "playlists": list(found.playlists),
            "unfinished": found.unfinished,
            "undoable": found.undoable,
            "busy": found.busy,
            "login_error": self.login_error,
            "changes": self.changes,
        }

    def begin_login(self, client_id: str, redirect_uri: str, *, public: bool) -> str:
        """Return the page of Spotify where the user agrees."""
        with self._alone():
            return self._account.begin_login(client_id, redirect_uri, public=public)

    def finish_login(self, callback: str) -> bool:
        """Take the way back from Spotify; what goes wrong is kept for the page, which is loaded next."""
        self.login_error = ""
        try:
            with self._alone(changes=True):
                if self._account.finish_login(callback).liked == 0:
                    self._found = {}
        except AudioGenreError as error:
            self.login_error = str(error)
        return not self.login_error

    def logout(self) -> None:
        """Delete the token and every item of the account."""
        with self._alone(changes=True):
            self._account.logout()
            self._found, self.login_error = {}, ""

    def songs(self) -> dict[str, Any]:
        """Tell of every liked song where it goes, and why; sends nothing."""
        from audio_genre.library.plan import Song, make_plan
        from audio_genre.spotify.account import BY_HAND

        changes = self.changes
        with self._alone():
            songs = self._account.liked()
            opinions = self._opinions()
        plan = make_plan(Song(song.key, opinions.get(song.key), song.skipped) for song in songs)
        rows = [
            _row(song, decision) | {"by_hand": decision.source == BY_HAND}
            for song, decision in zip(songs, plan.decisions, strict=True)
        ]
        genres = sorted({opinion.genre for opinion in opinions.values()} - {"unknown"}, key=str.casefold)
        return {"rows": rows, "choices": [*genres, "unknown"], "changes": changes}

    def move(self, genres: Mapping[str, str | None]) -> dict[str, Any]:
        """Give songs a genre by hand; None takes one back."""
        checked = {key: None if genre is None else _checked(genre) for key, genre in genres.items()}
        with self._alone(changes=True):
            known = {song.key for song in self._account.liked() if song.skipped is None}
            for key in checked:
                if key not in known:
                    raise AccountError(f"There is no liked song {key[:80]!r} that can be moved; load the songs again.")
            self._account.move(checked)
        return {"changes": self.changes}

    def read_liked(self, told: Task) -> dict[str, Any]:
        """Read the liked songs."""
        with self._alone(changes=True):
            songs = self._account.read_liked(told)
        return {"songs": len(songs), "skipped": sum(song.skipped is not None for song in songs)}

    def find_genres(self, sources: Sources, min_confidence: float, told: Task) -> dict[str, Any]:
        """Ask the sources for the genres of the liked songs."""
        from audio_genre.spotify import Sources
        from audio_genre.spotify.account import BY_HAND

        if sources == Sources(stay_inside=sources.stay_inside):
            raise ParameterError("No source of genres was chosen; choose at least one.")
        with self._alone(changes=True):
            found = self._account.find_genres(sources, told, min_confidence=min_confidence)
            # What was moved is kept by the account, and can be taken back.
            before = {key: self._found[key] for key in self._account.moved() if key in self._found}
            self._found = before | {key: each for key, each in found.items() if each.source != BY_HAND}
        return {"songs": len(found)}

    def write(self, choice: Choice, naming: Naming, *, prune: bool, apply: bool, told: Task) -> dict[str, Any]:
        """Bring the playlists up to date, or tell what would be changed."""
        with self._alone(changes=apply):
            do = self._account.apply if apply else self._account.preview
            preview = do(self._opinions(), choice, naming=naming, prune=prune, progress=told)
        return _told(preview)

    def undo(self, *, apply: bool, told: Task) -> dict[str, Any]:
        """Take the last run back, or tell what would be taken back."""
        with self._alone(changes=apply):
            undo = self._account.undo(apply=apply, progress=told)
        names = ("started", "made", "added", "removed", "applied", "left")
        return {name: getattr(undo, name) for name in names}

    def _opinions(self) -> dict[str, Opinion]:
        from audio_genre.library.plan import Opinion
        from audio_genre.spotify.account import BY_HAND

        return self._found | {key: Opinion(genre, 1.0, BY_HAND) for key, genre in self._account.moved().items()}

    @contextmanager
    def _alone(self, *, changes: bool = False) -> Iterator[None]:
        """Let one at a time use the account; who comes while that takes long is told so."""
        if not self._lock.acquire(timeout=_WAIT_SECONDS):
            raise AccountError("The account is being worked on at the moment; wait, or stop that.")
        try:
            yield
        finally:
            self.changes += changes
            self._lock.release()


def _checked(genre: str) -> str:
    plain = " ".join(genre.split())
    if not plain or len(plain) > _MOST_LETTERS:
        raise ParameterError(f"A genre has 1 to {_MOST_LETTERS} letters, got {plain[:80]!r}; choose a shorter name.")
    return plain


def _row(song: LikedSong, decision: Decision) -> dict[str, Any]:
    return {
        "id": song.key,
        "title": song.title,
        "artist": ", ".join(song.artists),
        "album": song.album,
        "url": f"{_TRACK_PAGE}{song.track_id}" if song.skipped is None else None,
        "place": decision.place,
        "genre": decision.genre,
        "confidence": decision.confidence,
        "source": decision.source,
        "reason": decision.reason,
    }


def _told(preview: Preview) -> dict[str, Any]:
    """Return a preview for JSON: songs by their keys."""
    return {
        "playlists": [
            {
                "genre": each.genre,
                "name": each.name,
                "url": each.url,
                "is_new": each.is_new,
                "songs": len(preview.plan.playlists.get(each.genre, ())),
                "add": each.change.add,
                "remove": each.change.remove,
                "stale": each.change.stale,
                "taken_out": each.change.taken_out,
                "kept": each.change.kept,
            }
            for each in preview.playlists
        ],
        "left_out": [
            {"id": decision.key, "place": decision.place, "reason": decision.reason}
            for decision in preview.plan.decisions
            if decision.place != "playlist"
        ],
        "counts": dict(preview.plan.counts),
        "added": preview.added,
        "removed": preview.removed,
        "made": preview.made,
        "notes": preview.notes,
        "applied": preview.applied,
    }
