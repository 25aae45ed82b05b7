"""Which formats there are, how their files begin, and what decodes them."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from typing import NamedTuple

from audio_genre.extras import install_command

SNDFILE_SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".au", ".snd", ".aiff", ".aif", ".aifc", ".caf", ".w64"}
)
"""Lower-case suffixes of audio files in formats that libsndfile decodes."""

EXTRA_SUFFIXES = frozenset(
    {
        *(".3gp", ".aac", ".ac3", ".amr", ".ape", ".dff", ".dsf", ".m4a", ".m4b", ".mka"),
        *(".mp4", ".mpc", ".ra", ".tta", ".webm", ".wma", ".wv"),
    }
)
"""Lower-case suffixes of audio files in formats that FFmpeg decodes and libsndfile does not."""

HEAD_BYTES = 4096
"""How much of a file's beginning `sniff` looks at."""


class Format(NamedTuple):
    """A format that was recognised by a file's first bytes.

    Attributes
    ----------
    words : str
        Its name, to be read after "it is".
    demuxer : str or None
        FFmpeg's name of what opens it; None for what is no audio.
    suffix : str
        What its files are called.
    by_sndfile : bool
        Whether libsndfile is asked first.
    """

    words: str
    demuxer: str | None
    suffix: str
    by_sndfile: bool = False


_MP4 = Format("MP4 audio", "mov", ".m4a")
_MPEG = Format("MPEG audio", "mp3", ".mp3", by_sndfile=True)
_AAC = Format("AAC audio", "aac", ".aac")
_HTML = Format("an HTML page", None, ".html")

# Offset, bytes, format.
_MAGIC: tuple[tuple[int, bytes, Format], ...] = (
    (8, b"WAVE", Format("WAV audio", "wav", ".wav", by_sndfile=True)),
    (0, b"fLaC", Format("FLAC audio", "flac", ".flac", by_sndfile=True)),
    (0, b"OggS", Format("Ogg audio", "ogg", ".ogg", by_sndfile=True)),
    (0, b"FORM", Format("AIFF audio", "aiff", ".aiff", by_sndfile=True)),
    (0, b".snd", Format("AU audio", "au", ".au", by_sndfile=True)),
    (0, b"caff", Format("CAF audio", "caf", ".caf", by_sndfile=True)),
    (0, b"riff\x2e\x91\xcf\x11", Format("W64 audio", "w64", ".w64", by_sndfile=True)),
    *((4, box, _MP4) for box in (b"ftyp", b"moov", b"mdat", b"wide")),
    (0, bytes.fromhex("3026B2758E66CF11"), Format("Windows Media audio", "asf", ".wma")),
    (0, b"\x1a\x45\xdf\xa3", Format("Matroska or WebM audio", "matroska", ".mka")),
    (0, b"#!AMR", Format("AMR audio", "amr", ".amr")),
    (0, b"MAC ", Format("Monkey's Audio", "ape", ".ape")),
    (0, b"wvpk", Format("WavPack audio", "wv", ".wv")),
    (0, b"DSD ", Format("DSD audio", "dsf", ".dsf")),
    (0, b"FRM8", Format("DSD audio", "iff", ".dff")),
    (0, b"TTA1", Format("True Audio", "tta", ".tta")),
    (0, b"MPCK", Format("Musepack audio", "mpc8", ".mpc")),
    (0, b"MP+", Format("Musepack audio", "mpc", ".mpc")),
    (0, b".RMF", Format("RealAudio", "rm", ".ra")),
    (0, b".ra\xfd", Format("RealAudio", "rm", ".ra")),
    (0, b"\x0b\x77", Format("AC-3 audio", "ac3", ".ac3")),
    (0, b"FLV\x01", Format("Flash video", "flv", ".flv")),
    (8, b"AVI ", Format("AVI video", "avi", ".avi")),
    (0, b"%PDF", Format("a PDF document", None, ".pdf")),
    (0, b"PK\x03\x04", Format("a ZIP archive", None, ".zip")),
    (0, b"Rar!", Format("a RAR archive", None, ".rar")),
    (0, b"\x1f\x8b", Format("a gzip archive", None, ".gz")),
    (0, b"\x89PNG", Format("a PNG picture", None, ".png")),
    (0, b"\xff\xd8\xff", Format("a JPEG picture", None, ".jpg")),
    (0, b"GIF8", Format("a GIF picture", None, ".gif")),
    (0, b"#EXTM3U", Format("a playlist", None, ".m3u8")),
    (0, b"\x00\x05\x16\x07", Format("a file of macOS beside the audio", None, "")),
)


def sniff(head: bytes) -> Format | None:
    """Recognise a format by a file's first bytes.

    Examples
    --------
    >>> sniff(bytes([0, 0, 0, 32]) + b"ftypM4A ").words
    'MP4 audio'
    >>> sniff(b"<!DOCTYPE html><title>404").words
    'an HTML page'
    """
    for offset, magic, found in _MAGIC:
        if head.startswith(magic, offset):
            return found
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")) or (start.startswith(b"<") and b"<html" in start):
        return _HTML
    if len(head) > 1 and head[0] == 0xFF and head[1] >= 0xE0:
        # The layer's two bits are 00 in AAC alone.
        return _AAC if head[1] & 0xF6 == 0xF0 else _MPEG
    return None


@lru_cache(maxsize=1)
def has_extra() -> bool:
    """Return whether PyAV, and with it FFmpeg, is installed."""
    return importlib.util.find_spec("av") is not None


def needs_extra(what: str) -> str:
    """Tell that a file needs the extra ``formats``.

    Examples
    --------
    >>> print(needs_extra(".m4a"))
    is in a format (.m4a) that needs an extra; run pip install "av>=14", or convert it to flac or wav
    """
    return (
        f"is in a format ({what}) that needs an extra; run {install_command('formats')}, or convert it to flac or wav"
    )
