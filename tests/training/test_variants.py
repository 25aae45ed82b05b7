from __future__ import annotations

import numpy as np
import pytest

from audio_genre.errors import ParameterError
from audio_genre.training import VARIANTS, FitSettings
from audio_genre.training.variants import get_variants

DECLARED = {
    "adam-4": ("adam", (256, 128, 64)),
    "adam-5": ("adam", (512, 256, 128, 64)),
    "sgd-5": ("sgd", (512, 256, 128, 64)),
    "rmsprop-6": ("rmsprop", (1024, 512, 256, 128, 64)),
    "mlp-256-128": ("adam", (256, 128)),
    "dnn-l2": ("adam", (512, 256, 128)),
}


def test_the_table_of_variants() -> None:
    assert {name: (variant.fit.optimizer, variant.units) for name, variant in VARIANTS.items()} == DECLARED
    assert [variant.name for variant in get_variants("all")] == list(DECLARED)
    assert get_variants("sgd-5") == (VARIANTS["sgd-5"],)


def test_an_unknown_variant_is_refused() -> None:
    with pytest.raises(
        ParameterError, match=r"'adam-9' is unknown; choose one of .*, rmsprop-6, mlp-256-128, dnn-l2 or all"
    ):
        get_variants("adam-9")


@pytest.mark.parametrize("name", VARIANTS)
def test_layers_and_output_width(name: str) -> None:
    model = VARIANTS[name].build(np.random.default_rng(0).normal(size=(20, 57)).astype(np.float32), 7)
    widths = [layer.units for layer in model.layers if type(layer).__name__ == "Dense"]
    assert widths == [*DECLARED[name][1], 7]
    probabilities = model.predict(np.zeros((4, 57), dtype=np.float32), verbose=0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)


def test_normalisation_is_that_of_the_rows_given_and_survives_extremes() -> None:
    rng = np.random.default_rng(0)
    X = (rng.normal(3, 2, size=(50, 3)) * [1e-6, 1, 1e7]).astype(np.float32)
    X = np.column_stack([X, np.full(50, 4, dtype=np.float32)])
    layer = VARIANTS["adam-4"].build(X, 2).get_layer("normalisation")
    z = np.asarray(layer(X))
    assert np.isfinite(z).all()
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(z.std(axis=0), [1, 1, 1, 0], atol=1e-3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"optimizer": "lion"}, "must be one of adam, sgd, rmsprop; got 'lion'"),
        ({"epochs": 0}, "number of epochs must be 1 or more; got 0"),
        ({"batch_size": -4}, "batch size must be 1 or more; got -4"),
    ],
)
def test_settings_out_of_range_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        FitSettings(**fields)  # type: ignore[arg-type]
