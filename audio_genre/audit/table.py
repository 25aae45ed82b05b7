"""What spoils results in a feature table."""

from __future__ import annotations

import stat
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.audit.copies import Copies, audit_copies
from audio_genre.audit.findings import Audit, Finding, Severity, counted, ranked
from audio_genre.audit.gtzan import audit_gtzan
from audio_genre.audit.labels import audit_labels
from audio_genre.audit.leaks import Telling, first_of_each, of_feature, tell_label
from audio_genre.audit.neighbours import close_rows, components, equal_by_chance, equal_rows
from audio_genre.datasets.delimited import DECIMAL_COMMAS, is_number, unchanged
from audio_genre.datasets.groups import find_groups
from audio_genre.datasets.schema import GTZAN57_TABLE, TableSchema
from audio_genre.datasets.sheet import Sheet, read_sheet
from audio_genre.datasets.tables import (
    advise_on_folder,
    find_schema,
    read_table,
    refuse_unknown_columns,
    remedy,
    with_columns,
    with_names,
)
from audio_genre.errors import TableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Progress = Callable[[int, int | None, str], None]

_MISSING = frozenset({"", "nan", "na", "n/a", "#n/a", "<na>", "null", "none", "nat", "-", "?"})
_MIN_SHARE_OF_FEATURES = 0.5
_START_BYTES = 1 << 16
_LEAKS_FROM = 0.2
_WORTH_TELLING = 0.03
_SIGNIFICANT = 0.01
_MIN_ROWS_OF_INDEX = 3
_MIN_ROWS_OF_NAMES = 20
_MAX_EQUAL_BY_CHANCE = 0.5


def audit_table(path: Path, schema: TableSchema | None, progress: Progress, **columns: Any) -> Audit:
    """Find problems that invalidate results in a feature table; `columns` are the options of `load_table`."""
    progress(0, 4, "reading")
    label_column, group_column = columns.get("label_column"), columns.get("group_column")
    original = schema
    with suppress(TableError):  # which `_rows` meets again and tells as a finding
        schema = find_schema(path, schema)
    schema = with_columns(schema or GTZAN57_TABLE, label_column, group_column)
    sheet = _sheet(path, schema)
    convert = sheet.number_reader(sheet.features)
    refuse_unknown_columns(path, sheet.header, schema, label_column, group_column)
    schema, remarks = with_names(path, sheet.header, schema, label_column)
    rows, refusal = _rows(path, sheet, original, schema, columns)
    progress(1, 4, "cells and names")
    findings = [*_columns(sheet, schema), *_cells(sheet), *_lengths(sheet, schema)]
    notes = [*sheet.notes, *([] if convert is unchanged else [DECIMAL_COMMAS])]
    findings += [Finding("reading", "note", sentence) for sentence in (*notes, *remarks)]
    if rows.doubt:
        findings.append(Finding("grouping", "warning", rows.doubt))
    if refusal and not any(finding.severity == "serious" for finding in findings):
        findings.append(Finding("refused", "serious", refusal))
    tracks = Counter(label for _, label in dict.fromkeys(zip(rows.groups.tolist(), rows.labels.tolist(), strict=True)))
    classes = dict(sorted(Counter(rows.labels.tolist()).items()))
    if schema.label in sheet.header:
        findings += audit_labels(classes, tracks, sheet.cells(schema.label))
    findings += [*_constant(sheet), *_names(rows), *audit_gtzan(rows.items.tolist(), rows.labels.tolist())]
    progress(2, 4, "duplicates")
    findings += _duplicates(sheet, rows)
    progress(3, 4, "what tells the label")
    chosen = first_of_each(rows.groups, rows.labels)
    findings += [*_beside(sheet, schema, rows, chosen), *_alone(sheet, rows, chosen)]
    progress(4, 4, "")
    return Audit(path, "table", len(sheet), classes, ranked(findings))


