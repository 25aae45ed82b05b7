"""The one way out: a plain session that goes to the known addresses only, follows nothing and retries nothing."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import requests

from audio_genre.errors import AccountError
from audio_genre.spotify.endpoints import Endpoints

_SECONDS = (10, 30)
_USER_AGENT = "audio-genre (a program on its user's own machine)"


class Door(requests.Session):  # type: ignore[misc]
    """A session for the addresses of `endpoints`, without retries, so that it never sleeps and hides no header."""

    def __init__(self, endpoints: Endpoints) -> None:
        super().__init__()
        self._bases = (endpoints.api, endpoints.token, endpoints.reccobeats)
        self.headers["User-Agent"] = _USER_AGENT

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request; refuse one to anywhere else, which an answer may have named."""
        address = str(url)
        if not any(_is_below(address, base) for base in self._bases):
            raise AccountError(f"A request to {urlsplit(address).netloc!r} was refused: it is no address of Spotify.")
        kwargs["allow_redirects"] = False
        kwargs["timeout"] = _SECONDS
        response = super().request(method, url, *args, **kwargs)
        if response.is_redirect:
            response.status_code = 502  # an answer from something in between
        is_token = address == self._bases[1]
        if is_token and response.ok and not isinstance(_json(response), dict):
            response.status_code = 502
        if response.status_code >= 400:
            response._content = _error_body(response, is_token)
        return response


def _json(response: requests.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _error_body(response: requests.Response, is_token: bool) -> bytes:
    """Return an error as spotipy can read it, whatever was sent."""
    body = _json(response)
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, str if is_token else dict):
        return bytes(response.content)
    said = error if isinstance(error, str) else response.reason or ""
    return json.dumps({"error": said if is_token else {"status": response.status_code, "message": said}}).encode()


def _is_below(address: str, base: str) -> bool:
    found, known = urlsplit(address), urlsplit(base)
    same = (found.scheme, found.netloc) == (known.scheme, known.netloc)
    return same and (found.path == known.path or (known.path.endswith("/") and found.path.startswith(known.path)))
