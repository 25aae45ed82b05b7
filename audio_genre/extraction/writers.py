"""The output files of an extraction, each complete or not there: tables, list of failures, side-car."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from audio_genre._version import __version__
from audio_genre.files.csv_rows import CsvWriter
from audio_genre.files.spreadsheets import safe_cell
from audio_genre.files.storage import atomic_file, storage_error
from audio_genre.files.walk import numbered

if TYPE_CHECKING:
    from audio_genre.dsp.recipe import Recipe
    from audio_genre.extraction.journal import Rows

TABLE_FORMATS = ("csv", "parquet")
"""File formats of the tables."""

Row: TypeAlias = tuple[Any, ...]

_PARQUET_BATCH_ROWS = 4096


def table_names(recipe: Recipe, table_format: str) -> tuple[str, str]:
    """Return the names of the clip table and of the segment table.

    Examples
    --------
    >>> from audio_genre.dsp import GTZAN57
    >>> table_names(GTZAN57, "csv")
    ('features_30_sec.csv', 'features_3_sec.csv')
    """
    clips, segments = (
        f"features_{seconds}_sec.{table_format}" for seconds in (recipe.clip_seconds, recipe.segment_seconds)
    )
    return clips, segments


def clip_rows(results: Iterable[Rows]) -> Iterator[Row]:
    """Make the rows of the clip table: one a window, numbered where a file has several."""
    for result in results:
        is_split = len(result.clip_rows) > 1
        for k, (length, row) in enumerate(zip(result.clip_lengths.tolist(), result.clip_rows.tolist(), strict=True)):
            yield (numbered(result.filename, k) if is_split else result.filename, length, *row, result.label)


def segment_rows(results: Iterable[Rows], recipe: Recipe) -> Iterator[Row]:
    """Make the rows of the segment table."""
    for result in results:
        # A shorter clip is one segment, and its samples are those of the file.
        length = min(recipe.segment_samples, int(result.clip_lengths[0]))
        for k, row in enumerate(result.segment_rows.tolist()):
            yield (numbered(result.filename, k), length, *row, result.label)


def write_table(path: Path, staging: Path, recipe: Recipe, rows: Iterable[Row]) -> int:
    """Write a feature table, in the format that its suffix names.

    Numbers are written in the fewest digits that give the same float64 when read.
    """
    write = _write_parquet if path.suffix == ".parquet" else _write_csv
    with atomic_file(path, staging) as file:
        return write(file, recipe.columns, (_with_valid_text(row) for row in rows))


def write_failures(path: Path, staging: Path, failures: Iterable[tuple[str, str]], *, excel_safe: bool = False) -> int:
    """Write the list of failures: a path and a reason a row, and a header even when there are none."""
    safe = safe_cell if excel_safe else str
    with atomic_file(path, staging) as file:
        return _write_csv(file, ("path", "reason"), (tuple(map(safe, row)) for row in map(_with_valid_text, failures)))


def write_sidecar(
    path: Path,
    staging: Path,
    *,
    recipe: Recipe,
    pictures: Mapping[str, Any] | None,
    tables: Mapping[str, int],
    libraries: Mapping[str, Sequence[str]],
    n_clips: int,
    n_failed: int,
    n_continued: int,
    layout: Mapping[str, Any] | None = None,
) -> None:
    """Write what the tables and pictures were made by; nothing in it differs between two runs over the same files."""
    from audio_genre.audio import MIN_SECONDS

    content = {
        "tool": {"name": "audio_genre", "version": __version__},
        "recipe": recipe.parameters(),
        "pictures": pictures,
        "tables": dict(tables),
        "counts": {"clips": n_clips, "failed": n_failed},
        "short_clips": {
            "rule": f"clips from {MIN_SECONDS} s that are shorter than a segment are padded by reflection to one",
            "clips": n_continued,
        },
        "libraries": dict(libraries),
    }
    if layout:
        content["layout"] = dict(layout)
    with atomic_file(path, staging) as file:
        file.write(json.dumps(content, indent=2).encode() + b"\n")


def write_list(path: Path, staging: Path, names: Iterable[str]) -> None:
    """Write a list of names, one a line, such as ``train --splits`` reads."""
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise storage_error(error, path.parent) from None
    with atomic_file(path, staging) as file:
        for name in names:
            file.write(name.encode("utf-8", "backslashreplace") + b"\n")


def _write_csv(file: IO[bytes], columns: Sequence[str], rows: Iterable[Row]) -> int:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
    writer = CsvWriter(text)
    writer.writerow(columns)
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007
        writer.writerow(row)
    text.flush()
    text.detach()
    return count


def _write_parquet(file: IO[bytes], columns: Sequence[str], rows: Iterable[Row]) -> int:
    import pyarrow as pa
    from pyarrow import parquet

    types = {"filename": pa.string(), "length": pa.int64(), "label": pa.string()}
    schema = pa.schema([(name, types.get(name, pa.float64())) for name in columns])
    rows = iter(rows)
    count = 0
    with parquet.ParquetWriter(file, schema) as writer:
        while batch := list(islice(rows, _PARQUET_BATCH_ROWS)):
            columns_of_batch = zip(*batch, strict=True)
            arrays = [pa.array(values, type=field.type) for values, field in zip(columns_of_batch, schema, strict=True)]
            writer.write_table(pa.table(arrays, schema=schema))
            count += len(batch)
    return count


def _with_valid_text(row: Row) -> Row:
    r"""Write bytes of a file name that are no UTF-8 as ``\\udcff``, so that every reader can read the file."""
    return tuple(
        value.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(value, str) else value for value in row
    )
