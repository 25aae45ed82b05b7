"""The models that come with the package, and which of them is taken where none is named."""

from __future__ import annotations

from pathlib import Path

from audio_genre.encoders import ENCODERS, path_of
from audio_genre.errors import BundleError

PLAIN = "adam-5"
"""Name of the model that needs nothing else."""

WITH_ENCODER = "discriminant-analysis-fault-filtered-refit"
"""Name of the model that also takes the tags of a pretrained network."""

_ENCODER = ENCODERS["musicnn"]


def default_model() -> Path:
    """Return the folder of the model that is taken by default: the one with tags where their network is installed."""
    return shipped_model(WITH_ENCODER if has_encoder() else PLAIN)


def shipped_model(name: str) -> Path:
    """Return the folder of a model that comes with the package."""
    package = Path(__file__).parents[1]
    # In a copy of the repository, installed as editable, it stands beside the package.
    for folder in (package / "models", package.parent / "models" / "shipped"):
        if (folder / name).is_dir():
            return folder / name
    raise BundleError(
        f"The model {name} that comes with audio-genre is missing in {package}; install the package again, or name a "
        "model with --model."
    )


def has_encoder() -> bool:
    """Tell whether the pretrained network is installed; whether it is intact is told when it is read."""
    return path_of(_ENCODER).exists()
