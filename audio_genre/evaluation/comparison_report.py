"""Write down what a comparison found: the page, pictures for papers, figures as JSON, predictions as CSV."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audio_genre.errors import ReportError
from audio_genre.evaluation.comparison import FIGURES, Comparison, Section
from audio_genre.evaluation.page import Block, Cell, Page, details, figure, note, shortened, table, text, write_whole
from audio_genre.evaluation.plots import (
    accuracy_figure,
    accuracy_picture,
    confusion_figure,
    confusion_picture,
    curves_figure,
    curves_picture,
    kind_name,
    png,
    reliability_figure,
    reliability_picture,
    shown_name,
    thinning_words,
)
from audio_genre.files.spreadsheets import safe_cell

if TYPE_CHECKING:
    import pandas as pd

    from audio_genre.evaluation.results import ModelResult

_METRICS = "metrics.json"
_WRONG_SHOWN = 30
# So many models have a column each in the list of what all get wrong; more are counted.
_COLUMNS_SHOWN = 4
_NAME_LETTERS = 60
_LEAKY_WARNING = (
    "LEAKY: this protocol deals rows, so that rows of one track may be learned from and tested on. Such figures say "
    "little about music that a model has not heard; they stand here because published results are often of this kind."
)


def write_report(found: Comparison, folder: Path, begin: Callable[[str], None], *, excel_safe: bool = False) -> None:
    """Write everything; the page comes last.

    Parameters
    ----------
    found : Comparison
        What was found.
    folder : Path
        Folder of the report; it is made if need be.
    begin : callable
        Told what is drawn, before it is.
    excel_safe : bool
        Whether cells of the tables that look like formulas get a leading apostrophe.

    Raises
    ------
    ReportError
        If something cannot be written.
    """
    pictures = dict(_pictures(found, begin))
    page = comparison_page(found)
    metrics = json.dumps({**found.as_json(), "figures": sorted(pictures)}, indent=1, allow_nan=False)
    figures = folder / FIGURES
    try:
        figures.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReportError(f"{figures} cannot be made a folder: {error.strerror}; choose another one.") from None
    outdated = _earlier_pictures(folder) - pictures.keys()
    for name, data in pictures.items():
        write_whole(figures / name, data)
    write_whole(folder / "predictions.csv", _csv(_predictions(found), excel_safe=excel_safe))
    write_whole(folder / "wrong_by_all.csv", _csv(_wrong_by_all(found), excel_safe=excel_safe))
    write_whole(folder / _METRICS, f"{metrics}\n".encode())
    page.write(found.report)
    for name in outdated:
        (figures / name).unlink(missing_ok=True)


def comparison_page(found: Comparison) -> Page:
    """Put a comparison on a page.

    Parameters
    ----------
    found : Comparison
        What was found.

    Returns
    -------
    Page
        The page.
    """
    count = len(found.models)
    page = Page(
        "Comparison of genre models",
        f"{count} model{'' if count == 1 else 's'}, measured on test tracks that they were neither trained nor tuned "
        "on, except where it says LEAKY. Figures are by track: each track has one answer, the class with the highest "
        "mean probability over its rows.",
    )
    page.add_section("What can be compared", *_overview(found))
    for section in found.sections:
        page.add_section(section.title, *_section_blocks(section))
    if found.repeats:
        page.add_section("Other seeds, other folds: how steady the figures are", *_repeats_blocks(found))
    if found.leaks:
        page.add_section("LEAKY against honest: what a leak is worth", *_leak_blocks(found))
    page.add_section(
        "How this was measured",
        text(
            "Intervals are 95 % percentile bootstrap intervals over test tracks (Efron and Tibshirani, An introduction "
            "to the bootstrap, 1993): they tell how much other test tracks would change a figure, not how much another "
            "training would.",
            "Models are ordered, and chosen for tests, by their accuracy over the validation tracks. Test figures "
            "choose nothing: picking the best of many by its test figure flatters it.",
            "Paired tests are exact McNemar tests: of the tracks on which two models differ, each should win half if "
            "neither is better (McNemar, Note on the sampling error of the difference between correlated proportions "
            "or percentages, Psychometrika 12(2), 1947). With several tests on the same tracks, p is multiplied by "
            "their number (Bonferroni).",
            "Confidence is the probability that a model states for its answer to a track, after the temperature on its "
            "card, which was fitted on validation tracks (Guo et al., On calibration of modern neural networks, ICML "
            "2017). The calibration error is the mean difference of confidence and share of right answers over ten "
            "bins of confidence, each weighed with its tracks (Naeini et al., Obtaining well calibrated probabilities "
            "using Bayesian binning, AAAI 2015). It is above zero even for perfect confidences, the more so the fewer "
            "the tracks; what they would give by chance is found by drawing which answers are right with the "
            "confidences themselves as probabilities (Bröcker and Smith, Increasing the reliability of reliability "
            "diagrams, Weather and Forecasting 22(3), 2007). Its interval is a basic bootstrap interval, which takes "
            "off what resampling adds.",
            "metrics.json has all figures of this page, predictions.csv every prediction, wrong_by_all.csv the whole "
            "list of what all models get wrong, and the folder figures the pictures for papers.",
        ),
    )
    return page


def _overview(found: Comparison) -> list[Block]:
    blocks = [
        text(
            "Models are ranked only among those that were measured under one protocol on the same test tracks. Each "
            "such group has a section of its own."
        )
    ]
    if found.broken:
        blocks.append(note(f"Left out, because they cannot be read: {' '.join(found.broken)}", warning=True))
    if found.skipped:
        blocks.append(note(f"Folders without a model: {', '.join(found.skipped)}."))
    early = [model.name for model in found.models if model.interrupted]
    if early:
        blocks.append(note(f"Trainings that were ended early: {', '.join(early)}.", warning=True))
    rows: list[Sequence[Cell]] = []
    for section in found.sections:
        best = section.best()
        top = best[0] if best else section.models[0]
        rows.append(
            [
                section.title,
                len(section.models),
                shortened(top.name, _NAME_LETTERS),
                str(top.scores.tracks.accuracy),
                ", ".join(map(kind_name, section.kinds)),
            ]
        )
    header = ["measured under", "models", "best by validation", "its test accuracy, 95 % interval", "kinds"]
    blocks.append(table(header, rows, "Groups of models; figures of different groups cannot be ranked"))
    return blocks


def _section_blocks(section: Section) -> Iterator[Block]:
    leaky = "LEAKY: " if section.leaky else ""
    first = section.models[0]
    if section.leaky:
        yield note(_LEAKY_WARNING, warning=True)
    yield text(
        f"Protocol {first.protocol}: {section.description or 'no description'}. Always answering the most frequent "
        f"class would be right in {section.chance:.3f} of the test tracks."
    )
    yield _accuracy_table(section)
    early = (
        " A star marks trainings that were ended early." if any(model.interrupted for model in section.models) else ""
    )
    if len(section.models) > 1:
        yield figure(
            accuracy_figure(section.models),
            f"{leaky}Test accuracy by track with its 95 % interval, {section.title}. Intervals that overlap do not "
            "prove that models are equal: they were tested on the same tracks, and the paired tests below use that."
            f"{early}",
            height=130 + 26 * len(section.models),
        )
    best = section.best()
    yield from _calibration_blocks(best[0] if best else first, leaky)
    if len(best) > 1:
        yield _kinds_table(best, section, leaky)
    for test in section.tests:
        yield text(f"{test.first} and {test.second}, {test.chosen}. {test}")
    if len(section.models) > 1:
        yield _wrong_block(section, leaky)
    for model in section.models:
        yield _model_block(model, leaky)


def _accuracy_table(section: Section) -> Block:
    by_row = any(model.by_row for model in section.models)
    header = ["model", "kind", "trained on", "validation", "test accuracy, 95 % interval", "macro-F1, 95 % interval"]
    if by_row:
        header.insert(5, "test accuracy by row")
    header.append("calibration error (by chance)")
    rows = []
    for model in section.models:
        row: list[Cell] = [
            shortened(shown_name(model), _NAME_LETTERS),
            kind_name(model.kind),
            shortened(model.data, _NAME_LETTERS),
            model.validation,
            str(model.scores.tracks.accuracy),
            str(model.scores.tracks.macro_f1),
        ]
        if by_row:
            row.insert(5, str(model.scores.rows.accuracy))
        found = model.reliability
        raw = "" if model.is_calibrated else " †"
        row.append(f"{found.error.value:.3f} ({found.by_chance.value:.3f}){raw}")
        rows.append(row)
    explained = "" if all(model.is_calibrated for model in section.models) else "; † not calibrated"
    return table(header, rows, f"{section.title}; by track, ordered by validation accuracy{explained}")


def _calibration_blocks(model: ModelResult, leaky: str) -> Iterator[Block]:
    yield figure(
        reliability_figure(model),
        f"{leaky}Reliability of {model.name}, {_where(model)}: share of right answers against confidence, in bins of a "
        "tenth, with its 95 % interval; on top, the number of test tracks of each. Below the diagonal a model promises "
        "too much, above it too little.",
        height=490,
    )
    yield text(_calibration_words(model))


def _calibration_words(model: ModelResult) -> str:
    found = model.reliability
    fullest = max(found.bins, key=lambda each: each.count)
    known = ["none" if temperature is None else f"{temperature:.2f}" for temperature in model.temperatures]
    without = f"without {'it' if len(known) == 1 else 'them'} the error would be {found.uncalibrated:.3f}"
    if set(known) == {"none"}:
        fitted = "It is not calibrated: there is no temperature on its card."
    elif len(known) == 1:
        fitted = f"Its temperature is {known[0]}; {without}."
    else:
        fitted = f"The temperatures of its folds are {', '.join(known)}; {without}."
    error = (
        f"Its calibration error of {found.error} is more than perfect confidences would show by chance on these "
        f"tracks, {found.by_chance}: its confidences are off."
        if found.beyond_chance
        else f"Its calibration error of {found.error} is no more than perfect confidences would show by chance on "
        f"these tracks, {found.by_chance}: this is no evidence that its confidences are off."
    )
    return (
        f"When {shortened(shown_name(model), _NAME_LETTERS)} says {fullest.confidence:.0%} (its mean for the "
        f"{fullest.count} of {len(model.tracks)} test tracks where it says {fullest.low:.0%} to {fullest.high:.0%}), "
        f"it is right {fullest.accuracy.value:.0%} of the time. Over all test tracks it says {found.confidence:.0%} "
        f"and is right {found.accuracy:.0%} of the time. {error} {fitted}"
    )


def _kinds_table(best: Sequence[ModelResult], section: Section, leaky: str) -> Block:
    rows: list[Sequence[Cell]] = [
        ["model", *(shortened(shown_name(model), _NAME_LETTERS) for model in best)],
        ["trained on", *(shortened(model.data, _NAME_LETTERS) for model in best)],
        ["test accuracy by track", *(str(model.scores.tracks.accuracy) for model in best)],
    ]
    if any(model.by_row for model in best):
        rows.append(["test accuracy by row", *(str(model.scores.rows.accuracy) for model in best)])
    rows.append(["macro-F1 by track", *(str(model.scores.tracks.macro_f1) for model in best)])
    header = ["", *(kind_name(model.kind) for model in best)]
    return table(header, rows, f"{leaky}The best of each kind by validation accuracy, {section.title}")


def _wrong_block(section: Section, leaky: str) -> Block:
    wrong = section.wrong_by_all()
    first, count = section.models[0], len(section.models)
    everyone = "both models" if count == 2 else f"all {count} models"
    heading = f"{leaky}Test tracks that {everyone} get wrong: {len(wrong)} of {len(first.tracks)}"
    if not len(wrong):
        return text(f"{heading}.")
    columns = count <= _COLUMNS_SHOWN
    header = ["track", "true", *([shortened(model.name) for model in section.models] if columns else ["answers"])]
    rows = []
    for k in wrong[:_WRONG_SHOWN]:
        answers = [str(model.answers[k]) for model in section.models]
        counted = ", ".join(f"{shortened(name)} × {number}" for name, number in Counter(answers).most_common())
        names = [shortened(answer) for answer in answers] if columns else [counted]
        rows.append([shortened(str(first.tracks[k]), _NAME_LETTERS), shortened(str(first.labels[k])), *names])
    rest = f"; the first {_WRONG_SHOWN} of {len(wrong)}, all are in wrong_by_all.csv" if len(wrong) > len(rows) else ""
    return details(heading, table(header, rows, f"{leaky}What they answered, {section.title}{rest}"))


def _model_block(model: ModelResult, leaky: str) -> Block:
    where = _where(model)
    heading = f"{leaky}{shown_name(model)}, {where}: report, confusion matrix, reliability, learning curve"
    report: list[Sequence[Cell]] = [
        [shortened(name), each["precision"], each["recall"], each["f1"], int(each["support"])]
        for name, each in model.per_class().items()
    ]
    blocks = [
        table(
            ["class", "precision", "recall", "F1", "test tracks"], report, f"{leaky}Classes of {model.name}, {where}"
        ),
        figure(
            confusion_figure(model),
            f"{leaky}Confusion matrix of {model.name}, {where}: test tracks by true class (lines) and answer "
            f"(columns); {int(model.confusion().trace())} of {len(model.tracks)} right.",
            height=min(300 + 24 * len(model.classes), 1400),
        ),
        *_calibration_blocks(model, leaky),
    ]
    if model.pooled:
        blocks.insert(0, text(f"The test tracks of {', '.join(model.pooled)} put together, each tested once."))
    if model.history is not None:
        blocks.append(
            figure(
                curves_figure([(model.name, model.history, model.best_epoch)]),
                f"{leaky}Learning curve of {model.name}, {where}: loss and accuracy of each epoch, over rows; the dot "
                f"marks the epoch that was kept.{thinning_words([model.history])}",
                height=480,
            )
        )
    elif not model.pooled:
        blocks.append(text("It was not trained in epochs, so it has no learning curve."))
    return details(heading, *blocks)


def _where(model: ModelResult) -> str:
    return f"protocol {model.protocol}{f', {model.fold}' if model.fold else ''}"


def _repeats_blocks(found: Comparison) -> Iterator[Block]:
    yield text(
        "The same training with other seeds or on other folds. The spread is the standard deviation over the runs; it "
        "holds what other weights at the start and other splits change. The interval comes from resampling tracks, "
        "each with all its answers."
    )
    for leaky in (False, True):
        rows: list[Sequence[Cell]] = []
        for each in found.repeats:
            if each.leaky != leaky:
                continue
            accuracy = each.accuracy
            early = f", {each.interrupted} interrupted" if each.interrupted else ""
            rows.append(
                [
                    shortened(each.variant, _NAME_LETTERS),
                    kind_name(each.kind),
                    shortened(each.data, _NAME_LETTERS),
                    f"{'LEAKY ' if leaky else ''}{each.protocol}",
                    f"{accuracy.runs}{early}",
                    ", ".join(map(str, each.seeds)),
                    len(each.folds) or None,
                    f"{accuracy.accuracy.value:.3f} ± {accuracy.spread:.3f}",
                    f"[{accuracy.accuracy.low:.3f}, {accuracy.accuracy.high:.3f}]",
                    f"{each.macro_f1:.3f} ± {each.macro_f1_spread:.3f}",
                ]
            )
        if rows:
            header = [
                "variant", "kind", "trained on", "protocol", "runs", "seeds", "folds", "test accuracy, mean ± spread",
                "95 % interval", "macro-F1, mean ± spread",
            ]  # fmt: skip
            yield table(header, rows, f"{'LEAKY: repeated' if leaky else 'Repeated'} trainings, by track")


def _leak_blocks(found: Comparison) -> Iterator[Block]:
    yield text(
        "The same variant on the same table, with rows dealt at random (LEAKY) and with every track on one side. The "
        "two were tested on different rows, so small gaps may be chance; a large one is the leak."
    )
    yield table(
        ["variant", "trained on", "by row, LEAKY", "by row, honest", "gap", "by track, LEAKY", "by track, honest"],
        [
            [
                shortened(leak.variant, _NAME_LETTERS),
                shortened(leak.data, _NAME_LETTERS),
                leak.leaky_rows,
                leak.rows,
                f"{leak.gap:+.3f}",
                leak.leaky_tracks,
                leak.tracks,
            ]
            for leak in found.leaks
        ],
        "Mean test accuracy under a LEAKY protocol and under the honest one",
    )
    yield text(*(f"{leak}" for leak in found.leaks))


def _pictures(found: Comparison, begin: Callable[[str], None]) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of the pictures for papers."""
    taken: set[str] = set()

    def named(what: str, name: str) -> str:
        stem = f"{what}-{re.sub(r'[^A-Za-z0-9._-]+', '-', name)[:100].strip('-.') or 'model'}"
        number, free = 1, stem
        # Names that differ in upper and lower case alone are one file on some systems.
        while free.lower() in taken:
            number += 1
            free = f"{stem}_{number}"
        taken.add(free.lower())
        return f"{free}.png"

    for section in found.sections:
        yield named("accuracy", section.identifier), png(accuracy_picture(section.models, section.title))
        for model in section.models:
            begin(f"drawing {model.name}")
            yield named("confusion", model.name), png(confusion_picture(model))
            begin(f"drawing {model.name}")
            yield named("reliability", model.name), png(reliability_picture(model))
            curves = curves_picture(model)
            begin(f"drawing {model.name}")
            if curves is not None:
                yield named("learning", model.name), png(curves)


