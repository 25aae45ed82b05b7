"""Charts of an `Exploration`: nothing is computed here but how to draw it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from audio_genre.evaluation.charts import (
    RED_BLUE,
    Area,
    Axis,
    Bars,
    Box,
    Cells,
    Chart,
    Points,
    Reference,
    bins_outline,
    names_axis,
    picture_of,
)
from audio_genre.evaluation.exploration import Exploration, FeatureScore, MinimalSet, Projection
from audio_genre.evaluation.page import PALETTE

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

BEST = 6
"""So many of the best features are drawn."""

MOST_GENRES = 24
"""Of more genres than these only some are drawn."""

MOST_NAMED = 12
"""Of more genres than `MOST_GENRES`, so many are told apart in a projection."""

_RANKED = 15
_BINS = 30
_DENSITY_POINTS = 60
# From so many features on, their names no longer fit beside the correlation matrix.
_NAMED_FEATURES = 80
_LOGARITHMIC_FROM = 20.0
_FAR_OUT = 10.0
_FEW = 0.02
_WIDTH = 0.9
_NARROWEST = 0.004
_OTHERS = "#9aa1ab"


@dataclass(frozen=True)
class Distribution:
    """One feature of the drawn rows, on the scale that shows it best."""

    feature: str
    logarithmic: bool
    classes: tuple[int, ...]
    """Numbers of the classes that are drawn."""
    of_class: tuple[NDArray[np.float64], ...]
    """Values of each of them; their decimal logarithms if `logarithmic`."""
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

    def text(self, value: float) -> str:
        """Return a value as it stands in the table."""
        return f"{10**value if self.logarithmic else value:.3g}"

    def ticks(self) -> tuple[list[float], list[str]]:
        """Return places and texts of a logarithmic axis."""
        edges = self.edges
        low, high = math.floor(edges[0]), math.ceil(edges[-1])
        step = max(1, math.ceil((high - low) / 5))
        places = [float(place) for place in range(low, high + 1, step)]
        if sum(edges[0] <= place <= edges[-1] for place in places) < 2:
            places = np.linspace(edges[0], edges[-1], 4).tolist()
        return places, [f"{10**place:.2g}" for place in places]


def distribution(found: Exploration, feature: str) -> Distribution:
    """Return the values of a feature in each class, without rows that lie far out."""
    drawn = found.drawn
    values = found.table.matrix[drawn, found.table.feature_names.index(feature)].astype(np.float64)
    known = np.isfinite(values)
    values, labels = values[known], found.table.labels[drawn][known]
    low, high = np.quantile(values, (0.05, 0.95))
    logarithmic = bool(values.min() > 0 and high / low > _LOGARITHMIC_FROM)
    if logarithmic:
        values = np.log10(values)
    first, third = np.quantile(values, (0.25, 0.75))
    near = (values >= first - _FAR_OUT * (third - first)) & (values <= third + _FAR_OUT * (third - first))
    # What lies far out is left out only where it is a few rows of each genre, and not what makes a genre.
    classes = found.table.classes
    if third == first or any((~near[labels == name]).mean() > _FEW for name in classes if (labels == name).any()):
        near[:] = True
    return Distribution(
        feature,
        logarithmic,
        shown := by_median(classes, labels[near], values[near]),
        tuple(values[near & (labels == classes[k])] for k in shown),
        int((~near).sum()),
    )


def by_median(classes: Sequence[str], labels: NDArray[np.str_], values: NDArray[np.float64]) -> tuple[int, ...]:
    """Choose classes to draw: all, or of many those with the lowest, the middle and the highest medians."""
    if len(classes) <= MOST_GENRES:
        return tuple(range(len(classes)))
    medians = np.array([np.median(values[labels == name]) if (labels == name).any() else np.inf for name in classes])
    order = np.argsort(medians, kind="stable")[: int(np.isfinite(medians).sum())]
    third = MOST_GENRES // 3
    middle = (len(order) - third) // 2
    return (*order[:third], *order[middle : middle + third], *order[-third:])


def distributions(found: Exploration) -> list[Distribution]:
    """Return the values of the best features."""
    return [distribution(found, feature) for feature in found.best(BEST)]


def balance_chart(found: Exploration) -> Chart:
    """Return the number of rows of each class."""
    shown = list(range(len(found.table.classes)))
    if len(shown) > MOST_GENRES:
        order = sorted(shown, key=lambda k: -found.rows_of[k])
        shown = [*order[: MOST_GENRES // 2], *order[-MOST_GENRES // 2 :]]
    bars = Bars(
        [found.rows_of[k] for k in shown],
        [_colour(k) for k in shown],
        labels=[str(found.rows_of[k]) for k in shown],
        hover=[f"{found.table.classes[k]}: {found.rows_of[k]} rows of {found.tracks_of[k]} tracks" for k in shown],
    )
    x = Axis("rows", (0.0, 1.12 * max(found.rows_of)))
    return _of_classes(found, shown, "Rows of each genre", x, (bars,))


def minimal_chart(found: MinimalSet) -> Chart:
    """Return accuracy against the number of features."""
    hover = [
        f"{size} features: {value:.3f} ± {error:.3f}"
        for size, value, error in zip(found.sizes, found.accuracy, found.error, strict=True)
    ]
    curve = Points(
        found.sizes, found.accuracy, "mean with standard error", PALETTE[0], 0, 0,
        (found.error, found.error), hover=hover,
    )  # fmt: skip
    chosen = Points(
        [found.size], [found.at(found.size)], f"smallest set: {found.size}", PALETTE[2], 2,
        size=14, hover=[f"{found.size} features: {', '.join(found.features)}"],
    )  # fmt: skip
    references = (
        Reference("one standard error below the best", found.threshold, "y"),
        Reference("majority baseline", found.majority_baseline, "y"),
    )
    x = Axis("number of features", (0.5, found.sizes[-1] + 0.5), whole=True)
    return Chart("Accuracy against the number of features", x, Axis("accuracy"), (curve, chosen), references)


def ranking_chart(ranking: Sequence[FeatureScore], title: str, unit: str) -> Chart:
    """Return the best features of a ranking with their scores."""
    shown = ranking[:_RANKED]
    bars = Bars(
        [each.bits for each in shown],
        [PALETTE[0]] * len(shown),
        [each.deviation for each in shown] if any(each.deviation for each in shown) else None,
        hover=[f"{each.feature}: {each.bits:.3f} bits" for each in shown],
    )
    height, inches = _height(len(shown)), (4.8, 0.26 * max(4, len(shown)) + 1.2)
    return Chart(title, Axis(unit), names_axis([each.feature for each in shown]), (bars,), (), inches, height)


def ranking_charts(found: Exploration) -> dict[str, Chart]:
    """Return a chart for each ranking there is."""
    titles = {
        "importance": ("Permutation importance", "bits lost when shuffled"),
        "mutual information": ("Mutual information with the genre", "bits"),
    }
    rankings = {"importance": found.importance, "mutual information": found.mutual_information}
    return {name: ranking_chart(each.ranking, *titles[name]) for name, each in rankings.items() if each}


def density_chart(found: Exploration, shown: Distribution) -> Chart:
    """Return the density of a feature in each class, with quartiles and median."""
    areas, quartiles = [], []
    low, high = shown.edges[0], shown.edges[-1]
    for k, (number, values) in enumerate(zip(shown.classes, shown.of_class, strict=True)):
        name = found.table.classes[number]
        if len(values):
            x, y = _density(values, low, high)
            first, median, third = (shown.text(value) for value in np.quantile(values, (0.25, 0.5, 0.75)))
            words = f"{name}: median {median}, quartiles {first} and {third}"
            areas.append(Area([*x, *x[::-1]], [*(k - y), *(k + y)[::-1]], words, _colour(number)))
            quartiles.append((k, np.quantile(values, (0.25, 0.5, 0.75))))
    middle = [median for _, (_, median, _) in quartiles]
    marks = Points(
        middle,
        [k for k, _ in quartiles],
        colour="#000000",
        size=5,
        arms=([m - q for _, (q, m, _) in quartiles], [q - m for _, (_, m, q) in quartiles]),
        along="x",
    )
    return _of_values(found, shown, (*areas, marks))


def histogram_chart(found: Exploration, shown: Distribution) -> Chart:
    """Return the histogram of a feature in each class, as shares of its rows."""
    edges = shown.edges
    counts = np.array([np.histogram(values, edges)[0] / max(1, len(values)) for values in shown.of_class])
    highest = float(counts.max()) or 1.0
    areas = []
    for k, number in enumerate(shown.classes):
        name = found.table.classes[number]
        x, y = bins_outline(edges.tolist(), (_WIDTH * counts[k] / highest).tolist())
        # Upwards, on an axis that points down.
        areas.append(Area(x, [k + _WIDTH / 2 - height for height in y], name, _colour(number)))
    return _of_values(found, shown, tuple(areas))


def tempo_chart(found: Exploration) -> Chart | None:
    """Return quartiles, whiskers and single values of the tempo in each class."""
    if found.tempo is None:
        return None
    column = found.table.feature_names.index(found.tempo)
    tempi = found.table.matrix[found.drawn, column].astype(np.float64)
    known = np.isfinite(tempi)
    tempi, labels = tempi[known], found.table.labels[found.drawn][known]
    boxes = []
    shown = by_median(found.table.classes, labels, tempi)
    for k, number in enumerate(shown):
        name = found.table.classes[number]
        values = tempi[labels == name]
        if len(values):
            first, median, third = np.quantile(values, (0.25, 0.5, 0.75)).tolist()
            reach = 1.5 * (third - first)
            near = (values >= first - reach) & (values <= third + reach)
            low, high = (float(values[near].min()), float(values[near].max())) if near.any() else (first, third)
            outliers = np.unique(values[~near]).tolist()
            boxes.append(
                Box(k, (min(low, first), first, median, third, max(high, third)), outliers, name, _colour(number))
            )
    return _of_classes(found, shown, "Tempo of each genre", Axis("tempo (beats per minute)"), tuple(boxes))


def correlation_chart(found: Exploration) -> Chart:
    """Return the correlation matrix."""
    names, count = correlated_names(found), len(found.correlated)
    ticks = tuple((k, name) for k, name in enumerate(names)) if count <= _NAMED_FEATURES else ()
    hover = [
        [f"{first}, {second}: {value:.2f}" for second, value in zip(names, row, strict=True)]
        for first, row in zip(names, found.correlation.tolist(), strict=True)
    ]
    side = min(14.0, max(4.0, 0.2 * count + 1.8))
    constant = " (grey: constant)" if np.isnan(found.correlation).any() else ""
    return Chart(
        f"{correlation_title(found)}{constant}",
        Axis("", None, ticks, turned=90, grid=False),
        Axis("", (count - 0.5, -0.5), ticks, grid=False),
        (Cells(np.round(found.correlation, 3), RED_BLUE, (-1.0, 1.0), None, hover, "correlation"),),
        inches=(side + 0.8, side),
        pixels=min(900, 240 + 18 * count),
    )


def projection_chart(found: Exploration, projection: Projection) -> Chart:
    """Return the drawn rows in a plane."""
    labels, items = found.table.labels[found.drawn], found.table.items[found.drawn]
    series = []
    named = _named(found, projection)
    if len(named) < len(found.table.classes):
        others = ~np.isin(labels, [found.table.classes[k] for k in named])
        x, y = projection.points[others].T.tolist()
        hover = [f"{label}: {item}" for label, item in zip(labels[others], items[others], strict=True)]
        series.append(Points(x, y, "all other genres", _OTHERS, 0, size=4, hover=hover))
    for k in named:
        name = found.table.classes[k]
        mine = labels == name
        x, y = projection.points[mine].T.tolist()
        # Past the last colour, the same colour comes with another marker.
        marker = k + k // len(PALETTE)
        series.append(Points(x, y, name, _colour(k), marker, size=6, hover=[f"{name}: {item}" for item in items[mine]]))
    if projection.explained is None:
        titles = [f"{projection.method} 1", f"{projection.method} 2"]
    else:
        titles = [f"PC {k} ({share:.1%} of the variance)" for k, share in enumerate(projection.explained, start=1)]
        titles = [title.replace("%", " %") for title in titles]
    height = 520 + 12 * len(named)
    return Chart(projection.method, Axis(titles[0]), Axis(titles[1]), tuple(series), (), (5.6, 5.6), height)


def _named(found: Exploration, projection: Projection) -> list[int]:
    """Choose the genres that a projection tells apart: all, or of many those whose rows lie the furthest out."""
    classes = found.table.classes
    if len(classes) <= MOST_GENRES:
        return list(range(len(classes)))
    labels = found.table.labels[found.drawn]
    points = (projection.points - projection.points.mean(axis=0)) / projection.points.std(axis=0)
    far = [float(np.hypot(*np.median(points[labels == name], axis=0))) for name in classes]
    return sorted(np.argsort(far)[-MOST_NAMED:].tolist())


def _of_classes(found: Exploration, shown: Sequence[int], title: str, x: Axis, series: tuple[Bars | Box, ...]) -> Chart:
    count = len(shown)
    inches = (7.0, max(2.4, 0.26 * count + 1.1))
    names = [found.table.classes[k] for k in shown]
    return Chart(title, x, names_axis(names), series, (), inches, _height(count), legend=False)


def _of_values(found: Exploration, shown: Distribution, series: tuple[Area | Points, ...]) -> Chart:
    edges, count = shown.edges, len(shown.classes)
    margin = 0.03 * (edges[-1] - edges[0])
    limits = (float(edges[0] - margin), float(edges[-1] + margin))
    ticks = tuple(zip(*shown.ticks(), strict=True)) if shown.logarithmic else None
    x = Axis(shown.title, limits, ticks, letters=40)
    inches = (3.6, max(2.4, 0.24 * count + 0.8))
    names = [found.table.classes[k] for k in shown.classes]
    return Chart("", x, names_axis(names), series, (), inches, _height(count), legend=False)


def _density(values: NDArray[np.float64], low: float, high: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return places and half widths of a Gaussian kernel density (Scott's rule), cut off at the extreme values."""
    z = (values - low) / (high - low)
    width = max(float(z.std()) * len(z) ** -0.2, _NARROWEST)
    first, last = float(z.min()), float(z.max())
    if last - first < 2 * _NARROWEST:
        first, last = first - _NARROWEST, last + _NARROWEST
    grid = np.linspace(first, last, _DENSITY_POINTS)
    density = np.exp(-0.5 * ((grid[:, None] - z) / width) ** 2).mean(axis=1)
    return low + (high - low) * grid, _WIDTH / 2 * density / density.max()


