"""Every recipe by its name. A new one is a module of its own, and a line here."""

from __future__ import annotations

import re
from functools import lru_cache
from types import MappingProxyType

from audio_genre.dsp.gtzan57 import GTZAN57
from audio_genre.dsp.musicnn50 import MUSICNN50
from audio_genre.dsp.recipe import JoinedRecipe, Recipe
from audio_genre.errors import ParameterError

_LONGEST_NAME = 200
_DERIVED = re.compile(r"(?P<base>[^\[\]]+)\[(?P<changes>[^\[\]]+)\]")

RECIPES: MappingProxyType[str, Recipe] = MappingProxyType({recipe.name: recipe for recipe in (GTZAN57, MUSICNN50)})
"""Every recipe by its name."""


@lru_cache
def get_recipe(name: str) -> Recipe:
    """Return the recipe of a name.

    Parameters
    ----------
    name : str
        Name of a recipe, such as ``"gtzan57-v1"``, with changes in brackets, or several joined by ``+``.

    Returns
    -------
    Recipe
        The recipe; one that joins others has them in the order of the registry.

    Raises
    ------
    ParameterError
        If there is none of that name, or those that it joins do not go together.

    Examples
    --------
    >>> get_recipe("gtzan57-v1[n_fft=4096]").n_fft
    4096
    >>> get_recipe("musicnn50-v1+gtzan57-v1").name
    'gtzan57-v1+musicnn50-v1'
    """
    parts = [_single(part, name) for part in name.split("+")]
    if len(parts) == 1:
        return parts[0]
    order = list(RECIPES)
    return JoinedRecipe(tuple(sorted(parts, key=lambda part: order.index(part.name.partition("[")[0]))))


def _single(part: str, name: str) -> Recipe:
    if part in RECIPES:
        return RECIPES[part]
    derived = _DERIVED.fullmatch(part)
    if derived is not None and derived["base"] in RECIPES:
        recipe = RECIPES[derived["base"]].derive_named(derived["changes"])
        if recipe.name == part:
            return recipe
    # A card from a stranger may hold any text.
    shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
    raise ParameterError(
        f"The recipe {shown!r} is unknown; this version knows {', '.join(RECIPES)}, changes such as "
        "gtzan57-v1[n_fft=4096], and several joined by +."
    )
