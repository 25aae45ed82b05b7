"""What every request must be, and every answer carries, so that no other page can use the server."""

from __future__ import annotations

import hmac
import json
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from audio_genre.web.settings import HOST

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

TOKEN_HEADER = "x-audio-genre-token"
"""Header of a request that changes something or takes a file, with the token that ``/api/session`` gives."""

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS = (
    # A file that is played never leaves the page, which names it by such an address.
    (b"content-security-policy", b"default-src 'self'; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
     b"form-action 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-cache"),
)  # fmt: skip


class Guard:
    """Refuses requests by another name, from another page, or without the token; adds the headers of safety."""

    def __init__(self, app: App, *, port: int, token: str) -> None:
        self._app = app
        self._token = token.encode()
        names = [f"{host}:{port}" for host in (HOST, "localhost")]
        self._hosts = frozenset([*names, *((HOST, "localhost") if port == 80 else ())])

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        has_begun = False

        async def send_safely(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                headers = list(message.get("headers", ()))
                named = {name.lower() for name, _ in headers}
                # A route may have rules of its own, see `audio_genre.web.reports`.
                message["headers"] = [*headers, *(each for each in _HEADERS if each[0] not in named)]
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await _tell(403, refusal, send_safely)
            return
        try:
            await self._app(scope, receive, send_safely)
        except Exception:
            # A fault of ours: the page says so, and the terminal has what a report of it needs.
            traceback.print_exc()
            if not has_begun:
                await _tell(500, "The server failed; please report what it printed in the terminal.", send_safely)

    def _refusal(self, scope: MutableMapping[str, Any]) -> str | None:
        found: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            found.setdefault(name.lower(), []).append(value)
        hosts = [value.decode("latin-1").lower() for value in found.get(b"host", [])]
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return "This server is reached as 127.0.0.1 or localhost only; open the address that it printed."
        for origin in found.get(b"origin", []):
            address = urlsplit(origin.decode("latin-1").lower())
            if address.scheme != "http" or address.netloc not in self._hosts:
                return "Requests of other pages are refused; open the address that the server printed."
        if b"cross-site" in found.get(b"sec-fetch-site", []) and scope["path"].startswith("/api"):
            return "Requests of other pages are refused; open the address that the server printed."
        if scope["method"] not in _READING:
            tokens = found.get(TOKEN_HEADER.encode(), [])
            if len(tokens) != 1 or not hmac.compare_digest(tokens[0], self._token):
                return f"The token is missing or old; send the one of /api/session in the header {TOKEN_HEADER}."
        return None


async def _tell(status: int, sentence: str, send: Send) -> None:
    body = json.dumps({"error": sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
