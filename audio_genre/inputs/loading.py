"""From a folder to a model that is ready for its kind of input."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audio_genre.bundles import Bundle
from audio_genre.bundles.bundle import read_bundle
from audio_genre.bundles.card import Card, read_card
from audio_genre.datasets.grouped import group_column
from audio_genre.errors import BundleError, ParameterError
from audio_genre.inputs.kind import INPUT_KINDS, AudioReader, Dataset, InputKind, TableRows, kind_of


def load_dataset(path: str | os.PathLike[str], *, protocol: Any = None, **options: Any) -> Dataset:
    """Read rows of whatever kind of input a path is.

    Parameters
    ----------
    path : str or os.PathLike
        A feature table, a table of tracks, a prepared folder, or a folder of pictures.
    protocol : str or SplitProtocol, optional
        How the rows will be split: ``group:<column>`` needs that column.
    **options : object
        Options of that kind of input, as `load_table`, `load_tracks` and `load_pictures` have them; None and what is
        empty count as not given.

    Returns
    -------
    Dataset
        The rows.

    Raises
    ------
    ParameterError
        If the path is no input, or its kind has no such option.
    AudioGenreError
        If it cannot be read.
    """
    path = Path(path)
    # What a schema describes has names of its own.
    described = [kind for kind in INPUT_KINDS.values() if options.get("schema") and "schema" in kind.options]
    kind = described[-1] if described else kind_of(path)
    column = group_column(protocol)
    if column is None and options.get("group_column") and kind.groups_by_protocol:
        raise ParameterError(
            f"The option --group-column says nothing of {kind.title}; write --protocol group:{options['group_column']}."
        )
    if column is not None:
        options["group_column"] = column
    return kind.load(path, **options_of(kind, path, options))


def options_of(kind: InputKind, path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are given, or refuse one that a kind of input does not have."""
    given = {name: value for name, value in options.items() if value is not None and value is not False and value != ()}
    unknown = [name for name in given if name not in kind.options]
    if unknown:
        raise ParameterError(
            f"The option {_option(unknown[0])} is not for {kind.title}, which {path} is; leave it out."
        )
    return given


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


def read_rows(bundle: Bundle, path: str | os.PathLike[str], **options: Any) -> TableRows:
    """Read rows of a table for a model.

    Parameters
    ----------
    bundle : Bundle
        The model.
    path : str or os.PathLike
        The table.
    **options : object
        How it is read; options of the model's kind of input.

    Returns
    -------
    TableRows
        The rows, in the table's order.

    Raises
    ------
    ParameterError
        If the kind of input has no such option.
    AudioGenreError
        If the table cannot be read or lacks what the model takes, or such models take no tables.
    """
    kind = _kind_of(bundle)
    unknown = [name for name in options if name not in kind.options]
    if unknown:
        raise ParameterError(
            f"The option {_option(unknown[0])} is not for {kind.title}, which {bundle.path} was trained on; leave it "
            "out."
        )
    return kind.rows(bundle, Path(path), **options)


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


def check_audio(folder: Path) -> None:
    """Refuse a model that cannot classify audio, as far as its card says; nothing but the card is read."""
    card = read_card(folder)
    kind = _known(folder, card)
    kind.check(folder, card)
    kind.check_audio(folder, card)


def _option(name: str) -> str:
    return "--" + {"use": "with"}.get(name, name).replace("_", "-")


def _kind_of(bundle: Bundle) -> InputKind:
    return _known(bundle.path, bundle.card)


def _known(folder: Path, card: Card) -> InputKind:
    try:
        return INPUT_KINDS[card.input]
    except KeyError:
        raise BundleError(
            f"{folder} takes the kind of input {card.input!r}, and this version of audio-genre knows "
            f"{', '.join(INPUT_KINDS)}; upgrade audio-genre or choose another model."
        ) from None
