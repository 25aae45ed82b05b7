"""Exact GTZAN features, honest genre models, and a classifier for your own music.

Everything heavy is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from audio_genre._version import __version__ as __version__
from audio_genre.errors import AudioGenreError

if TYPE_CHECKING:
    from audio_genre.datasets.tables import load_table
    from audio_genre.dsp.matrix import features
    from audio_genre.extraction.run import extract
    from audio_genre.inference.classifier import Classifier
    from audio_genre.training.cnn import train_cnn
    from audio_genre.training.tabular import train_tabular

__all__ = ["AudioGenreError", "Classifier", "extract", "features", "load_table", "train_cnn", "train_tabular"]

_LOCATIONS = {
    "Classifier": "audio_genre.inference.classifier",
    "extract": "audio_genre.extraction.run",
    "features": "audio_genre.dsp.matrix",
    "load_table": "audio_genre.datasets.tables",
    "train_cnn": "audio_genre.training.cnn",
    "train_tabular": "audio_genre.training.tabular",
}


def __getattr__(name: str) -> Any:
    if name not in _LOCATIONS:
        raise AttributeError(f"module 'audio_genre' has no attribute {name!r}")
    value = getattr(import_module(_LOCATIONS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
