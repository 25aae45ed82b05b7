"""Folders of spectrogram pictures to arrays and groups: our own exactly, foreign ones by their colours.

Every picture is kept as bytes in one canonical form: `BANDS` rows, the lowest frequency first, and a column for each
step of time.
"""

from audio_genre.datasets.pictures.files import Progress
from audio_genre.datasets.pictures.folder import PICTURE_SUFFIXES
from audio_genre.datasets.pictures.loading import DEFAULT_MEMORY_LIMIT, Pictures, load_pictures
from audio_genre.datasets.pictures.representation import (
    BANDS,
    FOREIGN,
    FRAMES_PER_COLUMN,
    RESAMPLED,
    Representation,
    canonical,
)

__all__ = [
    "BANDS",
    "DEFAULT_MEMORY_LIMIT",
    "FOREIGN",
    "FRAMES_PER_COLUMN",
    "PICTURE_SUFFIXES",
    "RESAMPLED",
    "Pictures",
    "Progress",
    "Representation",
    "canonical",
    "load_pictures",
]
