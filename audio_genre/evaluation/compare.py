"""Compare trained models and write a report: `comparison` computes, `comparison_report` writes."""

from __future__ import annotations

import os
from pathlib import Path

from audio_genre.evaluation.comparison import Comparison, Progress, compare_models, paired_test
from audio_genre.evaluation.comparison_report import write_report
from audio_genre.evaluation.page import refuse_other_files
from audio_genre.progress import shows_progress

__all__ = ["Comparison", "compare", "paired_test"]


@shows_progress("comparing")
def compare(
    models_dir: str | os.PathLike[str],
    report_dir: str | os.PathLike[str],
    *,
    excel_safe: bool = False,
    progress: bool | Progress | None = None,
) -> Comparison:
    """Compare the models of a folder and write a report.

    Parameters
    ----------
    models_dir : str or os.PathLike
        Folder with a folder for each model, as training writes it.
    report_dir : str or os.PathLike
        Folder that receives ``report.html`` with ``plotly.min.js``, ``metrics.json``, ``predictions.csv``,
        ``wrong_by_all.csv`` and the pictures in ``figures``; a report that is there is replaced.
    excel_safe : bool
        Whether cells of the CSV files that a spreadsheet program would take for a formula get a leading apostrophe.
    progress : bool or callable
        True shows a progress bar; a function is told the steps done, the steps in all, and what is done now.

    Returns
    -------
    Comparison
        What was found; models that could not be read are named in it.

    Raises
    ------
    BundleError
        If there is no model that could be read.
    ReportError
        If the report cannot be written, or would be written into a model.
    """
    report = Path(report_dir)
    told = progress if callable(progress) else None
    found, steps = compare_models(Path(models_dir), report, progress=told)
    refuse_other_files(report, "report.html", "predictions.csv", "wrong_by_all.csv")
    write_report(found, report, steps.take, excel_safe=excel_safe)
    return found
