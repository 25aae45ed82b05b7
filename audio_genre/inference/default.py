"""The model that comes with the package."""

from __future__ import annotations

from pathlib import Path

from audio_genre.errors import BundleError

_NAME = "adam-5"


def default_model() -> Path:
    """Return the folder of the model that comes with the package."""
    package = Path(__file__).parents[1]
    # In a copy of the repository, installed as editable, it stands beside the package.
    for folder in (package / "models", package.parent / "models" / "shipped"):
        if (folder / _NAME).is_dir():
            return folder / _NAME
    raise BundleError(
        f"The model {_NAME} that comes with audio-genre is missing in {package}; install the package again, or name a "
        "model with --model."
    )
