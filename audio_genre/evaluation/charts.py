"""Charts as plain descriptions, and one renderer each: Plotly for pages, matplotlib for papers."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from audio_genre.evaluation.page import PALETTE, label, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

GREY = "#717581"
"""Colour of reference lines."""

MARKERS = (
    ("circle", "o"), ("square", "s"), ("diamond", "D"), ("triangle-up", "^"), ("cross", "P"), ("x", "X"),
    ("triangle-down", "v"), ("star", "*"), ("hexagon", "h"), ("pentagon", "p"),
)  # fmt: skip
"""Kinds of marker, as Plotly and matplotlib call them."""

DASHES = (("solid", "-"), ("dash", "--"), ("dot", ":"), ("dashdot", "-."))
"""Kinds of line, as Plotly and matplotlib call them."""

BLUES = ("#f4f8fc", "#c9dcef", "#8fbadd", "#4a90c4", "#1c64a5", "#0a3a70")
"""Colour scale from none to all."""

RED_BLUE = ("#2166ac", "#7fb2d5", "#f5f5f5", "#ef9b7a", "#b2182b")
"""Colour scale from -1 to 1."""

FORMATS = ("png", "pdf", "svg")
"""Formats of the pictures for papers."""

_DPI = 150
_DIGITS = 6
_DATES = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
# Names of many models or genres in one legend stand in columns.
_LEGEND_COLUMNS = 3


@dataclass(frozen=True)
class Axis:
    """Title, range (reversed if it falls) and, where they are not left to the renderer, ticks and how far they turn."""

    title: str = ""
    limits: tuple[float, float] | None = None
    ticks: tuple[tuple[float, str], ...] | None = None
    turned: int = 0
    grid: bool = True
    letters: int = 24
    whole: bool = False


@dataclass(frozen=True, eq=False)
class Points:
    """Markers, a line, or both; with intervals that reach by `arms` below and above, along one axis."""

    x: Sequence[float]
    y: Sequence[float]
    name: str = ""
    colour: str = PALETTE[0]
    marker: int | None = 0
    dash: int | None = None
    arms: tuple[Sequence[float], Sequence[float]] | None = None
    along: Literal["x", "y"] = "y"
    size: float = 8.0
    labels: Sequence[str] = ()
    hover: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Bars:
    """Horizontal bars at 0, 1, 2 ... of the y axis."""

    values: Sequence[float]
    colours: Sequence[str]
    deviations: Sequence[float] | None = None
    labels: Sequence[str] = ()
    hover: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Cells:
    """A matrix of colours, None or NaN for no colour, with the texts that stand in the cells."""

    values: NDArray[np.float64]
    scale: tuple[str, ...]
    limits: tuple[float, float]
    texts: Sequence[Sequence[str]] | None = None
    hover: Sequence[Sequence[str]] = ()
    bar: str = ""


@dataclass(frozen=True, eq=False)
class Area:
    """A filled outline."""

    x: Sequence[float]
    y: Sequence[float]
    name: str = ""
    colour: str = PALETTE[0]


@dataclass(frozen=True, eq=False)
class Box:
    """Whiskers, quartiles, median and single values of one class, at a place of the y axis."""

    place: int
    five: tuple[float, float, float, float, float]
    outliers: Sequence[float]
    name: str = ""
    colour: str = PALETTE[0]


@dataclass(frozen=True, eq=False)
class Words:
    """Texts at points."""

    x: Sequence[float]
    y: Sequence[float]
    texts: Sequence[str]


Series = Points | Bars | Cells | Area | Box | Words


@dataclass(frozen=True)
class Reference:
    """A named dashed line at one value of an axis, or along the diagonal."""

    name: str
    at: float = 0.0
    along: Literal["x", "y", "diagonal"] = "x"


@dataclass(frozen=True, eq=False)
class Chart:
    """What both renderers draw: title, axes, series, reference lines; inches for papers, CSS pixels for pages."""

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    references: tuple[Reference, ...] = ()
    inches: tuple[float, float] = (7.2, 3.4)
    pixels: int = 420
    square: bool = False
    legend: bool = True


# --- Colours ---------------------------------------------------------------------------------------------------------


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours, 1 to 21, as the Web Content Accessibility Guidelines define it."""
    darker, lighter = sorted(map(_luminance, (first, second)))
    return (lighter + 0.05) / (darker + 0.05)


