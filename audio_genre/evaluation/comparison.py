"""Compare trained models: which can be ranked, paired tests, tracks that all get wrong, effect of leaky protocols.

Everything is computed from the predictions of the test rows that training has written; validation rows alone decide
which models are tested against each other.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre._version import __version__
from audio_genre.bundles.bundle import killed_words, missing_bundles
from audio_genre.bundles.card import CARD
from audio_genre.datasets import DEFAULT_PROTOCOL
from audio_genre.errors import BundleError, ReportError
from audio_genre.evaluation.results import ModelResult, kind_name, measured, read_result
from audio_genre.metrics import Interval, Repeated, Score, repeated, sign_test

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

Progress = Callable[[int, int, str], None]
"""Is told the steps done, the steps in all, and what is done now."""

LEAKY = "LEAKY"
"""The word that stands on everything that a leaky protocol measured."""

FIGURES = "figures"
"""Folder of the pictures in a report."""

MAJORITY = "majority"
"""Variant that always predicts the most frequent class, and so says nothing about which tracks are hard."""

_SIGNIFICANT = 0.05
_STEPS_PER_MODEL = 4


@dataclass(frozen=True)
class PairedTest:
    """The exact McNemar test between two models on the same test tracks.

    McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 12(2), 1947; exact, because it takes the binomial distribution of the discordant pairs.

    Attributes
    ----------
    first, second : str
        Names of the models.
    chosen : str
        Why these two.
    leaky : bool
        Whether both were measured under a leaky protocol.
    both, only_first, only_second, neither : int
        Tracks that both, one or none of them classified correctly.
    p : float
        Probability of a difference as large as this or larger if neither model were better.
    p_adjusted : float
        `p` times the number of tests on these tracks, at most 1 (Bonferroni).
    tests : int
        That number.
    """

    first: str
    second: str
    chosen: str
    leaky: bool
    both: int
    only_first: int
    only_second: int
    neither: int
    p: float
    p_adjusted: float
    tests: int

    @property
    def better(self) -> str | None:
        """The model that is better beyond chance; None if there is no evidence."""
        if self.p_adjusted >= _SIGNIFICANT:
            return None
        return self.first if self.only_first > self.only_second else self.second

    def __str__(self) -> str:
        count = self.both + self.only_first + self.only_second + self.neither
        adjusted = f", {self.p_adjusted:.3f} after Bonferroni correction for {self.tests} tests"
        verdict = "no significant difference" if self.better is None else f"{self.better} is significantly better"
        return (
            f"{f'{LEAKY}: ' if self.leaky else ''}{self.first} and {self.second} on the same {count} test tracks: "
            f"both are right on {self.both}, only {self.first} on {self.only_first}, only {self.second} on "
            f"{self.only_second}, neither on {self.neither}. Exact McNemar test: {_p(self.p)}"
            f"{adjusted if self.tests > 1 else ''}; {verdict}."
        )


@dataclass(frozen=True, eq=False)
class Section:
    """Models that were measured under one protocol on the same test tracks, so that they can be ranked.

    Attributes
    ----------
    identifier : str
        A short name for files and links.
    title : str
        Protocol, seed or folds, and the number of test tracks.
    leaky : bool
        Whether the protocol is leaky.
    description : str
        What the protocol does.
    models : tuple of ModelResult
        The models, that with the highest validation accuracy first.
    tests : tuple of PairedTest
        Tests between the best of them.
    """

    identifier: str
    title: str
    leaky: bool
    description: str
    models: tuple[ModelResult, ...]
    tests: tuple[PairedTest, ...]

    @property
    def majority_baseline(self) -> float:
        """Accuracy of always predicting the class that most test tracks have."""
        _, counts = np.unique(self.models[0].labels, return_counts=True)
        return float(counts.max() / counts.sum())

    @property
    def informed(self) -> tuple[ModelResult, ...]:
        """Models that look at the music: all but those that always predict one class, unless there are no others."""
        return tuple(model for model in self.models if model.variant != MAJORITY) or self.models

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of the models, each once."""
        return tuple(dict.fromkeys(model.kind for model in self.models))

    def best(self) -> list[ModelResult]:
        """Return the best model of each kind by validation accuracy, the best first; none where that is unknown."""
        return _best_of(self.models, lambda model: model.kind)

    def wrong_by_all(self) -> NDArray[np.intp]:
        """Return the numbers of the test tracks that no informed model classified correctly."""
        return np.flatnonzero(np.all([model.answers != model.labels for model in self.informed], axis=0))


