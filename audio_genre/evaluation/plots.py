"""Charts of trained models: accuracy, confusion matrix, reliability, learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audio_genre.bundles.calibration import BINS
from audio_genre.bundles.card import read_card
from audio_genre.evaluation.charts import (
    BLUES,
    Axis,
    Cells,
    Chart,
    Points,
    Reference,
    Sketch,
    Words,
    names_axis,
    picture_of,
    plotly_json,
    rendered,
)
from audio_genre.evaluation.page import PALETTE, Page, beside, data_address, figure, shortened, text
from audio_genre.evaluation.results import ModelResult, kind_name, read_history, read_result
from audio_genre.metrics import precision_recall

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from audio_genre.metrics import Interval

# From so many classes on, no number fits into a cell.
_NUMBERED_CLASSES = 24
_LABEL_LETTERS = 18
# Beyond so many an optimal order of neighbours takes minutes.
_ORDERED_CLASSES = 200
_ZOOMED_CLASSES = 20
_MAX_TICKS = 40
_BEST_AND_WORST = 4
_CURVE_POINTS = 200
_TITLE_LETTERS = 60
# Colour and marker, by place in the palette and among the markers.
_STYLES = {"tabular": (0, 0), "baseline": (1, 1), "cnn": (2, 2), "transformer": (3, 4)}
_OTHER_STYLE = (4, 3)
# The numbers of tracks stand above the diagonal, which ends at 1.
_COUNTS_HEIGHT, _TOP = 1.05, 1.1
# Without room at its right, the last tick of a narrow figure loses its label.
_RIGHT = 1.03
_CURVES_HEIGHT, _LEGEND_LINE = 340, 20
_HOW_TO_READ_CURVES = (
    "Solid lines: validation rows. Dotted lines: training rows. The marker is the epoch whose weights were kept."
)

Curve = tuple[str, "pd.DataFrame", int]
"""Name of a model, its learning curve, and the epoch whose weights were kept."""


def accuracy_chart(models: Sequence[ModelResult], title: str, majority_baseline: float | None = None) -> Chart:
    """Return the test accuracy of models that were tested on the same tracks, the first on top, with 95 % intervals."""
    series = []
    for kind in dict.fromkeys(model.kind for model in models):
        colour, marker = _STYLES.get(kind, _OTHER_STYLE)
        mine = [(place, model) for place, model in enumerate(models) if model.kind == kind]
        found = [model.scores.tracks.accuracy for _, model in mine]
        series.append(
            Points(
                x=[each.value for each in found],
                y=[place for place, _ in mine],
                name=kind_name(kind),
                colour=PALETTE[colour],
                marker=marker,
                arms=_arms(found),
                along="x",
                labels=[f"{each.value:.3f}" for each in found],
                hover=[f"{shown_name(model)}: {each}" for (_, model), each in zip(mine, found, strict=True)],
            )
        )
    explained = " (*: ended early)" if any(model.interrupted for model in models) else ""
    names = [f"{model.name} *" if model.interrupted else model.name for model in models]
    line = [Reference(f"majority baseline ({majority_baseline:.3f})", majority_baseline)] if majority_baseline else []
    return Chart(
        title=f"{shortened(title, 80)}, 95 % intervals",
        x=Axis(f"test accuracy{explained}"),
        y=names_axis(names),
        series=tuple(series),
        references=tuple(line),
        inches=(7.2, 1.7 + 0.36 * len(models)),
        pixels=140 + 32 * len(models),
    )


def confusion_charts(model: ModelResult, classes: Sequence[int] | None = None) -> tuple[Chart, Chart]:
    """Return the confusion matrix in tracks, and in per cent of each row: rows are true classes, columns predicted.

    Some of the classes can be asked for; of many, those that are confused stand side by side.
    """
    counts = model.confusion()
    if classes is None and len(counts) > _NUMBERED_CLASSES:
        classes = _grouped(counts)
    chosen = list(range(len(counts)) if classes is None else classes)
    names = [model.classes[k] for k in chosen]
    of_class = counts.sum(axis=1)[chosen]
    counts = counts[np.ix_(chosen, chosen)]
    with np.errstate(invalid="ignore"):
        shares = 100 * counts / of_class[:, np.newaxis]
    count = len(names)
    numbered = count <= _NUMBERED_CLASSES
    # Of very many names some have room.
    step = -(-count // _MAX_TICKS)
    ticks = tuple((k, name) for k, name in enumerate(names) if k % step == 0)
    hover = [
        [f"{true} → {predicted}: {counts[i, j]} of {of_class[i]}" for j, predicted in enumerate(names)]
        for i, true in enumerate(names)
    ]
    side = (3.0 if numbered else 2.6) + (0.32 if numbered else 0.09) * count
    x = Axis("predicted class", None, ticks, turned=45 if numbered else 90, grid=False, letters=_LABEL_LETTERS)
    y = Axis("true class", (count - 0.5, -0.5), ticks, grid=False, letters=_LABEL_LETTERS)

    def chart(title: str, values: np.ndarray, most: float, texts: list[list[str]], bar: str) -> Chart:
        cells = Cells(
            values, BLUES, (0.0, most), texts if numbered else None, hover, "" if numbered else bar
        )  # fmt: skip
        return Chart(
            title, x, y, (cells,), inches=(min(side, 11.0) - 0.4, min(side, 11.0)), pixels=min(170 + 26 * count, 900)
        )

    numbers = [[str(value) for value in row] for row in counts.tolist()]
    percents = [["" if np.isnan(value) else f"{value:.0f}" for value in row] for row in shares.tolist()]
    return (
        chart("test tracks", counts.astype(np.float64), float(counts.max()), numbers, "test tracks"),
        chart("per cent of the true class", shares, 100.0, percents, "per cent of the true class"),
    )


def _grouped(counts: np.ndarray) -> list[int]:
    """Return an order of classes in which those that are confused with each other are neighbours."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    near = (shares + shares.T) / 2
    distances = near.max() - near
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), "average", optimal_ordering=len(counts) <= _ORDERED_CLASSES)
    return [int(k) for k in leaves_list(tree)]


