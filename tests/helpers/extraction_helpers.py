"""What the tests of extraction share."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

import numpy as np
import pandas as pd
import pytest
import soundfile

REPORTER = """
import sys
from audio_genre.extraction import extract

class Reporter:
    def planned(self, found, todo): pass
    def done(self, path): print(path, flush=True)
    def failed(self, path, reason): print(path, reason, flush=True)
    def note(self, sentence): pass

try:
    extract(sys.argv[1], sys.argv[2], jobs=int(sys.argv[3]), progress=Reporter())
except KeyboardInterrupt:
    sys.exit(130)
"""


class Recorder:
    """Remembers what an extraction tells."""

    def __init__(self) -> None:
        self.plans: list[tuple[int, int]] = []
        self.paths: list[str] = []
        self.failures: dict[str, str] = {}
        self.notes: list[str] = []

    def planned(self, found: int, todo: int) -> None:
        self.plans.append((found, todo))

    def done(self, path: str) -> None:
        self.paths.append(path)

    def failed(self, path: str, reason: str) -> None:
        self.failures[path] = reason

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)


def signal_of(seconds: float, *, seed: int = 0, sr: int = 22050, channels: int = 1) -> np.ndarray:
    """Noise with a beat and a tone: nothing in it is degenerate."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * sr)) / sr
    tone = np.sin(2 * np.pi * 220 * 2 ** (seed % 12 / 12) * t)
    beat = np.exp(-8 * (t * (1.5 + seed % 3) % 1)) * rng.standard_normal(len(t))
    y = (0.3 * tone + 0.2 * beat).clip(-1, 1).astype(np.float32)
    return y if channels == 1 else np.stack([y] * channels, axis=1)


def write_clip(path: Path, *, seconds: float = 3.2, seed: int = 0, sr: int = 22050, **options: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(os.fsencode(path), signal_of(seconds, seed=seed, sr=sr), sr, **options)
    return path


def touch(path: Path) -> Path:
    """Make a file that only a stand-in takes for audio."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def outputs(out_dir: Path) -> dict[str, bytes]:
    """Contents of all files that an extraction leaves for its user."""
    files = (path for path in out_dir.rglob("*") if path.is_file() and ".audio-genre" not in path.parts)
    return {path.relative_to(out_dir).as_posix(): path.read_bytes() for path in sorted(files)}


def without_failures(out_dir: Path) -> dict[str, bytes]:
    """Contents of tables and pictures alone."""
    return {name: data for name, data in outputs(out_dir).items() if name.endswith((".png", "_sec.csv"))}


@contextmanager
def hidden(folder: Path, code: int, how: str = "stat") -> Iterator[None]:
    """Have a folder not be examined or listed."""
    stat, scandir = Path.stat, os.scandir

    def no_stat(path: Path, **options: bool) -> os.stat_result:
        if path == folder or folder in path.parents:
            raise OSError(code, os.strerror(code))
        return stat(path, **options)

    def no_list(path: Path) -> object:
        if Path(path) == folder:
            raise OSError(code, os.strerror(code))
        return scandir(path)

    with pytest.MonkeyPatch.context() as patch:
        if how == "stat":
            patch.setattr(Path, "stat", no_stat)
        patch.setattr(os, "scandir", no_list)
        yield


def read_table(path: Path) -> pd.DataFrame:
    """Read a table with every bit of its numbers, which not every version of pandas does by default."""
    with path.open(newline="", encoding="utf-8") as file:
        columns, *rows = csv.reader(file)
    table = pd.DataFrame(rows, columns=columns)
    return table.astype({"length": int} | dict.fromkeys(columns[2:-1], float))


def read_lines(process: subprocess.Popen[str], count: int, timeout: float = 60) -> list[str]:
    """Wait for some lines of a process's output."""
    lines: Queue[str] = Queue()
    assert process.stdout is not None
    stdout = process.stdout
    threading.Thread(target=lambda: [lines.put(stdout.readline()) for _ in range(count)], daemon=True).start()
    return [lines.get(timeout=timeout) for _ in range(count)]


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
