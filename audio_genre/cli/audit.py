"""``audio-genre audit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audio_genre.cli.columns import GroupColumn, LabelColumn, Rows
from audio_genre.cli.console import SOME_FAILED, ProgressLine, counted, guarded, print_json, printable, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from audio_genre.audit import Audit

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
        typer.Argument(metavar="PATH", help="Feature table (CSV, Parquet), or folder with one folder per genre."),
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
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as one JSON object.")] = False,
) -> None:
    """Find problems that invalidate results: copies, leaks, broken files, wrong labels.

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
            progress=line.update,
        )
    if as_json:
        print_json(found.as_json())
    else:
        for text in audit_lines(found):
            typer.echo(text)
    if found.serious:
        raise typer.Exit(SOME_FAILED)


def audit_lines(audit: Audit) -> list[str]:
    """Put an audit into words: the worst first, long lists cut short."""
    classes = sum(1 for label in audit.classes if label)
    what = counted(audit.size, "row" if audit.subject == "table" else "audio file")
    in_classes = f"{classes} class{'' if classes == 1 else 'es'}"
    lines = [f"{printable(str(shown(audit.path)))}: {what}, {in_classes}."]
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


def _item_lines(items: Sequence[str]) -> list[str]:
    # A line that says "and 1 more" takes the room of that one.
    count = len(items) if len(items) <= _ITEMS_SHOWN + 1 else _ITEMS_SHOWN
    lines = [f"    {_cut(item, _LETTERS_SHOWN)}" for item in items[:count]]
    return lines + ([f"    and {len(items) - count} more"] if len(items) > count else [])


def _cut(text: str, letters: int) -> str:
    text = printable(text)
    return text if len(text) <= letters else text[: letters - 1] + "…"
