"""A timeline as a picture: the probabilities of the genres stacked over time."""

from __future__ import annotations

import io
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.errors import ReportError
from audio_genre.files.storage import whole_file
from audio_genre.inference.timeline import clock

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backend_bases import RendererBase
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from numpy.typing import NDArray

    from audio_genre.inference.timeline import Timeline, TimelinePoint

SUFFIX = ".png"
"""Suffix of a strip."""

# Colours that colour-blind readers tell apart (Okabe and Ito, "Color universal design", 2008), light and dark in turn.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442")
_OTHERS, _GREY, _INK = "#B8B8B8", "#E4E4E4", "#555555"
# With so many genres "others" are two or more.
_SHOWN = 6
# 390 pixels on a phone at two for one, and 10 points are 10 of them there.
_WIDTH, _PANEL, _DPI = 5.2, 1.9, 150
_TITLE_WIDTH, _LABEL_WIDTH = 5.0, 1.25
_LEGEND_COLUMNS, _LEGEND_LINE = 3, 0.21
_MAX_LETTERS = 80
_STEPS = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30),
    *(60, 120, 300, 600, 1200, 1800),
    *(3600, 7200, 4 * 3600, 6 * 3600, 12 * 3600, 24 * 3600),
)
_MAX_TICKS = 6
_PNG = b"\x89PNG\r\n\x1a\n"


