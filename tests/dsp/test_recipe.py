from __future__ import annotations

import json

import pytest

from audio_genre.dsp import GTZAN57, RECIPES, get_recipe
from audio_genre.errors import ParameterError


def test_columns_of_the_public_layout() -> None:
    assert len(GTZAN57.columns) == 60
    assert len(set(GTZAN57.columns)) == 60
    assert GTZAN57.columns[:4] == ("filename", "length", "chroma_stft_mean", "chroma_stft_var")
    assert GTZAN57.columns[17:20] == ("perceptr_var", "tempo", "mfcc1_mean")
    assert GTZAN57.columns[-2:] == ("mfcc20_var", "label")


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_found_by_name_and_is_plain_data(name: str) -> None:
    recipe = get_recipe(name)
    assert recipe.name == name
    assert json.loads(json.dumps(recipe.parameters())) == recipe.parameters()


def test_an_unknown_recipe_is_named() -> None:
    with pytest.raises(ParameterError, match=r"'gtzan57-v9' is unknown; this version knows gtzan57-v1"):
        get_recipe("gtzan57-v9")


@pytest.mark.parametrize(
    ("name", "value"),
    [("window", "hamming"), ("pad_mode", "constant"), ("hpss_power", 1.0), ("hpss_margin", 3.0), ("hop_length", 500)],
)
def test_what_nothing_implements_is_refused(name: str, value: object) -> None:
    with pytest.raises(ParameterError, match=rf"{name} .*got {value!r}"):
        GTZAN57.derive(**{name: value})
