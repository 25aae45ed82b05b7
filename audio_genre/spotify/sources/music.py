"""The user's own audio files, and what a model that hears them says."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from audio_genre.errors import ParameterError
from audio_genre.extras import install_command
from audio_genre.files.walk import find_clips
from audio_genre.library.plan import Opinion
from audio_genre.library.report import NoProgress
from audio_genre.library.run import listen_to
from audio_genre.spotify.patience import AccountProgress
from audio_genre.spotify.songs import LikedSong
from audio_genre.spotify.sources.source import Matcher, Source

# What a tag is called in each kind of file.
_NAMES = {
    "isrc": ("isrc", "TSRC", "----:com.apple.iTunes:ISRC", "ISRC", "WM/ISRC"),
    "title": ("title", "TIT2", "\xa9nam", "Title"),
    "artists": ("artist", "TPE1", "\xa9ART", "Author", "Artist"),
}


class Music(Source):
    """Audio files that are some of the songs, by ISRC, or by title, artist and duration."""

    name = "music"

    def __init__(
        self, music_dir: Path, model: Path | None, jobs: int | None = None, *, stay_inside: bool = False
    ) -> None:
        self._music_dir, self._model, self._jobs, self._stay_inside = music_dir, model, jobs, stay_inside

    def opinions(self, songs: Sequence[LikedSong], progress: AccountProgress) -> dict[str, Opinion]:
        """Return what the model hears in the files that are among the songs; no other file is classified."""
        if importlib.util.find_spec("mutagen") is None:
            raise ParameterError(f"Matching files with songs needs mutagen; install it with: {install_command('tags')}")
        if not self._music_dir.is_dir():
            raise ParameterError(f"{self._music_dir} is no folder; give the folder of your music with --music.")
        matcher = Matcher(songs)
        file_of: dict[str, tuple[str, str]] = {}
        ways = {"ISRC": 0, "title and artist": 1}
        clips = find_clips(
            self._music_dir,
            unreadable=lambda folder, error: _tell(progress, folder, error),
            stay_inside=self._stay_inside,
        )
        for done, clip in enumerate(clips, 1):
            progress(done, None, "files compared with the liked songs")
            for song, how in _meant(matcher, self._music_dir / clip.path):
                known = file_of.get(song.key)
                if known is None or ways[how] < ways[known[1]]:
                    file_of[song.key] = clip.path, how
        if not file_of:
            return {}
        wanted = frozenset(path for path, _ in file_of.values())
        model, heard = listen_to(
            self._music_dir,
            wanted,
            model=self._model,
            jobs=self._jobs,
            progress=_Told(progress, len(wanted)),
            stay_inside=self._stay_inside,
        )
        found = {}
        for key, (path, how) in file_of.items():
            entry = heard.get(path)
            if entry is None or entry.answer is None:
                continue
            if entry.by_hand:
                found[key] = Opinion(entry.genre, 1.0, f"your file {path} ({how}), chosen by hand")
            else:
                answer = entry.answer
                found[key] = Opinion(
                    answer.genre, answer.confidence, f"your file {path} ({how}), {model}", answer.reason
                )
        return found


def _meant(matcher: Matcher, file: Path) -> list[tuple[LikedSong, str]]:
    import mutagen

    try:
        audio = mutagen.File(file)
        if audio is None:
            return []
        texts = {role: _text(audio.tags or {}, names) for role, names in _NAMES.items()}
        length = getattr(audio.info, "length", None)
    except Exception:  # mutagen raises whatever a broken file makes it stumble over
        return []
    songs, how = matcher.find(**texts, seconds=length if isinstance(length, int | float) else None)
    return [(song, how) for song in songs]


def _text(tags: Mapping[str, Any], names: Sequence[str]) -> str:
    for name in names:
        try:
            value = tags[name]
        except (KeyError, ValueError):
            continue
        values = getattr(value, "text", value)
        parts = values if isinstance(values, list | tuple) else [values]
        text = "; ".join(part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part) for part in parts)
        if text.strip():
            return text
    return ""


def _tell(progress: AccountProgress, folder: str, error: OSError) -> None:
    progress.note(f"{folder or 'The folder of music'} cannot be read: {error.strerror or error}.")


class _Told(NoProgress):
    """Passes on how listening goes."""

    def __init__(self, progress: AccountProgress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def planned(self, found: int, todo: int) -> None:
        self._done = self._total - todo if found == self._total else self._done
        self._show()

    def done(self, path: str) -> None:  # noqa: ARG002
        self._done += 1
        self._show()

    def failed(self, path: str, reason: str) -> None:
        self._progress.note(f"{path} {reason}.")
        self._done += 1
        self._show()

    def note(self, sentence: str) -> None:
        self._progress.note(sentence)

    def _show(self) -> None:
        self._progress(self._done, self._total, "files classified")
