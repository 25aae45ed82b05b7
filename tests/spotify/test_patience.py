"""What is sent again, what is waited for, and what ends a run with a sentence that says when to come back."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest
from fake_spotify import (
    Answer,
    FakeSpotify,
    Request,
    error,
    fault_after,
    fault_before,
    limited,
    lost_after,
    lost_before,
)
from spotify_helpers import Clock, Told, by_number

from audio_genre.errors import AccountError, LoginNeededError, TryLaterError
from audio_genre.spotify import Account
from audio_genre.spotify.endpoints import Endpoints


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def waiting(account: Account, endpoints: Endpoints, tmp_path: Path, clock: Clock) -> Account:
    """The account, with a clock that counts."""
    return Account(tmp_path / "state", endpoints=endpoints, sleep=clock)


def test_a_short_pause_is_waited_for_with_a_countdown(waiting: Account, fake: FakeSpotify, clock: Clock) -> None:
    fake.faults = {1: limited(7)}
    told = Told()
    assert len(waiting.read_liked(told)) == 120
    assert clock.slept == 7
    counted = [what for _, _, what in told.steps if "left" in what]
    assert counted == [f"waiting as Spotify asks, {left} s left" for left in range(7, 0, -1)]
    assert len(fake.calls) == 4


@pytest.mark.parametrize("seconds", [61, 86236, 10**12])
def test_a_long_pause_ends_the_run(waiting: Account, fake: FakeSpotify, clock: Clock, seconds: int) -> None:
    fake.faults = {1: limited(seconds)}
    with pytest.raises(TryLaterError) as caught:
        waiting.read_liked()
    assert clock.slept == 0
    assert caught.value.seconds == seconds
    then = re.search(r"after (\d{4}-\d\d-\d\d \d\d:\d\d) \(in", str(caught.value))
    assert then is not None
    if seconds == 86236:
        assert "(in 23 h 57 min)" in str(caught.value)
        promised = datetime.datetime.strptime(then[1], "%Y-%m-%d %H:%M").astimezone()
        now = datetime.datetime.now().astimezone()
        assert abs((promised - now).total_seconds() - seconds) < 120
    # And later it goes on where it ended.
    fake.forget_calls()
    assert len(waiting.read_liked()) == 120
    assert len(fake.calls) == 2


@pytest.mark.parametrize("seconds", [None, 5])
def test_a_quota_is_never_waited_for(waiting: Account, fake: FakeSpotify, clock: Clock, seconds: float | None) -> None:
    fake.faults = {0: limited(seconds, quota=True)}
    with pytest.raises(TryLaterError, match=r"The quota of your Spotify app is used up; .* (tomorrow|after)"):
        waiting.read_liked()
    assert (clock.slept, len(fake.calls)) == (0, 1)


@pytest.mark.parametrize("header", ["soon", "nan", "-3", ""])
def test_a_pause_that_is_no_number(waiting: Account, fake: FakeSpotify, clock: Clock, header: str) -> None:
    fake.faults = {0: lambda *_: Answer(429, b"too many", {"Retry-After": header})}
    try:
        assert len(waiting.read_liked()) == 120
    except TryLaterError:
        assert header == "nan"
    assert clock.slept <= 2


def test_pauses_without_end_end_the_run(waiting: Account, fake: FakeSpotify) -> None:
    fake.faults = dict.fromkeys(range(20), limited(3))
    with pytest.raises(TryLaterError):
        waiting.read_liked()
    assert len(fake.calls) == 5


@pytest.mark.parametrize("fault", [fault_before, lost_before])
def test_a_fault_of_the_service_is_got_over(waiting: Account, fake: FakeSpotify, clock: Clock, fault) -> None:  # type: ignore[no-untyped-def]
    fake.faults = {0: fault, 1: fault, 3: fault}
    assert len(waiting.read_liked()) == 120
    assert clock.slept == 1 + 2 + 1


@pytest.mark.parametrize("fault", [fault_before, lost_before, fault_after, lost_after])
def test_a_service_that_stays_away(waiting: Account, fake: FakeSpotify, fault) -> None:  # type: ignore[no-untyped-def]
    fake.faults = dict.fromkeys(range(20), fault)
    with pytest.raises(AccountError, match="start again to go on"):
        waiting.read_liked()
    assert len(fake.calls) == 5


def test_a_write_of_which_nobody_knows_is_not_sent_twice(waiting: Account, fake: FakeSpotify) -> None:
    opinions = by_number(waiting.read_liked(), "jazz")
    fake.forget_calls()
    fake.faults = {0: lost_after, 2: fault_after, 4: lost_before}
    waiting.apply(opinions)
    asked = [(request.method, request.path.rpartition("/")[2]) for request in fake.calls]
    # Made and looked for; added and looked for; the rest lost, looked for and sent again.
    assert asked[:2] == [("POST", "playlists"), ("GET", "playlists")]
    assert sum(request.is_write for request in fake.calls) == 1 + 1 + 2
    assert len(fake.library()["jazz (liked)"]) == 120


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        (error(403, "Insufficient client scope"), LoginNeededError, "This login does not allow that"),
        (error(403, "Forbidden"), AccountError, r"\(403: Forbidden\)"),
        (error(400, "Bad\nrequest\x1b[31m"), AccountError, "Spotify refuses this"),
        (Answer(404, b""), AccountError, "any more"),
        (Answer(302, b"", {"Location": "https://stranger.example/"}), AccountError, "has a fault"),
        (Answer(200, b"<html>sign in</html>"), AccountError, "sent no list"),
        (Answer(200, {"items": None, "total": "x"}), AccountError, "sent no list"),
        (Answer(400, {"error": "a text"}), AccountError, "Spotify refuses this"),
        (Answer(400, b"[1]"), AccountError, "Spotify refuses this"),
    ],
)
def test_what_is_refused_is_told_in_a_sentence(
    waiting: Account, fake: FakeSpotify, answer: Answer, kind: type[AccountError], told: str
) -> None:
    def give(fake: FakeSpotify, request: Request, proceed: object) -> Answer:
        return answer

    fake.faults = dict.fromkeys(range(8), give)
    with pytest.raises(kind, match=told) as caught:
        waiting.read_liked()
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert "http://127" not in str(caught.value)
