"""Figures of trained models: of matplotlib for papers, of Plotly for pages."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audio_genre.bundles.calibration import BINS
from audio_genre.bundles.card import read_card
from audio_genre.evaluation.page import DASHES, PALETTE, Page, figure, label, shortened, text
from audio_genre.evaluation.results import ModelResult, read_history, read_result

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MatplotlibFigure
    from plotly.graph_objects import Figure as PlotlyFigure

    from audio_genre.metrics import Interval

KIND_NAMES = {"tabular": "tabular network", "baseline": "baseline", "cnn": "picture network (CNN)"}
"""What the kinds of models are called; any other is called what it is."""

# From so many classes on, no number fits into a cell.
_NUMBERED_CLASSES = 24
_LABEL_LETTERS = 18
_TITLE_LETTERS = 48
# From so many letters on, a name has a line of the title to itself.
_LINE_LETTERS = 26
_DPI = 150
_MARKERS = {"tabular": ("o", "circle"), "cnn": ("D", "diamond"), "baseline": ("s", "square")}
_COLOURS = {"tabular": PALETTE[0], "cnn": PALETTE[2], "baseline": PALETTE[1]}
_GREY = PALETTE[8]
_OTHER_MARKER, _OTHER_COLOUR = ("^", "triangle-up"), PALETTE[4]
_CURVES_HEIGHT = 560
# The numbers of tracks stand above the diagonal, which ends at 1.
_COUNTS_HEIGHT, _TOP = 1.06, 1.11
# Without room at its right, the last tick of a narrow figure loses its label.
_RIGHT = 1.03
_LEGEND_LINE = 20
_HOW_TO_READ_CURVES = "Solid lines: validation rows; dotted lines: training rows; the dot: the epoch that was kept."


def learning_curves(bundles: Sequence[Path]) -> PlotlyFigure:
    """Draw loss and accuracy of each epoch, in training and validation, for several models.

    Parameters
    ----------
    bundles : sequence of Path
        Folders of trained models; one that was not trained in epochs has no curve.

    Returns
    -------
    plotly.graph_objects.Figure
        Two panels that share the epochs; a dot marks the epoch whose weights a model has.

    Raises
    ------
    BundleError
        If a bundle lacks its card or history.
    """
    curves = []
    for bundle in bundles:
        best_epoch = read_card(bundle).best_epoch
        history = read_history(bundle)
        if history is not None:
            curves.append((bundle.name, history, best_epoch))
    return curves_figure(curves)


def curves_figure(curves: Sequence[tuple[str, pd.DataFrame, int]]) -> PlotlyFigure:
    """Draw learning curves.

    Parameters
    ----------
    curves : sequence of tuple of str, pandas.DataFrame and int
        Name of the model, its learning curve, and the epoch whose weights it has.

    Returns
    -------
    plotly.graph_objects.Figure
        Two panels that share the epochs.
    """
    from plotly.subplots import make_subplots

    drawn = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    for k, (name, whole, best_epoch) in enumerate(curves):
        history = thinned(whole)
        colour, shown_name = PALETTE[k % len(PALETTE)], label(name)
        validation = {"color": colour, "dash": DASHES[k // len(PALETTE) % len(DASHES)]}
        best = whole[whole["epoch"] == best_epoch][:1]
        for row, quantity in ((1, "loss"), (2, "accuracy")):
            shared = {"row": row, "col": 1, "legendgroup": str(k)}
            drawn.add_scatter(
                x=history["epoch"].tolist(), y=history[f"val_{quantity}"].tolist(), mode="lines", line=validation,
                name=f"{shown_name}, validation", showlegend=row == 1, **shared,
            )  # fmt: skip
            drawn.add_scatter(
                x=history["epoch"].tolist(), y=history[quantity].tolist(), mode="lines",
                line={"color": colour, "dash": "dot", "width": 1.5}, name=f"{shown_name}, training",
                showlegend=row == 1 and len(curves) == 1, **shared,
            )  # fmt: skip
            drawn.add_scatter(
                x=best["epoch"].tolist(), y=best[f"val_{quantity}"].tolist(), mode="markers", showlegend=False,
                marker={"color": colour, "size": 9}, name=f"{shown_name}, kept", **shared,
            )  # fmt: skip
    drawn.update_xaxes(title_text="epoch", row=2, col=1)
    drawn.update_yaxes(title_text="loss", row=1, col=1)
    drawn.update_yaxes(title_text="accuracy", row=2, col=1)
    return drawn


def thinned(history: pd.DataFrame, most: int = 1000) -> pd.DataFrame:
    """Leave out epochs of a long learning curve, so that a page does not grow with it.

    Parameters
    ----------
    history : pandas.DataFrame
        A row an epoch.
    most : int
        Most rows that are kept, two or more.

    Returns
    -------
    pandas.DataFrame
        Rows at equal steps, the first and the last among them; `history` itself if it has no more.
    """
    if len(history) <= most:
        return history
    return history.iloc[np.unique(np.linspace(0, len(history) - 1, most).round().astype(int))]


def thinning_words(histories: Sequence[pd.DataFrame | None]) -> str:
    """Say what `thinned` leaves out, to follow a caption.

    Parameters
    ----------
    histories : sequence of pandas.DataFrame or None
        The learning curves.

    Returns
    -------
    str
        A sentence with a space before it; nothing if all epochs are drawn.
    """
    longest = max((each for each in histories if each is not None), key=len, default=None)
    if longest is None or len(thinned(longest)) == len(longest):
        return ""
    return f" Of {len(longest)} epochs, {len(thinned(longest))} at equal steps are drawn."


def write_learning_curves(bundles: Sequence[Path], path: Path) -> None:
    """Write the learning curves as one page that works offline.

    Parameters
    ----------
    bundles : sequence of Path
        Folders of trained models.
    path : Path
        The HTML file; it appears complete or not at all.

    Raises
    ------
    BundleError
        If a bundle lacks its card or history.
    ReportError
        If the page cannot be written.
    """
    drawn = learning_curves(bundles)
    page = Page("Learning curves")
    if drawn.data:
        height = _CURVES_HEIGHT + _LEGEND_LINE * (len(bundles) // 4)
        page.add_section("Loss and accuracy of each epoch", figure(drawn, _HOW_TO_READ_CURVES, height=height))
    else:
        page.add_section("Nothing to draw", text("None of these models was trained in two epochs or more."))
    page.write(path)


def confusion_matrix(bundle: Path) -> MatplotlibFigure:
    """Draw how a model classified the test tracks, each by the vote of its rows.

    Parameters
    ----------
    bundle : Path
        Folder of a trained model.

    Returns
    -------
    matplotlib.figure.Figure
        Rows are true genres, columns are predicted ones; the title names model, protocol and accuracy.

    Raises
    ------
    BundleError
        If the bundle lacks its card or predictions.
    """
    return confusion_picture(read_result(bundle))


def confusion_picture(model: ModelResult) -> MatplotlibFigure:
    """Draw the confusion matrix of a model for a paper.

    Parameters
    ----------
    model : ModelResult
        The model.

    Returns
    -------
    matplotlib.figure.Figure
        Rows are true genres, columns are predicted ones; the title names model, protocol and accuracy.
    """
    from matplotlib.figure import Figure
    from sklearn.metrics import ConfusionMatrixDisplay

    count = len(model.classes)
    numbered = count <= _NUMBERED_CLASSES
    side = min(4.0 + (0.36 if numbered else 0.16) * count, 20.0)
    drawn = Figure(figsize=(side + (0.0 if numbered else 0.8), side), layout="constrained")
    axes = drawn.add_subplot()
    confusion, names = model.confusion(), [_plain(name, _LABEL_LETTERS) for name in model.classes]
    display = ConfusionMatrixDisplay(confusion, display_labels=names)
    display.plot(
        include_values=numbered, xticks_rotation=45 if numbered else 90, cmap="cividis", colorbar=not numbered, ax=axes
    )
    right, asked = int(confusion.trace()), int(confusion.sum())
    name = _plain(model.name, _TITLE_LETTERS)
    between = " " if len(name) <= _LINE_LETTERS else "\n"
    axes.set_title(f"{name}:{between}{right} of {asked} test tracks right ({right / asked:.3f})\n{_protocol(model)}")
    axes.set(xlabel="predicted", ylabel="true")
    if numbered:
        for tick in axes.get_xticklabels():
            tick.set_horizontalalignment("right")
            tick.set_rotation_mode("anchor")
    else:
        axes.tick_params(labelsize=7)
    return drawn


def confusion_figure(model: ModelResult) -> PlotlyFigure:
    """Draw the confusion matrix of a model for a page.

    Parameters
    ----------
    model : ModelResult
        The model.

    Returns
    -------
    plotly.graph_objects.Figure
        Rows are true genres, columns are predicted ones.
    """
    from plotly.graph_objects import Figure

    # Names may be alike once they are shortened, so they are not the coordinates.
    places, names = list(range(len(model.classes))), [label(name, _LABEL_LETTERS) for name in model.classes]
    drawn = Figure()
    drawn.add_heatmap(
        z=model.confusion().tolist(),
        x=places,
        y=places,
        customdata=[[[true, answer] for answer in names] for true in names],
        hovertemplate="%{z} × %{customdata[0]}, answered %{customdata[1]}<extra></extra>",
        texttemplate="%{z}" if len(places) <= _NUMBERED_CLASSES else "",
        colorscale="Cividis",
        showscale=len(places) > _NUMBERED_CLASSES,
        xgap=1,
        ygap=1,
    )
    ticks = {"tickmode": "array", "tickvals": places, "ticktext": names, "showgrid": False, "zeroline": False}
    drawn.update_xaxes(title_text="predicted", tickangle=-45 if len(places) <= _NUMBERED_CLASSES else -90, **ticks)
    drawn.update_yaxes(title_text="true", autorange="reversed", **ticks)
    return drawn


def curves_picture(model: ModelResult) -> MatplotlibFigure | None:
    """Draw the learning curve of a model for a paper.

    Parameters
    ----------
    model : ModelResult
        The model.

    Returns
    -------
    matplotlib.figure.Figure or None
        Loss and accuracy of each epoch; None if the model was not trained in epochs.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    whole = model.history
    if whole is None:
        return None
    history = thinned(whole)
    drawn = Figure(figsize=(7.2, 3.4), layout="constrained")
    panels: Sequence[Axes] = drawn.subplots(1, 2)
    for axes, quantity in zip(panels, ("loss", "accuracy"), strict=True):
        axes.plot(history["epoch"], history[quantity], linestyle=":", color=_GREY, label="training")
        axes.plot(history["epoch"], history[f"val_{quantity}"], color=PALETTE[0], label="validation")
        if (whole["epoch"] == model.best_epoch).any():
            axes.axvline(model.best_epoch, color=PALETTE[6], linewidth=1, linestyle="--", label="kept")
        axes.set(xlabel="epoch", ylabel=quantity)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False)
    drawn.suptitle(f"{_plain(model.name, _TITLE_LETTERS)}, {_protocol(model)}", fontsize=11)
    return drawn