def readable_on(colour: str) -> str:
    """Return black or white, whichever is easier to read on a colour; its contrast is never below 4.5."""
    return max("#000000", "#ffffff", key=lambda ink: contrast(ink, colour))


def colour_of(share: float, scale: Sequence[str]) -> str:
    """Return the colour at a place, 0 to 1, of a scale whose colours stand at equal steps."""
    place = min(max(share, 0.0), 1.0) * (len(scale) - 1)
    k = min(int(place), len(scale) - 2)
    mixed = (1 - (place - k)) * _rgb(scale[k]) + (place - k) * _rgb(scale[k + 1])
    return "#" + "".join(f"{round(255 * part):02x}" for part in mixed)


def _rgb(colour: str) -> NDArray[np.float64]:
    return np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])


def _luminance(colour: str) -> float:
    encoded = _rgb(colour)
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def _cell_words(cells: Cells) -> list[tuple[int, int, str, str]]:
    """Return column, row, text and colour of each text of a matrix."""
    low, high = cells.limits
    return [
        (column, row, text, readable_on(colour_of((value - low) / ((high - low) or 1.0), cells.scale)))
        for row, (texts, values) in enumerate(zip(cells.texts or (), cells.values.tolist(), strict=False))
        for column, (text, value) in enumerate(zip(texts, values, strict=True))
        if math.isfinite(value)
    ]


# --- Plotly ----------------------------------------------------------------------------------------------------------


def plotly_json(chart: Chart) -> dict[str, Any]:
    """Describe a chart to Plotly; colours of text, grid and background are left to the page."""
    named = [each for each in (*chart.series, *chart.references) if getattr(each, "name", "")]
    layout: dict[str, Any] = {
        "xaxis": _plotly_axis(chart.x, chart.x.turned),
        "yaxis": _plotly_axis(chart.y, 0),
        "showlegend": chart.legend and bool(named),
        "shapes": [_plotly_reference(each, chart) for each in chart.references],
    }
    if chart.square:
        layout["xaxis"] |= {"constrain": "domain", "constraintoward": "left"}
        layout["yaxis"] |= {"scaleanchor": "x", "constrain": "domain", "constraintoward": "top"}
    return {"data": [trace for each in chart.series for trace in _plotly_traces(each)], "layout": layout}


def _numbers(values: Any) -> list[Any]:
    """Return numbers that JSON can hold, with the digits that a screen can show."""

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(each) for each in value]
        if isinstance(value, float):
            return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
        return value

    found: list[Any] = plain(values.tolist() if isinstance(values, np.ndarray) else [*values])
    return found


def _plotly_axis(axis: Axis, turned: int) -> dict[str, Any]:
    drawn: dict[str, Any] = {"zeroline": False, "showgrid": axis.grid}
    if axis.title:
        drawn["title"] = {"text": label(axis.title, 60)}
    if axis.limits is not None:
        drawn["range"] = _numbers(axis.limits)
    if axis.ticks is not None:
        drawn |= {
            "tickmode": "array",
            "tickvals": _numbers([place for place, _ in axis.ticks]),
            "ticktext": [label(name, axis.letters) for _, name in axis.ticks],
        }
    if turned:
        drawn["tickangle"] = -turned
    return drawn


def _plotly_reference(reference: Reference, chart: Chart) -> dict[str, Any]:
    at = reference.at
    places: dict[str, dict[str, Any]] = {
        "x": {"x0": at, "x1": at, "yref": "paper", "y0": 0, "y1": 1},
        "y": {"xref": "paper", "x0": 0, "x1": 1, "y0": at, "y1": at},
        "diagonal": {"x0": 0, "x1": 1, "y0": 0, "y1": 1},
    }
    line = {"color": GREY, "dash": "dash", "width": 1.5}
    return {
        "type": "line", **places[reference.along], "line": line, "layer": "between", "name": label(reference.name, 60),
        "showlegend": chart.legend,
    }  # fmt: skip


