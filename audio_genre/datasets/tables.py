"""Feature tables from CSV and Parquet files: checked, in the schema's column order, with the group of every row."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from audio_genre.datasets.schema import GTZAN57_TABLE, TableSchema
from audio_genre.dsp import get_recipe
from audio_genre.errors import TableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE_CAR = "extraction.json"
"""Name of the file beside an extracted table that tells its recipe."""

_PARQUET_MAGIC = b"PAR1"
# features_3_sec.csv: what the public tables and ours are called tells the length of a row's signal.
_TABLE_NAME = re.compile(r"features_(?P<seconds>\d+(?:\.\d+)?)_sec\.\w+")
# blues.00000.3.wav is segment 3 of blues.00000.wav; a zero-padded number is part of the track's name.
_SEGMENT_NAME = re.compile(r"(?P<stem>.*[^/.])\.(?P<k>0|[1-9]\d{0,8})(?P<suffix>\.(?=\w*[A-Za-z])\w+)?")


@dataclass(frozen=True)
class Window:
    """The stretch of signal behind one row of a table.

    Attributes
    ----------
    kind : {"clip", "segment"}
        A whole clip (a file of up to twice `seconds`, or a stretch of a longer one), or one of its many equal segments.
    seconds : float
        Length of a full window in seconds.

    Examples
    --------
    >>> Window("segment", 3.0).label
    '3s'
    """

    kind: Literal["clip", "segment"]
    seconds: float

    @property
    def label(self) -> str:
        """Short name, such as ``"30s"``."""
        return f"{self.seconds:g}s"


@dataclass(frozen=True, eq=False)
class Table:
    """A feature table in memory.

    Attributes
    ----------
    path : Path
        The file that it was read from.
    schema : TableSchema
        What its columns mean.
    X : np.ndarray, shape (n, d), float32
        Features, in the order of ``schema.features``; all finite.
    labels : np.ndarray of str, shape (n,)
        Class of each row; an empty string where the table has none.
    items : np.ndarray of str, shape (n,)
        Name of each row.
    groups : np.ndarray of str, shape (n,)
        Track of each row. It starts with the label, so that equal names in two classes stay apart.
    window : Window or None
        The signal behind a row; None where the schema has no recipe.
    ignored : tuple of str
        Columns of the file that no one uses, in the file's order; `schema.length` is not among them.
    sha256 : str
        Hash of the file, in hexadecimal digits.
    """

    path: Path
    schema: TableSchema
    X: NDArray[np.float32]
    labels: NDArray[np.str_]
    items: NDArray[np.str_]
    groups: NDArray[np.str_]
    window: Window | None
    ignored: tuple[str, ...]
    sha256: str

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Every class found, sorted; without the empty one."""
        return tuple(label for label in np.unique(self.labels).tolist() if label)

    def require_labels(self) -> None:
        """Refuse a table that nothing can be learned from.

        Raises
        ------
        TableError
            If a row has no label, or all rows have the same one.
        """
        unlabelled = np.flatnonzero(self.labels == "")
        if len(unlabelled):
            raise TableError(
                f"{self.path} has no label in {len(unlabelled)} of {len(self)} rows, the first being "
                f"{str(self.items[unlabelled[0]])!r}; training needs one in every row, which extraction takes from one "
                "sub-folder per genre."
            )
        if len(self.classes) < 2:
            raise TableError(
                f"{self.path} has only the class {self.classes[0]!r}; a classifier needs at least two to tell apart."
            )


