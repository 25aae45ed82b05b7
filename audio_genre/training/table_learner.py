"""What learners on feature tables share: dense networks and baselines take the same rows."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from audio_genre.datasets import Table, Window
from audio_genre.dsp import get_recipe
from audio_genre.training.run import Learner

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def _vote(window: Window | None) -> str:
    """Return how the rows of a track, or the windows of a file, make one answer."""
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


class TableLearner(Learner):
    """A variant on a feature table.

    Parameters
    ----------
    table : Table
        The table.
    name : str
        Name of the variant.
    normalisation : str
        What the variant does to features first, for model cards.
    """

    dataset: Table

    def __init__(self, table: Table, name: str, normalisation: str) -> None:
        self.dataset = table
        self.name = name
        self.normalisation = normalisation
        self.reading = table.options
        self.doubts = (table.grouping.note,) if table.grouping.note else ()
        if table.window is not None and table.window.kind == "segment":
            self.name_suffixes = (table.window.label,)

    def describe(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Return the features of rows, which tell how familiar they are.

        Parameters
        ----------
        rows : np.ndarray of int, shape (n,)
            Row numbers.

        Returns
        -------
        np.ndarray, shape (n, d), float32
            Features.
        """
        return self.dataset.X[rows]

    def inputs(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the features of rows.

        Parameters
        ----------
        rows : np.ndarray of int, shape (n,)
            Row numbers.

        Returns
        -------
        np.ndarray, shape (n, d), float32
            Features.
        """
        return self.dataset.X[rows]

    def card(self) -> dict[str, Any]:
        """Describe features and their normalisation.

        Returns
        -------
        dict
            Fields of the card.
        """
        table, schema = self.dataset, self.dataset.schema
        recipe = None if schema.recipe is None else get_recipe(schema.recipe)
        return {
            "recipe": None if recipe is None else {"name": recipe.name, "parameters": recipe.parameters()},
            "features": list(schema.features),
            "window": None if table.window is None else asdict(table.window),
            "input_shape": [len(schema.features)],
            "normalisation": self.normalisation,
            "vote": _vote(table.window),
            "training_data": {
                "schema": schema.name,
                "ignored_columns": list(table.ignored),
                "grouping": {"by": table.grouping.by, "certain": table.grouping.certain},
                "notes": list(table.notes),
            },
        }
