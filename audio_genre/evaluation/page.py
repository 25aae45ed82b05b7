"""Reports as HTML pages: text, tables, pictures and Plotly charts, readable offline, on a phone, in light and dark.

A report is a `Page` with sections, and a section is a heading with blocks. Whatever text the functions that make blocks
are given is escaped here; only what stands inside a Plotly chart must go through `label` first, because Plotly reads
markup of its own. All pages of a folder share one `plotly.min.js` beside them.
"""

from __future__ import annotations

import base64
import html
import json
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio_genre._version import __version__
from audio_genre.errors import ParameterError, ReportError
from audio_genre.files.storage import whole_file

Cell = str | int | float | None
"""What stands in a cell of a table: text as it is, floats with three decimals, a dash for None and NaN."""

PALETTE = (
    "#0084ff", "#d27d07", "#cf0511", "#007a3d", "#7c4dc0", "#288e9d", "#ff0383", "#789f3f", "#e85bcf", "#f500ff",
)  # fmt: skip
"""Ten colours with a contrast of 3 or more on white and on black, apart for colour-blind readers too (searched by
simulated annealing). It is also the colour cycle of every chart on a `Page`."""

PLOTLY = "plotly.min.js"
"""Name of the Plotly library beside the pages that use it."""

# Embeddings, overrides and isolates of the Unicode bidirectional algorithm.
_DIRECTIONS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})

# From so many letters on, the names of a table's rows are given room.
_LONG_NAME = 16

# Figures that no line may break.
_INTERVAL_CLASS = ' class="interval"'
_INTERVAL = re.compile(r"[\d.]+ \[[\d., -]+\]")

_PICTURE_TYPES = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))


@dataclass(frozen=True)
class Block:
    """A piece of a page; get one from `text`, `note`, `table`, `figure`, `picture` or `details`."""

    html: str
    needs_plotly: bool = False


def text(*paragraphs: str) -> Block:
    """Make paragraphs of plain text."""
    return Block("".join(f"<p>{_escaped(paragraph)}</p>" for paragraph in paragraphs))


def note(sentence: str, *, warning: bool = False) -> Block:
    """Make a remark that stands out."""
    return Block(f'<p class="note{" warning" if warning else ""}">{_escaped(sentence)}</p>')


def table(header: Sequence[str], rows: Sequence[Sequence[Cell]], caption: str = "") -> Block:
    """Make a table, in a box of its own that scrolls sideways where the screen is narrow."""
    for row in rows:
        if len(row) != len(header):
            raise ParameterError(f"A row of a table must have {len(header)} cells, as its header; got {len(row)}.")
    numeric = [all(_is_numeric(row[k]) for row in rows) and bool(rows) for k in range(len(header))]
    kinds = [' class="number"' if flag else "" for flag in numeric]
    head = "".join(f'<th scope="col"{kind}>{_escaped(name)}</th>' for name, kind in zip(header, kinds, strict=True))
    lines = []
    for row in rows:
        first, *others = (_cell(cell) for cell in row)
        cells = "".join(
            f"<td{_INTERVAL_CLASS if _INTERVAL.fullmatch(cell) else kind}>{cell}</td>"
            for cell, kind in zip(others, kinds[1:], strict=True)
        )
        lines.append(f'<tr><th scope="row"{kinds[0]}>{first}</th>{cells}</tr>')
    long = ' class="long"' if any(len(str(row[0])) > _LONG_NAME for row in rows) else ""
    # A caption inside the table would scroll away with it.
    shown = f"<figcaption>{_escaped(caption)}</figcaption>" if caption else ""
    name = _escaped(caption or "table")
    return Block(
        f'<figure>{shown}<div class="scroll" tabindex="0" role="region" aria-label="{name}">'
        f'<table{long} aria-label="{name}">'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div></figure>"
    )


