"""Long work in the background, one piece at a time: how far it is, how to stop it, what came of it."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from audio_genre.errors import AudioGenreError

_MOST_NOTES = 100
_FAULT = "The server failed; please report what it printed in the terminal."
_END_SECONDS = 0.5


class BusyError(AudioGenreError):
    """Something else is under way."""

    def __str__(self) -> str:
        return "Something else is under way on this server; wait for it, or stop it."


@dataclass
class Task:
    """One piece of long work; it is told how the work goes and ends it where it was asked to.

    It is a `LibraryProgress` and an `AccountProgress`.

    Attributes
    ----------
    number : int
        Counts up.
    kind, subject : str
        What is done, and to what.
    state : str
        ``running``, ``done``, ``stopped`` or ``failed``.
    found, todo, count, failures : int
        Files found, those to be listened to, those of them that are done, and those that failed.
    step : tuple of int, or None
        How many steps are done, and how many there are, or None where that is not known.
    remark : str
        What the steps are, or what is waited for.
    notes : list of str
        What is worth knowing, the first hundred sentences.
    error : str
        Why it failed.
    result : dict or None
        What came of it.
    """

    number: int
    kind: str
    subject: str
    state: str = "running"
    found: int = 0
    todo: int = 0
    count: int = 0
    failures: int = 0
    step: tuple[int, int | None] | None = None
    remark: str = ""
    notes: list[str] = field(default_factory=list)
    error: str = ""
    result: dict[str, Any] | None = None
    is_stopped: bool = False
    _began: float = field(default_factory=time.monotonic)
    _first: int = 0

    def planned(self, found: int, todo: int) -> None:
        """Hear how many files were found, and how many of them are to be listened to."""
        self.found, self.todo = found, todo
        self._began = time.monotonic()
        self._look_up()

    def done(self, path: str) -> None:  # noqa: ARG002
        """Hear that a file has an answer."""
        self.count += 1
        self._look_up()

    def failed(self, path: str, reason: str) -> None:
        """Hear that a file cannot be used."""
        if self.count < self.todo:
            self.count += 1
        self.failures += 1
        self.note(f"{path} {reason}.")
        self._look_up()

    def note(self, sentence: str) -> None:
        """Hear something worth knowing."""
        if len(self.notes) < _MOST_NOTES:
            self.notes.append(sentence.encode("utf-8", "replace").decode())

    def tagged(self, done: int, total: int) -> None:
        """Hear how many files' tags were looked at."""
        self(done, total, "tags")

    def __call__(self, done: int, total: int | None, what: str = "") -> None:
        """Hear how many steps are done, and a remark."""
        if self.step is None or self.step[1] != total or done < self.step[0]:
            # Something else is counted from here on, perhaps not from its beginning.
            self._began, self._first = time.monotonic(), done
        self.step, self.remark = (done, total), what
        self._look_up()

    def seconds_left(self) -> float | None:
        """Estimate how long it takes still."""
        done, total = self.step or (self.count, self.todo)
        if self.state != "running" or total is None or done <= self._first or done >= total:
            return None
        return (time.monotonic() - self._began) / (done - self._first) * (total - done)

    def told(self) -> dict[str, Any]:
        """Tell how far it is."""
        left = self.seconds_left()
        names = (
            "number",
            "kind",
            "subject",
            "state",
            "found",
            "todo",
            "failures",
            "notes",
            "error",
            "result",
            "remark",
        )
        return {name: getattr(self, name) for name in names} | {
            "done": self.count,
            "step": self.step,
            "seconds_left": None if left is None else round(left, 1),
        }

    def _look_up(self) -> None:
        if self.is_stopped:
            # What a run is ended with; all that is done is kept.
            raise KeyboardInterrupt


class Tasks:
    """One piece of long work at a time, in a thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._order: object = None
        self.last: Task | None = None

    def start(self, kind: str, subject: str, order: object, work: Callable[[Task], dict[str, Any]]) -> Task:
        """Begin a piece of work; one of the same order that runs already is joined, any other one refused."""
        with self._lock:
            if self.last is not None and self.last.state == "running":
                if self._order != order:
                    raise BusyError
                return self.last
            self._order = order
            task = Task(1 if self.last is None else self.last.number + 1, kind, subject)
            self.last = task
            # What is under way must not keep the server from ending.
            self._thread = threading.Thread(target=_perform, args=(task, work), daemon=True)
            self._thread.start()
        return task

    def stop(self) -> None:
        """Ask the work to end."""
        if self.last is not None:
            self.last.is_stopped = True

    def close(self) -> None:
        """End the work, if that is quick; it is of a kind that may be cut off."""
        self.stop()
        if self._thread is not None:
            self._thread.join(_END_SECONDS)


def _perform(task: Task, work: Callable[[Task], dict[str, Any]]) -> None:
    try:
        task.result = work(task)
        task.state = "done"
    except KeyboardInterrupt:
        task.state = "stopped"
    except AudioGenreError as error:
        task.error, task.state = str(error).encode("utf-8", "replace").decode(), "failed"
    except Exception:
        with suppress(OSError):
            sys.stderr.write(traceback.format_exc())
        task.error, task.state = _FAULT, "failed"
