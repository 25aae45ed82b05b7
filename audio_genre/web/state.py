"""What the routes of one server share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request

from audio_genre.web.account import PageAccount
from audio_genre.web.catalogue import Catalogue
from audio_genre.web.reports import Reports
from audio_genre.web.settings import Settings
from audio_genre.web.sorting import Library
from audio_genre.web.tasks import Tasks
from audio_genre.web.worker import Pool


@dataclass(frozen=True, slots=True)
class Table:
    """A table that the page sent for a source of genres: what it is called there, and where it is kept."""

    name: str
    file: Path

    def delete(self) -> None:
        """Delete it."""
        self.file.unlink(missing_ok=True)


@dataclass
class State:
    """What the routes of one server share."""

    settings: Settings
    token: str
    pool: Pool
    catalogue: Catalogue
    uploads: Path
    room: asyncio.Semaphore
    library: Library = field(default_factory=Library)
    tasks: Tasks = field(default_factory=Tasks)
    account: PageAccount = field(default_factory=PageAccount)
    account_tasks: Tasks = field(default_factory=Tasks)
    tables: dict[str, Table] = field(default_factory=dict)
    sources: dict[str, Any] = field(default_factory=dict)
    reports: Reports = field(default_factory=Reports)
    measured: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)


def state_of(request: Request) -> State:
    """Return the state of the server that a request came to."""
    state: State = request.app.state.shared
    return state


Shared = Annotated[State, Depends(state_of)]
