from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plotly.offline import get_plotlyjs

from audio_genre.errors import ParameterError, ReportError
from audio_genre.evaluation.page import (
    PLOTLY,
    Page,
    beside,
    details,
    figure,
    label,
    note,
    picture,
    refuse_other_files,
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
    drawn = {"data": [{"type": "scatter", "x": [1, 2], "y": [1, 2], "name": label(name)}], "layout": {}}
    page = Page(name, name, [(name, name)])
    page.add_section(name, text(name), note(name, warning=True), table([name, "n"], [[name, 1]], name))
    page.add_section(
        name,
        beside(figure(drawn, name, still="a.png"), text(name)),
        picture(PNG, name),
        details(name, text(name), opened=True),
    )
    return page


def test_nothing_is_loaded_from_the_network() -> None:
    page = everything("a").html()
    outline = Outline(page)
    assert [value for name, value in outline.attributes if name in ("src", "href") and value] == [
        "#section-0",
        "#section-1",
        "a.png",
        f"data:image/png;base64,{'iVBORw0KGgogcmVzdA=='}",
        PLOTLY,
    ]
    assert "default-src 'none'" in page
    assert "showSendToCloud: false" in page
    assert "http" not in page.split("script-src")[1].split(";")[0]
    assert page.count("!DOCTYPE") == 1


def test_the_library_lies_beside_pages_with_a_figure(tmp_path: Path) -> None:
    plain = Page("a")
    plain.add_section("b", text("c"))
    plain.write(tmp_path / "plain.html")
    assert PLOTLY not in plain.html()
    assert not (tmp_path / PLOTLY).exists()

    (tmp_path / PLOTLY).write_text("an older one")
    for name in ("first.html", "second.html"):
        everything("a").write(tmp_path / name)
        assert (tmp_path / name).stat().st_size < 20_000
    assert (tmp_path / PLOTLY).read_text(encoding="utf-8") == get_plotlyjs()
    assert everything("a").html().count("const COLOURS") == 1


def test_without_the_library_the_pictures_are_shown_and_the_page_says_why() -> None:
    page = everything("a").html()
    # Both are hidden while the library is there, which the page finds out itself.
    assert ".live .still, .live .no-plotly { display: none; }" in page
    assert 'if (typeof Plotly === "undefined") { document.documentElement.classList.remove("live"); return; }' in page
    assert "because plotly.min.js cannot be run" in page
    assert '<img class="still" loading="lazy" src="a.png" alt="a">' in page


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
    drawn = {"data": [{"type": "bar", "x": [HOSTILE], "y": [None]}], "layout": {}}
    source = re.search(r'<script type="application/json">(.*?)</script>', figure(drawn, "caption").html)
    assert json.loads(source[1]) == drawn


def test_figures_that_are_no_json_are_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        figure({"data": [{"x": [float("nan")]}], "layout": {}}, "caption")


def test_headings_stand_in_order() -> None:
    headings = [tag for tag in Outline(everything("a").html()).tags if re.fullmatch(r"h\d", tag)]
    assert headings == ["h1", "h2", "h2", "h3"]


def test_intervals_are_not_broken_over_lines() -> None:
    html = table(["a", "b"], [["x", "0.745 [0.690, 0.800]"], ["0.745 [0.690, 0.800]", "0.7 [x]"]]).html
    assert html.count('class="interval"') == 1


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


@pytest.mark.parametrize("name", ["report.html", "predictions.csv"])
def test_only_a_report_is_replaced_by_a_report(name: str, tmp_path: Path) -> None:
    refuse_other_files(tmp_path, "report.html", "predictions.csv")
    (tmp_path / name).write_text("mine")
    with pytest.raises(ReportError, match=f"{name} belongs to no report of audio-genre"):
        refuse_other_files(tmp_path, "report.html", "predictions.csv")
    (tmp_path / name).unlink()
    Page("A page", "Its headline.", []).write(tmp_path / "report.html")
    (tmp_path / "predictions.csv").write_text("of a report")
    refuse_other_files(tmp_path, "report.html", "predictions.csv")