def reliability_picture(model: ModelResult) -> MatplotlibFigure:
    """Draw how often a model is right against how sure it is, for a paper.

    Parameters
    ----------
    model : ModelResult
        The model.

    Returns
    -------
    matplotlib.figure.Figure
        A point for each bin of confidence, with its 95 % interval and, above, its number of test tracks; the diagonal
        is perfect calibration.
    """
    from matplotlib.figure import Figure

    found = model.reliability
    drawn = Figure(figsize=(4.6, 4.8), layout="constrained")
    axes = drawn.add_subplot()
    axes.plot([0, 1], [0, 1], linestyle="--", color=_GREY, linewidth=1)
    shares = [each.accuracy for each in found.bins]
    axes.errorbar(
        [each.confidence for each in found.bins], [share.value for share in shares], yerr=_arms(shares),
        marker="o", linestyle="none", capsize=3, color=PALETTE[0], clip_on=False,
    )  # fmt: skip
    axes.annotate("tracks", (-0.02, _COUNTS_HEIGHT), ha="right", va="center", fontsize=8, annotation_clip=False)
    for each in found.bins:
        place = (each.low + each.high) / 2
        axes.annotate(str(each.count), (place, _COUNTS_HEIGHT), ha="center", va="center", fontsize=8)
    axes.set(xlim=(0, 1), ylim=(0, _TOP), aspect="equal", xlabel="confidence", ylabel="share of right answers")
    axes.set_xticks([k / BINS for k in range(BINS + 1)])
    axes.set_yticks([k / 5 for k in range(6)])
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    name = _plain(model.name, _TITLE_LETTERS)
    raw = "" if model.is_calibrated else " (not calibrated)"
    axes.set_title(f"{name}\ncalibration error {found.error}{raw}\n{_protocol(model)}", fontsize=10)
    return drawn


