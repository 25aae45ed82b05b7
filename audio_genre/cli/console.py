"""What the commands share: errors as sentences, exit codes, progress on a terminal and off it."""

from __future__ import annotations

import contextlib
import functools
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec

import typer

from audio_genre.errors import AudioGenreError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

P = ParamSpec("P")

SOME_FAILED = 1
NOTHING_DONE = 2
INTERRUPTED = 130

_PLAIN_LINE_EVERY_SECONDS = 10.0


def guarded(when_stopped: str = "stopped.") -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Turn what a user can cause into one sentence and an exit code."""

    def decorate(command: Callable[P, None]) -> Callable[P, None]:
        @functools.wraps(command)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                command(*args, **kwargs)
            except AudioGenreError as error:
                complain(str(error))
                raise typer.Exit(NOTHING_DONE) from None
            except KeyboardInterrupt:
                complain(when_stopped)
                raise typer.Exit(INTERRUPTED) from None
            except BrokenPipeError:
                # The reader, such as head, has seen enough.
                raise typer.Exit(SOME_FAILED) from None
            except OSError as error:
                complain(f"{error.filename or 'the output'} cannot be written or read: {error.strerror}.")
                raise typer.Exit(NOTHING_DONE) from None

        return run

    return decorate


def complain(sentence: str) -> None:
    """Print a sentence on stderr."""
    tell(f"audio-genre: {sentence}")


def tell(sentence: str) -> None:
    """Print a remark on stderr, so that stdout holds results alone."""
    # Where a remark cannot be written, the work goes on.
    with contextlib.suppress(OSError):
        typer.echo(printable(sentence), err=True)


def print_json(value: Any) -> None:
    """Print a value as JSON on a line of its own."""
    text = json.dumps(value, ensure_ascii=False)
    # File names that are no valid text hold surrogates, which UTF-8 cannot.
    typer.echo(json.dumps(value) if any("\ud800" <= letter <= "\udfff" for letter in text) else text)


def printable(text: str) -> str:
    r"""Escape what would break a line or steer a terminal; file names may hold anything.

    Examples
    --------
    >>> print(printable("new\nline"))
    new\nline
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


def counted(number: int, noun: str) -> str:
    """Put a number before a noun.

    Examples
    --------
    >>> counted(1, "clip"), counted(2, "clip")
    ('1 clip', '2 clips')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def table_lines(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Align cells in columns: the first to the left, the others to the right.

    Examples
    --------
    >>> table_lines(["model", "test"], [["adam-4", ".741"]])
    ['model   test', 'adam-4  .741']
    """
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(header))]
    return [
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def duration(seconds: float) -> str:
    """Write a duration as people say it.

    Examples
    --------
    >>> duration(40), duration(150), duration(9000)
    ('40 s', '2 min', '2 h 30 min')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def shown(path: Path) -> Path:
    """Return a path as a user would type it here: relative where that is shorter."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


class ProgressLine(AbstractContextManager["ProgressLine"]):
    """A progress bar with a time estimate on a terminal, a plain line every ten seconds elsewhere."""

    def __init__(self, what: str, unit: str) -> None:
        self._what, self._unit = what, unit
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._done = 0
        self._last_line = time.monotonic()
        # An estimate counts from the first finished step, without what is loaded and compiled before it.
        self._first: tuple[int, float] | None = None

    def __enter__(self) -> ProgressLine:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
            from rich.table import Column

            self._bar = Progress(
                TextColumn("{task.description}", table_column=Column(no_wrap=True)),
                BarColumn(bar_width=16),
                MofNCompleteColumn(table_column=Column(no_wrap=True)),
                TextColumn(self._unit, table_column=Column(no_wrap=True)),
                TimeRemainingColumn(elapsed_when_finished=True, table_column=Column(no_wrap=True, min_width=7)),
                TextColumn(
                    "{task.fields[remark]}",
                    markup=False,
                    table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
                ),
                console=Console(stderr=True),
                expand=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(self._what, total=None, remark="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: int, total: int | None, remark: str = "") -> None:
        """Show how far the work is; a smaller `done` than before begins anew."""
        begins_again = done < self._done
        self._done = done
        if self._bar is not None and self._task is not None:
            if begins_again:
                self._bar.reset(self._task)
            self._bar.update(self._task, completed=done, total=total, remark=remark)
            return
        now = time.monotonic()
        if begins_again:
            self._first = None
        if self._first is None and done:
            self._first = done, now
        if now - self._last_line < _PLAIN_LINE_EVERY_SECONDS:
            return
        self._last_line = now
        left = ""
        if total and self._first is not None and self._first[0] < done < total:
            first, then = self._first
            minutes, seconds = divmod(round((now - then) / (done - first) * (total - done)), 60)
            left = f", about {minutes}:{seconds:02d} left"
        tell(f"{self._what}: {done}/{'?' if total is None else total} {self._unit}{left}{remark and ', ' + remark}")

    def note(self, sentence: str) -> None:
        """Print a sentence without disturbing the bar."""
        if self._bar is not None:
            self._bar.console.print(printable(sentence), markup=False, highlight=False, soft_wrap=True)
        else:
            tell(sentence)
