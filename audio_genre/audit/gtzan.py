"""What is published about the faults of GTZAN, where names tell that this is GTZAN."""

from __future__ import annotations

from collections.abc import Sequence

from audio_genre.audit.findings import Finding, counted
from audio_genre.datasets.gtzan import CITATIONS, GENRES, excluded_clips, find_clip

_SHARE_OF_NAMES = 0.5


def audit_gtzan(names: Sequence[str], labels: Sequence[str]) -> list[Finding]:
    """Look for clips of GTZAN with known faults.

    Nothing is said unless most names are those of GTZAN's clips.

    References
    ----------
    `audio_genre.datasets.gtzan.CITATIONS`.

    Examples
    --------
    >>> [found.items for found in audit_gtzan(["jazz.00053.wav", "metal.00058.wav"], ["jazz", "metal"])]
    [('metal.00058',)]
    """
    clips = [find_clip(name) for name in names]
    known = [(clip, label) for clip, label in zip(clips, labels, strict=True) if clip is not None]
    if len(known) < _SHARE_OF_NAMES * len(names):
        return []
    findings = []
    other = sorted({f"{clip.name} as {label!r}" for clip, label in known if label in GENRES and label != clip.genre})
    if other:
        message = (
            f"{counted(len(other), 'clip of GTZAN has', 'clips of GTZAN have')} another label than the name tells, "
            f"such as {other[0]}; correct the labels."
        )
        findings.append(Finding("gtzan_label", "serious", message, tuple(other)))
    excluded = excluded_clips()["fault-filtered"]
    faulty = sorted({clip.name for clip, label in known if clip.name in excluded and label in (clip.genre, "")})
    if faulty:
        message = (
            f"{counted(len(faulty), 'clip of GTZAN is', 'clips of GTZAN are')} left out by the published "
            f"fault-filtered split, such as {faulty[0]}; evaluate with the protocol 'fault-filtered', or state "
            "that they are included."
        )
        details = {"source": CITATIONS["fault-filtered"]}
        findings.append(Finding("gtzan_fault", "warning", message, tuple(faulty), details))
    return findings
