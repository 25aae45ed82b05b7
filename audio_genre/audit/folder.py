"""What spoils results in a folder of audio."""

from __future__ import annotations

import os
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np

from audio_genre.audio import AUDIO_SUFFIXES, UNREAD_SUFFIXES
from audio_genre.audit.copies import Copies, audit_copies
from audio_genre.audit.findings import Audit, Finding, Severity, counted, ranked
from audio_genre.audit.fingerprint import Overlap, find_overlaps
from audio_genre.audit.gtzan import audit_gtzan
from audio_genre.audit.labels import audit_labels
from audio_genre.audit.leaks import tell_label
from audio_genre.audit.listening import Fault, Heard, listen
from audio_genre.datasets.groups import find_groups
from audio_genre.datasets.tables import advise_on_folder, tables_in
from audio_genre.errors import ExtractionError, ParameterError, TableError
from audio_genre.extras import install_command
from audio_genre.files.walk import Clip, find_clips, is_unread
from audio_genre.jobs.engines import Engine, InProcess, Lost
from audio_genre.jobs.processes import WorkerProcesses, usable_cores

Progress = Callable[[int, int | None, str], None]

_NEARLY_ALL = 0.8
_MUCH_CLIPPING = 0.001
_MUCH_DC = 0.01
_MUCH_DC_OF_RMS = 0.1
_FAR = 2.0
_MIN_TO_COMPARE = 5
_TELLS_FROM = 0.2
_SIGNIFICANT = 0.01

_UNUSABLE: tuple[tuple[str, Severity, str, str], ...] = (
    ("unreadable", "serious", "cannot be read or decoded", "cannot be read or decoded"),
    ("empty_file", "serious", "holds no sample", "hold no sample"),
    ("truncated", "serious", "is cut short", "are cut short"),
    ("silent", "serious", "is silent", "are silent"),
    ("cancelling", "serious", "is silent in the mix to mono", "are silent in the mix to mono"),
    ("too_short", "warning", "is too short for features", "are too short for features"),
)


class _File(NamedTuple):
    clip: Clip
    heard: Heard


def audit_folder(folder: Path, jobs: int | None, progress: Progress) -> Audit:
    """Find problems that invalidate results in a folder of audio."""
    if jobs is not None and jobs < 1:
        raise ParameterError(f"The number of jobs must be 1 or more; got {jobs}.")
    closed: list[str] = []

    def _note_closed(name: str, error: OSError) -> None:
        closed.append(f"{name or folder} cannot be listed: {error.strerror}")

    clips = list(find_clips(folder, unreadable=_note_closed))
    if not clips:
        if not closed and tables_in(folder):
            raise TableError(advise_on_folder(folder))
        reason = closed[0] if closed else f"{folder} holds no audio file"
        raise ExtractionError(f"{reason}; give a folder with one folder per genre.")
    unread = [clip.path for clip in clips if is_unread(clip.filename)]
    files, faults = _listened(folder, [clip for clip in clips if not is_unread(clip.filename)], jobs, progress)

    labels = [clip.label for clip in clips]
    counts = dict(sorted(Counter(labels).items()))
    findings = [
        *audit_labels(counts, counts, labels),
        *audit_gtzan([clip.filename for clip in clips], labels),
        *_unusable(faults, closed),
        *_unread_formats(unread),
        *_same_names(clips),
        *_not_audio(folder),
        *_copies(files),
        *_quality(files),
        *_odd_ones(files),
        *_recording(files),
    ]
    return Audit(folder, "audio", len(clips), counts, ranked(findings))


def _listened(
    folder: Path, clips: Sequence[Clip], jobs: int | None, progress: Progress
) -> tuple[list[_File], list[tuple[Clip, Fault]]]:
    """Decode all files, in worker processes where there are several files and jobs."""
    jobs = min(jobs or usable_cores(), len(clips))
    engine: Engine = InProcess() if jobs <= 1 else WorkerProcesses(jobs)
    files: dict[str, _File] = {}
    faults: dict[str, tuple[Clip, Fault]] = {}
    progress(0, len(clips), "")
    for done, (clip, result) in enumerate(engine.run(iter(clips), partial(_listen_to, folder)), start=1):
        if isinstance(result, Heard):
            files[clip.path] = _File(clip, result)
        elif isinstance(result, Lost):
            faults[clip.path] = (clip, Fault("unreadable", f"made its decoder crash ({result.how})"))
        else:
            faults[clip.path] = (clip, result)
        progress(done, len(clips), "comparing" if done == len(clips) else "")
    return [files[path] for path in sorted(files)], [faults[path] for path in sorted(faults)]


