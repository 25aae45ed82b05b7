"""Pictures and page of an `Exploration`: nothing is computed here but how to draw it."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.evaluation.page import PALETTE, SYMBOLS, Page, details, figure, label, note, shortened, table, text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MatplotlibFigure
    from numpy.typing import NDArray

    from audio_genre.evaluation.exploration import Exploration, FeatureScore, Importance, Information, Projection
    from audio_genre.evaluation.page import Block

_BEST = 6
_RANKED = 15
_BINS = 30
_DPI = 130
# The same shapes as `SYMBOLS`, as matplotlib calls them.
_MARKERS = ("o", "s", "D", "P", "X", "^", "v", "*", "h", "p")
# From so many features on, their names no longer fit beside the correlation matrix.
_NAMED_FEATURES = 80
_LOGARITHMIC_FROM = 20.0
_FAR_OUT = 10.0
_FEW = 0.02

# --- What both kinds of figures draw ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Distribution:
    """One feature of the drawn rows, on the scale that shows it best."""

    feature: str
    logarithmic: bool
    of_class: tuple[NDArray[np.float64], ...]
    """Values of each class; their decimal logarithms if `logarithmic`."""
    left_out: int
    """Rows too far out to be drawn without squeezing all others."""

    @property
    def title(self) -> str:
        """Title of the axis."""
        return f"{self.feature} (logarithmic)" if self.logarithmic else self.feature

    @property
    def edges(self) -> NDArray[np.float64]:
        """Borders of the histogram's bins."""
        values = np.concatenate(self.of_class)
        low, high = float(values.min()), float(values.max())
        if low == high:
            # All drawn rows may be equal although others are not.
            margin = max(1.0, abs(low)) / 100
            low, high = low - margin, high + margin
        return np.linspace(low, high, _BINS + 1)

    def ticks(self) -> tuple[list[float], list[str]]:
        """Return places and texts of a logarithmic axis."""
        edges = self.edges
        low, high = math.floor(edges[0]), math.ceil(edges[-1])
        step = max(1, math.ceil((high - low) / 5))
        places = [float(place) for place in range(low, high + 1, step)]
        if sum(edges[0] <= place <= edges[-1] for place in places) < 2:
            places = np.linspace(edges[0], edges[-1], 4).tolist()
        return places, [f"{10**place:.2g}" for place in places]


def _distribution(found: Exploration, feature: str) -> _Distribution:
    drawn = found.drawn
    values = found.table.X[drawn, found.table.schema.features.index(feature)].astype(np.float64)
    low, high = np.quantile(values, (0.05, 0.95))
    logarithmic = bool(values.min() > 0 and high / low > _LOGARITHMIC_FROM)
    if logarithmic:
        values = np.log10(values)
    labels = found.table.labels[drawn]
    first, third = np.quantile(values, (0.25, 0.75))
    near = (values >= first - _FAR_OUT * (third - first)) & (values <= third + _FAR_OUT * (third - first))
    # What lies far out is left out only where it is a few rows of each genre, and not what makes a genre.
    if third == first or any((~near[labels == name]).mean() > _FEW for name in found.table.classes):
        near[:] = True
    return _Distribution(
        feature,
        logarithmic,
        tuple(values[near & (labels == name)] for name in found.table.classes),
        int((~near).sum()),
    )


def _distributions(found: Exploration) -> list[_Distribution]:
    return [_distribution(found, feature) for feature in found.best(_BEST)]


def _colour(k: int) -> str:
    return PALETTE[k % len(PALETTE)]


