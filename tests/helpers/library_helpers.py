"""What the tests of libraries share."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import numpy as np
import soundfile

SR = 22050
STYLES = ("hiss", "hum")

RUN_FAKE = """
import sys
import library_work
from audio_genre.library import organize, run

class Told:
    def planned(self, found, todo): pass
    # Long lines, so that a small pipe is soon full and the run waits for its reader.
    def done(self, path): print(ascii(path).ljust(250), flush=True)
    def failed(self, path, reason): print(ascii(path).ljust(250), flush=True)
    def note(self, sentence): pass
    def tagged(self, done, total): pass

run.classify_file = library_work.fake
try:
    organize(sys.argv[1], model=sys.argv[2], database=sys.argv[3], jobs=2, progress=Told())
except KeyboardInterrupt:
    sys.exit(130)
"""


class Recorder:
    """Remembers what a run tells."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.failures: dict[str, str] = {}
        self.notes: list[str] = []

    def planned(self, found: int, todo: int) -> None:
        pass

    def done(self, path: str) -> None:
        self.paths.append(path)

    def failed(self, path: str, reason: str) -> None:
        self.failures[path] = reason

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def tagged(self, done: int, total: int) -> None:
        pass


def make(style: str, seed: int, seconds: float = 3.2) -> np.ndarray:
    """A hum of a few partials, or a hiss of noise."""
    rng = np.random.default_rng([STYLES.index(style), seed])
    t = np.arange(round(seconds * SR)) / SR
    if style == "hiss":
        return (0.1 * rng.normal(size=len(t))).astype(np.float32)
    f = rng.uniform(80, 120)
    return (0.2 * sum(np.sin(2 * np.pi * f * k * t) / k for k in range(1, 5))).astype(np.float32)


def write(path: Path, style: str = "hum", seed: int = 0, seconds: float = 3.2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(os.fsencode(path), make(style, seed, seconds), SR)
    return path


def touch(*paths: Path) -> None:
    """Make files that only a stand-in takes for audio."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def answers(database: Path) -> list[tuple[object, ...]]:
    """All that a database knows of files, but for what a run cannot repeat."""
    db = sqlite3.connect(database)
    try:
        return db.execute("SELECT * FROM answers ORDER BY path").fetchall()
    finally:
        db.close()
