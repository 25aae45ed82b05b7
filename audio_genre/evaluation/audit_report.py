"""Write down what an audit found: a page with the leak panel, its chart for papers, everything as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from audio_genre.errors import ReportError
from audio_genre.evaluation.charts import (
    FORMATS,
    GREY,
    Axis,
    Chart,
    Points,
    names_axis,
    picture_of,
    plotly_json,
    rendered,
)
from audio_genre.evaluation.page import (
    PALETTE,
    Block,
    Cell,
    Page,
    details,
    figure,
    note,
    refuse_other_files,
    table,
    text,
    write_whole,
)

if TYPE_CHECKING:
    from audio_genre.audit import Audit
    from audio_genre.audit.panel import Panel, Way

REPORT = "report.html"
"""Name of the page in the folder of a report."""

SUMMARY = "audit.json"
"""Name of the file for machines in the folder of a report."""

PICTURE = "leaks"
"""Name of the chart for papers, without its ending."""

_HEADINGS = {
    "serious": "Serious: this makes results wrong",
    "warning": "Warnings: this may make results wrong",
    "note": "Notes: good to know",
}
_ITEMS = 200


def write_audit_report(audit: Audit, folder: Path) -> Path:
    """Write page, chart and JSON into a folder, and return the path of the page."""
    refuse_other_files(folder, REPORT, SUMMARY)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReportError(f"{folder} cannot be made a folder for a report: {error.strerror}; choose another.") from None
    if audit.panel is not None and audit.panel.mistakes:
        for form, data in rendered(picture_of(leak_chart(audit.panel)), FORMATS).items():
            write_whole(folder / f"{PICTURE}.{form}", data)
    audit_page(audit).write(folder / REPORT)
    write_whole(folder / SUMMARY, (json.dumps(audit.as_json(), indent=2, allow_nan=False) + "\n").encode())
    return folder / REPORT


def leak_chart(panel: Panel) -> Chart:
    """Return the accuracy of each wrong way beside the honest one, and what both reach with labels shuffled."""
    mistakes = panel.mistakes
    series = []
    for name, colour, marker, ways, shift in (
        ("honest way", PALETTE[3], 0, [each.honest for each in mistakes], 0.14),
        ("wrong way", PALETTE[2], 2, [each.wrong for each in mistakes], -0.14),
    ):
        intervals = [way.accuracy for way in ways]
        series.append(
            Points(
                [each.value for each in intervals],
                [k + shift for k in range(len(mistakes))],
                name,
                colour,
                marker,
                arms=([i.value - i.low for i in intervals], [i.high - i.value for i in intervals]),
                along="x",
                size=10,
                hover=[f"{way.name} ({way.subsets}): {way.accuracy}" for way in ways],
            )
        )
        shown = [(k + shift, way) for k, way in enumerate(ways) if way.shuffled is not None]
        series.append(
            Points(
                [way.shuffled.value for _, way in shown if way.shuffled is not None],
                [place for place, _ in shown],
                f"{name}, labels shuffled",
                GREY if name == "honest way" else PALETTE[1],
                5 if name == "honest way" else 4,
                size=8,
                hover=[f"{way.name}, labels shuffled: {way.shuffled}" for _, way in shown],
            )
        )
    titles = [each.title for each in mistakes]
    return Chart(
        "Accuracy of wrong and honest ways",
        Axis("accuracy", (0.0, 1.03)),
        names_axis(titles, letters=34),
        tuple(series),
        inches=(7.4, 0.42 * len(mistakes) + 1.6),
        pixels=150 + 46 * len(mistakes),
    )


def audit_page(audit: Audit) -> Page:
    """Put what was found on one page."""
    panel = audit.panel
    leaks = [] if panel is None else [each for each in panel.mistakes if each.shows]
    lead = f"{len(audit.serious)} serious findings, {len(audit.of('warning'))} warnings."
    facts = [(str(audit.size), "rows" if audit.subject == "table" else "files"), (str(len(audit.classes)), "classes")]
    if panel is not None and panel.mistakes:
        worst = max(panel.mistakes, key=lambda each: each.gap)
        lead = f"{len(leaks)} of {len(panel.mistakes)} usual mistakes would make results on this table too high."
        facts = [
            (f"{worst.honest.accuracy.value:.3f}", f"accuracy, {worst.honest.name}"),
            (f"{worst.wrong.accuracy.value:.3f}", f"accuracy with the mistake: {worst.title}"),
        ]
    page = Page(f"Audit of {audit.path.name}", lead, facts)
    if panel is not None and panel.mistakes:
        page.add_section("Leak panel", *_panel_blocks(panel))
    for severity, heading in _HEADINGS.items():
        found = [each for each in audit.findings if each.severity == severity]
        blocks = []
        for each in found:
            blocks.append(note(f"{each.message} [{each.kind}]", warning=severity == "serious"))
            if len(each.items) > 1:
                left = len(each.items) - _ITEMS
                listed = [*each.items[:_ITEMS], *([f"and {left} more"] if left > 0 else [])]
                blocks.append(details(f"All {len(each.items)}", table([each.kind], [[item] for item in listed])))
        if blocks:
            page.add_section(heading, *blocks)
    return page


def _panel_blocks(panel: Panel) -> list[Block]:
    rows: list[list[Cell]] = [
        [
            each.title,
            str(each.wrong.accuracy),
            str(each.honest.accuracy),
            "yes" if each.shows else "not beyond chance",
            each.wrong.macro_f1,
            each.honest.macro_f1,
            each.honest.name,
        ]
        for each in panel.mistakes
    ]
    shuffled: list[list[Cell]] = [
        [each.title, *_shuffled(each.wrong), *_shuffled(each.honest)] for each in panel.mistakes
    ]
    seen: list[list[Cell]] = [
        [each.title, each.wrong.seen, each.wrong.accuracy_seen, each.wrong.accuracy_unseen]
        for each in panel.mistakes
        if each.wrong.seen is not None
    ]
    blocks = [
        text(
            f"{panel.headline()} Each line makes one mistake that published results were made with, and does the same "
            "honestly beside it. With labels shuffled nothing can be learned, so an honest way stays at chance; what a "
            "wrong way reaches then is the leak alone."
        ),
        figure(
            plotly_json(leak_chart(panel)),
            "Accuracy on test rows with 95 % interval, from resampling songs.",
            height=leak_chart(panel).pixels,
            still=f"{PICTURE}.png",
        ),
        table(
            ["mistake", "wrong way", "honest way", "leak", "wrong, macro-F1", "honest, macro-F1", "honest way is"],
            rows,
            "Accuracy with 95 % interval",
        ),
        table(["mistake", "wrong way", "chance", "honest way", "chance"], shuffled, "Accuracy with labels shuffled"),
    ]
    if seen:
        caption = "Test rows of the wrong way that have a copy, their song or their artist in training"
        header = ["mistake", "share", "accuracy on them", "accuracy on the others"]
        blocks.append(table(header, seen, caption))
    return [*blocks, *(note(sentence) for sentence in panel.notes)]


def _shuffled(way: Way) -> list[Cell]:
    return [None if way.shuffled is None else str(way.shuffled), way.shuffled_chance]