def _listen_to(folder: Path, clip: Clip) -> Heard | Fault:
    return listen(os.fspath(folder / clip.path))


def _unusable(faults: Sequence[tuple[Clip, Fault]], closed: Sequence[str]) -> list[Finding]:
    findings = []
    for kind, severity, does, do in _UNUSABLE:
        items = [f"{clip.path} {fault.reason}" for clip, fault in faults if fault.kind == kind]
        if kind == "unreadable":
            items = [*closed, *items]
        if items:
            message = (
                f"{counted(len(items), f'file {does}', f'files {do}')}, and will be missing from every table: "
                f"{items[0]}; replace or remove what is broken."
            )
            findings.append(Finding(kind, severity, message, tuple(items)))
    return findings


def _unread_formats(unread: Sequence[str]) -> list[Finding]:
    if not unread:
        return []
    message = (
        f"{counted(len(unread), 'file is', 'files are')} in a format that needs another decoder, such as {unread[0]}; "
        f"{install_command('formats')}, or convert to FLAC or WAV."
    )
    return [Finding("unread_format", "serious", message, tuple(unread))]


def _same_names(clips: Sequence[Clip]) -> list[Finding]:
    labels_of: dict[str, list[str]] = defaultdict(list)
    for clip in clips:
        if clip.label:
            labels_of[clip.filename].append(clip.label)
    items = tuple(f"{name}: {', '.join(labels)}" for name, labels in labels_of.items() if len(labels) > 1)
    if not items:
        return []
    message = (
        f"{counted(len(items), 'file name is', 'file names are')} in several classes, such as {items[0]}; see that "
        "these are different tracks."
    )
    return [Finding("same_name", "note", message, items)]


def _not_audio(folder: Path) -> list[Finding]:
    known = AUDIO_SUFFIXES | UNREAD_SUFFIXES
    odd = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        odd += [
            Path(place, name).relative_to(folder).as_posix()
            for name in sorted(names)
            if not name.startswith(".") and PurePath(name).suffix.lower() not in known
        ]
    if not odd:
        return []
    message = (
        f"{counted(len(odd), 'file is', 'files are')} not audio by name, such as {odd[0]}, and left out; check that no "
        "music is among them."
    )
    return [Finding("not_audio", "note", message, tuple(odd))]


def _copies(files: Sequence[_File]) -> list[Finding]:
    names = [file.clip.path for file in files]
    labels = [file.clip.label for file in files]
    first: dict[str, int] = {}
    links = [(original, k) for k, file in enumerate(files) if (original := first.setdefault(file.heard.sha256, k)) != k]
    equal = Copies(np.array(links, dtype=np.intp).reshape(-1, 2), np.zeros(len(links)))
    findings = audit_copies("duplicate", equal, names, labels, "the same samples")

    kept = sorted(first.values())
    # Music of loops repeats itself, so nothing is said about parts of one track.
    tracks = find_groups([file.clip.filename for file in files], folders=labels)
    overlaps = [
        Overlap(kept[found.a], kept[found.b], found.frames, found.offset, found.wrong_bits)
        for found in find_overlaps([files[k].heard.codes for k in kept])
        if tracks[kept[found.a]] != tracks[kept[found.b]]
    ]
    for kind, is_near, what in (
        ("near_duplicate", True, "the same recording, in another format, loudness or cut"),
        ("overlap", False, "a section of the same recording"),
    ):
        mine = [found for found in overlaps if _is_whole(found, files) == is_near]
        pairs = np.array([(found.a, found.b) for found in mine], dtype=np.intp).reshape(-1, 2)
        wrong_bits = np.array([found.wrong_bits for found in mine])
        details = {"pairs": [_told(found, names) for found in mine]}
        findings += audit_copies(kind, Copies(pairs, wrong_bits), names, labels, what, details)
    return findings


def _is_whole(found: Overlap, files: Sequence[_File]) -> bool:
    """Tell whether a shared stretch is nearly all of the shorter file."""
    shorter = min(len(files[found.a].heard.codes), len(files[found.b].heard.codes))
    return found.frames >= _NEARLY_ALL * shorter


def _told(found: Overlap, names: Sequence[str]) -> dict[str, Any]:
    return {
        "a": names[found.a],
        "b": names[found.b],
        "seconds": round(found.seconds, 2),
        "offset": round(found.offset, 2),
        "wrong_bits": round(found.wrong_bits, 4),
    }