def _plotly_traces(series: Series) -> list[dict[str, Any]]:
    match series:
        case Points():
            return [_plotly_points(series)]
        case Bars():
            trace: dict[str, Any] = {
                "type": "bar", "orientation": "h", "x": _numbers(series.values), "y": [*range(len(series.values))],
                "marker": {"color": [*series.colours]}, "text": [*series.labels], "textposition": "outside",
                "cliponaxis": False, **_hover(series.hover),
            }  # fmt: skip
            if series.deviations is not None:
                trace["error_x"] = {"array": _numbers(series.deviations), "thickness": 1.5, "color": GREY}
            return [trace]
        case Cells():
            return _plotly_cells(series)
        case Area():
            return [
                {
                    "type": "scatter", "mode": "none", "fill": "toself", "fillcolor": series.colour,
                    "x": _numbers(series.x), "y": _numbers(series.y), "hoveron": "fills", "text": label(series.name, 0),
                    "hoverinfo": "text", "showlegend": False,
                }
            ]  # fmt: skip
        case Box():
            low, first, median, third, high = series.five
            fences = {"lowerfence": low, "q1": first, "median": median, "q3": third, "upperfence": high}
            box: dict[str, Any] = {
                "type": "box", "orientation": "h", "y": [series.place], "boxpoints": False, "width": 0.6,
                "name": label(series.name), "marker": {"color": series.colour, "size": 3}, "showlegend": False,
                **{name: _numbers([value]) for name, value in fences.items()},
            }  # fmt: skip
            if series.outliers:
                box |= {"x": [_numbers(series.outliers)], "boxpoints": "all", "jitter": 0, "pointpos": 0}
            return [box]
        case Words():
            return [
                {
                    "type": "scatter", "mode": "text", "x": _numbers(series.x), "y": _numbers(series.y),
                    "text": [label(text) for text in series.texts], "hoverinfo": "skip", "showlegend": False,
                    "cliponaxis": False,
                }
            ]  # fmt: skip


def _hover(texts: Sequence[str]) -> dict[str, Any]:
    if not texts:
        return {"hoverinfo": "skip"}
    return {"hovertext": [label(text, 0) for text in texts], "hoverinfo": "text"}


def _plotly_points(series: Points) -> dict[str, Any]:
    shown = [*(["lines"] if series.dash is not None else []), *(["markers"] if series.marker is not None else [])]
    trace: dict[str, Any] = {
        "type": "scatter", "mode": "+".join([*shown, *(["text"] if series.labels else [])]),
        "x": _numbers(series.x), "y": _numbers(series.y), "name": label(series.name), "showlegend": bool(series.name),
        "cliponaxis": False,
    }  # fmt: skip
    if series.dash is not None:
        dash = DASHES[series.dash % len(DASHES)][0]
        trace["line"] = {"color": series.colour, "dash": dash, "width": 1.5 if dash == "dot" else 2}
    if series.marker is not None:
        symbol = MARKERS[series.marker % len(MARKERS)][0]
        trace["marker"] = {"color": series.colour, "symbol": symbol, "size": series.size}
    if series.arms is not None:
        below, above = map(_numbers, series.arms)
        trace[f"error_{series.along}"] = {
            "array": above, "arrayminus": below, "thickness": 2, "color": series.colour,
        }  # fmt: skip
    if series.labels:
        trace |= {"text": [label(text) for text in series.labels], "textposition": "top center"}
    # The values of a line are of use, those of single markers are told in words.
    return trace | (_hover(series.hover) if series.hover or series.dash is None else {})


def _plotly_cells(series: Cells) -> list[dict[str, Any]]:
    low, high = series.limits
    rows, columns = series.values.shape
    stops = [[k / (len(series.scale) - 1), colour] for k, colour in enumerate(series.scale)]
    heatmap: dict[str, Any] = {
        "type": "heatmap", "z": _numbers(series.values), "x": [*range(columns)], "y": [*range(rows)],
        "zmin": low, "zmax": high, "colorscale": stops, "showscale": bool(series.bar), "xgap": 1, "ygap": 1,
        "hoverongaps": False, "hoverinfo": "skip",
    }  # fmt: skip
    if series.hover:
        heatmap |= {"hoverinfo": "text", "hovertext": [[label(text, 0) for text in row] for row in series.hover]}
    if series.bar:
        heatmap["colorbar"] = {"orientation": "h", "thickness": 12, "y": 1.0, "yanchor": "bottom"}
    words = _cell_words(series)
    if not words:
        return [heatmap]
    x, y, texts, inks = map(list, zip(*words, strict=True))
    return [
        heatmap,
        {
            "type": "scatter", "mode": "text", "x": x, "y": y, "text": texts, "textfont": {"color": inks},
            "hoverinfo": "skip", "showlegend": False,
        },
    ]  # fmt: skip


# --- matplotlib ------------------------------------------------------------------------------------------------------


