"""Tags that speak for an answer: what the model would believe less without."""

from __future__ import annotations

import numpy as np

from audio_genre.inference.reasons import TagReasons

TAGS = {tag: (f"{tag}_mean", f"{tag}_std") for tag in ("loud", "fast", "old", "sad", "new")}
FEATURES = ("tempo", *(name for names in TAGS.values() for name in names))


def predict(rows: np.ndarray) -> np.ndarray:
    """Genre 0 likes loud, a little fast, and dislikes sad; tempo counts most and is no tag."""
    loud, fast, sad = rows[:, 1], rows[:, 3], rows[:, 7]
    logit = 5 * rows[:, 0] + 2 * loud + 0.5 * fast - 3 * sad
    p = 1 / (1 + np.exp(-logit))
    return np.stack([p, 1 - p], axis=1)


def row(**values: float) -> np.ndarray:
    return np.array([values.get(name.removesuffix("_mean"), 0.0) for name in FEATURES])


USUAL = row(tempo=0.1, loud=0.2, fast=0.2, old=0.2, sad=0.2, new=0.2)


def test_the_strongest_tag_comes_first_and_only_what_is_there_speaks() -> None:
    reasons = TagReasons(TAGS, FEATURES, USUAL)
    clip = row(tempo=0.1, loud=0.6, fast=0.7, old=0.9, sad=0.3, new=0.1)
    assert reasons(clip, 0, predict) == ("loud", "fast")
    assert reasons(clip, 1, predict) == ("sad",)
    # Less sadness than usual speaks for the genre too, but is nothing that is heard.
    assert reasons(row(tempo=0.1, sad=0.0), 0, predict) == ()


def test_no_more_than_three_are_named() -> None:
    def all_count(rows: np.ndarray) -> np.ndarray:
        p = 1 / (1 + np.exp(-rows[:, 1::2] @ np.arange(1, 6)))
        return np.stack([p, 1 - p], axis=1)

    found = TagReasons(TAGS, FEATURES, USUAL)(row(loud=0.9, fast=0.9, old=0.9, sad=0.9, new=0.9), 0, all_count)
    assert found == ("new", "sad", "old")
