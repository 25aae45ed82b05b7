"""``audio-genre train``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audio_genre.cli.console import (
    INTERRUPTED,
    ProgressLine,
    complain,
    guarded,
    print_json,
    printable,
    table_lines,
    tell,
)
from audio_genre.errors import AudioGenreError

if TYPE_CHECKING:
    from audio_genre.datasets import Table
    from audio_genre.training.fit import EpochReport
    from audio_genre.training.scores import Interval
    from audio_genre.training.tabular import TrainedModel

_CURVES = "learning_curves.html"

train = typer.Typer(name="train", help="Train genre models.", no_args_is_help=True)


@train.callback()
def _train() -> None:
    """Train genre models."""


@train.command()
@guarded("stopped; no model was finished.")
def tabular(
    table: Annotated[
        Path, typer.Argument(metavar="TABLE", help="A feature table, such as features_30_sec.csv; CSV or Parquet.")
    ],
    models_dir: Annotated[Path, typer.Argument(metavar="MODELS_DIR", help="Folder that receives a folder a model.")],
    variant: Annotated[
        str, typer.Option(help="adam-4, adam-5, sgd-5, rmsprop-6, or all of these dense networks.")
    ] = "all",
    protocol: Annotated[
        str, typer.Option(help="How rows are split: track (no track on two sides) or segment (leaky).")
    ] = "track",
    epochs: Annotated[
        int | None, typer.Option(help="Most passes over the training rows.", show_default="by variant")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the split and of the training.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a model, each on its own line.")
    ] = False,
) -> None:
    """Train dense networks on a table of features; each becomes a folder with its model, card and history."""
    from audio_genre.datasets import load_table

    loaded = load_table(table)
    if loaded.ignored:
        tell(f"Not features, so ignored: {', '.join(loaded.ignored)}.")
    models = fit_with_progress(loaded, models_dir, variant=variant, protocol=protocol, epochs=epochs, seed=seed)
    if as_json:
        for model in models:
            print_json(json.loads((model.path / "card.json").read_text(encoding="utf-8")))
    else:
        for line in summary_lines(models):
            typer.echo(line)
    tell_if_stopped(models, variant)


def fit_with_progress(
    table: Table, models_dir: Path, *, variant: str, protocol: str, epochs: int | None, seed: int
) -> list[TrainedModel]:
    """Train under a progress line, and write the learning curves beside the models.

    Parameters
    ----------
    table : Table
        The table.
    models_dir : Path
        Folder that receives the models.
    variant, protocol : str
        What to train and how to split.
    epochs : int, optional
        Most passes over the training rows.
    seed : int
        Seed of the split and of the training.

    Returns
    -------
    list of TrainedModel
        The models.
    """
    from audio_genre.evaluation.plots import write_learning_curves
    from audio_genre.training.backend import import_keras
    from audio_genre.training.tabular import plan_tabular

    plan = plan_tabular(table, models_dir, variant=variant, protocol=protocol, epochs=epochs, seed=seed)
    tell("Loading TensorFlow ...")
    import_keras()
    with ProgressLine("training", "epochs") as line:

        def show(name: str, most: int, report: EpochReport) -> None:
            remark = f"{name} loss {report.loss:.2f}/{report.val_loss:.2f} acc {report.val_accuracy:.2f}"
            line.update(report.epoch, most, remark)

        models = plan.train(show)
    try:
        write_learning_curves([model.path for model in models], models_dir / _CURVES)
    except AudioGenreError as error:
        # The models are what was asked for, and they are complete.
        complain(str(error))
    return models


def tell_if_stopped(models: Sequence[TrainedModel], variant: str) -> None:
    """Leave with 130 if Ctrl-C ended the training, saying what is missing.

    Parameters
    ----------
    models : sequence of TrainedModel
        What was trained.
    variant : str
        What was to be trained.

    Raises
    ------
    typer.Exit
        If a model is missing or was ended early.
    """
    from audio_genre.training.variants import get_variants

    trained = {model.variant for model in models}
    missing = [each.name for each in get_variants(variant) if each.name not in trained]
    early = [model.name for model in models if model.interrupted]
    if not missing and not early:
        return
    parts = [f"{name} has its best weights so far" for name in early]
    parts += [f"{', '.join(missing)} not trained"] if missing else []
    complain(f"stopped; {'; '.join(parts)}.")
    raise typer.Exit(INTERRUPTED)


def summary_lines(models: Sequence[TrainedModel]) -> list[str]:
    """Put the figures of trained models into a table.

    Parameters
    ----------
    models : sequence of TrainedModel
        Models of one training.

    Returns
    -------
    list of str
        Lines to print.
    """
    by_track = any(model.test.rows.count != model.test.tracks.count for model in models)
    header = ["model", "train", "validation", "test, 95 % interval", "macro-F1"]
    if by_track:
        header.insert(3, "test by row")
    rows = []
    for model in models:
        row = [
            model.name,
            _figure(model.train.tracks.accuracy),
            _figure(model.validation.tracks.accuracy),
            str(model.test.tracks.accuracy),
            _figure(model.test.tracks.macro_f1),
        ]
        if by_track:
            row.insert(3, _figure(model.test.rows.accuracy))
        rows.append(row)
    first = models[0]
    leaky = " (leaky: segments of one track sit on both sides; these figures are not those of unheard music)"
    unit = "tracks, each the vote of its segments" if by_track else "tracks"
    return [
        f"protocol: {first.protocol}{leaky if first.leaky else ''}",
        f"accuracy over {first.test.tracks.count} test {unit}",
        *table_lines(header, rows),
        printable(f"models: {', '.join(str(model.path) for model in models)}"),
        printable(f"learning curves: {first.path.parent / _CURVES}"),
    ]


def _figure(interval: Interval) -> str:
    return f"{interval.value:.3f}"
