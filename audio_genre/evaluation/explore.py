"""Explore a feature table and write a report: the computing is in `exploration`, pictures and page are made from it."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from audio_genre.datasets import Table, load_table
from audio_genre.errors import ReportError
from audio_genre.evaluation.exploration import Exploration, Progress, examine, refuse
from audio_genre.evaluation.exploration_figures import PICTURES, build_page
from audio_genre.evaluation.page import write_whole

REPORT = "report.html"
"""Name of the page in the folder of a report."""

SUMMARY = "exploration.json"
"""Name of the file for machines in the folder of a report."""


def explore(
    table: str | os.PathLike[str] | Table,
    report_dir: str | os.PathLike[str],
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Exploration:
    """Find out how the genres of a table differ, and write a report about it.

    Parameters
    ----------
    table : str, os.PathLike or Table
        A feature table with a label in every row and at least two classes, or its path.
    report_dir : str or os.PathLike
        Folder that receives ``report.html``, which works offline, the pictures ``balance.png``, ``importance.png``,
        ``violins.png``, ``histograms.png``, ``tempo.png``, ``correlation.png``, ``projection.png``, and
        ``exploration.json``. It is made if need be; files of these names are replaced, or removed where this table
        has no such picture.
    seed : int
        Seed of the split and of every random choice, 0 or more.
    progress : callable, optional
        Called after each step with the steps done, the steps in all, and what comes next.

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
    if not isinstance(table, Table):
        table = load_table(table)
    refuse(table, seed)
    folder = Path(report_dir)
    _prepare(folder)
    further, done = len(PICTURES) + 1, 0

    def step(before: int, total: int, what: str) -> None:
        nonlocal done
        done = before
        if progress is not None:
            progress(before, total + further, what)

    found = examine(table, seed=seed, progress=step)
    examined = done
    for number, (name, draw) in enumerate(PICTURES.items(), start=1):
        picture = draw(found)
        if picture is None:
            _remove(folder / name)
        else:
            write_whole(folder / name, picture)
        step(examined + number, examined, "drawing")
    build_page(found).write(folder / REPORT)
    summary = json.dumps(found.as_json(), indent=2, allow_nan=False)
    write_whole(folder / SUMMARY, f"{summary}\n".encode())
    step(examined + further, examined, "done")
    return found


def _prepare(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Better now than after the work.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ReportError(f"{folder} cannot be made a folder for a report: {error.strerror}; choose another.") from None


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ReportError(
            f"{path} is from another table and cannot be removed: {error.strerror}; choose another folder."
        ) from None
