"""The application: routes, the page, and what every error becomes."""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from audio_genre._version import __version__
from audio_genre.errors import AudioError, AudioGenreError, ParameterError
from audio_genre.jobs.processes import usable_cores
from audio_genre.web.catalogue import Catalogue
from audio_genre.web.failures import FAILURES
from audio_genre.web.guard import Guard
from audio_genre.web.listening import describe_model
from audio_genre.web.places import OutsideError
from audio_genre.web.routes import clips, library, models, report, session, spotify
from audio_genre.web.settings import Settings
from audio_genre.web.state import State
from audio_genre.web.uploads import TooLargeError
from audio_genre.web.worker import LostError, Pool

_STATIC = Path(__file__).parent / "static"
_TRIM_EVERY_SECONDS = 5.0


def create_app(settings: Settings) -> FastAPI:
    """Make the application; workers and temporary files live as long as its lifespan."""
    token = secrets.token_urlsafe(32)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        jobs = settings.jobs or usable_cores()
        pool = Pool(max_seconds=settings.max_seconds, max_memory=settings.max_memory, jobs=jobs)
        with tempfile.TemporaryDirectory(prefix="audio-genre-", ignore_cleanup_errors=True) as folder:
            state = State(settings, token, pool, Catalogue(settings), Path(folder), asyncio.Semaphore(2 * jobs))
            app.state.shared = state
            tasks = [asyncio.create_task(_load(state)), asyncio.create_task(_trim(pool))]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                state.tasks.close()
                state.account_tasks.close()
                pool.close()

    app = FastAPI(
        title="audio-genre",
        version=__version__,
        description="Tells the genre of audio files. Requests other than GET need the token of /api/session.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=lifespan,
    )
    app.add_middleware(Guard, port=settings.port, token=token)
    for kind, status in _STATUS.items():
        app.add_exception_handler(kind, _handler(status))
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(ClientDisconnect, _left)
    for routes in (session, clips, library, models, report, spotify):
        app.include_router(routes.router, responses=FAILURES)
    app.include_router(report.pages)
    app.include_router(spotify.pages)

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(_STATIC / "index.html")

    @app.get("/api/docs", include_in_schema=False)
    def documentation() -> FileResponse:
        return FileResponse(_STATIC / "docs.html")

    app.mount("/static", StaticFiles(directory=_STATIC))
    return app


_STATUS: dict[type[Exception], int] = {
    AudioError: 422,
    TooLargeError: 413,
    LostError: 503,
    OutsideError: 403,
    ParameterError: 422,
    AudioGenreError: 409,
}


async def _load(state: State) -> None:
    """Load the model before the first file comes."""
    try:
        await state.pool.call(describe_model, state.catalogue.folder(state.catalogue.chosen))
    except LostError:
        # The next request tries again.
        pass
    except AudioGenreError as error:
        sys.stderr.write(f"audio-genre: {error}\n")


async def _trim(pool: Pool) -> None:
    while True:
        await asyncio.sleep(_TRIM_EVERY_SECONDS)
        await asyncio.to_thread(pool.trim)


def _handler(status: int):  # type: ignore[no-untyped-def]
    def answer(_: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, status)

    return answer


def _malformed(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return JSONResponse({"error": f"The request is malformed: {place}: {first['msg']}; see /api/docs."}, 422)


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": f"{error.detail}; see /api/docs."}, error.status_code, headers=error.headers)


def _left(_: Request, error: Exception) -> Response:  # noqa: ARG001
    """Answer nobody: the client is gone."""
    return Response(status_code=400)
