"""Access to an account: Authorization Code with PKCE, and tokens that are kept before they are used."""

from __future__ import annotations

import importlib.util
import logging
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from audio_genre.errors import AccountError, LoginNeededError, ParameterError, TryLaterError
from audio_genre.extras import install_command
from audio_genre.spotify.endpoints import Endpoints
from audio_genre.spotify.state import StateFolder

if TYPE_CHECKING:
    from requests import Session
    from spotipy.oauth2 import SpotifyPKCE

CALLBACK = "/callback"
"""Path of the address that the user comes back to."""

SCOPES = ("user-library-read", "playlist-read-private", "playlist-modify-private")
"""What is asked for: read liked songs and playlists, change private playlists."""

PUBLIC_SCOPE = "playlist-modify-public"
"""What is asked for besides where playlists are to be public."""

LIFE_SECONDS = 183 * 86400
"""How long Spotify lets a login be renewed: six months."""

_CLIENT_ID = re.compile(r"[0-9a-f]{32}")
_EARLY_SECONDS = 60


def login_command(client_id: str = "") -> str:
    """Return what a user types to log in.

    Examples
    --------
    >>> login_command()
    '`audio-genre spotify login`'
    """
    return f"`audio-genre spotify login{f' --client-id {client_id}' if client_id else ''}`"


