"""A stand-in for Spotify and ReccoBeats on this machine: what they keep, refuse and forget, for tests alone.

`FakeSpotify.answer` takes a request and gives the answer. `serve` puts it behind a port of 127.0.0.1, for a browser and
for other processes; `mounted` puts it behind the sessions of this process, which is fast.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import requests
from requests.adapters import BaseAdapter

from audio_genre.spotify.endpoints import Endpoints

CLIENT_ID = "0123456789abcdef0123456789abcdef"
REMOVED = (
    "/audio-features",
    "/audio-analysis",
    "/recommendations",
    "/users/",
    "/artists",
    "/albums",
    "/tracks",
    "/browse",
)
"""Beginnings of paths that a new application may not ask, but for one id at a time."""


@dataclass
class Answer:
    """An answer to a request."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Request:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def is_write(self) -> bool:
        return self.method != "GET" and self.path.startswith("/v1/")

    def json(self) -> Any:
        return json.loads(self.body or b"null")


def error(status: int, message: str, **more: Any) -> Answer:
    return Answer(status, {"error": {"status": status, "message": message, **more}})


def too_many(seconds: float | None = 1, *, quota: bool = False) -> Answer:
    """A 429, with or without the header and the reason."""
    answer = error(429, "API rate limit exceeded", **({"reason": "QUOTA_EXCEEDED"} if quota else {}))
    if seconds is not None:
        answer.headers["Retry-After"] = str(seconds)
    return answer


class LostError(Exception):
    """The connection breaks."""


Fault = Callable[["FakeSpotify", Request, Callable[[], Answer]], Answer]
"""Stands in for an answer; may let the request have its effect first by calling its last argument."""


def lost_before(fake: FakeSpotify, request: Request, proceed: Callable[[], Answer]) -> Answer:
    raise LostError


def lost_after(fake: FakeSpotify, request: Request, proceed: Callable[[], Answer]) -> Answer:
    proceed()
    raise LostError


def fault_before(fake: FakeSpotify, request: Request, proceed: Callable[[], Answer]) -> Answer:
    return error(502, "Bad gateway")


def fault_after(fake: FakeSpotify, request: Request, proceed: Callable[[], Answer]) -> Answer:
    proceed()
    return error(500, "Internal server error")


def expired(fake: FakeSpotify, request: Request, proceed: Callable[[], Answer]) -> Answer:
    """The access token runs out just now."""
    fake.access.clear()
    return proceed()


def limited(seconds: float | None = 1, *, quota: bool = False) -> Fault:
    return lambda fake, request, proceed: too_many(seconds, quota=quota)


@dataclass
class Playlist:
    """A playlist that is kept."""

    id: str
    name: str
    description: str
    public: bool
    owner: str
    rows: list[str] = field(default_factory=list)
    version: int = 1
    is_in_library: bool = True

    @property
    def snapshot(self) -> str:
        return base64.b64encode(f"{self.version}:{self.id}".encode()).decode()


def track(number: int, **more: Any) -> dict[str, Any]:
    """A track as the API sends it, in development mode."""
    track_id = f"{number:022d}"
    artist = {"type": "artist", "id": f"{number % 97:022d}", "name": f"Artist {number % 97}"}
    artist |= {"uri": f"spotify:artist:{artist['id']}", "href": f"https://api.spotify.com/v1/artists/{artist['id']}"}
    artist["external_urls"] = {"spotify": f"https://open.spotify.com/artist/{artist['id']}"}
    album = {
        "album_type": "album",
        "total_tracks": 10,
        "external_urls": {},
        "href": "https://api.spotify.com/v1/albums/x",
        "id": f"{number % 31:022d}",
        "images": [],
        "name": f"Album {number % 31}",
        "release_date": "1999",
        "release_date_precision": "year",
        "type": "album",
        "uri": f"spotify:album:{number % 31:022d}",
        "artists": [artist],
    }
    return {
        "type": "track",
        "id": track_id,
        "uri": f"spotify:track:{track_id}",
        "name": f"Song {number}",
        "artists": [artist],
        "album": album,
        "duration_ms": 180_000 + number,
        "explicit": False,
        "disc_number": 1,
        "track_number": 1,
        "is_local": False,
        "external_ids": {"isrc": f"XX{number:010d}"},
        "external_urls": {"spotify": f"https://open.spotify.com/track/{track_id}"},
        "href": f"https://api.spotify.com/v1/tracks/{track_id}",
    } | more


