"""What learners on vectors share: dense networks and baselines take the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audio_genre.datasets import Split
from audio_genre.errors import ParameterError
from audio_genre.inputs import Dataset, Vectors
from audio_genre.training.balance import Learned, balanced, require_balance
from audio_genre.training.run import Learner

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class VectorLearner(Learner):
    """A variant on rows that are vectors."""

    dataset: Vectors

    def __init__(self, dataset: Vectors, name: str, normalisation: str, balance: str = "none") -> None:
        super().__init__(dataset)
        require_balance(balance)
        self.name = name if balance == "none" else f"{name}-{balance}"
        self.normalisation = normalisation
        self.balance = balance

    def learned(self, split: Split, y: NDArray[np.intp], seed: int) -> Learned:
        """Return the training rows as they are learned from: prepared by their kind of input, then balanced."""
        rows = Learned(self.input.learned(self.dataset, split.train), y[split.train])
        return balanced(self.balance, rows, self.input.categories(self.dataset), seed)

    @property
    def balance_options(self) -> tuple[str, ...]:
        """Options of the command line for the balance."""
        return () if self.balance == "none" else ("--balance", self.balance)

    @property
    def balance_settings(self) -> dict[str, str]:
        """What the settings of a balanced model have besides those of its variant."""
        return {} if self.balance == "none" else {"balance": self.balance}

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