def picture_of(*charts: Chart, title: str = "", columns: int = 0, share_y: bool = False) -> Figure:
    """Draw charts side by side, in so many columns, for a paper."""
    from matplotlib.figure import Figure

    columns = min(columns or len(charts), len(charts))
    rows = math.ceil(len(charts) / columns)
    width, height = charts[0].inches
    drawn = Figure(figsize=(width * columns, height * rows), layout="constrained")
    grid = drawn.subplots(rows, columns, squeeze=False, sharey=share_y)
    entries: dict[str, Any] = {}
    for axes, chart in zip(grid.flat, charts, strict=False):
        entries |= _draw(axes, chart)
    for axes in grid.flat[len(charts) :]:
        axes.set_visible(False)
    if title:
        drawn.suptitle(_lines(title), fontsize=11)
    if entries and any(chart.legend for chart in charts):
        # Matplotlib leaves out a name that begins with an underscore, and so names are set later.
        handles, hidden = [*entries.values()], ["?"] * len(entries)
        legend = drawn.legend(
            handles, hidden, loc="outside lower center", ncols=_LEGEND_COLUMNS, frameon=False, fontsize=9
        )
        for entry, name in zip(legend.get_texts(), entries, strict=True):
            entry.set_text(plain(name, 40))
    return drawn


Sketch = Callable[[], "Figure"]
"""Charts that are ready to be drawn, in this process or in another one."""


def drawn_from(sketch: tuple[str, Sketch]) -> dict[str, bytes]:
    """Draw a sketch that has a name, and return the file of each format."""
    return rendered(sketch[1]())


def rendered(drawn: Figure, formats: Sequence[str] = FORMATS) -> dict[str, bytes]:
    """Return the file of each format, the same bytes for the same picture."""
    import matplotlib as mpl

    files = {}
    # With no layout engine at all a figure is drawn once for each format; with one that does nothing it is twice.
    no_layout: Any = {"figure.autolayout": False, "figure.constrained_layout.use": False}
    with (
        mpl.rc_context({"svg.hashsalt": "audio-genre", "pdf.fonttype": 42} | no_layout),
        warnings.catch_warnings(),
    ):
        # A script that the font lacks shows as boxes, and the page beside it has the name.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support", category=UserWarning)
        if layout := drawn.get_layout_engine():
            layout.execute(drawn)
        # Once laid out it stays so, and the other formats cost no more than their writing.
        drawn.set_layout_engine(None)
        box, (width, height) = drawn.get_tightbbox(), drawn.get_size_inches()
        # Cutting to what is drawn means drawing twice, and so only what sticks out is an occasion for it.
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
        cut = None if inside else box.padded(0.08)
        for name in formats:
            file = io.BytesIO()
            drawn.savefig(file, format=name, dpi=_DPI, bbox_inches=cut, metadata=_DATES[name])
            files[name] = file.getvalue()
    return files


def plain(name: str, most: int) -> str:
    """Shorten a name, and keep matplotlib from reading dollars as formulas."""
    # Matplotlib takes an escaped dollar for one wherever no formula is.
    return shortened(name, most).replace("$", r"\$")


def _lines(title: str) -> str:
    return "\n".join(plain(line, 0) for line in title.splitlines())


def _draw(axes: Axes, chart: Chart) -> dict[str, Any]:
    """Draw a chart, and return the entries of its legend."""
    entries: dict[str, Any] = {}
    for reference in chart.references:
        style: dict[str, Any] = {"color": GREY, "linestyle": "--", "linewidth": 1, "zorder": 1}
        if reference.along == "diagonal":
            (entries[reference.name],) = axes.plot([0, 1], [0, 1], **style)
        else:
            line = axes.axvline if reference.along == "x" else axes.axhline
            entries[reference.name] = line(reference.at, **style)
    for series in chart.series:
        found = _draw_series(axes, series)
        name = getattr(series, "name", "")
        if found is not None and name and isinstance(series, Points):
            entries[name] = found
    axes.set_title(_lines(chart.title), fontsize=10)
    for axis, which in ((chart.x, "x"), (chart.y, "y")):
        _draw_axis(axes, axis, which)
    if chart.square:
        axes.set_aspect("equal")
    cells = any(isinstance(series, Cells) for series in chart.series)
    axes.spines[["top", "right"]].set_visible(cells)
    axes.set_axisbelow(True)
    return entries if chart.legend else {}


