"""From a folder to a model that is ready for its kind of input."""

from __future__ import annotations

import os

from audio_genre.bundles import Bundle
from audio_genre.bundles.bundle import read_bundle
from audio_genre.errors import BundleError
from audio_genre.inputs.kind import INPUT_KINDS, AudioReader, InputKind


def load_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Open a trained model.

    Parameters
    ----------
    path : str or os.PathLike
        Folder of the bundle.

    Returns
    -------
    Bundle
        The model and its card.

    Raises
    ------
    BundleError
        If a file is missing or malformed, card and model disagree, or the bundle was made for a recipe, a kind of input
        or in a format that this version of the package does not know.
    """
    bundle = read_bundle(path)
    _kind_of(bundle).check(bundle.path, bundle.card)
    return bundle


def open_reader(bundle: Bundle) -> AudioReader:
    """Return what turns audio into inputs of a model.

    Parameters
    ----------
    bundle : Bundle
        The model.

    Returns
    -------
    AudioReader
        Of its kind of input.

    Raises
    ------
    BundleError
        If its inputs cannot be computed from audio, or its files contradict each other.
    """
    reader = _kind_of(bundle).reader(bundle)
    if bundle.novelty is not None and bundle.novelty.size != reader.described:
        raise BundleError(
            f"{bundle.path} contradicts itself: its novelty detector takes {bundle.novelty.size} quantities, and an "
            f"input of its model has {reader.described}; train it again."
        )
    return reader


def _kind_of(bundle: Bundle) -> InputKind:
    try:
        return INPUT_KINDS[bundle.card.input]
    except KeyError:
        raise BundleError(
            f"{bundle.path} takes the kind of input {bundle.card.input!r}, and this version of audio-genre knows "
            f"{', '.join(INPUT_KINDS)}; upgrade audio-genre or choose another model."
        ) from None