def load_table(path: str | os.PathLike[str], schema: TableSchema = GTZAN57_TABLE) -> Table:
    r"""Read a feature table and check every cell that a model would see.

    Parameters
    ----------
    path : str or os.PathLike
        A comma-separated file with a header line, or a Parquet file, which needs the extra ``parquet``. The columns may
        stand in any order, and others may be among them.
    schema : TableSchema
        What the columns mean.

    Returns
    -------
    Table
        Its rows, in the file's order.

    Raises
    ------
    TableError
        If the file is missing or no table, pyarrow is needed and missing, a column is missing or doubled, a feature is
        no finite number, a length is neither empty nor a positive number, or the side-car ``extraction.json`` beside it
        names another recipe.

    Notes
    -----
    Whether a row is a clip or a segment is told by the side-car that `extract` writes beside its tables. Without one, a
    name such as ``features_3_sec.csv`` tells it unless the lengths contradict. Otherwise rows of one length that is
    shorter than a clip, most of them numbered ``<track>.<k><suffix>``, are segments.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> schema = TableSchema("toy", recipe=None, features=("a", "b"), label="label", item="filename")
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "toy.csv"
    >>> _ = path.write_text("b,filename,a,label\n1,x.0.wav,2,rock\n3,x.1.wav,4,rock\n")
    >>> table = load_table(path, schema)
    >>> table.X.tolist(), table.groups.tolist()
    ([[2.0, 1.0], [4.0, 3.0]], ['rock/x.wav', 'rock/x.wav'])
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TableError(
            f"{path} cannot be read: {error.strerror}; give the path of a feature table (CSV or Parquet)."
        ) from None
    is_parquet = data.startswith(_PARQUET_MAGIC) or path.suffix.lower() == ".parquet"
    sheet = _read_parquet(path, data) if is_parquet else _read_csv(path, data)
    _refuse_columns(path, sheet.header, schema)
    origin = _Origin() if schema.recipe is None else _read_side_car(path, schema.recipe)
    if not sheet.places:
        raise TableError(f"{path} has a header and no rows; extract it again from a folder with audio files.")

    items, labels = sheet.texts(schema.item), sheet.texts(schema.label)
    X = np.column_stack([_numbers(path, sheet, items, name) for name in schema.features])
    lengths = None
    if schema.length in sheet.header:
        lengths = _lengths(path, sheet, items, schema.length)

    window = None
    if schema.recipe is not None:
        window = origin.window or find_window(items, lengths, schema.recipe, path.name)
    if schema.group is not None:
        groups = [f"{label}/{value}" for label, value in zip(labels, sheet.texts(schema.group), strict=True)]
    else:
        groups = _groups(items, labels, lengths, origin, window, schema.recipe, path.name)
    used = {*schema.features, schema.item, schema.label, schema.group, schema.length}
    return Table(
        path=path,
        schema=schema,
        X=_as_float32(path, X, sheet.places, items, schema.features),
        labels=np.array(labels, dtype=np.str_),
        items=np.array(items, dtype=np.str_),
        groups=np.array(groups, dtype=np.str_),
        window=window,
        ignored=tuple(name for name in sheet.header if name not in used),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def find_groups(
    items: Sequence[str],
    labels: Sequence[str],
    *,
    segments: bool = False,
    certain: bool = False,
    lengths: NDArray[np.float64] | None = None,
    clip_samples: int | None = None,
) -> list[str]:
    """Tell from the rows' names which rows come from one track.

    A row named ``<track>.<k><suffix>``, with `k` written without leading zeros, may be part `k` of the file
    ``<track><suffix>``; every other row is a track of its own. Where it cannot be told, rows are put together: a track
    on two sides of a split flatters a model in silence, and too few tracks are complained of aloud.

    In a table of segments every numbered row is such a part. In a table of clips only a file of more than two clips is
    cut, and each of its parts but the last is exactly one clip long: so the first row of that length and all rows with
    greater numbers are one track, and files ``clip.0.wav`` .. ``clip.6.wav`` of other lengths are seven. Without
    lengths numbers that start at 0 make parts of a track, and others are part of the name.

    Rows ``<label>.<k><suffix>`` are one track each, because they come from a folder such as ``rock/`` that holds
    ``rock.0.wav`` .. ``rock.99.wav``; they are parts of a file ``rock.wav`` only in a table of segments, if that is
    certain or the class has other tracks.

    Parameters
    ----------
    items : sequence of str
        Names of the rows; folders in them are part of the name.
    labels : sequence of str
        Class of each row.
    segments : bool
        Whether the rows are segments instead of clips; then numbers may be missing.
    certain : bool
        Whether that they are segments is known, and not guessed from names and lengths.
    lengths : np.ndarray, shape (n,), optional
        Length of each row's signal in samples; NaN where it is unknown.
    clip_samples : int, optional
        Length of a clip in samples; needed for `lengths` to count.

    Returns
    -------
    list of str
        ``<label>/<file>`` for each row.

    Examples
    --------
    >>> find_groups(["blues.00000.0.wav", "blues.00000.1.wav", "blues.00001.wav"], ["blues"] * 3)
    ['blues/blues.00000.wav', 'blues/blues.00000.wav', 'blues/blues.00001.wav']
    >>> find_groups(["rock.0.wav", "rock.1.wav"], ["rock"] * 2)
    ['rock/rock.0.wav', 'rock/rock.1.wav']
    """
    matches = [_SEGMENT_NAME.fullmatch(item) for item in items]
    files = [item if match is None else _file(match) for item, match in zip(items, matches, strict=True)]
    files_of_label: dict[str, set[str]] = defaultdict(set)
    numbered: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    named_like_label: set[tuple[str, str]] = set()
    for row, (label, file, match) in enumerate(zip(labels, files, matches, strict=True)):
        files_of_label[label].add(file)
        if match is not None:
            numbered[label, file].append((row, int(match["k"])))
            if match["stem"].rpartition("/")[2] == label:
                named_like_label.add((label, file))
    if lengths is None or clip_samples is None:
        is_full = None
    else:
        is_full = (np.isnan(lengths) | (lengths == clip_samples)).tolist()

    parts: set[int] = set()
    for key, members in numbered.items():
        if key in named_like_label and not (segments and (certain or len(files_of_label[key[0]]) > 1)):
            continue
        if segments:
            parts.update(row for row, _ in members)
        elif is_full is None:
            if any(k == 0 for _, k in members):
                parts.update(row for row, _ in members)
        else:
            first = min((k for row, k in members if is_full[row]), default=math.inf)
            parts.update(row for row, k in members if k > first or (k == first and is_full[row]))
    return [
        f"{label}/{file if row in parts else item}"
        for row, (item, label, file) in enumerate(zip(items, labels, files, strict=True))
    ]


def find_window(items: Sequence[str], lengths: NDArray[np.float64] | None, recipe: str, table_name: str = "") -> Window:
    """Tell from names and lengths what stretch of signal each row of a table describes.

    Parameters
    ----------
    items : sequence of str
        Names of the rows.
    lengths : np.ndarray, shape (n,), or None
        Length of each row's signal in samples, where the table has it; NaN where a cell is empty. Without any the
        length of a segment is estimated from how many a clip of full length has.
    recipe : str
        Name of the recipe, which tells the sampling rate and the length of a clip.
    table_name : str
        Name of the table's file. ``features_<seconds>_sec`` decides if its seconds are those of a clip, or if they are
        fewer and no length contradicts.

    Returns
    -------
    Window
        The window.

    Examples
    --------
    >>> names = ["a.0.wav", "a.1.wav"]
    >>> find_window(names, np.array([66149.0, 66149.0]), "gtzan57-v1")
    Window(kind='segment', seconds=3.0)
    >>> find_window(names, np.array([661500.0, 790000.0]), "gtzan57-v1")
    Window(kind='clip', seconds=30.0)
    >>> find_window(names, np.array([66149.0, 66149.0]), "gtzan57-v1", "features_30_sec.csv")
    Window(kind='clip', seconds=30.0)
    """
    sr, clip_seconds = get_recipe(recipe).sr, get_recipe(recipe).clip_seconds
    clip = Window("clip", float(clip_seconds))
    matches = [match for match in map(_SEGMENT_NAME.fullmatch, items) if match]
    is_numbered = 2 * len(matches) > len(items)
    known = np.empty(0) if lengths is None else lengths[~np.isnan(lengths)]

    named = _TABLE_NAME.fullmatch(table_name)
    seconds = float(named["seconds"]) if named else math.inf
    if seconds == clip_seconds:
        return clip
    if 0 < seconds < clip_seconds and (abs(known.max() - seconds * sr) <= 1 if len(known) else is_numbered):
        return Window("segment", seconds)

    if not is_numbered:
        return clip
    if len(known):
        # A segment is one sample shorter than its stride in some tables and as long in others.
        if np.ptp(known) > 1 or known.max() >= clip_seconds * sr:
            return clip
        return Window("segment", max(round((float(known.max()) + 1) / sr, 3), 0.001))
    per_file = Counter(Counter(map(_file, matches)).values()).most_common(1)[0][0]
    return clip if per_file == 1 else Window("segment", round(clip_seconds / per_file, 3))


def _file(match: re.Match[str]) -> str:
    """Return the name of the file that a segment was cut from."""
    return match["stem"] + (match["suffix"] or "")


@dataclass(frozen=True)
class _Origin:
    """What the side-car tells of a table beyond its recipe; nothing if it does not list the table."""

    window: Window | None = None
    uncut_rows: int | None = None
    """Number of rows, if each is a file of its own; None if a file may have several."""


def _groups(
    items: list[str],
    labels: list[str],
    lengths: NDArray[np.float64] | None,
    origin: _Origin,
    window: Window | None,
    recipe: str | None,
    table_name: str,
) -> list[str]:
    if recipe is None or window is None:
        return find_groups(items, labels)
    if origin.uncut_rows is not None and len(items) <= origin.uncut_rows:
        return [f"{label}/{item}" for label, item in zip(labels, items, strict=True)]
    if window.kind == "segment":
        named = _TABLE_NAME.fullmatch(table_name)
        certain = origin.window is not None or (named is not None and float(named["seconds"]) == window.seconds)
        return find_groups(items, labels, segments=True, certain=certain)
    if origin.window is None and find_window(items, lengths, recipe).kind == "segment":
        # Only the table's name says that these are clips; if it is wrong, segments must not be torn apart.
        return find_groups(items, labels, segments=True)
    known = get_recipe(recipe)
    return find_groups(items, labels, lengths=lengths, clip_samples=known.clip_seconds * known.sr)


@dataclass(frozen=True)
class _Sheet:
    """The cells of a file: empty text for an empty cell."""

    header: list[str]
    places: list[str]
    """Where each row stands in the file, such as ``"line 2"``."""
    cells: Callable[[int], list[Any]]
    """From the number of a column to its cells, as texts or numbers."""

    def column(self, name: str) -> list[Any]:
        return self.cells(self.header.index(name))

    def texts(self, name: str) -> list[str]:
        return [str(cell).strip() for cell in self.column(name)]


def _read_csv(path: Path, data: bytes) -> _Sheet:
    if not data.strip():
        raise TableError(f"{path} is empty; extract it again.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise TableError(f"{path} is not a CSV table but binary data or text that is not UTF-8; give a feature table.")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for row in reader:
            if row:
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise TableError(f"{path} is not a CSV table: line {reader.line_num}: {error}.") from None
    header = [name.strip() for name in rows[0]]
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(header):
            raise TableError(
                f"{path} is damaged or not a CSV table: line {line} has {len(row)} cells where the header has "
                f"{len(header)}; extract it again."
            )
    return _Sheet(header, [f"line {line}" for line in lines[1:]], lambda index: [row[index] for row in rows[1:]])


def _read_parquet(path: Path, data: bytes) -> _Sheet:
    if not data.strip():
        raise TableError(f"{path} is empty; extract it again.")
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise TableError(
            f"{path} is a Parquet table, and reading it needs pyarrow; install it with: "
            'pip install "audio-genre[parquet]"'
        ) from None
    try:
        table = parquet.ParquetFile(pa.BufferReader(data)).read()
    # Arrow's own errors are ValueError, OSError and others; damage can raise nearly any of them.
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise TableError(f"{path} is damaged or not a Parquet table ({reason}); extract it again.") from None
    header = [name.strip() for name in table.column_names]
    places = [f"row {number}" for number in range(1, table.num_rows + 1)]
    return _Sheet(header, places, lambda index: [_cell(value) for value in table.column(index).to_pylist()])


def _cell(value: Any) -> str | float:
    """Return a Parquet value as the cell of a CSV table would be, but numbers as they are."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _refuse_columns(path: Path, header: list[str], schema: TableSchema) -> None:
    needed = [schema.item, *schema.features, schema.label]
    if schema.group is not None:
        needed.append(schema.group)
    known = {*needed, schema.length}
    twice = [name for name, count in Counter(header).items() if count > 1 and name in known]
    if twice:
        raise TableError(f"{path} has the column {twice[0]!r} twice; remove one of them.")
    missing = [name for name in needed if name not in header]
    if not missing:
        return
    named = ", ".join(map(repr, missing[:3])) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    column = "column" if len(missing) == 1 else "columns"
    if len(missing) == len(needed):
        raise TableError(
            f"{path} is not a {schema.name} table: it has none of the {len(needed)} columns, such as {named}; give a "
            "comma-separated table with a header line, or a Parquet table."
        )
    source = "extract it again" + (f" with recipe {schema.recipe}" if schema.recipe else "")
    raise TableError(f"{path} lacks the {column} {named}; {source}.")


