"""Waveform to numbers: the versioned recipe, exact fast separation, mel spectrogram."""

from audio_genre.dsp.recipe import GTZAN57, RECIPES, Recipe, difference, get_recipe

__all__ = ["GTZAN57", "RECIPES", "Recipe", "difference", "get_recipe"]
