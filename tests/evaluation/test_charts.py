"""Charts: both renderers draw the same description, colours can be told apart and read, bytes are repeatable."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plotly.graph_objects import Figure

from audio_genre.evaluation.charts import (
    BLUES,
    DASHES,
    FORMATS,
    GREY,
    MARKERS,
    RED_BLUE,
    Area,
    Axis,
    Bars,
    Box,
    Cells,
    Chart,
    Points,
    Reference,
    Words,
    bins_outline,
    colour_of,
    contrast,
    names_axis,
    picture_of,
    plotly_json,
    readable_on,
    rendered,
)
from audio_genre.evaluation.page import PALETTE

HOSTILE = "<b>$x_{ _under 日本"


def everything() -> Chart:
    cells = Cells(np.array([[0.0, np.nan], [3.0, 4.0]]), BLUES, (0.0, 4.0), [["0", ""], ["3", "4"]], bar="tracks")
    return Chart(
        title=f"{HOSTILE}\nsecond line",
        x=Axis(HOSTILE, (0, 3)),
        y=names_axis(["a", HOSTILE]),
        series=(
            Points([1, 2], [0, 1], HOSTILE, arms=([0.1, 0.2], [0.2, 0.3]), along="x", labels=["1", "$2"]),
            Points([1, 2], [0, 1], "line", marker=None, dash=2),
            Bars([1.0, 2.0], [PALETTE[1]] * 2, [0.1, 0.1], ["1", "2"]),
            cells,
            Area([0, 1, 1], [0, 0, 1], HOSTILE),
            Box(0, (1, 2, 3, 4, 5), [9.0], HOSTILE),
            Box(1, (1, 2, 3, 4, 5), []),
            Words([1], [1], [HOSTILE]),
        ),
        references=(Reference("at one", 1.0), Reference("across", 0.5, "y"), Reference("equal", along="diagonal")),
    )  # fmt: skip


def test_plotly_knows_all_that_is_asked_of_it() -> None:
    drawn = plotly_json(everything())
    figure = Figure(drawn)
    assert len(figure.data) == len(everything().series) + 1
    assert [shape.name for shape in figure.layout.shapes] == ["at one", "across", "equal"]
    text = json.dumps(drawn, allow_nan=False)
    assert "<b>" not in text
    assert drawn["data"][3]["z"][0] == [0.0, None]


def test_matplotlib_draws_the_same_marks() -> None:
    axes = picture_of(everything()).axes[0]
    assert axes.get_xlim() == (0, 3)
    assert axes.get_title() == "<b>\\$x_{ _under 日本\nsecond line"
    assert {"0", "3", "4", "1", "\\$2"} <= {text.get_text().strip() for text in axes.texts}
    # The axis, then the bar of the cells.
    assert len(axes.figure.axes) == 2
    (legend,) = axes.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "at one", "across", "equal", HOSTILE.replace("$", "\\$"), "line",
    ]  # fmt: skip


def test_points_stand_at_the_same_places() -> None:
    points = Points([0.25, 0.5], [0, 1], arms=([0.1, 0.2], [0.2, 0.3]), along="x")
    chart = Chart("", Axis("x"), Axis("y"), (points,))
    (trace,) = plotly_json(chart)["data"]
    (bars,) = picture_of(chart).axes[0].containers
    assert trace["x"] == bars.lines[0].get_xdata().tolist() == [0.25, 0.5]
    (segments,) = (lines.get_segments() for lines in bars.lines[2])
    np.testing.assert_allclose([segment[:, 0] for segment in segments], [[0.15, 0.45], [0.3, 0.8]])
    assert pytest.approx(
        [trace["x"][0] - trace["error_x"]["arrayminus"][0], trace["x"][0] + trace["error_x"]["array"][0]]
    ) == [0.25 - 0.1, 0.25 + 0.2]


def test_pictures_are_the_same_bytes_and_hold_no_date() -> None:
    first, second = (rendered(picture_of(everything(), title=HOSTILE)) for _ in range(2))
    assert first == second
    assert [*first] == [*FORMATS]
    assert first["png"].startswith(b"\x89PNG")
    assert first["pdf"].startswith(b"%PDF")
    assert b"CreationDate" not in first["pdf"]
    assert b"dc:date" not in first["svg"]
    assert ElementTree.fromstring(first["svg"]).tag.endswith("svg")


def test_the_contrast_is_that_of_the_guidelines() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#ff0000", "#ff0000") == 1


@pytest.mark.parametrize("colour", [*PALETTE, GREY])
@pytest.mark.parametrize("paper", ["#ffffff", "#000000", "#15191e"])
def test_every_line_and_bar_holds_on_white_and_on_black(colour: str, paper: str) -> None:
    assert contrast(colour, paper) >= 3


@pytest.mark.parametrize("scale", [BLUES, RED_BLUE])
def test_digits_can_be_read_on_every_cell(scale: tuple[str, ...]) -> None:
    for share in np.linspace(0, 1, 2001):
        colour = colour_of(float(share), scale)
        assert contrast(readable_on(colour), colour) >= 4.5


def test_the_digits_of_a_matrix_have_that_colour_in_both_renderers() -> None:
    values = np.arange(36.0).reshape(6, 6)
    texts = [[f"{value:.0f}" for value in row] for row in values]
    chart = Chart("", Axis("x"), Axis("y"), (Cells(values, BLUES, (0.0, 35.0), texts),))
    _, words = plotly_json(chart)["data"]
    drawn = picture_of(chart).axes[0].texts
    assert len(drawn) == len(words["text"]) == 36
    for value, ink, text in zip(values.ravel(), words["textfont"]["color"], drawn, strict=True):
        assert text.get_color() == ink
        assert contrast(ink, colour_of(value / 35, BLUES)) >= 4.5


@given(st.floats(-1, 2))
def test_a_scale_meets_its_colours_at_equal_steps(share: float) -> None:
    colour = colour_of(share, BLUES)
    assert len(colour) == 7
    if share <= 0 or share >= 1:
        assert colour == BLUES[0 if share <= 0 else -1]
    assert [colour_of(k / 5, BLUES) for k in range(6)] == list(BLUES)


def test_colours_stay_apart_for_colour_blind_readers_too() -> None:
    assert len(set(PALETTE)) == len(PALETTE) >= 10
    assert len(set(MARKERS)) == len(MARKERS) >= 10
    assert len(set(DASHES)) == len(DASHES)
    # Matrices of Machado, Oliveira and Fernandes (2009) for protanopia and deuteranopia, on linear RGB.
    kinds = {
        "normal": np.eye(3),
        "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
        "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    }
    encoded = np.array([[int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)] for colour in PALETTE])
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    for matrix in kinds.values():
        seen = np.clip(linear @ np.asarray(matrix).T, 0, 1) ** (1 / 2.4)
        distances = np.linalg.norm(seen[:, None] - seen[None], axis=2)[np.triu_indices(len(PALETTE), 1)]
        assert distances.min() > 0.2


def test_the_outline_of_a_histogram_goes_round_its_bins() -> None:
    x, y = bins_outline([0.0, 1.0, 3.0], [2.0, 1.0])
    assert list(zip(x, y, strict=True)) == [(0, 0), (0, 2), (1, 2), (1, 1), (3, 1), (3, 0)]
