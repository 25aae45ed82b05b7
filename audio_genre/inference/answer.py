"""Answers of a classifier, for clips and for stretches of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def most_probable(probabilities: Mapping[str, float], count: int) -> list[tuple[str, float]]:
    """Return the most probable genres with their probabilities, the best first."""
    return sorted(probabilities.items(), key=lambda pair: -pair[1])[:count]


@dataclass(frozen=True)
class Classification:
    """The answer for one clip.

    Attributes
    ----------
    path : str
        The clip, as the caller named it.
    genre : str
        The most probable genre, or ``"unknown"`` where there is a reason to give none.
    confidence : float
        Probability of the most probable genre, also where the answer is ``"unknown"``.
    probabilities : dict of str to float
        Probability of every genre the model knows, in the model's order; they sum to 1. Where nothing is to be heard,
        all are equal.
    model : str
        Name of the model.
    reason : str or None
        Why the genre is unknown; None where it is known.
    distance : float or None
        How far the clip is from the training data, the mean over its windows; None where that is not known.
    tags : tuple of str
        Up to three tags that speak for the genre, such as ``"instrumental"``, the strongest first; empty where the
        model does not hear tags.
    """

    path: str
    genre: str
    confidence: float
    probabilities: dict[str, float]
    model: str
    reason: str | None = None
    distance: float | None = None
    tags: tuple[str, ...] = ()

    @property
    def is_silent(self) -> bool:
        """Whether nothing was heard, so that no genre is more probable than another."""
        return self.reason is not None and self.distance is None

    def top(self, count: int) -> list[tuple[str, float]]:
        """Return the most probable genres with their probabilities, the best first.

        Parameters
        ----------
        count : int
            How many; fewer if the model knows fewer.

        Returns
        -------
        list of tuple of str and float
            Genre and probability.

        Examples
        --------
        >>> Classification("x.wav", "jazz", 0.7, {"blues": 0.3, "jazz": 0.7}, "adam-4").top(1)
        [('jazz', 0.7)]
        """
        return most_probable(self.probabilities, count)

    def to_frame(self) -> pd.DataFrame:
        """Return the answer as a data frame.

        Returns
        -------
        pandas.DataFrame
            One row: path, genre, confidence, reason, distance, model, and ``p(<genre>)`` for every genre.
        """
        return Classifications((self,)).to_frame()


@dataclass(frozen=True)
class Classifications:
    """The answers for several clips, in the order in which the clips were given.

    Attributes
    ----------
    answers : tuple of Classification
        One for each clip that could be classified.
    failed : dict of str to str
        Why each other clip could not be, by its path.
    """

    answers: tuple[Classification, ...]
    failed: Mapping[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Classification]:
        return iter(self.answers)

    def __len__(self) -> int:
        return len(self.answers)

    def __getitem__(self, number: int) -> Classification:
        return self.answers[number]

    def to_frame(self) -> pd.DataFrame:
        """Return the answers as a data frame."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for answer in self.answers:
            probabilities = {f"p({genre})": value for genre, value in answer.probabilities.items()}
            facts = ("path", "genre", "confidence", "reason", "distance", "model")
            rows.append({**{name: getattr(answer, name) for name in facts}, **probabilities})
        return pd.DataFrame(rows)