@dataclass(frozen=True)
class Repeats:
    """Several trainings with the same settings on the same data under the same protocol: other seeds, other folds.

    Attributes
    ----------
    kind, variant, data, protocol : str
        What was trained on what, and how it was measured.
    leaky : bool
        Whether the protocol is leaky.
    models : tuple of str
        Names of the models.
    seeds : tuple of int
        Their seeds, each once.
    folds : tuple of str
        Their folds, each once; empty where there are none.
    interrupted : int
        How many of them were ended early.
    accuracy : Repeated
        Accuracy by track.
    macro_f1, macro_f1_spread : float
        Mean and standard deviation of the macro-F1 by track over the runs.
    """

    kind: str
    variant: str
    data: str
    protocol: str
    leaky: bool
    models: tuple[str, ...]
    seeds: tuple[int, ...]
    folds: tuple[str, ...]
    interrupted: int
    accuracy: Repeated
    macro_f1: float
    macro_f1_spread: float


@dataclass(frozen=True)
class Leak:
    """One variant on one table under a leaky protocol and under one that keeps tracks together.

    Attributes
    ----------
    kind, variant, data : str
        What was trained on what.
    leaky_protocol, protocol : str
        The two protocols.
    leaky_models, models : tuple of str
        Names of the models.
    leaky_rows, rows, leaky_tracks, tracks : float
        Mean accuracy over the models, by row and by track.
    several_rows : bool
        Whether tracks have several rows, without which nothing can leak.
    same_settings : bool
        Whether both were trained with the same settings.
    """

    kind: str
    variant: str
    data: str
    leaky_protocol: str
    protocol: str
    leaky_models: tuple[str, ...]
    models: tuple[str, ...]
    leaky_rows: float
    rows: float
    leaky_tracks: float
    tracks: float
    several_rows: bool
    same_settings: bool

    @property
    def gap(self) -> float:
        """How much higher the accuracy by row is under the leaky protocol."""
        return self.leaky_rows - self.rows

    def __str__(self) -> str:
        figures = (
            f"{self.variant} on {self.data}: accuracy by row {self.leaky_rows:.3f} under protocol "
            f"{self.leaky_protocol} ({LEAKY}) and {self.rows:.3f} under protocol {self.protocol}"
        )
        if not self.several_rows:
            return f"{figures}; each track has one row, so nothing can leak: only the test tracks differ."
        other = "; the settings of the two differ" if not self.same_settings else ""
        if self.gap <= 0:
            return f"{figures}{other}; no leak is visible."
        return (
            f"{figures}{other}; the difference of {self.gap:.3f} comes from rows of the same tracks in the training "
            "data: expect the lower accuracy on new music."
        )


