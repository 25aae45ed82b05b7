from __future__ import annotations

import pytest

from audio_genre.datasets import GTZAN57_TABLE, TableSchema
from audio_genre.errors import ParameterError


def test_the_public_schema_has_57_features_and_no_length() -> None:
    assert len(GTZAN57_TABLE.features) == 57
    assert "length" not in GTZAN57_TABLE.features
    assert GTZAN57_TABLE.recipe == "gtzan57-v1"


@pytest.mark.parametrize("column", ["genre", "id", "artist", "samples", "Unnamed: 0", "index"])
def test_what_tells_the_answer_is_never_a_feature(column: str) -> None:
    with pytest.raises(ParameterError, match=f"{column!r} of the schema 'toy' cannot be a feature"):
        TableSchema("toy", None, ("energy", column), label="genre", item="id", group="artist", length="samples")


@pytest.mark.parametrize("features", [(), ("a", "a")])
def test_features_are_named_once(features: tuple[str, ...]) -> None:
    with pytest.raises(ParameterError, match="at least one column, each named once"):
        TableSchema("toy", None, features, label="genre", item="id")
