"""Waveform to numbers: versioned recipes of features, exact fast separation, mel spectrogram."""

from audio_genre.dsp.gtzan57 import GTZAN57, Gtzan57
from audio_genre.dsp.musicnn50 import MUSICNN50
from audio_genre.dsp.recipe import JoinedRecipe, Recipe, WindowFeatures, difference
from audio_genre.dsp.registry import RECIPES, get_recipe

__all__ = [
    "GTZAN57",
    "MUSICNN50",
    "RECIPES",
    "Gtzan57",
    "JoinedRecipe",
    "Recipe",
    "WindowFeatures",
    "difference",
    "get_recipe",
]
