"""What `audio_genre` and its rooms export is documented in full: every parameter, result and error, in numpydoc."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import Validator, validate

import audio_genre

# Examples, references and longer summaries are where they help; the rest is layout that ruff checks.
NOT_ASKED = {"EX01", "SA01", "ES01", "GL01", "GL02", "GL03", "YD01"}
# Its names are for other rooms only.
INTERNAL = "audio_genre.decoding"
ROOMS = [
    "audio_genre",
    *(f"audio_genre.{room.name}" for room in pkgutil.iter_modules(audio_genre.__path__) if room.ispkg),
]


def exported() -> Iterator[str]:
    """Yield the full names of functions, classes and their own methods that a room exports."""
    for room in set(ROOMS) - {INTERNAL}:
        for name in getattr(import_module(room), "__all__", ()):
            thing = getattr(import_module(room), name)
            if not (inspect.isclass(thing) or inspect.isfunction(thing)):
                continue
            full = f"{thing.__module__}.{thing.__qualname__}"
            yield full
            for member, found in vars(thing).items() if inspect.isclass(thing) else ():
                value = found.__func__ if isinstance(found, classmethod | staticmethod) else found
                is_method = inspect.isfunction(value) or isinstance(value, functools.cached_property | property)
                # What a method of a base says holds for those that override it.
                is_new = not any(hasattr(base, member) for base in thing.__bases__)
                if is_method and is_new and not member.startswith("_"):
                    yield f"{full}.{member}"


@pytest.mark.parametrize("name", sorted(set(exported())))
def test_what_is_exported_is_documented_in_full(name: str) -> None:
    thing = Validator._load_obj(name)
    faults = {code: text for code, text in validate(name)["errors"] if code not in NOT_ASKED}
    if inspect.isclass(thing):
        # Attributes of a data class are its parameters; those of a protocol or a list are nobody's to give.
        documented = NumpyDocString(inspect.getdoc(thing))["Attributes"]
        names = {name for item in documented for name in item.name.split(", ")}
        given = (
            {item.name for item in dataclasses.fields(thing) if item.init} if dataclasses.is_dataclass(thing) else set()
        )
        if {name for name in given if not name.startswith("_")} <= names:
            faults.pop("PR01", None)
    elif "see `train`" in thing.__doc__:
        faults = {code: text for code, text in faults.items() if code not in ("PR01", "RT01")}
    assert faults == {}


def test_every_exported_name_is_in_the_documentation() -> None:
    page = (Path(__file__).parents[1] / "docs" / "api.md").read_text(encoding="utf-8").splitlines()
    listed = {line.removeprefix("::: ") for line in page if line.startswith("::: ")}
    # Methods are shown with their class.
    assert listed == {name for name in exported() if not name.split(".")[-2][0].isupper()}