def _sheet(path: Path, schema: TableSchema) -> Sheet:
    """Read the cells of a file that is a table of the schema at least by half."""
    what = "give a feature table (CSV or Parquet) or a folder of audio"
    try:
        if path.is_dir():
            raise TableError(advise_on_folder(path))
        # Reading a pipe could wait for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise TableError(f"{path} is not a regular file; {what}.")
        file = path.open("rb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TableError(f"{path} cannot be read: {reason}; {what}.") from None
    with file:
        if not file.read(_START_BYTES).strip():
            raise TableError(f"{path} is empty; extract it again.")
        file.seek(0)
        sheet = read_sheet(path, file, schema)
    if len(sheet.features) < _MIN_SHARE_OF_FEATURES * len(schema.features):
        missing = next(name for name in schema.features if name not in sheet.features)
        raise TableError(
            f"{path} is not a {schema.name} table: it has {len(sheet.features) or 'none'} of the "
            f"{len(schema.features)} features and lacks {missing!r}, among others; give a table that `audio-genre "
            "extract` wrote, or a public GTZAN table."
        )
    if sheet.fault is not None:
        raise sheet.fault
    if not len(sheet):
        raise TableError(f"{path} has a header and no rows; extract it again from a folder with audio files.")
    return sheet


def _words(sheet: Sheet) -> dict[str, dict[int, str]]:
    """Return row numbers and texts of those cells of each feature that are neither numbers nor empty."""
    words = {
        name: {row: cell.strip() for row, cell in cells.items() if not is_number(cell)}
        for name, cells in sheet.odd.items()
    }
    return {
        name: {row: word for row, word in cells.items() if word.lower() not in _MISSING}
        for name, cells in words.items()
    }


@dataclass(frozen=True, eq=False)
class _Rows:
    """Names of the rows: each row's own, its class, its track, its track by name alone."""

    items: NDArray[np.str_]
    labels: NDArray[np.str_]
    groups: NDArray[np.str_]
    files: NDArray[np.str_]
    doubt: str
    """What is not certain of the tracks."""
    proven: bool
    """Whether equal names in several classes are known to be files in several folders."""


def _rows(
    path: Path, sheet: Sheet, original: TableSchema | None, schema: TableSchema, columns: dict[str, Any]
) -> tuple[_Rows, str]:
    """Return the names of the rows, and why `load_table` refuses the table, if it does."""
    items = sheet.column(schema.item) if schema.item in sheet.header else list(map(sheet.place, range(len(sheet))))
    labels = sheet.column(schema.label)
    doubt, proven, refusal = "", False, ""
    try:
        table = read_table(path, original, **columns, sheet=sheet)
        groups, doubt, proven = table.groups.tolist(), table.grouping.note, table.grouping.by == "extraction"
    except TableError as error:
        refusal = str(error)
        groups = sheet.column(schema.group) if schema.group in sheet.header else find_groups(items)
    files = groups
    if proven:
        files = find_groups(items) if table.window is not None and table.window.kind == "segment" else items
    names = [np.array(texts, dtype=np.str_) for texts in (items, labels, groups, files)]
    return _Rows(names[0], names[1], names[2], names[3], doubt, proven), refusal


def _numbers(cells: list[str]) -> NDArray[np.float64]:
    """Return cells as numbers, NaN for what is none."""
    return np.array([_number(cell) for cell in cells])


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def _columns(sheet: Sheet, schema: TableSchema) -> list[Finding]:
    findings = []
    needed = [schema.item, *schema.features, schema.label, *([schema.group] if schema.group else [])]
    missing = [name for name in needed if name not in sheet.header]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        message = (
            f"The {'column' if len(missing) == 1 else 'columns'} {', '.join(map(repr, missing[:3]))}{more} of the "
            f"schema {schema.name!r} {'is' if len(missing) == 1 else 'are'} missing; {remedy(missing, schema)}."
        )
        findings.append(Finding("columns", "serious", message, tuple(missing), {"fault": "missing"}))
    twice = [name for name, count in Counter(sheet.header).items() if count > 1 and name]
    if twice:
        message = f"The column {twice[0]!r} is there more than once; remove all but one."
        used = any(name in needed or name == schema.length for name in twice)
        severity: Severity = "serious" if used else "warning"
        findings.append(Finding("columns", severity, message, tuple(twice), {"fault": "doubled"}))
    if sheet.ragged:
        ragged = [f"line {line}" for line, _ in sheet.ragged]
        message = (
            f"{counted(len(ragged), 'line has', 'lines have')} another number of cells than the header, the "
            f"first being {ragged[0]}; save or extract it again, because values may stand in wrong columns."
        )
        findings.append(Finding("ragged_rows", "serious", message, tuple(ragged)))
    return findings


def _cells(sheet: Sheet) -> list[Finding]:
    """Report what is no finite number among the features."""
    words = _words(sheet)
    worded = np.zeros(sheet.values.shape, dtype=bool)
    for name, cells in words.items():
        worded[list(cells), sheet.features.index(name)] = True
    with np.errstate(invalid="ignore"):
        infinite = np.abs(sheet.values) > np.finfo(np.float32).max
    what = "extract these files again or remove the rows"
    return [
        *_spoilt(sheet, "missing_values", np.isnan(sheet.values) & ~worded, "an empty or NaN cell", what),
        *_spoilt(sheet, "infinite_values", infinite, "a value that is infinite or beyond single precision", what),
        *_spoilt(sheet, "not_a_number", worded, "text where a number belongs", what, words),
    ]


def _spoilt(
    sheet: Sheet,
    kind: str,
    where: NDArray[np.bool_],
    what: str,
    remedy: str,
    words: dict[str, dict[int, str]] | None = None,
) -> list[Finding]:
    if not where.any():
        return []
    per_column = {name: int(count) for name, count in zip(sheet.features, where.sum(axis=0), strict=True) if count}
    columns = sorted(per_column, key=lambda name: -per_column[name])
    rows = np.flatnonzero(where.any(axis=1)).tolist()
    first = int(np.argmax(where[:, sheet.features.index(columns[0])]))
    message = (
        f"{counted(len(rows), 'row has', 'rows have')} {what} in {counted(len(columns), 'feature')}, such as "
        f"{columns[0]!r} in {sheet.place(first)}; {remedy}."
    )
    details: dict[str, Any] = {"cells": per_column, "rows": [sheet.place(row) for row in rows]}
    if words is not None:
        details["texts"] = {name: sorted(set(cells.values())) for name, cells in words.items() if cells}
    return [Finding(kind, "serious", message, tuple(f"{name}: {per_column[name]}" for name in columns), details)]


def _lengths(sheet: Sheet, schema: TableSchema) -> list[Finding]:
    if schema.length not in sheet.header:
        return []
    cells = sheet.column(schema.length)
    wrong = [row for row, cell in enumerate(cells) if cell and not 0 < _number(cell) < float("inf")]
    if not wrong:
        return []
    message = (
        f"{counted(len(wrong), 'row has', 'rows have')} a length that is not a number of samples above 0, such as "
        f"{cells[wrong[0]][:40]!r} in {sheet.place(wrong[0])}; extract these files again or leave the cells empty."
    )
    return [Finding("bad_length", "serious", message, tuple(sheet.place(row) for row in wrong))]


def _constant(sheet: Sheet) -> list[Finding]:
    if len(sheet) < 2:
        return []
    with np.errstate(invalid="ignore"):
        same = (sheet.values[0] == sheet.values).all(axis=0)
    names = tuple(name for name, is_constant in zip(sheet.features, same, strict=True) if is_constant)
    if not names:
        return []
    message = (
        f"{counted(len(names), 'feature has', 'features have')} the same value in every row, such as {names[0]!r}, so "
        "nothing can be learned from it; see whether the extraction went wrong."
    )
    severity: Severity = "serious" if len(names) == len(sheet.features) else "warning"
    return [Finding("constant", severity, message, names)]


def _names(rows: _Rows) -> list[Finding]:
    findings = []
    pairs = Counter(zip(rows.labels.tolist(), rows.items.tolist(), strict=True))
    twice = {pair: count for pair, count in pairs.items() if count > 1}
    if twice:
        (label, item), count = next(iter(twice.items()))
        message = (
            f"{counted(len(twice), 'name stands', 'names stand')} for several rows of a class, such as "
            f"{_joined(label, item)!r} for {count}; keep one row of each, or give each its own name."
        )
        findings.append(
            Finding(
                "doubled_name",
                "warning",
                message,
                tuple(_joined(*pair) for pair in twice),
                {"rows": {_joined(*pair): count for pair, count in twice.items()}},
            )
        )
    items_of: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for file, label, item in zip(rows.files.tolist(), rows.labels.tolist(), rows.items.tolist(), strict=True):
        items_of[file][label].add(item)
    split: list[str] = []
    same: list[str] = []
    for file, by_label in items_of.items():
        if len(by_label) > 1:
            total = sum(map(len, by_label.values()))
            (same if len(set().union(*by_label.values())) < total else split).append(file)
    remedy = (
        "give all rows of a track its one label, or let training leave some out with --conflicts keep-first or drop"
    )
    if split:
        shown = [f"{file}: {', '.join(sorted(items_of[file]))}" for file in split]
        message = (
            f"{counted(len(split), 'track has', 'tracks have')} rows with several labels, such as {shown[0]}; {remedy}."
        )
        findings.append(Finding("split_track", "serious", message, tuple(shown)))
    if same:
        shown = [f"{file}: {', '.join(sorted(items_of[file]))}" for file in same]
        if rows.proven:
            remedy = "check that these are different tracks"
        message = f"{counted(len(same), 'name is', 'names are')} in several classes, such as {shown[0]}; {remedy}."
        findings.append(Finding("same_name", "note" if rows.proven else "serious", message, tuple(shown)))
    return findings


def _joined(label: str, item: str) -> str:
    return f"{label}/{item}" if label else item


def _duplicates(sheet: Sheet, rows: _Rows) -> list[Finding]:
    usable = np.isfinite(sheet.values).all(axis=1)
    same = equal_rows(sheet.values)
    is_copy = usable & (same != np.arange(len(same)))
    distinct = np.flatnonzero(usable & ~is_copy)
    if len(distinct) < 2:
        # All rows are one row; that every column is constant is told already.
        return []
    if is_copy.any() and equal_by_chance(sheet.values[distinct]) > _MAX_EQUAL_BY_CHANCE:
        message = (
            f"{counted(int(is_copy.sum()), 'row has', 'rows have')} the features of another row, and so few features "
            "and values make that likely by chance; compare what else is known of them."
        )
        return [Finding("crowded", "note", message)]
    names, track = np.unique(rows.groups, return_inverse=True)
    label_of = dict(zip(rows.groups.tolist(), rows.labels.tolist(), strict=True))
    labels = [label_of[name] for name in names.tolist()]
    tracks = [name.removeprefix("/") for name in names.tolist()]
    copies = np.flatnonzero(is_copy)
    findings = []
    within = copies[track[copies] == track[same[copies]]]
    renamed = within[rows.items[within] != rows.items[same[within]]]
    if len(renamed):
        message = (
            f"{counted(len(renamed), 'row has', 'rows have')} the features of another row of the same track, such as "
            f"{rows.items[renamed[0]]} those of {rows.items[same[renamed[0]]]}; keep the track in one subset."
        )
        items = tuple(f"{rows.items[same[row]]} = {rows.items[row]}" for row in renamed)
        findings.append(Finding("repeated_segment", "note", message, items))
    across = copies[track[copies] != track[same[copies]]]
    links = np.stack([track[same[across]], track[across]], axis=1)
    equal = Copies(links, np.zeros(len(links)))
    findings += audit_copies("duplicate", equal, tracks, labels, "the same features")
    close = close_rows(sheet.values[distinct], track[distinct])
    if close is None:
        return findings
    near = track[distinct[close.pairs]]
    unlinked = components(links, len(tracks))
    is_new = unlinked[near[:, 0]] != unlinked[near[:, 1]]
    details = {
        "usual_distance": round(close.usual, 6),
        "threshold": round(close.threshold, 6),
        "complete": close.complete,
    }
    found = Copies(near[is_new], close.distances[is_new])
    return findings + audit_copies("near_duplicate", found, tracks, labels, "nearly the same features", details)


def _beside(sheet: Sheet, schema: TableSchema, rows: _Rows, chosen: NDArray[np.intp]) -> list[Finding]:
    """Look at every column that is no feature, name or label: does it number the rows, does it tell the label."""
    known = {schema.label, schema.item, schema.group}
    columns = [(index, name) for index, name in enumerate(sheet.header) if index in sheet.texts and name not in known]
    findings = []
    for index, name in columns:
        cells = [cell.strip() for cell in sheet.texts[index].tolist()]
        numbers = _numbers(cells)
        is_text = any(
            cell and np.isnan(number) and cell.lower() != "nan" for cell, number in zip(cells, numbers, strict=True)
        )
        values = np.array(cells, dtype=np.str_) if is_text else numbers
        told = tell_label(values[chosen], rows.labels[chosen])
        tells = told is not None and told.p_value < _SIGNIFICANT / len(columns) and told.strength >= _WORTH_TELLING
        shown = name or f"column {index + 1}, which has no name"
        if _is_index(values) or (name in schema.ignored and name != schema.length):
            message = (
                f"The column {shown!r} numbers or names the rows"
                + (", which are sorted so that it tells the label" if tells else "")
                + "; never train on it."
            )
            severity: Severity = "warning" if tells else "note"
            findings.append(Finding("index", severity, message, (shown,), _told(told)))
        elif tells and told is not None:
            findings.append(_leak(shown, told, is_text=is_text, is_length=name == schema.length))
    return findings


def _leak(name: str, told: Telling, *, is_text: bool, is_length: bool) -> Finding:
    message = (
        f"The column {name!r}, which is not a feature, alone predicts the label of {told.accuracy:.0%} of held-out "
        f"tracks (guessing: {told.chance:.0%}; best class: {told.best_told!r}); "
        + ("audio_genre never trains on it, so leave it out in other tools too." if is_length else "never train on it.")
    )
    severity: Severity = "serious" if told.strength >= _LEAKS_FROM and not is_text else "warning"
    return Finding("leak", severity, message, (name,), _told(told))


def _told(told: Telling | None) -> dict[str, float | str]:
    return {} if told is None else told.as_json()


def _is_index(values: NDArray[Any]) -> bool:
    """Tell whether a column counts the rows, or names each of them."""
    if values.dtype.kind == "U":
        return len(values) >= _MIN_ROWS_OF_NAMES and len(np.unique(values)) == len(values)
    if len(values) < _MIN_ROWS_OF_INDEX or not np.isfinite(values).all():
        return False
    steps = np.diff(values)
    return bool(abs(steps[0]) == 1 and (steps == steps[0]).all())


def _alone(sheet: Sheet, rows: _Rows, chosen: NDArray[np.intp]) -> list[Finding]:
    """Look for features that are the label in other signs, or number the rows."""
    findings = []
    for name, values in zip(sheet.features, sheet.values.T, strict=True):
        if _is_index(values):
            message = f"The feature {name!r} counts the rows; extract the table again."
            findings.append(Finding("index", "serious", message, (name,)))
            continue
        found = of_feature(name, values[chosen], rows.labels[chosen])
        findings += [] if found is None else [found]
    return findings
