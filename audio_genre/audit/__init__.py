"""Find problems that invalidate results, in a feature table, a table of tracks or a folder of audio."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from audio_genre.audit.findings import KINDS, SEVERITIES, Audit, Finding, Severity
from audio_genre.datasets.schema import TableSchema
from audio_genre.errors import ParameterError
from audio_genre.progress import shows_progress

__all__ = ["KINDS", "SEVERITIES", "Audit", "Finding", "Severity", "audit"]


@shows_progress("auditing")
def audit(
    path: str | os.PathLike[str],
    *,
    schema: TableSchema | str | os.PathLike[str] | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
    rows: Literal["clips", "segments"] | None = None,
    jobs: int | None = None,
    seed: int = 0,
    progress: bool | Callable[[int, int | None, str], None] | None = None,
    **reading: Any,
) -> Audit:
    r"""Examine a feature table, a table of tracks or a folder of audio for what spoils results.

    Of a table of tracks it also trains one quick model the honest ways and the ways that people evaluate by mistake.

    Parameters
    ----------
    path : str or os.PathLike
        A CSV or Parquet table, or a folder with one folder per genre or with audio files.
    schema : TableSchema, str or os.PathLike, optional
        What the columns of a table mean; by default found out, see `audio_genre.datasets.load_table`. Of a table of
        tracks a TOML file, see `audio_genre.datasets.load_tracks`.
    label_column, group_column, rows : str, optional
        Columns of a table and what its rows are, see `audio_genre.datasets.load_table`.
    jobs : int, optional
        Worker processes for a folder, threads for a table of tracks; by default the cores there are. 1 does all in
        this process.
    seed : int
        Seed of what is drawn at random for a table of tracks.
    progress : bool or callable
        True shows a progress bar; a function is called with how much is done, how much there is in all (None while that
        is unknown), and what is done now.
    **reading : object
        For a table of tracks, options of `audio_genre.datasets.load_tracks`: mapping, genres, duplicates, encoding and
        more.

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
        If `jobs` is no number above 0, a folder is given columns, or an option is for another kind of input.

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
    tell = progress if callable(progress) else (lambda done, total, what: None)  # noqa: ARG005
    columns = {"label_column": label_column, "group_column": group_column, "rows": rows}
    if jobs is not None and jobs < 1:
        raise ParameterError(f"The number of jobs must be 1 or more; got {jobs}.")
    from audio_genre.inputs import INPUT_KINDS
    from audio_genre.inputs.loading import options_of

    kind = INPUT_KINDS["tracks"]
    if kind.recognises(path):
        from audio_genre.audit.tracks import audit_tracks

        return audit_tracks(
            path, tell, seed=seed, jobs=jobs, **options_of(kind, path, {**columns, **reading, "schema": schema})
        )
    given = [name for name, value in reading.items() if value]
    if given:
        raise ParameterError(
            f"The option --{given[0].replace('_', '-')} is for {kind.title}, and {path} is none; leave it out."
        )
    if not (schema is None or isinstance(schema, TableSchema)):
        raise ParameterError(f"A TOML file as --schema is for {kind.title}, and {path} is none; leave it out.")
    if _is_folder(path):
        given = [name for name, value in columns.items() if value is not None]
        if given:
            raise ParameterError(
                f"{path} is a folder, and --{given[0].replace('_', '-')} is for tables; leave it out or give a table."
            )
        from audio_genre.audit.folder import audit_folder

        return audit_folder(path, jobs, tell)
    from audio_genre.audit.table import audit_table

    return audit_table(path, schema, tell, **columns)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        # Whoever opens it will tell why it cannot be examined.
        return False


class _Callable(ModuleType):
    """Lets ``audio_genre.audit(...)`` work after this package, which has the name of its function, was imported."""

    def __call__(self, path: str | os.PathLike[str], **options: Any) -> Audit:
        return audit(path, **options)


sys.modules[__name__].__class__ = _Callable
