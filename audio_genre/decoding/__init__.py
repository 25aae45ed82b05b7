"""Audio files to blocks of samples, by whatever decodes them; what a decoder raises becomes an `AudioError`."""

from audio_genre.decoding.formats import EXTRA_SUFFIXES, SNDFILE_SUFFIXES, has_extra, needs_extra
from audio_genre.decoding.opening import Part, open_parts, refuse_unreadable
from audio_genre.decoding.sndfile import cut_short

__all__ = [
    "EXTRA_SUFFIXES",
    "SNDFILE_SUFFIXES",
    "Part",
    "cut_short",
    "has_extra",
    "needs_extra",
    "open_parts",
    "refuse_unreadable",
]