def zoomed_classes(model: ModelResult) -> list[int] | None:
    """Return the classes of a large confusion matrix between which most tracks are confused; None if it is small."""
    counts = model.confusion()
    if len(counts) <= _NUMBERED_CLASSES:
        return None
    wrong = counts + counts.T
    np.fill_diagonal(wrong, 0)
    chosen = sorted(range(len(wrong)), key=lambda k: (-int(wrong[k].max()), k))[:_ZOOMED_CLASSES]
    return [k for k in _grouped(counts) if k in set(chosen)]


def precision_recall_chart(model: ModelResult) -> Chart:
    """Return precision against recall of every class, or of the best and worst ones of many."""
    scores = model.per_class()
    ranked = sorted(model.classes, key=lambda name: -scores[name]["average_precision"])
    ranked = [name for name in ranked if scores[name]["support"]]
    if len(ranked) > len(PALETTE):
        ranked = [*ranked[:_BEST_AND_WORST], *ranked[-_BEST_AND_WORST:]]
    found = model.probabilities()
    series = []
    for k, name in enumerate(ranked):
        precision, recall = precision_recall(found[:, model.classes.index(name)], model.labels == name)
        some = np.unique(np.linspace(0, len(recall) - 1, min(len(recall), _CURVE_POINTS)).round().astype(int))
        average = scores[name]["average_precision"]
        series.append(
            Points(
                recall[some].tolist(),
                precision[some].tolist(),
                name=f"{shortened(name, _LABEL_LETTERS)} {average:.3f}",
                colour=PALETTE[k % len(PALETTE)],
                marker=None,
                dash=k % 3,
            )
        )
    ticks = tuple((k / 5, f"{k / 5:.1f}") for k in range(6))
    return Chart(
        title=f"{shortened(model.name, _TITLE_LETTERS)}\n{_protocol(model)}",
        x=Axis("recall", (0, _RIGHT), ticks),
        y=Axis("precision", (0, _RIGHT), ticks),
        series=tuple(series),
        inches=(4.8, 5.2),
        pixels=480,
        square=True,
    )


def reliability_chart(model: ModelResult) -> Chart:
    """Return the accuracy of each bin of confidence with its 95 % interval and number of tracks."""
    found = model.reliability
    ticks = tuple((k / BINS, f"{k / BINS:.1f}") for k in range(BINS + 1))
    shares = [each.accuracy for each in found.bins]
    raw = "" if model.is_calibrated else " (not calibrated)"
    return Chart(
        title=f"{shortened(model.name, _TITLE_LETTERS)}\ncalibration error {found.error}{raw}\n{_protocol(model)}",
        x=Axis("confidence", (0, _RIGHT), ticks),
        y=Axis("accuracy", (0, _TOP), ticks[::2]),
        series=(
            Points(
                x=[each.confidence for each in found.bins],
                y=[share.value for share in shares],
                name="test tracks, 95 % interval",
                arms=_arms(shares),
                hover=[
                    f"confidence {each.low:.1f} to {each.high:.1f}, mean {each.confidence:.3f}; "
                    f"accuracy {each.accuracy}; {each.count} test tracks"
                    for each in found.bins
                ],
            ),
            Words(
                [(each.low + each.high) / 2 for each in found.bins],
                [_COUNTS_HEIGHT] * len(found.bins),
                [str(each.count) for each in found.bins],
            ),
        ),
        references=(Reference("perfect calibration", along="diagonal"),),
        inches=(4.8, 5.2),
        pixels=480,
        square=True,
    )


