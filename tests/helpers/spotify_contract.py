"""What the Web API takes and gives in development mode: the 18 operations, by the facts that its documentation states.

A shape is a type, a tuple of types, a list with the shape of the entries, or a dict of the shapes of its members, where
a name that ends in ``?`` may be absent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from fake_spotify import Answer, Request

NULL = type(None)

ARTIST: Any = {"id": str, "name": str, "type": str, "uri": str}
ALBUM: Any = {"id": str, "name": str, "album_type": str, "total_tracks": int, "images": [dict], "artists": [ARTIST]}
TRACK: Any = {
    "id": (str, NULL),
    "name": (str, NULL),
    "uri": str,
    "type": str,
    "artists?": [ARTIST],
    "album?": ALBUM,
    "duration_ms?": int,
    "explicit?": bool,
    "is_local?": bool,
    "external_ids?": {"isrc?": str},
}
OWNER: Any = {"id": str, "type": str, "uri": str}
LISTED: Any = {
    "id": str,
    "name": str,
    "description": (str, NULL),
    "public": (bool, NULL),
    "collaborative": bool,
    "owner": OWNER,
    "snapshot_id": str,
    "type": str,
    "uri": str,
}
ERROR: Any = {"error": {"status": int, "message": str, "reason?": str}}
SNAPSHOT: Any = {"snapshot_id": str}


def page(shape: Any) -> Any:
    return {
        "href": str,
        "items": [shape],
        "limit": int,
        "next": (str, NULL),
        "offset": int,
        "previous": (str, NULL),
        "total": int,
    }


class Maybe:
    """A shape, or null."""

    def __init__(self, shape: Any) -> None:
        self.shape = shape


@dataclass(frozen=True)
class Operation:
    """What is sent and what comes back."""

    status: int
    answer: Any = None
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None


PAGING = {"limit?": "[1-9]|[1-4][0-9]|50", "offset?": "[0-9]{1,6}"}
ITEM = Maybe(TRACK)
URIS = {"uris": "spotify:[a-z]+:[^,]+(,spotify:[a-z]+:[^,]+){0,39}"}

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "/me"): Operation(
        200, {"id": str, "account_id?": str, "display_name": (str, NULL), "uri": str, "type": str}
    ),
    ("GET", "/me/tracks"): Operation(200, page({"added_at": str, "track": ITEM}), {**PAGING, "market?": "[A-Z]{2}"}),
    ("GET", "/me/playlists"): Operation(200, page({**LISTED, "items": {"href": str, "total": int}}), PAGING),
    ("POST", "/me/playlists"): Operation(
        201,
        {**LISTED, "items": page(dict)},
        body={"name": str, "public?": bool, "collaborative?": bool, "description?": str},
    ),
    ("GET", "/playlists/{id}"): Operation(200, LISTED, {"market?": ".*", "fields?": ".*", "additional_types?": ".*"}),
    ("PUT", "/playlists/{id}"): Operation(
        200, body={"name?": str, "public?": bool, "collaborative?": bool, "description?": str}
    ),
    ("GET", "/playlists/{id}/items"): Operation(
        200,
        page({"added_at": (str, NULL), "is_local": bool, "item": ITEM, "added_by?": Maybe(dict)}),
        {**PAGING, "market?": ".*", "fields?": ".*", "additional_types?": "track|episode|track,episode"},
    ),
    ("POST", "/playlists/{id}/items"): Operation(201, SNAPSHOT, body={"uris": [str], "position?": int}),
    ("PUT", "/playlists/{id}/items"): Operation(200, SNAPSHOT, body=dict),
    ("DELETE", "/playlists/{id}/items"): Operation(200, SNAPSHOT, body={"items": [{"uri": str}], "snapshot_id?": str}),
    ("PUT", "/me/library"): Operation(200, query=URIS),
    ("DELETE", "/me/library"): Operation(200, query=URIS),
    ("GET", "/me/library/contains"): Operation(200, [bool], URIS),
    ("GET", "/me/top/artists"): Operation(200, page(ARTIST), {**PAGING, "time_range?": "(long|medium|short)_term"}),
    ("GET", "/me/top/tracks"): Operation(200, page(TRACK), {**PAGING, "time_range?": "(long|medium|short)_term"}),
    ("GET", "/tracks/{id}"): Operation(200, TRACK, {"market?": "[A-Z]{2}"}),
    ("GET", "/artists/{id}"): Operation(200, ARTIST),
    ("GET", "/search"): Operation(
        200, dict, {"q": ".+", "type": "[a-z,]+", "limit?": "[1-9]|10", "offset?": "[0-9]+", "market?": "[A-Z]{2}"}
    ),
}

MOST_URIS = 100


class ContractError(AssertionError):
    """A request or an answer is not what the API takes or gives."""


def check(request: Request, answer: Answer) -> None:
    """Refuse a request that the API does not take, and an answer that it would not give."""
    found = operation(request)
    name = f"{request.method} {request.path}"
    _check_query(name, request.query, found.query)
    body = request.json()
    if found.body is None:
        _require(body is None, f"{name} has a body")
    else:
        _check_shape(f"{name} body", body, found.body, closed=True)
        entries = body.get("uris", body.get("items", [])) if isinstance(body, dict) else []
        _require(len(entries) <= MOST_URIS, f"{name} has {len(entries)} songs")
    _require(request.headers.get("authorization", "").startswith("Bearer "), f"{name} has no token")
    if answer.status >= 400:
        _check_shape(f"{name} {answer.status}", answer.body, ERROR)
    else:
        _require(answer.status == found.status, f"{name} gives {answer.status}")
        if found.answer is None:
            _require(not answer.content, f"{name} gives a body")
        else:
            _check_shape(f"{name} answer", answer.body, found.answer)


def operation(request: Request) -> Operation:
    """Return the operation that a request is; refuse any other."""
    for (method, template), found in OPERATIONS.items():
        pattern = re.escape(template).replace(r"\{id\}", "[0-9A-Za-z]+")
        if method == request.method and re.fullmatch(f"/v1{pattern}", request.path):
            return found
    raise ContractError(f"{request.method} {request.path} is no operation of a new application")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ContractError(what)


def _check_query(name: str, query: dict[str, str], known: dict[str, str]) -> None:
    patterns = {key.removesuffix("?"): pattern for key, pattern in known.items()}
    for key, value in query.items():
        _require(key in patterns, f"{name} has the parameter {key}")
        _require(re.fullmatch(patterns[key], value) is not None, f"{name} has {key}={value}")
    for key in known:
        _require(key.endswith("?") or key in query, f"{name} lacks the parameter {key}")


def _check_shape(where: str, value: Any, shape: Any, *, closed: bool = False) -> None:
    if isinstance(shape, Maybe):
        if value is not None:
            _check_shape(where, value, shape.shape, closed=closed)
    elif isinstance(shape, list):
        _require(isinstance(value, list), f"{where} is no list")
        for number, entry in enumerate(value):
            _check_shape(f"{where}[{number}]", entry, shape[0], closed=closed)
    elif isinstance(shape, dict):
        _require(isinstance(value, dict), f"{where} is no object")
        names = {name.removesuffix("?"): part for name, part in shape.items()}
        for name, part in names.items():
            _require(name in value or f"{name}?" in shape, f"{where} lacks {name}")
            if name in value:
                _check_shape(f"{where}.{name}", value[name], part, closed=closed)
        extra = set(value) - set(names)
        _require(not (closed and extra), f"{where} has {sorted(extra)}")
    else:
        kinds = shape if isinstance(shape, tuple) else (shape,)
        is_bool = isinstance(value, bool) and bool not in kinds
        _require(isinstance(value, kinds) and not is_bool, f"{where} is {type(value).__name__}")
