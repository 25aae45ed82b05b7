"""Genres over time: what a model says of each stretch of a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from audio_genre.inference.answer import Classification, most_probable

if TYPE_CHECKING:
    import pandas as pd

SILENT = "is silent"
"""Why the genre of a stretch is unknown in which nothing is to be heard."""


@dataclass(frozen=True)
class TimelinePoint:
    """What a model says of one stretch of a file.

    Attributes
    ----------
    start, end : float
        The stretch, in seconds from the start of the file.
    genre : str
        The most probable genre, or ``"unknown"`` where there is a reason to give none.
    confidence : float
        Probability of the most probable genre, also where it is ``"unknown"``.
    probabilities : dict of str to float
        Calibrated probability of every genre, in the model's order. Where nothing is to be heard, all are equal.
    reason : str or None
        Why the genre is unknown; None where it is known.
    distance : float or None
        How far the stretch is from the training data; None where that is not known.
    tags : tuple of str
        Up to three tags that speak for the genre, the strongest first; empty where the model does not hear tags.
    """

    start: float
    end: float
    genre: str
    confidence: float
    probabilities: dict[str, float]
    reason: str | None = None
    distance: float | None = None
    tags: tuple[str, ...] = ()

    @property
    def is_silent(self) -> bool:
        """Whether nothing is to be heard in the stretch, so that no genre is more probable than another."""
        return self.reason == SILENT

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
        >>> TimelinePoint(0.0, 30.0, "jazz", 0.7, {"blues": 0.3, "jazz": 0.7}).top(1)
        [('jazz', 0.7)]
        """
        return most_probable(self.probabilities, count)


@dataclass(frozen=True)
class Timeline:
    """The genres of a file over time.

    Attributes
    ----------
    answer : Classification
        What `Classifier.classify` answers for the whole file.
    points : tuple of TimelinePoint
        In their order in time; they may overlap, and cover the file.
    window_seconds : float
        Length of the stretch behind a point; a short file has a shorter one.
    hop_seconds : float
        From one point's start to the next one's.
    """

    answer: Classification
    points: tuple[TimelinePoint, ...]
    window_seconds: float
    hop_seconds: float

    def to_frame(self) -> pd.DataFrame:
        """Return the points as a data frame.

        Returns
        -------
        pandas.DataFrame
            One row for each point: start and end in seconds, genre, confidence, reason, distance, and ``p(<genre>)``
            for every genre.
        """
        import pandas as pd

        facts = ("start", "end", "genre", "confidence", "reason", "distance")
        return pd.DataFrame(
            {name: getattr(point, name) for name in facts}
            | {f"p({genre})": value for genre, value in point.probabilities.items()}
            for point in self.points
        )


def clock(seconds: float, *, tenths: bool = False) -> str:
    """Write a time as people read it.

    Examples
    --------
    >>> clock(65), clock(3605.2), clock(0.26, tenths=True)
    ('1:05', '1:00:05', '0:00.3')
    """
    rest, tenth = divmod(round(10 * seconds), 10) if tenths else (round(seconds), 0)
    minutes, second = divmod(rest, 60)
    hours, minute = divmod(minutes, 60)
    text = f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
    return f"{text}.{tenth}" if tenths else text