def _read_side_car(path: Path, recipe: str) -> _Origin:
    """Refuse another recipe; return what the extraction knew of the table."""
    side_car = path.with_name(SIDE_CAR)
    if not side_car.is_file():
        return _Origin()
    try:
        content = json.loads(side_car.read_text(encoding="utf-8"))
        name = content["recipe"]["name"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise TableError(f"{side_car} does not tell the recipe of {path.name}; extract the table again.") from None
    if name != recipe:
        raise TableError(f"{path} was extracted with recipe {name!r} and {recipe!r} is needed; extract it again.")
    try:
        rows = content["tables"][path.name]
        counts = content["counts"]
        files = counts["clips"] - counts["failed"]
        clip, segment = (float(content["recipe"][f"{kind}_seconds"]) for kind in ("clip", "segment"))
    except (KeyError, TypeError, ValueError, OverflowError):
        return _Origin()
    if not 0 < segment <= clip:
        return _Origin()
    if path.stem == f"features_{clip:g}_sec":
        return _Origin(Window("clip", clip), rows if rows == files else None)
    if path.stem == f"features_{segment:g}_sec":
        return _Origin(Window("segment", segment))
    return _Origin()


def _numbers(path: Path, sheet: _Sheet, items: list[str], name: str) -> NDArray[np.float64]:
    """Return the cells of a feature, shape (n,); refuse what is not finite."""
    cells = sheet.column(name)
    try:
        values = np.array([float(cell) for cell in cells])
    except ValueError:
        values = None
    if values is not None and np.isfinite(values).all():
        return values
    place, item, fault = next(
        (place, item, fault)
        for cell, place, item in zip(cells, sheet.places, items, strict=True)
        if (fault := _fault(cell)) is not None
    )
    raise TableError(
        f"{path} has {fault} in the column {name!r} of {place} ({item}); every feature must be a finite number, so "
        "extract that file again or remove the row."
    )


def _lengths(path: Path, sheet: _Sheet, items: list[str], name: str) -> NDArray[np.float64]:
    """Return the lengths, shape (n,); NaN for an empty cell, because a length is never a feature."""
    values = np.full(len(items), np.nan)
    for row, cell in enumerate(sheet.column(name)):
        fault = _fault(cell)
        if fault is None and float(cell) > 0:
            values[row] = float(cell)
        elif fault != _EMPTY:
            raise TableError(
                f"{path} has {fault or repr(str(cell))} in the column {name!r} of {sheet.places[row]} ({items[row]}); "
                "a length must be a number of samples above 0, or empty."
            )
    return values


_EMPTY = "an empty cell"


def _fault(cell: str | float) -> str | None:
    if isinstance(cell, str) and not cell.strip():
        return _EMPTY
    try:
        value = float(cell)
    except ValueError:
        return repr(str(cell)[:40])
    return None if math.isfinite(value) else repr(str(cell).strip())


def _as_float32(
    path: Path, values: NDArray[np.float64], places: list[str], items: list[str], names: Sequence[str]
) -> NDArray[np.float32]:
    too_large = np.argwhere(np.abs(values) > np.finfo(np.float32).max)
    if len(too_large):
        row, column = too_large[0]
        raise TableError(
            f"{path} has {values[row, column]:g} in the column {names[column]!r} of {places[row]} ({items[row]}); "
            "that is beyond single precision, so extract that file again or remove the row."
        )
    return values.astype(np.float32)