def figure(drawn: Mapping[str, Any], caption: str, *, height: int = 420, still: str = "") -> Block:
    """Make an interactive chart, drawn when the reader comes near it, from data and layout as `plotly_json` makes them.

    `still` is the address of a picture, which is shown where Plotly is missing.
    """
    data = json.dumps({"data": drawn["data"], "layout": drawn["layout"]}, allow_nan=False).replace("<", "\\u003c")
    image = f'<img class="still" loading="lazy" src="{_escaped(still)}" alt="{_escaped(caption)}">' if still else ""
    return Block(
        f'<figure><div class="plot" style="height:{int(height)}px" role="img" aria-label="{_escaped(caption)}"></div>'
        f'<script type="application/json">{data}</script>{image}<figcaption>{_escaped(caption)}</figcaption></figure>',
        needs_plotly=True,
    )


def beside(*blocks: Block) -> Block:
    """Put blocks side by side where the screen is wide."""
    inner = "".join(f"<div>{block.html}</div>" for block in blocks)
    return Block(f'<div class="beside">{inner}</div>', needs_plotly=any(block.needs_plotly for block in blocks))


def picture(data: bytes, caption: str, *, alt: str = "") -> Block:
    """Make a picture, stored in the page."""
    for signature, media_type in _PICTURE_TYPES:
        if data.startswith(signature):
            return Block(
                f'<figure><img src="{data_address(data, media_type)}" alt="{_escaped(alt or caption)}">'
                f"<figcaption>{_escaped(caption)}</figcaption></figure>"
            )
    raise ParameterError(f"A picture must be a PNG or JPEG file; got {data[:8]!r}.")


