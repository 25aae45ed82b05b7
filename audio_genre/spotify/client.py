"""What of the Web API is used: spotipy behind the guards that it needs, and its answers as values of our own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audio_genre.errors import AccountError
from audio_genre.spotify.authorization import Authorization
from audio_genre.spotify.endpoints import Endpoints
from audio_genre.spotify.patience import Patience, UncertainError

if TYPE_CHECKING:
    from requests import Session

PAGE = 50
"""Songs or playlists of one answer: the most that Spotify gives."""

CHUNK = 100
"""Songs that one request can add or remove: the most that Spotify takes."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list.

    Attributes
    ----------
    items : tuple
        Its entries, as they came.
    total : int
        Entries of the whole list.
    """

    items: tuple[Any, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A playlist as the list of playlists tells it.

    Attributes
    ----------
    id, name, description, snapshot : str
        As Spotify has them; empty where it does not say.
    total : int or None
        Songs in it.
    is_own : bool
        Whether the account owns it.
    """

    id: str
    name: str
    description: str
    snapshot: str
    total: int | None
    is_own: bool


@dataclass(frozen=True, slots=True)
class Profile:
    """Who is logged in.

    Attributes
    ----------
    account, user, name : str
        The stable id of the account, the id that playlists name as their owner, and the name for people.
    """

    account: str
    user: str
    name: str


class Client:
    """The requests of this program, and no others."""

    def __init__(
        self, authorization: Authorization, endpoints: Endpoints, session: Session, patience: Patience
    ) -> None:
        import spotipy

        self._patience = patience
        self._api = spotipy.Spotify(auth_manager=authorization, requests_session=session)
        self._api.prefix = endpoints.api

    def me(self) -> Profile:
        """Tell who is logged in."""
        # spotipy's own method asks for an address that is not in the specification.
        found = _object(self._patience.call(lambda: self._api._get("me")))
        user = str(found.get("id") or "")
        return Profile(str(found.get("account_id") or user), user, str(found.get("display_name") or user))

    def liked(self, offset: int) -> Page:
        """Return the liked songs from a position on."""
        return _page(
            self._patience.call(lambda: self._api.current_user_saved_tracks(limit=PAGE, offset=offset)), offset
        )

    def playlists(self, user: str) -> Iterator[Listed]:
        """Yield every playlist of the account's list."""
        for item in self._all(lambda offset: self._api.current_user_playlists(limit=PAGE, offset=offset)):
            found = _object(item)
            owner, items = found.get("owner"), found.get("items")
            total = items.get("total") if isinstance(items, dict) else None
            yield Listed(
                str(found.get("id") or ""),
                str(found.get("name") or ""),
                str(found.get("description") or ""),
                str(found.get("snapshot_id") or ""),
                total if isinstance(total, int) else None,
                isinstance(owner, dict) and owner.get("id") == user,
            )

    def rows(self, playlist: str) -> tuple[str, ...]:
        """Return the URIs of a playlist's entries; of one that is no longer there an empty text."""

        def page(offset: int) -> Any:
            return self._api.playlist_items(playlist, limit=PAGE, offset=offset, additional_types=("track", "episode"))

        found = []
        for item in self._all(page):
            entry = _object(item).get("item") or _object(item).get("track")
            found.append(str(entry.get("uri") or "") if isinstance(entry, dict) else "")
        return tuple(found)

    def create(self, name: str, description: str, *, public: bool) -> Listed:
        """Make a playlist; sent once."""
        found = _object(
            self._patience.call(
                lambda: self._api.current_user_playlist_create(name, public=public, description=description),
                repeatable=False,
            )
        )
        if not found.get("id"):
            raise UncertainError("Spotify made a playlist and did not say which; start again to go on.")
        return Listed(str(found["id"]), name, description, str(found.get("snapshot_id") or ""), 0, True)

    def add(self, playlist: str, uris: Sequence[str]) -> str:
        """Add songs at the end; sent once. Returns the playlist's new version."""
        # spotipy's own method sends a list in place of the object of the specification.
        return _snapshot(
            self._patience.call(
                lambda: self._api._post(f"playlists/{playlist}/items", payload={"uris": list(uris)}), repeatable=False
            )
        )

    def remove(self, playlist: str, uris: Sequence[str]) -> str:
        """Remove songs, wherever they stand; returns the playlist's new version."""
        payload = {"items": [{"uri": uri} for uri in uris]}
        return _snapshot(self._patience.call(lambda: self._api._delete(f"playlists/{playlist}/items", payload=payload)))

    def unfollow(self, playlist: str) -> None:
        """Take a playlist out of the library, which is how Spotify deletes one."""
        self._patience.call(lambda: self._api._delete("me/library", uris=f"spotify:playlist:{playlist}"))

    def _all(self, page: Any) -> Iterator[Any]:
        """Yield the entries of a list by their places; the address of a next page in an answer is not used."""
        offset = 0
        while True:
            found = _page(self._patience.call(lambda at=offset: page(at)), offset)  # type: ignore[misc]
            yield from found.items
            offset += PAGE
            if offset >= found.total or not found.items:
                return


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _page(value: Any, offset: int) -> Page:
    items, total = _object(value).get("items"), _object(value).get("total")
    if not isinstance(items, list) or not isinstance(total, int):
        raise AccountError(f"Spotify sent no list at position {offset}; start again.")
    return Page(tuple(items), total)


def _snapshot(value: Any) -> str:
    return str(_object(value).get("snapshot_id") or "")