def reliability_figure(model: ModelResult) -> PlotlyFigure:
    """Draw how often a model is right against how sure it is, for a page.

    Parameters
    ----------
    model : ModelResult
        The model.

    Returns
    -------
    plotly.graph_objects.Figure
        A point for each bin of confidence, with its 95 % interval and, above, its number of test tracks; the diagonal
        is perfect calibration.
    """
    from plotly.graph_objects import Figure

    bins = model.reliability.bins
    drawn = Figure()
    drawn.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": _GREY, "dash": "dash", "width": 1.5}, hoverinfo="skip",
        name="as often right as it says",
    )  # fmt: skip
    below, above = _arms([each.accuracy for each in bins])
    drawn.add_scatter(
        x=[each.confidence for each in bins],
        y=[each.accuracy.value for each in bins],
        error_y={"array": above, "arrayminus": below, "thickness": 2},
        mode="markers",
        marker={"size": 10, "color": PALETTE[0]},
        name="test tracks, 95 % interval",
        cliponaxis=False,
        text=[
            f"confidence {each.low:.1f} to {each.high:.1f}, mean {each.confidence:.3f}<br>"
            f"right: {each.accuracy}<br>test tracks: {each.count}"
            for each in bins
        ],
        hovertemplate="%{text}<extra></extra>",
    )
    drawn.add_scatter(
        x=[(each.low + each.high) / 2 for each in bins],
        y=[_COUNTS_HEIGHT] * len(bins),
        text=[str(each.count) for each in bins],
        mode="text",
        hoverinfo="skip",
        showlegend=False,
    )
    drawn.add_annotation(
        x=0, xref="paper", xanchor="right", xshift=-4, y=_COUNTS_HEIGHT, yanchor="middle", text="tracks",
        showarrow=False,
    )  # fmt: skip
    places = [k / BINS for k in range(BINS + 1)]
    drawn.update_xaxes(
        title_text="confidence", range=[0, _RIGHT], tickmode="array", tickvals=places,
        ticktext=[f"{place:.1f}" for place in places], constrain="domain", constraintoward="left", zeroline=False,
        ticks="outside",
    )  # fmt: skip
    drawn.update_yaxes(
        title_text="share of right answers", range=[0, _TOP], tickmode="array", tickvals=[k / 5 for k in range(6)],
        scaleanchor="x", constrain="domain", zeroline=False,
    )  # fmt: skip
    return drawn


