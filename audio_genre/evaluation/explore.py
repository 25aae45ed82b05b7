"""Explore a table of features or of tracks and write a report: `exploration` computes, `exploration_report` writes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import cast

from audio_genre.errors import ReportError
from audio_genre.evaluation.exploration import Explorable, Exploration, Progress, examine, refuse
from audio_genre.evaluation.exploration_figures import PICTURES
from audio_genre.evaluation.exploration_report import REPORT, SUMMARY, write_report
from audio_genre.evaluation.page import refuse_other_files
from audio_genre.inputs import load_dataset
from audio_genre.progress import shows_progress

__all__ = ["REPORT", "Exploration", "examine", "explore"]


@shows_progress("exploring")
def explore(
    table: str | os.PathLike[str] | Explorable,
    report_dir: str | os.PathLike[str],
    *,
    seed: int = 0,
    progress: bool | Progress | None = None,
) -> Exploration:
    """Compute how the genres of a table differ, and write a report.

    Parameters
    ----------
    table : str, os.PathLike or Explorable
        A feature table or a table of tracks with a label in every row and at least two classes, or its path.
    report_dir : str or os.PathLike
        Folder that receives ``report.html`` with ``plotly.min.js``, which work offline, ``exploration.json``, and the
        pictures ``balance``, ``importance``, ``minimal-set``, ``violins``, ``histograms``, ``tempo``,
        ``correlation`` and ``projection`` as PNG, PDF and SVG. It is made if need be; files of these names are
        replaced, or removed where this table has no such picture.
    seed : int
        Seed of the split and of every random choice, 0 or more.
    progress : bool or callable
        True shows a progress bar; a function is called after each step with the steps done, the
        steps in all, and what comes next.

    Returns
    -------
    Exploration
        What was found, as `examine` returns it.

    Raises
    ------
    ParameterError
        If the seed is out of range.
    TableError
        If the table cannot be read, a row has no label, or all rows have the same one.
    ReportError
        If the report cannot be written.
    """
    if isinstance(table, str | os.PathLike):
        table = cast("Explorable", load_dataset(table))
    refuse(table, seed)
    folder = Path(report_dir)
    _prepare(folder)
    # A picture each, and the page.
    further, done, examined = len(PICTURES) + 1, 0, 0

    def step(steps: int, total: int, what: str) -> None:
        nonlocal done, examined
        done, examined = steps, total
        if callable(progress):
            progress(steps, total + further, what)

    found = examine(table, seed=seed, progress=step)
    write_report(found, folder, lambda: step(done + 1, examined, "drawing"))
    return found


def _prepare(folder: Path) -> None:
    refuse_other_files(folder, REPORT, SUMMARY)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Better now than after the work.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ReportError(f"{folder} cannot be made a folder for a report: {error.strerror}; choose another.") from None
