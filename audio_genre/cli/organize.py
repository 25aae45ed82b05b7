"""``audio-genre organize``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
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
    table_lines,
)

if TYPE_CHECKING:
    from audio_genre.library import OrganizeReport, UndoReport

_FAILURES_SHOWN = 20
_GENRE_LETTERS = 40


@guarded("stopped; what was done is kept, run the same command again to continue.")
def organize(
    music_dir: Annotated[
        Path, typer.Argument(metavar="MUSIC_DIR", help="Folder of music; its sub-folders are searched too.")
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", "-m", help="Folder of a trained model.", show_default="the one that comes with audio-genre"
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, help="Number of worker processes.", show_default="number of cores"),
    ] = None,
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, metavar="P", help="Minimum confidence; below it the answer is unknown.")
    ] = 0.0,
    no_unknown: Annotated[
        bool, typer.Option("--no-unknown", help="Always answer with a genre, except for silence.")
    ] = False,
    genres: Annotated[
        str | None,
        typer.Option(
            metavar="GENRE,...", help='Genres, or "unknown", that get playlists and tags.', show_default="all"
        ),
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply/--dry-run", help="Write playlists, tags and files in MUSIC_DIR, or only show them.")
    ] = False,
    playlists: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the playlists.", show_default="MUSIC_DIR/playlists"),
    ] = None,
    no_playlists: Annotated[bool, typer.Option("--no-playlists", help="Make no playlists.")] = False,
    write_tags: Annotated[
        bool, typer.Option("--write-tags", help="Write the genre into files that have none (extra: tags).")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the genre of files that have another one.")
    ] = False,
    overwrite_confidence: Annotated[
        float, typer.Option(min=0, max=1, metavar="P", help="Minimum confidence for replacing a genre.")
    ] = 0.8,
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Retry files that failed before, even if they have not changed."),
    ] = False,
    whole: Annotated[
        bool,
        typer.Option(
            "--whole",
            help="Listen to all of each file; a model with a pretrained network hears 30 s in the middle otherwise.",
        ),
    ] = False,
    known_only: Annotated[
        bool, typer.Option("--known-only", help="Use the answers of earlier runs; classify no file.")
    ] = False,
    stay_inside: Annotated[
        bool, typer.Option("--stay-inside", help="Refuse links that lead out of MUSIC_DIR.")
    ] = False,
    correct: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE=GENRE",
            help="Choose a genre by hand, for good; FILE= takes that back. FILE is a path below MUSIC_DIR, as it is or "
            "as --list shows it.",
            show_default=False,
        ),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Restore tagged files and playlists byte for byte.")] = False,
    list_files: Annotated[bool, typer.Option("--list", help="Show the genre of every file.")] = False,
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a table of all files; without --apply only outside of MUSIC_DIR.",
            show_default=False,
        ),
    ] = None,
    excel_safe: Annotated[
        bool,
        typer.Option(
            "--excel-safe", help="Put an apostrophe before cells of the table that look like formulas (default: off)."
        ),
    ] = False,
    database: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File that keeps answers and replaced tags.",
            show_default="one for each library in your data folder",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as one JSON object.")] = False,
) -> None:
    """Sort a music library by genre: a summary, playlists, a table, tags.

    Files are always classified, and answers are kept outside of MUSIC_DIR, so that a second run processes only new and
    changed files, and an interrupted run continues. Without --apply nothing is written in MUSIC_DIR and no playlists or
    tags anywhere; the planned changes are only shown. A genre that was chosen with --correct, or on the page of
    audio-genre serve, holds whatever the model says.

    Exit status: 0 all done, 1 some files failed, 2 nothing could be done, 130 stopped with Ctrl-C.
    """
    if undo:
        others = {
            "--csv": csv,
            "--excel-safe": excel_safe,
            "--list": list_files,
            "--overwrite": overwrite,
            "--genres": genres,
            "--min-confidence": min_confidence,
            "--no-unknown": no_unknown,
            "--playlists": playlists,
            "--write-tags": write_tags,
            "--retry-failed": retry_failed,
            "--whole": whole,
            "--known-only": known_only,
            "--correct": correct,
        }
        for name, value in others.items():
            if value:
                raise typer.BadParameter(f"--undo only reverts what was written; leave out {name}.")
        _undo(music_dir, database, playlists=not no_playlists, apply=apply, as_json=as_json)
        return
    if no_playlists and playlists is not None:
        raise typer.BadParameter("--playlists and --no-playlists exclude each other; give one of the two.")
    from audio_genre.library import correct as correct_genres
    from audio_genre.library import organize as run

    if correct:
        correct_genres(music_dir, dict(_correction(music_dir, text) for text in correct))
    with ProgressLine("listening", "files") as line:
        report = run(
            music_dir,
            model=model,
            jobs=jobs,
            database=database,
            min_confidence=min_confidence,
            unknown=not no_unknown,
            genres=None if genres is None else _split(genres, model),
            playlists=False if no_playlists else True if playlists is None else playlists,
            csv=csv,
            write_tags=write_tags,
            overwrite=overwrite,
            overwrite_confidence=overwrite_confidence,
            list_files=list_files or as_json,
            excel_safe=excel_safe,
            retry_failed=retry_failed,
            whole=whole,
            known_only=known_only,
            stay_inside=stay_inside,
            apply=apply,
            progress=_Shown(line),
        )
    if as_json:
        print_json(_as_json(report))
    else:
        for text in report_lines(report):
            typer.echo(text)
    if report.answered == 0:
        raise typer.Exit(NOTHING_DONE)
    has_refused = any(playlist.action == "refuse" for playlist in report.playlists)
    if report.failed or report.left_out or has_refused or (report.tags and report.tags.refused):
        raise typer.Exit(SOME_FAILED)


def report_lines(report: OrganizeReport) -> list[str]:
    """Put what was done into words."""
    kept = f", {report.kept} known before" if report.kept else ""
    lines = [
        f"{counted(report.found, 'audio file')}: {report.classified} classified by {printable(report.model)} in "
        f"{report.seconds:.1f} s{kept}."
    ]
    if report.excerpt:
        lines.append("It heard 30 s in the middle of each file; --whole listens to all of each.")
    lines += _file_lines(report)
    if report.genres:
        rows = [
            (_short(line.genre), str(line.tracks), f"{100 * line.share:.1f} %", _clock(line.seconds))
            for line in report.genres
        ]
        lines += table_lines(("genre", "tracks", "share", "time"), rows)
        lines.append(printable(report.trust))
    if report.by_hand:
        verb = "has" if report.by_hand == 1 else "have"
        lines.append(f"{counted(report.by_hand, 'file')} {verb} a genre that was chosen by hand.")
    if report.failed:
        hint = "" if report.csv else "; --csv FILE lists them"
        lines.append(f"{counted(report.failed, 'file')} could not be used{hint}.")
    lines += _playlist_lines(report)
    if report.csv is not None:
        lines.append(f"{'Table' if report.csv_written else 'Would write the table'}: {_path(report.csv)}")
    if report.tags is not None:
        tags = report.tags
        verb = "Genre written" if report.applied else "Would write the genre"
        lines.append(
            f"{verb} into {counted(tags.written, 'file')}; {tags.unchanged} have this genre, {tags.has_genre} another "
            f"one, {tags.refused} cannot be tagged."
        )
        if tags.held_back:
            lines.append(
                f"{counted(tags.held_back, 'file')} held back: the confidence is too low to overwrite another genre; "
                "--overwrite-confidence P changes that."
            )
    if not report.applied and (report.playlists or report.tags or (report.csv and not report.csv_written)):
        lines.append("Nothing was written into the library; run with --apply to do it.")
    return lines


def _file_lines(report: OrganizeReport) -> list[str]:
    rows = [
        (
            printable(file.genre) if file.genre else "-",
            "-" if file.confidence is None else f"{file.confidence:.3f}",
            printable(file.path)
            + (f" ({printable(file.reason)})" if file.reason else "")
            + (" (chosen by hand)" if file.by_hand else ""),
        )
        for file in report.files
    ]
    width = max((len(genre) for genre, _, _ in rows), default=0)
    header = ("genre", "confidence", "file")
    # The paths come last, so that they are aligned to the left and may be of any length.
    return [f"{g:<{max(width, 5)}}  {c:>10}  {name}" for g, c, name in [header, *rows]] if rows else []


def _playlist_lines(report: OrganizeReport) -> list[str]:
    verbs = {
        "write": "" if report.applied else "would be written, ",
        "keep": "up to date, ",
        "remove": "removed, " if report.applied else "would be removed, ",
        "refuse": "left as it is, ",
    }
    return [
        f"  {_path(playlist.path)}: {verbs[playlist.action]}{counted(playlist.tracks, 'track')}"
        for playlist in report.playlists
    ]


def _undo(music_dir: Path, database: Path | None, *, playlists: bool, apply: bool, as_json: bool) -> None:
    from audio_genre.library import undo_tags

    with ProgressLine("restoring", "files") as line:
        report = undo_tags(music_dir, database=database, playlists=playlists, apply=apply, progress=_Shown(line))
    if as_json:
        print_json(_undo_as_json(report))
    else:
        for text in _undo_lines(report):
            typer.echo(text)
    refused = report.refused + sum(playlist.action == "refuse" for playlist in report.playlists)
    if report.restored + len(report.playlists) + report.refused == refused:
        raise typer.Exit(NOTHING_DONE)
    if refused:
        raise typer.Exit(SOME_FAILED)


def _undo_lines(report: UndoReport) -> list[str]:
    if report.applied:
        lines = [f"{counted(report.restored, 'file')} restored; {report.refused} left unchanged."]
    else:
        lines = [f"Would restore {counted(report.restored, 'file')}; {report.refused} left unchanged."]
    would = "" if report.applied else "would be "
    verbs = {
        "keep": "is as before",
        "remove": f"{would}removed",
        "restore": f"{would}restored",
        "refuse": "left as it is",
    }
    lines += [f"  {_path(playlist.path)}: {verbs[playlist.action]}" for playlist in report.playlists]
    if not report.applied:
        lines.append("Nothing was written into the library; run with --apply to do it.")
    return lines


class _Shown:
    """Shows the progress of a run on a progress line."""

    def __init__(self, line: ProgressLine) -> None:
        self._line = line
        self._todo = self._done = self._failed = self._told = 0

    def planned(self, found: int, todo: int) -> None:
        self._todo = todo
        self._line.update(0, todo, f"{found - todo} known before" if found > todo else "")

    def done(self, path: str) -> None:  # noqa: ARG002
        self._done += 1
        self._show()

    def failed(self, path: str, reason: str) -> None:
        self._told += 1
        if self._told <= _FAILURES_SHOWN:
            self._line.note(f"{path} {reason}.")
        elif self._told == _FAILURES_SHOWN + 1:
            self._line.note("More files failed; the rest is only counted.")
        if self._done < self._todo:
            self._done += 1
            self._failed += 1
            self._show()

    def note(self, sentence: str) -> None:
        self._line.note(sentence)

    def tagged(self, done: int, total: int) -> None:
        self._line.update(done, total, "tags")

    def _show(self) -> None:
        self._line.update(self._done, self._todo, f"{self._failed} failed" if self._failed else "")


def _split(genres: str, model: Path | None) -> list[str]:
    """Split a list of genres; one whose name has a comma is given alone."""
    from audio_genre.bundles.card import read_card
    from audio_genre.inference.default import default_model

    if genres in read_card(default_model() if model is None else model).classes:
        return [genres]
    return [genre for genre in (part.strip() for part in genres.split(",")) if genre]


def _correction(music_dir: Path, text: str) -> tuple[str, str | None]:
    path, equals, genre = text.rpartition("=")
    if not equals:
        raise typer.BadParameter(f"--correct needs FILE=GENRE, got {text!r}.")
    return _meant(music_dir, path), genre or None


def _meant(music_dir: Path, path: str) -> str:
    """Return the path of a file that is given as it is, or as a list or a table shows it."""
    from audio_genre.files.spreadsheets import plain_cell
    from audio_genre.library.corrections import corrections

    if "\0" in path or os.path.lexists(music_dir / path):
        return path
    given = (path, plain_cell(path))
    found = {"/".join(names) for text in given for names in _shown_as(music_dir, text.split("/"))}
    # The file of a choice that is taken back may be gone.
    found = found or {kept for kept in corrections(music_dir.resolve()) if not _shapes(kept).isdisjoint(given)}
    if len(found) > 1:
        named = ", ".join(map(repr, sorted(found)))
        raise typer.BadParameter(f"{printable(path)} may be any of {named}; rename all but one of them.")
    return found.pop() if found else path


def _shown_as(folder: Path, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the paths in a folder that are shown by these names."""
    try:
        inside = [entry.name for entry in folder.iterdir() if names[0] in _shapes(entry.name)]
    except OSError:
        return
    for name in inside:
        if len(names) == 1:
            yield (name,)
        else:
            yield from ((name, *rest) for rest in _shown_as(folder / name, names[1:]))