def _quality(files: Sequence[_File]) -> list[Finding]:
    findings = []
    clipped = sorted(
        ((file.heard.clipped, file.clip.path) for file in files if file.heard.clipped >= _MUCH_CLIPPING), reverse=True
    )
    if clipped:
        message = (
            f"{counted(len(clipped), 'file has', 'files have')} clipped peaks, the worst being "
            f"{clipped[0][1]} in {clipped[0][0]:.1%} of its samples; use another copy if there is one."
        )
        items = tuple(f"{path}: {share:.2%}" for share, path in clipped)
        findings.append(Finding("clipped", "note", message, items))
    offset = sorted(
        (
            (abs(file.heard.dc), file.clip.path)
            for file in files
            if abs(file.heard.dc) > max(_MUCH_DC, _MUCH_DC_OF_RMS * file.heard.rms)
        ),
        reverse=True,
    )
    if offset:
        message = (
            f"{counted(len(offset), 'file has', 'files have')} a mean far from zero, the worst being {offset[0][1]} "
            f"with {offset[0][0]:.3f} of full scale; remove it, because loudness and harmony are measured with it."
        )
        items = tuple(f"{path}: {mean:.3f}" for mean, path in offset)
        findings.append(Finding("dc_offset", "note", message, items))
    equal = tuple(file.clip.path for file in files if file.heard.equal_channels)
    if equal:
        message = (
            f"{counted(len(equal), 'file has', 'files have')} the same signal in all channels, such as {equal[0]}; "
            "features do not change, but mono takes less room."
        )
        findings.append(Finding("mono_in_stereo", "note", message, equal))
    return findings


def _odd_ones(files: Sequence[_File]) -> list[Finding]:
    if len(files) < _MIN_TO_COMPARE:
        return []
    findings = []
    rates = Counter(file.heard.sr for file in files)
    usual = rates.most_common(1)[0][0]
    odd = [file for file in files if file.heard.sr != usual]
    if odd:
        message = (
            f"{counted(len(odd), 'file has', 'files have')} another sampling rate than the {usual} Hz of most, such as "
            f"{odd[0].clip.path} with {odd[0].heard.sr} Hz; check that no class has a rate of its own, because low "
            "rates lack high frequencies."
        )
        items = tuple(f"{file.clip.path}: {file.heard.sr} Hz" for file in odd)
        details = {"files": {str(rate): number for rate, number in rates.most_common()}}
        findings.append(Finding("odd_sampling_rate", "note", message, items, details))
    middle = statistics.median(file.heard.seconds for file in files)
    odd = [file for file in files if not middle / _FAR <= file.heard.seconds <= middle * _FAR]
    if odd:
        message = (
            f"{counted(len(odd), 'file is', 'files are')} less than half or more than twice as long as usual, such as "
            f"{odd[0].clip.path} with {odd[0].heard.seconds:.1f} s where {middle:.1f} s is the median; check that "
            "nothing is cut off or of another kind."
        )
        items = tuple(f"{file.clip.path}: {file.heard.seconds:.1f} s" for file in odd)
        findings.append(Finding("odd_length", "note", message, items, {"median_seconds": round(middle, 3)}))
    return findings


def _recording(files: Sequence[_File]) -> list[Finding]:
    """Look whether how files were recorded tells their class."""
    sizes = Counter(file.clip.label for file in files if file.clip.label)
    labelled = [file for file in files if sizes[file.clip.label] > 1]
    labels = np.array([file.clip.label for file in labelled], dtype=np.str_)
    traits = {
        "length": np.array([file.heard.seconds for file in labelled]),
        "sampling rate": np.array([float(file.heard.sr) for file in labelled]),
        "number of channels": np.array([float(file.heard.channels) for file in labelled]),
        "format": np.array([file.heard.encoding for file in labelled], dtype=np.str_),
    }
    findings = []
    for trait, values in traits.items():
        told = tell_label(values, labels)
        if told is not None and told.strength >= _TELLS_FROM and told.p_value < _SIGNIFICANT / len(traits):
            message = (
                f"The {trait} alone predicts the class of {told.accuracy:.0%} of held-out files (guessing: "
                f"{told.chance:.0%}; best class: {told.best_told!r}); convert all files to one format before features "
                "are compared."
            )
            findings.append(Finding("leak", "warning", message, (trait,), told.as_json()))
    return findings
