"""Small networks in the place of the declared ones, whose graphs take seconds to build."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

import pytest

from audio_genre import training
from audio_genre.training import Augmentation, CnnSettings, FitSettings, api, cnn, tabular, variants

SMALL_CNN = CnnSettings(
    convolutional=1,
    textures=1,
    hidden=8,
    filters=(4, 8),
    fit=FitSettings("adam", 1e-2, epochs=6, patience=6, batch_size=4),
    augmentation=Augmentation(2, 4.0),
)


@contextlib.contextmanager
def small_cnn() -> Iterator[None]:
    """Make it the default of everything that asks for the default settings."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (api, cnn, training):
            patch.setattr(module, "CnnSettings", lambda: SMALL_CNN)
        yield


@contextlib.contextmanager
def small_variants() -> Iterator[None]:
    """Give every dense variant a single small layer."""
    small = {name: dataclasses.replace(variant, units=(8,)) for name, variant in variants.VARIANTS.items()}
    with pytest.MonkeyPatch.context() as patch:
        for module in (variants, tabular):
            patch.setattr(module, "VARIANTS", small)
        yield
