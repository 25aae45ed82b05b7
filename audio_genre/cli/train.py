"""``audio-genre train``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audio_genre.cli.console import ProgressLine, guarded, table_lines, tell

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
@guarded
def tabular(
    table: Annotated[Path, typer.Argument(metavar="TABLE.csv", help="A feature table, such as features_30_sec.csv.")],
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
    tell("Loading TensorFlow ...")
    models = fit_with_progress(
        table=loaded, models_dir=models_dir, variant=variant, protocol=protocol, epochs=epochs, seed=seed
    )
    if as_json:
        for model in models:
            typer.echo((model.path / "card.json").read_text(encoding="utf-8").replace("\n", ""))
        return
    for line in summary_lines(models):
        typer.echo(line)


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
    from audio_genre.training.tabular import train_tabular

    with ProgressLine("training", "epochs") as line:

        def show(name: str, most: int, report: EpochReport) -> None:
            losses = f"loss {report.loss:.3f}, validation loss {report.val_loss:.3f}"
            remark = f"{name}: {losses}, accuracy {report.val_accuracy:.3f}"
            line.update(report.epoch, most, remark)

        models = train_tabular(
            table, models_dir, variant=variant, protocol=protocol, epochs=epochs, seed=seed, progress=show
        )
    write_learning_curves([model.path for model in models], models_dir / _CURVES)
    return models


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
        f"models: {', '.join(str(model.path) for model in models)}",
        f"learning curves: {first.path.parent / _CURVES}",
    ]


def _figure(interval: Interval) -> str:
    return f"{interval.value:.3f}"