@dataclass(frozen=True, eq=False)
class Comparison:
    """What comparing the models of a folder gave.

    Attributes
    ----------
    models : tuple of ModelResult
        Every model that could be read, by name.
    sections : tuple of Section
        Models that can be ranked together, honest protocols first.
    repeats : tuple of Repeats
        Mean and spread over seeds and folds.
    leaks : tuple of Leak
        What leaky protocols add.
    broken : tuple of str
        A sentence for each model that could not be read.
    skipped : tuple of str
        Names of folders that hold no model.
    report : Path
        The page.
    """

    models: tuple[ModelResult, ...]
    sections: tuple[Section, ...]
    repeats: tuple[Repeats, ...]
    leaks: tuple[Leak, ...]
    broken: tuple[str, ...]
    skipped: tuple[str, ...]
    report: Path = field(repr=False)

    def best(self) -> tuple[Section, ModelResult] | None:
        """Return the best honest model, chosen by validation accuracy, with its section; None where there is none.

        Models of different sections cannot be ranked, and so the section with the most models counts, and the default
        protocol before others.
        """
        known = [(section, section.best()) for section in self.sections if not section.leaky]
        ranked = sorted(
            ((section, best[0]) for section, best in known if best),
            key=lambda each: (-len(each[0].informed), each[0].models[0].protocol != DEFAULT_PROTOCOL),
        )
        return ranked[0] if ranked else None

    def headline(self) -> str:
        """Return the result in a sentence."""
        best = self.best()
        if best is not None:
            section, model = best
            count = len(model.tracks)
            return (
                f"Best honest model: {model.name}, accuracy {model.scores.tracks.accuracy} on {count} test "
                f"track{'' if count == 1 else 's'}; majority baseline {section.majority_baseline:.3f}."
            )
        if all(section.leaky for section in self.sections):
            return f"No honest result: every model was tested under a {LEAKY} protocol."
        return "No best model: the validation accuracies are unknown, and test accuracies choose nothing."

    def to_frame(self) -> pd.DataFrame:
        """Return a table of the models."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "name": model.name,
                    "section": section.identifier,
                    "kind": model.kind,
                    "variant": model.variant,
                    "trained_on": model.data,
                    "protocol": model.protocol,
                    "leaky": model.leaky,
                    "fold": model.fold,
                    "seed": model.seed,
                    "interrupted": model.interrupted,
                    "n_test": model.scores.tracks.count,
                    **_columns("accuracy", model.scores.tracks.accuracy),
                    **_columns("macro_f1", model.scores.tracks.macro_f1),
                    "validation_accuracy": math.nan if model.validation is None else model.validation,
                    "majority_baseline": section.majority_baseline,
                    "calibration_error": model.reliability.error.value,
                }
                for section in self.sections
                for model in section.models
            ]
        )

    def as_json(self) -> dict[str, Any]:
        """Return everything that was found as plain data, which is what ``metrics.json`` holds."""
        best = self.best()
        return {
            "audio_genre": __version__,
            "headline": self.headline(),
            "best_model": best[1].name if best else None,
            "models": [_model_json(model, section.identifier) for section in self.sections for model in section.models],
            "sections": [
                {
                    "identifier": section.identifier,
                    "title": section.title,
                    "protocol": section.models[0].protocol,
                    "leaky": section.leaky,
                    "n_test": len(section.models[0].tracks),
                    "majority_baseline": section.majority_baseline,
                    "models": [model.name for model in section.models],
                    "wrong_by_all": section.models[0].tracks[section.wrong_by_all()].tolist(),
                }
                for section in self.sections
            ],
            "tests": [
                {"section": section.identifier, **asdict(test), "better": test.better, "words": str(test)}
                for section in self.sections
                for test in section.tests
            ],
            "repeats": [asdict(each) for each in self.repeats],
            "leaks": [{**asdict(leak), "gap": leak.gap, "words": str(leak)} for leak in self.leaks],
            "broken": list(self.broken),
            "skipped": list(self.skipped),
        }


def compare_models(models: Path, report: Path, *, progress: Progress | None = None) -> tuple[Comparison, Steps]:
    """Compare the models of a folder, writing nothing; `report` is where the report will be."""
    folders, skipped = _find_models(models, report)
    if (report / CARD).exists():
        raise ReportError(f"{report} is the folder of a model; choose another folder for the report.")
    steps = Steps(progress, _STEPS_PER_MODEL * len(folders))
    results, broken = [], [killed_words(models / name) for name in missing_bundles(models)]
    for folder in folders:
        steps.take(f"reading {folder.name}")
        try:
            result = read_result(folder)
            # What the report asks of each model, so that none fails there.
            _model_json(result, "")
        except BundleError as error:
            broken.append(str(error))
        except Exception as error:
            # Whatever a stranger's model has in it, the others are compared.
            broken.append(
                f"{folder} is left out, because its files cannot be interpreted ({type(error).__name__}); train the "
                "model again, and report this if audio-genre wrote it."
            )
        else:
            results.append(result)
    if not results:
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        raise BundleError(f"No model in {models} can be read: {broken[0].rstrip('.')}{more}.")
    found = Comparison(
        models=tuple(results),
        sections=sections_of([*results, *pooled_folds(results)]),
        repeats=repeats_of(results),
        leaks=leaks_of(results),
        broken=tuple(broken),
        skipped=tuple(skipped),
        report=report / "report.html",
    )
    return found, steps


def sections_of(results: Sequence[ModelResult]) -> tuple[Section, ...]:
    """Put models together that can be ranked: the same protocol, the same classes, the same test tracks."""
    together: dict[Any, list[ModelResult]] = defaultdict(list)
    for result in results:
        together[_test_set(result)].append(result)
    groups = [sorted(models, key=_validation_order) for models in together.values()]
    groups.sort(
        key=lambda models: (models[0].leaky, models[0].protocol, not models[0].pooled, _what_was_tested(models))
    )
    titles = [_title(models) for models in groups]
    sections: list[Section] = []
    for number, (models, title) in enumerate(zip(groups, titles, strict=True)):
        alike = f", test set {titles[: number + 1].count(title)}" if titles.count(title) > 1 else ""
        first = models[0]
        slug = re.sub(r"[^A-Za-z0-9_-]+", "-", first.protocol)[:40].strip("-") or "protocol"
        sections.append(
            Section(
                identifier=f"{slug}-{number + 1}",
                title=title + alike,
                leaky=first.leaky,
                description=first.description,
                models=tuple(models),
                tests=_tests_between(models),
            )
        )
    return tuple(sections)


def paired_test(first: ModelResult, second: ModelResult, *, chosen: str = "", tests: int = 1) -> PairedTest:
    """Test whether one of two models is better on the same tracks."""
    right, other = first.answers == first.labels, second.answers == second.labels
    only_first, only_second = int(np.sum(right & ~other)), int(np.sum(~right & other))
    p = sign_test(only_first, only_second)
    return PairedTest(
        first=first.name,
        second=second.name,
        chosen=chosen,
        leaky=first.leaky,
        both=int(np.sum(right & other)),
        only_first=only_first,
        only_second=only_second,
        neither=int(np.sum(~right & ~other)),
        p=p,
        p_adjusted=min(1.0, p * tests),
        tests=tests,
    )


def pooled_folds(results: Sequence[ModelResult]) -> list[ModelResult]:
    """Put the predictions of the folds of one training together, so that each track is tested once."""
    import pandas as pd

    folded: dict[Any, list[ModelResult]] = defaultdict(list)
    for result in results:
        if result.fold:
            folded[(*_training(result), result.seed, frozenset(result.classes))].append(result)
    pooled, taken = [], {result.name for result in results}
    for folds in folded.values():
        models = _without_copies(folds)
        rows = pd.concat([model.rows[["item", "track"]] for model in models])
        if len(models) < 2 or rows.duplicated().any():
            continue
        first = models[0]
        stem = first.name.replace(f"-{first.fold}", "", 1)
        name = f"{stem} ({len(models)} folds)"
        while name in taken:
            name += " again"
        taken.add(name)
        known = [model.validation for model in models if model.validation is not None]
        pooled.append(
            measured(
                [(model.rows, model.temperatures[0]) for model in models],
                classes=first.classes,
                seed=first.seed,
                name=name,
                kind=first.kind,
                variant=first.variant,
                settings=first.settings,
                data=first.data,
                data_sha256=first.data_sha256,
                protocol=first.protocol,
                description=first.description,
                leaky=first.leaky,
                fold="",
                interrupted=any(model.interrupted for model in models),
                best_epoch=0,
                validation=float(np.mean(known)) if len(known) == len(models) else None,
                history=None,
                pooled=tuple(model.name for model in models),
            )
        )
    return pooled


def repeats_of(results: Sequence[ModelResult]) -> tuple[Repeats, ...]:
    """Summarise trainings that differ in nothing but seed and fold."""
    alike: dict[Any, list[ModelResult]] = defaultdict(list)
    for result in results:
        alike[_training(result)].append(result)
    found = []
    for models in alike.values():
        runs = _without_copies(models)
        if len(runs) < 2:
            continue
        first, f1 = runs[0], [run.scores.tracks.macro_f1.value for run in runs]
        found.append(
            Repeats(
                kind=first.kind,
                variant=first.variant,
                data=first.data,
                protocol=first.protocol,
                leaky=first.leaky,
                models=tuple(run.name for run in runs),
                seeds=tuple(sorted({run.seed for run in runs})),
                folds=tuple(sorted({run.fold for run in runs if run.fold})),
                interrupted=sum(run.interrupted for run in runs),
                accuracy=repeated([run.tracks for run in runs], [run.answers == run.labels for run in runs]),
                macro_f1=float(np.mean(f1)),
                macro_f1_spread=float(np.std(f1, ddof=1)),
            )
        )
    return tuple(sorted(found, key=lambda each: (each.leaky, each.protocol, each.kind, each.variant, each.data)))


def leaks_of(results: Sequence[ModelResult]) -> tuple[Leak, ...]:
    """Find models of one variant on one table that were measured under a leaky protocol and by track."""
    alike: dict[Any, dict[str, list[ModelResult]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        alike[result.kind, result.variant, result.data_sha256 or result.data][result.protocol].append(result)
    leaks = []
    for by_protocol in alike.values():
        honest = by_protocol.get(DEFAULT_PROTOCOL, [])
        for protocol, flattered in by_protocol.items():
            if not honest or not flattered[0].leaky:
                continue
            first = honest[0]
            leaks.append(
                Leak(
                    kind=first.kind,
                    variant=first.variant,
                    data=first.data,
                    leaky_protocol=protocol,
                    protocol=DEFAULT_PROTOCOL,
                    leaky_models=tuple(model.name for model in flattered),
                    models=tuple(model.name for model in honest),
                    leaky_rows=_mean(model.scores.rows for model in flattered),
                    rows=_mean(model.scores.rows for model in honest),
                    leaky_tracks=_mean(model.scores.tracks for model in flattered),
                    tracks=_mean(model.scores.tracks for model in honest),
                    several_rows=any(model.by_row for model in honest),
                    same_settings=len({model.settings for model in (*flattered, *honest)}) == 1,
                )
            )
    return tuple(sorted(leaks, key=lambda leak: (leak.data, leak.kind, leak.variant)))


class Steps:
    """Counts steps for a progress line."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def take(self, what: str) -> None:
        """Tell that a step begins."""
        self._done = min(self._done + 1, self._total)
        if self._progress is not None:
            self._progress(self._done, self._total, what)