def _draw_axis(axes: Axes, axis: Axis, which: str) -> None:
    from matplotlib.ticker import MaxNLocator

    drawn = getattr(axes, f"{which}axis")
    getattr(axes, f"set_{which}label")(plain(axis.title, 60))
    if axis.ticks is not None:
        names = [plain(name, axis.letters) for _, name in axis.ticks]
        size = 9 if len(names) <= 24 else 7
        drawn.set_ticks([place for place, _ in axis.ticks], names, fontsize=size)
    else:
        drawn.set_major_locator(MaxNLocator(nbins=8, integer=axis.whole))
    if axis.turned:
        slanted = {"rotation": axis.turned, "rotation_mode": "anchor", "ha": "right", "va": "center"}
        for tick in axes.get_xticklabels():
            tick.set(**slanted)
    if axis.limits is not None:
        getattr(axes, f"set_{which}lim")(*axis.limits)
    if axis.grid:
        axes.grid(axis=which, alpha=0.35)  # type: ignore[arg-type]


def _draw_series(axes: Axes, series: Series) -> Any:
    match series:
        case Points():
            return _draw_points(axes, series)
        case Bars():
            places = [*range(len(series.values))]
            axes.barh(
                places, series.values, color=[*series.colours], xerr=series.deviations,
                error_kw={"elinewidth": 1.2, "ecolor": "0.25"},
            )  # fmt: skip
            for place, value, text in zip(places, series.values, series.labels, strict=False):
                axes.annotate(f" {plain(text, 0)}", (value, place), va="center", fontsize=9)
            if series.labels:
                axes.margins(x=0.12)
        case Cells():
            from matplotlib.colors import LinearSegmentedColormap

            scale = LinearSegmentedColormap.from_list("scale", series.scale)
            low, high = series.limits
            axes.set_facecolor("0.85")
            shown = axes.imshow(np.ma.masked_invalid(series.values), cmap=scale, vmin=low, vmax=high)
            for column, row, text, ink in _cell_words(series):
                axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=8)
            if series.bar and axes.figure is not None:
                axes.figure.colorbar(shown, ax=axes, label=series.bar, shrink=0.8)
        case Area():
            axes.fill(series.x, series.y, color=series.colour, linewidth=0)
        case Box():
            low, first, median, third, high = series.five
            place = series.place
            axes.barh(place, third - first, 0.6, left=first, color=series.colour, edgecolor="0.2", linewidth=0.8)
            axes.plot([low, first, np.nan, third, high], [place] * 5, color="0.2", linewidth=0.8)
            axes.plot([median, median], [place - 0.3, place + 0.3], color="black", linewidth=1.6)
            axes.plot(series.outliers, [place] * len(series.outliers), "o", markersize=2.5, color=series.colour)
        case Words():
            for x, y, text in zip(series.x, series.y, series.texts, strict=True):
                axes.annotate(
                    plain(text, 0), (x, y), ha="center", va="center", fontsize=8, annotation_clip=False
                )  # fmt: skip
    return None


def _draw_points(axes: Axes, series: Points) -> Any:
    style: dict[str, Any] = {
        "color": series.colour,
        "linestyle": "none" if series.dash is None else DASHES[series.dash % len(DASHES)][1],
        "marker": None if series.marker is None else MARKERS[series.marker % len(MARKERS)][1],
        "markersize": 0.75 * series.size, "clip_on": series.dash is not None, "linewidth": 1.5, "zorder": 3,
    }  # fmt: skip
    if series.arms is None:
        (drawn,) = axes.plot(series.x, series.y, **style)
        found: Any = drawn
    else:
        style |= {f"{series.along}err": [*series.arms], "capsize": 3}
        found = axes.errorbar(series.x, series.y, **style)
    for x, y, text in zip(series.x, series.y, series.labels, strict=False):
        axes.annotate(
            plain(text, 0), (x, y), xytext=(0, 6), textcoords="offset points", ha="center", fontsize=8
        )  # fmt: skip
    return found


def names_axis(names: Sequence[str], *, letters: int = 24) -> Axis:
    """Return an axis with a line for each name, the first on top; by number, since shortened names may be alike."""
    return Axis(
        limits=(len(names) - 0.4, -0.6), ticks=tuple((k, name) for k, name in enumerate(names)), grid=False,
        letters=letters,
    )  # fmt: skip


def bins_outline(edges: Sequence[float], heights: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return the outline of a histogram."""
    x = [each for pair in pairwise(edges) for each in pair]
    return [edges[0], *x, edges[-1]], [0.0, *(each for height in heights for each in (height, height)), 0.0]
