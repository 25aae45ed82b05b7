"""The card of a bundle: JSON that anyone may have edited, checked field by field before anything uses it."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from audio_genre.bundles.calibration import UNKNOWN, Calibration
from audio_genre.dsp import RECIPES, difference, get_recipe
from audio_genre.errors import BundleError, ParameterError

CARD = "card.json"
"""Name of the card's file."""

FORMAT_VERSION = 2
"""Version of the layout of a bundle; earlier ones are read, and a later one is refused."""

LITERT, NUMPY = "litert", "numpy"
"""What runs a compact model; a card without the field ``format`` means the first."""

SEEDS = 2**32
"""Seeds are below this."""

_MAX_SECONDS = 86400
# Fields of the calibration that had other names in format version 1.
_RENAMED = MappingProxyType({"least_confidence": "min_confidence", "most_distance": "max_distance"})
_MAX_BYTES = 2**26


def read_card(folder: Path) -> dict[str, Any]:
    """Read the card of a bundle.

    Parameters
    ----------
    folder : Path
        Folder of the bundle.

    Returns
    -------
    dict
        The card; every field that the package uses has the type and range that it should have.

    Raises
    ------
    BundleError
        If the card is missing or malformed, or made for a recipe or in a format that this version does not know.
    """
    file = folder / CARD
    try:
        card = json.loads(read_bounded(file, _MAX_BYTES).decode("utf-8"))
    except OSError as error:
        raise BundleError(f"{folder} is no model bundle: {CARD} cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError):
        raise BundleError(f"{file} is malformed: it is not JSON; train the model again.") from None
    if not isinstance(card, dict):
        raise BundleError(f"{file} is malformed: it must be an object with named fields; train the model again.")
    _require(file, card, "format_version", *_FIELDS["format_version"])
    if card["format_version"] > FORMAT_VERSION:
        raise BundleError(
            f"{folder} has format version {card['format_version']} and this version of audio-genre reads up to "
            f"{FORMAT_VERSION}; upgrade audio-genre."
        )
    card = _upgraded(card)
    for field, (is_valid, rule) in _FIELDS.items():
        _require(file, card, field, is_valid, rule)
    if "format" in card:
        _require(file, card, "format", lambda name: name in (LITERT, NUMPY), f"{LITERT} or {NUMPY}")
    # Cards had no such field before models were calibrated.
    if card.get("calibration") is not None:
        for field, (is_valid, rule) in _FIELDS_OF_CALIBRATION.items():
            _require(file, card, field, is_valid, rule)
    for field, (is_valid, rule) in _FIELDS_OF_KIND.get(card["kind"], {}).items():
        _require(file, card, field, is_valid, rule)
    if card["recipe"] is not None:
        _refuse_other_recipe(folder, card["recipe"])
        longest = get_recipe(card["recipe"]["name"]).clip_seconds
        _require(
            file,
            card,
            "window",
            lambda window: window is not None and window["seconds"] <= longest,
            f"an object with a kind and at most {longest} seconds, because there is a recipe",
        )
    return card


def read_measured_card(folder: Path) -> dict[str, Any]:
    """Read the card of a bundle that is to be compared with others: it must also tell how the model was measured.

    Parameters
    ----------
    folder : Path
        Folder of the bundle.

    Returns
    -------
    dict
        The card; every field that a comparison uses has the type and range that it should have.

    Raises
    ------
    BundleError
        As `read_card`.
    """
    card = read_card(folder)
    for path, (is_valid, rule) in _FIELDS_OF_MEASUREMENT.items():
        *outer, field = path.split(".")
        holder = card[outer[0]] if outer else card
        _require(folder / CARD, holder, field, is_valid, rule, optional=True)
    return card


def read_bounded(file: Path, most: int) -> bytes:
    """Read a file of a bundle, which may come from anyone.

    Parameters
    ----------
    file : Path
        The file.
    most : int
        Most bytes that it may have.

    Returns
    -------
    bytes
        Its content.

    Raises
    ------
    BundleError
        If it is no regular file, or larger.
    OSError
        If it cannot be read.
    """
    found = file.stat()
    # Opening a pipe or a device could wait for ever.
    if not stat.S_ISREG(found.st_mode):
        raise BundleError(f"{file} is not a regular file; choose another model.")
    if found.st_size > most:
        raise BundleError(f"{file} has {found.st_size} bytes, and at most {most} are read; choose another model.")
    return file.read_bytes()


def _upgraded(card: dict[str, Any]) -> dict[str, Any]:
    """Return a card of an earlier format version as the current one has it."""
    if card["format_version"] == 1 and isinstance(card.get("calibration"), dict):
        calibration = {_RENAMED.get(name, name): value for name, value in card["calibration"].items()}
        return {**card, "calibration": calibration}
    return card


def _require(
    file: Path, card: dict[str, Any], field: str, is_valid: Callable[[Any], bool], rule: str, *, optional: bool = False
) -> None:
    # A field that may be null may be left out: cards of earlier versions lack some.
    if (field not in card and not (optional and is_valid(None))) or not is_valid(card.get(field)):
        raise BundleError(f"{file} is malformed: the field {field!r} must be {rule}; train the model again.")


def _refuse_other_recipe(folder: Path, recipe: dict[str, Any]) -> None:
    name = recipe["name"]
    try:
        known = get_recipe(name)
    except ParameterError:
        raise BundleError(
            f"{folder} was made for the recipe {name!r}, and this version of audio-genre knows {', '.join(RECIPES)}; "
            "upgrade audio-genre or train the model again."
        ) from None
    other = difference(recipe["parameters"], known)
    if other is not None:
        raise BundleError(
            f"{folder} was made with other parameters of the recipe {name!r} than this version of audio-genre has: "
            f"{other}; train the model again."
        )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_metrics(value: Any) -> bool:
    """Tell whether the figures of a side have an accuracy by track, or are not there at all."""
    for name in ("tracks", "accuracy", "value"):
        if value is None:
            return True
        if not isinstance(value, dict):
            return False
        value = value.get(name)
    return value is None or _is_number(value, 0, 1)


def _is_text(value: Any) -> bool:
    """Tell whether a value can be shown: JSON can hold halves of characters, which no terminal takes."""
    return isinstance(value, str) and value != "" and not any("\ud800" <= character <= "\udfff" for character in value)


def _are_names(value: Any, least: int) -> bool:
    return (
        isinstance(value, list) and len(value) >= least and all(map(_is_text, value)) and len(set(value)) == len(value)
    )


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_recipe(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and _is_text(value.get("name")) and "parameters" in value)


def _is_window(value: Any) -> bool:
    if value is None:
        return True
    if not isinstance(value, dict) or set(value) != {"kind", "seconds"}:
        return False
    seconds = value["seconds"]
    return (
        value["kind"] in ("clip", "segment")
        and isinstance(seconds, int | float)
        and not isinstance(seconds, bool)
        and 0 < seconds <= _MAX_SECONDS
    )


def _is_representation(value: Any) -> bool:
    if not isinstance(value, dict) or not _is_text(value.get("name")):
        return False
    frames = value.get("frames_per_column")
    return frames is None or _is_whole(frames)


def _is_number(value: Any, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _is_calibration(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {field.name for field in fields(Calibration)}
        and _is_number(value["temperature"], 0.01, 100)
        and _is_number(value["window_temperature"], 0.01, 100)
        and _is_number(value["min_confidence"], 0, 1)
        and _is_number(value["max_distance"], 0, 1e9)
        and _is_number(value["accepted"], 0, 1)
        and _is_whole(value["tracks"])
    )


_OBJECT = (_is_object, "an object with named fields")
_FIELDS = MappingProxyType(
    {
        "format_version": (_is_whole, "a whole number from 1"),
        "name": (_is_text, "a text"),
        "kind": (_is_text, "a text"),
        "compact_sha256": (_is_text, "a text"),
        "classes": (
            lambda value: _are_names(value, 2) and UNKNOWN not in value,
            f"a list of two or more texts, each once and none of them {UNKNOWN!r}",
        ),
        "recipe": (_is_recipe, "null or an object with a name and parameters"),
        "window": (
            _is_window,
            f"null or an object with a kind (clip or segment) and seconds above 0 and up to {_MAX_SECONDS}",
        ),
        "input_shape": (
            lambda value: isinstance(value, list) and value != [] and all(map(_is_whole, value)),
            "a list of whole numbers from 1",
        ),
        "training_data": _OBJECT,
        "protocol": _OBJECT,
        "metrics": _OBJECT,
        "versions": _OBJECT,
    }
)

_FIELDS_OF_CALIBRATION = MappingProxyType(
    {
        "calibration": (
            _is_calibration,
            "an object with temperature and window_temperature (0.01 to 100), min_confidence and accepted (0 to 1), "
            "max_distance (0 to 1e9) and tracks (a whole number from 1)",
        ),
        "familiarity_sha256": (_is_text, "a text"),
    }
)

_MAX_CLASSES = 1000
_TEXT = (_is_text, "a text")
_FIELDS_OF_MEASUREMENT = MappingProxyType(
    {
        "classes": (lambda value: len(value) <= _MAX_CLASSES, f"a list of at most {_MAX_CLASSES} texts"),
        "protocol.name": _TEXT,
        "protocol.leaky": (lambda value: isinstance(value, bool), "true or false"),
        "protocol.description": (lambda value: value is None or value == "" or _is_text(value), "a text or null"),
        "protocol.fold": (lambda value: value is None or value == "" or _is_text(value), "a text or null"),
        "variant": _OBJECT,
        "variant.name": (lambda value: value is None or _is_text(value), "a text or null"),
        "seed": (lambda value: _is_count(value) and value < SEEDS, f"a whole number from 0 and below {SEEDS}"),
        "training": _OBJECT,
        "training.best_epoch": (lambda value: value is None or _is_count(value), "a whole number from 0 or null"),
        "training.interrupted": (lambda value: value is None or isinstance(value, bool), "true, false or null"),
        "training_data.file": (lambda value: value is None or _is_text(value), "a text or null"),
        "training_data.sha256": (lambda value: value is None or _is_text(value), "a text or null"),
        "metrics.test": (_is_metrics, "null, or figures whose accuracy by track is a number from 0 to 1"),
        "metrics.validation": (_is_metrics, "null, or figures whose accuracy by track is a number from 0 to 1"),
    }
)

_FEATURES = (lambda value: _are_names(value, 1), "a list of one or more texts, each once")
_FIELDS_OF_KIND = MappingProxyType(
    {
        "tabular": {"features": _FEATURES},
        "baseline": {"features": _FEATURES},
        "cnn": {"pictures": (_is_representation, "an object with a name and frames_per_column")},
    }
)
