"""Bodies of requests that are JSON: taken up to a limit, so that none fills the memory."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

from audio_genre.web.settings import MEGABYTE

MAX_BYTES = 8 * MEGABYTE
"""Largest JSON body: genres for 10,000 files with names of 255 bytes fit."""

_REFUSAL = f"The body of the request is larger than {MAX_BYTES // MEGABYTE} MB; send it in several requests"


class JsonRoute(APIRoute):
    """A route that refuses a JSON body above the limit before all of it is read; files have a limit of their own."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            return await handler(request if self.body_field is None else _limited(request))

        return answer


def _limited(request: Request) -> Request:
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > MAX_BYTES:
        raise HTTPException(413, _REFUSAL)
    size = 0

    async def receive() -> Any:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > MAX_BYTES:
            raise HTTPException(413, _REFUSAL)
        return message

    return Request(request.scope, receive)
