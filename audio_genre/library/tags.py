"""The genre in a file's own tags, read and written with mutagen."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from audio_genre.errors import AudioGenreError, ParameterError
from audio_genre.extras import install_command
from audio_genre.files.storage import NO_SPACE_CODES
from audio_genre.library.spelling import same_genre

_ID3_V23 = (2, 3)
_V1_BYTES = 128
_V1_UNKNOWN = 255
# Formats that are a plain stream of frames, which other programs put APEv2 or ID3v1 tags behind.
_STREAMS = ("MP3", "MonkeysAudio", "WavPack", "Musepack", "FLAC")
_MAX_TEXT = 1 << 16
_MAX_CHUNKS = 10_000
_CONVERT = "so a tag in it would not be found; to tag it, convert it to a new wav or flac file"
_NO_SIZE = 0xFFFFFFFF


class TagError(Exception):
    """A file's tag cannot be read or written; the message is to be read after the file's path."""


def require_mutagen() -> None:
    """Refuse to go on without mutagen."""
    if importlib.util.find_spec("mutagen") is None:
        raise ParameterError(f"Writing tags needs mutagen; install it with: {install_command('tags')}.")


def read_genres(file: Path) -> list[str]:
    """Read the genres in all of a file's tags: its main one, and those that other programs put beside it.

    Beside it means a RIFF INFO chunk (``IGNR``) of a wav, an APEv2 or ID3v1 tag of an mp3, an ID3 tag of a flac.
    """
    with _of_this_file("has a tag that cannot be read, because it is damaged or of an unknown kind"):
        fault = _riff_fault(file)
        if fault is not None:
            # What mutagen finds in such a file depends on chance; that there is a genre is enough to leave it.
            found = _info_texts(file)
            if not any(genre.strip() for genre in found):
                raise TagError(f"{fault}, {_CONVERT}")
        else:
            audio = _opened(file)
            found = [*_genres(audio.tags), *(genre for _, genre in _others(file, audio))]
    return list(dict.fromkeys(genre for genre in found if genre.strip()))


def write_genre(file: Path, genre: str) -> None:
    """Write one genre into a file's main tag, in place of those in it; the rest of the tag stays.

    A genre in a further tag is written over too, so that all of them agree.
    """
    with _of_this_file("cannot be given a tag, because what is in the file is damaged or of an unknown kind"):
        fault = _riff_fault(file)
        if fault is not None:
            raise TagError(f"{fault}, {_CONVERT}")
        audio = _opened(file)
        others = _others(file, audio)
        _write_main(audio, genre)
        _write_others(file, others, genre)
        after = _opened(file)
        if _genres(after.tags) != [genre]:
            raise TagError(_why_not_there(file, genre))
        for place, other in _others(file, after):
            if place != "ID3v1" and not same_genre(other, genre):
                raise TagError(f"has the genre {other!r} in its {place} too, where it cannot be overwritten")


def _write_main(audio: Any, genre: str) -> None:
    from mutagen.apev2 import APEv2
    from mutagen.asf import ASFTags
    from mutagen.id3 import ID3, TCON

    options: dict[str, Any] = {}
    if audio.tags is None:
        audio.add_tags()
    elif isinstance(audio.tags, ID3) and audio.tags.version[:2] <= _ID3_V23:
        # Players that know the older form only must go on to understand the tag.
        options = {"v2_version": 3}
    tags = audio.tags
    if isinstance(tags, ID3):
        tags.setall("TCON", [TCON(encoding=3, text=[genre])])
        if options:
            tags.update_to_v23()
    elif isinstance(tags, ASFTags | APEv2):
        for key in {key for key in tags.keys() if _is_genre_key(key)}:  # noqa: SIM118
            del tags[key]
        tags["WM/Genre" if isinstance(tags, ASFTags) else "Genre"] = [genre]
    else:
        own = _main_key(tags)
        for key in [key for key in tags.keys() if key != own and key.startswith("----:") and _is_genre_key(key)]:  # noqa: SIM118
            del tags[key]
        tags[own] = [genre]
    try:
        audio.save(**options)
    except UnicodeError:
        raise TagError(f"cannot hold {genre!r} as a genre") from None


def _write_others(file: Path, others: list[tuple[str, str]], genre: str) -> None:
    """Have the tags beside the main one say the same genre, where they say one at all."""
    places = {place for place, other in others if not same_genre(other, genre)}
    if "APEv2" in places:
        from mutagen.apev2 import APEv2

        tag = APEv2(file)
        for key in {key for key in tag.keys() if _is_genre_key(key)}:  # noqa: SIM118
            del tag[key]
        tag["Genre"] = [genre]
        tag.save(file)
    if "ID3v1" in places:
        with file.open("rb+") as opened:
            opened.seek(-1, os.SEEK_END)
            opened.write(bytes([_v1_number(genre)]))
    if "RIFF INFO chunk" in places:
        with file.open("rb+") as opened:
            for start, size in list(_info_genres(opened)):
                text = genre.encode("utf-8")
                if len(text) > size:
                    raise TagError(f"has a genre in its RIFF INFO chunk, which has no room for {genre!r} in its place")
                opened.seek(start)
                opened.write(text.ljust(size, b"\0"))


def _opened(file: Path) -> Any:
    import mutagen
    from mutagen.aiff import AIFF
    from mutagen.asf import ASF
    from mutagen.flac import FLAC
    from mutagen.monkeysaudio import MonkeysAudio
    from mutagen.mp3 import MP3
    from mutagen.mp4 import MP4
    from mutagen.musepack import Musepack
    from mutagen.oggflac import OggFLAC
    from mutagen.oggopus import OggOpus
    from mutagen.oggspeex import OggSpeex
    from mutagen.oggvorbis import OggVorbis
    from mutagen.wave import WAVE
    from mutagen.wavpack import WavPack

    with file.open("rb") as opened:
        head = opened.read(12)
    if head[:4] in (b"RF64", b"BW64", b"RIFX", b"riff"):
        kind = "W64" if head[:4] == b"riff" else head[:4].decode()
        raise TagError(f"is a wav of the kind {kind}, which cannot be tagged here; convert it to flac")
    kinds = [MP3, FLAC, OggVorbis, OggOpus, OggFLAC, OggSpeex, MP4, AIFF, WAVE, ASF, MonkeysAudio, WavPack, Musepack]
    audio = mutagen.File(file, options=kinds)
    if audio is None:
        raise TagError("is in a format whose tags are not known")
    return audio


def _main_key(tags: Any) -> str:
    from mutagen.mp4 import MP4Tags

    return "\xa9gen" if isinstance(tags, MP4Tags) else "GENRE"


def _is_genre_key(key: str) -> bool:
    return key.lower().rpartition(":")[2].rpartition("/")[2] == "genre"


def _genres(tags: Any) -> list[str]:
    """Return the genres in a tag, each as a text, blank ones too."""
    from mutagen.id3 import ID3

    if tags is None:
        return []
    if isinstance(tags, ID3):
        named = [frame for frame in tags.getall("TXXX") if frame.desc.strip().lower() == "genre"]
        return [str(text) for frame in [*tags.getall("TCON"), *named] for text in frame.text]
    found = []
    # Keys of Vorbis comments and APEv2 tags have no case, but come in any.
    for key in dict.fromkeys(tags.keys()):
        if key == "\xa9gen" or _is_genre_key(key):
            values = tags[key]
            for value in values if isinstance(values, list) else list(values):
                found.append(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))
    return found


def _others(file: Path, audio: Any) -> list[tuple[str, str]]:
    """Return place and text of each genre that stands beside the main tag."""
    from mutagen.apev2 import APENoHeaderError, APEv2
    from mutagen.id3 import ID3, ID3NoHeaderError

    kind = type(audio).__name__
    found = []
    if kind == "WAVE":
        found += [("RIFF INFO chunk", genre) for genre in _info_texts(file)]
    if kind == "MP3":
        with suppress(APENoHeaderError):
            found += [("APEv2", genre) for genre in _genres(APEv2(file))]
    if kind == "FLAC":
        with suppress(ID3NoHeaderError):
            found += [("ID3 tag", genre) for genre in _genres(ID3(file, load_v1=False))]
    if kind in _STREAMS:
        from mutagen.id3 import TCON

        with file.open("rb") as opened:
            opened.seek(max(0, opened.seek(0, os.SEEK_END) - _V1_BYTES))
            tail = opened.read(_V1_BYTES)
        if len(tail) == _V1_BYTES and tail[:3] == b"TAG" and tail[-1] != _V1_UNKNOWN:
            found += [("ID3v1", str(genre)) for genre in TCON(encoding=0, text=[str(tail[-1])]).genres]
    return [(place, genre) for place, genre in found if genre.strip()]


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _v1_number(genre: str) -> int:
    """Return the number of a genre in an ID3v1 tag, or that of none."""
    from mutagen._constants import GENRES

    return next((k for k, name in enumerate(GENRES) if same_genre(name, genre)), _V1_UNKNOWN)


def _chunks(file: IO[bytes], start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and size of the chunks of a RIFF file between two places, as their headers say."""
    for _ in range(_MAX_CHUNKS):
        if start + 8 > end:
            return
        file.seek(start)
        head = file.read(8)
        if len(head) < 8:
            return
        size = int.from_bytes(head[4:], "little")
        yield head[:4], start + 8, size
        start += 8 + size + size % 2