def data_address(data: bytes, media_type: str = "image/png") -> str:
    """Return an address that holds a file itself."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def details(heading: str, *blocks: Block, opened: bool = False) -> Block:
    """Put blocks under a sub-heading that unfolds them."""
    inner = "".join(block.html for block in blocks)
    return Block(
        f"<details{' open' if opened else ''}><summary><h3>{_escaped(heading)}</h3></summary>{inner}</details>",
        needs_plotly=any(block.needs_plotly for block in blocks),
    )


def label(name: str, most: int = 28) -> str:
    """Put a name, whatever it holds, into the form that Plotly shows as it is."""
    return html.escape(shortened(name, most), quote=False)


def shortened(name: str, most: int = 28) -> str:
    """Leave out the middle of a long name."""
    name = " ".join(_storable(name).split())
    if not most or len(name) <= most:
        return name
    return f"{name[: most // 2]}…{name[len(name) - (most - most // 2 - 1) :]}"


class Page:
    """A report as an HTML page that needs no network: its title, what it says in a sentence, its key figures.

    Examples
    --------
    >>> page = Page("Two models", "Both are right once.", [("1", "test track")])
    >>> page.add_section("Accuracy", table(["model", "right"], [["a", 1], ["b", 1]]))
    >>> "<h2" in page.html()
    True
    """

    def __init__(self, title: str, lead: str = "", facts: Sequence[tuple[str, str]] = ()) -> None:
        self._title, self._lead, self._facts = title, lead, facts
        self._sections: list[tuple[str, tuple[Block, ...]]] = []

    def add_section(self, heading: str, *blocks: Block) -> None:
        """Append a section; the contents list at the top of the page links to it."""
        self._sections.append((heading, blocks))

    def html(self) -> str:
        """Return the page."""
        entries = "".join(
            f'<li><a href="#section-{k}">{_escaped(heading)}</a></li>' for k, (heading, _) in enumerate(self._sections)
        )
        contents = f'<nav aria-label="Contents"><ul>{entries}</ul></nav>' if len(self._sections) > 1 else ""
        lead = f'<p class="lead">{_escaped(self._lead)}</p>' if self._lead else ""
        sections = "".join(
            f'<section id="section-{k}"><h2>{_escaped(heading)}</h2>{"".join(block.html for block in blocks)}</section>'
            for k, (heading, blocks) in enumerate(self._sections)
        )
        facts = "".join(
            f"<div><dt>{_escaped(words)}</dt><dd>{_escaped(value)}</dd></div>" for value, words in self._facts
        )
        facts = f'<dl class="facts">{facts}</dl>' if facts else ""
        scripts = mark = missing = ""
        if self._needs_plotly:
            colours = json.dumps(PALETTE)
            mark = '<script>document.documentElement.classList.add("live")</script>'
            missing = f'<p class="note warning no-plotly">{_escaped(_NO_PLOTLY)}</p>'
            scripts = f'<script src="{PLOTLY}"></script><script>const COLOURS = {colours};{_SCRIPT}</script>'
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<meta name="color-scheme" content="light dark">'
            f"<title>{_escaped(self._title)}</title><style>{_STYLE}</style>{mark}</head>\n<body><header>"
            f"<h1>{_escaped(self._title)}</h1>{lead}{facts}{missing}{contents}</header>\n<main>{sections}</main>\n"
            f"<footer><p>{_MADE_WITH} {_escaped(__version__)}.</p></footer>{scripts}</body></html>\n"
        )

    @property
    def _needs_plotly(self) -> bool:
        return any(block.needs_plotly for _, blocks in self._sections for block in blocks)

    def write(self, path: Path) -> None:
        """Write the page, and Plotly beside it; each appears complete or not at all, and replaces one that exists."""
        write_whole(path, self.html().encode("utf-8"))
        if self._needs_plotly:
            _write_plotly(path.with_name(PLOTLY))


def _write_plotly(path: Path) -> None:
    from plotly.offline import get_plotlyjs

    library = get_plotlyjs().encode("utf-8")
    try:
        if path.read_bytes() == library:
            return
    except OSError:
        pass
    write_whole(path, library)


def refuse_other_files(folder: Path, page: str, *beside: str) -> None:
    """Refuse a folder where a report would take the place of files that belong to no report of this program."""
    there = folder / page
    try:
        is_ours = _MADE_WITH.encode() in there.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        is_ours = False
    except OSError:
        # Writing will tell what is wrong with the folder.
        return
    for name in () if is_ours else (page, *beside):
        if (folder / name).exists():
            raise ReportError(
                f"{folder / name} belongs to no report of audio-genre, and would be replaced; choose another folder."
            )


def write_whole(path: Path, data: bytes) -> None:
    """Write a file of a report that appears complete or not at all."""
    try:
        with whole_file(path) as file:
            file.write(data)
    except OSError as error:
        raise ReportError(f"{path} cannot be written: {error.strerror}; choose another folder.") from None


def _escaped(value: str) -> str:
    return html.escape(_storable(value))


def _storable(value: str) -> str:
    """Write out what no page can hold, halves of characters and controls, and what turns the direction of a line."""
    return "".join(
        character.encode("unicode_escape").decode("ascii") if _is_control(character) else character
        for character in value
    )


def _is_control(character: str) -> bool:
    if character in "\n\t":
        return False
    return unicodedata.category(character) in ("Cc", "Cs") or unicodedata.bidirectional(character) in _DIRECTIONS


def _is_numeric(cell: Cell) -> bool:
    return cell is None or isinstance(cell, int | float)


def _cell(cell: Cell) -> str:
    if cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
        return "–"
    return f"{cell:.3f}" if isinstance(cell, float) else _escaped(str(cell))


_NO_PLOTLY = (
    f"This page shows pictures in place of its interactive charts, because {PLOTLY} cannot be run: keep all files of "
    "the report in one folder, and allow scripts."
)

# Nothing may be loaded from the network; Plotly compiles the shaders of its WebGL traces.
_MADE_WITH = "Made with audio-genre"
_POLICY = (
    "default-src 'none'; script-src 'self' file: 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src 'self' file: data: blob:; font-src data:; worker-src blob:"
)

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2329; --soft: #56606b; --paper: #ffffff; --box: #f3f5f7; --line: #d5dae0;
  --link: #0b5cad; --warn: #a33b00; --warn-box: #fff1e6; --edge: rgba(29, 35, 41, .28); }
/* Above the figure, where it hides no entry of a legend. */
.plot .modebar-container { top: -1.5rem !important; }
@media (max-width: 600px) { .modebar { display: none; } }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --soft: #a3adb8; --paper: #15191e; --box: #1e242b;
  --line: #3a434d; --link: #7db8f5; --warn: #ffb27a; --warn-box: #33231a;
  --edge: rgba(230, 233, 237, .35); } }
:root[data-print] { color-scheme: light; --ink: #1d2329; --soft: #56606b; --paper: #ffffff; --box: #f3f5f7;
  --line: #d5dae0; --link: #0b5cad; --warn: #a33b00; --warn-box: #fff1e6; }
:root[data-print] body { max-width: 44rem; padding: 0; font-size: .85rem; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem clamp(.8rem, 3vw, 2rem) 3rem; max-width: 72rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.3rem; line-height: 1.25; margin: 2.2rem 0 .6rem; padding-top: .8rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 0; display: inline; }
p { margin: .5rem 0; max-width: 48rem; }
.lead { font-size: 1.15rem; max-width: 60rem; }
.facts { display: flex; flex-wrap: wrap; gap: .6rem 2.2rem; margin: .8rem 0; }
.facts div { display: flex; flex-direction: column-reverse; }
.facts dt { color: var(--soft); font-size: .9rem; }
.facts dd { margin: 0; font-size: 1.7rem; font-weight: 600; line-height: 1.15; font-variant-numeric: tabular-nums; }
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); gap: 0 1.5rem; }
.beside > div { min-width: 0; }
.still { background: #ffffff; }
.live .still, .live .no-plotly { display: none; }
:root:not(.live) .plot { display: none; }
:root:not(.live) .beside { display: block; }
a { color: var(--link); }
nav ul { margin: .8rem 0; padding: 0; list-style: none; display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; }
nav a { display: inline-block; padding: .25rem 0; }
.note { background: var(--box); border-left: .25rem solid var(--soft); padding: .5rem .8rem; }
.warning { background: var(--warn-box); border-color: var(--warn); }
.scroll { overflow-x: auto; overflow-wrap: normal;
  /* Shadows at the edges beyond which the table goes on, and covers that hide them where it ends. */
  background: linear-gradient(to right, var(--paper) 40%, transparent) 0 0 / 2rem 100% no-repeat local,
    linear-gradient(to left, var(--paper) 40%, transparent) 100% 0 / 2rem 100% no-repeat local,
    linear-gradient(to right, var(--edge), transparent) 0 0 / .8rem 100% no-repeat scroll,
    linear-gradient(to left, var(--edge), transparent) 100% 0 / .8rem 100% no-repeat scroll; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem .3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
  unicode-bidi: isolate; }
td { white-space: nowrap; }
thead th { border-bottom: 2px solid var(--soft); vertical-align: bottom; font-weight: 600; }
tbody th { font-weight: 500; max-width: min(22rem, 55vw); overflow-wrap: break-word; }
tbody th, thead th:first-child { position: sticky; left: 0; z-index: 1; background: var(--paper); }
.long tbody th { min-width: min(13rem, 42vw); }
.number { text-align: right; }
figure { margin: 1rem 0; }
figcaption { color: var(--soft); font-size: .92rem; max-width: 48rem; }
.plot { width: 100%; }
img { max-width: 100%; height: auto; }
details { margin: .6rem 0; border: 1px solid var(--line); border-radius: .4rem; padding: 0 .8rem; }
details[open] { padding-bottom: .6rem; }
summary { cursor: pointer; padding: .6rem 0; }
footer { margin-top: 3rem; color: var(--soft); font-size: .9rem; }
@media print {
  figure, tr, .plot, h2, h3, summary { break-inside: avoid; }
  .beside { display: block; }
  h2, h3, summary { break-after: avoid; }
  nav, .modebar { display: none !important; }
  .scroll { overflow: visible; background: none; }
  table { font-size: .68rem; max-width: 100%; }
  th, td { padding-right: .4rem; }
  td { white-space: normal; }
  td:last-child { overflow-wrap: anywhere; }
  td.interval { white-space: nowrap; }
  tbody th, thead th:first-child { position: static; }
  details { border: none; padding: 0; }
}
"""

