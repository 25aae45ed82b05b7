"""Figures from what bundles hold: nothing is computed again, nothing heavy is loaded but the plotting library."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_genre.errors import BundleError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as MatplotlibFigure
    from plotly.graph_objects import Figure as PlotlyFigure

_HISTORY = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")
# Okabe and Ito's palette, which colour-blind readers tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def learning_curves(bundles: Sequence[Path]) -> PlotlyFigure:
    """Draw loss and accuracy of each epoch, in training and validation, for several models.

    Parameters
    ----------
    bundles : sequence of Path
        Folders of trained models.

    Returns
    -------
    plotly.graph_objects.Figure
        Two panels that share the epochs; a dot marks the epoch whose weights a model has.

    Raises
    ------
    BundleError
        If a bundle lacks its card or history.
    """
    from plotly import graph_objects
    from plotly.subplots import make_subplots

    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06, subplot_titles=("Loss", "Accuracy")
    )
    for k, bundle in enumerate(bundles):
        history = _read_csv(bundle, "history.csv", _HISTORY)
        best = history[history["epoch"] == _card(bundle)["training"]["best_epoch"]]
        colour = _COLOURS[k % len(_COLOURS)]
        for row, quantity in ((1, "loss"), (2, "accuracy")):
            shown = {"legendgroup": bundle.name, "line": {"color": colour}, "mode": "lines"}
            figure.add_scatter(
                x=history["epoch"], y=history[f"val_{quantity}"], row=row, col=1,
                name=f"{bundle.name}, validation", showlegend=row == 1, **shown,
            )  # fmt: skip
            shown["line"] = {"color": colour, "dash": "dot", "width": 1}
            figure.add_scatter(
                x=history["epoch"], y=history[quantity], row=row, col=1,
                name=f"{bundle.name}, training", showlegend=row == 1, **shown,
            )  # fmt: skip
            figure.add_scatter(
                x=best["epoch"], y=best[f"val_{quantity}"], row=row, col=1, mode="markers", showlegend=False,
                legendgroup=bundle.name, name=f"{bundle.name}, kept", marker={"color": colour, "size": 9},
            )  # fmt: skip
    figure.update_xaxes(title_text="Epoch", row=2, col=1)
    figure.update_layout(
        template=graph_objects.layout.Template(layout={"colorway": _COLOURS}),
        title="Learning curves",
        legend={"orientation": "h", "y": -0.12},
        margin={"l": 50, "r": 20, "t": 80, "b": 40},
        hovermode="x unified",
    )
    return figure


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
        If a bundle lacks its card or history, or the page cannot be written.
    """
    page = learning_curves(bundles).to_html(include_plotlyjs=True, full_html=True, config={"responsive": True})
    part = path.with_name(f".{path.name}.part")
    try:
        try:
            part.write_text(page, encoding="utf-8")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise BundleError(
            f"{path} cannot be written: {error.strerror}; make room for it, the models themselves are complete."
        ) from None


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
    from matplotlib.figure import Figure
    from sklearn.metrics import ConfusionMatrixDisplay, accuracy_score

    card = _card(bundle)
    classes = card["classes"]
    rows = _read_csv(bundle, "predictions.csv", ("track", "label", *(f"p({name})" for name in classes)))
    votes = rows.groupby(["track", "label"])[[f"p({name})" for name in classes]].mean()
    predicted = [classes[k] for k in votes.to_numpy().argmax(axis=1)]
    truth = votes.index.get_level_values("label").tolist()

    figure = Figure(figsize=(6.4, 6.0), layout="constrained")
    axes = figure.add_subplot()
    ConfusionMatrixDisplay.from_predictions(
        truth, predicted, labels=classes, xticks_rotation=45, cmap="cividis", colorbar=False, ax=axes
    )
    right = int(accuracy_score(truth, predicted, normalize=False))
    protocol = card["protocol"]
    leaky = ", leaky" if protocol["leaky"] else ""
    axes.set_title(
        f"{card['name']}: {right} of {len(truth)} test tracks right ({right / len(truth):.2f})\n"
        f"protocol: {protocol['name']}{leaky}"
    )
    axes.set(xlabel="predicted", ylabel="true")
    for label in axes.get_xticklabels():
        label.set_horizontalalignment("right")
        label.set_rotation_mode("anchor")
    return figure


def _card(bundle: Path) -> dict[str, Any]:
    try:
        card: dict[str, Any] = json.loads((bundle / "card.json").read_text(encoding="utf-8"))
        if not {"name", "classes", "protocol", "training"} <= card.keys():
            raise ValueError
    except (OSError, ValueError, AttributeError):
        raise BundleError(f"{bundle} has no readable card.json; name the folder of a trained model.") from None
    return card


def _read_csv(bundle: Path, name: str, columns: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    # Genres and tracks are text, also those named 1980 or NA.
    text = dict.fromkeys(("item", "track", "label", "predicted"), str)
    try:
        table = pd.read_csv(bundle / name, dtype=text, keep_default_na=False)
        return table[list(columns)]
    except (OSError, ValueError, KeyError):
        raise BundleError(f"{bundle} has no readable {name}; train the model again.") from None
