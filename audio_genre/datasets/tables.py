"""Feature tables from CSV files: checked, in the schema's column order, with the group of every row."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from audio_genre.datasets.schema import GTZAN57_TABLE, TableSchema
from audio_genre.dsp import get_recipe
from audio_genre.errors import TableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE_CAR = "extraction.json"
"""Name of the file beside an extracted table that tells its recipe."""

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
        A comma-separated file with a header line; the columns may stand in any order, and others may be among them.
    schema : TableSchema
        What the columns mean.

    Returns
    -------
    Table
        Its rows, in the file's order.

    Raises
    ------
    TableError
        If the file is missing or no CSV table, a column is missing or doubled, a feature is no finite number, or the
        side-car ``extraction.json`` beside it names another recipe.

    Notes
    -----
    Whether a row is a clip or a segment is read from the names and from the lengths: rows of one length that is
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
        raise TableError(f"{path} cannot be read: {error.strerror}; give the path of a feature table (CSV).") from None
    header, rows, lines = _parse(path, data)
    _refuse_columns(path, header, schema)
    _refuse_other_recipe(path, schema)
    if not rows:
        raise TableError(f"{path} has a header and no rows; extract it again from a folder with audio files.")

    column = {name: index for index, name in enumerate(header)}
    items = [row[column[schema.item]].strip() for row in rows]
    labels = [row[column[schema.label]].strip() for row in rows]
    X = _numbers(path, rows, lines, items, {name: column[name] for name in schema.features})
    lengths = None
    if schema.length in column:
        lengths = _numbers(path, rows, lines, items, {schema.length: column[schema.length]})[:, 0]

    window = None if schema.recipe is None else find_window(items, lengths, schema.recipe)
    if schema.group is not None:
        values = [row[column[schema.group]].strip() for row in rows]
        groups = [f"{label}/{value}" for label, value in zip(labels, values, strict=True)]
    else:
        groups = find_groups(items, labels, segments=window is not None and window.kind == "segment")
    used = {*schema.features, schema.item, schema.label, schema.group, schema.length}
    return Table(
        path=path,
        schema=schema,
        X=_as_float32(path, X, lines, items, schema.features),
        labels=np.array(labels, dtype=np.str_),
        items=np.array(items, dtype=np.str_),
        groups=np.array(groups, dtype=np.str_),
        window=window,
        ignored=tuple(name for name in header if name not in used),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def find_groups(items: Sequence[str], labels: Sequence[str], *, segments: bool = False) -> list[str]:
    """Tell from the rows' names which rows come from one track.

    A row named ``<track>.<k><suffix>``, with `k` written without leading zeros, is taken for segment `k` of the file
    ``<track><suffix>``; every other row is a track of its own. In a table of clips a file's numbers must run from 0
    without a gap, or the number is part of the name. Rows ``<label>.<k><suffix>`` are one track each, because they come
    from a folder such as ``rock/`` that holds ``rock.0.wav`` .. ``rock.99.wav``; they are segments of a file
    ``rock.wav`` only if the rows are known to be segments and the class has other tracks.

    Parameters
    ----------
    items : sequence of str
        Names of the rows; folders in them are part of the name.
    labels : sequence of str
        Class of each row.
    segments : bool
        Whether the rows are known to be segments; then numbers may be missing.

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
    numbers: dict[tuple[str, str], list[int]] = defaultdict(list)
    for label, file, match in zip(labels, files, matches, strict=True):
        files_of_label[label].add(file)
        if match is not None:
            numbers[label, file].append(int(match["k"]))

    gapless = {key for key, found in numbers.items() if sorted(found) == list(range(len(found)))}

    def is_segment(label: str, file: str, match: re.Match[str] | None) -> bool:
        if match is None:
            return False
        if match["stem"].rpartition("/")[2] == label:
            return segments and len(files_of_label[label]) > 1
        return segments or (label, file) in gapless

    return [
        f"{label}/{file if is_segment(label, file, match) else item}"
        for item, label, file, match in zip(items, labels, files, matches, strict=True)
    ]


