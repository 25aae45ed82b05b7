"""Stand-ins for listening to a file; a module of its own, for worker processes to import."""

from __future__ import annotations

import errno
import os
import signal
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from audio_genre.errors import UnreadableError
from audio_genre.library import classify
from audio_genre.library.classify import ClassifySettings
from audio_genre.library.records import Answer, Failure

GENRES = ("hiss", "hum")


class InProcess:
    """An engine for stand-ins, which need no process of their own."""

    def __init__(self, jobs: int) -> None:
        pass

    def run(self, tasks: Iterator[str], work: Callable[[str], object]) -> Iterator[tuple[str, object]]:
        for task in tasks:
            yield task, work(task)


ERRORS = {
    "oserror": OSError(errno.EIO, "Input/output error"),
    "memory": MemoryError(),
    "odd": RuntimeError("what no one foresaw"),
    "unreadable": UnreadableError("x", "cannot be read: Stale file handle"),
}


def fail_while(marker: Path, path: str, settings: ClassifySettings) -> Answer | Failure:
    """Listen to a file; as long as there is a marker, that meets the error that the marker is named after."""
    if not marker.exists():
        return fake(path, settings)

    def fail(*_: object) -> None:
        raise ERRORS[marker.name]

    whole = classify._classifier
    classify._classifier = fail
    try:
        return classify.classify_file(path, settings)
    finally:
        classify._classifier = whole


def fake(path: str, settings: ClassifySettings) -> Answer | Failure:
    """Answer by the file's name: "dead", "bad" and "odd" in it kill the worker, fail, and are unknown."""
    try:
        status = (settings.music_dir / path).stat()
    except OSError as error:
        return Failure(-1, 0, f"cannot be read: {error.strerror}", retry=True)
    if "dead" in path:
        os.kill(os.getpid(), signal.SIGKILL)
    if "bad" in path:
        return Failure(status.st_size, status.st_mtime_ns, "is bad")
    if "slow" in path:
        time.sleep(0.05)
    if "stuck" in path:
        time.sleep(60)
    share = zlib.crc32(os.fsencode(path)) / 2**32
    probabilities = dict(zip(GENRES, (share, 1 - share), strict=True))
    genre = max(probabilities, key=probabilities.__getitem__)
    confidence = probabilities[genre]
    reason = "is like nothing known" if "odd" in path else None
    return Answer(status.st_size, status.st_mtime_ns, genre, confidence, probabilities, reason, 3.0)
