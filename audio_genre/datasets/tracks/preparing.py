"""A raw table of tracks to a folder that says what was done: mapped table, mapping, split as arrays."""

from __future__ import annotations

import contextlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre._version import __version__
from audio_genre.datasets.frame import read_header
from audio_genre.datasets.grouped import group_column
from audio_genre.datasets.protocols import DEFAULT_PROTOCOL, Split, get_protocol
from audio_genre.datasets.tracks.columns import COLUMNS
from audio_genre.datasets.tracks.layout import find_layout, layouts
from audio_genre.datasets.tracks.mapping import LEFT_OUT, GenreMapping, default_mapping, mapping_text
from audio_genre.datasets.tracks.reading import UnknownGenresError
from audio_genre.datasets.tracks.rows import Tracks
from audio_genre.datasets.tracks.table import PREPARATION, PREPARED_TABLES, load_tracks, prepared_table
from audio_genre.errors import ParameterError, TableError
from audio_genre.files.csv_rows import csv_text
from audio_genre.files.storage import storage_error, whole_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAPPING = "genre_mapping.csv"
"""Name of the mapping in a prepared folder."""

_FORMATS = ("csv", "parquet")


@dataclass(frozen=True, eq=False)
class Preparation:
    """A prepared table and its split.

    Attributes
    ----------
    tracks : Tracks
        The rows.
    split : Split
        The rows of each subset.
    report : mapping
        What was done to how many rows; `write_preparation` writes it.
    mapping : Path or None
        The file that the mapping was read from, which is never written over.
    """

    tracks: Tracks
    split: Split
    report: Mapping[str, Any]
    mapping: Path | None = None


def prepare(
    path: str | os.PathLike[str],
    *,
    mapping: str | os.PathLike[str] | GenreMapping | None = None,
    protocol: str = DEFAULT_PROTOCOL,
    seed: int = 0,
    **reading: Any,
) -> Preparation:
    """Read, map and clean a table of tracks, tell its songs apart, and split it.

    Parameters
    ----------
    path : str or os.PathLike
        A CSV or Parquet file.
    mapping : str, os.PathLike or GenreMapping, optional
        From the genres of the table to broad ones; ``"none"`` keeps them. By default the one that comes with the
        package, unless genres were chosen or it knows none of the table's.
    protocol : str
        How the rows are split: track, artist, segment, or ``group:<column>``.
    seed : int
        Seed of the split.
    **reading : object
        Other options of `load_tracks`.

    Returns
    -------
    Preparation
        Rows, split and report.

    Raises
    ------
    TableError, ParameterError, ProtocolError
        As `load_tracks` and the protocol do.
    """
    dealt = get_protocol(protocol)
    if (column := group_column(protocol)) is not None:
        reading["group_column"] = column
    notes: tuple[str, ...] = ()
    table = prepared_table(Path(path)) if Path(path).is_dir() else Path(path)
    # What was prepared is mapped already.
    is_prepared = reading.get("schema") is None and find_layout(read_header(table)) is layouts()["prepared"]
    if mapping is None and not reading.get("genres") and not is_prepared:
        try:
            tracks = load_tracks(path, mapping=default_mapping(), **reading)
        except UnknownGenresError as error:
            if error.known:
                raise
            tracks = load_tracks(path, **reading)
            notes = (
                "The default mapping knows none of the genres, so they stay as they are; --mapping FILE.csv maps them.",
            )
    else:
        tracks = load_tracks(path, mapping=None if mapping == "none" else mapping, **reading)
    tracks.require_labels()
    (split, *more) = dealt.splits(tracks, seed=seed)
    if more:
        raise ParameterError(f"The protocol {protocol!r} makes several folds, and a prepared folder holds one split.")
    labels, counts = np.unique(tracks.labels, return_counts=True)
    subsets = {
        name: {
            "rows": len(rows),
            "songs": len(np.unique(tracks.together["track"][rows])),
            "genres": dict(
                zip(
                    labels.tolist(),
                    np.bincount(np.searchsorted(labels, tracks.labels[rows]), minlength=len(labels)).tolist(),
                    strict=True,
                )
            ),
        }
        for name, rows in split.subsets().items()
    }
    report = {
        "audio_genre": __version__,
        **tracks.report,
        "sha256": tracks.sha256,
        "genres": dict(zip(labels.tolist(), counts.tolist(), strict=True)),
        "features": list(tracks.columns),
        "notes": [*tracks.notes, *notes],
        "protocol": {"name": protocol, "description": dealt.for_rows(tracks).describe(), "seed": seed},
        "subsets": subsets,
    }
    own = mapping if isinstance(mapping, str | os.PathLike) and mapping not in ("none", "default") else None
    return Preparation(tracks, split, report, None if own is None else Path(own))


def refuse_to_replace(table: Path, folder: Path) -> None:
    """Refuse a folder where a prepared table would take the place of the table itself, or of files of other people."""
    for name in PREPARED_TABLES:
        there = folder / name
        if not there.exists():
            continue
        if there.resolve() == (prepared_table(table) if table.is_dir() else table).resolve():
            raise ParameterError(f"{there} is the table that is read, and would be replaced; choose another folder.")
        if find_layout(read_header(there)) is not layouts()["prepared"]:
            raise ParameterError(f"{there} is no prepared table, and would be replaced; choose another folder.")


