"""What the page asks of a library: the same calls as those of `audio-genre organize`, in words for JSON."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_genre.errors import LibraryError
from audio_genre.web.places import id_of, path_of, shown
from audio_genre.web.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audio_genre.library import OrganizeReport
    from audio_genre.library.report import PlaylistReport

_WAIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be written.

    Attributes
    ----------
    genres : sequence of str or None
        The genres to keep; None for all.
    min_confidence : float
        Confidence below which a genre is unknown.
    playlists, tags : bool
        What to write.
    overwrite : bool
        Whether to write over other genres in tags.
    """

    genres: Sequence[str] | None = None
    min_confidence: float = 0.0
    playlists: bool = True
    tags: bool = False
    overwrite: bool = False


class Library:
    """What the tabs of the page share: who is at work on which folder, and how often anything changed."""

    def __init__(self) -> None:
        self.changes = 0
        self._locks: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)

    def tracks(self, folder: Path, model: Path | None) -> dict[str, Any]:
        """Tell what is known of every file, without listening to any."""
        from audio_genre.bundles.calibration import UNKNOWN
        from audio_genre.bundles.card import read_card
        from audio_genre.inference.default import default_model
        from audio_genre.library import organize

        told, changes = Task(0, "tracks", ""), self.changes
        with self._alone(folder):
            report = organize(
                folder, model=model, known_only=True, list_files=True, playlists=False, stay_inside=True, progress=told
            )
        classes = read_card(default_model() if model is None else model).classes
        chosen = [file.genre for file in report.files if file.by_hand]
        rows = [
            {
                "id": id_of(file.path),
                "path": shown(file.path),
                "title": file.title,
                "artist": file.artist,
                "album": file.album,
                "seconds": file.seconds,
                "genre": file.genre,
                "confidence": file.confidence,
                "reason": file.reason,
                "by_hand": file.by_hand,
                "model_genre": file.model_genre,
                "model_confidence": file.model_confidence,
            }
            for file in report.files
        ]
        return {
            **_summary(report),
            "choices": list(dict.fromkeys([*classes, *chosen, UNKNOWN])),
            "notes": told.notes,
            "changes": changes,
            "rows": rows,
        }

    def correct(self, folder: Path, genres: Mapping[str, str | None]) -> dict[str, Any]:
        """Keep the genres that somebody chose for files."""
        from audio_genre.library import correct

        correct(folder, {path_of(track): genre for track, genre in genres.items()})
        self.changes += 1
        return {"changes": self.changes}

    def classify(self, folder: Path, model: Path | None, *, retry_failed: bool, told: Task) -> dict[str, Any]:
        """Listen to what is new or changed."""
        from audio_genre.library import organize

        with self._alone(folder, changes=True):
            report = organize(
                folder, model=model, playlists=False, retry_failed=retry_failed, stay_inside=True, progress=told
            )
        return _summary(report)

    def write(self, folder: Path, model: Path | None, wish: Wish, *, apply: bool, told: Task) -> dict[str, Any]:
        """Write playlists and tags of what is known, or tell what would be written."""
        from audio_genre.library import organize

        with self._alone(folder, changes=apply):
            report = organize(
                folder,
                model=model,
                known_only=True,
                genres=wish.genres,
                min_confidence=wish.min_confidence,
                playlists=wish.playlists,
                write_tags=wish.tags,
                overwrite=wish.overwrite,
                list_files=True,
                stay_inside=True,
                apply=apply,
                progress=told,
            )
        tracks: dict[str, list[str]] = {}
        for file in report.files:
            if file.genre and (wish.genres is None or file.genre in wish.genres):
                tracks.setdefault(file.genre, []).append(id_of(file.path))
        return {
            **_summary(report),
            "playlists": [_playlist(each, report.music_dir) for each in report.playlists],
            "left_out": report.left_out,
            "tags": None if report.tags is None else asdict(report.tags),
            "applied": report.applied,
            "tracks": dict(sorted(tracks.items())),
        }

    def undo(self, folder: Path, *, apply: bool, told: Task) -> dict[str, Any]:
        """Take back what was written, or tell what would be."""
        from audio_genre.library import undo_tags

        with self._alone(folder, changes=apply):
            report = undo_tags(folder, apply=apply, progress=told)
        return {
            "restored": report.restored,
            "refused": report.refused,
            "playlists": [_playlist(each, report.music_dir) for each in report.playlists],
            "applied": report.applied,
        }

    @contextmanager
    def _alone(self, folder: Path, *, changes: bool = False) -> Iterator[None]:
        """Let one at a time work on a folder; who comes while that takes long is told so."""
        lock = self._locks[folder]
        if not lock.acquire(timeout=_WAIT_SECONDS):
            raise LibraryError(f"{shown(folder.name)} is being worked on at the moment; wait, or stop that.")
        try:
            yield
        finally:
            self.changes += changes
            lock.release()


def _summary(report: OrganizeReport) -> dict[str, Any]:
    return {
        "model": report.model,
        "trust": report.trust,
        "found": report.found,
        "classified": report.classified,
        "pending": report.found - report.kept - report.classified,
        "failed": report.failed,
        "by_hand": report.by_hand,
        "genres": [asdict(line) for line in report.genres],
    }


def _playlist(playlist: PlaylistReport, music: Path) -> dict[str, Any]:
    path = playlist.path.relative_to(music) if playlist.path.is_relative_to(music) else playlist.path
    return {"path": shown(str(path)), "tracks": playlist.tracks, "action": playlist.action}
