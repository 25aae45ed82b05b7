"""Answers to a CSV table, a row a file."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from audio_genre.bundles.calibration import UNKNOWN
from audio_genre.errors import LibraryError
from audio_genre.files.csv_rows import CsvWriter
from audio_genre.files.spreadsheets import safe_cell
from audio_genre.files.storage import atomic_file, why_foreign
from audio_genre.library.records import Entry

_COLUMNS = ("path", "genre", "confidence", "runner_up", "reason", "error")
_HEAD = ",".join(_COLUMNS).encode()


def refuse_foreign_table(path: Path) -> None:
    """Refuse to write a table over something that is none."""
    if not path.parent.is_dir():
        raise LibraryError(f"The folder of {path} does not exist; make it, or choose another --csv.")
    if (reason := why_foreign(path, (_HEAD,), "a table that organize wrote")) is not None:
        raise LibraryError(f"{path} {reason}; choose another --csv.")


def write_table(path: Path, genres: Sequence[str], entries: Iterable[Entry], *, excel_safe: bool = False) -> None:
    """Write a table of all files: path, genre, confidence, runner-up, reason, error, a probability for each genre.

    The runner-up is the most probable genre besides the answer: of an unknown file it is the most probable one at all.
    A genre that was chosen by hand has no confidence.
    """
    safe = safe_cell if excel_safe else str
    with atomic_file(path, path.parent) as file:
        # Names that are no valid text are written with escapes.
        text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
        writer = CsvWriter(text)
        writer.writerow([*_COLUMNS, *(f"p_{genre}" for genre in genres)])
        for entry in entries:
            if entry.answer is None:
                writer.writerow([safe(entry.path), "", "", "", "", safe(entry.error or ""), *[""] * len(genres)])
                continue
            answer = entry.answer
            writer.writerow(
                [
                    safe(entry.path),
                    safe(entry.genre),
                    "" if entry.by_hand else repr(answer.confidence),
                    "" if answer.genre == UNKNOWN else safe(runner_up(entry.genre, answer.probabilities.items())),
                    "chosen by hand" if entry.by_hand else safe(entry.reason or ""),
                    safe(entry.error or ""),
                    *(repr(answer.probabilities.get(genre, "")) for genre in genres),
                ]
            )
        text.detach()


def runner_up(genre: str, probabilities: Iterable[tuple[str, float]]) -> str:
    """Return the most probable genre besides the answer.

    Examples
    --------
    >>> runner_up("jazz", [("blues", 0.3), ("jazz", 0.6), ("pop", 0.1)])
    'blues'
    """
    others = [(p, other) for other, p in probabilities if other != genre]
    return max(others, key=lambda pair: pair[0])[1] if others else ""
