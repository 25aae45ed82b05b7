"""Tables of tracks: their options, and folders that were prepared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from audio_genre.datasets.tracks.columns import COLUMNS
from audio_genre.datasets.tracks.layout import (
    find_layout,
    read_layout,
)
from audio_genre.datasets.tracks.mapping import (
    OTHER,
    GenreMapping,
)
from audio_genre.datasets.tracks.reading import Reading, read_cells
from audio_genre.datasets.tracks.rows import Tracks
from audio_genre.errors import ParameterError, TableError

if TYPE_CHECKING:
    pass

DUPLICATES = ("keep-first", "drop", "majority")
"""What can be done with one song under several genres: keep its first genre, none, or its most frequent one."""

MULTI_GENRE = ("first", "explode")
"""What can be done with lists of genres in a cell: take the first, or make a row of each."""

CONTEXT = ("artist", "album")
"""What stands beside the music and can be encoded as context."""

PREPARATION = "preparation.json"
"""Name of the file in a prepared folder that says what was done."""

PREPARED_TABLES = ("mapped_dataset.csv", "mapped_dataset.parquet")
"""Names that the table in a prepared folder may have."""


def prepared_table(folder: Path) -> Path:
    """Return the table of a prepared folder."""
    for name in PREPARED_TABLES:
        if (folder / name).is_file():
            return folder / name
    raise TableError(
        f"{folder} is a folder without {PREPARED_TABLES[0]}; give a table, or a folder that "
        "`audio-genre tracks prepare` wrote."
    )


def _options(**given: Any) -> tuple[str, ...]:
    words: list[str] = []
    for name, value in given.items():
        option = "--" + {"use": "with"}.get(name, name).replace("_", "-")
        if isinstance(value, bool):
            words += [option] if value else []
        elif value:
            words += [option, ",".join(value) if isinstance(value, list | tuple) else str(value)]
    return tuple(words)


def _require_names(given: Sequence[str], allowed: Sequence[str], what: str) -> None:
    wrong = [name for name in given if name not in allowed]
    if wrong:
        raise ParameterError(f"The {what} are {' and '.join(allowed)}; got {wrong[0]!r}.")


def load_tracks(
    path: str | os.PathLike[str],
    *,
    schema: str | os.PathLike[str] | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
    mapping: str | os.PathLike[str] | GenreMapping | None = None,
    genres: Sequence[str] = (),
    other: bool = False,
    duplicates: Literal["keep-first", "drop", "majority"] = "keep-first",
    use: Sequence[str] = (),
    context: Sequence[str] = (),
    multi_genre: Literal["first", "explode"] = "first",
    encoding: str | None = None,
    labelled: bool = True,
) -> Tracks:
    """Read a table of tracks: map its genres, clean its columns, and find out which rows are one song.

    Parameters
    ----------
    path : str or os.PathLike
        A CSV or Parquet file, or a folder that ``audio-genre tracks prepare`` wrote.
    schema : str or os.PathLike, optional
        A TOML file that says what the columns mean; by default they are recognised by the header.
    label_column : str, optional
        Column of the genre; by default the layout's.
    group_column : str, optional
        Column whose equal values are never in two subsets under the protocol ``group``.
    mapping : str, os.PathLike or GenreMapping, optional
        From the genres of the table to those of the model; ``"default"`` is the mapping to 13 broad genres that comes
        with the package. By default genres stay as they are.
    genres : sequence of str, optional
        Genres to keep, after the mapping; by default all.
    other : bool
        Whether the genres outside `genres` become one class, ``"other"``, in place of being left out.
    duplicates : {"keep-first", "drop", "majority"}
        What to do with one song under several genres.
    use : sequence of str
        Columns that stand beside the music and are to be used all the same: popularity, year.
    context : sequence of str
        What is encoded as context, by its genres among the training rows: artist, album.
    multi_genre : {"first", "explode"}
        What to do with lists of genres in a cell.
    encoding : str, optional
        How the file is written, if not in UTF-8.
    labelled : bool
        Whether rows without a genre are left out; if not, no genre is looked for.

    Returns
    -------
    Tracks
        Its rows in the file's order.

    Raises
    ------
    TableError
        If the file cannot be read or is no table of tracks, or the mapping does not know a genre.
    ParameterError
        If an option has a value that it cannot have.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "toy.csv"
    >>> _ = path.write_text('''track_id,artists,track_name,danceability,energy,tempo,track_genre
    ... a,X;Y,One,.5,.5,120,rock
    ... b,X,One,.6,.5,0,rock
    ... c,Z,Two,.1,.2,90,jazz
    ... ''')
    >>> tracks = load_tracks(path)
    >>> tracks.groups.tolist(), tracks.together["artist"].tolist()
    (['a', 'a', 'c'], [0, 0, 1])
    >>> tracks.report["columns"]["tempo"]["missing"]
    1
    """
    path = Path(path)
    if path.is_dir():
        path = prepared_table(path)
    for value, allowed, what in ((duplicates, DUPLICATES, "duplicates"), (multi_genre, MULTI_GENRE, "multi_genre")):
        if value not in allowed:
            raise ParameterError(f"The option {what} must be one of {', '.join(allowed)}; got {value!r}.")
    _require_names(use, [name for name, column in COLUMNS.items() if column.beside], "columns beside the music")
    _require_names(context, CONTEXT, "contexts")
    if other and not genres:
        raise ParameterError("A class of other genres needs a choice of genres; name the genres.")
    if other and OTHER in (name.strip().lower() for name in genres):
        raise ParameterError(f"The class of other genres is called {OTHER!r} itself; leave it out of the genres.")
    own = None if schema is None else read_layout(schema)
    frame = read_cells(path, own, encoding)
    layout = own or find_layout(frame.header)
    reading = Reading(frame, layout, layout.columns_of(path, frame.header, label_column=label_column))
    if labelled:
        reading.label(mapping, genres, other=other, multi_genre=multi_genre)
    return reading.tracks(
        duplicates=duplicates,
        use=use,
        context=context,
        group_column=group_column,
        labelled=labelled,
        options=_options(
            schema=schema,
            label_column=label_column,
            group_column=group_column,
            mapping=mapping if isinstance(mapping, str | os.PathLike) else None,
            genres=genres,
            other=other,
            duplicates=None if duplicates == "keep-first" else duplicates,
            use=use,
            context=context,
            multi_genre=None if multi_genre == "first" else multi_genre,
            encoding=encoding,
        ),
    )
