"""Options of the commands that read a feature table: what its columns and rows are."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from audio_genre.cli.console import tell


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


Mapping = Annotated[
    str | None,
    typer.Option(
        metavar="FILE.csv",
        help="From genre to broad genre: a CSV file genre,broad_genre,aliases; or default (our 13 broad genres); or "
        "none. Tables of tracks only, as the options below.",
        show_default="none",
    ),
]
"""Option ``--mapping``."""

Genres = Annotated[
    str | None,
    typer.Option(metavar="NAMES", help="Genres to keep after the mapping, with commas.", show_default="all"),
]
"""Option ``--genres``."""

Other = Annotated[bool, typer.Option("--other", help="Learn the genres outside --genres as one class, other.")]
"""Option ``--other``."""

Duplicates = Annotated[
    str | None,
    typer.Option(
        metavar="RULE",
        help="One song under several genres: keep-first, drop (all its rows) or majority.",
        show_default="keep-first",
    ),
]
"""Option ``--duplicates``."""

With = Annotated[
    str | None,
    typer.Option(
        "--with",
        metavar="NAMES",
        help="Columns beside the music to use all the same: popularity, year.",
        show_default="none",
    ),
]
"""Option ``--with``."""

Context = Annotated[
    str | None,
    typer.Option(metavar="NAMES", help="Learn from these names too: artist, album.", show_default="none"),
]
"""Option ``--context``."""

Schema = Annotated[
    Path | None,
    typer.Option(metavar="FILE.toml", help="What the columns mean.", show_default="recognised by the header"),
]
"""Option ``--schema``."""

MultiGenre = Annotated[
    str | None,
    typer.Option(metavar="RULE", help="Lists of genres in a cell: first, or explode.", show_default="first"),
]
"""Option ``--multi-genre``."""

Encoding = Annotated[
    str | None, typer.Option(metavar="NAME", help="How the file is written, such as cp1252.", show_default="utf-8")
]
"""Option ``--encoding``."""


def names(text: str | None) -> tuple[str, ...]:
    """Return the names in an option, which have commas between them.

    Examples
    --------
    >>> names("jazz, rock")
    ('jazz', 'rock')
    """
    return () if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


_READING = (
    *(
        "label_column",
        "group_column",
        "rows",
        "conflicts",
        "mapping",
        "genres",
        "other",
        "duplicates",
        "use",
        "context",
    ),
    *("schema", "multi_genre", "encoding"),
)


def reading_options(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return those arguments of a command that say how its table is read."""
    return {name: arguments[name] for name in _READING if name in arguments}


def load_and_tell(path: Path, *, protocol: Any = None, **options: Any) -> Any:
    """Read rows of whatever kind of input a path is, and tell what was decided about them."""
    from audio_genre.inputs import load_dataset

    for name in ("genres", "use", "context"):
        options[name] = names(options.get(name))
    plain = {name: value.value if isinstance(value, StrEnum) else value for name, value in options.items()}
    if plain.get("mapping") == "none":
        plain["mapping"] = None
    rows = load_dataset(path, protocol=protocol, **plain)
    if ignored := getattr(rows, "ignored", ()):
        tell(f"Not features, so ignored: {', '.join(ignored)}.")
    for note in getattr(rows, "notes", ()):
        tell(note)
    return rows