def accuracy_picture(models: Sequence[ModelResult], title: str) -> MatplotlibFigure:
    """Draw the test accuracy of several models with its 95 % interval, for a paper.

    Parameters
    ----------
    models : sequence of ModelResult
        Models that were measured on the same test tracks, the first on top.
    title : str
        Protocol and number of test tracks.

    Returns
    -------
    matplotlib.figure.Figure
        A line a model.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    drawn = Figure(figsize=(7.2, 1.5 + 0.3 * len(models)), layout="constrained")
    axes = drawn.add_subplot()
    for kind in dict.fromkeys(model.kind for model in models):
        mine = [(place, model.scores.tracks.accuracy) for place, model in enumerate(models) if model.kind == kind]
        values = [accuracy.value for _, accuracy in mine]
        axes.errorbar(
            values, [place for place, _ in mine], xerr=_arms([accuracy for _, accuracy in mine]),
            linestyle="none", capsize=3,
            marker=_MARKERS.get(kind, _OTHER_MARKER)[0], color=_COLOURS.get(kind, _OTHER_COLOUR),
            label=_plain(kind_name(kind), _TITLE_LETTERS),
        )  # fmt: skip
    for place, model in enumerate(models):
        value = model.scores.tracks.accuracy.value
        axes.annotate(f"{value:.3f}", (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=9)
    axes.set_yticks(range(len(models)), [_plain(model.name, 36) + _early(model) for model in models], fontsize=9)
    axes.set_ylim(len(models) - 0.4, -0.6)
    explained = " (*: training ended early)" if any(model.interrupted for model in models) else ""
    axes.set_xlabel(f"test accuracy by track, 95 % interval{explained}")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8))
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right", "left"]].set_visible(False)
    drawn.suptitle(_plain(title, 80), fontsize=11)
    if len({model.kind for model in models}) > 1:
        drawn.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return drawn


def accuracy_figure(models: Sequence[ModelResult]) -> PlotlyFigure:
    """Draw the test accuracy of several models with its 95 % interval, for a page.

    Parameters
    ----------
    models : sequence of ModelResult
        Models that were measured on the same test tracks, the first on top.

    Returns
    -------
    plotly.graph_objects.Figure
        A line a model; a star marks trainings that were ended early.
    """
    from plotly.graph_objects import Figure

    drawn = Figure()
    for kind in dict.fromkeys(model.kind for model in models):
        mine = [(place, model) for place, model in enumerate(models) if model.kind == kind]
        accuracies = [model.scores.tracks.accuracy for _, model in mine]
        drawn.add_scatter(
            x=[accuracy.value for accuracy in accuracies],
            y=[place for place, _ in mine],
            error_x={
                "array": [accuracy.high - accuracy.value for accuracy in accuracies],
                "arrayminus": [accuracy.value - accuracy.low for accuracy in accuracies],
                "thickness": 2,
            },
            mode="markers",
            marker={
                "size": 10,
                "color": _COLOURS.get(kind, _OTHER_COLOUR),
                "symbol": _MARKERS.get(kind, _OTHER_MARKER)[1],
            },
            name=label(kind_name(kind)),
            text=[f"{label(shown_name(model))}: {model.scores.tracks.accuracy}" for _, model in mine],
            hovertemplate="%{text}<extra></extra>",
        )
    names = [label(model.name, 22) + _early(model) for model in models]
    drawn.update_xaxes(title_text="test accuracy by track")
    drawn.update_yaxes(
        tickmode="array", tickvals=list(range(len(models))), ticktext=names, range=[len(models) - 0.5, -0.5],
        zeroline=False,
    )  # fmt: skip
    return drawn


def png(drawn: MatplotlibFigure) -> bytes:
    """Render a figure.

    Parameters
    ----------
    drawn : matplotlib.figure.Figure
        The figure.

    Returns
    -------
    bytes
        A PNG file, the same for the same figure.
    """
    file = io.BytesIO()
    with warnings.catch_warnings():
        # A script that the font lacks shows as boxes, and the page beside it has the name.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        drawn.savefig(file, format="png", dpi=_DPI, bbox_inches="tight", pad_inches=0.08, metadata={"Software": None})
    return file.getvalue()


def kind_name(kind: str) -> str:
    """Say what a kind of model is called.

    Parameters
    ----------
    kind : str
        Kind, as it stands on cards.

    Returns
    -------
    str
        A few words.

    Examples
    --------
    >>> kind_name("cnn"), kind_name("ensemble")
    ('picture network (CNN)', 'ensemble')
    """
    return KIND_NAMES.get(kind, kind)


def shown_name(model: ModelResult) -> str:
    """Name a model, and say if its training was ended early.

    Parameters
    ----------
    model : ModelResult
        The model.

    Returns
    -------
    str
        Its name.
    """
    return f"{model.name} (interrupted)" if model.interrupted else model.name


def _arms(intervals: Sequence[Interval]) -> list[list[float]]:
    """Return how far intervals reach below and above their figures."""
    # They may end a rounding error on the wrong side of the figure.
    below = [max(0.0, each.value - each.low) for each in intervals]
    return [below, [max(0.0, each.high - each.value) for each in intervals]]


def _early(model: ModelResult) -> str:
    return " *" if model.interrupted else ""


def _protocol(model: ModelResult) -> str:
    fold = f", {model.fold}" if model.fold else ""
    return f"protocol: {_plain(model.protocol + fold, _TITLE_LETTERS)}{', LEAKY' if model.leaky else ''}"


def _plain(name: str, most: int) -> str:
    """Shorten a name, and keep matplotlib from reading dollars as formulas."""
    return shortened(name, most).replace("$", r"\$")
