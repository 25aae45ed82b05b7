"""Worker processes that run one call at a time, within limits of time and memory; a death costs one call."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import pickle
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar, cast

from audio_genre.errors import AudioGenreError
from audio_genre.jobs.processes import DiedError, Worker, usable_cores

P = ParamSpec("P")
Result = TypeVar("Result")

_ENDING = "was given up, because the server ends"
_IDLE_SECONDS = 60.0
_REST_SECONDS = 5.0
_START_SECONDS = 60.0
# What a worker ends with when its memory is spent, see `audio_genre.jobs.worker`.
_OUT_OF_MEMORY = "exit status 12"


class LostError(AudioGenreError):
    """A call was not answered, for a reason that completes a sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"The request {self.reason}."


@dataclass(frozen=True, slots=True)
class _Idle:
    """A worker that waits, and since when."""

    since: float
    worker: Worker
    is_tidy: bool = False


class Pool:
    """Worker processes that are started when they are needed, and all but one ended when they are not."""

    def __init__(self, *, max_seconds: float, max_memory: int, jobs: int | None = None) -> None:
        self._max_seconds = max_seconds
        self._setup = pickle.dumps(partial(_perform, max_memory))
        self._threads = ThreadPoolExecutor(jobs or usable_cores(), thread_name_prefix="worker")
        self._lock = threading.Lock()
        self._workers: set[Worker] = set()
        # The one used last is the first to be used again.
        self._idle: list[_Idle] = []
        self._is_closed = False

    async def call(self, function: Callable[P, Result], *arguments: P.args, **named: P.kwargs) -> Result:
        """Run a function of a module in a worker process."""
        work = partial(self._run, pickle.dumps(partial(function, *arguments, **named)))
        try:
            return cast("Result", await asyncio.get_running_loop().run_in_executor(self._threads, work))
        except RuntimeError:
            if self._is_closed:
                raise LostError(_ENDING) from None
            raise

    def trim(self) -> None:
        """End workers that were idle for long, but for one; have those that rest give memory back."""
        now = time.monotonic()
        with self._lock:
            while len(self._idle) > 1 and now - self._idle[0].since > _IDLE_SECONDS:
                worker = self._idle.pop(0).worker
                self._workers.discard(worker)
                worker.end()
            resting = [each for each in self._idle if now - each.since > _REST_SECONDS and not each.is_tidy]
            self._idle = [each for each in self._idle if each not in resting]
        for each in resting:
            is_fit = False
            with suppress(LostError):
                self._ask(each.worker, _TIDY, _START_SECONDS)
                is_fit = True
            with self._lock:
                if is_fit and not self._is_closed:
                    self._idle.insert(0, _Idle(each.since, each.worker, is_tidy=True))
                else:
                    self._workers.discard(each.worker)
                    each.worker.end()

    def close(self) -> None:
        """End all workers, also those at work."""
        with self._lock:
            self._is_closed = True
            for worker in self._workers:
                worker.kill()
        # What they wait for is dead, so that none of them takes long.
        self._threads.shutdown(wait=True, cancel_futures=True)
        for each in self._idle:
            each.worker.end()

    def _run(self, call: bytes) -> object:
        worker = self._hire()
        is_fit = False
        try:
            answer = self._ask(worker, call, self._max_seconds)
            is_fit = True
        except LostError:
            raise
        except Exception:
            # It was raised there, and came back as any answer does.
            is_fit = True
            raise
        finally:
            with self._lock:
                if is_fit and not self._is_closed:
                    self._idle.append(_Idle(time.monotonic(), worker))
                else:
                    self._workers.discard(worker)
                    worker.end()
        return answer

    def _hire(self) -> Worker:
        with self._lock:
            if self._is_closed:
                raise LostError(_ENDING)
            while self._idle:
                worker = self._idle.pop().worker
                if worker.is_alive:
                    return worker
                self._workers.discard(worker)
                worker.end()
            worker = Worker()
            self._workers.add(worker)
        try:
            self._ask(worker, self._setup, _START_SECONDS)
        except LostError:
            with self._lock:
                self._workers.discard(worker)
            raise
        return worker

    def _ask(self, worker: Worker, message: bytes, seconds: float) -> object:
        is_late = threading.Event()

        def stop() -> None:
            is_late.set()
            worker.kill()

        timer = threading.Timer(seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            return worker.ask(message)
        except DiedError as death:
            if self._is_closed:
                raise LostError(_ENDING) from None
            if is_late.is_set():
                raise LostError(f"took longer than the {seconds:g} s that one file may take") from None
            if death.how == _OUT_OF_MEMORY:
                raise LostError("takes more memory than one file may take") from None
            raise LostError(f"ended the process that decoded it ({death.how})") from None
        finally:
            timer.cancel()


def _perform(max_memory: int, call: Callable[[], object]) -> object:
    """Run a call in a worker process."""
    _limit_memory(max_memory)
    return call()


def _tidy() -> None:
    """Give memory that is free back to the system, which an allocator keeps for what comes next."""
    gc.collect()
    # Only the C library of GNU has it.
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


_TIDY = pickle.dumps(_tidy)


def _limit_memory(size: int) -> None:
    try:
        import resource
    except ImportError:
        return
    # Not every system lets it be limited.
    with suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (size if most < 0 else min(size, most), most))
