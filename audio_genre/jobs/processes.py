"""The engine of worker processes: long-lived, independent of the caller's main module, each with pipes of its own."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from audio_genre.errors import ExtractionError
from audio_genre.jobs.engines import Lost, Result, Task

# Libraries read these when they are loaded.
_ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "BLIS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "NUMBA_NUM_THREADS",
    ),
    "1",
)
_TASKS_PER_WORKER = 2
_MAX_LOST_IN_A_ROW = 10
_STARTS = 3
_PAUSE_SECONDS = 0.5
# On Windows a lock is not interrupted by Ctrl-C, a wait that ends is.
_POLL_SECONDS = 0.2
_END_SECONDS = 1.0


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class WorkerProcesses:
    """Runs tasks in worker processes of this machine.

    Workers are fresh interpreters that import what the function needs and nothing of the program's main module, so
    that neither a notebook nor a script without a ``__main__`` guard is in the way. A worker that dies costs the one
    task it had; a new one takes its place. Workers end with this process, whatever ends it.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs

    def run(
        self, tasks: Iterator[Task], work: Callable[[Task], Result]
    ) -> Generator[tuple[Task, Result | Lost], None, None]:
        """Run `work` over `tasks`."""
        crew = _Crew(self._jobs, pickle.dumps(work))
        try:
            under_way = lost_in_a_row = 0
            is_exhausted = False
            while True:
                while not is_exhausted and under_way < _TASKS_PER_WORKER * self._jobs:
                    task = next(tasks, None)
                    if task is None:
                        is_exhausted = True
                    else:
                        crew.inbox.put(task)
                        under_way += 1
                if under_way == 0:
                    return
                task, outcome = crew.take()
                under_way -= 1
                yield task, outcome
                lost_in_a_row = lost_in_a_row + 1 if isinstance(outcome, Lost) else 0
                if lost_in_a_row >= max(_MAX_LOST_IN_A_ROW, 2 * self._jobs):
                    raise ExtractionError(
                        f"The last {lost_in_a_row} worker processes died one after the other ({outcome.how}), so the "
                        "machine is probably short of memory; run the same command again with fewer --jobs to continue."
                    )
        finally:
            crew.dismiss()


class _Crew:
    """Threads that each drive one worker process at a time."""

    def __init__(self, jobs: int, work: bytes) -> None:
        self.inbox: SimpleQueue[Any] = SimpleQueue()
        self._outbox: SimpleQueue[tuple[Any, Any, BaseException | None]] = SimpleQueue()
        self._work = work
        self._lock = threading.Lock()
        self._workers: set[Worker] = set()
        self._is_dismissed = False
        self._threads = [threading.Thread(target=self._drive, daemon=True) for _ in range(jobs)]
        for thread in self._threads:
            thread.start()

    def take(self) -> tuple[Any, Any]:
        while True:
            try:
                task, outcome, error = self._outbox.get(timeout=_POLL_SECONDS)
            except Empty:
                continue
            if error is not None:
                raise error
            return task, outcome

    def dismiss(self) -> None:
        with self._lock:
            self._is_dismissed = True
            for worker in self._workers:
                worker.kill()
        for _ in self._threads:
            self.inbox.put(None)
        for thread in self._threads:
            thread.join(_END_SECONDS)

    def _drive(self) -> None:
        worker = None
        try:
            worker = self._hire()
            while (task := self.inbox.get()) is not None:
                try:
                    outcome = worker.ask(pickle.dumps(task))
                except DiedError as death:
                    self._outbox.put((task, Lost(death.how), None))
                    worker = self._hire()
                else:
                    self._outbox.put((task, outcome, None))
        except _DismissedError:
            pass
        except BaseException as error:
            self._outbox.put((None, None, error))
        finally:
            if worker is not None:
                worker.end()

    def _hire(self) -> Worker:
        for _ in range(_STARTS):
            try:
                with self._lock:
                    if self._is_dismissed:
                        raise _DismissedError
                    self._workers = {worker for worker in self._workers if worker.is_alive}
                    worker = Worker()
                    self._workers.add(worker)
                worker.ask(self._work)
            except DiedError as death:
                how = death.how
            except OSError as error:
                # Of memory, processes or open files there are not enough, at this moment perhaps.
                how = error.strerror or str(error)
                time.sleep(_PAUSE_SECONDS)
            else:
                return worker
        raise ExtractionError(
            f"No worker process can be started ({how}); fix what it printed, or free memory if it printed nothing, "
            "and run the same command again."
        )


class Worker:
    """The parent's side of one worker process."""

    def __init__(self) -> None:
        code = f"import sys; sys.path[:] = {sys.path!r}; from audio_genre.jobs.worker import main; main()"
        # In a group of its own a worker does not get the terminal's Ctrl-C, not even while it starts.
        options: dict[str, Any] = {"process_group": 0}
        if sys.platform == "win32":
            options = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | _ONE_THREAD,
            **options,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._replies = self._process.stdin, self._process.stdout

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def ask(self, payload: bytes) -> Any:
        """Send a message and wait for the reply."""
        try:
            pickle.dump(payload, self._requests)
            self._requests.flush()
            reply = pickle.load(self._replies)
        except (OSError, ValueError, EOFError, pickle.UnpicklingError):
            raise DiedError(self.end()) from None
        is_good, value = pickle.loads(reply)
        if is_good:
            return value
        raise value

    def kill(self) -> None:
        """End the process; whoever asks it is told so."""
        self._process.kill()

    def end(self) -> str:
        """End the process if it has not ended, free what it held, and say how it ended."""
        self._process.kill()
        code = self._process.wait()
        for pipe in (self._requests, self._replies):
            with suppress(OSError):
                pipe.close()
        if code >= 0:
            return f"exit status {code}"
        try:
            return f"signal {-code}, {signal.Signals(-code).name}"
        except ValueError:
            return f"signal {-code}"


class DiedError(Exception):
    """A worker process died."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


class _DismissedError(Exception):
    """The run is over."""