def _shape(k: int, shapes: tuple[str, ...]) -> str:
    # Past the last colour, the same colour comes with another shape.
    return shapes[(k + k // len(PALETTE)) % len(shapes)]


def _correlated_names(found: Exploration) -> list[str]:
    """Return the features of the correlation matrix, without what their names have in common if they are means."""
    if found.correlated == found.table.schema.features:
        return list(found.correlated)
    return [name.removesuffix("_mean") for name in found.correlated]


def _correlation_title(found: Exploration) -> str:
    means = found.correlated != found.table.schema.features
    return f"Pearson's correlation of the {'mean features' if means else 'features'}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _drawn_rows(found: Exploration) -> str:
    """Say which rows are drawn, if not all."""
    if len(found.drawn) == len(found.table):
        return ""
    most = max(int((found.table.labels[found.drawn] == name).sum()) for name in found.table.classes)
    return f" Drawn are {len(found.drawn)} of {len(found.table)} rows, at random, at most {most} of each genre."


# --- Pictures --------------------------------------------------------------------------------------------------------


@contextmanager
def _plain_text() -> Iterator[None]:
    """Show names as they are: a dollar sign begins no formula, and a letter that the font lacks is a box."""
    import matplotlib as mpl

    with mpl.rc_context({"text.parse_math": False, "font.size": 9, "axes.axisbelow": True}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        warnings.filterwarnings("ignore", "Matplotlib currently does not support")
        yield


def _as_picture(draw: Callable[[Exploration], MatplotlibFigure | None]) -> Callable[[Exploration], bytes | None]:
    def picture(found: Exploration) -> bytes | None:
        with _plain_text():
            drawn = draw(found)
            if drawn is None:
                return None
            buffer = io.BytesIO()
            drawn.savefig(buffer, format="png", dpi=_DPI)
            return buffer.getvalue()

    return picture


def _new_figure(width: float, height: float) -> MatplotlibFigure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _names(found: Exploration, most: int = 24) -> list[str]:
    return [shortened(name, most) for name in found.table.classes]


def _class_height(found: Exploration) -> float:
    """Return the height in inches of a panel with a line for each class."""
    return max(2.4, 0.26 * len(found.table.classes) + 0.6)


def _balance_picture(found: Exploration) -> MatplotlibFigure:
    drawn = _new_figure(7.0, _class_height(found) + 0.4)
    axes = drawn.add_subplot()
    places = np.arange(len(found.rows_of))
    axes.barh(places, found.rows_of, color=[_colour(k) for k in range(len(places))])
    for place, count in zip(places, found.rows_of, strict=True):
        axes.annotate(f" {count}", (count, place), va="center")
    axes.set_yticks(places, _names(found))
    axes.invert_yaxis()
    axes.margins(x=0.1, y=0.01)
    axes.set(title="Rows of each genre", xlabel="rows")
    axes.spines[["top", "right"]].set_visible(False)
    return drawn


def _correlation_picture(found: Exploration) -> MatplotlibFigure:
    count = len(found.correlated)
    side = min(14.0, max(4.0, 0.24 * count + 1.5))
    drawn = _new_figure(side + 0.8, side)
    axes = drawn.add_subplot()
    axes.set_facecolor("0.85")
    shown = axes.imshow(np.ma.masked_invalid(found.correlation), cmap="RdBu_r", vmin=-1, vmax=1)
    if count <= _NAMED_FEATURES:
        names = [shortened(name) for name in _correlated_names(found)]
        axes.set_xticks(np.arange(count), names, rotation=90)
        axes.set_yticks(np.arange(count), names)
    drawn.colorbar(shown, ax=axes, label="correlation", shrink=0.8)
    axes.set_title(_correlation_title(found) + (" (grey: constant)" if np.isnan(found.correlation).any() else ""))
    return drawn


def _tempo_picture(found: Exploration) -> MatplotlibFigure | None:
    if found.tempo is None:
        return None
    values = found.table.X[found.drawn, found.table.schema.features.index(found.tempo)]
    labels = found.table.labels[found.drawn]
    drawn = _new_figure(7.0, _class_height(found) + 0.4)
    axes = drawn.add_subplot()
    places = np.arange(len(found.table.classes))
    boxes = axes.boxplot(
        [values[labels == name] for name in found.table.classes],
        positions=places, orientation="horizontal", widths=0.6, patch_artist=True, manage_ticks=False,
        medianprops={"color": "black", "linewidth": 1.6}, flierprops={"markersize": 3, "alpha": 0.6},
    )  # fmt: skip
    for k, box in enumerate(boxes["boxes"]):
        box.set_facecolor(_colour(k))
    axes.set_yticks(places, _names(found))
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.4)
    axes.set(title="Tempo of each genre", xlabel="tempo (BPM)")
    return drawn


def _panels(
    found: Exploration, title: str, draw: Callable[[Axes, int, _Distribution], None]
) -> MatplotlibFigure | None:
    """Draw a panel for each of the best features, with a line for each class."""
    shown = _distributions(found)
    if not shown:
        return None
    columns = min(3, len(shown))
    rows = math.ceil(len(shown) / columns)
    drawn = _new_figure(1.2 + 3.2 * columns, 0.5 + _class_height(found) * rows)
    grid = drawn.subplots(rows, columns, sharey=True, squeeze=False)
    places = np.arange(len(found.table.classes))
    for axes, distribution in zip(grid.flat, shown, strict=False):
        for k in places:
            draw(axes, int(k), distribution)
        axes.set_yticks(places, _names(found))
        axes.set_ylim(len(places) - 0.4, -0.6)
        if distribution.logarithmic:
            axes.set_xticks(*distribution.ticks())
        else:
            axes.locator_params(axis="x", nbins=5)
        axes.set_xlim(*_margins(distribution.edges))
        axes.set_xlabel(shortened(distribution.title, 40))
        axes.grid(axis="x", alpha=0.4)
        axes.tick_params(axis="y", length=0)
    for axes in grid.flat[len(shown) :]:
        axes.set_visible(False)
    drawn.suptitle(title)
    return drawn


def _margins(edges: NDArray[np.float64]) -> tuple[float, float]:
    margin = 0.03 * (edges[-1] - edges[0])
    return float(edges[0] - margin), float(edges[-1] + margin)


def _violins_picture(found: Exploration) -> MatplotlibFigure | None:
    def draw(axes: Axes, k: int, distribution: _Distribution) -> None:
        values = distribution.of_class[k]
        if not len(values):
            return
        parts: dict[str, Any] = axes.violinplot(
            [values], positions=[k], orientation="horizontal", widths=0.9, showextrema=False, showmedians=True
        )
        for body in parts["bodies"]:
            body.set(facecolor=_colour(k), edgecolor="0.2", alpha=0.9, linewidth=0.6)
        parts["cmedians"].set(color="black", linewidth=1.4)

    return _panels(found, "Features that separate genres best: density of each genre, line at the median", draw)


def _histograms_picture(found: Exploration) -> MatplotlibFigure | None:
    def draw(axes: Axes, k: int, distribution: _Distribution) -> None:
        counts, highest = _shares(distribution)
        # Upwards, on an axis that points down.
        axes.stairs(
            k + 0.4 - 0.9 * counts[k] / highest, distribution.edges, baseline=k + 0.4, fill=True, color=_colour(k)
        )
        axes.axhline(k + 0.4, color="0.6", linewidth=0.5)

    return _panels(found, "Features that separate genres best: histogram of each genre", draw)


def _shares(distribution: _Distribution) -> tuple[NDArray[np.float64], float]:
    """Return the share of each class's rows in each bin, shape (classes, bins), and the highest of all."""
    edges = distribution.edges
    counts = np.array([np.histogram(values, edges)[0] / max(1, len(values)) for values in distribution.of_class])
    return counts, float(counts.max()) or 1.0


def _importance_picture(found: Exploration) -> MatplotlibFigure | None:
    rankings = [
        (each.ranking[:_RANKED], title)
        for each, title in (
            (found.importance, "Permutation importance\n(bits lost when shuffled)"),
            (found.information, "Mutual information with the genre\n(bits, each feature alone)"),
        )
        if each
    ]
    if not rankings:
        return None
    drawn = _new_figure(5.0 * len(rankings), 0.26 * max(len(ranking) for ranking, _ in rankings) + 1.6)
    for axes, (ranking, title) in zip(drawn.subplots(1, len(rankings), squeeze=False).flat, rankings, strict=True):
        places = np.arange(len(ranking))
        deviations = [each.deviation for each in ranking]
        axes.barh(
            places, [each.bits for each in ranking], xerr=deviations if any(deviations) else None, color=PALETTE[0],
            error_kw={"elinewidth": 1.2, "ecolor": "0.25"},
        )  # fmt: skip
        axes.set_yticks(places, [shortened(each.feature) for each in ranking])
        axes.set_ylim(len(ranking) - 0.4, -0.6)
        axes.set_title(title)
        axes.grid(axis="x", alpha=0.4)
        axes.spines[["top", "right"]].set_visible(False)
    return drawn


def _projection_picture(found: Exploration) -> MatplotlibFigure | None:
    if not found.projections:
        return None
    count = len(found.projections)
    names = _names(found)
    drawn = _new_figure(6.0 * count + 1.8, max(5.4, 0.2 * len(names) + 0.4))
    labels = found.table.labels[found.drawn]
    size, alpha = (9, 0.7) if len(labels) > 1500 else (16, 0.8)
    handles = []
    for axes, projection in zip(drawn.subplots(1, count, squeeze=False).flat, found.projections, strict=True):
        handles = [
            axes.scatter(
                *projection.points[labels == name].T, s=size, alpha=alpha, color=_colour(k),
                marker=_shape(k, _MARKERS), linewidths=0.3, edgecolors="white",
            )
            for k, name in enumerate(found.table.classes)
        ]  # fmt: skip
        horizontal, vertical = _axis_titles(projection)
        axes.set(title=projection.method, xlabel=horizontal, ylabel=vertical)
        axes.grid(alpha=0.3)
    # Matplotlib leaves a name out of a legend if it begins with an underscore.
    legend = drawn.legend(handles, ["?"] * len(handles), loc="outside right upper", markerscale=1.6, frameon=False)
    for entry, name in zip(legend.get_texts(), names, strict=True):
        entry.set_text(name)
    return drawn


def _axis_titles(projection: Projection) -> tuple[str, str]:
    if projection.explained is None:
        return f"{projection.method} 1", f"{projection.method} 2"
    first, second = projection.explained
    return f"PC 1 ({_percent(first)} of the variance)", f"PC 2 ({_percent(second)} of the variance)"


PICTURES: Mapping[str, Callable[[Exploration], bytes | None]] = MappingProxyType(
    {
        "balance.png": _as_picture(_balance_picture),
        "importance.png": _as_picture(_importance_picture),
        "violins.png": _as_picture(_violins_picture),
        "histograms.png": _as_picture(_histograms_picture),
        "tempo.png": _as_picture(_tempo_picture),
        "correlation.png": _as_picture(_correlation_picture),
        "projection.png": _as_picture(_projection_picture),
    }
)
"""From the name of a picture to what draws it as PNG; None where the table has nothing to draw."""

# --- Page ------------------------------------------------------------------------------------------------------------


def build_page(found: Exploration) -> Page:
    """Put what was found on one page.

    Parameters
    ----------
    found : Exploration
        What was found.

    Returns
    -------
    Page
        The page, to be written.
    """
    data = found.table
    tracks = sum(found.tracks_of)
    of_tracks = "" if tracks == len(data) else f" of {tracks} tracks"
    window = f", from {data.window.kind}s of {data.window.seconds:g} s" if data.window else ""
    page = Page(
        f"What is in {data.path.name}",
        f"{len(data)} rows{of_tracks} in {len(data.classes)} genres, {len(data.schema.features)} features{window}.",
    )
    page.add_section("Genres", *_balance_blocks(found))
    page.add_section("Features that separate the genres", *_ranking_blocks(found))
    shown = _distributions(found)
    if shown:
        page.add_section("Their values in each genre", *_distribution_blocks(found, shown))
    if found.tempo is not None:
        page.add_section("Tempo", _tempo_block(found))
    page.add_section("Features that go together", *_correlation_blocks(found))
    if found.projections:
        page.add_section("Rows in a plane", *_projection_blocks(found))
    page.add_section("How this was made", *_method_blocks(found))
    return page


def _new_plot(**layout: Any) -> Any:
    from plotly import graph_objects

    plot = graph_objects.Figure()
    plot.update_layout(showlegend=False, **layout)
    return plot


def _height(lines: int) -> int:
    return 90 + 26 * max(4, lines)


def _class_axis(found: Exploration) -> dict[str, Any]:
    """Return an axis with a line for each class, the first on top; by number, so that no name is taken for one."""
    count = len(found.table.classes)
    return {
        "tickmode": "array",
        "tickvals": list(range(count)),
        "ticktext": [label(name, 16) for name in found.table.classes],
        "range": [count - 0.4, -0.6],
        "showgrid": False,
        "zeroline": False,
    }


def _balance_blocks(found: Exploration) -> list[Block]:
    classes = found.table.classes
    plot = _new_plot(xaxis={"title": "rows", "rangemode": "tozero"}, yaxis=_class_axis(found))
    plot.add_bar(
        x=list(found.rows_of), y=list(range(len(classes))), orientation="h", text=list(found.rows_of),
        textposition="auto", marker={"color": [_colour(k) for k in range(len(classes))]},
        hovertext=[
            f"{label(name)}: {rows} rows of {tracks} tracks"
            for name, rows, tracks in zip(classes, found.rows_of, found.tracks_of, strict=True)
        ],
        hoverinfo="text",
    )  # fmt: skip
    most, fewest = max(found.rows_of), min(found.rows_of)
    if most == fewest:
        balance = f"Every genre has {most} rows."
    else:
        largest, smallest = classes[found.rows_of.index(most)], classes[found.rows_of.index(fewest)]
        balance = (
            f"The largest genre, {shortened(largest)}, has {most} rows and the smallest, {shortened(smallest)}, has "
            f"{fewest}: {most / fewest:.3g} times as many."
        )
    rows = [(name, rows, tracks) for name, rows, tracks in zip(classes, found.rows_of, found.tracks_of, strict=True)]
    return [
        text(balance),
        figure(plot, "Rows of each genre.", height=_height(len(classes))),
        details("As a table", table(["genre", "rows", "tracks"], rows)),
    ]


def _ranking_blocks(found: Exploration) -> list[Block]:
    blocks = [note(sentence) for sentence in (*found.table.notes, *found.missing)]
    importance, information = found.importance, found.information
    best = found.best(_BEST)
    if best and (importance or information):
        ranked = "the mean of their ranks in the two rankings below" if importance and information else "the ranking"
        blocks.append(text(f"By {ranked}, the features that separate the genres best are {', '.join(best)}."))
    if importance:
        blocks += _importance_blocks(found, importance)
    if information:
        blocks.append(_information_block(found, information))
    if importance or information:
        blocks.append(details("All features", _ranking_table(found)))
    if found.constant:
        blocks.append(
            note(f"The same in every row, and so of no use here: {', '.join(map(shortened, found.constant))}.")
        )
    return blocks


def _importance_blocks(found: Exploration, importance: Importance) -> list[Block]:
    shared = (
        "Features that correlate share their importance: when one of them is shuffled the trees still have the other, "
        "so both look unimportant although the pair is not."
    )
    for first, second, correlation in found.strongest_pairs(1):
        shared += f" Here {first} and {second} correlate most, with {correlation:.2f}."
    accuracy = importance.accuracy
    return [
        text(
            f"{importance.trees} extremely randomised trees were fitted on {importance.train_rows} rows of "
            f"{importance.train_tracks} tracks. Of {importance.validation_tracks} other tracks they get "
            f"{_percent(accuracy.value)} right (95 % interval {_percent(accuracy.low)} to {_percent(accuracy.high)}), "
            f"where always naming the commonest genre gets {_percent(importance.commonest)}. No track is on both "
            f"sides (protocol {importance.protocol}), and the test "
            "tracks were not looked at.",
        ),
        _bars(
            importance.ranking,
            "bits lost when shuffled",
            "Permutation importance: how many bits of log-probability the trees lose for the right genre when a "
            f"feature is shuffled among {importance.shuffled_rows} rows that they did not learn from; mean and "
            f"standard deviation of {importance.repeats} shuffles.",
        ),
        note(shared),
    ]


def _information_block(found: Exploration, information: Information) -> Block:
    rows = "one row of each track, because rows of a track resemble each other"
    if not information.one_row_a_track:
        rows = "every row on its own, although rows of a track resemble each other, so that the values are too high"
    small = len(found.table.classes) - information.classes
    left_out = f" Left out for having too few rows: {small} of {len(found.table.classes)} genres." if small else ""
    return _bars(
        information.ranking,
        "bits",
        "Mutual information of each feature alone with the genre, which itself has "
        f"{information.genre_bits:.2f} bits; estimated from {information.rows} rows: {rows}. What two features both "
        f"tell is counted for each of them.{left_out}",
    )


def _bars(ranking: tuple[FeatureScore, ...], unit: str, caption: str) -> Block:
    shown = ranking[:_RANKED]
    plot = _new_plot(
        xaxis={"title": unit, "rangemode": "tozero"},
        yaxis={
            "tickmode": "array",
            "tickvals": list(range(len(shown))),
            "ticktext": [label(each.feature, 24) for each in shown],
            "range": [len(shown) - 0.4, -0.6],
            "showgrid": False,
        },
    )
    plot.add_bar(
        x=[each.bits for each in shown], y=list(range(len(shown))), orientation="h", marker={"color": PALETTE[0]},
        hovertext=[f"{label(each.feature)}: {each.bits:.3f}" for each in shown], hoverinfo="text",
    )  # fmt: skip
    if any(each.deviation for each in shown):
        plot.update_traces(error_x={"array": [each.deviation for each in shown], "thickness": 1.2})
    return figure(plot, caption, height=_height(len(shown)))


def _ranking_table(found: Exploration) -> Block:
    importance = {each.feature: each.bits for each in found.importance.ranking} if found.importance else {}
    information = {each.feature: each.bits for each in found.information.ranking} if found.information else {}
    order = (*found.best(len(found.table.schema.features)), *found.constant)
    rows = [[feature, importance.get(feature), information.get(feature)] for feature in order]
    header = ["feature", "importance", "information"]
    return table(header, rows, "Permutation importance and mutual information of every feature, in bits; best first.")


def _distribution_blocks(found: Exploration, shown: list[_Distribution]) -> list[Block]:
    blocks = [
        text(
            "The best features, each as a density (violin, with quartiles and median) and folded below as a histogram. "
            "Genres whose shapes lie apart are told apart by this feature alone." + _drawn_rows(found)
        )
    ]
    for distribution in shown:
        far = f" {distribution.left_out} rows lie too far out to be drawn." if distribution.left_out else ""
        name = shortened(distribution.feature)
        blocks += [
            _violins_block(found, distribution, f"{name} in each genre: density, quartiles and median.{far}"),
            details(f"{name}: histograms", _histograms_block(found, distribution, far)),
        ]
    return blocks


def _value_axis(distribution: _Distribution) -> dict[str, Any]:
    axis: dict[str, Any] = {"title": label(distribution.title, 40), "range": list(_margins(distribution.edges))}
    if distribution.logarithmic:
        axis["tickvals"], axis["ticktext"] = distribution.ticks()
    return axis


def _violins_block(found: Exploration, distribution: _Distribution, caption: str) -> Block:
    plot = _new_plot(xaxis=_value_axis(distribution), yaxis=_class_axis(found), violinmode="overlay")
    for k, (name, values) in enumerate(zip(found.table.classes, distribution.of_class, strict=True)):
        plot.add_violin(
            x=values.astype(np.float32), y0=k, orientation="h", width=0.9, points=False, name=label(name),
            line={"color": _colour(k), "width": 1}, box={"visible": True, "width": 0.25},
            hoveron="violins", scalemode="width", spanmode="hard",
        )  # fmt: skip
    return figure(plot, caption, height=_height(len(found.table.classes)))


def _histograms_block(found: Exploration, distribution: _Distribution, far: str) -> Block:
    plot = _new_plot(xaxis=_value_axis(distribution), yaxis=_class_axis(found), barmode="overlay", bargap=0)
    shares, highest = _shares(distribution)
    edges = distribution.edges
    borders = 10.0**edges if distribution.logarithmic else edges
    for k, name in enumerate(found.table.classes):
        plot.add_bar(
            x=(edges[:-1] + edges[1:]) / 2, y=-0.9 * shares[k] / highest, base=k + 0.4, width=np.diff(edges),
            marker={"color": _colour(k), "line": {"width": 0}}, hoverinfo="text",
            hovertext=[
                f"{label(name)}: {_percent(share)} of its rows from {low:.3g} to {high:.3g}"
                for share, low, high in zip(shares[k], borders[:-1], borders[1:], strict=True)
            ],
        )  # fmt: skip
    caption = f"Histogram of {shortened(distribution.feature)} in each genre, as shares of its rows.{far}"
    return figure(plot, caption, height=_height(len(found.table.classes)))


def _tempo_block(found: Exploration) -> Block:
    column = found.table.schema.features.index(found.tempo or "")
    labels = found.table.labels[found.drawn]
    plot = _new_plot(xaxis={"title": "tempo (BPM)"}, yaxis=_class_axis(found), boxmode="overlay")
    for k, name in enumerate(found.table.classes):
        plot.add_box(
            x=found.table.X[found.drawn[labels == name], column], y0=k, orientation="h", width=0.6, name=label(name),
            quartilemethod="linear", marker={"color": _colour(k), "size": 3}, boxpoints="outliers",
        )  # fmt: skip
    caption = (
        "Tempo in beats per minute: quartiles and median, whiskers to the last row within 1.5 interquartile ranges, "
        "single rows beyond." + _drawn_rows(found)
    )
    return figure(plot, caption, height=_height(len(found.table.classes)))


def _correlation_blocks(found: Exploration) -> list[Block]:
    names = [label(name, 24) for name in _correlated_names(found)]
    places = list(range(len(names)))
    named = len(names) <= _NAMED_FEATURES
    axis = {"tickmode": "array", "tickvals": places, "ticktext": names, "showticklabels": named, "showgrid": False,
            "zeroline": False, "tickfont": {"size": 9}}  # fmt: skip
    plot = _new_plot(xaxis={**axis, "tickangle": -90}, yaxis={**axis, "autorange": "reversed"})
    hover = [
        [f"{first}<br>{second}<br>{value:.2f}" for second, value in zip(names, row, strict=True)]
        for first, row in zip(names, found.correlation.tolist(), strict=True)
    ]
    plot.add_heatmap(
        z=np.round(found.correlation, 3), x=places, y=places, zmin=-1, zmax=1, colorscale="RdBu", reversescale=True,
        hovertext=hover, hoverinfo="text", hoverongaps=False,
        colorbar={"orientation": "h", "thickness": 12, "y": 1.0, "yanchor": "bottom"},
    )  # fmt: skip
    rows = [(f"{first} and {second}", value) for first, second, value in found.strongest_pairs(10)]
    blocks = [
        figure(
            plot,
            f"{_correlation_title(found)} over all rows: red ones rise together, of blue ones one falls as the other "
            "rises." + (" Constant features have none." if np.isnan(found.correlation).any() else ""),
            height=min(900, 220 + 18 * len(names)),
        )
    ]
    if rows:
        blocks.append(details("The strongest pairs", table(["pair", "correlation"], rows)))
    return blocks


def _projection_blocks(found: Exploration) -> list[Block]:
    labels = found.table.labels[found.drawn]
    items = found.table.items[found.drawn]
    blocks = []
    for projection in found.projections:
        horizontal, vertical = _axis_titles(projection)
        plot = _new_plot(xaxis={"title": horizontal}, yaxis={"title": vertical})
        plot.update_layout(showlegend=True, legend={"itemsizing": "constant", "y": -0.16, "yanchor": "top"})
        points = projection.points.astype(np.float32)
        for k, name in enumerate(found.table.classes):
            mine = labels == name
            plot.add_scatter(
                x=points[mine, 0], y=points[mine, 1], mode="markers", name=label(name, 16), hoverinfo="text+name",
                hovertext=[label(item) for item in items[mine].tolist()],
                marker={"color": _colour(k), "symbol": _shape(k, SYMBOLS), "size": 6, "opacity": 0.8},
            )  # fmt: skip
        scaled = "standardised features, squashed as the networks see them: sign(z) log(1 + |z|)"
        if projection.explained:
            together = _percent(sum(projection.explained))
            about = f"Principal components of {scaled}. The two axes hold {together} of the variance."
        else:
            about = f"UMAP of {scaled}. It keeps neighbours together; distances between clouds mean nothing."
        blocks.append(
            figure(
                plot,
                f"{about} A click on a genre hides it, a double click hides the others.{_drawn_rows(found)}",
                height=520 + 12 * len(found.table.classes),
            )
        )
    return blocks


def _method_blocks(found: Exploration) -> list[Block]:
    data = found.table
    rows: list[list[str | int | float | None]] = [
        ["table", str(data.path)],
        ["SHA-256", data.sha256],
        ["schema", data.schema.name],
        ["recipe", data.schema.recipe or "none"],
        ["seed of split, forest and samples", str(found.seed)],
        ["scikit-learn", version("scikit-learn")],
    ]
    return [table(["setting", "value"], rows)]
