"""Networks of a user's own: settings that differ from a variant's in what the command line has options for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar, cast

from audio_genre.errors import ParameterError

_S = TypeVar("_S")

DENSE_OPTIONS = MappingProxyType(
    {
        "layers": "units",
        "dropout": "dropout",
        "learning-rate": "fit.learning_rate",
        "batch-size": "fit.batch_size",
        "epochs": "fit.epochs",
    }
)
"""Options of ``audio-genre train tabular``, and the attributes of a `DenseVariant` that they set."""

CNN_OPTIONS = MappingProxyType(
    {
        "filters": "filters",
        "crop-seconds": "crop_seconds",
        "dropout": "dropout",
        "learning-rate": "fit.learning_rate",
        "batch-size": "fit.batch_size",
        "epochs": "fit.epochs",
    }
)
"""Options of ``audio-genre train pictures --network cnn``, and the attributes of `CnnSettings` that they set."""

TRANSFORMER_OPTIONS = MappingProxyType(
    {
        "patch-size": "patch",
        "width": "width",
        "layers": "layers",
        "heads": "heads",
        "crop-seconds": "crop_seconds",
        "dropout": "dropout",
        "learning-rate": "fit.learning_rate",
        "batch-size": "fit.batch_size",
        "epochs": "fit.epochs",
    }
)
"""Options of ``audio-genre train pictures --network transformer``, and the attributes of its settings."""


def own_settings(base: _S, options: Mapping[str, str], given: Mapping[str, Any]) -> _S:
    """Return settings with other values for some options, under a name that tells them.

    Examples
    --------
    >>> from audio_genre.training import VARIANTS
    >>> own_settings(VARIANTS["adam-4"], DENSE_OPTIONS, {"layers": (256, 128), "dropout": 0.5}).name
    'adam-4-layers-256-128-dropout-0.5'
    """
    own: Any = _with(base, {options[option]: value for option, value in given.items() if value is not None})
    differences = [pair for pair in _differences(base, own, options) if pair[0] != "epochs"]
    if differences:
        name = "-".join([own.name, *(part for pair in differences for part in pair)]).replace(",", "-")
        own = dataclasses.replace(own, name=name)
    return cast("_S", own)


def options_between(base: Any, own: Any, options: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the options of the command line that turn settings into others; None if they differ in more."""
    differences = _differences(base, own, options)
    if own_settings(base, options, {option: _get(own, options[option]) for option, _ in differences}) != own:
        return None
    return tuple(word for option, value in differences for word in (f"--{option}", value))


def numbers(text: str, option: str) -> tuple[int, ...]:
    """Read whole numbers with commas between them.

    Examples
    --------
    >>> numbers("256, 128", "--layers")
    (256, 128)
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ParameterError(
            f"{option} must be whole numbers with commas between them, such as 256,128; got {text!r}."
        ) from None


def _differences(base: Any, own: Any, options: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the options in which settings differ, with the values as they are typed."""
    found = [(option, _get(own, path)) for option, path in options.items() if _get(own, path) != _get(base, path)]
    return [(option, ",".join(map(str, value)) if isinstance(value, tuple) else repr(value)) for option, value in found]


def _get(settings: Any, path: str) -> Any:
    for name in path.split("."):
        settings = getattr(settings, name)
    return settings


def _with(settings: Any, values: Mapping[str, Any]) -> Any:
    """Return settings with other values by their paths; all at once, because some fit together only."""
    changes: dict[str, Any] = {}
    inside: dict[str, dict[str, Any]] = {}
    for path, value in values.items():
        name, _, rest = path.partition(".")
        if rest:
            inside.setdefault(name, {})[rest] = value
        else:
            changes[name] = value
    changes |= {name: _with(getattr(settings, name), rest) for name, rest in inside.items()}
    return dataclasses.replace(settings, **changes)