def find_window(items: Sequence[str], lengths: NDArray[np.float64] | None, recipe: str) -> Window:
    """Tell from names and lengths what stretch of signal each row of a table describes.

    Parameters
    ----------
    items : sequence of str
        Names of the rows.
    lengths : np.ndarray, shape (n,), or None
        Length of each row's signal in samples, where the table has it. Without it the length of a segment is
        estimated from how many a clip of full length has.
    recipe : str
        Name of the recipe, which tells the sampling rate and the length of a clip.

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
    """
    sr, clip_seconds = get_recipe(recipe).sr, get_recipe(recipe).clip_seconds
    clip = Window("clip", float(clip_seconds))
    matches = [match for match in map(_SEGMENT_NAME.fullmatch, items) if match]
    if 2 * len(matches) <= len(items):
        return clip
    if lengths is not None:
        # A segment is one sample shorter than its stride in some tables and as long in others.
        if np.ptp(lengths) > 1 or lengths.max() >= clip_seconds * sr:
            return clip
        return Window("segment", round((float(lengths.max()) + 1) / sr, 3))
    per_file = Counter(Counter(map(_file, matches)).values()).most_common(1)[0][0]
    return clip if per_file == 1 else Window("segment", round(clip_seconds / per_file, 3))


def _file(match: re.Match[str]) -> str:
    """Return the name of the file that a segment was cut from."""
    return match["stem"] + (match["suffix"] or "")


def _parse(path: Path, data: bytes) -> tuple[list[str], list[list[str]], list[int]]:
    """Return header, rows and the line number of each row."""
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
    return header, rows[1:], lines[1:]


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
            "comma-separated table with a header line."
        )
    source = "extract it again" + (f" with recipe {schema.recipe}" if schema.recipe else "")
    raise TableError(f"{path} lacks the {column} {named}; {source}.")


def _refuse_other_recipe(path: Path, schema: TableSchema) -> None:
    side_car = path.with_name(SIDE_CAR)
    if schema.recipe is None or not side_car.is_file():
        return
    try:
        name = json.loads(side_car.read_text(encoding="utf-8"))["recipe"]["name"]
    except (OSError, ValueError, KeyError, TypeError):
        raise TableError(f"{side_car} does not tell the recipe of {path.name}; extract the table again.") from None
    if name != schema.recipe:
        raise TableError(
            f"{path} was extracted with recipe {name!r} and {schema.recipe!r} is needed; extract it again."
        )


def _numbers(
    path: Path, rows: list[list[str]], lines: list[int], items: list[str], columns: dict[str, int]
) -> NDArray[np.float64]:
    """Return the cells of some columns as numbers, shape (len(rows), len(columns)); refuse what is not finite."""
    try:
        values = np.array([[float(row[index]) for index in columns.values()] for row in rows])
    except ValueError:
        values = None
    if values is not None and np.isfinite(values).all():
        return values
    for row, line, item in zip(rows, lines, items, strict=True):
        for name, index in columns.items():
            fault = _fault(row[index])
            if fault:
                raise TableError(
                    f"{path} has {fault} in the column {name!r} of line {line} ({item}); every feature must be a "
                    "finite number, so extract that file again or remove the row."
                )
    raise AssertionError("a cell that is no finite number was seen and not found")


def _fault(cell: str) -> str | None:
    if not cell.strip():
        return "an empty cell"
    try:
        value = float(cell)
    except ValueError:
        return f"{cell[:40]!r}"
    return None if math.isfinite(value) else f"{cell.strip()!r}"


def _as_float32(
    path: Path, values: NDArray[np.float64], lines: list[int], items: list[str], names: Sequence[str]
) -> NDArray[np.float32]:
    too_large = np.argwhere(np.abs(values) > np.finfo(np.float32).max)
    if len(too_large):
        row, column = too_large[0]
        raise TableError(
            f"{path} has {values[row, column]:g} in the column {names[column]!r} of line {lines[row]} ({items[row]}); "
            "that is beyond single precision, so extract that file again or remove the row."
        )
    return values.astype(np.float32)
