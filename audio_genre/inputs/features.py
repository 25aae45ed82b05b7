"""Tables of audio features: a row is a vector, and the features of a clip or segment are computed by a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.audio import continue_short, cut_segments
from audio_genre.bundles import Bundle
from audio_genre.bundles.card import Card, are_names
from audio_genre.datasets import Table, Window, load_table
from audio_genre.dsp import get_recipe
from audio_genre.dsp.matrix import feature_matrix
from audio_genre.errors import BundleError
from audio_genre.inputs.kind import AudioReader, CardPart, InputKind, TableRows

if TYPE_CHECKING:
    from numpy.typing import NDArray


class FeatureInput(InputKind):
    """Tables of audio features."""

    name = "features"
    title = "a feature table (CSV or Parquet)"
    options = frozenset({"label_column", "group_column", "rows", "conflicts"})

    def recognises(self, path: Path) -> bool:
        """Tell whether a path is no folder; what is wrong with it otherwise is told when it is read."""
        return not path.is_dir()

    def load(self, path: Path, **options: Any) -> Table:
        """Read a table, see `load_table`."""
        return load_table(path, **options)

    def describe(self, dataset: Table, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Return the features of rows."""
        return dataset.X[rows]

    def name_suffixes(self, dataset: Table) -> tuple[str, ...]:
        """Return the length of the segments, if rows are such."""
        window = dataset.window
        return (window.label,) if window is not None and window.kind == "segment" else ()

    def card(self, dataset: Table) -> CardPart:
        """Return recipe, features, and how the table was read."""
        schema = dataset.schema
        return CardPart(
            recipe=None if schema.recipe is None else get_recipe(schema.recipe),
            window=dataset.window,
            facts={"features": list(schema.features), "vote": _vote(dataset.window)},
            training_data={
                "schema": schema.name,
                "ignored_columns": list(dataset.ignored),
                "grouping": {"by": dataset.grouping.by, "certain": dataset.grouping.certain},
                "notes": list(dataset.notes),
            },
        )

    def check(self, folder: Path, card: Card) -> None:
        """Refuse a card without names of features."""
        rule = "a list of one or more texts, each once"
        card.require(folder, "features", lambda value: are_names(value, 1), rule)

    def rows(self, bundle: Bundle, path: Path, **options: Any) -> TableRows:
        """Read a table that has the features of the model."""
        table = load_table(path, **options)
        places = [table.schema.features.index(name) for name in bundle.features if name in table.schema.features]
        if len(places) < len(bundle.features):
            absent = next(name for name in bundle.features if name not in table.schema.features)
            raise BundleError(
                f"{path} has no column {absent!r}, which {bundle.path} takes; choose a model trained on such a table."
            )
        X = table.X[:, places]
        items = tuple(map(str, table.items.tolist()))
        return TableRows(items, ("",) * len(items), X, X, table.notes)

    def check_audio(self, folder: Path, card: Card) -> None:
        """Refuse features that are not those of a recipe."""
        if card.recipe is None or card.window is None or tuple(card.facts["features"]) != card.recipe.feature_names:
            raise _deaf(folder, card)

    def reader(self, bundle: Bundle) -> AudioReader:
        """Return what computes the features of audio."""
        return FeatureReader(bundle)


class FeatureReader(AudioReader):
    """Features of each clip-long window, or of each segment; each is a vote."""

    def __init__(self, bundle: Bundle) -> None:
        recipe, window = bundle.recipe, bundle.window
        if recipe is None or window is None or bundle.features != recipe.feature_names:
            raise _deaf(bundle.path, bundle.card)
        if recipe.shortest > round(window.seconds * recipe.sr) - 1:
            raise BundleError(
                f"{bundle.path} takes windows of {window.label}, and the recipe {recipe.name} needs "
                f"{(recipe.shortest + 1) / recipe.sr:.2g} s, so it cannot classify audio; train it on another table."
            )
        recipe.require()
        self._whole = window.kind == "clip"
        self.unit, self.described, self._recipe = window.label, len(bundle.features), recipe
        shortest = recipe.segment_seconds if self._whole else window.seconds
        super().__init__(
            recipe,
            round(shortest * recipe.sr) - 1,
            recipe.clip_seconds if self._whole else window.seconds,
            whole=self._whole,
        )

    def signals(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the window, or its segments."""
        if self._whole:
            return super().signals(window)
        return cut_segments(continue_short(window, self._needed), stride=self.stride)

    def stretch(self, y: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a stretch, or as much of it as a segment has."""
        y = super().stretch(y)
        return y if self._whole else y[: self.stretch_samples]

    def inputs(self, signals: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the features of each signal, which also tell how novel it is."""
        X = feature_matrix(signals, self._recipe)
        return X, X


def _vote(window: Window | None) -> str:
    """Return how the rows of a track, or the windows of a file, become one answer."""
    if window is None:
        return "mean of the probabilities of the rows of a track; then the temperature"
    if window.kind == "clip":
        return (
            f"mean of the probabilities of consecutive windows of {window.seconds:g} s (a file of up to twice that is "
            "one window; what remains at the end is joined to the last), without silent ones; then the temperature"
        )
    return (
        f"mean of the probabilities of consecutive segments of {window.seconds:g} s, without silent ones; then the "
        "temperature"
    )


def _deaf(folder: Path, card: Card) -> BundleError:
    return BundleError(
        f"{folder} holds a {card.kind} model that does not take the features of a recipe, so it cannot classify audio; "
        "choose a model trained on a table of audio features."
    )
