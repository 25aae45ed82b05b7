"""The encoder: fitted on training rows alone, and the same after it was written and read."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_genre.datasets.tracks.encoder import HIDDEN, Context, Encoder
from audio_genre.errors import ParameterError

COLUMNS, KINDS = ("danceability", "key", "mode", "tempo"), ("number", "category", "flag", "number")


def table(seed: int, count: int = 60, classes: int = 3) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    raw = np.column_stack(
        [rng.random(count), rng.integers(0, 4, count), rng.integers(0, 2, count), rng.normal(100, 20, count)]
    ).astype(np.float32)
    raw[rng.random(raw.shape) < 0.1] = np.nan
    names = np.array([f"naïve {k}" for k in range(9)] + [""], dtype=object)
    texts = {"artist": rng.choice(names, count), "album": rng.choice(names, count)}
    return raw, texts, np.concatenate([np.arange(classes), rng.integers(0, classes, count - classes)])


def fit(seed: int, classes: int = 3, **options: Any) -> tuple[Encoder, np.ndarray]:
    raw, texts, y = table(seed, classes=classes, **options)
    return Encoder.fit(COLUMNS, KINDS, raw, texts, y, classes, seed=seed)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(2, 4), st.integers(0, 10**6))
def test_what_was_written_encodes_the_same(seed: int, classes: int, other: int) -> None:
    encoder, _ = fit(seed, classes)
    read = Encoder.from_parts(json.loads(json.dumps(encoder.as_json())), encoder.arrays())
    raw, texts, _ = table(other)
    one, two = encoder.transform(raw, texts), read.transform(raw, texts)
    assert one.tobytes() == two.tobytes()
    assert read.names == encoder.names
    assert one.shape[1] == len(encoder.names)
    assert np.isfinite(one).all()
    assert read.one_hot == encoder.one_hot
    assert read.flags == encoder.flags


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_the_columns_are_what_they_are_called(seed: int) -> None:
    raw, texts, y = table(seed)
    encoder, learned = Encoder.fit(COLUMNS, KINDS, raw, {}, y, 3)
    found = dict(zip(encoder.names, encoder.transform(raw, texts).T, strict=True))
    assert np.array_equal(learned, encoder.transform(raw, {}))
    medians = np.nanmedian(raw, axis=0)
    for name, column, median in (("danceability", raw[:, 0], medians[0]), ("tempo", raw[:, 3], medians[3])):
        assert np.array_equal(found[name], np.where(np.isnan(column), np.float32(median), column))
    keys = np.unique(raw[:, 1][np.isfinite(raw[:, 1])])
    values, counts = np.unique(raw[:, 1][np.isfinite(raw[:, 1])], return_counts=True)
    filled = np.where(np.isnan(raw[:, 1]), values[counts.argmax()], raw[:, 1])
    for key in keys:
        assert np.array_equal(found[f"key={key:g}"], (filled == key).astype(np.float32))
    for name in encoder.indicators:
        assert np.array_equal(found[f"{name} missing"], np.isnan(raw[:, COLUMNS.index(name)]).astype(np.float32))
    assert {COLUMNS[k] for k in range(4) if np.isnan(raw[:, k]).any()} == set(encoder.indicators)


def test_an_unseen_category_is_none_of_those_seen() -> None:
    encoder, _ = fit(0)
    raw, texts, _ = table(1)
    raw[:, 1] = 11
    (place,) = encoder.one_hot
    assert not encoder.transform(raw, texts)[:, place].any()


def test_only_training_rows_are_fitted_on() -> None:
    raw, texts, y = table(0)
    one, _ = Encoder.fit(COLUMNS, KINDS, raw[:40], {name: values[:40] for name, values in texts.items()}, y[:40], 3)
    raw[40:] *= 7
    two, _ = Encoder.fit(COLUMNS, KINDS, raw[:40], {name: values[:40] for name, values in texts.items()}, y[:40], 3)
    assert one.as_json() == two.as_json()


class TestContext:
    def test_a_row_is_encoded_without_its_own_fold(self) -> None:
        # Every artist has one row: what is learned of it must not tell that row's genre.
        y = np.arange(200) % 2
        names = np.array([f"artist {k}" for k in range(200)], dtype=object)
        context, learned = Context.fit(names, y, 2, 0)
        assert abs(learned[y == 0, 0].mean() - learned[y == 1, 0].mean()) < 0.02
        assert not learned[:, -1].any()
        # As a new row of a known artist it is told.
        assert context.transform(names)[y == 1, 0].min() > context.transform(names)[y == 0, 0].max()

    def test_a_share_of_the_rows_is_hidden(self) -> None:
        y = np.arange(1000) % 2
        names = np.array([f"artist {k}" for k in y], dtype=object)
        context, learned = Context.fit(names, y, 2, 0)
        hidden = learned[:, -1] == 0
        assert abs(hidden.mean() - HIDDEN) < 0.05
        assert (learned[hidden, 0] == context.prior[0]).all()

    def test_unknown_and_empty_names_are_answered_alike(self) -> None:
        context, _ = Context.fit(np.array(["a", "b", ""] * 20, dtype=object), np.arange(60) % 2, 2, 0)
        unknown, empty, last, first = context.transform(np.array(["m", "", "zz", "A"], dtype=object))
        for row in (empty, last, first):
            assert np.array_equal(row, unknown)

    def test_a_genre_with_a_single_row(self) -> None:
        y = np.array([0, 0, 0, 1, 1, 2])
        _, learned = Context.fit(np.array(list("ababcc"), dtype=object), y, 3, 0)
        assert np.isfinite(learned).all()
        with pytest.raises(ParameterError, match="two training rows or more, and each has one"):
            Context.fit(np.array(list("abc"), dtype=object), np.arange(3), 3, 0)


class TestDamage:
    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("artist_prior", None, "of the artist is missing"),
            ("artist_prior", np.float32(1), "does not fit together"),
            ("artist_prior", np.array([np.nan] * 3, np.float32), "out of range"),
            ("artist_table", np.zeros((1, 3), np.float32), "does not fit together"),
            ("artist_counts", np.zeros(10, np.float32), "does not fit together"),
            ("artist_names", np.frombuffer("\n".join("jihgfedcba").encode(), np.uint8), "out of order"),
        ],
    )
    def test_parts_that_do_not_fit(self, name: str, value: Any, words: str) -> None:
        encoder, _ = fit(0)
        arrays = encoder.arrays()
        assert len(encoder.contexts["artist"].names) == 10
        if value is None:
            del arrays[name]
        else:
            arrays[name] = value
        with pytest.raises(ValueError, match=words):
            Encoder.from_parts(encoder.as_json(), arrays)

    def test_a_table_out_of_range(self) -> None:
        encoder, _ = fit(0)
        for value in (np.inf, -1, 2):
            arrays = encoder.arrays() | {"album_table": np.full_like(encoder.arrays()["album_table"], value)}
            with pytest.raises(ValueError, match="out of range"):
                Encoder.from_parts(encoder.as_json(), arrays)
