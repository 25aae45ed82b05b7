"""The fake and the client are both held to what the API takes and gives, so that they cannot drift together."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import spotify_contract
from fake_spotify import Answer, FakeSpotify, Request, error, limited, lost_after, saved, too_many, track
from spotify_contract import OPERATIONS, ContractError
from spotify_helpers import by_number, log_in, uri

from audio_genre.spotify import Account
from audio_genre.spotify.door import Door
from audio_genre.spotify.endpoints import Endpoints


def everything(account: Account, fake: FakeSpotify) -> None:
    """Have every kind of request be sent and every kind of answer be given."""
    fake.liked[60:] = []
    fake.liked += [saved(None, 200), saved(track(300), 201)]
    account.apply(by_number(account.read_liked(), "jazz", "a/b"))
    fake.change("jazz (liked)", [*fake.library()["jazz (liked)"][1:], "", uri(5555)])
    fake.faults = {len(fake.calls) + 2: limited(1), len(fake.calls) + 4: lost_after}
    account.apply(by_number(account.read_liked(), "a/b", "folk"), prune=True)
    fake.access.clear()
    account.undo(apply=True)
    log_in(account, fake)


pytestmark = pytest.mark.filterwarnings("ignore:Unsupported scheme type:UserWarning")

USED = {
    ("GET", "/me"),
    ("GET", "/me/tracks"),
    ("GET", "/me/playlists"),
    ("POST", "/me/playlists"),
    ("GET", "/playlists/{id}/items"),
    ("POST", "/playlists/{id}/items"),
    ("DELETE", "/playlists/{id}/items"),
    ("DELETE", "/me/library"),
}


def test_client_and_fake_keep_to_our_contract(account: Account, fake: FakeSpotify) -> None:
    fake.check = spotify_contract.check
    seen = set()

    def check(request: Request, answer: Answer) -> None:
        spotify_contract.check(request, answer)
        found = spotify_contract.operation(request)
        seen.add(next(name for name, known in OPERATIONS.items() if known is found))

    fake.check = check
    everything(account, fake)
    assert seen == USED
    assert len(OPERATIONS) == 18


def asked(method: str, path: str, body: Any = None, **query: str) -> Request:
    content = b"" if body is None else json.dumps(body).encode()
    return Request(method, f"/v1{path}", query, {"authorization": "Bearer x"}, content)


@pytest.mark.parametrize(
    ("request_", "answer", "told"),
    [
        (asked("GET", "/audio-features", ids="a"), Answer(200, {}), "is no operation of a new application"),
        (asked("POST", "/users/u/playlists", {"name": "x"}), Answer(201, {}), "is no operation"),
        (asked("DELETE", "/playlists/p/followers"), Answer(200), "is no operation"),
        (asked("GET", "/playlists/p/tracks"), Answer(200, {}), "is no operation"),
        (asked("GET", "/me/"), Answer(200, {}), "is no operation"),
        (asked("GET", "/me/tracks", limit="51"), Answer(200, {}), "has limit=51"),
        (asked("GET", "/search", q="x", type="track", limit="50"), Answer(200, {}), "has limit=50"),
        (asked("POST", "/playlists/p/items", ["spotify:track:x"]), Answer(201, {"snapshot_id": "x"}), "is no object"),
        (
            asked("POST", "/playlists/p/items", {"uris": ["u"] * 101}),
            Answer(201, {"snapshot_id": "x"}),
            "has 101 songs",
        ),
        (asked("POST", "/playlists/p/items", {"uris": ["u"]}), Answer(201, {}), "lacks snapshot_id"),
        (asked("POST", "/me/playlists", {"public": False}), Answer(201, {}), "lacks name"),
        (asked("POST", "/me/playlists", {"name": "x", "odd": 1}), Answer(201, {}), r"has \['odd'\]"),
        (asked("DELETE", "/me/library"), Answer(200), "lacks the parameter uris"),
        (asked("GET", "/me"), Answer(404, {"error": "x"}), "is no object"),
        (asked("GET", "/me/library/contains", uris="spotify:track:x"), Answer(200, [1]), "is int"),
        (asked("DELETE", "/playlists/p/items", {"uris": ["u"]}), Answer(200, {"snapshot_id": "x"}), "lacks items"),
    ],
    ids=lambda value: f"{value.method} {value.path}" if isinstance(value, Request) else "",
)
def test_our_contract_refuses_what_is_wrong(request_: Request, answer: Answer, told: str) -> None:
    with pytest.raises(ContractError, match=told):
        spotify_contract.check(request_, answer)


@pytest.fixture(scope="module")
def specification(shared_data: Path) -> Any:
    """Spotify's own description of what is left to new applications, with corrections by others."""
    openapi_core = pytest.importorskip("openapi_core", reason="openapi-core is not installed")
    path = shared_data / "spotify_openapi" / "devmode-subset.yml"
    if not path.is_file():
        pytest.skip(f"there is no {path}")
    import yaml

    description = yaml.safe_load(path.read_text(encoding="utf-8"))
    # It tells songs from episodes by names that no answer has.
    for name in ("item", "track"):
        del description["components"]["schemas"]["PlaylistTrackObject"]["properties"][name]["discriminator"]
    return openapi_core.OpenAPI.from_dict(description)