def _refuse_to_lose_edits(mapping: Path | None, folder: Path) -> None:
    """Refuse to write over a mapping that somebody has edited since it was written here."""
    there = folder / MAPPING
    if not there.exists() or (mapping is not None and mapping.resolve() == there.resolve()):
        return
    try:
        written = used_mapping(json.loads((folder / PREPARATION).read_text(encoding="utf-8"))["mapping"])
        is_edited = there.read_text(encoding="utf-8") != written
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        is_edited = True
    if is_edited:
        raise ParameterError(
            f"{there} was edited, and would be replaced; give it with --mapping, or move it to another place."
        )


def write_preparation(
    found: Preparation, folder: Path, *, form: str = "csv", progress: Callable[[int, int, str], None] | None = None
) -> list[Path]:
    """Write a prepared folder; ``preparation.json`` comes last, so that where it is, all is."""
    if form not in _FORMATS:
        raise ParameterError(f"The format of the table must be one of {', '.join(_FORMATS)}; got {form!r}.")
    tracks = found.tracks
    refuse_to_replace(tracks.path, folder)
    _refuse_to_lose_edits(found.mapping, folder)
    table = PREPARED_TABLES[_FORMATS.index(form)]
    y = np.searchsorted(tracks.classes, tracks.labels)
    subsets = found.split.subsets()
    writers: dict[str, Callable[[], bytes]] = {
        table: lambda: _table_bytes(tracks, form),
        MAPPING: lambda: used_mapping(found.report["mapping"]).encode(),
        **{f"{name}.npz": _arrays_of(tracks, rows, y) for name, rows in subsets.items()},
        PREPARATION: (json.dumps(found.report, indent=2, ensure_ascii=False) + "\n").encode,
    }
    if found.mapping is not None and found.mapping.resolve() == (folder / MAPPING).resolve():
        # Its aliases, and genres that are not in this table, would be lost.
        del writers[MAPPING]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in (PREPARATION, *PREPARED_TABLES):
            (folder / old).unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(error, folder) from None
    for number, (name, content) in enumerate(writers.items(), start=1):
        if progress is not None:
            progress(number - 1, len(writers), name)
        with whole_file(folder / name) as file:
            file.write(content())
    if progress is not None:
        progress(len(writers), len(writers), "")
    return [folder / name for name in writers]


def _table_bytes(tracks: Tracks, form: str) -> bytes:
    frame = tracks.to_frame()
    for name in frame.columns:
        column = COLUMNS.get(str(name))
        # Whole numbers without a point, also beside missing ones.
        if column is not None and (column.kind != "number" or name in ("duration_ms", "popularity", "year")):
            values = frame[name]
            if (values.isna() | (values == values.round())).all():
                frame[name] = values.astype("Int64")
    out = io.BytesIO()
    if form == "parquet":
        try:
            frame.to_parquet(out, index=False)
        except ImportError:
            raise ParameterError("Parquet needs pyarrow, which is not installed; write CSV, or install it.") from None
    else:
        with contextlib.suppress(ImportError):
            # Ten times as fast as pandas.
            import pyarrow as pa
            from pyarrow.csv import write_csv

            write_csv(pa.Table.from_pandas(frame, preserve_index=False), out)
            return out.getvalue()
        return csv_text(frame).encode("utf-8", "surrogatepass")
    return out.getvalue()


def _arrays_of(tracks: Tracks, rows: NDArray[np.intp], y: NDArray[np.intp]) -> Callable[[], bytes]:
    def write() -> bytes:
        arrays = {
            "X": tracks.raw[rows],
            "y": y[rows],
            "columns": np.array(tracks.columns),
            "classes": np.array(tracks.classes),
            "items": tracks.items[rows],
            "songs": tracks.groups[rows],
        }
        out = io.BytesIO()
        # As numpy.savez_compressed, but at the level that takes a fifth of the time.
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, array in arrays.items():
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
        return out.getvalue()

    return write


def used_mapping(mapping: Mapping[str, str]) -> str:
    """Return the file of the mapping that a table was read with, ready to be edited."""
    return mapping_text((genre, broad or LEFT_OUT, "") for genre, broad in sorted(mapping.items()))


def write_mapping_to_fill(error: UnknownGenresError, folder: Path) -> Path:
    """Write the mapping with a line for each genre that it does not know, whose broad genre is to be filled in."""
    lines = [(genre, broad or LEFT_OUT, "") for genre, broad in sorted(error.known.items())]
    lines += [(genre, "", "") for genre in error.unknown]
    path = folder / MAPPING
    if path.exists():
        raise TableError(f"{error} {path} exists already and is kept; complete it and give it with --mapping.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise storage_error(failure, folder) from None
    with whole_file(path) as file:
        file.write(mapping_text(lines).encode())
    return path
