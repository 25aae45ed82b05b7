"""Answers for the rows of a table, by a model that was trained on such tables."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.bundles import Bundle
from audio_genre.bundles.calibration import UNKNOWN, apply_temperature
from audio_genre.errors import apart
from audio_genre.inference.answer import Classification, Classifications
from audio_genre.inputs import load_bundle, read_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS_AT_A_TIME = 8192


def classify_table(
    path: str | os.PathLike[str],
    model: str | os.PathLike[str] | Bundle,
    *,
    unknown: bool = True,
    progress: Callable[[int, int, str], None] | None = None,
    notes: Callable[[str], None] | None = None,
    **reading: Any,
) -> Classifications:
    """Tell the genre of every row of a table.

    Parameters
    ----------
    path : str or os.PathLike
        A table of the kind that the model was trained on: of tracks, or of features. It needs no genres.
    model : str, os.PathLike or Bundle
        The model, or its folder.
    unknown : bool
        Whether rows that the model is too unsure of get no genre.
    progress : callable, optional
        Called with the number of rows done, of all rows, and a remark.
    notes : callable, optional
        Called with each sentence on how the table was read.
    **reading : object
        How the table is read, such as ``encoding``.

    Returns
    -------
    Classifications
        One for each row, in the table's order; ``path`` is the name of the row.

    Raises
    ------
    TableError
        If the table cannot be read.
    BundleError
        If the model cannot be read, or takes what the table does not have.

    Notes
    -----
    A model with a class of other genres gives ``"unknown"`` for rows to which that class is more probable than the
    limit on its card, which was chosen on validation rows.
    """
    bundle = model if isinstance(model, Bundle) else load_bundle(model)
    rows = read_rows(bundle, path, **reading)
    if notes is not None:
        for sentence in rows.notes:
            notes(sentence)
    answers: list[Classification] = []
    for start in range(0, len(rows.X), _ROWS_AT_A_TIME):
        stop = start + _ROWS_AT_A_TIME
        answers += _answers(bundle, rows.items[start:stop], rows.X[start:stop], rows.descriptions[start:stop], unknown)
        if progress is not None:
            progress(len(answers), len(rows.X), "")
    return Classifications(tuple(answers))


def _answers(
    bundle: Bundle, items: tuple[str, ...], X: NDArray[Any], descriptions: NDArray[Any], unknown: bool
) -> list[Classification]:
    limits = bundle.calibration
    probabilities = apply_temperature(bundle.predict(X), limits.temperature)
    distances = None if bundle.novelty is None else bundle.novelty.distances(descriptions)
    other, most = bundle.card.facts.get("other_class"), bundle.card.facts.get("max_other")
    place = None if other is None else bundle.classes.index(other)
    known = probabilities if place is None else np.delete(probabilities, place, axis=1)
    genres = [name for name in bundle.classes if name != other]
    best = known.argmax(axis=1)
    answers = []
    for number, item in enumerate(items):
        confidence = float(known[number, best[number]])
        distance = None if distances is None else float(distances[number])
        genre, reason = genres[best[number]], None
        if unknown:
            # Where there is a class of other genres, doubt between known and other ones is in its probability.
            sure = confidence if place is None else 1.0
            reason = limits.unknown_reason(sure, 0.0 if distance is None else distance)
            if reason is None and place is not None and most is not None and probabilities[number, place] > most:
                found, limit = apart(100 * float(probabilities[number, place]), 100 * most, 1)
                reason = f"like genres outside the model's choice (other {found} %, and at most {limit} % is accepted)"
        answers.append(
            Classification(
                path=item,
                genre=UNKNOWN if reason else genre,
                confidence=confidence,
                probabilities=dict(zip(bundle.classes, np.round(probabilities[number], 9).tolist(), strict=True)),
                model=bundle.name,
                reason=reason,
                distance=distance,
            )
        )
    return answers
