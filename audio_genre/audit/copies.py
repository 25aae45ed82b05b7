"""Findings about tracks or files that hold the same music."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.audit.findings import Finding, Severity, counted
from audio_genre.audit.neighbours import components

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MUCH = 0.05
_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Copies:
    """Which tracks or files are the same.

    Attributes
    ----------
    links : np.ndarray of int, shape (n_links, 2)
        Numbers of two that are the same; a pair may come several times.
    distances : np.ndarray, shape (n_links,)
        How far they are apart; what is closest is told first.
    """

    links: NDArray[np.intp]
    distances: NDArray[np.float64]


def audit_copies(
    kind: str,
    copies: Copies,
    names: Sequence[str],
    labels: Sequence[str],
    what: str,
    details: Mapping[str, Any] | None = None,
) -> list[Finding]:
    """Put copies into words: those across classes, and those within one."""
    if not len(copies.links):
        return []
    number = components(copies.links, len(names))
    linked = np.unique(copies.links)
    members: dict[int, list[int]] = defaultdict(list)
    for k in linked.tolist():
        members[int(number[k])].append(k)
    closest = dict.fromkeys(members, float("inf"))
    for (a, _), distance in zip(copies.links.tolist(), copies.distances.tolist(), strict=True):
        closest[int(number[a])] = min(closest[int(number[a])], distance)
    order = sorted(members, key=lambda group: (closest[group], names[members[group][0]]))
    across = [group for group in order if len({labels[k] for k in members[group]}) > 1]
    within = [group for group in order if len({labels[k] for k in members[group]}) == 1]
    surplus = sum(len(members[group]) - 1 for group in within) / len(names)

    def _found(kind: str, severity: Severity, groups: list[int], where: str, remedy: str) -> Finding:
        items = tuple(" = ".join(names[k] for k in members[group]) for group in groups)
        message = (
            f"{counted(len(groups), 'group of tracks has', 'groups of tracks have')} {what} {where}, "
            f"such as {_shortened([names[k] for k in members[groups[0]]])}; {remedy}."
        )
        listed = [
            {
                "tracks": [names[k] for k in members[group]],
                "labels": sorted({labels[k] for k in members[group]}),
                "distance": round(closest[group], 6),
            }
            for group in groups
        ]
        return Finding(kind, severity, message, items, {**(details or {}), "groups": listed})

    findings = []
    if across:
        remedy = "decide on one class and leave the others out"
        findings.append(_found(f"{kind}_across_classes", "serious", across, "in several classes", remedy))
    if within:
        remedy = "keep one of each, or all in one subset of every split"
        severity: Severity = "serious" if surplus > _MUCH else "warning"
        findings.append(_found(kind, severity, within, "in one class", remedy))
    return findings


def _shortened(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return " = ".join(names[:_SHOWN]) + more
