"""The card of a bundle: JSON that anyone may have edited, checked field by field before anything uses it."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from audio_genre.bundles.calibration import UNKNOWN, Calibration
from audio_genre.datasets.groups import Window
from audio_genre.dsp import RECIPES, Recipe, difference, get_recipe
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
# Fields that had other names in format version 1.
_RENAMED = MappingProxyType(
    {
        "compact_sha256": "exported_sha256",
        "familiarity_sha256": "novelty_sha256",
        "least_confidence": "min_confidence",
        "most_distance": "max_distance",
    }
)
_MAX_BYTES = 2**26


@dataclass(frozen=True)
class Card:
    """What a model says of itself; `read_card` reads and checks one, and training writes one.

    Attributes
    ----------
    name : str
        Name of the model.
    kind : str
        Kind of model, such as ``"tabular"``.
    input : str
        Kind of input that it takes, a name of `audio_genre.inputs.INPUT_KINDS`.
    classes : tuple of str
        Classes, in the order of the probabilities.
    recipe : Recipe or None
        Recipe by which audio becomes inputs; None where they come from elsewhere.
    window : Window or None
        The stretch of signal behind one row; None where there is no recipe.
    input_shape : tuple of int
        Shape of one input.
    calibration : Calibration or None
        Temperature and limits; None for a model that was not calibrated.
    seed : int or None
        Seed of split and training.
    variant, protocol, training_data, metrics, training : mapping
        Settings of the model; how rows were split; what was learned from; scores of each subset; epochs and time.
    facts : mapping
        Every other field: what the kind of input says of itself, limits, command, identity, date.
    format : str
        What runs the exported model: `LITERT` or `NUMPY`.
    exported_sha256, novelty_sha256 : str
        Hashes of the exported model and of the novelty detector.
    versions : mapping
        Versions of the libraries.
    format_version : int
        Version of the layout of its folder.
    """

    name: str
    kind: str
    input: str
    classes: tuple[str, ...]
    recipe: Recipe | None
    window: Window | None
    input_shape: tuple[int, ...]
    calibration: Calibration | None
    seed: int | None
    variant: Mapping[str, Any]
    protocol: Mapping[str, Any]
    training_data: Mapping[str, Any]
    metrics: Mapping[str, Any]
    training: Mapping[str, Any]
    facts: Mapping[str, Any]
    format: str = LITERT
    exported_sha256: str = ""
    novelty_sha256: str = ""
    versions: Mapping[str, Any] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Card:
        """Make a card of checked fields.

        Parameters
        ----------
        fields : mapping
            What ``card.json`` holds, checked by `read_card`.

        Returns
        -------
        Card
            The card.
        """
        recipe, window, calibration = fields["recipe"], fields["window"], fields.get("calibration")
        typed = {
            **{name: fields[name] for name in ("name", "kind", "input", "exported_sha256", "format_version")},
            **{name: fields[name] for name in ("protocol", "training_data", "metrics", "versions")},
            **{name: _object_or_empty(fields.get(name)) for name in ("variant", "training")},
            "format": fields.get("format", LITERT),
            "novelty_sha256": fields.get("novelty_sha256") or "",
            "seed": fields["seed"] if _is_count(fields.get("seed")) else None,
            "classes": tuple(fields["classes"]),
            "input_shape": tuple(fields["input_shape"]),
            "recipe": None if recipe is None else get_recipe(recipe["name"]),
            "window": None if window is None else Window(**window),
            "calibration": None if calibration is None else Calibration(**calibration),
        }
        return cls(**typed, facts={name: value for name, value in fields.items() if name not in typed})

    def to_dict(self) -> dict[str, Any]:
        """Return the card as plain data, which is what ``card.json`` holds.

        Returns
        -------
        dict
            Every field.
        """
        recipe = self.recipe
        return {
            "format_version": self.format_version,
            "name": self.name,
            "kind": self.kind,
            "input": self.input,
            "classes": list(self.classes),
            "recipe": None if recipe is None else {"name": recipe.name, "parameters": recipe.parameters()},
            "window": None if self.window is None else asdict(self.window),
            "input_shape": list(self.input_shape),
            **self.facts,
            "training_data": dict(self.training_data),
            "protocol": dict(self.protocol),
            "metrics": dict(self.metrics),
            "calibration": None if self.calibration is None else asdict(self.calibration),
            "variant": dict(self.variant),
            "seed": self.seed,
            "training": dict(self.training),
            "format": self.format,
            "versions": dict(self.versions),
            "exported_sha256": self.exported_sha256,
            "novelty_sha256": self.novelty_sha256,
        }

    @property
    def interrupted(self) -> bool:
        """Whether the training was ended early."""
        return self.training.get("interrupted") is True

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights the model has; 0 where it was not trained in epochs."""
        best = self.training.get("best_epoch")
        return int(best) if best is not None and _is_count(best) else 0

    def accuracy(self, subset: str) -> float | None:
        """Return the accuracy by track over a subset of the rows; None if the card gives none.

        Parameters
        ----------
        subset : str
            ``"train"``, ``"validation"`` or ``"test"``.

        Returns
        -------
        float or None
            From 0 to 1.
        """
        value = self.metrics.get(subset)
        for name in ("tracks", "accuracy", "value"):
            value = value.get(name) if isinstance(value, dict) else None
        return float(value) if isinstance(value, int | float) and _is_number(value, 0, 1) else None

    def require(self, folder: Path, field: str, is_valid: Callable[[Any], bool], rule: str) -> None:
        """Refuse a card whose field of a kind of input is missing or malformed.

        Parameters
        ----------
        folder : Path
            Folder of the bundle, for the message.
        field : str
            Name of the field.
        is_valid : callable
            Tells whether a value is right.
        rule : str
            What it must be, for the message.

        Raises
        ------
        BundleError
            If it is missing or not valid.
        """
        _require(folder / CARD, dict(self.facts), field, is_valid, rule)


