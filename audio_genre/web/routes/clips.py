"""Classifying a file."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from audio_genre.errors import AudioError
from audio_genre.web.failures import Failure
from audio_genre.web.listening import listen
from audio_genre.web.state import Shared
from audio_genre.web.uploads import BODY, received, shown_name
from audio_genre.web.worker import LostError

router = APIRouter(prefix="/api", tags=["clips"])

_FAILURES: dict[int | str, dict[str, Any]] = {413: {"model": Failure, "description": "The file is too large."}}


@router.post("/clips", openapi_extra={"requestBody": BODY}, responses=_FAILURES)
async def classify(
    request: Request,
    state: Shared,
    name: Annotated[str, Query(description="Name of the file, shown only.")] = "",
    picture: Annotated[bool, Query(description="Whether the answer has a mel spectrogram.")] = False,
) -> dict[str, Any]:
    """Classify an audio file, which is the body of the request: its genre, and the genre over time."""
    name = shown_name(name)
    model = state.catalogue.folder(state.catalogue.chosen)
    # Those who wait here send nothing yet, so that few files are on the disk at a time.
    async with state.room, received(request, state.uploads, name, state.settings.max_bytes) as path:
        try:
            return await state.pool.call(listen, str(path), name, model, picture=picture)
        except AudioError as error:
            raise AudioError(name, error.reason) from None
        except LostError as error:
            raise AudioError(name, error.reason) from None