def require_spotipy() -> None:
    """Refuse to go on without spotipy, or with one whose requests are refused; keep it from logging tokens."""
    from importlib.metadata import version

    if importlib.util.find_spec("spotipy") is None:
        raise ParameterError(f"A Spotify account needs spotipy; install it with: {install_command('spotify')}")
    found = version("spotipy")
    if tuple(int(part) for part in re.findall(r"\d+", found)[:2]) < (2, 26):
        raise ParameterError(
            f"spotipy {found} sends what Spotify no longer accepts; install 2.26 or newer with: "
            f"{install_command('spotify')}"
        )
    # What it logs as an error is told in a sentence.
    for name in ("spotipy", "spotipy.client", "spotipy.oauth2"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """A login between the page where the user agrees and the way back.

    Attributes
    ----------
    url : str
        The page where the user agrees.
    state : str
        What the way back must carry.
    client_id, redirect_uri, verifier : str
        What the token is asked for with.
    """

    url: str
    state: str
    client_id: str
    redirect_uri: str
    verifier: str


class Authorization:
    """The access of one account."""

    def __init__(self, state: StateFolder, endpoints: Endpoints, session: Session) -> None:
        self._state, self._endpoints, self._session = state, endpoints, session

    def begin(self, client_id: str, redirect_uri: str, *, public: bool = False) -> PendingLogin:
        """Return the page where the user agrees, and what the way back is checked by."""
        client_id = client_id.strip()
        if not _CLIENT_ID.fullmatch(client_id):
            raise ParameterError(
                f"A client id has 32 digits and letters from a to f, got {client_id[:40]!r}; copy it from the page of "
                "your app at https://developer.spotify.com/dashboard."
            )
        pkce = self._pkce(client_id, redirect_uri, public=public)
        pkce.get_pkce_handshake_parameters()
        state = secrets.token_urlsafe(32)
        return PendingLogin(pkce.get_authorize_url(state), state, client_id, redirect_uri, str(pkce.code_verifier))

    def finish(self, pending: PendingLogin, callback: str) -> None:
        """Take the way back, check it, and keep the token that it gives."""
        found = {name: values[0] for name, values in parse_qs(urlsplit(callback).query).items()}
        if not secrets.compare_digest(found.get("state", "").encode(), pending.state.encode()):
            raise LoginNeededError(f"The answer does not belong to this login; begin again with {login_command()}.")
        if "code" not in found:
            why = (
                "you declined" if found.get("error") == "access_denied" else f"Spotify says {found.get('error')!r:.60}"
            )
            raise LoginNeededError(f"You are not logged in: {why}; to try again use {login_command()}.")
        pkce = self._pkce(pending.client_id, pending.redirect_uri)
        pkce.code_verifier, pkce.code_challenge = pending.verifier, "in the page that the user agreed on"
        self._ask(lambda: pkce.get_access_token(code=found["code"], check_cache=False), pending.client_id)

    def token(self) -> Mapping[str, Any]:
        """Return what is kept with the token, also where it has run out."""
        token = self._state.read_token()
        if token is None:
            raise LoginNeededError(f"Nobody is logged in to Spotify; log in with {login_command('ID')}.")
        return token

    def get_access_token(self, as_dict: bool = False) -> str:  # noqa: ARG002
        """Return an access token that holds; spotipy asks for it before every request."""
        token = self.token()
        expires_at = token.get("expires_at")
        if not isinstance(expires_at, int | float) or expires_at - _EARLY_SECONDS < time.time():
            return self.refresh()
        return str(token["access_token"])

    def refresh(self) -> str:
        """Get a new access token; the refresh token that comes with it is kept before anything is sent with it."""
        token = self.token()
        pkce = self._pkce(str(token["client_id"]))
        new = self._ask(lambda: pkce.refresh_access_token(token["refresh_token"]), str(token["client_id"]))
        return str(new["access_token"])

    def _pkce(self, client_id: str, redirect_uri: str | None = None, *, public: bool = False) -> SpotifyPKCE:
        require_spotipy()
        from spotipy.cache_handler import CacheHandler
        from spotipy.oauth2 import SpotifyPKCE

        state = self._state

        class Kept(CacheHandler):  # type: ignore[misc]
            """Keeps a token with what is to be known of it."""

            def get_cached_token(self) -> dict[str, Any] | None:
                return state.read_token()

            def save_token_to_cache(self, token_info: Mapping[str, Any]) -> None:
                try:
                    old = state.read_token() or {}
                except LoginNeededError:
                    old = {}
                is_same = old.get("client_id") == client_id and redirect_uri is None
                kept: dict[str, Any] = {
                    name: old[name] for name in ("authorized_at", "account", "scope") if is_same and name in old
                }
                state.write_token({"authorized_at": time.time(), **kept, **token_info, "client_id": client_id})

        scope = " ".join([*SCOPES, *([PUBLIC_SCOPE] if public else [])])
        pkce = SpotifyPKCE(
            client_id=client_id,
            # Asked for also where a token is only renewed.
            redirect_uri=redirect_uri or f"http://127.0.0.1{CALLBACK}",
            scope=scope,
            requests_session=self._session,
            open_browser=False,
            cache_handler=Kept(),
        )
        pkce.OAUTH_AUTHORIZE_URL, pkce.OAUTH_TOKEN_URL = self._endpoints.authorize, self._endpoints.token
        return pkce

    def _ask(self, send: Any, client_id: str) -> Any:
        """Ask for a token, and put what goes wrong into sentences."""
        import requests
        from spotipy.oauth2 import SpotifyOauthError

        try:
            return send()
        except SpotifyOauthError as error:
            kind = error.error if isinstance(error.error, str) else ""
            status = getattr(getattr(error.__context__, "response", None), "status_code", 400)
            if status == 429:
                raise TryLaterError("Spotify asks to log in later; try again in a few minutes.") from None
            if status >= 500:
                raise AccountError(
                    f"Spotify cannot log you in at the moment (status {status}); try again in a few minutes."
                ) from None
            if kind == "invalid_grant":
                # Kept, it would be tried again and again.
                self._state.forget_token()
                raise LoginNeededError(
                    "Spotify no longer accepts this login: it ran out, as all do after six months, or was withdrawn; "
                    f"log in again with {login_command(client_id)}."
                ) from None
            if kind in ("invalid_client", "unauthorized_client"):
                raise LoginNeededError(
                    f"Spotify does not know the client id {client_id}; copy it from the page of your app at "
                    "https://developer.spotify.com/dashboard."
                ) from None
            raise LoginNeededError(
                f"Spotify refused the login ({kind[:60]!r}); try again with {login_command()}."
            ) from None
        except (requests.RequestException, ValueError, KeyError) as error:
            what = "cannot be reached" if isinstance(error, requests.RequestException) else "gave no token"
            raise AccountError(f"Spotify {what} ({type(error).__name__}); check the network and start again.") from None
