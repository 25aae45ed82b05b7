from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plotly.graph_objects import Figure

from audio_genre.errors import ParameterError, ReportError
from audio_genre.evaluation.page import (
    DASHES,
    PALETTE,
    SYMBOLS,
    Page,
    details,
    figure,
    label,
    note,
    picture,
    shortened,
    table,
    text,
)

PNG = b"\x89PNG\r\n\x1a\n rest"
HOSTILE = "</script><script>alert(1)</script><!-- \" ' & \u202e \ud800 \x1b[31m"


class Outline(HTMLParser):
    """Collect tags, attributes and visible text, and check that tags are closed in order."""

    VOID = frozenset({"meta", "img", "br", "link"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("script", "style"):
            self.texts.append(data)


def everything(name: str) -> Page:
    drawn = Figure()
    drawn.add_scatter(x=[1, 2], y=[1, 2], name=label(name))
    page = Page(name, name)
    page.add_section(name, text(name), note(name, warning=True), table([name, "n"], [[name, 1]], name))
    page.add_section(name, figure(drawn, name), picture(PNG, name), details(name, text(name), opened=True))
    return page


def test_nothing_is_loaded_from_anywhere() -> None:
    page = everything("a").html()
    outline = Outline(page)
    assert [value for name, value in outline.attributes if name in ("src", "href") and value] == [
        "#section-0",
        "#section-1",
        f"data:image/png;base64,{'iVBORw0KGgogcmVzdA=='}",
    ]
    assert "default-src 'none'" in page
    assert "showSendToCloud: false" in page
    assert page.count("Plotly, Inc.") >= 1
    assert page.count("!DOCTYPE") == 1


def test_the_library_comes_once_and_only_where_a_figure_is() -> None:
    assert everything("a").html().count("const COLOURS") == 1
    page = Page("a")
    page.add_section("b", text("c"))
    assert len(page.html()) < 10_000


@given(st.one_of(st.just(HOSTILE), st.text(min_size=1, max_size=30)))
def test_any_text_is_text(name: str) -> None:
    page = Page(name, name)
    page.add_section(name, text(name), note(name), table([name], [[name]], name), details(name, picture(PNG, name)))
    page.add_section(name)
    html = page.html()
    html.encode("utf-8")
    expected = Page("x", "x")
    expected.add_section("x", text("x"), note("x"), table(["x"], [["x"]], "x"), details("x", picture(PNG, "x")))
    expected.add_section("x")
    assert Outline(html).tags == Outline(expected.html()).tags


def test_figures_hold_hostile_data_safely() -> None:
    drawn = Figure()
    drawn.add_bar(x=[HOSTILE.replace("\ud800", "")], y=[np.float64("nan")])
    block = figure(drawn, "caption")
    source = re.search(r'<script type="application/json">(.*?)</script>', block.html)
    data = json.loads(source[1])
    assert data["data"][0]["x"] == [HOSTILE.replace("\ud800", "")]
    assert "NaN" not in source[1]
    assert "template" not in data["layout"]


def test_headings_stand_in_order() -> None:
    headings = [tag for tag in Outline(everything("a").html()).tags if re.fullmatch(r"h\d", tag)]
    assert headings == ["h1", "h2", "h2", "h3"]


def test_cells() -> None:
    html = table(["a", "b", "c"], [["x", 0.12345, None], ["y", float("nan"), 3]]).html
    assert Outline(html).texts == ["a", "b", "c", "x", "0.123", "–", "y", "–", "3"]
    assert html.count('<td class="number">') == 4


@pytest.mark.parametrize("rows", [[["x"]], [["x", "y", "z"]]])
def test_a_table_refuses_rows_of_another_length(rows: list[list[str]]) -> None:
    with pytest.raises(ParameterError, match="must have 2 cells"):
        table(["a", "b"], rows)


def test_a_picture_is_a_picture() -> None:
    with pytest.raises(ParameterError, match="PNG or JPEG"):
        picture(b"<svg onload=alert(1)>", "a")


@given(st.text(max_size=60), st.integers(2, 40))
def test_names_are_shortened_to_what_was_asked_for(name: str, most: int) -> None:
    short = shortened(name, most)
    assert len(short) <= most
    assert "\n" not in short


def test_the_palette_has_ten_colours_that_stay_apart() -> None:
    assert len(set(PALETTE)) == len(PALETTE) >= 10
    assert len(set(SYMBOLS)) == len(SYMBOLS) >= 10
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
        assert distances.min() > 0.1


def test_a_page_replaces_an_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("earlier")
    page = Page("a")
    page.write(path)
    assert path.read_text(encoding="utf-8") == page.html()
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("where", ["folder", "nowhere/report.html", "file/report.html"])
def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path: Path, where: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ReportError, match=r"cannot be written: .*; choose another folder"):
        Page("a").write(tmp_path / where)
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["file", "folder"]
