"""Logging in: PKCE, the way back, tokens that are kept before they are used, and what goes wrong on the way."""

from __future__ import annotations

import json
import logging
import stat
import threading
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from fake_spotify import CLIENT_ID, Answer, FakeSpotify, Request, serve
from spotify_helpers import CALLBACK, Clock, log_in

from audio_genre.errors import AccountError, LoginNeededError, ParameterError, TryLaterError
from audio_genre.spotify import Account
from audio_genre.spotify.endpoints import Endpoints
from audio_genre.spotify.loopback import Loopback
from audio_genre.spotify.state import StateFolder


@pytest.fixture
def stranger(endpoints: Endpoints, tmp_path: Path) -> Account:
    """An account that nobody is logged in to."""
    return Account(tmp_path / "state", endpoints=endpoints, sleep=Clock())


def kept(tmp_path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((tmp_path / "state" / "token.json").read_text())
    return found


def test_the_page_where_the_user_agrees(stranger: Account) -> None:
    query = {
        name: values[0] for name, values in parse_qs(urlsplit(stranger.begin_login(CLIENT_ID, CALLBACK)).query).items()
    }
    assert query["response_type"] == "code"
    assert query["code_challenge_method"] == "S256"
    assert query["redirect_uri"] == CALLBACK
    assert query["scope"].split() == ["user-library-read", "playlist-read-private", "playlist-modify-private"]
    assert len(query["state"]) >= 43
    again = parse_qs(urlsplit(stranger.begin_login(CLIENT_ID, CALLBACK, public=True)).query)
    assert "playlist-modify-public" in again["scope"][0].split()
    assert again["state"] != [query["state"]]
    assert again["code_challenge"] != [query["code_challenge"]]


def test_a_login(stranger: Account, fake: FakeSpotify, tmp_path: Path) -> None:
    log_in(stranger, fake)
    status = stranger.status()
    assert (status.connected, status.name, status.public, status.days_left) == (True, "Ada", False, 182)
    assert stranger.client_id() == CLIENT_ID
    # No token is in what is told.
    assert "access-" not in repr(status)
    assert kept(tmp_path)["account"] == {"account": "aB3dE5fG7h", "user": "user-1", "name": "Ada"}


@pytest.mark.parametrize("client_id", ["", "abc", "0" * 31, "0" * 33, "G" * 32, "0" * 31 + "\n"])
def test_what_is_no_client_id_is_refused_at_once(stranger: Account, client_id: str) -> None:
    with pytest.raises(ParameterError, match="A client id has 32 digits"):
        stranger.begin_login(client_id, CALLBACK)


@pytest.mark.parametrize(
    "back",
    [
        "/callback",
        "/callback?code=code-1&state=other",
        "/callback?code=code-1&state=",
        "/callback?error=access_denied",
    ],
)
def test_an_answer_of_another_login_is_refused(stranger: Account, fake: FakeSpotify, back: str) -> None:
    fake.agree(stranger.begin_login(CLIENT_ID, CALLBACK))
    with pytest.raises(LoginNeededError, match="does not belong to this login"):
        stranger.finish_login(back)
    assert not stranger.status().connected


def test_an_answer_is_taken_once(stranger: Account, fake: FakeSpotify) -> None:
    back = fake.agree(stranger.begin_login(CLIENT_ID, CALLBACK))
    stranger.finish_login(back)
    with pytest.raises(LoginNeededError, match="does not belong to this login"):
        stranger.finish_login(back)
    assert stranger.status().connected


def test_the_verifier_is_checked(stranger: Account, fake: FakeSpotify) -> None:
    """A code that another program began with is worth nothing to this one, and the other way round."""
    back = fake.agree(stranger.begin_login(CLIENT_ID, CALLBACK))
    (asked,) = fake.codes.values()
    asked["code_challenge"] = "another one"
    with pytest.raises(LoginNeededError, match="log in again"):
        stranger.finish_login(back)


def test_a_user_who_declines(stranger: Account, fake: FakeSpotify) -> None:
    fake.agrees = False
    with pytest.raises(LoginNeededError, match="you declined"):
        log_in(stranger, fake)


def test_a_client_id_that_spotify_does_not_know(stranger: Account, fake: FakeSpotify) -> None:
    url = stranger.begin_login("f" * 32, CALLBACK)
    assert fake.agree(url) == ""  # the browser shows INVALID_CLIENT, and nothing comes back
    back = fake.agree(stranger.begin_login(CLIENT_ID, CALLBACK))
    fake.client_ids.clear()
    with pytest.raises(LoginNeededError, match="does not know the client id"):
        stranger.finish_login(back)


def test_an_account_that_is_no_user_of_the_app(stranger: Account, fake: FakeSpotify) -> None:
    back = fake.agree(stranger.begin_login(CLIENT_ID, CALLBACK))

    def refuse(fake: FakeSpotify, request: Request, proceed: object) -> Answer:
        said = "User not registered in the Developer Dashboard"
        return Answer(403, said.encode())

    fake.faults = {0: refuse}
    with pytest.raises(AccountError, match=r"needs Premium.*docs/spotify.md"):
        stranger.finish_login(back)
    assert not stranger.status().connected


def test_an_access_token_that_ran_out_is_renewed(account: Account, fake: FakeSpotify, tmp_path: Path) -> None:
    before = kept(tmp_path)
    fake.access.clear()
    assert len(account.read_liked()) == 120
    after = kept(tmp_path)
    assert before["refresh_token"] != after["refresh_token"] in fake.refresh_tokens
    # The six months begin with the login.
    assert before["authorized_at"] == after["authorized_at"]
    assert before["account"] == after["account"]


def test_a_token_is_renewed_before_it_runs_out(account: Account, fake: FakeSpotify, tmp_path: Path) -> None:
    StateFolder(tmp_path / "state").write_token({**kept(tmp_path), "expires_at": 1})
    account.read_liked()
    assert fake.requests[0].path == "/api/token"
    assert sum(request.path == "/api/token" for request in fake.requests) == 1


def test_a_new_refresh_token_is_kept_before_anything_is_sent(
    account: Account, fake: FakeSpotify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def look(fake: FakeSpotify, request: Request, proceed):  # type: ignore[no-untyped-def]
        seen.append(kept(tmp_path)["refresh_token"] in fake.refresh_tokens)
        return proceed()

    fake.access.clear()
    fake.faults = {1: look}
    account.read_liked()
    assert seen == [True]


def test_a_login_that_spotify_no_longer_accepts(account: Account, fake: FakeSpotify, tmp_path: Path) -> None:
    account.read_liked()
    fake.access.clear()
    fake.refresh_tokens.clear()
    with pytest.raises(
        LoginNeededError, match=r"six months.*log in again with `audio-genre spotify login --client-id 0"
    ):
        account.read_liked()
    # The dead token is not tried again and again; what was read is kept.
    asked = len(fake.requests)
    with pytest.raises(LoginNeededError, match="Nobody is logged in"):
        account.read_liked()
    assert len(fake.requests) == asked
    log_in(account, fake)
    assert account.status().liked == 120


def test_a_token_that_is_refused_though_it_is_new(account: Account, fake: FakeSpotify) -> None:
    def refuse(fake: FakeSpotify, request: Request, proceed: object) -> Answer:
        return Answer(401, {"error": {"status": 401, "message": "Invalid access token"}})

    fake.faults = {0: refuse, 1: refuse}
    with pytest.raises(LoginNeededError, match="does not accept this login any more"):
        account.read_liked()


@pytest.mark.parametrize(
    ("status", "body", "kind", "told"),
    [
        (503, b"<html>", AccountError, "at the moment"),
        (429, b"{}", TryLaterError, "later"),
        (400, b'{"error": ["odd"]}', LoginNeededError, "refused the login"),
        (200, b"[]", AccountError, "at the moment"),
        (200, b"no json", AccountError, "at the moment"),
        (200, b"{}", AccountError, "gave no token"),
    ],
)
def test_a_token_service_that_fails(
    account: Account,
    fake: FakeSpotify,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    body: bytes,
    kind: type[AccountError],
    told: str,
) -> None:
    fake.access.clear()
    monkeypatch.setattr(fake, "_token", lambda _: Answer(status, body))
    with pytest.raises(kind, match=told):
        account.read_liked()
    assert account.status().connected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"client_id": 1}',
        *(
            json.dumps({"client_id": "c", "access_token": "a", "refresh_token": "r", **wrong}).encode()
            for wrong in (
                {"authorized_at": "soon"},
                {"authorized_at": [1]},
                {"authorized_at": 1e300},
                {"access_token": "a\nb"},
                {"account": "x"},
                {"account": {"account": 5}},
                {"scope": 5},
            )
        ),
    ],
)
def test_a_damaged_token_file(account: Account, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state" / "token.json").write_bytes(content)
    with pytest.raises(LoginNeededError, match="log in again"):
        account.read_liked()
    with pytest.raises(LoginNeededError, match="log in again"):
        account.status()
    assert account.client_id() is None
    account.logout()


def test_a_login_that_was_not_finished_is_none(account: Account, tmp_path: Path) -> None:
    file = tmp_path / "state" / "token.json"
    token = json.loads(file.read_text())
    assert account.status().connected
    del token["account"]
    file.write_text(json.dumps(token))
    assert not account.status().connected
    with pytest.raises(LoginNeededError, match="was not finished"):
        account.read_liked()
    assert stat.S_IMODE((tmp_path / "state" / "account.sqlite").stat().st_mode) == 0o600


def test_the_token_is_in_no_log(stranger: Account, fake: FakeSpotify, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    log_in(stranger, fake)
    fake.access.clear()
    stranger.read_liked()
    for secret in ("Bearer", "access-", "refresh-", "verifier", "code-"):
        assert secret not in caplog.text


def fetched(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def test_the_way_back_through_the_browser(tmp_path: Path) -> None:
    """With real ports: the page answers with a redirect, and the browser follows it."""
    fake = FakeSpotify(3)
    with serve(fake) as endpoints, Loopback() as loopback:
        account = Account(tmp_path / "state", endpoints=endpoints)
        url = account.begin_login(CLIENT_ID, loopback.redirect_uri)
        answers: list[tuple[int, str]] = []

        def browse() -> None:
            answers.append(fetched(loopback.redirect_uri.replace("/callback", "/favicon.ico")))
            answers.append(fetched(url))

        browser = threading.Thread(target=browse)
        browser.start()
        account.finish_login(loopback.wait(20))
        browser.join()
        assert answers[0][0] == 404
        assert answers[1][0] == 200
        assert "code-" not in answers[1][1]
        assert len(account.read_liked()) == 3


def test_a_browser_that_never_comes_back() -> None:
    with Loopback() as loopback, pytest.raises(LoginNeededError, match=r"INVALID_CLIENT.*http://127.0.0.1/callback"):
        loopback.wait(0)


def test_a_port_that_is_taken() -> None:
    with Loopback() as loopback:
        port = urlsplit(loopback.redirect_uri).port or 0
        with pytest.raises(AccountError, match=f"The port {port} is taken by another program; choose another --port"):
            Loopback(port)
