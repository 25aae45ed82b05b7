"""A Spotify account: connecting, liked songs, sources of their genres, playlists, undo, disconnecting."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, Field

from audio_genre.errors import AccountError, AudioGenreError, BundleError, LibraryError
from audio_genre.web.bodies import JsonRoute
from audio_genre.web.failures import Failure
from audio_genre.web.listening import table_models
from audio_genre.web.places import shown
from audio_genre.web.settings import HOST
from audio_genre.web.state import Shared, State, Table
from audio_genre.web.tasks import Task
from audio_genre.web.uploads import BODY, received, shown_name

if TYPE_CHECKING:
    from audio_genre.spotify import Sources

router = APIRouter(prefix="/api/spotify", tags=["spotify"], route_class=JsonRoute)
pages = APIRouter(include_in_schema=False)

_CALLBACK = "/callback"
_FAILURES: dict[int | str, dict[str, Any]] = {413: {"model": Failure, "description": "The table is too large."}}

Role = Literal["corrections", "features"]


class Login(BaseModel):
    """Which Spotify app is connected, and for what."""

    client_id: str = Field(max_length=200)
    public: bool = Field(False, description="Whether public playlists are to be changed too.")


class Genres(BaseModel):
    """Genres for liked songs, by their ids; null takes one back."""

    genres: dict[str, str | None]


class SourceChoice(BaseModel):
    """Where genres come from, in the order of trust: tables that were sent before, the folder of --music, a model."""

    corrections: bool = False
    music: bool = Field(default=False, description="Files below --music, heard by the model that classifies.")
    features: bool = False
    reccobeats: bool = Field(
        default=False, description="Whether the ids of songs are sent to ReccoBeats, a third party."
    )
    model: str | None = Field(default=None, description="A model of tables of tracks, for features and reccobeats.")


class Order(BaseModel):
    """Long work on the account.

    ``liked`` reads the liked songs, ``find`` asks the sources for their genres, ``preview`` tells what ``apply`` would
    write, ``undo-preview`` tells what ``undo`` would take back.
    """

    kind: Literal["liked", "find", "preview", "apply", "undo-preview", "undo"]
    sources: SourceChoice = Field(default_factory=SourceChoice)
    genres: list[str] | None = Field(None, description="The genres to keep; all where it is left out.")
    min_confidence: float = Field(0.0, ge=0, le=1)
    min_tracks: int = Field(1, ge=1)
    name: str = Field("{genre} (liked)", description="Name of new playlists.")
    public: bool = False
    prune: bool = False


@router.get("")
def account_status(state: Shared) -> dict[str, Any]:
    """Tell who is connected and what is kept of the account; nothing is sent to Spotify."""
    task = state.account_tasks.last
    working = None if task is None or task.state != "running" else task.told()
    return {"task": working, "redirect_uri": f"http://{HOST}{_CALLBACK}", **state.account.status()}


@router.post("/login")
def begin_login(login: Login, state: Shared) -> dict[str, str]:
    """Begin a login: the answer is the page of Spotify where the user agrees, which leads back to /callback."""
    back = f"http://{HOST}:{state.settings.port}{_CALLBACK}"
    return {"address": state.account.begin_login(login.client_id, back, public=login.public)}


@pages.get(_CALLBACK)
def finish_login(request: Request, state: Shared) -> Response:
    """Take the way back from Spotify, which only the state of a login that was begun opens."""
    is_done = state.account.finish_login(str(request.url))
    return RedirectResponse("/#spotify" if is_done else "/#spotify?login=failed", 303)


@router.delete("")
def disconnect(state: Shared) -> dict[str, Any]:
    """Delete the token, every item of the account that is kept on this machine, and the tables that were sent."""
    state.account.logout()
    state.account_tasks.last = None
    for table in state.tables.values():
        table.delete()
    state.tables.clear()
    state.sources = {}
    return account_status(state)


@router.get("/songs", response_class=JSONResponse)
async def list_songs(state: Shared) -> Response:
    """Tell where every liked song goes, and why; nothing is sent to Spotify."""
    # Thousands of rows take FastAPI's own encoder a second.
    return JSONResponse(await asyncio.to_thread(state.account.songs))


@router.put("/genres")
def choose_genres(choice: Genres, state: Shared) -> dict[str, Any]:
    """Give songs a genre by hand; that wins over every source until the account is disconnected."""
    return state.account.move(choice.genres)


@router.get("/sources")
async def list_sources(state: Shared) -> dict[str, Any]:
    """Tell which sources of genres there are on this server, and which were chosen last."""
    music = state.settings.music
    return {
        "music": None if music is None else shown(music.name),
        "models": await state.pool.call(table_models, state.catalogue.folders()),
        "tables": {role: table.name for role, table in state.tables.items()},
        "chosen": state.sources,
    }


@router.put("/tables/{role}", openapi_extra={"requestBody": BODY}, responses=_FAILURES)
async def send_table(
    role: Role,
    request: Request,
    state: Shared,
    name: Annotated[str, Query(description="Name of the file, shown only.")] = "",
) -> dict[str, str]:
    """Send a table for a source, which is the body of the request; it is kept until the server ends."""
    name = shown_name(name)
    async with received(request, state.uploads, name, state.settings.max_bytes) as path:
        folder = Path(tempfile.mkdtemp(prefix="table-", dir=state.uploads))
        file = path.replace(folder / f"{role}{path.suffix}")
    former, state.tables[role] = state.tables.get(role), Table(name, file)
    if former is not None:
        former.delete()
    return {"name": name}


@router.get("/task")
def current_task(
    state: Shared,
    brief: Annotated[bool, Query(description="Leave out what came of it, which may be long.")] = False,
) -> dict[str, Any]:
    """Tell how far the long work is, or what came of the last one, and how often anything changed."""
    task = state.account_tasks.last
    told = None if task is None else task.told() | ({"result": None} if brief else {})
    return {"changes": state.account.changes, "task": told}


@router.post("/task")
def start_task(order: Order, state: Shared) -> dict[str, Any]:
    """Begin long work; the same work that runs already is joined."""
    # What is wrong with an order is told at once.
    work = _work(state, order)
    task = state.account_tasks.start(order.kind, "", order, work)
    return {"changes": state.account.changes, "task": task.told()}


@router.delete("/task")
def stop_task(state: Shared) -> dict[str, Any]:
    """Stop the long work; what is done is kept."""
    state.account_tasks.stop()
    return current_task(state)


def _work(state: State, order: Order) -> Callable[[Task], dict[str, Any]]:
    account = state.account
    missing = account.missing()
    if missing is not None:
        raise AccountError(missing)
    if order.kind == "liked":
        return account.read_liked
    if order.kind in ("undo", "undo-preview"):
        return lambda told: account.undo(apply=order.kind == "undo", told=told)
    if order.kind == "find":
        sources = _sources(state, order.sources)
        state.sources = order.sources.model_dump() | {"min_confidence": order.min_confidence}
        return partial(_find, state, sources, order.min_confidence)
    from audio_genre.library.plan import Choice
    from audio_genre.library.records import Acceptance
    from audio_genre.spotify import Naming

    genres = None if order.genres is None else tuple(order.genres)
    choice = Choice(genres, Acceptance(order.min_confidence), order.min_tracks)
    naming, is_for_good = Naming(order.name, order.public), order.kind == "apply"
    return lambda told: account.write(choice, naming, prune=order.prune, apply=is_for_good, told=told)


def _find(state: State, sources: Sources, min_confidence: float, told: Task) -> dict[str, Any]:
    try:
        return state.account.find_genres(sources, min_confidence, told)
    except AudioGenreError as error:
        sentence = str(error)
        # What is wrong with a table is told under the name that the user knows.
        for table in state.tables.values():
            sentence = sentence.replace(str(table.file), table.name)
        raise AccountError(sentence) from None


def _sources(state: State, choice: SourceChoice) -> Sources:
    """Return the sources by the places that this server was started with, and the tables that it was sent."""
    from audio_genre.spotify import Sources

    music = state.settings.music
    if choice.music and music is None:
        raise LibraryError("The server was started without a library; start it with --music DIR.")
    tables = {}
    for role, is_wanted in (("corrections", choice.corrections), ("features", choice.features)):
        if is_wanted and role not in state.tables:
            raise AccountError(f"There is no table of {role} on the server; choose the file again.")
        tables[role] = state.tables[role].file if is_wanted else None
    model = None
    if choice.features or choice.reccobeats:
        model = None if choice.model is None else state.catalogue.folder(choice.model)
        if model is None:
            raise BundleError("Track features need a model that was trained on tables of tracks; choose one.")
    return Sources(
        corrections=tables["corrections"],
        music=music if choice.music else None,
        audio_model=state.catalogue.folder(state.catalogue.chosen) if choice.music else None,
        features=tables["features"],
        model=model,
        reccobeats=choice.reccobeats,
        stay_inside=True,
    )
