"""Track features of ReccoBeats, a third party that is sent the ids of songs, and a model trained on such features."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_genre.errors import AccountError, BundleError, TryLaterError
from audio_genre.library.plan import Opinion
from audio_genre.spotify.endpoints import Endpoints
from audio_genre.spotify.patience import LONGEST_WAIT_SECONDS, AccountProgress, later_sentence
from audio_genre.spotify.songs import LikedSong
from audio_genre.spotify.sources.source import Source
from audio_genre.spotify.sources.tables import classify_rows, open_model
from audio_genre.spotify.store import AccountStore

if TYPE_CHECKING:
    from requests import Session

BATCH = 40
"""Ids of one request."""

COLUMNS = (
    "danceability",
    "energy",
    "key",
    "loudness",
    "mode",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
    "tempo",
)
"""What ReccoBeats tells of a track."""

_POLITE_SECONDS = 1.0
_TRIES = 4
_ON = "start again to go on, or leave out --reccobeats"


class ReccoBeats(Source):
    """Features by Spotify id, kept once fetched, and what a model says of them."""

    name = "reccobeats"

    def __init__(
        self,
        model: Path,
        opened: Callable[[], AbstractContextManager[AccountStore]],
        session: Session,
        endpoints: Endpoints,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._model, self._opened, self._session, self._sleep = model, opened, session, sleep
        self._url = f"{endpoints.reccobeats}audio-features"

    def opinions(self, songs: Sequence[LikedSong], progress: AccountProgress) -> dict[str, Opinion]:
        """Return what the model says of the songs that ReccoBeats knows."""
        bundle = open_model(self._model)
        encoding = bundle.card.facts["encoding"]
        if encoding["contexts"]:
            raise BundleError(
                f"{self._model} takes the {encoding['contexts'][0]} of a song, which would come from Spotify and must "
                "not be given to a model; choose a model that was trained without --context."
            )
        known = self._fetched([song for song in songs if song.track_id], progress)
        if not known:
            return {}
        absent = [name for name in encoding["columns"] if name not in COLUMNS]
        if absent:
            progress.note(f"ReccoBeats does not tell {', '.join(absent)}, which {bundle.name} takes; taken as missing.")
        header = ["track_id", *COLUMNS, *absent]
        rows = [
            [key, *(entry.get(name, "") for name in COLUMNS), *[""] * len(absent)]
            for key, entry in enumerate(known.values())
        ]
        answers = classify_rows(Path("ReccoBeats"), header, rows, bundle)
        return {
            key: Opinion(answer.genre, answer.confidence, f"ReccoBeats, {bundle.name}", answer.reason)
            for key, answer in zip(known, answers, strict=True)
        }

    def _fetched(self, songs: Sequence[LikedSong], progress: AccountProgress) -> dict[str, Mapping[str, float]]:
        """Return the features of songs by their keys; asks only for those that are not kept."""
        # Opened for moments only, because asking takes long.
        with self._opened() as store:
            kept = store.features(song.track_id for song in songs)
        todo = list(dict.fromkeys(song.track_id for song in songs if song.track_id not in kept))
        if todo:
            progress.note(f"The ids of {len(todo)} songs are sent to ReccoBeats (reccobeats.com), a third party.")
        for start in range(0, len(todo), BATCH):
            progress(start, len(todo), "asking ReccoBeats")
            ids = todo[start : start + BATCH]
            found = _entries(self._ask(ids, progress))
            fetched = {number: found.get(number) for number in ids}
            with self._opened() as store:
                store.keep_features(fetched)
            kept |= {number: None if entry is None else dict(entry) for number, entry in fetched.items()}
            if start + BATCH < len(todo):
                self._sleep(_POLITE_SECONDS)
        entries = ((song.key, kept.get(song.track_id)) for song in songs)
        return {key: entry for key, entry in entries if entry}

    def _ask(self, ids: Sequence[str], progress: AccountProgress) -> Any:
        import requests

        why = ""
        for tried in range(_TRIES):
            try:
                answer = self._session.get(self._url, params={"ids": ",".join(ids)})
            except requests.RequestException as error:
                why, pause = f"cannot be reached ({type(error).__name__})", 2.0**tried
            else:
                if answer.status_code == 200:
                    try:
                        return answer.json()
                    except ValueError:
                        raise AccountError(f"ReccoBeats sent no JSON; {_ON}.") from None
                if answer.status_code == 429:
                    pause = _seconds(answer.headers.get("Retry-After"), 2.0**tried)
                    if pause > LONGEST_WAIT_SECONDS:
                        sentence = later_sentence(pause, is_quota=False).replace("Spotify", "ReccoBeats", 1)
                        raise TryLaterError(sentence, pause)
                    why = "asks for a pause"
                elif answer.status_code >= 500:
                    why, pause = f"has a fault (status {answer.status_code})", 2.0**tried
                else:
                    raise AccountError(f"ReccoBeats refuses the request (status {answer.status_code}); {_ON}.")
            if tried < _TRIES - 1:
                progress.note(f"ReccoBeats {why}; waiting {pause:.0f} s.")
                self._sleep(pause)
        raise AccountError(f"ReccoBeats {why}; {_ON}.")


def _entries(answer: Any) -> dict[str, dict[str, float]]:
    """Return features by Spotify id: the answer leaves unknown songs out and promises no order."""
    content = answer.get("content") if isinstance(answer, dict) else None
    found: dict[str, dict[str, float]] = {}
    for entry in content if isinstance(content, list) else ():
        if not isinstance(entry, dict) or not isinstance(entry.get("href"), str):
            continue
        number = entry["href"].partition("?")[0].rstrip("/").rpartition("/")[2]
        values = {
            name: float(entry[name])
            for name in COLUMNS
            if isinstance(entry.get(name), int | float) and not isinstance(entry[name], bool)
        }
        # -1 says that no key was found.
        if values.get("key", 0) < 0:
            del values["key"]
        if values:
            found[number] = values
    return found


def _seconds(header: str | None, otherwise: float) -> float:
    try:
        return otherwise if header is None else max(1.0, float(header))
    except ValueError:
        return otherwise