def _shapes(path: str) -> set[str]:
    """Return how a path is shown: as it is, in a list, and in a table."""
    return {path, printable(path), path.encode("utf-8", "backslashreplace").decode("utf-8")}


def _short(genre: str) -> str:
    text = printable(genre)
    return text if len(text) <= _GENRE_LETTERS else text[: _GENRE_LETTERS - 1] + "…"


def _path(path: Path) -> str:
    return printable(str(shown(path)))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def _as_json(report: OrganizeReport) -> dict[str, Any]:
    return {
        "music_dir": str(report.music_dir),
        "database": str(report.database),
        "model": report.model,
        "excerpt": report.excerpt,
        "found": report.found,
        "classified": report.classified,
        "kept": report.kept,
        "failed": report.failed,
        "by_hand": report.by_hand,
        "genres": [
            {
                "genre": line.genre,
                "tracks": line.tracks,
                "share": round(line.share, 6),
                "seconds": round(line.seconds, 3),
            }
            for line in report.genres
        ],
        "playlists": [
            {"path": str(playlist.path), "tracks": playlist.tracks, "action": playlist.action}
            for playlist in report.playlists
        ],
        "left_out": report.left_out,
        "csv": None if report.csv is None else {"path": str(report.csv), "written": report.csv_written},
        "tags": None
        if report.tags is None
        else {
            "written": report.tags.written,
            "unchanged": report.tags.unchanged,
            "has_genre": report.tags.has_genre,
            "refused": report.tags.refused,
            "held_back": report.tags.held_back,
        },
        "trust": report.trust,
        "files": [
            {
                "path": file.path,
                "genre": file.genre,
                "confidence": file.confidence,
                "reason": file.reason,
                "by_hand": file.by_hand,
            }
            for file in report.files
        ],
        "applied": report.applied,
        "seconds": round(report.seconds, 3),
    }


def _undo_as_json(report: UndoReport) -> dict[str, Any]:
    return {
        "music_dir": str(report.music_dir),
        "database": str(report.database),
        "restored": report.restored,
        "refused": report.refused,
        "playlists": [{"path": str(playlist.path), "action": playlist.action} for playlist in report.playlists],
        "applied": report.applied,
    }