def _height(lines: int) -> int:
    return 90 + 26 * max(4, lines)


def _colour(k: int) -> str:
    return PALETTE[k % len(PALETTE)]


def correlated_names(found: Exploration) -> list[str]:
    """Return the features of the correlation matrix, without what their names have in common if they are means."""
    if found.correlated == found.table.feature_names:
        return list(found.correlated)
    return [name.removesuffix("_mean") for name in found.correlated]


def correlation_title(found: Exploration) -> str:
    """Say what is correlated."""
    means = found.correlated != found.table.feature_names
    return f"Pearson correlation of the {'mean features' if means else 'features'}"


def _balance(found: Exploration) -> Figure:
    return picture_of(balance_chart(found))


def _rankings(found: Exploration) -> Figure | None:
    charts = ranking_charts(found)
    return picture_of(*charts.values()) if charts else None


def _of_best(draw: Callable[[Exploration, Distribution], Chart], title: str) -> Callable[[Exploration], Figure | None]:
    def picture(found: Exploration) -> Figure | None:
        charts = [draw(found, shown) for shown in distributions(found)]
        same = len(found.table.classes) <= MOST_GENRES
        return picture_of(*charts, title=title, columns=3, share_y=same) if charts else None

    return picture


def _minimal_set(found: Exploration) -> Figure | None:
    return picture_of(minimal_chart(found.minimal)) if found.minimal else None


def _tempo(found: Exploration) -> Figure | None:
    chart = tempo_chart(found)
    return picture_of(chart) if chart else None


def _correlation(found: Exploration) -> Figure:
    return picture_of(correlation_chart(found))


def _projections(found: Exploration) -> Figure | None:
    charts = [projection_chart(found, each) for each in found.projections]
    return picture_of(*charts) if charts else None


PICTURES: Mapping[str, Callable[[Exploration], Figure | None]] = MappingProxyType(
    {
        "balance": _balance,
        "importance": _rankings,
        "minimal-set": _minimal_set,
        "violins": _of_best(density_chart, "Best features: density in each genre, with quartiles and median"),
        "histograms": _of_best(histogram_chart, "Best features: histogram in each genre"),
        "tempo": _tempo,
        "correlation": _correlation,
        "projection": _projections,
    }
)
"""From the name of a picture to what draws it for papers; None where the table has nothing to draw."""
