"""``audio-genre tracks``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from audio_genre.cli.columns import Duplicates, Encoding, Genres, LabelColumn, MultiGenre, Other, Schema, names
from audio_genre.cli.console import (
    NOTHING_DONE,
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
from audio_genre.errors import ParameterError

_ANSWERS = ("row", "genre", "confidence", "reason")

tracks = typer.Typer(name="tracks", help="Prepare and classify tables of Spotify-style tracks.", no_args_is_help=True)

_MAX_GENRES = 20


@tracks.callback()
def _tracks() -> None:
    """Prepare and classify tables of Spotify-style tracks."""


@tracks.command()
@guarded("stopped before the folder was complete; run the same command again.")
def prepare(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="A table of tracks; CSV or Parquet.")],
    out_dir: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Folder that receives the prepared table.")],
    mapping: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.csv",
            help="From genre to broad genre: a CSV file genre,broad_genre,aliases; or default (our 13 broad genres); "
            "or none.",
            show_default="default; none with --genres",
        ),
    ] = None,
    genres: Genres = None,
    other: Other = False,
    duplicates: Duplicates = None,
    label_column: LabelColumn = None,
    schema: Schema = None,
    multi_genre: MultiGenre = None,
    encoding: Encoding = None,
    protocol: Annotated[
        str,
        typer.Option(
            help="How the rows are split 60/20/20: track (a song in one subset only), artist, group:COLUMN or segment "
            "(random rows, leaky)."
        ),
    ] = "track",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split.")] = 0,
    form: Annotated[str, typer.Option("--format", help="Format of the mapped table: csv or parquet.")] = "csv",
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as one JSON object.")] = False,
) -> None:
    """Map genres, clean columns, find songs under several genres, and split a table of tracks."""
    from audio_genre.datasets.tracks.preparing import prepare as prepare_table
    from audio_genre.datasets.tracks.preparing import refuse_to_replace, write_mapping_to_fill, write_preparation
    from audio_genre.datasets.tracks.reading import UnknownGenresError

    given: dict[str, Any] = {
        "genres": names(genres),
        "duplicates": duplicates,
        "label_column": label_column,
        "schema": schema,
        "multi_genre": multi_genre,
        "encoding": encoding,
    }
    reading = {name: value for name, value in given.items() if value}
    if out_dir.is_file():
        raise ParameterError(f"OUT_DIR is the file {out_dir}; name a folder, which need not be there.")
    refuse_to_replace(table, out_dir)
    with ProgressLine("preparing", "steps") as line:
        line.update(0, None, "reading")
        try:
            found = prepare_table(table, mapping=mapping, protocol=protocol, seed=seed, other=other, **reading)
        except UnknownGenresError as error:
            path = write_mapping_to_fill(error, out_dir)
            complain(
                f"{error} Fill in the empty broad genres of {shown(path)} (- leaves a genre out) and give it with "
                "--mapping."
            )
            raise typer.Exit(NOTHING_DONE) from None
        write_preparation(found, out_dir, form=form, progress=line.update)
    if as_json:
        print_json({**found.report, "folder": str(out_dir)})
        return
    for note in found.report["notes"]:
        tell(note)
    for text in _summary(found.report):
        typer.echo(printable(text))
    typer.echo(printable(f"folder: {shown(out_dir)}"))


def _summary(report: Any) -> list[str]:
    rows = dict(report["rows"])
    read, left = rows.pop("read"), rows.pop("left")
    lines = [f"{report['file']}: layout {report['layout']}, {counted(read, 'row')} read, {left} kept"]
    lines += [f"left out, {why}: {number}" for why, number in rows.items()]
    for column, found in report["columns"].items():
        words = [f"{number} {word}" for word, number in found.items() if number]
        if words:
            lines.append(f"column {column}: {', '.join(words)}")
    lines += [f"found and kept, {word}: {number}" for word, number in report["faults"].items()]
    outside = report.get("genres_outside") or report.get("genres_left_out") or {}
    if outside:
        shown_names = ", ".join(f"{name} ({number})" for name, number in list(outside.items())[:_MAX_GENRES])
        lines.append(f"genres outside: {shown_names}{', ...' if len(outside) > _MAX_GENRES else ''}")
    subsets = report["subsets"]
    header = ["genre", "rows", *subsets]
    genres = sorted(report["genres"].items(), key=lambda pair: -pair[1])
    body = [
        [genre, str(number), *(str(subset["genres"].get(genre, 0)) for subset in subsets.values())]
        for genre, number in genres[:_MAX_GENRES]
    ]
    if len(genres) > _MAX_GENRES:
        body.append([f"and {len(genres) - _MAX_GENRES} more", "", *("" for _ in subsets)])
    lines += table_lines(header, body)
    lines.append(f"protocol: {report['protocol']['name']} ({report['protocol']['description']})")
    return lines


@tracks.command()
@guarded("stopped.")
def classify(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="A table of tracks, with or without genres.")],
    out: Annotated[
        Path | None, typer.Argument(metavar="[OUT.csv]", help="File that receives the answers.", show_default="stdout")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A model that was trained on a table of tracks.")
    ] = None,
    schema: Schema = None,
    encoding: Encoding = None,
    no_unknown: Annotated[bool, typer.Option("--no-unknown", help="Always answer with a genre.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write one JSON object per row, each on its own line.")
    ] = False,
) -> None:
    """Tell the genre of every row of a table of tracks: genre, confidence, and why where it is unknown."""
    from audio_genre.files.storage import storage_error, whole_file, why_foreign
    from audio_genre.inference.rows import classify_table

    if model is None:
        raise ParameterError(
            "No model for tables of tracks comes with audio-genre, because their values are Spotify content; train one "
            "with `audio-genre train baseline TABLE MODELS_DIR`, and name it with --model."
        )
    if out is not None and not out.absolute().parent.is_dir():
        raise ParameterError(
            f"{out} cannot be written: there is no folder {out.parent}; make it, or name another file."
        )
    if out is not None:
        heads = (",".join(_ANSWERS).encode(), b'{"row": ')
        if (reason := why_foreign(out, heads, "a file of answers of this command")) is not None:
            raise ParameterError(f"{out} {reason}; name another file.")
    reading = {name: value for name, value in {"schema": schema, "encoding": encoding}.items() if value is not None}
    with ProgressLine("classifying", "rows") as line:
        answers = classify_table(table, model, unknown=not no_unknown, progress=line.update, notes=tell, **reading)
    lines = _json_lines(answers) if as_json else _csv_lines(answers)
    if out is None:
        sys.stdout.writelines(lines)
        return
    try:
        with whole_file(out) as file:
            file.writelines(text.encode("utf-8", "surrogatepass") for text in lines)
    except OSError as error:
        raise storage_error(error, out) from None
    known = sum(answer.reason is None for answer in answers)
    typer.echo(printable(f"{counted(len(answers), 'row')}, {known} with a genre: {shown(out)}"))


def _csv_lines(answers: Any) -> list[str]:
    from audio_genre.files.csv_rows import CsvWriter

    lines: list[str] = []

    class _Lines:
        def write(self, text: str) -> None:
            lines.append(text)

    writer = CsvWriter(_Lines())
    writer.writerow(_ANSWERS)
    writer.writerows([a.path, a.genre, f"{a.confidence:.6f}", a.reason or ""] for a in answers)
    return lines


def _json_lines(answers: Any) -> list[str]:
    return [
        json.dumps(
            {
                "row": a.path,
                "genre": a.genre,
                "confidence": round(a.confidence, 6),
                "reason": a.reason,
                "probabilities": a.probabilities,
            }
        )
        + "\n"
        for a in answers
    ]
