"""The genre in a file's own tag, read and written with mutagen."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from audio_genre.errors import ParameterError

_ID3_V23 = (2, 3)


class TagError(Exception):
    """A file's tag cannot be read or written; the message is to be read after the file's path."""


def require_mutagen() -> None:
    """Refuse to go on without mutagen.

    Raises
    ------
    ParameterError
        If mutagen is not installed.
    """
    if importlib.util.find_spec("mutagen") is None:
        raise ParameterError('Writing tags needs mutagen; install it with: pip install "audio-genre[tags]".')


def read_genres(file: Path) -> list[str]:
    """Read the genres in a file's tag.

    Parameters
    ----------
    file : Path
        An mp3, flac, ogg, opus, m4a, wav or aiff file.

    Returns
    -------
    list of str
        The genres that are not blank; none where there is no tag.

    Raises
    ------
    TagError
        If the file is in another format, or its tag is damaged.
    """
    return [genre for genre in _genres(_opened(file).tags) if genre.strip()]


def write_genre(file: Path, genre: str) -> None:
    """Write one genre into a file's tag, in place of those in it; the rest of the tag stays.

    Parameters
    ----------
    file : Path
        The file, as for `read_genres`. It may be left damaged if this fails.
    genre : str
        The genre.

    Raises
    ------
    TagError
        If the file is in another format, its tag is damaged, or cannot hold this genre.
    """
    import mutagen
    from mutagen.id3 import ID3, TCON
    from mutagen.mp4 import MP4Tags

    audio = _opened(file)
    options: dict[str, Any] = {}
    try:
        if audio.tags is None:
            audio.add_tags()
        elif isinstance(audio.tags, ID3) and audio.tags.version[:2] <= _ID3_V23:
            # Players that know the older form only must go on to understand the tag.
            options = {"v2_version": 3}
        if isinstance(audio.tags, ID3):
            audio.tags.setall("TCON", [TCON(encoding=3, text=[genre])])
            if options:
                audio.tags.update_to_v23()
        else:
            audio.tags["\xa9gen" if isinstance(audio.tags, MP4Tags) else "GENRE"] = [genre]
        audio.save(**options)
    except (mutagen.MutagenError, ValueError, UnicodeError) as error:
        raise TagError(f"cannot be given a tag: {error or type(error).__name__}") from None
    if _genres(_opened(file).tags) != [genre]:
        raise TagError(f"cannot hold {genre!r} as a genre")


def _opened(file: Path) -> Any:
    import mutagen
    from mutagen.aiff import AIFF
    from mutagen.flac import FLAC
    from mutagen.mp3 import MP3
    from mutagen.mp4 import MP4
    from mutagen.oggflac import OggFLAC
    from mutagen.oggopus import OggOpus
    from mutagen.oggspeex import OggSpeex
    from mutagen.oggvorbis import OggVorbis
    from mutagen.wave import WAVE

    kinds = [MP3, FLAC, OggVorbis, OggOpus, OggFLAC, OggSpeex, MP4, AIFF, WAVE]
    try:
        audio = mutagen.File(file, options=kinds)
    except mutagen.MutagenError as error:
        raise TagError(f"has a tag that cannot be read: {error or type(error).__name__}") from None
    except Exception as error:
        # A damaged tag must not spoil a run, whatever it makes a library do.
        raise TagError(f"has a tag that cannot be read: {type(error).__name__}: {error}") from None
    if audio is None:
        raise TagError("is in a format whose tags are not known")
    return audio


def _genres(tags: Any) -> list[str]:
    from mutagen.id3 import ID3
    from mutagen.mp4 import MP4Tags

    if tags is None:
        return []
    if isinstance(tags, ID3):
        return [str(text) for frame in tags.getall("TCON") for text in frame.text]
    return [str(text) for text in tags.get("\xa9gen" if isinstance(tags, MP4Tags) else "GENRE") or ()]
