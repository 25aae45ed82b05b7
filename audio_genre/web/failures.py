"""How the API says that something is wrong."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class Failure(BaseModel):
    """What is wrong, in one sentence."""

    error: str


_MEANINGS = {
    400: "The body cannot be read.",
    403: "The request is refused: another host or page, no token, or a path that leads out of the music folder.",
    409: "It cannot be done at the moment, or not with this model or file.",
    413: "The body is larger than the server takes.",
    422: "The request is malformed, or the file cannot be decoded, is too short or takes too long.",
    503: "The work was given up; ask again.",
}
FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure, "description": meaning} for status, meaning in _MEANINGS.items()
}
"""What any route may answer with."""