def small_track(number: int) -> dict[str, Any]:
    """The least that a track is: for what is done hundreds of times."""
    track_id = f"{number:022d}"
    return {"type": "track", "id": track_id, "uri": f"spotify:track:{track_id}", "name": f"Song {number}"}


def saved(item: dict[str, Any] | None, number: int) -> dict[str, Any]:
    """An entry of the liked songs; the higher the number, the earlier it was liked."""
    day, rest = divmod(10_000_000 - number, 86_400)
    hour, rest = divmod(rest, 3600)
    minute, second = divmod(rest, 60)
    return {
        "added_at": f"2026-{1 + day // 28:02d}-{1 + day % 28:02d}T{hour:02d}:{minute:02d}:{second:02d}Z"
        if day < 336
        else "2026-01-01T00:00:00Z",
        "track": item,
    }


class FakeSpotify:
    """The services, and one user's account.

    Attributes
    ----------
    liked : list of dict
        Entries of the liked songs, the newest first.
    playlists : dict of str to Playlist
        Every playlist, by its id.
    requests : list of Request
        What was asked, in order; `reads` and `writes` count what of it went to the Web API.
    faults : dict of int to Fault
        By the number of the request to the Web API, what happens in its place.
    check : callable or None
        Is given every request to the Web API and its answer, as a contract test.
    """

    def __init__(self, songs: int = 0, make: Callable[[int], dict[str, Any]] = track) -> None:
        self.user = {
            "id": "user-1",
            "account_id": "aB3dE5fG7h",
            "display_name": "Ada",
            "type": "user",
            "uri": "spotify:user:user-1",
            "href": "https://api.spotify.com/v1/users/user-1",
            "external_urls": {"spotify": "https://open.spotify.com/user/user-1"},
            "images": [],
        }
        self.client_ids = {CLIENT_ID}
        self._make = make
        self.liked = [saved(make(number), number) for number in range(songs)]
        self.playlists: dict[str, Playlist] = {}
        self.features: dict[str, dict[str, float]] = {}
        self.requests: list[Request] = []
        self.faults: dict[int, Fault] = {}
        self.check: Callable[[Request, Answer], None] | None = None
        self.can_delete_playlists = True
        self.sends_descriptions = True
        self.access: dict[str, str] = {}
        self.refresh_tokens: dict[str, tuple[str, str]] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.agrees = True
        self.life_seconds = 3600
        self._count = 0
        self._calls = 0
        self._lock = threading.RLock()

    # Counting

    @property
    def calls(self) -> list[Request]:
        return [request for request in self.requests if request.path.startswith("/v1/")]

    @property
    def reads(self) -> int:
        return sum(not request.is_write for request in self.calls)

    @property
    def writes(self) -> int:
        return sum(request.is_write for request in self.calls)

    def forget_calls(self) -> None:
        """Count from here on."""
        self.requests.clear()
        self._calls = 0

    def library(self) -> dict[str, list[str]]:
        """The songs of the playlists in the library, by their names."""
        return {playlist.name: list(playlist.rows) for playlist in self.playlists.values() if playlist.is_in_library}

    def change(self, name: str, rows: list[str]) -> None:
        """Change a playlist as the user does in Spotify."""
        playlist = self.named(name)
        playlist.rows[:] = rows
        playlist.version += 1

    def named(self, name: str) -> Playlist:
        return next(playlist for playlist in self.playlists.values() if playlist.name == name)

    # Answering

    def answer(self, request: Request) -> Answer:
        """Answer a request."""
        with self._lock:
            self.requests.append(request)
            if request.path == "/authorize":
                return self._authorize(request)
            if request.path == "/api/token":
                return self._token(request)
            if request.path.startswith("/reccobeats/"):
                return self._reccobeats(request)
            if not request.path.startswith("/v1/"):
                return error(404, "Not found")
            number, self._calls = self._calls, self._calls + 1
            fault = self.faults.pop(number, None)
            result = self._call(request) if fault is None else fault(self, request, lambda: self._call(request))
            if self.check is not None:
                self.check(request, result)
            return result

    def _call(self, request: Request) -> Answer:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.access:
            return error(401, "The access token expired")
        path = request.path.removeprefix("/v1")
        parts = path.strip("/").split("/")
        scopes = self.access[token].split()
        single = len(parts) == 2 and parts[0] in ("tracks", "artists", "albums") and request.method == "GET"
        if any(path.startswith(start) for start in REMOVED) and not single:
            return error(403, "Forbidden")
        match request.method, parts:
            case "GET", ["me"]:
                return Answer(200, self.user)
            case "GET", ["me", "tracks"]:
                if "user-library-read" not in scopes:
                    return error(403, "Insufficient client scope")
                return self._page(request, self.liked, 20)
            case "GET", ["me", "playlists"]:
                found = [playlist for playlist in self.playlists.values() if playlist.is_in_library]
                return self._page(request, [self._simple(playlist) for playlist in reversed(found)], 20)
            case "POST", ["me", "playlists"]:
                return self._create(request, scopes)
            case "DELETE", ["me", "library"]:
                return self._forget(request)
            case "GET", ["tracks", number]:
                items = [entry["track"] for entry in self.liked if entry["track"] and entry["track"]["id"] == number]
                return Answer(200, items[0]) if items else error(404, "Resource not found")
            case _, ["playlists", number, *rest]:
                return self._playlist(request, number, rest)
        return error(404, "Service not found")

    def _page(self, request: Request, items: list[Any], usual: int) -> Answer:
        limit, offset = int(request.query.get("limit", usual)), int(request.query.get("offset", 0))
        if not 1 <= limit <= 50 or offset < 0:
            return error(400, "Invalid limit")
        address = f"https://api.spotify.com{request.path}"
        is_more = offset + limit < len(items)
        body = {
            "href": f"{address}?offset={offset}&limit={limit}",
            "items": items[offset : offset + limit],
            "limit": limit,
            # Elsewhere on purpose: who follows it sends the token to a stranger.
            "next": f"https://stranger.example/v1?offset={offset + limit}&limit={limit}" if is_more else None,
            "offset": offset,
            "previous": None,
            "total": len(items),
        }
        return Answer(200, body)

    def _simple(self, playlist: Playlist) -> dict[str, Any]:
        return {
            "collaborative": False,
            "description": playlist.description if self.sends_descriptions else None,
            "external_urls": {"spotify": f"https://open.spotify.com/playlist/{playlist.id}"},
            "href": f"https://api.spotify.com/v1/playlists/{playlist.id}",
            "id": playlist.id,
            "images": [],
            "name": playlist.name,
            "owner": {"id": playlist.owner, "type": "user", "uri": f"spotify:user:{playlist.owner}"},
            "public": playlist.public,
            "snapshot_id": playlist.snapshot,
            "items": {
                "href": f"https://api.spotify.com/v1/playlists/{playlist.id}/items",
                "total": len(playlist.rows),
            },
            "type": "playlist",
            "uri": f"spotify:playlist:{playlist.id}",
        }

    def _create(self, request: Request, scopes: list[str]) -> Answer:
        body = request.json()
        if not isinstance(body, dict) or not isinstance(body.get("name"), str) or not body["name"].strip():
            return error(400, "Missing required field: name")
        if len(body["name"]) > 100 or len(body.get("description", "")) > 300:
            return error(400, "Too long")
        public = body.get("public", True)
        if f"playlist-modify-{'public' if public else 'private'}" not in scopes:
            return error(403, "Insufficient client scope")
        # Spotify sends descriptions back escaped.
        description = body.get("description", "").replace("&", "&amp;").replace("/", "&#x2F;")
        self._count += 1
        playlist = Playlist(f"playlist{self._count:014d}", body["name"], description, public, self.user["id"])
        self.playlists[playlist.id] = playlist
        empty = self._page(Request("GET", f"/v1/playlists/{playlist.id}/items", {}, {}, b""), [], 50).body
        return Answer(201, self._simple(playlist) | {"items": empty})

    def _forget(self, request: Request) -> Answer:
        uris = request.query.get("uris", "").split(",")
        if not self.can_delete_playlists:
            return error(403, "Insufficient client scope")
        if len(uris) > 40 or not all(uri.startswith("spotify:playlist:") for uri in uris):
            return error(400, "Invalid uris")
        for uri in uris:
            playlist = self.playlists.get(uri.removeprefix("spotify:playlist:"))
            if playlist is not None:
                playlist.is_in_library = False
        return Answer(200)

    def _playlist(self, request: Request, number: str, rest: list[str]) -> Answer:
        playlist = self.playlists.get(number)
        if playlist is None:
            return error(404, "Resource not found")
        if playlist.owner != self.user["id"] or rest in (["tracks"], ["followers"]):
            return error(403, "Forbidden")
        match request.method, rest:
            case "GET", []:
                return Answer(200, self._simple(playlist))
            case "GET", ["items"]:
                return self._page(request, [self._row(uri) for uri in playlist.rows], 20)
            case "POST", ["items"]:
                body = request.json()
                if not isinstance(body, dict):
                    return error(400, "No uris provided")
                uris = body.get("uris")
                if not isinstance(uris, list) or not 1 <= len(uris) <= 100:
                    return error(400, "You can add a maximum of 100 tracks per request")
                playlist.rows += uris
                playlist.version += 1
                return Answer(201, {"snapshot_id": playlist.snapshot})
            case "DELETE", ["items"]:
                items = request.json().get("items")
                if not isinstance(items, list) or not 1 <= len(items) <= 100:
                    return error(400, "You can remove a maximum of 100 tracks per request")
                gone = {item["uri"] for item in items}
                playlist.rows[:] = [uri for uri in playlist.rows if uri not in gone]
                playlist.version += 1
                return Answer(200, {"snapshot_id": playlist.snapshot})
        return error(405, "Method not allowed")

    def _row(self, uri: str) -> dict[str, Any]:
        if uri == "":
            return {"added_at": "2026-01-01T00:00:00Z", "added_by": None, "is_local": False, "item": None}
        item = self._make(0) | {"uri": uri, "id": uri.rpartition(":")[2]}
        return {"added_at": "2026-01-01T00:00:00Z", "is_local": False, "item": item}

    # Login

    def _authorize(self, request: Request) -> Answer:
        query = request.query
        back = urlsplit(query.get("redirect_uri", ""))
        if query.get("client_id") not in self.client_ids:
            return Answer(400, b"INVALID_CLIENT: Invalid client")
        if (back.scheme, back.hostname, back.path) != ("http", "127.0.0.1", "/callback"):
            return Answer(400, b"INVALID_CLIENT: Invalid redirect URI")
        if query.get("response_type") != "code" or query.get("code_challenge_method") != "S256":
            return Answer(400, b"unsupported")
        if not self.agrees:
            found = {"error": "access_denied", "state": query.get("state", "")}
        else:
            self._count += 1
            code = f"code-{self._count}"
            self.codes[code] = query
            found = {"code": code, "state": query.get("state", "")}
        return Answer(303, b"", {"Location": f"{query['redirect_uri']}?{urlencode(found)}"})

    def agree(self, url: str) -> str:
        """Do what the user's browser does with the page of a login; returns where it is sent."""
        parts = urlsplit(url)
        answer = self.answer(Request("GET", parts.path, dict(parse_qsl(parts.query)), {}, b""))
        return answer.headers.get("Location", "")

    def _token(self, request: Request) -> Answer:
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        refused = Answer(400, {"error": "invalid_grant", "error_description": "Invalid"})
        if form.get("client_id") not in self.client_ids:
            return Answer(400, {"error": "invalid_client", "error_description": "Invalid client"})
        if form.get("grant_type") == "authorization_code":
            asked = self.codes.pop(form.get("code", ""), None)
            digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
            if asked is None or asked["redirect_uri"] != form.get("redirect_uri"):
                return refused
            if asked["code_challenge"] != challenge:
                return Answer(400, {"error": "invalid_grant", "error_description": "code_verifier was incorrect"})
            scope = asked.get("scope", "")
        else:
            # One that was used once is no longer good.
            known = self.refresh_tokens.pop(form.get("refresh_token", ""), None)
            if known is None or known[0] != form["client_id"]:
                return Answer(400, {"error": "invalid_grant", "error_description": "Refresh token revoked"})
            scope = known[1]
        self._count += 1
        access, refresh = f"access-{self._count}", f"refresh-{self._count}"
        self.access = {access: scope}
        self.refresh_tokens[refresh] = form["client_id"], scope
        body = {
            "access_token": access,
            "token_type": "Bearer",
            "scope": scope,
            "expires_in": self.life_seconds,
            "refresh_token": refresh,
        }
        return Answer(200, body)

    # ReccoBeats

    def _reccobeats(self, request: Request) -> Answer:
        assert "authorization" not in request.headers, "the token is for Spotify alone"
        ids = request.query.get("ids", "").split(",")
        if request.path != "/reccobeats/audio-features" or len(ids) > 40:
            return Answer(400, {})
        content = [
            {"id": f"uuid-{number}", "href": f"https://open.spotify.com/track/{number}", **self.features[number]}
            for number in reversed(ids)
            if number in self.features
        ]
        return Answer(200, {"content": content})


