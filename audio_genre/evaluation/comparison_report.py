"""Write down what a comparison found: the page, pictures for papers, figures as JSON, predictions as CSV."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audio_genre.errors import ReportError
from audio_genre.evaluation.charts import FORMATS, Chart, Sketch, drawn_from, plotly_json
from audio_genre.evaluation.comparison import FIGURES, LEAKY, Comparison, Section
from audio_genre.evaluation.page import (
    Block,
    Cell,
    Page,
    beside,
    details,
    figure,
    note,
    shortened,
    table,
    text,
    write_whole,
)
from audio_genre.evaluation.plots import (
    accuracy_chart,
    accuracy_sketch,
    confusion_charts,
    confusion_sketch,
    curve_charts,
    curves_sketch,
    precision_recall_chart,
    reliability_chart,
    reliability_sketch,
    shown_name,
    thinning_words,
    zoomed_classes,
)
from audio_genre.evaluation.results import kind_name
from audio_genre.files.csv_rows import csv_text
from audio_genre.files.spreadsheets import safe_cell
from audio_genre.jobs.engines import Engine, InProcess, Lost
from audio_genre.jobs.processes import WorkerProcesses, usable_cores

if TYPE_CHECKING:
    import pandas as pd

    from audio_genre.evaluation.results import ModelResult

_METRICS = "metrics.json"
_WRONG_SHOWN = 30
# So many models have a column each in the list of what all get wrong; more are counted.
_COLUMNS_SHOWN = 4
_NAME_LETTERS = 60
# A process takes about as long to start as two pictures take to draw.
_PICTURES_PER_PROCESS = 4
_LEAKY_WARNING = (
    f"{LEAKY}: this protocol splits rows, not tracks, so rows of one track can be in training and test data. "
    "These accuracies are too high for new music; they are shown because many published results were measured in this "
    "way."
)


_CONFUSED_PAIRS = 15


@dataclass(frozen=True)
class _Pictures:
    """Names of the pictures for papers, and what they show."""

    sketches: dict[str, Sketch] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    """The model of each picture that is of one."""
    stems: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, what: str, name: str, sketch: Sketch) -> None:
        """Add a picture under a name that is safe and free."""
        stem = f"{what}-{re.sub(r'[^A-Za-z0-9._-]+', '-', name)[:100].strip('-.') or 'model'}"
        number, free = 1, stem
        # Names that differ in upper and lower case alone are one file on some systems.
        taken = {each.lower() for each in self.sketches}
        while free.lower() in taken:
            number += 1
            free = f"{stem}_{number}"
        self.sketches[free] = sketch
        if what != "accuracy":
            self.models[free] = name
        self.stems[what, name] = free

    def drawn(self, begin: Callable[[str], None]) -> dict[str, bytes]:
        """Draw all, several at a time where that is worth the start of processes; `begin` is told what comes next."""

        def tasks() -> Iterator[tuple[str, Sketch]]:
            for stem, sketch in self.sketches.items():
                if stem in self.models:
                    begin(f"drawing {self.models[stem]}")
                yield stem, sketch

        jobs = min(usable_cores(), len(self.sketches) // _PICTURES_PER_PROCESS)
        engine: Engine = WorkerProcesses(jobs) if jobs > 1 else InProcess()
        found: dict[str, dict[str, bytes]] = {}
        for task, files in engine.run(tasks(), drawn_from):
            # What a process died of may not happen here.
            found[task[0]] = drawn_from(task) if isinstance(files, Lost) else files
        return {f"{stem}.{form}": data for stem in self.sketches for form, data in found[stem].items()}

    def still(self, what: str, name: str) -> str:
        """Return the address of a picture, relative to the page."""
        return f"{FIGURES}/{self.stems[what, name]}.png"


def write_report(found: Comparison, folder: Path, begin: Callable[[str], None], *, excel_safe: bool = False) -> None:
    """Write everything, the page last; `begin` is told what is drawn, before it is."""
    pictures = _pictures(found)
    files = pictures.drawn(begin)
    page = comparison_page(found, pictures)
    metrics = json.dumps({**found.as_json(), "figures": sorted(files)}, indent=1, allow_nan=False)
    figures = folder / FIGURES
    try:
        figures.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReportError(f"{figures} cannot be made a folder: {error.strerror}; choose another one.") from None
    outdated = _earlier_pictures(folder) - files.keys()
    for name, data in files.items():
        write_whole(figures / name, data)
    write_whole(folder / "predictions.csv", _csv(_predictions(found), excel_safe=excel_safe))
    write_whole(folder / "wrong_by_all.csv", _csv(_wrong_by_all(found), excel_safe=excel_safe))
    write_whole(folder / _METRICS, f"{metrics}\n".encode())
    page.write(found.report)
    for name in outdated:
        (figures / name).unlink(missing_ok=True)


def _pictures(found: Comparison) -> _Pictures:
    pictures = _Pictures()
    for section in found.sections:
        accuracies = accuracy_sketch(section.models, section.title, section.majority_baseline)
        pictures.add("accuracy", section.identifier, accuracies)
        for model in section.models:
            pictures.add("confusion", model.name, confusion_sketch(model))
            pictures.add("reliability", model.name, reliability_sketch(model))
            if (curves := curves_sketch(model)) is not None:
                pictures.add("learning", model.name, curves)
    return pictures


def _earlier_pictures(folder: Path) -> set[str]:
    """Return the names of the pictures that an earlier report has written here."""
    try:
        names = json.loads((folder / _METRICS).read_text(encoding="utf-8"))["figures"]
        known = re.compile(rf"[A-Za-z0-9_-][A-Za-z0-9._-]*\.({'|'.join(FORMATS)})")
        return {name for name in names if known.fullmatch(name)}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def comparison_page(found: Comparison, pictures: _Pictures) -> Page:
    """Put a comparison on a page."""
    best = found.best()
    facts = []
    if best is not None:
        section, model = best
        accuracy = model.scores.tracks.accuracy
        facts = [
            (f"{accuracy.value:.3f}", f"test accuracy, 95 % interval {accuracy.low:.3f} to {accuracy.high:.3f}"),
            (f"{section.majority_baseline:.3f}", "majority baseline"),
            (str(len(model.tracks)), f"test tracks, protocol {model.protocol}"),
        ]
    page = Page("Comparison of genre models", found.headline(), facts)
    page.add_section("Overview", *_overview(found))
    for section in found.sections:
        page.add_section(section.title, *_section_blocks(section, pictures, best[1] if best else None))
    if found.repeats:
        page.add_section("Variation over seeds and folds", *_repeats_blocks(found))
    if found.leaks:
        page.add_section(f"{LEAKY} and honest accuracy compared", *_leak_blocks(found))
    page.add_section("Methods", *_methods())
    return page


def _methods() -> list[Block]:
    rows = [
        (
            "Accuracy",
            "Share of test tracks that are classified correctly. The prediction for a track is the class with the "
            "highest mean probability over its rows.",
        ),
        (
            "Choice of models",
            "Models are ordered, and chosen for headline and tests, by their accuracy on the validation tracks. Test "
            "accuracies choose nothing: the best of many test accuracies is too high by selection.",
        ),
        ("Majority baseline", "Accuracy of always predicting the most frequent class of the test tracks."),
        (
            "95 % intervals",
            "Percentile bootstrap over test tracks (Efron and Tibshirani, An introduction to the bootstrap, 1993): "
            "variation by the choice of test tracks, without that of another training.",
        ),
        (
            "Paired tests",
            "Exact McNemar test (McNemar, Psychometrika 12(2), 1947): of the tracks on which two models differ, each "
            "should win half if they are equally good. p is multiplied by the number of tests on the same tracks "
            "(Bonferroni).",
        ),
        (
            "Confidence",
            "Probability of the predicted class, after the temperature on the card, which was fitted to validation "
            "tracks (Guo et al., On calibration of modern neural networks, ICML 2017).",
        ),
        (
            "Calibration error",
            "Expected calibration error: mean difference between confidence and accuracy over ten bins of confidence, "
            "weighted by the tracks of each bin (Naeini et al., AAAI 2015), with a basic bootstrap interval. Even "
            "perfectly calibrated confidences have an error above zero on few tracks; that error by chance is "
            "simulated by drawing correct answers with the confidences as probabilities (Bröcker and Smith, Weather "
            "and Forecasting 22(3), 2007).",
        ),
        (
            "Files",
            "metrics.json: all figures of this page. predictions.csv: every prediction. wrong_by_all.csv: all tracks "
            "that every model gets wrong. figures: pictures for papers as PNG, PDF and SVG.",
        ),
    ]
    return [text(*(f"{name}. {words}" for name, words in rows))]


def _overview(found: Comparison) -> list[Block]:
    count = len(found.models)
    blocks = [
        text(
            f"{count} model{'' if count == 1 else 's'}. Models are ranked only if they were tested under the same "
            "protocol on the same tracks; each such group has a section."
        )
    ]
    if found.broken:
        blocks.append(note(f"Left out, because they cannot be read: {' '.join(found.broken)}", warning=True))
    if found.skipped:
        blocks.append(note(f"Folders without a model: {', '.join(found.skipped)}."))
    early = [model.name for model in found.models if model.interrupted]
    if early:
        blocks.append(note(f"Training ended early: {', '.join(early)}.", warning=True))
    rows: list[Sequence[Cell]] = []
    for section in found.sections:
        best = section.best()
        top = best[0] if best else section.models[0]
        rows.append(
            [
                section.title,
                str(top.scores.tracks.accuracy),
                shortened(top.name, _NAME_LETTERS),
                section.majority_baseline,
                len(section.models),
                ", ".join(map(kind_name, section.kinds)),
            ]
        )
    header = ["group", "test accuracy of the best, 95 % interval", "best by validation", "majority baseline"]
    blocks.append(table([*header, "models", "kinds"], rows, "Groups of models; not comparable across groups"))
    return blocks


def _section_blocks(section: Section, pictures: _Pictures, best: ModelResult | None) -> Iterator[Block]:
    leaky = f"{LEAKY}: " if section.leaky else ""
    first = section.models[0]
    if section.leaky:
        yield note(_LEAKY_WARNING, warning=True)
    yield text(f"Protocol {first.protocol}: {section.description or 'no description'}.")
    yield _accuracy_table(section)
    if len(section.models) > 1:
        yield _figure(
            accuracy_chart(section.models, section.title, section.majority_baseline),
            f"{leaky}Test accuracy by track with 95 % interval, {section.title}. Overlapping intervals do not prove "
            "that models are equal; see the paired tests, which compare them track by track.",
            pictures.still("accuracy", section.identifier),
        )
    if section.tests:
        yield text(*(f"{test.chosen[0].upper()}{test.chosen[1:]}: {test}" for test in section.tests))
    if len(section.informed) > 1:
        yield _wrong_block(section, leaky)
    for model in section.models:
        yield _model_block(model, leaky, pictures, opened=model is best)


def _figure(chart: Chart, caption: str, still: str = "") -> Block:
    return figure(plotly_json(chart), caption, height=chart.pixels, still=still)


def _accuracy_table(section: Section) -> Block:
    by_row = any(model.by_row for model in section.models)
    header = ["model", "test accuracy, 95 % interval", "validation accuracy", "macro-F1, 95 % interval"]
    header += [*(["test accuracy by row"] if by_row else []), "calibration error (by chance)", "kind", "trained on"]
    rows = []
    for model in section.models:
        found = model.reliability
        rows.append(
            [
                shortened(shown_name(model), _NAME_LETTERS),
                str(model.scores.tracks.accuracy),
                model.validation,
                str(model.scores.tracks.macro_f1),
                *([str(model.scores.rows.accuracy)] if by_row else []),
                f"{found.error.value:.3f} ({found.by_chance.value:.3f}){'' if model.is_calibrated else ' †'}",
                kind_name(model.kind),
                shortened(model.data, _NAME_LETTERS),
            ]
        )
    explained = "" if all(model.is_calibrated for model in section.models) else "; † not calibrated"
    return table(
        header,
        rows,
        f"{section.title}; by track, ordered by validation accuracy; majority baseline "
        f"{section.majority_baseline:.3f}{explained}",
    )


def _calibration_words(model: ModelResult) -> str:
    found = model.reliability
    fullest = max(found.bins, key=lambda each: each.count)
    known = ["none" if temperature is None else f"{temperature:.2f}" for temperature in model.temperatures]
    without = f"without {'it' if len(known) == 1 else 'them'} the error would be {found.uncalibrated:.3f}"
    if set(known) == {"none"}:
        fitted = "Not calibrated: there is no temperature on the card."
    elif len(known) == 1:
        fitted = f"Temperature {known[0]}; {without}."
    else:
        fitted = f"Temperatures of the folds {', '.join(known)}; {without}."
    chance = f"what perfectly calibrated confidences give by chance on these tracks, {found.by_chance}"
    error = (
        f"larger than {chance}: the confidences are miscalibrated."
        if found.beyond_chance
        else f"within {chance}: no evidence of miscalibration."
    )
    return (
        f"Mean confidence {found.confidence:.3f}, accuracy {found.accuracy:.3f}. In the largest bin, confidence "
        f"{fullest.low:.1f} to {fullest.high:.1f} with {fullest.count} of {len(model.tracks)} test tracks, the mean "
        f"confidence is {fullest.confidence:.3f} and the accuracy {fullest.accuracy.value:.3f}. Expected calibration "
        f"error {found.error}, {error} {fitted}"
    )


def _wrong_block(section: Section, leaky: str) -> Block:
    wrong, models = section.wrong_by_all(), section.informed
    first, count = models[0], len(models)
    everyone = "both models" if count == 2 else f"all {count} models"
    heading = f"{leaky}Test tracks that {everyone} get wrong: {len(wrong)} of {len(first.tracks)}"
    if not len(wrong):
        return text(f"{heading}.")
    columns = count <= _COLUMNS_SHOWN
    header = ["track", "true class", *([shortened(model.name) for model in models] if columns else ["predicted"])]
    rows = []
    for k in wrong[:_WRONG_SHOWN]:
        answers = [str(model.answers[k]) for model in models]
        counted = ", ".join(f"{shortened(name)} × {number}" for name, number in Counter(answers).most_common())
        names = [shortened(answer) for answer in answers] if columns else [counted]
        rows.append([shortened(str(first.tracks[k]), _NAME_LETTERS), shortened(str(first.labels[k])), *names])
    rest = f"; the first {_WRONG_SHOWN} of {len(wrong)}, all are in wrong_by_all.csv" if len(wrong) > len(rows) else ""
    return details(heading, table(header, rows, f"{leaky}Predicted classes, {section.title}{rest}"))


def _model_block(model: ModelResult, leaky: str, pictures: _Pictures, *, opened: bool) -> Block:
    where = f"protocol {model.protocol}{f', {model.fold}' if model.fold else ''}"
    heading = (
        f"{leaky}{shown_name(model)}, {where}: confusion matrix, scores of each class, calibration, learning curve"
    )
    scores: list[Sequence[Cell]] = [
        [
            shortened(name),
            each["precision"],
            each["recall"],
            each["f1"],
            each["average_precision"],
            int(each["support"]),
        ]
        for name, each in model.per_class().items()
    ]
    counts, shares = confusion_charts(model)
    blocks = [
        beside(
            _figure(
                counts,
                f"{leaky}Confusion matrix of {model.name}, {where}: number of test tracks; "
                f"{int(model.confusion().trace())} of {len(model.tracks)} are correct.",
                pictures.still("confusion", model.name),
            ),
            _figure(shares, f"{leaky}The same in per cent of each row, which is the true class."),
        ),
        *_zoom_blocks(model, leaky, where),
        table(
            ["class", "precision", "recall", "F1", "average precision", "test tracks"],
            scores,
            f"{leaky}Classes of {model.name}, {where}",
        ),
        _figure(
            reliability_chart(model),
            f"{leaky}Reliability of {model.name}, {where}: accuracy against confidence in bins of 0.1, with 95 % "
            "intervals (Wilson) and, on top, the number of test tracks. Below the diagonal the model is overconfident, "
            "above it underconfident.",
            pictures.still("reliability", model.name),
        ),
        text(_calibration_words(model)),
        _figure(
            precision_recall_chart(model),
            f"{leaky}Precision against recall of {model.name}, {where}: each class at every limit of its "
            "probability, with its average precision; of many classes the best and the worst.",
        ),
    ]
    if model.pooled:
        blocks.insert(0, text(f"The test tracks of {', '.join(model.pooled)} together; each was tested once."))
    if model.history is not None:
        loss, accuracy = curve_charts([(model.name, model.history, model.best_epoch)])
        blocks.append(
            beside(
                _figure(
                    loss,
                    f"{leaky}Learning curve of {model.name}, {where}: loss of each epoch, by row."
                    f"{thinning_words([model.history])}",
                    pictures.still("learning", model.name),
                ),
                _figure(accuracy, f"{leaky}The same for the accuracy of each epoch, by row."),
            )
        )
    elif not model.pooled:
        blocks.append(text("Not trained in epochs: no learning curve."))
    return details(heading, *blocks, opened=opened)


def _zoom_blocks(model: ModelResult, leaky: str, where: str) -> Iterator[Block]:
    """Show the classes of a large confusion matrix that are confused most, and which pairs."""
    classes = zoomed_classes(model)
    if classes is None:
        return
    counts, shares = confusion_charts(model, classes)
    yield beside(
        _figure(
            counts,
            f"{leaky}The {len(classes)} classes of {model.name}, {where}, that are confused most, in test tracks; "
            "classes that are confused with each other stand side by side in both matrices.",
        ),
        _figure(shares, f"{leaky}The same in per cent of all test tracks of the true class."),
    )
    confusion = model.confusion()
    np.fill_diagonal(confusion, 0)
    pairs = np.argsort(-confusion, axis=None, kind="stable")[:_CONFUSED_PAIRS]
    rows: list[Sequence[Cell]] = [
        [shortened(model.classes[i]), shortened(model.classes[j]), int(confusion[i, j])]
        for i, j in zip(*np.unravel_index(pairs, confusion.shape), strict=True)
        if confusion[i, j]
    ]
    yield table(
        ["true class", "predicted class", "test tracks"], rows, f"{leaky}Most frequent confusions of {model.name}"
    )


def _repeats_blocks(found: Comparison) -> Iterator[Block]:
    yield text(
        "The same settings with other seeds or on other folds. The spread is the standard deviation over the runs: it "
        "measures the effect of other initial weights and other splits. The interval is a bootstrap over tracks, each "
        "with its predictions in all runs."
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
                    f"{accuracy.accuracy.value:.3f} ± {accuracy.spread:.3f}",
                    f"[{accuracy.accuracy.low:.3f}, {accuracy.accuracy.high:.3f}]",
                    f"{each.macro_f1:.3f} ± {each.macro_f1_spread:.3f}",
                    f"{accuracy.runs}{early}",
                    ", ".join(map(str, each.seeds)),
                    len(each.folds) or None,
                    f"{'LEAKY ' if leaky else ''}{each.protocol}",
                    kind_name(each.kind),
                    shortened(each.data, _NAME_LETTERS),
                ]
            )
        if rows:
            header = [
                "variant", "test accuracy, mean ± spread", "95 % interval", "macro-F1, mean ± spread", "runs", "seeds",
                "folds", "protocol", "kind", "trained on",
            ]  # fmt: skip
            yield table(header, rows, f"{'LEAKY: repeated' if leaky else 'Repeated'} trainings; scores by track")


def _leak_blocks(found: Comparison) -> Iterator[Block]:
    yield text(
        f"The same variant on the same table, with rows split at random ({LEAKY}) and with tracks kept whole (honest). "
        "The test rows differ, so a small difference can be chance; a large one is the leak."
    )
    yield table(
        [
            "variant",
            "trained on",
            "by row, LEAKY",
            "by row, honest",
            "difference",
            "by track, LEAKY",
            "by track, honest",
        ],
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
        if len(section.informed) > 1
        for k in section.wrong_by_all()
        for model in section.informed
    ]
    return pd.DataFrame(lines, columns=["section", "track", "label", "model", "predicted", "confidence"])


def _csv(rows: pd.DataFrame, *, excel_safe: bool) -> bytes:
    if excel_safe:
        rows = rows.map(safe_cell).rename(columns=safe_cell)
    return csv_text(rows).encode("utf-8", "backslashreplace")
