"""What labels alone tell: classes of unlike size, one class under several names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from audio_genre.audit.findings import Finding, Severity, counted
from audio_genre.datasets.class_names import codes, variants

_MIN_TRACKS = 3
_UNEQUAL = 2.0
_VERY_UNEQUAL = 10.0


def audit_labels(rows: Mapping[str, int], tracks: Mapping[str, int], written: Iterable[str]) -> list[Finding]:
    """Look at the labels of a table, or at the genres' folders.

    Examples
    --------
    >>> [found.kind for found in audit_labels({"rock": 9, "Rock": 9}, {"rock": 9, "Rock": 9}, ["rock", "Rock"])]
    ['label_variants']
    """
    findings = [*_missing(rows), *_variants(written), *_codes(rows)]
    named = {label: number for label, number in tracks.items() if label}
    if len(named) < 2 and not (len(named) == 0 and rows.get("")):
        only = f"only the class {next(iter(named))!r}" if named else "no class"
        findings.append(
            Finding(
                "single_class",
                "warning",
                f"There is {only}, and a classifier needs at least two to tell apart; add the others.",
                tuple(named),
            )
        )
    return [*findings, *_unequal(named)]


def _missing(rows: Mapping[str, int]) -> list[Finding]:
    unlabelled, total = rows.get("", 0), sum(rows.values())
    if unlabelled and unlabelled == total:
        message = (
            "Nothing has a label, so what depends on classes was not examined; put each genre in a folder of its own."
        )
        return [Finding("missing_labels", "note", message, details={"rows": unlabelled})]
    if unlabelled:
        message = f"{unlabelled} of {total} have no label, and training refuses them; label them or leave them out."
        return [Finding("missing_labels", "serious", message, details={"rows": unlabelled})]
    return []


def _variants(written: Iterable[str]) -> list[Finding]:
    counted_labels = Counter(written)
    same = [Counter({name: counted_labels[name] for name in names}) for names in variants(counted_labels)]
    if not same:
        return []
    spaces_alone = all(len({label.strip() for label in counts}) == 1 for counts in same)
    texts = tuple(" = ".join(f"{label!r} ({number})" for label, number in counts.most_common()) for counts in same)
    differ = "spaces around them" if spaces_alone else "case, accents, spaces, signs or the word and"
    message = (
        f"{counted(len(same), 'class is', 'classes are')} written in several ways that differ in {differ} alone, such "
        f"as {texts[0]}; write each label in one way."
    )
    # load_table takes the spaces off; most other readers do not.
    severity: Severity = "warning" if spaces_alone else "serious"
    return [Finding("label_variants", severity, message, texts, {"variants": [dict(counts) for counts in same]})]


def _codes(rows: Mapping[str, int]) -> list[Finding]:
    numbers = codes(rows)
    if not numbers:
        return []
    message = (
        f"{counted(len(numbers), 'class is', 'classes are')} named by a number, such as {numbers[0]!r} "
        f"({rows[numbers[0]]}); if it is a code, write the genre's name in its place."
    )
    return [Finding("label_number", "warning", message, tuple(numbers))]


def _unequal(tracks: Mapping[str, int]) -> list[Finding]:
    if len(tracks) < 2:
        return []
    findings = []
    small = sorted((label for label in tracks if tracks[label] < _MIN_TRACKS), key=lambda label: tracks[label])
    if small:
        message = (
            f"The class {small[0]!r} has {counted(tracks[small[0]], 'track')}, and a split needs at least "
            f"{_MIN_TRACKS} in each class: one each for training, validation and testing; add more or leave "
            "the class out."
        )
        counts = {label: tracks[label] for label in small}
        findings.append(Finding("small_class", "warning", message, tuple(small), {"tracks": counts}))
    largest, smallest = (function(tracks, key=lambda label: tracks[label]) for function in (max, min))
    ratio = tracks[largest] / tracks[smallest]
    if ratio >= _UNEQUAL:
        message = (
            f"The class {largest!r} has {tracks[largest]} tracks and {smallest!r} has {tracks[smallest]}, so accuracy "
            "alone is too high for a model that prefers large classes; add macro-averaged F1 or balanced accuracy."
        )
        severity: Severity = "warning" if ratio >= _VERY_UNEQUAL else "note"
        order = sorted(tracks, key=lambda label: -tracks[label])
        findings.append(Finding("imbalance", severity, message, tuple(order), {"tracks": dict(tracks)}))
    return findings
