"""Cheap work for the tests of the engines; a module of its own, for other processes to import."""

from __future__ import annotations

import os
import signal
import sys
import time

import numpy as np
import threadpoolctl

from audio_genre.errors import ExtractionError


def square(task: int) -> int:
    return task * task


def slow_square(task: int) -> int:
    time.sleep(0.05)
    return task * task


def die_on_three(task: int) -> int:
    if task == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def exit_always(task: int) -> int:
    os._exit(7)


def short_of_memory(task: int) -> int:
    if task == 3:
        raise MemoryError
    return task


class TooLarge:
    """Cannot be sent for lack of memory."""

    def __reduce__(self) -> str:
        raise MemoryError


def too_large(task: int) -> object:
    return TooLarge() if task == 3 else task


def refuse(task: int) -> int:
    raise ExtractionError("No space is left.")


def shout(task: int) -> int:
    sys.stdout.write("noise on stdout\n")
    os.write(1, b"noise on file descriptor 1\n")
    return task


def threads(task: int) -> set[int]:
    """Threads of the numerical libraries, looked at for a while."""
    found = set()
    for _ in range(20):
        time.sleep(0.001)
        found |= {pool["num_threads"] for pool in threadpoolctl.threadpool_info()}
    return found


def large(task: int) -> np.ndarray:
    return np.full(300_000, task)


def unpicklable(task: int) -> object:
    return lambda: task


def sleep_for(task: float) -> float:
    time.sleep(task)
    return task
