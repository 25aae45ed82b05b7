"""Small networks in the place of the declared ones, whose graphs take seconds to build."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

import pytest

from audio_genre.training import (
    Augmentation,
    CnnSettings,
    FitSettings,
    TransformerSettings,
    networks,
    picture_learner,
    start,
    tabular,
    variants,
)

_FIT = FitSettings("adam", 1e-2, epochs=6, patience=6, batch_size=4)

SMALL_CNN = CnnSettings(
    convolutional=1,
    textures=1,
    hidden=8,
    filters=(4, 8),
    fit=_FIT,
    augmentation=Augmentation(2, 4.0),
)
SMALL_TRANSFORMER = TransformerSettings(
    patch=(32, 16), width=8, layers=1, heads=2, fit=_FIT, augmentation=Augmentation(2, 4.0)
)
SMALL_NETWORKS = {network.kind: network for network in (SMALL_CNN, SMALL_TRANSFORMER)}


@contextlib.contextmanager
def small_networks() -> Iterator[None]:
    """Make them the default of everything that asks for a network on pictures."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (networks, picture_learner, start):
            patch.setattr(module, "NETWORKS", SMALL_NETWORKS)
        yield


@contextlib.contextmanager
def small_variants() -> Iterator[None]:
    """Give every dense variant a single small layer."""
    small = {name: dataclasses.replace(variant, units=(8,)) for name, variant in variants.VARIANTS.items()}
    with pytest.MonkeyPatch.context() as patch:
        for module in (variants, tabular):
            patch.setattr(module, "VARIANTS", small)
        yield
