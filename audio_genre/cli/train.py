"""``audio-genre train``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from audio_genre.cli.columns import (
    Conflicts,
    Context,
    Duplicates,
    Encoding,
    Genres,
    GroupColumn,
    LabelColumn,
    Mapping,
    MultiGenre,
    Other,
    Rows,
    Schema,
    With,
    load_and_tell,
    reading_options,
)
from audio_genre.cli.console import (
    INTERRUPTED,
    ProgressLine,
    complain,
    counted,
    duration,
    guarded,
    print_json,
    printable,
    table_lines,
    tell,
)
from audio_genre.errors import AudioGenreError, ParameterError

if TYPE_CHECKING:
    from audio_genre.bundles.history import EpochReport
    from audio_genre.datasets import SplitProtocol
    from audio_genre.datasets.pictures import Pictures
    from audio_genre.metrics import Interval
    from audio_genre.training.run import TrainedModel, TrainingPlan

_MAX_SENTENCES = 10
# What takes longer is announced.
_LONG_SECONDS = 60

train = typer.Typer(name="train", help="Train genre models.", no_args_is_help=True)


@train.callback()
def _train() -> None:
    """Train genre models."""


_Models = Annotated[Path, typer.Argument(metavar="MODELS_DIR", help="Folder that receives one folder per model.")]
_Protocol = Annotated[
    str,
    typer.Option(
        help="How rows are split: track (each track in one subset only), segment (leaky), artist (of GTZAN as "
        "published), group:COLUMN (of tables of tracks), fault-filtered (GTZAN as published), or all that apply."
    ),
]
_Seed = Annotated[int, typer.Option(help="Seed of the split and of the training.")]
_Seeds = Annotated[int, typer.Option(help="Number of seeds; everything is repeated with each.")]
_Folds = Annotated[
    int | None,
    typer.Option(help="Number of folds of a cross-validation; every track is tested once.", show_default="one split"),
]
_Splits = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Split by your own lists instead of a protocol: a folder with train.txt, validation.txt and test.txt, one "
        "file name per line.",
    ),
]
_Leaky = Annotated[
    bool, typer.Option("--leaky", help="Allow lists with rows of one track in two subsets; scores are marked as leaky.")
]
_Balance = Annotated[
    str,
    typer.Option(
        metavar="HOW",
        help="Make rare genres count for more among the training rows: none, class-weight, class-weight-sqrt, smote or "
        "oversample.",
    ),
]
_Refit = Annotated[
    bool,
    typer.Option(
        "--refit",
        help="Learn from the validation rows too; what they are for is done on five folds of the training rows.",
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per model, each on its own line.")]


_Dropout = Annotated[float | None, typer.Option(help="Dropout rate in training.", show_default="by variant")]
_LearningRate = Annotated[float | None, typer.Option(help="Learning rate at the start.", show_default="by variant")]
_BatchSize = Annotated[int | None, typer.Option(help="Number of rows in a mini-batch.", show_default="by variant")]
_Resume = Annotated[bool, typer.Option("--resume", help="Continue an interrupted training with the same settings.")]


@train.command()
@guarded("stopped; no model was finished.")
def tabular(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="TABLE", help="A table of features or of tracks (CSV or Parquet), or a prepared folder."
        ),
    ],
    models_dir: _Models,
    variant: Annotated[
        str,
        typer.Option(
            help="adam-4, adam-5, sgd-5, rmsprop-6; made for 5,000 tracks or more: mlp-256-128, dnn-l2; or all that "
            "are made for so many tracks."
        ),
    ] = "all",
    layers: Annotated[
        str | None,
        typer.Option(metavar="WIDTHS", help="Widths of the hidden layers, such as 256,128.", show_default="by variant"),
    ] = None,
    dropout: _Dropout = None,
    learning_rate: _LearningRate = None,
    batch_size: _BatchSize = None,
    protocol: _Protocol = "track",
    epochs: Annotated[int | None, typer.Option(help="Maximum number of epochs.", show_default="by variant")] = None,
    seed: _Seed = 0,
    seeds: _Seeds = 1,
    folds: _Folds = None,
    splits: _Splits = None,
    leaky: _Leaky = False,
    refit: _Refit = False,
    label_column: LabelColumn = None,
    group_column: GroupColumn = None,
    rows: Rows = None,
    conflicts: Conflicts = None,
    mapping: Mapping = None,
    genres: Genres = None,
    other: Other = False,
    duplicates: Duplicates = None,
    use: With = None,
    context: Context = None,
    schema: Schema = None,
    multi_genre: MultiGenre = None,
    encoding: Encoding = None,
    balance: _Balance = "none",
    resume: _Resume = False,
    as_json: _Json = False,
) -> None:
    """Train dense networks on a table of features; each becomes a folder with its model, card and history."""
    reading = reading_options(locals())
    from audio_genre.training import plan as plan_training
    from audio_genre.training.backend import require_keras
    from audio_genre.training.own import DENSE_OPTIONS, numbers, own_settings
    from audio_genre.training.variants import get_variants

    require_keras()
    given: dict[str, Any] = {"dropout": dropout, "learning-rate": learning_rate, "batch-size": batch_size}
    given["layers"] = None if layers is None else numbers(layers, "--layers")
    settings = None
    if any(value is not None for value in given.values()):
        # Without a variant that was asked for, a network of your own starts from the smallest.
        base = get_variants("adam-4" if variant == "all" else variant)[0]
        settings = own_settings(base, DENSE_OPTIONS, given)
    used = _protocol(protocol, splits, leaky=leaky)
    loaded = load_and_tell(table, protocol=used, **reading)
    plan = plan_training(
        loaded,
        models_dir,
        settings=settings,
        variant=variant,
        protocol=used,
        epochs=epochs,
        seed=seed,
        seeds=seeds,
        folds=folds,
        refit=refit,
        kind="tabular",
        balance=balance,
    )
    _report(fit_with_progress(plan, resume=resume), plan, as_json=as_json)


@train.command("cnn", help="Old name of `train pictures`, with the same options.")
@train.command("pictures")
@guarded("stopped before the first epoch was complete; nothing was saved.")
def pictures(
    folder: Annotated[
        Path,
        typer.Argument(metavar="PICTURES_DIR", help="A folder of mel-spectrogram pictures, one folder per genre."),
    ],
    models_dir: _Models,
    network: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="cnn, transformer, several with commas between them, or all.",
            show_default="cnn, or that of --start-from",
        ),
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL_DIR",
            help="Fine-tune this network, which may know other genres, on pictures of the same parameters.",
        ),
    ] = None,
    protocol: _Protocol = "track",
    filters: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERS", help="cnn: filters of each block of convolutions.", show_default="16,32,64,128"
        ),
    ] = None,
    patch_size: Annotated[
        str | None,
        typer.Option(metavar="BANDS,COLUMNS", help="transformer: height and width of a patch.", show_default="16,16"),
    ] = None,
    width: Annotated[
        int | None, typer.Option(help="transformer: length of the vector of a patch.", show_default="64")
    ] = None,
    layers: Annotated[int | None, typer.Option(help="transformer: number of layers.", show_default="3")] = None,
    heads: Annotated[
        int | None, typer.Option(help="transformer: heads of attention in each layer.", show_default="4")
    ] = None,
    crop_seconds: Annotated[float | None, typer.Option(help="Width of a crop in seconds.", show_default="6")] = None,
    dropout: _Dropout = None,
    learning_rate: _LearningRate = None,
    batch_size: _BatchSize = None,
    epochs: Annotated[int | None, typer.Option(help="Maximum number of epochs.", show_default="60")] = None,
    seed: _Seed = 0,
    seeds: _Seeds = 1,
    folds: _Folds = None,
    splits: _Splits = None,
    leaky: Annotated[
        bool,
        typer.Option(
            "--leaky",
            help="Allow lists with rows of one track in two subsets, and --start-from a model that has learned from "
            "test tracks; scores are marked as leaky.",
        ),
    ] = False,
    refit: _Refit = False,
    rows: Rows = None,
    resume: _Resume = False,
    tensorboard: Annotated[Path | None, typer.Option(metavar="DIR", help="Write a log for TensorBoard there.")] = None,
    as_json: _Json = False,
) -> None:
    """Train networks on pictures; each becomes a folder with its model, card and history."""
    from audio_genre.training import plan as plan_training
    from audio_genre.training.backend import require_keras
    from audio_genre.training.networks import get_networks, own_network
    from audio_genre.training.own import numbers
    from audio_genre.training.start import read_start

    require_keras()
    given: dict[str, Any] = {"dropout": dropout, "learning-rate": learning_rate, "batch-size": batch_size}
    given |= {"width": width, "layers": layers, "heads": heads, "crop-seconds": crop_seconds}
    given["filters"] = None if filters is None else numbers(filters, "--filters")
    if patch_size is not None:
        # One number is a square.
        given["patch-size"] = (numbers(patch_size, "--patch-size") * 2)[: max(2, patch_size.count(",") + 1)]
    names = network or ("cnn" if start_from is None else "all")
    networks = get_networks(names) if start_from is None else read_start(start_from).networks(names)
    used = _protocol(protocol, splits, leaky=leaky and (splits is not None or start_from is None))
    with load_with_progress(folder, None if rows is None else rows.value) as loaded:
        plan = plan_training(
            loaded,
            models_dir,
            variant=names,
            settings=own_network(networks, given),
            protocol=used,
            epochs=epochs,
            seed=seed,
            seeds=seeds,
            folds=folds,
            kind="pictures",
            refit=refit,
            start_from=start_from,
            leaky=leaky and start_from is not None,
        )
        _report(fit_with_progress(plan, resume=resume, tensorboard=tensorboard), plan, as_json=as_json)


@train.command()
@guarded("stopped; no model was finished.")
def baseline(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="TABLE", help="A table of features or of tracks (CSV or Parquet), or a prepared folder."
        ),
    ],
    models_dir: _Models,
    variant: Annotated[
        str,
        typer.Option(
            help="majority, logistic-regression, discriminant-analysis, random-forest, gradient-boosting, xgboost (an "
            "extra), or all of them."
        ),
    ] = "all",
    protocol: _Protocol = "track",
    seed: _Seed = 0,
    seeds: _Seeds = 1,
    folds: _Folds = None,
    splits: _Splits = None,
    leaky: _Leaky = False,
    refit: _Refit = False,
    label_column: LabelColumn = None,
    group_column: GroupColumn = None,
    rows: Rows = None,
    conflicts: Conflicts = None,
    mapping: Mapping = None,
    genres: Genres = None,
    other: Other = False,
    duplicates: Duplicates = None,
    use: With = None,
    context: Context = None,
    schema: Schema = None,
    multi_genre: MultiGenre = None,
    encoding: Encoding = None,
    balance: _Balance = "none",
    as_json: _Json = False,
) -> None:
    """Train baseline models on a table of features, to compare the networks with."""
    reading = reading_options(locals())
    from audio_genre.training import plan as plan_training

    used = _protocol(protocol, splits, leaky=leaky)
    loaded = load_and_tell(table, protocol=used, **reading)
    plan = plan_training(
        loaded,
        models_dir,
        variant=variant,
        protocol=used,
        seed=seed,
        seeds=seeds,
        folds=folds,
        refit=refit,
        kind="baseline",
        balance=balance,
    )
    _tell_left_out(plan)
    with ProgressLine("fitting", "models") as line:
        done: list[TrainedModel] = []

        def show(model: TrainedModel) -> None:
            done.append(model)
            line.update(len(done), len(plan), model.name)

        models = plan.train(finished=show)
    _report(models, plan, as_json=as_json)


@train.command()
@guarded("stopped; no model was made.")
def fusion(
    models_dir: Annotated[Path, typer.Argument(metavar="MODELS_DIR", help="Folder of the trained models.")],
    out_dir: Annotated[
        Path | None,
        typer.Argument(
            metavar="OUT_DIR", help="Folder that receives the fusion, in its own folder.", show_default="MODELS_DIR"
        ),
    ] = None,
    members: Annotated[
        str, typer.Option(metavar="A,B", help="Names of two or more models of the same classes, protocol and tracks.")
    ] = "",
    as_json: _Json = False,
) -> None:
    """Make one model of several, such as a network on a table and one on pictures; each counts as validation says."""
    from audio_genre.training import train_fusion

    model = train_fusion(models_dir, [name.strip() for name in members.split(",") if name.strip()], out_dir)
    card = json.loads((model.path / "card.json").read_text(encoding="utf-8"))
    if as_json:
        print_json(card)
    else:
        for line in _fusion_lines(model, card["members"], models_dir):
            typer.echo(printable(line))
    if model.remark:
        tell(f"{model.name}: {model.remark}")


def _fusion_lines(model: TrainedModel, members: Sequence[dict[str, Any]], models_dir: Path) -> list[str]:
    """Put a fusion beside its members."""
    from audio_genre.evaluation.results import read_result

    rows = []
    for member in members:
        found = read_result(models_dir / member["name"])
        validation = "-" if found.validation is None else f"{found.validation:.3f}"
        rows.append([member["name"], f"{member['weight']:.2f}", validation, str(found.scores.tracks.accuracy)])
    rows.append([model.name, "", _figure(model.validation.tracks.accuracy), str(model.test.tracks.accuracy)])
    return [
        f"protocol: {model.protocol}{' (leaky)' if model.leaky else ''}",
        f"accuracy over {model.test.tracks.count} test tracks; weights fitted on {model.validation.tracks.count} "
        "validation tracks",
        *table_lines(["model", "weight", "validation", "test, 95 % interval"], rows),
        f"model: {model.path}",
    ]


def _protocol(name: str, splits: Path | None, *, leaky: bool) -> str | SplitProtocol:
    """Return the protocol that was asked for: a name, or one of lists."""
    from audio_genre.datasets import DEFAULT_PROTOCOL, read_splits

    if splits is None:
        if leaky:
            raise ParameterError("--leaky is for lists; name their folder with --splits, or use --protocol segment.")
        return name
    if name != DEFAULT_PROTOCOL:
        raise ParameterError(f"--splits and --protocol {name} both define the split; leave one out.")
    return read_splits(splits, leaky=leaky)


def load_with_progress(folder: Path, rows: Literal["clips", "segments"] | None = None) -> Pictures:
    """Read a folder of pictures under a progress line, and tell what is left out."""
    from audio_genre.datasets.pictures import load_pictures

    with ProgressLine("reading", "pictures") as line:
        loaded = load_pictures(folder, rows=rows, progress=line.update)
    if loaded.grouping.note:
        tell(loaded.grouping.note)
    for sentence in loaded.left_out[:_MAX_SENTENCES]:
        tell(sentence)
    if len(loaded.left_out) > _MAX_SENTENCES:
        tell(f"... and {counted(len(loaded.left_out) - _MAX_SENTENCES, 'more picture')} left out.")
    return loaded


def fit_with_progress(
    plan: TrainingPlan, *, resume: bool = False, tensorboard: Path | None = None
) -> list[TrainedModel]:
    """Train under a progress line, and write the learning curves beside the models."""
    from audio_genre.evaluation.plots import write_learning_curves
    from audio_genre.training.backend import import_keras

    _tell_left_out(plan)
    for name, passes in plan.resumable().items():
        if resume:
            tell(f"{name}: continuing after {counted(passes, 'epoch')}.")
        else:
            tell(f"{name}: starts again; --resume would continue after {counted(passes, 'epoch')}.")
    for sentence in plan.not_resumable() if resume else []:
        tell(f"{sentence}.")
    tell("Loading TensorFlow ...")
    import_keras()
    with ProgressLine("training", "epochs") as line:
        estimated = False
        current, done, most_epochs = "", 0, 0

        def show(name: str, most: int, report: EpochReport) -> None:
            nonlocal estimated, current, done, most_epochs
            current, done, most_epochs = name, report.epoch, most
            # The first epoch of all also compiles the network.
            if not estimated and report.epoch > 1:
                estimated = True
                left = report.seconds * (most * len(plan) - report.epoch)
                if left > _LONG_SECONDS:
                    line.note(
                        f"An epoch takes {report.seconds:.1f} s, so {counted(len(plan), 'model')} of up to {most} "
                        f"epochs may take up to {duration(left)}; networks mostly stop earlier."
                    )
            remark = f"{name} loss {report.loss:.2f}/{report.val_loss:.2f} acc {report.val_accuracy:.2f}"
            line.update(report.epoch, most, remark)

        def stage(name: str, what: str) -> None:
            line.update(done if name == current else 0, most_epochs or None, f"{name}: {what}")

        models = plan.train(show, resume=resume, tensorboard=tensorboard, stage=stage)
    try:
        write_learning_curves([model.path for model in models], plan.models_dir / _curves(plan))
    except AudioGenreError as error:
        # The models are what was asked for, and they are complete.
        complain(str(error))
    return models


def _tell_left_out(plan: TrainingPlan) -> None:
    for sentence in plan.recovered:
        tell(sentence)
    for name, number in plan.left_out().items():
        tell(f"The protocol {name} leaves {counted(number, 'row')} of {len(plan.dataset)} out.")
    for note in (*plan.notes(), *plan.doubts()):
        tell(note)
    lists = plan.dataset.path.parent / "splits"
    if (lists / "test.txt").is_file() and not any(run.protocol.leaves_out for run in plan.runs):
        tell(f"The lists in {lists} are not used; use --splits {lists} to split by them.")


def _report(models: Sequence[TrainedModel], plan: TrainingPlan, *, as_json: bool) -> None:
    if as_json:
        for model in models:
            print_json(json.loads((model.path / "card.json").read_text(encoding="utf-8")))
    else:
        for line in summary_lines(models, plan):
            typer.echo(line)
    for sentence in dict.fromkeys(model.remark for model in models if model.remark):
        tell(sentence)
    tell_if_stopped(models, plan)


def tell_if_stopped(models: Sequence[TrainedModel], plan: TrainingPlan) -> None:
    """Leave with 130 if Ctrl-C ended the training, saying what is missing."""
    missing = plan.names[len(models) :]
    early = [model.name for model in models if model.interrupted]
    if not missing and not early:
        return
    parts = [f"{name} has its best weights so far" for name in early]
    parts += [f"{', '.join(missing)} not trained"] if missing else []
    if plan.resumable():
        parts.append("the same command with --resume continues")
    complain(f"stopped; {'; '.join(parts)}.")
    raise typer.Exit(INTERRUPTED)


def summary_lines(models: Sequence[TrainedModel], plan: TrainingPlan) -> list[str]:
    """Put the figures of trained models into tables, one for each protocol."""
    lines: list[str] = []
    for protocol in dict.fromkeys(model.protocol for model in models):
        lines += _protocol_lines([model for model in models if model.protocol == protocol])
    lines += _unseen_lines(models)
    where = [str(model.path) for model in models[:_MAX_SENTENCES]]
    more = f" and {len(models) - len(where)} more" if len(models) > len(where) else ""
    lines.append(printable(f"models: {', '.join(where)}{more}"))
    if plan.kinds != ("baseline",):
        lines.append(printable(f"learning curves: {plan.models_dir / _curves(plan)}"))
    return lines


def _curves(plan: TrainingPlan) -> str:
    """Return the name of the page of learning curves."""
    return "learning_curves.html" if plan.kinds == ("tabular",) else f"learning_curves_{'_'.join(plan.kinds)}.html"


def _unseen_lines(models: Sequence[TrainedModel]) -> list[str]:
    """Tell how well models with a class of other genres recognise genres that they have not learned from."""
    from audio_genre.bundles.card import read_card
    from audio_genre.metrics import Interval

    lines = []
    for model in models:
        unseen = read_card(model.path).facts.get("unseen")
        if unseen and "auroc" in unseen:
            lines.append(
                f"{model.name} on genres that neither it nor its class of other genres has seen "
                f"({', '.join(unseen['genres'])}; {counted(unseen['rows'], 'row')}): AUROC "
                f"{Interval(**unseen['auroc'])}; {unseen['rejected']:.1%} of these rows are unknown to it, and "
                f"{1 - unseen['known_accepted']:.1%} of those of the genres that it knows"
            )
    return [printable(line) for line in lines]


def _protocol_lines(models: Sequence[TrainedModel]) -> list[str]:
    from audio_genre.metrics import repeated

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
    remarks = []
    for variant in dict.fromkeys(model.variant for model in models):
        runs = [model for model in models if model.variant == variant]
        if len(runs) > 1:
            summary = repeated([run.tracks for run in runs], [run.right for run in runs])
            remarks.append(f"{variant}, mean of {summary.runs} runs: {summary.accuracy}, spread {summary.spread:.3f}")
    first = models[0]
    leaky = " (leaky: test tracks were learned from; scores on unseen music will be lower)"
    counts = sorted({model.test.tracks.count for model in models})
    number = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    unit = "tracks, each the vote of its rows" if by_track else "tracks"
    return [
        f"protocol: {first.protocol}{leaky if first.leaky else ''}",
        f"accuracy over {number} test {unit}",
        *table_lines(header, rows),
        *remarks,
    ]


def _figure(interval: Interval) -> str:
    return f"{interval.value:.3f}"
