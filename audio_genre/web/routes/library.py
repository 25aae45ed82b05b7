"""A library: folders to choose from, what is known of the files, genres moved by hand, what is written."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel, Field

from audio_genre.errors import LibraryError
from audio_genre.web.bodies import JsonRoute
from audio_genre.web.places import audio_file, below, folders, id_of, path_of, shown
from audio_genre.web.sorting import Wish
from audio_genre.web.state import Shared, State
from audio_genre.web.tasks import Task

router = APIRouter(prefix="/api/library", tags=["library"], route_class=JsonRoute)

Folder = Annotated[str, Query(description="Id of a folder below --music, empty for that itself.")]


class Choice(BaseModel):
    """Genres for tracks, by their ids; null takes a choice back."""

    folder: str = ""
    genres: dict[str, str | None]


class Order(BaseModel):
    """Long work on a folder.

    ``classify`` listens to what is new or changed, ``preview`` tells what ``apply`` would write, ``undo-preview`` tells
    what ``undo`` would take back.
    """

    kind: Literal["classify", "preview", "apply", "undo-preview", "undo"]
    folder: str = ""
    genres: list[str] | None = Field(None, description="The genres to keep; all where it is left out.")
    min_confidence: float = Field(0.0, ge=0, le=1)
    playlists: bool = True
    tags: bool = False
    overwrite: bool = False
    retry_failed: bool = False


@router.get("/folders")
def list_folders(state: Shared, folder: Folder = "") -> dict[str, Any]:
    """List the folders in a folder."""
    root = _root(state)
    place = below(root, folder)
    prefix = path_of(folder).strip("/")
    names = folders(place, root)
    return {
        "music": shown(root.name),
        "folder": id_of(prefix),
        "path": shown(prefix),
        "folders": [{"id": id_of(f"{prefix}/{name}".lstrip("/")), "name": shown(name)} for name in names],
    }


@router.get("/tracks", response_class=JSONResponse)
async def list_tracks(state: Shared, folder: Folder = "") -> Response:
    """Tell what is known of every file in a folder and those below it; no file is listened to."""
    work = partial(state.library.tracks, below(_root(state), folder), _model(state))
    # Ten thousand rows take FastAPI's own encoder a second.
    return JSONResponse(await asyncio.to_thread(work))


@router.get("/audio", response_class=FileResponse, responses={200: {"content": {"audio/*": {}}}})
def play(state: Shared, track: str, folder: Folder = "") -> FileResponse:
    """Send an audio file of a folder."""
    return FileResponse(audio_file(_root(state), folder, track))


@router.put("/genres")
def choose_genres(choice: Choice, state: Shared) -> dict[str, Any]:
    """Choose the genres of tracks by hand; that wins over every model, here and in `audio-genre organize`."""
    return state.library.correct(below(_root(state), choice.folder), choice.genres)


@router.get("/task")
def current_task(state: Shared) -> dict[str, Any]:
    """Tell how far the long work is, or what came of the last one, and how often anything changed."""
    task = state.tasks.last
    return {"changes": state.library.changes, "task": None if task is None else task.told()}


@router.post("/task")
def start_task(order: Order, state: Shared) -> dict[str, Any]:
    """Begin long work; the same work that runs already is joined."""
    folder = below(_root(state), order.folder)
    work = partial(_perform, state, folder, _model(state), order)
    task = state.tasks.start(order.kind, order.folder, order, work)
    return {"changes": state.library.changes, "task": task.told()}


@router.delete("/task")
def stop_task(state: Shared) -> dict[str, Any]:
    """Stop the long work; what is done is kept."""
    state.tasks.stop()
    return current_task(state)


def _perform(state: State, folder: Path, model: Path | None, order: Order, told: Task) -> dict[str, Any]:
    library = state.library
    if order.kind == "classify":
        return library.classify(folder, model, retry_failed=order.retry_failed, told=told)
    if order.kind in ("undo", "undo-preview"):
        return library.undo(folder, apply=order.kind == "undo", told=told)
    wish = Wish(order.genres, order.min_confidence, order.playlists, order.tags, order.overwrite)
    return library.write(folder, model, wish, apply=order.kind == "apply", told=told)


def _root(state: State) -> Path:
    if state.settings.music is None:
        raise LibraryError("The server was started without a library; start it with --music DIR.")
    return state.settings.music


def _model(state: State) -> Path | None:
    return state.catalogue.folder(state.catalogue.chosen)
