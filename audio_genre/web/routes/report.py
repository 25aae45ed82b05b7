"""The comparison report of all models of ``--models``."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import FileResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from audio_genre.errors import BundleError
from audio_genre.web.bodies import JsonRoute
from audio_genre.web.listening import write_comparison
from audio_genre.web.reports import HEADERS
from audio_genre.web.state import Shared

router = APIRouter(prefix="/api", tags=["models"], route_class=JsonRoute)
pages = APIRouter(prefix="/report", include_in_schema=False)


class Report(BaseModel):
    """Where a report is shown."""

    address: str


@router.post("/report")
async def make_report(state: Shared) -> Report:
    """Compare the models of --models as `audio-genre compare` does; one that is still true is not made again."""
    if state.settings.models is None:
        raise BundleError("There are no models to compare; start the server with --models DIR.")
    reports = state.reports
    async with reports.lock:
        of = state.catalogue.stamps()
        if reports.of != of or not of:
            folder = reports.begin(state.uploads)
            await state.pool.call(write_comparison, state.settings.models, folder)
            reports.of = of
        return Report(address=f"/report/{reports.secret}/report.html")


@pages.get("/{secret}/{name:path}")
def report_file(secret: str, name: str, state: Shared) -> FileResponse:
    """Send a file of a report."""
    file = state.reports.file(secret, name)
    if file is None:
        raise HTTPException(404, "There is no such report any more")
    return FileResponse(file, headers=HEADERS)
