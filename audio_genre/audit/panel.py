"""The leak panel: what one quick model reaches in the ways that people evaluate by mistake, beside the honest ways."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from audio_genre.metrics import Interval

_FEWEST_SEEN = 10
_ERRORS = 3
_LEAST_VARIANCE = 0.01


@dataclass(frozen=True)
class Way:
    """One way to train and test, and what came out.

    Attributes
    ----------
    name : str
        What is done, in a few words.
    model : str
        Which model was trained.
    subsets : str
        How the rows were dealt to training and test.
    train_rows, test_rows : int
        Number of rows that the model learned from, and of those that it was tested on.
    chance : float
        Share of the largest class among the test rows.
    accuracy : Interval
        By row, with an interval from resampling songs.
    macro_f1 : float
        F1 of each class, averaged over the classes.
    seen : float or None
        Share of the test rows that have something in training that they should not: a copy, their song, their artist.
    accuracy_seen, accuracy_unseen : float or None
        Accuracy on these rows, and on the others; None where there are none.
    shuffled : Interval or None
        Accuracy of the same with labels shuffled among songs: an honest way is at chance.
    shuffled_chance : float or None
        Share of the largest class among the test rows with labels shuffled.
    """

    name: str
    model: str
    subsets: str
    train_rows: int
    test_rows: int
    chance: float
    accuracy: Interval
    macro_f1: float
    seen: float | None = None
    accuracy_seen: float | None = None
    accuracy_unseen: float | None = None
    shuffled: Interval | None = None
    shuffled_chance: float | None = None

    @property
    def finds_nothing(self) -> bool:
        """Whether it stays at chance, or below, with labels shuffled, as it must."""
        return self.shuffled is None or self.shuffled_chance is None or self.shuffled.low <= self.shuffled_chance

    @property
    def tells_seen(self) -> bool:
        """Whether it is right on rows that it has seen far more often than on others: by three standard errors."""
        if not self.seen or self.accuracy_seen is None or self.accuracy_unseen is None:
            return False
        known, new = self.seen * self.test_rows, (1 - self.seen) * self.test_rows
        share = self.accuracy.value
        error = math.sqrt(max(share * (1 - share), _LEAST_VARIANCE) * (1 / known + 1 / new))
        return known >= _FEWEST_SEEN and self.accuracy_seen - self.accuracy_unseen > _ERRORS * error


@dataclass(frozen=True)
class Mistake:
    """A way that people took by mistake, beside the honest way.

    Attributes
    ----------
    kind : str
        Kind of the finding.
    title : str
        The mistake, in a few words.
    advice : str
        What to do in its place, as a part of a sentence.
    wrong, honest : Way
        Both ways.
    shared : str
        What the rows that `Way.seen` counts have in training.
    included : Way or None
        Another wrong way that this one includes, which alone may be why it is higher.
    """

    kind: str
    title: str
    advice: str
    wrong: Way
    honest: Way
    shared: str = ""
    included: Way | None = None

    @property
    def gap(self) -> float:
        """How much higher the accuracy of the wrong way is."""
        return self.wrong.accuracy.value - self.honest.accuracy.value

    @property
    def reaches_with_nothing(self) -> bool:
        """Whether it is above chance with labels shuffled where the honest way is not: then the way itself leaks."""
        found, included = self.wrong.shuffled, None if self.included is None else self.included.shuffled
        if found is None or self.wrong.finds_nothing or not self.honest.finds_nothing:
            return False
        return included is None or found.low > included.high

    @property
    def shows(self) -> bool:
        """Whether the wrong way is higher beyond doubt.

        The intervals do not meet, nor with what it includes; or rows whose song or copy was learned from are right
        far more often than the others; or it is above chance where labels are shuffled, by more than what it includes.
        """
        if self.reaches_with_nothing:
            return True
        if self.kind in ("shared_songs", "shared_copies") and self.wrong.tells_seen:
            return True
        others = [self.honest, *([] if self.included is None else [self.included])]
        return self.wrong.accuracy.low > max(way.accuracy.high for way in others)


@dataclass(frozen=True)
class Panel:
    """What one quick model reaches on a table, the honest ways and the wrong ones.

    Attributes
    ----------
    rows, of_rows : int
        Rows that were used, and rows of the table after cleaning.
    shuffled_rows : int
        Rows that were used with labels shuffled.
    classes : int
        Classes that were told apart.
    left_out : tuple of str
        Classes with too few artists or songs to be split.
    trees : int
        Trees of the forest.
    seed : int
        Seed of sample, split, shuffle and model.
    mistakes : tuple of Mistake
        Wrong beside honest.
    honest : tuple of Way
        Every honest way.
    notes : tuple of str
        What could not be done and why, in sentences.
    """

    rows: int
    of_rows: int
    shuffled_rows: int
    classes: int
    left_out: tuple[str, ...]
    trees: int
    seed: int
    mistakes: tuple[Mistake, ...]
    honest: tuple[Way, ...]
    notes: tuple[str, ...] = ()

    def headline(self) -> str:
        """Return in a sentence how it was measured."""
        sampled = "" if self.rows == self.of_rows else f" of {self.of_rows}, drawn by artist,"
        return (
            f"A random forest of {self.trees} trees on {self.rows} rows{sampled} in {self.classes} classes; accuracy "
            f"on 20 % test rows with 95 % interval; labels shuffled on {self.shuffled_rows} rows."
        )

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {
            **asdict(self),
            "mistakes": [{**asdict(each), "gap": each.gap, "shows": each.shows} for each in self.mistakes],
        }
