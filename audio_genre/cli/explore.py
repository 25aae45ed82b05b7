"""``audio-genre explore``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audio_genre.cli.columns import (
    Conflicts,
    Duplicates,
    Encoding,
    Genres,
    GroupColumn,
    LabelColumn,
    Mapping,
    MultiGenre,
    Rows,
    Schema,
    With,
    load_and_tell,
)
from audio_genre.cli.console import ProgressLine, counted, guarded, print_json, printable, shown, table_lines

if TYPE_CHECKING:
    from audio_genre.evaluation.exploration import Exploration

_BEST = 5


@guarded("stopped; the report is not complete.")
def explore(
    table: Annotated[
        Path, typer.Argument(metavar="TABLE", help="A feature table or a table of tracks; CSV or Parquet.")
    ],
    report_dir: Annotated[
        Path, typer.Argument(metavar="REPORT_DIR", help="Folder that receives report.html, pictures and JSON.")
    ],
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 2, help="Seed of the split and of random choices.")] = 0,
    label_column: LabelColumn = None,
    group_column: GroupColumn = None,
    rows: Rows = None,
    conflicts: Conflicts = None,
    mapping: Mapping = None,
    genres: Genres = None,
    duplicates: Duplicates = None,
    use: With = None,
    schema: Schema = None,
    multi_genre: MultiGenre = None,
    encoding: Encoding = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as one JSON object.")] = False,
) -> None:
    """Explore a table: class balance, features that separate the genres, the smallest set of them, correlations."""
    from audio_genre.evaluation.explore import REPORT
    from audio_genre.evaluation.explore import explore as write_report

    loaded = load_and_tell(
        table,
        label_column=label_column,
        group_column=group_column,
        rows=rows,
        conflicts=conflicts,
        mapping=mapping,
        genres=genres,
        duplicates=duplicates,
        use=use,
        schema=schema,
        multi_genre=multi_genre,
        encoding=encoding,
    )
    with ProgressLine("exploring", "steps") as line:
        found = write_report(loaded, report_dir, seed=seed, progress=line.update)
    report = report_dir / REPORT
    if as_json:
        print_json({**found.as_json(), "report": str(report)})
        return
    for text in summary_lines(found):
        typer.echo(printable(text))
    typer.echo(printable(f"report: {shown(report)}"))


def summary_lines(found: Exploration) -> list[str]:
    """Put what was found into a few lines."""
    rows, tracks, classes = found.size, sum(found.tracks_of), len(found.table.classes)
    of_tracks = "" if tracks == rows else f" of {counted(tracks, 'track')}"
    fewest, most = min(found.rows_of), max(found.rows_of)
    each = f"{fewest} in each" if fewest == most else f"{fewest} to {most} in each"
    lines = [f"{counted(rows, 'row')}{of_tracks} in {counted(classes, 'genre')}, {each}", *found.missing]
    importance, mutual_information = found.importance, found.mutual_information
    if importance:
        lines.append(
            f"trees: accuracy {importance.accuracy} over {counted(importance.validation_tracks, 'validation track')} "
            f"(95 % interval; protocol: {importance.protocol})"
        )
    rankings = {
        name: {score.feature: f"{score.bits:.3f}" for score in each.ranking}
        for name, each in (("importance, bits", importance), ("mutual information, bits", mutual_information))
        if each
    }
    best = found.best(_BEST) if rankings else ()
    if best:
        header = ["best features", *rankings]
        lines += table_lines(header, [[name, *(values[name] for values in rankings.values())] for name in best])
    if found.minimal:
        minimal = found.minimal
        lines.append(
            f"smallest set within one standard error of the best: {', '.join(minimal.features)} (accuracy "
            f"{minimal.at(minimal.size):.3f}; best {minimal.at(minimal.best_size):.3f} with "
            f"{counted(minimal.best_size, 'feature')}; folds by {minimal.protocol})"
        )
    if len(found.table) < rows:
        lines.append(f"computed from {len(found.table)} of {rows} rows, whole tracks at random")
    return lines
