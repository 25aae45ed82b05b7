"""``audio-genre extract``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audio_genre.cli.console import (
    NOTHING_DONE,
    SOME_FAILED,
    ProgressLine,
    counted,
    guarded,
    print_json,
    printable,
    shown,
)

if TYPE_CHECKING:
    from audio_genre.extraction import ExtractionReport

_PANEL = "Parameters of the recipe: other values give a recipe with another name"
_SIZE = re.compile(r"(\d+)x(\d+)")


@guarded("stopped; run the same command again to continue.")
def extract(
    audio_dir: Annotated[Path, typer.Argument(metavar="AUDIO_DIR", help="Folder with one folder per genre.")],
    out_dir: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Folder for tables and pictures.")],
    recipe: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="What is computed: gtzan57-v1, musicnn50-v1, or both as gtzan57-v1+musicnn50-v1."
        ),
    ] = "gtzan57-v1",
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, help="Number of worker processes.", show_default="number of cores"),
    ] = None,
    no_images: Annotated[bool, typer.Option("--no-images", help="Write no pictures.")] = False,
    picture_size: Annotated[
        str | None,
        typer.Option(
            metavar="WxH", help="Size of the pictures, such as 432x288.", show_default="one pixel per frame and band"
        ),
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Start again; discard what an earlier run did.")] = False,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Table of paths or names and labels.", show_default="folders are labels"),
    ] = None,
    label_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Column of labels in that table.", show_default="label or genre")
    ] = None,
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Retry files that failed before, even if they have not changed."),
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Maximum number of files.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done.")] = False,
    table_format: Annotated[
        str, typer.Option("--format", help="csv or parquet (extra: parquet).", metavar="FORMAT")
    ] = "csv",
    dask: Annotated[
        str | None, typer.Option(metavar="tcp://HOST:PORT", help="Compute on a Dask cluster (extra: dask).")
    ] = None,
    sr: Annotated[
        int | None, typer.Option(help="Sampling rate in Hz.", show_default="22050", rich_help_panel=_PANEL)
    ] = None,
    n_fft: Annotated[
        int | None,
        typer.Option(help="Length of an STFT frame in samples.", show_default="2048", rich_help_panel=_PANEL),
    ] = None,
    hop_length: Annotated[
        int | None,
        typer.Option(help="Hop between frames in samples.", show_default="512", rich_help_panel=_PANEL),
    ] = None,
    n_mels: Annotated[
        int | None, typer.Option(help="Number of mel bands.", show_default="128", rich_help_panel=_PANEL)
    ] = None,
    n_mfcc: Annotated[
        int | None,
        typer.Option(help="Number of MFCCs, each with mean and variance.", show_default="20", rich_help_panel=_PANEL),
    ] = None,
    fmin: Annotated[
        float | None,
        typer.Option(help="Lowest frequency of the mel bands in Hz.", show_default="0", rich_help_panel=_PANEL),
    ] = None,
    fmax: Annotated[
        float | None,
        typer.Option(help="Highest frequency of the mel bands in Hz.", show_default="11025", rich_help_panel=_PANEL),
    ] = None,
    excel_safe: Annotated[
        bool,
        typer.Option("--excel-safe", help="Put an apostrophe before cells of failures.csv that look like formulas."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as one JSON object.")] = False,
) -> None:
    """Turn a folder of audio into 30-s and 3-s feature tables and mel-spectrogram pictures.

    A run that was stopped continues where it was. Files that cannot be used are listed in failures.csv.

    Exit status: 0 all done, 1 some files failed, 2 nothing could be done, 130 stopped with Ctrl-C.
    """
    changes = {
        "sr": sr, "n_fft": n_fft, "hop_length": hop_length, "n_mels": n_mels, "n_mfcc": n_mfcc, "mel_fmin": fmin,
        "mel_fmax": fmax,
    }  # fmt: skip
    report = extract_with_progress(
        audio_dir,
        out_dir,
        jobs=jobs,
        images=not no_images,
        picture_size=_parse_size(picture_size),
        restart=restart,
        retry_failed=retry_failed,
        labels=labels,
        label_column=label_column,
        limit=limit,
        dry_run=dry_run,
        table_format=table_format,
        dask=dask,
        recipe=recipe,
        changes={name: value for name, value in changes.items() if value is not None},
        excel_safe=excel_safe,
    )
    if as_json:
        print_json(_as_json(report))
    else:
        for line in report_lines(report):
            typer.echo(line)
    if report.failed:
        raise typer.Exit(SOME_FAILED if any(report.rows.values()) else NOTHING_DONE)


def extract_with_progress(
    audio_dir: Path,
    out_dir: Path,
    *,
    recipe: str = "gtzan57-v1",
    changes: Mapping[str, Any] | None = None,
    **options: Any,
) -> ExtractionReport:
    """Extract under a progress line."""
    from audio_genre.dsp import GTZAN57, get_recipe
    from audio_genre.extraction import extract as run

    wanted = get_recipe(recipe).derive(**(changes or {}))
    with ProgressLine("extracting", "clips") as line:
        if changes and wanted.pictures != GTZAN57:
            line.note(f"The recipe is {wanted.name}: its features are not those of the public GTZAN tables.")
        if wanted.pictures is None and options.get("images", True):
            line.note(f"The recipe {wanted.name} makes no pictures.")
        elif wanted.pictures is not None and wanted.pictures.n_mels != GTZAN57.n_mels and options.get("images", True):
            line.note(
                f"Pictures of {wanted.pictures.n_mels} mel bands cannot train `audio-genre train pictures`, which "
                f"takes {GTZAN57.n_mels}; --no-images leaves them out."
            )
        return run(audio_dir, out_dir, recipe=wanted, progress=_Shown(line), **options)


def report_lines(report: ExtractionReport) -> list[str]:
    """Put what was done into words."""
    if report.dry_run:
        return [
            f"{report.todo} of {counted(report.planned, 'clip')} would be extracted, {report.already_done} done before."
        ]
    kept = f", {report.already_done} done before" if report.already_done else ""
    lines = [f"{counted(report.extracted, 'clip')} extracted in {report.seconds:.1f} s{kept}."]
    lines += [
        f"  {printable(str(shown(report.out_dir / name)))}: {counted(rows, 'row')}"
        for name, rows in report.rows.items()
    ]
    if report.failed:
        lines.append(f"  {printable(str(shown(report.failures)))}: {counted(report.failed, 'file')} could not be used")
    return lines


class _Shown:
    """Shows the progress of an extraction on a progress line."""

    def __init__(self, line: ProgressLine) -> None:
        self._line = line
        self._todo = 0
        self._done = 0
        self._failed = 0

    def planned(self, found: int, todo: int) -> None:
        self._todo = todo
        self._line.update(0, todo, f"{found - todo} done before" if found > todo else "")

    def done(self, path: str) -> None:  # noqa: ARG002
        self._done += 1
        self._show()

    def failed(self, path: str, reason: str) -> None:
        self._done += 1
        self._failed += 1
        self._line.note(f"{path} {reason}.")
        self._show()

    def note(self, sentence: str) -> None:
        self._line.note(sentence)

    def _show(self) -> None:
        self._line.update(self._done, self._todo, f"{self._failed} failed" if self._failed else "")


def _parse_size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = _SIZE.fullmatch(text.strip().lower())
    if match is None:
        raise typer.BadParameter(f"{text!r} is no size; write width x height in pixels, such as 432x288.")
    return int(match[1]), int(match[2])


def _as_json(report: ExtractionReport) -> dict[str, Any]:
    return {
        "out_dir": str(report.out_dir),
        "planned": report.planned,
        "todo": report.todo,
        "already_done": report.already_done,
        "extracted": report.extracted,
        "failed": report.failed,
        "dropped": report.dropped,
        "redone": dict(report.redone),
        "rows": dict(report.rows),
        "seconds": round(report.seconds, 3),
        "dry_run": report.dry_run,
    }
