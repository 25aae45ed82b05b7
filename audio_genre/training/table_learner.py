"""What learners on feature tables share: dense networks and baselines take the same rows."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from audio_genre.datasets import Table
from audio_genre.dsp import get_recipe
from audio_genre.training.run import Learner

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_VOTES = {
    None: "mean of the probabilities of the rows of a track",
    "clip": "mean of the probabilities of consecutive windows of the clip length; up to twice that is one window",
    "segment": "mean of the probabilities of consecutive segments; silent ones have no say",
}


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
            "vote": _VOTES[None if table.window is None else table.window.kind],
            "training_data": {"schema": schema.name, "ignored_columns": list(table.ignored)},
        }
