"""What a server is started with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
"""The server is reached from its own machine only."""

MEGABYTE = 2**20


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server is started with.

    Attributes
    ----------
    port : int
        The port that it listens on.
    model : Path or None
        Folder of the model that classifies; None for the one that comes with the package.
    models : Path or None
        Folder of the folders of further models to choose from.
    music : Path or None
        Folder of the library, which no request leads out of.
    max_bytes : int
        Largest file that is classified.
    max_seconds : float
        Time that one file may take.
    max_memory : int
        Bytes of address space that one worker process may take.
    jobs : int or None
        Most worker processes; None for one for each core.
    """

    port: int
    model: Path | None = None
    models: Path | None = None
    music: Path | None = None
    max_bytes: int = 200 * MEGABYTE
    max_seconds: float = 120.0
    max_memory: int = 4 * 2**30
    jobs: int | None = None
