"""``audio-genre compare``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audio_genre.cli.console import (
    SOME_FAILED,
    ProgressLine,
    complain,
    counted,
    guarded,
    print_json,
    printable,
    shown,
    table_lines,
    tell,
)

if TYPE_CHECKING:
    from audio_genre.evaluation.comparison import Comparison, Section

_NAMES_SHOWN = 5


@guarded("stopped; there is no complete report.")
def compare(
    models_dir: Annotated[Path, typer.Argument(metavar="MODELS_DIR", help="Folder with one folder per trained model.")],
    report_dir: Annotated[
        Path,
        typer.Argument(metavar="REPORT_DIR", help="Folder that receives the report; an earlier report is replaced."),
    ],
    excel_safe: Annotated[
        bool, typer.Option("--excel-safe", help="Put an apostrophe before cells of CSV files that look like formulas.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print everything that metrics.json holds as one JSON object.")
    ] = False,
) -> None:
    """Compare trained models: accuracy with intervals, confusion matrices, paired tests, effect of leaky protocols.

    Exit status: 0 all models compared, 1 some could not be read, 2 there is nothing to compare.
    """
    from audio_genre.evaluation.compare import compare as compare_models

    with ProgressLine("comparing", "steps") as line:
        found = compare_models(models_dir, report_dir, excel_safe=excel_safe, progress=line.update)
    if found.skipped:
        more = f" and {len(found.skipped) - _NAMES_SHOWN} more" if len(found.skipped) > _NAMES_SHOWN else ""
        tell(f"No model in {', '.join(found.skipped[:_NAMES_SHOWN])}{more}.")
    if as_json:
        print_json(json.loads((found.report.parent / "metrics.json").read_text(encoding="utf-8")))
    else:
        for text in summary_lines(found):
            typer.echo(printable(text))
    for sentence in found.broken:
        complain(sentence)
    if found.broken:
        raise typer.Exit(SOME_FAILED)


def summary_lines(found: Comparison) -> list[str]:
    """Put a comparison into a headline and tables, one for each group of models that can be ranked."""
    lines = [found.headline(), ""]
    for section in found.sections:
        lines += [*_section_lines(section), ""]
    for each in found.repeats:
        leaky = "LEAKY " if each.leaky else ""
        lines.append(
            f"{each.variant} on {each.data}, {leaky}protocol {each.protocol}, {counted(each.accuracy.runs, 'run')}: "
            f"{each.accuracy.accuracy}, spread {each.accuracy.spread:.3f}"
        )
    lines += [str(leak) for leak in found.leaks]
    return [*lines, f"report: {shown(found.report)}"]


def _section_lines(section: Section) -> list[str]:
    by_row = any(model.by_row for model in section.models)
    header = ["model", "test accuracy, 95 % interval", "validation", "macro-F1"]
    header += [*(["test by row"] if by_row else []), "kind"]
    rows = []
    for model in section.models:
        tracks = model.scores.tracks
        rows.append(
            [
                f"{model.name} (interrupted)" if model.interrupted else model.name,
                str(tracks.accuracy),
                "-" if model.validation is None else f"{model.validation:.3f}",
                f"{tracks.macro_f1.value:.3f}",
                *([f"{model.scores.rows.accuracy.value:.3f}"] if by_row else []),
                model.kind,
            ]
        )
    return [section.title, *table_lines(header, rows), *map(str, section.tests)]