def _find_models(models: Path, report: Path) -> tuple[list[Path], list[str]]:
    """Return the folders of models, and the names of those that hold none."""
    if (models / CARD).is_file():
        raise BundleError(f"{models} is one model; give the folder that contains the folders of the models.")
    try:
        entries = sorted(models.iterdir())
    except OSError as error:
        raise BundleError(f"{models} cannot be read: {error.strerror}; give the folder of the models.") from None
    # What begins with a dot is unfinished work of a training.
    folders = [entry for entry in entries if not entry.name.startswith(".") and _is_there(entry, Path.is_dir)]
    found = [folder for folder in folders if _is_there(folder / CARD, Path.exists)]
    # The report may lie here, and its pictures in a folder below it.
    own = (report / FIGURES).resolve()
    others = [folder for folder in folders if folder not in found and not own.is_relative_to(folder.resolve())]
    # A folder of other models, such as those that ship, is no broken one.
    skipped = [folder.name for folder in others if not any(folder.glob(f"*/{CARD}"))]
    if not found:
        for name in missing_bundles(models):
            raise BundleError(killed_words(models / name))
        raise BundleError(f"{models} holds no model; train one with `audio-genre train`.")
    return found, skipped


def _is_there(path: Path, is_so: Callable[[Path], bool]) -> bool:
    """Tell whether something is there; what may not be looked at is, and why not is told when it is read."""
    try:
        return is_so(path)
    except OSError:
        return True


