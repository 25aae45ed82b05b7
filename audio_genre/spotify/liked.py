"""Reading the liked songs: 50 a request, from where the last reading ended, and later only what is new."""

from __future__ import annotations

import time

from audio_genre.spotify.client import PAGE, Client, Page
from audio_genre.spotify.patience import Patience
from audio_genre.spotify.songs import LikedSong, song_of
from audio_genre.spotify.store import AccountStore

_RESUMABLE_SECONDS = 6 * 3600
_MAX_STARTS = 3


def read_liked(client: Client, store: AccountStore, patience: Patience) -> int:
    """Bring the kept liked songs up to date; returns the number of requests.

    Songs come in the order in which they were liked, the newest first. So the first answer and the number of all songs
    tell whether anything changed, and what was liked since stands before what is known.
    """
    note = store.note("liked")
    requests = 0
    if note is not None and note["next"] is None:
        page = client.liked(0)
        requests = 1
        if _is_up_to_date(store, page):
            patience.show(page.total, page.total, "liked songs")
            return requests
        store.clear_liked()
        _keep(store, page, 0, page.total)
    elif note is not None and time.time() - note["read_at"] > _RESUMABLE_SECONDS:
        store.clear_liked()
    return requests + _read_on(client, store, patience)


def _is_up_to_date(store: AccountStore, page: Page) -> bool:
    """Take in what is new before what is known; tell whether that makes the list complete."""
    note = store.note("liked")
    known = [song for song, _ in zip(store.liked(), range(PAGE), strict=False)]
    found = _songs(page, 0)
    new = page.total - note["total"]
    if not 0 <= new <= len(found) or (new == len(found) and known):
        return False
    if [_same(song) for song in found[new:]] != [_same(song) for song in known[: len(found) - new]]:
        return False
    if new:
        store.shift_liked(new)
    store.keep_liked(0, found[:new], {"total": page.total, "next": None, "read_at": time.time()})
    return True


def _same(song: LikedSong) -> tuple[str, str, str]:
    # A song without a name of its own is called by its place, which shifts.
    return (song.key if song.track_id else "", song.title, song.added_at)


def _read_on(client: Client, store: AccountStore, patience: Patience) -> int:
    requests = starts = 0
    while True:
        note = store.note("liked")
        offset = 0 if note is None else note["next"]
        if offset is None:
            patience.show(note["total"], note["total"], "liked songs")
            return requests
        patience.show(offset, None if note is None else note["total"], "liked songs")
        page = client.liked(offset)
        requests += 1
        if note is not None and page.total != note["total"] and starts < _MAX_STARTS:
            # The list shifted under the reading: songs may have been passed over.
            starts += 1
            store.clear_liked()
            if offset:
                continue
        _keep(store, page, offset, page.total)


def _keep(store: AccountStore, page: Page, offset: int, total: int) -> None:
    after = offset + PAGE
    is_last = after >= total or not page.items
    note = {"total": total, "next": None if is_last else after, "read_at": time.time()}
    store.keep_liked(offset, _songs(page, offset), note)


def _songs(page: Page, offset: int) -> list[LikedSong]:
    return [song_of(item, f"nameless:{offset + place}") for place, item in enumerate(page.items)]
