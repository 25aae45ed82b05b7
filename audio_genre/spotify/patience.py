"""When a request is sent again, how long it is waited before, and when the user has to come back later."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from audio_genre.errors import AccountError, LoginNeededError, TryLaterError

if TYPE_CHECKING:
    from spotipy.exceptions import SpotifyException

T = TypeVar("T")

LONGEST_WAIT_SECONDS = 60.0
"""The longest pause that is waited for; for a longer one the user comes back."""

_TRIES = 5
_QUOTA = "QUOTA_EXCEEDED"


class AccountProgress(Protocol):
    """Is told how work on an account goes."""

    def __call__(self, done: int, total: int | None, what: str = "") -> None:
        """Hear how many steps of how many are done, and a remark, such as how long is still waited."""

    def note(self, sentence: str) -> None:
        """Hear something worth knowing."""


class NoProgress:
    """Takes note of nothing."""

    def __call__(self, done: int, total: int | None, what: str = "") -> None:
        """Hear how far the work is."""

    def note(self, sentence: str) -> None:
        """Hear something worth knowing."""


class UncertainError(AccountError):
    """Nobody knows whether a request had an effect."""


class GoneError(AccountError):
    """What was asked for is not there."""


class RefusedError(AccountError):
    """A request is not allowed, and will not be if it is sent again."""


class ScopeError(LoginNeededError):
    """A login does not allow a request."""


class Patience:
    """Sends requests again where that helps."""

    def __init__(self, refresh: Callable[[], object], sleep: Callable[[float], None] = time.sleep) -> None:
        self._refresh, self._sleep = refresh, sleep
        self.progress: AccountProgress = NoProgress()
        self.done: tuple[int, int | None] = (0, None)

    def show(self, done: int, total: int | None, what: str = "") -> None:
        """Tell how far the work is."""
        self.done = done, total
        self.progress(done, total, what)

    def wait(self, seconds: float, why: str) -> None:
        """Wait, and count down."""
        left = seconds
        while left > 0:
            self.progress(*self.done, f"{why}, {left:.0f} s left")
            self._sleep(min(1.0, left))
            left -= 1.0

    def call(self, send: Callable[[], T], *, repeatable: bool = True) -> T:
        """Send a request until it is answered; one that is not `repeatable` once where it may have had its effect.

        Raises
        ------
        UncertainError
            If nothing was answered, so that the request may have had its effect or not.
        TryLaterError
            If the pause that is asked for is too long.
        LoginNeededError
            If there is no access any more.
        """
        import requests
        from spotipy.exceptions import SpotifyException

        refreshed, reason = False, "Spotify refuses"
        for tried in range(_TRIES):
            try:
                return send()
            except SpotifyException as error:
                status = error.http_status
                if status == 401:
                    if refreshed:
                        raise LoginNeededError(
                            "Spotify does not accept this login any more; log in again with `audio-genre spotify "
                            "login`."
                        ) from None
                    self._refresh()
                    refreshed = True
                    continue
                if status == 429:
                    self.wait(_pause(error.headers.get("Retry-After"), error.reason, tried), "waiting as Spotify asks")
                    continue
                if status < 500:
                    raise _refusal(error) from None
                reason = f"Spotify has a fault (status {status})"
            except (requests.RequestException, OSError) as error:
                reason = f"Spotify cannot be reached ({type(error).__name__})"
            if not repeatable:
                raise UncertainError(f"{reason}; start again to go on.")
            if tried < _TRIES - 1:
                self.wait(2.0**tried, reason)
        raise UncertainError(f"{reason}; start again to go on.")


def _pause(header: str | None, reason: str | None, tried: int) -> float:
    """Return how long is waited; refuse what is too long."""
    try:
        seconds = None if header is None else max(0.0, float(header))
    except ValueError:
        seconds = None
    if reason == _QUOTA or (seconds is not None and not seconds <= LONGEST_WAIT_SECONDS) or tried >= _TRIES - 1:
        raise TryLaterError(later_sentence(seconds, is_quota=reason == _QUOTA), seconds)
    return 2.0**tried if seconds is None else max(seconds, 1.0)


def later_sentence(seconds: float | None, *, is_quota: bool) -> str:
    """Say when to come back."""
    why = "The quota of your Spotify app is used up" if is_quota else "Spotify asks for a long pause"
    if seconds is None:
        return f"{why}; what was done is kept, so start again tomorrow to go on."
    then = datetime.datetime.now().astimezone() + datetime.timedelta(seconds=min(seconds, 366 * 86400))
    return f"{why}; what was done is kept, so start again after {then:%Y-%m-%d %H:%M} (in {_span(seconds)}) to go on."


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _refusal(error: SpotifyException) -> AccountError:
    said = "".join(letter if letter.isprintable() else " " for letter in str(error.msg).partition("\n")[2]).strip()[
        :120
    ]
    if error.http_status == 404:
        return GoneError("Spotify does not have this playlist any more; start again.")
    if error.http_status == 403 and "scope" in said.lower():
        return ScopeError(
            "This login does not allow that; log in again with `audio-genre spotify login`, with --public where "
            "playlists are to be public."
        )
    if error.http_status == 403:
        return RefusedError(
            f"Spotify refuses this (403: {said}); the owner of an app in development mode needs Premium, and your "
            "account must be among the app's users, see docs/spotify.md."
        )
    return RefusedError(f"Spotify refuses this ({error.http_status}: {said}); please report it with this sentence.")
