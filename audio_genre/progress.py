"""Progress for callers from Python: nothing, a bar in terminal or notebook, or their own function or object."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import TracebackType
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Bar:
    """A progress bar that takes what any of this package's long functions report."""

    def __init__(self, what: str) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns)
        self._what = what
        self._task = self._bar.add_task(what, total=None)
        self._count = 0

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def __call__(self, done: int, total: int | None, what: str = "") -> None:
        """Show so many steps of so many."""
        description = f"{self._what} {what}".rstrip()
        self._bar.update(self._task, completed=done, total=total, description=description)

    def planned(self, found: int, todo: int) -> None:  # noqa: ARG002
        """Show how many files are to be done."""
        self._bar.update(self._task, total=todo)

    def done(self, path: str) -> None:  # noqa: ARG002
        """Show that a file is done."""
        self._count += 1
        self._bar.update(self._task, completed=self._count)

    def failed(self, path: str, reason: str) -> None:
        """Show that a file failed, and why."""
        self.note(f"{path}: {reason}")
        self.done(path)

    def tagged(self, done: int, total: int) -> None:
        """Show how many tags are written."""
        self(done, total, "tags")

    def note(self, sentence: str) -> None:
        """Print a sentence above the bar."""
        self._bar.console.print(sentence, markup=False, highlight=False)


def shows_progress(what: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Let a function that reports its progress show a bar where it is called with ``progress=True``."""

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @functools.wraps(function)
        def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            given = kwargs.get("progress")
            if given is not True:
                kwargs["progress"] = given or None
                return function(*args, **kwargs)
            with Bar(what) as bar:
                kwargs["progress"] = bar
                return function(*args, **kwargs)

        return wrapped

    return decorate
