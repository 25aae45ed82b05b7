"""Labels from a table: which of its rows means which audio file."""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path, PurePosixPath

from audio_genre.errors import ExtractionError

_PATH_NAMES = (
    *("path", "filepath", "file_path", "filename", "file_name", "file"),
    *("audio", "audio_path", "track_id", "track", "id", "name"),
)
_LABEL_NAMES = ("label", "genre", "genre_top", "class", "category", "style")
_DELIMITERS = ",;\t|"
# FMA's tracks.csv: above the name of a column the name of its group, below it that of the index.
_FMA_HEADER_ROWS = 3
_FMA_LABEL = ("track", "genre_top")
_ENCODINGS = ("utf-8-sig", "cp1252")
_LONGEST_CELL = 1 << 24
_NOT_IN_FOLDERS = re.compile(r"\s*[/\\\x00-\x1f]+\s*")
# pandas writes whole numbers as floats where one of a column is missing: 12.0.
_WHOLE_FLOAT = re.compile(r"0*(\d+)\.0", re.ASCII)
_SHOWN_COLUMNS = 12


@dataclass(frozen=True)
class LabelTable:
    """A table of labels, as it was read.

    Attributes
    ----------
    path : Path
        The file.
    sha256 : str
        Hash of its bytes.
    rows : tuple of tuple
        What each row calls a file, and its label, which may be empty.
    notes : tuple of str
        Sentences on what was done with it.
    """

    path: Path
    sha256: str
    rows: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()

    def match(self, paths: Sequence[str], audio_dir: Path | None = None) -> tuple[dict[str, str], str]:
        """Find the label of each file; `paths` are below the audio folder.

        A row means the file of its path, which may begin with that of the audio folder; else the one of its name, its
        name without suffix, or its number, whatever the zeros before it and ``.0`` behind it. Of several such files it
        is the one with most folders in common.

        Examples
        --------
        >>> table = LabelTable(Path("labels.csv"), "", (("2", "rock"), ("x.wav", "jazz")))
        >>> table.match(["000/000002.mp3", "y/x.wav"])[0]
        {'000/000002.mp3': 'rock', 'y/x.wav': 'jazz'}
        """
        above = () if audio_dir is None else tuple(f"{_slashed(str(at))}/" for at in _names_of(audio_dir))
        rows = [(_below(name, above), label) for name, label in self.rows]
        finder = _Finder(paths, [name for name, _ in rows])
        claims: dict[str, list[tuple[tuple[int, int], str]]] = defaultdict(list)
        ambiguous: list[tuple[str, list[str]]] = []
        unmatched: list[str] = []
        for name, label in rows:
            level, found = finder.find(name)
            if len(found) > 1:
                ambiguous.append((name, found))
            elif found:
                claims[found[0]].append((level, label))
            else:
                unmatched.append(name)
        if ambiguous:
            name, found = ambiguous[0]
            raise ExtractionError(
                f"{_counted(len(ambiguous), 'name')} in {self.path} could mean several files, such as {name!r}: "
                f"{found[0]} or {found[1]}; write their paths below the audio folder."
            )
        labels, torn = {}, []
        for path, claimed in claims.items():
            best = min(level for level, _ in claimed)
            found_labels = sorted({label for level, label in claimed if level == best})
            labels[path] = found_labels[0]
            if len(found_labels) > 1:
                torn.append((path, found_labels))
        if torn:
            path, found_labels = torn[0]
            raise ExtractionError(
                f"{self.path} has two labels for {_counted(len(torn), 'file')}, such as {path}: {found_labels[0]!r} "
                f"and {found_labels[1]!r}; leave one row of each."
            )
        if not labels:
            raise ExtractionError(
                f"None of the {_counted(len(self.rows), 'row')} of {self.path} matches one of the {len(paths)} audio "
                f"files; give a table with names such as {paths[0]!r}; this one has names such as "
                f"{next(chain(unmatched, ['']))!r}."
            )
        labels = {path: label for path, label in labels.items() if label}
        return labels, self._sentence(labels, paths, unmatched)

    def _sentence(self, labels: dict[str, str], paths: Sequence[str], unmatched: Sequence[str]) -> str:
        parts = [f"Labels of {len(labels)} of {_counted(len(paths), 'audio file')} are in {self.path}"]
        without = next((path for path in paths if path not in labels), None)
        if without is not None:
            parts.append(
                f"{len(paths) - len(labels)} without one, such as {without}, have an empty label in the tables"
            )
        if unmatched:
            parts.append(f"{_counted(len(unmatched), 'row')} of it, such as {unmatched[0]!r}, match no audio file")
        return "; ".join(parts) + "."


