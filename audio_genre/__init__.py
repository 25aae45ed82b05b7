"""Exact GTZAN features, honest genre models, and a classifier for your own music.

Everything heavy is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from audio_genre._version import __version__ as __version__
from audio_genre.errors import AudioGenreError

if TYPE_CHECKING:
    from audio_genre.audit import audit
    from audio_genre.datasets import load_pictures, load_table, load_tracks
    from audio_genre.dsp.matrix import features
    from audio_genre.evaluation.compare import compare
    from audio_genre.evaluation.explore import explore
    from audio_genre.extraction import extract
    from audio_genre.inference import Classifier, classify_table
    from audio_genre.inputs import load_bundle
    from audio_genre.library import organize
    from audio_genre.training import train, train_baseline, train_cnn, train_pictures, train_tabular

__all__ = [
    "AudioGenreError",
    "Classifier",
    "audit",
    "classify_table",
    "compare",
    "explore",
    "extract",
    "features",
    "load_bundle",
    "load_pictures",
    "load_table",
    "load_tracks",
    "organize",
    "train",
    "train_baseline",
    "train_cnn",
    "train_pictures",
    "train_tabular",
]

# `audio_genre.audit` is a package too; as a module it can be called like the function.
_LOCATIONS = {
    "Classifier": "audio_genre.inference.classifier",
    "audit": "audio_genre.audit",
    "classify_table": "audio_genre.inference",
    "compare": "audio_genre.evaluation.compare",
    "explore": "audio_genre.evaluation.explore",
    "extract": "audio_genre.extraction.run",
    "features": "audio_genre.dsp.matrix",
    "load_bundle": "audio_genre.inputs",
    "load_pictures": "audio_genre.datasets",
    "load_table": "audio_genre.datasets",
    "load_tracks": "audio_genre.datasets",
    "organize": "audio_genre.library",
    "train": "audio_genre.training",
    "train_baseline": "audio_genre.training",
    "train_cnn": "audio_genre.training",
    "train_pictures": "audio_genre.training",
    "train_tabular": "audio_genre.training",
}


def __getattr__(name: str) -> Any:
    if name not in _LOCATIONS:
        raise AttributeError(f"module 'audio_genre' has no attribute {name!r}")
    value = getattr(import_module(_LOCATIONS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
