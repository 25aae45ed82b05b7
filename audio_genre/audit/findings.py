"""What an audit gives back: findings, each with its weight, what it is about and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from audio_genre.audit.panel import Panel

if TYPE_CHECKING:
    import pandas as pd

Severity = Literal["serious", "warning", "note"]

SEVERITIES: tuple[Severity, ...] = ("serious", "warning", "note")
"""From the worst: what makes results wrong, what may, and what is good to know."""

KINDS = MappingProxyType(
    {
        "bad_length": "a length that is not a number of samples above 0",
        "balanced_before_split": "rows copied or made for small classes before the split",
        "cancelling": "audio whose channels cancel each other in the mix to mono",
        "clipped": "audio with clipped peaks",
        "columns": "columns that the schema needs are missing or duplicated",
        "constant": "a column with one value",
        "crowded": "too many rows with equal features to detect copies",
        "dc_offset": "audio whose mean is far from zero",
        "doubled_name": "one name for several rows of a class",
        "duplicate": "the same content more than once in a class",
        "duplicate_across_classes": "the same content in two classes",
        "empty_file": "a file without a sample",
        "faults": "values of tracks that cannot be, or that contradict each other",
        "few_artists": "a genre of few artists, or artists who are linked into one large set",
        "grouping": "rows that were taken for parts of tracks, or for tracks, by a guess",
        "gtzan_fault": "a clip of GTZAN that the published fault-filtered split leaves out",
        "gtzan_label": "a clip of GTZAN with another label than GTZAN gives it",
        "imbalance": "classes of very different sizes",
        "index": "a column that numbers or names the rows",
        "infinite_values": "features that are infinite or beyond single precision",
        "label_code": "a feature that encodes the label",
        "label_number": "a class that is named by a number",
        "label_variants": "labels that are spellings of one genre",
        "leak": "something other than the features that predicts the label",
        "missing_labels": "rows without a label",
        "missing_values": "empty or NaN cells among the features",
        "mono_in_stereo": "two channels that are equal",
        "near_duplicate": "nearly the same content more than once in a class",
        "near_duplicate_across_classes": "nearly the same content in two classes",
        "not_a_number": "text among the features",
        "not_audio": "files that are no audio",
        "odd_length": "audio far shorter or longer than the rest",
        "odd_sampling_rate": "audio at another sampling rate than the rest",
        "overlap": "sections of one recording in several files of a class",
        "overlap_across_classes": "sections of one recording in two classes",
        "ragged_rows": "rows with more or fewer cells than the header",
        "reading": "how a table in another format was read",
        "refused": "another error of `load_table`",
        "repeated_segment": "equal features of several segments of one track",
        "same_name": "one name in several classes",
        "separating_feature": "a feature that alone predicts nearly every label",
        "shared_artists": "artists in training and in test",
        "shared_copies": "repeated rows in training and in test",
        "shared_songs": "one song in training and in test",
        "shuffled_labels": "an accuracy above chance with labels shuffled",
        "silent": "audio with only zero samples",
        "single_class": "one class, or none, where a classifier needs two",
        "small_class": "a class with too few tracks for training, validation and testing",
        "split_track": "a track whose segments have several labels",
        "too_short": "audio too short for features",
        "truncated": "audio that ends before its header says",
        "unread_format": "audio in a format that needs another decoder",
        "unreadable": "files or folders that cannot be read or decoded",
    }
)
"""Every kind of finding, and what it means in a table or a folder."""


@dataclass(frozen=True)
class Finding:
    """One thing that an audit found.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    severity : {"serious", "warning", "note"}
        How much it spoils.
    message : str
        One sentence: what was found and what to do.
    items : tuple of str
        All files, rows, columns or classes that it is about, the worst first where they can be ranked.
    details : mapping
        Plain data that tell more, for programs.
    """

    kind: str
    severity: Severity
    message: str
    items: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the finding as plain data.

        Returns
        -------
        dict
            Its attributes by their names.
        """
        return {
            "kind": self.kind,
            "severity": self.severity,
            "message": self.message,
            "items": list(self.items),
            "details": dict(self.details),
        }


@dataclass(frozen=True)
class Audit:
    """What was examined, and what was found.

    Attributes
    ----------
    path : Path
        The table or folder.
    subject : {"table", "audio"}
        Which of both it is.
    size : int
        Rows of the table, or audio files of the folder.
    classes : mapping of str to int
        Rows or files of each class, sorted by name; an empty name where there is no label.
    findings : tuple of Finding
        The worst first.
    panel : Panel or None
        What one quick model reaches the honest ways and the wrong ones; only for tables of tracks.
    """

    path: Path
    subject: Literal["table", "audio"]
    size: int
    classes: Mapping[str, int]
    findings: tuple[Finding, ...]
    panel: Panel | None = None

    @property
    def serious(self) -> tuple[Finding, ...]:
        """The serious findings."""
        return self.of("serious")

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """Return the findings of one severity.

        Parameters
        ----------
        severity : {"serious", "warning", "note"}
            Which.

        Returns
        -------
        tuple of Finding
            In the order of `findings`.
        """
        return tuple(finding for finding in self.findings if finding.severity == severity)

    def to_frame(self) -> pd.DataFrame:
        """Return the findings as a data frame.

        Returns
        -------
        pandas.DataFrame
            One row per finding: kind, severity, message, and the number of rows or files that it is about.
        """
        import pandas as pd

        columns = ["kind", "severity", "message", "count"]
        return pd.DataFrame([(f.kind, f.severity, f.message, len(f.items)) for f in self.findings], columns=columns)

    def as_json(self) -> dict[str, Any]:
        """Return the audit as plain data, complete.

        Returns
        -------
        dict
            Its attributes by their names, and the number of findings of each severity.
        """
        return {
            "path": str(self.path),
            "subject": self.subject,
            "size": self.size,
            "classes": dict(self.classes),
            "counts": {severity: len(self.of(severity)) for severity in SEVERITIES},
            "findings": [finding.as_json() for finding in self.findings],
            **({} if self.panel is None else {"panel": self.panel.as_json()}),
        }


def ranked(findings: list[Finding]) -> tuple[Finding, ...]:
    """Order findings: the worst first, then by kind, else as they come."""
    return tuple(sorted(findings, key=lambda finding: (SEVERITIES.index(finding.severity), finding.kind)))


def counted(number: int, noun: str, nouns: str = "") -> str:
    """Put a number before a noun.

    Examples
    --------
    >>> counted(1, "row"), counted(2, "class", "classes")
    ('1 row', '2 classes')
    """
    return f"{number} {noun if number == 1 else nouns or noun + 's'}"