def _test_set(result: ModelResult) -> Any:
    """Return what must be equal for two models to be ranked."""
    # Under a leaky protocol a track is in several subsets, and which of its rows were tested matters.
    rows = frozenset(result.rows["item"]) if result.leaky and result.by_row else None
    tracks = frozenset(zip(result.tracks.tolist(), result.labels.tolist(), strict=True))
    return result.protocol, result.leaky, frozenset(result.classes), bool(result.pooled), tracks, rows


def _training(result: ModelResult) -> tuple[Any, ...]:
    """Return what two runs of the same training share."""
    return (
        result.kind, result.variant, result.settings, result.data_sha256 or result.data, result.protocol, result.leaky,
        frozenset(result.classes),
    )  # fmt: skip


def _without_copies(models: Iterable[ModelResult]) -> list[ModelResult]:
    """Return one model for each seed and fold, one that was trained to the end where there is one."""
    one: dict[tuple[int, str], ModelResult] = {}
    for model in sorted(models, key=lambda model: (model.seed, model.fold, model.interrupted, model.name)):
        one.setdefault((model.seed, model.fold), model)
    return list(one.values())


def _validation_order(model: ModelResult) -> tuple[float, str]:
    """Sort by validation accuracy, the highest first, and those without one last."""
    return math.inf if model.validation is None else -model.validation, model.name


