"""``audio-genre audit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audio_genre.cli.columns import (
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
    names,
)
from audio_genre.cli.console import (
    SOME_FAILED,
    ProgressLine,
    counted,
    guarded,
    print_json,
    printable,
    shown,
    table_lines,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from audio_genre.audit import Audit
    from audio_genre.audit.panel import Panel, Way

_HEADINGS = {
    "serious": "Serious: this makes results wrong",
    "warning": "Warnings: this may make results wrong",
    "note": "Notes: good to know",
}
_ITEMS_SHOWN = 8
_LETTERS_SHOWN = 240


@guarded()
def audit(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH", help="Feature table or table of tracks (CSV, Parquet), or folder with one folder per genre."
        ),
    ],
    label_column: LabelColumn = None,
    group_column: GroupColumn = None,
    rows: Rows = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", min=1, help="Number of worker processes for a folder.", show_default="number of cores"
        ),
    ] = None,
    mapping: Mapping = None,
    genres: Genres = None,
    duplicates: Duplicates = None,
    use: With = None,
    schema: Schema = None,
    multi_genre: MultiGenre = None,
    encoding: Encoding = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the leak panel of a table of tracks.")] = 0,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder that receives report.html, a chart and audit.json.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as one JSON object.")] = False,
) -> None:
    """Find problems that invalidate results: copies, leaks, broken files, wrong labels.

    Of a table of tracks it trains one quick model the honest ways and the ways that people evaluate by mistake (row
    number as a feature, balancing before the split, songs or artists in two subsets, repeated rows), and shows both.

    Exit status: 0 nothing serious was found, 1 something serious was, 2 PATH could not be examined.
    """
    from audio_genre.audit import audit as examine

    with ProgressLine("auditing", "files" if path.is_dir() else "steps") as line:
        found = examine(
            path,
            label_column=label_column,
            group_column=group_column,
            rows=None if rows is None else rows.value,
            jobs=jobs,
            seed=seed,
            progress=line.update,
            mapping=None if mapping == "none" else mapping,
            genres=names(genres),
            duplicates=duplicates,
            use=names(use),
            schema=schema,
            multi_genre=multi_genre,
            encoding=encoding,
        )
    if report is not None:
        from audio_genre.evaluation.audit_report import write_audit_report

        page = write_audit_report(found, report)
    if as_json:
        print_json(found.as_json())
    else:
        for text in audit_lines(found):
            typer.echo(text)
        if report is not None:
            typer.echo(printable(f"report: {shown(page)}"))
    if found.serious:
        raise typer.Exit(SOME_FAILED)


def audit_lines(audit: Audit) -> list[str]:
    """Put an audit into words: the worst first, long lists cut short."""
    classes = sum(1 for label in audit.classes if label)
    what = counted(audit.size, "row" if audit.subject == "table" else "audio file")
    in_classes = f"{classes} class{'' if classes == 1 else 'es'}"
    lines = [f"{printable(str(shown(audit.path)))}: {what}, {in_classes}."]
    if audit.panel is not None:
        lines += ["", *map(printable, panel_lines(audit.panel))]
    for severity, heading in _HEADINGS.items():
        findings = [finding for finding in audit.findings if finding.severity == severity]
        if not findings:
            continue
        lines += ["", heading]
        for finding in findings:
            lines.append(f"- {_cut(finding.message, 4 * _LETTERS_SHOWN)} [{finding.kind}]")
            # The sentence names the first.
            if len(finding.items) > 1:
                lines += _item_lines(finding.items)
    counts = {severity: len(audit.of(severity)) for severity in ("serious", "warning", "note")}
    if not audit.findings:
        return [*lines, "", "Nothing found."]
    summary = ", ".join(
        [f"{counts['serious']} serious", counted(counts["warning"], "warning"), counted(counts["note"], "note")]
    )
    return [*lines, "", f"{summary}."]


def panel_lines(panel: Panel) -> list[str]:
    """Put wrong ways beside honest ones."""
    header = [
        "leak panel: accuracy of",
        "wrong way",
        "honest way",
        "",
        "labels shuffled: wrong (chance)",
        "honest (chance)",
    ]
    body = [
        [
            mistake.title,
            str(mistake.wrong.accuracy),
            str(mistake.honest.accuracy),
            "LEAK" if mistake.shows else "",
            _figure(mistake.wrong),
            _figure(mistake.honest),
        ]
        for mistake in panel.mistakes
    ]
    return [panel.headline(), *table_lines(header, body)]


def _figure(way: Way) -> str:
    return "-" if way.shuffled is None else f"{way.shuffled.value:.3f} ({way.shuffled_chance:.3f})"


def _item_lines(items: Sequence[str]) -> list[str]:
    # A line that says "and 1 more" takes the room of that one.
    count = len(items) if len(items) <= _ITEMS_SHOWN + 1 else _ITEMS_SHOWN
    lines = [f"    {_cut(item, _LETTERS_SHOWN)}" for item in items[:count]]
    return lines + ([f"    and {len(items) - count} more"] if len(items) > count else [])


def _cut(text: str, letters: int) -> str:
    text = printable(text)
    return text if len(text) <= letters else text[: letters - 1] + "…"
