"""What spoils results in a table of tracks: what was found when it was read, and the leak panel."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.audit.findings import Audit, Finding, counted, ranked
from audio_genre.audit.labels import audit_labels
from audio_genre.audit.leaks import first_of_each, of_feature
from audio_genre.audit.panel import Mistake, Panel
from audio_genre.audit.ways import leak_panel
from audio_genre.datasets import Tracks, load_tracks
from audio_genre.datasets.frame import read_frame, read_header
from audio_genre.datasets.tracks.columns import MISSING
from audio_genre.datasets.tracks.layout import index_columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

Progress = Callable[[int, int | None, str], None]

_REPEATS = "repeats of a track in its genre"
_SEVERAL_GENRES = "songs_under_several_genres"
_FEW_ARTISTS = 40
_LARGE_SET = 0.1


def audit_tracks(path: Path, progress: Progress, *, seed: int = 0, jobs: int | None = None, **reading: Any) -> Audit:
    """Find problems that invalidate results in a table of tracks; `reading` are options of `load_tracks`."""
    progress(0, None, "reading")
    tracks = load_tracks(path, **reading)
    classes = Counter(tracks.labels.tolist())
    songs = Counter(tracks.labels[np.unique(tracks.groups, return_index=True)[1]].tolist())
    findings = [Finding("reading", "note", sentence) for sentence in tracks.notes]
    findings += [*audit_labels(classes, songs, tracks.genres.tolist()), *_of_reading(tracks), *_few_artists(tracks)]
    findings += _of_columns(tracks)
    done = 0

    def step(what: str) -> None:
        nonlocal done
        done += 1
        progress(done, None, what)

    panel = leak_panel(
        tracks, _row_numbers(tracks, reading.get("encoding")), seed=seed, jobs=jobs or _cores(), step=step
    )
    if panel is not None:
        findings += _of_panel(panel)
    progress(done + 1, done + 1, "")
    return Audit(tracks.path, "table", len(tracks), dict(sorted(classes.items())), ranked(findings), panel)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _row_numbers(tracks: Tracks, encoding: str | None) -> NDArray[np.float64]:
    """Return the column that numbers the rows, or else the lines of the file."""
    lines = tracks.lines.astype(np.float64)
    columns = index_columns(read_header(tracks.path))
    if not columns:
        return lines
    frame = read_frame(tracks.path, numeric=lambda name: name == columns[0], missing=MISSING, encoding=encoding)
    values = frame.data[columns[0]]
    if values.dtype.kind != "f":
        return lines
    found = values.to_numpy()[np.searchsorted(frame.lines, tracks.lines)]
    return np.asarray(found if np.isfinite(found).all() else lines, dtype=np.float64)


def _of_reading(tracks: Tracks) -> Iterator[Finding]:
    """Tell what was found when the table was read."""
    report = tracks.report
    if repeats := report["rows"].get(_REPEATS):
        message = f"{counted(repeats, 'row repeats', 'rows repeat')} a track in its genre; one row of each is used."
        yield Finding("duplicate", "warning", message, details={"rows": repeats})
    if torn := report.get(_SEVERAL_GENRES):
        left_out = report["rows"].get("other genres of a song", 0)
        message = (
            f"{counted(torn, 'song is', 'songs are')} under several genres, so no model can be right on all their "
            f"rows; {counted(left_out, 'row is', 'rows are')} left out (--duplicates says which)."
        )
        yield Finding("duplicate_across_classes", "warning", message, details={"songs": torn, "rows": left_out})
    _, versions = np.unique(tracks.groups, return_counts=True)
    if several := int((versions > 1).sum()):
        message = (
            f"{counted(several, 'song has', 'songs have')} several rows under other ids (equal values of sound, or "
            "equal artist and title); split by song (--protocol track)."
        )
        details = {"songs": several, "rows": int(versions[versions > 1].sum())}
        yield Finding("same_name", "warning", message, details=details)
    items = [
        f"{column}: {', '.join(f'{count} {word}' for word, count in found.items() if count)}"
        for column, found in report["columns"].items()
        if any(found.values())
    ]
    if items:
        message = f"{counted(len(items), 'column has', 'columns have')} missing or impossible values: {items[0]}."
        yield Finding("missing_values", "note", message, tuple(items), {"columns": dict(report["columns"])})
    if report["faults"]:
        items = [f"{word}: {count}" for word, count in report["faults"].items()]
        message = f"Values that cannot be right, or that contradict each other, left as they are: {items[0]}."
        yield Finding("faults", "note", message, tuple(items), dict(report["faults"]))


def _of_columns(tracks: Tracks) -> Iterator[Finding]:
    """Tell which columns are the genre in other signs."""
    first = first_of_each(tracks.groups, tracks.labels)
    for name, values in zip(tracks.columns, tracks.raw.T.astype(np.float64), strict=True):
        found = of_feature(name, values[first], tracks.labels[first])
        if found is not None:
            yield found


def _few_artists(tracks: Tracks) -> Iterator[Finding]:
    """Tell which genres can hardly be split by artist."""
    sets = tracks.together.get("artist")
    if sets is None:
        message = "The table tells no artists, so it cannot be split by artist, and scores may be too high."
        yield Finding("few_artists", "warning", message)
        return
    of_class = {name: len(np.unique(sets[tracks.labels == name])) for name in tracks.classes}
    few = sorted((name for name, count in of_class.items() if count < _FEW_ARTISTS), key=of_class.__getitem__)
    if few:
        message = (
            f"{counted(len(few), 'genre has', 'genres have')} fewer than {_FEW_ARTISTS} artists, or sets of artists "
            f"who play together, such as {few[0]!r} with {of_class[few[0]]}: its scores by artist say little."
        )
        items = tuple(f"{name}: {of_class[name]}" for name in few)
        yield Finding("few_artists", "warning", message, items, {"artists": of_class})
    largest = int(np.bincount(sets).max())
    if largest > _LARGE_SET * len(sets):
        message = (
            f"The largest set of artists who are linked by playing together has {largest} of {len(sets)} rows, which "
            "no split by artist tears apart."
        )
        yield Finding("few_artists", "note", message, details={"rows": largest})


def _of_panel(panel: Panel) -> Iterator[Finding]:
    """Turn the panel into findings: each mistake that shows, and what is wrong with the panel itself."""
    quiet: list[Mistake] = []
    for mistake in panel.mistakes:
        if not mistake.shows:
            quiet.append(mistake)
            continue
        wrong, honest = mistake.wrong, mistake.honest
        seen = ""
        if wrong.seen and wrong.accuracy_seen is not None and wrong.accuracy_unseen is not None:
            seen = (
                f"; {wrong.seen:.1%} of the test rows have {mistake.shared} in training, and accuracy is "
                f"{wrong.accuracy_seen:.3f} on them and {wrong.accuracy_unseen:.3f} on the others"
            )
        beside = "in place of" if wrong.accuracy.low > honest.accuracy.high else "beside"
        if mistake.reaches_with_nothing:
            seen += f"; with labels shuffled it reaches {wrong.shuffled}, and chance is {wrong.shuffled_chance:.3f}"
        message = (
            f"{mistake.title[0].upper()}{mistake.title[1:]}: accuracy {wrong.accuracy} {beside} {honest.accuracy} "
            f"({honest.name}){seen}; {mistake.advice}."
        )
        details = {"wrong": wrong.accuracy.value, "honest": honest.accuracy.value, "gap": mistake.gap}
        yield Finding(mistake.kind, "warning", message, details=details)
    if quiet:
        titles = tuple(each.title for each in quiet)
        yield Finding("leak", "note", f"No difference beyond chance was measured for: {'; '.join(titles)}.", titles)
    for way in panel.honest:
        if not way.finds_nothing:
            message = (
                f"With labels shuffled, {way.name!r} still reaches {way.shuffled}, and chance is "
                f"{way.shuffled_chance:.3f}: something tells the label that should not."
            )
            yield Finding("shuffled_labels", "serious", message)
    if panel.left_out:
        message = (
            f"{counted(len(panel.left_out), 'genre is', 'genres are')} left out of the leak panel for having too few "
            f"artists or songs: {', '.join(panel.left_out[:8])}{', ...' if len(panel.left_out) > 8 else ''}."
        )
        yield Finding("small_class", "warning", message, panel.left_out)
    yield from (Finding("leak", "note", note) for note in panel.notes)
