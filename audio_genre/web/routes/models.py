"""The models: what they are worth, and which one classifies."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel

from audio_genre.web.bodies import JsonRoute
from audio_genre.web.listening import describe_model, draw_confusion, measure, summarize
from audio_genre.web.state import Shared, State

router = APIRouter(prefix="/api", tags=["models"], route_class=JsonRoute)


class Choice(BaseModel):
    """The name of a model."""

    id: str


@router.get("/model")
async def chosen_model(state: Shared) -> dict[str, Any]:
    """Tell which model classifies, as soon as it is loaded, and what it is worth."""
    name = state.catalogue.chosen
    return {"id": name, **await state.pool.call(describe_model, state.catalogue.folder(name))}


@router.put("/model")
async def choose_model(choice: Choice, state: Shared) -> dict[str, Any]:
    """Let another model classify from now on."""
    found = await state.pool.call(describe_model, state.catalogue.folder(choice.id))
    state.catalogue.chosen = choice.id
    return {"id": choice.id, **found}


@router.get("/models")
async def list_models(state: Shared) -> dict[str, Any]:
    """List the models that can be chosen, with the scores that their cards tell."""
    return {
        "chosen": state.catalogue.chosen,
        "models": await state.pool.call(summarize, state.catalogue.folders()),
    }


@router.get("/models/{name}")
async def measured_model(name: str, state: Shared) -> dict[str, Any]:
    """Score the test predictions of a model anew, and count how its test tracks were classified."""
    key = (name, _changed(state, name))
    if key not in state.measured:
        state.measured[key] = await state.pool.call(measure, state.catalogue.folder(name))
    return state.measured[key]


@router.get("/models/{name}/confusion.png", response_class=Response, responses={200: {"content": {"image/png": {}}}})
async def confusion_picture(name: str, state: Shared) -> Response:
    """Draw the confusion matrix of a model."""
    picture = await state.pool.call(draw_confusion, state.catalogue.folder(name))
    return Response(picture, media_type="image/png", headers={"cache-control": "private, max-age=60"})


def _changed(state: State, name: str) -> int:
    folder = state.catalogue.folder(name)
    return 0 if folder is None else (folder / "card.json").stat().st_mtime_ns