def draw_strip(timeline: Timeline) -> Figure:
    """Draw the probabilities of the genres over time.

    Each point of the timeline is drawn where it is nearer than any other. The six most probable genres, on average over
    what is to be heard, have colours of their own. Unknown stretches are hatched, silent ones grey.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    edges = point_edges(timeline)
    genres, shares = _layers(timeline)
    colours = list(_COLOURS[: len(genres)])
    if len(shares) > len(genres):
        genres.append("others")
        colours.append(_OTHERS)
    states = [_state(point) for point in timeline.points]
    labels = [] if set(states) == {"silent"} else genres
    handles = [Patch(facecolor=colour) for _, colour in zip(labels, colours, strict=False)]
    for state, style in _STATES.items():
        if state in states:
            handles.append(Patch(linewidth=0, **style))
            labels.append(state)

    lines = -(-len(labels) // _LEGEND_COLUMNS)
    drawn = Figure(figsize=(_WIDTH, _PANEL + 0.75 + _LEGEND_LINE * lines), dpi=_DPI, layout="constrained")
    axes = drawn.add_subplot()
    axes.stackplot(edges, np.column_stack([shares, shares[:, -1:]]), colors=colours, step="post", linewidth=0)
    place = 0
    for state, group in groupby(states):
        count = len(list(group))
        if state in _STATES:
            axes.axvspan(edges[place], edges[place + count], linewidth=0, **_STATES[state])
        place += count
    _label_axes(axes, edges[-1])

    answer = timeline.answer
    told = answer.genre if answer.reason is not None else f"{answer.genre} {100 * answer.confidence:.0f} %"
    # Labels that begin with an underscore would be left out, so they are put in afterwards.
    legend = drawn.legend(
        handles, ["-"] * len(handles), loc="outside lower center", ncols=_LEGEND_COLUMNS, fontsize=9.5, frameon=False,
        handlelength=1.2, handleheight=1.0, columnspacing=1.4, labelspacing=0.3, borderpad=0.1,
    )  # fmt: skip
    with _boxes_for_strange_letters():
        renderer: RendererBase = FigureCanvasAgg(drawn).get_renderer()  # type: ignore[no-untyped-call]
        title = drawn.suptitle("-", fontsize=10)
        names = [_fitted(title, name, _TITLE_WIDTH, renderer) for name in (Path(answer.path).name, told)]
        title.set_text("\n".join(names))
        for text, label in zip(legend.get_texts(), labels, strict=True):
            text.set_text(_fitted(text, label, _LABEL_WIDTH, renderer))
    return drawn


def write_strip(timeline: Timeline, path: Path) -> None:
    """Write the picture that `draw_strip` draws."""
    refuse_strip(path)
    buffer = io.BytesIO()
    with _boxes_for_strange_letters():
        draw_strip(timeline).savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    try:
        with whole_file(path) as file:
            file.write(buffer.getvalue())
    except OSError as error:
        raise ReportError(f"{path} cannot be written: {error.strerror}; choose another folder.") from None


def refuse_strip(path: Path) -> None:
    """Make sure that a picture can be written under a name, before it takes time to make it."""
    if path.suffix.lower() != SUFFIX:
        raise ReportError(f"{path} is no name for a picture, which is written as PNG; choose a name that ends in .png.")
    try:
        if not path.parent.is_dir():
            raise ReportError(
                f"{path} cannot be written: there is no folder {path.parent}; make it, or choose another."
            )
        if not path.exists():
            return
        # Opening a pipe could wait for ever.
        if stat.S_ISREG(path.stat().st_mode):
            with path.open("rb") as file:
                if file.read(len(_PNG)) == _PNG:
                    return
    except OSError as error:
        raise ReportError(f"{path} cannot be written: {error.strerror}; choose another name.") from None
    raise ReportError(f"{path} exists and is not a PNG picture, so it is not overwritten; choose another name.")


_STATES: dict[str, dict[str, Any]] = {
    "unknown": {"facecolor": (1, 1, 1, 0.55), "edgecolor": _INK, "hatch": "////"},
    "silent": {"facecolor": _GREY, "edgecolor": _GREY},
}


def _state(point: TimelinePoint) -> str:
    if point.is_silent:
        return "silent"
    return "known" if point.reason is None else "unknown"


def point_edges(timeline: Timeline) -> NDArray[np.float64]:
    """Return where points give way to each other: half-way between their middles."""
    points = timeline.points
    middles = np.array([(point.start + point.end) / 2 for point in points])
    return np.array([points[0].start, *((middles[1:] + middles[:-1]) / 2), points[-1].end])


def _layers(timeline: Timeline) -> tuple[list[str], NDArray[np.float64]]:
    """Return the genres to show, the most probable first, and a row of probabilities for each; one more for others."""
    points = timeline.points
    names = list(points[0].probabilities)
    shares = np.array([[point.probabilities[name] for name in names] for point in points]).T
    heard = np.array([not point.is_silent for point in points])
    order = np.argsort(-(shares[:, heard].mean(axis=1) if heard.any() else shares.mean(axis=1)), kind="stable")
    if len(names) <= len(_COLOURS):
        return [names[k] for k in order], shares[order]
    shown = order[:_SHOWN]
    others = shares[order[_SHOWN:]].sum(axis=0, keepdims=True)
    return [names[k] for k in shown], np.concatenate([shares[shown], others])


def _label_axes(axes: Axes, end: float) -> None:
    step = next((step for step in _STEPS if end / step <= _MAX_TICKS), _STEPS[-1])
    ticks = np.arange(0, end + step / 100, step)
    axes.set_xticks(ticks, [clock(tick, tenths=step < 1) for tick in ticks])
    axes.set_yticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    axes.set(xlim=(0, end), ylim=(0, 1))
    axes.tick_params(labelsize=9.5)
    axes.spines[["top", "right"]].set_visible(False)


@contextmanager
def _boxes_for_strange_letters() -> Iterator[None]:
    """Draw a box for a letter that the font lacks, and say nothing."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        warnings.filterwarnings("ignore", "Matplotlib currently does not support")
        yield


def _fitted(text: Text, name: str, width: float, renderer: RendererBase) -> str:
    """Leave out as much of the middle of a name as there is no room for, and what cannot be drawn on a line."""
    # A dollar sign begins no formula.
    text.set_parse_math(False)
    name = "".join(letter if letter.isprintable() else "?" for letter in name)
    for most in range(min(len(name), _MAX_LETTERS), 1, -1):
        shown = name if most == len(name) else f"{name[: most // 2]}…{name[len(name) - (most - most // 2 - 1) :]}"
        text.set_text(shown)
        if text.get_window_extent(renderer).width <= width * _DPI:
            return shown
    return name[:1]
