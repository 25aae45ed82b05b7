"""What a page asks first."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from audio_genre._version import __version__
from audio_genre.web.bodies import JsonRoute
from audio_genre.web.places import shown
from audio_genre.web.state import Shared

router = APIRouter(prefix="/api", tags=["session"], route_class=JsonRoute)


@router.get("/session")
def session(state: Shared) -> dict[str, Any]:
    """Tell the token that further requests need, and the limits."""
    return {
        "version": __version__,
        "token": state.token,
        "max_bytes": state.settings.max_bytes,
        "max_seconds": state.settings.max_seconds,
        "chosen": state.catalogue.chosen,
        "music": None if state.settings.music is None else shown(state.settings.music.name),
        "models": state.settings.models is not None,
    }