def _earlier_pictures(folder: Path) -> set[str]:
    """Return the names of the pictures that an earlier report has written here."""
    try:
        names = json.loads((folder / _METRICS).read_text(encoding="utf-8"))["figures"]
        return {name for name in names if re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\.png", name)}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _predictions(found: Comparison) -> pd.DataFrame:
    """Return every prediction of every model: its row's own, and that of its track."""
    import pandas as pd

    tables = []
    for model in found.models:
        answer = dict(zip(model.tracks.tolist(), model.answers.tolist(), strict=True))
        rows = model.rows.copy()
        rows.insert(4, "track_predicted", [answer[track] for track in model.row_tracks.tolist()])
        rows.insert(0, "leaky", model.leaky)
        rows.insert(0, "protocol", model.protocol)
        rows.insert(0, "model", model.name)
        tables.append(rows)
    return pd.concat(tables, ignore_index=True)


def _wrong_by_all(found: Comparison) -> pd.DataFrame:
    """Return the tracks that all models of a section get wrong, a line a model."""
    import pandas as pd

    lines = [
        [section.title, model.tracks[k], model.labels[k], model.name, model.answers[k], f"{model.confidence[k]:.4f}"]
        for section in found.sections
        if len(section.models) > 1
        for k in section.wrong_by_all()
        for model in section.models
    ]
    return pd.DataFrame(lines, columns=["section", "track", "label", "model", "predicted", "confidence"])


def _csv(rows: pd.DataFrame, *, excel_safe: bool) -> bytes:
    if excel_safe:
        rows = rows.map(safe_cell).rename(columns=safe_cell)
    return rows.to_csv(index=False, lineterminator="\n").encode("utf-8", "backslashreplace")