IN_PROCESS = "http://127.0.0.1:1"
"""Where `mounted` puts the fake: nobody listens there."""


def endpoints(base: str) -> Endpoints:
    """Return the addresses of a fake."""
    return Endpoints(f"{base}/v1/", f"{base}/authorize", f"{base}/api/token", f"{base}/reccobeats/")


class Adapter(BaseAdapter):
    """Sends the requests of a session to a fake in this process."""

    def __init__(self, fake: FakeSpotify) -> None:
        super().__init__()
        self._fake = fake

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        parts = urlsplit(request.url or "")
        body = request.body or b""
        asked = Request(
            request.method or "",
            parts.path,
            dict(parse_qsl(parts.query)),
            {name.lower(): value for name, value in request.headers.items()},
            body.encode() if isinstance(body, str) else body,
        )
        try:
            answer = self._fake.answer(asked)
        except LostError:
            raise requests.ConnectionError("the connection broke") from None
        response = requests.Response()
        response.status_code, response.url, response.request = answer.status, request.url or "", request
        response.headers.update(answer.headers)
        response.raw = io.BytesIO(answer.content)
        response.reason = ""
        return response

    def close(self) -> None:
        pass


@contextlib.contextmanager
def mounted(fake: FakeSpotify, monkeypatch: Any) -> Iterator[Endpoints]:
    """Have every session that goes out reach the fake in this process."""
    from audio_genre.spotify.door import Door

    begin = Door.__init__

    def begin_mounted(self: Any, *arguments: Any) -> None:
        begin(self, *arguments)
        self.mount(IN_PROCESS, Adapter(fake))
        self.trust_env = False  # looking for proxies takes longer than all the rest

    with monkeypatch.context() as patch:
        patch.setattr(Door, "__init__", begin_mounted)
        yield endpoints(IN_PROCESS)


@contextlib.contextmanager
def serve(fake: FakeSpotify) -> Iterator[Endpoints]:
    """Put the fake behind a port of this machine."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Request(self.command, parts.path, dict(parse_qsl(parts.query)), headers, body)
            try:
                answer = fake.answer(asked)
            except LostError:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            kind = "text/plain" if isinstance(answer.body, bytes) else "application/json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield endpoints(f"http://127.0.0.1:{server.server_address[1]}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
