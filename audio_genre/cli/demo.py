"""``audio-genre demo``: the main job from end to end on synthetic music, with the commands a user would type."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audio_genre.cli.classify import answer_words
from audio_genre.cli.console import ProgressLine, guarded
from audio_genre.cli.demo_tracks import FOLDER, demo_tracks
from audio_genre.cli.extract import extract_with_progress, report_lines
from audio_genre.cli.train import fit_with_progress, load_with_progress, summary_lines, tell_if_stopped
from audio_genre.errors import AudioGenreError

if TYPE_CHECKING:
    from audio_genre.training.run import TrainedModel, TrainingPlan

_FOLDER = Path("audio-genre-demo")
_TRACKS_PER_STYLE = 12
_SECONDS = 30.0
# Enough for the small data set to settle.
_EPOCHS = 60
_CNN_EPOCHS = 30
_UNSEEN_STYLE = 3


@guarded("stopped; run the same command again: the extraction continues where it was.")
def demo(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]", help="Folder for the demonstration's files.", show_default=f"{_FOLDER} or {FOLDER}"
        ),
    ] = None,
    tracks: Annotated[
        bool, typer.Option("--tracks", help="Show the work with tables of tracks, on a made-up one, in a minute.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 2, help="Seed of the music, the split and the training.")] = 0,
) -> None:
    """Make synthetic music in ten styles, extract features, train, classify an unseen clip."""
    if tracks:
        demo_tracks(context, folder or FOLDER, seed)
        return
    folder = folder or _FOLDER
    from audio_genre.datasets import load_table
    from audio_genre.synthetic import music as synthesis
    from audio_genre.training import plan as plan_training
    from audio_genre.training.backend import require_keras

    require_keras()
    audio, features, models, unseen = (folder / name for name in ("audio", "features", "models", "unseen"))

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudioGenreError(f"The folder {folder} cannot be made: {error.strerror}; choose another.") from None
    _step(1, f"Synthesise {_TRACKS_PER_STYLE} tracks in each of {len(synthesis.STYLES)} made-up styles")
    typer.echo(f"  your own data: one folder per genre, such as {folder}/audio")
    with ProgressLine("synthesising", "tracks") as line:
        synthesis.write_dataset(
            audio, tracks_per_style=_TRACKS_PER_STYLE, seconds=_SECONDS, seed=seed, progress=line.update
        )

    _step(2, "Extract features and mel-spectrogram pictures")
    _command("extract", audio, features)
    report = extract_with_progress(audio, features)
    for text in report_lines(report):
        typer.echo(f"  {text}")

    _step(3, "Train four dense networks, each track in one subset only")
    table = features / "features_3_sec.csv"
    _command("train", "tabular", table, models)
    dense = _train(plan_training(load_table(table), models, epochs=_EPOCHS, seed=seed, kind="tabular"))

    _step(4, "Train a convolutional network on the pictures")
    _command("train", "pictures", features / report.pictures.name, models)
    with load_with_progress(report.pictures) as pictures:
        (convolutional,) = _train(
            plan_training(pictures, models, epochs=_CNN_EPOCHS, seed=seed, kind="pictures", variant="cnn")
        )

    _step(5, "Classify a clip that no model has heard")
    from audio_genre.inference.classifier import Classifier

    best = max(dense, key=lambda model: model.validation.tracks.accuracy.value)
    style = synthesis.STYLES[_UNSEEN_STYLE]
    (clip,) = synthesis.write_dataset(unseen, tracks_per_style=1, seconds=_SECONDS, seed=seed + 1, styles=[style])
    for model in (best, convolutional):
        _command("classify", clip, "--model", model.path)
        typer.echo(f"  {answer_words(Classifier(model.path).classify(clip), 3)}; it is {style}")
    typer.echo(f"\nEverything is in {folder}: the tables and pictures in features/, the models in models/.")


def _train(plan: TrainingPlan) -> list[TrainedModel]:
    models = fit_with_progress(plan)
    for text in summary_lines(models, plan):
        typer.echo(f"  {text}")
    tell_if_stopped(models, plan)
    return models


def _step(number: int, title: str) -> None:
    typer.echo(f"\n{number}. {title}")


def _command(*words: object) -> None:
    import shlex

    typer.echo(f"  $ audio-genre {shlex.join(str(word) for word in words)}")