def read_card(folder: Path, *, measured: bool = False) -> Card:
    """Read the card of a bundle."""
    file = folder / CARD
    try:
        card = json.loads(read_bounded(file, _MAX_BYTES).decode("utf-8"))
    except OSError as error:
        inside = sorted(path.parent for path in folder.glob(f"*/{CARD}"))
        hint = f"; name one of the models in it, such as {inside[0]}" if inside else ""
        raise BundleError(f"{folder} is no model bundle: {CARD} cannot be read ({error.strerror}){hint}.") from None
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
    for name, (is_valid, rule) in _FIELDS.items():
        _require(file, card, name, is_valid, rule)
    if "format" in card:
        _require(file, card, "format", lambda name: name in (LITERT, NUMPY), f"{LITERT} or {NUMPY}")
    # Cards had no such field before models were calibrated.
    if card.get("calibration") is not None:
        for name, (is_valid, rule) in _FIELDS_OF_CALIBRATION.items():
            _require(file, card, name, is_valid, rule)
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
    for path, (is_valid, rule) in _FIELDS_OF_MEASUREMENT.items() if measured else ():
        *outer, name = path.split(".")
        _require(file, card[outer[0]] if outer else card, name, is_valid, rule, optional=True)
    return Card.from_dict(card)


def read_bounded(file: Path, most: int) -> bytes:
    """Read a file of a bundle, which may come from anyone."""
    found = file.stat()
    # Opening a pipe or a device could wait for ever.
    if not stat.S_ISREG(found.st_mode):
        raise BundleError(f"{file} is not a regular file; choose another model.")
    if found.st_size > most:
        raise BundleError(f"{file} has {found.st_size} bytes, and at most {most} are read; choose another model.")
    return file.read_bytes()


def _upgraded(card: dict[str, Any]) -> dict[str, Any]:
    """Return a card of an earlier format version with the names of the current one."""
    if card["format_version"] > 1:
        return card
    card = {_RENAMED.get(name, name): value for name, value in card.items()}
    if isinstance(card.get("calibration"), dict):
        card["calibration"] = {_RENAMED.get(name, name): value for name, value in card["calibration"].items()}
    return {"input": "pictures" if "pictures" in card else "features", **card}


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


def is_whole(value: Any) -> bool:
    """Tell whether a value is a whole number from 1."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_metrics(value: Any) -> bool:
    """Tell whether the figures of a subset have an accuracy by track, or are not there at all."""
    for name in ("tracks", "accuracy", "value"):
        if value is None:
            return True
        if not isinstance(value, dict):
            return False
        value = value.get(name)
    return value is None or _is_number(value, 0, 1)


def is_text(value: Any) -> bool:
    """Tell whether a value can be shown: JSON can hold halves of characters, which no terminal takes."""
    return isinstance(value, str) and value != "" and not any("\ud800" <= character <= "\udfff" for character in value)


def are_names(value: Any, least: int) -> bool:
    """Tell whether a value is a list of so many different texts or more."""
    return (
        isinstance(value, list) and len(value) >= least and all(map(is_text, value)) and len(set(value)) == len(value)
    )


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _object_or_empty(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_recipe(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and is_text(value.get("name")) and "parameters" in value)


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
        and is_whole(value["tracks"])
    )


_OBJECT = (_is_object, "an object with named fields")
_FIELDS = MappingProxyType(
    {
        "format_version": (is_whole, "a whole number from 1"),
        "name": (is_text, "a text"),
        "kind": (is_text, "a text"),
        "input": (is_text, "a text"),
        "exported_sha256": (is_text, "a text"),
        "classes": (
            lambda value: are_names(value, 2) and UNKNOWN not in value,
            f"a list of two or more texts, each once and none of them {UNKNOWN!r}",
        ),
        "recipe": (_is_recipe, "null or an object with a name and parameters"),
        "window": (
            _is_window,
            f"null or an object with a kind (clip or segment) and seconds above 0 and up to {_MAX_SECONDS}",
        ),
        "input_shape": (
            lambda value: isinstance(value, list) and value != [] and all(map(is_whole, value)),
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
        "novelty_sha256": (is_text, "a text"),
    }
)

_MAX_CLASSES = 1000
_TEXT = (is_text, "a text")
_FIELDS_OF_MEASUREMENT = MappingProxyType(
    {
        "classes": (lambda value: len(value) <= _MAX_CLASSES, f"a list of at most {_MAX_CLASSES} texts"),
        "protocol.name": _TEXT,
        "protocol.leaky": (lambda value: isinstance(value, bool), "true or false"),
        "protocol.description": (lambda value: value is None or value == "" or is_text(value), "a text or null"),
        "protocol.fold": (lambda value: value is None or value == "" or is_text(value), "a text or null"),
        "variant": _OBJECT,
        "variant.name": (lambda value: value is None or is_text(value), "a text or null"),
        "seed": (lambda value: _is_count(value) and value < SEEDS, f"a whole number from 0 and below {SEEDS}"),
        "training": _OBJECT,
        "training.best_epoch": (lambda value: value is None or _is_count(value), "a whole number from 0 or null"),
        "training.interrupted": (lambda value: value is None or isinstance(value, bool), "true, false or null"),
        "training_data.file": (lambda value: value is None or is_text(value), "a text or null"),
        "training_data.sha256": (lambda value: value is None or is_text(value), "a text or null"),
        "metrics.test": (_is_metrics, "null, or figures whose accuracy by track is a number from 0 to 1"),
        "metrics.validation": (_is_metrics, "null, or figures whose accuracy by track is a number from 0 to 1"),
    }
)
