"""Reports that are drawn and reckoned in less time, where no figure depends on it."""

from __future__ import annotations

import pytest

from audio_genre.evaluation import charts, exploration, exploration_report
from audio_genre.evaluation.charts import FORMATS


def small_exploration(patch: pytest.MonkeyPatch) -> None:
    """Grow a small forest and draw small pictures, in one format."""
    patch.setattr(charts, "_DPI", 30)
    # What can be drawn as PNG can be in the other formats, which take their time.
    drawn = charts.rendered
    others = dict.fromkeys(FORMATS, b"")
    patch.setattr(exploration_report, "rendered", lambda figure: {**others, **drawn(figure, ("png",))})
    patch.setattr(exploration, "_TREES", 30)
    patch.setattr(exploration, "_MIN_REPEATS", 2)
    patch.setattr(exploration, "_MAX_REPEATS", 2)
    patch.setattr(exploration, "_SET_TREES", 10)
    patch.setattr(exploration, "_SET_SIZES", 6)
