"""Find what spoils results before they are published: in a feature table or a folder of audio."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from audio_genre.datasets.audit.findings import KINDS, SEVERITIES, Audit, Finding, Severity
from audio_genre.datasets.schema import GTZAN57_TABLE, TableSchema

__all__ = ["KINDS", "SEVERITIES", "Audit", "Finding", "Severity", "audit"]


def audit(
    path: str | os.PathLike[str],
    *,
    schema: TableSchema = GTZAN57_TABLE,
    jobs: int | None = None,
    progress: Callable[[int, int | None, str], None] | None = None,
) -> Audit:
    r"""Examine a feature table or a folder of audio for what spoils results.

    Parameters
    ----------
    path : str or os.PathLike
        A CSV or Parquet table, or a folder with one sub-folder per genre or with audio files.
    schema : TableSchema
        What the columns of a table mean.
    jobs : int, optional
        Worker processes for a folder; by default the cores there are. 1 does all in this process.
    progress : callable, optional
        Called with how much is done, how much there is in all (None while that is unknown), and what is done now.

    Returns
    -------
    Audit
        What was found, the worst first.

    Raises
    ------
    TableError
        If a table cannot be read or has nothing to do with the schema.
    AudioGenreError
        If a folder cannot be read or holds no audio.
    ParameterError
        If `jobs` is no number above 0.

    Examples
    --------
    >>> import tempfile
    >>> schema = TableSchema("toy", recipe=None, features=("energy",), label="genre", item="id")
    >>> table = Path(tempfile.mkdtemp()) / "toy.csv"
    >>> _ = table.write_text("id,energy,genre\na,0.1,jazz\nb,,jazz\nc,0.3,rock\n")
    >>> [finding.kind for finding in audit(table, schema=schema).serious]
    ['missing_values']
    """
    path = Path(path)
    tell = progress or (lambda done, total, what: None)  # noqa: ARG005
    if _is_folder(path):
        from audio_genre.datasets.audit.folder import audit_folder

        return audit_folder(path, jobs, tell)
    from audio_genre.datasets.audit.table import audit_table

    return audit_table(path, schema, tell)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        # Whoever opens it will tell why it cannot be examined.
        return False
