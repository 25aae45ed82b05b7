"""What learners on vectors share: dense networks and baselines take the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audio_genre.errors import ParameterError
from audio_genre.inputs import Dataset, Vectors
from audio_genre.training.run import Learner

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class VectorLearner(Learner):
    """A variant on rows that are vectors."""

    dataset: Vectors

    def __init__(self, dataset: Vectors, name: str, normalisation: str) -> None:
        super().__init__(dataset)
        self.name = name
        self.normalisation = normalisation

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Length of a vector."""
        return (self.dataset.X.shape[1],)

    def inputs(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return vectors."""
        return self.dataset.X[rows]

    def facts(self) -> dict[str, Any]:
        """Return what is done to a vector first."""
        return {"normalisation": self.normalisation}


def require_vectors(dataset: Dataset, what: str) -> Vectors:
    """Refuse rows that are no vectors."""
    if not hasattr(dataset, "X"):
        raise ParameterError(f"{what} learn from rows of numbers, and {dataset.path} has none; give a table.")
    return dataset  # type: ignore[return-value]