def curve_charts(curves: Sequence[Curve]) -> tuple[Chart, Chart]:
    """Return loss and accuracy of each epoch, in training and validation, for one model or several."""
    charts = []
    for quantity in ("loss", "accuracy"):
        series = []
        for k, (name, whole, best_epoch) in enumerate(curves):
            history, best = thinned(whole), whole[whole["epoch"] == best_epoch][:1]
            colour, dash = PALETTE[k % len(PALETTE)], 0 if len(curves) == 1 else k // len(PALETTE)
            epochs, alone = history["epoch"].tolist(), len(curves) == 1
            series += [
                Points(
                    epochs, history[f"val_{quantity}"].tolist(), "validation" if alone else name, colour, None,
                    # Dots are for training.
                    dash if dash < 2 else 3,
                ),
                Points(epochs, history[quantity].tolist(), "training" if alone else "", colour, None, 2),
                Points(
                    best["epoch"].tolist(), best[f"val_{quantity}"].tolist(), "kept" if alone else "", colour,
                    k // len(PALETTE), hover=[f"{name}: epoch {best_epoch} was kept"] * len(best),
                ),
            ]  # fmt: skip
        height = _CURVES_HEIGHT + _LEGEND_LINE * (len(curves) // 3)
        x = Axis("epoch", whole=True)
        charts.append(Chart("", x, Axis(quantity), tuple(series), inches=(3.8, 3.4), pixels=height))
    return charts[0], charts[1]


def confusion_matrix(bundle: Path) -> Figure:
    """Draw the confusion matrix of a trained model over its test tracks."""
    return confusion_sketch(read_result(bundle))()


def accuracy_sketch(models: Sequence[ModelResult], title: str, majority_baseline: float | None = None) -> Sketch:
    """Sketch the test accuracy of models that were tested on the same tracks, with 95 % intervals."""
    return partial(picture_of, accuracy_chart(models, title, majority_baseline))


def confusion_sketch(model: ModelResult) -> Sketch:
    """Sketch the confusion matrix of a model, in tracks and in per cent of each true class."""
    accuracy = model.scores.tracks.accuracy.value
    name = shortened(model.name, _TITLE_LETTERS)
    right, count = int(model.confusion().trace()), len(model.tracks)
    title = f"{name}: accuracy {accuracy:.3f}, {right} of {count} test tracks\n{_protocol(model)}"
    return partial(picture_of, *confusion_charts(model), title=title, share_y=True)


def reliability_sketch(model: ModelResult) -> Sketch:
    """Sketch the accuracy of a model against its confidence."""
    return partial(picture_of, reliability_chart(model))


def curves_sketch(model: ModelResult) -> Sketch | None:
    """Sketch the learning curve of a model; None if it was not trained in epochs."""
    if model.history is None:
        return None
    title = f"{shortened(model.name, _TITLE_LETTERS)}, {_protocol(model)}"
    return partial(picture_of, *curve_charts([(model.name, model.history, model.best_epoch)]), title=title)


def thinned(history: pd.DataFrame, most: int = 1000) -> pd.DataFrame:
    """Leave out epochs of a long learning curve at equal steps, so that a page does not grow with it."""
    if len(history) <= most:
        return history
    return history.iloc[np.unique(np.linspace(0, len(history) - 1, most).round().astype(int))]


def thinning_words(histories: Sequence[pd.DataFrame | None]) -> str:
    """Say what `thinned` leaves out, in a sentence that follows a caption."""
    longest = max((each for each in histories if each is not None), key=len, default=None)
    if longest is None or len(thinned(longest)) == len(longest):
        return ""
    return f" Of {len(longest)} epochs, {len(thinned(longest))} at equal steps are drawn."


def write_learning_curves(bundles: Sequence[Path], path: Path) -> None:
    """Write the learning curves of trained models as one page that works offline, with Plotly beside it."""
    curves = []
    for bundle in bundles:
        best_epoch = read_card(bundle).best_epoch
        history = read_history(bundle)
        if history is not None:
            curves.append((bundle.name, history, best_epoch))
    page = Page("Learning curves")
    if curves:
        charts = curve_charts(curves)
        still = data_address(rendered(picture_of(*charts), ("png",))["png"])
        words = _HOW_TO_READ_CURVES + thinning_words([history for _, history, _ in curves])
        loss, accuracy = charts
        page.add_section(
            "Loss and accuracy of each epoch",
            beside(
                figure(plotly_json(loss), f"Loss. {words}", height=loss.pixels, still=still),
                figure(plotly_json(accuracy), "Accuracy, drawn in the same way.", height=accuracy.pixels),
            ),
        )
    else:
        page.add_section("No learning curves", text("None of these models was trained for two epochs or more."))
    page.write(path)


def shown_name(model: ModelResult) -> str:
    """Name a model, and say if its training was ended early."""
    return f"{model.name} (interrupted)" if model.interrupted else model.name


def _arms(intervals: Sequence[Interval]) -> tuple[list[float], list[float]]:
    """Return how far intervals reach below and above their figures."""
    # They may end a rounding error on the wrong side of the figure.
    below = [max(0.0, each.value - each.low) for each in intervals]
    return below, [max(0.0, each.high - each.value) for each in intervals]


def _protocol(model: ModelResult) -> str:
    fold = f", {model.fold}" if model.fold else ""
    return f"protocol: {shortened(model.protocol + fold, _TITLE_LETTERS)}{', LEAKY' if model.leaky else ''}"
