"""``audio-genre demo --tracks``: a made-up table of tracks from raw CSV to answers, by the commands themselves."""

from __future__ import annotations

import csv
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from audio_genre.cli.console import NOTHING_DONE, SOME_FAILED, counted, guarded, printable
from audio_genre.errors import AudioGenreError, ParameterError

FOLDER = Path("audio-genre-demo-tracks")
"""Where the files go if no folder is named."""

_ROWS = 1200
_NEW_ROWS = 200
_EPOCHS = 12
_SEVEN = ("acoustic", "classical", "country", "edm", "hip-hop", "pop", "r-n-b")
_FOREST, _NETWORK = "random-forest", "mlp-256-128"


@dataclass(frozen=True)
class _Step:
    """Commands that a user would type, under a title."""

    title: str
    commands: tuple[tuple[object, ...], ...]
    network: bool = False


def _model(name: str, seed: int) -> str:
    """Return the name of the folder of a model."""
    return f"{name}-seed{seed}" if seed else name


def _steps(folder: Path, seed: int) -> list[_Step]:
    table, prepared, models = folder / "tracks.csv", folder / "prepared", folder / "models"
    seven, artist, forest = folder / "seven", ("--protocol", "artist"), ("--variant", _FOREST)
    seeded = ("--seed", seed) if seed else ()
    choice = ("--genres", ",".join(_SEVEN), "--other")
    answers = (folder / "new.csv", folder / "answers.csv")
    return [
        _Step(
            "Prepare it: find its layout, clean it, map its genres to broad ones, split it",
            (("tracks", "prepare", table, prepared, *artist, *seeded),),
        ),
        _Step(
            "Train a forest twice: no song in two subsets, and no artist in two subsets",
            (
                ("train", "baseline", prepared, folder / "by-song", *forest, *seeded),
                ("train", "baseline", prepared, models, *forest, *artist, *seeded),
            ),
        ),
        _Step(
            "Train a small network by artist",
            (("train", "tabular", prepared, models, "--variant", _NETWORK, "--epochs", _EPOCHS, *artist, *seeded),),
            network=True,
        ),
        _Step("Explore: which columns tell the genres", (("explore", prepared, folder / "exploration", *seeded),)),
        _Step("Look for what spoils results: the usual mistakes beside the honest way", (("audit", table, *seeded),)),
        _Step("Compare", (("compare", models, folder / "report"),)),
        _Step(
            "Train on seven genres, with the rest as one class, and classify a table by artists that no model has seen",
            (
                ("train", "baseline", table, seven, *choice, *forest, *artist, *seeded),
                ("tracks", "classify", *answers, "--model", seven / _model(f"{_FOREST}-other-artist", seed)),
            ),
        ),
    ]


@guarded("stopped; run the same command again.")
def demo_tracks(context: typer.Context, folder: Path, seed: int) -> None:
    """Go from a raw table to models and answers, and say what it shows."""
    from audio_genre.synthetic.tracks import FAULTS, write_tracks
    from audio_genre.training.backend import require_keras

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudioGenreError(f"The folder {folder} cannot be made: {error.strerror}; choose another.") from None
    _title(1, f"Make a table of {_ROWS} made-up tracks with the faults of real ones")
    write_tracks(folder / "tracks.csv", _ROWS, seed=seed)
    write_tracks(folder / "new.csv", _NEW_ROWS, seed=seed + 1)
    typer.echo(f"  {folder / 'tracks.csv'}; your own: a CSV file with columns such as danceability, energy, tempo")
    for fault in FAULTS.values():
        typer.echo(f"  - {fault}")
    try:
        require_keras()
        without = ""
    except ParameterError as error:
        without = str(error)
    for number, step in enumerate(_steps(folder, seed), start=2):
        _title(number, step.title)
        if step.network and without:
            typer.echo(f"  Left out: {without} The rest needs no network.")
            continue
        for words in step.commands:
            _run(context, words)
    typer.echo("\nWhat it shows (the tracks are made up, so the figures say nothing about music):")
    for line in _story(folder, seed):
        typer.echo(f"- {line}")
    typer.echo(printable(f"Everything is in {folder}; the comparison is {folder / 'report' / 'report.html'}."))


def _title(number: int, title: str) -> None:
    typer.echo(f"\n{number}. {title}")


def _run(context: typer.Context, words: Sequence[object]) -> None:
    """Run a command of the same program, as it is printed."""
    args = [str(word) for word in words]
    typer.echo(f"  $ audio-genre {shlex.join(args)}")
    status = context.find_root().command.main(args=args, prog_name="audio-genre", standalone_mode=False)
    # An audit that finds what was planted ends with 1.
    if status not in (None, 0, SOME_FAILED if args[0] == "audit" else 0):
        raise typer.Exit(status if isinstance(status, int) else NOTHING_DONE)


def _story(folder: Path, seed: int) -> list[str]:
    from audio_genre.evaluation.results import read_result

    by_song, by_artist = (
        read_result(folder / kind / _model(name, seed)).scores.tracks.accuracy
        for kind, name in (("by-song", _FOREST), ("models", f"{_FOREST}-artist"))
    )
    counts = {"right": 0, "wrong": 0, "unknown": 0, "refused": 0, "outside": 0}
    with (
        (folder / "new.csv").open(encoding="utf-8", newline="") as table,
        (folder / "answers.csv").open(encoding="utf-8", newline="") as answers,
    ):
        for row, answer in zip(csv.DictReader(table), csv.DictReader(answers), strict=True):
            genre = {"R&B": "r-n-b"}.get(row["track_genre"], row["track_genre"])
            if genre not in _SEVEN:
                counts["outside"] += 1
                counts["refused"] += answer["genre"] == "unknown"
            elif answer["genre"] == "unknown":
                counts["unknown"] += 1
            else:
                counts["right" if answer["genre"] == genre else "wrong"] += 1
    inside = counts["right"] + counts["wrong"] + counts["unknown"]
    return [
        f"The same forest has an accuracy of {by_song} where songs of one artist are in training and in test, and of "
        f"{by_artist} where no artist is in both. The second is what to expect of new artists.",
        f"Of {counted(inside, 'new track')} of the seven genres {counts['right']} got the right genre, "
        f"{counts['wrong']} a wrong one, and {counts['unknown']} none (unknown).",
        f"Of {counted(counts['outside'], 'new track')} of other genres {counts['refused']} got none, as they should.",
    ]
