"""``audio-genre classify``."""

from __future__ import annotations

import shlex
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audio_genre.cli.console import (
    NOTHING_DONE,
    SOME_FAILED,
    ProgressLine,
    complain,
    guarded,
    print_json,
    printable,
    shown,
    table_lines,
    tell,
)

if TYPE_CHECKING:
    from audio_genre.inference.answer import Classification
    from audio_genre.inference.classifier import Classifier
    from audio_genre.inference.timeline import Timeline

# What takes less needs no progress.
_PATIENCE_SECONDS = 2.0


@guarded()
def classify(
    clips: Annotated[
        list[str],
        typer.Argument(
            metavar="CLIP", help="Audio files: wav, flac, ogg, mp3, au, aiff; m4a and more with the extra formats."
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            "-m",
            help="Folder of a trained model, such as models/adam-4.",
            show_default="comes with the package",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many genres to show.")] = 3,
    unknown: Annotated[
        bool, typer.Option(" /--no-unknown", help="Always answer with a genre, except for silence.", show_default=False)
    ] = True,
    timeline: Annotated[bool, typer.Option("--timeline", help="Also show the genre over time.")] = False,
    hop: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Time between two points of the timeline.",
            show_default="a third of a 30-s window, or a segment",
        ),
    ] = None,
    strip: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw the timeline of one clip as a picture.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per clip, each on its own line.")
    ] = False,
) -> None:
    """Classify the genre of audio files with a trained model.

    Exit status: 0 all answered (also with "unknown"), 1 some files failed, 2 all of them did, 130 stopped with Ctrl-C.
    """
    if strip is not None and len(clips) > 1:
        raise typer.BadParameter("draws the timeline of one clip; give one CLIP.", param_hint="--strip")
    if hop is not None and not timeline and strip is None:
        raise typer.BadParameter("is of a timeline; add --timeline or --strip.", param_hint="--hop")

    from audio_genre.errors import AudioError
    from audio_genre.inference.classifier import Classifier
    from audio_genre.inference.default import WITH_ENCODER
    from audio_genre.inference.strip import refuse_strip, write_strip

    if strip is not None:
        refuse_strip(strip)
    classifier = Classifier(model, unknown=unknown)
    if model is None and classifier.bundle.name == WITH_ENCODER:
        tell(f"The model is {WITH_ENCODER}, because MusiCNN is installed; --model chooses another.")
    failed = answered = False
    for clip in clips:
        try:
            if _is_folder(clip):
                command = f"audio-genre organize {shlex.quote(clip)}"
                raise AudioError(clip, f"is a folder; to classify all of it, use `{command}`")
            if timeline or strip is not None:
                line = _listen(classifier, clip, hop)
                answer = line.answer
            else:
                line, answer = None, classifier.classify(clip)
        except AudioError as error:
            failed = True
            if as_json:
                print_json({"path": clip, "error": str(error)})
            else:
                complain(str(error))
            continue
        answered = True
        # Before a reader of the output, such as head, has seen enough.
        if line is not None and strip is not None:
            write_strip(line, strip)
        if as_json:
            points = {"timeline": [asdict(point) for point in line.points]} if line is not None and timeline else {}
            print_json(asdict(answer) | points)
        else:
            typer.echo(printable(f"{clip}: {answer_words(answer, top)}"))
            if line is not None and timeline:
                for text in timeline_lines(line):
                    typer.echo(f"  {printable(text)}")
            if strip is not None:
                typer.echo(printable(f"strip: {shown(strip)}"))
    if failed:
        raise typer.Exit(SOME_FAILED if answered else NOTHING_DONE)


def describe(best: list[tuple[str, float]]) -> str:
    """Put the most probable genres into words.

    Examples
    --------
    >>> describe([("jazz", 0.71), ("blues", 0.2)])
    'jazz 71 % (blues 20 %)'
    """
    words = [_words(genre, p) for genre, p in best]
    return words[0] if len(words) == 1 else f"{words[0]} ({', '.join(words[1:])})"


def answer_words(answer: Classification, top: int) -> str:
    """Put an answer into words.

    Examples
    --------
    >>> from audio_genre.inference.answer import Classification
    >>> probabilities = {"blues": 0.3, "jazz": 0.7}
    >>> answer_words(Classification("x.wav", "jazz", 0.7, probabilities, "adam-5"), 2)
    'jazz 70 % (blues 30 %)'
    >>> tags = ("instrumental", "mellow")
    >>> answer_words(Classification("x.wav", "jazz", 0.7, probabilities, "adam-5", tags=tags), 1)
    'jazz 70 %: instrumental, mellow'
    >>> answer_words(Classification("x.wav", "unknown", 0.7, probabilities, "adam-5", "unlike anything", 2.0), 2)
    'unknown, unlike anything; most probable: jazz 70 %, blues 30 %'
    """
    best = answer.top(top)
    if answer.reason is None:
        return describe(best) + (f": {', '.join(answer.tags)}" if answer.tags else "")
    words = f"unknown, {answer.reason}"
    if answer.is_silent:
        return words
    return f"{words}; most probable: {', '.join(_words(genre, p) for genre, p in best)}"


def timeline_lines(line: Timeline) -> list[str]:
    """Put a timeline into a table, and below it why stretches are unknown."""
    from audio_genre.inference.timeline import clock

    tenths = line.hop_seconds != round(line.hop_seconds)
    rows, reasons = [], Counter[str]()
    for point in line.points:
        (best, confidence), *next_best = point.top(2)
        runner_up = _words(*next_best[0]) if next_best else "-"
        if point.reason is None:
            cells = [point.genre, f"{100 * confidence:.0f} %", runner_up]
        else:
            # In brackets are numbers of this stretch alone.
            reasons[point.reason.partition(" (")[0]] += 1
            cells = ["unknown", "-", "-" if point.is_silent else _words(best, confidence)]
        if any(each.tags for each in line.points):
            cells.append(", ".join(point.tags))
        start, end = clock(point.start, tenths=tenths), clock(point.end, tenths=tenths)
        rows.append([f"{start}-{end}", *cells])
    tags = ["tags"] if any(point.tags for point in line.points) else []
    lines = table_lines(["time", "genre", "confidence", "runner-up", *tags], rows)
    return lines + [f"unknown, {count} of {len(rows)}: {reason}" for reason, count in reasons.most_common()]


def _listen(classifier: Classifier, clip: str, hop: float | None) -> Timeline:
    """Make a timeline; where that takes long, a terminal shows how far it is."""
    began = time.monotonic()
    bars: list[ProgressLine] = []
    with ExitStack() as stack:

        def show(done: int, total: int | None) -> None:
            if not _on_terminal() or time.monotonic() - began < _PATIENCE_SECONDS:
                return
            if not bars:
                bars.append(stack.enter_context(ProgressLine("listening", "seconds")))
            bars[0].update(done, total)

        return classifier.timeline(clip, hop, progress=show)


def _on_terminal() -> bool:
    return sys.stderr.isatty()


def _is_folder(clip: str) -> bool:
    try:
        return bool(clip) and Path(clip).is_dir()
    except OSError:
        return False


def _words(genre: str, probability: float) -> str:
    return f"{genre} {100 * probability:.0f} %"