class _Finder:
    """Finds the file that a row means."""

    def __init__(self, paths: Sequence[str], names: Sequence[str]) -> None:
        self._paths = set(paths)
        self._by: list[dict[str, list[str]]] = [defaultdict(list) for _ in range(3)]
        for path in paths:
            for index, key in zip(self._by, _keys(path), strict=True):
                if key is not None:
                    index[key].append(path)
        self._rows_of_name = Counter(_keys(_plain(name))[0] for name in set(names))

    def find(self, name: str) -> tuple[tuple[int, int], list[str]]:
        """Return how surely a row means a file, the lower the surer, and the files that it could mean equally well."""
        plain = _plain(name)
        if not plain:
            return (0, 0), []
        if plain in self._paths:
            return (0, 0), [plain]
        folders = plain.casefold().split("/")[:-1]
        *keys, digits = _keys(plain)
        whole = _WHOLE_FLOAT.fullmatch(plain.rpartition("/")[2])
        keys.append(digits if whole is None else whole[1])
        for number, (index, key) in enumerate(zip(self._by, keys, strict=True), start=1):
            found = index.get(key, []) if key is not None else []
            if found:
                shared = {path: _shared(folders, path.casefold().split("/")[:-1]) for path in found}
                most = max(shared.values())
                if folders and most == 0 and self._rows_of_name[keys[0]] > 1:
                    return (number, 0), []  # 01.mp3 of another folder
                return (number, -most), [path for path in found if shared[path] == most]
        return (0, 0), []