def _best_of(models: Iterable[ModelResult], key: Callable[[ModelResult], Any]) -> list[ModelResult]:
    """Return the model with the highest validation accuracy for each key, the best first."""
    best: dict[Any, ModelResult] = {}
    for model in sorted(models, key=_validation_order):
        if model.validation is not None:
            best.setdefault(key(model), model)
    return list(best.values())


def _tests_between(models: Sequence[ModelResult]) -> tuple[PairedTest, ...]:
    """Test the best two trainings, and the best of each kind against that of every other, chosen by validation."""
    pairs: dict[frozenset[str], tuple[ModelResult, ModelResult, str]] = {}
    two = _best_of(models, _training)[:2]
    if len(two) == 2:
        pairs[frozenset(model.name for model in two)] = (two[0], two[1], "best two models by validation accuracy")
    best = _best_of(models, lambda model: model.kind)
    for k, first in enumerate(best):
        for second in best[k + 1 :]:
            why = f"best {kind_name(first.kind)} and best {kind_name(second.kind)} by validation accuracy"
            pairs.setdefault(frozenset((first.name, second.name)), (first, second, why))
    return tuple(paired_test(first, second, chosen=why, tests=len(pairs)) for first, second, why in pairs.values())


def _what_was_tested(models: Sequence[ModelResult]) -> tuple[Any, ...]:
    first = min(models, key=lambda model: (model.fold, model.seed, model.name))
    return first.fold, first.seed, -len(models), first.name


def _title(models: Sequence[ModelResult]) -> str:
    first = models[0]
    parts = [f"{LEAKY} protocol {first.protocol}" if first.leaky else f"Protocol {first.protocol}"]
    if first.pooled:
        parts.append(f"{len(first.pooled)} folds pooled")
    folds, seeds = sorted({model.fold for model in models} - {""}), sorted({model.seed for model in models})
    if len(folds) == 1:
        parts.append(folds[0])
    if len(seeds) == 1:
        parts.append(f"seed {seeds[0]}")
    count = len(first.tracks)
    return f"{', '.join(parts)}: {count} test track{'' if count == 1 else 's'}"


def _mean(scores: Iterable[Score]) -> float:
    return float(np.mean([each.accuracy.value for each in scores]))


def _p(p: float) -> str:
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"


def _columns(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _ends(interval: Interval) -> list[float]:
    return [interval.low, interval.high]


def _model_json(model: ModelResult, section: str) -> dict[str, Any]:
    tracks, rows = model.scores.tracks, model.scores.rows
    return {
        "name": model.name,
        "section": section,
        "kind": model.kind,
        "variant": model.variant,
        "trained_on": model.data,
        "protocol": model.protocol,
        "leaky": model.leaky,
        "fold": model.fold,
        "seed": model.seed,
        "interrupted": model.interrupted,
        "pooled_from": list(model.pooled),
        "validation_accuracy": model.validation,
        "n_test": tracks.count,
        "accuracy": tracks.accuracy.value,
        "accuracy_ci95": _ends(tracks.accuracy),
        "macro_f1": tracks.macro_f1.value,
        "macro_f1_ci95": _ends(tracks.macro_f1),
        "rows": {
            "n_test": rows.count,
            "accuracy": rows.accuracy.value,
            "accuracy_ci95": _ends(rows.accuracy),
            "macro_f1": rows.macro_f1.value,
            "macro_f1_ci95": _ends(rows.macro_f1),
        },
        "calibration": _calibration_json(model),
        "classes": list(model.classes),
        "per_class": model.per_class(),
        "confusion": model.confusion().tolist(),
    }


def _calibration_json(model: ModelResult) -> dict[str, Any]:
    found = model.reliability
    return {
        "temperatures": list(model.temperatures),
        "ece": found.error.value,
        "ece_ci95": _ends(found.error),
        "ece_uncalibrated": found.uncalibrated,
        "ece_by_chance": found.by_chance.value,
        "ece_by_chance_ci95": _ends(found.by_chance),
        "mean_confidence": found.confidence,
        "bins": [
            {
                "from": each.low,
                "to": each.high,
                "n_test": each.count,
                "confidence": each.confidence,
                "accuracy": each.accuracy.value,
                "accuracy_ci95": _ends(each.accuracy),
            }
            for each in found.bins
        ],
    }