def _info_genres(file: IO[bytes]) -> Iterator[tuple[int, int]]:
    """Yield start and size of the genres in the INFO chunks of a RIFF file, whatever the header says of its length."""
    end = file.seek(0, os.SEEK_END)
    for name, start, size in _chunks(file, 12, end):
        if name == b"LIST" and size >= 4:
            file.seek(start)
            if file.read(4) == b"INFO":
                for inner, place, length in _chunks(file, start + 4, min(end, start + size)):
                    if inner.upper() == b"IGNR" and length <= _MAX_TEXT:
                        yield place, length


def _info_texts(file: Path) -> list[str]:
    """Return the genres in the INFO chunks of a RIFF file."""
    with file.open("rb") as opened:
        places = list(_info_genres(opened))
        texts = []
        for start, size in places:
            opened.seek(start)
            texts.append(_text(opened.read(size).split(b"\0")[0]))
    return texts


def _riff_fault(file: Path) -> str | None:
    """Tell what is wrong with the sizes in the header of a RIFF file; None where it is sound, or no RIFF file."""
    length = file.stat().st_size
    with file.open("rb") as opened:
        head = opened.read(12)
        if head[:4] != b"RIFF":
            return None
        said = int.from_bytes(head[4:8], "little")
        chunks = list(_chunks(opened, 12, length))
    if said == _NO_SIZE or any(name == b"data" and size == _NO_SIZE for name, _, size in chunks):
        return "has a header without its length, as programs write into a pipe"
    if said + 8 > length:
        return f"has a header that says {said + 8} bytes and is {length} bytes long"
    for name, start, size in chunks:
        if start + size > length:
            return f"has a header that says {size} bytes of {_text(name).strip()!r} where {length - start} are left"
    return None


def _why_not_there(file: Path, genre: str) -> str:
    with file.open("rb") as opened:
        if opened.read(4) == b"RIFF":
            return f"has a header whose sizes do not fit its content, {_CONVERT}"
    return f"cannot hold {genre!r} as a genre"


@contextmanager
def _of_this_file(sentence: str) -> Iterator[None]:
    """Have whatever a damaged file makes mutagen raise be the error of this file alone."""
    try:
        yield
    except (TagError, AudioGenreError):
        raise
    except MemoryError:
        raise TagError("has a tag that takes more memory than there is") from None
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:
            # mutagen wraps these; where space is missing, the run must end.
            if isinstance(cause, OSError) and cause.errno is not None:
                if cause.errno in NO_SPACE_CODES:
                    raise OSError(cause.errno, os.strerror(cause.errno)) from None
                raise TagError(f"cannot be read or written: {os.strerror(cause.errno)}") from None
            cause = cause.__cause__ or cause.__context__
        raise TagError(sentence) from None