def read_labels(path: str | os.PathLike[str], label_column: str | None = None) -> LabelTable:
    r"""Read a table of labels: a path or name a row, and a label.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "labels.csv"
    >>> _ = path.write_text("filename;genre\nx.wav;jazz\n")
    >>> read_labels(path).rows
    (('x.wav', 'jazz'),)
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        found = _read(path, label_column)
    except OSError as error:
        raise ExtractionError(
            f"The table of labels {path} cannot be read: {error.strerror}; check the path given with --labels."
        ) from None
    except (csv.Error, UnicodeError) as error:
        raise ExtractionError(
            f"The table of labels {path} is no CSV table ({error}); give one with --labels."
        ) from None
    written = {label: _as_folder(label) for label in {label for _, label in found}}
    notes = tuple(
        f"The label {label!r} is written {name!r}, because it names a folder of pictures."
        for label, name in sorted(written.items())
        if label != name
    )
    return LabelTable(path, sha256, tuple((name, written[label]) for name, label in found), notes)


def _read(path: Path, label_column: str | None) -> list[tuple[str, str]]:
    with path.open("rb") as file:
        if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            return _parse(path, "utf-16", label_column)
    for encoding in _ENCODINGS[:-1]:
        try:
            return _parse(path, encoding, label_column)
        except UnicodeError:
            continue
    return _parse(path, _ENCODINGS[-1], label_column)


def _parse(path: Path, encoding: str, label_column: str | None) -> list[tuple[str, str]]:
    with path.open(newline="", encoding=encoding) as file, _long_cells():
        first = file.readline()
        told = re.fullmatch(r'"?sep=(.)"?\s*', first, re.IGNORECASE)
        if told:
            delimiter = told[1]
        else:
            bare = re.sub(r'"[^"]*"', "", first)
            delimiter = max(_DELIMITERS, key=bare.count)
            file.seek(0)
        rows = (row for row in csv.reader(file, delimiter=delimiter) if any(map(str.strip, row)))
        head = list(islice(rows, _FMA_HEADER_ROWS))
        name_index, label_index, n_header = _columns(path, head, label_column)
        width = max(name_index, label_index)
        return [
            (row[name_index].strip(), row[label_index].strip())
            for row in chain(head[n_header:], rows)
            if len(row) > width
        ]


def _columns(path: Path, head: Sequence[Sequence[str]], label_column: str | None) -> tuple[int, int, int]:
    """Return where names and labels stand, and how many rows of header there are."""
    if not head:
        raise ExtractionError(f"The table of labels {path} is empty; give one with a path and a label in each row.")
    cells = [[cell.strip() for cell in row] for row in head]
    if len(cells) == _FMA_HEADER_ROWS and cells[2] and cells[2][0] == "track_id" and len(cells[0]) == len(cells[1]):
        for k, (group, name) in enumerate(zip(cells[0], cells[1], strict=True)):
            if name == label_column or (label_column is None and (group, name) == _FMA_LABEL):
                return 0, k, _FMA_HEADER_ROWS
    names = [cell.casefold() for cell in cells[0]]
    file_index = next((names.index(name) for name in _PATH_NAMES if name in names), None)
    wanted = _LABEL_NAMES if label_column is None else (label_column.strip().casefold(),)
    label_index = next((names.index(name) for name in wanted if name in names), None)
    if file_index is not None and label_index is not None and file_index != label_index:
        return file_index, label_index, 1
    named = next((k for k, cell in enumerate(cells[0]) if _is_audio(cell)), None)
    if label_column is None and named is not None and len(names) > 1:
        return named, 1 if named == 0 else 0, 0
    columns = ", ".join(map(repr, cells[0][:_SHOWN_COLUMNS]))
    if file_index is not None and label_column is not None:
        raise ExtractionError(f"{path} has no column {label_column!r} besides the names; it has {columns}.")
    raise ExtractionError(
        f"{path} has no column of {'labels' if file_index is not None else 'file names'} that is known by its name; "
        f"name the columns 'path' and 'label', or choose with --label-column; it has {columns}."
    )


def _is_audio(name: str) -> bool:
    from audio_genre.audio import AUDIO_SUFFIXES, UNREAD_SUFFIXES

    return PurePosixPath(name.replace("\\", "/")).suffix.lower() in AUDIO_SUFFIXES | UNREAD_SUFFIXES


def _slashed(name: str) -> str:
    return re.sub(r"/+", "/", name.strip().replace("\\", "/"))


def _plain(name: str) -> str:
    """Write a path as those below the audio folder are."""
    return _slashed(name).removeprefix("./").strip("/")


def _names_of(audio_dir: Path) -> tuple[Path, Path]:
    """Return the whole paths of the audio folder, with and without links."""
    return audio_dir.absolute(), audio_dir.resolve()


def _below(name: str, above: Sequence[str]) -> str:
    """Return what a whole path has below the audio folder; any other name as it is."""
    plain = _slashed(name)
    return next((plain.removeprefix(folder) for folder in above if plain.startswith(folder)), name)


def _keys(path: str) -> tuple[str | None, str | None, str | None]:
    """Return name, name without suffix, and number of a file, as far as it has them."""
    name = path.rpartition("/")[2].casefold()
    stem = PurePosixPath(name).stem if _is_audio(name) else name
    return name or None, stem or None, (stem.lstrip("0") or "0") if stem.isascii() and stem.isdecimal() else None


def _shared(folders: Sequence[str], others: Sequence[str]) -> int:
    """Count the folders that two paths have in common, from the file upwards."""
    pairs: Iterator[tuple[str, str]] = zip(reversed(folders), reversed(others), strict=False)
    return next((k for k, (one, other) in enumerate(pairs) if one != other), min(len(folders), len(others)))


def _as_folder(label: str) -> str:
    """Write a label so that it can be the name of a folder."""
    name = _NOT_IN_FOLDERS.sub(lambda found: " - " if found[0] != found[0].strip() else "-", label)
    return f"_{name[1:]}" if name.startswith(".") else name


@contextmanager
def _long_cells() -> Iterator[None]:
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