def test_our_contract_has_the_operations_of_spotifys_description(specification: Any) -> None:
    found = {
        (method.upper(), re.sub(r"\{\w+\}", "{id}", path)): operation
        for path, operations in specification.spec["paths"].read_value().items()
        for method, operation in operations.items()
        if method in ("get", "put", "post", "delete")
    }
    assert set(found) == set(OPERATIONS)
    assert not any(operation.get("deprecated") for operation in found.values())


@pytest.fixture
def official(specification: Any) -> Callable[[Request, Answer], None]:
    """Checks a request and its answer against that description."""
    from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse

    def check(request: Request, answer: Answer) -> None:
        sent = requests.Request(
            request.method,
            f"https://api.spotify.com{request.path}",
            headers={"Content-Type": "application/json", "Authorization": request.headers["authorization"]},
            params=request.query,
            data=request.body or None,
        )
        given = requests.Response()
        given.status_code, given._content = answer.status, answer.content
        given.headers["Content-Type"] = "application/json"
        wrapped = RequestsOpenAPIRequest(sent)
        found = specification.unmarshal_request(wrapped)
        assert not found.errors, (request, found.errors)
        if answer.status < 500 and answer.content:
            # A song that is gone, and the owner of a row that is not known, are null; the description does not say so.
            found = specification.unmarshal_response(wrapped, RequestsOpenAPIResponse(given))
            assert not found.errors, (request, found.errors)

    return check


def test_client_and_fake_keep_to_spotifys_description(
    account: Account, fake: FakeSpotify, official: Callable[[Request, Answer], None]
) -> None:
    fake.liked = fake.liked[:3]
    fake.check = official
    account.apply(by_number(account.read_liked(), "jazz", "a/b"))
    fake.faults = {len(fake.calls): limited(1)}
    account.apply(by_number(account.read_liked(), "a/b", "folk"), prune=True)
    account.undo(apply=True)
    log_in(account, fake)


@pytest.mark.parametrize(
    "request_",
    [
        asked("POST", "/playlists/p/items", ["spotify:track:x"]),
        asked("GET", "/audio-features", ids="a"),
        asked("POST", "/users/u/playlists", {"name": "x"}),
        asked("GET", "/playlists/p/tracks"),
    ],
    ids=lambda request: f"{request.method} {request.path}",
)
def test_spotifys_description_refuses_what_spotipy_sends_without_its_guards(
    request_: Request, official: Callable[[Request, Answer], None]
) -> None:
    with pytest.raises(AssertionError):
        official(request_, Answer(201, {"snapshot_id": "x"}))


@pytest.mark.parametrize("answer", [error(403, "Forbidden"), too_many(5, quota=True)])
def test_errors_are_as_described(answer: Answer, official: Callable[[Request, Answer], None]) -> None:
    official(asked("GET", "/me"), answer)


def test_a_request_goes_out_with_nothing_else(account: Account, fake: FakeSpotify, endpoints: Endpoints) -> None:
    account.read_liked()
    for request in fake.calls:
        assert request.headers["user-agent"].startswith("audio-genre")
        assert "cookie" not in request.headers
    with Door(endpoints) as door:
        assert "Authorization" not in door.headers