_SCRIPT = """
(() => {
  if (typeof Plotly === "undefined") { document.documentElement.classList.remove("live"); return; }
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)").matches;
  const config = { responsive: true, displaylogo: false, showSendToCloud: false,
    displayModeBar: touch ? false : "hover", modeBarButtonsToRemove: ["select2d", "lasso2d"] };
  const template = (narrow) => {
    const style = getComputedStyle(document.documentElement);
    const [ink, soft, paper, line] = ["ink", "soft", "paper", "line"].map((name) =>
      style.getPropertyValue("--" + name).trim());
    const axis = { gridcolor: line, linecolor: soft, zerolinecolor: line, tickcolor: soft, automargin: true,
      title: { standoff: 8 } };
    const clear = "rgba(0,0,0,0)";
    const radial = { gridcolor: line, linecolor: soft };
    return { layout: {
      font: { color: ink, family: getComputedStyle(document.body).fontFamily, size: narrow ? 11 : 13 },
      colorway: COLOURS, paper_bgcolor: clear, plot_bgcolor: clear, xaxis: axis, yaxis: axis,
      polar: { bgcolor: clear, angularaxis: radial, radialaxis: radial },
      scene: { xaxis: { ...axis, backgroundcolor: clear }, yaxis: { ...axis, backgroundcolor: clear },
        zaxis: { ...axis, backgroundcolor: clear } },
      hoverlabel: { bgcolor: paper, bordercolor: soft, font: { color: ink } },
      legend: { orientation: "h", x: 0, xanchor: "left", y: 1.02, yanchor: "bottom", bgcolor: clear },
      modebar: { bgcolor: clear, color: soft, activecolor: ink }, margin: { l: 8, r: 8, t: 24, b: 8 },
      annotationdefaults: { font: { color: ink }, arrowcolor: soft }, shapedefaults: { line: { color: soft } },
      dragmode: touch ? false : "zoom", hovermode: "closest",
    } };
  };
  const draw = (box) => {
    const narrow = box.clientWidth < 480;
    if (!box.drawn) {
      box.drawn = JSON.parse(box.nextElementSibling.textContent);
      // A narrow legend has an entry a line, which must not take the figure's own height.
      const entries = box.drawn.data.filter((trace) => trace.name && trace.showlegend !== false).length;
      if (narrow && entries > 2 && box.drawn.layout.showlegend !== false)
        box.style.height = box.clientHeight + 16 * entries + "px";
    }
    // Plotly looks for a new width when the window changes, and not when it is put on paper.
    const width = document.documentElement.dataset.print === undefined ? {} : { width: box.clientWidth };
    Plotly.react(box, box.drawn.data, { ...box.drawn.layout, ...width, template: template(narrow) }, config);
  };
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((each) => each.isIntersecting)) {
      near.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "600px" });
  document.querySelectorAll(".plot").forEach((box) => near.observe(box));
  // On paper nothing scrolls and nothing unfolds: all figures are drawn, in light colours and as wide as a page.
  let folded = [];
  addEventListener("beforeprint", () => {
    document.documentElement.dataset.print = "";
    folded = [...document.querySelectorAll("details:not([open])")];
    folded.forEach((each) => { each.open = true; });
    document.querySelectorAll(".plot").forEach((box) => { near.unobserve(box); draw(box); });
  });
  addEventListener("afterprint", () => {
    delete document.documentElement.dataset.print;
    folded.forEach((each) => { each.open = false; });
    document.querySelectorAll(".js-plotly-plot").forEach(draw);
  });
  dark.addEventListener("change", () => document.querySelectorAll(".js-plotly-plot").forEach(draw));
})();
"""
