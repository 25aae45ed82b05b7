"""Options of the commands that read a feature table: what its columns and rows are."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audio_genre.cli.console import tell

if TYPE_CHECKING:
    from audio_genre.datasets import Table


class RowKind(StrEnum):
    """What the rows of a table are."""

    clips = "clips"
    segments = "segments"


class ConflictRule(StrEnum):
    """What is done with a track under several labels."""

    keep_first = "keep-first"
    drop = "drop"


LabelColumn = Annotated[str | None, typer.Option(metavar="NAME", help="Column of the genre.", show_default="label")]
"""Option ``--label-column``."""

GroupColumn = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Column of the group (such as track or artist); a group is never split.",
        show_default="by file name",
    ),
]
"""Option ``--group-column``."""

Rows = Annotated[
    RowKind | None,
    typer.Option(
        help="What a row or picture is: a whole track (clips), or a part of one, named TRACK.NUMBER (segments).",
        show_default="by names and lengths",
    ),
]
"""Option ``--rows``."""

Conflicts = Annotated[
    ConflictRule | None,
    typer.Option(
        help="What to do with tracks under several labels: keep the rows with a track's first label, or drop all of "
        "the track's rows.",
        show_default="refuse the table",
    ),
]
"""Option ``--conflicts``."""


def load_and_tell(
    path: Path,
    label_column: str | None,
    group_column: str | None,
    rows: RowKind | None,
    conflicts: ConflictRule | None,
) -> Table:
    """Read a feature table, and tell what was decided about it."""
    from audio_genre.datasets import load_table

    table = load_table(
        path,
        label_column=label_column,
        group_column=group_column,
        rows=None if rows is None else rows.value,
        conflicts=None if conflicts is None else conflicts.value,
    )
    if table.ignored:
        tell(f"Not features, so ignored: {', '.join(table.ignored)}.")
    for note in table.notes:
        tell(note)
    return table
